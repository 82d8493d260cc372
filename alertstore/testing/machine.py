"""The store as a Hypothesis state machine: any calls, in any order, held against a plain model. To subclass.

    class OurMachine(StoreMachine):
        @rule(number=which)
        def triage(self, number):
            if self.alive:
                our_code.triage(self.store, uuid := self.pick(number))
                self.adopt(uuid)  # the model takes over what the store shows

    TestOurs = OurMachine.TestCase

pytest and unittest run a `TestCase`.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from alertstore.domain.lifecycle import LifecyclePolicy
from alertstore.domain.vocabulary import AlertStatus, CloseClassification, Malice
from alertstore.errors import AlertNotFoundError, AlertValidationError, InvalidTransitionError
from alertstore.store import AlertStore
from alertstore.testing.clock import FrozenClock
from alertstore.testing.ids import seeded_ids
from alertstore.testing.model import Model, address, expected, named_by
from alertstore.testing.strategies import patches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alertstore.domain.alert import Alert
    from alertstore.store.checkpoint import Checkpoint

POLICIES = {policy.name: policy for policy in (LifecyclePolicy.documented(), LifecyclePolicy.reopenable(), LifecyclePolicy.permissive())}
RANK = ("Pending", "Benign", "Suspicious", "Malicious")

_IPS = ("203.0.113.1", "203.0.113.2", "::ffff:203.0.113.1")
_HOURS = (0, 1, 23, 24, 25, 49)


records = st.fixed_dictionaries(
    {"title": st.sampled_from(["one", "two"]), "n": st.integers(0, 6)},
    optional={
        "occurred_at": st.sampled_from(_HOURS).map(lambda hours: (FrozenClock().now + timedelta(hours=hours)).isoformat()),
        "severity": st.sampled_from(["Low", "High"]),
        "tags": st.lists(st.sampled_from(["x", "y", " "]), max_size=3),
        "src_ip": st.sampled_from(_IPS),
    },
)
"""Records that are often each other's duplicates."""
which = st.integers(0, 1_000)
"""A number by which `StoreMachine.pick` picks an alert."""
verdicts = st.sampled_from(CloseClassification).map(str)


class StoreMachine(RuleBasedStateMachine):
    """Random calls on a store (`store`, a file in `folder`, its time `clock`) and on the model: `alive` by uuid, `gone` uuid to title.

    A rule that goes past the model makes it right again: with `adopt`, or by changing `alive`.
    """

    def __init__(self) -> None:
        """A new store."""
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock, self.ids = FrozenClock(), seeded_ids()
        self.policy = POLICIES["documented"]
        self.alive: dict[str, Model] = {}
        self.gone: dict[str, str] = {}
        self.records: dict[str, str] = {}
        self.malice: dict[str, str] = {}
        self.size = 0
        self.checkpoints: list[Checkpoint] = []
        self.store = self.open()

    def open(self) -> AlertStore:
        """Open the store; a subclass may open it otherwise."""
        return AlertStore.open(self.folder / "s.db", clock=self.clock, ids=self.ids, policy=self.policy, durability="normal")

    def teardown(self) -> None:
        """At the end every store verifies."""
        try:
            for depth in ("quick", "full", "deep"):
                assert self.store.verify(depth=depth).problems == ()
            for checkpoint in self.checkpoints[-3:]:
                assert self.store.verify(depth="full", checkpoint=checkpoint).ok
        finally:
            self.store.close()
            shutil.rmtree(self.folder)

    def pick(self, number: int) -> str:
        """The uuid of an alert that is there; the same for the same number in the same store."""
        return sorted(self.alive)[number % len(self.alive)]

    def adopt(self, uuid: str) -> None:
        """Let the model take over what the store shows of an alert's registers, findings and indicators."""
        alert, one = self.store.get(uuid), self.alive[uuid]
        one.status, one.severity, one.tags, one.updated_at = str(alert.status), str(alert.severity), alert.tags, alert.updated_at
        one.verdict = None if alert.close_classification is None else str(alert.close_classification)
        one.override = None if alert.malice_override is None else str(alert.malice_override)
        one.findings, one.indicators = list(alert.agent_findings), {indicator.value for indicator in alert.indicators}

    # --- what happens ---

    @rule(minutes=st.integers(0, 2_000))
    def time_passes(self, minutes: int) -> None:
        """Forward."""
        self.clock.advance(minutes=minutes)

    @rule()
    def the_clock_is_set_back(self) -> None:
        """As clocks are."""
        self.clock.advance(minutes=-7)

    @rule(record=records)
    def add(self, record: dict[str, Any]) -> None:
        """A record: new, a duplicate, or seen before."""
        outcome, uuid, predecessor = self._expect(record)
        if outcome == "seen" and uuid in self.gone:
            return
        result = self.store.add(record)
        assert result.outcome == outcome
        assert result.alert is not None
        at, key = self._moment(record), json.dumps(record)
        self.records[key] = result.alert.uuid
        if outcome == "new":
            assert result.alert.uuid not in self.alive.keys() | self.gone.keys()
            tags = tuple(dict.fromkeys(tag for tag in record.get("tags", []) if tag.strip()))
            named = named_by(record)
            ip = set() if named[1] is None else {named[1]}
            made = Model(record["title"], record.get("severity", "Pending"), at, ip, named, predecessor, at, tags=tags)
            made.updated_at = self.clock.now
            self.alive[result.alert.uuid] = made
            assert result.alert.occurred_at_assumed == ("occurred_at" not in record)
        else:
            assert result.alert.uuid == uuid
            if outcome == "duplicate":
                one = self.alive[result.alert.uuid]
                one.duplicates += 1
                one.reported.add(at)
                one.last_seen_at = max(one.last_seen_at, at)

    def _expect(self, record: Mapping[str, Any]) -> tuple[str, str | None, str | None]:
        """(outcome, uuid, predecessor) that adding a record must have."""
        key = json.dumps(record)
        return ("seen", self.records[key], None) if key in self.records else expected(record, self._moment(record), self.alive)

    def _moment(self, record: Mapping[str, Any]) -> datetime:
        return datetime.fromisoformat(record["occurred_at"]) if "occurred_at" in record else self.clock.now

    @precondition(lambda self: self.alive)
    @rule(number=which, patch=patches())
    def patch(self, number: int, patch: dict[str, Any]) -> None:
        """Any patch: what is allowed is done, anything else is refused whole."""
        uuid = self.pick(number)
        one, before = self.alive[uuid], self.store.checkpoint()
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
        self._edited(uuid, alert, before)

    @precondition(lambda self: self.alive)
    @rule(number=which, tags=st.lists(st.sampled_from(["x", "y", "z"]), max_size=4))
    def tag(self, number: int, tags: list[str]) -> None:
        """Other tags."""
        uuid, before = self.pick(number), self.store.checkpoint()
        alert = self.store.patch(uuid, tags=tags)
        self.alive[uuid].tags = tuple(dict.fromkeys(tags))
        self._edited(uuid, alert, before)

    @precondition(lambda self: self.alive)
    @rule(number=which, to=st.sampled_from(["Triaging", "Escalated", "Open"]))
    def move(self, number: int, to: str) -> None:
        """Another status, where the policy has that step."""
        uuid = self.pick(number)
        one, before = self.alive[uuid], self.store.checkpoint()
        if to != one.status and to not in self.policy.allowed(AlertStatus(one.status)):
            with pytest.raises(InvalidTransitionError):
                self.store.patch(uuid, status=to)
            assert self.store.checkpoint() == before
            return
        alert = self.store.patch(uuid, status=to)
        one.status, one.verdict = to, one.verdict if to == one.status == "Closed" else None
        self._edited(uuid, alert, before)

    def _edited(self, uuid: str, alert: Alert, before: Checkpoint) -> None:
        """An edit moved updated_at if it left an event, and only then."""
        one, moved = self.alive[uuid], self.store.checkpoint() != before
        assert one.updated_at is None or (alert.updated_at > one.updated_at) == moved
        one.updated_at = alert.updated_at

    @precondition(lambda self: self.alive)
    @rule(number=which, verdict=verdicts)
    def close(self, number: int, verdict: str) -> None:
        """Closing by the documented flow, or another verdict."""
        uuid, before = self.pick(number), self.store.checkpoint()
        alert = self.store.close_alert(uuid, verdict)
        self.alive[uuid].status, self.alive[uuid].verdict = "Closed", verdict
        self._edited(uuid, alert, before)

    @rule(patch=patches(), best_effort=st.booleans())
    def patch_many(self, patch: dict[str, Any], *, best_effort: bool) -> None:
        """All alerts at once; a dry run says what happens and changes nothing."""
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
                self.adopt(uuid)
                assert patch.get("status") in {None, one.status}
                assert patch.get("severity") in {None, one.severity}
                assert patch.get("tags") is None or tuple(dict.fromkeys(patch["tags"])) == one.tags

    @precondition(lambda self: self.alive)
    @rule(number=which)
    def delete(self, number: int) -> None:
        """An alert less."""
        uuid = self.pick(number)
        self.store.delete_alert(uuid)
        self.gone[uuid] = self.alive.pop(uuid).title

    @precondition(lambda self: self.alive)
    @rule(number=which, text=st.sampled_from(["seen", "\x1b[2J", "</script>"]))
    def find(self, number: int, text: str) -> None:
        """A finding more."""
        uuid, before = self.pick(number), self.store.checkpoint()
        finding = self.store.add_finding(uuid, text, evidence={"n": [1, 2.5]})
        self.alive[uuid].findings.append(finding)
        self._edited(uuid, self.store.get(uuid), before)

    @precondition(lambda self: self.alive)
    @rule(number=which, ips=st.lists(st.sampled_from(_IPS), max_size=3))
    def add_indicators(self, number: int, ips: list[str]) -> None:
        """Indicators, new or not."""
        uuid, before = self.pick(number), self.store.checkpoint()
        alert = self.store.add_indicators(uuid, [("ip", ip) for ip in ips])
        self.alive[uuid].indicators |= {address(ip) for ip in ips}
        self._edited(uuid, alert, before)

    @rule(ip=st.sampled_from(_IPS), verdict=st.sampled_from(Malice).map(str))
    def judge(self, ip: str, verdict: str) -> None:
        """A verdict on an indicator, which all its alerts follow."""
        try:
            self.store.set_indicator_malice(f"ip:{ip}", verdict)
        except AlertNotFoundError:
            assert not any(address(ip) in one.indicators for one in self.alive.values())
            return
        self.malice[address(ip)] = verdict

    @rule(name=st.sampled_from(sorted(POLICIES)))
    def open_again(self, name: str) -> None:
        """The store is closed and opened under another policy."""
        before = self.store.checkpoint()
        self.store.close()
        self.policy = POLICIES[name]
        self.store = self.open()
        assert self.store.checkpoint() == before
        self.checkpoints.append(before)

    # --- what must hold ---

    @invariant()
    def the_store_is_the_model(self) -> None:
        """Every alert is as the model has it."""
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
            assert alert.closed_at is None or (alert.acknowledged_at is not None and alert.acknowledged_at <= alert.closed_at)
            for name in ("acknowledged_at", "triaged_at"):
                assert one.written.setdefault(name, getattr(alert, name)) in {None, getattr(alert, name)}
                one.written[name] = getattr(alert, name)

    @invariant()
    def nothing_else_is_there(self) -> None:
        """Lists, counts and metrics have the model's alerts, and no others."""
        assert self.store.count() == len(self.alive)
        assert {item.uuid for item in self.store.alerts(limit=1000).items} == set(self.alive)
        for status in ("Open", "Closed"):
            assert self.store.count(status=status) == sum(one.status == status for one in self.alive.values())
        for title in ("one", "two"):
            assert self.store.count(text=title) == sum(one.title == title for one in self.alive.values())
        assert self.store.metrics().total == len(self.alive)

    @invariant()
    def what_is_gone_stays_gone(self) -> None:
        """A deleted alert is not found."""
        for uuid in self.gone:
            with pytest.raises(AlertNotFoundError):
                self.store.get(uuid)

    @invariant()
    def the_history_only_grows(self) -> None:
        """No event is ever taken away."""
        size = self.store.checkpoint().size
        assert size >= self.size
        self.size = size
