"""Enrichment: the lists that the store keeps, and what they, and other local sources, say of the indicators of its alerts."""

from __future__ import annotations

import os
import re
from collections.abc import Set as AbstractSet
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, BinaryIO

from alertstore.domain.enrichment import Answer, Failure, decide_reset, result
from alertstore.domain.times import from_micros, rfc3339, to_micros
from alertstore.errors import AlertNotFoundError, AlertValidationError, FieldProblem, StorageError
from alertstore.storage import catalog, enriching, intel
from alertstore.store.base import LONGEST_REASON, UNSTORABLE, act, is_storable
from alertstore.store.collector import paused_collector
from alertstore.store.reads import Reads
from alertstore.store.results import EnrichResult, ListResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from uuid import UUID

    from alertstore.domain.alert import Indicator
    from alertstore.domain.enrichment import IntelList, Judged
    from alertstore.domain.vocabulary import Malice
    from alertstore.enrich.base import Enricher
    from alertstore.enrich.lists import ListReading
    from alertstore.storage.intel import Staging

BATCH = 1000
"""Indicators of one transaction; also alerts."""

_NAME = re.compile("[!-~](?:[ -~]{0,98}[!-~])?")

USUAL = ("lists", "special-purpose")
"""The enrichers that are asked where none are named: they need nothing but the store."""


class Enriching(Reads):
    """What is known of indicators. Nothing here touches a network."""

    def enrich(
        self,
        alerts: Iterable[str | UUID] | None = None,
        *,
        using: Sequence[str | Enricher] | None = None,
        reason: str | None = None,
        actor: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> EnrichResult:
        """Ask enrichers about the indicators of some alerts (None: of all), and keep what they say.

        `using` takes names (`lists`, `special-purpose`, `registered-domain`, and those that packages bring) and `Enricher` objects; by
        default the first two. Each answer stands in the indicator's `enrichment_results` under the enricher's name; the indicator's
        malice becomes the worst verdict of them, unless an analyst gave one. An enricher that fails marks itself failed for the
        indicators it was asked about, keeps what it said before, and stops nothing. What is as it was is not written again.
        An alert is then Enriched, or Failed where no enricher succeeded about any of its indicators. Work is kept by the batch.
        `progress(indicators)` is called after each.

        Raises `AlertNotFoundError`, `SourceError` for an unknown enricher, `AlertValidationError`, `MissingExtraError`.
        """
        by, asked = self._by(actor, reason), self._enrichers(USUAL if using is None else using)
        if isinstance(alerts, str):
            raise AlertValidationError([FieldProblem("alerts", "must be uuids, or None for all", alerts)])
        numbers = None if alerts is None else [self._number(uuid) for uuid in alerts]
        with self._read() as conn:
            last = enriching.last_alert(conn)
        run = _Run(self, asked, by, progress)
        with paused_collector() as collect:
            for batch in self._indicators_of(numbers):
                run.ask(batch)
                collect()
            for some in self._alerts_in(numbers, last):
                run.complete(some)
                collect()
        return run.result()

    def load_list(
        self,
        path: str | os.PathLike[str] | BinaryIO,
        *,
        name: str | None = None,
        kind: str | None = None,
        malice: Malice | str | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> ListResult:
        """Read a list of indicators into the store, in the place of the one of its name, and judge anew what was enriched before.

        Read are indicators of compromise (one a line, or CSV with verdict, expiry and note), STIX 2.1 bundles, MISP warning lists and
        sets of hashes (also NSRL-like CSV), plain or gzip. `kind` ("ioc", "stix", "warninglist", "hashset") is told by what is in it;
        `name` is what the list calls itself, else its file's name; `malice` is what a hit says where the entry says nothing itself.
        What is refused is counted, and the first refusals are named. The same file again changes nothing.

        Raises `SourceError` for a file that is no list, or of which nothing can be taken; `AlertValidationError`.
        """
        from alertstore.enrich.lists import read_list

        by = self._by(actor, reason)
        if name is not None and not is_storable(name, LONGEST_REASON):
            raise AlertValidationError([FieldProblem("name", UNSTORABLE, name)])
        with read_list(path, kind=kind, name=name, malice=malice) as reading, intel.Staging() as staged:
            taken = _stage(reading, staged)
            given = {"name": reading.name, "kind": reading.kind, "file": _file_name(path), "sha256": reading.sha256, "size": reading.size}
            given |= {"malice": reading.malice, "refused": reading.refused_count}
            unchanged = any((one.name, one.sha256, one.malice) == (reading.name, reading.sha256, reading.malice) for one in self.lists())
            if not unchanged:
                with self._write() as transaction:
                    intel.load(transaction, staged, given, act(transaction, by))
            refused = tuple(reading.refused)
        judged = EnrichResult() if unchanged else self._judge_anew(by)
        (loaded,) = [one for one in self.lists() if one.name == reading.name]
        return ListResult(loaded, taken, refused, judged, unchanged=unchanged)

    def remove_list(self, name: str, *, reason: str | None = None, actor: str | None = None) -> EnrichResult:
        """Take a list out of the store, and judge anew what was enriched before. Raises `AlertNotFoundError`."""
        by = self._by(actor, reason)
        with self._write() as transaction:
            number = intel.number_of(transaction.conn, name)
            if number is None:
                raise AlertNotFoundError(f"no list {name!r} in this store", advice="lists() names those there are")
            intel.remove(transaction, name, number, act(transaction, by))
        return self._judge_anew(by)

    def lists(self) -> list[IntelList]:
        """The lists that indicators are looked up in, by name."""
        with self._read() as conn:
            return intel.lists(conn)

    def reset_indicator_malice(self, name: str | UUID, *, reason: str | None = None, actor: str | None = None) -> Indicator:
        """Take an analyst's verdict on an indicator back: the worst of what enrichers said counts again.

        Raises `AlertNotFoundError`.
        """
        by = self._by(actor, reason)
        with self._write() as transaction:
            found = self.indicator(name)
            number = self._indicator_number(found.uuid, None)
            for before in enriching.indicators(transaction.conn, [] if number is None else [number]):
                draft = decide_reset(before, found.uuid, act(transaction, by))
                if draft is not None:
                    catalog.save_indicator_malice(transaction, before.number, draft)
            return self.indicator(found.uuid)

    def _judge_anew(self, by: tuple[str, str | None]) -> EnrichResult:
        """Ask the lists again about every indicator that was enriched before."""
        run = _Run(self, self._enrichers(("lists",)), by, None)
        with paused_collector() as collect:
            for batch in self._batches(known=True):
                run.ask(batch)
                collect()
        return run.result()

    def _enrichers(self, using: Sequence[str | Enricher]) -> list[Enricher]:
        from alertstore.enrich.base import Enricher
        from alertstore.enrich.registry import load_enricher

        if isinstance(using, str) or not using:
            raise AlertValidationError([FieldProblem("using", "must be names of enrichers, or enrichers", using)])
        conn, plugins = self._repository.conn, self._plugins
        found = [load_enricher(one, conn=conn, plugins=plugins) if isinstance(one, str) else one for one in using]
        names = [one.name for one in found if isinstance(one, Enricher) and _can_be_asked(one)]
        if len(set(names)) < len(found):
            message = "must be names of enrichers, or enrichers, each once, with a name of at most 100 printable ASCII characters"
            raise AlertValidationError([FieldProblem("using", message, using)])
        return found

    def _number(self, uuid: str | UUID) -> int:
        with self._read() as conn:
            return self._state(conn, str(uuid))[0]

    def _indicators_of(self, alerts: Sequence[int] | None) -> Iterator[list[Judged]]:
        if alerts is None:
            yield from self._batches(known=False)
            return
        with self._read() as conn:
            numbers = enriching.indicators_of(conn, alerts)
        for start in range(0, len(numbers), BATCH):
            with self._read() as conn:
                batch = enriching.indicators(conn, numbers[start : start + BATCH])
            yield batch

    def _batches(self, *, known: bool) -> Iterator[list[Judged]]:
        after = 0
        while True:
            with self._read() as conn:
                batch = enriching.indicators_after(conn, after, BATCH, known=known)
            if not batch:
                return
            yield batch
            after = batch[-1].number

    def _alerts_in(self, numbers: Sequence[int] | None, last: int) -> Iterator[Sequence[int]]:
        if numbers is not None:
            yield from (numbers[start : start + BATCH] for start in range(0, len(numbers), BATCH))
            return
        after = 0
        while True:
            with self._read() as conn:
                some = [one for one in enriching.alerts_after(conn, after, BATCH) if one <= last]
            if not some:
                return
            yield some
            after = some[-1]


class _Run:
    """One enrichment in progress: who is asked, who failed, what came of it."""

    def __init__(
        self, store: Enriching, asked: Sequence[Enricher], by: tuple[str, str | None], progress: Callable[[int], None] | None
    ) -> None:
        self._store, self._asked, self._by, self._progress = store, asked, by, progress
        self._counts = dict.fromkeys(("indicators", "changed", "verdicts", "alerts"), 0)
        self._versions: dict[str, str] = {}
        self._failures: dict[str, str] = {}

    def ask(self, batch: Sequence[Judged]) -> None:
        """Ask about a batch of indicators, before the write lock is taken, and keep the answers."""
        now = to_micros(self._store._clock())  # noqa: SLF001 - a part of the store, which would otherwise be one long class
        found: dict[int, dict[str, dict[str, Any]]] = {}
        for enricher in self._asked:
            wanted = [one for one in batch if one.type in enricher.types]
            if wanted:
                self._ask(enricher, wanted, now, found)
        with self._store._write() as transaction:  # noqa: SLF001 - as above
            changed, verdicts = enriching.save_results(transaction, found, self._versions, self._store.id, act(transaction, self._by))
        for name, number in (("indicators", len(batch)), ("changed", changed), ("verdicts", verdicts)):
            self._counts[name] += number
        if self._progress is not None:
            self._progress(self._counts["indicators"])

    def _ask(self, enricher: Enricher, wanted: Sequence[Judged], now: int, found: dict[int, dict[str, dict[str, Any]]]) -> None:
        answers: Sequence[Answer | Failure | None]
        at = rfc3339(from_micros(now))
        try:
            version = enricher.version()
            if not is_storable(version, LONGEST_REASON):
                raise ValueError(f"its version {UNSTORABLE}")
            self._versions[enricher.name] = version
            with self._store._read() if enricher.name == "lists" else nullcontext():  # noqa: SLF001 - as above
                answers = enricher.look_up([(one.type, one.value) for one in wanted], now)
            if len(answers) != len(wanted):
                raise ValueError(f"it gave {len(answers)} answers about {len(wanted)} indicators")
            nothing = result(enricher.name, None, at)  # one for all: most indicators are in no list
            results = [nothing if answer is None else result(enricher.name, answer, at) for answer in answers]
        except Exception as fault:  # whatever an enricher raises, it fails alone
            if isinstance(fault, StorageError) and enricher.name == "lists":  # of the store itself, which they are in
                raise
            self._versions.setdefault(enricher.name, "")
            results = [result(enricher.name, _failure(fault), at)] * len(wanted)
        failed = next((one["error_message"] for one in results if not one["success"]), None)
        if failed is not None:
            self._failures.setdefault(enricher.name, failed)
        for one, said in zip(wanted, results, strict=True):
            found.setdefault(one.number, {})[enricher.name] = said

    def complete(self, alerts: Sequence[int]) -> None:
        """Note how far the enrichment of alerts has come."""
        with self._store._write() as transaction:  # noqa: SLF001 - as above
            self._counts["alerts"] += enriching.complete(transaction, alerts, act(transaction, self._by))

    def result(self) -> EnrichResult:
        """What it came to."""
        return EnrichResult(**self._counts, providers=self._versions, failures=self._failures)


def _stage(reading: ListReading, staged: Staging) -> int:
    """Take the entries of a list, each under its key; how many."""
    taken = 0
    for match, value, line, malice, expires_at, note in reading.entries():
        staged.add(value if match == "exact" else f"{match}:{value}", line, malice, expires_at, note)
        taken += 1
    return taken


def _failure(fault: Exception) -> Failure:
    try:
        return Failure(f"{type(fault).__name__}: {fault}")
    except Exception:  # noqa: BLE001 - its text is the enricher's, too
        return Failure(type(fault).__name__)


def _can_be_asked(enricher: Enricher) -> bool:
    """Whether what an enricher says of itself can stand in the history."""
    return isinstance(enricher.name, str) and bool(_NAME.fullmatch(enricher.name)) and isinstance(enricher.types, AbstractSet)


def _file_name(path: object) -> str:
    name = path if isinstance(path, str | os.PathLike) else getattr(path, "name", "stream")
    return os.path.basename(os.fspath(name) if isinstance(name, str | os.PathLike) else str(name)) or "stream"
