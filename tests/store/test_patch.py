"""Patching through the store: the rows of the patch table end to end; the domain's tests hold every pair."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore import (
    AlertNotFoundError,
    AlertStore,
    AlertValidationError,
    ClassificationRequiredError,
    InvalidTransitionError,
    LifecyclePolicy,
    StoreReadOnlyError,
)
from alertstore.testing import FrozenClock, generic_alert, make_alert, patches, seeded_ids

NOWHERE = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


def test_a_patch_is_applied_and_returned_as_get_gives_it(alert_store, frozen_clock):
    alert = make_alert(alert_store)
    now = frozen_clock.advance(hours=1)
    after = alert_store.patch(alert.uuid, status="Triaging", severity="Low", tags=["b", "a", "b"], malice_override="Benign", reason="seen")
    assert after == alert_store.get(alert.uuid)
    assert (after.status, after.severity, after.tags, after.malice) == ("Triaging", "Low", ("b", "a"), "Benign")
    assert after.acknowledged_at == after.triaged_at == after.updated_at == after.malice_override_at == now
    assert (after.created_at, after.occurred_at, after.fingerprint, after.raw) == (
        alert.created_at,
        alert.occurred_at,
        alert.fingerprint,
        alert.raw,
    )


def test_fields_come_as_keywords_or_as_a_mapping(alert_store):
    alert = make_alert(alert_store)
    assert alert_store.patch(alert.uuid, {"severity": "Low"}, tags=["x"]).severity == "Low"
    assert alert_store.get(alert.uuid).tags == ("x",)


def test_two_edits_at_one_time_do_not_share_it(alert_store, frozen_clock):
    alert = make_alert(alert_store)
    first = alert_store.patch(alert.uuid, severity="Low")
    frozen_clock.advance(hours=-5)
    second = alert_store.patch(alert.uuid, severity="High")
    assert [first.updated_at - alert.updated_at, second.updated_at - first.updated_at] == [timedelta(microseconds=1)] * 2
    *_, event = alert_store.history(alert.uuid)
    assert event.body["clock"] == event.body["at"] - 2 - 5 * 3600 * 10**6


@pytest.mark.parametrize(
    "patch",
    [{}, {"status": "Open"}, {"severity": "High"}, {"tags": ["c2"]}, {"reset_malice_override": True}, {"status": None, "tags": None}],
)
def test_a_patch_that_changes_nothing_records_nothing(alert_store, frozen_clock, patch, unchanged):
    alert = make_alert(alert_store)
    before = unchanged()
    frozen_clock.advance(hours=1)
    assert alert_store.patch(alert.uuid, patch) == alert
    assert unchanged() == before


@pytest.mark.parametrize(
    ("patch", "kind", "paths"),
    [
        ({"status": "Closed", "close_classification": "Duplicate"}, InvalidTransitionError, ["status"]),
        ({"status": "Closed"}, AlertValidationError, ["status", "close_classification"]),
        ({"close_classification": "Duplicate"}, AlertValidationError, ["close_classification"]),
        ({"tags": ["", "x"]}, AlertValidationError, ["tags[0]"]),
        ({"malice_override": "Benign", "reset_malice_override": True}, AlertValidationError, ["reset_malice_override"]),
        ({"severity": "HIGH", "colour": 1, "status": "Closed", "tags": [" ", 5]}, AlertValidationError, ["severity", "tags[1]", "colour", "status", "close_classification"]),
        ({"status": "closed"}, AlertValidationError, ["status"]),
    ],
)  # fmt: skip
def test_refusals_list_all_and_change_nothing(alert_store, unchanged, patch, kind, paths):
    alert = make_alert(alert_store)
    before = unchanged()
    with pytest.raises(AlertValidationError) as refusal:
        alert_store.patch(alert.uuid, patch)
    assert type(refusal.value) is kind
    assert [p.path for p in refusal.value.problems] == paths
    assert unchanged() == before


def test_closing_without_a_classification(alert_store):
    alert = make_alert(alert_store, status="Escalated")
    with pytest.raises(ClassificationRequiredError):
        alert_store.patch(alert.uuid, status="Closed")
    closed = alert_store.patch(alert.uuid, status="Closed", close_classification="Duplicate")
    with pytest.raises(ClassificationRequiredError):
        alert_store.patch(alert.uuid, status="Closed")
    assert alert_store.patch(alert.uuid, close_classification="Undetermined").closed_at == closed.closed_at


@pytest.mark.parametrize("bad", ["", "  ", "n\0l", "\ud800", 5])
@pytest.mark.parametrize("field", ["actor", "reason"])
def test_actor_and_reason_must_be_storable(alert_store, unchanged, field, bad):
    alert = make_alert(alert_store)
    before = unchanged()
    with pytest.raises(AlertValidationError) as refusal:
        alert_store.patch(alert.uuid, severity="Low", **{field: bad})
    assert [p.path for p in refusal.value.problems] == [field]
    assert unchanged() == before


@pytest.mark.parametrize("patch", [["status", "Open"], "status", 5])
def test_a_patch_that_is_no_mapping(alert_store, patch):
    alert = make_alert(alert_store)
    with pytest.raises(AlertValidationError):
        alert_store.patch(alert.uuid, patch)


@pytest.mark.parametrize("uuid", [NOWHERE, "", "x", "n\0l", None, 5])
def test_no_such_alert(alert_store, uuid):
    for call in (alert_store.get, alert_store.history, alert_store.delete_alert, alert_store.occurrences, alert_store.related):
        with pytest.raises(AlertNotFoundError):
            call(uuid)
    with pytest.raises(LookupError):
        alert_store.patch(uuid, severity="Low")


def test_a_name_that_is_no_text(alert_store):
    with pytest.raises((AlertNotFoundError, AlertValidationError)):
        alert_store.get("\ud800")
    with pytest.raises((AlertNotFoundError, AlertValidationError)):
        alert_store.patch("\ud800", severity="Low")


def test_an_edit_too_large_for_an_event_is_refused_whole(alert_store, unchanged):
    alert = make_alert(alert_store)
    before = unchanged()
    with pytest.raises(AlertValidationError):
        alert_store.patch(alert.uuid, tags=["x" * 2_000_000])
    with pytest.raises(AlertValidationError):
        alert_store.patch(alert.uuid, severity="Low", reason="x" * 2_000_000)
    assert unchanged() == before


def test_a_store_for_reading_takes_no_patch(alert_store, open_again):
    alert = make_alert(alert_store)
    with pytest.raises(StoreReadOnlyError):
        open_again(mode="ro").patch(alert.uuid, severity="Low")


def test_tags_are_found_as_soon_as_they_are_there(alert_store):
    alert = make_alert(alert_store)
    alert_store.patch(alert.uuid, tags=["uncommon"])
    assert alert_store.count(text="uncommon") == alert_store.count(tag="uncommon") == 1
    alert_store.patch(alert.uuid, tags=[])
    assert alert_store.count(text="uncommon") == alert_store.count(tag="uncommon") == 0


POLICIES = [LifecyclePolicy.documented(), LifecyclePolicy.reopenable(), LifecyclePolicy.permissive()]


@given(st.sampled_from(POLICIES), st.lists(patches(), max_size=5))
def test_any_patches(policy, edits):
    clock = FrozenClock()
    with AlertStore.open(":memory:", clock=clock, ids=seeded_ids(), policy=policy) as store:
        alert = store.add(generic_alert()).alert
        for edit in edits:
            clock.advance(seconds=1)
            size = store.checkpoint().size
            try:
                after = store.patch(alert.uuid, edit)
            except AlertValidationError:
                after = store.get(alert.uuid)
                assert (after, store.checkpoint().size) == (alert, size)
            assert after.updated_at > alert.updated_at or after == alert
            assert (after.status == "Closed") == (after.close_classification is not None) == (after.closed_at is not None)
            assert store.checkpoint().size == size + (after != alert)
            alert = after
        assert store.verify().ok
