"""The command line: the store's methods for people and pipes. Every command is one call or two of the public library."""

from __future__ import annotations

import click

import alertstore
from alertstore.cli.gate import Gate
from alertstore.cli.session import Session

EPILOG = """
\b
The first minutes:
  alertstore demo                        a store with sample alerts, to look around in
  alertstore ingest eve.json             read a tool's alerts into ./alerts.db
  alertstore list --status Open --severity High
  alertstore close 3f2a91c0 --as "False Positive - Inaccurate Data"
  alertstore rules                       which rules are worth tuning

\b
A table on a terminal, JSON lines in a pipe; --json and --csv say which.
Exit codes: 0 done, 1 refused, 2 usage, 3 not found, 4 store, 5 remote, 6 verification failed.
"""


@click.group("alertstore", cls=Gate, invoke_without_command=True, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--store", default="alerts.db", envvar="ALERTSTORE", metavar="FILE", show_default=True, help="The store ($ALERTSTORE).")
@click.option("--actor", envvar="ALERTSTORE_ACTOR", metavar="NAME", help="Who acts ($ALERTSTORE_ACTOR; by default your user's name).")
@click.option(
    "--receipts", envvar="ALERTSTORE_RECEIPTS", metavar="FILE", help="Add a receipt of every write to this file ($ALERTSTORE_RECEIPTS)."
)
@click.version_option(alertstore.__version__, prog_name="alertstore", message="%(prog)s %(version)s")
@click.pass_context
def command(ctx: click.Context, store: str, actor: str | None, receipts: str | None) -> None:
    """Security alerts in one SQLite file: take them in, triage them, measure what their rules are worth."""
    ctx.obj = Session(store, actor, receipts)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


assert isinstance(command, Gate)  # noqa: S101 - for the type checker
command.homes = {
    "intake": ("ingest", "imports", "rejected"),
    "explaining": ("sources",),
    "reading": ("list", "show", "history", "metrics", "rules"),
    "editing": ("triage", "escalate", "close", "patch", "tag", "note"),
    "comparing": ("diff",),
    "recurring": ("recurrence",),
    "suppressing": ("suppress", "suppressions", "lift", "suppressed"),
    "enriching": ("enrich", "lists"),
    "export": ("export",),
    "evidence": ("verify", "checkpoint", "backup", "migrate"),
    "recovery": ("doctor", "evidence", "salvage"),
    "proving": ("keygen", "prove", "seal"),
    "custody": ("custody",),
    "erasing": ("redact", "prune", "hold"),
    "syncing": ("sync", "conflicts", "resolve"),
    "bundling": ("bundle",),
    "serving": ("serve",),
    "demo": ("demo",),
}
