"""Velociraptor: rows of Sigma rules, YARA rules and named detections, server alerts, and rows of CSV exports."""

from __future__ import annotations

import json
from datetime import UTC, timedelta, timezone

import pytest

from alertstore.domain.drafts import NewAlert
from alertstore.domain.vocabulary import Severity
from alertstore.sources.velociraptor import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_258_122_400_000
WHEN = "2026-01-01T09:02:02.4Z"
SIGMA = {"Timestamp": WHEN, "Level": "high", "Title": "R", "_Event": {}}
YARA = {"Rule": "Y", "HitOffset": 3, "OSPath": "/tmp/a"}
DETECTION = {"Detection": "D", "Reference": "https://example.org/d", "EventTime": WHEN}
ALERT = {"name": "N", "timestamp": WHEN, "event_data": {}, "artifact": "Custom.A"}


class TestContract(SourceContract):
    source = "velociraptor"
    sample = "velociraptor.jsonl"


def test_a_row_of_a_sigma_rule():
    record = SIGMA | {
        "Computer": "ws01",
        "Channel": "Security",
        "EID": 4625,
        "Details": "TgtUser: mia",
        "_Event": {
            "System": {"TimeCreated": {"SystemTime": 1.5}},
            "EventData": {"IpAddress": "203.0.113.9", "TargetUserName": "mia"},
            "UserData": {"EventXML": {"User": "EXAMPLE\\jo", "Address": "198.51.100.7"}},
            "Message": "An account failed to log on.",
        },
    }
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="R",
        severity=Severity.HIGH,
        occurred_at=AT,
        description="TgtUser: mia",
        tags=[],
        indicators=[("ip", "203.0.113.9"), ("account", "mia"), ("account", "EXAMPLE\\jo"), ("ip", "198.51.100.7")],
        rule_id="R",
    )
    rule = SOURCE.rule(record)
    assert (rule.name, rule.source_rule_id, rule.source_name, rule.severity) == ("R", "R", "velociraptor", "high")
    assert rule.data_sources == ["Security"]
    told = [SOURCE.alert(record | {"Details": details}, UTC).description for details in (None, {"User": "mia", "PID": 4})]
    assert told == ["An account failed to log on.", "User: mia ¦ PID: 4"]


def test_a_hit_of_a_yara_rule():
    record = YARA | {
        "Mtime": WHEN,
        "Tags": ["FILE"],
        "Meta": {"description": "Detects it.", "reference": "https://example.org/y", "hash1": "a" * 64},
        "Hash": {"MD5": "b" * 32, "SHA1": "c" * 40, "SHA256": "d" * 64},
    }
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="Y in /tmp/a",
        severity=Severity.PENDING,
        occurred_at=None,
        description="Detects it.",
        tags=["FILE"],
        indicators=[("hash_md5", "b" * 32), ("hash_sha1", "c" * 40), ("hash_sha256", "d" * 64)],
        rule_id="Y",
        notes=("time_missing",),
    )
    rule = SOURCE.rule(record)
    assert (rule.name, rule.source_rule_id, rule.documentation) == ("Y", "Y", "Detects it.\n\nReferences:\n- https://example.org/y")


def test_a_hit_in_memory():
    found = SOURCE.alert({"ProcessName": "a.exe", "Pid": 7, "Rule": "Y", "HitOffset": 3, "_ts": 1_767_258_122}, UTC)
    assert (found.title, found.occurred_at, found.notes) == ("Y in a.exe", AT - 400_000, ())


def test_a_detection_by_its_name():
    record = DETECTION | {"Exe": "a.exe", "PipeName": "p", "User": "EXAMPLE\\mia", "HitContext": "b64"}
    found, rule = SOURCE.alert(record, UTC), SOURCE.rule(record)
    assert (found.title, found.occurred_at, found.severity, found.rule_id) == ("D", AT, Severity.PENDING, "D")
    assert found.description == "Reference: https://example.org/d ¦ Exe: a.exe ¦ PipeName: p ¦ User: EXAMPLE\\mia"
    assert found.indicators == [("account", "EXAMPLE\\mia")]
    assert rule.documentation == "References:\n- https://example.org/d"
    assert SOURCE.alert({"Detection": {"Name": "D2"}, "ClientId": "C.1", "EventTime": WHEN}, UTC).title == "D2"


def test_a_detection_in_an_event_log():
    record = {
        "EventTime": WHEN,
        "Computer": "ws01",
        "Detection": {"Name": "T1059.001-Use of Base64", "EventId": "^4104$", "Regex": "x"},
        "Username": "EXAMPLE\\mia",
        "EventData": {"IpAddress": "203.0.113.9"},
        "Message": "Creating Scriptblock text.",
    }
    found, rule = SOURCE.alert(record, UTC), SOURCE.rule(record)
    assert (found.title, found.occurred_at, found.description) == ("T1059.001-Use of Base64", AT, "Creating Scriptblock text.")
    assert found.indicators == [("account", "EXAMPLE\\mia"), ("ip", "203.0.113.9")]
    assert (rule.source_rule_id, rule.mitre_techniques, rule.mitre_subtechniques) == (found.rule_id, [], ["T1059.001"])


def test_an_alert_of_the_server():
    record = ALERT | {"client_id": "C.1", "event_data": {"RemoteIP": "203.0.113.9", "User": "mia", "Severity": "Critical"}}
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="N",
        severity=Severity.CRITICAL,
        occurred_at=AT,
        description="RemoteIP: 203.0.113.9 ¦ User: mia ¦ Severity: Critical",
        tags=[],
        indicators=[("ip", "203.0.113.9"), ("account", "mia")],
        rule_id="Custom.A",
    )
    assert SOURCE.rule(record).name == "Custom.A"
    without_artifact = {"name": "N", "timestamp": WHEN, "event_data": {}, "client_id": "C.1"}
    assert SOURCE.alert(without_artifact, UTC).rule_id == "N"


@pytest.mark.parametrize(
    ("record", "cells"),
    [
        (SIGMA | {"_Event": {"EventData": {"User": "mia"}}}, ("_Event",)),
        (YARA | {"Hash": {"MD5": "b" * 32}, "Meta": {"description": "It."}}, ("Hash", "Meta")),
        (DETECTION | {"Detection": {"Name": "D"}, "EventData": {"User": "mia"}}, ("Detection", "EventData")),
        (ALERT | {"event_data": {"User": "mia", "EventTime": WHEN}}, ("event_data",)),
    ],
)
def test_objects_of_a_csv_are_text(record, cells):
    row = record | {name: json.dumps(record[name]) for name in cells}
    assert SOURCE.claims(row)
    assert SOURCE.alert(row, UTC) == SOURCE.alert(record, UTC)
    assert SOURCE.rule(row) == SOURCE.rule(record)
    assert SOURCE.alert(row, UTC).indicators


@pytest.mark.parametrize(
    ("level", "expected", "notes"),
    [
        ("critical", "Critical", ()),
        ("High", "High", ()),
        ("medium", "Medium", ()),
        ("low", "Low", ()),
        ("informational", "Informational", ()),
        ("info", "Informational", ()),
        ("grave", "Pending", ("severity_unknown",)),
        (None, "Pending", ()),
    ],
)
def test_levels(level, expected, notes):
    found = SOURCE.alert(SIGMA | {"Level": level}, UTC)
    assert (found.severity, found.notes) == (expected, notes)


@pytest.mark.parametrize(
    ("more", "micros", "notes"),
    [
        ({}, AT, ()),
        ({"Timestamp": "2026-01-01T10:02:02.4"}, AT, ("time_without_offset",)),
        ({"Timestamp": None, "EventTime": WHEN}, AT, ()),
        ({"Timestamp": None, "_Event": {"System": {"TimeCreated": {"SystemTime": 1_767_258_122.4}}}}, AT, ()),
        ({"Timestamp": None, "_ts": 1_767_258_122}, AT - 400_000, ()),
        ({"Timestamp": None}, None, ("time_missing",)),
        ({"Timestamp": "then"}, None, ("time_unreadable",)),
    ],
)
def test_times(more, micros, notes):
    found = SOURCE.alert(SIGMA | more, timezone(timedelta(hours=1)))
    assert (found.occurred_at, found.notes) == (micros, notes)


@pytest.mark.parametrize(
    "record",
    [
        {"Title": "R", "Level": "high"},
        {"Title": "R", "Level": "high", "Channel": "Security"},
        {"Rule": "Y", "OSPath": "/tmp/a"},
        {"Detection": "D", "ClientId": "x", "FlowId": 3},
        {"Detection": ["D"], "Reference": "x"},
        {"name": "N", "timestamp": WHEN, "event_data": {}},
        {"name": "N", "timestamp": WHEN, "event_data": 3, "artifact": "A"},
        {"Pid": 4, "Name": "System", "ClientId": "C.1", "FlowId": "F.1"},
    ],
)
def test_what_is_not_ours(record):
    assert not SOURCE.claims(record)
    assert (SOURCE.alert(record, UTC), SOURCE.rule(record)) == (None, None)


def test_what_cannot_be_an_alert():
    for record, name in ((SIGMA | {"Title": ""}, "Title"), (DETECTION | {"Detection": {}}, "Detection")):
        with pytest.raises(ValueError, match=f"no {name}"):
            SOURCE.alert(record, UTC)
        assert SOURCE.rule(record) is None
