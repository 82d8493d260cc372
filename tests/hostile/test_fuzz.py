"""Every parser, fed with what went wrong: a typed refusal or an answer, never another exception, never a hang.

The short run is the same every time. The long one takes a new seed and prints it; FUZZ_SEED repeats it, FUZZ_SECONDS sets its length.
"""

from __future__ import annotations

import faulthandler
import gzip
import io
import json
import os
import random
import shutil
import signal
import sys
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hostile_cases import fill
from mutations import SAMPLES, TEXTS, TOKENS, mutated, value

from alertstore import AlertStore
from alertstore.cli import evidence
from alertstore.domain import notes, targeting
from alertstore.domain.payload import TAB, TEXT_LINES, Header, parse_record, view
from alertstore.domain.query import ORDERS, read_cursor, read_filter, read_limit, read_order
from alertstore.domain.vocabulary import Severity
from alertstore.errors import AlertStoreError, AlertValidationError, SourceError, StorageError
from alertstore.sources.readers import open_reading
from alertstore.sources.registry import load_sources
from alertstore.wire import requests

FUZZED = "no mutated input makes a parser, or an opening, raise anything but our errors, or hang"
GUARD = 20
"""Seconds after which one case counts as hung, on a busy machine too."""

SOURCES = load_sources(plugins=False)
HEADERS = [
    None,
    TEXT_LINES,
    Header(("title", "b", "c"), ","),
    Header(("title", "b"), ";"),
    Header(("note", "msg", "ts"), TAB),
    Header((), ","),
]
LINES = [line for data in SAMPLES.values() for line in data.splitlines() if line]


class HungError(Exception):
    """A case took longer than the guard allows."""


@contextmanager
def guarded():
    def stop(*_):
        raise HungError

    before = signal.signal(signal.SIGALRM, stop)
    faulthandler.dump_traceback_later(10 * GUARD, exit=True, file=sys.__stderr__)  # where no signal gets through
    try:
        yield lambda: signal.setitimer(signal.ITIMER_REAL, GUARD)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


def run(case, cases, seed):
    """Run a number of cases; the seed of the one that fails is in the failure."""
    with guarded() as wind_up:
        for number in range(cases):
            wind_up()
            try:
                case(random.Random(f"{seed} {number}"))
            except Exception as fault:
                raise AssertionError(f"seed {seed!r}, case {number}: {type(fault).__name__}: {fault}") from fault


def run_long(case, name, promise, capsys):
    seconds, seed = int(os.environ.get("FUZZ_SECONDS", "150")), os.environ.get("FUZZ_SEED") or os.urandom(4).hex()
    with capsys.disabled():
        sys.stdout.write(f"\nfuzzing {name} for {seconds} s, FUZZ_SEED={seed}\n")
    done, start = 0, time.monotonic()
    while time.monotonic() - start < seconds:
        run(case, 200, f"{seed} {done}")
        done += 200
    promise(FUZZED, f"{name}: {done:,} cases (seed {seed})")


def record_case(rng):
    raw = mutated(rng, rng.choice(LINES))
    header = rng.choice(HEADERS)
    with suppress(ValueError):
        found = parse_record(raw, header)
        assert isinstance(found, dict)
        json.dumps(found, ensure_ascii=False).encode()
    json.dumps(view(raw, header), allow_nan=False, ensure_ascii=False).encode()


def reading_case(rng):
    name = rng.choice(list(SAMPLES))
    data = SAMPLES[name]
    if len(data) > 20_000:  # a piece of a long file says as much
        start = rng.choice((0, rng.randrange(len(data))))
        data = data[start : start + rng.choice((500, 5_000, 20_000))]
    data = mutated(rng, data)
    if rng.random() < 0.2:
        data = data.decode(errors="replace").encode(rng.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig")))
    if rng.random() < 0.2:
        data = mutated(rng, gzip.compress(data, 1, mtime=0))
    read(io.BytesIO(data), rng.choice((SOURCES, SOURCES, [rng.choice(SOURCES)])))


def read(stream, sources):
    """Read a stream as an import does. Positions rise, records lie within the file, and only reasons are raised."""
    with suppress(SourceError):
        reading = open_reading(stream, name="fuzzed", sources=sources, tz=UTC)
        end = 0
        for record in reading.records():
            assert record.position >= end
            end = record.position + record.size
            with suppress(ValueError):
                found = reading.parse(record.raw)
                if record.problem is None and reading.source.alert(found, UTC) is not None:
                    reading.source.rule(found)
            view(record.raw, reading.header)


class Dribble(io.RawIOBase):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, data, rng):
        self.data, self.rng = data, rng

    def readable(self):
        return True

    def read(self, size=-1):
        size = min(size, self.rng.choice((1, 2, 3, 7, 100)))
        found, self.data = self.data[:size], self.data[size:]
        return found


def generated_case(rng):
    """Files made of nothing but structure, as they come out of a pipe."""
    data = b"".join(rng.choices(TOKENS, k=rng.randrange(1, 80)))
    read(Dribble(data[:2_000], rng), rng.choice((SOURCES, [rng.choice(SOURCES)])))


FILTERS = (
    "status",
    "severity",
    "source",
    "rule",
    "tag",
    "indicator",
    "malice",
    "classification",
    "uuid",
    "start",
    "end",
    "text",
    "x",
    "\0",
)
MOMENTS = (
    datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=23))),
    datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=23))),
    datetime(2024, 1, 1, tzinfo=UTC),
)


def question_case(rng, store):
    with suppress(AlertStoreError):
        order = read_order(rng.choice((*ORDERS, *TEXTS, value(rng))))
        good = json.dumps([f"{'-' if order.descending else ''}{order.column}", 1_700_000_000_000_000, 3]).encode()
        token = rng.choice((mutated(rng, good).decode("utf-8", rng.choice(("replace", "surrogateescape"))), value(rng)))
        number = read_cursor(order, token)
        assert all(-(1 << 63) <= one < 1 << 63 for one in number)
    with suppress(AlertValidationError):
        read_limit(value(rng))
    wanted = {
        name: rng.choice((value(rng), rng.choice(TEXTS), [rng.choice(TEXTS)], rng.choice(MOMENTS)))
        for name in rng.sample(FILTERS, rng.randrange(1, 4))
    }
    right = {"start": MOMENTS[2], "end": MOMENTS[1], "text": rng.choice(TEXTS)}
    wanted = {name: right.get(name, one) if rng.random() < 0.7 else one for name, one in wanted.items()}
    with suppress(AlertStoreError):
        read_filter(wanted)
        store.count(**wanted)
        store.alerts(**wanted)


READERS = {
    "patch": requests.read_patch,
    "classification": requests.read_classification,
    "finding": requests.read_finding,
    "rule": requests.read_rule,
    "rule patch": requests.read_rule_patch,
    "document": requests.read_document,
    "document patch": requests.read_document_patch,
    "record": requests.read_record,
}
FIELDS = (
    *("status", "severity", "close_classification", "tags", "malice_override", "reset_malice_override", "agent_name", "summary"),
    *("confidence", "recommended_action", "evidence", "name", "source_rule_id", "is_active", "mitre_tactics", "documentation"),
    *("title", "document_type", "content", "is_global", "description", "targeting_rules", "\0", "self", "model_config", ""),
)


def request_case(rng):
    for reader in READERS.values():
        given = {name: value(rng) for name in rng.sample(FIELDS, rng.randrange(6))}
        given |= (
            {"title": "t", "content": "c", "document_type": "sop", "name": "n", "agent_name": "a", "summary": "s"}
            if rng.random() < 0.5
            else {}
        )
        with suppress(AlertValidationError):
            reader(rng.choice((given, given, given, value(rng))))
    rules = {
        rng.choice(("match_any", "match_all", "x")): [
            {
                "field": rng.choice((*targeting.FIELDS, value(rng))),
                "op": rng.choice((*targeting.OPERATORS, value(rng))),
                "value": value(rng),
            }
            for _ in range(rng.randrange(3))
        ]
        for _ in range(rng.randrange(3))
    }
    rules = rng.choice((rules, rules, value(rng)))
    if not list(targeting.problems(rules)):
        assert targeting.applies(rules, source_name="generic", severity=Severity.HIGH, tags=["a"]) in {True, False}


LOG = notes.origin("0190a1b2-0000-7000-8000-000000000000")
NOTE = notes.note(notes.checkpoint_text(LOG, 7, b"r" * 32), [notes.signature_line(LOG, b"k" * 32, b"s" * 64)]).encode()


def checkpoint_case(rng, folder):
    good = json.dumps({"size": rng.choice((0, 7, 2**70)), "root": "ab" * 32}).encode()
    path = folder / "checkpoint.json"
    path.write_bytes(mutated(rng, rng.choice((good, good, NOTE, NOTE, b"", rng.choice(LINES)))))
    with suppress(AlertStoreError):
        found = evidence.read_checkpoint(str(path))
        assert type(found.size) is int
        assert found.size >= 0
        assert len(found.root) == 64


@pytest.fixture(scope="module")
def some_store():
    with AlertStore.open(":memory:") as store:
        fill(store, TEXTS[:3])
        yield store


@pytest.fixture
def targets(some_store, tmp_path):
    return {
        "one record": (record_case, 5_000),
        "files of every tool": (reading_case, 1_500),
        "files of nothing but structure": (generated_case, 4_000),
        "questions and cursors": (lambda rng: question_case(rng, some_store), 1_500),
        "requests and targeting rules": (request_case, 1_000),
        "checkpoint files": (lambda rng: checkpoint_case(rng, tmp_path), 1_000),
    }


PARSERS = [
    "one record",
    "files of every tool",
    "files of nothing but structure",
    "questions and cursors",
    "requests and targeting rules",
    "checkpoint files",
]


@pytest.mark.parametrize("name", PARSERS)
def test_no_parser_stumbles(targets, name, promise):
    case, cases = targets[name]
    run(case, cases, "short")
    promise(FUZZED, f"{name}: {cases:,} cases")


@pytest.mark.long
@pytest.mark.parametrize("name", PARSERS)
def test_no_parser_stumbles_for_long(targets, name, promise, capsys):
    run_long(targets[name][0], name, promise, capsys)


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory):
    """The bytes of a store file with something in it, no log beside it."""
    path = tmp_path_factory.mktemp("fuzz") / "whole.db"
    with AlertStore.open(path) as store:
        fill(store, TEXTS[:4])
    assert not path.with_name("whole.db-wal").exists()
    return path.read_bytes()


def damaged(rng, data):
    """A store file with a damaged header, or damaged pages, or cut."""
    page = 4096
    found = bytearray(data)
    match rng.randrange(6):
        case 0 | 1:
            for _ in range(rng.choice((1, 1, 2, 5))):
                found[rng.randrange(100)] = rng.choice((0, 1, 2, 255, rng.randrange(256)))
        case 2:
            start = rng.randrange(len(data) // page) * page
            found[start : start + page] = rng.choice((bytes(page), rng.randbytes(page)))
        case 3:
            one, other = (rng.randrange(len(data) // page) * page for _ in range(2))
            found[one : one + page], found[other : other + page] = found[other : other + page], found[one : one + page]
        case 4:
            del found[rng.randrange(len(data)) :]
        case _:
            for _ in range(rng.choice((1, 4, 64))):
                found[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(found)


def file_case(rng, data, folder):
    """Open a damaged file both ways, look at it, verify it: a typed error, a report, or what was there."""
    bad = damaged(rng, data)
    for mode in ("ro", "rw"):
        place = folder / mode
        place.mkdir()
        path = place / "a.db"
        path.write_bytes(bad)
        try:
            with AlertStore.open(path, mode=mode) as store:
                for look in LOOKS:
                    with suppress(AlertStoreError):
                        look(store)
        except StorageError:
            pass
        shutil.rmtree(place)


LOOKS = (
    lambda store: store.count(text="script"),
    lambda store: store.verify(depth="quick"),
    lambda store: store.verify(depth="full"),
    lambda store: store.verify(),
)


def test_no_damaged_file_makes_it_stumble(whole_file, tmp_path, promise):
    cases = 60
    run(lambda rng: file_case(rng, whole_file, tmp_path), cases, "short")
    promise(FUZZED, f"store files: {cases:,}, opened both ways")


@pytest.mark.long
def test_no_damaged_file_makes_it_stumble_for_long(whole_file, tmp_path, promise, capsys):
    run_long(lambda rng: file_case(rng, whole_file, tmp_path), "store files", promise, capsys)
