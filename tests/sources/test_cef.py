"""CEF: lines plain and within syslog, their severities, times, indicators and rules."""

from __future__ import annotations

from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.cef import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_258_122_000_000


class TestContract(SourceContract):
    source = "cef"
    sample = "cef.log"


def line(extension="start=1767258122000", severity="5", before="", name="Name", event="7"):
    return {"text": f"{before}CEF:0|Vendor|Product|1.0|{event}|{name}|{severity}|{extension}"}


def test_an_event():
    record = line(
        r"src=192.0.2.42 dst=203.0.113.7 suser=EXAMPLE\\mia duser=N/A request=https://x.example.org/?a\=1 fileHash=" + "a" * 64 + " "
        r"c6a2=2001:db8::1 c6a2Label=Source destinationDnsDomain=example.org shost=srv-01 rt=1 start=1767258122000 msg=one\ntwo "
        "cs1Label=SHA1 digest cs1=" + "b" * 40 + " cs2Label=MITRE cs2=T1204, T1204.002, TA0002",
        severity="8",
        name=r"A \| B",
    )
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="A | B",
        severity=Severity.HIGH,
        occurred_at=AT,
        description="one\ntwo",
        indicators=[
            ("ip", "192.0.2.42"),
            ("ip", "203.0.113.7"),
            ("ip", "2001:db8::1"),
            ("domain", "example.org"),
            ("url", "https://x.example.org/?a=1"),
            ("account", "EXAMPLE\\mia"),
            ("hash_sha256", "a" * 64),
            ("hash_sha1", "b" * 40),
        ],
        rule_id="Vendor|Product|7",
    )
    assert SOURCE.rule(record) == NewRule(
        name="A | B",
        source_rule_id="Vendor|Product|7",
        source_name="cef",
        severity="8",
        mitre_tactics=["Execution"],
        mitre_techniques=["T1204"],
        mitre_subtechniques=["T1204.002"],
        data_sources=["Vendor Product"],
    )


@pytest.mark.parametrize(
    ("word", "expected", "notes"),
    [
        *((str(number), "Low", ()) for number in range(4)),
        *((str(number), "Medium", ()) for number in (4, 5, 6)),
        *((str(number), "High", ()) for number in (7, 8)),
        *((str(number), "Critical", ()) for number in (9, 10)),
        ("low", "Low", ()),
        ("Medium", "Medium", ()),
        ("HIGH", "High", ()),
        ("Very-High", "Critical", ()),
        ("Critical", "Critical", ()),
        ("Info", "Informational", ()),
        ("Unknown", "Pending", ()),
        ("", "Pending", ()),
        ("11", "Pending", ("severity_unknown",)),
    ],
)
def test_severities(word, expected, notes):
    alert = SOURCE.alert(line(severity=word), UTC)
    assert (alert.severity, alert.notes) == (expected, notes)


@pytest.mark.parametrize(
    ("before", "extension", "micros", "note"),
    [
        ("", "end=Jan 01 2026 09:02:02 UTC rt=1", AT, None),
        ("", "rt=Jan 01 2026 09:02:02", AT, "time_without_offset"),
        ("<134>1 2026-01-01T09:02:02Z host - - - - ", "act=x", AT, None),
        ("<13>Jan  1 09:02:02 host ", "act=x", None, "time_without_year"),
        ("Jan  1 09:02:02 host app: ", "rt=soon", None, "time_unreadable"),
        ("", "", None, "time_missing"),
    ],
)
def test_times(before, extension, micros, note):
    record = line(extension, before=before)
    assert SOURCE.claims(record)
    alert = SOURCE.alert(record, UTC)
    assert (alert.occurred_at, alert.notes) == (micros, (note,) if note else ())


def test_the_events_id_stands_for_a_missing_name():
    assert SOURCE.alert(line(name=""), UTC).title == "7"
    unnamed = line(event="")
    assert (SOURCE.alert(unnamed, UTC).rule_id, SOURCE.rule(unnamed)) == (None, None)
    with pytest.raises(ValueError, match="without a name"):
        SOURCE.alert(line(name="", event=""), UTC)


def test_a_damaged_header_is_refused():
    with pytest.raises(ValueError, match="a header of 3 fields"):
        SOURCE.alert({"text": "CEF:0|Vendor|Product|1.0"}, UTC)


@pytest.mark.parametrize(
    "text", ["Jan  1 09:02:02 host systemd: started", "", "LEEF:1.0|V|P|1|E|src=192.0.2.1", "CEF: x", 7, None, ["CEF:0|"]]
)
def test_other_lines_are_not_ours(text):
    record = {"text": text}
    assert not SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) is None
    assert SOURCE.rule(record) is None


@pytest.mark.parametrize("start", ["CEF: 0|", "CEF:1|", "CEF:0.1|"])
def test_other_spellings_of_the_version(start):
    assert SOURCE.claims({"text": f"{start}V|P|1|7|N|5|"})
