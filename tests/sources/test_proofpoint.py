"""Proofpoint TAP: which messages are alerts, and clicks."""

from __future__ import annotations

import json
from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.proofpoint import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_258_122_400_000
WHEN = "2026-01-01T09:02:02.400Z"


class TestContract(SourceContract):
    source = "proofpoint"
    sample = "proofpoint.jsonl"


def message(*threats, **more):
    return {"messageTime": WHEN, "messageID": "<m>", "phishScore": 0, "subject": "S", "threatsInfoMap": list(threats)} | more


def threat(kind="phish", status="active", **more):
    return {"classification": kind, "threatStatus": status} | more


def click(**more):
    return {
        "clickTime": WHEN,
        "classification": "phish",
        "threatStatus": "active",
        "threatID": "t",
        "url": "https://x.example.org/a",
    } | more


def test_a_message():
    record = message(
        threat(threatType="url", threat="https://x.example.org/a"),
        threat(threatType="url", threat="y.example.org/b"),
        threat("malware", "cleared", threatType="attachment", threat="a" * 64),
        threat(threatType="messageText", threat="Wire the money"),
        sender="a@example.org",
        senderIP="203.0.113.7",
        fromAddress=["b@example.org"],
        replyToAddress=[],
        recipient=["mia@example.com", "jo@example.com"],
        messageParts=[
            {"disposition": "inline", "sha256": "b" * 64},
            {"disposition": "attached", "sha256": "c" * 64, "md5": "d" * 32},
            "junk",
        ],
    )
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="phish message: S",
        severity=Severity.HIGH,
        occurred_at=AT,
        description=f"https://x.example.org/a\ny.example.org/b\n{'a' * 64}\nWire the money",
        indicators=[
            ("ip", "203.0.113.7"),
            ("email", "a@example.org"),
            ("email", "b@example.org"),
            ("email", "mia@example.com"),
            ("email", "jo@example.com"),
            ("url", "https://x.example.org/a"),
            ("domain", "y.example.org"),
            ("hash_sha256", "a" * 64),
            ("hash_sha256", "c" * 64),
            ("hash_md5", "d" * 32),
        ],
        rule_id="phish",
    )
    assert SOURCE.rule(record) == NewRule(name="phish", source_rule_id="phish", source_name="proofpoint")


def test_a_click():
    record = click(
        clickIP="192.0.2.42", senderIP="203.0.113.7", sender="a@example.org", recipient="mia@example.com", threatURL="https://c/t"
    )
    assert SOURCE.claims(record)
    alert = SOURCE.alert(record, UTC)
    assert (alert.title, alert.occurred_at, alert.description) == ("phish link clicked: https://x.example.org/a", AT, "https://c/t")
    assert alert.indicators == [
        ("ip", "203.0.113.7"),
        ("ip", "192.0.2.42"),
        ("url", "https://x.example.org/a"),
        ("email", "a@example.org"),
        ("email", "mia@example.com"),
    ]


@pytest.mark.parametrize(
    ("record", "word", "severity"),
    [
        (message(threat("phish"), threat("malware")), "phish", "High"),
        (message(threat("spam"), threat("malware")), "malware", "High"),
        (message(threat("spam")), "spam", "Low"),
        (message(threat("IMPOSTOR"), threat("malware", "falsePositive")), "impostor", "High"),
        (message(threat("toad")), "toad", "High"),
        (message(threat("phish", "cleared")), "cleared", "Informational"),
        (message(threat("phish", "cleared"), phishScore=99), "phish", "High"),
        (message(phishScore=60, impostorScore=95), "impostor", "High"),
        (message(malwareScore=50.0), "malware", "High"),
        (message(spamScore=100), "spam", "Low"),
        (message(quarantineRule="notcleaned"), "quarantined", "Medium"),
        (message(quarantineFolder="Virus", malwareScore=100), "malware", "High"),
        (click(classification="spam"), "spam", "Low"),
        (click(threatStatus="cleared"), "cleared", "Informational"),
    ],
)
def test_the_class_rates(record, word, severity):
    alert = SOURCE.alert(record, UTC)
    assert (alert.rule_id, alert.severity, alert.notes) == (word, severity, ())
    assert alert.title.startswith(word)


def test_an_unknown_class_is_noted():
    alert = SOURCE.alert(message(threat("novel")), UTC)
    assert (alert.rule_id, alert.severity, alert.notes) == ("novel", Severity.PENDING, ("severity_unknown",))


@pytest.mark.parametrize("record", [message(), message(phishScore=49, spamScore="100"), message(quarantineRule=None, threatsInfoMap=None)])
def test_a_clean_message_is_ours_and_no_alert(record):
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) is None
    assert SOURCE.rule(record) is None


@pytest.mark.parametrize(
    ("when", "micros", "note"),
    [("2026-01-01 09:02:02.4", AT, "time_without_offset"), ("x", None, "time_unreadable"), (None, None, "time_missing")],
)
def test_times(when, micros, note):
    alert = SOURCE.alert(message(threat(), messageTime=when), UTC)
    assert (alert.occurred_at, alert.notes) == (micros, (note,))


def test_without_a_subject_the_class_is_the_title():
    assert SOURCE.alert(message(threat(), subject=None), UTC).title == "phish message"


@pytest.mark.parametrize("record", [{"messageTime": WHEN, "messageID": "m"}, {"clickTime": WHEN, "classification": "x"}])
def test_what_only_looks_alike_is_not_ours(record):
    assert not SOURCE.claims(record)


@pytest.mark.parametrize("indent", [None, 2])
def test_all_lists_of_an_answer_are_read(alert_store, tmp_path, indent):
    path = tmp_path / "answer.json"
    answer = {
        "queryEndTime": WHEN,
        "clicksPermitted": [],
        "clicksBlocked": [click(id="1"), click(id="2", url="https://y.example.org/")],
        "messagesDelivered": [message(threat(), id="3"), message(id="4")],
        "messagesBlocked": [message(threat("malware"), id="5", recipient=["mia@example.com"])],
    }
    path.write_text(json.dumps(answer, indent=indent), encoding="utf-8")
    result = alert_store.ingest(path)
    assert (result.source, result.new, result.skipped, result.rejected) == ("proofpoint", 4, 1, 0)
