"""The remote over HTTP. Needs the extra `sync`.

Nothing that comes back is trusted: not that it ends, not its size, not that it is the API that answers, not its words. The key
goes to the one host that was named and nowhere else; no exception leads back to a request, whose headers hold it.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import time
from datetime import timedelta
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from attrs import field, frozen

from alertstore.domain.payload import parse_record
from alertstore.domain.safe import safe_text
from alertstore.errors import (
    AlertValidationError,
    FieldProblem,
    MissingExtraError,
    RemoteRejectedError,
    RemoteUnavailableError,
)
from alertstore.sync.patience import Again, Throttle, Watchdog, persist, retry_after, server_time
from alertstore.sync.remote import Answer, Pace

try:
    import httpx2
except ImportError:
    raise MissingExtraError("a remote over HTTP", "sync") from None

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEY = "ALERTSTORE_REMOTE_KEY"
"""The environment variable that holds the key where none is given."""

LONGEST_BODY = 64 << 20
"""Bytes of an answer's body, decompressed."""

_PACE = Pace()
_BURST = 10
_INGEST_BURST = 5
# Below the 5 s after which servers commonly close an idle connection: a write that meets the closing may or may not have been done.
_IDLE = 3.0
_LONGEST_WORDS = 200
_SHORTEST_KEY_TO_NAME = 16
_KEY = re.compile("[!-~]+")
# A segment of dots alone would lead out of what the caller named.
_PATH = re.compile(r"(?:/(?!\.\.?(?:/|\Z))[\w.~:-]+)+", re.ASCII)
_PASSING = frozenset({502, 503, 504})
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ProxyError)


@frozen
class _Secret:
    value: str = field(repr=False)

    def shown(self, words: object) -> str:
        """Words from outside, for a person: short, inert, and without the key where a server repeats it."""
        text = safe_text(self.taken_out(str(words)))
        return text if len(text) <= _LONGEST_WORDS else text[:_LONGEST_WORDS] + "…"

    def taken_out(self, said: Any) -> Any:
        """What an answer says, without the key in any of its texts: a proxy may repeat the request that it refuses."""
        if isinstance(said, str):
            return said.replace(self.value, "[key]")
        if isinstance(said, dict):
            return {self.taken_out(name): self.taken_out(value) for name, value in said.items()}
        return [self.taken_out(one) for one in said] if isinstance(said, list) else said


class _Reply(NamedTuple):
    status: int
    headers: httpx2.Headers
    raw: bytes


class HttpRemote:
    """A remote at a URL: `https`, or `http` on this machine alone. For one thread at a time; a context manager, or `close` it.

    `key` is the API key, or what gives it when it is needed; without one, the environment variable `ALERTSTORE_REMOTE_KEY` is read
    then. `timeout` bounds every single wait of an exchange (connecting, a read, a write), `deadline` all of a request: its attempts
    and the pauses between them. `ca_file` (PEM) holds the authorities to trust in place of the system's. Proxies of the environment
    are used, but never for this machine. `sleep` and `monotonic` are how time passes, in seconds.

    Raises `AlertValidationError` for a URL, file, time or pace that cannot be.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | Callable[[], str] | None = None,
        timeout: timedelta = timedelta(seconds=30),
        deadline: timedelta = timedelta(minutes=5),
        pace: Pace = _PACE,
        ca_file: str | os.PathLike[str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look at what is given; nothing is sent, and the key is not asked for."""
        address = _address(url)
        _require_positive(timeout=timeout, deadline=deadline, **pace._asdict())
        self._name = str(address).rstrip("/")
        self._pace = pace
        self._give_key = _key_giver(key)
        self._timeout = timeout.total_seconds()
        self._deadline = deadline.total_seconds()
        self._sleep = sleep
        self._monotonic = monotonic
        self._throttle = Throttle(pace.requests, _BURST)
        self._ingests = Throttle(pace.ingests, _INGEST_BURST)
        self._watchdog = Watchdog()
        self._client = _client(address, ca_file)

    @property
    def name(self) -> str:
        """The URL, in one spelling."""
        return self._name

    @property
    def key_prefix(self) -> str | None:
        """The first 8 characters of the key; None where it is so short that they would tell too much of it.

        Raises `RemoteRejectedError` where there is no key.
        """
        key = self._secret()
        return key.value[:8] if len(key.value) >= _SHORTEST_KEY_TO_NAME else None

    @property
    def pace(self) -> Pace:
        """How fast it is asked."""
        return self._pace

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        if seconds > 0:
            self._sleep(seconds)

    def request(self, method: str, path: str, *, query: Mapping[str, str | int] | None = None, body: Any = None) -> Answer:
        """Send one request, as `Remote.request` says. Raises `AlertValidationError` for a path that would need escaping."""
        if not _PATH.fullmatch(path):
            raise AlertValidationError([FieldProblem("path", "must be a path of the API", safe_text(path)[:_LONGEST_WORDS])])
        key = self._secret()
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        once = partial(self._attempt, method, path, query, content, key)
        turn = partial(self._turn, is_ingest=method == "POST" and (path == "/v1/alerts" or path.startswith("/v1/ingest/")))
        self.wait(turn())
        try:
            return persist(
                once,
                seconds=self._deadline,
                wait=lambda pause: self.wait(max(pause, turn())),
                monotonic=self._monotonic,
            )
        except Again as failure:
            raise self._unavailable(str(failure)) from None

    def close(self) -> None:
        """Close the connections."""
        self._watchdog.close()
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"HttpRemote({self._name!r})"

    def _secret(self) -> _Secret:
        key = _Secret((self._give_key() or "").strip())
        if not key.value:
            raise RemoteRejectedError(f"there is no key for {self._name}", advice=f"set ${KEY}, or give one")
        if not _KEY.fullmatch(key.value):
            raise RemoteRejectedError(
                f"the key for {self._name} holds spaces or characters beyond ASCII", advice="give it as it was issued"
            )
        return key

    def _turn(self, *, is_ingest: bool) -> float:
        now = self._monotonic()
        return max(self._throttle.turn(now), self._ingests.turn(now) if is_ingest else 0.0)

    def _unavailable(self, what: str, *, maybe_done: bool = False) -> RemoteUnavailableError:
        advice = "whether the request had its effect is not known" if maybe_done else "try again later"
        return RemoteUnavailableError(f"{self._name} {what}", advice=advice, maybe_done=maybe_done)

    def _attempt(
        self, method: str, path: str, query: Mapping[str, str | int] | None, content: bytes | None, key: _Secret, seconds: float
    ) -> Answer:
        request = self._client.build_request(
            method,
            self._name + path,
            params=query,
            content=content,
            headers={"Authorization": f"Bearer {key.value}"} | ({} if content is None else {"Content-Type": "application/json"}),
            timeout=min(self._timeout, max(seconds, 0.001)),
            extensions={"trace": self._watchdog.trace},
        )
        reply = self._exchange(request, key, seconds)
        date = server_time(reply.headers.get("date"))
        if reply.status == 429 or (reply.status in _PASSING and method == "GET"):  # noqa: PLR2004 - a limiter stands before the effect
            after = retry_after(reply.headers.get("retry-after"), date)
            raise Again(f"answered {reply.status}" + (f" and asks to wait {after:.0f} s" if after else ""), after)
        is_write = method != "GET"
        if reply.status in _PASSING:
            raise self._unavailable(f"answered {reply.status}", maybe_done=is_write)
        if 300 <= reply.status < 400:  # noqa: PLR2004 - redirections
            target = key.shown(reply.headers.get("location"))
            raise self._unavailable(f"redirects to {target}, where the key must not go", maybe_done=is_write)
        if reply.status == 204:  # noqa: PLR2004 - no content
            return Answer(reply.status, None, date)
        body = _body(reply)
        if body is None:
            raise self._unavailable(f"answered {reply.status} with something that is not the alert API", maybe_done=is_write)
        if reply.status in {401, 403}:
            words = key.shown(f"{body['error'].get('code')}: {body['error'].get('message')}")
            raise RemoteRejectedError(f"{self._name} refused {method} {path}: {words}", advice="look at the key and what it is allowed")
        return Answer(reply.status, body if 200 <= reply.status < 300 else key.taken_out(body), date)  # noqa: PLR2004 - success

    def _exchange(self, request: httpx2.Request, key: _Secret, seconds: float) -> _Reply:
        """Send and read once. Nothing is raised inside the `except`: the client's own exceptions lead to the request and so to the key."""
        is_write = request.method != "GET"
        failure = ""
        was_sent = True
        is_untrusted = False
        try:
            with self._watchdog.watch(seconds):
                response = self._client.send(request, stream=True)
                try:
                    raw = self._read(response)
                finally:
                    response.close()
        except (httpx2.HTTPError, httpx2.InvalidURL) as lost:
            failure = key.shown(str(lost) or type(lost).__name__)
            was_sent = not isinstance(lost, _NOT_SENT)
            is_untrusted = _is_untrusted(lost)
        if self._watchdog.has_cut:  # a body whose length is not said then looks whole
            raise self._unavailable(f"did not answer in full within {seconds:.0f} s", maybe_done=is_write and was_sent)
        if not failure:
            if raw is None:
                raise self._unavailable(f"answered with more than {LONGEST_BODY >> 20} MiB, or an unknown encoding", maybe_done=is_write)
            return _Reply(response.status_code, response.headers, raw)
        if is_untrusted:
            raise self._unavailable(f"has a certificate that is not trusted: {failure}")
        if is_write and was_sent:
            raise self._unavailable(f"was lost before it had answered: {failure}", maybe_done=True)
        raise Again(f"was lost before it had answered: {failure}" if was_sent else f"cannot be reached: {failure}")

    @staticmethod
    def _read(response: httpx2.Response) -> bytes | None:
        """The body; None where it is too long, or packed in more than one layer, so that its size inside has no limit."""
        if response.headers.get("content-encoding", "identity") not in {"identity", "gzip"}:
            return None
        raw = bytearray()
        for chunk in response.iter_bytes():
            raw += chunk
            if len(raw) > LONGEST_BODY:
                return None
        return bytes(raw)


def _body(reply: _Reply) -> dict[str, Any] | None:
    """The JSON of an answer, if it is one of the API's: an object, and for an error one in its envelope."""
    try:
        body = parse_record(reply.raw, None)
    except ValueError:
        return None
    return body if 200 <= reply.status < 300 or isinstance(body.get("error"), dict) else None  # noqa: PLR2004 - success


def _is_untrusted(failure: BaseException) -> bool:
    cause: BaseException | None = failure
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    return cause is not None


def _key_giver(key: str | Callable[[], str] | None) -> Callable[[], str | None]:
    # A function also where there is only a text: `vars(remote)` then shows none.
    if key is None:
        return partial(os.environ.get, KEY)
    return (lambda: key) if isinstance(key, str) else key


def _address(url: str) -> httpx2.URL:
    problem = None
    try:
        address = httpx2.URL(url)
        address.host.encode("idna")  # what connecting does to it; raises for labels that are empty or too long
    except (httpx2.InvalidURL, UnicodeError):
        problem = "is not a URL"
    else:
        if address.scheme not in {"https", "http"} or not address.host or address.port == 0 or (address.port or 0) >= 1 << 16:
            problem = "must be https://host[:port][/path]"
        elif address.scheme == "http" and not _is_loopback(address.host):
            problem = "must be https: over http everybody on the way reads the key (this machine alone is excepted)"
        elif address.userinfo or "?" in url or "#" in url:
            problem = "must have no user, query or fragment; the key is given apart"
    if problem:  # what stands before an @ may be a password
        raise AlertValidationError([FieldProblem("url", problem, safe_text(url.rpartition("@")[2])[:_LONGEST_WORDS])])
    return address


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _require_positive(**given: Any) -> None:
    problems = [FieldProblem(name, "must be more than zero", value) for name, value in given.items() if value <= type(value)(0)]
    if problems:
        raise AlertValidationError(problems)


def _client(address: httpx2.URL, ca_file: str | os.PathLike[str] | None) -> httpx2.Client:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies the name and the chain
    try:
        if ca_file is not None:
            context.load_verify_locations(ca_file)
        elif address.scheme == "https":
            context = httpx2.create_ssl_context()
    except (OSError, ssl.SSLError) as fault:
        raise AlertValidationError([FieldProblem("ca_file", f"cannot be read ({fault.strerror})", str(ca_file))]) from None
    try:
        return httpx2.Client(
            verify=context,
            # For this machine no proxy: its requests may be plain, and would carry the key to another.
            trust_env=not _is_loopback(address.host),
            headers={"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "alertstore"},
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            limits=httpx2.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_IDLE),
        )
    except (ValueError, ImportError, httpx2.InvalidURL):  # its words may hold the proxy's password
        problem = FieldProblem("proxy", "what the environment names as a proxy cannot be used", None)
    raise AlertValidationError([problem], advice="look at HTTPS_PROXY and ALL_PROXY")
