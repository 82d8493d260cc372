"""The Merkle tree over the history: RFC 9162 hashing, appended to one leaf at a time.

Beside each event the store keeps the hashes that its leaf completes: the leaf hash, then the node of every subtree
that ends with it, smallest first (leaf n completes one node more for each time 2 divides n). From those hashes alone
the root of any size, and every proof, takes a logarithm of the log's length.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

HASH = 32
EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(body: bytes) -> bytes:
    """The hash of a leaf (RFC 9162, 2.1.1): SHA-256 of 0x00 and the stored bytes."""
    return sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node (RFC 9162, 2.1.1): SHA-256 of 0x01 and its children."""
    return sha256(b"\x01" + left + right).digest()


def peak_places(size: int) -> list[tuple[int, int]]:
    """Where the peaks of a log of `size` leaves stand: (leaf number that completes it, level), largest first."""
    places, end = [], 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            end += 1 << level
            places.append((end, level))
    return places


def stored_node(hashes: bytes, level: int) -> bytes:
    """The node at `level` among the hashes stored beside the leaf that completes it."""
    return hashes[level * HASH : (level + 1) * HASH]


@frozen
class Frontier:
    """The right edge of a tree: its size and its peaks, by level. All that an append needs."""

    size: int = 0
    peaks: Mapping[int, bytes] = field(factory=dict)

    def root(self) -> bytes:
        """The root hash: the peaks folded from the smallest up; of no leaves, the hash of nothing."""
        if not self.peaks:
            return EMPTY_ROOT
        levels = sorted(self.peaks)
        node = self.peaks[levels[0]]
        for level in levels[1:]:
            node = node_hash(self.peaks[level], node)
        return node


class Tree:
    """A tree that grows. Mutable and cheap, for appending many leaves; `frontier()` freezes it."""

    __slots__ = ("_peaks", "size")

    def __init__(self, frontier: Frontier) -> None:
        """Go on from a frontier."""
        self.size = frontier.size
        self._peaks = dict(frontier.peaks)

    def append(self, body: bytes) -> bytes:
        """Add a leaf; give back the hashes to store beside it (leaf first, then the nodes it completes)."""
        self.size += 1
        node = hashes = sha256(b"\x00" + body).digest()
        size, level, peaks = self.size, 0, self._peaks
        while not size >> level & 1:
            node = sha256(b"\x01" + peaks.pop(level, b"") + node).digest()  # a hole, in a damaged log, makes a wrong node
            hashes += node
            level += 1
        peaks[level] = node
        return hashes

    def frontier(self) -> Frontier:
        """The right edge as a value."""
        return Frontier(self.size, dict(self._peaks))
