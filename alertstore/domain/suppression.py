"""Suppression: what is kept out of the queue for a while. Its author, its reason and its end are required; what it holds back is kept.

It counts from when it was made until its end by the clock of the store, whatever the times in the records. A record that was reported
before is seen, suppressed or not; alerts that are here already, and those that come from a remote or a bundle, are left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from attrs import frozen

from alertstore.domain.content import refused_content
from alertstore.domain.events import EventDraft, EventKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from alertstore.domain.changes import Act

KINDS = ("rule", "indicator", "fingerprint")

LONGEST_TITLE = 500
"""Characters of a suppressed record's title that are kept beside it."""


@frozen
class Suppression:
    """Records of a `kind` that are held back: `target` is the uuid of a rule or of an indicator, or a fingerprint; `name` says which
    in words. `state`: "active", "expired" or "lifted". `held` counts the records it held back so far.
    """

    uuid: str
    kind: Literal["rule", "indicator", "fingerprint"]
    target: str
    name: str
    author: str
    reason: str
    created_at: datetime
    until: datetime
    lifted_at: datetime | None
    lifted_by: str | None
    state: Literal["active", "expired", "lifted"]
    held: int


class Held(NamedTuple):
    """The suppressions that are in force, by what they hold back: rule uuids, indicators (`type:value`), fingerprints; each with its uuid."""

    rules: Mapping[str, str]
    pairs: Mapping[str, str]
    fingerprints: Mapping[str, str]

    def holds(self, rule: str | None, pairs: Collection[str], fingerprint: str) -> str | None:
        """The uuid of the suppression that holds a record back: its rule's, else its fingerprint's, else that of one of its indicators."""
        found = None if rule is None else self.rules.get(rule)
        found = found or self.fingerprints.get(fingerprint)
        if found is None and self.pairs:
            found = next((self.pairs[pair] for pair in pairs if pair in self.pairs), None)
        return found


def in_force(found: Iterable[tuple[str, str, str]]) -> Held | None:
    """The suppressions in force, given as (kind, rule uuid or `type:value` or fingerprint, uuid); None where there are none."""
    by_kind: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    for kind, target, uuid in found:
        by_kind[kind].setdefault(target, uuid)
    return Held(*by_kind.values()) if any(by_kind.values()) else None


def decide_suppression(uuid: str, kind: str, target: str, until: int, act: Act) -> EventDraft:
    """Hold back, until `until` (microseconds)."""
    facts = {"kind": kind, "target": target, "until": until}
    return EventDraft(EventKind.SUPPRESSION_CREATED, uuid, act.now, act.actor, facts=facts, reason=act.reason)


def decide_lift(uuid: str, act: Act) -> EventDraft:
    """End a suppression before its time."""
    return EventDraft(EventKind.SUPPRESSION_LIFTED, uuid, act.now, act.actor, reason=act.reason)


def suppression_row(created: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a suppression, from the body of the event that made it."""
    facts = created["facts"]
    row = {"uuid": created["subject"], "author": created["actor"], "reason": created["reason"], "created_at": created["at"]}
    return row | {name: facts[name] for name in ("kind", "target", "until")} | {"lifted_at": None, "lifted_by": None}


def decide_held_record(suppression: str, title: str, kept: Mapping[str, Any], act: Act) -> EventDraft:
    """A record that a suppression holds back. `kept`: its size and sha256 (hex), and import, record and position where it came in a file."""
    facts = {name: value for name, value in kept.items() if name != "sha256" and value is not None}
    draft = EventDraft(EventKind.RECORD_SUPPRESSED, suppression, act.now, act.actor, facts=facts, reason=act.reason)
    draft.content = refused_content(kept["sha256"], kept["sha256"], title)
    return draft
