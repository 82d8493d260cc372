"""An SQLite file read page by page, without SQLite: damage costs the page that has it, and no other (SQLite file format, 1.3 to 2.5)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

MAGIC = b"SQLite format 3\0"
USUAL_SIZE = 4096
"""Bytes of a page where the file no longer says it."""

_INNER_INDEX, _INNER_TABLE, _LEAF_INDEX, _LEAF_TABLE = 0x02, 0x05, 0x0A, 0x0D
_LEAVES = {_LEAF_INDEX, _LEAF_TABLE}
LOWEST = -(1 << 63)
"""The lowest number that a row can have."""

_LARGEST = 1 << 27
"""Bytes of a row; more than any that a store writes, and less than what a forged length could ask for."""

_LEAST, _MOST = 512, 65536
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_FLOAT, _ZERO, _ONE, _FIRST_BLOB = 7, 8, 9, 12


class Cell(NamedTuple):
    """One row as its page has it: its number (None in an index), its values, the page."""

    key: int | None
    values: tuple[Any, ...]
    page: int


Span = tuple[int, int | None]
"""Row numbers, first to last; None: no end is known."""


class Tree(NamedTuple):
    """A table or index, as far as its pages can be walked: those that hold rows, with the row numbers that belong there, and the
    row numbers that lay in pages which cannot be read.
    """

    pages: dict[int, Span]
    lost: list[Span]


class _Page(NamedTuple):
    kind: int
    cells: list[int]
    right: int


BROKEN = (ValueError, IndexError, struct.error)
"""What reading a damaged page or cell raises."""


class Pages:
    """The pages of a file that is mapped into memory."""

    def __init__(self, data: mmap | bytes) -> None:
        """Read the header, as far as it makes sense."""
        self.data = data
        sound = data[:16] == MAGIC
        said = int.from_bytes(data[16:18], "big") if sound else 0
        said = _MOST if said == 1 else said
        self.size = said if _LEAST <= said <= _MOST and said & (said - 1) == 0 else USUAL_SIZE
        self.usable = self.size - (data[20] if sound and self.size == said else 0)
        self.count = len(data) // self.size
        self.free = self._free_pages() if sound else set()

    def tree(self, root: int) -> Tree:
        """Walk a table or an index from its root."""
        found, seen = Tree({}, []), set[int]()
        waiting: list[tuple[int, int, int | None]] = [(root, LOWEST, None)]
        while waiting:
            number, first, last = waiting.pop()
            page = self._page(number)
            if page is None or number in seen:
                found.lost.append((first, last))
                continue
            seen.add(number)
            if page.kind != _INNER_TABLE:
                found.pages[number] = first, last
            if page.kind not in _LEAVES:
                try:
                    waiting += reversed(self._children(number, page, first, last))
                except BROKEN:
                    found.lost.append((first, last))
        return found

    def strays(self, reached: set[int]) -> list[int]:
        """Leaves of tables that no walk reached and that are not free."""
        numbers = (number for number in range(1, self.count + 1) if number not in reached and number not in self.free)
        return [number for number in numbers if (page := self._page(number)) is not None and page.kind == _LEAF_TABLE]

    def cells(self, number: int) -> Iterator[Cell | str]:
        """The rows of a page; for each that cannot be read, why not."""
        page = self._page(number)
        if page is None:
            yield "its page cannot be read"
            return
        for start in page.cells:
            try:
                yield self._cell(number, page.kind, start)
            except BROKEN as fault:
                yield f"page {number}, byte {start}: {fault}"

    def _children(self, number: int, page: _Page, first: int, last: int | None) -> list[tuple[int, int, int | None]]:
        """The pages below an inner page, each with the row numbers that belong there."""
        children = []
        for start in page.cells:
            place = (number - 1) * self.size + start
            key: int | None = None
            if page.kind == _INNER_TABLE:
                key, _ = _varint(self.data, place + 4)
            children.append((int.from_bytes(self.data[place : place + 4], "big"), first, key))
            first = first if key is None else key + 1
        return [*children, (page.right, first, last)]

    def _page(self, number: int) -> _Page | None:
        """A page of a table or an index; None where it is none, or lies behind the end of the file."""
        if not 1 <= number <= self.count:
            return None
        begin = (number - 1) * self.size
        head = begin + (100 if number == 1 else 0)
        kind = self.data[head]
        if kind not in {_INNER_INDEX, _INNER_TABLE, _LEAF_INDEX, _LEAF_TABLE}:
            return None
        table = head + (8 if kind in _LEAVES else 12)
        (number_of_cells,) = struct.unpack_from(">H", self.data, head + 3)
        end = table + 2 * number_of_cells
        if end > begin + self.usable:
            return None
        cells = list(struct.unpack_from(f">{number_of_cells}H", self.data, table))
        if any(not end - begin <= start < self.usable for start in cells):
            return None
        return _Page(kind, cells, 0 if kind in _LEAVES else int.from_bytes(self.data[head + 8 : head + 12], "big"))

    def _cell(self, number: int, kind: int, start: int) -> Cell:
        place = (number - 1) * self.size + start + (4 if kind == _INNER_INDEX else 0)
        length, place = _varint(self.data, place)
        key = None
        if kind == _LEAF_TABLE:
            key, place = _varint(self.data, place)
        if not 0 < length <= min(_LARGEST, len(self.data)):
            raise ValueError("a length that no row has")
        return Cell(key, _record(self._payload(place, length, number, is_table=kind == _LEAF_TABLE)), number)

    def _payload(self, place: int, length: int, number: int, *, is_table: bool) -> bytes:
        """The bytes of a row: those in its page, then those in the pages that it overflows to."""
        most = self.usable - 35 if is_table else (self.usable - 12) * 64 // 255 - 23
        least = (self.usable - 12) * 32 // 255 - 23
        here = length
        if length > most:
            here = least + (length - least) % (self.usable - 4)
            here = here if here <= most else least
        if place + here > (number - 1) * self.size + self.usable:
            raise ValueError("the row leaves its page")
        parts, rest = [self.data[place : place + here]], length - here
        following = int.from_bytes(self.data[place + here : place + here + 4], "big") if rest else 0
        while rest:
            if not 1 < following <= self.count:
                raise ValueError("the rest of the row lies outside the file")
            begin = (following - 1) * self.size
            following = int.from_bytes(self.data[begin : begin + 4], "big")
            part = self.data[begin + 4 : begin + 4 + min(rest, self.usable - 4)]
            parts.append(part)
            rest -= len(part)
        return b"".join(parts)

    def _free_pages(self) -> set[int]:
        free: set[int] = set()
        trunk = int.from_bytes(self.data[32:36], "big")
        while 1 < trunk <= self.count and trunk not in free:
            free.add(trunk)
            begin = (trunk - 1) * self.size
            following, number = struct.unpack_from(">II", self.data, begin)
            number = min(number, self.usable // 4 - 2)
            free.update(struct.unpack_from(f">{number}I", self.data, begin + 8))
            trunk = following
        return free


def _varint(data: mmap | bytes, place: int) -> tuple[int, int]:
    """A number of one to nine bytes, as a signed 64-bit one, and the place after it."""
    value = 0
    for offset in range(8):
        byte = data[place + offset]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:  # noqa: PLR2004 - the format's sign that no more bytes follow
            return value, place + offset + 1
    value = value << 8 | data[place + 8]
    return value - (1 << 64) if value >= 1 << 63 else value, place + 9


def _record(payload: bytes) -> tuple[Any, ...]:
    """The values of a row. Raises `ValueError` where the bytes are no row."""
    end, place = _varint(payload, 0)
    body, values = end, []
    while place < end:
        kind, place = _varint(payload, place)
        size = _INTEGERS.get(kind, 8 if kind == _FLOAT else max(0, kind - _FIRST_BLOB) // 2)
        part = payload[body : body + size]
        if len(part) != size:
            raise ValueError("the row is longer than its bytes")
        body += size
        values.append(_value(kind, part))
    if place != end or body != len(payload):
        raise ValueError("the row is not as long as its bytes")
    return tuple(values)


def _value(kind: int, part: bytes) -> Any:
    if kind in _INTEGERS:
        return int.from_bytes(part, "big", signed=True)
    if kind >= _FIRST_BLOB:
        return part.decode() if kind % 2 else part
    if kind in {_ZERO, _ONE}:
        return kind - _ZERO
    if kind == _FLOAT:
        return struct.unpack(">d", part)[0]
    if kind:
        raise ValueError("a kind of value that there is none of")
    return None
