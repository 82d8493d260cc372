"""What a chain-of-custody report asks the file for. A tampered file answers too: text comes as bytes, and nothing is parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


def size(conn: sqlite3.Connection) -> int:
    """The bytes of the database: its pages, those that still stand in a write-ahead log included."""
    (pages,), (page,) = conn.execute("PRAGMA page_count").fetchone(), conn.execute("PRAGMA page_size").fetchone()
    return int(pages * page)


def source_id(conn: sqlite3.Connection) -> str:
    """Which SQLite this is, to the commit."""
    return str(conn.execute("SELECT sqlite_source_id()").fetchone()[0])


def ends(conn: sqlite3.Connection, upto: int) -> tuple[int | None, int | None]:
    """When the first event and the last one not after `upto` happened."""
    sql = "SELECT at FROM event WHERE seq = (SELECT {}(seq) FROM event WHERE seq <= ?)"
    first, last = (conn.execute(sql.format(end), (upto,)).fetchone() for end in ("min", "max"))
    return (None, None) if first is None else (first[0], last[0])


def pruned(conn: sqlite3.Connection) -> int:
    """How many events at the beginning of the history were pruned."""
    return int(conn.execute("SELECT coalesce(max(size), 0) FROM pruned").fetchone()[0])


def signed(conn: sqlite3.Connection, upto: int) -> list[tuple[int, int, bytes]]:
    """The signed checkpoints of at most `upto` events: (size, epoch, note), in order."""
    sql = "SELECT size, epoch, CAST(note AS BLOB) FROM signed_checkpoint WHERE size <= ? ORDER BY size, epoch"
    return conn.execute(sql, (upto,)).fetchall()


def actors(conn: sqlite3.Connection, upto: int) -> list[tuple[bytes | None, int, int, int]]:
    """Who acted, up to event `upto`: (name, number of events, time of their first event, of their last), by first event."""
    sql = (
        "SELECT actor, n, (SELECT at FROM event WHERE seq = first), (SELECT at FROM event WHERE seq = last) FROM ("
        "SELECT CASE WHEN json_valid(CAST(body AS TEXT)) THEN CAST(json_extract(CAST(body AS TEXT), '$.actor') AS BLOB) END AS actor, "
        "count(*) AS n, min(seq) AS first, max(seq) AS last FROM event WHERE seq <= ? GROUP BY 1) ORDER BY first"
    )
    return conn.execute(sql, (upto,)).fetchall()
