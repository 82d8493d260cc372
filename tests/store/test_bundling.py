"""Bundles, one case after the other: what travels, what never does, what is refused, and that nothing is ever half taken."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta

import pytest
from bundling_cases import DONE, JUNK, Parts, check_sound, copied, dump, forge, make_bundles, opened, places, recommit
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from alertstore import AlertStore
from alertstore.errors import AlertNotFoundError, AlertValidationError, BundleError, StorageError
from alertstore.signing import SigningKey
from alertstore.storage import bundling
from alertstore.sync import absorb
from alertstore.testing import FakeRemote, generic_alert, seeded_ids, suricata_alert, write_jsonl


def key_of(number):
    private = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
    return SigningKey(private.public_key().public_bytes_raw(), private.sign)


@pytest.fixture
def one():
    with opened(1) as store:
        yield store


@pytest.fixture
def two():
    with opened(2) as store:
        yield store


@pytest.fixture
def three():
    with opened(3) as store:
        yield store


@pytest.fixture
def carry(tmp_path):
    """Take all (or what changed since) of a store to another: `carry(one, two)`; the result of the import."""
    made = []

    def go(source, *targets, **how):
        made.append(tmp_path / f"{len(made)}.asb")
        source.export_bundle(made[-1], **how)
        done = [target.import_bundle(made[-1]) for target in targets]
        return done[0] if done else made[-1]

    return go


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    return make_bundles(tmp_path_factory.mktemp("forged"))


def taken(name):
    """A store that has taken a bundle of that name."""
    store = opened(9)
    store.import_bundle(name)
    return store


def wanted(alert):
    """Of an alert what must be the same in the store that it was carried to."""
    same = ("title", "description", "source_name", "severity", "status", "close_classification", "malice_override", "tags", "occurred_at",
            "occurred_at_assumed", "created_at", "acknowledged_at", "triaged_at", "closed_at", "last_seen_at", "duplicate_count",
            "fingerprint", "raw_payload", "predecessor")  # fmt: skip
    found = {name: getattr(alert, name, None) for name in same} | {"indicators": sorted((one.type, one.value) for one in alert.indicators)}
    found["findings"] = [(one.id, one.agent_name, one.summary, one.confidence, one.evidence) for one in alert.agent_findings]
    rule = alert.detection_rule
    return found | {"rule": rule and (rule.uuid, rule.name, rule.source_rule_id, rule.mitre_tactics)}


def rows(store, sql):
    with store._read() as conn:
        return conn.execute(sql).fetchall()


# --- what travels ---


def test_everything_travels(alert_store, filled, two, carry):
    done = carry(alert_store, two)
    assert (done.new, done.merged, done.seen, done.left, done.store, done.signed_by) == (5, 0, 0, (), alert_store.id, None)
    for item in alert_store.alerts(limit=100).items:
        assert wanted(two.get(item.uuid)) == wanted(alert_store.get(item.uuid))
    assert dump(two) == dump(alert_store)
    told = {event.origin["seq"]: event for event in two.events() if event.origin and "store" in event.origin}
    there = {event.seq: event for event in alert_store.events()}
    for number, event in told.items():
        assert (event.kind, event.actor, event.reason) == (there[number].kind, there[number].actor, there[number].reason)
        assert event.origin.get("at", there[number].body["at"]) == there[number].body["at"]
    assert {"two hosts", "first look"} <= {event.reason for event in told.values()}
    assert rows(two, "SELECT name, source_name, columns, delimiter, sha256, size, new FROM import ORDER BY 1") == rows(
        alert_store,
        "SELECT name, source_name, columns, delimiter, sha256, size, new FROM import WHERE id IN (SELECT import_id FROM occurrence) ORDER BY 1",
    )
    check_sound(two)


def test_records_that_are_no_text_and_tables_keep_their_form(one, two, carry, tmp_path):
    header = '"Timestamp","RuleTitle","Level","Computer","Channel","EventID","RecordID","Details","ExtraFieldInfo","RuleID"\n'
    row = '"2024-05-01 11:00:00.000 +00:00","Caf\N{LATIN SMALL LETTER E WITH ACUTE}","high","host1","Sec","1102","7","User: mia","","r-1"\n'
    (tmp_path / "table.csv").write_text(header + row, encoding="utf-16")
    one.ingest(tmp_path / "table.csv", source="hayabusa")
    carry(one, two)
    same = "SELECT hex(sha256), raw FROM occurrence"
    assert rows(two, same) == rows(one, same)
    ((_, raw),) = rows(two, same)
    with pytest.raises(UnicodeDecodeError):
        raw.decode()
    (item,) = two.alerts().items
    assert two.get(item.uuid).raw_payload == one.get(item.uuid).raw_payload != None  # noqa: E711 - it is there, and the same
    check_sound(two)


def test_pulled_alerts_travel_with_what_the_remote_said(one, two, carry):
    remote = FakeRemote()
    remote.add(title="There", severity="High", tags=["a"], status="Open")
    one.sync(remote)
    (item,) = one.alerts().items
    carry(one, two)
    assert wanted(two.get(item.uuid)) == wanted(one.get(item.uuid))
    assert rows(two, "SELECT member FROM import") == rows(one, "SELECT member FROM import")
    assert two.conflicts() == []
    two.patch(item.uuid, severity="Low")
    carry(two, one)
    one.sync(remote)
    carry(one, two)
    assert remote.alert(remote.uuids()[0])["severity"] == "Low"
    with two._read() as conn:
        assert two._desk(("x", None)).here(conn, item.uuid).link.pending({"severity": [1]}) == {"severity": (1,)}
        assert conn.execute("SELECT count(*) FROM sync_alert WHERE open = 1").fetchone() == (0,)


def test_what_a_gateway_holds_waits_everywhere(one, two, carry):
    """Also where the other store had seen the remote as it was when the edit came to be held: its token tells nothing new."""
    remote = FakeRemote()
    remote.add(title="There", severity="High")
    gate, (uuid,) = remote.client("cai_g0ay-key"), remote.uuids()
    one.sync(gate)
    carry(one, two)
    remote.edit(uuid, status="Escalated")
    one.sync(gate)
    two.close_alert(uuid, "Duplicate")
    carry(one, two)
    carry(two, one)
    one.sync(gate)
    assert carry(one, two).conflicts == 1
    assert [(held.kind, held.remote, held.local) for held in one.conflicts()] == [("policy", ["Escalated", None], ["Closed", "Duplicate"])]
    assert two.conflicts() == one.conflicts()
    assert dump(two) == dump(one)
    two.resolve(uuid, take="local")
    carry(two, one)
    one.sync(gate)
    carry(one, two)
    assert remote.alert(uuid)["status"] == one.get(uuid).status == two.get(uuid).status == "Closed"
    assert one.conflicts() == two.conflicts() == []


def test_where_no_remote_was_seen_nothing_of_it_can_be_taken(one, two, carry):
    uuid = one.add(generic_alert()).alert.uuid
    carry(one, two)
    one.close_alert(uuid, "Duplicate")
    two.patch(uuid, status="Escalated")
    assert carry(one, two).conflicts == 1
    before = two.checkpoint()
    with pytest.raises(AlertValidationError, match="no remote"):
        two.resolve(uuid, take="remote")
    assert two.checkpoint() == before
    two.patch(uuid, status="Triaging")
    assert two.conflicts() == []
    carry(two, one)
    assert dump(one) == dump(two)


def test_more_tags_than_a_patch_may_have_travel(one, two, carry):
    """The remote has no limit for them."""
    remote = FakeRemote()
    remote.add(title="There")
    one.sync(remote)
    (uuid,) = remote.uuids()
    remote.edit(uuid, tags=[f"{number} {'x' * 100}" for number in range(1000)])
    one.sync(remote)
    assert len(one.get(uuid).tags) == 1000
    one.patch(uuid, tags=["y"])
    assert carry(one, two).edits == 1
    assert dump(two) == dump(one)


def test_repeats_and_successors_travel(one, two, carry):
    clock = one._clock
    first = one.add(generic_alert()).alert
    one.add(generic_alert(severity="Low"))
    one.close_alert(first.uuid, "Duplicate")
    clock.advance(hours=30)
    again = one.add(generic_alert(occurred_at=clock.now.isoformat())).alert
    undated = one.add({"title": "undated"}).alert
    assert (one.get(first.uuid).duplicate_count, one.get(undated.uuid).occurred_at_assumed) == (1, True)
    carry(one, two)
    for alert in (first, again, undated):
        assert wanted(two.get(alert.uuid)) == wanted(one.get(alert.uuid))
    assert two.get(again.uuid).predecessor == one.get(again.uuid).predecessor
    check_sound(two)


def test_what_changed_since_goes_with_all_that_ever_was(one, two, carry):
    old, new = one.add(generic_alert()).alert, one.add(generic_alert(title="second")).alert
    one.patch(new.uuid, severity="Low")
    since = one.checkpoint().size
    one.patch(new.uuid, tags=["x"])
    done = carry(one, two, since=since)
    assert (done.new, done.edits) == (1, 2)
    assert wanted(two.get(new.uuid)) == wanted(one.get(new.uuid))
    with pytest.raises(AlertNotFoundError):
        two.get(old.uuid)
    with pytest.raises(AlertValidationError):
        carry(one, since=-1)


def test_a_chain_of_stores_keeps_who_and_when(one, two, three, carry):
    alert = one.add(generic_alert()).alert
    two._clock.advance(days=1)
    three._clock.advance(days=2)
    one.add_finding(alert.uuid, "seen")
    one.patch(alert.uuid, {"status": "Triaging"}, reason="mine", actor="eve")
    carry(one, two)
    two.patch(alert.uuid, severity="Low")
    carry(two, three)
    found = {event.kind: event for event in three.history(alert.uuid)}
    there = {event.kind: event for event in one.history(alert.uuid)}
    for kind in ("alert_ingested", "alert_finding_added"):
        assert found[kind].origin["at"] == there[kind].body["at"]
        assert found[kind].origin["store"] == one.id
    assert (found["alert_status_updated"].actor, found["alert_status_updated"].reason) == ("eve", "mine")
    assert three.get(alert.uuid).triaged_at == one.get(alert.uuid).triaged_at
    assert carry(one, three).seen == 1
    assert dump(three) == dump(two)


def test_records_that_were_withheld_come_later(one, two, three, carry):
    alert = one.add(generic_alert()).alert
    one.add(generic_alert(severity="Low"))
    carry(one, two, payloads=False)
    assert two.get(alert.uuid).raw_payload is None
    carry(two, three)
    check_sound(two)
    done = carry(one, two)
    assert (done.merged, done.seen, done.records) == (1, 0, 2)
    assert wanted(two.get(alert.uuid)) == wanted(one.get(alert.uuid))
    before = two.checkpoint()
    assert carry(one, two).seen == 1
    assert two.checkpoint() == before
    carry(two, three)
    assert dump(three) == dump(one)
    check_sound(two)
    check_sound(three)


# --- one record, several uuids ---


def test_the_same_record_under_two_uuids_is_one_alert(one, two, three, carry):
    mine, yours = one.add(generic_alert()).alert, two.add(generic_alert()).alert
    assert mine.uuid != yours.uuid
    one.patch(mine.uuid, severity="Low")
    two.patch(yours.uuid, tags=["x"])
    assert carry(one, two).merged == 1
    assert carry(two, one).merged == 1
    for store in (one, two):
        for name in (mine.uuid, yours.uuid):
            found = store.get(name)
            assert (found.severity, list(found.tags), {found.uuid, *found.aliases}) == ("Low", ["x"], {mine.uuid, yours.uuid})
        assert len(store.alerts().items) == 1
    third = three.add(generic_alert()).alert
    carry(one, three)
    carry(three, two)
    for store in (two, three):
        assert len(store.alerts().items) == 1
        assert {store.get(name).uuid for name in (mine.uuid, yours.uuid, third.uuid)} == {store.alerts().items[0].uuid}
    carry(two, one)
    assert dump(one) == dump(two) == dump(three)
    for store in (one, two, three):
        check_sound(store)


def test_an_alias_that_is_another_alert_here(one, two, three, carry):
    """One store took two records for one alert, another has them as two: what is said of either is not lost, and all of it verifies."""
    one.add(generic_alert())
    one.add(generic_alert(severity="Low"))
    yours = two.add(generic_alert(severity="Low")).alert
    two.patch(yours.uuid, tags=["x"])
    carry(one, three)
    carry(two, three)
    carry(two, one)
    carry(one, two)
    for _ in range(2):
        carry(one, three)
        carry(two, three)
        carry(three, one, two)
    for store in (one, two, three):
        check_sound(store)
        assert list(store.get(yours.uuid).tags) == ["x"]


# --- what was taken away here stays away ---


def test_what_was_deleted_here_does_not_come_back(one, two, carry):
    alert = one.add(generic_alert()).alert
    carry(one, two)
    two.delete_alert(alert.uuid)
    one.patch(alert.uuid, severity="Low")
    done = carry(one, two)
    assert (done.new, done.left) == (0, ((alert.uuid, "it was deleted here"),))
    assert two.alerts().items == ()
    yours = two.add(generic_alert(title="b")).alert
    two.delete_alert(yours.uuid)
    one.add(generic_alert(title="b"))
    assert len(carry(one, two).left) == 2, "the record is known, whatever the alert is called"
    check_sound(two)


@pytest.mark.parametrize("pruned", [False, True])
def test_what_was_redacted_here_does_not_come_back(tmp_path, frozen_clock, one, carry, pruned):
    two = AlertStore.open(tmp_path / "two.db", clock=frozen_clock, ids=seeded_ids(2))
    alert = one.add(generic_alert(indicators=[{"type": "domain", "value": "secret.example"}])).alert
    one.add_finding(alert.uuid, "a secret")
    carry(one, two)
    two.redact(alert.uuid, ["record", "content", "findings"], authority="a judge")
    if pruned:
        two.prune(frozen_clock.now + timedelta(days=1), authority="a judge")
    one.add_finding(alert.uuid, "another secret")
    one.add_indicators(alert.uuid, [("domain", "secret.example"), ("ip", "203.0.113.77")])
    one.add(generic_alert(indicators=[{"type": "domain", "value": "secret.example"}], severity="Low"))
    one.patch(alert.uuid, severity="Critical")
    assert carry(one, two).edits == 1
    found = two.get(alert.uuid)
    assert (found.severity, found.raw_payload, found.indicators) == ("Critical", None, ())
    assert [finding.summary for finding in found.agent_findings] == []
    assert rows(two, "SELECT count(*) FROM occurrence WHERE raw IS NOT NULL") == [(0,)]
    made = tmp_path / "out.asb"
    assert [uuid for uuid, _ in two.export_bundle(made).left] == [alert.uuid]
    assert Parts(made).lines == []
    check = two.verify()
    assert check.ok, check.problems
    two.close()


def test_what_was_deleted_there_goes_nowhere(one, two, carry):
    kept, gone = one.add(generic_alert()).alert, one.add(generic_alert(title="gone")).alert
    one.delete_alert(gone.uuid)
    assert carry(one, two).new == 1
    assert [item.uuid for item in two.alerts().items] == [kept.uuid]


# --- alerts that no bundle can hold ---


def test_an_alert_that_no_reader_would_take_is_left_and_named(one, two, carry, tmp_path):
    kept, damaged = one.add(generic_alert()).alert, one.add(generic_alert(title="damaged")).alert
    one._repository.conn.execute("UPDATE alert SET title = 'no more what the event says' WHERE uuid = ?", (damaged.uuid,))
    done = one.export_bundle(tmp_path / "a.asb")
    ((uuid, why),) = done.left
    assert (uuid, done.manifest.alerts) == (damaged.uuid, 1)
    assert re.fullmatch(r"no bundle can hold it: event \d+: text is not what the event commits to", why)
    assert two.import_bundle(tmp_path / "a.asb").new == 1
    assert [item.uuid for item in two.alerts().items] == [kept.uuid]


def test_an_alert_of_more_than_a_line_is_left_and_named(one, two, tmp_path, monkeypatch):
    record = generic_alert()
    often = one.add(record).alert
    for number in range(20):
        one.add(record | {"note": number})
    kept = one.add(generic_alert(title="met once")).alert
    monkeypatch.setattr("alertstore.sync.bundle.LONGEST_LINE", 10_000)
    done = one.export_bundle(tmp_path / "a.asb")
    ((uuid, why),) = done.left
    assert (uuid, done.manifest.alerts, done.manifest.records) == (often.uuid, 1, 1)
    assert re.fullmatch(r"no bundle can hold it: alert \S+, with 21 records, has \d+ bytes, more than the 10000 that a line may have", why)
    assert two.import_bundle(tmp_path / "a.asb").new == 1
    assert [item.uuid for item in two.alerts().items] == [kept.uuid]


def test_a_line_that_a_reader_takes_for_an_attack_is_left(one, tmp_path, monkeypatch):
    alert = one.add(generic_alert(description="x" * 5_000)).alert
    for module in ("sync.bundle", "domain.bundle_lines"):
        monkeypatch.setattr(f"alertstore.{module}._LONG", 5_000)
    assert one.export_bundle(tmp_path / "a.asb").left == ()
    monkeypatch.setattr("alertstore.domain.bundle_lines._MOST_MARKS", 1_000)
    assert one.export_bundle(tmp_path / "b.asb").left == ((alert.uuid, "no bundle can hold it: more values than a line of its length has"),)


@pytest.mark.parametrize(("room", "most"), [(1, 1), (2_500, 2), (1 << 20, 3)])
def test_alerts_are_read_as_many_at_a_time_as_there_is_room_for(one, tmp_path, monkeypatch, room, most):
    for number in range(7):
        one.add(generic_alert(title=f"alert {number}", note="x" * 1_000))
    one.export_bundle(tmp_path / "whole.asb")
    sizes, chunk = [], bundling._chunk
    monkeypatch.setattr(bundling, "ROOM", room)
    monkeypatch.setattr(bundling, "CHUNK", 3)
    monkeypatch.setattr(
        bundling, "_chunk", lambda conn, listed, *more, **how: sizes.append(listed.count(",") + 1) or chunk(conn, listed, *more, **how)
    )
    one.export_bundle(tmp_path / "parts.asb")
    assert (sum(sizes), max(sizes)) == (7, most)
    assert Parts(tmp_path / "parts.asb").lines == Parts(tmp_path / "whole.asb").lines


# --- stores that were pruned, salvaged, sealed, signed ---


def test_a_pruned_store_gives_what_came_after(tmp_path, frozen_clock, two):
    with AlertStore.open(tmp_path / "one.db", clock=frozen_clock, ids=seeded_ids(1)) as one:
        old = one.add(generic_alert()).alert
        frozen_clock.advance(days=1)
        one.prune(frozen_clock.now, authority="retention")
        new = one.add(generic_alert(title="new")).alert
        left = one.export_bundle(tmp_path / "a.asb").left
        assert [uuid for uuid, _ in left] == [old.uuid]
        assert two.import_bundle(tmp_path / "a.asb").new == 1
        two.patch(new.uuid, severity="Low")
        two.export_bundle(tmp_path / "b.asb")
        assert one.import_bundle(tmp_path / "b.asb").edits == 1
        assert one.import_bundle(tmp_path / "a.asb").seen == 1, "its own bundle"
        check = one.verify()
        assert check.ok, check.problems
    check_sound(two)


def test_a_store_that_was_pruned_knows_what_it_had_taken(tmp_path, frozen_clock, one, carry):
    table = '"Timestamp","RuleTitle","Level","Computer","Channel","EventID","RecordID","Details","ExtraFieldInfo","RuleID"\n'
    record = '"2024-05-0{n} 11:00:00.000 +00:00","Log {n}","high","host{n}","Sec","1102","7","User: mia","","r-1"\n'
    (tmp_path / "t.csv").write_text(table + record.format(n=1) + record.format(n=2))
    one.ingest(tmp_path / "t.csv", source="hayabusa")
    first, second = sorted(item.uuid for item in one.alerts().items)
    with AlertStore.open(tmp_path / "two.db", clock=frozen_clock, ids=seeded_ids(2)) as two:
        since = next(event.seq for event in one.history(second))
        one.patch(first, severity="Low")
        carry(one, two, since=since)
        two.prune(frozen_clock.now + timedelta(days=1), authority="retention")
        done = carry(one, two)
        assert (done.seen + done.merged + done.new) == 2
        assert done.edits == 0 or done.new
        for uuid in (first, second):
            assert two.get(uuid).raw_payload == one.get(uuid).raw_payload, "the header of its table goes with every record"
        before = two.checkpoint()
        assert carry(one, two).seen == 2
        assert two.checkpoint() == before
        check = two.verify()
        assert check.ok, check.problems


def test_a_salvaged_store_and_a_sealed_one(tmp_path, frozen_clock, two):
    with AlertStore.open(tmp_path / "one.db", clock=frozen_clock, ids=seeded_ids(1)) as one:
        alert = one.add(generic_alert()).alert
        one.backup(tmp_path / "copy.db")
        one.seal(tmp_path / "sealed")
    (path,) = (tmp_path / "sealed").glob("*.db")
    with AlertStore.open(path, mode="ro") as sealed:
        sealed.export_bundle(tmp_path / "sealed.asb")
        with pytest.raises(StorageError):
            sealed.import_bundle(tmp_path / "sealed.asb")
    assert two.import_bundle(tmp_path / "sealed.asb").new == 1
    AlertStore.salvage(tmp_path / "copy.db", tmp_path / "saved.db")
    with AlertStore.open(tmp_path / "saved.db", clock=frozen_clock, ids=seeded_ids(4)) as saved:
        new = saved.add(generic_alert(title="after")).alert
        assert [uuid for uuid, _ in saved.export_bundle(tmp_path / "s.asb").left] == [alert.uuid]
        assert two.import_bundle(tmp_path / "s.asb").new == 1
        assert two.get(new.uuid).title == "after"
    check_sound(two)


def test_who_signed_it(tmp_path, one, two, three, carry):
    one.add(generic_alert())
    signed = carry(one, key=key_of(1))
    assert two.import_bundle(signed, keys=[key_of(1).public.hex()]).signed_by == key_of(1).public.hex()
    (event,) = (event for event in two.events() if event.kind == "bundle_imported")
    assert event.body["facts"]["signed_by"] == key_of(1).public.hex()
    for bundle, keys in ((signed, [key_of(2).public.hex()]), (carry(one), [key_of(1).public.hex()])):
        before = three.checkpoint()
        with pytest.raises(BundleError, match="signed"):
            three.import_bundle(bundle, keys=keys)
        assert three.checkpoint() == before


# --- one's own bundle, copies, forks ---


def test_ones_own_bundle_is_known(one, carry):
    alert = one.add(generic_alert()).alert
    early = carry(one)
    one.patch(alert.uuid, severity="Low")
    for bundle in (early, carry(one)):
        before = one.checkpoint()
        done = one.import_bundle(bundle)
        assert (done.new, done.merged, done.seen) == (0, 0, 1)
        assert one.checkpoint() == before
    assert one.get(alert.uuid).severity == "Low"


@pytest.fixture
def restored(tmp_path, frozen_clock):
    """A store; a copy of it from before its last alert and edit."""
    with AlertStore.open(tmp_path / "one.db", clock=frozen_clock, ids=seeded_ids(1)) as store:
        alert = store.add(generic_alert()).alert
        store.backup(tmp_path / "old.db")
        store.patch(alert.uuid, severity="Low")
        store.add(generic_alert(title="later"))
        store.patch(alert.uuid, severity="Critical")
        with AlertStore.open(tmp_path / "old.db", clock=frozen_clock, ids=seeded_ids(8)) as old:
            yield store, old, alert.uuid


def refused(store, bundle, match):
    before = store.checkpoint()
    with pytest.raises(BundleError, match=match):
        store.import_bundle(bundle)
    assert store.checkpoint() == before
    assert store.verify().ok


def test_a_store_that_was_restored_says_so(restored, two, carry):
    store, old, _ = restored
    refused(old, carry(store), "restored from an older copy")
    refused(old, carry(store, since=store.checkpoint().size - 1), "restored from an older copy")
    carry(store, two)
    refused(old, carry(two), "restored from an older copy")


def test_a_store_that_went_on_in_two_places(restored, two, three, carry):
    store, old, uuid = restored
    old.patch(uuid, severity="Medium")
    old.add(generic_alert(title="elsewhere"))
    old.patch(uuid, tags=["x"])
    assert old.checkpoint().size == store.checkpoint().size
    refused(old, carry(store), "two histories")
    assert carry(store, two).new == 2
    refused(two, carry(old), "two histories")
    old.add(generic_alert(title="more"))
    refused(two, carry(old), "is another here")
    refused(store, carry(old), "restored")
    old.delete_alert(uuid)
    refused(two, carry(old), "is another here")
    carry(old, three)
    refused(three, carry(two), "is another here")


# --- all or nothing ---


def test_a_dry_run_says_what_would_be_and_leaves_no_trace(alert_store, filled, two, carry, tmp_path):
    bundle = carry(alert_store)
    before, kept = two.checkpoint(), rows(two, "SELECT count(*) FROM indicator")
    would = two.import_bundle(bundle, dry_run=True)
    assert (two.checkpoint(), rows(two, "SELECT count(*) FROM indicator")) == (before, kept)
    two.add(generic_alert(title="in between", indicators=[{"type": "ip", "value": "203.0.113.9"}]))
    done = two.import_bundle(bundle)
    assert (would.new, would.edits, would.records, would.dry_run) == (done.new, done.edits, done.records, True)
    assert not done.dry_run
    check_sound(two)


def test_an_error_in_the_middle_leaves_nothing(bundles, monkeypatch):
    with taken(bundles["early"]) as store:
        before, counted = store.checkpoint(), []
        real = absorb.alerts.save

        def counting(*given):
            counted.append(given)
            return real(*given)

        with opened(5) as other:
            monkeypatch.setattr(absorb.alerts, "save", counting)
            other.import_bundle(bundles["early"])
            counted.clear()
            other.import_bundle(bundles["relayed"])
            total = len(counted)
        assert total > 10
        for at in range(0, total, 3):
            counted.clear()

            def failing(*given, at=at):
                counted.append(given)
                if len(counted) > at:
                    raise RuntimeError("the power went")
                return real(*given)

            monkeypatch.setattr(absorb.alerts, "save", failing)
            with pytest.raises(RuntimeError):
                store.import_bundle(bundles["relayed"])
            assert store.checkpoint() == before
        monkeypatch.setattr(absorb.alerts, "save", real)
        store.import_bundle(bundles["relayed"])
        with taken(bundles["relayed"]) as other:
            assert dump(other) == dump(store)
        check_sound(store)


KILLED = """
import os, signal, sys
from alertstore import AlertStore
from alertstore.sync import absorb
real, left = absorb.alerts.save, int(sys.argv[3])
def save(*given):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given)
absorb.alerts.save = save
with AlertStore.open(sys.argv[1]) as store:
    store.import_bundle(sys.argv[2])
"""


@pytest.mark.parametrize("at", [0, 9])
def test_killed_in_the_middle(bundles, tmp_path, at):
    with AlertStore.open(tmp_path / "s.db") as store:
        store.import_bundle(bundles["early"])
        before = store.checkpoint()
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "s.db", bundles["relayed"], str(at)], check=False)
    assert done.returncode == -signal.SIGKILL
    with AlertStore.open(tmp_path / "s.db") as store:
        assert store.checkpoint() == before
        store.import_bundle(bundles["relayed"])
        with taken(bundles["relayed"]) as other:
            assert dump(other) == dump(store)


WRITING = """
import sys
from alertstore import AlertStore
with AlertStore.open(sys.argv[1]) as store:
    print("begun", flush=True)
    for number in range(60):
        alert = store.add({"title": f"w {number}", "occurred_at": "2024-05-01T12:00:00Z"}).alert
        store.patch(alert.uuid, severity="Low")
"""


def test_others_read_and_write_meanwhile(tmp_path, two, monkeypatch):
    path = tmp_path / "s.db"
    with AlertStore.open(path) as store:
        store.add(generic_alert())
        with subprocess.Popen([sys.executable, "-c", WRITING, path], stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            for number in range(6):
                store.export_bundle(tmp_path / f"{number}.asb")
                two.import_bundle(tmp_path / f"{number}.asb")
            assert writer.wait(60) == 0
        seen, real = [], absorb.alerts.save

        def looking(*given):
            with AlertStore.open(path, mode="ro") as reader:
                seen.append(len(reader.alerts(limit=1000).items))
            return real(*given)

        two.patch(two.alerts().items[0].uuid, severity="Critical")
        two.export_bundle(tmp_path / "back.asb")
        store.export_bundle(tmp_path / "last.asb")
        monkeypatch.setattr(absorb.alerts, "save", looking)
        store.import_bundle(tmp_path / "back.asb")
        assert set(seen) == {61}
        monkeypatch.undo()
        two.import_bundle(tmp_path / "last.asb")
        assert dump(two)[0].keys() == dump(store)[0].keys()
    check_sound(two)


# --- forged bundles ---


def check_forged(parts, place, junk, bundles, target):
    """It is refused, or does no harm: what stands in the store can be read, decided, verified, and passed on."""
    made = forge(parts, place, junk)
    made.pack(target)
    for begin in (None, bundles["early"]):
        with opened(9) if begin is None else taken(begin) as store:
            before = store.checkpoint()
            try:
                store.import_bundle(target)
                DONE["forged and taken"] += 1
            except BundleError:
                DONE["forged and refused"] += 1
                assert store.checkpoint() == before
                continue
            for item in store.alerts(limit=100).items:
                store.get(item.uuid)
                assert list(store.history(item.uuid))
            store.metrics()
            for one in store.conflicts():
                with suppress(AlertValidationError):  # "remote", where none has said anything
                    store.resolve(one.uuid, one.register, take=random.Random(repr(place)).choice(["local", "remote"]))
            check_sound(store)
            store.export_bundle(f"{target}.on")
            with opened(10) as other:
                other.import_bundle(f"{target}.on")
            os.unlink(f"{target}.on")


def check_many(bundles, target, count, promise):
    """Junk in `count` places of each bundle."""
    draw, before = random.Random(1), DONE["forged and taken"] + DONE["forged and refused"]
    for name in ("late", "relayed"):
        parts = Parts(bundles[name])
        found = places(parts)
        for _ in range(count):
            check_forged(parts, draw.choice(found), draw.choice([*JUNK, forge]), bundles, target)
    total = DONE["forged and taken"] + DONE["forged and refused"] - before
    assert min(DONE["forged and taken"], DONE["forged and refused"]) > count // 4
    promise("a forged bundle is refused, or does no harm", f"{total} of {total} forgeries")


def test_forged_bundles(bundles, tmp_path, promise):
    check_many(bundles, tmp_path / "x.asb", 24, promise)


@pytest.mark.long
def test_forged_bundles_long(bundles, tmp_path, promise):
    check_many(bundles, tmp_path / "x.asb", 6000, promise)


def test_a_bundle_settles_no_edit_that_its_history_does_not(one, carry, tmp_path):
    remote = FakeRemote()
    uuid = remote.add()
    one.sync(remote)
    one.patch(uuid, severity="Critical")
    parts = copied(Parts(carry(one)))
    (edit,) = [event["body"]["seq"] for event in parts.lines[0]["events"] if "edits" in event["body"]]
    parts.lines[0]["sync"]["state"]["settled"] = [["severity", [edit], None]]
    parts.pack(tmp_path / "x.asb")
    refused(one, tmp_path / "x.asb", "sync: state is not what event")
    one.sync(remote)
    assert remote.alert(uuid)["severity"] == "Critical"


@pytest.mark.parametrize(
    "said", [{"uuid": "../../v1/admin"}, {"uuid": "x/findings"}, {"created_at": "nonsense"}, {"created_at": 5}, {"token": []}]
)
def test_a_bundle_names_no_alert_of_the_remote_that_there_cannot_be(one, two, carry, tmp_path, said):
    remote = FakeRemote()
    remote.add()
    one.sync(remote)
    parts = copied(Parts(carry(one)))
    line = parts.lines[0]
    line["sync"]["state"] |= said
    [event["body"] for event in line["events"] if event["body"]["kind"] == "alert_synced"][-1]["facts"]["state"] = line["sync"]["state"]
    parts.reprove()
    parts.pack(tmp_path / "x.asb")
    refused(two, tmp_path / "x.asb", "tells of alert .*, and the remote, what there cannot be")


def test_alerts_with_large_records_are_taken_a_few_at_a_time(one, two, carry, monkeypatch):
    for number in range(7):
        one.add(generic_alert(title=f"{number}", blob="x" * 1_000))
    small, large = carry(one, payloads=False), carry(one)
    sizes, real = [], absorb._take
    monkeypatch.setattr(absorb, "CHUNK_LENGTH", 2_500)
    monkeypatch.setattr(absorb, "_take", lambda work, chunk: sizes.append(len(chunk)) or real(work, chunk))
    assert two.import_bundle(large).new == 7
    assert sizes == [3, 3, 1]
    sizes.clear()
    two.import_bundle(small)
    assert sizes == [7]
    check_sound(two)


def lines_of(parts, kind):
    return next((line, one["body"]) for line in parts.lines for one in line["events"] if one["body"]["kind"] == kind)


def edit_in_a_record(parts):
    _, body = lines_of(parts, "alert_deduplicated")
    body["edits"] = [{"register": "severity", "sup": [], "rbase": None, "rtoken": None}]
    body["changes"] = {"severity": ["Low", "High"]}


def edit_without_registers(parts):
    lines_of(parts, "alert_severity_updated")[1]["edits"] = []


def edit_of_one_register_twice(parts):
    body = lines_of(parts, "alert_severity_updated")[1]
    body["edits"] *= 2


def edit_that_closes_without_a_verdict(parts):
    lines_of(parts, "alert_closed")[1]["changes"]["close_classification"] = [None, None]


def edit_out_of_nowhere(parts):
    lines_of(parts, "alert_severity_updated")[1]["changes"] = {}


def event_of_this_store(parts):
    body = lines_of(parts, "alert_finding_added")[1]
    body["origin"] = {"store": "THIS", "seq": 1000, "leaf": "0" * 64, "at": body["at"]}


def event_twice(parts):
    line, body = lines_of(parts, "alert_finding_added")
    first = line["events"][0]["body"]
    body["origin"] = {"store": parts.facts["store"], "seq": first["seq"], "leaf": "0" * 64, "at": body["at"]}


def event_of_another_store_without_a_time(parts):
    body = lines_of(parts, "alert_finding_added")[1]
    body["origin"] = {"store": "another", "seq": 3, "leaf": "0" * 64}


def event_with_a_body_that_is_another(parts):
    body = lines_of(parts, "alert_severity_updated")[1]
    body["origin"] = {"store": "another", "seq": 3, "leaf": "", "body": dict(body) | {"seq": 4, "kind": "alert_severity_updated"}}


def event_with_no_body(parts):
    body = lines_of(parts, "alert_severity_updated")[1]
    body["origin"] = {"store": "another", "seq": 3, "leaf": "", "body": None}


def time_that_no_store_keeps(parts):
    lines_of(parts, "alert_closed")[1]["sets"]["closed_at"] = (1 << 53) - 1


def reason_too_long(parts):
    lines_of(parts, "alert_severity_updated")[1]["reason"] = "x" * 600_000


def import_without_a_name(parts):
    del next(one["body"] for one in parts.events if one["body"]["kind"] == "import_started")["facts"]["name"]


def import_with_a_size_that_is_text(parts):
    next(one["body"] for one in parts.events if one["body"]["kind"] == "import_finished")["facts"]["size"] = "x"


def import_whose_number_is_an_alerts_event(parts):
    started = next(one["body"] for one in parts.events if one["body"]["kind"] == "import_started")
    started["origin"] = {
        "store": parts.facts["store"],
        "seq": parts.lines[0]["events"][0]["body"]["seq"],
        "leaf": "0" * 64,
        "at": started["at"],
    }


FORGERIES = [
    edit_in_a_record, edit_without_registers, edit_of_one_register_twice, edit_that_closes_without_a_verdict, edit_out_of_nowhere,
    event_of_this_store, event_twice, event_of_another_store_without_a_time, event_with_a_body_that_is_another, event_with_no_body,
    time_that_no_store_keeps, reason_too_long, import_without_a_name, import_with_a_size_that_is_text, import_whose_number_is_an_alerts_event,
]  # fmt: skip


@pytest.mark.parametrize("change", FORGERIES, ids=lambda change: change.__name__)
def test_what_no_store_writes_is_refused(alert_store, filled, two, carry, tmp_path, change):
    alert_store.patch(filled[0], severity="Low")
    parts = copied(Parts(carry(alert_store)))
    change(parts)
    for line in parts.lines:
        for one in line["events"]:
            if (one["body"].get("origin") or {}).get("store") == "THIS":
                one["body"]["origin"]["store"] = two.id
        recommit(line)
    parts.reprove()
    parts.pack(tmp_path / "x.asb")
    refused(two, tmp_path / "x.asb", ".")


def test_sup_that_names_itself_or_what_comes_later_replaces_nothing(one, two, carry, tmp_path):
    alert = one.add(generic_alert()).alert
    for severity in ("Low", "High", "Critical"):
        one.patch(alert.uuid, severity=severity)
    parts = copied(Parts(carry(one)))
    edits = [event["body"] for event in parts.lines[0]["events"][1:]]
    numbers = [body["seq"] for body in edits]
    edits[0]["edits"][0]["sup"] = [numbers[0], numbers[2], -1, 0, (1 << 53) - 1]
    edits[1]["edits"][0]["sup"] = [numbers[1]]
    edits[2]["edits"][0]["sup"] = [parts.lines[0]["events"][0]["body"]["seq"]]
    parts.reprove()
    parts.pack(tmp_path / "x.asb")
    two.import_bundle(tmp_path / "x.asb")
    check_sound(two)
    (heads,) = dump(two)[0][alert.uuid]["heads"].values()
    assert len(heads) == 3
    assert two.get(alert.uuid).severity == "Critical"


def test_imports_that_do_not_exist_are_none(one, two, carry, tmp_path):
    one.ingest(write_jsonl(tmp_path / "eve.json", [suricata_alert()]))
    parts = copied(Parts(carry(one)))
    for line in parts.lines:
        line["events"][0]["body"]["facts"]["import"] = 77
    parts.reprove()
    parts.pack(tmp_path / "x.asb")
    assert two.import_bundle(tmp_path / "x.asb").new == 1
    assert rows(two, "SELECT import_id FROM occurrence") == [(None,)]
    check_sound(two)
