"""Older files: refused until they are migrated, which makes them what a fresh file is, after a backup."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from alertstore import AlertStore, NotAStoreError, SchemaTooNewError, SchemaTooOldError
from alertstore.storage import schema
from alertstore.testing import make_alert

ADDED = "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;"
ADDED_INDEX = "CREATE INDEX note_text ON note (text);"


def shape(path):
    with closing(sqlite3.connect(path)) as conn:
        return schema.shape(conn), conn.execute("PRAGMA user_version").fetchone()


@pytest.fixture
def old(tmp_path):
    """A file of version 1 with an alert in it."""
    with AlertStore.open(tmp_path / "old.db") as store:
        make_alert(store)
    return tmp_path / "old.db"


@pytest.fixture
def version_2(old, monkeypatch):
    """The next version of alertstore: one table more."""

    def step(db):
        db.execute(ADDED)
        db.execute(ADDED_INDEX)

    text = schema.schema_sql().replace("PRAGMA user_version = 1;", "PRAGMA user_version = 2;") + f"\n{ADDED}\n{ADDED_INDEX}\n"
    monkeypatch.setattr(schema, "VERSION", 2)
    monkeypatch.setattr(schema, "MIGRATIONS", {2: step})
    monkeypatch.setattr(schema, "schema_sql", lambda: text)


def test_nothing_to_do(old):
    before = old.read_bytes()
    assert AlertStore.migrate(old) is None
    assert old.read_bytes() == before
    assert [p.name for p in old.parent.iterdir()] == ["old.db"]


def test_an_older_file_is_not_changed_by_opening(old, version_2):
    before = old.read_bytes()
    with pytest.raises(SchemaTooOldError) as refusal:
        AlertStore.open(old)
    assert "migrate" in refusal.value.advice
    assert old.read_bytes() == before


def test_an_old_file_migrated_is_a_fresh_file(old, version_2, tmp_path):
    before, old_shape = old.read_bytes(), shape(old)
    backup = AlertStore.migrate(old)
    assert backup is not None
    assert shape(backup) == old_shape
    assert old_shape != shape(old)
    AlertStore.open(tmp_path / "fresh.db").close()
    assert shape(old) == shape(tmp_path / "fresh.db")
    with AlertStore.open(old) as store:
        assert store.verify().problems == ()
        assert store.count() == 1
        *_, event = store.events()
        assert (event.kind, event.subject, event.changes) == ("setting_changed", "schema_version", {"schema_version": ("1", "2")})
        make_alert(store)
        assert store.verify().ok
    assert before != old.read_bytes()
    assert AlertStore.migrate(old) is None


def test_the_backup_is_the_old_file(old, version_2, monkeypatch):
    with closing(sqlite3.connect(old)) as conn:
        before = list(conn.iterdump())
    backup = AlertStore.migrate(old)
    assert backup.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(backup)) as conn:
        assert list(conn.iterdump()) == before


def test_a_step_that_fails_leaves_the_file_as_it_was(old, version_2, monkeypatch):
    with closing(sqlite3.connect(old)) as conn:
        before = list(conn.iterdump())
    good = schema.MIGRATIONS[2]

    def broken(db):
        good(db)
        raise RuntimeError("power")

    monkeypatch.setattr(schema, "MIGRATIONS", {2: broken})
    with pytest.raises(RuntimeError):
        AlertStore.migrate(old)
    with closing(sqlite3.connect(old)) as conn:
        assert list(conn.iterdump()) == before
        assert conn.execute("PRAGMA user_version").fetchone() == (1,)


def test_after_a_failure_it_can_be_tried_again(old, version_2, monkeypatch):
    good = schema.MIGRATIONS
    monkeypatch.setattr(schema, "MIGRATIONS", {2: lambda db: 1 / 0})
    with pytest.raises(ZeroDivisionError):
        AlertStore.migrate(old)
    monkeypatch.setattr(schema, "MIGRATIONS", good)
    assert AlertStore.migrate(old) is not None
    with AlertStore.open(old) as store:
        assert store.verify().ok


def test_what_cannot_be_migrated(tmp_path, old, monkeypatch):
    (tmp_path / "text").write_text("hello " * 100)
    with closing(sqlite3.connect(tmp_path / "foreign.db")) as conn:
        conn.execute("CREATE TABLE t (x)")
    for name in ("text", "foreign.db", "nowhere.db", "."):
        with pytest.raises(NotAStoreError):
            AlertStore.migrate(tmp_path / name)
    with closing(sqlite3.connect(old)) as conn:
        conn.execute("PRAGMA user_version = 7")
    with pytest.raises(SchemaTooNewError):
        AlertStore.migrate(old)
    assert {p.name for p in tmp_path.iterdir()} == {"text", "foreign.db", "old.db"}


def test_a_version_that_no_step_leads_from(old, version_2, monkeypatch):
    from alertstore import SchemaMismatchError

    monkeypatch.setattr(schema, "MIGRATIONS", {})
    with pytest.raises(SchemaMismatchError):
        AlertStore.migrate(old)
    assert shape(old)[1] == (1,)


def test_the_fresh_file_is_the_released_schema(old, tmp_path):
    """The shape of version 1, by its digest: a change of schema.sql is a new version with a migration, once released."""
    with closing(sqlite3.connect(":memory:")) as conn:
        conn.executescript(schema.schema_sql())
        assert schema.shape(conn) == shape(old)[0]
    tables = {name for kind, name in shape(old)[0] if kind == "table" and not name.startswith("search")}
    assert tables == {
        "setting", "event", "import", "detection_rule", "alert", "deleted_alert", "occurrence", "rejected_record", "indicator",
        "alert_indicator", "finding", "context_document", "part_salt", "signed_checkpoint", "pruned",
        "sync_alert", "sync_remote", "alias", "foreign_event", "foreign_store", "suppression", "intel_list", "intel_entry",
    }  # fmt: skip
