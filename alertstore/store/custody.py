"""The chain-of-custody report: what came in, what was done to the store, and whether it still holds."""

from __future__ import annotations

import json
import os
import platform
import sys
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from attrs import evolve

import alertstore
from alertstore.domain.events import EventKind
from alertstore.domain.fold import FORGED
from alertstore.errors import AlertValidationError, FieldProblem, StorageError
from alertstore.report import custody as report
from alertstore.report.forms import FORMS
from alertstore.signing import read_public
from alertstore.storage import custody, log
from alertstore.storage.repository import SQLITE_VERSION
from alertstore.store.verifying import Verifying

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from alertstore.store.checkpoint import Checkpoint

T = TypeVar("T")
Form = Literal["markdown", "html"]

_OF_IMPORTS = (EventKind.IMPORT_STARTED, EventKind.IMPORT_FINISHED, EventKind.IMPORT_CARRIED)
_OF_CUSTODY = (
    EventKind.STORE_CREATED, EventKind.STORE_SEALED, EventKind.STORE_HANDED_OVER, EventKind.STORE_SALVAGED, EventKind.SIGNING_KEY_SET,
    EventKind.ALERT_REDACTED, EventKind.RECORD_REDACTED, EventKind.HISTORY_PRUNED, EventKind.SETTING_CHANGED, EventKind.ALERT_DELETED,
)  # fmt: skip

_LAST = 2**63 - 1


class Custody(Verifying):
    """The report that goes with a store."""

    def custody(
        self,
        *,
        form: Form = "markdown",
        checkpoint: Checkpoint | None = None,
        key: object = None,
        receipts: str | os.PathLike[str] | None = None,
    ) -> str:
        """The chain-of-custody report on the store as it is now, as "markdown" or as one "html" page.

        It holds a deep verification (against checkpoint, key and receipts, as `verify` takes them), the SHA-256 of every import,
        every event of custody, the signed checkpoints, who acted, software versions and known limits. It has no time of its own:
        the same store under the same versions gives the same bytes. A store that is not sound is reported on too, and the report
        begins with that. Raises as `verify` does.
        """
        if form not in FORMS:
            raise AlertValidationError([FieldProblem("form", f"must be one of: {', '.join(FORMS)}", form)])
        return FORMS[form](report.document(self.custody_facts(checkpoint=checkpoint, key=key, receipts=receipts)))

    def custody_facts(
        self, *, checkpoint: Checkpoint | None = None, key: object = None, receipts: str | os.PathLike[str] | None = None
    ) -> report.Custody:
        """What `custody` says, as values; `verified` is the verification."""
        verified = self.verify(checkpoint=checkpoint, key=key, receipts=receipts)
        # Whether SQLite can look into the search index depends on how the file is open; the report says that it speaks of no index.
        verified = evolve(verified, unchecked=tuple(one for one in verified.unchecked if not one.startswith("the search index")))
        held = (
            None if checkpoint is None else f"a checkpoint of {checkpoint.size} events, root {checkpoint.root}",
            None if key is None else f"the public key {read_public(key)}",
            None if receipts is None else "receipts",
        )
        upto = verified.size if verified.ok else _LAST  # what others append meanwhile is not verified, so not in this report
        unread: list[str] = []
        file = os.path.basename(self.path)

        def read(wanted: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
            try:
                with self._read() as conn:
                    return wanted(conn)
            except (StorageError, *FORGED) as fault:
                unread.append(str(fault).replace(self.path, file))
                return otherwise

        nowhere: tuple[int | None, int | None] = (None, None)
        first, last = read(lambda conn: custody.ends(conn, upto), nowhere)
        return report.Custody(
            store_id=self.id,
            file=file,
            size=read(custody.size, None),
            first=first,
            last=last,
            verified=verified,
            held=tuple(words for words in held if words is not None),
            pruned=read(custody.pruned, 0),
            imports=_by_import(read(lambda conn: list(_logged(conn, _OF_IMPORTS, upto)), [])),
            events=read(lambda conn: list(_logged(conn, _OF_CUSTODY, upto)), []),
            signed=read(lambda conn: [report.Signed(size, epoch, _text(note)) for size, epoch, note in custody.signed(conn, upto)], []),
            actors=read(lambda conn: [report.Actor(_text(name), *rest) for name, *rest in custody.actors(conn, upto)], []),
            versions={
                "alertstore": alertstore.__version__,
                "Python": f"{platform.python_implementation()} {platform.python_version()}",
                "Operating system": sys.platform,
                "SQLite": SQLITE_VERSION,
                "SQLite source": read(custody.source_id, "not known"),
            },
            unread=tuple(dict.fromkeys(unread)),
        )


def _logged(conn: sqlite3.Connection, kinds: Sequence[str], upto: int) -> Iterator[report.Logged]:
    """The events of these kinds, some hundreds at a time."""
    after = 0
    while found := log.events_of_kinds(conn, kinds, after, upto):
        for seq, at, kind, leaf, body in found:
            yield report.Logged(seq, at, kind, bytes(leaf).hex(), _body(body))
        after = found[-1][0]


def _body(stored: bytes) -> Mapping[str, Any]:
    try:
        body = json.loads(stored)
    except FORGED:
        return {}
    return body if isinstance(body, dict) else {}


def _by_import(events: Sequence[report.Logged]) -> Sequence[tuple[str, Sequence[report.Logged]]]:
    """The events of imports by the import's number, in the order the imports began."""
    imports: dict[str, list[report.Logged]] = {}
    for event in events:
        imports.setdefault(str(event.body.get("subject")), []).append(event)
    return list(imports.items())


def _text(stored: bytes | None) -> str:
    return "not known" if stored is None else stored.decode(errors="backslashreplace")
