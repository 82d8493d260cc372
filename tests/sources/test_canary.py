"""Thinkst Canary: webhooks and the console's incidents."""

from __future__ import annotations

from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.canary import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_258_122_000_000


class TestContract(SourceContract):
    source = "canary"
    sample = "canary.jsonl"


def hook(**more):
    return {"IncidentKey": "incident:smbfileopen:x:192.0.2.14:1", "Description": "D", "Timestamp": "2026-01-01 09:02:02 (UTC)"} | more


def incident(**more):
    inner = {"logtype": "2000", "created": "1767258122", "description": "FTP Login Attempt"} | more
    return {"id": "incident:ftplogin:x", "summary": "S", "description": inner}


def test_a_webhook():
    record = hook(
        Intro="I",
        SourceIP="192.0.2.14",
        CanaryIP="192.0.2.27",
        ReverseDNS="client.example.com",
        AdditionalDetails=[["User", "guest"], ["Filename", "x"], ["username", None], ["User"], "User"],
    )
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="D",
        severity=Severity.HIGH,
        occurred_at=AT,
        description="I",
        indicators=[("ip", "192.0.2.14"), ("ip", "192.0.2.27"), ("domain", "client.example.com"), ("account", "guest")],
        rule_id="smbfileopen",
    )
    assert SOURCE.rule(record) == NewRule(name="D", source_rule_id="smbfileopen", source_name="canary")


def test_an_incident_of_the_console():
    record = incident(memo="M", src_host="203.0.113.7", dst_host="192.0.2.27", events=[{"USERNAME": "admin"}, {"USERNAME": "admin"}, 3])
    assert SOURCE.claims(record)
    alert = SOURCE.alert(record, UTC)
    assert (alert.title, alert.description, alert.occurred_at, alert.rule_id) == ("FTP Login Attempt", "M", AT, "ftplogin")
    assert alert.indicators == [("ip", "203.0.113.7"), ("ip", "192.0.2.27"), ("account", "admin")]
    assert alert.severity == Severity.HIGH


def test_a_lost_decoy_is_rated_low():
    alert = SOURCE.alert(hook(IncidentKey="incident:devicedied:x::1"), UTC)
    assert (alert.severity, alert.rule_id) == (Severity.LOW, "devicedied")


@pytest.mark.parametrize("key", ["", None, 7, "smbfileopen", "incident", "incident::x"])
def test_without_a_kind_there_is_no_rule(key):
    record = hook(IncidentKey=key)
    alert = SOURCE.alert(record, UTC)
    assert (alert.severity, alert.rule_id, SOURCE.rule(record)) == (Severity.HIGH, None, None)


@pytest.mark.parametrize(
    ("when", "micros", "note"),
    [
        ("2026-01-01 09:02:02 UTC+0000", AT, None),
        ("2026-01-01 09:02:02", AT, "time_without_offset"),
        ("now", None, "time_unreadable"),
        (None, None, "time_missing"),
    ],
)
def test_times(when, micros, note):
    alert = SOURCE.alert(hook(Timestamp=when), UTC)
    assert (alert.occurred_at, alert.notes) == (micros, (note,) if note else ())


def test_an_incident_without_words_is_refused():
    with pytest.raises(ValueError, match="without a description"):
        SOURCE.alert(hook(Description=""), UTC)


@pytest.mark.parametrize(
    "record", [{"summary": "S", "description": "text"}, {"summary": "S", "description": {"created": 1}}, {"IncidentKey": "i"}]
)
def test_what_only_looks_alike_is_not_ours(record):
    assert not SOURCE.claims(record)
