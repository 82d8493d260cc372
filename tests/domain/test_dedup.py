"""What becomes of records that repeat a closed alert: the choice, held against the rules said slowly."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from alertstore.domain.dedup import NO_MATCH, Candidate, Family, Match, Recurrence, RecurrencePolicy
from alertstore.domain.events import EventKind
from alertstore.domain.intake import decide_seen
from alertstore.errors import AlertValidationError

COUNT, REOPEN, NEW, SPARE = Recurrence
policies = st.builds(RecurrencePolicy, st.sampled_from(Recurrence), st.sampled_from(Recurrence))
WINDOW = 100


def candidate(number, occurred_at, *, active=True, false_positive=False, ingested_at=0):
    return Candidate(number, f"u{number}", occurred_at, ingested_at, active, false_positive)


def slowly(candidates, at, now, window, by, policy, reported=()):
    """The rules, one after the other, over a plain list."""
    if not window:
        return NO_MATCH
    order = sorted(candidates, key=lambda one: (abs(one.occurred_at - at), one.occurred_at, one.alert))
    active, closed = [one for one in order if one.active], [one for one in order if not one.active]
    same = [one for one in (*active, *closed) if one.occurred_at == at]
    if same:
        return Match(joins=same[0])
    if at in reported:
        return Match(joins=next(one for one in closed if one.alert == reported[at]))

    def inside(one):
        return (now - one.ingested_at if by == "ingested_at" else abs(one.occurred_at - at)) <= window

    near = [one for one in active if inside(one)]
    if near:
        return Match(joins=near[0])
    near = [one for one in closed if inside(one)]
    chosen = policy.inside if near else policy.outside
    if chosen is NEW:
        return Match(repeats=closed[0]) if closed else NO_MATCH
    whole = near or sorted(order, key=lambda one: (abs(one.occurred_at - at), not one.active, one.occurred_at, one.alert))
    if not whole:
        return NO_MATCH
    best = whole[0]
    stays = best.active or chosen is COUNT or (chosen is SPARE and best.false_positive)
    return Match(joins=best, reopens=not stays)


few = st.integers(0, 12)
families = st.lists(st.tuples(few, few, st.booleans(), st.booleans()), max_size=7).map(
    lambda several: [
        candidate(number, at, ingested_at=ingested, active=active, false_positive=false and not active)
        for number, (at, ingested, active, false) in enumerate(several, 1)
    ]
)


@settings(max_examples=300)
@given(families, few, few, st.sampled_from([0, 1, 3]), st.sampled_from(["occurred_at", "ingested_at"]), policies, st.sets(few))
def test_against_the_rules_said_slowly(candidates, at, now, window, by, policy, times):
    family, closed = Family(candidates), [one.alert for one in candidates if not one.active]
    reported = dict.fromkeys(times, closed[0]) if closed else {}
    assert family.has_closed is bool(closed)
    for time, number in reported.items():
        family.know(time, number)
        family.know(time, closed[-1])  # the first that is named counts
    assert family.match(at, now, window, by, policy) == slowly(candidates, at, now, window, by, policy, reported)


def named(match):
    return *(one and (one.uuid, one.active, one.false_positive) for one in match[:2]), match.reopens


@settings(max_examples=300)
@given(families, st.lists(few, max_size=8), policies)
@example([candidate(1, 5, active=False)], [6, 12], RecurrencePolicy(REOPEN, NEW))
def test_a_family_knows_what_happened_to_it_within_a_batch(candidates, records, policy):
    family, plain = Family(candidates), list(candidates)  # plain: as the store would have it, made ones numbered
    for number, at in enumerate(records, 1_000):
        found = family.match(at, 0, 3, "occurred_at", policy)
        assert named(found) == named(slowly(plain, at, 0, 3, "occurred_at", policy))
        if found.joins is None:
            made = Candidate(0, f"made {number}", at, 0, active=True)
            plain.append(made._replace(alert=number))
            family.add(made)
        elif found.reopens:
            plain[plain.index(found.joins)] = found.joins._replace(active=True, false_positive=False)
            family.reopen(found.joins)


CLOSED, WRONG, FAR = candidate(1, 1_000, active=False), candidate(1, 1_000, active=False, false_positive=True), candidate(2, 5_000)


@pytest.mark.parametrize(
    ("recurrence", "closed", "found"),
    [
        (NEW, CLOSED, Match(repeats=CLOSED)),
        (COUNT, CLOSED, Match(joins=CLOSED)),
        (REOPEN, CLOSED, Match(joins=CLOSED, reopens=True)),
        (REOPEN, WRONG, Match(joins=WRONG, reopens=True)),
        (SPARE, CLOSED, Match(joins=CLOSED, reopens=True)),
        (SPARE, WRONG, Match(joins=WRONG)),
    ],
)
@pytest.mark.parametrize(("at", "policy"), [(1_100, "inside"), (1_101, "outside")])
def test_each_policy_inside_and_outside(recurrence, closed, found, at, policy):
    assert Family([closed]).match(at, 0, WINDOW, "occurred_at", RecurrencePolicy(**{policy: recurrence})) == found


def test_outside_an_active_one_counts_at_any_distance_but_only_where_it_is_nearest():
    policy = RecurrencePolicy(outside=REOPEN)
    assert Family([CLOSED, FAR]).match(4_000, 0, WINDOW, "occurred_at", policy) == Match(joins=FAR)
    assert Family([CLOSED, FAR]).match(3_000, 0, WINDOW, "occurred_at", policy) == Match(joins=FAR)  # as near: the active one
    assert Family([CLOSED, FAR]).match(2_999, 0, WINDOW, "occurred_at", policy) == Match(joins=CLOSED, reopens=True)
    assert Family([CLOSED, FAR]).match(4_000, 0, WINDOW, "occurred_at") == Match(repeats=CLOSED)


@pytest.mark.parametrize("recurrence", Recurrence)
def test_the_very_same_time_reopens_nothing(recurrence):
    assert Family([CLOSED]).match(1_000, 0, WINDOW, "occurred_at", RecurrencePolicy(recurrence, recurrence)) == Match(joins=CLOSED)


def test_policies_take_their_exact_words():
    assert RecurrencePolicy("count", "reopen-unless-false-positive") == RecurrencePolicy(COUNT, SPARE)
    assert RecurrencePolicy() == RecurrencePolicy(NEW, NEW)
    for wrong in ("Count", "", None, 3, []):
        with pytest.raises(AlertValidationError, match="must be one of: count, reopen, new-linked, reopen-unless-false-positive"):
            RecurrencePolicy(wrong)


@given(st.sets(st.integers(-50, 50), min_size=1))
@example({3})
def test_records_met_again_stand_as_ranges(seqs):
    draft = decide_seen(7, seqs, 5, "mia", None)
    ranges = draft.facts["occurrences"]
    assert (draft.kind, draft.subject, draft.facts["import"]) == (EventKind.RECORDS_SEEN, "7", 7)
    assert sorted(seqs) == [seq for first, count in ranges for seq in range(first, first + count)]
    assert all(left[0] + left[1] < right[0] for left, right in pairwise(ranges))  # as few as there can be
