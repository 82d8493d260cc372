"""Suppression in the store: every record ends in one count, nothing is lost, and when it is over all is as it would have been."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intel_rows import add_suppressions, lines, pairs
from signing_cases import holds
from test_enriching import sound

from alertstore import AlertNotFoundError, AlertStore, AlertValidationError, StoreReadOnlyError
from alertstore.testing import FrozenClock, generic_alert, make_alert, seeded_ids

COUNTS = ("new", "duplicates", "seen", "skipped", "suppressed", "rejected")


def until(clock, **ahead):
    return clock.now + timedelta(**(ahead or {"hours": 1}))


records = st.lists(
    st.builds(
        lambda title, rule, ip, n: generic_alert(title=title, n=n, indicators=pairs(f"ip:192.0.2.{ip}")) | ({"rule_id": rule} if rule else {}),
        st.sampled_from(["a", "b", 5]), st.sampled_from([None, "R-1", "R-2"]), st.integers(1, 3), st.integers(0, 3),
    ),
    min_size=1, max_size=8,
)  # fmt: skip
holding = st.sets(st.sampled_from(["rule", "indicator", "fingerprint"]))


@settings(max_examples=25)
@given(records, holding, st.sampled_from([1, 3, 100]))
def test_every_record_ends_in_one_count_and_makes_its_alert_in_the_end(tmp_path_factory, found, kinds, batch):
    folder, clock = tmp_path_factory.mktemp("s"), FrozenClock()
    shown = generic_alert(title="a", rule_id="R-1", indicators=pairs("ip:192.0.2.1"))
    with (
        pytest.MonkeyPatch.context() as patched,
        AlertStore.open(folder / "s.db", clock=clock, ids=seeded_ids(), durability="normal") as store,
        AlertStore.open(folder / "free.db", clock=clock, ids=seeded_ids(), durability="normal") as free,
    ):
        patched.setattr("alertstore.store.records.BATCH_RECORDS", batch)
        first = store.add(shown).alert
        free.add(shown)
        targets = {"rule": "R-1", "indicator": "ip:192.0.2.1", "fingerprint": first.fingerprint}
        for kind in sorted(kinds):
            store.suppress(**{kind: targets[kind]}, until=until(clock), reason="noise", actor="mia")
        held = store.ingest(lines(found), source="generic")
        assert sum(getattr(held, name) for name in COUNTS) == len(found)
        assert len(store.suppressed_records()) == sum(one.held for one in store.suppressions()) == held.suppressed
        assert sound(store)
        clock.advance(hours=1)
        after = store.ingest(lines(found), source="generic")
        assert (after.suppressed, sum(getattr(after, name) for name in COUNTS)) == (0, len(found))
        expected = free.ingest(lines(found), source="generic")
        assert held.new + after.new == expected.new
        assert held.duplicates + after.duplicates == expected.duplicates
        assert shape(store) == shape(free)
        assert sound(store)


def shape(store):
    return sorted(
        (alert.title, alert.fingerprint, alert.duplicate_count, len(alert.indicators))
        for alert in (store.get(item.uuid) for item in store.alerts(limit=100).items)
    )


@pytest.mark.parametrize(
    "given",
    [
        {"reason": ""}, {"reason": None}, {"reason": "\0"}, {"reason": "\ud800"}, {"until": None}, {"until": "tomorrow"}, {"until": 5},
        {"until": FrozenClock().now}, {"until": FrozenClock().now - timedelta(days=1)}, {"fingerprint": None}, {"rule": "R-1"},
        {"fingerprint": "0" * 31}, {"fingerprint": "x" * 32}, {"actor": " "}, {"actor": "\ud800"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_refused_leaves_no_trace(alert_store, frozen_clock, given):
    before = alert_store.checkpoint()
    with pytest.raises(AlertValidationError):
        alert_store.suppress(**({"fingerprint": "0" * 32, "reason": "r", "until": until(frozen_clock)} | given))
    assert (alert_store.checkpoint(), alert_store.suppressions()) == (before, [])


@pytest.mark.parametrize("missing", ["reason", "until"])
def test_reason_and_end_must_be_given(alert_store, frozen_clock, missing):
    said = {"fingerprint": "0" * 32, "reason": "r", "until": until(frozen_clock)}
    del said[missing]
    with pytest.raises(TypeError):
        alert_store.suppress(**said)


@pytest.mark.parametrize("target", [{"rule": "R-none"}, {"indicator": "ip:192.0.2.99"}])
def test_what_is_not_here_cannot_be_suppressed(alert_store, frozen_clock, target):
    with pytest.raises(AlertNotFoundError):
        alert_store.suppress(**target, reason="r", until=until(frozen_clock))


@pytest.mark.parametrize("naive", [True, False])
def test_the_end_is_a_time_of_the_stores_clock(alert_store, frozen_clock, naive):
    alert = make_alert(alert_store, title="x")
    end = until(frozen_clock).replace(tzinfo=None) if naive else until(frozen_clock)
    made = alert_store.suppress(fingerprint=alert.fingerprint, until=end, reason="r", actor="mia")
    assert (made.until, made.author, made.reason, made.state) == (end.replace(tzinfo=UTC), "mia", "r", "active")
    frozen_clock.advance(minutes=59, seconds=59)
    assert alert_store.add(generic_alert(title="x", n=1)).outcome == "suppressed"
    frozen_clock.advance(seconds=1)
    assert alert_store.suppressions()[0].state == "expired"
    assert alert_store.add(generic_alert(title="x", n=1)).outcome == "duplicate"
    with pytest.raises(AlertValidationError):
        alert_store.lift_suppression(made.uuid)


def test_a_record_that_was_reported_before_is_seen(alert_store, frozen_clock):
    alert = make_alert(alert_store, title="x")
    alert_store.suppress(fingerprint=alert.fingerprint, until=until(frozen_clock), reason="r")
    assert alert_store.add(generic_alert(title="x")).outcome == "seen"
    assert alert_store.get(alert.uuid).duplicate_count == 0


def test_what_is_held_back_is_kept_once_with_its_bytes(alert_store):
    found, (by_rule, by_indicator, lifted) = add_suppressions(alert_store)
    kept = alert_store.suppressed_records()
    assert [(one.suppression, one.import_id, one.record) for one in kept] == [
        (by_rule.uuid, found, 1), (by_indicator.uuid, found, 2), (by_rule.uuid, None, None),
    ]  # fmt: skip
    assert all(len(one.raw) == one.size for one in kept)
    assert alert_store.suppressed_records(by_indicator.uuid) == [kept[1]]
    assert {one.uuid: one.state for one in alert_store.suppressions()}[lifted.uuid] == "lifted"
    with pytest.raises(AlertValidationError):
        alert_store.lift_suppression(lifted.uuid)
    with pytest.raises(AlertNotFoundError):
        alert_store.lift_suppression("0190aaaa-0000-7000-8000-000000000001")
    with pytest.raises(AlertNotFoundError, match=by_rule.uuid):
        _ = alert_store.add(generic_alert(title="alone", rule_id="R-held")).alert
    assert sound(alert_store)


def test_what_was_held_back_can_be_erased(alert_store):
    found, _ = add_suppressions(alert_store)
    *_, alone = alert_store.suppressed_records()
    alert_store.redact_rejected(found, 1, authority="order 7")
    alert_store.redact_rejected(None, alone.seq, authority="order 7")
    erased = [one for one in alert_store.suppressed_records() if one.raw is None]
    assert [one.title for one in erased] == ["[redacted]"] * 2
    assert sound(alert_store)


def test_a_store_that_is_only_read_refuses(alert_store, frozen_clock, open_again):
    _, (made, *_) = add_suppressions(alert_store)
    reader = open_again(mode="ro")
    assert reader.suppressions() == alert_store.suppressions()
    for call in (
        lambda: reader.suppress(rule="R-held", until=until(frozen_clock), reason="r"),
        lambda: reader.lift_suppression(made.uuid),
    ):
        with pytest.raises(StoreReadOnlyError):
            call()


def test_two_stores_on_one_file(alert_store, frozen_clock, open_again):
    alert, other = make_alert(alert_store, title="x"), open_again()
    made = other.suppress(fingerprint=alert.fingerprint, until=until(frozen_clock), reason="r")
    assert alert_store.add(generic_alert(title="x", n=1)).outcome == "suppressed"
    alert_store.lift_suppression(made.uuid)
    assert other.add(generic_alert(title="x", n=1)).outcome == "duplicate"
    assert sound(other)


@pytest.mark.parametrize("part", ["record", "content", "findings"])
@pytest.mark.parametrize("from_file", [True, False])
@pytest.mark.parametrize("deleted", [True, False])
@pytest.mark.parametrize("pruned", [True, False])
def test_an_alert_is_redacted_with_its_record_that_was_held_back_before(alert_store, frozen_clock, kinds, part, from_file, deleted, pruned):
    record = generic_alert(title="Geheimwort", indicators=pairs("ip:192.0.2.7", "account:Miaaccount"))
    other = generic_alert(title="Nebenwort", indicators=pairs("ip:192.0.2.7"))
    alert_store.add(generic_alert(title="shown", indicators=pairs("ip:192.0.2.7")))
    made = alert_store.suppress(indicator="ip:192.0.2.7", until=until(frozen_clock), reason="r")
    if from_file:
        assert alert_store.ingest(lines([other, record]), source="generic").suppressed == 2
    else:
        assert [alert_store.add(one).outcome for one in (other, record)] == ["suppressed"] * 2
    frozen_clock.advance(hours=2)
    assert alert_store.ingest(lines([record]), source="generic").new if from_file else alert_store.add(record)
    (alert,) = (item for item in alert_store.alerts().items if item.title == "Geheimwort")
    if deleted:
        alert_store.delete_alert(alert.uuid, reason="r")
    if pruned:
        frozen_clock.advance(hours=1)
        alert_store.prune(frozen_clock.now, authority="policy")
    begin, (held, twin) = alert_store.checkpoint().size, alert_store.suppressed_records()
    alert_store.redact(alert.uuid, [part], authority="order 7", reason="asked", actor="mia")
    kept = alert_store.suppressed_records()
    assert kept[0] == held
    if part == "findings":
        assert kinds(begin) == ["alert_redacted"]
        assert kept[1] == twin
        return
    assert kinds(begin) == ["alert_redacted", "record_redacted"]
    event = next(alert_store.events(after=begin + 1))
    assert (event.subject, event.actor, event.reason) == (str(kept[1].import_id or made.uuid), "mia", "asked")
    assert event.body["facts"] == {"authority": "order 7", "event": twin.seq}
    assert (kept[1].raw, kept[1].title) == (None, "[redacted]")
    alert_store.redact(alert.uuid, authority="order 7")
    assert [holds(alert_store.path, word) for word in ("Geheimwort", "Miaaccount", "Nebenwort")] == [False, False, True]
    assert kinds(begin)[2:] == ["alert_redacted"]
    assert sound(alert_store)


def test_suppressions_of_every_state_are_counted_and_named(alert_store, frozen_clock):
    names = [f"ip:192.0.2.{n}" for n in range(1, 6)]
    for name in names:
        alert_store.add(generic_alert(title=name, indicators=pairs(name)))
    made = []
    for n, name in enumerate(names, 1):
        made.append(alert_store.suppress(indicator=name, until=until(frozen_clock, hours=n), reason="r"))
        for k in range(n):
            assert alert_store.add(generic_alert(title=f"{name} again", n=k, indicators=pairs(name))).outcome == "suppressed"
    frozen_clock.advance(hours=1)
    assert alert_store.lift_suppression(made[1].uuid).held == 2
    assert [(one.name, one.held, one.state) for one in alert_store.suppressions()] == list(
        zip(names, range(1, 6), ["expired", "lifted", "active", "active", "active"], strict=True)
    )


def test_what_is_remembered_of_suppressions_is_what_is_in_force(alert_store, frozen_clock, open_again):
    shown = [make_alert(alert_store, title=title) for title in ("x", "y", "z")]
    numbers = iter(range(1, 100))

    def outcomes(store=alert_store):
        return "".join("s" if store.add(generic_alert(title=title, n=next(numbers))).outcome == "suppressed" else "-" for title in "xyz")

    assert outcomes() == "---"
    alert_store.suppress(fingerprint=shown[0].fingerprint, until=until(frozen_clock), reason="r")
    assert outcomes() == "s--"
    later = alert_store.suppress(fingerprint=shown[1].fingerprint, until=until(frozen_clock, hours=2), reason="r")
    assert outcomes() == "ss-"
    frozen_clock.advance(hours=1)
    assert outcomes() == "-s-"
    frozen_clock.advance(hours=-1)  # the clock was set back
    assert outcomes() == "ss-"
    with open_again() as other:
        third = other.suppress(fingerprint=shown[2].fingerprint, until=until(frozen_clock), reason="r")
        assert outcomes(other) == outcomes() == "sss"
        other.lift_suppression(later.uuid)
    assert outcomes() == "s-s"
    alert_store.lift_suppression(third.uuid)
    assert outcomes() == "s--"


def test_many_suppressions_cost_no_query_each(alert_store, frozen_clock):
    """The statements of a listing, and of a record that comes, are as many with forty suppressions as with two."""
    conn, seen = alert_store._repository.conn, []

    def statements():
        conn.set_trace_callback(seen.append)
        alert_store.suppressions()
        listing = len(seen)
        for n in (1, 2):  # the second knows what the first read
            alert_store.add(generic_alert(title="other", n=len(names) * 10 + n))
        conn.set_trace_callback(None)
        asked = sum("FROM suppression" in one for one in seen[listing:])
        seen.clear()
        return listing, asked

    found, names = [], []
    for last in (2, 40):
        for n in range(len(names), last):
            names.append(f"ip:192.0.2.{n}")
            alert_store.add(generic_alert(title=names[-1], indicators=pairs(names[-1])))
            alert_store.suppress(indicator=names[-1], until=until(frozen_clock), reason="r")
        found.append(statements())
    assert found == [(found[0][0], 1)] * 2


def test_a_suppression_of_an_indicator_outlives_a_salvage(tmp_path):
    record = {"title": "Scan", "dest_ip": "203.0.113.7"}
    with AlertStore.open(tmp_path / "old.db") as store:
        store.add(record)
        store.suppress(indicator="ip:203.0.113.7", reason="our scanner", until=timedelta(days=30))
    AlertStore.salvage(tmp_path / "old.db", tmp_path / "new.db")
    with AlertStore.open(tmp_path / "new.db") as store:
        assert [(one.name, one.state) for one in store.suppressions()] == [("ip:203.0.113.7", "active")]
        assert store.add(record | {"again": True}).outcome == "suppressed"
        assert store.verify().ok
