"""How an alert stands with the remote: what the remote was last known to say, and how far the edits made here have got."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import field, frozen

from alertstore.domain.registers import Registers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from alertstore.domain.registers import Value


class Outcome(StrEnum):
    """What became of an edit. Each gets exactly one, in an event alert_synced; none is ever taken away."""

    DELIVERED = "delivered"
    """It was sent, and the remote was seen to have it."""
    CONVERGED = "converged"
    """The remote had the same value already."""
    REPLACED = "replaced"
    """A later edit that knew of it took its place."""
    SUPERSEDED = "superseded"
    """The remote had the value once, and somebody moved on from it."""
    OVERRULED = "overruled"
    """The policy preferred the remote's value."""
    UNSENDABLE = "unsendable"
    """The remote, or the policy, has no way to take it."""


class HeldKind(StrEnum):
    """Why a person must decide."""

    POLICY = "policy"
    """The remote says something else, and the policy leaves it to a person."""
    PEERS = "peers"
    """Two stores say different things, and the policy leaves it to a person."""
    REJECTED = "rejected"
    """The remote refused the edit."""
    RACED = "raced"
    """Somebody changed the remote's value in the moment before ours arrived, which undid theirs."""
    RESTORED = "restored"
    """The remote went back to before the edit had arrived there."""

    @property
    def is_afterwards(self) -> bool:
        """Whether the edits in question have their outcome, and it is that which a person must know."""
        return self in {HeldKind.RACED, HeldKind.RESTORED}


class Held(NamedTuple):
    """One register that waits for a person: which edits (seqs) against which value of the remote, and the value of ours."""

    register: str
    kind: HeldKind
    edits: tuple[int, ...]
    remote: Value
    local: Value


class Settled(NamedTuple):
    """The last edits of a register (seqs) that have an outcome: all that they replace has one too. token: the remote's when it was seen
    to have their value; None: it had another.
    """

    edits: tuple[int, ...]
    token: str | None


def _in_order(held: Iterable[Held]) -> tuple[Held, ...]:
    """One order for what waits, whoever found it first, so that two stores which know the same say the same."""
    return tuple(sorted(held, key=lambda one: (one.register, one.kind, one.edits)))


@frozen
class Link:
    """An alert's standing. base: the remote's registers when last seen, `token` its updated_at then; None: never seen.

    uuid, created_at: the alert's on the remote. observed: (store, number) of the event that first said so, where another store
    saw it. intent: what is being sent, written before it is. gone: the remote has deleted the alert. shared: the remote's alert was
    there before this one, so others may be linked to it as well. lacking: the remote lacks findings or indicators that are here.
    refused: why the remote did not take the alert, where it was to be made there. alone: somebody decided that it stays here.
    """

    uuid: str | None = None
    created_at: str | None = None
    base: Registers | None = None
    token: str | None = None
    observed: tuple[str, int] | None = None
    settled: Mapping[str, Settled] = field(factory=dict)
    held: tuple[Held, ...] = field(default=(), converter=_in_order)
    intent: Mapping[str, Any] | None = None
    gone: bool = False
    shared: bool = False
    lacking: bool = False
    refused: str | None = None
    alone: bool = False

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Link:
        """The standing that `facts` gave."""
        base, observed = said.get("base"), said.get("observed")
        return cls(
            uuid=said.get("uuid"),
            created_at=said.get("created_at"),
            base=None if base is None else Registers.read(base),
            token=said.get("token"),
            observed=None if observed is None else (observed[0], observed[1]),
            settled={register: Settled(tuple(edits), token) for register, edits, token in said.get("settled", ())},
            held=tuple(Held(one[0], HeldKind(one[1]), tuple(one[2]), one[3], one[4]) for one in said.get("held", ())),
            intent=said.get("intent"),
            gone=said.get("gone", False),
            shared=said.get("shared", False),
            lacking=said.get("lacking", False),
            refused=said.get("refused"),
            alone=said.get("alone", False),
        )

    def facts(self, heads: Mapping[str, Sequence[int]]) -> dict[str, Any]:
        """As an event holds it; what says nothing is left out. `open` says that there is something to do, with these heads."""
        said: dict[str, Any] = {
            "uuid": self.uuid,
            "created_at": self.created_at,
            "base": None if self.base is None else self.base.facts(),
            "token": self.token,
            "observed": None if self.observed is None else list(self.observed),
            "settled": [[register, list(one.edits), one.token] for register, one in sorted(self.settled.items())],
            "held": [[one.register, one.kind.value, list(one.edits), one.remote, one.local] for one in self.held],
            "intent": self.intent,
            "gone": self.gone,
            "shared": self.shared,
            "lacking": self.lacking,
            "refused": self.refused,
            "alone": self.alone,
            "open": not self.alone and bool(self.gone or self.intent or self.held or self.lacking or self.refused or self.pending(heads)),
        }
        return {name: value for name, value in said.items() if value}

    def pending(self, heads: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
        """The heads, by register, that have no outcome yet."""
        found = {}
        for register, seqs in heads.items():
            done = self.settled[register].edits if register in self.settled else ()
            if left := tuple(seq for seq in seqs if seq not in done):
                found[register] = left
        return found

    def holding(self, register: str, pending: Sequence[int]) -> Held | None:
        """What is held of a register, as long as its edits are the ones that wait."""
        for one in self.held:
            if one.register == register and not one.kind.is_afterwards and set(one.edits) == set(pending):
                return one
        return None
