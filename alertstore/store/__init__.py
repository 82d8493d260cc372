"""The store: one object over one file. Every method is one transaction; no rules and no SQL live here."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from alertstore.domain.dedup import DedupPolicy
from alertstore.domain.events import EventDraft, EventKind
from alertstore.domain.lifecycle import LifecyclePolicy
from alertstore.errors import AlertValidationError, FieldProblem
from alertstore.storage import migration, schema
from alertstore.storage.opening import create_file, open_file, open_memory
from alertstore.store.base import LONGEST_REASON, is_storable, read_path
from alertstore.store.bundling import Bundling
from alertstore.store.catalog import Catalog
from alertstore.store.comparing import Comparing
from alertstore.store.custody import Custody
from alertstore.store.edits import Edits
from alertstore.store.enriching import Enriching
from alertstore.store.erasing import Erasing
from alertstore.store.handover import Handover
from alertstore.store.ids import utc_now, uuid7
from alertstore.store.ingesting import Ingesting
from alertstore.store.numbers import Numbers
from alertstore.store.recovery import Recovery

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType
    from uuid import UUID

    from alertstore.storage.repository import Durability, Mode, Repository


class AlertStore(Edits, Ingesting, Enriching, Catalog, Erasing, Handover, Custody, Numbers, Comparing, Recovery, Bundling):
    """A system of record for security alerts in one SQLite file.

    Open it with `AlertStore.open`, use it from one thread, close it (or use `with`). Many processes may have the same file
    open; one writes at a time, the others wait.
    """

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        mode: Mode = "create",
        actor: str = "local",
        clock: Callable[[], datetime] = utc_now,
        ids: Callable[[], UUID] = uuid7,
        policy: LifecyclePolicy | None = None,
        dedup: DedupPolicy | None = None,
        durability: Durability = "full",
        busy_timeout: timedelta = timedelta(seconds=30),
        plugins: bool = True,
        receipts: str | os.PathLike[str] | None = None,
        allow_network_fs: bool = False,
    ) -> Self:
        """Open a store file; ":memory:" is a store that is gone when closed.

        mode: "create" (made if absent, mode 0600), "rw", "ro". actor: who acts, unless a call says otherwise. clock and ids:
        where time and UUIDs come from; with given ones, the same calls make the same history. policy: which lifecycle steps
        exist (documented by default). dedup: which records are duplicates (24 h on event time by default). durability: "full"
        (what returned survives power loss) or "normal" (it survives a crash of the process). plugins: whether sources that
        other packages bring are used. allow_network_fs: write to a store on a network file system, where only this machine may ever
        open it; refused otherwise.

        Raises `NotAStoreError`, `SchemaTooNewError`, `SchemaTooOldError`, `StoreBusyError` and other `StorageError`s; the file
        is then as it was.
        """
        wrong = [
            FieldProblem(argument, "is not what it must be", value)
            for argument, value, right in (
                ("policy", policy, isinstance(policy, LifecyclePolicy | None)),
                ("dedup", dedup, isinstance(dedup, DedupPolicy | None)),
                ("busy_timeout", busy_timeout, isinstance(busy_timeout, timedelta)),
                ("clock", clock, callable(clock)),
                ("ids", ids, callable(ids)),
                ("actor", actor, is_storable(actor, LONGEST_REASON)),
            )
            if not right
        ]
        if wrong:
            raise AlertValidationError(wrong)
        _check_choice("mode", mode, ("create", "rw", "ro"))
        _check_choice("durability", durability, ("full", "normal"))

        def fill(repository: Repository) -> None:
            _fill(repository, clock, ids, actor)

        name = read_path(path)
        if name == ":memory:":
            repository = open_memory()
            fill(repository)
        else:
            if mode == "create" and not os.path.lexists(name):
                create_file(name, fill, busy_timeout, allow_network_fs=allow_network_fs)
            repository = open_file(name, mode=mode, durability=durability, busy_timeout=busy_timeout, allow_network_fs=allow_network_fs)
        try:
            return cls(
                repository,
                actor=actor,
                clock=clock,
                ids=ids,
                policy=policy or LifecyclePolicy.documented(),
                dedup=dedup or DedupPolicy(),
                plugins=plugins,
                receipts=None if receipts is None else read_path(receipts),
            )
        except BaseException:  # an interrupt too must not leave the file open
            repository.close()
            raise

    @staticmethod
    def migrate(path: str | os.PathLike[str]) -> Path | None:
        """Bring an older store file to the present schema; a backup is made first, beside it, and named in the answer.

        None where the file is of the present schema already. Raises as `open` does.
        """
        return migration.migrate(read_path(path), utc_now, uuid7)

    def close(self) -> None:
        """Close the file. Closing twice is fine."""
        try:
            if self._open is not None:
                self._open.close()
                self._open = None
        finally:
            self._discard_copy()

    def __enter__(self) -> Self:
        """Use the store in a `with` block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        """Close the file."""
        self.close()


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise AlertValidationError([FieldProblem(name, f"must be one of: {', '.join(choices)}", value)])


def _fill(repository: Repository, clock: Callable[[], datetime], ids: Callable[[], UUID], actor: str) -> None:
    """Make the tables and the first event of a new store."""
    schema.create(repository.db)
    with repository.writing(clock, ids) as transaction:
        settings = {"store_id": transaction.new_uuid()}
        transaction.append(EventDraft(EventKind.STORE_CREATED, settings["store_id"], transaction.now, actor, facts=settings))
        repository.db.table("setting").insert_all({"name": name, "value": value} for name, value in settings.items())
