"""Taking in: files, folders and streams; what came in and what did not."""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from alertstore.cli.gate import complain, say
from alertstore.cli.output import Column, Output, fields_of, formatted, plain
from alertstore.cli.words import minute
from alertstore.domain.safe import safe_text
from alertstore.errors import AlertNotFoundError, AlertValidationError, FieldProblem, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from alertstore.cli.session import Session
    from alertstore.store import AlertStore
    from alertstore.store.results import ImportResult

COUNTS = ("new", "duplicates", "seen", "skipped", "suppressed", "rejected")
LONG_FILE = 4 << 20
"""Bytes from which on an import is long enough for a progress bar."""
FIRST_UNREAD = 20
FIRST_REJECTIONS = 10


SHORT = {"duplicates": "DUPLIC.", "suppressed": "SUPPR."}


def _count(name: str, least: int = 0) -> Column:
    return Column(SHORT.get(name, name.upper()), lambda row: "" if row[name] is None else f"{row[name]:,}", right=True, least=least)


def _shown(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> list[Column]:
    """The columns, without that of the suppressed where there are none: most stores never suppress anything."""
    return [column for column in columns if column.title != SHORT["suppressed"] or any(row["suppressed"] for row in rows)]


FILES = (
    Column("SOURCE", lambda row: row["source"]),
    *map(_count, COUNTS),
    Column("FILE", lambda row: os.path.basename(row["path"]) or row["path"], flexible=True, wrapped=True),
)


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--source", metavar="NAME", help="The tool, where it is not to be recognised; `alertstore sources` lists them.")
@click.option("--tz", default="UTC", show_default=True, metavar="ZONE", help="The zone of times that carry none: Europe/Berlin, or +02:00.")
@click.option("--reason", help="Why; kept in the history.")
@click.option("--explain", is_flag=True, help="Take nothing in; show what of one record of the file goes where, and why.")
@click.option("--record", type=click.IntRange(min=1), metavar="N", help="With --explain: which record (the first that is an alert).")
@formatted
@click.pass_obj
def ingest(
    session: Session,
    /,
    *,
    out: Output,
    paths: Sequence[str],
    source: str | None,
    tz: str,
    reason: str | None,
    explain: bool,
    record: int | None,
) -> None:
    """Read alerts from files, folders or - (stdin).

    The store is made where there is none. The tool is recognised by what is in the file. A record that cannot be read is kept as rejected and the rest goes on;
    reading a file again brings in only what is new.

    Example: alertstore --store case42.db ingest eve.json hayabusa.jsonl

    Example: alertstore ingest --explain eve.json
    """
    if explain:
        from alertstore.cli.explaining import show_record  # noqa: PLC0415 - help needs no sources

        show_record(out, paths, source, read_zone(tz), record)
        return
    if record is not None:
        message = "--record goes with --explain"
        raise click.UsageError(message)
    how = {"source": source, "tz": read_zone(tz), "reason": reason}
    _check_before_making(session, paths, source)
    done: list[ImportResult] = []
    code, there = 0, os.path.lexists(session.path)
    with session.open("create") as store:
        for path in paths:
            try:
                result = _ingest_one(store, path, how)
            except SourceError as fault:
                code = complain(fault)
                continue
            done += result.files or [result]
            _say_unread(result)
        unused = not there and not store.imports()
    if unused:  # nothing was read, so nothing is left behind
        os.unlink(session.path)
    if done:
        report(out, done)
    click.get_current_context().exit(code)


def report(out: Output, done: Sequence[ImportResult]) -> None:
    """Write what each file came to; in words, the sums and the first rejections."""
    rows = [{name: value for name, value in plain(one).items() if name not in {"files", "unread"}} for one in done]
    out.rows(rows, ["id", "path", "source", *COUNTS], _shown(FILES, rows))
    sums = {name: sum(row[name] for row in rows) for name in COUNTS}
    words = {"duplicates": "duplicate"}
    total = ", ".join(f"{n:,} {words.get(name, name)}" for name, n in sums.items() if n or name != "suppressed")
    say(f"{len(rows)} file{'' if len(rows) == 1 else 's'}: {total}")
    first = [(row["path"], one) for row in rows for one in row["first_rejections"]][:FIRST_REJECTIONS]
    for path, one in first:
        say(f"  rejected: {path}, record {one['record']} at byte {one['position']:,}: {one['reason']}")
    if sums["rejected"] > len(first):
        say("  `alertstore rejected` lists all that were rejected")
    notes: Counter[str] = sum((Counter(row["notes"]) for row in rows), Counter())
    if notes:
        say(f"  noted: {', '.join(f'{note} ({n:,})' for note, n in notes.most_common())}")


def _say_unread(result: ImportResult) -> None:
    """Name the files that nobody reads; to a person the first of them, in a pipe all."""
    shown = result.unread[:FIRST_UNREAD] if watched() else result.unread
    for path, why in shown:
        say(f"  not read: {why if path in why else f'{path}: {why}'}")
    if more := len(result.unread) - len(shown):
        say(f"  not read: {more:,} more files; `2>FILE` writes down all of them")


def read_zone(name: str) -> tzinfo:
    """A time zone from its IANA name or its offset. Raises `AlertValidationError`."""
    if name.upper() == "UTC":
        return UTC
    try:
        if name[:1] in {"+", "-"}:
            zone = datetime.fromisoformat(f"2000-01-01T00:00{name}").tzinfo
            if zone is not None:
                return zone
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = "must be a time zone, such as UTC, Europe/Berlin or +02:00"
        raise AlertValidationError([FieldProblem("tz", message, name)]) from None


def _check_before_making(session: Session, paths: Sequence[str], source: str | None) -> None:
    """Refuse what cannot work before a store is made for it."""
    if source is not None:
        from alertstore.sources.registry import load_source  # noqa: PLC0415 - help needs no sources

        load_source(source)
    if not os.path.lexists(session.path) and not any(path == "-" or os.path.exists(path) for path in paths):
        raise SourceError(f"there is no file {', '.join(paths)}", advice="name a file, a folder, or - for stdin; no store was made")


def watched() -> bool:
    """Whether a person is looking at stderr."""
    return sys.stderr.isatty()


def _ingest_one(store: AlertStore, path: str, how: Mapping[str, Any]) -> ImportResult:
    """Read one path; where that may take long and a person is looking, under a progress bar."""
    if not watched():
        return store.ingest(path, **how)
    size = os.path.getsize(path) if os.path.isfile(path) else None
    if size is None:
        with progress_bar(None) as (advance, _):
            return store.ingest(path, **how, progress=advance)
    if size < LONG_FILE:
        return store.ingest(path, **how)
    try:
        stream = open(path, "rb")  # noqa: SIM115 - closed below
    except OSError as fault:
        raise SourceError(f"{path} cannot be read: {fault.strerror}", advice="name a file that you may read") from fault
    with stream, progress_bar(size) as (advance, place):
        place.append(stream.tell)
        return store.ingest(stream, **how, progress=advance)


@contextmanager
def progress_bar(size: int | None) -> Iterator[tuple[Callable[[str, int], None], list[Callable[[], int]]]]:
    """A bar on stderr that is gone when done: of bytes where a size is known, else of records alone.

    Gives what to call after every batch, and a list that takes the function which tells the place in the file.
    """
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415 - help needs no rich

    from alertstore.cli.tables import console  # noqa: PLC0415 - rich is loaded for people only

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    place: list[Callable[[], int]] = []
    with Progress(*columns, console=console(sys.stderr), transient=True) as bar:
        task = bar.add_task("reading", total=size)

        def advance(path: str, records: int) -> None:
            name = safe_text(os.path.basename(path))[-30:]
            bar.update(task, description=f"{name}  {records:,} records", completed=place[0]() if place else None)

        yield advance, place


IMPORTS = (
    Column("ID", lambda row: row["id"], right=True),
    Column("STARTED (UTC)", lambda row: minute(row["started_at"])),
    Column("SOURCE", lambda row: row["source_name"]),
    *map(_count, ("new", "duplicates", "seen")),
    _count("suppressed", least=100),
    _count("rejected"),
    Column("FILE", lambda row: ": ".join(filter(None, (row["name"], row["fault"]))), flexible=True, wrapped=True),
)


@click.command()
@formatted
@click.pass_obj
def imports(session: Session, /, *, out: Output) -> None:
    """List what was ever read into the store, oldest first."""
    from alertstore.storage.imports import Import  # noqa: PLC0415 - as above

    with session.open("ro") as store:
        found = [plain(one) for one in store.imports()]
    out.rows(found, fields_of(Import), _shown(IMPORTS, found))


REJECTED = (
    Column("IMPORT", lambda row: row["import_id"], right=True),
    Column("RECORD", lambda row: row["record"], right=True),
    Column("BYTE", lambda row: row["position"], right=True),
    Column("REASON", lambda row: row["reason"], flexible=True, wrapped=True),
    Column("BEGINS", lambda row: (row["raw"] or "")[:40], least=120),
)


@click.command()
@click.argument("import_id", metavar="[IMPORT]", type=int, required=False)
@formatted
@click.pass_obj
def rejected(session: Session, /, *, out: Output, import_id: int | None) -> None:
    """List the records that could not be read, and why.

    Of one import, or of all.
    """
    from alertstore.storage.imports import RejectedRecord  # noqa: PLC0415 - as above

    with session.open("ro") as store:
        if import_id is not None and all(one.id != import_id for one in store.imports()):
            raise AlertNotFoundError(f"no import {import_id} in this store", advice="`alertstore imports` lists those there are")
        found = store.rejected_records(import_id)
    out.rows(map(plain, found), fields_of(RejectedRecord), REJECTED)
    if not found:
        say("nothing was rejected")


COMMANDS = {"ingest": ingest, "imports": imports, "rejected": rejected}
