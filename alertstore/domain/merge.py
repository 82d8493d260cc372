"""Merging: what becomes of an alert that was edited here, in other stores, and on the remote.

For each register with edits that have no outcome yet, the remote's value r, read just now, and the winner w of those edits:

1.  r is w's value: converged; nothing is sent, whoever sends it again.
2.  The remote's activity log, since the author looked, shows w's value set, and r is another: superseded; it was there, somebody moved on.
    Where the author never looked, a person decides: that may have been years before the edit.
3.  r is a value that the author knew (what was replaced, or the remote's as he saw it), and nobody else has touched it since: send.
4.  Else the policy says: take_local, take_remote, or hold, which leaves it to a person.
5.  Never by itself out of Closed, unless the author had seen Closed.

No clock of ours decides anything. Times of the remote are compared with times of the remote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import evolve, field, frozen

from alertstore.domain.link import Held, HeldKind, Link, Outcome, Settled
from alertstore.domain.registers import LIFECYCLE, MALICE, SEVERITY, TAG, Registers, ancestors, shown_value
from alertstore.domain.syncpolicy import TAKE_LOCAL, TAKE_REMOTE, SyncPolicy
from alertstore.domain.times import read_rfc3339
from alertstore.domain.vocabulary import AlertStatus, CloseClassification, Malice, Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from alertstore.domain.registers import Edit, Value

_CLOSED = AlertStatus.CLOSED.value
AUDITED = (LIFECYCLE, SEVERITY, MALICE)
"""The registers whose changes the remote's activity log shows (but for a reclassification)."""


class Move(NamedTuple):
    """A change that the remote's activity log shows. ours: made with our key. Of a lifecycle that is left, only the status is known."""

    register: str
    before: Value
    after: Value
    at: str
    ours: bool


@frozen
class Seen:
    """What the remote says of an alert: its registers, its token (updated_at), and the moves that its log shows, newest first
    (None: nobody asked).
    """

    registers: Registers
    token: str
    moves: Sequence[Move] | None = None


@frozen
class Local:
    """What is here: the registers that the alert came with, its edits by register and seq, and the heads by register."""

    came: Registers
    edits: Mapping[str, Mapping[int, Edit]]
    heads: Mapping[str, Sequence[int]]

    def of(self, register: str, seqs: Iterable[int]) -> list[Edit]:
        """Edits of a register, by seq."""
        return [self.edits[register][seq] for seq in seqs]

    def built_on(self, register: str, seqs: Iterable[int]) -> set[int]:
        """The edits that these replace, directly or not, themselves included."""
        return ancestors(self.edits.get(register, {}), seqs)

    def last(self, register: str, seqs: Iterable[int]) -> tuple[int, ...]:
        """Those of some edits that no other of them replaces, directly or not; what is not known any more is left out."""
        known = {seq: self.edits[register][seq] for seq in seqs if seq in self.edits.get(register, ())}
        replaced = self.built_on(register, [old for edit in known.values() for old in edit.sup])
        return tuple(sorted(known.keys() - replaced))


@frozen
class Merged:
    """What follows: the body of the PATCH ({}: nothing to send) and the edits it delivers, by register; the link after what is
    settled without sending; the registers that the alert must show; the outcomes of edits by seq and register.
    """

    link: Link
    shown: Registers
    body: Mapping[str, Any] = field(factory=dict)
    sends: Mapping[str, tuple[int, ...]] = field(factory=dict)
    outcomes: Sequence[tuple[str, int, Outcome]] = ()


def needs_moves(local: Local, link: Link, seen: Seen) -> bool:
    """Whether the activity log must be asked before merging: something audited waits, and the remote changed since its author looked."""
    for register, seqs in link.pending(local.heads).items():
        if register in AUDITED and any(_since(local, link, edit) != seen.token for edit in local.of(register, seqs)):
            return True
    return False


def merge(local: Local, link: Link, seen: Seen, policy: SyncPolicy) -> Merged:
    """Decide about every register, by the rules above."""
    pending = link.pending(local.heads)
    known = tuple(one for one in link.held if one.kind.is_afterwards and not is_decided(local, one, pending))
    undone = _undone(local, link, seen, {*pending, *(one.register for one in known)})
    after = evolve(link, base=seen.registers, token=seen.token, gone=False, held=(*known, *undone))
    outcomes: list[tuple[str, int, Outcome]] = []
    sends: dict[str, tuple[int, ...]] = {}
    for register, seqs in sorted(pending.items()):
        decided = _decide(local, link, register, seqs, seen, policy)
        if isinstance(decided, Held):
            after = evolve(after, held=(*after.held, decided))
        elif decided is None:
            sends[register] = seqs
        else:
            after, told = settle(local, after, register, seqs, decided)
            after = evolve(after, held=(*after.held, *_late(link, register, seqs, seen)))
            outcomes += told
    return Merged(after, view(local, after), body_of(local, seen.registers, sends), sends, outcomes)


def is_decided(local: Local, held: Held, pending: Mapping[str, Sequence[int]]) -> bool:
    """Whether what waited for a person is decided: by an edit that waits now and replaces it."""
    waiting = pending.get(held.register, ())
    if held.kind.is_afterwards:
        return bool({*held.edits} & local.built_on(held.register, waiting))
    return {*held.edits} != {*waiting}


def _undone(local: Local, link: Link, seen: Seen, besides: Collection[str]) -> list[Held]:
    """The edits that had arrived, and are not there any more since the remote went back in time."""
    found = []
    for register, done in sorted(link.settled.items()) if newer(link.token, seen.token) else ():
        edits = [edit for seq, edit in local.edits.get(register, {}).items() if seq in done.edits]
        if register not in besides and newer(done.token, seen.token) and edits:
            value, remote = winner(edits).value, seen.registers[register]
            if value != remote:
                found.append(Held(register, HeldKind.RESTORED, tuple(edit.seq for edit in edits), remote, value))
    return found


def _late(link: Link, register: str, seqs: Sequence[int], seen: Seen) -> list[Held]:
    """What a request of ours undid that arrived after it had been given up, while the edit already waited for a person."""
    held = link.holding(register, seqs)
    if held is None or held.kind is not HeldKind.POLICY:
        return []
    moves = moves_since(register, seen.moves or (), link.token)
    undone = any(move.ours and alike(register, move.before, held.remote) and alike(register, move.after, held.local) for move in moves)
    return [held._replace(kind=HeldKind.RACED)] if undone else []


def settle(local: Local, link: Link, register: str, seqs: Sequence[int], outcome: Outcome) -> tuple[Link, list[tuple[str, int, Outcome]]]:
    """Give edits their outcome. Those that they replaced, and that had none, were replaced; of several heads the winner's outcome is
    also that of those with its value, and the others were overruled.
    """
    before = link.settled.get(register, Settled((), None)).edits
    fresh = local.built_on(register, seqs) - local.built_on(register, before)
    if not fresh:
        return link, []
    edits = local.of(register, seqs)
    value = winner(edits).value
    told = [(register, seq, Outcome.REPLACED) for seq in sorted(fresh - set(seqs))]
    told += [(register, edit.seq, outcome if edit.value == value else Outcome.OVERRULED) for edit in edits if edit.seq in fresh]
    is_there = link.base is not None and link.base[register] == value
    done = Settled(local.last(register, {*before, *seqs}), link.token if is_there else None)
    return evolve(link, settled={**link.settled, register: done}), told


def view(local: Local, link: Link) -> Registers:
    """What the alert must show: the winner of the edits that wait, else what the remote says. Held ones show the remote's value.

    Without a remote (no base), the winner of all heads, else what the alert came with.
    """
    pending = {register: seqs for register, seqs in local.heads.items() if seqs} if link.base is None else link.pending(local.heads)
    shown = local.came if link.base is None else link.base.shown()
    for register, seqs in sorted(pending.items()):
        held = link.holding(register, seqs)
        if link.base is None or held is None or held.kind is HeldKind.PEERS:
            shown = shown.having(register, winner(local.of(register, seqs)).value)
    return shown.shown()


def winner(edits: Sequence[Edit]) -> Edit:
    """Of edits that do not know of each other, the one that counts: the highest rank, then the greatest id.

    Closed ranks lowest: as long as somebody else has the alert in hand it is not taken from the queue. A tag that somebody set is kept.
    """
    return max(edits, key=lambda edit: (_rank(edit.register, edit.value), edit.id))


def _rank(register: str, value: Value) -> int:
    if register == LIFECYCLE:
        return _STEPS.get(value[0], 0)
    if register == SEVERITY:
        return _SEVERITIES.get(value, -1)
    if register == MALICE:
        return _VERDICTS.get(value, -1)
    return int(value)


_STEPS = {status: place for place, status in enumerate((_CLOSED, AlertStatus.OPEN, AlertStatus.TRIAGING, AlertStatus.ESCALATED))}
_SEVERITIES, _VERDICTS = ({word.value: word.rank for word in words} for words in (Severity, Malice))


def at_odds(edits: Sequence[Edit]) -> bool:
    """Whether edits that do not know of each other differ where a person must decide: about closing, or about an override."""
    if len({repr(edit.value) for edit in edits}) < 2:  # noqa: PLR2004 - one value is no disagreement
        return False
    register = edits[0].register
    return register == MALICE or (register == LIFECYCLE and any(edit.value[0] == _CLOSED for edit in edits))


def _decide(local: Local, link: Link, register: str, seqs: Sequence[int], seen: Seen, policy: SyncPolicy) -> Outcome | Held | None:
    """An outcome, or what is held, or None: send."""
    edits = local.of(register, seqs)
    remote = seen.registers[register]
    edit = winner(edits)
    if at_odds(edits):
        return Held(register, HeldKind.PEERS, tuple(seqs), remote, edit.value)
    if remote == edit.value:
        return Outcome.CONVERGED
    if register.startswith(TAG) and policy.is_readonly(register.removeprefix(TAG)):
        return Outcome.UNSENDABLE
    before = link.holding(register, seqs)
    if before is not None and before.remote == remote:
        return before  # nothing has changed since it was left to a person
    same = [one for one in edits if one.value == edit.value]
    edit = max(same, key=lambda one: (_micros(_since(local, link, one)), one.id))  # whoever of them has seen most speaks for all
    since = _since(local, link, edit)
    known = _values_known(local, link, edit)
    moves = [] if register not in AUDITED or since == seen.token else moves_since(register, seen.moves or (), since)
    if any(move.after == edit.value for move in moves):  # by us, or by another gateway; where its author never looked, nobody can tell
        return Outcome.SUPERSEDED if since is not None else Held(register, HeldKind.POLICY, tuple(seqs), remote, edit.value)
    untouched = remote in known and not any(not (move.ours and move.after in known) for move in moves)
    if untouched or register.startswith(TAG):  # a tag is there or not: that it is not as the author wants it is all there is to know
        return None
    choice = policy.choose(register, remote, edit.value)
    leaves_closed = register == LIFECYCLE and remote[0] == _CLOSED and edit.value[0] != _CLOSED
    if choice == TAKE_LOCAL and not leaves_closed:
        return None
    return Outcome.OVERRULED if choice == TAKE_REMOTE else Held(register, HeldKind.POLICY, tuple(seqs), remote, edit.value)


def _fresh(local: Local, link: Link, edit: Edit) -> tuple[list[Edit], set[int]]:
    """An edit and those that it builds on, newest first, back to where an outcome is known; and those of the latter next to it."""
    done = link.settled[edit.register].edits if edit.register in link.settled else ()
    chain = local.built_on(edit.register, [edit.seq])
    return local.of(edit.register, sorted(chain - local.built_on(edit.register, done), reverse=True)), chain & set(done)


def _saw(edit: Edit) -> bool:
    """Whether the author of an edit was shown what the remote said; an edit that had not been sent yet may have hidden it."""
    return edit.rtoken is not None and shown_value(edit.register, edit.rbase) == edit.before


def _since(local: Local, link: Link, edit: Edit) -> str | None:
    """The remote's token up to which the author of an edit knew what it said: that of the last edit of his, or of those that he
    builds on, whose author was shown it; or that at which the remote had what he builds on.
    """
    fresh, done = _fresh(local, link, edit)
    tokens = [one.rtoken for one in fresh if _saw(one)]
    if done and done == set(link.settled[edit.register].edits) and link.settled[edit.register].token is not None:
        tokens.append(link.settled[edit.register].token)
    return max(tokens, key=_micros, default=edit.rtoken)


def _micros(token: str | None) -> int:
    found = None if token is None else read_rfc3339(token)
    return -(1 << 62) if found is None else found


def newer(token: str | None, than: str | None) -> bool:
    """Whether a token of the remote's is later than another, by the times that they are."""
    return _micros(token) > _micros(than)


def moves_since(register: str, moves: Sequence[Move], since: str | None) -> list[Move]:
    """The moves of a register after a token of the remote's; those of a time that cannot be read among them."""
    return [move for move in moves if move.register == register and (read_rfc3339(move.at) is None or newer(move.at, since))]


def _values_known(local: Local, link: Link, edit: Edit) -> list[Value]:
    """The values that the author of an edit knew of: the remote's as he saw it, and what the edits it builds on replaced and set,
    back to the last that had an outcome.
    """
    fresh, done = _fresh(local, link, edit)
    known = [one.before for one in fresh]
    known += [one.rbase for one in fresh if _saw(one)]
    return known + [one.value for one in [*fresh, *local.of(edit.register, sorted(done))]]  # its own can be no remote's here


def wanted(local: Local, sends: Mapping[str, Sequence[int]]) -> dict[str, Value]:
    """The values that the edits to send want, by register. Closed as somebody had found it, without a classification, is
    Undetermined: the remote takes no other.
    """
    values = {register: winner(local.of(register, seqs)).value for register, seqs in sorted(sends.items())}
    if values.get(LIFECYCLE) == [_CLOSED, None]:
        values[LIFECYCLE] = [_CLOSED, CloseClassification.UNDETERMINED.value]
    return values


def body_of(local: Local, remote: Registers, sends: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """The one PATCH that delivers the edits: closing with its classification, tags as the whole list, in the remote's order."""
    body: dict[str, Any] = {}
    tags = list(remote.tags)
    for register, value in wanted(local, sends).items():
        if register == LIFECYCLE:
            body["status"] = value[0]
            if value[1] is not None:
                body["close_classification"] = value[1]
        elif register == SEVERITY:
            body["severity"] = value
        elif register == MALICE:
            body |= {"reset_malice_override": True} if value is None else {"malice_override": value}
        else:
            tag = register.removeprefix(TAG)
            tags = [one for one in tags if one != tag] + ([tag] if value else [])
    if tags != list(remote.tags):
        body["tags"] = tags
    return body


def is_delivered(body: Mapping[str, Any], remote: Registers) -> bool:
    """Whether the remote has what a PATCH asked for."""
    asked = {**body}
    if asked.pop("reset_malice_override", False):
        asked["malice_override"] = None
    found = remote.facts()
    return all(found[name] == value for name, value in asked.items())


def alike(register: str, one: Value, other: Value) -> bool:
    """Whether two values are the same, as far as the log tells them."""
    if register != LIFECYCLE:
        return bool(one == other)
    return bool(one[0] == other[0] and (one[1] == other[1] or None in (one[1], other[1])))
