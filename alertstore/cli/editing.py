"""Deciding: one alert, several, or all that pass filters; every edit says who and why."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from attrs import evolve, frozen

from alertstore.cli.gate import REFUSED, say
from alertstore.cli.output import Output, formatted
from alertstore.cli.paging import PAGE, pages
from alertstore.cli.session import Session, read_where, resolve
from alertstore.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alertstore.domain.alert import AlertSummary
    from alertstore.store import AlertStore

F = TypeVar("F", bound=Callable[..., Any])

FIRST_REFUSALS = 10
TRIES = 5


@frozen
class Edit:
    """Which alerts are meant, and how the edit is to go about it."""

    session: Session
    out: Output
    uuids: tuple[str, ...]
    where: tuple[str, ...]
    dry_run: bool
    best_effort: bool
    reason: str | None

    def selection(self, store: AlertStore) -> dict[str, Any]:
        """The filters that pass these alerts alone. Raises `AlertNotFoundError` for a uuid that there is not."""
        if self.where:
            return read_where(store, self.where)
        uuids = list(dict.fromkeys(resolve(store, one) for one in self.uuids))
        for start in range(0, len(uuids), PAGE):
            part = uuids[start : start + PAGE]
            if store.count(uuid=part) < len(part):
                for uuid in part:
                    store.get(uuid)
        return {"uuid": uuids}

    def finish(self, changed: int, unchanged: int, refused: list[tuple[str, str]]) -> None:
        """Say what was done, and leave with 1 where a refusal kept everything from being done."""
        if not self.out.is_table:
            listed = [{"uuid": uuid, "error": error} for uuid, error in refused]
            self.out.one({"changed": changed, "unchanged": unchanged, "refused": listed, "dry_run": self.dry_run}, "facts")
        words = [f"{'would change' if self.dry_run else 'changed'} {_alerts(changed)}"]
        words += [f"{_alerts(unchanged)} so already"] if unchanged else []
        words += [f"{_alerts(len(refused))} refused"] if refused else []
        say("; ".join(words))
        for uuid, error in refused[:FIRST_REFUSALS]:
            say(f"  {uuid}: {error}")
        stopped = bool(refused) and not self.best_effort
        if stopped:
            say("  nothing would be changed; --best-effort goes on past refusals")
        if stopped or (refused and not changed and not unchanged):
            click.get_current_context().exit(REFUSED)


def _alerts(n: int) -> str:
    return f"{n:,} alert{'' if n == 1 else 's'}"


def edits(command: F) -> F:
    """Give a command the alerts it edits and how; it gets them as an `Edit`."""

    @click.argument("uuids", nargs=-1, metavar="[UUID]...")
    @click.option(
        "--where", multiple=True, metavar="NAME=VALUE", help="All alerts that pass a filter of `list`, instead of UUIDs; repeatable."
    )
    @click.option("-n", "--dry-run", is_flag=True, help="Only say what would be done.")
    @click.option("--best-effort", is_flag=True, help="Go on past refusals; without it one refusal refuses all.")
    @click.option("--reason", help="Why; kept in the history.")
    @formatted
    @click.pass_obj
    @functools.wraps(command)
    def wrapper(session: Session, /, *, out: Output, uuids: tuple[str, ...], where: tuple[str, ...], **options: Any) -> None:
        if bool(uuids) == bool(where):
            message = "name alerts by UUID, or by --where NAME=VALUE, and not by both"
            raise click.UsageError(message)
        how = {name: options.pop(name) for name in ("dry_run", "best_effort", "reason")}
        command(Edit(session, out, uuids, where, **how), **options)

    return wrapper  # type: ignore[return-value]  # click hands on what it decorates


def _patch(edit: Edit, patch: Mapping[str, Any], *, close: bool = False) -> None:
    with edit.session.open("rw") as store:
        chosen = edit.selection(store)
        if len(chosen.get("uuid", ())) == 1 and not edit.where and not edit.dry_run:
            changed = _patch_one(store, chosen["uuid"][0], patch, close=close, reason=edit.reason)
            edit.finish(int(changed), int(not changed), [])
            return
        done = store.patch_many(patch=patch, close=close, dry_run=edit.dry_run, best_effort=edit.best_effort, reason=edit.reason, **chosen)
    edit.finish(done.changed, done.unchanged, [(uuid, str(error)) for uuid, error in done.refused])


def _patch_one(store: AlertStore, uuid: str, patch: Mapping[str, Any], *, close: bool, reason: str | None) -> bool:
    """Edit one alert by the calls for one, whose refusals say most; whether anything changed."""
    before = store.get(uuid)
    if close:
        return store.close_alert(uuid, patch["close_classification"], reason=reason).updated_at != before.updated_at
    return store.patch(uuid, patch, reason=reason).updated_at != before.updated_at


@click.command()
@edits
def triage(edit: Edit) -> None:
    """Take alerts up: Triaging.

    Example: alertstore triage --where severity=Critical --where status=Open -n
    """
    _patch(edit, {"status": "Triaging"})


@click.command()
@edits
def escalate(edit: Edit) -> None:
    """Hand alerts on: Escalated."""
    _patch(edit, {"status": "Escalated"})


@click.command()
@click.option("--as", "classification", metavar="CLASSIFICATION", help="The verdict, exactly as the contract words it.")
@click.option("--suggested", is_flag=True, help="Each with the verdict of the closed alert that it repeats; those without one are left.")
@edits
def close(edit: Edit, *, classification: str | None, suggested: bool) -> None:
    """Close alerts with a verdict.

    An Open one is triaged first, a Closed one reclassified, unless --suggested decides.

    \b
    The verdicts:
      True Positive - Suspicious Activity
      Benign Positive - Suspicious but Expected
      False Positive - Incorrect Detection Logic
      False Positive - Inaccurate Data
      Undetermined
      Duplicate
      Not Applicable

    Example: alertstore close --where rule=2019401 --as "Benign Positive - Suspicious but Expected" --reason "scanner"
    """  # noqa: D301 - click wants the character itself
    if (classification is None) is not suggested:
        message = "give --as CLASSIFICATION, or --suggested, and not both"
        raise click.UsageError(message)
    if not suggested:
        _patch(edit, {"close_classification": classification}, close=True)
        return
    with edit.session.open("rw") as store:
        done = store.close_suggested(dry_run=edit.dry_run, reason=edit.reason, **edit.selection(store))
    evolve(edit, best_effort=True).finish(done.changed, done.unchanged, [(uuid, str(error)) for uuid, error in done.refused])


@click.command()
@click.option("--status", help="Open, Triaging, Escalated or Closed.")
@click.option("--severity", help="Pending, Informational, Low, Medium, High or Critical.")
@click.option("--close-classification", metavar="CLASSIFICATION", help="The verdict; together with --status Closed, or for a closed alert.")
@click.option("--tags", multiple=True, metavar="TAG", help="The tags, in place of all there are; repeatable, '' for none.")
@click.option("--malice-override", metavar="MALICE", help="Pending, Benign, Suspicious or Malicious.")
@click.option("--reset-malice-override", is_flag=True, help="Let the indicators decide again.")
@edits
def patch(edit: Edit, *, tags: tuple[str, ...], **fields: Any) -> None:
    """Set fields of alerts, by the rules of the lifecycle.

    Example: alertstore patch 3f2a91c0 --severity Low --reason "known scanner"
    """
    wanted = {name: value for name, value in fields.items() if value not in {None, False}}
    if tags:
        wanted["tags"] = [] if tags == ("",) else list(tags)
    if not wanted:
        message = "nothing to set; give --status, --severity, --tags or another field"
        raise click.UsageError(message)
    _patch(edit, wanted)


@click.command()
@click.option("--add", multiple=True, metavar="TAG", help="Put on; repeatable.")
@click.option("--remove", multiple=True, metavar="TAG", help="Take off; repeatable.")
@edits
def tag(edit: Edit, *, add: tuple[str, ...], remove: tuple[str, ...]) -> None:
    """Put tags on alerts, or take them off.

    Example: alertstore tag 3f2a91c0 --add c2 --remove unsure
    """
    if not add and not remove:
        message = "nothing to do; give --add TAG or --remove TAG"
        raise click.UsageError(message)
    with edit.session.open("rw") as store:
        changed = unchanged = 0
        for one in list(pages(store, edit.selection(store))):
            if _tag_one(store, one, edit, add, remove):
                changed += 1
            else:
                unchanged += 1
    edit.finish(changed, unchanged, [])


def _tag_one(store: AlertStore, one: AlertSummary, edit: Edit, add: tuple[str, ...], remove: tuple[str, ...]) -> bool:
    """Give an alert its new tags, starting again where somebody edits it between reading and writing."""
    for _ in range(TRIES):
        tags = [tag for tag in dict.fromkeys([*one.tags, *add]) if tag not in remove]
        if tuple(tags) == one.tags:
            return False
        if edit.dry_run:
            return bool(store.patch_many(uuid=[one.uuid], patch={"tags": tags}, dry_run=True, reason=edit.reason).changed)
        try:
            store.patch(one.uuid, tags=tags, reason=edit.reason, expected_updated_at=one.updated_at)
        except ConflictError:
            (one,) = store.alerts(uuid=[one.uuid])
        else:
            return True
    raise ConflictError(f"alert {one.uuid} is being edited by somebody else", current=store.get(one.uuid), advice="try again")


@click.command()
@edits
@click.argument("text")
def note(edit: Edit, *, text: str) -> None:
    """Write down what you found out.

    The note stands with the alert, as a finding of yours.

    Example: alertstore note 3f2a91c0 "seen on two hosts, see CHG-1182"
    """
    with edit.session.open("rw") as store:
        found = list(pages(store, edit.selection(store)))
        for one in () if edit.dry_run else found:
            store.add_finding(one.uuid, text, reason=edit.reason)
    edit.finish(len(found), 0, [])


COMMANDS = {"triage": triage, "escalate": escalate, "close": close, "patch": patch, "tag": tag, "note": note}
