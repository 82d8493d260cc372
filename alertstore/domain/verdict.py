"""What verifying a store comes to: the problems, one by one, and the report."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from attrs import frozen


class Problem(NamedTuple):
    """One thing that does not hold: its kind, where it is, what was expected, what was found."""

    kind: str
    where: str
    expected: object
    found: object


Verdict = Literal["sound", "damaged", "tampered", "could not check"]


@frozen
class VerifyReport:
    """What verifying a store came to.

    `assurance`: "unsigned" (accidents show, a rewrite of the whole file would not), "anchored" (held against a checkpoint or
    receipts from outside), "signed" (a given key signed the history up to event `signed_size`).
    `unchecked` says, in sentences, what this verification did not or could not look at.
    """

    ok: bool
    depth: str
    size: int
    root: str
    assurance: str
    problems: tuple[Problem, ...]
    signed_size: int = 0
    unchecked: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """In a word: "damaged" where the file cannot be read as a database, "tampered" where what can be read is not what the
        history, a checkpoint or a signature says, "could not check" where nothing is wrong but what was asked for was not there.
        """
        if self.ok:
            return "sound"
        kinds = {problem.kind for problem in self.problems}
        if "damage" in kinds:
            return "damaged"
        return "could not check" if kinds == {UNCHECKED} else "tampered"

    @property
    def first_bad(self) -> int | None:
        """The lowest number of an event that a problem names, if one does."""
        named = (re.match(r"event (\d+)", problem.where) for problem in self.problems)
        return min((int(found[1]) for found in named if found), default=None)


UNCHECKED = "unchecked"
"""The kind of a problem that is none of the store's: what was asked for could not be looked at."""
