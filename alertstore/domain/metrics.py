"""How good detection is: rates with honest intervals, and times with their spread.

Source: the contract's metric table. Every rate names what it counts; where nothing was counted there is no rate.
"""

from __future__ import annotations

from collections import Counter
from math import sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING, NamedTuple

from attrs import field, frozen

from alertstore.domain.times import DAY, SECOND, from_micros
from alertstore.domain.vocabulary import AlertStatus, CloseClassification, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

Z_95 = NormalDist().inv_cdf(0.975)


@frozen
class Rate:
    """A share with what it was counted from; `low` and `high` bound it by the 95 % Wilson score interval."""

    numerator: int
    denominator: int

    @property
    def value(self) -> float | None:
        """The share, 0 to 1; None where the denominator is 0."""
        return self.numerator / self.denominator if self.denominator else None

    @property
    def low(self) -> float | None:
        """The lower bound of the interval; None where there is no rate."""
        return self._bound(-1)

    @property
    def high(self) -> float | None:
        """The upper bound of the interval; None where there is no rate."""
        return self._bound(+1)

    def _bound(self, side: int) -> float | None:
        n = self.denominator
        if not n:
            return None
        p, zz = self.numerator / n, Z_95 * Z_95
        half = Z_95 * sqrt(p * (1 - p) / n + zz / (4 * n * n))
        return min(1.0, max(0.0, (p + zz / (2 * n) + side * half) / (1 + zz / n)))


@frozen
class Verdicts:
    """How many alerts were closed as what, and the rates that follow."""

    by_classification: Mapping[CloseClassification, int]

    @property
    def closed(self) -> int:
        """All closed alerts."""
        return sum(self.by_classification.values())

    @property
    def true_positives(self) -> int:
        """Closed as True Positive."""
        return sum(n for verdict, n in self.by_classification.items() if verdict.is_true_positive)

    @property
    def benign_positives(self) -> int:
        """Closed as Benign Positive."""
        return sum(n for verdict, n in self.by_classification.items() if verdict.is_benign_positive)

    @property
    def false_positives(self) -> int:
        """Closed as one of the False Positives."""
        return sum(n for verdict, n in self.by_classification.items() if verdict.is_false_positive)

    @property
    def false_positive_rate(self) -> Rate:
        """False positives of all closed alerts."""
        return Rate(self.false_positives, self.closed)

    @property
    def true_positive_rate(self) -> Rate:
        """True positives of all closed alerts."""
        return Rate(self.true_positives, self.closed)

    @property
    def precision(self) -> Rate:
        """True positives of the true and false ones."""
        return Rate(self.true_positives, self.true_positives + self.false_positives)

    @property
    def decided_false_positive_rate(self) -> Rate:
        """False positives of the true, benign and false ones: without undetermined, duplicate and not applicable."""
        return Rate(self.false_positives, self.true_positives + self.benign_positives + self.false_positives)


@frozen
class Durations:
    """How long something took, in seconds, over the `n` alerts that have come there; `missing` have not (yet)."""

    n: int
    missing: int
    mean: float | None
    median: float | None
    p90: float | None
    p95: float | None

    @classmethod
    def of(cls, micros: Iterable[int], total: int) -> Durations:
        """From durations in microseconds; quantiles by nearest rank, `sorted[min(n - 1, floor(n * q))]`."""
        values = sorted(micros)
        n = len(values)
        if not n:
            return cls(0, total, None, None, None, None)
        median, p90, p95 = (values[min(n - 1, n * percent // 100)] / SECOND for percent in (50, 90, 95))
        return cls(n, total - n, sum(values) / n / SECOND, median, p90, p95)


TIMES = ("detect", "acknowledge", "triage", "conclude", "enrich")
"""The times that are measured: created_at - occurred_at, acknowledged_at - created_at, triaged_at - created_at,
closed_at - created_at, enriched_at - ingested_at. Alerts whose occurred_at is assumed have no time to detect."""


class MetricRow(NamedTuple):
    """What metrics need of one alert; times in microseconds."""

    status: AlertStatus
    severity: Severity
    source_name: str
    close_classification: CloseClassification | None
    detection_rule: str | None
    occurred_at: int
    occurred_at_assumed: bool
    created_at: int
    ingested_at: int
    acknowledged_at: int | None
    triaged_at: int | None
    closed_at: int | None
    enriched_at: int | None


class Group(NamedTuple):
    """A number of alerts that are alike in what is counted."""

    status: AlertStatus
    severity: Severity
    source_name: str
    close_classification: CloseClassification | None
    alerts: int


class DayGroup(NamedTuple):
    """A number of alerts of one day (days since the epoch) with one classification (None: not closed)."""

    day: int
    close_classification: CloseClassification | None
    alerts: int


@frozen
class Counts:
    """The numbers that metrics are made of, however they were counted."""

    groups: Sequence[Group]
    days: Sequence[DayGroup]
    rules: Sequence[tuple[str, int]]
    durations: Mapping[str, Sequence[int]]


def count(rows: Iterable[MetricRow], by: str = "created_at") -> Counts:
    """Count alerts one by one: what the numbers mean, and what a store's SQL is held against."""
    rows = list(rows)
    groups = Counter((r.status, r.severity, r.source_name, r.close_classification) for r in rows)
    days = Counter((getattr(r, by) // DAY, r.close_classification) for r in rows)
    rules = Counter(r.detection_rule for r in rows if r.detection_rule is not None)
    durations = {
        "detect": [r.created_at - r.occurred_at for r in rows if not r.occurred_at_assumed],
        "acknowledge": [r.acknowledged_at - r.created_at for r in rows if r.acknowledged_at is not None],
        "triage": [r.triaged_at - r.created_at for r in rows if r.triaged_at is not None],
        "conclude": [r.closed_at - r.created_at for r in rows if r.closed_at is not None],
        "enrich": [r.enriched_at - r.ingested_at for r in rows if r.enriched_at is not None],
    }
    return Counts(
        [Group(*key, n) for key, n in groups.items()],
        [DayGroup(*key, n) for key, n in days.items()],
        sorted(rules.items(), key=lambda item: (-item[1], item[0])),
        durations,
    )


@frozen
class AlertMetrics(Verdicts):
    """The numbers of a store, or of a part of it, over a window [start, end) on `by`."""

    start: datetime | None
    end: datetime | None
    by: str
    total: int
    active: int
    by_status: Mapping[AlertStatus, int]
    by_severity: Mapping[Severity, int]
    active_by_severity: Mapping[Severity, int]
    by_source: Mapping[str, int]
    by_day: Mapping[str, int]
    top_rules: Sequence[tuple[str, int]]
    verdicts_by_source: Mapping[str, Verdicts]
    verdicts_by_day: Mapping[str, Verdicts]
    enrichment_coverage: Rate
    time_to_detect: Durations
    time_to_acknowledge: Durations
    time_to_triage: Durations
    time_to_conclude: Durations
    time_to_enrich: Durations
    top_indicators: Sequence[tuple[str, str, int]] = field(default=())


TOP = 10


def measure(
    counts: Counts,
    *,
    by: str = "created_at",
    start: datetime | None = None,
    end: datetime | None = None,
    top_indicators: Sequence[tuple[str, str, int]] = (),
) -> AlertMetrics:
    """The metrics that counts come to."""
    status, severity, active, source, verdict = (Counter[str]() for _ in range(5))
    source_verdicts: dict[str, Counter[CloseClassification]] = {}
    for group in counts.groups:
        status[group.status] += group.alerts
        severity[group.severity] += group.alerts
        source[group.source_name] += group.alerts
        if group.status is not AlertStatus.CLOSED:
            active[group.severity] += group.alerts
        if group.close_classification is not None:
            verdict[group.close_classification] += group.alerts
            source_verdicts.setdefault(group.source_name, Counter())[group.close_classification] += group.alerts
    days, day_verdicts = _by_day(counts.days)
    total = sum(status.values())
    times = {name: Durations.of(counts.durations[name], total) for name in TIMES}
    return AlertMetrics(
        by_classification={c: verdict[c] for c in CloseClassification if verdict[c]},
        start=start,
        end=end,
        by=by,
        total=total,
        active=sum(active.values()),
        by_status={s: status[s] for s in AlertStatus if status[s]},
        by_severity={s: severity[s] for s in Severity if severity[s]},
        active_by_severity={s: active[s] for s in Severity if active[s]},
        by_source=dict(sorted(source.items())),
        by_day=days,
        top_rules=tuple(counts.rules[:TOP]),
        verdicts_by_source={name: Verdicts(source_verdicts.get(name, {})) for name in sorted(source)},
        verdicts_by_day=day_verdicts,
        enrichment_coverage=Rate(times["enrich"].n, total),
        time_to_detect=times["detect"],
        time_to_acknowledge=times["acknowledge"],
        time_to_triage=times["triage"],
        time_to_conclude=times["conclude"],
        time_to_enrich=times["enrich"],
        top_indicators=tuple(top_indicators),
    )


def _by_day(groups: Sequence[DayGroup]) -> tuple[dict[str, int], dict[str, Verdicts]]:
    totals: Counter[int] = Counter()
    verdicts: dict[int, Counter[CloseClassification]] = {}
    for group in groups:
        totals[group.day] += group.alerts
        if group.close_classification is not None:
            verdicts.setdefault(group.day, Counter())[group.close_classification] += group.alerts
    names = {day: from_micros(day * DAY).date().isoformat() for day in sorted(totals)}
    return (
        {name: totals[day] for day, name in names.items()},
        {name: Verdicts(verdicts.get(day, {})) for day, name in names.items()},
    )


@frozen
class RuleMetrics(Verdicts):
    """How one detection rule does."""

    uuid: str
    source_rule_id: str | None
    name: str
    source_name: str | None
    total: int

    @property
    def active(self) -> int:
        """Alerts of the rule that are not closed."""
        return self.total - self.closed


RATES = ("false_positive_rate", "true_positive_rate", "precision", "decided_false_positive_rate")


def worst_first(rules: Iterable[RuleMetrics], order_by: str) -> list[RuleMetrics]:
    """Order rules by the lower bound of a rate, highest first, or by "total"; rules without a rate come last.

    The lower bound, not the rate: one false positive of one says little, ninety of a hundred say much.
    """

    def key(rule: RuleMetrics) -> tuple[float, int, str, str]:
        low = None if order_by == "total" else getattr(rule, order_by).low
        return -1 * (-1.0 if low is None else low), -rule.total, rule.name, rule.uuid

    return sorted(rules, key=key)
