"""What becomes of records that repeat a Closed alert: the policy, kept in the store, and the verdicts that it suggests."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from alertstore.domain.changes import decide_close
from alertstore.domain.dedup import ALWAYS_NEW, Recurrence, RecurrencePolicy
from alertstore.domain.events import EventDraft, EventKind
from alertstore.domain.query import read_filter
from alertstore.errors import AlertValidationError, FieldProblem
from alertstore.storage import alerts, lists, recurrence, settings
from alertstore.store.base import act
from alertstore.store.collector import paused_collector
from alertstore.store.reads import Reads
from alertstore.store.results import BulkResult

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping

    from alertstore.domain.changes import Change
    from alertstore.storage.transaction import Transaction


class Recurring(Reads):
    """Recurrence: its policy, and what it suggests."""

    def set_recurrence(
        self,
        inside: Recurrence | str | None,
        outside: Recurrence | str | None = None,
        *,
        rule: str | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> None:
        """Choose what becomes of a record whose nearest match is Closed (see `Recurrence`): `inside` the window of duplicates, and
        `outside` it (None: the same). With `rule` (uuid, or the tool's id) for that rule's records, else for the whole store.

        `inside=None` takes the rule's own policy away, or the store's, which is then new-linked again. Records that are here already are
        not decided anew. Raises `AlertValidationError`; `AlertNotFoundError` for an unknown rule.
        """
        if inside is None and outside is not None:
            raise AlertValidationError([FieldProblem("outside", "needs inside", outside)])
        policy = None if inside is None else RecurrencePolicy(inside, inside if outside is None else outside)
        by = self._by(actor, reason)
        with self._write() as transaction:
            name = recurrence.name(transaction.conn, rule)
            before, after = settings.value(transaction.conn, name), "" if policy is None else f"{policy.inside} {policy.outside}"
            if after != before:
                draft = EventDraft(EventKind.SETTING_CHANGED, name, transaction.now, by[0], changes={name: [before, after]}, reason=by[1])
                settings.save(transaction, draft)

    def recurrence(self, rule: str | None = None) -> RecurrencePolicy:
        """The policy in force for records of a rule (uuid, or the tool's id): its own, else the store's; without `rule` the store's."""
        with self._read() as conn:
            usual, policies = self._policies(conn)
            return usual if rule is None else policies.get(recurrence.rule_uuid(conn, rule), usual)

    def rule_recurrences(self) -> Mapping[str, RecurrencePolicy]:
        """The policies of the rules that have one of their own, by the rule's uuid."""
        with self._read() as conn:
            return self._policies(conn)[1]

    def _policies(self, conn: sqlite3.Connection) -> tuple[RecurrencePolicy, dict[str, RecurrencePolicy]]:
        """The store's policy, and those of rules by their uuid."""
        usual, own = ALWAYS_NEW, {}
        for rule, policy in recurrence.policies(conn):
            if rule is None:
                usual = policy
            else:
                own[rule] = policy
        return usual, own

    def close_suggested(self, *, dry_run: bool = False, reason: str | None = None, actor: str | None = None, **filters: Any) -> BulkResult:
        """Close each alert that passes the filters of `alerts` with the verdict of the alert that it repeats (`Alert.suggestion`), by the
        documented flow, all in one transaction. Those that have no suggestion are left as they are and listed in `refused`.

        The reason, where none is given, names the alert whose verdict it was. Raises `AlertValidationError`.
        """
        chosen, by = read_filter(filters), self._by(actor, reason)
        counted, bare = Counter[bool](), list[tuple[str, AlertValidationError]]()
        nothing = AlertValidationError([FieldProblem("suggestion", "there is none: it is closed, or repeats no closed alert", None)])

        def decided(transaction: Transaction) -> Iterator[tuple[int, Change]]:
            for number, state in lists.states(transaction.conn, chosen):
                found = recurrence.suggestion(transaction.conn, number)
                if found is None:
                    bare.append((state.uuid, nothing))
                    continue
                deed = act(transaction, (by[0], by[1] or f"as {found.predecessor}, which it repeats"))
                change = decide_close(state, found.classification, deed)
                counted[bool(change.events)] += 1
                yield number, change

        with paused_collector(), self._write() as transaction:
            if dry_run:
                deque(decided(transaction), maxlen=0)
            else:
                alerts.save(transaction, decided(transaction))
        return BulkResult(counted[True], counted[False], tuple(bare), dry_run)
