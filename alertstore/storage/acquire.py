"""Taking a database from elsewhere: hashed, copied, hashed again, and looked at as a copy. The source is only ever read."""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import stat
import time
from contextlib import closing, contextmanager, suppress
from functools import partial
from hashlib import sha256
from tempfile import mkdtemp
from typing import TYPE_CHECKING, NamedTuple

from attrs import frozen

from alertstore.errors import NotAStoreError, StorageError, StoreFullError
from alertstore.storage.files import SIDECARS, check_regular, names_another
from alertstore.storage.registry import in_use

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_FAULTS = 20
"""Faults that the integrity check lists before it stops."""

_CHUNK = 1 << 20
_LONGEST = 64 << 20  # bytes of a value that the integrity check may make: the schema may be hostile
_PATIENCE, _PATIENCE_BYTE = 60.0, 1e-6  # seconds that the integrity check may take, and for each byte of the file
_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


class AcquiredFile(NamedTuple):
    """One file as it was read: its name, its size in bytes, the SHA-256 of its bytes (hex)."""

    name: str
    size: int
    sha256: str


@frozen
class Acquisition:
    """What was taken, and from where.

    `path`: the source. `copy`: the working copy of the database, which SQLite may have tidied up (a log played back).
    `files`: the source's file and those beside it. `integrity`: what SQLite's integrity check says of the copy, ("ok",) or
    its faults.
    """

    path: str
    copy: str
    files: tuple[AcquiredFile, ...]
    integrity: tuple[str, ...]


@contextmanager
def acquired(path: str, folder: str | None = None) -> Iterator[Acquisition]:
    """A private working copy of a database, for as long as the block runs.

    With `folder`, which is made if absent, untouched copies of the files (mode 0400) stay there. Raises `StorageError` where the
    source is no regular file, belongs to a store that this process has open, or changed while it was read.
    """
    source = os.path.abspath(path)
    try:
        if folder is not None:
            folder = os.path.abspath(folder)
            os.makedirs(folder, mode=0o700, exist_ok=True)
        private = mkdtemp(prefix=".alertstore-evidence-", dir=folder)  # mode 0700
    except OSError as fault:
        message = f"no copy can be made in {folder or 'the folder for temporary files'}: {fault.strerror}"
        raise StorageError(message, advice="name a folder you may write to") from fault
    remove = partial(_remove, private, os.getpid())
    atexit.register(remove)
    try:
        yield acquire(source, os.path.realpath(private), folder)
    finally:
        remove()
        atexit.unregister(remove)


def _remove(private: str, owner: int) -> None:
    """Remove a working copy; in a forked child, which has it from its parent, do nothing."""
    if os.getpid() == owner:
        shutil.rmtree(private, ignore_errors=True)


def acquire(path: str, work: str, kept: str | None = None) -> Acquisition:
    """Copy a database and what stands beside it into the folder `work`, and untouched into `kept`; check the copy.

    Neither folder may hold files of these names. Raises as `acquired` does.
    """
    source = os.path.abspath(path)
    endings = _present(source)
    name = os.path.basename(source)
    folders = [work] if kept is None else [work, kept]
    _check_room(source, endings, work, len(folders))
    files = [_copy(f"{source}{ending}", [os.path.join(folder, f"{name}{ending}") for folder in folders]) for ending in endings]
    again = [_hash(f"{source}{ending}") for ending in endings]
    if files != again or _present(source) != endings:
        advice = "whoever writes it must stop first; from an open store, take a backup instead"
        raise StorageError(f"{source} changed while it was read", advice=advice)
    copy = os.path.join(work, name)
    if names_another(f"{copy}-journal"):
        message = f"{source}-journal names a file that SQLite would delete on opening"
        raise StorageError(message, advice="no store leaves such a journal: look at the database without it, on a copy of your own")
    return Acquisition(source, copy, tuple(files), _integrity(copy))


def _present(source: str) -> list[str]:
    """Which of the files are there, as endings; each must be a regular file that no store of this process has open."""
    check_regular(source)
    endings = [ending for ending in ("", *SIDECARS) if os.path.lexists(f"{source}{ending}")]
    for ending in endings:
        file = f"{source}{ending}"
        if not stat.S_ISREG(os.lstat(file).st_mode):
            raise StorageError(f"{file} is not a regular file", advice="no database has such a file beside it; find out who put it there")
        if in_use(file):
            raise StorageError(f"{file} belongs to a store that is open here", advice="close it first, or use its backup()")
    return endings


def _check_room(source: str, endings: Sequence[str], work: str, copies: int) -> None:
    needed = copies * sum(os.stat(f"{source}{ending}").st_size for ending in endings)
    if needed > shutil.disk_usage(work).free:
        raise StoreFullError(f"{work} has no room for the {needed:,} bytes of {source}", advice="name a folder that has, for the copy")


def _copy(file: str, targets: Sequence[str]) -> AcquiredFile:
    """Copy a file to new ones, of mode 0600 the first and 0400 the others; what was read is what was hashed."""
    handles = []
    try:
        for number, target in enumerate(targets):
            handles.append(os.open(target, _NEW, 0o400 if number else 0o600))
        found = _hash(file, handles)
        for handle in handles:
            os.fsync(handle)
    except FileExistsError as fault:
        raise StorageError(f"{fault.filename} exists already", advice="name a folder that holds nothing of this name") from None
    finally:
        for handle in handles:
            os.close(handle)
    return found


def _hash(file: str, handles: Sequence[int] = ()) -> AcquiredFile:
    """Read a file once, without SQLite; its bytes go to `handles` as well."""
    digest, size = sha256(), 0
    try:
        source = os.open(file, _READ)
    except OSError as fault:
        raise StorageError(f"{file} cannot be read: {fault.strerror}", advice="read it as somebody who may") from fault
    try:
        if not stat.S_ISREG(os.fstat(source).st_mode):
            raise NotAStoreError(f"{file} is not a regular file", advice="name the database itself")
        while chunk := _chunk(source, file):
            digest.update(chunk)
            size += len(chunk)
            for handle in handles:
                _write(handle, chunk)
    finally:
        os.close(source)
    return AcquiredFile(os.path.basename(file), size, digest.hexdigest())


def _chunk(source: int, file: str) -> bytes:
    try:
        return os.read(source, _CHUNK)
    except OSError as fault:
        raise StorageError(f"{file} cannot be read: {fault.strerror}", advice="its disk may fail: copy what it still gives") from fault


def _write(handle: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    try:
        while rest:
            rest = rest[os.write(handle, rest) :]
    except OSError as fault:
        raise StoreFullError(f"the copy cannot be written: {fault.strerror}", advice="name a folder with room for it") from fault


def _integrity(copy: str) -> tuple[str, ...]:
    """What SQLite says of the copy. A log or a journal beside it is played back, here, where only the copy changes."""
    try:
        with closing(sqlite3.connect(copy, isolation_level=None)) as conn:
            conn.text_factory = _text
            conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
            conn.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            conn.executescript("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;")
            end = time.monotonic() + _PATIENCE + _PATIENCE_BYTE * os.path.getsize(copy)
            conn.set_progress_handler(lambda: time.monotonic() > end, 100)
            found = tuple(str(line) for (line,) in conn.execute(f"PRAGMA integrity_check({MOST_FAULTS})"))
            conn.set_progress_handler(None, 0)
            with suppress(sqlite3.Error):  # a damaged file may not take its log in; the log then stays beside it
                conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            return found
    except (sqlite3.Error, UnicodeDecodeError) as fault:  # SQLite's own words may quote a name that is no text
        return ("not finished in time" if str(fault) == "interrupted" else str(fault),)


def _text(value: bytes) -> str:
    return value.decode(errors="backslashreplace")
