"""Bundles to read, and to tamper with: made from real stores, by an exporter that only tests use."""

from __future__ import annotations

import io
import json
import sqlite3
import struct
import warnings
import zipfile
from base64 import b64encode
from contextlib import closing
from functools import partial
from hashlib import sha256
from pathlib import Path

from alertstore import verifier
from alertstore.domain.bundle import MEMBERS, WRITTEN, BundleFacts
from alertstore.domain.bundle_lines import encode_line
from alertstore.domain.events import canonical
from alertstore.domain.merkle import leaf_hash
from alertstore.domain.multiproof import multiproof, root_from_multiproof
from alertstore.domain.notes import note, signature_line
from alertstore.domain.proofs import root_at
from alertstore.errors import BundleError
from alertstore.storage.frontier import node
from alertstore.sync.bundle import read_bundle, write_bundle
from alertstore.sync.ziparchive import Packer, directory

OTHERS = ("store_created", "history_pruned", "signing_key_set", "import_started", "import_finished")
FINDING = ("uuid", "agent_name", "summary", "confidence", "recommended_action", "evidence", "posted_at")
RULE_FLAGS = {"is_active"}
RULE_LISTS = {"mitre_tactics", "mitre_techniques", "mitre_subtechniques", "data_sources"}
RULE = (
    "name",
    "source_rule_id",
    "source_name",
    "severity",
    "is_active",
    *sorted(RULE_LISTS),
    "run_frequency",
    "created_by",
    "documentation",
)


class Source:
    """A store's file, read as an exporter reads it: `lines`, `events`, `proof`."""

    def __init__(self, path, *, payloads=True):
        self.conn = sqlite3.connect(path)
        self.conn.row_factory = sqlite3.Row
        self.payloads = payloads
        (self.size,) = self.conn.execute("SELECT max(seq) FROM event").fetchone()
        (self.store_id,) = self.conn.execute("SELECT value FROM setting WHERE name = 'store_id'").fetchone()

    def close(self):
        self.conn.close()

    def facts(self, **changed):
        said = {"store": self.store_id, "since": 0, "size": self.size, "made_at": "2024-05-02T10:00:00Z", "made_by": "mia"}
        return BundleFacts(**(said | {"payloads": self.payloads, "alertstore": "0.1.0"} | changed))

    def proof(self, seqs):
        look_up = partial(node, self.conn)
        return root_at(self.size, look_up), multiproof(seqs, self.size, look_up)

    def events(self):
        marks = ", ".join("?" * len(OTHERS))
        rows = self.conn.execute(f"SELECT body FROM event WHERE kind IN ({marks}) ORDER BY seq", OTHERS)
        return [{"body": json.loads(body), "salt": None} for (body,) in rows]

    def lines(self):
        whole = "SELECT alert_id FROM event WHERE kind = 'alert_ingested'"
        for row in self.conn.execute(f"SELECT * FROM alert WHERE id IN ({whole}) ORDER BY id").fetchall():
            yield self.line(row)

    def line(self, row):
        number, line = row["id"], {name: row[name] for name in ("uuid", "source_name", "title", "description", "fingerprint")}
        line |= {name: row[name] for name in ("occurred_at", "created_at")} | {"aliases": [], "sync": None}
        line |= {"rule": self.rule(row["detection_rule_id"]), "indicators": {}, "records": {}, "findings": {}, "events": []}
        for seq, kind, salt, body in self.conn.execute(
            "SELECT seq, kind, salt, body FROM event WHERE alert_id = ? ORDER BY seq", (number,)
        ).fetchall():
            line["events"].append({"body": json.loads(body), "salt": salt and salt.hex()})
            if kind in {"alert_ingested", "alert_indicators_added"}:
                line["indicators"][str(seq)] = sorted(pair for (pair,) in self.conn.execute(
                    "SELECT i.type || ':' || i.value FROM alert_indicator l JOIN indicator i ON i.id = l.indicator_id "
                    "WHERE l.alert_id = ? AND l.seq = ?", (number, seq)))  # fmt: skip
            if kind in {"alert_ingested", "alert_deduplicated"}:
                line["records"][str(seq)] = self.record(seq)
            if kind == "alert_finding_added":
                found = self.conn.execute("SELECT * FROM finding WHERE seq = ?", (seq,)).fetchone()
                said = {name: found[name] for name in FINDING}
                line["findings"][str(seq)] = {"id": said.pop("uuid")} | said
        return line

    def record(self, seq):
        digest, raw = self.conn.execute("SELECT sha256, raw FROM occurrence WHERE seq = ?", (seq,)).fetchone()
        said = {"sha256": digest.hex()}
        if not self.payloads or raw is None:
            return said
        try:
            return said | {"text": raw.decode()}
        except UnicodeDecodeError:
            return said | {"base64": b64encode(raw).decode()}

    def rule(self, number):
        if number is None:
            return None
        row = self.conn.execute("SELECT * FROM detection_rule WHERE id = ?", (number,)).fetchone()
        said = {name: json.loads(row[name]) if name in RULE_LISTS else row[name] for name in RULE}
        return said | {"uuid": row["uuid"], "is_active": bool(row["is_active"])}


def verifier_text():
    with open(verifier.__file__, "rb") as file:
        return file.read()


def export(path, target, *, sign=None, payloads=True, **facts):
    """A bundle of all that a store's file holds."""
    with closing(Source(path, payloads=payloads)) as source:
        return write_bundle(target, source.facts(**facts), source.lines(), source.events(), source.proof, verifier_text(), sign)


class Parts:
    """A bundle taken apart, to be changed and put together again: a MANIFEST with digests and counts that are right again.

    lines, events, proof: parsed. raw: bytes that stand in the place of a member. facts: the lines of the MANIFEST, as text.
    spelled: what the MANIFEST's text is turned into at last; key: who signs.
    """

    def __init__(self, path):
        content = unzipped(path)
        text = content["MANIFEST"].decode().partition("\n\n")[0]
        self.facts = dict(line.split(" ", 1) for line in text.rstrip("\n").split("\n")[1:] if not line.startswith("member "))
        self.lines = [json.loads(line) for line in content["alerts.jsonl"].splitlines()]
        self.events = [json.loads(line) for line in content["events.jsonl"].splitlines()]
        self.proof = json.loads(content["proof.json"])
        self.readme, self.verifier = content["README.txt"], content["verify.py"]
        self.raw, self.key = {}, None
        self.spelled = self.noted = lambda text: text

    def content(self):
        """Every member, the MANIFEST last."""
        made = {
            "README.txt": self.readme,
            "alerts.jsonl": jsonl(self.lines),
            "events.jsonl": jsonl(self.events),
            "proof.json": jsonl([self.proof]),
            "verify.py": self.verifier,
        } | self.raw
        lines = ["alertstore bundle 1", *(f"{name} {value}" for name, value in self.facts.items())]
        lines += [f"member {sha256(raw).hexdigest()} {len(raw)} {name}" for name, raw in made.items()]
        text = self.spelled("\n".join([*lines, ""]))
        if self.key is not None:
            name = f"alertstore/{self.facts['store']}"
            text = note(text, [signature_line(name, self.key.public, self.key.sign(text.encode()))])
        return made | {"MANIFEST": self.noted(text).encode()}

    def pack(self, target):
        """Write it, in headers that are right."""
        made = self.content()
        with open(target, "w+b") as file:
            entries = {}
            for name in WRITTEN:
                packer = Packer(file, name)
                packer.write(made[name])
                entries[name], _ = packer.close()
            file.write(directory([entries[name] for name in MEMBERS], file.tell()))

    def reprove(self):
        """Make a tree of one's own of what is there, as a forger would: only a signature can tell."""
        bodies = [one["body"] for one in self.events] + [one["body"] for line in self.lines for one in line["events"]]
        leaves = {body["seq"]: leaf_hash(canonical(body)) for body in bodies}
        hashes = [bytes.fromhex(one) for one in self.proof["hashes"]]
        self.proof["root"] = self.facts["root"] = root_from_multiproof(leaves, self.proof["size"], hashes).hex()


def jsonl(lines):
    """Lines, each in its one spelling."""
    return b"".join(encode_line(line) + b"\n" for line in lines)


def unzipped(path):
    """Every member by name, read by another program's eyes."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def by_library(path, keys):
    """None, or why the library refuses it."""
    try:
        with read_bundle(path, keys):
            return None
    except BundleError as fault:
        return str(fault)


def by_verifier(path, keys):
    """None, or why the verifier that stands alone refuses it."""
    try:
        report = verifier.check(Path(path), verifier.Kept(key=keys[0] if keys else None))
    except verifier.CannotCheckError as fault:
        return str(fault)
    assert (report.verdict() == "sound") == (not report.problems)
    return repr(report.problems) if report.problems else None


def refusals(path, keys=()):
    """Why each of the two refuses it, both or neither: they must agree."""
    library, alone = by_library(path, keys), by_verifier(path, keys)
    assert (library is None) == (alone is None), (library, alone)
    return library


# --- attacks: name -> (what the library says, what is done) ---

CHANGES = {}
"""On the parts: everything that can be made right again afterwards is right. change(parts)."""
MANGLES = {}
"""On the bytes of the file. mangle(bytes) -> bytes."""


def change(says):
    return lambda made: CHANGES.setdefault(made.__name__, (says, made))[1]


def mangle(says):
    return lambda made: MANGLES.setdefault(made.__name__, (says, made))[1]


def find(parts, kind):
    """The first event of a kind: (line, event, its number as a key)."""
    return next((line, one, str(one["body"]["seq"])) for line in parts.lines for one in line["events"] if one["body"]["kind"] == kind)


def both(parts, name, value):
    parts.facts[name] = str(value)
    parts.proof[name] = value


def put(parts, name, old, new):
    """Change the text of a line, whose spelling is what is wrong."""
    raw = jsonl({"alerts.jsonl": parts.lines, "events.jsonl": parts.events, "proof.json": [parts.proof]}[name])
    assert old in raw
    parts.raw[name] = raw.replace(old, new, 1)


# Forged events, in a carrier that is otherwise in order.


@change("something was changed, added or left out")
def forged_severity(parts):
    find(parts, "alert_ingested")[1]["body"]["changes"]["severity"][1] = "Low"


@change("something was changed, added or left out")
def forged_actor(parts):
    find(parts, "alert_closed")[1]["body"]["actor"] = "somebody else"


@change("something was changed, added or left out")
def forged_time(parts):
    find(parts, "alert_status_updated")[1]["body"]["at"] += 1


@change("hash too few")
def forged_edit_slipped_in(parts):
    line, one, _ = find(parts, "alert_closed")
    line["events"].append({"body": one["body"] | {"seq": parts.proof["size"] - 1}, "salt": None})
    parts.facts["events"] = str(int(parts.facts["events"]) + 1)


@change("not among the first")
def event_beyond_the_history(parts):
    line, one, _ = find(parts, "alert_closed")
    line["events"].append({"body": one["body"] | {"seq": parts.proof["size"] + 1}, "salt": None})
    parts.facts["events"] = str(int(parts.facts["events"]) + 1)


@change("hash too few|something was changed, added or left out")
def edit_left_out(parts):
    line, one, _ = find(parts, "alert_closed")
    line["events"].remove(one)
    parts.facts["events"] = str(int(parts.facts["events"]) - 1)


@change("hash too few|something was changed, added or left out")
def alert_left_out(parts):
    gone = parts.lines.pop()
    for name, number in (("events", len(gone["events"])), ("alerts", 1), ("records", len(gone["records"]))):
        parts.facts[name] = str(int(parts.facts[name]) - number)


@change("is there twice")
def event_twice(parts):
    _, one, _ = find(parts, "alert_status_updated")
    parts.events.append({"body": one["body"] | {"kind": "setting_changed"}, "salt": None})


@change("not in its place")
def event_twice_in_one_alert(parts):
    line, one, _ = find(parts, "alert_closed")
    line["events"].append(one)


@change("is there twice")
def alert_twice(parts):
    parts.lines.append(parts.lines[-1])


@change("is there twice")
def alert_twice_under_other_numbers(parts):
    line = json.loads(json.dumps(next(line for line in parts.lines if len(line["events"]) == 1)))
    (first,) = line["events"]
    old, new = str(first["body"]["seq"]), str(parts.proof["size"] - 1)
    first["body"]["seq"] = int(new)
    for name in ("indicators", "records"):
        line[name] = {new: line[name][old]}
    parts.lines.append(line)


@change("of another alert")
def event_of_another_alert(parts):
    line, one, _ = find(parts, "alert_status_updated")
    line["events"].remove(one)
    parts.lines[-1]["events"].append(one)


@change("begins with alert_ingested")
def events_out_of_order(parts):
    find(parts, "alert_closed")[0]["events"].reverse()


@change("begins with alert_ingested")
def alert_that_was_never_ingested(parts):
    find(parts, "alert_closed")[0]["events"].pop(0)


@change("without events")
def alert_without_events(parts):
    parts.lines[-1]["events"] = []


@change("has no other")
def kind_that_acts_on_a_terminal(parts):
    find(parts, "alert_closed")[1]["body"]["kind"] = "alert_\x1b[2J\n" * 1_000


@change("begins with alert_ingested")
def kind_that_no_bundle_has(parts):
    find(parts, "alert_closed")[1]["body"]["kind"] = "alert_deleted"


@change("of another version")
def body_of_another_version(parts):
    find(parts, "alert_closed")[1]["body"]["v"] = 2


@change("of another version")
def version_that_is_true(parts):
    find(parts, "alert_closed")[1]["body"]["v"] = True


@change("without a number")
def number_that_is_true(parts):
    parts.events[0]["body"]["seq"] = True


@change("without a number")
def number_zero(parts):
    parts.events[0]["body"]["seq"] = 0


@change("what happened")
def nobody_did_it(parts):
    del find(parts, "alert_closed")[1]["body"]["actor"]


@change("not a time that a store can keep")
def time_that_no_store_keeps(parts):
    find(parts, "alert_closed")[1]["body"]["at"] = (1 << 53) - 1


@change("larger than an event may be")
def body_too_large(parts):
    find(parts, "alert_closed")[1]["body"]["reason"] = "x" * (1 << 20)


@change("nested deeper")
def body_too_deep(parts):
    deep = []
    for _ in range(70):
        deep = [deep]
    find(parts, "alert_closed")[1]["body"]["sets"]["x"] = deep


@change("nested too deep")
def line_too_deep(parts):
    parts.raw["alerts.jsonl"] = b"[" * 100_000 + b"]" * 100_000 + b"\n"


# Content that does not open its commitment, records that are not theirs.


@change("text is not what the event commits to")
def title(parts):
    parts.lines[0]["title"] += "!"


@change("text is not what the event commits to")
def description(parts):
    parts.lines[0]["description"] = "forged"


@change("indicators is not what the event commits to")
def fingerprint(parts):
    parts.lines[0]["fingerprint"] = "0" * 32


@change("fingerprint is not")
def fingerprint_that_breaks_out(parts):
    parts.lines[0]["fingerprint"] = '","x":"'


@change("indicators is not what the event commits to")
def indicator_of_the_first_event(parts):
    line, _, key = find(parts, "alert_ingested")
    line["indicators"][key][0] += "0"


@change("indicators is not what the event commits to")
def indicator_added_later(parts):
    line, _, key = find(parts, "alert_indicators_added")
    line["indicators"][key].pop()


@change("out of order")
def indicators_out_of_order(parts):
    line, _, key = find(parts, "alert_indicators_added")
    line["indicators"][key].reverse()


@change("out of order")
def indicator_twice(parts):
    line, _, key = find(parts, "alert_indicators_added")
    line["indicators"][key].append(line["indicators"][key][-1])


@change("list of type:value")
def indicator_without_type(parts):
    line, _, key = find(parts, "alert_indicators_added")
    line["indicators"][key] = ["x"]


@change("list of type:value")
def indicators_gone(parts):
    line, _, key = find(parts, "alert_indicators_added")
    del line["indicators"][key]


@change("of other events than have some")
def indicators_of_no_event(parts):
    line, _, _ = find(parts, "alert_indicators_added")
    line["indicators"]["1"] = ["ip:192.0.2.1"]


@change("record is not what its SHA-256 says")
def record_bytes(parts):
    line, _, key = find(parts, "alert_deduplicated")
    line["records"][key]["text"] += " "


@change("record is not what the event commits to")
def record_and_its_digest(parts):
    line, _, key = find(parts, "alert_deduplicated")
    line["records"][key] = {"sha256": sha256(b"forged").hexdigest(), "text": "forged"}


@change("record is not what the event commits to")
def first_record_and_its_digest(parts):
    line, _, key = find(parts, "alert_ingested")
    line["records"][key] = {"sha256": sha256(b"forged").hexdigest(), "text": "forged"}


@change("without its SHA-256")
def record_gone(parts):
    line, _, key = find(parts, "alert_deduplicated")
    del line["records"][key]


@change("of other events than have some")
def record_of_no_event(parts):
    line, _, _ = find(parts, "alert_deduplicated")
    line["records"]["1"] = {"sha256": "0" * 64}
    parts.facts["records"] = str(int(parts.facts["records"]) + 1)


@change("text or base64, and nothing else")
def record_in_two_spellings(parts):
    line, _, key = find(parts, "alert_deduplicated")
    line["records"][key]["base64"] = b64encode(line["records"][key]["text"].encode()).decode()


@change("base64")
def record_in_sloppy_base64(parts):
    line, _, key = find(parts, "alert_deduplicated")
    record = line["records"][key]
    raw = record.pop("text").encode()
    coded = b64encode(raw).decode()
    record["base64"] = coded[:8] + "\n" + coded[8:]


@change("record, where the MANIFEST says that there are none")
def record_that_was_to_be_left_out(parts):
    parts.facts["payloads"] = "no"


@change("finding is not what the event commits to")
def finding_text(parts):
    line, _, key = find(parts, "alert_finding_added")
    line["findings"][key]["summary"] = "seen never"


@change("finding is not what the event commits to")
def finding_evidence(parts):
    line, _, key = find(parts, "alert_finding_added")
    line["findings"][key]["evidence"] = '{"hosts":["a"]}'


@change("")
def finding_evidence_that_is_no_json(parts):
    line, _, key = find(parts, "alert_finding_added")
    line["findings"][key]["evidence"] = '{"hosts":'


@change("another id or time")
def finding_id(parts):
    line, _, key = find(parts, "alert_finding_added")
    line["findings"][key]["id"] = line["uuid"]


@change("another id or time")
def finding_time(parts):
    line, _, key = find(parts, "alert_finding_added")
    line["findings"][key]["posted_at"] += 1


@change("finding holds")
def finding_gone(parts):
    line, _, key = find(parts, "alert_finding_added")
    del line["findings"][key]


@change("commits to")
def another_salt(parts):
    find(parts, "alert_ingested")[1]["salt"] = "0" * 32


@change("no salt to hold it against")
def salt_gone(parts):
    find(parts, "alert_ingested")[1]["salt"] = None


@change("of no content")
def salt_of_no_content(parts):
    find(parts, "alert_closed")[1]["salt"] = "0" * 32


@change("not 32 hex digits")
def salt_with_blanks(parts):
    one = find(parts, "alert_ingested")[1]
    one["salt"] = " ".join([one["salt"][:16], one["salt"][16:]])


@change("does not commit to")
def commitment_added(parts):
    find(parts, "alert_ingested")[1]["body"]["content"]["more"] = "0" * 64


@change("with content")
def content_of_a_kind_that_has_none(parts):
    one = find(parts, "alert_closed")[1]
    one["body"]["content"], one["salt"] = {"text": "0" * 64}, "0" * 32


# What a line says once more.


@change("what the alert's first event says")
def source_name(parts):
    parts.lines[0]["source_name"] = "zeek"


@change("what the alert's first event says")
def occurred_at(parts):
    parts.lines[0]["occurred_at"] += 1


@change("what the alert's first event says")
def created_at(parts):
    parts.lines[0]["created_at"] += 1


@change("not a time")
def time_that_is_true(parts):
    parts.lines[0]["occurred_at"] = True


@change("what the alert's first event says")
def another_rule(parts):
    parts.lines[0]["rule"]["uuid"] = parts.lines[0]["uuid"]


@change("what the alert's first event says")
def rule_gone(parts):
    parts.lines[0]["rule"] = None


@change("a rule holds")
def rule_with_more(parts):
    parts.lines[0]["rule"]["id"] = 1


@change("of another alert")
def another_uuid(parts):
    parts.lines[0]["uuid"] = parts.lines[1]["uuid"]


@change("without a uuid")
def uuid_in_capitals(parts):
    parts.lines[0]["uuid"] = parts.lines[0]["uuid"].upper()


@change("aliases are not those")
def alias_that_no_event_says(parts):
    parts.lines[0]["aliases"] = [parts.lines[1]["uuid"]]


@change("holds NUL")
def title_with_nul(parts):
    parts.lines[0]["title"] = "a\0b"


@change("nothing else")
def line_with_more(parts):
    parts.lines[0]["severity"] = "Low"


@change("nothing else")
def line_with_less(parts):
    del parts.lines[0]["sync"]


@change("sync")
def sync_without_observer(parts):
    parts.lines[0]["sync"] = {"state": {}, "observed": None}


@change("line of an alert holds")
def line_that_is_a_list(parts):
    parts.lines[0] = [parts.lines[0]]


# The spelling of lines.


@change("one spelling")
def line_with_a_blank(parts):
    put(parts, "alerts.jsonl", b'{"aliases":', b'{ "aliases":')


@change("one spelling")
def line_with_a_key_twice(parts):
    put(parts, "alerts.jsonl", b'{"aliases":[]', b'{"aliases":[],"aliases":[]')


@change("one spelling")
def line_that_ends_in_a_carriage_return(parts):
    put(parts, "alerts.jsonl", b"}\n", b"}\r\n")


@change("one spelling")
def line_with_an_escape_that_need_not_be(parts):
    put(parts, "alerts.jsonl", b'{"aliases":', b'{"\\u0061liases":')


@change("ascii")
def line_that_is_not_ascii(parts):
    parts.lines[0]["description"] = "x" * 100_000
    put(parts, "alerts.jsonl", b'"actor":"mia"', '"actor":"m\N{LATIN SMALL LETTER I WITH ACUTE}a"'.encode())


@change("surrogate")
def half_of_a_pair(parts):
    find(parts, "alert_closed")[1]["body"]["actor"] = chr(0xD800)


@change("not whole")
def number_with_a_fraction(parts):
    put(parts, "alerts.jsonl", b'"v":1}', b'"v":1.0}')


@change("not whole")
def number_that_is_none(parts):
    put(parts, "alerts.jsonl", b'"v":1}', b'"v":NaN}')


@change("beyond 2.53")
def number_too_large(parts):
    put(parts, "alerts.jsonl", b'"v":1}', b'"v":%d}' % (1 << 53))


@change("beyond 2.53")
def number_of_5000_digits(parts):
    put(parts, "alerts.jsonl", b'"v":1}', b'"v":1%s}' % (b"0" * 5000))


@change("alerts.jsonl, line")
def blank_line(parts):
    parts.raw["alerts.jsonl"] = jsonl(parts.lines) + b"\n"


@change("does not end")
def last_line_that_does_not_end(parts):
    parts.raw["alerts.jsonl"] = jsonl(parts.lines)[:-1]


@change("0 alerts|alerts, and there are 0|there are 0")
def no_lines_at_all(parts):
    parts.raw["alerts.jsonl"] = b""


@change("longer than a line may be|larger, unpacked|larger than a bundle of its size")
def endless_line(parts):
    parts.raw["alerts.jsonl"] = b" " * ((64 << 20) + 2)


@change("more values than a line")
def many_values(parts):
    parts.raw["alerts.jsonl"] = b"[" + b"[]," * (1 << 19) + b"[]]\n"


@change("README.txt is larger than it may be")
def long_readme(parts):
    parts.readme = b" " * (5 << 20)


@change("verify.py is larger than it may be")
def long_verifier(parts):
    parts.verifier = b" " * (5 << 20)


@change("proof.json is larger than it may be")
def long_proof(parts):
    parts.raw["proof.json"] = b" " * (1 << 20)


@change("MANIFEST is larger than it may be|not a whole number|MANIFEST")
def long_manifest(parts):
    parts.spelled = lambda text: text + "x" * (2 << 20)


# The events that are none of alerts.


@change("none of them says so")
def nothing_says_which_store(parts):
    gone = parts.events.pop(0)
    assert gone["body"]["kind"] == "store_created"
    parts.facts["events"] = str(int(parts.facts["events"]) - 1)


@change("not those of the store")
def another_store(parts):
    parts.facts["store"] = "another"


@change("events out of order")
def others_out_of_order(parts):
    parts.events.reverse()


@change("one of an alert")
def event_of_an_alert_among_the_others(parts):
    parts.events.append(find(parts, "alert_closed")[1])


@change("has a salt")
def salt_among_the_others(parts):
    parts.events[1]["body"]["content"], parts.events[1]["salt"] = {"x": "0" * 64}, "0" * 32


@change("something was changed")
def forged_import(parts):
    parts.events[1]["body"]["facts"]["name"] = "other.json"


# The proof.


@change("something was changed")
def a_hash(parts):
    one = parts.proof["hashes"][0]
    parts.proof["hashes"][0] = ("1" if one[0] == "0" else "0") + one[1:]


@change("hash too many")
def a_hash_more(parts):
    parts.proof["hashes"].append("0" * 64)


@change("hash too few")
def a_hash_less(parts):
    parts.proof["hashes"].pop()


@change("something was changed")
def hashes_in_another_order(parts):
    parts.proof["hashes"].reverse()


@change("not 64 hex digits")
def a_hash_in_capitals(parts):
    parts.proof["hashes"][0] = "A" * 64


@change("not 64 hex digits")
def a_hash_with_blanks(parts):
    parts.proof["hashes"][0] = " " * 64


@change("another history than the MANIFEST")
def root_in_the_manifest(parts):
    parts.facts["root"] = "0" * 64


@change("something was changed")
def root_in_both(parts):
    both(parts, "root", "0" * 64)


@change("another history than the MANIFEST")
def size_in_the_manifest(parts):
    parts.facts["size"] = str(parts.proof["size"] + 1)


@change("hash too few|something was changed")
def size_in_both(parts):
    both(parts, "size", parts.proof["size"] * 4)


@change("not among the first")
def size_too_small(parts):
    both(parts, "size", 3)


@change("nothing else")
def proof_with_more(parts):
    parts.proof["more"] = 1


@change("one spelling")
def proof_in_two_lines(parts):
    parts.raw["proof.json"] = jsonl([parts.proof]) + b"\n"


# The MANIFEST.


@change("made by a newer alertstore: it is a bundle of format 2")
def newer_format(parts):
    parts.spelled = lambda text: text.replace("bundle 1\n", "bundle 2\nwhatever it may be\n", 1)


@change("made by a newer alertstore: what it holds is of version 2")
def newer_schema(parts):
    parts.facts["schema"] = "2"


@change("not spelled as alertstore spells it")
def older_schema(parts):
    parts.facts["schema"] = "0"


@change("does not begin with alertstore bundle 1")
def format_zero(parts):
    parts.spelled = lambda text: text.replace("bundle 1\n", "bundle 01\n", 1)


@change("does not begin with alertstore bundle 1")
def manifest_of_a_sealed_store(parts):
    parts.spelled = lambda text: text.replace("bundle 1\n", "seal 1\n", 1)


@change("match|printed|control characters|not a|store")
def store_that_acts_on_a_terminal(parts):
    parts.facts["store"] = "\x1b[2J" * 10_000


@change("the lines of the MANIFEST are")
def line_left_out(parts):
    del parts.facts["since"]


@change("a line of the MANIFEST that is none")
def line_more(parts):
    parts.facts["more"] = "1"


@change("the lines of the MANIFEST are")
def lines_in_another_order(parts):
    parts.facts = {"size": parts.facts.pop("size"), **parts.facts}


@change("")
def line_twice(parts):
    parts.spelled = lambda text: text.replace("since 0\n", "since 0\nsince 0\n", 1)


@change("not spelled|matches|match")
def time_in_another_form(parts):
    parts.facts["made_at"] = "2024-05-02T10:00:00+00:00"


@change("")
def made_by_nobody(parts):
    parts.facts["made_by"] = "null"


@change("not spelled")
def made_by_spelled_otherwise(parts):
    parts.facts["made_by"] = '"\\u006dia"'


@change("not spelled")
def payloads_perhaps(parts):
    parts.facts["payloads"] = "perhaps"


@change("not a whole number")
def count_with_a_zero_before(parts):
    parts.facts["alerts"] = "0" + parts.facts["alerts"]


@change("events, and there are")
def events_miscounted(parts):
    parts.facts["events"] = "1"


@change("alerts, and there are")
def alerts_miscounted(parts):
    parts.facts["alerts"] = "1"


@change("records, and there are")
def records_miscounted(parts):
    parts.facts["records"] = "1"


@change("is not what the MANIFEST says")
def digest_of_the_readme(parts):
    digest = sha256(parts.readme).hexdigest()
    parts.spelled = lambda text: text.replace(digest, "0" * 64)


@change("is not what the MANIFEST says")
def digest_of_the_verifier(parts):
    digest = sha256(parts.verifier).hexdigest()
    parts.spelled = lambda text: text.replace(digest, "0" * 64)


@change("is not what the MANIFEST says")
def size_of_the_alerts(parts):
    size = len(jsonl(parts.lines))
    parts.spelled = lambda text: text.replace(f" {size} alerts", f" {size + 1} alerts")


@change("and nothing else")
def member_in_the_manifest_alone(parts):
    parts.spelled = lambda text: text + f"member {'0' * 64} 0 more.txt\n"


@change("")
def manifest_in_carriage_returns(parts):
    parts.spelled = lambda text: text.replace("\n", "\r\n")


@change("")
def manifest_that_does_not_end(parts):
    parts.spelled = lambda text: text[:-1]


@change("")
def manifest_that_is_no_utf8(parts):
    parts.spelled = lambda text: text.replace('"mia"', '"\N{LATIN SMALL LETTER I WITH ACUTE}"')


# The archive, byte by byte.

_END = 22


def header(raw, name, central):
    """Where a header begins, and its bytes."""
    mark = b"PK\1\2" if central else b"PK\3\4"
    after = 46 if central else 30
    place = next(k for k in range(len(raw)) if raw[k : k + 4] == mark and raw[k + after : k + after + len(name)] == name)
    return place, raw[place : place + after]


def poked(raw, place, value):
    return raw[:place] + value + raw[place + len(value) :]


def rezipped(raw, change, **options):
    """The same members, as another program packs them; `change(info) -> None` may alter each one's header."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(made, "w", **options) as new:
        for info in old.infolist():
            content = old.read(info)
            change(info)
            new.writestr(info, content)
    return made.getvalue()


class Trailing:
    """Deflates, and goes on when all has been said."""

    def __init__(self, deflate, after):
        self.compress, self._deflate, self._after = deflate.compress, deflate, after

    def flush(self):
        return self._deflate.flush() + self._after


def packed(raw, order, before=b"", after=b""):
    """The same members in headers that are right: in another order, after something, each with something after its end."""
    content, made, entries = unzipped(io.BytesIO(raw)), io.BytesIO(), {}
    made.write(before)
    for name in order:
        packer = Packer(made, name)
        packer._deflate = Trailing(packer._deflate, after)
        packer.write(content[name])
        entries[name], _ = packer.close()
    return made.getvalue() + directory([entries[name] for name in MEMBERS], made.tell())


@mangle("does not end as a bundle does")
def comment(raw):
    return raw[:-2] + b"\5\0hello"


@mangle("does not end as a bundle does")
def something_after(raw):
    return raw + b"\0"


@mangle("does not end as a bundle does|it is none")
def itself_after(raw):
    return raw + raw[-_END:]


@mangle("headers do not agree|as alertstore writes|does not end")
def something_before(raw):
    return b"#!/bin/sh\n" + raw


@mangle("headers do not agree|gap before")
def something_before_and_all_places_moved(raw):
    return packed(raw, WRITTEN, before=b"#!/bin/sh\n")


@mangle("")
def another_program_packed_it(raw):
    return rezipped(raw, lambda info: None)


@mangle("")
def members_not_packed_at_all(raw):
    return rezipped(raw, lambda info: setattr(info, "compress_type", zipfile.ZIP_STORED))


@mangle("")
def packed_with_lzma(raw):
    return rezipped(raw, lambda info: setattr(info, "compress_type", zipfile.ZIP_LZMA))


@mangle("and nothing else")
def a_member_more(raw):
    made = io.BytesIO(raw)
    with zipfile.ZipFile(made, "a") as archive:
        archive.writestr("more.txt", b"hello")
    return made.getvalue()


@mangle("two members have the same name")
def a_member_twice(raw):
    made = io.BytesIO(raw)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(made, "a") as archive:
            archive.writestr("alerts.jsonl", b"{}\n")
    return made.getvalue()


def renamed(raw, old, new):
    return rezipped(raw, lambda info: setattr(info, "filename", new) if info.filename == old else None)


@mangle("and nothing else")
def a_member_elsewhere(raw):
    return renamed(raw, "verify.py", "../verify.py")


@mangle("and nothing else")
def a_member_at_an_absolute_place(raw):
    return renamed(raw, "verify.py", "/verify.py")


@mangle("and nothing else")
def a_folder(raw):
    return renamed(raw, "verify.py", "verify.py/")


@mangle("and nothing else")
def a_name_in_other_case(raw):
    return renamed(raw, "alerts.jsonl", "Alerts.jsonl")


@mangle("names what is no member")
def a_name_that_is_not_ascii(raw):
    return renamed(raw, "verify.py", "v\N{LATIN SMALL LETTER E WITH ACUTE}rify.py")


@mangle("names what is no member")
def a_name_with_quotes_and_blanks(raw):
    return renamed(raw, "verify.py", '"verify .py"')


@mangle("and nothing else")
def no_manifest(raw):
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(made, "w") as new:
        for info in old.infolist():
            if info.filename != "MANIFEST":
                new.writestr(info, old.read(info))
    return made.getvalue()


@mangle("and nothing else")
def no_member_at_all(raw):
    return b"PK\5\6" + bytes(18)


@mangle("as alertstore writes")
def a_link(raw):
    return poked(raw, header(raw, b"verify.py", central=True)[0] + 38, struct.pack("<I", 0o120777 << 16))


@mangle("as alertstore writes")
def marked_as_encrypted(raw):
    for central, place in ((True, 8), (False, 6)):
        raw = poked(raw, header(raw, b"alerts.jsonl", central)[0] + place, b"\1\0")
    return raw


@mangle("as alertstore writes")
def marked_as_not_packed(raw):
    for central, place in ((True, 10), (False, 8)):
        raw = poked(raw, header(raw, b"alerts.jsonl", central)[0] + place, b"\0\0")
    return raw


@mangle("as alertstore writes")
def another_time(raw):
    return poked(raw, header(raw, b"alerts.jsonl", central=True)[0] + 12, b"\1\0")


def number(raw, name, place, change):
    """Change a number in both headers of a member; `place` is where it stands in the local one."""
    for central, offset in ((True, place + 2), (False, place)):
        at = header(raw, name, central)[0] + offset
        raw = poked(raw, at, struct.pack("<I", change(struct.unpack("<I", raw[at : at + 4])[0])))
    return raw


@mangle("size, or its checksum")
def declared_smaller(raw):
    return number(raw, b"README.txt", 22, lambda size: size + 1)


@mangle("larger than its header says")
def declared_larger(raw):
    return number(raw, b"README.txt", 22, lambda size: size - 1)


@mangle("larger than a bundle of its size may be")
def declared_as_a_bomb(raw):
    return number(raw, b"alerts.jsonl", 22, lambda size: 300 << 20)


@mangle("size, or its checksum")
def another_checksum(raw):
    return number(raw, b"README.txt", 14, lambda checksum: checksum ^ 1)


@mangle("gap before")
def packed_size_less(raw):
    return number(raw, b"README.txt", 18, lambda size: size - 1)


@mangle("")
def packed_size_beyond_the_end(raw):
    return number(raw, b"README.txt", 18, lambda size: 0xFFFFFFFF)


@mangle("two headers do not agree")
def another_size_in_the_first_header(raw):
    return poked(raw, header(raw, b"README.txt", central=False)[0] + 22, b"\1\0\0\0")


@mangle("is not what its header says|two headers do not agree|as alertstore writes|size, or its checksum")
def another_size_in_the_directory(raw):
    return poked(raw, header(raw, b"README.txt", central=True)[0] + 24, b"\1\0\0\0")


@mangle("two headers do not agree")
def another_name_in_the_first_header(raw):
    return poked(raw, header(raw, b"README.txt", central=False)[0] + 30, b"readme.TXT")


@mangle("in this order")
def two_members_at_one_place(raw):
    place = header(raw, b"README.txt", central=True)[0] + 42
    other = header(raw, b"verify.py", central=True)[0] + 42
    return poked(raw, place, raw[other : other + 4])


@mangle("says more of it|as alertstore writes")
def an_extra_field(raw):
    def extra(info):
        info.extra = b"\xfe\xca\4\0abcd" if info.filename == "verify.py" else b""

    return rezipped(raw, extra)


@mangle("says more of it|as alertstore writes")
def a_remark_on_a_member(raw):
    return rezipped(raw, lambda info: setattr(info, "comment", b"hello"))


@mangle("as alertstore writes|does not end|damaged|more members")
def members_miscounted(raw):
    return poked(raw, len(raw) - 14, b"\7\0\7\0")


@mangle("in this order")
def written_in_another_order(raw):
    return packed(raw, reversed(WRITTEN))


@mangle("in this order")
def listed_in_another_order(raw):
    begin = struct.unpack("<I", raw[-6:-2])[0]
    listed = raw[begin:-_END]
    return raw[:begin] + listed[56:] + listed[:56] + raw[-_END:]


@mangle("something stands after its end")
def something_after_a_members_end(raw):
    return packed(raw, WRITTEN, after=b"more")


@mangle("too short")
def nothing(raw):
    return b""


@mangle("does not end as a bundle does")
def text(raw):
    return b"alertstore bundle 1\n" * 10


@mangle("does not end as a bundle does")
def zeros(raw):
    return bytes(len(raw))
