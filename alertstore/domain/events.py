"""Events: what happened, as the bytes that are kept, hashed and proven.

A body is JSON in the canonical form of RFC 8785: sorted ASCII keys, no blanks, no floats, integers within 2^53 - 1.
Verification hashes the stored bytes, never a re-serialisation. Body keys, version 1 (a key that is null is left out):

    v         1
    seq       the event's number in this log; with the store's id it is the event's id, everywhere
    kind      what happened (`EventKind`)
    subject   what it happened to: the uuid of an alert, indicator, rule or document, an import's number, a setting's or a
              remote's name, a bundle's id
    at        effective time, microseconds since the epoch
    clock     the clock's own reading, where `at` had to be moved to keep an alert's times in order
    actor     who did it
    reason    why
    origin    where a change came from that was not made here (a remote, a bundle), with its own id and values; of an event of
              another store, that store's id (`store`) and the number it has there (`seq`)
    changes   {register: [from, to]}: the registers that were changed
    sets      {field: value}: what follows from the change (lifecycle times, the source of an override)
    edits     [{register, sup, rbase, rtoken}]: for each register edited, the seqs of the edits that this one replaces,
              and the remote's value and token that its author had seen (null when never synced). An edit may leave the
              register as it is; changes without edits are what the remote was seen to say
    content   {part: commitment} to content kept outside the event, each part under a salt of its own, so that each can be
              erased by itself: SHA-256 of 0x10, the part's salt, and its canonical JSON (see `domain.content`)
    facts     what else the event holds, by kind
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

VERSION = 1
LARGEST_BODY = 1 << 20


class EventKind(StrEnum):
    """Everything that can happen; the remote's names where it has them."""

    STORE_CREATED = "store_created"
    IMPORT_STARTED = "import_started"
    IMPORT_FINISHED = "import_finished"
    ALERT_INGESTED = "alert_ingested"
    ALERT_DEDUPLICATED = "alert_deduplicated"
    RECORD_REJECTED = "record_rejected"
    RECORD_SUPPRESSED = "record_suppressed"
    RECORDS_SEEN = "records_seen"
    ALERT_STATUS_UPDATED = "alert_status_updated"
    ALERT_CLOSED = "alert_closed"
    ALERT_RECLASSIFIED = "alert_reclassified"
    ALERT_SEVERITY_UPDATED = "alert_severity_updated"
    ALERT_TAGS_UPDATED = "alert_tags_updated"
    ALERT_MALICE_UPDATED = "alert_malice_updated"
    ALERT_FINDING_ADDED = "alert_finding_added"
    ALERT_INDICATORS_ADDED = "alert_indicators_added"
    ALERT_ENRICHMENT_COMPLETED = "alert_enrichment_completed"
    ALERT_DELETED = "alert_deleted"
    INDICATOR_MALICE_UPDATED = "indicator_malice_updated"
    INDICATORS_ENRICHED = "indicators_enriched"
    INTEL_LIST_LOADED = "intel_list_loaded"
    INTEL_LIST_REMOVED = "intel_list_removed"
    SUPPRESSION_CREATED = "suppression_created"
    SUPPRESSION_LIFTED = "suppression_lifted"
    DETECTION_RULE_CREATED = "detection_rule_created"
    DETECTION_RULE_UPDATED = "detection_rule_updated"
    CONTEXT_DOCUMENT_CREATED = "context_document_created"
    CONTEXT_DOCUMENT_UPDATED = "context_document_updated"
    CONTEXT_DOCUMENT_DELETED = "context_document_deleted"
    SETTING_CHANGED = "setting_changed"
    SIGNING_KEY_SET = "signing_key_set"
    STORE_HANDED_OVER = "store_handed_over"
    STORE_SEALED = "store_sealed"
    STORE_SALVAGED = "store_salvaged"
    ALERT_REDACTED = "alert_redacted"
    RECORD_REDACTED = "record_redacted"
    HISTORY_PRUNED = "history_pruned"
    ALERT_CARRIED = "alert_carried"
    RECORD_CARRIED = "record_carried"
    IMPORT_CARRIED = "import_carried"
    INDICATOR_CARRIED = "indicator_carried"
    DETECTION_RULE_CARRIED = "detection_rule_carried"
    CONTEXT_DOCUMENT_CARRIED = "context_document_carried"
    INTEL_LIST_CARRIED = "intel_list_carried"
    SUPPRESSION_CARRIED = "suppression_carried"
    ALERT_SYNCED = "alert_synced"
    ALERT_ALIASED = "alert_aliased"
    ALERT_CONFLICT_RESOLVED = "alert_conflict_resolved"
    REMOTE_SYNCED = "remote_synced"
    BUNDLE_IMPORTED = "bundle_imported"
    FOREIGN_EVENTS_CARRIED = "foreign_events_carried"


@define
class EventDraft:
    """An event that was decided and not yet numbered. `content` is what the event commits to and does not hold.

    Made once a record on the hot path of an import: a plain slotted class, not a frozen one.
    """

    kind: str
    subject: str
    at: int
    actor: str
    changes: Mapping[str, Sequence[Any]] | None = None
    sets: Mapping[str, Any] | None = None
    edits: Sequence[dict[str, Any]] | None = None
    facts: Mapping[str, Any] | None = None
    reason: str | None = None
    origin: Mapping[str, Any] | None = None
    clock: int | None = None
    content: Mapping[str, bytes] | None = None


@frozen
class Event:
    """Something that happened: `id` is (store id, seq), `changes` {register: (from, to)}, `body` the stored JSON."""

    seq: int
    id: tuple[str, int]
    at: datetime
    actor: str
    kind: EventKind
    subject: str
    changes: Mapping[str, tuple[Any, Any]]
    reason: str | None
    origin: Mapping[str, Any] | None
    body: Mapping[str, Any] = field(repr=False)


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")).encode


def canonical(value: object) -> bytes:
    """The canonical JSON of a value (RFC 8785), for values without floats and with ASCII keys."""
    return _encode(value).encode()


def encode_body(draft: EventDraft, seq: int, content: Mapping[str, str] | None) -> bytes:
    """The bytes of an event's body; `content` holds the commitments, where the draft has content."""
    body: dict[str, Any] = {
        "v": VERSION,
        "seq": seq,
        "kind": draft.kind,
        "subject": draft.subject,
        "at": draft.at,
        "actor": draft.actor,
    }
    if content is not None:
        body["content"] = content
    if draft.changes is not None:
        body["changes"] = draft.changes
    if draft.facts is not None:
        body["facts"] = draft.facts
    if draft.reason is not None:
        body["reason"] = draft.reason
    if draft.sets:
        body["sets"] = draft.sets
    if draft.edits:
        body["edits"] = draft.edits
    if draft.origin is not None:
        body["origin"] = draft.origin
    if draft.clock is not None:
        body["clock"] = draft.clock
    return canonical(body)
