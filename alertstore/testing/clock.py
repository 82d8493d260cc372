"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
"""When a frozen clock stands, unless told otherwise."""


class FrozenClock:
    """A clock for `AlertStore.open(clock=...)`: it says the same time until `advance`, or goes on by `tick` a reading."""

    def __init__(self, start: datetime = START, *, tick: timedelta = timedelta(0)) -> None:
        """Stand at `start`, an aware datetime; every reading then moves the clock by `tick`."""
        if start.tzinfo is None:
            message = "a clock starts at an aware datetime"
            raise ValueError(message)
        self.now = start
        self.tick = tick

    def __call__(self) -> datetime:
        """Read the clock."""
        now = self.now
        self.now = now + self.tick
        return now

    def advance(self, by: timedelta = timedelta(0), **units: float) -> datetime:
        """Move the clock by a timedelta, or by `hours=1` and the like (also back); the time after."""
        self.now += by + timedelta(**units)
        return self.now
