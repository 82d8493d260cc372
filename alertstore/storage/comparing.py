"""What two runs reported, read for their comparison: streams of numbers from indexes that hold them, never an alert at a time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from alertstore.domain.comparison import RuleComparison
from alertstore.errors import StoreDamagedError
from alertstore.storage import rows
from alertstore.storage.carry import OF_MANY

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping

    from alertstore.domain.alert import AlertSummary

_NUMBERED = (("id", "alert"), ("alert_id", "occurrence"))
_LISTED = ", ".join(f"a.{name}" for name in rows.SUMMARY.split(", "))


def marks(conn: sqlite3.Connection, sides: Mapping[int, int]) -> bytearray:
    """Which alerts were reported, a byte each at its number: the sides (bits, by the number of an import) that reported it, joined.

    An alert is reported by an import that kept a record of it, or met one again that was kept before.
    """
    low, high = conn.execute("SELECT coalesce(min(seq), 0), coalesce(max(seq), -1) FROM occurrence").fetchone()
    sql = "SELECT coalesce(min(n), 1), coalesce(max(n), 0) FROM ({})"
    ends = " UNION ALL ".join(f"SELECT {end}({name}) AS n FROM {table}" for name, table in _NUMBERED for end in ("min", "max"))
    lowest, highest = conn.execute(sql.format(ends)).fetchone()
    _check_numbers(conn, (low, high), (lowest, highest))
    again, first, last = _met_again(conn, sides, low, high)
    found, side_of = bytearray(highest + 1), sides.get
    # The first condition is left to SQLite, which passes over the rest faster than Python does.
    sql = (
        "SELECT alert_id, import_id, seq FROM occurrence INDEXED BY occurrence_alert "
        "WHERE import_id IN (SELECT value FROM json_each(?)) OR seq BETWEEN ? AND ?"
    )
    for alert, number, seq in conn.execute(sql, (json.dumps(list(sides)), first, last)):
        side = side_of(number, 0)
        found[alert] |= side | again[seq - low] if again else side
    return found


def _check_numbers(conn: sqlite3.Connection, records: tuple[int, int], alerts: tuple[int, int]) -> None:
    """Refuse numbers that no store of this size has, before memory is taken for as many. After a salvage records count from below 1."""
    (low, high), (lowest, highest) = records, alerts
    if lowest < 1:
        raise StoreDamagedError(f"alerts count from 1, and one is numbered {lowest:,}", advice="keep a copy, run verify, restore a backup")
    (pages,), (size,) = conn.execute("PRAGMA page_count").fetchone(), conn.execute("PRAGMA page_size").fetchone()
    if max(high - low, highest) > pages * size:
        message = f"a file of {pages * size:,} bytes holds no alert {highest:,} and no records from {low:,} to {high:,}"
        raise StoreDamagedError(message, advice="keep a copy, run verify, restore a backup")


def _met_again(conn: sqlite3.Connection, sides: Mapping[int, int], low: int, high: int) -> tuple[bytearray, int, int]:
    """Which records, by the numbers of their occurrences from `low` on, were met again, and by which sides; the first and the last.

    Empty where none were.
    """
    again, first, last = bytearray(), high + 1, low - 1
    joined = {side: bytes(mark | side for mark in range(256)) for side in sides.values()}
    for (body,) in conn.execute(f"SELECT CAST(body AS TEXT) FROM event WHERE {OF_MANY} AND kind = 'records_seen' ORDER BY seq"):
        number, ranges = _seen(body)
        if number not in sides:
            continue
        again = again or bytearray(high - low + 1)
        table = joined[sides[number]]
        for start, count in ranges:
            begin, end = max(start, low), min(start + count, high + 1)
            if begin < end:
                again[begin - low : end - low] = again[begin - low : end - low].translate(table)
                first, last = min(first, begin), max(last, end - 1)
    return again, first, last


@rows.told
def _seen(body: str) -> tuple[int, list[tuple[int, int]]]:
    """What an event records_seen says: the import, and the ranges of occurrences."""
    facts = json.loads(body)["facts"]
    return int(facts["import"]), [(int(start), int(count)) for start, count in facts["occurrences"]]


def closed(conn: sqlite3.Connection) -> Iterator[int]:
    """The numbers of the alerts that are Closed."""
    return (number for (number,) in conn.execute("SELECT id FROM alert WHERE status = 'Closed'"))


def repeats(conn: sqlite3.Connection, first: int, last: int) -> Iterator[tuple[int, int]]:
    """(alert, its predecessor), by number, of the alerts from `first` to `last` that have one which is still there."""
    sql = (
        "SELECT a.id, p.id FROM alert a CROSS JOIN alert p ON p.id = "
        "coalesce((SELECT id FROM alert WHERE uuid = a.predecessor), (SELECT alert_id FROM alias WHERE uuid = a.predecessor)) "
        "WHERE a.id BETWEEN ? AND ? AND a.predecessor IS NOT NULL"
    )
    return conn.execute(sql, (first, last))


def by_fingerprint(conn: sqlite3.Connection) -> Iterator[tuple[str, int, int]]:
    """(fingerprint, number, occurred_at) of every alert, in that order."""
    return conn.execute("SELECT fingerprint, id, occurred_at FROM alert INDEXED BY alert_fingerprint ORDER BY fingerprint, occurred_at, id")


def by_rule(conn: sqlite3.Connection) -> Iterator[tuple[int | None, int]]:
    """(number of the rule, number) of every alert."""
    return conn.execute("SELECT detection_rule_id, id FROM alert INDEXED BY alert_rule")


def rules(conn: sqlite3.Connection, counts: Mapping[int | None, tuple[int, int, int, int]]) -> Iterator[RuleComparison]:
    """The counts of rules, with their names."""
    named = {number: names for number, *names in conn.execute("SELECT id, uuid, source_rule_id, name FROM detection_rule")}
    for number, count in counts.items():
        yield _rule(named, number, count)


@rows.told
def _rule(named: Mapping[int, list[str]], number: int | None, count: tuple[int, int, int, int]) -> RuleComparison:
    uuid, rule_id, name = (None, None, None) if number is None else named[number]
    return RuleComparison(uuid, rule_id, name, *count)


def pairs(conn: sqlite3.Connection, numbers: Iterable[tuple[int, int]]) -> list[tuple[AlertSummary, str | None, str | None]]:
    """(alert, uuid and classification of its partner) of alerts given as (number, the partner's number or 0); deleted ones are left out."""
    sql = (
        f"SELECT {_LISTED}, p.uuid, p.close_classification FROM json_each(?) j CROSS JOIN alert a ON a.id = json_extract(j.value, '$[0]') "
        "LEFT JOIN alert p ON p.id = json_extract(j.value, '$[1]') ORDER BY j.key"
    )
    return [(rows.summary(row), row[-2], row[-1]) for row in conn.execute(sql, (json.dumps(list(numbers)),))]
