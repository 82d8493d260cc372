"""A copy of a store, open for the one write that seals it: no log beside it, now or later."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from alertstore.storage import guard, registry
from alertstore.storage.faults import translated
from alertstore.storage.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def open_alone(path: str) -> Iterator[Repository]:
    """A copy that nobody else has open, in the journal mode that it has (a backup's keeps no log)."""
    with translated(path), registry.opening(path):
        conn = sqlite3.connect(path, isolation_level=None)
        guard.harden(conn)
        repository = Repository(conn, path, read_only=False)
    try:
        yield repository
    finally:
        repository.close()
