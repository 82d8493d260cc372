"""Sync with the remote API: plan it, do it, and decide what only a person can decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

from attrs import evolve

from alertstore.domain.changes import decide_shown
from alertstore.domain.events import EventKind
from alertstore.domain.link import Held, HeldKind, Outcome
from alertstore.domain.merge import is_decided, settle, winner
from alertstore.domain.plan import Conflict, SyncPlan, SyncResult
from alertstore.domain.registers import Registers, shown_value
from alertstore.domain.syncpolicy import SyncPolicy
from alertstore.domain.times import to_micros
from alertstore.errors import AlertNotFoundError, AlertValidationError, FieldProblem
from alertstore.storage import alerts, links
from alertstore.store.base import act
from alertstore.store.reads import Reads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from alertstore.domain.alert import Alert
    from alertstore.domain.changes import Act
    from alertstore.storage.transaction import Transaction
    from alertstore.sync.desk import Desk, Here
    from alertstore.sync.remote import Remote

SIDES = ("local", "remote")


class _How(TypedDict, total=False):
    """How a sync is made (for type checkers; see `Syncing.sync`)."""

    policy: SyncPolicy | Mapping[str, Any] | None
    pull: bool
    push: bool
    audit: bool
    force: bool
    reason: str | None
    actor: str | None


class Syncing(Reads):
    """The store and its remote."""

    @overload
    def sync(self, remote: Remote, *, dry_run: Literal[True], **more: Unpack[_How]) -> SyncPlan: ...

    @overload
    def sync(
        self, remote: Remote, *, dry_run: Literal[False] = False, plan: SyncPlan | None = None, **more: Unpack[_How]
    ) -> SyncResult: ...

    def sync(
        self,
        remote: Remote,
        *,
        dry_run: bool = False,
        plan: SyncPlan | None = None,
        policy: SyncPolicy | Mapping[str, Any] | None = None,
        pull: bool = True,
        push: bool = True,
        audit: bool = False,
        force: bool = False,
        reason: str | None = None,
        actor: str | None = None,
    ) -> SyncPlan | SyncResult:
        """Bring this store and a remote together: what was edited here goes there, what was edited there comes here.

        `dry_run=True` gives the plan, and changes nothing; `plan=` does exactly what such a plan says. policy: who is right where both
        sides changed the same (`SyncPolicy`, or what `SyncPolicy.read` takes). pull, push: one way only. audit: look at everything the
        remote has, not only at what is active or new. force: go on where a guard would stop: another name of the remote, a restored
        remote, more alerts than the policy allows closed, gone or sent.

        Every edit gets one outcome, kept in the history; what a person must decide is in `conflicts`. An interrupted sync is gone on
        with by the next one. Raises `SyncError` where a guard stops it, `RemoteUnavailableError`, `RemoteRejectedError`.
        """
        from alertstore.sync.client import Client
        from alertstore.sync.course import Wanted
        from alertstore.sync.deliver import Work
        from alertstore.sync.run import begin, follow, run, skew_of
        from alertstore.sync.run import plan as make_plan

        if plan is not None and (dry_run or audit or not pull or not push):
            raise AlertValidationError(
                [FieldProblem("plan", "says all there is to do: it goes with none of dry_run, pull, push and audit", plan)]
            )
        chosen = policy if isinstance(policy, SyncPolicy) else SyncPolicy.read(policy or {})
        work = Work(self._desk(self._by(actor, reason)), Client(remote), chosen)
        course = begin(work, Wanted(pull=pull, push=push, audit=audit, force=force, dry_run=dry_run))
        if plan is not None:
            return follow(course, plan)
        if dry_run:
            made = make_plan(course, None)
            return evolve(made, skew=skew_of(work, to_micros(self._clock())))
        return run(course)

    def _desk(self, by: tuple[str, str | None]) -> Desk:
        from alertstore.sync.desk import Desk

        return Desk(self._repository, self._write, self._store_id, by[0], by[1])

    def conflicts(self) -> list[Conflict]:
        """The edits that wait for a person, and the alerts that are gone from the remote, in the order of the alerts."""
        desk, found = self._desk((self._actor, None)), []
        with self._read() as conn:
            for _, uuid, title in links.all_open(conn):
                here = desk.here(conn, uuid)
                if here is not None:
                    found += _conflicts_of(here, title)
        return found

    def resolve(
        self, uuid: str | UUID, register: str = "lifecycle", *, take: str, reason: str | None = None, actor: str | None = None
    ) -> Alert:
        """Decide a conflict: `take="local"` makes our value the alert's again, and the next sync sends it; `take="remote"` keeps the
        remote's. Either is an edit like any other, that replaces those which waited. register: as `conflicts` names it; "create", where
        the remote refused to make the alert: local sends it again, remote keeps it here alone. Of an alert that is gone from the
        remote, either leaves it here as it is. Where several people's edits wait, "local" is what the alert shows here, and the name of
        one of them takes his. Any other edit of the register decides it too.

        Raises `AlertNotFoundError` where there is no such conflict, `AlertValidationError`.
        """
        by = self._by(actor, reason)
        desk = self._desk(by)
        with self._write() as transaction:
            here = desk.here(transaction.conn, str(uuid).lower())
            if here is None:
                self._no_alert(uuid)
            if register == "create" and here.link.refused is not None:
                _check_side(take)
                _decide_creation(desk, transaction, here, again=take == "local")
            elif here.link.gone and register in here.link.pending(here.state.heads):
                _check_side(take)
                link, outcomes = settle(here.local, here.link, register, here.link.pending(here.state.heads)[register], _LEFT[take])
                desk.save(transaction, here, link, outcomes)
            else:
                _decide_held(desk, transaction, here, register, act(transaction, by), take)
            return self._after(transaction.conn, here.state)


def _check_side(take: str, names: Sequence[str] = ()) -> None:
    if take not in {*SIDES, *names}:
        raise AlertValidationError([FieldProblem("take", f"must be one of: {', '.join([*SIDES, *names])}", take)])


def _value_of(here: Here, held: Held, take: str) -> Any:
    """The value that is taken of what waits: the remote's, ours, or that of somebody whose edits agree."""
    known = here.local.edits.get(held.register, {})
    values: dict[str, list[Any]] = {}
    for seq in held.edits:
        if seq in known and known[seq].value not in values.setdefault(known[seq].actor, []):
            values[known[seq].actor].append(known[seq].value)
    names = sorted(name for name, told in values.items() if len(told) == 1)
    _check_side(take, names)
    if take in SIDES:
        return held.local if take == "local" else held.remote
    return values[take][0]


_LEFT = {"local": Outcome.UNSENDABLE, "remote": Outcome.OVERRULED}
"""What becomes of edits of an alert that is gone from the remote; here it stays as it is."""


def _decide_creation(desk: Desk, transaction: Transaction, here: Here, *, again: bool) -> None:
    """Have an alert that the remote refused sent again, or never."""
    link = evolve(here.link, refused=None, lacking=again, alone=not again)
    outcomes = []
    for register, seqs in {} if again else here.link.pending(here.state.heads).items():
        link, told = settle(here.local, link, register, seqs, Outcome.UNSENDABLE)
        outcomes += told
    desk.save(transaction, here, link, outcomes)


def _decide_held(desk: Desk, transaction: Transaction, here: Here, register: str, deed: Act, take: str) -> None:
    pending = here.link.pending(here.state.heads)
    waiting = [one for one in here.link.held if one.register == register and not is_decided(here.local, one, pending)]
    held = min(waiting, key=lambda one: one.kind.is_afterwards, default=None)
    if held is None:
        raise AlertNotFoundError(f"no conflict about {register} of alert {here.uuid}", advice="conflicts() lists those there are")
    if take == "remote" and here.link.base is None:
        problem = FieldProblem("take", "must be local: no remote has been seen to say anything of this alert", take)
        raise AlertValidationError([problem], advice="edit the alert to what it shall be; that decides it as well")
    value = _value_of(here, held, take)
    now = Registers.of(here.state)
    before = now[register] if here.link.base is None else shown_value(register, held.remote)  # what the person was shown
    edit = {"register": register, "value": [before, value], "sup": [], "rbase": None, "rtoken": None}
    change = decide_shown(here.state, now.having(register, value).shown(), deed, edits=[edit], kind=EventKind.ALERT_CONFLICT_RESOLVED)
    alerts.save(transaction, [(here.number, change)])
    desk.save(transaction, here, evolve(here.link, held=tuple(one for one in here.link.held if one != held)))


def _conflicts_of(here: Here, title: str) -> list[Conflict]:
    link, uuid = here.link, here.uuid
    pending = link.pending(here.state.heads)
    found = []
    for one in link.held:
        if is_decided(here.local, one, pending) or (link.gone and not one.kind.is_afterwards):
            continue
        known = here.local.edits.get(one.register, {})
        edits = tuple((known[seq].actor, known[seq].value) for seq in one.edits if seq in known)
        found.append(Conflict(uuid, title, one.register, one.kind.value, one.remote, one.local, edits))
    for register, seqs in pending.items() if link.gone else ():
        waiting = here.local.of(register, seqs)
        edits = tuple((edit.actor, edit.value) for edit in waiting)
        found.append(Conflict(uuid, title, register, "gone", None, winner(waiting).value, edits))
    if link.refused is not None:
        found.append(Conflict(uuid, title, "create", HeldKind.REJECTED.value, link.refused, "an alert"))
    return found
