"""Records and alerts to begin a test with. Plain functions; what is given replaces what they would make."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from alertstore.errors import AlertValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from alertstore.domain.alert import Alert
    from alertstore.store import AlertStore


def suricata_alert(**over: Any) -> dict[str, Any]:
    """An alert as Suricata writes it to `eve.json`; fields of its `alert` object are given as `alert={...}`."""
    rule = {
        "action": "allowed",
        "gid": 1,
        "signature_id": 2019401,
        "rev": 26,
        "signature": "ET POLICY Vulnerable Java Version 1.8.x Detected",
        "category": "Potentially Bad Traffic",
        "severity": 2,
    }
    record = {
        "timestamp": "2024-05-01T11:59:00.000001+0000",
        "flow_id": 1031464864740687,
        "event_type": "alert",
        "src_ip": "192.0.2.7",
        "src_port": 49189,
        "dest_ip": "198.51.100.23",
        "dest_port": 80,
        "proto": "TCP",
    }
    return record | over | {"alert": rule | over.get("alert", {})}


def generic_alert(**over: Any) -> dict[str, Any]:
    """A record of the `generic` source, with a title, a severity, a time, a tag and an indicator."""
    record = {
        "title": "Beacon to a rare host",
        "severity": "High",
        "occurred_at": "2024-05-01T11:58:00Z",
        "tags": ["c2"],
        "indicators": [{"type": "ip", "value": "203.0.113.9"}],
    }
    return record | over


def make_alert(store: AlertStore, *, status: str = "Open", classification: str | None = None, **over: Any) -> Alert:
    """A new generic alert in a store, no other's duplicate (its title is numbered), brought to `status`.

    A `classification` closes it.
    """
    number = store.checkpoint().size
    alert = store.add(generic_alert(**{"title": f"Alert {number}", **over})).alert
    if classification is not None:
        return store.close_alert(alert.uuid, classification)
    return alert if status == "Open" else store.patch(alert.uuid, status=status)


def replay(store: AlertStore, history: Iterable[tuple[str, Mapping[str, Any]]]) -> int:
    """Make the calls of a history (`histories()`) on a store, in order; how many it took, the others it refused.

    A number as `uuid` is an alert by its place among those there, by uuid, counted round; with none there the call is left out.
    """
    taken = 0
    for method, given in history:
        call, whom = dict(given), list[str]()
        if "uuid" in call:
            there = sorted(item.uuid for item in store.alerts(limit=1000).items)
            if not there:
                continue
            whom = [there[call.pop("uuid") % len(there)]]
        try:
            getattr(store, method)(*whom, **call)
        except AlertValidationError:
            continue
        taken += 1
    return taken


def write_jsonl(path: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    """Write records to a file as JSON lines; the file."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path
