"""Where one record ends and the next begins, in lines and in tables (`jsonframes` has the JSON that is not in lines).

Framing never judges what a record says; it only finds its bytes. What belongs to no record, or cannot be told apart
from a damaged one, comes out as a record with a `problem`, so that nothing of a file is passed over in silence.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alertstore.sources.streams import RawRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alertstore.sources.streams import Window

__all__ = ["RawRecord", "lines", "quoted_rows", "tab_rows"]

_LINE_FEED, _RETURN, _SPACE, _HASH = b"\n\r #"
_NEWLINE = b"\n"
_CELL_BREAK = re.compile(rb'["\n]')
_QUOTED = re.compile(rb'(?:[^"]++|"")*+')  # possessive: keeps no memory of what it passed
_OTHER_COLUMNS = "stands under a second header with other columns; split the file there"
_BAD_QUOTES = "the quotes of this row do not close"


def lines(window: Window) -> Iterator[RawRecord]:
    """Every line is a record; blank ones are passed over."""
    for start, end in _spans(window):
        yield window.cut(start, end)


def tab_rows(window: Window, *, headed: bool) -> Iterator[RawRecord]:
    """Every line is a row; lines with `#` in front say what the columns are. `headed`: the first line without is the header."""
    fields, strange, waiting = b"", False, headed
    for start, end in _spans(window):
        if window.text[start] == _HASH and not window.outgrown:
            line = window.text[start:end]
            if line.startswith(b"#fields"):
                fields = fields or line
                strange = line != fields
        elif waiting:
            waiting = False
        else:
            yield window.cut(start, end, _OTHER_COLUMNS if strange else None)


def _spans(window: Window) -> Iterator[tuple[int, int]]:
    """Start and end of every line that is not blank, without its end mark. Cut at once: the window moves on."""
    start = at = 0
    while True:
        text = window.text
        end = text.find(_NEWLINE, at)
        while end >= 0:
            if text[start] > _SPACE or window.outgrown or text[start:end].strip():
                yield start, end - (end > start and text[end - 1] == _RETURN)
            start = end + 1
            end = text.find(_NEWLINE, start)
        at = len(text)
        moved = window.more(start, at)
        if moved is None:
            break
        start, at = 0, at - moved
    if text[start:].strip() or window.outgrown:
        yield start, len(text)


def quoted_rows(window: Window, delimiter: str) -> Iterator[RawRecord]:
    """The rows of a quoted table below its header; a quoted cell may hold line ends, and `#` lines may come first.

    A row whose quotes are wrong (text after a closing quote, or no closing quote at all) costs only its first line.
    """
    ends = frozenset((ord(delimiter), _LINE_FEED, _RETURN))
    start, headed, bad = 0, False, False
    while True:
        start, end, sound = _row_end(window, start, ends, broken=bad)
        if not sound and not bad:
            bad = True
            continue
        text = window.text
        stop = end - (end > start and text[end - 1] == _RETURN)
        if text[start:stop].strip() or window.outgrown:
            if headed:
                yield window.cut(start, stop, _BAD_QUOTES if bad else None)
            headed = headed or text[start] != _HASH
        if end == len(text):
            return
        bad, start = False, end + 1


def _row_end(window: Window, start: int, ends: frozenset[int], *, broken: bool) -> tuple[int, int, bool]:
    """Where the row starts (the window may have moved), where it ends, and whether its quotes are sound.

    It ends at its line feed, or with the stream. A `broken` row ends with its line.
    """
    at, quoted = start, False
    while True:
        text = window.text
        if quoted:
            at = _QUOTED.match(text, at).end()  # type: ignore[union-attr]  # matches anything, also nothing
            if at + 1 < len(text):
                if text[at + 1] not in ends:
                    return start, start, False
                quoted, at = False, at + 1
                continue
        elif (hit := _CELL_BREAK.search(text, at)) is None:
            at = len(text)
        elif text[hit.start()] == _LINE_FEED:
            return start, hit.start(), True
        else:
            at = hit.end()
            quoted = not broken and (hit.start() == start or text[hit.start() - 1] in ends)
            continue
        moved = window.more(start, at)
        if moved is None:
            return start, len(text), not quoted or text[at:] == b'"'
        start, at = 0, at - moved
