"""Carried state: events that state again what stands in the rows, so that the history before them can go.

When the beginning of a history is pruned, or rows are salvaged from a damaged store, one event for each row says what the row
holds (registers as facts, content as commitments). Verification starts from these events. The event that opens them,
`history_pruned` or `store_salvaged`, holds the settings and the signing keys; rows whose seq is lower than its number are
covered by the carried events, whatever their seq once meant.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from alertstore.domain.content import alert_content, document_content, indicators_content, refused_content
from alertstore.domain.enrichment import RESULTS
from alertstore.domain.events import EventDraft, EventKind, canonical

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OPENERS = (EventKind.HISTORY_PRUNED, EventKind.STORE_SALVAGED)
"""What opens a carried state."""

REDACTED = "[redacted]"
"""What stands where text was erased."""

PARSED = ("tags", "heads")
"""The columns of an alert that are JSON; in an event they are lists (heads by register, since keys of a body are ASCII)."""


def redacted_indicator(number: int) -> str:
    """What stands where the value of an indicator was erased: one name for each, since they must differ.

    The blank in front keeps it apart from whatever an alert may bring: `domain.indicators.normalise` leaves none there.
    """
    return f" [redacted {number}]"


def carried_content(
    alert: Mapping[str, Any] | None, links: Sequence[Sequence[Any]], records: Sequence[Sequence[Any]], findings: Sequence[Sequence[Any]]
) -> dict[str, bytes]:
    """What the event alert_carried commits to.

    `alert`: title, description and fingerprint, or None where the alert is deleted or its content redacted; then there is
    neither text nor indicators. links: [indicator id, `type:value`, link seq, indicator seq, indicator created_at] by id.
    records: [seq, import, record, source, occurred_at, sha256 hex] by seq. findings: [seq, uuid, posted_at, agent, summary,
    confidence, recommended action, evidence] by seq.
    """
    content = {"records": canonical(list(records))}
    if findings:
        content["findings"] = canonical(list(findings))
    if alert is not None:
        content["text"] = alert_content(alert["title"], alert["description"], "", (), "")["text"]
        content["indicators"] = canonical([alert["fingerprint"], list(links)])
    return content


def carried_alert(
    number: str, columns: Mapping[str, Any] | None, content: Mapping[str, bytes], facts: Mapping[str, Any], by: tuple[int, str]
) -> EventDraft:
    """The event that carries an alert: `columns` are its registers as its row has them, None where it is deleted."""
    said: dict[str, Any] = {name: value for name, value in facts.items() if value}
    if columns is None:
        said["deleted"] = True
    else:
        parsed = {name: json.loads(columns[name]) for name in PARSED}
        said["columns"] = {**columns, "tags": parsed["tags"], "heads": sorted(parsed["heads"].items())}
    return EventDraft(EventKind.ALERT_CARRIED, number, by[0], by[1], facts=said, content=content)


def carried_record(row: Mapping[str, Any], kept: str | None, by: tuple[int, str]) -> EventDraft:
    """The event that carries a rejected or suppressed record; `kept` is the SHA-256 (hex) of its bytes, None where they were redacted."""
    content = refused_content(row["sha256"].hex(), kept or "", row["reason"])
    names = ("record", "position", "size", "suppression")
    facts = {"event": row["seq"], "import": row["import_id"]} | {name: row[name] for name in names if row[name] is not None}
    if kept is None:
        facts["redacted"], content = True, {"record": content["record"]}
    subject = row["suppression"] if row["import_id"] is None else str(row["import_id"])
    return EventDraft(EventKind.RECORD_CARRIED, subject, by[0], by[1], facts=facts, content=content)


def carried_indicator(uuid: str, row: Mapping[str, Any], by: tuple[int, str]) -> EventDraft:
    """The event that carries the verdict on an indicator, and its results."""
    facts = {name: row[name] for name in ("malice", "malice_source", "malice_overridden_at", "created_at", "updated_at")}
    draft = EventDraft(EventKind.INDICATOR_CARRIED, uuid, by[0], by[1], facts=facts)
    if row["value"] != redacted_indicator(row["id"]):
        draft.content = indicators_content([f"{row['type']}:{row['value']}"])
        if row["enrichment_results"] is not None:
            draft.content |= {RESULTS: row["enrichment_results"].encode()}
    return draft


def carried_document(row: Mapping[str, Any], by: tuple[int, str]) -> EventDraft:
    """The event that carries a context document."""
    rules = row["targeting_rules"]
    facts = {name: row[name] for name in ("id", "document_type", "version", "created_at", "updated_at")} | {
        "is_global": bool(row["is_global"]),
        "tags": json.loads(row["tags"]),
        "targeting_rules": None if rules is None else json.loads(rules),
    }
    return EventDraft(EventKind.CONTEXT_DOCUMENT_CARRIED, row["uuid"], by[0], by[1], facts=facts, content=document_content(row))


def carried_sync(number: int, name: str, state: str, by: tuple[int, str]) -> EventDraft:
    """The event that carries what sync knows of an alert (its uuid), or, under number 0, of a remote (its name); `state` is JSON."""
    kind = EventKind.ALERT_SYNCED if number else EventKind.REMOTE_SYNCED
    return EventDraft(kind, name, by[0], by[1], facts={"state": json.loads(state)})


def carried_row(kind: EventKind, subject: str, row: Mapping[str, Any], by: tuple[int, str]) -> EventDraft:
    """The event that carries a row all of whose columns are registers: a detection rule, an import, a suppression, an intel list."""
    return EventDraft(kind, subject, by[0], by[1], facts=dict(row))
