"""Where time and ids come from, unless a caller brings others."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from uuid import UUID


def utc_now() -> datetime:
    """The system clock, in UTC."""
    return datetime.now(UTC)


def uuid7() -> UUID:
    """A UUID of version 7 (RFC 9562): 48 bits of Unix time in milliseconds, then 74 random bits."""
    return uuid7_of(time.time_ns() // 1_000_000, os.urandom(10))


def uuid7_of(milliseconds: int, random: bytes) -> UUID:
    """The UUID of version 7 with that time and those 10 random bytes."""
    bits = milliseconds << 80 | int.from_bytes(random, "big")
    return UUID(int=bits & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62)
