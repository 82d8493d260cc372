"""What a sync will do, alert by alert, as a value that a person can read, keep in a file, and have carried out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from attrs import asdict, field, frozen
from attrs.validators import and_, deep_iterable, deep_mapping, instance_of, max_len, min_len, optional

from alertstore.domain.payload import check_depth
from alertstore.domain.registers import LIFECYCLE
from alertstore.domain.safe import safe_text
from alertstore.errors import AlertValidationError, FieldProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = "alertstore-sync-plan-1"

SHORT = 8
"""Characters of a uuid's end by which people are told of an alert."""
LONGEST_TITLE = 60


class Action(StrEnum):
    """What happens to an alert, in the one word that matters most. In the order in which a plan lists them."""

    CREATE = "create"
    PUSH = "push"
    HOLD = "hold"
    NEW = "new"
    PULL = "pull"
    GONE = "gone"
    SETTLE = "settle"
    FAILED = "failed"


SIGNS = {
    Action.CREATE: "+",
    Action.PUSH: ">",
    Action.HOLD: "!",
    Action.NEW: "*",
    Action.PULL: "<",
    Action.GONE: "x",
    Action.SETTLE: "=",
    Action.FAILED: "?",
}


# What a plan that somebody wrote must be made of.
_TEXT, _WHOLE = instance_of(str), instance_of(int)
_FIELDS: Any = instance_of(Mapping)
_LIST: Any = instance_of((list, tuple))
_STEPS: Any = deep_mapping(key_validator=_TEXT, value_validator=and_(_LIST, min_len(2), max_len(2)), mapping_validator=_FIELDS)
_OUTCOMES: Any = deep_iterable(and_(_LIST, min_len(3), max_len(3)), _LIST)


@frozen
class SyncItem:
    """One alert of a plan. uuid: its own; remote_uuid: on the remote, where it is there; token: the remote's updated_at when the plan
    was made (of an alert to be made there: its own). body: what is sent in a PATCH; findings, indicators: how many are sent. changes: registers that change here, from, to.
    held: registers that wait for a person, the remote's value, ours. outcomes: edits that are done without sending. note: what
    else there is to know.
    """

    action: Action
    uuid: str = field(validator=_TEXT)
    title: str = field(validator=_TEXT)
    remote_uuid: str | None = field(default=None, validator=optional(_TEXT))
    token: str | None = field(default=None, validator=optional(_TEXT))
    body: Mapping[str, Any] = field(factory=dict, validator=_FIELDS)
    findings: int = field(default=0, validator=_WHOLE)
    indicators: int = field(default=0, validator=_WHOLE)
    changes: Mapping[str, Sequence[Any]] = field(factory=dict, validator=_STEPS)
    held: Mapping[str, Sequence[Any]] = field(factory=dict, validator=_STEPS)
    outcomes: Sequence[Sequence[Any]] = field(default=(), validator=_OUTCOMES)
    note: str = field(default="", validator=_TEXT)

    @property
    def is_telling(self) -> bool:
        """Whether it says anything that a person would want to know: not where only a token has moved."""
        return self.action is not Action.SETTLE or bool(self.outcomes)

    def facts(self) -> str:
        """All that it says but the title, as text: what must still be so when it is carried out."""
        return json.dumps({**asdict(self), "title": ""}, sort_keys=True)

    @property
    def requests(self) -> int:
        """How many requests carrying it out takes: look, write, look again, read the log; each finding and list of indicators likewise."""
        if self.action is Action.CREATE:
            return 6 if self.note else 2
        return (4 if self.body else 1) + 3 * self.findings + (2 if self.indicators else 0)

    def said(self) -> list[str]:
        """What happens to it, for people, a thing a text; nothing in them acts on a terminal."""
        parts = ["send " + ", ".join(f"{safe_text(name)} {_said(value)}" for name, value in self.body.items())] if self.body else []
        parts += [f"{safe_text(name)}: {_said(old, name)} -> {_said(new, name)}" for name, (old, new) in self.changes.items()]
        parts += [
            f"{safe_text(name)} waits for a person: remote {_said(there, name)}, here {_said(ours, name)}"
            for name, (there, ours) in self.held.items()
        ]
        parts += dict.fromkeys(f"edit of {safe_text(name)} {safe_text(outcome)}" for name, _, outcome in self.outcomes)
        parts += [f"send {count} {what}{'' if count == 1 else 's'}" for count, what in self._besides() if count]
        return [*parts, *([safe_text(self.note)] if self.note else [])]

    def _besides(self) -> tuple[tuple[int, str], ...]:
        return (self.findings, "finding"), (self.indicators, "indicator")

    def line(self) -> str:
        """One line for people; nothing in it acts on a terminal."""
        told = "; ".join(self.said())
        return f"{SIGNS[self.action]} {safe_text(self.uuid[-SHORT:])}  {_title(self.title)}" + (f"  ({told})" if told else "")


def _title(title: str) -> str:
    words = safe_text(title).strip()
    return words if len(words) <= LONGEST_TITLE else words[: LONGEST_TITLE - 1] + "…"


def _said(value: object, register: str = "") -> str:
    if isinstance(value, list | tuple):
        given = [str(one) for one in value if one is not None]
        return safe_text((" as " if register == LIFECYCLE else ", ").join(given) or "none")
    return safe_text("none" if value is None else value)


@frozen
class SyncPlan:
    """A plan: for which store and remote, by which policy (its digest). skew: how far the remote's clock is ahead of ours, in seconds.

    asked: requests that making it took; requests, seconds: what carrying it out takes, at the remote's pace.
    warnings: why doing it must be forced.
    """

    store: str = field(validator=_TEXT)
    remote: str = field(validator=_TEXT)
    policy: str = field(validator=_TEXT)
    items: Sequence[SyncItem]
    skew: int | None = field(default=None, validator=optional(_WHOLE))
    asked: int = field(default=0, validator=_WHOLE)
    requests: int = field(default=0, validator=_WHOLE)
    seconds: int = field(default=0, validator=_WHOLE)
    warnings: Sequence[str] = field(default=(), validator=deep_iterable(_TEXT, _LIST))

    def count(self, action: Action) -> int:
        """How many alerts have this action."""
        return sum(1 for item in self.items if item.action is action)

    def heading(self) -> str:
        """For people: for which remote, by which policy, how long it takes; then how many alerts there are of each action."""
        counts = Counter(item.action for item in self.items)
        told = "  ".join(f"{action.value.upper()} {counts[action]}" for action in Action if counts[action]) or "NOTHING TO DO"
        skew = "" if self.skew is None else f"  clock {self.skew:+d} s"
        asks = f"about {self.requests:,} requests, {_duration(self.seconds)}"
        head = f"PLAN for {safe_text(self.remote)}\n{asks}  policy {safe_text(self.policy)}{skew}\n{told}"
        return "\n".join([head, *(f"MUST BE FORCED: {safe_text(why)}" for why in self.warnings)])

    def __str__(self) -> str:
        """For people: the heading, then a line an alert."""
        ordered = sorted(self.items, key=lambda item: list(Action).index(item.action))
        return "\n".join([self.heading(), *(item.line() for item in ordered)])

    def to_json(self) -> str:
        """The plan as ASCII text; `read` reads it."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True, indent=1, ensure_ascii=True) + "\n"

    @classmethod
    def read(cls, text: str) -> SyncPlan:
        """The plan that `to_json` wrote. Raises `AlertValidationError` for anything else."""
        try:
            check_depth(text.encode())
            said = json.loads(text)
            if said.pop("format") != FORMAT:
                raise ValueError(FORMAT)
            items = [SyncItem(**{**one, "action": Action(one["action"])}) for one in said.pop("items")]
            return cls(items=items, **said)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as fault:
            raise AlertValidationError([FieldProblem("plan", f"is no plan of the format {FORMAT}", type(fault).__name__)]) from None


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


@frozen
class SyncResult:
    """What a sync did: its items as they were carried out, those of the plan that were left because something had changed since
    (`stale`), what went wrong with single alerts (uuid, what), and how many requests it took.
    """

    items: Sequence[SyncItem] = ()
    stale: Sequence[str] = ()
    failed: Sequence[tuple[str, str]] = ()
    requests: int = 0

    def count(self, action: Action) -> int:
        """How many alerts had this action."""
        return sum(1 for item in self.items if item.action is action)

    def __str__(self) -> str:
        """For people, in a line, then what failed."""
        counts = Counter(item.action for item in self.items)
        told = ", ".join(f"{counts[action]} {_DONE[action]}" for action in Action if counts[action])
        told = told or ("nothing done" if self.stale or self.failed else "nothing to do")
        more = f", {len(self.stale)} left since they had changed" if self.stale else ""
        lines = [f"{told}{more}; {self.requests} requests"]
        return "\n".join([*lines, *(f"? {safe_text(uuid[-SHORT:])}  {safe_text(what)}" for uuid, what in self.failed)])


_DONE = {
    Action.CREATE: "made there",
    Action.PUSH: "sent",
    Action.HOLD: "held for a person",
    Action.NEW: "new here",
    Action.PULL: "changed here",
    Action.GONE: "gone from the remote",
    Action.SETTLE: "settled",
    Action.FAILED: "failed",
}


@frozen
class Conflict:
    """An edit that waits for a person: which alert and register, why (`HeldKind`, or "gone"), what the remote says and what we say.

    edits: (who, value) of every edit that waits; several where stores do not agree. Any new edit of the register decides it too.
    """

    uuid: str
    title: str
    register: str
    kind: str
    remote: Any
    local: Any
    edits: Sequence[tuple[str, Any]] = ()

    def line(self) -> str:
        """One line for people; nothing in it acts on a terminal."""
        what = "the alert" if self.kind == "gone" else safe_text(self.register)
        there = _said(self.remote, self.register)
        ours = " or ".join(f"{_said(value, self.register)} by {safe_text(actor)}" for actor, value in self.edits)
        return f"! {safe_text(self.uuid[-SHORT:])}  {_title(self.title)}  ({what} {safe_text(self.kind)}: remote {there}, here {ours or _said(self.local)})"


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """What changes from one set of registers' facts to another: lifecycle as one, the rest by name."""
    found: dict[str, list[Any]] = {}
    lifecycle = [[facts["status"], facts["close_classification"]] for facts in (before, after)]
    if lifecycle[0] != lifecycle[1]:
        found[LIFECYCLE] = lifecycle
    for name in ("severity", "malice_override", "tags"):
        if before[name] != after[name]:
            found[name] = [before[name], after[name]]
    return found
