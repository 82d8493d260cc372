"""Duplicates: whether a record tells of an alert that is already here.

The window is on event time, so a month-old log imports the same today and tomorrow.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, NamedTuple

from attrs import field, frozen

from alertstore.domain.times import MICROSECOND
from alertstore.errors import AlertValidationError, FieldProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from attrs import Attribute


def _window(_: object, attribute: Attribute[timedelta], value: object) -> None:
    if not isinstance(value, timedelta) or value < timedelta(0):
        raise AlertValidationError([FieldProblem(attribute.name, "must be a timedelta, not negative", value)])


def _clock(_: object, attribute: Attribute[str], value: object) -> None:
    if value not in CLOCKS:
        raise AlertValidationError([FieldProblem(attribute.name, f"must be one of: {', '.join(CLOCKS)}", value)])


CLOCKS = ("occurred_at", "ingested_at")


@frozen
class DedupPolicy:
    """How far apart (inclusive) two reports of one alert may be, and by which time; a window of 0 turns it off."""

    window: timedelta = field(default=timedelta(hours=24), validator=_window)
    by: Literal["occurred_at", "ingested_at"] = field(default="occurred_at", validator=_clock)

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


class Family:
    """The alerts of one fingerprint, in order of time, so that a look-up costs a logarithm of their number."""

    __slots__ = ("_active", "_closed")

    def __init__(self, candidates: Iterable[Candidate] = ()) -> None:
        """Take the alerts there are."""
        ordered = sorted(candidates, key=attrgetter("occurred_at", "alert"))
        self._active = [one for one in ordered if one.active]
        self._closed = [one for one in ordered if not one.active]

    def add(self, made: Candidate) -> None:
        """Take in an alert just made."""
        insort(self._active, made, key=_time)

    def match(self, occurred_at: int, now: int, window: int, by: str) -> Match:
        """Choose for a record of that time (contract, Ingest, Duplicates).

        An alert with the very same time is the same event reported again and is joined whatever its status. Otherwise the
        nearest active alert within the window is joined, the earlier on a tie. Otherwise the record makes a new alert, which
        names the nearest closed one as its predecessor.
        """
        if not window:
            return NO_MATCH
        active, closed = _nearest(self._active, occurred_at), _nearest(self._closed, occurred_at)
        for one in (active, closed):
            if one is not None and one.occurred_at == occurred_at:
                return Match(joins=one)
        if by == "ingested_at":
            active = _nearest([one for one in self._active if now - one.ingested_at <= window], occurred_at)
        elif active is not None and abs(active.occurred_at - occurred_at) > window:
            active = None
        return Match(joins=active) if active is not None else Match(repeats=closed)


_time = attrgetter("occurred_at")


def _nearest(ordered: Sequence[Candidate], occurred_at: int) -> Candidate | None:
    """The one nearest in time; of two equally near the earlier, of several at one time the first."""
    place = bisect_left(ordered, occurred_at, key=_time)
    after = ordered[place] if place < len(ordered) else None
    if place == 0 or (after is not None and after.occurred_at == occurred_at):
        return after
    before = ordered[bisect_left(ordered, ordered[place - 1].occurred_at, key=_time)]
    if after is None or occurred_at - before.occurred_at <= after.occurred_at - occurred_at:
        return before
    return after
