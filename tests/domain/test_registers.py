"""Registers: read, changed, shown; and the edits of them that events keep."""

from __future__ import annotations

import json

import pytest
from attrs import astuple, evolve
from hypothesis import given
from hypothesis import strategies as st
from merge_cases import BARE, CAME, DUPLICATE, OPEN, TRIAGING, UNDETERMINED, A, edit, remotes, values
from test_lifecycle_changes import state_of

from alertstore.domain.lifecycle import LifecycleTimes
from alertstore.domain.registers import LIFECYCLE, MALICE, SEVERITY, Edit, Registers, ancestors, edits_of, shown_value
from alertstore.domain.remotealert import RemoteAlert, RemoteRow
from alertstore.domain.vocabulary import AlertStatus, CloseClassification, Malice, Severity

words = st.text(max_size=4)
anything = st.builds(Registers, words, st.none() | words, words, st.none() | words, st.lists(words, max_size=4).map(tuple))


@given(remotes() | anything)
def test_they_are_read_as_they_were_kept(registers):
    assert Registers.read(json.loads(json.dumps(registers.facts()))) == registers


@given(remotes() | anything)
def test_what_is_shown_is_what_an_alert_here_can_have(registers):
    shown = registers.shown()
    assert (shown.status == "Closed") == (shown.close_classification is not None)
    assert (AlertStatus(shown.status), Severity(shown.severity)) is not None
    assert shown.close_classification is None or CloseClassification(shown.close_classification)
    assert shown.malice_override is None or Malice(shown.malice_override)
    assert len(set(shown.tags)) == len(shown.tags)
    assert all(tag.strip() for tag in shown.tags)
    assert shown.shown() == shown
    assert shown.unknown() == []


def test_what_is_shown():
    assert Registers("Closed", "Odd", "banana", "Odd", ("b", " ", "a", "", "b")).shown() == Registers(
        *UNDETERMINED, "Pending", "Pending", ("b", "a")
    )
    assert Registers("Parked", "Duplicate", "Low", "Benign", ()).shown() == Registers("Open", None, "Low", "Benign", ())
    assert Registers("Triaging", "Duplicate", "Low", None, ()).shown() == Registers("Triaging", None, "Low", None, ())
    assert Registers(*DUPLICATE, "Low", None, ()).shown() == Registers(*DUPLICATE, "Low", None, ())
    assert Registers("Parked", "Duplicate", "banana", "Odd", ()).unknown() == ["Parked", "banana", "Odd"]
    assert Registers("Closed", "Odd", "Low", None, ()).unknown() == ["Odd"]


@pytest.mark.parametrize(
    ("register", "value", "shown"),
    [
        (LIFECYCLE, BARE, UNDETERMINED),
        (LIFECYCLE, TRIAGING, TRIAGING),
        (SEVERITY, "banana", "Pending"),
        (MALICE, None, None),
        (A, True, True),
    ],
)
def test_a_value_as_it_is_shown(register, value, shown):
    assert shown_value(register, value) == shown


@given(remotes(), st.data(), st.sampled_from([LIFECYCLE, SEVERITY, MALICE, A, "tag:sys:x", "tag:"]))
def test_another_value_in_one_register_leaves_the_others(registers, data, register):
    value = data.draw(st.booleans() if register.startswith("tag:") else values(register, strange=True))
    after = registers.having(register, value)
    assert after[register] == value
    for other in {*registers.names(), *after.names()} - {register}:
        assert after[other] == registers[other]
    assert after.having(register, value) == after
    assert after.having(register, registers[register])[register] == registers[register]


def test_tags_keep_their_order():
    registers = evolve(CAME, tags=("b", "a", "b"))
    assert registers.having("tag:c", value=True).tags == ("b", "a", "b", "c")
    assert registers.having("tag:a", value=True) is registers
    assert registers.having("tag:b", value=False).tags == ("a",)
    assert registers.having("tag:c", value=False) == registers


def test_those_of_an_alert_here():
    assert Registers.of(state_of()) == Registers("Open", None, "Pending", None, ())
    closed = state_of(AlertStatus.CLOSED, malice_override=Malice.BENIGN, tags=("a",), severity=Severity.HIGH)
    assert Registers.of(closed) == Registers("Closed", "False Positive - Inaccurate Data", "High", "Benign", ("a",))
    assert json.dumps(Registers.of(closed).facts())
    assert [type(value) for value in (Registers.of(closed).status, Registers.of(closed).severity)] == [str, str]


def body(changes, *registers, **more):
    edits = [{"register": one, "sup": [k], "rbase": None, "rtoken": None} for k, one in enumerate(registers)]
    return {"actor": "mia", "changes": changes, "edits": edits, **more}


CHANGES = {
    "status": ["Triaging", "Closed"], "close_classification": [None, "Duplicate"], "severity": ["Low", "High"],
    "malice_override": [None, "Benign"], "tags": [["a", "b"], ["b", "c"]],
}  # fmt: skip


def test_the_edits_of_an_event():
    found = edits_of(7, body(CHANGES, LIFECYCLE, SEVERITY, MALICE, A, "tag:c"), "s")
    assert [(one.register, one.before, one.value, one.sup) for one in found] == [
        (LIFECYCLE, TRIAGING, DUPLICATE, (0,)), (SEVERITY, "Low", "High", (1,)), (MALICE, None, "Benign", (2,)), (A, True, False, (3,)),
        ("tag:c", False, True, (4,)),
    ]  # fmt: skip
    assert {(one.seq, one.id, one.actor, one.rtoken) for one in found} == {(7, ("s", 7), "mia", None)}


@pytest.mark.parametrize(
    ("changes", "before", "value"),
    [
        ({"status": ["Open", "Triaging"]}, OPEN, TRIAGING),
        ({"close_classification": ["Duplicate", "Undetermined"]}, DUPLICATE, UNDETERMINED),
        ({"status": ["Closed", "Open"], "close_classification": ["Duplicate", None]}, DUPLICATE, OPEN),
    ],
)
def test_edits_of_the_lifecycle(changes, before, value):
    (one,) = edits_of(1, body(changes, LIFECYCLE), "s")
    assert (one.before, one.value) == (before, value)


def test_an_edit_that_says_its_value_itself():
    said = {"actor": "mia", "edits": [{"register": SEVERITY, "value": ["Low", "banana"], "sup": [1, 2], "rbase": "banana", "rtoken": "t"}]}
    assert edits_of(3, said, "s") == [Edit(3, ("s", 3), SEVERITY, "banana", "Low", (1, 2), "banana", "t", "mia")]


def test_an_edit_of_another_store_keeps_its_id_and_what_it_replaces_goes_by_numbers_here():
    made = body(CHANGES, SEVERITY, A)
    made["edits"][0] |= {"rbase": "Low", "rtoken": "t"}
    outer = {"actor": "importer", "origin": {"store": "z", "seq": 4, "body": made}, "edits": [{"register": SEVERITY, "sup": [11]}]}
    assert edits_of(12, outer, "s") == [
        Edit(12, ("z", 4), SEVERITY, "High", "Low", (11,), "Low", "t", "mia"),
        Edit(12, ("z", 4), A, False, True, (), None, None, "mia"),
    ]


@pytest.mark.parametrize(
    "said", [{"actor": "mia"}, {"actor": "mia", "changes": None, "edits": []}, {"actor": "mia", "origin": {"remote": "r"}}]
)
def test_events_without_edits(said):
    assert edits_of(1, said, "s") == []


def test_an_edit_made_here_after_what_the_remote_said():
    said = body({"severity": ["Low", "High"]}, SEVERITY, origin={"remote": "r"})
    assert [one.id for one in edits_of(5, said, "s")] == [("s", 5)]


def test_what_an_edit_builds_on():
    edits = {
        one.seq: one for one in (edit(1, A, True), edit(2, A, False, sup=[1]), edit(3, A, True, sup=[1]), edit(4, A, True, sup=[2, 3, 9]))
    }
    assert [ancestors(edits, heads) for heads in ([], [9], [1], [2], [3, 2], [4])] == [set(), set(), {1}, {1, 2}, {1, 2, 3}, {1, 2, 3, 4}]


def test_an_alert_of_the_remote_keeps_words_that_are_none_of_ours():
    said = Registers("Parked", None, "banana", "Odd", ("b", " "))
    row = RemoteRow("u", "Beacon", said, "t", "c")
    alert = RemoteAlert(
        *astuple(row, recurse=False), None, "generic", None, None, LifecycleTimes(), (), (), None, None, {"status": "Parked"}
    )
    assert isinstance(alert, RemoteRow)
    assert (alert.registers, alert.registers.shown()) == (said, Registers("Open", None, "Pending", "Pending", ("b",)))
    assert alert != evolve(alert, data={})
