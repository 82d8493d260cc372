"""What a value in a list stands for: its type where nothing tells it, defanged spellings, networks, domains with all below."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import NamedTuple

from alertstore.domain.indicators import LONGEST, normalise
from alertstore.domain.vocabulary import IndicatorType, Malice

LONGEST_NOTE = 200
"""Characters of a note."""


class Matched(NamedTuple):
    """How an entry is held against indicators, and with what (see `alertstore.enrich.lists.Entry`)."""

    match: str
    value: str


_DEFANGED = re.compile(
    r"\[(?:\.|dot)\]|\((?:\.|dot)\)|\{(?:\.|dot)\}|\[:\]|\[(?:@|at)\]|\((?:@|at)\)|\[://\]|^\s*(?:hxxp|h\*\*p|meow)(?=s?\W)", re.IGNORECASE
)
_REFANGED = {"hxxp": "http", "h**p": "http", "meow": "http", "dot": ".", "at": "@"}
_URL = re.compile(r"\A[a-z][a-z0-9+.-]*+://[^\s\x00-\x1f\ufffd]+", re.IGNORECASE)
_HOST = re.compile(r"\A[a-z][a-z0-9+.-]*+://(?:[^/\\?#]*@)?(?:\[([0-9a-f:.]+)\]|([^/\\?#:@\[\]]+))(?::[0-9]*)?(?:[/\\?#]|$)", re.IGNORECASE)
_PORT = re.compile(r"\A(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):[0-9]{1,5}")
_DOMAIN = re.compile(r"\A(?=[^\n]{1,253}$)(?:[\w-]{1,63}\.)+(?![0-9]+$)[\w-]{2,63}")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_HASHES = {32: IndicatorType.HASH_MD5, 40: IndicatorType.HASH_SHA1, 64: IndicatorType.HASH_SHA256}
_MAPPED = IPv6Network("::ffff:0:0/96")

_WORDS = {
    Malice.MALICIOUS: "malicious malware bad known_bad evil black blacklist blacklisted blocklist blocklisted malicious_activity compromised attribution",
    Malice.SUSPICIOUS: "suspicious suspect grey gray greyware grayware pua pup unwanted riskware anomalous_activity anonymization",
    Malice.BENIGN: "benign good clean known_good harmless safe trusted white whitelist whitelisted allowlist allowlisted legitimate false_positive",
    Malice.PENDING: "pending unknown unrated undetermined unverified neutral none n_a",
}
_VERDICTS = {word: malice for malice, words in _WORDS.items() for word in words.split()}


def verdict(word: str) -> Malice | None:
    """The verdict that a list's word stands for; Pending for a word that says there is none, None for a word unknown here."""
    return _VERDICTS.get(plain_word(word))


def plain_word(text: str) -> str:
    """A column's name, or another word of a tool, in small letters with `_` for whatever is between them."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def note(*parts: str) -> str | None:
    """What a list says of an entry, on one line and not too long; what is said twice only once."""
    return one_line("; ".join(dict.fromkeys(part.strip() for part in parts if part.strip())), LONGEST_NOTE) or None


def one_line(text: str, longest: int) -> str:
    """Text of others on one line, cut to so many characters, with control characters and lone surrogates as U+FFFD."""
    line = _CONTROL.sub("\ufffd", " ".join(text[: 4 * longest].split()))
    return line if len(line) <= longest else line[: longest - 1] + "…"


def refang(text: str) -> str:
    """The value as it was before it was made harmless: `hxxp://a[.]example` becomes `http://a.example`."""
    if "[" in text or "(" in text or "{" in text or text[:1] in "hHmM":
        return _DEFANGED.sub(lambda hit: _REFANGED.get(bare := hit[0].strip("[](){} \t").lower(), bare), text)
    return text


def told(text: str) -> Matched | None:
    """What a bare value is, told by its form alone; None for what has the form of no indicator."""
    value = refang(text.strip())
    if len(value) in _HASHES and (found := _exact(_HASHES[len(value)], value)):
        return found
    if "://" in value:
        return _exact(IndicatorType.URL, value) if _URL.fullmatch(value) else None
    if (found := _address(value)) is not None:
        return found
    if "@" in value:
        local, _, domain = value.rpartition("@")
        return _exact(IndicatorType.EMAIL, value) if local and _DOMAIN.fullmatch(domain) and not re.search(r"[\s/]", local) else None
    return _domain(value) if _DOMAIN.fullmatch(value.removeprefix("*").strip(".")) else None


def of_type(kind: IndicatorType, text: str) -> Matched | None:
    """A value whose type is known; None where it is none of that type."""
    value = refang(text.strip())
    if kind is IndicatorType.IP:
        return _address(value)
    return _domain(value) if kind is IndicatorType.DOMAIN else _exact(kind, value)


def network(text: str) -> Matched | None:
    """A network (bits beyond its length are dropped), a single address as that address; None for neither.

    Networks of IPv4 addresses written in IPv6 (`::ffff:192.0.2.0/120`) are IPv4 networks, as their addresses are IPv4 addresses.
    """
    try:
        block: IPv4Network | IPv6Network = ip_network(text.strip(), strict=False)
    except ValueError:
        return None
    if isinstance(block, IPv6Network) and block.subnet_of(_MAPPED):
        block = IPv4Network((int(block.network_address) & 0xFFFFFFFF, block.prefixlen - 96))
    if block.prefixlen == block.max_prefixlen:
        return _exact(IndicatorType.IP, str(block.network_address))
    return Matched("network", str(block))


def suffix(text: str) -> Matched | None:
    """A domain and all below it."""
    name = normalise(IndicatorType.DOMAIN, text.strip().removeprefix("*").lstrip("."))
    return None if name is None else Matched("suffix", name)


def host_of(kind: str, value: str) -> tuple[str, str] | None:
    """The host of a url, or the domain of an email address, as an indicator of its own."""
    if kind == IndicatorType.EMAIL:
        host = value.rpartition("@")[2]
    elif kind == IndicatorType.URL and (found := _HOST.match(value)):
        host = found[1] or found[2]
    else:
        return None
    for what in (IndicatorType.IP, IndicatorType.DOMAIN):
        if (canonical := normalise(what, host)) is not None:
            return what.value, canonical
    return None


def _exact(kind: IndicatorType, value: str) -> Matched | None:
    canonical = normalise(kind, value)
    return None if canonical is None else Matched("exact", f"{kind.value}:{canonical}")


def _address(value: str) -> Matched | None:
    """An address, one with a port, or a network."""
    if "/" in value:
        return network(value)
    if (found := _exact(IndicatorType.IP, value)) is not None:
        return found
    port = _PORT.fullmatch(value)
    return None if port is None else _exact(IndicatorType.IP, port[1] or port[2])


def _domain(value: str) -> Matched | None:
    if value.startswith(("*.", ".")):
        return suffix(value)
    return _exact(IndicatorType.DOMAIN, value) if len(value) <= LONGEST and not re.search(r"[\s*]", value) else None
