"""The stick: alerts and what was decided about them as one file, where there is no link."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from alertstore.cli.gate import say
from alertstore.cli.output import Output, formatted, plain
from alertstore.cli.proving import read_key, read_trusted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alertstore.cli.session import Session
    from alertstore.domain.bundle import BundleManifest

FIRST_LEFT = 10

_KEYS = click.option(
    "--key", "keys", multiple=True, metavar="KEY", help="Refuse it unless this public key signed it: 64 hex digits, or a file; repeatable."
)


@click.group()
def bundle() -> None:
    """Carry alerts to another store in one file.

    \b
    alertstore bundle export monday.asb          here
    alertstore bundle show monday.asb            there: what it says, once it is checked
    alertstore bundle import monday.asb          there
    """  # noqa: D301 - click wants the character itself


@bundle.command("export")
@click.argument("file", type=click.Path())
@click.option("--since", default=0, metavar="N", help="Only alerts that something happened to after event N of this store.")
@click.option("--no-payloads", is_flag=True, help="Leave out the records as the tools wrote them; their digests go along.")
@click.option("--key", "key_file", type=click.Path(), metavar="KEY", help="Sign it, with the store's key.")
@formatted
@click.pass_obj
def export_command(session: Session, /, *, out: Output, file: str, since: int, no_payloads: bool, key_file: str | None) -> None:
    """Write a bundle to a new file.

    Each alert goes along with all that ever happened to it.

    Example: alertstore bundle export /media/stick/monday.asb --since 1204 --key lab.key
    """
    key = None if key_file is None else read_key(key_file)
    with session.open("ro" if key is None else "rw", actor=session.actor) as store:
        done = store.export_bundle(file, since=since, payloads=not no_payloads, key=key)
    facts = {"file": file, **_facts(out, done.manifest, None if key is None else key.text)}
    if not out.is_table:
        facts["left"] = _left(done.left)
    out.one(facts, "facts")
    _say_left(done.left, "left out, with all that happened to it")
    say(f"for whoever has taken it in, the next one needs no more than --since {done.manifest.size}")


@bundle.command("show")
@click.argument("file", type=click.Path())
@_KEYS
@formatted
def show_command(*, out: Output, file: str, keys: tuple[str, ...]) -> None:
    """Check a bundle, and say what is in it.

    Needs no store. Exit code 6 where it does not hold.
    """
    from alertstore.sync.bundle import read_bundle  # noqa: PLC0415 - help needs no bundle

    with read_bundle(file, [read_trusted(key) for key in keys]) as found:
        facts = {"file": file, "bytes": found.size_on_disk, **_facts(out, found.manifest, found.signed_by)}
    out.one(facts, "facts")
    _say_whose(found.signed_by, keys)


@bundle.command("import")
@click.argument("file", type=click.Path())
@_KEYS
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would come of it.")
@click.option("--reason", help="Why; kept in the history.")
@formatted
@click.pass_obj
def import_command(session: Session, /, *, out: Output, file: str, keys: tuple[str, ...], dry_run: bool, reason: str | None) -> None:
    """Take a bundle in: all of it, or nothing.

    Taking it twice, or several in another order, makes no difference. Makes the store where there is none. Exit code 6 where the bundle does not hold.

    Example: alertstore bundle import /media/stick/monday.asb --key 5f0c...e1
    """
    from alertstore.sync.bundle import read_bundle  # noqa: PLC0415 - help needs no bundle

    trusted = [read_trusted(key) for key in keys]
    if not os.path.lexists(session.path):
        read_bundle(file, trusted).close()  # no store is made for a bundle that does not hold
    with session.open("rw" if dry_run else "create") as store:
        done = store.import_bundle(file, keys=trusted, dry_run=dry_run, reason=reason)
        waiting = len(store.conflicts())
    facts = plain(done) | {"left": _left(done.left)}
    out.one({name: value for name, value in facts.items() if not (out.is_table and isinstance(value, list))}, "facts")
    _say_left(done.left, "not taken")
    _say_whose(done.signed_by, keys)
    if waiting:
        say(f"{waiting:,} edit{' waits' if waiting == 1 else 's wait'} for you: `alertstore conflicts` lists them")


def _facts(out: Output, manifest: BundleManifest, signed_by: str | None) -> dict[str, Any]:
    """What a bundle holds; a person is not shown the digests of its members, which are checked."""
    facts = plain(manifest)
    members = facts.pop("members")
    return {"id": facts.pop("id"), **facts, "signed_by": signed_by, **({} if out.is_table else {"members": members})}


def _left(left: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"uuid": uuid, "why": why} for uuid, why in left]


def _say_left(left: Sequence[tuple[str, str]], what: str) -> None:
    if left:
        say(f"{len(left):,} alert{'' if len(left) == 1 else 's'} {what}:")
    for uuid, why in left[:FIRST_LEFT]:
        say(f"  {uuid}: {why}")
    if len(left) > FIRST_LEFT:
        say(f"  and {len(left) - FIRST_LEFT:,} more; --json lists all")


def _say_whose(signed_by: str | None, keys: Sequence[str]) -> None:
    """A signature by a key that only the bundle itself names says nothing about whose it is."""
    if signed_by is None:
        say("whole, but not signed: whoever could write the file could have made it")
    elif not keys:
        say("signed by a key that only the bundle itself names: --key holds it against one that you know")


COMMANDS = {"bundle": bundle}
