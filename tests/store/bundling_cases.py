"""Stores that exchange bundles, what they must come to, and bundles that no store has written."""

from __future__ import annotations

import copy
import json
import os
import runpy
import sqlite3
from collections import Counter
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

from alertstore import AlertStore, AlertValidationError, LifecyclePolicy, verifier
from alertstore.domain.content import alert_content, finding_content, indicators_content, record_content
from alertstore.domain.events import canonical
from alertstore.domain.identity import commitment
from alertstore.domain.merkle import leaf_hash
from alertstore.errors import AlertNotFoundError
from alertstore.testing import FakeRemote, FrozenClock, generic_alert, seeded_ids

Parts = runpy.run_path(str(Path(__file__).parents[1] / "sync" / "bundle_cases.py"))["Parts"]
fill_store = runpy.run_path(str(Path(__file__).parent / "conftest.py"))["fill_store"]

LIFECYCLES = (LifecyclePolicy.permissive(), LifecyclePolicy.reopenable(), LifecyclePolicy.documented())
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
    {"status": "Escalated", "severity": "High", "tags": ["y"], "malice_override": "Suspicious"},
)
DONE = Counter()
"""What came up in all worlds of this process."""


def opened(number, **options):
    """A store in memory with its own ids."""
    return AlertStore.open(":memory:", **({"clock": FrozenClock(), "ids": seeded_ids(number), "actor": f"analyst-{number}"} | options))


def check_sound(store):
    """It verifies, by the library and by the verifier that stands alone."""
    found = store.verify()
    assert found.ok, found.problems
    with closing(sqlite3.connect(":memory:")) as conn:
        conn.deserialize(store._repository.conn.serialize())
        assert verifier.check_store(conn, verifier.Kept())[0].problems == []


def edits_by_seq(store):
    """The ids, that they have everywhere, of the events that keep edits here."""
    found = {}
    for event in store.events():
        origin = event.body.get("origin") or {}
        if "edits" in event.body:
            found[event.seq] = (origin["store"], origin["seq"]) if "store" in origin else (store.id, event.seq)
    return found


def outcomes(store):
    """What became of edits: (id, register) -> the outcomes it got."""
    ids, found = edits_by_seq(store), {}
    for event in store.events():
        for register, seq, outcome in (event.body.get("facts") or {}).get("outcomes", ()) if event.kind == "alert_synced" else ():
            found.setdefault((ids[seq], register), []).append(outcome)
    return found


def dump(store, *, records=True):
    """All that stores which know the same must agree on, by names and ids that are the same everywhere."""
    ids, found, waits = edits_by_seq(store), {}, {}
    for one in store.conflicts():
        waits.setdefault(one.uuid, []).append((one.register, one.kind, one.remote, one.local, sorted(map(repr, one.edits))))
    with store._read() as conn:
        heads = {uuid: json.loads(text) for uuid, text in conn.execute("SELECT uuid, heads FROM alert")}
        kept = conn.execute("SELECT a.uuid, o.source_name, o.sha256, o.raw FROM occurrence o JOIN alert a ON a.id = o.alert_id").fetchall()
    for item in store.alerts(limit=1000).items:
        alert = store.get(item.uuid)
        names = sorted([alert.uuid, *alert.aliases])
        found[names[0]] = {
            "names": names,
            "said": (alert.title, alert.description, alert.source_name, alert.occurred_at),
            "registers": (alert.status, alert.close_classification, alert.severity, alert.malice_override, sorted(alert.tags)),
            "indicators": sorted(f"{one.type}:{one.value}" for one in alert.indicators),
            "findings": sorted((one.id, one.summary, repr(one.evidence)) for one in alert.agent_findings),
            "heads": {register: sorted(ids[seq] for seq in seqs) for register, seqs in heads[alert.uuid].items() if seqs},
            "conflicts": sorted(waits.get(alert.uuid, []), key=repr),
            "records": sorted(row[1:] for row in kept if row[0] == alert.uuid) if records else None,
            "seen": (alert.duplicate_count, alert.last_seen_at) if records else None,
        }
    return found, sorted(set(ids.values()))


class World:
    """Stores that edit, and exchange bundles; perhaps a remote that the first of them reach. `do` does one thing."""

    def __init__(self, folder, stores, lifecycle=0, gateways=0):
        self.folder, self.bundles, self.serial = folder, [], 0
        self.clocks = [FrozenClock(FrozenClock().now + timedelta(days=3 * number)) for number in range(stores)]
        self.stores = [opened(number + 1, clock=clock, policy=LIFECYCLES[lifecycle]) for number, clock in enumerate(self.clocks)]
        self.remote = FakeRemote(key="cai_root-0")
        self.gates = [self.remote.client(f"cai_g{number}ay-key") for number in range(gateways)]

    def close(self):
        for store in self.stores:
            store.close()
        for name in {*self.bundles}:
            os.unlink(name)

    def do(self, what, *how):
        DONE[what] += 1
        return getattr(self, what)(*how)

    def alert(self, store, number):
        uuids = sorted(item.uuid for item in store.alerts(limit=1000).items)
        return uuids[number % len(uuids)] if uuids else None

    def add(self, node, title, own):
        """An alert that others may have as well, byte for byte, or one of this store's own."""
        at = (FrozenClock().now + timedelta(days=2 * title)).isoformat()
        whose = f" of {node}" if own else ""
        pairs = [{"type": "ip", "value": f"203.0.113.{title}"}]
        self.pick(node).add({"title": f"Alert {title}{whose}", "occurred_at": at, "severity": "Medium", "indicators": pairs})

    def pick(self, node):
        return self.stores[node % len(self.stores)]

    def edit(self, node, alert, patch):
        self._edit(self.pick(node), self.alert(self.pick(node), alert), patch)

    def clash(self, alert, patches):
        """Each store edits the same alert before it has heard of the others."""
        uuid = self.alert(self.stores[0], alert)
        for store, patch in zip(self.stores, patches, strict=False):
            with suppress(AlertNotFoundError):
                self._edit(store, uuid, patch)

    def dispute(self, alert, patches, which, take):
        """They clash, one hears of the others, and somebody there decides."""
        self.clash(alert, patches)
        self.pass_on(0, 1, 0)
        self.resolve(1, which, take)

    @staticmethod
    def _edit(store, uuid, patch):
        wanted = PATCHES[patch]
        if uuid is not None:
            with suppress(AlertValidationError):
                if wanted.get("status") == "Closed":
                    store.close_alert(uuid, wanted["close_classification"])
                else:
                    store.patch(uuid, wanted)

    def enrich(self, node, alert, what):
        store = self.pick(node)
        uuid = self.alert(store, alert)
        if uuid is not None and what:
            store.add_indicators(uuid, [("ip", f"198.51.100.{what}")])
        elif uuid is not None:
            store.add_finding(uuid, "seen before", evidence={"n": 1})

    def resolve(self, node, which, take):
        store = self.pick(node)
        if found := [one for one in store.conflicts() if one.kind != "gone"]:
            one = found[which % len(found)]
            with suppress(AlertValidationError):  # no remote has said anything
                store.resolve(one.uuid, one.register, take=take)
                DONE["resolved"] += 1

    def tick(self, node, hours):
        self.clocks[node % len(self.clocks)].advance(hours=hours)

    def export(self, node, since):
        """All, or what changed in the last events."""
        store, name = self.pick(node), str(self.folder / f"{self.serial}.asb")
        self.serial += 1
        store.export_bundle(name, since=max(0, store.checkpoint().size - since) if since else 0)
        self.bundles.append(name)
        return name

    def take(self, node, bundle):
        if self.bundles:
            self.pick(node).import_bundle(self.bundles[bundle % len(self.bundles)])

    def pass_on(self, node, to, since):
        """A stick goes from one store to another."""
        self.export(node, since)
        self.take(to, -1)

    def sync(self, node):
        number = node % len(self.gates)
        self.stores[number].sync(self.gates[number])

    def human(self, alert, patch):
        uuids = self.remote.uuids()
        if uuids:
            self.remote.edit(uuids[alert % len(uuids)], **PATCHES[patch])

    def arrive(self, title):
        self.remote.add(title=f"Alert {title}", severity="Medium", occurred_at=(FrozenClock().now + timedelta(days=2 * title)).isoformat())

    def exchange(self):
        """Everybody gets everything: the first gathers, then hands out."""
        last = len(self.stores) - 1
        for number in [*range(1, last + 1), *range(1, last + 1)]:
            self.pass_on(number, 0, 0)
        everything = self.export(0, 0)
        for store in self.stores[1:]:
            store.import_bundle(everything)

    def pending(self):
        """The edits that wait for the remote in any store, and for no person: (store, alert, register)."""
        found = []
        for number, store in enumerate(self.stores):
            desk = store._desk(("nobody", None))
            with store._read() as conn:
                for uuid in sorted(item.uuid for item in store.alerts(limit=1000).items):
                    here = desk.here(conn, uuid)
                    held = {one.register for one in here.link.held}
                    found += [(number, uuid, register) for register in here.link.pending(here.local.heads) if register not in held]
        return found


# --- bundles that no store has written ---

JUNK = (
    None, True, False, 0, -1, 1, 3, (1 << 53) - 1, "", "x", "\0", "Closed", "2026-01-01T00:00:00Z", "00000000-0000-0000-0000-000000000000",
    [], [1], ["x"], [[]], {}, {"x": 1}, [None, "Closed"], ["Open", "Weird"], ["Closed", "Duplicate"], [["x"], ["y"]],
)  # fmt: skip
_SAID_TWICE = {"uuid", "aliases", "occurred_at", "created_at", "source_name"}


def make_bundles(folder):
    """Files: `early`, of a store that syncs; `late`, of it later on; `relayed`, of one that took both, with edits, rules and content of
    every kind, conflicts, outcomes.
    """
    clock, remote = FrozenClock(), FakeRemote(key="cai_root-0")
    gate = remote.client("cai_g0ay-key")
    names = {name: str(folder / f"{name}.asb") for name in ("early", "late", "relayed")}
    with opened(1, clock=clock) as one, opened(2) as two:
        fill_store(one, folder, clock)
        one.sync(gate)
        remote.edit(remote.uuids()[0], severity="Low", tags=["there"])
        one.export_bundle(names["early"])
        two.import_bundle(names["early"])
        uuids = sorted(item.uuid for item in two.alerts(limit=100).items)
        for uuid in uuids:
            two.patch(uuid, {"severity": "High", "tags": ["b"]})
            two.add_finding(uuid, "seen there too", evidence={"x": 1})
            two.add_indicators(uuid, [("ip", "198.51.100.7")])
        one.sync(gate)
        one.patch(uuids[0], malice_override="Malicious")
        two.patch(uuids[0], malice_override="Benign")
        one.export_bundle(names["late"])
        two.import_bundle(names["late"])
        two.add(generic_alert(title="another", rule_id="R-9", rule_name="r9"))
        two.export_bundle(names["relayed"])
        assert two.conflicts()
    return names


def copied(parts):
    """Parts of a bundle that can be changed without changing those."""
    made = copy.copy(parts)
    made.lines, made.events = copy.deepcopy(parts.lines), copy.deepcopy(parts.events)
    made.facts, made.proof, made.raw = dict(parts.facts), dict(parts.proof), {}
    return made


def places(parts):
    """Every place in a bundle's lines and events where a forger could write: (whether a line, its number, the path there)."""
    lines = [(True, k, path) for k, line in enumerate(parts.lines) for path in _paths(line) if path and path[0] not in _SAID_TWICE]
    events = [(False, k, path) for k, one in enumerate(parts.events) for path in _paths(one) if path]
    return [*lines, *events]


def _paths(value, path=()):
    yield path
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in below:
        yield from _paths(one, (*path, key))


def forge(parts, place, junk):
    """Write junk there, or (`junk` is `forge`) take out what is there; then make all that can be right again right again."""
    is_line, number, path = place
    made = copied(parts)
    target = (made.lines if is_line else made.events)[number]
    inner = target
    for key in path[:-1]:
        inner = inner[key]
    if junk is forge:
        del inner[path[-1]]
    else:
        inner[path[-1]] = copy.deepcopy(junk)
    if is_line:
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            recommit(target)
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        made.reprove()
    return made


def recommit(line):
    """Commitments to what a line holds now, and hashes of the events that others made."""
    for one in line["events"]:
        body, key = one["body"], str(one["body"]["seq"])
        origin = body.get("origin")
        if isinstance(origin, dict) and "body" in origin:
            origin["leaf"] = leaf_hash(canonical(origin["body"])).hex()
        content = {
            "alert_ingested": lambda key=key: alert_content(
                line["title"], line["description"], line["fingerprint"], line["indicators"][key], line["records"][key]["sha256"]
            ),
            "alert_deduplicated": lambda key=key: record_content(line["records"][key]["sha256"]),
            "alert_indicators_added": lambda key=key: indicators_content(line["indicators"][key]),
            "alert_finding_added": lambda key=key: finding_content(line["findings"][key], line["findings"][key]["evidence"]),
        }.get(body["kind"])
        if content is not None:
            salt = bytes.fromhex(one["salt"])
            body["content"] = {part: commitment(salt, part, value) for part, value in content().items()}
