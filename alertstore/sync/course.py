"""A sync in progress: what it is asked to do, how far it is, what to do about trouble with one alert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, field

from alertstore.domain.plan import SyncItem, SyncResult
from alertstore.errors import AlertValidationError, SyncError
from alertstore.sync.arrive import Arrived
from alertstore.sync.client import FailedError, RefusedError
from alertstore.sync.deliver import Prepared, Work, prepare
from alertstore.wire.remote import StrangeAnswerError

if TYPE_CHECKING:
    from alertstore.domain.remotealert import RemoteAlert
    from alertstore.sync.desk import Here

TROUBLE = (AlertValidationError, FailedError, RefusedError, StrangeAnswerError)
"""What is wrong with one alert, and does not stop the others."""


@define
class Wanted:
    """What a sync is asked to do."""

    pull: bool = True
    push: bool = True
    audit: bool = False
    force: bool = False
    dry_run: bool = False


@define
class Course:
    """A sync in progress. `state` is what is kept of the remote between syncs; `left_behind`: something that was to be sent was not, and
    nothing but the cursor will tell the next sync of it. began: the last event before it.
    """

    work: Work
    wanted: Wanted
    state: dict[str, Any] = field(factory=dict)
    items: list[SyncItem] = field(factory=list)
    stale: list[str] = field(factory=list)
    failed: list[tuple[str, str]] = field(factory=list)
    unsure: list[str] = field(factory=list)
    warnings: list[str] = field(factory=list)
    fresh: list[Arrived] = field(factory=list)
    left_behind: bool = False
    began: int = 0
    taken: int = 0
    opened: int | None = None
    unreached: int = 0

    def result(self) -> SyncResult:
        """What was done."""
        return SyncResult(tuple(self.items), tuple(self.stale), tuple(self.failed), self.work.client.requests)


@define
class Make:
    """An alert that is to be made on the remote."""

    here: Here
    item: SyncItem


Step = Prepared | Arrived | Make


def fail(course: Course, uuid: str, fault: Exception) -> None:
    """Note trouble with one alert, which the next sync looks at again."""
    course.failed.append((uuid, str(fault)))
    course.left_behind = True


def stop(course: Course, message: str, advice: str) -> None:
    """Go no further without being told to; a plan says so instead."""
    if course.wanted.dry_run:
        course.warnings.append(message)
    elif not course.wanted.force:
        before = f"{len(course.items)} alerts were done before" if course.items else "nothing was changed"
        raise SyncError(message, advice=f"{before}; {advice}")


def guarded(course: Course, uuid: str, here: Here, alert: RemoteAlert | None) -> Prepared | None:
    """What is to be done with an alert, or None; trouble with one alert does not stop the others."""
    try:
        return prepare(course.work, here, alert)
    except TROUBLE as fault:
        fail(course, uuid, fault)
        return None
