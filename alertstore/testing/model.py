"""What `StoreMachine` knows of the alerts of a store, and what it expects of a record, without any of the store's code."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from attrs import define, field

from alertstore.domain.indicators import normalise

if TYPE_CHECKING:
    from collections.abc import Mapping

WINDOW = timedelta(hours=24)


@define
class Model:
    """What is known of an alert that is there."""

    title: str
    severity: str
    occurred_at: datetime
    indicators: set[str]
    named: tuple[str, str | None]
    predecessor: str | None
    last_seen_at: datetime
    status: str = "Open"
    verdict: str | None = None
    tags: tuple[str, ...] = ()
    override: str | None = None
    duplicates: int = 0
    reported: set[datetime] = field(factory=set)  # when its duplicates happened
    findings: list[Any] = field(factory=list)
    written: dict[str, Any] = field(factory=dict)  # acknowledged_at, triaged_at: once set, never changed
    updated_at: datetime | None = None


def address(text: str) -> str:
    """An address as it is kept."""
    return normalise("ip", text) or text


def named_by(record: Mapping[str, Any]) -> tuple[str, str | None]:
    """What makes two records the same: title and indicator."""
    return record["title"], address(record["src_ip"]) if "src_ip" in record else None


def expected(record: Mapping[str, Any], at: datetime, alive: Mapping[str, Model]) -> tuple[str, str | None, str | None]:
    """What the contract's paragraph on duplicates says of a record of the time `at` that was not seen before: the outcome, and the uuid
    of the alert that it is a duplicate of, or of the closed one before it.
    """
    alike = {uuid: one for uuid, one in alive.items() if one.named == named_by(record)}
    order = sorted(alike, key=lambda uuid: (abs(alike[uuid].occurred_at - at), alike[uuid].occurred_at, uuid))
    same = [uuid for uuid in order if alike[uuid].occurred_at == at]
    if same:
        return "duplicate", next((uuid for uuid in same if alike[uuid].status != "Closed"), same[0]), None
    again = [uuid for uuid, one in alike.items() if one.status == "Closed" and at in one.reported and "occurred_at" in record]
    if again:
        return "duplicate", again[0], None
    near = [uuid for uuid in order if alike[uuid].status != "Closed" and abs(alike[uuid].occurred_at - at) <= WINDOW]
    if near:
        return "duplicate", near[0], None
    return "new", None, next((uuid for uuid in order if alike[uuid].status == "Closed"), None)
