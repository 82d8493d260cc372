"""The fake remote over real HTTP: its faults are done to the socket.

    remote = FakeRemote()
    with FakeRemoteServer(remote) as server, HttpRemote(server.url, key=server.key) as link:
        remote.fail("truncated", "GET")
        link.request("GET", "/v1/alerts")

The remote's clock goes on by the real time between requests, and by what a request takes of its own.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from contextlib import suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from alertstore.domain.times import SECOND
from alertstore.testing import remote_checks as check
from alertstore.testing.faults import Reply, date_of
from alertstore.testing.remote_model import Call

if TYPE_CHECKING:
    from alertstore.testing.remote import FakeRemote

_MIB = 1 << 20
_INGEST_LIMIT, _LIMIT = 5 * _MIB, 10 * _MIB
_BARE = (204, 304)
_PAGE = b"<!doctype html><title>Sign in</title><form>Welcome to the guest network</form>"


class FakeRemoteServer:
    """Serves a `FakeRemote` on a port of this machine, as a context manager. All requests share one lock."""

    def __init__(self, remote: FakeRemote) -> None:
        """Take the remote to serve; its own key and those of its other clients are let in."""
        self.remote = remote
        self._http = _Http(remote)
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def key(self) -> str:
        """A key that is let in."""
        return self.remote.key

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and cut the connections that are left."""
        self._http.shutdown()
        self._thread.join()
        self._http.cut()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = False  # server_close waits for them

    def __init__(self, remote: FakeRemote) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.remote = remote
        self.lock = threading.Lock()
        self._seen = time.monotonic()
        self._open: set[socket.socket] = set()

    def deliver(self, call: Call) -> tuple[Reply, int]:
        """Bring a call to the remote; the reply, and its date in microseconds."""
        with self.lock:
            now = time.monotonic()
            self.remote.clock.advance(seconds=now - self._seen)
            self._seen = now
            reply = self.remote.deliver(call)
            return reply, date_of(self.remote.micros(), reply)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        for one in list(self._open):
            with suppress(OSError):  # it is closed already
                one.shutdown(socket.SHUT_RDWR)

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one write

    def log_message(self, *_: object) -> None:
        pass

    def serve(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        length = int(self.headers.get("content-length") or 0)
        limit = _INGEST_LIMIT if path == "/v1/alerts" or path.startswith("/v1/ingest/") else _LIMIT
        if length > limit:
            self._drain(length)
            self._send(*self._refused(413, "PAYLOAD_TOO_LARGE", f"Request body exceeds the {limit // _MIB}MB limit for this endpoint."))
            return
        raw = self.rfile.read(length)
        if path == "/v1/alerts/":
            self.send_response_only(307)
            self.send_header("Location", "/v1/alerts")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        try:
            body = _parse(raw, path, self.headers.get("content-type"))
            key = self._key()
        except check.Refused as why:
            self._send(Reply(why.status, why.body), self.server.remote.micros())
            return
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self._send(*self.server.deliver(Call(str(self.command), path, query, body, key)))

    def _drain(self, length: int) -> None:
        while length > 0 and (chunk := self.rfile.read(min(length, _MIB))):
            length -= len(chunk)

    def _refused(self, status: int, code: str, message: str) -> tuple[Reply, int]:
        return Reply(status, check.Refused(status, code, message).body), self.server.remote.micros()

    def _key(self) -> str:
        scheme, _, key = (self.headers.get("authorization") or "").partition(" ")
        if scheme != "Bearer":
            message = "Missing or invalid Authorization header. Expected: Bearer cai_..."
            raise check.Refused(401, "UNAUTHORIZED", message)
        if not key.startswith("cai_"):
            raise check.Refused(401, "UNAUTHORIZED", "Invalid API key format.")
        return key

    def _send(self, reply: Reply, date: int) -> None:
        if reply.seconds:
            time.sleep(reply.seconds)
        if reply.how in ("refused", "lost"):
            self.close_connection = True
            return
        is_page = reply.how == "html"
        content = _PAGE if is_page else b"" if reply.status in _BARE else json.dumps(reply.body).encode()
        self.send_response_only(reply.status)
        self.send_header("Date", formatdate(date // SECOND, usegmt=True))
        self.send_header("Content-Type", "text/html" if is_page else "application/json")
        if reply.status not in _BARE:
            self.send_header("Content-Length", str(len(content)))
        if reply.retry_after is not None:
            self.send_header("Retry-After", str(reply.retry_after))
        self.end_headers()
        if reply.how == "truncated":
            content = content[: len(content) // 2]
            self.close_connection = True
        if self.command != "HEAD":
            self.wfile.write(content)


for _method in ("GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"):
    setattr(_Handler, f"do_{_method}", _Handler.serve)


def _parse(raw: bytes, path: str, kind: str | None) -> Any:
    """A body as the remote reads it, before it looks at the key."""
    if not raw:
        return None
    is_webhook = path.startswith("/v1/ingest/")
    media = (kind or "").partition(";")[0].strip().lower()
    if not is_webhook and media != "application/json" and not media.endswith("+json"):
        return raw.decode("latin-1")  # no object, so it is refused where an object is wanted
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise check.no_route() from None
    except json.JSONDecodeError as fault:
        if is_webhook:
            raise check.Refused(400, "INVALID_JSON", "Request body is not valid JSON.") from None
        check.malformed(fault.pos)
