"""The rows of the fake remote, and how its answers show them."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from alertstore.domain.times import from_micros, rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Row = dict[str, Any]
"""A row: times are microseconds since the epoch, lists are tuples. Never changed once it is in a table."""

TIMES = frozenset(
    (
        "occurred_at",
        "ingested_at",
        "enriched_at",
        "last_seen_at",
        "acknowledged_at",
        "triaged_at",
        "closed_at",
        "malice_override_at",
        "created_at",
        "updated_at",
    )
)
SUMMARY = (
    "uuid",
    "title",
    "description",
    "severity",
    "status",
    "enrichment_status",
    "source_name",
    "occurred_at",
    "ingested_at",
    "is_enriched",
    "duplicate_count",
    "tags",
    "close_classification",
    "closed_at",
    "created_at",
    "updated_at",
)
_DETAIL = (
    "uuid",
    "title",
    "description",
    "severity",
    "status",
    "enrichment_status",
    "source_name",
    "occurred_at",
    "ingested_at",
    "enriched_at",
    "is_enriched",
    "fingerprint",
    "duplicate_count",
    "last_seen_at",
    "close_classification",
    "acknowledged_at",
    "triaged_at",
    "closed_at",
    "tags",
    "detection_rule_id",
)
_OVERRIDE = ("malice_override", "malice_override_source", "malice_override_at")
COLUMNS = frozenset((*_DETAIL, *_OVERRIDE, "agent_findings", "raw_payload", "created_at", "updated_at"))
WORST = ("Malicious", "Suspicious", "Benign", "Pending")
SEVERITIES = ("Pending", "Informational", "Low", "Medium", "High", "Critical")


class Event(NamedTuple):
    """An entry of an alert's activity log."""

    uuid: str
    event_type: str
    actor_type: str
    actor_key_prefix: str | None
    alert_id: int
    references: Mapping[str, Any]
    created_at: int

    def shown(self) -> dict[str, Any]:
        """As the answer has it."""
        return {
            **self._asdict(),
            "workflow_id": None,
            "detection_rule_id": None,
            "references": dict(self.references),
            "created_at": shown_time(self.created_at),
        }


@lru_cache(maxsize=100_000)
def shown_time(micros: int | None) -> str | None:
    """RFC 3339 with Z, a zero fraction left out; None stays None."""
    return None if micros is None else rfc3339(from_micros(micros))


def new_alert(uuid: str, number: int, start: int) -> Row:
    """The columns of an alert that are the same for every new one."""
    return {
        "uuid": uuid,
        "description": None,
        "status": "Open",
        "enrichment_status": "Pending",
        "ingested_at": start,
        "enriched_at": None,
        "is_enriched": False,
        "duplicate_count": 0,
        "last_seen_at": None,
        "close_classification": None,
        "acknowledged_at": None,
        "triaged_at": None,
        "closed_at": None,
        "detection_rule_id": None,
        "malice_override": None,
        "malice_override_source": None,
        "malice_override_at": None,
        "agent_findings": None,
        "created_at": start,
        "updated_at": start,
        # What is no column of the remote's own answer:
        "number": number,
        "links": (),
        "events": (),
        "rule": None,
        "more": {},
    }


def new_indicator(uuid: str, kind: str, value: str, start: int, now: int) -> Row:
    """An indicator nobody has judged."""
    return {
        "uuid": uuid,
        "type": kind,
        "value": value,
        "malice": "Pending",
        "malice_source": "enrichment",
        "malice_overridden_at": None,
        "first_seen": now,
        "last_seen": now,
        "is_enriched": False,
        "enrichment_results": None,
        "created_at": start,
        "updated_at": start,
    }


def new_rule(uuid: str, number: int, source: str, rule_id: str, start: int) -> Row:
    """The rule that the remote makes up for an alert that names an unknown one."""
    return {
        "uuid": uuid,
        "name": rule_id,
        "source_rule_id": rule_id,
        "source_name": source,
        "severity": None,
        "is_active": True,
        **dict.fromkeys(("mitre_tactics", "mitre_techniques", "mitre_subtechniques", "data_sources"), ()),
        **dict.fromkeys(("run_frequency", "created_by", "documentation")),
        "created_at": start,
        "updated_at": start,
        "number": number,
    }


def columns(row: Row, names: Iterable[str]) -> dict[str, Any]:
    """Some columns as the answer has them."""
    shown = {name: shown_time(row[name]) if name in TIMES else row[name] for name in names}
    if shown["tags"] is not None:
        shown["tags"] = list(row["tags"])
    return shown


def summary(row: Row) -> dict[str, Any]:
    """An alert in a list: fewer columns than the alert has."""
    return {**columns(row, SUMMARY), **row["more"]}


def indicator(row: Row) -> dict[str, Any]:
    """An indicator."""
    moments = ("malice_overridden_at", "first_seen", "last_seen", "created_at", "updated_at")
    return row | {name: shown_time(row[name]) for name in moments}


def worst_malice(row: Row, linked: Iterable[Row]) -> str:
    """What an alert's malice is when it is read: the override, else the worst of its indicators."""
    if row["malice_override"] is not None:
        return str(row["malice_override"])
    found = {one["malice"] for one in linked}
    return next((word for word in WORST if word in found), "Pending")


def _rule(row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    shown = {name: list(value) if isinstance(value, tuple) else value for name, value in row.items() if name != "number"}
    return shown | {"created_at": shown_time(row["created_at"]), "updated_at": shown_time(row["updated_at"])}


def findings(row: Row) -> list[dict[str, Any]]:
    """The findings of an alert, oldest first."""
    return [json.loads(text) for text in row["agent_findings"] or ()]


def detail(row: Row, linked: list[Row], rule: Row | None) -> dict[str, Any]:
    """An alert with all that its own GET shows."""
    shown = columns(row, _DETAIL)
    shown["raw_payload"] = json.loads(row["raw_payload"])
    shown["malice"] = worst_malice(row, linked)
    shown |= {"malice_override": row["malice_override"], "malice_override_source": row["malice_override_source"]}
    shown["malice_override_at"] = shown_time(row["malice_override_at"])
    shown["indicators"] = [indicator(one) for one in linked]
    shown["detection_rule"] = _rule(rule)
    shown["context_documents"] = []
    shown["agent_findings"] = None if row["agent_findings"] is None else findings(row)
    shown["created_at"] = shown_time(row["created_at"])
    shown["updated_at"] = shown_time(row["updated_at"])
    return {**shown, **row["more"]}


def detail_meta(row: Row, now: int) -> dict[str, Any]:
    """The meta beside an alert."""
    enriched = shown_time(row["enriched_at"])
    return {
        "generated_at": shown_time(now),
        "alert_source": row["source_name"],
        "indicator_count": len(row["links"]),
        "enrichment": {"succeeded": [], "failed": [], "enriched_at": enriched and enriched.replace("Z", "+00:00")},
        "detection_rule_matched": row["rule"] is not None,
        "context_documents_applied": 0,
    }


def jsonb(value: Any) -> str:
    """The text of a JSON value as the remote's database gives it back: keys ordered by length, then by bytes."""
    return json.dumps(_ordered(value), ensure_ascii=False, separators=(",", ":"))


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode()), key.encode()))
        return {key: _ordered(value[key]) for key in keys}
    return [_ordered(one) for one in value] if isinstance(value, list) else value
