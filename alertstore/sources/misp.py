"""MISP: events with their attributes, objects, tags and galaxies, wrapped (`{"Event": …}`) or bare."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import as_dict, as_list, dig_text, dig_texts, parse_time, severity_word, techniques, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "1": Severity.HIGH,  # threat_level_id: high, medium, low, undefined
    "2": Severity.MEDIUM,
    "3": Severity.LOW,
    "4": Severity.PENDING,
}
MOST_INDICATORS = 1000
"""Of one event; more are noted (`indicators_cut`), and the record has them all."""
# The parts of an attribute's value by its type; None for a part that is no indicator. A digest's type is told by its length.
_TYPED: dict[str, tuple[str | None, ...]] = {
    "ip-src": ("ip",),
    "ip-dst": ("ip",),
    "ip-src|port": ("ip", None),
    "ip-dst|port": ("ip", None),
    "domain": ("domain",),
    "domain|ip": ("domain", "ip"),
    "hostname": ("domain",),
    "hostname|port": ("domain", None),
    "url": ("url",),
    "email": ("email",),
    "email-src": ("email",),
    "email-dst": ("email",),
    "email-reply-to": ("email",),
    "target-email": ("email",),
    "whois-registrant-email": ("email",),
    "target-user": ("account",),
    "md5": ("hash_md5",),
    "sha1": ("hash_sha1",),
    "sha256": ("hash_sha256",),
    "filename|md5": (None, "hash_md5"),
    "filename|sha1": (None, "hash_sha1"),
    "filename|sha256": (None, "hash_sha256"),
    "malware-sample": (None, "hash_md5"),
}
_BARE = ("info", "threat_level_id", "analysis", "date")
_ATTACK = "misp-galaxy:mitre-attack-pattern="
_TIMES = ("date", "timestamp", "publish_timestamp")
_TAGS = ("Tag[].name", "EventTag[].Tag.name")
_CLUSTERS = "Galaxy[].GalaxyCluster[].meta.external_id[]"
_TOLD = ("EventReport[].content",)
_READ = ("type", "value", "to_ids", "deleted")


def _both(*paths: str) -> list[str]:
    return [f"{wrapper}{path}" for wrapper in ("Event.", "") for path in paths]


FIELDS = {
    "title": _both("info"),
    "severity": _both("threat_level_id"),
    "occurred_at": _both(*_TIMES),
    "description": _both(*_TOLD),
    "tags": _both(*_TAGS),
    "indicators": _both(*(f"{where}Attribute[].{name}" for where in ("", "Object[].") for name in _READ)),
    "rule": _both("uuid", "info", "threat_level_id", *_TAGS, _CLUSTERS),
}


class Misp:
    """Events of the threat sharing platform MISP."""

    name = "misp"
    tool = "MISP (events)"
    signature = "an Event object with info; or info, threat_level_id, analysis and date"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """An event, also one of an index, which has no attributes."""
        event = record.get("Event")
        if isinstance(event, dict):
            return "info" in event and ("threat_level_id" in event or "uuid" in event)
        return all(name in record for name in _BARE)

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The event as one alert; its indicators are the attributes that MISP holds fit for detection (`to_ids`)."""
        event = _event(record)
        title = text(event.get("info"))
        if title is None:
            raise ValueError("an event without info")
        severity, notes = severity_word(event.get("threat_level_id"), SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(dig_text(event, _TIMES), tz)
        found = list(islice(dict.fromkeys(_indicators(event)), MOST_INDICATORS + 1))
        if len(found) > MOST_INDICATORS:
            notes = (*notes, "indicators_cut")
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=dig_text(event, _TOLD),
            tags=[tag for tag in dict.fromkeys(dig_texts(event, _TAGS)) if not tag.startswith(_ATTACK)],
            indicators=found[:MOST_INDICATORS],
            rule_id=text(event.get("uuid")),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The event itself, for its attributes are what detects, with the ATT&CK techniques among its galaxies."""
        event = _event(record)
        rule_id = text(event.get("uuid"))
        if rule_id is None:
            return None
        # misp-galaxy:mitre-attack-pattern="Phishing - T1566"
        tagged = [tag.rstrip('"').rpartition(" - ")[2] for tag in dig_texts(event, _TAGS) if tag.startswith(_ATTACK)]
        whole, parts = techniques([*tagged, *dig_texts(event, (_CLUSTERS,))])
        return NewRule(
            name=text(event.get("info")) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=text(event.get("threat_level_id")),
            mitre_techniques=whole,
            mitre_subtechniques=parts,
        )


def _event(record: Record) -> Record:
    inner = record.get("Event")
    return inner if isinstance(inner, dict) else record


def _indicators(event: Record) -> Iterator[tuple[str, str]]:
    for holder in (event, *(as_dict(one) for one in as_list(event.get("Object")))):
        for entry in as_list(holder.get("Attribute")):
            if isinstance(entry, dict) and _flag(entry.get("to_ids", True)) and not _flag(entry.get("deleted")):
                yield from _parts(entry)


def _flag(value: Any) -> bool:
    """A boolean, which some exports write as a number or as text."""
    return value is True or text(value) in {"1", "true", "True"}


def _parts(entry: dict[str, Any]) -> Iterator[tuple[str, str]]:
    kinds, value = _TYPED.get(text(entry.get("type")) or ""), text(entry.get("value"))
    if kinds is None or value is None:
        return
    # A file's name may hold the bar itself, an address and a name cannot.
    parts = value.rsplit("|", len(kinds) - 1) if len(kinds) > 1 else [value]
    for kind, part in zip(kinds, parts, strict=False):
        if kind is not None and part.strip():
            yield kind, part.strip()


SOURCE = Misp()
