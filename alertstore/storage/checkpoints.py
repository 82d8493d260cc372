"""Signed checkpoints, kept beside the history: it cannot hold what signs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.epochs import StoredNote
from alertstore.storage.frontier import frontier_at, pruned_frontier

if TYPE_CHECKING:
    import sqlite3


def save_note(conn: sqlite3.Connection, stored: StoredNote) -> None:
    """Keep a signed checkpoint; the same key signing the same size again replaces it."""
    conn.execute("INSERT INTO signed_checkpoint (size, epoch, note) VALUES (?,?,?) ON CONFLICT DO UPDATE SET note = excluded.note", stored)


def notes(conn: sqlite3.Connection) -> list[StoredNote]:
    """All signed checkpoints, oldest first."""
    return [StoredNote(*row) for row in conn.execute("SELECT size, epoch, note FROM signed_checkpoint ORDER BY size, epoch")]


def newest_note(conn: sqlite3.Connection) -> StoredNote | None:
    """The signed checkpoint of the largest size."""
    row = conn.execute("SELECT size, epoch, note FROM signed_checkpoint ORDER BY size DESC, epoch DESC LIMIT 1").fetchone()
    return None if row is None else StoredNote(*row)


def root_at(conn: sqlite3.Connection, size: int, newest: int) -> str | None:
    """The root (hex) that the history had at a size; None where that beginning was pruned, nothing where it never was so long."""
    if size < pruned_frontier(conn).size:
        return None
    return frontier_at(conn, size).root().hex() if size <= newest else ""
