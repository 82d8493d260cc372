"""The fake remote: every fault in memory and on a socket, and what a test sees of the other side."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from alertstore.errors import RemoteRejectedError, RemoteUnavailableError
from alertstore.testing import FakeRemote, FakeRemoteServer, FrozenClock
from alertstore.testing.faults import Kind

SECOND = 1_000_000


# --- faults, each in memory and on a socket ---


class Side:
    """A fake remote and the link to it."""

    def __init__(self, fake, link):
        self.fake = fake
        self.link = link
        self.uuid = fake.add(severity="High", tags=["old"])
        self.path = f"/v1/alerts/{self.uuid}"

    def patch(self, **body):
        return self.link.request("PATCH", self.path, body=body)

    def get(self):
        return self.link.request("GET", self.path)

    def lost(self, **body):
        with pytest.raises(RemoteUnavailableError) as caught:
            self.patch(**body)
        return caught.value

    @property
    def now(self):
        return self.fake.alert(self.uuid)

    @property
    def outcomes(self):
        return [one.outcome for one in self.fake.requests]


@pytest.fixture(params=["in memory", "over HTTP"])
def side(request, fake_remote):
    if request.param == "in memory":
        yield Side(fake_remote, fake_remote)
    else:
        connect = request.getfixturevalue("connect")
        with FakeRemoteServer(fake_remote) as server:
            yield Side(fake_remote, connect(server.url, server.key, sleep=fake_remote.wait))


def test_drop_before(side):
    side.fake.fail("drop_before")
    assert side.lost(tags=["new"]).maybe_done
    assert side.now["tags"] == ["old"]
    assert side.outcomes == ["drop_before"]


def test_drop_after(side):
    side.fake.fail("drop_after")
    assert side.lost(tags=["new"]).maybe_done
    assert side.now["tags"] == ["new"]


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "truncated", "refuse"])
def test_a_get_that_is_lost_is_repeated(side, kind):
    side.fake.fail(kind, "GET", times=2)
    assert side.get().status == 200
    assert side.outcomes == [kind, kind, 200]


def test_refuse_is_done_by_nobody_and_repeated(fake_remote):
    side = Side(fake_remote, fake_remote)
    fault = fake_remote.fail("refuse", "PATCH", times=2)
    assert side.patch(tags=["new"]).status == 200
    assert fault.hits == 2
    fake_remote.fail("refuse", times=None)
    before = fake_remote.micros()
    assert not side.lost(tags=["newer"]).maybe_done
    assert fake_remote.micros() - before >= 15 * SECOND, "it was patient, on its clock"
    with pytest.raises(RemoteUnavailableError) as caught:
        side.get()
    assert not caught.value.maybe_done
    fake_remote.heal()
    assert side.get().body["data"]["tags"] == ["new"]


def test_too_many_requests(side):
    side.fake.fail("status", "PATCH", status=429, retry_after=1)
    before = side.fake.micros()
    assert side.patch(tags=["new"]).status == 200, "surely not done, so it is sent again"
    assert side.outcomes == ["status", 200]
    assert side.fake.micros() - before >= SECOND


def test_too_many_requests_for_longer_than_anybody_waits(fake_remote):
    side = Side(fake_remote, fake_remote)
    fake_remote.fail("status", status=429, times=None)
    assert not side.lost(tags=["new"]).maybe_done
    assert len(side.outcomes) == 5, "60 s each of 300"


@pytest.mark.parametrize(("said", "longest"), [(None, 2), ("0", 2), ("-1", 2), ("soon", 2), ("Wed, 01 May 2024 12:00:00 GMT", 2), ("7", 9)])
def test_what_too_many_requests_may_say(side, said, longest):
    side.fake.fail("status", status=429, retry_after=said)
    before = side.fake.micros()
    assert side.get().status == 200
    assert float(said or 0 if str(said).isdecimal() else 0) <= (side.fake.micros() - before) / SECOND <= longest


def test_come_back_in_thirty_years(side):
    side.fake.fail("status", status=429, retry_after=10**9)
    assert not side.lost(tags=["new"]).maybe_done
    assert side.outcomes == ["status"]


@pytest.mark.parametrize("status", [502, 503, 504])
def test_gateway_errors(side, status):
    side.fake.fail("status", "GET", status=status)
    assert side.get().status == 200
    side.fake.fail("status", "PATCH", status=status)
    assert side.lost(tags=["new"]).maybe_done
    assert side.now["tags"] == ["old"]
    side.fake.fail("status_after", "PATCH", status=status)
    assert side.lost(tags=["new"]).maybe_done
    assert side.now["tags"] == ["new"]


def test_a_500_is_an_answer(side):
    side.fake.fail("status", "PATCH", status=500)
    side.fake.fail("status_after", "PATCH", status=500, after=1)
    for tags in (["old"], ["new"]):
        answer = side.patch(tags=["new"])
        assert (answer.status, answer.body["error"]["code"]) == (500, "INTERNAL_ERROR")
        assert side.now["tags"] == tags


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused(side, status):
    side.fake.fail("status", status=status)
    with pytest.raises(RemoteRejectedError):
        side.get()


def test_late_commit(side):
    side.fake.fail("late_commit", seconds=1000)
    answer = side.patch(tags=["new"])
    assert answer.body["data"]["tags"] == ["new"]
    assert side.get().body["data"]["tags"] == ["old"]
    side.fake.wait(1000)
    assert side.get().body["data"]["updated_at"] == answer.body["data"]["updated_at"]
    assert side.get().body["data"]["tags"] == ["new"]


def test_a_later_write_waits_for_a_late_commit(side):
    side.fake.fail("late_commit", seconds=1000)
    first = side.patch(tags=["new"], status="Closed", close_classification="Duplicate")
    side.fake.edit(side.uuid, status="Triaging")
    assert (side.now["tags"], side.now["status"]) == (["new"], "Triaging")
    assert side.now["closed_at"] == first.body["data"]["closed_at"]
    moves = [(move.before, move.after) for move in side.fake.moves if move.field == "status"]
    assert moves == [("Open", "Closed"), ("Closed", "Triaging")]
    side.fake.wait(1001)
    assert side.now["status"] == "Triaging", "it is not done a second time"


def test_two_that_send_the_same_at_once_make_two(fake_remote):
    """What finds duplicates looks at what is committed; nothing else prevents them."""
    body = {"source_name": "generic", "payload": {"title": "x", "indicators": [{"type": "ip", "value": "192.0.2.1"}]}}
    fake_remote.fail("late_commit", "POST", seconds=10)
    made = [client.request("POST", "/v1/alerts", body=body).body["data"] for client in (fake_remote, fake_remote.client("cai_other-one"))]
    assert [one["is_duplicate"] for one in made] == [False, False]
    fake_remote.wait(10)
    assert set(fake_remote.uuids()) == {one["alert_uuid"] for one in made}
    linked = [fake_remote.alert(one["alert_uuid"])["indicators"] for one in made]
    assert linked[0][0]["uuid"] == linked[1][0]["uuid"], "an indicator is one for all"


def test_lost_commit(side):
    side.fake.fail("lost_commit")
    assert side.patch(tags=["new"]).status == 200
    side.fake.wait(1000)
    assert side.now["tags"] == ["old"]
    assert side.fake.moves == []
    assert [event["event_type"] for event in side.fake.activity(side.uuid)] == ["alert_enrichment_completed", "alert_ingested"]


def test_slow(side):
    before = side.fake.micros()
    side.fake.fail("slow", seconds=0.4)
    assert side.patch(tags=["new"]).status == 200
    side.get()
    assert side.fake.micros() - before >= 0.4 * SECOND


def test_slower_than_anybody_waits(fake_remote):
    side = Side(fake_remote, fake_remote)
    fake_remote.fail("slow", "PATCH", seconds=3600)
    assert side.lost(tags=["new"]).maybe_done
    assert side.now["tags"] == ["new"]
    fake_remote.fail("slow", "GET", seconds=3600)
    assert side.get().status == 200


def test_truncated(side):
    side.fake.fail("truncated", "PATCH")
    assert side.lost(tags=["new"]).maybe_done
    assert side.now["tags"] == ["new"]


def test_html(side):
    side.fake.fail("html", times=2)
    assert side.lost(tags=["new"]).maybe_done
    with pytest.raises(RemoteUnavailableError) as caught:
        side.get()
    assert not caught.value.maybe_done
    assert side.outcomes == ["html", "html"], "no portal goes away by asking again"
    assert side.now["tags"] == ["old"]


def test_duplicate(side):
    side.fake.fail("duplicate", times=3)
    finding = {"agent_name": "a", "summary": "s"}
    assert side.link.request("POST", f"{side.path}/findings", body=finding).status == 201
    assert len(side.now["agent_findings"]) == 2
    answer = side.link.request("POST", "/v1/alerts", body={"source_name": "generic", "payload": {"title": "twice"}})
    assert answer.body["data"]["duplicate_count"] == 1
    assert side.link.request("DELETE", side.path).status == 404
    assert side.now is None


def test_delayed(side):
    side.fake.fail("delayed", "PATCH", seconds=1000)
    assert side.lost(status="Triaging", severity="Low").maybe_done
    side.fake.edit(side.uuid, status="Closed", close_classification="Duplicate")
    assert (side.now["status"], side.now["severity"]) == ("Closed", "High")
    side.fake.wait(1000)
    assert (side.now["status"], side.now["severity"]) == ("Triaging", "Low"), "what nobody can prevent, but see"
    event = next(one for one in side.fake.activity(side.uuid) if one["event_type"] == "alert_status_updated")
    assert event["references"] == {"from_status": "Closed", "to_status": "Triaging"}
    assert event["actor_key_prefix"] == side.fake.key_prefix


def test_edit_between(side):
    side.fake.fail("edit_between", "GET", side.uuid, patch={"tags": ["theirs"]})
    assert side.get().body["data"]["tags"] == ["old"]
    assert side.patch(tags=["ours"]).status == 200
    assert [(move.before, move.after, move.key_prefix) for move in side.fake.moves] == [
        (("old",), ("theirs",), "cai_pers"),
        (("theirs",), ("ours",), side.fake.key_prefix),
    ]


def test_edit_between_by_whatever_a_test_likes(side):
    side.fake.fail("edit_between", "GET", do=lambda: side.fake.forget(side.uuid))
    assert side.get().status == 200
    assert side.patch(tags=["ours"]).status == 404


def test_unknown_enum(side):
    side.fake.fail("unknown_enum", "GET", times=2, without=("rule", "malice"))
    row = side.get().body["data"]
    assert (row["status"], row["severity"], row["tags"], row["assignee"]) == ("Investigating", "Urgent", None, "j.doe")
    assert "malice" not in row
    rows = side.link.request("GET", "/v1/alerts").body["data"]
    assert {row["status"] for row in rows} == {"Investigating"}
    assert side.get().body["data"]["status"] == "Open"


def test_clock_skew(side):
    true = side.get().date
    side.fake.fail("clock_skew", seconds=-86_400)
    assert abs(side.get().date - true + 86_400 * SECOND) < 60 * SECOND
    assert abs(side.get().date - true) < 60 * SECOND


def test_faults_work_one_inside_the_other(fake_remote):
    side = Side(fake_remote, fake_remote)
    fake_remote.fail("drop_after", "PATCH")
    fake_remote.fail("late_commit", "PATCH", seconds=60)
    assert side.lost(tags=["new"]).maybe_done
    assert side.now["tags"] == ["old"]
    fake_remote.wait(60)
    assert side.now["tags"] == ["new"]


def test_which_requests_are_struck(fake_remote):
    side = Side(fake_remote, fake_remote)
    other = Side(fake_remote, fake_remote)
    fault = fake_remote.fail("status", "PATCH", f"{side.uuid}$", status=500, after=1, times=2)
    assert [side.patch(tags=[str(turn)]).status for turn in range(5)] == [200, 500, 500, 200, 200]
    assert other.patch(tags=["x"]).status == 200
    assert (fault.hits, fault.left) == (2, 0)
    fake_remote.fail("status", path=r"page=2\b", status=500)
    assert [fake_remote.request("GET", "/v1/alerts", query={"page": page}).status for page in (1, 20, 2)] == [200, 200, 500]


def test_a_fault_refuses_what_it_does_not_know(fake_remote):
    with pytest.raises(TypeError, match="seconds"):
        fake_remote.fail("late_commit", second=3)
    with pytest.raises(TypeError, match="no fault"):
        fake_remote.fail("nonsense")


def test_every_kind_of_fault_is_tested_here():
    with open(__file__, encoding="utf-8") as file:
        text = file.read()
    assert [kind for kind in get_args(Kind) if f'fail("{kind}"' not in text] == []


# --- the other side ---


def test_clients_share_the_server_and_are_told_apart(fake_remote):
    other = fake_remote.client("cai_other-analyst")
    uuid = fake_remote.add()
    fake_remote.request("PATCH", f"/v1/alerts/{uuid}", body={"severity": "Low"})
    other.request("PATCH", f"/v1/alerts/{uuid}", body={"severity": "High"})
    fake_remote.edit(uuid, severity="Medium", key="cai_third-one")
    told = [one["actor_key_prefix"] for one in fake_remote.activity(uuid) if one["event_type"] == "alert_severity_updated"]
    assert told == ["cai_thir", "cai_othe", "cai_ours"]
    assert [one.key_prefix for one in fake_remote.requests] == ["cai_ours", "cai_othe"]
    assert other.requests is fake_remote.requests


def test_values_and_moves_tell_all_that_was(fake_remote):
    uuid = fake_remote.add(severity="High", status="Closed", close_classification="Duplicate", malice_override="Benign", tags=["a"])
    fake_remote.edit(uuid, status="Open", severity="High", tags=["a"])
    fake_remote.edit(uuid, reset_malice_override=True, tags=[])
    fake_remote.forget(uuid)
    assert fake_remote.alert(uuid) is None
    values = fake_remote.values(uuid)
    assert values.lifecycle == [("Open", None), ("Closed", "Duplicate"), ("Open", "Duplicate")]
    assert (values.severity, values.malice, values.tags) == (["High"], [None, "Benign", None], [("a",), ()])
    assert [(move.field, move.after) for move in fake_remote.moves] == [
        ("status", "Closed"),
        ("close_classification", "Duplicate"),
        ("malice_override", "Benign"),
        ("status", "Open"),
        ("malice_override", None),
        ("tags", ()),
    ]


def test_an_edit_that_is_refused_is_an_error_of_the_test(fake_remote):
    with pytest.raises(ValueError, match="close_classification is required"):
        fake_remote.edit(fake_remote.add(), status="Closed")


def test_restore_brings_back_and_takes_away(fake_remote):
    old = fake_remote.add(severity="High", tags=["a"], indicators=[{"type": "ip", "value": "192.0.2.1"}])
    backup = fake_remote.snapshot()
    before = fake_remote.alert(old)
    fake_remote.edit(old, severity="Low", tags=["b"])
    new = fake_remote.add()
    fake_remote.restore(backup)
    assert fake_remote.alert(old) == before
    assert fake_remote.alert(new) is None
    assert fake_remote.uuids() == [old]
    assert fake_remote.values(old).severity == ["High", "Low", "High"]
    made = fake_remote.request("POST", "/v1/alerts", body={"source_name": "generic", "payload": before["raw_payload"]})
    assert made.body["data"]["is_duplicate"], "what finds duplicates is restored too"
    fake_remote.edit(old, severity="Critical")
    fake_remote.restore(backup)
    assert fake_remote.alert(old) == before, "a backup can be restored again"


def test_what_is_under_way_comes_to_the_restored_server_too(fake_remote):
    uuid = fake_remote.add(severity="High", tags=[])
    backup = fake_remote.snapshot()
    fake_remote.fail("delayed", "PATCH", seconds=60)
    with pytest.raises(RemoteUnavailableError):
        fake_remote.request("PATCH", f"/v1/alerts/{uuid}", body={"tags": ["late"]})
    fake_remote.fail("late_commit", "PATCH", seconds=60)
    fake_remote.request("PATCH", f"/v1/alerts/{uuid}", body={"severity": "Low"})
    fake_remote.restore(backup)
    fake_remote.wait(120)
    assert (fake_remote.alert(uuid)["tags"], fake_remote.alert(uuid)["severity"]) == (["late"], "High")


def test_wipe_leaves_another_server(fake_remote):
    uuid = fake_remote.add(title="x")
    fake_remote.wipe()
    assert fake_remote.request("GET", f"/v1/alerts/{uuid}").status == 404
    assert fake_remote.request("GET", "/v1/alerts").body["meta"]["total"] == 0
    assert fake_remote.add(title="x") != uuid


def test_put_writes_past_every_rule(fake_remote):
    uuid = fake_remote.add()
    token = fake_remote.alert(uuid)["updated_at"]
    fake_remote.put(uuid, status="Investigating", severity="Urgent", tags=None, assignee="j.doe")
    for row in (
        fake_remote.request("GET", f"/v1/alerts/{uuid}").body["data"],
        *fake_remote.request("GET", "/v1/alerts", query={"sort_by": "severity"}).body["data"],
        fake_remote.request("PATCH", f"/v1/alerts/{uuid}", body={}).body["data"],
    ):
        assert (row["status"], row["severity"], row["tags"], row["assignee"]) == ("Investigating", "Urgent", None, "j.doe")
        assert row["updated_at"] != token


def test_enrichment_moves_the_token_alone(fake_remote):
    uuid = fake_remote.add()
    before = fake_remote.alert(uuid)
    fake_remote.enrich(uuid)
    after = fake_remote.alert(uuid)
    assert {name for name in after if after[name] != before[name]} == {"updated_at", "enriched_at"}


def test_ties_have_no_order(fake_remote):
    uuids = {fake_remote.add(occurred_at="2024-05-01T00:00:00Z") for _ in range(60)}

    def scan():
        pages = [fake_remote.request("GET", "/v1/alerts", query={"page": page, "page_size": 10}).body for page in range(1, 7)]
        return [row["uuid"] for page in pages for row in page["data"]]

    found = scan()
    assert len(found) == 60
    assert len(set(found)) < 60, "some come twice, so some never"
    assert set(found) < uuids
    assert scan() != found


def test_the_same_calls_give_the_same_answers():
    def story(seed):
        remote = FakeRemote(seed=seed)
        uuids = [remote.add(occurred_at="2024-05-01T00:00:00Z") for _ in range(9)]
        remote.fail("late_commit", "PATCH", seconds=3, times=None)
        said = [remote.request("PATCH", f"/v1/alerts/{uuid}", body={"status": "Triaging"}) for uuid in uuids]
        said += [remote.request("GET", "/v1/alerts"), *(remote.request("GET", f"/v1/alerts/{uuid}/activity") for uuid in uuids)]
        return json.dumps(said)

    assert story(1) == story(1)
    assert story(1) != story(2)


def test_answers_are_the_caller_s_own(fake_remote):
    """What a caller does to an answer, or to a body after it was sent, changes nothing there."""
    body = {"tags": ["a"]}
    uuid = fake_remote.add(indicators=[{"type": "ip", "value": "192.0.2.1"}], nested={"list": [1]})
    fake_remote.request("PATCH", f"/v1/alerts/{uuid}", body=body)
    body["tags"].append("b")
    assert fake_remote.requests[-1].body == {"tags": ["a"]}
    before = json.dumps(fake_remote.alert(uuid))
    for path in ("", "/activity", "/indicators"):
        answer = fake_remote.request("GET", f"/v1/alerts/{uuid}{path}")
        data = answer.body["data"]
        for row in data if isinstance(data, list) else [data["raw_payload"]["nested"], *data["indicators"], data]:
            row.get("references", row).clear()
            row.clear()
    assert json.dumps(fake_remote.alert(uuid)) == before
    assert len(fake_remote.activity(uuid)[0]["references"]) > 0


def test_indicators_alone_do_not_move_the_token(fake_remote):
    uuid = fake_remote.add()
    token = fake_remote.alert(uuid)["updated_at"]
    for enrich, moves in (("false", False), ("true", True)):
        body = {"indicators": [{"type": "ip", "value": f"192.0.2.{len(enrich)}"}]}
        assert fake_remote.request("POST", f"/v1/alerts/{uuid}/indicators", query={"enrich": enrich}, body=body).status == 201
        assert (fake_remote.alert(uuid)["updated_at"] != token) is moves


def test_time_is_the_clock_s():
    clock = FrozenClock()
    remote = FakeRemote(clock=clock)
    start = clock.now
    uuid = remote.add()
    remote.wait(3600)
    assert (clock.now - start).total_seconds() == pytest.approx(3600.35)
    clock.advance(days=400)
    date = remote.request("GET", f"/v1/alerts/{uuid}").date
    assert date == remote.micros() // SECOND * SECOND
    tokens = [remote.edit(uuid, tags=[str(turn)])["updated_at"] for turn in range(3)]
    clock.now = start
    tokens += [remote.edit(uuid, tags=["back"])["updated_at"]]
    for turn in range(3):
        clock.now = start
        tokens += [remote.edit(uuid, tags=["still", str(turn)])["updated_at"]]
    assert len(set(tokens)) == 7


def test_a_key_that_nobody_knows(fake_remote, connect):
    with FakeRemoteServer(fake_remote) as server:
        with pytest.raises(RemoteRejectedError, match="Invalid API key"):
            connect(server.url, "cai_unknown-0123456789").request("GET", "/v1/alerts")
        with pytest.raises(RemoteRejectedError, match="format"):
            connect(server.url, "unknown-0123456789").request("GET", "/v1/alerts")
