"""The store file, open: its connection, its transactions, and the edge of its history."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal
from weakref import WeakSet

import sqlite_utils

from alertstore.errors import SchemaMismatchError, StorageError, StoreDamagedError, StoreMovedError, StoreReadOnlyError
from alertstore.storage import files, registry
from alertstore.storage.faults import is_distrust, said, translated
from alertstore.storage.frontier import frontier_at
from alertstore.storage.transaction import Transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID

    from alertstore.domain.merkle import Frontier

Mode = Literal["create", "rw", "ro"]
Durability = Literal["full", "normal"]

SQLITE_VERSION = sqlite3.sqlite_version
"""The SQLite that Python came with."""


class Repository:
    """One open store file. Not shared between threads or processes: open one for each.

    `poisoned`: why nothing is written through it any more, once the disk failed it or the file turned out damaged; else None.
    """

    def __init__(
        self,
        conn: sqlite3.Connection,
        path: str,
        *,
        read_only: bool,
        stamp: files.Stamp | None = None,
        reopen: Callable[[], tuple[sqlite3.Connection, files.Stamp | None]] | None = None,
    ) -> None:
        """Own a connection that `storage.opening` made.

        stamp: the file as it was, where it is read without locks because nobody writes to it; reopen: how to go on when somebody does.
        """
        self._conn = conn
        self.path = path
        self.read_only = read_only
        self.poisoned: str | None = None
        self._stamp = stamp
        self._reopen = reopen
        self._owner = (os.getpid(), threading.get_ident())
        self._frontier: Frontier | None = None
        self.written: Frontier | None = None
        """The edge of the history after the last write through this connection."""
        self._busy = False
        self._file = registry.identity(path)
        self.caches: dict[str, dict[object, int]] = {}
        """What a transaction may remember for the next one; emptied when another process has written."""
        self._data_version = -1
        registry.entered(path)
        _open.add(self)

    @property
    def conn(self) -> sqlite3.Connection:
        """The connection, for the process and the thread that opened it. Raises `StorageError` in any other."""
        if self._owner != (os.getpid(), threading.get_ident()):
            self._refuse_stranger()
        return self._conn

    def _refuse_stranger(self) -> None:
        if self._owner[0] != os.getpid():
            message = f"{self.path} was opened by another process, which this one was forked from"
            raise StorageError(message, advice="close the store before forking, and open it again in each process")
        raise StorageError(f"{self.path} was opened by another thread", advice="open the store once in each thread that uses it")

    @property
    def db(self) -> sqlite_utils.Database:
        """The connection, as sqlite-utils sees it."""
        return sqlite_utils.Database(self.conn, execute_plugins=False)

    def close(self) -> None:
        """Close the connection; the write-ahead log goes into the file. In a forked child nothing happens: the file is its parent's."""
        if self._owner[0] != os.getpid():
            return
        with translated(self.path):
            self.conn.close()
        _open.discard(self)
        registry.left(self.path)

    def poison(self, reason: str) -> None:
        """Write nothing more through this connection; the first reason stands."""
        self.poisoned = self.poisoned or reason

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of the store for several reads; inside a write, that write's."""
        if self._busy:
            yield self.conn
            return
        self._follow()
        with files.undisturbed(self.path, self._stamp), self._transaction("BEGIN"):
            yield self._conn

    def _follow(self) -> None:
        """Open the file anew where it is read without locks and somebody has written to it since, or is about to."""
        if self._stamp is None or self._reopen is None or (now := files.stamp(self.path)) == self._stamp:
            return
        if now is None or now.inode != self._stamp.inode:
            self._refuse_moved()
        old = self.conn
        self._conn, self._stamp = self._reopen()
        old.close()

    def refuse_moved(self) -> None:
        """Raise `StoreMovedError` where another file is at the store's path than the one that was opened."""
        if registry.identity(self.path) != self._file:
            self._refuse_moved()

    def _refuse_moved(self) -> None:
        message = f"{self.path} is no longer the file that was opened"
        raise StoreMovedError(message, advice="close this store and open it again")

    @contextmanager
    def writing(self, clock: Callable[[], datetime], ids: Callable[[], UUID]) -> Iterator[Transaction]:
        """One write: all of it is kept, durably, or none of it."""
        if self.read_only:
            raise StoreReadOnlyError(f"{self.path} is open for reading only", advice="open it with mode='rw'")
        if self.poisoned is not None:
            advice = "close the store, open it again and run verify; restore a backup if that finds anything"
            raise StoreDamagedError(f"{self.path} takes no more writes here since this happened: {self.poisoned}", advice=advice)
        self.refuse_moved()
        with self._transaction("BEGIN IMMEDIATE"):
            conn = self._conn
            (version,) = conn.execute("PRAGMA data_version").fetchone()
            if version != self._data_version:
                self._data_version = version
                self._frontier = None
                self.caches.clear()
            frontier, self._frontier = self._frontier, None  # whatever stops this write, the next one looks again
            transaction = Transaction(conn, frontier or frontier_at(conn), clock, ids)
            yield transaction
            frontier = transaction.flush()
            conn.execute("COMMIT")
            self._frontier = self.written = frontier

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[None]:
        """A transaction that is over when the block is: taken back, unless the block committed it."""
        conn = self.conn
        with translated(self.path):
            if conn.in_transaction:  # an interrupt came in the wrong moment
                conn.execute("ROLLBACK")
            try:
                self._busy = True
                conn.execute(begin)
                yield
            except BaseException as fault:  # an interrupt too: what was remembered may have been taken back
                self.caches = {}
                if isinstance(fault, sqlite3.Error):
                    self._distrust(fault)
                raise
            finally:
                self._busy = False
                if conn.in_transaction:
                    conn.execute("ROLLBACK")

    def _distrust(self, fault: sqlite3.Error) -> None:
        """After a fault of the disk or the file, nobody knows what SQLite's idea of the file is worth; it is not written to any more."""
        if not self.read_only and is_distrust(fault, self.path):
            self.poison(said(fault))

    @contextmanager
    def locked(self) -> Iterator[sqlite3.Connection]:
        """The write lock, to look at what only a writer may; nothing is written."""
        with self._transaction("BEGIN IMMEDIATE"):
            yield self._conn

    def setting(self, name: str) -> str:
        """The value of one of the store's settings."""
        with translated(self.path):
            row = self.conn.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise SchemaMismatchError(f"{self.path} has no setting {name!r}", advice="it was changed from outside; restore a backup")
        return str(row[0])


_open: WeakSet[Repository] = WeakSet()


def _leave_to_parent() -> None:
    """In a forked child: see to it that nothing, no collector and no end of the interpreter either, closes what the parent opened.

    SQLite, closing, would take the parent's log for left over, or its locks for the child's own.
    """
    inherited = list(_open)
    _open.clear()
    registry.inherit({one._file for one in inherited if one._file not in {None, registry.NO_FILE}})  # noqa: SLF001 - its own module
    with suppress(ImportError):
        import ctypes  # noqa: PLC0415 - only a child that inherits one needs it

        for one in inherited:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(one._conn))  # noqa: SLF001 - one owner that never lets go


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
