"""A new store from what can still be read of a damaged one. It restates what it found; it proves nothing of what came before."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from attrs import frozen

from alertstore.domain.erasure import HOLD
from alertstore.domain.events import EventDraft, EventKind
from alertstore.errors import StorageError, StoreDamagedError
from alertstore.storage import schema
from alertstore.storage.carry import carry, opening_facts
from alertstore.storage.oldhistory import OldHistory
from alertstore.storage.opening import create_file
from alertstore.storage.recurrence import is_setting
from alertstore.storage.remains import Remains, as_text
from alertstore.storage.restating import LEFT_OUT, RESTATED, Restating, UnfitError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from alertstore.storage.acquire import Acquisition
    from alertstore.storage.pages import Span
    from alertstore.storage.repository import Repository
    from alertstore.storage.transaction import Transaction

MOST_SPANS = 100
"""Ranges that the event `store_salvaged` lists for a table; the report has them all."""


@frozen
class SalvagedTable:
    """What became of a table: the rows that were taken, those put aside, and the row numbers of those that are gone.

    A range that ends with None goes on to an end that is not known. A row that is put aside stands in the quarantine with the
    reason.
    """

    name: str
    taken: int
    quarantined: int
    lost: tuple[Span, ...]


@frozen
class SalvageReport:
    """What a salvage came to. Nothing in the new store is proven by the old history; its own history starts with the salvage.

    `sha256`: of the damaged file. `old_store_id`: None where it could not be read. `events`: how many of the old history could
    be read; `size`, `root`: its unbroken beginning, recomputed; `changed_events`: the numbers of those whose bytes are not
    those that were hashed when they were written; `lost_events`: of those that are gone. `integrity`: what SQLite says of the
    damaged file.
    """

    source: str
    target: str
    quarantine: str
    sha256: str
    store_id: str
    old_store_id: str | None
    events: int
    size: int
    root: str
    changed_events: tuple[Span, ...]
    lost_events: tuple[Span, ...]
    tables: tuple[SalvagedTable, ...]
    integrity: tuple[str, ...]


def salvage(
    source: Acquisition, target: str, *, clock: Callable[[], datetime], ids: Callable[[], UUID], by: tuple[str, str | None]
) -> SalvageReport:
    """Build the store `target` from the copy of a damaged one; `by`: who does so, and why.

    `TARGET.quarantine.jsonl` gets the old history as far as it can be read, and every row that was not taken. Raises
    `StorageError` where one of the two exists, and `StoreDamagedError` where nothing of an alertstore can be read.
    """
    target = os.path.abspath(target)
    quarantine = f"{target}.quarantine.jsonl"
    if os.path.lexists(target):
        raise StorageError(f"{target} exists already", advice="name a file that does not exist")
    reject = Reject(quarantine)
    try:
        with closing(reject.file), closing(Remains(source.copy, f"{source.copy}.scratch", reject)) as remains:
            work = _Salvage(source, remains, reject)
            if work.is_empty():
                raise StoreDamagedError(f"nothing of an alertstore can be read in {source.path}", advice="restore a backup")
            create_file(target, lambda repository: work.fill(repository, clock, ids, by), timedelta())
            reject.keep()
    except BaseException:  # an interrupt too: what is not whole does not stay
        os.unlink(quarantine)
        raise
    return work.report(target)


class _Salvage:
    """One salvage, from what remains of the old store to the rows of the new one."""

    def __init__(self, source: Acquisition, remains: Remains, reject: Reject) -> None:
        self.source = source
        self.remains = remains
        self.reject = reject
        self.history = OldHistory(remains)
        self.events = remains.value("SELECT count(*) FROM event")
        self.old_id: str | None = next((row["value"] for row in remains.rows("setting") if row["name"] == "store_id"), None)
        self.lost = {table: remains.gaps(table) for table in (*RESTATED, *LEFT_OUT)}
        self.taken = Counter[str]()
        self.store_id = ""

    def is_empty(self) -> bool:
        """Whether nothing at all can be read."""
        return not any(self.remains.value(f"SELECT count(*) FROM {table}") for table in ("event", *RESTATED))

    def fill(self, repository: Repository, clock: Callable[[], datetime], ids: Callable[[], UUID], by: tuple[str, str | None]) -> None:
        """Make the tables, the rows, and the history that restates them."""
        schema.create(repository.db)
        self._keep_history()
        with repository.writing(clock, ids) as transaction:
            self.store_id = transaction.new_uuid()
            kept = [
                (row["name"], row["value"])
                for row in self.remains.rows("setting")
                if row["name"] == HOLD or is_setting(row["name"], row["value"])
            ]
            transaction.conn.executemany("INSERT INTO setting (name, value) VALUES (?, ?)", [("store_id", self.store_id), *kept])
            self._take_all(Restating(self.remains, self.history, transaction, (self.old_id, self.store_id)))
            opening = opening_facts(transaction.conn)
            created = {"store_id": self.store_id}
            transaction.append(EventDraft(EventKind.STORE_CREATED, self.store_id, transaction.now, by[0], facts=created))
            said = opening | self._facts()
            transaction.append(EventDraft(EventKind.STORE_SALVAGED, self.store_id, transaction.now, by[0], facts=said, reason=by[1]))
            carry(transaction, by[0])
            self._say_again_what_was_met(transaction, by[0])

    def _say_again_what_was_met(self, transaction: Transaction, actor: str) -> None:
        """What an import only met again stands in events alone, and comparing two imports needs it."""
        taken = {number for (number,) in transaction.conn.execute("SELECT id FROM import")}
        for number, ranges in self.history.met_again():
            if number in taken:
                here = [[first - self.history.upto, many] for first, many in ranges]
                facts = {"import": number, "occurrences": here}
                transaction.append(EventDraft(EventKind.RECORDS_SEEN, str(number), transaction.now, actor, facts=facts))

    def _take_all(self, restating: Restating) -> None:
        for table in RESTATED:
            for row in self.remains.rows(table):
                try:
                    restating.put(table, row)
                except UnfitError as why:
                    self.reject(table, row, str(why))
                    continue
                self.taken[table] += 1
                if table == "alert" and restating.lacks_rule(row):
                    self.reject("alert, taken without its rule", row, "its detection rule is gone")
            if table == "deleted_alert":
                restating.name_the_lost()
        restating.derive()

    def _keep_history(self) -> None:
        """The old history, and what belongs to it, goes where the rows go that are not taken."""
        wrong = {seq for first, last in self.history.wrong for seq in range(first, (last or first) + 1)}
        for row in self.remains.rows("event"):
            why = "its leaf is wrong" if row["seq"] in wrong else "its leaf is right"
            self.reject("event", row | {"body": row["body"].decode(errors="backslashreplace")}, why)
        for table in ("setting", "part_salt", "signed_checkpoint", "pruned"):
            for row in self.remains.rows(table):
                self.reject(table, row, "it belongs to the old history")
        for table, advice in LEFT_OUT.items():
            for row in self.remains.rows(table):
                self.reject(table, row, advice)

    def _facts(self) -> dict[str, Any]:
        """What the event `store_salvaged` says of the old store. `upto`: a row's number there is its number here plus this."""
        history, rejected = self.history, self.reject.counts
        facts = {
            "old_store_id": self.old_id,
            "files": [list(one) for one in self.source.files],
            "upto": history.upto,
            "events": self.events,
            "size": history.size,
            "root": history.root,
            "changed_events": _listed(history.wrong),
            "lost_events": _listed(history.lost),
            "taken": {table: self.taken[table] for table in RESTATED},
            "quarantined": {table: rejected[table] for table in self.lost if rejected[table]},
            "lost": {table: _listed(lost) for table, lost in self.lost.items() if lost},
        }
        return {name: value for name, value in facts.items() if value is not None}

    def report(self, target: str) -> SalvageReport:
        """What it came to."""
        history, rejected = self.history, self.reject.counts
        return SalvageReport(
            source=self.source.path,
            target=target,
            quarantine=self.reject.path,
            sha256=self.source.files[0].sha256,
            store_id=self.store_id,
            old_store_id=self.old_id,
            events=self.events,
            size=history.size,
            root=history.root,
            changed_events=tuple(history.wrong),
            lost_events=tuple(history.lost),
            tables=tuple(SalvagedTable(table, self.taken[table], rejected[table], tuple(lost)) for table, lost in self.lost.items()),
            integrity=self.source.integrity,
        )


def _listed(found: list[Span]) -> list[list[int | None]]:
    return [list(span) for span in found[:MOST_SPANS]]


class Reject:
    """Writes what is put aside, a line of JSON for each, and counts it by table."""

    def __init__(self, path: str) -> None:
        """Make the file (mode 0600); an existing one is never replaced."""
        self.path = path
        self.counts = Counter[str]()
        try:
            self.file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii")
        except FileExistsError:
            raise StorageError(f"{path} exists already", advice="name a file that does not exist") from None
        except OSError as fault:
            raise StorageError(f"{path} cannot be created: {fault.strerror}", advice="choose a folder you may write to") from fault

    def __call__(self, table: str, row: object, reason: str) -> None:
        """Put something aside."""
        self.counts[table] += 1
        self.file.write(as_text({"table": table, "reason": reason, "row": row}) + "\n")

    def keep(self) -> None:
        """Make what was written durable."""
        self.file.flush()
        os.fsync(self.file.fileno())
