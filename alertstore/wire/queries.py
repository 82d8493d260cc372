"""What stands in an address of the API: names in its path, and what follows the question mark; text that is read as values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from alertstore.domain.times import is_representable, to_micros
from alertstore.domain.vocabulary import AlertStatus, EnrichmentStatus, Severity

if TYPE_CHECKING:
    from enum import StrEnum


def _within_years(moment: datetime) -> datetime:
    """A time that can be counted in microseconds; where it has an offset, in UTC."""
    if not is_representable(to_micros(moment)):
        message = "must lie between the years 1700 and 2250"
        raise ValueError(message)
    return moment if moment.tzinfo is None else moment.astimezone(UTC)


Moment = Annotated[datetime, AfterValidator(_within_years)]


def _words(vocabulary: type[StrEnum]) -> AfterValidator:
    """Exact words joined by commas. The remote takes one that it does not know to mean nothing; here a slip is told."""

    def check(text: str) -> str:
        if text and not all(word in list(vocabulary) for word in text.split(",")):
            message = f"must be of these, joined by commas: {', '.join(vocabulary)}"
            raise ValueError(message)
        return text

    return AfterValidator(check)


class Query(BaseModel):
    """Parameters that nobody knows are passed over, as the remote does: an address is not an edit."""

    model_config = ConfigDict(extra="ignore")


class AlertPath(Query):
    """The path of an alert."""

    alert_uuid: UUID


class IndicatorPath(Query):
    """The path of an indicator."""

    indicator_uuid: UUID


class RulePath(Query):
    """The path of a detection rule."""

    rule_uuid: UUID


class DocumentPath(Query):
    """The path of a context document."""

    doc_uuid: UUID


class SourcePath(Query):
    """The path of a source's own way in."""

    source_name: str


class PageQuery(Query):
    """Which part of a list."""

    page: Annotated[int, Field(ge=1)] = 1
    page_size: Annotated[int, Field(ge=1, le=500)] = 50


class SortedQuery(PageQuery):
    """Which part of a list, in which order; an unknown order is refused in its own way, so that it is text here."""

    sort_by: str | None = None
    sort_order: str | None = None


class AlertsQuery(SortedQuery):
    """Which alerts. Words are joined by commas (any of them); of several `tags` all must be there."""

    status: Annotated[str, _words(AlertStatus)] | None = None
    severity: Annotated[str, _words(Severity)] | None = None
    source_name: str | None = None
    is_enriched: bool | None = None
    enrichment_status: Annotated[str, _words(EnrichmentStatus)] | None = None
    detection_rule_uuid: UUID | None = None
    from_time: Moment | None = None
    to_time: Moment | None = None
    tags: list[str] | None = None


class RulesQuery(SortedQuery):
    """Which detection rules."""

    source_name: str | None = None
    severity: str | None = None
    is_active: bool | None = None


class DocumentsQuery(SortedQuery):
    """Which context documents."""

    document_type: str | None = None
    is_global: bool | None = None


class GraphQuery(Query):
    """How many neighbours of each indicator."""

    sibling_limit: Annotated[int, Field(ge=1, le=50)] = 10


class EnrichQuery(Query):
    """Whether indicators are to be looked up."""

    enrich: bool = True


class PeriodQuery(Query):
    """From when to when, half-open; unless both are given, the last 30 days."""

    from_time: Moment | None = None
    to_time: Moment | None = None


class RulePeriodQuery(Query):
    """The same, as the metrics of one rule call it."""

    from_time: Annotated[Moment | None, Field(alias="from")] = None
    to_time: Annotated[Moment | None, Field(alias="to")] = None
