"""Amazon GuardDuty: findings as exported to S3 or handed on by EventBridge (camelCase), and as its API gives them (PascalCase)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import TACTICS, dig, dig_text, dig_texts, lifted, parse_time, severity_number, tactics, techniques

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    9: Severity.CRITICAL,  # a number from 1.0 to 10.0; each band begins here
    7: Severity.HIGH,
    4: Severity.MEDIUM,
    1: Severity.LOW,
}
_TITLES = ("title", "type")
_TIMES = ("service.eventFirstSeen", "createdAt", "updatedAt")
_SEQUENCE = "service.detection.sequence"
_TACTICS = "ATTACK_TACTIC"
_TECHNIQUES = "ATTACK_TECHNIQUE"
_TYPED = (
    ("ip", "service.action.networkConnectionAction.remoteIpDetails.ipAddressV4"),
    ("ip", "service.action.networkConnectionAction.remoteIpDetails.ipAddressV6"),
    ("ip", "service.action.networkConnectionAction.localIpDetails.ipAddressV4"),
    ("ip", "service.action.networkConnectionAction.localIpDetails.ipAddressV6"),
    ("ip", "service.action.awsApiCallAction.remoteIpDetails.ipAddressV4"),
    ("ip", "service.action.awsApiCallAction.remoteIpDetails.ipAddressV6"),
    ("domain", "service.action.awsApiCallAction.domainDetails.domain"),
    ("ip", "service.action.kubernetesApiCallAction.remoteIpDetails.ipAddressV4"),
    ("ip", "service.action.rdsLoginAttemptAction.remoteIpDetails.ipAddressV4"),
    ("ip", "service.action.portProbeAction.portProbeDetails[].remoteIpDetails.ipAddressV4"),
    ("ip", "service.action.portProbeAction.portProbeDetails[].localIpDetails.ipAddressV4"),
    ("domain", "service.action.dnsRequestAction.domain"),
    ("ip", f"{_SEQUENCE}.endpoints[].ip"),
    ("domain", f"{_SEQUENCE}.endpoints[].domain"),
    ("account", f"{_SEQUENCE}.actors[].user.name"),
    ("ip", "resource.instanceDetails.networkInterfaces[].privateIpAddress"),
    ("ip", "resource.instanceDetails.networkInterfaces[].publicIp"),
    ("account", "resource.accessKeyDetails.userName"),
    ("account", "resource.rdsDbUserDetails.user"),
    ("account", "resource.kubernetesDetails.kubernetesUserDetails.username"),
    ("hash", "service.runtimeDetails.process.executableSha256"),
    ("hash", "service.ebsVolumeScanDetails.scanDetections.threatDetectedByName.threatNames[].filePaths[].hash"),
    ("hash", "resource.s3BucketDetails[].s3ObjectDetails[].hash"),
)
_INDICATORS = f"{_SEQUENCE}.sequenceIndicators[]"


def _pascal(path: str) -> str:
    """The path as the API spells it."""
    return ".".join(part[:1].upper() + part[1:] for part in path.split("."))


def _every(paths: Iterable[str]) -> list[str]:
    """The paths in each form that a finding comes in."""
    plain = list(paths)
    return [*plain, *map(_pascal, plain), *(f"detail.{path}" for path in plain)]


FIELDS = {
    "title": _every(_TITLES),
    "severity": _every(["severity"]),
    "occurred_at": _every(_TIMES),
    "description": _every(["description"]),
    "indicators": _every(path for _, path in _TYPED),
    "rule": _every(["type", "severity", f"{_INDICATORS}.key", f"{_INDICATORS}.values[]"]),
}
_NAMES = {path: (path, _pascal(path)) for path in ("type", "description", "severity", "service", "service.serviceName", _INDICATORS)}
_TITLE_PATHS = (_TITLES, tuple(map(_pascal, _TITLES)))
_TIME_PATHS = (_TIMES, tuple(map(_pascal, _TIMES)))
_TYPED_PATHS = (_TYPED, tuple((kind, _pascal(path)) for kind, path in _TYPED))


class GuardDuty:
    """Findings of Amazon GuardDuty."""

    name = "guardduty"
    tool = "Amazon GuardDuty (findings)"
    signature = (
        "an object with a type and a service whose serviceName is guardduty, also as the detail of an event; or the same in PascalCase"
    )
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A finding, archived or not."""
        body, form = _body(record)
        service = body.get(_NAMES["service"][form])
        if not isinstance(service, dict) or not isinstance(body.get(_NAMES["type"][form]), str):
            return False
        name = service.get("ServiceName" if form else "serviceName")
        return isinstance(name, str) and name.lower() == "guardduty"

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The finding. It happened when its first event was seen: a finding is told again and again while it lasts."""
        body, form = _body(record)
        title = dig_text(body, _TITLE_PATHS[form])
        if title is None:
            raise ValueError("a finding without title and type")
        severity, notes = severity_number(body.get(_NAMES["severity"][form]), SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(dig_text(body, _TIME_PATHS[form]), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=dig_text(body, (_NAMES["description"][form],)),
            indicators=lifted(body, _TYPED_PATHS[form]),
            rule_id=dig_text(body, (_NAMES["type"][form],)),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The type of finding; what it is for names an ATT&CK tactic, an attack sequence tells techniques too."""
        body, form = _body(record)
        kind = dig_text(body, (_NAMES["type"][form],))
        if kind is None:
            return None
        told = _told(body, form)
        whole, parts = techniques(value.split(" ")[0] for key, value in told if key == _TECHNIQUES)
        named = [kind.partition(":")[0], *(value for key, value in told if key == _TACTICS)]
        return NewRule(
            name=kind,
            source_rule_id=kind,
            source_name=self.name,
            severity=dig_text(body, (_NAMES["severity"][form],)),
            mitre_tactics=[one for one in tactics(named) if one in TACTICS],
            mitre_techniques=whole,
            mitre_subtechniques=parts,
        )


def _body(record: Record) -> tuple[Record, int]:
    """The finding itself, and how its names are spelled: 0 camelCase, 1 PascalCase."""
    inner = record.get("detail")
    body = inner if isinstance(inner, dict) and record.get("source") == "aws.guardduty" else record
    return body, int("Service" in body and "service" not in body)


def _told(body: Record, form: int) -> list[tuple[str, str]]:
    """What an attack sequence shows: pairs of a kind and a value."""
    found = dig(body, _NAMES[_INDICATORS][form].replace("[]", ""))
    key, values = ("Key", "Values") if form else ("key", "values")
    entries = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [(kind, value) for one in entries if isinstance(kind := one.get(key), str) for value in dig_texts(one, (values,))]


SOURCE = GuardDuty()
