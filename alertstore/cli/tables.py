"""Tables and sheets for a terminal, on rich. Every cell passes `safe_text`; no markup is ever read in it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from alertstore.cli.words import shortened
from alertstore.domain.safe import safe_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alertstore.cli.output import Column, Row


COLOURS = {
    "Critical": "bold red", "High": "red", "Medium": "yellow", "Low": "cyan", "Informational": "dim", "Pending": "dim",
    "Open": "bold", "Triaging": "blue", "Escalated": "magenta", "Closed": "dim",
    "Malicious": "red", "Suspicious": "yellow", "Benign": "green",
}  # fmt: skip
"""The contract's words, coloured; the word itself always stands there."""


LONGEST, MOST_LINES = 10_000, 500
"""Characters and lines of one text that a person is shown: an attacker decides how long it is."""
GAP = 2
NARROWEST = 12


def console(stream: Any = None) -> Console:
    """A console that reads no markup and guesses at nothing; NO_COLOR and TERM are obeyed by rich."""
    return Console(file=stream or sys.stdout, markup=False, highlight=False, emoji=False)


def show(what: RenderableType) -> None:
    """Print to stdout."""
    console().print(what)


def text(value: object, style: str | None = None) -> Text:
    """A safe cell; one of the contract's words takes its colour."""
    words = "" if value is None else safe_text(shortened(str(value), LONGEST))
    return Text(words, style=style or COLOURS.get(words, ""))


def prose(value: str) -> Text:
    """A safe text of several lines, which stay lines; of a very long one, the beginning."""
    there = value[:LONGEST].splitlines()
    lines = [text(line) for line in there[:MOST_LINES]]
    if len(value) > LONGEST or len(there) > MOST_LINES:
        lines.append(Text(f"(cut here, of {len(value):,} characters; --json has all)", style="dim"))
    return Text("\n").join(lines)


def listing(items: Iterable[Row], columns: Iterable[Column]) -> Table:
    """A table of rows; the flexible column takes the room that the others leave."""
    width = console().width
    shown = [column for column in columns if width >= column.least]
    rows = [[text(column.cell(item)) for column in shown] for item in items]
    needed = [max([len(column.title), *(row[k].cell_len for row in rows)]) + GAP for k, column in enumerate(shown)]
    rest = width - sum(n for n, column in zip(needed, shown, strict=True) if not column.flexible)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for column, n in zip(shown, needed, strict=True):
        size = (min(n, max(rest, NARROWEST)) if column.flexible else n) - GAP
        table.add_column(
            column.title,
            justify="right" if column.right else "left",
            width=size,
            no_wrap=not column.wrapped,
            overflow="fold" if column.wrapped else "ellipsis",
        )
    for row in rows:
        table.add_row(*row)
    return table


def sheet(pairs: Iterable[tuple[str, Any]]) -> Table:
    """Names and values below each other; values may be Text already. What is None is left out."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value is not None:
            grid.add_row(name, value if isinstance(value, Text) else text(value))
    return grid


def section(title: str, *parts: RenderableType) -> RenderableType:
    """A heading with what belongs to it."""
    return Group(Text(""), Text(title, style="bold"), *(Padding(part, (0, 0, 0, 2)) for part in parts))
