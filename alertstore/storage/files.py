"""The store's file as the operating system shows it: what is refused before it is opened, and who else may write to it."""

from __future__ import annotations

import os
import stat
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from alertstore.errors import NotAStoreError, StorageError, StoreBusyError, StoreReadOnlyError

if TYPE_CHECKING:
    from collections.abc import Iterator

SIDECARS = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database, by the endings of the names."""

BUILDING, COPYING = ".new", ".backup"
"""How the names end under which a new store, or a copy of one, is built."""

_WRITE_BITS = 0o222
_OTHERS_WRITE = 0o022
_JOURNAL_END = bytes.fromhex("d9d505f920a163d7")
_USERS_LINE = 4  # frames from the warning to the caller of AlertStore.open


def real_path(path: str) -> str:
    """The one path of a store file: its folder resolved, so that two names of the folder mean one lock; its name as it is."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def check_regular(path: str) -> os.stat_result:
    """Refuse what is not a regular file, or a link to one, without opening it."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        raise NotAStoreError(f"there is no store at {path}", advice="AlertStore.open(path) creates one") from None
    except OSError as fault:
        raise StorageError(f"{path} cannot be opened: {fault.strerror}") from fault
    if stat.S_ISLNK(found.st_mode):
        raise NotAStoreError(f"{path} is a symbolic link", advice="name the file itself: its log stands beside it")
    if not stat.S_ISREG(found.st_mode):
        raise NotAStoreError(f"{path} is not a regular file", advice="name an alertstore file, or a new one")
    return found


def check_file(path: str, *, writing: bool) -> None:
    """Refuse a file that has two names, or odd files beside it; for writing also one that is protected or another user's."""
    found = check_regular(path)
    if _has_other_names(path, found, tidy=writing):
        message = f"{path} has more than one name (hard links); writers under another name would not see each other"
        raise StorageError(message, advice="copy it to a file of its own, and open that")
    for ending in SIDECARS:
        _check_sidecar(f"{path}{ending}")
    if not writing:
        return
    if not found.st_mode & _WRITE_BITS:
        raise StoreReadOnlyError(f"{path} is write-protected", advice="open it with mode='ro'")
    if hasattr(os, "geteuid") and os.geteuid() not in {0, found.st_uid}:
        message = f"{path} belongs to another user, who could change it at any time"
        raise StoreReadOnlyError(message, advice="open it with mode='ro', or write to a copy of your own")
    if not (_may_write(path) and _may_write(os.path.dirname(path))):
        message = f"{path} cannot be written to, or no files can be made beside it"
        raise StoreReadOnlyError(message, advice="open it with mode='ro', or in a place that you may write to")
    if found.st_mode & _OTHERS_WRITE:
        warnings.warn(f"{path} may be written to by other users (mode {stat.S_IMODE(found.st_mode):04o})", stacklevel=_USERS_LINE)


def is_building(entry: str, name: str) -> bool:
    """Whether a file's name is one under which the store `name`, or a copy of it, is built."""
    return entry.startswith(f".{name}.") and entry.endswith((BUILDING, COPYING))


def _has_other_names(path: str, found: os.stat_result, *, tidy: bool) -> bool:
    """Whether a file has other names than its own and those that its making gave it.

    A new store, or a copy, is built under another name and then linked into place; its maker may be between the two, or have died there.
    """
    if found.st_nlink <= 1:
        return False
    folder, name = os.path.split(path)
    building = [entry.path for entry in os.scandir(folder) if entry.inode() == found.st_ino and is_building(entry.name, name)]
    if tidy:
        for leftover in building:
            Path(leftover).unlink(missing_ok=True)
        building.clear()
    return os.lstat(path).st_nlink > 1 + len(building)


def _check_sidecar(path: str) -> None:
    """Refuse a file beside the store that SQLite would follow elsewhere: a link, a device, or a journal that names a file to delete."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        raise StorageError(f"{path} is not a regular file of its own", advice="no store leaves such a file there; find out who did")
    if path.endswith("-journal") and names_another(path):
        advice = "no store leaves such a journal; look at the database with AlertStore.evidence(path)"
        raise StorageError(f"{path} names a file that SQLite would delete on opening", advice=advice)


def names_another(journal: str) -> bool:
    """Whether a rollback journal names a super-journal (file format, 3): SQLite would delete that file, wherever it is."""
    try:
        with open(journal, "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - len(_JOURNAL_END)))
            return file.read() == _JOURNAL_END
    except FileNotFoundError:  # its writer was done with it
        return False


class Stamp(NamedTuple):
    """What a file was at one moment. quiet: no writer has it open, and no log holds what is not in it."""

    inode: int
    size: int
    changed: int
    quiet: bool


def stamp(path: str) -> Stamp | None:
    """The file as it is now; None where there is none."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    quiet = not os.path.lexists(f"{path}-shm") and not has_log(path)
    return Stamp(found.st_ino, found.st_size, found.st_mtime_ns, quiet)


def has_log(path: str) -> bool:
    """Whether a write-ahead log with something in it stands beside a file."""
    try:
        return os.stat(f"{path}-wal").st_size > 0
    except FileNotFoundError:
        return False


@contextmanager
def undisturbed(path: str, before: Stamp | None) -> Iterator[None]:
    """Read a file that nobody holds a lock on; raises `StoreBusyError` where it was written to meanwhile. None: it is locked."""
    fault: Exception | None = None
    try:
        yield
    except Exception as caught:  # noqa: BLE001 - what was half written when it was read can look like anything
        fault = caught
    if before is not None and ((now := stamp(path)) is None or now[:3] != before[:3]):
        raise StoreBusyError(f"{path} was written to while it was read", advice="try again") from fault
    if fault is not None:
        raise fault


def is_protected(path: str) -> bool:
    """Whether a file, or its folder, must not be written to."""
    return not os.stat(path).st_mode & _WRITE_BITS or not (_may_write(path) and _may_write(os.path.dirname(path)))


def _may_write(path: str) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def loose_modes(path: str) -> list[str]:
    """Who else can read or change a store's files, in words; for a report. Empty where only the owner can."""
    found = [
        f"{file} is open to other users (mode {mode:04o})"
        for file in (path, *(f"{path}{ending}" for ending in SIDECARS))
        if os.path.lexists(file) and (mode := stat.S_IMODE(os.lstat(file).st_mode)) & 0o077
    ]
    folder = os.path.dirname(path)
    mode = stat.S_IMODE(os.stat(folder).st_mode)
    if mode & _OTHERS_WRITE and not mode & stat.S_ISVTX:
        found.append(f"other users can replace files in {folder} (mode {mode:04o})")
    return found


def sync_folder(folder: str) -> None:
    """Make a new name survive power loss, where the system can say so for a folder."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
