"""A bundle's MANIFEST and lines: one way to spell each, and what a line says is held against its events."""

from __future__ import annotations

import copy
import json

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain import bundle_lines
from alertstore.domain.bundle import (
    MANIFEST,
    MEMBERS,
    BundleFacts,
    BundleManifest,
    Member,
    check_format,
    read_manifest,
    signers,
    summary,
)
from alertstore.domain.bundle_lines import ALERT_KINDS, check_event, check_line, encode_line, parse_line, raw_record
from alertstore.domain.content import alert_content, finding_content, indicators_content, record_content
from alertstore.domain.events import EventKind, canonical
from alertstore.domain.identity import commitment
from alertstore.domain.merkle import leaf_hash
from alertstore.domain.notes import read_note
from alertstore.errors import BundleError
from alertstore.testing import hostile_text

STORE = "0190c3a2-1111-7222-8333-444455556666"
UUID = "0190c3a2-aaaa-7222-8333-444455556666"
OTHER = "0190c3a2-bbbb-7222-8333-444455556666"
NOW = 1_714_564_800_000_000
SALT = bytes(range(16))
DIGEST = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"  # of "foo"


@st.composite
def manifests(draw):
    count = st.integers(0, (1 << 53) - 1)
    digests = st.text("0123456789abcdef", min_size=64, max_size=64)
    return BundleManifest(
        store=draw(st.sampled_from([STORE, "x", "a/b.c"])), since=draw(count), size=draw(count), root=draw(digests),
        made_at=draw(st.sampled_from(["2024-05-02T10:00:00Z", "1999-12-31T23:59:59.000001Z"])), made_by=draw(hostile_text()),
        alerts=draw(count), events=draw(count), records=draw(count), payloads=draw(st.booleans()), alertstore="0.1.0",
        members=tuple(Member(draw(digests), draw(count), name) for name in MEMBERS if name != MANIFEST),
    )  # fmt: skip


def plain():
    members = tuple(Member("0" * 64, 1, name) for name in MEMBERS if name != MANIFEST)
    return BundleManifest(STORE, 0, 9, "0" * 64, "2024-05-02T10:00:00Z", "mia", 1, 2, 1, True, "0.1.0", members)


@given(manifests())
def test_a_manifest_is_read_back_as_it_was(manifest):
    text = manifest.text()
    assert text.isascii()
    assert text.count("\n") == 13 + len(MEMBERS) - 1
    assert BundleManifest.parse(text) == manifest
    assert read_manifest(text.encode()) == (manifest, None)
    assert {len(manifest.id), *map(type, manifest.id)} == {64, str}


@given(manifests())
def test_a_signature_makes_no_other_bundle_of_it(manifest):
    asked = []

    def sign(message):
        asked.append(message)
        return b"s" * 64

    signed = manifest.signed(b"k" * 32, sign)
    assert asked == [manifest.text().encode()]
    found, note = read_manifest(signed.encode())
    assert (found, found.id, note) == (manifest, manifest.id, read_note(signed))


def test_who_signed_is_asked_under_the_name_of_the_log_alone():
    note = read_note(plain().signed(b"k" * 32, lambda _: b"s" * 64))
    asked = []

    def is_signed(public, signature, message):
        asked.append((public, signature, message))
        return signature == b"s" * 64

    keys = [(b"k" * 32).hex(), (b"o" * 32).hex()]
    assert signers(note, f"alertstore/{STORE}", keys, is_signed) == keys[:1]
    assert asked == [(b"k" * 32, b"s" * 64, plain().text().encode()), (b"o" * 32, b"", plain().text().encode())]
    assert signers(note, "alertstore/another", keys, is_signed) == []


@given(st.data())
def test_any_other_spelling_of_a_manifest_is_refused(data):
    text = data.draw(manifests()).text()
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from([text[:place] + text[place + 1 :], text[:place] + data.draw(st.characters()) + text[place:]]))
    try:
        found = BundleManifest.parse(other)
    except (ValueError, TypeError, BundleError):
        return
    assert found.text() == other  # it is a manifest too, of something else


@pytest.mark.parametrize("number", ["2", "17", "999999999"])
def test_a_newer_format_is_named(number):
    with pytest.raises(BundleError, match=f"newer alertstore: it is a bundle of format {number}") as caught:
        check_format(f"alertstore bundle {number}\nwhatever follows")
    assert "up to date" in caught.value.advice


@pytest.mark.parametrize(
    "line", ["", "alertstore bundle", "alertstore bundle 0", "alertstore bundle 01", "alertstore bundle 1 ", "alertstore seal 1"]
)
def test_what_is_no_bundle_is_not_taken_for_a_newer_one(line):
    with pytest.raises(ValueError, match="does not begin with alertstore bundle 1"):
        check_format(line + "\n")


def test_the_schema_may_be_newer():
    with pytest.raises(BundleError, match="newer alertstore: what it holds is of version 2"):
        BundleManifest.parse(plain().text().replace("schema 1", "schema 2"))


@pytest.mark.parametrize(
    "changed",
    [
        {"store": "a b"}, {"store": "a+b"}, {"store": ""}, {"root": "A" * 64}, {"root": "0" * 63}, {"made_at": "2024-05-02 10:00:00Z"},
        {"made_by": None}, {"alerts": -1}, {"events": True}, {"size": 1 << 53}, {"payloads": 1}, {"alertstore": "0 1"}, {"members": ()},
        {"members": tuple(reversed(plain().members))}, {"members": tuple(Member("x" * 64, 1, one.name) for one in plain().members)},
    ],
)  # fmt: skip
def test_what_cannot_be_said_in_a_manifest(changed):
    with pytest.raises((ValueError, TypeError)):
        evolve(plain(), **changed)


def test_the_summary_is_plain_words():
    facts = BundleFacts(STORE, 17, 99, "2024-05-02T10:00:00Z", "m\x1b[2Jia\n\u202e", payloads=False, alertstore="0.1.0")
    words = summary(facts, 3, 2, 1)
    assert words.isascii()
    assert "\x1b" not in words
    for said in (STORE, "99 events", "after event 17", "3 alerts", "2 edits", "1 records", "their digests alone"):
        assert said in words


# Lines.

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 53) + 1, (1 << 53) - 1) | hostile_text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(hostile_text(), inner, max_size=3),
    max_leaves=12,
)


@given(PLAIN)
def test_a_line_has_one_spelling(value):
    raw = encode_line(value)
    assert raw.isascii()
    assert b"\n" not in raw
    assert parse_line(raw) == value
    for other in (raw + b" ", b" " + raw, json.dumps({"a": 1, "b": value}, sort_keys=True).encode()):
        with pytest.raises(ValueError, match=r"spelling|Extra data"):
            parse_line(other)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b'{"a":1,"a":1}', "no key twice"), (b'{"b":1,"a":1}', "sorted keys"), (b'"\\u00E9"', "one spelling"), (b'"\\/"', "one spelling"),
        ('"é"'.encode(), "ascii"), (b"1.0", "not whole"), (b"1e3", "not whole"), (b"NaN", "not whole"), (b"-Infinity", "not whole"),
        (b"9007199254740992", "2.53"), (b"-9007199254740992", "2.53"), (b"1" * 5000, "2.53"), (b"-0", "one spelling"), (b"", "Expecting"),
        (b"[" * 100_000, "deep"), (b'"\\ud800"', "surrogates"), (b'{"\\udfff":1}', "surrogates"), (b"[1,]", "Expecting|Illegal"),
        (b"[" + b"1," * (1 << 20) + b"1]", "more values"), (b"[" + b"[]," * (1 << 20) + b"1]", "more values"),
    ],
)  # fmt: skip
def test_another_spelling_is_refused(raw, says):
    with pytest.raises(ValueError, match=says):
        parse_line(raw)


def test_a_long_line_of_long_values_is_taken():
    value = {"text": '[{,\\"' * (1 << 19)}
    assert parse_line(encode_line(value)) == value


def event(seq, kind, facts=None, content=None, **more):
    body = {"v": 1, "seq": seq, "kind": kind, "subject": UUID, "at": NOW + seq, "actor": "mia"} | more
    if facts is not None:
        body["facts"] = facts
    if content is not None:
        body["content"] = {part: commitment(SALT, part, value) for part, value in content.items()}
    return {"body": body, "salt": None if content is None else SALT.hex()}


FINDING = {"agent_name": "mia", "summary": "seen", "confidence": None, "recommended_action": "look", "evidence": '{"n":1.5}'}


def line():
    """An alert to which everything happened that can."""
    pairs, more = ["domain:a.example", "ip:192.0.2.1"], ["ip:192.0.2.2"]
    facts = {"source_name": "generic", "occurred_at": NOW - 5, "rule": OTHER, "created_at": NOW - 3}
    events = [
        event(3, "alert_ingested", facts, alert_content("t\u00e9", None, "a" * 32, pairs, DIGEST)),
        event(5, "alert_deduplicated", {"occurred_at": NOW}, record_content(DIGEST)),
        event(6, "alert_indicators_added", {"indicator_count": 1}, indicators_content(more)),
        event(7, "alert_finding_added", {"finding": OTHER}, finding_content(FINDING, FINDING["evidence"])),
        event(8, "alert_aliased", {"uuid": OTHER}),
        event(9, "alert_synced", {"state": {"uuid": None}}),
        *(event(10 + n, kind, changes={"tags": [[], ["x"]]}) for n, kind in enumerate(sorted(ALERT_KINDS)) if "content" not in kind
          and kind not in {"alert_ingested", "alert_deduplicated", "alert_indicators_added", "alert_finding_added", "alert_aliased", "alert_synced"}),
    ]  # fmt: skip
    rule = dict.fromkeys(("source_rule_id", "source_name", "severity", "run_frequency", "created_by", "documentation"))
    rule |= {"name": "r", "is_active": True, "uuid": OTHER, "mitre_tactics": ["x"]}
    rule |= {name: [] for name in ("mitre_techniques", "mitre_subtechniques", "data_sources")}
    return {
        "uuid": UUID, "aliases": [OTHER], "source_name": "generic", "title": "t\u00e9", "description": None, "fingerprint": "a" * 32,
        "occurred_at": NOW - 5, "created_at": NOW - 3, "rule": rule, "events": events, "indicators": {"3": pairs, "6": more},
        "records": {"3": {"sha256": DIGEST, "text": "foo"}, "5": {"sha256": DIGEST, "base64": "Zm9v"}},
        "findings": {"7": FINDING | {"id": OTHER, "posted_at": NOW + 7}}, "sync": {"state": {"uuid": None}, "observed": [STORE, 9]},
    }  # fmt: skip


def test_every_kind_of_event_and_content_is_taken():
    made = line()
    leaves = check_line(made, STORE)
    assert [one.seq for one in leaves] == [one["body"]["seq"] for one in made["events"]]
    assert [one.hash for one in leaves] == [leaf_hash(canonical(one["body"])) for one in made["events"]]
    assert {one["body"]["kind"] for one in made["events"]} == ALERT_KINDS
    assert {kind.value for kind in EventKind} >= ALERT_KINDS
    assert parse_line(encode_line(made)) == made
    assert [raw_record(one) for one in (*made["records"].values(), {"sha256": DIGEST})] == [b"foo", b"foo", None]


def walk(value, path=()):
    yield path
    for name, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from walk(one, (*path, name))


PATHS = list(walk(line()))


@given(st.sampled_from(PATHS), PLAIN)
def test_whatever_stands_in_a_line_only_valueerror_is_raised(path, new):
    made = copy.deepcopy(line())
    if not path:
        made = new
    else:
        *before, last = path
        place = made
        for name in before:
            place = place[name]
        place[last] = new
    try:
        check_line(made, STORE)
    except ValueError:
        return
    assert made["uuid"] == UUID


def test_an_event_of_the_store_itself():
    made = {"body": event(1, "store_created", {"store_id": STORE})["body"], "salt": None}
    assert check_event(made) == (1, leaf_hash(canonical(made["body"])))


@pytest.mark.parametrize(
    "value", [None, [], {}, {"body": {}}, {"body": {}, "salt": None}, {"body": [], "salt": None}, event(1, "alert_closed")]
)
def test_what_is_no_event_of_the_store(value):
    with pytest.raises(ValueError, match="event"):
        check_event(value)


def test_base64_has_one_spelling():
    digest = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"  # of b"a"
    assert bundle_lines._record({"sha256": digest, "base64": "YQ=="}, 3) == digest
    with pytest.raises(ValueError, match="the one right way"):
        bundle_lines._record({"sha256": digest, "base64": "YR=="}, 3)
