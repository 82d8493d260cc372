"""What reads give, as the API's JSON: field for field what the API page shows, times as RFC 3339 with `Z`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, PlainSerializer

from alertstore.domain.times import rfc3339
from alertstore.domain.vocabulary import (
    AlertStatus,
    CloseClassification,
    Confidence,
    DocumentType,
    EnrichmentStatus,
    IndicatorType,
    Malice,
    Severity,
)

if TYPE_CHECKING:
    from alertstore.domain.alert import Alert

Time = Annotated[datetime, PlainSerializer(rfc3339, when_used="json")]


class _Model(BaseModel):
    """Made from a domain value by its attributes; validated, so that a value of the wrong shape never goes out."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    @classmethod
    def of(cls, value: object) -> Self:
        """The response for a domain value."""
        return cls.model_validate(value)


class IndicatorResponse(_Model):
    """One indicator."""

    uuid: str
    type: IndicatorType
    value: str
    first_seen: Time
    last_seen: Time
    is_enriched: bool
    malice: Malice
    created_at: Time
    updated_at: Time
    malice_source: str
    malice_overridden_at: Time | None
    enrichment_results: dict[str, Any] | None


class DetectionRuleResponse(_Model):
    """One detection rule."""

    uuid: str
    name: str
    source_rule_id: str | None
    source_name: str | None
    severity: str | None
    is_active: bool
    mitre_tactics: list[str]
    mitre_techniques: list[str]
    mitre_subtechniques: list[str]
    data_sources: list[str]
    run_frequency: str | None
    created_by: str | None
    documentation: str | None
    created_at: Time
    updated_at: Time


class ContextDocumentResponse(_Model):
    """One context document."""

    uuid: str
    title: str
    document_type: DocumentType
    is_global: bool
    description: str | None
    tags: list[str]
    version: int
    created_at: Time
    updated_at: Time
    content: str
    targeting_rules: dict[str, Any] | None


class FindingResponse(_Model):
    """One finding."""

    id: str
    agent_name: str
    summary: str
    confidence: Confidence | None
    recommended_action: str | None
    evidence: dict[str, Any] | None
    posted_at: Time


class AlertSummaryResponse(_Model):
    """A row of `GET /v1/alerts`."""

    uuid: str
    title: str
    description: str | None
    severity: Severity
    status: AlertStatus
    enrichment_status: EnrichmentStatus
    source_name: str
    occurred_at: Time
    ingested_at: Time
    is_enriched: bool
    duplicate_count: int
    tags: list[str]
    close_classification: CloseClassification | None
    closed_at: Time | None
    created_at: Time
    updated_at: Time


class AlertResponse(_Model):
    """The `data` of `GET /v1/alerts/{uuid}`; `AlertResponse.of(alert).model_dump(mode="json")` is exactly its JSON."""

    uuid: str
    title: str
    severity: Severity
    status: AlertStatus
    enrichment_status: EnrichmentStatus
    source_name: str
    occurred_at: Time
    ingested_at: Time
    enriched_at: Time | None
    is_enriched: bool
    fingerprint: str
    close_classification: CloseClassification | None
    acknowledged_at: Time | None
    triaged_at: Time | None
    closed_at: Time | None
    tags: list[str]
    detection_rule_id: int | None
    created_at: Time
    updated_at: Time
    description: str | None
    duplicate_count: int
    last_seen_at: Time
    raw_payload: Any
    malice: Malice
    malice_override: Malice | None
    malice_override_source: str | None
    malice_override_at: Time | None
    indicators: list[IndicatorResponse]
    detection_rule: DetectionRuleResponse | None
    context_documents: list[ContextDocumentResponse]
    agent_findings: list[FindingResponse]


def alert_envelope(alert: Alert, generated_at: datetime) -> dict[str, Any]:
    """The whole answer of `GET /v1/alerts/{uuid}`: `{"data": ..., "meta": ...}`."""
    return {"data": AlertResponse.of(alert).model_dump(mode="json"), "meta": alert_meta(alert, generated_at)}


def alert_meta(alert: Alert, generated_at: datetime) -> dict[str, Any]:
    """The `meta` of that answer."""
    providers = [(name, result) for i in alert.indicators for name, result in (i.enrichment_results or {}).items()]
    succeeded = {name for name, result in providers if isinstance(result, dict) and result.get("success")}
    return {
        "generated_at": rfc3339(generated_at),
        "alert_source": alert.source_name,
        "indicator_count": len(alert.indicators),
        "enrichment": {
            "succeeded": sorted(succeeded),
            "failed": sorted({name for name, _ in providers} - succeeded),
            "enriched_at": None if alert.enriched_at is None else rfc3339(alert.enriched_at),
        },
        "detection_rule_matched": alert.detection_rule is not None,
        "context_documents_applied": len(alert.context_documents),
    }
