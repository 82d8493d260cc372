"""What writes give back: the outcome of an import, of one record, of an edit of many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import field, frozen

from alertstore.errors import AlertNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alertstore.domain.alert import Alert
    from alertstore.errors import AlertStoreError


FIRST_REJECTIONS = 10
"""Of how many rejected records a result tells."""


@frozen
class Rejection:
    """A record that could not be read: its number in the file, its byte offset, and why."""

    record: int
    position: int
    reason: str


@frozen
class ImportResult:
    """What an ingest came to. Of a folder: the sums, one result a file in `files`, and what nobody reads in `unread`."""

    id: int | None
    path: str
    source: str | None
    new: int = 0
    duplicates: int = 0
    seen: int = 0
    skipped: int = 0
    suppressed: int = 0
    rejected: int = 0
    first_rejections: tuple[Rejection, ...] = ()
    notes: Mapping[str, int] = field(factory=dict)
    files: tuple[ImportResult, ...] = ()
    unread: tuple[tuple[str, str], ...] = ()


@frozen
class IngestResult:
    """What became of one record: the uuid of its alert, and whether it made it ("new"), repeated it ("duplicate"), or had been
    reported before ("seen").
    """

    uuid: str
    outcome: Literal["new", "duplicate", "seen"]
    _alert: Alert | None

    @property
    def alert(self) -> Alert:
        """The alert, as `get` gives it. Raises `AlertNotFoundError` where it was deleted since the record was first seen."""
        if self._alert is None:
            raise AlertNotFoundError(f"alert {self.uuid} was deleted", advice="its history and its records are still there")
        return self._alert


@frozen
class BulkResult:
    """What an edit of many alerts did (or, dry, would do): how many changed, how many were so already, which were refused."""

    changed: int
    unchanged: int
    refused: tuple[tuple[str, AlertStoreError], ...]
    dry_run: bool
