"""Merging: what must hold whatever is merged, and each rule in both directions."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from merge_cases import (
    BARE,
    CAME,
    DUPLICATE,
    ESCALATED,
    HOLD_ALL,
    LEAVE_ALL,
    OPEN,
    SYSTEM,
    TAKE_ALL,
    TRIAGING,
    UNDETERMINED,
    VALUES,
    A,
    any_policy,
    applied,
    edit,
    forgetful,
    links,
    local,
    locals_,
    looks,
    move,
    remotes,
    seen,
    status,
    token,
    tokens,
    values,
)

from alertstore.domain.link import Held, HeldKind, Link, Outcome, Settled
from alertstore.domain.merge import (
    Move,
    Seen,
    at_odds,
    body_of,
    is_delivered,
    merge,
    moves_since,
    needs_moves,
    newer,
    settle,
    view,
    wanted,
    winner,
)
from alertstore.domain.registers import LIFECYCLE, MALICE, SEVERITY, TAG, Registers, ancestors
from alertstore.domain.syncpolicy import SyncPolicy

OVER = Outcome.OVERRULED
BASE = Link(uuid="r", base=CAME, token=token(0))
every_policy = pytest.mark.parametrize("policy", [SyncPolicy(), TAKE_ALL, LEAVE_ALL, HOLD_ALL], ids=["default", "local", "remote", "hold"])


@st.composite
def cases(draw):
    """(local, link, seen): an alert, how it stands, what the remote says."""
    found = draw(locals_())
    link = draw(links(found, lambda *one: settle(*one, draw(st.sampled_from(Outcome)))[0]))
    return found, link, draw(looks())


def fates(found, link, look, policy):
    """What becomes of each pending edit: (register, seq) -> "sent", an outcome, "held"."""
    merged = merge(found, link, look, policy)
    told = Counter()
    for register, seqs in merged.sends.items():
        told.update((register, seq, "sent") for seq in seqs)
    told.update((register, seq, outcome) for register, seq, outcome in merged.outcomes)
    told.update((one.register, seq, "held") for one in merged.link.held if one.kind is not HeldKind.RACED for seq in one.edits)
    return merged, told


def decide(look, *edits, link=BASE, policy=None):
    """What becomes of the last of some edits, which is of the only register: "send", an outcome, or a kind of hold."""
    merged = merge(local(*edits), link, look, policy or SyncPolicy())
    held = [one.kind for one in merged.link.held if one.kind is not HeldKind.RACED]
    told = [outcome for _, seq, outcome in merged.outcomes if seq == edits[-1].seq]
    assert len([*held, *told]) + bool(merged.sends) == 1
    assert bool(merged.sends) == bool(merged.body)
    return (held or told or ["send"])[0]


@given(cases(), any_policy)
def test_what_is_merged_twice_comes_to_the_same(case, policy):
    found, link, look = case
    once = merge(found, link, look, policy)
    assert merge(found, link, look, policy) == once
    assert merge(forgetful(found), link, look, policy) == once
    assert evolve(once, outcomes=[]) == merge(found, once.link, look, policy)  # nothing has an outcome twice


@given(cases(), any_policy)
def test_every_edit_that_waits_has_one_fate(case, policy):
    found, link, look = case
    merged, told = fates(found, link, look, policy)
    assert set(told.values()) <= {1}
    assert sorted((register, seq) for register, seq, what in told if what != Outcome.REPLACED) == sorted(
        (register, seq) for register, seqs in link.pending(found.heads).items() for seq in seqs
    )
    for register, seqs in merged.link.pending(found.heads).items():
        assert register in merged.sends or merged.link.holding(register, seqs)
    replaced = {(register, seq) for register, seq, what in told if what == Outcome.REPLACED}
    for register, seqs in link.pending(found.heads).items():
        assert all((register, seq) not in replaced for seq in seqs)
    if not link.pending(found.heads):
        assert (merged.body, merged.sends, list(merged.outcomes)) == ({}, {}, [])
        assert merged.shown == look.registers.shown()


@given(cases(), any_policy)
def test_what_is_sent_is_what_the_remote_lacks_and_can_take(case, policy):
    found, link, look = case
    merged = merge(found, link, look, policy)
    after = applied(merged.body, look.registers)
    assert is_delivered(merged.body, after)
    for register, value in wanted(found, merged.sends).items():
        assert look.registers[register] != winner(found.of(register, merged.sends[register])).value
        assert after[register] == value
        assert not (register.startswith(TAG) and policy.is_readonly(register.removeprefix(TAG)))
    assert ("close_classification" in merged.body) == (merged.body.get("status") == "Closed")
    assert ("tags" in merged.body) == any(register.startswith(TAG) for register in merged.sends)
    rest = {register for register in VALUES if register not in merged.sends}
    assert all(after[register] == look.registers[register] for register in rest)
    kept = [tag for tag in look.registers.tags if TAG + tag not in merged.sends]
    assert [tag for tag in after.tags if TAG + tag not in merged.sends] == kept  # in the remote's order, with what it repeats


@given(cases(), any_policy)
def test_nothing_leaves_closed_that_its_author_had_not_seen_closed(case, policy):
    found, link, look = case
    merged = merge(found, link, look, policy)
    there = look.registers[LIFECYCLE]
    if there[0] == "Closed" and merged.body.get("status", "Closed") != "Closed":
        built_on = found.of(LIFECYCLE, found.built_on(LIFECYCLE, merged.sends[LIFECYCLE]))
        assert there in [value for one in built_on for value in (one.before, one.rbase, one.value)]


@given(cases(), any_policy)
def test_peers_at_odds_wait_for_a_person_whatever_the_policy(case, policy):
    found, link, look = case
    held = {one.register: one for one in merge(found, link, look, policy).link.held if one.kind is HeldKind.PEERS}
    for register, seqs in link.pending(found.heads).items():
        edits = found.of(register, seqs)
        differ = any(one.value != edits[0].value for one in edits)
        closing = register == LIFECYCLE and "Closed" in [one.value[0] for one in edits]
        if differ and (closing or register == MALICE):
            assert held[register].edits == seqs
            assert held[register].local == winner(edits).value
        elif register in held:
            assert held[register] in link.held  # it was held as such before
    assert all(at_odds(found.of(register, one.edits)) or one in link.held for register, one in held.items())


@given(st.data(), st.sampled_from(sorted(VALUES)))
def test_who_wins_among_peers_does_not_depend_on_their_order(data, register):
    drawn = data.draw(st.lists(values(register, strange=True), min_size=1, max_size=5))
    edits = [edit(seq, register, value, by=data.draw(st.sampled_from("ab"))) for seq, value in enumerate(drawn)]
    best = winner(edits)
    for other in (data.draw(st.permutations(edits)), edits[::-1]):
        assert winner(other) is best


@pytest.mark.parametrize(
    ("register", "ranked"),
    [
        (LIFECYCLE, [DUPLICATE, OPEN, TRIAGING, ESCALATED]),
        (SEVERITY, ["banana", "Pending", "Informational", "Low", "Medium", "High", "Critical"]),
        (MALICE, [None, "Pending", "Benign", "Suspicious", "Malicious"]),
        (A, [False, True]),
    ],
)
def test_ranks_among_peers(register, ranked):
    for low, high in itertools.pairwise(ranked):
        assert winner([edit(2, register, low, by="z"), edit(1, register, high, by="a")]).value == high
    tie = [edit(3, register, ranked[0], by="a"), edit(1, register, ranked[0], by="b"), edit(2, register, ranked[0], by="b")]
    assert winner(tie).id == ("b", 2)


@given(cases(), any_policy, st.integers(-9_000, 9_000))
def test_only_how_the_times_of_the_remote_follow_each_other_counts(case, policy, days):
    """Were the remote's clock wrong by years, all would be as it is; and there is no other clock to ask."""

    def moved(text):
        if text is None or not text.startswith("2026"):
            return text
        return f"{2026 + days % 200:04}{text[4:]}"

    found, link, look = case
    edits = {r: {seq: evolve(one, rtoken=moved(one.rtoken)) for seq, one in ones.items()} for r, ones in found.edits.items()}
    log = None if look.moves is None else [one._replace(at=moved(one.at)) for one in look.moves]
    there = evolve(link, token=moved(link.token), settled={r: Settled(one.edits, moved(one.token)) for r, one in link.settled.items()})
    merged = merge(evolve(found, edits=edits), there, Seen(look.registers, moved(look.token), log), policy)
    same = merge(found, link, look, policy)
    assert (merged.body, merged.sends, merged.outcomes, merged.shown, merged.link.held) == (
        same.body, same.sends, same.outcomes, same.shown, same.link.held
    )  # fmt: skip


@given(cases())
def test_the_view_follows_from_edits_and_standing_alone(case):
    found, link, _ = case
    assert view(found, link) == view(forgetful(found), link) == view(found, evolve(link, token="other", intent={"body": {}}))
    assert view(found, link) == view(found, link).shown()
    if link.base is not None:
        for register in VALUES:
            waits = link.pending(found.heads).get(register)
            held = waits and link.holding(register, waits)
            if not waits or (held and held.kind is not HeldKind.PEERS):
                assert view(found, link)[register] == link.base.shown()[register]


@given(st.data())
def test_every_edit_gets_one_outcome_over_any_run_of_merges(data):
    """Edits here and of other stores, before, between and while something is sent: in the end each has one outcome, none a second."""
    edits, told, link, found = [], Counter(), Link(uuid="r"), local()
    for _ in range(data.draw(st.integers(1, 8))):
        look = data.draw(looks())
        merged = merge(found, link, look, data.draw(any_policy))
        told.update((register, seq) for register, seq, _ in merged.outcomes)
        link = merged.link
        for _ in range(data.draw(st.integers(0, 2))):  # while it is under way
            edits.append(_more(data, edits, found))
            found = local(*edits)
        if data.draw(st.booleans()):
            after = data.draw(remotes()) if data.draw(st.booleans()) else applied(merged.body, look.registers)
            link = evolve(link, base=after, token=token(data.draw(tokens)))
            for register, seqs in merged.sends.items():
                for _ in range(data.draw(st.integers(1, 2))):  # told twice by two who both saw it
                    link, more = settle(found, link, register, seqs, Outcome.DELIVERED)
                    told.update((register, seq) for register, seq, _ in more)
        assert set(told.values()) <= {1}
    done = {(r, seq) for r, one in link.settled.items() for seq in ancestors(found.edits[r], one.edits)}
    assert told.keys() == done
    waiting = {(r, seq) for r, seqs in link.pending(found.heads).items() for seq in seqs}
    assert not waiting & done
    assert {(one.register, one.seq) for one in edits} == {
        (r, seq)
        for r, ones in found.edits.items()
        for seq in ancestors(ones, [*found.heads[r], *link.settled.get(r, Settled((), None)).edits])
    }


def _more(data, edits, found):
    """One more edit: of one who knows all that is here, or only a part of it."""
    register = data.draw(st.sampled_from([LIFECYCLE, SEVERITY, A]))
    below = [one.seq for one in edits if one.register == register]
    heads = list(found.heads.get(register, ()))
    sup = heads if data.draw(st.booleans()) or not below else data.draw(st.lists(st.sampled_from(below), max_size=2, unique=True))
    value, before = (data.draw(values(register)) for _ in range(2))
    return edit(len(edits) + 1, register, value, before, sup, at=data.draw(st.none() | tokens))


# 1. The remote has it already.


@every_policy
@pytest.mark.parametrize(("register", "value", "said"), [
    (LIFECYCLE, DUPLICATE, status(DUPLICATE)), (SEVERITY, "High", {"severity": "High"}), (MALICE, "Benign", {"malice_override": "Benign"}),
    (A, True, {"tags": ("b", "a")}), (SYSTEM, True, {"tags": ("sys:x",)}),
], ids=lambda one: None)  # fmt: skip
def test_what_the_remote_has_already_is_not_sent(policy, register, value, said):
    one = edit(1, register, value)
    assert decide(seen(3, **said), one, policy=policy) == Outcome.CONVERGED
    assert decide(seen(3, move(SEVERITY, "Low", 2), **said), one, policy=policy) == Outcome.CONVERGED
    other = decide(seen(0), one, policy=policy)
    assert other == (Outcome.UNSENDABLE if register == SYSTEM and policy.readonly_tags else other)
    assert other != Outcome.CONVERGED


def test_a_reclassification_is_no_convergence():
    close = edit(1, LIFECYCLE, DUPLICATE, OPEN)
    assert decide(seen(3, **status(UNDETERMINED)), close) == HeldKind.POLICY
    assert decide(seen(3, **status(UNDETERMINED)), close, policy=TAKE_ALL) == "send"  # it stays Closed
    assert decide(seen(3, **status(UNDETERMINED)), close, policy=LEAVE_ALL) == OVER
    again = edit(2, LIFECYCLE, UNDETERMINED, DUPLICATE, at=3)
    assert decide(seen(3, **status(DUPLICATE)), again) == "send"
    assert merge(local(again), BASE, seen(3, **status(DUPLICATE)), SyncPolicy()).body == {
        "status": "Closed",
        "close_classification": "Undetermined",
    }


# 2. It was there, and somebody moved on.


@every_policy
def test_what_was_there_since_the_author_looked_is_not_sent_again(policy):
    high = edit(1, SEVERITY, "High", "Low", at=2)
    for ours in (True, False):
        look = seen(5, move(SEVERITY, "High", 3, "Low", ours), move(SEVERITY, "Low", 4, "High"))
        assert decide(look, high, policy=policy) == Outcome.SUPERSEDED
    before = seen(5, move(SEVERITY, "High", 1, "Low"), move(SEVERITY, "Low", 2, "High"))
    assert decide(before, high, policy=policy) == "send"  # he knew that
    other = seen(5, move(LIFECYCLE, OPEN, 3), move(LIFECYCLE, TRIAGING, 4))
    assert decide(other, high, policy=policy) == "send"  # of another register


def test_what_its_author_never_looked_at_is_left_to_a_person():
    """The log shows our value years ago, and another since: whether it was this edit, by another gateway, nobody can tell."""
    once, since = move(SEVERITY, "High", 10, "Low"), move(SEVERITY, "Low", 20, "High")
    assert decide(seen(20, once, since), edit(3, SEVERITY, "High", "Low", at=None), link=Link()) == HeldKind.POLICY


def test_of_stores_that_want_the_same_the_one_that_has_seen_most_speaks():
    """b wanted High before it was there and gone; a had seen that it was gone, and wants it again."""
    stale, fresh = edit(1, SEVERITY, "High", "Low", at=0, by="b"), edit(2, SEVERITY, "High", "Low", at=4)
    look = seen(6, move(SEVERITY, "High", 2), move(SEVERITY, "Low", 3))
    assert decide(look, stale) == Outcome.SUPERSEDED
    merged = merge(local(stale, fresh), BASE, look, LEAVE_ALL)
    assert merged.sends == {SEVERITY: (1, 2)}
    assert merged.body == {"severity": "High"}


# 3. Nobody else has touched what the author knew.


@every_policy
@pytest.mark.parametrize("log", [(), (move(SEVERITY, "Low", 1), move(LIFECYCLE, DUPLICATE, 5), move(SEVERITY, "Low", 3, ours=True))])
def test_on_what_the_author_knew_it_is_sent(policy, log):
    assert decide(seen(6, *log), edit(1, SEVERITY, "High", "Low", at=2), policy=policy) == "send"


def test_a_value_that_came_back_is_not_what_the_author_knew():
    aba = seen(6, move(SEVERITY, "Critical", 3), move(SEVERITY, "Low", 4))
    high = edit(1, SEVERITY, "High", "Low", at=2)
    assert [decide(aba, high, policy=policy) for policy in (HOLD_ALL, LEAVE_ALL, TAKE_ALL)] == [HeldKind.POLICY, OVER, "send"]
    assert decide(seen(6), high, policy=HOLD_ALL) == "send"  # the log does not tell: what it cannot tell is accepted
    assert decide(seen(6, move(SEVERITY, "Low", 4)), high, policy=HOLD_ALL) == HeldKind.POLICY  # somebody wants it so
    mine = seen(6, move(SEVERITY, "Critical", 3, ours=True), move(SEVERITY, "Low", 4, ours=True))
    assert decide(mine, high, policy=HOLD_ALL) == HeldKind.POLICY  # with our key, but by somebody else
    assert decide(evolve(aba, token=token(2)), high, policy=HOLD_ALL) == "send"  # the token says that nothing was


def test_values_that_an_author_knew():
    life = [edit(1, LIFECYCLE, TRIAGING, OPEN), edit(2, LIFECYCLE, ESCALATED, TRIAGING, [1]), edit(3, LIFECYCLE, DUPLICATE, ESCALATED, [2])]
    for there in (OPEN, TRIAGING, ESCALATED):
        assert decide(seen(0, **status(there)), *life, policy=LEAVE_ALL) == "send"
    assert decide(seen(0, **status(["Parked", None])), *life, policy=LEAVE_ALL) == OVER
    strange = edit(1, SEVERITY, "High", "Pending", rbase="banana")
    assert decide(seen(3, severity="banana"), strange, policy=HOLD_ALL) == "send"  # he saw it shown as Pending
    chain = edit(1, SEVERITY, "High", "Low"), edit(2, SEVERITY, "Medium", "Critical", [1])  # shown Critical, he knew of High
    assert decide(seen(0, severity="High"), *chain, policy=HOLD_ALL) == "send"
    never = edit(1, SEVERITY, "High", "Low", at=None)
    assert decide(seen(3, severity="Critical"), never, policy=HOLD_ALL) == HeldKind.POLICY
    assert decide(seen(3), never, policy=HOLD_ALL) == "send"


def test_what_a_waiting_edit_hid_its_author_did_not_see():
    """We had Escalated, not sent yet, when the remote went to Triaging; who then closes here does not know that somebody has it."""
    first, close = edit(1, LIFECYCLE, ESCALATED, OPEN), edit(2, LIFECYCLE, DUPLICATE, ESCALATED, [1], rbase=TRIAGING, at=3)
    log = move(LIFECYCLE, TRIAGING, 3, OPEN)
    assert decide(seen(3, log, **status(TRIAGING)), first, close) == HeldKind.POLICY
    assert needs_moves(local(first, close), BASE, seen(3, **status(TRIAGING)))
    shown = edit(2, LIFECYCLE, DUPLICATE, TRIAGING, [1], rbase=TRIAGING, at=3)  # had the first been held, he would have
    assert decide(seen(3, log, **status(TRIAGING)), first, shown) == "send"


def test_what_an_edit_builds_on_that_has_arrived():
    high, more = edit(1, SEVERITY, "High", "Low", at=0), edit(2, SEVERITY, "Critical", "High", [1], rbase="Low", at=0)
    there = evolve(BASE, base=evolve(CAME, severity="High"), token=token(3))
    link, told = settle(local(high), there, SEVERITY, (1,), Outcome.DELIVERED)
    assert (told, link.settled[SEVERITY]) == ([(SEVERITY, 1, Outcome.DELIVERED)], Settled((1,), token(3)))
    look = seen(5, move(SEVERITY, "Low", 1), move(SEVERITY, "High", 3), severity="High")
    assert decide(look, high, more, link=link, policy=HOLD_ALL) == "send"
    assert not needs_moves(local(high, more), link, evolve(look, token=token(3)))
    assert needs_moves(local(high, more), link, look)
    elsewhere = edit(2, SEVERITY, "Medium", "Critical", [1])  # its author was shown something else, but knew of the first
    assert decide(evolve(look, token=token(3)), high, elsewhere, link=link, policy=HOLD_ALL) == "send"
    back = seen(5, move(SEVERITY, "High", 3, ours=True), move(SEVERITY, "Low", 4))
    assert decide(back, high, more, link=link, policy=HOLD_ALL) == HeldKind.POLICY


def test_what_was_undone_before_we_looked_again_is_not_undone_unseen():
    """Ours arrived, somebody put the old value back, and an edit made while ours was under way builds on ours."""
    high, more = edit(1, SEVERITY, "High", "Low", at=0), edit(2, SEVERITY, "Medium", "High", [1], rbase="Low", at=0)
    link, _ = settle(local(high, more), evolve(BASE, token=token(4)), SEVERITY, (1,), Outcome.DELIVERED)
    assert link.settled[SEVERITY] == Settled((1,), None)
    look = seen(4, move(SEVERITY, "High", 3, ours=True), move(SEVERITY, "Low", 4))
    assert needs_moves(local(high, more), link, look)
    assert decide(look, high, more, link=link, policy=HOLD_ALL) == HeldKind.POLICY
    known = seen(4, move(SEVERITY, "Critical", 1), move(SEVERITY, "High", 3, ours=True), severity="High")
    assert decide(known, high, evolve(more, rtoken=token(2)), link=link, policy=HOLD_ALL) == "send"  # that was before he looked
    merged = merge(local(high, more), link, look, LEAVE_ALL)
    assert list(merged.outcomes) == [(SEVERITY, 2, OVER)]  # not a second one for the first


def test_an_edit_that_knows_only_some_of_what_arrived_counts_from_what_its_author_saw():
    mine, peer, later = edit(1, SEVERITY, "Critical", "Low"), edit(2, SEVERITY, "High", "Low"), edit(3, SEVERITY, "Medium", "High", [2])
    link, told = settle(
        local(mine, peer), evolve(BASE, base=evolve(CAME, severity="Critical"), token=token(4)), SEVERITY, (1, 2), Outcome.DELIVERED
    )
    assert told == [(SEVERITY, 1, Outcome.DELIVERED), (SEVERITY, 2, OVER)]
    assert needs_moves(local(mine, peer, later), link, seen(4, severity="Critical"))
    both = evolve(later, sup=(1, 2))
    assert not needs_moves(local(mine, peer, both), link, seen(4, severity="Critical"))


# 4. Else the policy says.


@pytest.mark.parametrize(("there", "ours", "said"), [
    (TRIAGING, ESCALATED, "send"), (ESCALATED, TRIAGING, OVER), (TRIAGING, DUPLICATE, HeldKind.POLICY), (ESCALATED, DUPLICATE, HeldKind.POLICY),
    (DUPLICATE, ESCALATED, HeldKind.POLICY), (DUPLICATE, UNDETERMINED, HeldKind.POLICY), (["Parked", None], ESCALATED, OVER),
], ids=str)  # fmt: skip
def test_by_default_the_further_status_wins_and_closing_is_left_to_a_person(there, ours, said):
    assert decide(seen(3, **status(there)), edit(1, LIFECYCLE, ours, OPEN)) == said


@pytest.mark.parametrize(("there", "ours", "said"), [
    ("High", "Critical", "send"), ("Critical", "High", OVER), ("Medium", "Pending", OVER), ("banana", "Critical", OVER), ("High", "banana", OVER),
], ids=str)  # fmt: skip
def test_by_default_the_higher_severity_wins(there, ours, said):
    assert decide(seen(3, severity=there), edit(1, SEVERITY, ours, "Low")) == said


def test_by_default_overrides_are_left_to_a_person():
    assert decide(seen(3, malice_override="Benign"), edit(1, MALICE, "Malicious")) == HeldKind.POLICY
    assert decide(seen(3, malice_override="Odd"), edit(1, MALICE, None, "Benign")) == HeldKind.POLICY
    assert decide(seen(3, malice_override="Benign"), edit(1, MALICE, "Odd"), policy=TAKE_ALL) == "send"  # the remote's own word, taken over


@every_policy
def test_a_tag_is_sent_unless_it_is_the_remotes_own(policy):
    log = move(SEVERITY, "High", 2)
    assert decide(seen(3, log), edit(1, A, True, False, rbase=True), policy=policy) == "send"
    assert decide(seen(3, log, tags=("a",)), edit(1, A, False, True, rbase=False), policy=policy) == "send"
    for value, tags in ((True, ()), (False, ("sys:x",))):
        said = decide(seen(3, tags=tags), edit(1, SYSTEM, value), policy=policy)
        assert said == (Outcome.UNSENDABLE if policy.readonly_tags else "send")


def test_a_policy_that_says_something_else_holds():
    assert decide(seen(3, severity="High"), edit(1, SEVERITY, "Low", "Medium"), policy=SyncPolicy(severity="who knows")) == HeldKind.POLICY


# 5. Out of Closed.


@every_policy
def test_out_of_closed_only_by_one_who_had_seen_closed(policy):
    reopen = edit(1, LIFECYCLE, TRIAGING, OPEN, at=1)
    said = decide(seen(3, **status(DUPLICATE)), reopen, policy=policy)
    assert said == (OVER if policy is LEAVE_ALL else HeldKind.POLICY)
    knowing = edit(1, LIFECYCLE, TRIAGING, DUPLICATE, at=3)
    assert decide(seen(3, **status(DUPLICATE)), knowing, policy=policy) == "send"
    assert decide(seen(3, **status(BARE)), edit(1, LIFECYCLE, TRIAGING, UNDETERMINED, rbase=BARE, at=3), policy=policy) == "send"
    later = seen(5, move(LIFECYCLE, OPEN, 4), move(LIFECYCLE, DUPLICATE, 5), **status(DUPLICATE))
    assert decide(later, knowing, policy=policy) == (OVER if policy is LEAVE_ALL else HeldKind.POLICY)


# What waits for a person.


def test_what_is_held_stays_so_until_the_remote_or_the_edits_change():
    high = edit(1, SEVERITY, "High", "Low")
    link = merge(local(high), BASE, seen(3, severity="Critical"), HOLD_ALL).link
    assert link.held == (Held(SEVERITY, HeldKind.POLICY, (1,), "Critical", "High"),)
    assert view(local(high), link).severity == "Critical"
    assert merge(local(high), link, seen(4, severity="Critical"), TAKE_ALL).link.held == link.held
    assert decide(seen(4, severity="Medium"), high, link=link, policy=TAKE_ALL) == "send"
    assert decide(seen(4, severity="High"), high, link=link) == Outcome.CONVERGED
    person = edit(2, SEVERITY, "High", "Critical", [1], at=3)
    assert decide(seen(3, severity="Critical"), high, person, link=link, policy=LEAVE_ALL) == "send"
    rejected = evolve(BASE, held=(Held(A, HeldKind.REJECTED, (1,), False, True),))
    tag = edit(1, A, True, False)
    assert decide(seen(1), tag, link=rejected) == HeldKind.REJECTED
    assert decide(seen(1, tags=("a",)), tag, link=rejected) == Outcome.CONVERGED


@every_policy
def test_a_race_stays_until_a_person_has_seen_it(policy):
    raced = Held(SEVERITY, HeldKind.RACED, (1,), "Critical", "High")
    high = edit(1, SEVERITY, "High", "Low")
    link = evolve(settle(local(high), BASE, SEVERITY, (1,), Outcome.DELIVERED)[0], held=(raced,))
    assert merge(local(high), link, seen(2, severity="Low"), policy).link.held == (raced,)


@every_policy
@pytest.mark.parametrize(
    ("register", "ours", "theirs"), [(LIFECYCLE, DUPLICATE, TRIAGING), (LIFECYCLE, DUPLICATE, UNDETERMINED), (MALICE, "Benign", None)]
)
def test_peers_that_wait_show_the_winner(policy, register, ours, theirs):
    found = local(edit(1, register, ours, by="a"), edit(2, register, theirs, by="b"))
    for look in (seen(3), seen(3, **(status(ours) if register == LIFECYCLE else {"malice_override": ours}))):
        merged = merge(found, BASE, look, policy)
        assert [one.kind for one in merged.link.held] == [HeldKind.PEERS]  # though the remote may side with one of them
        assert merged.shown[register] == winner(found.of(register, (1, 2))).value


def test_peers_who_differ_in_less_are_settled_by_rank():
    found = local(
        edit(1, LIFECYCLE, TRIAGING, OPEN, by="z"), edit(2, LIFECYCLE, ESCALATED, OPEN), edit(3, LIFECYCLE, ESCALATED, OPEN, by="b")
    )
    merged = merge(found, BASE, seen(0), SyncPolicy())
    assert (merged.body, merged.sends) == ({"status": "Escalated"}, {LIFECYCLE: (1, 2, 3)})
    _, told = settle(found, evolve(merged.link, base=evolve(CAME, status="Escalated")), LIFECYCLE, (1, 2, 3), Outcome.DELIVERED)
    assert told == [(LIFECYCLE, 1, OVER), (LIFECYCLE, 2, Outcome.DELIVERED), (LIFECYCLE, 3, Outcome.DELIVERED)]


# Outcomes, bodies, times.


def test_what_an_edit_replaced_is_settled_with_it():
    found = local(edit(1, A, True), edit(2, A, False, sup=[1]), edit(3, A, True, sup=[2]), edit(4, SEVERITY, "High"))
    link, told = settle(found, BASE, A, (3,), Outcome.CONVERGED)
    assert told == [(A, 1, Outcome.REPLACED), (A, 2, Outcome.REPLACED), (A, 3, Outcome.CONVERGED)]
    assert link.settled == {A: Settled((3,), None)}
    assert link.pending(found.heads) == {SEVERITY: (4,)}
    assert settle(found, link, A, (3,), Outcome.DELIVERED) == (link, [])
    assert settle(found, link, A, (2,), Outcome.DELIVERED) == (link, [])
    peers = local(edit(1, A, True), edit(2, A, True))
    after, told = settle(peers, settle(peers, BASE, A, (1,), Outcome.CONVERGED)[0], A, (1, 2), Outcome.DELIVERED)
    assert (told, after.settled[A].edits) == ([(A, 2, Outcome.DELIVERED)], (1, 2))


def test_edits_that_were_pruned_are_left_out():
    found = local(edit(3, A, True, sup=[1, 2]))
    link = evolve(BASE, settled={A: Settled((2,), token(1))})
    assert decide(seen(3), edit(3, A, True, sup=[1, 2]), link=link) == "send"
    after, told = settle(found, link, A, (3,), Outcome.DELIVERED)
    assert (after.settled[A].edits, told) == ((3,), [(A, 3, Outcome.DELIVERED)])
    assert found.last("tag:none", [1]) == ()


def test_bodies():
    found = local(
        edit(1, LIFECYCLE, DUPLICATE, OPEN), edit(2, SEVERITY, "High", "Low"), edit(3, MALICE, None, "Benign"), edit(4, f"{TAG}z", True),
        edit(5, A, True), edit(6, f"{TAG}b", False, True), edit(7, f"{TAG}c", True),
    )  # fmt: skip
    remote = Registers("Open", None, "Low", "Benign", ("b", "y", "y", "b", "c", "x"))
    assert body_of(found, remote, {}) == {}
    assert body_of(found, remote, {one: tuple(found.heads[one]) for one in found.heads}) == {
        "status": "Closed", "close_classification": "Duplicate", "severity": "High", "reset_malice_override": True, "tags": ["y", "y", "x", "a", "c", "z"],
    }  # fmt: skip
    assert body_of(local(edit(1, MALICE, "Pending")), remote, {MALICE: (1,)}) == {"malice_override": "Pending"}
    bare = local(edit(1, LIFECYCLE, BARE, OPEN))
    assert body_of(bare, remote, {LIFECYCLE: (1,)}) == {"status": "Closed", "close_classification": "Undetermined"}


def test_what_is_delivered():
    remote = Registers("Closed", "Duplicate", "Low", None, ("a", "b"))
    assert is_delivered({}, remote)
    assert is_delivered(
        {"reset_malice_override": True, "tags": ["a", "b"], "status": "Closed", "close_classification": "Duplicate"}, remote
    )
    for body in ({"reset_malice_override": True, "severity": "High"}, {"tags": ["b", "a"]}, {"close_classification": "Undetermined"}):
        assert not is_delivered(body, remote)
    assert not is_delivered({"reset_malice_override": True}, evolve(remote, malice_override="Benign"))


def test_the_log_is_asked_only_where_it_can_tell_something():
    assert not needs_moves(local(edit(1, A, True)), BASE, seen(9))
    assert not needs_moves(local(edit(1, SEVERITY, "High", "Low", at=2)), BASE, seen(2))
    assert needs_moves(local(edit(1, SEVERITY, "High", "Low", at=2)), BASE, seen(3))
    assert needs_moves(local(edit(1, SEVERITY, "High", "Low", at=None)), BASE, seen(3))
    assert not needs_moves(local(), BASE, seen(3))


def test_times_that_cannot_be_read_are_not_taken_for_old():
    log = [Move(SEVERITY, "Low", "High", "yesterday", False), move(SEVERITY, "Low", 3), move(MALICE, None, 4)]
    assert moves_since(SEVERITY, log, token(3)) == log[:1]
    assert moves_since(SEVERITY, log, token(2)) == log[:2]
    assert moves_since(SEVERITY, log, None) == moves_since(SEVERITY, log, "once") == log[:2]
    assert moves_since(SEVERITY, log, "2026-01-01T01:00:03+01:00") == log[:1]  # the same moment
    assert [newer(*pair) for pair in [(token(1), token(0)), (token(0), token(0)), (token(0), None), (None, None), ("?", token(0))]] == [
        True, False, True, False, False,
    ]  # fmt: skip
    high = edit(1, SEVERITY, "High", "Low", at=0)
    unread = evolve(high, rtoken="once")
    assert decide(seen(3, move(SEVERITY, "Critical", 1), move(SEVERITY, "Low", 2)), unread, policy=HOLD_ALL) == HeldKind.POLICY
    assert decide(evolve(seen(3), token="once"), unread, policy=HOLD_ALL) == "send"


def test_the_view_without_a_remote():
    found = local(edit(1, SEVERITY, "High"), edit(2, SEVERITY, "Critical", by="b"), edit(3, A, True), edit(4, LIFECYCLE, BARE))
    shown = view(evolve(found, heads={**found.heads, MALICE: ()}), Link())
    assert shown == Registers("Closed", "Undetermined", "Critical", None, ("a",))
    assert view(local(), Link()) == CAME


def test_what_had_arrived_and_is_gone_since_the_remote_went_back_waits_for_a_person():
    high = edit(1, SEVERITY, "High", "Low", at=2)
    arrived, _ = settle(local(high), evolve(BASE, base=evolve(CAME, severity="High"), token=token(5)), SEVERITY, [1], Outcome.DELIVERED)
    back = merge(local(high), arrived, seen(3), SyncPolicy())
    (held,) = back.link.held
    assert held == Held(SEVERITY, HeldKind.RESTORED, (1,), "Low", "High")
    assert merge(local(high), back.link, seen(3), SyncPolicy()).link.held == (held,)
    assert merge(local(high), arrived, seen(3, severity="High"), SyncPolicy()).link.held == ()  # it is there all the same
    assert merge(local(high), arrived, seen(7), SyncPolicy()).link.held == ()  # somebody has changed it since
    again = edit(2, SEVERITY, "Critical", "Low", (1,), at=3)
    assert merge(local(high, again), back.link, seen(3), SyncPolicy()).sends == {SEVERITY: (2,)}
