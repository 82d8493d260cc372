"""The gate for files that are read by programs: cells that no spreadsheet takes for a formula, lines that stay lines."""

from __future__ import annotations

import json
import re
from typing import Any

from alertstore.domain.safe import safe_text

_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
# Where lists are separated by semicolons, a spreadsheet splits a line of commas at them, and minds no quotes that open within a cell.
_SPLIT = re.compile(r'([;|])(?=[\s"]*[=+\-@\uff1d\uff0b\uff0d\uff20])')
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_ASKS_FOR_QUOTES = frozenset(",;|\"'")


def safe_cell(value: object) -> str:
    """A CSV cell's text that no spreadsheet takes for a formula: a `'` stands before what could start one.

    That is the start of the cell, and what follows a `;` or `|`, at which some split.
    """
    given = "" if value is None else str(value)
    text = safe_text(given)
    if ";" in text or "|" in text:
        text = _SPLIT.sub(r"\1'", text)
    starts = given.lstrip()[:1] in _FORMULA if given.strip() else False
    acts = starts or given.lstrip(" ")[:1] in {"\t", "\r"}
    return f"'{text}" if acts and not _NUMBER.fullmatch(given) else text


def csv_line(values: list[Any]) -> str:
    """A row of guarded cells. Whatever a spreadsheet might split at, in any locale, is inside quotes."""
    cells = (safe_cell(value) for value in values)
    return ",".join('"' + cell.replace('"', '""') + '"' if not _ASKS_FOR_QUOTES.isdisjoint(cell) else cell for cell in cells)


def json_line(value: object) -> str:
    """One line of JSON in printable ASCII, nothing lost."""
    return json.dumps(value, separators=(",", ":"))
