"""The shape of the database: schema.sql as it is now, and the numbered steps that bring older files to it."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from alertstore.errors import NotAStoreError, SchemaMismatchError, SchemaTooNewError, SchemaTooOldError
from alertstore.storage.guard import unguarded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import sqlite_utils

APPLICATION_ID = 0x616C7274
VERSION = 1

MIGRATIONS: Mapping[int, Callable[[sqlite_utils.Database], None]] = {}
"""Version -> the step that brings a file of the version before to it. Version 1 is the first."""


Shape: TypeAlias = "dict[tuple[str, str], str]"
"""(type, name) -> SQL of everything in a schema."""


@cache
def schema_sql() -> str:
    """The text of schema.sql: packaged beside the code, or at the top of a checkout."""
    here = Path(__file__).resolve().parents[1]
    packaged = here / "schema.sql"
    return (packaged if packaged.is_file() else here.parent / "schema.sql").read_text(encoding="utf-8")


def create(db: sqlite_utils.Database) -> None:
    """Make the tables in an empty database, inside the open transaction."""
    with unguarded(db.conn):
        db.executescript(schema_sql())


def check(conn: sqlite3.Connection, path: str) -> None:
    """Refuse a file that is not ours, not of this version, or whose schema is not the one that alertstore makes.

    Reads the table of the schema alone, so that no view, trigger, generated column or virtual table of a hostile file comes to
    act. Raises `NotAStoreError`, `SchemaTooNewError`, `SchemaTooOldError`, `SchemaMismatchError`.
    """
    (application,) = conn.execute("PRAGMA application_id").fetchone()
    (version,) = conn.execute("PRAGMA user_version").fetchone()
    check_ids(application, version, path)
    if wrong := _wrong(conn, _shipped(schema_sql())):
        name, expected, found = wrong[0]
        what = "lacks" if found is None else "has its own" if expected is None else "has another"
        message = f"{path} {what} {name}" + (f", and {len(wrong) - 1} more differ" if len(wrong) > 1 else "")
        raise SchemaMismatchError(message, advice="it was changed from outside; restore a backup")


@cache
def _shipped(sql: str) -> Shape:
    """The shape that a script makes; the script is this package's."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as conn:
        conn.executescript(sql)
        return shape(conn)


HEADER = 100
"""Bytes of the header of an SQLite file."""


def check_header(header: bytes, path: str, *, any_version: bool = False) -> None:
    """Refuse, by the first bytes of the file alone, one that is not ours or not of this version (SQLite file format, 1.3)."""
    if not header:
        raise NotAStoreError(f"{path} is empty", advice="name another file, or delete it: a new store is created where none is")
    if len(header) < HEADER or not header.startswith(b"SQLite format 3\0"):
        raise NotAStoreError(f"{path} is not an SQLite database", advice="name an alertstore file, or a new one")
    version = VERSION if any_version else int.from_bytes(header[60:64], "big", signed=True)
    check_ids(int.from_bytes(header[68:72], "big"), version, path)


def keeps_no_log(header: bytes) -> bool:
    """Whether the header of a database says that it is read and written without a write-ahead log (its versions are 1, not 2)."""
    return header[18:20] == b"\1\1"


def check_ids(application: int, version: int, path: str) -> None:
    """Refuse a database by its application_id and user_version."""
    if application != APPLICATION_ID:
        raise NotAStoreError(f"{path} is not an alertstore file", advice="name another file; a new one is created where none is")
    if version > VERSION:
        message = f"{path} has schema version {version}; this alertstore knows versions up to {VERSION}"
        raise SchemaTooNewError(message, advice="install a newer alertstore; the file was not touched")
    if version < VERSION:
        message = f"{path} has schema version {version}; this alertstore works with version {VERSION}"
        raise SchemaTooOldError(message, advice="AlertStore.migrate(path) brings it up to date, and makes a backup first")


def shape(conn: sqlite3.Connection) -> Shape:
    """Every object of the schema that somebody named: (type, name) -> its SQL, blanks folded where they mean nothing."""
    sql = "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name"
    return {(kind, name): _folded(sql) for kind, name, sql in conn.execute(sql)}


def differences(conn: sqlite3.Connection) -> list[tuple[str, str | None, str | None]]:
    """Where a database's schema is not the shipped one: (name, expected SQL, found SQL).

    What SQLite keeps for itself (statistics) and plain indexes that somebody added do no harm and are not listed.
    """
    return _wrong(conn, _shipped(schema_sql()))


def additions(conn: sqlite3.Connection) -> list[str]:
    """The plain indexes that somebody added to the database."""
    expected = _shipped(schema_sql())
    found = shape(conn)
    return [name for (kind, name), sql in found.items() if (kind, name) not in expected and _is_plain_index(kind, sql, expected)]


def _wrong(conn: sqlite3.Connection, expected: Shape) -> list[tuple[str, str | None, str | None]]:
    found = shape(conn)
    return [
        (f"{kind} {printable(name)}", expected.get((kind, name)), found.get((kind, name)))
        for kind, name in sorted(expected.keys() | found.keys())
        if expected.get((kind, name)) != (sql := found.get((kind, name)))
        and not (sql is not None and (kind, name) not in expected and (sql in _STATISTICS or _is_plain_index(kind, sql, expected)))
    ]


def printable(name: str) -> str:
    """A name out of a file that anybody may have made, so that it can be shown."""
    return name if name.isidentifier() and name.isascii() else repr(name)[:100]


@lru_cache(maxsize=256)
def _folded(sql: str) -> str:
    return _BLANKS.sub(lambda found: found[1] or " ", sql).strip()


_BLANKS = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|\s+""")
_STATISTICS = {"CREATE TABLE sqlite_stat1(tbl,idx,stat)", "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"}  # by ANALYZE
_NAME = r"""(?:\w+|"\w+"|\[\w+\]|`\w+`)"""
_COLUMN = rf"{_NAME}(?: COLLATE (?:BINARY|NOCASE|RTRIM))?(?: ASC| DESC)?"
_PLAIN_INDEX = re.compile(rf"CREATE INDEX {_NAME} ON ({_NAME}) ?\( ?{_COLUMN}(?: ?, ?{_COLUMN})* ?\)", re.IGNORECASE | re.ASCII)


def _is_plain_index(kind: str, sql: str, expected: Shape) -> bool:
    """Whether an object is an index on columns of one of our tables, without an expression, a condition, or uniqueness."""
    index = _PLAIN_INDEX.fullmatch(sql) if kind == "index" else None
    return index is not None and ("table", index[1].strip('"[]`')) in expected


def migrate(db: sqlite_utils.Database, version: int) -> None:
    """Take every step from `version` to the present one, inside the open transaction."""
    for step in range(version + 1, VERSION + 1):
        if step not in MIGRATIONS:
            raise SchemaMismatchError(f"no way is known from schema version {step - 1} to {step}")
        with unguarded(db.conn):
            MIGRATIONS[step](db)
    with unguarded(db.conn):
        db.execute(f"PRAGMA user_version = {VERSION}")
