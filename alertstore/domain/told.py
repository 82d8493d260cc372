"""What another store tells in a bundle: whose event each one is, and whether its words are ones that a store can have written."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NoReturn, TypeGuard

from alertstore.domain.events import EventKind, canonical
from alertstore.domain.indicators import normalise
from alertstore.domain.lifecycle import LifecycleTimes
from alertstore.domain.link import HeldKind, Outcome
from alertstore.domain.merkle import leaf_hash
from alertstore.domain.proofs import LARGEST_COUNT
from alertstore.domain.registers import LIFECYCLE, MALICE, SEVERITY, TAG
from alertstore.domain.times import is_representable, read_rfc3339
from alertstore.domain.vocabulary import AlertStatus, CloseClassification, Confidence, IndicatorType, Malice, Severity
from alertstore.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HASH = re.compile("[0-9a-f]{64}")
_STORE = re.compile("[!-*,-~]{1,255}")
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_EDITING = frozenset(
    {
        EventKind.ALERT_STATUS_UPDATED, EventKind.ALERT_CLOSED, EventKind.ALERT_RECLASSIFIED, EventKind.ALERT_SEVERITY_UPDATED,
        EventKind.ALERT_TAGS_UPDATED, EventKind.ALERT_MALICE_UPDATED, EventKind.ALERT_CONFLICT_RESOLVED,
    }
)  # fmt: skip
_COUNTS = ("new", "duplicates", "seen", "skipped", "suppressed", "rejected")
_REGISTERS: Mapping[str, frozenset[str | None]] = {
    "status": frozenset(AlertStatus),
    "severity": frozenset(Severity),
    "close_classification": frozenset({None, *CloseClassification}),
    "malice_override": frozenset({None, *Malice}),
}


def read_told(body: Mapping[str, Any], store: str) -> tuple[tuple[str, int], str | None]:
    """(store, number) of the event that a body is about, and the leaf hash (hex) that is told of it, None where it is the body's own.

    An event that the bundle's store took from another is that one's. Raises `BundleError` where what is told of it does not fit.
    """
    origin = body.get("origin")
    if not _is_text(body["actor"]) or not (body.get("reason") is None or _is_text(body["reason"])):
        _refuse(body, "an actor, or a reason, that is no text")
    if "origin" in body and not _is_object(origin):  # null too: a store leaves out what it has not
        _refuse(body, "an origin that is none")
    if not origin or "store" not in origin:
        return (store, body["seq"]), None
    name, number, leaf, made = origin["store"], origin.get("seq"), origin.get("leaf"), origin.get("body")
    if not _is_text(name) or not _STORE.fullmatch(name) or not _is_count(number) or not _is_text(leaf) or not _HASH.fullmatch(leaf):
        _refuse(body, "an origin that names no event")
    if "edits" in body:
        if not _is_object(made) or leaf_hash(canonical(made)).hex() != leaf:
            _refuse(body, "an edit of another store that is not what its hash says")
        origin = made.get("origin", {})
        if (made.get("seq"), made.get("kind")) != (number, body["kind"]) or not _is_object(origin) or "store" in origin:
            _refuse(body, "an edit of another store that is another event than it says")
    elif not _is_time(origin.get("at")):
        _refuse(body, "an event of another store without its time")
    return (name, number), leaf


def made_at(body: Mapping[str, Any]) -> int:
    """When an event without edits was made, by the store that made it (microseconds)."""
    origin = body.get("origin") or {}
    at: int = origin["at"] if "store" in origin else body["at"]
    return at


def made_body(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The body of an event as the store that made it has it."""
    origin = body.get("origin") or {}
    made: Mapping[str, Any] = origin["body"] if "store" in origin else body
    return made


def check_edits(body: Mapping[str, Any]) -> None:
    """Hold the edits of an event to registers and values that there are. Raises `BundleError`."""
    if "edits" not in body:
        return
    made = made_body(body)
    changes, edits, outer = made.get("changes") or {}, made.get("edits"), body["edits"]
    if not _is_object(changes) or not _are_edits(edits) or not _are_edits(outer) or not _is_text(made.get("actor")):
        _refuse(body, "edits that are none")
    if body["kind"] not in _EDITING or not _are_times(made.get("sets", {})):
        _refuse(body, "edits that an event of its kind cannot have")
    if [one["register"] for one in edits or ()] != [one["register"] for one in outer]:
        _refuse(body, "edits of other registers than its origin")
    for name, step in changes.items():
        if type(step) is not list or len(step) != 2 or not all(_is_value(name, value) for value in step):  # noqa: PLR2004 - from, to
            _refuse(body, f"a change of {name} that there cannot be")
    for edit in edits or ():
        if not _fits(edit, changes):
            _refuse(body, f"an edit of {edit['register']} without a change of it")
    _check_closing(body, changes)


def _check_closing(body: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    """Closed if, and only if, there is a classification."""
    status = changes.get("status", ["Closed", "Closed"])
    verdict = changes.get("close_classification", [None, None])
    if "status" in changes or "close_classification" in changes:
        for side in (0, 1):
            if (status[side] == AlertStatus.CLOSED) != (verdict[side] is not None):
                _refuse(body, "a status that does not fit its classification")


def _fits(edit: Mapping[str, Any], changes: Mapping[str, Any]) -> bool:
    register = edit["register"]
    if "value" in edit:
        values = edit["value"]
        return type(values) is list and len(values) == 2 and all(_is_register(register, value) for value in values)  # noqa: PLR2004 - from, to
    if register == LIFECYCLE:
        return "status" in changes or "close_classification" in changes
    if register in {SEVERITY, MALICE}:
        return ("severity" if register == SEVERITY else "malice_override") in changes
    return register.startswith(TAG) and len(register) > len(TAG) and "tags" in changes


def _is_register(register: str, value: Any) -> bool:
    """Whether a register can have a value; the remote's own words are possible here."""
    if register == LIFECYCLE:
        return type(value) is list and len(value) == 2 and _is_text(value[0]) and (value[1] is None or _is_text(value[1]))  # noqa: PLR2004 - a pair
    if register in {SEVERITY, MALICE}:
        return _is_text(value) or (value is None and register == MALICE)
    return register.startswith(TAG) and type(value) is bool


def _are_edits(edits: Any) -> bool:
    if type(edits) is not list or not edits or not all(_is_object(one) and _is_text(one.get("register")) for one in edits):
        return False
    whole = all(_are_seqs(one.get("sup")) and _is_seen(one["register"], one) for one in edits)
    return whole and len({one["register"] for one in edits}) == len(edits)


def _is_seen(register: str, edit: Mapping[str, Any]) -> bool:
    """Whether an edit says, or says that it does not, what its author had seen of the remote."""
    token = edit.get("rtoken")
    return token is None or (_is_text(token) and _is_register(register, edit.get("rbase")))


def _are_times(sets: Any) -> bool:
    """Whether what followed from an edit has times of the lifecycle that a store can keep."""
    return _is_object(sets) and all(sets.get(name) is None or _is_time(sets[name]) for name in LifecycleTimes._fields)


def _is_value(name: str, value: Any) -> bool:
    if name == "tags":
        return are_tags(value)
    return name in _REGISTERS and (value is None or type(value) is str) and value in _REGISTERS[name]


def are_tags(value: Any) -> bool:
    """Whether a value is a list of tags that an alert can have."""
    return type(value) is list and all(_is_text(one) and bool(one.strip()) for one in value) and len(set(value)) == len(value)


def check_first(body: Mapping[str, Any]) -> None:
    """Hold the event of a new alert to what a store can have written. Raises `BundleError`."""
    changes, facts = body.get("changes"), body["facts"]
    if not _is_object(changes) or changes.get("status") != [None, "Open"] or changes.get("enrichment_status") != [None, "Pending"]:
        _refuse(body, "a new alert that is not open")
    for name in ("severity", "tags"):
        step = changes.get(name)
        if type(step) is not list or len(step) != 2 or not _is_value(name, step[1]):  # noqa: PLR2004 - from, to
            _refuse(body, f"a new alert with {name} that there cannot be")
    predecessor = facts.get("predecessor")
    if facts.get("occurred_at_assumed", True) is not True or not (predecessor is None or _is_uuid(predecessor)):
        _refuse(body, "a new alert that does not say what it follows, or when it was")


def check_finding(body: Mapping[str, Any], finding: Mapping[str, Any]) -> None:
    """Hold a finding to what a store can have written; that it is what its event commits to was seen before. Raises `BundleError`."""
    evidence = finding["evidence"]
    if not _is_uuid(finding["id"]) or finding["confidence"] not in _CONFIDENCE:
        _refuse(body, "a finding that there cannot be")
    if evidence is not None and not _is_object(json.loads(evidence)):
        _refuse(body, "a finding with evidence that is not an object")


_CONFIDENCE = frozenset({None, *Confidence})


def check_import(body: Mapping[str, Any]) -> None:
    """Hold the event that began, or ended, an import to what a store can have written. Raises `BundleError`."""
    facts = body.get("facts")
    if not _is_object(facts):
        _refuse(body, "an import without facts")
    if body["kind"] == EventKind.IMPORT_STARTED:
        columns, mark = facts.get("columns"), facts.get("delimiter")
        table = (type(columns) is list and all(map(_is_text, columns)) and _is_text(mark) and len(mark) == 1) or columns is mark is None
        sound = table and all(_is_text(facts.get(name)) for name in ("name", "source_name"))
        sound = sound and (facts.get("member") is None or _is_text(facts["member"]))
    else:
        sound = all(facts.get(name) is None or _is_count(facts[name], least=0) for name in (*_COUNTS, "size"))
        sound = sound and (facts.get("fault") is None or _is_text(facts["fault"])) and _is_object(facts.get("notes"))
        sound = sound and (facts.get("sha256") is None or (_is_text(facts["sha256"]) and bool(_HASH.fullmatch(facts["sha256"]))))
    if not sound:
        _refuse(body, "an import that there cannot be")


def check_repeat(body: Mapping[str, Any]) -> None:
    """Hold the event of a record that repeated an alert to what a store can have written. Raises `BundleError`."""
    if "occurred_at" not in body.get("facts", {}):
        _refuse(body, "a record that does not say when it was")


def check_outcomes(body: Mapping[str, Any]) -> None:
    """Hold the outcomes of edits that an event tells to those that there are. Raises `BundleError`."""
    told = body.get("facts", {}).get("outcomes", [])
    if type(told) is not list or not all(
        type(one) is list and len(one) == 3 and _is_text(one[0]) and type(one[1]) is int and _is_text(one[2]) and one[2] in _OUTCOMES  # noqa: PLR2004 - register, edit, outcome
        for one in told
    ):
        _refuse(body, "an outcome that there cannot be")


_OUTCOMES = frozenset(Outcome)


def check_state(uuid: str, state: Mapping[str, Any]) -> None:
    """Hold what another store knows of the remote's side of an alert to what `Link` reads. Raises `BundleError`."""
    base, settled, held = state.get("base"), state.get("settled", []), state.get("held", [])
    sound = all(state.get(name) is None or _is_text(state[name]) for name in ("token", "refused"))
    sound = sound and (state.get("uuid") is None or _is_uuid(state["uuid"]))
    sound = sound and (state.get("created_at") is None or _is_moment(state["created_at"]))
    sound = sound and all(type(state.get(name, False)) is bool for name in ("gone", "shared", "lacking", "alone"))
    sound = sound and (base is None or _is_base(base)) and type(settled) is list and all(map(_is_settled, settled))
    sound = sound and (state.get("observed") is None or _is_id(state["observed"]))
    if not sound or type(held) is not list or not all(map(_is_held, held)):
        raise BundleError(f"the bundle tells of alert {uuid}, and the remote, what there cannot be", advice="nothing was taken")


def _is_id(value: Any) -> bool:
    return type(value) is list and len(value) == 2 and _is_text(value[0]) and _is_count(value[1])  # noqa: PLR2004 - a store, a number


def _is_base(base: Any) -> bool:
    """Whether these are registers, in the remote's own words."""
    if not _is_object(base) or base.keys() != {"status", "close_classification", "severity", "malice_override", "tags"}:
        return False
    words = [
        base["status"],
        base["severity"],
        *(base[name] for name in ("close_classification", "malice_override") if base[name] is not None),
    ]
    return all(map(_is_text, words)) and type(base["tags"]) is list and all(map(_is_text, base["tags"]))


def _is_settled(one: Any) -> bool:
    return type(one) is list and len(one) == 3 and _is_text(one[0]) and _are_seqs(one[1]) and (one[2] is None or _is_text(one[2]))  # noqa: PLR2004 - register, edits, token


def _is_held(one: Any) -> bool:
    """Whether this is a register that waits: name, kind, edits, the remote's value (None where it was never seen) and ours."""
    if type(one) is not list or len(one) != 5 or not _is_text(one[0]) or not _is_text(one[1]) or one[1] not in _KINDS:  # noqa: PLR2004 - the fields of Held
        return False
    return _are_seqs(one[2]) and (one[3] is None or _is_register(one[0], one[3])) and _is_register(one[0], one[4])


_KINDS = frozenset(HeldKind)


def check_pairs(pairs: Iterable[str]) -> None:
    """Hold indicators (`type:value`) to their one spelling. Raises `BundleError`."""
    for pair in pairs:
        kind, _, value = pair.partition(":")
        if kind not in _TYPES or normalise(kind, value) != value:
            raise BundleError("the bundle has an indicator that is none, or not in its one spelling", advice="nothing was taken")


_TYPES = frozenset(IndicatorType)


def _are_seqs(value: Any) -> bool:
    return type(value) is list and all(type(one) is int for one in value)


def _is_count(value: Any, least: int = 1) -> TypeGuard[int]:
    return type(value) is int and least <= value <= LARGEST_COUNT


def _is_time(value: Any) -> bool:
    return type(value) is int and is_representable(value)


def _is_moment(value: Any) -> bool:
    """Whether this is a time as the remote writes it."""
    return _is_text(value) and read_rfc3339(value) is not None


def _is_uuid(value: Any) -> bool:
    return _is_text(value) and bool(_UUID.fullmatch(value))


def _is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    return type(value) is dict


def _is_text(value: Any) -> TypeGuard[str]:
    return type(value) is str and "\0" not in value


def another_event(name: tuple[str, int]) -> BundleError:
    """The fault of a bundle that tells otherwise of an event of a store than is known here."""
    return BundleError(
        f"event {name[1]} of store {name[0]} is another here than in the bundle: one of the two was forged, or copied and changed",
        advice="nothing was taken; verify that store against its checkpoints",
    )


def _refuse(body: Mapping[str, Any], what: str) -> NoReturn:
    raise BundleError(f"event {body['seq']} of the bundle has {what}", advice="nothing was taken")
