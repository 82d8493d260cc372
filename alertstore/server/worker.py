"""The one thread in which the store is opened, used and closed."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from alertstore.store import AlertStore

R = TypeVar("R")


class StoreThread:
    """A store in a thread of its own, to be used with `with`; what is handed to `run` is done in turn.

    Opening raises what opening a store raises.
    """

    def __init__(self, open_store: Callable[[], AlertStore]) -> None:
        """Open the store, in the thread that will use it."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="alertstore")
        try:
            self._store = self._thread.submit(open_store).result()
        except BaseException:  # an interrupt too must not leave the thread running
            self._thread.shutdown()
            raise

    @property
    def path(self) -> str:
        """The store's file."""
        return self._thread.submit(lambda: self._store.path).result()

    async def run(self, work: Callable[[AlertStore], R]) -> R:
        """Do something with the store. What it raises comes out here."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._store)

    def __enter__(self) -> Self:
        """Use it in a `with` block."""
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        """Finish what was begun, and close the store."""
        try:
            self._thread.submit(self._store.close).result()
        finally:
            self._thread.shutdown()
