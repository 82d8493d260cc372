"""CrowdStrike Falcon: event streams, alerts (API v2), detects (API v1), and the detections within FDR's telemetry."""

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
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "informational": Severity.INFORMATIONAL,  # SeverityName, severity_name, max_severity_displayname
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
# A number from 0 to 100 where no name is told; its bands begin here, the worst first.
_BANDS = ((80, Severity.CRITICAL), (60, Severity.HIGH), (40, Severity.MEDIUM), (20, Severity.LOW), (0, Severity.INFORMATIONAL))
_OLD_SCALE = 10  # older events count from 1 to 5 or 10 and tell the name besides; alone, such a number says nothing
_DETECTION = "detectionsummaryevent"  # how the type of every kind of detection ends (Epp…, Idp…, Mobile…, Xdr…, or none)
_IOC_TYPES = {
    "hash_md5": "hash_md5",
    "hash_sha1": "hash_sha1",
    "hash_sha256": "hash_sha256",
    "md5": "hash_md5",
    "sha256": "hash_sha256",
    "domain": "domain",
    "ipv4": "ip",
    "ipv6": "ip",
}
_TITLES = ("display_name", "name", "Name", "DetectName", "behaviors[].display_name", "behaviors[].scenario")
_WORDS = ("severity_name", "SeverityName", "max_severity_displayname")
_NUMBERS = ("severity", "Severity", "max_severity")
_TOLD = ("description", "Description", "DetectDescription", "behaviors[].description")
_RULES = ("pattern_id", "PatternId", "behaviors[].behavior_id")
_TIMES = ("timestamp", "created_timestamp", "first_behavior")
_TECHNIQUES = ("technique_id", "mitre_attack[].technique_id", "behaviors[].technique_id")
_TACTICS = (
    "tactic_id",
    "tactic",
    "Tactic",
    "MitreAttack[].Tactic",
    "mitre_attack[].tactic_id",
    "behaviors[].tactic_id",
    "behaviors[].tactic",
)
_TYPED = (
    ("ip", "LocalIP"),  # event streams and FDR
    ("ip", "LocalIPv6"),
    ("ip", "SourceEndpointIpAddress"),
    ("ip", "NetworkAccesses[].LocalAddress"),
    ("ip", "NetworkAccesses[].RemoteAddress"),
    ("domain", "DnsRequests[].DomainName"),
    ("account", "UserName"),
    ("account", "SourceAccountName"),
    ("hash", "SHA256String"),
    ("hash", "SHA1String"),
    ("hash", "MD5String"),
    ("ip", "device.local_ip"),  # the API
    ("ip", "device.external_ip"),
    ("ip", "source_endpoint_ip_address"),
    ("ip", "source_ips[]"),
    ("ip", "network_accesses[].local_address"),
    ("ip", "network_accesses[].remote_address"),
    ("domain", "dns_requests[].domain_name"),
    ("account", "user_name"),
    ("account", "user_names[]"),
    ("account", "source_account_name"),
    ("hash", "sha256"),
    ("hash", "sha1"),
    ("hash", "md5"),
    ("account", "behaviors[].user_name"),
    ("hash", "behaviors[].sha256"),
    ("hash", "behaviors[].md5"),
)
# Where a type and a value stand side by side: the list they are in (none: the record itself), and their names.
_TYPED_BY_NAME = (
    (None, "IOCType", "IOCValue"),
    (None, "ioc_type", "ioc_value"),
    ("ioc_context", "ioc_type", "ioc_value"),
    ("behaviors", "ioc_type", "ioc_value"),
)


def _both(paths: Sequence[str]) -> list[str]:
    """The paths as they stand in the API's objects, and in the `event` of a stream."""
    return [*paths, *(f"event.{path}" for path in paths if path[0].isupper())]


_NAMED = [f"{f'{where}[].' if where else ''}{name}" for where, kind, value in _TYPED_BY_NAME for name in (kind, value)]
FIELDS = {
    "title": _both(_TITLES),
    "severity": _both((*_WORDS, *_NUMBERS)),
    "occurred_at": ["metadata.eventCreationTime", *_TIMES, "event.timestamp"],
    "description": _both(_TOLD),
    "tags": ["tags[]"],
    "indicators": _both([*(path for _, path in _TYPED), *_NAMED]),
    "rule": _both([*_RULES, *_TITLES, *_WORDS, *_NUMBERS, *_TACTICS, *_TECHNIQUES, *_TOLD]),
}


class CrowdStrike:
    """Detections of CrowdStrike Falcon."""

    name = "crowdstrike"
    tool = "CrowdStrike Falcon (event streams, alerts v2, detects, FDR)"
    signature = (
        "metadata with eventType and event; composite_id and cid; detection_id and behaviors; or FDR's event_simpleName, aid and cid"
    )
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """Whatever the streams, the API of alerts and detects, and FDR give out, detections or not."""
        return _is_stream(record) or _is_api(record) or _is_fdr(record) or _is_external(_event(record))

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The detection; None for audit events, other events of a stream, and telemetry."""
        body = _detection(record)
        if body is None:
            return None
        title = dig_text(body, _TITLES)
        if title is None:
            raise ValueError("a detection without a name")
        severity, notes = _severity(body)
        occurred_at, note = parse_time(_time(record, body), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=dig_text(body, _TOLD),
            tags=texts(body.get("tags")),
            indicators=list(dict.fromkeys([*lifted(body, _TYPED), *_named(body)])),
            rule_id=_rule_id(body),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """Falcon's pattern, with what is ATT&CK's of its tactic and technique (Falcon has some of its own)."""
        body = _detection(record)
        rule_id = None if body is None else _rule_id(body)
        if body is None or rule_id is None:
            return None
        whole, parts = techniques(dig_texts(body, _TECHNIQUES))
        return NewRule(
            name=dig_text(body, _TITLES) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=dig_text(body, _WORDS) or dig_text(body, _NUMBERS),
            mitre_tactics=[one for one in tactics(dig_texts(body, _TACTICS)) if one in TACTICS],
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            documentation=dig_text(body, _TOLD),
        )


def _is_stream(record: Record) -> bool:
    about = record.get("metadata")
    return isinstance(about, dict) and isinstance(about.get("eventType"), str) and "customerIDString" in about and "event" in record


def _is_api(record: Record) -> bool:
    if isinstance(record.get("composite_id"), str):
        return "cid" in record
    return isinstance(record.get("detection_id"), str) and isinstance(record.get("behaviors"), list)


def _is_fdr(record: Record) -> bool:
    return "event_simpleName" in record and "aid" in record and "cid" in record


def _is_external(event: Record) -> bool:
    """What FDR passes on from the streams."""
    return isinstance(event.get("ExternalApiType"), str) and event.get("EventType") == "Event_ExternalApiEvent"


def _event(record: Record) -> Record:
    inner = record.get("event")
    return inner if isinstance(inner, dict) else record


def _detection(record: Record) -> Record | None:
    """The object with the detection's own fields; None for a record that is none."""
    if _is_api(record):
        return record
    event = _event(record)
    kind = record["metadata"]["eventType"] if _is_stream(record) else event.get("ExternalApiType")
    return event if isinstance(kind, str) and kind.lower().endswith(_DETECTION) else None


def _time(record: Record, body: Record) -> Any:
    created = as_dict(record.get("metadata")).get("eventCreationTime")
    return dig_text(body, _TIMES) if created is None else created


def _severity(body: Record) -> tuple[Severity, tuple[str, ...]]:
    word = dig_text(body, _WORDS)
    if word is not None:
        return severity_word(word, SEVERITIES, Severity.PENDING)
    number = next((body[name] for name in _NUMBERS if type(body.get(name)) is int), None)
    if number is None:
        return Severity.PENDING, ()
    # Only the newer kinds of detection, which have a composite id, are sure to count to 100.
    if number <= _OLD_SCALE and "composite_id" not in body and "CompositeId" not in body:
        return Severity.PENDING, ("severity_unknown",)
    return next((found for least, found in _BANDS if number >= least), Severity.INFORMATIONAL), ()


def _rule_id(body: Record) -> str | None:
    """The pattern's number; where none is told its name stands for it."""
    return dig_text(body, _RULES) or dig_text(body, _TITLES)


def _named(body: Record) -> list[tuple[str, str]]:
    """Indicators of compromise whose type stands beside them."""
    found = []
    for where, kind, value in _TYPED_BY_NAME:
        for entry in as_list(body.get(where)) if where else (body,):
            mapped = _IOC_TYPES.get(text(entry.get(kind)) or "") if isinstance(entry, dict) else None
            found += [(mapped, one) for one in texts(entry.get(value))] if mapped else []
    return found


SOURCE = CrowdStrike()
