"""Trusting: whether the store still is what its history says, copies, and what it runs on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alertstore.cli.gate import UNSOUND, say
from alertstore.cli.output import Output, formatted, plain
from alertstore.domain.notes import ORIGIN, read_note
from alertstore.domain.notes import read_checkpoint as read_text
from alertstore.errors import AlertValidationError, FieldProblem, SourceError

if TYPE_CHECKING:
    from alertstore.cli.session import Session
    from alertstore.store.checkpoint import Checkpoint


@click.command()
@click.option("--depth", default="deep", show_default=True, help="quick (the newest event), full (every hash) or deep (every row too).")
@click.option("--checkpoint", "kept", metavar="FILE", help="Hold the history against a checkpoint kept outside; - for stdin.")
@click.option("--key", metavar="KEY", help="Hold the signatures against this public key: 64 hex digits, or a file.")
@click.option("--receipts", metavar="FILE", help="Hold the history against receipts kept outside.")
@click.option("--require-signed", is_flag=True, help="Less than a signature by that key is a failure.")
@formatted
@click.pass_obj
def verify(session: Session, /, *, out: Output, depth: Any, kept: str | None, key: str | None, **how: Any) -> None:
    """Check that the store is what its history says.

    Exit code 6 where it is not, or where what was asked for could not be checked.

    Example: alertstore verify --checkpoint monday.json
    """
    from alertstore.cli.proving import read_trusted  # noqa: PLC0415 - most calls name no key

    if how["require_signed"] and key is None:
        message = "--require-signed needs the key: give --key"
        raise click.UsageError(message)
    checkpoint = None if kept is None else read_checkpoint(kept)
    trusted = None if key is None else read_trusted(key)
    with session.open("ro") as store:
        report = store.verify(depth=depth, checkpoint=checkpoint, key=trusted, **how)
    out.one(plain(report), "report")
    if not report.ok:
        number = len(report.problems)
        say(f"alertstore: verification failed ({report.verdict}): {number} problem{'s' if number > 1 else ''}")
        could_not = report.verdict == "could not check"
        say(
            f"  advice: {'bring what the problem names, and verify again' if could_not else 'keep this file as it is, and compare it with a backup'}"
        )
        click.get_current_context().exit(UNSOUND)
    if report.assurance == "unsigned":
        say("sound, but held against nothing from outside: whoever can write the file could have rewritten all of it;")
        say("keep what `alertstore checkpoint` prints elsewhere, and verify with --checkpoint")


def read_checkpoint(name: str) -> Checkpoint:
    """The checkpoint in a file, or on stdin. Raises `SourceError`, `AlertValidationError`."""
    from alertstore.store.checkpoint import Checkpoint  # noqa: PLC0415 - help needs no store

    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise SourceError(f"{name} cannot be read: {fault}", advice="name a file that `alertstore checkpoint` wrote") from fault
    try:
        if text.startswith(ORIGIN):
            _, size, root = read_text(read_note(text).text)
            return Checkpoint(size, root.hex())
        found = json.loads(text)
        return Checkpoint(found["size"], found["root"])
    except (ValueError, TypeError, KeyError, RecursionError):
        problem = FieldProblem("checkpoint", 'must hold {"size": ..., "root": ...}, or be a signed note', name)
        raise AlertValidationError([problem], advice="`alertstore checkpoint > FILE` writes one") from None


@click.command()
@click.option("--sign", "key", metavar="KEY", type=click.Path(), help="Sign it; the first key that does becomes the store's.")
@click.option("--reason", help="Why; kept in the history, where the key is new.")
@formatted
@click.pass_obj
def checkpoint(session: Session, /, *, out: Output, key: str | None, reason: str | None) -> None:
    """Print the history's size and root, to keep elsewhere.

    Example: alertstore checkpoint > monday.json
    """
    from alertstore.cli.proving import read_key  # noqa: PLC0415 - most calls name no key

    if key is None:
        with session.open("ro") as store:
            found = plain(store.checkpoint())
    else:
        signer = read_key(key)
        with session.open("rw") as store:
            found = plain(store.sign(signer, reason=reason))
    (Output("json") if out.is_table else out).one(found, "facts")


@click.command()
@click.argument("path", type=click.Path())
@click.pass_obj
def backup(session: Session, /, path: str) -> None:
    """Copy the store, as it is now, to a new file.

    The copy is checked before it gets its name; an existing file is never replaced.
    """
    with session.open("ro") as store:
        store.backup(path)
    say(f"copied to {path}")


@click.command()
@click.pass_obj
def migrate(session: Session) -> None:
    """Bring an older store up to date.

    A backup is made first, beside it.
    """
    from alertstore.store import AlertStore  # noqa: PLC0415 - help needs no store

    kept = AlertStore.migrate(session.path)
    say("nothing to do: the store is up to date" if kept is None else f"migrated; the file as it was is {kept}")


COMMANDS = {"verify": verify, "checkpoint": checkpoint, "backup": backup, "migrate": migrate}
