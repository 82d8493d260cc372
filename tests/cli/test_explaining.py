"""`alertstore sources` and `ingest --explain`: what is read from where. No store is touched."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cli_cases import HOSTILE

import alertstore
from alertstore.sources.base import OUTPUTS
from alertstore.sources.registry import load_sources

SAMPLES = Path(alertstore.__file__).parent / "samples"


def test_sources_say_what_they_read(run):
    found = {one["name"]: one for one in run.json("sources", "--json")}
    assert list(found) == [one.name for one in load_sources()]
    for one in found.values():
        assert set(one["fields"]) <= set(OUTPUTS)
        assert one["fields"]["title"]
        assert one["severities"]
    (one,) = run.json("sources", "suricata")
    assert one == found["suricata"]
    assert "alert.signature" in one["fields"]["title"]


def test_one_source_on_a_terminal(run, on_terminal):
    shown = run("sources", "elastic").stdout
    assert "kibana.alert.rule.name; also inside _source" in shown
    assert "critical" in shown


def test_an_unknown_source_lists_the_known(run):
    assert "known are: suricata" in run("sources", "snortt", code=1).stderr


def test_a_record_is_explained_without_a_store(run):
    (told,) = run.json("ingest", "--explain", str(SAMPLES / "sentinel.csv"))
    assert not os.path.exists(run.path)
    assert (told["source"], told["framing"], told["encoding"]) == ("sentinel", "a table of 13 columns with , between them", "utf-8")
    assert (told["record"], told["outcome"], told["reason"], told["untried"]) == (1, "alert", "", 0)
    severity = next(one for one in told["values"] if one["output"] == "severity")
    assert severity == {"output": "severity", "value": "Medium", "from": {"Severity": "Medium"}, "why": "medium in the tool's table"}
    assert "TenantId" in told["raw_only"]
    (told,) = run.json("ingest", "--explain", str(SAMPLES / "suricata-eve.json"))
    assert told["needed"] == {"event_type": "alert"}
    assert told["framing"] == "a JSON array of objects"


def test_the_first_alert_is_chosen_or_the_record_that_was_asked_for(run, tmp_path):
    eve = tmp_path / "eve.json"
    alert = {"event_type": "alert", "timestamp": "2026-01-02T03:04:05Z", "alert": {"signature": "x"}}
    eve.write_text("\n".join([json.dumps({**alert, "event_type": "flow"}), "{broken", json.dumps(alert)]), encoding="utf-8")
    chosen = {number: run.json("ingest", "--explain", str(eve), *number)[0] for number in ((), ("--record", "1"), ("--record", "2"))}
    assert [(one["record"], one["outcome"]) for one in chosen.values()] == [(3, "alert"), (1, "no alert"), (2, "rejected")]
    assert "not valid JSON" in chosen["--record", "2"]["reason"]
    assert chosen[()]["position"] == eve.read_bytes().rindex(b'{"event')
    assert "no record 9" in run("ingest", "--explain", str(eve), "--record", "9", code=1).stderr


def test_a_forced_source_explains_what_it_makes_of_a_file(run, tmp_path):
    (tmp_path / "x.json").write_text('{"event_type": "alert", "timestamp": 1, "title": "T"}', encoding="utf-8")
    (told,) = run.json("ingest", "--explain", "--source", "generic", str(tmp_path / "x.json"))
    assert (told["source"], told["outcome"]) == ("generic", "alert")
    assert told["raw_only"] == {"event_type": "alert", "timestamp": 1}


def test_the_zone_is_taken_into_account(run, tmp_path):
    (tmp_path / "x.json").write_text('{"title": "T", "occurred_at": "2026-01-02 03:04:05"}', encoding="utf-8")
    (told,) = run.json("ingest", "--explain", "--tz", "+02:00", str(tmp_path / "x.json"))
    assert told["values"][2] == {
        "output": "occurred_at",
        "value": "2026-01-02T01:04:05Z",
        "from": {"occurred_at": "2026-01-02 03:04:05"},
        "why": "a time without a zone, taken as UTC+02:00",
    }


def test_a_file_that_nobody_reads_says_what_it_holds(run, tmp_path):
    (tmp_path / "x.json").write_text(json.dumps({"hosts": [{"name": HOSTILE[0], "up": True}], "when": 3}), encoding="utf-8")
    stderr = run("ingest", "--explain", str(tmp_path / "x.json"), code=1).stderr
    assert "it is JSON objects one after the other" in stderr or "it is JSON, one object a line" in stderr
    assert "the first record has hosts[].name, hosts[].up, when" in stderr
    (tmp_path / "many.json").write_text(json.dumps({f"key{number}": 0 for number in range(50)}), encoding="utf-8")
    assert "key29 and 20 more" in run("ingest", "--explain", str(tmp_path / "many.json"), code=1).stderr
    (tmp_path / "empty").write_bytes(b"")
    assert "is empty" in run("ingest", "--explain", str(tmp_path / "empty"), code=1).stderr
    assert "not text" in run("ingest", "--explain", str(run_binary(tmp_path)), code=1).stderr


def run_binary(folder):
    (folder / "binary").write_bytes(bytes(range(256)))
    return folder / "binary"


def test_from_a_pipe(run):
    (told,) = run.json("ingest", "--explain", "-", stdin='{"title": "T"}')
    assert (told["path"], told["source"]) == ("-", "generic")
    assert "no source recognises -" in run("ingest", "--explain", "-", stdin='{"a": 1}', code=1).stderr


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_of_a_record_acts_on_a_terminal(run, on_terminal, tmp_path, hostile):
    (tmp_path / "x.json").write_text(json.dumps({"title": hostile, hostile: hostile, "tags": [hostile]}), encoding="utf-8")
    shown = run("ingest", "--explain", str(tmp_path / "x.json")).stdout
    assert "[bold]" in shown or "[bold]" not in hostile
    assert all(c.isprintable() or c == "\n" for c in shown)
    assert "Kept in the raw record only" in shown


def test_a_very_long_record_stays_a_screen(run, on_terminal, tmp_path):
    record = {"title": "x" * 100_000, **{f"key{number}": "y" * 5000 for number in range(200)}}
    (tmp_path / "x.json").write_text(json.dumps(record), encoding="utf-8")
    shown = run("ingest", "--explain", str(tmp_path / "x.json")).stdout
    assert "(200, the first 40)" in shown
    assert len(shown.splitlines()) < 400


@pytest.mark.parametrize("args", [["--explain", "a", "b"], ["--record", "3", "a"], ["--explain", "--record", "0", "a"]])
def test_what_does_not_go_together_is_a_usage_error(run, args):
    run("ingest", *args, code=2)


def test_a_missing_file(run):
    assert "cannot be read" in run("ingest", "--explain", "nothing.json", code=1).stderr


@pytest.mark.parametrize("columns", ["80", "100", "200"])
def test_the_list_of_sources_fits_a_terminal(run, on_terminal, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    lines = run("sources").stdout.splitlines()
    assert lines[0].split()[0] == "NAME"
    assert "RECOGNISED BY" in lines[0]
    assert all(len(line.rstrip()) <= int(columns) for line in lines)
    assert {one.name for one in load_sources()} <= {line.split()[0] for line in lines[1:] if line[:1].strip()}
