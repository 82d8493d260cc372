"""A script: a bit of everything that is done to a store, in a folder; each thing done is said on stdout, as a line of JSON.

workload.py FOLDER DURABILITY [SQL]: the SQL is run on the connection when the store was opened.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from pathlib import Path

from alertstore import AlertStore
from alertstore.store import records
from alertstore.testing import FrozenClock, generic_alert, seeded_ids, write_jsonl


def say(**words):
    os.write(1, f"{json.dumps(words)}\n".encode())


def work(folder, durability, sql="", say=say):
    usual, records.BATCH_RECORDS = records.BATCH_RECORDS, 4
    try:
        _work(folder, durability, sql, say)
    finally:
        records.BATCH_RECORDS = usual


def _work(folder, durability, sql, say):
    # Each transaction reads the clock once: events of one time are one transaction.
    clock, ids = FrozenClock(tick=timedelta(seconds=1)), seeded_ids()
    eve = write_jsonl(folder.parent / f"{folder.name}.jsonl", [generic_alert(title=f"t{n}", src_ip=f"192.0.2.{n}") for n in range(9)])
    for turn in range(2):
        with AlertStore.open(folder / "s.db", clock=clock, ids=ids, durability=durability) as store:

            def done(what, _=None, store=store):
                say(done=what, size=store.checkpoint().size)

            done("open")
            store._repository.conn.executescript(f"PRAGMA wal_autocheckpoint = 12; {sql}")  # so that checkpoints, too, come soon
            one = store.add(generic_alert(title=f"one {turn}", rule_id=f"R-{turn}")).alert
            done("add")
            store.patch(one.uuid, status="Triaging", severity="Critical", tags=["c2"], reason="two hosts")
            done("patch")
            store.add_finding(one.uuid, "seen before", evidence={"hosts": ["a"] * 500})
            done("finding")
            store.ingest(eve, progress=lambda *_: done("batch"))
            done("ingest")
            store.close_alert(one.uuid, "Undetermined")
            done("close")
            store.add_document("Beacons", "Look twice. " * 800, document_type="runbook")
            done("document")
            store.delete_alert(one.uuid)
            done("delete")
            store.backup(folder / f"backup-{turn}.db")
            say(backup=f"backup-{turn}.db")


if __name__ == "__main__":
    work(Path(sys.argv[1]), *sys.argv[2:])
