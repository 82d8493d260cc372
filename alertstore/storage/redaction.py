"""Erasing: content taken out of the rows, and what opened the history's commitments to it with it; then out of the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from alertstore.domain.carrying import REDACTED, redacted_indicator
from alertstore.domain.changes import Act
from alertstore.domain.enrichment import RESULTS
from alertstore.domain.erasure import decide_record_redaction
from alertstore.domain.identity import indicator_uuid, part_salt
from alertstore.errors import StorageError, StoreBusyError
from alertstore.storage.alerts import refresh_malice
from alertstore.storage.carry import OF_MANY
from alertstore.storage.faults import translated
from alertstore.storage.guard import unguarded

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable

    from alertstore.domain.events import EventDraft
    from alertstore.storage.repository import Repository
    from alertstore.storage.transaction import Transaction

SALTS = {"record": (), "content": ("text", "indicators"), "findings": ("finding", "findings")}
"""Part of an alert (`domain.erasure.PARTS`) -> the parts of its events' content whose salts go with it.

Of a record its bytes go; its SHA-256 stays, so that the same record does not come back, and its commitment with it.
"""

LEFT_OVER = {
    "record": "SELECT 'record of event ' || seq FROM occurrence WHERE alert_id = :alert AND seq < :seq AND raw IS NOT NULL",
    "content": (
        f"SELECT 'its text' FROM alert WHERE id = :alert AND (title <> '{REDACTED}' OR description IS NOT NULL OR fingerprint <> '') "
        "UNION ALL SELECT 'its indicators' FROM alert_indicator WHERE alert_id = :alert AND seq < :seq"
    ),
    "findings": "SELECT 'finding ' || uuid FROM finding WHERE alert_id = :alert AND seq < :seq",
}
"""What would be left of a part from before event :seq."""

_COMMITTING = "('alert_ingested', 'alert_carried', 'alert_indicators_added', 'alert_finding_added')"


def redact_alert(transaction: Transaction, number: int, draft: EventDraft) -> None:
    """Append the event, and erase the parts of an alert (also of a deleted one) that it names, whatever of them is left.

    A suppression may have held a record of the alert back before it came again: then its bytes and its title were kept there too. They
    go as well, each with an event of its own.
    """
    conn, parts = transaction.conn, (draft.facts or {})["parts"]
    if "content" in parts and (erased_indicators := _erase_indicators(conn, number)):
        draft.facts = {**(draft.facts or {}), "indicators": erased_indicators}
    transaction.append(draft, number)
    if "record" in parts:
        conn.execute("UPDATE occurrence SET raw = NULL WHERE alert_id = ?", (number,))
    if "findings" in parts:
        conn.execute("DELETE FROM finding WHERE alert_id = ?", (number,))
    if "content" in parts:
        sql = "UPDATE alert SET title = ?, description = NULL, fingerprint = '' WHERE id = ?"
        conn.execute(sql, (REDACTED, number))
        refresh_malice(conn, [number])
    erased = {name for part in parts for name in SALTS[part]}
    committing = conn.execute(f"SELECT seq FROM event WHERE alert_id = ? AND kind IN {_COMMITTING}", (number,))
    _forget(conn, [seq for (seq,) in committing], erased)
    if "record" in parts or "content" in parts:
        deed = Act(draft.at, draft.actor, draft.reason)
        for where, seq in _held_back(conn, number):
            redact_record(transaction, seq, decide_record_redaction(where, seq, (draft.facts or {})["authority"], deed))


def _held_back(conn: sqlite3.Connection, number: int) -> list[tuple[int | str, int]]:
    """The records of an alert that suppressions still keep: the import, or the suppression where there was none, and the event of each."""
    sql = (
        "SELECT DISTINCT coalesce(h.import_id, h.suppression), h.seq FROM occurrence o CROSS JOIN rejected_record h ON h.sha256 = o.sha256 "
        "WHERE o.alert_id = ? AND h.suppression IS NOT NULL AND h.raw IS NOT NULL ORDER BY h.seq"
    )
    return conn.execute(sql, (number,)).fetchall()


def redact_record(transaction: Transaction, seq: int, draft: EventDraft) -> None:
    """Append the event, and erase the bytes of a rejected or suppressed record and the reason, which may quote them."""
    conn = transaction.conn
    transaction.append(draft)
    conn.execute("UPDATE rejected_record SET raw = NULL, reason = ? WHERE seq = ?", (REDACTED, seq))
    carried = "SELECT seq FROM event WHERE kind = 'record_carried' AND json_extract(CAST(body AS TEXT), '$.facts.event') = ?"
    own = conn.execute("SELECT seq FROM event WHERE seq = ? AND kind IN ('record_rejected', 'record_suppressed')", (seq,)).fetchall()
    _forget(conn, [one for (one,) in own + conn.execute(carried, (seq,)).fetchall()], {"kept", "reason"})


def _erase_indicators(conn: sqlite3.Connection, number: int) -> list[int]:
    """Take an alert's links away; an indicator that no other alert has loses its value, and its verdicts their salts. Their numbers.

    Of a deleted alert the links are gone; its events still tell which indicators it was the first to name. Where those were pruned,
    nothing tells, and every indicator that no alert has any more goes.
    """
    named = (
        "SELECT indicator_id FROM alert_indicator WHERE alert_id = :alert "
        "UNION SELECT i.id FROM event e JOIN indicator i ON i.seq = e.seq WHERE e.alert_id = :alert "
        "UNION SELECT i.id FROM deleted_alert d JOIN indicator i LEFT JOIN event e ON e.seq = i.seq WHERE d.id = :alert AND e.seq IS NULL"
    )
    linked = [one for (one,) in conn.execute(named, {"alert": number})]
    conn.execute("DELETE FROM alert_indicator WHERE alert_id = ?", (number,))
    sql = "SELECT value FROM json_each(?) j WHERE NOT EXISTS (SELECT 1 FROM alert_indicator l WHERE l.indicator_id = j.value)"
    alone = [one for (one,) in conn.execute(sql, (json.dumps(linked),))]
    sql = "UPDATE indicator SET value = ?, enrichment_results = NULL, is_enriched = 0, enriched_seq = NULL WHERE id = ?"
    conn.executemany(sql, [(redacted_indicator(one), one) for one in alone])
    (store_id,) = conn.execute("SELECT value FROM setting WHERE name = 'store_id'").fetchone()
    uuids = json.dumps([indicator_uuid(store_id, one) for one in alone])
    judged = (
        "SELECT seq FROM event WHERE kind IN ('indicator_malice_updated', 'indicator_carried') "
        "AND json_extract(CAST(body AS TEXT), '$.subject') IN (SELECT value FROM json_each(?))"
    )
    _forget(conn, [seq for (seq,) in conn.execute(judged, (uuids,))], {"indicators", RESULTS})
    enriched = conn.execute(f"SELECT seq FROM event WHERE {OF_MANY} AND kind = 'indicators_enriched'").fetchall() if alone else []
    _forget(conn, [seq for (seq,) in enriched], {str(one) for one in alone})
    return sorted(alone)


def _forget(conn: sqlite3.Connection, events: Iterable[int], erased: Collection[str]) -> None:
    """Take from events the salts of erased parts; where others are left, each gets its own."""
    for seq in events:
        salt, body = conn.execute("SELECT salt, body FROM event WHERE seq = ?", (seq,)).fetchone()
        committed = json.loads(body).get("content", {}).keys()
        if not committed & erased:
            continue
        if salt is not None:
            kept = [(seq, part, part_salt(salt, part)) for part in sorted(committed - erased)]
            conn.execute("UPDATE event SET salt = NULL WHERE seq = ?", (seq,))
            conn.executemany("INSERT INTO part_salt (seq, part, salt) VALUES (?,?,?)", kept)
        conn.executemany("DELETE FROM part_salt WHERE seq = ? AND part = ?", [(seq, part) for part in erased])


def rebuild_search(conn: sqlite3.Connection) -> None:
    """Make the search index anew: FTS5 keeps the words of what was taken out until it merges them away."""
    conn.execute("INSERT INTO search (search) VALUES ('rebuild')")


def scrub(repository: Repository) -> None:
    """Leave nothing of what was erased in the file or in its log: every page written anew, the log emptied.

    Outside a transaction. Raises `StorageError` where that cannot be done: what was redacted is out of the rows, and the same
    redaction once more tries again.
    """
    try:
        with translated(repository.path), unguarded(repository.conn):
            busy = _rewrite(repository.conn)
    except StorageError as fault:
        message = f"what was redacted is out of the rows, but the file still holds its bytes: {fault}"
        raise type(fault)(message, advice="mend that, then repeat the redaction") from fault
    if busy:
        message = (
            f"what was redacted is out of the rows, but {repository.path} still holds its bytes: another process reads an older state of it"
        )
        raise StoreBusyError(message, advice="repeat the redaction when no other process has the store open")


_STATISTICS = {"sqlite_stat1", "sqlite_stat4"}
"""What ANALYZE leaves: samples of indexes, and so of what was erased. A store does without."""


def _rewrite(conn: sqlite3.Connection) -> bool:
    """Write the file anew, and empty its log; whether a reader kept the latter from being done."""
    for table in _STATISTICS & {name for (name,) in conn.execute("SELECT name FROM sqlite_schema")}:
        conn.execute(f"DROP TABLE {table}")
    conn.execute("PRAGMA temp_store = DEFAULT")  # the copy of a large file need not fit into memory; it holds what may stay
    try:
        conn.execute("VACUUM")
    finally:
        conn.execute("PRAGMA temp_store = MEMORY")
    (busy, *_) = conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return bool(busy)
