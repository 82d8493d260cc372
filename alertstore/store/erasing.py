"""Taking things out of the store for good, so that the history still verifies: redaction, retention, and the hold that forbids both."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from alertstore.domain.erasure import (
    HOLD,
    PARTS,
    decide_hold,
    decide_prune,
    decide_record_redaction,
    decide_redaction,
)
from alertstore.domain.times import to_micros
from alertstore.errors import AlertNotFoundError, AlertValidationError, FieldProblem
from alertstore.storage import alerts, imports, pruning, redaction, settings, suppression
from alertstore.store.base import LONGEST_REASON, UNSTORABLE, StoreBase, act, is_storable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection
    from uuid import UUID


class Erasing(StoreBase):
    """What leaves the store. Every call says who, why, and on what authority; the file is rewritten without the bytes."""

    def redact(
        self,
        uuid: str | UUID,
        parts: Collection[str] = PARTS,
        *,
        authority: str,
        reason: str | None = None,
        actor: str | None = None,
    ) -> None:
        """Erase parts of an alert (also of a deleted one) from the rows, the search index, the file and its log.

        parts: "record" (the bytes of its records; their SHA-256 stay, so that they do not come back), "content" (title,
        description, indicators that no other alert has) and "findings"; all by default. What the history committed to cannot
        be opened any more; the history itself, with an event that says who erased what on whose `authority`, still verifies.
        Edits (status, tags, reasons) are part of the history and stay. Backups and disk blocks are out of reach.

        With its record or content goes what a suppression kept of the same record when it came before. Other records that suppressions
        held back stay, also those that name the alert's indicators: `suppressed_records` lists them, `redact_rejected` erases them.

        The whole file is written anew. Raises `AlertNotFoundError`, `AlertValidationError` (also under a legal hold), and
        `StoreBusyError` where another process still reads the log: the erasing is done, repeat the call to empty the log.
        """
        by = self._authorised(authority, actor, reason)
        with self._write() as transaction:
            self._refuse_held(transaction)
            number = alerts.number_of(transaction.conn, str(uuid).lower())
            if number is None:
                self._no_alert(uuid)
            draft = decide_redaction(str(uuid).lower(), parts, authority, act(transaction, by))
            redaction.redact_alert(transaction, number, draft)
            redaction.rebuild_search(transaction.conn)
        self._repository.caches.clear()  # the next write must not know an indicator by the value that it had
        redaction.scrub(self._repository)

    def redact_rejected(
        self, import_id: int | None, record: int, *, authority: str, reason: str | None = None, actor: str | None = None
    ) -> None:
        """Erase the bytes of a record that could not be read, or was held back, and its reason or title. Otherwise as `redact`.

        `record` is its number in the import; of a record that was held back without a file (`import_id` None), the `seq` that
        `suppressed_records` gives.
        """
        by = self._authorised(authority, actor, reason)
        with self._write() as transaction:
            self._refuse_held(transaction)
            where, seq = self._record(transaction.conn, import_id, record)
            redaction.redact_record(transaction, seq, decide_record_redaction(where, seq, authority, act(transaction, by)))
        redaction.scrub(self._repository)

    def _record(self, conn: sqlite3.Connection, import_id: int | None, record: int) -> tuple[int | str, int]:
        """Where a record that made no alert was kept (its import, or its suppression), and by which event."""
        numbers = all(type(number) is int and number < 1 << 63 for number in (import_id or 0, record))
        if import_id is None:
            held = suppression.held_alone(conn, record) if numbers else None
            if held is None:
                raise AlertNotFoundError(f"event {record} kept no record alone", advice="suppressed_records() lists what is held back")
            return held, record
        seq = imports.rejected_seq(conn, import_id, record) if numbers else None
        if seq is None:
            raise AlertNotFoundError(f"import {import_id} has no rejected record {record}", advice="rejected_records() lists them")
        return import_id, seq

    def prune(self, before: datetime, *, authority: str, reason: str | None = None, actor: str | None = None) -> int:
        """Delete the beginning of the history: every event up to the first that is not older than `before`; how many went.

        What stands in the rows is first stated again in new events, so that all of it can still be verified; the peaks of the
        tree are kept, so that later checkpoints and proofs still hold. Proofs of the deleted events, and checkpoints from before
        the cut, can no longer be checked against this file. Alerts and records stay; 0 where nothing is old enough. Sign again then:
        a key vouches for the store only once it has signed what is left.

        Raises `AlertValidationError`, also under a legal hold, and `StoreBusyError` as `redact` does.
        """
        if not isinstance(before, datetime):
            raise AlertValidationError([FieldProblem("before", "must be a datetime", before)])
        by = self._authorised(authority, actor, reason)
        moment = to_micros(before if before.tzinfo is not None else before.replace(tzinfo=UTC))
        with self._write() as transaction:
            self._refuse_held(transaction)
            first, last = pruning.prunable(transaction.conn, moment)
            if last >= first:
                pruning.prune(transaction, last, decide_prune(self._store_id, authority, act(transaction, by)))
        redaction.scrub(self._repository)  # also where nothing was old enough: an earlier call may not have come so far
        return max(0, last - first + 1)

    def hold(self, authority: str, *, reason: str | None = None, actor: str | None = None) -> None:
        """Place a legal hold: nothing can be redacted, pruned or deleted, and no document edited, until `release_hold`."""
        self._set_hold(authority, self._authorised(authority, actor, reason))

    def release_hold(self, *, reason: str | None = None, actor: str | None = None) -> None:
        """Lift the legal hold."""
        self._set_hold("", self._by(actor, reason))

    def _set_hold(self, authority: str, by: tuple[str, str | None]) -> None:
        with self._write() as transaction:
            draft = decide_hold(settings.value(transaction.conn, HOLD), authority, act(transaction, by))
            if draft is not None:
                settings.save(transaction, draft)

    def _authorised(self, authority: str, actor: str | None, reason: str | None) -> tuple[str, str | None]:
        by, problems = self._acting(actor, reason)
        if not is_storable(authority, LONGEST_REASON):
            problems.append(FieldProblem("authority", UNSTORABLE, authority))
        if problems:
            raise AlertValidationError(problems)
        return by
