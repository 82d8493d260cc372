"""Finding out what has changed on a remote that tells nobody: lists are read, and held against the tokens last seen.

    every run     what was made since the newest that is known, less ten minutes (times of the remote only)
                  what is not Closed: all pages of it; what was in that list last time and is not now is looked at one by one
    audit         everything, in windows of occurred_at small enough to be read whole

Pages are cut by number, ties have no order, and rows come and go meanwhile: so a list counts only where as many alerts were seen
as the remote said there were, before and after; else it is read again, and then in smaller windows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from alertstore.domain.times import EARLIEST, LATEST, SECOND, from_micros, read_rfc3339, rfc3339
from alertstore.errors import RemoteUnavailableError
from alertstore.sync.client import PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alertstore.domain.remotealert import RemoteRow
    from alertstore.sync.client import Client

ACTIVE = ("Open", "Triaging", "Escalated")
OVERLAP = 600 * SECOND
"""How far before the newest known alert a list begins: later commits may carry earlier times."""
WINDOW = 5_000
"""Rows of a window of an audit, at most."""
TRIES = 3

Filters = dict[str, str]


@define
class Seen:
    """The rows that a scan has met, by uuid; how many cannot be read."""

    rows: dict[str, RemoteRow] = field(factory=dict)
    unread: int = 0

    def add(self, row: RemoteRow) -> None:
        """Keep the newest of what was said of an alert."""
        self.rows[row.uuid] = row


def newest(client: Client, seen: Seen, watermark: str | None) -> None:
    """What was made since the watermark (a created_at of the remote), newest first. Without a watermark, only the first page: what
    else is active, the next list has.
    """
    since = None if watermark is None else read_rfc3339(watermark)
    number, met = 1, set[str]()
    while True:
        page = client.rows(number, sort_by="created_at", sort_order="desc")
        seen.unread += page.unread
        for row in page.rows:
            seen.add(row)
        oldest = min((made for row in page.rows if (made := read_rfc3339(row.created_at)) is not None), default=None)
        fresh = {row.uuid for row in page.rows} - met
        met |= fresh
        if since is None or oldest is None or oldest < since - OVERLAP or number * PAGE >= page.total or not fresh:
            return
        number += 1


def active(client: Client, seen: Seen) -> set[str]:
    """All that are not Closed; the uuids that were in these lists."""
    found: set[str] = set()
    for status in ACTIVE:
        for row in _whole(client, seen, {"status": status}):
            seen.add(row)
            found.add(row.uuid)
    return found


def _whole(client: Client, seen: Seen, filters: Filters) -> list[RemoteRow]:
    """A list that is read to its end, without one missing."""
    for _ in range(TRIES):
        rows, unread, whole = _read(client, filters)
        if whole:
            break
    seen.unread += unread
    return list(rows.values())  # whoever is missing after all is looked at one by one


def _read(client: Client, filters: Filters) -> tuple[dict[str, RemoteRow], int, bool]:
    """All pages: the rows by uuid, how many cannot be read, and whether they are as many as the remote said at the beginning and the end."""
    rows: dict[str, RemoteRow] = {}
    number, first, last, unread = 1, None, 0, 0
    while True:
        page = client.rows(number, size=PAGE, **filters, sort_by="created_at", sort_order="desc")
        first, last = page.total if first is None else first, page.total
        before, unread = len(rows) + unread, unread + page.unread
        rows |= {row.uuid: row for row in page.rows}
        if number * PAGE >= page.total or len(rows) + unread == before:  # a page with nothing new is the end, whatever the total says
            return rows, unread, len(rows) + unread == first == last
        number += 1


def windows(client: Client, begin: int = EARLIEST, end: int = LATEST - 1) -> Iterator[tuple[int, list[RemoteRow]]]:
    """Everything from `begin` on (occurred_at, microseconds): (where the window ends, its rows), in order of time.

    Raises `RemoteUnavailableError` where a window keeps changing while it is read.
    """
    filters = {"from_time": rfc3339(from_micros(begin)), "to_time": rfc3339(from_micros(end))}
    total = client.rows(1, size=1, **filters).total
    if total > WINDOW and end > begin:
        middle = (begin + end) // 2
        yield from windows(client, begin, middle)
        yield from windows(client, middle + 1, end)
        return
    if not total:
        yield end, []
        return
    for _ in range(TRIES):
        rows, _, whole = _read(client, filters)
        if whole:
            yield end, list(rows.values())
            return
    if end > begin:
        middle = (begin + end) // 2
        yield from windows(client, begin, middle)
        yield from windows(client, middle + 1, end)
        return
    raise RemoteUnavailableError(f"the remote's list of {filters['from_time']} changes whenever it is read", advice="audit again later")
