"""The Markdown: rendered, a value is code and nothing else, whatever it holds."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from markdown_it import MarkdownIt
from report_cases import HOSTILE, custody, hostile_custody

from alertstore.domain.safe import safe_text
from alertstore.report.custody import document
from alertstore.report.document import Document, Facts, Value, Verbatim
from alertstore.report.markdown import code, markdown
from alertstore.testing.strategies import hostile_text

# Tables, too, and HTML let through: what a viewer does that is not careful.
RENDER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def elements(text):
    """The elements of rendered Markdown, in order."""
    return re.findall(r"</?[a-zA-Z!?][^>]*>", RENDER.render(text))


def spans(text):
    """The text of every code span."""
    return [child.content for token in RENDER.parse(text) for child in token.children or () if child.type == "code_inline"]


def shown(text):
    """A value as the report shows it."""
    return re.sub(r"<(?=[A-Za-z/!?])", r"\\x3c", safe_text(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_renders_to_the_same_elements_as_harmless_text(text):
    found = markdown(document(hostile_custody(text)))
    assert elements(found) == elements(markdown(document(hostile_custody("x.x"))))
    assert shown(text) in spans(found)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_line_holds_anything_that_a_terminal_obeys_or_that_looks_like_a_tag(text):
    found = markdown(document(hostile_custody(text)))
    assert all(character.isprintable() for character in found.replace("\n", ""))
    assert not re.search("<[A-Za-z/!?]", found)


@given(text=hostile_text(min_size=1, surrogates=True))
def test_any_text_is_one_code_span_that_reads_as_the_text(text):
    found = code(Value(text))
    if text.strip():
        assert spans(f"- Name: {found}") == [shown(text)]
        assert spans(f"- {found}: x") == [shown(text)]
        assert elements(f"- {found}: x") == ["<ul>", "<li>", "<code>", "</code>", "</li>", "</ul>"]
    else:
        assert spans(found) in ([], [shown(text)])


@given(text=hostile_text(min_size=1))
def test_any_lines_stay_in_their_block(text):
    (block,) = RENDER.parse(markdown(Document("t", [Verbatim(Value(text))])))[3:]
    assert block.type == "fence"
    assert block.info == ""
    assert block.content == "\n".join(map(shown, text.removesuffix("\n").split("\n"))) + "\n"


@pytest.mark.parametrize(("text", "said"), [("", "(empty)"), ("   ", "(blanks)")])
def test_text_that_shows_as_nothing_is_named(text, said):
    assert markdown(Document("t", [Facts((("Name", Value(text)),))])).splitlines()[2] == f"- Name: {said}"


def test_a_note_stands_line_by_line_as_it_was_signed():
    note = "store.example/1\n9\nq6ur\n\n\u2014 store.example/1 abc=\n"
    assert f"```\n{note}```\n" in markdown(document(custody(signed=[custody().signed[0].__class__(9, 0, note)])))
