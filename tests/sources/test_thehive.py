"""TheHive: alerts with observables, and cases."""

from __future__ import annotations

from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.thehive import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_258_122_400_000


class TestContract(SourceContract):
    source = "thehive"
    sample = "thehive.jsonl"


def given(*observables, **more):
    base = {"type": "mail", "source": "gw", "sourceRef": "1", "title": "T", "severity": 3, "date": AT // 1000}
    return base | {"observables": list(observables)} | more


def test_an_alert():
    record = given(
        {"dataType": "ip", "data": "203.0.113.7"},
        {"dataType": "domain", "data": "x.example.org"},
        {"dataType": "fqdn", "data": "y.example.org"},
        {"dataType": "url", "data": "https://x.example.org/"},
        {"dataType": "mail", "data": ["a@example.org", "b@example.org"]},
        {"dataType": "hash", "data": "a" * 64},
        {"dataType": "hash", "data": "no digest"},
        {"dataType": "file", "attachment": {"hashes": ["b" * 40, "c" * 32]}},
        {"dataType": "filename", "data": "x.exe"},
        {"data": "203.0.113.8"},
        "junk",
        description="D",
        tags=["phishing", 2],
        artifacts=[{"dataType": "ip", "data": "203.0.113.7"}, {"dataType": "ip", "data": "203.0.113.9"}],
        procedures=[{"patternId": "T1566.002"}, {"patternId": "T1204"}, {}],
    )
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="T",
        severity=Severity.HIGH,
        occurred_at=AT,
        description="D",
        tags=["phishing", "2"],
        indicators=[
            ("ip", "203.0.113.7"),
            ("domain", "x.example.org"),
            ("domain", "y.example.org"),
            ("url", "https://x.example.org/"),
            ("email", "a@example.org"),
            ("email", "b@example.org"),
            ("hash_sha256", "a" * 64),
            ("hash_sha1", "b" * 40),
            ("hash_md5", "c" * 32),
            ("ip", "203.0.113.9"),
        ],
        rule_id="mail",
    )
    assert SOURCE.rule(record) == NewRule(
        name="mail", source_rule_id="mail", source_name="thehive", mitre_techniques=["T1204"], mitre_subtechniques=["T1566.002"]
    )


@pytest.mark.parametrize("kind", ["case", "Case"])
def test_a_case(kind):
    record = {"_type": kind, "title": "T", "severity": 4, "startDate": AT // 1000, "_createdAt": 1}
    assert SOURCE.claims(record)
    alert = SOURCE.alert(record, UTC)
    assert (alert.title, alert.severity, alert.occurred_at, alert.rule_id) == ("T", Severity.CRITICAL, AT, None)
    assert SOURCE.rule(record) is None


@pytest.mark.parametrize(
    ("severity", "expected", "notes"),
    [
        (1, "Low", ()),
        (2, "Medium", ()),
        ("3", "High", ()),
        (4, "Critical", ()),
        (5, "Pending", ("severity_unknown",)),
        (0, "Pending", ("severity_unknown",)),
        (None, "Pending", ()),
    ],
)
def test_severities(severity, expected, notes):
    alert = SOURCE.alert(given(severity=severity), UTC)
    assert (alert.severity, alert.notes) == (expected, notes)


@pytest.mark.parametrize(
    ("times", "micros", "notes"),
    [
        ({"date": "2026-01-01T09:02:02.4"}, AT, ("time_without_offset",)),
        ({"date": None, "createdAt": AT // 1000}, AT, ()),
        ({"date": "x"}, None, ("time_unreadable",)),
        ({"date": None}, None, ("time_missing",)),
    ],
)
def test_times(times, micros, notes):
    alert = SOURCE.alert(given(**times), UTC)
    assert (alert.occurred_at, alert.notes) == (micros, notes)


def test_no_title_is_refused():
    with pytest.raises(ValueError, match="no title"):
        SOURCE.alert(given(title=" "), UTC)


@pytest.mark.parametrize("missing", ["type", "source", "sourceRef", "title"])
def test_what_lacks_a_key_is_not_ours(missing):
    assert not SOURCE.claims({name: value for name, value in given().items() if name != missing})


@pytest.mark.parametrize("record", [{"_type": ["task"], "title": "T", "severity": 1}, {"_type": "case", "title": "T"}])
def test_other_objects_are_not_ours(record):
    assert not SOURCE.claims(record)
