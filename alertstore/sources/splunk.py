"""Splunk: notable events of Enterprise Security, and what a scheduled search sends to a webhook (`result` inside)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import (
    HASH_TYPES,
    as_dict,
    as_list,
    dig,
    first,
    hashes,
    json_text,
    parse_time,
    severity_word,
    tactics,
    techniques,
    text,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "unknown": Severity.PENDING,  # urgency (severity and the asset's priority together), else severity
    "info": Severity.INFORMATIONAL,
    "informational": Severity.INFORMATIONAL,
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
_ADDRESSES = ("src_ip", "dest_ip", "src", "dest")
_FIELDS = (
    ("domain", ("domain", "dest_domain", "src_domain", "query")),
    ("url", ("url",)),
    ("email", ("src_user_email", "sender", "recipient", "email")),
    ("account", ("user", "src_user", "dest_user")),
)
_HASH_FIELDS = ("file_hash", "process_hash", "hash", "sha256", "sha1", "md5")


def _ways(*names: str) -> tuple[str, ...]:
    """A field of the event, and of the event as `result`."""
    return (*names, *(f"result.{name}" for name in names))


FIELDS = {
    "title": _ways("rule_title", "search_name", "rule_name", "source"),
    "severity": _ways("urgency", "severity"),
    "occurred_at": _ways("_time"),
    "description": _ways("rule_description", "savedsearch_description", "description"),
    "tags": _ways("tag[]"),
    "indicators": _ways(*_ADDRESSES, *(name for _, names in _FIELDS for name in names), *_HASH_FIELDS),
    "rule": _ways(
        *("search_name", "source", "rule_name", "rule_title", "severity", "urgency", "rule_description", "savedsearch_description"),
        *("annotations.mitre_attack[]", "annotations.mitre_attack.mitre_tactic[]", "mitre_attack_technique[]", "mitre_attack_tactic[]"),
    ),
}
_NOBODY = frozenset({"unknown", "-", "n/a", "none"})


class Splunk:
    """Notable events and search alerts of Splunk."""

    name = "splunk"
    tool = "Splunk (ES notable events, alert webhooks)"
    signature = "index notable, or an event_id with @@notable@@; or sid, search_name and a result object"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A notable event, also as `result` of an export, or a webhook's body."""
        if isinstance(record.get("result"), dict):
            return ("search_name" in record and "sid" in record) or _is_notable(as_dict(record["result"]))
        return _is_notable(record)

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The alert: an event by its rule's title, a webhook by its search's name."""
        event = _event(record)
        title = first(event, ("rule_title", "search_name", "rule_name")) if _is_notable(event) else None
        title = title or text(record.get("search_name")) or first(event, ("rule_title", "rule_name", "source"))
        if title is None:
            raise ValueError("no rule_title, search_name or rule_name")
        severity, notes = severity_word(event.get("urgency") or event.get("severity"), SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(_scalar(event.get("_time")), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=first(event, ("rule_description", "savedsearch_description", "description")),
            tags=_tags(event),
            indicators=_indicators(event),
            rule_id=_rule_id(record, event),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The correlation search; Splunk knows it by its name."""
        event = _event(record)
        rule_id = _rule_id(record, event)
        if rule_id is None:
            return None
        noted = as_dict(json_text(event.get("annotations")))
        ids = texts(dig(noted, "mitre_attack")) + texts(dig(event, "annotations.mitre_attack")) + texts(event.get("mitre_attack_technique"))
        named = texts(event.get("mitre_attack_tactic")) + texts(dig(event, "annotations.mitre_attack.mitre_tactic"))
        whole, parts = techniques(ids)
        return NewRule(
            name=first(event, ("rule_name", "rule_title")) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=text(event.get("severity")) or text(event.get("urgency")),
            mitre_tactics=tactics(named),
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            documentation=first(event, ("rule_description", "savedsearch_description")),
        )


def _is_notable(record: Mapping[str, Any]) -> bool:
    event_id = record.get("event_id")
    return record.get("index") == "notable" or (isinstance(event_id, str) and "@@notable@@" in event_id)


def _event(record: Record) -> Mapping[str, Any]:
    inner = record.get("result")
    return inner if isinstance(inner, dict) else record


def _rule_id(record: Record, event: Mapping[str, Any]) -> str | None:
    """The search's name: a notable's own `rule_id` field is the id of the event."""
    return text(event.get("search_name")) or text(record.get("search_name")) or text(event.get("source"))


def _scalar(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _tags(event: Mapping[str, Any]) -> list[str]:
    """The tags; a webhook joins them by commas."""
    return [tag for one in as_list(event.get("tag")) for part in texts(one) for tag in (piece.strip() for piece in part.split(",")) if tag]


def _indicators(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for field in _ADDRESSES:
        # src and dest hold a name as often as an address; names are machines, not indicators.
        found += [("ip", value) for value in texts(event.get(field)) if field.endswith("_ip") or _is_address(value)]
    for kind, fields in _FIELDS:
        found += [(kind, value) for field in fields for value in texts(event.get(field)) if value.lower() not in _NOBODY]
    for field in _HASH_FIELDS:
        found += hashes(texts(event.get(field)))
    return found


def _is_address(value: str) -> bool:
    return bool(value) and len(value) not in HASH_TYPES and (":" in value or value.replace(".", "").isdigit())


SOURCE = Splunk()
