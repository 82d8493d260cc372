"""What the fake remote does for each route, its leniency included."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from alertstore.domain.times import DAY
from alertstore.testing import remote_checks as check
from alertstore.testing import remote_rows as rows
from alertstore.testing.remote_checks import Refused
from alertstore.testing.remote_ingest import fingerprint, read
from alertstore.testing.remote_lists import alerts_listed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from alertstore.testing.remote_model import Call, Session
    from alertstore.testing.remote_rows import Row

Result = tuple[int, Any, dict[str, Any]]
"""Status, data, meta."""
_SECRET = re.compile(r"cai_|sk-|Bearer |api_key=")
_SUMMARY_SHOWN = 120
_WORKER = 20_000  # microseconds from an ingest's commit until its enrichment is done


def answer(session: Session, call: Call, keys: AbstractSet[str]) -> tuple[int, Any]:
    """Answer a call: status and body. A refusal leaves nothing of it written."""
    try:
        if call.key not in keys:
            raise Refused(401, "UNAUTHORIZED", "Invalid API key.")
        status, data, meta = _route(session, call)
    except Refused as why:
        session.written.clear()
        return why.status, why.body
    return status, None if status == _NO_CONTENT else {"data": data, "meta": meta}


def _route(session: Session, call: Call) -> Result:
    parts = call.path.strip("/").split("/")
    if parts[0] != "v1" or not 2 <= len(parts) <= 4:  # noqa: PLR2004 - /v1/what[/which[/part]]
        raise check.no_route()
    what, which, part = (*parts[1:], "", "")[:3]
    act = _ROUTES.get((call.method, what, bool(which), part))
    if act is None:
        raise check.no_route()
    return act(session, call, which)


def _found(session: Session, which: str, problems: list[check.Problem]) -> Row:
    """The alert of a path, to read; the errors of the request, if there are any, come first."""
    row = session.get("alerts", which)
    if row is None:
        which = check.same_uuid(which, "alert_uuid", problems)
        row = session.get("alerts", which)
    check.refuse(problems)
    if row is None:
        raise check.missing()
    return row


def _editable(session: Session, which: str, problems: list[check.Problem]) -> Row:
    row = session.edit("alerts", _found(session, which, problems)["uuid"])
    if row is None:
        raise check.missing()
    return row


def _shown(session: Session, row: Row, *, patched: bool = False) -> Result:
    linked = [one for uuid in row["links"] if (one := session.get("indicators", uuid)) is not None]
    rule = None if patched or row["rule"] is None else session.get("rules", row["rule"])
    return 200, rows.detail(row, linked, rule), rows.detail_meta(row, session.now)


def _get(session: Session, _: Call, which: str) -> Result:
    return _shown(session, _found(session, which, []))


def _delete(session: Session, _: Call, which: str) -> Result:
    session.put("alerts", _editable(session, which, [])["uuid"], None)
    return _NO_CONTENT, None, {}


def _patch(session: Session, call: Call, which: str) -> Result:
    problems: list[check.Problem] = []
    patch = check.patch_body(call.body, problems)
    before = _found(session, which, problems)
    if patch.get("status") == "Closed" and "close_classification" not in patch:
        raise Refused(422, "VALIDATION_ERROR", "close_classification is required when setting status to Closed.")
    row = _editable(session, before["uuid"], [])
    before = dict(row)
    if "tags" in patch:
        check.storable(patch["tags"])
        row["tags"] = tuple(patch["tags"])
    _step(session, row, patch)
    if patch.get("severity", row["severity"]) != row["severity"]:
        session.log(row, "alert_severity_updated", {"from_severity": row["severity"], "to_severity": patch["severity"]})
        row["severity"] = patch["severity"]
    _judge(session, row, patch)
    if any(before[name] != row[name] for name in row if name != "events"):
        row["updated_at"] = session.start
        session.put("alerts", row["uuid"], row)
    return _shown(session, row, patched=True)


def _step(session: Session, row: Row, patch: Mapping[str, Any]) -> None:
    """Status and classification: any step is allowed, times are set once and never cleared, a re-close is not logged."""
    start, end = row["status"], patch.get("status", row["status"])
    row["close_classification"] = patch.get("close_classification", row["close_classification"])
    if end == start:
        return
    row["status"] = end
    if end == "Closed":
        session.log(row, "alert_closed", {"from_status": start, "close_classification": row["close_classification"]})
    else:
        session.log(row, "alert_status_updated", {"from_status": start, "to_status": end})
    if start == "Open":
        row["acknowledged_at"] = row["acknowledged_at"] or session.now
    if end == "Triaging":
        row["triaged_at"] = row["triaged_at"] or session.now
    if end == "Closed":
        row["closed_at"] = row["closed_at"] or session.now


def _judge(session: Session, row: Row, patch: Mapping[str, Any]) -> None:
    """The override: reset wins; the same value again refreshes its time, unlogged."""
    known = row["malice_override"]
    if patch.get("reset_malice_override"):
        word, source, at, said = None, None, None, "reset"
    elif "malice_override" in patch:
        word, source, at, said = patch["malice_override"], "analyst", session.now, "analyst"
    else:
        return
    if word != known:
        session.log(row, "alert_malice_updated", {"from_malice": known, "to_malice": word, "malice_source": said})
    row |= {"malice_override": word, "malice_override_source": source, "malice_override_at": at}


def _ingest(session: Session, call: Call, source: str) -> Result:
    if source:  # POST /v1/ingest/{source}: the payload is the body
        payload = call.body
        if not isinstance(payload, dict):
            raise Refused(422, "INVALID_PAYLOAD", "Request body must be a JSON object.")
    else:
        problems: list[check.Problem] = []
        body = check.ingest_body(call.body, problems)
        check.refuse(problems)
        source, payload = body["source_name"], body["payload"]
    found = read(source, payload)
    check.storable(payload)
    mark = fingerprint(found.title, source, found.indicators)
    known = [row for row in session.candidates(mark) if session.start - row["created_at"] <= DAY]
    if known:
        return _again(session, max(known, key=lambda row: (row["created_at"], row["number"])))
    row = rows.new_alert(session.new_uuid(), session.new_number(), session.start) | {
        "title": found.title,
        "severity": found.severity,
        "source_name": source,
        "description": found.description,
        "occurred_at": session.now if found.occurred_at is None else found.occurred_at,
        "tags": found.tags,
        "fingerprint": mark,
        "raw_payload": rows.jsonb(payload),
    }
    if found.rule_id is not None:
        row["rule"], row["detection_rule_id"] = _rule(session, source, found.rule_id)
    session.log(row, "alert_ingested", {"source_name": source, "severity": found.severity, "title": found.title})
    for kind, value in found.indicators:
        _link(session, row, kind, value)
    _enrich(session, row, session.now + _WORKER)
    session.put("alerts", row["uuid"], row)
    return 202, {"alert_uuid": row["uuid"], "status": "queued", "is_duplicate": False, "duplicate_count": None}, {}


def _again(session: Session, known: Row) -> Result:
    row = _editable(session, known["uuid"], [])
    number = row["duplicate_count"] + 1
    row |= {"duplicate_count": number, "last_seen_at": session.now, "updated_at": session.start}
    told = {"fingerprint": row["fingerprint"], "duplicate_count": number, "source_name": row["source_name"], "title": row["title"]}
    session.log(row, "alert_deduplicated", told)
    session.put("alerts", row["uuid"], row)
    return 202, {"alert_uuid": row["uuid"], "status": "deduplicated", "is_duplicate": True, "duplicate_count": number}, {}


def _rule(session: Session, source: str, rule_id: str) -> tuple[str, int]:
    key = f"{source}\0{rule_id}"
    session_rule = session.edit("rules", key)
    if session_rule is None:
        session_rule = rows.new_rule(session.new_uuid(), session.new_number(), source, rule_id, session.start)
        session.put("rules", key, session_rule)
    return key, session_rule["number"]


def _link(session: Session, row: Row, kind: str, value: str) -> Row:
    """Find or make an indicator, link the alert to it if it is not yet; the indicator."""
    known = session.indicator(kind, value)
    if known is None:
        known = rows.new_indicator(session.new_uuid(), kind, value, session.start, session.now)
    known["last_seen"] = session.now
    session.put("indicators", known["uuid"], known)
    if known["uuid"] not in row["links"]:
        row["links"] = (*row["links"], known["uuid"])
    return known


def _enrich(session: Session, row: Row, at: int) -> None:
    """The worker's work. No provider knows anything here, so verdicts stay as they are."""
    counts = dict.fromkeys(rows.WORST, 0) if row["links"] else {}
    for uuid in row["links"]:
        one = session.edit("indicators", uuid)
        if one is not None:
            counts[one["malice"]] += 1
            session.put("indicators", uuid, one | {"is_enriched": True, "enrichment_results": {}})
    row |= {"enrichment_status": "Enriched", "is_enriched": True, "enriched_at": at, "updated_at": at}
    told = {"indicator_count": len(row["links"]), "providers_succeeded": [], "providers_failed": [], "malice_counts": counts}
    shown = str(rows.shown_time(at)).replace("Z", "+00:00")
    session.log(row, "alert_enrichment_completed", {**told, "enriched_at": shown}, at=at)


def _enrich_again(session: Session, _: Call, which: str) -> Result:
    row = _editable(session, which, [])
    _enrich(session, row, session.now + _WORKER)
    session.put("alerts", row["uuid"], row)
    return 202, {"message": "Enrichment queued"}, {}


def _activity(session: Session, call: Call, which: str) -> Result:
    problems: list[check.Problem] = []
    page, size = check.paging(call.query, problems)
    events = _found(session, which, problems)["events"]
    meta = check.page_meta(len(events), page, size)
    newest = sorted(events, key=lambda event: event.created_at)[::-1]
    return 200, [event.shown() for event in newest[(page - 1) * size : page * size]], meta


def _findings(session: Session, _: Call, which: str) -> Result:
    return 200, rows.findings(_found(session, which, [])), {}


def _add_finding(session: Session, call: Call, which: str) -> Result:
    problems: list[check.Problem] = []
    given = check.finding_body(call.body, problems)
    row = _editable(session, which, problems)
    check.storable(given)
    finding = {"id": session.new_uuid(), **given, "posted_at": rows.shown_time(session.now)}
    said = given["summary"]
    told = {"finding_id": finding["id"], "agent_name": given["agent_name"], "confidence": given["confidence"]}
    cut = said[:_SUMMARY_SHOWN] + "..." if len(said) > _SUMMARY_SHOWN else said
    session.log(row, "alert_finding_added", {**told, "summary": "[REDACTED]" if _SECRET.search(said) else cut})
    row["agent_findings"] = (*(row["agent_findings"] or ()), rows.jsonb(finding))
    row["updated_at"] = session.start
    session.put("alerts", row["uuid"], row)
    return 201, finding, {}


def _indicators(session: Session, _: Call, which: str) -> Result:
    linked = (session.get("indicators", uuid) for uuid in _found(session, which, [])["links"])
    return 200, [rows.indicator(one) for one in linked if one is not None], {}


def _add_indicators(session: Session, call: Call, which: str) -> Result:
    problems: list[check.Problem] = []
    pairs = check.indicators_body(call.body, problems)
    enrich = check.as_bool(call.query.get("enrich", "true"), ["query", "enrich"], problems)
    row = _editable(session, which, problems)
    check.storable([value for _, value in pairs])
    found = [_link(session, row, kind, value) for kind, value in pairs]
    shown = [rows.indicator(one) for one in found]
    named = [{"type": kind, "value": value} for kind, value in pairs]
    session.log(row, "alert_indicators_added", {"indicator_count": len(pairs), "indicators": named, "enrich_requested": enrich})
    if enrich:
        _enrich(session, row, session.now + _WORKER)
    session.put("alerts", row["uuid"], row)  # with enrich=false the alert's own columns stay as they were, updated_at too
    return 201, {"added_count": len(pairs), "indicators": shown, "enrich_requested": enrich}, {}


def _one_indicator(session: Session, which: str, problems: list[check.Problem]) -> Row:
    uuid = check.same_uuid(which, "indicator_uuid", problems)
    check.refuse(problems)
    row = session.edit("indicators", uuid)
    if row is None:
        raise check.missing("Indicator")
    return row


def _get_indicator(session: Session, _: Call, which: str) -> Result:
    return 200, rows.indicator(_one_indicator(session, which, [])), {}


def _patch_indicator(session: Session, call: Call, which: str) -> Result:
    """A body without a verdict takes the person's verdict back; whatever happens, `updated_at` of the alerts stays."""
    problems: list[check.Problem] = []
    word = check.malice_body(call.body, problems)
    row = _one_indicator(session, which, problems)
    source, at = ("enrichment", None) if word is None else ("analyst", session.now)
    told = {"from_malice": row["malice"], "to_malice": word or "Pending", "malice_source": source}
    row |= {"malice": word or "Pending", "malice_source": source, "malice_overridden_at": at, "updated_at": session.start}
    session.put("indicators", row["uuid"], row)
    linked = session.linked_alert(row["uuid"])
    alert = None if linked is None else session.edit("alerts", linked)
    if alert is not None:
        session.log(alert, "indicator_malice_updated", {**told, "indicator_type": row["type"], "indicator_value": row["value"]})
        session.put("alerts", alert["uuid"], alert)
    return 200, rows.indicator(row), {}


_NO_CONTENT = 204
_ROUTES: dict[tuple[str, str, bool, str], Callable[[Session, Call, str], Result]] = {
    ("GET", "alerts", False, ""): alerts_listed,
    ("POST", "alerts", False, ""): _ingest,
    ("POST", "ingest", True, ""): _ingest,
    ("GET", "alerts", True, ""): _get,
    ("PATCH", "alerts", True, ""): _patch,
    ("DELETE", "alerts", True, ""): _delete,
    ("GET", "alerts", True, "activity"): _activity,
    ("GET", "alerts", True, "findings"): _findings,
    ("POST", "alerts", True, "findings"): _add_finding,
    ("GET", "alerts", True, "indicators"): _indicators,
    ("POST", "alerts", True, "indicators"): _add_indicators,
    ("POST", "alerts", True, "enrich"): _enrich_again,
    ("GET", "indicators", True, ""): _get_indicator,
    ("PATCH", "indicators", True, ""): _patch_indicator,
}
