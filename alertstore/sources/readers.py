"""Open a file of alerts: unpack it, recognise whose it is, hand out its records one by one in flat memory."""

from __future__ import annotations

import contextlib
from datetime import UTC
from itertools import chain
from typing import TYPE_CHECKING, Any

from alertstore.domain.payload import LONGEST_RECORD, parse_record
from alertstore.errors import SourceError
from alertstore.sources.layouts import Layout, layouts
from alertstore.sources.magic import kind_of
from alertstore.sources.paths import dotted, leaves
from alertstore.sources.streams import CHUNK, Encoding, Outer, RawRecord, Window, encoding_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo
    from typing import BinaryIO

    from alertstore.domain.payload import Header
    from alertstore.sources.base import Record, Source

__all__ = ["RawRecord", "Reading", "open_reading"]


class Reading:
    """A file being read: whose it is, its records, and, when they are through, the file's size and digest."""

    def __init__(self, source: Source, layout: Layout, encoding: Encoding, *, window: Window, outer: Outer, tz: tzinfo) -> None:
        """Made by `open_reading`."""
        self.source = source
        self.framing = layout.words
        self.encoding = f"{encoding.codec}{', with a byte order mark' if encoding.mark else ''}"
        self.header: Header | None = layout.header
        self.tz = tz
        self._codec = None if encoding.width == 1 else encoding.codec
        self._records = layout.frame(window)
        self._outer = outer

    def records(self) -> Iterator[RawRecord]:
        """The records in order, once. A file that breaks off raises SourceError after its last whole record."""
        return self._records

    def parse(self, raw: bytes) -> dict[str, Any]:
        """What a record's bytes say; ValueError with the reason where they cannot be read."""
        if self._codec is not None:
            try:
                raw = raw.decode(self._codec).encode()
            except UnicodeDecodeError as why:
                raise ValueError(f"not valid UTF-16 at byte {why.start}") from None
        return parse_record(raw, self.header)

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the file as it lies on disk; whole once the records are through."""
        return self._outer.sha256

    @property
    def size(self) -> int:
        """Bytes of the file as it lies on disk; all once the records are through."""
        return self._outer.size


def open_reading(source_file: BinaryIO, *, name: str, sources: Sequence[Source], tz: tzinfo = UTC) -> Reading:
    """Recognise a file by its first records: the first of `sources` that claims one has it all.

    With one source there is no choice to make: the file is read as that source's. Raises SourceError for a file that
    is empty, no text, or nobody's.
    """
    outer = Outer(source_file, name)
    stream = _Head(outer.unpacked())
    found, encoding = _recognise(stream, name, sources)
    source, layout = found
    window = Window(stream.all_after(encoding.mark), encoding)
    return Reading(source, layout, encoding, window=window, outer=outer, tz=tz)


class _Head:
    """A stream whose beginning is looked at before it is read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.seen = b""
        self.ended = False
        self._chunks = chunks
        self._fault: SourceError | None = None

    def look(self, size: int) -> None:
        """Have the first `size` bytes, or all there are. A fault waits until they were read."""
        parts, have = [self.seen], len(self.seen)
        try:
            while have < size and not self.ended:
                chunk = next(self._chunks, None)
                self.ended = chunk is None
                parts.append(chunk or b"")
                have += len(parts[-1])
        except SourceError as fault:
            self._fault, self.ended = fault, True
        self.seen = b"".join(parts)

    def all_after(self, mark: int) -> Iterator[bytes]:
        first, self.seen = self.seen[mark:], b""
        return chain((first,), self._rest())

    def _rest(self) -> Iterator[bytes]:
        if self._fault is not None:
            raise self._fault
        yield from self._chunks

    def text(self, encoding: Encoding) -> bytes:
        body = self.seen[encoding.mark :]
        return body if encoding.width == 1 else body.decode(encoding.codec, "replace").encode()

    def raise_fault(self) -> None:
        if self._fault is not None:
            raise self._fault


def _recognise(stream: _Head, name: str, sources: Sequence[Source]) -> tuple[tuple[Source, Layout], Encoding]:
    size, ways, some = CHUNK, list[Layout](), False
    while True:
        stream.look(size)
        encoding = encoding_of(stream.seen)
        head = stream.text(encoding)
        if head.strip():
            ways = layouts(head, name)
            samples = [(way, way.sample(head)) for way in ways]
            for source in sources:
                for way, records in samples:
                    if any(_claims(source, record) for record in records):
                        return (source, way), encoding
            some = any(records for way, records in samples if not way.is_wrapped)
        if stream.ended or some or len(stream.seen) > LONGEST_RECORD:
            break
        size = min(4 * size, LONGEST_RECORD + CHUNK)
    if ways and len(sources) == 1:
        return (sources[0], ways[0]), encoding
    stream.raise_fault()
    raise _unrecognised(stream, name, sources, ways)


def _claims(source: Source, record: Record) -> bool:
    # A source must not raise here; one that does has not claimed the record, and must not stop the others.
    with contextlib.suppress(Exception):
        return bool(source.claims(record))
    return False


def _unrecognised(stream: _Head, name: str, sources: Sequence[Source], ways: Sequence[Layout]) -> SourceError:
    if not stream.seen.strip():
        return SourceError(f"{name} is empty", advice="there is nothing to read")
    if (known := kind_of(stream.seen)) is not None:
        return SourceError(f"{name} is {known.what}", advice=known.advice)
    if not ways:
        return SourceError(f"{name} is not text", advice="give the tool's JSON, CSV or log output, plain or gzip")
    fault = _first_fault(stream, ways[0])
    names = ", ".join(source.name for source in sources)
    return SourceError(f"no source recognises {name}{fault}", advice=f"known are: {names}; --source NAME reads it as that tool's")


def _first_fault(stream: _Head, way: Layout) -> str:
    """What is wrong with the first record of a file of JSON, where that is why nobody recognises it."""
    if way.header is not None:
        return ""
    encoding = encoding_of(stream.seen)
    window = Window(iter((stream.text(encoding),)), Encoding("utf-8", 1, 0))
    with contextlib.suppress(SourceError, StopIteration):
        record = next(way.frame(window))
        try:
            parse_record(record.raw, None)
        except ValueError as why:
            return f"; its first record (character {record.position} on) is {why}"
    return ""


def first_keys(source_file: BinaryIO, name: str) -> tuple[str, list[str]]:
    """How a file that nobody claims seems to be framed, and the paths of its first record; none where it holds no records."""
    stream = _Head(Outer(source_file, name).unpacked())
    stream.look(CHUNK)
    encoding = encoding_of(stream.seen)
    for way in layouts(stream.text(encoding), name):
        for record in way.sample(stream.text(encoding))[:1]:
            return way.words, list(dict.fromkeys(dotted(path) for path, _ in leaves(record)))
    return "", []
