"""Suppressions, and the records that they held back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from attrs import field, frozen

from alertstore.domain.identity import indicator_number
from alertstore.domain.suppression import Held, Suppression, in_force, suppression_row
from alertstore.storage.rows import maybe, moment

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from alertstore.domain.events import EventDraft
    from alertstore.storage.transaction import Transaction


@frozen
class SuppressedRecord:
    """A record that a suppression (its uuid) held back: what it is about, and where it stood, where it came in a file.

    `seq` is the event that kept it; `raw` is None where it was redacted.
    """

    seq: int
    suppression: str
    import_id: int | None
    record: int | None
    position: int | None
    title: str
    size: int
    sha256: str
    raw: bytes | None = field(repr=False)


def create(transaction: Transaction, draft: EventDraft) -> None:
    """Append the event of a new suppression, and write its row."""
    transaction.append(draft)
    body = {"subject": draft.subject, "actor": draft.actor, "reason": draft.reason, "at": draft.at, "facts": draft.facts}
    row = suppression_row(body)
    transaction.conn.execute(f"INSERT INTO suppression ({', '.join(row)}) VALUES ({','.join('?' * len(row))})", tuple(row.values()))


def lift(transaction: Transaction, draft: EventDraft) -> None:
    """Append the event that ends a suppression, and write it."""
    transaction.append(draft)
    sql = "UPDATE suppression SET lifted_at = ?, lifted_by = ? WHERE uuid = ?"
    transaction.conn.execute(sql, (draft.at, draft.actor, draft.subject))


def suppressions(conn: sqlite3.Connection, store_id: str, now: int, only: str | None = None) -> list[Suppression]:
    """All suppressions, or the one of that uuid, oldest first."""
    sql = (
        "SELECT s.uuid, kind, target, author, reason, s.created_at, until, lifted_at, lifted_by, r.name, coalesce(h.held, 0) "
        "FROM suppression s LEFT JOIN detection_rule r ON s.kind = 'rule' AND r.uuid = s.target "
        "LEFT JOIN (SELECT suppression, count(*) AS held FROM rejected_record WHERE suppression IS NOT NULL GROUP BY suppression) h "
        "ON h.suppression = s.uuid WHERE s.uuid = :only OR :only IS NULL ORDER BY s.created_at, s.uuid"
    )
    rows = conn.execute(sql, {"only": only}).fetchall()
    pairs = _pairs(conn, store_id, [target for _, kind, target, *_ in rows if kind == "indicator"])
    found = []
    state: Literal["active", "expired", "lifted"]
    for uuid, kind, target, author, reason, created, until, lifted, lifted_by, rule, held in rows:
        name = rule if kind == "rule" else pairs.get(target) if kind == "indicator" else target
        state = "lifted" if lifted is not None else "active" if now < until else "expired"
        times = moment(created), moment(until), maybe(lifted)
        found.append(Suppression(uuid, kind, target, name or target, author, reason, *times, lifted_by, state, held))
    return found


def _pairs(conn: sqlite3.Connection, store_id: str, uuids: Iterable[str]) -> dict[str, str]:
    """The indicators of uuids, as `type:value`; those that are not in this store are left out."""
    numbers = {uuid: indicator_number(store_id, uuid) for uuid in uuids}
    sql = "SELECT id, type || ':' || value FROM indicator WHERE id IN (SELECT value FROM json_each(?))"
    found = dict(conn.execute(sql, (json.dumps(list(numbers.values())),)))
    return {uuid: found[number] for uuid, number in numbers.items() if number in found}


def held_back(conn: sqlite3.Connection, store_id: str, now: int) -> tuple[Held | None, int | None]:
    """The suppressions in force at a time (microseconds), and when the first of them ends; None and None where there are none."""
    sql = "SELECT kind, target, uuid, until FROM suppression WHERE lifted_at IS NULL AND until > ? ORDER BY created_at, uuid"
    rows = conn.execute(sql, (now,)).fetchall()
    pairs = _pairs(conn, store_id, [target for kind, target, *_ in rows if kind == "indicator"])
    named = ((kind, pairs.get(target) if kind == "indicator" else target, uuid) for kind, target, uuid, _ in rows)
    held = in_force((kind, target, uuid) for kind, target, uuid in named if target is not None)
    return held, min((until for *_, until in rows), default=None)


def kept_already(conn: sqlite3.Connection, digests: Sequence[bytes]) -> set[bytes]:
    """Which of the records, by SHA-256, a suppression held back before."""
    marks = ",".join("?" * len(digests))
    sql = f"SELECT sha256 FROM rejected_record WHERE suppression IS NOT NULL AND sha256 IN ({marks})"
    return {digest for (digest,) in conn.execute(sql, tuple(digests))}


def keep(transaction: Transaction, records: Iterable[tuple[EventDraft, str, bytes, bytes]]) -> None:
    """Append the events of records that are held back, and keep them: (event, title, SHA-256, bytes) of each."""
    stored = []
    for draft, title, digest, raw in records:
        facts = draft.facts or {}
        place = tuple(facts.get(name) for name in ("import", "record", "position"))
        stored.append((transaction.append(draft), *place, draft.subject, title, len(raw), digest, raw))
    transaction.conn.executemany(
        "INSERT INTO rejected_record (seq, import_id, record, position, suppression, reason, size, sha256, raw) VALUES (?,?,?,?,?,?,?,?,?)",
        stored,
    )


def suppressed(conn: sqlite3.Connection, uuid: str | None, limit: int | None = None) -> Iterator[SuppressedRecord]:
    """The records that one suppression, or any, held back, in the order they came."""
    sql = (
        "SELECT seq, suppression, import_id, record, position, reason, size, sha256, raw FROM rejected_record "
        "WHERE suppression IS NOT NULL AND (suppression = :uuid OR :uuid IS NULL) ORDER BY seq LIMIT :limit"
    )
    for seq, suppression, *place, title, size, digest, raw in conn.execute(sql, {"uuid": uuid, "limit": -1 if limit is None else limit}):
        import_id, record, position = place
        yield SuppressedRecord(seq, suppression, import_id, record, position, title, size, digest.hex(), raw)


def held_alone(conn: sqlite3.Connection, seq: int) -> str | None:
    """The uuid of the suppression that held back a record which came without a file, by the event that kept it; None where there is none."""
    sql = "SELECT suppression FROM rejected_record WHERE seq = ? AND import_id IS NULL AND suppression IS NOT NULL"
    row = conn.execute(sql, (seq,)).fetchone()
    return None if row is None else str(row[0])
