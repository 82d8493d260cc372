"""What sources share: reading times, texts and lists out of fields that hold anything at all.

Note codes of times: `time_missing`, `time_unreadable`, `time_out_of_range` (there is then no time) and
`time_without_offset` (taken in the reader's zone). Nothing here raises.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from alertstore.domain.times import EARLIEST, LATEST, SECOND, to_micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import tzinfo

    from alertstore.domain.vocabulary import Severity

HASH_TYPES = {32: "hash_md5", 40: "hash_sha1", 64: "hash_sha256"}
"""The indicator type of a hash, by the number of its hex digits."""

_EPOCH_DAY = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
_STAMP = 26  # characters of 2015-03-29T11:01:38.221126
_LONG = 64
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,12}))?\s?(Z|z|UTC|[+-]\d\d:?\d\d|[+-]\d\d)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_NUMBER = re.compile(r"-?\d{1,20}(?:\.\d{0,20})?")
# Epoch numbers tell their unit by their size: seconds reach the year 5138, then milliseconds, microseconds, nanoseconds.
_UNITS = ((10**11, SECOND, 1), (10**14, 1_000, 1), (10**17, 1, 1), (10**20, 1, 1_000))  # below, microseconds = * / ÷
EPOCH_UNITS = tuple(zip((limit for limit, _, _ in _UNITS), ("seconds", "milliseconds", "microseconds", "nanoseconds"), strict=True))
"""The unit of an epoch number, by what it is less than."""
_HEX = re.compile(r"[0-9A-Fa-f]+")
_TECHNIQUE = re.compile(r"T\d{4}(?:\.\d{3})?", re.IGNORECASE)
_TACTIC = re.compile(r"TA\d{4}", re.IGNORECASE)
_NOBODY = frozenset({"-", "n/a", "none", "null", "unknown", "0.0.0.0", "::"})  # noqa: S104 - what tools write for "no address"


def parse_time(value: Any, tz: tzinfo) -> tuple[int | None, str | None]:
    """A time as microseconds since the epoch, and the code of what is to be noted about it (module docstring).

    Takes ISO 8601 in the forms that tools write, with any number of decimals (cut to microseconds), and epoch numbers,
    also as text. `tz` is the zone of a time without an offset.
    """
    if type(value) is str:
        if len(value) == _STAMP + len("+0000") and value[_STAMP:] == "+0000":
            micros = _utc_micros(value[:_STAMP])
            if micros is not None:
                return micros, None
        return _read_text(value.strip(), tz)
    if value is None:
        return None, "time_missing"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _read_number(value)
    return None, "time_unreadable"


def _utc_micros(text: str) -> int | None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return None
    if when.tzinfo is not None:
        return None
    days = when.toordinal() - _EPOCH_DAY
    micros = (days * 86_400 + when.hour * 3600 + when.minute * 60 + when.second) * SECOND + when.microsecond
    return micros if EARLIEST <= micros < LATEST else None


def _read_text(text: str, tz: tzinfo) -> tuple[int | None, str | None]:
    if not text or text in {"-", "none", "None", "null"}:
        return None, "time_missing"
    if len(text) > _LONG:
        return None, "time_unreadable"
    if _NUMBER.fullmatch(text):
        return _read_decimal(text)
    parts = _TIME.fullmatch(f"{text}T00:00:00" if _DAY.fullmatch(text) else text)
    return (None, "time_unreadable") if parts is None else _read_parts(parts, tz)


def _read_parts(parts: re.Match[str], tz: tzinfo) -> tuple[int | None, str | None]:
    day, clock, fraction, offset = parts.groups()
    zone = "+00:00" if offset in {"Z", "z", "UTC"} else offset or ""
    seconds = f".{(fraction or '')[:6]:0<6}" if clock.count(":") > 1 else ""
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{seconds}{zone}")
        micros = to_micros(moment if offset else moment.replace(tzinfo=tz))
    except OverflowError:
        return None, "time_out_of_range"
    except ValueError:
        return None, "time_unreadable"
    return _in_range(micros, None if offset else "time_without_offset")


def _in_range(micros: int, note: str | None = None) -> tuple[int | None, str | None]:
    return (micros, note) if EARLIEST <= micros < LATEST else (None, "time_out_of_range")


def _read_decimal(text: str) -> tuple[int | None, str | None]:
    """Epoch text, exact to the microsecond where a float would not be."""
    whole, _, fraction = text.partition(".")
    if abs(int(whole)) >= _UNITS[0][0]:
        return _read_number(int(whole))
    part = int(f"{fraction[:6]:0<6}")
    return _in_range(int(whole) * SECOND + (-part if whole.startswith("-") else part))


def _read_number(value: float) -> tuple[int | None, str | None]:
    if isinstance(value, float) and not math.isfinite(value):
        return None, "time_unreadable"
    for limit, times, parts in _UNITS:
        if -limit < value < limit:
            return _in_range(value * times // parts if isinstance(value, int) else round(value * times / parts))
    return None, "time_out_of_range"


def text(value: Any) -> str | None:
    """A scalar as text, of a list its first; None for nothing, blank text, objects, and numbers that are not finite.

    Numbers become decimal text (64-bit ids lose nothing).
    """
    if type(value) is str:
        return value if value and not value.isspace() else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _decimal(value)
    if isinstance(value, (list, tuple)):
        return next((found for found in map(text, value) if found is not None), None)
    return None


def _decimal(value: float) -> str | None:
    try:
        return str(value) if isinstance(value, int) or math.isfinite(value) else None
    except ValueError:  # more digits than Python converts
        return None


def texts(value: Any) -> list[str]:
    """Every text in a scalar or a list."""
    if isinstance(value, (list, tuple)):
        return [found for item in value if (found := text(item)) is not None]
    found = text(value)
    return [] if found is None else [found]


def as_list(value: Any) -> list[Any]:
    """A list as it is, nothing as an empty list, anything else as a list of one."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]


def as_dict(value: Any) -> dict[str, Any]:
    """An object as it is; anything else as an empty one."""
    return value if isinstance(value, dict) else {}


def dig(record: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path, whether its objects are nested, flat (`"a.b.c": …`) or both; None where it is not."""
    if path in record:
        return record[path]
    head, dot, rest = path.partition(".")
    while dot:
        inner = record.get(head)
        if isinstance(inner, dict) and (found := dig(inner, rest)) is not None:
            return found
        if isinstance(inner, list):
            found = [one for item in inner if isinstance(item, dict) and (one := dig(item, rest)) is not None]
            if found:
                return found
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


def first(record: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """The first text among some fields."""
    for name in names:
        found = text(record.get(name))
        if found is not None:
            return found
    return None


def dig_texts(record: Mapping[str, Any], paths: Iterable[str]) -> list[str]:
    """Every text at some dotted paths, in their order; `[]` after a name stands for each item of a list."""
    return [one for path in paths if (value := _at(record, path)) is not None for one in _leaves(value)]


def dig_text(record: Mapping[str, Any], paths: Iterable[str]) -> str | None:
    """The first text at some dotted paths, the most preferred first (as `dig_texts` takes them)."""
    for path in paths:
        value = _at(record, path)
        if value is not None and (found := text(value)) is not None:
            return found
    return None


def _at(record: Mapping[str, Any], path: str) -> Any:
    """The value at a path, which also may be a key as it is (an export as a table has such columns)."""
    plain, steps = _steps(path)
    value = record.get(plain)
    if value is not None or len(steps) == 1 or steps[0] not in record:
        return value
    return _walk(record[steps[0]], steps, 1)


@lru_cache(maxsize=4096)  # of every source's paths
def _steps(path: str) -> tuple[str, tuple[str, ...]]:
    plain = path.replace("[]", "")
    return plain, tuple(plain.split("."))


def _walk(value: Any, steps: tuple[str, ...], at: int) -> Any:
    while at < len(steps):
        if type(value) is dict:
            value = value.get(steps[at])
            at += 1
        elif type(value) is list:
            return [found for item in value if (found := _walk(item, steps, at)) is not None]
        else:
            return None
    return value


def _leaves(value: Any) -> Iterable[str]:
    """Texts in lists, and in lists of lists, which is what a list of objects with lists comes to."""
    if type(value) is str:
        return () if not value or value.isspace() else (value,)
    if type(value) is list:
        return [one for item in value for one in _leaves(item)]
    found = text(value)
    return () if found is None else (found,)


def json_text(value: Any) -> Any:
    """What JSON text in a field says; None where it says nothing readable. Other values as they are."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def lifted(record: Mapping[str, Any], fields: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Indicators out of typed fields: (indicator type, dotted path) pairs, in that order, each found pair once.

    The type `hash` is whichever its length tells. What tools write for "nothing" (`-`, `N/A`, `0.0.0.0`, a digest of
    zeros, …) is left out.
    """
    found: dict[tuple[str, str], None] = {}
    for kind, path in fields:
        value = _at(record, path)
        if value is None:
            continue
        for one in _leaves(value):
            if kind == "hash":
                found.update((pair, None) for pair in hashes((one.strip(),)) if pair[1].strip("0"))
            elif one.strip().lower() not in _NOBODY:
                found[kind, one] = None
    return list(found)


def hashes(values: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Hash indicators, typed by their length; what is no hash of a known kind is left out."""
    for value in values:
        kind = HASH_TYPES.get(len(value))
        if kind is not None and _HEX.fullmatch(value):
            yield kind, value


def severity_word(value: Any, scale: Mapping[Any, Severity], unknown: Severity) -> tuple[Severity, tuple[str, ...]]:
    """A severity word by a tool's scale (its words in small letters), and `severity_unknown` for one outside it."""
    word = text(value)
    if word is None:
        return unknown, ()
    found = scale.get(word.strip().lower())
    return (unknown, ("severity_unknown",)) if found is None else (found, ())


def severity_number(value: Any, scale: Mapping[Any, Severity], unknown: Severity) -> tuple[Severity, tuple[str, ...]]:
    """A severity number, also as text, by the numbers at which a tool's bands begin, worst first.

    `severity_unknown` for what is below them all, or no number; nothing to note where there is none.
    """
    word = text(value)
    if word is None:
        return unknown, ()
    try:
        number = float(word)
    except ValueError:
        return unknown, ("severity_unknown",)
    found = next((severity for least, severity in scale.items() if number >= least), None)
    return (unknown, ("severity_unknown",)) if found is None else (found, ())


def techniques(values: Iterable[str]) -> tuple[list[str], list[str]]:
    """ATT&CK techniques and sub-techniques (T1110, T1110.001) among texts, in order, each once."""
    found = dict.fromkeys(value.upper() for value in values if _TECHNIQUE.fullmatch(value))
    return [one for one in found if "." not in one], [one for one in found if "." in one]


def tactics(values: Iterable[str]) -> list[str]:
    """ATT&CK tactics by their names, in order, each once; an id or a run-together name is written out."""
    return list(dict.fromkeys(_tactic(value) for value in values))


def _tactic(value: str) -> str:
    if _TACTIC.fullmatch(value):
        return _TACTIC_IDS.get(value.upper(), value)
    return _TACTIC_NAMES.get(re.sub(r"[\s_-]", "", value).lower(), value)


_TACTIC_IDS = {
    "TA0043": "Reconnaissance",
    "TA0042": "Resource Development",
    "TA0001": "Initial Access",
    "TA0002": "Execution",
    "TA0003": "Persistence",
    "TA0004": "Privilege Escalation",
    "TA0005": "Defense Evasion",
    "TA0006": "Credential Access",
    "TA0007": "Discovery",
    "TA0008": "Lateral Movement",
    "TA0009": "Collection",
    "TA0011": "Command and Control",
    "TA0010": "Exfiltration",
    "TA0040": "Impact",
}
TACTICS = frozenset(_TACTIC_IDS.values())
"""ATT&CK's own tactics, to tell them from those of a tool."""
_TACTIC_NAMES = {name.replace(" ", "").lower(): name for name in _TACTIC_IDS.values()}
