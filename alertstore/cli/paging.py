"""All alerts that pass filters, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alertstore.domain.alert import AlertSummary
    from alertstore.store import AlertStore

PAGE = 1000


def pages(store: AlertStore, filters: Mapping[str, Any], order_by: str = "created_at") -> Iterator[AlertSummary]:
    """Every alert that passes, in order."""
    after: str | None = None
    while True:
        page = store.alerts(order_by=order_by, limit=PAGE, after=after, **filters)
        yield from page
        after = page.next
        if after is None:
            return
