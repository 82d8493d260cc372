"""A sync that dies, or whose disk does: whatever is left, the next sync goes on from there, and every edit has its effect once."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
from contextlib import closing, contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from random import Random

import pytest

pytest.importorskip("httpx2", reason="httpx2 is not installed (extra sync)")

import sync_cases as cases
from sync_cases import Mortals, MortalStore, Stage

from alertstore.errors import StorageError, StoreBusyError, StoreDamagedError, StoreFullError

REQUESTS, COMMITS = 24, 13
"""What the scene's sync takes."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with Stage(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture
def bench(stage):
    return stage.set()


@pytest.fixture(scope="module")
def mortals():
    if not hasattr(os, "fork"):
        pytest.skip("processes are forked, which this system cannot")
    made = Mortals()
    yield made
    made.close()


both = pytest.mark.parametrize("when", ["before", "after"])
DIED = "a sync killed at any moment: the next one goes on, every edit has its effect once"


def check_goes_on(bench):
    cases.check_sound(bench)
    bench.remote.before = bench.remote.after = lambda *_: None
    cases.sync_until_quiet(bench)
    cases.check_all_arrived(bench)


def test_a_sync_in_a_process_of_its_own(bench, mortals):
    assert mortals.wait(mortals.start(bench)) == 0
    assert len(bench.remote.requests) == REQUESTS
    check_goes_on(bench)


def die_at(bench, mortals, number, when):
    """Let a process sync, and kill it with -9 while its n-th request is on its way: not done yet, or done and not answered."""
    pid, left = [], [number]

    def strike(*_):
        left[0] -= 1
        if left[0] == 0:
            os.kill(pid[0], signal.SIGKILL)
            if when == "before":
                raise ConnectionAbortedError

    with bench.server._http.lock:  # nothing is answered before we know whom to kill
        setattr(bench.remote, when, strike)
        pid.append(mortals.start(bench))
    ended = mortals.wait(pid[0])
    assert ended == (-signal.SIGKILL if left[0] <= 0 else 0)
    bench.remote.before = bench.remote.after = lambda *_: None
    return ended


@both
@cases.steps(7)
def test_killed_at_a_request(stage, mortals, promise, when, step):
    places = range(1, REQUESTS + 1, step)
    for number in places:
        bench = stage.set()
        with cases.told(number=number):
            assert die_at(bench, mortals, number, when) != 0
            check_goes_on(bench)
    promise(DIED, f"{when} each of {len(places)} requests")


@both
@cases.steps(4)
def test_killed_at_a_commit(stage, mortals, promise, when, step):
    places = range(1, COMMITS + 1, step)
    for number in places:
        bench = stage.set()
        with cases.told(number=number):
            assert mortals.wait(mortals.start(bench, number, when)) == -signal.SIGKILL
            check_goes_on(bench)
    promise(DIED, f"{when} each of {len(places)} commits")


@pytest.mark.parametrize("rounds", [pytest.param(2, id="short"), pytest.param(80, id="long", marks=pytest.mark.long)])
def test_killed_again_while_it_goes_on(stage, mortals, promise, rounds):
    """Four times in a row, at any request."""
    kills = 0
    for seed in range(rounds):
        random, bench = Random(seed), stage.set()
        with cases.told(seed=seed):
            for _ in range(4):
                kills += die_at(bench, mortals, random.randrange(6, 20), random.choice(["before", "after"])) != 0
                bench.sleep(random.choice([1, 60]))
            check_goes_on(bench)
    assert kills > rounds
    promise(DIED, f"{kills} times while {rounds} syncs were gone on with")


@contextmanager
def locked(store):
    """Somebody else writes, and does not come to an end."""
    with closing(sqlite3.connect(store.path, isolation_level=None)) as conn:
        conn.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def full(_):
    """No file may grow any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(store):
    conn = store._repository.conn
    conn.execute("PRAGMA query_only = ON")
    try:
        yield
    finally:
        conn.execute("PRAGMA query_only = OFF")


class FailingStore(MortalStore):
    """A store of which one write meets a fault."""

    fails_at = 0
    fault = None

    @contextmanager
    def _write(self):
        self.fails_at -= 1
        with self.fault() if self.fails_at == 0 else nullcontext(), super()._write() as transaction:
            yield transaction


WRONG = {locked: StoreBusyError, full: (StoreFullError, StoreDamagedError), read_only: StorageError}


@cases.steps(5)
@pytest.mark.parametrize("fault", WRONG)
def test_a_write_that_fails(stage, promise, fault, step):
    """The sync ends there with an error of the store's; what was done is kept."""
    places = range(1, COMMITS + 1, step)
    for number in places:
        bench = stage.set()
        with cases.told(number=number):
            with (
                FailingStore.open(bench.path, mode="rw", actor="mia", busy_timeout=timedelta(milliseconds=30)) as store,
                bench.link() as link,
            ):
                store.fails_at, store.fault = number, partial(fault, store)
                with pytest.raises(WRONG[fault]):
                    store.sync(link)
            check_goes_on(bench)
    promise("a store that cannot write stops a sync and loses nothing of it", f"{fault.__name__} at {len(places)} commits")
