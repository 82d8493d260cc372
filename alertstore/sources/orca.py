"""Orca Security: alerts as the portal exports them (JSON, CSV), as webhooks and the API of alerts give them, and as its query API does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import (
    TACTICS,
    dig_text,
    dig_texts,
    json_text,
    lifted,
    parse_time,
    severity_number,
    severity_word,
    tactics,
    techniques,
)

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "informational": Severity.INFORMATIONAL,  # the risk level
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
# The score, from 0 to 10, where the level is not told; its bands begin here.
_BANDS = {9: Severity.CRITICAL, 7: Severity.HIGH, 4: Severity.MEDIUM, 1: Severity.LOW, 0: Severity.INFORMATIONAL}
# The API and webhooks, the export, the query API, in that order where they differ.
_TITLES = ("data.title", "type_string", "Title", "data.Title.value", "AlertType", "data.AlertType.value")
_LEVELS = ("state.risk_level", "RiskLevel", "data.RiskLevel.value")
_SCORES = ("state.orca_score", "OrcaScore", "data.OrcaScore.value")
_TIMES = ("state.created_at", "CreatedAt", "data.CreatedAt.value")
_TOLD = ("details", "Details", "data.Details.value", "description", "Description")
_RULES = ("rule_id", "RuleId", "data.RuleId.value")
_TYPES = ("AlertType", "data.AlertType.value", "type", *_TITLES[:3])
_LABELS = ("alert_labels[]", "Labels[]", "data.Labels.value[]")
_MITRE = "mitre:"  # the label that names a tactic
_TACTICS = ("data.mitre_category",)
_TECHNIQUES = ("data.mitre_techniques[]", "data.mitre_technique[]")
_HELP = ("recommendation", "Recommendation", "data.recommendation", "data.Recommendation.value")
_PRODUCTS = ("alert_source", "RuleSource", "data.RuleSource.value")
_TYPED = (("ip", "asset_first_private_ips[]"), ("ip", "asset_first_public_ips[]"))
FIELDS = {
    "title": _TITLES,
    "severity": (*_LEVELS, *_SCORES),
    "occurred_at": _TIMES,
    "description": _TOLD,
    "tags": _LABELS,
    "indicators": [path for _, path in _TYPED],
    "rule": list(dict.fromkeys([*_RULES, *_TYPES, *_TITLES, *_LEVELS, *_SCORES, *_LABELS, *_TACTICS, *_TECHNIQUES, *_HELP, *_PRODUCTS])),
}


class Orca:
    """Alerts of Orca Security."""

    name = "orca"
    tool = "Orca Security (alerts)"
    signature = "Title and OrcaScore; a state with alert_id and type_string; or type Alert with data.OrcaScore or data.AlertId"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """An alert, open or closed."""
        state, data = record.get("state"), record.get("data")
        if isinstance(state, dict) and "alert_id" in state:
            return "type_string" in record or "asset_unique_id" in record
        if record.get("type") == "Alert" and isinstance(data, dict):
            return isinstance(data.get("OrcaScore"), dict) or isinstance(data.get("AlertId"), dict)
        return "OrcaScore" in record and ("Title" in record or "AlertType" in record)

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The alert."""
        title = dig_text(record, _TITLES)
        if title is None:
            raise ValueError("an alert without a title and a type")
        severity, notes = _severity(record)
        occurred_at, note = parse_time(dig_text(record, _TIMES), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=dig_text(record, _TOLD),
            tags=[one for one in _labels(record) if not one.startswith(_MITRE)],
            indicators=lifted(record, _TYPED),
            rule_id=_rule_id(record),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The rule, with its ATT&CK objects and what Orca recommends."""
        rule_id = _rule_id(record)
        if rule_id is None:
            return None
        named = [one[len(_MITRE) :].strip() for one in _labels(record) if one.startswith(_MITRE)] + dig_texts(record, _TACTICS)
        whole, parts = techniques(_in_brackets(one) for one in dig_texts(record, _TECHNIQUES))
        return NewRule(
            name=dig_text(record, _TITLES) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=dig_text(record, _LEVELS) or dig_text(record, _SCORES),
            mitre_tactics=[one for one in tactics(named) if one in TACTICS],
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            documentation=dig_text(record, _HELP),
            data_sources=dig_texts(record, _PRODUCTS)[:1],
        )


def _rule_id(record: Record) -> str | None:
    """The rule's id, else the type of alert."""
    return dig_text(record, _RULES) or dig_text(record, _TYPES)


def _severity(record: Record) -> tuple[Severity, tuple[str, ...]]:
    word = dig_text(record, _LEVELS)
    if word is not None:
        return severity_word(word, SEVERITIES, Severity.PENDING)
    return severity_number(dig_text(record, _SCORES), _BANDS, Severity.PENDING)


def _labels(record: Record) -> list[str]:
    """The labels; a table holds them as JSON text."""
    found = dig_texts(record, _LABELS)
    listed = json_text(found[0]) if len(found) == 1 and found[0].startswith("[") else None
    return dig_texts({"labels": listed}, ("labels",)) if isinstance(listed, list) else found


def _in_brackets(told: str) -> str:
    """The id at the end of `Transfer Data to Cloud Account (T1537)`."""
    return told.rpartition("(")[2].rstrip(") ")


SOURCE = Orca()
