"""What happened, and whether the store still is what its history says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from attrs import field, frozen

from alertstore.domain.fold import Problem, VerifyReport
from alertstore.errors import AlertValidationError, FieldProblem
from alertstore.storage import alerts, log, search
from alertstore.storage.audit import Audit
from alertstore.storage.backup import backup
from alertstore.storage.tree import MOST_PROBLEMS, check_head, check_tree
from alertstore.store.base import read_path
from alertstore.store.collector import paused_collector
from alertstore.store.reads import Reads

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from uuid import UUID

    from attrs import Attribute

    from alertstore.domain.events import Event

_ROOT = re.compile("[0-9a-f]{64}")


def _whole(_: object, attribute: Attribute[int], value: object) -> None:
    if type(value) is not int or value < 0:
        raise AlertValidationError([FieldProblem(attribute.name, "must be a whole number, 0 or more", value)])


def _digest(_: object, attribute: Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not _ROOT.fullmatch(value):
        raise AlertValidationError([FieldProblem(attribute.name, "must be 64 hexadecimal digits in lower case", value)])


@frozen
class Checkpoint:
    """The history in one line: how many events, and the root of their Merkle tree. Keep it outside the file."""

    size: int = field(validator=_whole)
    root: str = field(validator=_digest)


Depth = Literal["quick", "full", "deep"]


class Evidence(Reads):
    """The history, and the means to hold the store against it."""

    def history(self, uuid: str | UUID) -> Iterator[Event]:
        """What happened to an alert, oldest first, its creation included; also of a deleted one.

        Raises `AlertNotFoundError`.
        """
        with self._read() as conn:
            number = alerts.number_of(conn, str(uuid).lower())
        if number is None:
            self._no_alert(uuid)
        return self._events_of(number)

    def _events_of(self, number: int) -> Iterator[Event]:
        after = 0
        while True:
            with self._read() as conn:
                found = log.events_of(conn, self._store_id, number, after)
            yield from found
            if len(found) < log.CHUNK:
                return
            after = found[-1].seq

    def events(self, *, after: int = 0) -> Iterator[Event]:
        """Everything that happened in the store after event number `after`, oldest first. Raises `AlertValidationError`."""
        if type(after) is not int:
            raise AlertValidationError([FieldProblem("after", "must be the number of an event, or 0", after)])
        return self._events_after(after)

    def _events_after(self, after: int) -> Iterator[Event]:
        while True:
            with self._read() as conn:
                found = log.events(conn, self._store_id, after)
            yield from found
            if len(found) < log.CHUNK:
                return
            after = found[-1].seq

    def checkpoint(self) -> Checkpoint:
        """The size and root of the history now. A pure read."""
        with self._read() as conn:
            return Checkpoint(*log.checkpoint(conn))

    def verify(self, *, depth: Depth = "deep", checkpoint: Checkpoint | None = None) -> VerifyReport:
        """Whether the store is what its history says.

        `depth`: "quick" looks at the newest event and its place in the tree; "full" recomputes every leaf and node; "deep" also
        folds all events, holds content against its commitments, and compares every row, and the search index with them (not where
        the store is open for reading only: SQLite looks into that index for writers alone). With a `checkpoint` that was kept
        outside the file, a rewritten or shortened history shows: its size and its root must be part of this one.
        """
        if depth not in {"quick", "full", "deep"}:
            raise AlertValidationError([FieldProblem("depth", "must be one of: quick, full, deep", depth)])
        if not isinstance(checkpoint, Checkpoint | None):
            raise AlertValidationError([FieldProblem("checkpoint", "must be a Checkpoint", checkpoint)])
        problems: list[Problem] = []
        with self._read() as conn, paused_collector():
            if depth == "quick":
                frontier, problems = check_head(conn)
            elif depth == "full":
                frontier, problems = check_tree(conn)
            else:
                frontier = Audit(conn, problems).run()
            if checkpoint is not None:
                problems += self._against(checkpoint, frontier.size, log.checkpoint(conn, min(checkpoint.size, frontier.size))[1])
        if depth == "deep" and not problems and not self._repository.read_only:
            with self._repository.locked() as conn:
                problems += search.problems(conn)
        assurance = "anchored" if checkpoint is not None else "unsigned"
        return VerifyReport(not problems, depth, frontier.size, frontier.root().hex(), assurance, tuple(problems[:MOST_PROBLEMS]))

    def _against(self, checkpoint: Checkpoint, size: int, root: str) -> list[Problem]:
        if size < checkpoint.size:
            return [Problem("rollback", "the history", f"at least {checkpoint.size} events", size)]
        if root != checkpoint.root:
            return [Problem("rewritten", f"the history up to event {checkpoint.size}", checkpoint.root, root)]
        return []

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Copy the store, as it is now, to a new file; other writers go on meanwhile. An existing file is never replaced.

        Raises `StorageError`.
        """
        target = read_path(path)
        with self._read() as conn:
            backup(conn, target)
