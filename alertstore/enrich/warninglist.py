"""MISP warning lists: values that are known, and mostly harmless, of one form for a whole list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from alertstore.domain.indicators import LONGEST, normalise
from alertstore.domain.vocabulary import IndicatorType
from alertstore.enrich.reading import Entry, shown
from alertstore.enrich.regexes import compiled
from alertstore.enrich.spelling import Matched, network, suffix, told
from alertstore.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from alertstore.enrich.reading import Refusals

MOST_SCANNED = 1000
"""Substrings and expressions of a list: each is tried on every indicator."""

_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair, which no text can hold

_PARTS = {
    IndicatorType.IP: "ip-src ip-dst ip",
    IndicatorType.DOMAIN: "domain hostname",
    IndicatorType.HASH_MD5: "md5",
    IndicatorType.HASH_SHA1: "sha1",
    IndicatorType.HASH_SHA256: "sha256",
    IndicatorType.URL: "url uri link",
    IndicatorType.EMAIL: "email email-src email-dst email-reply-to target-email whois-registrant-email",
}
_TYPES = {part: kind for kind, parts in _PARTS.items() for part in parts.split()}


def is_warninglist(fields: Mapping[str, Any]) -> bool:
    """Whether these are the fields of a warning list."""
    form = fields.get("type", "string")
    return isinstance(form, str) and form in _FORMS and isinstance(fields.get("name"), str)


def read_warninglist(fields: Mapping[str, Any], items: Sequence[tuple[int, Any]], refused: Refusals, name: str) -> Iterator[Entry]:
    """The entries of what `is_warninglist`. Raises SourceError, naming the file, for attributes none of which is looked up."""
    form = fields.get("type", "string")
    types = _types(fields.get("matching_attributes"))
    if not types:
        raise SourceError(f"{name} is for attributes none of which is an indicator here", advice="nothing in it can be looked up")
    for position, (line, value) in enumerate(items):
        if not isinstance(value, str) or _HALF.search(value):
            refused.add(line, f"{shown(str(value))} is not text")
            continue
        try:
            if form in {"substring", "regex"} and position >= MOST_SCANNED:
                raise ValueError(f"beyond the first {MOST_SCANNED:,} of its form")
            yield Entry(*_FORMS[form](value, types), line)
        except ValueError as why:
            refused.add(line, str(why))


def _types(attributes: Any) -> frozenset[IndicatorType]:
    """The types of indicator that a list is for; all where it does not say."""
    if attributes is None:
        return frozenset(IndicatorType)
    parts = [part for one in attributes if isinstance(one, str) for part in one.split("|")] if isinstance(attributes, list) else []
    return frozenset(_TYPES[part] for part in parts if part in _TYPES)


def _string(value: str, types: frozenset[IndicatorType]) -> Matched:
    """One value, of the type of the list's that it has the form of; domains also without a dot (top-level ones)."""
    found = told(value)
    if found is not None and found.match == "exact" and found.value.partition(":")[0] in types:
        return found
    if found is not None and found.match == "network" and IndicatorType.IP in types:
        return found
    domain = normalise(IndicatorType.DOMAIN, value) if IndicatorType.DOMAIN in types and found is None else None
    if domain is None or domain.startswith("."):
        raise ValueError(f"{shown(value)} is none of {', '.join(sorted(types))}")
    return Matched("exact", f"{IndicatorType.DOMAIN}:{domain}")


def _hostname(value: str, _: frozenset[IndicatorType]) -> Matched:
    found = suffix(value)
    if found is None:
        raise ValueError(f"{shown(value)} is no host name")
    return found


def _cidr(value: str, _: frozenset[IndicatorType]) -> Matched:
    found = network(value)
    if found is None:
        raise ValueError(f"{shown(value)} is no network")
    return found


def _substring(value: str, types: frozenset[IndicatorType]) -> Matched:
    if not value.strip() or len(value) > LONGEST:
        raise ValueError(f"{shown(value)} is part of everything, or of nothing")
    return Matched("substring", f"{','.join(sorted(types))}:{value.lower()}")


def _regex(value: str, types: frozenset[IndicatorType]) -> Matched:
    try:
        compiled(value)
    except ValueError as why:
        raise ValueError(f"{shown(value)}: {why}") from None
    return Matched("regex", f"{','.join(sorted(types))}:{value}")


_FORMS: dict[str, Callable[[str, frozenset[IndicatorType]], Matched]] = {
    "string": _string,
    "hostname": _hostname,
    "cidr": _cidr,
    "substring": _substring,
    "regex": _regex,
}
