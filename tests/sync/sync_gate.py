"""What stands between a world's stores and its remote: processes that die, and a note of who else was there."""

from __future__ import annotations

import re
from contextlib import contextmanager

from attrs import define, field

from alertstore import AlertStore
from alertstore.errors import RemoteUnavailableError
from alertstore.sync import client, scan

_DETAIL = re.compile(r"^/v1/alerts/([0-9a-f-]{36})$")


class Crash(BaseException):
    """The process dies here."""


class MortalStore(AlertStore):
    """A store whose process dies in a commit, and that writes nothing once it is dead."""

    dead = False
    writes_left = None

    @contextmanager
    def _write(self):
        with super()._write() as transaction:
            if self.dead:
                raise Crash
            yield transaction
            if self.writes_left is not None:
                self.writes_left -= 1
                if self.writes_left < 0:
                    raise Crash


@define
class Gate:
    """A store's way to the remote. It dies at a request, and notes what others did between a look and a write."""

    world: object
    node: object
    remote: object
    dies_at: int | str | None = None  # the number of a request, or the method of the first that has it
    dies_after: bool = False
    count: int = 0
    seen: dict = field(factory=dict)

    @property
    def name(self):
        return self.remote.name

    @property
    def key_prefix(self):
        return self.remote.key_prefix

    @property
    def pace(self):
        return self.remote.pace

    def wait(self, seconds):
        self.remote.wait(seconds)

    def request(self, method, path, *, query=None, body=None):
        self.count += 1
        dies = self.dies_at in (self.count, method)
        if dies and not self.dies_after:
            raise self.death()
        moves, asked = self.remote.moves, _DETAIL.match(path)
        self.world.look = None
        delayed = self.world.delayed()
        try:
            answer = self.remote.request(method, path, query=query, body=body)
        except RemoteUnavailableError:
            if dies:
                raise self.death() from None
            raise
        finally:
            if asked and method == "GET":
                self.seen[asked[1]] = len(moves) if self.world.look is None else self.world.look
            if asked and method == "PATCH":
                self.raced(asked[1], body, delayed=self.world.delayed() > delayed)
        if dies:
            raise self.death()
        return answer

    def raced(self, uuid, body, *, delayed):
        """Note what others moved after this gateway looked at an alert, and before its own write took effect there."""
        if delayed:
            self.world.loose.add(uuid)
        between = {}
        for move in self.remote.moves[self.seen.get(uuid, 0) :]:
            if move.uuid == uuid and move.key_prefix == self.key_prefix:
                break
            if move.uuid == uuid:
                between[move.field] = (between.get(move.field, (move.before,))[0], move.after)
        self.world.races += [(self.node.number, uuid, name, *step, dict(body)) for name, step in between.items()]

    def death(self):
        self.node.store.dead = True
        return Crash()


@contextmanager
def small_pages(rows=3, window=4):
    """Lists of three rows a page, so that a handful of alerts takes several."""
    before = scan.PAGE, scan.WINDOW, client.Client.rows.__kwdefaults__["size"]
    scan.PAGE, scan.WINDOW, client.Client.rows.__kwdefaults__["size"] = rows, window, rows
    try:
        yield
    finally:
        scan.PAGE, scan.WINDOW, client.Client.rows.__kwdefaults__["size"] = before
