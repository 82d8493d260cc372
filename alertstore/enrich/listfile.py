"""A list's file: hashed as it lies on disk, unpacked where it is gzip, handed out as text in flat memory."""

from __future__ import annotations

import gzip
import io
import zlib
from hashlib import sha256
from typing import TYPE_CHECKING

from alertstore.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

LONGEST_LINE = 1 << 16
"""Characters of a line that is read; a longer one is refused as a whole."""
MOST_LINES = 250_000_000
"""Lines of a list; what unpacks to more is not read on."""
LONGEST_JSON = 64 << 20
"""Characters of a list in JSON, which is read as a whole."""

_GZIP = b"\x1f\x8b"
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_LOOKED_AT = 4096
_CUT_SHORT = "the file is cut short or damaged; fetch it again"


class _Hashed(io.RawIOBase):
    """A file whose bytes are hashed and counted as they are read."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.sha = sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int:  # type: ignore[override]  # what BufferedReader hands over
        data = self.file.read(len(into))
        into[: len(data)] = data
        self.sha.update(data)
        self.size += len(data)
        return len(data)


class ListFile:
    """The text of a list, to be read once: by `lines`, or whole by `text`."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """`name` is how errors call the file. Raises SourceError where nothing of it can be read."""
        self.name = name
        self._hashed = _Hashed(file)
        try:
            outer = io.BufferedReader(self._hashed, 1 << 18)
            packed = outer.peek(len(_GZIP)).startswith(_GZIP)
            inner = io.BufferedReader(gzip.GzipFile(fileobj=outer), 1 << 18) if packed else outer
            head = inner.peek(_LOOKED_AT)[:_LOOKED_AT]
        except (OSError, EOFError, zlib.error) as why:
            raise self._unreadable(why) from why
        encoding = next((codec for mark, codec in _MARKS.items() if head.startswith(mark)), "utf-8")
        self._text = io.TextIOWrapper(inner, encoding, errors="replace", newline="\n")
        self.is_json = head.decode(encoding, "replace").lstrip().startswith(("{", "["))

    @property
    def sha256(self) -> str:
        """Hex digest of the file as it lies on disk; whole once it was read to its end."""
        return self._hashed.sha.hexdigest()

    @property
    def size(self) -> int:
        """Bytes of the file as it lies on disk; all once it was read to its end."""
        return self._hashed.size

    def lines(self) -> Iterator[tuple[int, str | None]]:
        """Each line with its number, from 1, and its end; None for one that with its end is too long. Only a line feed ends a line.

        What is not valid in the file's encoding comes as U+FFFD. Raises SourceError where the file breaks off.
        """
        number = 0
        try:
            while line := self._text.readline(LONGEST_LINE + 1):
                number += 1
                if number > MOST_LINES:
                    raise SourceError(f"{self.name} has more than {MOST_LINES:,} lines", advice="split it")
                yield number, None if len(line) > LONGEST_LINE and self._overlong(line) else line
        except (OSError, EOFError, zlib.error) as why:
            raise self._unreadable(why) from why

    def _overlong(self, line: str) -> bool:
        """Pass over the rest of a line that is too long."""
        while line and not line.endswith("\n"):
            line = self._text.readline(LONGEST_LINE)
        return True

    def text(self) -> str:
        """All of it. Raises SourceError for more than `LONGEST_JSON`, or where the file breaks off."""
        try:
            text = self._text.read(LONGEST_JSON + 1)
        except (OSError, EOFError, zlib.error) as why:
            raise self._unreadable(why) from why
        if len(text) > LONGEST_JSON:
            raise SourceError(f"{self.name} is JSON of more than {LONGEST_JSON >> 20} MiB", advice="split it")
        return text

    def _unreadable(self, why: Exception) -> SourceError:
        return SourceError(f"{self.name} cannot be read to its end: {why}", advice=_CUT_SHORT)
