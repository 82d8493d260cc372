"""Decisions on records that come in: each makes a new alert, joins one that is here, or is turned away with a reason.

This is the hot path of an import: plain functions over plain values, one call a record.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from attrs import define

from alertstore.domain.changes import LONGEST_TAGS
from alertstore.domain.content import alert_content, record_content
from alertstore.domain.dedup import ALWAYS_NEW
from alertstore.domain.drafts import NewRule
from alertstore.domain.events import EventDraft, EventKind
from alertstore.domain.identity import fingerprint_of
from alertstore.domain.indicators import normalise_all
from alertstore.domain.times import is_representable
from alertstore.domain.vocabulary import EnrichmentStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alertstore.domain.dedup import Candidate, Family, RecurrencePolicy
    from alertstore.domain.drafts import NewAlert

MOST_TAGS = 1000
"""Tags that are taken over from one record; the raw record has them all."""

LONGEST_NAME = 2048
"""Characters of a rule's id and of other names of it, which stand in its event."""

MOST_NAMES = 64
LONGEST_LISTED = 256
"""Techniques and the like of one rule, and the characters of each: however they are spelled, an event can hold them."""

NO_TAGS: list[str] = []


@define
class Prepared:
    """A record's alert, cleaned and named: `pairs` are its normalised indicators as sorted `type:value`."""

    new: NewAlert
    title: str
    description: str | None
    tags: list[str]
    pairs: list[str]
    fingerprint: str


def prepare(new: NewAlert, source_name: str) -> Prepared:
    """Clean what a source mapped: normalised indicators, no blank or repeated tags, no NUL in text.

    Raises `ValueError` with a reason where no alert can be made of it.
    """
    title, description = new.title, new.description
    if "\0" in title:
        title = title.replace("\0", "\ufffd")
    if not title or title.isspace():
        message = "it has no title"
        raise ValueError(message)
    if description is not None and "\0" in description:
        description = description.replace("\0", "\ufffd")
    if new.rule_id is not None and len(new.rule_id) > LONGEST_NAME:
        new.rule_id, new.notes = None, (*new.notes, "rule_id_too_long")
    pairs = [f"{kind}:{value}" for kind, value in normalise_all(new.indicators)]
    return Prepared(new, title, description, _clean_tags(new), pairs, fingerprint_of(title, source_name, pairs))


def _clean_tags(new: NewAlert) -> list[str]:
    if not new.tags:
        return NO_TAGS
    tags = [tag.replace("\0", "\ufffd") for tag in new.tags]
    kept = list(dict.fromkeys(tag for tag in tags if tag.strip()))
    notes = []
    if any(not tag.strip() for tag in tags):
        notes.append("blank_tag_dropped")
    if len(kept) < sum(1 for tag in tags if tag.strip()):
        notes.append("repeated_tag_dropped")
    if len(kept) > MOST_TAGS:
        notes.append("too_many_tags")
        kept = kept[:MOST_TAGS]
    if sum(map(len, kept)) > LONGEST_TAGS:
        message = f"its tags come to more than {LONGEST_TAGS:,} characters"
        raise ValueError(message)
    if notes:
        new.notes = (*new.notes, *notes)
    return kept


@define
class Arrival:
    """The decision on one record: the event that says so, and the alert it belongs to.

    `joined` is the alert that it was found to repeat, and `reopens` says that this one, Closed, is to be opened again; None means a new
    alert, of which the other fields tell.
    """

    draft: EventDraft
    prepared: Prepared
    occurred_at: int
    assumed: bool
    joined: Candidate | None = None
    predecessor: str | None = None
    reopens: bool = False


def decide_arrival(
    prepared: Prepared,
    family: Family | None,
    *,
    uuid: str,
    source_name: str,
    rule: str | None,
    record_sha256: str,
    place: dict[str, Any],
    now: int,
    actor: str,
    reason: str | None,
    window: int,
    by: str,
    recurrence: RecurrencePolicy = ALWAYS_NEW,
) -> Arrival:
    """Decide what a record is: a new alert (named `uuid`, of detection rule uuid `rule`), or a duplicate of one
    of the `family` of its fingerprint.

    `place` says where the record stood ({"import", "record"}, or nothing); `recurrence` what becomes of one that repeats a closed alert.
    """
    new = prepared.new
    occurred = new.occurred_at
    assumed = occurred is None or not is_representable(occurred)
    at = now if occurred is None or assumed else occurred
    facts: dict[str, Any] = {"occurred_at": at, **place}
    predecessor = None
    if family is not None:
        found = family.match(at, now, window, by, recurrence)
        if found.joins is not None:
            draft = EventDraft(EventKind.ALERT_DEDUPLICATED.value, found.joins.uuid, now, actor)
            draft.facts, draft.reason, draft.content = facts, reason, record_content(record_sha256)
            return Arrival(draft, prepared, at, assumed, joined=found.joins, reopens=found.reopens)
        if found.repeats is not None:
            facts["predecessor"] = predecessor = found.repeats.uuid
    facts["source_name"] = source_name
    if assumed:
        facts["occurred_at_assumed"] = True
    if rule is not None:
        facts["rule"] = rule
    draft = EventDraft(EventKind.ALERT_INGESTED.value, uuid, now, actor)
    draft.changes = {
        "enrichment_status": (None, _PENDING),
        "severity": (None, new.severity),
        "status": (None, "Open"),
        "tags": (None, prepared.tags),
    }
    draft.facts, draft.reason = facts, reason
    draft.content = alert_content(prepared.title, prepared.description, prepared.fingerprint, prepared.pairs, record_sha256)
    return Arrival(draft, prepared, at, assumed, predecessor=predecessor)


_PENDING = EnrichmentStatus.PENDING.value


def decide_seen(import_id: int, occurrences: Iterable[int], now: int, actor: str, reason: str | None) -> EventDraft:
    """Say which records, by the numbers of their occurrences (at least one), an import met again: no row is kept for them, and a
    comparison of two imports must know. Neighbours stand as one range, [first, how many].
    """
    seqs = sorted(occurrences)
    gaps = [(left, right) for left, right in pairwise(seqs) if right - left != 1]
    starts, ends = [seqs[0], *(right for _, right in gaps)], [*(left for left, _ in gaps), seqs[-1]]
    ranges = [[start, end - start + 1] for start, end in zip(starts, ends, strict=True)]
    facts = {"import": import_id, "occurrences": ranges}
    return EventDraft(EventKind.RECORDS_SEEN, str(import_id), now, actor, facts=facts, reason=reason)


def rule_facts(rule: NewRule, *, source_name: str | None, created_by: str) -> dict[str, Any]:
    """What the event of a new detection rule holds: all of it."""
    return {
        "created_by": created_by,
        "data_sources": list(rule.data_sources),
        "documentation": rule.documentation,
        "is_active": rule.is_active,
        "mitre_subtechniques": list(rule.mitre_subtechniques),
        "mitre_tactics": list(rule.mitre_tactics),
        "mitre_techniques": list(rule.mitre_techniques),
        "name": rule.name,
        "run_frequency": rule.run_frequency,
        "severity": rule.severity,
        "source_name": source_name,
        "source_rule_id": rule.source_rule_id,
    }


def describe_rule(rule: NewRule | None, rule_id: str) -> NewRule:
    """The rule that an alert was met with first, cut to what its event can hold; where nothing is known of it, a bare one.

    An attacker writes rule names too: no NUL, no endless lists. All of it stays in the raw record.
    """
    rule = rule or NewRule(name=rule_id)

    def cut(text: str | None) -> str | None:
        return None if text is None else text.replace("\0", "\ufffd")[:LONGEST_NAME]

    def names(listed: Sequence[str]) -> list[str]:
        return [(cut(text) or "")[:LONGEST_LISTED] for text in listed[:MOST_NAMES]]

    return NewRule(
        name=cut(rule.name) or rule_id,
        source_rule_id=rule_id,
        severity=cut(rule.severity),
        is_active=rule.is_active,
        mitre_tactics=names(rule.mitre_tactics),
        mitre_techniques=names(rule.mitre_techniques),
        mitre_subtechniques=names(rule.mitre_subtechniques),
        data_sources=names(rule.data_sources),
        run_frequency=cut(rule.run_frequency),
        documentation=cut(rule.documentation),
    )
