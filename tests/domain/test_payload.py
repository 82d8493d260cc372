"""Reading a record's bytes: strict for mapping, lenient for display."""

from __future__ import annotations

import json
import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.payload import TEXT_LINES, Header, parse_record, view

TABLE = Header(("a", "b"), ",")
ZEEK = Header(("ts", "msg", "sub"), "\t")
clean_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | clean_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(clean_text, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(clean_text, values, max_size=5), st.booleans())
def test_an_object_reads_back(record, escaped):
    raw = json.dumps(record, ensure_ascii=escaped).encode()
    assert parse_record(raw, None) == record
    assert view(raw, None) == record


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode(errors="surrogatepass")))
def test_any_bytes_give_a_dict_or_a_reason(raw):
    reasons: list[str] = []
    for header in (None, TABLE, ZEEK, TEXT_LINES):
        try:
            assert isinstance(parse_record(raw, header), dict)
        except ValueError as why:
            reasons.append(str(why))
        json.dumps(view(raw, header), allow_nan=False)
    assert all(reasons)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not valid JSON"),
        (b"{", "character 1"),
        (b'{"a":1,}', "character"),
        (b'{"a":1} x', "character 8"),
        (b"[1]", "not a JSON object"),
        (b"1", "not a JSON object"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":-Infinity}', "-Infinity is not JSON"),
        (b'{"a":"\xff"}', "not valid UTF-8 at byte 6"),
        (b'{"a":"\xed\xa0\x80"}', "not valid UTF-8"),
        (rb'{"a":"\ud800"}', "surrogate"),
        (rb'{"\udfff":1}', "surrogate"),
        (rb'{"a":["x",{"b":"\uDC00y"}]}', "surrogate"),
        (b'{"a":"\x00"}', "not valid JSON"),
        (b'{"a":' + b"9" * 5000 + b"}", "5000 digits"),
        (b'{"a":' + b"[" * 64 + b"]" * 64 + b"}", "nested deeper than 64"),
        (b'{"a":' * 100_000, "nested deeper than 64"),
        (b"[" * 5_000_000, "nested deeper than 64"),
    ],
)
def test_refused(raw, reason):
    with pytest.raises(ValueError, match=reason):
        parse_record(raw, None)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a":1e400}', math.inf),
        (b'{"a":18446744073709551616}', 2**64),
        (b'{"a":1,"a":2}', 2),
        (b' \n{"a":1}\r', 1),
        (rb'{"a":"x\u0000y"}', "x\ufffdy"),
        (rb'{"a":"\\u0000"}', r"\u0000"),
        (rb'{"a":"\ud83d\ude00"}', "\U0001f600"),
        (rb'{"a":"\\ud800"}', r"\ud800"),
        (('{"a":"' + "[{" * 500 + '"}').encode(), "[{" * 500),
        (rb'{"a":"' + rb"\"[" * 200 + b'"}', '"[' * 200),
    ],
)
def test_accepted(raw, value):
    assert parse_record(raw, None)["a"] == value if isinstance(value, float) else parse_record(raw, None) == {"a": value}


def test_nesting_to_the_limit_is_accepted():
    raw = b'{"a":' + b"[" * 63 + b"]" * 63 + b"}"
    assert parse_record(raw, None)["a"]
    assert view(raw, None)["a"]


def test_many_siblings_are_not_depth():
    assert len(parse_record(json.dumps({"a": [{}] * 1000}).encode(), None)["a"]) == 1000


def test_nul_in_keys_is_replaced():
    assert parse_record(rb'{"k\u0000":{"\u0000":1}}', None) == {"k\ufffd": {"\ufffd": 1}}


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b'{"a":1e400,"b":-1e999,"c":1.5}', {"a": "1e400", "b": "-1e999", "c": 1.5}),
        (b'{"a":NaN}', {"a": "NaN"}),
        (rb'{"a":"\ud800"}', {"a": "\ufffd"}),
        (b'{"a":' + b"9" * 5000 + b"}", {"a": "9" * 5000}),
        (b'{"a":', {"text": '{"a":'}),
        (b"\xff{", {"text": "\ufffd{"}),
        ('{"a":"é"}'.encode("utf-16-le"), {"a": "é"}),
        ('{"a":"é"}'.encode("utf-16-be"), {"a": "é"}),
        (b"[" * 100_000, {"text": "[" * 100_000}),
    ],
)
def test_view(raw, shown):
    assert view(raw, None) == shown


def test_rows():
    assert parse_record(b'1,"two\nlines ""here"""', TABLE) == {"a": "1", "b": 'two\nlines "here"'}
    assert parse_record(b"1;2,3", Header(("a", "b"), ";")) == {"a": "1", "b": "2,3"}
    assert parse_record("naïve, text".encode(), TEXT_LINES) == {"text": "naïve, text"}
    assert parse_record(b"1,x\x00y", TABLE) == {"a": "1", "b": "x\ufffdy"}
    assert view("1,é".encode("utf-16-le"), TABLE) == {"a": "1", "b": "é"}


def test_a_long_cell_is_read():
    assert len(parse_record(b'1,"' + b"x" * 300_000 + b'"', TABLE)["b"]) == 300_000


@pytest.mark.parametrize("raw", [b"1", b"1,2,3", b'1,"2', b'1,"2"x', b"", b"1,\xff", b"1,2\n3,4"])
def test_refused_rows(raw):
    with pytest.raises(ValueError, match=r"row|UTF-8"):
        parse_record(raw, TABLE)
    assert view(raw, TABLE)


def test_zeek_rows():
    assert parse_record(b"1.5\ta\\x09b \\xc3\\xa9\t-", ZEEK) == {"ts": "1.5", "msg": "a\tb é"}
    assert parse_record(b'(empty)\t"quoted\t\\x2d', ZEEK) == {"ts": "", "msg": '"quoted', "sub": "-"}
    assert parse_record(b"1\t\\xff\\xfe\t2", ZEEK)["msg"] == "\\xff\\xfe"
    with pytest.raises(ValueError, match="2 cells"):
        parse_record(b"1\t2", ZEEK)


def test_a_hostile_record_costs_little():
    tracemalloc.start()
    for raw in (b'{"a":"' + rb"\"[" * 700_000, b'"' * 2_000_000, b'{"a":"' + b"\\" * 2_000_001):
        with pytest.raises(ValueError, match="JSON"):
            parse_record(raw, None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 400 << 20


def test_a_row_of_nothing_is_no_row():
    with pytest.raises(ValueError, match="0 cells"):
        parse_record(b"", Header(("a", "b"), ","))


def test_zeek_cells_that_are_no_text_are_refused():
    with pytest.raises(ValueError, match="UTF-8"):
        parse_record(b"\xff\tx", Header(("a", "b"), "\t"))


def test_a_caller_deep_down_the_stack_gets_a_reason():
    def down(levels):
        return parse_record(b'{"a":' + b"[" * 60 + b"]" * 60 + b"}", None) if levels == 0 else down(levels - 1)

    import sys

    frames, here = 0, sys._getframe()
    while here is not None:
        frames, here = frames + 1, here.f_back
    try:
        found = down(sys.getrecursionlimit() - frames - 40)
    except ValueError as why:
        assert "nested deeper" in str(why)  # noqa: PT017 - newer Pythons count this stack by itself, and read it
    else:
        assert list(found) == ["a"]
