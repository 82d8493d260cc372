"""The contract's words, and times in their three forms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.times import EARLIEST, LATEST, from_micros, is_representable, rfc3339, to_micros
from alertstore.domain.vocabulary import AlertStatus, CloseClassification, EnrichmentStatus, IndicatorType, Malice, Severity, worst_malice

WORDS = {
    AlertStatus: ["Open", "Triaging", "Escalated", "Closed"],
    Severity: ["Pending", "Informational", "Low", "Medium", "High", "Critical"],
    CloseClassification: [
        "True Positive - Suspicious Activity",
        "Benign Positive - Suspicious but Expected",
        "False Positive - Incorrect Detection Logic",
        "False Positive - Inaccurate Data",
        "Undetermined",
        "Duplicate",
        "Not Applicable",
    ],
    Malice: ["Pending", "Benign", "Suspicious", "Malicious"],
    EnrichmentStatus: ["Pending", "Enriched", "Failed"],
    IndicatorType: ["ip", "domain", "hash_md5", "hash_sha1", "hash_sha256", "url", "email", "account"],
}


@pytest.mark.parametrize("vocabulary", WORDS, ids=lambda one: one.__name__)
def test_the_words_are_those_of_the_contract(vocabulary):
    assert [str(word) for word in vocabulary] == WORDS[vocabulary]


def test_severities_and_verdicts_are_ordered():
    assert [s.rank for s in Severity] == list(range(6))
    assert [m.rank for m in Malice] == list(range(4))


def test_what_counts_as_what():
    kinds = [(c.is_true_positive, c.is_benign_positive, c.is_false_positive) for c in CloseClassification]
    no = (False, False, False)
    assert kinds == [(True, False, False), (False, True, False), (False, False, True), (False, False, True), no, no, no]


@given(st.lists(st.sampled_from(Malice)))
def test_the_worst_verdict_wins(verdicts):
    for one in (Malice.MALICIOUS, Malice.SUSPICIOUS, Malice.BENIGN):
        if one in verdicts:
            assert worst_malice(verdicts) is one
            return
    assert worst_malice(verdicts) is Malice.PENDING


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.timezones(), allow_imaginary=False))  # noqa: DTZ001 - it adds zones
def test_micros_are_exact(moment):
    assert from_micros(to_micros(moment)) == moment.astimezone(UTC)
    assert from_micros(to_micros(moment)).tzinfo is UTC


def test_a_naive_time_is_utc():
    assert to_micros(datetime(1970, 1, 2)) == 86_400_000_000  # noqa: DTZ001 - the point
    assert to_micros(datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == 0


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2023, 11, 7, 5, 31, 56, tzinfo=UTC), "2023-11-07T05:31:56Z"),
        (datetime(2023, 11, 7, 5, 31, 56, 120_000, tzinfo=UTC), "2023-11-07T05:31:56.120000Z"),
        (datetime(2023, 11, 7, 5, 31, 56, 1, tzinfo=timezone(timedelta(hours=-1))), "2023-11-07T06:31:56.000001Z"),
        (datetime(1700, 1, 1, tzinfo=UTC), "1700-01-01T00:00:00Z"),
    ],
)
def test_the_wire_form(moment, text):
    assert rfc3339(moment) == text


def test_the_years_that_are_kept():
    assert from_micros(EARLIEST) == datetime(1700, 1, 1, tzinfo=UTC)
    assert from_micros(LATEST) == datetime(2250, 1, 1, tzinfo=UTC)
    assert [is_representable(t) for t in (EARLIEST - 1, EARLIEST, LATEST - 1, LATEST)] == [False, True, True, False]
    assert LATEST < 2**53
