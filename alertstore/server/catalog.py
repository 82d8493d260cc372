"""Detection rules, context documents, and the numbers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from alertstore.server.calls import Answer, Call, Operation
from alertstore.server.lists import in_order, order, page_of
from alertstore.wire import ContextDocumentResponse, DetectionRuleResponse
from alertstore.wire.queries import DocumentPath, DocumentsQuery, PeriodQuery, RulePath, RulePeriodQuery, RulesQuery
from alertstore.wire.reports import (
    AlertMetricsResponse,
    ContextDocumentSummaryResponse,
    RuleMetricsResponse,
    SummaryResponse,
    alert_metrics,
    period_text,
    rule_metrics,
    summary,
)
from alertstore.wire.requests import ContextDocumentPatchRequest, ContextDocumentRequest, DetectionRulePatchRequest, DetectionRuleRequest

if TYPE_CHECKING:
    from datetime import datetime

    from alertstore.store import AlertStore

PERIOD = timedelta(days=30)
"""What metrics look back on where no period is named."""

RULE_ORDERS = ("name", "source_name", "severity", "created_at")
DOCUMENT_ORDERS = ("title", "document_type", "created_at", "updated_at")


def list_rules(store: AlertStore, call: Call) -> Answer:
    """A page of detection rules."""
    query, wanted = call.query, order(call.query, RULE_ORDERS, "name")
    found = [
        rule
        for rule in store.rules()
        if query.source_name in {None, "", rule.source_name}
        and query.severity in {None, "", rule.severity}
        and query.is_active in {None, rule.is_active}
    ]
    return page_of(in_order(found, wanted), query, DetectionRuleResponse.of)


def get_rule(store: AlertStore, call: Call) -> Answer:
    """A detection rule."""
    return Answer(DetectionRuleResponse.of(store.rule(call.uuid)))


def add_rule(store: AlertStore, call: Call) -> Answer:
    """Add a detection rule."""
    return Answer(DetectionRuleResponse.of(store.add_rule(**call.body)))


def patch_rule(store: AlertStore, call: Call) -> Answer:
    """Edit a detection rule."""
    return Answer(DetectionRuleResponse.of(store.patch_rule(call.uuid, **call.body)))


def list_documents(store: AlertStore, call: Call) -> Answer:
    """A page of context documents, without their content."""
    query, wanted = call.query, order(call.query, DOCUMENT_ORDERS, "title")
    found = [
        document
        for document in store.documents()
        if query.document_type in {None, "", document.document_type} and query.is_global in {None, document.is_global}
    ]
    return page_of(in_order(found, wanted), query, ContextDocumentSummaryResponse.of)


def get_document(store: AlertStore, call: Call) -> Answer:
    """A context document."""
    return Answer(ContextDocumentResponse.of(store.document(call.uuid)))


def add_document(store: AlertStore, call: Call) -> Answer:
    """Add a context document."""
    return Answer(ContextDocumentResponse.of(store.add_document(**call.body)))


def patch_document(store: AlertStore, call: Call) -> Answer:
    """Edit a context document."""
    return Answer(ContextDocumentResponse.of(store.patch_document(call.uuid, **call.body)))


def delete_document(store: AlertStore, call: Call) -> Answer:
    """Take a context document out of the store; its history stays in it."""
    store.delete_document(call.uuid)
    return Answer(None)


def get_metrics(store: AlertStore, call: Call) -> Answer:
    """The numbers of a period."""
    start, end = _period(call)
    found = store.metrics(start=start, end=end)
    rules = {rule.uuid: rule for rule in store.rules()}
    return Answer(alert_metrics(found, (period_text(start), period_text(end)), rules))


def get_rule_metrics(store: AlertStore, call: Call) -> Answer:
    """The numbers of one detection rule in a period."""
    start, end = _period(call)
    rule = store.rule(call.uuid)
    return Answer(rule_metrics(store.metrics(start=start, end=end, rule=rule.uuid), (period_text(start), period_text(end)), rule))


def get_summary(store: AlertStore, call: Call) -> Answer:
    """The numbers of the last 30 days."""
    found = store.metrics(start=call.now - PERIOD, end=call.now)
    return Answer(summary(found, len(store.documents()), len(store.rules())))


def _period(call: Call) -> tuple[datetime, datetime]:
    """From when to when; as on the remote, one bound alone counts as none."""
    start, end = call.query.from_time, call.query.to_time
    return (call.now - PERIOD, call.now) if start is None or end is None else (start, end)


_RULES, _RULE_PATH = "/v1/detection-rules", "/v1/detection-rules/{rule_uuid}"
_RULE: dict[str, Any] = {"at": RulePath, "thing": "Detection rule"}
_DOCUMENTS, _DOCUMENT_PATH = "/v1/context-documents", "/v1/context-documents/{doc_uuid}"
_DOCUMENT: dict[str, Any] = {"at": DocumentPath, "thing": "Context document"}

OPERATIONS = (
    Operation("GET", _RULES, list_rules, DetectionRuleResponse, query=RulesQuery, listed=True, paged=True, errors=(400,)),
    Operation("POST", _RULES, add_rule, DetectionRuleResponse, status=201, takes=DetectionRuleRequest),
    Operation("GET", _RULE_PATH, get_rule, DetectionRuleResponse, **_RULE),
    Operation("PATCH", _RULE_PATH, patch_rule, DetectionRuleResponse, takes=DetectionRulePatchRequest, **_RULE),
    Operation("GET", _RULE_PATH + "/metrics", get_rule_metrics, RuleMetricsResponse, query=RulePeriodQuery, **_RULE),
    Operation("GET", _DOCUMENTS, list_documents, ContextDocumentSummaryResponse, query=DocumentsQuery, listed=True, paged=True,
              errors=(400,)),
    Operation("POST", _DOCUMENTS, add_document, ContextDocumentResponse, status=201, takes=ContextDocumentRequest),
    Operation("GET", _DOCUMENT_PATH, get_document, ContextDocumentResponse, **_DOCUMENT),
    Operation("PATCH", _DOCUMENT_PATH, patch_document, ContextDocumentResponse, takes=ContextDocumentPatchRequest, **_DOCUMENT),
    Operation("DELETE", _DOCUMENT_PATH, delete_document, None, status=204, **_DOCUMENT),
    Operation("GET", "/v1/metrics/alerts", get_metrics, AlertMetricsResponse, query=PeriodQuery),
    Operation("GET", "/v1/metrics/summary", get_summary, SummaryResponse),
)  # fmt: skip
