"""The recorded exchanges of the remote, again, with this server: same statuses, same shapes, same places of errors.

The recordings are of a server that allows every step and ignores unknown fields, so they are played to `--policy permissive`.
Where the answers differ, DIFFERENT says by which rule.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

WIRE = Path(__file__).resolve().parents[2].parent / "shared" / "wire"
FILES = (
    "01_ingest",
    "02_patch_matrix",
    "03_patch_edges",
    "04_list_pagination",
    "05_findings_indicators_activity_graph",
    "08_races",
    "09_metrics",
    "10_dedup_window",
    "11_verify",
)  # 07 is about its rate limit; there is none here

OURS = "the remote's own service; the server's docstring lists it as absent"
STRICT = "wrong types are refused"
UNCLOSED = "close_classification while not Closed is refused, under every policy"
FAULT = "a fault of the remote's own: it answered 500"
SLIP = "a word of no vocabulary is refused, not taken to mean nothing"
NO_INDICATOR = "a value that is none of its type is no indicator"
NO_RESET = "a verdict on an indicator cannot be taken back, only changed"

DIFFERENT = [  # file, case, path or body (regular expressions), our status, why
    ("01", "^generic: title int", "", 422, "a generic record needs a title that is text"),
    ("01", "NUL in title", "", 202, FAULT + "; NUL becomes U+FFFD in the view"),
    ("01", "lone surrogate", "", 422, FAULT),
    ("02", "reopen sequence {'close_class", "", 422, UNCLOSED),
    ("03", "reset_malice_override null", "", 200, 'null and absent both mean "leave it"'),
    ("03", "cc without status|^cc=", "", 422, UNCLOSED),
    ("03", "tags empty string", "", 422, "blank tags are refused"),
    ("03", "tags NUL", "", 422, FAULT),
    ("03", r"malice \+ reset|both \+ differ", "", 422, "override and reset together are contradictory"),
    ("03", "reset 1", "", 422, STRICT),
    ("03", "invalid utf8", "", 422, "the remote says 404 there, which a client takes for a deleted alert"),
    ("04", "q", "page=9{20}", 200, FAULT),
    ("04", "q", "status=(Nope|open)", 422, SLIP),
    ("04", "q", "tags=", 200, FAULT),
    ("05", "bad ip text|space value|all types", "", 422, NO_INDICATOR),
    ("05", "empty {}|null reset|reset!|reset -> from", "", 422, NO_RESET),
    ("05", "POST enrich", "", 404, OURS),
    ("08", "whose commit failed", "", 200, "what was answered with success is kept"),
    ("09", "workflows", "", 404, OURS),
    ("11", "^rule", "", 422, "one rule for one id of a source (the second POST of two)"),
    ("11", "^d$", "detection-rules", 404, OURS),
]
OTHER_SHAPE = {
    # What the remote's log tells of its own kinds of events, and how ours differ, is the activity test's matter.
    "references", "raw_payload", "evidence", "enrichment_results", "enrichment_summary", "targeting_rules", "details",
    # Objects whose keys are data.
    *(f"{what}by_{word}" for what in ("", "alerts_", "active_alerts_") for word in ("status", "severity", "source")),
    "enrichment_providers_by_indicator_type",
}  # fmt: skip
BEFORE = {"change cc while closed (no status)": {"status": "Closed", "close_classification": "Duplicate"}}
"""What the recording leaves out and the case needs."""
HEX = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
NAMES = {"uuid", "alert_uuid", "id"}
LESSER_KEYS = {"Bearer <ro>", "Bearer <wo>", "Bearer <expired>"}
"""There is one key here, and it has no scopes, sources or end; what the remote answers to keys that may do less is left out."""

pytestmark = pytest.mark.skipif(not WIRE.is_dir(), reason="../shared/wire is not here")


def exchanges(name):
    """Those that can be sent again: whole, on their own, and not about the scopes of keys."""
    with (WIRE / f"{name}.jsonl").open(encoding="utf-8") as file:
        found = [json.loads(line) for line in file]
    whole = [one for one in found if "req_body" in one and not (isinstance(one["req_body"], dict) and "_truncated" in one["req_body"])]
    return [one for one in whole if one["status"] != 403 and one["req_headers"].get("Authorization") not in LESSER_KEYS]


def expected(name, one):
    """Our status, and whether it is another than the remote's."""
    about = one["path"] + json.dumps(one["req_body"])
    for start, case, text, status, why in DIFFERENT:
        if name.startswith(start) and re.search(case, one["case"]) and re.search(text, about) and status != one["status"]:
            assert why
            return {status, one["status"]} if start == "11" and case == "^rule" else {status}
    return {one["status"]}


class Player:
    """Sends recorded requests, with our uuids for the remote's, which it learns from the answers."""

    def __init__(self, client):
        self.client = client
        self.known = {}

    def send(self, one):
        for hexes in HEX.findall(one["path"]):
            if f"/alerts/{hexes}" in one["path"] and hexes not in self.known and one["status"] != 404:
                self.learn(hexes, self.client.add(title=f"made before the recording {hexes}", severity="High"))
        path = HEX.sub(lambda hit: self.known.get(hit[0], hit[0]), one["path"])
        if one["case"] in BEFORE:
            assert self.client("PATCH", path, BEFORE[one["case"]]).status == 200
        headers = {"Authorization": None} | one["req_headers"]
        if str(headers["Authorization"]).startswith("Bearer <"):  # a key of theirs that may do this, by its name
            del headers["Authorization"]
        body = one["req_body"]
        if isinstance(body, str) and one["case"] != "string body":
            body = body.encode("latin-1")
        elif body is not None:
            body = json.dumps(body).encode()
        reply = self.client(one["method"], path, body, headers)
        if reply.status == one["status"] and reply.raw:
            self.align(one["resp_body"], reply.json)
        return reply

    def learn(self, theirs, ours):
        self.known.setdefault(theirs, ours)
        self.known.setdefault(theirs.replace("-", ""), ours.replace("-", ""))

    def align(self, theirs, ours):
        if isinstance(theirs, dict) and isinstance(ours, dict):
            for name in theirs.keys() & ours.keys():
                if name in NAMES and isinstance(theirs[name], str):
                    self.learn(theirs[name], ours[name])
                else:
                    self.align(theirs[name], ours[name])
        elif isinstance(theirs, list) and isinstance(ours, list):
            by_value = {one["value"].lower(): one for one in ours if isinstance(one, dict) and "value" in one}
            for place, one in enumerate(theirs):
                if isinstance(one, dict) and "value" in one:
                    self.align(one, by_value.get(one["value"].lower()))
                elif place < len(ours):
                    self.align(one, ours[place])


def differences(theirs, ours, where="answer"):
    """Where two answers are not of one shape: keys and types; null may stand for anything, a list is told by its first item."""
    if theirs is None or ours is None:
        return
    kinds = [float if type(one) is int else type(one) for one in (theirs, ours)]
    if kinds[0] is not kinds[1]:
        yield f"{where}: {theirs!r} there, {ours!r} here"
    elif isinstance(theirs, dict):
        if where.rsplit(".", 1)[-1] in OTHER_SHAPE:
            return
        if theirs.keys() != ours.keys():
            yield f"{where}: keys {sorted(theirs.keys() ^ ours.keys())}"
        for name in theirs.keys() & ours.keys():
            yield from differences(theirs[name], ours[name], f"{where}.{name}")
    elif isinstance(theirs, list) and theirs and ours:
        yield from differences(theirs[0], ours[0], f"{where}[0]")


def places(answer):
    return sorted(str(problem["loc"]) for problem in answer["error"]["details"].get("errors", []))


@pytest.mark.parametrize("name", FILES)
def test_the_recorded_exchanges_again(name, tmp_path, run, connect, promise):
    wrong, same, other = [], 0, 0
    with run(tmp_path / "replay.db", lenient=True) as port:
        player = Player(connect(port))
        for one in exchanges(name):
            reply = player.send(one)
            statuses = expected(name, one)
            if reply.status not in statuses:
                wrong.append(f"{one['case']}: {one['method']} {one['path']}: {reply.status}, not {statuses}: {reply.raw[:200]!r}")
            if reply.status != one["status"]:
                other += 1
                continue
            same += 1
            theirs = one["resp_body"]
            if not reply.raw or (isinstance(theirs, dict) and "_truncated" in theirs):
                continue
            wrong += [f"{one['case']}: {found}" for found in differences(theirs, reply.json)]
            if reply.status >= 400:
                told = [(answer["error"]["code"], places(answer)) for answer in (theirs, reply.json)]
                if told[0] != told[1]:
                    wrong.append(f"{one['case']}: {told[0]} there, {told[1]} here")
    assert wrong == []
    assert same > 3
    promise("A program written for the remote gets the same answers from serve", f"{same} of {same + other} exchanges in {name[:2]}")


def test_every_reason_for_another_answer_is_used():
    used = {
        row
        for name in FILES
        for one in exchanges(name)
        for row in DIFFERENT
        if name.startswith(row[0]) and re.search(row[1], one["case"]) and re.search(row[2], one["path"] + json.dumps(one["req_body"]))
    }
    assert [row for row in DIFFERENT if row not in used] == []


STEPS = {"Open": {"Triaging", "Escalated"}, "Triaging": {"Escalated", "Closed"}, "Escalated": {"Triaging", "Closed"}, "Closed": set()}


def test_the_documented_policy_refuses_what_the_remote_lets_pass(client):
    """The 16 pairs of transition_matrix.json, with a classification where the alert is to be closed."""
    pairs = json.loads((WIRE / "transition_matrix.json").read_text(encoding="utf-8"))
    assert pairs
    for start, ends in STEPS.items():
        for end in STEPS:
            uuid = client.add(title=f"{start} {end}")
            way = {"Open": [], "Triaging": ["Triaging"], "Escalated": ["Escalated"], "Closed": ["Triaging", "Closed"]}[start]
            for step in (*way, end):
                body = {"status": step} | ({"close_classification": "Duplicate"} if step == "Closed" else {})
                reply = client("PATCH", f"/v1/alerts/{uuid}", body)
            assert reply.status == (200 if end in ends | {start} else 422), (start, end)
            assert reply.status == 200 or places(reply.json) == ["['body', 'status']"]
