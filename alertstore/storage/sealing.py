"""A sealed copy: of a history that ends with being sealed; no log beside it, now or later."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from alertstore.storage import log, registry
from alertstore.storage.backup import backup
from alertstore.storage.faults import translated
from alertstore.storage.settings import SEALED

if TYPE_CHECKING:
    from alertstore.storage.repository import Repository


def copy_sealed(repository: Repository, size: int, path: str) -> bool:
    """Copy a store whose last event, number `size`, seals it, and mark the copy; False where somebody has written since."""
    with repository.reading() as conn:  # one moment, whatever others do meanwhile
        if log.checkpoint(conn)[0] != size:
            return False
        backup(conn, path)
    with translated(path), registry.opening(path), closing(sqlite3.connect(path, isolation_level=None)) as copy:
        copy.execute("INSERT INTO setting (name, value) VALUES (?, 'yes')", (SEALED,))  # a backup keeps no log, so this leaves none
    return True
