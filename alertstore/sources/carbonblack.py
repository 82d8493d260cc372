"""VMware Carbon Black Cloud: alerts (API and data forwarder, v6 and v7) and watchlist hits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import dig_text, dig_texts, lifted, parse_time, tactics, techniques, text

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    1: Severity.LOW,  # severity, 1 to 10; the user guide describes the groups 1-2, 3-5 and 6-10
    2: Severity.LOW,
    3: Severity.MEDIUM,
    4: Severity.MEDIUM,
    5: Severity.MEDIUM,
    6: Severity.HIGH,
    7: Severity.HIGH,
    8: Severity.HIGH,
    9: Severity.CRITICAL,  # the end of the last group
    10: Severity.CRITICAL,
}
_NAMES = ("report_name", "rule_config_name")
_TITLES = (*_NAMES, "reason", "reason_code", "type")
_TOLD = ("reason", "report_description", "threat_cause_threat_category")
_RULE_TOLD = ("report_description",)
# When it happened; `create_time` and the backend's time are when the alert was made.
_TIMES = ("first_event_timestamp", "first_event_time", "detection_timestamp", "create_time", "backend_timestamp")
# A watchlist's report, or a rule of the policy; else the analytics' code for what they saw, which is as near to a rule as there is.
_RULES = ("report_id", "rule_config_id", "rule_id", "reason_code")
_ATTACK = ("attack_technique", "ttps[]", "threat_indicators[].ttps[]", "report_tags[]")
_TYPED = (
    ("ip", "device_internal_ip"),
    ("ip", "device_external_ip"),
    ("ip", "netconn_local_ip"),
    ("ip", "netconn_local_ipv4"),
    ("ip", "netconn_local_ipv6"),
    ("ip", "netconn_remote_ip"),
    ("ip", "netconn_remote_ipv4"),
    ("ip", "netconn_remote_ipv6"),
    ("domain", "netconn_remote_domain"),
    ("account", "device_username"),
    ("account", "process_username"),
    ("account", "parent_username"),
    ("account", "childproc_username"),
    ("hash", "process_sha256"),
    ("hash", "process_md5"),
    ("hash", "process_hash[]"),
    ("hash", "parent_sha256"),
    ("hash", "parent_md5"),
    ("hash", "parent_hash[]"),
    ("hash", "childproc_sha256"),
    ("hash", "childproc_md5"),
    ("hash", "blocked_sha256"),
    ("hash", "blocked_md5"),
    ("hash", "threat_cause_actor_sha256"),
    ("hash", "threat_indicators[].sha256"),
)
FIELDS = {
    "title": _TITLES,
    "severity": ["severity"],
    "occurred_at": _TIMES,
    "description": list(dict.fromkeys((*_TOLD, *_TITLES))),  # what is not the title already
    "tags": ["tags[]"],
    "indicators": [path for _, path in _TYPED],
    "rule": [*_RULES, *_NAMES, "severity", "attack_tactic", *_ATTACK, *_RULE_TOLD],
}
_TTP = re.compile(r"MITRE_(T\d{4})(?:_(\d{3})(?!\d))?", re.IGNORECASE)


class CarbonBlack:
    """Alerts of Carbon Black Cloud."""

    name = "carbonblack"
    tool = "VMware Carbon Black Cloud (alerts, watchlist hits)"
    signature = "org_key, device_id and type, with threat_id (an alert) or ioc_hit (a watchlist hit)"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """An alert of any type, or a hit of a watchlist."""
        return (
            isinstance(record.get("type"), str)
            and "org_key" in record
            and "device_id" in record
            and ("threat_id" in record or "ioc_hit" in record)
        )

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The alert: the watchlist's report names it, else the reason."""
        title = dig_text(record, _TITLES)
        if title is None:
            raise ValueError("no report_name, no reason and no type")
        severity, notes = _severity(record.get("severity"))
        occurred_at, note = parse_time(dig_text(record, _TIMES), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=next((told for told in dig_texts(record, _TOLD) if told != title), None),
            tags=dig_texts(record, ("tags",)),
            indicators=lifted(record, _TYPED),
            rule_id=_rule_id(record),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The watchlist's report or the analytics' reason, with the ATT&CK ids among its tags and TTPs."""
        rule_id = _rule_id(record)
        if rule_id is None:
            return None
        whole, parts = techniques(_plain(dig_texts(record, _ATTACK)))
        return NewRule(
            name=dig_text(record, _NAMES) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=text(record.get("severity")),
            mitre_tactics=tactics(dig_texts(record, ("attack_tactic",))),
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            documentation=dig_text(record, _RULE_TOLD),
        )


def _rule_id(record: Record) -> str | None:
    """The rule's id; of a reason code such as `T_POL_TERM : app.exe` only the code, not what it was about."""
    found = dig_text(record, _RULES)
    return None if found is None else found.partition(" : ")[0]


def _severity(value: object) -> tuple[Severity, tuple[str, ...]]:
    if value is None:
        return Severity.PENDING, ()
    found = SEVERITIES.get(value) if type(value) is int else None
    return (Severity.PENDING, ("severity_unknown",)) if found is None else (found, ())


def _plain(values: Iterable[str]) -> Iterable[str]:
    """`MITRE_T1059_001_POWERSHELL` as `T1059.001`; what has another form as it is."""
    for value in values:
        found = _TTP.match(value)
        yield value if found is None else f"{found[1]}.{found[2]}" if found[2] else found[1]


SOURCE = CarbonBlack()
