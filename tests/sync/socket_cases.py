"""A server that does to its clients, request by request, what a test has written down; and time that passes at once."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import socket
import ssl
import struct
import threading
from contextlib import suppress
from ipaddress import ip_address
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

KEY = "cai_5ecret-0123456789abcdef"
GUARD = 20
"""Seconds after which a test that hangs is ended."""


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 1_000.0
        self.sleeps = []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.sleeps.append(seconds)
        self.now += seconds


class Request(NamedTuple):
    """What arrived."""

    method: str
    target: str
    headers: dict
    body: bytes


class Server:
    """Listens on a loopback port; `script` holds what is done with the next requests, and `answer()` is done where it is empty.

    What is done gets the connection, and says by its result whether the connection goes on.
    """

    def __init__(self, *script, certificate=None, host="127.0.0.1"):
        self.script = list(script)
        self.requests = []
        self.connections = 0
        self.sent = 0
        self._tls = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._open = []
        self._threads = []
        self._listener = socket.create_server((host, 0))
        self.port = self._listener.getsockname()[1]
        self._run(self._accept)

    @property
    def url(self):
        return f"{'http' if self._tls is None else 'https'}://127.0.0.1:{self.port}"

    @property
    def methods(self):
        return [request.method for request in self.requests]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join(GUARD)
            assert not thread.is_alive()

    def await_end(self, connection):
        """Wait until the server has closed the connection of that number."""
        self._threads[1 + connection].join(GUARD)
        assert self._open[connection].fileno() == -1

    def _run(self, job, *args):
        thread = threading.Thread(target=job, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.settimeout(GUARD)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.append(connection)
            self._run(self._serve, connection)

    def _serve(self, connection):
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            while (request := _read(connection)) is not None:
                self.requests.append(request)
                action = self.script.pop(0) if self.script else answer()
                if not action(self, connection):
                    break
        except OSError:  # the client has gone, or the test is over
            pass
        finally:
            with suppress(OSError):
                connection.close()


def _read(connection):
    raw = b""
    while b"\r\n\r\n" not in raw:
        more = connection.recv(65_536)
        if not more:
            return None
        raw += more
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65_536)
    method, target, _ = first.split(" ")
    return Request(method, target, headers, body)


def head(status=200, length=None, *more):
    """The head of a response. `length` None: the body ends with the connection."""
    lines = [f"HTTP/1.1 {status} Words", *more]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answer(status=200, body=None, *more):
    """A whole answer: `body` as JSON, or as it is where it is bytes."""
    raw = body if isinstance(body, bytes) else json.dumps({"data": {}, "meta": {}} if body is None else body).encode()
    whole = head(status, len(raw), *more) + raw

    def send(server, connection):
        connection.sendall(whole)
        return True

    return send


def error(status, code="CODE", message="Words.", *more):
    """The API's answer to what it refuses."""
    return answer(status, {"error": {"code": code, "message": message, "details": {}}}, *more)


def sends(raw):
    """These bytes, then the end of the connection."""

    def send(server, connection):
        connection.sendall(raw)
        return False

    return send


def zipped(raw):
    """A whole answer in gzip."""
    packed = gzip.compress(raw)
    return sends(head(200, len(packed), "Content-Encoding: gzip") + packed)


def reset(server, connection):
    """RST instead of an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
    return False


def hang(server, connection):
    """No answer, until the client leaves."""
    return bool(connection.recv(1))


def pours(first, piece, *, pause=0.0):
    """`first`, then `piece` again and again, `pause` seconds between, until the client leaves; `server.sent` counts the bytes."""

    def pour(server, connection):
        connection.sendall(first)
        left = threading.Event()
        while not left.wait(pause):
            connection.sendall(piece)
            server.sent += len(piece)
        return False

    return pour


def make_certificate(path, *, names=("127.0.0.1", "localhost"), days=1):
    """A self-signed certificate and its key in one file; negative `days`: expired so long ago."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    end = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(end - dt.timedelta(days=2))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([_alternative(one) for one in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def _alternative(name):
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def unused_port():
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def chain(failure):
    """An exception and all that stand behind it."""
    found = []
    todo = [failure]
    while todo:
        one = todo.pop()
        if one is not None and one not in found:
            found.append(one)
            todo += [one.__cause__, one.__context__]
    return found


def told(failure):
    """Text of all that an exception says: it, what stands behind it, their attributes."""
    return "\n".join(text for one in chain(failure) for text in (str(one), repr(one), repr(vars(one)), repr(one.args)))


def seen_by_a_debugger(failure):
    """That, and the local names of every frame of ours, as a report of an exception may hold them."""
    texts = [told(failure)]
    for one in chain(failure):
        trace = one.__traceback__
        while trace is not None:
            if trace.tb_frame.f_globals["__name__"].startswith("alertstore."):
                texts += [repr(value) for value in trace.tb_frame.f_locals.values()]
            trace = trace.tb_next
    return "\n".join(texts)
