"""The look at every open: whether the history's newest event and newest signed checkpoint hold."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from alertstore.domain.fold import FORGED
from alertstore.domain.notes import read_checkpoint, read_note
from alertstore.storage.checkpoints import newest_note, root_at
from alertstore.storage.tree import check_head

if TYPE_CHECKING:
    from alertstore.domain.merkle import Frontier


def problem(conn: sqlite3.Connection) -> str | None:
    """What does not hold, in words; None where both do. Takes a logarithm of look-ups. No signature is checked."""
    try:
        frontier, problems = check_head(conn)
        if problems:
            return f"the newest event is not what its place in the history says ({problems[0].where})"
        return _newest_checkpoint(conn, frontier)
    except (sqlite3.DatabaseError, *FORGED) as fault:
        return f"the edge of the history cannot be read ({fault})"


def _newest_checkpoint(conn: sqlite3.Connection, frontier: Frontier) -> str | None:
    newest = newest_note(conn)
    if newest is None:
        return None
    _, size, root = read_checkpoint(read_note(newest.note).text)
    found = root_at(conn, newest.size, frontier.size)
    if size != newest.size or found not in {None, root.hex()}:
        return f"the history is not that of its newest signed checkpoint, of {newest.size} events"
    return None
