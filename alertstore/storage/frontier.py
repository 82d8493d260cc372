"""The nodes of the history's tree, as they stand beside the events, or in what was kept of a pruned beginning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.merkle import HASH, Frontier, peak_places, stored_node

if TYPE_CHECKING:
    import sqlite3


def node(conn: sqlite3.Connection, end: int, level: int) -> bytes:
    """The node over the 2**level leaves that end with leaf `end`; nothing where the store does not have it (any more)."""
    row = conn.execute("SELECT hashes FROM event WHERE seq = ?", (end,)).fetchone()
    if row is not None:
        found = stored_node(row[0], level)
        return found if isinstance(found, bytes) else b""
    pruned = pruned_frontier(conn)
    return pruned.peaks.get(level, b"") if (end, level) in peak_places(pruned.size) else b""


def frontier_at(conn: sqlite3.Connection, size: int | None = None) -> Frontier:
    """The right edge that the history's tree had at `size` leaves (None: has now). Takes a logarithm of look-ups."""
    if size is None:
        (size,) = conn.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()
    return Frontier(size, {level: node(conn, end, level) for end, level in peak_places(size)})


def pruned_frontier(conn: sqlite3.Connection) -> Frontier:
    """The right edge of the tree where its beginning was pruned; empty where nothing was."""
    row = conn.execute("SELECT size, peaks FROM pruned").fetchone()
    if row is None:
        return Frontier()
    size, peaks = row
    places = enumerate(peak_places(size))
    return Frontier(size, {level: peaks[place * HASH : (place + 1) * HASH] for place, (_, level) in places})


def packed(frontier: Frontier) -> bytes:
    """The peaks of an edge, largest first, as the table `pruned` keeps them."""
    return b"".join(frontier.peaks[level] for _, level in peak_places(frontier.size))
