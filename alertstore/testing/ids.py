"""Ids that come in the same order every time."""

from __future__ import annotations

from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING

from alertstore.store.ids import uuid7_of
from alertstore.testing.clock import START

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID


def seeded_ids(seed: int = 0) -> Callable[[], UUID]:
    """Ids for `AlertStore.open(ids=...)`: UUIDs of version 7, each a millisecond after the one before, the same for a seed.

    With these and a `FrozenClock` the same calls make the same history, to the root of its tree.
    """
    numbers = count()
    begin = int(START.timestamp() * 1000)

    def new_id() -> UUID:
        number = next(numbers)
        return uuid7_of(begin + number, sha256(f"{seed}/{number}".encode()).digest()[:10])

    return new_id
