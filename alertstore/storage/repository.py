"""The store file, open: its connection, its transactions, and the edge of its history."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
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


_OPEN: Counter[str] = Counter()
"""The store files that this process has open, by path."""

_OPENING = threading.Lock()
"""Held while a file is looked at and then opened, so that no thread looks at one that another just opened."""

_BESIDE = ("", "-wal", "-shm", "-journal")
"""What SQLite keeps for a database, by the endings of the names."""


def in_use(path: str) -> bool:
    """Whether a file belongs to a store that this process has open.

    Such a file must not be opened in any other way: closing it again would drop SQLite's locks (POSIX), and with them what
    other processes write.
    """
    found = _identity(path)
    return found not in {None, _NO_FILE} and any(_identity(f"{one}{ending}") == found for one in list(_OPEN) for ending in _BESIDE)


class Repository:
    """One open store file. Not shared between threads: open one for each."""

    def __init__(self, conn: sqlite3.Connection, path: str, *, read_only: bool) -> None:
        """Own a connection that `open_file` or `create_file` made."""
        self.conn = conn
        self.db = sqlite_utils.Database(conn, execute_plugins=False)
        self.path = path
        self.read_only = read_only
        self._frontier: Frontier | None = None
        self._busy = False
        self._file = _identity(path)
        _OPEN[path] += 1
        self.caches: dict[str, dict[object, int]] = {}
        """What a transaction may remember for the next one; emptied when another process has written."""
        self._data_version = -1

    def close(self) -> None:
        """Close the connection; the write-ahead log goes into the file."""
        self.conn.close()
        _OPEN[self.path] -= 1
        if not _OPEN[self.path]:
            del _OPEN[self.path]

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of the store for several reads; inside a write, that write's."""
        if self._busy:
            yield self.conn
            return
        with self._transaction("BEGIN"):
            yield self.conn

    @contextmanager
    def writing(self, clock: Callable[[], datetime], ids: Callable[[], UUID]) -> Iterator[Transaction]:
        """One write: all of it is kept, durably, or none of it."""
        if self.read_only:
            raise StoreReadOnlyError(f"{self.path} is open for reading only", advice="open it with mode='rw'")
        if _identity(self.path) != self._file:
            message = f"{self.path} is no longer the file that was opened"
            raise StoreMovedError(message, advice="close this store and open it again")
        with self._transaction("BEGIN IMMEDIATE"):
            (version,) = self.conn.execute("PRAGMA data_version").fetchone()
            if version != self._data_version:
                self._data_version = version
                self._frontier = None
                self.caches.clear()
            frontier, self._frontier = self._frontier, None  # whatever stops this write, the next one looks again
            transaction = Transaction(self.conn, frontier or frontier_at(self.conn), clock, ids)
            yield transaction
            frontier = transaction.flush()
            self.conn.execute("COMMIT")
            self._frontier = frontier

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        """A transaction that is over when the block is: taken back, unless the block committed it."""
        with translated(self.path):
            if self.conn.in_transaction:  # an interrupt came in the wrong moment
                self.conn.execute("ROLLBACK")
            try:
                self._busy = True
                self.conn.execute(begin)
                yield
            except BaseException:  # an interrupt too: what was remembered may have been taken back
                self.caches = {}
                raise
            finally:
                self._busy = False
                if self.conn.in_transaction:
                    self.conn.execute("ROLLBACK")

    @contextmanager
    def locked(self) -> Iterator[sqlite3.Connection]:
        """The write lock, to look at what only a writer may; nothing is written."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield self.conn

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
    return _NO_FILE


_NO_FILE = (0, 0)


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
    read_only = mode == "ro"
    with translated(path), _OPENING:
        _check_header(path)
        conn = _connect(path, _access(path) if read_only else "rw", busy_timeout)
        try:
            schema.check(conn, path)
            conn.executescript(_SETTINGS)
            conn.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
            conn.execute("PRAGMA query_only = ON" if read_only else "PRAGMA journal_mode = WAL")
        except BaseException:  # an interrupt too must not leave the file open
            conn.close()
            raise
        return Repository(conn, path, read_only=read_only)


@contextmanager
def old_file(path: str) -> Iterator[Repository]:
    """A store file of whatever version, open for migration."""
    path = os.path.abspath(path)
    check_regular(path)
    with translated(path):
        with _OPENING:
            repository = Repository(sqlite3.connect(path, isolation_level=None), path, read_only=False)
        try:
            yield repository
        finally:
            repository.close()


def _check_header(path: str) -> None:
    """Look at the file before SQLite does: opening a database that is somebody else's would tidy up its log.

    Never at a file that this process has open already: closing it again would drop SQLite's locks on it.
    """
    if not in_use(path):
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
    try:
        os.link(building, path)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        if not os.path.lexists(path):
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
