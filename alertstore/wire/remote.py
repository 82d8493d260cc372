"""Reading what a remote says, as tolerantly as its own words allow: unknown values and fields are no fault, missing names are.

What is given out a store can keep, and a bundle carry, whatever was said: text without NUL or half a surrogate pair, short words where
events hold them, lower-case uuids.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Annotated, Any, TypeGuard, TypeVar
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from alertstore.domain.lifecycle import LifecycleTimes
from alertstore.domain.merge import Move
from alertstore.domain.payload import REPLACEMENT
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


LONGEST_WORD = 256
"""Characters of a status, a severity, a time, and the like, which stand in events and are no prose."""

_UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
_NO_TEXT = re.compile("[\0\ud800-\udfff]")

_Word = Annotated[str, Field(max_length=LONGEST_WORD)]


class StrangeAnswerError(RemoteUnavailableError):
    """The remote answered with what is no alert, or no activity of one. Others of its answers may be as they should."""


class _Said(BaseModel):
    """Something that the remote said."""

    model_config = ConfigDict(extra="ignore", strict=True)


class _Row(_Said):
    uuid: str = Field(pattern=_UUID)
    title: str
    status: _Word
    severity: _Word
    close_classification: _Word | None = None
    tags: list[str] | None = None
    updated_at: _Word
    created_at: _Word


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
    source_name: _Word
    fingerprint: str | None = None
    occurred_at: str | None = None
    acknowledged_at: str | None = None
    triaged_at: str | None = None
    closed_at: str | None = None
    malice_override: _Word | None = None
    indicators: list[_Indicator] | None = None
    agent_findings: list[_Finding] | None = None
    detection_rule: dict[str, Any] | None = None
    raw_payload: Any = None


class _Event(_Said):
    event_type: str
    actor_key_prefix: str | None = None
    references: dict[str, Any] | None = None
    created_at: _Word


def is_uuid(said: object) -> TypeGuard[str]:
    """Whether this is the uuid of an alert, as the remote writes it."""
    return isinstance(said, str) and re.fullmatch(_UUID, said) is not None


def read_row(said: object) -> RemoteRow:
    """A row of a list. Raises `StrangeAnswerError` where it is none."""
    row = _read(_Row, said)
    return RemoteRow(row.uuid.lower(), row.title, _registers(row, None), row.updated_at, row.created_at)


def read_alert(said: object) -> RemoteAlert:
    """A whole alert. Raises `StrangeAnswerError` where it is none."""
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
        findings=[_finding(alert.uuid, one) for one in alert.agent_findings or ()],
        rule=alert.detection_rule,
        ours=ours.lower() if is_uuid(ours) else None,
        data=said,
    )


def read_moves(said: object, key_prefix: str | None) -> list[Move]:
    """The changes of registers in a page of an activity log, in its order; those left out whose values are none that a register has.

    Raises `StrangeAnswerError` where it is none.
    """
    if not isinstance(said, list):
        raise _strange("its activity is no list")
    found = [_moved(_read(_Event, one), key_prefix) for one in said]
    return [move._replace(before=_word(move.before), after=_word(move.after)) for move in found if move is not None]


def _moved(event: _Event, key_prefix: str | None) -> Move | None:
    """The change of a register that an event of the log tells of, in whatever words; None where it tells of none."""
    told, kind = event.references or {}, event.event_type
    before: Any
    after: Any
    if kind in {"alert_status_updated", "alert_closed"}:
        register, before, after = LIFECYCLE, [told.get("from_status"), None], [told.get("to_status"), None]
        if kind == "alert_closed":
            after = [AlertStatus.CLOSED.value, told.get("close_classification")]
    elif kind == "alert_severity_updated":
        register, before, after = SEVERITY, told.get("from_severity"), told.get("to_severity")
    elif kind == "alert_malice_updated":
        register, before = MALICE, told.get("from_malice")
        after = None if told.get("malice_source") == "reset" else told.get("to_malice")
    else:
        return None
    return Move(register, before, after, event.created_at, key_prefix is not None and event.actor_key_prefix == key_prefix)


def _word(said: Any) -> Any:
    """A value of a register as the log tells it; "" for what can be none: somebody was there, whatever he did."""
    if isinstance(said, list):
        return [_word(one) for one in said] if len(said) == 2 else ""  # noqa: PLR2004 - status and classification
    return said if said is None or (isinstance(said, str) and len(said) <= LONGEST_WORD) else ""


def _finding(alert: str, one: _Finding) -> RemoteFinding:
    """A finding, under its uuid; where its id is none, under one that follows from it, the same each time it is read."""
    uuid = one.id.lower() if is_uuid(one.id) else str(uuid5(UUID(alert), one.id))
    mark = (one.evidence or {}).get(FINDING_KEY)
    return RemoteFinding(
        uuid, one.agent_name, one.summary, one.confidence, one.recommended_action, one.evidence, mark if isinstance(mark, str) else None
    )


def _registers(row: _Row, override: str | None) -> Registers:
    return Registers(row.status, row.close_classification, row.severity, override, tuple(row.tags or ()))


def _micros(text: str | None) -> int | None:
    found = None if text is None else read_rfc3339(text)
    return found if found is not None and is_representable(found) else None


M = TypeVar("M", bound=BaseModel)


def _read(model: type[M], said: object) -> M:
    try:
        return model.model_validate(_plain(said))
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_context=False, include_input=False)[0]
        raise _strange(f"{'.'.join(map(str, first['loc'])) or 'an answer'}: {first['msg']}") from None


def _plain(said: Any) -> Any:
    """What was said, with U+FFFD for what no text can hold, keys included, and None for a number that is none (JSON's 1e999)."""
    if isinstance(said, str):
        return _NO_TEXT.sub(REPLACEMENT, said)
    if isinstance(said, dict):
        return {_plain(key): _plain(value) for key, value in said.items()}
    if isinstance(said, list):
        return [_plain(one) for one in said]
    return None if isinstance(said, float) and not math.isfinite(said) else said


def _strange(what: str) -> StrangeAnswerError:
    return StrangeAnswerError(
        f"the remote answered with what is no alert: {what}", advice="check that the address is that of the alert API"
    )


def create_body(title: str, mark: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    """The request that makes an alert of a generic payload: `values` in its fields, `mark` so that it is found again."""
    payload = {"title": title, **{name: value for name, value in values.items() if value not in (None, [])}, ID_KEY: dict(mark)}
    return {"source_name": "generic", "payload": payload}
