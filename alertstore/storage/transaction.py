"""One write in progress: what time it is, which ids it hands out, and the events it appends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.events import LARGEST_BODY, encode_body
from alertstore.domain.identity import commitment, salt, sequence_uuid
from alertstore.domain.merkle import Tree
from alertstore.domain.times import is_representable, to_micros
from alertstore.errors import AlertValidationError, FieldProblem

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from alertstore.domain.events import EventDraft
    from alertstore.domain.merkle import Frontier


class Transaction:
    """The clock is read once, when the transaction begins.

    Ids are asked for at most twice, when first needed: one that the uuids are counted from, then one as the secret of the
    salts. So a store with a given clock and given ids has the same root every time.
    """

    def __init__(self, conn: sqlite3.Connection, frontier: Frontier, clock: Callable[[], datetime], ids: Callable[[], UUID]) -> None:
        """Begin; the caller holds the write lock."""
        self.conn = conn
        self.now = to_micros(clock())
        if not is_representable(self.now):
            raise AlertValidationError([FieldProblem("clock", "must read a time from 1700 up to 2250", clock())])
        self._ids = ids
        self._base: UUID | None = None
        self._drawn = 0
        self._secret: bytes | None = None
        self._tree = Tree(frontier)
        self._rows: list[tuple[int, int, str, int | None, bytes | None, bytes, bytes]] = []

    @property
    def seq(self) -> int:
        """The number of the last event."""
        return self._tree.size

    def new_uuid(self) -> str:
        """A uuid nobody has, in the order they are asked for."""
        if self._base is None:
            self._base = self._ids()
        self._drawn += 1
        return sequence_uuid(self._base, self._drawn - 1)

    def append(self, draft: EventDraft, alert_id: int | None = None) -> int:
        """Add an event to the history; give back its number.

        Raises `AlertValidationError` where its body would be larger than 1 MiB.
        """
        seq = self._tree.size + 1
        salted = content = None
        if draft.content is not None:
            salted = salt(self._salts(), seq)
            content = {part: commitment(salted, part, value) for part, value in draft.content.items()}
        body = encode_body(draft, seq, content)
        if len(body) > LARGEST_BODY:
            raise AlertValidationError([FieldProblem(draft.kind, f"comes to more than {LARGEST_BODY:,} bytes", len(body))])
        self._rows.append((seq, draft.at, draft.kind, alert_id, salted, self._tree.append(body), body))
        return seq

    def _salts(self) -> bytes:
        """The secret that salts are made from."""
        if self._secret is None:
            if self._base is None:  # the first id drawn is always the one that uuids are counted from
                self._base = self._ids()
            self._secret = self._ids().bytes
        return self._secret

    def flush(self) -> Frontier:
        """Write the events that were appended; the tree's edge after them."""
        if self._rows:
            self.conn.executemany("INSERT INTO event (seq, at, kind, alert_id, salt, hashes, body) VALUES (?,?,?,?,?,?,?)", self._rows)
            self._rows.clear()
        return self._tree.frontier()
