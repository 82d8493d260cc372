r"""Check an alertstore file, a sealed store, a bundle or a proof, with Python's standard library alone: `python3 verify.py --help`.

Nothing of alertstore is imported: this file is the history's rules written a second time. A bundle holds a copy of it. Whoever
made the bundle could have put another program there, so where that matters, run a copy that came some other way.

Exit codes: 0 sound; 6 damaged, or not what its history, a signature or a checkpoint says; 4 could not be checked; 2 usage.
"""

# ruff: noqa: PLR2004 - the numbers are those of the formats, which RFC 8032, RFC 9162 and C2SP explain

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import sqlite3
import stat
import struct
import sys
import zlib
from bisect import bisect_right
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta
from hashlib import file_digest, sha256, sha512
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Row = dict[str, Any]
SCHEMA = "ce7dddc489158dd812fa3469f52b55e511507e4cde57e9e148a6f267c2a41b7c"
"""SHA-256 over what a store's schema holds, but for plain indexes and the tables that SQLite's search keeps for itself."""
COLUMNS = (
    "uuid", "source_name", "severity", "status", "enrichment_status", "close_classification", "tags", "malice_override",
    "malice_override_source", "malice_override_at", "detection_rule_id", "duplicate_count", "occurred_at", "occurred_at_assumed",
    "last_seen_at", "created_at", "ingested_at", "updated_at", "enriched_at", "acknowledged_at", "triaged_at", "closed_at",
    "predecessor", "heads",
)  # fmt: skip
MANIFEST = ["store", "file", "bytes", "sha256", "events", "root", "sealed_at", "sealed_by", "alertstore", "sqlite"]
FINDING = ("agent_name", "summary", "confidence", "recommended_action", "evidence")
MALICE = ("Pending", "Benign", "Suspicious", "Malicious")
OF_DELETED = ("alert_redacted", "alert_synced", "alert_aliased")
REDACTED = "[redacted]"
DEEPEST = 64  # objects and lists inside one another
FORGED = (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError, OverflowError)
MOST = 100  # problems; with more, the rest is not listed
LARGEST = 256 << 20  # bytes of a proof, a checkpoint, a manifest, a file of receipts


class Problem(NamedTuple):
    """What does not hold. kind: damage (no sound database), unchecked (no fault of the store), else what was tampered with."""

    kind: str
    where: str
    expected: object
    found: object


class Enough(Exception):  # noqa: N818 - no error: there is more wrong than anyone will read
    """The list of problems is full, or the history cannot be followed further."""


class CannotCheckError(Exception):
    """The target, or what it was to be held against, cannot be read."""


# --- hashes, Ed25519 (RFC 8032), signed notes (C2SP) ---


def node(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node of the tree (RFC 9162, 2.1.1)."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A Merkle tree that grows: its size, and its peaks, largest first."""

    def __init__(self, size: int = 0, peaks: bytes = b"") -> None:
        """Go on from packed peaks, 32 bytes each."""
        self.size, self.peaks = size, [peaks[k : k + 32] for k in range(0, len(peaks), 32)]
        if len(peaks) != 32 * size.bit_count():
            raise ValueError("as many peaks as a tree of that size has", size, len(peaks))

    def append(self, body: bytes) -> bytes:
        """Add a leaf: its hash, and those of the nodes that it completes, in one string."""
        one = hashes = sha256(b"\x00" + body).digest()
        size = self.size
        while size & 1:
            one = node(self.peaks.pop(), one)
            hashes, size = hashes + one, size >> 1
        self.peaks.append(one)
        self.size += 1
        return hashes

    def root(self) -> bytes:
        """The root hash of what is there."""
        *rest, one = self.peaks or [sha256(b"").digest()]
        for peak in reversed(rest):
            one = node(peak, one)
        return one


P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D, ROOT_OF_MINUS_1 = -121665 * pow(121666, -1, P) % P, pow(2, (P - 1) // 4, P)
Point = tuple[int, int, int, int]  # extended coordinates: x = X/Z, y = Y/Z, xy = T/Z


def point(raw: bytes) -> Point:
    """The point that 32 bytes stand for; ValueError where there is none, or they are not its one spelling."""
    y = int.from_bytes(raw, "little") & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * ROOT_OF_MINUS_1 % P
    if x & 1 != raw[31] >> 7:
        x = P - x
    if y >= P or x * x % P != square or x == P:  # P: minus nothing
        raise ValueError("not a point of the curve, or not the one way to write it")
    return x, y, 1, x * y % P


def add(p: Point, q: Point) -> Point:
    """The sum of two points (RFC 8032, 5.1.4)."""
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def added(s: int, p: Point, k: int, q: Point) -> Point:
    """The sum of p, s times, and q, k times."""
    total, steps = (0, 1, 1, 0), [None, p, q, add(p, q)]
    for bit in range(max(s, k).bit_length() - 1, -1, -1):
        total = add(total, total)
        step = steps[(s >> bit & 1) + 2 * (k >> bit & 1)]
        total = total if step is None else add(total, step)
    return total


BASE = point(bytes([0x58]) + bytes([0x66]) * 31)


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 key signed a message: RFC 8032, 5.1.7, without the cofactor, each number in its one spelling."""
    s = int.from_bytes(signature[32:], "little")
    if len(public) != 32 or len(signature) != 64 or s >= L:
        return False
    try:
        (x, y, *_), r = point(public), point(signature[:32])
    except ValueError:
        return False
    k = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % L
    found = added(s, BASE, k, (P - x, y, 1, -x * y % P))
    return (found[0] - r[0] * found[2]) % P == 0 == (found[1] - r[1] * found[2]) % P


def unbase64(text: str) -> bytes:
    """The bytes of base64 in its one spelling; else ValueError."""
    raw = base64.b64decode(text, validate=True)
    if not raw or base64.b64encode(raw).decode() != text:
        raise ValueError("not base64, spelled the one right way")
    return raw


def is_name(text: str) -> bool:
    """Whether a log or a key can have this name."""
    return text.isprintable() and text != "" and " " not in text and "+" not in text


def read_note(note: str) -> tuple[str, dict[tuple[str, bytes], bytes]]:
    """The text of a signed note, and its signatures by (name, key id). Raises ValueError for whatever can be read two ways."""
    text, blank, signed = note.rpartition("\n\n")
    *lines, end = signed.split("\n")
    if not blank or end or not 1 <= len(lines) <= 100 or len(note.encode()) > 1 << 20 or re.search("[\0-\x09\x0b-\x1f\x7f-\x9f]", note):
        raise ValueError("not a signed note")
    signatures = {}
    for line in lines:
        dash, name, coded = line.split(" ", 2)
        raw = unbase64(coded)
        if dash != "\N{EM DASH}" or not is_name(name) or len(raw) < 5 or (name, raw[:4]) in signatures:
            raise ValueError("not a signature line, or a second one by the same key")
        signatures[name, raw[:4]] = raw[4:]
    return text + "\n", signatures


def signers(note: str, origin: str, keys: Iterable[str]) -> tuple[str, list[str]]:
    """The text of a note, and those keys (hex) that signed it under the name of the log."""
    text, signatures = read_note(note)
    named = {key: sha256(f"{origin}\n\x01".encode() + bytes.fromhex(key)).digest()[:4] for key in keys}
    return text, [key for key, name in named.items() if is_signed(bytes.fromhex(key), signatures.get((origin, name), b""), text.encode())]


def read_checkpoint(text: str) -> tuple[str, int, str]:
    """Name, size and root (hex) that a checkpoint says; ValueError for any but the one spelling of them."""
    name, size, root, *more, end = text.split("\n")
    if end or not all(line and line.isprintable() for line in (name, size, root, *more)) or not re.fullmatch("0|[1-9][0-9]{0,18}", size):
        raise ValueError("not the text of a checkpoint")
    if int(size) >= 1 << 63 or len(unbase64(root)) != 32:
        raise ValueError("not the size and root of a checkpoint")
    return name, int(size), unbase64(root).hex()


# --- content, and what events commit to ---

dump = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - in UTC, as all times here; the zone is written as Z


def canonical(value: object) -> bytes:
    """Canonical JSON (RFC 8785), of values without floats."""
    return dump(value).encode()


class Event(NamedTuple):
    """An event: its number, kind, alert (number), salt, and body."""

    seq: int
    kind: str
    alert: int | None
    salt: bytes | None
    body: Mapping[str, Any]

    @property
    def facts(self) -> Any:
        """What the event holds, by kind."""
        return self.body["facts"]

    @property
    def new(self) -> Row:
        """What it changed registers to."""
        return {name: new for name, (_, new) in self.body["changes"].items()}


def text_of(row: Row) -> bytes:
    """The content `text` of an alert."""
    return canonical({"description": row["description"], "title": row["title"]})


def rule_columns(facts: Row) -> Row:
    """The columns of a detection rule, of what an event says of it: lists as JSON, flags as numbers."""
    written: Mapping[type, Any] = {list: dump, bool: int}
    return {name: written.get(type(value), lambda same: same)(value) for name, value in facts.items()}


class Audit:
    """A store, held against its history: one pass over the events, then one over each alert and each table."""

    def __init__(self, conn: sqlite3.Connection, wanted: Iterable[int] = ()) -> None:
        """Look at an open database, and note its roots at the wanted sizes."""
        self.conn, self.wanted = conn, set(wanted)
        self.problems: list[Problem] = []
        self.tree, self.roots = Tree(), dict[int, str]()
        self.size, self.begun, self.base, self.alerts = 0, 0, 0, 0
        self.carried_indicators: int | None = None
        self.settings: Row = {}
        self.sealed, self.is_sealed, self.sealed_at, self.sealed_by = 0, False, 0, ""
        self.keys: list[tuple[int, str]] = []
        self.pruned: list[tuple[int, str]] = []
        self.notes: list[tuple[int, int, str]] = []
        self.rules, self.imports, self.documents = dict[str, Row](), dict[int, Row](), dict[str, tuple[Event, Any]]()
        self.ruled, self.created = dict[str, int](), dict[str, tuple[int, int]]()
        self.rejected, self.redacted_records = dict[int, Event](), dict[int, int]()
        self.redacted_indicators: set[int] = set()
        self.remotes, self.stores = dict[str, Row](), dict[str, Row]()
        self.suppressions, self.lists = dict[str, Row](), dict[str, Row]()
        self.verdicts, self.judged = dict[str, Row](), dict[str, list[Event]]()
        self.deleted, self.gone, self.checked = dict[int, str](), set[int](), Counter[str]()
        self.part_salts: dict[int, dict[str, bytes]] = {}

    def problem(self, kind: str, where: str, expected: object, found: object) -> None:
        """Note what does not hold."""
        self.problems.append(Problem(kind, where, expected, found))
        if len(self.problems) >= MOST:
            raise Enough

    def same(self, where: str, expected: Mapping[Any, Any], found: Mapping[Any, Any], kind: str = "row") -> None:
        """Hold one row, or a small table, against what it should be."""
        for name in () if expected == found else sorted(expected.keys() | found.keys(), key=str):
            if expected.get(name) != found.get(name):
                self.problem(kind, f"{where}: {name}", expected.get(name), found.get(name))

    def rows(self, sql: str, *values: object) -> Iterator[Row]:
        """The rows of a query, by column."""
        cursor = self.conn.execute(sql, values)
        names = [column[0] for column in cursor.description]
        return (dict(zip(names, row, strict=True)) for row in cursor)

    def commits(self, event: Event, content: Mapping[str, bytes], besides: Iterable[str] = ()) -> None:
        """Hold content against all that an event commits to, but for the parts `besides`, under the salts that are left."""
        said = {part: digest for part, digest in event.body["content"].items() if part not in set(besides)}
        salts, found = self.part_salts.get(event.seq, {}), {}
        for part, value in content.items():
            salt = salts.get(part) if event.salt is None else sha256(event.salt + part.encode()).digest()[:16]
            found[part] = "no salt is left" if salt is None else sha256(b"\x10" + salt + value).hexdigest()
        self.same(f"event {event.seq}: content", said, found, "content")

    def erased(self, event: Event, *parts: str) -> None:
        """Hold an event to having lost the salts of content that is gone."""
        left = list(parts) if event.salt is not None else [part for part in parts if part in self.part_salts.get(event.seq, {})]
        if left:
            self.problem("content", f"event {event.seq}", "no salt of what was erased", left)

    def run(self) -> None:
        """Check everything."""
        try:
            tables = (self.all_alerts, self.indicators, self.tables, self.refused, self.all_documents, self.salts)
            for step in (self.structure, self.history, *tables):
                try:
                    step()
                except FORGED as fault:
                    self.problem("event", "the history", "events that a store could have written", repr(fault))
        except Enough:
            pass
        except sqlite3.DatabaseError as fault:
            self.problems.append(Problem("damage", "the file", "rows that can be read", str(fault)))

    def structure(self) -> None:
        """The pages of the file, and the schema: nothing of a store is read through a view or trigger that is not its own."""
        for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0"):
            self.conn.execute(f"PRAGMA {pragma}")
        objects = self.conn.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name")
        texts = [(str(kind), str(name), " ".join(str(sql).split())) for kind, name, sql in objects]
        shape = [" ".join(one) for one in texts if not is_passed_over(*one)]
        digest = sha256("\n".join(shape).encode()).hexdigest()
        if digest != SCHEMA:
            self.problem("schema", "the schema", SCHEMA, digest)
            raise Enough
        for (text,) in self.conn.execute("PRAGMA integrity_check(20)"):
            if text != "ok":
                of_values = re.search("constraint failed|value in|non-unique entry", text)
                self.problem("row" if of_values else "damage", "the file", "a sound database", text)

    def history(self) -> None:
        """Every leaf and node of the tree; what events say of the store as a whole, folded."""
        for size, peaks in self.conn.execute("SELECT size, peaks FROM pruned").fetchall()[:1]:
            self.tree, self.size, self.begun = Tree(size, peaks), size, size
        for (seq,) in self.conn.execute("SELECT max(seq) FROM event WHERE kind IN ('history_pruned', 'store_salvaged')"):
            self.base = seq or 0
        for row in self.rows("SELECT * FROM part_salt"):
            self.part_salts.setdefault(row["seq"], {})[row["part"]] = row["salt"]
        self.notes = self.conn.execute("SELECT size, epoch, note FROM signed_checkpoint ORDER BY size, epoch").fetchall()
        self.wanted |= {size for size, *_ in self.notes}
        self.note_root()
        for seq, at, kind, alert, salt, hashes, body in self.conn.execute(
            "SELECT seq, at, kind, alert_id, salt, hashes, body FROM event ORDER BY seq"
        ):
            if seq != self.size + 1:
                self.problem("event", f"event {seq}", f"event {self.size + 1}", "a gap")
                raise Enough
            made = self.tree.append(body)
            self.size = seq
            if hashes != made:
                self.problem("event" if hashes[:32] != made[:32] else "tree", f"event {seq}", made.hex(), hashes.hex())
            self.note_root()
            try:
                self.event(Event(seq, kind, alert, salt, self.parsed(body)), at)
            except FORGED as fault:
                self.problem("event", f"event {seq}", f"a {kind} that follows from the events before it", repr(fault))
        if self.size == self.begun:
            self.problem("event", "the history", "events", "none")

    def note_root(self) -> None:
        """Note the root, where it is wanted."""
        if self.size in self.wanted:
            self.roots[self.size] = self.tree.root().hex()

    def parsed(self, body: bytes) -> Any:
        """A body as JSON; ValueError where it is not spelled in the one canonical way: no two readers may see two events in it."""
        said = json.loads(body)
        if canonical(said) != body:
            raise ValueError("not canonical JSON")
        return said

    def event(self, event: Event, at: int) -> None:
        """One event: its columns against its body; alerts are numbered; what concerns no single alert is folded."""
        said, seq = event.body, event.seq
        columns = {"seq": seq, "at": at, "kind": event.kind}
        self.same(f"event {seq}", {name: said[name] for name in columns}, columns, "event")
        if (event.alert is None) is event.kind.startswith("alert_") or (event.salt is not None and "content" not in said):
            self.problem("event", f"event {seq}", "an alert, and a salt, where its kind has them", [event.alert, event.salt])
        if seq < self.base:  # the carried state says what all of this came to
            return
        if "store" in said.get("origin", ()) and "seq" in said["origin"]:
            self.foreign(said["origin"]["store"], said["origin"]["seq"], seq)
        if event.alert is None:
            getattr(self, f"_on_{event.kind}")(event)
            return
        self.alerts += event.kind in {"alert_ingested", "alert_carried"}
        if not (event.alert == self.alerts if event.kind in {"alert_ingested", "alert_carried"} else 1 <= event.alert <= self.alerts):
            self.problem("event", f"event {seq}", f"alerts numbered in order, {self.alerts} so far", event.alert)
            raise Enough

    def foreign(self, store: str, number: int, seq: int) -> None:
        """An event of another store, kept here as event `seq`: there is a row that says so."""
        if type(seq) is not int:
            raise ValueError("not the number of an event", seq)
        self.beside("foreign_event", "seq", {"store_id": store, "number": number, "seq": seq})

    def beside(self, table: str, key: str, expected: Row) -> None:
        """Hold the row that a key names, of a table that sync keeps, against what it should be, and count it."""
        found = next(self.rows(f"SELECT * FROM {table} WHERE {key} = ?", expected[key]), None)
        self.same(f"{table} {expected[key]}", expected, found or {})
        self.checked[table] += found is not None

    # What each kind of event about the store itself comes to.

    def _on_store_created(self, event: Event) -> None:
        self.settings |= event.facts

    def _on_setting_changed(self, event: Event) -> None:
        self.settings |= event.new

    def _on_store_sealed(self, event: Event) -> None:
        self.sealed, self.sealed_at, self.sealed_by = event.seq, event.body["at"], event.body["actor"]

    def _on_store_handed_over(self, event: Event) -> None:
        """Nothing follows from it."""

    def _on_signing_key_set(self, event: Event) -> None:
        if event.facts["epoch"] != len(self.keys):
            self.problem("event", f"event {event.seq}: epoch", len(self.keys), event.facts["epoch"])
        self.keys.append((event.seq, event.facts["public_key"]))

    def _on_store_salvaged(self, event: Event) -> None:
        self.settings |= event.facts["settings"]
        self.keys = [(since, key) for since, key in event.facts["keys"]]
        self.carried_indicators = event.facts["indicators"]
        self.stores = {
            store: {"store_id": store, "size": size, "root": root} for store, size, root in event.facts.get("foreign_stores", ())
        }

    def _on_history_pruned(self, event: Event) -> None:
        self._on_store_salvaged(event)
        self.pruned = [(event.facts["upto"], "".join(event.facts["peaks"]))]

    def _on_import_started(self, event: Event) -> None:
        facts = rule_columns(event.facts)
        row = {name: facts.get(name) for name in ("name", "source_name", "columns", "delimiter", "member")}
        self.imports[int(event.body["subject"])] = row | {"started_at": event.body["at"]}

    def _on_import_finished(self, event: Event) -> None:
        self.imports[int(event.body["subject"])].update(event.facts, notes=dump(event.facts["notes"]), finished_at=event.body["at"])

    def _on_import_carried(self, event: Event) -> None:
        self.imports[int(event.body["subject"])] = dict(event.facts)

    def _on_record_rejected(self, event: Event) -> None:
        self.rejected[event.seq] = event

    _on_record_suppressed = _on_record_rejected

    def _on_records_seen(self, event: Event) -> None:
        """Nothing follows from it."""

    def _on_suppression_created(self, event: Event) -> None:
        uuid, said = event.body["subject"], event.body
        row = {
            "uuid": uuid,
            "author": said["actor"],
            "reason": said["reason"],
            "created_at": said["at"],
            "lifted_at": None,
            "lifted_by": None,
        }
        self.suppressions[uuid] = row | {name: event.facts[name] for name in ("kind", "target", "until")}

    def _on_suppression_lifted(self, event: Event) -> None:
        row = self.suppressions[event.body["subject"]]
        self.same(f"event {event.seq}: before", {"lifted_at": None}, {"lifted_at": row["lifted_at"]}, "event")
        row.update(lifted_at=event.body["at"], lifted_by=event.body["actor"])

    def _on_suppression_carried(self, event: Event) -> None:
        self.suppressions[event.body["subject"]] = dict(event.facts)

    def _on_intel_list_loaded(self, event: Event) -> None:
        self.lists[event.body["subject"]] = event.facts | {"loaded_at": event.body["at"]}

    def _on_intel_list_removed(self, event: Event) -> None:
        del self.lists[event.body["subject"]]

    def _on_intel_list_carried(self, event: Event) -> None:
        self.lists[event.body["subject"]] = dict(event.facts)

    def _on_record_carried(self, event: Event) -> None:
        self.rejected[event.facts["event"]] = event
        if event.facts.get("redacted"):
            self.redacted_records[event.facts["event"]] = event.seq

    def _on_record_redacted(self, event: Event) -> None:
        self.redacted_records[event.facts["event"]] = event.seq

    def _on_detection_rule_created(self, event: Event) -> None:
        uuid, at = event.body["subject"], event.body["at"]
        self.ruled[uuid] = event.seq
        self.rules[uuid] = {"id": len(self.ruled), "uuid": uuid, "created_at": at, "updated_at": at} | rule_columns(event.facts)

    def _on_detection_rule_updated(self, event: Event) -> None:
        row, was = self.rules[event.body["subject"]], rule_columns({name: old for name, (old, _) in event.body["changes"].items()})
        self.same(f"event {event.seq}: before", {name: row[name] for name in was}, was, "event")
        row.update(rule_columns(event.new), updated_at=event.body["at"])

    def _on_detection_rule_carried(self, event: Event) -> None:
        self.ruled[event.body["subject"]] = event.seq
        self.rules[event.body["subject"]] = dict(event.facts)

    def _on_context_document_created(self, event: Event) -> None:
        uuid = event.body["subject"]
        if uuid in self.documents:
            self.erased(self.documents[uuid][0], "document")
        created = self.created.setdefault(uuid, (event.seq, event.body["at"]))
        self.documents[uuid] = (event, created)

    _on_context_document_updated = _on_context_document_created

    def _on_context_document_carried(self, event: Event) -> None:
        self.created[event.body["subject"]] = (event.facts["id"], event.facts["created_at"])
        self._on_context_document_created(event)

    def _on_context_document_deleted(self, event: Event) -> None:
        self.erased(self.documents.pop(event.body["subject"])[0], "document")

    def _on_indicator_malice_updated(self, event: Event) -> None:
        uuid, was = event.body["subject"], event.body["changes"]["malice"][0]
        known = self.verdicts.get(uuid, {"malice": "Pending"})
        self.same(f"event {event.seq}: before", {"malice": known["malice"]}, {"malice": was}, "event")
        self.verdicts[uuid] = known | {"malice": event.new["malice"], **event.body["sets"], "updated_at": event.body["at"]}
        self.judged.setdefault(uuid, []).append(event)

    def _on_indicator_carried(self, event: Event) -> None:
        self.verdicts[event.body["subject"]] = dict(event.facts)
        if "content" in event.body:
            self.judged.setdefault(event.body["subject"], []).append(event)
            if "results" in event.body["content"]:
                self.results(event, {int(event.body["subject"].replace("-", "")[-15:], 16): "results"})

    def _on_indicators_enriched(self, event: Event) -> None:
        self.results(event, {int(number): number for number in event.body["content"]})

    def results(self, event: Event, parts: Mapping[int, str]) -> None:
        """Hold what enrichment found out about indicators against the newest event that has it; of a redacted one none has."""
        for number, part in parts.items():
            row = next(self.rows("SELECT value, enriched_seq, enrichment_results AS text FROM indicator WHERE id = ?", number), None)
            if row is not None and row["enriched_seq"] is None and row["value"] == f" [redacted {number}]":
                self.erased(event, part)
            elif row is None or (row["enriched_seq"] or 0) < event.seq or (row["enriched_seq"] == event.seq and row["text"] is None):
                self.problem("row", f"indicator number {number}: enriched_seq", event.seq, row and row["enriched_seq"])
            elif row["enriched_seq"] == event.seq:
                self.checked["enriched"] += 1
                self.commits(event, {part: row["text"].encode()}, event.body["content"].keys() - {part})

    def _on_remote_synced(self, event: Event) -> None:
        name = event.body["subject"]
        self.remotes[name] = {"name": name, "seq": event.seq, "state": dump(event.facts["state"])}

    def _on_bundle_imported(self, event: Event) -> None:
        store, size = event.facts["store"], event.facts["size"]
        if store not in self.stores or size >= self.stores[store]["size"]:
            self.stores[store] = {"store_id": store, "size": size, "root": event.facts["root"]}

    def _on_foreign_events_carried(self, event: Event) -> None:
        for store, number, seq in event.facts["events"]:
            self.foreign(store, number, seq)

    # The tables.

    def all_alerts(self) -> None:
        """Every alert by itself; then that no table has a row more than they account for."""
        for number in range(1, self.alerts + 1):
            Alert(self, number).check()
        self.same("deleted_alert", self.deleted, {row["id"]: row["uuid"] for row in self.rows("SELECT * FROM deleted_alert")})
        for table in ("alert", "alert_indicator", "occurrence", "finding", "sync_alert", "alias", "foreign_event"):
            ((found,),) = self.conn.execute(f"SELECT count(*) FROM {table}")
            self.same(table, {"rows": self.checked[table]}, {"rows": found})
        for table in ("alert", "deleted_alert"):
            for (uuid,) in self.conn.execute(f"SELECT s.uuid FROM alias s CROSS JOIN {table} a ON a.uuid = s.uuid"):
                self.problem("row", f"alias {uuid}", "not the uuid of an alert", table)

    def indicators(self) -> None:
        """Their numbers and times follow from the alerts that have them; their verdicts stand in events."""
        digest = sha256(str(self.settings["store_id"]).encode()).hexdigest()
        before: Row = {"id": 0, "seq": None, "pair": ""}
        for row in self.rows(
            "SELECT i.*, i.type || ':' || i.value AS pair, e.at, e.alert_id, (SELECT min(l.seq) FROM alert_indicator l WHERE l.indicator_id = i.id) "
            "AS first FROM indicator i LEFT JOIN event e ON e.seq = i.seq ORDER BY i.id"
        ):
            where, tail = f"indicator {row['pair']}", f"{row['id']:015x}"
            if row["seq"] > self.base or not self.base:
                self.placed(where, row, before)
            before = row
            uuid = f"{digest[:8]}-{digest[8:12]}-8{digest[12:15]}-8{tail[:3]}-{tail[3:]}"
            verdict = {"malice": "Pending", "malice_source": "enrichment", "malice_overridden_at": None, "updated_at": row["created_at"]}
            verdict |= self.verdicts.pop(uuid, {})
            results = json.loads(row["enrichment_results"] or "{}").values()
            if results and verdict["malice_source"] == "enrichment":
                verdict["malice"] = max((one["extracted"].get("malice", "Pending") for one in results if one["extracted"]),
                                        key=MALICE.index, default="Pending")  # fmt: skip
            verdict |= {"is_enriched": int(any(one["success"] for one in results))}
            self.same(where, verdict, {name: row.get(name) for name in verdict})
            for event in self.judged.get(uuid, ()):
                if row["value"] == f" [redacted {row['id']}]":
                    self.erased(event, "indicators")
                else:
                    self.commits(event, {"indicators": canonical([row["pair"]])}, ["results"])
        ((found,),) = self.conn.execute("SELECT count(*) FROM indicator WHERE coalesce(enriched_seq, enrichment_results) IS NOT NULL")
        self.same("indicator, with results", {"rows": self.checked["enriched"]}, {"rows": found})
        for uuid, verdict in self.verdicts.items():
            self.problem("row", f"indicator {uuid}", verdict, "no such indicator")
        names = dict(self.conn.execute("SELECT id, value FROM indicator").fetchall()) if self.redacted_indicators else {}
        for number in sorted(self.redacted_indicators):
            self.same(f"indicator number {number}", {"value": f" [redacted {number}]"}, {"value": names.get(number)})
        if self.carried_indicators is not None:
            ((found,),) = self.conn.execute("SELECT count(*) FROM indicator WHERE seq < ?", (self.base,))
            self.same("indicator, from before the carried state", {"rows": self.carried_indicators}, {"rows": found})

    def placed(self, where: str, row: Row, before: Row) -> None:
        """An indicator was first named by the event that it says, where its alert still has it; numbers go up with the events."""
        seq, first = row["seq"], row["first"]
        is_gone = row["alert_id"] in self.gone and (first is None or first > seq)
        if row["created_at"] != row["at"] or (seq != first and not is_gone):
            self.problem("row", f"{where}: seq, created_at", [first, row["at"]], [seq, row["created_at"]])
        is_back = before["seq"] is not None and (before["seq"], before["pair"]) > (seq, row["pair"])
        is_renamed = seq == before["seq"] and any(": [redacted " in one["pair"] for one in (before, row))
        if row["id"] != before["id"] + 1 or (is_back and not is_renamed):
            self.problem("row", f"{where}: id", "numbers in the order of events, without gaps", row["id"])

    def tables(self) -> None:
        """Tables whose columns all stand in events."""
        settings = {row["name"]: row["value"] for row in self.rows("SELECT * FROM setting")}
        self.is_sealed = "sealed" in settings and self.sealed == self.size  # a sealed copy ends with the event that sealed it
        self.same("setting", self.settings | ({"sealed": "yes"} if self.is_sealed else {}), settings)
        pruned = [(row["size"], row["peaks"].hex()) for row in self.rows("SELECT * FROM pruned")]
        self.same("pruned", dict(self.pruned), dict(pruned))
        rules = {row["uuid"]: row for row in self.rows("SELECT * FROM detection_rule")}
        imports = {row.pop("id"): row | {"sha256": row["sha256"] and row["sha256"].hex()} for row in self.rows("SELECT * FROM import")}
        self.each("detection rule", self.rules, rules)
        self.each("import", self.imports, imports)
        self.each("sync_remote", self.remotes, {row["name"]: row for row in self.rows("SELECT * FROM sync_remote")})
        self.each("foreign_store", self.stores, {row["store_id"]: row for row in self.rows("SELECT * FROM foreign_store")})
        self.each("suppression", self.suppressions, {row["uuid"]: row for row in self.rows("SELECT * FROM suppression")})
        self.each("intel_list", self.lists, {row["name"]: row for row in self.rows("SELECT * FROM intel_list")})
        told = {row["id"]: (row["entries"], row["digest"]) for row in self.lists.values()}
        found = [number for (number,) in self.conn.execute("SELECT DISTINCT list_id FROM intel_entry")]
        self.same("intel_entry", told, {number: self.entries(number) for number in {*told, *found}})

    def entries(self, number: int) -> tuple[int, str]:
        """How many entries a list has, and the SHA-256 over them: canonical JSON, 1,000 at a time."""
        columns, digest, count = "key, line, malice, expires_at, note", sha256(), 0
        cursor = self.conn.execute(f"SELECT {columns} FROM intel_entry WHERE list_id = ? ORDER BY key, line", (number,))
        while chunk := cursor.fetchmany(1000):
            digest.update(canonical([[f"hash:{key.hex()}" if isinstance(key, bytes) else key, *rest] for key, *rest in chunk]))
            count += len(chunk)
        return count, digest.hexdigest()

    def each(self, what: str, expected: Mapping[Any, Row], found: Mapping[Any, Row]) -> None:
        """Hold every row of a table against what it should be."""
        for key in expected.keys() | found.keys():
            self.same(f"{what} {key}", expected.get(key, {}), found.get(key, {}))

    def refused(self) -> None:
        """Records that could not be read."""
        for row in self.rows("SELECT * FROM rejected_record ORDER BY seq"):
            where, event = f"rejected record {row['seq']}", self.rejected.pop(row["seq"], None)
            if event is None:
                self.problem("row", where, "no such record", "a row")
                continue
            facts, content = event.facts, {"record": canonical(row["sha256"].hex())}
            by = event.body["subject"] if event.kind == "record_suppressed" else facts.get("suppression")
            place = {name: facts.get(name) for name in ("record", "position", "size")} | {
                "import_id": facts.get("import"),
                "suppression": by,
            }
            self.same(where, place, {name: row[name] for name in place})
            if self.redacted_records.get(row["seq"], -1) >= event.seq:
                self.same(where, {"raw": None, "reason": REDACTED}, {"raw": row["raw"], "reason": row["reason"]}, "content")
                if "kept" in event.body["content"]:
                    self.erased(event, "kept", "reason")
                self.commits(event, content, ("kept", "reason"))
            else:
                kept = sha256(row["raw"] or b"").hexdigest()
                self.commits(event, content | {"kept": canonical(kept), "reason": canonical(row["reason"])})
        self.same("rejected records", dict.fromkeys(self.rejected, "a row"), {})

    def all_documents(self) -> None:
        """Context documents."""
        for row in self.rows("SELECT * FROM context_document"):
            event, created = self.documents.pop(row["uuid"], (None, None))
            if event is None or created is None:
                self.problem("row", f"document {row['uuid']}", "no such document", "a row")
                continue
            facts = event.facts
            expected = {
                "id": created[0],
                "created_at": created[1],
                "seq": event.seq,
                "updated_at": facts.get("updated_at", event.body["at"]),
            }
            expected |= {"document_type": facts["document_type"], "version": facts["version"], "is_global": int(facts["is_global"])}
            rules = facts["targeting_rules"]
            expected |= {"tags": dump(facts["tags"]), "targeting_rules": None if rules is None else dump(rules)}
            self.same(f"document {row['uuid']}", expected, {name: row[name] for name in expected})
            self.commits(event, {"document": canonical({name: row[name] for name in ("title", "description", "content")})})
        self.same("documents", dict.fromkeys(self.documents, "a row"), {})

    def salts(self) -> None:
        """A salt of a single part is there only where the event's own is not."""
        for seq, salts in self.part_salts.items():
            for salt, body in self.conn.execute("SELECT salt, body FROM event WHERE seq = ?", (seq,)).fetchall() or [(b"", b"{}")]:
                if salt is not None or not salts.keys() <= self.parsed(body).get("content", {}).keys():
                    self.problem("row", f"part_salt {seq}", "parts of an event that has no salt", sorted(salts))


def is_passed_over(kind: str, name: str, sql: str) -> bool:
    """Whether an object of a schema is none that rows are read through: a plain index, statistics, a part of the search index."""
    plain = re.fullmatch(r"CREATE INDEX \w+ ON \w+ ?\([\w, ]+\)", sql, re.ASCII)
    parts = {"search_data", "search_idx", "search_docsize", "search_config", "sqlite_stat1", "sqlite_stat4"}
    return (kind == "index" and plain is not None) or (kind == "table" and name in parts)


class Alert:
    """One alert: its events folded, then its rows held against what they come to."""

    def __init__(self, audit: Audit, number: int) -> None:
        """Read its events and its rows."""
        self.audit, self.number, self.state, self.deleted = audit, number, dict[str, Any](), False
        self.redacted: dict[str, int] = {}
        self.withheld: set[int] = set()
        self.synced: Event | None = None
        sql = "SELECT seq, kind, alert_id, salt, body FROM event WHERE alert_id = ? AND seq >= ? ORDER BY seq"
        found = audit.conn.execute(sql, (number, audit.base))
        self.events = [Event(seq, kind, alert, salt, audit.parsed(body)) for seq, kind, alert, salt, body in found]
        self.row = next(audit.rows("SELECT * FROM alert WHERE id = ?", number), None)
        self.records = {row["seq"]: row for row in audit.rows("SELECT * FROM occurrence WHERE alert_id = ? ORDER BY seq", number)}
        self.findings = {row["seq"]: row for row in audit.rows("SELECT * FROM finding WHERE alert_id = ? ORDER BY seq", number)}
        self.links = list(audit.rows(
            "SELECT i.id, i.type || ':' || i.value AS pair, l.seq, i.seq AS first, i.created_at, i.malice, l.occurred_at "
            "FROM alert_indicator l JOIN indicator i ON i.id = l.indicator_id WHERE l.alert_id = ? ORDER BY i.id", number,
        ))  # fmt: skip
        self.where = f"alert {number if self.row is None else self.row['uuid']}"

    def check(self) -> None:
        """Fold, compare, count."""
        audit = self.audit
        for step in (self.fold, self.content):
            for event in self.events:
                try:
                    step(event)
                except FORGED as fault:
                    audit.problem("event", f"event {event.seq}", f"a {event.kind} that follows from the events before it", repr(fault))
        self.registers()
        self.leftovers()
        if self.synced is not None:
            state = self.synced.facts["state"]
            expected = {
                "alert_id": self.number,
                "seq": self.synced.seq,
                "remote_uuid": state.get("uuid"),
                "open": int(bool(state.get("open"))),
            }
            audit.beside("sync_alert", "alert_id", expected | {"state": dump(state)})
        audit.checked["alert"] += self.row is not None
        audit.checked["alert_indicator"] += len(self.links)
        audit.checked["occurrence"] += len(self.records)
        audit.checked["finding"] += len(self.findings)
        if self.deleted:
            audit.deleted[self.number] = self.state.get("uuid", "")
        if self.deleted or "content" in self.redacted:
            audit.gone.add(self.number)

    def fold(self, event: Event) -> None:
        """Take in the next event: the registers go by plain last-event-wins."""
        body, at = event.body, event.body["at"]
        if event.kind == "alert_ingested":
            facts, new, rule = event.facts, event.new, event.facts.get("rule")
            if rule is not None and self.audit.ruled[rule] > event.seq:
                raise ValueError("a rule that was not there yet", rule)
            self.state = dict.fromkeys(COLUMNS) | {name: new[name] for name in ("severity", "status", "enrichment_status")}
            self.state |= {"uuid": body["subject"], "source_name": facts["source_name"], "predecessor": facts.get("predecessor")}
            self.state |= {"tags": dump(new["tags"] or []), "detection_rule_id": None if rule is None else self.audit.rules[rule]["id"]}
            self.state |= dict.fromkeys(("occurred_at", "last_seen_at"), facts["occurred_at"]) | {"duplicate_count": 0}
            self.state |= {"created_at": facts.get("created_at", at), "ingested_at": at, "updated_at": at, "heads": {"lifecycle": []}}
            self.state["occurred_at_assumed"] = int("occurred_at_assumed" in facts)
        elif event.kind == "alert_carried":
            self.redacted |= event.facts.get("redacted", {})
            self.withheld.update(event.facts.get("withheld", ()))
            self.deleted = "deleted" in event.facts
            self.state = {"uuid": body["subject"]}
            if not self.deleted:
                columns = event.facts["columns"]
                self.state |= columns | {"tags": dump(columns["tags"]), "heads": dict(columns["heads"])}
        else:
            if self.state["uuid"] != body["subject"] or (self.deleted and event.kind not in OF_DELETED):
                raise ValueError("of another alert, or of one that was deleted", body["subject"])
            self.go_on(event)

    def go_on(self, event: Event) -> None:
        """Fold an event that is not the alert's first."""
        state = self.state
        if event.kind == "alert_redacted":
            self.redacted |= dict.fromkeys(event.facts["parts"], event.seq)
            self.audit.redacted_indicators.update(event.facts.get("indicators", ()))
        elif event.kind == "alert_deleted":
            self.deleted = True
        elif event.kind == "alert_synced":
            self.synced = event
        elif event.kind == "alert_aliased":
            self.audit.beside("alias", "uuid", {"uuid": str(event.facts["uuid"]), "alert_id": self.number, "seq": event.seq})
        elif event.kind == "alert_deduplicated":
            state["duplicate_count"] += 1
            state["last_seen_at"] = max(state["last_seen_at"], event.facts["occurred_at"])
        else:
            for name, (old, new) in event.body.get("changes", {}).items():
                before, after = (dump(old), dump(new)) if name == "tags" else (old, new)
                self.audit.same(f"event {event.seq}: before", {name: state[name]}, {name: before}, "event")
                state[name] = after
            if "changes" in event.body:
                state |= event.body.get("sets", {})
            for edit in event.body.get("edits", ()):
                self.edit(event, edit["register"], edit["sup"])
            state["updated_at"] = event.body["at"]

    def edit(self, event: Event, register: str, replaced: list[int]) -> None:
        """An edit made here replaces all edits that stood; one that another store made only those that it knew of."""
        heads = self.state["heads"]
        stood = heads.get(register, [])
        if "store" in event.body.get("origin", ()):
            heads[register] = sorted({seq for seq in stood if seq not in replaced} | {event.seq})
        else:
            self.audit.same(f"event {event.seq}: replaced", {"sup": stood}, {"sup": replaced}, "event")
            heads[register] = [event.seq]

    def is_erased(self, event: Event, part: str) -> bool:
        """Whether a later event says that this part of the alert was erased."""
        return self.redacted.get(part, event.seq) > event.seq

    def content(self, event: Event) -> None:
        """Hold the rows that came with an event against what it says and commits to."""
        audit, record = self.audit, dict[str, bytes]()
        if event.kind in {"alert_ingested", "alert_deduplicated"}:
            row = self.records[event.seq]
            expected = {
                name: event.facts.get(said)
                for name, said in (("import_id", "import"), ("record", "record"), ("occurred_at", "occurred_at"))
            }
            expected["source_name"] = self.state.get("source_name", row["source_name"])
            audit.same(f"occurrence {event.seq}", expected, {name: row[name] for name in expected})
            self.withheld.update({event.seq} if event.facts.get("withheld") else ())
            record["record"] = canonical(row["sha256"].hex())
        if event.kind == "alert_deduplicated":
            audit.commits(event, record)
        elif event.kind in {"alert_ingested", "alert_indicators_added"}:
            self.named(event, record)
        elif event.kind == "alert_finding_added":
            self.finding(event)
        elif event.kind == "alert_carried":
            self.carried(event)

    def named(self, event: Event, content: dict[str, bytes]) -> None:
        """The text and the indicators that came with an event; deleted or redacted, only its record is left."""
        pairs = sorted(link["pair"] for link in self.links if link["seq"] == event.seq)
        if self.row is not None and (event.salt is not None or pairs):
            if event.kind == "alert_ingested":
                content |= {
                    "text": text_of(self.row),
                    "indicators": canonical({"fingerprint": self.row["fingerprint"], "indicators": pairs}),
                }
            else:
                content["indicators"] = canonical(pairs)
            self.audit.commits(event, content)
            return
        self.audit.commits(event, content, ("text", "indicators"))
        if self.row is not None or event.kind != "alert_ingested":
            self.audit.erased(event, "indicators", "text")
        if self.row is not None and not self.is_erased(event, "content"):
            self.audit.problem("content", f"event {event.seq}", "the content that it commits to", "nothing")

    def finding(self, event: Event) -> None:
        """A finding: there, or erased with its alert or by itself."""
        row = self.findings.get(event.seq)
        if self.deleted or self.is_erased(event, "findings"):
            if event.salt is not None or row is not None:
                self.audit.problem("content", f"event {event.seq}", "neither its finding nor its salt, since it was erased", row)
        elif row is None:
            self.audit.problem("row", f"event {event.seq}", "its finding", "no such row")
        else:
            expected = {"uuid": event.facts["finding"], "posted_at": event.body["at"]}
            self.audit.same(f"finding {row['uuid']}", expected, {name: row[name] for name in expected})
            self.audit.commits(event, {"finding": canonical({name: row[name] for name in FINDING})})

    def carried(self, event: Event) -> None:
        """What the alert had when its state was carried."""
        base, alert = self.audit.base, self.row
        links = [[link[name] for name in ("id", "pair", "seq", "first", "created_at")] for link in self.links if link["seq"] < base]
        names = ("seq", "import_id", "record", "source_name", "occurred_at")
        records = [[*(row[name] for name in names), row["sha256"].hex()] for seq, row in self.records.items() if seq < base]
        findings = [[row[name] for name in ("seq", "uuid", "posted_at", *FINDING)] for seq, row in self.findings.items() if seq < base]
        content = {"records": canonical(records)} | ({"findings": canonical(findings)} if findings else {})
        if alert is not None and alert["fingerprint"]:
            content["text"] = text_of(alert)
        if alert is not None and (alert["fingerprint"] or links):
            content["indicators"] = canonical([alert["fingerprint"], links])
        lost = (
            {"text", "indicators", "findings"} & event.body["content"].keys() - content.keys()
            if alert is None or event.salt is None
            else set()
        )
        self.audit.commits(event, content, lost)
        for part in lost if alert is not None else ():
            self.audit.erased(event, part)
            if not self.is_erased(event, "findings" if part == "findings" else "content"):
                self.audit.problem("content", f"event {event.seq}: {part}", "what it commits to", "nothing")

    def registers(self) -> None:
        """The alert's own row."""
        row, audit = self.row, self.audit
        if (row is None) != self.deleted:
            audit.problem(
                "row", self.where, "no row, since it was deleted" if self.deleted else "a row", "a row" if self.deleted else "none"
            )
        elif row is not None:
            worst = max((link["malice"] for link in self.links), key=MALICE.index, default="Pending")
            expected = self.state | {"heads": dump(self.state["heads"]), "malice": self.state["malice_override"] or worst}
            audit.same(self.where, expected, {name: row[name] for name in (*COLUMNS, "malice")})

    def leftovers(self) -> None:
        """Rows that no event accounts for, or that redaction should have erased."""
        audit, row, never = self.audit, self.row, float("-inf")
        kinds = {event.seq: event.kind for event in self.events}
        extra = [seq for seq in self.records if seq >= audit.base and kinds.get(seq) not in {"alert_ingested", "alert_deduplicated"}]
        extra += [seq for seq in self.findings if seq >= audit.base and kinds.get(seq) != "alert_finding_added"]
        for link in self.links:
            is_named = link["seq"] < audit.base or kinds.get(link["seq"]) in {"alert_ingested", "alert_indicators_added"}
            if (
                not is_named
                or row is None
                or link["occurred_at"] != row["occurred_at"]
                or link["seq"] < self.redacted.get("content", never)
            ):
                extra.append(link["seq"])
        extra += [seq for seq in self.findings if seq < self.redacted.get("findings", never)]
        for seq, record in self.records.items():
            is_erased = seq < self.redacted.get("record", never)
            if (record["raw"] is None) != is_erased and (is_erased or seq not in self.withheld):
                audit.problem("content", f"occurrence {seq}: raw", "bytes, unless they were redacted", record["raw"] and "bytes")
            elif record["raw"] is not None and sha256(record["raw"]).digest() != record["sha256"]:
                audit.problem("content", f"occurrence {seq}: raw", record["sha256"].hex(), sha256(record["raw"]).hexdigest())
        if extra:
            audit.problem("row", self.where, "rows that events account for", {"events": extra})
        if (
            row is not None
            and "content" in self.redacted
            and (row["title"], row["description"], row["fingerprint"]) != (REDACTED, None, "")
        ):
            audit.problem("content", self.where, "no text, since it was redacted", "text")
        if unknown := self.redacted.keys() - {"record", "content", "findings"}:
            audit.problem("event", self.where, "parts that can be redacted", sorted(unknown))


# --- signatures, what was kept outside, bundles, proofs ---


class Report:
    """What a check came to."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.problems: list[Problem] = []
        self.unchecked: list[str] = []
        self.counts: dict[str, int] = {}
        self.size, self.root, self.assurance, self.signed_size = 0, "", "unsigned", 0

    def problem(self, kind: str, where: str, expected: object, found: object) -> None:
        """Note what does not hold."""
        self.problems.append(Problem(kind, where, expected, found))

    def verdict(self) -> str:
        """In a word."""
        kinds = {problem.kind for problem in self.problems}
        if "damage" in kinds:
            return "damaged"
        return "sound" if not kinds else "could not check" if kinds == {"unchecked"} else "tampered"

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON."""
        found = (re.match(r"event (\d+)", problem.where) for problem in self.problems)
        first_bad = min((int(one[1]) for one in found if one), default=None)
        problems = [{"kind": p.kind, "where": p.where, "expected": p.expected, "found": p.found} for p in self.problems[:MOST]]
        return {"verdict": self.verdict(), "ok": not self.problems, "assurance": self.assurance, "signed_size": self.signed_size,
                "size": self.size, "root": self.root, "checked": self.counts, "first_bad": first_bad, "problems": problems,
                "unchecked": self.unchecked}  # fmt: skip


class Kept(NamedTuple):
    """What was kept outside: a key that is trusted (hex); a checkpoint as (size, root hex), and its note; receipts by store."""

    key: str | None = None
    checkpoint: tuple[int, str] | None = None
    note: str | None = None
    receipts: list[tuple[str, int, str]] | None = None


def check_store(conn: sqlite3.Connection, kept: Kept) -> tuple[Report, Audit]:
    """Hold an open store against its history, its signatures, and what was kept outside."""
    report = Report()
    audit = Audit(conn, [*([kept.checkpoint[0]] if kept.checkpoint else []), *(size for _, size, _ in kept.receipts or ())])
    audit.run()
    report.problems += audit.problems
    report.size, report.root = audit.size, audit.tree.root().hex()
    report.counts = {"events": audit.size - audit.begun, "alerts": audit.checked["alert"], "records": audit.checked["occurrence"]}
    report.unchecked.append("the search index")
    if audit.begun:
        report.unchecked.append(f"events 1 to {audit.begun}: they were pruned")
    try:
        check_outside(report, audit, kept)
        check_signatures(report, audit, kept.key)
    except FORGED as fault:
        report.problem("signature", "the signatures", "what a store could have written", repr(fault))
    return report, audit


def origin_of(audit: Audit) -> str:
    """The name that the store's log, and its keys, go by."""
    return f"alertstore/{audit.settings.get('store_id')}"


def check_outside(report: Report, audit: Audit, kept: Kept) -> None:
    """Hold the history against a checkpoint, and receipts, that were kept outside the file."""
    mine = [(size, root) for store, size, root in kept.receipts or () if store == audit.settings.get("store_id")]
    if kept.receipts is not None and not mine:
        report.problem("unchecked", "the receipts", "receipts of this store", "none")
    if kept.note is not None:
        keys = {key for _, key in audit.keys} | ({kept.key} if kept.key else set())
        text, by = signers(kept.note, origin_of(audit), keys)
        if read_checkpoint(text)[0] != origin_of(audit) or not by:
            report.problem("signature", "the checkpoint", f"a note signed for {origin_of(audit)} by one of its keys", text)
    for size, root in [*([kept.checkpoint] if kept.checkpoint else []), *mine]:
        if size > audit.size:
            report.problem("rollback", "the history", f"at least {size} events", audit.size)
        elif size < audit.begun:
            report.unchecked.append(f"the checkpoint of {size} events: the history before it was pruned")
        elif audit.roots.get(size) != root:
            report.problem("rewritten", f"the history up to event {size}", root, audit.roots.get(size))
        else:
            report.assurance = "anchored"


def check_signatures(report: Report, audit: Audit, trusted: str | None) -> None:
    """Hold signed checkpoints against the tree, the keys that the history names, and the key that is trusted.

    An epoch begins with the event that names its key, and ends where the next one is named; the old key signs there for the last time.
    """
    keys, origin = audit.keys, origin_of(audit)
    good: list[list[int]] = [[] for _ in keys]
    seen: list[list[int]] = [[] for _ in keys]
    ends = [*(since for since, _ in keys[1:]), None]
    for size, epoch, note in audit.notes:
        where = f"signed checkpoint {size} of epoch {epoch}"
        try:
            if epoch < 0:
                raise ValueError("epochs are counted from 0")
            (since, key), end = keys[epoch], ends[epoch]
            text, by = signers(note, origin, [key])
            name, said, root = read_checkpoint(text)
        except FORGED as fault:
            report.problem("signature", where, "a signed note of one of the store's epochs", repr(fault))
            continue
        if (name, said) != (origin, size) or not since <= size <= (size if end is None else end) or not by:
            report.problem("signature", where, f"{origin}, of a size in its epoch, signed by {key}", text)
        elif size >= audit.begun and audit.roots.get(size) != root:
            report.problem("rewritten", f"the history up to event {size}", root, audit.roots.get(size))
        else:
            good[epoch].append(size)
            if size >= audit.begun:  # what was signed can be looked up
                seen[epoch].append(size)
    for epoch, sizes in enumerate(good):
        if not sizes or (ends[epoch] is not None and ends[epoch] not in sizes):
            report.problem("signature", f"epoch {epoch}", f"a signed checkpoint at event {ends[epoch] or 'since its key was set'}", sizes)
    if trusted is not None:
        check_trusted(report, audit, seen, trusted)
    elif keys:
        report.unchecked.append("whose the signing keys are: no key was given")


def check_trusted(report: Report, audit: Audit, seen: list[list[int]], trusted: str) -> None:
    """How far the trusted key vouches for the store, given the sizes that each epoch's key signed and whose roots are right."""
    if trusted not in (named := [key for _, key in audit.keys]):
        report.problem("signature", "the key", "one that the history names", trusted)
    elif not report.problems:
        size = vouched(audit, seen, named.index(trusted))
        if size <= audit.base:
            report.problem(
                "unchecked", "the key", f"a checkpoint of more than {audit.base} events, signed by it or a key that it vouches for", size
            )
            return
        report.assurance, report.signed_size = "signed", size
        if report.signed_size < report.size:
            report.unchecked.append(f"who wrote events {report.signed_size + 1} to {report.size}: no checkpoint after them was signed")


def vouched(audit: Audit, seen: list[list[int]], epoch: int) -> int:
    """How far the key of an epoch vouches: for what it signed, and for what each key after it signed whose name it has signed.

    A pruned history names the keys of before in the event that opens the carried state; only who signed that vouches for them.
    """
    bodies = audit.conn.execute("SELECT seq, body FROM event WHERE kind = 'signing_key_set'")
    set_here, size = {(seq, audit.parsed(body)["facts"]["public_key"]) for seq, body in bodies}, 0
    for place, one in list(enumerate(audit.keys))[epoch:]:
        if place > epoch and size < (one[0] if one in set_here else audit.base):
            break
        size = max([size, *seen[place]])
    return size


def check_file(path: Path, kept: Kept) -> tuple[Report, Audit]:
    """Check a store's file, which is not changed and beside which nothing is written."""
    for beside in ("-wal", "-journal"):
        if os.path.exists(f"{path}{beside}") and os.path.getsize(f"{path}{beside}"):
            raise CannotCheckError(f"{path} is not sealed: {path.name}{beside} holds a part of it; seal it, or check it with alertstore")
    if read(path, 16) != b"SQLite format 3\0":
        raise CannotCheckError(f"{path} is not an SQLite database")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as conn:
        return check_store(conn, kept)


def check_bundle(folder: Path, kept: Kept) -> Report:
    """Check a sealed bundle: the store, and its MANIFEST."""
    text = read(folder / "MANIFEST").decode()
    first, *lines = text.partition("\n\n")[0].rstrip("\n").split("\n")
    said = dict(line.split(" ", 1) for line in lines)
    if first != "alertstore seal 1" or list(said) != MANIFEST:
        raise CannotCheckError(f"{folder / 'MANIFEST'} is not the manifest of a sealed store")
    if said["file"] != os.path.basename(said["file"]) or said["file"] in {"", ".", ".."}:
        raise CannotCheckError("the MANIFEST names a file outside the bundle")
    path = folder / said["file"]
    read(path, 16)  # refuses what is no file
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    report, audit = check_file(path, kept)
    found = {
        "store": audit.settings.get("store_id"),
        "bytes": path.stat().st_size,
        "sha256": digest,
        "events": audit.size,
        "root": report.root,
    }
    found |= {"sealed_at": (EPOCH + timedelta(microseconds=audit.sealed_at)).isoformat() + "Z", "sealed_by": json.dumps(audit.sealed_by)}
    for name, value in found.items():
        if said[name] != str(value):
            report.problem("manifest", f"MANIFEST: {name}", said[name], value)
    if not audit.is_sealed:
        report.problem("manifest", "setting sealed", "yes", "not sealed, or written to since")
    if "\n\n" in text:
        by = signers(text, origin_of(audit), [key for _, key in audit.keys[-1:]])[1]
        if not by:
            report.problem("signature", "MANIFEST", "a signature by the store's key", "none that holds")
    elif kept.key is not None:
        report.unchecked.append("who made the MANIFEST: it is not signed")
    return report


def inclusion_root(place: int, size: int, leaf: bytes, path: list[bytes]) -> bytes:
    """The root that a path leads to from leaf number `place`, from 0 (RFC 9162, 2.1.3)."""
    if size == 1:
        if path:
            raise ValueError("the path is too long")
        return leaf
    left = 1 << (size - 1).bit_length() - 1
    if place < left:
        return node(inclusion_root(place, left, leaf, path[:-1]), path[-1])
    return node(path[-1], inclusion_root(place - left, size - left, leaf, path[:-1]))


def consistency_roots(old: int, size: int, path: list[bytes], known: bytes | None) -> tuple[bytes, bytes]:
    """The roots of `old` and of `size` leaves that a path leads to; `known` is the old one, where the path leaves it out (2.1.4)."""
    if old == size:
        if known is not None and not path:
            return known, known
        (one,) = path
        return one, one
    left = 1 << (size - 1).bit_length() - 1
    if old <= left:
        before, after = consistency_roots(old, left, path[:-1], known)
        return before, node(after, path[-1])
    before, after = consistency_roots(old - left, size - left, path[:-1], None)
    return node(path[-1], before), node(path[-1], after)


def read_proof(text: str) -> tuple[Row, list[bytes]]:
    """A proof, well formed, and its path. Raises `CannotCheckError` for anything else."""
    try:
        said = json.loads(text, object_pairs_hook=without_repeats)
        own = {"inclusion": {"seq", "body"}, "consistency": {"old_size", "old_root"}}[said["kind"]]
        hashes = [*said["path"], *(said[name] for name in ("root", "old_root") if name in said)]
        if said["format"] != "alertstore-proof-1" or said.keys() != own | {"format", "kind", "store_id", "size", "root", "path", "note"}:
            raise ValueError("not a proof of the format alertstore-proof-1")
        if len(hashes) > 66 or not all(re.fullmatch("[0-9a-f]{64}", one) for one in hashes):
            raise ValueError("a hash that is none, or too many")
        if not all(type(said[name]) is int and 0 <= said[name] < 1 << 53 for name in ("size", "seq", "old_size") if name in said):
            raise ValueError("a number that is none")
    except FORGED as fault:
        raise CannotCheckError(f"not a proof: {fault!r}") from fault
    return said, [bytes.fromhex(one) for one in said["path"]]


def check_proof(text: str, kept: Kept) -> Report:
    """Check a proof that an event is in a history, or that a history continues an earlier one."""
    report, (said, path) = Report(), read_proof(text)
    origin, size, root, by = f"alertstore/{said['store_id']}", said["size"], said["root"], list[str]()
    report.size, report.root = size, root
    try:
        if said["kind"] == "inclusion":
            check_body(said["body"], said["seq"])
            leaf = sha256(b"\x00" + said["body"].encode()).digest()
            holds = 1 <= said["seq"] <= size and inclusion_root(said["seq"] - 1, size, leaf, path).hex() == root
        else:
            holds = follows(said["old_size"], bytes.fromhex(said["old_root"]), size, bytes.fromhex(root), path)
        if not holds:
            report.problem("proof", "the path", f"one that leads to the root {root}", "another")
        if said["note"] is not None:
            note, by = signers(said["note"], origin, [kept.key] if kept.key else [])
            if read_checkpoint(note) != (origin, size, root):
                report.problem("signature", "the note", f"{origin}, {size}, {root}", note)
    except FORGED as fault:
        report.problem("proof", "the proof", "a path that leads to the root, and a signed checkpoint", repr(fault))
    if kept.key is not None and not by:
        report.problem("signature", "the note", f"a signature by {kept.key}", "none that holds")
    ends = {size: root} | ({said["old_size"]: said["old_root"]} if said["kind"] == "consistency" else {})
    if kept.checkpoint is not None and kept.checkpoint[0] not in ends:
        report.problem("unchecked", "the checkpoint", f"one of {' or '.join(map(str, ends))} events", kept.checkpoint[0])
    elif kept.checkpoint is not None and kept.checkpoint[1] != ends[kept.checkpoint[0]]:
        report.problem("rewritten", f"the history up to event {kept.checkpoint[0]}", kept.checkpoint[1], ends[kept.checkpoint[0]])
    if by and not report.problems:
        report.assurance, report.signed_size = "signed", size
    elif kept.checkpoint and not report.problems:
        report.assurance = "anchored"
    return report


def follows(old: int, old_root: bytes, size: int, root: bytes, path: list[bytes]) -> bool:
    """Whether a path shows that a log continues an earlier one. Every log begins with the empty one, and with itself."""
    empty = sha256(b"").digest()
    if old in {0, size}:
        return not path and (old_root == root or old < size) and (old > 0 or old_root == empty)
    return 0 < old < size and consistency_roots(old, size, path, old_root) == (old_root, root)


def check_body(text: str, seq: int) -> None:
    """Raise ValueError where a body is not canonical JSON that says it is event `seq`: nobody may read two events in one."""
    check_depth(text)
    said = json.loads(text)
    if dump(said) != text or type(said["seq"]) is not int or said["seq"] != seq:
        raise ValueError(f"not the body of an event with the number {seq}")


def check_depth(text: str) -> None:
    """Raise ValueError where objects and lists are nested too deep."""
    depth = 0
    for mark in re.findall(r'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', text, re.DOTALL):
        depth += (mark in "[{") - (mark in "]}")
        if depth > DEEPEST:
            raise ValueError("nested too deep")


def without_repeats(pairs: list[tuple[str, Any]]) -> Row:
    """A JSON object; ValueError where a key is there twice."""
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a key is there twice")
    return dict(pairs)


# --- bundles ---

MEMBERS = ("README.txt", "MANIFEST", "alerts.jsonl", "events.jsonl", "proof.json", "verify.py")
BUNDLE = ("store", "since", "size", "root", "made_at", "made_by", "alerts", "events", "records", "payloads", "alertstore", "schema")
COUNTS = ("since", "size", "alerts", "events", "records", "schema")
LINE = {
    "uuid", "aliases", "source_name", "title", "description", "fingerprint", "occurred_at", "created_at", "rule", "events", "indicators",
    "records", "findings", "sync",
}  # fmt: skip
OF_ALERTS = {
    "ingested", "deduplicated", "status_updated", "closed", "reclassified", "severity_updated", "tags_updated", "malice_updated",
    "conflict_resolved", "finding_added", "indicators_added", "aliased", "synced", "enrichment_completed",
}  # fmt: skip
TEXTS = {"name", "source_rule_id", "source_name", "severity", "run_frequency", "created_by", "documentation"}
LISTS = {"mitre_tactics", "mitre_techniques", "mitre_subtechniques", "data_sources"}
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
FIRST, LAST = -8_520_336_000_000_000, 8_835_984_000_000_000  # microseconds: the years 1700 to 2249
LONGEST = {"line": 64 << 20, "record": 16 << 20, "body": 1 << 20, "text": 4 << 20, "manifest": 1 << 20, "events": 64 << 20}
dump_ascii = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


class Packed(NamedTuple):
    """A member of an archive: its name, CRC-32, bytes packed and unpacked, and where its header stands."""

    name: str
    checksum: int
    packed: int
    size: int
    place: int

    def headers(self) -> tuple[bytes, bytes]:
        """Its two headers, before its content and in the directory: all that there is in them follows from the above."""
        said = struct.pack("<5H3I2H", 20, 0, 8, 0, 33, self.checksum, self.packed, self.size, len(self.name), 0)
        name = self.name.encode()
        return b"PK\3\4" + said + name, b"PK\1\2\x14\3" + said + struct.pack("<3H2I", 0, 0, 0, 0o100644 << 16, self.place) + name


def must(holds: object, *words: object) -> None:
    """Raise ValueError unless it holds."""
    if not holds:
        raise ValueError(" ".join(map(str, words)))


def is_text(value: object) -> bool:
    """Whether it is text without NUL."""
    return type(value) is str and "\0" not in value


def is_time(value: Any) -> bool:
    """Whether it is a time that a store can keep."""
    return type(value) is int and FIRST <= value < LAST


def brief(fault: BaseException) -> str:
    """A fault in a line: some of them quote all that they were given."""
    return (str(fault) if type(fault) is ValueError else f"{type(fault).__name__}: {fault}")[:400]


def known(text: str) -> None:
    """Raise `CannotCheckError` where a MANIFEST is of a format that this program does not know; ValueError where it is none."""
    number = re.match(r"alertstore bundle ([1-9][0-9]{0,8})\n", text)
    must(number, "its MANIFEST does not begin with: alertstore bundle 1")
    if number and number[1] != "1":
        raise CannotCheckError(f"the bundle was made by a newer alertstore: it is of format {number[1]}")


def refuse(number: str) -> NoReturn:
    """For numbers that no body has."""
    raise ValueError(f"the number {number[:40]}")


def whole_number(digits: str) -> int:
    """An integer that every reader of JSON can hold."""
    return int(digits) if len(digits) < 18 and abs(int(digits)) < 1 << 53 else refuse(digits)


def spelled(raw: bytes) -> Any:
    """A line as JSON; ValueError where it is not spelled in the one way."""
    text = raw.decode("ascii")
    if len(text) > 1 << 20:
        marks = sum(map(re.sub(r'"(?:[^"\\]++|\\.)*+"?', "", text, flags=re.DOTALL).count, "[{,"))
        must(6 * marks <= len(text), "more values than a line of its length has")
    said = json.loads(text, parse_int=whole_number, parse_float=refuse, parse_constant=refuse)
    must(dump_ascii(said) == text, "not JSON in its one spelling")
    canonical(said)  # raises for half of a surrogate pair
    return said


def is_like(pattern: str, value: object) -> bool:
    """Whether it is text of that form."""
    return type(value) is str and re.fullmatch(pattern, value) is not None


class Stick:
    """A bundle, as it goes from store to store on a stick: `check` raises ValueError where anything of it does not hold."""

    def __init__(self, file: IO[bytes]) -> None:
        """Look at an open file."""
        self.file, self.size = file, file.seek(0, os.SEEK_END)
        self.members, self.said, self.note = dict[str, Packed](), dict[str, Any](), ""
        self.leaves, self.keys, self.stores, self.records = dict[int, bytes](), list[str](), list[object](), 0

    def check(self, trusted: str | None) -> list[str]:
        """Check all of it; the keys that signed it, of the one that is trusted, or else of the one that its own store named last."""
        self.archive()
        self.manifest()
        for name in ("README.txt", "verify.py"):
            self.whole(name, LONGEST["text"])
        self.events()
        by = self.signed(trusted)
        self.alerts()
        must(len(self.leaves) == self.said["events"], len(self.leaves), "events, and the MANIFEST says", self.said["events"])
        self.proof()
        return by

    def at(self, place: int, length: int) -> bytes:
        """Bytes of the file."""
        self.file.seek(place)
        return self.file.read(length)

    def archive(self) -> None:
        """The headers of the archive: there is one way to write them, so every byte of them is known."""
        must(22 <= self.size < 1 << 32, "too short, or too large")
        *_, number, length, start, comment = struct.unpack("<4s4H2IH", end := self.at(self.size - 22, 22))
        must(end[:4] == b"PK\5\6" and not comment and start + length == self.size - 22, "cut off, or something was added to it")
        must(number <= 64 and length < 10_000, "too many members")
        listed, found = self.at(start, length), list[Packed]()
        while listed:
            must(len(listed) >= 46, "a damaged directory")
            checksum, packed, size, named, extra, remark, *_, place = struct.unpack_from("<3I5H2I", listed, 16)
            found.append(Packed(listed[46 : 46 + named].decode("ascii"), checksum, packed, size, place))
            listed = listed[46 + named + extra + remark :]
        self.members = {one.name: one for one in found}
        if "MANIFEST" in self.members:
            known(next(self.pieces("MANIFEST"), b"")[:64].decode(errors="replace"))
        must([one.name for one in found] == list(MEMBERS), "other members than", *MEMBERS)
        edge = 0
        for one in (self.members[name] for name in (*MEMBERS[2:], *MEMBERS[:2])):  # the order in which they stand
            before = one.headers()[0]
            must(
                one.place == edge and self.at(edge, len(before)) == before, one.name, "does not follow, or its header is not as it must be"
            )
            edge += len(before) + one.packed
        expected = b"".join(one.headers()[1] for one in found)
        expected += struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 6, 6, len(expected), edge, 0)
        must(self.at(edge, self.size) == expected, "a directory that is not as it must be")
        total = sum(one.size for one in found)
        must(total < 1 << 32 and total <= (256 << 20) + 100 * self.size, "larger, unpacked, than it may be")

    def pieces(self, name: str) -> Iterator[bytes]:
        """The content of a member; ValueError at its end, where that, or the content, is not what headers and MANIFEST say."""
        one, inflate, packed = self.members[name], zlib.decompressobj(-15), b""
        place, left, digest, checksum, size = one.place + 30 + len(name), one.packed, sha256(), 0, 0
        while not inflate.eof:
            if not packed:
                packed = self.at(place, min(left, 1 << 18))
                place, left = place + len(packed), left - len(packed)
            content = inflate.decompress(packed, 1 << 20)
            must(packed or content or inflate.eof, name, "is cut off")
            packed, size, checksum = inflate.unconsumed_tail, size + len(content), zlib.crc32(content, checksum)
            must(size <= one.size, name, "is larger than its header says")
            digest.update(content)
            yield content
        must(not left and not packed and not inflate.unused_data, name, "goes on after its end")
        must((size, checksum) == (one.size, one.checksum), name, "is not what its header says")
        must(self.said.get(name, (digest.hexdigest(), size)) == (digest.hexdigest(), size), name, "is not what the MANIFEST says")

    def whole(self, name: str, most: int) -> bytes:
        """The content of a small member."""
        must(self.members[name].size <= most, name, "is larger than it may be")
        return b"".join(self.pieces(name))

    def lines(self, name: str) -> Iterator[tuple[str, Any]]:
        """Each line of a member: where it stands, and what it says."""
        number, rest = 0, b""
        for piece in self.pieces(name):
            *whole, rest = (rest + piece).split(b"\n")
            must(len(rest) <= LONGEST["line"], name, "has a line that is longer than it may be")
            for raw in whole:
                number += 1
                try:
                    yield f"{name}, line {number}", spelled(raw)
                except FORGED as fault:
                    raise ValueError(f"{name}, line {number}: {brief(fault)}") from fault
        must(not rest, name, "does not end with the end of a line")

    def manifest(self) -> None:
        """What the bundle says it holds."""
        text = self.whole("MANIFEST", LONGEST["manifest"]).decode()
        known(text)
        if "\n\n" in text:
            self.note, (text, _) = text, read_note(text)
        first, *rest, end = text.split("\n")
        said: dict[str, Any] = dict(line.split(" ", 1) for line in rest[: len(BUNDLE)])
        must(first and not end and list(said) == list(BUNDLE), "the lines of the MANIFEST are", *BUNDLE)
        for name in COUNTS:
            must(is_like("0|[1-9][0-9]{0,15}", said[name]), name, "is not a whole number")
            said[name] = whole_number(said[name])
        if said["schema"] > 1:
            raise CannotCheckError("the bundle was made by a newer alertstore")
        forms = {"store": "[!-*,-~]{1,255}", "root": "[0-9a-f]{64}", "payloads": "yes|no", "alertstore": "[!-~]{1,64}"}
        forms["made_at"] = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z"
        for name, form in forms.items():
            must(is_like(form, said[name]), name, "is not what it must be")
        by = json.loads(said["made_by"])
        must(said["schema"] == 1 and type(by) is str and json.dumps(by) == said["made_by"], "schema or made_by is not what it must be")
        found = [re.fullmatch("member ([0-9a-f]{64}) (0|[1-9][0-9]{0,15}) ([!-~]+)", line) for line in rest[len(BUNDLE) :]]
        must([one and one[3] for one in found] == [name for name in MEMBERS if name != "MANIFEST"], "the MANIFEST names other members")
        self.said = said | {one[3]: (one[1], int(one[2])) for one in found if one}

    def events(self) -> None:
        """The events that are none of alerts: they say which store it is, and name its keys."""
        last = 0
        must(self.members["events.jsonl"].size <= LONGEST["events"], "events.jsonl is larger than it may be")
        for where, one in self.lines("events.jsonl"):
            seq, said = self.event(one)
            must(seq > last and not said["kind"].startswith("alert_") and one["salt"] is None, where, "does not belong there")
            last, kind = seq, said["kind"]
            if kind == "store_created":
                self.stores.append(said["facts"].get("store_id"))
            elif kind == "signing_key_set":
                self.keys.append(said["facts"]["public_key"])
            elif kind in {"history_pruned", "store_salvaged"}:
                self.stores.append(said["facts"]["settings"]["store_id"])
                self.keys += [key for _, key in said["facts"]["keys"]]
        must(set(self.stores) == {self.said["store"]}, "its events are not those of the store", self.said["store"])

    def signed(self, trusted: str | None) -> list[str]:
        """The keys that signed the MANIFEST, of those that it must be signed by."""
        must(all(is_like("[0-9a-f]{64}", key) for key in (self.keys if self.note and not trusted else ())), "a key that is none")
        keys = [trusted] if trusted else self.keys[-1:]
        by = signers(self.note, f"alertstore/{self.said['store']}", keys)[1] if self.note else []
        must(by or not (trusted or self.note), "its MANIFEST is not signed by", *(keys or ["a key that its store names"]))
        return by

    def event(self, one: Any) -> tuple[int, Any]:
        """An event that is well formed: its number and body. Its leaf is noted."""
        must(type(one) is dict and one.keys() == {"body", "salt"} and type(said := one["body"]) is dict, "an event holds body and salt")
        seq, salt = said["seq"], one["salt"]
        must(type(seq) is int and seq > 0 and type(said["v"]) is int and said["v"] == 1, "no number, or another version")
        must(all(type(said[name]) is str for name in ("kind", "subject", "actor")) and is_time(said["at"]), f"event {seq} is not whole")
        body = canonical(said)
        must(len(body) <= LONGEST["body"], f"event {seq} is larger than it may be")
        if body.count(b"{") + body.count(b"[") > DEEPEST:
            check_depth(body.decode())
        must(("content" in said) == (salt is not None) or not said["kind"].startswith("alert_"), f"event {seq}: a salt for content only")
        must(salt is None or ("content" in said and is_like("[0-9a-f]{32}", salt)), f"event {seq}: no salt")
        must(seq not in self.leaves, f"event {seq} is there twice")
        self.leaves[seq] = sha256(b"\0" + body).digest()
        return seq, said

    def alerts(self) -> None:
        """Every alert, and how many there are."""
        uuids = set[str]()
        for number, (where, line) in enumerate(self.lines("alerts.jsonl"), 1):
            try:
                self.alert(line)
                uuids.add(line["uuid"])
                must(len(uuids) == number, "an alert that is there twice")
            except FORGED as fault:
                raise ValueError(f"{where}: {brief(fault)}") from fault
        must(
            (len(uuids), self.records) == (self.said["alerts"], self.said["records"]),
            "alerts or records are not as many as the MANIFEST says",
        )

    def alert(self, line: Any) -> None:
        """An alert: its events in order, and all content against them."""
        must(type(line) is dict and line.keys() == LINE, "not the line of an alert")
        self.head(line)
        held: dict[str, set[str]] = {"indicators": set(), "records": set(), "findings": set()}
        last, aliases, synced = 0, list[str](), (0, None)
        for number, one in enumerate(line["events"]):
            seq, said = self.event(one)
            kind, facts, key, content = said["kind"], said.get("facts", {}), str(seq), dict[str, bytes]()
            must(
                kind.startswith("alert_") and kind[6:] in OF_ALERTS and (kind == "alert_ingested") == (not number), f"event {seq}: a {kind}"
            )
            must(said["subject"] == line["uuid"] and seq > last and type(facts) is dict, f"event {seq} is not in its place")
            must("occurred_at" not in facts or is_time(facts["occurred_at"]), f"event {seq}: no time")
            last = seq
            if kind in {"alert_ingested", "alert_deduplicated"}:
                held["records"].add(key)
                content["record"] = canonical(self.record(line["records"][key]))
            if kind in {"alert_ingested", "alert_indicators_added"}:
                held["indicators"].add(key)
                pairs = line["indicators"][key]
                must(type(pairs) is list and all(type(pair) is str and ":" in pair for pair in pairs), f"event {seq}: no indicators")
                must(sorted(set(pairs)) == pairs, f"event {seq}: indicators out of order")
                content["indicators"] = canonical(pairs)
            if kind == "alert_ingested":
                content["indicators"] = canonical({"fingerprint": line["fingerprint"], "indicators": pairs})
                content["text"] = text_of(line)
                again = {"source_name": None, "occurred_at": None, "rule": None, "created_at": said["at"]} | facts
                found = {"rule": line["rule"] and line["rule"]["uuid"]} | {
                    name: line[name] for name in ("source_name", "occurred_at", "created_at")
                }
                must({name: again[name] for name in found} == found and is_text(line["source_name"]), "not what its first event says")
            elif kind == "alert_finding_added":
                held["findings"].add(key)
                content["finding"] = self.finding(line["findings"][key], said)
            elif kind == "alert_aliased":
                aliases.append(facts["uuid"])
            elif kind == "alert_synced":
                synced = seq, facts.get("state")
            self.opens(seq, said, one["salt"], content)
        must(last and all(line[name].keys() == seqs for name, seqs in held.items()), "content of other events than have some, or no events")
        must(sorted(line["aliases"]) == sorted(aliases) and len(set(aliases)) == len(aliases), "aliases that its events do not say")
        self.known(line["sync"], *synced)

    def known(self, sync: Any, seq: int, state: Any) -> None:
        """Hold what a line says of sync against the last event of it; `seq` is 0 where there is none."""
        must((sync is not None) == (seq > 0), "sync without an event that says so, or the other way round")
        if sync is not None:
            must(canonical(sync["state"]) == canonical(state), f"sync: state is not what event {seq} says")
            must(sync["observed"] == state.get("observed", [self.said["store"], seq]), f"sync: observed is not what event {seq} says")

    def opens(self, seq: int, said: Row, salt: str | None, content: Mapping[str, bytes]) -> None:
        """Hold content against what an event commits to."""
        committed = said.get("content", {})
        must(committed.keys() == content.keys() and ("content" in said) == bool(content), f"event {seq}: other content than it commits to")
        for part, value in content.items():
            own = sha256(bytes.fromhex(salt or "") + part.encode()).digest()[:16]
            must(committed[part] == sha256(b"\x10" + own + value).hexdigest(), f"event {seq}: {part} is not what it commits to")

    def record(self, record: Any) -> str:
        """The digest of a record, which is that of its bytes where they are there."""
        digest, raw, self.records = record["sha256"], b"", self.records + 1
        must(is_like("[0-9a-f]{64}", digest), "a record without its SHA-256")
        if record.keys() != {"sha256"}:
            must(self.said["payloads"] == "yes", "a record, where the MANIFEST says that there are none")
            must(record.keys() in ({"sha256", "text"}, {"sha256", "base64"}), "a record holds sha256, and text or base64")
            raw = record["text"].encode() if "text" in record else base64.b64decode(record["base64"], validate=True)
            must("text" in record or base64.b64encode(raw).decode() == record["base64"], "base64 that is not spelled the one right way")
            must(len(raw) <= LONGEST["record"] and sha256(raw).hexdigest() == digest, "a record that is not what its SHA-256 says")
        return str(digest)

    def finding(self, finding: Any, said: Row) -> bytes:
        """The content of a finding."""
        must(finding.keys() == {"id", "posted_at", *FINDING} and is_time(finding["posted_at"]), "not a finding")
        must((finding["id"], finding["posted_at"]) == (said["facts"].get("finding"), said["at"]), "a finding with another id or time")
        must(
            all(is_text(finding[name]) or (finding[name] is None and name not in FINDING[:2]) for name in FINDING), "a finding without text"
        )
        if finding["evidence"] is not None:
            check_depth(finding["evidence"])
            json.loads(finding["evidence"], parse_constant=refuse)
        return canonical({name: finding[name] for name in FINDING})

    def head(self, line: Row) -> None:
        """What an alert's line says before its events."""
        rule, sync = line["rule"], line["sync"]
        uuids = [line["uuid"], *line["aliases"], *([] if rule is None else [rule["uuid"]])]
        must(type(line["aliases"]) is list and all(is_like(UUID, one) for one in uuids), "an alert, or a rule, without a uuid")
        must(is_text(line["title"]) and (line["description"] is None or is_text(line["description"])), "an alert without text")
        must(
            is_like("[0-9a-f]{32}", line["fingerprint"]) and is_time(line["occurred_at"]) and is_time(line["created_at"]),
            "no time, or no fingerprint",
        )
        must(type(line["events"]) is list and all(type(line[name]) is dict for name in ("indicators", "records", "findings")), "no events")
        if rule is not None:
            must(
                rule.keys() == {"uuid", "is_active"} | TEXTS | LISTS and type(rule["is_active"]) is bool and is_text(rule["name"]),
                "not a rule",
            )
            must(all(rule[name] is None or is_text(rule[name]) for name in TEXTS), "a rule with what is no text")
            must(all(type(rule[name]) is list and all(map(is_text, rule[name])) for name in LISTS), "a rule with what is no list of text")
        if sync is not None:
            must(
                sync.keys() == {"state", "observed"} and type(sync["state"]) is dict and type(sync["observed"]) is list,
                "sync is not what it must be",
            )
            store, number = sync["observed"]
            must(type(store) is str and type(number) is int and number > 0, "sync: observed is a store and the number of an event")
            check_depth(dump(sync["state"]))

    def proof(self) -> None:
        """Exactly these events are in the history that the MANIFEST names."""
        raw = self.whole("proof.json", 256 + 67 * 64 * (len(self.leaves) + 1))
        said = spelled(raw.removesuffix(b"\n"))
        must(said.keys() == {"size", "root", "hashes"} and type(said["hashes"]) is list, "not a proof")
        must((said["size"], said["root"]) == (self.said["size"], self.said["root"]), "a proof of another history than the MANIFEST names")
        must(all(is_like("[0-9a-f]{64}", one) for one in said["hashes"]), "a hash that is none")
        seqs, hashes = sorted(self.leaves), iter([bytes.fromhex(one) for one in said["hashes"]])
        must(seqs and seqs[-1] <= said["size"], "events that are not among the first", said["size"])
        root = many_root(seqs, self.leaves, hashes, (0, said["size"]))
        must(root.hex() == said["root"] and not list(hashes), "its events are not those of the history with the root", said["root"])


def many_root(seqs: list[int], leaves: Mapping[int, bytes], hashes: Iterator[bytes], part: tuple[int, int]) -> bytes:
    """The root of part of a tree (leaves before it, leaves in it), of which `seqs` are known, and the rest stands in a proof."""
    start, count = part
    if not seqs:
        return next(hashes, b"")
    if count == 1:
        return leaves[seqs[0]]
    left = 1 << (count - 1).bit_length() - 1
    middle = bisect_right(seqs, start + left)
    before = many_root(seqs[:middle], leaves, hashes, (start, left))
    return node(before, many_root(seqs[middle:], leaves, hashes, (start + left, count - left)))


def check_stick(path: Path, kept: Kept) -> Report:
    """Check a bundle: `NAME.asb`."""
    report, by = Report(), list[str]()
    with path.open("rb") as file:
        stick = Stick(file)
        try:
            by = stick.check(kept.key)
        except (*FORGED, zlib.error, struct.error) as fault:
            report.problem("bundle", "the bundle", "one that alertstore could have made", brief(fault))
    said = stick.said
    report.size, report.root = said.get("size", 0), said.get("root", "")
    if report.problems:
        return report
    report.counts = {name: said[name] for name in ("events", "alerts", "records")}
    report.unchecked.append("what detection rules say: no event of the bundle says it")
    if kept.checkpoint is not None and kept.checkpoint[0] != report.size:
        report.problem("unchecked", "the checkpoint", f"one of {report.size} events", kept.checkpoint[0])
    elif kept.checkpoint is not None and kept.checkpoint[1] != report.root:
        report.problem("rewritten", "the history", kept.checkpoint[1], report.root)
    elif kept.key is not None:
        report.assurance, report.signed_size = "signed", report.size
    else:
        report.assurance = "anchored" if kept.checkpoint else "unsigned"
        report.unchecked.append("whose the key is that signed it: no key was given" if by else "who made it: it is not signed")
    return report


# --- the command ---


def read(path: Path, head: int | None = None) -> bytes:
    """The first bytes of a file, or all of them. Raises `CannotCheckError` for what is no file, or too large."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CannotCheckError(f"{path} is not a file")
        with path.open("rb") as file:
            content = file.read(LARGEST + 1 if head is None else head)
    except OSError as fault:
        raise CannotCheckError(f"{path} cannot be read: {fault.strerror}") from fault
    if len(content) > LARGEST:
        raise CannotCheckError(f"{path} is too large")
    return content


def read_key(given: str) -> str:
    """A public key as hex: from 64 hex digits, a C2SP verifier key, or a file that holds one of these, or PEM."""
    text = given.strip()
    if not re.fullmatch("[0-9a-fA-F]{64}", text) and "+" not in text:
        text = read(Path(given)).decode().strip()
    if re.fullmatch("[0-9a-fA-F]{64}", text):
        return text.lower()
    if text.startswith("-----BEGIN PUBLIC KEY-----") and text.endswith("-----END PUBLIC KEY-----"):
        raw = base64.b64decode("".join(text.split("\n")[1:-1]))
        if raw[:12].hex() == "302a300506032b6570032100" and len(raw) == 44:
            return raw[12:].hex()
    name, number, coded = text.split("+", 2)
    raw = unbase64(coded)
    if raw[:1] != b"\x01" or len(raw) != 33 or not is_name(name) or sha256(f"{name}\n".encode() + raw).digest()[:4].hex() != number:
        raise ValueError("not an Ed25519 key")
    return raw[1:].hex()


def read_kept(given: argparse.Namespace) -> Kept:
    """What was kept outside. Raises `CannotCheckError`."""
    what = "--key"
    try:
        key = read_key(given.key) if given.key else None
        checkpoint = note = receipts = None
        if given.checkpoint:
            what, text = "--checkpoint", read(Path(given.checkpoint)).decode()
            if text.lstrip().startswith("{"):
                checkpoint = sized(json.loads(text))
            else:
                note, checkpoint = text, read_checkpoint(read_note(text)[0])[1:]
        if given.receipts:
            what, lines = "--receipts", read(Path(given.receipts)).decode(errors="replace").split("\n")[:-1]  # a last line may be cut off
            receipts = [(str(said["store"]), *sized(said)) for said in map(json.loads, lines)]
    except FORGED as fault:
        raise CannotCheckError(f"{what} {getattr(given, what[2:])}: {fault!r}") from fault
    return Kept(key, checkpoint, note, receipts)


def sized(said: Row) -> tuple[int, str]:
    """Size and root of a checkpoint or receipt; ValueError where they are none."""
    if type(said["size"]) is not int or said["size"] < 0 or not re.fullmatch("[0-9a-f]{64}", said["root"]):
        raise ValueError("not a size and a root", said)
    return said["size"], said["root"]


def check(target: Path, kept: Kept) -> Report:
    """Check a sealed store's folder, a bundle, a proof, or a store's file. Raises `CannotCheckError`."""
    try:
        if target.is_dir():
            return check_bundle(target, kept)
        if (first := read(target, 2))[:1] == b"{":
            return check_proof(read(target).decode(), kept)
        if first == b"PK":
            return check_stick(target, kept)
        return check_file(target, kept)[0]
    except (ValueError, OSError, sqlite3.Error) as fault:
        raise CannotCheckError(f"{target}: {fault!r}") from fault


def printed(report: Report) -> Iterator[str]:
    """The report for people. Values come from a file that anybody may have made: ASCII only, nothing in them acts on a terminal."""
    said = report.as_json()
    yield f"{said['verdict']}; assurance: {report.assurance}" + (f", up to event {report.signed_size}" if report.signed_size else "")
    yield f"{report.size} events, root {report.root}"
    if report.counts:
        yield "checked: " + ", ".join(f"{number} {name}" for name, number in report.counts.items())
    if said["first_bad"] is not None:
        yield f"first bad event: {said['first_bad']}"
    for problem in report.problems[:MOST]:
        where, expected, found = (ascii(value)[:300] for value in (problem.where, problem.expected, problem.found))
        yield f"  {problem.kind}: {where}: expected {expected}, found {found}"
    yield from (f"not checked: {what}" for what in report.unchecked)
    if not report.problems and report.assurance == "unsigned":
        yield "sound, but held against nothing from outside: whoever could write it could have rewritten all of it"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0].split(":")[0])
    parser.add_argument("--key", help="the public key that you trust: 64 hex digits, or a file with those, PEM or a verifier key")
    parser.add_argument("--checkpoint", help="a file that holds a checkpoint (JSON, or a signed note) that was kept elsewhere")
    parser.add_argument("--receipts", help="a file of receipts that was kept elsewhere")
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object")
    parser.add_argument(
        "target", nargs="?", help="a sealed store's folder (default: the one that this file is in), a bundle, a store's file, or a proof"
    )
    given = parser.parse_args(arguments)
    try:
        report = check(Path(given.target or os.path.dirname(os.path.abspath(__file__))), read_kept(given))
    except CannotCheckError as fault:
        report = Report()
        report.problem("unchecked", "the target", "something that can be checked", str(fault))
    text = json.dumps(report.as_json(), default=repr, sort_keys=True) if given.json else "\n".join(printed(report))
    sys.stdout.write(text + "\n")
    return {"sound": 0, "could not check": 4}.get(report.verdict(), 6)


if __name__ == "__main__":
    sys.exit(main())
