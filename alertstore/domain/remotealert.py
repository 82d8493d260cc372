"""An alert as the remote says it is: words that are none of ours included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alertstore.domain.lifecycle import LifecycleTimes
    from alertstore.domain.registers import Registers


@frozen
class RemoteRow:
    """A row of the remote's list. token: its updated_at. `registers` has no override, since lists do not tell it."""

    uuid: str
    title: str
    registers: Registers
    token: str
    created_at: str


@frozen
class RemoteFinding:
    """A finding on the remote. alertstore_op: ours, by the id that we put into its evidence; else None."""

    id: str
    agent_name: str
    summary: str
    confidence: str | None
    recommended_action: str | None
    evidence: Mapping[str, Any] | None
    alertstore_op: str | None


@frozen
class RemoteAlert(RemoteRow):
    """A whole alert. Times in microseconds, where they can be read. `ours`: the id of the alert here that it was made from, if one
    was. data: all that the remote said.
    """

    description: str | None
    source_name: str
    fingerprint: str | None
    occurred_at: int | None
    times: LifecycleTimes
    indicators: Sequence[tuple[str, str]]
    findings: Sequence[RemoteFinding]
    rule: Mapping[str, Any] | None
    ours: str | None
    data: Mapping[str, Any]
