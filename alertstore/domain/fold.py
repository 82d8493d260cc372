"""What the history comes to: events folded, in order, into the rows that a store must have.

Registers go by plain last-event-wins: what edits of several stores come to is decided before they are appended. Content is not
in the events; the fold keeps what each event commits to, for the caller to hold against the rows. Of what sync keeps beside the
alerts, a row for each of many events, it keeps nothing: `domain.synced` says what one event comes to.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from alertstore.domain.carrying import PARSED
from alertstore.domain.standing import Standing
from alertstore.domain.synced import heads_after
from alertstore.domain.verdict import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


ALERT_COLUMNS = (
    "uuid", "source_name", "severity", "status", "enrichment_status", "close_classification", "tags", "malice_override",
    "malice_override_source", "malice_override_at", "detection_rule_id", "duplicate_count", "occurred_at", "occurred_at_assumed",
    "last_seen_at", "created_at", "ingested_at", "updated_at", "enriched_at", "acknowledged_at", "triaged_at", "closed_at",
    "predecessor", "heads",
)  # fmt: skip
_AT = {name: place for place, name in enumerate(ALERT_COLUMNS)}
_UUID, _TAGS, _DUPLICATES, _LAST_SEEN, _UPDATED, _HEADS = (
    _AT[name] for name in ("uuid", "tags", "duplicate_count", "last_seen_at", "updated_at", "heads")
)

UNEDITED = '{"lifecycle":[]}'
"""The heads of an alert as it comes: it leaves its first edit room in the row."""

_dump = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


FORGED = (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError)
"""What reading a body raises that no store of ours has written."""


class Committed(NamedTuple):
    """What an event of a rarer kind says, for its row to be held against: its body, and the salt of its content."""

    body: Mapping[str, Any]
    salt: bytes | None
    alert: int | None


class Fold(Standing):
    """The state that events come to, so far. Feed every event to `add`, in order; then read the tables."""

    def __init__(self) -> None:
        """Start before the first event."""
        super().__init__()
        self.alerts: dict[int, list[Any]] = {}
        self.deleted: dict[int, str] = {}
        self.documents: dict[str, Committed] = {}
        self.document_created: dict[str, tuple[int, int]] = {}
        self.findings: dict[int, Committed] = {}
        self.rejected: dict[int, Committed] = {}
        self.verdicts: dict[str, dict[str, Any]] = {}
        self.judged: dict[str, list[Committed]] = {}
        self.redacted: dict[int, dict[str, int]] = {}
        self.redacted_records: dict[int, int] = {}
        self.redacted_indicators: set[int] = set()
        self.keys: list[tuple[int, str]] = []
        self.pruned: tuple[int, str] | None = None
        self.indicators: int | None = None
        self.sealed: int | None = None
        self.records = 0
        self._last_alert = 0
        self._kinds: dict[str, Callable[[int, Mapping[str, Any], int | None, bytes | None], None]] = {
            "alert_ingested": self._ingested,
            "alert_deduplicated": self._deduplicated,
            "alert_finding_added": self._finding,
            "alert_deleted": self._deleted,
            "store_created": self._created,
            "setting_changed": self._setting,
            "import_started": self._import_started,
            "import_finished": self._import_finished,
            **dict.fromkeys(("record_rejected", "record_suppressed"), self._rejected),
            "suppression_created": self._suppressed,
            "suppression_lifted": self._lifted,
            "suppression_carried": self._suppression_carried,
            "intel_list_loaded": self._list_loaded,
            "intel_list_removed": self._list_removed,
            "intel_list_carried": self._list_carried,
            "detection_rule_created": self._rule_created,
            "detection_rule_updated": self._rule_updated,
            "context_document_created": self._document,
            "context_document_updated": self._document,
            "context_document_deleted": self._document_deleted,
            "indicator_malice_updated": self._indicator,
            "alert_redacted": self._redacted,
            "record_redacted": self._record_redacted,
            "store_sealed": self._sealed,
            "signing_key_set": self._key,
            **dict.fromkeys(("history_pruned", "store_salvaged"), self._carried_state),
            "alert_carried": self._alert_carried,
            "record_carried": self._record_carried,
            "import_carried": self._import_carried,
            "indicator_carried": self._indicator_carried,
            "detection_rule_carried": self._rule_carried,
            "context_document_carried": self._document_carried,
            "remote_synced": self._remote,
            "bundle_imported": self._bundle,
            **dict.fromkeys(("alert_synced", "alert_aliased"), self._beside),
            **dict.fromkeys(("store_handed_over", "foreign_events_carried", "records_seen", "indicators_enriched"), self._nothing),
        }

    def add(self, seq: int, kind: str, body: Mapping[str, Any], alert: int | None, salt: bytes | None) -> None:
        """Take in the next event: its number, kind and parsed body, the number of its alert, and its salt."""
        handle = self._kinds.get(kind)
        try:
            if handle is not None:
                handle(seq, body, alert, salt)
            else:
                self._edited(seq, body, alert)
        except FORGED as fault:
            self.problems.append(Problem("event", f"event {seq}", f"a {kind} that follows from the events before it", repr(fault)))

    def row(self, state: list[Any]) -> list[Any]:
        """An alert's state as its row has it: the columns of ALERT_COLUMNS."""
        return [*state[:_HEADS], UNEDITED if state[_HEADS] is None else _dump(state[_HEADS])]

    def state(self, row: Sequence[Any]) -> list[Any]:
        """The state of an alert whose row is known to be what the events before say."""
        return [*row[:_HEADS], json.loads(row[_HEADS])]

    def _ingested(self, seq: int, body: Mapping[str, Any], alert: int | None, _: bytes | None) -> None:
        if not (number := self._next(seq, alert)):
            return
        self.records += 1
        at, facts, changes = body["at"], body["facts"], body["changes"]
        occurred, rule, tags = facts["occurred_at"], facts.get("rule"), changes["tags"][1]
        self.alerts[number] = [
            body["subject"], facts["source_name"], changes["severity"][1], changes["status"][1], changes["enrichment_status"][1], None,
            _dump(tags) if tags else "[]", None, None, None, None if rule is None else self._rule_numbers[rule], 0, occurred,
            1 if "occurred_at_assumed" in facts else 0, occurred, facts.get("created_at", at), at, at, None, None, None, None,
            facts.get("predecessor"), None,
        ]  # fmt: skip

    def _next(self, seq: int, alert: int | None) -> int:
        """The number of an alert that is named for the first time; 0 where it is not the one that comes next."""
        if alert != self._last_alert + 1:
            self.problems.append(Problem("event", f"event {seq}", f"alert number {self._last_alert + 1}", alert))
            return 0
        self._last_alert += 1
        return self._last_alert

    def _deduplicated(self, _: int, body: Mapping[str, Any], alert: int | None, __: bytes | None) -> None:
        self.records += 1
        state = self._alert(alert, body)
        state[_DUPLICATES] += 1
        state[_LAST_SEEN] = max(state[_LAST_SEEN], body["facts"]["occurred_at"])

    def _alert(self, alert: int | None, body: Mapping[str, Any]) -> list[Any]:
        state = self.alerts[alert or 0]
        if state[_UUID] != body["subject"]:
            self.problems.append(Problem("event", f"event {body['seq']}", state[_UUID], body["subject"]))
        return state

    def _edited(self, seq: int, body: Mapping[str, Any], alert: int | None) -> None:
        state = self._alert(alert, body)
        if "changes" in body:
            for name, (old, new) in body["changes"].items():
                place = _AT[name]
                before, after = (_dump(old), _dump(new)) if place == _TAGS else (old, new)
                if state[place] != before:
                    self.problems.append(Problem("event", f"event {seq}: {name} before", state[place], before))
                state[place] = after
            if "sets" in body:
                for name, value in body["sets"].items():
                    state[_AT[name]] = value
        if "edits" in body:
            state[_HEADS] = self._headed(seq, body, json.loads(UNEDITED) if state[_HEADS] is None else state[_HEADS])
        state[_UPDATED] = body["at"]

    def _headed(self, seq: int, body: Mapping[str, Any], heads: dict[str, list[int]]) -> dict[str, list[int]]:
        """The heads after the edits of an event. One made here replaces all that stood; one of another store only what it knew of."""
        is_foreign = "store" in body.get("origin", ())
        for edit in body["edits"]:
            stood, replaced = heads.get(edit["register"], []), edit["sup"]
            if not is_foreign and replaced != stood:
                self.problems.append(Problem("event", f"event {seq}: sup", stood, replaced))
            heads[edit["register"]] = heads_after(stood, replaced if is_foreign else stood, seq)
        return heads

    def _finding(self, seq: int, body: Mapping[str, Any], alert: int | None, salt: bytes | None) -> None:
        self._edited(seq, body, alert)
        self.findings[seq] = Committed(body, salt, alert)

    def _deleted(self, _: int, body: Mapping[str, Any], alert: int | None, __: bytes | None) -> None:
        self._alert(alert, body)
        number = alert or 0
        self.deleted[number] = self.alerts.pop(number)[_UUID]
        for seq in [seq for seq, one in self.findings.items() if one.alert == number]:
            self._forgotten(self.findings.pop(seq))

    def _forgotten(self, content: Committed | None) -> None:
        """Content that is gone: the salt that opened it must be gone too."""
        if content is not None and content.salt is not None:
            self.problems.append(Problem("event", f"event {content.body['seq']}: salt", None, content.salt.hex()))

    def _rejected(self, seq: int, body: Mapping[str, Any], _: int | None, salt: bytes | None) -> None:
        self.rejected[seq] = Committed(body, salt, None)

    def _document(self, seq: int, body: Mapping[str, Any], __: int | None, salt: bytes | None) -> None:
        self._forgotten(self.documents.get(body["subject"]))
        self.documents[body["subject"]] = Committed(body, salt, None)
        self.document_created.setdefault(body["subject"], (seq, body["at"]))

    def _document_deleted(self, _: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        self._forgotten(self.documents.pop(body["subject"]))

    def _indicator(self, seq: int, body: Mapping[str, Any], _: int | None, salt: bytes | None) -> None:
        old, new = body["changes"]["malice"]
        known = self.verdicts.get(body["subject"], {"malice": "Pending"})
        if known["malice"] != old:
            self.problems.append(Problem("event", f"event {seq}: malice before", known["malice"], old))
        self.verdicts[body["subject"]] = known | {"malice": new, **body["sets"], "updated_at": body["at"]}
        self.judged.setdefault(body["subject"], []).append(Committed(body, salt, None))

    def _nothing(self, *_: object) -> None:
        """An event that no row follows from."""

    def _sealed(self, seq: int, _: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        self.sealed = seq

    def _redacted(self, seq: int, body: Mapping[str, Any], alert: int | None, __: bytes | None) -> None:
        number = alert or 0
        if number not in self.deleted:
            self._alert(alert, body)
        self.redacted_indicators.update(body["facts"].get("indicators", ()))
        for part in body["facts"]["parts"]:
            self.redacted.setdefault(number, {})[part] = seq
        if "findings" in body["facts"]["parts"]:
            for finding in [one for one, known in self.findings.items() if known.alert == number]:
                self._forgotten(self.findings.pop(finding))

    def _record_redacted(self, seq: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        self.redacted_records[body["facts"]["event"]] = seq

    def _key(self, seq: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        facts = body["facts"]
        if facts["epoch"] != len(self.keys):
            self.problems.append(Problem("event", f"event {seq}: epoch", len(self.keys), facts["epoch"]))
        self.keys.append((seq, facts["public_key"]))

    def _carried_state(self, _: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        facts = body["facts"]
        self.settings |= facts["settings"]
        self.keys = [(since, key) for since, key in facts["keys"]]
        self.indicators = facts["indicators"]
        self.foreign_stores = {store: (size, root) for store, size, root in facts.get("foreign_stores", ())}
        if body["kind"] == "history_pruned":
            self.pruned = (facts["upto"], "".join(facts["peaks"]))

    def _alert_carried(self, seq: int, body: Mapping[str, Any], alert: int | None, __: bytes | None) -> None:
        if not (number := self._next(seq, alert)):
            return
        facts = body["facts"]
        self.records += facts.get("records", 0)
        for part, upto in facts.get("redacted", {}).items():
            self.redacted.setdefault(number, {})[part] = upto
        if "deleted" in facts:
            self.deleted[number] = body["subject"]
            return
        columns = dict(facts["columns"])
        heads = dict(columns["heads"])
        columns |= {name: _dump(columns[name]) for name in PARSED}
        state = [body["subject"], *(columns[name] for name in ALERT_COLUMNS[1:])]
        state[_HEADS] = heads if _dump(heads) != UNEDITED else None
        self.alerts[number] = state

    def _record_carried(self, seq: int, body: Mapping[str, Any], _: int | None, salt: bytes | None) -> None:
        facts = body["facts"]
        self.rejected[facts["event"]] = Committed(body, salt, None)
        if facts.get("redacted"):
            self.redacted_records[facts["event"]] = seq

    def _indicator_carried(self, _: int, body: Mapping[str, Any], __: int | None, salt: bytes | None) -> None:
        self.verdicts[body["subject"]] = dict(body["facts"])
        if "content" in body:
            self.judged.setdefault(body["subject"], []).append(Committed(body, salt, None))

    def _document_carried(self, _: int, body: Mapping[str, Any], __: int | None, salt: bytes | None) -> None:
        facts = body["facts"]
        self.documents[body["subject"]] = Committed(body, salt, None)
        self.document_created[body["subject"]] = (facts["id"], facts["created_at"])

    def _beside(self, _: int, body: Mapping[str, Any], alert: int | None, __: bytes | None) -> None:
        """What is kept beside an alert: it changes nothing of it, and comes for a deleted one too."""
        uuid = self.deleted.get(alert or 0) or self.alerts[alert or 0][_UUID]
        if uuid != body["subject"]:
            self.problems.append(Problem("event", f"event {body['seq']}", uuid, body["subject"]))
