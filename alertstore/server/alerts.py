"""Alerts, and what belongs to one: each handler is a call or two of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.indicators import normalise
from alertstore.domain.times import MICROSECOND
from alertstore.errors import AlertNotFoundError, AlertValidationError, SourceError
from alertstore.server.calls import LONGEST_INGEST, Answer, Call, Operation, Refusal
from alertstore.server.lists import order, page_meta, page_of
from alertstore.wire import AlertResponse, AlertSummaryResponse, ContextDocumentResponse, FindingResponse, IndicatorResponse, alert_meta
from alertstore.wire.activity import ActivityResponse, activity
from alertstore.wire.bodies import IndicatorPatchRequest, IndicatorsRequest, IngestRequest
from alertstore.wire.queries import AlertPath, AlertsQuery, EnrichQuery, GraphQuery, IndicatorPath, PageQuery, SourcePath
from alertstore.wire.reports import GraphAlertResponse, GraphIndicatorResponse, GraphResponse, IndicatorsAddedResponse, IngestResponse
from alertstore.wire.requests import AlertPatchRequest, FindingRequest

if TYPE_CHECKING:
    from alertstore.domain.alert import Alert, Indicator
    from alertstore.store import AlertStore

ORDERS = ("occurred_at", "created_at", "severity", "status", "source_name", "title")
FILTERS = {"status": "status", "severity": "severity", "source_name": "source", "enrichment_status": "enrichment"}
ENRICHED = {True: ["Enriched"], False: ["Pending", "Failed"]}


def list_alerts(store: AlertStore, call: Call) -> Answer:
    """A page of alerts."""
    query, wanted = call.query, order(call.query, ORDERS, "-occurred_at")
    filters: dict[str, Any] = {ours: text.split(",") for name, ours in FILTERS.items() if (text := getattr(query, name))}
    until = None if query.to_time is None else query.to_time + MICROSECOND  # the time itself is included, as on the remote
    filters |= {"start": query.from_time, "end": until, "tag": query.tags}
    if query.is_enriched is not None:
        asked = filters.get("enrichment", [*ENRICHED[True], *ENRICHED[False]])
        filters["enrichment"] = [word for word in asked if word in ENRICHED[query.is_enriched]]
    if query.detection_rule_uuid is not None:
        filters["rule"] = str(query.detection_rule_uuid)
    if filters.get("enrichment") == []:  # enriched and not, at once
        return Answer([], page_meta(query, 0))
    try:
        total = store.count(**filters)
    except AlertNotFoundError:  # of a rule that is not here there are no alerts
        return Answer([], page_meta(query, 0))
    skipped = (query.page - 1) * query.page_size
    found = store.alerts(order_by=wanted, limit=query.page_size, offset=skipped, **filters) if skipped < total else ()
    return Answer([AlertSummaryResponse.of(one) for one in found], page_meta(query, total))


def add_alert(store: AlertStore, call: Call) -> Answer:
    """Take in a record, given with its source's name."""
    return _ingest(store, call.body["source_name"], call.body["payload"])


def ingest_record(store: AlertStore, call: Call) -> Answer:
    """Take in a record as its tool sends it."""
    return _ingest(store, call.path.source_name, call.body)


def _ingest(store: AlertStore, source: str, record: dict[str, Any]) -> Answer:
    try:
        result = store.add(record, source=source)
    except SourceError:
        raise Refusal(404, "UNKNOWN_SOURCE", f"Alert source '{source[:100]}' is not registered.") from None
    except AlertValidationError as fault:
        why = "; ".join(problem.message for problem in fault.problems)
        raise Refusal(422, "INVALID_PAYLOAD", f"Payload does not match expected structure for source '{source}': {why}.") from None
    if result.outcome == "suppressed":
        raise Refusal(422, "SUPPRESSED", f"Suppression {result.uuid} holds this record back; it is kept, and makes no alert.")
    if result.outcome == "new":
        return Answer(IngestResponse(alert_uuid=result.uuid, status="queued", is_duplicate=False, duplicate_count=None))
    try:
        repeats: int | None = result.alert.duplicate_count
    except AlertNotFoundError:  # seen before, and its alert deleted since
        repeats = None
    return Answer(IngestResponse(alert_uuid=result.uuid, status="deduplicated", is_duplicate=True, duplicate_count=repeats))


def get_alert(store: AlertStore, call: Call) -> Answer:
    """An alert with everything that belongs to it."""
    return _whole(store.get(call.uuid), call)


def patch_alert(store: AlertStore, call: Call) -> Answer:
    """Edit an alert."""
    return _whole(store.patch(call.uuid, call.body), call)


def _whole(alert: Alert, call: Call) -> Answer:
    return Answer(AlertResponse.of(alert), alert_meta(alert, call.now))


def delete_alert(store: AlertStore, call: Call) -> Answer:
    """Take an alert out of the store; its history stays in it."""
    store.delete_alert(call.uuid)
    return Answer(None)


def list_findings(store: AlertStore, call: Call) -> Answer:
    """What was found out about an alert."""
    return Answer([FindingResponse.of(one) for one in store.get(call.uuid).agent_findings])


def add_finding(store: AlertStore, call: Call) -> Answer:
    """Add a finding."""
    return Answer(FindingResponse.of(store.add_finding(call.uuid, **call.body)))


def list_indicators(store: AlertStore, call: Call) -> Answer:
    """The indicators of an alert."""
    return Answer([IndicatorResponse.of(one) for one in store.get(call.uuid).indicators])


def add_indicators(store: AlertStore, call: Call) -> Answer:
    """Link indicators to an alert. Nothing looks them up here, whatever `enrich` says."""
    given = [(item["type"], item["value"]) for item in call.body["indicators"]]
    alert = store.add_indicators(call.uuid, given)
    named = {(kind, normalise(kind, value)) for kind, value in given}
    linked = [IndicatorResponse.of(one) for one in alert.indicators if (str(one.type), one.value) in named]
    return Answer(IndicatorsAddedResponse(added_count=len(given), indicators=linked, enrich_requested=False))


def get_activity(store: AlertStore, call: Call) -> Answer:
    """What happened to an alert, newest first."""
    return page_of(activity(store.get(call.uuid), store.history(call.uuid)), call.query, lambda one: one)


def get_context(store: AlertStore, call: Call) -> Answer:
    """The context documents that an alert's values call for."""
    return Answer([ContextDocumentResponse.of(one) for one in store.get(call.uuid).context_documents])


def get_graph(store: AlertStore, call: Call) -> Answer:
    """An alert, its indicators, and other alerts that have them."""
    alert = store.get(call.uuid)
    nodes = [_node(store, alert, one, call.query.sibling_limit) for one in alert.indicators]
    return Answer(GraphResponse(alert=GraphAlertResponse.of(alert), indicators=nodes))


def _node(store: AlertStore, alert: Alert, indicator: Indicator, limit: int) -> GraphIndicatorResponse:
    name = f"{indicator.type}:{indicator.value}"
    others = [one for one in store.alerts(indicator=name, limit=limit + 1) if one.uuid != alert.uuid]
    shape = IndicatorResponse.of(indicator)
    same = {field: getattr(shape, field) for field in GraphIndicatorResponse.model_fields if field in IndicatorResponse.model_fields}
    return GraphIndicatorResponse(
        **same,
        enrichment_summary={},
        total_alert_count=store.count(indicator=name) - 1,
        sibling_alerts=[GraphAlertResponse.of(one) for one in others[:limit]],
    )


def get_indicator(store: AlertStore, call: Call) -> Answer:
    """An indicator."""
    return Answer(IndicatorResponse.of(store.indicator(call.uuid)))


def patch_indicator(store: AlertStore, call: Call) -> Answer:
    """Give an analyst's verdict on an indicator."""
    return Answer(IndicatorResponse.of(store.set_indicator_malice(call.uuid, call.body["malice"])))


_ALERT: dict[str, Any] = {"at": AlertPath, "thing": "Alert"}
_ONE, _PARTS = "/v1/alerts/{alert_uuid}", "/v1/alerts/{alert_uuid}/"

OPERATIONS = (
    Operation("PATCH", _ONE, patch_alert, AlertResponse, takes=AlertPatchRequest, **_ALERT),
    Operation("GET", _ONE, get_alert, AlertResponse, **_ALERT),
    Operation("DELETE", _ONE, delete_alert, None, status=204, **_ALERT),
    Operation("GET", "/v1/alerts", list_alerts, AlertSummaryResponse, query=AlertsQuery, listed=True, paged=True, errors=(400,)),
    Operation("POST", "/v1/alerts", add_alert, IngestResponse, status=202, takes=IngestRequest, longest=LONGEST_INGEST,
              errors=(404,)),
    Operation("POST", "/v1/ingest/{source_name}", ingest_record, IngestResponse, status=202, at=SourcePath, raw=True,
              longest=LONGEST_INGEST, errors=(400,)),
    Operation("GET", _PARTS + "findings", list_findings, FindingResponse, listed=True, **_ALERT),
    Operation("POST", _PARTS + "findings", add_finding, FindingResponse, status=201, takes=FindingRequest, **_ALERT),
    Operation("GET", _PARTS + "indicators", list_indicators, IndicatorResponse, listed=True, **_ALERT),
    Operation("POST", _PARTS + "indicators", add_indicators, IndicatorsAddedResponse, status=201, query=EnrichQuery,
              takes=IndicatorsRequest, **_ALERT),
    Operation("GET", _PARTS + "activity", get_activity, ActivityResponse, query=PageQuery, listed=True, paged=True, **_ALERT),
    Operation("GET", _PARTS + "context", get_context, ContextDocumentResponse, listed=True, **_ALERT),
    Operation("GET", _PARTS + "relationship-graph", get_graph, GraphResponse, query=GraphQuery, **_ALERT),
    Operation("GET", "/v1/indicators/{indicator_uuid}", get_indicator, IndicatorResponse, at=IndicatorPath, thing="Indicator"),
    Operation("PATCH", "/v1/indicators/{indicator_uuid}", patch_indicator, IndicatorResponse, at=IndicatorPath,
              takes=IndicatorPatchRequest, thing="Indicator"),
)  # fmt: skip
