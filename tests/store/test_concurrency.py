"""Two processes, a busy file, a killed writer."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta

import pytest

from alertstore import AlertStore, StoreBusyError
from alertstore.testing import generic_alert, make_alert, write_jsonl

WRITER = """
import sys
from datetime import timedelta
from alertstore import AlertStore
from alertstore.testing import generic_alert
path, name, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
with AlertStore.open(path, actor=name, durability="normal", busy_timeout=timedelta(seconds=60)) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    for n in range(number):
        alert = store.add(generic_alert(title=f"{name} {n}", src_ip=f"192.0.2.{n % 7}", rule_id=f"R-{n % 3}")).alert
        store.patch(alert.uuid, status="Triaging", tags=[name])
        store.add(generic_alert(title="shared", n=n, by=name))
"""

IMPORTER = """
import sys
from alertstore import AlertStore
from alertstore.store import records
records.BATCH_RECORDS = 50
def progress(path, records):
    print(records, flush=True)
    if records >= 300:
        sys.stdin.readline()  # until killed
with AlertStore.open(sys.argv[1]) as store:
    store.ingest(sys.argv[2], progress=progress)
"""


def run(script, *args):
    return subprocess.Popen([sys.executable, "-c", script, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_two_processes_lose_nothing(tmp_path):
    path, number = tmp_path / "s.db", 25
    AlertStore.open(path).close()
    writers = [run(WRITER, path, name, number) for name in ("ann", "bob")]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    with AlertStore.open(path, mode="ro") as store:
        assert store.verify().problems == ()
        assert store.count(tag="ann") == store.count(tag="bob") == number
        assert store.count() == 2 * number + 1
        (shared,) = store.alerts(text="shared")
        assert shared.duplicate_count == 2 * number - 1
        assert len(store.rules()) == 3
        kinds = [event.kind.value for event in store.events()]
        assert kinds.count("alert_status_updated") == 2 * number
        assert {event.actor for event in store.events(after=1)} == {"ann", "bob"}


def test_a_busy_file_is_said_to_be_busy(alert_store, open_again):
    impatient = open_again(busy_timeout=timedelta(0))
    alert = make_alert(alert_store)
    with closing(sqlite3.connect(alert_store.path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        before = impatient.checkpoint()
        for write in (lambda: impatient.patch(alert.uuid, severity="Low"), lambda: make_alert(impatient), lambda: impatient.add_rule("r")):
            with pytest.raises(StoreBusyError) as refusal:
                write()
            assert refusal.value.advice
        assert impatient.get(alert.uuid) == alert  # reading goes on
        assert impatient.checkpoint() == before
        holder.execute("ROLLBACK")
    assert impatient.patch(alert.uuid, severity="Low").severity == "Low"
    assert alert_store.verify().ok


def test_a_reader_keeps_its_view_while_others_write(alert_store, open_again):
    alert = make_alert(alert_store)
    reader = open_again(mode="ro")
    with reader._read():
        before = reader.get(alert.uuid)
        alert_store.patch(alert.uuid, severity="Low")
        assert reader.get(alert.uuid) == before
    assert reader.get(alert.uuid).severity == "Low"


def test_writers_in_turn_see_each_other(alert_store, open_again):
    other = open_again()
    for n in range(3):
        one = make_alert(alert_store, src_ip=f"192.0.2.{n}", rule_id="R-1")
        two = make_alert(other, src_ip=f"192.0.2.{n}", rule_id="R-1")
        assert one.detection_rule_id == two.detection_rule_id
        alert_store.patch(two.uuid, severity="Low")
        other.patch(one.uuid, severity="Low")
    assert alert_store.checkpoint() == other.checkpoint()
    assert other.verify().problems == ()


def test_a_killed_import_is_completed_without_doubles(tmp_path):
    path = tmp_path / "s.db"
    source = write_jsonl(tmp_path / "a.jsonl", [generic_alert(title=f"t{n}", n=n, rule_id=f"R{n % 9}") for n in range(700)])
    importer = run(IMPORTER, path, source)
    for line in importer.stdout:
        if int(line) >= 300:
            break
    importer.send_signal(signal.SIGKILL)
    importer.communicate(timeout=30)
    with AlertStore.open(path) as store:
        assert store.verify().problems == ()
        some = store.count()
        assert 0 < some < 700
        assert some % 50 == 0
        assert store.imports()[0].finished_at is None
        result = store.ingest(source)
        assert (result.seen, result.new, store.count()) == (some, 700 - some, 700)
        assert store.verify().problems == ()
        assert len(store.rules()) == 9
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jsonl", "s.db"]


def test_another_writer_between_the_batches_of_an_import(alert_store, open_again, tmp_path, monkeypatch):
    monkeypatch.setattr("alertstore.store.records.BATCH_RECORDS", 4)
    other = open_again()
    records = [generic_alert(title=f"t{n % 9}", n=n, rule_id=f"R-{n % 2}", src_ip=f"192.0.2.{n % 3}") for n in range(20)]
    theirs = iter([generic_alert(title="theirs", rule_id="R-9"), *records[::-1]])
    result = alert_store.ingest(write_jsonl(tmp_path / "a.jsonl", records), progress=lambda *_: other.add(next(theirs), reason="meanwhile"))
    assert result.new + result.duplicates + result.seen == 20
    assert [rule.source_rule_id for rule in alert_store.rules()] == ["R-0", "R-1", "R-9"]
    assert alert_store.verify().problems == ()
    assert alert_store.checkpoint() == other.checkpoint()


def test_a_backup_is_of_one_moment_whoever_writes_meanwhile(alert_store, open_again, tmp_path):
    from alertstore.storage.backup import backup

    for n in range(50):
        make_alert(alert_store, title=f"t{n}")
    other, before = open_again(), alert_store.checkpoint()
    with alert_store._read() as conn:
        conn.execute("SELECT 1 FROM event").fetchone()
        make_alert(other, title="meanwhile")
        backup(conn, str(tmp_path / "b.db"))
    with AlertStore.open(tmp_path / "b.db") as copy:
        assert copy.checkpoint() == before
        assert copy.verify().ok
    assert alert_store.count() == 51
