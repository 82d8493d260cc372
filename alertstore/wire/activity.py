"""The history of an alert as the remote's activity log tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from alertstore.domain.events import EventKind
from alertstore.wire.responses import Time, _Model

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alertstore.domain.alert import Alert
    from alertstore.domain.events import Event


class ActivityResponse(_Model):
    """An entry of `GET /v1/alerts/{uuid}/activity`.

    `actor_key_prefix` is the actor's name: who acts is known here, not only by which key. `alert_id`, `workflow_id` and
    `detection_rule_id`, numbers inside the remote, are null.
    """

    uuid: str
    event_type: EventKind
    actor_type: str
    actor_key_prefix: str | None
    alert_id: int | None
    workflow_id: int | None
    detection_rule_id: int | None
    references: dict[str, Any] | None
    created_at: Time


_NAMES = {"malice_override": "malice"}
"""Registers that the remote calls otherwise in its log."""


def activity(alert: Alert, history: Iterable[Event]) -> list[ActivityResponse]:
    """The log of an alert, newest first."""
    found, repeats = [], 0
    for event in history:
        repeats += event.kind is EventKind.ALERT_DEDUPLICATED
        found.append(
            ActivityResponse(
                uuid=str(uuid5(UUID(event.id[0]), str(event.seq))),
                event_type=event.kind,
                actor_type="api",
                actor_key_prefix=event.actor,
                alert_id=None,
                workflow_id=None,
                detection_rule_id=None,
                references=_references(alert, event, repeats),
                created_at=event.at,
            )
        )
    return found[::-1]


def _references(alert: Alert, event: Event, repeats: int) -> dict[str, Any]:
    """What the event says: the from and to of every register it changed, and what the remote tells of its kind besides.

    Content that an event only commits to is read from the alert, where it still is.
    """
    facts = event.body.get("facts", {})
    if event.kind is EventKind.ALERT_INGESTED:
        severity = event.changes["severity"][1]
        return {"source_name": alert.source_name, "severity": severity, "title": alert.title}
    if event.kind is EventKind.ALERT_DEDUPLICATED:
        names = {"source_name": alert.source_name, "title": alert.title}
        return {"fingerprint": alert.fingerprint, "duplicate_count": repeats, **names}
    if event.kind is EventKind.ALERT_FINDING_ADDED:
        told = next((one for one in alert.agent_findings if one.id == facts.get("finding")), None)
        text = {} if told is None else {"agent_name": told.agent_name, "summary": told.summary[:120], "confidence": told.confidence}
        return {"finding_id": facts.get("finding"), **text}
    if event.kind is EventKind.ALERT_INDICATORS_ADDED:
        return {"indicator_count": facts.get("indicator_count"), "enrich_requested": False}
    if event.kind is EventKind.ALERT_ENRICHMENT_COMPLETED:
        said = ("indicator_count", "malice_counts", "providers_succeeded", "providers_failed")
        return {name: facts.get(name) for name in said} | {"enriched_at": event.at.isoformat()}
    references: dict[str, Any] = {}
    for name, (before, after) in event.changes.items():
        if name == "close_classification":
            references |= {name: after} if before is None else {f"from_{name}": before, name: after}
        else:
            short = _NAMES.get(name, name)
            references |= {f"from_{short}": before, f"to_{short}": after}
    if "malice_override" in event.changes:
        references["malice_source"] = "reset" if event.changes["malice_override"][1] is None else "analyst"
    return references
