"""The numbers: how good detection is."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from alertstore.domain.metrics import RATES, AlertMetrics, RuleMetrics, measure, worst_first
from alertstore.domain.times import to_micros
from alertstore.errors import AlertValidationError, FieldProblem
from alertstore.storage import aggregates, lists
from alertstore.store.reads import Reads

if TYPE_CHECKING:
    import sqlite3

CLOCKS = ("created_at", "occurred_at")
RULE_ORDERS = (*RATES, "total")


class Numbers(Reads):
    """Metrics over all alerts, or over those of one rule."""

    def metrics(
        self, *, start: datetime | None = None, end: datetime | None = None, by: str = "created_at", rule: str | None = None
    ) -> AlertMetrics:
        """Rates, times and counts of the alerts in [start, end) on `by` (created_at or occurred_at); no bound means all.

        With `rule` (uuid, or the tool's id) of that rule's alerts only, with their top indicators. Definitions: `domain.metrics`.
        Raises `AlertValidationError`; `AlertNotFoundError` for an unknown rule.
        """
        with self._read() as conn:
            window = self._window(conn, by, start, end, rule)
            indicators = aggregates.top_indicators(conn, window) if rule is not None else ()
            counts = aggregates.counts(conn, window)
        return measure(counts, by=by, start=start, end=end, top_indicators=indicators)

    def rule_metrics(
        self,
        *,
        order_by: str = "false_positive_rate",
        start: datetime | None = None,
        end: datetime | None = None,
        by: str = "created_at",
    ) -> list[RuleMetrics]:
        """Every detection rule with its verdicts in the window, worst first: by the lower bound of the interval of
        false_positive_rate, true_positive_rate, precision or decided_false_positive_rate, or by "total".

        `by` is the window's clock; an order's name is taken there too. Raises `AlertValidationError`.
        """
        if by in RULE_ORDERS:
            order_by, by = by, "created_at"
        if order_by not in RULE_ORDERS:
            raise AlertValidationError([FieldProblem("order_by", f"must be one of: {', '.join(RULE_ORDERS)}", order_by)])
        with self._read() as conn:
            found = aggregates.rules(conn, self._window(conn, by, start, end, None))
        return worst_first(found, order_by)

    def _window(
        self, conn: sqlite3.Connection, by: str, start: datetime | None, end: datetime | None, rule: str | None
    ) -> aggregates.Window:
        if by not in CLOCKS:
            raise AlertValidationError([FieldProblem("by", f"must be one of: {', '.join(CLOCKS)}", by)])
        wrong = [(name, bound) for name, bound in (("start", start), ("end", end)) if not isinstance(bound, datetime | None)]
        if wrong:
            raise AlertValidationError(FieldProblem(name, "must be a datetime", bound) for name, bound in wrong)
        number = None if rule is None else lists.rule_number(conn, str(rule))
        first, last = (None if moment is None else to_micros(moment) for moment in (start, end))
        return aggregates.Window(by, first, last, number)
