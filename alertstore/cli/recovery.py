"""When something went wrong, or came from elsewhere: what alertstore runs on, evidence on a copy, what can be saved."""

from __future__ import annotations

import platform
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

import alertstore
from alertstore.cli.gate import UNSOUND, say
from alertstore.cli.output import Output, formatted, plain
from alertstore.errors import AlertStoreError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from alertstore.cli.session import Session
    from alertstore.domain.verdict import VerifyReport
    from alertstore.storage.acquire import Acquisition


@click.command()
@formatted
@click.pass_obj
def doctor(session: Session, /, *, out: Output) -> None:
    """Say what alertstore runs on, and how the store is.

    Warnings go to stderr. Nobody on the network is asked.
    """
    found, fault = _surroundings(), None
    try:
        found |= _store_facts(session)
    except AlertStoreError as why:
        fault = why
    warnings = found.get("warnings", ())
    out.one({name: value for name, value in found.items() if not (out.is_table and isinstance(value, list))}, "facts")
    for warning in warnings:
        say(f"warning: {warning}")
    if fault is not None:
        raise fault


def _surroundings() -> dict[str, Any]:
    from alertstore.storage.repository import SQLITE_VERSION  # noqa: PLC0415 - help needs no store

    extras = {"cli": ("click", "rich"), "sign": ("cryptography",), "testing": ("hypothesis", "pytest")}
    return {
        "alertstore": alertstore.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "sqlite": SQLITE_VERSION,
        "extras": {name: all(find_spec(one) for one in needed) for name, needed in extras.items()},
    }


def _store_facts(session: Session) -> dict[str, Any]:
    from alertstore.storage.schema import VERSION  # noqa: PLC0415 - a store that opens is of this version

    with session.open("ro") as store:
        facts = plain(store.health())
        return {
            "store": facts.pop("path"),
            "store_id": store.id,
            "schema_version": VERSION,
            **facts,
            "alerts": store.count(),
            "imports": len(store.imports()),
        }


@click.command()
@click.argument("file", type=click.Path())
@click.option("--keep", "folder", type=click.Path(), metavar="FOLDER", help="Leave untouched copies of the files there.")
@formatted
def evidence(*, out: Output, file: str, folder: str | None) -> None:
    """Look at a store from elsewhere, on a copy.

    The file and what stands beside it are hashed, copied and hashed again; nothing of them changes. Of any SQLite database the
    hashes and its integrity are shown; an alertstore is verified too. Exit code 6 where it does not hold, 4 where it is none.

    Example: alertstore evidence seized/case.db --keep exhibits
    """
    from alertstore.store.recovery import examined  # noqa: PLC0415 - help needs no store

    with examined(file, folder) as (found, opened):
        try:
            with opened() as store:
                report = store.verify()
        except StorageError:
            _show(out, found, folder, None)
            raise
        _show(out, found, folder, report)
    if not report.ok or found.integrity != ("ok",):
        say(f"alertstore: verification failed: {len(report.problems)} problems; SQLite's integrity check: {found.integrity[0]}")
        click.get_current_context().exit(UNSOUND)


def _show(out: Output, found: Acquisition, folder: str | None, report: VerifyReport | None) -> None:
    """What was acquired and what it is: one object, or on a terminal one sheet after the other."""
    facts: dict[str, Any] = {"source": found.path, "kept": folder}
    if out.is_table:
        hashes = {one.name: f"{one.size:,} bytes, SHA-256 {one.sha256}" for one in found.files}
        out.one(facts | hashes | {"integrity": "; ".join(found.integrity)}, "facts")
        if report is not None:
            out.one(plain(report), "report")
        return
    out.one(facts | {"files": plain(found.files), "integrity": list(found.integrity), "report": plain(report)}, "facts")


@click.command()
@click.argument("damaged", type=click.Path())
@click.argument("new", type=click.Path())
@click.option("--reason", help="Why; it stands in the new store's history.")
@formatted
@click.pass_obj
def salvage(session: Session, /, *, out: Output, damaged: str, new: str, reason: str | None) -> None:
    """Save what a damaged store still has into a new one.

    The damaged file is only read. NEW.quarantine.jsonl gets the old history and every row that was not taken.

    Example: alertstore salvage broken.db saved.db
    """
    from alertstore.store import AlertStore  # noqa: PLC0415 - help needs no store

    report = AlertStore.salvage(damaged, new, actor=session.actor, reason=reason)
    found = plain(report)
    out.one(_sheet(found) if out.is_table else found, "facts")
    say("nothing of the new store is proven: it states what was read from a damaged file;")
    say("its own history starts with that, and the old one stands in the quarantine file as far as it could be read")


def _sheet(found: dict[str, Any]) -> dict[str, Any]:
    tables = found.pop("tables")
    for name in ("changed_events", "lost_events"):
        found[name] = _ranges(found[name])
    found["integrity"] = "; ".join(found["integrity"])
    for table in tables:
        lost = f", rows {_ranges(table['lost'])} lost" if table["lost"] else ""
        found[table["name"]] = f"{table['taken']:,} taken, {table['quarantined']:,} put aside{lost}"
    return found


def _ranges(spans: Iterable[list[int | None]]) -> str:
    return (
        ", ".join(f"{first}" if first == last else f"{first} to {'the end' if last is None else last}" for first, last in spans) or "none"
    )


COMMANDS = {"doctor": doctor, "evidence": evidence, "salvage": salvage}
