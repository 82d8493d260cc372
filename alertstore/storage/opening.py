"""From a path to an open store: what is not one is refused before it is touched; a new one comes whole or not at all."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager, suppress
from functools import partial
from tempfile import mkstemp
from typing import TYPE_CHECKING
from urllib.parse import quote

from alertstore.errors import StorageError, StoreReadOnlyError
from alertstore.storage import files, guard, registry, schema
from alertstore.storage.faults import translated
from alertstore.storage.filesystems import check_local
from alertstore.storage.repository import SQLITE_VERSION, Durability, Mode, Repository
from alertstore.storage.settings import SEALED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import timedelta

OLDEST_SQLITE = (3, 37, 0)
"""STRICT tables came with it."""

_CACHE = "PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 4000;"  # KiB; pages


def open_memory() -> Repository:
    """A new store in memory."""
    _check_sqlite()
    conn = sqlite3.connect(":memory:", isolation_level=None, cached_statements=256)
    try:
        guard.harden(conn)
        conn.executescript(_CACHE)
    except BaseException:  # an interrupt too must not leave it open
        conn.close()
        raise
    return Repository(conn, ":memory:", read_only=False)


def open_file(path: str, *, mode: Mode, durability: Durability, busy_timeout: timedelta, allow_network_fs: bool = False) -> Repository:
    """Open an existing store file; every file that is not one is refused and left as it was."""
    _check_sqlite()
    path = files.real_path(path)
    files.check_file(path, writing=mode != "ro")
    if mode != "ro" and not allow_network_fs:
        check_local(path)
    with translated(path), registry.opening(path):
        if mode == "ro":
            conn, stamp = _for_reading(path, busy_timeout)
            return Repository(conn, path, read_only=True, stamp=stamp, reopen=partial(_for_reading, path, busy_timeout))
        return Repository(_for_writing(path, durability, busy_timeout), path, read_only=False)


def _for_writing(path: str, durability: Durability, busy_timeout: timedelta) -> sqlite3.Connection:
    _header(path)
    if files.has_log(path) and not registry.in_use(path):
        # Closing a connection that may write takes the log into the file: not before it is known to be one of ours.
        _connect(path, "ro", busy_timeout).close()
    conn = _connect(path, "rw", busy_timeout)
    try:
        if conn.execute("SELECT 1 FROM setting WHERE name = ?", (SEALED,)).fetchone():
            raise StoreReadOnlyError(f"{path} is sealed", advice="open it with mode='ro'")
        conn.executescript(_CACHE)
        conn.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
        (journal,) = conn.execute("PRAGMA journal_mode = WAL").fetchone()
        if journal != "wal":
            raise StorageError(f"{path} cannot be given a write-ahead log", advice="keep the store on a local disk")
    except BaseException:  # an interrupt too must not leave the file open
        conn.close()
        raise
    return conn


def _for_reading(path: str, busy_timeout: timedelta) -> tuple[sqlite3.Connection, files.Stamp | None]:
    """A connection that reads, and the file as it was where it is read without locks.

    To read a file that has a write-ahead log, SQLite makes files beside it. Where nobody writes it need not: the file is then
    read as one that cannot change, and held against its stamp around every read.
    """
    header = _header(path)
    stamp = files.stamp(path)
    if stamp is None or not stamp.quiet or (header is not None and schema.keeps_no_log(header)):
        stamp = None
    if stamp is None and files.has_log(path) and files.is_protected(path):
        message = f"{path} is write-protected, but the log beside it holds what is not in it; reading that would change files"
        raise StoreReadOnlyError(message, advice="AlertStore.evidence(path) looks at a copy")
    with files.undisturbed(path, stamp):
        conn = _connect(path, "ro" if stamp is None else "ro&immutable=1", busy_timeout)
        try:
            conn.executescript(_CACHE)
            conn.execute("PRAGMA query_only = ON")
        except BaseException:  # an interrupt too must not leave the file open
            conn.close()
            raise
    return conn, stamp


@contextmanager
def old_file(path: str) -> Iterator[Repository]:
    """A store file of whatever version, open for migration."""
    path = files.real_path(path)
    files.check_file(path, writing=True)
    check_local(path)
    with translated(path):
        with registry.opening(path):
            _header(path, any_version=True)
            conn = _connect(path, "rw", checked=False)
            repository = Repository(conn, path, read_only=False)
        try:
            yield repository
        finally:
            repository.close()


def _header(path: str, *, any_version: bool = False) -> bytes | None:
    """Look at the file before SQLite does: opening a database that is somebody else's would tidy up its log.

    Never at a file that this process has open already: closing it again would drop SQLite's locks on it. None then.
    """
    if registry.in_use(path):
        return None
    with open(path, "rb") as file:
        header = file.read(schema.HEADER)
    schema.check_header(header, path, any_version=any_version)
    return header


def create_file(path: str, fill: Callable[[Repository], None], busy_timeout: timedelta, *, allow_network_fs: bool = False) -> None:
    """Make a new store file, whole or not at all: built under another name, then linked into place.

    Where somebody else made the file meanwhile, theirs stays.
    """
    _check_sqlite()
    path = files.real_path(path)
    folder, name = os.path.split(path)
    if not os.path.isdir(folder):
        raise StorageError(f"{path} cannot be created: there is no folder {folder}", advice="create the folder first")
    if not allow_network_fs:
        check_local(path)
    with translated(path):
        try:
            handle, building = mkstemp(prefix=f".{name}.", suffix=files.BUILDING, dir=folder)  # mode 0600
        except OSError as fault:
            raise StoreReadOnlyError(f"{path} cannot be created: {fault.strerror}", advice="choose a folder you may write to") from fault
        os.close(handle)
        try:
            repository = Repository(_connect(building, "rw", busy_timeout, checked=False), building, read_only=False)
            try:
                repository.conn.executescript(f"PRAGMA journal_mode = WAL; {_CACHE}")
                fill(repository)
                repository.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()  # closing would not say if the disk is full
            finally:
                repository.close()
            _put_in_place(building, path)
        finally:
            for ending in ("", *files.SIDECARS):
                with suppress(FileNotFoundError):
                    os.unlink(f"{building}{ending}")
        files.sync_folder(folder)


def _put_in_place(building: str, path: str) -> None:
    try:
        os.link(building, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not os.path.lexists(path):
            os.rename(building, path)


def _connect(path: str, how: str, busy_timeout: timedelta | None = None, *, checked: bool = True) -> sqlite3.Connection:
    """A guarded connection to a file, by a URI, in which no character of the path means anything; its schema is checked."""
    conn = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?mode={how}",
        uri=True,
        isolation_level=None,
        cached_statements=256,
        timeout=5.0 if busy_timeout is None else busy_timeout.total_seconds(),
    )
    try:
        guard.harden(conn)
        if checked:
            with guard.budget(conn):
                schema.check(conn, path)
    except BaseException:  # an interrupt too must not leave the file open
        conn.close()
        raise
    return conn


def _check_sqlite() -> None:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        needed = ".".join(map(str, OLDEST_SQLITE))
        raise StorageError(f"SQLite {SQLITE_VERSION} is too old", advice=f"use a Python with SQLite {needed} or newer")
