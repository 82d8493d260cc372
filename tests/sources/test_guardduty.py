"""GuardDuty: findings as exported, in an event, and of the API."""

from __future__ import annotations

from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.guardduty import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_323_045_000_000  # 2026-01-02T03:04:05Z


class TestContract(SourceContract):
    source = "guardduty"
    sample = "guardduty.jsonl"


def finding(service=None, **more):
    about = {"serviceName": "guardduty", "eventFirstSeen": "2026-01-02T03:04:05Z"} | (service or {})
    return {"schemaVersion": "2.0", "type": "Recon:EC2/Portscan", "service": about, "severity": 5, "title": "T"} | more


def test_a_finding():
    action = {
        "networkConnectionAction": {
            "remoteIpDetails": {"ipAddressV4": "203.0.113.1", "ipAddressV6": ""},
            "localIpDetails": {"ipAddressV4": "192.0.2.1"},
        },
        "awsApiCallAction": {"remoteIpDetails": {"ipAddressV4": "203.0.113.2"}, "domainDetails": {"domain": "api.example.org"}},
        "portProbeAction": {
            "portProbeDetails": [{"remoteIpDetails": {"ipAddressV4": "203.0.113.3"}}, {"localIpDetails": {"ipAddressV4": "192.0.2.2"}}]
        },
        "dnsRequestAction": {"domain": "bad.example.com"},
    }
    resource = {
        "accessKeyDetails": {"userName": "mia"},
        "instanceDetails": {"networkInterfaces": [{"privateIpAddress": "192.0.2.1", "publicIp": "198.51.100.1"}]},
        "s3BucketDetails": [{"s3ObjectDetails": [{"hash": "a" * 64}]}],
    }
    record = finding({"action": action}, description="D", resource=resource, severity=8.9)
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="T",
        severity=Severity.HIGH,
        occurred_at=AT,
        description="D",
        indicators=[
            ("ip", "203.0.113.1"),
            ("ip", "192.0.2.1"),
            ("ip", "203.0.113.2"),
            ("domain", "api.example.org"),
            ("ip", "203.0.113.3"),
            ("ip", "192.0.2.2"),
            ("domain", "bad.example.com"),
            ("ip", "198.51.100.1"),
            ("account", "mia"),
            ("hash_sha256", "a" * 64),
        ],
        rule_id="Recon:EC2/Portscan",
    )
    assert SOURCE.rule(record) == NewRule(
        name="Recon:EC2/Portscan",
        source_rule_id="Recon:EC2/Portscan",
        source_name="guardduty",
        severity="8.9",
        mitre_tactics=[],
        mitre_techniques=[],
        mitre_subtechniques=[],
    )


def test_the_same_finding_in_an_event_says_the_same():
    record = finding(description="D", resource={"accessKeyDetails": {"userName": "mia"}})
    event = {"source": "aws.guardduty", "detail-type": "GuardDuty Finding", "detail": record}
    assert SOURCE.claims(event)
    assert (SOURCE.alert(event, UTC), SOURCE.rule(event)) == (SOURCE.alert(record, UTC), SOURCE.rule(record))
    assert not SOURCE.claims(event | {"source": "aws.ec2"})


def test_an_attack_sequence_of_the_api_tells_tactics_and_techniques():
    record = {
        "Type": "AttackSequence:S3/CompromisedData",
        "Severity": 9.0,
        "CreatedAt": "2026-01-02T03:04:05Z",
        "Service": {
            "ServiceName": "guardduty",
            "Detection": {
                "Sequence": {
                    "Actors": [{"User": {"Name": "jo"}}],
                    "Endpoints": [{"Ip": "203.0.113.9", "Domain": "x.example"}],
                    "SequenceIndicators": [
                        {"Key": "ATTACK_TACTIC", "Values": ["Defense Evasion", "Exfiltration"]},
                        {"Key": "ATTACK_TECHNIQUE", "Values": ["T1530 - Data from Cloud Storage", "T1078.004"]},
                        {"Key": "TOR_IP", "Values": ["203.0.113.9"]},
                        "junk",
                    ],
                }
            },
        },
    }
    assert SOURCE.claims(record)
    alert, rule = SOURCE.alert(record, UTC), SOURCE.rule(record)
    assert (alert.title, alert.severity, alert.occurred_at) == ("AttackSequence:S3/CompromisedData", Severity.CRITICAL, AT)
    assert alert.indicators == [("ip", "203.0.113.9"), ("domain", "x.example"), ("account", "jo")]
    assert rule.mitre_tactics == ["Defense Evasion", "Exfiltration"]
    assert (rule.mitre_techniques, rule.mitre_subtechniques) == (["T1530"], ["T1078.004"])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("PrivilegeEscalation:IAMUser/AdministrativePermissions", ["Privilege Escalation"]),
        ("Impact:EC2/PortSweep", ["Impact"]),
        ("Trojan:EC2/DNSDataExfiltration", []),
    ],
)
def test_the_purpose_is_a_tactic_where_attack_has_it(kind, expected):
    assert SOURCE.rule(finding(type=kind)).mitre_tactics == expected


@pytest.mark.parametrize(
    ("severity", "expected", "notes"),
    [
        (10, "Critical", ()),
        (9.0, "Critical", ()),
        (8.9, "High", ()),
        (7, "High", ()),
        (6.9, "Medium", ()),
        ("4.0", "Medium", ()),
        (3.9, "Low", ()),
        (1, "Low", ()),
        (0, "Pending", ("severity_unknown",)),
        ("bad", "Pending", ("severity_unknown",)),
        (None, "Pending", ()),
    ],
)
def test_severities(severity, expected, notes):
    alert = SOURCE.alert(finding(severity=severity), UTC)
    assert (alert.severity, alert.notes) == (expected, notes)


@pytest.mark.parametrize(
    ("fields", "micros", "notes"),
    [
        ({}, AT, ()),
        ({"service": {"serviceName": "guardduty"}, "createdAt": "2026-01-02T03:04:05.250Z"}, AT + 250_000, ()),
        ({"service": {"serviceName": "guardduty", "eventFirstSeen": "2026-01-02 03:04:05.000000000"}}, AT, ("time_without_offset",)),
        ({"service": {"serviceName": "guardduty"}}, None, ("time_missing",)),
    ],
)
def test_times(fields, micros, notes):
    alert = SOURCE.alert(finding() | fields, UTC)
    assert (alert.occurred_at, alert.notes) == (micros, notes)


PLACES = [
    ("ip", "service.action.networkConnectionAction.remoteIpDetails.ipAddressV6", "2001:db8::1"),
    ("ip", "service.action.networkConnectionAction.localIpDetails.ipAddressV6", "2001:db8::1"),
    ("ip", "service.action.awsApiCallAction.remoteIpDetails.ipAddressV6", "2001:db8::1"),
    ("ip", "service.action.kubernetesApiCallAction.remoteIpDetails.ipAddressV4", "192.0.2.1"),
    ("ip", "service.action.rdsLoginAttemptAction.remoteIpDetails.ipAddressV4", "192.0.2.1"),
    ("ip", "resource.instanceDetails.networkInterfaces[].privateIpAddress", "192.0.2.1"),
    ("account", "resource.rdsDbUserDetails.user", "mia"),
    ("account", "resource.kubernetesDetails.kubernetesUserDetails.username", "mia"),
    ("hash_sha256", "service.runtimeDetails.process.executableSha256", "a" * 64),
    ("hash_md5", "service.ebsVolumeScanDetails.scanDetections.threatDetectedByName.threatNames[].filePaths[].hash", "b" * 32),
]


@pytest.mark.parametrize(("kind", "path", "value"), PLACES)
def test_other_places_of_indicators(kind, path, value, placed):
    inner = placed(path, value)
    record = finding(inner.get("service"), **{name: one for name, one in inner.items() if name != "service"})
    assert SOURCE.alert(record, UTC).indicators == [(kind, value)]


@pytest.mark.parametrize(
    "record",
    [
        {"type": "x", "service": {"serviceName": "macie"}},
        {"type": "x", "service": "guardduty"},
        {"type": ["x"], "service": {"serviceName": "guardduty"}},
        {"service": {"serviceName": ["guardduty"]}, "type": "x"},
        {"detail": [], "source": "aws.guardduty"},
        {"SchemaVersion": "2018-10-08", "ProductArn": "arn:aws:securityhub:eu-central-1::product/aws/guardduty"},
    ],
)
def test_what_only_looks_alike_is_not_ours(record):
    assert not SOURCE.claims(record)


def test_a_nameless_finding_is_refused():
    with pytest.raises(ValueError, match="without title"):
        SOURCE.alert({"service": {"serviceName": "guardduty"}, "type": " "}, UTC)
