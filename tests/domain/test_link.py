"""How an alert stands with the remote: kept and read again, and what it says is still to be done."""

from __future__ import annotations

import json

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from merge_cases import CAME, DUPLICATE, remotes, values

from alertstore.domain.link import Held, HeldKind, Link, Settled
from alertstore.domain.registers import LIFECYCLE, SEVERITY

words = st.text(min_size=1, max_size=4)
seqs = st.lists(st.integers(1, 5), max_size=3, unique=True).map(tuple)
registers = st.sampled_from([LIFECYCLE, SEVERITY, "malice", "tag:a"])
standing = st.builds(
    Link,
    uuid=st.none() | words,
    created_at=st.none() | words,
    base=st.none() | remotes(),
    token=st.none() | words,
    observed=st.none() | st.tuples(words, st.integers(1, 9)),
    settled=st.dictionaries(registers, st.builds(Settled, seqs, st.none() | words)),
    held=st.lists(st.builds(Held, registers, st.sampled_from(HeldKind), seqs, values(LIFECYCLE), values(SEVERITY)), max_size=2).map(tuple),
    intent=st.none() | st.dictionaries(words, words, min_size=1),
    gone=st.booleans(),
    shared=st.booleans(),
    lacking=st.booleans(),
    refused=st.none() | words,
    alone=st.booleans(),
)
all_heads = st.dictionaries(registers, seqs)


@given(standing, all_heads)
def test_it_is_read_as_it_was_kept(link, heads):
    said = json.loads(json.dumps(link.facts(heads)))
    assert Link.read(said) == link
    assert all(said.values())  # what says nothing is left out
    waits = any(seq not in (link.settled[name].edits if name in link.settled else ()) for name, ones in heads.items() for seq in ones)
    todo = waits or bool(link.held) or link.intent is not None or link.lacking or link.refused is not None
    assert ("open" in said) == ((todo or link.gone) and not link.alone)
    assert Link.read(evolve(link, settled={}).facts({})).facts({}) == evolve(link, settled={}).facts({})


def test_one_that_never_met_the_remote():
    assert Link().facts({}) == {}
    assert Link().facts({"lifecycle": []}) == {}
    assert Link().facts({"lifecycle": [3]}) == {"open": True}
    assert Link.read({}) == Link()


@pytest.mark.parametrize(
    "some",
    [{"intent": {"body": {}}}, {"held": (Held(SEVERITY, HeldKind.RACED, (1,), "Low", "High"),)}, {"lacking": True}, {"refused": "422"}],
)
def test_what_leaves_something_to_do(some):
    done = Link(uuid="u", base=CAME, settled={SEVERITY: Settled((1,), "t")})
    assert "open" not in done.facts({SEVERITY: [1]})
    assert "open" in evolve(done, **some).facts({SEVERITY: [1]})
    assert "open" in evolve(done, gone=True).facts({SEVERITY: [1]})  # edits that come are listed, since nobody will send them
    assert "open" not in evolve(done, alone=True, **some).facts({SEVERITY: [1, 2]})


def test_what_waits():
    link = Link(settled={SEVERITY: Settled((1, 3), None), LIFECYCLE: Settled((2,), "t")})
    assert link.pending({SEVERITY: [1, 3, 4], LIFECYCLE: [2], "tag:a": [5, 6], "tag:b": []}) == {SEVERITY: (4,), "tag:a": (5, 6)}
    assert link.pending({}) == {}


def test_what_is_held_is_so_for_the_edits_that_wait():
    raced, held = Held(SEVERITY, HeldKind.RACED, (1, 2), "Low", "High"), Held(SEVERITY, HeldKind.POLICY, (1, 2), "Low", "High")
    closing = Held(LIFECYCLE, HeldKind.PEERS, (4,), DUPLICATE, DUPLICATE)
    link = Link(held=(raced, closing, held))
    assert link.holding(SEVERITY, (2, 1)) == held
    assert link.holding(LIFECYCLE, (4,)) == closing
    assert [link.holding(*one) for one in [(SEVERITY, (1,)), (SEVERITY, (1, 2, 3)), ("malice", (1, 2)), (LIFECYCLE, ())]] == [None] * 4
