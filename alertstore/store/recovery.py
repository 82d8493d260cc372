"""When something went wrong, or came from elsewhere: evidence on a copy, a store's health, what can be saved of a damaged one."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Self

from alertstore.errors import AlertValidationError, FieldProblem, StorageError
from alertstore.store.base import LONGEST_REASON, UNSTORABLE, StoreBase, is_storable, read_path
from alertstore.store.ids import utc_now, uuid7

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from uuid import UUID

    from alertstore.storage.acquire import Acquisition
    from alertstore.storage.health import Health
    from alertstore.storage.repository import Mode
    from alertstore.storage.salvage import SalvageReport
    from alertstore.store import AlertStore


@contextmanager
def examined(path: str, folder: str | None) -> Iterator[tuple[Acquisition, Callable[[], AlertStore]]]:
    """What was acquired from a file that may be anything, and how to open the copy as a store; raises as `Recovery.evidence` does."""
    from alertstore.storage.acquire import acquired
    from alertstore.store import AlertStore

    with acquired(path, folder) as found:
        yield found, lambda: AlertStore._of_copy(found)  # noqa: SLF001 - a part of it


class Recovery(StoreBase):
    """Looking at stores that are not to be trusted, and at how one's own is."""

    acquisition: Acquisition | None = None
    """What was taken from where, in a store that `evidence` opened; None in every other."""

    _working_copy: ExitStack | None = None

    if TYPE_CHECKING:

        @classmethod
        def open(cls, path: str | os.PathLike[str], *, mode: Mode) -> Self:
            """`AlertStore.open`, which this class is a part of."""

    @classmethod
    def evidence(cls, path: str | os.PathLike[str], *, folder: str | os.PathLike[str] | None = None) -> Self:
        """Open a store from elsewhere, read-only, on a private copy: nothing of the source changes, nothing is made beside it.

        The file, and the log and journal beside it, are hashed, copied, and hashed again; `acquisition` says what was taken and
        what SQLite's integrity check found. With `folder`, untouched copies stay there; the working copy goes when the store is
        closed. Raises `StorageError` where the source is no regular file, is open in this process or changed meanwhile, and
        what `AlertStore.open` raises for a file that is no store.
        """
        from alertstore.storage.acquire import acquired

        with ExitStack() as stack:
            found = stack.enter_context(acquired(read_path(path), None if folder is None else read_path(folder)))
            store = cls._of_copy(found)
            store._working_copy = stack.pop_all()  # noqa: SLF001 - a store of this class
        return store

    @classmethod
    def _of_copy(cls, found: Acquisition) -> Self:
        """Open the working copy of what was acquired; what is wrong with it is said of the source."""
        try:
            store = cls.open(found.copy, mode="ro")
        except StorageError as fault:
            raise type(fault)(str(fault).replace(found.copy, found.path), advice=fault.advice) from fault
        store.acquisition = found
        return store

    @staticmethod
    def salvage(
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        *,
        actor: str = "local",
        reason: str | None = None,
        clock: Callable[[], datetime] = utc_now,
        ids: Callable[[], UUID] = uuid7,
    ) -> SalvageReport:
        """Put what can still be read of a damaged store into a new one; the source is only read.

        The new store has an id and a history of its own, which starts with what was salvaged: it verifies, and says that nothing
        from before is proven. Beside it, `TARGET.quarantine.jsonl` holds the old history as far as it can be read, and every
        row that was not taken, with the reason. Raises `StorageError` where one of the two exists, and `StoreDamagedError` where
        nothing of an alertstore can be read.
        """
        from alertstore.storage.acquire import acquired
        from alertstore.storage.salvage import salvage

        given = {"actor": actor} | ({} if reason is None else {"reason": reason})
        wrong = [FieldProblem(name, UNSTORABLE, value) for name, value in given.items() if not is_storable(value, LONGEST_REASON)]
        if wrong:
            raise AlertValidationError(wrong)
        with acquired(read_path(source)) as found:
            return salvage(found, read_path(target), clock=clock, ids=ids, by=(actor, reason))

    def health(self) -> Health:
        """How the store is: its files and their place, its SQLite, its newest event. `warnings` is empty where all is well."""
        from alertstore.storage.health import health

        with self._read() as conn:
            return health(conn, self.path)

    def _discard_copy(self) -> None:
        """Remove the working copy of evidence, once its store is closed."""
        if self._working_copy is not None:
            self._working_copy.close()
            self._working_copy = None
