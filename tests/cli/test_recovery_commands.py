"""doctor, evidence, salvage: for people and pipes."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256

import pytest

from alertstore import AlertStore
from alertstore.storage import health


@pytest.fixture(autouse=True)
def mended_sqlite(monkeypatch):
    """No warning about the SQLite that these tests happen to run on."""
    monkeypatch.setattr(health, "has_wal_reset_bug", lambda version: False)


def test_doctor_says_how_the_store_is(filled):
    found = filled("doctor")
    (facts,) = map(json.loads, found.stdout.splitlines())
    assert (facts["store"], facts["alerts"], facts["imports"], facts["schema_version"]) == (str(filled.path), 3, 0, 1)
    assert (facts["bytes"], facts["mode"], facts["warnings"], facts["problems"]) == (filled.path.stat().st_size, "0600", [], [])
    with filled.open() as store:
        assert (facts["store_id"], facts["events"]) == (store.id, store.checkpoint().size)
    assert found.stderr == ""


def test_doctor_warns_on_stderr(filled, on_terminal, monkeypatch):
    filled.path.chmod(0o644)
    monkeypatch.setattr(health, "has_wal_reset_bug", lambda version: True)
    found = filled("doctor")
    assert "warning: " in found.stderr
    assert "mode 0644" in found.stderr
    assert "WAL-reset bug" in found.stderr
    assert "WAL-reset bug (" not in found.stdout


def test_evidence_of_a_store(filled, tmp_path):
    before = sorted(path.name for path in tmp_path.iterdir())
    (facts,) = filled.json("evidence", str(filled.path))
    assert facts["source"] == str(filled.path)
    assert facts["files"] == [
        {"name": "case.db", "size": filled.path.stat().st_size, "sha256": sha256(filled.path.read_bytes()).hexdigest()}
    ]
    assert (facts["integrity"], facts["report"]["ok"], facts["kept"]) == (["ok"], True, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_evidence_keeps_what_it_took(filled, tmp_path, on_terminal):
    found = filled("evidence", str(filled.path), "--keep", "exhibits")
    assert (tmp_path / "exhibits" / "case.db").read_bytes() == filled.path.read_bytes()
    for words in ("SHA-256", "integrity", "sound"):
        assert words in found.stdout
    assert "exists already" in filled("evidence", str(filled.path), "--keep", "exhibits", code=4).stderr


def test_evidence_that_does_not_hold_exits_6(filled):
    with closing(sqlite3.connect(filled.path, isolation_level=None)) as conn:
        conn.execute("UPDATE alert SET severity = 'Low' WHERE id = 1")
    found = filled("evidence", str(filled.path), code=6)
    assert json.loads(found.stdout)["report"]["ok"] is False
    assert "verification failed" in found.stderr


def test_evidence_of_something_else_exits_4_and_shows_what_was_taken(run, tmp_path):
    with closing(sqlite3.connect(tmp_path / "places.sqlite")) as conn:
        conn.execute("CREATE TABLE t (x)")
    found = run("evidence", "places.sqlite", code=4)
    facts = json.loads(found.stdout)
    assert (facts["integrity"], facts["report"], facts["files"][0]["name"]) == (["ok"], None, "places.sqlite")
    assert f"{tmp_path / 'places.sqlite'} is not an alertstore file" in found.stderr
    assert run("evidence", "nothing.db", code=4).stdout == ""


def test_salvage_prints_its_report_and_promises_nothing(filled, tmp_path):
    shutil.copy(filled.path, tmp_path / "broken.db")
    with open(tmp_path / "broken.db", "r+b") as file:
        file.write(bytes(4096))
    found = filled("salvage", "broken.db", "saved.db", "--reason", "the disk failed")
    facts = json.loads(found.stdout)
    assert {table["name"]: table["taken"] for table in facts["tables"]}["alert"] == 3
    assert "nothing of the new store is proven" in found.stderr
    with AlertStore.open(tmp_path / "saved.db", mode="ro") as store:
        assert store.verify().ok
        assert (store.id, store.count()) == (facts["store_id"], 3)
        said = next(store.events(after=1))
        assert (said.actor, said.reason) == ("mia", "the disk failed")
    assert "exists already" in filled("salvage", "broken.db", "saved.db", code=4).stderr


def test_salvage_on_a_terminal(filled, on_terminal):
    with closing(sqlite3.connect(filled.path, isolation_level=None)) as conn:
        conn.execute("DROP TRIGGER event_kept")
        conn.execute("DELETE FROM event WHERE seq = 3")
        conn.execute("DELETE FROM indicator")
    found = filled("salvage", str(filled.path), "saved.db")
    words = " ".join(found.stdout.split())
    assert "lost events 3" in words
    assert "3 taken, 0 put aside" in words
    assert "0 taken, 3 put aside" in words
