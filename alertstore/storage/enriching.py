"""Indicators to be enriched, by the batch, and what was found out about them; how far that brings their alerts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from alertstore.domain.enrichment import Enriched, Judged, decide_alert, decide_results, decide_verdict, merged, outcome
from alertstore.domain.identity import indicator_uuid
from alertstore.storage.alerts import refresh_malice
from alertstore.storage.rows import told

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence
    from typing import Any

    from alertstore.domain.changes import Act
    from alertstore.storage.transaction import Transaction

_JUDGED = "id, type, value, malice, malice_source, updated_at, enrichment_results"


def indicators_after(conn: sqlite3.Connection, after: int, limit: int, *, known: bool) -> list[Judged]:
    """Indicators that an alert has, by number, from the one after `after`; `known`: only those that were enriched before."""
    only = "enriched_seq IS NOT NULL" if known else "EXISTS (SELECT 1 FROM alert_indicator l WHERE l.indicator_id = indicator.id)"
    sql = f"SELECT {_JUDGED} FROM indicator WHERE id > ? AND {only} AND value NOT LIKE ' %' ORDER BY id LIMIT ?"
    return [_judged(row) for row in conn.execute(sql, (after, limit))]


def indicators_of(conn: sqlite3.Connection, alerts: Sequence[int]) -> list[int]:
    """The numbers of the indicators of some alerts, each once."""
    sql = "SELECT DISTINCT indicator_id FROM alert_indicator WHERE alert_id IN (SELECT value FROM json_each(?)) ORDER BY 1"
    return [number for (number,) in conn.execute(sql, (json.dumps(list(alerts)),))]


def indicators(conn: sqlite3.Connection, numbers: Sequence[int]) -> list[Judged]:
    """Indicators by their numbers; those that were redacted are left out."""
    sql = f"SELECT {_JUDGED} FROM indicator WHERE id IN (SELECT value FROM json_each(?)) AND value NOT LIKE ' %' ORDER BY id"
    return [_judged(row) for row in conn.execute(sql, (json.dumps(list(numbers)),))]


def _judged(row: tuple[Any, ...]) -> Judged:
    return Judged._make((*row[:-1], _readable(row[-1])))


@told
def _readable(results: str | None) -> str | None:
    """Results as they stand, once it is sure that they can be read."""
    outcome(results)
    return results


_merged = told(merged)


def save_results(
    transaction: Transaction, found: Mapping[int, Mapping[str, dict[str, Any]]], providers: Mapping[str, str], store_id: str, act: Act
) -> tuple[int, int]:
    """Keep the results of a batch of indicators, by number and provider, and the verdicts they come to.

    How many indicators' results are new, and how many verdicts changed.
    """
    conn = transaction.conn
    before = indicators(conn, list(found))
    alike: dict[tuple[str | int | None, ...], str | None] = {}  # most have the same results, which are the same objects
    changed = {}
    for one in before:
        said = found[one.number]
        same = (one.results, *map(id, said.values()))
        if same not in alike:
            alike[same] = _merged(one.results, said)
        if (text := alike[same]) is not None:
            changed[one.number] = text
    if not changed:
        return 0, 0
    seq = transaction.append(decide_results(changed, providers, act))
    conn.executemany(
        "UPDATE indicator SET enrichment_results = ?, is_enriched = ?, enriched_seq = ? WHERE id = ?",
        [(text, int(bool(outcome(text).succeeded)), seq, number) for number, text in changed.items()],
    )
    verdicts = []
    for one in before:
        if one.number in changed:
            draft = decide_verdict(one, changed[one.number], indicator_uuid(store_id, one.number), act)
            if draft is not None:
                transaction.append(draft)
                verdicts.append(((draft.changes or {})["malice"][1], draft.at, one.number))
    conn.executemany("UPDATE indicator SET malice = ?, updated_at = ? WHERE id = ?", verdicts)
    if verdicts:
        linked = "SELECT DISTINCT alert_id FROM alert_indicator WHERE indicator_id IN (SELECT value FROM json_each(?))"
        refresh_malice(conn, [alert for (alert,) in conn.execute(linked, (json.dumps([number for *_, number in verdicts]),))])
    return len(changed), len(verdicts)


def last_alert(conn: sqlite3.Connection) -> int:
    """The number of the newest alert; 0 where there is none."""
    (number,) = conn.execute("SELECT coalesce(max(id), 0) FROM alert").fetchone()
    return int(number)


def alerts_after(conn: sqlite3.Connection, after: int, limit: int) -> list[int]:
    """The numbers of alerts that are not Enriched, from the one after `after`."""
    sql = "SELECT id FROM alert WHERE id > ? AND enrichment_status <> 'Enriched' ORDER BY id LIMIT ?"
    return [number for (number,) in conn.execute(sql, (after, limit))]


def complete(transaction: Transaction, numbers: Sequence[int], act: Act) -> int:
    """Note how far the enrichment of alerts has come; how many that changed."""
    conn = transaction.conn
    asked = json.dumps(list(numbers))
    linked: dict[int, list[tuple[str, str | None]]] = {}
    sql = (
        "SELECT l.alert_id, i.malice, i.enrichment_results FROM json_each(?) j CROSS JOIN alert_indicator l ON l.alert_id = j.value "
        "CROSS JOIN indicator i ON i.id = l.indicator_id"
    )
    for number, malice, results in conn.execute(sql, (asked,)):
        linked.setdefault(number, []).append((malice, _readable(results)))
    rows = []
    sql = "SELECT id, uuid, enrichment_status, updated_at FROM alert WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"
    for number, uuid, status, updated_at in conn.execute(sql, (asked,)):
        draft = decide_alert(Enriched(number, uuid, status, updated_at, linked.get(number, [])), act)
        if draft is not None:
            transaction.append(draft, number)
            enriched_at = (draft.sets or {}).get("enriched_at")
            rows.append(((draft.changes or {})["enrichment_status"][1], enriched_at, draft.at, number))
    conn.executemany("UPDATE alert SET enrichment_status = ?, enriched_at = coalesce(?, enriched_at), updated_at = ? WHERE id = ?", rows)
    return len(rows)
