"""The history, read: events in order, and the tree's root at any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.storage import rows
from alertstore.storage.repository import frontier_at

if TYPE_CHECKING:
    import sqlite3

    from alertstore.domain.events import Event

CHUNK = 500
"""Events read at a time, so that going through the history holds no long read of the file."""


def events(conn: sqlite3.Connection, store_id: str, after: int) -> list[Event]:
    """Up to CHUNK events that come after event `after`."""
    sql = f"SELECT {rows.EVENT} FROM event WHERE seq > ? ORDER BY seq LIMIT ?"
    return [rows.event(row, store_id) for row in conn.execute(sql, (after, CHUNK))]


def events_of(conn: sqlite3.Connection, store_id: str, alert: int, after: int) -> list[Event]:
    """Up to CHUNK events of an alert that come after event `after`."""
    sql = f"SELECT {rows.EVENT} FROM event WHERE alert_id = ? AND seq > ? ORDER BY seq LIMIT ?"
    return [rows.event(row, store_id) for row in conn.execute(sql, (alert, after, CHUNK))]


def checkpoint(conn: sqlite3.Connection, size: int | None = None) -> tuple[int, str]:
    """(size, root as hex) of the history as it is, or as it was at `size`."""
    frontier = frontier_at(conn, size)
    return frontier.size, frontier.root().hex()
