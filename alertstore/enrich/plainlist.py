"""Plain lists of indicators: a value a line, `#` before comments, each value's type told by its form."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alertstore.enrich.reading import Entry, shown
from alertstore.enrich.spelling import note, told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alertstore.enrich.reading import Refusals

_COMMENT = re.compile(r"\s[#;]")


def read_plain(lines: Iterable[tuple[int, str | None]], refused: Refusals) -> Iterator[Entry]:
    """The entries; what stands behind ` #` or ` ;` on an entry's line is its note."""
    for number, line in lines:
        if line is None:
            refused.add(number, "the line is too long")
            continue
        text = line.strip()
        if not text or text[0] in "#;":
            continue
        value, *comment = _COMMENT.split(text, 1)
        found = told(value)
        if found is None:
            refused.add(number, f"{shown(value)} has the form of no indicator")
        else:
            yield Entry(*found, number, note=note(*comment))
