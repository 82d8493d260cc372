"""The things around alerts: detection rules, context documents, findings, indicators. Low rates, so sqlite-utils writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from alertstore.domain.events import EventKind
from alertstore.domain.times import to_micros
from alertstore.storage import rows, search
from alertstore.storage.alerts import dump, refresh_malice, save
from alertstore.storage.intake import find_indicators

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from sqlite_utils import Database

    from alertstore.domain.alert import AlertSummary, ContextDocument, DetectionRule, Finding, Indicator, Occurrence
    from alertstore.domain.changes import Change
    from alertstore.domain.events import EventDraft
    from alertstore.storage.transaction import Transaction

_RULE_LISTS = ("mitre_tactics", "mitre_techniques", "mitre_subtechniques", "data_sources")


def rule(conn: sqlite3.Connection, uuid: str) -> DetectionRule | None:
    """A detection rule, or None."""
    row = conn.execute(f"SELECT {rows.RULE} FROM detection_rule WHERE uuid = ?", (uuid,)).fetchone()
    return None if row is None else rows.rule(row)


def rules(conn: sqlite3.Connection) -> list[DetectionRule]:
    """All detection rules, by source and name."""
    return [rows.rule(row) for row in conn.execute(f"SELECT {rows.RULE} FROM detection_rule ORDER BY source_name, name, id")]


def has_rule(conn: sqlite3.Connection, source_name: str | None, source_rule_id: str | None) -> bool:
    """Whether a rule of that source and id is here."""
    sql = "SELECT 1 FROM detection_rule WHERE source_rule_id = ? AND source_name IS ?"
    return conn.execute(sql, (source_rule_id, source_name)).fetchone() is not None


def rule_edits(conn: sqlite3.Connection) -> tuple[dict[str, list[dict[str, Any]]], set[str]]:
    """The bodies of all edits of rules that are there, oldest first, by the rule's uuid; and the rules that were edited before, by
    events that are gone. Looks through the whole history.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    begun, pruned = set[str](), set[str]()
    kinds = (EventKind.DETECTION_RULE_CREATED, EventKind.DETECTION_RULE_CARRIED, EventKind.DETECTION_RULE_UPDATED)
    for kind, stored in conn.execute("SELECT kind, body FROM event WHERE kind IN (?, ?, ?) ORDER BY seq", kinds):
        body = json.loads(stored)
        uuid = body["subject"]
        if kind == EventKind.DETECTION_RULE_UPDATED:
            found.setdefault(uuid, []).append(body)
        elif uuid not in begun:  # the oldest that tells the whole rule: what was edited before it is gone, or is no edit
            begun.add(uuid)
            if kind == EventKind.DETECTION_RULE_CARRIED and body["facts"]["updated_at"] != body["facts"]["created_at"]:
                pruned.add(uuid)
    return found, pruned


def same_rules(conn: sqlite3.Connection, rule_ids: Sequence[str]) -> dict[str, DetectionRule]:
    """Of ids that are UUIDs, and so the same for every tool: a rule of that id, whatever its source; the one that says most."""
    uuids = [one for one in rule_ids if len(one) == _UUID_LENGTH and one.count("-") == _UUID_DASHES]
    if not uuids:
        return {}
    sql = (
        f"SELECT {rows.RULE} FROM detection_rule WHERE source_rule_id IN (SELECT value FROM json_each(?)) "
        "ORDER BY length(coalesce(documentation, '')), id"
    )
    found = (rows.rule(row) for row in conn.execute(sql, (json.dumps(uuids),)))
    return {str(one.source_rule_id): one for one in found}


_UUID_LENGTH, _UUID_DASHES = 36, 4


def _rule_columns(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: dump(value) if name in _RULE_LISTS else value for name, value in facts.items()}


def add_rule(transaction: Transaction, draft: EventDraft) -> int:
    """Append the event of a new rule (its facts are the rule) and write its row; give back its number.

    An import meets rules by the hundred, so this one is plain SQL.
    """
    transaction.append(draft)
    row = _rule_columns(draft.facts or {}) | {"uuid": draft.subject, "created_at": draft.at, "updated_at": draft.at}
    cursor = transaction.conn.execute(_NEW_RULE, row)
    return int(cursor.lastrowid or 0)


_NEW_RULE = "INSERT INTO detection_rule ({}) VALUES ({})".format(
    rows.RULE.removeprefix("id, "), ", ".join(f":{name}" for name in rows.RULE.removeprefix("id, ").split(", "))
)


def update_rule(db: Database, transaction: Transaction, draft: EventDraft) -> None:
    """Append the event of an edited rule (its changes are the edit) and bring its row up to date."""
    transaction.append(draft)
    row = _rule_columns({name: new for name, (_, new) in (draft.changes or {}).items()}) | {"updated_at": draft.at}
    db.table("detection_rule").update(_number(db, "detection_rule", draft.subject), row)


def _number(db: Database, table: str, uuid: str) -> int:
    number: int = db.execute(f"SELECT id FROM {table} WHERE uuid = ?", [uuid]).fetchone()[0]
    return number


def document(conn: sqlite3.Connection, uuid: str) -> ContextDocument | None:
    """A context document, or None."""
    row = conn.execute(f"SELECT {rows.DOCUMENT} FROM context_document WHERE uuid = ?", (uuid,)).fetchone()
    return None if row is None else rows.document(row)


def documents(conn: sqlite3.Connection) -> list[ContextDocument]:
    """All context documents: global ones first, then by type and title."""
    sql = f"SELECT {rows.DOCUMENT} FROM context_document ORDER BY is_global DESC, document_type, title, id"
    return [rows.document(row) for row in conn.execute(sql)]


def document_columns(found: ContextDocument) -> dict[str, Any]:
    """A document as its row has it, but for its number and event."""
    return {
        "uuid": found.uuid,
        "title": found.title,
        "document_type": found.document_type.value,
        "is_global": int(found.is_global),
        "description": found.description,
        "tags": dump(found.tags),
        "version": found.version,
        "content": found.content,
        "targeting_rules": None if found.targeting_rules is None else dump(found.targeting_rules),
    }


def save_document(db: Database, transaction: Transaction, found: ContextDocument, draft: EventDraft) -> None:
    """Append the event of a new or edited document and write its row."""
    seq = transaction.append(draft)
    row = document_columns(found) | {"updated_at": draft.at, "seq": seq}
    table = db.table("context_document")
    known = db.execute("SELECT id FROM context_document WHERE uuid = ?", [found.uuid]).fetchone()
    if known is None:
        table.insert(row | {"id": seq, "created_at": draft.at}, pk="id")
    else:
        _forget_salt(db, known[0])
        table.update(known[0], row)


def delete_document(db: Database, transaction: Transaction, draft: EventDraft) -> None:
    """Append the tombstone of a document and take its row away."""
    transaction.append(draft)
    number = _number(db, "context_document", draft.subject)
    _forget_salt(db, number)
    db.table("context_document").delete(number)


def _forget_salt(db: Database, document: int) -> None:
    """Content that is about to go needs no salt any more: a salt is there exactly where what it opens is."""
    db.execute("UPDATE event SET salt = NULL WHERE seq = (SELECT seq FROM context_document WHERE id = ?)", [document])


def add_finding(transaction: Transaction, alert: int, finding: Finding) -> None:
    """Write a finding's row; its event is the last one appended."""
    said = {name: getattr(finding, name) for name in ("id", "agent_name", "summary", "confidence", "recommended_action")}
    keep_finding(transaction, alert, said | {"evidence": evidence_text(finding.evidence)}, to_micros(finding.posted_at))


def keep_finding(transaction: Transaction, alert: int, finding: Mapping[str, Any], posted_at: int) -> None:
    """Write the row of a finding, its evidence given as text; its event is the last one appended."""
    values = (finding["id"], alert, *(finding[name] for name in ("agent_name", "summary", "confidence", "recommended_action", "evidence")))
    sql = (
        "INSERT INTO finding (seq, uuid, alert_id, agent_name, summary, confidence, recommended_action, evidence, posted_at) "
        "VALUES (?,?,?,?,?,?,?,?,?)"
    )
    transaction.conn.execute(sql, (transaction.seq, *values, posted_at))


def findings_of(conn: sqlite3.Connection, number: int) -> list[tuple[Any, ...]]:
    """The findings of an alert (by its number) as rows of FINDING."""
    return conn.execute(f"SELECT {rows.FINDING} FROM finding WHERE alert_id = ? ORDER BY seq", (number,)).fetchall()


def finding_exists(conn: sqlite3.Connection, uuid: str) -> bool:
    """Whether a finding of that uuid is here, whatever its alert."""
    return conn.execute("SELECT 1 FROM finding WHERE uuid = ?", (uuid,)).fetchone() is not None


def evidence_text(evidence: Mapping[str, Any] | None) -> str | None:
    """A finding's evidence as it is kept."""
    return None if evidence is None else dump(evidence)


def linked(conn: sqlite3.Connection, alert: int) -> set[str]:
    """The indicators of an alert, as `type:value`."""
    sql = "SELECT i.type || ':' || i.value FROM alert_indicator l JOIN indicator i ON i.id = l.indicator_id WHERE l.alert_id = ?"
    return {pair for (pair,) in conn.execute(sql, (alert,))}


def link(transaction: Transaction, alert: int, change: Change, pairs: Sequence[str]) -> None:
    """Save the decision to link further indicators (`type:value`) to an alert, and the links."""
    conn, known = transaction.conn, dict[object, int]()
    search.forget(conn, [alert])
    save(transaction, [(alert, change)])
    (occurred,) = conn.execute("SELECT occurred_at FROM alert WHERE id = ?", (alert,)).fetchone()
    find_indicators(conn, known, dict.fromkeys(pairs, transaction.seq), change.state.updated_at)
    conn.executemany(
        "INSERT INTO alert_indicator (alert_id, indicator_id, seq, occurred_at) VALUES (?,?,?,?)",
        [(alert, known[pair], transaction.seq, occurred) for pair in pairs],
    )
    search.learn(conn, [alert])
    refresh_malice(conn, [alert])


def indicator(conn: sqlite3.Connection, number: int, store_id: str) -> Indicator | None:
    """An indicator by its number, or None."""
    row = conn.execute(f"SELECT {rows.INDICATOR} FROM indicator i WHERE i.id = ?", (number,)).fetchone()
    return None if row is None else rows.indicator(row, store_id)


def indicator_number(conn: sqlite3.Connection, kind: str, value: str) -> int | None:
    """The number of an indicator by what it is, or None."""
    row = conn.execute("SELECT id FROM indicator WHERE type = ? AND value = ?", (kind, value)).fetchone()
    return None if row is None else row[0]


def save_indicator_malice(transaction: Transaction, number: int, draft: EventDraft) -> None:
    """Append the event of a verdict on an indicator, write it, and let the indicator's alerts follow."""
    transaction.append(draft)
    sets = draft.sets or {}
    transaction.conn.execute(
        "UPDATE indicator SET malice = ?, malice_source = ?, malice_overridden_at = ?, updated_at = ? WHERE id = ?",
        ((draft.changes or {})["malice"][1], sets["malice_source"], sets["malice_overridden_at"], draft.at, number),
    )
    linked_alerts = transaction.conn.execute("SELECT alert_id FROM alert_indicator WHERE indicator_id = ?", (number,))
    refresh_malice(transaction.conn, [alert for (alert,) in linked_alerts])


def occurrences(conn: sqlite3.Connection, alert: int) -> list[Occurrence]:
    """Every record that reported an alert, in the order they came."""
    return [
        rows.occurrence(row) for row in conn.execute(f"SELECT {rows.OCCURRENCE} FROM occurrence WHERE alert_id = ? ORDER BY seq", (alert,))
    ]


def reported(conn: sqlite3.Connection, source_name: str, sha256: bytes) -> str | None:
    """The uuid of the alert that a record was kept for, also of a deleted one, or None."""
    sql = (
        "SELECT coalesce(a.uuid, d.uuid) FROM occurrence o LEFT JOIN alert a ON a.id = o.alert_id "
        "LEFT JOIN deleted_alert d ON d.id = o.alert_id WHERE o.sha256 = ? AND o.source_name = ?"
    )
    row = conn.execute(sql, (sha256, source_name)).fetchone()
    return None if row is None else row[0]


def related(conn: sqlite3.Connection, alert: int, limit: int) -> list[tuple[AlertSummary, tuple[str, ...]]]:
    """Other alerts that share indicators with an alert: (alert, the shared `type:value`), most shared first, then newest."""
    listed = ", ".join(f"a.{name}" for name in rows.SUMMARY.split(", "))
    sql = (
        f"SELECT {listed}, json_group_array(i.type || ':' || i.value), count(*) AS shared FROM alert_indicator mine "
        "JOIN alert_indicator theirs ON theirs.indicator_id = mine.indicator_id AND theirs.alert_id <> mine.alert_id "
        "JOIN alert a ON a.id = theirs.alert_id JOIN indicator i ON i.id = mine.indicator_id "
        "WHERE mine.alert_id = ? GROUP BY a.id ORDER BY shared DESC, a.occurred_at DESC, a.id LIMIT ?"
    )
    return [(rows.summary(row), tuple(sorted(json.loads(row[-2])))) for row in conn.execute(sql, (alert, limit))]
