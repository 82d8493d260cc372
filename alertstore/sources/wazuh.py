"""Wazuh: `alerts.json` and `archives.json` of the manager, also as hits of its index, and hits of the vulnerability index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.eventlog import EVENT_FIELDS, add_indicators, declared
from alertstore.sources.values import as_dict, dig, parse_time, severity_word, tactics, techniques, text, texts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "0": Severity.INFORMATIONAL,  # rule.level, in the groups that Wazuh's own dashboard makes of the levels from 4 on
    "1": Severity.INFORMATIONAL,
    "2": Severity.INFORMATIONAL,  # notifications of the system
    "3": Severity.INFORMATIONAL,  # what succeeded and was allowed
    "4": Severity.LOW,  # errors of the system
    "5": Severity.LOW,  # errors of users
    "6": Severity.LOW,  # attacks of little relevance
    "7": Severity.MEDIUM,  # bad words
    "8": Severity.MEDIUM,  # seen for the first time
    "9": Severity.MEDIUM,  # invalid sources
    "10": Severity.MEDIUM,  # many errors of users
    "11": Severity.MEDIUM,  # changes of files that matter
    "12": Severity.HIGH,  # important events
    "13": Severity.HIGH,  # unusual errors
    "14": Severity.HIGH,  # important, mostly correlated
    "15": Severity.CRITICAL,  # attacks
    "16": Severity.CRITICAL,  # the end of the scale, which no rule of Wazuh's own uses
    "critical": Severity.CRITICAL,  # vulnerability.severity
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "none": Severity.INFORMATIONAL,
    "untriaged": Severity.PENDING,
    "-": Severity.PENDING,
}
_LEVEL_IGNORED = "0"
_DATA = {
    "srcip": "ip",  # as Wazuh's decoders name what they find
    "dstip": "ip",
    "srcuser": "account",
    "dstuser": "account",
    "url": "url",
    "src_ip": "ip",  # of Suricata's records, which Wazuh keeps as they are
    "dest_ip": "ip",
}
_CLOUD = {"sourceIPAddress": "ip", "ClientIP": "ip", "UserId": "account"}  # CloudTrail's and Office 365's own names
_WINDOWS = {f"{name[0].lower()}{name[1:]}": kind for name, kind in EVENT_FIELDS.items()}
_FILES = {"md5_after": "hash", "sha1_after": "hash", "sha256_after": "hash"}  # what a file has become
_SCANNED = {"md5": "hash", "sha1": "hash"}
_AGENT = {"ip": "ip"}
_PLACES = (
    ("data", _DATA),
    ("data.aws", _CLOUD),
    ("data.office365", _CLOUD),
    ("data.win.eventdata", _WINDOWS),
    ("data.virustotal.source", _SCANNED),
    ("syscheck", _FILES),
    ("agent", _AGENT),
)
# When it happened; the manager's own time is when it was told.
_TIMES = ("data.win.system.systemTime", "data.timestamp", "timestamp", "@timestamp")
_TOLD = ("full_log", "data.win.system.message")


def _also_in_hits(*names: str) -> list[str]:
    return [f"{place}{name}" for place in ("", "_source.") for name in names]


FIELDS = {
    "title": _also_in_hits("rule.description", "vulnerability.id", "package.name", "agent.name"),
    "severity": _also_in_hits("rule.level", "vulnerability.severity"),
    "occurred_at": _also_in_hits(*_TIMES, "vulnerability.detected_at"),
    "description": _also_in_hits(*_TOLD, "vulnerability.description", "package.version"),
    "tags": _also_in_hits("rule.groups[]"),
    "indicators": _also_in_hits(*(path for place, names in _PLACES for path in declared(place, names))),
    "rule": _also_in_hits(
        *("rule.id", "rule.description", "rule.level", "rule.mitre.id[]", "rule.mitre.tactic[]", "decoder.name"),
        *("vulnerability.id", "vulnerability.severity", "vulnerability.description", "vulnerability.reference"),
    ),
}


class Wazuh:
    """Alerts of the security platform Wazuh, and the vulnerabilities that it found."""

    name = "wazuh"
    tool = "Wazuh (alerts.json, archives.json, index documents)"
    signature = "a rule object with id and level beside agent or manager; or vulnerability, package and agent objects; also under _source"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """An alert, an event of the archives, or a vulnerability."""
        body = _body(record)
        if type(body.get("agent")) is not dict:
            return type(body.get("manager")) is dict and _has_rule(body)
        return _has_rule(body) or _is_vulnerability(body) or (type(body.get("manager")) is dict and "location" in body)

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The alert; None for an event of the archives without a rule, or with one that ignores it (level 0)."""
        body = _body(record)
        if _is_vulnerability(body):
            return _vulnerability(body, tz)
        rule = as_dict(body.get("rule"))
        level = text(rule.get("level"))
        if level is None or level == _LEVEL_IGNORED:
            return None
        title = text(rule.get("description"))
        if title is None:
            raise ValueError("no rule.description")
        severity, notes = severity_word(level, SEVERITIES, Severity.PENDING)
        occurred_at, note = _when(body, tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=next((found for path in _TOLD if (found := text(dig(body, path))) is not None), None),
            tags=texts(rule.get("groups")),
            indicators=_indicators(body),
            rule_id=text(rule.get("id")),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The rule with its ATT&CK ids; of a vulnerability its number, which is what many machines have in common."""
        body = _body(record)
        if _is_vulnerability(body):
            return _vulnerability_rule(body)
        rule = as_dict(body.get("rule"))
        rule_id = text(rule.get("id"))
        if rule_id is None:
            return None
        mitre = as_dict(rule.get("mitre"))
        whole, parts = techniques(texts(mitre.get("id")))
        return NewRule(
            name=text(rule.get("description")) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=text(rule.get("level")),
            mitre_tactics=tactics(texts(mitre.get("tactic"))),
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            data_sources=texts(as_dict(body.get("decoder")).get("name")),
        )


def _body(record: Record) -> Mapping[str, Any]:
    inner = record.get("_source")
    return inner if isinstance(inner, dict) else record


def _has_rule(body: Mapping[str, Any]) -> bool:
    rule = body.get("rule")
    return isinstance(rule, dict) and "level" in rule and "id" in rule


def _is_vulnerability(body: Mapping[str, Any]) -> bool:
    vulnerability = body.get("vulnerability")
    return isinstance(vulnerability, dict) and "id" in vulnerability and isinstance(body.get("package"), dict) and "agent" in body


def _when(body: Mapping[str, Any], tz: tzinfo) -> tuple[int | None, str | None]:
    """The first of the times that can be read; the event's own are in whatever form the event has."""
    found: tuple[int | None, str | None] = (None, "time_missing")
    for path in _TIMES:
        value = dig(body, path)
        if value is not None:
            found = parse_time(value, tz)
            if found[0] is not None:
                break
    return found


def _indicators(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    found: dict[tuple[str, str], None] = {}
    for path, fields in _PLACES:
        add_indicators(found, dig(body, path), fields)
    return list(found)


def _vulnerability(body: Mapping[str, Any], tz: tzinfo) -> NewAlert:
    """A vulnerable package of one machine; both are in the title, so that what must be mended twice is there twice."""
    told, package = as_dict(body.get("vulnerability")), as_dict(body.get("package"))
    cve = text(told.get("id"))
    if cve is None:
        raise ValueError("no vulnerability.id")
    where = [("in", text(package.get("name"))), ("on", text(as_dict(body.get("agent")).get("name")))]
    severity, notes = severity_word(told.get("severity"), SEVERITIES, Severity.PENDING)
    occurred_at, note = parse_time(told.get("detected_at"), tz)
    version = text(package.get("version"))
    return NewAlert(
        title=" ".join([cve, *(f"{word} {name}" for word, name in where if name)]),
        severity=severity,
        occurred_at=occurred_at,
        description="\n".join(filter(None, (text(told.get("description")), version and f"Version: {version}"))) or None,
        rule_id=cve,
        notes=(*notes, *((note,) if note else ())),
    )


def _vulnerability_rule(body: Mapping[str, Any]) -> NewRule | None:
    told = as_dict(body.get("vulnerability"))
    cve = text(told.get("id"))
    if cve is None:
        return None
    return NewRule(
        name=cve,
        source_rule_id=cve,
        source_name=Wazuh.name,
        severity=text(told.get("severity")),
        documentation="\n".join(filter(None, (text(told.get("description")), text(told.get("reference"))))) or None,
    )


SOURCE = Wazuh()
