"""Rows to values: the only place that knows the order of columns."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from alertstore.domain.alert import (
    Alert,
    AlertSummary,
    ContextDocument,
    DetectionRule,
    Finding,
    Indicator,
    Occurrence,
)
from alertstore.domain.changes import AlertState
from alertstore.domain.events import Event, EventKind
from alertstore.domain.fold import FORGED, UNEDITED
from alertstore.domain.identity import indicator_uuid
from alertstore.domain.lifecycle import LifecycleTimes
from alertstore.domain.payload import Header
from alertstore.domain.times import EPOCH
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
from alertstore.errors import StoreDamagedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alertstore.domain.alert import Suggestion

Row = tuple[Any, ...]

ALERT = (
    "id, uuid, title, description, severity, status, enrichment_status, source_name, detection_rule_id, fingerprint, "
    "close_classification, tags, malice, malice_override, malice_override_source, malice_override_at, duplicate_count, "
    "occurred_at, occurred_at_assumed, last_seen_at, created_at, ingested_at, updated_at, enriched_at, acknowledged_at, "
    "triaged_at, closed_at, predecessor"
)
STATE = (
    "id, uuid, status, severity, close_classification, tags, malice_override, malice_override_source, malice_override_at, "
    "acknowledged_at, triaged_at, closed_at, updated_at, heads"
)
SUMMARY = (
    "id, uuid, title, description, severity, status, enrichment_status, source_name, occurred_at, ingested_at, enriched_at, "
    "duplicate_count, tags, close_classification, closed_at, created_at, updated_at"
)
INDICATOR = (
    "i.id, i.type, i.value, (SELECT min(occurred_at) FROM alert_indicator WHERE indicator_id = i.id), "
    "(SELECT max(occurred_at) FROM alert_indicator WHERE indicator_id = i.id), i.is_enriched, i.malice, i.created_at, i.updated_at, i.malice_source, "
    "i.malice_overridden_at, i.enrichment_results"
)
RULE = (
    "id, uuid, name, source_rule_id, source_name, severity, is_active, mitre_tactics, mitre_techniques, mitre_subtechniques, "
    "data_sources, run_frequency, created_by, documentation, created_at, updated_at"
)
DOCUMENT = "id, uuid, title, document_type, is_global, description, tags, version, created_at, updated_at, content, targeting_rules"
FINDING = "uuid, agent_name, summary, confidence, recommended_action, evidence, posted_at"
OCCURRENCE = "occurred_at, raw, sha256, import_id, record, source_name"
EVENT = "seq, body"

# Looking a word up in a dict is several times faster than calling its enum.
STATUS = {s.value: s for s in AlertStatus}
SEVERITY = {s.value: s for s in Severity}
CLASSIFICATION = {c.value: c for c in CloseClassification}
MALICE = {m.value: m for m in Malice}
INDICATOR_TYPE = {t.value: t for t in IndicatorType}
ENRICHMENT = {e.value: e for e in EnrichmentStatus}


_NO_HEADS: dict[str, list[int]] = json.loads(UNEDITED)
_decode = json.JSONDecoder().raw_decode  # what json.loads does, without its checks of the argument


@lru_cache(maxsize=4096)
def moment(micros: int) -> datetime:
    """The datetime of a column that is never null. One transaction's times are equal, so most were made already."""
    return EPOCH + timedelta(0, 0, micros)


def maybe(micros: int | None) -> datetime | None:
    """The datetime of a column that may be null."""
    return None if micros is None else moment(micros)


def texts(column: str) -> tuple[str, ...]:
    """A JSON list of text."""
    return () if column == "[]" else tuple(json.loads(column))


def optional_json(column: str | None) -> Any:
    """A JSON value that may be null."""
    return None if column is None else json.loads(column)


P = ParamSpec("P")
T = TypeVar("T")


def told(make: Callable[P, T]) -> Callable[P, T]:
    """Say of a row that no statement of ours has written, in our own words, that it cannot be read."""

    @wraps(make)
    def wrapped(*args: P.args, **more: P.kwargs) -> T:
        try:
            return make(*args, **more)
        except (*FORGED, OverflowError) as fault:
            message = f"a row cannot be read as {make.__name__}: it was damaged, or changed from outside ({fault!r:.200})"
            raise StoreDamagedError(message, advice="keep a copy, run verify, restore a backup") from fault

    return wrapped


@told
def state(row: Row) -> tuple[int, AlertState]:
    """(number, state) of a row of STATE columns."""
    (number, uuid, status, severity, verdict, tags, override, source, since, acknowledged, triaged, closed, updated, heads) = row
    return number, AlertState(
        uuid,
        STATUS[status],
        SEVERITY[severity],
        None if verdict is None else CLASSIFICATION[verdict],
        texts(tags),
        None if override is None else MALICE[override],
        source,
        since,
        LifecycleTimes(acknowledged, triaged, closed),
        updated,
        _NO_HEADS if heads == UNEDITED else _decode(heads)[0],
    )


@told
def summary(row: Row) -> AlertSummary:
    """The value of a row of SUMMARY columns."""
    return AlertSummary(
        row[1],
        row[2],
        row[3],
        SEVERITY[row[4]],
        STATUS[row[5]],
        ENRICHMENT[row[6]],
        row[7],
        moment(row[8]),
        moment(row[9]),
        row[10] is not None,
        row[11],
        texts(row[12]),
        None if row[13] is None else CLASSIFICATION[row[13]],
        maybe(row[14]),
        moment(row[15]),
        moment(row[16]),
    )


@told
def indicator(row: Row, store_id: str) -> Indicator:
    """The value of a row of INDICATOR columns."""
    (number, kind, value, first, last, enriched, malice, created, updated, source, overridden, results) = row
    return Indicator(
        indicator_uuid(store_id, number),
        INDICATOR_TYPE[kind],
        value,
        moment(created if first is None else first),
        moment(created if last is None else last),
        bool(enriched),
        MALICE[malice],
        moment(created),
        moment(updated),
        source,
        maybe(overridden),
        _results(results),
    )


def _results(column: str | None) -> Any:
    """What providers said of an indicator, each in the shape in which it is kept. Raises one of `FORGED` where it is not."""
    found = optional_json(column)
    for one in () if column is None else found.values():
        dict(one["extracted"] or {}, success=one["success"], error_message=one["error_message"])
    return found


@told
def rule(row: Row) -> DetectionRule:
    """The value of a row of RULE columns."""
    (_, uuid, name, rule_id, source, severity, active, tactics, techniques, subtechniques, data_sources, frequency, author,
     documentation, created, updated) = row  # fmt: skip
    return DetectionRule(
        uuid,
        name,
        rule_id,
        source,
        severity,
        bool(active),
        texts(tactics),
        texts(techniques),
        texts(subtechniques),
        texts(data_sources),
        frequency,
        author,
        documentation,
        moment(created),
        moment(updated),
    )


@told
def document(row: Row) -> ContextDocument:
    """The value of a row of DOCUMENT columns."""
    (_, uuid, title, kind, is_global, description, tags, version, created, updated, content, rules) = row
    return ContextDocument(
        uuid,
        title,
        DocumentType(kind),
        bool(is_global),
        description,
        texts(tags),
        version,
        moment(created),
        moment(updated),
        content,
        optional_json(rules),
    )


@told
def finding(row: Row) -> Finding:
    """The value of a row of FINDING columns."""
    (uuid, author, text, confidence, action, evidence, posted) = row
    return Finding(
        uuid,
        author,
        text,
        None if confidence is None else Confidence(confidence),
        action,
        optional_json(evidence),
        moment(posted),
    )


@told
def occurrence(row: Row) -> Occurrence:
    """The value of a row of OCCURRENCE columns."""
    (occurred, raw, sha256, import_id, record, source) = row
    return Occurrence(moment(occurred), raw, sha256.hex(), import_id, record, source)


def header(columns: str | None, delimiter: str | None) -> Header | None:
    """The header of an import's records, where they are rows of a table."""
    return None if columns is None or delimiter is None else Header(texts(columns), delimiter)


@told
def alert(
    row: Row,
    *,
    indicators: Sequence[Indicator],
    detection_rule: DetectionRule | None,
    documents: Sequence[ContextDocument],
    findings: Sequence[Finding],
    raw: bytes | None,
    raw_header: Header | None,
    raw_member: str | None,
    aliases: Sequence[str],
    suggestion: Suggestion | None,
) -> Alert:
    """The value of a row of ALERT columns and what belongs to it."""
    (_, uuid, title, description, severity, status, enrichment, source, rule_id, fingerprint, verdict, tags, malice, override,
     override_source, override_at, duplicates, occurred, assumed, last_seen, created, ingested, updated, enriched, acknowledged,
     triaged, closed, predecessor) = row  # fmt: skip
    return Alert(
        uuid,
        title,
        description,
        SEVERITY[severity],
        STATUS[status],
        ENRICHMENT[enrichment],
        source,
        moment(occurred),
        moment(ingested),
        maybe(enriched),
        enriched is not None,
        fingerprint,
        None if verdict is None else CLASSIFICATION[verdict],
        maybe(acknowledged),
        maybe(triaged),
        maybe(closed),
        texts(tags),
        rule_id,
        moment(created),
        moment(updated),
        duplicates,
        moment(last_seen),
        MALICE[malice],
        None if override is None else MALICE[override],
        override_source,
        maybe(override_at),
        bool(assumed),
        predecessor,
        tuple(indicators),
        detection_rule,
        tuple(documents),
        tuple(findings),
        raw,
        raw_header,
        raw_member,
        tuple(aliases),
        suggestion,
    )


@told
def event(row: Row, store_id: str) -> Event:
    """The value of a row of EVENT columns."""
    seq, stored = row
    body = json.loads(stored)
    return Event(
        seq,
        (store_id, seq),
        moment(body["at"]),
        body["actor"],
        EventKind(body["kind"]),
        body["subject"],
        {name: (old, new) for name, (old, new) in body.get("changes", {}).items()},
        body.get("reason"),
        body.get("origin"),
        body,
    )
