"""Zircolite: detected events as JSON (a record for each rule, with all its matches) and as CSV (a row for each match).

A JSON record becomes one alert, since a record is what is kept, counted and recognised again: it happened when its first
match did, its description tells how many matches there are, from when to when and where, and the indicators are theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.times import from_micros, rfc3339
from alertstore.domain.vocabulary import Severity
from alertstore.sources.eventlog import EVENT_FIELDS, add_indicators, declared, sigma_tags, told
from alertstore.sources.values import first, parse_time, severity_word, text, texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "critical": Severity.CRITICAL,  # rule_level, Sigma's words
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "informational": Severity.INFORMATIONAL,
    "info": Severity.INFORMATIONAL,
    "unknown": Severity.PENDING,  # what Zircolite writes for a rule without a level
}
MOST_INDICATORS = 1000
"""Indicators that are taken from the matches of one record; the note `indicators_cut` tells of a record that has more."""
MOST_HOSTS = 10
"""Machines that a description names."""

_TIMES = ("SystemTime", "UtcTime", "timestamp")
_HOSTS = ("Computer", "host", "hostname")
_UNTOLD = frozenset({"rule_title", "rule_description", "rule_level", "rule_count", "row_id", *_TIMES})
_TITLES, _TOLD, _LEVELS = ("title", "rule_title"), ("description", "rule_description"), ("rule_level",)
FIELDS = {
    "title": _TITLES,
    "severity": _LEVELS,
    "occurred_at": [*(f"matches[].{name}" for name in _TIMES), *_TIMES],
    "description": [*_TOLD, "matches[]", "*"],  # of a single match, and so of a row, all that it holds
    "tags": ["tags[]"],
    "indicators": [*declared("matches[]"), *EVENT_FIELDS],
    "rule": ["id", *_TITLES, *_LEVELS, "tags[]", *_TOLD],
}


class Zircolite:
    """Detections of the Sigma engine Zircolite."""

    name = "zircolite"
    tool = "Zircolite (detected events, JSON and CSV)"
    signature = "title, rule_level, sigma and matches; or the columns rule_title, rule_level and rule_count"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A rule with its matches, or a row of the table."""
        if "rule_level" not in record:
            return False
        if "rule_title" in record:
            return "rule_count" in record
        return isinstance(record.get("title"), str) and isinstance(record.get("matches"), list) and ("sigma" in record or "count" in record)

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The rule's matches as one alert; of the table, the row's match. None for a rule that matched nothing."""
        title = first(record, _TITLES)
        if title is None:
            raise ValueError("no title")
        matches = _matches(record)
        if not matches:
            return None
        severity, notes = severity_word(first(record, _LEVELS), SEVERITIES, Severity.PENDING)
        times, note = _times(matches, tz)
        found: dict[tuple[str, str], None] = {}
        for match in matches:
            add_indicators(found, match)
            if len(found) > MOST_INDICATORS:
                notes = (*notes, "indicators_cut")
                break
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=min(times, default=None),
            description="\n".join(filter(None, (first(record, _TOLD), _summary(matches, times)))) or None,
            tags=sigma_tags(texts(record.get("tags"))).others,
            indicators=list(found)[:MOST_INDICATORS],
            rule_id=_rule_id(record),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The Sigma rule by its UUID; the table tells only its title."""
        rule_id = _rule_id(record)
        if rule_id is None:
            return None
        tags = sigma_tags(texts(record.get("tags")))
        return NewRule(
            name=first(record, _TITLES) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=first(record, _LEVELS),
            mitre_tactics=tags.tactics,
            mitre_techniques=tags.techniques,
            mitre_subtechniques=tags.subtechniques,
            documentation=first(record, _TOLD),
        )


def _rule_id(record: Record) -> str | None:
    return (text(record.get("id")) if "matches" in record else None) or first(record, _TITLES)


def _matches(record: Record) -> Sequence[Mapping[str, Any]]:
    """The events that matched; a row of the table is one itself."""
    if "rule_title" in record:
        return [record]
    matches = record.get("matches")
    return [match for match in matches if isinstance(match, dict)] if isinstance(matches, list) else []


def _times(matches: Sequence[Mapping[str, Any]], tz: tzinfo) -> tuple[list[int], str | None]:
    """When the matches happened, and what is to be noted of the first whose time says anything but a time."""
    times, noted = [], None
    for match in matches:
        when, note = parse_time(next((match[name] for name in _TIMES if match.get(name)), None), tz)
        if when is not None:
            times.append(when)
        noted = noted or note
    return times, noted


def _summary(matches: Sequence[Mapping[str, Any]], times: list[int]) -> str | None:
    """Of one match what it holds; of more how many there are, from when to when, and on which machines."""
    if len(matches) == 1:
        return told({name: value for name, value in matches[0].items() if name not in _UNTOLD})
    hosts = list(dict.fromkeys(host for match in matches if (host := first(match, _HOSTS)) is not None))
    parts = [f"{len(matches)} matches"]
    if times:
        parts.append(f"from {rfc3339(from_micros(min(times)))} to {rfc3339(from_micros(max(times)))}")
    if hosts:
        more = f" and {len(hosts) - MOST_HOSTS} more" if len(hosts) > MOST_HOSTS else ""
        parts.append(f"on {', '.join(hosts[:MOST_HOSTS])}{more}")
    return " ".join(parts)


SOURCE = Zircolite()
