"""Opening for reading leaves no trace where nobody writes, and follows whoever begins to write."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from alertstore import AlertStore, StoreBusyError, StoreMovedError, StoreReadOnlyError
from alertstore.testing import FrozenClock, make_alert, seeded_ids


def look_around(path):
    """Read a store in every way that an analyst would."""
    with AlertStore.open(path, mode="ro") as store:
        page = store.alerts(order_by="-occurred_at")
        store.get(page.items[0].uuid)
        list(store.history(page.items[0].uuid))
        store.metrics()
        store.alerts(text="alert")
        assert store.verify().problems == ()
        found = os.listdir(os.path.dirname(path))
    return found, len(page.items)


def copied(case):
    target = case.parent / "copy.db"
    with AlertStore.open(case, mode="ro") as store:
        store.backup(target)
    case.unlink()
    target.rename(case)


@pytest.mark.parametrize("make", [lambda case: None, copied], ids=["closed", "one file"])
@pytest.mark.parametrize("bits", [0o600, 0o400, 0o444])
def test_a_look_leaves_no_trace(case, untouched, make, bits):
    make(case)
    case.chmod(bits)
    before = untouched(case.parent)
    for _ in range(2):
        assert look_around(case) == (["case.db"], 5)  # nor is there any meanwhile
    assert untouched(case.parent) == before


def test_a_look_in_a_folder_that_cannot_be_written_to(case, untouched):
    case.parent.chmod(0o500)
    try:
        before = untouched(case.parent)
        assert look_around(case) == (["case.db"], 5)
        assert untouched(case.parent) == before
    finally:
        case.parent.chmod(0o700)


def test_a_protected_file_with_a_log_is_left_alone(case, tmp_path, untouched):
    target = tmp_path / "evidence"
    target.mkdir()
    with AlertStore.open(case) as store:
        make_alert(store)
        for ending in ("", "-wal"):
            shutil.copy(f"{case}{ending}", target / f"case.db{ending}")
    (target / "case.db").chmod(0o444)
    before = untouched(target)
    with pytest.raises(StoreReadOnlyError, match="log") as refusal:
        AlertStore.open(target / "case.db", mode="ro")
    assert "evidence" in refusal.value.advice
    assert untouched(target) == before
    (target / "case.db").chmod(0o600)
    with AlertStore.open(target / "case.db", mode="ro") as store:
        assert store.count() == 6  # what the log holds is read where the file is ours


def test_an_empty_log_holds_nothing(case):
    (case.parent / "case.db-wal").write_bytes(b"")
    assert sorted(look_around(case)[0]) == ["case.db", "case.db-wal"]


WRITER = """
import sys
from alertstore import AlertStore
from alertstore.testing import generic_alert
with AlertStore.open(sys.argv[1], mode="rw") as store:
    for n, _ in enumerate(sys.stdin):
        store.add(generic_alert(title=f"theirs {n}", their=n))
        print("added", flush=True)
"""


@pytest.fixture
def writer(case):
    """Another process that has the store open: each call adds an alert; `stop` closes it."""
    with subprocess.Popen([sys.executable, "-c", WRITER, str(case)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def add():
            process.stdin.write("more\n")
            process.stdin.flush()
            assert process.stdout.readline() == "added\n"

        def stop():
            process.stdin.close()
            assert process.wait(60) == 0

        add.stop = stop
        yield add
        if not process.stdin.closed:
            stop()


def test_a_reader_follows_whoever_begins_to_write(case, writer):
    with AlertStore.open(case, mode="ro") as reader:
        assert (reader.count(), reader._repository._stamp is None) == (5, False)
        writer()
        assert (reader.count(), reader._repository._stamp is None) == (6, True)
        writer()
        assert reader.count() == 7
        assert reader.verify().problems == ()
    writer()
    writer.stop()
    with AlertStore.open(case, mode="ro") as reader:
        assert reader.count() == 8


def test_a_reader_follows_whoever_came_and_went(case, writer):
    with AlertStore.open(case, mode="ro") as reader:
        assert reader.count() == 5
        writer()
        writer.stop()
        assert reader.count() == 6
        assert reader._repository._stamp is not None
        assert reader.verify().problems == ()
    assert [one.name for one in case.parent.iterdir()] == ["case.db"]


@pytest.mark.parametrize("raised", [None, ZeroDivisionError])
def test_what_changed_during_a_read_is_not_believed(case, writer, raised):
    def read():
        with reader._read():
            assert reader.count() == 5
            writer()
            writer.stop()
            if raised is not None:  # what is read of a file that changes may look like anything
                raise raised

    with AlertStore.open(case, mode="ro") as reader:
        with pytest.raises(StoreBusyError, match="while it was read") as refusal:
            read()
        assert refusal.value.advice == "try again"
        assert reader.count() == 6


def test_a_writer_that_appears_during_a_read_does_not_disturb_it(case, writer):
    with AlertStore.open(case, mode="ro") as reader:
        with reader._read():
            assert reader.count() == 5
            writer()
            assert reader.count() == 5
        assert reader.count() == 6


def test_a_fault_during_an_undisturbed_read_is_that_fault(case):
    with AlertStore.open(case, mode="ro") as reader, pytest.raises(ZeroDivisionError), reader._read():
        raise ZeroDivisionError


def test_a_reader_and_a_writer_in_one_process(case):
    with AlertStore.open(case, mode="ro") as reader:
        assert reader.count() == 5
        with AlertStore.open(case) as store, AlertStore.open(case, mode="ro") as other:
            make_alert(store)
            assert (reader.count(), other.count()) == (6, 6)
        with AlertStore.open(case, mode="ro") as third:
            assert (reader.count(), third.count()) == (6, 6)


def test_a_file_that_took_its_place_is_not_read_for_it(case, tmp_path):
    AlertStore.open(tmp_path / "other.db", clock=FrozenClock(), ids=seeded_ids(2)).close()
    with AlertStore.open(case, mode="ro") as reader:
        os.replace(tmp_path / "other.db", case)
        with pytest.raises(StoreMovedError):
            reader.count()
        case.unlink()
        with pytest.raises(StoreMovedError):
            reader.count()


def test_a_sealed_store_is_only_read(case, untouched):
    with closing(sqlite3.connect(case, isolation_level=None)) as conn:
        conn.execute("INSERT INTO setting (name, value) VALUES ('sealed', 'now')")
        conn.execute("PRAGMA journal_mode = DELETE")
    before = untouched(case.parent)
    for mode in ("rw", "create"):
        with pytest.raises(StoreReadOnlyError, match="sealed") as refusal:
            AlertStore.open(case, mode=mode)
        assert "mode='ro'" in refusal.value.advice
    with AlertStore.open(case, mode="ro") as store:
        assert store.count() == 5
    assert untouched(case.parent) == before
