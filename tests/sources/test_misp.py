"""MISP: events wrapped and bare, every kind of attribute, tags and galaxies."""

from __future__ import annotations

import json
from datetime import UTC, timedelta, timezone

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.misp import MOST_INDICATORS, SOURCE
from alertstore.testing import SourceContract

DAY = 1_767_225_600_000_000


class TestContract(SourceContract):
    source = "misp"
    sample = "misp.json"


def event(*attributes, **more):
    base = {"info": "I", "threat_level_id": "2", "analysis": "0", "date": "2026-01-01", "uuid": "u-1"}
    return base | {"Attribute": list(attributes)} | more


def attribute(kind, value, **more):
    return {"type": kind, "value": value, "to_ids": True} | more


def test_an_event_wrapped_or_bare():
    record = event(
        attribute("ip-src", "203.0.113.7"),
        attribute("domain", "x.example.org"),
        Object=[{"name": "file", "Attribute": [attribute("sha256", "a" * 64)]}, "junk"],
        Tag=[{"name": "tlp:green"}, {"name": 'misp-galaxy:mitre-attack-pattern="Phishing - T1566"'}],
        EventTag=[{"Tag": {"name": "tlp:green"}}, {"Tag": {"name": "urgent"}}],
        Galaxy=[{"GalaxyCluster": [{"meta": {"external_id": ["T1566.001"]}}, {"meta": {"refs": ["x"]}}, {"meta": []}]}],
        EventReport=[{"content": "Told."}],
    )
    for one in (record, {"Event": record}):
        assert SOURCE.claims(one)
        assert SOURCE.alert(one, UTC) == NewAlert(
            title="I",
            severity=Severity.MEDIUM,
            occurred_at=DAY,
            description="Told.",
            tags=["tlp:green", "urgent"],
            indicators=[("ip", "203.0.113.7"), ("domain", "x.example.org"), ("hash_sha256", "a" * 64)],
            rule_id="u-1",
            notes=("time_without_offset",),
        )
        assert SOURCE.rule(one) == NewRule(
            name="I",
            source_rule_id="u-1",
            source_name="misp",
            severity="2",
            mitre_techniques=["T1566"],
            mitre_subtechniques=["T1566.001"],
        )


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [
        ("ip-dst", "203.0.113.7", [("ip", "203.0.113.7")]),
        ("ip-dst|port", "203.0.113.7|443", [("ip", "203.0.113.7")]),
        ("ip-src|port", "2001:db8::1|443", [("ip", "2001:db8::1")]),
        ("hostname", "x.example.org", [("domain", "x.example.org")]),
        ("hostname|port", "x.example.org|8443", [("domain", "x.example.org")]),
        ("domain|ip", "x.example.org|203.0.113.7", [("domain", "x.example.org"), ("ip", "203.0.113.7")]),
        ("url", "https://x.example.org/a|b", [("url", "https://x.example.org/a|b")]),
        ("email-src", "a@example.org", [("email", "a@example.org")]),
        ("target-user", "mia", [("account", "mia")]),
        ("md5", "b" * 32, [("hash_md5", "b" * 32)]),
        ("filename|sha1", f"a|b.exe|{'c' * 40}", [("hash_sha1", "c" * 40)]),
        ("malware-sample", f"x.exe|{'d' * 32}", [("hash_md5", "d" * 32)]),
        ("malware-sample", "x.exe", []),
        ("filename", "x.exe", []),
        ("link", "https://www.example.com/report", []),
        ("imphash", "e" * 32, []),
        ("ip-src", "", []),
        (None, "203.0.113.7", []),
    ],
)
def test_attributes(kind, value, found):
    assert SOURCE.alert(event(attribute(kind, value)), UTC).indicators == found


@pytest.mark.parametrize(
    ("flags", "kept"),
    [
        ({"to_ids": False}, False),
        ({"to_ids": "0"}, False),
        ({"to_ids": None}, False),
        ({"to_ids": "1"}, True),
        ({"to_ids": 1}, True),
        ({"deleted": True}, False),
        ({"deleted": "1"}, False),
        ({"deleted": "0"}, True),
    ],
)
def test_only_attributes_fit_for_detection_are_indicators(flags, kept):
    found = SOURCE.alert(event(attribute("domain", "x.example.org", **flags)), UTC).indicators
    assert found == ([("domain", "x.example.org")] if kept else [])
    plain = {"type": "domain", "value": "x.example.org"}
    assert SOURCE.alert(event(plain), UTC).indicators == [("domain", "x.example.org")]


def test_indicators_are_cut_and_that_is_noted():
    many = [attribute("domain", f"h{number}.example.org") for number in range(MOST_INDICATORS + 1)]
    whole = SOURCE.alert(event(*many[:-1]), UTC)
    cut = SOURCE.alert(event(*many), UTC)
    assert (len(whole.indicators), "indicators_cut" in whole.notes) == (MOST_INDICATORS, False)
    assert (len(cut.indicators), "indicators_cut" in cut.notes) == (MOST_INDICATORS, True)


@pytest.mark.parametrize(
    ("level", "expected", "noted"),
    [
        ("1", "High", False),
        (1, "High", False),
        ("2", "Medium", False),
        ("3", "Low", False),
        ("4", "Pending", False),
        ("5", "Pending", True),
        (None, "Pending", False),
    ],
)
def test_severities(level, expected, noted):
    alert = SOURCE.alert(event(threat_level_id=level), UTC)
    assert (alert.severity, "severity_unknown" in alert.notes) == (expected, noted)


@pytest.mark.parametrize(
    ("times", "micros", "notes"),
    [
        ({"timestamp": "1767258122"}, DAY - 7_200_000_000, ("time_without_offset",)),
        ({"date": None, "timestamp": "1767258122"}, 1_767_258_122_000_000, ()),
        ({"date": "01.01.2026"}, None, ("time_unreadable",)),
        ({"date": None}, None, ("time_missing",)),
    ],
)
def test_times(times, micros, notes):
    alert = SOURCE.alert(event(**times), timezone(timedelta(hours=2)))
    assert (alert.occurred_at, alert.notes) == (micros, notes)


def test_without_an_id_there_is_no_rule_and_without_info_no_alert():
    record = event(uuid=None)
    assert (SOURCE.alert(record, UTC).rule_id, SOURCE.rule(record)) == (None, None)
    with pytest.raises(ValueError, match="without info"):
        SOURCE.alert(event(info=[]), UTC)


@pytest.mark.parametrize(
    "record",
    [
        {"Event": {"System": {"EventID": 1}}},
        {"Event": "x", "info": "I"},
        {"info": "I", "date": "2026-01-01", "threat_level_id": "1"},
        {"Object": [{"name": "file", "Attribute": []}]},
    ],
)
def test_what_only_looks_alike_is_not_ours(record):
    assert not SOURCE.claims(record)


def test_the_answer_of_a_search_is_read_event_by_event(alert_store, tmp_path):
    path = tmp_path / "answer.json"
    path.write_text(json.dumps({"response": [{"Event": event()}, {"Event": event(uuid="u-2", info="J")}]}), encoding="utf-8")
    result = alert_store.ingest(path)
    assert (result.source, result.new, result.rejected) == ("misp", 2, 0)
