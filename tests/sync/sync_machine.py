"""Random histories of stores that sync with one remote: whatever happens, `sync_oracle` must hold.

Deliver, human edit, deliver: the three in a row that break most designs are one rule, so they come often.
"""

from __future__ import annotations

from collections import Counter

from attrs import evolve
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from sync_oracle import check_always, check_order, check_quiet, dump, settle, shown
from sync_world import FAULTS, PATCHES, World

from alertstore.domain.plan import SyncPlan, SyncResult

COUNTS = Counter()
"""What came up in all runs of this process."""

which = st.integers(0, 4)
patches = st.integers(0, len(PATCHES) - 1)
faults = st.integers(0, len(FAULTS) - 1)
policies = st.sampled_from([0, 0, 0, 1])
at_a_write = st.sampled_from(["PATCH", "PATCH", "PATCH"]) | st.integers(6, 14)


class SyncMachine(RuleBasedStateMachine):
    """Stores, gateways, a remote, people, crashes, faults."""

    stores = 2

    def __init__(self):
        super().__init__()
        self.world = None

    @initialize(lifecycle=st.sampled_from([0, 0, 1, 2]), there=st.integers(1, 3))
    def begin(self, lifecycle, there):
        self.world = World(self.stores, lifecycle)
        for title in range(there):
            self.do("arrive", title=title)
        for node in range(self.stores):
            self.do("sync", node=node)

    def do(self, what, **how):
        done = self.world.do(what, **how)
        if what == "sync":
            check_always(self.world)
        return done

    def node(self, number):
        return number % self.stores

    # --- at the stores ---

    @rule(node=which, title=st.integers(0, 4), day=st.sampled_from([0, 0, 2]))
    def add(self, node, title, day):
        self.do("add", node=self.node(node), title=title, day=day)

    @rule(node=which, alert=which, patch=patches)
    def edit(self, node, alert, patch):
        self.do("edit", node=self.node(node), alert=alert, patch=patch)

    @rule(node=which, patch=patches)
    def bulk(self, node, patch):
        self.do("bulk", node=self.node(node), patch=patch)

    @rule(node=which, alert=which, ip=st.integers(1, 3), finds=st.booleans())
    def add_beside(self, node, alert, ip, finds):
        if finds:
            self.do("find", node=self.node(node), alert=alert)
        else:
            self.do("indicate", node=self.node(node), alert=alert, ip=ip)

    @rule(node=which, alert=which)
    def drop(self, node, alert):
        self.do("drop", node=self.node(node), alert=alert)

    @rule(node=which, conflict=which, take=st.sampled_from(["local", "remote"]))
    def resolve(self, node, conflict, take):
        self.do("resolve", node=self.node(node), which=conflict, take=take)

    @rule(node=which, hours=st.integers(-30, 100))
    def tick(self, node, hours):
        self.do("tick", node=self.node(node), hours=hours)

    # --- at the remote ---

    @rule(alert=which, patch=patches)
    def human(self, alert, patch):
        self.do("human", alert=alert, patch=patch)

    @rule(title=st.integers(0, 4))
    def arrive(self, title):
        self.do("arrive", title=title)

    @rule(alert=which)
    def remark(self, alert):
        self.do("remark", alert=alert)

    @rule(alert=which)
    def forget(self, alert):
        self.do("forget", alert=alert)

    @rule(kind=faults, method=st.sampled_from(["PATCH", "PATCH", "POST", "GET"]), skip=st.integers(0, 2))
    def fault(self, kind, method, skip):
        self.do("fault", kind=kind, method=method, skip=skip)

    @rule(alert=which, patch=patches, skip=st.integers(0, 1))
    def interfere(self, alert, patch, skip):
        self.do("interfere", alert=alert, patch=patch, skip=skip)

    @rule(seconds=st.sampled_from([1, 20, 60, 4000]))
    def wait(self, seconds):
        self.do("wait", seconds=seconds)

    # --- the stick ---

    @rule(node=which, news=st.booleans())
    def export(self, node, news):
        self.do("export", node=self.node(node), news=news)

    @precondition(lambda self: self.world and self.world.sticks)
    @rule(node=which, stick=st.integers(0, 20), again=st.booleans())
    def carry(self, node, stick, again):
        """I6: taking a bundle in twice is taking it in once."""
        store = self.world.nodes[self.node(node)].store
        self.do("carry", node=self.node(node), stick=stick)
        check_always(self.world)
        if again:
            before = store.checkpoint()
            done = self.do("carry", node=self.node(node), stick=stick)
            assert (done.new, done.merged, done.edits, done.records, done.conflicts) == (0, 0, 0, 0, 0), f"I6: {done}"
            assert store.checkpoint() == before, "I6: a bundle taken in twice changed the store twice"

    @rule(node=which, alert=which, mine=patches, theirs=patches, news=st.booleans())
    def send_by_another(self, node, alert, mine, theirs, news):
        """Two stores edit apart; one brings the other's edits to the remote, and both know of it by stick."""
        node, other = self.node(node), self.node(node + 1)
        self.do("edit", node=node, alert=alert, patch=mine)
        self.do("edit", node=other, alert=alert, patch=theirs)
        self.do("export", node=node, news=news)
        self.do("carry", node=other, stick=len(self.world.sticks) - 1)
        self.do("sync", node=other)
        self.do("export", node=other, news=news)
        self.do("carry", node=node, stick=len(self.world.sticks) - 1)
        check_always(self.world)
        self.world.count["sent by another"] += 1

    # --- sync ---

    @rule(node=which, policy=policies, audit=st.booleans())
    def sync(self, node, policy, audit):
        self.do("sync", node=self.node(node), policy=policy, audit=audit)

    @rule(node=which, pull=st.booleans())
    def sync_one_way(self, node, pull):
        self.do("sync", node=self.node(node), pull=pull, push=not pull)

    @rule(node=which, at=st.integers(1, 20), after=st.booleans())
    def die_at_a_request(self, node, at, after):
        self.do("sync", node=self.node(node), dies_at=at, after=after)

    @rule(node=which, writes=st.integers(0, 6))
    def die_in_a_commit(self, node, writes):
        self.do("sync", node=self.node(node), writes=writes)

    @rule(node=which, alert=which, mine=patches, theirs=patches, at=at_a_write, after=st.booleans(), fault=st.none() | faults)
    def edit_deliver_human_deliver(self, node, alert, mine, theirs, at, after, fault):
        node = self.node(node)
        uuid = self.do("edit", node=node, alert=alert, patch=mine)
        if fault is not None:
            self.do("fault", kind=fault, method="PATCH", skip=0)
        self.do("sync", node=node, dies_at=at, after=after)
        there = None if uuid is None else self.world.linked(node, uuid)
        if there in self.world.remote.uuids():
            self.do("human", alert=self.world.remote.uuids().index(there), patch=theirs)
        self.do("sync", node=node)
        self.world.count["deliver, human, deliver"] += 1

    @rule(node=which, alert=which, mine=patches, theirs=patches, skip=st.integers(0, 1), dies_at=st.none() | at_a_write)
    def edit_race(self, node, alert, mine, theirs, skip, dies_at):
        """Somebody edits between our look and our write; and perhaps the process dies right after."""
        node = self.node(node)
        uuid = self.do("edit", node=node, alert=alert, patch=mine)
        there = None if uuid is None else self.world.linked(node, uuid)
        if there in self.world.remote.uuids():
            self.do("interfere", alert=self.world.remote.uuids().index(there), patch=theirs, skip=skip)
        self.do("sync", node=node, dies_at=dies_at, after=True)
        self.do("heal")
        self.do("sync", node=node)

    @rule(node=which, alert=which, mine=patches, theirs=patches)
    def both_sides_at_once(self, node, alert, mine, theirs):
        """Two stores and a person edit the same alert, then all sync."""
        uuid = self.do("edit", node=self.node(node), alert=alert, patch=mine)
        other = self.node(node + 1)
        if uuid is not None and uuid in {item.uuid for item in self.world.nodes[other].store.alerts(limit=1000).items}:
            self.do("edit", node=other, alert=alert, patch=theirs)
        self.do("sync", node=self.node(node))
        self.do("sync", node=other)

    @rule(node=which, policy=policies)
    def plan(self, node, policy):
        """I8: a plan is the same twice and writes nothing; I9: what is done by it is of it."""
        node = self.node(node)
        self.do("heal", seconds=100)
        store, remote = self.world.nodes[node].store, self.world.remote
        before, sent = store.checkpoint(), len(remote.requests)
        first = self.do("sync", node=node, policy=policy, dry_run=True)
        again = self.do("sync", node=node, policy=policy, dry_run=True)
        if not isinstance(first, SyncPlan):
            return
        assert evolve(first, skew=0).to_json() == evolve(again, skew=0).to_json(), "I8: two plans differ in more than the time of day"
        assert store.checkpoint() == before, "I8: a plan wrote to the store"
        assert not self.world.writes(sent), "I8: a plan wrote to the remote"
        done = self.do("sync", node=node, policy=policy, plan=SyncPlan.read(first.to_json()))
        assert isinstance(done, SyncResult), done
        links = {item.uuid: self.world.linked(node, item.uuid) for item in first.items if item.action == "create"}
        made = {there: shown(store.get(uuid)) for uuid, there in links.items()}  # what is made there is then brought to what it is here
        bodies = [(item.remote_uuid, dict(item.body)) for item in first.items if item.body]
        for one in self.world.writes(sent):
            if one.method == "PATCH":
                uuid = one.path.split("/")[3]
                planned = (uuid, one.body) in bodies or (uuid in made and one.body.items() <= made[uuid].items())
                assert planned, f"I9: {one} is not of the plan {bodies}"
        self.world.count["plan"] += 1

    @rule(node=which)
    def audit_sees_everything(self, node):
        """I16: whatever anybody changed before an audit is here after it."""
        node = self.node(node)
        self.do("heal", seconds=300)
        done = self.do("sync", node=node, audit=True, push=False)
        if not isinstance(done, SyncResult):
            return
        told = check_always(self.world)[node]
        tokens = {
            state.get("uuid"): state.get("token")
            for alert, state in told.states.items()
            if alert not in told.gone and not state.get("intent")
        }
        for uuid in self.world.remote.uuids():
            known = {uuid for uuids in told.links.values() for uuid in uuids}
            assert uuid in known, f"I16: {uuid} was not seen by an audit of store {node}"
            if uuid in tokens:
                said = self.world.remote.alert(uuid)["updated_at"]
                assert tokens[uuid] == said, f"I16: {uuid} is known as of {tokens[uuid]}, it changed at {said}"
        self.world.count["audit"] += 1

    @rule(node=which, alert=which, status=st.sampled_from([500, 422]))
    def one_is_in_error(self, node, alert, status):
        """I12: an alert that the remote fails on keeps no other from being sent."""
        node, remote = self.node(node), self.world.remote
        self.do("heal", seconds=300)
        self.do("bulk", node=node, patch=6)
        poisoned = self.world.there(alert)
        if poisoned is None:
            return
        remote.fail("status", "PATCH", poisoned, times=None, status=status)
        done = self.do("sync", node=node)
        if isinstance(done, SyncResult):
            left = self.world.do("sync", node=node, dry_run=True)
            assert isinstance(left, SyncPlan), left
            blocked = [item for item in left.items if item.body and item.remote_uuid != poisoned]
            assert not blocked, f"I12: {poisoned} in error kept {blocked} from being sent"
            self.world.count["alert in error"] += 1
        self.do("heal")

    @rule()
    def back_up(self):
        self.do("backup")

    @precondition(lambda self: self.world and self.world.backups)
    @rule(backup=which, node=which, wiped=st.booleans())
    def restore(self, backup, node, wiped):
        """I17: a guard that stops a sync leaves the store as it was."""
        node, world = self.node(node), self.world
        self.do("heal", seconds=300)
        if wiped:
            before = world.nodes[node].store.checkpoint()
            watched = {state["uuid"] for state in check_always(world)[node].states.values() if "uuid" in state and not state.get("gone")}
            backup_now = world.remote.snapshot()
            world.remote.wipe()
            world.disturbed = True
            done = world.sync(node)
            if len(watched) > 2:
                assert not isinstance(done, SyncResult), "I17: a wiped remote was not noticed"
                assert world.nodes[node].store.checkpoint() == before, "I17: a guard wrote"
            world.remote.restore(backup_now)
            world.script.append(None)  # what cannot be done again
        else:
            self.do("restore", which=backup)
            self.do("sync", node=node)
            self.do("sync", node=node, force=True)

    def teardown(self):
        if self.world is None:
            return
        try:
            if self.fine:
                if len(self.world.sticks) > 1:
                    check_order(self.world)
                self.world.count["rounds until quiet", settle(self.world)] += 1
                check_quiet(self.world)
        finally:
            COUNTS.update(self.world.count)
            self.world.close()

    fine = True


def replayed(script, given, shifts):
    """The same once more, with clocks that stand elsewhere; what came of it."""
    world = World(*given, shifts=shifts)
    try:
        for what, how in script:
            world.do(what, **how)
        settle(world)
        return dump(world)
    finally:
        world.close()
