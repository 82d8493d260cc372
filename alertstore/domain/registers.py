"""Registers: the parts of an alert that people edit, one by one, here and on the remote; and the edits of them.

    lifecycle   (status, close_classification), one value: closing needs both
    severity    one of the severities
    malice      the override, or None
    tag:<tag>   whether the alert has that tag

An edit names the edits it replaces (`sup`); those of a register that no edit replaces are its heads. An edit's id is that of
the event that made it, (store id, number), wherever it travels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import asdict, evolve, frozen

from alertstore.domain.vocabulary import AlertStatus, CloseClassification, Malice, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from alertstore.domain.changes import AlertState

LIFECYCLE, SEVERITY, MALICE, TAG = "lifecycle", "severity", "malice", "tag:"

Value = Any
"""A register's value as JSON has it: [status, classification or null], text, null, true or false."""

EditId = tuple[str, int]

_CLOSED = AlertStatus.CLOSED.value


@frozen
class Registers:
    """All registers of an alert, in the exact strings of whoever said them: the remote may have words that we have not."""

    status: str
    close_classification: str | None
    severity: str
    malice_override: str | None
    tags: tuple[str, ...]

    @classmethod
    def of(cls, state: AlertState) -> Registers:
        """Those of an alert here."""
        verdict, override = state.close_classification, state.malice_override
        return cls(
            state.status.value,
            None if verdict is None else verdict.value,
            state.severity.value,
            None if override is None else override.value,
            state.tags,
        )

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> Registers:
        """Those that `facts` gave."""
        return cls(**{**said, "tags": tuple(said["tags"])})

    def facts(self) -> dict[str, Any]:
        """As an event holds them."""
        return {**asdict(self), "tags": list(self.tags)}

    def __getitem__(self, register: str) -> Value:
        """The value of one register."""
        if register == LIFECYCLE:
            return [self.status, self.close_classification if self.status == _CLOSED else None]
        if register == SEVERITY:
            return self.severity
        if register == MALICE:
            return self.malice_override
        return register.removeprefix(TAG) in self.tags

    def having(self, register: str, value: Value) -> Registers:
        """With another value in one register. A new tag goes to the end."""
        if register == LIFECYCLE:
            return evolve(self, status=value[0], close_classification=value[1])
        if register == SEVERITY:
            return evolve(self, severity=value)
        if register == MALICE:
            return evolve(self, malice_override=value)
        tag = register.removeprefix(TAG)
        rest = tuple(one for one in self.tags if one != tag)
        if value:
            return self if tag in self.tags else evolve(self, tags=(*self.tags, tag))
        return evolve(self, tags=rest)

    def shown(self) -> Registers:
        """As an alert here can have them: an unknown status is shown as Open, a classification as Undetermined, a severity and an
        override as Pending; a closed alert has a classification and no other has; tags are neither blank nor repeated.
        """
        status = self.status if self.status in _STATUS else AlertStatus.OPEN.value
        verdict = None
        if status == _CLOSED:
            known = self.close_classification in _CLASSIFICATION
            verdict = self.close_classification if known else CloseClassification.UNDETERMINED.value
        return Registers(
            status,
            verdict,
            self.severity if self.severity in _SEVERITY else Severity.PENDING.value,
            self.malice_override if self.malice_override is None or self.malice_override in _MALICE else Malice.PENDING.value,
            tuple(dict.fromkeys(tag for tag in self.tags if tag.strip())),
        )

    def unknown(self) -> list[str]:
        """The values that are none of ours."""
        return [
            value
            for value, ours in (
                (self.status, _STATUS),
                (self.close_classification, _CLASSIFICATION),
                (self.severity, _SEVERITY),
                (self.malice_override, _MALICE),
            )
            if value is not None and value not in ours
        ]

    def names(self) -> list[str]:
        """The registers that say something."""
        return [LIFECYCLE, SEVERITY, MALICE, *(f"{TAG}{tag}" for tag in self.tags)]


_STATUS, _CLASSIFICATION, _SEVERITY, _MALICE = (
    frozenset(one.value for one in words) for words in (AlertStatus, CloseClassification, Severity, Malice)
)


def shown_value(register: str, value: Value) -> Value:
    """A value of a register as an alert here would show it."""
    return Registers(AlertStatus.OPEN.value, None, Severity.PENDING.value, None, ()).having(register, value).shown()[register]


@frozen
class Edit:
    """One edit of one register. seq: the event here that keeps it; id: the event that made it; before: what its author changed;
    rbase, rtoken: the remote's value, and its updated_at, that the author had seen (None: never synced); sup: seqs here.
    """

    seq: int
    id: EditId
    register: str
    value: Value
    before: Value
    sup: tuple[int, ...]
    rbase: Value
    rtoken: str | None
    actor: str


def edits_of(seq: int, body: Mapping[str, Any], store_id: str) -> list[Edit]:
    """The edits that an event here keeps: its own, or those of the event of another store that it was made for."""
    origin = body.get("origin") or {}
    made = origin["body"] if "store" in origin else body
    by: EditId = (origin["store"], origin["seq"]) if "store" in origin else (store_id, seq)
    sups = {edit["register"]: tuple(edit["sup"]) for edit in body.get("edits", ())}
    changes = made.get("changes") or {}
    found = []
    for edit in made.get("edits", ()):
        register = edit["register"]
        before, value = edit["value"] if "value" in edit else _step(changes, register)
        sup = sups.get(register, ())
        found.append(Edit(seq, by, register, value, before, sup, edit.get("rbase"), edit.get("rtoken"), made["actor"]))
    return found


def _step(changes: Mapping[str, Sequence[Any]], register: str) -> tuple[Value, Value]:
    """What a register was and became, by the changes of an event."""
    if register == LIFECYCLE:
        was, now = changes.get("status", (_CLOSED, _CLOSED))  # else a closed alert got another classification
        old, new = changes.get("close_classification", (None, None))
        return [was, old], [now, new]
    if register == SEVERITY:
        old, new = changes["severity"]
    elif register == MALICE:
        old, new = changes["malice_override"]
    else:
        tag = register.removeprefix(TAG)
        old, new = (tag in tags for tags in changes["tags"])
    return old, new


def ancestors(edits: Mapping[int, Edit], heads: Iterable[int]) -> set[int]:
    """The edits, by seq, that the heads replace, directly or not, themselves included; those that are not known any more left out."""
    found, left = set[int](), list(heads)
    while left:
        seq = left.pop()
        if seq in edits and seq not in found:
            found.add(seq)
            left += edits[seq].sup
    return found
