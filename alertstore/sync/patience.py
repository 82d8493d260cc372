"""Patience with a remote: how fast it is asked, when what failed is tried again, and what ends an exchange that does not end."""

from __future__ import annotations

import logging
import random
import re
import socket
import threading
import time
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from alertstore.domain.times import SECOND, to_micros
from alertstore.errors import MissingExtraError

try:
    import stamina
except ImportError:
    raise MissingExtraError("a remote over HTTP", "sync") from None

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

ATTEMPTS = 6
"""How often one request is sent at most."""
FIRST_PAUSE = 0.5
"""Seconds before the second attempt; every further pause is twice as long."""
LONGEST_PAUSE = 30.0
"""Seconds; only a remote that asks for more gets more."""
JITTER = 0.5
"""Seconds, at most, that a pause is longer by chance, so that those who lost the remote together do not come back together."""

# It logs every retry as a warning: for whoever has set up logging, not for the terminal of those who have not.
logging.getLogger("stamina").addHandler(logging.NullHandler())

_SECONDS = re.compile("[0-9]{1,400}")
_FOREVER = 1e9


class Again(Exception):  # noqa: N818 - it asks, and is no error until nobody tries again
    """An attempt failed and did nothing, so another may help; `after`: the seconds that the remote asks to wait."""

    def __init__(self, message: str, after: float = 0.0) -> None:
        """Say what happened."""
        super().__init__(message)
        self.after = after


def persist(once: Callable[[float], T], *, seconds: float, wait: Callable[[float], None], monotonic: Callable[[], float]) -> T:
    """What `once` gives, tried again where it raises `Again`; it is told how many seconds are left of all that there are.

    Raises the last `Again` when the attempts or the seconds are used up, or the next pause would outlast them; whatever else
    `once` raises goes through at once.
    """
    until = monotonic() + seconds
    pause = backoff = 0.0

    def judge(failure: Exception) -> bool | float:
        nonlocal pause
        if not isinstance(failure, Again):
            return False
        pause = max(failure.after, backoff) + random.uniform(0, JITTER)  # noqa: S311 - no secret
        return False if monotonic() + pause >= until else 0.0  # stamina's own pause is none: ours goes by the caller's clock

    for attempt in stamina.retry_context(
        on=judge, attempts=ATTEMPTS, timeout=None, wait_initial=FIRST_PAUSE, wait_max=LONGEST_PAUSE, wait_jitter=0
    ):
        with attempt:
            backoff = attempt.next_wait
            if pause:
                wait(pause)
            return once(until - monotonic())
    raise AssertionError  # stamina ends with a result or an exception


def server_time(text: str | None) -> int | None:
    """Microseconds since the epoch of an HTTP date; None where there is none, or what there is cannot be read."""
    if text is None:
        return None
    try:
        return to_micros(parsedate_to_datetime(text))
    except (ValueError, OverflowError):
        return None


def retry_after(text: str | None, now: int | None) -> float:
    """Seconds that a `Retry-After` asks for; 0 where it asks for none, or nothing that can be understood.

    A date is compared with the server's own clock (`now`, microseconds), as ours may be years off.
    """
    if text is None:
        return 0.0
    if _SECONDS.fullmatch(text.strip()):
        return min(float(text), _FOREVER)
    then = server_time(text)
    return 0.0 if then is None or now is None else max(0.0, (then - now) / SECOND)


class Throttle:
    """So many turns a minute, evenly, and `burst` of them at once after a pause."""

    def __init__(self, per_minute: int, burst: int) -> None:
        """Begin with a full burst."""
        self._interval = 60.0 / per_minute
        self._slack = self._interval * (burst - 1)
        self._due = 0.0  # when the next turn would be, had all been even

    def turn(self, now: float) -> float:
        """Take a turn; the seconds to wait until it comes."""
        due = max(self._due, now)
        self._due = due + self._interval
        return max(0.0, due - self._slack - now)


class Watchdog:
    """Cuts the connection of an exchange that takes too long as a whole, in whatever read or write it sits.

    The timeouts of sockets do not do that: one byte now and then keeps each of them from running out, and a response's head is
    read to its end before anybody else is asked. It looks by a timer's thread, which is started once in a deadline's length,
    not once a request.
    """

    def __init__(self) -> None:
        """Watch nothing yet."""
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._until: float | None = None
        self._stream: Any = None
        self.has_cut = False

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """See which connection is in use (the HTTP client's extension `trace` calls this)."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._stream = info["return_value"]

    @contextmanager
    def watch(self, seconds: float) -> Iterator[None]:
        """Let what is inside take that long. `has_cut` says afterwards whether it took longer."""
        with self._lock:
            self.has_cut = False
            self._until = time.monotonic() + seconds
            if self._timer is None:  # one that runs already is for an earlier deadline, and will see the new one
                self._arm(seconds)
        try:
            yield
        finally:
            with self._lock:
                self._until = None

    def close(self) -> None:
        """Watch no more."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._stream = None

    def _arm(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._look)
        self._timer.daemon = True
        self._timer.start()

    def _look(self) -> None:
        with self._lock:
            self._timer = None
            if self._until is None:
                return
            left = self._until - time.monotonic()
            if left > 0:
                self._arm(left)
                return
            self.has_cut = True
            if self._stream is not None:
                with suppress(OSError):  # closed already
                    # Of the socket itself, not of TLS around it, whose state belongs to the thread that reads.
                    socket.socket.shutdown(self._stream.get_extra_info("socket"), socket.SHUT_RDWR)
