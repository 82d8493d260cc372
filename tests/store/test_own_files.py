"""A store's own files are never opened behind SQLite's back: closing them again would drop its locks."""

import os
import threading
from pathlib import Path

import pytest

from alertstore import AlertStore, SourceError
from alertstore.storage.registry import in_use
from alertstore.testing import make_alert


def locks(path):
    """How many POSIX locks this process holds on a file, as the kernel counts them."""
    found = os.stat(path)
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    return sum(place in line and f" {os.getpid()} " in line for line in lines)


linux = pytest.mark.skipif(not Path("/proc/locks").exists(), reason="counts locks as Linux shows them")


@linux
def test_a_folder_that_holds_the_store_itself(alert_store, tmp_path):
    make_alert(alert_store)
    folder = Path(alert_store.path).parent
    (folder / "in.jsonl").write_text('{"title":"x"}\n', encoding="utf-8")
    before = locks(f"{alert_store.path}-shm")
    result = alert_store.ingest(folder)
    assert result.new == 1
    assert {Path(path).name for path, _ in result.unread} >= {Path(alert_store.path).name}
    assert locks(f"{alert_store.path}-shm") == before > 0


def test_the_store_is_no_file_of_alerts(alert_store):
    for ending in ("", "-wal", "-shm"):
        with pytest.raises(SourceError, match="belongs to a store that is open"):
            alert_store.ingest(alert_store.path + ending)


@linux
def test_opening_a_second_time_keeps_the_locks_of_the_first(alert_store):
    make_alert(alert_store)
    before = locks(f"{alert_store.path}-shm")
    with AlertStore.open(alert_store.path):
        pass
    assert locks(f"{alert_store.path}-shm") == before > 0


def test_threads_that_open_one_file_at_once(tmp_path):
    path = tmp_path / "s.db"
    faults = []

    def use(n):
        try:
            with AlertStore.open(path) as store:
                store.add({"title": f"t{n}"})
        except Exception as fault:  # noqa: BLE001 - whatever it was, the test shows it
            faults.append(fault)

    threads = [threading.Thread(target=use, args=(n,)) for n in range(12)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert faults == []
    with AlertStore.open(path) as store:
        assert store.count() == 12
        assert store.verify().ok
    assert not in_use(str(path))
