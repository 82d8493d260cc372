"""Letting the beginning of the history go: the state is carried, the peaks of the tree are kept, the events are deleted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from alertstore.domain.events import EventDraft, EventKind
from alertstore.storage.carry import OF_MANY, carry, opening_facts
from alertstore.storage.frontier import frontier_at, packed, pruned_frontier

if TYPE_CHECKING:
    import sqlite3

    from alertstore.storage.transaction import Transaction


def prunable(conn: sqlite3.Connection, before: int) -> tuple[int, int]:
    """(first event there is, last event of the beginning in which all is older than `before`, microseconds)."""
    sql = "SELECT coalesce(min(seq), 0), coalesce((SELECT min(seq) FROM event WHERE at >= ?) - 1, max(seq), 0) FROM event"
    first, last = conn.execute(sql, (before,)).fetchone()
    return int(first), int(last)


def prune(transaction: Transaction, upto: int, draft: EventDraft) -> None:
    """Append the event and the carried state, and delete the events up to number `upto`."""
    conn = transaction.conn
    frontier = frontier_at(conn, upto)
    peaks = packed(frontier)
    draft.facts = {
        **(draft.facts or {}),
        **opening_facts(conn),
        "upto": upto,
        "peaks": [peaks[k : k + 32].hex() for k in range(0, len(peaks), 32)],
        "pruned_before": pruned_frontier(conn).size,
    }
    transaction.append(draft)
    carry(transaction, draft.actor)
    transaction.flush()
    _carry_seen(transaction, upto, draft.actor)
    conn.execute("DELETE FROM pruned")
    conn.execute("INSERT INTO pruned (size, peaks) VALUES (?,?)", (upto, peaks))
    conn.execute("DELETE FROM part_salt WHERE seq <= ?", (upto,))
    conn.execute("DELETE FROM event WHERE seq <= ?", (upto,))


def _carry_seen(transaction: Transaction, upto: int, actor: str) -> None:
    """Say again what was seen again: only events say that."""
    sql = f"SELECT body FROM event WHERE {OF_MANY} AND kind = 'records_seen' AND seq <= ? ORDER BY seq"
    for (body,) in transaction.conn.execute(sql, (upto,)).fetchall():
        said = json.loads(body)
        transaction.append(EventDraft(EventKind.RECORDS_SEEN, said["subject"], transaction.now, actor, facts=said["facts"]))
    transaction.flush()
