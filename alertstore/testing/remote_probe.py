"""With what the contract tests of a remote look at one: alerts of their own, and how they are asked for."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alertstore.sync.remote import Answer, Remote

SUMMARY = frozenset(
    (
        "uuid",
        "title",
        "description",
        "severity",
        "status",
        "enrichment_status",
        "source_name",
        "occurred_at",
        "ingested_at",
        "is_enriched",
        "duplicate_count",
        "tags",
        "close_classification",
        "closed_at",
        "created_at",
        "updated_at",
    )
)
DETAIL = SUMMARY | frozenset(
    (
        "enriched_at",
        "fingerprint",
        "last_seen_at",
        "acknowledged_at",
        "triaged_at",
        "detection_rule_id",
        "raw_payload",
        "malice",
        "malice_override",
        "malice_override_source",
        "malice_override_at",
        "indicators",
        "detection_rule",
        "context_documents",
        "agent_findings",
    )
)
_PATIENCE = 50
_PAUSE = 0.2


class Alert:
    """An alert of a test's own at the remote."""

    def __init__(self, remote: Remote, **payload: Any) -> None:
        """Send it; a payload without a title gets one that nobody else has."""
        self.remote = remote
        self.payload = {"title": f"contract {secrets.token_hex(8)}", "severity": "High", **payload}
        answer = self.send()
        assert not answer.body["data"]["is_duplicate"]
        self.uuid: str = answer.body["data"]["alert_uuid"]
        self.path = f"/v1/alerts/{self.uuid}"
        self.settle(lambda row: row is not None)

    def send(self, **other: Any) -> Answer:
        """Send the payload, or one like it."""
        body = {"source_name": "generic", "payload": self.payload | other}
        answer = self.remote.request("POST", "/v1/alerts", body=body)
        assert answer.status == HTTPStatus.ACCEPTED, answer
        return answer

    def read(self) -> dict[str, Any]:
        """The alert as it is now."""
        answer = self.remote.request("GET", self.path)
        assert answer.status == HTTPStatus.OK, answer
        row: dict[str, Any] = answer.body["data"]
        return row

    def settle(self, test: Any) -> dict[str, Any]:
        """The alert, read until it is so: a remote may commit after it has answered."""
        for _ in range(_PATIENCE):
            answer = self.remote.request("GET", self.path)
            row: dict[str, Any] | None = answer.body["data"] if answer.status == HTTPStatus.OK else None
            if row is not None and test(row):
                return row
            self.remote.wait(_PAUSE)
        raise AssertionError(f"what was answered cannot be read: {answer}")

    def patch(self, body: Mapping[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
        """Patch it; the alert as the answer has it, when it can be read back."""
        answer = self.try_patch(fields if body is None else body)
        assert answer.status == HTTPStatus.OK, answer
        row: dict[str, Any] = answer.body["data"]
        self.settle(lambda now: now["updated_at"] == row["updated_at"])
        return row

    def try_patch(self, body: Any) -> Answer:
        """Patch it; the answer."""
        return self.remote.request("PATCH", self.path, body=body)

    def get(self, part: str, **query: str | int) -> Any:
        """The data of a part: activity, findings, indicators."""
        answer = self.remote.request("GET", f"{self.path}/{part}", query=query)
        assert answer.status == HTTPStatus.OK, answer
        return answer.body["data"]

    def post(self, part: str, body: Any, **query: str | int) -> Any:
        """Add to a part; the data of the answer."""
        answer = self.remote.request("POST", f"{self.path}/{part}", query=query, body=body)
        assert answer.status == HTTPStatus.CREATED, answer
        return answer.body["data"]


def refused(answer: Answer, status: HTTPStatus, code: str) -> Any:
    """The details of an error, which must be this one, in the API's envelope."""
    assert answer.status == status, answer
    error = answer.body["error"]
    assert error.keys() == {"code", "message", "details"}
    assert error["code"] == code
    return error["details"]


def step(status: str) -> dict[str, str]:
    """The patch that leads to a status."""
    return {"status": status} | ({"close_classification": "Undetermined"} if status == "Closed" else {})


class Probe:
    """What the tests of a contract share. Where a remote is known to differ, its subclass says so in `departures`: that test must then fail."""

    departures: ClassVar[Mapping[str, str]] = {}
    """Names of tests that this remote does not pass, and why."""

    @pytest.fixture(autouse=True)
    def _departures(self, request: pytest.FixtureRequest) -> None:
        reason = self.departures.get(request.node.originalname)
        if reason is not None:
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))

    def list(self, remote: Remote, **query: str | int) -> Any:
        """A list's answer."""
        answer = remote.request("GET", "/v1/alerts", query=query)
        assert answer.status == HTTPStatus.OK, answer
        return answer.body

    def window(self, remote: Remote, at: str, **query: str | int) -> Any:
        """The alerts of the second that begins at a time."""
        query = {"from_time": at, "to_time": at.replace("Z", ".999999Z"), "page_size": 500, **query}
        return self.list(remote, **query)["data"]

    def events(self, alert: Alert, *kinds: str) -> Any:
        """The log of an alert; of some kinds, where given."""
        found = alert.get("activity", page_size=500)
        return [event for event in found if event["event_type"] in kinds] if kinds else found
