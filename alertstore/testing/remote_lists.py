"""The list of alerts of the fake remote: filters, order, pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

from alertstore.testing import remote_checks as check
from alertstore.testing import remote_rows as rows
from alertstore.testing.remote_checks import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from alertstore.testing.remote_model import Call, Session
    from alertstore.testing.remote_rows import Row

_SORTS = ("created_at", "occurred_at", "severity", "source_name", "status", "title")


def alerts_listed(session: Session, call: Call, _: str) -> tuple[int, Any, dict[str, Any]]:
    """GET /v1/alerts: status, rows, meta. There is no tie-breaker: what is equal comes in another order every time."""
    problems: list[check.Problem] = []
    query = call.query
    page, size = check.paging(query, problems)
    wanted = _filters(session, query, problems)
    check.refuse(problems)
    by, order = query.get("sort_by"), query.get("sort_order", "desc")
    if by is not None and by not in _SORTS:
        raise Refused(400, "VALIDATION_ERROR", f"Invalid sort_by '{by}'. Must be one of: {list(_SORTS)}")
    if order not in ("asc", "desc"):
        raise Refused(400, "VALIDATION_ERROR", f"Invalid sort_order '{order}'. Must be 'asc' or 'desc'.")
    if "tags" in query:
        raise check.crashed()
    found = [row for row in session.alerts() if all(test(row) for test in wanted)]
    meta = check.page_meta(len(found), page, size)
    salt = session.shuffle()
    found.sort(key=lambda row: crc32(row["uuid"].encode(), salt))
    rank = rows.SEVERITIES.index if by == "severity" else None
    name = by or "occurred_at"
    found.sort(key=lambda row: _rank(row[name], rank), reverse=by is None or order == "desc")
    return 200, [rows.summary(row) for row in found[(page - 1) * size : page * size]], meta


def _rank(value: Any, rank: Callable[[Any], int] | None) -> Any:
    """By what a value sorts; a severity of another vocabulary after all that are known."""
    if rank is None:
        return value
    return rank(value) if value in rows.SEVERITIES else len(rows.SEVERITIES)


def _filters(session: Session, query: Mapping[str, str], problems: list[check.Problem]) -> list[Callable[[Row], bool]]:
    """The tests of a list's rows; a word that is in no vocabulary finds nothing, an empty one is no filter."""
    tests = [_among(name, query[name]) for name in ("status", "severity", "source_name", "enrichment_status") if query.get(name)]
    if "is_enriched" in query:
        flag = check.as_bool(query["is_enriched"], ["query", "is_enriched"], problems)
        tests.append(lambda row: row["is_enriched"] is flag)
    if "detection_rule_uuid" in query:
        uuid = check.same_uuid(query["detection_rule_uuid"], "detection_rule_uuid", problems)
        tests.append(lambda row: row["rule"] is not None and (session.get("rules", row["rule"]) or {}).get("uuid") == uuid)
    first, last = (check.query_time(query, name, problems) for name in ("from_time", "to_time"))
    if first is not None:
        tests.append(lambda row: row["occurred_at"] >= first)
    if last is not None:
        tests.append(lambda row: row["occurred_at"] <= last)
    return tests


def _among(name: str, words: str) -> Callable[[Row], bool]:
    known = frozenset(words.split(","))
    return lambda row: row[name] in known
