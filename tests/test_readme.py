"""The README is run: every Python block, every console session, and its two commands are what CI and people use."""

import doctest
import os
import pty
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from attrs import fields_dict

from alertstore import SyncPolicy

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
PYTHON = [body for kind, body in BLOCKS if kind == "python"]
SESSIONS = [body for kind, body in BLOCKS if kind == "console"]
POLICIES = [body for kind, body in BLOCKS if kind == "toml" and "max_share" in body]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder that looks like a checkout from inside, as far as the README goes."""
    (tmp_path / "alertstore").symlink_to(ROOT / "alertstore")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readme_has_what_is_run_here():
    assert len(PYTHON) >= 3
    assert len(SESSIONS) >= 1


@pytest.mark.parametrize("block", PYTHON, ids=lambda block: block.strip().splitlines()[-1].strip()[:40])
def test_python_blocks_run(place, block):
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


def terminal(command, place):
    """What a command prints on a terminal 100 columns wide (bold and the like taken off), and its exit code."""
    words = shlex.split(command)
    programs = {"alertstore": [sys.executable, "-m", "alertstore"], "python3": [sys.executable, "-I"]}
    reader, writer = pty.openpty()
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "xterm", "PYTHONSAFEPATH": "1"}
    run = subprocess.Popen([*programs[words[0]], *words[1:]], stdin=writer, stdout=writer, stderr=writer, cwd=place, env=environment)
    os.close(writer)
    printed = b""
    while True:
        try:
            piece = os.read(reader, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not piece:
            break
        printed += piece
    os.close(reader)
    return re.sub(r"\x1b\[[0-9;]*m", "", printed.decode()).replace("\r\n", "\n"), run.wait()


@pytest.mark.parametrize("session", SESSIONS, ids=lambda session: session.splitlines()[0][:40])
def test_console_sessions_say_what_they_show(place, session):
    checker, flags = doctest.OutputChecker(), doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    for step in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        command, _, shown = step.partition("\n")
        printed, code = terminal(command, place)
        assert code == 0, (command, printed)
        assert checker.check_output(shown, printed, flags), f"$ {command}\n{printed}\n-- the README shows --\n{shown}"


def test_the_policy_that_is_shown_is_the_default():
    (shown,) = POLICIES
    assert SyncPolicy.read(tomllib.loads(shown)) == SyncPolicy()
    assert set(tomllib.loads(shown)) == set(fields_dict(SyncPolicy))


def test_the_example_source_reads_a_file(place):
    scope = {"__name__": "readme"}
    exec(compile(next(block for block in PYTHON if "class Badge" in block), "README.md", "exec"), scope)
    from datetime import UTC

    badge = scope["Badge"]()
    alert = badge.alert({"door": "lab", "swipe": "forced", "at": "2026-01-01T00:00:00Z", "holder": "kim"}, UTC)
    assert (alert.title, alert.severity, alert.occurred_at) == ("Badge forced at lab", "High", 1767225600000000)
    assert badge.alert({"door": "lab", "swipe": "ok"}, UTC) is None


def test_the_contents_of_samples_are_licensed():
    notes = (ROOT / "alertstore" / "samples" / "README.md").read_text(encoding="utf-8")
    for sample in (ROOT / "alertstore" / "samples").iterdir():
        if sample.suffix in {".json", ".jsonl", ".csv", ".log"}:
            assert sample.name in notes
