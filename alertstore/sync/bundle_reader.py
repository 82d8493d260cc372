"""Reading a bundle: nothing of it is given out before all of it has been checked.

What is checked, in one pass that holds no more than a line: the archive's every byte, the MANIFEST and who signed it, each member's
digest, each line's spelling, each event's body, content against what the events commit to, records against their digests, and that
exactly these events are in the history whose size and root the MANIFEST names. Any fault refuses all of it.
"""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Self

from alertstore.domain.bundle import (
    ALERTS,
    EVENTS,
    LARGEST_MANIFEST,
    MANIFEST,
    MEMBERS,
    PROOF,
    README,
    VERIFIER,
    WRITTEN,
    BundleManifest,
    check_format,
    read_manifest,
    signers,
)
from alertstore.domain.bundle_lines import LONGEST_LINE, check_event, check_line, parse_line, raw_record, read_line
from alertstore.domain.fold import FORGED
from alertstore.domain.multiproof import root_from_multiproof
from alertstore.domain.notes import origin, read_vkey
from alertstore.domain.safe import safe_text
from alertstore.errors import AlertValidationError, BundleError, FieldProblem
from alertstore.sync.ziparchive import Entry, Unpacker, by_name, check_archive, read_directory
from alertstore.verifier import is_signed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from alertstore.domain.bundle_lines import Leaf
    from alertstore.domain.notes import Note

LARGEST_TEXT = 4 << 20
"""Bytes of README.txt, and of verify.py."""
LARGEST_EVENTS = 64 << 20
"""Bytes of events.jsonl, which is held in memory."""
FREE, RATIO = 256 << 20, 100
"""Unpacked, a bundle has at most so many bytes, and so many times its own more: a line takes work as well as room."""

_BLOCK = 1 << 18
_FAULTS = (*FORGED, OverflowError, zlib.error, struct.error)
_HEX_KEY = re.compile("[0-9a-fA-F]{64}")
_HASH = re.compile("[0-9a-f]{64}")
_LONGEST_WORDS = 400
_HASHES_A_LEAF = 64
_OPENERS = {"history_pruned", "store_salvaged"}  # with these the history of a store begins, of which the first one is gone


class Bundle:
    """A bundle that was checked, and is still open. Close it, or use it in a `with`."""

    def __init__(self, file: IO[bytes], path: str, manifest: BundleManifest, signed_by: str | None) -> None:
        """Made by `read_bundle`."""
        self.manifest = manifest
        self.signed_by = signed_by
        """The key (hex) that signed it; None where it is not signed."""
        self.events: tuple[dict[str, Any], ...] = ()
        """What events.jsonl holds, in order: {"body", "salt"}."""
        self.size_on_disk = os.fstat(file.fileno()).st_size
        self._file, self._path, self._entry = file, path, dict[str, Entry]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def lines(self) -> Iterator[dict[str, Any]]:
        """The alerts' lines, parsed, in the order in which they stand. One iteration at a time.

        Raises `BundleError` at the end where they are no longer what was checked, since somebody wrote to the file meanwhile, so
        take nothing for good before it has come to its end.
        """
        with _refusing(self._path):
            yield from (line for _, line in _lines(self._file, self._entry[ALERTS], self.manifest, read_line))

    @staticmethod
    def raw(record: Mapping[str, Any]) -> bytes | None:
        """The bytes of a record of a line as its tool wrote them; None where the bundle has only their digest."""
        return raw_record(record)

    def check(self, note: Note | None, keys: Collection[str], entries: Mapping[str, Entry]) -> None:
        """Check all but the archive's own headers. Raises ValueError, or `BundleError`, where anything does not hold."""
        self._entry.update(entries)
        said, leaves = self.manifest, dict[int, bytes]()
        for name in (README, VERIFIER):
            _read_member(self._file, self._entry[name], said, LARGEST_TEXT)
        self._check_events(leaves)
        self._check_signature(note, keys)
        self._check_alerts(leaves)
        if len(leaves) != said.events:
            raise ValueError(f"the MANIFEST says {said.events} events, and there are {len(leaves)}")
        self._check_proof(leaves)

    def _check_events(self, leaves: dict[int, bytes]) -> None:
        if self._entry[EVENTS].size > LARGEST_EVENTS:
            raise ValueError(f"{EVENTS} is larger than it may be")
        found, last = list[dict[str, Any]](), 0
        for number, one in _lines(self._file, self._entry[EVENTS], self.manifest):
            with _at(EVENTS, number):
                leaf = check_event(one)
                if leaf.seq <= last:
                    raise ValueError("events out of order")
                last = leaf.seq
                _add(leaves, [leaf])
            found.append(one)
        self.events = tuple(found)
        stores = {_facts(one).get("store_id") for one in found if one["body"]["kind"] == "store_created"}
        stores |= {_facts(one)["settings"]["store_id"] for one in found if one["body"]["kind"] in _OPENERS}
        if stores != {self.manifest.store}:
            raise ValueError(f"its events are not those of the store {self.manifest.store}: none of them says so, or one says otherwise")

    def _check_signature(self, note: Note | None, keys: Collection[str]) -> None:
        log = origin(self.manifest.store)
        if keys:
            by = [] if note is None else signers(note, log, keys, is_signed)
            if not by:
                raise _untrusted("the MANIFEST is not signed by a key that you trust" if note else "the MANIFEST is not signed")
        elif note is None:
            return
        else:
            by = signers(note, log, list(_named_keys(self.events))[-1:], is_signed)
            if not by:
                raise _untrusted("the MANIFEST is signed, but not by the key that its own store named last")
        self.signed_by = by[0]

    def _check_alerts(self, leaves: dict[int, bytes]) -> None:
        said, uuids, records = self.manifest, set[str](), 0
        for number, line in _lines(self._file, self._entry[ALERTS], said):
            with _at(ALERTS, number):
                _add(leaves, check_line(line, said.store))
                uuids.add(line["uuid"])
                if len(uuids) != number:
                    raise ValueError(f"alert {line['uuid']} is there twice")
                records += len(line["records"])
                if not said.payloads and any(len(one) > 1 for one in line["records"].values()):
                    raise ValueError("a record, where the MANIFEST says that there are none")
        for what, number, found in (("alerts", said.alerts, len(uuids)), ("records", said.records, records)):
            if number != found:
                raise ValueError(f"the MANIFEST says {number} {what}, and there are {found}")

    def _check_proof(self, leaves: Mapping[int, bytes]) -> None:
        most = 256 + (64 + 3) * _HASHES_A_LEAF * (len(leaves) + 1)
        proof = parse_line(_read_member(self._file, self._entry[PROOF], self.manifest, most).removesuffix(b"\n"))
        if type(proof) is not dict or proof.keys() != {"size", "root", "hashes"} or type(proof["hashes"]) is not list:
            raise ValueError(f"{PROOF} holds size, root and hashes, and nothing else")
        if (proof["size"], proof["root"]) != (self.manifest.size, self.manifest.root):
            raise ValueError(f"{PROOF} is about another history than the MANIFEST")
        if not all(type(one) is str and _HASH.fullmatch(one) for one in proof["hashes"]):
            raise ValueError(f"{PROOF}: a hash that is not 64 hex digits")
        root = root_from_multiproof(leaves, self.manifest.size, [bytes.fromhex(one) for one in proof["hashes"]])
        if root.hex() != self.manifest.root:
            raise ValueError(
                f"its events are not those of the history of {self.manifest.size} events with the root {self.manifest.root}: "
                "something was changed, added or left out"
            )


def read_bundle(path: str | os.PathLike[str], keys: Collection[str] = ()) -> Bundle:
    """Check a bundle, all of it, and give it out open.

    keys: public keys (64 hex digits, or C2SP verifier keys) of which one must have signed it. Without any, whoever could write the
    file could have made it: `signed_by` then says which of the keys that the bundle itself names signed it.
    Raises `BundleError`, saying what and where; nothing of a bundle that does not hold is given out.
    """
    name, trusted = os.fspath(path), [_key(one) for one in keys]
    with _refusing(name):
        # Not to wait for somebody to write to what is no file, but a pipe.
        handle = os.open(name, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        file = os.fdopen(handle, "rb", buffering=0)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise ValueError("it is not a file")
            return check_bundle(file, name, trusted)
        except BaseException:  # an interrupt too must not leave the file open; it is raised again
            file.close()
            raise


def check_bundle(file: IO[bytes], path: str, keys: Collection[str]) -> Bundle:
    """Check a bundle in an open file; `path` is what errors call it, keys are in hex. See `read_bundle`."""
    with _refusing(path):
        size = os.fstat(file.fileno()).st_size
        entries = by_name(listed := read_directory(file, size))
        if MANIFEST in entries:
            check_format(_first_line(file, entries[MANIFEST]))
        if tuple(entries) != MEMBERS or tuple(sorted(entries, key=lambda name: entries[name].place)) != WRITTEN:
            raise ValueError(f"a bundle has {', '.join(MEMBERS)}, in this order, and nothing else")
        check_archive(file, size, listed)
        if sum(one.size for one in listed) > FREE + RATIO * size:
            raise ValueError("unpacked, it is larger than a bundle of its size may be")
        manifest, note = read_manifest(_unpacked(file, entries[MANIFEST], LARGEST_MANIFEST)[0])
        made = Bundle(file, path, manifest, None)
        made.check(note, keys, entries)
        return made


@contextmanager
def _refusing(path: str) -> Iterator[None]:
    """Any fault of a bundle as the one error that there is for it."""
    try:
        yield
    except BundleError as fault:
        if str(fault).startswith(path):
            raise
        raise BundleError(f"{path}: {fault}", advice=fault.advice) from None
    except OSError as fault:
        raise BundleError(
            f"{path} cannot be read: {fault.strerror or fault}", advice="look whether the stick is there, and have the bundle copied again"
        ) from fault
    except _FAULTS as fault:
        advice = "nothing of it was taken; have it made, or copied, again"
        raise BundleError(f"{path} is not a sound bundle: {_words(fault)}", advice=advice) from fault


@contextmanager
def _at(name: str, number: int) -> Iterator[None]:
    """Say in which line a fault is."""
    try:
        yield
    except _FAULTS as fault:
        raise ValueError(f"{name}, line {number}: {_words(fault)}") from fault


def _words(fault: BaseException) -> str:
    """What a fault says, in one short printable line: some of them quote all that they were given."""
    said = fault.args[0] if type(fault) is ValueError and fault.args else f"it is not what alertstore writes ({fault})"
    return safe_text(str(said)[:_LONGEST_WORDS])


def _lines(
    file: IO[bytes], entry: Entry, manifest: BundleManifest, parse: Callable[[bytes], Any] = parse_line
) -> Iterator[tuple[int, Any]]:
    """The lines of a member, numbered from 1 and parsed; at their end, held against the MANIFEST."""
    number, unpacker = 0, Unpacker(file, entry)
    with io.BufferedReader(unpacker, _BLOCK) as reader:
        while line := _of(entry.name, lambda: reader.readline(LONGEST_LINE + 2)):
            number += 1
            with _at(entry.name, number):
                if line[-1:] != b"\n":
                    raise ValueError("it does not end, or is longer than a line may be")
                parsed = parse(line[:-1])
            yield number, parsed
        _check_digest(entry, manifest, unpacker.digest())


def _of(name: str, read: Callable[[], bytes]) -> bytes:
    """What reading from a member gives; a fault of it with its name."""
    try:
        return read()
    except (ValueError, zlib.error) as fault:
        raise ValueError(f"{name}: {fault}") from fault


def _check_digest(entry: Entry, manifest: BundleManifest, digest: str) -> None:
    said = manifest.member(entry.name)
    if (said.sha256, said.size) != (digest, entry.size):
        raise ValueError(f"{entry.name} is not what the MANIFEST says: {said.size} bytes with the SHA-256 {said.sha256}")


def _read_member(file: IO[bytes], entry: Entry, manifest: BundleManifest, most: int) -> bytes:
    """All of a small member, held against the MANIFEST."""
    content, digest = _unpacked(file, entry, most)
    _check_digest(entry, manifest, digest)
    return content


def _unpacked(file: IO[bytes], entry: Entry, most: int) -> tuple[bytes, str]:
    if entry.size > most:
        raise ValueError(f"{entry.name} is larger than it may be")
    with Unpacker(file, entry) as unpacker:
        content = _of(entry.name, unpacker.readall)
        return content, unpacker.digest()


def _first_line(file: IO[bytes], entry: Entry) -> str:
    """The beginning of a MANIFEST, before anything else of the archive is looked at: a newer format may differ in all the rest."""
    with Unpacker(file, entry) as unpacker:
        return unpacker.read(64).decode(errors="replace").partition("\n")[0] + "\n"


def _add(leaves: dict[int, bytes], more: Iterable[Leaf]) -> None:
    for seq, leaf in more:
        if leaves.setdefault(seq, leaf) is not leaf:
            raise ValueError(f"event {seq} is there twice")


def _named_keys(events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The keys (hex) that a store's own events name, oldest first."""
    for one in events:
        if one["body"]["kind"] == "signing_key_set":
            yield _named(_facts(one)["public_key"])
        elif one["body"]["kind"] in _OPENERS:
            yield from (_named(key) for _, key in _facts(one)["keys"])


def _facts(one: Mapping[str, Any]) -> Mapping[str, Any]:
    facts: Mapping[str, Any] = one["body"]["facts"]
    return facts


def _named(key: object) -> str:
    if not isinstance(key, str) or not _HASH.fullmatch(key):
        raise ValueError("an event names a key that is not 64 hex digits, lower case")
    return key


def _key(given: object) -> str:
    """A public key as hex."""
    text = given.strip() if isinstance(given, str) else ""
    if _HEX_KEY.fullmatch(text):
        return text.lower()
    try:
        return read_vkey(text)[1].hex()
    except ValueError:
        raise AlertValidationError(
            [FieldProblem("key", "must be an Ed25519 public key: 64 hex digits, or a verifier key", given)]
        ) from None


def _untrusted(what: str) -> BundleError:
    return BundleError(what, advice="ask whoever made it for their key, or for a bundle that is signed with the one you have")
