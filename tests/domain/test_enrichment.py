"""What providers say: kept as it is, or refused; what it comes to for an indicator and for its alerts."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.changes import Act
from alertstore.domain.enrichment import (
    CHUNK,
    EMPTY,
    LONGEST_ERROR,
    LONGEST_RESULT,
    Answer,
    Enriched,
    Failure,
    Judged,
    decide_alert,
    decide_reset,
    decide_results,
    decide_verdict,
    entries_digest,
    entry_of,
    longest_lasting,
    merged,
    outcome,
    result,
)
from alertstore.domain.events import canonical
from alertstore.domain.vocabulary import Malice

AT, LATER = "2024-05-01T12:00:00Z", "2024-05-02T12:00:00Z"
ACT = Act(100, "mia", "look")
BAD, GOOD = Malice.MALICIOUS, Malice.BENIGN


def judged(malice="Pending", source="enrichment", results=None, updated_at=50):
    return Judged(3, "ip", "192.0.2.1", malice, source, updated_at, results)


def results(**said):
    return merged(None, {name: result(name, answer, AT) for name, answer in said.items()})


kept = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), inner, max_size=3),
    max_leaves=10,
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(["a", "größer", "\0", ""]), kept), st.none() | st.sampled_from(Malice))
def test_what_is_json_without_floats_is_kept_as_it_is(extracted, malice):
    said = result("p", Answer(malice, extracted), AT)
    assert (said["success"], said["status"], said["provider_name"], said["enriched_at"]) == (True, "success", "p", AT)
    assert said["extracted"] == extracted | ({} if malice is None else {"malice": malice})
    assert json.loads(results(p=Answer(malice, extracted)))["p"] == said


class Odd:
    """No answer; and of what it holds, none that can be written."""


@pytest.mark.parametrize(
    "answer",
    [
        Answer(None, {"a": 1.5}),
        Answer(None, {"a": [float("nan")]}),
        Answer(None, {"a": float("inf")}),
        Answer(None, {"a": "\ud800"}),
        Answer(None, {"a": b"x"}),
        Answer(None, {"a": {1, 2}}),
        Answer(None, {("a",): 1}),
        Answer(None, {"a": 10**5000}),
        Answer(None, {"a": "x" * LONGEST_RESULT}),
        Answer(None, {"malice": "Malicious"}),
        Answer(None, {"malice": 5}),
        Answer(None, 7),
        Answer(None, None),
        Answer("Evil", {}),
        Answer(5, {}),
        Odd(),
        {"malice": "Malicious"},
        "Malicious",
        0,
    ],
    ids=lambda answer: type(answer).__name__,
)
def test_what_cannot_be_kept_is_a_failure_and_gives_no_verdict(answer):
    said = result("p", answer, AT)
    assert (said["success"], said["status"], said["extracted"]) == (False, "failed", None)
    assert "its answer" in said["error_message"]
    text = merged(None, {"p": said})
    assert outcome(text) == (Malice.PENDING, (), ("p",))
    text.encode()


def test_what_refers_to_itself_or_is_nested_without_end_is_a_failure():
    circle, deep = {}, []
    circle["a"] = circle
    for _ in range(100_000):
        deep = [deep]
    shallow = json.loads("[" * 65 + "]" * 65)
    for extracted in (circle, {"a": deep}, {"a": shallow}):
        assert result("p", Answer(None, extracted), AT)["success"] is False


def test_the_longest_result():
    room = LONGEST_RESULT - len('{"a": ""}')
    assert result("p", Answer(None, {"a": "x" * room}), AT)["success"] is True
    assert result("p", Answer(None, {"a": "x" * (room + 1)}), AT)["success"] is False


def test_keys_and_tuples_read_as_they_were_kept():
    """So the same answer again is the same."""
    said = result("p", Answer(None, {"a": (1, 2), "b": {3: None}}), AT)
    assert said["extracted"] == {"a": [1, 2], "b": {"3": None}}
    assert merged(merged(None, {"p": said}), {"p": result("p", Answer(None, {"a": (1, 2), "b": {3: None}}), LATER)}) is None


@pytest.mark.parametrize("message", ["", "\ud800\0" + "x" * 1000, "größer\x1b[2J"])
def test_an_error_message_can_be_kept(message):
    said = result("p", Failure(message), AT)
    assert len(said["error_message"]) <= LONGEST_ERROR
    assert "\0" not in said["error_message"]
    assert merged(None, {"p": said}).encode()


def test_a_failure_keeps_what_was_said_before():
    before = results(p=Answer(BAD, {"a": 1}), q=None)
    after = json.loads(merged(before, {"p": result("p", Failure("gone"), LATER)}))
    assert (after["p"]["success"], after["p"]["extracted"], after["p"]["enriched_at"]) == (False, {"a": 1, "malice": "Malicious"}, AT)
    assert after["q"] == json.loads(before)["q"]
    assert outcome(json.dumps(after)) == (BAD, ("q",), ("p",))
    assert merged(json.dumps(after), {"p": result("p", Failure("gone"), "2024-06-01T12:00:00Z")}) is None


def test_the_same_again_is_nothing_new_and_another_answer_is():
    before = results(p=Answer(BAD, {"a": 1}), q=None)
    assert merged(before, {"p": result("p", Answer(BAD, {"a": 1}), LATER), "q": result("q", None, LATER)}) is None
    assert outcome(merged(before, {"p": result("p", None, LATER)})) == (Malice.PENDING, ("p", "q"), ())
    assert merged(None, {}) == "{}"


@given(st.lists(st.sampled_from([None, *Malice])))
def test_the_worst_verdict_counts(verdicts):
    text = results(**{f"p{n}": Answer(malice) for n, malice in enumerate(verdicts)})
    assert outcome(text).malice == max(filter(None, verdicts), key=lambda malice: malice.rank, default=Malice.PENDING)


def test_a_verdict_is_an_event_where_it_changes_and_nobody_gave_another():
    text = results(p=Answer(BAD))
    draft = decide_verdict(judged(), text, "u", ACT)
    assert (draft.changes, draft.sets) == ({"malice": ["Pending", BAD]}, {"malice_source": "enrichment", "malice_overridden_at": None})
    assert (draft.at, draft.clock, draft.reason) == (100, None, "look")
    assert decide_verdict(judged("Malicious"), text, "u", ACT) is None
    assert decide_verdict(judged("Benign", "analyst"), text, "u", ACT) is None
    late = decide_verdict(judged(updated_at=200), text, "u", ACT)
    assert (late.at, late.clock) == (201, 100)


def test_a_verdict_is_taken_back():
    assert decide_reset(judged(), "u", ACT) is None
    assert decide_reset(judged("Benign", "analyst", results(p=Answer(BAD))), "u", ACT).changes == {"malice": ["Benign", BAD]}
    assert decide_reset(judged("Benign", "analyst"), "u", ACT).changes == {"malice": ["Benign", "Pending"]}


def test_an_event_of_results_commits_to_each_by_itself():
    draft = decide_results({3: "{}", 7: "[]"}, {"p": "1"}, ACT)
    assert (draft.content, draft.facts) == ({"3": b"{}", "7": b"[]"}, {"providers": {"p": "1"}})


FAILED = Failure("x")


@pytest.mark.parametrize(
    ("before", "indicators", "after"),
    [
        ("Pending", [], "Enriched"),
        ("Pending", [None], "Enriched"),
        ("Pending", [{"p": None}], "Enriched"),
        ("Pending", [{"p": FAILED}], "Failed"),
        ("Pending", [{"p": FAILED}, {"q": None}], "Enriched"),
        ("Failed", [{"p": FAILED}], None),
        ("Failed", [{"p": FAILED}, {"p": Answer(BAD)}], "Enriched"),
        ("Enriched", [{"p": FAILED}], None),
        ("Enriched", [{"p": None}], None),
    ],
)
def test_how_far_an_alert_has_come(before, indicators, after):
    texts = [("Pending", None if said is None else results(**said)) for said in indicators]
    draft = decide_alert(Enriched(1, "u", before, 50, texts), ACT)
    assert (None if draft is None else draft.changes["enrichment_status"]) == (None if after is None else [before, after])
    if draft is not None:
        assert draft.sets == ({"enriched_at": 100} if after == "Enriched" else None)


def test_what_an_alerts_event_says():
    texts = [("Malicious", results(p=Answer(BAD), q=FAILED)), ("Benign", results(p=Answer(GOOD), r=FAILED)), ("Pending", results(q=None))]
    draft = decide_alert(Enriched(1, "u", "Pending", 200, texts), ACT)
    assert (draft.at, draft.clock) == (201, 100)
    assert draft.facts == {
        "indicator_count": 3, "malice_counts": {"Malicious": 1, "Benign": 1, "Pending": 1}, "providers_succeeded": ["p", "q"],
        "providers_failed": ["r"],
    }  # fmt: skip


rows = st.tuples(
    st.sampled_from(["a", "b", b"\x01"]), st.integers(1, 9), st.none() | st.sampled_from(Malice).map(str), st.none() | st.integers(1, 5)
)


@given(st.lists(rows), st.integers(0, 6))
def test_of_a_key_that_comes_often_nothing_that_counts_is_lost(found, now):
    ordered = sorted(found, key=lambda row: (isinstance(row[0], bytes), str(row[0]), row[1]))
    kept = list(longest_lasting(ordered))

    def alive(several):
        return {(key, malice) for key, _, malice, expires in several if expires is None or expires > now}

    assert alive(kept) == alive(found)
    assert len({(key, malice) for key, _, malice, _ in kept}) == len(kept)
    assert set(kept) <= set(found)
    assert kept == sorted(kept, key=lambda row: (isinstance(row[0], bytes), str(row[0]), row[1]))


@pytest.mark.parametrize("count", [0, 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_the_digest_of_entries(count):
    entries = [entry_of((b"\xab" if n % 2 else f"ip:{n}", n, None, None, "größer")) for n in range(count)]
    hashed = b"".join(canonical(entries[start : start + CHUNK]) for start in range(0, count, CHUNK))
    assert entries_digest(entries) == (count, sha256(hashed).hexdigest())
    assert (entries_digest(entries)[1] == EMPTY) is (count == 0)
    if count > 1:
        assert entries_digest(reversed(entries)) != entries_digest(entries)
        assert entries[1][0] == "hash:ab"
