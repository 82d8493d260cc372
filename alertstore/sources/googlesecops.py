"""Google SecOps (Chronicle): detections of rules and alerts, as its APIs give them, with the events (UDM) they rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import (
    TACTICS,
    as_dict,
    as_list,
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
    "informational": Severity.INFORMATIONAL,  # the severity of the detection, else what the rule says in its labels, or the case
    "info": Severity.INFORMATIONAL,
    "none": Severity.INFORMATIONAL,
    "error": Severity.INFORMATIONAL,
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
    "unknown_severity": Severity.PENDING,
}
_TITLES = ("detection[].ruleName", "detection[].ruleSetDisplayName", "detection[].summary")
_RULES = ("detection[].ruleId", "detection[].ruleSet", "detection[].ruleName")
_TIMES = ("detectionTime", "timeWindow.endTime", "timeWindow.startTime", "createdTime")
_TOLD = ("detection[].description", "detection[].summary")
_WORDS = ("detection[].severity",)
_CASE = ("feedbackSummary.severityDisplay",)
_LABELS = "detection[].ruleLabels[]"
_TACTIC_LABELS = frozenset({"tactic", "tactics", "mitre_attack_tactic", "mitre_tactic"})
_TECHNIQUE_LABELS = frozenset({"technique", "techniques", "mitre_attack_technique_id", "mitre_attack_technique", "mitre_technique"})
_URL_LABEL = "mitre_attack_url"  # …/techniques/T1078/004/
_HELP = ("description", "false_positives", "reference", "references")
_EVENT = "collectionElements[].references[].event"
_PRODUCT = f"{_EVENT}.metadata.productName"
_NOUNS = ("principal", "src", "target", "observer", "intermediary")
_OF_NOUNS = (
    ("ip", "ip"),
    ("url", "url"),
    ("domain", "domain.name"),
    ("account", "user.userid"),
    ("email", "user.emailAddresses"),
    ("hash", "file.sha256"),
    ("hash", "file.sha1"),
    ("hash", "file.md5"),
    ("hash", "process.file.sha256"),
    ("hash", "process.file.sha1"),
    ("hash", "process.file.md5"),
)
_OF_NETWORK = (("domain", "dns.questions[].name"), ("email", "email.from"), ("email", "email.to[]"))
_PARTS = {**dict.fromkeys(_NOUNS, _OF_NOUNS), "network": _OF_NETWORK}
FIELDS = {
    "title": _TITLES,
    "severity": (*_WORDS, f"{_LABELS}.key", f"{_LABELS}.value", *_CASE),
    "occurred_at": _TIMES,
    "description": (*_TOLD, f"{_LABELS}.key", f"{_LABELS}.value"),
    "tags": ("tags[]",),
    "indicators": [f"{_EVENT}.{part}.{path}" for part, fields in _PARTS.items() for _, path in fields],
    "rule": [*_RULES, "detection[].ruleSetDisplayName", *_WORDS, *_TOLD, f"{_LABELS}.key", f"{_LABELS}.value", *_CASE, _PRODUCT],
}


class GoogleSecOps:
    """Detections and alerts of Google SecOps."""

    name = "googlesecops"
    tool = "Google SecOps, once Chronicle (detections and alerts)"
    signature = "a detection list whose first item names a rule, with the time of the detection or the events it rests on"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A detection, alerting or not."""
        told = record.get("detection")
        if not isinstance(told, list) or not told or not isinstance(told[0], dict):
            return False
        named = any(name in told[0] for name in ("ruleName", "ruleId", "ruleSet", "ruleSetDisplayName"))
        return named and any(name in record for name in ("detectionTime", "createdTime", "timeWindow", "collectionElements"))

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The detection, also one that its rule does not raise to an alert."""
        title = dig_text(record, _TITLES)
        if title is None:
            raise ValueError("a detection without the name of its rule")
        labels = _labels(record)
        severity, notes = severity_word(_word(record, labels), SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(dig_text(record, _TIMES), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=dig_text(record, _TOLD) or _labelled(labels, "description"),
            tags=dig_texts(record, ("tags[]",)),
            indicators=_indicators(record),
            rule_id=dig_text(record, _RULES),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The rule, with the ATT&CK objects and the words of its labels, which are what its author wrote."""
        rule_id = dig_text(record, _RULES)
        if rule_id is None:
            return None
        labels = _labels(record)
        ids = [part for key, value in labels if key in _TECHNIQUE_LABELS for part in value.replace(",", " ").split()]
        ids += [_of_url(value) for key, value in labels if key == _URL_LABEL]
        whole, parts = techniques(ids)
        named = tactics(part.strip() for key, value in labels if key in _TACTIC_LABELS for part in value.split(","))
        return NewRule(
            name=dig_text(record, _TITLES[:2]) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=_word(record, labels),
            mitre_tactics=[one for one in named if one in TACTICS],
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            documentation="\n".join(value for key, value in labels if key in _HELP) or None,
            data_sources=list(dict.fromkeys(dig_texts(record, (_PRODUCT,)))),
        )


def _labels(record: Record) -> list[tuple[str, str]]:
    """What stands in the rule's `meta` section: names in small letters, and values."""
    detections: list[Any] = as_list(record.get("detection"))
    found = [one for told in detections for one in as_list(as_dict(told).get("ruleLabels")) if isinstance(one, dict)]
    pairs = ((text(one.get("key")), text(one.get("value"))) for one in found)
    return [(key.lower(), value) for key, value in pairs if key and value]


def _labelled(labels: list[tuple[str, str]], name: str) -> str | None:
    return next((value for key, value in labels if key == name), None)


def _word(record: Record, labels: list[tuple[str, str]]) -> str | None:
    return dig_text(record, _WORDS) or _labelled(labels, "severity") or dig_text(record, _CASE)


def _indicators(record: Record) -> list[tuple[str, str]]:
    """Of every event under the detection, what its nouns (who did what to whom) and its network part hold."""
    found: list[tuple[str, str]] = []
    for element in as_list(record.get("collectionElements")):
        for reference in as_list(as_dict(element).get("references")):
            event = as_dict(as_dict(reference).get("event"))
            for part, inner in event.items():
                fields = _PARTS.get(part)
                if fields is not None and isinstance(inner, dict):
                    found += lifted(inner, fields)
    return list(dict.fromkeys(found))


def _of_url(url: str) -> str:
    """The technique of an address of ATT&CK's site."""
    return url.partition("/techniques/")[2].strip("/").replace("/", ".")


SOURCE = GoogleSecOps()
