"""Microsoft Defender: Graph's alerts of both kinds and incidents, and those of the APIs beside it."""

from __future__ import annotations

from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.defender import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_323_045_000_000  # 2026-01-02T03:04:05Z
OLDER = {
    "id": "1",
    "vendorInformation": {"provider": "IPC", "vendor": "Microsoft"},
    "eventDateTime": "2026-01-02T03:04:05Z",
    "title": "T",
    "severity": "high",
    "recommendedActions": ["First this.", "Then that."],
    "hostStates": [{"privateIpAddress": "192.0.2.1", "publicIpAddress": None, "fqdn": "host.example.org"}],
    "networkConnections": [
        {"destinationAddress": "203.0.113.1", "destinationDomain": "d.example", "destinationUrl": "https://d.example/x"}
    ],
    "userStates": [{"accountName": "jo", "domainName": "EXAMPLE", "userPrincipalName": "", "logonIp": "203.0.113.2"}],
    "fileStates": [{"fileHash": {"hashType": "sha256", "hashValue": "a" * 64}}],
}
ENDPOINT = {
    "id": "da1",
    "machineId": "m",
    "alertCreationTime": "2026-01-02T03:05:00Z",
    "firstEventTime": "2026-01-02T03:04:05Z",
    "title": "T",
    "severity": "UnSpecified",
    "category": "LateralMovement",
    "mitreTechniques": ["T1021.002"],
    "relatedUser": {"userName": "svc", "domainName": "EXAMPLE"},
    "evidence": [{"entityType": "File", "sha1": "b" * 40, "sha256": None}, {"entityType": "User", "accountName": "mia"}],
}
CLOUD = {
    "id": "/subscriptions/s/providers/Microsoft.Security/locations/westeurope/alerts/1",
    "type": "Microsoft.Security/Locations/alerts",
    "properties": {
        "alertDisplayName": "T",
        "alertType": "VM_SuspectBinary",
        "severity": "Low",
        "startTimeUtc": "2026-01-02T03:04:05Z",
        "intent": "InitialAccess, Execution, Probing",
        "techniques": ["T1059"],
        "remediationSteps": ["Look."],
        "productName": "Microsoft Defender for Cloud",
        "entities": [
            {"type": "ip", "address": "203.0.113.5", "location": {}},
            {"type": "account", "name": "root"},
            {"type": "filehash", "algorithm": "SHA256", "value": "c" * 64},
            {"type": "host", "hostName": "vm", "address": "192.0.2.9"},
            {"type": "url", "url": "https://u.example"},
        ],
    },
}
RECOMMENDATION = {
    "exportedTimestamp": "2026-02-01T00:00:00Z",
    "recommendationId": "/x",
    "recommendationName": "guid",
    "recommendationDisplayName": "T",
    "severity": "High",
    "state": "Unhealthy",
    "statusChangeDate": "2026-01-02T03:04:05.0000000Z",
    "remediationSteps": "Do it.",
    "tactics": "Initial Access, Persistence",
    "techniques": "T1078, T1110.001",
}


class TestContract(SourceContract):
    source = "defender"
    sample = "defender.json"


class TestContractOfOtherForms(SourceContract):
    source = "defender"
    records = (OLDER, ENDPOINT, CLOUD, RECOMMENDATION, RECOMMENDATION | {"state": "Healthy"})


def alert(*evidence, **more):
    return {
        "detectorId": "det",
        "title": "T",
        "severity": "medium",
        "createdDateTime": "2026-01-02T03:05:00Z",
        "firstActivityDateTime": "2026-01-02T03:04:05.0000000Z",
        "evidence": list(evidence),
    } | more


def kind(name, **more):
    return {"@odata.type": f"#microsoft.graph.security.{name}Evidence"} | more


def test_an_alert_of_graph():
    record = alert(
        kind("device", lastIpAddress="192.0.2.1", deviceDnsName="host.example.org"),
        kind("ip", ipAddress="203.0.113.1"),
        kind("networkConnection", sourceAddress={"ipAddress": "192.0.2.1"}, destinationAddress={"ipAddress": "203.0.113.2"}),
        kind("dns", domainName="d.example", ipAddresses=[{"ipAddress": "203.0.113.3"}]),
        kind(
            "analyzedMessage", p1Sender={"emailAddress": "a@example.com"}, recipientEmailAddress="b@example.org", urls=["https://u.example"]
        ),
        kind("mailbox", primaryAddress="c@example.org"),
        kind("process", imageFile={"sha1": "b" * 40, "sha256": "0" * 64}, userAccount={"accountName": "svc", "domainName": "EXAMPLE"}),
        kind("user", userAccount={"accountName": "mia", "domainName": "EXAMPLE", "userPrincipalName": "mia@example.org"}),
        "junk",
        description="D",
        category="DefenseEvasion",
        mitreTechniques=["T1027", "T1027.001"],
        recommendedActions="Look.",
        serviceSource="microsoftDefenderForEndpoint",
        systemTags=["x"],
    )
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="T",
        severity=Severity.MEDIUM,
        occurred_at=AT,
        description="D",
        tags=["x"],
        indicators=[
            ("ip", "192.0.2.1"),
            ("ip", "203.0.113.1"),
            ("ip", "203.0.113.2"),
            ("domain", "d.example"),
            ("ip", "203.0.113.3"),
            ("email", "a@example.com"),
            ("email", "b@example.org"),
            ("url", "https://u.example"),
            ("email", "c@example.org"),
            ("hash_sha1", "b" * 40),
            ("account", "EXAMPLE\\svc"),
            ("account", "mia@example.org"),
        ],
        rule_id="det",
    )
    assert SOURCE.rule(record) == NewRule(
        name="T",
        source_rule_id="det",
        source_name="defender",
        severity="medium",
        mitre_tactics=["Defense Evasion"],
        mitre_techniques=["T1027"],
        mitre_subtechniques=["T1027.001"],
        documentation="Look.",
        data_sources=["microsoftDefenderForEndpoint"],
    )


def test_an_incident_has_no_rule_and_the_indicators_of_its_alerts():
    record = {
        "incidentWebUrl": "u",
        "displayName": "N",
        "createdDateTime": "2026-01-02T03:04:05Z",
        "severity": "high",
        "customTags": ["vip"],
    }
    record["alerts"] = [alert(kind("ip", ipAddress="203.0.113.1")), alert(kind("user", userAccount={"accountName": "mia"})), 3]
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        "N", Severity.HIGH, AT, None, ["vip"], [("ip", "203.0.113.1"), ("account", "mia")], None, ()
    )
    assert SOURCE.rule(record) is None


def test_an_older_alert():
    found, rule = SOURCE.alert(OLDER, UTC), SOURCE.rule(OLDER)
    assert (found.title, found.severity, found.occurred_at, found.rule_id) == ("T", Severity.HIGH, AT, "T")
    assert found.indicators == [
        ("ip", "192.0.2.1"),
        ("ip", "203.0.113.1"),
        ("domain", "d.example"),
        ("url", "https://d.example/x"),
        ("ip", "203.0.113.2"),
        ("hash_sha256", "a" * 64),
        ("account", "EXAMPLE\\jo"),
    ]
    assert (rule.documentation, rule.data_sources) == ("First this.\nThen that.", ["IPC"])


def test_an_alert_of_defender_for_endpoint():
    found, rule = SOURCE.alert(ENDPOINT, UTC), SOURCE.rule(ENDPOINT)
    assert (found.severity, found.occurred_at, found.notes) == (Severity.PENDING, AT, ())
    assert found.indicators == [("hash_sha1", "b" * 40), ("account", "mia"), ("account", "EXAMPLE\\svc")]
    assert (rule.mitre_tactics, rule.mitre_subtechniques) == (["Lateral Movement"], ["T1021.002"])


def test_an_alert_of_defender_for_cloud():
    found, rule = SOURCE.alert(CLOUD, UTC), SOURCE.rule(CLOUD)
    assert (found.title, found.severity, found.occurred_at, found.rule_id) == ("T", Severity.LOW, AT, "VM_SuspectBinary")
    assert found.indicators == [("ip", "203.0.113.5"), ("account", "root"), ("hash_sha256", "c" * 64), ("url", "https://u.example")]
    assert (rule.mitre_tactics, rule.mitre_techniques, rule.documentation) == (["Initial Access", "Execution"], ["T1059"], "Look.")


def test_a_recommendation():
    found, rule = SOURCE.alert(RECOMMENDATION, UTC), SOURCE.rule(RECOMMENDATION)
    assert (found.title, found.severity, found.occurred_at, found.rule_id) == ("T", Severity.HIGH, AT, "guid")
    assert (rule.mitre_tactics, rule.mitre_techniques, rule.mitre_subtechniques) == (
        ["Initial Access", "Persistence"],
        ["T1078"],
        ["T1110.001"],
    )
    for state in ("Healthy", "NotApplicable"):
        assert SOURCE.alert(RECOMMENDATION | {"state": state}, UTC) is None


@pytest.mark.parametrize(
    ("word", "expected", "notes"),
    [
        ("unknown", "Pending", ()),
        ("informational", "Informational", ()),
        ("Low", "Low", ()),
        ("medium", "Medium", ()),
        ("HIGH", "High", ()),
        ("Critical", "Critical", ()),
        ("unknownFutureValue", "Pending", ()),
        ("grave", "Pending", ("severity_unknown",)),
        (None, "Pending", ()),
    ],
)
def test_severities(word, expected, notes):
    found = SOURCE.alert(alert(severity=word), UTC)
    assert (found.severity, found.notes) == (expected, notes)


@pytest.mark.parametrize(
    ("more", "micros", "notes"),
    [
        ({"firstActivityDateTime": "2026-01-02T03:04:05.0433333Z"}, AT + 43_333, ()),
        ({"firstActivityDateTime": None, "createdDateTime": "2026-01-02T03:04:05Z"}, AT, ()),
        ({"firstActivityDateTime": None, "createdDateTime": None}, None, ("time_missing",)),
        ({"firstActivityDateTime": "soon"}, None, ("time_unreadable",)),
    ],
)
def test_times(more, micros, notes):
    found = SOURCE.alert(alert(**more), UTC)
    assert (found.occurred_at, found.notes) == (micros, notes)


PLACES = [
    ("ip", "evidence[].lastExternalIpAddress", "192.0.2.1"),
    ("ip", "evidence[].sourceAddress.ipAddress", "192.0.2.1"),
    ("ip", "evidence[].senderIp", "192.0.2.1"),
    ("url", "evidence[].url", "https://a.example"),
    ("email", "evidence[].p2Sender.emailAddress", "mia@example.org"),
    ("hash_sha256", "evidence[].sha256", "a" * 64),
    ("hash_sha1", "evidence[].parentProcessImageFile.sha1", "c" * 40),
    ("hash_sha256", "evidence[].fileDetails.sha256", "a" * 64),
    ("account", "evidence[].userPrincipalName", "mia@example.org"),
    ("ip", "hostStates[].publicIpAddress", "192.0.2.1"),
    ("ip", "networkConnections[].sourceAddress", "192.0.2.1"),
    ("hash_sha1", "processes[].fileHash.hashValue", "c" * 40),
    ("ip", "cloudAppStates[].destinationServiceIp", "192.0.2.1"),
]


@pytest.mark.parametrize(("kind", "path", "value"), PLACES)
def test_other_places_of_indicators(kind, path, value, placed):
    bare = {"title": "T", "vendorInformation": {}, "eventDateTime": "2026-01-02T03:04:05Z"}
    assert SOURCE.alert(bare | placed(path, value), UTC).indicators == [(kind, value)]


@pytest.mark.parametrize("path", ["firstEvaluationDate", "alertCreationTime", "properties.timeGeneratedUtc", "createdDateTime"])
def test_other_places_of_a_time(path, placed):
    assert SOURCE.alert({"title": "T"} | placed(path, "2026-01-02T03:04:05Z"), UTC).occurred_at == AT


@pytest.mark.parametrize(
    "record",
    [
        {"evidence": [], "createdDateTime": "x"},
        {"evidence": "x", "createdDateTime": "x", "detectorId": "y"},
        {"vendorInformation": [], "eventDateTime": "x"},
        {"type": "Microsoft.SecurityInsights/Incidents", "properties": {}},
        {"type": ["Microsoft.Security/alerts"], "properties": {}},
        {"type": "Microsoft.Security/Locations/alerts", "properties": []},
        {"alertCreationTime": "x"},
        {"recommendationDisplayName": "x"},
    ],
)
def test_what_only_looks_alike_is_not_ours(record):
    assert not SOURCE.claims(record)


def test_a_nameless_alert_is_refused():
    with pytest.raises(ValueError, match="without a title"):
        SOURCE.alert(alert(title=None), UTC)
