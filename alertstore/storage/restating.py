"""Rows of a damaged store, put into a new one: renumbered where numbers must go up without gaps, refused where they fit nothing."""

from __future__ import annotations

import json
import sqlite3
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from alertstore.domain.identity import indicator_number, indicator_uuid
from alertstore.storage.rowrules import dump, fault_of

if TYPE_CHECKING:
    from alertstore.storage.oldhistory import OldHistory
    from alertstore.storage.remains import Remains
    from alertstore.storage.transaction import Transaction

RESTATED = (
    "import", "detection_rule", "alert", "deleted_alert", "occurrence", "rejected_record", "indicator", "alert_indicator", "finding",
    "context_document", "suppression", "alias", "foreign_event", "foreign_store",
)  # fmt: skip
"""The tables whose rows go into the new store, those that others refer to first."""

LEFT_OUT = {
    "sync_alert": "the next sync compares with the remote anew",
    "sync_remote": "the next sync compares with the remote anew",
    "intel_list": "load it again from its file",
}
"""Those that are only put aside, and what to do about them. The entries of lists are not even looked for."""

_MENTIONS = "SELECT id FROM alert UNION SELECT id FROM deleted_alert UNION SELECT alert_id FROM occurrence UNION SELECT alert_id FROM event"
_NAMED = "SELECT 1 FROM alert WHERE uuid = ? UNION ALL SELECT 1 FROM deleted_alert WHERE uuid = ?"
_MALICE = (
    "UPDATE alert SET malice = coalesce(malice_override, (SELECT CASE max(CASE i.malice WHEN 'Malicious' THEN 3 WHEN 'Suspicious' THEN 2 "
    "WHEN 'Benign' THEN 1 ELSE 0 END) WHEN 3 THEN 'Malicious' WHEN 2 THEN 'Suspicious' WHEN 1 THEN 'Benign' ELSE 'Pending' END "
    "FROM alert_indicator l JOIN indicator i ON i.id = l.indicator_id WHERE l.alert_id = alert.id))"
)


class UnfitError(ValueError):
    """A row that the new store does not take; the message says why."""


class Restating:
    """Puts rows into the new store, table by table in the order of `RESTATED`.

    Events of the new store count from 1; the numbers that rows have from their old events go below that, by `upto` less, so
    their order stays and none of them names an event of the new store. Alerts and rules are numbered afresh, without gaps.
    """

    def __init__(self, remains: Remains, history: OldHistory, transaction: Transaction, ids: tuple[str | None, str]) -> None:
        """Number every alert that anything mentions, in the old order. `ids`: of the old store, where it is known, and of the new."""
        self._ids = ids
        self.conn = transaction.conn
        self._new_uuid = transaction.new_uuid
        self._old = remains.conn
        self._history = history
        self._rules: dict[int, int] = {}
        self._old.execute(
            f"CREATE TABLE number AS SELECT id AS old, row_number() OVER (ORDER BY id) AS new FROM ({_MENTIONS}) WHERE id IS NOT NULL"
        )
        self._old.execute("CREATE UNIQUE INDEX number_old ON number (old)")

    def put(self, table: str, row: dict[str, Any]) -> None:
        """Put a row into the new store. Raises `UnfitError`."""
        why = fault_of(table, row)
        if why is None and self._history.contradicts(table, row):
            why = "it is not what its event committed to"
        if why is not None:
            raise UnfitError(why)
        new = self._renumbered(table, row)
        try:
            self.conn.execute(f"INSERT INTO {table} ({', '.join(new)}) VALUES ({','.join('?' * len(new))})", tuple(new.values()))
        except sqlite3.IntegrityError as fault:
            raise UnfitError(str(fault)) from None
        if table == "detection_rule":
            self._rules[row["id"]] = new["id"]

    def lacks_rule(self, row: dict[str, Any]) -> bool:
        """Whether the detection rule of an alert is gone."""
        return row["detection_rule_id"] is not None and row["detection_rule_id"] not in self._rules

    def name_the_lost(self) -> None:
        """An alert of which only mentions are left stands among the deleted ones, under its uuid where an event has it."""
        used = {uuid for (uuid,) in self.conn.execute("SELECT uuid FROM alert UNION SELECT uuid FROM deleted_alert")}
        there = {number for (number,) in self.conn.execute("SELECT id FROM alert UNION SELECT id FROM deleted_alert")}
        for old, new in self._old.execute("SELECT old, new FROM number ORDER BY new"):
            if new not in there:
                uuid = self._history.name_of(old)
                if uuid is None or uuid in used or fault_of("deleted_alert", {"uuid": uuid}):
                    uuid = self._new_uuid()
                used.add(uuid)
                self.conn.execute("INSERT INTO deleted_alert (id, uuid) VALUES (?, ?)", (new, uuid))

    def derive(self) -> None:
        """Compute what follows from the rows: the alerts' malice, the search index."""
        self.conn.execute(_MALICE)
        self.conn.execute("INSERT INTO search (search) VALUES ('rebuild')")

    def _renumbered(self, table: str, row: dict[str, Any]) -> dict[str, Any]:
        new = dict(row)
        new |= {name: self._event(row[name]) for name in ("seq", "enriched_seq") if row.get(name) is not None}
        if "alert_id" in row:
            new["alert_id"] = self._alert(row["alert_id"])
        if table == "detection_rule":
            new["id"] = len(self._rules) + 1
        elif table == "alert":
            new |= {
                "id": self._alert(row["id"]),
                "detection_rule_id": self._rules.get(row["detection_rule_id"]),
                "heads": self._heads(row["heads"]),
            }
        elif table == "deleted_alert":
            new["id"] = self._alert(row["id"])
            if self._occurred(new["id"]) is not None:
                raise UnfitError("its alert is there")
        elif table == "occurrence":
            if row["raw"] is not None and sha256(row["raw"]).digest() != row["sha256"]:
                raise UnfitError("its bytes are not those of its digest")
        elif table == "context_document":
            new["id"] = self._event(row["id"])
        elif table == "alias" and self.conn.execute(_NAMED, (row["uuid"],) * 2).fetchone() is not None:
            raise UnfitError("it is an alert's own uuid")
        elif table in {"finding", "alert_indicator"}:
            self._belongs(table, new)
        elif table == "suppression" and row["kind"] == "indicator":
            new["target"] = self._indicator(row["target"])
        return new

    def _belongs(self, table: str, new: dict[str, Any]) -> None:
        """What only stands beside an alert goes where its alert goes."""
        occurred = self._occurred(new["alert_id"])
        if occurred is None:
            raise UnfitError("its alert is gone")
        if table == "alert_indicator":
            new["occurred_at"] = occurred
            if self.conn.execute("SELECT 1 FROM indicator WHERE id = ?", (new["indicator_id"],)).fetchone() is None:
                raise UnfitError("its indicator is gone")

    def _indicator(self, old: str) -> str:
        """The uuid of an indicator, which is made of its store's id and its number."""
        number = None if self._ids[0] is None else indicator_number(self._ids[0], old)
        if number is None:
            raise UnfitError("which indicator it is of cannot be told")
        return indicator_uuid(self._ids[1], number)

    def _occurred(self, alert: int) -> int | None:
        found = self.conn.execute("SELECT occurred_at FROM alert WHERE id = ?", (alert,)).fetchone()
        return None if found is None else int(found[0])

    def _alert(self, old: int) -> int:
        found = self._old.execute("SELECT new FROM number WHERE old = ?", (old,)).fetchone()
        if found is None:
            raise UnfitError("its alert is gone")
        return int(found[0])

    def _event(self, seq: int) -> int:
        if seq > self._history.upto:
            raise UnfitError("it names an event far beyond the history")
        return seq - self._history.upto

    def _heads(self, text: str) -> str:
        return dump({name: [self._event(seq) for seq in seqs] for name, seqs in json.loads(text).items()})
