"""STIX 2.0 and 2.1: indicators and sightings, object by object, of bundles, TAXII envelopes or lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.stixpattern import comparisons, stix_type
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import TACTICS, as_dict, as_list, dig_text, dig_texts, parse_time, tactics, techniques, text, texts

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "malicious-activity": Severity.HIGH,  # indicator_types (in 2.0 among the labels): what a match would mean
    "compromised": Severity.HIGH,
    "attribution": Severity.MEDIUM,
    "anomalous-activity": Severity.LOW,
    "anonymization": Severity.LOW,
    "benign": Severity.INFORMATIONAL,
    "unknown": Severity.PENDING,
}
_UUID = 36  # characters after `indicator--`
_KINDS = ("indicator_types[]", "labels[]")
_INDICATOR_TIMES = ("valid_from", "created")
_SIGHTING_TIMES = ("first_seen", "last_seen", "created")
FIELDS = {
    "title": ["name", "pattern", "id", "sighting_of_ref"],
    "severity": _KINDS,
    "occurred_at": list(dict.fromkeys((*_INDICATOR_TIMES, *_SIGHTING_TIMES))),
    "description": ["description"],
    "tags": ["labels[]"],
    "indicators": ["pattern", "pattern_type"],
    "rule": [
        "id",
        "sighting_of_ref",
        "name",
        "pattern",
        *_KINDS,
        "description",
        "kill_chain_phases[].phase_name",
        "kill_chain_phases[].kill_chain_name",
        "external_references[].external_id",
    ],
}


class Stix:
    """Indicators and sightings in the language of threat intelligence."""

    name = "stix"
    tool = "STIX 2.0 and 2.1 (indicators, sightings)"
    signature = "an object whose id is its type, two dashes and a UUID; an alert where the type is indicator or sighting"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """Any object but a bundle, whose objects are the records."""
        kind, name = record.get("type"), record.get("id")
        if not isinstance(kind, str) or not isinstance(name, str) or kind == "bundle":
            return False
        return len(name) == len(kind) + 2 + _UUID and name.startswith(f"{kind}--")

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The indicator or sighting; None for other objects, and for an indicator that was revoked."""
        kind = record.get("type")
        if kind == "sighting":
            return _sighting(record, tz)
        if kind != "indicator" or record.get("revoked") is True:
            return None
        title = _title(record)
        if title is None:
            raise ValueError("an indicator without name, pattern and id")
        severity, notes = _severity(record)
        occurred_at, note = parse_time(dig_text(record, _INDICATOR_TIMES), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=text(record.get("description")),
            tags=[one for one in texts(record.get("labels")) if one.lower() not in SEVERITIES],
            indicators=_indicators(record),
            rule_id=text(record.get("id")),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The indicator, for it is what detects; a sighting tells no more of it than its id."""
        if record.get("type") == "sighting":
            seen = _seen(record)
            return None if seen is None else NewRule(name=seen, source_rule_id=seen, source_name=self.name)
        rule_id = text(record.get("id"))
        if record.get("type") != "indicator" or rule_id is None:
            return None
        phases = [as_dict(one) for one in as_list(record.get("kill_chain_phases"))]
        named = [one for phase in phases if phase.get("kill_chain_name") == "mitre-attack" for one in texts(phase.get("phase_name"))]
        whole, parts = techniques(dig_texts(record, ("external_references[].external_id",)))
        return NewRule(
            name=_title(record) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=dig_text(record, _KINDS),
            mitre_tactics=[one for one in tactics(named) if one in TACTICS],
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            documentation=text(record.get("description")),
        )


def _title(record: Record) -> str | None:
    return dig_text(record, ("name", "pattern", "id"))


def _sighting(record: Record, tz: tzinfo) -> NewAlert:
    """What was seen is another object; its id is all that a sighting says."""
    seen = text(record.get("sighting_of_ref"))
    if seen is None:
        raise ValueError("a sighting of nothing (no sighting_of_ref)")
    occurred_at, note = parse_time(dig_text(record, _SIGHTING_TIMES), tz)
    return NewAlert(
        title=f"Sighting of {seen}",
        occurred_at=occurred_at,
        description=text(record.get("description")),
        tags=texts(record.get("labels")),
        rule_id=_seen(record),
        notes=(note,) if note else (),
    )


def _seen(record: Record) -> str | None:
    """The id of the indicator that was seen; None where it was no indicator."""
    seen = text(record.get("sighting_of_ref"))
    return seen if seen is not None and seen.startswith("indicator--") else None


def _severity(record: Record) -> tuple[Severity, tuple[str, ...]]:
    """The worst of the types; labels of other vocabularies say nothing of it."""
    words = [one.lower() for one in texts(record.get("indicator_types"))]
    found = [SEVERITIES[word] for word in (words or [one.lower() for one in texts(record.get("labels"))]) if word in SEVERITIES]
    if not found:
        return Severity.PENDING, ("severity_unknown",) if words else ()
    return max(found, key=lambda severity: severity.rank), ()


def _indicators(record: Record) -> list[tuple[str, str]]:
    """The values of a pattern, where any one of them satisfies it."""
    pattern = record.get("pattern")
    if not isinstance(pattern, str) or record.get("pattern_type", "stix") != "stix":
        return []
    pairs = [(stix_type(path), value) for path, value in comparisons(pattern) or ()]
    return list(dict.fromkeys((str(kind), value) for kind, value in pairs if kind is not None))


SOURCE = Stix()
