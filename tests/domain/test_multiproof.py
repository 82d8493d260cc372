"""One proof for many events: against the recursive definition for every tree and subset, pruned beginnings, whatever was changed."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.merkle import Frontier, Tree, leaf_hash, peak_places, stored_node
from alertstore.domain.multiproof import multiproof, root_from_multiproof
from alertstore.domain.proofs import inclusion_path

MOST = 200
LEAVES = {seq: leaf_hash(b"event %d" % seq) for seq in range(1, MOST + 1)}
_tree = Tree(Frontier())
STORED = [_tree.append(b"event %d" % seq) for seq in range(1, MOST + 1)]


def node(end, level):
    assert end % (1 << level) == 0
    return stored_node(STORED[end - 1], level)


@cache
def naive_root(start, count):
    """RFC 9162, 2.1.1, word for word."""
    if count == 1:
        return LEAVES[start + 1]
    left = 1
    while left * 2 < count:
        left *= 2
    return sha256(b"\x01" + naive_root(start, left) + naive_root(start + left, count - left)).digest()


def naive_proof(start, count, seqs):
    """The hash of each largest subtree without any of the events, from left to right."""
    if not any(start < seq <= start + count for seq in seqs):
        return [naive_root(start, count)]
    if count == 1:
        return []
    left = 1
    while left * 2 < count:
        left *= 2
    return naive_proof(start, left, seqs) + naive_proof(start + left, count - left, seqs)


def some(seqs):
    return {seq: LEAVES[seq] for seq in seqs}


@st.composite
def subsets(draw, least=0):
    size = draw(st.integers(max(1, least), MOST))
    return size, sorted(draw(st.sets(st.integers(1, size), min_size=least)))


def test_every_subset_of_every_small_tree():
    checked = 0
    for size in range(1, 9):
        for number in range(size + 1):
            for seqs in combinations(range(1, size + 1), number):
                hashes = multiproof(seqs, size, node)
                assert hashes == naive_proof(0, size, seqs)
                assert root_from_multiproof(some(seqs), size, hashes) == naive_root(0, size)
                checked += 1
    assert checked == sum(2**size for size in range(1, 9))


@given(subsets())
def test_any_subset_of_any_tree(case):
    size, seqs = case
    hashes = multiproof(seqs, size, node)
    assert hashes == naive_proof(0, size, seqs)
    assert root_from_multiproof(some(seqs), size, hashes) == naive_root(0, size)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100, 200])
def test_of_one_event_it_is_the_inclusion_path_and_of_all_it_is_empty(size):
    for seq in range(1, size + 1):
        assert sorted(multiproof([seq], size, node)) == sorted(inclusion_path(seq, size, node))
    assert multiproof(range(1, size + 1), size, node) == []


def refused(leaves, size, hashes):
    try:
        return root_from_multiproof(leaves, size, hashes) != naive_root(0, size)
    except ValueError:
        return True


@given(subsets(least=1))
def test_every_single_change_is_refused(case):
    size, seqs = case
    hashes, leaves = multiproof(seqs, size, node), some(seqs)
    for seq in seqs:
        assert refused(leaves | {seq: leaf_hash(b"forged")}, size, hashes)
        assert refused({other: leaf for other, leaf in leaves.items() if other != seq}, size, hashes)
        for other in {seq - 1, seq + 1, size + 1, *range(1, size, 17)} - {0, *seqs}:
            moved = {other if one == seq else one: leaf for one, leaf in leaves.items()}
            assert refused(moved, size, hashes)
            assert refused(leaves | {other: leaf_hash(b"slipped in")}, size, hashes)
    for place, one in enumerate(hashes):
        before, after = hashes[:place], hashes[place + 1 :]
        assert refused(leaves, size, [*before, one[:-1] + bytes([one[-1] ^ 1]), *after])
        assert refused(leaves, size, [*before, *after])
        assert refused(leaves, size, [*before, one, one, *after])
        assert refused(leaves, size, [*before, one[:31], *after])
        for other, another in enumerate(after, place + 1):
            swapped = [*hashes]
            swapped[place], swapped[other] = another, one
            assert refused(leaves, size, swapped)
    assert refused(leaves, size, [*hashes, naive_root(0, size)])


@given(subsets(least=1), st.data())
def test_a_pruned_beginning_is_asked_for_its_peaks_alone(case, data):
    size, seqs = case
    pruned = data.draw(st.integers(0, seqs[0] - 1))
    kept = {(end, level) for end, level in peak_places(pruned)}

    def after(end, level):
        assert end > pruned or (end, level) in kept
        return node(end, level)

    assert root_from_multiproof(some(seqs), size, multiproof(seqs, size, after)) == naive_root(0, size)


@pytest.mark.parametrize(("seqs", "size"), [([0], 3), ([4], 3), ([2, 1], 3), ([1, 1], 3), ([], 0), ([1], 0), ([-1, 2], 3), ([1], -1)])
def test_there_are_no_such_events(seqs, size):
    with pytest.raises(ValueError, match="not among the first"):
        multiproof(seqs, size, node)


@pytest.mark.parametrize(("seqs", "size"), [([0], 3), ([4], 3), ([], 0), ([1], 0)])
def test_no_root_of_events_that_are_not_there(seqs, size):
    with pytest.raises(ValueError, match="not among the first"):
        root_from_multiproof(dict.fromkeys(seqs, LEAVES[1]), size, [])
