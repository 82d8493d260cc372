"""Opening: what is not ours is refused by its own error, byte for byte as it was; creation is whole or not at all."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import stat
import threading
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from alertstore import (
    AlertStore,
    AlertStoreError,
    AlertValidationError,
    NotAStoreError,
    SchemaTooNewError,
    SchemaTooOldError,
    StorageError,
    StoreDamagedError,
    StoreFullError,
    StoreMovedError,
    StoreReadOnlyError,
)
from alertstore.storage import schema
from alertstore.testing import generic_alert, make_alert

MODES = ["create", "rw", "ro"]
every_mode = pytest.mark.parametrize("mode", MODES)


def snapshot(folder):
    """Every file in a folder with its bytes and its mode."""
    return {str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mode) for p in sorted(folder.rglob("*")) if p.is_file()}


def database(path, sql):
    with closing(sqlite3.connect(path)) as conn:
        conn.executescript(sql)
    return path


def foreign(path):
    return database(path, "CREATE TABLE t (x); INSERT INTO t VALUES (1);")


def versioned(version):
    def make(path):
        AlertStore.open(path).close()
        return database(path, f"PRAGMA user_version = {version};")

    return make


def binary(content):
    def make(path):
        path.write_bytes(content)
        return path

    return make


REFUSED = {
    "a foreign database": (foreign, NotAStoreError),
    "a database with another application id": (
        lambda p: database(p, "PRAGMA application_id = 7; PRAGMA user_version = 1; CREATE TABLE t (x);"),
        NotAStoreError,
    ),
    "an empty file": (binary(b""), NotAStoreError),
    "a text file": (binary(b"hello, world\n" * 100), NotAStoreError),
    "a short text file": (binary(b"hi"), NotAStoreError),
    "an almost database": (binary(b"SQLite format 3\0" + b"\xff" * 4080), StorageError),
    "a newer store": (versioned(99), SchemaTooNewError),
    "an older store": (versioned(0), SchemaTooOldError),
    "our id and no tables": (
        lambda p: database(p, f"PRAGMA application_id = {schema.APPLICATION_ID}; PRAGMA user_version = {schema.VERSION};"),
        StorageError,
    ),
}


@every_mode
@pytest.mark.parametrize("what", REFUSED)
def test_other_files_are_refused_and_left_as_they_were(tmp_path, what, mode):
    make, error = REFUSED[what]
    path = make(tmp_path / "file.db")
    before = snapshot(tmp_path)
    with pytest.raises(error) as refusal:
        AlertStore.open(path, mode=mode)
    assert str(path) in str(refusal.value)
    assert isinstance(refusal.value, StorageError)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("make", [foreign, versioned(99)], ids=["foreign", "newer"])
def test_a_write_ahead_log_beside_it_is_left_too(tmp_path, make):
    source = tmp_path / "source"
    source.mkdir()
    with closing(sqlite3.connect(make(source / "file.db"))) as conn:
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("CREATE TABLE more (x)")
        conn.commit()
        target = tmp_path / "target"
        target.mkdir()
        for name in ("file.db", "file.db-wal"):
            shutil.copy(source / name, target / name)
    before = snapshot(target)
    with pytest.raises(StorageError):
        AlertStore.open(target / "file.db")
    after = snapshot(target)
    assert {name: after.get(name) for name in before} == before


@pytest.mark.parametrize(("mode", "error"), [("rw", NotAStoreError), ("ro", NotAStoreError)])
def test_only_create_creates(tmp_path, mode, error):
    with pytest.raises(error) as refusal:
        AlertStore.open(tmp_path / "s.db", mode=mode)
    assert refusal.value.advice
    assert list(tmp_path.iterdir()) == []


@every_mode
def test_what_is_no_file(tmp_path, mode):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    (tmp_path / "round").symlink_to(tmp_path / "round")
    plain = tmp_path / "plain"
    plain.write_text("x")
    with closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind(str(tmp_path / "socket"))
        for name in ("fifo", "socket", "dangling", "round", ".", "plain/s.db"):
            with pytest.raises(StorageError):
                AlertStore.open(tmp_path / name, mode=mode)
    for name in ("/dev/null", "/dev/zero"):
        with pytest.raises(NotAStoreError):
            AlertStore.open(name, mode=mode)
    assert not (tmp_path / "nowhere").exists()


def test_a_missing_folder(tmp_path):
    for path in (tmp_path / "no" / "s.db", tmp_path / "no" / "such" / "s.db"):
        with pytest.raises(StorageError) as refusal:
            AlertStore.open(path)
        assert refusal.value.advice
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "n\0l.db", "x" * 300])
def test_names_that_no_file_has(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AlertStoreError):
        AlertStore.open(name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["a b.db", "per%63ent.db", "que?mode=ro.db", "ha#sh.db", "ünï.db", "'quote'.db", ":memory", "new\nline.db"]
)
def test_names_that_a_uri_would_read_otherwise(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with AlertStore.open(name) as store:
        make_alert(store)
        assert Path(store.path) == tmp_path / name
    with AlertStore.open(tmp_path / name, mode="rw") as store:
        assert store.count() == 1
    assert {p.name for p in tmp_path.iterdir()} == {name}


def test_a_new_file_is_ours_alone(tmp_path):
    before = os.umask(0)
    try:
        with AlertStore.open(tmp_path / "s.db") as store:
            make_alert(store)
            assert {stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {0o600}
    finally:
        os.umask(before)
    assert [p.name for p in tmp_path.iterdir()] == ["s.db"]


def test_settings_of_the_connection(tmp_path):
    with AlertStore.open(tmp_path / "s.db") as store:
        ask = {
            name: store._repository.conn.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "trusted_schema")
        }
        assert ask == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "trusted_schema": 0}
    with AlertStore.open(tmp_path / "s.db", durability="normal") as store:
        assert store._repository.conn.execute("PRAGMA synchronous").fetchone()[0] == 1
        assert store._repository.conn.execute("PRAGMA secure_delete").fetchone()[0] == 1


def test_the_released_schema_is_in_the_file(tmp_path):
    AlertStore.open(tmp_path / "s.db").close()
    with closing(sqlite3.connect(tmp_path / "s.db")) as conn:
        assert schema.differences(conn) == []
        assert conn.execute("PRAGMA application_id").fetchone()[0] == schema.APPLICATION_ID == int.from_bytes(b"alrt", "big")
        assert conn.execute("PRAGMA user_version").fetchone()[0] == schema.VERSION
        assert all(
            "STRICT" in sql
            for kind, sql in conn.execute(
                "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%VIRTUAL%' AND name NOT LIKE 'search%'"
            )
        )


def test_a_failed_creation_leaves_nothing(tmp_path, monkeypatch):
    def broken(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(schema, "create", broken)
    with pytest.raises((OSError, AlertStoreError)):
        AlertStore.open(tmp_path / "s.db")
    assert list(tmp_path.iterdir()) == []


def test_many_create_the_same_file_at_once(tmp_path):
    barrier, found = threading.Barrier(6), []

    def create():
        barrier.wait()
        with AlertStore.open(tmp_path / "s.db") as store:
            found.append(store.id)

    threads = [threading.Thread(target=create) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert [p.name for p in tmp_path.iterdir() if not p.name.endswith(("-wal", "-shm"))] == ["s.db"]


def test_reading_only(tmp_path):
    with AlertStore.open(tmp_path / "s.db") as store:
        alert = make_alert(store)
    before = snapshot(tmp_path)
    with AlertStore.open(tmp_path / "s.db", mode="ro") as reader:
        assert reader.get(alert.uuid) == alert
        assert reader.verify().ok
        assert reader.metrics().total == 1
        for write in (
            lambda: reader.add(generic_alert(title="x")),
            lambda: reader.delete_alert(alert.uuid),
            lambda: reader.add_rule("r"),
            lambda: reader.patch_many(patch={"severity": "Low"}),
            lambda: reader.patch_many(patch={"severity": "Low"}, dry_run=True),
        ):
            with pytest.raises(StoreReadOnlyError):
                write()
    assert snapshot(tmp_path)["s.db"] == before["s.db"]


def test_a_reader_sees_what_a_writer_wrote(alert_store, open_again):
    reader = open_again(mode="ro")
    alert = make_alert(alert_store)
    assert reader.get(alert.uuid) == alert
    assert reader.checkpoint() == alert_store.checkpoint()


def test_a_closed_store(tmp_path):
    store = AlertStore.open(tmp_path / "s.db")
    store.close()
    store.close()
    for call in (store.alerts, store.checkpoint, lambda: store.add(generic_alert()), lambda: store.path, lambda: store.get("x")):
        with pytest.raises(StorageError):
            call()
    with store:
        pass


def test_a_file_that_was_moved_away(tmp_path):
    with AlertStore.open(tmp_path / "s.db") as store:
        make_alert(store)
        (tmp_path / "s.db").rename(tmp_path / "elsewhere.db")
        with pytest.raises(StoreMovedError):
            make_alert(store)
        AlertStore.open(tmp_path / "s.db").close()
        with pytest.raises(StoreMovedError):
            make_alert(store)


def test_memory_is_a_store_too():
    with AlertStore.open(":memory:") as one, AlertStore.open(":memory:") as other:
        make_alert(one)
        assert (one.count(), other.count(), one.path) == (1, 0, ":memory:")
        assert one.verify().ok


def test_a_store_is_opened_again_with_all_that_it_held(alert_store, filled, open_again):
    again = open_again(mode="ro")
    assert again.id == alert_store.id
    assert [again.get(uuid) for uuid in filled[:2]] == [alert_store.get(uuid) for uuid in filled[:2]]
    assert list(again.events()) == list(alert_store.events())
    assert again.checkpoint() == alert_store.checkpoint()


@pytest.mark.parametrize(
    "options", [{"mode": "w"}, {"mode": None}, {"durability": "none"}, {"actor": ""}, {"actor": None}, {"actor": "\ud800"}]
)
def test_bad_options_are_refused_before_anything_is_made(tmp_path, options):
    with pytest.raises(AlertValidationError) as refusal:
        AlertStore.open(tmp_path / "s.db", **options)
    assert [p.path for p in refusal.value.problems] == list(options)
    assert list(tmp_path.iterdir()) == []


def test_paths_of_any_kind(tmp_path):
    AlertStore.open(str(tmp_path / "a.db"), busy_timeout=timedelta(seconds=1)).close()
    AlertStore.open(tmp_path / "a.db", mode="rw").close()


def test_backups_replace_nothing(alert_store, tmp_path):
    alert_store.backup(tmp_path / "b.db")
    before = (tmp_path / "b.db").read_bytes()
    for target in (tmp_path / "b.db", alert_store.path, tmp_path, tmp_path / "no" / "b.db"):
        with pytest.raises(StorageError):
            alert_store.backup(target)
    assert (tmp_path / "b.db").read_bytes() == before
    assert not [p for p in tmp_path.iterdir() if p.suffix == ".backup"]


def test_a_full_disk_keeps_nothing_of_the_write(alert_store, unchanged):
    make_alert(alert_store)
    conn = alert_store._repository.conn
    (pages,) = conn.execute("PRAGMA page_count").fetchone()
    conn.execute(f"PRAGMA max_page_count = {pages + 1}")
    before = unchanged()
    with pytest.raises(StoreFullError) as refusal:
        alert_store.add(generic_alert(title="big", description="x" * 100_000))
    assert refusal.value.advice
    assert unchanged() == before
    conn.execute("PRAGMA max_page_count = 1000000")
    assert alert_store.add(generic_alert(title="big", description="x" * 100_000)).outcome == "new"
    assert alert_store.verify().ok


@pytest.mark.parametrize("part", ["page", "tail"])
def test_a_damaged_file_is_said_to_be_damaged(tmp_path, part):
    path = tmp_path / "s.db"
    with AlertStore.open(path) as store:
        for n in range(60):
            make_alert(store, description=f"{n}" * 500)
    data = bytearray(path.read_bytes())
    if part == "page":
        data[4096 * 8 : len(data) - 4096 * 4] = b"\xa5" * (len(data) - 4096 * 12)
    else:
        del data[len(data) // 2 :]
    path.write_bytes(data)

    def read():
        with AlertStore.open(path, mode="ro") as store:
            return store.verify().ok

    try:
        assert not read()  # a problem in the report, or an error that says so
    except StoreDamagedError as damage:
        assert damage.advice  # noqa: PT017 - either way is fine


def test_a_store_without_its_id(tmp_path):
    AlertStore.open(tmp_path / "s.db").close()
    database(tmp_path / "s.db", "DELETE FROM setting")
    with pytest.raises(StorageError):
        AlertStore.open(tmp_path / "s.db")


def test_a_backup_while_nothing_can_be_written_there(alert_store, tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    alert_store.backup(tmp_path / "copy.db")
    with AlertStore.open(tmp_path / "copy.db", mode="ro") as copy:
        assert copy.verify().ok
    AlertStore.open(tmp_path / "new.db").close()
    assert AlertStore.open(tmp_path / "new.db", mode="rw").close() is None
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []
