"""The recorded exchanges of the remote, again, with the fake one over HTTP: the same statuses, shapes and errors, and for a patch
the same fields; the matrix of steps, the log, fingerprints and the window of duplicates to the value.

Where the fake differs, DIFFERENT says why.
"""

from __future__ import annotations

import http.client
import json
import re
from datetime import timedelta
from itertools import zip_longest
from pathlib import Path
from uuid import UUID

import pytest

from alertstore.testing import FakeRemote, FakeRemoteServer

WIRE = Path(__file__).resolve().parents[2].parent / "shared" / "wire"
FILES = (
    "01_ingest",
    "02_patch_matrix",
    "03_patch_edges",
    "04_list_pagination",
    "05_findings_indicators_activity_graph",
    "08_races",
    "10_dedup_window",
    "11_verify",
)  # 06, 09 are about rules, documents, metrics, and 07 about the limiter: the fake has none of them

NOT_ASKED = "sync asks for no rules, graphs or metrics: the fake has no such route"
NO_FAULT = "the commit failed by a trigger there; here nothing fails unless a test scripts it (see the race test)"
DIFFERENT = [  # file, case, path (regular expressions), our status, why
    ("05", "graph", "relationship-graph", 404, NOT_ASKED),
    ("03", "unknown uuid GET", "relationship-graph", 404, NOT_ASKED),
    ("08", "whose commit failed", "", 200, NO_FAULT),
    ("11", "^rule", "", 404, NOT_ASKED),
    ("11", "^d$", "detection-rules", 404, NOT_ASKED),
]
BEFORE = {  # what the recording leaves out before a case, as the answer to it shows
    "tags empty []": {"status": "Triaging", "close_classification": "Undetermined"},
    "tags same no-op": {"tags": ["a", "a", "b"]},
    "malice_override Pending": {"tags": ["a"]},
    "malice same Malicious (no-op value)": {"malice_override": "Malicious"},
    "both + differ": {"malice_override": "Benign"},
    "change cc while closed (no status)": {
        "severity": "Low",
        "status": "Closed",
        "close_classification": "Duplicate",
        "tags": ["c"],
        "malice_override": "Benign",
    },
    "BOM": {"severity": "High"},
    "bad/odd uuid cb8efcf4023b": {"severity": "Low"},
}
OTHER_SHAPE = {"enrichment_results", "raw_payload"}  # what providers say; what was sent
HEX = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
LESSER_KEYS = {"Bearer <ro>", "Bearer <wo>", "Bearer <expired>"}
PATCHED = ("title", "severity", "status", "close_classification", "tags", "malice_override", "malice_override_source", "duplicate_count")
SET = ("acknowledged_at", "triaged_at", "closed_at", "malice_override_at")

pytestmark = pytest.mark.skipif(not WIRE.is_dir(), reason="../shared/wire is not here")


def recorded(name):
    with (WIRE / f"{name}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def exchanges(name):
    """Those that can be sent again: whole, on their own, and not about the scopes of keys, which the fake does not have."""
    whole = [one for one in recorded(name) if "req_body" in one]
    whole = [one for one in whole if not (isinstance(one["req_body"], dict) and "_truncated" in one["req_body"])]
    return [one for one in whole if one["status"] != 403 and one["req_headers"].get("Authorization") not in LESSER_KEYS]


class Player:
    """Sends recorded requests, with our uuids for the remote's, which it learns from the answers."""

    def __init__(self, server, remote):
        self.remote = remote
        self.key = server.key
        self.conn = http.client.HTTPConnection(server.url.partition("//")[2], timeout=30)
        self.known = {}
        self.tokens = {}  # of an alert: the last updated_at there and here

    def send(self, one):
        for theirs in HEX.findall(one["path"]):
            if f"/alerts/{theirs}" in one["path"] and theirs not in self.known and one["status"] != 404:
                self.learn(theirs, self.remote.add(title=f"made before {theirs}", severity="High", tags=["a", "b"]))
        path = HEX.sub(lambda hit: self.known.get(hit[0], hit[0]), one["path"])
        if one["case"] in BEFORE:
            self.remote.edit(str(UUID(path.rpartition("/")[2])), **BEFORE[one["case"]])
        headers = {name: value for name, value in one["req_headers"].items() if name in {"Authorization", "Content-Type"}}
        if headers.get("Authorization", "").startswith("Bearer <"):
            headers["Authorization"] = f"Bearer {self.key}"
        body = one["req_body"]
        if isinstance(body, str) and one["case"] != "string body":
            body = body.encode("latin-1")
        elif body is not None:
            body = json.dumps(body).encode()
        self.conn.request(one["method"], path, body, headers)
        answer = self.conn.getresponse()
        raw = answer.read()
        said = json.loads(raw) if raw and one["method"] != "HEAD" else None
        if answer.status == one["status"] and said is not None:
            self.align(one["resp_body"], said)
        return answer.status, said

    def learn(self, theirs, ours):
        self.known.setdefault(theirs, ours)
        self.known.setdefault(theirs.replace("-", ""), ours.replace("-", ""))

    def align(self, theirs, ours):
        if isinstance(theirs, dict) and isinstance(ours, dict):
            for name in theirs.keys() & ours.keys():
                if name in {"uuid", "alert_uuid"} and isinstance(theirs[name], str):
                    self.learn(theirs[name], ours[name])
                else:
                    self.align(theirs[name], ours[name])
        elif isinstance(theirs, list) and isinstance(ours, list):
            by_value = {one["value"]: one for one in ours if isinstance(one, dict) and "value" in one}
            for place, one in enumerate(theirs):
                if isinstance(one, dict) and "value" in one:
                    self.align(one, by_value.get(one["value"]))
                elif place < len(ours):
                    self.align(one, ours[place])


@pytest.fixture
def remote():
    return FakeRemote()


@pytest.fixture
def player(remote):
    with FakeRemoteServer(remote) as server:
        made = Player(server, remote)
        yield made
        made.conn.close()


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


def patched(player, one, said):
    """Where the answer to a patch of an alert says something else, or its token moves where it did not there."""
    theirs, ours = one["resp_body"]["data"], said["data"]
    skipped = {"title"} if ours["title"].startswith("made before") else set()
    for name in PATCHED:
        if name not in skipped and theirs[name] != ours[name]:
            yield f"{name}: {theirs[name]!r} there, {ours[name]!r} here"
    for name in SET:
        if (theirs[name] is None) != (ours[name] is None):
            yield f"{name}: {theirs[name]} there, {ours[name]} here"
    before = player.tokens.get(theirs["uuid"])
    player.tokens[theirs["uuid"]] = (theirs["updated_at"], ours["updated_at"])
    if before is not None and (before[0] == theirs["updated_at"]) != (before[1] == ours["updated_at"]):
        yield f"updated_at: {before[0]} to {theirs['updated_at']} there, {before[1]} to {ours['updated_at']} here"


def logged(events):
    """What a log says, without what is another's in every run: ids, times, the title, what providers knew.

    The worker's entry is left out: there it came sooner or later, and sometimes never. So is that of an indicator which several
    alerts had there: it is in the log of any one of them.
    """
    for event in events:
        said = dict(event["references"])
        if event["event_type"] != "alert_enrichment_completed" and said.get("indicator_value") != "8.8.8.8":
            for name in ("finding_id", "title", "fingerprint"):
                said.pop(name, None)
            if event["event_type"] == "indicator_malice_updated":
                del said["from_malice"], said["to_malice"]
            yield event["event_type"], event["actor_type"], said


def differing_log(theirs, ours, *, is_whole):
    if is_whole and theirs["meta"]["total_pages"] == 1:
        both = zip_longest(logged(theirs["data"]), logged(ours["data"]))
        yield from (f"log: {there} there, {here} here" for there, here in both if there != here)
    yield from differences(theirs | {"data": []}, ours | {"data": []})
    for there, here in zip(theirs["data"], ours["data"], strict=False):
        yield from differences(there | {"references": None}, here | {"references": None})


def expected(name, one):
    found = [row for row in DIFFERENT if name.startswith(row[0]) and re.search(row[1], one["case"]) and re.search(row[2], one["path"])]
    assert all(why for *_, why in found)
    return found[0][3] if found else one["status"]


def places(said):
    return said["error"]["code"], sorted(str(problem["loc"]) for problem in said["error"]["details"].get("errors", []))


@pytest.mark.parametrize("name", FILES)
def test_the_recorded_exchanges_again(name, player, promise):
    wrong, same, other = [], 0, 0
    for one in exchanges(name):
        status, said = player.send(one)
        if status != expected(name, one):
            wrong.append(f"{one['case']}: {one['method']} {one['path']}: {status}, not {expected(name, one)}: {str(said)[:200]}")
        if status != one["status"]:
            other += 1
            continue
        same += 1
        theirs = one["resp_body"]
        if said is None or not theirs or "_truncated" in theirs:
            continue
        if "/activity" in one["path"] and status == 200:  # every other patch of 03 was not recorded, but logged
            found = [*differing_log(theirs, said, is_whole=name != "03_patch_edges")]
        else:
            found = [*differences(theirs, said)]
        if status >= 400 and places(theirs) != places(said):
            found.append(f"{places(theirs)} there, {places(said)} here")
        if one["method"] == "PATCH" and status == 200 and "/alerts/" in one["path"]:
            found += patched(player, one, said)
        wrong += [f"{one['case']}: {what}" for what in found]
    assert wrong == []
    assert same > 3
    promise("The fake remote answers as the recorded one", f"{same} of {same + other} exchanges in {name[:2]}")


def test_every_reason_for_another_answer_is_used():
    used = [
        row
        for row in DIFFERENT
        if any(
            name.startswith(row[0]) and re.search(row[1], one["case"]) and re.search(row[2], one["path"])
            for name in FILES
            for one in exchanges(name)
        )
    ]
    assert used == DIFFERENT


def test_the_matrix_of_steps(remote):
    """The 16 pairs with and without a classification: status, fields, whether the token moved, what the log says."""
    rows = json.loads((WIRE / "transition_matrix.json").read_text(encoding="utf-8"))
    assert len(rows) > 16
    for row in rows:
        uuid = remote.add(title=f"{row['frm']} {row['to']} {row['cc']}", severity="High")
        if row["frm"] != "Open":
            remote.edit(uuid, status=row["frm"], **({"close_classification": "Undetermined"} if row["frm"] == "Closed" else {}))
        before = remote.alert(uuid)
        logged_before = len(remote.activity(uuid))
        body = {"status": row["to"]} | ({"close_classification": "False Positive - Inaccurate Data"} if row["cc"] else {})
        answer = remote.request("PATCH", f"/v1/alerts/{uuid}", body=body)
        after = remote.alert(uuid)
        assert answer.status == row["http"], row
        assert (answer.body["error"]["message"] if answer.status >= 400 else None) == row["err"]
        assert (after["updated_at"] != before["updated_at"]) == row["upd_bumped"], row
        moved = {name for name in after if after[name] != before[name]} - {"updated_at"}
        assert moved == row["changed"].keys(), row
        new = [event["event_type"] for event in remote.activity(uuid)][: len(remote.activity(uuid)) - logged_before]
        theirs = [kind for kind in row["events"] if kind not in {"alert_ingested", "alert_enrichment_completed"}]
        if row["frm"] != "Open":
            theirs = theirs[:-1]  # the step that led there
        assert new == theirs, row


def test_fingerprints_are_the_remote_s(remote):
    """Of every generic payload that was read back: title, severity, tags, rule and fingerprint as there."""
    seen, payloads = 0, {}
    for one in recorded("01_ingest"):
        said = one.get("resp_body")
        if one["method"] == "POST" and one["status"] == 202 and isinstance(one["req_body"], dict) and isinstance(said, dict):
            if one["req_body"].get("source_name") == "generic" and not said["data"]["is_duplicate"]:
                payloads[said["data"]["alert_uuid"]] = one["req_body"]
        elif one["method"] == "GET" and one["path"].rpartition("/")[2] in payloads and "data" in said:
            theirs = said["data"]
            answer = remote.request("POST", "/v1/alerts", body=payloads.pop(theirs["uuid"]))
            ours = remote.alert(answer.body["data"]["alert_uuid"])
            for name in ("title", "severity", "tags", "fingerprint", "description", "raw_payload"):
                assert ours[name] == theirs[name], one["case"]
            assert list(ours["raw_payload"]) == list(theirs["raw_payload"])
            assert (ours["detection_rule"] is None) == (theirs["detection_rule"] is None)
            is_told = theirs["occurred_at"] < theirs["created_at"]  # else it said none that can be read: the time of the request
            assert ours["occurred_at"] == theirs["occurred_at"] if is_told else ours["occurred_at"] > ours["created_at"]
            pairs = [{(i["type"], i["value"]) for i in row["indicators"]} for row in (ours, theirs)]
            assert pairs[0] == pairs[1] or theirs["enrichment_status"] == "Pending"  # where the worker lost its job
            seen += 1
    assert seen > 10


def test_the_window_of_duplicates(remote):
    """24 hours from the first one's creation, whenever it was seen last. (The recording moved created_at; here the clock goes.)"""
    rows = [one for one in recorded("10_dedup_window") if one["method"] == "POST"]
    after = [timedelta(0), timedelta(0), timedelta(hours=23, minutes=59), timedelta(hours=24, minutes=1)]
    start, uuids = remote.clock.now, {}
    for one, gone in zip(rows, after, strict=True):
        remote.clock.now = max(remote.clock.now, start + gone)
        answer = remote.request("POST", "/v1/alerts", body=one["req_body"])
        theirs, ours = one["resp_body"]["data"], answer.body["data"]
        assert uuids.setdefault(theirs["alert_uuid"], ours["alert_uuid"]) == ours["alert_uuid"]
        assert {**ours, "alert_uuid": 0} == {**theirs, "alert_uuid": 0}
    assert len(set(uuids.values())) == 2


def test_late_and_lost_commits(remote):
    """As recorded: answered with the new value, read by another key with the old one; or never there at all.

    One difference: there the same key waits for its own commit, as every request locks the key's row. Here it sees the old value
    too, which is the harder case, and the one of a server that does not lock.
    """
    rows = {one["case"]: one for one in recorded("08_races") if "req_body" in one}
    other = remote.client("cai_another-analyst")
    uuid = remote.add(severity="High")
    remote.fail("late_commit", "PATCH", seconds=2)
    for case, client in (("PATCH with 2s COMMIT", remote), ("GET by other key right after", other)):
        answer = client.request(rows[case]["method"], f"/v1/alerts/{uuid}", body=rows[case]["req_body"])
        assert answer.body["data"]["severity"] == rows[case]["resp_body"]["data"]["severity"], case
    remote.wait(2)
    assert remote.request("GET", f"/v1/alerts/{uuid}").body["data"]["severity"] == "Low"

    remote.fail("lost_commit", times=2)
    uuid = remote.add(severity="High")
    assert remote.request("PATCH", f"/v1/alerts/{uuid}", body={"severity": "Low"}).body["data"]["severity"] == "Low"
    made = remote.request("POST", "/v1/alerts", body=rows["POST ingest whose COMMIT fails"]["req_body"])
    assert made.status == rows["POST ingest whose COMMIT fails"]["status"]
    gone = remote.request("GET", f"/v1/alerts/{made.body['data']['alert_uuid']}")
    assert (gone.status, gone.body) == (404, rows["GET uuid returned by 202 whose commit failed"]["resp_body"])
    assert remote.alert(uuid)["severity"] == "High"
