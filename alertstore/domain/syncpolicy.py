"""Who is right where an alert was changed here and on the remote: rules as data, hashed into plans and bundles."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import asdict, fields_dict, frozen

from alertstore.domain.events import canonical
from alertstore.domain.registers import LIFECYCLE, SEVERITY
from alertstore.domain.vocabulary import AlertStatus, Severity
from alertstore.errors import AlertValidationError, FieldProblem

if TYPE_CHECKING:
    from alertstore.domain.registers import Value

TAKE_LOCAL, TAKE_REMOTE, HOLD = CHOICES = ("take_local", "take_remote", "hold")
MAX = "max"
ANY = "*"

_OPEN, _TRIAGING, _ESCALATED, _CLOSED = (status.value for status in AlertStatus)
_STATUSES = frozenset(AlertStatus)


class LifecycleRule(NamedTuple):
    """What to do where the remote's status is one of `remote` and ours one of `local` (each several with "|" between, "*": any)."""

    remote: str
    local: str
    do: str


_RULES = (
    LifecycleRule(_CLOSED, ANY, HOLD),
    LifecycleRule(_ESCALATED, _CLOSED, HOLD),
    LifecycleRule(_TRIAGING, _CLOSED, HOLD),
    LifecycleRule(_OPEN, f"{_TRIAGING}|{_ESCALATED}|{_CLOSED}", TAKE_LOCAL),
    LifecycleRule(_TRIAGING, _ESCALATED, TAKE_LOCAL),
    LifecycleRule(ANY, ANY, TAKE_REMOTE),
)


@frozen
class SyncPolicy:
    """Who is right, by register, and how much a sync may do without asking.

    lifecycle: the first rule that fits decides; by default whatever concerns closing is left to a person, else the further status
    wins. severity: "max" (the higher one) or one of take_local, take_remote, hold; malice: one of these three.
    readonly_tags: tags that begin so are the remote's own. create: whether alerts that the remote does not have are made there.
    max_writes: how many alerts a run may change on the remote; max_share: the share of alerts that a pull may find closed or gone
    before it stops (but 20 may always be); settle: seconds of the remote's clock after which a request that got no answer has either
    had its effect or will not have it.
    """

    lifecycle: tuple[LifecycleRule, ...] = _RULES
    severity: str = MAX
    malice: str = HOLD
    readonly_tags: tuple[str, ...] = ("sys:",)
    create: bool = True
    max_writes: int = 500
    max_share: float = 0.2
    settle: int = 30

    def choose(self, register: str, remote: Value, local: Value) -> str:
        """take_local, take_remote or hold."""
        if register == LIFECYCLE:
            fitting = (rule.do for rule in self.lifecycle if _fits(rule.remote, remote[0]) and _fits(rule.local, local[0]))
            return next(fitting, HOLD)
        if register != SEVERITY:
            return self.malice
        if self.severity != MAX:
            return self.severity
        ranks = {severity.value: severity.rank for severity in Severity}
        return TAKE_LOCAL if ranks.get(local, -1) > ranks.get(remote, len(ranks)) else TAKE_REMOTE

    def is_readonly(self, tag: str) -> bool:
        """Whether only the remote gives and takes this tag."""
        return tag.startswith(self.readonly_tags) if self.readonly_tags else False

    @property
    def digest(self) -> str:
        """The first 12 hex digits of the SHA-256 over all of it."""
        said = asdict(self, recurse=False) | {
            "max_share": repr(float(self.max_share)),
            "lifecycle": [list(rule) for rule in self.lifecycle],
        }
        return sha256(canonical(said)).hexdigest()[:12]

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> SyncPolicy:
        """The policy that a mapping (of a TOML file, say) describes; what it leaves out is as by default.

        `lifecycle` is a list of {remote, local, do}. Raises `AlertValidationError` listing all that is wrong.
        """
        problems = [
            FieldProblem(name, f"is none of: {', '.join(fields_dict(cls))}", given[name]) for name in given if name not in fields_dict(cls)
        ]
        values = dict(given)
        if "lifecycle" in given:
            values["lifecycle"] = _read_rules(given["lifecycle"], problems)
        if "readonly_tags" in given:
            listed = given["readonly_tags"]
            if not isinstance(listed, list | tuple) or not all(isinstance(one, str) and one for one in listed):
                problems.append(FieldProblem("readonly_tags", "must be a list of beginnings of tags", listed))
            else:
                values["readonly_tags"] = tuple(listed)
        for name, allowed in (("severity", (MAX, *CHOICES)), ("malice", CHOICES)):
            if name in given and given[name] not in allowed:
                problems.append(FieldProblem(name, f"must be one of: {', '.join(allowed)}", given[name]))
        for name, kind, what in (
            ("create", bool, "true or false"),
            ("max_writes", int, "a whole number"),
            ("settle", int, "a whole number of seconds"),
        ):
            if name in given and (type(given[name]) is not kind or given[name] < 0):
                problems.append(FieldProblem(name, f"must be {what}", given[name]))
        share = given.get("max_share", 0)
        if type(share) not in {int, float} or not 0 <= share <= 1:
            problems.append(FieldProblem("max_share", "must be a number from 0 to 1", share))
        if problems:
            raise AlertValidationError(problems)
        return cls(**values)


def _read_rules(given: Any, problems: list[FieldProblem]) -> tuple[LifecycleRule, ...]:
    rules = []
    for k, one in enumerate(given if isinstance(given, list | tuple) else [given]):
        rule = LifecycleRule(**one) if isinstance(one, Mapping) and one.keys() == set(LifecycleRule._fields) else None
        if rule is None or rule.do not in CHOICES or not all(_is_status(name) for name in (rule.remote, rule.local)):
            message = f'must be {{remote, local, do}}: statuses with "|" between, or "*"; do: one of {", ".join(CHOICES)}'
            problems.append(FieldProblem(f"lifecycle[{k}]", message, one))
        else:
            rules.append(rule)
    return tuple(rules)


def _is_status(names: object) -> bool:
    return names == ANY or (isinstance(names, str) and all(name in _STATUSES for name in names.split("|")))


def _fits(names: str, status: str) -> bool:
    return names == ANY or status in names.split("|")
