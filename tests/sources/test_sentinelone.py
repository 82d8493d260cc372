"""SentinelOne: threats, alerts of rules, unified alerts, and which activities are alerts."""

from __future__ import annotations

from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.sentinelone import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_258_122_400_000
WHEN = "2026-01-01T09:02:02.400000Z"


class TestContract(SourceContract):
    source = "sentinelone"
    sample = "sentinelone.jsonl"


def threat(**info):
    return {"agentDetectionInfo": {}, "threatInfo": {"threatName": "x.exe", "identifiedAt": WHEN} | info}


def activity(text="Threat detected: x.exe", **data):
    return {"activityType": 19, "agentId": "1", "primaryDescription": text, "createdAt": WHEN, "data": data}


def test_a_threat():
    record = threat(
        confidenceLevel="malicious",
        createdAt="2026-01-02T00:00:00Z",
        filePath="C:\\x.exe",
        processUser="EXAMPLE\\mia",
        sha1="a" * 40,
        md5=None,
        sha256="0" * 64,
        classificationSource="Static",
        detectionEngines=[{"key": "pre_execution", "title": "On-Write Static AI"}, {"key": "data_files", "title": "Documents, Scripts"}],
    )
    record["agentDetectionInfo"] = {"agentIpV4": "192.0.2.42", "agentIpV6": "::", "externalIp": "198.51.100.20"}
    one = {"tactics": [{"name": "Execution", "techniques": [{"name": "T1204"}, {"name": "T1059.001"}]}, {"name": "Odd", "techniques": []}]}
    record["indicators"] = [one, {"tactics": []}, {"tactics": [{"name": "Initial Access", "techniques": [{"name": "T1566"}]}]}]
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="x.exe",
        severity=Severity.HIGH,
        occurred_at=AT,
        description="C:\\x.exe",
        indicators=[("ip", "192.0.2.42"), ("ip", "198.51.100.20"), ("account", "EXAMPLE\\mia"), ("hash_sha1", "a" * 40)],
        rule_id="pre_execution",
    )
    assert SOURCE.rule(record) == NewRule(
        name="On-Write Static AI",
        source_rule_id="pre_execution",
        source_name="sentinelone",
        mitre_tactics=["Execution", "Initial Access"],
        mitre_techniques=["T1204", "T1566"],
        mitre_subtechniques=["T1059.001"],
    )


def test_an_alert_of_a_rule():
    record = {
        "agentDetectionInfo": {"name": "SRV"},
        "alertInfo": {
            "createdAt": WHEN,
            "srcIp": "192.0.2.10",
            "dstIp": "203.0.113.7",
            "dnsRequest": "q.example.org",
            "loginsUserName": "jo",
        },
        "ruleInfo": {"id": "7", "name": "Rule", "description": "D", "severity": "Critical"},
        "sourceProcessInfo": {"user": "root", "fileHashSha256": "b" * 64},
        "targetProcessInfo": {"tgtFileHashSha1": "c" * 40},
    }
    assert SOURCE.claims(record)
    alert, rule = SOURCE.alert(record, UTC), SOURCE.rule(record)
    assert (alert.title, alert.severity, alert.occurred_at, alert.description, alert.rule_id) == ("Rule", Severity.CRITICAL, AT, "D", "7")
    assert alert.indicators == [
        ("ip", "192.0.2.10"),
        ("ip", "203.0.113.7"),
        ("domain", "q.example.org"),
        ("account", "jo"),
        ("account", "root"),
        ("hash_sha256", "b" * 64),
        ("hash_sha1", "c" * 40),
    ]
    assert (rule.name, rule.severity, rule.documentation) == ("Rule", "Critical", "D")


def test_a_unified_alert():
    record = {
        "detectionSource": {"product": "CWS", "vendor": "SentinelOne"},
        "analystVerdict": "UNDEFINED",
        "confidenceLevel": "MALICIOUS",
        "name": "x detected as Malware",
        "severity": "MEDIUM",
        "detectedAt": WHEN,
        "createdAt": "2026-01-02T00:00:00Z",
        "analytics": {"uid": None, "name": "Agent Policy"},
        "detectionTime": {
            "attacker": {"ip": "203.0.113.8"},
            "assets": [{"asset": {"ipV4": "192.0.2.43"}}, {"asset": None}],
            "targetUser": {"emailAddress": "jo@example.com"},
        },
        "process": {"file": {"md5": "d" * 32}},
    }
    assert SOURCE.claims(record)
    alert, rule = SOURCE.alert(record, UTC), SOURCE.rule(record)
    assert (alert.title, alert.severity, alert.occurred_at, alert.rule_id) == (record["name"], Severity.MEDIUM, AT, "Agent Policy")
    assert alert.indicators == [("ip", "203.0.113.8"), ("ip", "192.0.2.43"), ("email", "jo@example.com"), ("hash_md5", "d" * 32)]
    assert rule.name == "Agent Policy"


def test_an_activity_that_tells_of_a_threat():
    record = activity(confidenceLevel="suspicious", filePath="/tmp/x", fileContentHash="e" * 40, threatClassificationSource="Cloud")
    lower = {"activitytype": "19", "agentid": "1", "primarydescription": record["primaryDescription"], "createdat": WHEN}
    lower["data"] = {name.lower(): value for name, value in record["data"].items()}
    for one in (record, lower):
        assert SOURCE.claims(one)
        assert SOURCE.alert(one, UTC) == NewAlert(
            title="Threat detected: x.exe",
            severity=Severity.MEDIUM,
            occurred_at=AT,
            description="/tmp/x",
            indicators=[("hash_sha1", "e" * 40)],
            rule_id="Cloud",
        )
        assert SOURCE.rule(one).name == "Cloud"


def test_an_activity_that_tells_of_a_rules_alert():
    record = activity(
        ruleName="R", ruleId="12345", ruleDescription="D", severity="E_MEDIUM", detectedAt=WHEN, agentIpV4="192.0.2.4", dstIp=""
    )
    record["createdAt"] = "2026-01-02T00:00:00Z"
    alert, rule = SOURCE.alert(record, UTC), SOURCE.rule(record)
    assert (alert.title, alert.severity, alert.occurred_at, alert.description) == ("R", Severity.MEDIUM, AT, "D")
    assert (alert.rule_id, alert.indicators) == ("12345", [("ip", "192.0.2.4")])
    assert (rule.name, rule.severity, rule.documentation) == ("R", "MEDIUM", "D")


@pytest.mark.parametrize(
    "data",
    [
        {"status": "started"},
        {"fileContentHash": "a" * 40, "newStatus": "Mitigated", "threatClassificationSource": "Cloud"},
        {"newConfidenceLevel": "malicious", "oldConfidenceLevel": "suspicious"},
    ],
)
def test_other_activities_are_ours_and_no_alerts(data):
    record = activity("Status changed", **data)
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) is None
    assert SOURCE.rule(record) is None


@pytest.mark.parametrize(
    ("word", "expected", "notes"),
    [
        ("Malicious", "High", ()),
        ("suspicious", "Medium", ()),
        ("n/a", "Pending", ()),
        ("E_CRITICAL", "Critical", ()),
        ("HIGH", "High", ()),
        ("Low", "Low", ()),
        ("INFO", "Informational", ()),
        ("UNKNOWN", "Pending", ()),
        ("dire", "Pending", ("severity_unknown",)),
        (None, "Pending", ()),
    ],
)
def test_severities(word, expected, notes):
    alert = SOURCE.alert(threat(confidenceLevel=word), UTC)
    assert (alert.severity, alert.notes) == (expected, notes)


@pytest.mark.parametrize(
    ("when", "micros", "note"),
    [("2026-01-01 09:02:02.400", AT, "time_without_offset"), ("x", None, "time_unreadable"), (None, None, "time_missing")],
)
def test_times(when, micros, note):
    alert = SOURCE.alert(threat(identifiedAt=when), UTC)
    assert (alert.occurred_at, alert.notes) == (micros, (note,))


def test_a_nameless_threat_is_refused():
    with pytest.raises(ValueError, match="no name"):
        SOURCE.alert(threat(threatName=None), UTC)


@pytest.mark.parametrize(
    "record",
    [{"threatInfo": {}}, {"alertInfo": [], "agentDetectionInfo": {}}, {"detectionSource": {}}, {"activityType": 1, "agentId": 2}],
)
def test_what_only_looks_alike_is_not_ours(record):
    assert not SOURCE.claims(record)
