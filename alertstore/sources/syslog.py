"""What CEF and LEEF lines share: bar-separated headers, `key=value` attributes, and dates with month names, as in syslog."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alertstore.sources.values import parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

_LONGEST_TIME = 64
_MONTHS = {
    name: number for number, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
_DATE = re.compile(
    r"([A-Za-z]{3}) {1,2}(\d{1,2})(?:,? (\d{4}))? (\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(?: ([A-Za-z]{1,5}|[+-]\d\d:?\d\d)(?= |$))?"
)
_ZONE = re.compile(r"[+-]\d\d:?\d\d")
_UTC = frozenset({"utc", "gmt", "z"})
# Possessive: a name is read once, whether or not `=` follows. A value's own `=` is escaped or has no blank before its name.
_KEY = re.compile(r"(?:^|(?<=\s))([\w.\[\]-]++)=")
_ESCAPE = re.compile(r"\\([\\|=nrt])")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
_PRIORITY = re.compile(r"\s*(?:<\d{1,3}>)?(?:1 )?")


def header(text: str, count: int) -> tuple[list[str], str]:
    r"""The first fields of a bar-separated header (`\|` is a bar within a field), and what follows the last one's bar.

    Raises ValueError where there are fewer.
    """
    plain = text.split("|", count)
    if len(plain) > count and not any("\\" in field for field in plain[:count]):
        return [field.strip() for field in plain[:count]], plain[count]
    fields: list[str] = []
    start = at = 0
    while len(fields) < count:
        bar = text.find("|", at)
        if bar < 0:
            raise ValueError(f"a header of {len(fields)} fields where {count} belong")
        backslashes = bar
        while backslashes > start and text[backslashes - 1] == "\\":
            backslashes -= 1
        if (bar - backslashes) % 2 == 0:
            fields.append(unescaped(text[start:bar]).strip())
            start = bar + 1
        at = bar + 1
    return fields, text[start:]


def attributes(text: str) -> dict[str, str]:
    """`key=value` pairs with blanks between them, and within values, escapes as they are; of a repeated key the first stays."""
    found: dict[str, str] = {}
    keys = _KEY.finditer(text)  # one at a time: a line of 16 MiB may have millions
    key = next(keys, None)
    while key is not None:
        after = next(keys, None)
        value = text[key.end() : after.start() if after else len(text)].strip()
        if value:
            found.setdefault(key[1], value)
        key = after
    return found


def unescaped(value: str, *, lines: bool = False) -> str:
    r"""The text without its escapes: `\\`, `\|` and `\=`; with `lines` also `\n`, `\r` and `\t`.

    Only texts of several lines have those. Elsewhere they are what a sender that escapes nothing writes in `EXAMPLE\nick`.
    """
    if "\\" not in value:
        return value
    return _ESCAPE.sub(lambda hit: (_ESCAPED.get(hit[1], hit[1])) if lines or hit[1] not in _ESCAPED else hit[0], value)


def first_time(found: Mapping[str, str], names: tuple[str, ...], before: str, tz: tzinfo) -> tuple[int | None, str | None]:
    """The time in the first attribute that has one, else of the syslog header `before` the event."""
    for name in names:
        if name in found:
            return read_time(found[name], tz)
    start = _PRIORITY.match(before)
    rest = before[start.end() if start else 0 :]
    stamp = rest.partition(" ")[0]
    if stamp[:4].isdigit() and stamp[4:5] == "-":
        return parse_time(stamp, tz)
    date = _DATE.match(rest)
    # What follows a syslog date is a machine's name, not a zone.
    return (None, "time_missing") if date is None else _read_date(date, None, tz)


def read_time(value: str, tz: tzinfo) -> tuple[int | None, str | None]:
    """A time as `values.parse_time` reads it, or with the month's name; a date without a year is no time (`time_without_year`)."""
    date = _DATE.fullmatch(value) if len(value) <= _LONGEST_TIME else None
    return parse_time(value, tz) if date is None else _read_date(date, date[6], tz)


def _read_date(date: re.Match[str], zone: str | None, tz: tzinfo) -> tuple[int | None, str | None]:
    month, day, year, clock, fraction = date.groups()[:5]
    number = _MONTHS.get(month.lower())
    known = zone is None or zone.lower() in _UTC or _ZONE.fullmatch(zone)
    if number is None or not known:
        return None, "time_unreadable"
    if year is None:
        return None, "time_without_year"
    offset = "" if zone is None else "Z" if zone.lower() in _UTC else zone
    return parse_time(f"{year}-{number:02}-{int(day):02}T{clock}{f'.{fraction}' if fraction else ''}{offset}", tz)
