"""Verdicts that survive a re-run: what becomes of records that repeat a closed alert, and that analysts' edits stay as they are."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore import (
    AlertNotFoundError,
    AlertStore,
    AlertValidationError,
    CloseClassification,
    LifecyclePolicy,
    Recurrence,
    RecurrencePolicy,
    StoreDamagedError,
)
from alertstore.testing import FrozenClock, generic_alert, make_alert, seeded_ids, suricata_alert, write_jsonl

AT = FrozenClock().now
FALSE, TRUE = CloseClassification.FALSE_POSITIVE_INACCURATE_DATA, CloseClassification.TRUE_POSITIVE_SUSPICIOUS_ACTIVITY
COUNT, REOPEN, NEW, SPARE = Recurrence


def at(hours, **over):
    return generic_alert(occurred_at=(AT + timedelta(hours=hours)).isoformat(), **over)


def closed_one(store, classification=TRUE, **over):
    uuid = store.add(at(0, **over)).uuid
    store.patch(uuid, severity="Low", tags=["known"])
    store.close_alert(uuid, classification, actor="mia", reason="seen before")
    return uuid


# --- the policy ---


def test_the_policy_of_the_store_and_of_rules(alert_store):
    store = alert_store
    rule = store.add(at(0, rule_id="R-1")).alert.detection_rule
    assert store.recurrence() == store.recurrence("R-1") == RecurrencePolicy()
    store.set_recurrence("count", reason="as the API does", actor="mia")
    store.set_recurrence("reopen", Recurrence.NEW_LINKED, rule="R-1")
    assert store.recurrence() == RecurrencePolicy(COUNT, COUNT)
    assert store.recurrence("R-1") == store.recurrence(rule.uuid) == RecurrencePolicy(REOPEN, NEW)
    assert store.rule_recurrences() == {rule.uuid: RecurrencePolicy(REOPEN, NEW)}
    first, second = (event for event in store.events() if event.kind == "setting_changed")
    assert (first.subject, first.changes, first.actor, first.reason) == (
        "recurrence",
        {"recurrence": ("", "count count")},
        "mia",
        "as the API does",
    )
    assert second.changes == {f"recurrence:{rule.uuid}": ("", "reopen new-linked")}
    size = store.checkpoint().size
    store.set_recurrence("count")
    assert store.checkpoint().size == size  # what is so already changes nothing
    store.set_recurrence(None, rule=rule.uuid)
    assert (store.recurrence("R-1"), store.rule_recurrences()) == (RecurrencePolicy(COUNT, COUNT), {})
    store.set_recurrence(None)
    assert store.recurrence() == RecurrencePolicy()
    assert store.verify().ok


def test_what_is_no_policy_is_refused(alert_store, unchanged):
    before = unchanged()
    for wrong in (("again",), ("count", "again"), (None, "count"), (3,)):
        with pytest.raises(AlertValidationError):
            alert_store.set_recurrence(*wrong)
    with pytest.raises(AlertNotFoundError, match="R-9"):
        alert_store.set_recurrence("count", rule="R-9")
    with pytest.raises(AlertNotFoundError, match="R-9"):
        alert_store.recurrence("R-9")
    assert unchanged() == before


def test_a_policy_that_was_changed_from_outside_is_named_as_damage(alert_store):
    alert_store.set_recurrence("count")
    alert_store._repository.conn.execute("UPDATE setting SET value = 'nonsense' WHERE name = 'recurrence'")
    with pytest.raises(StoreDamagedError, match="recurrence_policy"):
        alert_store.recurrence()


def test_it_stays_with_the_file_and_with_a_pruned_history(alert_store, open_again, frozen_clock):
    alert_store.set_recurrence("reopen", "count")
    frozen_clock.advance(days=9)
    alert_store.prune(frozen_clock.now, authority="policy 3")
    assert alert_store.verify().ok
    assert open_again(mode="ro").recurrence() == RecurrencePolicy(REOPEN, COUNT)


# --- what becomes of a record ---

FATES = [
    (COUNT, TRUE, "counted"), (COUNT, FALSE, "counted"), (REOPEN, TRUE, "reopened"), (REOPEN, FALSE, "reopened"),
    (SPARE, TRUE, "reopened"), (SPARE, FALSE, "counted"), (NEW, TRUE, "new"), (NEW, FALSE, "new"),
]  # fmt: skip


@pytest.mark.parametrize("case", FATES)
@pytest.mark.parametrize(("hours", "where"), [(24, "inside"), (25, "outside")])
@pytest.mark.parametrize("way", ["add", "ingest"])
def test_every_policy(alert_store, tmp_path, frozen_clock, case, hours, where, way):
    store, (recurrence, verdict, fate) = alert_store, case
    other = NEW if recurrence is not NEW else COUNT
    store.set_recurrence(**{"inside": other, "outside": other} | {where: recurrence})
    uuid = closed_one(store, verdict)
    frozen_clock.advance(hours=1)
    before = store.get(uuid)
    again = [at(hours, n=1), at(hours, n=2)]
    if way == "add":
        outcomes = [store.add(record, actor="importer").outcome for record in again]
    else:
        result = store.ingest(write_jsonl(tmp_path / "again.jsonl", again), actor="importer")
        outcomes = ["new"] * result.new + ["duplicate"] * result.duplicates
        assert len(outcomes) == 2
    after = store.get(uuid)
    assert outcomes == (["new", "duplicate"] if fate == "new" else ["duplicate"] * 2)
    assert (after.severity, after.tags, after.acknowledged_at) == (before.severity, before.tags, before.acknowledged_at)
    if fate == "reopened":
        assert (after.status, after.close_classification, after.closed_at, after.duplicate_count) == ("Open", None, None, 2)
        (event,) = [event for event in store.history(uuid) if event.changes.get("status") == ("Closed", "Open")]
        assert (event.kind, event.actor, event.reason) == ("alert_status_updated", "importer", "reported again")
        assert event.changes["close_classification"] == (verdict, None)
        (closing,) = [event.seq for event in store.history(uuid) if event.kind == "alert_closed"]
        assert event.body["edits"] == [{"rbase": None, "register": "lifecycle", "rtoken": None, "sup": [closing]}]
    else:
        assert (after.status, after.close_classification, after.updated_at) == ("Closed", verdict, before.updated_at)
        assert after.duplicate_count == (0 if fate == "new" else 2)
    assert store.count() == (2 if fate == "new" else 1)
    assert store.verify().ok


def test_a_reason_given_to_the_import_is_that_of_the_reopening(alert_store):
    alert_store.set_recurrence("reopen")
    uuid = closed_one(alert_store)
    alert_store.add(at(1), reason="second run")
    assert [event.reason for event in alert_store.history(uuid)][-2:] == ["second run"] * 2


def test_the_same_event_again_joins_a_closed_alert_and_reopens_nothing(alert_store):
    alert_store.set_recurrence("reopen")
    uuid = closed_one(alert_store)
    again = alert_store.add(at(0, run=2))
    assert (again.outcome, again.uuid, again.alert.status) == ("duplicate", uuid, "Closed")


def test_a_rule_of_its_own_policy_and_the_others(alert_store):
    store = alert_store
    mine, other = closed_one(store, rule_id="R-1"), closed_one(store, title="other", rule_id="R-2")
    bare = closed_one(store, title="no rule")
    store.set_recurrence("reopen", rule="R-1")
    store.set_recurrence("count")
    for record in (at(1, rule_id="R-1"), at(1, title="other", rule_id="R-2"), at(1, title="no rule")):
        assert store.add(record).outcome == "duplicate"
    assert [store.get(uuid).status for uuid in (mine, other, bare)] == ["Open", "Closed", "Closed"]


def test_an_alert_that_closes_again_is_reopened_again(alert_store, frozen_clock):
    alert_store.set_recurrence("reopen")
    uuid = closed_one(alert_store)
    for hours in (1, 2):
        frozen_clock.advance(minutes=1)
        assert alert_store.add(at(hours)).alert.status == "Open"
        alert_store.close_alert(uuid, FALSE)
    assert [event.changes["status"][1] for event in alert_store.history(uuid) if "status" in event.changes] == [
        "Open", "Triaging", "Closed", "Open", "Triaging", "Closed", "Open", "Triaging", "Closed",
    ]  # fmt: skip
    assert alert_store.verify().ok


def test_what_a_record_reopened_is_active_for_the_rest_of_its_file(alert_store, tmp_path):
    alert_store.set_recurrence("reopen", "new-linked")
    uuid = closed_one(alert_store)
    result = alert_store.ingest(write_jsonl(tmp_path / "f.jsonl", [at(1), at(40)]))
    assert (result.duplicates, result.new, alert_store.get(uuid).status) == (1, 1, "Open")
    assert all(alert_store.get(one.uuid).predecessor is None for one in alert_store.alerts())  # nothing closed is left to repeat


# --- suggestions ---


def test_a_new_alert_carries_the_old_verdict_as_a_suggestion(alert_store, frozen_clock):
    store = alert_store
    uuid = closed_one(store)
    frozen_clock.advance(hours=1)
    made = store.add(at(1)).alert
    said = made.suggestion
    assert (said.classification, said.predecessor, said.closed_at, said.actor) == (TRUE, uuid, store.get(uuid).closed_at, "mia")
    store.close_alert(uuid, FALSE, actor="ben")
    assert (store.get(made.uuid).suggestion.classification, store.get(made.uuid).suggestion.actor) == (FALSE, "ben")
    store.close_alert(uuid, TRUE, actor="eva")
    assert store.get(made.uuid).suggestion.actor == "eva"  # whose verdict it is now, not who gave the same one before
    assert store.get(uuid).suggestion is None
    closed = store.close_alert(made.uuid, "Undetermined")
    assert closed.suggestion is None  # it has a verdict of its own
    third = store.add(at(2)).alert
    assert (third.suggestion.classification, third.suggestion.predecessor) == ("Undetermined", made.uuid)
    store.delete_alert(made.uuid)
    assert store.get(third.uuid).suggestion is None


def test_a_predecessor_that_is_taken_up_again_suggests_nothing(tmp_path):
    with AlertStore.open(tmp_path / "s.db", policy=LifecyclePolicy.reopenable()) as store:
        uuid = closed_one(store)
        made = store.add(at(1)).uuid
        store.patch(uuid, status="Open")
        assert store.get(made).suggestion is None
        assert [one for one, _ in store.close_suggested(uuid=[made]).refused] == [made]


def test_a_suggestion_outlives_the_history_but_not_its_author(alert_store, frozen_clock):
    closed_one(alert_store)
    made = alert_store.add(at(1)).alert
    frozen_clock.advance(days=2)
    alert_store.prune(frozen_clock.now, authority="policy 3")
    said = alert_store.get(made.uuid).suggestion
    assert (said.classification, said.actor) == (TRUE, None)
    assert alert_store.get(made.uuid) == made


def test_closing_as_suggested(alert_store):
    store = alert_store
    first, second = closed_one(store), closed_one(store, FALSE, title="other")
    a, b, bare = store.add(at(1)).uuid, store.add(at(1, title="other")).uuid, make_alert(store).uuid
    size = store.checkpoint().size
    dry = store.close_suggested(dry_run=True, status=["Open"])
    assert store.checkpoint().size == size
    done = store.close_suggested(status=["Open"], actor="mia")
    assert (dry.changed, dry.dry_run) == (done.changed, True) == (2, True)
    assert [uuid for uuid, _ in done.refused] == [uuid for uuid, _ in dry.refused] == [bare]
    assert "there is none" in str(done.refused[0][1])
    assert [store.get(uuid).close_classification for uuid in (a, b, bare)] == [TRUE, FALSE, None]
    *_, event = store.history(a)
    assert (event.kind, event.actor, event.reason) == ("alert_closed", "mia", f"as {first}, which it repeats")
    everything = store.close_suggested()
    assert (everything.changed, len(everything.refused)) == (0, 5)  # nothing that has a verdict gets another
    assert store.get(second).close_classification == FALSE
    assert store.verify().ok


# --- what must always hold ---

HOURS = (0, 1, 24, 25, 60)
records = st.lists(st.tuples(st.sampled_from(HOURS), st.sampled_from("xy"), st.integers(0, 2)), min_size=1, max_size=9)
closings = st.lists(st.sampled_from([TRUE, FALSE, None]), max_size=4)
some_policy = st.builds(RecurrencePolicy, st.sampled_from(Recurrence), st.sampled_from(Recurrence))
_folders = count()


def record(hours, title, n):
    return at(hours, title=title, n=n, rule_id=title)


def new_store(folder, policy):
    store = AlertStore.open(folder / f"{next(_folders)}.db", clock=FrozenClock(), ids=seeded_ids(), durability="normal")
    store.set_recurrence(policy.inside, policy.outside)
    return store


def edits_of(alert):
    return (
        alert.status,
        alert.severity,
        alert.tags,
        alert.close_classification,
        alert.closed_at,
        alert.malice_override,
        alert.agent_findings,
    )


def work_on(store, verdicts):
    """An analyst's day: something of everything, on as many alerts as there are verdicts."""
    for uuid, verdict in zip(sorted(one.uuid for one in store.alerts()), verdicts, strict=False):
        store.patch(uuid, severity="Low", tags=["mine"], malice_override="Benign")
        store.add_finding(uuid, "looked at")
        if verdict is not None:
            store.close_alert(uuid, verdict)


@given(first=records, verdicts=closings, second=records, policy=some_policy)
def test_every_record_ends_in_one_outcome_and_edits_survive(tmp_path_factory, first, verdicts, second, policy):
    folder = tmp_path_factory.mktemp("s")
    with new_store(folder, policy) as store:
        one = store.ingest(write_jsonl(folder / "1.jsonl", [record(*r) for r in first]))
        work_on(store, verdicts)
        before = {alert.uuid: store.get(alert.uuid) for alert in store.alerts()}
        two = store.ingest(write_jsonl(folder / "2.jsonl", [record(*r) for r in second]))
        again = store.ingest(folder / "1.jsonl")
        assert (again.new, again.duplicates, again.seen) == (0, 0, len(first))
        for result, given_records in ((one, first), (two, second)):
            assert result.new + result.duplicates + result.seen == len(given_records)
            assert result.skipped == result.suppressed == result.rejected == 0
        assert store.count() == one.new + two.new
        reopened = set()
        for uuid, alert in before.items():
            now = store.get(uuid)
            if (alert.status, now.status) == ("Closed", "Open"):
                reopened.add(uuid)
                now_edits = edits_of(now)
                assert now_edits[1:3] + now_edits[5:] == edits_of(alert)[1:3] + edits_of(alert)[5:]
            else:
                assert edits_of(now) == edits_of(alert)
            history = list(store.history(uuid))
            assert sum(event.kind == "alert_deduplicated" for event in history) == now.duplicate_count
            assert sum(event.changes.get("status") == ("Closed", "Open") for event in history) == (uuid in reopened)
        assert not reopened or {policy.inside, policy.outside} & {REOPEN, SPARE}
        assert store.verify(depth="deep").problems == ()


@given(first=records, verdicts=closings, second=records, policy=some_policy)
def test_a_file_comes_to_what_its_records_come_to_one_by_one(tmp_path_factory, first, verdicts, second, policy):
    folder = tmp_path_factory.mktemp("s")

    def outcome(take):
        with new_store(folder, policy) as store:
            take(store, first)
            work_on(store, verdicts)
            take(store, second)
            found = [store.get(one.uuid) for one in store.alerts()]
            named = {alert.uuid: (alert.title, alert.occurred_at) for alert in found}
            return sorted(
                (*named[a.uuid], *edits_of(a)[:4], a.duplicate_count, a.last_seen_at, named.get(a.predecessor, ())) for a in found
            )

    def one_by_one(store, given_records):
        for values in given_records:
            store.add(record(*values))

    assert outcome(one_by_one) == outcome(
        lambda store, several: store.ingest(write_jsonl(folder / "f.jsonl", [record(*r) for r in several]))
    )


# --- records that were seen again ---


def seen_events(store):
    return [event for event in store.events() if event.kind == "records_seen"]


def test_an_import_says_which_records_it_met_again(alert_store, tmp_path):
    store = alert_store
    lines = [suricata_alert(flow_id=n, src_ip=f"192.0.2.{n}") for n in range(6)]
    store.ingest(write_jsonl(tmp_path / "1.json", lines))
    assert seen_events(store) == []
    kept = [event.seq for event in store.events() if event.kind == "alert_ingested"]
    result = store.ingest(
        write_jsonl(tmp_path / "2.json", [lines[5], lines[0], lines[1], lines[0], suricata_alert(flow_id=77)]), reason="r", actor="mia"
    )
    assert (result.seen, result.new + result.duplicates) == (4, 1)
    (event,) = seen_events(store)
    assert (event.subject, event.actor, event.reason, event.changes) == (str(result.id), "mia", "r", {})
    assert event.body["facts"] == {"import": result.id, "occurrences": [[kept[0], 2], [kept[5], 1]]}
    assert [store.add({"title": "alone"}).outcome for _ in range(2)] == ["new", "seen"]
    assert len(seen_events(store)) == 1  # a record by itself belongs to no import
    assert store.verify().ok


def test_one_event_a_batch(alert_store, tmp_path, monkeypatch):
    monkeypatch.setattr("alertstore.store.records.BATCH_RECORDS", 4_000)
    path = write_jsonl(tmp_path / "many.jsonl", [{"title": f"t{n}"} for n in range(9_000)])
    alert_store.ingest(path)
    again = alert_store.ingest(path)
    events = seen_events(alert_store)
    assert (again.seen, [sum(n for _, n in event.body["facts"]["occurrences"]) for event in events]) == (9_000, [4_000, 4_000, 1_000])
    assert all(len(event.body["facts"]["occurrences"]) == 1 for event in events)


def test_a_salvaged_store_keeps_the_policies(tmp_path):
    with AlertStore.open(tmp_path / "old.db") as store:
        uuid = store.add(at(0, rule_id="R-7")).uuid
        store.set_recurrence("count", "reopen")
        store.set_recurrence("reopen", rule="R-7")
        policies = store.recurrence(), store.rule_recurrences()
    AlertStore.salvage(tmp_path / "old.db", tmp_path / "new.db")
    with AlertStore.open(tmp_path / "new.db") as store:
        assert (store.recurrence(), store.rule_recurrences()) == policies
        assert store.get(uuid).detection_rule is not None
        assert store.verify().ok


@pytest.mark.parametrize("policy", Recurrence)
def test_what_a_closed_alert_was_reported_by_joins_it_again_in_other_words(alert_store, tmp_path, policy):
    uuid = alert_store.add(at(0)).uuid
    assert alert_store.add(at(1, note="a duplicate")).uuid == uuid
    alert_store.close_alert(uuid, TRUE)
    alert_store.set_recurrence(policy)
    told = write_jsonl(tmp_path / "run2.jsonl", [at(hours, run=2) for hours in (0, 1)])
    assert (alert_store.ingest(told).duplicates, alert_store.count()) == (2, 1)
    assert alert_store.get(uuid).status == "Closed"
    assert alert_store.verify().ok


def test_an_active_alert_nearby_does_not_take_what_a_closed_one_was_reported_by(alert_store):
    closed = alert_store.add(at(0)).uuid
    alert_store.add(at(2, note="a duplicate"))
    alert_store.close_alert(closed, TRUE)
    active = alert_store.add(at(3)).uuid
    assert active != closed
    assert alert_store.add(at(2, run=2)).uuid == closed
    assert alert_store.add(at(2.5)).uuid == active
