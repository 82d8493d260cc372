"""Nothing dangerous survives the gate."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alertstore.cli.safe import csv_line, json_line, safe_cell
from alertstore.domain.safe import safe_text

ANY_TEXT = st.text(st.characters(exclude_categories=()))
DANGEROUS = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]")  # noqa: RUF001 - fullwidth forms are the point - the fullwidth forms are the point


@given(ANY_TEXT)
@example("\x1b]0;pwned\x07")
@example("\u202e\u2066\u200e\u061c\u200b\ufeff\u2028\ud800\x9b\x7f")
def test_nothing_that_acts_hides_or_reorders_survives(text):
    shown = safe_text(text)
    assert not DANGEROUS.search(shown)
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in shown)


@given(ANY_TEXT)
def test_text_that_is_safe_is_left_as_it_is(text):
    once = safe_text(text)
    assert safe_text(once) == once


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("a\u202eb", r"a\u202eb"),
        ("a\tb\r\n", r"a\tb\r\n"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("\u3164", r"\u3164"),
        ("Zürich 日本語 été 🙂 a\u00a0b", "Zürich 日本語 été 🙂 a\u00a0b"),
        (r"C:\Windows", r"C:\Windows"),
        (7, "7"),
    ],
)
def test_what_is_shown(given, shown):
    assert safe_text(given) == shown


@given(ANY_TEXT)
@example("\t=1+1")
@example("\u00a0=1+1")
@example("\r@SUM(A1)")
@example("＝1+1")  # noqa: RUF001 - as above
@example("-1+cmd|' /C calc'!A0")
def test_no_cell_starts_a_formula(text):
    cell = safe_cell(text)
    assert not DANGEROUS.search(cell)
    if FORMULA.match(cell):
        assert re.fullmatch(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", cell, re.ASCII)


@pytest.mark.parametrize("text", ["=1", " =1", "+x", "-x", "@x", "\t1", "\rx", "＝1", "－1", "＋1", "＠1", "\u3000=1"])  # noqa: RUF001 - fullwidth forms are the point
def test_what_could_start_a_formula_is_prefixed(text):
    assert safe_cell(text).startswith("'")


@pytest.mark.parametrize("text", ["-1", "+1.5", "1e5", "", "a=b", "plain", None, -3, 2.5])
def test_numbers_and_plain_words_are_left(text):
    assert safe_cell(text) == ("" if text is None else str(text))


@given(st.lists(ANY_TEXT, min_size=1, max_size=4))
def test_a_csv_row_reads_back_as_its_guarded_cells(values):
    (row,) = csv.reader(io.StringIO(csv_line([*values, "end"])))
    assert row == [*map(safe_cell, values), "end"]


@given(st.lists(ANY_TEXT))
def test_separators_of_any_locale_stand_inside_quotes(values):
    outside = re.sub(r'"(?:[^"]|"")*"', "", csv_line(values))
    assert not set(outside) & set(';|"')


@given(ANY_TEXT)
@example("\x7f\x9b")
def test_json_is_printable_ascii_and_loses_nothing(text):
    line = json_line({"title": text})
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["title"].encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")
