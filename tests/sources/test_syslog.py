"""Headers, attributes and dates of CEF and LEEF lines."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from alertstore.sources.syslog import attributes, first_time, header, read_time, unescaped

AT = 1_767_258_122_000_000


@pytest.mark.parametrize(
    ("text", "count", "fields", "rest"),
    [
        ("a|b|c", 2, ["a", "b"], "c"),
        ("a| b |", 2, ["a", "b"], ""),
        (r"a\|b|c|d", 2, ["a|b", "c"], "d"),
        (r"a\\|b|d", 2, ["a\\", "b"], "d"),
        (r"a\\\|b|c|d", 2, [r"a\|b", "c"], "d"),
        ("||x|y", 2, ["", ""], "x|y"),
    ],
)
def test_a_header_is_cut_at_bars_that_are_not_escaped(text, count, fields, rest):
    assert header(text, count) == (fields, rest)


@pytest.mark.parametrize("text", ["", "a", r"a\|b", "a|b"])
def test_a_short_header_is_refused(text):
    with pytest.raises(ValueError, match="where 2 belong"):
        header(text, 2)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("src=192.0.2.1 msg=a value with blanks dst=192.0.2.2 ", {"src": "192.0.2.1", "msg": "a value with blanks", "dst": "192.0.2.2"}),
        (r"request=https://x/?a\=1&b=2 act=x", {"request": r"https://x/?a\=1&b=2", "act": "x"}),
        ("a= b=2 a=3 a=4", {"b": "2", "a": "3"}),
        ("ad.field[0]=x cs1Label=Rule Name cs1=The rule", {"ad.field[0]": "x", "cs1Label": "Rule Name", "cs1": "The rule"}),
        ("no attributes at all", {}),
        ("=x  =y", {}),
    ],
)
def test_attributes(text, found):
    assert attributes(text) == found


def test_attributes_of_a_hostile_line_are_found_in_one_pass():
    assert attributes("a" * 1_000_000) == {}
    assert attributes("a b" * 300_000) == {}
    assert attributes("\\" * 1_000_000 + "x=1") == {}
    assert header("\\" * 1_000_001 + "|" + "|", 1)[1] == ""


@pytest.mark.parametrize(
    ("value", "plain", "in_lines"),
    [
        ("nothing", "nothing", "nothing"),
        (r"a\=b\|c\\d", r"a=b|c\d", r"a=b|c\d"),
        (r"EXAMPLE\nick", r"EXAMPLE\nick", "EXAMPLE\nick"),
        (r"EXAMPLE\\nick", r"EXAMPLE\nick", r"EXAMPLE\nick"),
        (r"one\r\ntwo\tthree", r"one\r\ntwo\tthree", "one\r\ntwo\tthree"),
        (r"\x \"", r"\x \"", r"\x \""),
    ],
)
def test_escapes(value, plain, in_lines):
    assert unescaped(value) == plain
    assert unescaped(value, lines=True) == in_lines


@pytest.mark.parametrize(
    ("value", "micros", "note"),
    [
        ("1767258122000", AT, None),
        ("Jan 01 2026 09:02:02", AT - 7_200_000_000, "time_without_offset"),
        ("Jan  1 2026 09:02:02 UTC", AT, None),
        ("jan 1 2026 09:02:02.500 GMT", AT + 500_000, None),
        ("Jan 01, 2026 09:02:02 Z", AT, None),
        ("Jan 01 2026 10:02:02 +01:00", AT, None),
        ("Jan 01 2026 10:02:02 +0100", AT, None),
        ("Jan 01 09:02:02", None, "time_without_year"),
        ("Jan 01 09:02:02.000 UTC", None, "time_without_year"),
        ("Jan 01 2026 09:02:02 EST", None, "time_unreadable"),
        ("Foo 01 2026 09:02:02", None, "time_unreadable"),
        ("Feb 31 2026 09:02:02", None, "time_unreadable"),
        ("2026-01-01T09:02:02Z", AT, None),
        ("Jan 01 2026 09:02:02 " + "x" * 100, None, "time_unreadable"),
    ],
)
def test_times(value, micros, note):
    assert read_time(value, timezone(timedelta(hours=2))) == (micros, note)


@pytest.mark.parametrize(
    ("before", "micros", "note"),
    [
        ("<134>1 2026-01-01T09:02:02.000Z host app - - - ", AT, None),
        ("2026-01-01T09:02:02+00:00 host ", AT, None),
        ("<13>Jan  1 09:02:02 host ", None, "time_without_year"),
        ("Jan 01 09:02:02 gmt ", None, "time_without_year"),
        ("Jan 01, 2026 09:02:02 host ", AT, "time_without_offset"),
        ("host app: ", None, "time_missing"),
        ("", None, "time_missing"),
        ("<13>1", None, "time_missing"),
    ],
)
def test_the_syslog_header_has_the_time_where_the_event_has_none(before, micros, note):
    assert first_time({"rt": ""}, ("start",), before, UTC) == (micros, note)
    assert first_time({"end": "1767258122000", "rt": "x"}, ("start", "end", "rt"), before, UTC) == (AT, None)
