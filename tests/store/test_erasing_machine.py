"""The store against the plain model once more, with signing, redaction, retention and holds among the calls, in any order."""

from __future__ import annotations

import io
from datetime import timedelta
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from test_state_machine import Crash, StoreMachine, which

from alertstore import AlertNotFoundError, AlertStore, AlertValidationError
from alertstore.signing import SigningKey
from alertstore.storage.transaction import Transaction
from alertstore.verifier import Kept, check_file

DEPTHS = ("quick", "full", "deep")
PARTS = ("record", "content", "findings")
COUNTS = {"stores": 0, "redacted": 0, "pruned": 0, "verified": 0}


@cache
def key_of(epoch):
    private = Ed25519PrivateKey.from_private_bytes(epoch.to_bytes(32, "big"))
    return SigningKey(private.public_key().public_bytes_raw(), private.sign)


class ErasingMachine(StoreMachine):
    """Everything that `StoreMachine` does, and what takes content and history away. A receipt is kept of every write."""

    def __init__(self):
        self.epoch, self.refused, self.documents = None, [], []
        super().__init__()
        COUNTS["stores"] += 1

    def open(self):
        return AlertStore.open(
            self.folder / "s.db", clock=self.clock, ids=self.ids, policy=self.policy, durability="normal", receipts=self.folder / "receipts"
        )

    def teardown(self):
        """The verifier that stands alone is of the same opinion."""
        try:
            self.store.backup(self.folder / "copy.db")
            key = None if self.epoch is None else self.store.sign(key_of(self.epoch)) and key_of(self.epoch).text
            self.store.backup(self.folder / "signed.db")
            for name, kept in (("copy.db", Kept()), ("signed.db", Kept(key=key))):
                report, _ = check_file(self.folder / name, kept)
                assert (report.problems, report.assurance) == ([], "unsigned" if kept.key is None else "signed")
        finally:
            super().teardown()

    def whose(self, number):
        known = sorted(self.alive | self.gone)
        return known[number % len(known)]

    # --- signing ---

    @rule()
    def sign(self):
        self.epoch = self.epoch or 0
        signed = self.store.sign(key_of(self.epoch))
        assert (signed.size, signed.root) == (self.store.checkpoint().size, self.store.checkpoint().root)
        report = self.store.verify(key=key_of(self.epoch), require_signed=True)
        assert (report.problems, report.assurance, report.signed_size) == ((), "signed", signed.size)

    @precondition(lambda self: self.epoch is not None)
    @rule()
    def rotate(self):
        old, new = key_of(self.epoch), key_of(self.epoch + 1)
        closed, opened = self.store.rotate_key(old, new)
        assert (closed.epoch, opened.epoch) == (self.epoch, self.epoch + 1)
        self.epoch += 1
        for key in (old, new):
            report = self.store.verify(key=key, require_signed=True)
            assert (report.problems, report.signed_size) == ((), opened.size)
        with pytest.raises(AlertValidationError):
            self.store.sign(old)

    # --- erasing ---

    @precondition(lambda self: self.alive or self.gone)
    @rule(number=which, parts=st.sets(st.sampled_from(PARTS), min_size=1))
    def redact(self, number, parts):
        uuid = self.whose(number)
        self.store.redact(uuid, parts, authority="order 7")
        COUNTS["redacted"] += 1
        if (one := self.alive.get(uuid)) is None:
            pass
        elif "content" in parts:
            one.title, one.indicators, one.named = "[redacted]", set(), ("redacted", uuid)
        if one is not None and "findings" in parts:
            one.findings = []
        if "record" in parts:
            assert all(occurrence.raw is None for occurrence in self.store.occurrences(uuid))
        for name in list(self.malice):
            if not any(name in other.indicators for other in self.alive.values()):
                try:
                    self.store.indicator(f"ip:{name}")
                except AlertNotFoundError:
                    del self.malice[name]

    @rule(number=st.integers(0, 3))
    def refuse(self, number):
        found = self.store.ingest(io.BytesIO(b'{"title": "' + b"x" * number), source="generic")
        assert found.rejected == 1
        self.refused.append(found.id)

    @precondition(lambda self: self.refused)
    @rule(number=which)
    def redact_rejected(self, number):
        import_id = self.refused[number % len(self.refused)]
        self.store.redact_rejected(import_id, 1, authority="order 7")
        (record,) = self.store.rejected_records(import_id)
        assert (record.raw, record.reason) == (None, "[redacted]")

    @rule(hours=st.integers(-5, 40))
    def prune(self, hours):
        before = self.clock.now - timedelta(hours=hours)
        gone = self.store.prune(before, authority="policy")
        if gone:
            COUNTS["pruned"] += 1

    @rule(number=which)
    def hold(self, number):
        self.store.hold("case 12/26")
        before = self.store.checkpoint()
        calls = [lambda: self.store.prune(self.clock.now, authority="policy")]
        calls += [lambda: self.store.redact(self.whose(number), authority="order 7")] if self.alive or self.gone else []
        calls += [lambda: self.store.redact_rejected(self.refused[-1], 1, authority="order 7")] if self.refused else []
        for call in calls:
            with pytest.raises(AlertValidationError):
                call()
        assert self.store.checkpoint() == before
        self.store.release_hold()

    @precondition(lambda self: self.alive)
    @rule(number=which, late=st.booleans(), prune=st.booleans())
    def crash_while_erasing(self, number, late, prune):
        flush = Transaction.flush

        def prune_all():
            self.clock.advance(minutes=1)
            self.store.prune(self.clock.now, authority="policy")

        def dying(transaction):
            if late:
                flush(transaction)
            raise Crash

        before = self.store.checkpoint()
        Transaction.flush = dying
        try:
            with pytest.raises(Crash):
                prune_all() if prune else self.store.redact(self.pick(number), authority="order 7")
        finally:
            Transaction.flush = flush
        assert self.store.checkpoint() == before

    # --- documents and rules: they are carried too ---

    @rule(what=st.sampled_from(["add", "patch", "delete"]), number=which)
    def document(self, what, number):
        if what == "add" or not self.documents:
            self.documents.append(self.store.add_document("Beacons", "Look.", document_type="runbook", tags=["net"]).uuid)
        elif what == "patch":
            self.store.patch_document(self.documents[number % len(self.documents)], content=f"Look {number} times.")
        else:
            self.store.delete_document(self.documents.pop(number % len(self.documents)))

    @rule(number=st.integers(0, 2), active=st.booleans())
    def detection_rule(self, number, active):
        rules = [one for one in self.store.rules() if one.source_rule_id == str(number)]
        if rules:
            self.store.patch_rule(rules[0].uuid, is_active=active)
        else:
            self.store.add_rule("by hand", source_name="generic", source_rule_id=str(number), is_active=active)

    # --- what must hold ---

    @invariant()
    def it_verifies(self):
        receipts = self.folder / "receipts"
        for depth in DEPTHS:
            report = self.store.verify(depth=depth, receipts=receipts if receipts.exists() else None)
            assert report.problems == ()
        if receipts.exists():
            assert report.assurance == "anchored"
        COUNTS["verified"] += 1

    @invariant()
    def what_is_gone_stays_gone(self):
        for uuid in self.gone:
            with pytest.raises(AlertNotFoundError):
                self.store.get(uuid)


TestErasing = ErasingMachine.TestCase
TestErasing.settings = settings(max_examples=max(6, settings.default.max_examples // 4), stateful_step_count=20, deadline=None)
