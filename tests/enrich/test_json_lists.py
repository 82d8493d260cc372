"""STIX bundles and MISP warning lists: made ones, real ones, damaged ones."""

from __future__ import annotations

import io
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.times import SECOND
from alertstore.domain.vocabulary import Malice
from alertstore.enrich import jsonlist, warninglist
from alertstore.enrich.jsonlist import read_json
from alertstore.enrich.lists import Entry, read_list
from alertstore.errors import SourceError

MD5 = "d4" * 16


def indicator(pattern="[ipv4-addr:value = '192.0.2.1']", **more):
    return {"type": "indicator", "id": "indicator--1", "pattern_type": "stix", "pattern": pattern} | more


def bundle(*objects):
    return json.dumps({"type": "bundle", "id": "bundle--1", "objects": objects}, indent=1)


def warning(*values, kind="string", attributes=("ip-src", "domain", "md5", "url"), **more):
    return json.dumps({"list": values, "matching_attributes": attributes, "name": "Known", "type": kind} | more, indent=1)


def test_simple_patterns_are_taken_and_all_others_named(read):
    text = bundle(
        {"type": "identity", "id": "identity--1", "name": "us"},
        indicator(name="C2", valid_until="2026-01-01T00:00:00Z", indicator_types=["malicious-activity", "benign"]),
        indicator("[file:hashes.MD5 = '" + MD5 + "' OR file:name = 'x']", id="indicator--2"),
        indicator("[domain-name:value IN ('a.example', 'b.example')]", indicator_types=["anomalous-activity"], valid_until=None),
        indicator("[ipv4-addr:value = '198.51.100.0/24']", labels=["benign"]),
        indicator("[a:b = 'c' AND d:e = 'f']", id="indicator--3"),
        indicator(revoked=True, id="indicator--4"),
        indicator("alert tcp any any", pattern_type="snort", id="indicator--5"),
        indicator(valid_until="then", id="indicator--6"),
        indicator(None, id=7),
        indicator("[ipv4-addr:value = 'x']", id="indicator--8"),
        "nothing",
    )
    reading, entries = read(text)
    assert (reading.kind, reading.malice) == ("stix", Malice.MALICIOUS)
    assert [(entry.match, entry.value, entry.malice, entry.expires_at) for entry in entries] == [
        ("exact", "ip:192.0.2.1", Malice.MALICIOUS, 1_767_225_600 * SECOND),
        ("exact", f"hash_md5:{MD5}", Malice.MALICIOUS, None),
        ("exact", "domain:a.example", Malice.SUSPICIOUS, None),
        ("exact", "domain:b.example", Malice.SUSPICIOUS, None),
        ("network", "198.51.100.0/24", Malice.BENIGN, None),
    ]
    assert entries[0].note == "C2; indicator--1"
    lines = text.splitlines()
    assert all(lines[entry.line - 1].strip() == "{" for entry in entries)
    assert [why for _, why in reading.refused] == [
        "'indicator--2': 'file:name' is looked up nowhere",
        "'indicator--3': its pattern is not a simple comparison: \"[a:b = 'c' AND d:e = 'f']\"",
        "'indicator--4': revoked",
        "'indicator--5': its pattern is 'snort', not STIX",
        "'indicator--6': valid_until 'then' is no time",
        "'7': its pattern is not a simple comparison: 'None'",
        "'indicator--8': 'x' is no ip",
    ]


def test_a_bundle_without_indicators_is_said_to_be_one(read):
    with pytest.raises(SourceError, match="without indicators"):
        read(bundle({"type": "identity"}))


def test_real_bundles(shared):
    counts = {}
    for path in sorted((shared / "stix").glob("*.json")):
        try:
            with read_list(path) as reading:
                counts[path.name] = (sum(1 for _ in reading.entries()), reading.refused_count)
        except SourceError as why:
            counts[path.name] = str(why).rpartition(" is ")[2]
    assert counts == {
        "examples__indicator-for-c2-ip-address.json": (1, 0),
        "examples__indicators-for-C2-with-COA.json": (2, 0),
        "examples__infrastructure.json": "a STIX bundle without indicators",
        "examples__malicious-email-indicator-with-attachment.json": (0, 2),
        "threat-reports__apt1.json": (10, 2),
    }


def test_warning_lists_of_every_form(read):
    assert read(warning("192.0.2.1", "Good.example", MD5, "http://good.example/", "com", "a@b.example", "198.51.100.0/24", 5))[1] == [
        Entry("exact", "ip:192.0.2.1", 3),
        Entry("exact", "domain:good.example", 4),
        Entry("exact", f"hash_md5:{MD5}", 5),
        Entry("exact", "url:http://good.example/", 6),
        Entry("exact", "domain:com", 7),
        Entry("network", "198.51.100.0/24", 9),
    ]
    assert read(warning("good.example", ".b.example", "", kind="hostname"))[1] == [
        Entry("suffix", "good.example", 3),
        Entry("suffix", "b.example", 4),
    ]
    assert read(warning("198.51.100.0/24", "192.0.2.1", "2001:db8::/32", "x", kind="cidr"))[1] == [
        Entry("network", "198.51.100.0/24", 3),
        Entry("exact", "ip:192.0.2.1", 4),
        Entry("network", "2001:db8::/32", 5),
    ]
    assert read(warning("Update.", " ", kind="substring", attributes=["domain", "ip-dst|port"]))[1] == [
        Entry("substring", "domain,ip:update.", 3)
    ]
    reading, entries = read(warning("/^good\\./i", "(a+)+", "(", kind="regex", attributes=["url"]))
    assert entries == [Entry("regex", "url:/^good\\./i", 3)]
    assert [line for line, _ in reading.refused] == [4, 5]
    assert read(warning("half \ud800", kind="substring"))[0].refused == [(3, "'half \\ud800' is not text")]
    assert (reading.kind, reading.name, reading.malice) == ("warninglist", "Known", Malice.BENIGN)


def test_what_a_warning_list_cannot_be(read):
    with pytest.raises(SourceError, match="none of which is an indicator"):
        read(warning("x", attributes=["filename"]))
    with pytest.raises(SourceError, match="no STIX bundle, nor a warning list"):
        read(warning("x", kind="fuzzy"))
    with pytest.raises(SourceError, match="no STIX bundle, nor a warning list"):
        read(warning("x", kind=["string"]))
    with pytest.raises(SourceError, match="no warninglist"):
        read(bundle(indicator()), kind="warninglist")
    with pytest.raises(SourceError, match="no stix"):
        read(warning("x"), kind="stix")
    assert read(warning("192.0.2.1"), name="mine")[0].name == "mine"
    assert read(warning("192.0.2.1", name="a\nb" + "x" * 500))[0].name.startswith("a bx")


def test_only_so_many_entries_that_must_be_scanned_for(read):
    reading, entries = read(warning(*(f"text{number}" for number in range(warninglist.MOST_SCANNED + 5)), kind="substring"))
    assert len(entries) == warninglist.MOST_SCANNED
    assert reading.refused_count == 5


def test_real_warning_lists_are_taken_whole(shared, promise):
    refused, matches, lists = {}, Counter(), 0
    for path in sorted((shared / "misp_warninglists").glob("*.json")):
        with read_list(path) as reading:
            entries = list(reading.entries())
        wanted = json.loads(path.read_text())
        lists += 1
        assert reading.kind == "warninglist"
        assert reading.name == wanted["name"]
        assert len(entries) + reading.refused_count == len(wanted["list"])
        lines = path.read_text().splitlines()
        assert all(
            wanted["list"][place].rstrip(".") in lines[entry.line - 1] for place, entry in enumerate(entries) if not reading.refused_count
        )
        refused |= {path.name: reading.refused_count} if reading.refused_count else {}
        matches.update(entry.match for entry in entries)
    assert refused == {"empty-hashes.json": 3}  # SHA-224, SHA-512 and ssdeep
    assert matches["exact"] > 60_000
    assert matches["network"] > 3_000
    assert matches["suffix"] > 200
    promise("real warning lists are read whole, each entry with its line", f"{matches.total():,} entries of {lists} lists, 3 refused")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3), max_leaves=6
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.lists(JSON, max_size=5), st.sampled_from([None, 1]))
def test_the_walk_reads_what_json_reads(fields, items, indent):
    whole = fields | {"list": items}
    text = json.dumps(whole, indent=indent)
    found, elements = read_json(text, "x", "list")
    assert found == {key: value for key, value in whole.items() if key != "list"}
    assert [value for _, value in elements] == items
    if indent:
        lines = text.splitlines()
        assert all(json.dumps(value, indent=1).splitlines()[0].strip() in lines[line - 1] for line, value in elements)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"list": [1,]}',
        '{"list": [1 2]}',
        '{"list": [1}',
        '{"list": [}',
        '{"list" [1]}',
        "{1: 2}",
        '{"a": 1,}',
        '{"list": [1]} {}',
        '{"list": [], "list": []}',
        '{"a": ' + "[" * 200_000,
        '{"list": [' + "[" * 200_000,
        '{"a": ' + "9" * 10_000 + "}",
        "nothing",
    ],
)
def test_damaged_json_is_refused_with_its_place(text):
    with pytest.raises(SourceError, match="the list"):
        read_json(text, "the list", "list")


def test_json_of_too_many_values_is_not_read(monkeypatch):
    monkeypatch.setattr(jsonlist, "MOST_VALUES", 10)
    with pytest.raises(SourceError, match="more than 10 values"):
        read_json('{"list": [' + "[]," * 10 + "[]]}", "the list", "list")


@given(st.text(max_size=200))
def test_text_that_is_no_list_says_so(text):
    for kind in ("stix", "warninglist"):
        with pytest.raises(SourceError):
            list(read_list(io.BytesIO(text.encode()), kind=kind).entries())
