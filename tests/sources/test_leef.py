"""LEEF: both versions, their delimiters, date formats, severities and rules."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.leef import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_258_122_000_000
PAIRS = ("devTime=1767258122000", "src=192.0.2.42", "usrName=EXAMPLE\\nick", "sev=5", "cat=two words")


class TestContract(SourceContract):
    source = "leef"
    sample = "leef.log"


def line(*pairs, event="Blocked", version="1.0", between="\t", field="", before=""):
    return {"text": f"{before}LEEF:{version}|Vendor|Product|1|{event}|{field}{between.join(pairs or PAIRS)}"}


def test_an_event():
    pairs = ("devTime=1767258122000", "sev=8", "src=192.0.2.42", "dst=203.0.113.7", "srcPostNAT=0.0.0.0", "usrName=mia", "accountName=N/A")
    record = line(*pairs, "url=https://x.example.org/?a=1&b=2", "md5=" + "a" * 32, "identHostName=srv-01", "desc=D", "cat=C")
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="Blocked",
        severity=Severity.HIGH,
        occurred_at=AT,
        description="D",
        indicators=[
            ("ip", "192.0.2.42"),
            ("ip", "203.0.113.7"),
            ("url", "https://x.example.org/?a=1&b=2"),
            ("account", "mia"),
            ("hash_md5", "a" * 32),
        ],
        rule_id="Vendor|Product|Blocked",
    )
    assert SOURCE.rule(record) == NewRule(
        name="Blocked", source_rule_id="Vendor|Product|Blocked", source_name="leef", severity="8", data_sources=["Vendor Product"]
    )


@pytest.mark.parametrize(
    ("version", "field", "between"),
    [
        ("1.0", "", "\t"),
        ("1.0", "", " "),
        ("2.0", "^|", "^"),
        ("2.0", "x5E|", "^"),
        ("2.0", "0x7c|", "|"),
        ("2.0", "x|", "x"),
        ("2.0", "|", "\t"),
        ("2.0", "x09|", "\t"),
        ("2.0", "", "\t"),
        ("2.0", "", " "),
        ("2", "~|", "~"),
    ],
)
def test_delimiters(version, field, between):
    alert = SOURCE.alert(line(version=version, field=field, between=between), UTC)
    assert (alert.occurred_at, alert.severity, alert.description) == (AT, Severity.MEDIUM, "two words")
    assert alert.indicators == [("ip", "192.0.2.42"), ("account", "EXAMPLE\\nick")]


@pytest.mark.parametrize(
    ("form", "value", "micros", "note"),
    [
        ("yyyy-MM-dd HH:mm:ss", "2026-01-01 09:02:02", AT - 7_200_000_000, "time_without_offset"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSZ", "2026-01-01T09:02:02.500+0000", AT + 500_000, None),
        ("dd/MM/yyyy HH:mm:ss z", "01/01/2026 09:02:02 GMT", AT, None),
        ("MM/dd/yyyy HH:mm:ss z", "01/01/2026 09:02:02 UTC", AT, None),
        ("MMM dd yyyy HH:mm:ss.SSS z", "Jan 01 2026 09:02:02.500 UTC", AT + 500_000, None),
        ("d.M.yyyy HH:mm:ss XXX", "1.1.2026 10:02:02 +01:00", AT, None),
        ("MMM dd HH:mm:ss", "Jan 01 09:02:02", None, "time_without_year"),
        ("yyyyMMddHHmmss", "20260101090202", AT - 7_200_000_000, "time_without_offset"),
        ("yyyy-MM-dd HH:mm:ss", "2026-02-31 09:02:02", None, "time_unreadable"),
        ("MMM dd yyyy", "Foo 01 2026", None, "time_unreadable"),
        ("EEE MMM dd yyyy", "Jan 01 2026 09:02:02 UTC", AT, None),
        ("yyyy yyyy", "2026-01-01T09:02:02Z", AT, None),
        ("(((((", "1767258122000", AT, None),
        ("y" * 1000, "1767258122000", AT, None),
        ("", "Jan 01 2026 09:02:02 UTC", AT, None),
    ],
)
def test_date_formats(form, value, micros, note):
    alert = SOURCE.alert(line(f"devTime={value}", f"devTimeFormat={form}", "x=y"), timezone(timedelta(hours=2)))
    assert (alert.occurred_at, alert.notes) == (micros, (note,) if note else ())


@pytest.mark.parametrize(
    ("before", "micros", "note"),
    [
        ("<13>1 2026-01-01T09:02:02Z host - - - - ", AT, None),
        ("<13>Jan 18 11:07:53 192.0.2.1 ", None, "time_without_year"),
        ("", None, "time_missing"),
    ],
)
def test_the_syslog_header_has_the_time_where_the_event_has_none(before, micros, note):
    alert = SOURCE.alert(line("src=192.0.2.1", "x=y", before=before), UTC)
    assert (alert.occurred_at, alert.notes, alert.indicators) == (micros, (note,) if note else (), [("ip", "192.0.2.1")])


@pytest.mark.parametrize(
    ("word", "expected", "notes"),
    [
        *((str(number), "Low", ()) for number in range(4)),
        *((str(number), "Medium", ()) for number in (4, 5, 6)),
        *((str(number), "High", ()) for number in (7, 8)),
        *((str(number), "Critical", ()) for number in (9, 10)),
        ("Informational", "Informational", ()),
        ("CRITICAL", "Critical", ()),
        ("", "Pending", ()),
        ("11", "Pending", ("severity_unknown",)),
    ],
)
def test_severities(word, expected, notes):
    alert = SOURCE.alert(line("devTime=1767258122000", f"sev={word}"), UTC)
    assert (alert.severity, alert.notes) == (expected, notes)


def test_a_number_alone_is_no_title():
    assert SOURCE.alert(line(event="4625"), UTC).title == "Vendor Product 4625"
    with pytest.raises(ValueError, match="without an event's id"):
        SOURCE.alert(line(event=""), UTC)
    assert SOURCE.rule(line(event="")) is None


def test_a_damaged_header_is_refused():
    with pytest.raises(ValueError, match="a header of 3 fields"):
        SOURCE.alert({"text": "LEEF:1.0|Vendor|Product|1"}, UTC)


@pytest.mark.parametrize("text", ["Jan  1 09:02:02 host x", "CEF:0|V|P|1|7|N|5|", "LEEF:3.0|V|", "LEEF:", 7, None, ["LEEF:1.0|"]])
def test_other_lines_are_not_ours(text):
    record = {"text": text}
    assert not SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) is None
    assert SOURCE.rule(record) is None
