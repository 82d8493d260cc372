"""Deciding on records by the batch: which alert each belongs to, the rules they name, and keeping what was decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.changes import AlertPatch, decide_patch
from alertstore.domain.dedup import Candidate, Family
from alertstore.domain.events import EventDraft, EventKind
from alertstore.domain.intake import decide_arrival, describe_rule, rule_facts
from alertstore.domain.lifecycle import LifecyclePolicy
from alertstore.domain.rulebook import filled
from alertstore.domain.vocabulary import AlertStatus
from alertstore.storage import alerts, catalog, intake
from alertstore.store.base import act
from alertstore.store.recurring import Recurring
from alertstore.store.suppressing import Suppressing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alertstore.domain.drafts import NewRule
    from alertstore.sources.base import Source
    from alertstore.storage.transaction import Transaction
    from alertstore.store.records import Readable

REPORTED_AGAIN = "reported again"
"""Why an alert is opened that a record reopened, where the import gives no reason."""


class Deciding(Recurring, Suppressing):
    """What becomes of the records of a batch."""

    def _keep(self, transaction: Transaction, batch: intake.Batch, by: tuple[str, str | None]) -> None:
        """Save the decisions on a batch, and open the alerts again that its records reopened."""
        if not batch.kept:
            return
        intake.save(self._repository, transaction, batch)
        reopened = [kept.arrival.draft.subject for kept in batch.kept if kept.arrival.reopens]  # each once: then it is active
        if not reopened:
            return
        deed = act(transaction, (by[0], by[1] or REPORTED_AGAIN))
        wanted, anything = AlertPatch(status=AlertStatus.OPEN), LifecyclePolicy.permissive()
        states = [self._state(transaction.conn, uuid) for uuid in reopened]
        alerts.save(transaction, [(number, decide_patch(state, wanted, deed, anything)) for number, state in states])

    def _rule_cache(self, source: Source) -> dict[Any, Any]:
        cache: dict[Any, Any] = self._repository.caches.setdefault(f"rules of {source.name}", {})
        return cache

    def _decide(
        self,
        transaction: Transaction,
        source: Source,
        batch: intake.Batch,
        readable: list[Readable],
        new_rules: dict[str, NewRule],
        by: tuple[str, str | None],
    ) -> tuple[list[str], int]:
        """Decide on records that were not reported before, into `batch`. The suppressions, by uuid, that held others back, one for each of
        these, and how many of these were not held back before.
        """
        if not readable:
            return [], 0
        actor, reason = by
        families = intake.families(transaction.conn, {one.prepared.fingerprint for one in readable})
        intake.know_reports(transaction.conn, families, ((one.prepared.fingerprint, one.prepared.new.occurred_at) for one in readable))
        needed = dict.fromkeys(one.prepared.new.rule_id for one in readable if one.prepared.new.rule_id is not None)
        rules = self._rules(transaction, source, needed, new_rules, by)
        window, clock, import_id, now = self._dedup.window_micros, self._dedup.by, batch.import_id, transaction.now
        usual, policies = self._policies(transaction.conn)
        held = self._held(transaction)
        held_back: list[tuple[str, Readable]] = []
        for one in readable:
            prepared = one.prepared
            rule_id = prepared.new.rule_id
            rule = None if rule_id is None else rules[rule_id]
            if held is not None and (suppression := held.holds(rule and rule[1], prepared.pairs, prepared.fingerprint)):
                held_back.append((suppression, one))
                continue
            place: dict[str, Any] = {} if import_id is None else {"import": import_id, "record": one.number}
            family = families.get(prepared.fingerprint)
            arrival = decide_arrival(
                prepared,
                family,
                uuid=transaction.new_uuid(),
                source_name=source.name,
                rule=None if rule is None else rule[1],
                record_sha256=one.digest.hex(),
                place=place,
                now=now,
                actor=actor,
                reason=reason,
                window=window,
                by=clock,
                recurrence=usual if rule is None or not policies else policies.get(rule[1], usual),
            )
            if arrival.joined is None:
                made = Candidate(0, arrival.draft.subject, arrival.occurred_at, now, active=True)
                if family is None:
                    families[prepared.fingerprint] = Family([made])
                else:
                    family.add(made)
            elif arrival.reopens and family is not None:
                family.reopen(arrival.joined)
            batch.kept.append(intake.Kept(arrival, one.digest, one.raw, one.number, None if rule is None else rule[0]))
        fresh = self._hold_back(transaction, import_id, held_back, by)
        return [suppression for suppression, _ in held_back], fresh

    def _rules(
        self,
        transaction: Transaction,
        source: Source,
        needed: Iterable[str],
        new_rules: dict[str, NewRule],
        by: tuple[str, str | None],
    ) -> dict[Any, Any]:
        """All rules that the batch needs, by the tool's id: (number, uuid). Those not here yet are made, with their events."""
        cache = self._rule_cache(source)  # which may be empty again, where another process wrote meanwhile
        if len(cache) > intake.MOST_CACHED:
            cache.clear()
        missing = [rule_id for rule_id in needed if rule_id not in cache]
        cache.update(intake.rules_of(transaction.conn, source.name, missing))
        known = catalog.same_rules(transaction.conn, [rule_id for rule_id in missing if rule_id not in cache])
        for rule_id in missing:
            if rule_id not in cache:
                rule = filled(new_rules.get(rule_id) or describe_rule(None, rule_id), known.get(rule_id))
                draft = EventDraft(EventKind.DETECTION_RULE_CREATED, transaction.new_uuid(), transaction.now, by[0], reason=by[1])
                draft.facts = rule_facts(rule, source_name=source.name, created_by=by[0])
                cache[rule_id] = (catalog.add_rule(transaction, draft), draft.subject)
        return cache
