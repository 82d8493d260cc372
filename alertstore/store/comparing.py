"""Comparing two runs of a tool: what came, what went, what is there again, and which verdicts still stand."""

from __future__ import annotations

import re
from array import array
from itertools import islice
from typing import TYPE_CHECKING

from attrs import field, frozen

from alertstore.domain import comparison
from alertstore.domain.comparison import AFTER, BEFORE, CARRIED, CLOSED, DELETED, GONE, KINDS, NEW, RECURRING
from alertstore.domain.vocabulary import CloseClassification
from alertstore.errors import AlertNotFoundError, AlertValidationError, FieldProblem
from alertstore.storage import comparing, imports, rows
from alertstore.store.reads import Reads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from sqlite3 import Connection

    from alertstore.domain.alert import AlertSummary
    from alertstore.domain.comparison import RuleComparison
    from alertstore.storage.imports import Import

CHUNK = 500
"""Alerts read at a time."""


@frozen
class Compared:
    """An alert in a comparison. `before`: the uuid of the alert of the run before that this one is the counterpart of, where it is
    another one. `classification`: its verdict, or, `suggested`, that of its counterpart; None where neither is Closed.
    """

    alert: AlertSummary
    before: str | None
    classification: CloseClassification | None
    suggested: bool


class ComparedAlerts:
    """Alerts of a comparison: `len` is their number when it was made, and iterating reads them from the store, in the order they came in.

    They are as they are when read; those deleted since are left out.
    """

    def __init__(self, read: Callable[[], AbstractContextManager[Connection]], kinds: bytes, partners: array[int], wanted: bytes) -> None:
        """Take what every alert is (a byte at its number), its partner, and the kinds wanted."""
        self._read, self._kinds, self._partners, self._wanted = read, kinds, partners, wanted
        self._length = sum(map(kinds.count, wanted))

    def __len__(self) -> int:
        """How many there are."""
        return self._length

    def __repr__(self) -> str:
        """Say how many there are."""
        return f"<{self._length} alerts>"

    def __iter__(self) -> Iterator[Compared]:
        """Read them, some hundreds at a time."""
        places = (found.start() for found in re.finditer(b"[%b]" % re.escape(self._wanted), self._kinds))
        while numbers := [(number, self._partners[number]) for number in islice(places, CHUNK)]:
            with self._read() as conn:
                found = comparing.pairs(conn, numbers)
            yield from (_compared(*one) for one in found)


@rows.told
def _compared(alert: AlertSummary, before: str | None, theirs: str | None) -> Compared:
    suggested = alert.close_classification is None and theirs is not None
    return Compared(alert, before, CloseClassification(theirs) if suggested and theirs else alert.close_classification, suggested)


@frozen
class Comparison:
    """Two runs compared. An alert that both reported is recurring; so is a new one whose predecessor the run before reported, or that has
    the fingerprint of one which only that run reported. What is left is new, or gone. Carried are the recurring ones whose verdict stands:
    they are Closed, or their counterpart is, whose verdict is then a suggestion.

    `deleted`: alerts that were reported and are deleted since, which are in none of these. `by_rule` has the most changed rules first.
    """

    before: tuple[Import, ...]
    after: tuple[Import, ...]
    new: ComparedAlerts
    gone: ComparedAlerts
    recurring: ComparedAlerts
    carried: ComparedAlerts
    deleted: int
    by_rule: tuple[RuleComparison, ...] = field(repr=False)

    @property
    def unfinished(self) -> tuple[int, ...]:
        """The numbers of the imports that were not read to their end: what they lack looks new or gone."""
        return tuple(one.id for one in (*self.before, *self.after) if one.finished_at is None or one.fault is not None)

    @property
    def rejected(self) -> tuple[int, int]:
        """How many records could not be read, before and after, as far as the imports counted them."""
        return _sum("rejected", self.before), _sum("rejected", self.after)

    @property
    def suppressed(self) -> tuple[int, int]:
        """How many records were held back, before and after, as far as the imports counted them."""
        return _sum("suppressed", self.before), _sum("suppressed", self.after)


def _sum(name: str, several: Sequence[Import]) -> int:
    return sum(getattr(one, name) or 0 for one in several)


class Comparing(Reads):
    """Comparisons of what was read into the store."""

    def compare(self, before: int | Sequence[int], after: int | Sequence[int]) -> Comparison:
        """Compare two imports, by their numbers; a run that was read from several files is several of them.

        One read of the store, in memory of some bytes an alert. Raises `AlertNotFoundError` for an import that there is not,
        `AlertValidationError` for what is no number.
        """
        sides = dict.fromkeys(_numbers("before", before), BEFORE)
        for number in _numbers("after", after):
            sides[number] = sides.get(number, 0) | AFTER
        with self._read() as conn:
            known = {one.id: one for one in imports.imports(conn) if one.id in sides}
            for number in sides:
                if number not in known:
                    raise AlertNotFoundError(f"no import {number} in this store", advice="imports() lists those there are")
            marks = comparing.marks(conn, sides)
            partners = array("q", bytes(8 * len(marks)))
            first, last = marks.find(AFTER), marks.rfind(AFTER)  # as long as nothing else is marked
            for number in comparing.closed(conn):
                marks[number] |= CLOSED
            comparison.match_repeats(marks, partners, comparing.repeats(conn, first, last))
            comparison.match_fingerprints(marks, partners, comparing.by_fingerprint(conn))
            kinds = bytes(marks.translate(KINDS))
            counts = comparison.count_by_rule(kinds, comparing.by_rule(conn))
            by_rule = comparison.most_changed_first(comparing.rules(conn, counts))

        def those(*wanted: int) -> ComparedAlerts:
            return ComparedAlerts(self._read, kinds, partners, bytes(wanted))

        return Comparison(
            tuple(known[number] for number, side in sorted(sides.items()) if side & BEFORE),
            tuple(known[number] for number, side in sorted(sides.items()) if side & AFTER),
            new=those(NEW),
            gone=those(GONE),
            recurring=those(RECURRING, CARRIED),
            carried=those(CARRIED),
            deleted=kinds.count(DELETED),
            by_rule=by_rule,
        )


def _numbers(name: str, given: object) -> list[int]:
    """The numbers of one side's imports."""
    listed = [given] if type(given) is int else list(given) if isinstance(given, list | tuple | set | range) else []
    if not listed or not all(type(one) is int for one in listed):
        raise AlertValidationError([FieldProblem(name, "must be the number of an import, or several, as imports() has them", given)])
    return listed
