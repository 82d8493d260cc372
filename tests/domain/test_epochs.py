"""Signed checkpoints: which key may sign what, and how far a trusted key vouches; without the key nothing passes."""

from __future__ import annotations

from hashlib import sha256
from random import Random

import pytest
from attrs import evolve
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.epochs import Check, StoredNote, check_notes, signed_note
from alertstore.domain.notes import checkpoint_text, note, origin, signature_line
from alertstore.domain.verdict import UNCHECKED, Problem, VerifyReport

STORE = "0190c3a2-1111-7222-8333-444455556666"


class Key:
    """A key pair from a number."""

    def __init__(self, number):
        self._private = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
        self.public = self._private.public_key().public_bytes_raw()
        self.text = self.public.hex()
        self.sign = self._private.sign


OLD, NEW, NEWEST, THIEF = (Key(number) for number in (1, 2, 3, 4))


def is_signed(public, signature, message):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def root(size):
    return sha256(b"%d" % size).digest()


def signed(size, epoch, key, *, store=STORE, said=None):
    return StoredNote(size, epoch, signed_note(store, size, said or root(size), key.public, key.sign))


# Three epochs in a history of 20 events: from event 2, from event 8, from event 15.
KEYS = ((2, OLD.text), (8, NEW.text), (15, NEWEST.text))
NOTES = (signed(2, 0, OLD), signed(5, 0, OLD), signed(8, 0, OLD), signed(8, 1, NEW), signed(12, 1, NEW), signed(15, 1, NEW), signed(15, 2, NEWEST),
         signed(19, 2, NEWEST))  # fmt: skip


def check(trusted=None, **over):
    found = {
        "store_id": STORE,
        "keys": KEYS,
        "named": tuple(since for since, _ in KEYS),
        "opener": 0,
        "root_at": lambda size: root(size).hex() if size <= 20 else "",
        "is_signed": is_signed,
        "trusted": trusted,
    }
    return Check(**(found | over))


def pruned(before, opener, *, kept=(), **over):
    """The check of a store whose first events were pruned: `before` is the size they had, `opener` the event that says so."""
    named = tuple(since if since in kept else opener for since, _ in over.get("keys", KEYS))
    return check(root_at=lambda size: None if size < before else root(size).hex() if size <= 30 else "", named=named, opener=opener, **over)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("trusted", [None, OLD.text, NEW.text, NEWEST.text])
def test_a_sound_store(trusted, whole):
    vouched = check_notes(check(trusted), NOTES, whole=whole)
    assert (vouched.problems, len(vouched.unchecked)) == ([], int(trusted in {NEW.text, NEWEST.text}))  # who came before a later key
    assert vouched.size == (0 if trusted is None else 19)


def test_a_store_that_nobody_signs():
    assert check_notes(check(keys=(), named=()), (), whole=True) == ([], [], 0)


@pytest.mark.parametrize(
    ("forged", "expected"),
    [
        (signed(9, 0, OLD), "a size from 2 to 8"),  # the old key, after its epoch
        (signed(7, 1, NEW), "a size from 8 to 15"),  # a later key, for an epoch before its own
        (signed(1, 0, OLD), "a size from 2 to 8"),
        (signed(14, 2, NEWEST), "a size from 15 to 14"),
        (signed(5, 0, NEWEST), f"a signature by the key {OLD.text}"),
        (signed(12, 1, OLD), f"a signature by the key {NEW.text}"),
        (signed(16, 2, THIEF), f"a signature by the key {NEWEST.text}"),
        (signed(16, 2, NEWEST, store="0190c3a2-1111-7222-8333-000000000000"), f"alertstore/{STORE} at 16"),  # another store's
        (signed(16, 2, NEWEST)._replace(size=17), f"alertstore/{STORE} at 17"),
        (signed(16, 3, NEWEST), "one of 3 epochs"),
        (signed(16, -1, NEWEST), "one of 3 epochs"),
        (StoredNote(16, 2, "no note"), "a signed note"),
        (StoredNote(16, 2, ""), "a signed note"),
        (StoredNote(16, 2, note("not a checkpoint\n", [signature_line(origin(STORE), NEWEST.public, NEWEST.sign(b"not a checkpoint\n"))])),
         "a signed note"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("trusted", [None, OLD.text])
def test_a_forged_checkpoint_is_named(forged, expected, trusted):
    vouched = check_notes(check(trusted), [*NOTES, forged], whole=True)
    (problem,) = vouched.problems
    assert (problem.kind, problem.where, problem.expected) == ("signature", f"checkpoint {forged.size} of epoch {forged.epoch}", expected)


def test_a_root_that_the_history_never_had():
    (problem,) = check_notes(check(), [*NOTES, signed(17, 2, NEWEST, said=root(99))], whole=True).problems
    assert problem == Problem("rewritten", "the history up to event 17", root(99).hex(), root(17).hex())


def test_a_history_shorter_than_its_checkpoint():
    (problem,) = check_notes(check(), [*NOTES, signed(21, 2, NEWEST)], whole=True).problems
    assert (problem.kind, problem.found) == ("rewritten", "")


def many(size, epoch, key, *lines):
    text = checkpoint_text(origin(STORE), size, root(size))
    return StoredNote(size, epoch, text + "\n" + "".join([*lines, signature_line(origin(STORE), key.public, key.sign(text.encode()))]))


def line(key, message=b"other", name=None):
    return signature_line(name or origin(STORE), key.public, key.sign(message))


def test_other_signatures_beside_are_passed_over():
    stored = many(16, 2, NEWEST, line(THIEF), line(NEWEST, name="witness.example/1"))
    assert check_notes(check(NEWEST.text), [*NOTES, stored], whole=True).problems == []


def test_two_signatures_by_one_key_are_no_note():
    stored = many(16, 2, NEWEST, line(NEWEST))
    (problem,) = check_notes(check(NEWEST.text), [*NOTES, stored], whole=True).problems
    assert problem.found == "a note with two signatures by one key"


@pytest.mark.parametrize("without", range(len(NOTES)))
def test_every_epoch_needs_the_checkpoint_that_ends_it(without):
    """A log that lost a whole epoch, or its end, must not pass for one that never had it."""
    left = [stored for place, stored in enumerate(NOTES) if place != without]
    problems = check_notes(check(OLD.text), left, whole=True).problems
    ends = {(8, 0), (15, 1)}
    assert bool(problems) == ((NOTES[without].size, NOTES[without].epoch) in ends)
    assert all(problem.where == f"epoch {NOTES[without].epoch}" for problem in problems)


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_an_epoch_without_any_checkpoint(epoch):
    left = [stored for stored in NOTES if stored.epoch != epoch]
    assert [problem.where for problem in check_notes(check(), left, whole=True).problems] == [f"epoch {epoch}"]
    assert check_notes(check(), left, whole=False).problems == []  # a look at the newest alone cannot say


def test_stripped_of_every_signature():
    assert [problem.where for problem in check_notes(check(OLD.text), (), whole=True).problems] == ["epoch 0", "epoch 1", "epoch 2"]
    vouched = check_notes(check(OLD.text, keys=(), named=()), (), whole=True)  # of the events that set keys, too
    assert [(problem.where, problem.found) for problem in vouched.problems] == [("the key", OLD.text)]
    assert vouched.size == 0


def test_a_wrong_key_always_fails(promise):
    """Asked with a key that is not the store's, a verification says no: never yes, never nothing."""
    random, refused = Random(7), 0
    for _ in range(1_000):
        vouched = check_notes(check(random.randbytes(32).hex()), NOTES, whole=True)
        assert vouched.size == 0
        refused += [problem.where for problem in vouched.problems] == ["the key"]
    assert refused == 1_000
    promise("a key that is not the store's never verifies it", f"{refused:,} of 1,000 wrong keys refused")


def test_where_signatures_cannot_be_checked():
    vouched = check_notes(check(is_signed=None), NOTES, whole=True)
    assert (vouched.problems, len(vouched.unchecked)) == ([], 1)
    vouched = check_notes(check(OLD.text, is_signed=None), NOTES, whole=True)
    assert [problem.kind for problem in vouched.problems] == [UNCHECKED]


# --- a beginning that was pruned ---


def test_checkpoints_from_before_the_cut_are_not_looked_up():
    vouched = check_notes(pruned(13, 21), NOTES, whole=True)
    assert (vouched.problems, vouched.unchecked) == ([], ["the roots of 5 signed checkpoints: the history before them was pruned"])


@pytest.mark.parametrize(
    ("before", "opener", "kept", "trusted", "size"),
    [
        (1, 21, (2, 8, 15), OLD, 25),  # nothing of the chain went
        (5, 21, (8, 15), OLD, 25),  # its first checkpoints went; what ended its epoch is there, and the event that this covers
        (8, 21, (15,), NEW, 25),
        (9, 21, (15,), NEW, 25),
        (15, 21, (), NEWEST, 25),
        (19, 21, (), NEWEST, 25),
        (20, 21, (), NEWEST, 25),
    ],
)
def test_how_far_a_key_vouches_after_a_cut(before, opener, kept, trusted, size):
    vouched = check_notes(pruned(before, opener, kept=kept, trusted=trusted.text), [*NOTES, signed(25, 2, NEWEST)], whole=True)
    assert (vouched.problems, vouched.size) == ([], size)


@pytest.mark.parametrize(
    ("before", "kept", "trusted"), [(8, (15,), OLD), (9, (15,), OLD), (15, (), NEW), (16, (), OLD), (16, (), NEW), (20, (), NEW)]
)
def test_a_key_that_signed_nothing_of_what_is_left_vouches_for_nothing(before, kept, trusted):
    """Old notes, kept and genuine, prove nothing of a history that they cannot be held against: anybody could have put it there."""
    vouched = check_notes(pruned(before, 21, kept=kept, trusted=trusted.text), [*NOTES, signed(25, 2, NEWEST)], whole=True)
    assert vouched.size < 21
    assert [problem.kind for problem in vouched.problems] == [UNCHECKED]


def test_a_store_is_signed_again_after_a_cut():
    assert [problem.kind for problem in check_notes(pruned(20, 21, trusted=NEWEST.text), NOTES, whole=True).problems] == [UNCHECKED]
    assert check_notes(pruned(20, 21, trusted=NEWEST.text), [*NOTES, signed(22, 2, NEWEST)], whole=True).size == 22


@pytest.mark.parametrize("size", [2, 5, 8])
@pytest.mark.parametrize("cut", [8, 9, 18])
def test_a_thief_without_any_key_cannot_pass_for_the_next_one(size, cut):
    """Genuine notes of the old key, a forged history that calls itself pruned, and the thief's key named as the one after."""
    keys = ((2, OLD.text), (size, THIEF.text))
    notes = [one for one in NOTES if one.epoch == 0 and one.size <= size] + [signed(size, 1, THIEF), signed(25, 1, THIEF)]
    vouched = check_notes(pruned(cut, 21, keys=keys, trusted=OLD.text), notes, whole=True)
    assert vouched.size < 21
    assert [problem.kind for problem in vouched.problems] == [UNCHECKED]


def test_a_stolen_later_key_cannot_sign_an_earlier_epoch():
    keys = ((2, OLD.text), (8, NEW.text))
    forged = [signed(8, 0, NEW), signed(8, 1, NEW), signed(20, 1, NEW)]
    vouched = check_notes(check(OLD.text, keys=keys, named=(2, 8)), forged, whole=True)
    assert {problem.where for problem in vouched.problems} == {"checkpoint 8 of epoch 0", "epoch 0"}


@given(st.data())
def test_any_changed_character_of_a_note_fails(data):
    place = data.draw(st.integers(0, len(NOTES) - 1))
    stored = NOTES[place]
    at = data.draw(st.integers(0, len(stored.note) - 1))
    to = data.draw(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\n +=/0A—"))
    changed = stored.note[:at] + to + stored.note[at + 1 :]
    if changed != stored.note:
        notes = [*NOTES[:place], stored._replace(note=changed), *NOTES[place + 1 :]]
        assert check_notes(check(OLD.text), notes, whole=True).problems


# --- the report ---

SOUND = VerifyReport(True, "deep", 5, "00", "unsigned", ())


@pytest.mark.parametrize(
    ("kinds", "verdict"),
    [
        ((), "sound"),
        (("row",), "tampered"),
        (("damage", "row"), "damaged"),
        ((UNCHECKED,), "could not check"),
        ((UNCHECKED, "signature"), "tampered"),
    ],
)
def test_the_verdict(kinds, verdict):
    problems = tuple(Problem(kind, "somewhere", 1, 2) for kind in kinds)
    assert evolve(SOUND, ok=not problems, problems=problems).verdict == verdict


def test_the_first_bad_event():
    problems = [Problem("row", "alert x", 1, 2), Problem("event", "event 12: salt", 1, 2), Problem("tree", "event 7", 1, 2)]
    assert evolve(SOUND, problems=tuple(problems)).first_bad == 7
    assert evolve(SOUND, problems=tuple(problems[:1])).first_bad is None
