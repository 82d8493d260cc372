"""Falco: JSON alerts (`json_output`), as Falco writes them to a file or sends them to falcosidekick."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import TACTICS, as_dict, parse_time, severity_word, tactics, techniques, text, texts

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "emergency": Severity.CRITICAL,  # priority, in the words of syslog
    "alert": Severity.CRITICAL,
    "critical": Severity.CRITICAL,
    "error": Severity.HIGH,
    "warning": Severity.MEDIUM,
    "notice": Severity.LOW,
    "informational": Severity.INFORMATIONAL,
    "info": Severity.INFORMATIONAL,
    "debug": Severity.INFORMATIONAL,
}
_TYPED = {
    "fd.cip": "ip",  # the client's and the server's end; near and far end
    "fd.sip": "ip",
    "fd.lip": "ip",
    "fd.rip": "ip",
    "fd.cip.name": "domain",
    "fd.sip.name": "domain",
    "fd.lip.name": "domain",
    "fd.rip.name": "domain",
    "user.name": "account",
    "user.loginname": "account",
    "ka.user.name": "account",  # of the plugins: Kubernetes audit, CloudTrail, Okta, GitHub
    "ka.impuser.name": "account",
    "ct.user": "account",
    "ct.srcip": "ip",
    "okta.actor.alternateID": "email",
    "okta.target.user.alternateID": "email",
    "okta.client.ip": "ip",
    "github.user": "account",
}
_TIMES = ("evt.time", "evt.time.iso8601", "evt.rawtime")  # fields of the output, in nanoseconds
_NOTHING = frozenset({"", "<NA>", "N/A", "-", "null", "0.0.0.0", "::"})  # noqa: S104 - what Falco writes for "not known"
_METRICS = "Falco internal: metrics snapshot"
_TACTIC = "mitre_"
FIELDS = {
    "title": ["rule"],
    "severity": ["priority"],
    "occurred_at": ["time", *(f"output_fields.{name}" for name in _TIMES)],
    "description": ["output"],
    "tags": ["tags[]"],
    "indicators": [f"output_fields.{name}" for name in _TYPED],
    "rule": ["rule", "priority", "tags[]", "source"],
}


class Falco:
    """Alerts of the runtime detection engine Falco."""

    name = "falco"
    tool = "Falco (JSON output, falcosidekick)"
    signature = "rule and priority with output_fields, or with output and hostname; snapshots of Falco's metrics are no alerts"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """An alert, or one of the snapshots of Falco's metrics that lie between them."""
        if not isinstance(record.get("rule"), str) or not isinstance(record.get("priority"), str):
            return False
        # Falco can be told to leave either out, and other tools have an output.
        return isinstance(record.get("output_fields"), dict) or (isinstance(record.get("output"), str) and "hostname" in record)

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The alert; None for a snapshot of the metrics. What Falco says of its own losses (dropped events) is one."""
        title = text(record.get("rule"))
        if title is None:
            raise ValueError("no rule")
        if title == _METRICS:
            return None
        severity, notes = severity_word(record.get("priority"), SEVERITIES, Severity.PENDING)
        told = as_dict(record.get("output_fields"))
        when = record.get("time") or next((told[name] for name in _TIMES if told.get(name)), None)
        occurred_at, note = parse_time(when, tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=text(record.get("output")),
            tags=[tag for tag in texts(record.get("tags")) if not _is_attack(tag)],
            indicators=[
                (kind, value) for name, kind in _TYPED.items() if name in told for value in texts(told[name]) if value not in _NOTHING
            ],
            rule_id=title,
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The rule, which Falco knows by its name; its tags hold the ATT&CK tactics (`mitre_…`) and techniques."""
        name = text(record.get("rule"))
        if name is None:
            return None
        tags = texts(record.get("tags"))
        whole, parts = techniques(tags)
        return NewRule(
            name=name,
            source_rule_id=name,
            source_name=self.name,
            severity=text(record.get("priority")),
            mitre_tactics=_tactics(tags),
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            data_sources=texts(record.get("source")),
        )


def _tactics(tags: list[str]) -> list[str]:
    """`mitre_…` names tactics in Falco's own rules, and techniques in some old ones, which are left out."""
    return [one for one in tactics(tag.removeprefix(_TACTIC) for tag in tags if tag.startswith(_TACTIC)) if one in TACTICS]


def _is_attack(tag: str) -> bool:
    whole, parts = techniques((tag,))
    return tag.startswith(_TACTIC) or bool(whole or parts)


SOURCE = Falco()
