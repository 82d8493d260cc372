"""Wazuh: alerts of logs, of Windows, of changed files and of the cloud, the archives, hits of the index, vulnerabilities."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.wazuh import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_258_122_400_000
BASE = {
    "timestamp": "2026-01-01T09:02:02.400+0000",
    "rule": {"level": 10, "id": "5763", "description": "R"},
    "agent": {"id": "001", "name": "web01"},
    "manager": {"name": "m"},
    "id": "1767258122.12345",
    "location": "/var/log/auth.log",
}
VULNERABILITY = {
    "agent": {"id": "001", "name": "web01"},
    "package": {"name": "xz-utils", "version": "5.6.0"},
    "vulnerability": {"id": "CVE-2024-3094", "severity": "Critical", "detected_at": "2026-01-01T09:02:02.4Z"},
}


class TestContract(SourceContract):
    source = "wazuh"
    sample = "wazuh.jsonl"


def alert(**more):
    return SOURCE.alert(BASE | more, UTC)


def test_an_alert_of_a_log():
    record = BASE | {
        "rule": {
            "level": 10,
            "id": "5763",
            "description": "R",
            "groups": ["syslog", "sshd"],
            "mitre": {"id": ["T1110", "T1110.001"], "tactic": ["Credential Access"], "technique": ["Brute Force"]},
        },
        "agent": {"id": "001", "name": "web01", "ip": "192.0.2.17"},
        "full_log": "the line",
        "decoder": {"parent": "sshd", "name": "sshd"},
        "data": {"srcip": "203.0.113.55", "dstip": "-", "srcuser": "root", "dstuser": "mia", "url": "/login.php"},
    }
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="R",
        severity=Severity.MEDIUM,
        occurred_at=AT,
        description="the line",
        tags=["syslog", "sshd"],
        indicators=[("ip", "203.0.113.55"), ("account", "root"), ("account", "mia"), ("url", "/login.php"), ("ip", "192.0.2.17")],
        rule_id="5763",
    )
    assert SOURCE.rule(record) == NewRule(
        name="R",
        source_rule_id="5763",
        source_name="wazuh",
        severity="10",
        mitre_tactics=["Credential Access"],
        mitre_techniques=["T1110"],
        mitre_subtechniques=["T1110.001"],
        data_sources=["sshd"],
    )
    hit = {"_index": "wazuh-alerts-4.x-2026.01.01", "_source": record}
    assert SOURCE.claims(hit)
    assert (SOURCE.alert(hit, UTC), SOURCE.rule(hit)) == (SOURCE.alert(record, UTC), SOURCE.rule(record))


@pytest.mark.parametrize(
    ("more", "indicators"),
    [
        (
            {"data": {"win": {"eventdata": {"ipAddress": "::1", "targetUserName": "mia", "hashes": f"MD5={'a' * 32},IMPHASH={'b' * 32}"}}}},
            [("ip", "::1"), ("account", "mia"), ("hash_md5", "a" * 32)],
        ),
        (
            {"syscheck": {"sha256_before": "c" * 64, "sha256_after": "d" * 64, "md5_after": "e" * 32}},
            [("hash_sha256", "d" * 64), ("hash_md5", "e" * 32)],
        ),
        (
            {"data": {"virustotal": {"malicious": "1", "source": {"file": "f", "md5": "a" * 32, "sha1": "b" * 40}}}},
            [("hash_md5", "a" * 32), ("hash_sha1", "b" * 40)],
        ),
        ({"data": {"src_ip": "192.0.2.1", "dest_ip": "203.0.113.9"}}, [("ip", "192.0.2.1"), ("ip", "203.0.113.9")]),
        ({"data": {"aws": {"sourceIPAddress": "198.51.100.7"}}}, [("ip", "198.51.100.7")]),
        (
            {"data": {"office365": {"ClientIP": "198.51.100.7", "UserId": "mia@example.org"}}},
            [("ip", "198.51.100.7"), ("account", "mia@example.org")],
        ),
        ({"data": ["x"], "syscheck": "y", "agent": {"ip": "any"}}, [("ip", "any")]),
    ],
)
def test_indicators(more, indicators):
    assert alert(**more).indicators == indicators


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        *((level, "Informational") for level in (1, 2, 3)),
        *((level, "Low") for level in (4, 5, 6)),
        *((level, "Medium") for level in (7, 8, 9, 10, 11)),
        *((level, "High") for level in (12, 13, 14)),
        *((level, "Critical") for level in (15, 16)),
        ("12", "High"),
    ],
)
def test_levels(level, expected):
    found = alert(rule=BASE["rule"] | {"level": level})
    assert (found.severity, found.notes) == (expected, ())


def test_an_unknown_level_is_noted():
    found = alert(rule=BASE["rule"] | {"level": 17})
    assert (found.severity, found.notes) == (Severity.PENDING, ("severity_unknown",))


def test_events_without_a_rule_and_ignored_ones_are_no_alerts():
    event = {name: value for name, value in BASE.items() if name != "rule"}
    assert SOURCE.claims(event)
    assert SOURCE.alert(event, UTC) is None
    assert SOURCE.rule(event) is None
    assert alert(rule=BASE["rule"] | {"level": 0}) is None


@pytest.mark.parametrize(
    ("more", "micros", "notes"),
    [
        ({}, AT, ()),
        ({"data": {"win": {"system": {"systemTime": "2026-01-01T09:02:01.1234567Z"}}}}, AT - 1_276_544, ()),
        ({"data": {"timestamp": "2026-01-01T10:02:01.400000+0100"}}, AT - 1_000_000, ()),
        ({"data": {"timestamp": "Jan  1 09:02:02"}}, AT, ()),
        ({"timestamp": None, "@timestamp": "2026-01-01T09:02:02.400Z"}, AT, ()),
        ({"timestamp": "2026-01-01T10:02:02.400"}, AT, ("time_without_offset",)),
        ({"timestamp": "then"}, None, ("time_unreadable",)),
        ({"timestamp": None}, None, ("time_missing",)),
    ],
)
def test_times(more, micros, notes):
    found = SOURCE.alert(BASE | more, timezone(timedelta(hours=1)))
    assert (found.occurred_at, found.notes) == (micros, notes)


def test_the_message_of_a_windows_event_describes_it():
    assert alert(data={"win": {"system": {"message": "Process Create"}}}).description == "Process Create"


def test_a_vulnerability():
    told = VULNERABILITY["vulnerability"] | {"description": "It is bad.", "reference": "https://example.org/a"}
    record = VULNERABILITY | {"vulnerability": told}
    assert SOURCE.claims(record)
    assert SOURCE.claims({"_index": "wazuh-states-vulnerabilities-m", "_source": record})
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="CVE-2024-3094 in xz-utils on web01",
        severity=Severity.CRITICAL,
        occurred_at=AT,
        description="It is bad.\nVersion: 5.6.0",
        rule_id="CVE-2024-3094",
    )
    rule = SOURCE.rule(record)
    assert (rule.name, rule.source_rule_id, rule.severity) == ("CVE-2024-3094", "CVE-2024-3094", "Critical")
    assert rule.documentation == "It is bad.\nhttps://example.org/a"


@pytest.mark.parametrize(
    ("word", "expected", "notes"),
    [
        ("Critical", "Critical", ()),
        ("High", "High", ()),
        ("Medium", "Medium", ()),
        ("Low", "Low", ()),
        ("None", "Informational", ()),
        ("Untriaged", "Pending", ()),
        ("-", "Pending", ()),
        ("Grave", "Pending", ("severity_unknown",)),
    ],
)
def test_severities_of_vulnerabilities(word, expected, notes):
    found = SOURCE.alert(VULNERABILITY | {"vulnerability": VULNERABILITY["vulnerability"] | {"severity": word}}, UTC)
    assert (found.severity, found.notes) == (expected, notes)


def test_what_is_not_ours_and_what_cannot_be_an_alert():
    assert not SOURCE.claims({"rule": {"level": 3, "id": "1", "description": "R"}})
    assert not SOURCE.claims({"rule": {"id": "1"}, "agent": {}})
    assert not SOURCE.claims({"vulnerability": {"id": "CVE-1"}, "agent": {}})
    assert SOURCE.claims({"rule": {"level": 3, "id": "1", "description": "R"}, "manager": {"name": "m"}})
    with pytest.raises(ValueError, match=r"no rule\.description"):
        alert(rule={"level": 3, "id": "1"})
    with pytest.raises(ValueError, match=r"no vulnerability\.id"):
        SOURCE.alert(VULNERABILITY | {"vulnerability": {"id": None}}, UTC)
    assert SOURCE.rule(VULNERABILITY | {"vulnerability": {"id": None}}) is None
