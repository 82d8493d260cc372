"""keygen, checkpoint --sign, verify --key, prove, seal: on the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from alertstore import AlertStore
from alertstore.domain.proofs import read_proof
from alertstore.signing import SigningKey


@pytest.fixture
def signed(filled):
    """A store whose history `lab.key` signed; its key."""
    filled("keygen", "lab.key")
    filled("checkpoint", "--sign", "lab.key")
    return SigningKey.read("lab.key")


def test_a_key_and_its_public_half(run, tmp_path):
    (found,) = run.json("keygen", "lab.key")
    key = SigningKey.read(tmp_path / "lab.key")
    assert found == {"key": "lab.key", "public_key": key.text}
    assert (tmp_path / "lab.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "lab.key.pub").read_text() == key.text + "\n"
    assert not run.path.exists()


def test_a_key_is_never_written_over(run, tmp_path):
    run("keygen", "lab.key")
    before = (tmp_path / "lab.key").read_bytes()
    run("keygen", "lab.key", code=4)
    run("keygen", "nowhere/lab.key", code=4)
    (tmp_path / "lab.key").rename(tmp_path / "moved.key")
    run("keygen", "lab.key", code=4)  # its public half is there, which people trust
    (tmp_path / "moved.key").rename(tmp_path / "lab.key")
    assert (tmp_path / "lab.key").read_bytes() == before


def test_an_encrypted_key(filled, tmp_path, monkeypatch):
    filled("keygen", "lab.key", "--passphrase", stdin="secret\nsecret\n")
    assert b"ENCRYPTED" in (tmp_path / "lab.key").read_bytes()
    filled("checkpoint", "--sign", "lab.key", stdin="secret\n")
    filled("checkpoint", "--sign", "lab.key", stdin="wrong\n", code=1)
    monkeypatch.setenv("ALERTSTORE_PASSPHRASE", "secret")
    found = filled("checkpoint", "--sign", "lab.key")
    assert "secret" not in found.stdout + found.stderr


def test_the_first_key_becomes_the_store_s(filled):
    filled("keygen", "lab.key")
    filled("keygen", "other.key")
    found = json.loads(filled("checkpoint", "--sign", "lab.key", "--reason", "monday").stdout)
    assert (found["epoch"], found["size"]) == (0, 5)
    assert found["note"].startswith("alertstore/")
    assert filled("checkpoint", "--sign", "other.key", code=1).stdout == ""
    with filled.open() as store:
        *_, event = store.events()
    assert (event.kind, event.actor, event.reason) == ("signing_key_set", "mia", "monday")


@pytest.mark.parametrize("content", [None, b"", b"no key"])
def test_files_that_are_no_key(filled, tmp_path, content):
    if content is not None:
        (tmp_path / "bad.key").write_bytes(content)
    filled("checkpoint", "--sign", "bad.key", code=1)
    filled("seal", "exhibit", "--sign", "bad.key", code=1)
    filled("keygen", "new.key", "--rotate", "bad.key", code=1)
    assert not (tmp_path / "new.key").exists()
    assert not (tmp_path / "exhibit").exists()


def test_verify_with_a_key_in_a_file_or_as_digits(filled, signed, tmp_path):
    for key in ("lab.key.pub", signed.text, signed.text.upper()):
        (found,) = filled.json("verify", "--key", key, "--require-signed")
        assert (found["ok"], found["assurance"], found["signed_size"]) == (True, "signed", 5)
    for key in ("0" * 64, SigningKey.create(tmp_path / "other.key").text):
        found = filled("verify", "--key", key, code=6)
        assert json.loads(found.stdout)["problems"]
        assert "tampered" in found.stderr
    for key in ("no key", "lab.key", str(tmp_path), "\ud800"):
        filled("verify", "--key", key, code=1)


def test_require_signed_asks_for_the_key(filled):
    assert "give --key" in filled("verify", "--require-signed", code=2).stderr


def test_a_private_key_or_no_file_is_no_key_to_verify_with(filled, signed):
    assert "lab.key.pub" in filled("verify", "--key", "lab.key", code=1).stderr
    assert "there is no file" in filled("verify", "--key", "nowhere.pub", code=1).stderr


def test_a_tampered_store_fails_with_6_and_says_where(filled, signed):
    from sqlite3 import connect

    with connect(filled.path) as conn:
        conn.execute("UPDATE alert SET severity = 'Low' WHERE severity = 'High'")
    conn.close()
    found = filled("verify", "--key", signed.text, code=6)
    (problem,) = json.loads(found.stdout)["problems"]
    assert ("severity" in str(problem), "tampered" in found.stderr) == (True, True)


def test_rotation_destroys_the_old_key(filled, signed, tmp_path):
    before = (tmp_path / "lab.key").read_bytes()
    with (tmp_path / "lab.key").open("rb") as held:
        (found,) = filled.json("keygen", "new.key", "--rotate", "lab.key", "--reason", "a year")
        assert held.read() == b"\0" * len(before)
    assert (found["epoch"], found["closed_at"], (tmp_path / "lab.key").exists()) == (1, 6, False)
    for key in (signed.text, "new.key.pub", "lab.key.pub"):
        assert filled.json("verify", "--key", key, "--require-signed")[0]["ok"]


@pytest.mark.parametrize("why", ["not the store's", "no store"])
def test_a_rotation_that_fails_leaves_no_new_key(filled, signed, tmp_path, why):
    filled("keygen", "other.key")
    if why == "no store":
        filled.path.unlink()
    filled(
        "keygen", "new.key", "--rotate", "other.key" if why == "not the store's" else "lab.key", code=1 if why == "not the store's" else 4
    )
    assert sorted(name for name in os.listdir(tmp_path) if "key" in name) == ["lab.key", "lab.key.pub", "other.key", "other.key.pub"]


# --- proofs ---


def test_a_proof_is_one_json_object(filled, signed):
    proof = read_proof(filled("prove", "2").stdout)
    with filled.open() as store:
        assert proof == store.prove(2)
    assert proof.note is not None


def test_a_proof_that_nobody_signed_says_so(filled):
    found = filled("prove", "2")
    assert read_proof(found.stdout).note is None
    assert "no signed checkpoint" in found.stderr


def test_a_proof_that_the_history_goes_on(filled, signed, tmp_path):
    Path(tmp_path / "early.json").write_text(filled("checkpoint").stdout)
    filled("triage", *[one["uuid"] for one in filled.json("list")])
    filled("checkpoint", "--sign", "lab.key")
    for how in ({"stdin": (tmp_path / "early.json").read_text()}, {}):
        found = filled("prove", "--since", "-" if how else "early.json", **how)
        proof = read_proof(found.stdout)
        assert proof.old_size == 5


@pytest.mark.parametrize(("args", "code"), [
    ((), 2), (("2", "--since", "x"), 2), (("x",), 2), (("0",), 1), (("-1",), 2), (("99",), 1), (("9" * 30,), 1), (("--since", "nowhere.json"), 1),
])  # fmt: skip
def test_what_cannot_be_proven(filled, args, code):
    assert filled("prove", *args, code=code).stdout == ""


# --- sealing ---


def test_seal_and_check_with_nothing_but_python(filled, signed, tmp_path):
    (found,) = filled.json("seal", "exhibit-7", "--sign", "lab.key", "--reason", "to the prosecutor")
    assert found["file"] == "store.db"
    assert sorted(os.listdir(tmp_path / "exhibit-7")) == ["MANIFEST", "store.db", "verify.py"]
    with AlertStore.open(tmp_path / "exhibit-7" / "store.db", mode="ro") as copy:
        assert copy.verify(key=signed, require_signed=True).ok
    helped = subprocess.run(
        [sys.executable, "-I", str(tmp_path / "exhibit-7" / "verify.py"), "--help"], capture_output=True, text=True, check=False
    )
    assert (helped.returncode, "usage" in helped.stdout) == (0, True)
    assert not (tmp_path / "exhibit-7" / "__pycache__").exists()


def test_seal_never_replaces_a_folder(filled, tmp_path):
    (tmp_path / "there").mkdir()
    filled("seal", "there", code=4)
    assert os.listdir(tmp_path / "there") == []


def test_seal_with_a_key_that_never_signed(filled):
    filled("keygen", "lab.key")
    filled("seal", "exhibit", "--sign", "lab.key", code=1)
    assert not Path("exhibit").exists()


def test_a_sealed_store_on_the_command_line(filled, signed, tmp_path):
    filled("seal", "exhibit", "--sign", "lab.key")
    filled.path = tmp_path / "exhibit" / "store.db"
    assert filled.json("verify", "--key", signed.text)[0]["ok"]
    assert len(filled.json("list")) == 3
    filled("triage", filled.json("list")[0]["uuid"], code=4)
    filled("redact", filled.json("list")[0]["uuid"], "--authority", "a", code=4)
