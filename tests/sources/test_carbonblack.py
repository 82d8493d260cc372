"""Carbon Black Cloud: alerts of the analytics and of watchlists, hits, and the older form of all."""

from __future__ import annotations

from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.carbonblack import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_258_122_400_000
BASE = {
    "type": "CB_ANALYTICS",
    "org_key": "K",
    "device_id": 1,
    "threat_id": "t",
    "reason": "R",
    "first_event_timestamp": "2026-01-01T09:02:02.4Z",
}


class TestContract(SourceContract):
    source = "carbonblack"
    sample = "carbonblack.jsonl"


def test_an_alert_of_the_analytics():
    record = BASE | {
        "severity": 6,
        "reason_code": "T_POL_TERM : app.exe",
        "device_internal_ip": "192.0.2.42",
        "device_external_ip": "0.0.0.0",
        "device_username": "mia@example.com",
        "process_username": "EXAMPLE\\mia",
        "process_sha256": "a" * 64,
        "parent_md5": "",
        "childproc_sha256": "0" * 64,
        "blocked_sha256": "b" * 64,
        "netconn_remote_ip": "203.0.113.7",
        "netconn_remote_domain": "cdn.example.org",
        "attack_tactic": "TA0002",
        "attack_technique": "T1106",
        "ttps": ["MALWARE_APP", "MITRE_T1059_CMD_LINE", "MITRE_T1059_001_POWERSHELL", "MITRE_T1057_PROCESS_DISCOVERY"],
        "tags": ["triage", None],
    }
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="R",
        severity=Severity.HIGH,
        occurred_at=AT,
        tags=["triage"],
        indicators=[
            ("ip", "192.0.2.42"),
            ("ip", "203.0.113.7"),
            ("domain", "cdn.example.org"),
            ("account", "mia@example.com"),
            ("account", "EXAMPLE\\mia"),
            ("hash_sha256", "a" * 64),
            ("hash_sha256", "b" * 64),
        ],
        rule_id="T_POL_TERM",
    )
    assert SOURCE.rule(record) == NewRule(
        name="T_POL_TERM",
        source_rule_id="T_POL_TERM",
        source_name="carbonblack",
        severity="6",
        mitre_tactics=["Execution"],
        mitre_techniques=["T1106", "T1059", "T1057"],
        mitre_subtechniques=["T1059.001"],
    )


def test_an_alert_of_a_watchlist():
    record = BASE | {
        "type": "WATCHLIST",
        "report_id": "r-1",
        "report_name": "New task",
        "report_description": "Looks for tasks.",
        "report_tags": ["persistence", "t1053"],
        "reason_code": "uuid:uuid",
    }
    alert, rule = SOURCE.alert(record, UTC), SOURCE.rule(record)
    assert (alert.title, alert.description, alert.rule_id, alert.severity) == ("New task", "R", "r-1", Severity.PENDING)
    assert (rule.name, rule.documentation, rule.mitre_techniques) == ("New task", "Looks for tasks.", ["T1053"])


def test_a_hit_of_a_watchlist():
    record = {
        "type": "watchlist.hit",
        "org_key": "K",
        "device_id": 1,
        "ioc_hit": "q",
        "report_name": "N",
        "create_time": "2026-01-01T09:02:02.4Z",
        "process_hash": ["c" * 32, "d" * 64],
        "parent_hash": ["", ""],
    }
    assert SOURCE.claims(record)
    alert = SOURCE.alert(record, UTC)
    assert (alert.title, alert.occurred_at, alert.rule_id) == ("N", AT, None)
    assert alert.indicators == [("hash_md5", "c" * 32), ("hash_sha256", "d" * 64)]
    assert SOURCE.rule(record) is None


def test_the_older_form():
    threat = {"process_name": "p", "sha256": "e" * 64, "ttps": ["MITRE_T1057_PROCESS_DISCOVERY"]}
    record = BASE | {"first_event_timestamp": None, "first_event_time": "2026-01-01T09:02:02.4Z", "reason_code": "R_FILELESS"}
    record |= {"threat_cause_actor_sha256": "f" * 64, "threat_indicators": [threat, threat, 3]}
    alert, rule = SOURCE.alert(record, UTC), SOURCE.rule(record)
    assert (alert.occurred_at, alert.indicators) == (AT, [("hash_sha256", "f" * 64), ("hash_sha256", "e" * 64)])
    assert (rule.source_rule_id, rule.mitre_techniques) == ("R_FILELESS", ["T1057"])


@pytest.mark.parametrize(
    ("severity", "expected", "notes"),
    [
        *((number, "Low", ()) for number in (1, 2)),
        *((number, "Medium", ()) for number in (3, 4, 5)),
        *((number, "High", ()) for number in (6, 7, 8)),
        *((number, "Critical", ()) for number in (9, 10)),
        (11, "Pending", ("severity_unknown",)),
        ("3", "Pending", ("severity_unknown",)),
        ([1], "Pending", ("severity_unknown",)),
        (None, "Pending", ()),
    ],
)
def test_severities(severity, expected, notes):
    alert = SOURCE.alert(BASE | {"severity": severity}, UTC)
    assert (alert.severity, alert.notes) == (expected, notes)


@pytest.mark.parametrize(
    ("when", "micros", "note"),
    [
        ("2026-01-01 09:02:02.400000000", AT, "time_without_offset"),
        ("never", None, "time_unreadable"),
        (None, None, "time_missing"),
    ],
)
def test_times(when, micros, note):
    alert = SOURCE.alert(BASE | {"first_event_timestamp": when}, UTC)
    assert (alert.occurred_at, alert.notes) == (micros, (note,))


def test_the_type_is_the_last_title_there_is():
    assert SOURCE.alert(BASE | {"reason": ""}, UTC).title == "CB_ANALYTICS"
    with pytest.raises(ValueError, match="no reason"):
        SOURCE.alert(BASE | {"reason": "", "type": None}, UTC)


@pytest.mark.parametrize("missing", ["type", "org_key", "device_id", "threat_id"])
def test_what_lacks_a_key_is_not_ours(missing):
    assert not SOURCE.claims({name: value for name, value in BASE.items() if name != missing})
