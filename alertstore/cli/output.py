"""What goes to stdout: a table on a terminal, JSON lines in a pipe, or what --json and --csv ask for."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Literal, TypeVar

import attrs
import click
from attrs import frozen

from alertstore.cli.safe import csv_line, json_line
from alertstore.domain.times import rfc3339

F = TypeVar("F", bound="Callable[..., Any]")
Row = Mapping[str, Any]


def on_terminal() -> bool:
    """Whether a person is looking at stdout."""
    return sys.stdout.isatty()


def plain(value: Any) -> Any:
    """A value of the library as JSON has it: its fields and what it computes from them; times in RFC 3339, bytes as text."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if attrs.has(type(value)):
        computed = (name for name, _ in inspect.getmembers(type(value), lambda member: isinstance(member, property)))
        return {name: plain(getattr(value, name)) for name in [*fields_of(type(value)), *computed]}
    return value


def fields_of(kind: type) -> list[str]:
    """The names of a value's fields."""
    return [field.name for field in attrs.fields(kind)]


@frozen
class Column:
    """A column of a table: its title, how a row's cell is made, and how it is laid out.

    `flexible`: takes what room is left, and is cut there, or (`wrapped`) goes on below. `least`: the terminal's width from
    which on the column is shown.
    """

    title: str
    cell: Callable[[Row], Any]
    right: bool = False
    flexible: bool = False
    wrapped: bool = False
    least: int = 0


@frozen
class Output:
    """How this call's data is written."""

    form: Literal["table", "json", "csv"]
    asked: bool = False
    """Whether --json or --csv said so, not the terminal."""

    @property
    def is_table(self) -> bool:
        """Whether a person reads it."""
        return self.form == "table"

    def rows(self, items: Iterable[Row], fields: Iterable[str], columns: Iterable[Column]) -> None:
        """Write many things of one kind; `fields` (or `field.part`) are the columns of the CSV, `columns` those of the table."""
        if self.form == "table":
            from alertstore.cli import tables  # noqa: PLC0415 - rich is loaded for tables only

            tables.show(tables.listing(items, columns))
        else:
            write(self._lines(items, list(fields)))

    def one(self, item: Row, view: str) -> None:
        """Write one thing; as CSV, a row for each of its values. `view` names its sheet in `views`."""
        if self.form == "table":
            from alertstore.cli import tables, views  # noqa: PLC0415 - as in rows

            tables.show(getattr(views, view)(item))
        elif self.form == "json":
            write([json_line(item)])
        else:
            write(self._lines(({"field": name, "value": value} for name, value in _leaves("", item)), ["field", "value"]))

    def _lines(self, items: Iterable[Row], fields: list[str]) -> Iterator[str]:
        if self.form == "json":
            yield from map(json_line, items)
            return
        yield csv_line(fields)
        yield from (csv_line([_cell(_at(item, name)) for name in fields]) for item in items)


def write(lines: Iterable[str]) -> None:
    """Write lines to stdout, some hundreds at a time."""
    rest = iter(lines)
    while chunk := list(islice(rest, 256)):
        sys.stdout.write("\n".join(chunk) + "\n")


def _at(item: Row, path: str) -> Any:
    for name in path.split("."):
        item = item[name]
    return item


def _cell(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "; ".join(value)
    return json_line(value) if isinstance(value, list | dict | bool) else value


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, one in value.items():
            yield from _leaves(f"{path}.{name}" if path else name, one)
    else:
        yield path, value


def formatted(command: F) -> F:
    """Give a command --json and --csv; it gets the `Output` that they, or the terminal, decide on."""

    @click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
    @click.option("--csv", "as_csv", is_flag=True, help="A header and rows.")
    @functools.wraps(command)
    def wrapper(*args: Any, as_json: bool, as_csv: bool, **options: Any) -> Any:
        if as_json and as_csv:
            message = "--json and --csv exclude each other"
            raise click.UsageError(message)
        form: Literal["table", "json", "csv"] = "json" if as_json else "csv" if as_csv else "table" if on_terminal() else "json"
        return command(*args, out=Output(form, as_json or as_csv), **options)

    return wrapper  # type: ignore[return-value]  # click hands on what it decorates
