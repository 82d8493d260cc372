"""Bodies: too long, no JSON, too deep, hostile. Each is answered with a 4xx of the API's own, and leaves nothing behind."""

from __future__ import annotations

import json
import logging
import socket
from itertools import count

import pytest

MIB = 1 << 20
NUMBERS = count()
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def alert(client):
    return f"/v1/alerts/{client.add(title=f'alert {next(NUMBERS)}')}"


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(("method", "path", "limit"), [("POST", "/v1/alerts", 5), ("POST", "/v1/ingest/generic", 5), ("PATCH", None, 10)])
def test_a_body_beyond_the_limit_is_refused_and_the_next_request_is_answered(client, alert, method, path, limit, chunked):
    """Also where its length was not said; the sender is not cut off before it can read the answer."""
    body = b'{"tags":["' + b"x" * (limit * MIB) + b'"]}'
    reply = client(method, path or alert, iter([body[:MIB], body[MIB:]]) if chunked else body, headers=JSON)
    assert (reply.status, reply.code) == (413, "PAYLOAD_TOO_LARGE")
    assert f"{limit}MB" in reply.json["error"]["message"]
    assert client("GET", alert).data["tags"] == []


def test_a_body_at_the_limit_is_read(client, alert):
    body = b'{"severity":"High"' + b" " * (10 * MIB - 19) + b"}"
    assert len(body) == 10 * MIB
    assert client("PATCH", alert, body, headers=JSON).data["severity"] == "High"


def test_a_payload_over_one_mebibyte_is_refused_and_a_long_title_is_not(client):
    assert client("POST", "/v1/alerts", {"source_name": "generic", "payload": {"title": "big", "blob": "x" * 1_100_000}}).status == 422
    uuid = client.add(title="x" * 200_000)
    assert len(client("GET", f"/v1/alerts/{uuid}").data["title"]) == 200_000


MALFORMED = {
    "empty": b"", "blank": b"  ", "half": b'{"status": ', "two": b"{}{}", "text": b'"x"', "list": b"[]", "null": b"null", "number": b"1",
    "nan": b'{"tags": [NaN]}', "infinity": b'{"x": -Infinity}', "not utf-8": b'{"tags":["\xff"]}', "utf-16": '{"tags":[]}'.encode("utf-16"),
    "deep list": b"[" * 100_000, "deep object": b'{"tags":' * 50_000, "closed deep": b'{"tags":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "deep but read": b'{"tags":' + b"[" * 500 + b"]" * 500 + b"}",
    "long number": b'{"severity": ' + b"9" * 5_000 + b"}", "nul": b"\0", "trailing comma": b'{"severity": "Low",}',
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize(
    ("method", "path"), [("PATCH", None), ("POST", "/v1/alerts"), ("POST", "/v1/ingest/generic"), ("POST", "/v1/context-documents")]
)
def test_what_is_no_edit_is_a_4xx(client, alert, name, method, path, caplog):
    before, total = client("GET", alert).data, client("GET", "/v1/alerts").json["meta"]["total"]
    with caplog.at_level(logging.ERROR, "alertstore.server"):
        reply = client(method, path or alert, MALFORMED[name], headers=JSON)
    assert reply.status in {400, 422}
    assert reply.code in {"VALIDATION_ERROR", "INVALID_JSON", "INVALID_PAYLOAD"}
    assert caplog.records == []
    assert client("GET", alert).data == before
    assert client("GET", "/v1/alerts").json["meta"]["total"] == total


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_what_python_takes_for_json_and_json_does_not_know(client, alert, word):
    record = client("POST", "/v1/ingest/generic", f'{{"title": "t", "x": {word}}}'.encode())
    assert (record.status, record.code) == (400, "INVALID_JSON")
    problem = client("PATCH", alert, f'{{"severity": {word}}}'.encode(), headers=JSON).json["error"]["details"]["errors"][0]
    assert problem == {"type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error"}


def test_about_as_deep_as_python_goes_is_refused_by_whichever_step_comes_there_first(client, alert):
    for depth in range(900, 1_000, 2):
        nested = "[" * depth + "]" * depth
        for path, body in (
            ("/v1/alerts", f'{{"source_name": "generic", "payload": {{"title": "t", "x": {nested}}}}}'),
            ("/v1/ingest/generic", f'{{"title": "t", "x": {nested}}}'),
            (f"{alert}/findings", f'{{"agent_name": "a", "summary": "s", "evidence": {{"x": {nested}}}}}'),
        ):
            assert client("POST", path, body.encode(), headers=JSON).status in {400, 422}, depth


@pytest.mark.parametrize("depth", [60, 64, 65, 900])
def test_records_and_evidence_may_be_64_deep(client, alert, depth):
    """An outer object counts: `payload` and `evidence` themselves are the first bracket."""
    value = json.loads("[" * (depth - 1) + "]" * (depth - 1))
    record = client("POST", "/v1/ingest/generic", {"title": f"deep {next(NUMBERS)}", "value": value})
    finding = client("POST", f"{alert}/findings", {"agent_name": "a", "summary": "s", "evidence": {"value": value}})
    assert (record.status, finding.status) == ((202, 201) if depth <= 64 else (422, 422))


@pytest.mark.parametrize(
    ("kind", "status"),
    [("application/json; charset=utf-8", 200), ("application/merge-patch+json", 200), ("APPLICATION/JSON", 200), ("text/plain", 422), (None, 422),
     ("application/x-www-form-urlencoded", 422), ("text/json", 422)],
)  # fmt: skip
def test_the_content_type_decides_what_is_read_as_json(client, alert, kind, status):
    reply = client("PATCH", alert, b'{"severity":"Low"}', headers={"Content-Type": kind})
    assert reply.status == status
    if status == 422:
        assert reply.json["error"]["details"]["errors"][0]["type"] == "model_attributes_type"


def test_a_byte_order_mark_and_repeated_keys_are_taken_as_the_remote_takes_them(client, alert):
    assert client("PATCH", alert, b'\xef\xbb\xbf{"severity":"Low","severity":"High"}', headers=JSON).data["severity"] == "High"


@pytest.mark.parametrize("every", [6, pytest.param(1, marks=pytest.mark.long)])
def test_hostile_strings_come_back_as_they_were_or_are_refused(client, alert, hostile_strings, promise, every):
    """In every place where a client's text goes; through the list, the detail, the log and the graph."""
    kept = refused = 0
    other = f"/v1/alerts/{client.add(title='with much in it')}"  # whose answers would be long
    texts = list(hostile_strings.items())[::every]
    for name, text in texts:
        replies = [
            client("PATCH", alert, {"tags": [text]}),
            client("POST", "/v1/alerts", {"source_name": "generic", "payload": {"title": text, "description": text, "tags": [text]}}),
            client(
                "POST",
                f"{other}/findings",
                {"agent_name": text[:255], "summary": text, "recommended_action": text, "evidence": {text: text}},
            ),
            client("POST", f"{other}/indicators", {"indicators": [{"type": "account", "value": text}]}),
            client("POST", "/v1/detection-rules", {"name": text[:500], "source_rule_id": text, "source_name": "generic"}),
            client("POST", "/v1/context-documents", {"title": text[:500], "document_type": "sop", "content": text}),
        ]
        for reply in replies:
            assert reply.status in {200, 201, 202, 422}, (name, reply.raw[:300])
            kept += reply.status < 300
            refused += reply.status == 422
        if replies[0].status == 200:
            assert replies[0].data["tags"] == [text], name
    for path in ("", "/activity", "/findings", "/indicators", "/context", "/relationship-graph"):
        assert client("GET", other + path).status == 200
    assert client("GET", "/v1/alerts?page_size=500").status == 200
    assert kept > refused
    promise("What an attacker writes into an alert breaks no answer", f"{len(texts)} hostile texts in 6 places, no 500")


@pytest.mark.parametrize("query", ["page=1e3", "page_size=0", "page=%00", "from_time=0001-01-01T00:00:00%2B14:00", "to_time=9999-12-31T23:59:59-14:00",
                                   "from_time=1e300", "is_enriched=%ff", "detection_rule_uuid=1", "status=%00", "sort_by=x", "sort_order=%0a",
                                   "severity=High,", "enrichment_status=x", "page=" + "9" * 5000])  # fmt: skip
def test_hostile_addresses_are_a_4xx(client, query):
    reply = client("GET", f"/v1/alerts?{query}")
    assert reply.status == (400 if query.startswith("sort") else 422)
    assert reply.code == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    "query", ["page=99999999999999999999", "tags=%00", "tags=%ed%a0%80", "source_name=%00,%27", "unknown=1", "page=1&page=2", "&&==&", "%"]
)
def test_odd_addresses_are_answered(client, alert, query):
    assert client("GET", f"/v1/alerts?{query}").status == 200


def test_no_client_sees_where_in_the_code_a_fault_was(client, alert, monkeypatch, caplog):
    from alertstore.store import AlertStore

    def broken(self, uuid):
        raise RuntimeError("secret\x1b[2J detail")

    monkeypatch.setattr(AlertStore, "get", broken)
    with caplog.at_level(logging.ERROR, "alertstore.server"):
        reply = client("GET", alert)
    assert reply.json == {"error": {"code": "INTERNAL_ERROR", "message": "An unexpected error occurred.", "details": {}}}
    assert "secret" in caplog.text
    assert "\x1b" not in caplog.text


def test_a_client_that_goes_away_in_the_middle_harms_nobody(port, client, alert):
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port)) as conn:
            conn.sendall(f"PATCH {alert} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {client.key}\r\n".encode())
            conn.sendall(b'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"severity":')
    assert client("GET", alert).data["severity"] == "Pending"
