"""CrowdStrike: every kind of detection its streams, its API and FDR give out."""

from __future__ import annotations

from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.crowdstrike import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_258_122_400_000


class TestContract(SourceContract):
    source = "crowdstrike"
    sample = "crowdstrike.jsonl"


def stream(kind="EppDetectionSummaryEvent", **event):
    about = {"customerIDString": "c", "offset": 1, "eventType": kind, "eventCreationTime": AT // 1000, "version": "1.0"}
    return {"metadata": about, "event": {"Name": "N", "CompositeId": "c:ind:1"} | event}


def api(**more):
    return {"composite_id": "c:ind:1", "cid": "c", "created_timestamp": "2026-01-01T09:02:02.4Z", "name": "N"} | more


def test_a_detection_of_a_stream():
    record = stream(
        Description="D",
        SeverityName="High",
        Severity=70,
        PatternId=5728,
        Tactic="Execution",
        MitreAttack=[{"Tactic": "Malware"}, {"Tactic": "Persistence"}],
        LocalIP="192.0.2.42",
        LocalIPv6="",
        UserName="mia",
        SHA256String="a" * 64,
        SHA1String="0" * 40,
        MD5String="b" * 32,
        IOCType="domain",
        IOCValue="bad.example.org",
        NetworkAccesses=[{"LocalAddress": "192.0.2.42", "RemoteAddress": "203.0.113.7"}, {"RemoteAddress": "0.0.0.0"}],
        DnsRequests=[{"DomainName": "q.example.org"}],
    )
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="N",
        severity=Severity.HIGH,
        occurred_at=AT,
        description="D",
        tags=[],
        indicators=[
            ("ip", "192.0.2.42"),
            ("ip", "203.0.113.7"),
            ("domain", "q.example.org"),
            ("account", "mia"),
            ("hash_sha256", "a" * 64),
            ("hash_md5", "b" * 32),
            ("domain", "bad.example.org"),
        ],
        rule_id="5728",
    )
    assert SOURCE.rule(record) == NewRule(
        name="N",
        source_rule_id="5728",
        source_name="crowdstrike",
        severity="High",
        mitre_tactics=["Execution", "Persistence"],
        mitre_techniques=[],
        mitre_subtechniques=[],
        documentation="D",
    )


def test_an_alert_of_the_api():
    record = api(
        display_name="Shown",
        timestamp="2026-01-01T09:02:02.400000999Z",
        severity_name="Medium",
        severity=55,
        pattern_id=51135,
        tactic_id="CSTA0004",
        tactic="Machine Learning",
        technique_id="CST0007",
        mitre_attack=[{"tactic_id": "TA0001", "technique_id": "T1078.002"}, {"technique_id": "T1110"}],
        device={"local_ip": "192.0.2.1", "external_ip": "203.0.113.9", "hostname": "WS"},
        user_names=["jo", "N/A"],
        source_ips=["198.51.100.20"],
        sha256="c" * 64,
        ioc_context=[{"ioc_type": "hash_md5", "ioc_value": "d" * 32}, {"ioc_type": "filename", "ioc_value": "x.exe"}, "junk"],
        tags=["vip"],
    )
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="Shown",
        severity=Severity.MEDIUM,
        occurred_at=AT,
        tags=["vip"],
        indicators=[
            ("ip", "192.0.2.1"),
            ("ip", "203.0.113.9"),
            ("ip", "198.51.100.20"),
            ("account", "jo"),
            ("hash_sha256", "c" * 64),
            ("hash_md5", "d" * 32),
        ],
        rule_id="51135",
    )
    rule = SOURCE.rule(record)
    assert (rule.mitre_tactics, rule.mitre_techniques, rule.mitre_subtechniques) == (["Initial Access"], ["T1110"], ["T1078.002"])


def test_a_detect_of_the_older_api():
    behavior = {
        "behavior_id": "10197",
        "scenario": "credential_theft",
        "description": "D",
        "ioc_type": "ipv4",
        "ioc_value": "203.0.113.7",
        "user_name": "svc",
        "sha256": "e" * 64,
        "tactic": "Credential Access",
        "technique_id": "T1003",
    }
    record = {
        "detection_id": "ldt:1",
        "first_behavior": "2026-01-01T09:02:02.4Z",
        "max_severity_displayname": "Critical",
        "behaviors": [behavior, 7, {"display_name": "Second"}],
    }
    assert SOURCE.claims(record)
    alert, rule = SOURCE.alert(record, UTC), SOURCE.rule(record)
    assert (alert.title, alert.severity, alert.occurred_at, alert.rule_id) == ("Second", Severity.CRITICAL, AT, "10197")
    assert alert.indicators == [("account", "svc"), ("hash_sha256", "e" * 64), ("ip", "203.0.113.7")]
    assert (rule.name, rule.mitre_tactics, rule.mitre_techniques) == ("Second", ["Credential Access"], ["T1003"])


def test_a_detection_within_the_telemetry():
    inner = {
        "EventType": "Event_ExternalApiEvent",
        "ExternalApiType": "Event_EppDetectionSummaryEvent",
        "Name": "N",
        "timestamp": AT // 1000,
    }
    for record in (inner, {"aid": "a", "cid": "c", "event": inner}):
        assert SOURCE.claims(record)
        alert = SOURCE.alert(record, UTC)
        assert (alert.title, alert.occurred_at, alert.rule_id, alert.notes) == ("N", AT, "N", ())


@pytest.mark.parametrize(
    "record",
    [
        stream("AuthActivityAuditEvent"),
        stream("IncidentSummaryEvent"),
        {"event_simpleName": "ProcessRollup2", "aid": "a", "cid": "c"},
        {"EventType": "Event_ExternalApiEvent", "ExternalApiType": "Event_RemoteResponseSessionEndEvent"},
    ],
)
def test_other_events_are_ours_and_no_alerts(record):
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) is None
    assert SOURCE.rule(record) is None


@pytest.mark.parametrize(
    "kind", ["DetectionSummaryEvent", "EPPDetectionSummaryEvent", "IdpDetectionSummaryEvent", "XdrDetectionSummaryEvent"]
)
def test_every_kind_of_detection_is_an_alert(kind):
    assert SOURCE.alert(stream(kind, Name=None, DetectName="Old"), UTC).title == "Old"


@pytest.mark.parametrize(
    ("fields", "expected", "notes"),
    [
        ({"severity": 100}, "Critical", ()),
        ({"severity": 80}, "Critical", ()),
        ({"severity": 79}, "High", ()),
        ({"severity": 60}, "High", ()),
        ({"severity": 59}, "Medium", ()),
        ({"severity": 39}, "Low", ()),
        ({"severity": 19}, "Informational", ()),
        ({"severity": -1}, "Informational", ()),
        ({"severity_name": "INFORMATIONAL", "severity": 99}, "Informational", ()),
        ({"severity_name": "Grave"}, "Pending", ("severity_unknown",)),
        ({"severity": "90"}, "Pending", ()),
        ({}, "Pending", ()),
    ],
)
def test_severities_of_the_api(fields, expected, notes):
    alert = SOURCE.alert(api(**fields), UTC)
    assert (alert.severity, alert.notes) == (expected, notes)


def test_a_small_number_of_an_older_event_says_nothing():
    alert = SOURCE.alert(stream("IdpDetectionSummaryEvent", CompositeId=None) | {"event": {"DetectName": "N", "Severity": 7}}, UTC)
    assert (alert.severity, alert.notes) == (Severity.PENDING, ("severity_unknown",))
    named = SOURCE.alert(stream() | {"event": {"DetectName": "N", "Severity": 2, "SeverityName": "Low"}}, UTC)
    assert (named.severity, named.notes) == (Severity.LOW, ())


@pytest.mark.parametrize(
    ("when", "micros", "note"),
    [
        (AT // 1000, AT, None),
        ("2026-01-01 09:02:02.400000000", AT, "time_without_offset"),
        (None, None, "time_missing"),
        ("soon", None, "time_unreadable"),
    ],
)
def test_times_of_a_stream(when, micros, note):
    record = stream()
    record["metadata"]["eventCreationTime"] = when
    alert = SOURCE.alert(record, UTC)
    assert (alert.occurred_at, alert.notes) == (micros, (note,) if note else ())


def test_a_nameless_detection_is_refused():
    with pytest.raises(ValueError, match="without a name"):
        SOURCE.alert(api(name=" "), UTC)


@pytest.mark.parametrize(
    "record",
    [
        {"metadata": {"eventType": 3, "customerIDString": "c"}, "event": {}},
        {"metadata": [], "event": []},
        {"composite_id": 5, "cid": "c"},
        {"composite_id": "c"},
        {"detection_id": "x", "behaviors": "y"},
        {"event": {"ExternalApiType": 1}},
    ],
)
def test_what_only_looks_alike_is_not_ours(record):
    assert not SOURCE.claims(record)
