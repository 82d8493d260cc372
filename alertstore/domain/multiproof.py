"""One proof for many events: that each of them is in a tree of a given size and root.

A subtree that holds none of them gives its hash, so what their paths have in common is said once. Hashes stand in the order of the
tree, from left to right. As with any proof, root and size must come from somewhere trusted: hashes alone do not settle a size.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING

from alertstore.domain.merkle import HASH, node_hash
from alertstore.domain.proofs import root_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from alertstore.domain.proofs import Node


def multiproof(seqs: Sequence[int], size: int, node: Node) -> list[bytes]:
    """The hashes that lead from the leaves of events `seqs` (from 1, in order, none twice) to the root of the first `size` events.

    Asks only for the largest perfect subtrees, so that a log of which a beginning before the first of them was pruned, all but
    its peaks, still has them. Raises ValueError where there are no such events.
    """
    _check_places(seqs, size)
    hashes = list[bytes]()

    def absent(start: int, count: int) -> bytes:
        hashes.append(root_at(count, lambda end, level: node(start + end, level)))
        return hashes[-1]

    _walk(seqs, (0, size, 0, len(seqs)), absent, lambda _: b"", lambda _, right: right)
    return hashes


def root_from_multiproof(leaves: Mapping[int, bytes], size: int, hashes: Sequence[bytes]) -> bytes:
    """The root that leaf hashes, by number of event, and the hashes of a proof lead to.

    Raises ValueError where the proof has a hash too few, or one too many, or there are no such events in a log of that size.
    """
    seqs = sorted(leaves)
    _check_places(seqs, size)
    rest = iter(hashes)

    def absent(_: int, __: int) -> bytes:
        one = next(rest, b"")
        if len(one) != HASH:
            raise ValueError(f"the proof has a hash too few, or one that is not {HASH} bytes long")
        return one

    root = _walk(seqs, (0, size, 0, len(seqs)), absent, leaves.__getitem__, node_hash)
    if next(rest, None) is not None:
        raise ValueError("the proof has a hash too many")
    return root


def _walk(
    seqs: Sequence[int],
    part: tuple[int, int, int, int],
    absent: Callable[[int, int], bytes],
    leaf: Callable[[int], bytes],
    join: Callable[[bytes, bytes], bytes],
) -> bytes:
    """Go through a subtree from left to right: `count` leaves after the first `start`, of which seqs[low:high] are ours."""
    start, count, low, high = part
    if low == high:
        return absent(start, count)
    if count == 1:
        return leaf(seqs[low])
    left = 1 << (count - 1).bit_length() - 1  # as RFC 9162 splits a tree: the largest power of two that leaves some to the right
    middle = bisect_right(seqs, start + left, low, high)
    before = _walk(seqs, (start, left, low, middle), absent, leaf, join)
    return join(before, _walk(seqs, (start + left, count - left, middle, high), absent, leaf, join))


def _check_places(seqs: Sequence[int], size: int) -> None:
    if size < 1 or (seqs and not 1 <= seqs[0] <= seqs[-1] <= size) or not all(_ascending(seqs)):
        raise ValueError(f"events that are not among the first {size}, or not in order, or there twice")


def _ascending(seqs: Sequence[int]) -> Iterator[bool]:
    return (one < other for one, other in pairwise(seqs))
