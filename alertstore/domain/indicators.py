"""Indicators: one canonical spelling for each, so that the same thing seen by two tools is one indicator."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from alertstore.domain.vocabulary import IndicatorType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LONGEST = 2048  # characters, the remote's limit for a value

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_HEX = re.compile(r"[0-9a-f]+")


def _ip(value: str) -> str | None:
    try:
        address = ip_address(value)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _domain(value: str) -> str | None:
    name = value.rstrip(".").lower()
    if not name or any(c in name for c in " /:@") or _ip(name):
        return None
    return name


def _hash(digits: int) -> Callable[[str], str | None]:
    def check(value: str) -> str | None:
        value = value.lower()
        # A digest of zeros is how tools write "none".
        return value if len(value) == digits and _HEX.fullmatch(value) and value.strip("0") else None

    return check


def _url(value: str) -> str | None:
    return value if "://" in value else None


def _email(value: str) -> str | None:
    value = value.strip("<>").lower()
    local, at, domain = value.rpartition("@")
    return value if at and local and domain and " " not in value else None


def _account(value: str) -> str | None:
    return None if value in {"-", "N/A"} else value


_RULES: dict[str, Callable[[str], str | None]] = {
    IndicatorType.IP: _ip,
    IndicatorType.DOMAIN: _domain,
    IndicatorType.HASH_MD5: _hash(32),
    IndicatorType.HASH_SHA1: _hash(40),
    IndicatorType.HASH_SHA256: _hash(64),
    IndicatorType.URL: _url,
    IndicatorType.EMAIL: _email,
    IndicatorType.ACCOUNT: _account,
}


@lru_cache(maxsize=65_536)
def normalise(kind: str, value: str) -> str | None:
    """The canonical spelling of an indicator's value, or None where it is none of that type.

    Addresses as `ipaddress` writes them (an IPv4-mapped one as IPv4), domains and hashes in lower case, no control
    characters (they become U+FFFD), at most 2,048 characters.
    """
    rule = _RULES.get(kind)
    found: str | None = _CONTROL.sub("\ufffd", value.strip())
    if rule is None or not found or len(found) > LONGEST:
        return None
    before = None
    while found and found != before:  # what a rule takes off may bare more to take off
        before, found = found, rule(found)
        found = found and found.strip()
    return found if found and len(found) <= LONGEST else None  # lower case can be longer


def normalise_all(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The (type, value) pairs in canonical spelling, sorted, repeats and unusable ones dropped."""
    found = set()
    for kind, value in pairs:
        canonical = normalise(kind, value)
        if canonical is not None:
            found.add((str(kind), canonical))
    return sorted(found)
