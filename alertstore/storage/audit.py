"""Whether the store still is what its history says: every leaf, every node, every row and column, every byte kept."""

from __future__ import annotations

import json
import sqlite3
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from alertstore.domain.carrying import redacted_indicator
from alertstore.domain.content import alert_content, indicators_content, record_content
from alertstore.domain.enrichment import RESULTS
from alertstore.domain.events import canonical
from alertstore.domain.fold import ALERT_COLUMNS, FORGED
from alertstore.domain.identity import indicator_number
from alertstore.domain.merkle import Frontier, Tree
from alertstore.domain.verdict import Problem
from alertstore.storage.asides import KINDS, OF_ALERTS, TABLES, Asides
from alertstore.storage.carry import carried_rows, carried_since
from alertstore.storage.checks import Checks
from alertstore.storage.frontier import pruned_frontier
from alertstore.storage.redaction import LEFT_OVER
from alertstore.storage.tree import MOST_PROBLEMS, misplaced

if TYPE_CHECKING:
    from collections.abc import Mapping

CHUNK = 500

_FIRST = {"alert_ingested", "alert_carried"}
_WITH_CONTENT = {"alert_ingested", "alert_deduplicated", "alert_indicators_added"}
_WITH_RESULTS = {"indicators_enriched", "indicator_carried"}

# The indicators that event e itself named, `type:value`, in no order (sorting a handful is cheaper in Python).
_PAIRS = (
    "(SELECT group_concat(i.type || ':' || i.value, x'0a') FROM alert_indicator l CROSS JOIN indicator i ON i.id = l.indicator_id "
    "WHERE l.alert_id = e.alert_id AND l.seq = e.seq AND l.occurred_at = a.occurred_at)"
)
_REGISTERS = ", ".join(f"a.{name}" for name in ALERT_COLUMNS)
_EVENTS = (
    "SELECT e.seq, e.at, e.kind, e.alert_id, e.salt, e.hashes, e.body, o.alert_id, o.import_id, o.record, o.source_name, o.occurred_at, "
    f"o.sha256, o.raw, a.title, a.description, a.fingerprint, CASE WHEN a.id IS NOT NULL THEN {_PAIRS} END, {_REGISTERS} FROM event e "
    "LEFT JOIN occurrence o ON o.seq = e.seq LEFT JOIN alert a ON a.id = e.alert_id AND e.kind IN ('alert_ingested', 'alert_indicators_added') "
    "ORDER BY e.seq"
)


class Audit(Checks):
    """One pass over the history, then one over each table.

    An alert whose row is what its first event says is settled there and then: nothing more can have happened to it, or its
    row would say so. Only the others are held to the end, so memory goes with the edits of a store, not with its alerts.
    """

    def __init__(self, conn: sqlite3.Connection, problems: list[Problem]) -> None:
        """Collect into `problems`."""
        super().__init__(conn, problems)
        self.links = 0
        self.settled = 0
        self.asides = Asides(conn, problems)
        self.enriched = 0
        self.unbacked: dict[int, int] = {}
        self.erased: list[tuple[int, int, str]] = []  # (alert, event, part): what only a later redaction explains

    def run(self) -> Frontier:
        """Check everything; give back the edge of the tree that the stored bodies come to."""
        tree = Tree(Frontier())
        try:
            tree = Tree(pruned_frontier(self.conn))
            self._run(tree)
        except sqlite3.DatabaseError as fault:
            self.problems.append(Problem("damage", "the file", "rows that can be read", str(fault)))
        return tree.frontier()

    def _run(self, tree: Tree) -> None:
        self.base = carried_since(self.conn)
        for seq, part, salt in self.conn.execute("SELECT seq, part, salt FROM part_salt"):
            self.part_salts.setdefault(seq, {})[part] = salt
        append, check, problems = tree.append, self._event, self.problems
        for seq, at, kind, alert, salt, hashes, body, *rest in self.conn.execute(_EVENTS):
            if seq != tree.size + 1 or hashes != append(body):
                problems += misplaced(tree, seq, hashes, body)
            try:
                check(seq, at, kind, alert, salt, body, rest)
            except FORGED as fault:
                problems.append(Problem("event", f"event {seq}", "an event that a store could have written", repr(fault)))
            if len(problems) > MOST_PROBLEMS:
                return
        for table_check in (self._unexplained, self._erased, self._alerts, self._beside_alerts, *self.tables()):
            try:
                table_check()
            except FORGED as fault:
                self.problems.append(Problem("event", "the history", "events that a store could have written", repr(fault)))

    def _event(self, seq: int, at: int, kind: str, alert: int | None, salt: bytes | None, body: bytes, rest: list[Any]) -> None:
        """Fold one event, and hold its columns, and the content that stands beside it, against its body."""
        said, _ = _decode(body.decode())
        if canonical(said) != body:  # spelled in another way, two readers could see two events in it
            self.problems.append(Problem("event", f"event {seq}", "a body of canonical JSON", "another spelling"))
        if (said["seq"], said["at"], said["kind"]) != (seq, at, kind):
            self.problems.append(Problem("event", f"event {seq}", [seq, at, kind], [said["seq"], said["at"], said["kind"]]))
        if (alert is None) is kind.startswith("alert_") or (salt is not None and "content" not in said):
            self.problems.append(Problem("event", f"event {seq}", "an alert, and a salt, where its kind has them", [alert, salt]))
        if seq < self.base:  # the carried state says what all of this came to
            return
        if kind in KINDS or "origin" in said:
            self.asides.event(seq, kind, said, alert)
        if alert is not None and alert not in self.fold.alerts and kind not in _FIRST:
            if kind in OF_ALERTS:
                self._lend(seq, kind, said, alert)
                return
            self._take_up(alert)
        self.fold.add(seq, kind, said, alert, salt)
        if kind in _WITH_RESULTS:
            self._results(seq, said, salt)
        elif alert is not None and kind in _WITH_CONTENT:
            self._content(seq, kind, said, alert, salt, rest)
        elif alert is not None and kind == "alert_carried":
            self._carried(seq, said, alert, salt)

    def _content(self, seq: int, kind: str, said: Mapping[str, Any], alert: int, salt: bytes | None, rest: list[Any]) -> None:
        """Hold the record, and the alert's content, that came with an event against it."""
        (owner, import_id, record, source, occurred, digest, raw, title, text, print_, pairs, *registers) = rest
        if kind != "alert_indicators_added":
            facts = said["facts"]
            state = self.fold.alerts.get(alert)
            place = (owner, import_id, record, occurred, source)
            if place != (alert, facts.get("import"), facts.get("record"), facts["occurred_at"], state[1] if state else source):
                self.problems.append(Problem("row", f"occurrence {seq}", {"alert": alert, **facts}, place))
                return
            if raw is not None or not facts.get("withheld"):
                self._raw(alert, seq, digest, raw)
            if kind == "alert_deduplicated":
                self.committed(seq, said["content"], salt, record_content(digest.hex()))
                return
        if title is None or (salt is None and pairs is None):
            if kind == "alert_ingested":  # its text is gone with it; its record is not
                self.committed(seq, {"record": said["content"]["record"]}, salt, record_content(digest.hex()))
            if title is None:
                self.unbacked[alert] = seq
            else:
                self.erased.append((alert, seq, "content"))
            if kind == "alert_indicators_added" or title is not None:
                self.forgotten(seq, salt, ("indicators", "text"))
        else:
            listed = sorted(pairs.split("\n")) if pairs is not None else []
            self.links += len(listed)
            if kind == "alert_indicators_added":
                self.committed(seq, said["content"], salt, indicators_content(listed))
                return
            self.committed(seq, said["content"], salt, alert_content(title, text, print_, listed, digest.hex()))
        if kind == "alert_ingested" and state is not None and self.fold.row(state) == registers:
            del self.fold.alerts[alert]
            self.settled += 1

    def _raw(self, alert: int, seq: int, digest: bytes, raw: bytes | None) -> None:
        if raw is None:
            self.erased.append((alert, seq, "record"))
        elif sha256(raw).digest() != digest:
            self.problems.append(Problem("content", f"occurrence {seq}: raw", digest.hex(), sha256(raw).hexdigest()))

    def _carried(self, seq: int, said: Mapping[str, Any], alert: int, salt: bytes | None) -> None:
        """Hold everything that an alert had when its state was carried against what that event commits to."""
        held = carried_rows(self.conn, alert, self.base)
        withheld = said["facts"].get("withheld", ())
        for occurrence, digest, raw in held.raws:
            if raw is not None or occurrence not in withheld:
                self._raw(alert, occurrence, digest, raw)
        commits, content = dict(said["content"]), held.content()
        self.links += len(held.links)
        for part in ("text", "indicators", "findings"):
            if part in commits and part not in content and (held.alert is None or salt is None):
                commits.pop(part)
                if held.alert is None:
                    self.unbacked[alert] = seq
                else:
                    self.erased.append((alert, seq, "findings" if part == "findings" else "content"))
                    self.forgotten(seq, salt, (part,))
        self.committed(seq, commits, salt, content)

    def _results(self, seq: int, said: Mapping[str, Any], salt: bytes | None) -> None:
        """Hold the results of indicators against the newest event that has them; of one that was redacted none has them any more."""
        content = said.get("content", {})
        if said["kind"] == "indicators_enriched":
            commits = {int(part): (part, digest) for part, digest in said["content"].items()}
        else:
            number = indicator_number(str(self.fold.settings.get("store_id")), said["subject"])
            commits = {-1 if number is None else number: (RESULTS, content[RESULTS])} if RESULTS in content else {}
        sql = "SELECT id, value, enriched_seq, enrichment_results FROM indicator WHERE id IN (SELECT value FROM json_each(?))"
        for number, value, newest, results in self.conn.execute(sql, (json.dumps(list(commits)),)).fetchall():
            part, digest = commits.pop(number)
            if newest == seq and results is not None:
                self.enriched += 1
                self.opened(seq, part, digest, salt, results.encode())
            elif newest is None and value == redacted_indicator(number):
                self.forgotten(seq, salt, (part,))
            elif newest is None or newest <= seq:
                self.problems.append(Problem("row", f"indicator number {number}: enriched_seq", seq, newest))
        self.problems += [Problem("row", f"indicator number {number}", "a row", "no such indicator") for number in commits]

    def _take_up(self, alert: int) -> None:
        """Hold an alert that was settled after all: a later event names it."""
        row = self.conn.execute(f"SELECT {_REGISTERS} FROM alert a WHERE a.id = ?", (alert,)).fetchone()
        if row is not None:
            self.fold.alerts[alert] = self.fold.state(row)
            self.settled -= 1

    def _lend(self, seq: int, kind: str, said: Mapping[str, Any], alert: int) -> None:
        """Fold an event beside an alert that is settled, and stays so: all that is asked of it is its name."""
        row = self.conn.execute("SELECT uuid FROM alert WHERE id = ?", (alert,)).fetchone()
        if row is not None:
            self.fold.alerts[alert] = list(row)
        self.fold.add(seq, kind, said, alert, None)
        self.fold.alerts.pop(alert, None)

    def _unexplained(self) -> None:
        """What is gone, and why: its alert was deleted, or it was redacted."""
        for alert, seq in self.unbacked.items():
            if alert not in self.fold.deleted:
                self.problems.append(Problem("content", f"event {seq}", "the content of its alert", "no such row"))
        for alert, seq, part in self.erased:
            if not self.is_redacted(alert, part, seq):
                self.problems.append(Problem("content", f"event {seq}: {part}", "the bytes it commits to", "nothing"))

    def _erased(self) -> None:
        """What was redacted is not there any more."""
        for alert, parts in self.fold.redacted.items():
            for part, seq in parts.items():
                for (what,) in self.conn.execute(LEFT_OVER[part], {"alert": alert, "seq": seq}):
                    self.problems.append(Problem("content", f"event {seq}", f"no {part} of alert number {alert} from before it", what))

    def _alerts(self) -> None:
        left = dict(self.fold.alerts)
        held = list(left)
        for k in range(0, len(held), CHUNK):
            sql = f"SELECT a.id, {_REGISTERS} FROM alert a WHERE a.id IN (SELECT value FROM json_each(?))"
            for number, *found in self.conn.execute(sql, (json.dumps(held[k : k + CHUNK]),)):
                expected = self.fold.row(left.pop(number))
                if found != expected:
                    where = f"alert {expected[0]}"
                    self.compare(where, dict(zip(ALERT_COLUMNS, expected, strict=True)), dict(zip(ALERT_COLUMNS, found, strict=True)))
        self.problems += [Problem("row", f"alert {state[0]}", "a row", "no such alert") for state in left.values()]
        self.count("alert", self.settled + len(held) - len(left))
        self.same("deleted_alert", self.fold.deleted, dict(self.conn.execute("SELECT id, uuid FROM deleted_alert")))
        # A deleted alert's links are gone; its first event can no longer be read against them.
        self.count("alert_indicator", self.links)
        self.count("occurrence", self.fold.records)

    def _beside_alerts(self) -> None:
        """No row of sync without an event, and no alias that is an alert's own name."""
        for table in TABLES:
            self.count(table, self.asides.rows[table])
        (found,) = self.conn.execute(
            "SELECT count(*) FROM indicator WHERE coalesce(enriched_seq, enrichment_results) IS NOT NULL"
        ).fetchone()
        self.same("indicator: rows with results", self.enriched, found)
        sql = "SELECT uuid FROM alias CROSS JOIN alert USING (uuid) UNION ALL SELECT uuid FROM alias CROSS JOIN deleted_alert USING (uuid)"
        for (uuid,) in self.conn.execute(sql):
            self.problems.append(Problem("row", f"alias {uuid}", "no uuid of an alert's own", "one"))


_decode = json.JSONDecoder().raw_decode  # what json.loads does, without its guess at the encoding
