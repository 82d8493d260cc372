"""Alerts one at a time, or many alike: load their state, save a change, read one whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from alertstore.domain.synced import heads_after
from alertstore.domain.targeting import applies
from alertstore.domain.vocabulary import Malice, worst_malice
from alertstore.storage import links, recurrence, rows, search

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from alertstore.domain.alert import Alert, ContextDocument
    from alertstore.domain.changes import AlertState, Change
    from alertstore.domain.events import EventDraft
    from alertstore.storage.transaction import Transaction


def number_of(conn: sqlite3.Connection, uuid: str) -> int | None:
    """The number of an alert, also of a deleted one; None where there never was one of that uuid."""
    row = conn.execute(
        "SELECT id FROM alert WHERE uuid = :uuid UNION ALL SELECT id FROM deleted_alert WHERE uuid = :uuid "
        "UNION ALL SELECT alert_id FROM alias WHERE uuid = :uuid",
        {"uuid": uuid},
    ).fetchone()
    return None if row is None else row[0]


def load_state(conn: sqlite3.Connection, uuid: str) -> tuple[int, AlertState] | None:
    """(number, state) of an alert, by its uuid or another that it is known by; None where there is none."""
    row = conn.execute(f"SELECT {rows.STATE} FROM alert WHERE uuid = ?", (uuid,)).fetchone()
    if row is None:
        row = conn.execute(f"SELECT {rows.STATE} FROM alert WHERE id = (SELECT alert_id FROM alias WHERE uuid = ?)", (uuid,)).fetchone()
    return None if row is None else rows.state(row)


def save(transaction: Transaction, changes: Iterable[tuple[int, Change]]) -> None:
    """Append the events of decided changes, and bring the rows to what the events say."""
    updates: dict[tuple[str, ...], list[tuple[object, ...]]] = {}
    touched: dict[str, list[int]] = {"tags": [], "malice_override": []}
    linked = links.any_linked(transaction.conn)
    for number, change in changes:
        row: dict[str, object] = {}
        heads = dict(change.state.heads)
        for draft in change.events:
            _append_edit(transaction, number, draft, heads, linked=linked)
            row |= _columns(draft)
            if draft.edits:
                row["heads"] = dump(heads)
        if row:
            updates.setdefault(tuple(row), []).append((*row.values(), number))
            for name, numbers in touched.items():
                if name in row:
                    numbers.append(number)
    if touched["tags"]:
        search.forget(transaction.conn, touched["tags"])
    for names, rows_of_names in updates.items():
        transaction.conn.executemany(f"UPDATE alert SET {' = ?, '.join(names)} = ? WHERE id = ?", rows_of_names)
    if touched["tags"]:
        search.learn(transaction.conn, touched["tags"])
    if touched["malice_override"]:
        refresh_malice(transaction.conn, touched["malice_override"])


def _append_edit(transaction: Transaction, number: int, draft: EventDraft, heads: dict[str, Sequence[int]], *, linked: bool) -> None:
    """Append the event of a change, and bring the heads to what its edits replace.

    An edit made here replaces all that stand; one that another store made replaces what its author knew of.
    """
    edits = draft.edits or ()
    foreign = draft.origin is not None and "store" in draft.origin
    if not foreign:
        for edit in edits:  # of two steps in one change, the second replaces the first
            edit["sup"] = heads.get(edit["register"], ())
        if linked and edits:
            links.say_seen(transaction.conn, number, edits)
    seq = transaction.append(draft, number)
    if foreign and draft.origin is not None:
        links.keep_origin(transaction.conn, draft.origin, seq)
    for edit in edits:
        stood = heads.get(edit["register"], ()) if foreign else ()
        heads[edit["register"]] = heads_after(stood, edit["sup"], seq)


def _columns(draft: EventDraft) -> dict[str, object]:
    """The columns that an event changes: its registers, and what follows from them."""
    columns: dict[str, object] = {name: new for name, (_, new) in (draft.changes or {}).items()}
    columns.update(draft.sets or {})
    if "tags" in columns:
        columns["tags"] = dump(columns["tags"])
    columns["updated_at"] = draft.at
    return columns


dump = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def refresh_malice(conn: sqlite3.Connection, numbers: Sequence[int]) -> None:
    """Bring the alerts' malice in step with their override and their indicators."""
    sql = (
        "SELECT a.id, a.malice_override, (SELECT group_concat(DISTINCT i.malice) FROM alert_indicator l JOIN indicator i "
        "ON i.id = l.indicator_id WHERE l.alert_id = a.id) FROM alert a WHERE a.id IN (SELECT value FROM json_each(?))"
    )
    found = [
        (override or worst_malice(map(Malice, (verdicts or "Pending").split(","))), number)
        for number, override, verdicts in conn.execute(sql, (json.dumps(list(numbers)),))
    ]
    conn.executemany("UPDATE alert SET malice = ? WHERE id = ? AND malice <> ?", [(malice, number, malice) for malice, number in found])


def delete(transaction: Transaction, number: int, draft: EventDraft) -> None:
    """Append the tombstone and take away the alert's row, links, findings and search text."""
    conn = transaction.conn
    transaction.append(draft, number)
    search.forget(conn, [number])
    conn.execute("INSERT INTO deleted_alert (id, uuid) SELECT id, uuid FROM alert WHERE id = ?", (number,))
    for table, column in (("alert_indicator", "alert_id"), ("finding", "alert_id"), ("alert", "id")):
        conn.execute(f"DELETE FROM {table} WHERE {column} = ?", (number,))
    # A salt is there exactly where what it opens is: that of the records stays, with them.
    conn.execute("UPDATE event SET salt = NULL WHERE alert_id = ? AND kind IN ('alert_finding_added', 'alert_indicators_added')", (number,))


def load_alert(conn: sqlite3.Connection, uuid: str, store_id: str) -> Alert | None:
    """An alert with everything that belongs to it, or None."""
    row = conn.execute(_WHOLE, (uuid,)).fetchone()
    if row is None:
        named = conn.execute("SELECT a.uuid FROM alert a WHERE a.id = (SELECT alert_id FROM alias WHERE uuid = ?)", (uuid,)).fetchone()
        return None if named is None else load_alert(conn, named[0], store_id)
    *rest, has_findings, has_documents, has_aliases = row
    alert, rule = row[:_ALERT_COLUMNS], rest[_ALERT_COLUMNS:]
    number = alert[0]
    indicators = conn.execute(
        f"SELECT {rows.INDICATOR} FROM alert_indicator l CROSS JOIN indicator i ON i.id = l.indicator_id WHERE l.alert_id = ?", (number,)
    )
    findings = conn.execute(f"SELECT {rows.FINDING} FROM finding WHERE alert_id = ? ORDER BY seq", (number,)) if has_findings else ()
    raw = conn.execute(
        "SELECT o.raw, i.columns, i.delimiter, i.member FROM occurrence o LEFT JOIN import i ON i.id = o.import_id "
        "WHERE o.alert_id = ? ORDER BY o.seq LIMIT 1",
        (number,),
    ).fetchone()
    return rows.alert(
        alert,
        indicators=[rows.indicator(r, store_id) for r in indicators],
        detection_rule=None if rule[0] is None else rows.rule(tuple(rule)),
        documents=_documents(conn, alert) if has_documents else (),
        findings=[rows.finding(r) for r in findings],
        raw=raw[0] if raw else None,
        raw_header=rows.header(raw[1], raw[2]) if raw else None,
        raw_member=raw[3] if raw else None,
        aliases=[name for (name,) in conn.execute("SELECT uuid FROM alias WHERE alert_id = ? ORDER BY uuid", (number,))]
        if has_aliases
        else (),
        suggestion=None if row[_PREDECESSOR] is None else recurrence.suggestion(conn, number),
    )


_ALERT_COLUMNS = len(rows.ALERT.split(", "))
_PREDECESSOR = rows.ALERT.split(", ").index("predecessor")
# One statement for what most alerts have, and for whether there is more to ask.
_WHOLE = (
    f"SELECT {', '.join(f'a.{name}' for name in rows.ALERT.split(', '))}, {', '.join(f'r.{name}' for name in rows.RULE.split(', '))}, "
    "EXISTS (SELECT 1 FROM finding f WHERE f.alert_id = a.id), EXISTS (SELECT 1 FROM context_document), "
    "EXISTS (SELECT 1 FROM alias) FROM alert a LEFT JOIN detection_rule r ON r.id = a.detection_rule_id WHERE a.uuid = ?"
)


def _documents(conn: sqlite3.Connection, row: rows.Row) -> list[ContextDocument]:
    """The documents that apply: global ones first, then the targeted, each by type (the remote's order)."""
    sql = f"SELECT {rows.DOCUMENT} FROM context_document ORDER BY is_global DESC, document_type, id"
    found = [rows.document(r) for r in conn.execute(sql)]
    if not found:
        return []
    about = {"source_name": row[7], "severity": rows.SEVERITY[row[4]], "tags": rows.texts(row[11])}
    return [d for d in found if d.is_global or applies(d.targeting_rules, **about)]
