"""Which file system a store is on: a write-ahead log needs memory that all its processes share, which a network does not give."""

from __future__ import annotations

import os
import re

from alertstore.errors import StorageError

_NETWORK = frozenset(
    """
    9p afp afs beegfs ceph cifs coda davfs fhgfs gfs2 glusterfs gpfs lustre ncp ncpfs nfs nfs3 nfs4 ocfs2 orangefs prl_fs pvfs2
    smb smb2 smb3 smbfs vboxsf virtiofs vmhgfs
    fuse.ceph fuse.cifs fuse.curlftpfs fuse.davfs fuse.gcsfuse fuse.glusterfs fuse.goofys fuse.grpcfuse fuse.juicefs fuse.osxfs
    fuse.rclone fuse.s3fs fuse.smbnetfs fuse.sshfs fuse.vmhgfs-fuse
    """.split()  # noqa: SIM905 - names are easier to read without quotes
)
_MOUNTS = "/proc/self/mounts"
_ESCAPED = re.compile(r"\\([0-7]{3})")


def is_network(kind: str | None) -> bool:
    """Whether files of this kind of file system may be written to from another machine, unseen by this one's locks."""
    return kind is not None and kind.lower() in _NETWORK


def fs_type(path: str) -> str | None:
    """The kind of file system that a path is on, as Linux names it ("ext4", "nfs4"); None where that cannot be told."""
    try:
        with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
            mounts = file.read()
    except OSError:  # not Linux, or /proc is not there
        return None
    return fs_type_in(mounts, os.path.realpath(path))


def fs_type_in(mounts: str, path: str) -> str | None:
    """The kind of the file system that holds an absolute path, by a table of mounts (fstab(5)): the deepest, the last of equals."""
    best, kind = "", None
    for line in mounts.splitlines():
        _, place, this, *_ = f"{line}   ".split(" ")
        place = _ESCAPED.sub(lambda found: chr(int(found[1], 8)), place)
        inside = path == place or path.startswith(place.rstrip("/") + "/")
        if place and inside and len(place) >= len(best):
            best, kind = place, this
    return kind


def check_local(path: str) -> None:
    """Refuse to write to a file on another machine."""
    kind = fs_type(os.path.dirname(path))
    if is_network(kind):
        message = f"{path} is on a network file system ({kind}), where a write-ahead log can lose what was written"
        raise StorageError(message, advice="keep the store on a local disk; allow_network_fs=True if only this machine ever opens it")
