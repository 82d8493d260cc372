"""What a report is made of, before it is Markdown or HTML.

Plain text (`str`) is our own words; whatever comes from a store is a `Value`, and each form sees to it that nothing in it acts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable


@frozen
class Value:
    """Text from a store. `exact`: to be read or copied letter by letter, such as a hash."""

    text: str
    exact: bool = False


@frozen
class Heading:
    """A heading, of level 2 or 3; `value` stands after the words."""

    words: str
    level: Literal[2, 3] = 2
    value: Value | None = None


@frozen
class Paragraph:
    """Sentences."""

    words: str


@frozen
class Finding:
    """The sentence that the report is read for; `good` says how it is shown."""

    words: str
    good: bool


@frozen
class Facts:
    """Names and what they stand for."""

    rows: tuple[tuple[str | Value, str | Value], ...]


@frozen
class Points:
    """A list of sentences, each with the words that it is known by."""

    rows: tuple[tuple[str, str], ...]


@frozen
class Verbatim:
    """Lines to be kept as they are."""

    value: Value


Block = Heading | Paragraph | Finding | Facts | Points | Verbatim


@frozen
class Document:
    """A report: its title, and its blocks in order."""

    title: str
    blocks: Iterable[Block]
