"""Findings and indicators: they are only ever added, so each side gets what it does not have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from alertstore.domain.changes import decide_finding, decide_indicators
from alertstore.domain.indicators import normalise_all
from alertstore.storage import alerts, bundling, catalog
from alertstore.wire.remote import FINDING_KEY

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from alertstore.domain.remotealert import RemoteAlert, RemoteFinding
    from alertstore.storage.transaction import Transaction
    from alertstore.sync.client import Client
    from alertstore.sync.desk import Desk

MOST_INDICATORS = 100
"""Indicators of one request: what the remote takes."""


@frozen
class Besides:
    """What each side lacks: findings and indicators to send, and those to take in. A finding to send is the body of its request."""

    findings: Sequence[Mapping[str, Any]] = ()
    indicators: Sequence[tuple[str, str]] = ()
    new_findings: Sequence[RemoteFinding] = ()
    new_pairs: Sequence[str] = field(factory=tuple)


def compare(conn: sqlite3.Connection, number: int, alert: RemoteAlert) -> Besides:
    """What an alert here and the remote's lack of each other. What was erased here neither goes there nor comes back from there."""
    erased = bundling.erased(conn, number)
    findings = ((), ()) if "findings" in erased else _findings(conn, number, alert)
    pairs = ((), ()) if "content" in erased else _indicators(conn, number, alert)
    return Besides(findings[0], pairs[0], findings[1], pairs[1])


def _findings(conn: sqlite3.Connection, number: int, alert: RemoteAlert) -> tuple[Sequence[Mapping[str, Any]], Sequence[RemoteFinding]]:
    """Findings to send, and those to take in."""
    here = {row[0]: row for row in catalog.findings_of(conn, number)}
    known = {one.id for one in alert.findings} | {one.alertstore_op for one in alert.findings}
    send = [_body(row) for uuid, row in here.items() if uuid not in known]
    theirs_only = (one for one in alert.findings if one.id not in here and one.alertstore_op not in here and _fits(one))
    new = [one for one in theirs_only if not catalog.finding_exists(conn, one.id)]  # another alert here may share the remote's, and have it
    return send, new


def _indicators(conn: sqlite3.Connection, number: int, alert: RemoteAlert) -> tuple[Sequence[tuple[str, str]], Sequence[str]]:
    """Indicators to send, and those to take in."""
    pairs, theirs = catalog.linked(conn, number), {f"{kind}:{value}" for kind, value in normalise_all(alert.indicators)}
    return [_pair(one) for one in sorted(pairs - theirs)], sorted(theirs - pairs)


def _pair(pair: str) -> tuple[str, str]:
    kind, _, value = pair.partition(":")
    return kind, value


def _body(row: Sequence[Any]) -> dict[str, Any]:
    """A finding as it is sent, with its id in the evidence, so that it is known again."""
    uuid, agent, summary, confidence, action, evidence, _ = row
    said = {} if evidence is None else json.loads(evidence)
    body = {"agent_name": agent[:255], "summary": summary[:50_000], "evidence": {**said, FINDING_KEY: uuid}}
    return body | {name: value for name, value in (("confidence", confidence), ("recommended_action", action)) if value is not None}


def _fits(one: RemoteFinding) -> bool:
    return bool(one.summary.strip() and one.agent_name.strip()) and one.confidence in {None, "low", "medium", "high"}


def send_indicators(client: Client, uuid: str, more: Besides) -> None:
    """Send the indicators that the remote lacks. They do not move its token, so they come before the findings, which do."""
    for k in range(0, len(more.indicators), MOST_INDICATORS):
        client.add_indicators(uuid, more.indicators[k : k + MOST_INDICATORS])


def send_findings(client: Client, uuid: str, more: Besides) -> None:
    """Send the findings that the remote lacks."""
    for body in more.findings:
        client.add_finding(uuid, body)


def is_there(more: Besides, alert: RemoteAlert) -> bool:
    """Whether the remote shows all that was sent: that it accepts something does not mean that it keeps it. It loses findings when several come at once, and commits after it has answered."""
    known, pairs = {one.alertstore_op for one in alert.findings}, {f"{kind}:{value}" for kind, value in normalise_all(alert.indicators)}
    return all(body["evidence"][FINDING_KEY] in known for body in more.findings) and all(f"{k}:{v}" in pairs for k, v in more.indicators)


def take(desk: Desk, transaction: Transaction, uuid: str, more: Besides, origin: Mapping[str, Any]) -> None:
    """Take in what is new here, and was not erased since it was compared."""
    for one in more.new_findings:
        found = alerts.load_state(transaction.conn, uuid)
        if found is None or catalog.finding_exists(transaction.conn, one.id):
            continue
        number, state = found
        if "findings" in bundling.erased(transaction.conn, number):
            break
        said: dict[str, Any] = {
            "id": one.id,
            "agent_name": one.agent_name,
            "summary": one.summary,
            "confidence": one.confidence,
            "recommended_action": one.recommended_action,
            "evidence": one.evidence,
        }
        change = decide_finding(state, said, catalog.evidence_text(one.evidence), desk.act(transaction, origin))
        alerts.save(transaction, [(number, change)])
        catalog.keep_finding(transaction, number, said | {"evidence": catalog.evidence_text(one.evidence)}, change.state.updated_at)
    found = alerts.load_state(transaction.conn, uuid)
    if more.new_pairs and found is not None:
        number, state = found
        if "content" in bundling.erased(transaction.conn, number):
            return
        change = decide_indicators(state, more.new_pairs, desk.act(transaction, origin))
        catalog.link(transaction, number, change, list(more.new_pairs))
