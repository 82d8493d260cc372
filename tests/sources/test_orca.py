"""Orca Security: alerts in each form they are handed out in."""

from __future__ import annotations

from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.orca import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_323_045_000_000  # 2026-01-02T03:04:05Z
EXPORTED = {"Title": "T", "OrcaScore": 5.1, "CreatedAt": "2026-01-02T03:04:05+00:00", "Labels": ["CSPM", "mitre: initial access"]}
POSTED = {
    "type": "kind",
    "type_string": "T",
    "rule_id": "r1",
    "details": "D",
    "description": "T.",
    "recommendation": "H",
    "alert_source": "Orca Scan",
    "alert_labels": ["mitre: exfiltration", "CSPM"],
    "asset_first_private_ips": ["192.0.2.1"],
    "asset_first_public_ips": ["198.51.100.1"],
    "data": {
        "mitre_category": "exfiltration",
        "mitre_techniques": ["Transfer Data to Cloud Account (T1537)", "Accounts (T1078.004)", "no id"],
    },
    "state": {"alert_id": "orca-1", "created_at": "2026-01-02T03:04:05+00:00", "orca_score": 9.9, "risk_level": "low"},
}
QUERIED = {
    "type": "Alert",
    "data": {
        "AlertId": {"value": "orca-2"},
        "AlertType": {"value": "kind"},
        "Title": {"value": "T"},
        "Details": {"value": "D"},
        "OrcaScore": {"value": 1.5},
        "Labels": {"value": ["agent"]},
        "CreatedAt": {"value": "2026-01-02T03:04:05+00:00"},
    },
}
ROW = {"Title": "T", "OrcaScore": "7.5", "CreatedAt": "2026-01-02T03:04:05+00:00", "Labels": '["CSPM", "mitre: impact"]', "Status": "open"}


class TestContract(SourceContract):
    source = "orca"
    sample = "orca.json"


class TestContractOfTheTable(SourceContract):
    source = "orca"
    records = (ROW,)


def test_an_exported_alert():
    assert SOURCE.claims(EXPORTED)
    assert SOURCE.alert(EXPORTED, UTC) == NewAlert("T", Severity.MEDIUM, AT, None, ["CSPM"], [], "T")
    assert (SOURCE.rule(EXPORTED).name, SOURCE.rule(EXPORTED).mitre_tactics) == ("T", ["Initial Access"])


def test_a_posted_alert():
    assert SOURCE.claims(POSTED)
    assert SOURCE.alert(POSTED, UTC) == NewAlert(
        title="T",
        severity=Severity.LOW,
        occurred_at=AT,
        description="D",
        tags=["CSPM"],
        indicators=[("ip", "192.0.2.1"), ("ip", "198.51.100.1")],
        rule_id="r1",
    )
    assert SOURCE.rule(POSTED) == NewRule(
        name="T",
        source_rule_id="r1",
        source_name="orca",
        severity="low",
        mitre_tactics=["Exfiltration"],
        mitre_techniques=["T1537"],
        mitre_subtechniques=["T1078.004"],
        documentation="H",
        data_sources=["Orca Scan"],
    )


def test_an_alert_of_the_query_api():
    assert SOURCE.claims(QUERIED)
    assert SOURCE.claims({"type": "Alert", "data": {"AlertId": {"value": "orca-2"}}})
    assert SOURCE.alert(QUERIED, UTC) == NewAlert("T", Severity.LOW, AT, "D", ["agent"], [], "kind")


def test_a_row():
    assert SOURCE.claims(ROW)
    assert SOURCE.alert(ROW, UTC) == NewAlert("T", Severity.HIGH, AT, None, ["CSPM"], [], "T")
    assert SOURCE.rule(ROW).mitre_tactics == ["Impact"]


@pytest.mark.parametrize(
    ("fields", "expected", "notes"),
    [
        ({"OrcaScore": 10}, "Critical", ()),
        ({"OrcaScore": 9.0}, "Critical", ()),
        ({"OrcaScore": 8.9}, "High", ()),
        ({"OrcaScore": 6.9}, "Medium", ()),
        ({"OrcaScore": 3.9}, "Low", ()),
        ({"OrcaScore": 0.9}, "Informational", ()),
        ({"OrcaScore": 0}, "Informational", ()),
        ({"OrcaScore": "much"}, "Pending", ("severity_unknown",)),
        ({"OrcaScore": None}, "Pending", ()),
        ({"RiskLevel": "critical", "OrcaScore": 1}, "Critical", ()),
        ({"RiskLevel": "High"}, "High", ()),
        ({"RiskLevel": "medium"}, "Medium", ()),
        ({"RiskLevel": "informational"}, "Informational", ()),
        ({"RiskLevel": "grave"}, "Pending", ("severity_unknown",)),
    ],
)
def test_severities(fields, expected, notes):
    alert = SOURCE.alert(EXPORTED | fields, UTC)
    assert (alert.severity, alert.notes) == (expected, notes)


@pytest.mark.parametrize(
    ("when", "micros", "notes"),
    [
        ("2026-01-02T04:04:05+01:00", AT, ()),
        ("2026-01-02 03:04:05.000000000", AT, ("time_without_offset",)),
        (None, None, ("time_missing",)),
        ("soon", None, ("time_unreadable",)),
    ],
)
def test_times(when, micros, notes):
    alert = SOURCE.alert(EXPORTED | {"CreatedAt": when}, UTC)
    assert (alert.occurred_at, alert.notes) == (micros, notes)


@pytest.mark.parametrize(
    "record",
    [
        {"OrcaScore": 5},
        {"state": {"alert_id": "x"}},
        {"state": "open", "type_string": "x"},
        {"type": "Alert", "data": {"OrcaScore": 5}},
        {"type": "Inventory", "data": {"OrcaScore": {"value": 5}}},
        {"Title": "x", "Severity": "HIGH"},
    ],
)
def test_what_only_looks_alike_is_not_ours(record):
    assert not SOURCE.claims(record)


def test_a_nameless_alert_is_refused():
    with pytest.raises(ValueError, match="without a title"):
        SOURCE.alert({"OrcaScore": 5, "Title": ""}, UTC)
