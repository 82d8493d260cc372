"""Records on their way in: by the batch, parsed, mapped; what runs a source's code, and needs no store."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import define, field

from alertstore.domain.intake import Prepared, describe_rule, prepare
from alertstore.errors import AlertStoreError
from alertstore.storage import intake
from alertstore.store.results import FIRST_REJECTIONS, Rejection

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from alertstore.domain.drafts import NewRule
    from alertstore.sources.base import Source
    from alertstore.sources.framing import RawRecord
    from alertstore.sources.readers import Reading

BATCH_RECORDS = 4000
BATCH_BYTES = 16 << 20
"""A batch, which is one transaction, holds at most this many records, or about this many bytes of them."""


@define
class Tally:
    """The counts of an import in progress."""

    counts: Counter[str] = field(factory=Counter)
    notes: Counter[str] = field(factory=Counter)
    rejections: list[Rejection] = field(factory=list)


@define
class Readable:
    """A record that has an alert in it, not decided yet."""

    number: int | None
    position: int | None
    raw: bytes
    digest: bytes
    prepared: Prepared


def read_records(
    reading: Reading,
    records: list[RawRecord],
    digests: list[bytes],
    known: Container[bytes],
    met: Container[str],
    rules: dict[str, NewRule],
    tally: Tally,
) -> tuple[list[Readable], list[intake.Refused]]:
    """Parse and map what was not seen before: the readable records and the refused; rules met first go into `rules`."""
    source, parse, tz = reading.source, reading.parse, reading.tz
    readable, refused, here, seen = [], [], set[bytes](), 0
    for record, digest in zip(records, digests, strict=True):
        if digest in known or digest in here:
            seen += 1
            continue
        try:
            if record.problem is not None:
                raise ValueError(record.problem)
            value = parse(record.raw)
            alert = source.alert(value, tz)
            if alert is None:
                tally.counts["skipped"] += 1
                continue
            prepared = prepare(alert, source.name)
        except Exception as fault:  # noqa: BLE001 - whatever a source does on a hostile record, it rejects that record only
            reason = _reason(fault, source)
            tally.counts["rejected"] += 1
            refused.append(intake.Refused(record.number, record.position, reason, record.size, digest, record.raw))
            if len(tally.rejections) < FIRST_REJECTIONS:
                tally.rejections.append(Rejection(record.number, record.position, reason))
            continue
        here.add(digest)
        if alert.notes:
            tally.notes.update(alert.notes)
        readable.append(Readable(record.number, record.position, record.raw, digest, prepared))
        rule_id = alert.rule_id
        if rule_id is not None and rule_id not in met and rule_id not in rules:
            rules[rule_id] = describe(source, rule_id, value)
    tally.counts["seen"] += seen
    return readable, refused


LONGEST_REASON = 500


def _reason(fault: Exception, source: Source) -> str:
    """Why a record was refused, in text that can be kept: a source may quote the record, which an attacker wrote."""
    text = str(fault) if isinstance(fault, ValueError) else f"the source {source.name!r} failed on it: {type(fault).__name__}"
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")[:LONGEST_REASON]


def describe(source: Source, rule_id: str, record: Mapping[str, Any]) -> NewRule:
    """The rule of a record; where the source cannot say more of it, a bare one."""
    try:
        rule = source.rule(record)
    except Exception:  # noqa: BLE001 - a rule that cannot be described must not cost its alert
        rule = None
    return describe_rule(rule, rule_id)


def batches(reading: Reading) -> Iterator[list[RawRecord]]:
    """Records by the batch. A fault in the middle of a file comes out after the batch of what was read before it."""
    batch: list[RawRecord] = []
    held = 0
    fault: Exception | None = None
    records = reading.records()
    while True:
        try:
            record = next(records, None)
        except AlertStoreError as stopped:
            record, fault = None, stopped
        if record is None:
            break
        batch.append(record)
        held += len(record.raw)
        if len(batch) >= BATCH_RECORDS or held >= BATCH_BYTES:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch
        batch = []
    if fault is not None:
        raise fault
