"""Sealing: a copy of the store to hand over, that nobody needs alertstore to check, and that opening does not change."""

from __future__ import annotations

import os
import shutil
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import alertstore
from alertstore.domain.epochs import check_signer
from alertstore.domain.events import EventDraft, EventKind
from alertstore.domain.manifest import Manifest
from alertstore.domain.times import from_micros, rfc3339
from alertstore.errors import AlertValidationError, FieldProblem, StorageError, StoreBusyError, StoreReadOnlyError
from alertstore.storage.carry import signing_keys
from alertstore.storage.files import sync_folder
from alertstore.storage.repository import SQLITE_VERSION
from alertstore.storage.sealing import copy_sealed
from alertstore.store.base import LONGEST_REASON, UNSTORABLE, is_storable, read_path
from alertstore.store.signatures import Signatures, check_key, checked, signing

if TYPE_CHECKING:
    from alertstore.signing import SigningKey

STORE, MANIFEST, VERIFIER = "store.db", "MANIFEST", "verify.py"
"""The three files of a sealed store."""

TRIES = 5
"""How often to seal anew where somebody writes between the sealing and the copying."""


class Handover(Signatures):
    """What leaves the house as a whole."""

    def seal(
        self,
        folder: str | os.PathLike[str],
        *,
        key: SigningKey | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Manifest:
        """Make a sealed copy in a new folder: the store as one write-protected file without anything beside it, its MANIFEST
        (digest, size, root; signed where there is a `key`, which must be the store's), and the verifier, for people who have
        nothing but Python.

        The history gets the event `store_sealed`, with which the copy's ends, then `store_handed_over`, which names the copy's
        digest. A sealed store can be read, verified and copied, and never be written to; this one goes on.

        Raises `StorageError` where the folder is there already, `AlertValidationError` for a key that is not the store's.
        """
        by = self._by(actor, reason)
        place = Path(read_path(folder)).absolute()
        if not is_storable(place.name, LONGEST_REASON):
            raise AlertValidationError([FieldProblem("folder", f"has a name that cannot stand in an event: {UNSTORABLE}", place.name)])
        if self._repository.read_only:
            raise StoreReadOnlyError(
                f"{self.path} is open for reading only", advice="sealing is an event of its history: open it with mode='rw'"
            )
        with self._read() as conn:
            if key is not None:
                check_key("key", key)
                check_signer(signing_keys(conn), key.text)
        try:
            place.mkdir(mode=0o700)
        except OSError as fault:
            raise StorageError(f"{place} cannot be created: {fault.strerror}", advice="name a folder that does not exist") from fault
        try:
            manifest = self._seal_into(place, key, by)
        except BaseException:  # an interrupt too must not leave half of it
            shutil.rmtree(place)
            raise
        sync_folder(str(place))
        with self._write() as transaction:
            draft = EventDraft(EventKind.STORE_HANDED_OVER, self._store_id, transaction.now, by[0], reason=by[1])
            draft.facts = {"name": place.name, "sha256": manifest.sha256, "size": manifest.events, "root": manifest.root}
            transaction.append(draft)
        return manifest

    def _seal_into(self, place: Path, key: SigningKey | None, by: tuple[str, str | None]) -> Manifest:
        file = place / STORE
        for _ in range(TRIES):
            sealed_at, size, root = self._say_sealed(key, by)
            if copy_sealed(self._repository, size, str(file)):
                break
        else:
            raise StoreBusyError(f"others keep writing to {self.path}", advice="seal it when they are done")
        with file.open("rb") as stream:
            digest = file_digest(stream, "sha256").hexdigest()
        when = rfc3339(from_micros(sealed_at))
        manifest = Manifest(
            self._store_id, STORE, file.stat().st_size, digest, size, root, when, by[0], alertstore.__version__, SQLITE_VERSION
        )
        _write(place / MANIFEST, (manifest.text() if key is None else _signed(manifest, key)).encode())
        _write(place / VERIFIER, verifier_text())
        file.chmod(0o400)
        return manifest

    def _say_sealed(self, key: SigningKey | None, by: tuple[str, str | None]) -> tuple[int, int, str]:
        """Append the event, and sign the history that it ends: (when, in microseconds; size; root)."""
        with self._write() as transaction:
            keys = signing_keys(transaction.conn)
            if key is not None:
                check_signer(keys, key.text)
            draft = EventDraft(EventKind.STORE_SEALED, self._store_id, transaction.now, by[0], reason=by[1])
            transaction.append(draft)
            edge = transaction.flush()
            if key is not None:
                self._sign(transaction, len(keys) - 1, key)
            return transaction.now, edge.size, edge.root().hex()


def _signed(manifest: Manifest, key: SigningKey) -> str:
    with signing(key):
        return manifest.signed(key.public, checked(key))


def verifier_text() -> bytes:
    """The text of the verifier that stands alone."""
    spec = find_spec("alertstore.verifier")
    if spec is None or spec.origin is None:
        raise StorageError("alertstore.verifier is not where the package is", advice="install alertstore anew")
    return Path(spec.origin).read_bytes()


def _write(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
