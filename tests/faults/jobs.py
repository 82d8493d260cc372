"""What the processes of a crew do. Arguments come as text; what is done is said (crew.say) as soon as it was acknowledged."""

from __future__ import annotations

import ctypes
import os
import resource
import sqlite3
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random

from checks import check_history
from crew import PATIENCE, say

from alertstore import AlertStore, StorageError
from alertstore.testing import generic_alert

PATIENT = timedelta(seconds=PATIENCE)


def warm_up():
    """Have everything imported that the jobs need, before they are forked."""
    with AlertStore.open(":memory:") as store:
        act(store, Random(0), 0, [])


def act(store, random, n, mine):
    """One write that always changes something; its reason is its number."""
    match random.randrange(4) if mine else 0:
        case 0:
            alert = generic_alert(title=f"{store._actor} {n}", src_ip=f"192.0.2.{n % 7}", rule_id=f"R-{n % 3}")
            mine.append(store.add(alert, reason=str(n)).alert.uuid)
        case 1:
            store.add(generic_alert(title="shared", n=n, by=store._actor), reason=str(n))
        case 2:
            store.patch(random.choice(mine), tags=[str(n)], severity="Low" if n % 2 else "Critical", reason=str(n))
        case 3:
            store.add_finding(random.choice(mine), f"seen {n}", reason=str(n))


def await_file(go):
    """Wait until a file is there."""
    while go and not Path(go).exists():
        time.sleep(0.001)


def write(path, name, number, seed="0", durability="full", go=""):
    """Write so many times (0: until killed), as actor `name`; say each number when it is acknowledged. Begins when the file `go` is there."""
    random, mine = Random(f"{name} {seed}"), []
    with AlertStore.open(path, actor=name, durability=durability, busy_timeout=PATIENT) as store:
        say(ready=name)
        await_file(go)
        for n in range(int(number)) if int(number) else count():
            act(store, random, n, mine)
            say(done=n)


def contend(path, name, seconds):
    """Write as often as it goes for so many seconds; say how often that was and how long each took."""
    took = []
    with AlertStore.open(path, actor=name, busy_timeout=PATIENT) as store:
        end = time.monotonic() + float(seconds)
        while (begin := time.monotonic()) < end:
            store.add(generic_alert(title=f"{name} {len(took)}"), reason=str(len(took)))
            took.append(time.monotonic() - begin)
    say(took=took)


def mixed(path, name, number):
    """Two threads that write, two that read, each with its own store; the readers hold each view against its history."""
    left = threading.Semaphore(0)

    def writer(part):
        write(path, f"{name}-{part}", number)
        left.release()
        left.release()

    def reader(part):
        try:
            size = 0
            with AlertStore.open(path, mode="ro") as store:
                done = 0
                while done < 2:
                    done += left.acquire(blocking=False)
                    report = store.verify()
                    if not report.ok or report.size < size:
                        say(fault=f"{part}: {report.size} after {size}: {report.problems[:3]}")
                    size = report.size
        except Exception as fault:  # noqa: BLE001 - whatever it was, the test shows it
            say(fault=repr(fault))

    threads = [threading.Thread(target=does, args=(part,)) for does, part in ((writer, "a"), (writer, "b"), (reader, "c"), (reader, "d"))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()


def hold(path, end):
    """Begin a write and stay in it, with the lock, until the file `end` is there."""

    def slow_clock():
        say(held=1)
        await_file(end)
        return datetime.now(UTC)

    with AlertStore.open(path, actor="holder", clock=slow_clock) as store:
        store.add(generic_alert(title="held"), reason="0")
        say(done=0)


def back_up(path, folder):
    """Make one backup after the other until killed."""
    with AlertStore.open(path) as store:
        for n in count():
            say(begun=n)
            store.backup(Path(folder) / f"{n}.db")
            say(done=n)


def checkpoint(path, seed, seconds):
    """Move the log into the file, now and again, in all the ways there are, for so many seconds (0: until killed)."""
    random = Random(seed)
    end = time.monotonic() + (float(seconds) or 1e9)
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as conn:
        while time.monotonic() < end:
            try:
                busy, *_ = conn.execute(f"PRAGMA wal_checkpoint({random.choice(['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE'])})").fetchone()
            except sqlite3.OperationalError:  # locked
                busy = 1
            say(checkpointed=1 - busy)
            time.sleep(random.random() / 200)


def write_and_checkpoint(path, name, seconds):
    """Write, the log moved into the file by every write of more than a page, for so many seconds."""
    random, mine = Random(name), []
    end = time.monotonic() + float(seconds)
    with AlertStore.open(path, actor=name, durability="normal", busy_timeout=PATIENT) as store:
        store._repository.conn.execute("PRAGMA wal_autocheckpoint = 1")
        for n in count():
            if time.monotonic() >= end:
                return
            act(store, random, n, mine)
            say(done=n)


def endure(path, name, number, go):
    """Write so many times, whatever fails: say what was done and what was refused, and open the store again after a refusal."""
    say(ready=name)
    await_file(go)
    random, mine, store = Random(name), [], None
    for n in range(int(number)):
        try:
            store = store or AlertStore.open(path, mode="rw", actor=name)
            store._repository.conn.execute("PRAGMA wal_autocheckpoint = 8")  # so that checkpoints, too, are met by faults
            act(store, random, n, mine)
            store.count(text="seen")
            say(done=n)
        except StorageError as fault:
            say(refused=n, error=type(fault).__name__)
            if store is not None:
                store.close()
                store = None
    if store is not None:
        store.close()


def go_on(path, name, go):
    """Write until a write fails, then try to write once more with the same store, then with one opened again."""
    say(ready=name)
    await_file(go)
    random, mine = Random(name), []
    numbers = count()
    with AlertStore.open(path, mode="rw", actor=name) as store:
        try:
            for n in numbers:
                act(store, random, n, mine)
                say(done=n)
        except StorageError as fault:
            say(refused=n, error=type(fault).__name__)
        n = next(numbers)
        try:
            act(store, random, n, mine)
            say(done=n, same_store="written")
        except StorageError as fault:
            say(refused=n, same_store=type(fault).__name__)
        say(readable=store.count())
    with AlertStore.open(path, mode="rw", actor=name) as store:
        n = next(numbers)
        act(store, random, n, mine)
        say(done=n, opened_again="written")


def limited(path, name, size):
    """Write until a file may not grow any more (RLIMIT_FSIZE), then with the limit lifted."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), hard))
    random, mine, n = Random(name), [], 0
    with AlertStore.open(path, actor=name) as store:
        try:
            for n in count():
                act(store, random, n, mine)
                say(done=n)
        except StorageError as fault:
            say(refused=n, error=type(fault).__name__, told=str(fault))
        say(readable=store.count())
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    with AlertStore.open(path, actor=name) as store:
        act(store, random, n + 1, mine)
        say(done=n + 1, lifted=1)


def small_disk(folder, points, most):
    """Fill a disk of our own of 2 MiB (a mount that nobody else sees) so many times, each time with more of it free at first.

    Each time: a store is made and written to until the disk is full, then space is freed and the same store goes on.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    new_namespace, all_private = 0x20000, 0x44000  # CLONE_NEWNS; MS_REC | MS_PRIVATE
    if not hasattr(libc, "unshare"):
        say(unable="this system has no mounts of one's own")
        return
    if libc.unshare(new_namespace) or libc.mount(None, b"/", None, all_private, None):
        say(unable=os.strerror(ctypes.get_errno()))
        return
    for point in range(int(points)):
        assert not libc.mount(b"tmpfs", folder.encode(), b"tmpfs", 0, b"size=2m"), os.strerror(ctypes.get_errno())
        ballast = Path(folder) / "ballast"
        ballast.write_bytes(bytes((2 << 20) - 4096 - int(most) * point // int(points) // 4096 * 4096))
        say(point=point, **fill_disk(Path(folder) / "s.db", ballast))
        assert not libc.umount2(folder.encode(), 2), os.strerror(ctypes.get_errno())


def fill_disk(path, ballast):
    """Write until the disk is full, then go on without the ballast; how it ended."""
    random, mine, done, n = Random(0), [], [], 0
    try:
        store = AlertStore.open(path, actor="mia")
    except StorageError as fault:
        left = sorted(one.name for one in path.parent.iterdir() if one != ballast)
        ballast.unlink()
        AlertStore.open(path).close()
        return {"unopened": type(fault).__name__, "text": str(fault), "left": left}
    with store:
        try:
            for n in count():
                act(store, random, n, mine)
                done.append(n)
        except StorageError as fault:
            found = {"error": type(fault).__name__, "text": str(fault), "advice": fault.advice}
        assert store.verify(depth="full").ok
        assert store.count() <= len(done)
        ballast.unlink()
        act(store, random, n + 1, mine)
        done.append(n + 1)
    check_history(path, {"mia": done}, {"mia": [n]})
    return {**found, "done": len(done)}
