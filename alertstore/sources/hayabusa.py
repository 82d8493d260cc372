"""Hayabusa: timelines of Windows event logs, as CSV and as JSON (concatenated objects, lines or an array)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.eventlog import digests
from alertstore.sources.values import hashes, parse_time, severity_word, tactics, techniques, text, texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "emergency": Severity.CRITICAL,  # Level, in full or as most profiles shorten it
    "emer": Severity.CRITICAL,
    "critical": Severity.CRITICAL,
    "crit": Severity.CRITICAL,
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "med": Severity.MEDIUM,
    "low": Severity.LOW,
    "informational": Severity.INFORMATIONAL,
    "info": Severity.INFORMATIONAL,
    "undefined": Severity.PENDING,
}
FIELDS = {
    "title": ("RuleTitle",),
    "severity": ("Level",),
    "occurred_at": ("Timestamp",),
    "description": ("Details",),
    "tags": ("OtherTags[]",),
    "indicators": ("Details", "ExtraFieldInfo", "AllFieldInfo"),
    "rule": ("RuleID", "RuleTitle", "Level", "MitreTactics[]", "MitreTags[]", "Channel"),
}
TACTICS = {
    "recon": "Reconnaissance",
    "resdev": "Resource Development",
    "initaccess": "Initial Access",
    "exec": "Execution",
    "persis": "Persistence",
    "privesc": "Privilege Escalation",
    "evas": "Defense Evasion",
    "stealth": "Defense Evasion",
    "credaccess": "Credential Access",
    "disc": "Discovery",
    "latmov": "Lateral Movement",
    "collect": "Collection",
    "c2": "Command and Control",
    "exfil": "Exfiltration",
    "impact": "Impact",
}
_FIELDS = {
    "srcip": "ip",
    "tgtip": "ip",
    "dstip": "ip",
    "user": "account",
    "srcuser": "account",
    "tgtuser": "account",
    "url": "url",
    "query": "domain",
    "hash": "hash",
    "hashes": "hash",
    "md5": "hash",
    "sha1": "hash",
    "sha256": "hash",
}
_NOTHING = frozenset({"", "-", "n/a", "::", "0.0.0.0", "localhost"})  # noqa: S104 - what logs write for "no address"
_JOINT = re.compile(r"[¦|]")


class Hayabusa:
    """Detections of the Windows event log analyser Hayabusa."""

    name = "hayabusa"
    tool = "Hayabusa (csv-timeline, json-timeline)"
    signature = "RuleTitle, Level, Computer and Channel, as columns or keys"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A row or an object of a timeline, of any profile."""
        return "RuleTitle" in record and "Level" in record and "Computer" in record and "Channel" in record

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The detection; the rule's title names it, what the event held describes it."""
        title = text(record.get("RuleTitle"))
        if title is None:
            raise ValueError("no RuleTitle")
        severity, notes = severity_word(record.get("Level"), SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(record.get("Timestamp"), tz)
        details = record.get("Details")
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=" ¦ ".join(f"{name}: {value}" for name, value in details.items()) if isinstance(details, dict) else text(details),
            tags=_joined(record.get("OtherTags")),
            indicators=_indicators(record),
            rule_id=_rule_id(record),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The Sigma or Hayabusa rule; the verbose profiles tell its ATT&CK tactics and techniques."""
        rule_id = _rule_id(record)
        if rule_id is None:
            return None
        whole, parts = techniques(_joined(record.get("MitreTags")))
        return NewRule(
            name=text(record.get("RuleTitle")) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=text(record.get("Level")),
            mitre_tactics=tactics(TACTICS.get(one.lower(), one) for one in _joined(record.get("MitreTactics"))),
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            data_sources=texts(record.get("Channel")),
        )


def _rule_id(record: Record) -> str | None:
    """The rule's UUID; the minimal profile has none, there the title stands for it."""
    return text(record.get("RuleID")) or text(record.get("RuleTitle"))


def _joined(value: Any) -> list[str]:
    return [part for one in texts(value) for part in (piece.strip() for piece in _JOINT.split(one)) if part and part != "-"]


def _indicators(record: Record) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for column in ("Details", "ExtraFieldInfo", "AllFieldInfo"):
        for name, value in _named(record.get(column)):
            kind = _FIELDS.get(name.lower())
            if kind == "hash":
                found += hashes(digests(value))
            elif kind is not None and value.strip().lower() not in _NOTHING:
                found.append((kind, value.strip()))
    return list(dict.fromkeys(found))


def _named(value: Any) -> Iterator[tuple[str, str]]:
    """Names and texts of a details object, or of a cell of `Name: value ¦ Name: value`."""
    if isinstance(value, dict):
        for name, inner in value.items():
            for one in texts(inner):
                yield name, one
    else:
        for part in (text(value) or "").split("¦"):
            name, colon, rest = part.partition(": ")
            if colon:
                yield name.strip(), rest.strip()


SOURCE = Hayabusa()
