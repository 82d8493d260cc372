"""Python's cyclic garbage collector, kept out of long runs of work that makes no cycles."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def paused_collector() -> Iterator[Callable[[], object]]:
    """Keep the collector from walking a growing heap over and over; afterwards it goes on as it was.

    Gives a function to call now and then, between pieces of the work, when little is alive: it collects what is young.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield lambda: gc.collect(1)
    finally:
        if was:
            gc.enable()
