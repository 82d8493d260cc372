"""The page: whatever a store holds, its elements and attributes are ours, and it fetches, runs and links nothing."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from report_cases import HOSTILE, custody, hostile_custody

from alertstore.domain.safe import safe_text
from alertstore.report.custody import document
from alertstore.report.html import POLICY, html

OURS = {
    "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "p", "dl", "dt", "dd", "code", "pre", "ul", "li", "strong",
}  # fmt: skip


class Page(HTMLParser):
    """The elements with their attributes, in order, and the text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.odd = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, tuple(attrs)))

    def handle_endtag(self, tag):
        self.elements.append((f"/{tag}", ()))

    def handle_data(self, data):
        self.texts.append(data)

    def handle_comment(self, data):
        self.odd.append(data)

    def handle_pi(self, data):
        self.odd.append(data)

    def unknown_decl(self, data):
        self.odd.append(data)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_adds_no_element_and_no_attribute(text):
    page, harmless = Page(html(document(hostile_custody(text)))), Page(html(document(hostile_custody("x.x"))))
    assert page.elements == harmless.elements
    assert page.odd == []
    assert safe_text(text) in page.texts
    assert all(character.isprintable() for character in "".join(page.texts).replace("\n", ""))


OTHERWISE = 7
"""Of the places, those that may spell a text in another way: six in a list or an object, and a note, which keeps its lines."""


def test_every_hostile_string_is_shown_as_text_in_every_place(promise):
    places = html(document(hostile_custody("x.0x"))).count("x.0x")
    pages = [Page(html(document(hostile_custody(text)))) for text in HOSTILE]
    shown = [text for text, page in zip(HOSTILE, pages, strict=True) if "".join(page.texts).count(safe_text(text)) >= places - OTHERWISE]
    assert places > 30
    assert shown == list(HOSTILE)
    promise("in a chain-of-custody report no hostile string acts", f"{len(shown)} of {len(HOSTILE)} strings in {places} places each")


def test_the_page_has_only_our_elements_and_no_link_or_script():
    page = Page(html(document(custody())))
    opened = [(tag, attrs) for tag, attrs in page.elements if not tag.startswith("/")]
    assert {tag for tag, _ in opened} == OURS
    assert {name for _, attrs in opened for name, _ in attrs} == {"lang", "charset", "http-equiv", "content", "name", "class"}


def test_the_policy_lets_nothing_in_but_the_style():
    page = Page(html(document(custody())))
    assert POLICY.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert ("meta", (("http-equiv", "Content-Security-Policy"), ("content", POLICY))) in page.elements
    text = html(document(custody()))
    assert text.index("Content-Security-Policy") < text.index("<style>")
    assert "url(" not in text
    assert "@import" not in text


def test_every_element_is_closed():
    depth = []
    for tag, _ in Page(html(document(custody()))).elements:
        if tag.startswith("/"):
            assert depth.pop() == tag[1:]
        elif tag != "meta":
            depth.append(tag)
    assert depth == []


def test_an_empty_value_is_said_to_be_empty():
    assert "<dd>(empty)</dd>" in html(document(custody(file="")))


def test_light_dark_and_print_each_have_their_colours():
    text = html(document(custody()))
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
