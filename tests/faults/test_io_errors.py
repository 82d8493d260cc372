"""System calls that fail: each write is done or refused, whole; the store goes on when it is opened again."""

from __future__ import annotations

from collections import Counter

import pytest
from checks import check_history
from crashsim import why_not

from alertstore import AlertStore

pytestmark = pytest.mark.skipif(why_not() is not None, reason=f"faults are injected with strace: {why_not()}")


FAULTS = {  # every n-th call fails
    "pwrite64:error=ENOSPC": 60,
    "pwrite64:error=EIO": 60,
    "fdatasync:error=EIO": 4,
    "pread64:error=EIO": 90,
    "ftruncate:error=EIO": 3,
    "unlink:error=EIO": 1,
}


@pytest.mark.parametrize("rounds", [pytest.param(1, id="short"), pytest.param(60, id="long", marks=pytest.mark.long)])
@pytest.mark.parametrize("fault", FAULTS)
def test_each_write_is_done_or_refused(faults, path, promise, fault, rounds):
    done, refused = 0, Counter()
    for turn in range(rounds):
        path.unlink()
        AlertStore.open(path).close()
        hand, _ = faults.inject(fault, f"{turn % FAULTS[fault] + 1}+{FAULTS[fault] + turn}", "endure", path, 25)
        check_history(path, {"mia": hand.said("done")}, {"mia": hand.said("refused")})
        done += len(hand.said("done"))
        refused.update(hand.said("error"))
    assert faults.injected >= rounds
    assert done >= rounds
    if "ENOSPC" in fault:
        assert set(refused) <= {"StoreFullError", "StoreDamagedError"}
    promise(
        "a system call that fails loses no write",
        f"{fault.replace(':error=', ' ')}: {faults.injected} faults, {done} writes done, {refused.total()} refused",
    )


@pytest.mark.parametrize(("fault", "when"), [("fdatasync:error=EIO", 9), ("pwrite64:error=EIO", 90)])
def test_a_store_that_met_a_failing_disk_writes_no_more_until_opened_again(faults, path, fault, when):
    hand, number = faults.inject(fault, when, "go_on", path)
    assert number == 1
    assert hand.said("error") == ["StoreDamagedError"]
    (readable,) = hand.said("readable")
    assert readable >= 1, "reading goes on"
    assert hand.said("opened_again") == ["written"]
    check_history(path, {"mia": hand.said("done")}, {"mia": hand.said("refused")})
    assert hand.said("same_store") not in ([], ["written"])


@pytest.mark.parametrize("steps", [pytest.param(70, id="short"), pytest.param(2, id="long", marks=pytest.mark.long)])
def test_killed_at_a_write_to_the_file(faults, path, promise, steps):
    """As a kill at a random moment, but at each of the writes in turn: `pwrite64` is not done, the process is gone."""
    kills = 0
    for n in range(1, 10_000, steps):
        path.unlink(missing_ok=True)
        AlertStore.open(path).close()
        hand, _ = faults.inject("pwrite64:signal=KILL", n, "endure", path, 15)
        check_history(path, {"mia": hand.said("done")}, {"mia": hand.said("refused")})
        if hand.ended == 0:
            break
        kills += 1
    assert kills
    promise("a process killed in a write to the file or the log loses nothing", f"{kills} kills survived, each at another write")
