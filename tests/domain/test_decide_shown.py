"""Giving an alert the registers that merging came to: which event says so, which times it has, which edits it keeps."""

from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from merge_cases import remotes
from test_lifecycle_changes import CLOSED, ESCALATED, OPEN, TRIAGING, act, state_of, states

from alertstore.domain.changes import decide_shown
from alertstore.domain.events import EventKind
from alertstore.domain.lifecycle import LifecycleTimes
from alertstore.domain.registers import Registers
from alertstore.domain.times import read_rfc3339
from alertstore.domain.vocabulary import AlertStatus, Malice

moments = st.none() | st.integers(0, 6_000)
there = st.builds(LifecycleTimes, moments, moments, moments)
shown = remotes().map(Registers.shown)
EDITS = ({"register": "severity", "value": ["Low", "High"], "sup": [], "rbase": None, "rtoken": None},)


def with_status(status, *, state=None):
    """An alert's registers in another status."""
    verdict = "Duplicate" if status is CLOSED else None
    return evolve(Registers.of(state or state_of()), status=status.value, close_classification=verdict)


def follow(state, change):
    """The state by what the events of a change say."""
    for draft in change.events:
        said = {name: new for name, (_, new) in (draft.changes or {}).items()} | dict(draft.sets or {})
        times = {name: said.pop(name) for name in list(said) if name in LifecycleTimes._fields}
        tags = {"tags": tuple(said.pop("tags"))} if "tags" in said else {}
        state = state._replace(**said, **tags, times=state.times._replace(**times), updated_at=draft.at)
    return state


@given(states(), shown, st.none() | there, st.sampled_from([(), EDITS]), st.sampled_from([None, EventKind.ALERT_CONFLICT_RESOLVED]))
def test_the_alert_has_what_it_must_show_and_the_event_says_all_of_it(state, registers, elsewhere, edits, kind):
    change = decide_shown(state, registers, act(), edits=edits, kind=kind, elsewhere=elsewhere)
    after = change.state
    assert Registers.of(after) == registers
    assert follow(state, change) == after
    assert len(change.events) == (registers != Registers.of(state) or bool(edits))
    for draft in change.events:
        assert (draft.edits or ()) == edits
        assert kind is None or draft.kind == kind
        assert draft.at == after.updated_at > state.updated_at
    assert after.heads is state.heads
    assert decide_shown(after, registers, act(), elsewhere=elsewhere) == (after, ())


@given(states(), shown, there)
def test_times_are_in_order_whatever_the_other_side_says(state, registers, elsewhere):
    times = decide_shown(state, registers, act(), elsewhere=elsewhere).state.times
    assert (times.closed_at is not None) == (registers.status == "Closed")
    assert times.closed_at is None or times.acknowledged_at <= times.closed_at
    assert times.acknowledged_at is not None or registers.status == "Open"
    for name in ("acknowledged_at", "triaged_at"):
        if getattr(state.times, name) is not None:
            assert getattr(times, name) == getattr(state.times, name)  # what was done here stays as it was
    if registers.status == state.status:
        assert times == state.times


@pytest.mark.parametrize(
    ("before", "status", "told", "times"),
    [
        (OPEN, CLOSED, (500, None, 700), (500, None, 700)),
        (OPEN, CLOSED, (900, None, 700), (700, None, 700)),  # both theirs: it was acknowledged at the latest when it was closed
        (OPEN, CLOSED, (None, None, 700), (700, None, 700)),
        (OPEN, CLOSED, (500, None, None), (500, None, 1_000)),
        (OPEN, CLOSED, (None, None, None), (1_000, None, 1_000)),
        (OPEN, TRIAGING, (500, 600, None), (500, 600, None)),
        (OPEN, TRIAGING, (None, None, None), (1_000, 1_000, None)),
        (OPEN, ESCALATED, (500, 600, 700), (500, 600, None)),  # triaged there before
        (TRIAGING, CLOSED, (5, 6, 7), (10, 10, 10)),  # acknowledged here, so closed not before
        (TRIAGING, CLOSED, (500, 600, 700), (10, 10, 700)),
        (ESCALATED, TRIAGING, (5, 6, None), (10, 6, None)),
        (CLOSED, OPEN, (5, 6, 7), (10, 10, None)),
        (CLOSED, TRIAGING, (5, 6, 7), (10, 10, None)),
    ],
)
def test_times_of_what_was_done_elsewhere(before, status, told, times):
    state = state_of(before)
    change = decide_shown(state, with_status(status), act(), elsewhere=LifecycleTimes(*told))
    assert change.state.times == LifecycleTimes(*times)
    assert {n: v for n, v in change.events[0].sets.items() if n in LifecycleTimes._fields} == LifecycleTimes(*times).since(state.times)


def test_without_word_from_elsewhere_it_is_done_now():
    change = decide_shown(state_of(), with_status(CLOSED), act())
    assert change.state.times == LifecycleTimes(1_000, None, 1_000)
    assert [(draft.kind, draft.edits) for draft in change.events] == [(EventKind.ALERT_CLOSED, None)]


def test_an_override_keeps_its_own_facts_beside_the_times():
    registers = evolve(with_status(CLOSED), malice_override="Benign")
    (draft,) = decide_shown(state_of(), registers, act(), elsewhere=LifecycleTimes(5, None, 7)).events
    assert draft.sets == {"acknowledged_at": 5, "closed_at": 7, "malice_override_at": 1_000, "malice_override_source": "analyst"}
    reset = decide_shown(
        state_of(malice_override=Malice.BENIGN, malice_override_source="analyst", malice_override_at=5), with_status(OPEN), act()
    )
    assert reset.state[5:8] == (None, None, None)
    assert reset.events[0].changes == {"malice_override": ["Benign", None]}


@pytest.mark.parametrize("status", AlertStatus)
@pytest.mark.parametrize("before", AlertStatus)
def test_no_step_is_forbidden_that_the_remote_has_made(before, status):
    state = state_of(before)
    assert decide_shown(state, with_status(status, state=state), act()).state.status is status


def test_an_observation_replaces_no_edit():
    state = state_of(heads={"lifecycle": [4], "severity": [5, 6]})
    change = decide_shown(state, with_status(TRIAGING), act(origin={"remote": "r"}))
    (draft,) = change.events
    assert (draft.edits, draft.origin, draft.kind) == (None, {"remote": "r"}, EventKind.ALERT_STATUS_UPDATED)
    assert change.state.heads == {"lifecycle": [4], "severity": [5, 6]}


def test_edits_are_kept_though_they_change_nothing():
    state = state_of()
    same = Registers.of(state)
    assert decide_shown(state, same, act()) == (state, ())
    (draft,) = decide_shown(state, same, act(), edits=EDITS).events
    assert (draft.kind, draft.edits, draft.changes, draft.sets) == (EventKind.ALERT_STATUS_UPDATED, EDITS, None, None)
    change = decide_shown(state, same, act(now=3, reason="why"), edits=EDITS, kind=EventKind.ALERT_TAGS_UPDATED)
    (draft,) = change.events
    assert (draft.kind, draft.at, draft.clock, draft.reason, change.state.updated_at) == (EventKind.ALERT_TAGS_UPDATED, 101, 3, "why", 101)


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T01:00:00.000001+01:00", 1),
        ("1969-12-31T23:59:59.5-00:00", -500_000),
        ("1970-01-01T00:00:00", None),
        ("1970-01-01", None),
        ("1970-13-01T00:00:00Z", None),
        ("", None),
        ("now", None),
        ("0001-01-01T00:00:00+23:59", -62_135_683_140_000_000),
        ("9999-12-31T23:59:59-23:59", 253_402_387_139_000_000),
    ],
)
def test_times_of_the_remote(text, micros):
    assert read_rfc3339(text) == micros
