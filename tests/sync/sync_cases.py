"""A store file with something of every kind to sync, and the remote that it was pulled from, served over real sockets.

`Stage.set()` gives a fresh `Bench` of always the same scene: what was pulled, edited on both sides, and not yet synced again.
No wait takes real time: `HttpRemote` sleeps by the clock of the remote.

Run as a script this is a server that forks processes which sync, and are killed (`Mortals`).
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, contextmanager
from datetime import timedelta

import pytest

from alertstore import AlertStore
from alertstore.sync import client, scan
from alertstore.sync.http import HttpRemote
from alertstore.sync.remote import Pace
from alertstore.testing import FakeRemote, FakeRemoteServer, FrozenClock, seeded_ids
from alertstore.wire.remote import FINDING_KEY

KEY = "cai_ours-0123456789"
QUICK = Pace(1_000_000, 1_000_000)
CLOSED = "Closed"
WRITES = ("PATCH", "POST", "DELETE")
STEPS = {  # what each request of a sync is for
    "GET alert": ("GET", r"^/v1/alerts/[^/]+$"),
    "GET list": ("GET", r"^/v1/alerts\?"),
    "GET activity": ("GET", "/activity"),
    "PATCH": ("PATCH", ""),
    "POST alert": ("POST", r"^/v1/alerts$"),
    "POST finding": ("POST", "/findings"),
    "POST indicators": ("POST", "/indicators"),
}


class Watched(FakeRemote):
    """A fake remote that calls `before` and `after` with the number of each request, and the request."""

    name = ""
    number = 0
    before = after = staticmethod(lambda number, call: None)

    def deliver(self, call):
        self.number += 1
        number = self.number
        self.before(number, call)
        reply = super().deliver(call)
        self.after(number, call)
        return reply


class Stage:
    """One server for many tests, and the scene that each begins with. A context manager."""

    def __init__(self, folder):
        """Make the scene in a folder."""
        self.folder, self.count = folder, 0
        self.server = FakeRemoteServer(Watched(key=KEY))
        self.file, self.backup, self.now, self.uuids = self._scene()

    def __enter__(self):
        self.server.__enter__()
        return self

    def __exit__(self, *_):
        self.server.__exit__()

    def _scene(self):
        remote = self.server.remote
        remote.name = self.server.url
        uuids = {name: remote.add(title=name, severity="Medium", tags=["x"]) for name in ("edited", "noted", "changed there", "idle")}
        path, clock = self.folder / "scene.db", FrozenClock()
        with AlertStore.open(path, clock=clock, ids=seeded_ids(), actor="mia") as store:
            store.sync(remote)
            clock.advance(minutes=1)
            store.patch(uuids["edited"], severity="Critical", malice_override="Malicious", tags=["x", "y"])
            store.close_alert(uuids["edited"], "Duplicate")
            store.patch(uuids["noted"], status="Triaging")
            store.add_finding(uuids["noted"], "seen before", evidence={"n": 1})
            store.add_indicators(uuids["noted"], [("ip", "203.0.113.7")])
            made = store.add({"title": "made here", "occurred_at": "2024-05-01T08:00:00.000007Z", "severity": "Low", "tags": ["z"]})
            uuids["made here"] = made.alert.uuid
            store.patch(made.alert.uuid, status="Escalated")
        remote.edit(uuids["changed there"], severity="High", tags=["x", "w"])
        uuids["new there"] = remote.add(title="new there", severity="Low")
        return path.read_bytes(), remote.snapshot(), remote.clock.now, uuids

    def set(self, key=KEY):
        """The scene, afresh."""
        self.count += 1
        remote = Watched(key=key, clock=FrozenClock(self.now), seed=self.count)
        remote.name = self.server.url
        remote.restore(self.backup)
        self.server.remote = self.server._http.remote = remote
        path = self.folder / f"{self.count}.db"
        path.write_bytes(self.file)
        return Bench(self.server, remote, path, dict(self.uuids), key)


class Bench:
    """A remote that is served, a closed store file, the uuids of the scene's alerts by title, and the key by which it syncs."""

    def __init__(self, server, remote, path, uuids, key):
        """Use `Stage.set`."""
        self.server, self.remote, self.path, self.uuids, self.key = server, remote, path, uuids, key

    def beside(self, key, seed):
        """Another store of the same remote, with another key: it has pulled what is there."""
        self.remote.client(key)
        made = Bench(self.server, self.remote, self.path.with_suffix(f".{seed}.db"), self.uuids, key)
        AlertStore.open(made.path, ids=seeded_ids(seed)).close()
        made.sync()
        return made

    def sleep(self, seconds):
        with self.server._http.lock:
            self.remote.wait(seconds)

    def seconds(self):
        return self.remote.micros() / 1e6

    def slow_sleep(self, seconds):
        """A hundredth of the time passes for real: whoever else syncs gets on meanwhile."""
        time.sleep(seconds / 100)
        self.sleep(seconds)

    @contextmanager
    def link(self, **how):
        """A link to the remote over HTTP."""
        given = {"key": self.key, "pace": QUICK, "sleep": self.sleep, "monotonic": self.seconds} | how
        with HttpRemote(self.server.url, **given) as link:
            yield link

    def open(self, **how):
        return AlertStore.open(self.path, **{"actor": "mia", "mode": "rw", "busy_timeout": timedelta(seconds=20)} | how)

    def sync(self, *, timeout=10, **how):
        """One sync of the store file."""
        with self.open() as store, self.link(timeout=timedelta(seconds=timeout)) as link:
            return store.sync(link, **how)

    def asked(self, since=0):
        """The requests since then, as (method, path)."""
        return [(one.method, one.path) for one in self.remote.requests[since:]]

    def moved(self, key=KEY):
        """What we moved on the remote: (uuid, field, value) -> how often."""
        return Counter((move.uuid, move.field, _plain(move.after)) for move in self.remote.moves if move.key_prefix == key[:8])

    def findings(self, name):
        return [(one["evidence"] or {}).get(FINDING_KEY) for one in self.remote.alert(self.there(name))["agent_findings"]]

    def there(self, name):
        """The uuid on the remote of an alert of the scene."""
        if name != "made here":
            return self.uuids[name]
        (found,) = [uuid for uuid in self.remote.uuids() if self.remote.alert(uuid)["title"] == name]
        return found


def _plain(value):
    return tuple(value) if isinstance(value, list) else value


def outcomes(store):
    """{(uuid, register, seq): outcomes}, as the history tells."""
    found = {}
    for event in store.events():
        if event.kind == "alert_synced":
            for register, seq, outcome in event.body["facts"].get("outcomes", ()):
                found.setdefault((event.subject, register, seq), []).append(outcome)
    return found


REFERENCE = {
    ("edited", "status", CLOSED): 1,
    ("edited", "close_classification", "Duplicate"): 1,
    ("edited", "severity", "Critical"): 1,
    ("edited", "malice_override", "Malicious"): 1,
    ("edited", "tags", ("x", "y")): 1,
    ("noted", "status", "Triaging"): 1,
    ("made here", "status", "Escalated"): 1,
}
"""What the scene's edits move on the remote, each once."""


def sync_until_quiet(bench, rounds=6):
    """Let time pass and sync until there is nothing to do; every further sync then sends nothing and writes nothing.

    The requests that wrote something.
    """
    bench.remote.heal()
    begin = len(bench.remote.requests)
    for _ in range(rounds):
        bench.sleep(120)
        before = len(bench.remote.requests)
        done = bench.sync()
        if not done.items and not done.failed and not writes(bench, before):
            break
    else:
        raise AssertionError(f"never quiet: {done}")
    with bench.open() as store:
        size = store.checkpoint()
    before = len(bench.remote.requests)
    bench.sync()
    assert writes(bench, before) == []
    with bench.open() as store:
        assert store.checkpoint() == size, "a sync with nothing to do wrote something"
    return writes(bench, begin)


def steps(short):
    """Every so many places in the short form, every one in the long."""
    return pytest.mark.parametrize("step", [pytest.param(short, id="short"), pytest.param(1, id="long", marks=pytest.mark.long)])


@contextmanager
def told(**where):
    """Where a sweep fails, say where it was."""
    try:
        yield
    except BaseException as fault:
        fault.add_note(f"at {where}")
        raise


@contextmanager
def small_pages(rows=2):
    """Lists of a few rows a page."""
    before = scan.PAGE, client.Client.rows.__kwdefaults__["size"]
    scan.PAGE, client.Client.rows.__kwdefaults__["size"] = rows, rows
    try:
        yield
    finally:
        scan.PAGE, client.Client.rows.__kwdefaults__["size"] = before


def kept(bench):
    """What the store says of alerts and of how they stand, and the kinds of its events."""
    with closing(sqlite3.connect(bench.path)) as conn:
        tables = [
            conn.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in ("alert", "sync_alert", "finding", "alert_indicator")
        ]
        return tables, [kind for (kind,) in conn.execute("SELECT kind FROM event ORDER BY seq")]


def check_nothing_done(bench, before, sent):
    """A guard stopped a sync: nothing was sent, nothing is changed here, but for a line in the log of how far it came."""
    assert writes(bench, sent) == []
    (tables, kinds), (tables_now, kinds_now) = before, kept(bench)
    assert tables_now == tables
    assert kinds_now[: len(kinds)] == kinds
    assert kinds_now[len(kinds) :] in ([], ["remote_synced"])
    check_sound(bench)


def check_sound(bench):
    with bench.open() as store:
        report = store.verify(depth="full")
        assert report.ok, report.problems


def writes(bench, since=0):
    return [one for one in bench.asked(since) if one[0] in WRITES]


def check_all_arrived(bench, *, findings=1):
    """Every edit of the scene had its effect once and has its one outcome; both sides show the same; the store is sound."""
    check_all_but_conflicts(bench, findings=findings)
    with bench.open() as store:
        assert store.conflicts() == []


def check_all_but_conflicts(bench, *, findings=1):
    """The same, whatever waits for a person."""
    remote = bench.remote
    assert len(remote.uuids()) == 6
    names = {bench.there(name): name for name in bench.uuids}
    assert {(names[uuid], field, value): n for (uuid, field, value), n in bench.moved().items()} == REFERENCE
    with bench.open() as store:
        assert store.count() == 6
        for name, uuid in bench.uuids.items():
            check_same(store.get(uuid), remote.alert(bench.there(name)))
        told = outcomes(store)
        assert {register: said for (uuid, register, _), said in told.items() if uuid == bench.uuids["made here"]} == {
            "lifecycle": ["delivered"]
        }
        assert sorted(outcome for said in told.values() for outcome in said) == ["delivered"] * 6 + ["replaced"], told
        assert all(len(said) == 1 for said in told.values()), told
        ours = [one.id for one in store.get(bench.uuids["noted"]).agent_findings]
        assert bench.findings("noted") == ours * findings
        assert len(ours) == 1
        report = store.verify(depth="full")
        assert report.ok, report.problems


def check_same(alert, said):
    """An alert here shows what the remote says."""
    check_registers(alert, said)
    assert {(str(one.type), one.value) for one in alert.indicators} == {(one["type"], one["value"]) for one in said["indicators"]}


def check_registers(alert, said):
    """The same, but for indicators: that one was added moves no token, so a store that did not add it may not know it yet."""
    verdict = said["close_classification"] if said["status"] == CLOSED else None
    ours = (str(alert.status), alert.close_classification and str(alert.close_classification), str(alert.severity), alert.malice_override)
    assert ours == (said["status"], verdict, said["severity"], said["malice_override"]), said["title"]
    assert set(alert.tags) == set(said["tags"]), said["title"]


class MortalStore(AlertStore):
    """A store with something to happen in its commits: `before` and `after` are called with the number of each."""

    commits = 0
    before = after = staticmethod(lambda number: None)

    @contextmanager
    def _write(self):
        with super()._write() as transaction:
            yield transaction
            self.commits += 1
            number = self.commits
            self.before(number)
        self.after(number)


class Mortals:
    """A server of processes that sync a store file, once. Each is forked from one that has everything imported."""

    def __init__(self):
        self.server = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _ask(self, *words):
        self.server.stdin.write(json.dumps(words) + "\n")
        self.server.stdin.flush()
        return json.loads(self.server.stdout.readline())

    def start(self, bench, commit=0, when="before"):
        """Sync; with a commit's number, die right before or right after it. The process's id."""
        return self._ask("sync", str(bench.path), bench.server.url, bench.key, commit, when)

    def wait(self, pid):
        """How a process ended: negative where a signal did it."""
        return self._ask("wait", pid)

    def close(self):
        self.server.stdin.close()
        self.server.wait(60)
        self.server.stdout.close()


def live(path, url, key, commit, when):
    """One sync, in a process of its own, that dies in a commit."""

    def die(number):
        if number == commit:
            os.kill(os.getpid(), signal.SIGKILL)

    with (
        MortalStore.open(path, mode="rw", actor="mia", durability="normal") as store,  # a killed process loses nothing by it
        HttpRemote(url, key=key, pace=QUICK, sleep=lambda _: None) as link,
    ):
        setattr(store, when, die)
        store.sync(link)


def serve():
    """Fork a process for each line of JSON, or wait for one."""
    AlertStore.open(":memory:").close()
    import alertstore.sync.run  # noqa: F401 - before forking

    for line in sys.stdin:
        word, *rest = json.loads(line)
        answer = os.waitstatus_to_exitcode(os.waitpid(rest[0], 0)[1]) if word == "wait" else os.fork()
        if not answer and word == "sync":
            try:
                live(*rest)
            finally:
                os._exit(int(sys.exc_info()[0] is not None))
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
