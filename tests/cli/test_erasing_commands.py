"""redact, prune, hold: on the command line."""

from __future__ import annotations

import json

import pytest

ORDER = ("--authority", "order 17 C 4/26")


def first(run):
    return run.json("list")[0]["uuid"]


def last_event(run):
    with run.open() as store:
        *_, event = store.events()
    return event


def test_redact(filled):
    uuid = first(filled)
    found = filled("redact", uuid, *ORDER, "--reason", "consent withdrawn")
    assert (found.stdout, "backups" in found.stderr) == ("", True)
    event = last_event(filled)
    assert (event.kind, event.actor, event.reason) == ("alert_redacted", "mia", "consent withdrawn")
    assert event.body["facts"] == {"authority": "order 17 C 4/26", "parts": ["record", "content", "findings"]}
    assert filled.json("verify")[0]["ok"]


def test_a_redacted_alert_is_shown_listed_exported_and_reported(filled, monkeypatch):
    uuid = first(filled)
    (title,) = (one["title"] for one in filled.json("show", uuid))
    filled("redact", uuid, *ORDER)
    monkeypatch.setattr("alertstore.cli.output.on_terminal", lambda: True)
    for args in (
        ("show", uuid),
        ("show", uuid, "--raw"),
        ("list",),
        ("history", uuid),
        ("export",),
        ("export", "--format", "csv"),
        ("metrics",),
        ("doctor",),
    ):
        found = filled(*args)
        assert title not in found.stdout
    assert "[redacted]" in filled("list").stdout


def test_parts(filled):
    uuid = first(filled)
    filled("redact", uuid[-12:], "--part", "record", "--part", "findings", *ORDER)
    assert last_event(filled).body["facts"]["parts"] == ["record", "findings"]
    filled("redact", uuid, "--part", "title", *ORDER, code=1)


def test_a_deleted_alert(filled):
    uuid = first(filled)
    with filled.open("rw") as store:
        store.delete_alert(uuid)
    filled("redact", uuid, *ORDER)
    assert filled.json("verify")[0]["ok"]


def test_a_rejected_record(filled, tmp_path):
    (tmp_path / "bad.json").write_text('{"title": "Geheim\n{"title": 5}\n')
    filled("ingest", "bad.json", "--source", "generic")
    rejected = filled.json("rejected")
    filled("redact", "--rejected", f"{rejected[0]['import_id']}:{rejected[0]['record']}", *ORDER)
    assert filled.json("rejected")[0]["reason"] == "[redacted]"
    assert b"Geheim" not in filled.path.read_bytes()
    assert filled.json("verify")[0]["ok"]


@pytest.mark.parametrize(
    ("args", "code"),
    [
        ((), 2),
        (ORDER, 2),
        (("00000000-0000-0000-0000-000000000000", *ORDER), 3),
        (("00000000-0000-0000-0000-000000000000",), 2),
        (("00000000-0000-0000-0000-000000000000", "--rejected", "1:1", *ORDER), 2),
        (("--rejected", "1:1", *ORDER), 3),
        (("--rejected", "9" * 30 + ":1", *ORDER), 3),
        (("--rejected", "1", *ORDER), 1),
        (("--rejected", "1:x", *ORDER), 1),
        (("--rejected", "1:\N{SUPERSCRIPT TWO}", *ORDER), 1),
        (("--rejected", "-1:1", *ORDER), 1),
        (("--rejected", ":", *ORDER), 1),
        (("00000000-0000-0000-0000-000000000000", "--authority", " "), 1),
    ],
)
def test_what_redact_refuses(filled, args, code):
    before = filled("checkpoint").stdout
    assert filled("redact", *args, code=code).stdout == ""
    assert filled("checkpoint").stdout == before


def test_hold_and_release(filled):
    uuid = first(filled)
    filled("hold", "case 12/26", "--reason", "preservation letter")
    for command in (("redact", uuid, *ORDER), ("prune", "--before", "2100-01-01", *ORDER)):
        found = filled(*command, code=1)
        assert "case 12/26" in found.stderr
    filled("hold", "--release")
    filled("redact", uuid, *ORDER)
    for args in ((), ("case 1", "--release")):
        filled("hold", *args, code=2)
    filled("hold", "", code=1)


def test_prune(filled):
    assert "0 events pruned" in filled("prune", "--before", "2020-01-01", *ORDER).stderr
    assert "4 events pruned" in filled("prune", "--before", "2100-01-01", *ORDER, "--reason", "a year").stderr
    report = json.loads(filled("verify").stdout)
    assert report["ok"]
    assert any("pruned" in said for said in report["unchecked"])
    assert len(filled.json("list")) == 3
    filled("prune", "--before", "yesterday", *ORDER, code=1)
    filled("prune", "--before", "2100-01-01", code=2)


def test_a_checkpoint_from_before_the_cut_holds_nothing(filled, tmp_path):
    (tmp_path / "early.json").write_text(filled("checkpoint").stdout)
    filled("triage", first(filled))
    filled("prune", "--before", "2100-01-01", *ORDER)
    report = json.loads(filled("verify", "--checkpoint", "early.json", code=6).stdout)
    assert (report["verdict"], report["assurance"]) == ("could not check", "unsigned")
    assert any("was pruned" in said for said in report["unchecked"])


def test_commands_that_take_things_away_make_no_store(run):
    for args in (("redact", "0" * 36, *ORDER), ("prune", "--before", "2100-01-01", *ORDER), ("hold", "case 1")):
        run(*args, code=4)
    assert not run.path.exists()
