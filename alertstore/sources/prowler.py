"""Prowler: its own output of every version (JSON of 2 and 3, CSV of 2 to 5); its OCSF output is `ocsf`'s, its ASFF output Security Hub's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import as_dict, dig_text, dig_texts, first, lifted, parse_time, severity_word, techniques, text, texts

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "critical": Severity.CRITICAL,  # the severity of the check
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "informational": Severity.INFORMATIONAL,
    "info": Severity.INFORMATIONAL,
}
# The names of JSON 3, CSV 3 to 5, JSON 2, CSV 2, in that order where they differ.
_TITLES = ("CheckTitle", "CHECK_TITLE", "Control", "TITLE_TEXT", "CheckID", "CHECK_ID")
_SEVERITIES = ("Severity", "SEVERITY", "CHECK_SEVERITY")
_STATUSES = ("Status", "STATUS", "CHECK_RESULT")
_TIMES = ("AssessmentStartTime", "TIMESTAMP", "ASSESSMENT_START_TIME", "Timestamp", "PROWLER_START_TIME")
_TOLD = ("StatusExtended", "STATUS_EXTENDED", "Message", "CHECK_RESULT_EXTENDED")
_RULES = ("CheckID", "CHECK_ID")
_CONTROLS = ("Control", "TITLE_TEXT")  # `[check11] Avoid the use of the root account`
_NUMBERS = ("Control ID", "TITLE_ID")
_RISKS = ("Risk", "RISK", "CHECK_RISK")
_HELP = ("Remediation.Recommendation.Text", "REMEDIATION_RECOMMENDATION_TEXT", "Remediation", "CHECK_REMEDIATION")
_CATEGORIES = ("Categories", "CATEGORIES")
_ATTACK = "MITRE-ATTACK"  # the framework whose items are techniques
_USER = "AwsIamUser"
_KINDS = ("ResourceType", "RESOURCE_TYPE", "CHECK_ASFF_RESOURCE_TYPE")
_USERS = (("account", "ResourceId"), ("account", "RESOURCE_NAME"), ("account", "CHECK_RESOURCE_ID"))
_MUTED = "MUTED"
FIELDS = {
    "title": _TITLES,
    "severity": _SEVERITIES,
    "occurred_at": _TIMES,
    "description": _TOLD,
    "tags": (*_CATEGORIES, _MUTED),
    "indicators": (*_KINDS, *(path for _, path in _USERS)),
    "rule": list(dict.fromkeys([*_RULES, *_CONTROLS, *_NUMBERS, *_TITLES, *_SEVERITIES, *_RISKS, *_HELP, "Compliance", "COMPLIANCE"])),
}


class Prowler:
    """Checks of clouds by Prowler."""

    name = "prowler"
    tool = "Prowler (JSON of 2 and 3, CSV of 2 to 5)"
    signature = "CheckID and FindingUniqueId, CHECK_ID and STATUS_EXTENDED, Control ID and Message, or TITLE_ID and CHECK_RESULT"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """The result of a check, whatever it is."""
        return (
            ("CheckID" in record and "FindingUniqueId" in record)
            or ("CHECK_ID" in record and "STATUS_EXTENDED" in record)
            or ("Control ID" in record and "Control" in record and "Message" in record)
            or ("TITLE_ID" in record and "CHECK_RESULT" in record)
        )

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The result of a check that failed, or that a person has to look at; None where it passed.

        Its time is that of the scan, told by the scanner's own clock.
        """
        if (first(record, _STATUSES) or "").lower() == "pass":
            return None
        title = _title(record)
        if title is None:
            raise ValueError("a check without a title and an id")
        severity, notes = severity_word(first(record, _SEVERITIES), SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(first(record, _TIMES), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=first(record, _TOLD),
            tags=_tags(record),
            indicators=lifted(record, _USERS) if first(record, _KINDS) == _USER else (),
            rule_id=_rule_id(record),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The check, with what it warns of, what helps, and the techniques that it stands for."""
        rule_id = _rule_id(record)
        if rule_id is None:
            return None
        whole, parts = techniques(_attack(record))
        told = [one for paths in (_RISKS, _HELP) if (one := dig_text(record, paths))]
        return NewRule(
            name=_title(record) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=first(record, _SEVERITIES),
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            documentation="\n".join(told) or None,
        )


def _control(record: Record) -> tuple[str | None, str | None]:
    """The check's name out of the brackets that version 2 puts before its title, and the title."""
    told = first(record, _CONTROLS)
    if told is None or not told.startswith("["):
        return None, told
    name, _, title = told[1:].partition("]")
    return name.strip() or None, title.strip() or told


def _title(record: Record) -> str | None:
    return first(record, _TITLES[:2]) or _control(record)[1] or first(record, _TITLES)


def _rule_id(record: Record) -> str | None:
    return first(record, _RULES) or _control(record)[0] or first(record, _NUMBERS)


def _parted(value: Any) -> list[str]:
    return [part for one in texts(value) for part in (piece.strip() for piece in one.replace(",", "|").split("|")) if part]


def _tags(record: Record) -> list[str]:
    muted = ["muted"] if (text(record.get(_MUTED)) or "").lower() == "true" else []
    return [part for name in _CATEGORIES for part in _parted(record.get(name))] + muted


def _attack(record: Record) -> list[str]:
    """The techniques among the frameworks, an object in JSON, `Framework: items | Framework: items` in a table."""
    listed = dig_texts(as_dict(record.get("Compliance")), (_ATTACK,))
    for part in (text(record.get("COMPLIANCE")) or "").split("|"):
        framework, _, items = part.partition(":")
        if framework.strip() == _ATTACK:
            listed += _parted(items)
    return listed


SOURCE = Prowler()
