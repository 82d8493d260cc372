"""Sets of hashes: one a line, what `sha256sum` and `md5` print, or a table with hash columns (NSRL)."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

from alertstore.enrich.reading import Entry, shown
from alertstore.enrich.spelling import note, plain_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alertstore.enrich.reading import Refusals

_SUM = re.compile(r"\\?([0-9A-Fa-f]{64}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{32})(?:(?:\s+\*?|[,;:|])(\S.*)?)?")
_TAGGED = re.compile(r"(?:MD5|SHA1|SHA256) ?\((.*)\) ?= ?([0-9A-Fa-f]+)")
_NAMES = {32: "hash_md5:", 40: "hash_sha1:", 64: "hash_sha256:"}
_COLUMNS = {
    "md5": 32,
    "md5_hash": 32,
    "sha1": 40,
    "sha_1": 40,
    "sha1_hash": 40,
    "sha256": 64,
    "sha_256": 64,
    "sha256_hash": 64,
    "hash": None,
}
_TITLES = ("filename", "file_name", "name", "comment")
_HEX = re.compile(r"[0-9a-f]+")


def is_hash_line(line: str) -> bool:
    """Whether a line is one of a set of hashes."""
    text = line.strip()
    return bool(_SUM.fullmatch(text) or _TAGGED.fullmatch(text))


def hash_columns(line: str) -> tuple[list[str], str] | None:
    """The column names of a table that begins with this line, and what is between its cells, if a column is for hashes."""
    delimiter = max(",;\t", key=line.count)
    names = [plain_word(cell) for cell in _cells(line.strip(), delimiter)]
    return (names, delimiter) if any(name in _COLUMNS for name in names) else None


def is_hash_table(line: str) -> bool:
    """Whether the line is the header of a table of known files, as distinct from one of indicators."""
    found = hash_columns(line)
    return found is not None and not {"filename", "file_name"}.isdisjoint(found[0])


def read_sums(lines: Iterable[tuple[int, str | None]], refused: Refusals) -> Iterator[Entry]:
    """The entries of a set of lines; the file's name, where there is one, is the note."""
    for number, line in lines:
        text = "" if line is None else line.strip()
        if line is not None and (not text or text[0] == "#"):
            continue
        name: str | None
        if found := _SUM.fullmatch(text):
            digest, name = found[1], found[2]
        elif tagged := _TAGGED.fullmatch(text):
            name, digest = tagged[1], tagged[2]
        else:
            refused.add(number, "the line is too long" if line is None else f"{shown(text)} is no hash")
            continue
        value = _hash(digest)
        if value is None:
            refused.add(number, f"{shown(digest)} is no MD5, SHA-1 or SHA-256")
        else:
            yield Entry("exact", value, number, note=name and note(name))


def read_hash_table(lines: Iterable[tuple[int, str | None]], refused: Refusals, header: tuple[list[str], str]) -> Iterator[Entry]:
    """The entries of the rows below the header (from `hash_columns`): every hash of a row."""
    names, delimiter = header
    hashes = [(place, _COLUMNS[name]) for place, name in enumerate(names) if name in _COLUMNS]
    title = next((names.index(name) for name in _TITLES if name in names), None)
    for number, line in lines:
        if line is None:
            refused.add(number, "the line is too long")
            continue
        cells = _cells(line, delimiter)
        if not any(cells) or line.startswith("#"):
            continue
        if len(cells) < len(names):
            refused.add(number, f"a row of {len(cells)} cells under a header of {len(names)}")
            continue
        said = None if title is None else note(cells[title])
        given = [(cells[place].strip(), digits) for place, digits in hashes if cells[place].strip()]
        found = [_hash(text) if digits in {None, len(text)} else None for text, digits in given]
        yield from (Entry("exact", value, number, note=said) for value in found if value is not None)
        if None in found or not found:
            refused.add(
                number, "the row names no hash" if not found else f"{shown(given[found.index(None)][0])} is no hash of its column's kind"
            )


def _hash(digest: str) -> str | None:
    """`type:value` as `domain.indicators` spells it, without its memory of what it spelled: there are millions."""
    value = digest.lower()
    name = _NAMES.get(len(value))
    return name + value if name is not None and _HEX.fullmatch(value) and value.strip("0") else None


def _cells(line: str, delimiter: str) -> list[str]:
    if line.count('"') % 2:  # file names hold quotes that nobody doubled; as a cell of its own each stays
        return [cell.strip('"') for cell in line.split(delimiter)]
    try:
        return next(csv.reader((line,), delimiter=delimiter), [])
    except csv.Error:
        return []
