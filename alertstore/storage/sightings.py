"""Where else the indicators of an alert were seen: in how many other alerts, since when, and what became of those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from alertstore.storage import rows

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping
    from datetime import datetime

    from alertstore.domain.alert import Indicator

LOOKED_AT = 10_000
"""Of how many other alerts, the newest, status, verdict and source are looked up for one indicator."""


@frozen
class ListHit:
    """An entry of a list that speaks of an indicator: the list, its version (SHA-256 of the file, hex), the line, its verdict.

    `match` says how: "exact", or by a "suffix", "network", "substring" or "regex", which is `value`. `of` is the host or domain
    within the indicator that was found, where that is not the indicator itself; `note` is what the entry says of itself.
    """

    list: str
    version: str
    line: int
    malice: str
    match: str
    value: str | None = None
    of: str | None = None
    note: str | None = None


@frozen
class Sighting:
    """One indicator of an alert, and where else it was seen.

    `others` counts all other alerts that have it. Of the `looked_at` newest of them (by occurred_at; all, unless there are very
    many) it says how many are `active`, with which verdicts the rest were `closed` (most frequent first), and their `sources`.
    `hits` are what the lists said when it was enriched, the worst first; `more_hits` counts those that are not named.
    """

    indicator: Indicator
    others: int
    looked_at: int
    active: int
    closed: Mapping[str, int]
    sources: tuple[str, ...]
    hits: tuple[ListHit, ...]
    more_hits: int

    @property
    def first_seen(self) -> datetime:
        """When the first alert that has it occurred, this one included."""
        return self.indicator.first_seen

    @property
    def last_seen(self) -> datetime:
        """When the last alert that has it occurred, this one included."""
        return self.indicator.last_seen


# An indicator may be in every alert there is. Its alerts are counted, and the first and last of them found, in the index indicator_seen
# alone; alerts themselves, which lie anywhere in the file, are only read up to LOOKED_AT, the newest by that index.
_MINE = (
    f"SELECT {rows.INDICATOR}, (SELECT count(*) FROM alert_indicator l WHERE l.indicator_id = i.id) - 1 "
    "FROM (SELECT indicator_id FROM alert_indicator WHERE alert_id = ? ORDER BY indicator_id LIMIT ?) m "
    "CROSS JOIN indicator i ON i.id = m.indicator_id"
)
_OTHERS = (
    "SELECT a.status, a.close_classification, a.source_name, count(*) FROM (SELECT alert_id FROM alert_indicator "
    "WHERE indicator_id = ? AND alert_id <> ? ORDER BY occurred_at DESC, alert_id DESC LIMIT ?) l "
    "CROSS JOIN alert a ON a.id = l.alert_id GROUP BY 1, 2, 3"
)


def sightings(conn: sqlite3.Connection, alert: int, limit: int, store_id: str) -> list[Sighting]:
    """Of each indicator of an alert (by its number), in the order in which `get` has them, where else it was seen."""
    found = []
    for *mine, others in conn.execute(_MINE, (alert, limit)):
        indicator = rows.indicator(tuple(mine), store_id)
        active, looked_at, closed, sources = 0, 0, dict[str, int](), set[str]()
        for status, classification, source, count in conn.execute(_OTHERS, (mine[0], alert, LOOKED_AT)) if others else ():
            looked_at += count
            sources.add(source)
            if status == "Closed":
                closed[classification] = closed.get(classification, 0) + count
            else:
                active += count
        ranked = dict(sorted(closed.items(), key=lambda one: (-one[1], one[0])))
        hits, more = _hits(indicator.enrichment_results or {})
        found.append(Sighting(indicator, others, looked_at, active, ranked, tuple(sorted(sources)), hits, more))
    return found


@rows.told
def _hits(results: Mapping[str, Any]) -> tuple[tuple[ListHit, ...], int]:
    """What the lists said, and how many hits more they had."""
    said = results["lists"]["extracted"] if "lists" in results else None
    return (tuple(ListHit(**hit) for hit in said["hits"]), said.get("more_hits", 0)) if said else ((), 0)
