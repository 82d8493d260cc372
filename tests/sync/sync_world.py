"""A world to sync in: stores with clocks of their own, one remote that all of them reach with keys of their own, people at both.

What is done is a list of (name, arguments), so that it can be done again with other clocks. `sync_oracle` says what must hold.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from datetime import timedelta
from pathlib import Path

from attrs import define
from sync_gate import Crash, Gate, MortalStore, small_pages

from alertstore import AlertValidationError, LifecyclePolicy
from alertstore.domain.syncpolicy import ANY, TAKE_LOCAL, LifecycleRule, SyncPolicy
from alertstore.errors import RemoteRejectedError, RemoteUnavailableError, SyncError
from alertstore.testing import FakeRemote, FrozenClock, seeded_ids
from alertstore.testing.remote import PERSON

LIFECYCLES = (LifecyclePolicy.reopenable(), LifecyclePolicy.permissive(), LifecyclePolicy.documented())
BOLD = SyncPolicy(lifecycle=(LifecycleRule(ANY, ANY, TAKE_LOCAL),), severity=TAKE_LOCAL, malice=TAKE_LOCAL)
POLICIES = (SyncPolicy(), BOLD)
PATCHES = (
    {"status": "Triaging"},
    {"status": "Escalated"},
    {"status": "Open"},
    {"status": "Closed", "close_classification": "Duplicate"},
    {"status": "Closed", "close_classification": "Undetermined"},
    {"severity": "Low"},
    {"severity": "Critical"},
    {"malice_override": "Benign"},
    {"malice_override": "Malicious"},
    {"reset_malice_override": True},
    {"tags": ["x"]},
    {"tags": ["x", "y"]},
    {"tags": []},
    {"tags": ["sys:z", "y"]},
    {"status": "Escalated", "severity": "High", "tags": ["y"], "malice_override": "Suspicious"},
)
WRITES = ("PATCH", "POST", "DELETE")
FAULTS = (
    ("late_commit", {"seconds": 3}),
    ("late_commit", {"seconds": 50}),
    ("lost_commit", {}),
    ("drop_before", {}),
    ("drop_after", {}),
    ("status", {"status": 429, "retry_after": 2}),
    ("status", {"status": 500}),
    ("status", {"status": 503}),
    ("status_after", {"status": 500}),
    ("truncated", {}),
    ("duplicate", {}),
    ("delayed", {"seconds": 4}),
    ("delayed", {"seconds": 45}),
)


@define
class Node:
    """A store, its clock, its gate."""

    number: int
    clock: FrozenClock
    store: MortalStore
    gate: Gate | None = None


class World:
    """Everything. `do` does one thing and keeps it in `script`; `count` what came up."""

    def __init__(self, stores=2, lifecycle=0, shifts=(0, 0, 0)):
        self.given = (stores, lifecycle)
        self.remote = FakeRemote(key="cai_root-0")
        self.script, self.count, self.faults = [], Counter(), []
        self.folder, self.sticks, self.exported = None, [], {}
        self.races, self.loose, self.deleted_there = [], set(), set()
        self.backups, self.disturbed = [], False
        self.look = None  # how many moves there were when somebody edited between a look and a write
        self.nodes = []
        for number in range(stores):
            clock = FrozenClock(FrozenClock().now + timedelta(days=shifts[number] * 365))
            store = MortalStore.open(
                ":memory:", clock=clock, ids=seeded_ids(number + 1), policy=LIFECYCLES[lifecycle], actor=f"analyst-{number}"
            )
            node = Node(number, clock, store)
            node.gate = Gate(self, node, self.remote.client(f"cai_g{number}ay-key"))
            self.nodes.append(node)

    def close(self):
        for node in self.nodes:
            node.store.close()
        if self.folder is not None:
            shutil.rmtree(self.folder)

    def do(self, what, **how):
        self.script.append((what, how))
        return getattr(self, what)(**how)

    # --- choosing: a number names the same thing wherever the world is the same ---

    def local(self, node, alert):
        uuids = sorted(item.uuid for item in self.nodes[node].store.alerts(limit=1000, order_by="created_at").items)
        return uuids[alert % len(uuids)] if uuids else None

    def there(self, alert):
        uuids = self.remote.uuids()
        return uuids[alert % len(uuids)] if uuids else None

    def linked(self, node, uuid):
        """The remote's uuid of an alert here."""
        states = [e.body["facts"]["state"] for e in self.nodes[node].store.history(uuid) if e.kind == "alert_synced"]
        return states[-1].get("uuid") if states else None

    # --- at a store ---

    def add(self, node, title, day, severity="Medium"):
        at = (FrozenClock().now + timedelta(days=day)).isoformat()
        self.nodes[node].store.add({"title": f"Alert {title}", "occurred_at": at, "severity": severity})

    def edit(self, node, alert, patch):
        uuid = self.local(node, alert)
        if uuid is not None:
            self._edit(node, uuid, patch)
        return uuid

    def _edit(self, node, uuid, patch):
        wanted, store = PATCHES[patch], self.nodes[node].store
        try:
            if wanted.get("status") == "Closed":
                store.close_alert(uuid, wanted["close_classification"])
            else:
                store.patch(uuid, wanted)
        except AlertValidationError:
            self.count["edit refused"] += 1
        else:
            self.count["edit"] += 1

    def bulk(self, node, patch):
        self.nodes[node].store.patch_many(patch=PATCHES[patch], best_effort=True)
        self.count["bulk edit"] += 1

    def find(self, node, alert):
        uuid = self.local(node, alert)
        if uuid is not None:
            self.nodes[node].store.add_finding(uuid, "seen before", evidence={"n": 1}, confidence="low")

    def indicate(self, node, alert, ip):
        uuid = self.local(node, alert)
        if uuid is not None:
            self.nodes[node].store.add_indicators(uuid, [("ip", f"203.0.113.{ip}")])

    def drop(self, node, alert):
        uuid = self.local(node, alert)
        if uuid is not None:
            self.nodes[node].store.delete_alert(uuid)

    def resolve(self, node, which, take):
        found = self.nodes[node].store.conflicts()
        if found:
            one = found[which % len(found)]
            self.count[f"resolved {one.kind} for {take}"] += 1
            self.nodes[node].store.resolve(one.uuid, one.register, take=take)

    def tick(self, node, hours):
        self.nodes[node].clock.advance(hours=hours)

    # --- sync ---

    def sync(self, node, *, dies_at=None, after=False, writes=None, policy=0, **how):
        """A sync that may die at a request (by number, or the first of a method), before or after it took effect, or in its n-th commit.

        The result, or what stopped it.
        """
        one, gate = self.nodes[node], self.nodes[node].gate
        gate.count, gate.dies_at, gate.dies_after, one.store.writes_left = 0, dies_at, after, writes
        try:
            with small_pages():
                done = one.store.sync(gate, policy=POLICIES[policy], **how)
        except Crash:
            self.count["crash"] += 1
            return None
        except (RemoteUnavailableError, RemoteRejectedError) as fault:
            self.count["sync broken off"] += 1
            return fault
        except SyncError as fault:
            self.count["guard"] += 1
            if not self.disturbed:
                raise AssertionError(f"a guard stopped for nothing: {fault}") from fault
            return fault
        finally:
            gate.dies_at, one.store.dead, one.store.writes_left = None, False, None
        self.count["sync"] += 1
        return done

    def delayed(self):
        """How many requests will come late."""
        return sum(one.hits for one in self.faults if one.kind == "delayed")

    def fault(self, kind, method, skip):
        how = FAULTS[kind]
        self.faults.append(self.remote.fail(how[0], method, r"^/v1/alerts", after=skip, **how[1]))
        self.count[f"fault {how[0]}"] += 1

    def heal(self, seconds=0):
        self.remote.heal()
        self.remote.wait(seconds)

    # --- the stick ---

    def fresh(self):
        """A store that nothing has happened in."""
        return MortalStore.open(":memory:", clock=FrozenClock(), ids=seeded_ids(99), policy=LIFECYCLES[0])

    def export(self, node, *, news=False):
        """A bundle more: everything, or only what is new since the last."""
        self.folder = self.folder or Path(tempfile.mkdtemp())
        store, path = self.nodes[node].store, self.folder / f"{len(self.sticks)}.asb"
        written = store.export_bundle(path, since=self.exported.get(node, 0) if news else 0)
        assert not written.left
        self.exported[node] = store.checkpoint().size
        self.sticks.append((node, path))
        self.count["exported"] += 1

    def carry(self, node, stick):
        """Take in any bundle there is, its own ones and old ones included."""
        if self.sticks:
            self.count["imported"] += 1
            return self.nodes[node].store.import_bundle(self.sticks[stick % len(self.sticks)][1])
        return None

    # --- at the remote ---

    def human(self, alert, patch):
        uuid = self.there(alert)
        if uuid is not None:
            self._human(uuid, patch)

    def _human(self, uuid, patch):
        if self.remote.alert(uuid) is not None:
            self.remote.edit(uuid, **PATCHES[patch])
            self.count["human edit"] += 1

    def interfere(self, alert, patch, skip=0):
        """Somebody edits an alert there right after a store has looked at it (the time after `skip` looks)."""
        uuid = self.there(alert)
        if uuid is None:
            return

        def meddle():
            self.look = len(self.remote.moves) if self.look is None else self.look
            self._human(uuid, patch)
            self.count["edit between look and write"] += 1

        self.remote.fail("edit_between", "GET", f"/v1/alerts/{uuid}$", after=skip, do=meddle)

    def arrive(self, title):
        self.remote.add(title=f"Alert {title}", severity="Medium", occurred_at=FrozenClock().now.isoformat())

    def remark(self, alert):
        uuid = self.there(alert)
        if uuid is not None:
            body = {"agent_name": "somebody", "summary": "noted there"}
            self.remote._do("POST", f"/v1/alerts/{uuid}/findings", body, PERSON)  # a person's request meets no fault
            self.remote.enrich(uuid)

    def forget(self, alert):
        """All but the first can be deleted: a remote without any of the known alerts is taken for another one."""
        uuid = self.there(alert)
        if uuid is not None and uuid != self.remote.uuids()[0]:
            self.remote.forget(uuid)
            self.deleted_there.add(uuid)
            self.count["deleted there"] += 1

    def backup(self):
        self.backups.append(self.remote.snapshot())

    def restore(self, which):
        if self.backups:
            self.remote.restore(self.backups[which % len(self.backups)])
            self.disturbed = True
            self.count["restored"] += 1

    def wait(self, seconds):
        self.remote.wait(seconds)

    def writes(self, since=0):
        """The requests that write, after the first `since` of all."""
        return [one for one in self.remote.requests[since:] if one.method in WRITES]
