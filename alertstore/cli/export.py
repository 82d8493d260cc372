"""Handing on: alerts whole as JSON lines, or their summaries as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from alertstore.cli.output import Output, fields_of, plain, write
from alertstore.cli.paging import pages
from alertstore.cli.safe import json_line
from alertstore.cli.session import Session, filtered, read_filters
from alertstore.errors import AlertNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from alertstore.store import AlertStore


@click.command()
@click.option("--format", "form", type=click.Choice(["jsonl", "csv"]), default="jsonl", show_default=True, help="Alerts whole, or a table.")
@filtered
@click.pass_obj
def export(session: Session, /, *, form: str, **given: Any) -> None:
    """Write alerts to stdout, the oldest first.

    Whole as JSON lines, or their summaries as CSV. Cells that a spreadsheet would take for a formula have a ' before them.

    Example: alertstore export --format csv --status Closed > closed.csv
    """
    from alertstore.domain.alert import AlertSummary  # noqa: PLC0415 - help needs no domain

    with session.open("ro") as store:
        filters = read_filters(store, given)
        if form == "csv":
            Output("csv").rows(map(plain, pages(store, filters, "occurred_at")), fields_of(AlertSummary), ())
        else:
            write(map(json_line, _whole(store, filters)))


def _whole(store: AlertStore, filters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The API form of every alert that passes; one that is deleted meanwhile is left out."""
    from alertstore.wire.responses import AlertResponse  # noqa: PLC0415 - pydantic is loaded where its forms are wanted

    for one in pages(store, filters, "occurred_at"):
        try:
            alert = store.get(one.uuid)
        except AlertNotFoundError:
            continue
        yield AlertResponse.of(alert).model_dump(mode="json")


COMMANDS = {"export": export}
