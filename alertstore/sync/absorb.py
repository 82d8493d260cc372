"""Taking a bundle in: what it tells that is not known here becomes events of this store, with their origin.

Alerts are known again by their uuids, by events of theirs that came before, and by their records. Edits join the edits that are
here: each keeps its id, and what it replaced; what the alert then shows follows from all of them, in whatever order they came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field

from alertstore.domain.bundle_lines import record_length
from alertstore.domain.changes import Act, decide_finding, decide_indicators, decide_shown
from alertstore.domain.events import EventDraft, EventKind, canonical
from alertstore.domain.lifecycle import LifecycleTimes
from alertstore.domain.merge import view
from alertstore.domain.merkle import leaf_hash
from alertstore.domain.registers import Edit, edits_of
from alertstore.domain.synced import heads_after
from alertstore.domain.told import (
    another_event,
    check_edits,
    check_finding,
    check_outcomes,
    check_pairs,
    check_repeat,
    check_state,
    made_at,
    made_body,
    read_told,
)
from alertstore.errors import AlertValidationError, BundleError
from alertstore.storage import alerts, bundling, catalog
from alertstore.sync import newcomers
from alertstore.sync.reconcile import settle

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alertstore.storage.transaction import Transaction
    from alertstore.sync.bundle_reader import Bundle
    from alertstore.sync.desk import Desk, Here

Id = tuple[str, int]
CHUNK, CHUNK_LENGTH = 500, 32 << 20  # alerts looked up together, and kept in memory for it; characters of records that are enough for one


@define
class Absorbed:
    """What came of a bundle: alerts that are new here, those that something was added to, those where nothing was new; edits and
    records taken; alerts that were left, with the reason; conflicts that a person must decide now.
    """

    new: int = 0
    merged: int = 0
    seen: int = 0
    edits: int = 0
    records: int = 0
    conflicts: int = 0
    left: list[tuple[str, str]] = field(factory=list)


@define
class Line:
    """An alert of a bundle: the ids of its events by their number in the bundle's store, and their leaves."""

    said: Mapping[str, Any]
    ids: dict[int, Id]
    leaves: dict[Id, str]
    names: list[str]
    """Every uuid it goes by."""
    records: list[tuple[str, str]]
    """Its records: (source, SHA-256 as hex), in the order in which they came."""


@define
class Absorbing:
    """A bundle being taken in, within one transaction."""

    desk: Desk
    transaction: Transaction
    bundle: Bundle
    size: int
    """How many events this store had before."""
    found: Absorbed = field(factory=Absorbed)
    imports: dict[int, int] = field(factory=dict)
    beside: set[Id] = field(factory=set)
    """The ids of the bundle's events that are no alert's."""


def absorb(desk: Desk, transaction: Transaction, bundle: Bundle) -> Absorbed:
    """Take in what is new in a bundle. Raises `BundleError` where it cannot be about the history that earlier ones were about."""
    try:
        return _absorb(Absorbing(desk, transaction, bundle, transaction.seq))
    except AlertValidationError as fault:
        raise BundleError(f"the bundle has what this store cannot keep: {fault}", advice="nothing was taken") from fault


def _absorb(work: Absorbing) -> Absorbed:
    desk, transaction, bundle, said = work.desk, work.transaction, work.bundle, work.bundle.manifest
    _check_history(work, said.store, said.size, said.root)
    for other in bundle.events:
        name, _ = read_told(other["body"], said.store)
        if name in work.beside:
            raise _twice(name)
        work.beside.add(name)
    chunk, length = list[Line](), 0
    for one in bundle.lines():
        chunk.append(_read(one, said.store, work.beside))
        length += record_length(one)
        if len(chunk) == CHUNK or length >= CHUNK_LENGTH:
            _take(work, chunk)
            chunk, length = [], 0
    _take(work, chunk)
    known = bundling.known_store(transaction.conn, said.store)
    changed = transaction.seq > work.size or work.found.records > 0
    if said.store != desk.store_id and (changed or known is None or known[0] < said.size):
        facts = {"store": said.store, "size": said.size, "root": said.root, "since": said.since, "signed_by": bundle.signed_by}
        act = desk.act(transaction)
        draft = EventDraft(EventKind.BUNDLE_IMPORTED, said.id, act.now, act.actor, facts=facts, reason=act.reason)
        transaction.append(draft)
        bundling.remember_store(transaction.conn, said.store, said.size, said.root)
    return work.found


def _check_history(work: Absorbing, store: str, size: int, root: str) -> None:
    """Hold the history that a bundle is of against what this store knows of it: its own, or another's as long as an earlier bundle's."""
    conn = work.transaction.conn
    if store == work.desk.store_id:
        if size > work.size:
            raise _restored(size)
        known = bundling.root_was(conn, size)
    else:
        longest = bundling.known_store(conn, store)
        known = longest[1] if longest is not None and longest[0] == size else None
    if known is not None and known != root:
        raise BundleError(
            f"store {store} has two histories of {size} events: it was copied, or restored, and written to in both places",
            advice="nothing was taken; find out which is the right one, and start a new store with the other",
        )


def _restored(number: int) -> BundleError:
    message = f"the bundle knows event {number} of this very store, which has not got so far: it was restored from an older copy"
    return BundleError(message, advice="nothing was taken; look for the newer copy, or start a new store")


def _twice(name: Id) -> BundleError:
    return BundleError(f"the bundle has event {name[1]} of store {name[0]} twice", advice="nothing was taken")


def _read(said: Mapping[str, Any], store: str, beside: set[Id]) -> Line:
    """Name the events of a line: those that its store took from another go by that one's name."""
    ids, leaves = {}, {}
    for one in said["events"]:
        body = one["body"]
        name, leaf = read_told(body, store)
        if name in leaves or name in beside:
            raise _twice(name)
        ids[body["seq"]] = name
        leaves[name] = leaf or leaf_hash(canonical(body)).hex()
        check_edits(body)
        check_outcomes(body)
        if body["kind"] == EventKind.ALERT_DEDUPLICATED:
            check_repeat(body)
        if body["kind"] == EventKind.ALERT_FINDING_ADDED:
            check_finding(body, said["findings"][str(body["seq"])])
    if said["sync"] is not None:
        check_state(said["uuid"], said["sync"]["state"])
    records = [(said["source_name"], said["records"][seq]["sha256"]) for seq in sorted(said["records"], key=int)]
    return Line(said, ids, leaves, [said["uuid"], *said["aliases"]], records)


def _take(work: Absorbing, chunk: Sequence[Line]) -> None:
    """Take a number of alerts: those that are new together, the others one by one."""
    if not chunk:
        return
    conn = work.transaction.conn
    work.transaction.flush()
    uuids = bundling.numbers_of(conn, (name for line in chunk for name in line.names))
    records = bundling.reported(conn, (record for line in chunk for record in line.records))
    events = bundling.seqs_here(conn, (name for line in chunk for name in line.leaves))
    fresh, met = [], set[object]()
    for line in chunk:
        seqs = _seqs(work, line, events)
        marks = [*line.names, *line.records, *line.leaves]
        if _number(line, uuids, records, events) is None and met.isdisjoint(marks):
            if seqs:
                raise another_event(line.ids[min(seqs)])  # it is here, and was no alert's
            fresh.append(line)
            met.update(marks)
    made = newcomers.take(work.desk, work.transaction, [(line.said, line.ids, line.leaves) for line in fresh], work.imports, work.bundle)
    work.found.new += len(made)
    work.found.records += len(made)
    for line in chunk:
        new = line.said["uuid"] in made
        if new and len(line.said["events"]) == 1:
            continue
        _merge(work, line, new=new)


def _number(
    line: Line, uuids: Mapping[str, int], records: Mapping[tuple[str, str], int], events: Mapping[Id, tuple[int, int | None]]
) -> int | None:
    """The number of the alert here that a line is about; None where it is new."""
    for name in line.names:
        if name in uuids:
            return uuids[name]
    for event in line.leaves:
        if event in events and events[event][1] is not None:
            return events[event][1]
    return next((records[record] for record in line.records if record in records), None)


def _merge(work: Absorbing, line: Line, *, new: bool) -> None:
    """Add to an alert here what a line knows of it and this store does not."""
    transaction, conn = work.transaction, work.transaction.conn
    transaction.flush()
    known = bundling.seqs_here(conn, line.leaves)
    number = _number(line, bundling.numbers_of(conn, line.names), bundling.reported(conn, line.records), known)
    uuid = None if number is None else bundling.uuid_of(conn, number)
    if number is None or uuid is None:
        work.found.left.append((line.said["uuid"], "it was deleted here"))
        return
    before = transaction.seq
    seqs = _seqs(work, line, known)
    _alias(work, line, number, uuid)
    erased = bundling.erased(conn, number)
    filled = 0 if "record" in erased else newcomers.fill(transaction, number, line.said)
    work.found.records += filled
    taken = 0
    for one in line.said["events"]:
        body = one["body"]
        if body["seq"] not in seqs and _ERASABLE.get(body["kind"]) not in erased:
            seq = _event(work, line, body, uuid, seqs)
            if seq is not None:
                seqs[body["seq"]] = seq
                taken += "edits" in body
    work.found.conflicts += settle(work.desk, transaction, line.said, uuid, seqs, work.bundle.manifest.id)
    work.found.edits += taken
    if not new:
        changed = transaction.seq > before or filled > 0
        work.found.merged += changed
        work.found.seen += not changed


_ERASABLE = {
    EventKind.ALERT_DEDUPLICATED: "record",
    EventKind.ALERT_INGESTED: "record",
    EventKind.ALERT_FINDING_ADDED: "findings",
    EventKind.ALERT_INDICATORS_ADDED: "content",
}
"""What comes with events of a kind: where it was erased from an alert here, no bundle brings any of it."""


def _seqs(work: Absorbing, line: Line, known: Mapping[Id, tuple[int, int | None]]) -> dict[int, int]:
    """Which events here keep those of a line, by their number in the bundle's store. Raises `BundleError` where one of them is another."""
    conn, own = work.transaction.conn, work.desk.store_id
    seqs = {}
    for number, name in line.ids.items():
        told: str | None = None
        if name[0] == own:
            if name[1] > work.size:
                raise _restored(name[1])
            seqs[number], told = name[1], bundling.leaf_here(conn, name[1])
        elif name in known:
            seqs[number] = known[name][0]
            told = bundling.leaf_told(conn, known[name][0])
        if told is not None and told != line.leaves[name]:
            raise another_event(name)
    return seqs


def _origin(line: Line, body: Mapping[str, Any], *, whole: bool = False) -> dict[str, Any]:
    name = line.ids[body["seq"]]
    origin = {"store": name[0], "seq": name[1], "leaf": line.leaves[name]}
    return origin | ({"body": made_body(body)} if whole else {"at": made_at(body)})


def _alias(work: Absorbing, line: Line, number: int, uuid: str) -> None:
    known = bundling.numbers_of(work.transaction.conn, line.names)
    for name in line.names:
        if name not in known:
            draft = EventDraft(EventKind.ALERT_ALIASED, uuid, work.transaction.now, work.desk.actor, facts={"uuid": name})
            bundling.add_alias(work.transaction.conn, name, number, work.transaction.append(draft, number))


def _event(work: Absorbing, line: Line, body: Mapping[str, Any], uuid: str, seqs: Mapping[int, int]) -> int | None:
    """Take one event; the event here that keeps it, None where it needs none."""
    kind, transaction = body["kind"], work.transaction
    found = alerts.load_state(transaction.conn, uuid)
    if found is None:
        return None
    number, state = found
    act = Act(transaction.now, body["actor"], body.get("reason"), _origin(line, body, whole="edits" in body))
    if "edits" in body:
        _edit(work, body, uuid, seqs, act)
    elif kind in {"alert_deduplicated", "alert_ingested"}:
        if not _is_kept(work, line, body, (number, uuid), act):
            return None
        work.found.records += 1
    elif kind == "alert_finding_added":
        said = line.said["findings"][str(body["seq"])]
        if catalog.finding_exists(transaction.conn, said["id"]):
            return None
        change = decide_finding(state, said, said["evidence"], act)
        alerts.save(transaction, [(number, change)])
        catalog.keep_finding(transaction, number, said, change.state.updated_at)
    elif kind == "alert_indicators_added":
        missing = sorted(set(line.said["indicators"][str(body["seq"])]) - catalog.linked(transaction.conn, number))
        check_pairs(missing)
        if not missing:
            return None
        catalog.link(transaction, number, decide_indicators(state, missing, act), missing)
    else:
        return None
    return transaction.seq


def _is_kept(work: Absorbing, line: Line, body: Mapping[str, Any], alert: tuple[int, str], act: Act) -> bool:
    return newcomers.repeat(work.desk, work.transaction, line.said, body, alert=alert, act=act, imports=work.imports, bundle=work.bundle)


def _edit(work: Absorbing, body: Mapping[str, Any], uuid: str, seqs: Mapping[int, int], act: Act) -> None:
    """Keep an edit of another store; the alert shows what follows from all edits then."""
    transaction = work.transaction
    transaction.flush()
    here = work.desk.here(transaction.conn, uuid)
    if here is None:
        return
    made = made_body(body)
    edits = []
    for outer in body["edits"]:
        sup = sorted(seqs[number] for number in outer["sup"] if number in seqs)
        edits.append({"register": outer["register"], "sup": sup, "rbase": outer.get("rbase"), "rtoken": outer.get("rtoken")})
    after = _with_edits(here, transaction.seq + 1, work.desk.store_id, made, edits, act)
    times = LifecycleTimes(*(made.get("sets", {}).get(name) for name in LifecycleTimes._fields))
    shown = work.desk.shown(here, view(after.local, here.link))
    change = decide_shown(here.state, shown, act, edits=edits, kind=EventKind(body["kind"]), elsewhere=times)
    alerts.save(transaction, [(here.number, change)])


def _with_edits(here: Here, seq: int, store_id: str, made: Mapping[str, Any], edits: Sequence[Mapping[str, Any]], act: Act) -> Here:
    """The alert as it will be with one more event of edits."""
    found = edits_of(seq, {"origin": {**(act.origin or {}), "body": made}, "edits": edits}, store_id)
    known: dict[str, dict[int, Edit]] = {register: dict(ones) for register, ones in here.local.edits.items()}
    heads = {register: list(ones) for register, ones in here.local.heads.items()}
    for edit in found:
        known.setdefault(edit.register, {})[seq] = edit
        heads[edit.register] = heads_after(heads.get(edit.register, ()), edit.sup, seq)
    return evolve(here, local=evolve(here.local, edits=known, heads=heads))
