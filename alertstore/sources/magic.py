"""Files that lie about in evidence and hold no alerts, told by their first bytes, with what makes alerts of them."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """A kind of file, in words, and what to do with it."""

    what: str
    advice: str


_UNPACK = "unpack it and read what is inside"
_CAPTURE = Kind("a packet capture", "run Suricata, Snort or Zeek over it and read what they write")
_KINDS = (
    (b"SQLite format 3\0", Kind("a SQLite database", "ingest reads what tools write; a store's alerts travel in a bundle")),
    (b"ElfFile\0", Kind("a Windows event log", "run Hayabusa, Chainsaw or Zircolite over it and read what they write")),
    (b"PK\x03\x04", Kind("a ZIP archive", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", Kind("a 7-Zip archive", _UNPACK)),
    (b"Rar!\x1a\x07", Kind("a RAR archive", _UNPACK)),
    (b"\xfd7zXZ\0", Kind("packed with xz", _UNPACK)),
    (b"BZh", Kind("packed with bzip2", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", Kind("packed with zstd", _UNPACK)),
    (b"\xd4\xc3\xb2\xa1", _CAPTURE),
    (b"\xa1\xb2\xc3\xd4", _CAPTURE),
    (b"\x4d\x3c\xb2\xa1", _CAPTURE),
    (b"\xa1\xb2\x3c\x4d", _CAPTURE),
    (b"\x0a\x0d\x0d\x0a", _CAPTURE),
    (b"\x7fELF", Kind("a program", "ingest reads what tools write")),
    (b"MZ", Kind("a program", "ingest reads what tools write")),
    (b"%PDF-", Kind("a PDF", "ingest reads what tools write")),
)
_TAR, _TAR_AT = b"ustar", 257


def kind_of(head: bytes) -> Kind | None:
    """What a file is by its first bytes; None where that is not known, as of anything that is text."""
    if head[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        return Kind("a tar archive", _UNPACK)
    found = next((kind for magic, kind in _KINDS if head.startswith(magic)), None)
    return found if found is not None and (b"\0" in head or not head.isascii()) else None
