"""The bytes of one record, read: strictly for mapping, leniently for display.

A record is one JSON object, or one row of a table whose columns a `Header` names. The bytes are what is kept and
compared; what these functions give is a view of them.
"""

from __future__ import annotations

import csv
import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_RECORD = 16 << 20
"""Bytes of a record that is kept whole."""

MAX_DEPTH = 64
"""How many objects and lists may stand inside one another."""
TAB = "\t"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

# One field of a table may be as long as the longest record (16 MiB); the csv module's own limit is 128 KiB.
_LONGEST_CELL = 1 << 25
# Possessive (`++`, `*+`): what it passed over it never looks at again, and keeps no memory of, which for 16 MiB of escapes is 1 GB.
_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
# Escapes that may stand for NUL or a lone surrogate; harmless ones (pairs, `\\u0000`) are sorted out afterwards.
_SUSPECT_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ZEEK_ESCAPE = re.compile(rb"\\x([0-9A-Fa-f]{2})")


@frozen
class Header:
    r"""What a table says of its rows: the columns in order, and the one character between cells.

    Comma and semicolon tables are quoted as RFC 4180 has it. A tab table is Zeek's: never quoted, `\xNN` for a byte,
    `-` for unset (the column is left out), `(empty)` for empty. `TEXT_LINES` has no delimiter: a row is one text.
    """

    columns: tuple[str, ...]
    delimiter: str


TEXT_LINES = Header(("text",), "")
"""The header of a file of plain text lines: each record is `{"text": line}`."""


def parse_record(raw: bytes, header: Header | None) -> dict[str, Any]:
    """The record in UTF-8 bytes, read strictly; `header` None means a JSON object.

    Raises ValueError with the reason, and the position where it is known. Of repeated keys the last wins, NUL in
    text becomes U+FFFD, a number too large for a float is infinite.
    """
    if header is not None:
        return _row(raw, header)
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        check_depth(raw)
    try:
        value = _decode(raw.decode())
    except json.JSONDecodeError as why:
        raise ValueError(f"not valid JSON: {why.msg} at character {why.pos}") from None
    except UnicodeDecodeError as why:
        raise ValueError(f"not valid UTF-8 at byte {why.start}") from None
    except RecursionError:  # the caller itself is deep down the stack
        raise ValueError(_TOO_DEEP) from None
    except ValueError:
        _name_long_number(raw)
        raise
    if type(value) is not dict:
        raise ValueError("not a JSON object")
    if b"\\" in raw and _SUSPECT_ESCAPE.search(raw):  # looking for one byte first is ten times as fast
        value = _clean(value, _refuse_surrogates)
    return value  # type: ignore[no-any-return]  # a dict, as was just checked


def view(raw: bytes, header: Header | None) -> Any:
    """What kept bytes say, for display; never raises, never holds NaN or an infinity (their text stands instead).

    Bytes that cannot be read as a record come back as `{"text": …}`. UTF-16 is recognised by its zero bytes.
    """
    text = _guess_text(raw)
    try:
        if header is not None:
            return _row(text.encode(), header)
        check_depth(text.encode())
        return _clean(_lenient(text), _replace_surrogates)
    except (ValueError, RecursionError):
        return {"text": text.replace("\0", REPLACEMENT)}


_TOO_DEEP = f"nested deeper than {MAX_DEPTH}"


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _whole_number(digits: str) -> int:
    try:
        return int(digits)
    except ValueError:  # longer than Python converts (sys.set_int_max_str_digits)
        raise ValueError(f"a number of {len(digits)} digits is too long") from None


LONGEST_INTEGER = 4000
"""Digits; Python itself refuses to read longer ones (at 4,300)."""


def _shown_float(digits: str) -> float | str:
    number = float(digits)
    return number if math.isfinite(number) else digits


def _shown_int(digits: str) -> int | str:
    return int(digits) if len(digits) <= LONGEST_INTEGER else digits


_decode: Callable[[str], Any] = json.JSONDecoder(parse_constant=_refuse_constant).decode
_lenient: Callable[[str], Any] = json.JSONDecoder(parse_constant=str, parse_float=_shown_float, parse_int=_shown_int).decode


def _name_long_number(raw: bytes) -> None:
    """Say what Python's own message does not: a second, slower reading finds the number that was too long."""
    json.loads(raw.decode(), parse_int=_whole_number)


def check_depth(raw: bytes) -> None:
    """Raise ValueError where brackets outside strings nest too deep; says nothing of other faults."""
    depth = 0
    for token in _STRUCTURE.finditer(raw):
        mark = raw[token.start()]
        if mark in b"{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"{_TOO_DEEP} at byte {token.start()}")
        elif mark in b"}]":
            depth -= 1


def _refuse_surrogates(text: str) -> str:
    if _SURROGATE.search(text):
        raise ValueError("text holds half of a surrogate pair")
    return text


def _replace_surrogates(text: str) -> str:
    return _SURROGATE.sub(REPLACEMENT, text)


def _clean(value: Any, fix: Callable[[str], str]) -> Any:
    """The value with every text, keys included, fixed and free of NUL. Its depth has been checked."""
    if isinstance(value, str):
        return fix(value).replace("\0", REPLACEMENT)
    if isinstance(value, list):
        return [_clean(item, fix) for item in value]
    if isinstance(value, dict):
        return {_clean(key, fix): _clean(item, fix) for key, item in value.items()}
    return value


def _row(raw: bytes, header: Header) -> dict[str, Any]:
    if header.delimiter == TAB:
        return _zeek_row(raw, header)
    try:
        text = raw.decode().replace("\0", REPLACEMENT)
    except UnicodeDecodeError as why:
        raise ValueError(f"not valid UTF-8 at byte {why.start}") from None
    cells = csv_cells(text, header.delimiter) if header.delimiter else [text]
    _check_width(len(cells), header)
    return dict(zip(header.columns, cells, strict=True))


def csv_cells(text: str, delimiter: str) -> list[str]:
    """The cells of one row of a quoted table; ValueError where the quotes do not close."""
    if len(text) > csv.field_size_limit():
        csv.field_size_limit(_LONGEST_CELL)  # process-wide, and only ever raised
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as why:
        raise ValueError(f"not a row of a table: {why}") from None


def _zeek_row(raw: bytes, header: Header) -> dict[str, Any]:
    cells = raw.split(b"\t")
    _check_width(len(cells), header)
    return {name: _zeek_cell(cell) for name, cell in zip(header.columns, cells, strict=True) if cell != b"-"}


def _zeek_cell(cell: bytes) -> str:
    if cell == b"(empty)":
        return ""
    plain = _ZEEK_ESCAPE.sub(lambda hit: bytes.fromhex(hit[1].decode()), cell) if b"\\x" in cell else cell
    try:
        text = plain.decode()
    except UnicodeDecodeError:  # escaped bytes that are no text stay escaped
        try:
            text = cell.decode()
        except UnicodeDecodeError as why:
            raise ValueError(f"not valid UTF-8 at byte {why.start} of a cell") from None
    return text.replace("\0", REPLACEMENT)


def _check_width(cells: int, header: Header) -> None:
    if cells != len(header.columns):
        raise ValueError(f"a row of {cells} cells under a header of {len(header.columns)} columns")


def _guess_text(raw: bytes) -> str:
    """Bytes as text: UTF-16 if every other byte is mostly zero (record bytes carry no byte order mark), else UTF-8."""
    first, second = raw[::2].count(0), raw[1::2].count(0)
    if first != second:
        try:
            return raw.decode("utf-16-le" if second > first else "utf-16-be")
        except UnicodeDecodeError:
            pass
    return raw.decode(errors="replace")
