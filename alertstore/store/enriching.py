"""Enrichment: the lists that the store keeps, and what they, and other local sources, say of the indicators of its alerts."""

from __future__ import annotations

import os
import re
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, BinaryIO

from alertstore.domain.enrichment import JUDGED_BY, LISTS, decide_reset
from alertstore.domain.events import EventDraft, EventKind
from alertstore.domain.times import to_micros
from alertstore.errors import AlertNotFoundError, AlertValidationError, FieldProblem, SourceError
from alertstore.storage import catalog, enriching, intel, settings
from alertstore.store.asking import Asking
from alertstore.store.base import act
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

USUAL = (LISTS, "special-purpose")
"""The enrichers that are asked where none are named: they need nothing but the store. Without any list in it the first has nothing to say."""

_LIST_NAME = 200
"""Characters of a list's name."""


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
        by, asked = self._by(actor, reason), self._enrichers(self._usual() if using is None else using)
        if isinstance(alerts, str):
            raise AlertValidationError([FieldProblem("alerts", "must be uuids, or None for all", alerts)])
        numbers = None if alerts is None else [self._number(uuid) for uuid in alerts]
        with self._read() as conn:
            last = enriching.last_alert(conn)
        if any(one.name == LISTS for one in asked) and self._is_to_be_judged():
            self._judge_anew(by)
        run = self._asking(asked, by, progress)
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
        if name is not None and not _is_name(name):
            raise AlertValidationError([FieldProblem("name", f"must be printable text of at most {_LIST_NAME} characters", name)])
        with read_list(path, kind=kind, name=name, malice=malice) as reading, intel.Staging() as staged:
            taken, file = _stage(reading, staged), _file_name(path)
            if not taken:
                first = f"; line {reading.refused[0][0]}: {reading.refused[0][1]}" if reading.refused else ""
                advice = "remove_list() takes a list out of the store; the one of this name, if there is one, is as it was"
                raise SourceError(f"{file} holds no entry of a list, {reading.refused_count} lines were refused{first}", advice=advice)
            called = reading.name if _is_name(reading.name) else file[:_LIST_NAME]
            given = {"name": called, "kind": reading.kind, "file": file, "sha256": reading.sha256, "size": reading.size}
            given |= {"malice": reading.malice, "refused": reading.refused_count}
            with self._write() as transaction:
                unchanged = intel.is_same(transaction.conn, given)
                if not unchanged:
                    intel.load(transaction, staged, given, act(transaction, by))
                (loaded,) = [one for one in intel.lists(transaction.conn) if one.name == called]
        judged = self._judge_anew(by) if self._is_to_be_judged() else EnrichResult()
        return ListResult(loaded, taken, tuple(reading.refused), judged, unchanged=unchanged)

    def remove_list(self, name: str, *, reason: str | None = None, actor: str | None = None) -> EnrichResult:
        """Take a list out of the store, and judge anew what was enriched before. Raises `AlertNotFoundError`."""
        by = self._by(actor, reason)
        with self._write() as transaction:
            number = intel.number_of(transaction.conn, name)
            if number is not None:
                intel.remove(transaction, name, number, act(transaction, by))
        judged = self._judge_anew(by) if self._is_to_be_judged() else EnrichResult()
        if number is None:
            raise AlertNotFoundError(f"no list {name!r} in this store", advice="lists() names those there are")
        return judged

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

    def _usual(self) -> Sequence[str]:
        """The enrichers that are asked where none are named."""
        return USUAL if self.lists() else USUAL[1:]

    def _is_to_be_judged(self) -> bool:
        """Whether the lists are others than those that all enriched indicators were judged by; also where that was interrupted."""
        with self._read() as conn:
            return intel.version(conn) != settings.value(conn, JUDGED_BY)

    def _judge_anew(self, by: tuple[str, str | None]) -> EnrichResult:
        """Ask the lists again about every indicator that was enriched before, and note by which lists that was."""
        with self._read() as conn:
            version = intel.version(conn)
        run = self._asking(self._enrichers((LISTS,)), by, None)
        with paused_collector() as collect:
            for batch in self._batches(known=True):
                run.ask(batch)
                collect()
        with self._write() as transaction:
            before = settings.value(transaction.conn, JUDGED_BY)
            if intel.version(transaction.conn) == version != before:
                changes = {JUDGED_BY: [before, version]}
                settings.save(transaction, EventDraft(EventKind.SETTING_CHANGED, JUDGED_BY, transaction.now, by[0], changes=changes))
        return run.result()

    def _asking(self, asked: Sequence[Enricher], by: tuple[str, str | None], progress: Callable[[int], None] | None) -> Asking:
        def now() -> int:
            return to_micros(self._clock())

        return Asking(asked, by, store_id=self.id, now=now, read=self._read, write=self._write, progress=progress)

    def _enrichers(self, using: Sequence[str | Enricher]) -> list[Enricher]:
        from alertstore.enrich.base import Enricher
        from alertstore.enrich.listed import Listed
        from alertstore.enrich.registry import load_enricher

        if isinstance(using, str) or not using:
            raise AlertValidationError([FieldProblem("using", "must be names of enrichers, or enrichers", using)])
        conn, plugins = self._repository.conn, self._plugins
        found = [load_enricher(one, conn=conn, plugins=plugins) if isinstance(one, str) else one for one in using]
        names = [
            one.name for one in found if isinstance(one, Enricher) and _can_be_asked(one) and isinstance(one, Listed) is (one.name == LISTS)
        ]
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


def _stage(reading: ListReading, staged: Staging) -> int:
    """Take the entries of a list, each under its key; how many."""
    taken = 0
    for match, value, line, malice, expires_at, note in reading.entries():
        staged.add(value if match == "exact" else f"{match}:{value}", line, malice, expires_at, note)
        taken += 1
    return taken


def _can_be_asked(enricher: Enricher) -> bool:
    """Whether what an enricher says of itself can stand in the history."""
    return isinstance(enricher.name, str) and bool(_NAME.fullmatch(enricher.name)) and isinstance(enricher.types, AbstractSet)


def _is_name(name: object) -> bool:
    return isinstance(name, str) and 0 < len(name) <= _LIST_NAME and name.isprintable() and name.strip() == name


def _file_name(path: object) -> str:
    """The name of a list's file as text; a file name may be no text at all."""
    name = path if isinstance(path, str | bytes | os.PathLike) else getattr(path, "name", "stream")
    text = os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else str(name)
    text = os.path.basename(text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(one if one.isprintable() else "\ufffd" for one in text).strip() or "stream"
