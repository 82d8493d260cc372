"""Whether the history's tree is what its events make it: the newest leaf alone, or every leaf and node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.merkle import HASH, Frontier, Tree, leaf_hash
from alertstore.domain.verdict import Problem
from alertstore.storage.frontier import frontier_at, pruned_frontier

if TYPE_CHECKING:
    import sqlite3

MOST_PROBLEMS = 100
"""A store with more is wrong enough; the rest is not listed."""


def check_head(conn: sqlite3.Connection) -> tuple[Frontier, list[Problem]]:
    """The quick look: the last leaf right, its nodes made of those before it. Takes a logarithm of look-ups."""
    (size,) = conn.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()
    frontier = frontier_at(conn, size)
    if not size:
        return frontier, [Problem("event", "the history", "at least the event store_created", "no event")]
    hashes, body = conn.execute("SELECT hashes, body FROM event WHERE seq = ?", (size,)).fetchone()
    expected = Tree(frontier_at(conn, size - 1)).append(body)
    return frontier, [] if hashes == expected else [Problem("tree", f"event {size}", expected.hex(), hashes.hex())]


def check_numbers(conn: sqlite3.Connection) -> list[Problem]:
    """Whether the events are numbered without gaps, from the first that was not pruned."""
    size, number = conn.execute("SELECT coalesce(max(seq), 0), count(*) FROM event").fetchone()
    expected = size - pruned_frontier(conn).size
    return [] if expected == number else [Problem("event", "the history", f"{expected} events", number)]


def check_tree(conn: sqlite3.Connection) -> tuple[Frontier, list[Problem]]:
    """Every leaf and every node of the tree, from the stored bodies."""
    tree, problems = Tree(pruned_frontier(conn)), list[Problem]()
    for seq, hashes, body in conn.execute("SELECT seq, hashes, body FROM event ORDER BY seq"):
        if seq != tree.size + 1 or hashes != tree.append(body):
            problems += misplaced(tree, seq, hashes, body)
    return tree.frontier(), problems[:MOST_PROBLEMS]


def misplaced(tree: Tree, seq: int, hashes: bytes, body: bytes) -> list[Problem]:
    """What is wrong with an event whose hashes are not those of its place: it, or only the nodes beside it, or the numbering."""
    if seq != tree.size:
        missing, tree.size = f"event {tree.size + 1}", seq
        return [Problem("event", f"event {seq}", missing, "a gap")]
    if hashes[:HASH] != leaf_hash(body):
        return [Problem("event", f"event {seq}", leaf_hash(body).hex(), hashes[:HASH].hex())]
    return [Problem("tree", f"event {seq}", "the nodes that its leaf completes", hashes[HASH:].hex())]
