"""One spelling for each indicator, and targeting rules of context documents."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alertstore.domain.indicators import LONGEST, normalise, normalise_all
from alertstore.domain.targeting import applies, problems
from alertstore.domain.vocabulary import IndicatorType, Severity
from alertstore.testing import hostile_text

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
kinds = st.sampled_from([kind.value for kind in IndicatorType])


@pytest.mark.parametrize(
    ("kind", "given_", "canonical"),
    [
        ("ip", " 203.0.113.9\n", "203.0.113.9"),
        ("ip", "2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("ip", "::ffff:203.0.113.9", "203.0.113.9"),
        ("ip", "::FFFF:cb00:7109", "203.0.113.9"),
        ("ip", "203.0.113.09", None),
        ("ip", "203.0.113", None),
        ("ip", "203.0.113.9:80", None),
        ("ip", "203.0.113.0/24", None),
        ("domain", "WWW.Example.ORG.", "www.example.org"),
        ("domain", "localhost", "localhost"),
        ("domain", "203.0.113.9", None),
        ("domain", "2001:db8::1", None),
        ("domain", "http://example.org", None),
        ("domain", "mia@example.org", None),
        ("domain", "two words", None),
        ("domain", "...", None),
        ("hash_md5", MD5.upper(), MD5),
        ("hash_md5", MD5[:-1], None),
        ("hash_md5", MD5[:-1] + "g", None),
        ("hash_md5", "0" * 32, None),
        ("hash_sha1", "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
        ("hash_sha1", MD5, None),
        ("hash_sha256", "AB" * 32, "ab" * 32),
        ("hash_sha256", "0" * 64, None),
        ("url", " HTTP://Example.org/Path ", "HTTP://Example.org/Path"),
        ("url", "example.org/path", None),
        ("email", "<Mia@Example.ORG>", "mia@example.org"),
        ("email", "mia", None),
        ("email", "@example.org", None),
        ("email", "mia@", None),
        ("email", "mia smith@example.org", None),
        ("account", " DOMAIN\\Mia ", "DOMAIN\\Mia"),
        ("account", "-", None),
        ("account", "N/A", None),
        ("account", "a\0b\x1b", "a\ufffdb\ufffd"),
        ("account", "a\ud800", "a\ufffd"),
        ("account", "", None),
        ("account", "   ", None),
        ("account", "x" * LONGEST, "x" * LONGEST),
        ("account", "x" * (LONGEST + 1), None),
        ("registry_key", "HKLM", None),
    ],
)
def test_spellings(kind, given_, canonical):
    assert normalise(kind, given_) == canonical


@given(
    kinds,
    hostile_text(surrogates=True)
    | st.ip_addresses().map(str)
    | st.emails()
    | st.from_regex(r"[A-Z.\u0085\u00a0<>@]{1,12}", fullmatch=True),
)
@example("domain", "a\u00a0.")
@example("domain", "a\x85.")
@example("domain", "1.2.3.4 .")
@example("email", "<\u00a0a@b>")
@example("email", "<<a@b> >")
@example("domain", "İ" * LONGEST)
def test_a_canonical_spelling_is_its_own(kind, value):
    canonical = normalise(kind, value)
    if canonical is not None:
        assert normalise(kind, canonical) == canonical
        assert canonical == canonical.strip() != ""
        assert len(canonical) <= LONGEST
        assert not any(c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in canonical)


@given(st.lists(st.tuples(kinds, hostile_text(max_size=9) | st.just(MD5)), max_size=8))
def test_many_at_once(pairs):
    found = normalise_all(pairs)
    assert found == sorted(set(found))
    assert set(found) == {(kind, value) for kind, given_ in pairs if (value := normalise(kind, given_)) is not None}
    assert normalise_all(reversed(found)) == found


def test_the_same_thing_in_two_spellings_is_one():
    pairs = [
        (IndicatorType.IP, "::ffff:203.0.113.9"),
        ("ip", "203.0.113.9"),
        ("domain", "A.example"),
        ("domain", "a.example."),
        ("ip", "no"),
    ]
    assert normalise_all(pairs) == [("domain", "a.example"), ("ip", "203.0.113.9")]


# --- targeting ---

ABOUT = {"source_name": "suricata", "severity": Severity.HIGH, "tags": ("c2", "vip")}


def rule(field, op, value):
    return {"field": field, "op": op, "value": value}


YES, NO = rule("source_name", "eq", "suricata"), rule("source_name", "eq", "elastic")


@pytest.mark.parametrize(
    ("one", "holds"),
    [
        (YES, True),
        (NO, False),
        (rule("source_name", "in", ["elastic", "suricata"]), True),
        (rule("source_name", "in", "suricata"), False),
        (rule("source_name", "contains", "suri"), False),
        (rule("source_name", "gte", "Low"), False),
        (rule("severity", "eq", "High"), True),
        (rule("severity", "in", ["High"]), True),
        (rule("severity", "gte", "Medium"), True),
        (rule("severity", "gte", "High"), True),
        (rule("severity", "gte", "Critical"), False),
        (rule("severity", "lte", "Critical"), True),
        (rule("severity", "lte", "High"), True),
        (rule("severity", "lte", "Medium"), False),
        (rule("severity", "gte", "Severe"), False),
        (rule("severity", "gte", 3), False),
        (rule("tags", "contains", "c2"), True),
        (rule("tags", "contains", "C2"), False),
        (rule("tags", "contains", ["c2"]), False),
        (rule("tags", "eq", ["c2", "vip"]), True),
        (rule("tags", "eq", ["vip", "c2"]), False),
        (rule("tags", "in", [["c2", "vip"]]), True),
        (rule("tags", "gte", "Low"), False),
    ],
)
def test_operators(one, holds):
    assert applies({"match_any": [one]}, **ABOUT) is holds
    assert applies({"match_all": [one]}, **ABOUT) is holds
    assert list(problems({"match_any": [one]})) == [] or one["op"] == "in"


@pytest.mark.parametrize(
    ("rules", "holds"),
    [
        (None, True),
        ({"match_any": []}, True),
        ({"match_any": None, "match_all": None}, True),
        ({"match_any": [NO, YES]}, True),
        ({"match_all": [NO, YES]}, False),
        ({"match_all": [YES, YES]}, True),
        ({"match_any": [NO]}, False),
        ({"match_any": [YES], "match_all": [NO]}, False),
        ({"match_any": [NO], "match_all": [YES]}, False),
        ({"match_any": [YES], "match_all": [YES]}, True),
        ({"match_any": [], "match_all": [NO]}, False),
    ],
)
def test_lists_of_rules(rules, holds):
    assert list(problems(rules)) == []
    assert applies(rules, **ABOUT) is holds


@pytest.mark.parametrize(
    ("rules", "paths"),
    [
        ([], ["r"]),
        ("x", ["r"]),
        ({}, ["r"]),
        ({"match": []}, ["r"]),
        ({"match_any": [], "extra": 1}, ["r"]),
        ({"match_any": {}}, ["r.match_any"]),
        ({"match_any": "x", "match_all": [1]}, ["r.match_any", "r.match_all[0]"]),
        ({"match_any": [YES, {}]}, ["r.match_any[1]"]),
        ({"match_any": [YES | {"extra": 1}]}, ["r.match_any[0]"]),
        ({"match_any": [rule("title", "like", 1)]}, ["r.match_any[0].field", "r.match_any[0].op"]),
        ({"match_all": [rule("tags", "in", "c2"), rule("severity", "gt", 1)]}, ["r.match_all[0].value", "r.match_all[1].op"]),
        ({"match_all": [rule(["tags"], "in", []), rule("tags", {}, 1)]}, ["r.match_all[0].field", "r.match_all[1].op"]),
    ],
)
def test_all_that_is_wrong_is_named(rules, paths):
    assert [p.path for p in problems(rules, "r")] == paths
