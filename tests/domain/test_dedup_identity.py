"""Duplicates, fingerprints, uuids, commitments."""

from __future__ import annotations

from datetime import timedelta
from hashlib import md5, sha256
from random import Random
from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.dedup import NO_MATCH, Candidate, DedupPolicy, Family, Match
from alertstore.domain.identity import (
    commitment,
    fingerprint,
    fingerprint_of,
    indicator_number,
    indicator_uuid,
    part_salt,
    salt,
    sequence_uuid,
)
from alertstore.errors import AlertValidationError
from alertstore.store.ids import uuid7, uuid7_of
from alertstore.testing import hostile_text, seeded_ids

WINDOW = 100


def candidate(number, occurred_at, *, active=True, ingested_at=0):
    return Candidate(number, f"u{number}", occurred_at, ingested_at, active)


def found(candidates, occurred_at, *, now=0, window=WINDOW, by="occurred_at"):
    return Family(candidates).match(occurred_at, now, window, by)


def test_the_window_is_inclusive():
    one = candidate(1, 1_000)
    assert found([one], 1_100) == Match(joins=one)
    assert found([one], 900) == Match(joins=one)
    assert found([one], 1_101) == NO_MATCH
    assert found([one], 899) == NO_MATCH


def test_the_nearest_is_joined_and_on_a_tie_the_earlier():
    early, late = candidate(1, 1_000), candidate(2, 1_050)
    assert found([early, late], 1_030).joins is late
    assert found([late, early], 1_025).joins is early
    assert found([late, early], 1_024).joins is early


def test_of_two_at_the_same_time_the_first():
    assert found([candidate(2, 1_000), candidate(1, 1_000)], 1_010).joins.alert == 1


def test_closed_alerts_are_not_joined_but_named():
    closed = candidate(1, 1_000, active=False)
    assert found([closed], 1_001) == Match(repeats=closed)


def test_an_active_one_within_the_window_comes_before_a_nearer_closed_one():
    closed, active = candidate(1, 1_000, active=False), candidate(2, 1_090)
    assert found([closed, active], 1_001) == Match(joins=active)
    assert found([closed, active], 980) == Match(repeats=closed)


def test_the_very_same_time_is_joined_whatever_the_status():
    closed = candidate(1, 1_000, active=False)
    assert found([closed], 1_000) == Match(joins=closed)
    active = candidate(2, 1_000)
    assert found([closed, active], 1_000) == Match(joins=active)
    assert found([closed, candidate(3, 1_001)], 1_000) == Match(joins=closed)


def test_the_nearest_closed_one_is_the_predecessor():
    near, far = candidate(1, 1_000, active=False), candidate(2, 1_090, active=False)
    assert found([far, near], 1_010) == Match(repeats=near)


def test_a_window_of_nothing_is_off():
    assert found([candidate(1, 1_000)], 1_000, window=0) == NO_MATCH
    assert found([], 1_000) == NO_MATCH


def test_the_window_on_ingest_time():
    one = candidate(1, 1_000, ingested_at=5_000)
    assert found([one], 999_999, now=5_100, by="ingested_at") == Match(joins=one)
    assert found([one], 1_001, now=5_101, by="ingested_at") == NO_MATCH


def test_the_policy():
    assert DedupPolicy().window_micros == 24 * 3600 * 10**6
    assert DedupPolicy().by == "occurred_at"
    assert DedupPolicy(timedelta(0)).window_micros == 0
    with pytest.raises(AlertValidationError, match="window"):
        DedupPolicy(timedelta(microseconds=-1))
    with pytest.raises(AlertValidationError, match="by: must be one of: occurred_at, ingested_at"):
        DedupPolicy(by="closed_at")


@given(
    st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=6),
    st.integers(0, 400),
    st.sampled_from([0, 1, 50, 100, 1_000]),
)
def test_against_the_rule_said_plainly(alerts, at, window):
    candidates = [candidate(number, time, active=active) for number, (time, active) in enumerate(alerts, 1)]
    result = found(candidates, at, window=window)
    same = [one for one in candidates if one.occurred_at == at]
    near = [one for one in candidates if one.active and abs(one.occurred_at - at) <= window]
    if not window:
        assert result == NO_MATCH
    elif same:
        assert result.joins in same
        assert result.joins.active or not any(one.active for one in same)
    elif near:
        best = min(abs(one.occurred_at - at) for one in near)
        assert result.joins == min((one for one in near if abs(one.occurred_at - at) == best), key=lambda one: one.occurred_at)
    else:
        assert result.joins is None


# --- fingerprints ---


@pytest.mark.parametrize(
    ("title", "source", "pairs", "digest"),
    [
        ("", "", [], "c4103f122d27677c9db144cae1394a66"),  # printf '\0\0' | md5sum
        ("Beacon", "generic", [], "53b64ef95d7edcda919337b74c7f09eb"),
        ("Beacon", "generic", [("ip", "203.0.113.9"), ("domain", "a.example")], "65db7fb45b1c8b8ac2350e955f3995df"),
    ],
)
def test_known_fingerprints(title, source, pairs, digest):
    assert fingerprint(title, source, pairs) == digest


@given(hostile_text(), hostile_text(), st.lists(st.tuples(st.sampled_from(["ip", "url"]), hostile_text(max_size=9)), max_size=5))
def test_the_formula_and_the_order_of_indicators(title, source, pairs):
    joined = "|".join(sorted(f"{kind}:{value}" for kind, value in pairs))
    expected = md5((title + "\0" + source + "\0" + joined).encode(), usedforsecurity=False).hexdigest()
    shuffled = Random(1).sample(pairs, len(pairs))
    assert fingerprint(title, source, pairs) == fingerprint(title, source, shuffled) == expected
    assert fingerprint_of(title, source, sorted(f"{kind}:{value}" for kind, value in pairs)) == expected


# --- uuids ---


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10), st.integers(0, 10**6))
def test_a_sequence_of_uuids_is_of_version_7_and_distinct(milliseconds, random, offset):
    base = uuid7_of(milliseconds, random)
    names = {sequence_uuid(base, offset + k) for k in range(20)}
    assert len(names) == 20
    for name in names:
        one = UUID(name)
        assert (one.version, one.variant, one.int >> 80) == (7, RFC_4122, milliseconds)
        assert str(one) == name
    assert sequence_uuid(base, 0) == str(base)


def test_a_sequence_goes_round_within_its_random_bits():
    last = UUID(int=(1 << 128) - 1 & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62)
    assert UUID(sequence_uuid(last, 1)).int == last.int - (1 << 62) + 1


def test_ids_of_the_system_and_of_a_seed():
    assert (uuid7().version, uuid7().variant) == (7, RFC_4122)
    first, again, other = seeded_ids(1), seeded_ids(1), seeded_ids(2)
    some = [first() for _ in range(5)]
    assert some == [again() for _ in range(5)]
    assert some == sorted(set(some))
    assert {one.version for one in some} == {7}
    assert other() not in some


@given(st.uuids().map(str), st.integers(0, 2**60 - 1))
def test_an_indicators_uuid_is_its_number(store, number):
    name = indicator_uuid(store, number)
    assert indicator_number(store, name) == number
    assert indicator_number(store, name.upper()) == number
    assert (UUID(name).version, UUID(name).variant) == (8, RFC_4122)
    assert indicator_number("another store", name) is None


@pytest.mark.parametrize("name", ["", "x", "0" * 32, "3c90c3cc-0d44-4b50-8888-8dd25736052a", indicator_uuid("s", 1) + "0"])
def test_other_names_are_no_indicators(name):
    assert indicator_number("s", name) is None


@pytest.mark.parametrize("place", [14, 19])
def test_version_and_variant_are_looked_at(place):
    name = indicator_uuid("s", 1)
    assert indicator_number("s", name[:place] + "7" + name[place + 1 :]) is None


@pytest.mark.parametrize("tail", ["g", "_1", " 1", "+1"])
def test_a_name_with_the_right_head_and_no_number_is_none(tail):
    assert indicator_number("s", indicator_uuid("s", 1)[: -len(tail)] + tail) is None


def test_commitments():
    assert salt(b"secret", 3) == sha256(b"secret" + b"\0" * 7 + b"\3").digest()[:16]
    assert part_salt(b"s" * 16, "text") == sha256(b"s" * 16 + b"text").digest()[:16]
    assert commitment(b"s" * 16, "text", b"content") == sha256(b"\x10" + part_salt(b"s" * 16, "text") + b"content").hexdigest()
