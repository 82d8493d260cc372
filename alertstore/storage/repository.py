"""The store file, open: its connection, its transactions, and the edge of its history."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

import sqlite_utils

from alertstore.domain.merkle import Frontier, peak_places, stored_node
from alertstore.errors import NotAStoreError, SchemaMismatchError, StorageError, StoreMovedError, StoreReadOnlyError
from alertstore.storage import schema
from alertstore.storage.faults import translated
from alertstore.storage.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime, timedelta
    from uuid import UUID

Mode = Literal["create", "rw", "ro"]
Durability = Literal["full", "normal"]

SQLITE_VERSION = sqlite3.sqlite_version
"""The SQLite that Python came with."""

OLDEST_SQLITE = (3, 37, 0)
"""STRICT tables came with it."""

_SETTINGS = """
PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA recursive_triggers = ON; PRAGMA foreign_keys = ON;
PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536; PRAGMA wal_autocheckpoint = 4000;
"""


_OPEN: Counter[tuple[int, int] | None] = Counter()
"""The files that this process has open, by device and inode."""


class Repository:
    """One open store file. Not shared between threads: open one for each."""

    def __init__(self, conn: sqlite3.Connection, path: str, *, read_only: bool) -> None:
        """Own a connection that `open_file` or `create_file` made."""
        self.conn = conn
        self.db = sqlite_utils.Database(conn, execute_plugins=False)
        self.path = path
        self.read_only = read_only
        self._frontier: Frontier | None = None
        self._file = _identity(path)
        _OPEN[self._file] += 1
        self.caches: dict[str, dict[object, int]] = {}
        """What a transaction may remember for the next one; emptied when another process has written."""
        self._data_version = -1

    def close(self) -> None:
        """Close the connection; the write-ahead log goes into the file."""
        self.conn.close()
        _OPEN[self._file] -= 1
        if not _OPEN[self._file]:
            del _OPEN[self._file]

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of the store for several reads."""
        with translated(self.path):
            if self.conn.in_transaction:
                yield self.conn
                return
            self.conn.execute("BEGIN")
            try:
                yield self.conn
            finally:
                if self.conn.in_transaction:
                    self.conn.execute("COMMIT")

    @contextmanager
    def writing(self, clock: Callable[[], datetime], ids: Callable[[], UUID]) -> Iterator[Transaction]:
        """One write: all of it is kept, durably, or none of it."""
        if self.read_only:
            raise StoreReadOnlyError(f"{self.path} is open for reading only", advice="open it with mode='rw'")
        if _identity(self.path) != self._file:
            message = f"{self.path} is no longer the file that was opened"
            raise StoreMovedError(message, advice="close this store and open it again")
        with translated(self.path):
            self.conn.execute("BEGIN IMMEDIATE")
            try:
                (version,) = self.conn.execute("PRAGMA data_version").fetchone()
                if version != self._data_version:
                    self._data_version = version
                    self._frontier = None
                    self.caches.clear()
                transaction = Transaction(self.conn, self._frontier or frontier_at(self.conn), clock, ids)
                yield transaction
                frontier = transaction.flush()
                self.conn.execute("COMMIT")
            except BaseException:
                self._frontier = None
                self.caches.clear()
                if self.conn.in_transaction:
                    self.conn.execute("ROLLBACK")
                raise
            self._frontier = frontier

    def setting(self, name: str) -> str:
        """The value of one of the store's settings."""
        row = self.conn.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise SchemaMismatchError(f"{self.path} has no setting {name!r}", advice="it was changed from outside; restore a backup")
        return str(row[0])


def frontier_at(conn: sqlite3.Connection, size: int | None = None) -> Frontier:
    """The right edge that the history's tree had at `size` leaves (None: has now). Takes a logarithm of look-ups."""
    if size is None:
        (size,) = conn.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()
    peaks = {}
    for seq, level in peak_places(size):
        row = conn.execute("SELECT hashes FROM event WHERE seq = ?", (seq,)).fetchone()
        peaks[level] = stored_node(row[0] if row else b"", level)
    return Frontier(size, peaks)


def _identity(path: str) -> tuple[int, int] | None:
    if path == ":memory:":
        return None
    with suppress(FileNotFoundError):
        found = os.stat(path)
        return found.st_dev, found.st_ino
    return (0, 0)


def open_memory() -> Repository:
    """A new store in memory."""
    conn = sqlite3.connect(":memory:", isolation_level=None, cached_statements=256)
    _check_sqlite()
    conn.executescript(_SETTINGS)
    return Repository(conn, ":memory:", read_only=False)


def open_file(path: str, *, mode: Mode, durability: Durability, busy_timeout: timedelta) -> Repository:
    """Open an existing store file; every file that is not one is refused and left as it was."""
    _check_sqlite()
    path = os.path.abspath(path)
    check_regular(path)
    _check_header(path)
    read_only = mode == "ro"
    with translated(path):
        conn = _connect(path, _access(path) if read_only else "rw", busy_timeout)
        try:
            schema.check(conn, path)
            conn.executescript(_SETTINGS)
            conn.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
            conn.execute("PRAGMA query_only = ON" if read_only else "PRAGMA journal_mode = WAL")
        except BaseException:
            conn.close()
            raise
    return Repository(conn, path, read_only=read_only)


def _check_header(path: str) -> None:
    """Look at the file before SQLite does: opening a database that is somebody else's would tidy up its log.

    Never at a file that this process has open already: closing it again would drop SQLite's locks on it.
    """
    if _identity(path) not in _OPEN:
        with open(path, "rb") as file:
            schema.check_header(file.read(schema.HEADER), path)


def _access(path: str) -> str:
    """How to open a file for reading.

    Where its folder cannot be written to and no log stands beside it, SQLite could not make the files that it reads a log
    through, and need not.
    """
    quiet = not os.access(os.path.dirname(path), os.W_OK) and not os.path.exists(f"{path}-wal")
    return "ro&immutable=1" if quiet else "ro"


def create_file(path: str, fill: Callable[[Repository], None], busy_timeout: timedelta) -> None:
    """Make a new store file, whole or not at all: built under another name, then linked into place.

    Where somebody else made the file meanwhile, theirs stays.
    """
    _check_sqlite()
    path = os.path.abspath(path)
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise StorageError(f"{path} cannot be created: there is no folder {folder}", advice="create the folder first")
    with translated(path):
        try:
            handle, building = mkstemp(prefix=f".{Path(path).name}.", suffix=".new", dir=folder)  # mode 0600
        except OSError as fault:
            raise StoreReadOnlyError(f"{path} cannot be created: {fault.strerror}", advice="choose a folder you may write to") from fault
        os.close(handle)
        try:
            repository = Repository(_connect(building, "rw", busy_timeout), building, read_only=False)
            try:
                repository.conn.executescript("PRAGMA journal_mode = WAL;" + _SETTINGS)
                fill(repository)
            finally:
                repository.close()
            _put_in_place(building, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(building)


def _put_in_place(building: str, path: str) -> None:
    with suppress(FileExistsError):
        try:
            os.link(building, path)
        except PermissionError:  # a file system without hard links
            if not os.path.exists(path):
                os.rename(building, path)


def _connect(path: str, mode: str, busy_timeout: timedelta) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(path)}?mode={mode}",
        uri=True,
        isolation_level=None,
        cached_statements=256,
        timeout=busy_timeout.total_seconds(),
    )


def check_regular(path: str) -> None:
    """Refuse what is not a regular file, without opening it."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise NotAStoreError(f"there is no store at {path}", advice="AlertStore.open(path) creates one") from None
    except OSError as fault:
        raise StorageError(f"{path} cannot be opened: {fault.strerror}") from fault
    if not stat.S_ISREG(found.st_mode):
        raise NotAStoreError(f"{path} is not a regular file", advice="name an alertstore file, or a new one")


def _check_sqlite() -> None:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        needed = ".".join(map(str, OLDEST_SQLITE))
        raise StorageError(f"SQLite {SQLITE_VERSION} is too old", advice=f"use a Python with SQLite {needed} or newer")
