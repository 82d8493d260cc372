"""Carrying state: every row stated again in new events, so that the history before them is no longer needed to check it.

`carry` is called inside a write, right after the event that opens the carried state (`domain.carrying.OPENERS`) was appended.
Rows with a seq below that event's number count as covered from then on. A store that is put together from salvaged rows gives
them seqs below 1, in their old order, since the numbers from 1 on are those of its own history.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from attrs import define

from alertstore.domain.carrying import (
    OPENERS,
    carried_alert,
    carried_content,
    carried_document,
    carried_indicator,
    carried_record,
    carried_row,
    carried_sync,
)
from alertstore.domain.events import EventDraft, EventKind
from alertstore.domain.fold import ALERT_COLUMNS
from alertstore.domain.identity import indicator_uuid

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from alertstore.storage.transaction import Transaction

_OPENERS = ", ".join(f"'{kind}'" for kind in OPENERS)

OF_CUSTODY = (
    "kind IN ('store_created', 'store_sealed', 'store_handed_over', 'store_salvaged', 'signing_key_set', 'alert_redacted', 'record_redacted', "
    "'history_pruned', 'setting_changed', 'bundle_imported')"
)
"""The condition of the index event_custody, word for word: only so does SQLite know that the index has all that is asked for."""


FLUSH = 2_000
"""Alerts carried between two writes, so that memory does not grow with the store."""

OF_MANY = "kind IN ('records_seen', 'indicators_enriched')"
"""The condition of the index event_bulk, in the same way."""


MOST_FOREIGN = 1_000
"""Events of other stores that one event carries."""


def carried_since(conn: sqlite3.Connection) -> int:
    """The number of the event that opens the newest carried state; 0 where nothing was carried."""
    (seq,) = conn.execute(f"SELECT coalesce(max(seq), 0) FROM event WHERE {OF_CUSTODY} AND kind IN ({_OPENERS})").fetchone()
    return int(seq)


@define
class CarriedRows:
    """What an alert has from before the carried state's first event, as the event that carries it commits to it.

    `alert` is None for a deleted one; its fingerprint is empty where its content was redacted.
    """

    alert: dict[str, Any] | None
    links: list[list[Any]]
    records: list[list[Any]]
    findings: list[list[Any]]
    raws: list[tuple[int, bytes, bytes | None]]

    def content(self) -> dict[str, bytes]:
        """The parts of content that are there."""
        content = carried_content(self.alert, self.links, self.records, self.findings)
        if self.alert is not None and not self.alert["fingerprint"]:
            del content["text"]
            if not self.links:
                del content["indicators"]
        return content

    def redacted(self, before: int, erased: int) -> dict[str, int]:
        """What was redacted, and before which event; records were before event `erased`."""
        parts = {}
        if gone := [seq for seq in self.bare() if seq < erased]:
            parts["record"] = max(gone) + 1
        if self.alert is not None and not self.alert["fingerprint"]:
            parts["content"] = min((seq for _, _, seq, *_ in self.links), default=before)
        return parts

    def bare(self) -> list[int]:
        """The records that are here without their bytes: erased, or withheld by the store that they come from."""
        return [seq for seq, _, raw in self.raws if raw is None]


def erased_before(conn: sqlite3.Connection, alert: int, held: CarriedRows) -> int:
    """The event before which the records of an alert were erased; 0 for none. Where no event of it is left (in a salvage), its rows
    tell, as far as they can: erasing takes all that there is, so what is bare after a record with its bytes was withheld.
    """
    sql = "SELECT kind, seq, body FROM event WHERE alert_id = ? AND kind <> 'alert_synced' ORDER BY seq"
    erased, found = 0, conn.execute(sql, (alert,)).fetchall() if held.bare() else []
    for kind, seq, body in found:
        if kind == EventKind.ALERT_REDACTED and "record" in json.loads(body)["facts"]["parts"]:
            erased = seq
        elif kind == EventKind.ALERT_CARRIED:
            erased = max(erased, json.loads(body)["facts"].get("redacted", {}).get("record", 0))
    if held.bare() and not found:
        erased = min((seq for seq, _, raw in held.raws if raw is not None), default=1)
    return erased


def _findings_erased(conn: sqlite3.Connection, alert: int) -> int | None:
    """The event before which the findings of an alert were erased; None where they were not."""
    erased = None
    sql = "SELECT kind, seq, body FROM event WHERE alert_id = ? AND kind IN ('alert_redacted', 'alert_carried') ORDER BY seq"
    for kind, seq, body in conn.execute(sql, (alert,)):
        facts = json.loads(body)["facts"]
        if kind == EventKind.ALERT_CARRIED:
            erased = facts.get("redacted", {}).get("findings", erased)
        elif "findings" in facts["parts"]:
            erased = seq
    return erased


def carried_rows(conn: sqlite3.Connection, alert: int, before: int) -> CarriedRows:
    """The rows of an alert (by its number), of seqs below `before`."""
    row = conn.execute("SELECT title, description, fingerprint FROM alert WHERE id = ?", (alert,)).fetchone()
    links = conn.execute(
        "SELECT i.id, i.type || ':' || i.value, l.seq, i.seq, i.created_at FROM alert_indicator l JOIN indicator i ON i.id = l.indicator_id "
        "WHERE l.alert_id = ? AND l.seq < ? ORDER BY i.id",
        (alert, before),
    )
    records = conn.execute(
        "SELECT seq, import_id, record, source_name, occurred_at, sha256, raw FROM occurrence WHERE alert_id = ? AND seq < ? ORDER BY seq",
        (alert, before),
    ).fetchall()
    findings = conn.execute(
        "SELECT seq, uuid, posted_at, agent_name, summary, confidence, recommended_action, evidence FROM finding "
        "WHERE alert_id = ? AND seq < ? ORDER BY seq",
        (alert, before),
    )
    return CarriedRows(
        None if row is None else dict(zip(("title", "description", "fingerprint"), row, strict=True)),
        [list(link) for link in links],
        [[*record[:5], record[5].hex()] for record in records],
        [list(finding) for finding in findings],
        [(record[0], record[5], record[6]) for record in records],
    )


def opening_facts(conn: sqlite3.Connection) -> dict[str, Any]:
    """What the event that opens a carried state must hold: the settings, the signing keys with the events that set them, how many
    indicators there are (those that no alert has any more are carried by no event), and what is known of other stores.
    """
    settings = dict(conn.execute("SELECT name, value FROM setting"))
    (indicators,) = conn.execute("SELECT count(*) FROM indicator").fetchone()
    stores = [list(row) for row in conn.execute("SELECT store_id, size, root FROM foreign_store")]
    return {"settings": settings, "keys": signing_keys(conn), "indicators": indicators} | ({"foreign_stores": stores} if stores else {})


def signing_keys(conn: sqlite3.Connection) -> list[list[Any]]:
    """The store's keys by epoch: [the event that set it, the public key as hex]."""
    sql = f"SELECT kind, seq, body FROM event WHERE {OF_CUSTODY} AND kind IN ('signing_key_set', {_OPENERS}) ORDER BY seq"
    keys: list[list[Any]] = []
    for kind, seq, body in conn.execute(sql):
        facts = json.loads(body)["facts"]
        if kind == EventKind.SIGNING_KEY_SET:
            keys.append([seq, facts["public_key"]])
        else:
            keys = [list(one) for one in facts["keys"]]
    return keys


def naming_events(conn: sqlite3.Connection, keys: Sequence[Sequence[Any]], opener: int) -> list[int]:
    """For each of the store's keys the event, of those that are still there, that names it: the one that set it, or, where that
    was pruned, the opener of the carried state.
    """
    bodies = conn.execute(f"SELECT seq, body FROM event WHERE {OF_CUSTODY} AND kind = 'signing_key_set'")
    there = {(seq, json.loads(body)["facts"]["public_key"]) for seq, body in bodies}
    return [since if (since, public) in there else opener for since, public in keys]


def carry(transaction: Transaction, actor: str) -> None:
    """Append the events that carry everything that stands in the tables. The opening event is the last one appended."""
    conn, before, by = transaction.conn, transaction.seq, (transaction.now, actor)
    for rule in _rows(conn, "SELECT * FROM detection_rule ORDER BY id"):
        transaction.append(carried_row(EventKind.DETECTION_RULE_CARRIED, rule["uuid"], rule, by))
    for one in _rows(conn, "SELECT * FROM import ORDER BY id"):
        one["sha256"] = None if one["sha256"] is None else one["sha256"].hex()
        transaction.append(carried_row(EventKind.IMPORT_CARRIED, str(one.pop("id")), one, by))
    for record in _rows(conn, "SELECT * FROM rejected_record ORDER BY seq"):
        kept = None if record["raw"] is None else sha256(record["raw"]).hexdigest()
        transaction.append(carried_record(record, kept, by))
    _carry_alerts(transaction, before, by)
    _carry_sync(transaction, by)
    (store_id,) = conn.execute("SELECT value FROM setting WHERE name = 'store_id'").fetchone()
    judged = "malice_overridden_at IS NOT NULL OR updated_at <> created_at OR enriched_seq IS NOT NULL"
    for indicator in _rows(conn, f"SELECT * FROM indicator WHERE {judged} ORDER BY id"):
        seq = transaction.append(carried_indicator(indicator_uuid(store_id, indicator["id"]), indicator, by))
        if indicator["enriched_seq"] is not None:
            conn.execute("UPDATE indicator SET enriched_seq = ? WHERE id = ?", (seq, indicator["id"]))
        if not seq % FLUSH:
            transaction.flush()
    for suppression in _rows(conn, "SELECT * FROM suppression ORDER BY uuid"):
        transaction.append(carried_row(EventKind.SUPPRESSION_CARRIED, suppression["uuid"], suppression, by))
    for listed in _rows(conn, "SELECT * FROM intel_list ORDER BY id"):
        transaction.append(carried_row(EventKind.INTEL_LIST_CARRIED, listed["name"], listed, by))
    for document in list(_rows(conn, "SELECT * FROM context_document ORDER BY id")):
        seq = transaction.append(carried_document(document, by))
        conn.execute("UPDATE context_document SET seq = ? WHERE id = ?", (seq, document["id"]))


def _carry_alerts(transaction: Transaction, before: int, by: tuple[int, str]) -> None:
    conn = transaction.conn
    listed = f"SELECT id, {', '.join(ALERT_COLUMNS)} FROM alert UNION ALL SELECT id, uuid{', NULL' * (len(ALERT_COLUMNS) - 1)} FROM deleted_alert"
    for number, uuid, *columns in conn.execute(f"{listed} ORDER BY 1"):
        if not number % FLUSH:
            transaction.flush()
        held = carried_rows(conn, number, before)
        registers = None if held.alert is None else dict(zip(ALERT_COLUMNS[1:], columns, strict=True))
        erased = erased_before(conn, number, held)
        redacted = held.redacted(before, erased)
        if (findings := _findings_erased(conn, number)) is not None:
            redacted["findings"] = findings
        facts = {"records": len(held.records), "redacted": redacted, "withheld": [seq for seq in held.bare() if seq >= erased]}
        transaction.append(carried_alert(uuid, registers, held.content(), facts, by), number)


def _carry_sync(transaction: Transaction, by: tuple[int, str]) -> None:
    """What sync keeps beside the alerts. Its rows name the events that carry them, but for those of other stores' events, which go on
    to name the event that each was here.
    """
    conn = transaction.conn
    named = "coalesce(a.uuid, d.uuid) FROM {} s LEFT JOIN alert a ON a.id = s.alert_id LEFT JOIN deleted_alert d ON d.id = s.alert_id ORDER BY 1"
    for number, state, uuid in conn.execute(f"SELECT s.alert_id, s.state, {named.format('sync_alert')}"):
        seq = transaction.append(carried_sync(number, uuid, state, by), number)
        conn.execute("UPDATE sync_alert SET seq = ? WHERE alert_id = ?", (seq, number))
        if not seq % FLUSH:
            transaction.flush()
    for name, state in conn.execute("SELECT name, state FROM sync_remote ORDER BY name").fetchall():
        seq = transaction.append(carried_sync(0, name, state, by))
        conn.execute("UPDATE sync_remote SET seq = ? WHERE name = ?", (seq, name))
    for alias, number, uuid in conn.execute(f"SELECT s.uuid, s.alert_id, {named.format('alias')}"):
        draft = EventDraft(EventKind.ALERT_ALIASED, uuid, by[0], by[1], facts={"uuid": alias})
        conn.execute("UPDATE alias SET seq = ? WHERE uuid = ?", (transaction.append(draft, number), alias))
    (store_id,) = conn.execute("SELECT value FROM setting WHERE name = 'store_id'").fetchone()
    kept = conn.execute("SELECT store_id, number, seq FROM foreign_event ORDER BY store_id, number")
    while events := [list(row) for row in kept.fetchmany(MOST_FOREIGN)]:
        transaction.append(EventDraft(EventKind.FOREIGN_EVENTS_CARRIED, store_id, by[0], by[1], facts={"events": events}))


def _rows(conn: sqlite3.Connection, sql: str) -> Iterator[dict[str, Any]]:
    cursor = conn.execute(sql)
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))
