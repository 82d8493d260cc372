"""Signed checkpoints, changes of the key that signs them, and proofs for people who have not got the store."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import frozen

from alertstore.domain.epochs import StoredNote, decide_rotation, decide_signing, signed_note
from alertstore.domain.proofs import ConsistencyProof, InclusionProof, consistency_path, inclusion_path
from alertstore.errors import AlertValidationError, FieldProblem
from alertstore.signing import LENGTH, SigningKey, is_signed
from alertstore.storage import log
from alertstore.storage.carry import signing_keys
from alertstore.storage.checkpoints import newest_note, notes, root_at, save_note
from alertstore.storage.frontier import node, pruned_frontier
from alertstore.store.base import StoreBase, act
from alertstore.store.checkpoint import Checkpoint

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from alertstore.storage.transaction import Transaction


@frozen
class SignedCheckpoint:
    """A checkpoint that a key of the store signed: `note` is the C2SP signed note, to be kept anywhere."""

    size: int
    root: str
    epoch: int
    note: str


class Signatures(StoreBase):
    """What makes the history provable: signatures over its root, and paths to it."""

    def sign(self, key: SigningKey, *, reason: str | None = None, actor: str | None = None) -> SignedCheckpoint:
        """Sign the history as it is now. The first key that signs becomes the store's; from then on no other can, but by `rotate_key`.

        The write lock is held while `key.sign` works. Raises `AlertValidationError` for another key, and where what the key
        makes is no signature.
        """
        by = self._by(actor, reason)
        check_key("key", key)
        with self._write() as transaction:
            keys = signing_keys(transaction.conn)
            draft = decide_signing(self._store_id, keys, key.text, act(transaction, by))
            if draft is not None:
                transaction.append(draft)
            return self._sign(transaction, max(0, len(keys) - 1), key)

    def rotate_key(
        self, old: SigningKey, new: SigningKey, *, reason: str | None = None, actor: str | None = None
    ) -> tuple[SignedCheckpoint, SignedCheckpoint]:
        """End the old key's epoch: it signs a checkpoint that covers the event naming the new one, which signs it too.

        Destroy the old key then (`SigningKey.destroy`), so that nobody who gets hold of this machine later can sign an earlier
        history with it. Raises `AlertValidationError` where `old` is not the store's key.
        """
        by = self._by(actor, reason)
        check_key("old", old)
        check_key("new", new)
        with self._write() as transaction:
            keys = signing_keys(transaction.conn)
            transaction.append(decide_rotation(self._store_id, keys, old.text, new.text, act(transaction, by)))
            return self._sign(transaction, len(keys) - 1, old), self._sign(transaction, len(keys), new)

    def _sign(self, transaction: Transaction, epoch: int, key: SigningKey) -> SignedCheckpoint:
        frontier = transaction.flush()
        with signing(key):
            note = signed_note(self._store_id, frontier.size, frontier.root(), key.public, checked(key))
        save_note(transaction.conn, StoredNote(frontier.size, epoch, note))
        return SignedCheckpoint(frontier.size, frontier.root().hex(), epoch, note)

    def signed_checkpoints(self) -> list[SignedCheckpoint]:
        """Every signed checkpoint that the store keeps, oldest first (`root` is empty where the history before it was pruned)."""
        with self._read() as conn:
            newest = log.checkpoint(conn)[0]
            return [SignedCheckpoint(one.size, root_at(conn, one.size, newest) or "", one.epoch, one.note) for one in notes(conn)]

    def prove(self, seq: int) -> InclusionProof:
        """The proof that event number `seq` is in the history: its body and at most some thirty hashes. `to_json()` is the file.

        It leads to the root of the newest signed checkpoint that covers the event, and carries that note; else to the root of
        now. Raises `AlertValidationError` for an event that is not there (any more).
        """
        if type(seq) is not int or seq >= 1 << 63:
            raise AlertValidationError([FieldProblem("seq", "must be the number of an event", seq)])
        with self._read() as conn:
            body = log.body(conn, seq)
            if body is None:
                raise AlertValidationError([FieldProblem("seq", "must be the number of an event that is in the history", seq)])
            size, root, note = self._signed_head(conn, seq)
            path = inclusion_path(seq, size, lambda end, level: node(conn, end, level))
        return InclusionProof(self._store_id, seq, size, root, body, tuple(one.hex() for one in path), note)

    def prove_extends(self, checkpoint: Checkpoint) -> ConsistencyProof:
        """The proof that the history is the continuation of the one a checkpoint was taken of.

        Raises `AlertValidationError` where it is not, or where the history before the checkpoint was pruned.
        """
        if not isinstance(checkpoint, Checkpoint):
            raise AlertValidationError([FieldProblem("checkpoint", "must be a Checkpoint", checkpoint)])
        with self._read() as conn:
            now = log.checkpoint(conn)[0]
            if not pruned_frontier(conn).size <= checkpoint.size <= now or root_at(conn, checkpoint.size, now) != checkpoint.root:
                raise AlertValidationError([FieldProblem("checkpoint", "is not one of this history", checkpoint)])
            size, root, note = self._signed_head(conn, checkpoint.size)
            path = consistency_path(checkpoint.size, size, lambda end, level: node(conn, end, level))
        hashes = tuple(one.hex() for one in path)
        return ConsistencyProof(self._store_id, checkpoint.size, checkpoint.root, size, root, hashes, note)

    def _signed_head(self, conn: sqlite3.Connection, covering: int) -> tuple[int, str, str | None]:
        """(size, root, note) of the newest signed checkpoint of at least that size; else of the history now, unsigned."""
        size, root = log.checkpoint(conn)
        newest = newest_note(conn)
        if newest is None or newest.size < covering:
            return size, root, None
        return newest.size, log.checkpoint(conn, newest.size)[1], newest.note


def checked(key: SigningKey) -> Callable[[bytes], bytes]:
    """What signs, and makes sure: a signature that does not hold would stand in the store for good."""

    def sign(message: bytes) -> bytes:
        signature = key.sign(message)
        if not is_signed(key.public, signature, message):
            raise ValueError("its signature does not hold")
        return signature

    return sign


@contextmanager
def signing(key: SigningKey) -> Iterator[None]:
    """Where what a key makes is no signature, `AlertValidationError` says so."""
    try:
        yield
    except (ValueError, TypeError) as fault:
        raise AlertValidationError([FieldProblem("key", f"made no Ed25519 signature ({fault})", key.text)]) from fault


def check_key(name: str, key: object) -> None:
    """Raise `AlertValidationError` where an argument is no key that signs."""
    if not isinstance(key, SigningKey) or not isinstance(key.public, bytes) or len(key.public) != LENGTH:
        raise AlertValidationError([FieldProblem(name, "must be a SigningKey", key)])
