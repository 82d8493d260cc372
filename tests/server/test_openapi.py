"""The description of the API against the API: every operation asked for real, every answer held against its schema.

`conftest.Client` holds every answer in every test of this room against the description; here it is seen to that none is left out.
"""

from __future__ import annotations

import json
from uuid import uuid4

import pytest


def test_the_description_is_openapi(described, client):
    document = client("GET", "/openapi.json").json
    assert document == described.document
    assert document["openapi"] == "3.1.0"
    text = json.dumps(document)
    named = {word.split('"', 1)[0] for word in text.split('"#/components/schemas/')[1:]}
    assert named == set(document["components"]["schemas"])
    operations = [one for path in document["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in operations}) == len(operations) == 27
    for one in operations:
        assert {"401", "403", "500", "503"} <= one["responses"].keys()


def test_it_describes_what_the_remote_describes(described):
    """Of the operations that both have: the same parameters, and every field of a body the remote takes."""
    from test_replay import WIRE

    if not WIRE.is_dir():
        pytest.skip("../shared/wire is not here")
    remote = json.loads((WIRE / "openapi.json").read_text(encoding="utf-8"))
    for path, operations in described.document["paths"].items():
        for method, ours in operations.items():
            theirs = remote["paths"][path][method]
            names = [{(one["name"], one["in"]) for one in operation.get("parameters", [])} for operation in (theirs, ours)]
            assert names[0] == names[1], (method, path)
            bodies = [_fields(document, operation) for document, operation in ((remote, theirs), (described.document, ours))]
            if bodies[0] is not None:  # it describes none for context documents
                assert bodies[0] - {"created_by"} == bodies[1], (method, path)


def _fields(document, operation):
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None or "$ref" not in content["schema"]:
        return None
    return set(document["components"]["schemas"][content["schema"]["$ref"].rsplit("/", 1)[1]]["properties"])


def test_every_answer_it_describes_occurs(client, described, promise):
    """Each operation with each status, but for 500 and 503, which take a broken or a busy store (test_many_clients)."""
    described.seen.clear()
    record = {"title": "described", "indicators": [{"type": "ip", "value": "192.0.2.9"}], "rule_id": "R-described"}
    alert = f"/v1/alerts/{client.add(**record)}"
    rule = client("POST", "/v1/detection-rules", {"name": "described"}).data["uuid"]
    body = {"title": "t", "document_type": "sop", "content": "c"}
    document = client("POST", "/v1/context-documents", body).data["uuid"]
    indicator = client("GET", f"{alert}/indicators").data[0]["uuid"]
    names = {
        "alert_uuid": alert.rsplit("/", 1)[1],
        "rule_uuid": rule,
        "doc_uuid": document,
        "indicator_uuid": indicator,
        "source_name": "generic",
    }
    bodies = {
        "patch_alert": {"severity": "Low"}, "add_alert": {"source_name": "generic", "payload": record}, "ingest_record": record,
        "add_finding": {"agent_name": "a", "summary": "s"}, "add_indicators": {"indicators": record["indicators"]},
        "patch_indicator": {"malice": "Benign"}, "add_rule": {"name": "n"}, "patch_rule": {"severity": "low"}, "add_document": body,
        "patch_document": {"tags": ["t"]},
    }  # fmt: skip
    listed = [(path, method.upper(), one) for path, operations in described.document["paths"].items() for method, one in operations.items()]
    for path, method, one in sorted(listed, key=lambda item: item[1] == "DELETE"):
        there, body = path.format(**names), bodies.get(one["operationId"])
        for host, key in (("evil.example", client.key), ("localhost", "wrong")):
            client(method, there, body, headers={"Host": host, "Authorization": f"Bearer {key}"})
        gone = path.format(**{name: "nope" if name == "source_name" else uuid4() for name in names})
        client(method, gone, body)
        client(method, path.format(**dict.fromkeys(names, "x")), body)
        if body is not None:
            client(method, there, [])
            client(method, there, b"{", headers={"Content-Type": "application/json"})
            client(method, there, b" " * ((10 << 20) + 1))
        client(method, f"{there}?page=x&sibling_limit=x&from_time=x&from=x&enrich=x&is_active=x&is_global=x", body)
        client(method, f"{there}?sort_by=nonsense", body)
        client(method, there, body)
    client("POST", "/v1/alerts", {"source_name": "nope", "payload": record})
    wanted = {(method, path, int(status)) for path, method, one in listed for status in one["responses"] if status not in {"500", "503"}}
    assert wanted - described.seen == set()
    assert described.seen - wanted == set()
    promise("serve answers as its own OpenAPI document says", f"{len(listed)} operations, {len(wanted)} of their statuses")


@pytest.mark.long
def test_schemathesis_finds_no_answer_that_is_not_described(port, client, promise, tmp_path):
    """Thousands of generated requests, well and badly formed."""
    import subprocess
    import sys

    pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    client.add(title="to be found")
    checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{port}/openapi.json", "-H", f"Authorization: Bearer {client.key}",
               "--checks", checks, "--max-examples", "100", "--seed", "1"]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=1_500)
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    promise("serve answers as its own OpenAPI document says", "schemathesis, 100 examples an operation and check, no 500")
