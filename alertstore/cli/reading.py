"""Looking: lists, one alert whole, what happened to it, and the numbers."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from alertstore.cli.gate import say
from alertstore.cli.output import Column, Output, fields_of, formatted, plain, write
from alertstore.cli.session import Session, filtered, read_filters, read_time, resolve
from alertstore.cli.sighted import sighting_row
from alertstore.cli.words import interval, minute, percent, second, shortened
from alertstore.domain.safe import safe_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alertstore.store import AlertStore

SCREENFUL = 25
PAGE = 100
SHORT = 8

ALERTS = (
    Column("WHEN (UTC)", lambda row: minute(row["occurred_at"])),
    Column("SEVERITY", lambda row: row["severity"]),
    Column("STATUS", lambda row: row["status"]),
    Column("ID", lambda row: row["uuid"][-SHORT:]),
    Column("SOURCE", lambda row: row["source_name"], least=100),
    Column("TITLE", lambda row: row["title"], flexible=True),
    Column("TIMES", lambda row: row["duplicate_count"] + 1, right=True, least=100),
    Column("TAGS", lambda row: " ".join(row["tags"]), least=120),
)


@click.command("list")
@filtered
@click.option("--order-by", default="-occurred_at", show_default=True, help="A time, severity or duplicate_count; - for descending.")
@click.option("--limit", type=int, help=f"How many, to 1,000 ({SCREENFUL} on a terminal, else {PAGE}).")
@click.option("--after", help="Go on where a page ended.")
@formatted
@click.pass_obj
def list_alerts(session: Session, /, *, out: Output, order_by: str, limit: int | None, after: str | None, **given: Any) -> None:
    """List alerts, the newest first.

    Of several filters all must hold; of several values of one, any.

    Example: alertstore list --status Open --severity High --severity Critical --text beacon
    """
    from alertstore.domain.alert import AlertSummary  # noqa: PLC0415 - help needs no domain

    size = limit if limit is not None else SCREENFUL if out.is_table else PAGE
    with session.open("ro") as store:
        filters = read_filters(store, given)
        page = store.alerts(order_by=order_by, limit=size, after=after, **filters)
        total = store.count(**filters) if out.is_table and page.next else None
    out.rows(map(plain, page), fields_of(AlertSummary), ALERTS)
    if not page.items:
        say("no alerts")
    if page.next:
        counted = "" if total is None else f"{len(page)} of {total:,}; "
        say(f"{counted}more with --after {shlex.quote(page.next)}" + (" or --limit" if limit is None else ""))


@click.command()
@click.argument("uuid")
@click.option("--raw", is_flag=True, help="The records as the tool wrote them, one after the other, escaped.")
@formatted
@click.pass_obj
def show(session: Session, /, *, out: Output, uuid: str, raw: bool) -> None:
    """Show one alert with all that belongs to it.

    Of each indicator it says which lists know it, and where else it was seen. A unique ending of the uuid is enough, as the list's ID column has it.
    """
    with session.open("ro") as store:
        uuid = resolve(store, uuid)
        if raw:
            _show_raw(store, uuid, out)
        else:
            out.one(_whole(store, uuid), "alert")


def _show_raw(store: AlertStore, uuid: str, out: Output) -> None:
    found = store.occurrences(uuid)
    if out.asked:
        out.rows(map(plain, found), fields_of(type(found[0])), ())
        return
    for one in found:
        say(f"record {one.record} of import {one.import_id}, sha256 {one.sha256}")
        raw = b"(redacted)" if one.raw is None else one.raw
        write(map(safe_text, raw.decode(errors="backslashreplace").split("\n")))


def _whole(store: AlertStore, uuid: str) -> dict[str, Any]:
    """The alert's API form, and what only this store knows of it."""
    from alertstore.wire.responses import AlertResponse  # noqa: PLC0415 - pydantic is loaded where its forms are wanted

    alert = store.get(uuid)
    related = [
        {"uuid": one.uuid, "title": one.title, "status": str(one.status), "shared": list(shared)} for one, shared in store.related(uuid)
    ]
    local = {
        "occurred_at_assumed": alert.occurred_at_assumed,
        "predecessor": alert.predecessor,
        "suggestion": plain(alert.suggestion),
        "occurrences": alert.duplicate_count + 1,
        "related": related,
        "sightings": [sighting_row(one) for one in store.sightings(uuid)],
    }
    return AlertResponse.of(alert).model_dump(mode="json") | local


def _changes(row: Mapping[str, Any]) -> str:
    """What changed, in words; of what there was not before, only what it became."""
    words = [f"{name}: {f'{_word(old)} → ' if old else ''}{_word(new)}" for name, (old, new) in row["changes"].items() if old or new]
    return "; ".join([*words, *([row["reason"]] if row["reason"] else [])])


def _word(value: Any) -> str:
    return "-" if value in (None, []) else ", ".join(map(str, value)) if isinstance(value, list) else str(value)


HISTORY = (
    Column("SEQ", lambda row: row["seq"], right=True),
    Column("WHEN (UTC)", lambda row: second(row["at"])),
    Column("WHO", lambda row: row["actor"]),
    Column("WHAT", lambda row: row["kind"].removeprefix("alert_")),
    Column("CHANGES, REASON", _changes, flexible=True, wrapped=True),
)


@click.command()
@click.argument("uuid")
@formatted
@click.pass_obj
def history(session: Session, /, *, out: Output, uuid: str) -> None:
    """Show what happened to an alert, oldest first.

    Also to a deleted one, by its whole uuid.
    """
    from alertstore.domain.events import Event  # noqa: PLC0415 - as in list_alerts

    with session.open("ro") as store:
        out.rows(map(plain, store.history(resolve(store, uuid))), fields_of(Event), HISTORY)


@click.command()
@click.option("--start", help="From this ISO time on.")
@click.option("--end", help="Before this ISO time.")
@click.option("--by", default="created_at", show_default=True, help="The time that is bounded: created_at or occurred_at.")
@click.option("--rule", help="Of this rule's alerts only (its uuid, or the tool's id of it).")
@formatted
@click.pass_obj
def metrics(session: Session, /, *, out: Output, start: str | None, end: str | None, by: str, rule: str | None) -> None:
    """How good detection is: rates, times and counts."""
    with session.open("ro") as store:
        found = plain(store.metrics(start=read_time("start", start), end=read_time("end", end), by=by, rule=rule))
        if out.is_table:
            names = {one.uuid: one.name for one in store.rules()}
            found["rule_names"] = {uuid: names.get(uuid, uuid) for uuid, _ in found["top_rules"]}
    out.one(found, "metrics")


RULES = (
    Column("RULE", lambda row: shortened(row["source_rule_id"] or row["uuid"], 14)),
    Column("ALERTS", lambda row: row["total"], right=True),
    Column("CLOSED", lambda row: row["closed"], right=True),
    Column("FALSE", lambda row: percent(row["false_positive_rate"]["value"]), right=True),
    Column("95 % RANGE", lambda row: interval(row["false_positive_rate"]), right=True),
    Column("TRUE", lambda row: percent(row["true_positive_rate"]["value"]), right=True),
    Column("SOURCE", lambda row: row["source_name"], least=100),
    Column("NAME", lambda row: row["name"], flexible=True),
)
RULE_FIELDS = (
    *(
        "uuid",
        "source_rule_id",
        "name",
        "source_name",
        "total",
        "active",
        "closed",
        "true_positives",
        "benign_positives",
        "false_positives",
    ),
    *(f"{rate}.{part}" for rate in ("false_positive_rate", "true_positive_rate", "precision") for part in ("value", "low", "high")),
)


@click.command()
@click.option("--order-by", default="false_positive_rate", show_default=True, help="A rate, by its lower bound, or total.")
@click.option("--limit", type=click.IntRange(min=0), help=f"How many, 0 for all ({SCREENFUL} on a terminal, else all).")
@click.option("--load", multiple=True, metavar="PATH", help="Read names, severities, ATT&CK and notes from Sigma or Suricata rule files.")
@click.option("--source", metavar="NAME", help="With --load: the source whose alerts name these rules, if not Sigma's or Suricata's.")
@click.option("--reason", help="With --load: why; kept in the history.")
@formatted
@click.pass_obj
def rules(
    session: Session,
    /,
    *,
    out: Output,
    order_by: str,
    limit: int | None,
    load: Sequence[str],
    source: str | None,
    reason: str | None,
) -> None:
    """Which rules are worth tuning: the worst first.

    By the lower bound of the rate's 95 % interval: one of one says little, ninety of a hundred say much.

    With --load, rule files (.yml of Sigma, .rules of Suricata or Snort, or folders of them) are read instead, before or after their
    alerts come in. What an analyst edited stays.
    """
    if load:
        from alertstore.cli.loading import load_rules  # noqa: PLC0415 - looking needs none of it

        load_rules(session, out, load, source, reason)
        return
    if source is not None or reason is not None:
        message = "--source and --reason go with --load"
        raise click.UsageError(message)
    with session.open("ro") as store:
        found = store.rule_metrics(order_by=order_by)
    size = limit if limit is not None else SCREENFUL if out.is_table else 0
    shown = found[:size] if size else found
    out.rows(map(plain, shown), RULE_FIELDS, RULES)
    if len(shown) < len(found):
        say(f"{len(shown)} of {len(found)} rules; all with --limit 0")


COMMANDS = {"list": list_alerts, "show": show, "history": history, "metrics": metrics, "rules": rules}
