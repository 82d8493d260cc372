"""Kubescape: the results of a scan in its JSON report (version 2 of the format), one for each resource."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import as_dict, as_list, parse_time, severity_number, severity_word, text

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "unknown": Severity.PENDING,  # the severity of a control, where the report tells it
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
# Its score, from 0 to 10, where there is no word; the bands begin here.
_BANDS = {9: Severity.CRITICAL, 7: Severity.HIGH, 4: Severity.MEDIUM, 1: Severity.LOW, 0: Severity.PENDING}
_SCORES = ("scoreFactor", "baseScore")
_FAILED = "failed"
_NAMED = ("controls[].name", "controls[].controlID")
_STATUS = "controls[].status"
_SEVERITY = ("controls[].severity", *(f"controls[].{name}" for name in _SCORES))
FIELDS = {
    "title": (*_NAMED, "resourceID", _STATUS, *_SEVERITY),
    "severity": (*_SEVERITY, _STATUS),
    "description": ("resourceID", *_NAMED, _STATUS, *_SEVERITY),
    "rule": ("controls[].controlID", "controls[].name", *_SEVERITY, _STATUS),
}


class Kubescape:
    """Failed controls of Kubescape."""

    name = "kubescape"
    tool = "Kubescape (JSON report, format v2)"
    signature = "resourceID with controls, in the results of a report"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """What a scan found on one resource, passed or not."""
        return isinstance(record.get("resourceID"), str) and isinstance(record.get("controls"), list)

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The failed controls of a resource as one alert, named by the worst; None where none failed.

        A result has no time, the report has one; so it takes that of the import.
        """
        failed = _failed(record)
        if not failed:
            return None
        worst, (severity, notes) = failed[0]
        name = _name(worst)
        if name is None:
            raise ValueError("a failed control without a name and an id")
        more = f" and {len(failed) - 1} more failed controls" if len(failed) > 1 else ""
        resource = text(record.get("resourceID")) or "a resource without an id"
        _, note = parse_time(None, tz)
        return NewAlert(
            title=f"{name}{more} on {_short(resource)}",
            severity=severity,
            description="\n".join([resource, *(_told(control) for control, _ in failed)]),
            rule_id=_rule_id(worst),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The worst of the failed controls."""
        failed = _failed(record)
        rule_id = _rule_id(failed[0][0]) if failed else None
        if rule_id is None:
            return None
        worst, (severity, _) = failed[0]
        return NewRule(name=_name(worst) or rule_id, source_rule_id=rule_id, source_name=self.name, severity=severity.value)


def _failed(record: Record) -> list[tuple[Record, tuple[Severity, tuple[str, ...]]]]:
    """The failed controls with their severities and what is to be noted of these, the worst first."""
    controls = [one for one in as_list(record.get("controls")) if isinstance(one, dict) and _status(one.get("status")) == _FAILED]
    return sorted(((one, _severity(one)) for one in controls), key=lambda pair: -pair[1][0].rank)


def _status(value: Any) -> str:
    """A word, or an object that has it."""
    return (text(as_dict(value).get("status")) or text(value) or "").lower()


def _severity(control: Record) -> tuple[Severity, tuple[str, ...]]:
    told = control.get("severity")
    body = as_dict(told) or control
    word = body.get("severity")
    if text(word) is not None:
        return severity_word(word, SEVERITIES, Severity.PENDING)
    return severity_number(next((body[name] for name in _SCORES if name in body), None), _BANDS, Severity.PENDING)


def _rule_id(control: Record) -> str | None:
    return text(control.get("controlID")) or text(control.get("name"))


def _name(control: Record) -> str | None:
    return text(control.get("name")) or text(control.get("controlID"))


def _told(control: Record) -> str:
    return " ".join(one for one in (text(control.get("controlID")), text(control.get("name"))) if one)


def _short(resource: str) -> str:
    """Kind and name, at the end of `path=…/api=apps/v1/namespace/Deployment/web`."""
    return "/".join(resource.rsplit("/", 2)[-2:])


SOURCE = Kubescape()
