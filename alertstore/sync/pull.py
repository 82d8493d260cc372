"""What a sync takes in: the remote's lists, the alerts in them that say something new, those that are in none any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, evolve

from alertstore.domain.plan import Action
from alertstore.domain.times import EARLIEST, read_rfc3339
from alertstore.storage import links
from alertstore.sync import arrive, scan
from alertstore.sync.course import TROUBLE, fail, guarded, stop

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from alertstore.domain.remotealert import RemoteAlert, RemoteRow
    from alertstore.sync.course import Course, Step
    from alertstore.sync.deliver import Prepared

FEW = 20
"""As many alerts may always be found closed, gone or older, whatever their share."""
MOST_UNSERVED = 200
"""Alerts that the remote could not show which are asked for again by the next sync."""


@define
class Listed:
    """What the remote's lists say: their rows, those of the alerts here that were not Closed and are in none of them."""

    rows: dict[str, RemoteRow]
    missing: list[str]


def listed(course: Course) -> Listed:
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


def pulled(course: Course, listed: Listed, done: Collection[str]) -> Iterator[Step]:
    """What the lists say that is new, alert by alert; not those in `done`."""
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
        fail(course, uuid, fault)
        course.state["unserved"] = sorted({*course.state.get("unserved", []), uuid})[:MOST_UNSERVED]
        return
    if arrived is not None:
        yield arrived
    if linked or (arrived is not None and arrived.found is not None):
        yield from _linked_steps(course, uuid, alert)


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
        step = guarded(course, uuid, here, alert)
        if step is not None:
            yield step if course.wanted.push else _without_sending(step)


def _anew(course: Course, uuid: str, alert: RemoteAlert) -> RemoteAlert | None:
    """The alert for the next one here that is linked to it: as it is now, since the one before may have changed it."""
    try:
        return course.work.client.alert(uuid)
    except TROUBLE as fault:
        fail(course, uuid, fault)
        return alert


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
        stop(course, message, "look at a few of them, then sync with force=True")
    closing = sum(1 for uuid in tokens if uuid in active and rows[uuid].registers.status == "Closed") + len(missing)
    if closing > allowed:
        message = f"{closing} of {known} alerts would be closed, or are gone from the remote; {allowed} may be without asking"
        stop(course, message, "look at the remote, then sync with force=True, or raise max_share in the policy")


def _is_older(now: str, before: str | None) -> bool:
    times = read_rfc3339(now), None if before is None else read_rfc3339(before)
    return times[0] is not None and times[1] is not None and times[0] < times[1]
