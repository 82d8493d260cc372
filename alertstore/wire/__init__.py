"""The shapes of the API, in pydantic: what comes in is checked against them, what goes out has them exactly."""

from alertstore.wire.responses import (
    AlertResponse,
    AlertSummaryResponse,
    ContextDocumentResponse,
    DetectionRuleResponse,
    FindingResponse,
    IndicatorResponse,
    alert_envelope,
    alert_meta,
)

__all__ = [
    "AlertResponse",
    "AlertSummaryResponse",
    "ContextDocumentResponse",
    "DetectionRuleResponse",
    "FindingResponse",
    "IndicatorResponse",
    "alert_envelope",
    "alert_meta",
]
