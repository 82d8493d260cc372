"""The state machine of `sync_machine`: many short histories; and that it finds the loss where the protocol is weakened."""

from __future__ import annotations

from collections import Counter

import pytest
import sync_machine
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from sync_machine import SyncMachine, replayed
from sync_oracle import dump, settle
from sync_world import World
from test_traces import look_away, trust

QUICK = settings(
    max_examples=60,
    stateful_step_count=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)
LONG = settings(QUICK, max_examples=1_500, stateful_step_count=20, derandomize=False, phases=[Phase.generate, Phase.shrink])
SITUATIONS = (
    "crash",
    "deliver, human, deliver",
    "edit between look and write",
    "sent by another",
    "alert in error",
    "audit",
    "plan",
    "guard",
    "bundles in three orders",
)


class Three(SyncMachine):
    stores = 3


def run(machine, how):
    """Run a machine; what came up in it."""
    sync_machine.COUNTS.clear()
    run_state_machine_as_test(machine, settings=how)
    return Counter(sync_machine.COUNTS)


def told(count):
    """For the table of promises."""
    said = ", ".join(f"{count[name]} {name}" for name in SITUATIONS)
    rounds = sum(times for name, times in count.items() if isinstance(name, tuple))
    return f"{rounds} histories, {count['sync']} syncs, {count['delivered']} edits delivered; {said}"


@pytest.mark.parametrize("machine", [SyncMachine, Three])
def test_any_history_comes_to_rest_with_every_edit_accounted_for(machine, promise):
    count = run(machine, QUICK)
    assert all(count[name] for name in SITUATIONS[:3]), count  # the rest needs more than a handful of histories
    promise(f"{machine.stores} stores, a remote, sticks, people, faults and crashes: I1 to I18 hold", told(count))


@pytest.mark.long
@pytest.mark.parametrize("machine", [SyncMachine, Three])
def test_any_history_comes_to_rest_at_length(machine, promise):
    count = run(machine, LONG)
    assert all(count[name] > 10 for name in SITUATIONS), count
    promise(f"{machine.stores} stores, a remote, sticks, people, faults and crashes: I1 to I18 hold", told(count))


@pytest.mark.parametrize(("weaken", "found"), [(trust, "I3|I1"), (look_away, "I4|I5|I18")])
def test_it_finds_the_loss_where_a_safeguard_is_missing(monkeypatch, weaken, found):
    """Within a bounded number of histories, the same every time."""
    weaken(monkeypatch)
    with pytest.raises(AssertionError, match=rf"^({found}): "):
        run(SyncMachine, settings(QUICK, max_examples=400))


SCRIPT = [
    *(("arrive", {"title": title}) for title in range(3)),
    *(("sync", {"node": node}) for node in range(2)),
    ("edit", {"node": 0, "alert": 0, "patch": 0}),
    ("edit", {"node": 1, "alert": 0, "patch": 3}),
    ("edit", {"node": 1, "alert": 1, "patch": 6}),
    ("add", {"node": 0, "title": 5, "day": 1}),
    ("export", {"node": 0}),
    ("carry", {"node": 1, "stick": 0}),
    ("human", {"alert": 1, "patch": 5}),
    ("sync", {"node": 1, "dies_at": "PATCH", "after": True}),
    ("human", {"alert": 0, "patch": 2}),
    ("edit", {"node": 0, "alert": 2, "patch": 14}),
    ("sync", {"node": 1}),
    ("sync", {"node": 0}),
    ("export", {"node": 1}),
    ("carry", {"node": 0, "stick": 1}),
]
YEARS = [(10, -10, 0), (-10, 10, 0), (10, 10, 0), (-10, -10, 0)]


@pytest.mark.parametrize("shifts", YEARS)
def test_no_clock_of_ours_decides_anything(shifts):
    """I14."""
    assert replayed(SCRIPT, (2, 0), shifts) == replayed(SCRIPT, (2, 0), (0, 0, 0))


class Replaying(SyncMachine):
    """Does each history once more with other clocks."""

    def teardown(self):
        world = self.world
        if world is not None and None not in world.script:
            found = [replayed(world.script, world.given, shifts) for shifts in ((0, 0, 0), (10, -10, 10))]
            assert found[0] == found[1], "I14: a clock of ours decided something"
            world.count["replayed with clocks 20 years apart"] += 1
        super().teardown()


def test_no_clock_decides_anything_in_any_history(promise):
    count = run(Replaying, settings(QUICK, max_examples=15))
    times = count["replayed with clocks 20 years apart"]
    assert times > 8
    promise("no clock of a store decides how edits are merged", f"{times} of {times} histories the same with clocks 20 years apart")


def test_quiet_worlds_are_told_apart():
    """What the comparisons look at differs where the histories do."""
    worlds = [World(1), World(1)]
    for world in worlds:
        world.arrive(0)
        world.sync(0)
    worlds[1].edit(0, 0, 0)
    for world in worlds:
        settle(world)
    assert dump(worlds[0]) != dump(worlds[1])
    for world in worlds:
        world.close()
