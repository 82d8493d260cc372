"""Tables of indicators: CSV with a header, between commas, semicolons or tabs; columns found by their names."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import frozen

from alertstore.domain.payload import csv_cells
from alertstore.domain.times import SECOND, is_representable, to_micros
from alertstore.domain.vocabulary import IndicatorType, Malice
from alertstore.enrich.reading import Entry, shown
from alertstore.enrich.spelling import note, of_type, plain_word, told, verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alertstore.enrich.reading import Refusals
    from alertstore.enrich.spelling import Matched

_VALUE = frozenset(["value", "indicator", "indicator_value", "ioc", "ioc_value", "observable", "observable_value"])
_TYPE = frozenset(["type", "indicator_type", "ioc_type", "observable_type", "kind"])
_VERDICT = frozenset(["verdict", "malice", "disposition", "reputation"])
_PERHAPS_VERDICT = frozenset(["threat", "threat_type", "classification"])
_EXPIRY = frozenset(["expires", "expires_at", "expiration", "expiration_date", "expiry", "valid_until"])
_NOTE = frozenset(
    [
        "note",
        "notes",
        "comment",
        "comments",
        "description",
        "source",
        "reference",
        "malware",
        "malware_printable",
        "malware_family",
        "tags",
        "title",
    ]
)
_TYPES = {
    IndicatorType.IP: "ip ipv4 ipv6 ip_address ip_addr ipaddress address ip_src ip_dst src_ip dst_ip srcip dstip ipv4_addr ipv6_addr ip_port cidr netblock network",
    IndicatorType.DOMAIN: "domain domain_name hostname host fqdn dns",
    IndicatorType.URL: "url uri link",
    IndicatorType.EMAIL: "email email_address email_addr email_src email_dst",
    IndicatorType.HASH_MD5: "md5 filehash_md5 file_hash_md5 hash_md5 md5_hash",
    IndicatorType.HASH_SHA1: "sha1 filehash_sha1 file_hash_sha1 hash_sha1 sha1_hash sha_1",
    IndicatorType.HASH_SHA256: "sha256 filehash_sha256 file_hash_sha256 hash_sha256 sha256_hash sha_256",
    IndicatorType.ACCOUNT: "account account_login user username user_name user_account",
}
_KINDS = {word: kind for kind, words in _TYPES.items() for word in words.split()}
_BY_FORM = frozenset({"", "hash", "file", "filehash", "file_hash"})
_NEVER = frozenset({"", "-", "never", "none", "null", "n/a"})
_NEVER_YEAR = 9999
_LONGEST_SECONDS = 10  # digits; more are milliseconds
_MOST_LINES = 20
_LONGEST_ROW = 1 << 16


@frozen
class Columns:
    """Where what stands in the rows of a table. `values`: the columns that hold indicators, each with the type it says."""

    delimiter: str
    width: int
    values: tuple[tuple[int, IndicatorType | None], ...]
    type: int | None
    verdicts: tuple[tuple[int, bool], ...]
    expiry: int | None
    notes: tuple[int, ...]


def columns(line: str) -> Columns | None:
    """The columns of a table whose header the line is; None where it is no header that names indicators."""
    line = line.strip("\r\n")
    delimiter = max(",;\t", key=line.count)
    try:
        names = [plain_word(cell) for cell in csv_cells(line, delimiter)]
    except ValueError:
        return None
    at = {name: place for place, name in reversed(list(enumerate(names)))}
    bare = min((place for name, place in at.items() if name in _VALUE), default=None)
    values = [(at[name], _KINDS.get(name)) for name in at if name in _KINDS] if bare is None else [(bare, None)]
    if not values:
        return None
    return Columns(
        delimiter,
        len(names),
        tuple(sorted(values, key=lambda one: one[0])),
        _first(at, _TYPE),
        tuple(sorted((place, name in _VERDICT) for name, place in at.items() if name in _VERDICT | _PERHAPS_VERDICT)),
        _first(at, _EXPIRY),
        tuple(sorted(place for name, place in at.items() if name in _NOTE)),
    )


def read_table(lines: Iterable[tuple[int, str | None]], refused: Refusals, header: Columns, default: Malice) -> Iterator[Entry]:
    """The entries of the rows below the header. An entry without a verdict has the default."""
    for number, cells in _rows(iter(lines), header.delimiter):
        if cells is not None and len(cells) == header.width + 1 and not cells[-1]:
            cells.pop()
        if cells is None or len(cells) != header.width:
            refused.add(number, "the row is cut short, too long or wrongly quoted" if cells is None else _other_width(cells, header))
            continue
        try:
            yield from _entries(number, [cell.strip() for cell in cells], header, default)
        except ValueError as why:
            refused.add(number, str(why))


def _first(at: dict[str, int], names: frozenset[str]) -> int | None:
    return min((place for name, place in at.items() if name in names), default=None)


def _other_width(cells: list[str], header: Columns) -> str:
    return f"a row of {len(cells)} cells under a header of {header.width}"


def _entries(number: int, cells: list[str], header: Columns, default: Malice) -> list[Entry]:
    """The row's entries, one for each column that holds indicators. Raises ValueError with the reason where there is none."""
    malice, words = _malice(cells, header, default)
    expires = None if header.expiry is None else _time(cells[header.expiry])
    said = note(*words, *(cells[place] for place in header.notes))
    kind = "" if header.type is None else plain_word(cells[header.type])
    found = []
    for place, column_kind in header.values:
        if not cells[place] and len(header.values) > 1:
            continue
        matched = _matched(cells[place], column_kind, kind)
        if matched is None:
            raise ValueError(f"{shown(cells[place])} is no {(column_kind or kind or 'indicator').replace('_', ' ')}")
        found.append(Entry(*matched, number, malice, expires, said))
    if not found:
        raise ValueError("the row names no indicator")
    return found


def _matched(value: str, column: IndicatorType | None, kind: str) -> Matched | None:
    """The cell's value, by its column's type, the row's, or its form."""
    if column is not None:
        return of_type(column, value)
    if kind in _BY_FORM:
        found = told(value)
        return None if found is not None and kind and not found.value.startswith("hash_") else found
    if kind not in _KINDS:
        raise ValueError(f"{shown(kind)} is no type of indicator that is looked up")
    return of_type(_KINDS[kind], value)


def _malice(cells: list[str], header: Columns, default: Malice) -> tuple[Malice, list[str]]:
    """The row's verdict, the worst where several columns give one, and words of theirs that are none."""
    found, words = [], []
    for place, must in header.verdicts:
        word = cells[place]
        said = verdict(word) if word else None
        if said is not None:
            found.append(said)
        elif word and must:
            raise ValueError(f"{shown(word)} is no verdict")
        elif word:
            words.append(word)
    return max(found, key=lambda one: one.rank, default=default), words


def _time(text: str) -> int | None:
    """Microseconds of an expiry: ISO 8601 (UTC where it has no offset, a date's first moment), or seconds or milliseconds since 1970."""
    if text.lower() in _NEVER:
        return None
    try:
        if text.isascii() and text.isdigit():
            micros = int(text[:20]) * (SECOND if len(text) <= _LONGEST_SECONDS else SECOND // 1000)
        else:
            moment = datetime.fromisoformat(text.removesuffix(" UTC"))
            if moment.year == _NEVER_YEAR:
                return None
            micros = to_micros(moment)
    except (ValueError, OverflowError):
        micros = None
    if micros is None or not is_representable(micros):
        raise ValueError(f"{shown(text)} is no time to expire at")
    return micros


def _rows(lines: Iterator[tuple[int, str | None]], delimiter: str) -> Iterator[tuple[int, list[str] | None]]:
    """The cells of each row, with its first line's number; None where they cannot be told.

    A quoted cell may go on over lines. Where its quote does not close, only the line with the quote is lost.
    """
    ahead: deque[tuple[int, str | None]] = deque()
    while (one := ahead.popleft() if ahead else next(lines, None)) is not None:
        number, text = one
        if text is None:
            yield number, None
        elif text.strip() and not text.startswith("#"):
            cells, taken = _cells(text, delimiter), list[tuple[int, str | None]]()
            while cells is None and text.count('"') % 2 and len(taken) < _MOST_LINES and len(text) <= _LONGEST_ROW:
                following = ahead.popleft() if ahead else next(lines, None)
                if following is None:
                    break
                taken.append(following)
                text += following[1] or '"'
                cells = _cells(text, delimiter)
            if cells is None:
                ahead.extendleft(reversed(taken))
            yield number, cells


def _cells(text: str, delimiter: str) -> list[str] | None:
    try:
        return csv_cells(text, delimiter)
    except ValueError:
        return None
