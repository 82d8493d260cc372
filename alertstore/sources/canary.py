"""Thinkst Canary: what its webhooks send, and incidents as the console's API gives them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import as_list, dig_text, lifted, parse_time, text

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "incident": Severity.HIGH,  # Canary rates nothing: a decoy has no proper use, so whoever touches one is up to something
    "devicedied": Severity.LOW,  # a decoy that is out of reach
}
_TITLES = ("Description", "description.description", "summary")
_TOLD = ("Intro", "description.memo")
_TIMES = ("Timestamp", "description.created", "description.created_std", "updated_time")
_KEYS = ("IncidentKey", "id")  # incident:KIND:…
_TYPED = (
    ("ip", "SourceIP"),
    ("ip", "CanaryIP"),
    ("domain", "ReverseDNS"),
    ("ip", "description.src_host"),
    ("ip", "description.dst_host"),
    ("domain", "description.src_host_reverse"),
    ("account", "description.events[].USERNAME"),
)
_USERS = frozenset({"user", "username"})
FIELDS = {
    "title": _TITLES,
    "severity": _KEYS,
    "occurred_at": _TIMES,
    "description": _TOLD,
    "tags": [],
    "indicators": [*(path for _, path in _TYPED), "AdditionalDetails[][]"],
    "rule": [*_KEYS, *_TITLES],
}


class Canary:
    """Incidents of Thinkst's canaries and canarytokens."""

    name = "canary"
    tool = "Thinkst Canary (webhooks, console incidents)"
    signature = "IncidentKey with Description and Timestamp; or summary with a description object that has logtype and created"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A webhook's body, or an incident."""
        if "IncidentKey" in record:
            return "Description" in record and "Timestamp" in record
        inner = record.get("description")
        return isinstance(inner, dict) and "summary" in record and "logtype" in inner and "created" in inner

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The incident."""
        title = dig_text(record, _TITLES)
        if title is None:
            raise ValueError("an incident without a description")
        kind = _kind(record)
        occurred_at, note = parse_time(_time(record), tz)
        return NewAlert(
            title=title,
            severity=SEVERITIES.get(kind or "", SEVERITIES["incident"]),
            occurred_at=occurred_at,
            description=dig_text(record, _TOLD),
            indicators=list(dict.fromkeys([*lifted(record, _TYPED), *_users(record)])),
            rule_id=kind,
            notes=(note,) if note else (),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The kind of incident, which is all that Canary has for a rule."""
        kind = _kind(record)
        return None if kind is None else NewRule(name=dig_text(record, _TITLES) or kind, source_rule_id=kind, source_name=self.name)


def _kind(record: Record) -> str | None:
    """`smbfileopen` of `incident:smbfileopen:…`."""
    parts = (dig_text(record, _KEYS) or "").split(":")
    return parts[1].strip() or None if len(parts) > 1 and parts[0] == "incident" else None


def _time(record: Record) -> str | None:
    """`… 08:55:35 (UTC)` and `… 08:53:43 UTC+0000` in a form that is read."""
    found = dig_text(record, _TIMES)
    return None if found is None else found.replace(" (UTC)", "Z").replace(" UTC+", "+")


def _users(record: Record) -> list[tuple[str, str]]:
    """Users among the pairs of a name and a value."""
    found = []
    for pair in as_list(record.get("AdditionalDetails")):
        if isinstance(pair, list) and len(pair) > 1 and (text(pair[0]) or "").lower() in _USERS:
            user = text(pair[1])
            found += [("account", user)] if user else []
    return found


SOURCE = Canary()
