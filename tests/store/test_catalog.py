"""Detection rules, context documents, findings: kept, edited, in the history."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from alertstore import AlertNotFoundError, AlertValidationError
from alertstore.domain.events import canonical
from alertstore.testing import generic_alert, make_alert, suricata_alert

NOWHERE = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


def no_floats(value):
    if isinstance(value, dict):
        return all(no_floats(one) for one in value.values())
    if isinstance(value, list):
        return all(no_floats(one) for one in value)
    return not isinstance(value, float) and (not isinstance(value, int) or abs(value) < 2**53)


def test_a_rule(alert_store, frozen_clock):
    rule = alert_store.add_rule(
        "Brute force", source_rule_id="1", source_name="splunk", severity="urgent", mitre_techniques=["T1110"], data_sources=["auth"], run_frequency="5m",
        documentation="d", actor="mia", reason="new rule",
    )  # fmt: skip
    assert alert_store.rule(rule.uuid) == rule
    assert alert_store.rules() == [rule]
    assert (rule.name, rule.mitre_techniques, rule.created_by, rule.is_active, rule.created_at) == (
        "Brute force",
        ("T1110",),
        "mia",
        True,
        frozen_clock(),
    )
    now = frozen_clock.advance(hours=1)
    after = alert_store.patch_rule(
        rule.uuid, is_active=False, severity="low", mitre_techniques=["T1110", "T1078"], name="Brute force", actor="bo", reason="noisy"
    )
    assert (after.is_active, after.severity, after.mitre_techniques, after.updated_at, after.created_at) == (
        False,
        "low",
        ("T1110", "T1078"),
        now,
        rule.created_at,
    )
    made, edited = list(alert_store.events(after=1))
    assert (made.kind, made.actor, made.reason, made.subject) == ("detection_rule_created", "mia", "new rule", rule.uuid)
    assert made.body["facts"]["name"] == "Brute force"
    assert (edited.kind, edited.actor, edited.reason, edited.subject) == ("detection_rule_updated", "bo", "noisy", rule.uuid)
    assert edited.changes == {
        "is_active": (True, False),
        "severity": ("urgent", "low"),
        "mitre_techniques": (["T1110"], ["T1110", "T1078"]),
    }
    assert alert_store.verify().ok


def test_an_edit_that_changes_nothing(alert_store, frozen_clock, unchanged):
    rule = alert_store.add_rule("r", mitre_tactics=["Impact"])
    document = alert_store.add_document("t", "c", document_type="sop")
    before = unchanged()
    frozen_clock.advance(hours=1)
    assert alert_store.patch_rule(rule.uuid, name="r", mitre_tactics=("Impact",), severity=None) == rule
    assert alert_store.patch_document(document.uuid, content="c", document_type="sop", tags=[]) == document
    assert unchanged() == before


def test_edits_at_one_time_do_not_share_it(alert_store):
    rule = alert_store.add_rule("r")
    document = alert_store.add_document("t", "c", document_type="sop")
    assert alert_store.patch_rule(rule.uuid, severity="low").updated_at - rule.updated_at == timedelta(microseconds=1)
    assert alert_store.patch_document(document.uuid, title="u").updated_at - document.updated_at == timedelta(microseconds=1)


def test_one_rule_of_an_id_for_each_source(alert_store, unchanged):
    alert_store.add_rule("a", source_name="splunk", source_rule_id="1")
    alert_store.add_rule("a", source_name="zeek", source_rule_id="1")
    before = unchanged()
    with pytest.raises(AlertValidationError) as refusal:
        alert_store.add_rule("b", source_name="splunk", source_rule_id="1")
    assert [p.path for p in refusal.value.problems] == ["source_rule_id"]
    assert unchanged() == before
    with pytest.raises(AlertValidationError) as refusal:
        alert_store.count(rule="1")
    assert [p.path for p in refusal.value.problems] == ["rule"]
    assert alert_store.add_rule("without id").source_rule_id is alert_store.add_rule("without id").source_rule_id is None


def test_a_rule_edited_shows_with_its_alerts(alert_store):
    alert = alert_store.add(suricata_alert(), source="suricata").alert
    alert_store.patch_rule(alert.detection_rule.uuid, severity="noise")
    assert alert_store.get(alert.uuid).detection_rule.severity == "noise"
    assert alert_store.get(alert.uuid).updated_at == alert.updated_at
    assert alert_store.count(rule="2019401") == alert_store.count(rule=alert.detection_rule.uuid) == 1


@pytest.mark.parametrize(("call", "paths"), [
    (lambda s: s.add_rule("", x=1, is_active=1), ["name", "is_active", "x"]),
    (lambda s: s.add_rule(5), ["name"]),
    (lambda s: s.add_rule("n\0l"), ["name"]),
    (lambda s: s.add_document("", 5, document_type="x", targeting_rules=[]), ["title", "document_type", "content", "targeting_rules"]),
    (lambda s: s.add_document("t", "c", document_type="sop", targeting_rules={}), ["targeting_rules"]),
    (lambda s: s.patch_rule(NOWHERE, colour=1), ["colour"]),
    (lambda s: s.patch_document(NOWHERE, document_type="x"), ["document_type"]),
])  # fmt: skip
def test_wrong_shapes_are_refused(alert_store, unchanged, call, paths):
    before = unchanged()
    with pytest.raises(AlertValidationError) as refusal:
        call(alert_store)
    assert [p.path for p in refusal.value.problems] == paths
    assert unchanged() == before


@pytest.mark.parametrize("call", ["rule", "patch_rule", "document", "patch_document", "delete_document"])
def test_no_such_thing(alert_store, call):
    with pytest.raises(AlertNotFoundError):
        getattr(alert_store, call)(NOWHERE)


def test_a_document_and_its_versions(alert_store, frozen_clock):
    document = alert_store.add_document("Beacons", "secret words", document_type="runbook", tags=["net"], description="d", actor="mia")
    assert (document.version, document.is_global, document.tags, document.created_at) == (1, False, ("net",), frozen_clock())
    now = frozen_clock.advance(hours=1)
    after = alert_store.patch_document(document.uuid, title="Beaconing")
    assert (after.version, after.title, after.content, after.updated_at) == (1, "Beaconing", "secret words", now)
    assert alert_store.patch_document(document.uuid, content="other words").version == 2
    assert alert_store.documents() == [alert_store.document(document.uuid)]
    alert_store.delete_document(document.uuid, reason="old")
    assert alert_store.documents() == []
    with pytest.raises(AlertNotFoundError):
        alert_store.document(document.uuid)
    events = list(alert_store.events(after=1))
    assert [e.kind for e in events] == [
        "context_document_created",
        "context_document_updated",
        "context_document_updated",
        "context_document_deleted",
    ]
    assert {e.subject for e in events} == {document.uuid}
    assert (events[0].actor, events[3].reason) == ("mia", "old")
    assert not any(word in json.dumps(dict(e.body)) for e in events for word in ("secret", "other words", "Beacon"))
    assert alert_store.verify().ok


def test_documents_come_with_the_alerts_that_they_are_for(alert_store):
    rule = {"field": "severity", "op": "gte", "value": "High"}
    for_all = alert_store.add_document("all", "c", document_type="sop", is_global=True)
    some = alert_store.add_document("some", "c", document_type="playbook", targeting_rules={"match_all": [rule]})
    alert = make_alert(alert_store, severity="High")
    assert [d.uuid for d in alert.context_documents] == [for_all.uuid, some.uuid]
    assert alert_store.patch(alert.uuid, severity="Low").context_documents == (for_all,)
    everywhere = alert_store.add_document("untargeted", "c", document_type="other")
    assert everywhere in alert_store.get(alert.uuid).context_documents


@pytest.mark.parametrize("value", [1.5, 2**60, {"a": [0.1]}])
def test_events_hold_no_number_that_json_readers_disagree_on(alert_store, value):
    rules = {"match_any": [{"field": "tags", "op": "eq", "value": value}]}
    try:
        alert_store.add_document("t", "c", document_type="sop", targeting_rules=rules)
    except AlertValidationError:
        return
    assert all(no_floats(json.loads(json.dumps(dict(event.body)))) for event in alert_store.events())


def test_findings(alert_store, frozen_clock):
    alert = make_alert(alert_store)
    now = frozen_clock.advance(hours=1)
    note = alert_store.add_finding(alert.uuid, "called the owner", actor="mia", reason="r")
    assert (note.agent_name, note.summary, note.posted_at, note.confidence, note.evidence) == ("mia", "called the owner", now, None, None)
    program = alert_store.add_finding(
        alert.uuid, "s", agent_name="triage-bot", confidence="high", recommended_action="block", evidence={"a": [1, 2.5, "é\0"]}
    )
    found = alert_store.get(alert.uuid)
    assert found.agent_findings == (note, program)
    assert found.updated_at == program.posted_at == now + timedelta(microseconds=1)
    event = list(alert_store.history(alert.uuid))[1]
    assert (event.kind, event.actor, event.reason, event.body["facts"]) == ("alert_finding_added", "mia", "r", {"finding": note.id})
    assert "called" not in json.dumps(dict(event.body))
    assert alert_store.verify().ok


def test_wrong_findings_are_refused(alert_store, unchanged):
    alert = make_alert(alert_store)
    before = unchanged()
    with pytest.raises(AlertValidationError) as refusal:
        alert_store.add_finding(alert.uuid, "", confidence="sure", evidence=[])
    assert [p.path for p in refusal.value.problems] == ["summary", "confidence", "evidence"]
    assert unchanged() == before


@pytest.mark.parametrize(
    "evidence",
    [
        {"n": [1e308, -0.0, 2**80, 0.1]},
        {"ports": {9: "x", 10: "y"}},  # JSON makes text of such keys
        {"ports": {1: "x", "b": "y"}},
        {"ports": {1: "x", "1": "y"}},
        {"flags": {True: 1, None: 2}},
        {"tuple": (1, 2)},
    ],
    ids=str,
)  # fmt: skip
def test_evidence_is_what_was_given_and_verifies_or_is_refused(alert_store, unchanged, evidence):
    alert = make_alert(alert_store)
    before = unchanged()
    try:
        finding = alert_store.add_finding(alert.uuid, "s", evidence=evidence)
    except AlertValidationError:
        assert unchanged() == before
        return
    assert alert_store.verify().problems == ()
    assert alert_store.get(alert.uuid).agent_findings == (finding,)
    assert canonical(finding.evidence)


def test_a_rule_met_by_two_openers_of_the_file(alert_store, open_again):
    alert_store.add(generic_alert(rule_id="R-1"))
    open_again().add(generic_alert(title="theirs"))
    alert = alert_store.add(generic_alert(title="mine", rule_id="R-1")).alert
    assert alert.detection_rule.source_rule_id == "R-1"
    assert len(alert_store.rules()) == 1
    assert alert_store.verify().ok
