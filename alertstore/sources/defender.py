"""Microsoft Defender: alerts and incidents of Microsoft Graph (alerts_v2, and the older alerts), alerts of Defender for Endpoint's API
and of Defender for Cloud (REST), and Defender for Cloud's table of recommendations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    "unknown": Severity.PENDING,  # severity; Defender for Endpoint says UnSpecified
    "unknownfuturevalue": Severity.PENDING,
    "unspecified": Severity.PENDING,
    "informational": Severity.INFORMATIONAL,
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,  # of recommendations
}
_TITLES = ("title", "displayName", "properties.alertDisplayName", "recommendationDisplayName")
_WORDS = ("severity", "properties.severity")
_TIMES = (
    "firstActivityDateTime",
    "eventDateTime",
    "firstEventTime",
    "properties.startTimeUtc",
    "statusChangeDate",
    "firstEvaluationDate",
    "createdDateTime",
    "alertCreationTime",
    "properties.timeGeneratedUtc",
)
_TOLD = ("description", "properties.description", "summary")
_TAGS = ("customTags[]", "systemTags[]", "tags[]")
_RULES = ("detectorId", "alertPolicyId", "properties.alertType", "recommendationName")
_TACTICS = ("category", "categories[]", "properties.intent", "tactics")
_TECHNIQUES = ("mitreTechniques[]", "properties.techniques[]", "properties.subTechniques[]", "techniques")
_HELP = ("recommendedActions[]", "properties.remediationSteps[]", "remediationSteps")
_PRODUCTS = ("productName", "serviceSource", "vendorInformation.provider", "properties.productName", "detectionSource")
_FILE = (("hash", "sha256"), ("hash", "sha1"))
_EVIDENCE: dict[str, tuple[tuple[str, str], ...]] = {  # a property of a piece of evidence, and what is in it ("" for itself)
    "ipAddress": (("ip", ""),),
    "lastIpAddress": (("ip", ""),),
    "lastExternalIpAddress": (("ip", ""),),
    "sourceAddress": (("ip", "ipAddress"),),
    "destinationAddress": (("ip", "ipAddress"),),
    "senderIp": (("ip", ""),),
    "url": (("url", ""),),
    "urls": (("url", ""),),
    "primaryAddress": (("email", ""),),
    "p1Sender": (("email", "emailAddress"),),
    "p2Sender": (("email", "emailAddress"),),
    "recipientEmailAddress": (("email", ""),),
    "fileDetails": _FILE,
    "imageFile": _FILE,
    "parentProcessImageFile": _FILE,
    "sha256": (("hash", ""),),  # Defender for Endpoint
    "sha1": (("hash", ""),),
}
_DNS = (("domain", "domainName"), ("ip", "ipAddresses[].ipAddress"))  # of a dnsEvidence; elsewhere domainName is one of Windows
_TYPED = (  # the older alerts
    ("ip", "hostStates[].privateIpAddress"),
    ("ip", "hostStates[].publicIpAddress"),
    ("ip", "networkConnections[].sourceAddress"),
    ("ip", "networkConnections[].destinationAddress"),
    ("domain", "networkConnections[].destinationDomain"),
    ("url", "networkConnections[].destinationUrl"),
    ("ip", "userStates[].logonIp"),
    ("hash", "fileStates[].fileHash.hashValue"),
    ("hash", "processes[].fileHash.hashValue"),
    ("ip", "cloudAppStates[].destinationServiceIp"),
)
_ENTITIES = (("ip", "address"), ("url", "url"), ("domain", "domainName"))  # Defender for Cloud
# Where users stand, and the names of a principal, a name and its domain there.
_USERS = (
    ("evidence", ("userAccount.userPrincipalName", "userAccount.accountName", "userAccount.domainName")),
    ("evidence", ("userPrincipalName", "accountName", "domainName")),
    ("userStates", ("userPrincipalName", "accountName", "domainName")),
    ("relatedUser", ("", "userName", "domainName")),
)
_KIND = "@odata.type"
_CLOUD = "microsoft.security/"


def _evidence_paths() -> list[str]:
    """The paths of the evidence of an alert, and of the alerts within an incident."""
    held = [f"{name}.{path}" if path else name for name, fields in _EVIDENCE.items() for _, path in fields]
    names = [*held, *(path for _, path in _DNS), _KIND]
    users = [f"{where}[].{name}" for where, paths in _USERS for name in paths if name]
    plain = [*(f"evidence[].{name}" for name in names), *users]
    return list(dict.fromkeys([*plain, *(f"alerts[].{path}" for path in plain)]))


FIELDS = {
    "title": _TITLES,
    "severity": _WORDS,
    "occurred_at": _TIMES,
    "description": _TOLD,
    "tags": _TAGS,
    "indicators": [*_evidence_paths(), *(path for _, path in _TYPED), "properties.entities[]"],
    "rule": [*_RULES, *_TITLES, *_WORDS, *_TACTICS, *_TECHNIQUES, *_HELP, *_PRODUCTS],
}


class Defender:
    """Alerts and incidents of Microsoft Defender."""

    name = "defender"
    tool = "Microsoft Defender (Graph alerts and incidents, Defender for Endpoint, Defender for Cloud)"
    signature = (
        "evidence with createdDateTime and an alert's ids, incidentWebUrl, vendorInformation with eventDateTime, alertCreationTime with "
        "machineId, type Microsoft.Security/…/alerts, or recommendationDisplayName"
    )
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """An alert, an incident, or a recommendation, whatever its state."""
        return _is_graph(record) or _is_older(record) or _is_cloud(record) or _is_recommendation(record)

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The alert, or the incident as one alert; None for a recommendation that is followed."""
        if _is_recommendation(record) and (text(record.get("state")) or "").lower() in {"healthy", "notapplicable"}:
            return None
        title = dig_text(record, _TITLES)
        if title is None:
            raise ValueError("an alert without a title")
        severity, notes = severity_word(dig_text(record, _WORDS), SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(dig_text(record, _TIMES), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=dig_text(record, _TOLD),
            tags=dig_texts(record, _TAGS),
            indicators=_indicators(record),
            rule_id=_rule_id(record),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The detector; an incident has none."""
        rule_id = _rule_id(record)
        if rule_id is None:
            return None
        named = [part.strip() for one in dig_texts(record, _TACTICS) for part in one.split(",")]
        whole, parts = techniques(part.strip() for one in dig_texts(record, _TECHNIQUES) for part in one.split(","))
        return NewRule(
            name=dig_text(record, _TITLES) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=dig_text(record, _WORDS),
            mitre_tactics=[one for one in tactics(named) if one in TACTICS],
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            documentation="\n".join(dig_texts(record, _HELP)) or None,
            data_sources=list(dict.fromkeys(dig_texts(record, _PRODUCTS))),
        )


def _is_graph(record: Record) -> bool:
    if "createdDateTime" not in record:
        return False
    if "incidentWebUrl" in record or record.get(_KIND) == "#microsoft.graph.security.alert":
        return True
    return isinstance(record.get("evidence"), list) and ("detectorId" in record or "serviceSource" in record)


def _is_older(record: Record) -> bool:
    """An alert of Graph before alerts_v2, or of Defender for Endpoint."""
    if "eventDateTime" in record:
        return isinstance(record.get("vendorInformation"), dict)
    return "alertCreationTime" in record and "machineId" in record


def _is_cloud(record: Record) -> bool:
    kind = record.get("type")
    if not isinstance(kind, str) or not isinstance(record.get("properties"), dict):
        return False
    return kind.lower().startswith(_CLOUD) and kind.lower().endswith("/alerts")


def _is_recommendation(record: Record) -> bool:
    return "recommendationDisplayName" in record and "recommendationName" in record


def _rule_id(record: Record) -> str | None:
    """The detector's id, else an alert's title; an incident, which has a name of its own, has none."""
    return dig_text(record, (*_RULES, "title"))


def _indicators(record: Record) -> list[tuple[str, str]]:
    found = lifted(record, _TYPED) if "vendorInformation" in record else []
    for alert in (record, *as_list(record.get("alerts"))):
        if isinstance(alert, dict):
            for entry in as_list(alert.get("evidence")):
                found += _piece(as_dict(entry))
            found += _accounts(alert)
    for entity in as_list(as_dict(record.get("properties")).get("entities")):
        found += _entity(as_dict(entity))
    return list(dict.fromkeys(found))


def _piece(entry: Record) -> list[tuple[str, str]]:
    """The indicators of one piece of evidence; every kind of it has its own few properties."""
    found: list[tuple[str, str]] = []
    for name, value in entry.items():
        fields = _EVIDENCE.get(name)
        if fields is not None and value is not None:
            body = value if fields[0][1] else {"": value}
            found += lifted(body, fields) if isinstance(body, dict) else []
    return found + (lifted(entry, _DNS) if (text(entry.get(_KIND)) or "").endswith("dnsEvidence") else [])


def _accounts(alert: Record) -> list[tuple[str, str]]:
    r"""The principal's name, else `DOMAIN\name` where the domain is told, else the name."""
    found = []
    for where, (principal, name, domain) in _USERS:
        for entry in as_list(alert.get(where)):
            if isinstance(entry, dict):
                user = dig_text(entry, (principal,)) if principal else None
                short, of = dig_text(entry, (name,)), dig_text(entry, (domain,))
                user = user or (f"{of}\\{short}" if of and short else short)
                found += [("account", user)] if user else []
    return found


def _entity(entity: Record) -> list[tuple[str, str]]:
    """The indicators of one entity of Defender for Cloud."""
    kind = (text(entity.get("type")) or "").lower()
    if kind == "account":
        return lifted(entity, (("account", "name"),))
    if kind == "filehash":
        return lifted(entity, (("hash", "value"),))
    return lifted(entity, _ENTITIES) if kind in {"ip", "url", "dns"} else []


SOURCE = Defender()
