"""The chain-of-custody report, for whoever the store is handed to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from alertstore.cli.evidence import read_checkpoint
from alertstore.cli.gate import UNSOUND, say
from alertstore.cli.proving import read_trusted
from alertstore.report.custody import document
from alertstore.report.forms import FORMS

if TYPE_CHECKING:
    from alertstore.cli.session import Session


@click.command()
@click.option("--html", "as_html", is_flag=True, help="One HTML page, not Markdown.")
@click.option("--checkpoint", "kept", metavar="FILE", help="Hold the history against a checkpoint kept outside; - for stdin.")
@click.option("--key", metavar="KEY", help="Hold the signatures against this public key: 64 hex digits, or a file.")
@click.option("--receipts", metavar="FILE", help="Hold the history against receipts kept outside.")
@click.pass_obj
def custody(session: Session, /, *, as_html: bool, kept: str | None, key: str | None, receipts: str | None) -> None:
    """Print the chain-of-custody report.

    What came in with which hashes, what was done to the store, by whom and why, and whether it still holds. The same store
    gives the same bytes. Exit code 6 where the store is not sound; the report is printed all the same.

    Example: alertstore custody --html > custody.html
    """
    checkpoint = None if kept is None else read_checkpoint(kept)
    trusted = None if key is None else read_trusted(key)
    with session.open("ro") as store:
        facts = store.custody_facts(checkpoint=checkpoint, key=trusted, receipts=receipts)
    sys.stdout.write(FORMS["html" if as_html else "markdown"](document(facts)))
    if not facts.verified.ok:
        say("alertstore: verification failed; the report begins with it")
        click.get_current_context().exit(UNSOUND)


COMMANDS = {"custody": custody}
