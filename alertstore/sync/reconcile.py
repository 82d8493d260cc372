"""What two stores know of one alert and the remote, brought together: the newer of what each saw, every outcome, what waits for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from alertstore.domain.changes import decide_shown
from alertstore.domain.lifecycle import LifecycleTimes
from alertstore.domain.link import Held, HeldKind, Link, Outcome, Settled
from alertstore.domain.merge import at_odds, newer, view, winner
from alertstore.domain.times import is_representable
from alertstore.storage import alerts, links

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alertstore.storage.transaction import Transaction
    from alertstore.sync.desk import Desk, Here


def settle(desk: Desk, transaction: Transaction, line: Mapping[str, Any], uuid: str, seqs: Mapping[int, int], bundle: str) -> int:
    """Take over what the other store knows of the remote, and hold what stores do not agree on; then show what follows.

    line: what a bundle (its id) says of an alert; seqs: the events here that keep those of the line. How many registers came to wait
    for a person.
    """
    transaction.flush()
    here = desk.here(transaction.conn, uuid)
    if here is None:
        return 0
    link, outcomes = here.link, list[tuple[str, int, Outcome]]()
    if line["sync"] is not None:
        link, outcomes = _learn(here, line, seqs)
    link = _peers(here, link)
    after = evolve(here, link=link)
    shown = desk.shown(after, view(here.local, link))
    origin = {"bundle": bundle}
    times = _times(line, shown.status)
    alerts.save(transaction, [(here.number, decide_shown(here.state, shown, desk.act(transaction, origin), elsewhere=times))])
    transaction.flush()
    now = desk.here(transaction.conn, uuid)
    if now is not None and (link != here.link or outcomes):
        links.save_link(transaction, now.number, uuid, link, actor=desk.actor, reason=desk.reason, outcomes=outcomes)
    return len([one for one in link.held if one not in here.link.held])


def _times(line: Mapping[str, Any], status: str) -> LifecycleTimes | None:
    """When the alert got the status that it has now, and what it did before, by the last event of the line that gave it; else None."""
    for one in reversed(line["events"]):
        changes, told = one["body"].get("changes"), one["body"].get("sets")
        step = changes.get("status") if isinstance(changes, dict) else None
        if isinstance(told, dict) and isinstance(step, list) and step[-1:] == [status]:
            times = [told.get(name) for name in LifecycleTimes._fields]
            return LifecycleTimes(*(at if type(at) is int and is_representable(at) else None for at in times))
    return None


def _learn(here: Here, line: Mapping[str, Any], seqs: Mapping[int, int]) -> tuple[Link, list[tuple[str, int, Outcome]]]:
    """How an alert stands by what another store knows: its base where the remote's was newer, and every outcome that it knows of."""
    theirs, link = Link.read(line["sync"]["state"]), here.link
    observed = line["sync"]["observed"]
    later = newer(theirs.token, link.token)
    if theirs.base is not None and later:
        link = evolve(link, base=theirs.base, token=theirs.token, observed=(observed[0], observed[1]))
    if link.uuid is None and theirs.uuid is not None:
        link = evolve(link, uuid=theirs.uuid, created_at=theirs.created_at, shared=theirs.shared, refused=None)
    gone = link.gone or (theirs.gone and theirs.uuid == link.uuid)
    told = _outcomes(here, line, seqs)
    settled = dict(link.settled)
    for register, one in theirs.settled.items():
        known = Settled(here.local.last(register, {seqs[seq] for seq in one.edits if seq in seqs}), one.token)
        joined = _joined(here, register, settled.get(register, known), known)
        if joined.edits:
            settled[register] = joined
    link = evolve(link, settled=settled, gone=gone)
    if theirs.base is not None and theirs.token == link.token:
        shared = [one for one in theirs.held if one.kind is not HeldKind.RESTORED]  # a gateway's own matter: others have not looked
        there = [one._replace(edits=tuple(sorted(seqs[seq] for seq in one.edits if seq in seqs))) for one in shared]
        link = evolve(link, held=_held(here, link, [*there, *link.held] if later else sorted([*there, *link.held], key=repr)))
    return link, told


def _joined(here: Here, register: str, mine: Settled, theirs: Settled) -> Settled:
    """What two stores know to be settled of a register. The token goes with the edits that it was seen with; where the two know
    different ones of the same edits, or each of some that the other does not, none is known.
    """
    edits = here.local.last(register, {*mine.edits, *theirs.edits})
    tokens = {one.token for one in (mine, theirs) if one.edits == edits}
    return Settled(edits, tokens.pop() if len(tokens) == 1 else None)


def _held(here: Here, link: Link, told: Sequence[Held]) -> tuple[Held, ...]:
    """What two stores that have seen the remote alike left to a person, as far as it is not decided: the first of each counts."""
    pending, found = link.pending(here.local.heads), dict[tuple[str, bool], Held]()
    for one in told:
        raced = one.kind.is_afterwards
        heads = here.local.heads.get(one.register, ())
        if one.kind not in {HeldKind.PEERS, HeldKind.RESTORED} and (
            set(one.edits) & {*heads} if raced else set(one.edits) == {*pending.get(one.register, ())}
        ):
            found.setdefault((one.register, raced), one)
    own = [one for one in told if one.kind is HeldKind.RESTORED and one.register not in pending]
    return (*(found[key] for key in sorted(found)), *own)


def _outcomes(here: Here, line: Mapping[str, Any], seqs: Mapping[int, int]) -> list[tuple[str, int, Outcome]]:
    """The outcomes of edits that the other store knows of and this one does not, those in its history first to last."""
    told = []
    for one in line["events"]:
        if one["body"]["kind"] == "alert_synced":
            for register, seq, outcome in one["body"].get("facts", {}).get("outcomes", ()):
                known = here.link.settled.get(register)
                done = here.local.built_on(register, () if known is None else known.edits)
                if seq in seqs and seqs[seq] not in done and seqs[seq] in here.local.edits.get(register, {}):
                    told.append((register, seqs[seq], Outcome(outcome)))
    return list(dict.fromkeys(told))


def _peers(here: Here, link: Link) -> Link:
    """Hold what edits of several stores do not agree on; let go of what they do."""
    held = [one for one in link.held if one.kind is not HeldKind.PEERS]
    for register, seqs in sorted(link.pending(here.local.heads).items()):
        edits = here.local.of(register, seqs)
        if at_odds(edits) and not any(one.register == register and not one.kind.is_afterwards for one in held):
            base = None if link.base is None else link.base[register]
            held.append(Held(register, HeldKind.PEERS, seqs, base, winner(edits).value))
    return evolve(link, held=tuple(held))
