"""What sync adds to a history: events of other stores, edits that stand side by side, what is known beside an alert."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_dump = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def foreign_id(body: Mapping[str, Any]) -> tuple[str, int] | None:
    """The store that an event was made in, and its number there; None for one that was made here."""
    origin = body.get("origin", ())
    return (origin["store"], origin["seq"]) if "store" in origin and "seq" in origin else None


def heads_after(stood: Iterable[int], replaced: Iterable[int], seq: int) -> list[int]:
    """The edits of a register that stand after edit `seq` of another store: those that its author did not know of, and it."""
    return sorted({*stood} - {*replaced} | {seq})


def synced_row(state: Mapping[str, Any]) -> tuple[str | None, int, str]:
    """The columns remote_uuid, open and state of the row that an event alert_synced with this state comes to."""
    return state.get("uuid"), 1 if state.get("open") else 0, _dump(state)
