"""Taking alerts in: files, folders, streams, or one record at a time."""

from __future__ import annotations

import os
import sys
from collections import Counter
from datetime import UTC, tzinfo
from hashlib import sha256
from io import TextIOBase
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from attrs import evolve

import alertstore
from alertstore.domain.intake import decide_seen, prepare
from alertstore.domain.payload import parse_record
from alertstore.errors import AlertValidationError, FieldProblem, SourceError
from alertstore.storage import alerts, catalog, intake
from alertstore.storage.registry import in_use
from alertstore.store.base import read_path
from alertstore.store.collector import paused_collector
from alertstore.store.deciding import Deciding
from alertstore.store.records import Readable, Tally, batches, describe, read_records
from alertstore.store.results import FIRST_REJECTIONS, ImportResult, IngestResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alertstore.domain.drafts import NewRule
    from alertstore.sources.base import Source
    from alertstore.sources.framing import RawRecord
    from alertstore.sources.readers import Reading


class Ingesting(Deciding):
    """The ways in."""

    def ingest(
        self,
        path: str | os.PathLike[str] | BinaryIO,
        *,
        source: str | None = None,
        tz: tzinfo = UTC,
        reason: str | None = None,
        actor: str | None = None,
        progress: Callable[[str, int], None] | None = None,
    ) -> ImportResult:
        """Read a file, a folder, "-" (standard input) or an open binary file; the tool is recognised by what is in it.

        `source` names the tool instead; `tz` is the zone of times that carry none; `progress(path, records)` is called after
        every batch. Each batch is one transaction: whatever stops an import, what was read is kept, and reading the file
        again completes it without doubles. A record that cannot be read is kept as rejected and the rest goes on; of a folder,
        files that no source knows are listed in `unread`. What becomes of records that repeat a Closed alert, `set_recurrence` says;
        no import changes anything else that an analyst decided.
        Raises `SourceError` for a file that no source knows, that is empty, or that ends in the middle.
        """
        _check(path, tz, progress)
        by = self._by(actor, reason)
        sources = self._sources(source)
        if not isinstance(path, str | os.PathLike):
            return self._ingest_stream(path, str(getattr(path, "name", "stream")), sources, tz, by, progress)
        name = read_path(path)
        if name == "-":
            return self._ingest_stream(sys.stdin.buffer, "-", sources, tz, by, progress)
        if os.path.isdir(name):
            return self._ingest_folder(Path(name), sources, tz, by, progress)
        return self._ingest_file(Path(name), sources, tz, by, progress)

    def add(
        self,
        record: Mapping[str, Any],
        *,
        source: str = "generic",
        tz: tzinfo = UTC,
        reason: str | None = None,
        actor: str | None = None,
    ) -> IngestResult:
        """Take in one record of a tool, as the tool writes it; its compact JSON, keys in the order given, is kept as its bytes.

        Raises `AlertValidationError` where no alert can be made of it, `SourceError` for a source that there is not.
        """
        from alertstore.wire.requests import read_record

        _check("-", tz, None)
        (tool,), by = self._sources(source), self._by(actor, reason)
        raw = read_record(record)
        digest = sha256(raw).digest()
        try:
            alert = tool.alert(parse_record(raw, None), tz)
            if alert is None:
                raise ValueError(f"is no alert of {tool.tool}")
            readable = Readable(None, None, raw, digest, prepare(alert, tool.name))
        except ValueError as fault:
            raise AlertValidationError([FieldProblem("record", str(fault), dict(record))]) from fault
        rules = {} if alert.rule_id is None else {alert.rule_id: describe(tool, alert.rule_id, record)}
        with self._write() as transaction:
            uuid = catalog.reported(transaction.conn, tool.name, digest)
            outcome: Literal["new", "duplicate", "seen", "suppressed"] = "seen"
            if uuid is None:
                batch = intake.Batch(tool.name, None)
                if held_by := self._decide(transaction, tool, batch, [readable], rules, by)[0]:
                    return IngestResult(held_by[0], "suppressed", None)
                self._keep(transaction, batch, by)
                uuid, outcome = batch.kept[0].arrival.draft.subject, "new" if batch.kept[0].arrival.joined is None else "duplicate"
            return IngestResult(uuid, outcome, alerts.load_alert(transaction.conn, uuid, self._store_id))

    def _sources(self, name: str | None) -> list[Source]:
        from alertstore.sources.registry import load_source, load_sources

        return load_sources(plugins=self._plugins) if name is None else [load_source(name, plugins=self._plugins)]

    def _ingest_folder(self, folder: Path, sources: list[Source], tz: tzinfo, by: Any, progress: Any) -> ImportResult:
        from alertstore.sources.folder import files_of

        files = []
        paths, unread = files_of(str(folder))
        for path in paths:
            try:
                files.append(self._ingest_file(Path(path), sources, tz, by, progress))
            except (SourceError, AlertValidationError) as fault:
                unread.append((path, str(fault)))
        if not files:
            raise SourceError(f"{folder}: no source reads any of its {len(unread)} files", advice="`alertstore sources` lists what is read")
        sums = {name: sum(getattr(one, name) for one in files) for name in intake.COUNTS}
        notes: Counter[str] = sum((Counter(one.notes) for one in files), Counter())
        rejections = tuple(rejection for one in files for rejection in one.first_rejections)[:FIRST_REJECTIONS]
        result = ImportResult(
            None, str(folder), None, first_rejections=rejections, notes=notes, files=tuple(files), unread=tuple(sorted(unread))
        )
        return _counted(result, sums)

    def _ingest_file(self, path: Path, sources: list[Source], tz: tzinfo, by: Any, progress: Any) -> ImportResult:
        if in_use(str(path)):
            raise SourceError(f"{path} belongs to a store that is open", advice="ingest reads what tools write, not stores")
        try:
            stream = path.open("rb")
        except OSError as fault:
            raise SourceError(f"{path} cannot be read: {fault.strerror}", advice="name a file that you may read") from fault
        with stream:
            return self._ingest_stream(stream, str(path), sources, tz, by, progress)

    def _ingest_stream(
        self, stream: BinaryIO, path: str, sources: list[Source], tz: tzinfo, by: tuple[str, str | None], progress: Any
    ) -> ImportResult:
        from alertstore.sources.readers import open_reading

        reading = open_reading(stream, name=path, sources=sources, tz=tz)
        name = Path(path).name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # a file name may be no text at all
        with self._write() as transaction:
            number = intake.start_import(
                transaction, name=name, source_name=reading.source.name, actor=by[0], reason=by[1], header=reading.header, how=self._how(tz)
            )
        tally, fault = Tally(), None
        try:
            with paused_collector() as collect:
                for batch in batches(reading):
                    self._ingest_batch(number, reading, batch, tally, by)
                    collect()
                    if progress is not None:
                        progress(path, sum(tally.counts.values()))
        except SourceError as stopped:
            fault = stopped
        outcome = {name: tally.counts[name] for name in intake.COUNTS} | {
            "notes": dict(tally.notes),
            "fault": str(fault) if fault else None,
        }
        with self._write() as transaction:
            whole = {"sha256": None, "size": None} if fault else {"sha256": reading.sha256, "size": reading.size}
            intake.finish_import(transaction, number, actor=by[0], outcome=outcome | whole)
        if fault is not None:
            raise fault
        result = ImportResult(number, path, reading.source.name, first_rejections=tuple(tally.rejections), notes=dict(tally.notes))
        return _counted(result, tally.counts)

    def _how(self, tz: tzinfo) -> dict[str, Any]:
        """What the outcome of an import depends on, besides its file."""
        window = {"dedup_by": self._dedup.by, "dedup_window": self._dedup.window_micros}
        return {**window, "tz": str(tz), "version": alertstore.__version__}

    def _ingest_batch(self, number: int, reading: Reading, records: list[RawRecord], tally: Tally, by: tuple[str, str | None]) -> None:
        """One transaction. Whatever runs a source's code comes before the write lock is taken."""
        conn, source = self._repository.conn, reading.source
        digests = [record.digest or sha256(record.raw).digest() for record in records]
        version = intake.data_version(conn)
        known = intake.seen(conn, source.name, digests)
        rules: dict[str, NewRule] = {}
        readable, refused = read_records(reading, records, digests, known, self._rule_cache(source), rules, tally)
        with self._write() as transaction:
            if intake.data_version(conn) != version:
                late = intake.seen(conn, source.name, [one.digest for one in readable])
                tally.counts["seen"] += len(late)
                readable = [one for one in readable if one.digest not in late]
                known |= late
            batch = intake.Batch(source.name, number)
            held_by, fresh = self._decide(transaction, source, batch, readable, rules, by)
            tally.counts["suppressed"] += fresh
            tally.counts["seen"] += len(held_by) - fresh
            self._keep(transaction, batch, by)
            intake.save_refused(transaction, number, refused, actor=by[0], reason=by[1])
            if known:
                transaction.append(decide_seen(number, known.values(), transaction.now, *by))
        repeats = sum(1 for kept in batch.kept if kept.arrival.joined is not None)
        tally.counts["duplicates"] += repeats
        tally.counts["new"] += len(batch.kept) - repeats


def _check(path: object, tz: object, progress: object) -> None:
    """Refuse what an import cannot be made with, before anything of it is kept."""
    problems = []
    if not isinstance(path, str | os.PathLike) and (isinstance(path, TextIOBase) or not hasattr(path, "read")):
        problems.append(FieldProblem("path", 'must be a path, "-", or a file open for reading bytes', path))
    if not isinstance(tz, tzinfo):
        problems.append(FieldProblem("tz", "must be a tzinfo, as zoneinfo.ZoneInfo gives", tz))
    if progress is not None and not callable(progress):
        problems.append(FieldProblem("progress", "must be a function of a path and a number", progress))
    if problems:
        raise AlertValidationError(problems)


def _counted(result: ImportResult, counts: Mapping[str, int]) -> ImportResult:
    numbers: dict[str, Any] = {name: counts[name] for name in intake.COUNTS}
    return evolve(result, **numbers)
