"""Wiz: detections, issues, webhooks and the table of issues."""

from __future__ import annotations

from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.wiz import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_323_045_000_000  # 2026-01-02T03:04:05Z
DETECTION = {
    "title": "T",
    "description": "D",
    "severity": "HIGH",
    "createdAt": "2026-01-02T03:14:00Z",
    "timeframe": {"start": "2026-01-02T03:04:05Z"},
    "tdrId": "cer-1",
    "tdrSource": "GUARD_DUTY",
    "mitreTactics": ["TA0043", "TA0007", "TA0007"],
    "mitreTechniques": ["TA0043-T1595", "TA0007-T1046", "T1059.001"],
    "triggeringEvents": [
        {"actorIP": "203.0.113.1", "actor": {"type": "SERVICE_ACCOUNT", "name": "svc"}},
        {"actor": {"type": "NETWORK_ADDRESS", "name": "203.0.113.2"}},
        "junk",
    ],
    "actors": [{"type": "USER_ACCOUNT", "name": "mia"}, {"type": "IDENTITY_PROVIDER", "name": "idp"}, 7],
}
ISSUE = {
    "severity": "CRITICAL",
    "createdAt": "2026-01-02T03:04:05Z",
    "entitySnapshot": {"name": "host"},
    "sourceRule": {
        "id": "wc-1",
        "name": "T",
        "controlDescription": "D",
        "resolutionRecommendation": "H",
        "securitySubCategories": [
            {"title": "T1190 Exploit", "category": {"name": "TA0001 Initial Access", "framework": {"name": "MITRE ATT&CK Matrix"}}},
            {"title": "T9999 Other", "category": {"name": "TA0002", "framework": {"name": "House rules"}}},
            "junk",
        ],
    },
}
WEBHOOK = {
    "issue": {"id": "i", "severity": "LOW", "created": "2026-01-02T03:04:05Z"},
    "control": {"id": "c", "name": "T", "description": "D", "severity": "HIGH"},
    "resource": {"name": "r"},
}
ROW = {
    "Created At": "2026-01-02T03:04:05Z",
    "Title": "T ",
    "Severity": "INFORMATIONAL",
    "Status": "RESOLVED",
    "Description": "D",
    "Control ID": "c",
    "Issue ID": "i",
    "Wiz URL": "https://app.example.com/issues",
    "Remediation Recommendation": "H",
}


class TestContract(SourceContract):
    source = "wiz"
    sample = "wiz.jsonl"


class TestContractOfTheTable(SourceContract):
    source = "wiz"
    records = (ROW,)


def test_a_detection():
    assert SOURCE.claims(DETECTION)
    assert SOURCE.alert(DETECTION, UTC) == NewAlert(
        title="T",
        severity=Severity.HIGH,
        occurred_at=AT,
        description="D",
        indicators=[("account", "mia"), ("account", "svc"), ("ip", "203.0.113.2"), ("ip", "203.0.113.1")],
        rule_id="cer-1",
    )
    assert SOURCE.rule(DETECTION) == NewRule(
        name="T",
        source_rule_id="cer-1",
        source_name="wiz",
        severity="HIGH",
        mitre_tactics=["Reconnaissance", "Discovery"],
        mitre_techniques=["T1595", "T1046"],
        mitre_subtechniques=["T1059.001"],
        data_sources=["GUARD_DUTY"],
    )


def test_an_issue():
    assert SOURCE.claims(ISSUE)
    assert SOURCE.alert(ISSUE, UTC) == NewAlert("T", Severity.CRITICAL, AT, "D", (), [], "wc-1")
    rule = SOURCE.rule(ISSUE)
    assert (rule.name, rule.source_rule_id, rule.documentation) == ("T", "wc-1", "D\nH")
    assert (rule.mitre_tactics, rule.mitre_techniques) == (["Initial Access"], ["T1190"])


def test_what_a_webhook_posts():
    assert SOURCE.claims(WEBHOOK)
    assert SOURCE.alert(WEBHOOK, UTC) == NewAlert("T", Severity.LOW, AT, "D", (), [], "c")
    assert SOURCE.rule(WEBHOOK).documentation == "D"


def test_a_row():
    assert SOURCE.claims(ROW)
    assert SOURCE.alert(ROW, UTC) == NewAlert("T", Severity.INFORMATIONAL, AT, "D", (), [], "c")
    assert (SOURCE.rule(ROW).name, SOURCE.rule(ROW).documentation) == ("T", "H")


@pytest.mark.parametrize(
    ("word", "expected", "notes"),
    [
        ("NONE", "Informational", ()),
        ("informational", "Informational", ()),
        ("LOW", "Low", ()),
        ("MEDIUM", "Medium", ()),
        ("HIGH", "High", ()),
        ("CRITICAL", "Critical", ()),
        ("GRAVE", "Pending", ("severity_unknown",)),
        (None, "Pending", ()),
    ],
)
def test_severities(word, expected, notes):
    alert = SOURCE.alert(ISSUE | {"severity": word}, UTC)
    assert (alert.severity, alert.notes) == (expected, notes)


@pytest.mark.parametrize(
    ("more", "micros", "notes"),
    [
        ({"timeframe": {}, "createdAt": "2026-01-02T03:04:05Z"}, AT, ()),
        ({"timeframe": {"start": "2026-01-02 03:04:05.000000000"}}, AT, ("time_without_offset",)),
        ({"timeframe": None, "createdAt": None}, None, ("time_missing",)),
    ],
)
def test_times(more, micros, notes):
    alert = SOURCE.alert(DETECTION | more, UTC)
    assert (alert.occurred_at, alert.notes) == (micros, notes)


@pytest.mark.parametrize("name", ["cloudEventRuleDescription", "cloudConfigurationRuleDescription", "description"])
def test_what_a_rule_of_another_kind_says_of_itself(name):
    record = ISSUE | {"sourceRule": {"id": "r", "name": "T", name: "D"}}
    assert (SOURCE.alert(record, UTC).description, SOURCE.rule(record).documentation) == ("D", "D")


@pytest.mark.parametrize(
    "record",
    [
        {"triggeringEvents": []},
        {"sourceRule": {"name": "x"}},
        {"sourceRule": "x", "entitySnapshot": {}},
        {"issue": {}, "control": "x"},
        {"issue": "x", "control": {}},
        {"Issue ID": "x", "Title": "y"},
    ],
)
def test_what_only_looks_alike_is_not_ours(record):
    assert not SOURCE.claims(record)


def test_a_nameless_issue_is_refused():
    with pytest.raises(ValueError, match="neither a title"):
        SOURCE.alert({"sourceRule": {}, "entitySnapshot": {}}, UTC)
