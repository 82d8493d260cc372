"""How files are read: which tools are known and what is taken from where; one record of a file, value by value. No store is needed."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from alertstore.cli.output import Column, Output, formatted
from alertstore.cli.words import shortened
from alertstore.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo
    from typing import BinaryIO

    from alertstore.sources.base import Source
    from alertstore.sources.explain import Explanation
    from alertstore.sources.paths import Path
    from alertstore.sources.readers import RawRecord, Reading

RECORDS_TRIED = 10_000
"""How far the first alert of a file is looked for."""
KEYS_SHOWN = 30
LONGEST_TOOL = 36

SOURCES = (
    Column("NAME", lambda row: row["name"]),
    Column("TOOL", lambda row: shortened(row["tool"], LONGEST_TOOL), least=100),
    Column("RECOGNISED BY", lambda row: row["signature"], flexible=True, wrapped=True),
)


@click.command()
@click.argument("name", required=False)
@formatted
def sources(*, out: Output, name: str | None) -> None:
    """List the tools that are read, and how each is recognised.

    Of one tool, by its NAME: what of a record goes where, and how its severities are mapped. --json says so of all.
    """
    from alertstore.sources.registry import load_source, load_sources  # noqa: PLC0415 - help needs no sources

    if name is not None:
        out.one(_source(load_source(name)), "source")
        return
    out.rows(map(_source, load_sources()), ["name", "tool", "signature"], SOURCES)


def _source(one: Source) -> dict[str, Any]:
    from alertstore.sources.base import mapped_fields  # noqa: PLC0415 - as above

    return {
        "name": one.name,
        "tool": one.tool,
        "signature": one.signature,
        "fields": {output: list(paths) for output, paths in mapped_fields(one).items()},
        "severities": {str(word): str(severity) for word, severity in one.severities.items()},
    }


def show_record(out: Output, paths: Sequence[str], source: str | None, tz: tzinfo, number: int | None) -> None:
    """Write where the values of one record of a file go (`number`, else the first that is an alert), and what stays behind.

    Raises `SourceError` for a file that nobody reads, saying what its first record holds.
    """
    from alertstore.sources.registry import load_source, load_sources  # noqa: PLC0415 - as above

    if len(paths) != 1:
        message = "--explain takes one file"
        raise click.UsageError(message)
    sources = load_sources() if source is None else [load_source(source)]
    with ExitStack() as files:
        reading = _open(files, paths[0], sources, tz)
        record = _choose(reading, tz, number)
        out.one(_told(paths[0], reading, record, tz), "explanation")


def _open(files: ExitStack, path: str, sources: Sequence[Source], tz: tzinfo) -> Reading:
    from alertstore.sources.readers import open_reading  # noqa: PLC0415 - as above

    try:
        return open_reading(_stream(files, path), name=path, sources=sources, tz=tz)
    except SourceError as why:
        if path == "-" or len(sources) == 1:
            raise
        from alertstore.sources.readers import first_keys  # noqa: PLC0415 - as above

        framing, keys = first_keys(_stream(files, path), path)
        if not keys:
            raise
        more = f" and {len(keys) - KEYS_SHOWN} more" if len(keys) > KEYS_SHOWN else ""
        raise SourceError(f"{why}; it is {framing}, the first record has {', '.join(keys[:KEYS_SHOWN])}{more}", advice=why.advice) from why


def _stream(files: ExitStack, path: str) -> BinaryIO:
    if path == "-":
        return sys.stdin.buffer
    try:
        return files.enter_context(open(path, "rb"))
    except OSError as fault:
        raise SourceError(f"{path} cannot be read: {fault.strerror}", advice="name one file that you may read") from fault


def _choose(reading: Reading, tz: tzinfo, number: int | None) -> RawRecord:
    """The record of that number; without one the first that is an alert, or where there is none, the first."""
    first = None
    for record in reading.records():
        first = first or record
        if record.number == number or (number is None and _is_alert(reading, record, tz)):
            return record
        if number is None and record.number >= RECORDS_TRIED:
            break
    if first is None or number is not None:
        raise SourceError(f"there is no record {number or 1} in that file", advice="count from 1")
    return first


def _is_alert(reading: Reading, record: RawRecord, tz: tzinfo) -> bool:
    try:
        return record.problem is None and reading.source.alert(reading.parse(record.raw), tz) is not None
    except Exception:  # noqa: BLE001 - whatever a source does on a record, it is not the first good one
        return False


def _told(path: str, reading: Reading, record: RawRecord, tz: tzinfo) -> dict[str, Any]:
    """The file, the record and the explanation, as --json has them."""
    from alertstore.sources.explain import Explanation, explain  # noqa: PLC0415 - as above

    source = reading.source
    about = {
        "path": path,
        "source": source.name,
        "tool": source.tool,
        "signature": source.signature,
        "framing": reading.framing,
        "encoding": reading.encoding,
        "record": record.number,
        "position": record.position,
    }
    values: Mapping[str, Any] = {}
    try:
        if record.problem is not None:
            raise ValueError(record.problem)
        values = reading.parse(record.raw)
        found = explain(source, values, tz)
    except ValueError as why:
        found = Explanation("rejected", str(why))
    return about | _explained(found, values)


def _explained(found: Explanation, record: Mapping[str, Any]) -> dict[str, Any]:
    from alertstore.sources.paths import exact, value_at  # noqa: PLC0415 - as above

    def named(paths: Sequence[Path]) -> dict[str, Any]:
        return {exact(path): value_at(record, path) for path in paths}

    return {
        "outcome": found.outcome,
        "reason": found.reason,
        "values": [{"output": one.output, "value": one.value, "from": named(one.sources), "why": one.why} for one in found.values],
        "needed": named(found.deciding),
        "raw_only": named(found.unused),
        "untried": found.untried,
    }


COMMANDS = {"sources": sources}
