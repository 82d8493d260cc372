"""TheHive: alerts and cases, as its API takes them and gives them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import as_list, dig_text, dig_texts, lifted, parse_time, severity_word, techniques, text, texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "1": Severity.LOW,  # severity, a number
    "2": Severity.MEDIUM,
    "3": Severity.HIGH,
    "4": Severity.CRITICAL,
}
_ALERT = ("type", "source", "sourceRef", "title")
_TIMES = ("date", "startDate", "_createdAt", "createdAt")
_LISTS = ("observables", "artifacts")  # the second is what version 3 calls them
_TYPED = {"ip": "ip", "domain": "domain", "fqdn": "domain", "url": "url", "mail": "email", "hash": "hash", "file": "hash"}
FIELDS = {
    "title": ["title"],
    "severity": ["severity"],
    "occurred_at": _TIMES,
    "description": ["description"],
    "tags": ["tags[]"],
    "indicators": [f"{where}[].{name}" for where in _LISTS for name in ("dataType", "data", "data[]", "attachment.hashes[]")],
    "rule": ["type", "procedures[].patternId"],
}


class TheHive:
    """Alerts and cases of TheHive."""

    name = "thehive"
    tool = "TheHive (alerts, cases)"
    signature = "type, source, sourceRef and title; or _type case with title and severity"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """An alert by what makes it unique, a case by its type."""
        if all(name in record for name in _ALERT):
            return True
        return text(record.get("_type")) in {"case", "Case"} and "title" in record and "severity" in record

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The alert, or the case as one alert."""
        title = text(record.get("title"))
        if title is None:
            raise ValueError("no title")
        severity, notes = severity_word(record.get("severity"), SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(dig_text(record, _TIMES), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=text(record.get("description")),
            tags=texts(record.get("tags")),
            indicators=list(dict.fromkeys(_indicators(record))),
            rule_id=text(record.get("type")),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The type of alert: TheHive is told of alerts, and keeps of the rule only that."""
        kind = text(record.get("type"))
        if kind is None:
            return None
        whole, parts = techniques(dig_texts(record, ("procedures[].patternId",)))
        return NewRule(name=kind, source_rule_id=kind, source_name=self.name, mitre_techniques=whole, mitre_subtechniques=parts)


def _indicators(record: Record) -> Iterator[tuple[str, str]]:
    for where in _LISTS:
        for entry in as_list(record.get(where)):
            kind = _TYPED.get(text(entry.get("dataType")) or "") if isinstance(entry, dict) else None
            if kind is not None:
                yield from _values(entry, kind)


def _values(entry: dict[str, Any], kind: str) -> list[tuple[str, str]]:
    """An observable's value; of a file the digests of its attachment."""
    return lifted(entry, ((kind, "data"), ("hash", "attachment.hashes[]")))


SOURCE = TheHive()
