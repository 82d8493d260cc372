"""SOCRadar: alarms of every risk level, with what their contents hold."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.socradar import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_258_122_000_000


class TestContract(SourceContract):
    source = "socradar"
    sample = "socradar.jsonl"


def alarm(content=None, kind=None, **more):
    details = {"alarm_main_type": "Main", "alarm_sub_type": "Sub"} if kind is None else kind
    base = {"alarm_id": 1, "alarm_risk_level": "HIGH", "alarm_text": "T", "alarm_type_details": details, "date": "2026-01-01 09:02:02"}
    return base | {"content": content or {}} | more


def test_an_alarm():
    details = {
        "alarm_main_type": "Credential Intelligence",
        "alarm_sub_type": "Stealer Logs",
        "alarm_default_mitigation_plan": "Reset.",
        "alarm_detection_and_analysis": "Look.",
        "alarm_default_risk_level": "CRITICAL",
    }
    content = {
        "username": "mia",
        "compromised_emails": "mia@example.com, jo@example.com,",
        "compromised_ips": ["198.51.100.22", "198.51.100.22"],
        "compromised_domains": "example.org",
        "content_link": "https://forum.example.org/a,b",
    }
    record = alarm(content, details, tags=["stealer", 7, None])
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="Stealer Logs",
        severity=Severity.HIGH,
        occurred_at=AT,
        description="T",
        tags=["stealer", "7"],
        indicators=[
            ("ip", "198.51.100.22"),
            ("domain", "example.org"),
            ("url", "https://forum.example.org/a,b"),
            ("email", "mia@example.com"),
            ("email", "jo@example.com"),
            ("account", "mia"),
        ],
        rule_id="Stealer Logs",
        notes=("time_without_offset",),
    )
    assert SOURCE.rule(record) == NewRule(
        name="Stealer Logs", source_rule_id="Stealer Logs", source_name="socradar", severity="CRITICAL", documentation="Look.\nReset."
    )


@pytest.mark.parametrize(
    ("word", "expected", "notes"),
    [
        ("INFO", "Informational", ()),
        ("LOW", "Low", ()),
        ("Medium", "Medium", ()),
        ("high", "High", ()),
        ("CRITICAL", "Critical", ()),
        ("SEVERE", "Pending", ("severity_unknown",)),
        (None, "Pending", ()),
    ],
)
def test_severities(word, expected, notes):
    alert = SOURCE.alert(alarm(date="2026-01-01T09:02:02Z", alarm_risk_level=word), UTC)
    assert (alert.severity, alert.notes) == (expected, notes)


@pytest.mark.parametrize(
    ("when", "micros", "note"),
    [
        ("2026-01-01 11:02:02", AT, "time_without_offset"),
        ("2026-01-01T09:02:02Z", AT, None),
        (1_767_258_122, AT, None),
        ("19 Mar 2026", None, "time_unreadable"),
        (None, None, "time_missing"),
    ],
)
def test_times(when, micros, note):
    alert = SOURCE.alert(alarm(date=when), timezone(timedelta(hours=2)))
    assert (alert.occurred_at, alert.notes) == (micros, (note,) if note else ())


def test_the_main_type_where_there_is_no_other():
    record = alarm(kind={"alarm_main_type": "Main", "alarm_sub_type": ""}, content="text")
    alert = SOURCE.alert(record, UTC)
    assert (alert.title, alert.rule_id, alert.indicators) == ("Main", "Main", [])
    assert SOURCE.rule(record).documentation is None
    with pytest.raises(ValueError, match="without a type"):
        SOURCE.alert(alarm(kind={}), UTC)


@pytest.mark.parametrize("change", [{"alarm_type_details": "x"}, {"alarm_type_details": []}])
def test_what_only_looks_alike_is_not_ours(change):
    assert not SOURCE.claims(alarm() | change)
