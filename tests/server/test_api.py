"""What each operation says of the store, and does to it."""

from __future__ import annotations

from itertools import count
from uuid import uuid4

import pytest

NUMBERS = count()
DEEDS = ["/findings", "/indicators", "/activity", "/context", "/relationship-graph", ""]


@pytest.fixture
def make(client):
    """Make an alert; its path."""

    def make(**fields):
        return "/v1/alerts/" + client.add(**{"title": f"api {next(NUMBERS)}", **fields})

    return make


def test_an_alert_goes_its_way(client, make):
    alert = make(severity="high", tags=["c2"])
    assert client("PATCH", alert, {"status": "Triaging", "tags": ["c2", "vip"]}).data["acknowledged_at"] is not None
    refused = client("PATCH", alert, {"status": "Closed", "severity": "Low"})
    assert refused.json["error"]["message"] == "close_classification is required when setting status to Closed."
    assert client("GET", alert).data["severity"] == "High"
    closed = client("PATCH", alert, {"status": "Closed", "close_classification": "Duplicate", "malice_override": "Benign"})
    again = client("GET", alert)
    assert closed.data == again.data
    assert again.json["meta"] | {"generated_at": None} == {
        "generated_at": None, "alert_source": "generic", "indicator_count": 0, "detection_rule_matched": False,
        "enrichment": {"succeeded": [], "failed": [], "enriched_at": None}, "context_documents_applied": 0,
    }  # fmt: skip
    assert client("PATCH", alert, {"status": "Open"}).json["error"]["details"]["errors"][0]["loc"] == ["body", "status"]
    assert client("DELETE", alert).status == 204
    for path in DEEDS:
        assert client("GET", alert + path).json["error"]["message"] == "Alert not found."


def test_a_patch_says_all_that_is_wrong_and_does_nothing(client, make):
    alert = make()
    reply = client("PATCH", alert, {"severity": "high", "tags": [1], "nonsense": 1, "reset_malice_override": "yes"})
    problems = {tuple(one["loc"]): one["type"] for one in reply.json["error"]["details"]["errors"]}
    assert problems.keys() == {("body", "severity"), ("body", "tags", 0), ("body", "nonsense"), ("body", "reset_malice_override")}
    assert problems[("body", "nonsense")] == "extra_forbidden"


def test_shape_is_looked_at_before_existence(client):
    gone = f"/v1/alerts/{uuid4()}"
    assert client("PATCH", gone, {"status": "nope"}).status == 422
    assert client("PATCH", gone, {"severity": "Low"}).status == 404


def test_a_uuid_may_be_written_in_other_ways(client, make):
    uuid = make().rsplit("/", 1)[1]
    for written in (uuid.upper(), uuid.replace("-", ""), f"%7B{uuid}%7D", f"urn:uuid:{uuid}"):
        assert client("GET", f"/v1/alerts/{written}").data["uuid"] == uuid
        assert client("PATCH", f"/v1/alerts/{written}", {"severity": "Low"}).data["uuid"] == uuid


@pytest.mark.parametrize("name", ["1", "x" * 36, "%00", "..%2f", "0" * 33])
@pytest.mark.parametrize("path", ["/v1/alerts/", "/v1/indicators/", "/v1/detection-rules/", "/v1/context-documents/"])
def test_what_is_no_uuid_is_refused(client, path, name):
    assert client("GET", path + name).status == (404 if "%2f" in name else 422)


@pytest.fixture(scope="module")
def listed(tmp_path_factory, run, cases):
    """The port of a server over 23 alerts of known values."""
    with run(tmp_path_factory.mktemp("listed") / "listed.db") as port:
        client = cases.Client(port)
        for number in range(23):
            uuid = client.add(
                title=f"alert {number:02}", severity=["Low", "High", "Critical"][number % 3], tags=["odd"] if number % 2 else ["even", "all"],
                occurred_at=f"2026-03-{number // 2 + 1:02}T10:00:00Z", rule_id=f"R{number % 2}", ip="192.0.2.7",
            )  # fmt: skip
            if number < 4:
                client("PATCH", f"/v1/alerts/{uuid}", {"status": "Triaging"})
        client.close()
        yield port


@pytest.mark.parametrize("sort", ["", *(f"&sort_by={one}&sort_order={way}" for one in
    ("occurred_at", "created_at", "severity", "status", "source_name", "title") for way in ("asc", "desc"))])  # fmt: skip
def test_pages_hold_every_alert_once_in_any_order(listed, connect, sort):
    """Also by what many of them share: the remote loses some there."""
    client, found = connect(listed), []
    for page in range(1, 7):
        reply = client("GET", f"/v1/alerts?page={page}&page_size=5{sort}")
        assert reply.json["meta"] == {"total": 23, "page": page, "page_size": 5, "total_pages": 5}
        found += [one["title"] for one in reply.data]
        assert len(reply.data) == [5, 5, 5, 5, 3, 0][page - 1]
    assert len(set(found)) == len(found) == 23
    if "title" in sort:
        assert found == sorted(found, reverse="desc" in sort)


@pytest.mark.parametrize(
    ("query", "total"),
    [("status=Triaging", 4), ("status=Triaging,Open", 23), ("severity=High,Critical", 15), ("status=Open&severity=Low", 6), ("source_name=generic", 23),
     ("source_name=nope,elastic", 0), ("is_enriched=false", 23), ("is_enriched=true", 0), ("enrichment_status=Pending", 23),
     ("enrichment_status=Enriched&is_enriched=false", 0), ("from_time=2026-03-10", 5), ("to_time=2026-03-02T00:00:00Z", 2),
     ("to_time=2026-03-02T10:00:00Z", 4), ("to_time=2026-03-02T09:59:59.999999Z", 2), ("from_time=2026-03-02T10:00:00Z&to_time=2026-03-02T10:00:00Z", 2),
     ("from_time=2026-03-02T00:00:00%2B00:00&to_time=2026-03-03", 2), ("tags=odd", 11), ("tags=even&tags=all", 12), ("tags=even&tags=odd", 0),
     (f"detection_rule_uuid={uuid4()}", 0), ("unknown=1", 23), ("status=", 23)],
)  # fmt: skip
def test_filters(listed, connect, query, total):
    reply = connect(listed)("GET", f"/v1/alerts?{query}&page_size=500")
    assert (reply.json["meta"]["total"], len(reply.data)) == (total, total)


def test_rules_are_made_by_ingest_and_counted(listed, connect):
    client = connect(listed)
    rules = client("GET", "/v1/detection-rules?sort_by=name&sort_order=desc").data
    assert [rule["name"] for rule in rules] == ["R1", "R0"]
    uuid = rules[0]["uuid"]
    assert client("GET", f"/v1/alerts?detection_rule_uuid={uuid}").json["meta"]["total"] == 11
    numbers = client("GET", f"/v1/detection-rules/{uuid}/metrics").data
    assert (numbers["total_alerts"], numbers["active_alerts"], numbers["false_positive_rate"]) == (11, 11, 0.0)
    assert numbers["top_indicators"] == [{"type": "ip", "value": "192.0.2.7", "count": 11}]
    assert client("GET", f"/v1/detection-rules/{uuid4()}/metrics").json["error"]["message"] == "Detection rule not found."
    overall = client("GET", "/v1/metrics/alerts").data
    assert overall["top_detection_rules"] == [
        {"uuid": rules[1]["uuid"], "name": "R0", "count": 12},
        {"uuid": uuid, "name": "R1", "count": 11},
    ]
    assert client("GET", "/v1/metrics/summary").data["platform"]["detection_rules"] == 2
    empty = client("GET", "/v1/metrics/alerts?from_time=2025-01-01T00:00:00&to_time=2025-01-02T00:00:00Z").data
    assert (empty["period_from"], empty["period_to"], empty["total_alerts"]) == ("2025-01-01T00:00:00", "2025-01-02T00:00:00Z", 0)


def test_the_graph_names_neighbours(listed, connect):
    client = connect(listed)
    first = client("GET", "/v1/alerts?sort_by=title&sort_order=asc").data[0]["uuid"]
    graph = client("GET", f"/v1/alerts/{first}/relationship-graph?sibling_limit=3").data
    (node,) = graph["indicators"]
    assert (node["total_alert_count"], len(node["sibling_alerts"])) == (22, 3)
    newest = client("GET", "/v1/alerts").data[0]["uuid"]
    assert node["sibling_alerts"][0]["uuid"] == newest
    node = client("GET", f"/v1/alerts/{newest}/relationship-graph?sibling_limit=50").data["indicators"][0]
    assert newest not in {one["uuid"] for one in node["sibling_alerts"]}
    assert (node["total_alert_count"], len(node["sibling_alerts"])) == (22, 22)
    assert len(client("GET", f"/v1/alerts/{first}/relationship-graph").data["indicators"][0]["sibling_alerts"]) == 10


def test_ingest_tells_what_became_of_a_record(client):
    record = {"title": f"twice {next(NUMBERS)}", "occurred_at": "2026-03-01T00:00:00Z"}
    first = client("POST", "/v1/ingest/generic", record)
    assert first.data == {"alert_uuid": first.data["alert_uuid"], "status": "queued", "is_duplicate": False, "duplicate_count": None}
    other = client("POST", "/v1/alerts", {"source_name": "generic", "payload": record | {"severity": "low"}})
    assert other.data == first.data | {"status": "deduplicated", "is_duplicate": True, "duplicate_count": 1}
    assert client("POST", "/v1/ingest/generic", record).data == other.data  # the same record again adds nothing
    client("DELETE", f"/v1/alerts/{first.data['alert_uuid']}")
    assert client("POST", "/v1/ingest/generic", record).data == other.data | {"duplicate_count": None}
    unknown = client("POST", "/v1/ingest/nope", record)
    assert (unknown.status, unknown.code) == (404, "UNKNOWN_SOURCE")
    assert client("POST", "/v1/ingest/elastic", record).code == "INVALID_PAYLOAD"


def test_findings_indicators_and_verdicts(client, make):
    alert = make()
    finding = client("POST", f"{alert}/findings", {"agent_name": "mia", "summary": "seen", "confidence": "low", "evidence": {"hosts": [1]}})
    assert client("GET", f"{alert}/findings").data == [finding.data]
    added = client("POST", f"{alert}/indicators?enrich=true", {"indicators": [{"type": "domain", "value": "EVIL.example."}] * 2})
    assert (added.data["added_count"], added.data["enrich_requested"]) == (2, False)
    (indicator,) = added.data["indicators"]
    assert indicator["value"] == "evil.example"
    judged = client("PATCH", f"/v1/indicators/{indicator['uuid']}", {"malice": "Malicious"})
    assert client("GET", f"/v1/indicators/{indicator['uuid']}").data == judged.data
    assert client("GET", alert).data["malice"] == "Malicious"
    assert client("GET", f"{alert}/indicators").data == [judged.data]
    assert client("GET", f"/v1/indicators/{uuid4()}").json["error"]["message"] == "Indicator not found."


def test_the_log_tells_what_the_remotes_tells(client, make):
    alert = make(severity="low", indicators=[])
    client("PATCH", alert, {"status": "Triaging", "severity": "High"})
    client("PATCH", alert, {"malice_override": "Benign"})
    client("PATCH", alert, {"reset_malice_override": True})
    client("POST", f"{alert}/findings", {"agent_name": "mia", "summary": "s" * 200})
    client("POST", f"{alert}/indicators", {"indicators": [{"type": "ip", "value": "192.0.2.1"}]})
    client("PATCH", alert, {"status": "Closed", "close_classification": "Duplicate"})
    log = client("GET", f"{alert}/activity").data
    assert [one["event_type"] for one in log] == [
        "alert_closed", "alert_indicators_added", "alert_finding_added", "alert_malice_updated", "alert_malice_updated",
        "alert_status_updated", "alert_ingested",
    ]  # fmt: skip
    told = [one["references"] for one in log][::-1]
    assert told[0].items() >= {"source_name": "generic", "severity": "Low"}.items()
    assert told[1] == {"from_status": "Open", "to_status": "Triaging", "from_severity": "Low", "to_severity": "High"}
    assert told[2] == {"from_malice": None, "to_malice": "Benign", "malice_source": "analyst"}
    assert told[3] == {"from_malice": "Benign", "to_malice": None, "malice_source": "reset"}
    assert told[4].items() >= {"agent_name": "mia", "summary": "s" * 120, "confidence": None}.items()
    assert told[5] == {"indicator_count": 1, "enrich_requested": False}
    assert told[6] == {"from_status": "Triaging", "to_status": "Closed", "close_classification": "Duplicate"}
    assert len({one["uuid"] for one in log}) == 7
    page = client("GET", f"{alert}/activity?page=2&page_size=3")
    assert (page.data, page.json["meta"]["total_pages"]) == (log[3:6], 3)


def test_rules(client):
    body = {"name": "by hand", "source_rule_id": f"r{next(NUMBERS)}", "source_name": "generic", "mitre_tactics": ["Impact"]}
    made = client("POST", "/v1/detection-rules", body)
    assert made.status == 201
    assert client("POST", "/v1/detection-rules", body).status == 422
    path = f"/v1/detection-rules/{made.data['uuid']}"
    assert client("PATCH", path, {"is_active": False}).data["is_active"] is False
    assert client("GET", path).data["is_active"] is False
    assert made.data["uuid"] in {one["uuid"] for one in client("GET", "/v1/detection-rules?is_active=false&source_name=generic").data}
    assert client("DELETE", path).status == 404
    assert client("PATCH", path, {"actor": "somebody", "reason": "x"}).status == 422


def test_documents(client, make):
    body = {"title": "Runbook", "document_type": "runbook", "content": "look", "targeting_rules": {"match_any": [
        {"field": "tags", "op": "contains", "value": "docs"}]}}  # fmt: skip
    made = client("POST", "/v1/context-documents", body)
    path = f"/v1/context-documents/{made.data['uuid']}"
    assert client("PATCH", path, {"content": "look twice"}).data["version"] == 2
    alert = make(tags=["docs"])
    assert [one["content"] for one in client("GET", f"{alert}/context").data] == ["look twice"]
    (row,) = client("GET", "/v1/context-documents?document_type=runbook&sort_by=updated_at").data
    assert row == {name: value for name, value in client("GET", path).data.items() if name not in {"content", "targeting_rules"}}
    assert client("POST", "/v1/context-documents", body | {"targeting_rules": {"nonsense": []}}).status == 422
    assert client("GET", "/v1/context-documents?sort_by=content").status == 400
    assert client("DELETE", path).status == 204
    assert client("DELETE", path).json["error"]["message"] == "Context document not found."


def test_the_permissive_policy_takes_any_step_and_passes_over_unknown_fields(tmp_path, run, connect):
    with run(tmp_path / "lenient.db", lenient=True) as port:
        client = connect(port)
        alert = f"/v1/alerts/{client.add(title='x')}"
        assert client("PATCH", alert, {"status": "Closed", "close_classification": "Duplicate", "title": "y"}).data["title"] == "x"
        reopened = client("PATCH", alert, {"status": "Open"}).data
        assert (reopened["status"], reopened["close_classification"], reopened["closed_at"]) == ("Open", None, None)
        items = [{"type": "ip", "value": "192.0.2.1", "malice": "Malicious"}]
        assert client("POST", f"{alert}/indicators", {"indicators": items, "x": 1}).data["indicators"][0]["malice"] == "Pending"
        assert client("PATCH", alert, {"status": "nope", "x": 1}).json["error"]["details"]["errors"][0]["loc"] == ["body", "status"]
