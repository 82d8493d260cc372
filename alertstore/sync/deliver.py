"""One linked alert: look at the remote, merge, write down what will be sent, send it, look again, write down what came of it.

A crash at any step leaves either nothing or an intent; whoever comes next looks before he sends. So each edit has its effect
once, though requests may be sent again.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, frozen

from alertstore.domain.link import Held, HeldKind, Link, Outcome
from alertstore.domain.merge import AUDITED, Merged, Seen, is_delivered, merge, moves_since, needs_moves, settle, view, wanted
from alertstore.domain.plan import Action, SyncItem, changes_between
from alertstore.domain.races import races
from alertstore.domain.registers import Registers
from alertstore.domain.times import SECOND
from alertstore.sync import besides
from alertstore.sync.client import Client, RefusedError
from alertstore.sync.desk import Desk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from alertstore.domain.remotealert import RemoteAlert
    from alertstore.domain.syncpolicy import SyncPolicy
    from alertstore.storage.transaction import Transaction
    from alertstore.sync.desk import Here

PAUSES = (0.0, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 3.0)
"""Seconds between looks at whether a change has become visible: about ten in all."""


@define
class Work:
    """What every step of a sync needs."""

    desk: Desk
    client: Client
    policy: SyncPolicy


class Stage(Enum):
    """How carrying out one alert's part ended."""

    DONE = auto()
    STALE = auto()
    UNSURE = auto()


@frozen
class Prepared:
    """One alert, merged: what is here, what the remote says (None: it is gone), what follows, and the item of the plan that says so."""

    here: Here
    alert: RemoteAlert | None
    seen: Seen | None
    merged: Merged
    more: besides.Besides
    item: SyncItem
    lacking: bool = False
    """Whether findings or indicators are left to be sent another time."""


def prepare(work: Work, here: Here, alert: RemoteAlert | None = None) -> Prepared | None:
    """Look at the remote's side of an alert and merge; None where there is nothing to do. Writes nothing.

    Where an intent was left behind, it first waits until what was sent has had its effect or will not have it.
    """
    if here.link.uuid is None:
        raise ValueError(f"alert {here.uuid} is not linked")
    recovering = here.link.intent is not None
    found = wait_for_effect(work, here.link) if recovering else alert or work.client.alert(here.link.uuid)
    if found is None:
        return _gone(here)
    seen = Seen(found.registers, found.token)
    if needs_moves(here.local, here.link, seen):
        seen = evolve(seen, moves=work.client.moves(found.uuid))
    merged = merge(here.local, evolve(here.link, intent=None), seen, work.policy)
    if recovering:
        merged = _with_effect(here, merged, seen)
    with work.desk.read() as conn:
        more = besides.compare(conn, here.number, found)
    item = _item(here, found, merged, more)
    if item is None and merged.link == here.link:
        return None
    return Prepared(here, found, seen, merged, more, item or SyncItem(Action.SETTLE, here.uuid, here.title, found.uuid, found.token))


def wait_for_effect(work: Work, link: Link) -> RemoteAlert | None:
    """The remote's alert, once what was sent at the intent's time has had its effect or will not have it, by the remote's own clock."""
    sent = (link.intent or {}).get("date")
    found = work.client.alert(link.uuid or "")
    now = work.client.date
    left = work.policy.settle if sent is None or now is None else work.policy.settle - (now - sent) / SECOND
    if left <= 0:
        return found
    work.client.remote.wait(min(left, work.policy.settle))
    return work.client.alert(link.uuid or "")


def _with_effect(here: Here, merged: Merged, seen: Seen) -> Merged:
    """What the remote has of an intent was delivered by us, though nobody heard so; and what that undid must be known all the same."""
    sent = {register: tuple(seqs) for register, seqs in (here.link.intent or {}).get("edits", ())}
    told = [
        (register, seq, Outcome.DELIVERED if outcome is Outcome.CONVERGED and register in sent else outcome)
        for register, seq, outcome in merged.outcomes
    ]
    if here.link.base is None or here.link.token is None:
        return evolve(merged, outcomes=told)
    known = {register: seqs for register, seqs in sent.items() if here.local.edits.get(register, {}).keys() >= set(seqs)}
    values = wanted(here.local, known)
    raced = races(known, here.local, Seen(here.link.base, here.link.token), seen)
    held = [Held(register, HeldKind.RACED, known[register], value, values[register]) for register, value in raced.items()]
    return evolve(merged, outcomes=told, link=evolve(merged.link, held=(*merged.link.held, *held)))


def _gone(here: Here) -> Prepared | None:
    """The remote has deleted the alert: it is never made there again, nothing is deleted here, and edits that wait are kept."""
    if here.link.gone:
        return None
    link = evolve(here.link, gone=True, intent=None)
    item = SyncItem(Action.GONE, here.uuid, here.title, here.link.uuid, note="the remote has deleted it; it stays here")
    return Prepared(here, None, None, Merged(link, Registers.of(here.state)), besides.Besides(), item)


def _item(here: Here, alert: RemoteAlert, merged: Merged, more: besides.Besides) -> SyncItem | None:
    changes = changes_between(Registers.of(here.state).facts(), Desk.shown(here, merged.shown).facts())
    known = here.link.held
    held = {one.register: [one.remote, one.local] for one in merged.link.held if one not in known}
    unknown = alert.registers.unknown()
    note = f"the remote says what is no word here: {', '.join(unknown)}" if unknown and changes else ""
    if changes.get("lifecycle", [[None]])[0][0] == "Closed" and here.state.status == "Closed" and merged.body.get("status"):
        note = "the remote keeps the classification"
    if merged.body or more.findings or more.indicators:
        action = Action.PUSH
    elif held:
        action = Action.HOLD
    elif changes or more.new_findings or more.new_pairs:
        action = Action.PULL
    elif merged.outcomes:
        action = Action.SETTLE
    else:
        return None
    return SyncItem(
        action,
        here.uuid,
        here.title,
        alert.uuid,
        alert.token,
        merged.body,
        len(more.findings),
        len(more.indicators),
        changes,
        held,
        merged.outcomes,
        note,
    )


def carry_out(work: Work, prepared: Prepared) -> Stage:
    """Do what was prepared, if nothing has changed here meanwhile.

    Raises `RefusedError` where the remote refuses it: the edits are then held; `RemoteUnavailableError` where it cannot be reached;
    the intent then stays, for the next run.
    """
    here, merged, alert, more = prepared.here, prepared.merged, prepared.alert, prepared.more
    with work.desk.write() as transaction:
        if not work.desk.is_unchanged(transaction.conn, here):
            return Stage.STALE
        lacking = bool(more.findings or more.indicators)
        intent = _intent(work, merged.sends, merged.body) if merged.body or lacking else None
        link = evolve(merged.link, intent=intent, lacking=prepared.lacking or lacking)
        _take(work, transaction, prepared)
        work.desk.save(transaction, here, link, merged.outcomes)
    if alert is None or prepared.seen is None:
        return Stage.DONE
    done = _send(work, prepared, prepared.seen) if merged.body else Stage.DONE
    return _send_besides(work, prepared, done) if lacking else done


def _send_besides(work: Work, prepared: Prepared, done: Stage) -> Stage:
    """Send findings and indicators, and look until they are there; `done` is how the registers fared. Until then an intent stands, so
    that no finding is sent again while it may still come.
    """
    more, uuid = prepared.more, prepared.item.remote_uuid or ""
    besides.send_indicators(work.client, uuid, more)
    with work.desk.read() as conn:
        before = work.desk.here(conn, prepared.here.uuid)
    if before is None or not before.link.lacking:  # another sync of this store has sent them, while this one was held up
        return done
    besides.send_findings(work.client, uuid, more)
    if _look(work, uuid, lambda found: besides.is_there(more, found)) is None:
        return Stage.UNSURE
    with work.desk.write() as transaction:
        now = work.desk.here(transaction.conn, prepared.here.uuid)
        if now is not None:
            work.desk.save(transaction, now, evolve(now.link, lacking=False, intent=None if done is Stage.DONE else now.link.intent))
    return done


def _intent(work: Work, sends: Mapping[str, Sequence[int]], body: Mapping[str, Any]) -> dict[str, Any]:
    """What is about to be sent, and the remote's time before it was."""
    edits = [[register, list(seqs)] for register, seqs in sorted(sends.items())]
    return {"edits": edits, "body": dict(body)} | ({} if work.client.date is None else {"date": work.client.date})


def _take(work: Work, transaction: Transaction, prepared: Prepared) -> None:
    """Show here what the remote says, and take in what it has besides."""
    alert = prepared.alert
    if alert is None:
        return
    work.desk.show(transaction, prepared.here, prepared.merged.shown, origin_of(work, alert), alert.times)
    besides.take(work.desk, transaction, prepared.here.uuid, prepared.more, origin_of(work, alert))


def origin_of(work: Work, alert: RemoteAlert) -> dict[str, Any]:
    """Where a change comes from that the remote told of; its own words too, where they are none of ours."""
    origin: dict[str, Any] = {"remote": work.client.remote.name, "uuid": alert.uuid, "token": alert.token}
    return origin | ({"values": alert.registers.facts()} if alert.registers.unknown() else {})


def _send(work: Work, prepared: Prepared, seen: Seen) -> Stage:
    merged, uuid = prepared.merged, prepared.item.remote_uuid or ""
    try:
        said = work.client.patch(uuid, merged.body)
    except RefusedError:
        _refused(work, prepared)
        raise
    found = None if said is None else read_back(work, uuid, merged.body, said.token, seen.token)
    if said is None or found is None:  # deleted there, or not to be seen yet: whoever looks next finds out
        return Stage.UNSURE
    audited = any(register in AUDITED for register in merged.sends)
    after = Seen(found.registers, found.token, work.client.moves(uuid) if audited else ())
    if found.token != said.token and not is_delivered(merged.body, found.registers) and not _arrived(prepared, seen, after):
        return Stage.UNSURE
    _delivered(work, prepared, found, races(merged.sends, prepared.here.local, seen, after))
    return Stage.DONE


def read_back(work: Work, uuid: str, body: Any, token: str, before: str) -> RemoteAlert | None:
    """The alert, as soon as the remote shows the change, or one by somebody else after it; None where it never does.

    An answer of 200 proves nothing: the remote commits after it has answered.
    """
    return _look(work, uuid, lambda found: found.token == token or is_delivered(body, found.registers) or found.token != before)


def _look(work: Work, uuid: str, is_so: Callable[[RemoteAlert], bool]) -> RemoteAlert | None:
    """The alert, looked at for about ten seconds until something is so; None where it never is, or where the alert is gone."""
    for pause in PAUSES:
        work.client.remote.wait(pause)
        found = work.client.alert(uuid)
        if found is None or is_so(found):
            return found
    return None


def _arrived(prepared: Prepared, before: Seen, after: Seen) -> bool:
    """Whether the activity log shows that we set everything audited that was sent, though somebody has moved on since."""
    sent = {register: value for register, value in wanted(prepared.here.local, prepared.merged.sends).items() if register in AUDITED}
    moves = {register: moves_since(register, after.moves or (), before.token) for register in sent}
    return bool(sent) and all(any(move.ours and move.after == value for move in moves[register]) for register, value in sent.items())


def _refused(work: Work, prepared: Prepared) -> None:
    """Hold what the remote refused: only a person can put it right."""
    with work.desk.write() as transaction:
        now = work.desk.here(transaction.conn, prepared.here.uuid)
        if now is None:
            return
        base = now.link.base
        sends = prepared.merged.sends
        held = [
            Held(register, HeldKind.REJECTED, sends[register], None if base is None else base[register], value)
            for register, value in wanted(now.local, sends).items()
        ]
        _finish(work, transaction, now, evolve(now.link, intent=None, held=(*now.link.held, *held)), prepared.alert)


def _delivered(work: Work, prepared: Prepared, found: RemoteAlert, raced: dict[str, Any]) -> None:
    with work.desk.write() as transaction:
        now = work.desk.here(transaction.conn, prepared.here.uuid)
        if now is None:
            return
        intent = _intent(work, {}, {}) if now.link.lacking else None
        link, outcomes = evolve(now.link, base=found.registers, token=found.token, intent=intent), []
        for register, value in wanted(now.local, prepared.merged.sends).items():
            seqs = prepared.merged.sends[register]
            link, told = settle(now.local, link, register, seqs, Outcome.DELIVERED)
            outcomes += told
            if register in raced:
                link = evolve(link, held=(*link.held, Held(register, HeldKind.RACED, seqs, raced[register], value)))
        _finish(work, transaction, now, link, found, outcomes)


def _finish(
    work: Work,
    transaction: Transaction,
    now: Here,
    link: Link,
    alert: RemoteAlert | None,
    outcomes: Sequence[tuple[str, int, Outcome]] = (),
) -> None:
    """Keep how the alert stands, and show what it then must."""
    if alert is not None:
        work.desk.show(transaction, now, view(now.local, link), origin_of(work, alert), alert.times)
    work.desk.save(transaction, now, link, outcomes)
