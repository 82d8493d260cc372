"""The whole store against a plain model: any calls, in any order, under every policy, with crashes before the commit."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from alertstore import testing
from alertstore.storage.transaction import Transaction
from alertstore.testing.machine import records, which


class Crash(BaseException):
    """The process dies here."""


class StoreMachine(testing.StoreMachine):
    """What users get, and crashes."""

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

    @invariant()
    def what_is_gone_stays_gone(self):
        super().what_is_gone_stays_gone()
        for uuid in list(self.gone)[-1:]:
            assert [event.kind.value for event in self.store.history(uuid)][-1] == "alert_deleted"


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=max(10, settings.default.max_examples * 3 // 4), stateful_step_count=25, deadline=None)
