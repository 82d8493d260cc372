"""Lists of alerts: filters become SQL with bound values; pages go on by key, not by offset."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from alertstore.domain.query import ORDERS, Order, Page, read_cursor, write_cursor
from alertstore.domain.vocabulary import Severity
from alertstore.errors import AlertNotFoundError, AlertValidationError, FieldProblem
from alertstore.storage import rows, search

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from alertstore.domain.alert import AlertSummary
    from alertstore.domain.changes import AlertState
    from alertstore.domain.query import AlertFilter

_SEVERITY_RANK = "CASE a.severity " + " ".join(f"WHEN '{s.value}' THEN {s.rank}" for s in Severity) + " END"
_COLUMNS = {name: f"a.{name}" for name in ORDERS} | {"severity": _SEVERITY_RANK}
_LISTED = ", ".join(f"a.{name}" for name in rows.SUMMARY.split(", "))


MOST_BOUND = 500
"""Values of one filter that are bound one by one."""


class Where:
    """A WHERE clause being put together: parts joined by AND, with the values they bind."""

    def __init__(self) -> None:
        """Start with no condition."""
        self.parts: list[str] = []
        self.values: list[Any] = []

    def add(self, part: str, *values: Any) -> None:
        """Add one condition."""
        self.parts.append(part)
        self.values += values

    def any_of(self, column: str, values: tuple[Any, ...]) -> None:
        """Add "column is one of", where any are given; very many come as one value, since a statement may bind only so many."""
        if len(values) > MOST_BOUND:
            self.add(f"{column} IN (SELECT value FROM json_each(?))", json.dumps(values))
        elif values:
            self.add(f"{column} IN ({','.join('?' * len(values))})", *values)

    @property
    def sql(self) -> str:
        """The clause's text."""
        return " AND ".join(self.parts) or "1"


def where(conn: sqlite3.Connection, wanted: AlertFilter) -> Where:
    """The clause for a filter, over `alert a`."""
    clause = Where()
    # Status alone selects most of a store: walking the time index is cheaper than sorting what an index on status gives.
    clause.any_of("a.status" if wanted.severity else "+a.status", wanted.status)
    clause.any_of("a.severity" if wanted.status else "+a.severity", wanted.severity)
    clause.any_of("a.source_name", wanted.source)
    clause.any_of("a.malice", wanted.malice)
    clause.any_of("a.close_classification", wanted.classification)
    clause.any_of("a.enrichment_status", wanted.enrichment)
    clause.any_of("a.uuid", wanted.uuid)
    if wanted.rule:
        clause.any_of("a.detection_rule_id", tuple(rule_number(conn, rule) for rule in wanted.rule))
    for tag in wanted.tag:
        clause.add("EXISTS (SELECT 1 FROM json_each(a.tags) WHERE value = ?)", tag)
    if wanted.indicator:
        numbers = json.dumps(_indicator_numbers(conn, wanted.indicator))
        clause.add("a.id IN (SELECT alert_id FROM alert_indicator WHERE indicator_id IN (SELECT value FROM json_each(?)))", numbers)
    if wanted.start is not None:
        clause.add("a.occurred_at >= ?", wanted.start)
    if wanted.end is not None:
        clause.add("a.occurred_at < ?", wanted.end)
    return clause


def rule_number(conn: sqlite3.Connection, rule: str) -> int:
    """The number of a detection rule named by its uuid or by the tool's id.

    Raises `AlertNotFoundError`, and `AlertValidationError` where two sources have a rule of that id.
    """
    found = conn.execute(
        "SELECT id, source_name FROM detection_rule WHERE uuid = :rule OR source_rule_id = :rule", {"rule": rule}
    ).fetchall()
    if not found:
        raise AlertNotFoundError(f"no detection rule {rule!r} in this store", advice="rules() lists those there are")
    if len(found) > 1:
        sources = ", ".join(str(source) for _, source in found)
        raise AlertValidationError([FieldProblem("rule", f"is ambiguous, {sources} each have one; name it by its uuid", rule)])
    return int(found[0][0])


def _indicator_numbers(conn: sqlite3.Connection, wanted: tuple[str, ...]) -> list[int]:
    """The numbers of indicators given as a value or as `type:value`."""
    numbers: list[int] = []
    for given in wanted:
        kind, _, value = given.partition(":")
        sql = (
            "SELECT id FROM indicator WHERE type = :kind AND value IN (:value, lower(:value)) UNION SELECT id FROM indicator "
            "WHERE type IN ('ip', 'domain', 'hash_md5', 'hash_sha1', 'hash_sha256', 'url', 'email', 'account') AND value IN (:given, lower(:given))"
        )
        numbers += [number for (number,) in conn.execute(sql, {"given": given, "kind": kind, "value": value})]
    return numbers


def page(conn: sqlite3.Connection, wanted: AlertFilter, order: Order, limit: int, after: str | None, offset: int) -> Page[AlertSummary]:
    """One page of the alerts that pass a filter; `offset` of them are passed over first."""
    clause, column = where(conn, wanted), _COLUMNS[order.column]
    direction, beyond = ("DESC", "<") if order.descending else ("ASC", ">")
    if after is not None:
        clause.add(f"({column}, a.id) {beyond} (?, ?)", *read_cursor(order, after))
    ordered = f"ORDER BY {column} {direction}, a.id {direction} LIMIT ?"
    skipping = "" if not offset else f" OFFSET {offset:d}"
    if wanted.text is not None:
        words = search.query(wanted.text)
        if words is None:
            return Page((), None)
        hits = f"SELECT a.id FROM search s CROSS JOIN alert a ON a.id = s.rowid WHERE search MATCH ? AND {clause.sql} {ordered}{skipping}"
        sql = f"SELECT {_LISTED}, {column} FROM alert a WHERE a.id IN ({hits}) {ordered}"
        values = [words, *clause.values, limit + 1, limit + 1]
    else:
        sql = f"SELECT {_LISTED}, {column} FROM alert a WHERE {clause.sql} {ordered}{skipping}"
        values = [*clause.values, limit + 1]
    found = conn.execute(sql, values).fetchall()
    more = len(found) > limit
    del found[limit:]
    token = write_cursor(order, found[-1][-1], found[-1][0]) if more else None
    return Page(tuple(rows.summary(row) for row in found), token)


def _matching(conn: sqlite3.Connection, wanted: AlertFilter) -> tuple[str, list[Any]] | None:
    """FROM and WHERE of the alerts that pass a filter, with their values; None where none can."""
    clause = where(conn, wanted)
    if wanted.text is None:
        return f"FROM alert a WHERE {clause.sql}", clause.values
    words = search.query(wanted.text)
    if words is None:
        return None
    return f"FROM search s CROSS JOIN alert a ON a.id = s.rowid WHERE search MATCH ? AND {clause.sql}", [words, *clause.values]


def count(conn: sqlite3.Connection, wanted: AlertFilter) -> int:
    """How many alerts pass a filter."""
    found = _matching(conn, wanted)
    return int(conn.execute(f"SELECT count(*) {found[0]}", found[1]).fetchone()[0]) if found else 0


def states(conn: sqlite3.Connection, wanted: AlertFilter) -> Iterator[tuple[int, AlertState]]:
    """(number, state) of each alert that passes a filter, in order of number, read as they are asked for."""
    found = _matching(conn, wanted)
    columns = ", ".join(f"a.{name}" for name in rows.STATE.split(", "))
    return map(rows.state, conn.execute(f"SELECT {columns} {found[0]} ORDER BY a.id", found[1])) if found else iter(())


def find_uuids(conn: sqlite3.Connection, ending: str, limit: int) -> list[str]:
    """The uuids of alerts that end in some characters, in order: one walk through the index of uuids."""
    sql = "SELECT uuid FROM alert WHERE substr(uuid, -length(:ending)) = :ending ORDER BY uuid LIMIT :limit"
    return [uuid for (uuid,) in conn.execute(sql, {"ending": ending, "limit": limit})]
