"""The remote over HTTP, over real sockets: every way in which a link fails, and a key that nobody sees."""

from __future__ import annotations

import gzip
import importlib
import logging
import socket
import sys
import time
import zipfile
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import socket_cases as cases
from hypothesis import given
from hypothesis import strategies as st
from socket_cases import KEY, Server, Time, answer, error, hang, head, pours, reset, sends, zipped

from alertstore import AlertStore
from alertstore.domain.times import to_micros
from alertstore.errors import AlertValidationError, MissingExtraError, RemoteRejectedError, RemoteUnavailableError
from alertstore.sync import http as sync_http
from alertstore.sync.http import HttpRemote
from alertstore.sync.patience import ATTEMPTS, JITTER, Throttle, retry_after, server_time
from alertstore.sync.remote import Answer, Pace
from alertstore.testing import generic_alert

ALERT = "/v1/alerts/0193f5a2-0000-7000-8000-000000000001"
WRITES = {"PATCH": (ALERT, {"severity": "Low"}), "POST": ("/v1/alerts", {"source_name": "generic", "payload": {}}), "DELETE": (ALERT, None)}
NOW = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)
writes = pytest.mark.parametrize("method", WRITES)


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """No key and no proxy from outside."""
    for name in ("ALERTSTORE_REMOTE_KEY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def passing():
    return Time()


@pytest.fixture
def serve():
    """Start servers; all end with the test."""
    made = []

    def start(*script, **options):
        made.append(Server(*script, **options))
        return made[-1]

    yield start
    for one in made:
        one.__exit__()


@pytest.fixture
def reach(passing):
    """Make remotes; all are closed with the test."""
    made = []

    def connect(where, **options):
        given = {"key": KEY, "sleep": passing.sleep, "monotonic": passing.monotonic, "timeout": timedelta(seconds=10)} | options
        made.append(HttpRemote(where.url if isinstance(where, Server) else where, **given))
        return made[-1]

    yield connect
    for one in made:
        one.close()


def write(remote, method):
    path, body = WRITES[method]
    return remote.request(method, path, body=body)


def is_backoff(sleeps):
    """Whether these are the pauses of someone who was told nothing."""
    return all(0.5 * 2**i <= pause <= 0.5 * 2**i + JITTER for i, pause in enumerate(sleeps))


class TestExchange:
    def test_what_is_sent_and_what_comes_back(self, serve, reach):
        server = serve(answer(200, {"data": {"a": 1, "t": "ü"}, "meta": {}}))
        remote = reach(server.url + "/soc/one/")
        assert remote.request("GET", "/v1/alerts", query={"page": 2, "status": "Open,Closed"}) == Answer(
            200, {"data": {"a": 1, "t": "ü"}, "meta": {}}, None
        )
        write(remote, "PATCH")
        get, patch = server.requests
        assert (get.method, get.target, get.body) == ("GET", "/soc/one/v1/alerts?page=2&status=Open%2CClosed", b"")
        assert get.headers["authorization"] == f"Bearer {KEY}"
        assert get.headers["accept-encoding"] == "gzip"
        assert "content-type" not in get.headers
        assert (patch.method, patch.body) == ("PATCH", b'{"severity": "Low"}')
        assert patch.headers["content-type"] == "application/json"
        assert remote.name == server.url + "/soc/one"

    def test_deletion_has_no_body(self, serve, reach):
        assert write(reach(serve(sends(head(204)))), "DELETE") == Answer(204, None, None)

    def test_one_connection_serves_them_all(self, serve, reach, passing):
        server = serve()
        remote = reach(server)
        for _ in range(50):
            remote.request("GET", ALERT)
        assert (len(server.requests), server.connections) == (50, 1)

    @pytest.mark.parametrize("status", [400, 404, 409, 413, 422, 500])
    @pytest.mark.parametrize("method", ["GET", *WRITES])
    def test_what_the_api_refuses_is_an_answer_and_is_asked_once(self, serve, reach, passing, method, status):
        server = serve(error(status, "NOT_FOUND", "Alert not found."))
        remote = reach(server)
        got = write(remote, method) if method in WRITES else remote.request("GET", ALERT)
        assert (got.status, got.body["error"]["message"]) == (status, "Alert not found.")
        assert (server.methods, passing.sleeps) == ([method], [])

    def test_no_cookie_is_kept(self, serve, reach):
        server = serve(answer(200, None, "Set-Cookie: a=b; Path=/"))
        remote = reach(server)
        remote.request("GET", ALERT)
        remote.request("GET", ALERT)
        assert [request.headers.get("cookie") for request in server.requests] == [None, None]

    @pytest.mark.parametrize(
        "path",
        [
            "v1/alerts",
            "/v1/alerts/",
            "/v1/alerts/../settings",
            "/v1/alerts/..",
            "/v1/a?b",
            "/v1/a%2e",
            "/v1/ü",
            "//evil.example/v1",
            "/a\nb",
        ],
    )
    def test_a_path_that_leads_elsewhere_is_not_asked_for(self, serve, reach, path):
        server = serve()
        with pytest.raises(AlertValidationError, match="must be a path of the API"):
            reach(server).request("GET", path)
        assert server.connections == 0

    @pytest.mark.parametrize(
        ("said", "read"),
        [
            (format_datetime(NOW, usegmt=True), to_micros(NOW)),
            (format_datetime(NOW + timedelta(days=1), usegmt=True), to_micros(NOW + timedelta(days=1))),
            (format_datetime(NOW - timedelta(days=1), usegmt=True), to_micros(NOW - timedelta(days=1))),
            (None, None), ("", None), ("yesterday", None), ("20 Nov 2026 10:00:00 +99999999999999", None), ("Fri, 99 Nov 2026 99:00:00 GMT", None), ("Fri, 20 Nov 99999 10:00:00 GMT", None),
        ],
    )  # fmt: skip
    def test_the_clock_of_the_server(self, serve, reach, said, read):
        headers = [] if said is None else [f"Date: {said}"]
        assert reach(serve(answer(200, None, *headers))).request("GET", ALERT).date == read


class TestLostConnections:
    @pytest.mark.parametrize("method", ["GET", *WRITES])
    def test_nobody_listens(self, reach, passing, method):
        remote = reach(f"http://127.0.0.1:{cases.unused_port()}")
        with pytest.raises(RemoteUnavailableError, match="cannot be reached") as failure:
            write(remote, method) if method in WRITES else remote.request("GET", ALERT)
        assert not failure.value.maybe_done
        assert len(passing.sleeps) == ATTEMPTS - 1
        assert is_backoff(passing.sleeps)
        assert all(pause % 0.5 for pause in passing.sleeps)  # by chance a little longer than all others'

    def test_a_server_that_comes_up_meanwhile_gets_the_write_once(self, reach, passing, monkeypatch):
        port = cases.unused_port()
        servers = []
        real = socket.create_server

        def start(seconds):
            passing.sleep(seconds)
            if len(passing.sleeps) == 2:
                monkeypatch.setattr(socket, "create_server", lambda _, **more: real(("127.0.0.1", port), **more))
                servers.append(Server())

        try:
            assert write(reach(f"http://127.0.0.1:{port}", sleep=start), "PATCH").status == 200
            assert servers[0].methods == ["PATCH"]
        finally:
            for one in servers:
                one.__exit__()

    def test_no_such_name(self, reach, passing, monkeypatch):
        def fail(*_, **__):
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(RemoteUnavailableError, match=r"cannot be reached: .*Name or service not known") as failure:
            write(reach("https://remote.example"), "POST")
        assert not failure.value.maybe_done
        assert len(passing.sleeps) == ATTEMPTS - 1

    @pytest.mark.parametrize(
        "fault",
        [reset, sends(b""), sends(b"HTTP/1.1 20"), sends(head(200, 100) + b'{"data": {'), hang],
        ids=["rst", "fin", "half a head", "half a body", "silence"],
    )
    def test_a_read_is_repeated(self, serve, reach, passing, fault):
        server = serve(fault, fault)
        assert reach(server, timeout=timedelta(seconds=0.25 if fault is hang else 10)).request("GET", ALERT).status == 200
        assert server.methods == ["GET"] * 3
        assert len(passing.sleeps) == 2
        assert is_backoff(passing.sleeps)

    @pytest.mark.parametrize(
        "fault", [reset, sends(b""), sends(head(200, 100) + b'{"data": {'), hang], ids=["rst", "fin", "half a body", "silence"]
    )
    @writes
    def test_a_write_is_sent_once_and_may_be_done(self, serve, reach, passing, promise, method, fault):
        server = serve(fault)
        with pytest.raises(RemoteUnavailableError, match="lost before it had answered") as failure:
            write(reach(server, timeout=timedelta(seconds=0.25 if fault is hang else 10)), method)
        assert failure.value.maybe_done
        assert (server.methods, passing.sleeps) == ([method], [])
        promise(
            "a write whose answer is lost is sent once, and reported as perhaps done", "1 request in each of 12 cases (4 faults, 3 methods)"
        )

    def test_a_connection_that_the_server_has_closed_is_not_used_for_a_write(self, serve, reach):
        raw = b'{"data": {}}'
        server = serve(sends(head(200, len(raw)) + raw))
        remote = reach(server)
        remote.request("GET", ALERT)
        server.await_end(0)
        assert write(remote, "PATCH").status == 200
        assert (server.methods, server.connections) == (["GET", "PATCH"], 2)

    def test_a_read_that_never_succeeds_ends(self, serve, reach, passing):
        server = serve(*[reset] * 20)
        with pytest.raises(RemoteUnavailableError) as failure:
            reach(server).request("GET", ALERT)
        assert not failure.value.maybe_done
        assert len(server.requests) == ATTEMPTS

    @pytest.mark.parametrize("raw", [
        head(200, None, "Transfer-Encoding: chunked") + b'5\r\n{"dat',
        head(200, 20, "Content-Encoding: gzip") + b"no gzip, but 20 long",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ], ids=["chunks", "gzip", "ssh"])  # fmt: skip
    def test_broken_answers(self, serve, reach, raw):
        server = serve(sends(raw), answer(), sends(raw))
        remote = reach(server)
        assert remote.request("GET", ALERT).status == 200
        with pytest.raises(RemoteUnavailableError) as failure:
            write(remote, "PATCH")
        assert failure.value.maybe_done
        assert server.methods == ["GET", "GET", "PATCH"]


class TestPassingFaults:
    @pytest.mark.parametrize("status", [502, 503, 504])
    def test_a_gateways_error(self, serve, reach, passing, status):
        page = answer(status, b"<html>")
        server = serve(page, error(status), answer(), page)
        remote = reach(server)
        assert remote.request("GET", ALERT).status == 200
        assert is_backoff(passing.sleeps)
        with pytest.raises(RemoteUnavailableError, match=f"answered {status}") as failure:
            write(remote, "PATCH")
        assert failure.value.maybe_done
        assert server.methods == ["GET"] * 3 + ["PATCH"]
        assert len(passing.sleeps) == 2

    @pytest.mark.parametrize(
        ("said", "date", "least"),
        [
            ("60", None, 60), (None, None, 0.5), ("0", None, 0.5), ("-1", None, 0.5), ("soon", None, 0.5), ("1.5", None, 0.5), ("", None, 0.5),
            (format_datetime(NOW + timedelta(seconds=90), usegmt=True), NOW, 90), (format_datetime(NOW - timedelta(days=1), usegmt=True), NOW, 0.5),
            (format_datetime(NOW, usegmt=True), None, 0.5),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("method", ["GET", *WRITES])
    def test_too_many_requests(self, serve, reach, passing, method, said, date, least):
        headers = ([] if said is None else [f"Retry-After: {said}"]) + (
            [] if date is None else [f"Date: {format_datetime(date, usegmt=True)}"]
        )
        server = serve(error(429, "RATE_LIMITED", "Slow down.", *headers))
        remote = reach(server)
        assert (write(remote, method) if method in WRITES else remote.request("GET", ALERT)).status == 200
        assert server.methods == [method] * 2
        (pause,) = passing.sleeps
        assert least <= pause <= least + JITTER

    @pytest.mark.parametrize("said", ["1000000000", "9" * 300, "299.9", "300"])
    def test_nobody_waits_longer_than_the_deadline(self, serve, reach, passing, said):
        server = serve(*[error(429, "RATE_LIMITED", "Slow down.", f"Retry-After: {said}")] * 10)
        with pytest.raises(RemoteUnavailableError, match="answered 429") as failure:
            write(reach(server), "POST")
        assert not failure.value.maybe_done
        if said == "299.9":  # not whole seconds: as if nothing was said
            assert is_backoff(passing.sleeps)
            assert len(server.requests) == ATTEMPTS
        else:
            assert f"asks to wait {min(int(said), 10**9)} s" in str(failure.value)
            assert (passing.sleeps, len(server.requests)) == ([], 1)

    def test_asking_for_little_does_not_bring_more_requests(self, serve, reach, passing):
        assert write(reach(serve(*[error(429, "R", "S", "Retry-After: 1")] * 4)), "PATCH").status == 200
        assert all(least <= pause <= least + JITTER for least, pause in zip([1, 1, 2, 4], passing.sleeps, strict=True))

    def test_minutes_of_too_many_requests_end_with_the_deadline(self, serve, reach, passing):
        server = serve(*[error(429, "RATE_LIMITED", "Slow down.", "Retry-After: 60")] * 10)
        with pytest.raises(RemoteUnavailableError, match="asks to wait 60 s") as failure:
            write(reach(server), "PATCH")
        assert not failure.value.maybe_done
        assert server.methods == ["PATCH"] * 5
        assert sum(passing.sleeps) < 300

    def test_a_server_that_says_when_it_is_back(self, serve, reach, passing):
        assert reach(serve(error(503, "X", "Y", "Retry-After: 7"))).request("GET", ALERT).status == 200
        assert 7 <= passing.sleeps[0] <= 7 + JITTER


class TestNotTheApi:
    @pytest.mark.parametrize("response", [
        answer(200, b"<!doctype html><title>Welcome to the hotel</title>"), answer(200, b""), answer(200, b"[1]"), answer(200, b'"text"'),
        answer(200, b'{"data": NaN}'), answer(200, b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"), answer(200, b'{"a": ' + b"1" * 5000 + b"}"),
        answer(200, b'{"data": "\xff"}'), answer(200, b'{"data": {}'), answer(404, b"<html>404"), answer(404, {"detail": "Not Found"}),
        answer(422, {"error": "text"}), answer(403, b"<html>blocked"), answer(401, {"message": "no"}), answer(500, b"Internal Server Error"),
        answer(405, {"data": {}}),
    ])  # fmt: skip
    def test_it_is_said_and_not_asked_again(self, serve, reach, passing, response):
        server = serve(response, response)
        remote = reach(server)
        with pytest.raises(RemoteUnavailableError, match="something that is not the alert API") as failure:
            remote.request("GET", ALERT)
        assert not failure.value.maybe_done
        with pytest.raises(RemoteUnavailableError, match="something that is not the alert API") as failure:
            write(remote, "PATCH")
        assert failure.value.maybe_done
        assert (server.methods, passing.sleeps) == (["GET", "PATCH"], [])

    def test_repeated_keys_are_read_as_the_last(self, serve, reach):
        assert reach(serve(answer(200, b'{"data": 1, "data": 2}'))).request("GET", ALERT).body == {"data": 2}

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects_are_not_followed(self, serve, reach, passing, status):
        other = serve()
        server = serve(*[answer(status, b"", f"Location: {other.url}/v1/alerts")] * 2)
        remote = reach(server)
        with pytest.raises(RemoteUnavailableError, match=f"redirects to {other.url}/v1/alerts") as failure:
            remote.request("GET", "/v1/alerts")
        assert not failure.value.maybe_done
        with pytest.raises(RemoteUnavailableError, match="redirects to") as failure:
            write(remote, "POST")
        assert failure.value.maybe_done
        assert (server.methods, other.connections, passing.sleeps) == (["GET", "POST"], 0, [])

    @pytest.mark.parametrize("location", ["http://[", "", "http://h:99999999/", "\x01", "//" + "a" * 5000])
    def test_nor_are_those_that_lead_nowhere(self, serve, reach, location):
        with pytest.raises(RemoteUnavailableError):
            reach(serve(*[answer(302, b"", f"Location: {location}")] * ATTEMPTS)).request("GET", "/v1/alerts")

    def test_the_key_is_refused(self, serve, reach, passing):
        server = serve(error(401, "UNAUTHORIZED", "Unknown\x1b[2J \u202ekey. " + "x" * 10_000), error(403, "FORBIDDEN", None))
        remote = reach(server)
        with pytest.raises(RemoteRejectedError) as failure:
            remote.request("GET", ALERT)
        assert f"refused GET {ALERT}: UNAUTHORIZED: Unknown\\x1b[2J \\u202ekey. xxx" in str(failure.value)
        assert str(failure.value).isprintable()
        assert len(str(failure.value)) < 400
        with pytest.raises(RemoteRejectedError, match=r"refused PATCH .*: FORBIDDEN: None"):
            write(remote, "PATCH")
        assert (server.methods, passing.sleeps) == (["GET", "PATCH"], [])


class TestEndless:
    """What would never end, ends; these run by the real clock, as what is cut is a read of a socket."""

    @pytest.mark.parametrize(
        "first",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nX: ",
            head(200, 1_000_000) + b'{"data": "',
            head(200) + b'{"data": "',
            head(200, None, "Transfer-Encoding: chunked"),
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "PATCH"])
    def test_a_byte_now_and_then(self, serve, reach, passing, method, first):
        piece = b"1\r\nx\r\n" if b"chunked" in first else b"HTTP/1.1 100 Continue\r\n\r\n" if not first else b"x"
        server = serve(pours(first, piece, pause=0.01))
        remote = reach(server, deadline=timedelta(seconds=0.2))
        with pytest.raises(RemoteUnavailableError, match="did not answer in full") as failure:
            write(remote, method) if method in WRITES else remote.request("GET", ALERT)
        assert failure.value.maybe_done is (method == "PATCH")
        assert (server.methods, passing.sleeps) == ([method], [])

    def test_over_tls_too(self, serve, reach, tmp_path):
        certificate = cases.make_certificate(tmp_path / "tls.pem")
        server = serve(pours(b"HTTP/1.1 200 OK\r\nX: ", b"x", pause=0.01), certificate=certificate)
        remote = reach(server, ca_file=certificate, deadline=timedelta(seconds=0.3))
        with pytest.raises(RemoteUnavailableError, match="did not answer in full"):
            remote.request("GET", ALERT)
        assert remote.request("GET", ALERT).status == 200
        assert server.connections == 2

    def test_the_deadline_is_each_requests_own(self, serve, reach):
        def late(server, connection):
            time.sleep(0.08)
            return answer()(server, connection)

        server = serve(*[late] * 8, pours(b"", b"HTTP/1.1 100 Continue\r\n\r\n", pause=0.01))
        remote = reach(server, deadline=timedelta(seconds=0.4))
        for _ in range(8):
            assert remote.request("GET", ALERT).status == 200
        with pytest.raises(RemoteUnavailableError, match="did not answer in full"):
            remote.request("GET", ALERT)
        assert (len(server.requests), server.connections) == (9, 1)

    @pytest.mark.parametrize("first", [head(200), head(200, 200 << 20), head(200, None, "Transfer-Encoding: chunked")])
    def test_a_body_without_end(self, serve, reach, passing, monkeypatch, first):
        monkeypatch.setattr(sync_http, "LONGEST_BODY", 1 << 20)
        piece = b" " * 65_536
        server = serve(pours(first, b"10000\r\n" + piece + b"\r\n" if b"chunked" in first else piece))
        with pytest.raises(RemoteUnavailableError, match="more than 1 MiB"):
            reach(server).request("GET", ALERT)
        server.__exit__()
        assert 1 << 20 <= server.sent < 24 << 20  # what lay in the buffers of the sockets is sent, and not read
        assert (server.methods, passing.sleeps) == (["GET"], [])

    def test_a_bomb(self, serve, reach):
        packed = gzip.compress(b'{"data": "' + bytes(200 << 20), 1)
        server = serve(*[sends(head(200, len(packed), "Content-Encoding: gzip") + packed)] * 2)
        remote = reach(server)
        with pytest.raises(RemoteUnavailableError, match="more than 64 MiB"):
            remote.request("GET", ALERT)
        with pytest.raises(RemoteUnavailableError, match="more than 64 MiB") as failure:
            write(remote, "PATCH")
        assert failure.value.maybe_done

    @pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "deflate", "zstd", "x"])
    def test_a_packing_that_was_not_asked_for(self, serve, reach, encoding):
        server = serve(answer(200, None, f"Content-Encoding: {encoding}"))
        with pytest.raises(RemoteUnavailableError, match="unknown encoding"):
            reach(server).request("GET", ALERT)

    def test_a_packed_answer_is_unpacked(self, serve, reach):
        assert reach(serve(zipped(b'{"data": [1, 2]}'))).request("GET", ALERT).body == {"data": [1, 2]}


class TestTls:
    @pytest.mark.parametrize("reason", ["self-signed", "expired", "other name", "other authority"])
    def test_what_is_not_trusted_gets_nothing(self, serve, reach, passing, tmp_path, reason):
        certificate = cases.make_certificate(
            tmp_path / "tls.pem",
            days=-1 if reason == "expired" else 1,
            names=["other.example"] if reason == "other name" else ["127.0.0.1"],
        )
        trusted = {"self-signed": None, "other authority": cases.make_certificate(tmp_path / "other.pem")}.get(reason, certificate)
        server = serve(certificate=certificate)
        with pytest.raises(RemoteUnavailableError, match=r"certificate that is not trusted: .*CERTIFICATE_VERIFY_FAILED") as failure:
            write(reach(server, ca_file=trusted), "PATCH")
        assert not failure.value.maybe_done
        assert (server.requests, passing.sleeps, server.connections) == ([], [], 1)

    def test_an_authority_of_ones_own(self, serve, reach, tmp_path):
        certificate = cases.make_certificate(tmp_path / "tls.pem")
        server = serve(certificate=certificate)
        assert reach(server, ca_file=certificate).request("GET", ALERT).status == 200
        assert server.methods == ["GET"]

    def test_a_file_that_is_none(self, tmp_path):
        (tmp_path / "not.pem").write_text("no certificate")
        for name in ("not.pem", "absent.pem"):
            with pytest.raises(AlertValidationError, match="ca_file: cannot be read"):
                HttpRemote("https://remote.example", ca_file=tmp_path / name)


class TestAddress:
    @pytest.mark.parametrize(
        ("url", "name"),
        [
            ("https://Remote.Example:443/", "https://remote.example"), ("https://remote.example:8443/a/./b/", "https://remote.example:8443/a/b"),
            ("http://127.0.0.1:80", "http://127.0.0.1"), ("http://127.9.8.7:1", "http://127.9.8.7:1"), ("http://[::1]:8000/x", "http://[::1]:8000/x"),
            ("http://LOCALHOST:8000", "http://localhost:8000"), ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
        ],
    )  # fmt: skip
    def test_names(self, reach, url, name):
        remote = reach(url)
        assert remote.name == name
        assert repr(remote) == f"HttpRemote({name!r})"

    @pytest.mark.parametrize("url", [
        "http://remote.example", "http://10.0.0.1", "http://0.0.0.0", "http://127.0.0.1.example", "http://localhost.example", "http://2130706433",
        "http://0x7f.0.0.1", "http://[fe80::1]", "http://127.0.0.1@remote.example", "http://remote.example\\@127.0.0.1", "ftp://127.0.0.1", "file:///etc/passwd",
        "remote.example", "//remote.example", "", "https://", "https:///v1", "https://a..example", f"https://{'a' * 64}.example", "https://h:0", "https://h:65536",
        "https://h:x", "https://[::1", "https://u:hunter2@h", "https://hunter2@h", "https://h?", "https://h/?a=b", "https://h#f", "https://h\n",
    ])  # fmt: skip
    def test_others_are_refused(self, url):
        with pytest.raises(AlertValidationError) as failure:
            HttpRemote(url, key=KEY)
        (problem,) = failure.value.problems
        assert problem.path == "url"
        assert "hunter2" not in cases.told(failure.value)

    @pytest.mark.parametrize("given", [{"timeout": timedelta(0)}, {"deadline": timedelta(-1)}, {"pace": Pace(0, 1)}, {"pace": Pace(1, -1)}])
    def test_times_and_paces(self, given):
        with pytest.raises(AlertValidationError, match="must be more than zero"):
            HttpRemote("https://remote.example", **given)

    @pytest.mark.parametrize("variable", ["HTTP_PROXY", "ALL_PROXY", "http_proxy"])
    def test_no_proxy_sees_what_goes_to_this_machine(self, serve, reach, monkeypatch, variable):
        proxy, server = serve(), serve()
        monkeypatch.setenv(variable, proxy.url)
        reach(server).request("GET", ALERT)
        reach(f"http://localhost:{server.port}").request("GET", ALERT)
        assert (proxy.connections, len(server.requests)) == (0, 2)

    def test_a_proxy_gets_a_tunnel_and_no_key(self, serve, reach, monkeypatch, passing):
        proxy = serve(*[answer(502, b"")] * 20)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(RemoteUnavailableError, match="cannot be reached: 502") as failure:
            write(reach("https://remote.example"), "PATCH")
        assert not failure.value.maybe_done
        assert proxy.methods == ["CONNECT"] * ATTEMPTS
        assert KEY not in repr(proxy.requests)

    @pytest.mark.parametrize("proxy", ["foo://u:hunter2@h", "socks5://u:hunter2@h:1", "http://[u:hunter2"])
    def test_a_proxy_that_cannot_be_used(self, monkeypatch, proxy):
        monkeypatch.setitem(sys.modules, "socksio", None)
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        with pytest.raises(AlertValidationError, match="proxy: what the environment names") as failure:
            HttpRemote("https://remote.example")
        assert "hunter2" not in cases.seen_by_a_debugger(failure.value)


class TestKey:
    def test_from_the_environment_when_it_is_needed(self, serve, reach, monkeypatch):
        server = serve()
        remote = reach(server, key=None)
        for use in (lambda: remote.request("GET", ALERT), lambda: remote.key_prefix):
            with pytest.raises(RemoteRejectedError, match="there is no key for http") as failure:
                use()
            assert "ALERTSTORE_REMOTE_KEY" in failure.value.advice
        assert server.connections == 0
        monkeypatch.setenv("ALERTSTORE_REMOTE_KEY", KEY + "\n")
        remote.request("GET", ALERT)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
        assert remote.key_prefix == "cai_5ecr"

    def test_from_a_function_each_time(self, serve, reach):
        server = serve()
        keys = iter(["first-key-of-many", "second-key-of-many"])
        remote = reach(server, key=lambda: next(keys))
        remote.request("GET", ALERT)
        remote.request("GET", ALERT)
        assert [request.headers["authorization"] for request in server.requests] == [
            "Bearer first-key-of-many",
            "Bearer second-key-of-many",
        ]

    def test_the_beginning_of_a_short_one_is_not_told(self, reach):
        assert reach("https://remote.example", key="short-key").key_prefix is None

    @pytest.mark.parametrize("key", ["hunter2 hunter2", "hunter2\r\nX: y", "hunter2\x00", "hunter\u00fc2hunter2"])
    def test_one_that_cannot_be_sent(self, reach, key):
        with pytest.raises(RemoteRejectedError, match="spaces or characters beyond ASCII") as failure:
            reach("https://remote.example", key=key).request("GET", ALERT)
        assert "hunter2" not in cases.told(failure.value)

    def test_netrc_is_not_read(self, serve, reach, monkeypatch, tmp_path):
        (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        monkeypatch.setenv("HOME", str(tmp_path))
        server = serve()
        reach(server).request("GET", ALERT)
        assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"

    def test_nobody_sees_it(self, serve, reach, caplog, tmp_path, promise):
        certificate = cases.make_certificate(tmp_path / "tls.pem")
        echoes = [
            error(401, f"X{KEY}", f"the key {KEY} is unknown"), error(403, "F", KEY), answer(302, b"", f"Location: https://evil.example/{KEY}"),
            sends(f"HTTP/1.1 {KEY}\r\n\r\n".encode()), answer(200, f"<html>{KEY}".encode()),
        ]  # fmt: skip
        faults = [reset, sends(b""), hang, sends(head(200, 9)), answer(503), error(429, "R", "x", "Retry-After: 999"), *echoes]
        # The HTTP client logs the heads of responses at DEBUG as they came; what a server repeats there is not ours to hide.
        quiet = logging.getLogger("httpcore2.http11")
        caplog.set_level(logging.DEBUG, quiet.name)  # puts it back afterwards
        seen = []
        for fault in faults:
            for method in ("GET", "PATCH"):
                remote = reach(serve(*[fault] * 10), timeout=timedelta(seconds=0.02))
                quiet.setLevel(logging.INFO if fault in echoes else logging.DEBUG)
                with caplog.at_level(logging.DEBUG), pytest.raises((RemoteUnavailableError, RemoteRejectedError)) as failure:
                    write(remote, method) if method in WRITES else remote.request("GET", ALERT)
                seen.append((remote, failure.value))
                if fault not in echoes:  # a body that repeats it is a local name, as any answer
                    assert KEY not in cases.seen_by_a_debugger(failure.value)
        quiet.setLevel(logging.DEBUG)
        with caplog.at_level(logging.DEBUG):
            for remote in (reach(serve(certificate=certificate)), reach(f"http://127.0.0.1:{cases.unused_port()}")):
                with pytest.raises(RemoteUnavailableError) as failure:
                    write(remote, "PATCH")
                seen.append((remote, failure.value))
            working = reach(serve(error(404)))
            given = working.request("GET", ALERT)
        assert len(seen) == 2 * len(faults) + 2
        for remote, failure in seen:
            assert not [one for one in cases.chain(failure) if "httpx2" in type(one).__module__]
            assert not [one for one in cases.chain(failure) if hasattr(one, "request")]
            assert KEY not in cases.told(failure)
            assert KEY not in repr(vars(remote)) + repr(remote) + remote.name
            assert KEY not in str(remote.key_prefix)
        assert KEY not in repr((given, vars(working)))
        for logger in ("httpx2", "httpcore2.http11", "httpcore2.connection", "stamina"):
            assert any(record.name == logger for record in caplog.records), logger
        assert KEY not in caplog.text + repr([vars(record) for record in caplog.records])
        promise("no error, log line, name or answer holds the remote's key", f"{len(seen)} failed exchanges looked through")

    @pytest.mark.parametrize("status", [400, 404, 409, 413, 418, 422, 500, 501])
    @pytest.mark.parametrize("method", ["GET", *WRITES])
    def test_no_answer_repeats_it(self, serve, reach, status, method):
        said = {"code": f"X_{KEY}", "message": f"Authorization: Bearer {KEY}{KEY}", "details": [{f"to {KEY}": [KEY, 7, None]}]}
        remote = reach(serve(answer(status, {"error": said, "meta": {"echo": KEY}})))
        got = write(remote, method) if method in WRITES else remote.request("GET", ALERT)
        details = [{"to [key]": ["[key]", 7, None]}]
        assert got.status == status
        assert got.body["error"] == {"code": "X_[key]", "message": "Authorization: Bearer [key][key]", "details": details}
        assert KEY not in repr(got)

    @pytest.mark.parametrize("status", [422, 500])
    def test_a_proxy_that_repeats_it_brings_it_into_no_file(self, serve, reach, tmp_path, status):
        empty = answer(200, {"data": [], "meta": {"total": 0}})

        def server(connection_server, connection):
            """Lists are empty; every write is refused with the head of its request."""
            request = connection_server.requests[-1]
            said = error(status, "BAD", f"you sent {request.headers['authorization']}")
            return (empty if request.method == "GET" else said)(connection_server, connection)

        path = tmp_path / "s.db"
        with AlertStore.open(path) as store:
            store.add(generic_alert())
            shown = [str(store.sync(reach(serve(*[server] * 30)))), repr(store.conflicts()), repr([event.body for event in store.events()])]
            store.export_bundle(tmp_path / "b.asb")
        assert ("you sent Bearer [key]" in "".join(shown)) or status != 422
        with zipfile.ZipFile(tmp_path / "b.asb") as bundle:
            members = [bundle.read(name).decode() for name in bundle.namelist()]
        files = [one.read_bytes() for one in tmp_path.iterdir()]
        assert KEY not in "".join([*shown, *members])
        assert not [one for one in files if KEY.encode() in one]

    @pytest.mark.parametrize("package", ["httpx2", "stamina"])
    def test_the_packages_are_not_there(self, monkeypatch, package):
        monkeypatch.setitem(sys.modules, package, None)
        for module in ("alertstore.sync.http", "alertstore.sync.patience"):
            monkeypatch.delitem(sys.modules, module)
        with pytest.raises(MissingExtraError) as failure:
            importlib.import_module("alertstore.sync.http")
        assert failure.value.advice == "pip install 'alertstore[sync]'"


class TestPace:
    def test_all_and_those_that_make_alerts(self, serve, reach, passing):
        server = serve()
        remote = reach(server, pace=Pace(requests=120, ingests=60))
        for _ in range(30):
            remote.request("GET", ALERT)
        assert len(passing.sleeps) == 20  # ten at once, the others evenly
        assert passing.sleeps == pytest.approx([0.5] * 20)
        passing.now += 60
        passing.sleeps.clear()
        for path in ("/v1/alerts", "/v1/ingest/generic") * 4:
            remote.request("POST", path, body={})
        assert passing.sleeps == pytest.approx([1.0] * 3)  # five at once
        remote.request("POST", ALERT + "/findings", body={})
        remote.request("PATCH", ALERT, body={})
        assert len(passing.sleeps) == 3
        assert len(server.requests) == 40

    def test_a_minute_holds_the_pace_and_a_burst(self, serve, reach, passing):
        server = serve()
        remote = reach(server, pace=Pace(480, 80))
        start = passing.now
        times = []
        for _ in range(600):
            remote.request("GET", ALERT)
            times.append(passing.now - start)
        assert sum(at <= 60 for at in times) == 480 + 10
        assert server.connections == 1

    def test_repeats_count(self, serve, reach, passing):
        server = serve(*[answer(503)] * 3)
        remote = reach(server, pace=Pace(2, 2))
        assert remote.request("GET", ALERT).status == 200
        passing.sleeps.clear()
        for _ in range(6):
            remote.request("GET", ALERT)
        assert passing.sleeps == []
        remote.request("GET", ALERT)
        assert len(passing.sleeps) == 1  # ten turns are used: four by the first request

    def test_waiting(self, reach, passing):
        remote = reach("https://remote.example")
        remote.wait(2.5)
        remote.wait(0)
        remote.wait(-1)
        assert (passing.sleeps, remote.pace) == ([2.5], Pace(480, 80))

    @given(st.integers(1, 5_000), st.integers(1, 20), st.lists(st.floats(0, 30), max_size=60))
    def test_no_window_holds_more(self, rate, burst, gaps):
        throttle = Throttle(rate, burst)
        now = 1_000.0
        sent = []
        for gap in gaps:
            now += gap
            wait = throttle.turn(now)
            assert wait >= 0
            now += wait
            sent.append(now)
        for i, first in enumerate(sent):
            for j in range(i, len(sent)):
                assert j - i + 1 <= burst + (sent[j] - first) * rate / 60 + 1e-6


@given(
    st.one_of(st.none(), st.text(), st.from_regex(r"\A[0-9 :,+A-Za-z-]{0,40}\Z"), st.integers().map(str)),
    st.one_of(st.none(), st.integers(-(10**17), 10**17)),
)
def test_no_header_is_too_odd_to_be_read(text, now):
    assert 0 <= retry_after(text, now) < float("inf")
    assert server_time(text) is None or isinstance(server_time(text), int)
