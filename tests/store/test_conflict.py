"""expected_updated_at: an edit that met another one is refused with the alert as it is now."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from alertstore import AlertValidationError, ConflictError
from alertstore.testing import make_alert


def test_the_expected_time_lets_the_edit_through(alert_store):
    alert = make_alert(alert_store)
    moment = alert.updated_at.astimezone(timezone(timedelta(hours=2)))
    assert alert_store.patch(alert.uuid, severity="Low", expected_updated_at=moment).severity == "Low"


def test_a_naive_time_is_utc(alert_store):
    alert = make_alert(alert_store)
    assert alert_store.patch(alert.uuid, severity="Low", expected_updated_at=alert.updated_at.replace(tzinfo=None)).severity == "Low"


def test_another_edit_in_between(alert_store, unchanged):
    alert = make_alert(alert_store)
    now = alert_store.patch(alert.uuid, severity="Low")
    before = unchanged()
    with pytest.raises(ConflictError) as refusal:
        alert_store.patch(alert.uuid, severity="High", expected_updated_at=alert.updated_at)
    assert refusal.value.current == now
    assert refusal.value.advice
    assert unchanged() == before


def test_a_conflict_comes_before_the_rules(alert_store):
    alert = make_alert(alert_store)
    alert_store.patch(alert.uuid, severity="Low")
    with pytest.raises(ConflictError):
        alert_store.patch(alert.uuid, status="Closed", expected_updated_at=alert.updated_at)


def test_duplicates_and_verdicts_on_indicators_are_no_edits(alert_store):
    alert = make_alert(alert_store, title="same")
    alert_store.add({**alert.raw_payload, "note": "again"})
    alert_store.set_indicator_malice("ip:203.0.113.9", "Malicious")
    found = alert_store.patch(alert.uuid, severity="Low", expected_updated_at=alert.updated_at)
    assert (found.duplicate_count, found.malice) == (1, "Malicious")


@pytest.mark.parametrize("wrong", ["2024-05-01T12:00:00Z", 5])
def test_other_times_are_refused(alert_store, wrong):
    alert = make_alert(alert_store)
    with pytest.raises((AlertValidationError, ConflictError)):
        alert_store.patch(alert.uuid, severity="Low", expected_updated_at=wrong)
