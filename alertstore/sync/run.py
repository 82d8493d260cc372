"""A sync, from beginning to end: look, plan, do. What a plan says is made by the same steps that carry it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.plan import Action, SyncItem, SyncPlan, SyncResult
from alertstore.domain.times import SECOND, read_rfc3339
from alertstore.errors import RemoteRejectedError, RemoteUnavailableError, SyncError
from alertstore.storage import links
from alertstore.sync import arrive
from alertstore.sync.course import TROUBLE, Course, Make, Wanted, fail
from alertstore.sync.create import item
from alertstore.sync.deliver import Work, prepare
from alertstore.sync.doing import close_import, do, look_again, take_fresh
from alertstore.sync.pull import listed, pulled
from alertstore.sync.push import chosen, pushed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from alertstore.sync.course import Step

SENTINELS = 4
"""As many of the alerts that were linked first, and of those that were linked last, are looked for: one of them must still be there."""


def begin(work: Work, wanted: Wanted) -> Course:
    """Make sure that this is the remote that the store knows. Raises `SyncError` where it is not."""
    with work.desk.read() as conn:
        known = links.remote_state(conn)
        watched = links.sentinels(conn, SENTINELS)
        work.desk.cursor = links.last_event(conn)
    if known is not None and known[0] != work.client.remote.name and not wanted.force:
        message = f"this store syncs with {known[0]}, not with {work.client.remote.name}"
        raise SyncError(message, advice="if it has moved, sync once with force=True; a second remote needs a store of its own")
    course = Course(work, wanted, {} if known is None else dict(known[1]), began=work.desk.cursor)
    there = (_is_there(course, uuid, made) for uuid, made in watched)
    if len(watched) > 2 and not wanted.force and not any(there):  # noqa: PLR2004 - one or two may have been deleted
        message = f"none of {len(watched)} alerts that {work.client.remote.name} had is there: it was wiped, or it is another one"
        raise SyncError(message, advice="nothing was changed; check the address; sync with force=True if it is right all the same")
    return course


def _is_there(course: Course, uuid: str, made: str) -> bool:
    """Whether an alert of the remote is still there, and the same one. That it cannot be shown says nothing."""
    try:
        found = course.work.client.alert(uuid)
    except TROUBLE:
        return True
    return found is not None and read_rfc3339(found.created_at) == read_rfc3339(made)


def plan(course: Course, skew: int | None) -> SyncPlan:
    """What a sync would do now. Writes nothing, here or there; `skew` is the remote's clock less ours, in seconds."""
    work = course.work
    items = [one.item for one in _look(course) if one.item.is_telling]
    requests = sum(one.requests for one in items)
    pace = work.client.remote.pace
    makes = sum(1 for one in items if one.action is Action.CREATE)
    seconds = max(requests * 60 // pace.requests, makes * 60 // pace.ingests)
    warnings = tuple(course.warnings)
    return SyncPlan(
        work.desk.store_id,
        work.client.remote.name,
        work.policy.digest,
        tuple(items),
        skew,
        work.client.requests,
        requests,
        seconds,
        warnings,
    )


def run(course: Course) -> SyncResult:
    """Do it. Raises `SyncError` where a guard stops it; `RemoteRejectedError` and `RemoteUnavailableError` where there is no going on:
    what was done until then is kept, and the next sync goes on from there.
    """
    cursor = course.state.get("cursor", 0)
    try:
        _carry_out(course, _look(course))
    except (RemoteRejectedError, RemoteUnavailableError):
        _keep(course, cursor)
        raise
    if not course.left_behind and (course.wanted.push or cursor == course.began):
        cursor = course.work.desk.cursor
    _keep(course, cursor)
    return course.result()


def _carry_out(course: Course, steps: Iterable[Step]) -> None:
    """Do one step after another; what was taken in until something stops it is kept."""
    try:
        try:
            for step in steps:
                do(course, step)
        finally:
            take_fresh(course)
        look_again(course)
    finally:
        close_import(course)


def follow(course: Course, planned: SyncPlan) -> SyncResult:
    """Do exactly what a plan says; what has changed since is left, and named."""
    work = course.work
    if (planned.store, planned.remote, planned.policy) != (work.desk.store_id, work.client.remote.name, work.policy.digest):
        raise SyncError("this plan was made for another store, another remote, or by another policy", advice="make a new plan")
    if planned.warnings and not course.wanted.force:
        raise SyncError(planned.warnings[0], advice="nothing was sent; the plan says so too: follow it with force=True, if it is right")
    cursor = course.state.get("cursor", 0)
    _carry_out(course, _planned(course, planned.items))
    course.wanted.force = True  # the guards were asked when the plan was made
    if not course.left_behind and not chosen(course):
        cursor = course.work.desk.cursor
    _keep(course, cursor)
    return course.result()


def _planned(course: Course, items: Iterable[SyncItem]) -> Iterator[Step]:
    """The steps of a plan that are still what they were."""
    for one in items:
        try:
            step = _step_of(course, one)
        except TROUBLE as fault:
            fail(course, one.uuid, fault)
            continue
        if step is None or step.item.facts() != one.facts():
            course.stale.append(one.uuid)
        else:
            yield step


def _step_of(course: Course, planned: SyncItem) -> Step | None:
    work = course.work
    with work.desk.read() as conn:
        here = work.desk.here(conn, planned.uuid)
    if planned.action is Action.CREATE:
        return None if here is None or here.link.uuid is not None else Make(here, item(here))
    if here is None or here.link.uuid is None:
        alert = None if planned.remote_uuid is None else work.client.alert(planned.remote_uuid)
        return None if alert is None else arrive.look(work, alert)
    return prepare(work, here)


def _look(course: Course) -> Iterator[Step]:
    """All that is to be done, one alert after another; the caller does one before the next is looked at.

    What is linked and waits goes first, so that a link that never lasts long takes it all the same; what the remote does not have goes
    last, since it may turn out to be there.
    """
    done: set[str] = set()
    waiting = chosen(course) if course.wanted.push else []  # before anything is done: what is pulled is merged, and that sends too
    lists = listed(course) if course.wanted.pull else None
    yield from pushed(course, (uuid for uuid, linked in waiting if linked), done)
    if lists is not None:
        yield from pulled(course, lists, done)
    yield from pushed(course, (uuid for uuid, linked in waiting if not linked), done)
    if course.wanted.push and course.work.policy.create:
        course.state.pop("uncreated", None)


def _keep(course: Course, cursor: int) -> None:
    """Write down how far this sync has come, where that says something new."""
    desk = course.work.desk
    state = {**course.state, "cursor": cursor}
    with desk.read() as conn:
        known = links.remote_state(conn)
        last = links.last_event(conn)
    before = (None, {}) if known is None else known
    fresh = {name: value for name, value in state.items() if name != "cursor"}
    if (
        before[0] == course.work.client.remote.name
        and fresh == {n: v for n, v in before[1].items() if n != "cursor"}
        and last == before[1].get("cursor")
    ):
        return
    with desk.write() as transaction:
        if cursor == transaction.seq:
            state["cursor"] = cursor + 1  # this very event
        links.save_remote_state(transaction, course.work.client.remote.name, state, desk.actor)


def skew_of(work: Work, now: int) -> int | None:
    """How far the remote's clock is ahead of ours, in seconds; None where it has not said."""
    return None if work.client.date is None else round((work.client.date - now) / SECOND)
