"""Duplicates: whether a record tells of an alert that is already here, and what becomes of it where that alert is Closed.

The window is on event time, so a month-old log imports the same today and tomorrow.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from datetime import timedelta
from enum import StrEnum
from math import inf
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


class Recurrence(StrEnum):
    """What becomes of a record that repeats a Closed alert.

    count: the alert counts it and stays closed. reopen: the alert counts it and is Open again. new-linked: it makes a new alert, which
    names the closed one as its predecessor and has that one's verdict as a suggestion. reopen-unless-false-positive: as reopen, but
    an alert that was closed as a false positive stays closed and counts it.
    """

    COUNT = "count"
    REOPEN = "reopen"
    NEW_LINKED = "new-linked"
    REOPEN_UNLESS_FALSE_POSITIVE = "reopen-unless-false-positive"


def _recurrence(value: str) -> Recurrence:
    if value not in list(Recurrence):
        raise AlertValidationError([FieldProblem("recurrence", f"must be one of: {', '.join(Recurrence)}", value)])
    return Recurrence(value)


@frozen
class RecurrencePolicy:
    """What becomes of a record whose nearest match is Closed: within the window of duplicates, and beyond it.

    Beyond the window, whatever is not new-linked also counts a record for the nearest active alert, however far that is.
    """

    inside: Recurrence = field(default=Recurrence.NEW_LINKED, converter=_recurrence)
    outside: Recurrence = field(default=Recurrence.NEW_LINKED, converter=_recurrence)


ALWAYS_NEW = RecurrencePolicy()

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
    """An alert with the record's fingerprint: its number in the store (0: it is being made), its uuid, its times, whether it is not
    Closed, and whether it was closed as a false positive.
    """

    alert: int
    uuid: str
    occurred_at: int
    ingested_at: int
    active: bool
    false_positive: bool = False


class Match(NamedTuple):
    """What a record belongs to: the alert it joins (and whether that one is to be opened again), or else the closed one that it repeats.

    Both may be None.
    """

    joins: Candidate | None = None
    repeats: Candidate | None = None
    reopens: bool = False


NO_MATCH = Match()


class Family:
    """The alerts of one fingerprint, in order of time, so that a look-up costs a logarithm of their number."""

    __slots__ = ("_active", "_closed", "_reported")

    def __init__(self, candidates: Iterable[Candidate] = ()) -> None:
        """Take the alerts there are."""
        ordered = sorted(candidates, key=_place)
        self._active = [one for one in ordered if one.active]
        self._closed = [one for one in ordered if not one.active]
        self._reported: dict[int, Candidate] = {}

    @property
    def has_closed(self) -> bool:
        """Whether any of them is Closed."""
        return bool(self._closed)

    def know(self, occurred_at: int, number: int) -> None:
        """Know of a time at which a closed alert (by its number) was reported, besides its own."""
        for one in self._closed:
            if one.alert == number:
                self._reported.setdefault(occurred_at, one)

    def add(self, made: Candidate) -> None:
        """Take in an alert just made."""
        insort(self._active, made, key=_place)

    def reopen(self, closed: Candidate) -> None:
        """Know that an alert is active again."""
        self._closed.remove(closed)
        insort(self._active, closed._replace(active=True, false_positive=False), key=_place)

    def match(self, occurred_at: int, now: int, window: int, by: str, policy: RecurrencePolicy = ALWAYS_NEW) -> Match:
        """Choose for a record of that time (contract, Ingest, Duplicates).

        An alert with the very same time is the same event reported again and is joined whatever its status, which stays; so is a closed
        one that was reported at that time before, as a duplicate (`know`). Otherwise the
        nearest active alert within the window is joined, the earlier on a tie. Otherwise the policy says what becomes of the record: of
        `inside` where a closed alert is within the window, else of `outside`. A new alert names the nearest closed one as its
        predecessor.
        """
        if not window:
            return NO_MATCH
        active, closed = _nearest(self._active, occurred_at), _nearest(self._closed, occurred_at)
        for one in (active, closed):
            if one is not None and one.occurred_at == occurred_at:
                return Match(joins=one)
        if (one := self._reported.get(occurred_at)) is not None:
            return Match(joins=one)
        if by == "ingested_at":
            joins, near = (
                _nearest([one for one in several if now - one.ingested_at <= window], occurred_at)
                for several in (self._active, self._closed)
            )
        else:
            joins, near = (one if one is not None and abs(one.occurred_at - occurred_at) <= window else None for one in (active, closed))
        if joins is not None:
            return Match(joins=joins)
        if (policy.outside if near is None else policy.inside) is Recurrence.NEW_LINKED:
            return Match(repeats=closed)
        if near is not None:
            return _repeated(near, policy.inside)
        if active is not None and (closed is None or _distance(active, occurred_at) <= _distance(closed, occurred_at)):
            return Match(joins=active)
        return NO_MATCH if closed is None else _repeated(closed, policy.outside)


def _repeated(closed: Candidate, recurrence: Recurrence) -> Match:
    """A record that a closed alert counts, whether or not that opens it again."""
    spared = recurrence is Recurrence.COUNT or (recurrence is Recurrence.REOPEN_UNLESS_FALSE_POSITIVE and closed.false_positive)
    return Match(joins=closed, reopens=not spared)


_time = attrgetter("occurred_at")


def _place(one: Candidate) -> tuple[int, float]:
    """The order of a family: by time, of one time as they were made."""
    return one.occurred_at, one.alert or inf


def _distance(one: Candidate, occurred_at: int) -> int:
    return abs(one.occurred_at - occurred_at)


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
