"""Framing: every record's bytes and place, in whatever a file wraps them; what is damaged costs itself alone."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tracemalloc
from contextlib import nullcontext
from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertstore.domain.drafts import NewAlert
from alertstore.errors import SourceError
from alertstore.sources import streams
from alertstore.sources.readers import open_reading
from alertstore.sources.registry import load_source, load_sources

GENERIC = [load_source("generic")]
clean_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
leaf = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | clean_text
nested = st.recursive(leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(clean_text, inner, max_size=3), max_leaves=8)
records = st.lists(
    st.dictionaries(clean_text, nested, max_size=4).map(lambda extra: {"title": "t", **extra, "n": 0}), min_size=1, max_size=8
)


class Trickle(io.RawIOBase):
    """Bytes that come a few at a time, as from a pipe."""

    def __init__(self, data, step):
        self.data, self.step = io.BytesIO(data), step

    def readable(self):
        return True

    def read(self, size=-1):
        return self.data.read(min(size, self.step))


def read(data, sources=GENERIC, step=1 << 20, **more):
    reading = open_reading(Trickle(data, step), name="x.log", sources=sources, **more)
    found = list(reading.records())
    assert reading.sha256 == hashlib.sha256(data).hexdigest()
    assert reading.size == len(data)
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    return reading, found


def good(reading, found):
    return [reading.parse(one.raw) for one in found if one.problem is None]


def check_places(data, found):
    for one in found:
        assert data[one.position : one.position + len(one.raw)] == one.raw
        assert one.size >= len(one.raw)


def dump(style, rows, *, escaped):
    one = [json.dumps(row, ensure_ascii=escaped) for row in rows]
    pretty = [json.dumps(row, ensure_ascii=escaped, indent=2) for row in rows]
    return {
        "lines": "\n".join(one),
        "lines crlf": "\r\n\r\n".join(one) + "\r\n",
        "array": json.dumps(rows, ensure_ascii=escaped, separators=(",", ":")),
        "array a line each": "[\n" + ",\n".join(one) + "\n]\n",
        "pretty array": json.dumps(rows, ensure_ascii=escaped, indent=4),
        "concatenated": "".join(one),
        "pretty objects": "\n".join(pretty) + "\n",
        "wrapper": json.dumps({"meta": {"total": [1, {"a": "]"}]}, "Findings": rows, "more": [{}]}, ensure_ascii=escaped),
        "pretty wrapper": json.dumps({"took": 3, "hits": {"total": 1, "hits": rows}}, ensure_ascii=escaped, indent=1),
        "wrappers": "\n".join(json.dumps({"value": [row], "next": "é"}, ensure_ascii=escaped) for row in rows),
    }[style]


STYLES = [
    *("lines", "lines crlf", "array", "array a line each", "pretty array"),
    *("concatenated", "pretty objects", "wrapper", "pretty wrapper", "wrappers"),
]


@pytest.mark.parametrize("style", STYLES)
@given(rows=records, escaped=st.booleans(), step=st.sampled_from([1, 7, 64, 100_000]), packed=st.booleans())
@settings(max_examples=25, deadline=None)
def test_every_container_gives_its_records_and_their_places(style, rows, escaped, step, packed):
    plain = dump(style, rows, escaped=escaped).encode()
    data = gzip.compress(plain[:50]) + gzip.compress(plain[50:]) if packed else plain
    reading, found = read(data, step=step)
    assert good(reading, found) == [json.loads(json.dumps(row).replace("\\u0000", "\\ufffd")) for row in rows]
    check_places(plain, found)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("style", STYLES)
@given(rows=records, step=st.sampled_from([1, 7, 100_000]))
@settings(max_examples=6, deadline=None)
def test_byte_order_marks(style, encoding, rows, step):
    mark = "" if encoding == "utf-8-sig" else "\ufeff"
    data = (mark + dump(style, rows, escaped=False)).encode(encoding)
    reading, found = read(data, step=step)
    assert len(good(reading, found)) == len(rows)
    check_places(data, found)


@given(st.binary(max_size=300), st.sampled_from([b"", b"[", b"{", b'{"title":"x"}\n', b"a,b\n", b"\xff\xfe", b"\x1f\x8b\x08"]))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused(data, start):
    reasons = []
    try:
        reading = open_reading(io.BytesIO(start + data), name="x", sources=load_sources(plugins=False))
        for one in reading.records():
            try:
                reading.parse(one.raw)
            except ValueError as why:
                reasons.append(str(why))
    except SourceError as why:
        reasons.append(str(why))
    assert all(reasons)


ROWS = [{"title": f"t{n}", "more": {"a": [1, {"b": "x"}]}, "end": n} for n in range(5)]


@pytest.mark.parametrize(
    "style", ["lines", "array", "array a line each", "pretty array", "concatenated", "pretty objects", "pretty wrapper"]
)
@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace('"t2"', '"t2', 1),
        lambda text: text.replace('"t2"', 't2"', 1),
        lambda text: text.replace('"end": 2', '"end": 2}}', 1).replace('"end":2', '"end":2}}', 1),
        lambda text: text.replace('"t2",', '"t2"], ', 1),
        lambda text: text.replace('"t2"', "'t2'", 1),
        lambda text: text.replace('"t2"', "<t2>", 1),
        lambda text: text.replace('"t2"', '"t\n2"', 1),
    ],
    ids=["quote lost", "first quote lost", "closed twice", "wrong bracket", "single quotes", "no quotes", "line end in text"],
)
def test_damage_costs_only_its_record(style, damage):
    data = damage(dump(style, ROWS, escaped=True)).encode()
    reading, found = read(data)
    check_places(data, found)
    kept, lost = [], b""
    for one in found:
        try:
            if one.problem is None:
                kept.append(reading.parse(one.raw)["title"])
                continue
        except ValueError:
            pass
        lost += one.raw
    assert [title for title in kept if title != "t2"] == ["t0", "t1", "t3", "t4"]
    assert lost or len(kept) == 5
    assert b"t1" not in lost
    assert b"t3" not in lost


@pytest.mark.parametrize("style", ["pretty array", "pretty objects", "array a line each"])
def test_a_record_cut_in_the_middle_ends_at_the_next(style):
    text = dump(style, ROWS, escaped=True)
    cut = text.index('"b"', text.index('"t2"'))
    following = text.rindex("\n", 0, text.rindex("{", 0, text.index('"t3"')))
    data = (text[: cut + 4] + text[following:]).encode()
    reading, found = read(data)
    titles = [one["title"] for one in good(reading, found)]
    assert titles == ["t0", "t1", "t3", "t4"]
    assert sum(one.problem is not None for one in found) == 1
    check_places(data, found)


@pytest.mark.parametrize("style", ["array", "pretty array", "concatenated", "pretty objects", "wrapper"])
def test_the_end_inside_a_record(style):
    text = dump(style, ROWS, escaped=True)
    data = text[: text.index('"end"', text.index('"t3"'))].encode()
    reading, found = open_reading(io.BytesIO(data), name="x.log", sources=GENERIC), []
    with (
        pytest.raises(SourceError, match="in the middle") if style not in {"concatenated", "pretty objects"} else nullcontext()
    ):  # objects one by one have no end
        found.extend(reading.records())
    assert [one["title"] for one in good(reading, found)] == ["t0", "t1", "t2"]
    assert found[-1].problem == "the file ends inside this record"
    assert found[-1].raw in data


def test_garbage_between_and_after_records_is_kept():
    data = b'[{"title":"a"} oops, {"title":"b"}, 17, {"title":"c"}] trailing'
    reading, found = read(data)
    assert [one["title"] for one in good(reading, found)] == ["a", "b", "c"]
    assert b"oops" in b"".join(one.raw for one in found if one.problem)
    assert found[-1].raw == b"trailing"
    check_places(data, found)


def test_a_first_line_cut_off_by_log_rotation():
    reading, found = read(b'c":1}\n{"title":"a"}\n{"title":"b"}\n')
    assert [one.raw for one in found] == [b'c":1}', b'{"title":"a"}', b'{"title":"b"}']
    with pytest.raises(ValueError, match="JSON"):
        reading.parse(found[0].raw)


def test_a_first_line_that_breaks_off_costs_itself():
    reading, found = read(b'{"title":"lost\n{"title":"a"}\n{"title":"b"}\n')
    assert [one["title"] for one in good(reading, found)] == ["a", "b"]
    assert [one.raw for one in found if one.problem] == [b'{"title":"lost']


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_quoted_tables(delimiter):
    rows = ["title;note", 'a;"two', 'lines; and ""quotes"""', "", 'b;"wrong"x', 'c;5" disk', 'd;"', '"', "e;last"]
    data = "\ufeff".encode() + "\r\n".join(rows).replace(";", delimiter).encode()
    reading, found = read(data, step=5)
    assert reading.header is not None
    assert reading.header.delimiter == delimiter
    assert [one["title"] for one in good(reading, found)] == ["a", "c", "d", "e"]
    assert [one.raw for one in found if one.problem] == [f'b{delimiter}"wrong"x'.encode()]
    assert reading.parse(found[0].raw)["note"] == f'two\r\nlines{delimiter} and "quotes"'
    check_places(data, found)


def test_a_quote_that_never_closes_costs_one_line():
    data = b'title,note\na,1\nb,"open\nc,3\nd,4\n'
    reading, found = read(data)
    assert [one["title"] for one in good(reading, found)] == ["a", "c", "d"]
    assert [one.raw for one in found if one.problem] == [b'b,"open']


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=2, max_size=2), min_size=1))
@settings(deadline=None, max_examples=60)
def test_what_csv_writes_is_read(rows):
    def quoted(cell):
        return '"' + cell.replace('"', '""') + '"'

    text = "title,note\n" + "".join(",".join(map(quoted, ["x" + row[0], row[1]])) + "\n" for row in rows)
    reading, found = read(text.encode(), step=9)
    assert [[one["title"][1:], one["note"]] for one in good(reading, found)] == rows
    check_places(text.encode(), found)


HEAD = b"### a line of a test tool\n#separator \\x09\n#path\tnotice\n#fields\tts\tnote\tmsg\n"


def test_zeek_tables():
    data = HEAD + b'1.5\tA::B\t"one\n#close\n' + HEAD[26:] + b"2.5\tA::B\ttwo\n#fields\tts\tmsg\n3\tx\n"
    reading, found = read(data, load_sources(plugins=False), step=8)
    assert reading.source.name == "zeek"
    assert [one["msg"] for one in good(reading, found)] == ['"one', "two"]
    assert [one.raw for one in found if one.problem] == [b"3\tx"]
    check_places(data, found)
    with pytest.raises(SourceError, match="separator"):
        read(b"#separator \\x2c\n#fields,ts,note,msg\n1,2,3\n")


class Lines:
    """A source of plain text lines, as another package might bring."""

    name, tool, signature, severities = "lines", "lines", "LINE in front", {}

    def claims(self, record):
        return str(record.get("text", "")).startswith("LINE")

    def alert(self, record, tz):
        return NewAlert(record["text"][5:])

    def rule(self, record):
        return None


def test_text_lines():
    reading, found = read(b"LINE one, two\nLINE three\n", [*load_sources(plugins=False), Lines()])
    assert [reading.source.alert(reading.parse(one.raw), UTC).title for one in found] == ["one, two", "three"]


class Raises(Lines):
    def claims(self, record):
        return record["no such key"]


def test_a_source_that_raises_does_not_stop_the_others():
    assert read(b'{"title":"a"}', [Raises(), *GENERIC])[0].source.name == "generic"


def test_the_zone_is_the_caller_s():
    zone = timezone(timedelta(hours=9))
    reading, found = read(b'{"title":"a","occurred_at":"2026-01-01T09:00:00"}', tz=zone)
    alert = reading.source.alert(reading.parse(found[0].raw), reading.tz)
    assert alert.occurred_at == 1_767_225_600_000_000
    assert alert.notes == ("time_without_offset",)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (gzip.compress(b""), "is empty"),
        (b"\x00\x01\x02\xff" * 99, "not text"),
        (b"just words\n", "no source recognises x.log"),
        (b'{"a":1}', "no source recognises x.log"),
        (b"[1,2]", "no source recognises x.log"),
        (b"\x1f\x8b\x08garbage", "damaged gzip"),
    ],
)
def test_refused_files(data, reason):
    with pytest.raises(SourceError, match=reason) as refused:
        read(data, load_sources(plugins=False))
    assert refused.value.advice


def test_a_forced_source_reads_what_it_does_not_claim():
    reading, found = read(b'{"x":1}\n{"title":"a"}\n')
    assert len(found) == 2
    with pytest.raises(ValueError, match="no title"):
        reading.source.alert(reading.parse(found[0].raw), UTC)
    with pytest.raises(SourceError, match="not text"):
        read(b"\x00\x01\x02\x03")


@pytest.mark.parametrize("cut", [1, 8, 9, 2000])
def test_a_truncated_gzip_gives_what_came_before(cut):
    plain = b"".join(b'{"title":"%d"}\n' % n for n in range(30_000))
    data = gzip.compress(plain)[:-cut]
    reading = open_reading(io.BytesIO(data), name="x.gz", sources=GENERIC)
    found = []
    with pytest.raises(SourceError, match=r"x\.gz: damaged gzip data"):
        found.extend(reading.records())
    assert len(found) > (25_000 if cut < 2000 else 1000)
    check_places(plain, found)
    assert all(reading.parse(one.raw) for one in found)
    assert reading.sha256 == hashlib.sha256(data).hexdigest()
    assert reading.size == len(data)


def long_file(kind, size, count=1):
    """A file whose second record is longer than fits, in chunks."""
    head, tail = {"lines": (b"", b"\n"), "array": (b"[", b"\n]"), "csv": (b"title,note\n", b"\n")}[kind]
    first, last = (b'"a",""', b'"b",""') if kind == "csv" else (b'{"title":"a"}', b'{"title":"b"}')
    start, end = (b'"l","', b'"') if kind == "csv" else (b'{"title":"', b'"}')
    between = b",\n" if kind == "array" else b"\n"
    yield head + first
    for _ in range(count):
        yield between + start
        for _ in range(size >> 16):
            yield b"x" * (1 << 16)
        yield end
    yield between + last + tail


class Chunks(io.RawIOBase):
    """A file that is never in memory as a whole."""

    def __init__(self, chunks):
        self.chunks = chunks

    def readable(self):
        return True

    def read(self, _size=-1):
        return next(self.chunks, b"")


@pytest.mark.parametrize("kind", ["lines", "array", "csv"])
def test_a_huge_record_is_kept_in_part_and_memory_stays_flat(kind):
    size = 96 << 20
    tracemalloc.start()
    reading = open_reading(Chunks(long_file(kind, size)), name="x", sources=GENERIC)
    found = list(reading.records())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 70 << 20
    body = b"".join(long_file(kind, size))
    _, long, after = found
    assert long.problem == "longer than 16 MiB"
    assert long.raw == body[long.position : long.position + streams.KEPT_OF_LONGER]
    assert long.digest == hashlib.sha256(body[long.position : long.position + long.size]).digest()
    assert body[after.position : after.position + len(after.raw)] == after.raw
    assert reading.parse(after.raw)["title"] == "b"


@pytest.mark.parametrize("kind", ["lines", "array", "csv"])
def test_a_record_of_ten_megabytes_is_read_whole(kind):
    body = b"".join(long_file(kind, 10 << 20))
    reading, found = read(body)
    assert [one.problem for one in found] == [None] * 3
    assert len(reading.parse(found[1].raw)) == (2 if kind == "csv" else 1)
    check_places(body, found)


def test_a_first_record_of_megabytes_is_recognised():
    long = b'{"title":"' + b"x" * (5 << 20) + b'"}'
    for data in (long + b'\n{"title":"b"}\n', b"[" + long + b',{"title":"b"}]', b'{"data":[' + long + b',{"title":"b"}]}'):
        reading, found = read(data, load_sources(plugins=False))
        assert reading.source.name == "generic"
        assert [len(one["title"]) for one in good(reading, found)] == [5 << 20, 1]
        check_places(data, found)


def test_a_block_of_zero_bytes_in_a_log_costs_one_line():
    reading, found = read(b"\0" * 100 + b'{"title":"a"}\n{"title":"b"}\n{"title":"c"}\n')
    assert len(found) == 3
    assert reading.parse(found[1].raw)["title"] == "b"


def test_a_list_of_the_same_name_elsewhere_in_a_wrapper_is_no_record():
    data = json.dumps({"value": [{"title": "a"}], "page": {"value": [{"title": "no"}]}, "x": [[{"value": [{"title": "no"}]}]]}).encode()
    reading, found = read(data)
    assert good(reading, found) == [{"title": "a"}]


def test_a_list_behind_a_megabyte_of_another_list_is_found():
    inventory = [{"resourceID": f"r{n}", "object": {"name": "x" * 400}} for n in range(4_000)]
    data = json.dumps({"resources": inventory, "results": [{"title": "a"}, {"title": "b"}]}).encode()
    assert len(data) > 1 << 20
    assert [json.loads(one.raw) for one in read(data)[1]] == [{"title": "a"}, {"title": "b"}]


def test_a_list_three_levels_down_is_found():
    data = json.dumps({"data": {"issues": {"nodes": [{"title": "a"}]}}}).encode()
    assert [json.loads(one.raw) for one in read(data)[1]] == [{"title": "a"}]


def test_objects_on_lines_of_their_own_inside_a_wrapper_are_not_json_lines():
    data = b'{"took": 1, "results": [\n{"title": "a"},\n{"title": "b"}\n]}\n'
    reading, found = read(data)
    assert good(reading, found) == [{"title": "a"}, {"title": "b"}]
    assert [one.problem for one in found] == [None, None]


def test_the_order_of_sources_decides():
    data = json.dumps({"title": "a", "event_type": "flow", "timestamp": "x"}).encode()
    assert read(data, load_sources(plugins=False))[0].source.name == "suricata"
    assert read(data, load_sources(plugins=False)[::-1])[0].source.name == "generic"
