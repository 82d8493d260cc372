"""Power cuts at every write: what was acknowledged is there, nothing is there by halves, everything verifies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import crashsim
import pytest
from checks import Oracle

WORKLOAD = Path(__file__).with_name("workload.py")
OFF = "PRAGMA synchronous = OFF;"

traced = pytest.mark.skipif(crashsim.why_not() is not None, reason=f"power cuts are recorded with strace: {crashsim.why_not()}")


def replay(tmp_path, random, durability, sql="", *, enough=frozenset("-"), **amount):
    """Cut the power in many places, until violations of the kinds `enough` were found: (states, violations by kind, first of each kind)."""
    folder = tmp_path / "store"
    folder.mkdir()
    begin, steps = crashsim.record(WORKLOAD, folder, durability, sql)
    oracle = Oracle(folder / "s.db", durability == "full")
    states, found, first = Counter(), Counter(), {}
    after = tmp_path / "after"
    for policy, said, files in crashsim.cuts(begin, steps, random, **amount):
        crashsim.lay_out(after, files)
        states[policy] += 1
        wrong = oracle.violation(after, said)
        if wrong:
            found[wrong[0]] += 1
            first.setdefault(wrong[0], (policy, wrong[1], said[-1:], sorted(files)))
        if enough <= found.keys():
            break
    oracle.store.close()
    return states, found, first


def amount(*, long):
    return {"subsets": 2, "tears_each": 2} if long else {"share": 0.01, "subsets": 1, "tears_each": 1}


SIZES = [pytest.param(False, id="short"), pytest.param(True, id="long", marks=pytest.mark.long)]


@traced
@pytest.mark.parametrize("long", SIZES)
@pytest.mark.parametrize("durability", ["full", "normal"])
def test_a_power_cut_loses_nothing_that_it_may_not(tmp_path, promise, durability, long):
    seed = 1
    states, found, first = replay(tmp_path, Random(seed), durability, **amount(long=long))
    assert not found, f"seed {seed}: {found} in {states}: {first}"
    assert set(states) == {"nothing lost", "all lost", "some lost", "torn"}
    promise(
        "after a power cut what was acknowledged is there (durability normal: a beginning of it), whole, and verifies",
        f"{durability}: {states.total():,} crash states replayed, 0 violations",
    )


@traced
@pytest.mark.parametrize("long", SIZES)
def test_the_simulation_finds_what_is_lost_without_syncing(tmp_path, promise, long):
    """The negative control: were it to find nothing here, the test above would hold nothing."""
    seed = 2
    enough = {} if long else {"enough": {"lost", "damaged"}}
    states, found, _ = replay(tmp_path, Random(seed), "full", OFF, **amount(long=long), **enough)
    assert {"lost", "damaged"} <= found.keys(), f"seed {seed}: {found} in {states}"
    promise(
        "the simulation of power cuts sees losses where nothing is synced (negative control)",
        f"{found.total()} violations in {states.total()} crash states",
    )
