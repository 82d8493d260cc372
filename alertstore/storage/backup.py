"""Copies of a store: whole, checked, and put in place at once."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from tempfile import mkstemp

from alertstore.errors import StorageError, StoreDamagedError
from alertstore.storage.faults import translated
from alertstore.storage.files import COPYING, sync_folder

PAGES = 1024
"""Pages copied at a step, so that writers get in between."""


def backup(conn: sqlite3.Connection, target: str) -> None:
    """Copy the open store, inside a read of it, to a new file (mode 0600), checked before it gets its name.

    An existing file is never replaced. Writers go on meanwhile, and do not make the copy start again.
    """
    target = os.path.abspath(target)
    if os.path.lexists(target):
        raise StorageError(f"{target} exists already", advice="name a file that does not exist")
    folder = os.path.dirname(target)
    try:
        handle, building = mkstemp(prefix=f".{Path(target).name}.", suffix=COPYING, dir=folder)
    except OSError as fault:
        raise StorageError(f"{target} cannot be created: {fault.strerror}", advice="choose a folder you may write to") from fault
    os.close(handle)
    try:
        with translated(target), closing(sqlite3.connect(building, isolation_level=None)) as copy:
            conn.execute("SELECT count(*) FROM setting").fetchone()  # the caller's read begins: what is copied is this moment's
            conn.backup(copy, pages=PAGES)
            (found,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
            copy.execute("PRAGMA journal_mode = DELETE")
        if found != "ok":
            raise StoreDamagedError(f"the copy of the store is damaged: {found}", advice="run verify; the store itself may be damaged")
        _sync(building)
        try:
            os.link(building, target)
            os.unlink(building)  # before the folder is synced: a copy with two names would not be opened
        except FileExistsError:
            raise StorageError(f"{target} exists already", advice="name a file that does not exist") from None
        except OSError:  # a file system without hard links
            os.rename(building, target)
        sync_folder(folder)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(building)


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
