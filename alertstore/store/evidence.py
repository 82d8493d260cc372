"""What happened: the history, its size and root, and copies of all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.errors import AlertValidationError, FieldProblem
from alertstore.storage import alerts, log
from alertstore.storage.backup import backup
from alertstore.store.base import read_path
from alertstore.store.checkpoint import Checkpoint
from alertstore.store.reads import Reads

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from uuid import UUID

    from alertstore.domain.events import Event


class Evidence(Reads):
    """The history, read."""

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

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Copy the store, as it is now, to a new file; other writers go on meanwhile. An existing file is never replaced.

        Raises `StorageError`.
        """
        target = read_path(path)
        with self._read() as conn:
            backup(conn, target)
