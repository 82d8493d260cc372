"""Whether the store still is what its history, its signatures, and what was kept outside say."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from attrs import define, field

from alertstore.domain.carrying import OPENERS
from alertstore.domain.epochs import Check, check_notes
from alertstore.domain.events import EventKind
from alertstore.domain.fold import FORGED
from alertstore.domain.merkle import Frontier
from alertstore.domain.verdict import UNCHECKED, Problem, VerifyReport
from alertstore.errors import AlertValidationError, FieldProblem
from alertstore.signing import can_check, is_signed, read_public
from alertstore.storage import damage, log
from alertstore.storage.audit import Audit
from alertstore.storage.carry import carried_since, naming_events, signing_keys
from alertstore.storage.checkpoints import notes, root_at
from alertstore.storage.tree import MOST_PROBLEMS, check_head, check_numbers, check_tree
from alertstore.store.base import read_path
from alertstore.store.checkpoint import Checkpoint
from alertstore.store.collector import paused_collector
from alertstore.store.evidence import Evidence
from alertstore.store.receipts import read_receipts

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Iterator, Sequence


Depth = Literal["quick", "full", "deep"]


_PASSED_OVER = {
    "quick": "every event but the newest, and all rows: depth full and deep look at them",
    "full": "the rows, their content, and the search index: depth deep looks at them",
}


@define
class _Findings:
    """What a verification has come to so far."""

    problems: list[Problem] = field(factory=list)
    unchecked: list[str] = field(factory=list)
    assurance: str = "unsigned"
    signed_size: int = 0


class Verifying(Evidence):
    """The means to hold the store against its history, and the history against what is known of it elsewhere."""

    def verify(
        self,
        *,
        depth: Depth = "deep",
        checkpoint: Checkpoint | None = None,
        key: object = None,
        receipts: str | os.PathLike[str] | None = None,
        require_signed: bool = False,
    ) -> VerifyReport:
        """Whether the store is what its history says.

        depth: "quick" looks at the newest event and its place in the tree; "full" recomputes every leaf and node; "deep" also
        lets SQLite check its pages, folds all events, holds content against its commitments, and compares every row, and the
        search index with them (not where the store is open for reading only: SQLite looks into that index for writers alone).
        Every depth checks the signed checkpoints against the keys that the history names ("quick": the newest alone).

        With a `checkpoint`, or a file of `receipts`, that was kept outside the file, a rewritten or shortened history shows: size
        and root of each must be part of this one. With a `key` (a public key as 64 hex digits, PEM, a C2SP verifier key, or a
        `SigningKey`) it must be one of the store's, and have signed. `require_signed` makes less than that a problem.
        Raises `AlertValidationError`, and `SourceError` for receipts that cannot be read.
        """
        if depth not in {"quick", "full", "deep"}:
            raise AlertValidationError([FieldProblem("depth", "must be one of: quick, full, deep", depth)])
        if not isinstance(checkpoint, Checkpoint | None):
            raise AlertValidationError([FieldProblem("checkpoint", "must be a Checkpoint", checkpoint)])
        trusted = None if key is None else read_public(key)
        kept = [] if receipts is None else list(read_receipts(read_path(receipts), self._store_id))
        found = _Findings()
        frontier = Frontier()
        with self._look_beside(depth, found), self._read() as conn, paused_collector():
            with damage.noted(found.problems):
                frontier = _look(conn, depth, found)
            if any(one.kind == "damage" for one in found.problems):
                found.unchecked.append("checkpoints, receipts and signatures: the history cannot be read to its end")
            else:
                with damage.noted(found.problems):
                    self._hold_against(conn, frontier.size, kept if checkpoint is None else [*kept, checkpoint], found)
                    self._hold_signatures(conn, frontier.size, trusted, depth, found)
                    self._say_what_was_carried(conn, found)
        if receipts is not None and not kept:
            found.problems.append(Problem(UNCHECKED, "the receipts", "receipts of this store", "none"))
        if trusted is not None and not kept and checkpoint is None:
            found.unchecked.append(
                "whether there was a newer history: only a checkpoint or receipt kept elsewhere would tell of a rollback"
            )
        if depth != "deep":
            found.unchecked.append(_PASSED_OVER[depth])
        if require_signed and found.assurance != "signed":
            found.problems.append(Problem(UNCHECKED, "the signature", "one by a key that was given", found.assurance))
        problems = tuple(found.problems[:MOST_PROBLEMS])
        if problems:  # nothing vouches for what does not hold
            found.assurance, found.signed_size = "unsigned", 0
        return VerifyReport(
            not problems,
            depth,
            frontier.size,
            frontier.root().hex(),
            found.assurance,
            problems,
            found.signed_size,
            tuple(found.unchecked),
        )

    def _hold_against(self, conn: sqlite3.Connection, size: int, kept: Sequence[Checkpoint], found: _Findings) -> None:
        """Hold the history against what was kept of it outside; once all of it agrees, the store is anchored."""
        agreed = refuted = False
        for one in kept:
            root = root_at(conn, one.size, size)
            refuted = refuted or root not in {None, one.root}
            if one.size > size:
                found.problems.append(Problem("rollback", "the history", f"at least {one.size} events", size))
            elif root is None:
                found.unchecked.append(f"the checkpoint of {one.size} events: the history before it was pruned")
            elif root != one.root:
                found.problems.append(Problem("rewritten", f"the history up to event {one.size}", one.root, root))
            else:
                agreed = True
        if agreed:
            found.assurance = "anchored"
        elif kept and not refuted:
            needed = "a checkpoint or receipt from after the history before it was pruned"
            found.problems.append(Problem(UNCHECKED, "what was kept outside", needed, f"the last one is of {kept[-1].size} events"))

    def _hold_signatures(self, conn: sqlite3.Connection, size: int, trusted: str | None, depth: Depth, found: _Findings) -> None:
        try:
            keys = [(since, public) for since, public in signing_keys(conn)]
            stored = notes(conn)
            whole = depth != "quick" or trusted is not None
            check = Check(
                store_id=self._store_id,
                keys=keys,
                named=naming_events(conn, keys, opener := carried_since(conn)),
                opener=opener,
                root_at=lambda at: root_at(conn, at, size),
                is_signed=is_signed if can_check() else None,
                trusted=trusted,
            )
            vouched = check_notes(check, stored if whole else stored[-1:], whole=whole)
        except FORGED as fault:
            found.problems.append(Problem("signature", "the signing keys", "events that a store could have written", repr(fault)))
            return
        found.problems += vouched.problems
        found.unchecked += vouched.unchecked
        if vouched.size and not vouched.problems:
            found.assurance, found.signed_size = "signed", vouched.size
            if vouched.size < size:
                found.unchecked.append(
                    f"who wrote events {vouched.size + 1} to {size}: the last signed checkpoint is of {vouched.size} events"
                )
        elif keys and trusted is None:
            found.unchecked.append("whose the signing keys are: no key was given")

    def _say_what_was_carried(self, conn: sqlite3.Connection, found: _Findings) -> None:
        since = carried_since(conn)
        kind = log.kind(conn, since)
        if kind == EventKind.HISTORY_PRUNED:
            found.unchecked.append(f"what the rows were before event {since}: the history was pruned then, and states them as they were")
        elif kind in OPENERS:
            found.unchecked.append(
                f"what came before event {since}: the rows were salvaged from a damaged store, which proves nothing of them"
            )

    @contextmanager
    def _look_beside(self, depth: Depth, found: _Findings) -> Iterator[None]:
        """Let SQLite check its pages, and the search index, while the rows are gone through."""
        if depth != "deep":
            yield
            return
        with damage.looked_for(self._repository) as problems:
            yield
            found.problems += problems()
        if self._repository.read_only:
            found.unchecked.append("the search index: the store is open for reading only")


def _look(conn: sqlite3.Connection, depth: Depth, found: _Findings) -> Frontier:
    if depth == "deep":
        return Audit(conn, found.problems).run()
    frontier, problems = check_head(conn) if depth == "quick" else check_tree(conn)
    found.problems += problems if depth == "full" else [*problems, *check_numbers(conn)]
    return frontier
