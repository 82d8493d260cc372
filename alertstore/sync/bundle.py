"""Writing a bundle: whole, read back and checked, or not at all. Reading one is `sync.bundle_reader`."""

from __future__ import annotations

import errno
import os
from array import array
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from alertstore.domain.bundle import ALERTS, EVENTS, MANIFEST, MEMBERS, PROOF, README, VERIFIER, BundleManifest, Member, summary
from alertstore.domain.bundle_lines import LONGEST_LINE, encode_line
from alertstore.errors import BundleError, StorageError, StoreFullError
from alertstore.storage.files import sync_folder
from alertstore.sync.bundle_reader import Bundle, check_bundle, read_bundle
from alertstore.sync.ziparchive import Entry, Packer, directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from alertstore.domain.bundle import BundleFacts

    Proof = Callable[[Sequence[int]], tuple[bytes, list[bytes]]]
    Signer = tuple[bytes, Callable[[bytes], bytes]]

__all__ = ["Bundle", "read_bundle", "write_bundle"]

UNFINISHED = ".part"
"""How the name ends under which a bundle is written."""

_BATCH = 1 << 18
_NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_RECORDS = {"alert_ingested", "alert_deduplicated"}


def write_bundle(
    path: str | os.PathLike[str],
    facts: BundleFacts,
    lines: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
    proof: Proof,
    verifier: bytes,
    sign: Signer | None = None,
) -> BundleManifest:
    """Write a bundle to a new file: the alerts' lines and the other events (see `domain.bundle_lines`), each gone through once.

    proof: given the numbers of all events, in order, the root of the history's first `facts.size` events and the hashes of
    `domain.multiproof`. verifier: the text of verify.py. sign: the public key and what signs with it. Equal content makes equal bytes.

    The file is there under its name only once it is on the disk, was read back, and holds. Raises `StorageError` where it is there
    already or cannot be written (`StoreFullError`: no room), `BundleError` where what was written does not hold.
    """
    name = os.path.abspath(os.fspath(path))
    temporary = name + UNFINISHED
    try:
        _refuse_existing(name)
        with suppress(FileNotFoundError):
            os.unlink(temporary)  # of a run that was stopped
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        try:
            with os.fdopen(handle, "w+b") as file:
                manifest = _write(file, facts, lines, events, proof, verifier, sign)
                _check_written(file, name, manifest, sign)
                mine = os.fstat(file.fileno())
            _refuse_existing(name)
            if not os.path.samestat(mine, os.stat(temporary)):
                raise StorageError(f"somebody else writes to {temporary}", advice="export to another name, one after the other")
            os.rename(temporary, name)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as fault:
        raise _unwritable(name, fault) from fault
    except ValueError as fault:
        raise BundleError(f"{name} cannot be written: {fault}", advice="export less: since, or without payloads") from fault
    sync_folder(os.path.dirname(name))
    return manifest


def _write(
    file: IO[bytes],
    facts: BundleFacts,
    lines: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
    proof: Proof,
    verifier: bytes,
    sign: Signer | None,
) -> BundleManifest:
    """Write all members, each where the one before ends, then the list of them, in its own order."""
    writing = _Writing(file)
    alerts, edits, records = writing.alerts(lines)
    writing.lines(EVENTS, events, lambda one: writing.seqs.append(one["body"]["seq"]))
    root, hashes = proof(sorted(writing.seqs))
    writing.lines(PROOF, [{"size": facts.size, "root": root.hex(), "hashes": [one.hex() for one in hashes]}])
    writing.text(VERIFIER, verifier)
    writing.text(README, summary(facts, alerts, edits, records).encode())
    manifest = BundleManifest(
        store=facts.store, since=facts.since, size=facts.size, root=root.hex(), made_at=facts.made_at, made_by=facts.made_by,
        alerts=alerts, events=len(writing.seqs), records=records, payloads=facts.payloads, alertstore=facts.alertstore,
        members=tuple(writing.members[name] for name in MEMBERS if name != MANIFEST),
    )  # fmt: skip
    writing.text(MANIFEST, (manifest.text() if sign is None else manifest.signed(*sign)).encode())
    file.write(directory([writing.entries[name] for name in MEMBERS], file.tell()))
    return manifest


class _Writing:
    """The members that were written so far."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.entries: dict[str, Entry] = {}
        self.members: dict[str, Member] = {}
        self.seqs = array("q")

    def alerts(self, lines: Iterable[Mapping[str, Any]]) -> tuple[int, int, int]:
        """Write the alerts; how many there were, edits of them, records of them."""
        alerts = edits = records = 0

        def count(line: Mapping[str, Any]) -> None:
            nonlocal alerts, edits, records
            alerts += 1
            for one in line["events"]:
                body = one["body"]
                self.seqs.append(body["seq"])
                edits += "edits" in body
                records += body["kind"] in _RECORDS

        self.lines(ALERTS, lines, count)
        return alerts, edits, records

    def lines(self, name: str, lines: Iterable[Mapping[str, Any]], count: Callable[[Mapping[str, Any]], None] = lambda _: None) -> None:
        """Write a member of lines, a batch of them at a time; each is shown to `count`."""
        packer, batch, size = Packer(self.file, name), list[bytes](), 0
        for line in lines:
            count(line)
            batch.append(_encoded(line))
            size += len(batch[-1])
            if size > _BATCH:
                packer.write(b"\n".join([*batch, b""]))
                batch, size = [], 0
        if batch:
            packer.write(b"\n".join([*batch, b""]))
        self._close(packer, name)

    def text(self, name: str, content: bytes) -> None:
        """Write a member whole."""
        packer = Packer(self.file, name)
        packer.write(content)
        self._close(packer, name)

    def _close(self, packer: Packer, name: str) -> None:
        entry, digest = packer.close()
        self.entries[name], self.members[name] = entry, Member(digest, entry.size, name)


def _encoded(line: Mapping[str, Any]) -> bytes:
    made = encode_line(line)
    if len(made) > LONGEST_LINE:
        what = f"alert {line['uuid']}, with {len(line['records'])} records," if "uuid" in line else "the proof"
        raise ValueError(f"{what} has {len(made)} bytes, more than the {LONGEST_LINE} that a line may have")
    return made


def _check_written(file: IO[bytes], name: str, manifest: BundleManifest, sign: Signer | None) -> None:
    """Read back what is on the disk, as whoever gets it will."""
    file.flush()
    os.fsync(file.fileno())
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # from the stick, not from memory, as far as the system lets us
    made = check_bundle(file, name, ())
    if made.manifest != manifest or made.signed_by != (sign and sign[0].hex()):
        raise BundleError(f"{name} is not what was written", advice="the stick may be failing: use another one")


def _refuse_existing(name: str) -> None:
    if os.path.lexists(name):
        raise StorageError(f"{name} is there already", advice="name a file that does not exist")


def _unwritable(name: str, fault: OSError) -> StorageError:
    if fault.errno in _NO_ROOM:
        return StoreFullError(f"{name} cannot be written: {fault.strerror}", advice="make room, or export less: since, or without payloads")
    return StorageError(
        f"{name} cannot be written: {fault.strerror or fault}", advice="look whether the stick is there and can be written to"
    )
