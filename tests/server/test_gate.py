"""Who is answered: keys, host names, web pages; and what no answer gives away."""

from __future__ import annotations

import http.client

import pytest

HERE = "/v1/alerts"


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "bearer k-0123456789", "Basic Zm9v", "Bearer k-012345678", "Bearer k-0123456789 ", "Bearer \xe9"],
)
def test_only_the_key_opens(client, header):
    reply = client("GET", HERE, headers={"Authorization": header})
    if header == "Bearer k-0123456789 ":  # blanks at the end are not part of a header's value
        assert reply.status == 200
    else:
        assert (reply.status, reply.code) == (401, "UNAUTHORIZED")
        assert "k-0123456789" not in reply.raw.decode()


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_without_the_key_nothing_is_read_or_done(client, method):
    uuid = client.add(title="kept")
    reply = client(method, f"/v1/alerts/{uuid}", b"{nope", headers={"Authorization": None})
    assert reply.status == 401
    assert client("GET", f"/v1/alerts/{uuid}").data["severity"] == "Pending"


def test_the_description_needs_no_key(client):
    assert client("GET", "/openapi.json", headers={"Authorization": None}).json["openapi"] == "3.1.0"
    assert client("POST", "/openapi.json", headers={"Authorization": None}).status == 404
    for path in ("/", "/v1", "/nope", "/openapi.json/", "//openapi.json", "/V1/alerts", "//v1/alerts"):
        assert client("GET", path, headers={"Authorization": None}).status == 401


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "LOCALHOST:99", "[::1]:8000", "192.0.2.1"])
def test_own_names_and_addresses_are_answered(client, host):
    assert client("GET", HERE, headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example:8000", "127.0.0.1.evil.example", "", "a@localhost", "[::1", "localhost:x"]
)
def test_other_host_names_are_not(client, host):
    """A page whose name was rebound to this machine sends its own name, and the key too if it were stored for it."""
    for path in (HERE, "/openapi.json"):
        reply = client("GET", path, headers={"Host": host})
        assert (reply.status, reply.code) == (403, "FORBIDDEN")


def test_two_hosts_are_none(port):
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    conn.putrequest("GET", HERE, skip_host=True)
    conn.putheader("Host", "localhost")
    conn.putheader("Host", "evil.example")
    conn.endheaders()
    assert conn.getresponse().status in {400, 403}  # the HTTP parser or the gate
    conn.close()


def test_without_a_key_web_pages_are_turned_away(tmp_path, run, connect):
    """A page can send a form to any address; what it sends to /v1/ingest would be JSON enough."""
    with run(tmp_path / "open.db", key=None) as port:
        client = connect(port, key=None)
        assert client("GET", HERE).status == 200
        record = b'{"title": "from a page"}'
        for header in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            assert client("POST", "/v1/ingest/generic", record, headers=header | {"Content-Type": "text/plain"}).status == 403
        assert client("GET", HERE).json["meta"]["total"] == 0
        assert client("POST", "/v1/ingest/generic", record, headers={"Sec-Fetch-Site": "none"}).status == 202


def test_every_answer_is_guarded_and_none_says_what_serves(client):
    for reply in (
        client("GET", HERE),
        client("GET", "/nope"),
        client("GET", HERE, headers={"Host": "x"}),
        client("PATCH", HERE + "/1", b"{"),
    ):
        assert "server" not in reply.headers
        assert "x-powered-by" not in reply.headers
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["x-frame-options"] == "DENY"
        assert reply.headers["cache-control"] == "no-store"
        assert reply.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_request_keeps_its_own_id(client):
    assert client("GET", HERE, headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
    made = [client("GET", HERE, headers={"X-Request-ID": given}).headers["x-request-id"] for given in (None, "a b", "x" * 129)]
    assert len(set(made)) == 3
    assert all(len(one) == 36 for one in made)


@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/"), ("GET", "/v1"), ("GET", "/v1/nope"), ("GET", "/v1/alerts/1/2/3"), ("PUT", HERE), ("HEAD", HERE), ("OPTIONS", HERE),
    ("DELETE", HERE), ("TRACE", HERE), ("POST", "/v1/metrics/alerts"), ("GET", "/v1/ingest/generic"), ("GET", "/v1/agents"),
    ("GET", "/v1/workflows"), ("GET", "/v1/metrics/workflows"), ("GET", "/v1/sources"), ("GET", "/v1/api-keys"),
    ("GET", "/v1/settings/approval-defaults"), ("POST", "/v1/enrichments"), ("GET", "/v1/indicator-mappings"),
])  # fmt: skip
def test_what_there_is_not_is_a_404(client, method, path):
    reply = client(method, path)
    assert reply.status == 404
    if method != "HEAD":
        assert reply.json == {"error": {"code": "NOT_FOUND", "message": "The requested resource was not found.", "details": {}}}


def test_a_slash_too_many_leads_to_the_list(client):
    reply = client("GET", "/v1/alerts/")
    assert reply.status == 307
    assert reply.headers["location"] == "/v1/alerts"
    assert client("GET", "/v1/alerts//").status == 404
