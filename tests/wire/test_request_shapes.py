"""What comes in: wrong shapes are refused, all of them at once, by name."""

from __future__ import annotations

import pytest
from hypothesis import given

from alertstore.domain.changes import AlertPatch
from alertstore.domain.vocabulary import AlertStatus, CloseClassification, Malice, Severity
from alertstore.errors import AlertValidationError
from alertstore.testing import patches
from alertstore.wire import requests

RIGHT = {
    "status": "Closed",
    "severity": "High",
    "close_classification": "Duplicate",
    "tags": ["a", "b", "a"],
    "malice_override": "Benign",
    "reset_malice_override": True,
}


def refused(call, given_):
    with pytest.raises(AlertValidationError) as refusal:
        call(given_)
    return [p.path for p in refusal.value.problems]


def test_a_patch_of_everything():
    patch, problems = requests.read_patch(RIGHT)
    assert problems == []
    assert patch == AlertPatch(AlertStatus.CLOSED, Severity.HIGH, CloseClassification.DUPLICATE, ("a", "b", "a"), Malice.BENIGN, True)
    assert type(patch.status) is AlertStatus


def test_absent_and_null_both_mean_leave_it():
    assert requests.read_patch(dict.fromkeys(RIGHT)) == requests.read_patch({}) == (AlertPatch(), [])


def test_enums_and_tuples_are_taken_as_well():
    patch, problems = requests.read_patch({"status": AlertStatus.OPEN, "tags": ("a",)})
    assert (patch, problems) == (AlertPatch(status=AlertStatus.OPEN, tags=("a",)), [])


def test_all_that_is_wrong_at_once_and_the_rest_is_kept():
    wrong = {
        "status": "closed", "severity": 3, "close_classification": ["Duplicate"], "tags": ["ok", 1, "n\0l", "\ud800"], "malice_override": True,
        "reset_malice_override": "true", "enrichment_status": "Enriched", "title": "x",
    }  # fmt: skip
    patch, problems = requests.read_patch(wrong)
    assert patch == AlertPatch()
    assert sorted(p.path for p in problems) == [
        "close_classification", "enrichment_status", "malice_override", "reset_malice_override", "severity", "status",
        "tags[1]", "tags[2]", "tags[3]", "title",
    ]  # fmt: skip
    said = {p.path: p for p in problems}
    assert all(word in said["status"].message for word in AlertStatus)
    assert all(word in said["close_classification"].message for word in CloseClassification)
    assert all(name in said["title"].message for name in RIGHT)
    assert (said["status"].given, said["tags[1]"].given) == ("closed", 1)
    patch, problems = requests.read_patch(RIGHT | {"severity": "HIGH"})
    assert [p.path for p in problems] == ["severity"]
    assert patch.status is AlertStatus.CLOSED
    assert patch.severity is None


@pytest.mark.parametrize("given_", [None, [], "status=Open", 5])
def test_a_patch_is_a_mapping(given_):
    assert [p.path for p in requests.read_patch(given_)[1]] == ["patch"]


@pytest.mark.parametrize("key", [1, None, ("a",)])
def test_field_names_are_text(key):
    assert len(requests.read_patch({key: "x"})[1]) == 1


@pytest.mark.parametrize("tags", ["c2", {"c2"}, {"a": 1}, 5, b"c2", [b"c2"], [None], [["c2"]]])
def test_tags_are_a_list_of_text(tags):
    assert requests.read_patch({"tags": tags})[1]


@given(patches(well_formed=True))
def test_well_formed_patches_have_no_problem(patch):
    assert requests.read_patch(patch)[1] == []


@given(patches(well_formed=False))
def test_malformed_patches_have_one_and_it_is_named(patch):
    problems = requests.read_patch(patch)[1]
    assert problems
    assert {p.path.partition("[")[0] for p in problems} <= set(patch)


def test_classifications():
    assert requests.read_classification("Duplicate") is CloseClassification.DUPLICATE
    for wrong in ("duplicate", "", None, 1, ["Duplicate"]):
        assert refused(requests.read_classification, wrong) == ["close_classification"]


FINDING = {"agent_name": "mia", "summary": "s"}


@pytest.mark.parametrize(
    ("given_", "paths"),
    [
        ({}, ["agent_name", "summary"]),
        ({"agent_name": "", "summary": ""}, ["agent_name", "summary"]),
        ({"agent_name": "x" * 256, "summary": "x" * 50_001}, ["agent_name", "summary"]),
        (FINDING | {"confidence": "High", "evidence": [], "colour": 1}, ["confidence", "evidence", "colour"]),
        (FINDING | {"evidence": {"a": float("nan")}}, ["evidence"]),
        (FINDING | {"evidence": {"a": {1, 2}}}, ["evidence"]),
        (FINDING | {"evidence": {"a": "\ud800"}}, ["evidence"]),
        (FINDING | {"evidence": {"a": "x" * 70_000}}, ["evidence"]),
        (FINDING | {"recommended_action": "n\0l"}, ["recommended_action"]),
    ],
)
def test_findings_of_the_wrong_shape(given_, paths):
    assert refused(requests.read_finding, given_) == paths


def test_a_finding_at_its_limits():
    found = requests.read_finding({"agent_name": "x" * 255, "summary": "x" * 50_000, "confidence": "low", "evidence": {"a": [1.5, None]}})
    assert found["confidence"] == "low"
    assert found["evidence"] == {"a": [1.5, None]}


def test_rules():
    rule = requests.read_rule({"name": "n", "source_rule_id": "1", "mitre_techniques": ["T1110"]})
    assert (rule.name, rule.source_rule_id, rule.mitre_techniques, rule.is_active) == ("n", "1", ("T1110",), True)
    assert refused(requests.read_rule, {"name": "", "is_active": "yes", "mitre_tactics": "x", "id": 1}) == [
        "name",
        "is_active",
        "mitre_tactics",
        "id",
    ]
    assert requests.read_rule_patch({"is_active": False, "severity": None, "mitre_tactics": []}) == {
        "is_active": False,
        "mitre_tactics": (),
    }
    assert refused(requests.read_rule_patch, {"source_rule_id": "2", "is_active": 0}) == ["is_active", "source_rule_id"]


def test_documents():
    given_ = {"title": "t", "document_type": "runbook", "content": ""}
    assert requests.read_document(given_)["tags"] == ()
    wrong = given_ | {"document_type": "memo", "is_global": 1, "targeting_rules": {"match_any": [{}]}, "version": 2}
    assert refused(requests.read_document, wrong) == ["document_type", "is_global", "targeting_rules", "version"]
    assert refused(requests.read_document, {}) == ["title", "document_type", "content"]
    assert requests.read_document_patch({"content": "new", "tags": None}) == {"content": "new"}
    assert refused(requests.read_document_patch, {"content": 1, "uuid": "x"}) == ["content", "uuid"]


def test_records():
    assert requests.read_record({"b": "é", "a": [1, 1.5, None]}) == '{"b":"é","a":[1,1.5,null]}'.encode()
    itself = {}
    itself["a"] = itself
    for wrong in ([], "x", None, {"a": float("inf")}, {"a": b"x"}, {"a": "\ud800"}, {"a": {1}}, {("a",): 1}, itself):
        assert refused(requests.read_record, wrong) == ["record"]
