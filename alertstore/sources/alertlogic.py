"""Alert Logic: the console's CSV export of exposures, a row for each vulnerability of an asset."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import parse_time, severity_word, text, texts

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "info": Severity.INFORMATIONAL,  # Severity
    "low": Severity.LOW,
    "medium": Severity.MEDIUM,
    "high": Severity.HIGH,
    "critical": Severity.CRITICAL,
}
_COLUMNS = ("Vulnerability", "Vulnerability ID", "Asset Key", "Deployment Name")
_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2}|\d{4}) (\d{1,2}):(\d\d)")  # 5/27/26 6:37, the month first
FIELDS = {
    "title": ["Vulnerability"],
    "severity": ["Severity"],
    "occurred_at": ["First Seen", "Last Scanned"],
    "description": ["Evidence", "Description"],
    "tags": ["CVE"],
    "indicators": ["IP Address"],
    "rule": ["Vulnerability ID", "Vulnerability", "Severity", "Category", "Description", "Resolution"],
}


class AlertLogic:
    """Vulnerabilities that Alert Logic found."""

    name = "alertlogic"
    tool = "Alert Logic (exposures, CSV)"
    signature = "the columns Vulnerability, Vulnerability ID, Asset Key and Deployment Name"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A row of the export."""
        return all(name in record for name in _COLUMNS)

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The vulnerability of one asset, at the time it was first seen there."""
        title = text(record.get("Vulnerability"))
        if title is None:
            raise ValueError("no Vulnerability")
        severity, notes = severity_word(record.get("Severity"), SEVERITIES, Severity.PENDING)
        occurred_at, note = parse_time(_plain(text(record.get("First Seen")) or text(record.get("Last Scanned"))), tz)
        return NewAlert(
            title=title,
            severity=severity,
            occurred_at=occurred_at,
            description=text(record.get("Evidence")) or text(record.get("Description")),
            tags=_listed(record.get("CVE")),
            indicators=[("ip", one) for one in _listed(record.get("IP Address"))],
            rule_id=text(record.get("Vulnerability ID")),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The vulnerability as such, with what it is and what to do about it."""
        rule_id = text(record.get("Vulnerability ID"))
        if rule_id is None:
            return None
        told = [text(record.get(name)) for name in ("Description", "Resolution")]
        return NewRule(
            name=text(record.get("Vulnerability")) or rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=text(record.get("Severity")),
            data_sources=texts(record.get("Category")),
            documentation="\n\n".join(one for one in told if one) or None,
        )


def _plain(value: str | None) -> str | None:
    """The export's date in a form that is read; anything else as it is."""
    found = None if value is None else _DATE.fullmatch(value.strip())
    if found is None:
        return value
    month, day, year, hour, minute = found.groups()
    return f"{int(year) + 2000 if len(year) == 2 else year}-{int(month):02}-{int(day):02}T{int(hour):02}:{minute}"  # noqa: PLR2004 - digits of a year


def _listed(value: Any) -> list[str]:
    return list(dict.fromkeys(part.strip() for one in texts(value) for part in one.split(",") if part.strip()))


SOURCE = AlertLogic()
