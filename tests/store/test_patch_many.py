"""Many at once: all or none, or as many as may be, or only said."""

from __future__ import annotations

import pytest

from alertstore import AlertNotFoundError, AlertValidationError, InvalidTransitionError
from alertstore.testing import make_alert


@pytest.fixture
def five(alert_store):
    """Two Open, one Triaging, one Escalated, one Closed."""
    kinds = [{}, {}, {"status": "Triaging"}, {"status": "Escalated"}, {"classification": "Duplicate"}]
    return [make_alert(alert_store, **kind).uuid for kind in kinds]


def statuses(store, uuids):
    return [str(store.get(uuid).status) for uuid in uuids]


def test_all_that_pass_the_filter(alert_store, five):
    done = alert_store.patch_many(status=["Open", "Closed"], patch={"severity": "Low"}, reason="rule retired", actor="mia")
    assert (done.changed, done.unchanged, done.refused, done.dry_run) == (3, 0, (), False)
    assert [str(alert_store.get(uuid).severity) for uuid in five] == ["Low", "Low", "High", "High", "Low"]
    *_, event = alert_store.history(five[0])
    assert (event.reason, event.actor) == ("rule retired", "mia")


def test_those_that_are_so_already_are_counted(alert_store, five):
    alert_store.patch(five[0], severity="Low")
    done = alert_store.patch_many(patch={"severity": "Low"})
    assert (done.changed, done.unchanged) == (4, 1)


def test_one_refusal_refuses_all(alert_store, five, unchanged):
    before = unchanged()
    with pytest.raises(AlertValidationError) as refusal:
        alert_store.patch_many(patch={"status": "Triaging", "severity": "Low"})
    assert [p.path for p in refusal.value.problems] == [f"{five[4]}.status"]
    assert unchanged() == before


def test_best_effort_goes_on(alert_store, five):
    done = alert_store.patch_many(patch={"status": "Closed", "close_classification": "Undetermined"}, best_effort=True)
    assert (done.changed, done.unchanged) == (3, 0)
    assert [uuid for uuid, _ in done.refused] == five[:2]
    assert all(type(error) is InvalidTransitionError for _, error in done.refused)
    assert statuses(alert_store, five) == ["Open", "Open", "Closed", "Closed", "Closed"]


@pytest.mark.parametrize("best_effort", [False, True])
def test_a_dry_run_says_what_would_be(alert_store, five, unchanged, best_effort):
    before = unchanged()
    done = alert_store.patch_many(patch={"status": "Triaging"}, dry_run=True, best_effort=best_effort)
    assert (done.changed, done.unchanged, [uuid for uuid, _ in done.refused], done.dry_run) == (3, 1, [five[4]], True)
    assert unchanged() == before


def test_closing_many_by_the_flow(alert_store, five):
    done = alert_store.patch_many(patch={"close_classification": "Undetermined"}, close=True)
    assert (done.changed, done.refused) == (5, ())
    assert statuses(alert_store, five) == ["Closed"] * 5
    assert len([e for e in alert_store.history(five[0]) if "status" in e.changes]) == 3
    assert alert_store.verify().ok


def test_closing_many_loses_nothing_of_the_patch(alert_store, five):
    patch = {"close_classification": "Undetermined", "severity": "Low"}
    try:
        alert_store.patch_many(patch=patch, close=True)
    except AlertValidationError:
        return
    assert [str(alert_store.get(uuid).severity) for uuid in five] == ["Low"] * 5


def test_the_edits_of_one_call_share_one_transaction(alert_store, five):
    size = alert_store.checkpoint().size
    alert_store.patch_many(uuid=five[:3], patch={"tags": ["x"]})
    events = list(alert_store.events(after=size))
    assert [event.subject for event in events] == five[:3]
    assert alert_store.count(tag="x") == alert_store.count(text="x") == 3


@pytest.mark.parametrize(
    ("call", "paths"),
    [
        ({"patch": {"severity": "low", "x": 1}}, ["severity", "x"]),
        ({"patch": {}, "colour": 1, "status": "open"}, ["colour", "status"]),
        ({"patch": {}, "close": True}, ["close_classification"]),
        ({"patch": None}, ["patch"]),
    ],
)
def test_bad_calls(alert_store, five, unchanged, call, paths):
    before = unchanged()
    with pytest.raises(AlertValidationError) as refusal:
        alert_store.patch_many(**call)
    assert [p.path for p in refusal.value.problems] == paths
    assert unchanged() == before


def test_nothing_passes_the_filter(alert_store, five):
    done = alert_store.patch_many(source="zeek", patch={"severity": "Low"})
    assert (done.changed, done.unchanged, done.refused) == (0, 0, ())
    with pytest.raises(AlertNotFoundError):
        alert_store.patch_many(rule="none", patch={"severity": "Low"})


def test_very_many_uuids_are_one_question(alert_store):
    uuids = [alert_store.add({"title": f"t{k}", "severity": "High"}).alert.uuid for k in range(3)]
    many = [*uuids, *(f"00000000-0000-7000-8000-{k:012x}" for k in range(40_000))]
    assert alert_store.patch_many(uuid=many, patch={"severity": "Low"}).changed == 3
    assert alert_store.count(uuid=many) == 3
