"""Enrichment: what providers say of an indicator, what that comes to, and the events that say so.

A provider's result stands in `enrichment_results` under its name, in the shape that the remote's have. Where a provider fails, what
it said before stays, marked as failed: a list that cannot be read today takes no verdict away. An enrichment that would change
nothing but a time is none.
"""

from __future__ import annotations

import json
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from attrs import field, frozen

from alertstore.domain.changes import Act, effective_time
from alertstore.domain.content import indicators_content
from alertstore.domain.events import EventDraft, EventKind, canonical
from alertstore.domain.payload import check_depth
from alertstore.domain.vocabulary import EnrichmentStatus, Malice, worst_malice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

SOURCE = "enrichment"
"""The source of a verdict that providers gave."""

LISTS = "lists"
"""The provider that looks indicators up in the lists of the store."""

JUDGED_BY = "judged_by_lists"
"""The setting that says by which version of the lists all enriched indicators were judged; empty where there were none."""

RESULTS = "results"
"""The part of its content under which an event that carries an indicator commits to its results."""

SUBJECT = "indicators"
"""The subject of an event about many indicators."""

LONGEST_ERROR = 300
LONGEST_RESULT = 16_384
"""Characters of what one provider may say of one indicator, as JSON; more counts as its failure."""


@frozen
class Answer:
    """What a provider knows of an indicator: its verdict, if it has one, and the fields it found (JSON, without floats)."""

    malice: Malice | None = None
    extracted: Mapping[str, Any] = field(factory=dict)


@frozen
class Failure:
    """Why a provider could not say anything."""

    message: str


@frozen
class IntelList:
    """A list that indicators are looked up in: its file, by name, SHA-256 and size in bytes; how many entries were taken and refused;
    `malice` is what a hit says where the entry says nothing itself.
    """

    name: str
    kind: str
    file: str
    sha256: str
    size: int
    malice: Malice | None
    entries: int
    refused: int
    loaded_at: datetime


class Judged(NamedTuple):
    """An indicator as enrichment finds it: its number, type and value, its verdict and whose that is, its results (JSON text)."""

    number: int
    type: str
    value: str
    malice: str
    malice_source: str
    updated_at: int
    results: str | None


def result(provider: str, answer: Answer | Failure | None, at: str) -> dict[str, Any]:
    """A provider's result as it is kept; `at` is the time in words (RFC 3339). An answer that cannot be kept is a failure."""
    said: dict[str, Any] = {"provider_name": provider, "success": True, "error_message": None, "extracted": None, "enriched_at": at}
    if answer is None:
        return said | {"status": "not_found"}
    if isinstance(answer, Answer):
        try:
            return said | {"status": "success", "extracted": _extracted(answer)}
        except (AttributeError, RecursionError, TypeError, ValueError) as why:
            answer = Failure(f"its answer cannot be kept: {why}")
    elif not isinstance(answer, Failure):
        answer = Failure(f"its answer is a {type(answer).__name__}")
    message = answer.message.encode(errors="replace").decode().replace("\0", "\ufffd")  # it may quote what an attacker wrote
    return said | {"success": False, "status": "failed", "error_message": message[:LONGEST_ERROR]}


def _extracted(answer: Answer) -> dict[str, Any]:
    """What an answer says, as it reads when it was kept. Raises one of several errors where it is no JSON without floats."""
    text = _strict(dict(answer.extracted))
    if len(text) > LONGEST_RESULT:
        raise ValueError(f"{len(text):,} characters, of {LONGEST_RESULT:,} at most")
    check_depth(text.encode())
    extracted: dict[str, Any] = _whole(text)
    if "malice" in extracted:
        raise ValueError("its verdict stands among its fields")
    return extracted if answer.malice is None else extracted | {"malice": Malice(answer.malice).value}


def _no_float(digits: str) -> NoReturn:
    raise ValueError(f"{digits} is a float")


_strict = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_whole = json.JSONDecoder(parse_float=_no_float).decode


def merged(before: str | None, found: Mapping[str, dict[str, Any]]) -> str | None:
    """The results (JSON text) with new ones in them; None where only times would change."""
    results = {} if before is None else json.loads(before)
    changed = before is None
    for provider, new in found.items():
        old = results.get(provider)
        if old is not None and not new["success"]:
            new = new | {"extracted": old["extracted"], "enriched_at": old["enriched_at"]}  # noqa: PLW2901 - the result that is kept
        if old is None or {**old, "enriched_at": None} != {**new, "enriched_at": None}:
            results[provider], changed = new, True
    return _dump(results) if changed else None


_dump = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


class Outcome(NamedTuple):
    """What results come to: the worst verdict, the providers that succeeded, those that failed."""

    malice: Malice
    succeeded: tuple[str, ...]
    failed: tuple[str, ...]


@lru_cache(maxsize=4096)
def outcome(results: str | None) -> Outcome:
    """What results (JSON text) come to. Raises what reading forged ones raises (`domain.fold.FORGED`)."""
    said = {} if results is None else json.loads(results)
    verdicts = [Malice(one["extracted"]["malice"]) for one in said.values() if one["extracted"] and "malice" in one["extracted"]]
    succeeded = tuple(sorted(name for name, one in said.items() if one["success"]))
    return Outcome(worst_malice(verdicts), succeeded, tuple(sorted(said.keys() - set(succeeded))))


def results_content(results: Mapping[int, str]) -> dict[str, bytes]:
    """What an event commits to of the results of indicators, by number: each can be erased by itself."""
    return {str(number): text.encode() for number, text in results.items()}


def decide_results(results: Mapping[int, str], providers: Mapping[str, str], act: Act) -> EventDraft:
    """The event of new results: which providers were asked, by the version of what they know."""
    draft = EventDraft(EventKind.INDICATORS_ENRICHED, SUBJECT, act.now, act.actor, reason=act.reason)
    draft.facts = {"providers": dict(providers)}
    draft.content = results_content(results)
    return draft


def decide_verdict(before: Judged, results: str | None, uuid: str, act: Act) -> EventDraft | None:
    """The verdict that results come to; None where it stands already, or an analyst gave another."""
    malice = outcome(results).malice
    if before.malice_source != SOURCE or before.malice == malice:
        return None
    return _verdict(before, malice, uuid, act)


def decide_reset(before: Judged, uuid: str, act: Act) -> EventDraft | None:
    """An analyst's verdict taken back: that of the results counts again; None where it does already."""
    return None if before.malice_source == SOURCE else _verdict(before, outcome(before.results).malice, uuid, act)


def _verdict(before: Judged, malice: Malice, uuid: str, act: Act) -> EventDraft:
    at = effective_time(act.now, before.updated_at)
    draft = EventDraft(EventKind.INDICATOR_MALICE_UPDATED, uuid, at, act.actor, reason=act.reason, clock=None if at == act.now else act.now)
    draft.changes = {"malice": [before.malice, malice]}
    draft.sets = {"malice_source": SOURCE, "malice_overridden_at": None}
    draft.content = indicators_content([f"{before.type}:{before.value}"])
    return draft


class Enriched(NamedTuple):
    """An alert as enrichment finds it: its number, uuid, status and time, and (verdict, results) of each of its indicators."""

    number: int
    uuid: str
    status: str
    updated_at: int
    indicators: Sequence[tuple[str, str | None]]


def decide_alert(before: Enriched, act: Act) -> EventDraft | None:
    """How far the enrichment of an alert has come; None where that stands already.

    Failed: providers were asked about its indicators, and none of them succeeded about any. Otherwise Enriched, also where there
    was nothing to ask.
    """
    outcomes = [outcome(results) for _, results in before.indicators]
    succeeded = sorted({name for one in outcomes for name in one.succeeded})
    failed = sorted({name for one in outcomes for name in one.failed} - set(succeeded))
    status = EnrichmentStatus.FAILED if failed and not succeeded else EnrichmentStatus.ENRICHED
    if before.status == status or (before.status == EnrichmentStatus.ENRICHED and status is EnrichmentStatus.FAILED):
        return None
    at = effective_time(act.now, before.updated_at)
    clock = None if at == act.now else act.now
    draft = EventDraft(EventKind.ALERT_ENRICHMENT_COMPLETED, before.uuid, at, act.actor, reason=act.reason, clock=clock)
    draft.changes = {"enrichment_status": [before.status, status.value]}
    draft.sets = {"enriched_at": at} if status is EnrichmentStatus.ENRICHED else None
    verdicts = [malice for malice, _ in before.indicators]
    draft.facts = {
        "indicator_count": len(verdicts),
        "malice_counts": {malice: verdicts.count(malice) for malice in sorted(set(verdicts))},
        "providers_succeeded": succeeded,
        "providers_failed": failed,
    }
    return draft


CHUNK = 1000


def entries_digest(entries: Iterable[Sequence[Any]]) -> tuple[int, str]:
    """How many entries of a list there are, and the SHA-256 (hex) over them, in the order of their keys.

    An entry is [key, line, malice, expires_at, note], a hash's key as `hash:` and its hex; hashed is the canonical JSON of lists of 1,000.
    """
    sha, count, left = sha256(), 0, iter(entries)
    while chunk := list(islice(left, CHUNK)):
        sha.update(canonical(chunk))
        count += len(chunk)
    return count, sha.hexdigest()


EMPTY = sha256().hexdigest()
"""The digest of a list without entries."""


def entry_of(row: Sequence[Any]) -> list[Any]:
    """An entry as it is hashed, from its row (key, line, malice, expires_at, note)."""
    key, *rest = row
    return [f"hash:{key.hex()}" if isinstance(key, bytes) else key, *rest]


def longest_lasting(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Of rows (key, line, malice, expires_at, ...) in the order of keys and lines: for each key and verdict the one that lasts longest, of
    several the first. So a key has few entries however often a file names it, and none that counts is lost.
    """
    best: dict[str | None, tuple[Any, ...]] = {}
    key: Any = None
    for row in rows:
        if row[0] != key:
            yield from sorted(best.values(), key=itemgetter(1))
            best, key = {}, row[0]
        known = best.get(row[2])
        if known is None or (known[3] is not None and (row[3] is None or row[3] > known[3])):
            best[row[2]] = row
    yield from sorted(best.values(), key=itemgetter(1))
