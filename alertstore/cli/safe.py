"""The one gate: whatever comes from an alert passes here before a person, a terminal or a spreadsheet sees it."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

# Letters and marks that Unicode calls printable and that show as nothing, or as a blank.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_ASKS_FOR_QUOTES = frozenset(",;|\"'")


def safe_text(value: object) -> str:
    r"""Text in which nothing acts, hides or reorders: such characters show as escapes (`\x1b`, `\u202e`, `\n`).

    These are the control characters, those of format (bidirectional controls, zero-width, byte order mark, tags), line and
    paragraph separators, lone surrogates, private and unassigned ones, and the blank ones that pass for letters.
    """
    text = str(value)
    if text.isprintable() and _BLANK.isdisjoint(text):
        return text
    return "".join(c if _shows(c) else c.encode("unicode_escape").decode() for c in text)


def _shows(character: str) -> bool:
    return (character.isprintable() and character not in _BLANK) or unicodedata.category(character) == "Zs"


def safe_cell(value: object) -> str:
    """A CSV cell's text that no spreadsheet takes for a formula: a `'` stands before what could start one."""
    given = "" if value is None else str(value)
    starts = given.lstrip()[:1] in _FORMULA if given.strip() else False
    if (starts or given.lstrip(" ")[:1] in {"\t", "\r"}) and not _NUMBER.fullmatch(given):
        return "'" + safe_text(given)
    return safe_text(given)


def csv_line(values: list[Any]) -> str:
    """A row of guarded cells. Whatever a spreadsheet might split at, in any locale, is inside quotes."""
    cells = (safe_cell(value) for value in values)
    return ",".join('"' + cell.replace('"', '""') + '"' if not _ASKS_FOR_QUOTES.isdisjoint(cell) else cell for cell in cells)


def json_line(value: object) -> str:
    """One line of JSON in printable ASCII, nothing lost."""
    return json.dumps(value, separators=(",", ":"))
