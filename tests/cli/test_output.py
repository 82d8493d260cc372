"""stdout carries data alone: tables for a terminal, JSON lines for a pipe; no alert acts on either."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import subprocess
import sys

import pytest
from cli_cases import HOSTILE

from alertstore import AlertStore
from alertstore.wire import AlertResponse

BAD = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
COMMAND = [sys.executable, "-m", "alertstore"]


def on_pty(*args, **env):
    """What a command writes to a real terminal of 80 columns, stdout and stderr together, and its exit code."""
    leader, follower = pty.openpty()
    env = (
        {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
        | {"COLUMNS": "80", "TERM": "xterm"}
        | env
    )
    with subprocess.Popen([*COMMAND, *args], stdin=follower, stdout=follower, stderr=follower, env=env) as process:
        os.close(follower)
        written = b""
        try:
            while chunk := os.read(leader, 65536):
                written += chunk
        except OSError:  # the other end is closed
            pass
    os.close(leader)
    return written.decode(), process.returncode


def rows(found):
    return list(csv.reader(io.StringIO(found.stdout)))


def test_a_pipe_gets_json_lines_with_the_fields_of_the_list(filled):
    found = filled.json("list")
    with filled.open() as store:
        assert [one["uuid"] for one in found] == [one.uuid for one in store.alerts()]
        whole = AlertResponse.of(store.get(found[0]["uuid"])).model_dump(mode="json")
    assert {name: whole[name] for name in found[0]} == found[0]
    assert found == filled.json("list", "--json")


def test_a_terminal_gets_a_table(filled, on_terminal):
    found = filled("list").stdout.splitlines()
    assert found[0].split() == ["WHEN", "(UTC)", "SEVERITY", "STATUS", "ID", "TITLE"]
    assert len(found) == 4
    assert "Beacon 2" in found[1]
    assert all(len(line) <= 80 for line in found)


def test_json_and_csv_are_what_they_say_on_a_terminal_too(filled, on_terminal):
    assert len(filled.json("list", "--json")) == 3
    header, *body = rows(filled("list", "--csv"))
    assert header[:3] == ["uuid", "title", "description"]
    assert [row[1] for row in body] == ["Beacon 2", "Beacon 1", "Beacon 0"]


def test_an_empty_csv_still_has_its_header(filled):
    assert rows(filled("list", "--csv", "--status", "Closed")) == rows(filled("list", "--csv"))[:1]


def test_json_and_csv_exclude_each_other(filled):
    assert "exclude" in filled("list", "--json", "--csv", code=2).stderr


def test_one_thing_as_csv_is_a_row_for_each_of_its_values(filled):
    found = dict(rows(filled("metrics", "--csv"))[1:])
    assert found["total"] == "3"
    assert found["false_positive_rate.denominator"] == "0"


def test_words_go_to_stderr(filled):
    found = filled("list", "--limit", "1")
    assert "--after" in found.stderr
    assert len(found.stdout.splitlines()) == 1


READS = (["list"], ["metrics"], ["rules"], ["imports"], ["rejected"], ["sources"], ["doctor"], ["export"], ["export", "--format", "csv"])


@pytest.mark.parametrize("form", [[], ["--csv"], ["--json"]])
@pytest.mark.parametrize("name", ["list", "show", "show --raw", "history"])
def test_hostile_text_reaches_no_reader_raw(hostile, name, form):
    uuids = [one["uuid"] for one in hostile.json("list")]
    first, *rest = name.split()
    for uuid in uuids if first != "list" else [None]:
        found = hostile(first, *([uuid] if uuid else []), *rest, *form)
        assert not BAD.search(found.stdout)
        assert not BAD.search(found.stderr)


@pytest.mark.parametrize("name", ["list", "show", "history"])
def test_hostile_text_reaches_no_table_raw(hostile, on_terminal, name):
    seen = ""
    for uuid in [one["uuid"] for one in hostile.json("list", "--json")]:
        seen += hostile(name, *([] if name == "list" else [uuid])).stdout
    assert not BAD.search(seen)
    if name != "history":
        assert r"\x1b]0;pwned" in seen
        assert r"\u202e" in seen
        assert "[bold]" in seen


@pytest.mark.parametrize("args", READS)
def test_every_read_is_clean(hostile, args):
    found = hostile(*args)
    assert not BAD.search(found.stdout)


def test_no_cell_of_an_export_is_a_formula(hostile):
    header, *body = rows(hostile("export", "--format", "csv"))
    assert len(body) == len(HOSTILE)
    assert "'=cmd|'/C calc'!A0" in {row[header.index("title")] for row in body}
    assert not [cell for row in body for cell in row if cell.lstrip()[:1] in set("=+-@")]


def test_json_loses_nothing(hostile):
    assert {one["title"] for one in hostile.json("list")} == set(HOSTILE)
    exported = hostile("export")
    assert exported.stdout.isascii()
    assert {json.loads(line)["title"] for line in exported.stdout.splitlines()} == set(HOSTILE)


def test_an_export_is_the_api_form(filled):
    found = filled.json("export", "--severity", "High")
    with filled.open() as store:
        assert found == [AlertResponse.of(store.get(found[0]["uuid"])).model_dump(mode="json")]


def test_a_refusal_that_quotes_a_file_is_escaped(run, tmp_path):
    name = tmp_path / "x\x1b]0;pwned\x07.json"
    name.write_text("neither json nor csv")
    found = run("ingest", str(name), code=1)
    assert not BAD.search(found.stderr)
    assert r"\x1b]0;pwned" in found.stderr


def test_a_rejected_record_is_escaped(run, tmp_path, on_terminal):
    (tmp_path / "in.jsonl").write_bytes(b'{"title": "fine"}\n{"title": "\x1b]0;x\x07"\n')
    assert not BAD.search(run("ingest", "in.jsonl").stderr)
    assert not BAD.search(run("rejected").stdout)


def test_a_traceback_passes_the_gate_too(filled, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("\x1b]0;pwned\x07")

    monkeypatch.setattr(AlertStore, "alerts", fail)
    found = filled("list", code=1)
    assert r"\x1b]0;pwned" in found.stderr
    assert not BAD.search(found.stderr)


def test_a_real_terminal_gets_a_table_in_colour(hostile):
    shown, code = on_pty("--store", str(hostile.path), "list")
    assert code == 0
    assert "SEVERITY" in shown
    assert "\x1b[31m" in shown  # High
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown).replace("\r\n", "\n")
    assert not BAD.search(plain)
    assert "[bold]not" in plain


def test_no_color_is_obeyed(hostile):
    shown, code = on_pty("--store", str(hostile.path), "list", NO_COLOR="1")
    assert code == 0
    assert "High" in shown
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", shown)


def test_as_a_program_in_a_pipe(filled):
    env = os.environ | {"ALERTSTORE": str(filled.path)}
    done = subprocess.run([*COMMAND, "list"], capture_output=True, env=env, check=False)
    assert done.returncode == 0
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 3


def test_a_reader_that_goes_away_is_no_fault(filled):
    with AlertStore.open(filled.path) as store:
        for number in range(300):
            store.add({"title": f"Alert {number}", "description": "x" * 1000})
    with subprocess.Popen(
        [*COMMAND, "--store", filled.path, "list", "--limit", "1000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in (errors := process.stderr.read())
        assert b"Broken pipe" not in errors
    assert process.returncode == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_is_said(filled):
    with open("/dev/full", "w") as full:
        done = subprocess.run([*COMMAND, "--store", filled.path, "list"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert b"No space left" in done.stderr
