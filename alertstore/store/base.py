"""What every part of the store shares: its file, its clock and ids, its rules, and who is acting."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from alertstore.domain.changes import Act
from alertstore.domain.erasure import HOLD, refuse_held
from alertstore.errors import AlertNotFoundError, AlertValidationError, FieldProblem, StorageError
from alertstore.storage import alerts, edge, settings
from alertstore.store.checkpoint import Checkpoint
from alertstore.store.receipts import append_receipt, check_last_receipt

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from datetime import datetime
    from uuid import UUID

    from alertstore.domain.changes import AlertState
    from alertstore.domain.dedup import DedupPolicy
    from alertstore.domain.lifecycle import LifecyclePolicy
    from alertstore.storage.repository import Repository
    from alertstore.storage.transaction import Transaction


class StoreBase:
    """The parts of an open store, for the classes that `AlertStore` is made of."""

    def __init__(
        self,
        repository: Repository,
        *,
        actor: str,
        clock: Callable[[], datetime],
        ids: Callable[[], UUID],
        policy: LifecyclePolicy,
        dedup: DedupPolicy,
        plugins: bool,
        receipts: str | None = None,
    ) -> None:
        """Use `AlertStore.open`."""
        self._open: Repository | None = repository
        self._actor = actor
        self._clock = clock
        self._ids = ids
        self._policy = policy
        self._dedup = dedup
        self._plugins = plugins
        self._store_id = repository.setting("store_id")
        self._receipts = receipts
        self._given: Checkpoint | None = None
        with repository.reading() as conn:
            problem = edge.problem(conn)
            if receipts is not None:
                check_last_receipt(receipts, self._store_id, conn, repository.path)
        if problem is not None:
            repository.poison(problem)

    @property
    def _repository(self) -> Repository:
        if self._open is None:
            raise StorageError("this store is closed", advice="open it again")
        return self._open

    @property
    def id(self) -> str:
        """The store's own id: with an event's number it names the event everywhere."""
        return self._store_id

    @property
    def path(self) -> str:
        """The store's file."""
        return self._repository.path

    def _read(self) -> AbstractContextManager[sqlite3.Connection]:
        return self._repository.reading()

    def _write(self) -> AbstractContextManager[Transaction]:
        writing = self._repository.writing(self._clock, self._ids)
        return writing if self._receipts is None else self._receipted(writing, self._receipts)

    @contextmanager
    def _receipted(self, writing: AbstractContextManager[Transaction], receipts: str) -> Iterator[Transaction]:
        with writing as transaction:
            yield transaction
        if (receipt := self.receipt) is not None and receipt != self._given:
            append_receipt(receipts, self._store_id, receipt)
            self._given = receipt

    @property
    def receipt(self) -> Checkpoint | None:
        """What the last write through this store came to: size and root of the history it left, durably; None before the first.

        Kept elsewhere, it shows later whether the store was rolled back to before that write, or rewritten.
        """
        edge_now = self._repository.written
        return None if edge_now is None else Checkpoint(edge_now.size, edge_now.root().hex())

    def _refuse_held(self, transaction: Transaction) -> None:
        """Raise `AlertValidationError` where a legal hold forbids what would destroy content."""
        refuse_held(settings.value(transaction.conn, HOLD))

    def _by(self, actor: str | None, reason: str | None) -> tuple[str, str | None]:
        """Who acts and why, checked: they stand in the history for good."""
        by, problems = self._acting(actor, reason)
        if problems:
            raise AlertValidationError(problems)
        return by

    def _acting(self, actor: str | None, reason: str | None) -> tuple[tuple[str, str | None], list[FieldProblem]]:
        """Who acts and why, and what is wrong with that."""
        if actor is None and reason is None:
            return (self._actor, None), []
        problems = [
            FieldProblem(name, UNSTORABLE, value)
            for name, value in (("actor", actor), ("reason", reason))
            if value is not None and not is_storable(value, LONGEST_REASON)
        ]
        return (self._actor if actor is None else actor, reason), problems

    def _state(self, conn: sqlite3.Connection, uuid: str) -> tuple[int, AlertState]:
        found = alerts.load_state(conn, str(uuid).lower())
        return found if found is not None else self._no_alert(uuid)

    def _no_alert(self, uuid: object) -> NoReturn:
        raise AlertNotFoundError(f"no alert {uuid} in this store", advice="alerts() lists those there are")


def read_path(path: object) -> str:
    """A path as text. Raises `AlertValidationError` for what is none."""
    if not isinstance(path, str | bytes | os.PathLike) or "\0" in (name := os.fsdecode(path)) or not name:
        raise AlertValidationError([FieldProblem("path", "must be a path, without NUL", path)])
    return name


def act(transaction: Transaction, by: tuple[str, str | None]) -> Act:
    """The act of somebody, now."""
    return Act(transaction.now, *by)


LONGEST_REASON = 16_384
"""Characters of an actor or a reason, which stand in an event's body."""

UNSTORABLE = f"must be text that can be stored: not blank, no NUL, no lone surrogate, at most {LONGEST_REASON:,} characters"
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def is_storable(value: Any, longest: int | None = None) -> bool:
    """Whether a value is text that a database and a canonical event can hold."""
    return isinstance(value, str) and bool(value.strip()) and not _UNSTORABLE.search(value) and (longest is None or len(value) <= longest)
