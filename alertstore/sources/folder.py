"""What of a folder of evidence is read: regular files, wherever they lie in it, always in the same order."""

from __future__ import annotations

import os
import stat

_KINDS = {
    stat.S_IFLNK: "a link, which is not followed; name what it points to",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def files_of(folder: str) -> tuple[list[str], list[tuple[str, str]]]:
    """The paths of the regular files in a folder and below, hidden ones too, and (path, why) of what is passed over.

    Links are not followed: one may point anywhere, also back to where it lies. Sorted by their parts, so that the order does not
    depend on the file system.
    """
    files, other = [], []

    def unread(fault: OSError) -> None:
        other.append((str(fault.filename), f"{fault.filename} cannot be read: {fault.strerror}"))

    for where, folders, names in os.walk(folder, onerror=unread):
        for path in (os.path.join(where, name) for name in [*folders, *names]):
            kind = _kind(path)
            if kind == stat.S_IFREG:
                files.append(path)
            elif kind in _KINDS:
                other.append((path, f"{path} is {_KINDS[kind]}"))
    return sorted(files, key=_parts), sorted(other, key=lambda pair: _parts(pair[0]))


def _kind(path: str) -> int:
    try:
        return stat.S_IFMT(os.lstat(path).st_mode)
    except OSError:  # gone since the folder was listed
        return 0


def _parts(path: str) -> list[str]:
    return path.split(os.sep)
