"""Decisions on what stands around alerts: detection rules, context documents, verdicts on indicators.

As for alerts, an edit that changes nothing has no event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import asdict, evolve

from alertstore.domain.alert import ContextDocument
from alertstore.domain.changes import ANALYST, effective_time
from alertstore.domain.content import document_content, indicators_content
from alertstore.domain.events import EventDraft, EventKind
from alertstore.domain.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alertstore.domain.alert import DetectionRule, Indicator
    from alertstore.domain.changes import Act
    from alertstore.domain.vocabulary import Malice


def decide_malice(before: Indicator, malice: Malice, act: Act) -> EventDraft | None:
    """An analyst's verdict on an indicator; the same one again changes nothing."""
    if before.malice is malice and before.malice_source == ANALYST:
        return None
    draft = _edit(EventKind.INDICATOR_MALICE_UPDATED, before, act)
    draft.changes = {"malice": [before.malice, malice]}
    draft.sets = {"malice_source": ANALYST, "malice_overridden_at": draft.at}
    draft.content = indicators_content([f"{before.type}:{before.value}"])
    return draft


def decide_rule_edit(before: DetectionRule, wanted: Mapping[str, Any], act: Act) -> EventDraft | None:
    """An edit of a detection rule, by the fields to change."""
    changes = {name: [_plain(getattr(before, name)), _plain(value)] for name, value in wanted.items() if getattr(before, name) != value}
    if not changes:
        return None
    draft = _edit(EventKind.DETECTION_RULE_UPDATED, before, act)
    draft.changes = changes
    return draft


def decide_document(uuid: str, given: Mapping[str, Any], act: Act) -> tuple[ContextDocument, EventDraft]:
    """A new context document, in its first version."""
    now = from_micros(act.now)
    made = ContextDocument(uuid=uuid, version=1, created_at=now, updated_at=now, **given)
    return made, _with_document(EventDraft(EventKind.CONTEXT_DOCUMENT_CREATED, uuid, act.now, act.actor, reason=act.reason), made)


def decide_document_edit(before: ContextDocument, wanted: Mapping[str, Any], act: Act) -> tuple[ContextDocument, EventDraft] | None:
    """An edit of a context document; new content makes a new version."""
    after = evolve(before, **wanted)
    if after == before:
        return None
    after = evolve(after, version=before.version + (after.content != before.content))
    return after, _with_document(_edit(EventKind.CONTEXT_DOCUMENT_UPDATED, before, act), after)


def decide_document_deletion(before: ContextDocument, act: Act) -> EventDraft:
    """The tombstone of a context document."""
    return _edit(EventKind.CONTEXT_DOCUMENT_DELETED, before, act)


def _edit(kind: EventKind, before: Indicator | DetectionRule | ContextDocument, act: Act) -> EventDraft:
    at = effective_time(act.now, to_micros(before.updated_at))
    return EventDraft(kind, before.uuid, at, act.actor, reason=act.reason, clock=None if at == act.now else act.now)


def _with_document(draft: EventDraft, document: ContextDocument) -> EventDraft:
    values = asdict(document, recurse=False)
    draft.facts = {name: _plain(values[name]) for name in ("document_type", "is_global", "tags", "targeting_rules", "version")}
    draft.content = document_content(values)
    return draft


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
