"""Places inside a record: listing them, taking one out, and telling whether a declared path means it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alertstore.sources.base import Record

Path = tuple[str | int, ...]
"""Keys and list positions, from the record inwards."""


def nodes(value: Any, at: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value inside a record with its path, containers before what they hold; not the record itself."""
    inner: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, one in inner:
        yield (*at, key), one
        yield from nodes(one, (*at, key))


def leaves(record: Record) -> list[tuple[Path, Any]]:
    """The values that hold no other: scalars, and empty lists and objects."""
    return [(path, value) for path, value in nodes(record) if not (value and isinstance(value, dict | list))]


def value_at(record: Any, path: Path) -> Any:
    """What stands at the path."""
    for key in path:
        record = record[key]
    return record


def without(record: Any, path: Path) -> Any:
    """A copy that lacks what stands at the path; only what lies on the way is copied."""
    return _changed(record, path, None)


def replaced(record: Any, path: Path, value: Any) -> Any:
    """A copy that has another value at the path."""
    return _changed(record, path, (value,))


def _changed(within: Any, path: Path, new: tuple[Any] | None) -> Any:
    key, rest = path[0], path[1:]
    copy = within.copy()
    if rest:
        copy[key] = _changed(within[key], rest, new)
    elif new is None:
        del copy[key]
    else:
        copy[key] = new[0]
    return copy


def dotted(path: Path) -> str:
    """The path as sources declare theirs: names joined by dots, `[]` for any item of a list."""
    text = ""
    for key in path:
        text += "[]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def exact(path: Path) -> str:
    """The path as people read it, with the positions in lists, counted from 0."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def covers(declared: str, path: Path) -> bool:
    """Whether a declared path means the place: the same one, one around it, or one within (JSON in a text).

    `*` is any name, also one with dots. Lists are not told from what they hold: many tools write either.
    """
    place = dotted(path).replace("[]", "")
    outer, inner = _patterns(declared)
    return bool(outer.match(place)) or inner(place)


@lru_cache(maxsize=4096)
def _patterns(declared: str) -> tuple[re.Pattern[str], Any]:
    plain = declared.replace("[]", "")
    outer = re.compile(".+?".join(map(re.escape, plain.split("*"))) + r"(?:\.|\Z)")
    return outer, lambda place: plain.startswith(f"{place}.")
