"""What the store's lists say of an indicator: which list, in which version, on which line, and how it matched."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

from alertstore.domain.enrichment import Answer
from alertstore.domain.vocabulary import IndicatorType, Malice
from alertstore.enrich.regexes import LONGEST_TEXT, compiled
from alertstore.enrich.spelling import host_of, one_line
from alertstore.storage import intel

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

MOST_HITS = 10
"""Hits that an answer names, the worst first; it says how many more there are."""

_LONGEST_VALUE = 100  # characters of an entry as an answer shows it
_MOST_PARENTS = 127  # labels of a domain name that DNS allows


class _Hit(NamedTuple):
    """An entry that was found for an indicator.

    `of` is the host or domain in the indicator by which it was found, if that is it. `verdict` is what the entry's `malice`
    says of the indicator: what is known of a host counts against what lies there, never for it.
    """

    entry: intel.Hit
    of: str | None
    malice: Malice
    verdict: Malice


def _hit(entry: intel.Hit, of: str | None = None) -> _Hit:
    malice = _MALICE[entry.malice]
    return _Hit(entry, of, malice, Malice.PENDING if of is not None and malice is Malice.BENIGN else malice)


_MALICE: dict[str | None, Malice] = {None: Malice.PENDING, **{malice.value: malice for malice in Malice}}


class Listed:
    """Looks indicators up in the lists that were loaded into a store.

    A url is also looked up by its host, an email address by its domain, whatever the kind of list: a page on a bad host is
    bad. The other way round it is not so (anybody's page may lie on a host that a warning list knows), so such hits are
    named, and a benign one gives no verdict.
    """

    name = "lists"
    types: frozenset[str] = frozenset(IndicatorType)

    def __init__(self, conn: sqlite3.Connection) -> None:
        """`conn` is the store that holds the lists."""
        self._conn = conn
        self._forms: tuple[str, tuple[frozenset[int], frozenset[int]], bool] | None = None

    def version(self) -> str:
        """What `storage.intel` says of the lists. What expires does so at a time, and not by version."""
        return intel.version(self._conn)

    def look_up(self, indicators: Sequence[tuple[str, str]], now: int) -> list[Answer | None]:
        """The hits of each indicator, and the worst of their verdicts."""
        prefixes, suffixes = self._in_use()
        asked = [list(_keys(kind, value, prefixes, suffixes=suffixes)) for kind, value in indicators]
        found: dict[str, list[intel.Hit]] = {}
        for hit in intel.find(self._conn, list(dict.fromkeys(key for keys in asked for key, _ in keys)), now):
            found.setdefault(hit.key, []).append(hit)
        scans = [_substring(hit) for hit in intel.patterns(self._conn, "substring", now)]
        scans += [_regex(hit) for hit in intel.patterns(self._conn, "regex", now)]
        answers = []
        for (kind, value), keys in zip(indicators, asked, strict=True):
            hits = [_hit(entry, of) for key, of in keys for entry in found.get(key, ())]
            hits += [_hit(entry) for entry, matches in scans if matches(kind, value)]
            answers.append(_answer(hits) if hits else None)
        return answers

    def _in_use(self) -> tuple[tuple[frozenset[int], frozenset[int]], bool]:
        """The lengths of networks that lists hold, and whether they hold suffixes: asked again only when a list changed."""
        version = self.version()
        if self._forms is None or self._forms[0] != version:
            self._forms = (version, intel.prefixes(self._conn), intel.has_suffixes(self._conn))
        return self._forms[1:]


def _keys(kind: str, value: str, prefixes: tuple[frozenset[int], frozenset[int]], *, suffixes: bool) -> Iterator[tuple[str, str | None]]:
    """The keys by which an entry may speak of the indicator, each with the host it speaks of, where it is not the indicator itself."""
    host = host_of(kind, value)
    asked: list[tuple[str, str, str | None]] = [(kind, value, None)]
    if host is not None:
        asked.append((*host, ":".join(host)))
    for what, text, of in asked:
        yield f"{what}:{text}", of
        if what == IndicatorType.DOMAIN and suffixes:
            labels = text.split(".")[-_MOST_PARENTS:]
            yield from ((f"suffix:{'.'.join(labels[start:])}", of) for start in range(len(labels)))
        elif what == IndicatorType.IP:
            yield from ((f"network:{network}", of) for network in _networks(text, prefixes))


def _networks(value: str, prefixes: tuple[frozenset[int], frozenset[int]]) -> Iterator[str]:
    """The networks of these lengths that an address is in, as `ipaddress` writes them."""
    address = ip_address(value)
    family: Callable[[int], Any] = IPv4Address if isinstance(address, IPv4Address) else IPv6Address
    for length in prefixes[family is IPv6Address]:
        spare = address.max_prefixlen - length
        yield f"{family(int(address) >> spare << spare)}/{length}"


def _substring(entry: intel.Hit) -> tuple[intel.Hit, Callable[[str, str], bool]]:
    types, text = _scanned(entry)
    return entry, lambda kind, value: kind in types and text in value.lower()


def _regex(entry: intel.Hit) -> tuple[intel.Hit, Callable[[str, str], bool]]:
    types, pattern = _scanned(entry)
    search = compiled(pattern).search
    return entry, lambda kind, value: kind in types and len(value) <= LONGEST_TEXT and search(value) is not None


def _scanned(entry: intel.Hit) -> tuple[frozenset[str], str]:
    _, types, text = entry.key.split(":", 2)
    return frozenset(types.split(",")), text


def _answer(hits: Sequence[_Hit]) -> Answer:
    ordered = hits if len(hits) == 1 else sorted(hits, key=_rank)
    worst = ordered[0].verdict
    extracted: dict[str, Any] = {"hits": [_shown(hit) for hit in ordered[:MOST_HITS]]}
    if len(hits) > MOST_HITS:
        extracted["more_hits"] = len(hits) - MOST_HITS
    return Answer(None if worst is Malice.PENDING else worst, extracted)


def _rank(hit: _Hit) -> tuple[int, int, str, str, int, str]:
    """By this the worst come first."""
    return (-hit.verdict.rank, -hit.malice.rank, hit.of or "", hit.entry.list, hit.entry.line, hit.entry.key)


def _shown(hit: _Hit) -> dict[str, Any]:
    """A hit for people; `match` says how the entry matched, `value` what it says where that is not the indicator itself."""
    entry = hit.entry
    match, _, value = entry.key.partition(":")
    shown: dict[str, Any] = {"list": entry.list, "version": entry.sha256, "line": entry.line, "malice": hit.malice.value}
    if match in {"suffix", "network", "substring", "regex"}:
        text = value.partition(":")[2] if match in {"substring", "regex"} else value
        shown |= {"match": match, "value": one_line(text, _LONGEST_VALUE)}
    else:
        shown["match"] = "exact"
    if hit.of is not None:
        shown["of"] = one_line(hit.of, _LONGEST_VALUE)
    if entry.note is not None:
        shown["note"] = entry.note
    return shown
