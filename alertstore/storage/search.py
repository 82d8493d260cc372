"""The full-text index, kept in step by hand: forget before a row changes, learn after."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

from alertstore.domain.verdict import Problem

if TYPE_CHECKING:
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


def problems(conn: sqlite3.Connection) -> list[Problem]:
    """Whether the index is what the rows make it. FTS5 answers a command that is written as an insert, so it takes the write lock."""
    try:
        conn.execute("INSERT INTO search (search, rank) VALUES ('integrity-check', 1)")
    except sqlite3.DatabaseError as fault:
        if fault.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
            raise
        return [Problem("search", "search", "the words of the rows", "others; INSERT INTO search(search) VALUES('rebuild') mends it")]
    return []
