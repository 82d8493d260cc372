"""suppress, suppressions, lift, suppressed; and what ingest, imports, rejected and redact make of them."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from cli_cases import HOSTILE
from test_output import BAD

from alertstore import AlertNotFoundError, AlertStore, AlertValidationError
from alertstore.cli.suppressing import find, read_until
from alertstore.domain.times import rfc3339
from alertstore.testing import FrozenClock, write_jsonl

ORDER = ("--authority", "order 17 C 4/26")


def record(rule, title="Beacon", ip="192.0.2.7", **more):
    return {"title": title, "rule_id": rule, "severity": "High", "indicators": [{"type": "ip", "value": ip}]} | more


@pytest.fixture
def ruled(run):
    """Commands on a store with an alert of rule R-1 and one of rule R-2."""
    with AlertStore.open(run.path, actor="setup") as store:
        store.add(record("R-1"))
        store.add(record("R-2", "Other", ip="198.51.100.1"))
    return run


def suppress(run, *what, until="7d", reason="scanner"):
    (done,) = run.json("suppress", *what, "--until", until, "--reason", reason)
    return done


# When it ends


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("12h", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
        ("4w", timedelta(weeks=4)),
        ("0001d", timedelta(days=1)),
        ("2026-12-01", datetime(2026, 12, 1)),  # noqa: DTZ001 - the store says which zone it is in
        ("2026-12-01T08:30+02:00", datetime(2026, 12, 1, 8, 30, tzinfo=UTC) - timedelta(hours=2)),
        ("2026-12-01T08:30:00Z", datetime(2026, 12, 1, 8, 30, tzinfo=UTC)),
    ],
)
def test_when_it_ends(given, read):
    assert read_until(given) == read


@pytest.mark.parametrize("given", ["", "d", "7", "7 d", "-7d", "1.5d", "7m", "7D", "1234567d", "\u0667d", "tomorrow", "2026-13-01", "7d\n"])
def test_what_is_no_time(given):
    with pytest.raises(AlertValidationError, match="must be a length from now"):
        read_until(given)


def test_a_length_counts_from_the_clock_of_the_store(alert_store, frozen_clock):
    alert_store.add(record("R-1"))
    done = alert_store.suppress(rule="R-1", until=read_until("12h"), reason="x")
    assert done.until == frozen_clock.now + timedelta(hours=12)


@pytest.mark.parametrize(
    "until", [timedelta(0), timedelta(days=-1), timedelta.max, datetime.max.replace(tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC), 7, None]
)
def test_it_ends_in_the_future_that_can_be_written_down(alert_store, until):
    alert_store.add(record("R-1"))
    before = alert_store.checkpoint()
    with pytest.raises(AlertValidationError) as refusal:
        alert_store.suppress(rule="R-1", until=until, reason="x")
    assert [one.path for one in refusal.value.problems] == ["until"]
    assert alert_store.checkpoint() == before


# Making and ending one


@pytest.mark.parametrize("what", [("--rule", "R-1"), ("--indicator", "ip:192.0.2.7"), ("--fingerprint", None)])
def test_what_comes_in_is_held_back_until_it_is_lifted(ruled, tmp_path, what):
    if what[1] is None:
        (uuid,) = (one["uuid"] for one in ruled.json("list", "--text", "Beacon"))
        what = (what[0], ruled.json("show", uuid)[0]["fingerprint"])
    made = suppress(ruled, *what)
    assert (made["kind"], made["author"], made["reason"], made["state"]) == (what[0].removeprefix("--"), "mia", "scanner", "active")
    write_jsonl(tmp_path / "in.jsonl", [record("R-1", n=1), record("R-2", "Third", ip="198.51.100.2")])
    found = ruled("ingest", "in.jsonl")
    assert "1 new, 0 duplicate, 0 seen, 0 skipped, 1 suppressed, 0 rejected" in found.stderr
    assert json.loads(found.stdout)["suppressed"] == 1
    (held,) = ruled.json("suppressed")
    assert (held["title"], held["record"], held["suppression"], json.loads(held["raw"])["n"]) == ("Beacon", 1, made["uuid"], 1)
    assert ruled.json("rejected") == []
    assert ruled.json("suppressions")[0]["held"] == 1
    lifted = ruled.json("lift", made["uuid"][-8:], "--reason", "done")
    assert (lifted[0]["state"], lifted[0]["lifted_by"]) == ("lifted", "mia")
    assert ruled.json("suppressions") == []
    assert [one["state"] for one in ruled.json("suppressions", "--all")] == ["lifted"]
    again = json.loads(ruled("ingest", "in.jsonl").stdout)
    assert (again["new"] + again["duplicates"], again["seen"], again["suppressed"]) == (1, 1, 0)
    assert ruled.json("verify")[0]["ok"]


def test_words_say_what_to_do_next(ruled, on_terminal):
    found = ruled("suppress", "--rule", "R-1", "--until", "2999-01-01", "--reason", "x", code=1)
    assert "before 2250" in found.stderr
    found = ruled("suppress", "--rule", "R-1", "--until", "2101-01-01", "--reason", "x")
    assert found.stdout == ""
    assert "held back until 2101-01-01 00:00 UTC: rule" in found.stderr
    ending = found.stderr.split("`alertstore lift ")[1][:8]
    assert "no longer held back: rule" in ruled("lift", ending).stderr
    assert "1 that is over; all with --all" in ruled("suppressions").stderr


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("suppress", "--until", "7d", "--reason", "x"), 2, "name one of"),
        (("suppress", "--rule", "R-1", "--indicator", "ip:192.0.2.7", "--until", "7d", "--reason", "x"), 2, "name one of"),
        (("suppress", "--rule", "R-1", "--until", "7d"), 2, "--reason"),
        (("suppress", "--rule", "R-1", "--reason", "x"), 2, "--until"),
        (("suppress", "--rule", "R-1", "--until", "soon", "--reason", "x"), 1, "a length from now"),
        (("suppress", "--rule", "R-1", "--until", "2020-01-01", "--reason", "x"), 1, "must be in the future"),
        (("suppress", "--rule", "R-1", "--until", "7d", "--reason", " "), 1, "reason"),
        (("suppress", "--rule", "none", "--until", "7d", "--reason", "x"), 3, "`alertstore rules` lists"),
        (("suppress", "--indicator", "192.0.2.7", "--until", "7d", "--reason", "x"), 3, "as type:value"),
        (("suppress", "--indicator", "ip:203.0.113.1", "--until", "7d", "--reason", "x"), 3, "no indicator ip:203.0.113.1"),
        (("suppress", "--fingerprint", "12", "--until", "7d", "--reason", "x"), 1, "32 hex digits"),
        (("lift", "abcdef"), 3, "`alertstore suppressions` lists those"),
        (("lift", "abc"), 1, "at least 4 characters"),
        (("suppressed", "abcdef"), 3, "`alertstore suppressions` lists those"),
    ],
)
def test_what_is_refused(ruled, args, code, said):
    before = ruled("checkpoint").stdout
    found = ruled(*args, code=code)
    assert found.stdout == ""
    assert said in found.stderr
    assert ruled("checkpoint").stdout == before


def test_one_that_is_over_cannot_be_lifted(ruled):
    made = suppress(ruled, "--rule", "R-1")
    ruled("lift", made["uuid"])
    assert "lifted already" in ruled("lift", made["uuid"], code=1).stderr


def test_one_that_ended_by_itself_is_listed_as_expired(ruled):
    clock = FrozenClock()
    with AlertStore.open(ruled.path, actor="setup", clock=clock) as store:
        store.suppress(rule="R-1", until=timedelta(days=1), reason="x")
    assert ruled.json("suppressions") == []
    (one,) = ruled.json("suppressions", "--all")
    assert (one["state"], one["until"]) == ("expired", rfc3339(clock.now + timedelta(days=1)))


def test_several_with_the_same_ending_are_named(ruled):
    class Named:
        def __init__(self, uuid):
            self.uuid = uuid

    known = [Named("01900000-0000-7000-8000-0000000abcde"), Named("01900001-0000-7000-8000-0000000abcde")]
    with pytest.raises(AlertNotFoundError, match="01900001-0000-7000-8000-0000000abcde"):
        find(known, "ABCDE")
    assert find(known, known[0].uuid) is known[0]


# Tables


def test_tables(ruled, tmp_path, on_terminal):
    made = suppress(ruled, "--rule", "R-1", "--json", until="2101-01-01T12:30Z", reason="scanner test")
    head, line = ruled("suppressions").stdout.splitlines()
    assert head.split("  ")[0] == "ID"
    assert line.split() == [made["uuid"][-8:], "mia", "2101-01-01", "12:30", "0", "rule", "R-1:", "scanner", "test"]
    assert ruled("suppressions", "--all").stdout.splitlines()[1].split()[1] == "active"
    ruled("lift", made["uuid"])
    assert "STATE" not in ruled("suppressions").stdout
    assert "nothing was held back" in ruled("suppressed").stderr
    assert ruled("suppressions", "--csv").stdout.startswith("uuid,kind,target,name,author,reason,created_at,until,lifted_at")


def test_counts_show_where_there_are_any(ruled, tmp_path, on_terminal, monkeypatch):
    write_jsonl(tmp_path / "in.jsonl", [record("R-1", n=1), record("R-1", n=2)])
    suppress(ruled, "--rule", "R-1", "--json")
    head, line = ruled("ingest", "in.jsonl").stdout.splitlines()
    assert head.split() == ["SOURCE", "NEW", "DUPLIC.", "SEEN", "SKIPPED", "SUPPR.", "REJECTED", "FILE"]
    assert line.split() == ["generic", "0", "0", "0", "0", "2", "0", "in.jsonl"]
    assert "SUPPR." not in ruled("imports").stdout
    monkeypatch.setenv("COLUMNS", "100")
    assert ruled("imports").stdout.splitlines()[1].split()[3:] == ["generic", "0", "0", "0", "2", "0", "in.jsonl"]
    (row,) = csv.DictReader(io.StringIO(ruled("ingest", "in.jsonl", "--csv").stdout))
    assert (row["suppressed"], row["seen"], row["new"]) == ("0", "2", "0")
    assert len(ruled("suppressed").stdout.splitlines()) == 3
    assert "SUPPR." not in ruled("rejected").stdout


def test_a_store_that_suppresses_nothing_has_no_column_for_it(ruled, tmp_path, on_terminal):
    write_jsonl(tmp_path / "in.jsonl", [record("R-1", n=1)])
    assert "SUPPR." not in ruled("ingest", "in.jsonl").stdout + ruled("imports").stdout


def test_hostile_texts_do_not_act(ruled, tmp_path, on_terminal, promise):
    for text in HOSTILE:
        suppress(ruled, "--rule", "R-1", "--json", reason=text)
    write_jsonl(tmp_path / "in.jsonl", [record("R-1", title=text) for text in HOSTILE])
    ruled("ingest", "in.jsonl")
    for args in (("suppressions",), ("suppressed",), ("suppressions", "--csv"), ("suppressed", "--csv")):
        found = ruled(*args)
        assert not BAD.search(found.stdout + found.stderr)
        assert r"\x1b]0;pwned\x07" in found.stdout
    promise("no hostile text acts in a command's output", f"suppressions and suppressed: {len(HOSTILE)} texts, 0 active characters")


# What is kept out can also be erased


def test_a_held_record_of_a_file_is_redacted(ruled, tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [record("R-1", title="Geheim", n=1)])
    suppress(ruled, "--rule", "R-1")
    ruled("ingest", "in.jsonl")
    (held,) = ruled.json("suppressed")
    ruled("redact", "--rejected", f"{held['import_id']}:{held['record']}", *ORDER)
    (held,) = ruled.json("suppressed")
    assert (held["title"], held["raw"]) == ("[redacted]", None)
    assert b"Geheim" not in ruled.path.read_bytes()
    assert ruled.json("verify")[0]["ok"]


def test_a_held_record_without_a_file_is_redacted(ruled):
    made = suppress(ruled, "--rule", "R-1")
    with ruled.open("rw") as store:
        assert store.add(record("R-1", title="Geheim", n=1)).outcome == "suppressed"
        assert store.add(record("R-1", title="Kept", n=2)).outcome == "suppressed"
    first, second = ruled.json("suppressed", made["uuid"][-8:])
    assert first["import_id"] is None
    ruled("redact", "--rejected", f":{first['seq']}", *ORDER, "--reason", "consent withdrawn")
    gone, kept = ruled.json("suppressed")
    assert (gone["title"], gone["raw"], kept) == ("[redacted]", None, second)
    assert b"Geheim" not in ruled.path.read_bytes()
    with ruled.open() as store:
        *_, event = store.events()
    assert (event.kind, event.subject, event.reason) == ("record_redacted", made["uuid"], "consent withdrawn")
    assert event.body["facts"] == {"authority": "order 17 C 4/26", "event": first["seq"]}
    assert ruled.json("verify")[0]["ok"]
    ruled("redact", "--rejected", f":{first['seq']}", *ORDER)  # again: nothing more to erase, and nothing breaks
    assert ruled.json("verify")[0]["ok"]


@pytest.mark.parametrize("seq", ["1", "9" * 30, "0"])
def test_an_event_that_kept_no_record(ruled, seq):
    before = ruled("checkpoint").stdout
    found = ruled("redact", "--rejected", f":{seq}", *ORDER, code=3)
    assert "`alertstore suppressed` lists" in found.stderr
    assert ruled("checkpoint").stdout == before


def test_a_record_of_a_file_is_not_found_without_its_import(ruled, tmp_path):
    write_jsonl(tmp_path / "in.jsonl", [record("R-1", n=1)])
    suppress(ruled, "--rule", "R-1")
    ruled("ingest", "in.jsonl")
    (held,) = ruled.json("suppressed")
    ruled("redact", "--rejected", f":{held['seq']}", *ORDER, code=3)
    with ruled.open("rw") as store:
        for wrong in ((None, "1"), (None, True), (None, None), ("1", 1), (None, 1 << 63), (None, -1)):
            with pytest.raises(AlertNotFoundError):
                store.redact_rejected(*wrong, authority="order 7")
