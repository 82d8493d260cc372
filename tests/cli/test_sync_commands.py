"""sync, conflicts, resolve: on the command line, over a real socket to a fake remote."""

from __future__ import annotations

import builtins
import csv
import functools
import io
import json
import os
import pty
import runpy
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from cli_cases import Run

from alertstore.domain.plan import SyncPlan
from alertstore.sync.remote import Pace
from alertstore.testing.remote import FakeRemote
from alertstore.testing.remote_http import FakeRemoteServer

pytest.importorskip("httpx2", reason="httpx2 is not installed (extra sync)")
from alertstore.sync import http as sync_http

CORPUS = runpy.run_path(str(Path(__file__).resolve().parents[1] / "hostile" / "corpus.py"))
FALSE = "False Positive - Incorrect Detection Logic"
TRUE = "True Positive - Suspicious Activity"
KEY = "cai_ours-0123456789"


@pytest.fixture
def remote(monkeypatch):
    """A remote that is served, named by the environment, and asked without pauses."""
    there = FakeRemote(key=KEY)
    quick = functools.partial(sync_http.HttpRemote, pace=Pace(1_000_000, 1_000_000), sleep=there.wait)
    monkeypatch.setattr(sync_http, "HttpRemote", quick)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    with FakeRemoteServer(there) as server:
        there.url = server.url
        monkeypatch.setenv("ALERTSTORE_REMOTE", server.url)
        monkeypatch.setenv("ALERTSTORE_REMOTE_KEY", KEY)
        yield there


@pytest.fixture
def linked(run, remote):
    """Commands on a store that has taken three alerts of the remote in; their uuids are `run.uuids`."""
    run.uuids = [remote.add(title=f"Beacon {number}", severity="High") for number in range(3)]
    run("sync", "pull")
    run("sync", "run")
    return run


def writes(remote):
    return [one for one in remote.requests if one.method != "GET"]


def checkpoint(run):
    with run.open() as store:
        return store.checkpoint()


def disagree(run, remote, number=0):
    """Close an alert on both sides, each in its own way."""
    run("close", run.uuids[number], "--as", TRUE)
    remote.edit(run.uuids[number], status="Closed", close_classification=FALSE)


# --- both ways ---


def test_pull_makes_the_store_and_push_sends(run, remote):
    uuid = remote.add(title="Beacon", severity="High")
    found = run("sync", "pull")
    (row,) = (json.loads(line) for line in found.stdout.splitlines())
    assert (row["action"], row["uuid"], row["title"]) == ("new", uuid, "Beacon")
    assert "1 new here" in found.stderr
    run("triage", uuid, "--reason", "looking")
    (sent,) = run.json("sync", "push")
    assert (sent["action"], sent["body"]) == ("push", {"status": "Triaging"})
    assert remote.alert(uuid)["status"] == "Triaging"
    with run.open() as store:
        (event,) = (one for one in store.history(uuid) if one.kind == "alert_synced" and one.body["facts"].get("outcomes"))
    assert event.actor == "mia"


def test_run_does_both_and_then_nothing(linked, remote):
    first, second, _ = linked.uuids
    linked("patch", first, "--severity", "Critical")
    remote.edit(second, status="Escalated")
    linked("sync", "run", "--reason", "end of shift")
    with linked.open() as store:
        (event,) = (one for one in store.history(second) if one.kind == "alert_status_updated")
    assert (event.reason, event.origin["remote"]) == ("end of shift", remote.url)
    assert remote.alert(first)["severity"] == "Critical"
    assert linked.json("show", second)[0]["status"] == "Escalated"
    again = linked("sync", "run")
    assert (again.stdout, "nothing to do" in again.stderr) == ("", True)
    assert linked.json("verify")[0]["ok"]


@pytest.mark.parametrize(("which", "pulls", "pushes"), [("pull", True, False), ("push", False, True), ("run", True, True)])
def test_each_goes_its_way_alone_and_n_goes_nowhere(linked, remote, which, pulls, pushes):
    first, second, _ = linked.uuids
    linked("patch", first, "--severity", "Critical")
    remote.edit(second, severity="Low")
    before, sent = checkpoint(linked), len(writes(remote))
    planned = {one["uuid"]: one["action"] for one in linked.json("sync", which, "-n")}
    assert planned == ({second: "pull"} if pulls else {}) | ({first: "push"} if pushes else {})
    assert (checkpoint(linked), len(writes(remote))) == (before, sent)
    linked("sync", which)
    assert (remote.alert(first)["severity"] == "Critical") is pushes
    assert (linked.json("show", second)[0]["severity"] == "Low") is pulls


def test_no_store_is_made_but_by_a_pull(run, remote):
    for args in (("plan",), ("push",), ("run",), ("pull", "-n")):
        assert "there is no store" in run("sync", *args, code=4).stderr
    assert not run.path.exists()


def test_an_audit_looks_at_all_that_there_is(linked, remote):
    uuid = linked.uuids[0]
    remote.edit(uuid, status="Closed", close_classification=FALSE)
    for hours in (48, 48):
        remote.clock.advance(hours=hours)
        for number in range(505):  # more than a page, so that the page with the newest is not all there is
            remote.add(title=f"Noise {remote.clock()} {number}", status="Closed", close_classification=FALSE)
        linked("sync", "run", "--force")
    remote.edit(uuid, close_classification=TRUE)
    assert uuid not in {one["uuid"] for one in linked.json("sync", "plan", "--no-push")}
    for which in ("plan", "run"):
        assert uuid in {one["uuid"] for one in linked.json("sync", which, "--audit")}
    assert linked.json("show", uuid)[0]["close_classification"] == TRUE


def test_what_came_on_the_stick_goes_on_to_the_remote_and_back(linked, remote, tmp_path):
    field, uuid = Run(tmp_path / "field.db"), linked.uuids[0]
    linked("bundle", "export", "out.asb")
    field("bundle", "import", "out.asb")
    field("close", uuid, "--as", TRUE, "--reason", "seen in the field")
    field("bundle", "export", "back.asb")
    linked("bundle", "import", "back.asb")
    linked("sync", "run")
    found = remote.alert(uuid)
    assert (found["status"], found["close_classification"]) == ("Closed", TRUE)
    linked("bundle", "export", "again.asb")
    field("bundle", "import", "again.asb")
    for store in (field, linked):
        assert store.json("conflicts") == []
        assert store.json("verify")[0]["ok"]
        assert store.json("show", uuid)[0]["close_classification"] == TRUE
    assert linked("sync", "run").stdout == ""


# --- plans ---


def test_a_plan_changes_nothing_and_its_file_is_the_plan(linked, remote, tmp_path):
    first, second, _ = linked.uuids
    linked("triage", first)
    remote.edit(second, severity="Low")
    before, sent = checkpoint(linked), len(writes(remote))
    found = linked("sync", "plan", "-o", "night.plan")
    assert (checkpoint(linked), len(writes(remote))) == (before, sent)
    rows = {one["uuid"]: one for one in map(json.loads, found.stdout.splitlines())}
    assert {uuid: one["action"] for uuid, one in rows.items()} == {first: "push", second: "pull"}
    kept = SyncPlan.read((tmp_path / "night.plan").read_text())
    assert {item.uuid: (item.action.value, item.token) for item in kept.items} == {
        uuid: (one["action"], one["token"]) for uuid, one in rows.items()
    }
    assert "PLAN for http://127.0.0.1" in found.stderr
    assert (tmp_path / "night.plan").stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ["case.db", "night.plan"]
    assert linked.json("sync", "plan", "--no-pull")[0]["uuid"] == first
    assert linked.json("sync", "plan", "--no-push")[0]["uuid"] == second


def test_apply_does_the_plan_and_leaves_what_has_changed_since(linked, remote):
    first, second, third = linked.uuids
    for uuid in (first, second):
        linked("patch", uuid, "--severity", "Critical")
    linked("sync", "plan", "-o", "night.plan")
    linked("patch", third, "--severity", "Low")
    remote.edit(second, severity="Informational")
    found = linked("sync", "apply", "night.plan", "--reason", "read by two")
    rows = {one["uuid"]: one for one in map(json.loads, found.stdout.splitlines())}
    assert (rows[first]["action"], rows[second]["action"]) == ("push", "failed")
    assert rows[second]["title"] == "Beacon 1"
    assert "changed since" in rows[second]["note"]
    assert "1 left since they had changed" in found.stderr
    assert [remote.alert(uuid)["severity"] for uuid in linked.uuids] == ["Critical", "Informational", "High"]


def test_a_plan_that_cannot_be_kept_leaves_what_was_there(linked, tmp_path):
    (tmp_path / "folder.plan").mkdir()
    for name in ("nowhere/night.plan", "folder.plan"):
        found = linked("sync", "plan", "-o", name, code=1)
        assert "cannot be written" in found.stderr
    assert sorted(os.listdir(tmp_path)) == ["case.db", "folder.plan"]
    (tmp_path / "night.plan").write_text("an older one")
    linked("sync", "plan", "-o", "night.plan")
    assert SyncPlan.read((tmp_path / "night.plan").read_text()).items == []


@pytest.mark.parametrize("content", [None, b"", b"no plan", b"{}", b'{"format": "alertstore-sync-plan-1"}', "é".encode(), b"[" * 100_000])
def test_what_is_no_plan(linked, remote, tmp_path, content):
    if content is not None:
        (tmp_path / "bad.plan").write_bytes(content)
    asked = len(remote.requests)
    linked("sync", "apply", "bad.plan", code=1)
    assert len(remote.requests) == asked


def test_a_plan_by_another_policy_is_refused(linked, remote, tmp_path):
    linked("triage", linked.uuids[0])
    (tmp_path / "policy.toml").write_text('severity = "take_local"\nmax_writes = 7\n')
    linked("sync", "plan", "-o", "night.plan", "--policy", "policy.toml")
    assert "another policy" in linked("sync", "apply", "night.plan", code=5).stderr
    linked("sync", "apply", "night.plan", "--policy", "policy.toml")
    assert remote.alert(linked.uuids[0])["status"] == "Triaging"


def test_a_policy_decides(linked, remote, tmp_path):
    disagree(linked, remote)
    (tmp_path / "policy.toml").write_text('[[lifecycle]]\nremote = "*"\nlocal = "Closed"\ndo = "take_local"\n')
    linked("sync", "run", "--policy", "policy.toml")
    assert remote.alert(linked.uuids[0])["close_classification"] == TRUE
    assert linked.json("conflicts") == []


@pytest.mark.parametrize("content", [None, b"severity =", b'severity = "worst"\nwho = 1\n', b"\xff", b"a = " + b"[" * 5_000])
def test_what_is_no_policy(linked, remote, tmp_path, content):
    if content is not None:
        (tmp_path / "policy.toml").write_bytes(content)
    asked = len(remote.requests)
    found = linked("sync", "plan", "--policy", "policy.toml", code=1)
    assert (found.stdout, len(remote.requests)) == ("", asked)
    assert "policy" in found.stderr or "severity: must be one of" in found.stderr


# --- what a person decides ---


def test_conflicts_wait_without_failing_the_run(linked, remote):
    disagree(linked, remote)
    found = linked("sync", "run")
    assert "1 edit waits for you: `alertstore conflicts` lists them" in found.stderr
    (row,) = linked.json("conflicts")
    assert {name: row[name] for name in ("uuid", "title", "register", "kind", "remote", "local", "edits")} == {
        "uuid": linked.uuids[0],
        "title": "Beacon 0",
        "register": "lifecycle",
        "kind": "policy",
        "remote": ["Closed", FALSE],
        "local": ["Closed", TRUE],
        "edits": [["mia", ["Closed", TRUE]]],
    }


def test_conflicts_as_a_table_and_as_csv(linked, remote, on_terminal):
    disagree(linked, remote)
    linked("sync", "run")
    found = linked("conflicts")
    assert [line.strip().split(None, 1)[-1] for line in found.stdout.splitlines()] == [
        "Beacon 0",
        "lifecycle",
        "both sides changed it, and the policy leaves it to you",
        f"Closed as {FALSE}",
        f"Closed as {TRUE}, by mia",
    ]
    header, row = csv.reader(io.StringIO(linked("conflicts", "--csv").stdout))
    assert dict(zip(header, row, strict=True))["remote"] == f"Closed; {FALSE}"


@pytest.mark.parametrize("take", ["local", "remote"])
def test_resolve_and_sync_again(linked, remote, take):
    disagree(linked, remote)
    linked("sync", "run")
    found = linked("resolve", linked.uuids[0][-8:], "--take", take, "--reason", "seen on two hosts")
    assert ("the next sync sends it" in found.stderr) is (take == "local")
    assert linked("conflicts").stderr == "no conflicts\n"
    linked("sync", "run")
    assert remote.alert(linked.uuids[0])["close_classification"] == (TRUE if take == "local" else FALSE)
    with linked.open() as store:
        (event,) = (one for one in store.history(linked.uuids[0]) if one.kind == "alert_conflict_resolved")
    assert (event.actor, event.reason) == ("mia", "seen on two hosts")


def test_resolve_names_the_register_where_there_are_several(linked, remote):
    uuid = linked.uuids[0]
    disagree(linked, remote)
    linked("patch", uuid, "--malice-override", "Malicious")
    remote.edit(uuid, malice_override="Benign")
    linked("sync", "run")
    found = linked("resolve", uuid, "--take", "remote", code=1)
    assert "register: must be one of: lifecycle, malice" in found.stderr
    assert "1 more waits" in linked("resolve", uuid, "malice", "--take", "local").stderr
    assert [one["register"] for one in linked.json("conflicts")] == ["lifecycle"]


def test_an_alert_that_the_remote_refuses_waits(filled, remote):
    remote.fail("status", "POST", status=422, times=None)
    found = filled("sync", "push", code=5)
    assert found.stdout.count('"action":"failed"') == 3
    rows = filled.json("conflicts")
    assert {(one["register"], one["kind"]) for one in rows} == {("create", "rejected")}
    for one in rows:
        filled("resolve", one["uuid"], "--take", "local")
    assert filled.json("conflicts") == []


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("ffffffff", "--take", "local"), 3),
        (("{uuid}", "--take", "local"), 3),
        (("{conflict}", "severity", "--take", "local"), 3),
        (("{conflict}", "--take", "mine"), 1),
        (("{conflict}",), 2),
    ],
)
def test_what_cannot_be_resolved(linked, remote, args, code):
    disagree(linked, remote)
    linked("sync", "run")
    before = checkpoint(linked)
    found = linked("resolve", *(one.format(uuid=linked.uuids[1], conflict=linked.uuids[0]) for one in args), code=code)
    assert (found.stdout, checkpoint(linked)) == ("", before)
    assert "conflicts()" not in found.stderr


# --- what goes wrong ---


def test_an_alert_that_fails_is_named_and_the_others_are_done(linked, remote):
    first, second, _ = linked.uuids
    for uuid in (first, second):
        linked("patch", uuid, "--severity", "Critical")
    remote.fail("status", "PATCH", first, status=500, times=None)
    found = linked("sync", "push", code=5)
    rows = {one["uuid"]: one["action"] for one in map(json.loads, found.stdout.splitlines())}
    assert rows == {first: "failed", second: "push"}
    assert "1 alert could not be synced" in found.stderr
    remote.heal()
    linked("sync", "push")
    assert remote.alert(first)["severity"] == "Critical"


@pytest.mark.parametrize("fault", ["html", "refuse", "truncated"])
def test_a_remote_that_does_not_answer_is_5(linked, remote, fault):
    remote.fail(fault, times=None)
    found = linked("sync", "run", code=5)
    assert found.stderr.startswith(f"alertstore: {remote.url} ")


def test_a_key_that_is_not_let_in_is_5_and_is_not_shown(linked, remote, monkeypatch):
    monkeypatch.setenv("ALERTSTORE_REMOTE_KEY", "cai_nobody-knows-this")
    found = linked("sync", "run", code=5)
    assert "refused" in found.stderr
    assert "nobody-knows" not in found.stdout + found.stderr


def test_a_guard_says_what_to_do_on_the_command_line(linked, remote):
    with FakeRemoteServer(remote) as moved:
        found = linked("sync", "plan", "--remote", moved.url, code=5)
        assert "this store syncs with" in found.stderr
        assert "--force" in found.stderr
        assert "force=True" not in found.stderr
        linked("sync", "run", "--remote", moved.url, "--force")


def test_more_than_the_policy_allows_must_be_forced(linked, remote):
    linked("triage", *linked.uuids)
    Path("policy.toml").write_text("max_writes = 2\n")
    how = ("--policy", "policy.toml")
    found = linked("sync", "push", *how, code=5)
    assert "look at `alertstore sync plan`" in found.stderr
    assert "MUST BE FORCED: 3 alerts" in linked("sync", "plan", *how, "-o", "night.plan").stderr
    linked("sync", "apply", "night.plan", *how, code=5)
    assert "PATCH" not in {one.method for one in remote.requests}
    assert linked("sync", "apply", "night.plan", *how, "--force").stdout.count("\n") == 3
    assert {remote.alert(uuid)["status"] for uuid in linked.uuids} == {"Triaging"}


@pytest.mark.parametrize("url", ["http://soc.example", "https://user:hunter2@soc.example", "ftp://127.0.0.1", "soc", "https://"])
def test_a_url_that_will_not_do_is_refused_before_the_store_is_touched(run, remote, url):
    found = run("sync", "pull", "--remote", url, code=1)
    assert "url: " in found.stderr
    assert "hunter2" not in found.stderr
    assert not run.path.exists()


def test_without_a_remote_it_is_usage(run, remote, monkeypatch):
    monkeypatch.delenv("ALERTSTORE_REMOTE")
    assert "ALERTSTORE_REMOTE" in run("sync", "run", code=2).stderr


def test_without_the_extra_it_names_it(run, remote, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **how):
        if name == "httpx2":
            raise ImportError(name)
        return real(name, *args, **how)

    monkeypatch.delitem(sys.modules, "alertstore.sync.http")
    monkeypatch.setattr("alertstore.sync.http", None, raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    found = run("sync", "pull", code=1)
    assert "pip install 'alertstore[sync]'" in found.stderr
    assert not run.path.exists()


# --- the key ---


@pytest.fixture
def key_file(tmp_path, monkeypatch):
    monkeypatch.delenv("ALERTSTORE_REMOTE_KEY")
    path = tmp_path / "soc.key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    return path


def test_the_key_in_a_file(run, remote, key_file):
    remote.add(title="Beacon")
    assert run("sync", "pull", "--key-file", str(key_file)).stdout.count("\n") == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o602, 0o601])
def test_a_key_that_others_can_read_or_change_is_refused(run, remote, key_file, mode):
    key_file.chmod(mode)
    found = run("sync", "pull", "--key-file", str(key_file), code=1)
    assert f"mode {mode:04o}" in found.stderr
    assert "chmod 600" in found.stderr
    assert (remote.requests, run.path.exists()) == ([], False)


@pytest.mark.parametrize("content", [b"", b"\n", "ключ".encode(), b"k" * 5_000])
def test_what_is_no_key(run, remote, key_file, content):
    key_file.write_bytes(content)
    assert "must hold the key" in run("sync", "pull", "--key-file", str(key_file), code=1).stderr
    assert run("sync", "pull", "--key-file", str(key_file.parent), code=1).stdout == ""
    assert run("sync", "pull", "--key-file", "nowhere", code=1).stdout == ""
    assert (remote.requests, run.path.exists()) == ([], False)


def test_no_key_at_all_is_said_before_the_store_is_made(run, remote, key_file):
    found = run("sync", "pull", code=5)
    assert "ALERTSTORE_REMOTE_KEY" in found.stderr
    assert not run.path.exists()


def test_the_key_is_no_argument_and_comes_out_nowhere(linked, remote, tmp_path):
    assert linked("sync", "run", "--key", KEY, code=2).stdout == ""
    linked("triage", *linked.uuids)
    said = ""
    for args in (("plan", "-o", "night.plan"), ("apply", "night.plan"), ("run",)):
        found = linked("sync", *args)
        said += found.stdout + found.stderr
    said += (tmp_path / "night.plan").read_text() + linked("history", linked.uuids[0], "--json").stdout
    assert KEY not in said
    assert KEY.encode() not in linked.path.read_bytes()


# --- what is shown ---


@pytest.mark.parametrize("form", ["table", "--json", "--csv"])
def test_nothing_that_a_remote_says_acts(run, remote, monkeypatch, hostile_strings, form):
    if form == "table":
        monkeypatch.setattr("alertstore.cli.output.on_terminal", lambda: True)
        monkeypatch.setenv("COLUMNS", "80")
    how = [] if form == "table" else [form]
    texts = [text for text in hostile_strings.values() if text.strip() and "\0" not in text][:20]
    uuids = []
    for text in texts:
        encoded = text.encode(errors="ignore").decode()
        uuids.append(remote.add(title=f"{encoded} {len(uuids)}"[:200], tags=[encoded[:50]]))
    shown = [run("sync", "pull", *how)]
    for uuid, text in zip(uuids, texts, strict=True):
        run("close", uuid, "--as", TRUE, "--reason", "x")
        remote.edit(uuid, status="Closed", close_classification=FALSE, tags=[f"y{text.encode(errors='ignore').decode()[:40]}"])
    shown += [run("sync", "plan", *how), run("sync", "run", *how), run("conflicts", *how)]
    remote.fail("status", status=500, times=None)
    shown.append(run("sync", "run", *how, code=5))
    for found in shown:
        assert not CORPUS["active"](found.stdout + found.stderr)
        if form == "--csv":
            assert not CORPUS["formulas"](found.stdout)
        if form == "--json":
            assert all(json.loads(line) for line in found.stdout.splitlines())
    with run.open() as store:
        assert len(store.conflicts()) == len(texts)


@pytest.mark.parametrize("columns", [80, 100, 40])
def test_a_plan_on_a_terminal_fits_it(linked, remote, on_terminal, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    for number in range(30):
        remote.add(title=f"A title that goes on and on, {number}, and says nothing that nobody knew " * 3)
    disagree(linked, remote)
    linked("triage", linked.uuids[1])
    found = linked("sync", "plan", "-o", "night.plan")
    assert max(map(len, found.stdout.splitlines())) <= columns
    lines = found.stdout.splitlines()
    assert lines[0] == f"PLAN for {remote.url}"
    assert [line for line in lines if line.endswith(")") and line[0].isupper()] == [
        "Changes there (1)",
        "Waits for you (1)",
        "New here (30)",
    ]
    assert "and 5 more; --json lists all" in lines
    assert found.stderr == "kept in night.plan; `alertstore sync apply night.plan` does exactly this\n"


# --- as a process ---


def process(run, *args, **environment):
    return subprocess.run(
        [sys.executable, "-m", "alertstore", "--store", str(run.path), "--actor", "mia", *args],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def test_the_real_process(run, remote):
    uuid = remote.add(title="Beacon", severity="High")
    done = process(run, "sync", "pull")
    assert (done.returncode, json.loads(done.stdout)["uuid"]) == (0, uuid)
    run("escalate", uuid)
    done = process(run, "sync", "run", "--json")
    assert (done.returncode, remote.alert(uuid)["status"]) == (0, "Escalated")
    assert json.loads(done.stdout)["body"] == {"status": "Escalated"}
    assert process(run, "sync", "run", ALERTSTORE_REMOTE_KEY="cai_wrong").returncode == 5


def test_whoever_looks_at_stderr_sees_that_it_is_asked(linked, remote, monkeypatch):
    monkeypatch.setattr("alertstore.cli.linking.watched", lambda: True)
    said = []
    monkeypatch.setattr("rich.status.Status.update", lambda _, words, **__: said.append(words.plain))
    linked("triage", linked.uuids[0])
    asked = len(remote.requests)
    linked("sync", "run")
    assert said == [f"asking {remote.url}: {n} request{'' if n == 1 else 's'}" for n in range(1, len(remote.requests) - asked + 1)]
    assert remote.alert(linked.uuids[0])["status"] == "Triaging"


def test_on_a_real_terminal_that_is_gone_before_the_data_comes(linked, remote):
    remote.edit(linked.uuids[0], severity="Low")
    reader, writer = pty.openpty()
    args = [sys.executable, "-m", "alertstore", "--store", str(linked.path), "sync", "run"]
    environment = {**os.environ, "COLUMNS": "80", "TERM": "xterm"}
    done = subprocess.Popen(args, stdin=writer, stdout=writer, stderr=writer, env=environment)
    os.close(writer)
    printed = b""
    with suppress(OSError):  # Linux says so when the other side is closed
        while piece := os.read(reader, 65536):
            printed += piece
    os.close(reader)
    assert done.wait() == 0
    before, _, after = printed.decode().partition("Changes here (1)")
    assert f"asking {remote.url}" in before
    assert "\x1b[2K" in before.rpartition("asking")[2]
    assert "asking" not in after
    assert "severity: High -> Low" in after
