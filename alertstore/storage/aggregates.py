"""Counting in SQL: the same numbers as `domain.metrics.count`, without loading an alert."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from alertstore.domain.metrics import TOP, Counts, DayGroup, Group, RuleMetrics
from alertstore.domain.times import DAY
from alertstore.storage.rows import CLASSIFICATION, SEVERITY, STATUS, told

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_SPANS = ("acknowledge", "triage", "conclude", "enrich")
_REACHED = (
    "SELECT acknowledged_at - created_at, triaged_at - created_at, closed_at - created_at, enriched_at - ingested_at FROM alert "
    "WHERE coalesce(acknowledged_at, triaged_at, closed_at, enriched_at) IS NOT NULL AND "
)


class Window:
    """Which alerts are counted: [start, end) on a column, and one rule or all."""

    def __init__(self, by: str, start: int | None, end: int | None, rule: int | None) -> None:
        """Put the condition together; `by` is a checked column name."""
        parts: list[str] = []
        self.values: list[int] = []
        for part, value in ((f"{by} >= ?", start), (f"{by} < ?", end), ("detection_rule_id = ?", rule)):
            if value is not None:
                parts.append(part)
                self.values.append(value)
        self.sql = " AND ".join(parts) or "1"
        self.by = by


@told
def counts(conn: sqlite3.Connection, window: Window) -> Counts:
    """The counts of the alerts in a window."""

    def ask(sql: str) -> Sequence[tuple[Any, ...]]:
        return conn.execute(sql, window.values).fetchall()

    # Integer division rounds toward zero; days before 1970 must round down.
    day = f"({window.by} - ((({window.by} % {DAY}) + {DAY}) % {DAY})) / {DAY}"
    groups, days = Counter[tuple[Any, ...]](), Counter[tuple[Any, ...]]()
    counted = (
        f"SELECT {day}, status, severity, source_name, close_classification, count(*) FROM alert WHERE {window.sql} GROUP BY 1, 2, 3, 4, 5"
    )
    for on, status, severity, source, verdict, n in ask(counted):
        groups[status, severity, source, verdict] += n
        days[on, verdict] += n
    rules = ask(
        f"SELECT r.uuid, n FROM (SELECT detection_rule_id AS id, count(*) AS n FROM alert WHERE {window.sql} AND detection_rule_id IS NOT NULL "
        f"GROUP BY 1) JOIN detection_rule r USING (id) ORDER BY n DESC, r.uuid LIMIT {TOP}"
    )
    reached = list(zip(*ask(_REACHED + window.sql), strict=True)) or [()] * len(_SPANS)
    spans = {name: [t for t in column if t is not None] for name, column in zip(_SPANS, reached, strict=True)}
    detected = ask(f"SELECT created_at - occurred_at FROM alert WHERE occurred_at_assumed = 0 AND {window.sql}")
    return Counts(
        [Group(STATUS[s], SEVERITY[v], source, None if c is None else CLASSIFICATION[c], n) for (s, v, source, c), n in groups.items()],
        [DayGroup(d, None if c is None else CLASSIFICATION[c], n) for (d, c), n in days.items()],
        [(uuid, n) for uuid, n in rules],
        spans | {"detect": [t for (t,) in detected]},
    )


def top_indicators(conn: sqlite3.Connection, window: Window) -> list[tuple[str, str, int]]:
    """The indicators that most alerts in the window have: (type, value, alerts)."""
    sql = (
        f"SELECT i.type, i.value, n FROM (SELECT indicator_id AS id, count(*) AS n FROM alert_indicator WHERE alert_id IN "
        f"(SELECT id FROM alert WHERE {window.sql}) GROUP BY 1) JOIN indicator i USING (id) ORDER BY n DESC, i.type, i.value LIMIT {TOP}"
    )
    return list(conn.execute(sql, window.values))


@told
def rules(conn: sqlite3.Connection, window: Window) -> list[RuleMetrics]:
    """Every rule with its alerts in the window."""
    sql = f"SELECT detection_rule_id, close_classification, count(*) FROM alert WHERE {window.sql} AND detection_rule_id IS NOT NULL GROUP BY 1, 2"
    totals: dict[int, int] = {}
    verdicts: dict[int, dict[Any, int]] = {}
    for rule, verdict, n in conn.execute(sql, window.values):
        totals[rule] = totals.get(rule, 0) + n
        if verdict is not None:
            verdicts.setdefault(rule, {})[CLASSIFICATION[verdict]] = n
    return [
        RuleMetrics(verdicts.get(number, {}), uuid, rule_id, name, source, totals.get(number, 0))
        for number, uuid, rule_id, name, source in conn.execute("SELECT id, uuid, source_rule_id, name, source_name FROM detection_rule")
    ]
