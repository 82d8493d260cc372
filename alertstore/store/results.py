"""What writes give back: the outcome of an import, of one record, of an edit of many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from attrs import field, frozen

from alertstore.errors import AlertNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alertstore.domain.alert import Alert
    from alertstore.domain.enrichment import IntelList
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
    reported before ("seen"). Of a record that was held back ("suppressed") it is the uuid of the suppression.
    """

    uuid: str
    outcome: Literal["new", "duplicate", "seen", "suppressed"]
    _alert: Alert | None

    @property
    def alert(self) -> Alert:
        """The alert, as `get` gives it. Raises `AlertNotFoundError` where it was deleted since the record was first seen, and where
        the record was suppressed.
        """
        if self.outcome == "suppressed":
            raise AlertNotFoundError(
                f"suppression {self.uuid} holds the record back", advice="suppressed_records() lists what is held back"
            )
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


@frozen
class EnrichResult:
    """What an enrichment came to: how many indicators were asked about, of how many the results changed, of how many the verdict; how
    many alerts are further than before. `providers`: those asked, with the version of what they know; `failures`: why some failed.
    """

    indicators: int = 0
    changed: int = 0
    verdicts: int = 0
    alerts: int = 0
    providers: Mapping[str, str] = field(factory=dict)
    failures: Mapping[str, str] = field(factory=dict)


@frozen
class ListResult:
    """What reading a list came to: the list as it stands, how many entries its file had that were taken, (line, reason) of the first
    that were refused, and what it changed among the indicators that had been enriched. `unchanged`: it was there already.
    """

    list: IntelList
    read: int
    refused: tuple[tuple[int, str], ...]
    judged: EnrichResult
    unchanged: bool


@frozen
class RulesResult:
    """What reading files of rules did to the rules of the store: how many were added, how many say something else now, how many said
    it already; and (where, why) of what was refused.
    """

    added: int
    updated: int
    unchanged: int
    refused: tuple[tuple[str, str], ...]
