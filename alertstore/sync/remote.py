"""What sync asks of a remote: one exchange at a time, and patience. `sync.http.HttpRemote` is the one for a real link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class Answer(NamedTuple):
    """What a remote answered: the HTTP status, the body as JSON (None where there is none), and the server's clock
    (microseconds since the epoch; None where it does not say).
    """

    status: int
    body: Any
    date: int | None


class Pace(NamedTuple):
    """How many requests a minute a remote is sent: any, and those that make alerts."""

    requests: int = 480
    ingests: int = 80


class Remote(Protocol):
    """A remote with the alert API. All that sync knows of the outside, and of time."""

    @property
    def name(self) -> str:
        """What it is called in plans and in the history: its address, without any secret."""

    @property
    def key_prefix(self) -> str | None:
        """The beginning of our key, by which the activity log names what we did; None where nobody knows it."""

    @property
    def pace(self) -> Pace:
        """How fast it is asked."""

    def request(self, method: str, path: str, *, query: Mapping[str, str | int] | None = None, body: Any = None) -> Answer:
        """Send one request, path as in the API ("/v1/alerts/…"), body as JSON; the answer, whatever status it has but those below.

        A GET is repeated, with pauses, where the connection fails or the remote says 429, 502, 503 or 504; any other method is
        repeated only where the remote surely did nothing (no connection, 429).
        Raises `RemoteUnavailableError` where that does not help, or where what answers is not the API (`maybe_done` says whether
        the request may have had its effect), and `RemoteRejectedError` for 401 and 403.
        """

    def wait(self, seconds: float) -> None:
        """Let time pass."""
