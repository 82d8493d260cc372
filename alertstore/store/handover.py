"""Sealing: a copy of the store to hand over, that nobody needs alertstore to check, and that opening does not change."""

from __future__ import annotations

import os
import shutil
from hashlib import file_digest
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import alertstore
from alertstore.domain.epochs import StoredNote, signed_note
from alertstore.domain.events import EventDraft, EventKind
from alertstore.domain.manifest import Manifest
from alertstore.domain.times import from_micros, rfc3339
from alertstore.errors import AlertValidationError, FieldProblem, StorageError, StoreReadOnlyError
from alertstore.signing import SigningKey
from alertstore.storage import log, settings
from alertstore.storage.backup import backup
from alertstore.storage.carry import signing_keys
from alertstore.storage.checkpoints import save_note
from alertstore.storage.repository import SQLITE_VERSION
from alertstore.storage.sealing import open_alone
from alertstore.store.base import StoreBase, read_path
from alertstore.store.signatures import signing

if TYPE_CHECKING:
    from alertstore.storage.repository import Repository

STORE, MANIFEST, VERIFIER = "store.db", "MANIFEST", "verify.py"
"""The three files of a sealed store."""


class Handover(StoreBase):
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

        The copy's history goes on from this one's with the event `store_sealed`; this one's gets `store_handed_over`, which names
        the copy's digest. A sealed store can be read, verified and copied, and never be written to.

        Raises `StorageError` where the folder is there already, `AlertValidationError` for a key that is not the store's.
        """
        by = self._by(actor, reason)
        place = Path(read_path(folder)).absolute()
        if self._repository.read_only:
            raise StoreReadOnlyError(
                f"{self.path} is open for reading only", advice="sealing is an event of its history: open it with mode='rw'"
            )
        with self._read() as conn:
            _check_signer(key, signing_keys(conn))
        try:
            place.mkdir(mode=0o700)
        except OSError as fault:
            raise StorageError(f"{place} cannot be created: {fault.strerror}", advice="name a folder that does not exist") from fault
        try:
            manifest = self._seal_into(place, key, by)
            with self._write() as transaction:
                draft = EventDraft(EventKind.STORE_HANDED_OVER, self._store_id, transaction.now, by[0], reason=by[1])
                draft.facts = {"name": place.name, "sha256": manifest.sha256, "size": manifest.events, "root": manifest.root}
                transaction.append(draft)
        except BaseException:  # an interrupt too must not leave half of it
            shutil.rmtree(place)
            raise
        return manifest

    def _seal_into(self, place: Path, key: SigningKey | None, by: tuple[str, str | None]) -> Manifest:
        file = place / STORE
        with self._read() as conn:
            backup(conn, str(file))
        with open_alone(str(file)) as copy:
            sealed_at = self._seal_copy(copy, key, by)
            with copy.reading() as conn:
                size, root = log.checkpoint(conn)
        with file.open("rb") as stream:
            digest = file_digest(stream, "sha256").hexdigest()
        when = rfc3339(from_micros(sealed_at))
        manifest = Manifest(
            self._store_id, STORE, file.stat().st_size, digest, size, root, when, by[0], alertstore.__version__, SQLITE_VERSION
        )
        _write(place / MANIFEST, (manifest.text() if key is None else manifest.signed(key.public, key.sign)).encode())
        _write(place / VERIFIER, _verifier())
        file.chmod(0o400)
        return manifest

    def _seal_copy(self, copy: Repository, key: SigningKey | None, by: tuple[str, str | None]) -> int:
        """Say in the copy's own history that it is sealed, and sign that; when it was (microseconds)."""
        with copy.writing(self._clock, self._ids) as transaction:
            keys = signing_keys(transaction.conn)
            _check_signer(key, keys)
            draft = EventDraft(EventKind.STORE_SEALED, self._store_id, transaction.now, by[0], reason=by[1])
            draft.changes = {"sealed": ["", "yes"]}
            settings.save(transaction, draft)
            if key is not None:
                edge = transaction.flush()
                with signing(key):
                    note = signed_note(self._store_id, edge.size, edge.root(), key.public, key.sign)
                save_note(transaction.conn, StoredNote(edge.size, len(keys) - 1, note))
            return transaction.now


def _check_signer(key: SigningKey | None, keys: list[list[str]]) -> None:
    if key is not None and (not isinstance(key, SigningKey) or not keys or keys[-1][1] != key.text):
        problem = FieldProblem("key", "must be the key that signs this store's checkpoints", key)
        raise AlertValidationError([problem], advice="sign() makes a key the store's")


def _verifier() -> bytes:
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
