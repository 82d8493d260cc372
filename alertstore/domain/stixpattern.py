"""STIX 2.1 patterns, as far as one value alone decides: comparisons for equality, joined by OR and nothing else.

Whatever needs two things at once, in an order, within a time, or anything but equality is not for a table of values:
such a pattern is told apart, never approximated.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alertstore.domain.vocabulary import IndicatorType

if TYPE_CHECKING:
    from collections.abc import Iterator

# Possessive throughout: a token is read once, whatever follows it.
_TOKEN = re.compile(r"('(?:[^'\\]++|\\['\\])*+'|\[(?:[0-9]++|\*)\]|[A-Za-z_][A-Za-z0-9_-]*+|==?|[][():.,])\s*+")
_ESCAPE = re.compile(r"\\(['\\])")
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")

_HASHES = {
    "md5": IndicatorType.HASH_MD5,
    "sha1": IndicatorType.HASH_SHA1,
    "sha256": IndicatorType.HASH_SHA256,
}
_TYPES = {
    "ipv4-addr:value": IndicatorType.IP,
    "ipv6-addr:value": IndicatorType.IP,
    "network-traffic:src_ref.value": IndicatorType.IP,
    "network-traffic:dst_ref.value": IndicatorType.IP,
    "domain-name:value": IndicatorType.DOMAIN,
    "url:value": IndicatorType.URL,
    "email-addr:value": IndicatorType.EMAIL,
    "email-message:from_ref.value": IndicatorType.EMAIL,
    "email-message:sender_ref.value": IndicatorType.EMAIL,
    "user-account:account_login": IndicatorType.ACCOUNT,
    "user-account:user_id": IndicatorType.ACCOUNT,
}


def comparisons(pattern: str) -> list[tuple[str, str]] | None:
    """The (object path, value) pairs any one of which satisfies the pattern; None for a pattern of another kind.

    Paths come without quotes (`file:hashes.SHA-256`), values without escapes. Equality (`=`, `==`, `IN`) and OR, inside
    or between observations, are read. AND, FOLLOWEDBY, qualifiers, negation, LIKE, MATCHES, subsets, numbers, binary
    and time literals, and what is no pattern at all, give None.
    """
    try:
        return _read(pattern) or None
    except ValueError:
        return None


def stix_type(path: str) -> IndicatorType | None:
    """The type of indicator that values at an object path are, or None where we have none for it.

    An address path may also hold a network (`198.51.100.0/24`), which STIX writes in the same place.
    """
    head, _, algorithm = path.rpartition(".")
    if head.endswith((":hashes", ".hashes")):
        return _HASHES.get(algorithm.strip("'").lower().replace("-", ""))
    return _TYPES.get(path)


def _tokens(pattern: str) -> Iterator[str]:
    at, pattern = 0, pattern.strip()
    while at < len(pattern):
        found = _TOKEN.match(pattern, at)
        if found is None:
            raise ValueError("a character that no simple pattern has")
        yield found[1]
        at = found.end()


def _read(pattern: str) -> list[tuple[str, str]]:
    """Walk the pattern with a stack of what is open; parentheses change nothing where all is joined by OR."""
    pairs: list[tuple[str, str]] = []
    opened: list[str] = []
    tokens = _tokens(pattern)
    operand, inside = True, False
    for word in tokens:
        if operand and (word == "(" or (word == "[" and not inside)):
            opened.append(word)
            inside = inside or word == "["
        elif operand and inside:
            pairs += _comparison(word, tokens)
            operand = False
        elif not operand and word == "OR":
            operand = True
        elif not operand and opened and opened.pop() + word in {"()", "[]"}:
            inside = inside and word != "]"
        else:
            raise ValueError(f"{word} is not for here")
    if operand or opened:
        raise ValueError("the pattern does not end")
    return pairs


def _comparison(first: str, tokens: Iterator[str]) -> list[tuple[str, str]]:
    """One comparison: its object type has been read."""
    path, operator = _path(first, tokens)
    if operator in {"=", "=="}:
        return [(path, _text(_next(tokens)))]
    if operator != "IN" or _next(tokens) != "(":
        raise ValueError("another comparison than for equality")
    values = []
    while True:
        values.append((path, _text(_next(tokens))))
        match _next(tokens):
            case ",":
                continue
            case ")":
                return values
            case _:
                raise ValueError("a set has values and commas")


def _path(first: str, tokens: Iterator[str]) -> tuple[str, str]:
    """The object path, and the operator that ends it."""
    if not _PLAIN.fullmatch(first) or _next(tokens) != ":":
        raise ValueError("not an object path")
    parts = [first, ":", _step(_next(tokens))]
    for word in tokens:
        if word == ".":
            parts += [".", _step(_next(tokens))]
        elif word.startswith("[") and len(word) > 1:
            parts.append(word)
        else:
            return "".join(parts), word
    raise ValueError("the pattern does not end")


def _step(token: str) -> str:
    """A property's name; its quotes stay only where without them it could be taken for something else."""
    if token.startswith("'"):
        name = _text(token)
        return name if _PLAIN.fullmatch(name) else token
    if not _PLAIN.fullmatch(token):
        raise ValueError("not a property's name")
    return token


def _text(token: str) -> str:
    if not token.startswith("'"):
        raise ValueError("not a text")
    return _ESCAPE.sub(r"\1", token[1:-1])


def _next(tokens: Iterator[str]) -> str:
    token = next(tokens, None)
    if token is None:
        raise ValueError("the pattern does not end")
    return token
