"""Suppression: what is kept out of the queue for a while, by whom, why and until when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from alertstore.domain.suppression import LONGEST_TITLE, decide_held_record, decide_lift, decide_suppression
from alertstore.domain.times import MICROSECOND, is_representable, to_micros
from alertstore.errors import AlertNotFoundError, AlertValidationError, FieldProblem
from alertstore.storage import suppression
from alertstore.storage.recurrence import rule_uuid
from alertstore.store.base import LONGEST_REASON, UNSTORABLE, act, is_storable
from alertstore.store.reads import Reads

if TYPE_CHECKING:
    import sqlite3
    from uuid import UUID

    from alertstore.domain.suppression import Held, Suppression
    from alertstore.storage.suppression import SuppressedRecord
    from alertstore.storage.transaction import Transaction
    from alertstore.store.records import Readable

_FINGERPRINT_DIGITS = 32

_IN_FORCE = "suppressions in force"


class Suppressing(Reads):
    """What is held back."""

    def suppress(
        self,
        *,
        reason: str,
        until: datetime | timedelta,
        rule: str | UUID | None = None,
        indicator: str | UUID | None = None,
        fingerprint: str | None = None,
        actor: str | None = None,
    ) -> Suppression:
        """Hold back the records of one rule (the tool's id or its uuid), with one indicator (its uuid, or `type:value`) or of one
        fingerprint (32 hex digits, of an alert), until a time by this store's clock (one without a zone is UTC), or for so long from now.

        Such a record makes no alert and joins none. It is kept, counted by its import, and listed by `suppressed_records`; the same record
        again is `seen`, and read again when the suppression is over, it makes its alert. Records that were reported before are `seen` as ever, and the alerts
        that are here stay as they are.

        A rule or an indicator must be known to this store: named by an alert before, or a rule that was added or loaded. A fingerprint
        need not be.

        Raises `AlertValidationError` where not exactly one thing is named, the reason is missing, or the time is over;
        `AlertNotFoundError` where the rule or the indicator is not in this store.
        """
        named = {"rule": rule, "indicator": indicator, "fingerprint": fingerprint}
        given = {kind: value for kind, value in named.items() if value is not None}
        problems = [] if len(given) == 1 else [FieldProblem("rule, indicator, fingerprint", "exactly one must be given", given)]
        if not is_storable(reason, LONGEST_REASON):
            problems.append(FieldProblem("reason", UNSTORABLE, reason))
        if not isinstance(until, datetime | timedelta):
            problems.append(FieldProblem("until", "must be a datetime or a timedelta: a suppression always ends", until))
        if problems:
            raise AlertValidationError(problems)
        by = self._by(actor, reason)
        ((kind, value),) = given.items()
        with self._write() as transaction:
            end = to_micros(until) if isinstance(until, datetime) else transaction.now + until // MICROSECOND
            if end <= transaction.now or not is_representable(end):
                raise AlertValidationError([FieldProblem("until", "must be in the future, and before 2250", str(until))])
            target = self._target(transaction.conn, kind, str(value))
            draft = decide_suppression(transaction.new_uuid(), kind, target, end, act(transaction, by))
            suppression.create(transaction, draft)
            self._repository.caches.pop(_IN_FORCE, None)
            return self._suppression(transaction.conn, draft.subject, transaction.now)

    def lift_suppression(self, uuid: str | UUID, *, reason: str | None = None, actor: str | None = None) -> Suppression:
        """End a suppression before its time. Raises `AlertNotFoundError`; `AlertValidationError` where it is over already."""
        by = self._by(actor, reason)
        with self._write() as transaction:
            found = self._suppression(transaction.conn, str(uuid).lower(), transaction.now)
            if found.state != "active":
                raise AlertValidationError([FieldProblem("uuid", f"that suppression is {found.state} already", found.uuid)])
            suppression.lift(transaction, decide_lift(found.uuid, act(transaction, by)))
            self._repository.caches.pop(_IN_FORCE, None)
            return self._suppression(transaction.conn, found.uuid, transaction.now)

    def suppressions(self) -> list[Suppression]:
        """All suppressions there ever were, oldest first: what, who, why, until when, whether in force, how many records were held back."""
        with self._read() as conn:
            return suppression.suppressions(conn, self._store_id, to_micros(self._clock()))

    def suppressed_records(self, uuid: str | UUID | None = None) -> list[SuppressedRecord]:
        """The records that a suppression (None: any) held back, with their bytes."""
        with self._read() as conn:
            return list(suppression.suppressed(conn, None if uuid is None else str(uuid).lower()))

    def _suppression(self, conn: sqlite3.Connection, uuid: str, now: int) -> Suppression:
        found = suppression.suppressions(conn, self._store_id, now, uuid)
        if found:
            return found[0]
        raise AlertNotFoundError(f"no suppression {uuid} in this store", advice="suppressions() lists those there are")

    def _target(self, conn: sqlite3.Connection, kind: str, value: str) -> str:
        """What a suppression is of: the uuid of a rule or an indicator, or a fingerprint."""
        if kind == "indicator":
            return self.indicator(value).uuid
        if kind == "rule":
            return rule_uuid(conn, value)
        digits = value.lower()
        if len(digits) != _FINGERPRINT_DIGITS or not set(digits) <= set("0123456789abcdef"):
            raise AlertValidationError([FieldProblem("fingerprint", "must be 32 hex digits, as an alert has them", value)])
        return digits

    def _held(self, transaction: Transaction) -> Held | None:
        """The suppressions in force; None where there are none. Read again when one ends, or where the clock was set back."""
        cache: dict[Any, Any] = self._repository.caches.setdefault(_IN_FORCE, {})
        now = transaction.now
        if not cache or not cache["since"] <= now or (cache["until"] is not None and now >= cache["until"]):
            held, until = suppression.held_back(transaction.conn, self._store_id, now)
            cache.update(since=now, until=until, held=held)
        held_now: Held | None = cache["held"]
        return held_now

    def _hold_back(
        self, transaction: Transaction, import_id: int | None, held: list[tuple[str, Readable]], by: tuple[str, str | None]
    ) -> int:
        """Keep the records that suppressions (by uuid) hold back, each once; how many were not kept before. The others are seen."""
        if not held:
            return 0
        there = suppression.kept_already(transaction.conn, [one.digest for _, one in held])
        deed, kept = act(transaction, by), []
        for uuid, one in held:
            if one.digest not in there:
                place: dict[str, Any] = {"import": import_id, "record": one.number, "position": one.position}
                title = one.prepared.title[:LONGEST_TITLE]
                draft = decide_held_record(uuid, title, place | {"size": len(one.raw), "sha256": one.digest.hex()}, deed)
                kept.append((draft, title, one.digest, one.raw))
        suppression.keep(transaction, kept)
        return len(kept)
