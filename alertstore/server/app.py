"""From a request to a call of the store and back: routes, shapes, envelopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, QueryParams
from starlette.requests import ClientDisconnect
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router

from alertstore.server import alerts, bodies, catalog
from alertstore.server.answers import JSON, invalid, not_found, of_fault, render
from alertstore.server.calls import Call, Refusal
from alertstore.server.guard import DESCRIPTION, guarded
from alertstore.server.openapi import document
from alertstore.wire.shapes import NO_OBJECT, read, read_leniently

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from starlette.types import ASGIApp, Receive, Scope, Send

    from alertstore.server.calls import Operation
    from alertstore.server.worker import StoreThread
    from alertstore.store import AlertStore

OPERATIONS: tuple[Operation, ...] = (*alerts.OPERATIONS, *catalog.OPERATIONS)
LISTED = frozenset(operation.path for operation in OPERATIONS if operation.paged and operation.at is None)


def application(store: StoreThread, *, clock: Callable[[], datetime], host: str, key: str | None, lenient: bool) -> ASGIApp:
    """The API over a store. `lenient`: fields of a body that nobody knows are passed over, as the remote does, not refused."""
    paths: dict[str, list[Operation]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, []).append(operation)
    routes = [Route(path, Resource(store, clock, found, lenient=lenient)) for path, found in paths.items()]
    routes.append(Route(DESCRIPTION, Description(document(OPERATIONS))))
    return guarded(Router(routes, redirect_slashes=False, default=_no_route), host=host, key=key)


async def _no_route(scope: Scope, receive: Receive, send: Send) -> None:
    """Where nothing stands. A list's path with a slash too many leads to the list, as on the remote; nothing else does."""
    path: str = scope["path"].removesuffix("/")
    response = RedirectResponse(path) if path in LISTED and scope["path"] != path else not_found()
    await response(scope, receive, send)


class Description:
    """What stands at the description's path."""

    def __init__(self, described: bytes) -> None:
        """Give out the description."""
        self._described = described

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        response = Response(self._described, media_type=JSON) if scope["method"] == "GET" else not_found()
        await response(scope, receive, send)


class Resource:
    """What stands at one path: its operations by method."""

    def __init__(self, store: StoreThread, clock: Callable[[], datetime], operations: Iterable[Operation], *, lenient: bool) -> None:
        """Serve the operations, which all have the same path."""
        self._store = store
        self._clock = clock
        self._operations = {operation.method: operation for operation in operations}
        self._read = read_leniently if lenient else read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        operation = self._operations.get(scope["method"])
        try:
            response = not_found() if operation is None else await self._answer(operation, scope, receive)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _answer(self, operation: Operation, scope: Scope, receive: Receive) -> Response:
        try:
            body = await self._body(operation, Headers(scope=scope), receive)
        except Refusal as refusal:
            return of_fault(refusal, operation)
        path, problems = (None, []) if operation.at is None else read(operation.at, scope["path_params"], "path")
        query, more = (None, []) if operation.query is None else read(operation.query, _parameters(scope), "query")
        problems += more
        if operation.takes is not None:
            problems += body if isinstance(body, list) else self._read(operation.takes, body, "body")[1]
        if problems:
            return invalid(problems)
        call = Call(path, query, body, self._clock())

        def work(store: AlertStore) -> bytes:
            return render(operation.run(store, call), operation)

        try:
            found = await self._store.run(work)
        except Exception as fault:  # noqa: BLE001 - whatever went wrong, the client gets an answer
            return of_fault(fault, operation)
        return Response(found, operation.status, media_type=JSON if found else None)

    async def _body(self, operation: Operation, headers: Headers, receive: Receive) -> Any:
        """The body as JSON: an object, or the list of what is wrong with it. Raises `Refusal` where the answer is another."""
        if not operation.has_body:
            return {}
        raw = await bodies.read(receive, headers, operation.longest)
        try:
            body = bodies.parse(raw) if operation.raw or (raw.strip() and bodies.is_json(headers)) else None
        except ValueError as fault:
            if operation.raw:
                raise Refusal(400, "INVALID_JSON", "Request body is not valid JSON.") from None
            return [{"type": "json_invalid", "loc": ["body", fault.args[1]], "msg": "JSON decode error"}]
        if isinstance(body, dict):
            return body
        if operation.raw:
            raise Refusal(422, "INVALID_PAYLOAD", "Request body must be a JSON object.")
        if not raw.strip() or (body is None and bodies.is_json(headers)):
            return [{"type": "missing", "loc": ["body"], "msg": "Field required"}]
        return [{"type": "model_attributes_type", "loc": ["body"], "msg": NO_OBJECT}]


def _parameters(scope: Scope) -> dict[str, Any]:
    """What follows the question mark: of a parameter given twice the last counts, unless it is a list."""
    given = QueryParams(scope["query_string"])
    return {name: given.getlist(name) if name in LISTS else value for name, value in given.items()}


LISTS = frozenset({"tags"})
"""Parameters that may be given more than once."""
