"""Folding a history that does not hold together: each fault is named, none breaks the fold."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.events import EventKind
from alertstore.domain.fold import ALERT_COLUMNS, Fold


def column(fold, alert, name):
    return fold.row(fold.alerts[alert])[ALERT_COLUMNS.index(name)]


INGESTED = {
    "seq": 2,
    "subject": "u1",
    "at": 100,
    "facts": {"occurred_at": 50, "source_name": "generic"},
    "changes": {"enrichment_status": [None, "Pending"], "severity": [None, "Low"], "status": [None, "Open"], "tags": [None, ["a"]]},
}


@pytest.fixture
def fold():
    """A fold with one alert in it."""
    made = Fold()
    made.add(1, "store_created", {"seq": 1, "subject": "s", "at": 1, "facts": {"store_id": "s"}}, None, None)
    made.add(2, "alert_ingested", INGESTED, 1, b"salt")
    assert made.problems == []
    return made


def edit(**over):
    return {"seq": 3, "subject": "u1", "at": 200} | over


def test_an_alert_and_an_edit(fold):
    body = edit(
        changes={"status": ["Open", "Triaging"], "tags": [["a"], ["b", "é"]]},
        sets={"triaged_at": 200},
        edits=[{"register": "lifecycle", "sup": []}, {"register": "tag:b", "sup": []}],
    )
    fold.add(3, "alert_status_updated", body, 1, None)
    assert fold.problems == []
    assert [column(fold, 1, name) for name in ("uuid", "status", "tags", "triaged_at", "updated_at", "created_at", "heads")] == [
        "u1", "Triaging", '["b","é"]', 200, 200, 100, '{"lifecycle":[3],"tag:b":[3]}',
    ]  # fmt: skip


def test_the_state_and_the_row_of_an_alert_are_the_same_thing(fold):
    for heads in ({}, {"severity": [7]}):
        state = [*fold.alerts[1][:-1], heads]
        row = fold.row(state)
        assert row[-1] == json.dumps(heads, separators=(",", ":"))
        assert fold.state(row) == state


def test_what_an_event_says_was_before_must_have_been(fold):
    fold.add(3, "alert_severity_updated", edit(changes={"severity": ["High", "Medium"]}, edits=[]), 1, None)
    (problem,) = fold.problems
    assert (problem.kind, problem.where, problem.expected, problem.found) == ("event", "event 3: severity before", "Low", "High")
    assert column(fold, 1, "severity") == "Medium"


def edits(*sups, **over):
    return edit(edits=[{"register": "severity", "sup": list(sup)} for sup in sups], **over)


def test_edits_that_change_nothing_stand_too(fold):
    fold.add(3, "alert_conflict_resolved", edits([]), 1, None)
    assert (column(fold, 1, "heads"), column(fold, 1, "updated_at")) == ('{"lifecycle":[],"severity":[3]}', 200)
    fold.add(4, "alert_conflict_resolved", edits([3], seq=4), 1, None)
    assert fold.problems == []
    fold.add(5, "alert_conflict_resolved", edits([3], seq=5), 1, None)
    assert [(p.where, p.expected, p.found) for p in fold.problems] == [("event 5: sup", [4], [3])]


def test_changes_without_edits_leave_the_heads(fold):
    fold.add(3, "alert_severity_updated", edits([], changes={"severity": ["Low", "High"]}), 1, None)
    fold.add(4, "alert_severity_updated", edit(seq=4, changes={"severity": ["High", "Medium"]}, origin={"remote": "r"}), 1, None)
    assert (column(fold, 1, "severity"), column(fold, 1, "heads"), fold.problems) == ("Medium", '{"lifecycle":[],"severity":[3]}', [])


def test_edits_of_another_store_replace_only_what_they_knew_of(fold):
    elsewhere = {"origin": {"store": "t", "seq": 9}}
    for seq, sup, heads in ((3, [], [3]), (4, [], [3, 4]), (5, [4, 99], [3, 5]), (6, [3, 5], [6])):
        fold.add(seq, "alert_severity_updated", edits(sup, seq=seq, **elsewhere), 1, None)
        assert json.loads(column(fold, 1, "heads"))["severity"] == heads
    fold.add(7, "alert_severity_updated", edits([6], [], seq=7, **elsewhere), 1, None)
    fold.add(8, "alert_severity_updated", edits([7], seq=8), 1, None)
    assert (json.loads(column(fold, 1, "heads"))["severity"], fold.problems) == ([8], [])


def test_an_alert_that_was_created_elsewhere(fold):
    fold.add(3, "alert_ingested", INGESTED | {"seq": 3, "subject": "u2", "facts": INGESTED["facts"] | {"created_at": 60}}, 2, None)
    assert [column(fold, 2, name) for name in ("created_at", "ingested_at", "updated_at")] == [60, 100, 100]


@pytest.mark.parametrize("kind", ["alert_synced", "alert_aliased"])
def test_what_is_kept_beside_an_alert_leaves_it_as_it_is(fold, kind):
    row = fold.row(fold.alerts[1])
    fold.add(3, kind, edit(facts={"state": {}, "uuid": "x"}), 1, None)
    assert (fold.row(fold.alerts[1]), fold.problems) == (row, [])
    fold.add(4, "alert_deleted", edit(seq=4), 1, None)
    fold.add(5, kind, edit(seq=5, facts={}), 1, None)
    assert (fold.deleted, fold.problems) == ({1: "u1"}, [])
    fold.add(6, kind, edit(seq=6, subject="u2"), 1, None)
    fold.add(7, kind, edit(seq=7), 2, None)
    assert [(p.where, p.expected) for p in fold.problems] == [
        ("event 6", "u1"),
        ("event 7", f"a {kind} that follows from the events before it"),
    ]


def test_remotes_and_other_stores(fold):
    for seq, state in ((3, {"b": 1, "a": "é"}), (4, {"b": 2, "a": "é"})):
        fold.add(seq, "remote_synced", {"seq": seq, "subject": "soc1", "facts": {"state": state}}, None, None)
    assert fold.remotes == {"soc1": (4, '{"a":"é","b":2}')}
    for store, size, root in (("t", 5, "a"), ("t", 9, "b"), ("t", 9, "c"), ("t", 8, "d"), ("u", 0, "e")):
        fold.add(5, "bundle_imported", {"seq": 5, "subject": "b", "facts": {"store": store, "size": size, "root": root}}, None, None)
    assert fold.foreign_stores == {"t": (9, "c"), "u": (0, "e")}
    fold.add(6, "foreign_events_carried", {"seq": 6, "subject": "s", "facts": {"events": [["t", 1, 2]]}}, None, None)
    assert fold.problems == []


def test_an_event_of_another_alert(fold):
    fold.add(3, "alert_severity_updated", edit(subject="u2", changes={"severity": ["Low", "High"]}, edits=[]), 1, None)
    assert [(p.expected, p.found) for p in fold.problems] == [("u1", "u2")]


@pytest.mark.parametrize("number", [None, 1, 3])
def test_alerts_are_numbered_in_order(fold, number):
    fold.add(3, "alert_ingested", INGESTED | {"seq": 3, "subject": "u2"}, number, None)
    (problem,) = fold.problems
    assert problem.expected == "alert number 2"
    assert list(fold.alerts) == [1]


def test_duplicates(fold):
    for occurred, last in ((40, 50), (60, 60), (55, 60)):
        fold.add(3, "alert_deduplicated", edit(facts={"occurred_at": occurred}), 1, None)
        assert column(fold, 1, "last_seen_at") == last
    assert column(fold, 1, "duplicate_count") == 3
    assert column(fold, 1, "updated_at") == 100
    assert fold.records == 4


def test_deletion_takes_the_findings_along(fold):
    fold.add(3, "alert_finding_added", edit(facts={"finding": "f"}), 1, b"salt")
    assert list(fold.findings) == [3]
    fold.add(4, "alert_deleted", edit(seq=4), 1, None)
    assert (fold.alerts, fold.deleted, fold.findings) == ({}, {1: "u1"}, {})


def test_settings(fold):
    fold.add(3, "setting_changed", {"seq": 3, "at": 1, "subject": "x", "changes": {"x": [None, "1"]}}, None, None)
    assert fold.settings == {"store_id": "s", "x": "1"}


def test_rules(fold):
    facts = {"name": "n", "is_active": True, "mitre_tactics": ["a"]}
    fold.add(3, "detection_rule_created", {"seq": 3, "subject": "r", "at": 5, "facts": facts}, None, None)
    assert fold.rules["r"] == {
        "id": 1,
        "uuid": "r",
        "name": "n",
        "is_active": 1,
        "mitre_tactics": '["a"]',
        "created_at": 5,
        "updated_at": 5,
    }
    fold.add(
        4,
        "detection_rule_updated",
        {"seq": 4, "subject": "r", "at": 9, "changes": {"is_active": [True, False], "name": ["other", "m"]}},
        None,
        None,
    )
    assert (fold.rules["r"]["is_active"], fold.rules["r"]["name"], fold.rules["r"]["updated_at"]) == (0, "m", 9)
    assert [(p.where, p.expected, p.found) for p in fold.problems] == [("event 4: name before", "n", "other")]
    fold.add(5, "alert_ingested", INGESTED | {"seq": 5, "subject": "u2", "facts": INGESTED["facts"] | {"rule": "r"}}, 2, None)
    assert column(fold, 2, "detection_rule_id") == 1


def test_verdicts_on_indicators(fold):
    body = {"seq": 3, "subject": "i", "at": 9, "changes": {"malice": ["Pending", "Benign"]}, "sets": {"malice_source": "analyst"}}
    fold.add(3, "indicator_malice_updated", body, None, None)
    assert fold.verdicts["i"] == {"malice": "Benign", "malice_source": "analyst", "updated_at": 9}
    assert fold.problems == []
    fold.add(4, "indicator_malice_updated", body, None, None)
    assert [(p.where, p.expected, p.found) for p in fold.problems] == [("event 4: malice before", "Benign", "Pending")]


def test_imports_and_rejected_records(fold):
    started = {
        "seq": 3,
        "subject": "1",
        "at": 5,
        "facts": {"name": "a.csv", "source_name": "zeek", "columns": ["b", "a"], "delimiter": "\t"},
    }
    fold.add(3, "import_started", started, None, None)
    fold.add(4, "record_rejected", {"seq": 4, "subject": "1", "at": 6, "facts": {}}, None, b"salt")
    fold.add(5, "import_finished", {"seq": 5, "subject": "1", "at": 7, "facts": {"new": 1, "notes": {}}}, None, None)
    one = fold.imports[1]
    assert (one["name"], json.loads(one["columns"]), one["delimiter"], one["started_at"], one["finished_at"], one["new"], one["notes"]) == (
        "a.csv", ["b", "a"], "\t", 5, 7, 1, "{}",
    )  # fmt: skip
    assert list(fold.rejected) == [4]
    assert one["member"] is None
    started["facts"]["member"] = "raw_payload"
    fold.add(6, "import_started", started, None, None)
    assert fold.imports[1]["member"] == "raw_payload"


def test_documents(fold):
    for seq, at in ((3, 5), (4, 9)):
        fold.add(
            seq,
            "context_document_updated" if seq == 4 else "context_document_created",
            {"seq": seq, "subject": "d", "at": at},
            None,
            b"s" if seq == 4 else None,
        )
    assert (fold.documents["d"].body["seq"], fold.document_created["d"]) == (4, (3, 5))
    fold.add(5, "context_document_deleted", {"seq": 5, "subject": "d", "at": 9}, None, None)
    assert fold.documents == {}
    assert [(p.where, p.found) for p in fold.problems] == [("event 4: salt", b"s".hex())]
    fold.problems.clear()
    fold.add(6, "context_document_deleted", {"seq": 6, "subject": "d", "at": 9}, None, None)
    assert [p.where for p in fold.problems] == ["event 6"]


kinds = st.sampled_from(EventKind).map(str) | st.just("of a later version")
odd = st.none() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
fields = st.sampled_from(
    [
        "status",
        "tags",
        "severity",
        "malice",
        "finding",
        "occurred_at",
        "source_name",
        "rule",
        "name",
        "register",
        "notes",
        "sup",
        "state",
        "store",
        "size",
        "root",
        "events",
        "seq",
    ]
)
inner = st.dictionaries(fields, odd | st.lists(odd, min_size=2, max_size=2) | st.dictionaries(fields, odd, max_size=2), max_size=4)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "seq": odd,
        "subject": st.just("u1") | odd,
        "at": odd,
        "facts": inner | odd,
        "changes": inner | odd,
        "sets": inner | odd,
        "edits": st.lists(inner, max_size=2) | odd,
        "origin": inner | odd,
    },
)


@given(st.lists(st.tuples(kinds, bodies, st.none() | st.integers(0, 3)), max_size=5))
def test_a_body_of_any_shape_is_a_problem_at_most(events):
    fold = Fold()
    fold.add(2, "alert_ingested", INGESTED, 1, b"salt")
    for seq, (kind, body, alert) in enumerate(events, 3):
        fold.add(seq, kind, body, alert, None)
