"""STIX 2.1 bundles as lists: indicators whose patterns one value decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.stixpattern import comparisons, stix_type
from alertstore.domain.times import is_representable, read_rfc3339
from alertstore.domain.vocabulary import Malice, worst_malice
from alertstore.enrich.reading import Entry, shown
from alertstore.enrich.spelling import note, of_type, verdict
from alertstore.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alertstore.enrich.reading import Refusals


def read_bundle(objects: Sequence[tuple[int, Any]], refused: Refusals, default: Malice, name: str) -> Iterator[Entry]:
    """The entries of a bundle's indicators; objects of other types are no entries. An indicator refused is named by its id.

    Raises SourceError, naming the file, for a bundle without any indicator.
    """
    indicators = [(line, one) for line, one in objects if isinstance(one, dict) and one.get("type") == "indicator"]
    if not indicators:
        raise SourceError(f"{name} is a STIX bundle without indicators", advice="nothing in it can be looked up")
    for line, indicator in indicators:
        who = shown(str(indicator.get("id", "an indicator without id")))
        try:
            pairs, expires = _simple(indicator), _expiry(indicator)
        except ValueError as why:
            refused.add(line, f"{who}: {why}")
            continue
        malice = _malice(indicator, default)
        said = note(*(indicator[key] for key in ("name", "id") if isinstance(indicator.get(key), str)))
        for path, value in pairs:
            kind = stix_type(path)
            matched = None if kind is None else of_type(kind, value)
            if matched is None:
                refused.add(line, f"{who}: {shown(path)} is looked up nowhere" if kind is None else f"{who}: {shown(value)} is no {kind}")
            else:
                yield Entry(*matched, line, malice, expires, said)


def _simple(indicator: dict[str, Any]) -> list[tuple[str, str]]:
    """Its comparisons. Raises ValueError with the reason where one value alone does not decide, or it was withdrawn."""
    if indicator.get("revoked") is True:
        raise ValueError("revoked")
    language = indicator.get("pattern_type", "stix")
    if language != "stix":
        raise ValueError(f"its pattern is {shown(str(language))}, not STIX")
    pattern = indicator.get("pattern")
    pairs = comparisons(pattern) if isinstance(pattern, str) else None
    if pairs is None:
        raise ValueError(f"its pattern is not a simple comparison: {shown(str(pattern))}")
    return pairs


def _expiry(indicator: dict[str, Any]) -> int | None:
    text = indicator.get("valid_until")
    if text is None:
        return None
    micros = read_rfc3339(text) if isinstance(text, str) else None
    if micros is None or not is_representable(micros):
        raise ValueError(f"valid_until {shown(str(text))} is no time")
    return micros


def _malice(indicator: dict[str, Any], default: Malice) -> Malice:
    """By its indicator_types (of 2.0: labels), the worst; where they say nothing, the default."""
    said = indicator.get("indicator_types", indicator.get("labels"))
    found = [malice for word in said if isinstance(word, str) and (malice := verdict(word))] if isinstance(said, list) else []
    return worst_malice(found) if found else default
