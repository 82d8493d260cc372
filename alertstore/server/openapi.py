"""The API's own description (OpenAPI 3.1), made of the same table that the routes are made of."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import alertstore
from alertstore.wire.shapes import definitions, parameters

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

    from alertstore.server.calls import Operation

_ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "additionalProperties": False,
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}, "details": {"type": "object"}},
        }
    },
}
_PAGE = {
    "type": "object",
    "required": ["total", "page", "page_size", "total_pages"],
    "additionalProperties": False,
    "properties": {name: {"type": "integer", "minimum": 0} for name in ("total", "page", "page_size", "total_pages")},
}


def document(operations: Iterable[Operation]) -> bytes:
    """The description, as JSON."""
    operations = list(operations)
    taken = _models(operation.takes for operation in operations)
    given = _models(operation.gives for operation in operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "alertstore", "version": alertstore.__version__},
            "paths": paths,
            "components": {
                "schemas": {**definitions(taken, given), "Error": _ERROR, "Page": _PAGE},
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            },
            "security": [{"key": []}],
        }
    ).encode()


def _models(found: Iterable[type[BaseModel] | None]) -> list[type[BaseModel]]:
    return [model for model in dict.fromkeys(found) if model is not None]


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.run.__name__,
        "summary": (operation.run.__doc__ or "").split("\n", 1)[0],
        "parameters": [*_parameters(operation.at, "path"), *_parameters(operation.query, "query")],
        "responses": {str(status): _response(operation, status) for status in operation.statuses},
    }
    if operation.has_body:
        schema = {"type": "object"} if operation.takes is None else _ref(operation.takes.__name__)
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return described


def _parameters(model: type[BaseModel] | None, place: str) -> list[dict[str, Any]]:
    if model is None:
        return []
    return [{"name": name, "in": place, "required": required, "schema": schema} for name, required, schema in parameters(model)]


def _response(operation: Operation, status: int) -> dict[str, Any]:
    found: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    schema = _ref("Error") if status != operation.status else _envelope(operation)
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        found["headers"] = {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 1}}}
    if schema is not None:
        found["content"] = {"application/json": {"schema": schema}}
    return found


def _envelope(operation: Operation) -> dict[str, Any] | None:
    if operation.gives is None:
        return None
    data: dict[str, Any] = _ref(operation.gives.__name__)
    if operation.listed:
        data = {"type": "array", "items": data}
    meta = _ref("Page") if operation.paged else {"type": "object"}
    return {"type": "object", "required": ["data", "meta"], "additionalProperties": False, "properties": {"data": data, "meta": meta}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}
