"""What a connection of the package may do, and that it may do no more."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from alertstore import AlertStore, StorageError
from alertstore.storage import guard
from alertstore.testing import generic_alert, make_alert

PRAGMAS = {
    "trusted_schema": 0,
    "cell_size_check": 1,
    "recursive_triggers": 1,
    "foreign_keys": 1,
    "secure_delete": 1,
    "temp_store": 2,
    "mmap_size": 0,
}


@pytest.fixture(params=["create", "rw", "ro", "memory"])
def conn(request, case):
    path = ":memory:" if request.param == "memory" else case
    with AlertStore.open(path, mode="create" if request.param == "memory" else request.param) as store:
        yield store._repository.conn


def test_settings_of_every_connection(conn):
    assert {name: (conn.execute(f"PRAGMA {name}").fetchone() or [0])[0] for name in PRAGMAS} == PRAGMAS
    assert conn.getlimit(sqlite3.SQLITE_LIMIT_ATTACHED) == 0
    assert 16 << 20 < conn.getlimit(sqlite3.SQLITE_LIMIT_LENGTH) <= 64 << 20


DENIED = [
    "ATTACH ':memory:' AS other",
    "DETACH main",
    "VACUUM",
    "CREATE TABLE t (x)",
    "CREATE TEMP TABLE t (x)",
    "CREATE VIEW v AS SELECT 1 AS x",
    "CREATE TRIGGER t AFTER INSERT ON alert BEGIN SELECT 1; END",
    "CREATE TEMP TRIGGER t AFTER INSERT ON alert BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE t USING fts5(x)",
    "DROP TRIGGER event_kept",
    "DROP TABLE part_salt",
    "DROP INDEX alert_rule",
    "DROP VIEW history",
    "DROP TABLE search",
    "ALTER TABLE alert RENAME TO other",
    "ALTER TABLE alert ADD COLUMN x TEXT",
    "REINDEX",
    "ANALYZE",
    "UPDATE event SET body = x'00'",
    "UPDATE event SET hashes = hashes",
    "UPDATE event SET seq = seq + 1",
    "UPDATE event SET salt = NULL, at = 0",
    "UPDATE sqlite_schema SET sql = ''",
    "DELETE FROM sqlite_schema",
    "INSERT INTO sqlite_schema VALUES ('view', 'v', 'v', 0, 'CREATE VIEW v AS SELECT 1')",
    "SELECT load_extension('x')",
    "SELECT fts3_tokenizer('x')",
    "PRAGMA writable_schema = ON",
    "PRAGMA trusted_schema = ON",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA ignore_check_constraints = ON",
    "PRAGMA journal_mode = OFF",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA temp_store_directory = '/tmp'",
    "PRAGMA user_version = 7",
    "PRAGMA application_id = 7",
    "PRAGMA mmap_size = 1000000",
    "PRAGMA locking_mode = EXCLUSIVE",
]


@pytest.mark.parametrize("sql", DENIED)
def test_statements_that_are_not_ours(case, sql):
    with AlertStore.open(case) as store:
        before = store.checkpoint()
        with pytest.raises(sqlite3.Error):
            store._repository.conn.execute(sql).fetchall()
        guard.was_denied()
        assert store.checkpoint() == before
        make_alert(store)
        assert store.verify().problems == ()


@pytest.mark.parametrize("sql", ["REPLACE INTO event SELECT * FROM event WHERE seq = 2", "DELETE FROM event WHERE seq = 3"])
def test_the_triggers_guard_the_rest(case, sql):
    with AlertStore.open(case) as store:
        with pytest.raises(sqlite3.IntegrityError):
            store._repository.conn.execute(sql)
        assert store.verify().problems == ()


@pytest.mark.parametrize("sql", DENIED[3:8])
def test_unguarded_lets_them_and_only_meanwhile(case, sql):
    with AlertStore.open(case) as store:
        conn = store._repository.conn
        with guard.unguarded(conn), guard.unguarded(conn):
            conn.execute("BEGIN")
            conn.execute(sql)
            conn.execute("ROLLBACK")
            conn.execute("VACUUM")
        with pytest.raises(sqlite3.DatabaseError):
            conn.execute(sql)
        with pytest.raises(ZeroDivisionError), guard.unguarded(conn):
            raise ZeroDivisionError
        with pytest.raises(sqlite3.DatabaseError):
            conn.execute("VACUUM")
        guard.was_denied()


def test_unguarded_leaves_a_plain_connection_plain():
    with closing(sqlite3.connect(":memory:")) as conn:
        with guard.unguarded(conn):
            pass
        conn.execute("CREATE TABLE t (x)")
        conn.execute("ATTACH ':memory:' AS other")


def test_an_answer_that_an_interrupt_ended_is_an_interrupt(case, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with AlertStore.open(case) as store:
        guard.was_denied()
        store._repository.conn.set_authorizer(interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.count()
        store._repository.conn.set_authorizer(guard._authorize)
        assert store.count() == 5


def test_a_denial_is_a_typed_error(case):
    with AlertStore.open(case) as store, pytest.raises(StorageError, match="not authorized"), store._read() as conn:
        conn.execute("DROP VIEW history")


def test_a_setting_that_is_not_kept_is_refused(monkeypatch):
    monkeypatch.setitem(guard._SETTINGS, "no_such_setting", 1)
    with pytest.raises(StorageError, match="no_such_setting"):
        AlertStore.open(":memory:")


def test_no_statement_outlasts_its_budget(monkeypatch):
    monkeypatch.setattr(guard, "_BUDGET", 0.01)
    with closing(sqlite3.connect(":memory:")) as conn:
        with pytest.raises(sqlite3.OperationalError, match="interrupted"), guard.budget(conn):
            conn.execute("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r").fetchall()
        sql = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 300000) SELECT count(*) FROM r"
        assert conn.execute(sql).fetchone() == (300000,)  # afterwards there is none


def test_a_batch_of_the_largest_size_fits_the_limits(tmp_path):
    from alertstore.store.records import BATCH_RECORDS
    from alertstore.testing import write_jsonl

    records = [generic_alert(title=f"t{n}", n=n) for n in range(BATCH_RECORDS + 1)]
    with AlertStore.open(":memory:") as store:
        assert store.ingest(write_jsonl(tmp_path / "a.jsonl", records)).new == BATCH_RECORDS + 1
        assert store.ingest(tmp_path / "a.jsonl").seen == BATCH_RECORDS + 1
