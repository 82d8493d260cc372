"""Which value of a record goes where: found by taking the record apart, for every source, and never made up."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.base import Source, mapped_fields
from alertstore.sources.explain import LEAST_TRIED, explain
from alertstore.sources.paths import covers, dotted, exact, leaves, nodes, replaced, value_at, without
from alertstore.sources.reasons import severity_reason, time_reason
from alertstore.sources.registry import load_source
from alertstore.testing.source_contract import SAMPLES, read_sample, sample_owner

EVE = {
    "timestamp": "2026-03-05T10:01:58.004000+0000",
    "event_type": "alert",
    "flow_id": 7,
    "src_ip": "192.0.2.1",
    "dest_ip": "not an address",
    "alert": {"signature_id": 2019401, "gid": 1, "signature": "ET MALWARE Beacon", "severity": 1, "category": "A Trojan"},
    "http": {"hostname": "C2.Example.COM", "url": "/gate", "status": 200},
}


def told(source, record, tz=UTC):
    found = explain(load_source(source), record, tz)
    return {(one.output, one.value): ([exact(path) for path in one.sources], one.why) for one in found.values}, found


def test_every_value_has_its_place_and_its_reason():
    values, found = told("suricata", EVE)
    assert values == {
        ("title", "ET MALWARE Beacon"): (["alert.signature"], ""),
        ("severity", "High"): (["alert.severity"], "1 in the tool's table"),
        ("occurred_at", "2026-03-05T10:01:58.004000Z"): (["timestamp"], "a time with its zone"),
        ("description", "A Trojan"): (["alert.category"], ""),
        ("indicator", "ip:192.0.2.1"): (["src_ip"], ""),
        ("indicator", "ip:not an address"): (["dest_ip"], "dropped: not of the type ip"),
        ("indicator", "domain:C2.Example.COM"): (["http.hostname"], "kept as c2.example.com"),
        ("indicator", "url:http://C2.Example.COM/gate"): (["http.hostname", "http.url"], ""),
        ("rule id", "2019401"): (["alert.signature_id"], ""),
        ("rule name", "ET MALWARE Beacon"): (["alert.signature"], ""),
        ("rule severity", "1"): (["alert.severity"], ""),
    }
    assert found.outcome == "alert"
    assert [exact(path) for path in found.deciding] == ["event_type"]
    assert [exact(path) for path in found.unused] == ["flow_id", "alert.gid", "http.status"]
    assert found.untried == 0


def test_what_stands_twice_is_found_all_the_same():
    values, _ = told("zeek", {"ts": 1.5, "note": "A::B", "msg": "m", "src": "192.0.2.1", "id.orig_h": "192.0.2.1", "p": 1})
    assert values["indicator", "ip:192.0.2.1"][0] == ["src", "id.orig_h"]
    assert values["rule id", "A::B"][0] == values["rule name", "A::B"][0] == ["note"]
    row = {"SystemAlertId": "1", "ProviderName": "p", "AlertName": "Brute", "AlertDisplayName": "Brute", "Severity": "High"}
    values, _ = told("sentinel", row)
    assert values["title", "Brute"][0] == ["AlertName", "AlertDisplayName"]


def test_what_stands_in_for_each_other_in_other_words_is_found_together():
    event = {"priority": "Notice", "rule": "Shell", "hostname": "n1", "source": "syscall", "tags": [], "output": "a shell"}
    event |= {"time": "2026-01-01T09:02:02.4Z", "output_fields": {"evt.time": 1767258122400000123, "user.name": "root"}}
    values, _ = told("falco", event)
    assert values["occurred_at", "2026-01-01T09:02:02.400000Z"][0] == ["time", "output_fields.evt.time"]
    assert values["title", "Shell"][0] == ["rule"]


def test_notes_and_defaults_say_what_was_assumed():
    values, _ = told("generic", {"title": "x", "severity": "awful", "occurred_at": "2026-01-02 03:04:05", "tags": ["a", " ", "a"]})
    assert values["severity", "Pending"] == ([], "nothing in the record says how severe it is")
    assert values["note", "severity_unknown"] == (["severity"], "the word is not in the tool's table")
    assert values["occurred_at", "2026-01-02T03:04:05Z"] == (["occurred_at"], "a time without a zone, taken as UTC")
    assert values["note", "time_without_offset"][0] == ["occurred_at"]
    assert values["note", "blank_tag_dropped"][0] == ["tags[1]"]
    assert values["tag", "a"][0] == ["tags[0]", "tags[2]"]
    values, _ = told("generic", {"title": "x"})
    assert values["severity", "Pending"] == ([], "nothing in the record says how severe it is")
    assert values["note", "time_missing"][0] == []


@pytest.mark.parametrize(
    ("record", "outcome", "reason"),
    [
        ({**EVE, "event_type": "flow"}, "no alert", "not an alert"),
        ({**EVE, "alert": 7}, "rejected", "an alert event without an alert object"),
        ({}, "no alert", "not an alert"),
    ],
)
def test_a_record_that_is_no_alert_says_why(record, outcome, reason):
    found = explain(load_source("suricata"), record, UTC)
    assert (found.outcome, found.values) == (outcome, ())
    assert reason in found.reason


class Rude:
    """A source of somebody else's, which fails wherever something is missing."""

    name, tool, signature, severities = "rude", "Rude", "x", {}

    def claims(self, record):
        return True

    def alert(self, record, tz):
        return NewAlert(record["a"]["b"], Severity.LOW, indicators=[("ip", record["ip"])], rule_id=record["r"], notes=("odd",))

    def rule(self, record):
        return NewRule(record["missing"])


def test_a_source_that_fails_is_explained_as_far_as_it_goes():
    values = {
        one.value: [exact(path) for path in one.sources] for one in explain(Rude(), {"a": {"b": "t"}, "ip": "::1", "r": "7"}, UTC).values
    }
    assert values == {"t": ["a.b"], "Low": [], "ip:::1": ["ip"], "7": ["r"], "odd": []}
    found = explain(Rude(), {}, UTC)
    assert (found.outcome, found.reason) == ("rejected", "the source failed on it: KeyError")
    assert mapped_fields(Rude()) == {}
    assert isinstance(Rude(), Source)


@pytest.mark.parametrize("file", [file for file in sorted(SAMPLES.iterdir()) if sample_owner(file)], ids=lambda file: file.name)
def test_what_is_told_of_every_sample_is_true(file):
    """Put something else where a value is said to come from, and it is no longer there; elsewhere, and it still is."""
    owner = sample_owner(file)
    source = load_source(owner)
    alerts = [record for record in read_sample(file, source) if explain(source, record, UTC).outcome == "alert"][:3]
    assert alerts
    for record in alerts:
        found = explain(source, record, UTC)
        named = [(one.output, one.value) for one in found.values if one.output != "note"]
        assert named[0][0] == "title"
        assert {path for one in found.values for path in one.sources}.isdisjoint(found.unused)
        for one in found.values:
            less = record
            for path in sorted(one.sources, reverse=True, key=str):
                less = replaced(less, path, "zzz~")
            if one.sources and one.output in {"title", "indicator", "tag", "description"}:
                after = explain(source, less, UTC)
                assert (one.output, one.value) not in [(other.output, other.value) for other in after.values]


def test_a_huge_record_is_explained_in_bounded_time(monkeypatch):
    record = {**EVE, "packets": [{"n": number, "inner": {"ip": "192.0.2.9"}} for number in range(20_000)]}
    found = explain(load_source("suricata"), record, UTC)
    assert found.untried == 0
    assert ("packets", 19_999, "n") in found.unused
    names = [{"rrname": f"host{number}.example"} for number in range(3 * LEAST_TRIED)]
    found = explain(load_source("suricata"), {"dns": {"queries": names}, **EVE}, UTC)
    assert found.untried == 0
    monkeypatch.setattr("alertstore.sources.explain.MOST_WORK", 0)
    found = explain(load_source("suricata"), {"dns": {"queries": names}, **EVE}, UTC)
    assert 2 * LEAST_TRIED < found.untried < 3 * LEAST_TRIED
    assert next(one.sources for one in found.values if one.output == "title") == (("alert", "signature"),)  # long lists wait
    assert not {path for one in found.values for path in one.sources} & set(found.unused)


def test_reasons():
    table = {"high": Severity.HIGH, 1: Severity.HIGH, "A::B": Severity.HIGH}
    assert severity_reason(table, "High", ["HIGH "]) == "high in the tool's table"
    assert severity_reason(table, "High", [1]) == "1 in the tool's table"
    assert severity_reason(table, "High", ["x,A::B"]) == "A::B in the tool's table"
    assert severity_reason(table, "High", [["x"], 7.5]) == "from ['x'], 7.5"
    assert severity_reason(table, "Low", ["high"]) == "from high"
    zone = timezone(timedelta(hours=2))
    for value, words in (
        (1772704918, "seconds since 1970-01-01"),
        ("1772704918000", "milliseconds since 1970-01-01"),
        (1772704918000000, "microseconds since 1970-01-01"),
        (1772704918000000000, "nanoseconds since 1970-01-01"),
        ("2026-03-05T10:01:58Z", "a time with its zone"),
        ("2026-03-05 12:01:58", "a time without a zone, taken as UTC+02:00"),
        ("2026-03-05 10:01:58", "a time without a zone, taken as UTC"),
        ("2026-03-05 09:01:58", ""),
        ("words", ""),
        (None, ""),
    ):
        assert time_reason(value, "2026-03-05T10:01:58Z", zone) == words, value


def test_paths():
    record = {"a": [{"b.c": 1}, {}], "d": {"e": None}, "": 0}
    assert [exact(path) for path, _ in leaves(record)] == ["a[0].b.c", "a[1]", "d.e", ""]
    assert [dotted(path) for path, _ in nodes(record)] == ["a", "a[]", "a[].b.c", "a[]", "d", "d.e", ""]
    assert without(record, ("a", 0, "b.c")) == {"a": [{}, {}], "d": {"e": None}, "": 0}
    assert without(record, ("a", 0)) == {"a": [{}], "d": {"e": None}, "": 0}
    assert replaced(record, ("d", "e"), 7)["d"] == {"e": 7}
    assert value_at(record, ("a", 0, "b.c")) == 1
    assert record["a"][0] == {"b.c": 1}


@pytest.mark.parametrize(
    ("declared", "path", "same"),
    [
        ("a.b", ("a", "b"), True),
        ("a.b", ("a.b",), True),
        ("a[].b", ("a", 3, "b"), True),
        ("a.b", ("a", 3, "b"), True),
        ("a", ("a", "b", 0, "c"), True),
        ("a.b.c", ("a",), True),
        ("a.*.c", ("a", "x", "c"), True),
        ("a.*.c", ("a", "x.y", "c", "d"), True),
        ("a.*.c", ("a", "c"), False),
        ("a", ("ab",), False),
        ("a.b", ("a", "bc"), False),
        ("b", ("a", "b"), False),
        ("a.b", ("x", "a", "b"), False),
    ],
)
def test_a_declared_path_means_its_place(declared, path, same):
    assert covers(declared, path) is same
