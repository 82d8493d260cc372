"""A sync, from beginning to end: look, plan, do. What a plan says is made by the same steps that carry it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field

from alertstore.domain.plan import Action, SyncItem, SyncPlan, SyncResult
from alertstore.domain.times import EARLIEST, SECOND, read_rfc3339
from alertstore.errors import AlertValidationError, RemoteRejectedError, RemoteUnavailableError, SyncError
from alertstore.storage import bundling, links
from alertstore.sync import arrive, scan
from alertstore.sync.arrive import Arrived
from alertstore.sync.client import FailedError, RefusedError
from alertstore.sync.create import create, item
from alertstore.sync.deliver import Prepared, Stage, Work, carry_out, prepare
from alertstore.wire.remote import StrangeAnswerError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from alertstore.domain.remotealert import RemoteAlert, RemoteRow
    from alertstore.sync.desk import Here

SENTINELS = 4
"""As many of the alerts that were linked first, and of those that were linked last, are looked for: one of them must still be there."""
FEW = 20
"""As many alerts may always be found closed, gone or older, whatever their share."""
BATCH = 100
"""New alerts of one transaction."""
MOST_UNSERVED = 200
"""Alerts that the remote could not show which are asked for again by the next sync."""
PATIENCE = 3
"""Alerts in a row for which the remote cannot be reached before a sync gives up."""
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
                _do(course, step)
        finally:
            _take_fresh(course)
        _look_again(course)
    finally:
        _close_import(course)


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
    if not course.left_behind and not _chosen(course):
        cursor = course.work.desk.cursor
    _keep(course, cursor)
    return course.result()


def _planned(course: Course, items: Iterable[SyncItem]) -> Iterator[Step]:
    """The steps of a plan that are still what they were."""
    for one in items:
        try:
            step = _step_of(course, one)
        except TROUBLE as fault:
            _fail(course, one.uuid, fault)
            continue
        if step is None or step.item.facts() != one.facts():
            course.stale.append(one.uuid)
        else:
            yield step


@define
class Make:
    """An alert that is to be made on the remote."""

    here: Here
    item: SyncItem


Step = Prepared | Arrived | Make


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
    chosen = _chosen(course) if course.wanted.push else []  # before anything is done: what is pulled is merged, and that sends too
    listed = _listed(course) if course.wanted.pull else None
    yield from _pushed(course, (uuid for uuid, linked in chosen if linked), done)
    if listed is not None:
        yield from _pulled(course, listed, done)
    yield from _pushed(course, (uuid for uuid, linked in chosen if not linked), done)
    if course.wanted.push and course.work.policy.create:
        course.state.pop("uncreated", None)


@define
class Listed:
    """What the remote's lists say: their rows, those of the alerts here that were not Closed and are in none of them."""

    rows: dict[str, RemoteRow]
    missing: list[str]


def _listed(course: Course) -> Listed:
    """Read the lists, and stop where they look wrong."""
    seen = scan.Seen()
    scan.newest(course.work.client, seen, course.state.get("watermark"))
    active = scan.active(course.work.client, seen)
    with course.work.desk.read() as conn:
        missing = sorted(links.active_links(conn) - active - seen.rows.keys())
    if seen.unread:
        course.failed.append(("", f"{seen.unread} rows of the remote's lists cannot be read"))
    _guard(course, seen.rows, missing[seen.unread :])  # of those that seem to be missing as many may stand in rows that cannot be read
    return Listed(seen.rows, missing)


def _pulled(course: Course, listed: Listed, done: Collection[str]) -> Iterator[Step]:
    unserved = course.state.pop("unserved", [])
    yield from _differing(course, listed.rows, done)
    for uuid in (*listed.missing, *(uuid for uuid in unserved if uuid not in listed.rows)):
        yield from _one(course, uuid)
    made = [row.created_at for row in listed.rows.values() if read_rfc3339(row.created_at) is not None]
    if made:
        course.state["watermark"] = max(made, key=lambda text: read_rfc3339(text) or 0)
    if course.wanted.audit:
        yield from _audited(course)


def _differing(course: Course, rows: Mapping[str, RemoteRow], done: Collection[str] = ()) -> Iterator[Step]:
    """The rows that say something new: whole alerts of them. Not those whose one alert here was looked at just now."""
    with course.work.desk.read() as conn:
        tokens = links.tokens(conn, list(rows))
    for row in rows.values():
        if row.uuid in tokens:
            with course.work.desk.read() as conn:
                here = [uuid for _, uuid in links.linked_to(conn, row.uuid)]
            if tokens[row.uuid] == row.token or all(uuid in done for uuid in here):  # none, where what is linked was deleted here
                continue
        yield from _one(course, row.uuid)


def _one(course: Course, uuid: str) -> Iterator[Step]:
    """An alert of the remote, whole: taken in, or merged with what is linked to it here."""
    with course.work.desk.read() as conn:
        linked = bool(links.linked_to(conn, uuid))
    try:
        alert = course.work.client.alert(uuid)
        arrived = None if linked or alert is None else arrive.look(course.work, alert)
    except TROUBLE as fault:
        _fail(course, uuid, fault)
        course.state["unserved"] = sorted({*course.state.get("unserved", []), uuid})[:MOST_UNSERVED]
        return
    if arrived is not None:
        yield arrived
    if linked or (arrived is not None and arrived.found is not None):
        yield from _linked_steps(course, uuid, alert)


def _fail(course: Course, uuid: str, fault: Exception) -> None:
    course.failed.append((uuid, str(fault)))
    course.left_behind = True


def _linked_steps(course: Course, remote_uuid: str, alert: RemoteAlert | None) -> Iterator[Step]:
    """The alerts here that are linked to one of the remote, merged with it."""
    work = course.work
    with work.desk.read() as conn:
        known = links.linked_to(conn, remote_uuid)
    for place, (_, uuid) in enumerate(known):
        with work.desk.read() as conn:
            here = work.desk.here(conn, uuid)
        if here is None or here.link.intent is not None:  # an intent is looked after when it is pushed
            continue
        if place and alert is not None and course.wanted.push:
            alert = _anew(course, remote_uuid, alert)
        step = _guarded(course, uuid, here, alert)
        if step is not None:
            yield step if course.wanted.push else _without_sending(step)


def _anew(course: Course, uuid: str, alert: RemoteAlert) -> RemoteAlert | None:
    """The alert for the next one here that is linked to it: as it is now, since the one before may have changed it."""
    try:
        return course.work.client.alert(uuid)
    except TROUBLE as fault:
        _fail(course, uuid, fault)
        return alert


def _guarded(course: Course, uuid: str, here: Here, alert: RemoteAlert | None) -> Prepared | None:
    """What is to be done with an alert, or None; trouble with one alert does not stop the others."""
    try:
        return prepare(course.work, here, alert)
    except TROUBLE as fault:
        _fail(course, uuid, fault)
        return None


def _without_sending(step: Prepared) -> Prepared:
    """The same without what goes there; what the remote lacks is remembered."""
    action = Action.HOLD if step.item.held else Action.PULL if step.item.changes else Action.SETTLE
    left = evolve(step.item, body={}, findings=0, indicators=0, action=action if step.item.action is Action.PUSH else step.item.action)
    more = evolve(step.more, findings=(), indicators=())
    return evolve(
        step, merged=evolve(step.merged, body={}, sends={}), more=more, item=left, lacking=bool(step.more.findings or step.more.indicators)
    )


def _audited(course: Course) -> Iterator[Step]:
    """Everything that the remote has, window by window; an audit that was interrupted goes on where it was."""
    begin_at = course.state.get("audited", EARLIEST)
    for end, rows in scan.windows(course.work.client, begin_at):
        found = {row.uuid: row for row in rows}
        with course.work.desk.read() as conn:
            missing = sorted(links.linked_between(conn, begin_at, end) - found.keys())
        _guard(course, found, missing)
        yield from _differing(course, found)
        for uuid in missing:
            yield from _one(course, uuid)
        begin_at = course.state["audited"] = end + 1
    del course.state["audited"]


def _stop(course: Course, message: str, advice: str) -> None:
    """Go no further without being told to; a plan says so instead."""
    if course.wanted.dry_run:
        course.warnings.append(message)
    elif not course.wanted.force:
        before = f"{len(course.items)} alerts were done before" if course.items else "nothing was changed"
        raise SyncError(message, advice=f"{before}; {advice}")


def _guard(course: Course, rows: Mapping[str, RemoteRow], missing: Sequence[str]) -> None:
    """Stop where a remote looks restored, or would close or lose more than its share. missing: those that are in no list any more."""
    with course.work.desk.read() as conn:
        tokens = links.tokens(conn, list(rows))
        active = links.active_links(conn)
    known = max(len(tokens) + len(missing), 1)
    allowed = max(FEW, int(course.work.policy.max_share * known))
    older = sum(1 for uuid, token in tokens.items() if _is_older(rows[uuid].token, token))
    if older > max(2, known // 100):
        message = f"{older} of {known} alerts are older on the remote than when they were last seen: it was restored from a backup"
        _stop(course, message, "look at a few of them, then sync with force=True")
    closing = sum(1 for uuid in tokens if uuid in active and rows[uuid].registers.status == "Closed") + len(missing)
    if closing > allowed:
        message = f"{closing} of {known} alerts would be closed, or are gone from the remote; {allowed} may be without asking"
        _stop(course, message, "look at the remote, then sync with force=True, or raise max_share in the policy")


def _is_older(now: str, before: str | None) -> bool:
    times = read_rfc3339(now), None if before is None else read_rfc3339(before)
    return times[0] is not None and times[1] is not None and times[0] < times[1]


def _chosen(course: Course) -> list[tuple[str, bool]]:
    """(uuid, linked?) of the alerts with something to send, unless they are more than a sync may send without asking."""
    work, policy, chosen, writes = course.work, course.work.policy, list[tuple[str, bool]](), 0
    with work.desk.read() as conn:
        waiting = links.since_then(conn, course.state.get("cursor", 0))
        if policy.create and course.state.get("uncreated"):
            waiting = sorted({*waiting, *links.unlinked(conn)})
        for number, uuid, linked in waiting:
            if not linked and not policy.create:
                course.state["uncreated"] = True
            elif (here := work.desk.here(conn, uuid)) is not None and _waits(conn, number, here):
                chosen.append((uuid, linked))
                writes += not _is_held(here)
    if writes > policy.max_writes:
        message = f"{writes} alerts are to be sent; {policy.max_writes} may be without asking"
        _stop(course, message, "look at the plan (dry_run=True), then sync with force=True, or raise max_writes in the policy")
    return chosen


def _is_held(here: Here) -> bool:
    """Whether all that waits of a linked alert waits for a person: it is looked at, and most likely not written to."""
    pending = here.link.pending(here.state.heads)
    held = all(here.link.holding(register, seqs) for register, seqs in pending.items())
    return bool(pending) and held and not here.link.intent and not here.link.lacking


def _waits(conn: sqlite3.Connection, number: int, here: Here) -> bool:
    """Whether an alert has something to send. One that is not there yet has, unless what it says was erased."""
    if here.link.uuid is None:
        return "content" not in bundling.erased(conn, number)
    if here.link.intent or here.link.lacking or here.link.pending(here.state.heads):
        return True
    return links.has_more(conn, number, here.linked)


def _pushed(course: Course, chosen: Iterable[str], done: set[str]) -> Iterator[Step]:
    for uuid in chosen:
        with course.work.desk.read() as conn:
            here = course.work.desk.here(conn, uuid)
        if here is None or uuid in done:
            continue
        if here.link.uuid is None:
            yield Make(here, item(here))
            continue
        step = _guarded(course, uuid, here, None)
        done.add(uuid)
        if step is not None:
            yield step


def _do(course: Course, step: Step) -> None:
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
        _fail(course, step.item.uuid, fault)
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
            _take_fresh(course)


def _take_fresh(course: Course) -> None:
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


def _close_import(course: Course) -> None:
    if course.opened is not None:
        arrive.finish(course.work, course.opened, {"new": course.taken}, None)
        course.opened = None


def _look_again(course: Course) -> None:
    """What got no answer is looked at once more, when it must have had its effect or will not have it."""
    unsure, course.unsure = course.unsure, []
    for uuid in dict.fromkeys(unsure):
        with course.work.desk.read() as conn:
            here = course.work.desk.here(conn, uuid)
        if here is None or here.link.gone:
            continue
        step = Make(here, item(here)) if here.link.uuid is None else _guarded(course, uuid, here, None)
        if step is not None:
            _do(course, step)
    if course.unsure:
        what = "the remote has not shown the change yet; the next sync looks again"
        course.failed += [(uuid, what) for uuid in dict.fromkeys(course.unsure)]


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
