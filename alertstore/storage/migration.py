"""Bringing an older store file up to date: a backup first, then every step in one transaction, with an event that says so."""

from __future__ import annotations

import os
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from alertstore.domain.events import EventDraft, EventKind
from alertstore.errors import NotAStoreError
from alertstore.storage import schema
from alertstore.storage.backup import backup
from alertstore.storage.opening import old_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID


def migrate(path: str, clock: Callable[[], datetime], ids: Callable[[], UUID]) -> Path | None:
    """Migrate the file at `path`; the backup's path, or None where nothing was to do."""
    with old_file(path) as repository:
        conn = repository.conn
        (application,) = conn.execute("PRAGMA application_id").fetchone()
        (version,) = conn.execute("PRAGMA user_version").fetchone()
        if application != schema.APPLICATION_ID:
            raise NotAStoreError(f"{path} is not an alertstore file", advice="name an alertstore file")
        if version == schema.VERSION:
            return None
        if version > schema.VERSION:
            schema.check(conn, path)
        copy = _free(f"{path}.v{version}.backup")
        with repository.reading():
            backup(conn, str(copy))
        with repository.writing(clock, ids) as transaction:
            schema.migrate(repository.db, version)
            draft = EventDraft(EventKind.SETTING_CHANGED, "schema_version", transaction.now, "alertstore")
            draft.changes = {"schema_version": [str(version), str(schema.VERSION)]}
            transaction.append(draft)
            repository.db.table("setting").insert({"name": "schema_version", "value": str(schema.VERSION)}, replace=True)
            schema.check(conn, path)  # what is not ours in an old file does not become part of a new one
    return copy


def _free(name: str) -> Path:
    """A path where no file is: the name, or the name with a number."""
    names = chain([name], (f"{name}.{number}" for number in count(2)))
    return next(path for path in map(Path, names) if not os.path.lexists(path))
