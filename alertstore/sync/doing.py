"""Doing what is to be done, one step after another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from alertstore.errors import AlertValidationError, RemoteRejectedError, RemoteUnavailableError, SyncError
from alertstore.sync import arrive
from alertstore.sync.arrive import Arrived
from alertstore.sync.course import TROUBLE, Make, fail, guarded
from alertstore.sync.create import create, item
from alertstore.sync.deliver import Stage, carry_out, prepare

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertstore.sync.course import Course, Step
    from alertstore.sync.deliver import Prepared

BATCH = 100
"""New alerts of one transaction."""
PATIENCE = 3
"""Alerts in a row for which the remote cannot be reached before a sync gives up."""


def do(course: Course, step: Step) -> None:
    """Carry one step out; trouble with one alert does not stop the others."""
    try:
        if isinstance(step, Arrived):
            _arrive(course, step)
        elif isinstance(step, Make):
            _make(course, step)
        else:
            _carried(course, step)
        course.unreached = 0
    except TROUBLE as fault:
        fail(course, step.item.uuid, fault)
    except RemoteRejectedError:
        raise
    except RemoteUnavailableError as fault:
        course.unsure.append(step.item.uuid)
        course.unreached += 1
        if course.unreached >= PATIENCE or not fault.maybe_done:
            raise
    except SyncError as fault:
        course.failed.append((step.item.uuid, str(fault)))


def _carried(course: Course, step: Prepared) -> None:
    stage = carry_out(course.work, step)
    if stage is Stage.STALE:
        course.stale.append(step.item.uuid)
        return
    if stage is Stage.UNSURE:
        course.unsure.append(step.item.uuid)
    if step.item.is_telling:
        course.items.append(step.item)


def _make(course: Course, step: Make) -> None:
    work = course.work
    found = create(work, step.here)
    if found is None:
        course.unsure.append(step.here.uuid)
        return
    with work.desk.read() as conn:
        here = work.desk.here(conn, step.here.uuid)
    shared = here is not None and here.link.shared
    course.items.append(evolve(step.item, note="the remote had it already; the two are linked") if shared else step.item)
    rest = None if here is None else prepare(work, here, found)
    if rest is not None and carry_out(work, rest) is Stage.UNSURE:
        course.unsure.append(step.here.uuid)


def _arrive(course: Course, step: Arrived) -> None:
    if step.found is not None:
        arrive.link_to(course.work, step)
        course.items.append(step.item)
    elif step.prepared is None:
        course.failed.append((step.item.uuid, step.item.note))
    else:
        course.fresh.append(step)
        if len(course.fresh) >= BATCH:
            take_fresh(course)


def take_fresh(course: Course) -> None:
    """Take the new alerts in that have gathered."""
    fresh, course.fresh = course.fresh, []
    try:
        _take(course, fresh)
    except AlertValidationError:  # one of them is too large for an event: the others are not to suffer
        for one in fresh:
            try:
                _take(course, [one])
            except AlertValidationError as fault:
                course.failed.append((one.item.uuid, str(fault)))


def _take(course: Course, fresh: Sequence[Arrived]) -> None:
    if fresh:
        course.opened = arrive.take(course.work, fresh, course.opened, course.taken)
        course.taken += len(fresh)
        course.items += [one.item for one in fresh]


def close_import(course: Course) -> None:
    """End the import that this sync took new alerts in under."""
    if course.opened is not None:
        arrive.finish(course.work, course.opened, {"new": course.taken}, None)
        course.opened = None


def look_again(course: Course) -> None:
    """What got no answer is looked at once more, when it must have had its effect or will not have it."""
    unsure, course.unsure = course.unsure, []
    for uuid in dict.fromkeys(unsure):
        with course.work.desk.read() as conn:
            here = course.work.desk.here(conn, uuid)
        if here is None or here.link.gone:
            continue
        step = Make(here, item(here)) if here.link.uuid is None else guarded(course, uuid, here, None)
        if step is not None:
            do(course, step)
    if course.unsure:
        what = "the remote has not shown the change yet; the next sync looks again"
        course.failed += [(uuid, what) for uuid in dict.fromkeys(course.unsure)]
