"""AWS Security Hub: findings in its own format (ASFF), of Security Hub's checks and of every product that reports to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import (
    TACTICS,
    as_dict,
    as_list,
    dig,
    dig_text,
    dig_texts,
    lifted,
    parse_time,
    severity_number,
    severity_word,
    tactics,
    text,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "informational": Severity.INFORMATIONAL,  # Severity.Label
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
# Severity.Normalized, from 0 to 100, where there is no label; its bands begin here.
_BANDS = {90: Severity.CRITICAL, 70: Severity.HIGH, 40: Severity.MEDIUM, 1: Severity.LOW, 0: Severity.INFORMATIONAL}
_VERSION = "2018-10-08"
_TITLES = ("Title", "GeneratorId")
_LABELS = ("Severity.Label", "FindingProviderFields.Severity.Label")
_NUMBER = "Severity.Normalized"
# When the last event was seen is left out: products write far futures there for "still going on".
_TIMES = ("FirstObservedAt", "CreatedAt", "UpdatedAt")
_RULE = "GeneratorId"
_HELP = ("Remediation.Recommendation.Text", "Remediation.Recommendation.Url")
_PRODUCTS = ("ProductName", "ProductFields.aws/securityhub/ProductName", "ProductFields.ProviderName")
_GUARDDUTY = "ProductFields.aws/guardduty/service/action"
_TYPED = (
    ("ip", "Network.SourceIpV4"),
    ("ip", "Network.SourceIpV6"),
    ("domain", "Network.SourceDomain"),
    ("ip", "Network.DestinationIpV4"),
    ("ip", "Network.DestinationIpV6"),
    ("domain", "Network.DestinationDomain"),
    ("ip", "Action.NetworkConnectionAction.RemoteIpDetails.IpAddressV4"),
    ("ip", "Action.AwsApiCallAction.RemoteIpDetails.IpAddressV4"),
    ("domain", "Action.AwsApiCallAction.DomainDetails.Domain"),
    ("domain", "Action.DnsRequestAction.Domain"),
    ("ip", "Action.PortProbeAction.PortProbeDetails[].LocalIpDetails.IpAddressV4"),
    ("ip", "Action.PortProbeAction.PortProbeDetails[].RemoteIpDetails.IpAddressV4"),
    ("ip", f"{_GUARDDUTY}/networkConnectionAction/remoteIpDetails/ipAddressV4"),
    ("ip", f"{_GUARDDUTY}/networkConnectionAction/localIpDetails/ipAddressV4"),
    ("ip", f"{_GUARDDUTY}/awsApiCallAction/remoteIpDetails/ipAddressV4"),
    ("domain", f"{_GUARDDUTY}/dnsRequestAction/domain"),
    ("ip", "Detection.Sequence.Endpoints[].Ip"),
    ("domain", "Detection.Sequence.Endpoints[].Domain"),
    ("account", "Detection.Sequence.Actors[].User.Name"),
    ("ip", "Resources[].Details.AwsEc2Instance.IpV4Addresses[]"),
    ("ip", "Resources[].Details.AwsEc2Instance.IpV6Addresses[]"),
    ("account", "Resources[].Details.AwsIamUser.UserName"),
    ("account", "Resources[].Details.AwsIamAccessKey.PrincipalName"),
    ("account", "Resources[].Details.AwsIamAccessKey.UserName"),
    ("account", "Resources[].Details.AwsIamAccessKey.SessionContext.SessionIssuer.UserName"),
)
_INTEL = {
    "IPV4_ADDRESS": "ip",
    "IPV6_ADDRESS": "ip",
    "DOMAIN": "domain",
    "URL": "url",
    "EMAIL_ADDRESS": "email",
    "HASH_MD5": "hash",
    "HASH_SHA1": "hash",
    "HASH_SHA256": "hash",
}


def _both(paths: Iterable[str]) -> list[str]:
    """The paths of a finding alone, and of one that an event of EventBridge carries."""
    plain = list(paths)
    return [*plain, *(f"detail.findings[].{path}" for path in plain)]


FIELDS = {
    "title": _both(_TITLES),
    "severity": _both((*_LABELS, _NUMBER)),
    "occurred_at": _both(_TIMES),
    "description": _both(["Description"]),
    "tags": _both(["Types[]"]),
    "indicators": _both((*(path for _, path in _TYPED), "ThreatIntelIndicators[].Type", "ThreatIntelIndicators[].Value")),
    "rule": _both((_RULE, "Types[]", "Title", *_LABELS, _NUMBER, *_HELP, *_PRODUCTS)),
}


class SecurityHub:
    """Findings of AWS Security Hub."""

    name = "securityhub"
    tool = "AWS Security Hub (ASFF findings)"
    signature = f"SchemaVersion {_VERSION} and ProductArn, also as the one finding of an event"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A finding, whatever it found, and an event that carries one. Of an event with several the list is read instead."""
        found = _findings(record)
        return len(found) == 1 and found[0].get("SchemaVersion") == _VERSION and "ProductArn" in found[0]

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The finding, archived or not; None for a check that was passed."""
        found = _findings(record)
        if len(found) > 1:
            raise ValueError(f"an event of {len(found)} findings; give the list of findings instead")
        body = found[0]
        if text(dig(body, "Compliance.Status")) == "PASSED":
            return None
        title = dig_text(body, _TITLES)
        if title is None:
            raise ValueError("a finding without Title and GeneratorId")
        severity, notes = _severity(body)
        occurred_at, note = parse_time(dig_text(body, _TIMES), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=text(body.get("Description")),
            tags=texts(body.get("Types")),
            indicators=[*lifted(body, _TYPED), *_intel(body)],
            rule_id=_rule_id(body),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The generator of the finding, with the ATT&CK tactics that its types name."""
        body = _findings(record)[0]
        rule_id = _rule_id(body)
        if rule_id is None:
            return None
        told = [one for path in _HELP if (one := dig_text(body, (path,)))]
        types = [one.split("/") for one in texts(body.get("Types"))]
        return NewRule(
            name=rule_id if rule_id != text(body.get(_RULE)) else dig_text(body, _TITLES) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=dig_text(body, (*_LABELS, _NUMBER)),
            mitre_tactics=[one for one in tactics(parts[1] for parts in types if len(parts) > 1) if one in TACTICS],
            documentation="\n".join(told) or None,
            data_sources=dig_texts(body, _PRODUCTS)[:1],
        )


def _findings(record: Record) -> list[Record]:
    """The findings of an event, or the record itself."""
    inner = as_dict(record.get("detail")).get("findings") if record.get("source") == "aws.securityhub" else None
    return [one for one in as_list(inner) if isinstance(one, dict)] or [record]


def _severity(body: Record) -> tuple[Severity, tuple[str, ...]]:
    word = dig_text(body, _LABELS)
    if word is not None:
        return severity_word(word, SEVERITIES, Severity.PENDING)
    return severity_number(dig(body, _NUMBER), _BANDS, Severity.PENDING)


def _rule_id(body: Record) -> str | None:
    """The generator. That of GuardDuty is a detector, one for all of its rules; there the type of finding is the rule."""
    generator = text(body.get(_RULE))
    if generator is not None and ":guardduty:" in generator:
        return (text(body.get("Types")) or "").rpartition("/")[2] or generator
    return generator


def _intel(body: Record) -> list[tuple[str, str]]:
    found = []
    for entry in as_list(body.get("ThreatIntelIndicators")):
        if isinstance(entry, dict):
            kind = _INTEL.get(text(entry.get("Type")) or "")
            found += lifted(entry, ((kind, "Value"),)) if kind else []
    return found


SOURCE = SecurityHub()
