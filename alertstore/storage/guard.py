"""What a connection may do: settings that do not trust the file, limits on what it holds, and which statements run.

The SQL of this package never needs more. What does (making tables, migrating, VACUUM) asks for it with `unguarded`.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from alertstore.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTINGS = {
    "trusted_schema": 0,
    "cell_size_check": 1,
    "mmap_size": 0,
    "recursive_triggers": 1,
    "foreign_keys": 1,
    "secure_delete": 1,
    "temp_store": 2,  # memory: no content in files elsewhere
}

_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: 64 << 20,  # bytes of a value or a row; a record is at most 16 MiB, lists of numbers may be long
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 64 << 10,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 100,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 16,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 256,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 5_000,  # a batch of an import asks for the digests of its records at once
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 4,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}

if sys.version_info >= (3, 12):
    _SWITCHES = {
        sqlite3.SQLITE_DBCONFIG_DEFENSIVE: True,
        sqlite3.SQLITE_DBCONFIG_TRUSTED_SCHEMA: False,
        sqlite3.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION: False,
    }

_READING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_SAVEPOINT}
_WRITING = {sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE}
_FUNCTIONS_DENIED = {"load_extension", "fts3_tokenizer"}
_PRAGMAS = {
    "query_only",
    "synchronous",
    "cache_size",
    "wal_autocheckpoint",
    "wal_checkpoint",
    "max_page_count",
    "integrity_check",
    "quick_check",
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "table_info",
    "table_list",
    "table_xinfo",
}
"""Those that may be given a value or a name. Any may be asked without one."""
_PRAGMA_VALUES = {("journal_mode", "wal"), ("recursive_triggers", "on")}  # the latter sqlite-utils sets too

_BUDGET = 10.0  # seconds for looking at a schema; ours takes a hundredth of one
_STEPS = 10_000  # virtual machine steps between two looks at the clock


def harden(conn: sqlite3.Connection) -> None:
    """Set a new connection up, before it reads anything. Raises `StorageError` where SQLite does not keep a setting."""
    if sys.version_info >= (3, 12):
        for switch, on in _SWITCHES.items():
            conn.setconfig(switch, on)
    for limit, value in _LIMITS.items():
        conn.setlimit(limit, value)
    for name, value in _SETTINGS.items():
        conn.execute(f"PRAGMA {name} = {value}")
        kept = conn.execute(f"PRAGMA {name}").fetchone() or (0,)  # a SQLite without memory maps answers nothing about them
        if kept != (value,):
            advice = "use a Python whose SQLite is built as usual"
            raise StorageError(f"SQLite {sqlite3.sqlite_version} does not keep PRAGMA {name} = {value}", advice=advice)
    conn.set_authorizer(_authorize)


@contextmanager
def unguarded(conn: sqlite3.Connection) -> Iterator[None]:
    """Let a connection make and drop tables, attach (as VACUUM does) and set what it likes, for as long as the block runs.

    On a connection that was never guarded it changes nothing. Only for SQL that stands in this package.
    """
    attached = conn.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 1)
    conn.set_authorizer(None)
    try:
        yield
    finally:
        conn.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, attached)
        if attached == 0:
            conn.set_authorizer(_authorize)


@contextmanager
def budget(conn: sqlite3.Connection) -> Iterator[None]:
    """Let no statement of the block run for ever: SQLite interrupts it when its time is over."""
    end = time.monotonic() + _BUDGET
    conn.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        yield
    finally:
        conn.set_progress_handler(None, 0)


_denied: list[tuple[int, str | None, str | None]] = []


def was_denied() -> bool:
    """Whether a statement was denied since this was last asked.

    If not, and SQLite says so all the same, an interrupt ended the question: SQLite takes no answer for a no.
    """
    denied = bool(_denied)
    _denied.clear()
    return denied


@lru_cache(maxsize=4096)  # an answer that is known is given without running any Python, so that no interrupt can come between
def _authorize(action: int, first: str | None, second: str | None, _database: str | None, _within: str | None) -> int:
    """SQLite asks when it prepares a statement, once for everything that it would do. An error means no, and is not remembered."""
    if action in _READING:
        allowed = True
    elif action == sqlite3.SQLITE_FUNCTION:
        allowed = second not in _FUNCTIONS_DENIED
    elif action in _WRITING:
        allowed = _may_write(action, first or "", second)
    elif action == sqlite3.SQLITE_PRAGMA:
        allowed = second is None or first in _PRAGMAS or (first, second.lower()) in _PRAGMA_VALUES
    else:
        allowed = False
    if not allowed:
        _denied.append((action, first, second))
        raise PermissionError
    return sqlite3.SQLITE_OK


def _may_write(action: int, table: str, column: str | None) -> bool:
    """Of an event only the salt may change; triggers say which events may come and go.

    SQLite asks about an update of its schema also where it prepares a table-valued function; a real one it refuses by itself.
    """
    if action == sqlite3.SQLITE_UPDATE:
        return column == "salt" if table == "event" else table == "sqlite_master" or not table.startswith("sqlite_")
    return not table.startswith("sqlite_")
