"""The remote's API, as far as sync needs it: what is asked, and what the answers mean."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from alertstore.domain.safe import safe_text
from alertstore.errors import RemoteRejectedError, RemoteUnavailableError
from alertstore.wire.remote import StrangeAnswerError, is_uuid, read_alert, read_moves, read_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alertstore.domain.merge import Move
    from alertstore.domain.remotealert import RemoteAlert, RemoteRow
    from alertstore.sync.remote import Answer, Remote

PAGE = 500
"""Rows of a page: the most that the remote gives."""
MOST_MOVES = 20
"""Pages of an activity log that are read before it is taken for endless."""

_LONGEST_CODE, _LONGEST_MESSAGE = 64, 300
_OK, _ACCEPTED, _CREATED, _NOT_FOUND, _SERVER_FAULT = 200, 202, 201, 404, 500


class RowPage(NamedTuple):
    """A page of the remote's list, and how many rows all pages have. unread: how many of this page cannot be read; `rows` lacks them."""

    rows: Sequence[RemoteRow]
    total: int
    unread: int = 0


class Made(NamedTuple):
    """What became of a record that was sent: the alert's uuid, and whether the remote took it for a repeat of one that it has."""

    uuid: str
    is_duplicate: bool


class RefusedError(RemoteRejectedError):
    """The remote refused one request for good (400, 413, 422): nothing of it was done."""


class FailedError(RemoteUnavailableError):
    """The remote failed in one request (500). Whether it was done must be looked at."""


class Client:
    """Requests to one remote, counted. `date` is the server's clock at its last answer, microseconds."""

    def __init__(self, remote: Remote) -> None:
        """Ask this remote."""
        self.remote = remote
        self.date: int | None = None
        self.requests = 0

    def alert(self, uuid: str) -> RemoteAlert | None:
        """An alert, whole; None where the remote says that it has no such alert."""
        answer = self._ask("GET", f"/v1/alerts/{uuid}")
        if answer.status == _NOT_FOUND and is_gone(answer):
            return None
        return read_alert(self._data(answer, _OK))

    def rows(self, page: int = 1, *, size: int = PAGE, **filters: str) -> RowPage:
        """A page of the list, in the given order and with the given filters."""
        answer = self._ask("GET", "/v1/alerts", query={**filters, "page": page, "page_size": size})
        data = self._data(answer, _OK)
        meta = answer.body.get("meta")
        total = meta.get("total") if isinstance(meta, dict) else None
        if not isinstance(data, list) or type(total) is not int:
            raise _strange(answer)
        rows = []
        for one in data:
            with suppress(StrangeAnswerError):  # one that is no alert must not hide the others
                rows.append(read_row(one))
        return RowPage(rows, total, len(data) - len(rows))

    def moves(self, uuid: str) -> list[Move]:
        """The changes of registers that the alert's activity log shows, newest first."""
        found: list[Move] = []
        for page in range(1, MOST_MOVES + 1):
            answer = self._ask("GET", f"/v1/alerts/{uuid}/activity", query={"page": page, "page_size": PAGE})
            data = self._data(answer, _OK)
            found += read_moves(data, self.remote.key_prefix)
            if len(data) < PAGE:
                break
        return found

    def patch(self, uuid: str, body: Mapping[str, Any]) -> RemoteAlert | None:
        """Change an alert; what the remote says that it is then, which need not last; None where it has no such alert any more."""
        answer = self._ask("PATCH", f"/v1/alerts/{uuid}", body=dict(body))
        return None if answer.status == _NOT_FOUND and is_gone(answer) else read_alert(self._data(answer, _OK))

    def create(self, path: str, body: Mapping[str, Any]) -> Made:
        """Send a record."""
        answer = self._ask("POST", path, body=dict(body))
        data = self._data(answer, _ACCEPTED)
        if not isinstance(data, dict) or not is_uuid(data.get("alert_uuid")):
            raise _strange(answer)
        return Made(data["alert_uuid"].lower(), bool(data.get("is_duplicate")))

    def add_finding(self, uuid: str, body: Mapping[str, Any]) -> None:
        """Add a finding."""
        self._data(self._ask("POST", f"/v1/alerts/{uuid}/findings", body=dict(body)), _CREATED)

    def add_indicators(self, uuid: str, pairs: Sequence[tuple[str, str]]) -> None:
        """Link indicators (at most 100)."""
        body = {"indicators": [{"type": kind, "value": value} for kind, value in pairs]}
        answer = self._ask("POST", f"/v1/alerts/{uuid}/indicators", query={"enrich": "false"}, body=body)
        self._data(answer, answer.status if answer.status in {_OK, _CREATED} else _CREATED)

    def _ask(self, method: str, path: str, *, query: Mapping[str, str | int] | None = None, body: Any = None) -> Answer:
        self.requests += 1
        answer = self.remote.request(method, path, query=query, body=body)
        self.date = answer.date or self.date
        return answer

    def _data(self, answer: Answer, expected: int) -> Any:
        """What an answer holds. Raises `RefusedError`, `FailedError`, or `RemoteUnavailableError` for what is no answer of the API."""
        if answer.status == expected and isinstance(answer.body, dict) and "data" in answer.body:
            return answer.body["data"]
        error = answer.body.get("error") if isinstance(answer.body, dict) else None
        if not isinstance(error, dict):
            raise _strange(answer)
        said = f"{answer.status} {safe_text(error.get('code'))[:_LONGEST_CODE]}: {safe_text(error.get('message'))[:_LONGEST_MESSAGE]}"
        if answer.status >= _SERVER_FAULT:
            raise FailedError(f"the remote failed: {said}", maybe_done=True)
        raise RefusedError(f"the remote refused it: {said}")


def is_gone(answer: Answer) -> bool:
    """Whether a 404 means that there is no such alert: others mean that there is no such address, or a body that cannot be read."""
    error = answer.body.get("error") if isinstance(answer.body, dict) else None
    return isinstance(error, dict) and error.get("message") == "Alert not found."


def _strange(answer: Answer) -> RemoteUnavailableError:
    message = f"the remote answered {answer.status} with something that is not the alert API's"
    return RemoteUnavailableError(message, advice="check the address")
