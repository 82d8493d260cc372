"""What sync keeps beside the alerts, held against the events that say it.

A row is looked up where its event is met, and counted. Nothing of it is remembered, however many there are; a row that no event
accounts for shows in the count of its table.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from alertstore.domain.synced import foreign_id, synced_row
from alertstore.domain.verdict import Problem

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

OF_ALERTS = {"alert_synced", "alert_aliased"}
"""The kinds of events that say what is kept beside an alert, and nothing of the alert itself."""

KINDS = {*OF_ALERTS, "foreign_events_carried"}
"""The kinds of events that rows beside the alerts follow from; others have one only by their origin."""

TABLES = ("sync_alert", "alias", "foreign_event")


class Asides:
    """Holds each row of `TABLES` against its event, and counts those that have one."""

    def __init__(self, conn: sqlite3.Connection, problems: list[Problem]) -> None:
        """Collect into `problems`."""
        self._conn = conn
        self._problems = problems
        self.rows = Counter[str]()

    def event(self, seq: int, kind: str, said: Mapping[str, Any], alert: int | None) -> None:
        """Look up what an event comes to; it is one of `KINDS`, or has an origin."""
        if kind == "alert_synced":
            self._synced(seq, said["facts"]["state"], alert)
        elif kind == "alert_aliased":
            self._aliased(seq, said["facts"]["uuid"], alert)
        elif kind == "foreign_events_carried":
            for store, number, there in said["facts"]["events"]:
                self._foreign(there, (store, number))
        if (origin := foreign_id(said)) is not None:
            self._foreign(seq, origin)

    def _synced(self, seq: int, state: Mapping[str, Any], alert: int | None) -> None:
        """The row is that of this event, or of a later one, which is yet to come."""
        row = self._conn.execute("SELECT seq, remote_uuid, open, state FROM sync_alert WHERE alert_id = ?", (alert,)).fetchone()
        if row is None or row[0] < seq:
            self._problems.append(Problem("row", f"sync_alert {alert}: seq", seq, row and row[0]))
        elif row[0] == seq:
            self._met("sync_alert", alert, synced_row(state), row[1:])

    def _aliased(self, seq: int, uuid: str, alert: int | None) -> None:
        if type(uuid) is not str:
            raise TypeError("an alias is a uuid", uuid)
        row = self._conn.execute("SELECT alert_id, seq FROM alias WHERE uuid = ?", (uuid,)).fetchone()
        self._met("alias", uuid, (alert, seq), row)

    def _foreign(self, seq: int, expected: tuple[object, object]) -> None:
        if type(seq) is not int or seq.bit_length() > 63:  # noqa: PLR2004 - what SQLite counts to
            raise TypeError("the number of an event", seq)
        row = self._conn.execute("SELECT store_id, number FROM foreign_event WHERE seq = ?", (seq,)).fetchone()
        self._met("foreign_event", seq, expected, row)

    def _met(self, table: str, key: object, expected: tuple[object, ...], found: tuple[object, ...] | None) -> None:
        self.rows[table] += found is not None
        if found != expected:
            self._problems.append(Problem("row", f"{table} {key}", list(expected), found and list(found)))
