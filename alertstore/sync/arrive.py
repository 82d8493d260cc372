"""Alerts that the remote has and this store does not: taken in as they are there, under the remote's uuid."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from alertstore.domain.changes import decide_shown
from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.events import EventDraft, EventKind
from alertstore.domain.intake import decide_arrival, describe_rule, prepare, rule_facts
from alertstore.domain.link import Link
from alertstore.domain.payload import LONGEST_RECORD
from alertstore.domain.plan import Action, SyncItem
from alertstore.domain.times import read_rfc3339
from alertstore.domain.vocabulary import Severity
from alertstore.storage import alerts, catalog, intake, links
from alertstore.sync import besides
from alertstore.sync.deliver import origin_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from alertstore.domain.intake import Prepared
    from alertstore.domain.remotealert import RemoteAlert
    from alertstore.errors import AlertStoreError
    from alertstore.storage.transaction import Transaction
    from alertstore.sync.deliver import Work

PAYLOAD = "raw_payload"
"""The member of what the remote says of an alert that is its payload."""


@frozen
class Arrived:
    """An alert of the remote, ready to be taken in; `found`: the alert here that it is already, by (number, uuid)."""

    alert: RemoteAlert
    prepared: Prepared | None
    found: tuple[int, str] | None
    item: SyncItem


def look(work: Work, alert: RemoteAlert) -> Arrived:
    """Whether an alert of the remote is here already, under another name: one that was made there from ours, or that came from the
    same tool at the same microsecond; else make it ready.
    """
    severity = Severity(alert.registers.shown().severity)
    tags = alert.registers.shown().tags
    rule_id = (alert.rule or {}).get("source_rule_id")
    new = NewAlert(
        alert.title, severity, alert.occurred_at, alert.description, tags, alert.indicators, rule_id if isinstance(rule_id, str) else None
    )
    note = ""
    try:
        if len(_record(alert)) > LONGEST_RECORD:
            raise ValueError("its payload is too long")
        prepared = prepare(new, alert.source_name)
    except ValueError as fault:
        prepared, note = None, f"cannot be taken in: {fault}"
    with work.desk.read() as conn:
        found = _already(conn, alert, None if prepared is None else prepared.fingerprint)
    action = Action.FAILED if prepared is None else Action.NEW if found is None else Action.PULL
    if found is not None:
        note = "is here already; the two are linked"
    uuid = alert.uuid if found is None else found[1]
    return Arrived(alert, prepared, found, SyncItem(action, uuid, alert.title, alert.uuid, alert.token, note=note))


def _record(alert: RemoteAlert) -> bytes:
    """All that the remote said of an alert, as the bytes that are kept; its findings are kept by themselves, so that they can be erased."""
    said = {name: value for name, value in alert.data.items() if name != "agent_findings"}
    return json.dumps(said, ensure_ascii=True, separators=(",", ":")).encode()


def _already(conn: sqlite3.Connection, alert: RemoteAlert, fingerprint: str | None) -> tuple[int, str] | None:
    if linked := links.linked_to(conn, alert.uuid):  # by another sync of this store, since the list was read
        return linked[0]
    made = None if alert.ours is None else links.unlinked_named(conn, alert.ours, alert.title, alert.occurred_at)
    if made is not None:
        return made
    if (known := alerts.load_state(conn, alert.uuid)) is not None:
        return known[0], known[1].uuid
    if fingerprint is None or alert.occurred_at is None:
        return None
    return links.unlinked_like(conn, fingerprint, alert.occurred_at)


def link_to(work: Work, arrived: Arrived) -> str:
    """Link an alert here to the remote's that it is; merging is the next step. Its uuid here."""
    number, uuid = arrived.found or (0, "")
    link = Link(uuid=arrived.alert.uuid, created_at=arrived.alert.created_at, shared=arrived.alert.ours != uuid)
    with work.desk.write() as transaction:
        if not links.is_linked(transaction.conn, number):
            before = links.link(transaction.conn, number) or Link()
            kept = evolve(link, settled=before.settled, held=before.held)
            links.save_link(transaction, number, uuid, kept, actor=work.desk.actor, reason=work.desk.reason)
    return uuid


def take(work: Work, arrived: Sequence[Arrived], number: int | None, done: int) -> int:
    """Take new alerts in, in one transaction, as records of one import (made when there is none yet); the import's number.

    done: how many records of it came before.
    """
    desk = work.desk
    with desk.write() as transaction:
        if number is None:
            number = intake.start_import(
                transaction,
                name=work.client.remote.name,
                source_name="remote",
                actor=desk.actor,
                reason=desk.reason,
                how={"tz": "UTC"},
                member=PAYLOAD,
            )
        for record, one in enumerate(arrived, done + 1):
            _take(work, transaction, one, {"import": number, "record": record})
    return number


def _take(work: Work, transaction: Transaction, one: Arrived, place: dict[str, Any]) -> None:
    alert, prepared, conn, desk = one.alert, one.prepared, transaction.conn, work.desk
    if prepared is None or alerts.number_of(conn, alert.uuid) is not None or links.tokens(conn, [alert.uuid]):
        return
    raw = _record(alert)
    digest = sha256(raw).digest()
    if intake.seen(conn, alert.source_name, [digest]):
        return
    origin = origin_of(work, alert)
    rule = _rule(work, transaction, alert)
    arrival = decide_arrival(
        prepared,
        None,
        uuid=alert.uuid,
        source_name=alert.source_name,
        rule=None if rule is None else rule[1],
        record_sha256=digest.hex(),
        place=place,
        now=transaction.now,
        actor=desk.actor,
        reason=desk.reason,
        window=0,
        by="occurred_at",
    )
    arrival.draft.origin = origin
    created = read_rfc3339(alert.created_at)
    if created is not None:
        arrival.draft.facts = {**(arrival.draft.facts or {}), "created_at": created}
    kept = intake.Kept(arrival, digest, raw, place["record"], None if rule is None else rule[0], created_at=created)
    intake.save(desk.repository, transaction, intake.Batch(alert.source_name, place["import"], [kept]))
    found = alerts.load_state(conn, alert.uuid)
    if found is not None:
        number, state = found
        change = decide_shown(state, alert.registers.shown(), desk.act(transaction, origin), elsewhere=alert.times)
        alerts.save(transaction, [(number, change)])
        link = Link(uuid=alert.uuid, created_at=alert.created_at, base=alert.registers, token=alert.token)
        links.save_link(transaction, number, alert.uuid, link, actor=desk.actor, reason=desk.reason)
        besides.take(desk, transaction, alert.uuid, besides.compare(conn, number, alert), origin)


def _rule(work: Work, transaction: Transaction, alert: RemoteAlert) -> tuple[int, str] | None:
    """The detection rule of an alert: (number, uuid); made here where it is met first."""
    said: dict[str, Any] = dict(alert.rule or {})
    rule_id = said.get("source_rule_id")
    if not isinstance(rule_id, str) or not rule_id or not isinstance(said.get("name"), str):
        return None
    known = intake.rules_of(transaction.conn, alert.source_name, [rule_id])
    if rule_id in known:
        return known[rule_id]
    more: dict[str, Any] = {
        name: [one for one in said.get(name) or () if isinstance(one, str)] for name in _LISTS if isinstance(said.get(name), list | None)
    }
    more |= {name: said[name] for name in ("severity", "run_frequency", "documentation") if isinstance(said.get(name), str)}
    rule = describe_rule(NewRule(said["name"], is_active=said.get("is_active") is not False, **more), rule_id)
    draft = EventDraft(EventKind.DETECTION_RULE_CREATED, transaction.new_uuid(), transaction.now, work.desk.actor)
    draft.facts = rule_facts(rule, source_name=alert.source_name, created_by=work.client.remote.name)
    return catalog.add_rule(transaction, draft), draft.subject


_LISTS = ("mitre_tactics", "mitre_techniques", "mitre_subtechniques", "data_sources")


def finish(work: Work, number: int, counts: dict[str, int], fault: AlertStoreError | None) -> None:
    """Close the import that a pull was."""
    outcome: dict[str, Any] = (
        dict.fromkeys(intake.COUNTS, 0) | counts | {"notes": {}, "fault": None if fault is None else str(fault)[:1000]}
    )
    with work.desk.write() as transaction:
        intake.finish_import(transaction, number, actor=work.desk.actor, outcome=outcome | {"sha256": None, "size": None})
