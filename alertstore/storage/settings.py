"""The store's settings: read, and changed by events."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from alertstore.domain.events import EventDraft
    from alertstore.storage.transaction import Transaction


SEALED = "sealed"
"""The setting of a sealed copy, which nobody writes to any more. Its last event says so; the store goes on without it."""


def value(conn: sqlite3.Connection, name: str) -> str:
    """A setting's value; empty where it was never set."""
    row = conn.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    return "" if row is None else str(row[0])


def save(transaction: Transaction, draft: EventDraft) -> None:
    """Append the event of changed settings, and write them."""
    transaction.append(draft)
    changed = [(name, new) for name, (_, new) in (draft.changes or {}).items()]
    transaction.conn.executemany("INSERT INTO setting (name, value) VALUES (?,?) ON CONFLICT DO UPDATE SET value = excluded.value", changed)
