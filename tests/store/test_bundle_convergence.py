"""Stores that exchange bundles come to the same, whoever got which, in whatever order, how often; with a remote in the round too."""

from __future__ import annotations

import pytest
from bundling_cases import DONE, World, check_sound, dump, opened, outcomes
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from alertstore.domain.events import EventKind

node, few, since = st.integers(0, 3), st.integers(0, 4), st.sampled_from([0, 0, 5])
patch = st.integers(0, 13)
LOCAL = (
    st.tuples(st.just("add"), node, st.integers(0, 2), st.sampled_from([False, False, True])),
    st.tuples(st.just("edit"), node, few, patch),
    st.tuples(st.just("edit"), node, few, patch),
    st.tuples(st.just("clash"), few, st.tuples(patch, patch, patch)),
    st.tuples(
        st.just("dispute"),
        few,
        st.tuples(st.sampled_from([1, 3, 8]), st.sampled_from([0, 4, 7])),
        few,
        st.sampled_from(["local", "remote"]),
    ),
    st.tuples(st.just("enrich"), node, few, st.integers(0, 2)),
    st.tuples(st.just("resolve"), node, few, st.sampled_from(["local", "remote"])),
    st.tuples(st.just("tick"), node, st.integers(-30, 70)),
    st.tuples(st.just("pass_on"), node, node, since),
    st.tuples(st.just("pass_on"), node, node, since),
    st.tuples(st.just("take"), node, st.integers(0, 30)),
    st.tuples(st.just("export"), node, since),
)
REMOTE = (
    st.tuples(st.just("sync"), node),
    st.tuples(st.just("sync"), node),
    st.tuples(st.just("human"), few, patch),
    st.tuples(st.just("arrive"), st.integers(0, 3)),
)
BEGIN = [("add", 0, 0, False), ("add", 1, 0, False), ("add", 0, 1, True), ("pass_on", 0, 1, 0)]
"""An alert that two stores have under two uuids, one that only one has made."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("bundles")


def check_agreed(world, *, records=True):
    found = [dump(store, records=records) for store in world.stores]
    for one in found[1:]:
        assert one == found[0]
    for store in world.stores:
        check_sound(store)


def check_idempotent(world):
    """I6: nothing of it is news to anybody; what comes a second time is not even noted."""
    for store in world.stores:
        size = store.checkpoint().size
        for bundle in world.bundles:
            done = store.import_bundle(bundle)
            assert (done.new, done.merged, done.edits, done.records, done.conflicts) == (0, 0, 0, 0, 0)
        assert {event.kind for event in store.events(after=size)} <= {EventKind.BUNDLE_IMPORTED}
        before = store.checkpoint()
        for bundle in world.bundles:
            store.import_bundle(bundle)
        assert store.checkpoint() == before


def check_offline(folder, stores, lifecycle, steps, order):
    """I1 without a remote, I6, I7; a store that comes late, and gets the bundles of all in another order."""
    world = World(folder, stores, lifecycle)
    late = [opened(number) for number in (91, 92)]
    try:
        for step in [*BEGIN, *steps]:
            world.do(*step)
        for number in range(stores):
            world.export(number, 0)
        for bundle in world.bundles:
            late[0].import_bundle(bundle)
        for number in order:  # some twice, some never, in any order; then all, the other way round
            late[1].import_bundle(world.bundles[number % len(world.bundles)])
        for bundle in reversed(world.bundles):
            late[1].import_bundle(bundle)
        assert dump(late[0]) == dump(late[1])
        world.exchange()
        check_agreed(world)
        check_idempotent(world)
        for bundle in world.bundles[-2:]:
            late[0].import_bundle(bundle)
        assert dump(late[0]) == dump(world.stores[0])
        check_sound(late[0])
        check_sound(late[1])
        DONE["offline"] += 1
        DONE["conflicts"] += len(world.stores[0].conflicts())
    finally:
        world.close()
        for store in late:
            store.close()


def check_with_remote(folder, stores, gateways, lifecycle, steps):
    """I1: what the gateways deliver, and what others edited there, is the same everywhere in the end; nothing is left to send."""
    world = World(folder, stores, lifecycle, gateways)
    try:
        for step in [*BEGIN, *steps]:
            world.do(*step)
        for _ in range(3):
            world.exchange()
            for number in range(gateways):
                world.do("sync", number)
        world.exchange()
        check_agreed(world, records=gateways == 1)  # of what two have pulled, each keeps what it was told itself
        assert world.pending() == []
        told = [outcomes(store) for store in world.stores]
        for one in told:
            assert all(len(each) == 1 for each in one.values()), "an edit has two outcomes"
            assert one.keys() == told[0].keys()
            assert gateways > 1 or one == told[0]
        check_idempotent(world)
        sent = len(world.remote.requests)
        for number in range(gateways):
            world.do("sync", number)
        assert not [one for one in world.remote.requests[sent:] if one.method != "GET"], "what had arrived was sent again"
        DONE["with a remote"] += 1
        DONE["outcomes"] += len(told[0])
    finally:
        world.close()


def offline(examples, steps, **more):
    return lambda check: settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES, **more)(
        given(
            st.integers(2, 4),
            st.integers(0, 2),
            st.lists(st.one_of(*LOCAL), min_size=steps // 2, max_size=steps),
            st.lists(st.integers(0, 50), max_size=6),
        )(check)
    )


def with_remote(examples, steps, **more):
    return lambda check: settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), phases=PHASES, **more)(
        given(
            st.integers(1, 3),
            st.integers(1, 2),
            st.integers(0, 2),
            st.lists(st.one_of(*REMOTE, *LOCAL), min_size=steps // 2, max_size=steps),
        )(check)
    )


PHASES = (Phase.explicit, Phase.generate)
SHORT = {"offline": (14, 16), "with a remote": (9, 16)}
LONG = {"offline": (4000, 40), "with a remote": (3000, 40)}
"""(examples, most steps of each)."""


def note(promise, what):
    number = DONE[what]
    promise(f"stores that exchange bundles {what} come to the same, in any order, verified", f"{number} of {number} random histories")


def test_any_order_comes_to_the_same(folder, promise):
    @offline(*SHORT["offline"], derandomize=True)
    def check(stores, lifecycle, steps, order):
        check_offline(folder, stores, lifecycle, steps, order)

    check()
    note(promise, "offline")


def test_a_gateway_and_the_stick_deliver_everything_once(folder, promise):
    @with_remote(*SHORT["with a remote"], derandomize=True)
    def check(stores, gateways, lifecycle, steps):
        check_with_remote(folder, max(stores, gateways), gateways, lifecycle, steps)

    check()
    note(promise, "with a remote")


@pytest.mark.long
def test_any_order_comes_to_the_same_long(folder, promise):
    @offline(*LONG["offline"], derandomize=False)
    def check(stores, lifecycle, steps, order):
        check_offline(folder, stores, lifecycle, steps, order)

    check()
    note(promise, "offline")


@pytest.mark.long
def test_a_gateway_and_the_stick_deliver_everything_once_long(folder, promise):
    @with_remote(*LONG["with a remote"], derandomize=False)
    def check(stores, gateways, lifecycle, steps):
        check_with_remote(folder, max(stores, gateways), gateways, lifecycle, steps)

    check()
    note(promise, "with a remote")


def test_the_worlds_are_no_deserts(folder):
    """The random histories come to what is hard: conflicts, decisions, outcomes."""
    assert min(DONE[one] for one in ("edit", "pass_on", "resolved", "conflicts", "outcomes", "human")) >= 4, DONE
