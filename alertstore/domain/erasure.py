"""Decisions about taking something out of the store for good: what may be, on whose authority, and the event that says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from alertstore.domain.events import EventDraft, EventKind
from alertstore.errors import AlertValidationError, FieldProblem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from alertstore.domain.changes import Act

PARTS = ("record", "content", "findings")
"""What of an alert can be erased: its records as they came; its title, description and indicators; what was found out about it."""

HOLD = "legal_hold"
"""The setting that keeps everything where it is; empty where there is no hold."""


def decide_redaction(uuid: str, parts: Collection[str], authority: str, act: Act) -> EventDraft:
    """Erase parts of an alert. Raises `AlertValidationError` for parts there are not."""
    given = list(parts) if isinstance(parts, Iterable) and not isinstance(parts, str) else []
    if not given or any(part not in PARTS for part in given):
        raise AlertValidationError([FieldProblem("parts", f"must be some of: {', '.join(PARTS)}", parts)])
    facts = {"authority": authority, "parts": [part for part in PARTS if part in given]}
    return _draft(EventKind.ALERT_REDACTED, uuid, facts, act)


def decide_record_redaction(where: int | str, event: int, authority: str, act: Act) -> EventDraft:
    """Erase the bytes of a record that made no alert; `where`: the number of its import, or the uuid of what held it back alone."""
    return _draft(EventKind.RECORD_REDACTED, str(where), {"authority": authority, "event": event}, act)


def decide_prune(store_id: str, authority: str, act: Act) -> EventDraft:
    """Let the beginning of the history go."""
    return _draft(EventKind.HISTORY_PRUNED, store_id, {"authority": authority}, act)


def decide_hold(before: str, authority: str, act: Act) -> EventDraft | None:
    """Set, change or (by an empty authority) lift the legal hold; None where nothing changes."""
    if before == authority:
        return None
    draft = _draft(EventKind.SETTING_CHANGED, HOLD, {}, act)
    draft.facts, draft.changes = None, {HOLD: [before, authority]}
    return draft


def refuse_held(hold: str) -> None:
    """Raise `AlertValidationError` where a legal hold forbids erasing."""
    if hold:
        problem = FieldProblem(HOLD, f"nothing may be erased while it stands ({hold})", hold)
        raise AlertValidationError([problem], advice="release_hold() lifts it, for whoever may")


def _draft(kind: EventKind, subject: str, facts: Mapping[str, object], act: Act) -> EventDraft:
    return EventDraft(kind, subject, act.now, act.actor, facts=facts, reason=act.reason)
