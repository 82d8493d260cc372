"""Answers as bytes: the envelopes of the API, and which of the store's errors is which of its codes."""

from __future__ import annotations

import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from alertstore.domain.safe import safe_text
from alertstore.errors import (
    AlertNotFoundError,
    AlertValidationError,
    ClassificationRequiredError,
    StorageError,
    StoreBusyError,
    StoreFullError,
    StoreReadOnlyError,
)
from alertstore.server.calls import Refusal
from alertstore.wire.shapes import as_problem

if TYPE_CHECKING:
    from alertstore.server.calls import Answer, Operation

JSON = "application/json"
INVALID = "Request validation failed."
NO_ROUTE = "The requested resource was not found."

_LOG = logging.getLogger("alertstore.server")

_TOLD: tuple[tuple[type[StorageError], str], ...] = (
    (StoreBusyError, "The store is in use by another program; nothing was changed."),
    (StoreFullError, "No space is left for the store; nothing was changed."),
    (StoreReadOnlyError, "The store can only be read; nothing was changed."),
)
"""What a client may know of a store in trouble; the rest stands in the server's own log."""


def render(answer: Answer, operation: Operation) -> bytes:
    """The body of a success; none where it has no data."""
    if operation.gives is None:
        return b""
    data = answer.data
    text = f"[{','.join([one.model_dump_json() for one in data])}]" if operation.listed else data.model_dump_json()
    return f'{{"data":{text},"meta":{json.dumps(answer.meta)}}}'.encode()


def error(status: int, code: str, message: str, details: dict[str, Any] | None = None) -> Response:
    """The envelope of an error."""
    body = {"error": {"code": code, "message": message, "details": details or {}}}
    return Response(json.dumps(body).encode(), status, media_type=JSON)


def unavailable(message: str) -> Response:
    """The answer to what could not be done just now: nothing was changed, and the same request may come again."""
    response = error(503, "SERVICE_UNAVAILABLE", message)
    response.headers["Retry-After"] = "1"
    return response


def invalid(problems: list[dict[str, Any]]) -> Response:
    """The answer to a request of the wrong shape, or that breaks a rule."""
    return error(422, "VALIDATION_ERROR", INVALID, {"errors": problems})


def not_found(what: str | None = None) -> Response:
    """The answer where there is no such thing, no such path, or no such method of it: the remote tells them apart by these words."""
    return error(404, "NOT_FOUND", NO_ROUTE if what is None else f"{what} not found.")


def of_fault(fault: Exception, operation: Operation) -> Response:
    """The answer that an error of the store, or of this program, comes to. No client is shown where in the code it was."""
    if isinstance(fault, Refusal):
        return error(fault.status, fault.code, str(fault))
    if isinstance(fault, AlertNotFoundError):
        return not_found(operation.thing)
    if isinstance(fault, ClassificationRequiredError):
        return error(422, "VALIDATION_ERROR", "close_classification is required when setting status to Closed.")
    if isinstance(fault, AlertValidationError):
        return invalid([as_problem(problem) for problem in fault.problems])
    told = next((words for kind, words in _TOLD if isinstance(fault, kind)), "An unexpected error occurred.")
    told_here = str(fault) if isinstance(fault, StorageError) else "".join(traceback.format_exception(fault))
    for line in told_here.splitlines():  # it may quote an alert, and a terminal may show it
        _LOG.error("%s", safe_text(line))
    return unavailable(told) if isinstance(fault, StoreBusyError) else error(500, "INTERNAL_ERROR", told)
