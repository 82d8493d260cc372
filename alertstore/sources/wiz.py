"""Wiz: issues, detections (Wiz Defend), what its webhook posts, and the table of issues that the portal exports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import (
    TACTICS,
    as_dict,
    as_list,
    dig,
    dig_text,
    dig_texts,
    lifted,
    parse_time,
    severity_word,
    tactics,
    techniques,
    text,
)

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "none": Severity.INFORMATIONAL,  # severity of a detection and of an issue
    "informational": Severity.INFORMATIONAL,
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
# Detection, issue, webhook, table.
_TITLES = ("title", "sourceRule.name", "control.name", "Title")
_WORDS = ("severity", "issue.severity", "Severity")
_TIMES = ("timeframe.start", "createdAt", "issue.created", "Created At")
_DESCRIBES = (
    "sourceRule.controlDescription",
    "sourceRule.cloudEventRuleDescription",
    "sourceRule.cloudConfigurationRuleDescription",
    "sourceRule.description",
    "control.description",
)
_TOLD = ("description", "Description", *_DESCRIBES)
_RULES = ("tdrId", "sourceRule.id", "control.id", "Control ID")
_HELP = ("sourceRule.resolutionRecommendation", "Remediation Recommendation")
_PRODUCTS = ("tdrSource",)
_SUBCATEGORIES = "sourceRule.securitySubCategories[]"
_FRAMEWORK = "MITRE ATT&CK"
_ADDRESS = "triggeringEvents[].actorIP"
_ACTORS = ("actors", "triggeringEvents[].actor")
_ACTOR_TYPES = {"NETWORK_ADDRESS": "ip", "USER_ACCOUNT": "account", "SERVICE_ACCOUNT": "account"}
FIELDS = {
    "title": _TITLES,
    "severity": _WORDS,
    "occurred_at": _TIMES,
    "description": _TOLD,
    "indicators": [*(f"{where}.{name}" for where in _ACTORS for name in ("type", "name")), _ADDRESS],
    "rule": [*_RULES, *_TITLES, *_WORDS, "mitreTactics[]", "mitreTechniques[]", _SUBCATEGORIES, *_DESCRIBES, *_HELP, *_PRODUCTS],
}


class Wiz:
    """Issues and detections of Wiz."""

    name = "wiz"
    tool = "Wiz (issues, detections, webhooks, CSV)"
    signature = (
        "tdrId or threatId with triggeringEvents, sourceRule with entitySnapshot, issue with control, or the columns Issue ID and Wiz URL"
    )
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A detection or an issue, whatever its status."""
        if "triggeringEvents" in record:
            return "tdrId" in record or "threatId" in record
        if isinstance(record.get("sourceRule"), dict):
            return "entitySnapshot" in record
        if isinstance(record.get("issue"), dict):
            return isinstance(record.get("control"), dict)
        return "Issue ID" in record and "Wiz URL" in record

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The detection or the issue, also one that is resolved."""
        title = dig_text(record, _TITLES)
        if title is None:
            raise ValueError("neither a title nor the name of a rule")
        severity, notes = severity_word(dig_text(record, _WORDS), SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(dig_text(record, _TIMES), tz)
        return NewAlert(
            title=title.strip(),
            severity=severity,
            occurred_at=occurred_at,
            description=dig_text(record, _TOLD),
            indicators=_indicators(record),
            rule_id=dig_text(record, _RULES),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The rule of a detection, or the control behind an issue, with the ATT&CK objects it is filed under."""
        rule_id = dig_text(record, _RULES)
        if rule_id is None:
            return None
        listed, filed = dig_texts(record, ("mitreTechniques[]",)), _filed(record)
        whole, parts = techniques([*(one.rpartition("-")[2] for one in listed), *filed])  # TA0043-T1595
        told = [one for paths in (_DESCRIBES, _HELP) if (one := dig_text(record, paths))]
        return NewRule(
            name=(dig_text(record, _TITLES) or rule_id).strip(),
            source_rule_id=rule_id,
            source_name=self.name,
            severity=dig_text(record, _WORDS),
            mitre_tactics=[one for one in tactics([*dig_texts(record, ("mitreTactics[]",)), *filed]) if one in TACTICS],
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            documentation="\n".join(told) or None,
            data_sources=dig_texts(record, _PRODUCTS),
        )


def _filed(record: Record) -> list[str]:
    """The ids before the names of the ATT&CK objects among a control's categories (`T1190 Exploit Public-Facing Application`)."""
    found = []
    for entry in as_list(dig(record, _SUBCATEGORIES.removesuffix("[]"))):
        if isinstance(entry, dict) and (dig_text(entry, ("category.framework.name",)) or "").startswith(_FRAMEWORK):
            found += [one.partition(" ")[0] for one in dig_texts(entry, ("category.name", "title"))]
    return found


def _indicators(record: Record) -> list[tuple[str, str]]:
    """Who acted, and from where; what was acted upon is the house's own."""
    entries = as_list(record.get("actors")) + [as_dict(one).get("actor") for one in as_list(record.get("triggeringEvents"))]
    found = []
    for actor in entries:
        if isinstance(actor, dict):
            kind = _ACTOR_TYPES.get(text(actor.get("type")) or "")
            found += lifted(actor, ((kind, "name"),)) if kind else []
    return list(dict.fromkeys([*found, *lifted(record, (("ip", _ADDRESS),))]))


SOURCE = Wiz()
