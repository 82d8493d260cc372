"""recurrence, and closing as suggested: on the command line."""

from __future__ import annotations

import pytest

from alertstore.testing import generic_alert


@pytest.fixture
def worked(run):
    """Commands on a store where a closed alert is repeated by an open one, and another repeats none; their uuids."""
    with run.open("create") as store:
        closed = store.add(generic_alert(rule_id="R-1", rule_name="rule one")).uuid
        store.close_alert(closed, "Undetermined", actor="ben")
        again = store.add(generic_alert(rule_id="R-1", occurred_at="2024-05-01T13:00:00Z")).uuid
        bare = store.add(generic_alert(title="bare")).uuid
    return run, closed, again, bare


def test_choosing_and_showing(worked):
    run, *_ = worked
    assert run.json("recurrence") == [{"rule": None, "source_rule_id": None, "name": None, "inside": "new-linked", "outside": "new-linked"}]
    assert run("recurrence", "count", "--outside", "reopen", "--reason", "as agreed").stderr == (
        "in force: count inside the window of duplicates, reopen outside\n"
    )
    assert run("recurrence", "reopen", "--rule", "R-1").stderr == "in force for rule R-1: reopen\n"
    store, rule = run.json("recurrence")
    assert (store["inside"], store["outside"]) == ("count", "reopen")
    assert (rule["source_rule_id"], rule["name"], rule["inside"], rule["outside"]) == ("R-1", "rule one", "reopen", "reopen")
    assert run.json("recurrence", "--rule", "R-1")[0]["inside"] == "reopen"
    with run.open() as opened:
        events = [event for event in opened.events() if event.kind == "setting_changed"]
    assert [(event.actor, event.reason) for event in events] == [("mia", "as agreed"), ("mia", None)]
    run("recurrence", "--rule", "R-1", "--reset")
    run("recurrence", "--reset")
    assert [one["inside"] for one in run.json("recurrence")] == ["new-linked"]


@pytest.mark.usefixtures("on_terminal")
def test_on_a_terminal(worked):
    run, *_ = worked
    run("recurrence", "reopen-unless-false-positive", "--rule", "R-1")
    found = run("recurrence").stdout
    assert "(all others)" in found
    assert "reopen-unless-false-positive" in found
    assert "rule one" in found


def test_codes(worked):
    run, *_ = worked
    assert "must be one of: count, reopen, new-linked" in run("recurrence", "again", code=1).stderr
    run("recurrence", "count", "--rule", "R-9", code=3)
    run("recurrence", "--rule", "R-9", code=3)
    for args in (("count", "--reset"), ("--outside", "count"), ("--reset", "--outside", "count")):
        run("recurrence", *args, code=2)


def test_a_suggestion_is_shown(worked, monkeypatch):
    run, closed, again, bare = worked
    said = run.json("show", again)[0]["suggestion"]
    assert (said["classification"], said["predecessor"], said["actor"]) == ("Undetermined", closed, "ben")
    assert run.json("show", bare)[0]["suggestion"] is None
    monkeypatch.setattr("alertstore.cli.output.on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "100")
    assert f"Undetermined (as {closed[-8:]}, closed by ben on 20" in run("show", again).stdout


def test_closing_as_suggested(worked):
    run, _, again, bare = worked
    (dry,) = run.json("close", "--suggested", "--where", "status=Open", "-n")
    assert (dry["changed"], dry["dry_run"], [one["uuid"] for one in dry["refused"]]) == (1, True, [bare])
    found = run("close", "--suggested", again, bare, "--reason", "as before")
    assert "changed 1 alert; 1 alert refused" in found.stderr
    assert f"{bare}: " in found.stderr
    (shown,) = run.json("show", again)
    assert (shown["close_classification"], shown["status"], shown["suggestion"]) == ("Undetermined", "Closed", None)
    run("close", "--suggested", again, code=1)  # it is closed: nothing to do
    for args in (("--suggested", "--as", "Duplicate", again), (again,), ("--suggested",)):
        run("close", *args, code=2)
