"""Why a value became what it is, in words: severities by a tool's table, times by their form, the codes of notes."""

from __future__ import annotations

import re
from datetime import UTC
from typing import TYPE_CHECKING, Any

from alertstore.domain.times import from_micros, rfc3339
from alertstore.sources.values import EPOCH_UNITS, parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import tzinfo

    from alertstore.domain.vocabulary import Severity

NOTES = {
    "time_missing": "the record has no time; the alert takes that of the import",
    "time_unreadable": "its time is in no form that is known; the alert takes that of the import",
    "time_out_of_range": "its time is not between 1700 and 2250; the alert takes that of the import",
    "time_without_offset": "its time says no zone; it was taken in that of --tz, UTC by default",
    "time_without_year": "its time says no year, and none was guessed; the alert takes that of the import",
    "severity_unknown": "the word is not in the tool's table",
    "rule_id_too_long": "the rule's id is longer than an event can hold; the raw record has it",
    "blank_tag_dropped": "a tag without a letter was left out",
    "repeated_tag_dropped": "a tag that stands there twice is kept once",
    "indicators_cut": "the first thousand indicators were kept; the raw record has all",
    "too_many_tags": "the first thousand tags were kept; the raw record has all",
}
"""What the codes of notes mean."""


def severity_reason(table: Mapping[Any, Severity], severity: str, words: Iterable[Any]) -> str:
    """The row of the tool's table that a word of the record was looked up in."""
    seen = []
    for word in words:
        plain = str(word).strip()
        for key in (word, plain, plain.lower(), *re.split(r"[\s,;|]+", plain)):
            if isinstance(key, str | int | float) and key in table and table[key].value == severity:
                return f"{key} in the tool's table"
        seen.append(str(word))
    return f"from {', '.join(seen)}" if seen else "nothing in the record says how severe it is"


def time_reason(value: Any, moment: str, tz: tzinfo) -> str:
    """The form of a time that reads as that moment; empty where the value is none."""
    for zone in (tz, UTC):  # some tools write UTC by definition, whatever is said of other times
        micros, note = parse_time(value, zone)
        if micros is None or rfc3339(from_micros(micros)) != moment:
            continue
        if note == "time_without_offset":
            return f"a time without a zone, taken as {zone}"
        try:
            number = abs(float(value))
        except (TypeError, ValueError):
            return "a time with its zone"
        return next(f"{unit} since 1970-01-01" for limit, unit in EPOCH_UNITS if number < limit)
    return ""
