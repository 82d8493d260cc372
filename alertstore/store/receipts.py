"""Receipts: what a store said of itself after each write, in a file that is kept somewhere else.

One JSON object a line: the store's id, the number of events, the root. A store that was rolled back, or rewritten, is held
against them. Only ever appended to.
"""

from __future__ import annotations

import errno
import json
import os
from typing import TYPE_CHECKING

from alertstore.errors import AlertValidationError, FieldProblem, RollbackDetectedError, StorageError
from alertstore.storage import log
from alertstore.storage.checkpoints import root_at
from alertstore.store.checkpoint import Checkpoint

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

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

    Raises `StorageError`; `AlertValidationError` for a line that is none.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                found = _read(line, f"{path}, line {number}")
                if found is not None and found[0] == store_id:
                    yield found[1]
    except OSError as fault:
        raise StorageError(f"{path} cannot be read: {fault.strerror}", advice="name a file of receipts") from fault


def check_last_receipt(path: str, store_id: str, conn: sqlite3.Connection, store: str) -> None:
    """Raise `RollbackDetectedError` where a store is not what its last receipt says, or a continuation of that."""
    kept = list(read_receipts(path, store_id)) if os.path.exists(path) else []
    if not kept:
        return
    last, (size, _) = kept[-1], log.checkpoint(conn)
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
    if _BEGINNING.startswith(line.rstrip("\n")[: len(_BEGINNING)]) and not line.rstrip("\n").endswith("}"):
        return None
    try:
        found = json.loads(line)
        return str(found["store"]), Checkpoint(found["size"], found["root"])
    except (AlertValidationError, ValueError, TypeError, KeyError, RecursionError):
        problem = FieldProblem("receipts", 'must hold {"store": ..., "size": ..., "root": ...}', where)
        raise AlertValidationError([problem]) from None
