"""Chainsaw: what `hunt` found in event logs and other forensic artefacts, as JSON (an array) and JSON lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.eventlog import add_indicators, declared, rule_notes, sigma_tags, told
from alertstore.sources.values import as_dict, as_list, parse_time, severity_word, text, texts

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "critical": Severity.CRITICAL,  # level, of Sigma rules and of Chainsaw's own
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "informational": Severity.INFORMATIONAL,
    "info": Severity.INFORMATIONAL,
}
MOST_DOCUMENTS = 1000
"""Documents of an aggregate whose indicators are taken."""

_EVENTS = ("document.data.Event", "documents[].data.Event")
_SYSTEM = ("Computer", "Channel", "EventID")
FIELDS = {
    "title": ["name"],
    "severity": ["level"],
    "occurred_at": ["timestamp"],
    "description": [
        *(f"{event}.System.{name}" for event in _EVENTS for name in _SYSTEM),
        *(f"{event}.{part}" for event in _EVENTS for part in ("EventData", "UserData")),
    ],
    "tags": ["group", "tags[]"],
    "indicators": [path for event in _EVENTS for part in ("EventData", "UserData") for path in declared(f"{event}.{part}")],
    "rule": ["id", "name", "level", "tags[]", "falsepositives[]", "references[]", "logsource"],
}


class Chainsaw:
    """Detections of the forensic tool Chainsaw."""

    name = "chainsaw"
    tool = "Chainsaw (hunt --json, --jsonl)"
    signature = "group, name, level and timestamp with kind and its document (individual) or documents (aggregate)"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A detection of a Sigma rule or of one of Chainsaw's own."""
        return (
            isinstance(record.get("name"), str)
            and "group" in record
            and "level" in record
            and "timestamp" in record
            and (isinstance(record.get("document"), dict) or isinstance(record.get("documents"), list))
        )

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The detection; an aggregate (so many events that a rule counts) is one alert."""
        title = text(record.get("name"))
        if title is None:
            raise ValueError("no name")
        severity, notes = severity_word(record.get("level"), SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(record.get("timestamp"), tz)
        events = _events(record)
        found: dict[tuple[str, str], None] = {}
        for event in events[:MOST_DOCUMENTS]:
            add_indicators(found, event.get("EventData"))
            add_indicators(found, event.get("UserData"))
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=_description(events),
            tags=[*texts(record.get("group")), *sigma_tags(texts(record.get("tags"))).others],
            indicators=list(found),
            rule_id=text(record.get("id")) or title,
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The Sigma rule by its UUID; Chainsaw's own have none, there the name stands for it."""
        name = text(record.get("name"))
        if name is None:
            return None
        tags = sigma_tags(texts(record.get("tags")))
        return NewRule(
            name=name,
            source_rule_id=text(record.get("id")) or name,
            source_name=self.name,
            severity=text(record.get("level")),
            mitre_tactics=tags.tactics,
            mitre_techniques=tags.techniques,
            mitre_subtechniques=tags.subtechniques,
            data_sources=[one for value in as_dict(record.get("logsource")).values() for one in texts(value)],
            documentation=rule_notes(None, record.get("falsepositives"), record.get("references")),
        )


def _events(record: Record) -> list[dict[str, Any]]:
    """The Windows events among the documents; of other artefacts (MFT, registry) there is nothing typed to take."""
    documents = [record.get("document"), *as_list(record.get("documents"))]
    events = [as_dict(as_dict(one).get("data")).get("Event") for one in documents]
    return [event for event in events if isinstance(event, dict)]


def _description(events: list[dict[str, Any]]) -> str | None:
    """What the first event holds, and how many more there are."""
    if not events:
        return None
    system = as_dict(events[0].get("System"))
    first = told({name: system.get(name) for name in _SYSTEM}, events[0].get("EventData"), *as_dict(events[0].get("UserData")).values())
    more = len(events) - 1
    return f"{first or ''}\nand {more} more event{'s' if more > 1 else ''}".strip() if more else first


SOURCE = Chainsaw()
