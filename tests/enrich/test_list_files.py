"""A list's file: packed, in other encodings, damaged, too long; and what is no file at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.enrich import listfile
from alertstore.enrich.lists import KINDS, read_list
from alertstore.errors import SourceError

TEXT = "192.0.2.1\r\nevil.example\r\n"
VALUES = ["ip:192.0.2.1", "domain:evil.example"]


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        gzip.compress(TEXT.encode()),
        gzip.compress(TEXT[:12].encode()) + gzip.compress(TEXT[12:].encode()),
        gzip.compress(TEXT.encode("utf-16")),
        TEXT.strip().encode(),
    ],
    ids=["utf-8", "mark", "utf-16", "utf-16-be", "gzip", "members", "gzip-utf-16", "no-end"],
)
def test_the_same_list_however_it_lies(read, tmp_path, content):
    reading, entries = read(content)
    assert [entry.value for entry in entries] == VALUES
    assert (reading.size, reading.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    path = tmp_path / "feed.txt"
    path.write_bytes(content)
    with read_list(path) as reading:
        assert [entry.value for entry in reading.entries()] == VALUES
        assert reading.name == "feed.txt"
        assert (reading.size, reading.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_json_is_hashed_whole_too(read):
    content = gzip.compress(b'\xef\xbb\xbf {"name": "x", "type": "string", "list": ["192.0.2.1"]}\n\n')
    reading, entries = read(content)
    assert [entry.value for entry in entries] == ["ip:192.0.2.1"]
    assert (reading.size, reading.sha256) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("content", [gzip.compress(TEXT.encode() * 50)[:-9], gzip.compress(TEXT.encode()) + b"\x1f\x8bx", b"\x1f\x8b"])
def test_damaged_gzip_is_told(read, content):
    with pytest.raises(SourceError, match="cannot be read to its end") as told:
        read(content)
    assert told.value.advice


def test_a_disk_that_gives_no_more_is_told():
    class Failing(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 0:
                raise OSError(5, "Input/output error")
            return super().read(10)

    with pytest.raises(SourceError, match="Input/output error"):
        list(read_list(Failing(b"192.0.2.1\n" * 10)).entries())


def test_a_line_without_end_is_refused_and_the_next_one_read(read, monkeypatch):
    monkeypatch.setattr(listfile, "LONGEST_LINE", 100)
    text = "x" * 5000 + "\n192.0.2.1\n" + "y" * 99 + "\n" + "z" * 101
    reading, entries = read(text)
    assert [(entry.value, entry.line) for entry in entries] == [("ip:192.0.2.1", 2)]
    assert [line for line, _ in reading.refused] == [1, 3, 4]
    assert [why for _, why in reading.refused if why == "the line is too long"] == ["the line is too long"] * 2


def test_a_list_of_too_many_lines_is_not_read_on(read, monkeypatch):
    monkeypatch.setattr(listfile, "MOST_LINES", 30)
    assert len(read("192.0.2.1\n" * 30)[1]) == 30
    with pytest.raises(SourceError, match="more than 30 lines"):
        read("192.0.2.1\n" * 31)


def test_json_that_is_too_long_is_not_read(read, monkeypatch):
    monkeypatch.setattr(listfile, "LONGEST_JSON", 1 << 20)
    with pytest.raises(SourceError, match="more than 1 MiB"):
        read(gzip.compress(b"{" + b" " * (1 << 20) + b"}"))


def test_bytes_that_are_no_text_are_refused_line_by_line(read):
    reading, entries = read(b"192.0.2.1\n\xff\xfe.example\n\x00\x01\nevil.example\n")
    assert [entry.value for entry in entries] == VALUES
    assert [line for line, _ in reading.refused] == [2, 3]


def test_an_empty_list_has_no_entries(read):
    assert [(reading.kind, entries) for reading, entries in (read(""), read("\n# nothing yet\n"))] == [("ioc", []), ("ioc", [])]


def test_what_is_no_file_is_told(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, why in ((tmp_path, "is not a file"), (tmp_path / "pipe", "is not a file"), (tmp_path / "missing", "cannot be opened")):
        with pytest.raises(SourceError, match=why) as told:
            read_list(path)
        assert told.value.advice


def test_unknown_words_are_refused_with_the_known_ones(read):
    for asked in ({"kind": "csv"}, {"malice": "evil"}):
        with pytest.raises(SourceError, match="there is no") as told:
            read("x", **asked)
        assert "known are: " in told.value.advice


def test_a_list_opened_by_path_is_closed_also_where_it_is_none(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("{}")
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    with pytest.raises(SourceError):
        read_list(path)
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before


@given(st.binary(max_size=300), st.sampled_from([None, *KINDS]), st.booleans())
def test_any_bytes_are_read_or_refused_with_an_error_of_ours(content, kind, packed):
    try:
        reading = read_list(io.BytesIO(gzip.compress(content) if packed else content), kind=kind, malice="Malicious")
        entries = list(reading.entries())
    except SourceError:
        return
    assert all((entry.line >= 1 and ":" in entry.value) or entry.match != "exact" for entry in entries)
