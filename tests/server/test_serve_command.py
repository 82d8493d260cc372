"""`alertstore serve` as a program: what it starts with, what it refuses, what it says."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from alertstore import AlertStore

pytestmark = pytest.mark.usefixtures("cases")


def command(*words, key="a-key"):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ALERTSTORE")}
    return [sys.executable, "-m", "alertstore", *map(str, words)], environment | ({} if key is None else {"ALERTSTORE_API_KEY": key})


@contextmanager
def serving(*words, key="a-key", ends_with=signal.SIGINT):
    line, environment = command(*words, key=key)
    server = subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True)
    said = []
    try:
        while not said or not said[-1].startswith("serving "):
            said.append(server.stderr.readline())
            assert said[-1], "".join(said)
        yield int(re.search(r":(\d+) \(", said[-1])[1]), said
    finally:
        server.send_signal(ends_with)
        said.append(server.communicate(timeout=20)[1])
    assert server.returncode == (0 if ends_with is signal.SIGINT else -ends_with), said


@pytest.fixture
def refused(monkeypatch, capsys):
    """Run the command in this process, which it must not get far in; its exit code and what it said."""

    def run(*words, key="a-key"):
        from alertstore.cli import command

        monkeypatch.delenv("ALERTSTORE_API_KEY", raising=False)
        if key is not None:
            monkeypatch.setenv("ALERTSTORE_API_KEY", key)
        with pytest.raises(SystemExit) as end:
            command.main([*map(str, words)])
        return end.value.code, capsys.readouterr().err

    return run


def test_it_serves_a_store_and_what_it_answered_is_kept(tmp_path, connect):
    path = tmp_path / "case.db"
    with serving("--store", path, "--actor", "mia", "serve", "--port", 0) as (port, said):
        client = connect(port, key="a-key")
        alert = f"/v1/alerts/{client.add(title='x')}"
        assert client("PATCH", alert, {"status": "Closed", "close_classification": "Duplicate"}).status == 422
        assert client("PATCH", alert, {"status": "Triaging"}).status == 200
        client.close()
    assert "warning" not in "".join(said)
    assert "a-key" not in "".join(said)
    with serving("--store", path, "serve", "--port", 0, "--policy", "permissive", ends_with=signal.SIGTERM) as (port, _):
        client = connect(port, key="a-key")
        assert client("GET", alert).data["status"] == "Triaging"
        assert client("PATCH", alert, {"status": "Open"}).status == 200
        client.close()
    with AlertStore.open(path) as store:
        assert [event.actor for event in store.history(alert.rsplit("/", 1)[1])][:2] == ["mia", "mia"]
        assert store.verify().ok


def test_it_does_not_start_unless_somebody_decided_on_a_key(tmp_path, refused):
    for key in (None, ""):
        code, said = refused("--store", tmp_path / "x.db", "serve", "--port", 0, key=key)
        assert (code, "$ALERTSTORE_API_KEY" in said, "--no-key" in said) == (1, True, True)
    code, said = refused("--store", tmp_path / "x.db", "serve", "--port", 0, "--no-key", "--host", "0.0.0.0", key=None)
    assert (code, "loopback" in said) == (1, True)
    assert not (tmp_path / "x.db").exists()
    with serving("--store", tmp_path / "x.db", "serve", "--port", 0, "--no-key", key=None):
        pass


def test_other_machines_are_let_in_with_a_warning_only(tmp_path):
    with serving("--store", tmp_path / "x.db", "serve", "--port", 0, "--host", "0.0.0.0") as (_, said):
        assert "warning: other machines can reach this server" in "".join(said)


@pytest.mark.parametrize(
    ("words", "key", "code"),
    [
        (["--policy", "nope"], "k", 1),
        (["--port", "70000"], "k", 2),
        (["--host", "203.0.113.77"], "k", 1),
        (["--host", "no.such.host.invalid"], "k", 1),
        ([], "a b", 1),
    ],
)
def test_what_it_cannot_start_with_is_one_sentence(tmp_path, refused, words, key, code):
    ended, said = refused("--store", tmp_path / "x.db", "serve", *words, key=key)
    assert ended == code
    assert "Traceback" not in said
    assert said.startswith(("alertstore: ", "Usage: "))
    assert not (tmp_path / "x.db").exists()


def test_a_taken_port_and_a_file_that_is_no_store(tmp_path, port, refused):
    code, said = refused("--store", tmp_path / "x.db", "serve", "--port", port)
    assert (code, "cannot listen" in said) == (1, True)
    (tmp_path / "no.db").write_text("no store")
    code, said = refused("--store", tmp_path / "no.db", "serve", "--port", 0)
    assert (code, "Traceback" in said) == (4, False)


def test_answers_are_sent_without_delay(cases):
    """asyncio turns Nagle's algorithm off for sockets that are named as TCP alone; without, each answer takes 40 ms."""
    with cases.listen("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def test_without_its_extra_it_says_what_to_install(tmp_path):
    script = "import sys, importlib.util as u; real = u.find_spec; u.find_spec = lambda name, *a: None if name == 'starlette' else real(name, *a); "
    script += "sys.argv[1:] = ['serve']; from alertstore.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'alertstore[serve]'" in done.stderr
