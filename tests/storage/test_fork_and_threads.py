"""An open store belongs to the process and the thread that opened it; others are told so, and do it no harm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading

import pytest

from alertstore import AlertStore, StorageError
from alertstore.storage.registry import in_use
from alertstore.testing import generic_alert, make_alert

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

FORKING = """
import gc, json, os, sys, warnings
from alertstore import AlertStore, AlertStoreError
from alertstore.testing import generic_alert
warnings.simplefilter("ignore")  # newer Pythons warn of forking with threads
path, ending = sys.argv[1], sys.argv[2]

def outcome(call):
    try:
        return repr(call())
    except AlertStoreError as fault:
        return f"{type(fault).__name__}: {fault} ({fault.advice})"

def held():
    folder = "/proc/self/fd"
    names = os.listdir(folder) if os.path.isdir(folder) else ()
    return {os.readlink(f"{folder}/{name}") + " " + name for name in names if os.path.exists(f"{folder}/{name}") and path in os.readlink(f"{folder}/{name}") and ".other" not in os.readlink(f"{folder}/{name}")}

store, unclosed = AlertStore.open(path), AlertStore.open(path)
memory = AlertStore.open(":memory:")
store.add(generic_alert(title="before"))
ends, begins = os.pipe()
pid = os.fork()
if not pid:
    told = {
        "read": outcome(store.count),
        "write": outcome(lambda: store.add(generic_alert(title="child"))),
        "memory": outcome(memory.count),
        "open": outcome(lambda: AlertStore.open(path)),
        "look": outcome(lambda: AlertStore.open(path, mode="ro")),
        "other": outcome(lambda: AlertStore.open(path + ".other").count()),
    }
    before = held()
    del unclosed
    gc.collect()
    told["close"] = outcome(store.close)
    del store
    gc.collect()
    told["let_go"] = sorted(before - held())
    os.write(begins, json.dumps(told).encode())
    os.close(begins)
    if ending == "abrupt":
        os._exit(0)
    sys.exit(0)
os.close(begins)
with open(ends) as pipe:
    told = json.load(pipe)
told["status"] = os.waitpid(pid, 0)[1]
told["log"] = os.path.exists(path + "-wal")
store.add(generic_alert(title="after"))
told["after"] = [store.count(), unclosed.count(), store.verify().ok]
store.close()
unclosed.close()
print(json.dumps(told))
"""


@pytest.mark.parametrize("ending", ["clean", "abrupt"])
def test_a_fork_touches_nothing_of_its_parents(case, ending):
    run = subprocess.run([sys.executable, "-c", FORKING, str(case), ending], capture_output=True, text=True, timeout=120, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    told = json.loads(run.stdout)
    for act in ("read", "write", "memory", "open", "look"):
        assert told[act].startswith("StorageError: "), told
        assert "fork" in told[act]
    assert (told["close"], told["other"]) == ("None", "0")
    assert told["let_go"] == []  # SQLite closed nothing
    assert (told["status"], told["log"]) == (0, True)
    assert told["after"] == [7, 7, True]
    with AlertStore.open(case) as store:
        assert [event.seq for event in store.events()] == list(range(1, 9))
        assert store.verify().problems == ()
    assert sorted(one.name for one in case.parent.iterdir()) == ["case.db", "case.db.other"]


def in_thread(call):
    """What a call in another thread came to."""
    found = []

    def run():
        try:
            found.append(call())
        except Exception as fault:  # noqa: BLE001 - whatever it was
            found.append(fault)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def test_another_thread_is_told(case):
    with AlertStore.open(case) as store:
        before = store.checkpoint()
        for call in (
            store.count,
            store.alerts,
            lambda: list(store.events()),
            store.verify,
            lambda: make_alert(store),
            lambda: store.add(generic_alert(title="x")),
            lambda: store._repository.setting("store_id"),
            store._repository.close,
        ):
            fault = in_thread(call)
            assert isinstance(fault, StorageError), fault
            assert "thread" in str(fault)
            assert fault.advice
        assert store.checkpoint() == before
        assert in_use(str(case))
        make_alert(store)
    assert not in_use(str(case))


def test_each_thread_may_open_its_own(case):
    def use():
        with AlertStore.open(case, mode="ro") as store:
            return store.count()

    with AlertStore.open(case):
        assert in_thread(use) == 5
