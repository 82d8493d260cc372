"""A file as a stream of bytes in flat memory: hashed as it lies on disk, unpacked, its encoding told apart."""

from __future__ import annotations

import hashlib
import zlib
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from alertstore.domain.payload import LONGEST_RECORD
from alertstore.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

CHUNK = 1 << 18
"""Bytes asked for at a time."""
KEPT_OF_LONGER = 64 << 10
"""Bytes kept of the start of a longer one."""

_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's code for "a gzip header, any window size"
CUT_SHORT = "the file is cut short or damaged; what could be read came before, and reading it again doubles nothing"


class RawRecord(NamedTuple):
    """One record as it lies in the (unpacked) file.

    `number` counts records from 1; `position` is the offset of its first byte; `raw` are its bytes, unchanged, or the
    first 64 KiB of a record longer than 16 MiB. `problem` is a reason why it cannot be read at all; `size` is its
    full length; `digest` the SHA-256 of all of it where `raw` is not.
    """

    number: int
    position: int
    raw: bytes
    problem: str | None
    size: int
    digest: bytes | None


_make = partial(tuple.__new__, RawRecord)  # past the class's own constructor, once a record


class Encoding(NamedTuple):
    """How characters lie in bytes: Python's codec name, bytes a unit, and the length of the byte order mark."""

    codec: str
    width: int
    mark: int


class Outer:
    """The file on disk: hands out its bytes, and knows their SHA-256 and number."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """`name` is how errors call the file."""
        self.name = name
        self.size = 0
        self._file = file
        self._sha = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Hex digest of what was read so far; of the whole file once the stream ended, also by an error."""
        return self._sha.hexdigest()

    def chunks(self) -> Iterator[bytes]:
        """The bytes as they lie on disk. Raises SourceError where the disk gives no more."""
        while chunk := self._read():
            self._sha.update(chunk)
            self.size += len(chunk)
            yield chunk

    def _read(self) -> bytes:
        try:
            return self._file.read(CHUNK)
        except OSError as why:
            raise SourceError(f"{self.name} cannot be read to its end: {why.strerror}", advice=CUT_SHORT) from why

    def unpacked(self) -> Iterator[bytes]:
        """The bytes within: of gzip (by its magic number, any number of members) what it holds, else the same."""
        chunks = self.chunks()
        first = next(chunks, b"")
        if len(first) == 1:  # a pipe may give less than was asked for
            first += next(chunks, b"")
        whole = chain((first,), chunks)
        return self._gunzip(whole) if first.startswith(_GZIP) else whole

    def _gunzip(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from _members(chunks)
        except (zlib.error, EOFError) as why:
            for _ in chunks:  # so that size and digest are the whole file's
                pass
            raise SourceError(f"{self.name}: damaged gzip data ({why})", advice=CUT_SHORT) from None


def _members(chunks: Iterator[bytes]) -> Iterator[bytes]:
    engine = zlib.decompressobj(_GZIP_WINDOW)
    for chunk in chunks:
        data = chunk
        while data:
            if engine.eof:
                data = data.lstrip(b"\0")  # tapes and some writers pad with zeros
                if not data:
                    break
                engine = zlib.decompressobj(_GZIP_WINDOW)
            if out := engine.decompress(data, CHUNK):
                yield out
            data = engine.unused_data if engine.eof else engine.unconsumed_tail
    if not engine.eof and (out := engine.flush()):  # what zlib still held back
        yield out
    if not engine.eof:
        raise EOFError("it ends in the middle")


def encoding_of(head: bytes) -> Encoding:
    """The encoding that a byte order mark tells; without one UTF-16 by the zeros beside its ASCII, else UTF-8."""
    if head.startswith(b"\xef\xbb\xbf"):
        return Encoding("utf-8", 1, 3)
    if head.startswith(b"\xff\xfe"):
        return Encoding("utf-16-le", 2, 2)
    if head.startswith(b"\xfe\xff"):
        return Encoding("utf-16-be", 2, 2)
    match [byte != 0 for byte in head[:4]]:
        case [True, False, True, False]:
            return Encoding("utf-16-le", 2, 0)
        case [False, True, False, True]:
            return Encoding("utf-16-be", 2, 0)
    return Encoding("utf-8", 1, 0)


class Window:
    """The part of the stream in memory, from the record being read on.

    `data` are the bytes; `text` has one byte a character unit, for finding structure: the same bytes, or of UTF-16
    the ASCII of each unit (0x80 for any other). Indexes are into `text`, and move when `more` drops what is done.
    `outgrown`: the record being read is past its limit, and its start no longer here.
    """

    def __init__(self, chunks: Iterator[bytes], encoding: Encoding) -> None:
        """`chunks` start after the byte order mark."""
        self.data = self.text = b""
        self.width = encoding.width
        self.outgrown = False
        self._chunks = chunks
        self._little = encoding.codec.endswith("le")
        self._base = encoding.mark
        self._number = 0
        self._head = b""
        self._spilled = 0
        self._sha = hashlib.sha256()

    def more(self, start: int, done: int) -> int | None:
        """Read on. Drops what lies before `start`, and of a record that outgrew its limit all before `done`.

        Returns how far indexes moved down, or None at the end of the stream (nothing is dropped then).
        """
        chunk = next(self._chunks, None)
        if chunk is None:
            return None
        self._base += self._drop(start)
        moved = start
        if self.outgrown or len(self.data) > LONGEST_RECORD:
            self._head = self._head or self.data[:KEPT_OF_LONGER]
            part = self.data[: (done - start) * self.width]
            self._sha.update(part)
            self._spilled += self._drop(done - start)
            self.outgrown = True
            moved = done
        self.data += chunk
        if self.width == 1:
            self.text = self.data
        else:
            self.text += _units(self.data[len(self.text) * self.width :], little=self._little)
        return moved

    def _drop(self, units: int) -> int:
        size = units * self.width
        self.data, self.text = self.data[size:], self.text[units:]
        return size

    def cut(self, start: int, end: int, problem: str | None = None) -> RawRecord:
        """The record from `start` (0 for one that outgrew its limit) to `end`."""
        width = self.width
        raw = self.data[start * width : end * width]
        position, size = self._base + start * width, len(raw) + self._spilled
        self._number += 1
        if size <= LONGEST_RECORD:
            return _make((self._number, position, raw, problem, size, None))
        self._sha.update(raw)
        digest, kept = self._sha.digest(), self._head or raw[:KEPT_OF_LONGER]
        self._base += self._spilled
        self._head, self._spilled, self._sha, self.outgrown = b"", 0, hashlib.sha256(), False
        return RawRecord(self._number, position, kept, f"longer than {LONGEST_RECORD >> 20} MiB", size, digest)


def _units(data: bytes, *, little: bool) -> bytes:
    """UTF-16 as one byte a unit: ASCII itself, 0x80 for the rest."""
    low, high = (data[::2], data[1::2]) if little else (data[1::2], data[::2])
    pairs = zip(low.translate(_ASCII_ONLY), high, strict=False)  # a last, odd byte is no unit
    return bytes(unit if not other else 0x80 for unit, other in pairs)


_ASCII_ONLY = bytes(range(128)) + b"\x80" * 128
