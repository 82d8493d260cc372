"""Two runs compared, for people and pipes: the counts, the rules that changed, and the alerts of one kind."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from alertstore.cli.gate import say
from alertstore.cli.output import Column, Output, fields_of, formatted, plain
from alertstore.cli.words import minute, shortened
from alertstore.errors import AlertValidationError, FieldProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from alertstore.cli.output import Row
    from alertstore.cli.session import Session
    from alertstore.store.comparing import Compared, ComparedAlerts, Comparison

KINDS = {
    "new": "Reported after, not before.",
    "gone": "Reported before, not after.",
    "recurring": "Reported by both.",
    "carried": "Recurring, with a verdict that stands or is suggested.",
}
FIRST_RULES = 15
FIRST_ALERTS = 10
SHORT = 8
PAGE = 1000
"""Alerts in one table: a table is laid out as a whole, and memory must not grow with the store."""


def _verdict(row: Row) -> Any:
    """The verdict in short: its first words tell true from false, and a table has room for no more."""
    if row["classification"] is None:
        return ""
    return row["classification"].partition(" - ")[0] + (", suggested" if row["suggested"] else "")


ALERTS = (
    Column("WHEN (UTC)", lambda row: minute(row["occurred_at"])),
    Column("SEVERITY", lambda row: row["severity"]),
    Column("STATUS", lambda row: row["status"]),
    Column("ID", lambda row: row["uuid"][-SHORT:]),
    Column("TITLE", lambda row: row["title"], flexible=True),
)
VERDICTS = (
    Column("WHEN (UTC)", lambda row: minute(row["occurred_at"])),
    Column("ID", lambda row: row["uuid"][-SHORT:]),
    Column("BEFORE", lambda row: (row["before"] or "")[-SHORT:]),
    Column("VERDICT", _verdict),
    Column("TITLE", lambda row: row["title"], flexible=True),
)
RULES = (
    Column("RULE", lambda row: "(no rule)" if row["uuid"] is None else shortened(row["source_rule_id"] or row["uuid"], 14)),
    *(Column(name.upper(), lambda row, name=name: f"{row[name]:,}", right=True) for name in KINDS),  # type: ignore[misc]  # a default argument keeps each name, which mypy cannot type
    Column("NAME", lambda row: row["name"], flexible=True),
)


@click.command()
@click.argument("before", metavar="BEFORE")
@click.argument("after", metavar="AFTER")
@click.option("--new", "kind", flag_value="new", help=f"List the new ones. {KINDS['new']}")
@click.option("--gone", "kind", flag_value="gone", help=f"List those gone. {KINDS['gone']}")
@click.option("--recurring", "kind", flag_value="recurring", help=f"List the recurring. {KINDS['recurring']}")
@click.option("--carried", "kind", flag_value="carried", help=f"List the carried. {KINDS['carried']}")
@formatted
@click.pass_obj
def diff(session: Session, /, *, out: Output, before: str, after: str, kind: str | None) -> None:
    """Compare two imports: what is new, gone, recurring.

    Say of a tool's runs with older and newer rules. BEFORE and AFTER are numbers that `alertstore imports` lists; a run that was read from several files is several: 3,4,5.

    Example: alertstore diff 1 2 --gone
    """
    with session.open("ro") as store:
        found = store.compare(_read("before", before), _read("after", after))
        if kind is not None:
            _list(getattr(found, kind), out, VERDICTS if kind in {"recurring", "carried"} else ALERTS)
        elif out.is_table:
            _show(found)
        else:
            out.one(summary(found), "")
    _say(found)


def _read(name: str, given: str) -> list[int]:
    numbers = given.split(",")
    if not all(one.strip().isdecimal() for one in numbers):
        raise AlertValidationError([FieldProblem(name, "must be the number of an import, or several with commas between", given)])
    return [int(one) for one in numbers]


def _row(one: Compared) -> dict[str, Any]:
    said: dict[str, Any] = plain(one.alert)
    return said | {"before": one.before, "classification": plain(one.classification), "suggested": one.suggested}


def _list(found: ComparedAlerts, out: Output, columns: tuple[Column, ...]) -> None:
    """Write the alerts of one kind; on a terminal as one table after the other."""
    from alertstore.domain.alert import AlertSummary  # noqa: PLC0415 - help needs no domain

    fields, items = [*fields_of(AlertSummary), "before", "classification", "suggested"], map(_row, found)
    if not out.is_table:
        out.rows(items, fields, columns)
    while out.is_table and (page := list(islice(items, PAGE))):
        out.rows(page, fields, columns)
    if not len(found):
        say("no such alerts")


def summary(found: Comparison) -> dict[str, Any]:
    """The counts of a comparison, and those of every rule."""
    rejected, suppressed = found.rejected, found.suppressed
    return {
        **{kind: len(getattr(found, kind)) for kind in KINDS},
        "deleted": found.deleted,
        "before": {"imports": plain(found.before), "rejected": rejected[0], "suppressed": suppressed[0]},
        "after": {"imports": plain(found.after), "rejected": rejected[1], "suppressed": suppressed[1]},
        "unfinished": list(found.unfinished),
        "by_rule": plain(found.by_rule),
    }


def _show(found: Comparison) -> None:
    """Print the sheet of a comparison: counts, rules, the first of what came and went."""
    from rich.console import Group  # noqa: PLC0415 - rich is loaded for tables only

    from alertstore.cli.tables import listing, section, sheet, show, text  # noqa: PLC0415 - as above

    said = summary(found)
    parts: list[RenderableType] = [sheet([*_sides(said), *((kind, f"{said[kind]:>9,}   {KINDS[kind]}") for kind in KINDS)])]
    changed = said["by_rule"][:FIRST_RULES]
    if changed:
        more = f" ({len(said['by_rule']):,}, the {FIRST_RULES} most changed)" if len(said["by_rule"]) > FIRST_RULES else ""
        parts.append(section(f"Rules{more}", listing(changed, RULES)))
    for kind in ("new", "gone"):
        alerts: ComparedAlerts = getattr(found, kind)
        first: Iterator[Compared] = islice(alerts, FIRST_ALERTS)
        if len(alerts):
            more = f" (the first {FIRST_ALERTS} of {len(alerts):,}; all with --{kind})" if len(alerts) > FIRST_ALERTS else ""
            parts.append(section(f"{kind.capitalize()}{more}", listing(map(_row, first), ALERTS)))
    show(Group(*parts, *([] if changed else [text("neither import reported an alert")])))


def _sides(said: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for side in ("before", "after"):
        imports = said[side]["imports"]
        named = ", ".join(f"{one['id']} {one['name']}" for one in imports[:FIRST_ALERTS])
        more = f" and {len(imports) - FIRST_ALERTS} more" if len(imports) > FIRST_ALERTS else ""
        turned = [f"{said[side][name]:,} {name}" for name in ("rejected", "suppressed") if said[side][name]]
        yield side, f"import {named}{more}{'; ' * bool(turned)}{', '.join(turned)}"


def _say(found: Comparison) -> None:
    if found.unfinished:
        which = ", ".join(map(str, found.unfinished))
        say(f"not read to the end: import {which}; what it lacks looks new or gone")
    if found.deleted:
        say(f"{found.deleted:,} deleted since, and left out")


COMMANDS = {"diff": diff}
