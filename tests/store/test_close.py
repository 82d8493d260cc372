"""close_alert: by the documented flow, whatever the policy."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alertstore import AlertNotFoundError, AlertStore, AlertValidationError, CloseClassification, LifecyclePolicy
from alertstore.testing import FrozenClock, make_alert, seeded_ids

every_policy = pytest.mark.parametrize(
    "policy", [LifecyclePolicy.documented(), LifecyclePolicy.reopenable(), LifecyclePolicy.permissive()], ids=lambda p: p.name
)


@pytest.fixture
def store(tmp_path, policy):
    with AlertStore.open(tmp_path / "s.db", clock=FrozenClock(), ids=seeded_ids(), policy=policy) as opened:
        yield opened


def events_after(store, size):
    return [(event.kind.value, {name: tuple(pair) for name, pair in event.changes.items()}) for event in store.events(after=size)]


@every_policy
def test_from_open_both_steps_are_recorded(store):
    alert = make_alert(store)
    size = store.checkpoint().size
    closed = store.close_alert(alert.uuid, "False Positive - Inaccurate Data", reason="noise")
    assert events_after(store, size) == [
        ("alert_status_updated", {"status": ("Open", "Triaging")}),
        ("alert_closed", {"status": ("Triaging", "Closed"), "close_classification": (None, "False Positive - Inaccurate Data")}),
    ]
    assert {event.reason for event in store.events(after=size)} == {"noise"}
    assert closed == store.get(alert.uuid)
    assert closed.acknowledged_at == closed.triaged_at == closed.closed_at - timedelta(microseconds=1)


@every_policy
@pytest.mark.parametrize("status", ["Triaging", "Escalated"])
def test_from_the_middle_it_is_one_step(store, status):
    alert = make_alert(store, status=status)
    size = store.checkpoint().size
    assert store.close_alert(alert.uuid, CloseClassification.DUPLICATE).status == "Closed"
    assert [kind for kind, _ in events_after(store, size)] == ["alert_closed"]


@every_policy
def test_a_closed_one_is_reclassified(store):
    closed = make_alert(store, classification="Duplicate")
    size = store.checkpoint().size
    assert store.close_alert(closed.uuid, "Duplicate") == closed
    assert store.checkpoint().size == size
    again = store.close_alert(closed.uuid, "Undetermined")
    assert (again.close_classification, again.closed_at) == ("Undetermined", closed.closed_at)
    assert events_after(store, size) == [("alert_reclassified", {"close_classification": ("Duplicate", "Undetermined")})]


@every_policy
def test_a_bare_patch_does_not_walk(store, policy):
    alert = make_alert(store)
    if policy.name == "permissive":
        assert store.patch(alert.uuid, status="Closed", close_classification="Duplicate").triaged_at is None
    else:
        with pytest.raises(AlertValidationError):
            store.patch(alert.uuid, status="Closed", close_classification="Duplicate")


@every_policy
def test_reopening(store, policy):
    closed = make_alert(store, classification="Duplicate")
    if policy.name == "documented":
        with pytest.raises(AlertValidationError):
            store.patch(closed.uuid, status="Open")
        return
    reopened = store.patch(closed.uuid, status="Open")
    assert (reopened.close_classification, reopened.closed_at) == (None, None)
    assert (reopened.acknowledged_at, reopened.triaged_at) == (closed.acknowledged_at, closed.triaged_at)
    *_, event = store.history(closed.uuid)
    assert event.changes["close_classification"] == ("Duplicate", None)
    again = store.close_alert(closed.uuid, "Undetermined")
    assert (again.acknowledged_at, again.triaged_at) == (closed.acknowledged_at, closed.triaged_at)
    assert again.closed_at > closed.closed_at
    assert store.verify().ok


@pytest.mark.parametrize("verdict", ["duplicate", "", None, 7, "True Positive"])
def test_other_classifications_are_refused(alert_store, unchanged, verdict):
    alert = make_alert(alert_store)
    before = unchanged()
    with pytest.raises(AlertValidationError) as refusal:
        alert_store.close_alert(alert.uuid, verdict)
    assert [p.path for p in refusal.value.problems] == ["close_classification"]
    assert unchanged() == before


def test_no_such_alert(alert_store):
    with pytest.raises(AlertNotFoundError):
        alert_store.close_alert("x", "Duplicate")
