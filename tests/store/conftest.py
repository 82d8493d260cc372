"""For the tests of the store."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from alertstore import AlertStore
from alertstore.testing import FrozenClock, generic_alert, seeded_ids, suricata_alert, write_jsonl


@pytest.fixture
def path(alert_store):
    """The file of `alert_store`."""
    return alert_store.path


@pytest.fixture
def kinds(alert_store):
    """The kinds of the events that a block appended: `begin = ...size; kinds(begin)`."""
    return lambda after: [event.kind.value for event in alert_store.events(after=after)]


@pytest.fixture
def unchanged(alert_store):
    """A look at everything that a refused call must leave as it was: history, rows, and whether it verifies."""

    def look():
        with closing(sqlite3.connect(alert_store.path)) as conn:
            rows = [row for row in conn.iterdump() if not row.startswith('INSERT INTO "search_')]
        return alert_store.checkpoint(), rows, alert_store.verify().ok

    return look


def fill_store(store, tmp_path, clock):
    """Something in every table, an event of every kind that there is yet."""
    eve = [
        suricata_alert(),
        suricata_alert(flow_id=2),
        suricata_alert(src_ip="192.0.2.8", alert={"severity": 1}),
        {"event_type": "alert", "timestamp": "x"},
    ]
    store.ingest(write_jsonl(tmp_path / "eve.json", eve), reason="first look")
    table = tmp_path / "hayabusa.csv"
    table.write_text(
        '"Timestamp","RuleTitle","Level","Computer","Channel","EventID","RecordID","Details","ExtraFieldInfo","RuleID"\n'
        '"2024-05-01 11:00:00.000 +00:00","Log cleared","high","host1","Sec","1102","7","User: mia","","r-1"\n'
    )
    store.ingest(table, source="hayabusa")
    clock.advance(minutes=1)
    one = store.add(generic_alert(rule_id="R-1", rule_name="Beacon rule")).alert
    two = store.add(generic_alert(title="second", indicators=[{"type": "domain", "value": "b.example"}])).alert
    gone = store.add(generic_alert(title="third")).alert
    clock.advance(minutes=1)
    store.patch(
        one.uuid, status="Triaging", severity="Critical", tags=["c2", "vip"], malice_override="Suspicious", reason="two hosts", actor="mia"
    )
    store.add_finding(one.uuid, "seen before", evidence={"hosts": ["a", "b"]}, confidence="low")
    store.add_finding(gone.uuid, "nothing")
    store.add_indicators(two.uuid, [("ip", "203.0.113.10"), ("ip", "203.0.113.9")])
    store.set_indicator_malice("ip:203.0.113.9", "Malicious")
    store.close_alert(two.uuid, "Duplicate")
    store.close_alert(two.uuid, "Undetermined")
    store.delete_alert(gone.uuid)
    rule = store.add_rule("by hand", source_name="suricata", source_rule_id="99", mitre_tactics=["Impact"], documentation="d")
    store.patch_rule(rule.uuid, is_active=False, severity="low")
    document = store.add_document("Beacons", "Look twice.", document_type="runbook", tags=["net"], description="d",
                                  targeting_rules={"match_any": [{"field": "tags", "op": "contains", "value": "c2"}]})  # fmt: skip
    store.patch_document(document.uuid, content="Look thrice.")
    store.delete_document(store.add_document("Old", "x", document_type="sop", is_global=True).uuid)
    return one.uuid, two.uuid, gone.uuid


@pytest.fixture(scope="session")
def fill():
    """The function that fills a store: (store, folder for its files, clock)."""
    return fill_store


@pytest.fixture
def filled(alert_store, tmp_path, frozen_clock):
    """A store with something in every table; the uuids of its generic alerts: triaged, closed, deleted."""
    return fill_store(alert_store, tmp_path, frozen_clock)


@pytest.fixture
def open_again(alert_store):
    """Open the file of `alert_store` a second time; closed afterwards."""
    opened = []

    def again(**options):
        store = AlertStore.open(alert_store.path, **({"ids": seeded_ids(99), "clock": FrozenClock()} | options))
        opened.append(store)
        return store

    yield again
    for store in opened:
        store.close()
