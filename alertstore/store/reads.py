"""Reading: one alert whole, lists in pages, counts, what is related."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.identity import indicator_number
from alertstore.domain.indicators import normalise
from alertstore.domain.query import read_filter, read_limit, read_offset, read_order
from alertstore.errors import AlertNotFoundError
from alertstore.storage import alerts, catalog, imports, lists, sightings
from alertstore.store.base import StoreBase

if TYPE_CHECKING:
    import sqlite3
    from uuid import UUID

    from alertstore.domain.alert import Alert, AlertSummary, Indicator, Occurrence
    from alertstore.domain.changes import AlertState
    from alertstore.domain.query import Page
    from alertstore.storage.imports import Import, RejectedRecord
    from alertstore.storage.sightings import Sighting


class Reads(StoreBase):
    """The reads of a store. None of them writes anything."""

    def _after(self, conn: sqlite3.Connection, state: AlertState) -> Alert:
        return alerts.load_alert(conn, state.uuid, self._store_id) or self._no_alert(state.uuid)

    def get(self, uuid: str | UUID) -> Alert:
        """The alert with its indicators, rule, documents, findings and first record.

        Raises `AlertNotFoundError`.
        """
        with self._read() as conn:
            return alerts.load_alert(conn, str(uuid).lower(), self._store_id) or self._no_alert(uuid)

    def alerts(
        self, *, order_by: str = "-occurred_at", limit: int = 100, after: str | None = None, offset: int = 0, **filters: Any
    ) -> Page[AlertSummary]:
        """A page of alerts: `items`, and `next` for `after=` (None on the last page).

        Filters (see `AlertFilter`): status, severity, source, rule, tag, indicator, malice, classification, start, end, text,
        uuid, enrichment; each takes one value or a list. `order_by`: occurred_at, created_at, updated_at, last_seen_at, ingested_at,
        severity, duplicate_count, status, source_name or title, with `-` for descending. `limit` is 1 to 1,000. `offset` passes
        over so many first, at the cost of reading them; `after` costs nothing and is not put out by what comes in meanwhile.
        Raises `AlertValidationError`; `AlertNotFoundError` for an unknown rule.
        """
        wanted, order, size, skipped = read_filter(filters), read_order(order_by), read_limit(limit), read_offset(offset)
        with self._read() as conn:
            return lists.page(conn, wanted, order, size, after, skipped)

    def count(self, **filters: Any) -> int:
        """How many alerts pass the filters of `alerts`."""
        wanted = read_filter(filters)
        with self._read() as conn:
            return lists.count(conn, wanted)

    def find(self, ending: str, *, limit: int = 20) -> list[str]:
        """The uuids of alerts that end in these characters (the end of a uuid tells neighbours apart, its start does not)."""
        size = read_limit(limit)
        with self._read() as conn:
            return lists.find_uuids(conn, ending, size)

    def occurrences(self, uuid: str | UUID) -> list[Occurrence]:
        """Every record that reported an alert, raw bytes included, in the order they came; also of a deleted alert."""
        with self._read() as conn:
            number = alerts.number_of(conn, str(uuid).lower())
            return catalog.occurrences(conn, number) if number is not None else self._no_alert(uuid)

    def related(self, uuid: str | UUID, *, limit: int = 20) -> list[tuple[AlertSummary, tuple[str, ...]]]:
        """Other alerts that share indicators with this one: (alert, the shared `type:value`), most shared first."""
        size = read_limit(limit)
        with self._read() as conn:
            number, _ = self._state(conn, str(uuid))
            return catalog.related(conn, number, size)

    def sightings(self, uuid: str | UUID, *, limit: int = 100) -> list[Sighting]:
        """Where else the indicators of an alert were seen: in how many other alerts, since when, how many of those are active, with
        which verdicts the others were closed, and which lists know it. Of very many indicators the first `limit` (1 to 1,000).

        How many and since when holds of all alerts; status, verdicts and sources are those of the newest 10,000, so that an
        indicator that every alert has costs no more than that. Raises `AlertNotFoundError`.
        """
        size = read_limit(limit)
        with self._read() as conn:
            number, _ = self._state(conn, str(uuid))
            return sightings.sightings(conn, number, size, self._store_id)

    def indicator(self, name: str | UUID, value: str | None = None) -> Indicator:
        """An indicator by its uuid, by type and value (`indicator("ip", "10.0.0.1")`), or as `type:value`; in any spelling.

        Raises `AlertNotFoundError`.
        """
        with self._read() as conn:
            number = self._indicator_number(str(name), value)
            found = None if number is None else catalog.indicator(conn, number, self._store_id)
        if found is None:
            named = f"{name}{'' if value is None else ':' + value}"
            raise AlertNotFoundError(
                f"no indicator {named} in this store", advice="name one that an alert has, as type:value or by its uuid"
            )
        return found

    def _indicator_number(self, name: str, value: str | None) -> int | None:
        if value is None and ":" not in name:
            return indicator_number(self._store_id, name)
        if value is None:
            name, _, value = name.partition(":")
        return catalog.indicator_number(self._repository.conn, name, normalise(name, value) or value)

    def imports(self) -> list[Import]:
        """What was ever ingested, oldest first: file, source, SHA-256, size, counts."""
        with self._read() as conn:
            return imports.imports(conn)

    def rejected_records(self, import_id: int | None = None) -> list[RejectedRecord]:
        """The records of an import (None: of all) that could not be read, with reason, position and bytes."""
        with self._read() as conn:
            return list(imports.rejected(conn, import_id))
