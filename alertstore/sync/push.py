"""What a sync sends: the alerts here that have something to say to the remote."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.storage import bundling, links
from alertstore.sync.course import Make, guarded, stop
from alertstore.sync.create import item

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

    from alertstore.sync.course import Course, Step
    from alertstore.sync.desk import Here


def chosen(course: Course) -> list[tuple[str, bool]]:
    """(uuid, linked?) of the alerts with something to send, unless they are more than a sync may send without asking."""
    work, policy, found, writes = course.work, course.work.policy, list[tuple[str, bool]](), 0
    with work.desk.read() as conn:
        waiting = links.since_then(conn, course.state.get("cursor", 0))
        if policy.create and course.state.get("uncreated"):
            waiting = sorted({*waiting, *links.unlinked(conn)})
        for number, uuid, linked in waiting:
            if not linked and not policy.create:
                course.state["uncreated"] = True
            elif (here := work.desk.here(conn, uuid)) is not None and _waits(conn, number, here):
                found.append((uuid, linked))
                writes += not _is_held(here)
    if writes > policy.max_writes:
        message = f"{writes} alerts are to be sent; {policy.max_writes} may be without asking"
        stop(course, message, "look at the plan (dry_run=True), then sync with force=True, or raise max_writes in the policy")
    return found


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


def pushed(course: Course, uuids: Iterable[str], done: set[str]) -> Iterator[Step]:
    """The steps of alerts that have something to send, each looked at when its turn comes; those looked at go into `done`."""
    for uuid in uuids:
        with course.work.desk.read() as conn:
            here = course.work.desk.here(conn, uuid)
        if here is None or uuid in done:
            continue
        if here.link.uuid is None:
            yield Make(here, item(here))
            continue
        step = guarded(course, uuid, here, None)
        done.add(uuid)
        if step is not None:
            yield step
