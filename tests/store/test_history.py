"""The history: one log, an event for every change, the same root for the same calls."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from attrs import evolve
from intel_rows import add_intel
from sync_rows import add_sync

from alertstore import AlertStore, Checkpoint, EventKind
from alertstore.domain.events import canonical
from alertstore.testing import FrozenClock, generic_alert, make_alert, seeded_ids


def test_the_same_calls_make_the_same_root(tmp_path, fill):
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        folder = tmp_path / name
        folder.mkdir()
        clock = FrozenClock()
        with AlertStore.open(folder / "s.db", clock=clock, ids=seeded_ids(seed)) as store:
            fill(store, folder, clock)
            add_intel(store)
            found.append((store.checkpoint(), [dict(event.body) for event in store.events()]))
    assert found[0] == found[1]
    assert found[0][0].root != found[2][0].root


def test_clock_and_ids_are_asked_in_a_known_order(tmp_path):
    asked = []
    ids, clock = seeded_ids(), FrozenClock()
    with AlertStore.open(
        tmp_path / "s.db", clock=lambda: asked.append("clock") or clock(), ids=lambda: asked.append("id") or ids()
    ) as store:
        for call, expected in (
            (lambda: store.add(generic_alert(rule_id="R")), ["clock", "id", "id"]),
            (lambda: store.add(generic_alert(rule_id="R")), ["clock"]),
            (lambda: store.patch(store.alerts().items[0].uuid, severity="Low"), ["clock"]),
            (lambda: store.add_finding(store.alerts().items[0].uuid, "s"), ["clock", "id", "id"]),
            (store.checkpoint, []),
            (store.verify, []),
        ):
            asked.clear()
            call()
            assert asked == expected


WRITES = {
    "add": (lambda s, u: s.add(generic_alert(title="x", rule_id="R-9")), ["detection_rule_created", "alert_ingested"]),
    "repeat": (lambda s, u: s.add(generic_alert(rule_id="R-1", rule_name="Beacon rule", n=1)), ["alert_deduplicated"]),
    "status": (lambda s, u: s.patch(u[0], status="Escalated"), ["alert_status_updated"]),
    "severity": (lambda s, u: s.patch(u[0], severity="Low"), ["alert_severity_updated"]),
    "tags": (lambda s, u: s.patch(u[0], tags=[]), ["alert_tags_updated"]),
    "malice": (lambda s, u: s.patch(u[0], reset_malice_override=True), ["alert_malice_updated"]),
    "close": (lambda s, u: s.close_alert(u[0], "Duplicate"), ["alert_closed"]),
    "reclassify": (lambda s, u: s.close_alert(u[1], "Duplicate"), ["alert_reclassified"]),
    "finding": (lambda s, u: s.add_finding(u[0], "s"), ["alert_finding_added"]),
    "indicators": (lambda s, u: s.add_indicators(u[0], [("ip", "192.0.2.99")]), ["alert_indicators_added"]),
    "verdict": (lambda s, u: s.set_indicator_malice("ip:203.0.113.9", "Benign"), ["indicator_malice_updated"]),
    "delete": (lambda s, u: s.delete_alert(u[0]), ["alert_deleted"]),
    "rule": (lambda s, u: s.add_rule("r"), ["detection_rule_created"]),
    "edit rule": (lambda s, u: s.patch_rule(s.rules()[0].uuid, name="other"), ["detection_rule_updated"]),
    "document": (lambda s, u: s.add_document("t", "c", document_type="sop"), ["context_document_created"]),
    "edit document": (lambda s, u: s.patch_document(s.documents()[0].uuid, tags=["z"]), ["context_document_updated"]),
    "delete document": (lambda s, u: s.delete_document(s.documents()[0].uuid), ["context_document_deleted"]),
}


@pytest.mark.parametrize("name", WRITES)
def test_every_write_appends(alert_store, filled, kinds, name):
    call, expected = WRITES[name]
    before = alert_store.checkpoint()
    call(alert_store, filled)
    assert kinds(before.size) == expected
    assert alert_store.checkpoint().size == before.size + len(expected)
    report = alert_store.verify(checkpoint=before)
    assert report.problems == ()
    assert report.assurance == "anchored"


def test_all_kinds_but_those_of_later_issues_occur(alert_store, filled):
    add_sync(alert_store, *filled)
    add_intel(alert_store)
    later = {"setting_changed"}
    custody = {kind for kind in EventKind if kind.endswith(("_carried", "_redacted", "_pruned")) or kind.startswith(("store_", "signing_"))}
    made = {event.kind for event in alert_store.events()}
    assert {str(k) for k in EventKind} - {str(k) for k in made} <= later | (custody - {"store_created"}) | {
        "alert_reclassified",
        "alert_severity_updated",
        "alert_tags_updated",
        "alert_malice_updated",
    }


def test_the_whole_feed(alert_store, filled):
    events = list(alert_store.events())
    assert [event.seq for event in events] == list(range(1, alert_store.checkpoint().size + 1))
    assert all(event.id == (alert_store.id, event.seq) for event in events)
    assert [event.seq for event in alert_store.events(after=5)] == [event.seq for event in events[5:]]
    assert events[0].kind == "store_created"
    assert events[0].body["facts"] == {"store_id": alert_store.id}
    assert list(alert_store.events(after=len(events))) == []
    one = [event for event in events if event.subject == filled[0]]
    assert list(alert_store.history(filled[0])) == one
    assert one[0].kind == "alert_ingested"


def test_long_histories_are_read_in_parts(alert_store, monkeypatch):
    monkeypatch.setattr("alertstore.storage.log.CHUNK", 2)
    alert = make_alert(alert_store)
    for severity in ("Low", "Medium", "High", "Low"):
        alert_store.patch(alert.uuid, severity=severity)
    assert [event.seq for event in alert_store.history(alert.uuid)] == [2, 3, 4, 5, 6]
    assert [event.seq for event in alert_store.events()] == list(range(1, alert_store.checkpoint().size + 1))


def test_stored_bodies_are_canonical_and_hold_no_content(alert_store, filled):
    with closing(sqlite3.connect(alert_store.path)) as conn:
        bodies = [body for (body,) in conn.execute("SELECT body FROM event ORDER BY seq")]
    assert all(canonical(json.loads(body)) == body for body in bodies)
    text = b"\n".join(bodies).decode()
    for secret in ("Beacon to a rare host", "203.0.113.9", "b.example", "seen before", "Look twice", "192.0.2.7", "User: mia"):
        assert secret not in text
    assert all("NaN" not in body.decode() for body in bodies)


def test_edits_name_what_they_replace(alert_store):
    alert = make_alert(alert_store)
    for patch in ({"severity": "Low", "tags": ["x"]}, {"severity": "Medium"}, {"tags": []}, {"severity": "Low", "status": "Triaging"}):
        alert_store.patch(alert.uuid, patch)
    *_, one, two, three, four = alert_store.history(alert.uuid)
    chains = [{edit["register"]: edit["sup"] for edit in event.body["edits"]} for event in (one, two, three, four)]
    assert chains[0] == {"severity": [], "tag:c2": [], "tag:x": []}
    assert chains[1:] == [{"severity": [one.seq]}, {"tag:x": [one.seq]}, {"lifecycle": [], "severity": [two.seq]}]
    assert all(edit["rbase"] is edit["rtoken"] is None for event in (one, two, three, four) for edit in event.body["edits"])


def test_a_change_of_the_order_of_tags_is_an_edit_too(alert_store):
    alert = make_alert(alert_store, tags=["a", "b"])
    assert alert_store.patch(alert.uuid, tags=["b", "a"]).tags == ("b", "a")
    *_, event = alert_store.history(alert.uuid)
    assert event.changes == {"tags": (["a", "b"], ["b", "a"])}
    assert alert_store.verify().ok


def test_a_checkpoint_is_a_pure_read(alert_store, filled, unchanged):
    before = unchanged()
    assert alert_store.checkpoint() == alert_store.checkpoint() == Checkpoint(before[0].size, before[0].root)
    assert unchanged() == before
    assert evolve(alert_store.checkpoint(), size=1) != alert_store.checkpoint()


@pytest.mark.parametrize(
    ("size", "root"),
    [(-1, "0" * 64), (1.0, "0" * 64), (True, "0" * 64), ("1", "0" * 64), (1, "0" * 63), (1, "A" * 64), (1, None), (1, "0" * 64 + "\n")],
)
def test_a_checkpoint_is_a_size_and_a_root(size, root):
    from alertstore import AlertValidationError

    with pytest.raises(AlertValidationError):
        Checkpoint(size, root)


def test_the_names_of_who_and_why_are_kept(tmp_path):
    with AlertStore.open(tmp_path / "s.db", actor="mia") as store:
        store.add(generic_alert())
        store.add(generic_alert(title="b"), actor="bo", reason="\u202e</script>")
        _, first, second = store.events()
        assert (first.actor, first.reason, second.actor, second.reason) == ("mia", None, "bo", "\u202e</script>")


def test_of_two_steps_in_one_call_the_second_replaces_the_first(alert_store):
    one, two = make_alert(alert_store, title="one"), make_alert(alert_store, title="two")
    alert_store.close_alert(one.uuid, "Duplicate")
    alert_store.patch_many(uuid=[two.uuid], close=True, patch={"close_classification": "Duplicate"})
    for alert in (one, two):
        _, triaged, closed = alert_store.history(alert.uuid)
        assert [edit["sup"] for edit in triaged.body["edits"]] == [[]]
        assert [edit["sup"] for edit in closed.body["edits"]] == [[triaged.seq]]
    assert alert_store.verify().ok


def test_an_import_says_what_its_outcome_depends_on(alert_store, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"title":"x"}\n', encoding="utf-8")
    alert_store.ingest(tmp_path / "a.jsonl")
    started = next(event for event in alert_store.events() if event.kind == "import_started")
    assert started.body["facts"].items() >= {"dedup_by": "occurred_at", "dedup_window": 86_400_000_000, "tz": "UTC"}.items()
