"""STIX patterns: the simple ones give their values, every other is told apart."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alertstore.domain.stixpattern import comparisons, stix_type
from alertstore.domain.vocabulary import IndicatorType

SIMPLE = {
    "[ipv4-addr:value = '192.0.2.1']": [("ipv4-addr:value", "192.0.2.1")],
    "[ipv4-addr:value='192.0.2.0/24']": [("ipv4-addr:value", "192.0.2.0/24")],
    " [ domain-name:value == 'a.example' ] ": [("domain-name:value", "a.example")],
    "[domain-name:value = 'a' OR url:value = 'b']": [("domain-name:value", "a"), ("url:value", "b")],
    "[domain-name:value = 'a'] OR [url:value = 'b' OR url:value = 'c']": [
        ("domain-name:value", "a"),
        ("url:value", "b"),
        ("url:value", "c"),
    ],
    "([url:value = 'a'] OR ([url:value = 'b']))": [("url:value", "a"), ("url:value", "b")],
    "[(url:value = 'a' OR (url:value = 'b'))]": [("url:value", "a"), ("url:value", "b")],
    "[url:value IN ('a', 'b')]": [("url:value", "a"), ("url:value", "b")],
    "[file:hashes.'SHA-256' = 'AB']": [("file:hashes.SHA-256", "AB")],
    "[file:hashes.MD5 = 'x' OR file:hashes.'SHA-1' = 'y']": [("file:hashes.MD5", "x"), ("file:hashes.SHA-1", "y")],
    r"[user-account:account_login = 'O\'Neil\\x']": [("user-account:account_login", r"O'Neil\x")],
    "[url:value = 'AND [x] OR (y) NOT']": [("url:value", "AND [x] OR (y) NOT")],
    "[url:value = '']": [("url:value", "")],
    "[email-message:to_refs[*].value = 'a@b']": [("email-message:to_refs[*].value", "a@b")],
    "[x:list[0].'odd.name' = 'v']": [("x:list[0].'odd.name'", "v")],
    "[url:value\n=\n'a']\n": [("url:value", "a")],
}
OTHER = (
    "",
    " ",
    "[]",
    "[url:value]",
    "[url:value = 'a' AND url:value = 'b']",
    "[url:value = 'a'] AND [url:value = 'b']",
    "[url:value = 'a'] FOLLOWEDBY [url:value = 'b']",
    "[url:value = 'a'] OR [url:value = 'b' AND url:value = 'c']",
    "[url:value = 'a'] WITHIN 5 SECONDS",
    "[url:value = 'a'] REPEATS 2 TIMES",
    "[url:value = 'a'] START t'2020-01-01T00:00:00Z' STOP t'2021-01-01T00:00:00Z'",
    "[url:value != 'a']",
    "[url:value NOT = 'a']",
    "[url:value NOT IN ('a')]",
    "NOT [url:value = 'a']",
    "[NOT url:value = 'a']",
    "[url:value LIKE 'a%']",
    "[url:value MATCHES 'a.*']",
    "[ipv4-addr:value ISSUBSET '192.0.2.0/24']",
    "[ipv4-addr:value ISSUPERSET '192.0.2.0/24']",
    "[network-traffic:dst_port = 80]",
    "[network-traffic:dst_port > 80]",
    "[url:value IN ('a', 5)]",
    "[url:value IN ()]",
    "[url:value IN ('a',)]",
    "[url:value IN ('a' 'b')]",
    "[url:value IN 'a']",
    "[EXISTS url:value]",
    "[x:a = true]",
    "[x:a = h'00ff']",
    "[x:a = b'AAAA']",
    "[x:a = t'2020-01-01T00:00:00Z']",
    '[url:value = "a"]',
    "[url:value = 'a'",
    "[url:value = 'a",
    r"[url:value = 'a\']",
    r"[url:value = 'a\n']",
    "url:value = 'a'",
    "[[url:value = 'a']]",
    "[url:value = 'a']]",
    "([url:value = 'a']",
    "[url:value = 'a')",
    "[(url:value = 'a'])",
    "[url:value = 'a'] [url:value = 'b']",
    "[url:value = 'a' url:value = 'b']",
    "[url:value = 'a'] OR",
    "OR [url:value = 'a']",
    "[url:value = 'a' OR OR url:value = 'b']",
    "[url:value = ]",
    "[= 'a']",
    "[url = 'a']",
    "[url: = 'a']",
    "[:value = 'a']",
    "['url':value = 'a']",
    "[url:value. = 'a']",
    "[url:value..x = 'a']",
    "[url:value",
    "[url:value = 'a'] -- 1",
    "/* c */ [url:value = 'a']",
)
TYPES = {
    "ipv4-addr:value": IndicatorType.IP,
    "ipv6-addr:value": IndicatorType.IP,
    "network-traffic:dst_ref.value": IndicatorType.IP,
    "domain-name:value": IndicatorType.DOMAIN,
    "url:value": IndicatorType.URL,
    "email-addr:value": IndicatorType.EMAIL,
    "email-message:from_ref.value": IndicatorType.EMAIL,
    "user-account:account_login": IndicatorType.ACCOUNT,
    "file:hashes.MD5": IndicatorType.HASH_MD5,
    "file:hashes.md5": IndicatorType.HASH_MD5,
    "file:hashes.SHA-1": IndicatorType.HASH_SHA1,
    "file:hashes.SHA1": IndicatorType.HASH_SHA1,
    "file:hashes.'SHA-256'": IndicatorType.HASH_SHA256,
    "process:image_ref.hashes.SHA-256": IndicatorType.HASH_SHA256,
    "file:hashes.SHA-512": None,
    "file:hashes": None,
    "file:rehashes.MD5": None,
    "file:name": None,
    "mac-addr:value": None,
    "domain-name:resolves_to_refs[*].value": None,
    "hashes": None,
    "": None,
}

paths = st.sampled_from(["url:value", "file:hashes.'SHA-256'", "x-own:a[*].b_ref.value"])
texts = st.text(max_size=30)
blanks = st.sampled_from([" ", "  ", "\n", "\t"])


def quoted(text):
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


@pytest.mark.parametrize("pattern", SIMPLE)
def test_simple_patterns_give_their_values(pattern):
    assert comparisons(pattern) == SIMPLE[pattern]


@pytest.mark.parametrize("pattern", OTHER)
def test_other_patterns_are_told_apart(pattern):
    assert comparisons(pattern) is None


@pytest.mark.parametrize("path", TYPES)
def test_object_paths_say_what_type_of_indicator_their_values_are(path):
    assert stix_type(path) == TYPES[path]


@given(st.lists(st.lists(st.tuples(paths, texts), min_size=1, max_size=3), min_size=1, max_size=3), blanks)
def test_any_text_comes_back_from_a_pattern_written_around_it(observations, blank):
    parts = ["[" + f"{blank}OR{blank}".join(f"{path}{blank}={blank}{quoted(text)}" for path, text in one) + "]" for one in observations]
    expected = [(path.replace("'", ""), text) for one in observations for path, text in one]
    assert comparisons(f"{blank}OR{blank}".join(parts)) == expected


@given(st.tuples(paths, texts), st.sampled_from(["AND", "FOLLOWEDBY", "XOR", "or", ","]), st.tuples(paths, texts))
def test_no_other_word_between_observations_is_taken_for_or(first, word, last):
    (one, other) = (f"{path} = {quoted(text)}" for path, text in (first, last))
    assert comparisons(f"[{one}] {word} [{other}]") is None
    assert comparisons(f"[{one} {word} {other}]") is None


@given(st.one_of(st.text(max_size=80), st.text("[]()'\\:.=, ORINa*0", max_size=60)))
@example("[" * 100_000)
@example("(" * 100_000)
@example("[url:value = '" + "\\\\" * 100_000)
@example("[url:value = 'a' OR " * 20_000)
def test_nothing_that_is_no_pattern_raises(text):
    found = comparisons(text)
    assert found is None or all(isinstance(part, str) for pair in found for part in pair)


@pytest.mark.parametrize("pattern", ["[ipv4-addr:value = 192]", "[ipv4-addr:value = x]", "[ipv4-addr:value IN (x)]", "[ipv4-addr:value ="])
def test_values_are_texts_and_end(pattern):
    assert comparisons(pattern) is None
