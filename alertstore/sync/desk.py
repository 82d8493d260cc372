"""The store as sync works at it: its transactions, who acts, and what it knows of one alert."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, frozen

from alertstore.domain.changes import Act, decide_shown
from alertstore.domain.link import Link
from alertstore.storage import alerts, catalog, links

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from alertstore.domain.changes import AlertState
    from alertstore.domain.lifecycle import LifecycleTimes
    from alertstore.domain.link import Outcome
    from alertstore.domain.merge import Local
    from alertstore.domain.registers import Registers
    from alertstore.storage.repository import Repository
    from alertstore.storage.transaction import Transaction


@frozen
class Here:
    """An alert as it is here. `linked` is the event that last said how it stands with the remote, 0 where there is none."""

    number: int
    title: str
    state: AlertState
    local: Local
    link: Link
    linked: int

    @property
    def uuid(self) -> str:
        """The alert's own uuid."""
        return self.state.uuid


@define
class Desk:
    """An open store, for one sync. `cursor`: the event up to which nobody but this sync has written since it began."""

    repository: Repository
    begin: Callable[[], AbstractContextManager[Transaction]]
    store_id: str
    actor: str
    reason: str | None
    cursor: int = 0

    def read(self) -> AbstractContextManager[sqlite3.Connection]:
        """One consistent view for several reads."""
        return self.repository.reading()

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One transaction. Where nobody else has written, the cursor goes along."""
        with self.begin() as transaction:
            alone = transaction.seq == self.cursor
            yield transaction
            last = transaction.seq
        if alone:
            self.cursor = last

    @staticmethod
    def is_unchanged(conn: sqlite3.Connection, here: Here) -> bool:
        """Whether an alert is still as it was read: no edit, no finding, no word of the remote since."""
        sql = "SELECT a.updated_at, a.heads, coalesce(s.seq, 0) FROM alert a LEFT JOIN sync_alert s ON s.alert_id = a.id WHERE a.id = ?"
        row = conn.execute(sql, (here.number,)).fetchone()
        return row is not None and (row[0], row[2]) == (here.state.updated_at, here.linked) and json.loads(row[1]) == here.state.heads

    def act(self, transaction: Transaction, origin: Mapping[str, Any] | None = None) -> Act:
        """The act of this sync, now."""
        return Act(transaction.now, self.actor, self.reason, origin)

    def here(self, conn: sqlite3.Connection, uuid: str) -> Here | None:
        """An alert with all that merging looks at; None where it is not here (any more)."""
        found = alerts.load_state(conn, uuid)
        if found is None:
            return None
        number, state = found
        title, linked, said = conn.execute(
            "SELECT a.title, s.seq, s.state FROM alert a LEFT JOIN sync_alert s ON s.alert_id = a.id WHERE a.id = ?", (number,)
        ).fetchone()
        link = Link() if said is None else Link.read(json.loads(said))
        return Here(number, title, state, links.local(conn, number, self.store_id, state.heads), link, linked or 0)

    @staticmethod
    def shown(here: Here, registers: Registers) -> Registers:
        """Registers to show, with the tags in the order that they have here if they are the same."""
        return evolve(registers, tags=here.state.tags) if set(registers.tags) == set(here.state.tags) else registers

    def show(self, transaction: Transaction, here: Here, shown: Registers, origin: Mapping[str, Any], times: LifecycleTimes | None) -> bool:
        """Bring an alert to the registers it must show; whether anything changed."""
        change = decide_shown(here.state, self.shown(here, shown), self.act(transaction, origin), elsewhere=times)
        alerts.save(transaction, [(here.number, change)])
        return bool(change.events)

    def save(self, transaction: Transaction, here: Here, link: Link, outcomes: Sequence[tuple[str, int, Outcome]] = ()) -> None:
        """Keep how an alert stands now."""
        if link != here.link or outcomes:
            links.save_link(transaction, here.number, here.uuid, link, actor=self.actor, reason=self.reason, outcomes=outcomes)

    def pairs(self, conn: sqlite3.Connection, number: int) -> set[str]:
        """The indicators of an alert, as `type:value`."""
        return set(catalog.linked(conn, number))
