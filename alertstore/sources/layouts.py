"""How a file's records lie, told from its first bytes: every way they might, the likeliest first."""

from __future__ import annotations

import re
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from alertstore.domain.payload import TAB, TEXT_LINES, Header, csv_cells, parse_record
from alertstore.errors import SourceError
from alertstore.sources.framing import lines, quoted_rows, tab_rows
from alertstore.sources.jsonframes import Objects, Place
from alertstore.sources.streams import Encoding, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alertstore.sources.streams import RawRecord

SAMPLE = 100
"""How many records are looked at to recognise a file."""

# The names under which tools and APIs hand out lists of records, in small letters.
_LIST_KEYS = frozenset(
    b"alerts data detections events findings hits incidents issues items nodes objects records resources response responses result results "
    b"value".split()
)
# Lists that stand side by side in one answer, each with records: Proofpoint TAP's.
_TOGETHER = frozenset((b"clicksBlocked", b"clicksPermitted", b"messagesBlocked", b"messagesDelivered"))
_DEEPEST_LIST = 3  # {"data": {"issues": {"nodes": [
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_OBJECT_FOLLOWS = re.compile(rb"\[\s*\{")
_FIRST_NAME = re.compile(rb'\{\s*("(?:[^"\\]|\\.){1,100}"\s*:)')
_ANY_GAP = re.compile(rb"\}[\s,]*(?=\{)")
_LINES_TRIED = 20
_MOST_COLUMNS = 4096
_LONGEST_HEADER = 1 << 17
"""Bytes of a table's first row, which stands in the event of its import."""
_TOP = 1 << 20
"""Bytes of a file in which its first lines are looked for."""


@frozen
class Layout:
    """One way to read a stream: `place` for JSON that is not in lines, `header` for rows, neither for JSON lines.

    `headed` tables have their column names in a first row rather than in a comment.
    """

    place: Place | None = None
    header: Header | None = None
    headed: bool = False

    @property
    def words(self) -> str:
        """What it looks like, for people."""
        if self.place is not None:
            if self.place.key is not None:
                return f"JSON objects in a list called {self.place.key.decode(errors='replace')}"
            return "JSON objects one after the other" if self.place.depth is None else "a JSON array of objects"
        if self.header is None:
            return "JSON, one object a line"
        if self.header == TEXT_LINES:
            return "lines of text"
        between = "tabs" if self.header.delimiter == TAB else self.header.delimiter
        return f"a table of {len(self.header.columns)} columns with {between} between them"

    @property
    def is_wrapped(self) -> bool:
        """Whether the records stand in a list within an object, of which there may be more further down."""
        return self.place is not None and bool(self.place.depth)

    def frame(self, window: Window) -> Iterator[RawRecord]:
        """The records of a stream."""
        if self.place is not None:
            return Objects(window, self.place).records()
        if self.header is None or self.header == TEXT_LINES:
            return lines(window)
        if self.header.delimiter == TAB:
            return tab_rows(window, headed=self.headed)
        return quoted_rows(window, self.header.delimiter)

    def sample(self, head: bytes) -> list[dict[str, Any]]:
        """What can be read of the first records; `head` is UTF-8."""
        found = []
        for one in islice(_of_head(self.frame(_window(head))), SAMPLE):
            with suppress(ValueError):
                found.append(parse_record(one.raw, self.header))
        return found


def _of_head(records: Iterator[RawRecord]) -> Iterator[RawRecord]:
    """The records of a file's head, which may well end in the middle of something."""
    with suppress(SourceError):
        yield from records


def layouts(head: bytes, name: str) -> list[Layout]:
    """The ways to read a file that begins with `head` (UTF-8, no byte order mark); empty for what is not text.

    Raises SourceError for a table that declares what is not read.
    """
    body = head.lstrip()
    if body.startswith(b"["):
        return [Layout(place=_resync(head, Place(0, None, None, _ANY_GAP)))]
    first = [line for line in head[:_TOP].split(b"\n", _LINES_TRIED)[:_LINES_TRIED] if line.strip()]
    if _in_lines(first, body):
        return [Layout(), *_wrappers(head)]
    if body.startswith(b"{"):
        return [Layout(place=_resync(head, Place(None, None, None, _ANY_GAP))), *_wrappers(head)]
    if b"\0" in head:
        return []
    # A container's log: what a tool says when it starts, then its objects.
    among = [Layout()] if any(_is_object(line) for line in first) else []
    return [*_tables(first, name), Layout(header=TEXT_LINES), *among]


def _window(head: bytes) -> Window:
    return Window(iter((head,)), Encoding("utf-8", 1, 0))


def _is_object(line: bytes) -> bool:
    try:
        parse_record(line, None)
    except ValueError:
        return False
    return True


def _in_lines(first: list[bytes], body: bytes) -> bool:
    """Whether each line is an object. A log may begin inside a line, so a first one that is the end of another is forgiven.

    A first line that only begins an object is left to the walk over objects, which reads damaged lines as well.
    """
    if first and _is_object(first[0]):
        return True
    return not body.startswith(b"{") and any(_is_object(line) for line in first[1:3])


def _wrappers(head: bytes) -> list[Layout]:
    """Lists of objects, under a name that lists of records have, near the top of the first object."""
    found: dict[tuple[int, bytes], Layout] = {}
    depth, key = 0, b""
    for token in _TOKEN.finditer(head):
        mark = token[0]
        named = key.lower() in _LIST_KEYS or key in _TOGETHER
        if mark == b"[" and 0 < depth <= _DEEPEST_LIST and named and _OBJECT_FOLLOWS.match(head, token.start()):
            place = Place(depth, key, None, _ANY_GAP, _TOGETHER if key in _TOGETHER else frozenset())
            found.setdefault((depth, key), Layout(place=place))
        depth += (mark in b"{[") - (mark in b"}]")
        key = mark.strip(b'"')
    return [evolve(layout, place=_resync(head, layout.place)) for layout in found.values() if layout.place]


def _resync(head: bytes, place: Place) -> Place:
    """The place, with how to find the next record after a damaged one, as the first records show it."""
    whole = [one for one in islice(_of_head(Objects(_window(head), place).records()), 2) if one.problem is None]
    if not whole:
        return place
    first, last = whole[0], whole[-1]
    before = head[: last.position].rpartition(b"\n")[2]
    line = b"\n" + before
    on_own_line = not before.strip() and (b"\n" in head[: last.position] or place.depth is None)
    if on_own_line and line + b"{" not in first.raw + last.raw:
        return evolve(place, line=line, gap=re.compile(re.escape(line) + rb"(?=\{)"))
    name = _FIRST_NAME.match(first.raw)
    if name is None:
        return place
    # Tools write the same name first in every record; a nested object with that name follows `[` or `:` instead.
    return evolve(place, gap=re.compile(rb"(?:(?<=[},])|(?<=[},]\s))(?=\{\s*" + re.escape(name[1]) + rb")"))


def _tables(first: list[bytes], name: str) -> Iterator[Layout]:
    """The table that the first lines are, if they are one."""
    declared = [line.rstrip(b"\r") for line in first if line.startswith(b"#")]
    separator = next((line.split()[-1] for line in declared if line.startswith(b"#separator")), b"\\x09")
    if separator != b"\\x09":
        raise SourceError(f"{name}: a Zeek log with another separator than tab", advice="let Zeek write its default format, or JSON")
    for line in declared:
        if line.startswith(b"#fields\t") and len(line) <= _LONGEST_HEADER:
            yield Layout(header=Header(_names(line.split(b"\t")[1:]), TAB))
            return
    row = next((line.rstrip(b"\r") for line in first if not line.startswith(b"#")), b"")
    delimiter = max((b",", b";", b"\t"), key=row.count)
    if not 0 < row.count(delimiter) < _MOST_COLUMNS or len(row) > _LONGEST_HEADER:
        return
    if delimiter == b"\t":
        yield Layout(header=Header(_names(row.split(b"\t")), TAB), headed=True)
        return
    try:
        cells = csv_cells(row.decode(), delimiter.decode())
    except ValueError:
        return
    yield Layout(header=Header(tuple(cells), delimiter.decode()), headed=True)


def _names(cells: list[bytes]) -> tuple[str, ...]:
    return tuple(cell.decode(errors="replace") for cell in cells)
