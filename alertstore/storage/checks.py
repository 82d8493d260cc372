"""The tables, held against what the history comes to: the second half of an audit, when every event was folded."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from alertstore.domain.carrying import REDACTED, redacted_indicator
from alertstore.domain.content import document_content, finding_content, indicators_content, refused_content
from alertstore.domain.enrichment import EMPTY, RESULTS, outcome
from alertstore.domain.fold import Committed, Fold
from alertstore.domain.identity import commitment, indicator_uuid, part_commitment
from alertstore.domain.verdict import Problem
from alertstore.storage import intel, schema
from alertstore.storage.settings import SEALED

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping


LARGEST = (1 << 63) - 1
"""What SQLite counts to."""


class Checks:
    """What holds rows against events. `base` is the number of the event that opens the carried state, 0 where there is none;
    rows of a lower seq are covered by the events that carry them.
    """

    def __init__(self, conn: sqlite3.Connection, problems: list[Problem]) -> None:
        """Collect into `problems`."""
        self.conn = conn
        self.problems = problems
        self.fold = Fold()
        self.fold.problems = problems
        self.base = 0
        self.part_salts: dict[int, dict[str, bytes]] = {}

    def tables(self) -> tuple[Callable[[], None], ...]:
        """The checks of the tables that hold no alerts, in order."""
        return (
            self._indicators,
            self._malice,
            self._findings,
            self._documents,
            self._settings,
            self._others,
            self._rejected,
            self._beside,
            self._pruned,
            self._salts,
            self._schema,
        )

    def committed(self, seq: int, commits: Mapping[str, str], salt: bytes | None, content: Mapping[str, bytes]) -> None:
        """Hold content against what event `seq` commits to, under its salt, or under what is left of it for single parts."""
        if commits.keys() != content.keys():
            self.problems.append(Problem("content", f"event {seq}", sorted(commits), sorted(content)))
            return
        for part, value in content.items():
            self.opened(seq, part, commits[part], salt, value)

    def opened(self, seq: int, part: str, said: str, salt: bytes | None, value: bytes) -> None:
        """Hold one part of an event's content against its commitment."""
        if salt is not None:
            found = commitment(salt, part, value)
        else:
            own = self.part_salts.get(seq, {}).get(part)
            found = "its salt is gone" if own is None else part_commitment(own, value)
        if found != said:
            self.problems.append(Problem("content", f"event {seq}: {part}", said, found))

    def forgotten(self, seq: int, salt: bytes | None, parts: Iterable[str]) -> None:
        """Hold an event to having lost the salts of content that was erased."""
        left = set(parts) if salt is not None else self.part_salts.get(seq, {}).keys() & set(parts)
        if left:
            self.problems.append(Problem("content", f"event {seq}", "no salt of what was erased", sorted(left)))

    @property
    def since(self) -> int:
        """The seq above which rows are held against events of their own: all of them, where nothing was carried."""
        return self.base or -LARGEST

    def is_redacted(self, alert: int, part: str, seq: int) -> bool:
        """Whether an event after `seq` says that this part of the alert was erased."""
        return self.fold.redacted.get(alert, {}).get(part, seq) > seq

    def compare(self, where: str, expected: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        """Hold one row against what it should be, column by column."""
        for name in expected.keys() | found.keys():
            if expected.get(name) != found.get(name):
                self.problems.append(Problem("row", f"{where}: {name}", expected.get(name), found.get(name)))

    def rows(self, sql: str) -> Iterator[dict[str, Any]]:
        """The rows of a query, by column."""
        cursor = self.conn.execute(sql)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))

    def count(self, table: str, expected: int) -> None:
        """Hold the number of a table's rows against what it should be."""
        (found,) = self.conn.execute(f"SELECT count(*) FROM {table}").fetchone()
        if found != expected:
            self.problems.append(Problem("row", table, f"{expected} rows", f"{found} rows"))

    def same(self, table: str, expected: object, found: object) -> None:
        """Hold a small table, whole, against what it should be."""
        if expected != found:
            self.problems.append(Problem("row", table, expected, found))

    def _indicators(self) -> None:
        """Their numbers and times follow from the alerts that have them; their verdicts stand in events."""
        gone = [*self.fold.deleted, *(alert for alert, parts in self.fold.redacted.items() if "content" in parts)]
        sql = (
            "SELECT i.type || ':' || i.value, json_array(i.seq, i.created_at), json_array(s.seq, e.at) FROM indicator i "
            "LEFT JOIN event e ON e.seq = i.seq LEFT JOIN (SELECT indicator_id AS id, min(seq) AS seq FROM alert_indicator GROUP BY 1) s "
            "USING (id) WHERE i.seq > ? AND (i.created_at IS NOT e.at OR i.seq > s.seq "
            "OR (i.seq IS NOT s.seq AND (e.alert_id IS NULL OR e.alert_id NOT IN (SELECT value FROM json_each(?)))))"
        )
        for name, found, expected in self.conn.execute(sql, (self.since, json.dumps(gone))):
            self.problems.append(Problem("row", f"indicator {name}: seq, created_at", expected, found))
        order = (
            "SELECT pair, id FROM (SELECT id, seq, pair, lag(id) OVER w AS id_before, lag(seq) OVER w AS seq_before, lag(pair) OVER w AS pair_before "
            "FROM (SELECT id, seq, type || ':' || value AS pair FROM indicator) "
            "WINDOW w AS (ORDER BY id)) WHERE seq > ? AND (id <> coalesce(id_before, 0) + 1 OR seq < seq_before "
            "OR (seq = seq_before AND pair < pair_before AND pair NOT LIKE '%: [redacted %' AND pair_before NOT LIKE '%: [redacted %'))"
        )
        for pair, number in self.conn.execute(order, (self.since,)):
            self.problems.append(Problem("row", f"indicator {pair}: id", "numbers in the order of events, without gaps", number))
        if self.fold.indicators is not None:
            (found,) = self.conn.execute("SELECT count(*) FROM indicator WHERE seq < ?", (self.base,)).fetchone()
            self.same("indicator: rows from before the carried state", self.fold.indicators, found)
        erased = json.dumps(sorted(self.fold.redacted_indicators))
        sql = "SELECT j.value FROM json_each(?) j LEFT JOIN indicator i ON i.id = j.value WHERE i.value IS NOT ' [redacted ' || j.value || ']'"
        for (number,) in self.conn.execute(sql, (erased,)):
            self.problems.append(Problem("row", f"indicator number {number}", "one that was redacted", "another, or none"))
        self._verdicts()

    def _verdicts(self) -> None:
        store_id, verdicts = str(self.fold.settings.get("store_id")), self.fold.verdicts
        for row in self.rows(
            "SELECT id, type, value, malice, malice_source, malice_overridden_at, created_at, updated_at, is_enriched, enrichment_results FROM indicator "
            "WHERE malice <> 'Pending' OR malice_source <> 'enrichment' OR malice_overridden_at IS NOT NULL OR updated_at <> created_at "
            "OR is_enriched OR enrichment_results IS NOT NULL OR enriched_seq IS NOT NULL"
        ):
            uuid, pair = indicator_uuid(store_id, row["id"]), f"{row['type']}:{row['value']}"
            verdict = verdicts.pop(uuid, None) or {"malice": "Pending", "malice_source": "enrichment", "malice_overridden_at": None}
            for known in self.fold.judged.get(uuid, ()):
                if row["value"] == redacted_indicator(row["id"]):
                    self.forgotten(known.body["seq"], known.salt, ("indicators",))
                else:
                    commits = {part: said for part, said in known.body["content"].items() if part != RESULTS}
                    self.committed(known.body["seq"], commits, known.salt, indicators_content([pair]))
            came_to = outcome(row["enrichment_results"])
            if row["enrichment_results"] is not None and verdict["malice_source"] == "enrichment":
                verdict["malice"] = came_to.malice
            verdict = {"updated_at": row["created_at"], **verdict, "is_enriched": int(bool(came_to.succeeded))}
            self.compare(f"indicator {pair}", verdict, {name: row[name] for name in verdict})
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
        for row in self.rows(f"SELECT * FROM finding WHERE seq > {self.since:d} ORDER BY seq"):
            known = self.fold.findings.pop(row["seq"], None)
            if known is None:
                self.problems.append(Problem("row", f"finding {row['uuid']}", "no such finding", "a row"))
                continue
            self.committed(row["seq"], known.body["content"], known.salt, finding_content(row, row["evidence"]))
            place = {"uuid": known.body["facts"]["finding"], "alert_id": known.alert, "posted_at": known.body["at"]}
            self.compare(f"finding {row['uuid']}", place, {name: row[name] for name in place})
        self.problems += [Problem("row", f"finding of event {seq}", "a row", "no such finding") for seq in self.fold.findings]

    def _documents(self) -> None:
        left = self.fold.documents
        for row in self.rows("SELECT * FROM context_document"):
            known = left.pop(row["uuid"], None)
            if known is None:
                self.problems.append(Problem("row", f"document {row['uuid']}", "no such document", "a row"))
                continue
            self.committed(row["seq"], known.body["content"], known.salt, document_content(row))
            self.compare(f"document {row['uuid']}", self._document(known), {name: row[name] for name in self._document(known)})
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
            "updated_at": facts.get("updated_at", known.body["at"]),
            "id": self.fold.document_created[uuid][0],
            "created_at": self.fold.document_created[uuid][1],
            "seq": known.body["seq"],
        }

    def _settings(self) -> None:
        rules = {row["uuid"]: row for row in self.rows("SELECT * FROM detection_rule")}
        self._each("detection rule", self.fold.rules, rules)
        imports: dict[int, dict[str, Any]] = {}
        for row in self.rows("SELECT * FROM import"):
            row["sha256"] = None if row["sha256"] is None else row["sha256"].hex()
            number = row.pop("id")
            imports[number] = {name: value for name, value in row.items() if value is not None}
        self._each("import", {n: {k: v for k, v in one.items() if v is not None} for n, one in self.fold.imports.items()}, imports)
        found, (newest,) = (
            dict(self.conn.execute("SELECT name, value FROM setting")),
            self.conn.execute("SELECT max(seq) FROM event").fetchone(),
        )
        sealed = {SEALED: "yes"} if SEALED in found and self.fold.sealed == newest else {}
        self.same("setting", self.fold.settings | sealed, found)

    def _others(self) -> None:
        """What is known of remotes and of other stores, what is suppressed, and the lists that indicators are looked up in."""
        self.same(
            "sync_remote",
            self.fold.remotes,
            {name: tuple(row) for name, *row in self.conn.execute("SELECT name, seq, state FROM sync_remote")},
        )
        suppressions = {row["uuid"]: row for row in self.rows("SELECT * FROM suppression")}
        self._each("suppression", self.fold.suppressions, suppressions)
        lists = {row["name"]: row for row in self.rows("SELECT * FROM intel_list")}
        self._each("intel_list", self.fold.intel_lists, lists)
        entries = intel.digests(self.conn)
        empty = (0, EMPTY)
        told = {row["id"]: (row["entries"], row["digest"]) for row in self.fold.intel_lists.values()}
        for number in told.keys() | entries.keys():
            self.same(f"intel_entry of list {number}", told.get(number, "no such list"), entries.get(number, empty))
        stores = {store: tuple(row) for store, *row in self.conn.execute("SELECT store_id, size, root FROM foreign_store")}
        self.same("foreign_store", self.fold.foreign_stores, stores)

    def _each(self, what: str, expected: Mapping[Any, Mapping[str, Any]], found: Mapping[Any, Mapping[str, Any]]) -> None:
        for key in expected.keys() | found.keys():
            self.compare(f"{what} {key}", expected.get(key, {}), found.get(key, {}))

    def _rejected(self) -> None:
        for row in self.rows("SELECT * FROM rejected_record ORDER BY seq"):
            known = self.fold.rejected.pop(row["seq"], None)
            if known is None:
                self.problems.append(Problem("row", f"rejected record {row['seq']}", "no such record", "a row"))
                continue
            facts = known.body["facts"]
            place = {"import_id": facts.get("import"), "suppression": facts.get("suppression") or _held_by(known.body)}
            place |= {name: facts.get(name) for name in ("record", "position", "size")}
            self.compare(f"rejected record {row['seq']}", place, {name: row[name] for name in place})
            self._refused(row, known)
        self.problems += [Problem("row", f"rejected record {seq}", "a row", "no such record") for seq in self.fold.rejected]

    def _refused(self, row: Mapping[str, Any], known: Committed) -> None:
        """Hold the bytes and the reason of a rejected record against its event; redacted, only the digest of the whole is left."""
        seq, commits = known.body["seq"], known.body["content"]
        content = refused_content(row["sha256"].hex(), sha256(row["raw"] or b"").hexdigest(), row["reason"])
        if row["raw"] is None and self.fold.redacted_records.get(row["seq"], -1) >= seq:
            self.same(f"rejected record {row['seq']}: reason", REDACTED, row["reason"])
            self.forgotten(seq, known.salt if "kept" in commits else None, ("kept", "reason"))
            commits, content = {"record": commits["record"]}, {"record": content["record"]}
        elif row["seq"] in self.fold.redacted_records:
            self.problems.append(Problem("content", f"rejected record {row['seq']}: raw", "nothing, since it was redacted", "bytes"))
        self.committed(seq, commits, known.salt, content)

    def _beside(self) -> None:
        """Of the rows that a carried state covers: links repeat the time of their alert, and links and findings have one."""
        sql = (
            "SELECT 'alert_indicator of event ' || l.seq, a.occurred_at, l.occurred_at FROM alert_indicator l LEFT JOIN alert a ON a.id = l.alert_id "
            "WHERE l.seq < :base AND l.occurred_at IS NOT a.occurred_at UNION ALL SELECT 'finding ' || uuid, 'an alert', 'none' FROM finding "
            "WHERE seq < :base AND alert_id NOT IN (SELECT id FROM alert)"
        )
        for where, expected, found in self.conn.execute(sql, {"base": self.base}) if self.base else ():
            self.problems.append(Problem("row", where, expected, found))

    def _pruned(self) -> None:
        found = [(size, peaks.hex()) for size, peaks in self.conn.execute("SELECT size, peaks FROM pruned")]
        self.same("pruned", [] if self.fold.pruned is None else [self.fold.pruned], found)

    def _salts(self) -> None:
        """A salt of a single part is there only where the event's own is not."""
        sql = "SELECT DISTINCT p.seq FROM part_salt p LEFT JOIN event e ON e.seq = p.seq WHERE e.seq IS NULL OR e.salt IS NOT NULL"
        for (seq,) in self.conn.execute(sql):
            self.problems.append(Problem("row", f"part_salt {seq}", "an event without a salt", "none, or one with its salt"))
        for seq, salts in self.part_salts.items():
            row = self.conn.execute("SELECT body FROM event WHERE seq = ?", (seq,)).fetchone()
            committed = json.loads(row[0]).get("content", {}) if row else {}
            if not salts.keys() <= committed.keys():
                self.problems.append(Problem("row", f"part_salt {seq}", sorted(committed), sorted(salts)))

    def _schema(self) -> None:
        self.problems += [Problem("schema", where, expected, found) for where, expected, found in schema.differences(self.conn)]


def _held_by(body: Mapping[str, Any]) -> str | None:
    """The suppression that held a record back, if one did."""
    return str(body["subject"]) if body["kind"] == "record_suppressed" else None


_dump: Callable[[object], str] = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
