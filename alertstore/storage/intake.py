"""Records by the thousand: what an import must know before it decides, and how its decisions are kept.

The hot loops of the package: plain SQL with constant text, numbers handed out in Python, one executemany a table.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from attrs import define, field

from alertstore.domain.content import refused_content
from alertstore.domain.dedup import Candidate, Family
from alertstore.domain.events import EventDraft, EventKind
from alertstore.storage.alerts import dump, refresh_malice

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from alertstore.domain.intake import Arrival
    from alertstore.storage.repository import Repository
    from alertstore.storage.transaction import Transaction

MOST_CACHED = 50_000
"""Indicators remembered between batches, so that memory stays flat however long the import."""


@define
class Kept:
    """A record that was decided on, with its bytes (None: they did not come with it): `number` is its place in the import, `rule` its
    rule's number, `created_at` when the alert was made where it comes from (None: here and now).
    """

    arrival: Arrival
    sha256: bytes
    raw: bytes | None
    number: int | None
    rule: int | None
    alert: int = 0
    created_at: int | None = None


@define
class Refused:
    """A record that could not be read: where it stood, why, how long it was, its SHA-256, and its bytes (to a limit)."""

    number: int
    position: int
    reason: str
    size: int
    sha256: bytes
    raw: bytes


@define
class Batch:
    """What one transaction of an import keeps."""

    source_name: str
    import_id: int | None
    kept: list[Kept] = field(factory=list)
    refused: list[Refused] = field(factory=list)


def seen(conn: sqlite3.Connection, source_name: str, digests: Sequence[bytes]) -> dict[bytes, int]:
    """Which of the records, by SHA-256, this source has reported already: the digest -> the number of its occurrence."""
    marks = ",".join("?" * len(digests))
    sql = f"SELECT sha256, seq FROM occurrence WHERE source_name = ? AND sha256 IN ({marks})"
    return dict(conn.execute(sql, (source_name, *digests)).fetchall())


def data_version(conn: sqlite3.Connection) -> int:
    """A number that changes when another connection has written to the file."""
    version: int = conn.execute("PRAGMA data_version").fetchone()[0]
    return version


def families(conn: sqlite3.Connection, fingerprints: Collection[str]) -> dict[str, Family]:
    """The alerts that have one of the fingerprints, by fingerprint."""
    found: dict[str, list[Candidate]] = {}
    sql = (
        "SELECT a.fingerprint, a.id, a.uuid, a.occurred_at, a.ingested_at, a.status <> 'Closed', "
        "ifnull(a.close_classification GLOB 'False Positive*', 0) FROM json_each(?) j CROSS JOIN alert a ON a.fingerprint = j.value"
    )
    for fingerprint, *rest in conn.execute(sql, (json.dumps(list(fingerprints)),)):
        found.setdefault(fingerprint, []).append(Candidate._make(rest))
    return {fingerprint: Family(alerts) for fingerprint, alerts in found.items()}


def know_reports(conn: sqlite3.Connection, families: Mapping[str, Family], told: Iterable[tuple[str, int | None]]) -> None:
    """Let families know which of the times of records, given as (fingerprint, occurred_at), their closed alerts were reported at before."""
    asked = [
        (fingerprint, at) for fingerprint, at in told if at is not None and fingerprint in families and families[fingerprint].has_closed
    ]
    if not asked:
        return
    sql = (
        "SELECT a.fingerprint, o.occurred_at, a.id FROM json_each(?) j CROSS JOIN alert a ON a.fingerprint = json_extract(j.value, '$[0]') "
        "AND a.status = 'Closed' AND a.duplicate_count > 0 CROSS JOIN occurrence o ON o.alert_id = a.id "
        "AND o.occurred_at = json_extract(j.value, '$[1]') ORDER BY a.id"
    )
    for fingerprint, at, number in conn.execute(sql, (json.dumps(asked),)):
        families[fingerprint].know(at, number)


def rules_of(conn: sqlite3.Connection, source_name: str, rule_ids: Collection[str]) -> dict[str, tuple[int, str]]:
    """Those of a source's rules that are here: the tool's id -> (number, uuid). A Sigma rule is every source's, unless it has its own."""
    sql = (
        "SELECT source_rule_id, id, uuid FROM detection_rule "
        "WHERE source_name IN (?, 'sigma') AND source_rule_id IN (SELECT value FROM json_each(?)) ORDER BY source_name = ?"
    )
    found = conn.execute(sql, (source_name, json.dumps(list(rule_ids)), source_name))
    return {rule_id: (number, uuid) for rule_id, number, uuid in found}


def start_import(
    transaction: Transaction,
    *,
    name: str,
    source_name: str,
    actor: str,
    reason: str | None,
    header: Any = None,
    how: Mapping[str, Any],
    member: str | None = None,
    origin: Mapping[str, Any] | None = None,
) -> int:
    """Open an import; give back its number. `how` says in its event what its outcome depends on; `member` is the member of its
    records that is an alert's payload, None where all of them is.
    """
    conn = transaction.conn
    (number,) = conn.execute("SELECT coalesce(max(id), 0) + 1 FROM import").fetchone()
    facts: dict[str, Any] = {"name": name, "source_name": source_name, **how}
    if header is not None:
        facts |= {"columns": list(header.columns), "delimiter": header.delimiter}
    if member is not None:
        facts["member"] = member
    transaction.append(EventDraft(EventKind.IMPORT_STARTED, str(number), transaction.now, actor, facts=facts, reason=reason, origin=origin))
    columns = None if header is None else dump(list(header.columns))
    delimiter = None if header is None else header.delimiter
    conn.execute(
        "INSERT INTO import (id, name, source_name, columns, delimiter, member, started_at) VALUES (?,?,?,?,?,?,?)",
        (number, name, source_name, columns, delimiter, member, transaction.now),
    )
    return int(number)


COUNTS = ("new", "duplicates", "seen", "skipped", "suppressed", "rejected")


def finish_import(
    transaction: Transaction, number: int, *, actor: str, outcome: Mapping[str, Any], origin: Mapping[str, Any] | None = None
) -> None:
    """Close an import: `outcome` holds its size and SHA-256 (hex), the six counts, its notes, and a fault if one ended it."""
    facts = {name: value for name, value in outcome.items() if value is not None}
    transaction.append(EventDraft(EventKind.IMPORT_FINISHED, str(number), transaction.now, actor, facts=facts, origin=origin))
    sha256 = outcome["sha256"]
    transaction.conn.execute(
        "UPDATE import SET finished_at = ?, sha256 = ?, size = ?, fault = ?, notes = ?, new = ?, duplicates = ?, seen = ?, "
        "skipped = ?, suppressed = ?, rejected = ? WHERE id = ?",
        (
            transaction.now,
            None if sha256 is None else bytes.fromhex(sha256),
            outcome["size"],
            outcome["fault"],
            dump(outcome["notes"]),
            *(outcome[name] for name in COUNTS),
            number,
        ),
    )


def save(repository: Repository, transaction: Transaction, batch: Batch) -> None:
    """Append the events of a batch and write its rows."""
    conn = transaction.conn
    (last,) = conn.execute(
        "SELECT max(coalesce((SELECT max(id) FROM alert), 0), coalesce((SELECT max(id) FROM deleted_alert), 0))"
    ).fetchone()
    first = last + 1
    occurrences, fresh, numbers = [], [], {}
    append, import_id, source_name = transaction.append, batch.import_id, batch.source_name
    for kept in batch.kept:
        arrival = kept.arrival
        if arrival.joined is None:
            last += 1
            kept.alert = numbers[arrival.draft.subject] = last
            seq = append(arrival.draft, last)
            fresh.append((seq, kept))
        else:
            kept.alert = arrival.joined.alert or numbers[arrival.joined.uuid]
            seq = append(arrival.draft, kept.alert)
        occurrences.append((seq, kept.alert, import_id, kept.number, source_name, arrival.occurred_at, kept.sha256, kept.raw))
    _save_alerts(conn, source_name, transaction.now, [kept for _, kept in fresh])
    conn.executemany(
        "INSERT INTO occurrence (seq, alert_id, import_id, record, source_name, occurred_at, sha256, raw) VALUES (?,?,?,?,?,?,?,?)",
        occurrences,
    )
    _save_links(conn, repository.caches.setdefault("indicators", {}), transaction.now, fresh)
    _save_repeats(conn, [kept for kept in batch.kept if kept.arrival.joined is not None])
    if fresh:
        _judge(conn, first, last)


def save_refused(transaction: Transaction, import_id: int, refused: Iterable[Refused], *, actor: str, reason: str | None) -> None:
    """Keep the records of an import that could not be read."""
    stored = []
    for one in refused:
        draft = EventDraft(EventKind.RECORD_REJECTED, str(import_id), transaction.now, actor, reason=reason)
        draft.facts = {"import": import_id, "record": one.number, "position": one.position, "size": one.size}
        draft.content = refused_content(one.sha256.hex(), sha256(one.raw).hexdigest(), one.reason)
        seq = transaction.append(draft)
        stored.append((seq, import_id, one.number, one.position, one.reason, one.size, one.sha256, one.raw))
    transaction.conn.executemany(
        "INSERT INTO rejected_record (seq, import_id, record, position, reason, size, sha256, raw) VALUES (?,?,?,?,?,?,?,?)", stored
    )


def _save_alerts(conn: sqlite3.Connection, source_name: str, now: int, fresh: Sequence[Kept]) -> None:
    alerts = []
    for kept in fresh:
        arrival = kept.arrival
        prepared = arrival.prepared
        alerts.append(
            (
                kept.alert,
                arrival.draft.subject,
                prepared.title,
                prepared.description,
                prepared.new.severity.value,
                source_name,
                kept.rule,
                prepared.fingerprint,
                dump(prepared.tags) if prepared.tags else "[]",
                arrival.occurred_at,
                arrival.assumed,
                arrival.occurred_at,
                now if kept.created_at is None else kept.created_at,
                now,
                now,
                arrival.predecessor,
            )
        )
    conn.executemany(
        "INSERT INTO alert (id, uuid, title, description, severity, status, enrichment_status, source_name, detection_rule_id, fingerprint, "
        "tags, malice, duplicate_count, occurred_at, occurred_at_assumed, last_seen_at, created_at, ingested_at, updated_at, predecessor) "
        "VALUES (?,?,?,?,?,'Open','Pending',?,?,?,?,'Pending',0,?,?,?,?,?,?,?)",
        alerts,
    )


def _save_links(conn: sqlite3.Connection, known: dict[object, int], now: int, fresh: Sequence[tuple[int, Kept]]) -> None:
    find_indicators(conn, known, {pair: seq for seq, kept in reversed(fresh) for pair in kept.arrival.prepared.pairs}, now)
    links, texts, number_of = [], [], known.__getitem__
    for seq, kept in fresh:
        prepared, alert = kept.arrival.prepared, kept.alert
        pairs = sorted(prepared.pairs, key=number_of)
        at = kept.arrival.occurred_at
        links += [(alert, known[pair], seq, at) for pair in pairs]
        values = " ".join([pair[pair.index(":") + 1 :] for pair in pairs])  # in the order of search_text
        texts.append((alert, prepared.title, prepared.description, dump(prepared.tags) if prepared.tags else "[]", values))
    conn.executemany("INSERT INTO alert_indicator (alert_id, indicator_id, seq, occurred_at) VALUES (?,?,?,?)", links)
    conn.executemany("INSERT INTO search (rowid, title, description, tags, indicators) VALUES (?,?,?,?,?)", texts)


def find_indicators(conn: sqlite3.Connection, known: dict[object, int], named: Mapping[str, int], now: int) -> None:
    """Learn the numbers of indicators (`type:value`) into `known`; add those that are not here.

    `named` holds the event that first named each; numbers follow these, then the spelling.
    """
    if len(known) > MOST_CACHED:
        known.clear()
    missing = [pair for pair in named if pair not in known]
    sql = (
        "SELECT i.id, j.value FROM json_each(?) j CROSS JOIN indicator i ON i.type = substr(j.value, 1, instr(j.value, ':') - 1) "
        "AND i.value = substr(j.value, instr(j.value, ':') + 1)"
    )
    known.update((pair, number) for number, pair in conn.execute(sql, (json.dumps(missing),)))
    added = sorted((named[pair], pair) for pair in missing if pair not in known)
    (last,) = conn.execute("SELECT coalesce(max(id), 0) FROM indicator").fetchone()
    known.update((pair, number) for number, (_, pair) in enumerate(added, last + 1))
    conn.executemany(
        "INSERT INTO indicator (id, type, value, seq, created_at, updated_at) VALUES (?,?,?,?,?,?)",
        [(known[pair], *pair.split(":", 1), seq, now, now) for seq, pair in added],
    )


def _save_repeats(conn: sqlite3.Connection, repeats: Sequence[Kept]) -> None:
    """Count duplicates."""
    conn.executemany(
        "UPDATE alert SET duplicate_count = duplicate_count + 1, last_seen_at = max(last_seen_at, ?) WHERE id = ?",
        [(kept.arrival.occurred_at, kept.alert) for kept in repeats],
    )


def _judge(conn: sqlite3.Connection, first: int, last: int) -> None:
    """New alerts whose indicators have a verdict already take it over."""
    if conn.execute("SELECT 1 FROM indicator WHERE malice <> 'Pending' LIMIT 1").fetchone() is None:
        return
    sql = (
        "SELECT DISTINCT l.alert_id FROM alert_indicator l JOIN indicator i ON i.id = l.indicator_id "
        "WHERE l.alert_id BETWEEN ? AND ? AND i.malice <> 'Pending'"
    )
    judged = [number for (number,) in conn.execute(sql, (first, last))]
    if judged:
        refresh_malice(conn, judged)
