"""Deleting: a tombstone; records and history stay."""

from __future__ import annotations

import pytest

from alertstore import AlertNotFoundError
from alertstore.testing import generic_alert, make_alert, write_jsonl


@pytest.fixture
def gone(alert_store):
    """An alert that was deleted, as it was before."""
    alert = alert_store.add(generic_alert(title="uncommon")).alert
    alert_store.add_finding(alert.uuid, "f")
    alert = alert_store.get(alert.uuid)
    alert_store.delete_alert(alert.uuid, reason="a test", actor="mia")
    return alert


def test_it_is_gone_from_every_read(alert_store, gone):
    with pytest.raises(AlertNotFoundError):
        alert_store.get(gone.uuid)
    for call in (
        lambda: alert_store.patch(gone.uuid, severity="Low"),
        lambda: alert_store.delete_alert(gone.uuid),
        lambda: alert_store.add_finding(gone.uuid, "x"),
    ):
        with pytest.raises(AlertNotFoundError):
            call()
    assert alert_store.count() == alert_store.count(text="uncommon") == alert_store.count(indicator="203.0.113.9") == 0
    assert alert_store.metrics().total == 0
    assert alert_store.verify().ok


def test_its_history_and_records_stay(alert_store, gone):
    events = list(alert_store.history(gone.uuid))
    assert [event.kind for event in events] == ["alert_ingested", "alert_finding_added", "alert_deleted"]
    assert (events[-1].actor, events[-1].reason) == ("mia", "a test")
    (occurrence,) = alert_store.occurrences(gone.uuid)
    assert occurrence.raw == gone.raw


def test_the_same_record_in_a_file_is_seen(alert_store, gone, tmp_path):
    import json

    (tmp_path / "a.jsonl").write_text(json.dumps(generic_alert(title="uncommon"), separators=(",", ":")) + "\n")
    assert alert_store.ingest(tmp_path / "a.jsonl").seen == 1
    assert alert_store.count() == 0


def test_the_same_record_added_again_is_seen(alert_store, gone):
    assert alert_store.add(generic_alert(title="uncommon")).outcome == "seen"
    assert alert_store.count() == 0


def test_a_like_record_makes_a_new_alert(alert_store, gone):
    again = alert_store.add(generic_alert(title="uncommon", note="other"))
    assert again.outcome == "new"
    assert again.alert.uuid != gone.uuid
    assert again.alert.fingerprint == gone.fingerprint
    assert again.alert.agent_findings == ()
    assert again.alert.predecessor is None
    assert alert_store.verify().ok


def test_numbers_are_not_used_twice(alert_store, tmp_path):
    for title in ("one", "two"):
        alert_store.delete_alert(make_alert(alert_store, title=title).uuid)
    alert_store.ingest(write_jsonl(tmp_path / "a.jsonl", [generic_alert(title="three")]))
    assert alert_store.verify().ok


def test_indicators_follow_the_alerts_that_are_left(alert_store, frozen_clock):
    early = make_alert(alert_store, occurred_at="2024-05-01T10:00:00Z")
    late = make_alert(alert_store, occurred_at="2024-05-01T11:00:00Z")
    found = alert_store.indicator("ip", "203.0.113.9")
    assert (found.first_seen, found.last_seen) == (early.occurred_at, late.occurred_at)
    alert_store.delete_alert(early.uuid)
    assert alert_store.indicator("ip", "203.0.113.9").first_seen == late.occurred_at
    assert alert_store.verify().ok
    alert_store.delete_alert(late.uuid)
    left = alert_store.indicator("ip", "203.0.113.9")
    assert left.first_seen == left.last_seen == left.created_at
    assert alert_store.verify().ok


def test_with_a_clock_that_runs_back(alert_store, frozen_clock):
    first = make_alert(alert_store)
    frozen_clock.advance(hours=-1)
    make_alert(alert_store)
    assert alert_store.verify().ok
    alert_store.delete_alert(first.uuid)
    assert alert_store.verify().problems == ()
