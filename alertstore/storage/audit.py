"""Whether the store still is what its history says: every leaf, every node, every row and column, every byte kept."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from alertstore.domain.content import (
    alert_content,
    document_content,
    finding_content,
    indicators_content,
    record_content,
    refused_content,
)
from alertstore.domain.fold import ALERT_COLUMNS, FORGED, Committed, Fold, Problem
from alertstore.domain.identity import commitment, indicator_uuid
from alertstore.domain.merkle import Frontier, Tree
from alertstore.storage import schema
from alertstore.storage.tree import MOST_PROBLEMS, misplaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

CHUNK = 500


_WITH_CONTENT = {"alert_ingested", "alert_deduplicated", "alert_indicators_added"}

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


class Audit:
    """One pass over the history, then one over each table.

    An alert whose row is what its first event says is settled there and then: nothing more can have happened to it, or its
    row would say so. Only the others are held to the end, so memory goes with the edits of a store, not with its alerts.
    """

    def __init__(self, conn: sqlite3.Connection, problems: list[Problem]) -> None:
        """Collect into `problems`."""
        self.conn = conn
        self.problems = problems
        self.fold = Fold()
        self.fold.problems = problems
        self.links = 0
        self.settled = 0
        self.unbacked: dict[int, int] = {}

    def run(self) -> Frontier:
        """Check everything; give back the edge of the tree that the stored bodies come to."""
        tree = Tree(Frontier())
        try:
            self._run(tree)
        except sqlite3.DatabaseError as fault:
            self.problems.append(Problem("damage", "the file", "rows that can be read", str(fault)))
        return tree.frontier()

    def _run(self, tree: Tree) -> None:
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
        for alert, seq in self.unbacked.items():
            if alert not in self.fold.deleted:
                self.problems.append(Problem("content", f"event {seq}", "the content of its alert", "no such row"))
        for table_check in (
            self._alerts,
            self._indicators,
            self._malice,
            self._findings,
            self._documents,
            self._tables,
            self._rejected,
            self._schema,
        ):
            try:
                table_check()
            except FORGED as fault:
                self.problems.append(Problem("event", "the history", "events that a store could have written", repr(fault)))

    def _event(self, seq: int, at: int, kind: str, alert: int | None, salt: bytes | None, body: bytes, rest: list[Any]) -> None:
        """Fold one event, and hold its columns, and the content that stands beside it, against its body."""
        text = body.decode()
        said, end = _decode(text)
        if end != len(text) or (said["seq"], said["at"], said["kind"]) != (seq, at, kind):
            self.problems.append(Problem("event", f"event {seq}", [seq, at, kind], [said["seq"], said["at"], said["kind"], text[end:]]))
        if (alert is None) is kind.startswith("alert_") or (salt is not None and "content" not in said):
            self.problems.append(Problem("event", f"event {seq}", "an alert, and a salt, where its kind has them", [alert, salt]))
        if alert is not None and alert not in self.fold.alerts and kind != "alert_ingested":
            self._take_up(alert)
        self.fold.add(seq, kind, said, alert, salt)
        if alert is not None and kind in _WITH_CONTENT:
            self._content(seq, kind, said, alert, salt, rest)

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
            if raw is None or sha256(raw).digest() != digest:
                self.problems.append(Problem("content", f"occurrence {seq}: raw", digest.hex(), raw and sha256(raw).hexdigest()))
            if kind == "alert_deduplicated":
                self._committed(seq, said["content"], salt, record_content(digest.hex()))
                return
        if title is None:
            if kind == "alert_ingested":  # its text is gone with it; its record is not
                self._committed(seq, {"record": said["content"]["record"]}, salt, record_content(digest.hex()))
            self.unbacked[alert] = seq
            if kind == "alert_indicators_added" and salt is not None:
                self.problems.append(Problem("event", f"event {seq}: salt", None, salt.hex()))
            return
        listed = sorted(pairs.split("\n")) if pairs is not None else []
        self.links += len(listed)
        if kind == "alert_indicators_added":
            self._committed(seq, said["content"], salt, indicators_content(listed))
            return
        self._committed(seq, said["content"], salt, alert_content(title, text, print_, listed, digest.hex()))
        if state is not None and self.fold.row(state) == registers:
            del self.fold.alerts[alert]
            self.settled += 1

    def _take_up(self, alert: int) -> None:
        """Hold an alert that was settled after all: a later event names it."""
        row = self.conn.execute(f"SELECT {_REGISTERS} FROM alert a WHERE a.id = ?", (alert,)).fetchone()
        if row is not None:
            self.fold.alerts[alert] = self.fold.state(row)
            self.settled -= 1

    def _committed(self, seq: int, commits: Mapping[str, str], salt: bytes | None, content: Mapping[str, bytes]) -> None:
        """Hold content against what its event commits to."""
        if salt is None or commits.keys() != content.keys():
            self.problems.append(Problem("content", f"event {seq}", sorted(commits), sorted(content) if salt else "no salt"))
            return
        for part, value in content.items():
            if commitment(salt, part, value) != commits[part]:
                self.problems.append(Problem("content", f"event {seq}: {part}", commits[part], "what was not committed to"))

    def _compare(self, where: str, expected: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        for name in expected.keys() | found.keys():
            if expected.get(name) != found.get(name):
                self.problems.append(Problem("row", f"{where}: {name}", expected.get(name), found.get(name)))

    def _rows(self, sql: str) -> Iterator[dict[str, Any]]:
        cursor = self.conn.execute(sql)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))

    def _alerts(self) -> None:
        left = dict(self.fold.alerts)
        held = list(left)
        for k in range(0, len(held), CHUNK):
            sql = f"SELECT a.id, {_REGISTERS} FROM alert a WHERE a.id IN (SELECT value FROM json_each(?))"
            for number, *found in self.conn.execute(sql, (json.dumps(held[k : k + CHUNK]),)):
                expected = self.fold.row(left.pop(number))
                if found != expected:
                    where = f"alert {expected[0]}"
                    self._compare(where, dict(zip(ALERT_COLUMNS, expected, strict=True)), dict(zip(ALERT_COLUMNS, found, strict=True)))
        self.problems += [Problem("row", f"alert {state[0]}", "a row", "no such alert") for state in left.values()]
        self._count("alert", self.settled + len(held) - len(left))
        self._same("deleted_alert", self.fold.deleted, dict(self.conn.execute("SELECT id, uuid FROM deleted_alert")))
        # A deleted alert's links are gone; its first event can no longer be read against them.
        self._count("alert_indicator", self.links)
        self._count("occurrence", self.fold.records)

    def _count(self, table: str, expected: int) -> None:
        (found,) = self.conn.execute(f"SELECT count(*) FROM {table}").fetchone()
        if found != expected:
            self.problems.append(Problem("row", table, f"{expected} rows", f"{found} rows"))

    def _same(self, table: str, expected: object, found: object) -> None:
        if expected != found:
            self.problems.append(Problem("row", table, expected, found))

    def _indicators(self) -> None:
        """Their numbers and times follow from the alerts that have them; their verdicts stand in events."""
        store_id = str(self.fold.settings.get("store_id"))
        gone = "SELECT id FROM deleted_alert"
        sql = (
            "SELECT i.type || ':' || i.value, json_array(i.seq, i.created_at), json_array(s.seq, e.at) FROM indicator i "
            "LEFT JOIN event e ON e.seq = i.seq LEFT JOIN (SELECT indicator_id AS id, min(seq) AS seq FROM alert_indicator GROUP BY 1) s "
            "USING (id) WHERE i.created_at IS NOT e.at OR i.seq > s.seq "
            f"OR (i.seq IS NOT s.seq AND (e.alert_id IS NULL OR e.alert_id NOT IN ({gone})))"
        )
        for name, found, expected in self.conn.execute(sql):
            self.problems.append(Problem("row", f"indicator {name}: seq, created_at", expected, found))
        order = (
            "SELECT pair, id FROM (SELECT id, seq, type || ':' || value AS pair, lag(seq) OVER w AS seq_before, lag(type || ':' || value) OVER w "
            "AS pair_before, row_number() OVER w AS number FROM indicator WINDOW w AS (ORDER BY id)) "
            "WHERE (seq, pair) < (seq_before, pair_before) OR id <> number"
        )
        for pair, number in self.conn.execute(order):
            self.problems.append(Problem("row", f"indicator {pair}: id", "numbers in the order of events, without gaps", number))
        verdicts = self.fold.verdicts
        for row in self._rows(
            "SELECT id, type, value, malice, malice_source, malice_overridden_at, updated_at, is_enriched, enrichment_results FROM indicator "
            "WHERE malice <> 'Pending' OR malice_source <> 'enrichment' OR malice_overridden_at IS NOT NULL OR updated_at <> created_at "
            "OR is_enriched OR enrichment_results IS NOT NULL"
        ):
            verdict = verdicts.pop(indicator_uuid(store_id, row["id"]), None)
            where = f"indicator {row['type']}:{row['value']}"
            if verdict is None:
                self.problems.append(Problem("row", where, "as it was created", row))
            else:
                pair = f"{row['type']}:{row['value']}"
                for known in self.fold.judged[indicator_uuid(store_id, row["id"])]:
                    self._committed(known.body["seq"], known.body["content"], known.salt, indicators_content([pair]))
                self._compare(
                    where, {**verdict, "is_enriched": 0}, {name: row[name] for name in (*verdict, "is_enriched", "enrichment_results")}
                )
        unmet = [uuid for uuid, said in verdicts.items() if said["malice"] != "Pending" or said["malice_overridden_at"] is not None]
        self.problems += [Problem("row", f"indicator {uuid}", verdicts[uuid], "no such verdict") for uuid in unmet]

    def _malice(self) -> None:
        worst = (
            "coalesce(a.malice_override, CASE (SELECT max(CASE i.malice WHEN 'Malicious' THEN 3 WHEN 'Suspicious' THEN 2 WHEN 'Benign' THEN 1 "
            "ELSE 0 END) FROM alert_indicator l JOIN indicator i ON i.id = l.indicator_id WHERE l.alert_id = a.id) "
            "WHEN 3 THEN 'Malicious' WHEN 2 THEN 'Suspicious' WHEN 1 THEN 'Benign' ELSE 'Pending' END)"
        )
        judged = self.conn.execute("SELECT 1 FROM indicator WHERE malice <> 'Pending' LIMIT 1").fetchone()
        expected = worst if judged else "coalesce(a.malice_override, 'Pending')"
        for uuid, should, found in self.conn.execute(f"SELECT a.uuid, {expected}, a.malice FROM alert a WHERE a.malice <> {expected}"):
            self.problems.append(Problem("row", f"alert {uuid}: malice", should, found))

    def _findings(self) -> None:
        for row in self._rows("SELECT * FROM finding ORDER BY seq"):
            known = self.fold.findings.pop(row["seq"], None)
            if known is None:
                self.problems.append(Problem("row", f"finding {row['uuid']}", "no such finding", "a row"))
                continue
            self._committed(row["seq"], known.body["content"], known.salt, finding_content(row, row["evidence"]))
            place = {"uuid": known.body["facts"]["finding"], "alert_id": known.alert, "posted_at": known.body["at"]}
            self._compare(f"finding {row['uuid']}", place, {name: row[name] for name in place})
        self.problems += [Problem("row", f"finding of event {seq}", "a row", "no such finding") for seq in self.fold.findings]

    def _documents(self) -> None:
        left = self.fold.documents
        for row in self._rows("SELECT * FROM context_document"):
            known = left.pop(row["uuid"], None)
            if known is None:
                self.problems.append(Problem("row", f"document {row['uuid']}", "no such document", "a row"))
                continue
            self._committed(row["seq"], known.body["content"], known.salt, document_content(row))
            self._compare(f"document {row['uuid']}", self._document(known), {name: row[name] for name in self._document(known)})
        self.problems += [Problem("row", f"document {uuid}", "a row", "no such document") for uuid in left]

    def _document(self, known: Committed) -> dict[str, Any]:
        facts, uuid = known.body["facts"], known.body["subject"]
        rules = facts["targeting_rules"]
        return {
            "document_type": facts["document_type"],
            "is_global": int(facts["is_global"]),
            "tags": _dump(facts["tags"]),
            "version": facts["version"],
            "targeting_rules": None if rules is None else _dump(rules),
            "updated_at": known.body["at"],
            "id": self.fold.document_created[uuid][0],
            "created_at": self.fold.document_created[uuid][1],
            "seq": known.body["seq"],
        }

    def _tables(self) -> None:
        rules = {row["uuid"]: row for row in self._rows("SELECT * FROM detection_rule")}
        self._each("detection rule", self.fold.rules, rules)
        imports: dict[int, dict[str, Any]] = {}
        for row in self._rows("SELECT * FROM import"):
            row["sha256"] = None if row["sha256"] is None else row["sha256"].hex()
            number = row.pop("id")
            imports[number] = {name: value for name, value in row.items() if value is not None}
        self._each("import", {n: {k: v for k, v in one.items() if v is not None} for n, one in self.fold.imports.items()}, imports)
        self._same("setting", self.fold.settings, dict(self.conn.execute("SELECT name, value FROM setting")))

    def _each(self, what: str, expected: Mapping[Any, Mapping[str, Any]], found: Mapping[Any, Mapping[str, Any]]) -> None:
        for key in expected.keys() | found.keys():
            self._compare(f"{what} {key}", expected.get(key, {}), found.get(key, {}))

    def _rejected(self) -> None:
        for row in self._rows("SELECT * FROM rejected_record ORDER BY seq"):
            known = self.fold.rejected.pop(row["seq"], None)
            if known is None:
                self.problems.append(Problem("row", f"rejected record {row['seq']}", "no such record", "a row"))
                continue
            facts = known.body["facts"]
            place = {"import_id": facts["import"]} | {name: facts[name] for name in ("record", "position", "size")}
            self._compare(f"rejected record {row['seq']}", place, {name: row[name] for name in place})
            kept = sha256(row["raw"] or b"").hexdigest()
            self._committed(row["seq"], known.body["content"], known.salt, refused_content(row["sha256"].hex(), kept, row["reason"]))
        self.problems += [Problem("row", f"rejected record {seq}", "a row", "no such record") for seq in self.fold.rejected]

    def _schema(self) -> None:
        with closing(sqlite3.connect(":memory:")) as fresh:
            fresh.executescript(schema.schema_sql())
            self.problems += [Problem("schema", where, expected, found) for where, expected, found in schema.differences(self.conn, fresh)]


_decode = json.JSONDecoder().raw_decode  # what json.loads does, without its guess at the encoding
_dump: Callable[[object], str] = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
