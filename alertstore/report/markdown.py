"""A report as Markdown (CommonMark). Every value stands in code, where nothing is read as Markdown, HTML or a link."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alertstore.domain.safe import safe_text
from alertstore.report.document import Document, Facts, Finding, Heading, Paragraph, Points, Value, Verbatim

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alertstore.report.document import Block

_BACKTICKS = re.compile("`+")

# What could start a tag. In code it starts none; it is escaped all the same, for viewers that look for tags first.
_TAG = re.compile("<(?=[A-Za-z/!?])")


def markdown(document: Document) -> str:
    """The report as Markdown."""
    lines = [f"# {document.title}", ""]
    for block in document.blocks:
        lines += _lines(block)
        lines.append("")
    return "\n".join(lines)


def _lines(block: Block) -> Iterator[str]:
    match block:
        case Heading(words, level, value):
            yield "#" * level + f" {words}" + ("" if value is None else f" {code(value)}")
        case Finding(words):
            yield f"**{words}**"
        case Paragraph(words):
            yield words
        case Facts(rows):
            yield from (f"- {_inline(name)}: {_inline(given)}" for name, given in rows)
        case Points(rows):
            yield from (f"- **{name}** {words}" for name, words in rows)
        case Verbatim(value):
            yield from _fenced(value.text)


def _inline(words: str | Value) -> str:
    return code(words) if isinstance(words, Value) else words


def code(value: Value) -> str:
    """A value as a code span, whatever is in it; on one line."""
    text = _shown(value.text)
    if not text.strip():
        return "(empty)" if not text else "(blanks)"
    fence = "`" * (_longest_run(text) + 1)
    # The renderer takes one blank off either end where both ends have one.
    pad = " " if text[0] in " `" or text[-1] in " `" else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _fenced(text: str) -> Iterator[str]:
    fence = "`" * max(3, _longest_run(text) + 1)
    yield fence
    yield from map(_shown, text.removesuffix("\n").split("\n"))
    yield fence


def _shown(text: str) -> str:
    return _TAG.sub(r"\\x3c", safe_text(text))


def _longest_run(text: str) -> int:
    return max(map(len, _BACKTICKS.findall(text)), default=0)
