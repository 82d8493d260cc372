"""Expressions of others: read with their flags, and refused where they could run away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.enrich.regexes import LONGEST_TEXT, compiled

TAKEN = {
    r"^example\.com$": "example.com",
    r"/(^|\.)google\.[a-z]{2,3}(\.[a-z]{2})?$/i": "www.Google.co.uk",
    r".*\.example\.com$": "a.example.com",
    r"^.*foo.*$": "a foo b",
    r"(?:ab|cd){3}": "abcdab",
    r"(www\.)?evil\.(com|net|org)": "evil.net",
    r"[a-z0-9.-]+\.local": "dc01.corp.local",
    r"^[a-f0-9]{32}$": "d4" * 16,
    r"\d+\.\d+": "1.2",
    r"(?i)abc": "ABC",
    r"(?P<a>x)(?P=a)": "xx",
    r"[]a]+": "]",
    r"[^]\]]+$": "a",
    r"(?<!a)b(?=c)": "bc",
}
REFUSED = (
    r"(a+)+$",
    r"(a*)*b",
    r"(a|a)*b",
    r"(a|b|ab)*c",
    r"([a-z]+\.)+x",
    r"(?:(?:a?)*)*b",
    "(a?){40}" + "a{40}",
    "a?" * 40 + "a" * 40,
    r".*.*.*x",
    r"^.*.*.*.*x",
    r"(?x)(a+) +b",
    r"(a+)(?#x)+b",
    r"(a{1,200}){1,200}",
    "(",
    "[a",
    "a**",
    r"/a/x",
    "a" * 1001,
    "(" * 500 + "a" + ")" * 500 + "*+*",
)


@pytest.mark.parametrize("pattern", TAKEN)
def test_what_is_bounded_is_taken(pattern):
    assert compiled(pattern).search(TAKEN[pattern])
    assert not compiled(pattern).search("")


def test_slashes_are_dropped_and_their_flag_kept():
    assert compiled("/^EVIL$/i").search("evil")
    assert compiled("/^EVIL$/").search("evil") is None
    assert compiled("/evil/").search("an evil host")


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_could_run_away_is_refused(pattern):
    with pytest.raises(ValueError, match="expression"):
        compiled(pattern)


PARTS = st.sampled_from(["a", "b", ".", "[ab]", r"\w", "|", "(", "(?:", ")", "*", "+", "?", "{2}", "{1,3}", "{5,}", "^", "$"])


@given(st.lists(PARTS, max_size=14).map("".join))
def test_what_is_taken_ends_on_the_longest_text(pattern):
    """No time is asserted: one that ran away would not come back."""
    try:
        found = compiled(pattern)
    except ValueError:
        return
    for text in ("a" * LONGEST_TEXT, "ab" * (LONGEST_TEXT // 2) + "!", "a" * (LONGEST_TEXT - 1) + "!"):
        found.search(text)
