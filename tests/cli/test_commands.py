"""Every command by example, and every exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_cases import FALSE, TRUE

from alertstore import AlertStore, StoreBusyError
from alertstore.cli import command

RECORDS = '{"title": "One", "severity": "High"}\n{"title": "Two"}\nnot json\n'


def uuids(run, *args):
    return [one["uuid"] for one in run.json("list", *args)]


# The whole


def test_no_arguments_print_the_help(run):
    assert "Commands:" in run().stdout


def test_every_command_of_the_contract_is_there():
    names = (
        "ingest list show triage escalate close patch tag note metrics rules history verify checkpoint backup migrate doctor "
        "sources imports rejected export demo custody evidence salvage keygen prove seal redact prune hold serve "
        "sync conflicts resolve bundle diff recurrence suppress suppressions lift suppressed enrich lists"
    )
    assert set(command.list_commands(None)) == set(names.split())


@pytest.mark.parametrize("name", command.list_commands(None))
def test_every_command_says_in_a_line_what_it_does(run, name):
    loaded = command.get_command(None, name)
    assert loaded.name == name
    assert not loaded.get_short_help_str(62).endswith("...")
    assert run(name, "--help").stdout.startswith("Usage: alertstore")


def test_python_m_alertstore_is_the_command_and_says_its_version(run):
    done = subprocess.run([sys.executable, "-m", "alertstore", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["alertstore", __import__("alertstore").__version__]


def test_help_loads_neither_rich_nor_pydantic_nor_a_database():
    code = "import sys; from alertstore.cli import command\ntry: command(['--help'])\nexcept SystemExit: print(sorted({'rich','pydantic','sqlite3'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# Exit codes


def test_1_a_word_that_is_none_of_the_contract(filled):
    assert "status: must be one of: Open" in filled("list", "--status", "open", code=1).stderr
    assert "severity: must be one of" in filled("patch", uuids(filled)[0], "--severity", "high", code=1).stderr


def test_1_a_refusal_of_the_lifecycle_says_what_is_allowed(filled):
    filled("close", uuids(filled)[0], "--as", TRUE)
    found = filled("triage", uuids(filled)[0], code=1)
    assert found.stderr.startswith("alertstore: status: an alert cannot go from Closed to Triaging")
    assert "\n  advice: " in found.stderr


@pytest.mark.parametrize("args", [["--end", "yesterday"], ["--limit", "0"], ["--after", "x"], ["--order-by", "size"], ["--uuid", "abc"]])
def test_1_a_bad_value(filled, args):
    assert filled("list", *args, code=1).stdout == ""


@pytest.mark.parametrize(
    "args", [["frobnicate"], ["list", "--frob"], ["close", "x"], ["triage"], ["patch", "x"], ["tag", "x"], ["rejected", "one"]]
)
def test_2_usage(filled, args):
    assert filled(*args, code=2).stdout == ""


def test_2_a_where_without_a_value(filled):
    assert "name=value" in filled("triage", "--where", "status", code=2).stderr


@pytest.mark.parametrize(
    "args",
    [
        ["show", "ffffffff"],
        ["history", "01900000-0000-7000-8000-000000000000"],
        ["list", "--rule", "none"],
        ["rejected", "9"],
        ["note", "ffffffff", "x"],
    ],
)
def test_3_not_found(filled, args):
    assert "advice: " in filled(*args, code=3).stderr


READS = ("list", "metrics", "rules", "imports", "rejected", "verify", "checkpoint", "export", "doctor", "migrate")


@pytest.mark.parametrize(
    "args", [*([name] for name in READS), ["show", "abcd1234"], ["history", "abcd1234"], ["triage", "abcd1234"], ["backup", "x"]]
)
def test_4_no_store_is_made_by_reading_or_editing(run, args):
    found = run(*args, code=4)
    assert "there is no store at" in found.stderr
    assert "alertstore ingest" in found.stderr
    assert not list(run.path.parent.iterdir())


def test_4_another_file(run):
    run.path.write_text("something else, long enough to be looked at " * 20)
    run("list", code=4)
    assert run.path.read_text().startswith("something else")


def test_4_busy(filled, monkeypatch):
    def busy(*_, **__):
        raise StoreBusyError("locked", advice="try again, or open with a longer busy_timeout")

    monkeypatch.setattr(AlertStore, "patch", busy)
    assert "busy_timeout" not in filled("triage", uuids(filled)[0], code=4).stderr


def test_6_a_history_that_does_not_hold(filled, tmp_path):
    (tmp_path / "cp.json").write_text(json.dumps({"size": 1, "root": "0" * 64}))
    found = filled("verify", "--checkpoint", "cp.json", code=6)
    assert json.loads(found.stdout)["problems"][0]["kind"] == "rewritten"


def test_130_ctrl_c(filled, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(AlertStore, "alerts", stop)
    assert "stopped" in filled("list", code=130).stderr


def test_bytes_that_are_no_text_are_refused(filled):
    assert "UTF-8" in filled("list", "--tag", "\udcff", code=1).stderr


# Taking in


def test_ingest_makes_a_store_and_counts(run, tmp_path):
    (tmp_path / "in.jsonl").write_text(RECORDS)
    found = run("ingest", "in.jsonl")
    (line,) = [json.loads(one) for one in found.stdout.splitlines()]
    assert {name: line[name] for name in ("path", "source", "new", "duplicates", "seen", "skipped", "rejected")} == {
        "path": "in.jsonl",
        "source": "generic",
        "new": 2,
        "duplicates": 0,
        "seen": 0,
        "skipped": 0,
        "rejected": 1,
    }
    assert "2 new, 0 duplicate, 0 seen, 0 skipped, 1 rejected" in found.stderr
    assert "record 3 at byte 54: not valid JSON" in found.stderr
    assert run.json("ingest", "in.jsonl")[0]["seen"] == 2
    assert [one["record"] for one in run.json("rejected")] == [3] * len(run.json("rejected"))
    assert run.json("imports")[0]["name"] == "in.jsonl"
    assert run.json("rejected", "1")[0]["raw"] == "not json"


def test_ingest_shows_a_table_on_a_terminal(run, tmp_path, on_terminal):
    (tmp_path / "in.jsonl").write_text(RECORDS)
    head, line = run("ingest", "in.jsonl").stdout.splitlines()
    assert head.split() == ["SOURCE", "NEW", "DUPLIC.", "SEEN", "SKIPPED", "REJECTED", "FILE"]
    assert line.split() == ["generic", "2", "0", "0", "0", "1", "in.jsonl"]


@pytest.mark.parametrize("path", ["in/a.jsonl", "in", "-"])
def test_a_progress_bar_changes_nothing(run, tmp_path, monkeypatch, path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text(RECORDS)
    monkeypatch.setattr("alertstore.cli.intake.watched", lambda: True)
    monkeypatch.setattr("alertstore.cli.intake.LONG_FILE", 0)
    (found,) = run.json("ingest", path, stdin=RECORDS)
    assert (found["new"], found["rejected"], found["path"]) == (2, 1, "in/a.jsonl" if path == "in" else path)
    assert run.json("imports")[0]["name"] == ("-" if path == "-" else "a.jsonl")


def test_ingest_reads_stdin_and_keeps_who_and_why(run):
    assert run.json("ingest", "-", "--reason", "case 42", stdin=RECORDS)[0]["new"] == 2
    with run.open() as store:
        event = next(event for event in store.events() if event.kind == "alert_ingested")
    assert (event.actor, event.reason) == ("mia", "case 42")


def test_a_file_of_no_tool_exits_1_and_the_others_are_read(run, tmp_path):
    (tmp_path / "in.jsonl").write_text(RECORDS)
    (tmp_path / "empty").write_text("")
    found = run("ingest", "empty", "in.jsonl", code=1)
    assert json.loads(found.stdout)["new"] == 2
    assert "alertstore: empty" in found.stderr


def test_in_a_folder_unknown_files_are_listed_and_the_rest_is_read(run, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text(RECORDS)
    (tmp_path / "in" / "b.txt").write_bytes(b"\0\1")
    found = run("ingest", "in")
    assert json.loads(found.stdout)["path"].endswith("a.jsonl")
    assert "not read: " in found.stderr
    assert "b.txt" in found.stderr


@pytest.mark.parametrize(
    "args", [["none.json"], ["in.jsonl", "--source", "none"], ["in.jsonl", "--tz", "Mars/Base"], ["in.jsonl", "--tz", "+99:00"]]
)
def test_what_cannot_work_makes_no_store(run, tmp_path, args):
    (tmp_path / "in.jsonl").write_text(RECORDS)
    run("ingest", *args, code=1)
    assert not run.path.exists()


def test_a_zone_is_for_times_without_one(run):
    run("ingest", "-", "--tz", "+02:00", stdin='{"title": "x", "occurred_at": "2026-03-01T10:00:00"}')
    assert run.json("list")[0]["occurred_at"] == "2026-03-01T08:00:00Z"


def test_sources_need_no_store(run):
    found = {one["name"]: one for one in run.json("sources")}
    assert {"suricata", "hayabusa", "generic"} <= set(found)
    assert found["hayabusa"]["signature"]
    assert found["hayabusa"]["severities"]


# Reading


def test_list_filters_pages_and_orders(filled):
    assert [one["title"] for one in filled.json("list", "--severity", "High")] == ["Beacon 0"]
    assert len(filled.json("list", "--severity", "High", "--severity", "Low")) == 3
    assert len(filled.json("list", "--start", "2026-03-02", "--end", "2026-03-03T10:00Z")) == 1
    assert len(filled.json("list", "--indicator", "192.0.2.7", "--text", "beacon 1")) == 1
    first = filled("list", "--limit", "2", "--order-by", "occurred_at")
    after = first.stderr.split("'")[1]
    assert [one["title"] for one in filled.json("list", "--after", after, "--order-by", "occurred_at")] == ["Beacon 2"]


def test_show_takes_a_unique_ending_and_adds_what_only_the_store_knows(filled):
    whole = uuids(filled)[0]
    (found,) = filled.json("show", whole[-12:])
    assert found["uuid"] == whole
    assert found["occurrences"] == 1
    assert len(found["related"]) == 2
    assert filled.json("list", "--uuid", whole[-12:])[0]["uuid"] == whole


def test_show_names_the_candidates_of_an_ambiguous_ending(run):
    from uuid import UUID

    ids = iter(UUID(f"01900000-{n:04x}-7000-8000-0000000abcde") for n in range(99))
    with AlertStore.open(run.path, ids=lambda: next(ids)) as store:
        made = [store.add({"title": title}).alert.uuid for title in ("a", "b")]
    assert made[0][-12:] == made[1][-12:]
    found = run("show", made[0][-12:], code=3)
    assert made[0] in found.stderr
    assert made[1] in found.stderr


def test_show_raw_gives_the_records(run):
    record = '{"title": "x",  "b": "\\u001b"}'
    run("ingest", "-", stdin=record)
    uuid = uuids(run)[0]
    assert run("show", uuid, "--raw").stdout == record + "\n"
    assert run.json("show", uuid, "--raw", "--json")[0]["raw"] == record


def test_a_sheet_shows_everything(filled, on_terminal):
    filled("note", "--where", "text=Beacon 0", "seen on two hosts")
    shown = filled("show", uuids(filled, "--json", "--severity", "High")[0]).stdout
    for words in ("Beacon 0", "High", "192.0.2.7", "seen on two hosts", "mia", "Related", "Beacon 1"):
        assert words in shown


def test_history_is_oldest_first(filled):
    uuid = uuids(filled)[0]
    filled("triage", uuid, "--reason", "mine")
    assert [(one["kind"], one["actor"], one["reason"]) for one in filled.json("history", uuid)] == [
        ("alert_ingested", "setup", None),
        ("alert_status_updated", "mia", "mine"),
    ]


def test_metrics_and_rules(filled, on_terminal):
    filled("close", *uuids(filled, "--json", "--severity", "Low"), "--as", FALSE)
    (found,) = filled.json("metrics", "--json")
    assert found["false_positive_rate"]["numerator"] == 2
    assert found["false_positive_rate"]["low"] == pytest.approx(0.342, abs=0.001)
    assert filled.json("metrics", "--json", "--end", "2020-01-01")[0]["total"] == 0
    assert "2 of 2" in filled("metrics").stdout
    filled("metrics", "--by", "closed_at", code=1)
    filled("rules", "--order-by", "name", code=1)


def test_rules_are_worst_first(run):
    lines = [json.dumps({"title": f"{rule}{n}", "rule_id": rule}) for rule in "ab" for n in range(3)]
    run("ingest", "-", stdin="\n".join(lines))
    run("close", "--where", "rule=b", "--as", FALSE)
    found = run.json("rules")
    assert [one["source_rule_id"] for one in found] == ["b", "a"]
    assert len(run.json("rules", "--limit", "1")) == 1
    header = run("rules", "--csv").stdout.splitlines()[0]
    assert "false_positive_rate.low" in header


# Editing


def test_the_flow_of_one_alert(filled):
    uuid = uuids(filled)[0]
    assert filled.json("triage", uuid) == [{"changed": 1, "unchanged": 0, "refused": [], "dry_run": False}]
    assert filled.json("triage", uuid)[0]["unchanged"] == 1
    filled("escalate", uuid[-10:])
    filled("close", uuid, "--as", TRUE, "--reason", "confirmed")
    with filled.open() as store:
        alert = store.get(uuid)
        last = list(store.history(uuid))[-1]
    assert (alert.status, alert.close_classification) == ("Closed", TRUE)
    assert (last.actor, last.reason) == ("mia", "confirmed")


def test_many_are_edited_together_or_not_at_all(filled):
    all_of_them = uuids(filled)
    filled("close", all_of_them[0], "--as", TRUE)
    assert "nothing was changed; --best-effort" in filled("triage", *all_of_them, code=1).stderr
    assert uuids(filled, "--status", "Triaging") == []
    found = filled.json("triage", *all_of_them, "--best-effort")[0]
    assert (found["changed"], [one["uuid"] for one in found["refused"]]) == (2, all_of_them[:1])
    filled("triage", *all_of_them[:1], "--best-effort", code=1)


def test_one_unknown_uuid_of_many_refuses_all(filled):
    filled("triage", uuids(filled)[0], "01900000-0000-7000-8000-000000000000", code=3)
    assert uuids(filled, "--status", "Triaging") == []


def test_where_takes_the_filters_of_list(filled):
    assert filled.json("close", "--where", "severity=Low", "--where", "start=2026-03-03", "--as", FALSE)[0]["changed"] == 1
    assert "foo: is not a filter" in filled("triage", "--where", "foo=1", code=1).stderr
    filled("triage", "--where", "text=a", "--where", "text=b", code=1)
    filled("triage", uuids(filled)[0], "--where", "text=a", code=2)


@pytest.mark.parametrize(
    "args", [["triage"], ["close", "--as", FALSE], ["patch", "--severity", "Critical"], ["tag", "--add", "x"], ["note"]]
)
def test_a_dry_run_says_and_does_nothing(filled, args):
    with filled.open() as store:
        before = store.checkpoint()
    found = filled(*args, "--where", "severity=Low", "-n", *(["text"] if args == ["note"] else []))
    assert "would change 2 alerts" in found.stderr
    assert json.loads(found.stdout) == {"changed": 2, "unchanged": 0, "refused": [], "dry_run": True}
    with filled.open() as store:
        assert store.checkpoint() == before


def test_a_dry_run_of_what_would_be_refused_exits_1(filled):
    filled("close", uuids(filled)[0], "--as", TRUE)
    assert "1 alert refused" in filled("triage", *uuids(filled), "-n", code=1).stderr


def test_patch_sets_fields(filled):
    uuid = uuids(filled)[0]
    filled("patch", uuid, "--status", "Escalated", "--severity", "Critical", "--tags", "a", "--tags", "b", "--malice-override", "Malicious")
    with filled.open() as store:
        alert = store.get(uuid)
    assert (alert.status, alert.severity, alert.tags, alert.malice) == ("Escalated", "Critical", ("a", "b"), "Malicious")
    filled("patch", uuid, "--reset-malice-override", "--tags", "")
    with filled.open() as store:
        assert (store.get(uuid).tags, store.get(uuid).malice_override) == ((), None)


def test_tags_are_put_on_and_taken_off(filled):
    uuid = uuids(filled)[0]
    filled("tag", uuid, "--add", "c2", "--add", "lab")
    filled("tag", *uuids(filled), "--add", "seen", "--remove", "lab")
    assert filled.json("list", "--uuid", uuid)[0]["tags"] == ["c2", "seen"]
    assert len(uuids(filled, "--tag", "seen")) == 3
    assert filled.json("tag", uuid, "--add", "seen")[0]["unchanged"] == 1


def test_tagging_starts_again_where_somebody_edits_meanwhile(filled, monkeypatch):
    uuid = uuids(filled)[0]
    plain, calls = AlertStore.patch, []

    def late(store, *args, **fields):
        if not calls:
            calls.append(1)
            with AlertStore.open(filled.path) as other:
                plain(other, uuid, tags=["theirs"])
        return plain(store, *args, **fields)

    monkeypatch.setattr(AlertStore, "patch", late)
    filled("tag", uuid, "--add", "mine")
    assert filled.json("list", "--uuid", uuid)[0]["tags"] == ["theirs", "mine"]


def test_a_note_is_a_finding_by_whoever_acts(filled):
    uuid = uuids(filled)[0]
    filled("note", uuid, "seen on two hosts")
    with filled.open() as store:
        (finding,) = store.get(uuid).agent_findings
    assert (finding.agent_name, finding.summary) == ("mia", "seen on two hosts")


# Trusting


def test_verify_says_unsigned_or_anchored(filled, tmp_path):
    Path(tmp_path / "cp.json").write_text(filled("checkpoint").stdout)
    filled("triage", *uuids(filled))
    found = filled("verify")
    assert json.loads(found.stdout)["assurance"] == "unsigned"
    assert "held against nothing" in found.stderr
    assert filled.json("verify", "--checkpoint", "cp.json")[0]["assurance"] == "anchored"
    assert filled.json("verify", "--depth", "quick")[0]["depth"] == "quick"
    filled("verify", "--depth", "deeper", code=1)


@pytest.mark.parametrize("text", [None, "", "[]", '{"size": 1}', '{"size": "1", "root": "x"}', "\0"])
def test_a_bad_checkpoint_file_exits_1(filled, tmp_path, text):
    if text is not None:
        (tmp_path / "cp.json").write_text(text)
    filled("verify", "--checkpoint", "cp.json", code=1)


def test_checkpoint_is_one_line_that_the_library_agrees_with(filled, on_terminal):
    with filled.open() as store:
        kept = store.checkpoint()
    assert json.loads(filled("checkpoint").stdout) == {"size": kept.size, "root": kept.root}


def test_backup_migrate_doctor(filled, tmp_path):
    filled("backup", str(tmp_path / "copy.db"))
    filled("backup", str(tmp_path / "copy.db"), code=4)
    with AlertStore.open(tmp_path / "copy.db", mode="ro") as copy:
        assert copy.count() == 3
    assert "up to date" in filled("migrate").stderr
    (found,) = filled.json("doctor")
    assert found["alerts"] == 3
    assert found["extras"]["cli"] is True
    assert found["bytes"] == filled.path.stat().st_size


def test_doctor_without_a_store_still_says_what_it_runs_on(run):
    assert json.loads(run("doctor", code=4).stdout)["python"] == sys.version.split()[0]


# The demo


def test_the_demo_has_something_to_show_and_touches_no_store(run):
    found = run("demo")
    assert "now try" in found.stderr
    (metrics,) = run.json("metrics")
    assert metrics["closed"] > 20
    assert 0 < metrics["false_positive_rate"]["value"] < 1
    assert run.json("verify")[0]["ok"]
    before = run.path.read_bytes()
    run("demo", code=1)
    assert run.path.read_bytes() == before


def test_an_ingest_of_nothing_leaves_no_store(run, tmp_path):
    (tmp_path / "empty.json").write_bytes(b"")
    run("ingest", "empty.json", code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["empty.json"]
