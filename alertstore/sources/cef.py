"""CEF: events of whichever product in ArcSight's Common Event Format, one a line, plain or behind a syslog header."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.syslog import attributes, first_time, header, unescaped
from alertstore.sources.values import dig_text, hashes, lifted, severity_word, tactics, techniques

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "unknown": Severity.PENDING,  # the header's severity: a number, or a word
    **dict.fromkeys(("0", "1", "2", "3", "low"), Severity.LOW),
    **dict.fromkeys(("4", "5", "6", "medium"), Severity.MEDIUM),
    **dict.fromkeys(("7", "8", "high"), Severity.HIGH),
    **dict.fromkeys(("9", "10", "very-high"), Severity.CRITICAL),
    "informational": Severity.INFORMATIONAL,  # not of the format, yet written by some
    "info": Severity.INFORMATIONAL,
    "critical": Severity.CRITICAL,
}
_START = re.compile(r"CEF: ?\d{1,2}(?:\.\d)?\|")
_FIELDS = 7  # version, vendor, product, product's version, id of the event's class, name, severity
_TIMES = ("start", "end", "rt", "deviceReceiptTime")  # the activity's own times before the one at which it was received
_TYPED = (
    ("ip", "src"),
    ("ip", "dst"),
    ("ip", "sourceTranslatedAddress"),
    ("ip", "destinationTranslatedAddress"),
    ("ip", "c6a2"),  # addresses of version 6
    ("ip", "c6a3"),
    ("domain", "sourceDnsDomain"),
    ("domain", "destinationDnsDomain"),
    ("url", "request"),
    ("account", "suser"),
    ("account", "duser"),
    ("hash", "fileHash"),
    ("hash", "oldFileHash"),
)
_CUSTOM = tuple(f"cs{number}" for number in range(1, 7))  # what they hold, cs1Label and so on tell
_LINES = ("msg", "reason")
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


class Cef:
    """Events in Common Event Format."""

    name = "cef"
    tool = "CEF (Common Event Format), also within syslog"
    signature = "a line with CEF:, a version and a bar"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A line with a CEF header in it."""
        line = record.get("text")
        return isinstance(line, str) and "CEF:" in line and _START.search(line) is not None

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The event; None for a line of another kind."""
        read = _read(record)
        if read is None:
            return None
        before, fields, more = read
        title = fields[5] or fields[4]
        if not title:
            raise ValueError("a CEF header without a name and an id")
        severity, notes = severity_word(fields[6], SEVERITIES, Severity.PENDING)
        occurred_at, note = first_time(more, _TIMES, before, tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=dig_text(more, _LINES),
            indicators=list(dict.fromkeys([*lifted(more, _TYPED), *hashes(_labelled(more, "hash", "sha256", "sha1", "md5"))])),
            rule_id=_rule_id(fields),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The product's class of event."""
        read = _read(record)
        if read is None:
            return None
        _, fields, more = read
        rule_id = _rule_id(fields)
        if rule_id is None:
            return None
        told = _labelled(more, "mitre", "technique", "tactic")
        whole, parts = techniques(told)
        return NewRule(
            name=fields[5] or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=fields[6] or None,
            mitre_tactics=tactics(one for one in told if one.upper().startswith("TA00")),
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            data_sources=[" ".join(part for part in fields[1:3] if part)],
        )


def _read(record: Record) -> tuple[str, list[str], dict[str, str]] | None:
    """The syslog header, the fields of CEF's header, and the extension; None for a line without."""
    line = record.get("text")
    found = _START.search(line) if isinstance(line, str) else None
    if not isinstance(line, str) or found is None:
        return None
    fields, rest = header(line[found.start() :], _FIELDS)
    more = attributes(rest)
    if "\\" in rest:
        more = {name: unescaped(value, lines=name in _LINES) for name, value in more.items()}
    return line[: found.start()], fields, more


def _rule_id(fields: list[str]) -> str | None:
    """The id of the event's class, which means something only with its vendor and product."""
    return "|".join((*fields[1:3], fields[4])) if fields[4] else None


def _labelled(more: Mapping[str, str], *words: str) -> list[str]:
    """Values of custom texts whose label has one of these words, taken apart at commas."""
    told = [more[name] for name in _CUSTOM if name in more and any(word in more.get(f"{name}Label", "").lower() for word in words)]
    return [part.strip() for one in told for part in one.split(",") if part.strip()]


SOURCE = Cef()
