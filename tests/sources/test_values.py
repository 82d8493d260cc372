"""Times in every form that tools write, and texts out of fields that hold anything."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.times import is_representable, to_micros
from alertstore.domain.vocabulary import Severity
from alertstore.sources import values
from alertstore.sources.values import as_list, dig, first, hashes, json_text, parse_time, severity_word, tactics, techniques, text, texts

TOKYO = timezone(timedelta(hours=9))
MOMENT = to_micros(datetime(2015, 3, 29, 17, 1, 38, 221126, tzinfo=UTC))
WHOLE = MOMENT - 221126
NAIVE = "time_without_offset"


@pytest.mark.parametrize(
    ("given", "micros", "note"),
    [
        ("2015-03-29T11:01:38.221126-0600", MOMENT, None),
        ("2015-03-29T17:01:38.221126+0000", MOMENT, None),
        ("2015-03-29T17:01:38.221126Z", MOMENT, None),
        ("2015-03-29T17:01:38.221126z", MOMENT, None),
        ("2015-03-29T17:01:38.2211269Z", MOMENT, None),
        ("2015-03-29 17:01:38.221126999", MOMENT - 9 * 3600 * 10**6, NAIVE),
        ("2015-03-30 02:01:38.221126", MOMENT, NAIVE),
        ("2015-03-30 02:01:38,221126 +09:00", MOMENT, None),
        ("2015-03-29 17:01:38 +00:00", WHOLE, None),
        ("2015-03-29 17:01:38Z", WHOLE, None),
        ("2015-03-29 17:01:38.000 UTC", WHOLE, None),
        ("2015-03-29T17:01Z", WHOLE - 38 * 10**6, None),
        ("  2015-03-29T17:01:38+00  ", WHOLE, None),
        (1427648498, WHOLE, None),
        (1427648498.221126, MOMENT, None),
        ("1427648498.221126", MOMENT, None),
        ("1427648498", WHOLE, None),
        (1427648498221, WHOLE + 221000, None),
        ("1427648498221", WHOLE + 221000, None),
        (1427648498221126, MOMENT, None),
        (1427648498221126999, MOMENT, None),
        ("1427648498221126999", MOMENT, None),
        (0, 0, None),
        (-1, -(10**6), None),
        ("-1.5", -1_500_000, None),
        ("2016-08-19 08:06:57.658 +09:00", to_micros(datetime(2016, 8, 18, 23, 6, 57, 658000, tzinfo=UTC)), None),
        ("1970-01-01T00:00:00.000000+0000", 0, None),
        (None, None, "time_missing"),
        ("", None, "time_missing"),
        ("none", None, "time_missing"),
        ("-", None, "time_missing"),
        ("XXXXXXXXXX.XXXXXX", None, "time_unreadable"),
        ("yesterday", None, "time_unreadable"),
        ("2015-13-29T17:01:38Z", None, "time_unreadable"),
        ("2015-03-29T17:01:38.221126+9900", None, "time_unreadable"),
        ("9" * 10_000, None, "time_unreadable"),
        (True, None, "time_unreadable"),
        ([], None, "time_unreadable"),
        ({}, None, "time_unreadable"),
        (math.nan, None, "time_unreadable"),
        (math.inf, None, "time_unreadable"),
        (10**30, None, "time_out_of_range"),
        (-1e19, None, "time_out_of_range"),
        ("0001-01-01T00:00:00", None, "time_out_of_range"),
        ("1601-01-01T00:00:00Z", None, "time_out_of_range"),
        ("9999-12-31T23:59:59.999999+0000", None, "time_out_of_range"),
        ("9999-12-31T23:59:59-23:00", None, "time_out_of_range"),
    ],
)
def test_times(given, micros, note):
    assert parse_time(given, TOKYO) == (micros, note)


@given(st.datetimes(datetime(1700, 1, 1), datetime(2249, 12, 30), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds must be naive
def test_every_moment_reads_back(moment):
    micros = to_micros(moment)
    naive = moment.replace(tzinfo=None)
    assert parse_time(naive.isoformat(timespec="microseconds") + "+0000", TOKYO) == (micros, None)
    assert parse_time(moment.isoformat(), TOKYO) == (micros, None)
    assert parse_time(moment.astimezone(TOKYO).isoformat(), UTC) == (micros, None)
    assert parse_time(naive.isoformat(sep=" "), UTC) == (micros, NAIVE)


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.from_regex(r"[0-9T:. +Z-]{0,40}", fullmatch=True))
def test_nothing_makes_a_time_raise(value):
    micros, note = parse_time(value, TOKYO)
    assert is_representable(micros) if micros is not None else note is not None


def test_texts():
    assert text("a") == "a"
    assert text(2**64) == "18446744073709551616"
    assert text(1.5) == "1.5"
    assert text(False) == "false"
    assert text([None, " ", ["b"]]) == "b"
    for nothing in (None, "", " \t", {}, {"a": 1}, [], math.inf, math.nan, 10**5000):
        assert text(nothing) is None
    assert texts(["a", 1, None, {"x": 1}, ["b"]]) == ["a", "1", "b"]
    assert texts("a") == ["a"]
    assert texts(None) == []
    assert first({"a": "", "b": 3}, ("x", "a", "b")) == "3"
    assert as_list(None) == []
    assert as_list("a") == ["a"]
    assert as_list(["a"]) == ["a"]
    assert json_text('{"a":1}') == {"a": 1}
    assert json_text("{") is None
    assert json_text("[" * 100_000) is None
    assert json_text(["a"]) == ["a"]


def test_paths():
    for record in ({"a.b.c": 1}, {"a": {"b": {"c": 1}}}, {"a": {"b.c": 1}}, {"a.b": {"c": 1}}, {"a": 5, "a.b": {"c": 1}}):
        assert dig(record, "a.b.c") == 1
    assert dig({"a": [{"b": 1}, {"x": 0}, 3, {"b": 2}]}, "a.b") == [1, 2]
    for record in ({}, {"a": 1}, {"a": {"b": None}}, {"a": []}, {"a": {"b": "c"}}):
        assert dig(record, "a.b.c") is None


def test_hashes_severities_and_attack():
    assert list(hashes(["a" * 32, "B" * 40, "0" * 64, "g" * 32, "a" * 31])) == [
        ("hash_md5", "a" * 32),
        ("hash_sha1", "B" * 40),
        ("hash_sha256", "0" * 64),
    ]
    scale = {"high": Severity.HIGH}
    assert severity_word(" HIGH ", scale, Severity.PENDING) == (Severity.HIGH, ())
    assert severity_word(None, scale, Severity.PENDING) == (Severity.PENDING, ())
    assert severity_word("banana", scale, Severity.PENDING) == (Severity.PENDING, ("severity_unknown",))
    assert techniques(["t1059", "T1059.001", "T1059", "x", "T10591", "T1059.001 "]) == (["T1059"], ["T1059.001"])
    assert tactics(["TA0010", "CredentialAccess", "initial_access", "Exfiltration", "own"]) == [
        "Exfiltration",
        "Credential Access",
        "Initial Access",
        "own",
    ]


def test_no_pattern_is_slow():
    hostile = ["1" * 63, "2015-03-29T17:01:38." + "1" * 40, " " * 60 + "x", "-" * 60]
    assert all(parse_time(value, UTC)[0] is None or value.isdigit() for value in hostile)
    assert values._TECHNIQUE.fullmatch("T" + "1" * 100_000) is None


NESTED = {"a": [{"b": "1", "c": [{"d": "2"}, {"d": ["3", None]}]}, {"b": ["4", " "]}, 5], "flat.d": "6", "e": {"f": 7}}


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        (("a[].b",), ["1", "4"]),
        (("a[].c[].d",), ["2", "3"]),
        (("flat.d", "e.f", "a"), ["6", "7", "5"]),
        (("missing", "e.missing", "e"), []),
    ],
)
def test_texts_at_paths(paths, found):
    assert values.dig_texts(NESTED, paths) == found
    assert values.dig_text(NESTED, paths) == (found[0] if found else None)


def test_typed_fields_are_lifted_once_and_without_placeholders():
    record = {"src": "192.0.2.1", "dst": ["192.0.2.1", "0.0.0.0", "::", " - "], "user": "N/A", "who": "mia", "nobody": "Unknown"}
    record |= {"digests": [{"v": "a" * 32}, {"v": " " + "b" * 64}, {"v": "0" * 40}, {"v": "x"}]}
    fields = (("ip", "src"), ("ip", "dst"), ("account", "user"), ("account", "who"), ("account", "nobody"), ("hash", "digests[].v"))
    assert values.lifted(record, fields) == [
        ("ip", "192.0.2.1"),
        ("account", "mia"),
        ("hash_md5", "a" * 32),
        ("hash_sha256", "b" * 64),
    ]
