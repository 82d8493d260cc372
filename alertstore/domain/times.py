"""Times: microseconds since 1970-01-01 UTC inside, aware datetimes outside, RFC 3339 with `Z` on the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SECOND = 1_000_000
DAY = 86_400 * SECOND

# Beyond these years a time is a tool's way to say "none" (1601, 9999), and its microseconds would not fit
# the integers that an event body may hold (RFC 8785: 2^53 - 1).
EARLIEST = (datetime(1700, 1, 1, tzinfo=UTC) - EPOCH) // MICROSECOND
LATEST = (datetime(2250, 1, 1, tzinfo=UTC) - EPOCH) // MICROSECOND


def to_micros(moment: datetime) -> int:
    """Microseconds since the epoch of an aware datetime; a naive one is taken as UTC."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    gap = moment - EPOCH
    return (gap.days * 86_400 + gap.seconds) * SECOND + gap.microseconds


def from_micros(micros: int) -> datetime:
    """The aware UTC datetime of microseconds since the epoch."""
    return EPOCH + timedelta(microseconds=micros)


def rfc3339(moment: datetime) -> str:
    """UTC text with `Z`, microseconds, a zero fraction left out (the remote's form)."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def is_representable(micros: int) -> bool:
    """Whether a time lies in the years that the store keeps (1700 up to 2250)."""
    return EARLIEST <= micros < LATEST


def read_rfc3339(text: str) -> int | None:
    """Microseconds of a time with an offset, as the API writes it; None for anything else."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else to_micros(moment)
