"""Duplicates: whether a record tells of an alert that is already here.

The window is on event time, so a month-old log imports the same today and tomorrow.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from attrs import field, frozen
from attrs.validators import in_

from alertstore.domain.times import MICROSECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attrs import Attribute


def _not_negative(_: object, attribute: Attribute[timedelta], value: timedelta) -> None:
    if value < timedelta(0):
        message = f"{attribute.name} must not be negative"
        raise ValueError(message)


@frozen
class DedupPolicy:
    """How far apart (inclusive) two reports of one alert may be, and by which time; a window of 0 turns it off."""

    window: timedelta = field(default=timedelta(hours=24), validator=_not_negative)
    by: Literal["occurred_at", "ingested_at"] = field(default="occurred_at", validator=in_(("occurred_at", "ingested_at")))

    @property
    def window_micros(self) -> int:
        """The window in microseconds."""
        return self.window // MICROSECOND


class Candidate(NamedTuple):
    """An alert with the record's fingerprint: its number in the store, its uuid, its times, whether it is not Closed."""

    alert: int
    uuid: str
    occurred_at: int
    ingested_at: int
    active: bool


class Match(NamedTuple):
    """What a record belongs to: the alert it joins, or else the closed one that it repeats. Both may be None."""

    joins: Candidate | None = None
    repeats: Candidate | None = None


NO_MATCH = Match()


def match(candidates: Sequence[Candidate], occurred_at: int, now: int, window: int, by: str) -> Match:
    """Choose among the alerts of one fingerprint (contract, Ingest, Duplicates).

    An alert with the very same time is the same event reported again and is joined whatever its status. Otherwise
    the nearest active alert within the window is joined, the earlier on a tie. Otherwise the record makes a new alert,
    which names the nearest closed one as its predecessor.
    """
    if not window or not candidates:
        return NO_MATCH

    def nearness(one: Candidate) -> tuple[int, int, int]:
        return abs(one.occurred_at - occurred_at), one.occurred_at, one.alert

    ordered = sorted(candidates, key=nearness)
    if ordered[0].occurred_at == occurred_at:
        same = [one for one in ordered if one.occurred_at == occurred_at]
        return Match(joins=next((one for one in same if one.active), same[0]))
    for one in ordered:
        gap = abs(one.occurred_at - occurred_at) if by == "occurred_at" else now - one.ingested_at
        if one.active and gap <= window:
            return Match(joins=one)
    return Match(repeats=next((one for one in ordered if not one.active), None))
