"""A remote to test sync against, in memory: it does what the real one does, leniency and lateness included.

    remote = FakeRemote()
    uuid = remote.add(title="Beacon", severity="High")         # what is there already
    remote.fail("late_commit", "PATCH", seconds=40)            # the next PATCH is answered now and seen 40 s later
    remote.fail("edit_between", "GET", uuid, patch={"tags": ["x"]})  # somebody edits between our GET and our PATCH
    store.sync(remote)
    assert remote.alert(uuid)["status"] == "Closed"

Time is the clock's: every request takes 0.35 s of it, `wait` moves it. The same calls give the same answers, to the last uuid.
"""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from alertstore.domain.times import SECOND
from alertstore.errors import RemoteRejectedError, RemoteUnavailableError
from alertstore.sync.remote import Answer, Pace
from alertstore.testing.clock import FrozenClock
from alertstore.testing.faults import Fault, Kind, Reply, date_of, deliver
from alertstore.testing.remote_acts import answer
from alertstore.testing.remote_model import Call, Move, Server, Values
from alertstore.testing.remote_rows import COLUMNS, Row

if TYPE_CHECKING:
    from collections.abc import Mapping

PERSON = "cai_person-at-the-remote"
"""The key of whoever edits there by `edit` and `add`."""
PATIENCE = 30.0
"""Seconds a client waits for an answer."""
PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between the attempts at a request that may be repeated, where the server asks for no more."""
DEADLINE = 300.0
"""Seconds for all attempts together."""
_AGAIN = (429, 502, 503, 504)


class Exchange(NamedTuple):
    """One request as it was delivered: the status of its answer, or the kind of the fault that struck it; when, by whose key."""

    method: str
    path: str
    body: Any
    outcome: int | str
    key_prefix: str
    at: int


class _Shared:
    """What the clients of one server share."""

    def __init__(self, clock: FrozenClock, seed: int) -> None:
        self.server = Server(clock, seed, lambda session, call: answer(session, call, self.server.keys))
        self.server.keys.add(PERSON)
        self.faults: list[Fault] = []
        self.requests: list[Exchange] = []
        self.titles = count(1)


class FakeRemote:
    """A `Remote` in memory, and the other side of it: what others do there, what goes wrong, what was asked."""

    pace = Pace()

    def __init__(self, *, key: str = "cai_ours-0123456789", clock: FrozenClock | None = None, seed: int = 0) -> None:
        """An empty server with its clock (its own, unless given), and a client with a key."""
        self._shared = _Shared(clock if clock is not None else FrozenClock(), seed)
        self._as(key)

    def _as(self, key: str) -> None:
        self._shared.server.keys.add(key)
        self.key = key

    def client(self, key: str) -> FakeRemote:
        """Another client of the same server, with another key: the first 8 characters tell them apart."""
        other = object.__new__(type(self))
        other._shared = self._shared
        other._as(key)
        return other

    # --- the Remote ---

    @property
    def name(self) -> str:
        """What it is called."""
        return "memory://fake-remote"

    @property
    def key_prefix(self) -> str:
        """The beginning of the key."""
        return self.key[:8]

    @property
    def clock(self) -> FrozenClock:
        """The server's clock: the time of everything here."""
        return self._shared.server.clock

    def wait(self, seconds: float) -> None:
        """Move the clock; what was to be done until then is done."""
        self.clock.advance(seconds=seconds)
        self._shared.server.settle()

    def request(self, method: str, path: str, *, query: Mapping[str, str | int] | None = None, body: Any = None) -> Answer:
        """One request as `Remote.request` has it: repeated where that is safe, an error where no answer comes."""
        given = {name: str(value) for name, value in (query or {}).items()}
        call = Call(method, unquote(path), given, body if body is None else json.loads(json.dumps(body, allow_nan=False)), self.key)
        until = self._shared.server.now() + int(DEADLINE * SECOND)
        for pause in (*PAUSES, DEADLINE):
            reply = self.deliver(call)
            if reply.seconds:
                self.wait(min(reply.seconds, PATIENCE))
            if reply.how == "answer" and reply.status not in _AGAIN and reply.seconds < PATIENCE:
                return self._answered(reply)
            did_nothing = reply.how == "refused" or reply.status == _AGAIN[0]
            pause = max(pause, _asked(reply))  # noqa: PLW2901 - the server may ask for more
            is_late = self._shared.server.now() + int(pause * SECOND) >= until
            if reply.how == "html" or is_late or not (method == "GET" or did_nothing):
                break
            self.wait(pause)
        told = f"{self.name}: {method} {path}: {_told(reply)}"
        raise RemoteUnavailableError(told, advice="try again later", maybe_done=method != "GET" and not did_nothing)

    def _answered(self, reply: Reply) -> Answer:
        if reply.status in (401, 403):
            raise RemoteRejectedError(f"{self.name}: {reply.body['error']['message']}", advice="check the key and its scopes")
        return Answer(reply.status, reply.body, date_of(self.micros(), reply))

    def deliver(self, call: Call) -> Reply:
        """Bring one request to the server, through the faults; every delivery is logged in `requests`."""
        shared = self._shared
        shared.requests.append(Exchange(call.method, call.path, call.body, "sent", (call.key or "")[:8], shared.server.now()))
        place = len(shared.requests) - 1
        reply, fault = deliver(shared.server, shared.faults, call, self.edit)
        shared.requests[place] = shared.requests[place]._replace(outcome=fault or reply.status)
        return reply

    # --- what goes wrong ---

    def fail(
        self, kind: Kind, method: str | None = None, path: str | None = None, *, times: int | None = 1, after: int = 0, **how: Any
    ) -> Fault:
        """Script a fault for the next `times` requests (None: all) of a method and a path, after the first `after` of them.

        `path` is a regular expression, searched in path and query. For the kinds, and what each takes, see `faults.Kind`.
        """
        fault = Fault(kind, method, path, times=times, after=after, how=how)
        self._shared.faults.append(fault)
        return fault

    def heal(self) -> None:
        """Take back every scripted fault. What is late stays late."""
        self._shared.faults.clear()

    # --- the other side ---

    def alert(self, uuid: str) -> dict[str, Any] | None:
        """An alert as a GET would show it now; None where there is none. Takes no time and meets no fault."""
        found: dict[str, Any] | None = self._look(f"/v1/alerts/{uuid}")
        return found

    def activity(self, uuid: str) -> list[dict[str, Any]]:
        """The activity log of an alert (its newest 500 entries), newest first."""
        return self._look(f"/v1/alerts/{uuid}/activity", page_size="500") or []

    def _look(self, path: str, **query: str) -> Any:
        server = self._shared.server
        server.settle()
        session = server.session(PERSON)
        status, body = answer(session, Call("GET", path, query, None, PERSON), server.keys)
        return body["data"] if status == _OK else None

    def uuids(self) -> list[str]:
        """The alerts there are."""
        self._shared.server.settle()
        return list(self._shared.server.tables["alerts"])

    def edit(self, uuid: str, *, key: str = PERSON, **patch: Any) -> dict[str, Any]:
        """Somebody's PATCH, by the key; the alert after. ValueError where the server refuses it."""
        self._shared.server.keys.add(key)
        data: dict[str, Any] = self._do("PATCH", f"/v1/alerts/{uuid}", patch, key)
        return data

    def add(self, **fields: Any) -> str:
        """Put an alert there; its uuid. Fields of a patch are patched, the others are a generic payload.

        Without a title it gets a numbered one; with one that is known, the server may find it a duplicate.
        """
        fields.setdefault("title", f"Remote alert {next(self._shared.titles)}")
        patch = {name: fields.pop(name) for name in ("status", "close_classification", "malice_override") if name in fields}
        found = self._do("POST", "/v1/alerts", {"source_name": "generic", "payload": fields}, PERSON)
        uuid = str(found["alert_uuid"])
        if patch:
            self.edit(uuid, **patch)
        return uuid

    def _do(self, method: str, path: str, body: Any, key: str) -> Any:
        status, said = self._shared.server.answer(Call(method, path, {}, json.loads(json.dumps(body)), key))
        if status >= _REFUSED:
            raise ValueError(f"{method} {path}: {status} {said['error']}")
        return said["data"]

    def put(self, uuid: str, **columns: Any) -> None:
        """Write columns as they are given, whatever the API allows: another version's words, columns that do not exist here.

        Times are microseconds since the epoch; `updated_at` is now, unless it is given.
        """
        server = self._shared.server
        server.await_row("alerts", uuid)
        row: Row = {**server.tables["alerts"][uuid], "updated_at": server.start()}
        more = {name: value for name, value in columns.items() if name not in COLUMNS}
        known = {name: tuple(value) if isinstance(value, list) else value for name, value in columns.items() if name in COLUMNS}
        server.write(row | known | {"more": row["more"] | more})

    def enrich(self, uuid: str) -> None:
        """Let the server's worker enrich an alert again: `updated_at` moves, nothing a person sets does."""
        self._do("POST", f"/v1/alerts/{uuid}/enrich", None, PERSON)

    def forget(self, uuid: str) -> None:
        """Delete an alert for good, as the API does: nothing tells of it afterwards."""
        server = self._shared.server
        server.await_row("alerts", uuid)
        del server.tables["alerts"][uuid]

    def wipe(self) -> None:
        """Empty the server: another database behind the same address."""
        self._shared.server.clear()

    def snapshot(self) -> Any:
        """A backup of the server, for `restore`."""
        return self._shared.server.snapshot()

    def restore(self, backup: Any) -> None:
        """Restore the server from a backup: what came after it is gone, `updated_at` goes back."""
        self._shared.server.restore(backup)

    # --- what happened ---

    @property
    def requests(self) -> list[Exchange]:
        """Every request of every client as delivered, in order; a repeated one is there each time."""
        return self._shared.requests

    @property
    def moves(self) -> list[Move]:
        """Every committed change of a register of an alert, in order; the creation is none."""
        return self._shared.server.moves

    def values(self, uuid: str) -> Values:
        """Every value the registers of an alert ever had, in order, also of one that is gone."""
        return self._shared.server.values[uuid]

    def micros(self) -> int:
        """The server's clock, in microseconds since the epoch."""
        return self._shared.server.now()


_OK = 200
_REFUSED = 300


def _asked(reply: Reply) -> float:
    """Seconds that the server asks to wait; 0 where it asks for none, or nothing a client here understands."""
    after = reply.retry_after
    if isinstance(after, str):
        return float(after) if after.isdecimal() else 0.0
    return after or 0.0


def _told(reply: Reply) -> str:
    """What happened, for the error."""
    if reply.how == "answer":
        return f"answered {reply.status}" if reply.seconds < PATIENCE else "no answer in time"
    told = {"refused": "no connection", "lost": "the connection was lost", "html": "what answers is not the API"}
    return told.get(reply.how, "the answer was incomplete")
