"""AWS Security Hub: checks, findings of other products, and what is passed or kept."""

from __future__ import annotations

import io
import json
from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.readers import open_reading
from alertstore.sources.securityhub import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_323_045_000_000  # 2026-01-02T03:04:05Z


class TestContract(SourceContract):
    source = "securityhub"
    sample = "securityhub.json"


def finding(**more):
    return {
        "SchemaVersion": "2018-10-08",
        "ProductArn": "arn:aws:securityhub:eu-central-1::product/aws/securityhub",
        "GeneratorId": "security-control/IAM.5",
        "Title": "T",
        "FirstObservedAt": "2026-01-02T03:04:05Z",
        "Severity": {"Label": "HIGH"},
    } | more


def test_a_finding():
    record = finding(
        Description="D",
        Types=["TTPs/Defense Evasion/X", "Effects/Data Exposure", 7, "TTPs/Command and Control"],
        Network={"SourceIpV4": "203.0.113.1", "DestinationIpV6": "2001:db8::1", "DestinationDomain": "d.example"},
        Action={"PortProbeAction": {"PortProbeDetails": [{"RemoteIpDetails": {"IpAddressV4": "203.0.113.2"}}]}},
        Resources=[
            {"Details": {"AwsEc2Instance": {"IpV4Addresses": ["192.0.2.1", "198.51.100.1"]}}},
            {"Details": {"AwsIamAccessKey": {"PrincipalName": "mia", "SessionContext": {"SessionIssuer": {"UserName": "role"}}}}},
            "junk",
        ],
        ThreatIntelIndicators=[
            {"Type": "HASH_SHA256", "Value": "a" * 64},
            {"Type": "URL", "Value": "https://u.example/x"},
            {"Type": "MUTEX", "Value": "m"},
            {"Type": "EMAIL_ADDRESS", "Value": "jo@example.org"},
            3,
        ],
        Remediation={"Recommendation": {"Text": "Do it.", "Url": "https://docs.example.com"}},
        ProductName="Security Hub",
    )
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="T",
        severity=Severity.HIGH,
        occurred_at=AT,
        description="D",
        tags=["TTPs/Defense Evasion/X", "Effects/Data Exposure", "7", "TTPs/Command and Control"],
        indicators=[
            ("ip", "203.0.113.1"),
            ("ip", "2001:db8::1"),
            ("domain", "d.example"),
            ("ip", "203.0.113.2"),
            ("ip", "192.0.2.1"),
            ("ip", "198.51.100.1"),
            ("account", "mia"),
            ("account", "role"),
            ("hash_sha256", "a" * 64),
            ("url", "https://u.example/x"),
            ("email", "jo@example.org"),
        ],
        rule_id="security-control/IAM.5",
    )
    assert SOURCE.rule(record) == NewRule(
        name="T",
        source_rule_id="security-control/IAM.5",
        source_name="securityhub",
        severity="HIGH",
        mitre_tactics=["Defense Evasion", "Command and Control"],
        documentation="Do it.\nhttps://docs.example.com",
        data_sources=["Security Hub"],
    )


def test_an_attack_sequence():
    sequence = {"Endpoints": [{"Ip": "203.0.113.9", "Domain": "x.example"}], "Actors": [{"User": {"Name": "jo"}}]}
    alert = SOURCE.alert(finding(Detection={"Sequence": sequence}), UTC)
    assert alert.indicators == [("ip", "203.0.113.9"), ("domain", "x.example"), ("account", "jo")]


def test_the_rule_of_guardduty_is_the_type_of_finding_not_the_detector():
    record = finding(
        GeneratorId="arn:aws:guardduty:eu-central-1:111122223333:detector/d1",
        Types=["TTPs/Discovery/Recon:EC2-Portscan"],
        Title="i-1 scans",
    )
    rule = SOURCE.rule(record)
    assert (SOURCE.alert(record, UTC).rule_id, rule.name, rule.mitre_tactics) == ("Recon:EC2-Portscan",) * 2 + (["Discovery"],)
    assert SOURCE.alert(record | {"Types": []}, UTC).rule_id == record["GeneratorId"]


def test_one_in_an_event_says_the_same_and_several_at_once_are_refused():
    event = {"source": "aws.securityhub", "detail-type": "Security Hub Findings - Imported", "detail": {"findings": [finding()]}}
    assert SOURCE.claims(event)
    assert (SOURCE.alert(event, UTC), SOURCE.rule(event)) == (SOURCE.alert(finding(), UTC), SOURCE.rule(finding()))
    event["detail"]["findings"].append(finding())
    assert not SOURCE.claims(event)
    with pytest.raises(ValueError, match="an event of 2 findings"):
        SOURCE.alert(event, UTC)


@pytest.mark.parametrize("indent", [None, 1])
def test_the_findings_of_an_event_with_several_are_read_from_its_list(indent):
    event = {"source": "aws.securityhub", "detail": {"findings": [finding(Id="1"), finding(Id="2")]}}
    file = io.BytesIO(json.dumps(event, indent=indent).encode())
    reading = open_reading(file, name="event", sources=[SOURCE])
    assert [reading.parse(one.raw)["Id"] for one in reading.records()] == ["1", "2"]


@pytest.mark.parametrize(
    ("more", "alert"),
    [
        ({"Compliance": {"Status": "PASSED"}}, False),
        ({"Compliance": {"Status": "FAILED"}}, True),
        ({"Compliance": {"Status": "WARNING"}}, True),
        ({"Compliance": {"Status": "NOT_AVAILABLE"}}, True),
        ({"Compliance": "PASSED"}, True),
        ({"RecordState": "ARCHIVED", "Workflow": {"Status": "RESOLVED"}}, True),
    ],
)
def test_only_a_passed_check_is_no_alert(more, alert):
    assert SOURCE.claims(finding(**more))
    assert (SOURCE.alert(finding(**more), UTC) is not None) is alert


@pytest.mark.parametrize(
    ("severity", "expected", "notes"),
    [
        ({"Label": "INFORMATIONAL"}, "Informational", ()),
        ({"Label": "Low"}, "Low", ()),
        ({"Label": "MEDIUM", "Normalized": 90}, "Medium", ()),
        ({"Label": "CRITICAL"}, "Critical", ()),
        ({"Label": "GRAVE"}, "Pending", ("severity_unknown",)),
        ({"Normalized": 100}, "Critical", ()),
        ({"Normalized": 89}, "High", ()),
        ({"Normalized": "69"}, "Medium", ()),
        ({"Normalized": 39}, "Low", ()),
        ({"Normalized": 0}, "Informational", ()),
        ({"Normalized": -1}, "Pending", ("severity_unknown",)),
        ({"Product": 8}, "Pending", ()),
        ("HIGH", "Pending", ()),
    ],
)
def test_severities(severity, expected, notes):
    alert = SOURCE.alert(finding(Severity=severity), UTC)
    assert (alert.severity, alert.notes) == (expected, notes)


def test_the_severity_of_the_provider_stands_in():
    record = finding(Severity={"Normalized": 10}, FindingProviderFields={"Severity": {"Label": "HIGH"}})
    assert SOURCE.alert(record, UTC).severity == Severity.HIGH


@pytest.mark.parametrize(
    ("more", "micros", "notes"),
    [
        ({"LastObservedAt": "2200-01-02T03:04:05Z"}, AT, ()),
        ({"FirstObservedAt": None, "CreatedAt": "2026-01-02T03:04:05.100Z"}, AT + 100_000, ()),
        ({"FirstObservedAt": "", "CreatedAt": "2026-01-02 03:04:05.000000000"}, AT, ("time_without_offset",)),
        ({"FirstObservedAt": None, "UpdatedAt": "2026-01-02T03:04:05Z"}, AT, ()),
        ({"FirstObservedAt": None, "LastObservedAt": "2200-01-02T03:04:05Z"}, None, ("time_missing",)),
    ],
)
def test_times(more, micros, notes):
    alert = SOURCE.alert(finding(**more), UTC)
    assert (alert.occurred_at, alert.notes) == (micros, notes)


GUARDDUTY = "ProductFields.aws/guardduty/service/action"
PLACES = [
    ("ip", "Network.SourceIpV6", "2001:db8::1"),
    ("domain", "Network.SourceDomain", "a.example"),
    ("ip", "Network.DestinationIpV4", "192.0.2.1"),
    ("ip", "Action.NetworkConnectionAction.RemoteIpDetails.IpAddressV4", "192.0.2.1"),
    ("ip", "Action.AwsApiCallAction.RemoteIpDetails.IpAddressV4", "192.0.2.1"),
    ("domain", "Action.AwsApiCallAction.DomainDetails.Domain", "a.example"),
    ("domain", "Action.DnsRequestAction.Domain", "a.example"),
    ("ip", "Action.PortProbeAction.PortProbeDetails[].LocalIpDetails.IpAddressV4", "192.0.2.1"),
    ("ip", f"{GUARDDUTY}/networkConnectionAction/remoteIpDetails/ipAddressV4", "192.0.2.1"),
    ("ip", f"{GUARDDUTY}/networkConnectionAction/localIpDetails/ipAddressV4", "192.0.2.1"),
    ("ip", f"{GUARDDUTY}/awsApiCallAction/remoteIpDetails/ipAddressV4", "192.0.2.1"),
    ("domain", f"{GUARDDUTY}/dnsRequestAction/domain", "a.example"),
    ("ip", "Resources[].Details.AwsEc2Instance.IpV6Addresses[]", "2001:db8::1"),
    ("account", "Resources[].Details.AwsIamUser.UserName", "mia"),
    ("account", "Resources[].Details.AwsIamAccessKey.UserName", "mia"),
    ("ip", "ThreatIntelIndicators[]", {"Type": "IPV4_ADDRESS", "Value": "192.0.2.1"}),
    ("ip", "ThreatIntelIndicators[]", {"Type": "IPV6_ADDRESS", "Value": "2001:db8::1"}),
    ("domain", "ThreatIntelIndicators[]", {"Type": "DOMAIN", "Value": "a.example"}),
    ("hash_md5", "ThreatIntelIndicators[]", {"Type": "HASH_MD5", "Value": "b" * 32}),
    ("hash_sha1", "ThreatIntelIndicators[]", {"Type": "HASH_SHA1", "Value": "c" * 40}),
]


@pytest.mark.parametrize(("kind", "path", "value"), PLACES)
def test_other_places_of_indicators(kind, path, value, placed):
    expected = value["Value"] if isinstance(value, dict) else value
    assert SOURCE.alert(finding(**placed(path, value)), UTC).indicators == [(kind, expected)]


@pytest.mark.parametrize(
    "record",
    [
        {"SchemaVersion": "2018-10-08"},
        {"SchemaVersion": 20181008, "ProductArn": "x"},
        {"SchemaVersion": ["2018-10-08"], "ProductArn": "x"},
        {"source": "aws.securityhub", "detail": {"findings": "x"}},
        {"source": "aws.securityhub", "detail": []},
        {"class_uid": 2004, "metadata": {"product": {"name": "Security Hub"}}},
    ],
)
def test_what_only_looks_alike_is_not_ours(record):
    assert not SOURCE.claims(record)


def test_a_nameless_finding_is_refused():
    with pytest.raises(ValueError, match="without Title"):
        SOURCE.alert(finding(Title=" ", GeneratorId=None), UTC)
