"""After a fault of the disk or the file, a connection writes no more; a lack of room is only a lack of room."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sqlite3
import subprocess
import sys

import pytest

from alertstore import AlertStore, StorageError, StoreBusyError, StoreDamagedError, StoreFullError
from alertstore.storage import faults
from alertstore.testing import generic_alert, make_alert

SPOIL = """
import os, sys
file = os.open(sys.argv[1], os.O_RDWR)
size = os.fstat(file).st_size
for place in range(4096 * 2, size, 4096):
    os.pwrite(file, b"\\xa5" * 4096, place)
"""


def error(code, text="fault"):
    """An error as SQLite gives it."""
    fault = sqlite3.OperationalError(text)
    fault.sqlite_errorcode = getattr(sqlite3, code)
    fault.sqlite_errorname = code
    return fault


def spoil(path):
    """Overwrite all but the first pages: by another process, so that this one's locks stay."""
    subprocess.run([sys.executable, "-c", SPOIL, str(path)], check=True)


def test_a_damaged_file_is_not_written_to_any_more(case):
    with AlertStore.open(case) as store:
        spoil(case)
        with pytest.raises(StoreDamagedError):
            store.add(generic_alert(title="x"))
        first = store._repository.poisoned
        assert "malformed" in first
        for write in (lambda: make_alert(store), lambda: store.add_rule("r"), lambda: make_alert(store)):
            with pytest.raises(StoreDamagedError, match="takes no more writes") as refusal:
                write()
            assert first in str(refusal.value)
            assert "verify" in refusal.value.advice


def test_a_poisoned_store_reads_on_and_is_well_when_opened_again(case):
    with AlertStore.open(case) as store:
        store._repository.poison("the quick check failed")
        store._repository.poison("something later")
        with pytest.raises(StoreDamagedError, match="the quick check failed"):
            make_alert(store)
        assert store.count() == 5
        assert store.verify().ok
    with AlertStore.open(case) as store:
        assert store._repository.poisoned is None
        make_alert(store)


@pytest.mark.parametrize(
    ("code", "poisons"),
    [
        ("SQLITE_CORRUPT", True),
        ("SQLITE_CORRUPT_VTAB", True),
        ("SQLITE_NOTADB", True),
        ("SQLITE_IOERR", True),
        ("SQLITE_IOERR_READ", True),
        ("SQLITE_IOERR_FSYNC", True),
        ("SQLITE_IOERR_SHORT_READ", True),
        ("SQLITE_FULL", False),
        ("SQLITE_BUSY", False),
        ("SQLITE_CONSTRAINT", False),
        ("SQLITE_ERROR", False),
        ("SQLITE_INTERRUPT", False),
        ("SQLITE_TOOBIG", False),
    ],
)
def test_which_faults_poison(case, code, poisons):
    with AlertStore.open(case) as store:
        with pytest.raises(StorageError), store._write():
            raise error(code)
        assert (store._repository.poisoned is not None) is poisons
        if poisons:
            assert code in store._repository.poisoned
    with AlertStore.open(case, mode="ro") as reader:
        with pytest.raises(StorageError), reader._read():
            raise error(code)
        assert reader._repository.poisoned is None


def no_room(number):
    def refuse(**_):
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_no_room_is_not_a_failing_disk(case, monkeypatch, number):
    """A quota, as a limit on the size of files, reaches us as "disk I/O error"."""
    with AlertStore.open(case) as store:
        monkeypatch.setattr(faults, "TemporaryFile", no_room(number))
        with pytest.raises(StoreFullError), store._write():
            raise error("SQLITE_IOERR_WRITE")
        assert store._repository.poisoned is None
        monkeypatch.setattr(faults, "TemporaryFile", no_room(errno.EIO))
        with pytest.raises(StoreDamagedError), store._write():
            raise error("SQLITE_IOERR_WRITE")
        assert store._repository.poisoned is not None


def test_a_limit_on_the_size_of_files(case, promise):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    refused = 0
    with AlertStore.open(case) as store:
        make_alert(store)
        for room in range(0, 60_000, 7_000):
            kept = store.checkpoint()
            resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(f"{case}-wal") + room, before[1]))
            try:
                with pytest.raises(StoreFullError) as refusal:
                    store.add(generic_alert(title=f"big {room}", description="x" * 100_000))
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            assert refusal.value.advice
            assert not store._repository.conn.in_transaction
            assert store.checkpoint() == kept
            refused += 1
            make_alert(store)
        assert store.verify().problems == ()
        assert store.count() == 6 + refused
    promise("A write that does not fit is refused whole, and the next one goes on", f"{refused} of {refused} limits on the size of a file")


def test_what_sqlite_says_is_shown_as_plain_text(case):
    fault = error("SQLITE_CORRUPT", "malformed database schema (\x1b[2Jé\n)")
    assert faults.said(fault) == r"malformed database schema (\x1b[2J\xe9\n) (SQLITE_CORRUPT)"
    assert str(faults.translate(fault, "x")).isprintable()


HOLDER = """
import os, signal, sys
from alertstore import AlertStore
with AlertStore.open(sys.argv[1]) as store, store._repository.locked():
    print("locked", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""


def test_a_stopped_writer_is_named_and_a_killed_one_forgotten(case):
    from datetime import timedelta

    with subprocess.Popen([sys.executable, "-c", HOLDER, str(case)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "locked\n"
        with AlertStore.open(case, busy_timeout=timedelta(milliseconds=50)) as store:
            before = store.checkpoint()
            with pytest.raises(StoreBusyError) as refusal:
                make_alert(store)
            if os.path.exists("/proc/locks"):
                assert f"(process {holder.pid})" in str(refusal.value)
            assert store.checkpoint() == before
            holder.send_signal(signal.SIGKILL)
            holder.wait(60)
            make_alert(store)
            assert store.verify().problems == ()
