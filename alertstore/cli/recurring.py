"""Choosing what becomes of records that repeat a closed alert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from alertstore.cli.gate import say
from alertstore.cli.output import Column, Output, formatted
from alertstore.cli.words import shortened

if TYPE_CHECKING:
    from alertstore.cli.session import Session
    from alertstore.domain.dedup import RecurrencePolicy
    from alertstore.store import AlertStore

POLICIES = (
    Column("RULE", lambda row: "(all others)" if row["rule"] is None else shortened(row["source_rule_id"] or row["rule"], 14)),
    Column("INSIDE", lambda row: row["inside"]),
    Column("OUTSIDE", lambda row: "as inside" if row["outside"] == row["inside"] else row["outside"]),
    Column("NAME", lambda row: row["name"], flexible=True),
)
FIELDS = ("rule", "source_rule_id", "name", "inside", "outside")


@click.command()
@click.argument("policy", required=False)
@click.option("--outside", metavar="POLICY", help="What holds outside the window of duplicates, where that is something else.")
@click.option("--rule", help="For this rule's records only (its uuid, or the tool's id of it).")
@click.option("--reset", is_flag=True, help="Take the rule's own policy away; without --rule, the store's.")
@click.option("--reason", help="Why; kept in the history.")
@formatted
@click.pass_obj
def recurrence(session: Session, /, *, out: Output, policy: str | None, outside: str | None, rule: str | None, **how: Any) -> None:
    """Choose what becomes of records that repeat closed alerts.

    Without a POLICY: show what is in force.

    \b
    The policies:
      new-linked   it makes a new alert, with the old verdict as a suggestion (the default)
      count        the alert counts it and stays closed
      reopen       the alert counts it and is Open again
      reopen-unless-false-positive

    Example: alertstore recurrence count --rule 2019401 --reason "scanner, settled"
    """  # noqa: D301 - click wants the character itself
    reset, reason = how["reset"], how["reason"]
    if (policy is not None and reset) or (policy is None and outside is not None):
        message = "give a POLICY, --outside only with it, or --reset"
        raise click.UsageError(message)
    if policy is None and not reset:
        with session.open("ro") as store:
            out.rows(_chosen(store, rule), FIELDS, POLICIES)
        return
    with session.open("rw") as store:
        store.set_recurrence(policy, outside, rule=rule, reason=reason)
        now = store.recurrence(rule)
    say(f"in force{'' if rule is None else f' for rule {rule}'}: {_words(now)}")


def _words(policy: RecurrencePolicy) -> str:
    if policy.inside is policy.outside:
        return str(policy.inside)
    return f"{policy.inside} inside the window of duplicates, {policy.outside} outside"


def _chosen(store: AlertStore, rule: str | None) -> list[dict[str, Any]]:
    """The policies in force: of one rule, or the store's and those of the rules that have their own."""
    if rule is not None:
        return [_row(store.recurrence(rule)) | {"rule": rule}]
    own, named = store.rule_recurrences(), {one.uuid: one for one in store.rules()}
    return [
        _row(store.recurrence()),
        *(
            _row(policy) | {"rule": uuid, "source_rule_id": named[uuid].source_rule_id, "name": named[uuid].name}
            for uuid, policy in own.items()
        ),
    ]


def _row(policy: RecurrencePolicy) -> dict[str, Any]:
    return {"rule": None, "source_rule_id": None, "name": None, "inside": str(policy.inside), "outside": str(policy.outside)}


COMMANDS = {"recurrence": recurrence}
