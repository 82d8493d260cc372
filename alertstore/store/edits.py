"""Editing: patches, closing, findings, indicators, verdicts, deletion. Each call is one transaction, or nothing."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from attrs import evolve

from alertstore.domain.alert import Finding
from alertstore.domain.changes import (
    Change,
    decide_close,
    decide_delete,
    decide_finding,
    decide_indicators,
    decide_patch,
)
from alertstore.domain.indicators import normalise_all
from alertstore.domain.query import read_filter
from alertstore.domain.surroundings import decide_malice
from alertstore.domain.times import from_micros, to_micros
from alertstore.domain.vocabulary import AlertStatus, Malice
from alertstore.errors import AlertValidationError, ConflictError, FieldProblem
from alertstore.storage import alerts, catalog, lists
from alertstore.store.base import act, is_storable
from alertstore.store.collector import paused_collector
from alertstore.store.reads import Reads
from alertstore.store.results import BulkResult

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from uuid import UUID

    from alertstore.domain.alert import Alert, Indicator
    from alertstore.domain.vocabulary import CloseClassification
    from alertstore.storage.transaction import Transaction


class Edits(Reads):
    """The edits of a store. Every one takes `reason` and `actor`, which stay with its event."""

    def patch(
        self,
        uuid: str | UUID,
        patch: Mapping[str, Any] | None = None,
        /,
        *,
        reason: str | None = None,
        actor: str | None = None,
        expected_updated_at: datetime | None = None,
        **fields: Any,
    ) -> Alert:
        """Edit an alert as `PATCH /v1/alerts/{uuid}` does: status, severity, close_classification, tags, malice_override,
        reset_malice_override; absent and None mean "leave it". Fields come as keywords or as one mapping.

        Raises `AlertValidationError` listing every problem (its subclass where there is only that one),
        `AlertNotFoundError`, and `ConflictError` where `expected_updated_at` is given and the alert was edited since.
        """
        from alertstore.wire.requests import read_patch

        wanted, shape = read_patch({} if patch is None else patch, fields)
        if not isinstance(expected_updated_at, datetime | None):
            shape.append(FieldProblem("expected_updated_at", "must be a datetime", expected_updated_at))
        by, named = self._acting(actor, reason)
        shape += named
        with self._write() as transaction:
            number, state = self._state(transaction.conn, str(uuid))
            if isinstance(expected_updated_at, datetime) and to_micros(expected_updated_at) != state.updated_at:
                current = alerts.load_alert(transaction.conn, state.uuid, self._store_id)
                raise ConflictError(f"alert {uuid} was edited since it was read", current=current, advice="look at it again, then decide")
            change = decide_patch(state, wanted, act(transaction, by), self._policy, shape)
            alerts.save(transaction, [(number, change)])
            return self._after(transaction.conn, state)

    def close_alert(
        self, uuid: str | UUID, classification: CloseClassification | str, *, reason: str | None = None, actor: str | None = None
    ) -> Alert:
        """Close an alert by the documented flow, whatever the policy: an Open one is triaged first, both steps recorded; a
        Closed one is reclassified.

        Raises `AlertValidationError` for a classification that there is not, `AlertNotFoundError`.
        """
        from alertstore.wire.requests import read_classification

        verdict, by = read_classification(classification), self._by(actor, reason)
        with self._write() as transaction:
            number, state = self._state(transaction.conn, str(uuid))
            alerts.save(transaction, [(number, decide_close(state, verdict, act(transaction, by)))])
            return self._after(transaction.conn, state)

    def patch_many(
        self,
        *,
        patch: Mapping[str, Any],
        dry_run: bool = False,
        best_effort: bool = False,
        close: bool = False,
        reason: str | None = None,
        actor: str | None = None,
        **filters: Any,
    ) -> BulkResult:
        """Edit all alerts that pass the filters of `alerts`, in one transaction.

        All or none: one refusal refuses all, raising `AlertValidationError` with the problems of every refused alert.
        `best_effort=True` goes on past refusals and lists them. `close=True` closes by the documented flow, as
        `close_alert` does, with the patch's close_classification. `dry_run=True` only says what would happen.
        """
        from alertstore.wire.requests import read_classification, read_patch

        wanted, shape = read_patch(patch)
        if close and wanted.status not in {None, AlertStatus.CLOSED}:
            shape.append(FieldProblem("status", "must be left out, or Closed, where close=True", wanted.status))
        if shape:
            raise AlertValidationError(shape)
        verdict = read_classification(wanted.close_classification) if close else None
        beside = evolve(wanted, status=None, close_classification=None) if close else wanted
        chosen, by = read_filter(filters), self._by(actor, reason)

        refused: list[tuple[str, AlertValidationError]] = []
        counted = Counter[bool]()

        def decided(transaction: Transaction) -> Iterator[tuple[int, Change]]:
            deed = act(transaction, by)
            for number, state in lists.states(transaction.conn, chosen):
                try:
                    change = decide_patch(state, beside, deed, self._policy)
                    if verdict is not None:
                        closed = decide_close(change.state, verdict, deed)
                        change = Change(closed.state, change.events + closed.events)
                except AlertValidationError as refusal:
                    refused.append((state.uuid, refusal))
                    continue
                counted[bool(change.events)] += 1
                yield number, change

        with paused_collector(), self._write() as transaction:
            if dry_run:
                deque(decided(transaction), maxlen=0)
            else:
                alerts.save(transaction, decided(transaction))
                if refused and not best_effort:
                    raise _all_refused(refused)  # which takes back what was saved
        return BulkResult(counted[True], counted[False], tuple(refused), dry_run)

    def add_finding(
        self,
        uuid: str | UUID,
        summary: str,
        *,
        agent_name: str | None = None,
        confidence: Literal["low", "medium", "high"] | None = None,
        recommended_action: str | None = None,
        evidence: Mapping[str, Any] | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Finding:
        """Add what somebody found out; a person's note is a finding by that person (`agent_name` is the actor by default).

        Raises `AlertValidationError`, `AlertNotFoundError`.
        """
        from alertstore.wire.requests import read_finding

        by = self._by(actor, reason)
        given = {"agent_name": agent_name or by[0], "summary": summary, "confidence": confidence}
        finding = read_finding(given | {"recommended_action": recommended_action, "evidence": evidence})
        with self._write() as transaction:
            number, state = self._state(transaction.conn, str(uuid))
            finding["id"] = transaction.new_uuid()
            change = decide_finding(state, finding, catalog.evidence_text(finding["evidence"]), act(transaction, by))
            alerts.save(transaction, [(number, change)])
            added = Finding(**finding, posted_at=from_micros(change.state.updated_at))
            catalog.add_finding(transaction, number, added)
        return added

    def add_indicators(
        self, uuid: str | UUID, indicators: Iterable[tuple[str, str]], *, reason: str | None = None, actor: str | None = None
    ) -> Alert:
        """Link indicators, given as (type, value), to an alert; those it has already change nothing.

        Raises `AlertValidationError` naming each that is none of its type, `AlertNotFoundError`.
        """
        if not isinstance(indicators, Iterable):
            raise AlertValidationError([FieldProblem("indicators", "must be a list of (type, value)", indicators)])
        given, by = list(indicators), self._by(actor, reason)
        problems = [
            FieldProblem(f"indicators[{k}]", "must be (type, value), the value being one of that type", pair)
            for k, pair in enumerate(given)
            if not _is_indicator(pair)
        ]
        if problems:
            raise AlertValidationError(problems)
        with self._write() as transaction:
            number, state = self._state(transaction.conn, str(uuid))
            there = catalog.linked(transaction.conn, number)
            pairs = [pair for pair in (f"{kind}:{value}" for kind, value in normalise_all(given)) if pair not in there]
            change = decide_indicators(state, sorted(pairs), act(transaction, by))
            if change.events:
                catalog.link(transaction, number, change, sorted(pairs))
            return self._after(transaction.conn, state)

    def set_indicator_malice(
        self, name: str | UUID, malice: Malice | str, *, reason: str | None = None, actor: str | None = None
    ) -> Indicator:
        """Give an analyst's verdict on an indicator (by uuid, or as `type:value`). Its alerts' malice follows; their
        updated_at does not move.

        Raises `AlertValidationError`, `AlertNotFoundError`.
        """
        if malice not in list(Malice):
            raise AlertValidationError([FieldProblem("malice", f"must be one of: {', '.join(Malice)}", malice)])
        by = self._by(actor, reason)
        with self._write() as transaction:
            before = self.indicator(name)
            number = self._indicator_number(before.uuid, None)
            draft = decide_malice(before, Malice(malice), act(transaction, by))
            if number is not None and draft is not None:
                catalog.save_indicator_malice(transaction, number, draft)
            return self.indicator(before.uuid)

    def delete_alert(self, uuid: str | UUID, *, reason: str | None = None, actor: str | None = None) -> None:
        """Take an alert out of the store. Its records and its history stay; the same record again is `seen`.

        Raises `AlertNotFoundError`; `AlertValidationError` under a legal hold.
        """
        by = self._by(actor, reason)
        with self._write() as transaction:
            self._refuse_held(transaction)
            number, state = self._state(transaction.conn, str(uuid))
            for draft in decide_delete(state, act(transaction, by)).events:
                alerts.delete(transaction, number, draft)


def _is_indicator(pair: object) -> bool:
    match pair:
        case (str(kind), str(value)):
            return is_storable(value) and bool(normalise_all([(kind, value)]))
    return False


def _all_refused(refused: list[tuple[str, AlertValidationError]]) -> AlertValidationError:
    problems = [FieldProblem(f"{uuid}.{p.path}", p.message, p.given) for uuid, refusal in refused for p in refusal.problems]
    return AlertValidationError(problems, advice="nothing was changed; best_effort=True goes on past refusals")
