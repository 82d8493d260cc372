"""Recurrence as it is kept: the policies among the settings, and what a closed alert suggests to the one that repeats it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from alertstore.domain.alert import Suggestion
from alertstore.domain.dedup import Recurrence, RecurrencePolicy
from alertstore.storage import rows
from alertstore.storage.lists import rule_number

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

USUAL = "recurrence"
"""The setting of the store's policy; that of a rule's own has the rule's uuid after a colon. A value is `INSIDE OUTSIDE`, or empty."""


def rule_uuid(conn: sqlite3.Connection, rule: str) -> str:
    """The uuid of a rule named by it or by the tool's id. Raises `AlertNotFoundError`, `AlertValidationError`."""
    (uuid,) = conn.execute("SELECT uuid FROM detection_rule WHERE id = ?", (rule_number(conn, rule),)).fetchone()
    return str(uuid)


def is_setting(setting: str, value: str) -> bool:
    """Whether a setting is a policy that a store could have written."""
    words = value.split(" ")
    return setting.partition(":")[0] == USUAL and len(words) == 2 and all(word in list(Recurrence) for word in words)  # noqa: PLR2004 - inside, outside


def name(conn: sqlite3.Connection, rule: str | None) -> str:
    """The name of the setting of the store's policy, or of a rule's. Raises as `rule_uuid` does."""
    return USUAL if rule is None else f"{USUAL}:{rule_uuid(conn, rule)}"


def policies(conn: sqlite3.Connection) -> Iterator[tuple[str | None, RecurrencePolicy]]:
    """The policies that were set: (the rule's uuid, or None for the store's; the policy)."""
    sql = "SELECT name, value FROM setting WHERE (name = :usual OR name GLOB :usual || ':*') AND value <> ''"
    for setting, value in conn.execute(sql, {"usual": USUAL}):
        yield setting.partition(":")[2] or None, _recurrence_policy(value)


@rows.told
def _recurrence_policy(value: str) -> RecurrencePolicy:
    inside, outside = value.split(" ")
    return RecurrencePolicy(Recurrence(inside), Recurrence(outside))


def suggestion(conn: sqlite3.Connection, number: int) -> Suggestion | None:
    """The verdict of the alert that an active one (by its number) repeats; None where there is no such verdict (any more)."""
    sql = (
        "SELECT p.id, p.uuid, p.close_classification, p.closed_at FROM alert a JOIN alert p ON p.id = "
        "coalesce((SELECT id FROM alert WHERE uuid = a.predecessor), (SELECT alert_id FROM alias WHERE uuid = a.predecessor)) "
        "WHERE a.id = ? AND a.status <> 'Closed' AND p.status = 'Closed'"
    )
    row = conn.execute(sql, (number,)).fetchone()
    return None if row is None else _suggestion(row, _closed_by(conn, row[0], row[2]))


@rows.told
def _suggestion(row: rows.Row, actor: str | None) -> Suggestion:
    _, uuid, classification, closed_at = row
    return Suggestion(rows.CLASSIFICATION[classification], uuid, rows.moment(closed_at), actor)


@rows.told
def _closed_by(conn: sqlite3.Connection, number: int, classification: str) -> str | None:
    """Who gave a closed alert the classification it has; None where that part of the history was pruned."""
    sql = "SELECT CAST(body AS TEXT) FROM event WHERE alert_id = ? AND kind NOT IN ('alert_deduplicated', 'alert_finding_added') ORDER BY seq DESC"
    for (text,) in conn.execute(sql, (number,)):
        body = json.loads(text)
        if body.get("changes", {}).get("close_classification", (None, None))[1] == classification:
            return str(body["actor"])
    return None
