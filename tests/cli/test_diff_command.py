"""diff: two imports compared on the command line."""

from __future__ import annotations

import csv
import json

import pytest

from alertstore.testing import write_jsonl


def record(name, **over):
    return {"title": name, "occurred_at": "2026-03-01T10:00:00Z", "rule_id": f"R-{name[0]}", "rule_name": f"rule {name[0]}"} | over


@pytest.fixture
def runs(run, tmp_path):
    """Commands on a store that two runs were read into: `a` closed and there again, `b` gone, `c` and more new."""
    run("ingest", str(write_jsonl(tmp_path / "old.jsonl", [record("a"), record("b\x1b[2J")])))
    (uuid,) = [one["uuid"] for one in run.json("list") if one["title"] == "a"]
    run("close", uuid, "--as", "Duplicate")
    later = record("a", occurred_at="2026-03-01T11:00:00Z")
    run("ingest", str(write_jsonl(tmp_path / "new.jsonl", [record("a"), later, *(record(f"c {n}") for n in range(12))])))
    return run


def test_the_whole_as_json(runs):
    (found,) = runs.json("diff", "1", "2")
    assert [found[kind] for kind in ("new", "gone", "recurring", "carried", "deleted")] == [12, 1, 2, 2, 0]
    assert [(one["id"], one["name"]) for side in ("before", "after") for one in found[side]["imports"]] == [
        (1, "old.jsonl"),
        (2, "new.jsonl"),
    ]
    first = found["by_rule"][0]
    assert (first["source_rule_id"], first["name"], first["new"], first["gone"], first["recurring"]) == ("R-c", "rule c", 12, 0, 0)


def test_one_kind(runs):
    assert [one["title"] for one in runs.json("diff", "1", "2", "--new")] == [f"c {n}" for n in range(12)]
    same, pair = runs.json("diff", "1", "2", "--carried")
    assert (same["before"], same["classification"], same["suggested"]) == (None, "Duplicate", False)
    assert (pair["before"], pair["classification"], pair["suggested"]) == (same["uuid"], "Duplicate", True)
    (gone,) = csv.DictReader(runs("diff", "1", "2", "--gone", "--csv").stdout.splitlines())
    assert gone["title"].startswith("b")
    found = runs("diff", "1", "1", "--new")
    assert (found.stdout, found.stderr) == ("", "no such alerts\n")


def test_on_a_terminal(runs, monkeypatch):
    monkeypatch.setattr("alertstore.cli.output.on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    found = runs("diff", "1", "2").stdout
    for words in ("import 1 old.jsonl", "import 2 new.jsonl", "the first 10 of 12; all with --new", "Gone", "R-c", "rule c", "c 9"):
        assert words in found
    assert "c 10" not in found
    assert "\x1b[2J" not in found
    assert "neither import reported an alert" not in found
    monkeypatch.setattr("alertstore.cli.comparing.PAGE", 5)
    whole = runs("diff", "1", "2", "--new").stdout.splitlines()
    assert [line.split()[-1] for line in whole if line.startswith("2026")] == [str(n) for n in range(12)]
    assert sum("SEVERITY" in line for line in whole) == 3  # tables of five
    assert "Duplicate, suggested" in runs("diff", "1", "2", "--carried").stdout


@pytest.mark.usefixtures("on_terminal")
def test_nothing_to_compare(run, tmp_path):
    bare = tmp_path / "eve.json"
    bare.write_text('{"event_type": "flow", "timestamp": "2026-03-01T10:00:00Z"}\n')
    run("ingest", str(bare), "--source", "suricata")
    assert "neither import reported an alert" in run("diff", "1", "1").stdout


def test_what_is_said_beside_the_data(runs, tmp_path):
    cut = tmp_path / "cut.json"
    cut.write_text(json.dumps([record("a"), record("d")])[:-20])
    runs("ingest", str(cut), "--source", "generic", code=1)
    with runs.open("rw") as store:
        store.delete_alert(store.alerts(text="b").items[0].uuid)
    said = runs("diff", "1", "3").stderr
    assert "not read to the end: import 3" in said
    assert "1 deleted since" in said


def test_codes(runs):
    runs("diff", "1", "9", code=3)
    assert "before: must be the number of an import" in runs("diff", "one", "2", code=1).stderr
    runs("diff", "1", "", code=1)
    runs("diff", "1", code=2)
    assert runs.json("diff", "1,2", "2")[0]["new"] == 0


def test_it_makes_no_store(run):
    run("diff", "1", "2", code=4)
    assert not run.path.exists()
