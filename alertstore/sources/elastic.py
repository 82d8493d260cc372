"""Elastic Security: detection alerts (`kibana.alert.*`), flat, nested, or as a search hit's `_source`; ECS fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import (
    as_dict,
    as_list,
    dig,
    hashes,
    parse_time,
    severity_word,
    tactics,
    techniques,
    text,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "low": Severity.LOW,  # kibana.alert.severity has these four words
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
_FIELDS = (
    ("ip", ("source.ip", "destination.ip", "client.ip", "server.ip", "host.ip")),
    ("domain", ("destination.domain", "source.domain", "url.domain", "dns.question.name", "tls.client.server_name")),
    ("url", ("url.full", "url.original")),
    ("email", ("user.email", "email.from.address", "email.to.address", "email.sender.address")),
    ("account", ("user.name", "source.user.name", "destination.user.name", "user.target.name")),
)
_HASHED = ("file.hash", "process.hash", "process.parent.hash", "dll.hash")
_ALGORITHMS = ("sha256", "sha1", "md5")


def _ways(*paths: str) -> tuple[str, ...]:
    """A field of the alert, and of the alert in a search hit."""
    return (*paths, *(f"_source.{path}" for path in paths))


FIELDS = {
    "title": _ways("kibana.alert.rule.name"),
    "severity": _ways("kibana.alert.severity", "kibana.alert.rule.severity"),
    "occurred_at": _ways("kibana.alert.original_time", "@timestamp"),
    "description": _ways("kibana.alert.reason", "kibana.alert.rule.description"),
    "tags": _ways("kibana.alert.rule.tags[]"),
    "indicators": _ways(
        *(path for _, paths in _FIELDS for path in paths), *(f"{path}.{algorithm}" for path in _HASHED for algorithm in _ALGORITHMS)
    ),
    "rule": _ways(
        *("kibana.alert.rule.uuid", "kibana.alert.rule.rule_id", "kibana.alert.rule.name", "kibana.alert.rule.severity"),
        *("kibana.alert.severity", "kibana.alert.rule.threat[]", "threat[]", "kibana.alert.rule.tags[]", "kibana.alert.rule.description"),
    ),
}


class Elastic:
    """Alerts of Elastic Security's detection engine."""

    name = "elastic"
    tool = "Elastic Security (detection alerts)"
    signature = "an object with kibana.alert.rule fields, flat or nested, also under _source"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """An object with the name or the id of a Kibana rule."""
        body = _body(record)
        return any(dig(body, f"kibana.alert.rule.{field}") is not None for field in ("name", "uuid", "rule_id"))

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The alert; its reason is the description, else what the rule says of itself."""
        body = _body(record)
        title = text(dig(body, "kibana.alert.rule.name"))
        if title is None:
            raise ValueError("no kibana.alert.rule.name")
        word = dig(body, "kibana.alert.severity") or dig(body, "kibana.alert.rule.severity")
        severity, notes = severity_word(word, SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(_time(body), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=text(dig(body, "kibana.alert.reason")) or text(dig(body, "kibana.alert.rule.description")),
            tags=texts(dig(body, "kibana.alert.rule.tags")),
            indicators=_indicators(body),
            rule_id=_rule_id(body),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The detection rule, with the ATT&CK names and ids of its threat mapping and tags."""
        body = _body(record)
        threats = as_list(dig(body, "kibana.alert.rule.threat")) or as_list(body.get("threat"))
        named = [name for threat in threats if isinstance(threat, dict) for name in texts(dig(threat, "tactic.name"))]
        ids = [one for threat in threats if isinstance(threat, dict) for one in _technique_ids(threat)]
        ids += texts(dig(body, "threat.technique.id")) + texts(dig(body, "kibana.alert.rule.tags"))
        whole, parts = techniques(ids)
        return NewRule(
            name=text(dig(body, "kibana.alert.rule.name")) or "",
            source_rule_id=_rule_id(body),
            source_name=self.name,
            severity=text(dig(body, "kibana.alert.rule.severity")) or text(dig(body, "kibana.alert.severity")),
            mitre_tactics=tactics(named or texts(dig(body, "threat.tactic.name"))),
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            documentation=text(dig(body, "kibana.alert.rule.description")),
        )


def _body(record: Record) -> Mapping[str, Any]:
    inner = record.get("_source")
    return inner if isinstance(inner, dict) else record


def _time(body: Mapping[str, Any]) -> Any:
    """When the event happened; a detection's own time is when the rule ran."""
    value = dig(body, "kibana.alert.original_time") or dig(body, "@timestamp")
    return value[0] if isinstance(value, list) and value else value


def _rule_id(body: Mapping[str, Any]) -> str | None:
    return text(dig(body, "kibana.alert.rule.uuid")) or text(dig(body, "kibana.alert.rule.rule_id"))


def _technique_ids(threat: dict[str, Any]) -> list[str]:
    ids = []
    for technique in as_list(threat.get("technique")):
        ids += texts(as_dict(technique).get("id"))
        for part in as_list(as_dict(technique).get("subtechnique")):
            ids += texts(as_dict(part).get("id"))
    return ids


def _indicators(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [(kind, value) for kind, paths in _FIELDS for path in paths for value in texts(dig(body, path))]
    for path in _HASHED:
        for algorithm in _ALGORITHMS:
            found += hashes(texts(dig(body, f"{path}.{algorithm}")))
    return found


SOURCE = Elastic()
