"""SQLite's errors, said in alertstore's words."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from alertstore.errors import (
    AlertValidationError,
    FieldProblem,
    NotAStoreError,
    StorageError,
    StoreBusyError,
    StoreDamagedError,
    StoreFullError,
    StoreReadOnlyError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_IOERR}
_PRIMARY = 0xFF  # an extended result code keeps its family in the low byte


def translate(fault: sqlite3.Error, path: str) -> StorageError:
    """The typed error for one of SQLite's."""
    code = getattr(fault, "sqlite_errorcode", 0) & _PRIMARY
    if code in _BUSY:
        return StoreBusyError(f"{path} is locked by another writer", advice="try again, or open with a longer busy_timeout")
    if code == sqlite3.SQLITE_READONLY:
        return StoreReadOnlyError(f"{path} cannot be written to ({fault})", advice="open it in a place that you may write to")
    if code == sqlite3.SQLITE_FULL:
        return StoreFullError(f"no space left for {path}; nothing of this write was kept", advice="free space, then repeat it")
    if code in _DAMAGED:
        return StoreDamagedError(f"{path} is damaged or its disk fails: {fault}", advice="keep a copy, then restore a backup")
    if code == sqlite3.SQLITE_NOTADB:
        return NotAStoreError(f"{path} is not an SQLite database", advice="name an alertstore file, or a new one")
    if code == sqlite3.SQLITE_CANTOPEN:
        return StorageError(f"{path} cannot be opened: {fault}", advice="check that its folder is there and may be written to")
    return StorageError(f"{path}: {fault}")


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn SQLite's errors inside the block into typed ones, and text that SQLite cannot take into a bad value."""
    try:
        yield
    except UnicodeEncodeError as fault:
        raise AlertValidationError(
            [FieldProblem("text", "must be text, not bytes that are no UTF-8 (lone surrogates)", fault.object)]
        ) from fault
    except sqlite3.Error as fault:
        raise translate(fault, path) from fault
