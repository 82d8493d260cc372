"""Two runs compared, without a store: marks, pairs, counts."""

from __future__ import annotations

from array import array
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertstore.domain.comparison import (
    ABSENT,
    AFTER,
    BEFORE,
    CARRIED,
    CLOSED,
    DELETED,
    GONE,
    KINDS,
    LIVE,
    NEW,
    PAIRED,
    RECURRING,
    RuleComparison,
    count_by_rule,
    match_fingerprints,
    match_repeats,
    most_changed_first,
    nearest_pairs,
)

times = st.lists(st.integers(0, 60), max_size=9)


@settings(max_examples=300)
@given(times, times)
def test_the_nearest_are_paired_again_and_again(before, after):
    left, right = [(at, n) for n, at in enumerate(before)], [(at, n) for n, at in enumerate(after)]
    found = nearest_pairs(left, right)
    assert len(found) == min(len(left), len(right))
    for old, new in found:
        distance = abs(before[old] - after[new])
        assert distance == min(abs(a - b) for (a, _), (b, _) in product(left, right))
        left.remove((before[old], old))
        right.remove((after[new], new))


def test_a_hundred_thousand_of_one_fingerprint_are_paired_too():
    count = 100_000
    assert len(nearest_pairs([(2 * n, n) for n in range(count)], [(2 * n + 1, n) for n in range(count)])) == count


@pytest.mark.parametrize(
    ("mark", "kind"),
    [
        (0, ABSENT),
        (LIVE | CLOSED, ABSENT),
        (BEFORE, DELETED),
        (BEFORE | AFTER, DELETED),
        (LIVE | AFTER, NEW),
        (LIVE | AFTER | CLOSED, NEW),
        (LIVE | BEFORE, GONE),
        (LIVE | BEFORE | PAIRED, ABSENT),
        (LIVE | BEFORE | AFTER, RECURRING),
        (LIVE | BEFORE | AFTER | CLOSED, CARRIED),
        (LIVE | AFTER | PAIRED, RECURRING),
        (LIVE | AFTER | PAIRED | CLOSED, CARRIED),
    ],
)
def test_kinds(mark, kind):
    assert KINDS[mark] == kind


def compared(alerts, repeats=()):
    """(kind, partner) of alerts given as (marks, fingerprint, occurred_at), numbered from 1."""
    marks, partners = bytearray([0, *(mark for mark, _, _ in alerts)]), array("q", bytes(8 * (len(alerts) + 1)))
    match_repeats(marks, partners, repeats)
    match_fingerprints(marks, partners, sorted((fingerprint, n, at) for n, (_, fingerprint, at) in enumerate(alerts, 1)))
    return [(KINDS[mark], partner) for mark, partner in zip(marks[1:], partners[1:], strict=True)]


def test_predecessors_come_before_fingerprints():
    alerts = [(BEFORE | CLOSED, "f", 0), (BEFORE, "f", 9), (AFTER, "f", 10), (AFTER, "f", 11), (AFTER, "g", 10)]
    assert compared(alerts) == [(ABSENT, 0), (ABSENT, 0), (RECURRING, 2), (CARRIED, 1), (NEW, 0)]
    assert compared(alerts, [(3, 1)]) == [(ABSENT, 0), (ABSENT, 0), (CARRIED, 1), (RECURRING, 2), (NEW, 0)]


def test_several_may_repeat_one_and_one_that_both_reported_repeats_too():
    alerts = [(BEFORE | CLOSED, "f", 0), (AFTER, "f", 5), (AFTER, "f", 6)]
    assert compared(alerts, [(2, 1), (3, 1)]) == [(ABSENT, 0), (CARRIED, 1), (CARRIED, 1)]
    both = [(BEFORE | AFTER | CLOSED, "f", 0), (AFTER, "f", 5)]
    assert compared(both, [(2, 1)]) == [(CARRIED, 0), (CARRIED, 1)]
    assert compared([(0, "f", 0), (AFTER, "f", 5)], [(2, 1)]) == [(ABSENT, 0), (NEW, 0)]  # what it repeats, no run reported


def test_what_was_erased_is_like_no_other():
    assert compared([(BEFORE, "", 0), (AFTER, "", 0)]) == [(GONE, 0), (NEW, 0)]


alerts = st.lists(st.tuples(st.sampled_from([0, BEFORE, AFTER, BEFORE | AFTER]), st.sampled_from("fgh"), st.integers(0, 20)), max_size=12)


@given(alerts)
def test_every_alert_is_in_one_line(several):
    found = compared(several)
    for side, lone in ((BEFORE, GONE), (AFTER, NEW)):
        reported = sum(1 for mark, _, _ in several if mark & side)
        pairs = sum(1 for _, partner in found if partner)
        both = sum(1 for mark, _, _ in several if mark == BEFORE | AFTER)
        assert reported == both + pairs + sum(1 for kind, _ in found if kind == lone)
    for fingerprint in "fgh":  # nobody is left over who had a counterpart
        left = {kind for (_, mine, _), (kind, _) in zip(several, found, strict=True) if mine == fingerprint}
        assert not {NEW, GONE} <= left
    partners = [partner for _, partner in found if partner]
    assert len(set(partners)) == len(partners)


def test_counts_by_rule_the_most_changed_first():
    kinds = bytes([ABSENT, NEW, GONE, RECURRING, CARRIED, DELETED, NEW])
    assert count_by_rule(kinds, [(1, 1), (1, 2), (2, 3), (2, 4), (None, 6), (3, 0)]) == {
        1: (1, 1, 0, 0),
        2: (0, 0, 2, 1),
        None: (1, 0, 0, 0),
    }
    named = [RuleComparison(uuid, None, name, *counts, 0) for uuid, name, *counts in (
        ("a", "quiet", 0, 0, 9), ("b", "b", 1, 1, 0), ("c", "a", 2, 0, 0), (None, None, 0, 2, 5), ("d", "loud", 3, 0, 0))]  # fmt: skip
    assert [one.uuid for one in most_changed_first(named)] == ["d", None, "c", "b", "a"]
