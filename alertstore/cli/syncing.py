"""Sync with the remote: plan it, do it, and decide what is left for a person."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alertstore.cli.gate import REMOTE, say
from alertstore.cli.linking import connected, counted, linked
from alertstore.cli.output import Output, fields_of, formatted, plain, write
from alertstore.cli.paging import PAGE
from alertstore.cli.session import resolve as full_uuid
from alertstore.domain.plan import Action, Conflict, SyncItem, SyncPlan
from alertstore.domain.safe import safe_text
from alertstore.errors import AlertStoreError, AlertValidationError, FieldProblem, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from alertstore.cli.session import Session
    from alertstore.domain.plan import SyncResult
    from alertstore.storage.repository import Mode
    from alertstore.store import AlertStore

TITLES = {
    Action.CREATE: "New there",
    Action.PUSH: "Changes there",
    Action.HOLD: "Waits for you",
    Action.NEW: "New here",
    Action.PULL: "Changes here",
    Action.GONE: "Gone from the remote",
    Action.SETTLE: "Settled without sending",
    Action.FAILED: "Not done",
}

_AUDIT = click.option("--audit", is_flag=True, help="Look at all that the remote has, not only at what is active or new.")
_DRY_RUN = click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done, as `sync plan` does.")
_REASON = click.option("--reason", help="Why; kept in the history.")


@click.group()
def sync() -> None:
    """Bring this store and a remote together.

    What was edited here goes there, what was edited there comes here; an edit made on both sides is merged by the policy, or waits
    for you in `alertstore conflicts`. `sync plan` first says what would happen, and changes nothing on either side.

    \b
    export ALERTSTORE_REMOTE=https://soc.example ALERTSTORE_REMOTE_KEY=...
    alertstore sync plan
    alertstore sync run
    """  # noqa: D301 - click wants the character itself


@sync.command("plan")
@click.option("-o", "--output", type=click.Path(), metavar="FILE", help="Keep the plan there too, for `sync apply`.")
@click.option("--no-pull", is_flag=True, help="Leave out what would come here.")
@click.option("--no-push", is_flag=True, help="Leave out what would go there.")
@_AUDIT
@linked
@formatted
@click.pass_obj
def plan_command(session: Session, /, *, out: Output, output: str | None, no_pull: bool, no_push: bool, audit: bool, **link: Any) -> None:
    """Say what a sync would do, alert by alert.

    Example: alertstore sync plan -o tonight.plan, and when you have read it, alertstore sync apply tonight.plan
    """
    _plan(session, out, {"pull": not no_pull, "push": not no_push, "audit": audit}, link, output)


@sync.command("apply")
@click.argument("file", type=click.Path())
@_REASON
@linked
@formatted
@click.pass_obj
def apply_command(session: Session, /, *, out: Output, file: str, reason: str | None, **link: Any) -> None:
    """Do exactly what a plan says.

    What has changed since on either side is left as it is, and said. Where the plan was made by a policy, name the same one.
    """
    planned = _read_plan(file)
    with connected(session, "rw", **link) as (store, remote, told):
        with counted(remote) as asked:
            done = store.sync(asked, plan=planned, reason=reason, **told)
        _report(out, store, done)


@sync.command("push")
@_DRY_RUN
@_REASON
@linked
@formatted
@click.pass_obj
def push_command(session: Session, /, *, out: Output, dry_run: bool, reason: str | None, **link: Any) -> None:
    """Send what was done here.

    An alert that is looked at is merged, so it may change here too; nothing new is taken in.
    """
    _go(session, out, {"pull": False}, link, dry_run=dry_run, reason=reason)


@sync.command("pull")
@_AUDIT
@_DRY_RUN
@_REASON
@linked
@formatted
@click.pass_obj
def pull_command(session: Session, /, *, out: Output, audit: bool, dry_run: bool, reason: str | None, **link: Any) -> None:
    """Take in what was done there; send nothing.

    Makes the store where there is none.
    """
    _go(session, out, {"push": False, "audit": audit}, link, dry_run=dry_run, reason=reason, mode="create")


@sync.command("run")
@_AUDIT
@_DRY_RUN
@_REASON
@linked
@formatted
@click.pass_obj
def run_command(session: Session, /, *, out: Output, audit: bool, dry_run: bool, reason: str | None, **link: Any) -> None:
    """Take in and send.

    It may be stopped at any time; the next one goes on from there.

    Example: alertstore sync run --remote https://soc.example --key-file ~/.soc-key --reason "end of shift"
    """
    _go(session, out, {"audit": audit}, link, dry_run=dry_run, reason=reason)


def _go(
    session: Session, out: Output, what: dict[str, Any], link: dict[str, Any], *, dry_run: bool, reason: str | None, mode: Mode = "rw"
) -> None:
    if dry_run:
        _plan(session, out, what, link, None)
        return
    with connected(session, mode, **link) as (store, remote, told):
        with counted(remote) as asked:
            done = store.sync(asked, dry_run=False, reason=reason, **what, **told)
        _report(out, store, done)


def _plan(session: Session, out: Output, what: dict[str, Any], link: dict[str, Any], kept: str | None) -> None:
    with connected(session, "ro", **link) as (store, remote, told), counted(remote) as asked:
        planned = store.sync(asked, dry_run=True, **what, **told)
    if out.is_table:
        from alertstore.cli import tables  # noqa: PLC0415 - rich is loaded for tables only

        tables.show(tables.prose(planned.heading()))
        write([""])
    _show(out, planned.items)
    if not out.is_table:
        for line in planned.heading().splitlines():
            say(line)
    if kept is not None:
        _keep(kept, planned.to_json())
        say(f"kept in {kept}; `alertstore sync apply {kept}` does exactly this")


def _show(out: Output, items: Sequence[SyncItem]) -> None:
    """The alerts, in the order of their actions; on a terminal a screenful of each."""
    ordered = [(action, [item for item in items if item.action is action]) for action in Action]
    if not out.is_table:
        out.rows((plain(item) for _, group in ordered for item in group), fields_of(SyncItem), ())
        return
    from alertstore.cli import tables, views  # noqa: PLC0415 - rich is loaded for tables only

    tables.show(views.steps((TITLES[action], group) for action, group in ordered if group))


def _report(out: Output, store: AlertStore, done: SyncResult) -> None:
    """What was done, what was not, and what waits for a person."""
    left = [*((uuid, "left as it is: it had changed since it was looked at") for uuid in done.stale), *done.failed]
    titles = _titles(store, [uuid for uuid, _ in left])
    _show(out, [*done.items, *(SyncItem(Action.FAILED, uuid, titles.get(uuid, ""), note=why) for uuid, why in left)])
    say(str(done).splitlines()[0])
    if waiting := len(store.conflicts()):
        say(f"{waiting:,} edit{' waits' if waiting == 1 else 's wait'} for you: `alertstore conflicts` lists them")
    if failed := len(done.failed):
        say(f"{failed:,} alert{'' if failed == 1 else 's'} could not be synced; the next sync tries again")
        click.get_current_context().exit(REMOTE)


def _titles(store: AlertStore, uuids: Sequence[str]) -> dict[str, str]:
    """What those of the alerts that are here are called."""
    parts = (list(uuids[start : start + PAGE]) for start in range(0, len(uuids), PAGE))
    return {one.uuid: one.title for part in parts for one in store.alerts(uuid=part, limit=PAGE)}


def _read_plan(name: str) -> SyncPlan:
    try:
        return SyncPlan.read(Path(name).read_text(encoding="ascii"))
    except OSError as fault:
        raise SourceError(f"{name} cannot be read: {fault.strerror}", advice="`alertstore sync plan -o FILE` writes one") from fault
    except UnicodeDecodeError:
        raise AlertValidationError([FieldProblem("plan", "is no plan: plans are ASCII text", name)]) from None


def _keep(name: str, text: str) -> None:
    """Write a file whole or not at all, in place of one that is there."""
    building = None
    try:
        handle, building = tempfile.mkstemp(dir=os.path.dirname(os.path.abspath(name)), prefix=".alertstore-", text=True)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(building, name)
    except OSError as fault:
        if building is not None:
            with suppress(OSError):
                os.unlink(building)
        raise AlertStoreError(
            f"{name} cannot be written: {fault.strerror}", advice="name a file in a folder that you can write to"
        ) from fault


# --- what a person decides ---


@click.command()
@formatted
@click.pass_obj
def conflicts(session: Session, /, *, out: Output) -> None:
    """List the edits that wait for you.

    Both sides changed the same and the policy does not decide it, or the remote did not take an edit. `alertstore resolve` decides.
    """
    with session.open("ro") as store:
        found = store.conflicts()
    if not out.is_table:
        out.rows(map(plain, found), fields_of(Conflict), ())
    elif found:
        _show_conflicts(found)
    if not found:
        say("no conflicts")
    elif out.is_table:
        say("`alertstore resolve ID WHAT --take local|remote|NAME` decides one: local is what the alert shows here, NAME whose edit")


def _show_conflicts(found: Iterable[Conflict]) -> None:
    from alertstore.cli import tables, views  # noqa: PLC0415 - rich is loaded for tables only

    tables.show(views.conflicts(map(plain, found)))


@click.command()
@click.argument("uuid")
@click.argument("register", required=False)
@click.option(
    "--take", required=True, metavar="local|remote|NAME", help="local: what it shows here; remote: what is there; NAME: that person's edit."
)
@_REASON
@click.pass_obj
def resolve(session: Session, /, *, uuid: str, register: str | None, take: str, reason: str | None) -> None:
    """Decide a conflict.

    REGISTER is what the conflict is about, as `alertstore conflicts` names it; where an alert has only one it can be left out. The next
    sync carries the decision out.

    Example: alertstore resolve 3f2a91c0 --take local --reason "seen on two hosts"
    """
    with session.open("rw") as store:
        uuid = full_uuid(store, uuid)
        if register is None:
            register = _only_register(store, uuid)
        alert = store.resolve(uuid, register, take=take, reason=reason)
        waiting = len(store.conflicts())
    now = {"lifecycle": " as ".join(filter(None, (alert.status, alert.close_classification))), "severity": alert.severity}.get(register)
    said = "" if now is None else f": {now}"
    say(f"took the {safe_text(take)} {safe_text(register)} of {uuid[-8:]}{said}" + ("" if take == "remote" else "; the next sync sends it"))
    if waiting:
        say(f"{waiting:,} more wait{'s' if waiting == 1 else ''}")


def _only_register(store: AlertStore, uuid: str) -> str:
    found = [one.register for one in store.conflicts() if one.uuid == uuid]
    if len(found) > 1:
        problem = FieldProblem("register", f"must be one of: {', '.join(found)}", None)
        raise AlertValidationError([problem], advice=f"`alertstore resolve {uuid[-8:]} {found[0]} --take ...` decides the first")
    return found[0] if found else "lifecycle"


COMMANDS = {"sync": sync, "conflicts": conflicts, "resolve": resolve}
