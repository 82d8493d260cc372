"""The one way to write a ZIP archive that a bundle is: so there is one way to read it, too.

Deflated members, names in ASCII, fixed times and attributes, no extra fields, no comments, nothing between, before or after. All of
that follows from each member's name, place, checksum and sizes, so a reader makes the headers anew and compares: every other byte
in their place is a fault. Any unzip can read it. Sizes stay below 4 GiB, where ZIP64 would begin and FAT32 ends.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from hashlib import sha256
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from _typeshed import WriteableBuffer

LARGEST = (1 << 32) - 1
"""Bytes of the archive, and of all its members unpacked."""

LEVEL = 2
_BLOCK = 1 << 18
_RAW = -zlib.MAX_WBITS
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_NEEDS, _MADE_ON_UNIX, _DEFLATED, _DAY_ONE, _PLAIN_FILE = 20, 3 << 8, 8, 1 << 5 | 1, 0o100644 << 16
_MOST_MEMBERS = 64
_NAME = re.compile("[!-~]{1,100}")


class Entry(NamedTuple):
    """A member: its name, where its header stands, the CRC-32 of its content, its bytes packed and unpacked."""

    name: str
    place: int
    checksum: int
    packed: int
    size: int

    @property
    def content(self) -> int:
        """Where its packed bytes begin."""
        return self.place + _LOCAL.size + len(self.name)

    @property
    def end(self) -> int:
        """Where the next thing begins."""
        return self.content + self.packed

    def local(self) -> bytes:
        """The header before the content."""
        sizes = (self.checksum, self.packed, self.size, len(self.name), 0)
        return _LOCAL.pack(b"PK\3\4", _NEEDS, 0, _DEFLATED, 0, _DAY_ONE, *sizes) + self.name.encode()

    def central(self) -> bytes:
        """The header in the directory."""
        sizes = (self.checksum, self.packed, self.size, len(self.name), 0, 0, 0, 0)
        made = (_MADE_ON_UNIX | _NEEDS, _NEEDS, 0, _DEFLATED, 0, _DAY_ONE)
        return _CENTRAL.pack(b"PK\1\2", *made, *sizes, _PLAIN_FILE, self.place) + self.name.encode()


def directory(entries: Sequence[Entry], place: int) -> bytes:
    """The end of an archive: its directory, which begins at `place`, and what points to it."""
    listed = b"".join(one.central() for one in entries)
    return listed + _END.pack(b"PK\5\6", 0, 0, len(entries), len(entries), len(listed), place, 0)


class Packer:
    """Writes one member to a file that can be sought in: `write` the content, then `close`."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        """Begin where the file stands."""
        self._file, self._name, self._place = file, name, file.tell()
        self._deflate = zlib.compressobj(LEVEL, zlib.DEFLATED, _RAW)
        self._sha, self._checksum, self._packed, self.size = sha256(), 0, 0, 0
        file.write(Entry(name, self._place, 0, 0, 0).local())

    def write(self, content: bytes) -> None:
        """Add to the content. Raises ValueError where it becomes too large."""
        self.size += len(content)
        if self._place + max(self.size, self._packed) > LARGEST:
            raise ValueError("more than 4 GiB")
        self._sha.update(content)
        self._checksum = zlib.crc32(content, self._checksum)
        self._pack(self._deflate.compress(content))

    def close(self) -> tuple[Entry, str]:
        """End the content: the entry, and the SHA-256 (hex) of it."""
        self._pack(self._deflate.flush())
        entry = Entry(self._name, self._place, self._checksum, self._packed, self.size)
        self._file.seek(self._place)
        self._file.write(entry.local())
        self._file.seek(entry.end)
        return entry, self._sha.hexdigest()

    def _pack(self, packed: bytes) -> None:
        self._packed += len(packed)
        self._file.write(packed)


class Unpacker(io.RawIOBase):
    """Reads the content of one member, whose end must be where its headers say. Raises ValueError where it is not, or not intact."""

    def __init__(self, file: IO[bytes], entry: Entry) -> None:
        """Begin at the member's first byte."""
        super().__init__()
        self._file, self._entry, self._left = file, entry, entry.packed
        self._inflate = zlib.decompressobj(_RAW)
        self._sha, self._checksum, self._size = sha256(), 0, 0

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Unpack the next bytes; 0 at the end, once all of it was right."""
        with memoryview(buffer) as room:
            content = b""
            while not content and not self._inflate.eof:
                content = self._more(len(room))
            self._sha.update(content)
            self._checksum = zlib.crc32(content, self._checksum)
            self._size += len(content)
            if self._size > self._entry.size:
                raise ValueError("it is larger than its header says")
            room[: len(content)] = content
        if not content:
            self._check_end()
        return len(content)

    def digest(self) -> str:
        """The SHA-256 (hex) of what was read so far."""
        return self._sha.hexdigest()

    def _more(self, most: int) -> bytes:
        packed = self._inflate.unconsumed_tail
        if not packed:
            self._file.seek(self._entry.content + self._entry.packed - self._left)  # others read from the same file
            packed = self._file.read(min(self._left, _BLOCK))
            self._left -= len(packed)
        content = self._inflate.decompress(packed, most)
        if not packed and not content and not self._inflate.eof:
            raise ValueError("it is cut off")
        return content

    def _check_end(self) -> None:
        if self._left or self._inflate.unused_data or self._inflate.unconsumed_tail:
            raise ValueError("something stands after its end")
        if (self._size, self._checksum) != (self._entry.size, self._entry.checksum):
            raise ValueError("its size, or its checksum, is not what its header says")


def read_directory(file: IO[bytes], size: int) -> list[Entry]:
    """What an archive of that many bytes says it holds, as it is listed. Nothing of it is believed yet: see `check_archive`.

    Raises ValueError where there is no directory at the end.
    """
    if size < _END.size or size > LARGEST:
        raise ValueError("it is too short, or too large, to be a bundle")
    mark, *_, number, length, place, comment = _END.unpack(_read_at(file, size - _END.size, _END.size))
    if mark != b"PK\5\6" or comment or place + length != size - _END.size:
        raise ValueError("it does not end as a bundle does: it is cut off, or something was added to it, or it is none")
    if number > _MOST_MEMBERS or length > _MOST_MEMBERS * (_CENTRAL.size + 100):
        raise ValueError("it has more members than a bundle has")
    listed, entries = _read_at(file, place, length), list[Entry]()
    while listed:
        entry = _listed(listed)
        entries.append(entry)
        listed = listed[len(entry.central()) :]
    return entries


def check_archive(file: IO[bytes], size: int, entries: Sequence[Entry]) -> None:
    """Hold every byte of an archive that is none of a member's content against what follows from its entries. Raises ValueError."""
    place = 0
    for one in sorted(entries, key=lambda entry: entry.place):
        if one.place != place or _read_at(file, place, one.content - place) != one.local():
            raise ValueError(f"{one.name}: its two headers do not agree, or are not as alertstore writes them, or there is a gap before it")
        place = one.end
    made = directory(entries, place)
    if place + len(made) != size or _read_at(file, place, len(made)) != made:
        raise ValueError("its directory is not as alertstore writes it (a flag, an attribute, a time, a comment, an extra field)")
    if sum(one.size for one in entries) > LARGEST:
        raise ValueError("unpacked, it is larger than a bundle may be")


def by_name(entries: Sequence[Entry]) -> Mapping[str, Entry]:
    """Entries by their names; ValueError where two have the same."""
    named = {one.name: one for one in entries}
    if len(named) != len(entries):
        raise ValueError("two members have the same name")
    return named


def _listed(raw: bytes) -> Entry:
    if len(raw) < _CENTRAL.size or raw[:4] != b"PK\1\2":
        raise ValueError("its directory is damaged")
    *_, checksum, packed, size, length, extra, comment, _, _, _, place = _CENTRAL.unpack_from(raw)
    name = raw[_CENTRAL.size : _CENTRAL.size + length].decode("ascii", "replace")
    if extra or comment or len(name) != length or not _NAME.fullmatch(name):
        raise ValueError("its directory names what is no member of a bundle, or says more of it than alertstore does")
    return Entry(name, place, checksum, packed, size)


def _read_at(file: IO[bytes], place: int, length: int) -> bytes:
    file.seek(place)
    return file.read(length)
