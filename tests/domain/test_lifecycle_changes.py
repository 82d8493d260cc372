"""The patch table of the contract, row by row, and what must hold whatever is asked for."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.changes import (
    Act,
    AlertPatch,
    AlertState,
    decide_close,
    decide_delete,
    decide_finding,
    decide_indicators,
    decide_patch,
    effective_time,
)
from alertstore.domain.content import finding_content
from alertstore.domain.events import EventKind
from alertstore.domain.lifecycle import LifecyclePolicy, LifecycleTimes
from alertstore.domain.vocabulary import AlertStatus, CloseClassification, Malice, Severity
from alertstore.errors import AlertValidationError, ClassificationRequiredError, FieldProblem, InvalidTransitionError
from alertstore.testing import alert_patches

OPEN, TRIAGING, ESCALATED, CLOSED = AlertStatus
TRUE, BENIGN, LOGIC, DATA, *_ = CloseClassification
POLICIES = [LifecyclePolicy.documented(), LifecyclePolicy.reopenable(), LifecyclePolicy.permissive()]
DOCUMENTED = {(OPEN, TRIAGING), (OPEN, ESCALATED), (TRIAGING, ESCALATED), (ESCALATED, TRIAGING), (TRIAGING, CLOSED), (ESCALATED, CLOSED)}
STEPS = {
    "documented": DOCUMENTED,
    "reopenable": DOCUMENTED | {(CLOSED, OPEN), (CLOSED, TRIAGING)},
    "permissive": {(a, b) for a, b in product(AlertStatus, repeat=2) if a is not b},
}
NOW = 1_000
every_policy = pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
policies = st.sampled_from(POLICIES)


def state_of(status=OPEN, **over):
    """A state that the rules can lead to, last edited at 100."""
    state = AlertState(
        "u",
        status,
        Severity.PENDING,
        DATA if status is CLOSED else None,
        (),
        None,
        None,
        None,
        LifecycleTimes(None if status is OPEN else 10, None if status in {OPEN, ESCALATED} else 10, 100 if status is CLOSED else None),
        100,
    )
    return state._replace(**over)


def act(now=NOW, **over):
    return Act(now, "mia", **over)


def patch(state, policy=POLICIES[0], now=NOW, **fields):
    return decide_patch(state, AlertPatch(**fields), act(now), policy)


def problems(state, policy=POLICIES[0], **fields):
    with pytest.raises(AlertValidationError) as refusal:
        patch(state, policy, **fields)
    return [p.path for p in refusal.value.problems], refusal.value


@st.composite
def states(draw):
    """Any state that some history of edits, under some policy, comes to."""
    state = state_of()
    for edit, policy, now in draw(st.lists(st.tuples(alert_patches(), policies, st.integers(0, 5_000)), max_size=6)):
        try:
            state = decide_patch(state, edit, act(now), policy).state
        except AlertValidationError:
            continue
    return state


def assert_sound(state):
    closed = state.status is CLOSED
    assert closed == (state.close_classification is not None) == (state.times.closed_at is not None)
    if closed:
        assert state.times.acknowledged_at is not None
        assert state.times.acknowledged_at <= state.times.closed_at
    if state.status is TRIAGING:
        assert state.times.triaged_at is not None
    assert (state.malice_override is None) == (state.malice_override_at is None) == (state.malice_override_source is None)
    assert len(set(state.tags)) == len(state.tags)
    assert all(tag.strip() for tag in state.tags)
    assert all(t <= state.updated_at for t in (state.times.acknowledged_at, state.times.triaged_at, state.times.closed_at) if t is not None)


# --- what must hold for anything ---


@given(states(), alert_patches(), policies, st.integers(0, 5_000))
def test_whatever_is_patched(before, edit, policy, now):
    try:
        change = decide_patch(before, edit, act(now), policy)
    except AlertValidationError as refusal:
        assert refusal.problems  # noqa: PT017 - either way is fine
        return
    after = change.state
    assert_sound(after)
    if before.status is not after.status:
        assert (before.status, after.status) in STEPS[policy.name]
    if not change.events:
        assert after == before
        return
    (event,) = change.events
    assert event.at == after.updated_at > before.updated_at
    assert event.at >= now
    assert event.clock == (None if event.at == now else now)
    for name in ("acknowledged_at", "triaged_at"):
        if getattr(before.times, name) is not None:
            assert getattr(after.times, name) == getattr(before.times, name)
    for name, (old, new) in event.changes.items():
        was, now_is = getattr(before, name), getattr(after, name)
        assert (old, new) == (list(was), list(now_is)) if name == "tags" else (was, now_is)
        assert old != new
    changed = {
        name
        for name in ("status", "severity", "close_classification", "tags", "malice_override")
        if getattr(before, name) != getattr(after, name)
    }
    assert changed == set(event.changes)


@given(states(), st.sampled_from(CloseClassification), st.integers(0, 5_000))
def test_close_walks_the_documented_flow(before, verdict, now):
    change = decide_close(before, verdict, act(now))
    assert_sound(change.state)
    assert change.state.status is CLOSED
    assert change.state.close_classification is verdict
    status, at = before.status, before.updated_at
    for event in change.events:
        assert event.at > at
        at = event.at
        if "status" in event.changes:
            old, new = event.changes["status"]
            assert old is status
            assert (old, new) in DOCUMENTED
            status = new
    assert (
        len(change.events) == {OPEN: 2, TRIAGING: 1, ESCALATED: 1, CLOSED: int(before.close_classification is not verdict)}[before.status]
    )


@given(states(), alert_patches(), policies)
def test_the_same_patch_again_changes_nothing(before, edit, policy):
    try:
        once = decide_patch(before, edit, act(), policy).state
        twice = decide_patch(once, edit, act(9_000), policy)
    except AlertValidationError:
        return
    assert twice.events == ()
    assert twice.state is once


@given(states(), alert_patches(), alert_patches(), st.integers(0, 5_000))
def test_two_edits_never_share_a_time(state, one, other, now):
    policy = LifecyclePolicy.permissive()
    times = [state.updated_at]
    for edit in (one, other):
        try:
            change = decide_patch(state, edit, act(now), policy)
        except AlertValidationError:
            continue
        state = change.state
        times += [event.at for event in change.events]
    assert times == sorted(set(times))


# --- transitions: all sixteen pairs under every policy ---


@every_policy
@pytest.mark.parametrize(("current", "to"), list(product(AlertStatus, repeat=2)))
def test_every_pair(policy, current, to):
    before = state_of(current)
    verdict = BENIGN if to is CLOSED else None
    if current is to:
        change = patch(before, policy, status=to, close_classification=before.close_classification)
        assert change.state is before
        assert change.events == ()
    elif (current, to) in STEPS[policy.name]:
        change = patch(before, policy, status=to, close_classification=verdict)
        assert change.state.status is to
        (event,) = change.events
        assert event.kind == (EventKind.ALERT_CLOSED if to is CLOSED else EventKind.ALERT_STATUS_UPDATED)
        assert event.changes["status"] == [current, to]
    else:
        with pytest.raises(InvalidTransitionError) as refusal:
            patch(before, policy, status=to, close_classification=verdict)
        assert (refusal.value.current, refusal.value.requested) == (current, to)
        assert {(current, AlertStatus(one)) for one in refusal.value.allowed} == {s for s in STEPS[policy.name] if s[0] is current}
        (problem,) = refusal.value.problems
        assert problem.path == "status"
        assert all(word in problem.message for word in (current, to, *refusal.value.allowed))


@every_policy
@pytest.mark.parametrize("current", AlertStatus)
def test_the_table_says_so_too(policy, current):
    assert {(current, to) for to in policy.allowed(current)} == {step for step in STEPS[policy.name] if step[0] is current}


# --- the rows of the patch table ---


@every_policy
@pytest.mark.parametrize("current", [TRIAGING, ESCALATED, CLOSED])
def test_closing_needs_a_classification_also_from_closed_to_closed(policy, current):
    with pytest.raises(ClassificationRequiredError) as refusal:
        patch(state_of(current), policy, status=CLOSED)
    (problem,) = refusal.value.problems
    assert problem.path == "close_classification"
    assert all(verdict in problem.message for verdict in CloseClassification)
    assert refusal.value.advice


@every_policy
@pytest.mark.parametrize("status", [None, CLOSED])
def test_reclassification(policy, status):
    before = state_of(CLOSED)
    change = patch(before, policy, status=status, close_classification=TRUE)
    assert change.state.close_classification is TRUE
    assert change.state.times == before.times
    (event,) = change.events
    assert event.kind == EventKind.ALERT_RECLASSIFIED
    assert event.changes == {"close_classification": [DATA, TRUE]}
    assert not event.sets
    assert patch(before, policy, status=status, close_classification=DATA).events == ()


@every_policy
@pytest.mark.parametrize("current", [OPEN, TRIAGING, ESCALATED])
def test_a_classification_belongs_to_closed_alerts(policy, current):
    paths, refusal = problems(state_of(current), policy, close_classification=TRUE)
    assert paths == ["close_classification"]
    assert not isinstance(refusal, ClassificationRequiredError)
    assert current in refusal.problems[0].message


@pytest.mark.parametrize("policy", POLICIES[1:], ids=lambda policy: policy.name)
@pytest.mark.parametrize("to", [OPEN, TRIAGING])
def test_a_classification_while_reopening_is_refused(policy, to):
    paths, _ = problems(state_of(CLOSED), policy, status=to, close_classification=TRUE)
    assert paths == ["close_classification"]


@pytest.mark.parametrize("policy", POLICIES[1:], ids=lambda policy: policy.name)
@pytest.mark.parametrize("to", [OPEN, TRIAGING])
def test_leaving_closed_clears_the_verdict(policy, to):
    before = state_of(CLOSED)
    change = patch(before, policy, status=to)
    assert change.state.close_classification is None
    assert change.state.times == LifecycleTimes(10, 10, None)
    (event,) = change.events
    assert event.changes == {"status": [CLOSED, to], "close_classification": [DATA, None]}
    assert event.sets == {"closed_at": None}


def test_the_times_are_written_once():
    policy = LifecyclePolicy.permissive()
    state = patch(state_of(), policy, 200, status=ESCALATED).state
    assert state.times == LifecycleTimes(200, None, None)
    state = patch(state, policy, 300, status=TRIAGING).state
    assert state.times == LifecycleTimes(200, 300, None)
    state = patch(state, policy, 400, status=ESCALATED).state
    state = patch(state, policy, 500, status=TRIAGING).state
    assert state.times == LifecycleTimes(200, 300, None)
    state = patch(state, policy, 600, status=CLOSED, close_classification=TRUE).state
    assert state.times == LifecycleTimes(200, 300, 600)
    state = patch(state, policy, 700, status=OPEN).state
    assert state.times == LifecycleTimes(200, 300, None)
    state = patch(state, policy, 800, status=CLOSED, close_classification=TRUE).state
    assert state.times == LifecycleTimes(200, 300, 800)


def test_closing_from_open_acknowledges_too():
    state = patch(state_of(), LifecyclePolicy.permissive(), 200, status=CLOSED, close_classification=TRUE).state
    assert state.times == LifecycleTimes(200, None, 200)


def test_the_same_status_keeps_the_times():
    times = LifecycleTimes(1, 2, None)
    assert times.after(TRIAGING, TRIAGING, 50) is times


@every_policy
def test_tags_replace_and_keep_their_order(policy):
    before = state_of(tags=("a", "b"))
    change = patch(before, policy, tags=("c", "a", "c", "a"))
    assert change.state.tags == ("c", "a")
    (event,) = change.events
    assert event.kind == EventKind.ALERT_TAGS_UPDATED
    assert event.changes == {"tags": [["a", "b"], ["c", "a"]]}
    assert [edit["register"] for edit in event.edits] == ["tag:b", "tag:c"]
    assert patch(before, policy, tags=()).state.tags == ()
    assert patch(before, policy, tags=("a", "b", "a")).events == ()
    assert patch(before, policy, tags=("b", "a")).state.tags == ("b", "a")


@every_policy
def test_blank_tags_are_refused_each_by_its_place(policy):
    paths, refusal = problems(state_of(), policy, tags=("ok", "", " \t"))
    assert paths == ["tags[1]", "tags[2]"]
    assert [p.given for p in refusal.problems] == ["", " \t"]


@every_policy
def test_malice_override(policy):
    before = state_of()
    change = patch(before, policy, malice_override=Malice.BENIGN)
    state = change.state
    assert (state.malice_override, state.malice_override_source, state.malice_override_at) == (Malice.BENIGN, "analyst", NOW)
    (event,) = change.events
    assert event.kind == EventKind.ALERT_MALICE_UPDATED
    assert event.sets == {"malice_override_source": "analyst", "malice_override_at": NOW}
    assert patch(state, policy, 5_000, malice_override=Malice.BENIGN).events == ()
    assert patch(state, policy, 5_000, malice_override=Malice.PENDING).state.malice_override_at == 5_000
    cleared = patch(state, policy, reset_malice_override=True).state
    assert (cleared.malice_override, cleared.malice_override_source, cleared.malice_override_at) == (None, None, None)
    assert patch(before, policy, reset_malice_override=True).events == ()


@every_policy
def test_override_and_reset_contradict(policy):
    paths, _ = problems(state_of(), policy, malice_override=Malice.BENIGN, reset_malice_override=True)
    assert paths == ["reset_malice_override"]


@every_policy
def test_severity(policy):
    change = patch(state_of(), policy, severity=Severity.HIGH)
    (event,) = change.events
    assert (event.kind, event.changes) == (EventKind.ALERT_SEVERITY_UPDATED, {"severity": [Severity.PENDING, Severity.HIGH]})
    assert patch(change.state, policy, severity=Severity.HIGH).events == ()


@every_policy
def test_an_empty_patch_succeeds_and_records_nothing(policy):
    before = state_of()
    change = patch(before, policy)
    assert change.state is before
    assert change.events == ()


def test_several_problems_come_in_one_error():
    paths, refusal = problems(state_of(), status=CLOSED, tags=("", "x"), malice_override=Malice.BENIGN, reset_malice_override=True)
    assert paths == ["status", "close_classification", "reset_malice_override", "tags[0]"]
    assert type(refusal) is AlertValidationError
    assert all(path in str(refusal) for path in paths)


def test_a_transition_is_a_plain_refusal_when_it_is_not_the_sole_problem():
    _, refusal = problems(state_of(), status=CLOSED)
    assert type(refusal) is AlertValidationError
    _, refusal = problems(state_of(), status=CLOSED, close_classification=TRUE)
    assert type(refusal) is InvalidTransitionError
    _, refusal = problems(state_of(TRIAGING), status=CLOSED, tags=(" ",))
    assert type(refusal) is AlertValidationError


def test_problems_of_shape_are_reported_together_with_those_of_the_rules():
    shape = [FieldProblem("severity", "must be one of: ...", "HIGH")]
    with pytest.raises(AlertValidationError) as refusal:
        decide_patch(state_of(), AlertPatch(tags=(" ",)), act(), POLICIES[0], shape)
    assert [p.path for p in refusal.value.problems] == ["severity", "tags[0]"]


def test_a_status_of_the_wrong_shape_is_no_transition():
    with pytest.raises(AlertValidationError) as refusal:
        decide_patch(state_of(), AlertPatch(), act(), POLICIES[0], [FieldProblem("status", "must be one of: ...", "open")])
    assert type(refusal.value) is AlertValidationError


def test_one_event_holds_all_registers_under_the_most_telling_kind():
    change = patch(state_of(), status=TRIAGING, severity=Severity.LOW, tags=("x",), malice_override=Malice.BENIGN)
    (event,) = change.events
    assert event.kind == EventKind.ALERT_STATUS_UPDATED
    assert [edit["register"] for edit in event.edits] == ["lifecycle", "severity", "malice", "tag:x"]
    (event,) = patch(state_of(), severity=Severity.LOW, tags=("x",)).events
    assert event.kind == EventKind.ALERT_SEVERITY_UPDATED
    (event,) = patch(state_of(), malice_override=Malice.BENIGN, tags=("x",)).events
    assert event.kind == EventKind.ALERT_MALICE_UPDATED


def test_edits_name_what_they_replace():
    before = state_of(heads={"severity": [7], "tag:x": [9]})
    (event,) = patch(before, severity=Severity.LOW, tags=("x", "y")).events
    assert [(edit["register"], list(edit["sup"])) for edit in event.edits] == [("severity", [7]), ("tag:x", [9]), ("tag:y", [])]
    assert all(edit["rbase"] is edit["rtoken"] is None for edit in event.edits)


def test_a_clock_that_stands_or_runs_back_moves_time_by_a_microsecond():
    assert [effective_time(now, 100) for now in (99, 100, 101, 102)] == [101, 101, 101, 102]
    (event,) = patch(state_of(), now=50, severity=Severity.LOW).events
    assert (event.at, event.clock) == (101, 50)
    (event,) = patch(state_of(), now=500, severity=Severity.LOW).events
    assert (event.at, event.clock) == (500, None)


def test_the_event_says_who_why_and_whence():
    edit, deed = AlertPatch(severity=Severity.LOW), Act(NOW, "mia", "noise", {"remote": "r"})
    (event,) = decide_patch(state_of(), edit, deed, POLICIES[0]).events
    assert (event.subject, event.actor, event.reason, event.origin) == ("u", "mia", "noise", {"remote": "r"})


# --- close, delete, findings, indicators ---


def test_closing_an_open_alert_records_both_steps():
    change = decide_close(state_of(), LOGIC, act())
    first, last = change.events
    assert first.changes == {"status": [OPEN, TRIAGING]}
    assert first.sets == {"acknowledged_at": NOW, "triaged_at": NOW}
    assert last.changes == {"status": [TRIAGING, CLOSED], "close_classification": [None, LOGIC]}
    assert last.sets == {"closed_at": NOW + 1}
    assert last.clock == NOW
    assert change.state.times == LifecycleTimes(NOW, NOW, NOW + 1)


@pytest.mark.parametrize("current", [TRIAGING, ESCALATED])
def test_closing_from_the_middle_is_one_step(current):
    (event,) = decide_close(state_of(current), LOGIC, act()).events
    assert event.kind == EventKind.ALERT_CLOSED


def test_closing_a_closed_alert_reclassifies_it():
    before = state_of(CLOSED)
    change = decide_close(before, TRUE, act())
    assert [event.kind for event in change.events] == [EventKind.ALERT_RECLASSIFIED]
    assert change.state.times == before.times
    assert decide_close(before, DATA, act()).events == ()


def test_deleting_is_a_tombstone():
    change = decide_delete(state_of(), act(50))
    (event,) = change.events
    assert (event.kind, event.subject, event.at, event.clock) == (EventKind.ALERT_DELETED, "u", 101, 50)


def test_a_finding_is_content_but_for_its_id():
    finding = {"id": "f", "agent_name": "mia", "summary": "s", "confidence": None, "recommended_action": None, "evidence": {"a": 1}}
    change = decide_finding(state_of(), finding, '{"a":1}', act())
    (event,) = change.events
    assert event.facts == {"finding": "f"}
    assert event.content == finding_content(finding, '{"a":1}')
    assert event.changes is None
    assert change.state.updated_at == NOW


def test_indicators_are_content_and_none_changes_nothing():
    change = decide_indicators(state_of(), ["domain:a", "ip:1.2.3.4"], act())
    (event,) = change.events
    assert event.content == {"indicators": b'["domain:a","ip:1.2.3.4"]'}
    assert change.state.updated_at == NOW
    nothing = decide_indicators(state_of(), [], act())
    assert nothing.events == ()
    assert nothing.state == state_of()
