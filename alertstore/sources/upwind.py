"""Upwind: detections of its cloud workload protection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import TACTICS, dig_text, dig_texts, lifted, parse_time, severity_word, tactics, techniques, text

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "info": Severity.INFORMATIONAL,  # severity
    "informational": Severity.INFORMATIONAL,
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
_TIMES = ("first_seen_time", "triggers[].events[].timestamp", "last_seen_time")
_RULES = ("triggers[].policy_id", "title")
_NAMES = ("triggers[].policy_name", "title")
_TAGS = ("resource.risk_categories[]",)
_TACTICS = ("mitre_attacks[].tactic_id", "mitre_attacks[].tactic_name")
_TECHNIQUES = ("mitre_attacks[].technique_id",)
_TYPED = (
    ("account", "triggers[].events[].data.user_name"),
    ("account", "triggers[].events[].initiator.userName"),
)
FIELDS = {
    "title": ("title",),
    "severity": ("severity",),
    "occurred_at": _TIMES,
    "description": ("description",),
    "tags": _TAGS,
    "indicators": [path for _, path in _TYPED],
    "rule": (*_RULES, _NAMES[0], "severity", *_TACTICS, *_TECHNIQUES, "category"),
}


class Upwind:
    """Detections of Upwind."""

    name = "upwind"
    tool = "Upwind (detections)"
    signature = "first_seen_time with triggers and mitre_attacks, or with upwind_console_link"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A detection, open or closed."""
        if "first_seen_time" not in record:
            return False
        return "upwind_console_link" in record or ("triggers" in record and "mitre_attacks" in record)

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The detection. It happened when it was first seen: it is told again while it lasts."""
        title = text(record.get("title"))
        if title is None:
            raise ValueError("a detection without a title")
        severity, notes = severity_word(record.get("severity"), SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(dig_text(record, _TIMES), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=text(record.get("description")),
            tags=dig_texts(record, _TAGS),
            indicators=lifted(record, _TYPED),
            rule_id=dig_text(record, _RULES),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The policy that was triggered, else what the detection is called, with its ATT&CK objects."""
        rule_id = dig_text(record, _RULES)
        if rule_id is None:
            return None
        whole, parts = techniques(dig_texts(record, _TECHNIQUES))
        return NewRule(
            name=dig_text(record, _NAMES) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=text(record.get("severity")),
            mitre_tactics=[one for one in tactics(dig_texts(record, _TACTICS)) if one in TACTICS],
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            data_sources=dig_texts(record, ("category",)),
        )


SOURCE = Upwind()
