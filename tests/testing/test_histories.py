"""Histories to replay, and the store's own state machine, as programs that use alertstore get them."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule, run_state_machine_as_test

from alertstore import AlertStore
from alertstore.testing import FrozenClock, StoreMachine, histories, replay, seeded_ids
from alertstore.testing.machine import which


def fresh():
    return AlertStore.open(":memory:", clock=FrozenClock(), ids=seeded_ids())


@given(histories())
def test_the_same_history_makes_the_same_store(history):
    with fresh() as one, fresh() as other:
        assert replay(one, history) == replay(other, history) > 0
        assert one.checkpoint() == other.checkpoint()
        assert one.verify().ok


def test_histories_come_to_everything():
    met = set()

    @settings(max_examples=500, derandomize=True, database=None)
    @given(histories())
    def run(history):
        with fresh() as store:
            replay(store, history)
            met.update(event.kind.value for event in store.events())

    run()
    assert met >= {
        "alert_ingested",
        "alert_status_updated",
        "alert_closed",
        "alert_deleted",
        "alert_finding_added",
        "alert_indicators_added",
        "alert_severity_updated",
        "alert_tags_updated",
        "alert_malice_updated",
    }


def test_a_call_without_an_alert_is_left_out():
    with fresh() as store:
        assert replay(store, [("patch", {"uuid": 3, "status": "Triaging"}), ("add", {"record": {"title": "x"}})]) == 1
        assert replay(store, [("patch", {"uuid": 3, "status": "Triaging"}), ("patch", {"uuid": 0, "status": "Open"})]) == 1
        assert [item.status for item in store.alerts().items] == ["Triaging"]


class Triage(StoreMachine):
    """A program's own rule, which the model follows."""

    calls = 0

    @precondition(lambda self: self.alive)
    @rule(number=which, tag=st.sampled_from(["mine", "yours"]))
    def label(self, number, tag):
        uuid = self.pick(number)
        self.store.patch(uuid, tags=[tag])
        self.adopt(uuid)
        type(self).calls += 1


class Forgetful(Triage):
    def adopt(self, uuid):
        """The model does not hear of it."""


FEW = settings(max_examples=20, stateful_step_count=15, database=None)


def test_the_machine_takes_rules_of_its_users():
    run_state_machine_as_test(Triage, settings=FEW)
    assert Triage.calls > 0


def test_the_machine_notices_what_its_model_does_not_know():
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Forgetful, settings=settings(FEW, max_examples=200, phases=[Phase.generate], report_multiple_bugs=False))
