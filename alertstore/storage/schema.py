"""The shape of the database: schema.sql as it is now, and the numbered steps that bring older files to it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from alertstore.errors import NotAStoreError, SchemaMismatchError, SchemaTooNewError, SchemaTooOldError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    import sqlite_utils

APPLICATION_ID = 0x616C7274
VERSION = 1

MIGRATIONS: Mapping[int, Callable[[sqlite_utils.Database], None]] = {}
"""Version -> the step that brings a file of the version before to it. Version 1 is the first."""


@cache
def schema_sql() -> str:
    """The text of schema.sql: packaged beside the code, or at the top of a checkout."""
    here = Path(__file__).resolve().parents[1]
    packaged = here / "schema.sql"
    return (packaged if packaged.is_file() else here.parent / "schema.sql").read_text(encoding="utf-8")


def create(db: sqlite_utils.Database) -> None:
    """Make the tables in an empty database, inside the open transaction."""
    db.executescript(schema_sql())


def check(conn: sqlite3.Connection, path: str) -> None:
    """Refuse a file that is not ours, not of this version, or that lacks what ours have. Reads only."""
    (application,) = conn.execute("PRAGMA application_id").fetchone()
    (version,) = conn.execute("PRAGMA user_version").fetchone()
    check_ids(application, version, path)
    lacking = sorted(_names() - {name for (name,) in conn.execute("SELECT name FROM sqlite_schema")})
    if lacking:
        raise SchemaMismatchError(f"{path} has no {', '.join(lacking)}", advice="it was changed from outside; restore a backup")


@cache
def _names() -> frozenset[str]:
    return frozenset(re.findall(r"^CREATE (?:UNIQUE |VIRTUAL )?(?:TABLE|INDEX|VIEW|TRIGGER) (\w+)", schema_sql(), re.MULTILINE))


HEADER = 100
"""Bytes of the header of an SQLite file."""


def check_header(header: bytes, path: str) -> None:
    """Refuse, by the first bytes of the file alone, one that is not ours or not of this version (SQLite file format, 1.3)."""
    if not header:
        raise NotAStoreError(f"{path} is empty", advice="name another file, or delete it: a new store is created where none is")
    if len(header) < HEADER or not header.startswith(b"SQLite format 3\0"):
        raise NotAStoreError(f"{path} is not an SQLite database", advice="name an alertstore file, or a new one")
    check_ids(int.from_bytes(header[68:72], "big"), int.from_bytes(header[60:64], "big", signed=True), path)


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


def shape(conn: sqlite3.Connection) -> dict[tuple[str, str], str]:
    """Every object of the schema: (type, name) -> its SQL with blanks folded."""
    rows = conn.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type, name")
    return {(kind, name): " ".join(sql.split()) for kind, name, sql in rows}


def differences(conn: sqlite3.Connection, fresh: sqlite3.Connection) -> list[tuple[str, str | None, str | None]]:
    """Where a database's schema is not that of a fresh one: (name, expected SQL, found SQL)."""
    expected, found = shape(fresh), shape(conn)
    return [
        (f"{kind} {name}", expected.get((kind, name)), found.get((kind, name)))
        for kind, name in sorted(expected.keys() | found.keys())
        if expected.get((kind, name)) != found.get((kind, name))
    ]


def migrate(db: sqlite_utils.Database, version: int) -> None:
    """Take every step from `version` to the present one, inside the open transaction."""
    for step in range(version + 1, VERSION + 1):
        if step not in MIGRATIONS:
            raise SchemaMismatchError(f"no way is known from schema version {step - 1} to {step}")
        MIGRATIONS[step](db)
    db.execute(f"PRAGMA user_version = {VERSION}")
