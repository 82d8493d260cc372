"""Retention: the beginning of a history goes; what it came to stays, verifies, and goes on."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from intel_rows import BAD, add_intel, load_feed
from signing_cases import holds, key_of, sound, tampered
from sync_rows import add_sync

from alertstore import AlertStore, AlertValidationError, Checkpoint
from alertstore.domain.proofs import read_proof
from alertstore.testing import FrozenClock, generic_alert, make_alert, seeded_ids, write_jsonl

BY = {"authority": "order 17 C 4/26", "reason": "consent withdrawn", "actor": "data protection"}


@pytest.fixture(scope="module")
def template(tmp_path_factory, fill):
    """A closed store with something in every table, rejected records and things redacted, signed; its alerts and its checkpoints."""
    folder, clock = tmp_path_factory.mktemp("old"), FrozenClock()
    with AlertStore.open(folder / "s.db", clock=clock, ids=seeded_ids(), durability="normal") as store:
        uuids = triaged, closed, _ = fill(store, folder, clock)
        add_sync(store, *uuids)
        add_intel(store)
        store.ingest(write_jsonl(folder / "more.json", [generic_alert(title="m"), {"title": 5}]), source="generic")
        store.set_indicator_malice("domain:b.example", "Suspicious")
        store.close_alert(closed, "Not Applicable")
        store.redact(closed, ["content"], **BY)
        store.sign(key_of(1))
        kept = [store.checkpoint()]
        store.patch(triaged, tags=["kept"])
        kept.append(store.checkpoint())
    return folder / "s.db", uuids, kept


@pytest.fixture
def old_store(template, tmp_path, frozen_clock):
    """A copy of it, open, a year later."""
    frozen_clock.advance(days=365)
    path = shutil.copy(template[0], tmp_path / "old.db")
    with AlertStore.open(path, clock=frozen_clock, ids=seeded_ids(7), durability="normal") as store:
        yield store


@pytest.fixture
def uuids(template):
    """Its alerts: triaged, closed and redacted, deleted."""
    return template[1]


@pytest.fixture
def kept(template):
    """Two checkpoints of it, the last of its whole history."""
    return template[2]


def rows_of(path):
    """Every row that does not move with the history."""
    with closing(sqlite3.connect(path)) as conn:
        tables = [
            "alert",
            "deleted_alert",
            "occurrence",
            "rejected_record",
            "indicator",
            "alert_indicator",
            "finding",
            "import",
            "detection_rule",
            "setting",
            "foreign_event",
            "foreign_store",
            "suppression",
            "intel_list",
            "intel_entry",
        ]
        rows = {table: conn.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in tables}
    return rows | {"indicator": [row[:-1] for row in rows["indicator"]]}  # enriched_seq names the event that carries the results


def cut(store, clock):
    return store.prune(clock.now - timedelta(days=1), authority="retention 3.2", reason="a year", actor="mia")


def test_nothing_old_enough(alert_store, frozen_clock):
    make_alert(alert_store)
    before = alert_store.checkpoint()
    assert alert_store.prune(frozen_clock.now, authority="a") == 0
    assert alert_store.prune(FrozenClock().now - timedelta(days=9), authority="a") == 0
    assert alert_store.checkpoint() == before


def test_a_cut_changes_no_row(old_store, frozen_clock):
    size, rows = old_store.checkpoint().size, rows_of(old_store.path)
    alerts = [old_store.get(item.uuid) for item in old_store.alerts().items]
    assert cut(old_store, frozen_clock) == size
    assert rows_of(old_store.path) == rows
    assert [old_store.get(item.uuid) for item in old_store.alerts().items] == alerts
    opener, *carried = old_store.events()
    assert (opener.seq, opener.kind, opener.actor, opener.reason) == (size + 1, "history_pruned", "mia", "a year")
    assert opener.body["facts"]["authority"] == "retention 3.2"
    assert {event.kind.value for event in carried} == {
        "alert_carried", "record_carried", "import_carried", "indicator_carried", "detection_rule_carried", "context_document_carried",
        "alert_synced", "alert_aliased", "remote_synced", "foreign_events_carried", "suppression_carried", "intel_list_carried", "records_seen",
    }  # fmt: skip
    assert sound(old_store)
    assert cut(old_store, frozen_clock) == 0


def test_checkpoints_and_proofs_across_a_cut(old_store, frozen_clock, kept):
    make_alert(old_store)  # of today
    at_the_edge = [old_store.checkpoint()]
    old_store.sign(key_of(1))
    size = kept[-1].size
    assert cut(old_store, frozen_clock) == size
    for checkpoint in kept[:-1]:
        report = old_store.verify(checkpoint=checkpoint)
        assert (report.verdict, report.assurance) == ("could not check", "unsigned")
        assert f"the checkpoint of {checkpoint.size} events: the history before it was pruned" in report.unchecked
        with pytest.raises(AlertValidationError):
            old_store.prove_extends(checkpoint)
    for checkpoint in [kept[-1], *at_the_edge]:  # the cut itself can still be told
        assert sound(old_store, checkpoint=checkpoint)
        assert old_store.verify(checkpoint=checkpoint).assurance == "anchored"
        old_store.prove_extends(checkpoint)
        wrong = Checkpoint(checkpoint.size, "0" * 64)
        assert [problem.kind for problem in old_store.verify(checkpoint=wrong).problems] == ["rewritten"]
    old_store.sign(key_of(1))
    root = old_store.checkpoint()
    for event in old_store.events():
        proof = read_proof(old_store.prove(event.seq).to_json())
        assert (proof.size, proof.root) == (root.size, root.root)
    for seq in (1, size):
        with pytest.raises(AlertValidationError):
            old_store.prove(seq)


def test_signatures_across_a_cut(old_store, frozen_clock):
    cut(old_store, frozen_clock)
    assert old_store.verify(key=key_of(1)).verdict == "could not check"  # what is left, the key has not signed
    old_store.sign(key_of(1))
    report = old_store.verify(key=key_of(1), require_signed=True)
    assert (report.problems, report.assurance) == ((), "signed")
    assert any("signed checkpoints" in said for said in report.unchecked)
    old_store.rotate_key(key_of(1), key_of(2))
    for key in (key_of(1), key_of(2)):
        assert old_store.verify(key=key, require_signed=True).ok
    assert old_store.signed_checkpoints()[0].root == ""


def go_on(store, uuids):
    """Everything that can happen to what was carried."""
    triaged, closed, _ = uuids
    (document,), rules = store.documents(), store.rules()
    yield store.patch(triaged, severity="Low", tags=["kept", "more"])
    yield store.close_alert(triaged, "Duplicate")
    yield store.add_finding(triaged, "after the cut")
    yield store.add_indicators(triaged, [("ip", "203.0.113.10"), ("ip", "203.0.113.99")])
    yield store.set_indicator_malice("ip:203.0.113.9", "Benign")
    yield store.set_indicator_malice("ip:192.0.2.7", "Malicious")
    yield store.add(generic_alert(rule_id="R-1", extra="repeats"))
    yield store.add(generic_alert(title="fresh", rule_id="R-1"))
    yield store.enrich(reason="anew")
    yield load_feed(store, f"{BAD}\n203.0.113.10\n")
    yield store.reset_indicator_malice(f"ip:{BAD}")
    yield store.remove_list("hashes")
    yield store.suppress(fingerprint=store.get(triaged).fingerprint, until=store._clock() + timedelta(days=2), reason="again")
    yield store.lift_suppression(next(one.uuid for one in store.suppressions() if one.state == "active"))
    yield store.patch_rule(rules[0].uuid, is_active=False, documentation="later")
    yield store.patch_document(document.uuid, content="Look again.")
    yield store.patch_document(document.uuid, tags=["later"])
    yield store.redact(triaged, ["findings"], **BY)
    yield store.redact(triaged, ["record"], **BY)
    yield store.redact(closed, **BY)
    for record in [*store.rejected_records(), *store.suppressed_records()]:
        number = record.seq if record.import_id is None else record.record
        yield store.redact_rejected(record.import_id, number, **BY)
    yield store.add_indicators(closed, [("ip", "203.0.113.98")])
    yield store.delete_document(document.uuid)
    yield store.delete_alert(triaged)
    yield store.redact(triaged, **BY)
    yield store.add_document("New", "c", document_type="sop")


@pytest.mark.parametrize("cuts", [1, 2])
def test_life_after_a_cut(old_store, frozen_clock, uuids, cuts, tmp_path, promise):
    for _ in range(cuts):
        cut(old_store, frozen_clock)
        frozen_clock.advance(days=7)
    steps = 0
    for _ in go_on(old_store, uuids):
        assert sound(old_store)
        steps += 1
    frozen_clock.advance(days=7)
    cut(old_store, frozen_clock)
    assert sound(old_store)
    if cuts > 1:
        promise("a pruned history verifies whatever comes after", f"{steps} of {steps} steps, after {cuts + 1} cuts")
    old_store.backup(tmp_path / "copy.db")
    with AlertStore.open(tmp_path / "copy.db", mode="ro") as copy:
        assert copy.checkpoint() == old_store.checkpoint()
        assert copy.verify().ok
    for form in ("markdown", "html"):
        assert "retention 3.2" in old_store.custody(form=form)


def test_the_same_records_stay_seen_after_a_cut(old_store, frozen_clock, template):
    cut(old_store, frozen_clock)
    found = old_store.ingest(template[0].with_name("eve.json"))
    assert (found.new, found.duplicates, found.rejected) == (0, 0, 1)
    assert sound(old_store)


def test_edits_go_on_from_those_before_the_cut(old_store, frozen_clock, uuids):
    triaged = uuids[0]
    edits = [event for event in old_store.history(triaged) if event.body.get("edits")]
    *_, here, elsewhere = [event.seq for event in edits if any(edit["register"] == "severity" for edit in event.body["edits"])]
    cut(old_store, frozen_clock)
    old_store.patch(triaged, severity="Low")
    *_, event = old_store.history(triaged)
    assert [edit["sup"] for edit in event.body["edits"] if edit["register"] == "severity"] == [[here, elsewhere]]
    assert sound(old_store)


def test_a_cut_leaves_nothing_of_what_it_took(alert_store, frozen_clock):
    uuid = make_alert(alert_store).uuid
    alert_store.patch(uuid, severity="Low", reason="Begruend1satz")
    frozen_clock.advance(days=2)
    assert holds(alert_store.path, "Begruend1satz")
    cut(alert_store, frozen_clock)
    assert not holds(alert_store.path, "Begruend1satz")


@pytest.mark.parametrize("judged", [True, False])
def test_the_indicators_of_an_alert_that_was_deleted_before_the_cut(alert_store, frozen_clock, judged):
    """Nothing tells any more that they were its; they go, as they belong to nobody."""
    pair = {"type": "domain", "value": "verwaist.example"}
    uuid = alert_store.add(generic_alert(title="gone", indicators=[pair, {"type": "ip", "value": "192.0.2.1"}])).alert.uuid
    other = alert_store.add(generic_alert(title="kept", indicators=[{"type": "ip", "value": "192.0.2.1"}])).alert.uuid
    if judged:
        alert_store.set_indicator_malice("domain:verwaist.example", "Malicious")
    alert_store.delete_alert(uuid)
    frozen_clock.advance(days=2)
    cut(alert_store, frozen_clock)
    alert_store.redact(uuid, **BY)
    assert sound(alert_store)
    assert not holds(alert_store.path, "verwaist.example")
    assert [i.value for i in alert_store.get(other).indicators] == ["192.0.2.1"]
    again = alert_store.add(generic_alert(title="again", indicators=[pair])).alert
    assert [(i.value, i.malice) for i in again.indicators] == [("verwaist.example", "Pending")]
    assert sound(alert_store)


def test_a_cut_that_only_takes_the_beginning(alert_store, frozen_clock):
    uuids = []
    for _ in range(6):
        uuids.append(make_alert(alert_store).uuid)
        alert_store.patch(uuids[0], tags=[str(len(uuids))])
        frozen_clock.advance(days=1)
    checkpoint, before = alert_store.checkpoint(), FrozenClock().now + timedelta(days=3)
    gone = alert_store.prune(before, authority="a")
    assert gone == 7
    assert next(iter(alert_store.events())).at >= before
    assert [event.seq for event in alert_store.events()] == list(range(gone + 1, alert_store.checkpoint().size + 1))
    assert alert_store.verify(checkpoint=checkpoint).assurance == "anchored"
    assert sound(alert_store)


@pytest.mark.parametrize("naive", [True, False])
def test_a_time_without_a_zone_is_utc(alert_store, frozen_clock, naive):
    make_alert(alert_store)
    frozen_clock.advance(hours=1)
    before = frozen_clock.now.replace(tzinfo=None) if naive else frozen_clock.now
    assert alert_store.prune(before - timedelta(minutes=1), authority="a") > 0


def test_a_clock_that_was_set_back(alert_store, frozen_clock):
    """The cut is a beginning: what is older but came later stays."""
    make_alert(alert_store)
    frozen_clock.advance(days=-900)
    make_alert(alert_store)
    frozen_clock.advance(days=901)
    assert alert_store.prune(FrozenClock().now, authority="a") == 0
    gone = alert_store.prune(frozen_clock.now, authority="a")
    assert gone > 2
    assert sound(alert_store)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE pruned SET size = size - 1",
        "UPDATE pruned SET peaks = zeroblob(length(peaks))",
        "DELETE FROM pruned",
        "DELETE FROM event WHERE seq = (SELECT min(seq) FROM event)",
        "DELETE FROM event WHERE kind = 'indicator_carried'",
        "UPDATE alert SET title = 'x' WHERE id = 1",
        "UPDATE alert SET severity = 'Low' WHERE id = 1",
        "UPDATE alert_indicator SET seq = seq + 1 WHERE alert_id = 1",
        "UPDATE occurrence SET occurred_at = occurred_at + 1 WHERE seq = (SELECT min(seq) FROM occurrence)",
        "UPDATE indicator SET value = 'x' WHERE id = 1",
        "UPDATE finding SET summary = 'x'",
        "UPDATE context_document SET content = 'x'",
        "UPDATE rejected_record SET raw = x'00' WHERE raw IS NOT NULL",
        "DELETE FROM finding",
        "DELETE FROM occurrence WHERE seq = (SELECT min(seq) FROM occurrence)",
        "UPDATE import SET new = new + 1",
        "UPDATE deleted_alert SET uuid = 'x'",
    ],
)
def test_a_pruned_store_is_checked_as_any_other(old_store, frozen_clock, sql):
    cut(old_store, frozen_clock)
    assert sound(old_store)
    tampered(old_store.path, sql)
    assert not old_store.verify().ok


def test_a_crash_in_a_cut_leaves_the_store_as_it_was(old_store, frozen_clock, monkeypatch):
    from alertstore.storage import pruning

    before, rows = old_store.checkpoint(), rows_of(old_store.path)
    monkeypatch.setattr(pruning, "carry", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cut(old_store, frozen_clock)
    assert (old_store.checkpoint(), rows_of(old_store.path)) == (before, rows)
    assert sound(old_store)


def test_a_hold_outlives_a_cut(alert_store, frozen_clock):
    make_alert(alert_store)
    frozen_clock.advance(days=1)
    alert_store.hold("case 12/26")
    alert_store.release_hold()
    frozen_clock.advance(days=1)
    alert_store.prune(frozen_clock.now, authority="policy")
    alert_store.hold("case 13/26")
    assert sound(alert_store)
    with pytest.raises(AlertValidationError, match="13/26"):
        alert_store.prune(frozen_clock.now + timedelta(days=1), authority="policy")
