"""bundle export, show, import: on the command line."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cli_cases import FALSE, TRUE, Run

from alertstore.signing import SigningKey

CORPUS = runpy.run_path(str(Path(__file__).resolve().parents[1] / "hostile" / "corpus.py"))


@pytest.fixture
def other(tmp_path):
    """Commands on another store, that there is not yet."""
    return Run(tmp_path / "other.db")


@pytest.fixture
def signed(filled):
    """A bundle of three alerts that `lab.key` signed; the key."""
    filled("keygen", "lab.key")
    filled("checkpoint", "--sign", "lab.key")
    filled("bundle", "export", "monday.asb", "--key", "lab.key")
    return SigningKey.read("lab.key")


def uuids(run):
    return sorted(one["uuid"] for one in run.json("list", "--json"))


def forge(name):
    """A byte of an alert changed, in an archive that is sound."""
    with zipfile.ZipFile(name) as archive:
        members = {one.filename: archive.read(one) for one in archive.infolist()}
    members["alerts.jsonl"] = members["alerts.jsonl"].replace(b"Beacon 1", b"Beacon 9")
    with zipfile.ZipFile(f"forged-{name}", "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return f"forged-{name}"


# --- there and back ---


def test_what_is_exported_here_is_imported_there(filled, other):
    (made,) = filled.json("bundle", "export", "monday.asb")
    assert (made["file"], made["alerts"], made["records"], made["made_by"], made["signed_by"], made["left"]) == (
        "monday.asb", 3, 3, "mia", None, [],
    )  # fmt: skip
    (done,) = other.json("bundle", "import", "monday.asb", "--reason", "from the field")
    assert (done["id"], done["new"], done["seen"], done["records"], done["dry_run"]) == (made["id"], 3, 0, 3, False)
    assert uuids(other) == uuids(filled)
    assert other.json("verify")[0]["ok"]
    with other.open() as store:
        (event,) = (one for one in store.events() if one.kind == "bundle_imported")
    assert (event.actor, event.reason) == ("mia", "from the field")
    assert other.json("bundle", "import", "monday.asb")[0]["seen"] == 3


def test_since_takes_what_changed_and_says_what_to_say_next_time(filled, other):
    found = filled("bundle", "export", "monday.asb")
    (size,) = re.findall(r"--since (\d+)", found.stderr)
    other("bundle", "import", "monday.asb")
    filled("triage", uuids(filled)[0], "--reason", "looking")
    (made,) = filled.json("bundle", "export", "tuesday.asb", "--since", size)
    assert made["alerts"] == 1
    (done,) = other.json("bundle", "import", "tuesday.asb")
    assert (done["new"], done["merged"], done["edits"]) == (0, 1, 1)
    assert other.json("show", uuids(filled)[0])[0]["status"] == "Triaging"


def test_a_dry_run_takes_nothing_and_makes_nothing(filled, other):
    filled("bundle", "export", "monday.asb")
    other("bundle", "import", "monday.asb", "-n", code=4)
    assert not other.path.exists()
    other("bundle", "import", "monday.asb")
    filled("triage", uuids(filled)[0])
    filled("bundle", "export", "tuesday.asb")
    with other.open() as store:
        before = store.checkpoint()
    (done,) = other.json("bundle", "import", "tuesday.asb", "-n")
    assert (done["merged"], done["dry_run"]) == (1, True)
    with other.open() as store:
        assert store.checkpoint() == before


def test_conflicts_between_stores_wait(filled, other):
    uuid = uuids(filled)[0]
    filled("bundle", "export", "monday.asb")
    other("bundle", "import", "monday.asb")
    filled("close", uuid, "--as", TRUE)
    other("close", uuid, "--as", FALSE)
    filled("bundle", "export", "tuesday.asb")
    found = other("bundle", "import", "tuesday.asb")
    assert json.loads(found.stdout)["conflicts"] == 1
    assert "1 edit waits for you: `alertstore conflicts` lists them" in found.stderr
    (row,) = other.json("conflicts")
    assert (row["uuid"], row["kind"], len(row["edits"])) == (uuid, "peers", 2)
    other("resolve", uuid[-8:], "--take", "local")
    assert other.json("conflicts") == []


def test_without_payloads(filled, other):
    filled("bundle", "export", "thin.asb", "--no-payloads")
    assert filled.json("bundle", "show", "thin.asb")[0]["payloads"] is False
    with zipfile.ZipFile("thin.asb") as archive:
        assert b"192.0.2.7" in archive.read("alerts.jsonl")  # an indicator
        assert b'\\"ip\\"' not in archive.read("alerts.jsonl")
    other("bundle", "import", "thin.asb")
    assert uuids(other) == uuids(filled)


def test_a_store_that_is_only_read_can_be_exported(filled):
    before = filled.path.read_bytes()
    filled("bundle", "export", "monday.asb")
    assert filled.path.read_bytes() == before


# --- checked before anything ---


def test_show_says_what_is_in_it_and_needs_no_store(run, filled, tmp_path):
    filled("bundle", "export", "monday.asb")
    filled.path.unlink()
    found = run("bundle", "show", "monday.asb")
    row = json.loads(found.stdout)
    assert (row["alerts"], row["payloads"], row["bytes"]) == (3, True, (tmp_path / "monday.asb").stat().st_size)
    assert [one["name"] for one in row["members"]] == ["README.txt", "alerts.jsonl", "events.jsonl", "proof.json", "verify.py"]
    assert "not signed" in found.stderr
    assert not run.path.exists()


def test_show_on_a_terminal(filled, signed, on_terminal):
    found = filled("bundle", "show", "monday.asb", "--key", "lab.key.pub")
    shown = dict(re.split(r" {2,}", line.strip(), maxsplit=1) for line in found.stdout.splitlines())
    assert (shown["alerts"], shown["payloads"], shown["signed by"]) == ("3", "yes", signed.text)
    assert "members" not in shown
    assert found.stderr == ""


@pytest.mark.parametrize("form", ["file", "digits"])
def test_the_key_that_is_asked_for(filled, signed, other, form):
    key = "lab.key.pub" if form == "file" else signed.text
    (done,) = other.json("bundle", "import", "monday.asb", "--key", "0" * 64, "--key", key)
    assert done["signed_by"] == signed.text


def test_a_key_that_nobody_asked_for_proves_nothing(filled, signed, other):
    assert "only the bundle itself names" in other("bundle", "import", "monday.asb").stderr


@pytest.mark.parametrize("command", ["show", "import"])
@pytest.mark.parametrize("case", ["another key", "unsigned", "forged", "cut", "no bundle", "empty"])
def test_6_what_does_not_hold_and_nothing_is_made(filled, signed, other, tmp_path, command, case):
    name, how = "monday.asb", ()
    if case == "another key":
        how = ("--key", SigningKey.create(tmp_path / "other.key").text)
    elif case == "unsigned":
        filled("bundle", "export", "plain.asb")
        name, how = "plain.asb", ("--key", signed.text)
    elif case == "forged":
        name = forge(name)
    else:
        name = "bad.asb"
        whole = (tmp_path / "monday.asb").read_bytes()
        (tmp_path / name).write_bytes({"cut": whole[:-100], "no bundle": b"PK or not", "empty": b""}[case])
    found = other("bundle", command, name, *how, code=6)
    assert (found.stdout, "advice: " in found.stderr) == ("", True)
    assert not other.path.exists()


def test_6_leaves_a_store_as_it_was(filled, signed):
    with filled.open() as store:
        before = store.checkpoint()
    filled("bundle", "import", forge("monday.asb"), code=6)
    with filled.open() as store:
        assert store.checkpoint() == before


@pytest.mark.parametrize("command", ["show", "import"])
def test_a_key_that_is_none(filled, signed, other, command):
    for key in ("lab.key", "nowhere.pub", "0" * 63, "\ud800"):
        other("bundle", command, "monday.asb", "--key", key, code=1)
    assert not other.path.exists()


def test_4_a_file_is_never_replaced_nor_half_written(filled, tmp_path):
    (tmp_path / "monday.asb").write_text("something else")
    filled("bundle", "export", "monday.asb", code=4)
    assert (tmp_path / "monday.asb").read_text() == "something else"
    filled("bundle", "export", "nowhere/monday.asb", code=4)
    assert sorted(os.listdir(tmp_path)) == ["case.db", "monday.asb"]


@pytest.mark.parametrize("since", ["-1", "9" * 30, "monday"])
def test_a_since_that_is_none(filled, tmp_path, since):
    assert filled("bundle", "export", "monday.asb", "--since", since, code=2 if since == "monday" else 1).stdout == ""
    assert not (tmp_path / "monday.asb").exists()


def test_no_store_is_made_by_exporting(run):
    run("bundle", "export", "monday.asb", code=4)
    assert not run.path.exists()


def test_what_is_left_out_is_named(filled):
    uuid = uuids(filled)[0]
    filled("redact", uuid, "--authority", "order 17 C 4/26")
    found = filled("bundle", "export", "monday.asb")
    (left,) = json.loads(found.stdout)["left"]
    assert (left["uuid"], json.loads(found.stdout)["alerts"]) == (uuid, 2)
    assert f"1 alert left out, with all that happened to it:\n  {uuid}: {left['why']}\n" in found.stderr


# --- what is shown ---


@pytest.mark.parametrize("form", ["table", "--json", "--csv"])
def test_nothing_in_a_bundle_acts(hostile, other, monkeypatch, form):
    if form == "table":
        monkeypatch.setattr("alertstore.cli.output.on_terminal", lambda: True)
        monkeypatch.setenv("COLUMNS", "80")
    how = [] if form == "table" else [form]
    said = [hostile("bundle", "export", "h.asb", *how), other("bundle", "show", "h.asb", *how), other("bundle", "import", "h.asb", *how)]
    for found in said:
        assert not CORPUS["active"](found.stdout + found.stderr)
    assert uuids(other) == uuids(hostile)


def test_the_verifier_in_the_bundle_checks_it_with_nothing_but_python(filled, signed, tmp_path):
    with zipfile.ZipFile("monday.asb") as archive:
        (tmp_path / "verify.py").write_bytes(archive.read("verify.py"))
    for name, holds in (("monday.asb", True), (forge("monday.asb"), False)):
        done = subprocess.run([sys.executable, "-I", "verify.py", name, "--key", signed.text], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) is holds, done
