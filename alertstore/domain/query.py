"""Questions to the store, as values: which alerts, in which order, from where on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from uuid import UUID

from attrs import fields, frozen

from alertstore.domain.times import to_micros
from alertstore.domain.vocabulary import AlertStatus, CloseClassification, EnrichmentStatus, Malice, Severity
from alertstore.errors import AlertValidationError, FieldProblem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import StrEnum

Item = TypeVar("Item")


@frozen
class Page(Generic[Item]):
    """A part of a list: its items, and the token with which `after=` goes on (None: that was all)."""

    items: tuple[Item, ...]
    next: str | None

    def __iter__(self) -> Iterator[Item]:
        """Go through the items."""
        return iter(self.items)

    def __len__(self) -> int:
        """How many items this page has."""
        return len(self.items)


@frozen
class AlertFilter:
    """Which alerts: all that is given must hold, and of several values of one name any. `start`/`end` bound occurred_at.

    `rule` takes a rule's uuid or the tool's id of it, `tag` exact tags (all of them must be there), `indicator` a value or
    `type:value`, `text` words that must all occur in title, description, tags or indicator values.
    """

    status: tuple[AlertStatus, ...] = ()
    severity: tuple[Severity, ...] = ()
    source: tuple[str, ...] = ()
    rule: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    indicator: tuple[str, ...] = ()
    malice: tuple[Malice, ...] = ()
    classification: tuple[CloseClassification, ...] = ()
    enrichment: tuple[EnrichmentStatus, ...] = ()
    uuid: tuple[str, ...] = ()
    start: int | None = None
    end: int | None = None
    text: str | None = None


LONGEST_SEARCH = 4096
"""Characters of a text that is searched for: the time that a search takes grows with its words."""

_ENUMS: dict[str, type[StrEnum]] = {
    "status": AlertStatus,
    "severity": Severity,
    "malice": Malice,
    "classification": CloseClassification,
    "enrichment": EnrichmentStatus,
}
_NAMES = tuple(f.name for f in fields(AlertFilter))


def read_filter(given: Mapping[str, Any]) -> AlertFilter:
    """A filter from keyword arguments; None means "any".

    Raises `AlertValidationError` listing every unknown name, bad value and wrong type.
    """
    problems: list[FieldProblem] = []
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in _NAMES:
            problems.append(FieldProblem(name, f"is not a filter; there are: {', '.join(_NAMES)}", value))
        elif value is not None:
            values[name] = _read(name, value, problems)
    if problems:
        raise AlertValidationError(problems)
    return AlertFilter(**values)


def _read(name: str, value: Any, problems: list[FieldProblem]) -> Any:
    if name in {"start", "end"}:
        if isinstance(value, datetime):
            return to_micros(value)
        problems.append(FieldProblem(name, "must be a datetime", value))
        return None
    if name == "text":
        if isinstance(value, str) and len(value) <= LONGEST_SEARCH:
            return value
        problems.append(FieldProblem(name, f"must be text of at most {LONGEST_SEARCH:,} characters", value))
        return None
    listed = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else (value,)
    if not listed:  # a list that came out empty must never mean "all", least of all for an edit
        problems.append(FieldProblem(name, "is empty; leave it out to mean any", value))
    return tuple(_one(name, one, problems) for one in listed)


def _one(name: str, value: Any, problems: list[FieldProblem]) -> Any:
    vocabulary = _ENUMS.get(name)
    if vocabulary is not None:
        try:
            return vocabulary(value)
        except ValueError:
            problems.append(FieldProblem(name, f"must be one of: {', '.join(vocabulary)}", value))
            return None
    if isinstance(value, str) or (name == "uuid" and isinstance(value, UUID)):
        return str(value)
    problems.append(FieldProblem(name, "must be text", value))
    return None


TEXT_ORDERS = ("status", "source_name", "title")
"""Orders by text, character by character; a status too, as the remote has it."""

ORDERS = ("occurred_at", "created_at", "updated_at", "last_seen_at", "ingested_at", "severity", "duplicate_count", *TEXT_ORDERS)
LARGEST_PAGE = 1000


@frozen
class Order:
    """In which order: by one column, ties by the alert's number in the store, in the same direction."""

    column: str
    descending: bool


def read_order(text: str) -> Order:
    """An order from its name; a `-` before it means descending. Raises `AlertValidationError`."""
    column = text.removeprefix("-") if isinstance(text, str) else None
    if column not in ORDERS:
        raise AlertValidationError([FieldProblem("order_by", f"must be one of: {', '.join(ORDERS)} (with - for descending)", text)])
    return Order(column, text.startswith("-"))


def read_limit(limit: int) -> int:
    """A page's size. Raises `AlertValidationError` outside 1 to 1,000."""
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= LARGEST_PAGE:
        raise AlertValidationError([FieldProblem("limit", f"must be a whole number from 1 to {LARGEST_PAGE}", limit)])
    return limit


def read_offset(offset: int) -> int:
    """How many to pass over. Raises `AlertValidationError` for what is not a whole number from 0 on."""
    if not _fits(offset) or offset < 0:
        raise AlertValidationError([FieldProblem("offset", "must be a whole number from 0 on", offset)])
    return offset


def write_cursor(order: Order, value: int | str, number: int) -> str:
    """The token of a place in a list: the order, and the last item's value and number."""
    return json.dumps([f"{'-' if order.descending else ''}{order.column}", value, number], separators=(",", ":"))


def read_cursor(order: Order, token: str) -> tuple[int | str, int]:
    """The place that a token names. Raises `AlertValidationError` where it was not made for this order."""
    try:
        name, value, number = json.loads(token)
    except (ValueError, TypeError, RecursionError):
        name = value = number = None
    made_for = f"{'-' if order.descending else ''}{order.column}"
    fits = _is_text if order.column in TEXT_ORDERS else _fits
    if name != made_for or not (fits(value) and _fits(number)):
        raise AlertValidationError([FieldProblem("after", f"is not a `next` of a page ordered by {made_for}", token)])
    return value, number


def _fits(value: object) -> bool:
    """Whether a value is an integer that a database can hold."""
    return type(value) is int and -(1 << 63) <= value < 1 << 63


def _is_text(value: object) -> bool:
    """Whether a value is text that a database can compare."""
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)
