"""Suppression: what is held back by which one, and the events that say so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.changes import Act
from alertstore.domain.fold import Fold
from alertstore.domain.suppression import (
    KINDS,
    decide_held_record,
    decide_lift,
    decide_suppression,
    in_force,
    suppression_row,
)

ACT = Act(100, "mia", "noise")
NAMES = st.sampled_from(["r1", "r2", "ip:1", "ip:2", "f1", "f2"])


@given(st.lists(st.tuples(st.sampled_from(KINDS), NAMES, st.uuids().map(str))), st.none() | NAMES, st.lists(NAMES), NAMES)
def test_a_record_is_held_back_by_the_first_of_its_rule_its_fingerprint_its_indicators(found, rule, pairs, fingerprint):
    held = in_force(found)
    assert (held is None) is (not found)
    if held is None:
        return
    asked = [("rule", rule), ("fingerprint", fingerprint), *(("indicator", pair) for pair in pairs)]
    expected = next((uuid for want in asked for kind, target, uuid in found if (kind, target) == want), None)
    assert held.holds(rule, pairs, fingerprint) == expected


def test_a_suppression_and_its_row():
    draft = decide_suppression("s1", "rule", "r1", 500, ACT)
    row = suppression_row({"subject": draft.subject, "actor": draft.actor, "reason": draft.reason, "at": draft.at, "facts": draft.facts})
    assert row == {
        "uuid": "s1", "kind": "rule", "target": "r1", "author": "mia", "reason": "noise", "created_at": 100, "until": 500, "lifted_at": None,
        "lifted_by": None,
    }  # fmt: skip
    lifted = decide_lift("s1", ACT)
    assert (lifted.kind, lifted.subject, lifted.actor, lifted.facts) == ("suppression_lifted", "s1", "mia", None)


@pytest.mark.parametrize("place", [{"import": 1, "record": 2, "position": 30}, {"import": None, "record": None, "position": None}])
def test_a_record_that_is_held_back(place):
    draft = decide_held_record("s1", "größer", place | {"size": 9, "sha256": "0f" * 32}, ACT)
    assert draft.subject == "s1"
    assert draft.facts == {"size": 9} | {name: value for name, value in place.items() if value is not None}
    assert set(draft.content) == {"record", "kept", "reason"}


def test_what_is_lifted_cannot_be_lifted_again():
    fold = Fold()
    fold.add(1, "suppression_created", {**BODY, "kind": "suppression_created"}, None, None)
    for seq in (2, 3):
        fold.add(seq, "suppression_lifted", {"subject": "s", "at": 10 * seq, "actor": "leo", "seq": seq}, None, None)
    assert [(one.where, one.found) for one in fold.problems] == [("event 3", 20)]


BODY = {"subject": "s", "at": 1, "actor": "mia", "reason": "noise", "facts": {"kind": "rule", "target": "r", "until": 9}}
