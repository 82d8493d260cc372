"""How alerts stand with the remote and with other stores, as the tables of sync keep it: each row is its newest event's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from alertstore.domain.events import EventDraft, EventKind
from alertstore.domain.link import Link
from alertstore.domain.merge import Local
from alertstore.domain.registers import Edit, Registers, edits_of
from alertstore.domain.synced import synced_row
from alertstore.domain.vocabulary import AlertStatus

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from alertstore.domain.link import Outcome
    from alertstore.storage.transaction import Transaction

_dump = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode  # as the fold writes it

EDITING = (
    "'alert_status_updated', 'alert_closed', 'alert_reclassified', 'alert_severity_updated', 'alert_tags_updated', 'alert_malice_updated', "
    "'alert_conflict_resolved'"
)
"""The kinds of events that keep edits."""
_OUTGOING = f"{EDITING}, 'alert_ingested', 'alert_finding_added', 'alert_indicators_added'"


def any_linked(conn: sqlite3.Connection) -> bool:
    """Whether the store has ever seen a remote."""
    return conn.execute("SELECT 1 FROM sync_alert LIMIT 1").fetchone() is not None


def say_seen(conn: sqlite3.Connection, number: int, edits: Sequence[dict[str, Any]]) -> None:
    """Write into new edits what their author had seen of the remote: its value and its token."""
    found = link(conn, number)
    if found is not None and found.base is not None and found.token is not None:
        for edit in edits:
            edit["rbase"], edit["rtoken"] = found.base[edit["register"]], found.token


def keep_origin(conn: sqlite3.Connection, origin: Mapping[str, Any], seq: int) -> None:
    """Note which event of another store an event here was made for."""
    conn.execute("INSERT INTO foreign_event (store_id, number, seq) VALUES (?,?,?)", (origin["store"], origin["seq"], seq))


def link(conn: sqlite3.Connection, number: int) -> Link | None:
    """How an alert stands with the remote; None where it never met it."""
    row = conn.execute("SELECT state FROM sync_alert WHERE alert_id = ?", (number,)).fetchone()
    return None if row is None else Link.read(json.loads(row[0]))


def save_link(
    transaction: Transaction,
    number: int,
    uuid: str,
    found: Link,
    *,
    actor: str,
    reason: str | None = None,
    outcomes: Sequence[tuple[str, int, Outcome]] = (),
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Append the event that says how an alert stands now, and write its row. Whoever saves edits too, does so before."""
    conn = transaction.conn
    heads = conn.execute("SELECT heads FROM alert WHERE id = ?", (number,)).fetchone()
    state = found.facts({} if heads is None else json.loads(heads[0]))
    draft = EventDraft(EventKind.ALERT_SYNCED, uuid, transaction.now, actor, facts={"state": state}, reason=reason, origin=origin)
    if outcomes:
        draft.facts = {"state": state, "outcomes": [[register, seq, outcome.value] for register, seq, outcome in outcomes]}
    seq = transaction.append(draft, number)
    if origin is not None and "store" in origin:
        keep_origin(conn, origin, seq)
    conn.execute(
        "INSERT INTO sync_alert (alert_id, seq, remote_uuid, open, state) VALUES (?,?,?,?,?) ON CONFLICT (alert_id) DO UPDATE SET "
        "seq = excluded.seq, remote_uuid = excluded.remote_uuid, open = excluded.open, state = excluded.state",
        (number, seq, *synced_row(state)),
    )


def local(conn: sqlite3.Connection, number: int, store_id: str, heads: Mapping[str, Sequence[int]]) -> Local:
    """What merging needs to know of an alert here: what it came with, and every edit of it.

    Where its history was pruned, the edits that stood then are known by what they came to.
    """
    edits: dict[str, dict[int, Edit]] = {}
    came = Registers(AlertStatus.OPEN, None, "", None, ())
    sql = f"SELECT seq, kind, body FROM event WHERE alert_id = ? AND kind IN ({EDITING}, 'alert_ingested', 'alert_carried') ORDER BY seq"
    for seq, kind, text in conn.execute(sql, (number,)):
        body = json.loads(text)
        if kind == EventKind.ALERT_INGESTED:
            changes = body["changes"]
            came = Registers(changes["status"][1], None, changes["severity"][1], None, tuple(changes["tags"][1]))
            continue
        if kind == EventKind.ALERT_CARRIED:
            columns = body["facts"]["columns"]
            came = Registers.read(
                {name: columns[name] for name in ("status", "close_classification", "severity", "malice_override", "tags")}
            )
            found = list(_carried(conn, columns["heads"], came, store_id))
        else:
            found = edits_of(seq, body, store_id)
        for edit in found:
            edits.setdefault(edit.register, {})[edit.seq] = edit
    return Local(came, edits, heads)


def _carried(conn: sqlite3.Connection, heads: Iterable[Any], came: Registers, store_id: str) -> Iterator[Edit]:
    for register, seqs in heads:
        for seq in seqs:
            made = conn.execute("SELECT store_id, number FROM foreign_event WHERE seq = ?", (seq,)).fetchone() or (store_id, seq)
            yield Edit(seq, made, register, came[register], came[register], (), None, None, "")


def since_then(conn: sqlite3.Connection, cursor: int) -> list[tuple[int, str, bool]]:
    """(number, uuid, linked?) of the alerts with something to send: those that changed here after event `cursor`, and those left open.

    Not those that are gone from the remote, that it refused to make, or that are to stay here alone.
    """
    sql = (
        "SELECT a.id, a.uuid, s.remote_uuid IS NOT NULL FROM alert a LEFT JOIN sync_alert s ON s.alert_id = a.id WHERE a.id IN "
        f"(SELECT alert_id FROM event WHERE seq > ? AND alert_id IS NOT NULL AND kind IN ({_OUTGOING}) "
        "AND json_extract(CAST(body AS TEXT), '$.origin.remote') IS NULL UNION SELECT alert_id FROM sync_alert WHERE open = 1) AND json_extract(s.state, '$.gone') IS NULL "
        "AND json_extract(s.state, '$.refused') IS NULL AND json_extract(s.state, '$.alone') IS NULL ORDER BY a.id"
    )
    return [(number, uuid, bool(linked)) for number, uuid, linked in conn.execute(sql, (cursor,))]


def unlinked(conn: sqlite3.Connection) -> list[tuple[int, str, bool]]:
    """The same of the alerts that the remote does not have."""
    sql = (
        "SELECT a.id, a.uuid FROM alert a LEFT JOIN sync_alert s ON s.alert_id = a.id WHERE s.remote_uuid IS NULL "
        "AND json_extract(s.state, '$.refused') IS NULL AND json_extract(s.state, '$.gone') IS NULL "
        "AND json_extract(s.state, '$.alone') IS NULL ORDER BY a.id"
    )
    return [(number, uuid, False) for number, uuid in conn.execute(sql)]


def tokens(conn: sqlite3.Connection, uuids: Sequence[str]) -> dict[str, str | None]:
    """Of the remote's alerts that are linked here: the token that each was last seen with. Deleted ones here count as linked.

    None where it was seen to be gone, or where alerts here that share it have seen different ones: it must be looked at.
    """
    sql = (
        "SELECT remote_uuid, CASE WHEN count(token) = count(*) AND min(token) = max(token) THEN max(token) END FROM ("
        "SELECT remote_uuid, CASE WHEN json_extract(state, '$.gone') IS NULL THEN json_extract(state, '$.token') END AS token "
        "FROM sync_alert WHERE remote_uuid IN (SELECT value FROM json_each(?))) GROUP BY remote_uuid"
    )
    return dict(conn.execute(sql, (json.dumps(list(uuids)),)))


def linked_to(conn: sqlite3.Connection, uuid: str) -> list[tuple[int, str]]:
    """(number, uuid) of the alerts here that are linked to one of the remote."""
    sql = "SELECT a.id, a.uuid FROM sync_alert s JOIN alert a ON a.id = s.alert_id WHERE s.remote_uuid = ? ORDER BY a.id"
    return conn.execute(sql, (uuid,)).fetchall()


def is_linked(conn: sqlite3.Connection, number: int) -> bool:
    """Whether an alert here is linked to one of the remote."""
    return conn.execute("SELECT 1 FROM sync_alert WHERE alert_id = ? AND remote_uuid IS NOT NULL", (number,)).fetchone() is not None


def has_more(conn: sqlite3.Connection, number: int, since: int) -> bool:
    """Whether findings or indicators were added here to an alert after event `since`."""
    sql = (
        "SELECT 1 FROM event WHERE alert_id = ? AND seq > ? AND kind IN ('alert_finding_added', 'alert_indicators_added') "
        "AND json_extract(CAST(body AS TEXT), '$.origin.remote') IS NULL LIMIT 1"
    )
    return conn.execute(sql, (number, since)).fetchone() is not None


_UNLINKED = "NOT EXISTS (SELECT 1 FROM sync_alert s WHERE s.alert_id = a.id AND s.remote_uuid IS NOT NULL)"


def unlinked_named(conn: sqlite3.Connection, uuid: str, title: str, occurred_at: int | None) -> tuple[int, str] | None:
    """(number, uuid) of the alert of that uuid, if it is linked to nothing and has that title, or that very time."""
    sql = f"SELECT a.id, a.uuid FROM alert a WHERE a.uuid = ? AND (a.title = ? OR a.occurred_at = ?) AND {_UNLINKED}"
    row = conn.execute(sql, (uuid, title, occurred_at)).fetchone()
    return None if row is None else (row[0], row[1])


def unlinked_like(conn: sqlite3.Connection, fingerprint: str, occurred_at: int) -> tuple[int, str] | None:
    """(number, uuid) of an alert of that fingerprint and that very time that is linked to nothing."""
    sql = f"SELECT a.id, a.uuid FROM alert a WHERE a.fingerprint = ? AND a.occurred_at = ? AND {_UNLINKED} ORDER BY a.id"
    row = conn.execute(sql, (fingerprint, occurred_at)).fetchone()
    return None if row is None else (row[0], row[1])


def active_links(conn: sqlite3.Connection) -> set[str]:
    """The remote's alerts that are linked to alerts here and were not Closed when last seen."""
    sql = (
        "SELECT s.remote_uuid FROM sync_alert s JOIN alert a ON a.id = s.alert_id WHERE s.remote_uuid IS NOT NULL "
        "AND json_extract(s.state, '$.gone') IS NULL AND json_extract(s.state, '$.base.status') IS NOT 'Closed'"
    )
    return {uuid for (uuid,) in conn.execute(sql)}


def sentinels(conn: sqlite3.Connection, count: int) -> list[tuple[str, str]]:
    """(uuid, created_at) of alerts of the remote: `count` that have been linked longest, and `count` that were linked last."""
    chosen = (
        "SELECT alert_id, remote_uuid, json_extract(state, '$.created_at') AS made FROM sync_alert WHERE remote_uuid IS NOT NULL "
        "AND json_extract(state, '$.created_at') IS NOT NULL AND json_extract(state, '$.gone') IS NULL ORDER BY alert_id"
    )
    sql = (
        f"SELECT remote_uuid, made FROM (SELECT * FROM ({chosen} LIMIT :n) UNION SELECT * FROM ({chosen} DESC LIMIT :n)) ORDER BY alert_id"
    )
    return conn.execute(sql, {"n": count}).fetchall()


def all_open(conn: sqlite3.Connection) -> list[tuple[int, str, str]]:
    """(number, uuid, title) of the alerts that have something open."""
    sql = "SELECT a.id, a.uuid, a.title FROM sync_alert s JOIN alert a ON a.id = s.alert_id WHERE s.open = 1 ORDER BY a.id"
    return conn.execute(sql).fetchall()


def linked_between(conn: sqlite3.Connection, begin: int, end: int) -> set[str]:
    """The remote's alerts that are linked to alerts here of those times (occurred_at, microseconds), and are not gone."""
    sql = (
        "SELECT s.remote_uuid FROM alert a JOIN sync_alert s ON s.alert_id = a.id WHERE a.occurred_at BETWEEN ? AND ? "
        "AND s.remote_uuid IS NOT NULL AND json_extract(s.state, '$.gone') IS NULL"
    )
    return {uuid for (uuid,) in conn.execute(sql, (begin, end))}


def last_event(conn: sqlite3.Connection) -> int:
    """The number of the last event."""
    (seq,) = conn.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()
    return int(seq)


def remote_state(conn: sqlite3.Connection) -> tuple[str, dict[str, Any]] | None:
    """The remote that the store syncs with, and what is known of it; None where there is none yet."""
    row = conn.execute("SELECT name, state FROM sync_remote ORDER BY seq DESC LIMIT 1").fetchone()
    return None if row is None else (row[0], json.loads(row[1]))


def save_remote_state(transaction: Transaction, name: str, state: Mapping[str, Any], actor: str) -> int:
    """Append the event that says how far sync with the remote has come, and write its row; the event's number."""
    seq = transaction.append(EventDraft(EventKind.REMOTE_SYNCED, name, transaction.now, actor, facts={"state": dict(state)}))
    transaction.conn.execute(
        "INSERT INTO sync_remote (name, seq, state) VALUES (?,?,?) ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, state = excluded.state",
        (name, seq, _dump(state)),
    )
    return seq
