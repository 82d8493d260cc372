"""SentinelOne: threats, alerts of custom rules, unified alerts, and the activities that tell of a threat found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import TACTICS, dig_text, dig_texts, lifted, parse_time, severity_word, tactics, techniques

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "malicious": Severity.HIGH,  # confidenceLevel of a threat, which has no other rating
    "suspicious": Severity.MEDIUM,
    "info": Severity.INFORMATIONAL,  # severity of a rule and of a unified alert, in activities as E_LOW and so on
    "informational": Severity.INFORMATIONAL,
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
    "unknown": Severity.PENDING,
    "n/a": Severity.PENDING,
}


def _spelt(*paths: str) -> list[str]:
    """Paths of an activity: the API writes its names in camel case, exports by others in small letters."""
    return [spelling for path in paths for spelling in dict.fromkeys((path, path.lower()))]


_RULE_NAMES = ("ruleInfo.name", *_spelt("data.ruleName"))
_TITLES = (*_RULE_NAMES, "threatInfo.threatName", "name", *_spelt("primaryDescription"))
_TOLD = ("ruleInfo.description", "threatInfo.filePath", "description", *_spelt("data.ruleDescription", "data.filePath"))
_WORDS = ("ruleInfo.severity", "threatInfo.confidenceLevel", "severity", *_spelt("data.severity", "data.confidenceLevel"))
_TIMES = (
    "threatInfo.identifiedAt",
    "threatInfo.createdAt",
    "alertInfo.createdAt",
    "alertInfo.reportedAt",
    "detectedAt",
    "firstSeenAt",
    *_spelt("data.detectedAt", "createdAt"),
)
# The rule; of what the agent finds by itself, the engine that found it.
_RULES = (
    "ruleInfo.id",
    "threatInfo.detectionEngines[].key",
    "threatInfo.classificationSource",
    "analytics.uid",
    "analytics.name",
    *_spelt("data.ruleId", "data.threatClassificationSource"),
)
_ENGINES = ("threatInfo.detectionEngines[].title", "analytics.name")
_TACTICS = ("indicators[].tactics[].name",)
_TECHNIQUES = ("indicators[].tactics[].techniques[].name",)
_TYPED = (
    ("ip", "agentDetectionInfo.agentIpV4"),  # threats
    ("ip", "agentDetectionInfo.agentIpV6"),
    ("ip", "agentDetectionInfo.externalIp"),
    ("account", "threatInfo.processUser"),
    ("hash", "threatInfo.sha256"),
    ("hash", "threatInfo.sha1"),
    ("hash", "threatInfo.md5"),
    ("ip", "alertInfo.srcIp"),  # alerts of rules
    ("ip", "alertInfo.dstIp"),
    ("ip", "alertInfo.srcMachineIp"),
    ("domain", "alertInfo.dnsRequest"),
    ("account", "alertInfo.loginsUserName"),
    ("account", "sourceProcessInfo.user"),
    ("hash", "sourceProcessInfo.fileHashSha256"),
    ("hash", "sourceProcessInfo.fileHashSha1"),
    ("hash", "sourceProcessInfo.fileHashMd5"),
    ("hash", "targetProcessInfo.tgtFileHashSha256"),
    ("hash", "targetProcessInfo.tgtFileHashSha1"),
    ("ip", "detectionTime.attacker.ip"),  # unified alerts
    ("ip", "detectionTime.assets[].asset.ipV4"),
    ("ip", "detectionTime.assets[].asset.ipV6"),
    ("email", "detectionTime.targetUser.emailAddress"),
    ("hash", "process.file.sha256"),
    ("hash", "process.file.sha1"),
    ("hash", "process.file.md5"),
    *(("ip", path) for path in _spelt("data.agentIpV4", "data.dstIp")),  # activities
    *(("domain", path) for path in _spelt("data.dnsRequest")),
    *(("hash", path) for path in _spelt("data.fileContentHash")),
)
FIELDS = {
    "title": _TITLES,
    "severity": _WORDS,
    "occurred_at": _TIMES,
    "description": _TOLD,
    "tags": [],
    "indicators": [path for _, path in _TYPED],
    "rule": list(dict.fromkeys((*_RULES, *_RULE_NAMES, *_ENGINES, *_WORDS, *_TACTICS, *_TECHNIQUES, *_TOLD))),
}


class SentinelOne:
    """Threats and alerts of SentinelOne."""

    name = "sentinelone"
    tool = "SentinelOne (threats, alerts, activities)"
    signature = (
        "threatInfo or alertInfo with agentDetectionInfo; detectionSource with analystVerdict; or an activityType with primaryDescription"
    )
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A threat, an alert of a rule, a unified alert, or an activity of whatever kind."""
        if isinstance(record.get("threatInfo"), dict) or isinstance(record.get("alertInfo"), dict):
            return "agentDetectionInfo" in record
        if isinstance(record.get("detectionSource"), dict):
            return "analystVerdict" in record and "confidenceLevel" in record
        return _is_activity(record)

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The threat or alert; None for an activity that tells of none, or of what became of a known one."""
        if _is_activity(record) and not _tells_of_a_find(record):
            return None
        title = dig_text(record, _TITLES)
        if title is None:
            raise ValueError("no name of a threat or a rule")
        severity, notes = severity_word(_word(record), SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(dig_text(record, _TIMES), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=dig_text(record, _TOLD),
            indicators=lifted(record, _TYPED),
            rule_id=dig_text(record, _RULES),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The custom rule, or the engine, with the ATT&CK names that a threat's behaviour has."""
        rule_id = dig_text(record, _RULES)
        if rule_id is None or (_is_activity(record) and not _tells_of_a_find(record)):
            return None
        name = dig_text(record, _RULE_NAMES)
        whole, parts = techniques(dig_texts(record, _TECHNIQUES))
        return NewRule(
            name=name or dig_text(record, _ENGINES) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=_word(record) if name else None,
            mitre_tactics=[one for one in tactics(dig_texts(record, _TACTICS)) if one in TACTICS],
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            documentation=dig_text(record, _TOLD) if name else None,
        )


def _is_activity(record: Record) -> bool:
    for kind, told in (("activityType", "primaryDescription"), ("activitytype", "primarydescription")):
        if kind in record and told in record:
            return "agentId" in record or "agentid" in record
    return False


def _tells_of_a_find(record: Record) -> bool:
    """An agent's find has a level of confidence, a rule's the rule's name; later acts on a threat have neither."""
    return dig_text(record, _spelt("data.confidenceLevel", "data.ruleName")) is not None


def _word(record: Record) -> str | None:
    word = dig_text(record, _WORDS)
    return None if word is None else word.removeprefix("E_")


SOURCE = SentinelOne()
