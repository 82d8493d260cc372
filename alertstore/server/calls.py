"""What a handler is given and what it gives back, and the table in which operations stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from attrs import field, frozen

from alertstore.errors import AlertStoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pydantic import BaseModel

    from alertstore.store import AlertStore


@frozen
class Call:
    """A request whose shape is right: the values of its path and query models, its body's fields as they came, the time."""

    path: Any
    query: Any
    body: dict[str, Any]
    now: datetime

    @property
    def uuid(self) -> str:
        """The uuid that the path names."""
        return str(next(value for _, value in self.path if isinstance(value, UUID)))


@frozen
class Answer:
    """The `data` of an answer (values of wire models, or lists of them) and its `meta`."""

    data: Any
    meta: dict[str, Any] = field(factory=dict)


class Refusal(AlertStoreError):  # noqa: N818 - an answer, not a fault
    """An answer that is an error of the API's own, which the library has no name for."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Say it as the API does."""
        super().__init__(message)
        self.status = status
        self.code = code


LONGEST_INGEST, LONGEST = 5 << 20, 10 << 20
"""Bytes of a body: of a record on its way in, of any other (the remote's limits)."""


@frozen
class Operation:
    """One method of one path.

    gives: the model of `data`; listed: whether `data` is a list of it, and then whether it is one in pages; errors: the statuses
    that can occur besides those that every operation has; raw: the body is JSON whatever its Content-Type says, with its own errors;
    longest: bytes of a body.
    """

    method: str
    path: str
    run: Callable[[AlertStore, Call], Answer]
    gives: type[BaseModel] | None
    status: int = 200
    at: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    takes: type[BaseModel] | None = None
    listed: bool = False
    paged: bool = False
    raw: bool = False
    longest: int = LONGEST
    errors: tuple[int, ...] = ()
    thing: str = "resource"
    """What a 404 says was not found."""

    @property
    def has_body(self) -> bool:
        """Whether a request of it has one."""
        return self.raw or self.takes is not None

    @property
    def statuses(self) -> tuple[int, ...]:
        """Every status that can occur."""
        shape = (413, 422) if self.has_body else (422,) if self.at or self.query else ()
        return tuple(sorted({self.status, 401, 403, 500, 503, *shape, *((404,) if self.at else ()), *self.errors}))
