"""What goes out: the JSON of the API page, key for key, whatever the alert holds."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from hypothesis import given, settings

from alertstore import AlertStore, AlertValidationError
from alertstore.testing import FrozenClock, alerts, generic_alert, seeded_ids, suricata_alert
from alertstore.wire import (
    AlertResponse,
    AlertSummaryResponse,
    ContextDocumentResponse,
    DetectionRuleResponse,
    FindingResponse,
    IndicatorResponse,
    alert_envelope,
)

# The key structure of the answer on the API page (PATCH /v1/alerts/{alert_uuid}), in its order. The page leaves a finding open.
ALERT = [
    "uuid", "title", "severity", "status", "enrichment_status", "source_name", "occurred_at", "ingested_at", "enriched_at", "is_enriched",
    "fingerprint", "close_classification", "acknowledged_at", "triaged_at", "closed_at", "tags", "detection_rule_id", "created_at",
    "updated_at", "description", "duplicate_count", "last_seen_at", "raw_payload", "malice", "malice_override", "malice_override_source",
    "malice_override_at", "indicators", "detection_rule", "context_documents", "agent_findings",
]  # fmt: skip
INDICATOR = [
    "uuid", "type", "value", "first_seen", "last_seen", "is_enriched", "malice", "created_at", "updated_at", "malice_source",
    "malice_overridden_at", "enrichment_results",
]  # fmt: skip
RULE = [
    "uuid", "name", "source_rule_id", "source_name", "severity", "is_active", "mitre_tactics", "mitre_techniques", "mitre_subtechniques",
    "data_sources", "run_frequency", "created_by", "documentation", "created_at", "updated_at",
]  # fmt: skip
DOCUMENT = [
    "uuid", "title", "document_type", "is_global", "description", "tags", "version", "created_at", "updated_at", "content", "targeting_rules",
]  # fmt: skip
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
TIMES = [name for name in (*ALERT, *INDICATOR) if name.endswith(("_at", "_seen"))]


@pytest.fixture
def rich(alert_store):
    """An alert with everything that an alert can have."""
    alert = alert_store.add(suricata_alert(), source="suricata").alert
    alert_store.add_document("Java", "Update it.", document_type="runbook", is_global=True)
    alert_store.add_finding(alert.uuid, "a scanner", evidence={"seen": [1, 2.5, None]}, confidence="high", recommended_action="none")
    alert_store.set_indicator_malice("ip:192.0.2.7", "Malicious")
    alert_store.patch(alert.uuid, tags=["c2"], malice_override="Benign")
    return alert_store.close_alert(alert.uuid, "True Positive - Suspicious Activity")


def test_exactly_the_keys_of_the_api_page(rich):
    data = AlertResponse.of(rich).model_dump(mode="json")
    assert list(data) == ALERT
    assert [list(one) for one in data["indicators"]] == [INDICATOR] * 2
    assert list(data["detection_rule"]) == RULE
    assert [list(one) for one in data["context_documents"]] == [DOCUMENT]
    assert list(data["agent_findings"][0])[:2] == ["id", "agent_name"]
    assert type(data["raw_payload"]) is dict
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert json.loads(AlertResponse.of(rich).model_dump_json()) == data


def test_the_types_of_the_api_page(rich):
    data = AlertResponse.of(rich).model_dump(mode="json")
    assert all(TIME.fullmatch(data[name]) for name in ALERT if name.endswith("_at") and data[name] is not None)
    assert data["status"] == "Closed"
    assert data["close_classification"] == "True Positive - Suspicious Activity"
    assert data["is_enriched"] is False
    assert data["duplicate_count"] == 0
    assert type(data["detection_rule_id"]) is int
    assert data["tags"] == ["c2"]
    assert (data["malice"], data["malice_override"], data["malice_override_source"]) == ("Benign", "Benign", "analyst")
    assert {one["malice"] for one in data["indicators"]} == {"Malicious", "Pending"}
    assert data["raw_payload"] == suricata_alert()
    assert data["agent_findings"][0]["evidence"] == {"seen": [1, 2.5, None]}


def test_what_is_not_there_is_null(alert_store):
    data = AlertResponse.of(alert_store.add({"title": "bare"}).alert).model_dump(mode="json")
    assert list(data) == ALERT
    nothing = {name for name, value in data.items() if value is None}
    assert nothing == {
        "enriched_at", "close_classification", "acknowledged_at", "triaged_at", "closed_at", "detection_rule_id", "description",
        "malice_override", "malice_override_source", "malice_override_at", "detection_rule",
    }  # fmt: skip
    assert data["indicators"] == data["context_documents"] == data["agent_findings"] == data["tags"] == []


def test_a_zero_fraction_is_left_out(alert_store, frozen_clock):
    data = AlertResponse.of(alert_store.add(generic_alert()).alert).model_dump(mode="json")
    assert (data["occurred_at"], data["created_at"]) == ("2024-05-01T11:58:00Z", "2024-05-01T12:00:00Z")
    frozen_clock.advance(microseconds=1)
    data = AlertResponse.of(alert_store.patch(data["uuid"], severity="Low")).model_dump(mode="json")
    assert data["updated_at"] == "2024-05-01T12:00:00.000001Z"


def test_the_whole_answer(rich, frozen_clock):
    answer = alert_envelope(rich, frozen_clock())
    assert answer["data"] == AlertResponse.of(rich).model_dump(mode="json")
    assert answer["meta"] == {
        "generated_at": "2024-05-01T12:00:00Z",
        "alert_source": "suricata",
        "indicator_count": 2,
        "enrichment": {"succeeded": [], "failed": [], "enriched_at": None},
        "detection_rule_matched": True,
        "context_documents_applied": 1,
    }


def test_enrichment_in_the_answer(rich, frozen_clock):
    from attrs import evolve

    results = {"good": {"success": True}, "bad": {"success": False}, "odd": "text"}
    first, second = rich.indicators
    found = evolve(rich, indicators=(evolve(first, enrichment_results=results), second), enriched_at=frozen_clock())
    assert alert_envelope(found, frozen_clock())["meta"]["enrichment"] == {
        "succeeded": ["good"],
        "failed": ["bad", "odd"],
        "enriched_at": "2024-05-01T12:00:00Z",
    }


def test_every_other_value_goes_out_too(alert_store, rich):
    for model, values, keys in (
        (AlertSummaryResponse, alert_store.alerts().items, None),
        (IndicatorResponse, rich.indicators, INDICATOR),
        (DetectionRuleResponse, alert_store.rules(), RULE),
        (ContextDocumentResponse, alert_store.documents(), DOCUMENT),
        (FindingResponse, rich.agent_findings, None),
    ):
        assert values
        for value in values:
            data = model.of(value).model_dump(mode="json")
            assert keys is None or list(data) == keys
            assert json.loads(model.of(value).model_dump_json()) == data


@given(alerts())
@settings(max_examples=60)
def test_whatever_was_read_can_be_said(record):
    with AlertStore.open(":memory:", clock=FrozenClock(tick=timedelta(seconds=1)), ids=seeded_ids()) as store:
        alert = store.add(record).alert
        data = AlertResponse.of(alert).model_dump(mode="json")
        assert json.loads(json.dumps(data, allow_nan=False)) == data
        assert json.loads(AlertResponse.of(alert).model_dump_json()) == data
        assert list(data) == ALERT
        assert all(TIME.fullmatch(data[name]) for name in TIMES if data.get(name) is not None)
        summary = AlertSummaryResponse.of(store.alerts().items[0]).model_dump(mode="json")
        assert summary == {name: data[name] for name in summary}


def test_evidence_that_was_taken_can_be_said(alert_store):
    alert = alert_store.add(generic_alert()).alert
    deep = {"a": 1}
    for _ in range(400):
        deep = {"a": deep}
    try:
        alert_store.add_finding(alert.uuid, "deep", evidence=deep)
    except AlertValidationError:
        return
    AlertResponse.of(alert_store.get(alert.uuid)).model_dump(mode="json")
