"""The store files that this process has open, so that none is opened behind SQLite's back, and none that a fork brought along."""

from __future__ import annotations

import os
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from alertstore.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

Identity = tuple[int, int]
"""Device and inode: what a file is, whatever its name."""

NO_FILE: Identity = (0, 0)

_BESIDE = ("", "-wal", "-shm", "-journal")
_open: Counter[str] = Counter()
_inherited: set[Identity] = set()
_opening = threading.Lock()


@contextmanager
def opening(path: str) -> Iterator[None]:
    """Held while a file is looked at and then opened, so that no thread looks at one that another just opened.

    Raises `StorageError` for a file that was open when this process was forked off: SQLite would take the parent's locks for
    its own, and what was written here would be lost when the parent closes the file.
    """
    with _opening:
        if identity(path) in _inherited:
            message = f"{path} was open when this process was forked, and its locks are the parent's"
            raise StorageError(message, advice="close the store before forking, or start the process afresh (spawn)")
        yield


def entered(path: str) -> None:
    """Note that a connection to a file was opened."""
    _open[path] += 1


def left(path: str) -> None:
    """Note that one was closed."""
    _open[path] -= 1
    if not _open[path]:
        del _open[path]


def in_use(path: str) -> bool:
    """Whether a file belongs to a store that this process has open.

    Such a file must not be opened in any other way: closing it again would drop SQLite's locks (POSIX), and with them what
    other processes write.
    """
    found = identity(path)
    return found not in {None, NO_FILE} and any(identity(f"{one}{ending}") == found for one in list(_open) for ending in _BESIDE)


def inherit(identities: set[Identity]) -> None:
    """In a forked child: these files are its parent's. Nobody else of this process is opening one now."""
    global _opening  # noqa: PLW0603 - the thread that may hold it is not in this process
    _opening = threading.Lock()
    _inherited.update(identities)


def identity(path: str) -> Identity | None:
    """What file is at a path: None for a store in memory, `NO_FILE` where there is none."""
    if path == ":memory:":
        return None
    with suppress(FileNotFoundError):
        found = os.stat(path)
        return found.st_dev, found.st_ino
    return NO_FILE
