"""Chainsaw: single detections and aggregates, of Sigma rules and of its own; and what all readers of event logs share."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.chainsaw import MOST_DOCUMENTS, SOURCE
from alertstore.sources.eventlog import LONGEST_TOLD, sigma_tags, told
from alertstore.testing import SourceContract

AT = 1_767_258_122_400_000
BASE = {"group": "Sigma", "name": "R", "level": "high", "timestamp": "2026-01-01T09:02:02.400000+00:00", "document": {}}


class TestContract(SourceContract):
    source = "chainsaw"
    sample = "chainsaw.json"


def document(**data):
    return {"kind": "evtx", "path": "x.evtx", "data": {"Event": {"System": {"Computer": "c", "EventID": 1}, **data}}}


def alert(**more):
    return SOURCE.alert(BASE | more, UTC)


def test_a_detection_of_a_sigma_rule():
    record = BASE | {
        "kind": "individual",
        "document": document(
            EventData={
                "SourceIp": "192.0.2.17",
                "DestinationIp": "203.0.113.9",
                "DestinationHostname": "host.example.com",
                "QueryName": "c2.example.com",
                "User": "EXAMPLE\\mia",
                "TargetUserName": "-",
                "Hashes": f"MD5={'a' * 32},SHA256={'b' * 64},IMPHASH={'c' * 32}",
            }
        ),
        "id": "48a61b29-389f-4032-b317-b30de6b95314",
        "tags": ["attack.t1071.004", "attack.command_and_control", "attack.s0002", "cve.2021-44228", "attack.T1105"],
        "falsepositives": ["Updates", "Tests"],
        "references": ["https://example.org/a", "https://example.org/b"],
        "logsource": {"product": "windows", "category": "dns_query", "service": None},
    }
    assert SOURCE.claims(record)
    found = SOURCE.alert(record, UTC)
    assert found.description.startswith("Computer: c ¦ EventID: 1 ¦ SourceIp: 192.0.2.17 ¦ DestinationIp: 203.0.113.9")
    found.description = None
    assert found == NewAlert(
        title="R",
        severity=Severity.HIGH,
        occurred_at=AT,
        tags=["Sigma", "cve.2021-44228"],
        indicators=[
            ("ip", "192.0.2.17"),
            ("ip", "203.0.113.9"),
            ("domain", "c2.example.com"),
            ("account", "EXAMPLE\\mia"),
            ("hash_md5", "a" * 32),
            ("hash_sha256", "b" * 64),
        ],
        rule_id="48a61b29-389f-4032-b317-b30de6b95314",
    )
    assert SOURCE.rule(record) == NewRule(
        name="R",
        source_rule_id="48a61b29-389f-4032-b317-b30de6b95314",
        source_name="chainsaw",
        severity="high",
        mitre_tactics=["Command and Control"],
        mitre_techniques=["T1105"],
        mitre_subtechniques=["T1071.004"],
        data_sources=["windows", "dns_query"],
        documentation="False positives:\n- Updates\n- Tests\n\nReferences:\n- https://example.org/a\n- https://example.org/b",
    )


def test_a_detection_of_its_own_rule():
    record = BASE | {"group": "Log Tampering", "document": document(UserData={"LogFileCleared": {"SubjectUserName": "admin01"}})}
    found, rule = SOURCE.alert(record, UTC), SOURCE.rule(record)
    assert (found.rule_id, found.tags, found.indicators) == ("R", ["Log Tampering"], [("account", "admin01")])
    assert found.description == "Computer: c ¦ EventID: 1 ¦ SubjectUserName: admin01"
    assert (rule.name, rule.source_rule_id, rule.severity, rule.documentation) == ("R", "R", "high", None)


def test_an_aggregate_is_one_alert():
    names = [f"user{number}" for number in range(MOST_DOCUMENTS + 5)]
    documents = [document(EventData={"TargetUserName": name}) for name in names]
    record = {name: value for name, value in BASE.items() if name != "document"} | {"kind": "aggregate", "documents": documents}
    assert SOURCE.claims(record)
    found = SOURCE.alert(record, UTC)
    assert found.description == f"Computer: c ¦ EventID: 1 ¦ TargetUserName: user0\nand {MOST_DOCUMENTS + 4} more events"
    assert found.indicators == [("account", name) for name in names[:MOST_DOCUMENTS]]
    assert SOURCE.alert(record | {"documents": documents[:2]}, UTC).description.endswith("\nand 1 more event")


def test_an_artefact_that_is_no_event_log():
    found = alert(document={"kind": "mft", "path": "$MFT", "data": {"FullPath": "Users/mia/a.exe"}})
    assert (found.title, found.description, found.indicators) == ("R", None, [])


@pytest.mark.parametrize(
    ("level", "expected", "notes"),
    [
        ("critical", "Critical", ()),
        ("high", "High", ()),
        ("Medium", "Medium", ()),
        ("low", "Low", ()),
        ("info", "Informational", ()),
        ("informational", "Informational", ()),
        ("grave", "Pending", ("severity_unknown",)),
        (None, "Pending", ()),
    ],
)
def test_levels(level, expected, notes):
    assert (alert(level=level).severity, alert(level=level).notes) == (expected, notes)


@pytest.mark.parametrize(
    ("when", "micros", "notes"),
    [
        ("2026-01-01T10:02:02.400000+01:00", AT, ()),
        ("2026-01-01T09:02:02.400+00:00", AT, ()),
        ("2026-01-01T10:02:02.400", AT, ("time_without_offset",)),
        (None, None, ("time_missing",)),
        ("then", None, ("time_unreadable",)),
    ],
)
def test_times(when, micros, notes):
    found = SOURCE.alert(BASE | {"timestamp": when}, timezone(timedelta(hours=1)))
    assert (found.occurred_at, found.notes) == (micros, notes)


def test_what_is_not_ours():
    for missing in ("group", "name", "level", "timestamp", "document"):
        assert not SOURCE.claims({name: value for name, value in BASE.items() if name != missing})
    assert not SOURCE.claims(BASE | {"document": "x", "documents": {}})
    with pytest.raises(ValueError, match="no name"):
        alert(name="")
    assert SOURCE.rule({"name": None}) is None


def test_tags_of_sigma_rules_are_sorted_out():
    found = sigma_tags(
        ["attack.Defense-Evasion", "ATTACK.t1036.003", "attack.t1036", "attack.g0007", "tlp.white", "attack.defense_evasion"]
    )
    assert (found.tactics, found.techniques, found.subtechniques, found.others) == (
        ["Defense Evasion"],
        ["T1036"],
        ["T1036.003"],
        ["tlp.white"],
    )


def test_what_is_told_of_an_event_has_a_limit():
    assert told({}, None, {"a": {}}) is None
    assert told({"a": 1, "b": None, "c": "x"}) == "a: 1 ¦ c: x"
    assert len(told({str(number): "x" * 300 for number in range(20)}, {"last": "y"})) <= LONGEST_TOLD
