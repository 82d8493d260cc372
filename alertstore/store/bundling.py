"""Bundles: the store, or what is new in it, as one file for the stick; and what other stores' bundles bring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

import alertstore
from alertstore.domain.bundle import BundleFacts, BundleManifest
from alertstore.domain.multiproof import multiproof
from alertstore.domain.times import from_micros, rfc3339, to_micros
from alertstore.errors import AlertValidationError, FieldProblem
from alertstore.storage import bundling
from alertstore.store.base import read_path
from alertstore.store.collector import paused_collector
from alertstore.store.handover import verifier_text
from alertstore.store.signatures import Signatures, checked, signing
from alertstore.store.syncing import Syncing

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Sequence

    from alertstore.signing import SigningKey
    from alertstore.sync.bundle import Bundle


@frozen
class ExportResult:
    """A bundle that was written. left: the alerts that could not go along whole, and why; their edits are not in it."""

    manifest: BundleManifest
    left: Sequence[tuple[str, str]] = ()


@frozen
class BundleResult:
    """What came of a bundle. store: whose it is; signed_by: the public key (hex) that signed it.

    new: alerts made here; merged: alerts that something was added to; seen: alerts of which everything was known. edits, records: how
    many were taken. conflicts: how many registers wait for a person because of it. left: alerts that were not taken, and why.
    """

    id: str
    store: str
    signed_by: str | None
    new: int
    merged: int
    seen: int
    edits: int
    records: int
    conflicts: int
    left: Sequence[tuple[str, str]]
    dry_run: bool


class Bundling(Syncing, Signatures):
    """The stick."""

    def export_bundle(
        self, path: str | os.PathLike[str], *, since: int = 0, payloads: bool = True, key: SigningKey | None = None
    ) -> ExportResult:
        """Write a bundle to a new file: the alerts that something happened to after event `since`, each with all that ever did.

        payloads: with the records as the tools wrote them, or their digests alone. key: the store's signing key, which then signs the
        bundle (and, where it has not yet, the store). The file is there under its name only once it is whole, on the disk, and
        holds. Deleted alerts are in none; those that were redacted, or whose history was pruned, or that come to more than a bundle
        takes of one alert, are left out and named.

        Raises `StorageError`, `AlertValidationError`.
        """
        from alertstore.sync.bundle import write_bundle

        name = read_path(path)
        if type(since) is not int or since < 0:
            raise AlertValidationError([FieldProblem("since", "must be the number of an event, or 0", since)])
        if key is not None:
            self.sign(key)
        with paused_collector(), self._read() as conn:
            size, root = bundling.head(conn)
            numbers = bundling.chosen(conn, since)
            incomplete = bundling.incomplete(conn, numbers)
            whole = [number for number in numbers if number not in incomplete]
            left = list(incomplete.values())
            node = bundling.nodes(conn)
            facts = BundleFacts(
                self._store_id, since, size, rfc3339(from_micros(to_micros(self._clock()))), self._actor, payloads, alertstore.__version__
            )
            sign = None if key is None else (key.public, checked(key))
            lines = bundling.lines(conn, whole, self._store_id, payloads=payloads)

            def proof(seqs: Sequence[int]) -> tuple[bytes, list[bytes]]:
                return bytes.fromhex(root), multiproof(seqs, size, node)

            if key is None:
                manifest = write_bundle(name, facts, lines, bundling.others(conn), proof, verifier_text(), sign, left=left)
            else:
                with signing(key):
                    manifest = write_bundle(name, facts, lines, bundling.others(conn), proof, verifier_text(), sign, left=left)
        return ExportResult(manifest, tuple(left))

    def import_bundle(
        self,
        path: str | os.PathLike[str],
        *,
        keys: Collection[str] = (),
        dry_run: bool = False,
        reason: str | None = None,
        actor: str | None = None,
    ) -> BundleResult:
        """Take in a bundle of another store (or this one's own, come back): all of it, in one transaction, or nothing.

        All of it is checked before anything is taken. keys: public keys of which one must have signed it; without them, anybody could
        have made it. Taking it twice, or several in another order, comes to the same. Edits that stores do not agree on and a person
        must decide are in `conflicts`. `dry_run=True` only says what would come of it.

        Raises `BundleError` where the bundle does not hold, or tells another history than an earlier one.
        """
        from alertstore.sync.absorb import absorb
        from alertstore.sync.bundle import read_bundle

        name, desk = read_path(path), self._desk(self._by(actor, reason))
        with read_bundle(name, keys) as bundle, paused_collector():
            try:
                with self._write() as transaction:
                    found = absorb(desk, transaction, bundle)
                    if dry_run:
                        raise _DryRunError
            except _DryRunError:
                pass
            return self._taken(bundle, found, dry_run=dry_run)

    @staticmethod
    def _taken(bundle: Bundle, found: Any, *, dry_run: bool) -> BundleResult:
        return BundleResult(
            id=bundle.manifest.id,
            store=bundle.manifest.store,
            signed_by=bundle.signed_by,
            new=found.new,
            merged=found.merged,
            seen=found.seen,
            edits=found.edits,
            records=found.records,
            conflicts=found.conflicts,
            left=tuple(found.left),
            dry_run=dry_run,
        )


class _DryRunError(Exception):
    """Takes back what a dry run has done."""
