"""Suppression: what is kept out of the queue for a while, and what that held back."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from alertstore.cli.gate import say
from alertstore.cli.output import Column, Output, fields_of, formatted, plain
from alertstore.cli.session import SHORTEST_ENDING, UUID_LENGTH
from alertstore.cli.words import minute
from alertstore.errors import AlertNotFoundError, AlertValidationError, FieldProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertstore.cli.output import Row
    from alertstore.cli.session import Session
    from alertstore.domain.suppression import Suppression

SHORT = 8

_LENGTH = re.compile("([0-9]{1,6})([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}


def read_until(text: str) -> datetime | timedelta:
    """When something ends: an ISO date (its beginning) or time, or a length from now in hours, days or weeks (12h, 7d, 4w).

    Raises `AlertValidationError`.
    """
    if length := _LENGTH.fullmatch(text):
        return timedelta(hours=int(length[1]) * _HOURS[length[2]])
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        message = "must be a length from now, such as 12h, 7d or 4w, or an ISO date or time, such as 2026-11-23 or 2026-11-23T08:54Z"
        raise AlertValidationError([FieldProblem("until", message, text)]) from None


def find(known: Sequence[Suppression], ending: str) -> Suppression:
    """The suppression whose uuid ends so. Raises `AlertNotFoundError` where none or several do, `AlertValidationError`."""
    ending = ending.strip().lower()
    if len(ending) < SHORTEST_ENDING:
        raise AlertValidationError([FieldProblem("uuid", f"needs at least {SHORTEST_ENDING} characters of its ending", ending)])
    found = [one for one in known if (one.uuid == ending if len(ending) >= UUID_LENGTH else one.uuid.endswith(ending))]
    if not found:
        message = f"no suppression whose uuid ends in {ending} in this store"
        raise AlertNotFoundError(message, advice="suppressions() lists those there are")
    if len(found) > 1:
        message = f"several suppressions end in {ending}: {', '.join(one.uuid for one in found)}"
        raise AlertNotFoundError(message, advice="give more of the uuid")
    return found[0]


@click.command()
@click.option("--rule", help="The records of this rule (the tool's id of it, or its uuid).")
@click.option("--indicator", metavar="TYPE:VALUE", help="The records with this indicator (or its uuid).")
@click.option("--fingerprint", metavar="HEX", help="The records that would join an alert of this fingerprint (`show --json` has it).")
@click.option("--until", required=True, metavar="WHEN", help="A length from now (12h, 7d, 4w), or an ISO date or time (UTC).")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept in the history.")
@formatted
@click.pass_obj
def suppress(session: Session, /, *, out: Output, until: str, reason: str, **named: str | None) -> None:
    """Keep what comes in of one kind out of the queue, for a while.

    Such records make no alert. They are kept and counted, and `alertstore suppressed` lists them; read again afterwards, they
    make their alerts. The alerts that are here stay as they are.

    Example: alertstore suppress --rule 2019401 --until 7d --reason "scanner test, CHG-1182"

    Example: alertstore suppress --indicator ip:192.0.2.7 --until 2026-12-01 --reason "our own proxy"
    """
    given = {name: value for name, value in named.items() if value is not None}
    if len(given) != 1:
        message = "name one of --rule, --indicator and --fingerprint"
        raise click.UsageError(message)
    end = read_until(until)
    with session.open("rw") as store:
        done = plain(store.suppress(until=end, reason=reason, **given))
    if not out.is_table:
        out.one(done, "facts")
    say(f"held back until {minute(done['until'])} UTC: {_what(done)}")
    say(f"  `alertstore lift {done['uuid'][-SHORT:]}` ends it before")


def _what(row: Row) -> str:
    return f"{row['kind']} {row['name']}"


ACTIVE = (
    Column("ID", lambda row: row["uuid"][-SHORT:]),
    Column("WHO", lambda row: row["author"]),
    Column("UNTIL (UTC)", lambda row: minute(row["until"])),
    Column("HELD", lambda row: f"{row['held']:,}", right=True),
    Column("WHAT, WHY", lambda row: f"{_what(row)}: {row['reason']}", flexible=True, wrapped=True),
)
ALL = (ACTIVE[0], Column("STATE", lambda row: row["state"]), *ACTIVE[1:])


@click.command()
@click.option("--all", "every", is_flag=True, help="Also those that are over.")
@formatted
@click.pass_obj
def suppressions(session: Session, /, *, out: Output, every: bool) -> None:
    """List what is held back: what, by whom, why, until when.

    HELD counts the records that were held back so far.
    """
    from alertstore.domain.suppression import Suppression  # noqa: PLC0415 - help needs no domain

    with session.open("ro") as store:
        known = store.suppressions()
    shown = known if every else [one for one in known if one.state == "active"]
    out.rows(map(plain, shown), fields_of(Suppression), ALL if every else ACTIVE)
    if len(shown) < len(known):
        say(f"{len(known) - len(shown):,} that {'is' if len(known) - len(shown) == 1 else 'are'} over; all with --all")
    elif not shown:
        say("nothing is suppressed")


@click.command()
@click.argument("uuid")
@click.option("--reason", help="Why; kept in the history.")
@formatted
@click.pass_obj
def lift(session: Session, /, *, out: Output, uuid: str, reason: str | None) -> None:
    """End a suppression before its time.

    A unique ending of its uuid is enough, as `alertstore suppressions` has it.
    """
    with session.open("rw") as store:
        done = plain(store.lift_suppression(find(store.suppressions(), uuid).uuid, reason=reason))
    if not out.is_table:
        out.one(done, "facts")
    held = done["held"]
    say(f"no longer held back: {_what(done)}; {held:,} record{' was' if held == 1 else 's were'}")
    if held:
        say("  read again with `alertstore ingest`, they make their alerts")


RECORDS = (
    Column("EVENT", lambda row: row["seq"], right=True),
    Column("BY", lambda row: row["suppression"][-SHORT:]),
    Column("IMPORT", lambda row: row["import_id"], right=True),
    Column("RECORD", lambda row: row["record"], right=True),
    Column("BYTE", lambda row: row["position"], right=True, least=100),
    Column("TITLE", lambda row: row["title"], flexible=True, wrapped=True),
    Column("BEGINS", lambda row: (row["raw"] or "")[:40], least=120),
)


@click.command()
@click.argument("uuid", required=False)
@formatted
@click.pass_obj
def suppressed(session: Session, /, *, out: Output, uuid: str | None) -> None:
    """List the records that were held back.

    By one suppression (a unique ending of its uuid is enough), or by any.
    """
    from alertstore.storage.suppression import SuppressedRecord  # noqa: PLC0415 - help needs no database

    with session.open("ro") as store:
        found: list[Any] = store.suppressed_records(None if uuid is None else find(store.suppressions(), uuid).uuid)
    out.rows(map(plain, found), fields_of(SuppressedRecord), RECORDS)
    if not found:
        say("nothing was held back")


COMMANDS = {"suppress": suppress, "suppressions": suppressions, "lift": lift, "suppressed": suppressed}
