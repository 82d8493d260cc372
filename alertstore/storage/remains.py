"""What can still be read of a damaged store, table by table, in a scratch database without any rule."""

from __future__ import annotations

import json
import mmap
import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from alertstore.storage.pages import LOWEST, Cell, Pages, Span, Tree
from alertstore.storage.schema import schema_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

TABLES = (
    "event", "setting", "part_salt", "signed_checkpoint", "pruned", "import", "detection_rule", "alert", "deleted_alert", "occurrence",
    "rejected_record", "indicator", "alert_indicator", "finding", "context_document", "suppression", "alias", "foreign_event",
    "foreign_store", "sync_alert", "sync_remote", "intel_list",
)  # fmt: skip
"""Every table that holds what is not derived; the history first, since it says what the other rows are."""

_TYPES = {"TEXT": str, "INTEGER": int, "BLOB": bytes}
_HAS_NO_STRAYS = {"pruned", "suppression", "intel_list", "alias", "foreign_event", "foreign_store", "sync_alert", "sync_remote"}
"""Their rows look like those of each other, of the search index, or of indexes."""
_LINKS = "indicator_seen"
_SOURCES = {
    "occurrence": {"alert_ingested", "alert_deduplicated"},
    "rejected_record": {"record_rejected", "record_suppressed"},
    "finding": {"alert_finding_added"},
}


class Shape(NamedTuple):
    """A table as schema.sql makes it: its columns, what each may hold, and the place of the row's number (None: it has none)."""

    columns: tuple[str, ...]
    kinds: tuple[tuple[type, bool], ...]
    key: int | None

    def row(self, cell: Cell) -> tuple[Any, ...] | None:
        """The values of a cell as a row of this table; None where they are no such row."""
        values = cell.values
        if len(values) != len(self.columns) or (self.key is None) is not (cell.key is None):
            return None
        if self.key is not None:
            if values[self.key] is not None:
                return None
            values = (*values[: self.key], cell.key, *values[self.key + 1 :])
        fits = ((not needed if value is None else type(value) is kind) for value, (kind, needed) in zip(values, self.kinds, strict=True))
        return values if all(fits) else None


def shapes() -> tuple[dict[str, Shape], dict[str, int]]:
    """The shape of every table, and the root pages that tables and indexes have in a new store."""
    with closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(schema_sql())
        roots = dict(fresh.execute("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0").fetchall())
        found = {}
        for table in TABLES:
            columns = fresh.execute(f"PRAGMA table_info({table})").fetchall()
            (sql,) = fresh.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
            keys = [place for place, (*_, key) in enumerate(columns) if key]
            has_number = "WITHOUT ROWID" not in sql
            found[table] = Shape(
                tuple(name for _, name, *_ in columns),
                tuple((_TYPES[kind], bool(needed or key)) for _, _, kind, needed, _, key in columns),
                keys[0] if has_number else None,
            )
    return found, roots


class Remains:
    """The rows of a damaged store. Rows that are none, or that contradict others, go to `reject(table, row, reason)`."""

    def __init__(self, path: str, scratch: str, reject: Callable[[str, object, str], None]) -> None:
        """Read the file at `path`, which SQLite must not have open, into a new database at `scratch`."""
        self.reject = reject
        self.lost: dict[str, list[Span]] = {table: [] for table in TABLES}
        self.shapes, self._usual_roots = shapes()
        self.conn = sqlite3.connect(scratch, isolation_level=None)
        self.conn.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN")
        for table, shape in self.shapes.items():
            key = shape.columns[shape.key] if shape.key is not None else None
            columns = ", ".join(f"{name} INTEGER PRIMARY KEY" if name == key else name for name in shape.columns)
            self.conn.execute(f"CREATE TABLE {table} ({columns}{'' if key else f', UNIQUE ({_KEYS[table]})'})")
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                    self._read(Pages(data))
        self.conn.execute("CREATE INDEX event_alert ON event (alert_id, seq)")

    def close(self) -> None:
        """Close the scratch database."""
        self.conn.close()

    def rows(self, table: str) -> Iterator[dict[str, Any]]:
        """The rows of a table, in the order of their numbers."""
        shape = self.shapes[table]
        order = shape.columns[shape.key or 0]
        for row in self.conn.execute(f"SELECT * FROM {table} ORDER BY {order}"):
            yield dict(zip(shape.columns, row, strict=True))

    def gaps(self, table: str) -> list[Span]:
        """The row numbers of a table that lay in pages which cannot be read and that turned up nowhere else."""
        shape = self.shapes[table]
        if shape.key is None:
            return []
        key, found = shape.columns[shape.key], list[Span]()
        for first, last in sorted(self.lost[table], key=lambda span: span[0]):
            start = first if first != LOWEST else min(1, self.value(f"SELECT coalesce(min({key}), 1) FROM {table}"))
            sql = f"SELECT {key} FROM {table} WHERE {key} >= :start AND (:last IS NULL OR {key} <= :last) ORDER BY 1"
            for (number,) in self.conn.execute(sql, {"start": start, "last": last}):
                if number > start:
                    found.append((start, number - 1))
                start = number + 1
            if last is None or start <= last:
                found.append((start, last))
        return joined(found)

    def value(self, sql: str) -> Any:
        """The one value that a query gives."""
        return self.conn.execute(sql).fetchone()[0]

    def _read(self, pages: Pages) -> None:
        schema = pages.tree(1)
        roots = self._usual_roots | dict(_roots(pages, schema))
        trees = {table: pages.tree(roots[table]) for table in TABLES}
        reached = {*schema.pages, *(number for tree in trees.values() for number in tree.pages)}
        strays = pages.strays(reached | {1})
        for table, tree in trees.items():
            self.lost[table] = tree.lost
            for number, span in tree.pages.items():
                cells = list(pages.cells(number))
                if self._is_foreign(self.shapes[table], cells):
                    strays.append(number)
                    self.lost[table].append(span)
                else:
                    self._take_page(table, cells)
        self._take_links(pages, pages.tree(roots[_LINKS]))
        for number in strays:
            self._take_stray(pages.cells(number))

    def _is_foreign(self, shape: Shape, cells: list[Cell | str]) -> bool:
        rows = [cell for cell in cells if isinstance(cell, Cell)]
        return bool(rows) and all(shape.row(cell) is None for cell in rows)

    def _take_page(self, table: str, cells: Iterable[Cell | str]) -> None:
        for cell in cells:
            row = self.shapes[table].row(cell) if isinstance(cell, Cell) else None
            if row is not None:
                self._take(table, row)
            elif isinstance(cell, Cell):
                self.reject(table, [cell.key, *cell.values], "it is no row of this table")
            else:
                self.reject(table, None, cell)

    def _take_links(self, pages: Pages, tree: Tree) -> None:
        """The links once more, from the index over them, which holds all that they do."""
        for number in tree.pages:
            for cell in pages.cells(number):
                if isinstance(cell, Cell) and cell.key is None and [type(value) for value in cell.values] == [int] * 4:
                    indicator, occurred, alert, seq = cell.values
                    self.conn.execute("INSERT OR IGNORE INTO alert_indicator VALUES (?,?,?,?)", (alert, indicator, seq, occurred))

    def _take_stray(self, cells: Iterable[Cell | str]) -> None:
        """Rows of a page that lies in no table, or in the wrong one: what they look like is what they are."""
        for cell in cells:
            if isinstance(cell, str):
                continue
            fitting = {table: row for table in TABLES if table not in _HAS_NO_STRAYS and (row := self.shapes[table].row(cell)) is not None}
            if len(fitting) > 1 and cell.key is not None:
                kind = self.conn.execute("SELECT kind FROM event WHERE seq = ?", (cell.key,)).fetchone()
                choice = [table for table in fitting if kind and kind[0] in _SOURCES.get(table, ())]
                if not choice:
                    self.reject(" or ".join(fitting), [cell.key, *cell.values], "the history does not say which it is")
                fitting = {table: fitting[table] for table in choice}
            for table, row in fitting.items():
                self._take(table, row)

    def _take(self, table: str, row: tuple[Any, ...]) -> None:
        marks = ",".join("?" * len(row))
        if not self.conn.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row).rowcount:
            shape = self.shapes[table]
            same = " AND ".join(f"{name} IS ?" for name in shape.columns)
            if self.conn.execute(f"SELECT 1 FROM {table} WHERE {same}", row).fetchone() is None:
                self.reject(table, dict(zip(shape.columns, row, strict=True)), "another row has its number")


def joined(spans: Iterable[Span]) -> list[Span]:
    """Ascending ranges, those that follow on each other as one."""
    found = list[Span]()
    for first, last in spans:
        if found and found[-1][1] == first - 1:
            found[-1] = found[-1][0], last
        else:
            found.append((first, last))
    return found


_KEYS = {
    "setting": "name",
    "part_salt": "seq, part",
    "signed_checkpoint": "size, epoch",
    "alert_indicator": "alert_id, indicator_id",
    "suppression": "uuid",
    "alias": "uuid",
    "foreign_event": "store_id, number",
    "foreign_store": "store_id",
    "sync_remote": "name",
}
"""Of tables without a row number: what takes its place."""


def _roots(pages: Pages, schema: Tree) -> Iterator[tuple[str, int]]:
    """The root pages that the file itself names."""
    for number in schema.pages:
        for cell in pages.cells(number):
            if isinstance(cell, Cell) and [type(value) for value in cell.values[:4]] == [str, str, str, int]:
                _, name, _, root, *_ = cell.values
                yield name, root


def as_text(row: object) -> str:
    """A row as a line of JSON; bytes as {"hex": ...}."""
    return json.dumps(row, ensure_ascii=True, default=lambda value: {"hex": value.hex()} if isinstance(value, bytes) else str(value))
