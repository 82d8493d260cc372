"""Alert Logic: rows of the export of exposures."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.alertlogic import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_258_120_000_000


class TestContract(SourceContract):
    source = "alertlogic"
    sample = "alertlogic.csv"


def row(**more):
    base = {"Vulnerability": "V", "Vulnerability ID": "22", "Asset Key": "/dc", "Deployment Name": "Prod", "First Seen": "1/1/26 9:02"}
    return base | {name.replace("_", " "): value for name, value in more.items()}


def test_a_row():
    record = row(
        Severity="Critical",
        CVE="CVE-2021-44228, CVE-2021-45046",
        IP_Address="192.0.2.20, 2001:db8::20, 192.0.2.20",
        Evidence="E",
        Description="D",
        Resolution="R",
        Category="agent",
    )
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="V",
        severity=Severity.CRITICAL,
        occurred_at=AT,
        description="E",
        tags=["CVE-2021-44228", "CVE-2021-45046"],
        indicators=[("ip", "192.0.2.20"), ("ip", "2001:db8::20")],
        rule_id="22",
        notes=("time_without_offset",),
    )
    assert SOURCE.rule(record) == NewRule(
        name="V", source_rule_id="22", source_name="alertlogic", severity="Critical", data_sources=["agent"], documentation="D\n\nR"
    )


@pytest.mark.parametrize(
    ("word", "expected", "noted"),
    [
        ("Critical", "Critical", False),
        ("HIGH", "High", False),
        ("medium", "Medium", False),
        ("Low", "Low", False),
        ("Info", "Informational", False),
        ("Grave", "Pending", True),
        ("", "Pending", False),
    ],
)
def test_severities(word, expected, noted):
    alert = SOURCE.alert(row(Severity=word), UTC)
    assert (alert.severity, "severity_unknown" in alert.notes) == (expected, noted)


@pytest.mark.parametrize(
    ("first", "last", "micros", "note"),
    [
        ("1/1/26 11:02", "", AT, "time_without_offset"),
        ("01/01/2026 11:02", "", AT, "time_without_offset"),
        ("", "1/1/26 11:02", AT, "time_without_offset"),
        ("2026-01-01T09:02:00Z", "", AT, None),
        ("13/1/26 11:02", "", None, "time_unreadable"),
        ("", "", None, "time_missing"),
    ],
)
def test_times(first, last, micros, note):
    alert = SOURCE.alert(row(First_Seen=first, Last_Scanned=last), timezone(timedelta(hours=2)))
    assert (alert.occurred_at, alert.notes) == (micros, (note,) if note else ())


def test_without_an_id_there_is_no_rule_and_without_a_name_no_alert():
    record = row(Vulnerability_ID="")
    assert (SOURCE.alert(record, UTC).rule_id, SOURCE.rule(record)) == (None, None)
    with pytest.raises(ValueError, match="no Vulnerability"):
        SOURCE.alert(row(Vulnerability=""), UTC)


@pytest.mark.parametrize("missing", ["Vulnerability", "Vulnerability ID", "Asset Key", "Deployment Name"])
def test_what_lacks_a_column_is_not_ours(missing):
    assert not SOURCE.claims({name: value for name, value in row().items() if name != missing})
