"""What is left of the history of a damaged store: how far it can be recomputed, which events changed, which are gone."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any

from alertstore.domain.content import alert_content, document_content, finding_content, record_content, refused_content
from alertstore.domain.enrichment import RESULTS
from alertstore.domain.fold import FORGED
from alertstore.domain.identity import commitment
from alertstore.domain.merkle import HASH, Tree, leaf_hash
from alertstore.storage.frontier import pruned_frontier
from alertstore.storage.pages import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alertstore.storage.remains import Remains

_DOCUMENT_KINDS = {"context_document_created", "context_document_updated", "context_document_carried"}


class OldHistory:
    """The events that could be read. `size`, `root`: the beginning that is whole, and its root; `wrong`: the numbers of events
    whose bytes are not those that were hashed when they were written; `lost`: those that are gone; `upto`: the highest number.
    """

    def __init__(self, remains: Remains) -> None:
        """Recompute the tree as far as it goes."""
        self._conn = remains.conn
        tree = Tree(pruned_frontier(self._conn))
        start = tree.size
        sound, frontier, wrong, lost = True, tree.frontier(), list[int](), list[Span]()
        last = start
        for seq, hashes, body in self._conn.execute("SELECT seq, hashes, body FROM event ORDER BY seq"):
            if seq > last + 1:
                lost.append((last + 1, seq - 1))
            sound = sound and seq == tree.size + 1
            if hashes[:HASH] != leaf_hash(body) or (sound and hashes != tree.append(body)):
                wrong.append(seq)
                sound = False
            if sound:
                frontier = tree.frontier()
            last = seq
        self.upto = self._highest(last)
        if self.upto > last or any(end is None for _, end in remains.lost["event"]):
            lost.append((last + 1, self.upto if self.upto > last else None))
        self.size, self.root = frontier.size, frontier.root().hex()
        self.wrong, self.lost = spans(wrong), lost
        self._changed = set(wrong)

    def contradicts(self, table: str, row: Mapping[str, Any]) -> bool:
        """Whether an event, itself unchanged, committed to something else than this row holds."""
        found = self._commits(table, row)
        if found is None:
            return False
        seq, kinds, content = found
        event = self._conn.execute("SELECT kind, salt, hashes, body FROM event WHERE seq = ?", (seq,)).fetchone()
        if event is None or event[0] not in kinds or event[1] is None or event[2][:HASH] != leaf_hash(event[3]):
            return False
        try:
            said = json.loads(event[3])["content"]
            return any(part in said and said[part] != commitment(event[1], part, value) for part, value in content.items())
        except FORGED:
            return False

    def _commits(self, table: str, row: Mapping[str, Any]) -> tuple[int, set[str], Mapping[str, bytes]] | None:
        """The number and kinds of the event that committed to a row, and what it must have committed to."""
        if table == "alert":
            sql = "SELECT max(seq) FROM event WHERE alert_id = ? AND kind IN ('alert_ingested', 'alert_carried')"
            (seq,) = self._conn.execute(sql, (row["id"],)).fetchone()
            text = alert_content(row["title"], row["description"], "", (), "")["text"]
            return None if seq is None else (seq, {"alert_ingested", "alert_carried"}, {"text": text})
        if table == "occurrence":
            return row["seq"], {"alert_ingested", "alert_deduplicated"}, record_content(row["sha256"].hex())
        if table == "finding":
            return row["seq"], {"alert_finding_added"}, finding_content(row, row["evidence"])
        if table == "context_document":
            return row["seq"], _DOCUMENT_KINDS, document_content(row)
        if table == "rejected_record":
            content = refused_content(row["sha256"].hex(), "", row["reason"])
            return row["seq"], {"record_rejected", "record_suppressed"}, {part: content[part] for part in ("record", "reason")}
        if table == "indicator" and row["enriched_seq"] is not None:
            results = row["enrichment_results"].encode()
            return row["enriched_seq"], {"indicators_enriched", "indicator_carried"}, {str(row["id"]): results, RESULTS: results}
        return None

    def name_of(self, alert: int) -> str | None:
        """The uuid that the events give to an alert, by its number."""
        sql = "SELECT body FROM event WHERE alert_id = ? AND kind IN ('alert_ingested', 'alert_carried') ORDER BY seq LIMIT 1"
        found = self._conn.execute(sql, (alert,)).fetchone()
        try:
            return None if found is None else str(json.loads(found[0])["subject"])
        except FORGED:
            return None

    def met_again(self) -> Iterator[tuple[int, list[list[int]]]]:
        """What imports met again, as the events say that are not changed: the import, and the ranges [first occurrence, how many]."""
        for seq, body in self._conn.execute("SELECT seq, body FROM event WHERE kind = 'records_seen' ORDER BY seq"):
            if seq in self._changed:
                continue
            try:
                facts = json.loads(body)["facts"]
                number, ranges = facts["import"], [[first, many] for first, many in facts["occurrences"]]
            except FORGED:
                continue
            if all(type(one) is int and abs(one) <= _MOST for one in (number, *chain.from_iterable(ranges))):
                yield number, ranges

    def _highest(self, last: int) -> int:
        """The highest number of an event that anything mentions."""
        columns = [(table, "seq") for table in _NUMBERED] + [("indicator", "enriched_seq"), ("signed_checkpoint", "size")]
        named = " UNION ALL ".join(f"SELECT max({name}) AS n FROM {table} WHERE {name} <= :most" for table, name in columns)
        (highest,) = self._conn.execute(f"SELECT coalesce(max(n), 0) FROM ({named})", {"most": last + REACH}).fetchone()
        return max(last, int(highest))


_NUMBERED = (
    "occurrence", "finding", "rejected_record", "indicator", "alert_indicator", "context_document", "alias", "foreign_event", "sync_alert",
    "sync_remote",
)  # fmt: skip

_MOST = 1 << 62
"""Larger numbers, in what events say, are no numbers of rows."""

REACH = 1 << 32
"""How far beyond the last event that can be read a mentioned number is believed."""


def spans(numbers: list[int]) -> list[Span]:
    """Ascending numbers as ranges."""
    starts = [number for place, number in enumerate(numbers) if not place or number != numbers[place - 1] + 1]
    ends = [number for place, number in enumerate(numbers) if place + 1 == len(numbers) or numbers[place + 1] != number + 1]
    return list(zip(starts, ends, strict=True))
