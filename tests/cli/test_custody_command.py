"""`alertstore custody`: the library's report, on stdout alone, and an exit code for a store that is not sound."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest

from alertstore.signing import SigningKey


@pytest.mark.parametrize(("flags", "form"), [((), "markdown"), (("--html",), "html")])
def test_the_report_is_the_librarys(filled, flags, form):
    found = filled("custody", *flags)
    with filled.open() as store:
        assert found.stdout == store.custody(form=form)
    assert found.stderr == ""


def test_a_kept_checkpoint_anchors_it(filled, tmp_path):
    kept = tmp_path / "kept.json"
    kept.write_text(filled("checkpoint").stdout)
    assert "**Sound, anchored: " in filled("custody", "--checkpoint", str(kept)).stdout
    assert "**Sound, anchored: " in filled("custody", "--checkpoint", "-", stdin=kept.read_text()).stdout
    kept.write_text(json.dumps({"size": 1, "root": "0" * 64}))
    found = filled("custody", "--checkpoint", str(kept), code=6)
    assert found.stdout.splitlines()[2].startswith("**Tampered: ")
    assert "verification failed" in found.stderr


def test_a_key_and_receipts_are_held_against_it(filled, tmp_path):
    key = SigningKey.create(tmp_path / "key.pem")
    with filled.open("rw") as store:
        store.sign(key)
    assert "**Sound, signed: " in filled("custody", "--key", key.text).stdout
    other = SigningKey.create(tmp_path / "other.pem")
    assert filled("custody", "--key", other.text, code=6).stdout.splitlines()[2].startswith("**Tampered: ")
    (tmp_path / "receipts").write_text("")
    assert filled("custody", "--receipts", str(tmp_path / "receipts"), code=6).stdout.splitlines()[2].startswith("**Could not check: ")


def test_a_tampered_store_is_reported_on_with_exit_code_6(filled):
    with closing(sqlite3.connect(filled.path, isolation_level=None)) as conn:
        conn.execute("UPDATE alert SET title = 'other' WHERE id = 1")
    found = filled("custody", "--html", code=6)
    assert "Tampered: " in found.stdout
    assert found.stdout.endswith("</html>\n")


def test_there_must_be_a_store(run):
    assert run("custody", code=4).stdout == ""


def test_a_checkpoint_that_is_none_is_refused(filled, tmp_path):
    (tmp_path / "kept.json").write_text("[]")
    assert filled("custody", "--checkpoint", str(tmp_path / "kept.json"), code=1).stdout == ""
