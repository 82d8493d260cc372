"""Microsoft Sentinel: rows of the SecurityAlert table (CSV or JSON), and incidents (JSON, with or without entities)."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import (
    as_dict,
    as_list,
    first,
    hashes,
    json_text,
    parse_time,
    severity_word,
    tactics,
    techniques,
    text,
    texts,
)

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "informational": Severity.INFORMATIONAL,  # Severity: Informational, Low, Medium, High
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
}
_MAIL = (("mailboxprimaryaddress", "email"), ("sender", "email"), ("p1sender", "email"), ("recipient", "email"))
_TYPED = {
    "ip": (("address", "ip"),),
    "dns": (("domainname", "domain"),),
    "dnsresolution": (("domainname", "domain"),),
    "dns-resolution": (("domainname", "domain"),),
    "url": (("url", "url"),),
    "mailbox": _MAIL,
    "mailmessage": _MAIL,
    "mail-message": _MAIL,
}
_DIGESTS = ("value", "Value", "hashvalue")
_INCIDENT = "microsoft.securityinsights/incidents"
FIELDS = {
    "title": ("AlertDisplayName", "DisplayName", "AlertName", "properties.title"),
    "severity": ("Severity", "AlertSeverity", "properties.severity"),
    "occurred_at": ("StartTimeUtc", "StartTime", "TimeGenerated", "properties.firstActivityTimeUtc", "properties.createdTimeUtc"),
    "description": ("Description", "properties.description"),
    "tags": ("properties.labels[].labelName",),
    "indicators": ("Entities[]", "entities[]", "properties.entities[]"),
    "rule": (
        *("ExtendedProperties.Analytic Rule Ids", "AlertType", "AlertDisplayName", "DisplayName", "AlertName", "Severity", "AlertSeverity"),
        *("Tactics", "Techniques", "ProductName", "properties.relatedAnalyticRuleIds[]", "properties.title", "properties.severity"),
        *("properties.additionalData.tactics[]", "properties.additionalData.techniques[]"),
        "properties.additionalData.alertProductNames[]",
    ),
}


class Sentinel:
    """Alerts and incidents of Microsoft Sentinel."""

    name = "sentinel"
    tool = "Microsoft Sentinel (SecurityAlert table, incidents)"
    signature = "SystemAlertId with ProviderName and AlertName; or type Microsoft.SecurityInsights/Incidents"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A row of the table, or an incident."""
        return _is_incident(record) or ("SystemAlertId" in record and "ProviderName" in record and _title(record) is not None)

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The alert of a row, or the incident as one alert. Times of the table are UTC, whatever `tz` says of others."""
        if _is_incident(record):
            return _incident(record, tz)
        title = _title(record)
        if title is None:
            raise ValueError("no AlertDisplayName and no AlertName")
        severity, notes = severity_word(_word(record), SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(first(record, ("StartTimeUtc", "StartTime", "TimeGenerated")), UTC)
        if note == "time_without_offset":  # the table is in UTC by definition, so nothing was assumed
            note = None
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=text(record.get("Description")),
            indicators=_entities(record.get("Entities")),
            rule_id=_table_rule(record),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The analytic rule, as far as the record tells: an incident tells its id alone."""
        incident = as_dict(record.get("properties")) if _is_incident(record) else None
        rule_id = _table_rule(record) if incident is None else _incident_rule(incident)
        if rule_id is None:
            return None
        extra = as_dict((incident or {}).get("additionalData"))
        names = texts(extra.get("tactics")) if incident is not None else _comma(record.get("Tactics"))
        ids = texts(extra.get("techniques")) if incident is not None else _listed(record.get("Techniques"))
        whole, parts = techniques(ids)
        named = incident.get("title") if incident is not None else _title(record)
        return NewRule(
            name=text(named) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=text(incident.get("severity")) if incident is not None else text(_word(record)),
            mitre_tactics=tactics(names),
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            data_sources=texts(extra.get("alertProductNames")) or texts(record.get("ProductName")),
        )


def _is_incident(record: Record) -> bool:
    kind = record.get("type")
    return isinstance(kind, str) and kind.lower() == _INCIDENT and isinstance(record.get("properties"), dict)


def _incident(record: Record, tz: tzinfo) -> NewAlert:
    incident = as_dict(record.get("properties"))
    title = text(incident.get("title"))
    if title is None:
        raise ValueError("an incident without a title")
    severity, notes = severity_word(incident.get("severity"), SEVERITIES, Severity.PENDING)
    occurred_at, note = parse_time(first(incident, ("firstActivityTimeUtc", "createdTimeUtc")), tz)
    entities = record.get("Entities") or record.get("entities") or incident.get("entities")
    return NewAlert(
        title=title,
        severity=severity,
        occurred_at=occurred_at,
        description=text(incident.get("description")),
        tags=[name for label in as_list(incident.get("labels")) for name in texts(as_dict(label).get("labelName"))],
        indicators=_entities(entities),
        rule_id=_incident_rule(incident),
        notes=(*notes, *((note,) if note else ())),
    )


def _title(record: Record) -> str | None:
    return first(record, ("AlertDisplayName", "DisplayName", "AlertName"))


def _word(record: Record) -> Any:
    return record.get("Severity") or record.get("AlertSeverity")


def _table_rule(record: Record) -> str | None:
    """The rule's own id where it is told, else the type of alert."""
    extended = as_dict(json_text(record.get("ExtendedProperties")))
    return text(json_text(extended.get("Analytic Rule Ids"))) or text(record.get("AlertType"))


def _incident_rule(incident: dict[str, Any]) -> str | None:
    """The last part of the resource id of the first rule."""
    path = text(incident.get("relatedAnalyticRuleIds"))
    return path.rstrip("/").rpartition("/")[2] if path else None


def _comma(value: Any) -> list[str]:
    return [part for one in texts(value) for part in (piece.strip() for piece in one.split(",")) if part]


def _listed(value: Any) -> list[str]:
    read = json_text(value)
    return texts(read) if isinstance(read, list) else _comma(value)


def _entities(value: Any) -> list[tuple[str, str]]:
    """The typed entities; hosts are machines of the house, and only their addresses are indicators."""
    found: list[tuple[str, str]] = []
    for entity in as_list(json_text(value)):
        if isinstance(entity, dict):
            body = as_dict(entity.get("properties")) or entity
            kind = (text(entity.get("Type")) or text(entity.get("type")) or text(entity.get("kind")) or "").lower()
            found += _entity(kind, {key.lower(): inner for key, inner in body.items()})
    return found


def _entity(kind: str, body: dict[str, Any]) -> list[tuple[str, str]]:
    """The indicators of one entity; `body` has its names in small letters."""
    if kind == "account":
        name = _account(body)
        return [("account", name)] if name else []
    if kind in {"file", "filehash", "file-hash"}:
        entries = [body, *(as_dict(one) for one in as_list(body.get("filehashes")))]
        return [pair for one in entries for field in _DIGESTS for pair in hashes(texts(one.get(field)))]
    return [(mapped, value) for field, mapped in _TYPED.get(kind, ()) for value in texts(body.get(field))]


def _account(body: dict[str, Any]) -> str | None:
    r"""`name@suffix` or `DOMAIN\name` where the domain is told, else the name."""
    name = text(body.get("name")) or text(body.get("accountname"))
    if name is None:
        return text(body.get("userprincipalname"))
    suffix, domain = text(body.get("upnsuffix")), text(body.get("ntdomain"))
    if suffix and "@" not in name:
        return f"{name}@{suffix}"
    return f"{domain}\\{name}" if domain and "\\" not in name else name


SOURCE = Sentinel()
