"""What a bundle is made of: alerts with all their events and content, as rows have them; and what a store knows of another's events."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from alertstore.storage import log
from alertstore.storage.frontier import node, pruned_frontier

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from alertstore.domain.proofs import Node

CHUNK = 500
"""Alerts that are read at a time, at most."""
ROOM = 32 << 20
"""Bytes of records that are read at a time, at most, but for those of one alert."""

_RULE_LISTS = ("mitre_tactics", "mitre_techniques", "mitre_subtechniques", "data_sources")
_RULE = (
    "uuid",
    "name",
    "source_rule_id",
    "source_name",
    "severity",
    "is_active",
    *_RULE_LISTS,
    "run_frequency",
    "created_by",
    "documentation",
)
_FINDING = ("id", "agent_name", "summary", "confidence", "recommended_action", "evidence", "posted_at")
_OTHERS = "'store_created', 'history_pruned', 'store_salvaged', 'signing_key_set', 'import_started', 'import_finished'"


def chosen(conn: sqlite3.Connection, since: int) -> list[int]:
    """The numbers of the alerts that something happened to after event `since`, deleted ones left out."""
    sql = "SELECT id FROM alert WHERE id IN (SELECT alert_id FROM event WHERE seq > ?) ORDER BY id"
    return [number for (number,) in conn.execute(sql, (since,))]


def incomplete(conn: sqlite3.Connection, numbers: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Of some alerts those that cannot go along whole: number -> (uuid, why). Their history was pruned, or some of it redacted."""
    sql = (
        "SELECT a.id, a.uuid, EXISTS (SELECT 1 FROM event e WHERE e.alert_id = a.id AND e.kind = 'alert_carried') FROM alert a "
        "WHERE a.id IN (SELECT value FROM json_each(?)) AND EXISTS (SELECT 1 FROM event e WHERE e.alert_id = a.id AND "
        "e.kind IN ('alert_carried', 'alert_redacted'))"
    )
    why = ("some of it was redacted", "the beginning of its history was pruned")
    return {number: (uuid, why[carried]) for number, uuid, carried in conn.execute(sql, (json.dumps(list(numbers)),))}


def lines(conn: sqlite3.Connection, numbers: Sequence[int], store_id: str, *, payloads: bool) -> Iterator[dict[str, Any]]:
    """The alerts of these numbers as lines of a bundle (see `domain.bundle_lines`)."""
    rules: dict[int | None, dict[str, Any] | None] = {None: None}
    for chunk in _chunks(conn, numbers):
        yield from _chunk(conn, json.dumps(chunk), store_id, rules, payloads=payloads)


def _chunks(conn: sqlite3.Connection, numbers: Sequence[int]) -> Iterator[list[int]]:
    sql = "SELECT alert_id, sum(length(raw)) FROM occurrence WHERE alert_id IN (SELECT value FROM json_each(?)) GROUP BY alert_id"
    for k in range(0, len(numbers), CHUNK):
        listed = list(numbers[k : k + CHUNK])
        sizes = dict(conn.execute(sql, (json.dumps(listed),)).fetchall())
        chunk, size = list[int](), 0
        for number in listed:
            if chunk and size + (sizes.get(number) or 0) > ROOM:
                yield chunk
                chunk, size = [], 0
            chunk.append(number)
            size += sizes.get(number) or 0
        yield chunk


def _chunk(
    conn: sqlite3.Connection, listed: str, store_id: str, rules: dict[int | None, dict[str, Any] | None], *, payloads: bool
) -> Iterator[dict[str, Any]]:
    made: dict[int, dict[str, Any]] = {}
    sql = (
        "SELECT id, uuid, source_name, title, description, fingerprint, occurred_at, created_at, detection_rule_id FROM alert "
        "WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
    )
    for number, uuid, source, title, description, print_, occurred, created, rule in conn.execute(sql, (listed,)):
        if rule not in rules:
            rules[rule] = _rule(conn, rule)
        made[number] = {
            "uuid": uuid, "aliases": [], "source_name": source, "title": title, "description": description, "fingerprint": print_,
            "occurred_at": occurred, "created_at": created, "rule": rules[rule], "events": [], "indicators": {}, "records": {},
            "findings": {}, "sync": None,
        }  # fmt: skip
    within = "alert_id IN (SELECT value FROM json_each(?))"
    decode = json.JSONDecoder().decode
    for number, seq, kind, salt, body in conn.execute(
        f"SELECT alert_id, seq, kind, salt, body FROM event WHERE {within} ORDER BY alert_id, seq", (listed,)
    ):
        made[number]["events"].append({"body": decode(body.decode()), "salt": None if salt is None else salt.hex()})
        if kind in {"alert_ingested", "alert_indicators_added"}:
            made[number]["indicators"][str(seq)] = []
    for number, seq, pair in conn.execute(
        "SELECT l.alert_id, l.seq, i.type || ':' || i.value FROM alert_indicator l JOIN indicator i ON i.id = l.indicator_id "
        f"WHERE l.{within} ORDER BY l.alert_id, l.seq, 3",
        (listed,),
    ):
        made[number]["indicators"][str(seq)].append(pair)
    raw = "raw" if payloads else "NULL"
    for number, seq, digest, bytes_ in conn.execute(f"SELECT alert_id, seq, sha256, {raw} FROM occurrence WHERE {within}", (listed,)):
        made[number]["records"][str(seq)] = _record(digest, bytes_)
    for number, seq, *said in conn.execute(
        f"SELECT alert_id, seq, uuid, agent_name, summary, confidence, recommended_action, evidence, posted_at FROM finding WHERE {within}",
        (listed,),
    ):
        made[number]["findings"][str(seq)] = dict(zip(_FINDING, said, strict=True))
    for number, uuid in conn.execute(f"SELECT alert_id, uuid FROM alias WHERE {within} ORDER BY uuid", (listed,)):
        made[number]["aliases"].append(uuid)
    for number, seq, state in conn.execute(f"SELECT alert_id, seq, state FROM sync_alert WHERE {within}", (listed,)):
        known = json.loads(state)
        made[number]["sync"] = {"state": known, "observed": known.get("observed", [store_id, seq])}
    yield from made.values()


def _record(digest: bytes, raw: bytes | None) -> dict[str, str]:
    said = {"sha256": digest.hex()}
    if raw is None:
        return said
    try:
        return {**said, "text": raw.decode()}
    except UnicodeDecodeError:
        return {**said, "base64": b64encode(raw).decode()}


def _rule(conn: sqlite3.Connection, number: int) -> dict[str, Any]:
    row = conn.execute(f"SELECT {', '.join(_RULE)} FROM detection_rule WHERE id = ?", (number,)).fetchone()
    said = dict(zip(_RULE, row, strict=True))
    return said | {name: json.loads(said[name]) for name in _RULE_LISTS} | {"is_active": bool(said["is_active"])}


def others(conn: sqlite3.Connection) -> Iterator[dict[str, Any]]:
    """The events that concern no alert and that the alerts' events need: the store's beginning, its keys, its imports."""
    for (body,) in conn.execute(f"SELECT body FROM event WHERE kind IN ({_OTHERS}) ORDER BY seq"):
        yield {"body": json.loads(body), "salt": None}


def nodes(conn: sqlite3.Connection) -> Node:
    """The nodes of the history's tree, for a proof."""
    return lambda end, level: node(conn, end, level)


def head(conn: sqlite3.Connection) -> tuple[int, str]:
    """Size and root of the history."""
    return log.checkpoint(conn)


def known_store(conn: sqlite3.Connection, store_id: str) -> tuple[int, str] | None:
    """(size, root) of the longest history of another store that a bundle has told of; None where none has."""
    return conn.execute("SELECT size, root FROM foreign_store WHERE store_id = ?", (store_id,)).fetchone()  # type: ignore[no-any-return]  # a row of two


def remember_store(conn: sqlite3.Connection, store_id: str, size: int, root: str) -> None:
    """Note how long another store's history was, where that is the longest so far; its event is the last one appended."""
    conn.execute(
        "INSERT INTO foreign_store (store_id, size, root) VALUES (?,?,?) ON CONFLICT (store_id) DO UPDATE SET "
        "size = excluded.size, root = excluded.root WHERE excluded.size >= foreign_store.size",
        (store_id, size, root),
    )


def seqs_here(conn: sqlite3.Connection, ids: Iterable[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, int | None]]:
    """Which events here keep which events of other stores: (store, number) -> (seq, number of the alert)."""
    sql = (
        "SELECT f.store_id, f.number, f.seq, e.alert_id FROM json_each(?) j CROSS JOIN foreign_event f ON f.store_id = json_extract(j.value, '$[0]') "
        "AND f.number = json_extract(j.value, '$[1]') LEFT JOIN event e ON e.seq = f.seq"
    )
    return {(store, number): (seq, alert) for store, number, seq, alert in conn.execute(sql, (json.dumps(list(ids)),))}


def leaf_told(conn: sqlite3.Connection, seq: int) -> str | None:
    """The leaf hash (hex) of the other store's event that event `seq` here was made for; None where it was pruned here."""
    row = conn.execute("SELECT json_extract(CAST(body AS TEXT), '$.origin.leaf') FROM event WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else row[0]


def leaf_here(conn: sqlite3.Connection, seq: int) -> str | None:
    """The leaf hash (hex) of an event of this store; None where it has no such event (any more)."""
    row = conn.execute("SELECT substr(hashes, 1, 32) FROM event WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else bytes(row[0]).hex()


def numbers_of(conn: sqlite3.Connection, uuids: Iterable[str]) -> dict[str, int]:
    """The alerts that go by these uuids here: uuid -> number. Deleted ones too."""
    listed = json.dumps(list(uuids))
    found: dict[str, int] = {}
    for table, column in (("alert", "id"), ("deleted_alert", "id"), ("alias", "alert_id")):
        found.update(conn.execute(f"SELECT t.uuid, t.{column} FROM json_each(?) j CROSS JOIN {table} t ON t.uuid = j.value", (listed,)))
    return found


def reported(conn: sqlite3.Connection, records: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Which records are here: (source, SHA-256 as hex) -> number of the alert that has it."""
    digests: dict[str, list[bytes]] = {}
    for source, digest in records:
        digests.setdefault(source, []).append(bytes.fromhex(digest))
    found: dict[tuple[str, str], int] = {}
    for source, listed in digests.items():
        marks = ",".join("?" * len(listed))
        sql = f"SELECT sha256, alert_id FROM occurrence WHERE source_name = ? AND sha256 IN ({marks})"
        found.update(((source, digest.hex()), number) for digest, number in conn.execute(sql, (source, *listed)))
    return found


def uuid_of(conn: sqlite3.Connection, number: int) -> str | None:
    """The uuid of an alert that is here; None where it was deleted."""
    row = conn.execute("SELECT uuid FROM alert WHERE id = ?", (number,)).fetchone()
    return None if row is None else row[0]


def add_alias(conn: sqlite3.Connection, uuid: str, number: int, seq: int) -> None:
    """Note another uuid of an alert."""
    conn.execute("INSERT INTO alias (uuid, alert_id, seq) VALUES (?,?,?)", (uuid, number, seq))


def import_of(conn: sqlite3.Connection, seq: int) -> int | None:
    """The number of the import that event `seq` began; None where the event was pruned, or began none."""
    sql = "SELECT json_extract(CAST(body AS TEXT), '$.subject') FROM event WHERE seq = ? AND kind = 'import_started'"
    row = conn.execute(sql, (seq,)).fetchone()
    return None if row is None else int(row[0])


def is_running(conn: sqlite3.Connection, number: int) -> bool:
    """Whether an import has not come to its end."""
    return conn.execute("SELECT 1 FROM import WHERE id = ? AND finished_at IS NULL", (number,)).fetchone() is not None


def root_was(conn: sqlite3.Connection, size: int) -> str | None:
    """The root (hex) that the history had at a size; None where its beginning was pruned so far that nothing tells."""
    return None if size < pruned_frontier(conn).size else log.checkpoint(conn, size)[1]


def erased(conn: sqlite3.Connection, number: int) -> set[str]:
    """The parts of an alert that were ever redacted here."""
    sql = (
        "SELECT j.value FROM event e, json_each(CAST(e.body AS TEXT), '$.facts.parts') j WHERE e.alert_id = ? AND e.kind = 'alert_redacted' "
        "UNION SELECT j.key FROM event e, json_each(CAST(e.body AS TEXT), '$.facts.redacted') j WHERE e.alert_id = ? AND e.kind = 'alert_carried'"
    )
    return {part for (part,) in conn.execute(sql, (number, number))}


def bare(conn: sqlite3.Connection, number: int) -> list[tuple[int, str]]:
    """(event, SHA-256 as hex) of the records of an alert that are here without their bytes."""
    sql = "SELECT seq, lower(hex(sha256)) FROM occurrence WHERE alert_id = ? AND raw IS NULL"
    return conn.execute(sql, (number,)).fetchall()


def fill(conn: sqlite3.Connection, seq: int, raw: bytes) -> None:
    """Add the bytes of a record that came without."""
    conn.execute("UPDATE occurrence SET raw = ? WHERE seq = ?", (raw, seq))


def source_of(conn: sqlite3.Connection, number: int) -> str | None:
    """The source of an alert that is here."""
    row = conn.execute("SELECT source_name FROM alert WHERE id = ?", (number,)).fetchone()
    return None if row is None else row[0]


def rule_of(conn: sqlite3.Connection, source: str | None, rule_id: str | None, uuid: str) -> tuple[int, str] | None:
    """(number, uuid) of the rule here of that source and tool's id; of that uuid, where it has no such id."""
    by = ("source_name IS ? AND source_rule_id = ?", (source, rule_id)) if rule_id is not None else ("uuid = ?", (uuid,))
    row = conn.execute(f"SELECT id, uuid FROM detection_rule WHERE {by[0]}", by[1]).fetchone()
    return None if row is None else (row[0], row[1])
