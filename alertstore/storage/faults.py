"""SQLite's errors, said in alertstore's words."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import contextmanager
from json import JSONDecodeError
from tempfile import TemporaryFile
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
from alertstore.storage.guard import was_denied

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_BROKEN, _RESTORE = "{path} is damaged or its disk fails: {said}", "keep a copy, then restore a backup"
_PRIMARY = 0xFF  # an extended result code keeps its family in the low byte
_PROBE = 64 << 10  # bytes that must fit for a failed write to have another reason; SQLite writes at most 32 KiB at once here


def _family(fault: sqlite3.Error) -> int:
    return getattr(fault, "sqlite_errorcode", 0) & _PRIMARY


def said(fault: sqlite3.Error) -> str:
    """What SQLite said, with its name for it. Names out of the file may stand in it, so all but plain characters are escaped."""
    text = str(fault).encode("unicode_escape").decode("ascii")
    name = getattr(fault, "sqlite_errorname", None)
    return f"{text} ({name})" if name else text


def is_distrust(fault: sqlite3.Error, path: str) -> bool:
    """Whether a fault means that a connection must write no more: the disk failed it, or the file is damaged."""
    family = _family(fault)
    if family == sqlite3.SQLITE_IOERR:
        return not _lacked_room(fault, path)
    return family in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def _lacked_room(fault: sqlite3.Error, path: str) -> bool:
    """Whether an I/O error means that there was no room. The index of the log could not grow: no other reason is known for that."""
    return getattr(fault, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHMSIZE or has_no_room(path)


def has_no_room(path: str) -> bool:
    """Whether nothing can be written beside a file for want of room: the disk, a quota, or a limit on the size of files.

    SQLite says "disk I/O error" for the latter two. Tried, since no call tells all three.
    """
    try:
        end = max(os.path.getsize(file) for ending in ("", "-wal", "-shm") if os.path.exists(file := f"{path}{ending}"))
        with TemporaryFile(dir=os.path.dirname(path), buffering=0) as probe:
            probe.seek(end)
            return probe.write(bytes(_PROBE)) != _PROBE
    except OSError as fault:
        return fault.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    except ValueError:  # there is no such file any more
        return False


def _holder(path: str) -> str:
    """Which other process holds a lock for writing, in words, where Linux tells; else nothing."""
    try:
        numbers = {os.stat(f"{path}{ending}").st_ino for ending in ("", "-shm") if os.path.exists(f"{path}{ending}")}
        with open("/proc/locks", encoding="ascii") as file:
            held = [line.split() for line in file]
    except OSError:
        return ""
    found = sorted({lock[4] for lock in held if lock[3] == "WRITE" and int(lock[5].rpartition(":")[2]) in numbers} - {str(os.getpid())})
    return f" (process {', '.join(found)})" if found else ""


_WORDS: dict[int, tuple[type[StorageError], str, str]] = {
    sqlite3.SQLITE_READONLY: (StoreReadOnlyError, "{path} cannot be written to: {said}", "open it in a place that you may write to"),
    sqlite3.SQLITE_FULL: (StoreFullError, "no space left for {path}; nothing of this write was kept", "free space, then repeat it"),
    sqlite3.SQLITE_CORRUPT: (StoreDamagedError, _BROKEN, _RESTORE),
    sqlite3.SQLITE_IOERR: (StoreDamagedError, _BROKEN, _RESTORE),
    sqlite3.SQLITE_NOTADB: (NotAStoreError, "{path} is not an SQLite database", "name an alertstore file, or a new one"),
    sqlite3.SQLITE_CANTOPEN: (StorageError, "{path} cannot be opened: {said}", "check that its folder is there and may be written to"),
    sqlite3.SQLITE_TOOBIG: (
        StorageError,
        "{path}: a value is larger than any that alertstore keeps",
        "if nothing that large was just written, the file was changed from outside: run verify, restore a backup",
    ),
}
"""Family of result codes -> the error, what it says, what it advises."""


def translate(fault: sqlite3.Error, path: str) -> StorageError:
    """The typed error for one of SQLite's."""
    family = _family(fault)
    if family in _BUSY:
        message = f"{path} is locked by another writer{_holder(path)}"
        return StoreBusyError(message, advice="try again, or open with a longer busy_timeout")
    if not family and str(fault).startswith("Could not decode to UTF-8"):  # what follows is the text itself
        return StoreDamagedError(f"{path} holds text that is no UTF-8", advice="run verify; restore a backup")
    if family == sqlite3.SQLITE_IOERR and _lacked_room(fault, path):
        family = sqlite3.SQLITE_FULL
    error, message, advice = _WORDS.get(family, (StorageError, "{path}: {said}", ""))
    return error(message.format(path=path, said=said(fault)), advice=advice)


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Turn SQLite's errors inside the block into typed ones, and text that SQLite cannot take into a bad value."""
    try:
        yield
    except UnicodeEncodeError as fault:
        raise AlertValidationError(
            [FieldProblem("text", "must be text, not bytes that are no UTF-8 (lone surrogates)", fault.object)]
        ) from fault
    except OverflowError as fault:
        if "SQLite" not in str(fault):
            raise StoreDamagedError(
                f"{path} holds a number that is none of ours ({fault})", advice="run verify; restore a backup"
            ) from fault
        raise AlertValidationError([FieldProblem("number", "must fit into 64 bits", None)]) from fault
    except UnicodeDecodeError as fault:  # SQLite's own words quote a name of the file's that is no text
        raise StoreDamagedError(f"{path} holds a schema that is no UTF-8", advice="restore a backup") from fault
    except JSONDecodeError as fault:  # of a row: what comes from outside is parsed before, under its source's own words
        raise StoreDamagedError(f"{path} holds JSON that cannot be read", advice="run verify; restore a backup") from fault
    except sqlite3.Error as fault:
        if _family(fault) == sqlite3.SQLITE_AUTH and not was_denied():
            raise KeyboardInterrupt from fault
        raise translate(fault, path) from fault
