"""What the chain-of-custody report says, from values."""

from __future__ import annotations

import pytest
from attrs import evolve
from report_cases import ROOT, custody, logged

from alertstore.domain.verdict import UNCHECKED, Problem
from alertstore.report.custody import document, moment
from alertstore.report.markdown import markdown


def text(**values):
    return markdown(document(custody(**values)))


def first_line(**values):
    return text(**values).splitlines()[2]


def section(name, **values):
    return text(**values).split(f"\n## {name}\n", 1)[1].split("\n## ", 1)[0]


def test_the_first_line_after_the_title_is_the_verdict():
    assert first_line() == "**Sound, unsigned: all that the store holds is what its history of 9 events says.**"
    tampered = first_line(problems=[Problem("row", "event 7: at", 1, 2), Problem("event", "event 5", 1, 2)])
    assert tampered.startswith("**Tampered: ")
    assert "2 problems" in tampered
    assert "event 5." in tampered
    assert first_line(problems=[Problem("damage", "the file", "rows", "disk image")]).startswith("**Damaged: ")
    assert first_line(problems=[Problem(UNCHECKED, "the key", "a key", None)]).startswith("**Could not check: ")


def test_the_report_names_what_it_speaks_of_and_has_no_time_of_its_own():
    found = text()
    assert "the history up to event 9. It carries no time of its own" in found
    assert f"- Verified: the history up to event 9\n- With the root: `{ROOT}`\n" in found
    assert f"- Root of the history: `{ROOT}`" in found


@pytest.mark.parametrize(
    ("assurance", "words"), [("unsigned", "Unsigned: accidents"), ("anchored", "Anchored: "), ("signed", "Signed: a given key")]
)
def test_how_strong_the_verification_is_stands_beside_it(assurance, words):
    verified = evolve(custody().verified, assurance=assurance, signed_size=7 if assurance == "signed" else 0)
    found = section("Verification", verified=verified, held=("a checkpoint of 4 events",))
    assert words in found
    assert "- Held against: `a checkpoint of 4 events`" in found
    assert ("- Signed up to: event 7" in found) is (assurance == "signed")


def test_what_was_not_checked_and_every_problem_is_listed():
    found = section("Verification", problems=[Problem("row", "alert 7: title", "a", None)], unchecked=["no key was given"])
    assert "- `alert 7: title`: `row: expected a; found not known`" in found
    assert "- Not checked: `no key was given`" in found


def test_an_import_stands_with_its_hash_counts_and_who_made_it():
    started = {
        "name": "eve.json",
        "source_name": "suricata",
        "version": "9.9",
        "tz": "UTC",
        "dedup_by": "occurred_at",
        "dedup_window": 86_400_000_000,
    }
    counts = {"new": 2, "duplicates": 1, "seen": 0, "skipped": 5, "suppressed": 0, "rejected": 3}
    finished = {"sha256": "cd" * 32, "size": 1_234_567, **counts, "notes": {"late": 2}}
    events = [logged(2, "import_started", "mia", started), logged(7, "import_finished", "mia", finished)]
    found = section("Acquisition", imports=[("1", events)])
    for line in (
        "### Import `1`",
        "- File: `eve.json`",
        f"- SHA-256: `{'cd' * 32}`",
        "- Size: 1,234,567 bytes",
        "- Source: `suricata`",
        "- Read: `2023-11-14T22:13:20.000002Z to 2023-11-14T22:13:20.000007Z`",
        "- Records: `2 new, 1 duplicates, 0 seen, 5 skipped, 0 suppressed, 3 rejected`",
        "- By: `mia`",
        "- Reason: `mia`",
        "- Read with: `alertstore 9.9`",
        "- Duplicates: `by occurred_at, within 1 day, 0:00:00`",
        '- Notes: `{"late": 2}`',
        f"- Event 7: `import_finished, leaf hash {7:064x}`",
    ):
        assert line in found.splitlines()


def test_an_import_that_was_not_read_to_its_end_says_so():
    started = [logged(2, "import_started", "mia", {"name": "eve.json", "source_name": "suricata"})]
    found = section("Acquisition", imports=[("1", started)])
    assert "- SHA-256: not known" in found
    assert "not to its end`" in found
    stopped = [*started, logged(3, "import_finished", "mia", {"fault": "a line too long"})]
    assert "- Stopped by: `a line too long`" in section("Acquisition", imports=[("1", stopped)])


def test_an_import_whose_events_were_pruned_is_told_from_the_event_that_carries_it():
    facts = {
        "name": "eve.json",
        "source_name": "suricata",
        "sha256": "cd" * 32,
        "size": 5,
        "started_at": 1_000_000,
        "finished_at": 2_000_000,
    }
    found = section("Acquisition", imports=[("1", [logged(4, "import_carried", "mia", facts)])], pruned=3)
    assert "- Read: `1970-01-01T00:00:01.000000Z to 1970-01-01T00:00:02.000000Z`" in found
    assert "- Stated again by: `mia`" in found
    assert "- By:" not in found
    assert "The first 3 events were pruned." in text(pruned=3)
    assert "- First event that is kept: " in text(pruned=3)


def test_no_import_is_said_too():
    assert "Nothing was imported" in section("Acquisition", imports=[])
    assert "The store holds none." in section("Signed checkpoints", signed=[])


def test_an_event_of_custody_stands_with_all_it_holds():
    event = logged(
        8, "setting_changed", "mia", {"authority": "court", "upto": 5, "kept_at": 1_000_000, "none": None}, changes={"sealed": [None, "1"]}
    )
    found = section("Custody", events=[event]).splitlines()
    for line in (
        "### Event 8 `setting_changed`",
        "- Time: `2023-11-14T22:13:20.000008Z`",
        "- By: `mia`",
        "- Subject: `mia`",
        "- Sealed: `from (nothing) to 1`",
        "- Authority: `court`",
        "- Upto: `5`",
        "- Kept at: `1970-01-01T00:00:01.000000Z`",
        f"- Leaf hash: `{8:064x}`",
    ):
        assert line in found
    assert not any(line.startswith("- None:") for line in found)


@pytest.mark.parametrize("body", [{}, {"facts": 3, "changes": 4}, {"facts": [1], "changes": {"a": 1, "b": [1]}}, {"actor": {"a": [1.5]}}])
def test_a_forged_event_does_not_stop_the_report(body):
    event = evolve(logged(8, "store_sealed", "mia"), body=body, at="soon")
    assert "### Event 8 `store_sealed`" in section("Custody", events=[event])
    assert "### Import `1`" in section("Acquisition", imports=[("1", [event])])


@pytest.mark.parametrize(
    ("micros", "said"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (None, "not known"),
        ("x", "'x' (no time)"),
        (2**70, f"{2**70} (no time)"),
        (-(2**62), f"{-(2**62)} (no time)"),
    ],
)
def test_a_time_always_has_microseconds_and_what_is_none_is_shown(micros, said):
    assert moment(micros) == said


def test_known_limits_and_versions_stand_at_the_end():
    assert "- SQLite source: `plain`" in section("Software")
    limits = section("Known limits")
    for word in (
        "Truth.",
        "Completeness.",
        "Time.",
        "People.",
        "The newest state.",
        "Keys.",
        "The computer.",
        "Erased content.",
        "This report.",
    ):
        assert f"- **{word}** " in limits
