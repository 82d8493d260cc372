"""Evidence from elsewhere, a store's health, and what a salvage saves, says and leaves alone."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import stat
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
from intel_rows import add_intel

from alertstore import AlertStore, AlertValidationError, NotAStoreError, StorageError, StoreDamagedError, StoreReadOnlyError
from alertstore.storage import health
from alertstore.storage.pages import Pages
from alertstore.storage.remains import TABLES
from alertstore.testing import FrozenClock, generic_alert, make_alert, seeded_ids

PAGE = 4096
LOADED_AGAIN = "intel_list"
"""The table of which a salvage takes nothing: a list is loaded again from its file."""


@pytest.fixture(scope="module")
def template(tmp_path_factory, fill):
    """A closed store with something in every table, and enough of it that the larger ones have many pages."""
    folder = tmp_path_factory.mktemp("template")
    clock = FrozenClock()
    with AlertStore.open(folder / "s.db", clock=clock, ids=seeded_ids()) as store:
        fill(store, folder, clock)
        add_intel(store)
        for number in range(60):
            clock.advance(seconds=1)
            text = "".join(random.Random(number).choices("abcdef ", k=700))
            store.add(generic_alert(title=f"more {number}", description=text, indicators=[{"type": "ip", "value": f"198.51.100.{number}"}]))
        store.add(generic_alert(title="long", description="d" * 3 * PAGE))
    return folder / "s.db"


@pytest.fixture
def damage(template, tmp_path):
    """Damage a copy of the template: `change` gets its bytes; the path of the copy."""

    def make(change=None, sql=()):
        path = tmp_path / "damaged.db"
        shutil.copy(template, path)
        with closing(sqlite3.connect(path, isolation_level=None)) as conn:
            for one in sql:
                conn.execute(*one) if isinstance(one, tuple) else conn.execute(one)
            conn.execute("PRAGMA journal_mode = DELETE")
        if change is not None:
            data = bytearray(path.read_bytes())
            change(data)
            path.write_bytes(data)
        return path

    return make


@pytest.fixture
def salvaged(tmp_path):
    """Salvage a file into a fresh name: the report, and the new store's path."""
    numbers = iter(range(100_000))

    def salvage(path):
        target = tmp_path / f"new{next(numbers)}.db"
        return AlertStore.salvage(path, target, actor="mia", reason="the disk failed", clock=FrozenClock(), ids=seeded_ids(7)), target

    return salvage


def rows(path, table):
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as conn:
        return conn.execute(f"SELECT * FROM {table}").fetchall()


def table_of(report, name):
    return next(table for table in report.tables if table.name == name)


def quarantine(report):
    return [json.loads(line) for line in Path(report.quarantine).read_text().splitlines()]


def zero(*pages):
    def change(data):
        for page in pages:
            data[(page - 1) * PAGE : page * PAGE] = bytes(PAGE)

    return change


def root_pages(path):
    with closing(sqlite3.connect(path)) as conn:
        return dict(conn.execute("SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0"))


def sound_and_alive(target):
    """The new store verifies, every value in it can be read, and it can be worked with."""
    with AlertStore.open(target, clock=FrozenClock(), ids=seeded_ids(8)) as store:
        report = store.verify()
        assert report.ok, report.problems
        assert any("salvaged" in sentence for sentence in report.unchecked)
        for one in store.alerts(limit=500).items:
            store.get(one.uuid)
            assert [event.kind for event in store.history(one.uuid)] == ["alert_carried"]
            store.occurrences(one.uuid)
        store.rules(), store.documents(), store.imports(), store.rejected_records(), store.metrics()
        new = store.add(
            generic_alert(title="afterwards", rule_id="R-9", rule_name="new", indicators=[{"type": "ip", "value": "192.0.2.99"}])
        )
        store.patch(new.alert.uuid, severity="High")
        for one in store.alerts(limit=500, status=["Open"]).items[-2:]:
            store.patch(one.uuid, status="Triaging")
        assert store.verify().ok


# Evidence


def test_evidence_is_read_only_on_a_copy_that_goes(template, tmp_path):
    before = (template.read_bytes(), template.stat().st_mtime_ns, sorted(os.listdir(template.parent)))
    with AlertStore.evidence(template) as store, AlertStore.open(template, mode="ro") as original:
        assert store.path != str(template)
        assert store.acquisition.path == str(template)
        assert store.acquisition.integrity == ("ok",)
        assert original.acquisition is None
        assert store.checkpoint() == original.checkpoint()
        assert store.verify().ok
        with pytest.raises(StoreReadOnlyError):
            make_alert(store)
        copy = store.path
    assert not os.path.exists(os.path.dirname(copy))
    store.close()
    assert (template.read_bytes(), template.stat().st_mtime_ns, sorted(os.listdir(template.parent))) == before


def test_evidence_of_a_store_that_was_never_closed(alert_store, tmp_path):
    make_alert(alert_store)
    for ending in ("", "-wal"):
        shutil.copy(alert_store.path + ending, tmp_path / f"x.db{ending}")
    with AlertStore.evidence(tmp_path / "x.db", folder=tmp_path / "kept") as store:
        assert store.count() == 1
        assert store.checkpoint() == alert_store.checkpoint()
    assert (tmp_path / "kept" / "x.db-wal").read_bytes() == (tmp_path / "x.db-wal").read_bytes()
    assert sorted(os.listdir(tmp_path / "kept")) == ["x.db", "x.db-wal"]


@pytest.mark.parametrize("content", ["text " * 100, None])
def test_what_is_no_store_is_named_by_its_own_path_and_leaves_no_copy(tmp_path, monkeypatch, content):
    path, scratch = tmp_path / "x.db", tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    if content is None:
        with closing(sqlite3.connect(path)) as conn:
            conn.execute("CREATE TABLE t (x)")
    else:
        path.write_text(content)
    with pytest.raises(NotAStoreError) as caught:
        AlertStore.evidence(path)
    assert str(path) in str(caught.value)
    assert str(scratch) not in str(caught.value)
    assert os.listdir(scratch) == []


# Health


def test_health_of_a_store_that_is_well(alert_store, monkeypatch):
    monkeypatch.setattr(health, "has_wal_reset_bug", lambda version: False)
    make_alert(alert_store)
    found = alert_store.health()
    assert found.warnings == found.problems == ()
    assert (found.path, found.bytes) == (alert_store.path, os.path.getsize(alert_store.path))
    assert found.wal_bytes == os.path.getsize(f"{alert_store.path}-wal") > 0
    assert (found.mode, found.links, found.journal_mode) == ("0600", 1, "wal")
    assert found.page_size * found.page_count >= found.bytes
    assert (found.events, found.unsigned_events, found.signed_size) == (alert_store.checkpoint().size,) * 2 + (None,)
    assert found.sqlite == sqlite3.sqlite_version
    with AlertStore.open(":memory:") as store:
        assert store.health().warnings == ()
        assert store.health().fs_type is None


def test_each_warning(alert_store, monkeypatch, tmp_path):
    make_alert(alert_store)
    monkeypatch.setattr(health, "has_wal_reset_bug", lambda version: True)
    monkeypatch.setattr(health, "LARGE_LOG", 10)
    monkeypatch.setattr(health, "fs_type", lambda path: "nfs4")
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=1000))
    os.chmod(alert_store.path, 0o644)
    os.link(alert_store.path, tmp_path / "second name")
    with closing(sqlite3.connect(alert_store.path)) as conn:
        conn.execute("CREATE INDEX mine ON alert (title)")
    warnings = alert_store.health().warnings
    for words in ("write-ahead log has", "1,000 bytes left", "WAL-reset bug", "nfs4", "mode 0644", "2 names", "mine"):
        assert sum(words in one for one in warnings) == 1, words
    assert len(warnings) == 7


def test_a_history_that_does_not_hold_is_a_warning(alert_store):
    make_alert(alert_store)
    with closing(sqlite3.connect(alert_store.path, isolation_level=None)) as conn:
        conn.execute("DROP TRIGGER event_unchanged")
        conn.execute("UPDATE event SET body = CAST(body || ' ' AS BLOB) WHERE seq = (SELECT max(seq) FROM event)")
    found = alert_store.health()
    assert len(found.problems) == 1
    assert "does not hold" in found.warnings[0]


# Salvage


def test_of_a_sound_store_everything_is_taken(template, salvaged):
    before = (template.read_bytes(), template.stat().st_mtime_ns, sorted(os.listdir(template.parent)))
    report, target = salvaged(template)
    assert (template.read_bytes(), template.stat().st_mtime_ns, sorted(os.listdir(template.parent))) == before
    with AlertStore.open(template, mode="ro") as old, AlertStore.open(target, mode="ro") as new:
        assert new.id == report.store_id != old.id == report.old_store_id
        assert (report.size, report.root) == (old.checkpoint().size, old.checkpoint().root)
        created, said = list(new.events())[:2]
        assert (created.kind, said.kind, said.actor, said.reason) == ("store_created", "store_salvaged", "mia", "the disk failed")
        assert said.body["facts"]["root"] == old.checkpoint().root
        assert said.body["facts"]["files"][0][2] == report.sha256
        uuids = [one.uuid for one in old.alerts(limit=500).items]
        assert [one.uuid for one in new.alerts(limit=500).items] == uuids
        for uuid in uuids:
            mine, its = [attrs.evolve(one.get(uuid), indicators=()) for one in (new, old)]
            assert mine == its
            assert [one[:3] for one in map(attrs.astuple, new.occurrences(uuid))] == [
                one[:3] for one in map(attrs.astuple, old.occurrences(uuid))
            ]
            assert [(i.type, i.value, i.malice) for i in new.get(uuid).indicators] == [
                (i.type, i.value, i.malice) for i in old.get(uuid).indicators
            ]
        assert new.metrics() == old.metrics()
        assert {rule.uuid for rule in new.rules()} == {rule.uuid for rule in old.rules()}
    assert [table.name for table in report.tables if table.lost or table.quarantined] == [LOADED_AGAIN]
    assert (report.changed_events, report.lost_events, report.integrity) == ((), (), ("ok",))
    lines = quarantine(report)
    assert [line["row"]["seq"] for line in lines if line["table"] == "event"] == list(range(1, report.size + 1))
    assert {line["reason"] for line in lines if line["table"] == "event"} == {"its leaf is right"}
    assert stat.S_IMODE(os.stat(report.quarantine).st_mode) == stat.S_IMODE(os.stat(target).st_mode) == 0o600
    sound_and_alive(target)


def each_page(template, salvaged, damage, pages):
    """Zero one page after the other; the rows of all the others must come through. (rows that were there, rows taken)."""
    there = {table: {repr(row) for row in rows(template, table)} for table in TABLES}
    tables = [name for name in TABLES if name not in {"event", "setting", "part_salt", "signed_checkpoint", "pruned"}]
    most = sum(len(there[table]) for table in tables)
    clean = Pages(template.read_bytes())
    total = taken = 0
    for page in pages:
        report, target = salvaged(damage(zero(page)))
        held = sum(isinstance(cell, tuple) for cell in clean.cells(page)) if page > 1 else 0
        got = sum(table.taken for table in report.tables)
        aside = sum(table.quarantined for table in report.tables)  # what belongs to rows that were on it
        assert got + aside >= most - max(held, 1), page  # its own rows, or the one row that went on there
        with AlertStore.open(target) as store:
            problems = store.verify().problems
        assert not problems, (page, problems)
        for path in (target, report.quarantine):
            os.unlink(path)
        total, taken = total + most, taken + got
    return total, taken


PROMISE = "a salvage takes the rows of every page that can still be read, and what it makes verifies"


def test_a_page_of_zeros_costs_what_was_on_it(template, salvaged, damage, promise):
    count = template.stat().st_size // PAGE
    pages = [1, *root_pages(template).values(), *range(40, count, 9)]
    total, taken = each_page(template, salvaged, damage, sorted(set(pages))[::4])
    promise(PROMISE, f"{taken:,} of {total:,} rows, after {len(sorted(set(pages))[::4])} losses of one page")


@pytest.mark.long
def test_each_page_of_zeros_costs_what_was_on_it(template, salvaged, damage, promise):
    count = template.stat().st_size // PAGE
    total, taken = each_page(template, salvaged, damage, range(1, count + 1))
    promise(PROMISE, f"{taken:,} of {total:,} rows, after {count} losses of one page")


def test_lost_rows_are_listed_and_their_alerts_keep_their_names(template, salvaged, damage):
    clean = Pages(template.read_bytes())
    page, span = list(clean.tree(root_pages(template)["alert"]).pages.items())[2]
    gone = [cell.key for cell in clean.cells(page)]
    report, target = salvaged(damage(zero(page)))
    assert table_of(report, "alert").lost == ((gone[0], gone[-1]),) == (span,)
    old = {row[0]: row[1] for row in rows(template, "alert")}
    with AlertStore.open(target) as store:
        assert store.count() == len(old) - len(gone)
        for number in gone:
            assert [event.subject for event in store.history(old[number])] == [old[number]]  # deleted, and known by its uuid
    sound_and_alive(target)


def test_the_root_of_a_table_is_lost_and_its_rows_are_not(template, salvaged, damage):
    roots = root_pages(template)
    report, target = salvaged(damage(zero(roots["alert"], roots["event"], roots["occurrence"])))
    for table in ("alert", "occurrence"):
        assert table_of(report, table).taken == len(rows(template, table))
    assert report.size == len(rows(template, "event"))
    assert report.lost_events == ((report.size + 1, None),)
    sound_and_alive(target)


def test_without_its_first_page_a_file_is_still_read(template, salvaged, damage):
    report, target = salvaged(damage(zero(1)))
    assert report.integrity != ("ok",)
    there = {table: 0 if table == LOADED_AGAIN else len(rows(template, table)) for table in (one.name for one in report.tables)}
    assert {table.name: table.taken for table in report.tables} == there
    sound_and_alive(target)


def test_swapped_pages(template, salvaged, damage):
    clean, roots = Pages(template.read_bytes()), root_pages(template)
    alerts = list(clean.tree(roots["alert"]).pages)
    events = list(clean.tree(roots["event"]).pages)

    def swap(data):
        for one, other in ((alerts[0], events[0]), (alerts[1], alerts[3]), (events[2], events[1])):
            first, second = slice((one - 1) * PAGE, one * PAGE), slice((other - 1) * PAGE, other * PAGE)
            data[first], data[second] = data[second], data[first]

    report, target = salvaged(damage(swap))
    assert table_of(report, "alert").taken == len(rows(template, "alert"))
    assert report.events == report.size == len(rows(template, "event"))
    sound_and_alive(target)


@pytest.mark.parametrize("share", [0.9, 0.6, 0.3])
def test_a_file_that_was_cut_off(template, salvaged, damage, share):
    def cut(data):
        del data[int(len(data) * share) :]

    report, target = salvaged(damage(cut))
    clean, left = Pages(template.read_bytes()), int(template.stat().st_size * share) // PAGE
    others = {"deleted_alert", "alert_indicator", LOADED_AGAIN}
    for table, root in ((table, root_pages(template)[table.name]) for table in report.tables if table.name not in others):
        there = sum(len(list(clean.cells(page))) for page in clean.tree(root).pages if page <= left)
        assert there - 1 <= table.taken <= there, table  # one row went on behind the cut
    assert report.integrity != ("ok",)
    assert bool(report.lost_events) == (report.events < len(rows(template, "event")))
    sound_and_alive(target)


def test_changed_events_are_listed_and_kept_aside(template, salvaged, damage):
    path = damage(sql=["DROP TRIGGER event_unchanged", "UPDATE event SET body = CAST(body || ' ' AS BLOB) WHERE seq IN (5, 6, 9)"])
    report, target = salvaged(path)
    assert report.changed_events == ((5, 6), (9, 9))
    assert report.size == 4
    assert [line["row"]["seq"] for line in quarantine(report) if line["reason"] == "its leaf is wrong"] == [5, 6, 9]
    sound_and_alive(target)


def test_what_is_not_what_was_committed_to_is_put_aside(template, salvaged, damage):
    uuid = rows(template, "alert")[3][1]
    path = damage(
        sql=[
            ("UPDATE alert SET title = 'nothing to see' WHERE uuid = ?", (uuid,)),
            "UPDATE occurrence SET raw = x'00' WHERE seq = (SELECT max(seq) FROM occurrence)",
            "UPDATE finding SET summary = 'all is well'",
            "UPDATE context_document SET content = 'Do nothing.'",
            "UPDATE rejected_record SET reason = 'none'",
            "UPDATE indicator SET enrichment_results = replace(enrichment_results, 'größer', 'kleiner') WHERE value = '203.0.113.77'",
        ]
    )
    report, target = salvaged(path)
    assert {table.name: table.quarantined for table in report.tables if table.quarantined} == {
        "alert": 1, "occurrence": 1, "finding": 1, "context_document": 1, "rejected_record": 4, "alert_indicator": 2, "indicator": 1,
        LOADED_AGAIN: 4,
    }  # fmt: skip
    aside = [line for line in quarantine(report) if line["table"] == "alert"]
    assert [(line["row"]["title"], line["reason"]) for line in aside] == [("nothing to see", "it is not what its event committed to")]
    with AlertStore.open(target) as store:
        assert [event.subject for event in store.history(uuid)] == [uuid]
        assert uuid not in {one.uuid for one in store.alerts(limit=500).items}
    sound_and_alive(target)


def test_a_hostile_schema_is_never_run(template, salvaged, damage):
    path = damage(
        sql=[
            "DROP TRIGGER event_kept",
            "DROP TRIGGER event_in_order",
            "CREATE TRIGGER evil AFTER INSERT ON alert BEGIN DELETE FROM event; END",
            "CREATE TABLE hidden AS SELECT * FROM finding",
            "DROP TABLE finding",
            "CREATE VIEW finding AS SELECT * FROM hidden",
        ]
    )
    report, target = salvaged(path)
    assert table_of(report, "finding").taken == 0
    assert table_of(report, "alert").taken == len(rows(template, "alert"))
    sound_and_alive(target)


def test_alerts_of_a_lost_rule_and_links_to_a_lost_indicator(template, salvaged, damage):
    rule = next(row[8] for row in rows(template, "alert") if row[8] is not None)
    path = damage(
        sql=["PRAGMA foreign_keys = OFF", ("DELETE FROM detection_rule WHERE id = ?", (rule,)), "DELETE FROM indicator WHERE id = 3"]
    )
    report, target = salvaged(path)
    assert table_of(report, "alert").taken == len(rows(template, "alert"))
    assert [line["reason"] for line in quarantine(report) if line["table"] == "alert_indicator"] == ["its indicator is gone"]
    marks = [line for line in quarantine(report) if line["table"] == "alert, taken without its rule"]
    assert len(marks) == sum(row[8] == rule for row in rows(template, "alert"))
    sound_and_alive(target)


def test_of_redacted_held_pruned_and_salvaged_stores(template, tmp_path, salvaged):
    path = tmp_path / "x.db"
    shutil.copy(template, path)
    clock = FrozenClock()
    clock.advance(hours=1)
    with AlertStore.open(path, clock=clock) as store:
        one, two, three = (one.uuid for one in store.alerts(limit=3).items)
        store.redact(one, authority="court order 1")
        store.redact(two, ["record"], authority="court order 1")
        assert store.prune(clock() - timedelta(minutes=1), authority="policy 7") > 0
        store.patch(three, severity="Low")
        expected = {uuid: attrs.evolve(store.get(uuid), indicators=()) for uuid in (two, three)}
        assert store.verify().ok
        store.hold("case 4711")
    first, target = salvaged(path)
    sound_and_alive(target)
    second, again = salvaged(target)
    sound_and_alive(again)
    for report, new in ((first, target), (second, again)):
        assert table_of(report, "alert").taken >= len(rows(template, "alert"))
        with AlertStore.open(new, clock=clock) as store:
            assert {uuid: attrs.evolve(store.get(uuid), indicators=()) for uuid in expected}[two].title == expected[two].title
            assert store.get(three).severity == expected[three].severity
            with pytest.raises(AlertValidationError, match="case 4711"):
                store.redact(three, authority="x")
    assert second.old_store_id == first.store_id


@pytest.mark.parametrize("taken", ["new.db", "new.db.quarantine.jsonl"])
def test_nothing_is_replaced(template, tmp_path, taken):
    (tmp_path / taken).write_text("mine")
    with pytest.raises(StorageError, match="exists already"):
        AlertStore.salvage(template, tmp_path / "new.db")
    assert os.listdir(tmp_path) == [taken]
    assert (tmp_path / taken).read_text() == "mine"


@pytest.mark.parametrize("content", [b"", b"words " * 1000, bytes(8 * PAGE)])
def test_where_there_is_nothing_to_save_nothing_is_made(tmp_path, content):
    (tmp_path / "x.db").write_bytes(content)
    with pytest.raises(StoreDamagedError, match="nothing of an alertstore"):
        AlertStore.salvage(tmp_path / "x.db", tmp_path / "new.db")
    assert os.listdir(tmp_path) == ["x.db"]


def test_a_bad_reason(template, tmp_path):
    with pytest.raises(AlertValidationError, match="reason"):
        AlertStore.salvage(template, tmp_path / "new.db", reason="")


def at_random(template, salvaged, damage, rounds, seed):
    """Damage of every kind, several at a time. How many salvages held, how many rows they took."""
    rng = random.Random(seed)

    def break_it(data):
        for _ in range(rng.choice([1, 3, 8])):
            kind, place = rng.randrange(4), rng.randrange(len(data))
            page = slice(place // PAGE * PAGE, place // PAGE * PAGE + PAGE)
            if kind == 0:
                data[page] = bytes(PAGE)
            elif kind == 1:
                data[place] ^= 1 << rng.randrange(8)
            elif kind == 2:
                data[page] = rng.randbytes(PAGE)
            else:
                data[place : place + 8] = rng.randbytes(8)
        if rng.random() < 0.2:
            del data[max(len(data) // 2, rng.randrange(len(data))) :]

    held = taken = 0
    for number in range(rounds):
        try:
            report, target = salvaged(damage(break_it))
        except StoreDamagedError:
            continue
        with AlertStore.open(target) as store:
            found = store.verify()
            assert found.ok, (seed, number, found.problems)
            for one in store.alerts(limit=500).items:
                store.get(one.uuid)
        held, taken = held + 1, taken + sum(table.taken for table in report.tables)
        for path in (target, report.quarantine):
            os.unlink(path)
    return held, taken


def test_damage_at_random(template, salvaged, damage):
    held, taken = at_random(template, salvaged, damage, 8, 4)
    assert held >= 7
    assert taken > held * 150


@pytest.mark.long
def test_damage_at_random_at_length(template, salvaged, damage, promise):
    held, taken = at_random(template, salvaged, damage, 600, random.randrange(1 << 30))
    assert held > 540
    promise("whatever random damage leaves, the salvaged store verifies", f"{held} salvages of 600 damaged files, {taken:,} rows")


HANGS = "CREATE TABLE t (a INTEGER CHECK (length(hex(zeroblob(20000000 + a))) > 0))"


def test_a_schema_that_works_for_ever_is_not_waited_for(tmp_path, monkeypatch):
    from alertstore.storage import acquire

    with closing(sqlite3.connect(tmp_path / "slow.db")) as conn:
        conn.execute("PRAGMA ignore_check_constraints = ON")
        conn.execute(HANGS)
        conn.executemany("INSERT INTO t VALUES (?)", [(k,) for k in range(20_000)])
        conn.commit()
    monkeypatch.setattr(acquire, "_PATIENCE", 0.5)
    with acquire.acquired(str(tmp_path / "slow.db")) as found:
        assert found.integrity == ("not finished in time",)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_leaves_its_parent_s_copy_alone(alert_store, path):
    make_alert(alert_store)
    alert_store.close()
    with AlertStore.evidence(path) as store:
        child = os.fork()
        if not child:
            os._exit(_leave())
        os.waitpid(child, 0)
        assert store.count() == 1


def _leave():
    """End as an ordinary interpreter does, as far as what runs at its end goes."""
    import atexit

    atexit._run_exitfuncs()
    return 0
