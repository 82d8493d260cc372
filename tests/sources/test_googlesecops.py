"""Google SecOps: detections, their rules' labels, and the events they rest on."""

from __future__ import annotations

from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.googlesecops import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_323_045_000_000  # 2026-01-02T03:04:05Z


class TestContract(SourceContract):
    source = "googlesecops"
    sample = "googlesecops.json"


def detection(told=None, **more):
    given = {"ruleName": "N", "ruleId": "ru_1", "alertState": "ALERTING"} | (told or {})
    return {"type": "RULE_DETECTION", "id": "de_1", "detectionTime": "2026-01-02T03:04:05Z", "detection": [given]} | more


def labels(**values):
    return {"ruleLabels": [{"key": key, "value": value} for key, value in values.items()]}


def test_a_detection():
    events = [
        {
            "event": {
                "principal": {"ip": ["192.0.2.1"], "user": {"userid": "mia"}},
                "target": {"ip": "203.0.113.1", "url": "https://u.example"},
            }
        },
        {"event": {"target": {"file": {"sha256": "a" * 64, "md5": "b" * 32}, "user": {"emailAddresses": ["jo@example.org"]}}}},
        {"event": {"src": {"domain": {"name": "s.example"}}, "network": {"dns": {"questions": [{"name": "q.example"}]}}}},
        {"event": {"network": {"email": {"from": "a@example.com", "to": ["b@example.org"]}}, "metadata": {"productName": "P"}}},
        {"event": {"principal": {"hostname": "host", "ip": ["0.0.0.0"], "process": {"file": {"sha1": "c" * 40}}}}},
        {"entity": {}},
        "junk",
    ]
    meta = labels(
        description="D",
        Tactic="TA0002, Discovery, Own",
        technique="T1059.001, T1046",
        mitre_attack_url="https://attack.mitre.org/techniques/T1078/004/",
        false_positives="Admins.",
    )
    record = detection(meta | {"severity": "CRITICAL"}, collectionElements=[{"references": events[:3]}, {"references": events[3:]}, 3])
    record["tags"] = ["x"]
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="N",
        severity=Severity.CRITICAL,
        occurred_at=AT,
        description="D",
        tags=["x"],
        indicators=[
            ("ip", "192.0.2.1"),
            ("account", "mia"),
            ("ip", "203.0.113.1"),
            ("url", "https://u.example"),
            ("email", "jo@example.org"),
            ("hash_sha256", "a" * 64),
            ("hash_md5", "b" * 32),
            ("domain", "s.example"),
            ("domain", "q.example"),
            ("email", "a@example.com"),
            ("email", "b@example.org"),
            ("hash_sha1", "c" * 40),
        ],
        rule_id="ru_1",
    )
    assert SOURCE.rule(record) == NewRule(
        name="N",
        source_rule_id="ru_1",
        source_name="googlesecops",
        severity="CRITICAL",
        mitre_tactics=["Execution", "Discovery"],
        mitre_techniques=["T1046"],
        mitre_subtechniques=["T1059.001", "T1078.004"],
        documentation="D\nAdmins.",
        data_sources=["P"],
    )


def test_a_finding_of_a_rule_set_is_named_by_it():
    record = detection({"ruleName": None, "ruleId": None, "ruleSet": "rs_1", "ruleSetDisplayName": "Set", "summary": "S"})
    alert, rule = SOURCE.alert(record, UTC), SOURCE.rule(record)
    assert (alert.title, alert.description, alert.rule_id, rule.name) == ("Set", "S", "rs_1", "Set")


def test_a_detection_that_raises_no_alert_is_kept():
    assert SOURCE.alert(detection({"alertState": "NOT_ALERTING"}), UTC).title == "N"


@pytest.mark.parametrize(
    ("told", "more", "expected", "notes"),
    [
        ({"severity": "INFORMATIONAL"}, {}, "Informational", ()),
        ({"severity": "LOW"}, {}, "Low", ()),
        ({"severity": "MEDIUM"}, {}, "Medium", ()),
        ({"severity": "HIGH"}, {}, "High", ()),
        ({"severity": "NONE"}, {}, "Informational", ()),
        ({"severity": "ERROR"}, {}, "Informational", ()),
        ({"severity": "UNKNOWN_SEVERITY"}, {}, "Pending", ()),
        (labels(severity="Medium"), {}, "Medium", ()),
        (labels(Severity="Info"), {"feedbackSummary": {"severityDisplay": "High"}}, "Informational", ()),
        ({}, {"feedbackSummary": {"severityDisplay": "High"}}, "High", ()),
        (labels(severity="P1"), {}, "Pending", ("severity_unknown",)),
        ({"riskScore": 95}, {}, "Pending", ()),
    ],
)
def test_severities(told, more, expected, notes):
    alert = SOURCE.alert(detection(told, **more), UTC)
    assert (alert.severity, alert.notes) == (expected, notes)


@pytest.mark.parametrize(
    ("more", "micros", "notes"),
    [
        ({"timeWindow": {"startTime": "2026-01-02T02:00:00Z"}}, AT, ()),
        ({"detectionTime": None, "timeWindow": {"endTime": "2026-01-02T03:04:05.25Z"}}, AT + 250_000, ()),
        ({"detectionTime": None, "createdTime": "2026-01-02T03:04:05Z"}, AT, ()),
        ({"detectionTime": None}, None, ("time_missing",)),
    ],
)
def test_times(more, micros, notes):
    alert = SOURCE.alert(detection(**more), UTC)
    assert (alert.occurred_at, alert.notes) == (micros, notes)


@pytest.mark.parametrize(
    "record",
    [
        {"detection": {"ruleName": "x"}, "detectionTime": "y"},
        {"detection": [], "detectionTime": "y"},
        {"detection": ["ruleName"], "detectionTime": "y"},
        {"detection": [{"ruleName": "x"}]},
        {"detection": [{"name": "x"}], "createdTime": "y"},
        {"metadata": {"eventType": "USER_LOGIN"}, "principal": {"ip": ["192.0.2.1"]}},
    ],
)
def test_what_only_looks_alike_is_not_ours(record):
    assert not SOURCE.claims(record)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("hash_sha1", "target.file.sha1", "c" * 40),
        ("hash_sha256", "principal.process.file.sha256", "a" * 64),
        ("hash_md5", "src.process.file.md5", "b" * 32),
        ("ip", "observer.ip", "192.0.2.1"),
        ("account", "intermediary.user.userid", "mia"),
    ],
)
def test_other_places_of_indicators(kind, path, value, placed):
    record = detection(**placed(f"collectionElements[].references[].event.{path}", value))
    assert SOURCE.alert(record, UTC).indicators == [(kind, value)]


def test_a_nameless_detection_is_refused():
    with pytest.raises(ValueError, match="without the name"):
        SOURCE.alert(detection({"ruleName": " "}), UTC)
