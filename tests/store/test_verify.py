"""verify: every row and column of every table, every event, every byte kept; and checkpoints from outside."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import pytest
from intel_rows import add_intel
from signing_cases import key_of
from sync_rows import add_sync

from alertstore import AlertStore, AlertValidationError, Checkpoint
from alertstore.storage.schema import schema_sql
from alertstore.testing import FrozenClock, generic_alert, make_alert, seeded_ids, write_jsonl

DEPTHS = ["quick", "full", "deep"]
CHOICES = {
    "severity": ["Low", "Critical"],
    "status": ["Triaging", "Escalated"],
    "enrichment_status": ["Enriched", "Failed"],
    "malice": ["Benign", "Suspicious"],
    "malice_override": ["Benign", "Malicious"],
    "close_classification": ["Duplicate", "Not Applicable"],
}
FLAGS = {"is_active", "is_global", "is_enriched", "occurred_at_assumed", "open"}


def tables():
    """{table: [(column, type)]} of the released schema, without the shadow tables of the search index."""
    with closing(sqlite3.connect(":memory:")) as conn:
        conn.executescript(schema_sql())
        names = [name for (name,) in conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        names = [name for name in names if not name.startswith(("search", "sqlite_"))]
        return {name: [(row[1], row[2]) for row in conn.execute(f"PRAGMA table_info({name})")] for name in names}


TABLES = tables()


@pytest.fixture(scope="module")
def templates(tmp_path_factory, fill):
    """Closed store files, made once: with something in every table but `pruned`, and, its beginning pruned, in every table."""
    folder, clock = tmp_path_factory.mktemp("template"), FrozenClock()
    with AlertStore.open(folder / "whole", clock=clock, ids=seeded_ids(), durability="normal") as store:
        _, closed, _ = uuids = fill(store, folder, clock)
        add_sync(store, *uuids)
        held, _, (lonely, _, _) = add_intel(store)
        store.redact_rejected(held, 1, authority="order 7")
        found = store.ingest(write_jsonl(folder / "bad.json", [{"title": 5}, {"title": 6}]), source="generic")
        store.redact_rejected(found.id, 1, authority="order 7")
        for uuid in (closed, lonely):
            store.redact(uuid, ["content"], authority="order 7")
        store.sign(key_of(1))
        store.rotate_key(key_of(1), key_of(2))
        store.add_finding(store.add(generic_alert(title="of the second epoch")).alert.uuid, "new")
    clock.advance(days=365)
    shutil.copy(folder / "whole", folder / "pruned")
    with AlertStore.open(folder / "pruned", clock=clock, ids=seeded_ids(8), durability="normal") as store:
        store.add_finding(store.add(generic_alert(title="carried and redacted")).alert.uuid, "whose content will go")
        clock.advance(days=1)
        store.prune(clock.now, authority="policy")
        store.redact(store.alerts(text="carried").items[0].uuid, ["content"], authority="order 7")
        alert = store.add(generic_alert(title="after", indicators=[{"type": "domain", "value": "after.example"}])).alert
        store.add_finding(alert.uuid, "after")
        store.patch(alert.uuid, severity="Low")
    return folder


@pytest.fixture
def which():
    """The template that a test copies."""
    return "whole"


@pytest.fixture
def store(templates, tmp_path, which):
    """A copy of the template, open."""
    shutil.copy(templates / which, tmp_path / "copy.db")
    with AlertStore.open(tmp_path / "copy.db") as opened:
        yield opened


both = pytest.mark.parametrize("which", ["whole", "pruned"])


@pytest.fixture
def tamper(store):
    """Run SQL on the file as its owner can: no triggers, no checks, no trace. (sql, values)... in one transaction."""
    conn = sqlite3.connect(store.path, isolation_level=None)
    conn.executescript("PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;")
    triggers = conn.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()

    def run(*statements):
        conn.execute("BEGIN IMMEDIATE")
        for name, _ in triggers:
            conn.execute(f"DROP TRIGGER {name}")
        changed = 0
        for sql, values in statements:
            changed += conn.execute(sql, values).rowcount
        for _, sql in triggers:
            conn.execute(sql)
        conn.execute("COMMIT")
        return changed

    run.conn = conn
    yield run
    conn.close()


def where(columns):
    return " AND ".join(f"{name} IS ?" for name, _ in columns)


def other(column, kind, value):
    """Another plausible value for a column."""
    if column in CHOICES:
        return next(choice for choice in CHOICES[column] if choice != value)
    if column in FLAGS:
        return 1 - value
    if kind == "INTEGER":
        return 1 if value is None else value + 1_000
    if kind == "BLOB" or isinstance(value, bytes):
        return b"x" * 16 if value is None else value[:-1] + bytes([value[-1] ^ 1]) if value else b"x"
    return "x" if value is None else value + "x"


@both
def test_the_template_is_sound_and_has_all(store, which):
    report = store.verify()
    assert report.problems == ()
    assert (report.ok, report.depth, report.assurance, report.size) == (True, "deep", "unsigned", store.checkpoint().size)
    assert report.root == store.checkpoint().root
    with closing(sqlite3.connect(store.path)) as conn:
        empty = [name for name in TABLES if not conn.execute(f"SELECT count(*) FROM {name}").fetchone()[0]]
    assert empty == (["pruned"] if which == "whole" else [])


@both
@pytest.mark.parametrize(("table", "column"), [(table, column) for table, columns in TABLES.items() for column, _ in columns])
def test_every_column_is_compared(store, tamper, table, column):
    columns = TABLES[table]
    place = [name for name, _ in columns].index(column)
    missed = []
    for row in tamper.conn.execute(f"SELECT {', '.join(name for name, _ in columns)} FROM {table}").fetchall():
        new = list(row)
        new[place] = other(column, columns[place][1], row[place])
        change = f"UPDATE {table} SET {column} = ? WHERE {where(columns)}"
        assert tamper((change, (new[place], *row))) == 1
        named = column in {"id", "type", "value"} and is_erased(table, row)
        if store.verify().ok and not named and not (column == "salt" and is_superseded(tamper.conn, row)):
            missed.append((row[0], row[place], new[place]))
        assert tamper((change, (row[place], *new))) == 1
    assert missed == []
    assert store.verify().ok


@both
@pytest.mark.parametrize("table", TABLES)
def test_every_row_that_is_gone_is_missed(store, tamper, table):
    columns = TABLES[table]
    names = ", ".join(name for name, _ in columns)
    unnoticed = []
    rows = tamper.conn.execute(f"SELECT {names} FROM {table}").fetchall()
    for row in rows:
        assert tamper((f"DELETE FROM {table} WHERE {where(columns)}", row)) == 1
        if store.verify().ok and not is_erased(table, row):
            unnoticed.append(row)
        tamper((f"INSERT INTO {table} ({names}) VALUES ({','.join('?' * len(row))})", row))
    # Of an epoch's signed checkpoints only the one that ends it must be there: that somebody signed earlier, too, nothing else says.
    assert unnoticed == (rows[:1] if table == "signed_checkpoint" else [])
    assert store.verify().ok


def is_erased(table, row):
    """What committed to the name of an erased indicator is erased with it, and no alert has it: nothing tells which one it was."""
    return table == "indicator" and row[2].startswith(" [redacted ")


def is_superseded(conn, row):
    """A salt of results that no indicator has any more opens nothing, and nothing can be held against it."""
    kind = conn.execute("SELECT kind FROM event WHERE seq = ?", row[:1]).fetchone()
    newest = {seq for (seq,) in conn.execute("SELECT enriched_seq FROM indicator")}
    return kind == ("indicators_enriched",) and row[0] not in newest


@both
@pytest.mark.parametrize("table", TABLES)
def test_every_row_too_many_is_seen(store, tamper, table, which):
    if (which, table) == ("whole", "pruned"):
        tamper(("INSERT INTO pruned VALUES (1, zeroblob(32))", ()))
        assert not store.verify().ok
        return
    columns = TABLES[table]
    names = ", ".join(name for name, _ in columns)
    row = list(tamper.conn.execute(f"SELECT {names} FROM {table}").fetchone())
    for place, (name, kind) in enumerate(columns):
        if (
            name in {"id", "seq", "uuid", "name", "alert_id", "value", "sha256", "source_rule_id", "size", "store_id", "key"}
            and row[place] is not None
        ):
            row[place] = other(name, kind, row[place])
    if table == "event":
        row[0] = store.checkpoint().size + 1
    tamper((f"INSERT INTO {table} ({names}) VALUES ({','.join('?' * len(row))})", row))
    assert not store.verify().ok


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("UPDATE event SET body = ? WHERE kind = 'alert_ingested'", (b"[]",)),
        ("UPDATE event SET body = ? WHERE kind = 'alert_ingested'", (b"{}",)),
        ("UPDATE event SET body = ? WHERE kind = 'alert_deduplicated'", (b'{"facts":5}',)),
        ("UPDATE event SET body = ?", (b"null",)),
        ("UPDATE event SET body = ?", (b"\xff\xfe",)),
        ("UPDATE event SET body = ?", (b"[" * 100_000,)),
        ("UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'changes', 'changed') AS BLOB)", ()),
        ("UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'facts', 'fact') AS BLOB)", ()),
        ("UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'tags', 'title') AS BLOB)", ()),
        ("UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'malice', 'mal') AS BLOB)", ()),
        ("UPDATE event SET hashes = zeroblob(32)", ()),
        ("UPDATE event SET alert_id = NULL", ()),
        ("UPDATE event SET kind = 'no_such_kind'", ()),
        ("UPDATE event SET kind = 'alert_deleted' WHERE kind = 'alert_ingested'", ()),
        ("DELETE FROM event", ()),
        ("DELETE FROM event WHERE seq = 7", ()),
        ("DELETE FROM event WHERE seq = 1", ()),
        ("DELETE FROM alert", ()),
        ("DELETE FROM setting", ()),
        ("UPDATE finding SET evidence = 'no json'", ()),
        ("UPDATE finding SET evidence = ?", ("[" * 100_000,)),
        ("UPDATE alert SET title = CAST(x'ff' AS TEXT)", ()),
        ("UPDATE alert SET tags = 'no json', heads = 'no json'", ()),
        ("UPDATE context_document SET content = CAST(x'fffe' AS TEXT)", ()),
        ("UPDATE occurrence SET occurred_at = ?", (2**62,)),
    ],
    ids=lambda value: value[:70] if isinstance(value, str) else None,
)
def test_verify_says_what_is_wrong_and_never_breaks(store, tamper, sql, values):
    tamper((sql, values))
    for depth in DEPTHS:
        report = store.verify(depth=depth)
        assert report.ok == (not report.problems)
    assert not report.ok
    assert len(report.problems) < 1_000


@pytest.mark.parametrize(
    "sql",
    ["DROP TRIGGER event_kept", "DROP INDEX alert_queue", "CREATE TABLE extra (x)", "CREATE TRIGGER sneaky AFTER INSERT ON alert BEGIN SELECT 1; END",
     "DROP VIEW history", "ALTER TABLE alert ADD COLUMN extra TEXT"],
)  # fmt: skip
def test_another_schema_is_found(store, tamper, sql):
    tamper.conn.execute(sql)
    assert {problem.kind for problem in store.verify().problems} == {"schema"}


def test_problems_say_where(store, tamper):
    tamper(("UPDATE alert SET severity = 'Low' WHERE id = 1", ()))
    (problem,) = store.verify().problems
    uuid = tamper.conn.execute("SELECT uuid FROM alert WHERE id = 1").fetchone()[0]
    assert (problem.kind, problem.where, problem.expected, problem.found) == ("row", f"alert {uuid}: severity", "Medium", "Low")


def test_an_indicator_that_no_event_named(alert_store):
    make_alert(alert_store)
    with closing(sqlite3.connect(alert_store.path)) as conn, conn:
        conn.execute(
            "INSERT INTO indicator SELECT 99, type, '6.6.6.6', seq, created_at, updated_at, malice, malice_source, NULL, 0, NULL, NULL FROM indicator LIMIT 1"
        )
    assert not alert_store.verify().ok


@pytest.mark.parametrize("raw", [b"", b"other", b"x" * 100_000])
@pytest.mark.parametrize("table", ["occurrence", "rejected_record"])
def test_other_bytes_of_a_record(store, tamper, table, raw):
    assert tamper((f"UPDATE {table} SET raw = ?", (raw,)))
    assert not store.verify().ok


def test_erased_bytes_and_salts(store, tamper):
    tamper(("UPDATE occurrence SET raw = NULL WHERE seq = (SELECT min(seq) FROM occurrence)", ()))
    assert not store.verify().ok  # erasing bytes is redaction, which leaves an event; this left none


@pytest.mark.parametrize("depth", DEPTHS)
def test_depths(store, tamper, depth):
    report = store.verify(depth=depth)
    assert (report.ok, report.depth) == (True, depth)
    assert Checkpoint(report.size, report.root) == store.checkpoint()
    tamper(("UPDATE event SET body = CAST(body || ' ' AS BLOB) WHERE seq = (SELECT max(seq) FROM event)", ()))
    assert not store.verify(depth=depth).ok


def test_a_change_in_the_middle_takes_more_than_a_quick_look(store, tamper):
    tamper(("UPDATE event SET body = CAST(body || ' ' AS BLOB) WHERE seq = 3", ()))
    assert [store.verify(depth=depth).ok for depth in ("full", "deep")] == [False, False]


def test_other_depths_are_refused(store):
    with pytest.raises(AlertValidationError):
        store.verify(depth="thorough")


# --- checkpoints ---


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_checkpoint_of_any_size_holds(store, depth):
    seen = [Checkpoint(0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    alert = make_alert(store)
    for n in range(9):
        seen.append(store.checkpoint())
        store.patch(alert.uuid, tags=[str(n)])
    for checkpoint in seen:
        report = store.verify(depth=depth, checkpoint=checkpoint)
        assert (report.problems, report.assurance) == ((), "anchored")


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_checkpoint_shows_truncation(alert_store, tmp_path, depth):
    alert = make_alert(alert_store)
    alert_store.backup(tmp_path / "old.db")
    alert_store.close_alert(alert.uuid, "Duplicate")
    checkpoint = alert_store.checkpoint()
    with AlertStore.open(tmp_path / "old.db") as old:
        assert old.verify(depth=depth).ok
        (problem,) = old.verify(depth=depth, checkpoint=checkpoint).problems
    assert (problem.kind, problem.found) == ("rollback", checkpoint.size - 2)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("further", [0, 3])
def test_a_checkpoint_shows_a_rewrite(tmp_path, depth, further):
    found = []
    for name, severity in (("a", "High"), ("b", "Low")):
        with AlertStore.open(tmp_path / name, clock=FrozenClock(), ids=seeded_ids()) as store:
            for n in range(5):
                store.add(generic_alert(title=f"t{n}", severity=severity if n == 2 else "High"))
            found.append(store.checkpoint())
            if name == "b":
                for n in range(further):
                    store.add(generic_alert(title=f"more {n}"))
                assert store.verify(depth=depth).ok
                (problem,) = store.verify(depth=depth, checkpoint=found[0]).problems
    assert problem.kind == "rewritten"
    assert (problem.expected, problem.found) == (found[0].root, found[1].root)


def test_a_backup_is_the_same_store(alert_store, filled, tmp_path):
    alert_store.backup(tmp_path / "copy.db")
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    with AlertStore.open(tmp_path / "copy.db", mode="ro") as copy:
        assert copy.checkpoint() == alert_store.checkpoint()
        assert copy.get(filled[0]) == alert_store.get(filled[0])
        assert copy.verify(checkpoint=alert_store.checkpoint()).ok


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO search (search) VALUES ('delete-all')",
        "INSERT INTO search (rowid, title) VALUES (1, 'planted')",
        "UPDATE search_data SET block = zeroblob(length(block)) WHERE id > 10",
    ],
)
def test_the_search_index_is_held_against_the_rows(store, change):
    with closing(sqlite3.connect(store.path)) as conn, conn:
        conn.execute(change)
    assert [problem.kind for problem in store.verify().problems] == ["search"]


def test_a_search_index_that_was_lost_can_be_rebuilt(store):
    with closing(sqlite3.connect(store.path)) as conn, conn:
        conn.execute("INSERT INTO search (search) VALUES ('delete-all')")
        conn.execute("INSERT INTO search (search) VALUES ('rebuild')")
    assert store.verify().ok


def test_a_verdict_stays_with_its_indicator(alert_store):
    make_alert(alert_store, src_ip="192.0.2.1", dest_ip="192.0.2.2")
    alert_store.set_indicator_malice("ip:192.0.2.1", "Malicious")
    with closing(sqlite3.connect(alert_store.path)) as conn, conn:
        conn.execute("UPDATE indicator SET value = 'x' WHERE value = '192.0.2.1'")
        conn.execute("UPDATE indicator SET value = '192.0.2.1' WHERE value = '192.0.2.2'")
        conn.execute("UPDATE indicator SET value = '192.0.2.2' WHERE value = 'x'")
    assert not alert_store.verify().ok
