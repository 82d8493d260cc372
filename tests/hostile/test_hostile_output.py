"""Nothing of an alert acts on a terminal, in a pipe, in a spreadsheet or in a log, whatever command shows it."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import subprocess
import sys

import pytest
from corpus import HOSTILE, active, formulas
from hostile_cases import Shell

from alertstore import AlertStore
from alertstore.cli.safe import safe_cell

TEXTS = list(HOSTILE.values())
WHOLE_STORE = ["list --limit 1000", "rules --limit 0", "imports", "rejected", "metrics", "sources", "doctor", "verify", "checkpoint"]
ONE_ALERT = ["show", "show --raw", "history"]
FORMS = {"pipe": ((), False), "terminal": ((), True), "json": (("--json",), True), "csv": (("--csv",), True)}


@pytest.fixture(params=FORMS)
def form(request, monkeypatch):
    """How a command writes: its options, with a person looking or not."""
    options, looked_at = FORMS[request.param]
    monkeypatch.setattr("alertstore.cli.output.on_terminal", lambda: looked_at)
    monkeypatch.setenv("COLUMNS", "132")
    return request.param, options


def check(form, found):
    """Nothing active on either stream; JSON in ASCII, a line each; no formula, wherever a spreadsheet splits."""
    assert not active(found.stdout)
    assert not active(found.stderr)
    name = form[0]
    if name in {"pipe", "json"}:
        assert found.stdout.isascii()
        return [json.loads(line) for line in found.stdout.splitlines()]
    if name == "csv":
        assert not any(formulas(found.stdout, delimiter) for delimiter in ",;\t|")
        rows = list(csv.reader(io.StringIO(found.stdout)))
        assert len({len(row) for row in rows}) <= 1
        return rows
    return None


def test_every_command_that_reads_the_store(hostile_store, form, promise):
    """Every text is shown by the commands that show many alerts in every form, and by one that shows one alert in one form."""
    uuids = hostile_store.uuids[list(FORMS).index(form[0]) :: len(FORMS)]
    look(hostile_store, form, [(uuid, ONE_ALERT[number % len(ONE_ALERT)]) for number, uuid in enumerate(uuids)], promise)


@pytest.mark.long
def test_every_command_in_every_form(hostile_store, form, promise):
    look(hostile_store, form, [(uuid, name) for uuid in hostile_store.uuids for name in ONE_ALERT], promise)


def look(hostile_store, form, alerts, promise):
    for name in WHOLE_STORE:
        check(form, hostile_store(*name.split(), *form[1]))
    for uuid, name in alerts:
        words = name.split()
        found = hostile_store(*words, uuid, *form[1])
        if "--raw" in words and form[0] in {"pipe", "terminal"}:
            assert not active(found.stdout + found.stderr)
        else:
            check(form, found)
    promise(
        "no hostile text acts in a command's output",
        f"{form[0]}: {len(TEXTS)} texts x {len(WHOLE_STORE)} commands, {len(alerts)} alerts one by one: 0 active characters",
    )


def test_json_loses_nothing(hostile_store):
    found = [json.loads(line) for line in hostile_store("list", "--limit", "1000", "--order-by", "created_at").stdout.splitlines()]
    whole = [json.loads(line) for line in hostile_store("export").stdout.splitlines()]
    for rows in (found, whole):
        assert sorted(row["title"] for row in rows) == sorted(TEXTS)
        assert {row["description"] for row in rows} >= {text for text in TEXTS if text.strip()}
    notes = {one["summary"] for row in whole for one in row["agent_findings"]}
    assert notes == {f"found {text}" for text in TEXTS}
    assert {row["raw_payload"]["title"] for row in whole} == set(TEXTS)


def test_a_csv_reads_back_by_the_documented_mapping(hostile_store, promise):
    text = hostile_store("export", "--format", "csv").stdout
    header, *rows = csv.reader(io.StringIO(text))
    with AlertStore.open(hostile_store.path, mode="ro") as store:
        assert store.verify().ok
        alerts = {one.uuid: one for one in store.alerts(limit=1000)}
    assert len(rows) == len(alerts) == len(TEXTS)
    for row in rows:
        cells = dict(zip(header, row, strict=True))
        alert = alerts[cells["uuid"]]
        assert cells["title"] == safe_cell(alert.title)
        assert cells["description"] == safe_cell(alert.description)
        assert cells["tags"] == safe_cell("; ".join(alert.tags))
    found = sum(len(formulas(text, delimiter)) for delimiter in ",;\t|")
    assert found == 0
    promise("no CSV cell starts a formula", f"{len(rows) * len(header):,} cells, split at comma, semicolon, tab and bar: {found}")


def test_what_is_said_on_stderr_is_lines_of_ours(hostile_store, tmp_path, promise):
    refuse(hostile_store, tmp_path, promise, 12)


@pytest.mark.long
def test_everything_that_is_said_on_stderr_is_lines_of_ours(hostile_store, tmp_path, promise):
    refuse(hostile_store, tmp_path, promise, 1)


def refuse(hostile_store, tmp_path, promise, step):
    """An argument or a file's words come back in a refusal as one line, escaped, in which no line of theirs begins."""
    said = 0
    for number, text in enumerate(TEXTS):
        (tmp_path / f"{number}.txt").write_text(text * 2, encoding="utf-8", errors="surrogateescape")
        tries = [
            ["list", f"--status={text}"],
            ["list", f"--after={text}"],
            ["list", f"--order-by={text}"],
            ["list", f"--rule={text} "],
            ["list", f"--start={text}"],
            ["metrics", f"--by={text}"],
            ["show", "--", f"{text}zzzz"],
            ["close", f"--as={text}", "--where", f"tag={text}"],
            ["patch", f"--severity={text}", "--", hostile_store.uuids[0]],
            ["triage", f"--where={text}"],
            ["ingest", f"--source={text}", "nowhere"],
            ["ingest", f"--tz={text}", "nowhere"],
            ["ingest", "--", str(tmp_path / f"{number}.txt"), f"{text}/nowhere"],
            ["verify", f"--depth={text}"],
            ["verify", f"--checkpoint={text}"],
            ["verify", f"--checkpoint={tmp_path / f'{number}.txt'}"],
            ["backup", "--", str(hostile_store.path)],
            [text or "x"],
            ["list", f"--{text}"],
        ]
        for args in tries[number % step :: step]:
            found = hostile_store(*args, codes=(0, 1, 2, 3, 4))
            assert not active(found.stdout + found.stderr), args
            for line in found.stderr.splitlines():
                assert line.startswith(OURS), (args, line)
                said += 1
    promise("no log line of an attacker's own", f"{said:,} lines said about {len(TEXTS)} hostile texts, each one of ours")


OURS = ("alertstore: ", "  advice: ", "Usage: ", "no alerts", "changed ", "would change ", "  not read: ", "more with ")
OURS += ("0 file", "1 file", "2 file", "  rejected: ", "  noted: ", "  `alertstore", "  0")


def test_a_warning_is_a_line_of_ours_too(hostile_store, monkeypatch):
    import warnings

    whole = AlertStore.alerts

    def warn(self, **given):
        for text in TEXTS:
            warnings.warn(f"the plugin says {text}", RuntimeWarning, stacklevel=1)
        return whole(self, **given)

    monkeypatch.setattr(AlertStore, "alerts", warn)
    warnings.simplefilter("always")  # here warnings are errors; whoever runs a command has them shown
    lines = hostile_store("list").stderr.splitlines()
    assert len([line for line in lines if line.startswith("alertstore: warning: the plugin says")]) == len(TEXTS)
    assert not active("\n".join(lines))


def on_pty(args, **env):
    """What a command writes to a real terminal, stdout and stderr together."""
    leader, follower = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}} | {"TERM": "xterm-256color"} | env
    with subprocess.Popen(
        [sys.executable, "-m", "alertstore", *args], stdin=follower, stdout=follower, stderr=follower, env=env
    ) as process:
        os.close(follower)
        written = b""
        try:
            while chunk := os.read(leader, 65536):
                written += chunk
        except OSError:  # the other end is closed
            pass
    os.close(leader)
    return written.decode(), process.returncode


def test_a_real_terminal(hostile_store, promise):
    runs = [["list", "--limit", "1000"], ["rejected"], ["rules", "--limit", "0"], ["show", hostile_store.uuids[0]]]
    for args in runs:
        shown, code = on_pty(["--store", str(hostile_store.path), *args], COLUMNS="160")
        assert code == 0
        assert "\x1b[" in shown  # in colour, so it took this for a terminal
        assert not active(shown, coloured=True)
    promise("hostile texts on a real terminal", f"{len(TEXTS)} texts in {len(runs)} commands, nothing but our colours acts")


def test_reading_files_under_a_progress_bar(tmp_path):
    """The bar of a terminal shows file names, which an attacker chose."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number, text in enumerate(TEXTS):
        name = text.replace("/", "_").encode("utf-8", "surrogateescape")[:200]
        (folder / str(number)).mkdir()
        with open(os.path.join(os.fsencode(folder / str(number)), name if name.strip(b".") else b"x"), "wb") as file:
            file.write(b'{"title": "fine"}\n' if number % 3 else b"nobody's")
    with open(os.path.join(os.fsencode(folder), b"\xff\xfe\x1b[31m"), "wb") as file:
        file.write(b'{"title": "fine"}\n')
    shown, code = on_pty(["--store", str(tmp_path / "a.db"), "ingest", str(folder)], COLUMNS="160")
    assert code == 0
    moves = shown.replace("\x1b[?25l", "").replace("\x1b[?25h", "").replace("\x1b[1A", "").replace("\x1b[2K", "").replace("\r", "")
    assert not active(moves, coloured=True)
    assert r"\x1b[2J" in shown


@pytest.mark.parametrize("text", ["x" * 1_000_000, "x y " * 250_000, "\n" * 500_000 + "x", "\u0301" * 300_000, "\x1b" * 300_000])
def test_a_text_of_megabytes_does_not_flood_a_terminal(tmp_path, monkeypatch, text):
    path = tmp_path / "a.db"
    with AlertStore.open(path, durability="normal") as store:
        uuid = store.add({"title": f"t{text}", "description": f"d{text}", "rule_name": text}).uuid
        store.add_finding(uuid, f"f{text}"[:50_000])
    monkeypatch.setattr("alertstore.cli.output.on_terminal", lambda: True)
    run = Shell(path, [uuid])
    for args in (["list"], ["show", uuid], ["rules"], ["history", uuid]):
        shown = run(*args).stdout
        assert not active(shown)
        assert len(shown) < 400_000
    assert "--json has all" in run("show", uuid).stdout
    assert json.loads(run("show", "--json", uuid).stdout)["description"] == f"d{text}"


def test_the_fixture_for_other_tests(hostile_strings):
    assert hostile_strings == HOSTILE
