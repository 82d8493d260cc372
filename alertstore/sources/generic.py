"""Generic: any object with a title that no other tool claims, with the fields that the remote's generic ingest reads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import IndicatorType, Severity
from alertstore.sources.values import as_list, first, hashes, parse_time, severity_word, text, texts

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "pending": Severity.PENDING,  # our own words in any case, and `info`
    "info": Severity.INFORMATIONAL,
    "informational": Severity.INFORMATIONAL,
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
_FIELDS = (
    ("src_ip", "ip"),
    ("dest_ip", "ip"),
    ("source_ip", "ip"),
    ("destination_ip", "ip"),
    ("ip", "ip"),
    ("domain", "domain"),
    ("hostname", "domain"),
    ("url", "url"),
    ("user", "account"),
    ("username", "account"),
    ("email", "email"),
)
_HASH_FIELDS = (("md5", "hash_md5"), ("sha1", "hash_sha1"), ("sha256", "hash_sha256"))
FIELDS = {
    "title": ("title",),
    "severity": ("severity",),
    "occurred_at": ("occurred_at",),
    "description": ("description",),
    "tags": ("tags[]",),
    "indicators": ("indicators[].type", "indicators[].value", *(name for name, _ in (*_FIELDS, *_HASH_FIELDS)), "hash"),
    "rule": ("rule_id", "rule_name"),
}
_TYPES = frozenset(IndicatorType)


class Generic:
    """Alerts from scripts and forms: a title, and what else is known."""

    name = "generic"
    tool = "generic JSON"
    signature = "an object with a non-empty text title that no other tool claims"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """Anything with a title; asked after every other source."""
        title = record.get("title")
        return isinstance(title, str) and bool(title.strip())

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The alert. An unknown severity is Pending, and noted."""
        if not self.claims(record):
            raise ValueError("no title")
        severity, notes = severity_word(record.get("severity"), SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(record.get("occurred_at"), tz)
        tags = record.get("tags")
        return NewAlert(
            title=record["title"],
            severity=severity,
            occurred_at=occurred_at,
            description=text(record.get("description")),
            tags=[text(tag) or "" for tag in tags] if isinstance(tags, list) else (),  # blank ones are dropped, and noted, later
            indicators=_indicators(record),
            rule_id=first(record, ("rule_id", "rule_name")),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The rule, by its id or its name."""
        rule_id = first(record, ("rule_id", "rule_name"))
        if rule_id is None:
            return None
        return NewRule(name=text(record.get("rule_name")) or rule_id, source_rule_id=rule_id, source_name=self.name)


def _indicators(record: Record) -> list[tuple[str, str]]:
    found = [pair for entry in as_list(record.get("indicators")) if (pair := _pair(entry)) is not None]
    found += [(kind, value) for field, kind in _FIELDS for value in texts(record.get(field))]
    found += [(kind, value) for field, kind in _HASH_FIELDS for value in texts(record.get(field))]
    found += hashes(texts(record.get("hash")))
    return found


def _pair(entry: Any) -> tuple[str, str] | None:
    """A `{"type": …, "value": …}` of one of the contract's types."""
    if not isinstance(entry, dict):
        return None
    kind, value = entry.get("type"), text(entry.get("value"))
    return (kind, value) if isinstance(kind, str) and kind in _TYPES and value is not None else None


SOURCE = Generic()
