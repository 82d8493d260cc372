"""The lifecycle of an alert: which steps exist, and the times that are written once.

    Open → Triaging or Escalated;  Triaging ↔ Escalated;  Triaging or Escalated → Closed

Source: the API page (`status`) and the contract's patch table. The table is data, so that a site can choose another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from attrs import frozen

from alertstore.domain.vocabulary import AlertStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

OPEN, TRIAGING, ESCALATED, CLOSED = AlertStatus

_DOCUMENTED: Mapping[AlertStatus, tuple[AlertStatus, ...]] = {
    OPEN: (TRIAGING, ESCALATED),
    TRIAGING: (ESCALATED, CLOSED),
    ESCALATED: (TRIAGING, CLOSED),
    CLOSED: (),
}


@frozen
class LifecyclePolicy:
    """The steps that are allowed, as a table from a status to those that may follow it."""

    name: str
    table: Mapping[AlertStatus, tuple[AlertStatus, ...]]

    @classmethod
    def documented(cls) -> LifecyclePolicy:
        """The flow of the API page; nothing leaves Closed."""
        return cls("documented", _DOCUMENTED)

    @classmethod
    def reopenable(cls) -> LifecyclePolicy:
        """The documented flow, and a closed alert may be taken up again (→ Open, → Triaging)."""
        return cls("reopenable", {**_DOCUMENTED, CLOSED: (OPEN, TRIAGING)})

    @classmethod
    def permissive(cls) -> LifecyclePolicy:
        """Any status from any other, as the remote allows."""
        return cls("permissive", {one: tuple(s for s in AlertStatus if s is not one) for one in AlertStatus})

    def allowed(self, current: AlertStatus) -> tuple[AlertStatus, ...]:
        """The statuses that may follow `current`."""
        return self.table[current]


class LifecycleTimes(NamedTuple):
    """When an alert was acknowledged, triaged and closed, in microseconds; None: not yet."""

    acknowledged_at: int | None = None
    triaged_at: int | None = None
    closed_at: int | None = None

    def after(self, current: AlertStatus, to: AlertStatus, at: int) -> LifecycleTimes:
        """The times after the step `current` → `to` made at `at`.

        acknowledged_at is set once, when the alert first leaves Open; triaged_at once, when it first becomes Triaging;
        closed_at when it becomes Closed, and cleared when it leaves Closed.
        """
        if to is current:
            return self
        acknowledged = self.acknowledged_at
        if acknowledged is None and to is not OPEN:
            acknowledged = at
        triaged = self.triaged_at
        if triaged is None and to is TRIAGING:
            triaged = at
        return LifecycleTimes(acknowledged, triaged, at if to is CLOSED else None)

    def since(self, before: LifecycleTimes) -> dict[str, int | None]:
        """Those of the times that are not as they were before."""
        return {name: now for name, now, then in zip(self._fields, self, before, strict=True) if now != then}
