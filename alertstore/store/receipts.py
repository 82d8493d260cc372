"""Receipts: what a store said of itself after each write, in a file that is kept somewhere else.

One JSON object a line: the store's id, the number of events, the root. A store that was rolled back, or rewritten, is held
against them. Only ever appended to.
"""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING

from alertstore.errors import AlertValidationError, FieldProblem, RollbackDetectedError, SourceError, StorageError
from alertstore.storage import log
from alertstore.storage.checkpoints import root_at
from alertstore.store.checkpoint import Checkpoint

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

LONGEST_LINE = 4096
"""Characters; a line of ours has some 160."""

WINDOW = 64 << 10
"""Bytes at the end of the file that are looked at when a store is opened."""

_BEGINNING = '{"store": "'


def append_receipt(path: str, store_id: str, receipt: Checkpoint) -> None:
    """Add a receipt, durably; the file is made (mode 0600) where there is none. Raises `StorageError`."""
    line = json.dumps({"store": store_id, "size": receipt.size, "root": receipt.root}) + "\n"
    try:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600), "r+b", buffering=0) as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else f"\n{line}"  # the power went while the last one was written
            if file.write(line.encode()) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
    except OSError as fault:
        message = f"the write was kept, but its receipt could not be added to {path}: {fault.strerror}"
        raise StorageError(message, advice="make room, then take `checkpoint()` as the receipt") from fault


def read_receipts(path: str, store_id: str) -> Iterator[Checkpoint]:
    """The receipts of a store, oldest first; those of other stores are passed over, and so is a line whose writing was cut off.

    Raises `SourceError`; `AlertValidationError` for a line that is none.
    """
    for number, line in enumerate(_lines(path, 0), 1):
        found = _read(line, f"{path}, line {number}")
        if found is not None and found[0] == store_id:
            yield found[1]


def _lines(path: str, start: int) -> Iterator[str]:
    try:
        if not os.path.isfile(path):
            raise SourceError(f"{path} is no file of receipts", advice="name one that --receipts, or receipts=, has written")
        with open(path, encoding="utf-8", errors="replace") as file:
            file.seek(start)
            if start:
                file.readline(LONGEST_LINE)  # the rest of a line
            while line := file.readline(LONGEST_LINE):
                yield line
    except OSError as fault:
        raise SourceError(f"{path} cannot be read: {fault.strerror}", advice="name a file of receipts") from fault


def _newest(path: str, store_id: str) -> Checkpoint | None:
    """The receipt of the largest size: of two processes that write, the later need not be the last to add its line."""
    start = max(0, os.path.getsize(path) - WINDOW)
    read = (_read(line, f"{path}, near its end") for line in _lines(path, start))
    kept = [found[1] for found in read if found is not None and found[0] == store_id]
    if not kept and start:
        kept = list(read_receipts(path, store_id))
    return max(kept, key=lambda one: one.size, default=None)


def check_last_receipt(path: str, store_id: str, conn: sqlite3.Connection, store: str) -> None:
    """Raise `RollbackDetectedError` where a store is not what its newest receipt says, or a continuation of that."""
    last = _newest(path, store_id) if os.path.exists(path) else None
    if last is None:
        return
    size, _ = log.checkpoint(conn)
    root = root_at(conn, last.size, size)
    if root is None:
        message = f"{store} was pruned after its last receipt, of {last.size} events: it cannot be held against it"
        advice = "if you know of the pruning, verify with a signature, and go on with a new file of receipts"
        raise RollbackDetectedError(message, advice=advice)
    if root != last.root:
        found = f"has {size}" if last.size > size else f"has the root {root}"
        message = f"{store} {found}; its last receipt is of {last.size} events with the root {last.root}"
        raise RollbackDetectedError(
            message, advice="an older copy was put in its place, or it was rewritten; keep it, and look for the newer one"
        )


def _read(line: str, where: str) -> tuple[str, Checkpoint] | None:
    """A line's store and receipt; None where only its beginning was written."""
    line = line.replace("\0", "")  # blocks that a file was given before the power went
    if not line.strip() or (_BEGINNING.startswith(line.rstrip("\n")[: len(_BEGINNING)]) and not line.rstrip("\n").endswith("}")):
        return None
    try:
        found = json.loads(line)
        return str(found["store"]), Checkpoint(found["size"], found["root"])
    except (AlertValidationError, ValueError, TypeError, KeyError, RecursionError):
        problem = FieldProblem("receipts", 'must hold {"store": ..., "size": ..., "root": ...}', where)
        raise AlertValidationError([problem]) from None
