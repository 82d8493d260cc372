"""What is known of an alert's indicators, in words: who judged them, which lists know them, where else they were seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.cli.output import plain
from alertstore.cli.words import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alertstore.storage.sightings import Sighting

    Row = Mapping[str, Any]

FIRST_HITS = 3
FIRST_VERDICTS = 3
LONGEST = 200
DIGITS = 8
_DAY = 10


def sighting_row(one: Sighting) -> dict[str, Any]:
    """A sighting as JSON has it; of the indicator only what names it."""
    said: dict[str, Any] = plain(one)
    indicator = said.pop("indicator")
    return {name: indicator[name] for name in ("uuid", "type", "value")} | said


def known(indicator: Row, seen: Row | None) -> Iterator[str]:
    """Lines about an indicator; `seen` is its sighting, where there is one."""
    if indicator["malice_source"] != "enrichment":
        since = indicator["malice_overridden_at"]
        yield f"{indicator['malice']} by {indicator['malice_source']}{f', {since[:_DAY]}' if since else ''}"
    if seen is not None:
        yield from _hits(seen)
    for provider, result in (indicator["enrichment_results"] or {}).items():
        yield from _result(provider, result)
    if seen is not None:
        yield _elsewhere(seen)


def _hits(seen: Row) -> Iterator[str]:
    for hit in seen["hits"][:FIRST_HITS]:
        how = f": {hit['match']} {hit['value']}" if hit["value"] else ""
        of = f", of {hit['of']}" if hit["of"] else ""
        note = f" ({shortened(hit['note'], LONGEST)})" if hit["note"] else ""
        yield f'{hit["malice"]} by "{hit["list"]}" line {hit["line"]:,} (sha256 {hit["version"][:DIGITS]}…){how}{of}{note}'
    more = len(seen["hits"][FIRST_HITS:]) + seen["more_hits"]
    if more:
        yield f"and {more:,} more hit{'' if more == 1 else 's'}"


def _result(provider: str, result: Row) -> Iterator[str]:
    """What a provider other than the lists found, and why any failed."""
    if not result["success"]:
        yield f"{provider} failed: {shortened(result['error_message'] or '', LONGEST)}"
    if provider == "lists" or not result["extracted"]:
        return
    words = [f"{name.replace('_', ' ')} {value}" for name, value in result["extracted"].items() if type(value) in {str, int}]
    if words:
        yield shortened(f"{provider}: {', '.join(words)}", LONGEST)


def _elsewhere(seen: Row) -> str:
    """Where else it was seen, since when, and what became of that."""
    others = seen["others"]
    if not others:
        return "in no other alert"
    span = f"since {seen['first_seen'][:_DAY]}, last {seen['last_seen'][:_DAY]}"
    newest = f"of the newest {seen['looked_at']:,}: " if seen["looked_at"] < others else ""
    closed = list(seen["closed"].items())
    verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in closed[:FIRST_VERDICTS])
    more = sum(count for _, count in closed[FIRST_VERDICTS:])
    words = [f"{newest}{seen['active']:,} active"]
    words += [f"closed: {verdicts}{f', {more:,} otherwise' if more else ''}"] if closed else []
    which = f"{others:,} other alert{'' if others == 1 else 's'} ({', '.join(seen['sources'])})"
    return f"also in {which} {span}; {'; '.join(words)}"
