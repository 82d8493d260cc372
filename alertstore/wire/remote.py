"""Reading what a remote says, as tolerantly as its own words allow: unknown values and fields are no fault, missing names are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alertstore.domain.lifecycle import LifecycleTimes
from alertstore.domain.merge import Move
from alertstore.domain.registers import LIFECYCLE, MALICE, SEVERITY, Registers
from alertstore.domain.remotealert import RemoteAlert, RemoteFinding, RemoteRow
from alertstore.domain.times import is_representable, read_rfc3339
from alertstore.domain.vocabulary import AlertStatus
from alertstore.errors import RemoteUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

ID_KEY = "alertstore"
"""The member of a payload that says which alert here it was made from."""
FINDING_KEY = "alertstore_op"
"""The member of a finding's evidence that says which finding here it was made from."""


_UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


class _Said(BaseModel):
    """Something that the remote said."""

    model_config = ConfigDict(extra="ignore", strict=True)


class _Row(_Said):
    uuid: str = Field(pattern=_UUID)
    title: str
    status: str
    severity: str
    close_classification: str | None = None
    tags: list[str] | None = None
    updated_at: str
    created_at: str


class _Indicator(_Said):
    type: str
    value: str


class _Finding(_Said):
    id: str
    agent_name: str
    summary: str
    confidence: str | None = None
    recommended_action: str | None = None
    evidence: dict[str, Any] | None = None


class _Detail(_Row):
    description: str | None = None
    source_name: str
    fingerprint: str | None = None
    occurred_at: str | None = None
    acknowledged_at: str | None = None
    triaged_at: str | None = None
    closed_at: str | None = None
    malice_override: str | None = None
    indicators: list[_Indicator] | None = None
    agent_findings: list[_Finding] | None = None
    detection_rule: dict[str, Any] | None = None
    raw_payload: Any = None


class _Event(_Said):
    event_type: str
    actor_key_prefix: str | None = None
    references: dict[str, Any] | None = None
    created_at: str


def is_uuid(said: object) -> bool:
    """Whether this is the uuid of an alert, as the remote writes it."""
    return isinstance(said, str) and re.fullmatch(_UUID, said) is not None


def read_row(said: object) -> RemoteRow:
    """A row of a list. Raises `RemoteUnavailableError` where it is none."""
    row = _read(_Row, said)
    return RemoteRow(row.uuid.lower(), row.title, _registers(row, None), row.updated_at, row.created_at)


def read_alert(said: object) -> RemoteAlert:
    """A whole alert. Raises `RemoteUnavailableError` where it is none."""
    alert = _read(_Detail, said)
    if not isinstance(said, dict):  # which _read has made sure of
        raise TypeError
    payload = alert.raw_payload if isinstance(alert.raw_payload, dict) else {}
    mark = payload.get(ID_KEY)
    ours = mark.get("id") if isinstance(mark, dict) else None
    return RemoteAlert(
        uuid=alert.uuid.lower(),
        title=alert.title,
        registers=_registers(alert, alert.malice_override),
        token=alert.updated_at,
        created_at=alert.created_at,
        description=alert.description,
        source_name=alert.source_name,
        fingerprint=alert.fingerprint,
        occurred_at=_micros(alert.occurred_at),
        times=LifecycleTimes(_micros(alert.acknowledged_at), _micros(alert.triaged_at), _micros(alert.closed_at)),
        indicators=[(one.type, one.value) for one in alert.indicators or ()],
        findings=[_finding(one) for one in alert.agent_findings or ()],
        rule=alert.detection_rule,
        ours=ours if isinstance(ours, str) else None,
        data=said,
    )


def read_moves(said: object, key_prefix: str | None) -> list[Move]:
    """The changes of registers in a page of an activity log, in its order. Raises `RemoteUnavailableError` where it is none."""
    if not isinstance(said, list):
        raise _strange("its activity is no list")
    moves = []
    for one in said:
        event = _read(_Event, one)
        told = event.references or {}
        ours = key_prefix is not None and event.actor_key_prefix == key_prefix
        if event.event_type == "alert_status_updated":
            moves.append(Move(LIFECYCLE, [told.get("from_status"), None], [told.get("to_status"), None], event.created_at, ours))
        elif event.event_type == "alert_closed":
            closed = [AlertStatus.CLOSED.value, told.get("close_classification")]
            moves.append(Move(LIFECYCLE, [told.get("from_status"), None], closed, event.created_at, ours))
        elif event.event_type == "alert_severity_updated":
            moves.append(Move(SEVERITY, told.get("from_severity"), told.get("to_severity"), event.created_at, ours))
        elif event.event_type == "alert_malice_updated":
            after = None if told.get("malice_source") == "reset" else told.get("to_malice")
            moves.append(Move(MALICE, told.get("from_malice"), after, event.created_at, ours))
    return moves


def _finding(one: _Finding) -> RemoteFinding:
    mark = (one.evidence or {}).get(FINDING_KEY)
    return RemoteFinding(
        one.id, one.agent_name, one.summary, one.confidence, one.recommended_action, one.evidence, mark if isinstance(mark, str) else None
    )


def _registers(row: _Row, override: str | None) -> Registers:
    return Registers(row.status, row.close_classification, row.severity, override, tuple(row.tags or ()))


def _micros(text: str | None) -> int | None:
    found = None if text is None else read_rfc3339(text)
    return found if found is not None and is_representable(found) else None


M = TypeVar("M", bound=BaseModel)


def _read(model: type[M], said: object) -> M:
    try:
        return model.model_validate(said)
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_context=False, include_input=False)[0]
        raise _strange(f"{'.'.join(map(str, first['loc'])) or 'an answer'}: {first['msg']}") from None


def _strange(what: str) -> RemoteUnavailableError:
    return RemoteUnavailableError(
        f"the remote answered with what is no alert: {what}", advice="check that the address is that of the alert API"
    )


def create_body(title: str, mark: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    """The request that makes an alert of a generic payload: `values` in its fields, `mark` so that it is found again."""
    payload = {"title": title, **{name: value for name, value in values.items() if value not in (None, [])}, ID_KEY: dict(mark)}
    return {"source_name": "generic", "payload": payload}
