"""What SQLite itself says about a file: its pages, its index trees, its search index.

It takes about as long as the audit of the rows, and hardly any of Python; so it runs beside it, in a thread, on a connection
of its own.
"""

from __future__ import annotations

import re
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from alertstore.domain.verdict import Problem
from alertstore.errors import SchemaMismatchError, StoreDamagedError, StoreReadOnlyError
from alertstore.storage import search
from alertstore.storage.opening import open_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from alertstore.storage.repository import Mode, Repository

_OF_VALUES = re.compile("constraint failed|value in|non-unique entry")
"""Its words for pages that are sound and hold what no statement of ours could have written."""

MOST = 20
"""Faults that SQLite lists before it stops."""


@contextmanager
def noted(problems: list[Problem]) -> Iterator[None]:
    """Make a problem of what SQLite cannot read inside the block, or gives values of another kind for, and go on after it."""
    try:
        yield
    except (sqlite3.DatabaseError, TypeError, ValueError, KeyError, IndexError, AttributeError) as fault:
        problems.append(Problem("damage", "the file", "rows that can be read", str(fault)))


@contextmanager
def looked_for(repository: Repository) -> Iterator[Callable[[], list[Problem]]]:
    """Start looking; the function waits for what was found. A store in memory is looked at when the function is called."""
    repository.refuse_moved()
    if repository.path == ":memory:":
        yield lambda: _problems(repository)
        return
    (patience,) = repository.conn.execute("PRAGMA busy_timeout").fetchone()
    looking: list[sqlite3.Connection] = []

    def look() -> list[Problem]:
        mode: Mode = "ro" if repository.read_only else "rw"
        try:
            with closing(_second(repository.path, mode, timedelta(milliseconds=patience))) as second:
                looking.append(second.conn)
                try:
                    return _problems(second)
                finally:
                    looking.clear()
        except (SchemaMismatchError, StoreDamagedError) as fault:  # since it was opened
            return [Problem("schema" if isinstance(fault, SchemaMismatchError) else "damage", "the file", "a store that opens", str(fault))]

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(look)
        try:
            yield found.result
        except BaseException:  # an interrupt too must not wait for a long look
            for conn in looking:
                conn.interrupt()
            raise


def _second(path: str, mode: Mode, patience: timedelta) -> Repository:
    try:
        return open_file(path, mode=mode, durability="full", busy_timeout=patience, allow_network_fs=True)
    except StoreReadOnlyError:  # protected since it was opened
        return open_file(path, mode="ro", durability="full", busy_timeout=patience)


def _problems(repository: Repository) -> list[Problem]:
    try:
        with repository.reading() as conn:
            found = [text for (text,) in conn.execute(f"PRAGMA integrity_check({MOST})") if text != "ok"]
        if not found and not repository.read_only:
            with repository.locked() as conn:
                return search.problems(conn)
    except sqlite3.DatabaseError as fault:
        found = [str(fault)]
    return [Problem("row" if _OF_VALUES.search(text) else "damage", "the file", "a sound database", text) for text in found]
