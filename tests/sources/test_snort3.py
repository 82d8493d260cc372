"""Snort 3: objects with whichever fields are configured, lines of the short log, and times with and without a year."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.snort3 import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_258_122_400_000
BASE = {"timestamp": "26/01/01-09:02:02.400000", "rule": "1:44604:2"}
LINE = '01/02-09:02:02.4 [**] [116:5:1] "(ipv4) odd [length], too" [**] [Classification: Misc activity] [Priority: 3] [AppID: ICMP] '


class TestContract(SourceContract):
    source = "snort3"
    sample = "snort3.jsonl"


class TestContractOfLines(SourceContract):
    source = "snort3"
    sample = "snort3-fast.txt"


def alert(**more):
    return SOURCE.alert(BASE | more, UTC)


def of_line(line):
    assert SOURCE.claims({"text": line})
    return SOURCE.alert({"text": line}, UTC)


def test_an_object_with_all_that_is_read():
    record = BASE | {
        "seconds": 1_767_258_122,
        "msg": "M",
        "class": "Misc activity",
        "priority": 2,
        "src_addr": "192.0.2.17",
        "src_ap": "192.0.2.17:49152",
        "dst_ap": "2001:db8::9:443",
        "action": "allow",
    }
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, timezone(timedelta(hours=1))) == NewAlert(
        title="M",
        severity=Severity.MEDIUM,
        occurred_at=AT,
        description="Misc activity",
        indicators=[("ip", "192.0.2.17"), ("ip", "2001:db8::9")],
        rule_id="44604",
    )
    rule = SOURCE.rule(record)
    assert (rule.name, rule.source_rule_id, rule.source_name, rule.severity) == ("M", "44604", "snort3", "2")


def test_the_fields_that_are_written_by_default_have_no_message():
    found = SOURCE.alert({"timestamp": "01/01-09:02:02.4", "pkt_num": 3, "src_ap": ":0", "dst_ap": "10.0.0.1:0", "rule": "116:6:1"}, UTC)
    assert (found.title, found.rule_id, found.severity) == ("116:6", "116:6", Severity.PENDING)
    assert (found.description, found.indicators) == (None, [("ip", "10.0.0.1")])


def test_the_ids_may_stand_alone():
    record = {"seconds": 1_767_258_122, "gid": 1, "sid": 5, "rev": 1}
    assert SOURCE.claims(record)
    assert (SOURCE.alert(record, UTC).title, SOURCE.alert(record, UTC).rule_id) == ("1:5", "5")
    assert SOURCE.rule(record | {"gid": 3}) == NewRule(name="3:5", source_rule_id="3:5", source_name="snort3")


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        (1, "High"),
        (2, "Medium"),
        (3, "Low"),
        (4, "Informational"),
        (255, "Informational"),
        ("1", "High"),
        (0, "Pending"),
        (None, "Pending"),
        ("high", "Informational"),
    ],
)
def test_priorities(priority, expected):
    assert alert(priority=priority).severity == expected


@pytest.mark.parametrize(
    ("more", "micros", "notes"),
    [
        ({"timestamp": "26/01/01-10:02:02.400000"}, AT, ("time_without_offset",)),
        ({"timestamp": "01/02/03-00:00:00.000000"}, 981_154_800_000_000, ("time_without_offset",)),
        ({"timestamp": "01/01-10:02:02.400000"}, None, ("time_without_year",)),
        ({"timestamp": "01/01-10:02:02.400000", "seconds": 1_767_258_122}, AT, ()),
        ({"timestamp": "01/01-10:02:02", "seconds": 1_767_258_122}, AT - 400_000, ()),
        ({"timestamp": None, "seconds": "1767258122"}, AT - 400_000, ()),
        ({"timestamp": None, "seconds": 1_767_258_122.4}, AT, ()),
        ({"timestamp": "2026-01-01T09:02:02.4Z"}, AT, ()),
        ({"timestamp": "26/13/01-10:02:02.400000"}, None, ("time_unreadable",)),
        ({"timestamp": "then"}, None, ("time_unreadable",)),
        ({"timestamp": None}, None, ("time_missing",)),
    ],
)
def test_times(more, micros, notes):
    found = SOURCE.alert(BASE | more, timezone(timedelta(hours=1)))
    assert (found.occurred_at, found.notes) == (micros, notes)


def test_a_line():
    assert of_line(LINE + "{ICMP} 198.51.100.7 -> 192.0.2.17") == NewAlert(
        title="(ipv4) odd [length], too",
        severity=Severity.LOW,
        description="Misc activity",
        indicators=[("ip", "198.51.100.7"), ("ip", "192.0.2.17")],
        rule_id="116:5",
        notes=("time_without_year",),
    )


@pytest.mark.parametrize(
    ("stamp", "micros"),
    [("26/01/31-09:02:02.4", 1_769_850_122_400_000), ("01/31/26-09:02:02.4", 1_769_850_122_400_000)],
)
def test_lines_with_a_year_by_snort_3_and_by_snort_2(stamp, micros):
    found = of_line(f"{stamp} [**] [1:5:1] M [**] [Priority: 1] {{TCP}} 2001:db8::1:80 -> 192.0.2.17:49152")
    assert (found.occurred_at, found.notes, found.title, found.severity) == (micros, ("time_without_offset",), "M", Severity.HIGH)
    assert found.indicators == [("ip", "2001:db8::1"), ("ip", "192.0.2.17")]


@pytest.mark.parametrize("line", ["01/02-09:02:02.4 [**] [1:5:1] M [**] ", "01/02-09:02:02.4 [**] [1:5:1] M [**] [Priority] {TCP} x", ""])
def test_lines_that_break_off(line):
    assert SOURCE.claims({"text": line}) is bool(line)
    if line:
        assert (of_line(line).title, of_line(line).indicators) == ("M", [])


def test_what_is_not_ours():
    assert not SOURCE.claims({"rule": "1:5:1"})
    assert not SOURCE.claims({"rule": "1:5", "timestamp": "x"})
    assert not SOURCE.claims({"rule": "a:b:c", "timestamp": "x"})
    assert not SOURCE.claims({"gid": 1, "sid": 5, "timestamp": "x"})
    assert not SOURCE.claims({"text": "[**] no ids [**]"})
    assert not SOURCE.claims({"text": f"{'x' * 70} {LINE}"})
    assert not SOURCE.claims({"text": LINE, "title": "a form with a text"})
    with pytest.raises(ValueError, match="no msg"):
        SOURCE.alert({"timestamp": "x"}, UTC)
    assert (SOURCE.alert({"text": "Commencing packet processing"}, UTC), SOURCE.rule({"text": "nothing"})) == (None, None)
    with pytest.raises(ValueError, match="no msg"):
        SOURCE.alert({"text": "01/02-09:02:02.4 [**] [1:5:1] M"}, UTC)
