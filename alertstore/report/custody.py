"""The chain-of-custody report: what it says, as values. Nothing here asks a clock: the same store makes the same report."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from attrs import frozen

from alertstore.domain.times import LATEST, from_micros
from alertstore.report.document import Document, Facts, Finding, Heading, Paragraph, Points, Value, Verbatim
from alertstore.report.limits import STRENGTH, limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from alertstore.domain.verdict import Problem, VerifyReport
    from alertstore.report.document import Block


Row = tuple[str | Value, str | Value]


@frozen
class Logged:
    """An event as the file has it, forged ones included: `at` in microseconds, the leaf hash in hex, the body parsed (empty where
    it cannot be).
    """

    seq: int
    at: object
    kind: str
    leaf: str
    body: Mapping[str, Any]

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the event holds by its kind."""
        facts = self.body.get("facts")
        return facts if isinstance(facts, dict) else {}


@frozen
class Actor:
    """Who acted: the name that was given, in how many events, from when to when (microseconds)."""

    name: str
    events: int
    first: object
    last: object


@frozen
class Signed:
    """A checkpoint that a key signed: how many events it speaks for, which of the store's keys (from 0), and the note."""

    size: int
    epoch: int
    note: str


@frozen
class Custody:
    """What a chain-of-custody report is made of."""

    store_id: str
    file: str
    size: int | None
    """Of the database, in bytes."""
    first: object
    last: object
    """When the first and the last event happened, in microseconds."""
    verified: VerifyReport
    held: Sequence[str]
    """What from outside the history was held against."""
    pruned: int
    """How many events at the beginning of the history were pruned."""
    imports: Sequence[tuple[str, Sequence[Logged]]]
    """Each import by its number, with the events that tell of it."""
    events: Sequence[Logged]
    """What was done to the store itself."""
    signed: Sequence[Signed]
    actors: Sequence[Actor]
    versions: Mapping[str, str]
    unread: Sequence[str]
    """What could not be read, where the file is damaged."""


def document(custody: Custody) -> Document:
    """The report on a store."""
    return Document("Chain-of-custody report", _blocks(custody))


def _blocks(custody: Custody) -> Iterator[Block]:
    verified = custody.verified
    yield _finding(verified)
    yield Paragraph(
        f"This report speaks of the history up to event {verified.size}. It carries no time of its own: the same store makes the same "
        "report, byte for byte, under the same versions of the software, which stand below. All times are UTC."
    )
    if custody.unread:
        yield Finding("Some lists below are missing, because the file could not be read there.", good=False)
        yield Facts(tuple(("Could not be read", Value(words)) for words in custody.unread))
    yield Heading("Store")
    yield Facts(
        (
            ("Store id", Value(custody.store_id, exact=True)),
            ("File", Value(custody.file, exact=True)),
            ("Size of the database", _bytes(custody.size)),
            ("Events", f"{verified.size:,}"),
            ("Root of the history", Value(verified.root, exact=True)),
            ("First event that is kept" if custody.pruned else "First event", Value(moment(custody.first))),
            ("Last event", Value(moment(custody.last))),
        )
    )
    if custody.pruned:
        yield Paragraph(
            f"The first {custody.pruned} events were pruned. What the store held then is stated again by the events that follow; who did it, "
            "and why, says the event history_pruned under Custody."
        )
    yield from _verification(custody)
    yield from _acquisition(custody)
    yield from _custody(custody)
    yield from _signed(custody)
    yield Heading("Who acted")
    yield Paragraph("Names as they were given, with the number of events and the times of the first and the last.")
    yield Facts(
        tuple((Value(one.name), Value(f"{_events(one.events)}, {moment(one.first)} to {moment(one.last)}")) for one in custody.actors)
    )
    yield Heading("Software")
    yield Paragraph("What made this report. Which version read an import stands with the import.")
    yield Facts(tuple((name, Value(version, exact=True)) for name, version in custody.versions.items()))
    yield Heading("Known limits")
    yield Points(limits(verified.size))


def _finding(verified: VerifyReport) -> Finding:
    many = len(verified.problems)
    listed = f"{many} problem{'' if many == 1 else 's'}, listed under Verification"
    first = "" if verified.first_bad is None else f" The first event that is wrong is event {verified.first_bad}."
    words = {
        "sound": f"Sound, {verified.assurance}: all that the store holds is what its history of {_events(verified.size)} says.",
        "tampered": f"Tampered: the store is not what its history, a checkpoint or a signature says: {listed}.{first}",
        "damaged": f"Damaged: the file cannot be read as the database it was: {listed}.{first}",
        "could not check": f"Could not check: something that was asked for was not there: {listed}.",
    }
    return Finding(words[verified.verdict], good=verified.ok)


def _verification(custody: Custody) -> Iterator[Block]:
    verified = custody.verified
    yield Heading("Verification")
    rows: list[tuple[str, str | Value]] = [
        ("Verdict", verified.verdict),
        ("Depth", verified.depth),
        ("Verified", f"the history up to event {verified.size}"),
        ("With the root", Value(verified.root, exact=True)),
        ("Assurance", verified.assurance),
    ]
    rows += [("Held against", Value(words, exact=True)) for words in custody.held]
    if verified.signed_size:
        rows.append(("Signed up to", f"event {verified.signed_size}"))
    rows += [("Not checked", Value(sentence)) for sentence in verified.unchecked]
    yield Facts(tuple(rows))
    yield Paragraph(STRENGTH[verified.assurance])
    yield Paragraph("The search index repeats words of the rows. It is no evidence, and this report does not speak of it.")
    if verified.problems:
        yield Heading("Problems", 3)
        yield Facts(tuple(_problem(one) for one in verified.problems))


def _problem(one: Problem) -> tuple[Value, Value]:
    return Value(one.where, exact=True), Value(f"{one.kind}: expected {_words(one.expected)}; found {_words(one.found)}", exact=True)


def _acquisition(custody: Custody) -> Iterator[Block]:
    yield Heading("Acquisition")
    many = len(custody.imports)
    yield Paragraph(
        f"{many} import{'' if many == 1 else 's'}. The SHA-256 and the size are of all bytes that were read, and were taken while they were read."
        if many
        else "Nothing was imported from a file or a stream."
    )
    for number, events in custody.imports:
        yield Heading("Import", 3, Value(number))
        yield Facts(tuple(_import(events)))


_COUNTS = ("new", "duplicates", "seen", "skipped", "suppressed", "rejected")


def _import(events: Sequence[Logged]) -> Iterator[Row]:
    facts: dict[str, Any] = {}
    for event in events:
        facts |= event.facts
    carried = events[0].kind == "import_carried"
    began = facts.pop("started_at", None) if carried else events[0].at
    ended = facts.pop("finished_at", None) if carried else (events[-1].at if events[-1].kind == "import_finished" else None)
    yield "File", _value(facts.pop("name", None), exact=True)
    yield "SHA-256", _value(facts.pop("sha256", None), exact=True)
    yield "Size", _bytes(facts.pop("size", None))
    yield "Source", _value(facts.pop("source_name", None))
    yield "Read", Value(f"{moment(began)} to {moment(ended)}" if ended is not None else f"from {moment(began)}, not to its end")
    if "new" in facts:
        yield "Records", Value(", ".join(f"{_words(facts.pop(name, None))} {name}" for name in _COUNTS))
    if facts.get("fault") is not None:
        yield "Stopped by", _value(facts.pop("fault"))
    yield from _who(events[0], "Stated again by" if carried else "By")
    if "version" in facts:
        yield "Read with", Value(f"alertstore {_words(facts.pop('version'))}")
    window = facts.get("dedup_window")
    if type(window) is int and abs(window) < LATEST:
        yield "Duplicates", Value(f"by {_words(facts.pop('dedup_by', None))}, within {timedelta(microseconds=facts.pop('dedup_window'))}")
    if "tz" in facts:
        yield "Time zone", Value(f"{_words(facts.pop('tz'))}, for times that name none")
    yield from _rest(facts)
    for event in events:
        yield f"Event {event.seq}", Value(f"{event.kind}, leaf hash {event.leaf}", exact=True)


def _custody(custody: Custody) -> Iterator[Block]:
    yield Heading("Custody")
    yield Paragraph("What was done to the store itself, and what was taken out of it, in order.")
    for event in custody.events:
        yield Heading(f"Event {event.seq}", 3, Value(event.kind))
        rest = {name: value for name, value in event.body.items() if name in {"sets", "edits", "origin", "clock", "content"}}
        yield Facts(
            (
                ("Time", Value(moment(event.at))),
                *_who(event),
                ("Subject", _value(event.body.get("subject"), exact=True)),
                *_changes(event.body.get("changes")),
                *_rest({**event.facts, **rest}),
                ("Leaf hash", Value(event.leaf, exact=True)),
            )
        )


def _signed(custody: Custody) -> Iterator[Block]:
    yield Heading("Signed checkpoints")
    if not custody.signed:
        yield Paragraph("The store holds none.")
    for one in custody.signed:
        yield Heading(f"Up to event {one.size}, key {one.epoch}", 3)
        yield Verbatim(Value(one.note))


def _who(event: Logged, by: str = "By") -> Iterator[Row]:
    yield by, _value(event.body.get("actor"))
    yield "Reason", "none given" if event.body.get("reason") is None else _value(event.body["reason"])


def _changes(changes: object) -> Iterator[Row]:
    for name, pair in changes.items() if isinstance(changes, dict) else ():
        both = isinstance(pair, list) and len(pair) == 2  # noqa: PLR2004 - from and to
        yield (
            _label(name),
            Value(f"from {_words(pair[0] or '(nothing)')} to {_words(pair[1] or '(nothing)')}" if both else _words(pair), exact=True),
        )


def _rest(facts: Mapping[str, Any]) -> Iterator[Row]:
    for name, value in facts.items():
        if value not in (None, {}, [], "{}"):
            yield _label(name), Value(moment(value) if name.endswith("_at") else _words(value), exact=True)


_NAME = re.compile("[a-z][a-z0-9]*( [a-z0-9]+)*")


def _label(name: str) -> str | Value:
    """The name of a fact: those that events of ours have are words; any other is a value."""
    words = name.replace("_", " ")
    return words.capitalize() if _NAME.fullmatch(words) else Value(name, exact=True)


def _value(value: object, *, exact: bool = False) -> str | Value:
    return "not known" if value is None else Value(_words(value), exact)


def _bytes(size: object) -> str | Value:
    return f"{size:,} bytes" if type(size) is int else _value(size)


def _words(value: object) -> str:
    """A value of an event as text."""
    if value is None:
        return "not known"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _events(number: int) -> str:
    return f"{number:,} event{'' if number == 1 else 's'}"


def moment(micros: object) -> str:
    """A time as RFC 3339 has it, always with microseconds; what is no time, as it is."""
    if micros is None:
        return "not known"
    try:
        return from_micros(micros).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"  # type: ignore[arg-type]  # what is no number is caught below
    except (TypeError, OverflowError):
        return f"{micros!r} (no time)"
