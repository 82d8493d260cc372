"""The history, read: events in order, and the tree's root at any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.storage import rows
from alertstore.storage.frontier import frontier_at

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection

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


def events_of_kinds(conn: sqlite3.Connection, kinds: Collection[str], after: int, upto: int) -> list[tuple[int, int, str, bytes, bytes]]:
    """Up to CHUNK (number, time, kind, leaf hash, body) of events of these kinds, after event `after` and not after `upto`.

    As they stand in the file, whoever wrote them: nothing is parsed.
    """
    marks = ",".join("?" * len(kinds))
    sql = (
        f"SELECT seq, at, kind, substr(hashes, 1, 32), CAST(body AS BLOB) FROM event WHERE seq > ? AND seq <= ? AND kind IN ({marks}) "
        "ORDER BY seq LIMIT ?"
    )
    return conn.execute(sql, (after, upto, *kinds, CHUNK)).fetchall()


def kind(conn: sqlite3.Connection, seq: int) -> str | None:
    """The kind of an event, or None where there is none of that number."""
    row = conn.execute("SELECT kind FROM event WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else str(row[0])


def body(conn: sqlite3.Connection, seq: int) -> str | None:
    """The body of an event, or None where there is none of that number (any more)."""
    row = conn.execute("SELECT CAST(body AS TEXT) FROM event WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else str(row[0])


def checkpoint(conn: sqlite3.Connection, size: int | None = None) -> tuple[int, str]:
    """(size, root as hex) of the history as it is, or as it was at `size`."""
    frontier = frontier_at(conn, size)
    return frontier.size, frontier.root().hex()
