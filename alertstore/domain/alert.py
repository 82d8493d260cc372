"""What a read gives: frozen values in the shape of the API page, nested parts included."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from alertstore.domain.payload import Header, view

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

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


@frozen
class Indicator:
    """One (type, value) and what is known of it.

    `first_seen` and `last_seen` span the event times (occurred_at) of the alerts that have it; where all of those were deleted,
    they are created_at.
    """

    uuid: str
    type: IndicatorType
    value: str
    first_seen: datetime
    last_seen: datetime
    is_enriched: bool
    malice: Malice
    created_at: datetime
    updated_at: datetime
    malice_source: str
    malice_overridden_at: datetime | None = None
    enrichment_results: Mapping[str, Any] | None = None


@frozen
class DetectionRule:
    """A detection rule of a tool; `severity` is the tool's own word. `source_rule_id` is the tool's id, as text."""

    uuid: str
    name: str
    source_rule_id: str | None
    source_name: str | None
    severity: str | None
    is_active: bool
    mitre_tactics: tuple[str, ...]
    mitre_techniques: tuple[str, ...]
    mitre_subtechniques: tuple[str, ...]
    data_sources: tuple[str, ...]
    run_frequency: str | None
    created_by: str | None
    documentation: str | None
    created_at: datetime
    updated_at: datetime


@frozen
class ContextDocument:
    """A runbook or the like, shown with the alerts that its targeting rules name (all of them if global)."""

    uuid: str
    title: str
    document_type: DocumentType
    is_global: bool
    description: str | None
    tags: tuple[str, ...]
    version: int
    created_at: datetime
    updated_at: datetime
    content: str
    targeting_rules: Mapping[str, Any] | None


@frozen
class Finding:
    """What somebody, a person or a program, found out about an alert."""

    id: str
    agent_name: str
    summary: str
    confidence: Confidence | None
    recommended_action: str | None
    evidence: Mapping[str, Any] | None
    posted_at: datetime


@frozen
class Occurrence:
    """One record that reported an alert: the bytes as they came, their SHA-256 (hex), and where they stood.

    `raw` is None where the record was redacted; its SHA-256 stays.
    """

    occurred_at: datetime
    raw: bytes | None = field(repr=False)
    sha256: str
    import_id: int | None
    record: int | None
    source_name: str


@frozen
class Suggestion:
    """A verdict that was given once already: that of the closed alert (`predecessor`, its uuid) which an active one repeats.

    `closed_at` is when that one was closed, `actor` who gave it the classification it has; None where its history was pruned.
    """

    classification: CloseClassification
    predecessor: str
    closed_at: datetime
    actor: str | None


@frozen
class AlertSummary:
    """A row of a list: the remote's list fields."""

    uuid: str
    title: str
    description: str | None
    severity: Severity
    status: AlertStatus
    enrichment_status: EnrichmentStatus
    source_name: str
    occurred_at: datetime
    ingested_at: datetime
    is_enriched: bool
    duplicate_count: int
    tags: tuple[str, ...]
    close_classification: CloseClassification | None
    closed_at: datetime | None
    created_at: datetime
    updated_at: datetime


@frozen(slots=False)
class Alert:
    """An alert with everything that belongs to it. Two are equal when all fields are, the raw bytes included.

    `occurred_at_assumed`, `predecessor` and `aliases` are local: the record had no time; the closed alert that this one repeats;
    the uuids that other stores know it by, which find it here too. So is `suggestion`, which tells of another alert and is not compared:
    the verdict of `predecessor`, while that one is Closed and this one is not.
    """

    uuid: str
    title: str
    description: str | None
    severity: Severity
    status: AlertStatus
    enrichment_status: EnrichmentStatus
    source_name: str
    occurred_at: datetime
    ingested_at: datetime
    enriched_at: datetime | None
    is_enriched: bool
    fingerprint: str
    close_classification: CloseClassification | None
    acknowledged_at: datetime | None
    triaged_at: datetime | None
    closed_at: datetime | None
    tags: tuple[str, ...]
    detection_rule_id: int | None
    created_at: datetime
    updated_at: datetime
    duplicate_count: int
    last_seen_at: datetime
    malice: Malice
    malice_override: Malice | None
    malice_override_source: str | None
    malice_override_at: datetime | None
    occurred_at_assumed: bool
    predecessor: str | None
    indicators: tuple[Indicator, ...]
    detection_rule: DetectionRule | None
    context_documents: tuple[ContextDocument, ...]
    agent_findings: tuple[Finding, ...]
    raw: bytes | None = field(repr=False)
    raw_header: Header | None = field(repr=False)
    raw_member: str | None = field(default=None, repr=False)
    aliases: tuple[str, ...] = ()
    suggestion: Suggestion | None = field(default=None, eq=False)

    @cached_property
    def raw_payload(self) -> Any:
        """The first record of the alert, parsed when asked for: a view of the kept bytes, which are the evidence.

        Of an alert that came from a remote the bytes are all that it said; the payload is a member of that.
        """
        if self.raw is None:
            return None
        whole = view(self.raw, self.raw_header)
        return whole if self.raw_member is None or not isinstance(whole, dict) else whole.get(self.raw_member)
