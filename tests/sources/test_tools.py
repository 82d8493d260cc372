"""What each source makes of its tool's records, and that no record makes one stumble."""

from __future__ import annotations

import json
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alertstore.samples
from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import IndicatorType, Severity
from alertstore.sources.readers import open_reading
from alertstore.sources.registry import load_source, load_sources

SAMPLES = Path(next(iter(alertstore.samples.__path__)))
EVE = {
    "event_type": "alert",
    "timestamp": "2026-01-01T00:00:00.000000+0000",
    "alert": {"gid": 1, "signature_id": 5, "signature": "S", "severity": 2},
}


def mapped(name, record):
    source = load_source(name)
    assert source.claims(record)
    return source.alert(record, UTC), source.rule(record)


def sample(name):
    with (SAMPLES / name).open("rb") as file:
        reading = open_reading(file, name=name, sources=load_sources(plugins=False))
        alerts = []
        for one in reading.records():
            assert one.problem is None
            record = reading.parse(one.raw)
            alerts.append((reading.source.alert(record, UTC), reading.source.rule(record)))
    return reading.source.name, alerts


@pytest.mark.parametrize(
    ("name", "source", "count"),
    [
        ("suricata-eve.json", "suricata", 136),
        ("hayabusa.jsonl", "hayabusa", 4),
        ("hayabusa.csv", "hayabusa", 4),
        ("elastic.jsonl", "elastic", 2),
        ("sentinel.csv", "sentinel", 2),
        ("sentinel.json", "sentinel", 1),
        ("splunk.jsonl", "splunk", 2),
        ("zeek-notice.log", "zeek", 2),
        ("generic.jsonl", "generic", 2),
    ],
)
def test_samples(name, source, count):
    found, alerts = sample(name)
    assert found == source
    assert len(alerts) == count
    for alert, rule in alerts:
        assert alert.title
        assert alert.occurred_at is not None
        assert alert.notes == ()
        assert rule is None or (rule.source_rule_id == alert.rule_id and rule.source_name == source)


def test_samples_are_small_and_their_origin_is_told():
    told = (SAMPLES / "README.md").read_text(encoding="utf-8")
    files = [path for path in SAMPLES.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 250_000
    assert all(f"`{path.name}`" in told for path in files if path.suffix not in {".md", ".py"})
    assert "Permission is hereby granted" in told


def test_both_forms_of_hayabusa_say_the_same():
    def essence(alerts):
        return [(a.title, a.severity, a.occurred_at, a.indicators, a.rule_id, r) for a, r in alerts]

    assert essence(sample("hayabusa.jsonl")[1]) == essence(sample("hayabusa.csv")[1])


def test_suricata_alert():
    event = EVE | {
        "src_ip": "192.0.2.1",
        "dest_ip": "198.51.100.2",
        "http": {"hostname": "a.example", "url": "/x?y"},
        "dns": {"query": [{"rrname": "q.example"}], "answers": [{"rrname": "n.example"}], "rrname": "r.example"},
        "tls": {"sni": "t.example"},
        "email": {"from": "Mia <mia@example.org>", "to": ["jo@example.org", "nobody"]},
        "files": [{"sha256": "a" * 64, "md5": "b" * 32, "filename": "x"}],
        "fileinfo": {"sha1": "c" * 40},
    }
    event["alert"] = event["alert"] | {
        "category": "C",
        "metadata": {"mitre_tactic_id": ["TA0011"], "mitre_technique_id": ["T1071", "T1071.004"]},
    }
    alert, rule = mapped("suricata", event)
    assert alert == NewAlert(
        title="S",
        severity=Severity.MEDIUM,
        occurred_at=1_767_225_600_000_000,
        description="C",
        rule_id="5",
        indicators=[
            ("ip", "192.0.2.1"),
            ("ip", "198.51.100.2"),
            ("domain", "a.example"),
            ("url", "http://a.example/x?y"),
            ("domain", "r.example"),
            ("domain", "q.example"),
            ("domain", "n.example"),
            ("domain", "t.example"),
            ("email", "mia@example.org"),
            ("email", "jo@example.org"),
            ("hash_sha256", "a" * 64),
            ("hash_md5", "b" * 32),
            ("hash_sha1", "c" * 40),
        ],
    )
    assert rule == NewRule(
        name="S",
        source_rule_id="5",
        source_name="suricata",
        severity="2",
        mitre_tactics=["Command and Control"],
        mitre_techniques=["T1071"],
        mitre_subtechniques=["T1071.004"],
    )


@pytest.mark.parametrize(
    ("severity", "expected"),
    [(1, "High"), (2, "Medium"), (3, "Low"), (4, "Informational"), (255, "Informational"), ("1", "Informational"), (None, "Pending")],
)
def test_suricata_severity(severity, expected):
    assert mapped("suricata", EVE | {"alert": EVE["alert"] | {"severity": severity}})[0].severity == expected


def test_suricata_ids_and_titles():
    alert, rule = mapped("suricata", EVE | {"alert": {"gid": 116, "signature_id": 2**63, "signature": "", "category": ""}})
    assert (alert.title, alert.rule_id, alert.description) == ("116:9223372036854775808", "116:9223372036854775808", None)
    assert rule.name == alert.title
    alert, rule = mapped("suricata", EVE | {"alert": {"signature_id": 7}})
    assert (alert.title, alert.rule_id) == ("1:7", "7")
    alert, rule = mapped("suricata", EVE | {"alert": {"signature": "x"}})
    assert (alert.rule_id, rule) == (None, None)


def test_suricata_other_events_and_broken_alerts():
    source = load_source("suricata")
    assert source.claims({"event_type": "flow", "timestamp": "x"})
    assert source.alert({"event_type": "flow", "timestamp": "x"}, UTC) is None
    for broken in ({"alert": None}, {"alert": []}, {"alert": {}}):
        with pytest.raises(ValueError, match="alert"):
            source.alert(EVE | broken, UTC)


def test_suricata_indicator_shapes():
    def pairs(**more):
        return mapped("suricata", EVE | more)[0].indicators

    assert pairs(http={"hostname": "192.0.2.7", "url": "x"}) == [("ip", "192.0.2.7"), ("url", "http://192.0.2.7/x")]
    assert pairs(http={"hostname": "p.example", "url": "http://o.example/"}) == [("domain", "p.example"), ("url", "http://o.example/")]
    assert pairs(http={"url": "/only"}) == []
    assert pairs(dns={"queries": [{"rrname": "a"}], "answer": {"rrname": "b"}}) == [("domain", "a"), ("domain", "b")]
    assert pairs(src_ip=["192.0.2.1", "192.0.2.2"]) == [("ip", "192.0.2.1"), ("ip", "192.0.2.2")]
    assert pairs(dns=[], http="x", tls=1, email=None, files={}, fileinfo=[3]) == []


def test_elastic_takes_flat_nested_and_hits():
    flat = {
        "@timestamp": "2026-01-01T00:00:00Z",
        "kibana.alert.rule.name": "R",
        "kibana.alert.rule.uuid": "u",
        "kibana.alert.severity": "critical",
        "host.ip": ["192.0.2.1"],
    }
    nested = {
        "@timestamp": "2026-01-01T00:00:00Z",
        "kibana": {"alert": {"rule": {"name": "R", "uuid": "u"}, "severity": "critical"}},
        "host": {"ip": ["192.0.2.1"]},
    }
    results = [mapped("elastic", record) for record in (flat, nested, {"_id": "x", "_source": flat})]
    assert results[0] == results[1] == results[2]
    alert, rule = results[0]
    assert (alert.title, alert.severity, alert.rule_id, alert.indicators) == ("R", Severity.CRITICAL, "u", [("ip", "192.0.2.1")])
    assert rule.severity == "critical"


def test_sentinel_times_are_utc_and_accounts_are_whole():
    _, alerts = sample("sentinel.csv")
    assert alerts[0][0].occurred_at == 1_772_784_914_000_000
    assert alerts[0][0].indicators == [("ip", "198.51.100.77"), ("account", r"LAB\sam")]
    assert alerts[1][0].indicators == []
    assert sample("sentinel.json")[1][0][1].mitre_subtechniques == ["T1078.004"]


def test_splunk_urgency_wins_and_names_are_no_addresses():
    (first, rule), (second, other) = sample("splunk.jsonl")[1]
    assert (first.severity, first.rule_id) == (Severity.HIGH, "Access - Brute Force - Rule")
    assert first.indicators == [("ip", "198.51.100.5"), ("ip", "198.51.100.6"), ("account", "sam")]
    assert rule.mitre_subtechniques == ["T1110.001"]
    assert (second.tags, other.mitre_tactics) == (["network", "exfiltration"], ["Exfiltration"])


def test_zeek_actions_rate_and_unset_cells_are_left_out():
    (first, _), (second, _) = sample("zeek-notice.log")[1]
    assert (first.severity, second.severity) == (Severity.MEDIUM, Severity.PENDING)
    assert second.title == "odd\ttab in a message"
    assert second.indicators == [("ip", "2001:db8::9")]
    assert not load_source("zeek").claims({"note": "x", "msg": "y", "ts": 1, "_path": "weird"})
    alert, _ = mapped("zeek", {"note": "A::B", "msg": "m", "ts": "XXXXXXXXXX.XXXXXX"})
    assert (alert.occurred_at, alert.notes) == (None, ("time_unreadable",))


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("crit", "Critical"),
        ("emer", "Critical"),
        ("high", "High"),
        ("MED", "Medium"),
        ("low", "Low"),
        ("info", "Informational"),
        ("?", "Pending"),
    ],
)
def test_hayabusa_levels(level, expected):
    alert, _ = mapped(
        "hayabusa", {"RuleTitle": "R", "Level": level, "Computer": "c", "Channel": "Sec", "Timestamp": "2026-01-01 00:00:00.000 +00:00"}
    )
    assert alert.severity == expected
    assert alert.notes == (("severity_unknown",) if level == "?" else ())
    assert alert.rule_id == "R"


def test_generic_fields():
    record = {
        "title": " T ",
        "severity": "weird",
        "tags": "no list",
        "occurred_at": "soon",
        "rule_id": 7,
        "rule_name": "N",
        "indicators": [{"type": "ip", "value": "x"}, {"type": "?", "value": "y"}, 3],
        "hash": "a" * 32,
    }
    alert, rule = mapped("generic", record)
    assert alert.notes == ("severity_unknown", "time_unreadable")
    assert (alert.title, alert.severity, alert.tags, alert.rule_id) == (" T ", Severity.PENDING, (), "7")
    assert alert.indicators == [("ip", "x"), ("hash_md5", "a" * 32)]
    assert (rule.name, rule.source_rule_id) == ("N", "7")
    for no in ({}, {"title": ""}, {"title": " "}, {"title": 3}, {"title": ["x"]}):
        assert not load_source("generic").claims(no)


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["alert", "notice", "@@notable@@", "T1059.001", "{}", '["a"]']),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["rrname", "value", "Type", "Address", "type", "id", "name"]) | st.text(max_size=4), inner, max_size=3
        )
    ),
    max_leaves=6,
)
TEMPLATES = [
    json.loads(line)
    for name in ("elastic.jsonl", "splunk.jsonl", "hayabusa.jsonl", "generic.jsonl")
    for line in (SAMPLES / name).read_text("utf-8").splitlines()
]
TEMPLATES += [
    json.loads((SAMPLES / "sentinel.json").read_text("utf-8")),
    EVE | dict.fromkeys(["src_ip", "dest_ip", "http", "dns", "tls", "email", "files", "fileinfo"]),
    dict.fromkeys(["note", "msg", "sub", "ts", "src", "dst", "actions", "id.orig_h", "_path"], "x"),
    dict.fromkeys(
        ["SystemAlertId", "ProviderName", "AlertName", "AlertType", "Severity", "Entities", "ExtendedProperties", "StartTimeUtc"], "x"
    ),
]


def mutate(draw, value):
    """The record with one of its values, at any depth, replaced by anything."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(value)))
        return value | {key: mutate(draw, value[key])}
    if isinstance(value, list) and value and draw(st.booleans()):
        return [mutate(draw, value[0]), *value[1:]]
    return draw(anything)


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_no_record_makes_a_source_raise_anything_but_a_reason(data):
    record, reasons = data.draw(st.sampled_from(TEMPLATES)), []
    for _ in range(3):
        key = data.draw(st.sampled_from(sorted(record)))
        record = record | {key: mutate(data.draw, record[key])}
    for source in load_sources(plugins=False):
        assert source.claims(record) in {True, False}
        try:
            alert = source.alert(record, UTC)
            rule = source.rule(record)
        except ValueError as why:
            reasons.append(str(why))
            continue
        if alert is not None:
            assert isinstance(alert.title, str)
            assert alert.title.strip()
            assert isinstance(alert.severity, Severity)
            assert all(kind in set(IndicatorType) and isinstance(value, str) and value for kind, value in alert.indicators)
            assert all(isinstance(tag, str) for tag in alert.tags)
            assert alert.rule_id is None or isinstance(alert.rule_id, str)
            assert alert.description is None or isinstance(alert.description, str)
        assert rule is None or isinstance(rule.name, str)
    assert all(reasons)
