"""What came in: imports, and the records that could not be read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from alertstore.storage.intake import COUNTS
from alertstore.storage.rows import maybe, moment

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping
    from datetime import datetime


@frozen
class Import:
    """One file that was read. `finished_at` and the counts are None where it was not read to its end."""

    id: int
    name: str
    source_name: str
    started_at: datetime
    finished_at: datetime | None
    sha256: str | None
    size: int | None
    fault: str | None
    new: int | None
    duplicates: int | None
    seen: int | None
    skipped: int | None
    suppressed: int | None
    rejected: int | None
    notes: Mapping[str, int]


@frozen
class RejectedRecord:
    """A record that could not be read: why, and where it stood (its number, its byte offset).

    `size` and `sha256` (hex) are of all of it; of an over-long record `raw` holds the first 64 KiB.
    """

    import_id: int
    record: int
    position: int
    reason: str
    size: int
    sha256: str
    raw: bytes | None = field(repr=False)


def imports(conn: sqlite3.Connection) -> list[Import]:
    """All imports, oldest first."""
    sql = f"SELECT id, name, source_name, started_at, finished_at, sha256, size, fault, {', '.join(COUNTS)}, notes FROM import ORDER BY id"

    def value(row: tuple[Any, ...]) -> Import:
        number, name, source, started, finished, sha256, size, fault, *counts, notes = row
        return Import(
            id=number,
            name=name,
            source_name=source,
            started_at=moment(started),
            finished_at=maybe(finished),
            sha256=None if sha256 is None else sha256.hex(),
            size=size,
            fault=fault,
            **dict(zip(COUNTS, counts, strict=True)),
            notes=json.loads(notes or "{}"),
        )

    return [value(row) for row in conn.execute(sql)]


def rejected(conn: sqlite3.Connection, import_id: int | None, limit: int | None = None) -> Iterator[RejectedRecord]:
    """The records of one import, or of all, that could not be read, in the order they came."""
    sql = (
        "SELECT import_id, record, position, reason, size, sha256, raw FROM rejected_record "
        "WHERE suppression IS NULL AND (import_id = :import OR :import IS NULL) ORDER BY seq LIMIT :limit"
    )
    for number, record, position, reason, size, sha256, raw in conn.execute(
        sql, {"import": import_id, "limit": -1 if limit is None else limit}
    ):
        yield RejectedRecord(number, record, position, reason, size, sha256.hex(), raw)


def rejected_seq(conn: sqlite3.Connection, import_id: int, record: int) -> int | None:
    """The number of the event that rejected or suppressed a record, or None."""
    sql = "SELECT seq FROM rejected_record WHERE import_id = ? AND record = ?"
    row = conn.execute(sql, (import_id, record)).fetchone()
    return None if row is None else row[0]
