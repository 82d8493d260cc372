"""What the API answers besides alerts and their parts: what became of a record, the graph around an alert, the numbers.

Numbers that the remote always gives are given here too: a rate that does not exist is 0.0, as there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.vocabulary import IndicatorType, Malice, Severity
from alertstore.wire.responses import ContextDocumentResponse, IndicatorResponse, Time, _Model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from alertstore.domain.alert import DetectionRule
    from alertstore.domain.metrics import AlertMetrics, Rate


class IngestResponse(_Model):
    """What became of one record: `queued` made an alert, `deduplicated` belongs to one that is here."""

    alert_uuid: str
    status: str
    is_duplicate: bool
    duplicate_count: int | None


class IndicatorsAddedResponse(_Model):
    """The indicators of the request as the alert has them now."""

    added_count: int
    indicators: list[IndicatorResponse]
    enrich_requested: bool


class ContextDocumentSummaryResponse(_Model):
    """A row of the list of context documents: all but its content and whom it is for."""

    uuid: str
    title: str
    document_type: str
    is_global: bool
    description: str | None
    tags: list[str]
    version: int
    created_at: Time
    updated_at: Time

    @classmethod
    def of(cls, value: object) -> ContextDocumentSummaryResponse:
        """The row for a document."""
        whole = ContextDocumentResponse.of(value)
        return cls.model_validate({name: getattr(whole, name) for name in cls.model_fields})


class GraphAlertResponse(_Model):
    """An alert in the graph."""

    uuid: str
    title: str
    severity: Severity
    status: str
    source_name: str
    occurred_at: Time
    tags: list[str]

    @classmethod
    def of(cls, value: object) -> GraphAlertResponse:
        """The node for an alert or a row of a list."""
        return cls.model_validate({name: getattr(value, name) for name in cls.model_fields})


class GraphIndicatorResponse(_Model):
    """An indicator in the graph, with other alerts that have it, newest first."""

    uuid: str
    type: IndicatorType
    value: str
    malice: Malice
    first_seen: Time
    last_seen: Time
    is_enriched: bool
    enrichment_summary: dict[str, str]
    total_alert_count: int
    sibling_alerts: list[GraphAlertResponse]


class GraphResponse(_Model):
    """An alert, its indicators, and their other alerts."""

    alert: GraphAlertResponse
    indicators: list[GraphIndicatorResponse]


class DayResponse(_Model):
    """Alerts of one day."""

    date: str
    count: int


class RuleCountResponse(_Model):
    """Alerts of one rule."""

    uuid: str
    name: str
    count: int


class IndicatorCountResponse(_Model):
    """Alerts with one indicator."""

    type: IndicatorType
    value: str
    count: int


class AlertMetricsResponse(_Model):
    """`GET /v1/metrics/alerts`; times in seconds."""

    period_from: str
    period_to: str
    total_alerts: int
    alerts_by_status: dict[str, int]
    alerts_by_severity: dict[str, int]
    alerts_by_source: dict[str, int]
    alerts_over_time: list[DayResponse]
    false_positive_rate: float
    mean_time_to_enrich: float | None
    mean_time_to_detect: float | None
    mean_time_to_acknowledge: float | None
    mean_time_to_triage: float | None
    mean_time_to_conclusion: float | None
    active_alerts_by_severity: dict[str, int]
    top_detection_rules: list[RuleCountResponse]
    enrichment_coverage: float


class RuleMetricsResponse(_Model):
    """`GET /v1/detection-rules/{uuid}/metrics`; times in seconds."""

    detection_rule_uuid: str
    detection_rule_name: str
    period_from: str
    period_to: str
    total_alerts: int
    active_alerts: int
    alerts_by_status: dict[str, int]
    alerts_by_severity: dict[str, int]
    false_positive_rate: float
    true_positive_rate: float
    close_classifications: dict[str, int]
    alerts_over_time: list[DayResponse]
    fp_over_time: list[DayResponse]
    mtta_seconds: float | None
    mttc_seconds: float | None
    severity_distribution: dict[str, int]
    top_indicators: list[IndicatorCountResponse]
    alert_sources: dict[str, int]


class SummaryAlertsResponse(_Model):
    """The alerts of the summary; times in seconds."""

    total: int
    active: int
    by_severity: dict[str, int]
    by_status: dict[str, int]
    by_source: dict[str, int]
    enrichment_coverage: float
    mean_time_to_enrich_seconds: float | None
    false_positive_rate: float
    mttd_seconds: float | None
    mtta_seconds: float | None
    mttt_seconds: float | None
    mttc_seconds: float | None


class SummaryResponse(_Model):
    """`GET /v1/metrics/summary`. What the store has none of (workflows, approvals, agents) is counted as none."""

    period: str
    alerts: SummaryAlertsResponse
    workflows: dict[str, int | float]
    approvals: dict[str, int | float | None]
    platform: dict[str, int | dict[str, int]]
    queue: dict[str, Any] | None


def alert_metrics(found: AlertMetrics, period: tuple[str, str], rules: Mapping[str, DetectionRule]) -> AlertMetricsResponse:
    """The numbers of a period; `rules` names the top rules by their uuids."""
    return AlertMetricsResponse(
        period_from=period[0],
        period_to=period[1],
        total_alerts=found.total,
        alerts_by_status=_named(found.by_status),
        alerts_by_severity=_named(found.by_severity),
        alerts_by_source=_named(found.by_source),
        alerts_over_time=_days(found.by_day),
        false_positive_rate=_rate(found.false_positive_rate),
        mean_time_to_enrich=found.time_to_enrich.mean,
        mean_time_to_detect=found.time_to_detect.mean,
        mean_time_to_acknowledge=found.time_to_acknowledge.mean,
        mean_time_to_triage=found.time_to_triage.mean,
        mean_time_to_conclusion=found.time_to_conclude.mean,
        active_alerts_by_severity=_named(found.active_by_severity),
        top_detection_rules=[RuleCountResponse(uuid=uuid, name=rules[uuid].name, count=n) for uuid, n in found.top_rules],
        enrichment_coverage=_rate(found.enrichment_coverage),
    )


def rule_metrics(found: AlertMetrics, period: tuple[str, str], rule: DetectionRule) -> RuleMetricsResponse:
    """The numbers of one rule in a period."""
    false = {day: verdicts.false_positives for day, verdicts in found.verdicts_by_day.items() if verdicts.false_positives}
    return RuleMetricsResponse(
        detection_rule_uuid=rule.uuid,
        detection_rule_name=rule.name,
        period_from=period[0],
        period_to=period[1],
        total_alerts=found.total,
        active_alerts=found.active,
        alerts_by_status=_named(found.by_status),
        alerts_by_severity=_named(found.by_severity),
        false_positive_rate=_rate(found.false_positive_rate),
        true_positive_rate=_rate(found.true_positive_rate),
        close_classifications=_named(found.by_classification),
        alerts_over_time=_days(found.by_day),
        fp_over_time=_days(false),
        mtta_seconds=found.time_to_acknowledge.mean,
        mttc_seconds=found.time_to_conclude.mean,
        severity_distribution=_named(found.by_severity),
        top_indicators=[IndicatorCountResponse(type=IndicatorType(kind), value=value, count=n) for kind, value, n in found.top_indicators],
        alert_sources=_named(found.by_source),
    )


def summary(found: AlertMetrics, documents: int, rules: int) -> SummaryResponse:
    """The numbers of the last 30 days, and how many documents and rules there are."""
    alerts = SummaryAlertsResponse(
        total=found.total,
        active=found.active,
        by_severity=_named(found.active_by_severity),
        by_status=_named(found.by_status),
        by_source=_named(found.by_source),
        enrichment_coverage=_rate(found.enrichment_coverage),
        mean_time_to_enrich_seconds=found.time_to_enrich.mean,
        false_positive_rate=_rate(found.false_positive_rate),
        mttd_seconds=found.time_to_detect.mean,
        mtta_seconds=found.time_to_acknowledge.mean,
        mttt_seconds=found.time_to_triage.mean,
        mttc_seconds=found.time_to_conclude.mean,
    )
    return SummaryResponse(
        period="last_30_days",
        alerts=alerts,
        workflows={"total_configured": 0, "executions": 0, "success_rate": 0.0, "estimated_time_saved_hours": 0.0},
        approvals={"pending": 0, "approved_last_30_days": 0, "approval_rate": 0.0, "median_response_time_minutes": None},
        platform={
            "context_documents": documents,
            "detection_rules": rules,
            "enrichment_providers": 0,
            "enrichment_providers_by_indicator_type": {},
            "agents": 0,
            "workflows": 0,
            "indicator_mappings": 0,
        },
        queue=None,
    )


def period_text(moment: datetime) -> str:
    """A bound of a period as the remote echoes it: with `Z` where an offset was given, bare where there was none."""
    return moment.replace(tzinfo=None).isoformat() + ("" if moment.tzinfo is None else "Z")


def _rate(rate: Rate) -> float:
    return rate.value or 0.0


def _named(counts: Mapping[Any, int]) -> dict[str, int]:
    return {str(name): n for name, n in counts.items()}


def _days(by_day: Mapping[str, int]) -> list[DayResponse]:
    return [DayResponse(date=day, count=n) for day, n in by_day.items()]
