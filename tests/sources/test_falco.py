"""Falco: alerts of system calls and of plugins, what Falco says of itself, and every priority."""

from __future__ import annotations

import json
from datetime import UTC
from io import BytesIO

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.falco import SOURCE
from alertstore.sources.readers import open_reading
from alertstore.sources.registry import load_sources
from alertstore.testing import SourceContract

AT = 1_767_258_122_400_000
BASE = {"rule": "R", "priority": "Error", "output": "O", "time": "2026-01-01T09:02:02.400000123Z", "output_fields": {}}


class TestContract(SourceContract):
    source = "falco"
    sample = "falco.jsonl"


def alert(**more):
    return SOURCE.alert(BASE | more, UTC)


def test_an_alert():
    record = BASE | {
        "hostname": "node-1",
        "source": "syscall",
        "tags": ["container", "mitre_command_and_control", "T1071", "T1071.001", "mitre_remote_service"],
        "output_fields": {
            "user.name": "mia",
            "user.loginname": "<NA>",
            "fd.cip": "192.0.2.17",
            "fd.sip": "203.0.113.9",
            "fd.rip": None,
            "fd.sip.name": "c2.example.com",
            "fd.name": "192.0.2.17:1->203.0.113.9:2",
        },
    }
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="R",
        severity=Severity.HIGH,
        occurred_at=AT,
        description="O",
        tags=["container"],
        indicators=[("ip", "192.0.2.17"), ("ip", "203.0.113.9"), ("domain", "c2.example.com"), ("account", "mia")],
        rule_id="R",
    )
    assert SOURCE.rule(record) == NewRule(
        name="R",
        source_rule_id="R",
        source_name="falco",
        severity="Error",
        mitre_tactics=["Command and Control"],
        mitre_techniques=["T1071"],
        mitre_subtechniques=["T1071.001"],
        data_sources=["syscall"],
    )


def test_an_alert_of_a_plugin():
    told = {
        "ka.user.name": "system:anonymous",
        "ct.user": "deploy",
        "ct.srcip": "198.51.100.7",
        "okta.actor.alternateID": "mia@example.org",
        "okta.client.ip": "203.0.113.5",
    }
    assert alert(output_fields=told).indicators == [
        ("account", "system:anonymous"),
        ("account", "deploy"),
        ("ip", "198.51.100.7"),
        ("email", "mia@example.org"),
        ("ip", "203.0.113.5"),
    ]


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        ("Emergency", "Critical"),
        ("Alert", "Critical"),
        ("Critical", "Critical"),
        ("Error", "High"),
        ("WARNING", "Medium"),
        ("Notice", "Low"),
        ("Informational", "Informational"),
        ("Info", "Informational"),
        ("Debug", "Informational"),
    ],
)
def test_priorities(priority, expected):
    assert (alert(priority=priority).severity, alert(priority=priority).notes) == (expected, ())


def test_an_unknown_priority_is_noted():
    assert (alert(priority="Loud").severity, alert(priority="Loud").notes) == (Severity.PENDING, ("severity_unknown",))


@pytest.mark.parametrize("place", ["evt.time", "evt.time.iso8601", "evt.rawtime"])
def test_nanoseconds_of_the_output_stand_in_for_the_time(place):
    without_time = {name: value for name, value in BASE.items() if name != "time"}
    found = SOURCE.alert(without_time | {"output_fields": {place: 1_767_258_122_400_000_123}}, UTC)
    assert (found.occurred_at, found.notes) == (AT, ())


@pytest.mark.parametrize(("when", "note"), [("09:02:02.4", "time_unreadable"), (None, "time_missing")])
def test_no_time(when, note):
    assert (alert(time=when).occurred_at, alert(time=when).notes) == (None, (note,))


def test_dropped_events_are_an_alert_and_metrics_are_none():
    assert alert(rule="Falco internal: syscall event drop").title == "Falco internal: syscall event drop"
    assert alert(rule="Falco internal: metrics snapshot") is None


def test_what_falco_was_told_to_leave_out():
    without_fields = {"rule": "R", "priority": "Error", "output": "O", "hostname": "h"}
    assert SOURCE.claims(without_fields)
    assert SOURCE.claims({"rule": "R", "priority": "Error", "output_fields": {}})
    assert not SOURCE.claims(without_fields | {"hostname": None, "output": 3})
    assert not SOURCE.claims({"rule": "R", "priority": "Error", "output": "O"})
    assert not SOURCE.claims(BASE | {"priority": 3})


def test_a_rule_without_a_name():
    assert SOURCE.rule({"rule": ""}) is None
    with pytest.raises(ValueError, match="no rule"):
        alert(rule=" ")


def test_the_log_of_its_container_begins_with_what_falco_says_when_it_starts():
    said = b"Thu Jan  1 09:02:00 2026: Loading rules, from file\n" * 12
    file = BytesIO(said + json.dumps(BASE).encode() + b"\n" + json.dumps(BASE).encode() + b"\n")
    reading = open_reading(file, name="falco.log", sources=load_sources(plugins=False))
    assert reading.source.name == "falco"
    alerts, refused = [], 0
    for one in reading.records():
        try:
            alerts.append(reading.source.alert(reading.parse(one.raw), UTC))
        except ValueError:
            refused += 1
    assert ([one.title for one in alerts], refused) == (["R", "R"], 12)
