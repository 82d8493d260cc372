"""JSON records that are not one a line: in an array, one after the other, in a list of a wrapper object.

A walk over brackets and strings finds where each object ends. It also notices what no JSON has (a letter outside
quotes, a line end within them, a bracket that closes another kind); the damaged record then ends where the next
one seems to start, and everything between is one record with a `problem`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import frozen

from alertstore.errors import SourceError
from alertstore.sources.streams import CUT_SHORT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alertstore.sources.streams import RawRecord, Window

DAMAGED = "damaged: this is not a JSON object, the next one starts after it"
CUT_OFF = "the file ends inside this record"
TRAILING_COMMA = "a comma with no record after it"

# Possessive (`++`, `*+`), and neither can fail: both are linear in what they pass over, and keep no memory of it.
_PLAIN = rb"[\s,:+\-.0-9aefilnrstuyENI]*+"
_OUTSIDE = re.compile(_PLAIN + rb'(?:"[^"\\\x00-\x1f]*+"' + _PLAIN + rb")*+")
_INSIDE = re.compile(rb'(?:[^"\\\x00-\x1f]++|\\.)*+')
_BETWEEN = re.compile(rb"[\s,]*")
_BLANK = b" \t\r\n"
_FILLER = b" \t\r\n,"
_QUOTE, _BACKSLASH, _OPEN, _CLOSE, _LIST, _LIST_END, _COLON, _COMMA = b'"\\{}[]:,'
_CLOSES = {_CLOSE: _OPEN, _LIST_END: _LIST}
_LOOKBACK = 512


@frozen
class Place:
    """Where the objects stand: at top level (`depth` None), or in a list that opens inside `depth` brackets.

    `key` is the name of that list in its object (None: a top-level array), `also` are names of others in the same object that
    hold records as well. `line` is what stands before each
    record's `{` where records start on their own line (a line feed and the indentation), None where they do not;
    `gap` finds the next record after a damaged one, its match ending just before the `{`.
    """

    depth: int | None
    key: bytes | None
    line: bytes | None
    gap: re.Pattern[bytes]
    also: frozenset[bytes] = frozenset()


class Objects:
    """One walk through a stream; `records` gives what it finds."""

    def __init__(self, window: Window, place: Place) -> None:
        """`window` is at the start of the stream."""
        self._window = window
        self._place = place
        self._at = 0
        self._start: int | None = None  # of the record being read
        self._open = bytearray()  # brackets open outside of the wanted list
        self._in_string = False
        self._listing = False  # inside the brackets of the wanted list

    def records(self) -> Iterator[RawRecord]:
        """Every object, in order. Raises SourceError after the last where their list is not closed."""
        in_list = self._place.depth is None
        while True:
            if not in_list and not self._seek_list():
                return
            in_list = True
            mark = self._next_mark()
            comma, self._start = self._start, None
            if mark is None:
                if self._listing:
                    raise SourceError("the file ends in the middle of its list of records", advice=CUT_SHORT)
                return
            if mark == _LIST_END and self._place.depth is not None:
                if comma is not None:
                    yield self._window.cut(comma, comma + 1, TRAILING_COMMA)
                self._at += 1
                self._listing = False
                self._open = bytearray(b"{" * self._place.depth)
                in_list = False
                continue
            self._start = self._at
            if mark == _OPEN and (end := self._object_end()):
                yield self._window.cut(self._start, end)
            else:
                yield self._damaged(self._start)
            self._start = None

    def _more(self) -> bool:
        """Read on, keeping the record being read, or outside of one what `_key_before` needs."""
        start = max(0, self._at - _LOOKBACK) if self._start is None else self._start
        moved = self._window.more(start, self._at)
        if moved is None:
            return False
        self._at -= moved
        self._start = None if self._start is None else 0
        return True

    def _next_mark(self) -> int | None:
        """The first byte after blanks and commas, or None at the end of the stream. `_start` is then the last of those commas."""
        self._start = None
        while True:
            text, begun = self._window.text, self._at
            self._at = _BETWEEN.match(text, begun).end()  # type: ignore[union-attr]  # matches anything, also nothing
            if (comma := text.rfind(b",", begun, self._at)) >= 0:
                self._start = comma
            if self._start is not None and self._at - self._start > _LOOKBACK:  # nothing but blanks since: not worth remembering
                self._start = None
            if self._at < len(text):
                return text[self._at]
            if not self._more():
                return None

    def _seek_list(self) -> bool:
        """Go on to just inside the wanted list. What else a wrapper holds is not a record, and is passed over."""
        place, self._in_string = self._place, False
        if place.key is None:  # an array at top level: nothing else belongs there
            if self._next_mark() == _LIST:
                self._at += 1
                self._listing = True
            self._start = None
            return self._at < len(self._window.text)
        names = place.also | {place.key}
        while (mark := self._step()) is not None:
            if mark == _LIST and len(self._open) == place.depth and self._key_before(self._at) in names:
                self._at += 1
                self._listing = True
                return True
            if mark in (_OPEN, _LIST):
                self._open.append(mark)
            elif mark in _CLOSES and self._open:
                self._open.pop()
            self._at += 1
        return False

    def _key_before(self, at: int) -> bytes | None:
        found = re.search(rb'"([^"\\]*)"\s*:\s*\Z', self._window.text[max(0, at - _LOOKBACK) : at])
        return found[1] if found else None

    def _object_end(self) -> int | None:
        """Walk to the end of the object at `_at`; None where it is damaged, `_at` then being where that showed."""
        opened, text, at, self._in_string = bytearray(), self._window.text, self._at, False
        while True:
            at = _OUTSIDE.match(text, at).end()  # type: ignore[union-attr]  # matches anything, also nothing
            mark = text[at] if at < len(text) else _QUOTE
            self._at = at
            if mark == _QUOTE:  # the window ends here, or a string that is not plain begins
                after = self._step()
                if after is None:
                    return None
                text, at, mark = self._window.text, self._at, after
            if mark in (_OPEN, _LIST):
                if opened and self._misplaced(text, at, opened[-1]):
                    return None
                opened.append(mark)
            elif not opened or opened.pop() != _CLOSES.get(mark):
                return None
            at += 1
            if not opened:
                self._at = at
                return at

    def _step(self) -> int | None:
        """Go to the next byte that is neither in a string nor plain; None at the end of the stream.

        A byte that must not stand in a string is given as it is.
        """
        while True:
            text = self._window.text
            pattern = _INSIDE if self._in_string else _OUTSIDE
            self._at = pattern.match(text, self._at).end()  # type: ignore[union-attr]  # matches anything, also nothing
            if self._at == len(text) or (text[self._at] == _BACKSLASH and self._at == len(text) - 1):
                if not self._more():
                    return None
            elif text[self._at] == _QUOTE:
                self._in_string = not self._in_string
                self._at += 1
            elif self._in_string:
                return 0
            else:
                return text[self._at]

    def _misplaced(self, text: bytes, at: int, within: int) -> bool:
        """Whether the bracket at `at` cannot be part of the record: the next one starts here, or a name is missing."""
        line = self._place.line
        if line is not None and text[at] == _OPEN and text.endswith(line, 0, at):
            return True
        before = at - 1
        while before >= 0 and text[before] in _BLANK:
            before -= 1
        if before < 0:  # dropped from the window
            return False
        return text[before] != _COLON if within == _OPEN else text[before] not in (_COMMA, _LIST)

    def _damaged(self, start: int) -> RawRecord:
        """Everything from the start of the record to where the next seems to start."""
        ended = self._at >= len(self._window.text) - 1
        at = max(start + 1, self._at - len(self._place.line or b""))
        while (found := self._place.gap.search(self._window.text, at)) is None:
            self._at = max(at, len(self._window.text) - _LOOKBACK)
            if not self._more():
                return self._cut_damaged(start, len(self._window.text), CUT_OFF if ended else DAMAGED)
            start, at = 0, self._at
        return self._cut_damaged(start, found.end(), DAMAGED)

    def _cut_damaged(self, start: int, end: int, problem: str) -> RawRecord:
        text, stop = self._window.text, end
        while stop > start + 1 and text[stop - 1] in _FILLER:
            stop -= 1
        self._at = end
        return self._window.cut(start, stop, problem)
