"""How a store is, as far as it can be seen without reading all of it: its files, its place, what SQLite it runs on."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from alertstore.storage import settings
from alertstore.storage.checkpoints import newest_note
from alertstore.storage.files import is_building, loose_modes
from alertstore.storage.filesystems import fs_type, is_network
from alertstore.storage.schema import additions, printable
from alertstore.storage.tree import check_head

if TYPE_CHECKING:
    from alertstore.domain.verdict import Problem

LARGE_LOG = 64 << 20
"""Bytes of a write-ahead log from which on it should have gone into the file."""

LEAST_FREE = 256 << 20
"""Bytes below which a disk is about to be full."""

Version = tuple[int, ...]

_FIRST_WITH_LOG: Version = (3, 7, 0)
_MENDED: Version = (3, 51, 3)
_MENDED_OLDER: tuple[Version, ...] = ((3, 44, 6), (3, 50, 7))


@frozen
class Health:
    """How a store is. Sizes are in bytes; None stands for what cannot be told.

    `mode`, `folder_mode`: permissions, as octal text. `links`: names that the file has. `free_pages`: pages of the file that
    hold nothing. `signed_size`: how many events the newest signed checkpoint covers, None where there is none; `unsigned_events`:
    those after it. `problems`: what a quick verification found. `warnings`: what somebody should do something about.
    """

    path: str
    bytes: int
    wal_bytes: int
    free_bytes: int | None
    fs_type: str | None
    mode: str | None
    folder_mode: str | None
    links: int | None
    page_size: int
    page_count: int
    free_pages: int
    journal_mode: str | None
    sqlite: str
    wal_reset_bug: bool
    events: int
    signed_size: int | None
    unsigned_events: int
    problems: tuple[Problem, ...]
    warnings: tuple[str, ...]


def has_wal_reset_bug(version: Version) -> bool:
    """Whether a version of SQLite has the bug in resetting its write-ahead log: 3.7.0 to 3.51.2, but for 3.44.6 and 3.50.7 onwards.

    A checkpoint by one connection that meets a commit by another, at the wrong instant, may leave some of the log out of the
    file: what was committed is lost, or the file is damaged.
    """
    if not _FIRST_WITH_LOG <= version < _MENDED:
        return False
    return not any(version[:2] == mended[:2] and version >= mended for mended in _MENDED_OLDER)


def health(conn: sqlite3.Connection, path: str) -> Health:
    """Look at an open store, inside a read of it; ":memory:" has no files."""
    frontier, problems = check_head(conn)
    newest = newest_note(conn)
    files: dict[str, Any] = _of_file(path) if path != ":memory:" else _OF_MEMORY
    pragmas = {"page_size": "page_size", "page_count": "page_count", "free_pages": "freelist_count"}
    facts = files | {name: conn.execute(f"PRAGMA {pragma}").fetchone()[0] for name, pragma in pragmas.items()}
    found = Health(
        path=path,
        **facts,
        journal_mode=_journal_mode(conn),
        sqlite=sqlite3.sqlite_version,
        wal_reset_bug=has_wal_reset_bug(sqlite3.sqlite_version_info),
        events=frontier.size,
        signed_size=None if newest is None else newest.size,
        unsigned_events=frontier.size - (0 if newest is None else newest.size),
        problems=tuple(problems),
        warnings=(),
    )
    return evolve(found, warnings=(*_warnings(found), *_loose(path), *_leftovers(path), *_of_schema(conn)))


_OF_MEMORY = {"bytes": 0, "wal_bytes": 0, "free_bytes": None, "fs_type": None, "mode": None, "folder_mode": None, "links": None}


def _of_file(path: str) -> dict[str, Any]:
    found, folder = os.stat(path), os.path.dirname(path)
    log = f"{path}-wal"
    return {
        "bytes": found.st_size,
        "wal_bytes": os.stat(log).st_size if os.path.exists(log) else 0,
        "free_bytes": shutil.disk_usage(folder).free,
        "fs_type": fs_type(path),
        "mode": f"{stat.S_IMODE(found.st_mode):04o}",
        "folder_mode": f"{stat.S_IMODE(os.stat(folder).st_mode):04o}",
        "links": found.st_nlink,
    }


def _journal_mode(conn: sqlite3.Connection) -> str | None:
    """How commits are made durable. A file that nobody writes to is read without locks, where SQLite does not look: None then,
    except of a sealed store, which is not written to at all.
    """
    (found,) = conn.execute("PRAGMA journal_mode").fetchone()
    return None if found == "delete" and not settings.value(conn, settings.SEALED) else str(found)


def _loose(path: str) -> list[str]:
    return loose_modes(path) if path != ":memory:" and os.name == "posix" else []


def _leftovers(path: str) -> list[str]:
    """Copies that were killed before they were whole: what is redacted in the store still stands in them."""
    folder, name = os.path.split(path)
    found = sorted(entry.name for entry in os.scandir(folder or ".") if is_building(entry.name, name)) if path != ":memory:" else []
    return [f"{one} is left of a store or copy whose making was stopped; delete it, if nobody is making one" for one in found]


def _of_schema(conn: sqlite3.Connection) -> list[str]:
    added = additions(conn)
    return [f"indexes were added that are not alertstore's: {', '.join(map(printable, added))}"] if added else []


def _warnings(found: Health) -> list[str]:
    """What somebody should do something about, in sentences."""
    warnings = [f"the history does not hold: {problem.where}; run verify" for problem in found.problems]
    if found.wal_bytes > LARGE_LOG:
        warnings.append(
            f"the write-ahead log has {found.wal_bytes:,} bytes: a reader that stays open, or a writer that died, keeps it from "
            "going into the file; close what is open, then open and close the store once"
        )
    if found.free_bytes is not None and found.free_bytes < max(LEAST_FREE, found.bytes):
        warnings.append(f"the disk has {found.free_bytes:,} bytes left, which is too little for a backup or for much growth")
    if found.wal_reset_bug and found.journal_mode in {None, "wal"}:
        warnings.append(
            f"SQLite {found.sqlite} has the WAL-reset bug (3.7.0 to 3.51.2, mended in 3.44.6, 3.50.7 and 3.51.3): a checkpoint that "
            "meets another connection's commit can, very rarely, lose commits or damage the file; alertstore takes the log in "
            "only every 4,000 pages and at closing, which makes it rarer still, and verify finds what it did; where several "
            "processes write, use a Python with a newer SQLite"
        )
    if is_network(found.fs_type):
        warnings.append(f"the store is on a network file system ({found.fs_type}), where a write-ahead log can lose writes")
    if found.links is not None and found.links > 1:
        warnings.append(f"the file has {found.links} names (hard links): writers under another name would not see each other")
    return warnings
