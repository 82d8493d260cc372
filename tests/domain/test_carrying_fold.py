"""Carried state, erasing and sealing, without a store: what the events say, and what the fold makes of events that lie."""

from __future__ import annotations

import json

import pytest

from alertstore.domain.carrying import (
    REDACTED,
    carried_alert,
    carried_content,
    carried_document,
    carried_indicator,
    carried_record,
    carried_row,
    carried_sync,
    redacted_indicator,
)
from alertstore.domain.changes import Act
from alertstore.domain.erasure import (
    HOLD,
    PARTS,
    decide_hold,
    decide_prune,
    decide_record_redaction,
    decide_redaction,
    refuse_held,
)
from alertstore.domain.events import EventKind, encode_body
from alertstore.domain.fold import ALERT_COLUMNS, UNEDITED, Fold
from alertstore.domain.indicators import normalise
from alertstore.domain.manifest import Manifest
from alertstore.domain.notes import read_note
from alertstore.domain.vocabulary import IndicatorType
from alertstore.errors import AlertValidationError

BY = (900, "mia")
ACT = Act(900, "mia", "told to")
ROW = dict.fromkeys(ALERT_COLUMNS[1:]) | {
    "source_name": "generic",
    "severity": "Low",
    "status": "Open",
    "tags": '["a"]',
    "updated_at": 7,
    "heads": '{"lifecycle":[],"tag:é":[3]}',
}


def body(draft, seq, **over):
    return json.loads(encode_body(draft, seq, None)) | over


# --- what carries ---


def test_what_an_alert_commits_to():
    alert = {"title": "t", "description": None, "fingerprint": "f" * 32}
    links, records, findings = [[1, "ip:x", 2, 2, 5]], [[2, None, None, "generic", 5, "00"]], [[3, "u", 5, "a", "s", None, None, None]]
    whole = carried_content(alert, links, records, findings)
    assert set(whole) == {"text", "indicators", "records", "findings"}
    assert json.loads(whole["indicators"]) == ["f" * 32, links]
    assert json.loads(whole["text"]) == {"title": "t", "description": None}
    assert set(carried_content(None, [], records, [])) == {"records"}  # a deleted one


def test_an_alert_as_its_row_has_it_is_what_the_fold_makes_of_it():
    draft = carried_alert("u1", ROW, {}, {"records": 2, "redacted": {}}, BY)
    fold = Fold()
    fold.add(12, draft.kind, body(draft, 12), 1, None)
    assert fold.problems == []
    assert dict(zip(ALERT_COLUMNS, fold.row(fold.alerts[1]), strict=True)) == ROW | {"uuid": "u1"}
    assert fold.records == 2


def test_an_alert_that_was_never_edited():
    draft = carried_alert("u1", ROW | {"heads": UNEDITED}, {}, {"records": 1}, BY)
    fold = Fold()
    fold.add(12, draft.kind, body(draft, 12), 1, None)
    assert fold.row(fold.alerts[1])[-1] == UNEDITED


def test_a_deleted_alert_with_what_was_redacted_of_it():
    draft = carried_alert("u1", None, {}, {"records": 1, "redacted": {"record": 5}}, BY)
    fold = Fold()
    fold.add(12, draft.kind, body(draft, 12), 1, None)
    assert (fold.deleted, fold.alerts, fold.redacted, fold.problems) == ({1: "u1"}, {}, {1: {"record": 5}}, [])
    redaction = decide_redaction("u1", ["findings"], "order 7", ACT)
    fold.add(13, redaction.kind, body(redaction, 13), 1, None)
    assert (fold.redacted, fold.problems) == ({1: {"record": 5, "findings": 13}}, [])


def test_carried_alerts_are_numbered_too():
    fold = Fold()
    fold.add(12, "alert_carried", body(carried_alert("u1", None, {}, {}, BY), 12), 2, None)
    assert [problem.expected for problem in fold.problems] == ["alert number 1"]


def test_what_sync_knows():
    fold = Fold()
    opener = {
        "seq": 11,
        "kind": "history_pruned",
        "subject": "s",
        "facts": {"settings": {}, "keys": [], "indicators": 0, "upto": 9, "peaks": []},
    }
    opener["facts"]["foreign_stores"] = [["t", 5, "aa"]]
    fold.add(11, "history_pruned", opener, None, None)
    draft = carried_alert("u1", ROW | {"heads": '{"lifecycle":[3,5]}'}, {}, {"withheld": [3], "redacted": {}}, BY)
    assert draft.facts.keys() == {"columns", "withheld"}
    fold.add(12, draft.kind, body(draft, 12), 1, None)
    assert fold.row(fold.alerts[1])[-1] == '{"lifecycle":[3,5]}'
    for seq, draft, alert in (
        (13, carried_sync(1, "u1", '{"open":true}', BY), 1),
        (14, carried_sync(0, "soc1", '{"a":"é"}', BY), None),
    ):
        fold.add(seq, draft.kind, body(draft, seq), alert, None)
    assert (draft.kind, draft.subject, draft.at, draft.actor) == (EventKind.REMOTE_SYNCED, "soc1", *BY)
    assert (fold.remotes, fold.foreign_stores, fold.problems) == ({"soc1": (14, '{"a":"é"}')}, {"t": (5, "aa")}, [])


REFUSED = {"seq": 4, "import_id": 1, "record": 2, "position": 30, "size": 9, "sha256": b"\1" * 32, "reason": "no JSON", "suppression": None}


def test_a_rejected_record_and_one_whose_bytes_are_gone():
    kept = carried_record(REFUSED, "00" * 32, BY)
    assert set(kept.content) == {"record", "kept", "reason"}
    gone = carried_record(REFUSED | {"reason": REDACTED}, None, BY)
    assert set(gone.content) == {"record"}
    fold = Fold()
    fold.add(12, kept.kind, body(kept, 12), None, b"salt")
    assert (list(fold.rejected), fold.redacted_records) == ([4], {})
    fold.add(13, gone.kind, body(gone, 13), None, b"salt")
    assert fold.redacted_records == {4: 13}
    again = decide_record_redaction(1, 4, "order 7", ACT)
    fold.add(14, again.kind, body(again, 14), None, None)
    assert (fold.redacted_records, fold.problems) == ({4: 14}, [])


INDICATOR = {
    "id": 3,
    "type": "ip",
    "value": "192.0.2.1",
    "malice": "Malicious",
    "malice_source": "mia",
    "malice_overridden_at": 5,
    "created_at": 4,
    "updated_at": 5,
    "enrichment_results": None,
}


def test_a_record_that_was_held_back_is_carried_under_its_suppression():
    held = carried_record(REFUSED | {"suppression": "s1"}, "00" * 32, BY)
    alone = carried_record(REFUSED | {"suppression": "s1", "import_id": None, "record": None, "position": None}, "00" * 32, BY)
    assert (held.subject, alone.subject) == (str(REFUSED["import_id"]), "s1")
    assert held.facts["suppression"] == alone.facts["suppression"] == "s1"
    assert "record" not in alone.facts


def test_the_results_of_an_indicator_are_carried_as_content():
    kept = carried_indicator("i3", INDICATOR | {"enrichment_results": "{}"}, BY)
    gone = carried_indicator("i3", INDICATOR | {"enrichment_results": "{}", "value": redacted_indicator(3)}, BY)
    assert (kept.content["results"], gone.content) == (b"{}", None)


def test_a_verdict_and_one_on_a_value_that_is_gone():
    kept, gone = carried_indicator("i3", INDICATOR, BY), carried_indicator("i4", INDICATOR | {"value": redacted_indicator(3)}, BY)
    assert (kept.content, gone.content) == ({"indicators": b'["ip:192.0.2.1"]'}, None)
    fold = Fold()
    fold.add(12, kept.kind, body(kept, 12, content={"indicators": "00"}), None, b"salt")
    fold.add(13, gone.kind, body(gone, 13), None, None)
    assert (set(fold.verdicts), set(fold.judged), fold.problems) == ({"i3", "i4"}, {"i3"}, [])


@pytest.mark.parametrize("number", [0, 1, 10**12])
@pytest.mark.parametrize("kind", list(IndicatorType))
def test_no_alert_can_bring_the_name_of_an_erased_indicator(kind, number):
    assert normalise(kind, redacted_indicator(number)) != redacted_indicator(number)


DOCUMENT = {"id": 9, "uuid": "d1", "title": "t", "document_type": "sop", "is_global": 0, "description": None, "tags": "[]", "version": 2, "content": "c",
            "created_at": 3, "updated_at": 4}  # fmt: skip


@pytest.mark.parametrize("rules", [None, '{"match_any":[]}'])
def test_a_document(rules):
    draft = carried_document(DOCUMENT | {"targeting_rules": rules}, BY)
    assert draft.facts["targeting_rules"] == (None if rules is None else {"match_any": []})
    fold = Fold()
    fold.add(12, draft.kind, body(draft, 12), None, b"salt")
    assert fold.document_created == {"d1": (9, 3)}
    fold.add(13, "context_document_deleted", {"seq": 13, "subject": "d1", "at": 9}, None, None)
    assert [problem.where for problem in fold.problems] == ["event 12: salt"]  # which opens what is gone


def test_a_rule_and_an_import_are_what_their_rows_are():
    fold = Fold()
    rule = carried_row(EventKind.DETECTION_RULE_CARRIED, "r1", {"id": 4, "uuid": "r1", "name": "n"}, BY)
    fold.add(12, rule.kind, body(rule, 12), None, None)
    came = carried_row(EventKind.IMPORT_CARRIED, "1", {"name": "eve.json"}, BY)
    fold.add(13, came.kind, body(came, 13), None, None)
    assert (fold.rules, fold.imports, fold.problems) == ({"r1": {"id": 4, "uuid": "r1", "name": "n"}}, {1: {"name": "eve.json"}}, [])


@pytest.mark.parametrize("kind", ["history_pruned", "store_salvaged"])
def test_what_opens_the_carried_state(kind):
    facts = {"settings": {"store_id": "s"}, "keys": [[2, "aa"], [8, "bb"]], "indicators": 5, "upto": 11, "peaks": ["00", "11"]}
    fold = Fold()
    fold.add(12, kind, {"seq": 12, "kind": kind, "subject": "s", "at": 1, "facts": facts}, None, None)
    assert (fold.settings, fold.keys, fold.indicators) == ({"store_id": "s"}, [(2, "aa"), (8, "bb")], 5)
    assert fold.pruned == ((11, "0011") if kind == "history_pruned" else None)
    fold.add(13, "signing_key_set", {"seq": 13, "subject": "s", "at": 1, "facts": {"epoch": 2, "public_key": "cc"}}, None, None)
    assert (fold.keys[-1], fold.problems) == ((13, "cc"), [])


# --- histories that lie ---


@pytest.mark.parametrize("epoch", [-1, 1, 7])
def test_an_epoch_that_is_passed_over(epoch):
    fold = Fold()
    fold.add(2, "signing_key_set", {"seq": 2, "subject": "s", "at": 1, "facts": {"epoch": epoch, "public_key": "aa"}}, None, None)
    assert [(problem.where, problem.expected, problem.found) for problem in fold.problems] == [("event 2: epoch", 0, epoch)]


def test_a_redaction_of_an_alert_that_there_never_was():
    fold = Fold()
    redaction = decide_redaction("u1", PARTS, "order 7", ACT)
    fold.add(2, redaction.kind, body(redaction, 2), 1, None)
    assert [problem.where for problem in fold.problems] == ["event 2"]


def test_a_redaction_that_left_the_salt_of_a_finding():
    fold = Fold()
    draft = carried_alert("u1", ROW, {}, {}, BY)
    fold.add(2, draft.kind, body(draft, 2), 1, None)
    fold.add(3, "alert_finding_added", {"seq": 3, "subject": "u1", "at": 8, "facts": {}, "content": {}}, 1, b"salt")
    redaction = decide_redaction("u1", ["findings"], "order 7", ACT)
    fold.add(4, redaction.kind, body(redaction, 4), 1, None)
    assert [problem.where for problem in fold.problems] == ["event 3: salt"]
    assert fold.findings == {}


def test_events_that_no_row_follows_from():
    fold = Fold()
    fold.add(2, "store_handed_over", {"seq": 2, "subject": "s", "at": 1, "facts": {}}, None, None)
    fold.add(3, "store_sealed", {"seq": 3, "subject": "s", "at": 1, "facts": None}, None, None)
    assert (fold.settings, fold.sealed, fold.problems) == ({}, 3, [])


# --- decisions ---


@pytest.mark.parametrize("parts", [PARTS, PARTS[:1], ["findings", "record"], {"content"}, ("record", "record"), iter(["record"])])
def test_a_redaction_says_who_why_and_on_what_authority(parts):
    parts = list(parts)
    draft = decide_redaction("u1", iter(parts), "order 7", ACT)
    assert (draft.kind, draft.subject, draft.actor, draft.reason) == ("alert_redacted", "u1", "mia", "told to")
    assert draft.facts == {"authority": "order 7", "parts": [part for part in PARTS if part in parts]}


@pytest.mark.parametrize("parts", [(), [], "record", ["title"], ["record", "x"], None, 7, [["record"]], [None], b"record"])
def test_parts_that_there_are_not(parts):
    with pytest.raises(AlertValidationError, match="parts"):
        decide_redaction("u1", parts, "order 7", ACT)


def test_a_prune_says_on_what_authority():
    draft = decide_prune("s", "policy", ACT)
    assert (draft.kind, draft.subject, draft.facts) == ("history_pruned", "s", {"authority": "policy"})


def test_a_hold():
    draft = decide_hold("", "case 12", ACT)
    assert (draft.kind, draft.subject, draft.changes, draft.facts) == ("setting_changed", HOLD, {HOLD: ["", "case 12"]}, None)
    assert decide_hold("case 12", "case 12", ACT) is None
    assert decide_hold("case 12", "", ACT).changes == {HOLD: ["case 12", ""]}
    refuse_held("")
    with pytest.raises(AlertValidationError, match="case 12") as refusal:
        refuse_held("case 12")
    assert "release_hold" in refusal.value.advice


# --- the manifest ---

FACTS = {"store": "0190c3a2-1111-7222-8333-444455556666", "file": "store.db", "bytes": 5, "sha256": "ab", "events": 3, "root": "cd",
         "sealed_at": "2024-05-01T12:00:00Z", "sealed_by": "mia", "alertstore": "0.1.0", "sqlite": "3.40.1"}  # fmt: skip


@pytest.mark.parametrize("actor", ["mia", "a\nroot 00", "\u2028", 'm"i\\a', "é🦊"])
def test_a_manifest_is_one_fact_a_line_whoever_sealed_it(actor):
    manifest = Manifest(**(FACTS | {"sealed_by": actor}))
    first, *lines = manifest.text().removesuffix("\n").split("\n")
    assert first == "alertstore seal 1"
    found = dict(line.split(" ", 1) for line in lines)
    assert found == {name: str(value) for name, value in FACTS.items()} | {"sealed_by": json.dumps(actor)}
    assert json.loads(found["sealed_by"]) == actor


def test_a_signed_manifest_is_a_note():
    said = []
    text = Manifest(**FACTS).signed(b"k" * 32, lambda message: said.append(message) or b"s" * 64)
    read = read_note(text)
    assert read.text == Manifest(**FACTS).text()
    assert said == [read.text.encode()]
    assert [line.name for line in read.signatures] == [f"alertstore/{FACTS['store']}"]
