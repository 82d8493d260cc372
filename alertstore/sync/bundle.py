"""Writing a bundle: whole, read back and checked, or not at all. Reading one is `sync.bundle_reader`."""

from __future__ import annotations

import errno
import os
from array import array
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from alertstore.domain.bundle import ALERTS, EVENTS, MANIFEST, MEMBERS, PROOF, README, VERIFIER, BundleManifest, Member, summary
from alertstore.domain.bundle_lines import LONGEST_LINE, check_line, encode_line, parse_line
from alertstore.domain.fold import FORGED
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
_LONG = 1 << 20  # up to here a line of ours is spelled as a reader wants it, however many values it has
_NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_REFUSED = (*FORGED, OverflowError)
_RECORDS = {"alert_ingested", "alert_deduplicated"}


def write_bundle(
    path: str | os.PathLike[str],
    facts: BundleFacts,
    lines: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
    proof: Proof,
    verifier: bytes,
    sign: Signer | None = None,
    *,
    left: list[tuple[str, str]] | None = None,
) -> BundleManifest:
    """Write a bundle to a new file: the alerts' lines and the other events (see `domain.bundle_lines`), each gone through once.

    proof: given the numbers of all events, in order, the root of the history's first `facts.size` events and the hashes of
    `domain.multiproof`. verifier: the text of verify.py. sign: the public key and what signs with it. Equal content makes equal bytes.
    left: where an alert whose line no reader would take is named, with the reason, while the others are written; without it, one such
    line is a fault.

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
                manifest = _write(_Writing(file, facts.store, left), facts, lines, events, proof, verifier, sign)
                _check_written(file, name, manifest, sign)
                mine = os.fstat(file.fileno())
            _refuse_existing(name)
            if not os.path.samestat(mine, os.stat(temporary)):
                raise StorageError(f"somebody else writes to {temporary}", advice="export to another name, one after the other")
            os.rename(temporary, name)
        except BaseException:  # an interrupt too must not leave half of it; it is raised again
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
    writing: _Writing,
    facts: BundleFacts,
    lines: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
    proof: Proof,
    verifier: bytes,
    sign: Signer | None,
) -> BundleManifest:
    """Write all members, each where the one before ends, then the list of them, in its own order."""
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
    writing.file.write(directory([writing.entries[name] for name in MEMBERS], writing.file.tell()))
    return manifest


class _Writing:
    """The members that were written so far, of a bundle of this store; `left` as in `write_bundle`."""

    def __init__(self, file: IO[bytes], store: str, left: list[tuple[str, str]] | None) -> None:
        self.file, self.store, self.left = file, store, left
        self.entries: dict[str, Entry] = {}
        self.members: dict[str, Member] = {}
        self.seqs = array("q")

    def alerts(self, lines: Iterable[Mapping[str, Any]]) -> tuple[int, int, int]:
        """Write the alerts, but for those that are `left`; how many there were, edits of them, records of them."""
        alerts = edits = records = 0

        def count(line: Mapping[str, Any]) -> None:
            nonlocal alerts, edits, records
            alerts += 1
            for one in line["events"]:
                body = one["body"]
                self.seqs.append(body["seq"])
                edits += "edits" in body
                records += body["kind"] in _RECORDS

        self.lines(ALERTS, lines, count, self._taken)
        return alerts, edits, records

    def _taken(self, line: Mapping[str, Any]) -> bytes | None:
        """A line as it is written; None where no reader would take it, and it may be left out."""
        if self.left is None:
            return _encoded(line)
        try:
            check_line(line, self.store)
            made = _encoded(line)
            if len(made) > _LONG:
                parse_line(made)
        except _REFUSED as fault:
            self.left.append((line["uuid"], f"no bundle can hold it: {fault}"))
            return None
        return made

    def lines(
        self,
        name: str,
        lines: Iterable[Mapping[str, Any]],
        count: Callable[[Mapping[str, Any]], None] = lambda _: None,
        encode: Callable[[Mapping[str, Any]], bytes | None] | None = None,
    ) -> None:
        """Write a member of lines, a batch of them at a time; each is shown to `count`, but for those that `encode` leaves out."""
        packer, batch, size = Packer(self.file, name), list[bytes](), 0
        for line in lines:
            if (made := (encode or _encoded)(line)) is None:
                continue
            count(line)
            batch.append(made)
            size += len(made)
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
