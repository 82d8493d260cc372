"""OCSF: findings of any product in the Open Cybersecurity Schema Framework, as Security Hub, Security Lake or Prowler give them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import (
    TACTICS,
    as_list,
    dig,
    dig_text,
    dig_texts,
    hashes,
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
    "0": Severity.PENDING,  # severity_id, and its captions, which stand in severity
    "1": Severity.INFORMATIONAL,
    "2": Severity.LOW,
    "3": Severity.MEDIUM,
    "4": Severity.HIGH,
    "5": Severity.CRITICAL,
    "6": Severity.CRITICAL,
    "unknown": Severity.PENDING,
    "informational": Severity.INFORMATIONAL,
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
    "fatal": Severity.CRITICAL,
}
_OTHER = "99"  # a severity of the product's own, told in words
_FINDINGS = 2  # the category; 2001 is a Security Finding, 2004 a Detection Finding, and so on
_CLASSES = 1000  # of a category
_PASSED = frozenset({"pass", "passed"})
_STATUSES = ("status_code", "compliance.status", "compliance.status_code")
_TITLES = ("finding_info.title", "finding.title", "message", "type_name")
_TOLD = ("message", "status_detail", "finding_info.desc", "finding.desc")
# Milliseconds by the schema; some write seconds. The texts beside them often lack their zone, so they come last.
_TIMES = (
    "finding_info.first_seen_time",
    "finding.first_seen_time",
    "start_time",
    "time",
    "finding_info.created_time",
    "finding.created_time",
    "time_dt",
    "finding_info.created_time_dt",
    "event_time",
)
_RULES = (
    "finding_info.analytic.uid",
    "finding_info.analytic.name",
    "metadata.event_code",
    "compliance.control",
    "vulnerabilities[].cve.uid",
)
_RULE_NAMES = ("finding_info.analytic.name", "finding_info.title", "finding.title")
_TAGS = ("metadata.labels[]", "unmapped.categories[]")
_ATTACKS = ("finding_info.attacks[]", "attacks[]")
_TACTICS = ("tactic.uid", "tactic.name", "tactics[].uid", "tactics[].name")
_TECHNIQUES = ("technique.uid", "sub_technique.uid")
_ATTACK_LISTS = ("unmapped.compliance.MITRE-ATTACK[]",)
_HELP = ("finding_info.desc", "finding.desc", "risk_details", "remediation.desc", "remediation.references[]")
_PRODUCTS = ("metadata.product.name", "finding_info.data_sources[]")
_WHERE = ("", "evidences[].")
_EVENT = (
    ("ip", "src_endpoint.ip"),
    ("ip", "dst_endpoint.ip"),
    ("domain", "query.hostname"),
    ("url", "url.url_string"),
    ("account", "actor.user.name"),
    ("email", "actor.user.email_addr"),
    ("account", "user.name"),
    ("hash", "file.hashes[].value"),
    ("hash", "process.file.hashes[].value"),
)
_TYPED = tuple((kind, f"{where}{path}") for where in _WHERE for kind, path in _EVENT)
_OBSERVABLES = {  # type_id, and its captions where that is missing; hosts (1) are machines, not domains
    "2": "ip",
    "4": "account",
    "5": "email",
    "6": "url",
    "8": "hash",
    "ip address": "ip",
    "user name": "account",
    "email address": "email",
    "url string": "url",
    "hash": "hash",
    "file hash": "hash",
}
FIELDS = {
    "title": _TITLES,
    "severity": ("severity_id", "severity"),
    "occurred_at": _TIMES,
    "description": (*_TOLD, *_TITLES[:2]),
    "tags": _TAGS,
    "indicators": (*(f"observables[].{name}" for name in ("type_id", "type", "value")), *(path for _, path in _TYPED)),
    "rule": list(
        dict.fromkeys(
            [
                *(*_RULES, *_RULE_NAMES, "severity", "severity_id", *_HELP, *_PRODUCTS, *_ATTACK_LISTS),
                *(f"{where}.{path}" for where in _ATTACKS for path in (*_TACTICS, *_TECHNIQUES)),
            ]
        )
    ),
}


class Ocsf:
    """Findings in OCSF, whatever product they are of."""

    name = "ocsf"
    tool = "OCSF (findings of any product)"
    signature = "class_uid and category_uid, numbers that agree, and metadata"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """An event of any class."""
        kind, category = record.get("class_uid"), record.get("category_uid")
        if not isinstance(kind, int) or not isinstance(category, int) or not isinstance(record.get("metadata"), dict):
            return False
        return kind // _CLASSES == category > 0

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """A finding, or another event that says it is an alert; None for other events and for checks that were passed."""
        if record.get("category_uid") != _FINDINGS and record.get("is_alert") is not True:
            return None
        if any(one.lower() in _PASSED for one in dig_texts(record, _STATUSES)):
            return None
        title = dig_text(record, _TITLES)
        if title is None:
            raise ValueError("a finding without a title and a message")
        severity, notes = _severity(record)
        occurred_at, note = parse_time(_time(record), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=next((one for one in dig_texts(record, _TOLD) if one != title), None),
            tags=dig_texts(record, _TAGS),
            indicators=list(dict.fromkeys([*_observables(record), *lifted(record, _TYPED)])),
            rule_id=dig_text(record, _RULES),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The analytic, the check, or the vulnerability, with its ATT&CK objects."""
        rule_id = dig_text(record, _RULES)
        if rule_id is None:
            return None
        attacks = [one for path in _ATTACKS for one in as_list(dig(record, path.replace("[]", ""))) if isinstance(one, dict)]
        ids = [value for one in attacks for value in dig_texts(one, _TECHNIQUES)]
        whole, parts = techniques([*ids, *dig_texts(record, _ATTACK_LISTS)])
        named = tactics(value for one in attacks for value in dig_texts(one, _TACTICS))
        return NewRule(
            name=dig_text(record, _RULE_NAMES) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=text(record.get("severity")) or text(record.get("severity_id")),
            mitre_tactics=[one for one in named if one in TACTICS],
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            documentation="\n".join(dict.fromkeys(dig_texts(record, _HELP))) or None,
            data_sources=list(dict.fromkeys(dig_texts(record, _PRODUCTS))),
        )


def _severity(record: Record) -> tuple[Severity, tuple[str, ...]]:
    number = text(record.get("severity_id"))
    word = record.get("severity") if number is None or number == _OTHER else number
    return severity_word(word, SEVERITIES, Severity.PENDING)


def _time(record: Record) -> Any:
    """The first time that is told; a zero is none."""
    return next((value for path in _TIMES if (value := dig(record, path)) not in (None, "", 0)), None)


def _observables(record: Record) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for entry in as_list(record.get("observables")):
        if isinstance(entry, dict):
            told = text(entry.get("type_id")) or text(entry.get("type"))
            kind, value = _OBSERVABLES.get((told or "").lower()), text(entry.get("value"))
            if kind == "hash" and value is not None:  # `MD5:3172…`, or the digest alone
                found += hashes((value.rpartition(":")[2].strip(),))
            elif kind is not None:
                found += lifted(entry, ((kind, "value"),))
    return found


SOURCE = Ocsf()
