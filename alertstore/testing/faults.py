"""Scripted faults of a fake remote: which request is hit, and what then happens to it, its answer, or its commit."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from alertstore.domain.times import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alertstore.testing.remote_model import Call, Server

Kind = Literal[
    "refuse",
    "drop_before",
    "drop_after",
    "status",
    "status_after",
    "late_commit",
    "lost_commit",
    "slow",
    "truncated",
    "html",
    "duplicate",
    "delayed",
    "edit_between",
    "unknown_enum",
    "clock_skew",
]
"""
refuse        no connection; surely nothing done (over real HTTP the same as drop_before)
drop_before   the connection is lost, the request is not done
drop_after    done, then the connection is lost
status        answers `status`, the request is not done; with 429 `retry_after` says when to come again: seconds (60), any text, or None
status_after  done, then answers `status`
late_commit   answers success now, can be seen `seconds` later; a later write to the same row waits for it
lost_commit   answers success, and is never seen
slow          done, but answers `seconds` later
truncated     done, the answer stops in the middle
html          not done; a page answers with 200 (a captive portal)
duplicate     done twice; the second answer is given
delayed       the connection is lost, and `seconds` later the request is done, after others
edit_between  right after it another client does `patch` to the same alert, or the test does what it likes in `do()`
unknown_enum  rows in the answer show `row` (over what they are) and lack the names in `without`
clock_skew    the answer's date is `seconds` off
"""


class Reply(NamedTuple):
    """What is put on the line: an answer, or what goes wrong in its place."""

    status: int
    body: Any
    how: Literal["answer", "refused", "lost", "truncated", "html"] = "answer"
    retry_after: int | str | None = None
    seconds: float = 0.0
    skew: float = 0.0


class Fault:
    """One scripted fault; `left` is how often it will still strike (None: always), `hits` how often it did."""

    def __init__(self, kind: Kind, method: str | None, path: str | None, *, times: int | None, after: int, how: Mapping[str, Any]) -> None:
        """Strike requests of `method` whose path and query match the regular expression `path`, but not the first `after` of them.

        Raises `TypeError` for a kind that is not known, or something it does not take.
        """
        self.kind = kind
        self.left = times
        self.hits = 0
        self._after = after
        self._method = method
        self._path = re.compile(path or "")
        self.how = dict(how)
        if kind not in _TAKES:
            raise TypeError(f"there is no fault {kind!r}; known are: {', '.join(_TAKES)}")
        unknown = self.how.keys() - _TAKES[kind]
        if unknown:
            raise TypeError(f"a fault {kind!r} takes {sorted(_TAKES[kind]) or 'nothing'}, not {sorted(unknown)}")

    def strikes(self, call: Call) -> bool:
        """Whether this request is hit; counts it."""
        if self.left == 0 or self._method not in (None, call.method) or not self._path.search(call.target):
            return False
        if self._after:
            self._after -= 1
            return False
        if self.left is not None:
            self.left -= 1
        self.hits += 1
        return True


def deliver(server: Server, faults: list[Fault], call: Call, edit: Callable[..., object]) -> tuple[Reply, str | None]:
    """Bring a call to the server through the faults that strike it; the reply, and the first fault's kind.

    Several faults work one inside the other, the first scripted outermost. `edit(uuid, **patch)` is another client's edit.
    """
    go: Callable[[Call], Reply] = partial(_plain, server)
    struck = [fault for fault in faults if fault.strikes(call)] if faults else []
    for fault in reversed(struck):
        go = partial(_ACTS[fault.kind], server, fault.how, edit, go)
    return go(call), struck[0].kind if struck else None


def _plain(server: Server, call: Call) -> Reply:
    return Reply(*server.answer(call))


_LOST = Reply(0, None, "lost")


def _error(how: Mapping[str, Any]) -> Reply:
    status = how.get("status", 503)
    if status == _TOO_MANY:
        after = how.get("retry_after", 60)
        said = "Rate limit exceeded. Retry after 60 seconds."
        error = {"code": "RATE_LIMITED", "message": said, "details": {"retry_after_seconds": 60}}
        return Reply(status, {"error": error}, retry_after=after)
    codes = {401: ("UNAUTHORIZED", "Invalid API key."), 403: ("FORBIDDEN", "Insufficient scope. Required: alerts:write")}
    code, message = codes.get(status, ("INTERNAL_ERROR", "An unexpected error occurred."))
    return Reply(status, {"error": {"code": code, "message": message, "details": {}}})


_TOO_MANY = 429


def _refuse(_s: Server, _h: Mapping[str, Any], _e: object, _go: object, _c: Call) -> Reply:
    return Reply(0, None, "refused")


def _drop_before(_s: Server, _h: Mapping[str, Any], _e: object, _go: object, _c: Call) -> Reply:
    return _LOST


def _drop_after(_s: Server, _h: Mapping[str, Any], _e: object, go: Callable[[Call], Reply], call: Call) -> Reply:
    go(call)
    return _LOST


def _status(_s: Server, how: Mapping[str, Any], _e: object, _go: object, _c: Call) -> Reply:
    return _error(how)


def _status_after(_s: Server, how: Mapping[str, Any], _e: object, go: Callable[[Call], Reply], call: Call) -> Reply:
    go(call)
    return _error(how)


def _late_commit(_s: Server, how: Mapping[str, Any], _e: object, go: Callable[[Call], Reply], call: Call) -> Reply:
    return go(call._replace(commit=how.get("seconds", 5.0)))


def _lost_commit(_s: Server, _h: Mapping[str, Any], _e: object, go: Callable[[Call], Reply], call: Call) -> Reply:
    return go(call._replace(commit=None))


def _slow(_s: Server, how: Mapping[str, Any], _e: object, go: Callable[[Call], Reply], call: Call) -> Reply:
    return go(call)._replace(seconds=how.get("seconds", 5.0))


def _truncated(_s: Server, _h: Mapping[str, Any], _e: object, go: Callable[[Call], Reply], call: Call) -> Reply:
    return go(call)._replace(how="truncated")


def _html(_s: Server, _h: Mapping[str, Any], _e: object, _go: object, _c: Call) -> Reply:
    return Reply(200, None, "html")


def _duplicate(_s: Server, _h: Mapping[str, Any], _e: object, go: Callable[[Call], Reply], call: Call) -> Reply:
    go(call)
    return go(call)


def _delayed(server: Server, how: Mapping[str, Any], _e: object, _go: object, call: Call) -> Reply:
    server.later(how.get("seconds", 5.0), call)
    return _LOST


def _edit_between(_s: Server, how: Mapping[str, Any], edit: Callable[..., object], go: Callable[[Call], Reply], call: Call) -> Reply:
    reply = go(call)
    if "do" in how:
        how["do"]()
    else:
        edit(call.path.split("/")[3], **how["patch"])
    return reply


def _unknown_enum(_s: Server, how: Mapping[str, Any], _e: object, go: Callable[[Call], Reply], call: Call) -> Reply:
    reply = go(call)
    data = reply.body.get("data") if isinstance(reply.body, dict) else None
    for row in data if isinstance(data, list) else [data]:
        if isinstance(row, dict):
            row.update(how.get("row", STRANGE))
            for name in how.get("without", ()):
                row.pop(name, None)
    return reply


def _clock_skew(_s: Server, how: Mapping[str, Any], _e: object, go: Callable[[Call], Reply], call: Call) -> Reply:
    reply = go(call)
    return reply._replace(skew=reply.skew + how.get("seconds", 86_400.0))


STRANGE = {"status": "Investigating", "severity": "Urgent", "tags": None, "assignee": "j.doe"}
"""What `unknown_enum` shows unless told otherwise."""

_ACTS: dict[str, Callable[..., Reply]] = {
    "refuse": _refuse,
    "drop_before": _drop_before,
    "drop_after": _drop_after,
    "status": _status,
    "status_after": _status_after,
    "late_commit": _late_commit,
    "lost_commit": _lost_commit,
    "slow": _slow,
    "truncated": _truncated,
    "html": _html,
    "duplicate": _duplicate,
    "delayed": _delayed,
    "edit_between": _edit_between,
    "unknown_enum": _unknown_enum,
    "clock_skew": _clock_skew,
}
_NOTHING: frozenset[str] = frozenset()
_TAKES: dict[str, frozenset[str]] = dict.fromkeys(_ACTS, _NOTHING) | {
    **dict.fromkeys(("status", "status_after"), frozenset({"status", "retry_after"})),
    **dict.fromkeys(("late_commit", "slow", "delayed", "clock_skew"), frozenset({"seconds"})),
    "edit_between": frozenset({"patch", "do"}),
    "unknown_enum": frozenset({"row", "without"}),
}


def date_of(micros: int, reply: Reply) -> int:
    """The date that an answer carries: whole seconds, as a Date header does; in microseconds."""
    return int(micros // SECOND + reply.skew) * SECOND
