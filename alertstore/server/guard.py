"""The gate before every request: for whom this server answers, and who may ask; and what every answer says of itself."""

from __future__ import annotations

import hmac
import re
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers

from alertstore.server.answers import error, unavailable
from alertstore.store.ids import uuid7

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""Headers of every answer: data for programs, which no browser shows, frames, guesses about or keeps."""

DESCRIPTION = "/openapi.json"
"""The one path that needs no key: it says nothing of the store."""

MOST = 64
"""Requests that are worked on at once. Each may hold a body and wait for the store; more than these are told to come again."""

_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_PORT = re.compile(r":\d{1,5}\Z")


def guarded(app: ASGIApp, *, host: str, key: str | None) -> ASGIApp:
    """The application behind the gate. `host` is the name it was started under; without a `key` nobody is asked for one."""
    expected = None if key is None else f"Bearer {key}".encode()
    names = frozenset({"localhost", host.lower()})
    inner = _limited(app)

    def refusal(scope: Scope, headers: Headers) -> Any:
        if not _is_ours(headers.getlist("host"), names):
            return error(403, "FORBIDDEN", "This server does not answer for that host name.")
        if scope["path"] == DESCRIPTION:
            return None
        if expected is None:
            if "origin" in headers or headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
                return error(403, "FORBIDDEN", "Without a key this server does not answer web pages.")
            return None
        given = headers.get("authorization")
        if given is None or not given.startswith("Bearer "):
            return error(401, "UNAUTHORIZED", "Missing or invalid Authorization header. Expected: Bearer <key>")
        if not hmac.compare_digest(given.encode("latin-1"), expected):
            return error(401, "UNAUTHORIZED", "Invalid API key.")
        return None

    async def gate(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        asked = headers.get("x-request-id", "")
        added = (*SAFE, (b"x-request-id", (asked if _ID.fullmatch(asked) else str(uuid7())).encode()))

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        await (refusal(scope, headers) or inner)(scope, receive, send_safely)

    return gate


def _limited(app: ASGIApp) -> ASGIApp:
    """The application, which is never asked more than `MOST` things at once."""
    inside = 0

    async def limit(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal inside
        if inside >= MOST:
            await unavailable("Too many requests at once; nothing was changed.")(scope, receive, send)
            return
        inside += 1
        try:
            await app(scope, receive, send)
        finally:
            inside -= 1

    return limit


def _is_ours(hosts: list[str], names: frozenset[str]) -> bool:
    """Whether a request was meant for this server.

    A page of another site can make its own name lead to this machine, and its visitor's browser then takes this server for that
    site. The browser still says the name it was given: only the server's own names and bare addresses are answered.
    """
    if len(hosts) != 1:
        return False
    name = _PORT.sub("", hosts[0]).lower()
    if name in names:
        return True
    try:
        ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return False
    return True
