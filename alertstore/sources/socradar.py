"""SOCRadar: alarms of the incident API (brand, dark web, attack surface, credentials)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import dig_text, dig_texts, parse_time, severity_word, text, texts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "info": Severity.INFORMATIONAL,  # alarm_risk_level
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
_MAIN, _SUB = "alarm_type_details.alarm_main_type", "alarm_type_details.alarm_sub_type"
_TYPES = (_SUB, _MAIN)
_RATED = "alarm_type_details.alarm_default_risk_level"
_PLAN = "alarm_type_details.alarm_default_mitigation_plan"
_ANALYSIS = "alarm_type_details.alarm_detection_and_analysis"
_TYPED = (
    ("ip", "content.compromised_ips"),  # one, a list, or several joined by commas
    ("domain", "content.compromised_domains"),
    ("url", "content.content_link"),
    ("email", "content.compromised_emails"),
    ("account", "content.username"),
)
FIELDS = {
    "title": _TYPES,
    "severity": ["alarm_risk_level"],
    "occurred_at": ["date"],
    "description": ["alarm_text"],
    "tags": ["tags[]"],
    "indicators": [path for _, path in _TYPED],
    "rule": [*_TYPES, _RATED, _ANALYSIS, _PLAN],
}


class SocRadar:
    """Alarms of SOCRadar."""

    name = "socradar"
    tool = "SOCRadar (alarms)"
    signature = "alarm_id, alarm_risk_level and an alarm_type_details object"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """An alarm."""
        return "alarm_id" in record and "alarm_risk_level" in record and isinstance(record.get("alarm_type_details"), dict)

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The alarm: its type names it, its text tells of the case."""
        title = dig_text(record, _TYPES)
        if title is None:
            raise ValueError("an alarm without a type")
        severity, notes = severity_word(record.get("alarm_risk_level"), SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(record.get("date"), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=text(record.get("alarm_text")),
            tags=texts(record.get("tags")),
            indicators=list(dict.fromkeys(_indicators(record))),
            rule_id=title,
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The type of alarm, with the plan that SOCRadar has for it."""
        rule_id = dig_text(record, _TYPES)
        if rule_id is None:
            return None
        return NewRule(
            name=rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=dig_text(record, (_RATED,)),
            documentation="\n".join(dig_texts(record, (_ANALYSIS, _PLAN))) or None,
        )


def _indicators(record: Record) -> Iterator[tuple[str, str]]:
    for kind, path in _TYPED:
        for value in dig_texts(record, (path,)):
            # Only a link may hold a comma of its own.
            for part in (value,) if kind == "url" else value.split(","):
                if part.strip():
                    yield kind, part.strip()


SOURCE = SocRadar()
