"""Lists in pages, as the remote gives them: by number, with the total in `meta`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.server.calls import Answer, Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import BaseModel

BAD_ORDER = 400
"""The one status that the remote has for a bad order, and for nothing else."""


def order(query: Any, orders: Sequence[str], default: str) -> str:
    """The order that a query asks for, with `-` for descending. Raises `Refusal` for one that there is not.

    Without `sort_by`, `sort_order` is looked at and passed over, as on the remote.
    """
    if query.sort_by is not None and query.sort_by not in orders:
        listed = ", ".join(f"'{name}'" for name in sorted(orders))
        raise Refusal(BAD_ORDER, "VALIDATION_ERROR", f"Invalid sort_by {query.sort_by[:100]!r}. Must be one of: [{listed}]")
    if query.sort_order not in {None, "asc", "desc"}:
        raise Refusal(BAD_ORDER, "VALIDATION_ERROR", f"Invalid sort_order {query.sort_order[:100]!r}. Must be 'asc' or 'desc'.")
    if query.sort_by is None:
        return default
    return query.sort_by if query.sort_order == "asc" else f"-{query.sort_by}"


def page_meta(query: Any, total: int) -> dict[str, int]:
    """The `meta` of a page."""
    pages = -(-total // query.page_size)
    return {"total": total, "page": query.page, "page_size": query.page_size, "total_pages": pages}


def page_of(items: Sequence[Any], query: Any, shape: Callable[[Any], BaseModel]) -> Answer:
    """The page of a list that is wholly at hand; only its own items are put into shape."""
    start = (query.page - 1) * query.page_size
    return Answer([shape(item) for item in items[start : start + query.page_size]], page_meta(query, len(items)))


def in_order(items: Sequence[Any], wanted: str) -> list[Any]:
    """Items by one of their fields, those that lack it first; of equal ones the order is kept."""
    name = wanted.removeprefix("-")
    return sorted(items, key=lambda item: ((value := getattr(item, name)) is not None, value), reverse=wanted.startswith("-"))
