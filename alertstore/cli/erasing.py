"""Erasing: what must go, on whose authority, and the hold that forbids it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from alertstore.cli.gate import say
from alertstore.cli.session import read_time, resolve
from alertstore.errors import AlertValidationError, FieldProblem

if TYPE_CHECKING:
    from alertstore.cli.session import Session

AUTHORITY = click.option("--authority", required=True, help="On whose authority: an order, a policy; kept in the history.")
REASON = click.option("--reason", help="Why; kept in the history.")


@click.command()
@click.argument("uuid", required=False)
@click.option("--part", "parts", multiple=True, help="record, content or findings; repeatable, all three by default.")
@click.option("--rejected", metavar="IMPORT:RECORD", help="Instead of an alert, a record that made none; without a file, :EVENT.")
@AUTHORITY
@REASON
@click.pass_obj
def redact(session: Session, /, *, uuid: str | None, rejected: str | None, **how: Any) -> None:
    """Erase what an alert holds, or a rejected or suppressed record.

    Of an alert: its records, its text and indicators, and its findings. The bytes go from the file and from its log; the history still verifies, and says who erased what. Copies elsewhere stay.

    Example: alertstore redact 3f2a91c0 --authority "order 17 C 4/26"
    """
    if (uuid is None) is (rejected is None):
        message = "name an alert by UUID, or give --rejected"
        raise click.UsageError(message)
    parts = how.pop("parts")
    with session.open("rw") as store:
        if rejected is not None:
            store.redact_rejected(*_record(rejected), **how)
        else:
            store.redact(resolve(store, str(uuid)), **(how | ({"parts": parts} if parts else {})))
    say("erased from the store; backups and sealed copies are out of its reach")


def _record(given: str) -> tuple[int | None, int]:
    number, colon, record = given.partition(":")
    if not colon or not (number or "0").isdecimal() or not record.isdecimal():
        message = "must be IMPORT:RECORD, as `alertstore rejected` lists them, or :EVENT, as `alertstore suppressed` does"
        raise AlertValidationError([FieldProblem("rejected", message, given)])
    return int(number) if number else None, int(record)


@click.command()
@click.option("--before", required=True, metavar="TIME", help="Events older than this ISO time go (UTC unless it says otherwise).")
@AUTHORITY
@REASON
@click.pass_obj
def prune(session: Session, /, *, before: str, **how: Any) -> None:
    """Let the beginning of the history go.

    Alerts and records stay as they are, stated again in new events; what happened before the cut cannot be shown any more.

    Example: alertstore prune --before 2025-01-01 --authority "retention policy 3.2"
    """
    moment = read_time("before", before)
    with session.open("rw") as store:
        gone = store.prune(moment, **how)  # type: ignore[arg-type]  # required, so there is one
    say(f"{gone:,} event{'' if gone == 1 else 's'} pruned")


@click.command()
@click.argument("authority", required=False)
@click.option("--release", is_flag=True, help="Lift the hold.")
@REASON
@click.pass_obj
def hold(session: Session, /, *, authority: str | None, release: bool, reason: str | None) -> None:
    """Forbid redacting, pruning and deleting, by a legal hold.

    Example: alertstore hold "case 12/26" --reason "preservation letter"
    """
    if (authority is None) is not release:
        message = "say on whose authority, or give --release"
        raise click.UsageError(message)
    with session.open("rw") as store:
        if authority is None:
            store.release_hold(reason=reason)
        else:
            store.hold(authority, reason=reason)
    say("the hold is lifted" if release else "nothing can be redacted, pruned or deleted until `alertstore hold --release`")


COMMANDS = {"redact": redact, "prune": prune, "hold": hold}
