"""LEEF: events of whichever product in QRadar's Log Event Extended Format 1.0 and 2.0, one a line, plain or within syslog."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.syslog import attributes, first_time, header
from alertstore.sources.values import dig_text, lifted, parse_time, severity_word

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    **dict.fromkeys(("0", "1", "2", "3", "low"), Severity.LOW),  # sev, 1 to 10; some write words
    **dict.fromkeys(("4", "5", "6", "medium"), Severity.MEDIUM),
    **dict.fromkeys(("7", "8", "high"), Severity.HIGH),
    **dict.fromkeys(("9", "10", "critical"), Severity.CRITICAL),
    "informational": Severity.INFORMATIONAL,
    "info": Severity.INFORMATIONAL,
}
_START = re.compile(r"LEEF: ?([12])(?:\.\d)?\|")
_FIELDS = 5  # version, vendor, product, product's version, id of the event
_DELIMITER = re.compile(r"(?:0?[xX]([0-9A-Fa-f]{1,4})|(.?))\|")  # a sixth field of version 2.0: a character, or its number
_TOLD = ("msg", "reason", "description", "desc", "cat")
_TYPED = (
    ("ip", "src"),
    ("ip", "dst"),
    ("ip", "srcPreNAT"),
    ("ip", "dstPreNAT"),
    ("ip", "srcPostNAT"),
    ("ip", "dstPostNAT"),
    ("ip", "identSrc"),
    ("url", "url"),
    ("account", "usrName"),
    ("account", "accountName"),
    ("hash", "fileHash"),  # from here on not of the format, yet written by many
    ("hash", "sha256"),
    ("hash", "sha1"),
    ("hash", "md5"),
)
_LONGEST_FORMAT = 64
_TOKEN = re.compile(r"'([^']*)'|y+|M+|d+|H+|m+|s+|S+|[zZX]+|.")
_PARTS = {
    "y": r"(?P<year>\d{4})",
    "M": r"(?P<month>\d{1,2})",
    "MMM": r"(?P<name>[A-Za-z]{3})",
    "d": r"(?P<day>\d{1,2})",
    "H": r"(?P<hour>\d\d)",
    "m": r"(?P<minute>\d\d)",
    "s": r"(?P<second>\d\d)",
    "S": r"(?P<part>\d{1,9})",
    "z": r"(?P<zone>UTC|GMT|Z|[+-]\d\d:?\d\d)",
}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_TEXT = ["text"]
FIELDS = {
    "title": _TEXT,
    "severity": _TEXT,
    "occurred_at": _TEXT,
    "description": _TEXT,
    "tags": [],
    "indicators": _TEXT,
    "rule": _TEXT,
}


class Leef:
    """Events in Log Event Extended Format."""

    name = "leef"
    tool = "LEEF (Log Event Extended Format), also within syslog"
    signature = "a line with LEEF:, version 1 or 2 and a bar"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A line with a LEEF header in it."""
        line = record.get("text")
        return isinstance(line, str) and "LEEF:" in line and _START.search(line) is not None

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The event; None for a line of another kind."""
        read = _read(record)
        if read is None:
            return None
        before, fields, more = read
        title = _title(fields)
        if title is None:
            raise ValueError("a LEEF header without an event's id")
        severity, notes = severity_word(more.get("sev"), SEVERITIES, Severity.PENDING)
        occurred_at, note = _time(more, before, tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=dig_text(more, _TOLD),
            indicators=lifted(more, _TYPED),
            rule_id=_rule_id(fields),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The product's kind of event."""
        read = _read(record)
        if read is None:
            return None
        _, fields, more = read
        rule_id = _rule_id(fields)
        if rule_id is None:
            return None
        return NewRule(
            name=_title(fields) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=more.get("sev"),
            data_sources=[" ".join(part for part in fields[1:3] if part)],
        )


def _read(record: Record) -> tuple[str, list[str], dict[str, str]] | None:
    """The syslog header, the fields of LEEF's header, and the attributes; None for a line without."""
    line = record.get("text")
    found = _START.search(line) if isinstance(line, str) else None
    if not isinstance(line, str) or found is None:
        return None
    at = found.start()
    fields, rest = header(line[at:], _FIELDS)
    between = "\t"
    if found[1] == "2" and (told := _DELIMITER.match(rest)) is not None:
        between = chr(int(told[1], 16)) if told[1] else told[2] or "\t"
        rest = rest[told.end() :]
    if between not in rest:  # one attribute, or a sender that parts them by blanks
        return line[:at], fields, attributes(rest)
    more: dict[str, str] = {}
    for pair in rest.split(between):
        name, _, value = pair.partition("=")
        if value.strip():
            more.setdefault(name.strip(), value.strip())
    return line[:at], fields, more


def _title(fields: list[str]) -> str | None:
    """The event's id; a bare number with the product's name before it."""
    vendor, product, event = fields[1], fields[2], fields[4]
    return " ".join(part for part in (vendor, product, event) if part) if event.isdigit() else event or None


def _rule_id(fields: list[str]) -> str | None:
    """The event's id, which means something only with its vendor and product."""
    return "|".join((*fields[1:3], fields[4])) if fields[4] else None


def _time(more: dict[str, str], before: str, tz: tzinfo) -> tuple[int | None, str | None]:
    """`devTime`, by `devTimeFormat` where it is told and the value is so."""
    value, form = more.get("devTime"), more.get("devTimeFormat")
    pattern = _pattern(form) if value and form and len(form) <= _LONGEST_FORMAT else None
    found = pattern.fullmatch(value) if pattern is not None and value is not None else None
    return first_time(more, ("devTime",), before, tz) if found is None else _stamp(found.groupdict(), tz)


@lru_cache(maxsize=64)
def _pattern(form: str) -> re.Pattern[str] | None:
    """A date format as Java spells it (`dd/MM/yyyy HH:mm:ss.SSS z`) as a pattern; None for one with something not read here."""
    parts = []
    for token in _TOKEN.finditer(form):
        word = token[0]
        kind = "MMM" if word.startswith("MMM") else "z" if word[0] in "zZX" else word[0]
        if token[1] is not None or not word[0].isalpha():
            parts.append(re.escape(token[1] if token[1] is not None else word))
        elif kind in _PARTS and _PARTS[kind] not in parts:
            parts.append(_PARTS[kind])
        else:
            return None
    return re.compile("".join(parts))


def _stamp(parts: dict[str, str], tz: tzinfo) -> tuple[int | None, str | None]:
    name = parts.get("name")
    if name is not None and name.lower() not in _MONTHS:
        return None, "time_unreadable"
    month = _MONTHS.index(name.lower()) + 1 if name is not None else int(parts.get("month", "0"))
    if "year" not in parts:
        return None, "time_without_year"
    clock = ":".join(parts.get(unit, "00") for unit in ("hour", "minute", "second"))
    zone = parts.get("zone", "").replace("UTC", "Z").replace("GMT", "Z")
    part = f".{parts['part']}" if "part" in parts else ""
    return parse_time(f"{parts['year']}-{month:02}-{int(parts.get('day', '0')):02}T{clock}{part}{zone}", tz)


SOURCE = Leef()
