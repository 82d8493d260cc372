"""A list in JSON: its fields, and the elements of its one long list, each with the line on which it begins."""

from __future__ import annotations

import json
import re
from typing import Any

from alertstore.errors import SourceError

MOST_VALUES = 4_000_000
"""Values in such a file, counted by the marks that come before them; each takes memory of its own."""

_GAP = re.compile(r"[ \t\n\r]*+")
_decode = json.JSONDecoder().raw_decode


def read_json(text: str, name: str, listed: str) -> tuple[dict[str, Any], list[tuple[int, Any]]]:
    """The object's other members, and (line, element) of the list that it has under the name `listed`.

    `name` is how errors call the file. Raises SourceError for what is no JSON object, too large, or repeats that list.
    """
    if sum(map(text.count, ",[{")) > MOST_VALUES:
        raise SourceError(f"{name} holds more than {MOST_VALUES:,} values", advice="split it")
    try:
        return _object(text, listed)
    except json.JSONDecodeError as why:
        message = f"{name} is not a list in JSON: {why.msg} on line {why.lineno}, column {why.colno}"
    except RecursionError:
        message = f"{name} is nested too deep"
    except ValueError as why:  # a number with too many digits
        message = f"{name} cannot be read: {why}"
    raise SourceError(message, advice="give the file as it was published")


def _object(text: str, listed: str) -> tuple[dict[str, Any], list[tuple[int, Any]]]:
    fields: dict[str, Any] = {}
    items: list[tuple[int, Any]] | None = None
    at = _mark(text, _skip(text, 0), "{")
    more = text[at : at + 1] != "}"
    at += not more
    while more:
        key, at = _decode(text, at)
        if not isinstance(key, str):
            raise json.JSONDecodeError("a name is wanted", text, at)
        at = _mark(text, _skip(text, at), ":")
        if key == listed and text[at : at + 1] == "[":
            if items is not None:
                raise json.JSONDecodeError(f"a second {listed!r}", text, at)
            items, at = _elements(text, at)
        else:
            fields[key], at = _decode(text, at)
        at, more = _go_on(text, at, "}")
    if _skip(text, at) != len(text):
        raise json.JSONDecodeError("more than one object", text, at)
    return fields, items or []


def _elements(text: str, at: int) -> tuple[list[tuple[int, Any]], int]:
    items: list[tuple[int, Any]] = []
    line, counted = 1, 0
    at = _mark(text, at, "[")
    more = text[at : at + 1] != "]"
    at += not more
    while more:
        line, counted = line + text.count("\n", counted, at), at
        value, at = _decode(text, at)
        items.append((line, value))
        at, more = _go_on(text, at, "]")
    return items, at


def _go_on(text: str, at: int, end: str) -> tuple[int, bool]:
    """Past the comma, or the mark that ends the object or list; whether there is more before it."""
    at = _skip(text, at)
    if text[at : at + 1] == end:
        return at + 1, False
    return _mark(text, at, ","), True


def _mark(text: str, at: int, mark: str) -> int:
    if text[at : at + 1] != mark:
        raise json.JSONDecodeError(f"{mark!r} is wanted", text, at)
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    gap = _GAP.match(text, at)
    return gap.end() if gap else at
