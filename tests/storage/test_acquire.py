"""Taking a database from elsewhere: what was hashed is what was copied, and the source is as it was."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import struct
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest

from alertstore import AlertStore, NotAStoreError, StorageError
from alertstore.errors import StoreFullError
from alertstore.storage import acquire
from alertstore.storage.acquire import acquired
from alertstore.testing import make_alert


def state(folder):
    """Everything of a folder that must not change: names, bytes, times, modes."""
    return {
        entry.name: (Path(entry).read_bytes(), entry.stat().st_mtime_ns, entry.stat().st_mode, entry.stat().st_size)
        for entry in os.scandir(folder)
        if entry.is_file()
    } | {".": os.stat(folder).st_mtime_ns}


@pytest.fixture
def with_log(alert_store, tmp_path):
    """A store as it lies on the disk of a machine that was switched off: the newest alerts are only in its log."""
    for number in range(3):
        make_alert(alert_store, title=f"alert {number}")
    folder = tmp_path / "seized"
    folder.mkdir()
    for ending in ("", "-wal", "-shm"):
        shutil.copy(alert_store.path + ending, folder / f"case.db{ending}")
    return folder / "case.db"


def hot_journal(folder):
    """A database whose writer died in the middle of a transaction: its journal must be played back."""
    path = folder / "hot.db"
    with closing(sqlite3.connect(folder / "live.db", isolation_level=None)) as conn:
        conn.execute("CREATE TABLE t (x)")
        conn.executemany("INSERT INTO t VALUES (?)", [("before" * 100,)] * 50)
        conn.execute("PRAGMA cache_size = 1")
        conn.execute("BEGIN IMMEDIATE")
        conn.execute("UPDATE t SET x = 'after' || x")
        for ending in ("", "-journal"):
            shutil.copy(folder / f"live.db{ending}", f"{path}{ending}")
        conn.execute("ROLLBACK")
    for name in ("live.db", "live.db-journal"):
        (folder / name).unlink(missing_ok=True)
    return path


def test_what_is_said_is_what_was_there_and_nothing_of_it_changes(with_log):
    before = state(with_log.parent)
    with acquired(str(with_log)) as found:
        assert stat.S_IMODE(os.stat(os.path.dirname(found.copy)).st_mode) == 0o700
        assert stat.S_IMODE(os.stat(found.copy).st_mode) == 0o600
        with closing(sqlite3.connect(found.copy)) as copy:
            assert copy.execute("SELECT count(*) FROM alert").fetchone() == (3,)  # the log was played back, there
        assert found.integrity == ("ok",)
        assert found.path == str(with_log)
        assert [one.name for one in found.files] == ["case.db", "case.db-wal", "case.db-shm"]
        for one in found.files:
            content = before[one.name][0]
            assert (one.size, one.sha256) == (len(content), sha256(content).hexdigest())
        assert found.files[1].size > 0
    assert not os.path.exists(os.path.dirname(found.copy))
    assert state(with_log.parent) == before


def test_a_hot_journal_is_played_back_in_the_copy_alone(tmp_path):
    path = hot_journal(tmp_path)
    before = state(tmp_path)
    with acquired(str(path)) as found, closing(sqlite3.connect(found.copy)) as copy:
        assert copy.execute("SELECT DISTINCT x FROM t").fetchall() == [("before" * 100,)]
    assert [one.name for one in found.files] == ["hot.db", "hot.db-journal"]
    assert state(tmp_path) == before


def test_a_journal_that_would_have_a_file_deleted_is_refused(tmp_path):
    (tmp_path / "seized").mkdir()
    path = hot_journal(tmp_path / "seized")
    victim = tmp_path / "victim.txt"
    victim.write_text("precious")
    name = str(victim).encode()
    trailer = struct.pack(">I", (1 << 30) // 4096 + 1) + name + struct.pack(">II", len(name), sum(name)) + bytes.fromhex("d9d505f920a163d7")
    with open(f"{path}-journal", "ab") as file:
        file.write(trailer)
    shutil.copytree(tmp_path / "seized", tmp_path / "control")
    with pytest.raises(StorageError, match="would delete"), acquired(str(path)):
        pass
    assert victim.read_text() == "precious"
    with closing(sqlite3.connect(tmp_path / "control" / "hot.db")) as conn:  # what it is refused for: SQLite does delete it
        conn.execute("SELECT count(*) FROM t")
    assert not victim.exists()


def test_a_protected_source(with_log):
    for file in with_log.parent.iterdir():
        file.chmod(0o400)
    with_log.parent.chmod(0o500)
    before = state(with_log.parent)
    with acquired(str(with_log)) as found:
        assert found.integrity == ("ok",)
    assert state(with_log.parent) == before


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("/etc/hostname", path), lambda path: None])
def test_what_is_no_regular_file(tmp_path, make):
    make(tmp_path / "x.db")
    with pytest.raises(NotAStoreError), acquired(str(tmp_path / "x.db")):
        pass


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("/etc/hostname", path)])
@pytest.mark.parametrize("ending", ["-wal", "-journal", "-shm"])
def test_what_stands_beside_it_must_be_regular_too(tmp_path, make, ending):
    (tmp_path / "x.db").write_bytes(b"x")
    make(tmp_path / f"x.db{ending}")
    with pytest.raises(StorageError, match="is not a regular file"), acquired(str(tmp_path / "x.db")):
        pass


def test_a_store_that_is_open_here_is_refused_before_it_is_read(alert_store, tmp_path):
    make_alert(alert_store)
    with pytest.raises(StorageError, match="open here") as caught, acquired(alert_store.path):
        pass
    assert "backup" in caught.value.advice
    os.link(f"{alert_store.path}-wal", tmp_path / "x.db-wal")
    (tmp_path / "x.db").write_bytes(b"x")
    with pytest.raises(StorageError, match="open here"), acquired(str(tmp_path / "x.db")):
        pass


@pytest.mark.parametrize("ending", ["", "-wal", "-journal"])
def test_a_source_that_changes_meanwhile(with_log, monkeypatch, tmp_path, ending):
    copy = acquire._copy

    def slow(file, targets):
        found = copy(file, targets)
        if file.endswith("-shm"):  # the last
            with open(f"{with_log}{ending}", "ab") as changed:
                changed.write(b"more")
        return found

    monkeypatch.setattr(acquire, "_copy", slow)
    folder = tmp_path / "work"
    folder.mkdir()
    with pytest.raises(StorageError, match="changed while it was read"):
        acquire.acquire(str(with_log), str(folder))


def test_kept_copies_are_the_bytes_that_were_hashed(with_log, tmp_path):
    folder = tmp_path / "exhibits" / "first"
    with acquired(str(with_log), str(folder)) as found:
        assert os.path.dirname(os.path.dirname(found.copy)) == str(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["case.db", "case.db-shm", "case.db-wal"]
    for one in found.files:
        assert sha256((folder / one.name).read_bytes()).hexdigest() == one.sha256
        assert stat.S_IMODE((folder / one.name).stat().st_mode) == 0o400
    before = state(folder)
    with pytest.raises(StorageError, match="exists already"), acquired(str(with_log), str(folder)):
        pass
    assert {name: one[0] for name, one in state(folder).items() if name != "."} == {
        name: one[0] for name, one in before.items() if name != "."
    }


def test_a_database_of_somebody_else(tmp_path):
    path = tmp_path / "places.sqlite"
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("CREATE TABLE places (url TEXT UNIQUE)")
        conn.executemany("INSERT INTO places VALUES (?)", [(f"https://{number}.example/" * 20,) for number in range(200)])
        conn.commit()
    with acquired(str(path)) as found:
        assert found.integrity == ("ok",)
    content = bytearray(path.read_bytes())
    content[4096 * 5 : 4096 * 6] = bytes(4096)
    path.write_bytes(content)
    with acquired(str(path)) as found:
        assert found.integrity != ("ok",)


@pytest.mark.parametrize("content", [b"", b"words " * 100, b"SQLite format 3\0" + bytes(84)])
def test_what_is_no_database_is_hashed_and_copied_all_the_same(tmp_path, content):
    path = tmp_path / "x.db"
    path.write_bytes(content)
    with acquired(str(path)) as found:
        assert Path(found.copy).read_bytes() == content
        assert found.files[0].sha256 == sha256(content).hexdigest()
        assert len(found.integrity) == 1


def test_a_name_in_the_schema_that_is_no_text(tmp_path, alert_store):
    path = alert_store.path
    alert_store.close()
    content = Path(path).read_bytes().replace(b"CREATE TABLE import (", b"CREATE TABLE imp\xff\xfe\xfd (")
    (tmp_path / "x.db").write_bytes(content)
    with acquired(str(tmp_path / "x.db")) as found:
        assert found.integrity != ("ok",)
    with pytest.raises(StorageError):
        AlertStore.evidence(tmp_path / "x.db")


def test_no_room_for_a_copy(with_log, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=10))
    with pytest.raises(StoreFullError, match="no room"), acquired(str(with_log)):
        pass


def test_a_folder_that_cannot_be_made(with_log, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="no copy can be made"), acquired(str(with_log), str(tmp_path / "file")):
        pass
