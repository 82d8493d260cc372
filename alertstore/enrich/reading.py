"""What all readers of lists share: the entry, and where they say what they refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from attrs import define, field

if TYPE_CHECKING:
    from alertstore.domain.vocabulary import Malice

MOST_NAMED = 100
"""Refusals that are kept with their reason; all are counted."""


class Entry(NamedTuple):
    """One entry of a list.

    `match` says how `value` is held against indicators: "exact" (`type:value`, in the spelling of `domain.indicators`),
    "suffix" (a domain and all below it), "network" (`address/length`), "substring" and "regex" (`types:text`, where types
    are those it is for, joined by commas). `line` is where it stands in the file. `malice` None: the list's own. `expires_at`
    is in microseconds.
    """

    match: str
    value: str
    line: int
    malice: Malice | None = None
    expires_at: int | None = None
    note: str | None = None


@define
class Refusals:
    """What of a list was not taken: how much, and of the first ones the line and the reason."""

    count: int = 0
    first: list[tuple[int, str]] = field(factory=list)

    def add(self, line: int, why: str) -> None:
        """Note one."""
        self.count += 1
        if len(self.first) < MOST_NAMED:
            self.first.append((line, why))


def shown(text: str) -> str:
    """A value as a reason quotes it: short, and nothing in it acts on a terminal."""
    return repr(text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…")


_LONGEST_QUOTE = 60
