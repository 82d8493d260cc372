"""What sync leaves in a store, written by hand: every kind of event of it, and a row in every table that follows from one.

Each function takes an open store and writes through one transaction, so that the tests that tamper with rows, prune and
salvage need no remote and no bundle.
"""

from __future__ import annotations

import json
from hashlib import sha256

from alertstore.domain.content import alert_content, record_content
from alertstore.domain.events import EventDraft
from alertstore.domain.synced import synced_row

OTHER = "0190aaaa-0000-7000-8000-000000000001"
"""The id of another store."""

ROOT = "ab" * 32


def number_of(conn, uuid):
    sql = "SELECT id FROM alert WHERE uuid = ?1 UNION SELECT id FROM deleted_alert WHERE uuid = ?1"
    return conn.execute(sql, (uuid,)).fetchone()[0]


def dump(value):
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def say(transaction, kind, subject, number=None, **said):
    return transaction.append(EventDraft(kind, subject, transaction.now, "sync", **said), number)


def synced(store, uuid, state, **facts):
    """Say what is known of an alert, and keep it."""
    with store._write() as transaction:
        number = number_of(transaction.conn, uuid)
        seq = say(transaction, "alert_synced", uuid, number, facts={"state": state, **facts})
        transaction.conn.execute("INSERT OR REPLACE INTO sync_alert VALUES (?,?,?,?,?)", (number, seq, *synced_row(state)))
    return seq


def remote_synced(store, name, state):
    """Say what is known of a remote, and keep it."""
    with store._write() as transaction:
        seq = say(transaction, "remote_synced", name, facts={"state": state})
        transaction.conn.execute("INSERT OR REPLACE INTO sync_remote VALUES (?,?,?)", (name, seq, dump(state)))


def aliased(store, uuid, alias):
    """Give an alert another uuid."""
    with store._write() as transaction:
        number = number_of(transaction.conn, uuid)
        seq = say(transaction, "alert_aliased", uuid, number, facts={"uuid": alias})
        transaction.conn.execute("INSERT INTO alias VALUES (?,?,?)", (alias, number, seq))


def bundle_imported(store, size, root=ROOT, *, store_id=OTHER):
    """Say that a bundle of another store's history came; kept is the longest."""
    with store._write() as transaction:
        say(transaction, "bundle_imported", f"bundle of {size}", facts={"store": store_id, "size": size, "root": root, "events": 3})
        transaction.conn.execute(
            "INSERT INTO foreign_store VALUES (?,?,?) ON CONFLICT DO UPDATE SET size = excluded.size, root = excluded.root "
            "WHERE excluded.size >= size",
            (store_id, size, root),
        )


def foreign(transaction, kind, subject, number, origin, **said):
    """An event that another store made."""
    seq = say(transaction, kind, subject, number, origin={"store": OTHER, "seq": origin, "body": {"v": 1}}, **said)
    transaction.conn.execute("INSERT INTO foreign_event VALUES (?,?,?)", (OTHER, origin, seq))
    return seq


def edited(store, uuid, severity, origin=None, sup=None, register="severity"):
    """An edit of the severity, made here or (`origin`: its number there) by another store; severity None: one that changes nothing."""
    with store._write() as transaction:
        conn = transaction.conn
        number, was, text = conn.execute("SELECT id, severity, heads FROM alert WHERE uuid = ?", (uuid,)).fetchone()
        heads = json.loads(text)
        stood = heads.get(register, [])
        said = {"edits": [{"register": register, "sup": stood if sup is None else sup, "rbase": None, "rtoken": None}]}
        if severity is not None:
            said["changes"] = {"severity": [was, severity]}
        if origin is None:
            seq = say(transaction, "alert_conflict_resolved", uuid, number, **said)
            heads[register] = [seq]
        else:
            seq = foreign(transaction, "alert_severity_updated", uuid, number, origin, **said)
            heads[register] = sorted(set(stood) - set(stood if sup is None else sup) | {seq})
        values = (severity or was, dump(heads), transaction.now, number)
        conn.execute("UPDATE alert SET severity = ?, heads = ?, updated_at = ? WHERE id = ?", values)
    return seq


def observed(store, uuid, severity):
    """A change that the remote was seen to have made: no edit, so no heads."""
    with store._write() as transaction:
        number, was = transaction.conn.execute("SELECT id, severity FROM alert WHERE uuid = ?", (uuid,)).fetchone()
        say(transaction, "alert_severity_updated", uuid, number, changes={"severity": [was, severity]}, origin={"remote": "soc1"})
        transaction.conn.execute("UPDATE alert SET severity = ?, updated_at = ? WHERE id = ?", (severity, transaction.now, number))


def arrived(store, uuid, origin, raws, *, withheld=True):
    """An alert of another store, created a day before, and the records that repeat it; withheld: they come without their bytes."""
    with store._write() as transaction:
        conn, at = transaction.conn, transaction.now
        created = at - 86_400_000_000
        (number,) = conn.execute(
            "SELECT 1 + coalesce(max(id), 0) FROM (SELECT id FROM alert UNION SELECT id FROM deleted_alert)"
        ).fetchone()
        digests = [sha256(raw).digest() for raw in raws]
        facts = {"occurred_at": created, "source_name": "generic", "created_at": created} | ({"withheld": True} if withheld else {})
        changes = {"enrichment_status": [None, "Pending"], "severity": [None, "High"], "status": [None, "Open"], "tags": [None, []]}
        content = alert_content("from elsewhere", None, "f" * 32, [], digests[0].hex())
        seqs = [foreign(transaction, "alert_ingested", uuid, number, origin, facts=facts, changes=changes, content=content)]
        conn.execute(
            "INSERT INTO alert (id, uuid, title, severity, status, enrichment_status, source_name, fingerprint, tags, malice, duplicate_count, "
            "occurred_at, occurred_at_assumed, last_seen_at, created_at, ingested_at, updated_at) "
            "VALUES (?,?,'from elsewhere','High','Open','Pending','generic',?,'[]','Pending',?,?,0,?,?,?,?)",
            (number, uuid, "f" * 32, len(raws) - 1, created, created, created, at, at),
        )
        conn.execute(
            "INSERT INTO search (rowid, title, description, tags, indicators) VALUES (?,'from elsewhere',NULL,'[]',NULL)", (number,)
        )
        for n, digest in enumerate(digests[1:], 1):
            repeat = {"occurred_at": created} | ({"withheld": True} if withheld else {})
            content = record_content(digest.hex())
            seqs.append(foreign(transaction, "alert_deduplicated", uuid, number, origin + n, facts=repeat, content=content))
        for seq, raw, digest in zip(seqs, raws, digests, strict=True):
            row = (seq, number, "generic", created, digest, None if withheld else raw)
            conn.execute("INSERT INTO occurrence (seq, alert_id, source_name, occurred_at, sha256, raw) VALUES (?,?,?,?,?,?)", row)
    return seqs


def imported(store):
    """An import whose records hold the alert in one of their members."""
    with store._write() as transaction:
        (number,) = transaction.conn.execute("SELECT 1 + coalesce(max(id), 0) FROM import").fetchone()
        facts = {"name": "soc1", "source_name": "generic", "member": "raw_payload"}
        say(transaction, "import_started", str(number), facts=facts)
        sql = "INSERT INTO import (id, name, source_name, member, started_at) VALUES (?,?,?,?,?)"
        transaction.conn.execute(sql, (number, facts["name"], facts["source_name"], facts["member"], transaction.now))


def add_sync(store, one, two, gone):
    """Something in every table of sync: beside two alerts, the first of which can be edited, and beside a deleted one."""
    synced(store, one, {"uuid": "0190bbbb-0000-7000-8000-000000000001", "open": ["severity"], "fields": {"tags": ["é"]}}, outcomes=["sent"])
    synced(store, two, {"uuid": None})
    synced(store, gone, {"uuid": "0190bbbb-0000-7000-8000-000000000003", "open": True})
    synced(store, one, {"uuid": "0190bbbb-0000-7000-8000-000000000002", "open": [], "fields": {"severity": "Low"}})
    for n in range(2):
        remote_synced(store, "soc1", {"seen": n, "name": "größer"})
    remote_synced(store, "soc2", {})
    aliased(store, one, "0190cccc-0000-7000-8000-000000000001")
    aliased(store, gone, "0190cccc-0000-7000-8000-000000000002")
    for size, root in ((5, "cd" * 32), (9, "ef" * 32), (9, ROOT), (7, "cd" * 32)):
        bundle_imported(store, size, root)
    bundle_imported(store, 0, store_id=OTHER[:-1] + "2")
    first = edited(store, one, "Low")
    edited(store, one, "High", origin=4, sup=[])
    edited(store, one, "Medium", origin=5, sup=[first - 1])
    edited(store, one, None, origin=6, sup=[first])
    observed(store, one, "Critical")
    edited(store, one, None)
    edited(store, one, None, register="tag:x")
    edited(store, one, "Informational", origin=7, sup=[first])
    arrived(store, "0190dddd-0000-7000-8000-000000000001", 20, [b"{1}", b"{2}"])
    arrived(store, "0190dddd-0000-7000-8000-000000000002", 30, [b"{3}", b"{4}"], withheld=False)
    imported(store)
