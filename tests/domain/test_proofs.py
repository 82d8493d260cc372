"""Proofs: Certificate Transparency's vectors, every pair of sizes against the recursive definition, and whatever was changed."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from hashlib import sha256

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.events import LARGEST_BODY, EventDraft, EventKind, encode_body
from alertstore.domain.merkle import EMPTY_ROOT, Frontier, Tree, leaf_hash, peak_places, stored_node
from alertstore.domain.notes import LARGEST_NOTE, checkpoint_text, note, origin, read_note, signature_line
from alertstore.domain.proofs import (
    FORMAT,
    LARGEST_COUNT,
    LARGEST_PROOF,
    LONGEST_PATH,
    ConsistencyProof,
    InclusionProof,
    consistency_path,
    inclusion_path,
    is_consistent,
    read_proof,
    root_at,
    root_from_inclusion,
)
from alertstore.testing import hostile_text

MOST = 300
HALF = chr(0xD800)  # of a surrogate pair
STORE = "0190c3a2-1111-7222-8333-444455556666"
CT_LEAVES = [
    bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
F = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
G = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
FIRST = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
FIRST_TWO = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
EIGHT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def lookup(bodies):
    """The nodes of a log: only those that its size has, each by the leaf that completes it."""
    tree = Tree(Frontier())
    stored = [tree.append(body) for body in bodies]

    def node(end, level):
        assert 1 <= end <= len(stored)
        assert end % (1 << level) == 0
        return stored_node(stored[end - 1], level)

    return node


NODE = lookup([b"leaf %d" % number for number in range(MOST)])
CT_NODE = lookup(CT_LEAVES)


def at_most(size, node=NODE):
    """The nodes of a log of that size: whatever ends later is not there yet."""

    def limited(end, level):
        assert end <= size
        return node(end, level)

    return limited


def split(count):
    """The largest power of two below count."""
    k = 1
    while k * 2 < count:
        k *= 2
    return k


@cache
def mth(start, end):
    """RFC 9162, 2.1.1, of leaves start (included, from 0) to end (not included)."""
    if end == start:
        return EMPTY_ROOT
    if end - start == 1:
        return sha256(b"\0leaf %d" % start).digest()
    k = start + split(end - start)
    return sha256(b"\1" + mth(start, k) + mth(k, end)).digest()


def path(m, start, end):
    """RFC 9162, 2.1.3.1, word for word, on leaves start to end; beside each hash, the side on which it stands."""
    if end - start == 1:
        return []
    k = split(end - start)
    if m < k:
        return [*path(m, start, start + k), ("right", mth(start + k, end))]
    return [*path(m - k, start + k, end), ("left", mth(start, start + k))]


def subproof(m, start, end, whole):
    """RFC 9162, 2.1.4.1, word for word."""
    if m == end - start:
        return [] if whole else [("both", mth(start, end))]
    k = split(end - start)
    if m <= k:
        return [*subproof(m, start, start + k, whole), ("right", mth(start + k, end))]
    return [*subproof(m - k, start + k, end, False), ("left", mth(start, start + k))]


def hashes(found):
    return [one for _, one in found]


def sides(found):
    return [side for side, _ in found]


SHORT = [*range(20), 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 255, 300]
"""Every small size, and those around powers of two."""


def changed(given, place, bit):
    """One of the hashes with one bit flipped."""
    one = bytearray(given[place])
    one[bit // 8] ^= 1 << bit % 8
    return [*given[:place], bytes(one), *given[place + 1 :]]


@pytest.mark.parametrize(
    ("seq", "size", "expected"), [(1, 1, []), (1, 8, [A, B, C]), (6, 8, [D, E, F]), (3, 3, [FIRST_TWO]), (2, 5, [FIRST, B, D])]
)
def test_the_inclusion_vectors_of_certificate_transparency(seq, size, expected):
    found = inclusion_path(seq, size, at_most(size, CT_NODE))
    assert [one.hex() for one in found] == expected
    root = root_from_inclusion(seq, size, leaf_hash(CT_LEAVES[seq - 1]), found)
    assert root == root_at(size, at_most(size, CT_NODE))
    assert size != 8 or root.hex() == EIGHT


@pytest.mark.parametrize(("old", "new", "expected"), [(1, 1, []), (1, 8, [A, B, C]), (6, 8, [G, E, F]), (2, 5, [B, D])])
def test_the_consistency_vectors_of_certificate_transparency(old, new, expected):
    found = consistency_path(old, new, at_most(new, CT_NODE))
    assert [one.hex() for one in found] == expected
    assert is_consistent(old, root_at(old, CT_NODE), new, root_at(new, CT_NODE), found)


def every_pair(sizes):
    """Against the definition: every event of each size; every old size of each; and each path with a bit changed, short, long."""
    events = logs = refused = 0
    for size in sizes:
        node = at_most(size)
        root = root_at(size, node)
        assert root == mth(0, size)
        for seq in range(1, size + 1):
            leaf, found = mth(seq - 1, seq), inclusion_path(seq, size, node)
            assert found == hashes(path(seq - 1, 0, size))
            assert root_from_inclusion(seq, size, leaf, found) == root
            refused += refusals(lambda steps, seq=seq, size=size, leaf=leaf: root_from_inclusion(seq, size, leaf, steps), root, found)
            events += 1
        for old in range(size + 1):
            found, older = consistency_path(old, size, node), mth(0, old)
            assert found == (hashes(subproof(old, 0, size, True)) if old else [])
            assert is_consistent(old, older, size, root, found)
            refused += refusals(
                lambda steps, old=old, size=size, older=older, root=root: is_consistent(old, older, size, root, steps), True, found
            )
            logs += 1
    return events, logs, refused


def refusals(verified, right, found):
    """Change a path at each place (which bit follows from the place), leave each hash out, repeat it, add one at the end."""
    wrong = [changed(found, place, (37 * place + 11 * len(found)) % 256) for place in range(len(found))]
    wrong += [found[:place] + found[place + 1 :] for place in range(len(found))]
    wrong += [found[: place + 1] + found[place:] for place in range(len(found))]
    wrong += [[*found, bytes(32)], [bytes(32), *found]]
    for steps in wrong:
        assert result(verified, steps) != right
    return len(wrong)


def result(verified, value):
    try:
        return verified(value)
    except ValueError:
        return "refused"


PROMISE = "proofs of inclusion and consistency agree with RFC 9162's own definition, and every changed path is refused"


def test_pairs_of_sizes_against_the_definition(promise):
    events, logs, refused = every_pair(SHORT)
    assert (events, logs) == (sum(SHORT), sum(SHORT) + len(SHORT))
    promise(PROMISE, f"{events} inclusions, {logs} consistencies, {refused} changed paths")


@pytest.mark.long
def test_all_pairs_of_sizes_against_the_definition(promise):
    events, logs, refused = every_pair(range(MOST + 1))
    assert (events, logs) == (45150, 45451)
    promise(PROMISE, f"all pairs of sizes up to {MOST}: {events} inclusions, {logs} consistencies, {refused} changed paths")


def every_bit(most):
    """Each bit of each hash, the leaf and the roots: how many were tried, none of them passing."""
    tried = 0
    for size in range(1, most + 1):
        root = mth(0, size)
        for seq in range(1, size + 1):
            given = [mth(seq - 1, seq), *hashes(path(seq - 1, 0, size))]
            for place in range(len(given)):
                for bit in range(256):
                    leaf, *rest = changed(given, place, bit)
                    assert root_from_inclusion(seq, size, leaf, rest) != root
                    tried += 1
        for old in range(1, size):
            given = [mth(0, old), root, *hashes(subproof(old, 0, size, True))]
            for place in range(len(given)):
                for bit in range(256):
                    older, newer, *rest = changed(given, place, bit)
                    assert not is_consistent(old, older, size, newer, rest)
                    tried += 1
    return tried


def test_every_bit(promise):
    tried = every_bit(9)
    assert tried == 256 * sum(1 + len(path(seq, 0, size)) for size in range(1, 10) for seq in range(size)) + 256 * sum(
        2 + len(subproof(old, 0, size, True)) for size in range(1, 10) for old in range(1, size)
    )
    promise("a proof with one bit changed is refused", f"{tried} of {tried} bits")


@pytest.mark.long
def test_every_bit_of_larger_logs(promise):
    tried = every_bit(40)
    promise("a proof with one bit changed is refused", f"larger logs: {tried} of {tried} bits")


def every_place(sizes):
    """Each path held against another event, size or old size; the shape of its tree says when hashes alone cannot tell."""
    refused = alike = 0
    for size in sizes:
        root = mth(0, size)
        for seq in range(1, size + 1):
            known = path(seq - 1, 0, size)
            for place, count in ((p, c) for c in sizes for p in range(c + 2) if (p, c) != (seq, size)):
                same = 1 <= place <= count and sides(path(place - 1, 0, count)) == sides(known)
                passed = (
                    result(lambda given, p=place, c=count, s=seq: root_from_inclusion(p, c, mth(s - 1, s), given), hashes(known)) == root
                )
                assert passed == same
                assert not (passed and count == size), "in one log, every event has a path of its own"
                refused, alike = refused + (not passed), alike + passed
        for old in range(1, size):
            known = subproof(old, 0, size, True)
            for before, count in ((b, c) for c in sizes for b in range(c + 2) if (b, c) != (old, size)):
                same = 0 < before < count and sides(subproof(before, 0, count, True)) == sides(known)
                passed = is_consistent(before, mth(0, old), count, root, hashes(known))
                assert passed == same
                assert not (passed and count == size), "in one log, every beginning has a path of its own"
                refused, alike = refused + (not passed), alike + passed
    return refused, alike


def test_every_other_event_and_size():
    assert every_place(range(1, 14)) == (18772, 832)


@pytest.mark.long
def test_every_other_event_and_size_of_larger_logs():
    refused, alike = every_place(range(1, 41))
    assert refused > 50 * alike > 0  # the larger the logs, the rarer a path that serves for two of them


def pruned(size, gone):
    """The nodes of a log whose first `gone` events were pruned: their peaks, and all that ends later."""
    kept, node = set(peak_places(gone)), at_most(size)

    def left(end, level):
        assert end > gone or (end, level) in kept
        return node(end, level)

    return left


@pytest.mark.parametrize("gone", [0, 1, 2, 3, 7, 8, 13, 31, 32, 37, 40])
def test_a_pruned_log_still_proves_what_came_later(gone):
    for size in range(gone, 66):
        node = pruned(size, gone)
        assert root_at(size, node) == mth(0, size)
        for seq in range(gone + 1, size + 1):
            assert inclusion_path(seq, size, node) == hashes(path(seq - 1, 0, size))
        for old in range(max(gone, 1), size + 1):
            assert consistency_path(old, size, node) == hashes(subproof(old, 0, size, True))


@pytest.mark.parametrize("size", [1, 1000, 2**20 - 1, 2**20, 10**15 + 7, LARGEST_COUNT])
def test_how_many_nodes_are_asked_for(size):
    asked = []

    def node(end, level):
        asked.append((end, level))
        return sha256(b"%d %d" % (end, level)).digest()

    for seq in {1, size // 3 + 1, size // 2 + 1, size}:
        asked.clear()
        inclusion_path(seq, size, node)
        assert len(asked) == len(set(asked)) <= 2 * size.bit_length()
        asked.clear()
        assert len(consistency_path(seq, size, node)) <= size.bit_length() + 1 <= LONGEST_PATH
        assert len(asked) == len(set(asked)) <= 2 * size.bit_length()


def test_what_has_no_proof():
    for seq, size in ((0, 0), (0, 5), (-1, 5), (6, 5)):
        with pytest.raises(ValueError, match=f"no event {seq} among {size}"):
            inclusion_path(seq, size, NODE)
        with pytest.raises(ValueError, match=f"no event {seq} among {size}"):
            root_from_inclusion(seq, size, bytes(32), [])
    for old, new in ((-1, 5), (6, 5), (1, 0)):
        with pytest.raises(ValueError, match="not the beginning"):
            consistency_path(old, new, NODE)
        assert not is_consistent(old, mth(0, max(old, 0)), new, mth(0, new), [])


def test_nothing_and_all_need_no_path():
    some, other = mth(0, 5), mth(0, 6)
    assert is_consistent(0, EMPTY_ROOT, 0, EMPTY_ROOT, [])
    assert is_consistent(0, EMPTY_ROOT, 5, some, [])
    assert is_consistent(5, some, 5, some, [])
    assert not is_consistent(0, some, 5, some, [])
    assert not is_consistent(0, some, 0, some, [])
    assert not is_consistent(0, EMPTY_ROOT, 0, some, [])
    assert not is_consistent(0, EMPTY_ROOT, 5, some, [some])
    assert not is_consistent(5, some, 5, some, [some])
    assert not is_consistent(5, some, 5, other, [])
    assert not is_consistent(5, some, 6, other, [])
    assert not is_consistent(4, some, 6, other, [])


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_hashes_of_another_length(length):
    """A sibling and a node of other lengths could be split otherwise and still hash to a true root."""
    odd, whole = bytes(length), mth(0, 2)
    for leaf, sibling in ((odd, bytes(32)), (bytes(32), odd)):
        with pytest.raises(ValueError, match="not 32 bytes long"):
            root_from_inclusion(1, 2, leaf, [sibling])
    assert is_consistent(1, mth(0, 1), 2, whole, [mth(1, 2)])
    assert not is_consistent(1, odd, 2, whole, [mth(1, 2)])
    assert not is_consistent(1, mth(0, 1), 2, odd, [mth(1, 2)])
    assert not is_consistent(1, mth(0, 1), 2, whole, [odd])
    assert not is_consistent(0, EMPTY_ROOT, 2, odd, [])


def event(seq, actor="mia"):
    return encode_body(EventDraft(EventKind.ALERT_CLOSED, "u", 100 + seq, actor, changes={"status": ["Open", "Closed"]}), seq, None)


EVENTS = [event(number) for number in range(1, 14)]
LOG = lookup(EVENTS)


def signed(size, root, log=None):
    text = checkpoint_text(origin(STORE) if log is None else log, size, root)
    return note(text, [signature_line(origin(STORE), bytes(32), bytes(64))])


def included(seq, size, *, noted=False):
    root, steps = root_at(size, LOG), tuple(one.hex() for one in inclusion_path(seq, size, LOG))
    return InclusionProof(STORE, seq, size, root.hex(), EVENTS[seq - 1].decode(), steps, signed(size, root) if noted else None)


def consistent(old, size, *, noted=False):
    root, steps = root_at(size, LOG), tuple(one.hex() for one in consistency_path(old, size, LOG))
    return ConsistencyProof(STORE, old, root_at(old, LOG).hex(), size, root.hex(), steps, signed(size, root) if noted else None)


def all_proofs():
    for noted in (False, True):
        for size in range(14):
            yield from (included(seq, size, noted=noted) for seq in range(1, size + 1))
            yield from (consistent(old, size, noted=noted) for old in range(size + 1))


def test_every_proof_holds_and_is_read_back():
    for proof in all_proofs():
        text = proof.to_json()
        assert text.isascii()
        assert read_proof(text) == proof
        assert read_proof(json.dumps(json.loads(text), indent=2)) == proof
        read_proof(text).check()


def test_what_a_proof_says():
    proof = included(2, 3)
    body = '{"actor":"mia","at":102,"changes":{"status":["Open","Closed"]},"kind":"alert_closed","seq":2,"subject":"u","v":1}'
    assert json.loads(proof.to_json()) == {
        "format": "alertstore-proof-1",
        "kind": "inclusion",
        "store_id": STORE,
        "seq": 2,
        "size": 3,
        "root": root_at(3, LOG).hex(),
        "body": body,
        "path": [LOG(1, 0).hex(), LOG(3, 0).hex()],
        "note": None,
    }
    assert proof.to_json().startswith('{"body":"{\\"actor\\":\\"mia\\"')
    assert list(json.loads(consistent(2, 3).to_json())) == [
        "format",
        "kind",
        "note",
        "old_root",
        "old_size",
        "path",
        "root",
        "size",
        "store_id",
    ]


def refuses(proof, **changes):
    with pytest.raises(ValueError, match=r"event|begin|path|note|size|key|root|seq|text|checkpoint") as why:
        evolve(proof, **changes).check()
    return str(why.value)


def test_every_change_to_a_signed_proof_is_refused(promise):
    """With the note, whose signature binds store, size and root, nothing in a proof can be changed."""
    tried = 0
    other = root_at(12, LOG).hex()
    for size in range(1, 14):
        for proof in [included(seq, size, noted=True) for seq in range(1, size + 1)] + [
            consistent(old, size, noted=True) for old in range(size)
        ]:
            changes = [{"size": count} for count in range(15) if count != size]
            changes += [{"store_id": STORE[:-1] + "7"}, {"note": "x"}, {"note": signed(size, bytes(32))}, {"path": (*proof.path, other)}]
            changes += [{"note": signed(size, bytes.fromhex(proof.root), "alertstore/x")}, {"root": "0" + proof.root[1:]}]
            changes += [{"path": (*proof.path[:k], other, *proof.path[k + 1 :])} for k in range(len(proof.path)) if proof.path[k] != other]
            if isinstance(proof, InclusionProof):
                changes += [{"seq": seq} for seq in range(15) if seq != proof.seq]
                changes += [{"body": event(proof.seq, "eve").decode()}, {"body": proof.body + " "}, {"body": " " + proof.body}]
            else:
                changes += [{"old_size": old} for old in range(15) if old != proof.old_size]
                changes += [{"old_root": other}] if proof.old_size != 12 else []
            for change in changes:
                if change != {"root": proof.root}:
                    refuses(proof, **change)
                    tried += 1
    assert tried > 5_000
    promise("a proof that carries a note is refused with anything in it changed", f"{tried} of {tried} changes")


def test_hashes_alone_do_not_settle_the_size():
    """Why the checker must have the sizes from elsewhere: paths can be the same in logs of two sizes."""
    evolve(included(1, 4), size=3).check()
    evolve(consistent(2, 3), old_size=1, size=2).check()
    assert (
        refuses(included(1, 4, noted=True), size=3)
        == f"the note is not about 3 events of store {STORE} with the root {root_at(4, LOG).hex()}"
    )


def test_what_does_not_hold_is_said():
    root = included(2, 3).root
    assert refuses(included(2, 3), body=event(2, "eve").decode()) == f"this event 2 is not in the log of 3 events with the root {root}"
    assert refuses(included(2, 3), body=event(3).decode()) == "the body is not that of an event with the number 2"
    assert refuses(included(2, 3), path=()) == "the path is too short"
    assert refuses(included(2, 3), path=included(2, 3).path * 2) == "the path is too long"
    assert "begin with the log of 2 events" in refuses(consistent(2, 3), path=())
    assert refuses(consistent(2, 3), note="x").startswith("a note is a text")
    assert refuses(consistent(2, 3), note=note("x\n", ["— a AAAAAAA=\n"])).startswith("a checkpoint has")


def only(body):
    """A proof over a log of that one event: right in every hash."""
    raw = body.encode(errors="surrogatepass")
    return InclusionProof(STORE, 1, 1, leaf_hash(raw).hex(), body, ())


@pytest.mark.parametrize(
    "body",
    [
        "",
        "x",
        "1",
        "null",
        "[1]",
        '"seq"',
        "{}",
        '{"seq":2}',
        '{"seq":true}',
        '{"seq":1.0}',
        '{"seq":"1"}',
        '{"seq":[1]}',
        '{"seq":null}',
        '{"seq": 1}',
        ' {"seq":1}',
        '{"seq":1}\n',
        '{"seq":1,"a":2}',
        '{"seq":2,"seq":1}',
        '{"seq":1,"seq":1}',
        '{"seq":1e0}',
        '{"seq":01}',
        '{"a":"\\u0041","seq":1}',
        '{"a":NaN,"seq":1}',
        '{"a":1e999,"seq":1}',
        '{"a":"' + HALF + '","seq":1}',
        '{"a":"\\ud800","seq":1}',
        '{"a":' + "[" * 5000 + "]" * 5000 + ',"seq":1}',
        '{"seq":' + "1" * 5000 + "}",
        "[" * LARGEST_BODY,
        "\ufeff" + '{"seq":1}',
    ],
    ids=lambda body: ascii(body[:30]),
)
def test_bodies_that_no_event_has(body):
    assert refuses(only(body)) == "the body is not that of an event with the number 1"


def test_the_least_that_a_body_is():
    only('{"seq":1}').check()
    only('{"a":"é\u2028","seq":1}').check()


PROOF, EXTENDED = included(3, 7, noted=True), consistent(3, 7, noted=True)
HASHES = [
    "",
    "0" * 63,
    "0" * 65,
    "A" * 64,
    "g" * 64,
    "0" * 63 + "\n",
    " " + "0" * 63,
    "\uff10" * 64,
    "0x" + "0" * 62,
    0,
    None,
    True,
    ["0" * 64],
    {},
]
COUNTS = [-1, LARGEST_COUNT + 1, 2**64, 10**4000, 7.0, 7.5, "7", True, None, [7], {}]
PATHS = [
    None,
    "",
    "0" * 64,
    {},
    0,
    True,
    ["0" * 64] * (LONGEST_PATH + 1),
    [["0" * 64]],
    [None],
    [0],
    *([one] for one in HASHES if isinstance(one, str)),
]
STORES = ["", "a b", "a+b", "a\n", "a\0", "é", "\u202e", "x" * 256, None, 0, True, [], {}]
WRONG = {
    "store_id": STORES,
    "size": COUNTS,
    "root": HASHES,
    "path": PATHS,
    "note": [0, True, [], {}, "x" * (LARGEST_NOTE + 1)],
    "format": ["", "alertstore-proof-2", None, 1, [FORMAT], {}],
    "kind": ["", "inclusion ", "Inclusion", None, 1, ["inclusion"], {}],
}
SAYS = {"kind": "a proof is one of|and nothing else", "format": "not a proof of the format"}
OF_INCLUSION = {"seq": COUNTS, "body": [None, 0, [], {}, "x" * (LARGEST_BODY + 1), "é" * (LARGEST_BODY // 2 + 1)], "kind": ["consistency"]}
OF_CONSISTENCY = {"old_size": COUNTS, "old_root": HASHES, "kind": ["inclusion"]}


def test_values_of_the_wrong_kind():
    for proof, own in ((PROOF, OF_INCLUSION), (EXTENDED, OF_CONSISTENCY)):
        said = json.loads(proof.to_json())
        for name, values in [*WRONG.items(), *own.items()]:
            for value in values:
                with pytest.raises(ValueError, match=SAYS.get(name, rf"^{name} is n")):
                    read_proof(json.dumps(said | {name: value}).replace("Infinity", "1e999"))


def test_keys_that_are_missing_unknown_or_repeated():
    for proof in (PROOF, EXTENDED):
        text = proof.to_json()
        said = json.loads(text)
        for name in said:
            with pytest.raises(ValueError, match="proof"):
                read_proof(json.dumps({key: value for key, value in said.items() if key != name}))
            with pytest.raises(ValueError, match="twice"):
                read_proof(text[:-1] + f',"{name}":{json.dumps(said[name])}}}')
        for name in ("", "x", "Seq", "seq ", "__class__", "old_root" if proof is PROOF else "seq"):
            with pytest.raises(ValueError, match="and nothing else"):
                read_proof(json.dumps(said | {name: 1}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "null",
        "1",
        "true",
        '"x"',
        "[]",
        "[{}]",
        "{}",
        "NaN",
        "{",
        "}",
        '{"',
        '"',
        "\\",
        "\x00",
        "\ufeff{}",
        HALF,
        "{'a':1}",
        "[" * 1000,
        "[" * 4000,
        '{"a":' * 800,
        "[" * 10**6,
        "[],",
        "[" + "[]," * 10**6 + "[]]",
        '{"a":' * 10**5,
        "1" * 4000,
        "1" * 5000,
        "1" * 10**6,
        '"' * 10**6,
        '"' + '\\"' * 10**6,
        '"' + "\\" * 10**6,
        " " * 10**6,
        "x" * (LARGEST_PROOF + 1),
        '{"x":"' + "x" * LARGEST_PROOF + '"}',
    ],
    ids=lambda text: ascii(text[:12]) + str(len(text)),
)
def test_texts_that_are_no_proof(text):
    with pytest.raises(ValueError, match=r"proof|digits"):
        read_proof(text)


def test_texts_that_are_not_even_parsed():
    text = PROOF.to_json()
    for large in (text + " " * 4096, text[:-1] + "," * 4096 + "}", '{"x":' + "[]," * 2000, '{"x":"' + "x" * LARGEST_PROOF + '"}'):
        with pytest.raises(ValueError, match=r"^too large to be a proof$"):
            read_proof(large)


def test_text_after_a_proof():
    for more in ("x", "{}", "\0", ",", PROOF.to_json()):
        with pytest.raises(ValueError, match="not valid JSON: Extra data at character"):
            read_proof(PROOF.to_json() + more)


@pytest.mark.parametrize("letter", ["\x7f", "é", "\N{GRINNING FACE}"])
def test_the_largest_proof(letter):
    """A body and a note of the largest size, each character escaped: still read back."""
    room = LARGEST_BODY - len('{"a":"","seq":1}')
    text = letter * (room // len(letter.encode()))
    proof = only('{"a":"' + text + "x" * (room - len(text.encode())) + '","seq":1}')
    proof = evolve(proof, note="\x7f" * LARGEST_NOTE)
    assert len(proof.body.encode()) == LARGEST_BODY
    assert read_proof(proof.to_json()) == proof
    evolve(proof, note=None).check()


WORDS = st.sampled_from(
    [*json.loads(PROOF.to_json()), *json.loads(EXTENDED.to_json()), FORMAT, "inclusion", "consistency", "0" * 64, STORE]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | hostile_text(max_size=9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | hostile_text(max_size=5), inner, max_size=4),
    max_leaves=9,
)
CHANGED = st.tuples(st.sampled_from([PROOF, EXTENDED]), st.dictionaries(WORDS, VALUES, max_size=2)).map(
    lambda pair: json.dumps(json.loads(pair[0].to_json()) | pair[1])
)
CUT = st.tuples(st.sampled_from([PROOF.to_json(), EXTENDED.to_json()]), st.integers(0, 3000), st.integers(0, 9), st.text(max_size=4)).map(
    lambda cut: cut[0][: cut[1]] + cut[3] + cut[0][cut[1] + cut[2] :]
)


@given(st.text() | VALUES.map(json.dumps) | CHANGED | CUT)
def test_anything_is_read_or_refused(text):
    try:
        proof = read_proof(text)
    except ValueError:
        return
    assert read_proof(proof.to_json()) == proof
    try:
        proof.check()
    except ValueError:
        return
    if proof.note is not None:  # which key signed it is not judged here
        assert checked(proof) in (checked(PROOF), checked(EXTENDED))


@given(st.data())
def test_every_changed_character_of_a_proof(data):
    """Of the JSON text itself: whatever still passes says the same, but for signatures, which are not judged here."""
    proof = data.draw(st.sampled_from([PROOF, EXTENDED]))
    text = proof.to_json()
    place = data.draw(st.integers(0, len(text) - 1))
    other = text[:place] + data.draw(st.characters()) + text[place + 1 :]
    assert result(lambda given: checked(read_proof(given)), other) in ("refused", checked(proof))


def checked(proof):
    proof.check()
    return evolve(proof, note=read_note(proof.note).text)


def test_signatures_of_a_note_are_not_judged():
    """Structure and hashes only: who signed is for those who have the key."""
    text = checkpoint_text(origin(STORE), 7, root_at(7, LOG))
    evolve(PROOF, note=note(text, [f"— anyone {b64encode(b'key nonsense').decode()}\n"])).check()
