"""The server that a `FakeRemote` talks to: tables, transactions, and what it does for each request.

As on the remote, a request is one transaction whose time is its start, the answer leaves before the commit, and nothing
keeps two clients from overwriting each other.
"""

from __future__ import annotations

import heapq
from hashlib import sha256
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from alertstore.domain.times import SECOND, to_micros
from alertstore.testing.remote_rows import Event, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alertstore.testing.clock import FrozenClock

CHECK = 0.3
"""Seconds until a request's key is checked: `updated_at` is the time before, `closed_at` and the like the time after."""
WHOLE = 0.35
"""Seconds that every request takes."""
REGISTERS = ("status", "close_classification", "severity", "malice_override", "tags")
_TABLES = ("alerts", "indicators", "rules")


class Call(NamedTuple):
    """A request as the server has it; `commit` is seconds from the answer to the commit, None for a commit that fails."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    key: str | None
    commit: float | None = 0.0

    @property
    def target(self) -> str:
        """Path and query, by which faults are matched."""
        return self.path + "?" + "&".join(f"{name}={value}" for name, value in self.query.items()) if self.query else self.path


class Move(NamedTuple):
    """A register of an alert that changed: which, from what, to what, and the beginning of the key of who did it."""

    uuid: str
    field: str
    before: Any
    after: Any
    key_prefix: str | None


class Values(NamedTuple):
    """Every value an alert's registers had, in order, repeats of the last left out."""

    lifecycle: list[tuple[str, str | None]]
    severity: list[str]
    malice: list[str | None]
    tags: list[tuple[str, ...]]

    def note(self, row: Row) -> None:
        """Add those of a row."""
        new = ((row["status"], row["close_classification"]), row["severity"], row["malice_override"], row["tags"])
        every: tuple[list[Any], ...] = self
        for known, value in zip(every, new, strict=True):
            if not known or known[-1] != value:
                known.append(value)


class Session:
    """A transaction: it sees what is committed and what it wrote itself; `start` and `now` in microseconds."""

    __slots__ = ("_server", "done", "key_prefix", "now", "start", "written")

    def __init__(self, server: Server, start: int, key: str | None) -> None:
        """Begin."""
        self._server = server
        self.start = start
        self.now = start + int(CHECK * 1_000_000)
        self.key_prefix = key and key[:8]
        self.written: dict[tuple[str, str], Row | None] = {}
        self.done = False

    def get(self, table: str, key: str) -> Row | None:
        """A row to read, or None."""
        if self.written and (table, key) in self.written:
            return self.written[table, key]
        return self._server.tables[table].get(key)

    def edit(self, table: str, key: str) -> Row | None:
        """A copy of a row to change and `put`; waits for the commit of another transaction that has changed it."""
        self._server.await_row(table, key)
        row = self.get(table, key)
        return None if row is None else dict(row)

    def put(self, table: str, key: str, row: Row | None) -> None:
        """Write a row, or delete it."""
        self.written[table, key] = row

    def indicator(self, kind: str, value: str) -> Row | None:
        """The indicator of a value, to change; also one that this transaction has made."""
        self._server.await_value(kind, value)
        known = self._server.by_value.get((kind, value))
        if known is not None:
            return self.edit("indicators", known)
        made = (row for (table, _), row in self.written.items() if table == "indicators" and row)
        return next((dict(row) for row in made if (row["type"], row["value"]) == (kind, value)), None)

    def log(self, row: Row, kind: str, references: Mapping[str, Any], *, at: int | None = None) -> None:
        """Add an entry to an alert's activity log; `at` where the remote's own worker is the actor."""
        actor, prefix = ("api", self.key_prefix) if at is None else ("system", None)
        event = Event(self._server.new_uuid(), kind, actor, prefix, row["number"], references, self.start if at is None else at)
        row["events"] = (*row["events"], event)

    def new_uuid(self) -> str:
        """A uuid of the server's."""
        return self._server.new_uuid()

    def new_number(self) -> int:
        """An internal number, by which its rows name each other."""
        return next(self._server.numbers)

    def candidates(self, fingerprint: str) -> list[Row]:
        """Committed alerts of a fingerprint."""
        rows = self._server.tables["alerts"]
        return [rows[uuid] for uuid in self._server.by_print.get(fingerprint, ()) if uuid in rows]

    def linked_alert(self, indicator: str) -> str | None:
        """One alert with that indicator, no matter which."""
        return next((uuid for uuid in self._server.by_link.get(indicator, ()) if uuid in self._server.tables["alerts"]), None)

    def alerts(self) -> list[Row]:
        """Every committed alert."""
        return list(self._server.tables["alerts"].values())

    def shuffle(self) -> int:
        """A number that is another at every call, the same in every run."""
        return next(self._server.shuffles)


class Server:
    """State and clock of a fake remote. `handle` answers a call inside a transaction and gives status and body."""

    def __init__(self, clock: FrozenClock, seed: int, handle: Callable[[Session, Call], tuple[int, Any]]) -> None:
        """An empty server that knows no key."""
        self.clock = clock
        self.keys: set[str] = set()
        self.moves: list[Move] = []
        self.values: dict[str, Values] = {}
        self.numbers = count(1)
        self.shuffles = count(seed)
        self._seed = seed
        self._ids = count()
        self._turns = count()
        self._handle = handle
        self._last = 0
        self._pending: list[Session] = []
        self._due: list[tuple[int, int, Callable[[], object]]] = []
        self.clear()

    def clear(self) -> None:
        """Forget every row, and what is not committed; requests that are still under way will come.

        What was once seen (`moves`, `values`) stays.
        """
        self.tables: dict[str, dict[str, Row]] = {name: {} for name in _TABLES}
        self.by_value: dict[tuple[str, str], str] = {}
        self.by_print: dict[str, list[str]] = {}
        self.by_link: dict[str, list[str]] = {}
        for session in self._pending:
            session.done = True
        self._pending = []

    def snapshot(self) -> dict[str, dict[str, Row]]:
        """A backup of the committed rows."""
        self.settle()
        return {name: dict(rows) for name, rows in self.tables.items()}

    def restore(self, backup: Mapping[str, Mapping[str, Row]]) -> None:
        """Put a backup in the place of what is there."""
        self.clear()
        for table, rows in backup.items():
            for key, row in rows.items():
                self._store(table, key, row, None)

    def now(self) -> int:
        """The server's clock, in microseconds."""
        return to_micros(self.clock())

    def new_uuid(self) -> str:
        """The next of the seed's uuids."""
        return str(UUID(bytes=sha256(f"{self._seed}/{next(self._ids)}".encode()).digest()[:16], version=4))

    def start(self) -> int:
        """The start of a transaction, in microseconds. No two share one: `updated_at` tells states apart.

        A clock that is set back by more than a second does take it back.
        """
        now = self.now()
        self._last = self._last + 1 if 0 <= self._last - now <= SECOND else now
        return self._last

    def session(self, key: str) -> Session:
        """A transaction to look with, at no cost of time."""
        return Session(self, self.now(), key)

    def write(self, row: Row) -> None:
        """Write an alert past every rule."""
        self._store("alerts", row["uuid"], row, None)

    def answer(self, call: Call) -> tuple[int, Any]:
        """Do a request now: status and body; the clock goes on by what it takes."""
        self.settle()
        found = self._answer(call, self.start())
        self.clock.advance(seconds=WHOLE)
        return found

    def later(self, seconds: float, call: Call) -> None:
        """Do a request when the clock has gone on so far, answer or not."""
        at = self.now() + int(seconds * 1_000_000)
        heapq.heappush(self._due, (at, next(self._turns), lambda: self._answer(call, at)))

    def settle(self) -> None:
        """Do what was to happen until now: late commits and late requests, in their order."""
        if self._due:
            now = self.now()
            while self._due and self._due[0][0] <= now:
                heapq.heappop(self._due)[2]()

    def await_row(self, table: str, key: str) -> None:
        """Commit first what is pending for a row."""
        self._commit_where(lambda written: (table, key) in written)

    def await_value(self, kind: str, value: str) -> None:
        """Commit first what is pending and makes an indicator of this value."""
        self._commit_where(lambda written: any(row and row.get("type") == kind and row.get("value") == value for row in written.values()))

    def _commit_where(self, test: Callable[[dict[tuple[str, str], Row | None]], bool]) -> None:
        for session in [one for one in self._pending if test(one.written)] if self._pending else ():
            self._commit(session)

    def _answer(self, call: Call, start: int) -> tuple[int, Any]:
        session = Session(self, start, call.key)
        status, body = self._handle(session, call)
        if not session.written or call.commit is None:
            return status, body
        if call.commit:
            self._pending.append(session)
            at = session.now + int(call.commit * 1_000_000)
            heapq.heappush(self._due, (at, next(self._turns), lambda: self._commit(session)))
        else:
            self._commit(session)
        return status, body

    def _commit(self, session: Session) -> None:
        if session.done:
            return
        session.done = True
        if session in self._pending:
            self._pending.remove(session)
        for (table, key), row in session.written.items():
            self._store(table, key, row, session.key_prefix)

    def _store(self, table: str, key: str, row: Row | None, key_prefix: str | None) -> None:
        before = self.tables[table].pop(key, None) if row is None else self.tables[table].get(key)
        if row is None:
            return
        self.tables[table][key] = row
        if table == "indicators":
            self.by_value[row["type"], row["value"]] = key
        elif table == "alerts":
            if before is None:
                self.by_print.setdefault(row["fingerprint"], []).append(key)
            for link in row["links"]:
                if key not in (known := self.by_link.setdefault(link, [])):
                    known.append(key)
            self._note(key, before, row, key_prefix)

    def _note(self, uuid: str, before: Row | None, row: Row, key_prefix: str | None) -> None:
        self.values.setdefault(uuid, Values([], [], [], [])).note(row)
        changed = () if before is None else ((name, before[name], row[name]) for name in REGISTERS)
        self.moves.extend(Move(uuid, name, was, now, key_prefix) for name, was, now in changed if was != now)
