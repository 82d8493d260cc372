"""Reading a damaged file: page by page, row by row, and never what cannot be."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

import pytest

from alertstore.storage.pages import Pages
from alertstore.storage.remains import TABLES, shapes
from alertstore.storage.rowrules import fault_of


def sample(path, size):
    """Tables with every kind of value and length, some rows gone again; (name, columns) of each."""
    rng = random.Random(size)
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute(f"PRAGMA page_size = {size}")
        conn.execute("CREATE TABLE one (id INTEGER PRIMARY KEY, a TEXT, b BLOB, c INTEGER, d REAL)")
        conn.execute("CREATE TABLE two (k TEXT, n INTEGER, v TEXT, PRIMARY KEY (k, n)) WITHOUT ROWID")
        conn.execute("BEGIN")
        for number in range(300):
            length = rng.choice([0, 1, 50, size // 4, size, 3 * size])
            integer = rng.choice([None, 0, 1, -1, 127, -129, 1 << 20, -(1 << 30), 1 << 40, -(1 << 62)])
            key = rng.choice([number, number << 20, -number, number << 44])
            conn.execute("INSERT OR IGNORE INTO one VALUES (?,?,?,?,?)", (key, "ä" * length, rng.randbytes(length), integer, rng.random()))
            conn.execute("INSERT INTO two VALUES (?,?,?)", (f"{rng.random()}", number, "x" * rng.choice([1, size // 8, size])))
        conn.execute("DELETE FROM one WHERE id % 7 = 0")
        conn.execute("COMMIT")
        return {name: conn.execute(f"SELECT * FROM {name}").fetchall() for name in ("one", "two")}, dict(
            conn.execute("SELECT name, rootpage FROM sqlite_schema")
        )


def read(pages, root):
    rows, faults = set(), []
    for number in pages.tree(root).pages:
        for cell in pages.cells(number):
            if isinstance(cell, str):
                faults.append(cell)
            else:
                rows.add(repr(cell.values if cell.key is None else (cell.key, *cell.values[1:])))
    return rows, faults


@pytest.mark.parametrize("size", [512, 1024, 4096, 65536])
def test_pages_are_read_as_sqlite_reads_them(tmp_path, size):
    expected, roots = sample(tmp_path / "x.db", size)
    pages = Pages((tmp_path / "x.db").read_bytes())
    assert pages.size == size
    for name, rows in expected.items():
        assert read(pages, roots[name]) == ({repr(row) for row in rows}, [])
        assert pages.tree(roots[name]).lost == []
    reached = {1, *(number for root in roots.values() for number in pages.tree(root).pages)}
    assert not {number for number in pages.strays(reached) if list(pages.cells(number))}


def test_nothing_that_bytes_can_be_stops_the_reading(tmp_path):
    expected, roots = sample(tmp_path / "x.db", 512)
    sound = (tmp_path / "x.db").read_bytes()
    rng = random.Random(1)
    read_rows = 0
    for _ in range(60):
        data = bytearray(sound)
        for _ in range(rng.choice([1, 20, 400])):
            place = rng.randrange(len(data))
            data[place : place + 4] = rng.randbytes(4)
        pages = Pages(bytes(data[: rng.choice([len(data), rng.randrange(len(data))])]))
        rows, _ = read(pages, roots["one"])
        for number in pages.strays(set()):
            list(pages.cells(number))
        read_rows += len(rows & {repr(row) for row in expected["one"]})
    assert read_rows > 60  # of the 250 and more that each file once had


def test_a_page_that_points_to_itself_ends(tmp_path):
    _, roots = sample(tmp_path / "x.db", 512)
    data = bytearray((tmp_path / "x.db").read_bytes())
    pages = Pages(bytes(data))
    root = roots["one"]
    begin = (root - 1) * 512
    data[begin + 8 : begin + 12] = root.to_bytes(4, "big")
    found = Pages(bytes(data)).tree(root)
    assert len(found.lost) == 1
    assert set(found.pages) < set(pages.tree(root).pages)


def test_the_shape_of_every_table_is_known():
    found, roots = shapes()
    with closing(sqlite3.connect(":memory:")) as conn:
        from alertstore.storage.schema import schema_sql

        conn.executescript(schema_sql())
        tables = {name for (name,) in conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    assert set(found) == set(TABLES) == {name for name in tables if not name.startswith(("search", "sqlite_"))} - {"intel_entry"}
    assert set(TABLES) < set(roots)


INDICATOR = {
    "id": 1, "type": "ip", "value": "192.0.2.1", "seq": 1, "created_at": 5, "updated_at": 5, "malice": "Pending", "malice_source": "enrichment",
    "malice_overridden_at": None, "is_enriched": 0, "enrichment_results": None, "enriched_seq": None,
}  # fmt: skip


ENRICHED = INDICATOR | {
    "malice": "Malicious", "updated_at": 6, "is_enriched": 1, "enriched_seq": 7,
    "enrichment_results": '{"a":{"extracted":{"malice":"Malicious"},"success":true}}',
}  # fmt: skip


@pytest.mark.parametrize(
    ("table", "row", "is_sound"),
    [
        ("alert", {"status": "Open", "tags": '["a"]', "heads": '{"lifecycle":[3]}'}, True),
        ("alert", {"status": "open"}, False),
        ("alert", {"tags": '["a", "b"]'}, False),
        ("alert", {"tags": "[1]"}, False),
        ("alert", {"tags": '["\\ud800"]'}, False),
        ("alert", {"heads": "[]"}, False),
        ("alert", {"heads": '{"lifecycle":["x"]}'}, False),
        ("alert", {"heads": "[" * 100_000}, False),
        ("alert", {"title": "a\0b"}, False),
        ("alert", {"uuid": "X"}, False),
        ("alert", {"created_at": 1 << 60}, False),
        ("alert", {"duplicate_count": 1 << 60}, False),
        ("alert", {"closed_at": None}, True),
        ("context_document", {"targeting_rules": "NaN"}, False),
        ("finding", {"evidence": '{"b": 1, "a": 2}'}, True),
        ("finding", {"confidence": "sure"}, False),
        ("indicator", INDICATOR, True),
        ("indicator", INDICATOR | {"malice": "Malicious"}, False),
        ("indicator", INDICATOR | {"malice": "Malicious", "malice_source": "analyst", "malice_overridden_at": 6, "updated_at": 6}, True),
        ("indicator", INDICATOR | {"malice_source": "enrichmemt"}, False),
        ("indicator", INDICATOR | {"is_enriched": 1}, False),
        ("indicator", ENRICHED, True),
        ("indicator", ENRICHED | {"malice": "Benign"}, False),
        ("indicator", ENRICHED | {"malice": "Benign", "malice_source": "analyst", "malice_overridden_at": 6}, True),
        ("indicator", ENRICHED | {"enriched_seq": None}, False),
        ("indicator", ENRICHED | {"is_enriched": 0}, False),
        ("indicator", ENRICHED | {"enrichment_results": "{}"}, False),
        ("indicator", ENRICHED | {"enrichment_results": "[1]"}, False),
        ("indicator", ENRICHED | {"enrichment_results": '{"a":{"success":true,"extracted":{"malice":"Evil"}}}'}, False),
        ("suppression", {"uuid": "X"}, False),
        ("import", {"member": "raw_payload"}, True),
        ("alias", {"uuid": "x", "alert_id": 1, "seq": 1}, False),
        ("foreign_event", {"store_id": "a\0", "number": 1, "seq": 1}, False),
        ("foreign_store", {"store_id": "s", "size": 0, "root": "0f" * 32}, True),
        ("foreign_store", {"store_id": "s", "size": -1, "root": "0f" * 32}, False),
        ("foreign_store", {"store_id": "s", "size": 1, "root": "0F" * 32}, False),
    ],
)
def test_rows_that_a_store_could_have_written(table, row, is_sound):
    assert (fault_of(table, row) is None) is is_sound
