"""Alerts of a bundle that are new here: made as they were made there, with their records, their rules and their imports."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from alertstore.domain.content import alert_content, record_content
from alertstore.domain.dedup import Candidate
from alertstore.domain.drafts import NewAlert
from alertstore.domain.events import EventDraft, EventKind, canonical
from alertstore.domain.intake import Arrival, Prepared
from alertstore.domain.merkle import leaf_hash
from alertstore.domain.payload import Header
from alertstore.domain.told import another_event, check_first, check_import, check_pairs, made_at, read_told
from alertstore.domain.vocabulary import Severity
from alertstore.storage import bundling, catalog, intake, links
from alertstore.sync.bundle_reader import Bundle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alertstore.domain.changes import Act
    from alertstore.storage.transaction import Transaction
    from alertstore.sync.desk import Desk

Told = tuple["Mapping[str, Any]", "Mapping[int, tuple[str, int]]", "Mapping[tuple[str, int], str]"]
"""A line, the ids of its events by number, their leaves by id."""


def take(desk: Desk, transaction: Transaction, lines: Sequence[Told], imports: dict[int, int], bundle: Bundle) -> set[str]:
    """Make the alerts of these lines; their uuids."""
    rules: dict[tuple[Any, Any], tuple[int, str]] = {}
    kept = [_arrival(desk, transaction, one, imports, bundle, rules) for one in lines]
    for (source, number), group in groupby(zip(lines, kept, strict=True), key=lambda one: (one[0][0]["source_name"], _place(one[1]))):
        batch = intake.Batch(source, number, [one for _, one in group])
        first = transaction.seq + 1
        intake.save(desk.repository, transaction, batch)
        for seq, one in enumerate(batch.kept, first):
            links.keep_origin(transaction.conn, one.arrival.draft.origin or {}, seq)
    return {line["uuid"] for line, _, _ in lines}


def _place(kept: intake.Kept) -> int | None:
    number: int | None = (kept.arrival.draft.facts or {}).get("import")
    return number


def _arrival(
    desk: Desk, transaction: Transaction, told: Told, imports: dict[int, int], bundle: Bundle, rules: dict[tuple[Any, Any], tuple[int, str]]
) -> intake.Kept:
    line, ids, leaves = told
    body = line["events"][0]["body"]
    seq = body["seq"]
    check_first(body)
    pairs = line["indicators"][str(seq)]
    check_pairs(pairs)
    record = line["records"][str(seq)]
    raw = Bundle.raw(record)
    rule = _rule(desk, transaction, line, bundle, rules)
    said, changes = body["facts"], body["changes"]
    facts: dict[str, Any] = {"occurred_at": line["occurred_at"], "source_name": line["source_name"], "created_at": line["created_at"]}
    facts |= _where(desk, transaction, said, imports, bundle)
    facts |= {name: said[name] for name in ("occurred_at_assumed", "predecessor") if name in said}
    if rule is not None:
        facts["rule"] = rule[1]
    if raw is None:
        facts["withheld"] = True
    draft = EventDraft(EventKind.ALERT_INGESTED, line["uuid"], transaction.now, body["actor"], facts=facts, reason=body.get("reason"))
    draft.changes = {name: (None, changes[name][1]) for name in ("enrichment_status", "severity", "status", "tags")}
    origin: dict[str, Any] = {"store": ids[seq][0], "seq": ids[seq][1], "leaf": leaves[ids[seq]], "at": made_at(body)}
    if isinstance(remote := (body.get("origin") or {}).get("remote"), str):  # so that it is known as the remote's on its further way
        origin["remote"] = remote
    draft.origin = origin
    draft.content = alert_content(line["title"], line["description"], line["fingerprint"], pairs, record["sha256"])
    new = NewAlert(line["title"], Severity(changes["severity"][1]), line["occurred_at"])
    prepared = Prepared(new, line["title"], line["description"], changes["tags"][1], pairs, line["fingerprint"])
    arrival = Arrival(draft, prepared, line["occurred_at"], "occurred_at_assumed" in facts, predecessor=facts.get("predecessor"))
    number = None if rule is None else rule[0]
    return intake.Kept(arrival, bytes.fromhex(record["sha256"]), raw, facts.get("record"), number, created_at=line["created_at"])


def repeat(
    desk: Desk,
    transaction: Transaction,
    line: Mapping[str, Any],
    body: Mapping[str, Any],
    *,
    alert: tuple[int, str],
    act: Act,
    imports: dict[int, int],
    bundle: Bundle,
) -> bool:
    """Add a further record to an alert that is here; False where it is here already, or came from a remote that this store can ask."""
    record = line["records"][str(body["seq"])]
    source, digest = line["source_name"], record["sha256"]
    if "remote" in (body.get("origin") or {}) or bundling.reported(transaction.conn, [(source, digest)]):
        return False
    if bundling.source_of(transaction.conn, alert[0]) != source:
        return False
    raw = Bundle.raw(record)
    occurred = body["facts"]["occurred_at"]
    facts = {"occurred_at": occurred, **_where(desk, transaction, body["facts"], imports, bundle)} | (
        {} if raw is not None else {"withheld": True}
    )
    draft = EventDraft(EventKind.ALERT_DEDUPLICATED, alert[1], act.now, act.actor, facts=facts, reason=act.reason, origin=act.origin)
    draft.content = record_content(digest)
    prepared = Prepared(NewAlert(line["title"]), line["title"], None, [], [], line["fingerprint"])
    joined = Candidate(alert[0], alert[1], line["occurred_at"], act.now, active=True)
    kept = intake.Kept(
        Arrival(draft, prepared, occurred, assumed=False, joined=joined), bytes.fromhex(digest), raw, facts.get("record"), None
    )
    intake.save(desk.repository, transaction, intake.Batch(source, facts.get("import"), [kept]))
    links.keep_origin(transaction.conn, act.origin or {}, transaction.seq)
    return True


def fill(transaction: Transaction, alert: int, line: Mapping[str, Any]) -> int:
    """Add the bytes that a line has of records that came to an alert here without; how many there were."""
    bare = bundling.bare(transaction.conn, alert)
    there = {record["sha256"]: record for record in line["records"].values() if len(record) > 1} if bare else {}
    found = [(seq, Bundle.raw(there[digest])) for seq, digest in bare if digest in there]
    for seq, raw in found:
        bundling.fill(transaction.conn, seq, raw or b"")
    return len(found)


def _where(desk: Desk, transaction: Transaction, facts: Mapping[str, Any], imports: dict[int, int], bundle: Bundle) -> dict[str, int]:
    """The import that a record came by, and its place there; nothing where it came by none."""
    number = facts.get("import")
    if type(number) is not int or type(facts.get("record")) is not int:
        return {}
    if number not in imports:
        found = _import(desk, transaction, number, bundle)
        if found is None:
            return {}
        imports[number] = found
    return {"import": imports[number], "record": facts["record"]}


def _import(desk: Desk, transaction: Transaction, number: int, bundle: Bundle) -> int | None:
    """The import here that stands for one of the bundle's store; made, and closed, as it was there."""
    bodies = {one["body"]["kind"]: one["body"] for one in bundle.events if one["body"]["subject"] == str(number)}
    started, finished = bodies.get(EventKind.IMPORT_STARTED), bodies.get(EventKind.IMPORT_FINISHED)
    if started is None:
        return None
    made, origin = _known_import(desk, transaction, started, bundle.manifest.store)
    if made is None:
        check_import(started)
        facts = started["facts"]
        header = Header(tuple(facts["columns"]), facts["delimiter"]) if facts.get("columns") is not None else None
        made = intake.start_import(
            transaction,
            name=facts["name"],
            source_name=facts["source_name"],
            actor=started["actor"],
            reason=started.get("reason"),
            header=header,
            how={name: value for name, value in facts.items() if name not in _COLUMNS},
            member=facts.get("member"),
            origin=origin or {"bundle": bundle.manifest.id},
        )
        if origin is not None:
            links.keep_origin(transaction.conn, origin, transaction.seq)
    if finished is not None and bundling.is_running(transaction.conn, made):
        _finish(desk, transaction, made, finished, bundle, again=origin is None)
    return made


_COLUMNS = {"name", "source_name", "columns", "delimiter", "member"}


def _known_import(desk: Desk, transaction: Transaction, started: Mapping[str, Any], store: str) -> tuple[int | None, dict[str, Any] | None]:
    """The import here that an event began, if it is known; and the origin to keep for it, None where its event was here and is gone."""
    origin = _origin(started, store)
    name = (origin["store"], origin["seq"])
    transaction.flush()
    conn, known = transaction.conn, bundling.seqs_here(transaction.conn, [name])
    if not known and name[0] != desk.store_id:
        return None, origin
    seq = known[name][0] if known else name[1]
    told = bundling.leaf_told(conn, seq) if known else bundling.leaf_here(conn, seq)
    number = bundling.import_of(conn, seq)
    if told is not None and (told != origin["leaf"] or number is None):
        raise another_event(name)
    return number, None


def _finish(desk: Desk, transaction: Transaction, number: int, finished: Mapping[str, Any], bundle: Bundle, *, again: bool) -> None:
    """Close an import as it was closed where it was made. again: its beginning was known here before."""
    check_import(finished)
    facts = {name: finished["facts"].get(name) for name in (*intake.COUNTS, "sha256", "size", "fault", "notes")}
    origin = _origin(finished, bundle.manifest.store)
    name = (origin["store"], origin["seq"])
    transaction.flush()
    known = bundling.seqs_here(transaction.conn, [name])
    if name[0] == desk.store_id or (known and (not again or bundling.leaf_told(transaction.conn, known[name][0]) is not None)):
        raise another_event(name)
    intake.finish_import(
        transaction, number, actor=finished["actor"], outcome=facts, origin={"bundle": bundle.manifest.id} if known else origin
    )
    if not known:
        links.keep_origin(transaction.conn, origin, transaction.seq)


def _origin(body: Mapping[str, Any], store: str) -> dict[str, Any]:
    (made_by, number), leaf = read_told(body, store)
    return {"store": made_by, "seq": number, "leaf": leaf or leaf_hash(canonical(body)).hex(), "at": made_at(body)}


def _rule(
    desk: Desk, transaction: Transaction, line: Mapping[str, Any], bundle: Bundle, rules: dict[tuple[Any, Any], tuple[int, str]]
) -> tuple[int, str] | None:
    """The rule of an alert: (number, uuid) of the one here that it is, by source and the tool's id, or made here as it is there."""
    said = line["rule"]
    if said is None:
        return None
    key = (said["source_name"], said["source_rule_id"] if said["source_rule_id"] is not None else said["uuid"])
    if key not in rules:
        found = bundling.rule_of(transaction.conn, said["source_name"], said["source_rule_id"], said["uuid"])
        if found is None:
            uuid = transaction.new_uuid() if catalog.rule(transaction.conn, said["uuid"]) is not None else said["uuid"]
            draft = EventDraft(EventKind.DETECTION_RULE_CREATED, uuid, transaction.now, desk.actor, origin={"bundle": bundle.manifest.id})
            draft.facts = {name: value for name, value in said.items() if name != "uuid"}
            found = catalog.add_rule(transaction, draft), uuid
        rules[key] = found
    return rules[key]
