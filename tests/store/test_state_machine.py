"""The whole store against a plain model: any calls, in any order, under every policy, with crashes before the commit."""

from __future__ import annotations

import json
import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from alertstore import (
    AlertNotFoundError,
    AlertStatus,
    AlertStore,
    AlertValidationError,
    CloseClassification,
    InvalidTransitionError,
    LifecyclePolicy,
    Malice,
)
from alertstore.domain.indicators import normalise
from alertstore.storage.transaction import Transaction
from alertstore.testing import FrozenClock, patches, seeded_ids

POLICIES = {policy.name: policy for policy in (LifecyclePolicy.documented(), LifecyclePolicy.reopenable(), LifecyclePolicy.permissive())}
IPS = ["203.0.113.1", "203.0.113.2", "::ffff:203.0.113.1"]
WINDOW = timedelta(hours=24)
RANK = ["Pending", "Benign", "Suspicious", "Malicious"]


class Crash(BaseException):
    """The process dies here."""


@define
class Model:
    """What we know of an alert."""

    title: str
    severity: str
    occurred_at: object
    indicators: set
    named: tuple
    predecessor: str | None
    last_seen_at: object
    status: str = "Open"
    verdict: str | None = None
    tags: tuple = ()
    override: str | None = None
    duplicates: int = 0
    findings: list = field(factory=list)
    written: dict = field(factory=dict)  # acknowledged_at, triaged_at: once set, never changed
    updated_at: object = None


records = st.fixed_dictionaries(
    {"title": st.sampled_from(["one", "two"]), "n": st.integers(0, 6)},
    optional={
        "occurred_at": st.sampled_from([0, 1, 23, 24, 25, 49]).map(lambda h: (FrozenClock().now + timedelta(hours=h)).isoformat()),
        "severity": st.sampled_from(["Low", "High"]),
        "tags": st.lists(st.sampled_from(["x", "y", " "]), max_size=3),
        "src_ip": st.sampled_from(IPS),
    },
)
which = st.integers(0, 1_000)
verdicts = st.sampled_from(CloseClassification).map(str)


class StoreMachine(RuleBasedStateMachine):
    """Random calls on a store and on the model."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock, self.ids = FrozenClock(), seeded_ids()
        self.policy = POLICIES["documented"]
        self.alive: dict[str, Model] = {}
        self.gone: dict[str, str] = {}
        self.records: dict[str, str] = {}
        self.malice: dict[str, str] = {}
        self.size = 0
        self.checkpoints = []
        self.store = self.open()

    def open(self):
        return AlertStore.open(self.folder / "s.db", clock=self.clock, ids=self.ids, policy=self.policy, durability="normal")

    def teardown(self):
        try:
            for depth in ("quick", "full", "deep"):
                assert self.store.verify(depth=depth).problems == ()
            for checkpoint in self.checkpoints[-3:]:
                assert self.store.verify(depth="full", checkpoint=checkpoint).ok
        finally:
            self.store.close()
            shutil.rmtree(self.folder)

    def pick(self, number):
        return sorted(self.alive)[number % len(self.alive)]

    def expect(self, record):
        """The contract's paragraph on duplicates, plainly: (outcome, uuid, predecessor)."""
        key = json.dumps(record)
        if key in self.records:
            return "seen", self.records[key], None
        at = self.moment(record)
        named = (record["title"], normalise("ip", record["src_ip"]) if "src_ip" in record else None)
        alike = {uuid: one for uuid, one in self.alive.items() if one.named == named}
        order = sorted(alike, key=lambda uuid: (abs(alike[uuid].occurred_at - at), alike[uuid].occurred_at, uuid))
        same = [uuid for uuid in order if alike[uuid].occurred_at == at]
        if same:
            return "duplicate", next((uuid for uuid in same if alike[uuid].status != "Closed"), same[0]), None
        near = [uuid for uuid in order if alike[uuid].status != "Closed" and abs(alike[uuid].occurred_at - at) <= WINDOW]
        if near:
            return "duplicate", near[0], None
        return "new", None, next((uuid for uuid in order if alike[uuid].status == "Closed"), None)

    def moment(self, record):
        from datetime import datetime

        return datetime.fromisoformat(record["occurred_at"]) if "occurred_at" in record else self.clock.now

    # --- what happens ---

    @rule(minutes=st.integers(0, 2_000))
    def time_passes(self, minutes):
        self.clock.advance(minutes=minutes)

    @rule()
    def the_clock_is_set_back(self):
        self.clock.advance(minutes=-7)

    @rule(record=records)
    def add(self, record):
        outcome, uuid, predecessor = self.expect(record)
        if outcome == "seen" and uuid in self.gone:
            return  # its own test, in test_delete.py
        result = self.store.add(record)
        assert result.outcome == outcome
        at, key = self.moment(record), json.dumps(record)
        self.records[key] = result.alert.uuid
        if outcome == "new":
            assert result.alert.uuid not in self.alive.keys() | self.gone.keys()
            tags = tuple(dict.fromkeys(tag for tag in record.get("tags", []) if tag.strip()))
            ip = {normalise("ip", record["src_ip"])} if "src_ip" in record else set()
            named = (record["title"], next(iter(ip), None))
            made = Model(
                record["title"], record.get("severity", "Pending"), at, ip, named, predecessor, at, tags=tags, updated_at=self.clock.now
            )
            self.alive[result.alert.uuid] = made
            assert result.alert.occurred_at_assumed == ("occurred_at" not in record)
        else:
            assert result.alert.uuid == uuid
            if outcome == "duplicate":
                self.alive[uuid].duplicates += 1
                self.alive[uuid].last_seen_at = max(self.alive[uuid].last_seen_at, at)

    @precondition(lambda self: self.alive)
    @rule(number=which, patch=patches())
    def patch(self, number, patch):
        uuid = self.pick(number)
        one = self.alive[uuid]
        before = self.store.checkpoint()
        try:
            alert = self.store.patch(uuid, patch)
        except AlertValidationError as refusal:
            assert refusal.problems  # noqa: PT017 - either way is fine
            assert self.store.checkpoint() == before
            return
        to = patch.get("status") or one.status
        assert to == one.status or to in self.policy.allowed(AlertStatus(one.status))
        assert patch.get("close_classification") is None or to == "Closed"
        assert not (patch.get("malice_override") and patch.get("reset_malice_override"))
        one.status, one.verdict = to, (patch.get("close_classification") or one.verdict) if to == "Closed" else None
        one.severity = patch.get("severity") or one.severity
        one.tags = one.tags if patch.get("tags") is None else tuple(dict.fromkeys(patch["tags"]))
        one.override = None if patch.get("reset_malice_override") else patch.get("malice_override") or one.override
        self.edited(uuid, alert, before)

    @precondition(lambda self: self.alive)
    @rule(number=which, tags=st.lists(st.sampled_from(["x", "y", "z"]), max_size=4))
    def tag(self, number, tags):
        uuid = self.pick(number)
        before = self.store.checkpoint()
        alert = self.store.patch(uuid, tags=tags)
        self.alive[uuid].tags = tuple(dict.fromkeys(tags))
        self.edited(uuid, alert, before)

    @precondition(lambda self: self.alive)
    @rule(number=which, to=st.sampled_from(["Triaging", "Escalated", "Open"]))
    def move(self, number, to):
        uuid = self.pick(number)
        one, before = self.alive[uuid], self.store.checkpoint()
        if to != one.status and to not in self.policy.allowed(AlertStatus(one.status)):
            with pytest.raises(InvalidTransitionError):
                self.store.patch(uuid, status=to)
            assert self.store.checkpoint() == before
            return
        alert = self.store.patch(uuid, status=to)
        one.status, one.verdict = to, None
        self.edited(uuid, alert, before)

    def edited(self, uuid, alert, before):
        """An edit moved updated_at if it left an event, and only then."""
        one, moved = self.alive[uuid], self.store.checkpoint() != before
        assert (alert.updated_at > one.updated_at) == moved
        one.updated_at = alert.updated_at

    @precondition(lambda self: self.alive)
    @rule(number=which, verdict=verdicts)
    def close(self, number, verdict):
        uuid = self.pick(number)
        before = self.store.checkpoint()
        alert = self.store.close_alert(uuid, verdict)
        self.alive[uuid].status, self.alive[uuid].verdict = "Closed", verdict
        self.edited(uuid, alert, before)

    @rule(patch=patches(), verdict=verdicts, best_effort=st.booleans())
    def close_or_patch_many(self, patch, verdict, best_effort):
        dry = None
        try:
            dry = self.store.patch_many(patch=patch, dry_run=True)
            assert self.store.checkpoint().size == self.size
            done = self.store.patch_many(patch=patch, best_effort=best_effort)
        except AlertValidationError:
            assert self.store.checkpoint().size == self.size
            assert dry is None or (dry.refused and not best_effort)
            return
        assert (done.changed, done.unchanged, len(done.refused)) == (dry.changed, dry.unchanged, len(dry.refused))
        refused = {uuid for uuid, _ in done.refused}
        for uuid, one in self.alive.items():
            if uuid not in refused:
                alert = self.store.get(uuid)
                one.status, one.severity, one.tags, one.updated_at = str(alert.status), str(alert.severity), alert.tags, alert.updated_at
                one.verdict = None if alert.close_classification is None else str(alert.close_classification)
                one.override = None if alert.malice_override is None else str(alert.malice_override)
                assert patch.get("status") in {None, one.status}
                assert patch.get("severity") in {None, one.severity}
                assert patch.get("tags") is None or tuple(dict.fromkeys(patch["tags"])) == one.tags

    @precondition(lambda self: self.alive)
    @rule(number=which)
    def delete(self, number):
        uuid = self.pick(number)
        self.store.delete_alert(uuid)
        self.gone[uuid] = self.alive.pop(uuid).title

    @precondition(lambda self: self.alive)
    @rule(number=which, text=st.sampled_from(["seen", "\x1b[2J", "</script>"]))
    def find(self, number, text):
        uuid = self.pick(number)
        before = self.store.checkpoint()
        finding = self.store.add_finding(uuid, text, evidence={"n": [1, 2.5]})
        self.alive[uuid].findings.append(finding)
        self.edited(uuid, self.store.get(uuid), before)

    @precondition(lambda self: self.alive)
    @rule(number=which, ips=st.lists(st.sampled_from(IPS), max_size=3))
    def add_indicators(self, number, ips):
        uuid = self.pick(number)
        before = self.store.checkpoint()
        alert = self.store.add_indicators(uuid, [("ip", ip) for ip in ips])
        self.alive[uuid].indicators |= {normalise("ip", ip) for ip in ips}
        self.edited(uuid, alert, before)

    @rule(ip=st.sampled_from(IPS), verdict=st.sampled_from(Malice).map(str))
    def judge(self, ip, verdict):
        name = normalise("ip", ip)
        try:
            self.store.set_indicator_malice(f"ip:{ip}", verdict)
        except AlertNotFoundError:
            assert not any(name in one.indicators for one in self.alive.values())
            return
        self.malice[name] = verdict

    @rule(name=st.sampled_from(sorted(POLICIES)))
    def open_again(self, name):
        before = self.store.checkpoint()
        self.store.close()
        self.policy = POLICIES[name]
        self.store = self.open()
        assert self.store.checkpoint() == before
        self.checkpoints.append(before)

    @rule(number=which, record=records, late=st.booleans(), what=st.integers(0, 6))
    def crash(self, number, record, late, what):
        """Whatever was under way, nothing of it is there afterwards."""
        uuid = self.pick(number) if self.alive else None
        calls = [
            lambda: self.store.add(record | {"n": "crash"}),
            lambda: self.store.patch(uuid, tags=["crashed"], severity="Critical"),
            lambda: self.store.close_alert(uuid, "Duplicate"),
            lambda: self.store.delete_alert(uuid),
            lambda: self.store.add_indicators(uuid, [("ip", "203.0.113.77")]),
            lambda: self.store.add_finding(uuid, "crashed"),
            lambda: self.store.patch_many(patch={"tags": ["crashed"]}),
        ]
        call = calls[what if uuid else 0]
        flush = Transaction.flush

        def dying(transaction):
            if late:
                flush(transaction)
            raise Crash

        before = self.store.checkpoint()
        Transaction.flush = dying
        try:
            with pytest.raises(Crash):
                call()
        finally:
            Transaction.flush = flush
        assert self.store.checkpoint() == before
        assert self.store.count(text="crashed") == self.store.count(tag="crashed") == 0

    # --- what must hold ---

    @invariant()
    def the_store_is_the_model(self):
        for uuid, one in self.alive.items():
            alert = self.store.get(uuid)
            found = (alert.title, alert.severity, alert.status, alert.close_classification, alert.tags, alert.malice_override, alert.duplicate_count,
                     alert.occurred_at, alert.last_seen_at, alert.predecessor, list(alert.agent_findings), {i.value for i in alert.indicators},
                     alert.updated_at)  # fmt: skip
            assert found == (one.title, one.severity, one.status, one.verdict, one.tags, one.override, one.duplicates, one.occurred_at,
                             one.last_seen_at, one.predecessor, one.findings, one.indicators, one.updated_at)  # fmt: skip
            worst = max((self.malice.get(ip, "Pending") for ip in one.indicators), key=RANK.index, default="Pending")
            assert alert.malice == (one.override or worst)
            assert (alert.closed_at is None) == (alert.close_classification is None) == (alert.status != "Closed")
            assert alert.closed_at is None or alert.acknowledged_at <= alert.closed_at
            for name in ("acknowledged_at", "triaged_at"):
                assert one.written.setdefault(name, getattr(alert, name)) in {None, getattr(alert, name)}
                one.written[name] = getattr(alert, name)

    @invariant()
    def nothing_else_is_there(self):
        assert self.store.count() == len(self.alive)
        assert {item.uuid for item in self.store.alerts(limit=1000)} == set(self.alive)
        for status in ("Open", "Closed"):
            assert self.store.count(status=status) == sum(one.status == status for one in self.alive.values())
        for title in ("one", "two"):
            assert self.store.count(text=title) == sum(one.title == title for one in self.alive.values())
        assert self.store.metrics().total == len(self.alive)

    @invariant()
    def what_is_gone_stays_gone(self):
        for uuid in self.gone:
            with pytest.raises(AlertNotFoundError):
                self.store.get(uuid)
        for uuid in list(self.gone)[-1:]:
            assert [event.kind.value for event in self.store.history(uuid)][-1] == "alert_deleted"

    @invariant()
    def the_history_only_grows(self):
        size = self.store.checkpoint().size
        assert size >= self.size
        self.size = size


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=max(10, settings.default.max_examples * 3 // 4), stateful_step_count=25, deadline=None)
