"""Read a list that indicators are looked up in: tell its kind, hand out its entries one by one."""

from __future__ import annotations

import os
from contextlib import ExitStack
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from alertstore.domain.vocabulary import Malice
from alertstore.enrich.hashset import hash_columns, is_hash_line, is_hash_table, read_hash_table, read_sums
from alertstore.enrich.jsonlist import read_json
from alertstore.enrich.listfile import ListFile
from alertstore.enrich.plainlist import read_plain
from alertstore.enrich.reading import Entry, Refusals
from alertstore.enrich.spelling import LONGEST_NOTE, note, one_line
from alertstore.enrich.stixlist import read_bundle
from alertstore.enrich.tablelist import columns, read_table
from alertstore.enrich.warninglist import is_warninglist, read_warninglist
from alertstore.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

__all__ = ["KINDS", "Entry", "ListReading", "read_list"]

KINDS = ("ioc", "stix", "warninglist", "hashset")
"""Indicators (plain or a table), a STIX 2.1 bundle, a MISP warning list, a set of hashes."""

_SAMPLE = 20  # lines that are looked at to tell a list's kind
_SAYS = {"ioc": Malice.MALICIOUS, "stix": Malice.MALICIOUS, "warninglist": Malice.BENIGN}

Lines = list[tuple[int, str | None]]


class ListReading:
    """A list being read: its name and kind, what a hit in it says, its entries, and, when they are through, size and digest."""

    def __init__(self, name: str, kind: str, malice: Malice, file: ListFile, entries: Iterator[Entry], refusals: Refusals) -> None:
        """Made by `read_list`."""
        self.name = name
        self.kind = kind
        self.malice = malice
        self._file = file
        self._entries = entries
        self._refusals = refusals
        self._closing = ExitStack()

    def entries(self) -> Iterator[Entry]:
        """The entries in order, once; nothing is held of those handed out. A file that breaks off raises SourceError."""
        return self._entries

    @property
    def refused(self) -> list[tuple[int, str]]:
        """The line and reason of the first entries that were not taken (100 at most)."""
        return self._refusals.first

    @property
    def refused_count(self) -> int:
        """How many were not taken; all once the entries are through."""
        return self._refusals.count

    @property
    def sha256(self) -> str:
        """Hex SHA-256 of the file as it lies on disk; whole once the entries are through."""
        return self._file.sha256

    @property
    def size(self) -> int:
        """Bytes of the file as it lies on disk; all once the entries are through."""
        return self._file.size

    def close(self) -> None:
        """Close the file, if it was opened here."""
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def read_list(
    source: str | os.PathLike[str] | BinaryIO, *, kind: str | None = None, name: str | None = None, malice: Malice | str | None = None
) -> ListReading:
    """Open a list, plain or gzip: a path, or a binary file that stays the caller's to close.

    `kind` None: told from its beginning. `name` None: what the list calls itself, else the file's name. `malice` is what a
    hit says where an entry says nothing itself: Malicious for indicators, Benign for a warning list; of a set of hashes
    the caller must say. Raises SourceError for what is no list, an unknown kind, or a file that cannot be read.
    """
    if kind is not None and kind not in KINDS:
        raise SourceError(f"there is no kind of list {kind!r}", advice=f"known are: {', '.join(KINDS)}")
    if malice is not None and malice not in set(Malice):
        raise SourceError(f"there is no malice {malice!r}", advice=f"known are: {', '.join(Malice)}")
    says = None if malice is None else Malice(malice)
    with ExitStack() as closing:
        if isinstance(source, str | os.PathLike):
            label = os.fspath(source)
            file = closing.enter_context(_opened(label))
        else:
            label, file = str(getattr(source, "name", "the list")), source
        reading = _read(
            ListFile(file, label), kind, name or one_line(os.path.basename(label), LONGEST_NOTE) or "list", says, named=name is not None
        )
        reading._closing = closing.pop_all()  # noqa: SLF001 - the reading takes the open file over
    return reading


def _opened(path: str) -> BinaryIO:
    if os.path.exists(path) and not os.path.isfile(path):
        raise SourceError(f"{path} is not a file", advice="give the list's file itself")
    try:
        return open(path, "rb")
    except OSError as why:
        raise SourceError(f"{path} cannot be opened: {why.strerror}", advice="check the path and its permissions") from why


def _read(file: ListFile, kind: str | None, name: str, malice: Malice | None, *, named: bool) -> ListReading:
    refusals = Refusals()
    if file.is_json if kind is None else kind in {"stix", "warninglist"}:
        kind, fields, items = _json(file, kind)
        says = malice or _SAYS[kind]
        if kind == "stix":
            return ListReading(name, kind, says, file, read_bundle(items, refusals, says, file.name), refusals)
        name = name if named else note(fields["name"]) or name
        return ListReading(name, kind, says, file, read_warninglist(fields, items, refusals, file.name), refusals)
    lines = file.lines()
    kind, head = _text_kind(lines, kind)
    if malice is None and kind not in _SAYS:
        raise SourceError(
            f"{file.name} is a set of hashes, which does not say whether they are good or bad", advice="say what a hit in it means"
        )
    says = malice or _SAYS[kind]
    found = _hashes(lines, head, refusals) if kind == "hashset" else _indicators(lines, head, refusals, says)
    return ListReading(name, kind, says, file, found, refusals)


def _json(file: ListFile, kind: str | None) -> tuple[str, dict[str, Any], Lines | Any]:
    """The kind of a list in JSON, its fields and elements."""
    text = file.text()
    if kind != "warninglist":
        fields, items = read_json(text, file.name, "objects")
        if fields.get("type") == "bundle":
            return "stix", fields, items
    if kind != "stix":
        fields, items = read_json(text, file.name, "list")
        if is_warninglist(fields):
            return "warninglist", fields, items
    raise SourceError(
        f"{file.name} is JSON, but no {kind or 'STIX bundle, nor a warning list'}",
        advice="give a list of another kind, or a bundle with objects",
    )


def _text_kind(lines: Iterator[tuple[int, str | None]], kind: str | None) -> tuple[str, Lines]:
    """The kind of a list of lines, and the lines that were read to tell it."""
    head = []
    for one in lines:
        head.append(one)
        if len(head) >= _SAMPLE and any(_says_something(line) for _, line in head):
            break
        if len(head) >= _SAMPLE**2:  # a licence text may come first
            break
    telling = [line for _, line in head if _says_something(line) and line is not None]
    if kind is None:
        hashes = telling and (is_hash_table(telling[0]) or all(map(is_hash_line, telling)))
        kind = "hashset" if hashes else "ioc"
    return kind, head


def _says_something(line: str | None) -> bool:
    return line is not None and bool(line.strip()) and not line.startswith("#")


def _indicators(lines: Iterator[tuple[int, str | None]], head: Lines, refused: Refusals, says: Malice) -> Iterator[Entry]:
    """A table where its first line, or a comment before it, is a header; else plain."""
    start = next((place for place, (_, line) in enumerate(head) if _says_something(line)), len(head))
    first = head[start][1] if start < len(head) else None
    header = columns(first) if first is not None else None
    if header is not None:
        return read_table(chain(islice(head, start + 1, None), lines), refused, header, says)
    for _, line in reversed(head[:start]):
        header = columns(line.lstrip("# ")) if line is not None and line.startswith("#") else None
        if header is not None and header.width > 1 and first is not None and first.count(header.delimiter) >= header.width - 1:
            return read_table(chain(head[start:], lines), refused, header, says)
    return read_plain(chain(head, lines), refused)


def _hashes(lines: Iterator[tuple[int, str | None]], head: Lines, refused: Refusals) -> Iterator[Entry]:
    start = next((place for place, (_, line) in enumerate(head) if _says_something(line)), len(head))
    header = hash_columns(head[start][1] or "") if start < len(head) else None
    if header is None:
        return read_sums(chain(head, lines), refused)
    return read_hash_table(chain(islice(head, start + 1, None), lines), refused, header)
