"""Enrichment on the command line: what lists, and other sources on this machine, say of the indicators of alerts."""

from __future__ import annotations

import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import click

from alertstore.cli.gate import say
from alertstore.cli.intake import watched
from alertstore.cli.output import Column, Output, fields_of, formatted, plain
from alertstore.cli.paging import pages
from alertstore.cli.session import read_where, resolve
from alertstore.cli.words import minute, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from alertstore.cli.session import Session
    from alertstore.enrich.base import Enricher
    from alertstore.store import AlertStore
    from alertstore.store.results import EnrichResult

LONGEST_FILE = 30


@click.command()
@click.argument("uuids", nargs=-1, metavar="[UUID]...")
@click.option("--where", multiple=True, metavar="NAME=VALUE", help="All alerts that pass a filter of `list`, instead of UUIDs; repeatable.")
@click.option("--using", multiple=True, metavar="NAME", help="Whom to ask, see above; repeatable.")
@click.option("--mmdb", multiple=True, type=click.Path(), metavar="FILE", help="Ask geoip too, of this database; repeatable.")
@click.option("--psl", type=click.Path(), metavar="FILE", help="Ask registered-domain too, by this public suffix list.")
@click.option("--reason", help="Why; kept in the history.")
@formatted
@click.pass_obj
def enrich(
    session: Session,
    /,
    *,
    out: Output,
    uuids: Sequence[str],
    where: Sequence[str],
    using: Sequence[str],
    mmdb: Sequence[str],
    psl: str | None,
    reason: str | None,
) -> None:
    """Ask what is known of the indicators of alerts.

    Of all alerts, unless some are named. Nothing is asked but what is on this machine. An indicator's malice becomes the worst verdict, unless an analyst set it.
    Whoever fails is named, and stops nothing.

    \b
    lists               the lists in the store (`alertstore lists`); by default
    special-purpose     private, reserved and the like; by default
    registered-domain   whose domain it is, without the parts below
    geoip               where an address is, and whose network; with --mmdb
    Packages may bring more.

    Example: alertstore enrich --mmdb GeoLite2-ASN.mmdb --where status=Open
    """  # noqa: D301 - click wants the character itself
    if uuids and where:
        message = "name alerts by UUID, or by --where NAME=VALUE, and not by both"
        raise click.UsageError(message)
    with session.open("rw") as store, ExitStack() as closing:
        asked = _asked(closing, using, mmdb, psl)
        alerts = _chosen(store, uuids, where)
        with _counted() as progress:
            done = store.enrich(alerts, using=asked, reason=reason, progress=progress)
    if not out.is_table:
        out.one(plain(done), "facts")
    say(f"asked {', '.join(done.providers) or 'nobody'} about {many(done.indicators, 'indicator')}: {changes(done)}")
    say(f"  {many(done.alerts, 'alert')} further than before")
    for name, why in done.failures.items():
        say(f"  failed: {name}: {why}")


def _asked(closing: ExitStack, using: Sequence[str], mmdb: Sequence[str], psl: str | None) -> list[str | Enricher] | None:
    """Whom to ask: those that are named, else the usual ones; and those that a file was given for. None: the usual ones alone."""
    made: list[Enricher] = []
    if mmdb:
        from alertstore.enrich.geoip import GeoIP  # noqa: PLC0415 - an extra

        made.append(found := GeoIP(mmdb))
        closing.callback(found.close)
    if psl is not None:
        from alertstore.enrich.registered_domain import RegisteredDomain  # noqa: PLC0415 - an extra

        made.append(RegisteredDomain(psl))
    if not using and not made:
        return None
    from alertstore.store.enriching import USUAL  # noqa: PLC0415 - help needs no database

    given = {one.name for one in made}
    return [*(name for name in using or USUAL if name not in given), *made]


def _chosen(store: AlertStore, uuids: Sequence[str], where: Sequence[str]) -> list[str] | None:
    """The alerts that are meant; None for all."""
    if where:
        return [one.uuid for one in pages(store, read_where(store, where))]
    return list(dict.fromkeys(resolve(store, one) for one in uuids)) or None


@contextmanager
def _counted() -> Iterator[Callable[[int], None] | None]:
    """What is called with the number of indicators asked about so far: whoever looks at stderr sees it rise."""
    if not watched():
        yield None
        return
    from alertstore.cli import tables  # noqa: PLC0415 - rich is loaded for people only

    with tables.console(sys.stderr).status("asking") as status:
        yield lambda n: status.update(f"asked about {many(n, 'indicator')}")


def many(n: int, what: str) -> str:
    """So many of something."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def changes(done: EnrichResult) -> str:
    """What an enrichment changed among indicators."""
    return f"{done.changed:,} with new results, {many(done.verdicts, 'verdict')} changed"


LISTS = (
    Column("NAME", lambda row: row["name"], flexible=True, wrapped=True),
    Column("KIND", lambda row: row["kind"]),
    Column("ENTRIES", lambda row: f"{row['entries']:,}", right=True),
    Column("REFUSED", lambda row: f"{row['refused']:,}", right=True),
    Column("MALICE", lambda row: row["malice"]),
    Column("FILE", lambda row: shortened(row["file"], LONGEST_FILE), least=120),
    Column("LOADED (UTC)", lambda row: minute(row["loaded_at"])),
)


@click.command()
@click.option("--load", multiple=True, type=click.Path(), metavar="PATH", help="Read this file, or all files of this folder; repeatable.")
@click.option("--name", help="With --load of one file: what the list is called, in the place of the one of that name.")
@click.option("--kind", help="With --load: ioc, stix, warninglist or hashset, where it is not to be told by what is in it.")
@click.option("--malice", help="With --load: what a hit says where the entry does not; a set of hashes needs it.")
@click.option("--remove", metavar="NAME", help="Take this list out of the store.")
@click.option("--reason", help="With --load and --remove: why; kept in the history.")
@formatted
@click.pass_obj
def lists(session: Session, /, *, out: Output, load: Sequence[str], remove: str | None, **how: str | None) -> None:
    """List what indicators are looked up in, or load and remove it.

    Loaded are indicators of compromise (one a line, or CSV), STIX 2.1 bundles, MISP warning lists and sets of hashes, plain or
    gzip. A list takes the place of the one of its name, and what was enriched before is judged anew.

    Example: alertstore lists --load bad-hosts.csv --malice Suspicious

    Example: alertstore lists --load misp-warninglists/lists
    """
    if bool(load) + (remove is not None) > 1 or (not load and any(how[name] for name in ("name", "kind", "malice"))):
        message = "--name, --kind and --malice go with --load, and --load does not go with --remove"
        raise click.UsageError(message)
    if load:
        from alertstore.cli.listing import load_lists  # noqa: PLC0415 - looking needs none of it

        load_lists(session, out, load, **how)
        return
    if remove is not None:
        with session.open("rw") as store:
            done = store.remove_list(remove, reason=how["reason"])
        if not out.is_table:
            out.one(plain(done), "facts")
        say(f"removed; judged anew were {many(done.indicators, 'indicator')}: {changes(done)}")
        return
    if how["reason"] is not None:
        message = "--reason goes with --load and --remove"
        raise click.UsageError(message)
    from alertstore.domain.enrichment import IntelList  # noqa: PLC0415 - help needs no domain

    with session.open("ro") as store:
        found = store.lists()
    out.rows(map(plain, found), fields_of(IntelList), LISTS)
    if not found:
        say("no lists; `alertstore lists --load FILE` reads one")


COMMANDS = {"enrich": enrich, "lists": lists}
