"""One enrichment in progress: who is asked about which indicators, who failed, what came of it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from alertstore.domain.enrichment import LISTS, Answer, Failure, result
from alertstore.domain.times import from_micros, rfc3339
from alertstore.errors import StorageError
from alertstore.storage import enriching, intel
from alertstore.store.base import LONGEST_REASON, UNSTORABLE, act, is_storable
from alertstore.store.results import EnrichResult

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from alertstore.domain.enrichment import Judged
    from alertstore.enrich.base import Enricher
    from alertstore.storage.transaction import Transaction


class Asking:
    """Asks enrichers by the batch, and keeps what they say."""

    def __init__(
        self,
        asked: Sequence[Enricher],
        by: tuple[str, str | None],
        *,
        store_id: str,
        now: Callable[[], int],
        read: Callable[[], AbstractContextManager[sqlite3.Connection]],
        write: Callable[[], AbstractContextManager[Transaction]],
        progress: Callable[[int], None] | None = None,
    ) -> None:
        """`now` gives the time in microseconds, `read` and `write` a transaction of the store; `progress` takes the indicators so far."""
        self._asked, self._by, self._progress = asked, by, progress
        self._store_id, self._now, self._read, self._write = store_id, now, read, write
        self._counts = dict.fromkeys(("indicators", "changed", "verdicts", "alerts"), 0)
        self._versions: dict[str, str] = {}
        self._failures: dict[str, str] = {}

    def ask(self, batch: Sequence[Judged]) -> None:
        """Ask about a batch of indicators, before the write lock is taken, and keep the answers. Where the lists were changed in between,
        they are asked again.
        """
        now = self._now()
        found: dict[int, dict[str, dict[str, Any]]] = {}
        for enricher in self._asked:
            self._ask(enricher, batch, now, found)
        with self._write() as transaction:
            if self._versions.get(LISTS, "") != intel.version(transaction.conn):
                for enricher in self._asked:
                    if enricher.name == LISTS:
                        self._ask(enricher, batch, now, found)
            changed, verdicts = enriching.save_results(transaction, found, self._versions, self._store_id, act(transaction, self._by))
        for name, number in (("indicators", len(batch)), ("changed", changed), ("verdicts", verdicts)):
            self._counts[name] += number
        if self._progress is not None:
            self._progress(self._counts["indicators"])

    def complete(self, alerts: Sequence[int]) -> None:
        """Note how far the enrichment of alerts has come."""
        with self._write() as transaction:
            self._counts["alerts"] += enriching.complete(transaction, alerts, act(transaction, self._by))

    def result(self) -> EnrichResult:
        """What it came to."""
        return EnrichResult(**self._counts, providers=self._versions, failures=self._failures)

    def _ask(self, enricher: Enricher, batch: Sequence[Judged], now: int, found: dict[int, dict[str, dict[str, Any]]]) -> None:
        wanted = [one for one in batch if one.type in enricher.types]
        if not wanted:
            return
        at = rfc3339(from_micros(now))
        try:
            answers = self._answers(enricher, wanted, now)
            nothing = result(enricher.name, None, at)  # one for all: most indicators are in no list
            results = [nothing if answer is None else result(enricher.name, answer, at) for answer in answers]
        except Exception as fault:  # whatever an enricher raises, it fails alone
            if isinstance(fault, StorageError) and enricher.name == LISTS:  # of the store itself, which they are in
                raise
            self._versions.setdefault(enricher.name, "")
            self._failures.setdefault(enricher.name, _told(fault))
            # What it says may be about one indicator, and must not stand with the others.
            results = [result(enricher.name, Failure(type(fault).__name__), at)] * len(wanted)
        failed = next((one["error_message"] for one in results if not one["success"]), None)
        if failed is not None:
            self._failures.setdefault(enricher.name, failed)
        for one, said in zip(wanted, results, strict=True):
            found.setdefault(one.number, {})[enricher.name] = said

    def _answers(self, enricher: Enricher, wanted: Sequence[Judged], now: int) -> Sequence[Answer | Failure | None]:
        """What an enricher says; the lists at one moment of the store."""
        with self._read() if enricher.name == LISTS else nullcontext():
            version = enricher.version()
            answers = enricher.look_up([(one.type, one.value) for one in wanted], now)
        if not is_storable(version, LONGEST_REASON) and not (version == "" and enricher.name == LISTS):
            raise ValueError(f"its version {UNSTORABLE}")
        if len(answers) != len(wanted):
            raise ValueError(f"it gave {len(answers)} answers about {len(wanted)} indicators")
        self._versions[enricher.name] = version
        return answers


def _told(fault: Exception) -> str:
    try:
        return f"{type(fault).__name__}: {fault}"
    except Exception:  # noqa: BLE001 - its text is the enricher's, too
        return type(fault).__name__
