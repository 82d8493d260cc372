"""A file that somebody made for us: its schema is held against ours before a row of it is read, and it stays as it was."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing

import pytest

from alertstore import AlertStore, AlertStoreError, SchemaMismatchError, StorageError, StoreDamagedError
from alertstore.storage import guard, schema
from alertstore.testing import make_alert

MODES = ("ro", "rw", "create")


def edit(name, old, new):
    """The statement that changes the SQL of an object where it stands."""
    return f"UPDATE sqlite_schema SET sql = replace(sql, '{old}', '{new}') WHERE name = '{name}'"


def forge(kind, name, table, sql):
    return f"INSERT INTO sqlite_schema (type, name, tbl_name, rootpage, sql) VALUES ('{kind}', '{name}', '{table}', 0, '{sql}')"


ENDLESS = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) AS n FROM r"
HOSTILE = {
    "a view in place of a table": ["ALTER TABLE alert RENAME TO hidden", "CREATE VIEW alert AS SELECT * FROM hidden WHERE id > 3"],
    "a view more": ["CREATE VIEW evil AS SELECT * FROM alert"],
    "a view whose name looks like SQLite's own": ["CREATE VIEW sqliteXevil AS SELECT 1 AS x"],
    "a view that calls a function": ["CREATE VIEW evil AS SELECT load_extension('evil.so') AS x"],
    "a view that never ends": [f"CREATE VIEW evil AS {ENDLESS}"],
    "a view of ours that never ends": ["DROP VIEW alerts", f"CREATE VIEW alerts AS {ENDLESS}"],
    "a view of gigabytes": ["CREATE VIEW evil AS SELECT zeroblob(2000000000) AS x"],
    "another view of ours": [edit("verdicts", "count(*) AS alerts", "0 AS alerts")],
    "a view of ours less": ["DROP VIEW history"],
    "a view with an odd name": ['CREATE VIEW "\x1b[2J\x07evil\n" AS SELECT 1 AS x'],
    "a trigger that deletes": ["CREATE TRIGGER evil AFTER INSERT ON alert BEGIN DELETE FROM occurrence; END"],
    "a trigger that rewrites history": ["CREATE TRIGGER evil AFTER INSERT ON event BEGIN UPDATE alert SET severity = 'Low'; END"],
    "a trigger on the search index": ["CREATE TRIGGER evil AFTER INSERT ON search_docsize BEGIN DELETE FROM alert; END"],
    "a trigger in place of ours": [
        "DROP TRIGGER event_kept",
        "CREATE TRIGGER event_kept BEFORE DELETE ON event WHEN 0 BEGIN SELECT 1; END",
    ],
    "a trigger of ours less": ["DROP TRIGGER event_unchanged"],
    "a trigger on a view": ["CREATE TRIGGER evil INSTEAD OF INSERT ON alerts BEGIN DELETE FROM alert; END"],
    "a generated column": ["ALTER TABLE alert ADD COLUMN evil TEXT GENERATED ALWAYS AS (hex(title)) VIRTUAL"],
    "a column more": ["ALTER TABLE alert ADD COLUMN evil TEXT"],
    "a column less": ["ALTER TABLE import DROP COLUMN notes"],
    "another CHECK": [edit("event", "<= 1048576", "<= 104857600000")],
    "a CHECK more": [edit("deleted_alert", "uuid TEXT NOT NULL UNIQUE", "uuid TEXT NOT NULL UNIQUE CHECK (randomblob(9) <> id)")],
    "a CHECK less": [edit("part_salt", " CHECK (length(salt) = 16)", "")],
    "a DEFAULT that computes": [edit("setting", "value TEXT NOT NULL", "value TEXT NOT NULL DEFAULT (hex(randomblob(9)))")],
    "a table that takes any type": [edit("occurrence", ") STRICT", ")")],
    "a comment that hides a column": [edit("setting", "value TEXT", "/* */ value TEXT")],
    "a table more": ["CREATE TABLE evil (x)"],
    "a table less": ["DROP TABLE pruned"],
    "a virtual table": ["CREATE VIRTUAL TABLE evil USING fts5(x)"],
    "a virtual table of no module": [forge("table", "evil", "evil", "CREATE VIRTUAL TABLE evil USING evil(x)")],
    "a table that reads another": [edit("search", "search_text", "event")],
    "an index on an expression": ["CREATE INDEX evil ON alert (hex(title))"],
    "an index with a condition": ["CREATE INDEX evil ON alert (title) WHERE severity = 'High'"],
    "an index that forbids": ["CREATE UNIQUE INDEX evil ON alert (source_name, id)"],
    "an index of ours elsewhere": ["DROP INDEX alert_rule", "CREATE INDEX alert_rule ON alert (title)"],
    "an index of ours less": ["DROP INDEX occurrence_identity"],
    "statistics that are none": [forge("view", "sqlite_stat1", "sqlite_stat1", "CREATE VIEW sqlite_stat1 AS SELECT 1 AS tbl")],
    "a table with SQLite's prefix": [forge("view", "sqlite_evil", "sqlite_evil", "CREATE VIEW sqlite_evil AS SELECT 1 AS x")],
    "a view over the schema itself": [forge("view", "sqlite_schema", "sqlite_schema", "CREATE VIEW sqlite_schema AS SELECT 1 AS x")],
    "an object twice": [forge("view", "alerts", "alerts", "CREATE VIEW alerts AS SELECT 1 AS x")],
    "SQL that is none": [edit("alerts", "CREATE VIEW", "CREATE VIEWS")],
    "SQL without end": ["UPDATE sqlite_schema SET sql = sql || replace(hex(zeroblob(60000)), '00', '  ') WHERE name = 'alerts'"],
}
MALFORMED = {"a view over the schema itself", "an object twice", "SQL that is none", "SQL without end", "statistics that are none"}
"""SQLite itself does not read these schemas."""


@pytest.fixture
def tables_read(monkeypatch):
    """The tables that connections of the package were to read, since the fixture began."""
    found, decide = set(), guard._authorize

    def note(action, first, *rest):
        if action == sqlite3.SQLITE_READ:
            found.add(first)
        return decide(action, first, *rest)

    monkeypatch.setattr(guard, "_authorize", note)
    return found


def refused(path, mode):
    """What an attempt to open comes to: the error."""
    try:
        AlertStore.open(path, mode=mode).close()
    except AlertStoreError as fault:
        return fault
    return None


def test_no_hostile_schema_comes_to_act(case, alter, untouched, tables_read, promise, tmp_path):
    wrong = []
    for number, (name, statements) in enumerate(HOSTILE.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / "case.db"
        shutil.copy(case, path)
        alter(path, *statements)
        before = untouched(folder)
        for mode in MODES:
            fault = refused(path, mode)
            expected = (SchemaMismatchError, StoreDamagedError) if name in MALFORMED else SchemaMismatchError
            if not isinstance(fault, expected) or not fault.advice or not str(fault).isprintable():
                wrong.append((name, mode, fault))
            if any(re.search("(VIEW|TRIGGER|INDEX|TABLE) evil", sql) for sql in statements) and "evil" not in str(fault):
                wrong.append((name, mode, "is not named", fault))
        if untouched(folder) != before:
            wrong.append((name, "was changed"))
    assert wrong == []
    assert tables_read <= {"sqlite_master"}
    promise("A hostile file is refused before a row is read", f"{len(HOSTILE)} of {len(HOSTILE)} hostile schemas, in every mode")


def test_the_matrix_would_notice(case, tables_read):
    """The control: a file of ours opens, and its rows are read."""
    with AlertStore.open(case, mode="ro") as store:
        assert store.count() == 5
    assert tables_read > {"sqlite_master"}


def test_a_hostile_log_is_not_taken_into_the_file(case, tmp_path, untouched):
    target = tmp_path / "target"
    target.mkdir()
    with closing(sqlite3.connect(case, isolation_level=None)) as conn:
        conn.execute("CREATE VIEW evil AS SELECT 1 AS x")
        for name in ("case.db", "case.db-wal"):
            shutil.copy(case.parent / name, target / name)
    before = untouched(target)
    for mode in MODES:
        assert isinstance(refused(target / "case.db", mode), SchemaMismatchError)
        after = untouched(target)
        assert {name: after[name] for name in before} == before


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX mine ON alert (title)",
        'CREATE INDEX "mine" ON "occurrence" ( "alert_id"  DESC , sha256 )',
        "CREATE INDEX IF NOT EXISTS mine ON alert(source_name COLLATE NOCASE ASC, severity)",
        "ANALYZE",
    ],
)
def test_what_does_no_harm_is_let_be(case, alter, sql):
    alter(case, sql)
    with AlertStore.open(case) as store:
        make_alert(store)
        assert store.verify().problems == ()
        assert schema.additions(store._repository.conn) == ([] if sql == "ANALYZE" else ["mine"])


def test_nothing_that_we_ship_holds_a_comment():
    """Blanks are folded before schemas are compared; a comment could hide in that what follows it."""
    assert not [sql for sql in schema._shipped(schema.schema_sql()).values() if "--" in sql or "/*" in sql]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("CREATE TABLE t (a,\n  b)", "CREATE TABLE t (a, b)", True),
        ("SELECT 'a  b'", "SELECT 'a b'", False),
        ("SELECT 'it''s  x'", "SELECT 'it''s x'", False),
        ('SELECT "a  b"', 'SELECT "a b"', False),
        ("SELECT 'a' ,  b", "SELECT 'a' , b", True),
    ],
)
def test_blanks_are_folded_where_they_mean_nothing(one, other, same):
    assert (schema._folded(one) == schema._folded(other)) is same


def test_a_cell_that_is_no_text(case, alter):
    alter(case, "UPDATE alert SET title = CAST(x'1b5b324aff41' AS TEXT) WHERE id = 2")
    with AlertStore.open(case) as store:
        with pytest.raises(StoreDamagedError) as damage:
            store.alerts()
        assert "UTF-8" in str(damage.value)
        assert str(damage.value).isprintable()
        assert not store.verify().ok
        make_alert(store)  # what is damaged is one cell


def test_a_cell_of_a_hundred_megabytes(case, alter):
    alter(case, "UPDATE alert SET description = printf('%.*c', 100000000, 'x') WHERE id = 2")
    with AlertStore.open(case, mode="ro") as store:
        with pytest.raises(StorageError, match="larger than any"):
            store.alerts()
        assert store.count() == 5
        assert not store.verify().ok


def test_numbers_where_bytes_belong(case, alter):
    """A table that takes any type is refused; STRICT keeps the other types out, whoever writes."""
    with pytest.raises(sqlite3.IntegrityError):
        alter(case, "UPDATE occurrence SET raw = 7 WHERE seq > 0")
    alter(case, edit("occurrence", ") STRICT", ")"))
    alter(case, "UPDATE occurrence SET raw = 7 WHERE seq > 0")
    alter(case, "PRAGMA user_version = 1")
    assert isinstance(refused(case, "ro"), SchemaMismatchError)
