"""Decisions on one alert: from (state, input, now, actor) to a `Change`, or a refusal that lists every problem.

The rules are the contract's patch table. A change that changes nothing has no events; nothing is saved for it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import frozen

from alertstore.domain.content import finding_content, indicators_content
from alertstore.domain.events import EventDraft, EventKind
from alertstore.domain.vocabulary import AlertStatus, CloseClassification, Malice, Severity
from alertstore.errors import AlertValidationError, ClassificationRequiredError, FieldProblem, InvalidTransitionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alertstore.domain.lifecycle import LifecyclePolicy, LifecycleTimes
    from alertstore.domain.registers import Registers

LONGEST_TAGS = 32 * 1024
"""Characters that the tags of a patch may come to: an event holds them before and after, and each as a register."""

ANALYST = "analyst"
"""The source of a verdict that a person gave."""

CLOSED = AlertStatus.CLOSED


class AlertState(NamedTuple):
    """The part of an alert that edits change, and what deciding about them takes. Times in microseconds.

    `heads` names, for each register edited so far, the seqs of the edits that stand (event body, `edits`).
    Bulk edits make two a time, so this and what follows are named tuples, which cost a third of frozen classes.
    """

    uuid: str
    status: AlertStatus
    severity: Severity
    close_classification: CloseClassification | None
    tags: tuple[str, ...]
    malice_override: Malice | None
    malice_override_source: str | None
    malice_override_at: int | None
    times: LifecycleTimes
    updated_at: int
    heads: Mapping[str, Sequence[int]] = MappingProxyType({})


@frozen
class AlertPatch:
    """An edit as `PATCH /v1/alerts/{uuid}` takes it; None means "leave it"."""

    status: AlertStatus | None = None
    severity: Severity | None = None
    close_classification: CloseClassification | None = None
    tags: tuple[str, ...] | None = None
    malice_override: Malice | None = None
    reset_malice_override: bool = False


class Change(NamedTuple):
    """A decision: the state after it, and the events that say so (none where nothing changes)."""

    state: AlertState
    events: tuple[EventDraft, ...] = ()


@frozen
class Act:
    """Who acts, when by the clock (microseconds), and why."""

    now: int
    actor: str
    reason: str | None = None
    origin: Mapping[str, Any] | None = None


def effective_time(now: int, updated_at: int) -> int:
    """When an edit counts as made: never before, nor together with, the edit before it."""
    return max(now, updated_at + 1)


def decide_patch(
    state: AlertState,
    patch: AlertPatch,
    act: Act,
    policy: LifecyclePolicy,
    shape_problems: Sequence[FieldProblem] = (),
) -> Change:
    """Apply a patch by the rules, whole or not at all.

    `shape_problems` are those that reading the patch found; they are reported together with the rules' own.
    Raises `AlertValidationError` with every problem; its subclass where that problem is the only one.
    """
    wrong = {problem.path for problem in shape_problems}
    if "status" in wrong:  # without it nothing can be said about the classification
        wrong.add("close_classification")
    problems = [*shape_problems, *(p for p in _patch_problems(state, patch, policy) if p.path not in wrong)]
    if problems:
        raise _refusal(problems, state, patch, policy)
    return _apply(state, patch, act)


def decide_close(state: AlertState, classification: CloseClassification, act: Act) -> Change:
    """Close by the documented flow, whatever the policy: Open → Triaging → Closed; a closed alert is reclassified."""
    events: tuple[EventDraft, ...] = ()
    if state.status is AlertStatus.OPEN:
        first = _apply(state, AlertPatch(status=AlertStatus.TRIAGING), act)
        state, events = first.state, first.events
    last = _apply(state, AlertPatch(status=CLOSED, close_classification=classification), act)
    return Change(last.state, events + last.events)


def decide_delete(state: AlertState, act: Act) -> Change:
    """Take the alert out of the store: a tombstone event; its records and its history stay."""
    return Change(state, (_draft(EventKind.ALERT_DELETED, state, act, effective_time(act.now, state.updated_at)),))


def decide_finding(state: AlertState, finding: Mapping[str, Any], evidence: str | None, act: Act) -> Change:
    """Add a finding. Its id stands in the event; its text, and its evidence (the text of its JSON), are content."""
    at = effective_time(act.now, state.updated_at)
    draft = _draft(EventKind.ALERT_FINDING_ADDED, state, act, at)
    draft.facts, draft.content = {"finding": finding["id"]}, finding_content(finding, evidence)
    return Change(state._replace(updated_at=at), (draft,))


def decide_indicators(state: AlertState, pairs: Sequence[str], act: Act) -> Change:
    """Link further indicators, each `type:value`, sorted. The alert's fingerprint stays as it is."""
    if not pairs:
        return Change(state)
    at = effective_time(act.now, state.updated_at)
    draft = _draft(EventKind.ALERT_INDICATORS_ADDED, state, act, at)
    draft.facts, draft.content = {"indicator_count": len(pairs)}, indicators_content(pairs)
    return Change(state._replace(updated_at=at), (draft,))


def decide_shown(
    state: AlertState,
    shown: Registers,
    act: Act,
    *,
    edits: Sequence[dict[str, Any]] = (),
    kind: EventKind | None = None,
    elsewhere: LifecycleTimes | None = None,
) -> Change:
    """Give an alert the registers that merging came to, whatever the lifecycle allows. No events where nothing changes and there are
    no `edits` to keep; without them the change is an observation, which replaces no edit.

    kind: of the event that keeps edits; elsewhere: when the alert was acknowledged, triaged and closed where the change was made.
    """
    override = None if shown.malice_override is None else Malice(shown.malice_override)
    patch = AlertPatch(
        AlertStatus(shown.status),
        Severity(shown.severity),
        None if shown.close_classification is None else CloseClassification(shown.close_classification),
        shown.tags,
        override,
        reset_malice_override=override is None,
    )
    change = _apply(state, patch, act)
    if not change.events and not edits:
        return change
    at = effective_time(act.now, state.updated_at)
    draft = change.events[0] if change.events else _draft(kind or EventKind.ALERT_STATUS_UPDATED, state, act, at)
    draft.kind, draft.edits = kind or draft.kind, edits or None
    after = change.state._replace(updated_at=at)
    if elsewhere is not None and after.status is not state.status:
        times = _elsewhere(after, state.times, elsewhere)
        said = {name: value for name, value in (draft.sets or {}).items() if name not in times._fields}
        draft.sets, after = said | times.since(state.times), after._replace(times=times)
    return Change(after, (draft,))


def _elsewhere(after: AlertState, before: LifecycleTimes, told: LifecycleTimes) -> LifecycleTimes:
    """The times of an alert that changed its status elsewhere: as they were here, else as they were there, else now.

    Closed is never before acknowledged, whatever the other side says.
    """
    now = after.times
    acknowledged = (
        before.acknowledged_at
        if before.acknowledged_at is not None
        else now.acknowledged_at and (told.acknowledged_at or now.acknowledged_at)
    )
    triaged = before.triaged_at if before.triaged_at is not None else told.triaged_at or now.triaged_at
    closed = now.closed_at and (told.closed_at or now.closed_at)
    if closed is not None and acknowledged is not None:
        if before.acknowledged_at is None:
            acknowledged = min(acknowledged, closed)
        closed = max(closed, acknowledged)
    return now._replace(acknowledged_at=acknowledged, triaged_at=triaged, closed_at=closed)


def _patch_problems(state: AlertState, patch: AlertPatch, policy: LifecyclePolicy) -> list[FieldProblem]:
    found: list[FieldProblem] = []
    target = patch.status or state.status
    if target is not state.status and target not in policy.allowed(state.status):
        allowed = ", ".join(policy.allowed(state.status)) or "no other status"
        found.append(FieldProblem("status", f"an alert cannot go from {state.status} to {target}; allowed: {allowed}", str(target)))
    if patch.status is CLOSED and patch.close_classification is None:
        found.append(FieldProblem("close_classification", f"is required to close an alert; one of: {_CLASSIFICATIONS}", None))
    if patch.close_classification is not None and target is not CLOSED:
        message = f"belongs to closed alerts only; this one is {target}, so close it in the same patch"
        found.append(FieldProblem("close_classification", message, str(patch.close_classification)))
    if patch.malice_override is not None and patch.reset_malice_override:
        message = "contradicts malice_override; give one of the two"
        found.append(FieldProblem("reset_malice_override", message, True))  # noqa: FBT003 - the value as it was given
    if patch.tags is not None and sum(map(len, patch.tags)) > LONGEST_TAGS:
        found.append(FieldProblem("tags", f"come to more than {LONGEST_TAGS:,} characters", f"{len(patch.tags)} tags"))
    elif patch.tags is not None:
        found += [FieldProblem(f"tags[{k}]", "must not be blank", tag) for k, tag in enumerate(patch.tags) if not tag.strip()]
    return found


_CLASSIFICATIONS = ", ".join(CloseClassification)


def _refusal(problems: list[FieldProblem], state: AlertState, patch: AlertPatch, policy: LifecyclePolicy) -> AlertValidationError:
    if len(problems) == 1 and problems[0].path == "status" and patch.status is not None:
        return InvalidTransitionError(problems[0], current=state.status, requested=patch.status, allowed=policy.allowed(state.status))
    if len(problems) == 1 and problems[0].path == "close_classification" and patch.status is CLOSED:
        return ClassificationRequiredError(problems, advice="give close_classification together with status")
    return AlertValidationError(problems)


def _apply(state: AlertState, patch: AlertPatch, act: Act) -> Change:
    """The change that an allowed patch makes. Made in bulk, so the new state is put together once, at the end."""
    at = max(act.now, state.updated_at + 1)
    changes: dict[str, list[Any]] = {}
    sets: dict[str, Any] = {}
    registers: list[str] = []
    status = patch.status or state.status
    verdict = (patch.close_classification or state.close_classification) if status is CLOSED else None
    times = state.times
    if status is not state.status:
        changes["status"] = [state.status, status]
        times = times.after(state.status, status, at)
        sets |= times.since(state.times)
    if verdict is not state.close_classification:
        changes["close_classification"] = [state.close_classification, verdict]
    if changes:
        registers.append("lifecycle")
    severity = patch.severity or state.severity
    if severity is not state.severity:
        changes["severity"] = [state.severity, severity]
        registers.append("severity")
    override, source, since = None if patch.reset_malice_override else patch.malice_override or state.malice_override, None, None
    if override is state.malice_override:
        source, since = state.malice_override_source, state.malice_override_at
    else:
        changes["malice_override"] = [state.malice_override, override]
        registers.append("malice")
        source, since = (None, None) if override is None else (ANALYST, at)
        sets |= {"malice_override_source": source, "malice_override_at": since}
    tags = state.tags if patch.tags is None else tuple(dict.fromkeys(patch.tags))
    if tags != state.tags:
        changes["tags"] = [list(state.tags), list(tags)]
        registers += [f"tag:{tag}" for tag in sorted(set(tags) ^ set(state.tags))]
    if not changes:
        return Change(state)
    draft = _draft(_most_telling(changes), state, act, at)
    draft.changes, draft.sets = changes, sets
    draft.edits = [{"rbase": None, "register": r, "rtoken": None, "sup": state.heads.get(r, ())} for r in registers]
    after = AlertState(state.uuid, status, severity, verdict, tags, override, source, since, times, at, state.heads)
    return Change(after, (draft,))


def _most_telling(changes: Mapping[str, Sequence[Any]]) -> EventKind:
    if "status" in changes:
        return EventKind.ALERT_CLOSED if changes["status"][1] == CLOSED else EventKind.ALERT_STATUS_UPDATED
    for name, kind in (
        ("close_classification", EventKind.ALERT_RECLASSIFIED),
        ("severity", EventKind.ALERT_SEVERITY_UPDATED),
        ("malice_override", EventKind.ALERT_MALICE_UPDATED),
    ):
        if name in changes:
            return kind
    return EventKind.ALERT_TAGS_UPDATED


def _draft(kind: EventKind, state: AlertState, act: Act, at: int) -> EventDraft:
    clock = None if at == act.now else act.now
    return EventDraft(kind, state.uuid, at, act.actor, reason=act.reason, origin=act.origin, clock=clock)
