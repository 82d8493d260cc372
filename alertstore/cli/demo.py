"""A store to look around in: the bundled samples, worked on for an afternoon by somebody called demo."""

from __future__ import annotations

import os
import shlex
from datetime import timedelta
from importlib.resources import as_file, files
from itertools import cycle
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from alertstore.cli.gate import say
from alertstore.cli.intake import report
from alertstore.cli.output import Output, formatted
from alertstore.cli.paging import pages
from alertstore.errors import AlertStoreError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from alertstore.cli.session import Session
    from alertstore.store import AlertStore
    from alertstore.store.results import ImportResult

NAME = "alertstore-demo.db"
START, STEP = timedelta(hours=16), timedelta(minutes=5)
CLOSED, ESCALATED, TRIAGED = 60, 4, 10
VERDICTS = (
    "False Positive - Incorrect Detection Logic",
    "True Positive - Suspicious Activity",
    "False Positive - Inaccurate Data",
    "Benign Positive - Suspicious but Expected",
    "False Positive - Incorrect Detection Logic",
    "Undetermined",
)


class _Clock:
    """A clock that moves on by some minutes whenever it is read, so that there are times to measure."""

    def __init__(self) -> None:
        from alertstore.store.ids import utc_now  # noqa: PLC0415 - help needs no store

        self._now, self._end = utc_now() - START, utc_now()

    def __call__(self) -> datetime:
        self._now = min(self._now + STEP, self._end)
        return self._now


@click.command()
@click.argument("path", required=False, type=click.Path())
@formatted
@click.pass_obj
def demo(session: Session, /, *, out: Output, path: str | None) -> None:
    """Make a store with sample alerts to look around in."""
    root = click.get_current_context().find_root()
    named = root.get_parameter_source("store") is not ParameterSource.DEFAULT
    path = path or (session.path if named else NAME)
    if os.path.lexists(path):
        raise AlertStoreError(
            f"{path} exists already; the demo makes a store of its own", advice="`alertstore demo PATH` names another file"
        )
    from alertstore.store import AlertStore  # noqa: PLC0415 - as above

    with AlertStore.open(path, actor="demo", clock=_Clock()) as store, as_file(files("alertstore") / "samples") as samples:
        done = _ingest(store, samples)
        _work(store)
    report(out, done)
    _say_what_next(path)


def _ingest(store: AlertStore, samples: Path) -> list[ImportResult]:
    return [store.ingest(one, reason="demo") for one in sorted(samples.iterdir()) if one.is_file() and one.suffix != ".md"]


def _work(store: AlertStore) -> None:
    """Triage, escalate, note and close some alerts, the way a shift would."""
    found = list(pages(store, {}, "-severity"))
    for one in found[: CLOSED + ESCALATED + TRIAGED]:
        store.patch(one.uuid, status="Triaging", tags=[*one.tags, "demo"])
    for one in found[CLOSED : CLOSED + ESCALATED]:
        store.patch(one.uuid, status="Escalated", reason="needs the network team")
        store.add_finding(one.uuid, "Seen on two hosts within the hour.", confidence="medium", recommended_action="Isolate both hosts.")
    for one, verdict in zip(found[:CLOSED], cycle(VERDICTS), strict=False):
        store.close_alert(one.uuid, verdict, reason="demo shift")


def _say_what_next(path: str) -> None:
    store = f"alertstore --store {shlex.quote(path)}"
    say(f"made {path}; now try:")
    for words in ("list --status Open", "list --text trojan", "metrics", "rules", "verify"):
        say(f"  {store} {words}")
    say(f"  {store} show ID        (an ID of the list)")


COMMANDS = {"demo": demo}
