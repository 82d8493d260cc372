"""Two runs compared: which alerts are new, which are gone, which are there again, and whose verdict still stands.

Alerts are their numbers in the store, and what is known of each is one byte at that place, so that millions of them cost megabytes.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Sequence

BEFORE, AFTER, CLOSED, LIVE, PAIRED, SUGGESTED = (1 << bit for bit in range(6))
"""What the byte of an alert says: reported by the run before, by the run after; Closed; not deleted; paired with an alert of the other
run; its partner is Closed.
"""

ABSENT, NEW, GONE, RECURRING, CARRIED, DELETED = range(6)
"""What comes of it. CARRIED is recurring with a verdict that stands; ABSENT is whatever has no line of its own."""


def _kind(mark: int) -> int:
    sides = mark & (BEFORE | AFTER)
    if not sides:
        return ABSENT
    if not mark & LIVE:
        return DELETED
    if sides == BEFORE | AFTER or (sides == AFTER and mark & PAIRED):
        return CARRIED if mark & (CLOSED | SUGGESTED) else RECURRING
    if sides == AFTER:
        return NEW
    return ABSENT if mark & PAIRED else GONE  # a paired one stands in the line of its partner


KINDS = bytes(map(_kind, range(256)))
"""Translates marks to kinds."""


@frozen
class RuleComparison:
    """What two runs made of one detection rule: how many of its alerts are new, gone, recurring, and recurring with a verdict that stands.

    The alerts that have no rule are one line, whose uuid and name are None.
    """

    uuid: str | None
    source_rule_id: str | None
    name: str | None
    new: int
    gone: int
    recurring: int
    carried: int


def match_repeats(marks: bytearray, partners: array[int], repeats: Iterable[tuple[int, int]]) -> None:
    """Pair new alerts with the alerts of the run before that they repeat, given as (alert, its predecessor)."""
    for number, predecessor in repeats:
        if marks[number] & (BEFORE | AFTER) == AFTER and marks[predecessor] & BEFORE:
            _pair(marks, partners, predecessor, number)


def match_fingerprints(marks: bytearray, partners: array[int], alerts: Iterable[tuple[str, int, int]]) -> None:
    """Pair alerts of the two runs that are alike, nearest in time first; mark all that are given as not deleted.

    alerts: (fingerprint, number, occurred_at) of every alert in the store, in order of the first. An empty fingerprint was erased, and
    is like no other.
    """
    current, before, after = "", list[tuple[int, int]](), list[tuple[int, int]]()
    for fingerprint, number, occurred_at in alerts:
        marks[number] |= LIVE
        if not fingerprint:
            continue
        if fingerprint != current:
            _pair_off(marks, partners, before, after)
            current, before, after = fingerprint, [], []
        side = marks[number] & (BEFORE | AFTER | PAIRED)
        if side == BEFORE:
            before.append((occurred_at, number))
        elif side == AFTER:
            after.append((occurred_at, number))
    _pair_off(marks, partners, before, after)


def _pair_off(marks: bytearray, partners: array[int], before: Sequence[tuple[int, int]], after: Sequence[tuple[int, int]]) -> None:
    if before and after:
        for old, new in nearest_pairs(before, after):
            _pair(marks, partners, old, new)


def _pair(marks: bytearray, partners: array[int], old: int, new: int) -> None:
    partners[new] = old
    marks[old] |= PAIRED
    marks[new] |= PAIRED | (SUGGESTED if marks[old] & CLOSED else 0)


def nearest_pairs(before: Iterable[tuple[int, int]], after: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Pair alerts of two runs, given as (time, number): again and again the two that are nearest to each other, until one side is used up.

    The nearest two of different sides are always neighbours in time among those that are left, so a heap of neighbours will do.
    """
    line = sorted([*((at, 0, number) for at, number in before), *((at, 1, number) for at, number in after)])
    follows, precedes = list(range(1, len(line) + 1)), list(range(-1, len(line) - 1))

    def neighbours(left: int, right: int) -> list[tuple[int, int, int]]:
        there = left >= 0 and right < len(line) and line[left][1] != line[right][1]
        return [(line[right][0] - line[left][0], left, right)] if there else []

    heap = [one for place in range(len(line) - 1) for one in neighbours(place, place + 1)]
    heapify(heap)
    taken, found = bytearray(len(line)), []
    while heap:
        _, left, right = heappop(heap)
        if taken[left] or taken[right]:
            continue
        taken[left] = taken[right] = 1
        old, new = (left, right) if line[left][1] == 0 else (right, left)
        found.append((line[old][2], line[new][2]))
        outer_left, outer_right = precedes[left], follows[right]
        if outer_left >= 0:
            follows[outer_left] = outer_right
        if outer_right < len(line):
            precedes[outer_right] = outer_left
        for one in neighbours(outer_left, outer_right):
            heappush(heap, one)
    return found


def count_by_rule(kinds: bytes, alerts: Iterable[tuple[int | None, int]]) -> dict[int | None, tuple[int, int, int, int]]:
    """How many alerts of each rule are new, gone, recurring and carried; alerts: (number of the rule, number) of every alert."""
    counts: dict[int | None, list[int]] = {}
    for rule, number in alerts:
        kind = kinds[number]
        if kind:
            if rule not in counts:
                counts[rule] = [0] * len((ABSENT, NEW, GONE, RECURRING, CARRIED, DELETED))
            counts[rule][kind] += 1
    return {rule: (n[NEW], n[GONE], n[RECURRING] + n[CARRIED], n[CARRIED]) for rule, n in counts.items()}


def most_changed_first(rules: Iterable[RuleComparison]) -> tuple[RuleComparison, ...]:
    """The rules whose alerts came or went most, first; of equals the one with more recurring alerts, then by name."""
    return tuple(sorted(rules, key=lambda one: (-one.new - one.gone, -one.recurring, one.name or "", one.uuid or "")))
