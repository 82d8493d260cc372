"""Trusting: whether the store still is what its history says, copies, and what it runs on."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import alertstore
from alertstore.cli.gate import UNSOUND, say
from alertstore.cli.output import Output, formatted, plain
from alertstore.errors import AlertStoreError, AlertValidationError, FieldProblem, SourceError

if TYPE_CHECKING:
    from alertstore.cli.session import Session
    from alertstore.store.evidence import Checkpoint


@click.command()
@click.option("--depth", default="deep", show_default=True, help="quick (the newest event), full (every hash) or deep (every row too).")
@click.option("--checkpoint", "kept", metavar="FILE", help="Hold the history against a checkpoint kept outside; - for stdin.")
@formatted
@click.pass_obj
def verify(session: Session, /, *, out: Output, depth: Any, kept: str | None) -> None:
    """Check that the store is what its history says.

    Exit code 6 where it is not.

    Example: alertstore verify --checkpoint monday.json
    """
    checkpoint = None if kept is None else _read_checkpoint(kept)
    with session.open("ro") as store:
        report = store.verify(depth=depth, checkpoint=checkpoint)
    out.one(plain(report), "report")
    if not report.ok:
        say(f"alertstore: verification failed: {len(report.problems)} problem{'s' if len(report.problems) > 1 else ''}")
        say("  advice: keep this file as it is, and compare it with a backup")
        click.get_current_context().exit(UNSOUND)
    if report.assurance == "unsigned":
        say("sound, but held against nothing from outside: whoever can write the file could have rewritten all of it;")
        say("keep what `alertstore checkpoint` prints elsewhere, and verify with --checkpoint")


def _read_checkpoint(name: str) -> Checkpoint:
    from alertstore.store.evidence import Checkpoint  # noqa: PLC0415 - help needs no store

    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise SourceError(f"{name} cannot be read: {fault}", advice="name a file that `alertstore checkpoint` wrote") from fault
    try:
        found = json.loads(text)
        return Checkpoint(found["size"], found["root"])
    except (ValueError, TypeError, KeyError, RecursionError):
        problem = FieldProblem("checkpoint", 'must hold {"size": ..., "root": ...}', name)
        raise AlertValidationError([problem], advice="`alertstore checkpoint > FILE` writes one") from None


@click.command()
@formatted
@click.pass_obj
def checkpoint(session: Session, /, *, out: Output) -> None:
    """Print the history's size and root, to keep elsewhere.

    Example: alertstore checkpoint > monday.json
    """
    with session.open("ro") as store:
        found = plain(store.checkpoint())
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


@click.command()
@formatted
@click.pass_obj
def doctor(session: Session, /, *, out: Output) -> None:
    """Say what alertstore runs on, and how the store is.

    Nobody on the network is asked.
    """
    found, fault = _surroundings(), None
    try:
        found |= _store_facts(session)
    except AlertStoreError as why:
        fault = why
    out.one(found, "facts")
    if fault is not None:
        raise fault


def _surroundings() -> dict[str, Any]:
    from alertstore.storage.repository import SQLITE_VERSION  # noqa: PLC0415 - help needs no store

    extras = {"cli": ("click", "rich"), "testing": ("hypothesis", "pytest")}
    return {
        "alertstore": alertstore.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "sqlite": SQLITE_VERSION,
        "extras": {name: all(find_spec(one) for one in needed) for name, needed in extras.items()},
    }


def _store_facts(session: Session) -> dict[str, Any]:
    from alertstore.storage.schema import VERSION  # noqa: PLC0415 - a store that opens is of this version

    path = os.path.abspath(session.path)
    with session.open("ro") as store:
        return {
            "store": path,
            "store_id": store.id,
            "schema_version": VERSION,
            "bytes": os.path.getsize(path),
            "wal_bytes": os.path.getsize(f"{path}-wal") if os.path.exists(f"{path}-wal") else 0,
            "free_bytes": shutil.disk_usage(os.path.dirname(path)).free,
            "events": store.checkpoint().size,
            "alerts": store.count(),
            "imports": len(store.imports()),
        }


COMMANDS = {"verify": verify, "checkpoint": checkpoint, "backup": backup, "migrate": migrate, "doctor": doctor}
