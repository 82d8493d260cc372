"""Upwind: detections."""

from __future__ import annotations

from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.upwind import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_323_045_000_000  # 2026-01-02T03:04:05Z
BASE = {"id": "d", "title": "T", "severity": "HIGH", "first_seen_time": "2026-01-02T03:04:05Z", "mitre_attacks": [], "triggers": []}


class TestContract(SourceContract):
    source = "upwind"
    sample = "upwind.jsonl"


def test_a_detection():
    events = [{"data": {"user_name": "root"}}, {"initiator": {"userName": "jo", "name": "jo"}, "data": {"user_name": "-"}}, "junk"]
    record = BASE | {
        "description": "D",
        "category": "Container Execution",
        "resource": {"name": "pod", "risk_categories": ["internet_facing"]},
        "mitre_attacks": [{"tactic_id": "TA0002", "technique_id": "T1059"}, {"tactic_name": "Own", "technique_id": "T1059.004"}, 3],
        "triggers": [{"policy_id": "pol-1", "policy_name": "P", "events": events}, {"policy_id": "pol-2"}],
    }
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="T",
        severity=Severity.HIGH,
        occurred_at=AT,
        description="D",
        tags=["internet_facing"],
        indicators=[("account", "root"), ("account", "jo")],
        rule_id="pol-1",
    )
    assert SOURCE.rule(record) == NewRule(
        name="P",
        source_rule_id="pol-1",
        source_name="upwind",
        severity="HIGH",
        mitre_tactics=["Execution"],
        mitre_techniques=["T1059"],
        mitre_subtechniques=["T1059.004"],
        data_sources=["Container Execution"],
    )


def test_without_a_policy_the_title_names_the_rule():
    assert (SOURCE.alert(BASE, UTC).rule_id, SOURCE.rule(BASE).name) == ("T", "T")


@pytest.mark.parametrize(
    ("word", "expected", "notes"),
    [
        ("CRITICAL", "Critical", ()),
        ("HIGH", "High", ()),
        ("medium", "Medium", ()),
        ("LOW", "Low", ()),
        ("INFO", "Informational", ()),
        ("INFORMATIONAL", "Informational", ()),
        ("GRAVE", "Pending", ("severity_unknown",)),
        (None, "Pending", ()),
    ],
)
def test_severities(word, expected, notes):
    alert = SOURCE.alert(BASE | {"severity": word}, UTC)
    assert (alert.severity, alert.notes) == (expected, notes)


@pytest.mark.parametrize(
    ("more", "micros", "notes"),
    [
        ({"last_seen_time": "2026-01-05T00:00:00Z"}, AT, ()),
        ({"first_seen_time": None, "triggers": [{"events": [{"timestamp": "2026-01-02T03:04:05Z"}]}]}, AT, ()),
        ({"first_seen_time": "", "last_seen_time": "2026-01-02T03:04:05"}, AT, ("time_without_offset",)),
        ({"first_seen_time": None}, None, ("time_missing",)),
    ],
)
def test_times(more, micros, notes):
    alert = SOURCE.alert(BASE | more, UTC)
    assert (alert.occurred_at, alert.notes) == (micros, notes)


@pytest.mark.parametrize(
    "record",
    [
        {"id": "x", "title": "T", "severity": "HIGH", "first_seen_time": "y"},
        {"triggers": [], "mitre_attacks": []},
        {"title": "T", "upwind_console_link": "x"},
    ],
)
def test_what_only_looks_alike_is_not_ours(record):
    assert not SOURCE.claims(record)


def test_a_nameless_detection_is_refused():
    with pytest.raises(ValueError, match="without a title"):
        SOURCE.alert(BASE | {"title": " "}, UTC)
