"""Records that come in: cleaned, named, and decided on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.content import alert_content, record_content
from alertstore.domain.dedup import Candidate, Family
from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.events import EventKind, canonical
from alertstore.domain.identity import fingerprint
from alertstore.domain.intake import LONGEST_TAGS, decide_arrival, prepare, rule_facts
from alertstore.domain.times import EARLIEST, LATEST
from alertstore.domain.vocabulary import Severity

NOW = 1_714_564_800_000_000


def decide(new, candidates=(), *, rule=None, place=None, window=100, by="occurred_at", reason=None):
    return decide_arrival(
        prepare(new, "generic"),
        Family(candidates) if candidates else None,
        uuid="u",
        source_name="generic",
        rule=rule,
        record_sha256="d" * 64,
        place=place or {},
        now=NOW,
        actor="mia",
        reason=reason,
        window=window,
        by=by,
    )


@given(st.from_type(NewAlert))  # the strategy that alertstore.testing registers
def test_whatever_a_source_hands_in_is_cleaned(new):
    prepared = prepare(new, "generic")
    assert prepared.title.strip()
    assert "\0" not in prepared.title + (prepared.description or "") + "".join(prepared.tags)
    assert prepared.tags == list(dict.fromkeys(prepared.tags))
    assert all(tag.strip() for tag in prepared.tags)
    assert prepared.pairs == sorted(set(prepared.pairs))
    pairs = [tuple(pair.split(":", 1)) for pair in prepared.pairs]
    assert prepared.fingerprint == fingerprint(prepared.title, "generic", pairs)
    again = prepare(NewAlert(prepared.title, tags=prepared.tags, indicators=pairs, description=prepared.description), "generic")
    assert (again.title, again.description, again.tags, again.pairs, again.fingerprint, again.new.notes) == (
        prepared.title, prepared.description, prepared.tags, prepared.pairs, prepared.fingerprint, (),
    )  # fmt: skip


@given(st.from_type(NewAlert))
def test_every_record_without_candidates_is_a_new_alert(new):
    arrival = decide(new)
    draft = arrival.draft
    assert (arrival.joined, arrival.predecessor, draft.kind, draft.subject) == (None, None, EventKind.ALERT_INGESTED, "u")
    assumed = new.occurred_at is None or not EARLIEST <= new.occurred_at < LATEST
    assert arrival.assumed is assumed
    assert arrival.occurred_at == (NOW if assumed else new.occurred_at)
    assert draft.facts == {
        "occurred_at": arrival.occurred_at,
        "source_name": "generic",
        **({"occurred_at_assumed": True} if assumed else {}),
    }
    prepared = arrival.prepared
    assert draft.content == alert_content(prepared.title, prepared.description, prepared.fingerprint, prepared.pairs, "d" * 64)
    assert canonical(draft.changes)


@pytest.mark.parametrize("title", ["", " ", "\t\u2003"])
def test_no_title_no_alert(title):
    with pytest.raises(ValueError, match="title"):
        prepare(NewAlert(title), "generic")


def test_nul_is_replaced():
    prepared = prepare(NewAlert("a\0", description="\0b", tags=["\0"], indicators=[("account", "m\0"), ("ip", "none")]), "generic")
    assert (prepared.title, prepared.description, prepared.tags, prepared.pairs) == ("a\ufffd", "\ufffdb", ["\ufffd"], ["account:m\ufffd"])


def test_tags_that_are_dropped_are_noted():
    new = NewAlert("t", tags=["a", " ", "a", "b\0"], notes=("time_missing",))
    assert prepare(new, "generic").tags == ["a", "b\ufffd"]
    assert list(new.notes) == ["time_missing", "blank_tag_dropped", "repeated_tag_dropped"]
    fine = NewAlert("t", tags=["a", "b"])
    prepare(fine, "generic")
    assert fine.notes == ()


def test_tags_have_a_limit():
    assert prepare(NewAlert("t", tags=["x" * LONGEST_TAGS]), "generic").tags
    with pytest.raises(ValueError, match="tags"):
        prepare(NewAlert("t", tags=["x" * LONGEST_TAGS, "y"]), "generic")


def test_a_repeat_joins_and_says_only_what_is_its_own():
    candidate = Candidate(4, "first", NOW - 50, NOW - 50, active=True)
    arrival = decide(NewAlert("t", occurred_at=NOW), [candidate], place={"import": 1, "record": 2}, reason="why")
    draft = arrival.draft
    assert arrival.joined is candidate
    assert (draft.kind, draft.subject, draft.reason) == (EventKind.ALERT_DEDUPLICATED, "first", "why")
    assert draft.facts == {"occurred_at": NOW, "import": 1, "record": 2}
    assert draft.content == record_content("d" * 64)


def test_a_repeat_of_a_closed_alert_names_it():
    closed = Candidate(4, "first", NOW - 50, NOW - 50, active=False)
    arrival = decide(NewAlert("t", occurred_at=NOW, severity=Severity.LOW), [closed], rule="r")
    assert (arrival.joined, arrival.predecessor) == (None, "first")
    assert arrival.draft.facts == {"occurred_at": NOW, "source_name": "generic", "predecessor": "first", "rule": "r"}
    assert arrival.draft.changes["severity"][1] == "Low"


def test_candidates_too_far_away_are_nobody():
    far = Candidate(4, "first", NOW - 500, NOW - 500, active=True)
    arrival = decide(NewAlert("t", occurred_at=NOW), [far])
    assert (arrival.joined, arrival.predecessor) == (None, None)


def test_the_facts_of_a_rule_are_all_of_it():
    facts = rule_facts(NewRule("n", "1", "s", mitre_tactics=("a",)), source_name="generic", created_by="mia")
    assert facts == {
        "created_by": "mia", "data_sources": [], "documentation": None, "is_active": True, "mitre_subtechniques": [], "mitre_tactics": ["a"],
        "mitre_techniques": [], "name": "n", "run_frequency": None, "severity": None, "source_name": "generic", "source_rule_id": "1",
    }  # fmt: skip


def test_of_very_many_tags_the_first_are_taken_over():
    prepared = prepare(NewAlert("t", tags=[f"t{n}" for n in range(1500)]), "generic")
    assert prepared.tags == [f"t{n}" for n in range(1000)]
    assert prepared.new.notes == ("too_many_tags",)
