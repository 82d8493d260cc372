"""Alerts that the remote does not have: made there, once, though the answer may be lost.

The payload carries the alert's own uuid. Where no answer came, the remote is asked for alerts of exactly that time, and the one
that carries the uuid is ours.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import evolve

from alertstore.domain.plan import Action, SyncItem
from alertstore.domain.registers import Registers
from alertstore.domain.times import SECOND, from_micros, rfc3339
from alertstore.storage import alerts
from alertstore.sync.client import RefusedError
from alertstore.sync.deliver import PAUSES
from alertstore.wire.remote import ID_KEY, create_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alertstore.domain.alert import Alert
    from alertstore.domain.link import Link
    from alertstore.domain.remotealert import RemoteAlert
    from alertstore.sync.deliver import Work
    from alertstore.sync.desk import Here

MOST_PAGES = 100
"""Pages of alerts of one microsecond that are looked through."""
OWN_ROUTES = frozenset({"elastic", "sentinel", "splunk"})
"""Sources whose records the remote reads itself; whatever else is sent as a generic one."""


def item(here: Here) -> SyncItem:
    """What a plan says of an alert that will be made, and of what is sent of it then."""
    registers, note = Registers.of(here.state), ""
    body = {"severity": registers.severity} | ({"tags": list(registers.tags)} if registers.tags else {})
    if here.link.held:
        note = "made as it came; what waits for a person is not sent"
    elif registers.status == "Closed":
        note = f"then Closed / {registers.close_classification}; the remote will say it was closed at the time of the sync"
    elif registers.status != "Open":
        note = f"then {registers.status}"
    return SyncItem(Action.CREATE, here.uuid, here.title, token=rfc3339(from_micros(here.state.updated_at)), body=body, note=note)


def create(work: Work, here: Here) -> RemoteAlert | None:
    """Make an alert on the remote and link it; the remote's side of it, or None where that did not become visible.

    The intent is kept before the request, so that the next run looks for the alert before it makes another.
    Raises `RefusedError` where the remote does not take it, `RemoteUnavailableError`.
    """
    with work.desk.read() as conn:
        alert = alerts.load_alert(conn, here.uuid, work.desk.store_id)
    if alert is None:
        return None
    uuid = _find(work, here, alert) if here.link.intent is not None else None
    shared = False
    if uuid is None:
        path, body = request_of(alert, work.desk.store_id)
        _say(work, here, evolve(here.link, intent={"create": True} | ({} if work.client.date is None else {"date": work.client.date})))
        try:
            made = work.client.create(path, body)
        except RefusedError as refusal:
            _say(work, here, evolve(here.link, intent=None, refused=str(refusal)))
            raise
        uuid, shared = made.uuid, made.is_duplicate
    found = _read_back(work, uuid)
    if found is None:
        return None
    foreign = shared and found.ours != here.uuid
    _linked(work, here, found, shared=foreign)
    return found


def request_of(alert: Alert, store_id: str) -> tuple[str, dict[str, Any]]:
    """The path and body that make an alert: the record of a tool that the remote reads, else a generic one; with our mark."""
    mark = {"id": alert.uuid, "store": store_id}
    record = alert.raw_payload
    if alert.source_name in OWN_ROUTES and isinstance(record, dict) and ID_KEY not in record and _is_sendable(record):
        return f"/v1/ingest/{alert.source_name}", {**record, ID_KEY: mark}
    values = {
        "severity": alert.severity.value,
        "occurred_at": rfc3339(alert.occurred_at),
        "description": alert.description,
        "tags": list(alert.tags),
        "indicators": [{"type": one.type.value, "value": one.value} for one in alert.indicators],
        "rule_id": None if alert.detection_rule is None else alert.detection_rule.source_rule_id,
        "rule_name": None if alert.detection_rule is None else alert.detection_rule.name,
    }
    return "/v1/alerts", create_body(alert.title, mark, values)


def _is_sendable(record: Mapping[str, Any]) -> bool:
    """Whether a record is JSON that the remote can keep, and not too large for it."""
    try:
        return len(json.dumps(record, allow_nan=False)) < 1_000_000  # noqa: PLR2004 - its limit is 1 MiB, our mark included
    except ValueError:
        return False


def _find(work: Work, here: Here, alert: Alert) -> str | None:
    """The alert that an earlier request has made, if it has: looked for when it must have had its effect."""
    when = rfc3339(alert.occurred_at)
    source = alert.source_name if alert.source_name in OWN_ROUTES else "generic"
    page = work.client.rows(source_name=source, from_time=when, to_time=when)
    sent = (here.link.intent or {}).get("date")
    now = work.client.date
    left = work.policy.settle if sent is None or now is None else work.policy.settle - (now - sent) / SECOND
    if left > 0:
        work.client.remote.wait(min(left, work.policy.settle))
        page = work.client.rows(source_name=source, from_time=when, to_time=when)
    rows, number = list(page.rows), 1
    while len(rows) < page.total and page.rows and number < MOST_PAGES:
        number += 1
        page = work.client.rows(number, source_name=source, from_time=when, to_time=when)
        rows += page.rows
    looked = (work.client.alert(row.uuid) for row in rows if source in OWN_ROUTES or row.title == alert.title)
    mine = [found for found in looked if found is not None and found.ours == here.uuid]
    return min(mine, key=lambda one: one.created_at).uuid if mine else None


def _read_back(work: Work, uuid: str) -> RemoteAlert | None:
    for pause in PAUSES:
        work.client.remote.wait(pause)
        if (found := work.client.alert(uuid)) is not None:
            return found
    return None


def _say(work: Work, here: Here, link: Link) -> None:
    with work.desk.write() as transaction:
        now = work.desk.here(transaction.conn, here.uuid)
        if now is not None:
            work.desk.save(transaction, now, link)


def _linked(work: Work, here: Here, found: RemoteAlert, *, shared: bool) -> None:
    """Link the alert. Of one that we made, the remote's registers are what it made of ours: whatever differs is still to be sent."""
    with work.desk.write() as transaction:
        now = work.desk.here(transaction.conn, here.uuid)
        if now is None:
            return
        work.desk.save(
            transaction, now, evolve(now.link, uuid=found.uuid, created_at=found.created_at, intent=None, shared=shared, lacking=False)
        )
