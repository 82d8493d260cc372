"""The tree: Certificate Transparency's vectors, and every size against the recursive definition."""

from __future__ import annotations

from hashlib import sha256

import pytest

from alertstore.domain.merkle import EMPTY_ROOT, Frontier, Tree, leaf_hash, node_hash, peak_places, stored_node

LEAVES = [
    bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def mth(leaves):
    """RFC 9162, 2.1.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\1" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def grown(leaves):
    tree = Tree(Frontier())
    return tree, [tree.append(leaf) for leaf in leaves]


@pytest.mark.parametrize("size", range(1, 9))
def test_the_vectors_of_certificate_transparency(size):
    tree, _ = grown(LEAVES[:size])
    assert tree.frontier().root().hex() == ROOTS[size - 1] == mth(LEAVES[:size]).hex()


def test_the_empty_tree():
    assert Frontier().root() == EMPTY_ROOT == bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


def test_every_size_from_what_is_stored():
    leaves = [b"leaf %d" % k for k in range(300)]
    tree, stored = grown(leaves)
    for size in range(301):
        peaks = {level: stored_node(stored[place - 1], level) for place, level in peak_places(size)}
        assert all(len(node) == 32 for node in peaks.values())
        assert Frontier(size, peaks).root() == mth(leaves[:size])
    assert tree.frontier() == Frontier(300, peaks)


def test_growing_on_from_any_frontier_is_growing_from_the_start():
    leaves = [b"%d" % k for k in range(40)]
    _, stored = grown(leaves)
    for size in range(40):
        begun, _ = grown(leaves[:size])
        later = Tree(begun.frontier())
        assert [later.append(leaf) for leaf in leaves[size:]] == stored[size:]
        assert later.size == 40


def test_what_stands_beside_a_leaf():
    _, stored = grown(LEAVES)
    assert [len(hashes) // 32 for hashes in stored] == [1, 2, 1, 3, 1, 2, 1, 4]
    one, two = leaf_hash(LEAVES[0]), leaf_hash(LEAVES[1])
    assert stored[1] == two + node_hash(one, two)


def test_a_frontier_is_not_touched_by_growth():
    begun, _ = grown(LEAVES[:3])
    edge = begun.frontier()
    root = edge.root()
    Tree(edge).append(b"x")
    begun.append(b"y")
    assert edge.root() == root


def test_peaks():
    assert peak_places(0) == []
    assert peak_places(7) == [(4, 2), (6, 1), (7, 0)]
    assert peak_places(8) == [(8, 3)]
