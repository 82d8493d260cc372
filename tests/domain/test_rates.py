"""Rates with their intervals, times with their spread."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.metrics import (
    DAY,
    Counts,
    Durations,
    Group,
    MetricRow,
    Rate,
    RuleMetrics,
    Verdicts,
    count,
    measure,
    worst_first,
)
from alertstore.domain.vocabulary import AlertStatus, CloseClassification, Severity

TRUE, BENIGN, LOGIC, DATA, UNDETERMINED, DUPLICATE, NOT_APPLICABLE = CloseClassification


# Wilson's interval at 95 %, from published tables (Newcombe 1998, table I: 81/263, 15/148, 0/20, 1/29) and by hand (7/10).
@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (7, 10, 0.3968, 0.8922),
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
        (1, 1, 0.2065, 1.0),
        (0, 1, 0.0, 0.7935),
    ],
)
def test_known_intervals(k, n, low, high):
    rate = Rate(k, n)
    assert rate.value == k / n
    assert (round(rate.low, 4), round(rate.high, 4)) == (low, high)


def test_nothing_counted_is_no_rate():
    rate = Rate(0, 0)
    assert (rate.value, rate.low, rate.high) == (None, None, None)


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_rate_and_is_symmetric(pair):
    k, n = pair
    rate, other = Rate(k, n), Rate(n - k, n)
    slack = 1e-12
    assert 0 <= rate.low <= rate.value + slack
    assert rate.value - slack <= rate.high <= 1
    assert math.isclose(rate.low, 1 - other.high, abs_tol=1e-9)


@given(st.integers(1, 10**4))
def test_of_none_and_of_all_the_bound_is_exact(n):
    assert Rate(0, n).low == pytest.approx(0, abs=1e-12)
    assert Rate(n, n).high == pytest.approx(1, abs=1e-12)
    assert Rate(0, n).high < 1
    assert Rate(n, n).low > 0


EXAMPLE = {TRUE: 20, BENIGN: 30, LOGIC: 15, DATA: 10, UNDETERMINED: 10, DUPLICATE: 10, NOT_APPLICABLE: 5}


def test_the_worked_example():
    verdicts = Verdicts(EXAMPLE)
    assert (verdicts.closed, verdicts.true_positives, verdicts.benign_positives, verdicts.false_positives) == (100, 20, 30, 25)
    assert verdicts.false_positive_rate == Rate(25, 100)
    assert verdicts.true_positive_rate == Rate(20, 100)
    assert verdicts.precision == Rate(20, 45)
    assert verdicts.decided_false_positive_rate == Rate(25, 75)
    assert round(verdicts.decided_false_positive_rate.value, 3) == 0.333
    assert round(1 - verdicts.precision.value, 3) == 0.556


def test_no_verdict_no_rate():
    nothing = Verdicts({})
    rates = [nothing.false_positive_rate, nothing.true_positive_rate, nothing.precision, nothing.decided_false_positive_rate]
    assert [rate.value for rate in rates] == [None] * 4
    undecided = Verdicts({DUPLICATE: 3})
    assert (undecided.false_positive_rate.value, undecided.precision.value, undecided.decided_false_positive_rate.value) == (
        0.0,
        None,
        None,
    )


S = 1_000_000


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([], (0, 5, None, None, None, None)),
        ([4], (1, 4, 4.0, 4.0, 4.0, 4.0)),
        ([3, 1], (2, 3, 2.0, 3.0, 3.0, 3.0)),
        ([5, 1, 3], (3, 2, 3.0, 3.0, 5.0, 5.0)),
        ([1, 2, 3, 4], (4, 1, 2.5, 3.0, 4.0, 4.0)),
    ],
)
def test_durations(seconds, expected):
    found = Durations.of([s * S for s in seconds], 5)
    assert (found.n, found.missing, found.mean, found.median, found.p90, found.p95) == expected


def test_durations_of_a_hundred():
    found = Durations.of([k * S for k in range(100)], 100)
    assert (found.median, found.p90, found.p95) == (50.0, 90.0, 95.0)
    found = Durations.of([k * S for k in range(20)], 20)
    assert (found.median, found.p90, found.p95) == (10.0, 18.0, 19.0)


@given(st.lists(st.integers(-(10**15), 10**15), min_size=1, max_size=50))
def test_the_nearest_rank_as_the_contract_says_it(micros):
    found, ordered, n = Durations.of(micros, len(micros)), sorted(micros), len(micros)
    for value, percent in ((found.median, 50), (found.p90, 90), (found.p95, 95)):
        assert value == ordered[min(n - 1, percent * n // 100)] / S
    assert found.mean == pytest.approx(sum(micros) / n / S)


def row(status=AlertStatus.OPEN, verdict=None, **over):
    fields = {
        "status": status,
        "severity": Severity.LOW,
        "source_name": "generic",
        "close_classification": verdict,
        "detection_rule": None,
        "occurred_at": 0,
        "occurred_at_assumed": False,
        "created_at": 60 * S,
        "ingested_at": 60 * S,
        "acknowledged_at": None,
        "triaged_at": None,
        "closed_at": None,
        "enriched_at": None,
    }
    return MetricRow(**fields | over)


def test_a_few_alerts_counted():
    rows = [
        row(),
        row(
            AlertStatus.CLOSED,
            LOGIC,
            acknowledged_at=70 * S,
            triaged_at=80 * S,
            closed_at=90 * S,
            detection_rule="r1",
            severity=Severity.HIGH,
        ),
        row(AlertStatus.CLOSED, TRUE, acknowledged_at=60 * S, closed_at=61 * S, detection_rule="r2", source_name="zeek"),
        row(
            AlertStatus.TRIAGING, detection_rule="r2", occurred_at=60 * S, occurred_at_assumed=True, created_at=DAY - 1, enriched_at=65 * S
        ),
        row(AlertStatus.ESCALATED, severity=Severity.CRITICAL, created_at=-1, occurred_at=-3 * S),
    ]
    start, end = datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)
    found = measure(count(rows), start=start, end=end, top_indicators=[("ip", "203.0.113.9", 2)])
    assert (found.total, found.active, found.closed) == (5, 3, 2)
    assert (found.start, found.end, found.by) == (start, end, "created_at")
    assert found.by_status == {"Open": 1, "Triaging": 1, "Escalated": 1, "Closed": 2}
    assert found.by_severity == {"Low": 3, "High": 1, "Critical": 1}
    assert found.active_by_severity == {"Low": 2, "Critical": 1}
    assert found.by_source == {"generic": 4, "zeek": 1}
    assert found.by_classification == {LOGIC: 1, TRUE: 1}
    assert found.by_day == {"1969-12-31": 1, "1970-01-01": 4}
    assert found.top_rules == (("r2", 2), ("r1", 1))
    assert found.verdicts_by_source["zeek"].true_positive_rate == Rate(1, 1)
    assert found.verdicts_by_source["generic"].false_positive_rate == Rate(1, 1)
    assert found.verdicts_by_day["1969-12-31"].closed == 0
    assert found.verdicts_by_day["1970-01-01"].closed == 2
    assert found.enrichment_coverage == Rate(1, 5)
    assert (found.time_to_detect.n, found.time_to_detect.missing) == (4, 1)
    assert found.time_to_acknowledge == Durations(2, 3, 5.0, 10.0, 10.0, 10.0)
    assert found.time_to_triage == Durations(1, 4, 20.0, 20.0, 20.0, 20.0)
    assert found.time_to_conclude == Durations(2, 3, 15.5, 30.0, 30.0, 30.0)
    assert found.time_to_enrich.mean == 5.0
    assert found.top_indicators == (("ip", "203.0.113.9", 2),)
    later = [row(created_at=3 * DAY)]
    assert [count(later, by).days[0].day for by in ("created_at", "occurred_at")] == [3, 0]


def test_at_most_ten_rules_lead():
    groups = [Group(AlertStatus.OPEN, Severity.LOW, "generic", None, 1)]
    times = dict.fromkeys(("detect", "acknowledge", "triage", "conclude", "enrich"), ())
    counts = Counts(groups, [], [(f"r{k}", 1) for k in range(12)], times)
    assert len(measure(counts).top_rules) == 10


def rule(name, total, **verdicts):
    return RuleMetrics({CloseClassification[key]: n for key, n in verdicts.items()}, f"uuid-{name}", None, name, None, total)


def test_the_worst_rule_is_that_of_the_highest_lower_bound():
    lucky = rule("one of one", 1, FALSE_POSITIVE_INACCURATE_DATA=1)
    bad = rule("ninety of a hundred", 100, FALSE_POSITIVE_INACCURATE_DATA=90, UNDETERMINED=10)
    good = rule("none of fifty", 50, TRUE_POSITIVE_SUSPICIOUS_ACTIVITY=50)
    silent, unread = rule("no alert", 0), rule("open only", 3)
    rules = [silent, good, lucky, unread, bad]
    assert worst_first(rules, "false_positive_rate") == [bad, lucky, good, unread, silent]
    assert worst_first(rules, "true_positive_rate")[0] is good
    assert worst_first(rules, "total") == [bad, good, unread, lucky, silent]
    assert (bad.active, unread.active) == (0, 3)
