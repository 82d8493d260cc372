"""The full-text index, kept in step by hand: forget before a row changes, learn after."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_TEXT = "SELECT {} id, title, description, tags, indicators FROM search_text WHERE id IN (SELECT value FROM json_each(?))"


def forget(conn: sqlite3.Connection, alerts: Sequence[int]) -> None:
    """Take alerts out of the index, by the text that their rows still hold."""
    sql = "INSERT INTO search (search, rowid, title, description, tags, indicators) " + _TEXT.format("'delete',")
    conn.execute(sql, (json.dumps(list(alerts)),))


def learn(conn: sqlite3.Connection, alerts: Sequence[int]) -> None:
    """Put alerts into the index, by the text that their rows hold now."""
    sql = "INSERT INTO search (rowid, title, description, tags, indicators) " + _TEXT.format("")
    conn.execute(sql, (json.dumps(list(alerts)),))


def query(text: str) -> str | None:
    """An FTS5 query for words that must all occur, each taken literally; None where there is no word in it."""
    words = [word.replace('"', '""') for word in text.replace("\0", " ").split()]
    words = [word for word in words if any(character.isalnum() for character in word)]
    return " ".join(f'"{word}"' for word in words) or None
