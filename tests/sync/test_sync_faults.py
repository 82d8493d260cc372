"""Sync over a real socket where everything goes wrong that a link and a remote can do: every edit has its effect once."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from functools import partial
from random import Random

import pytest

pytest.importorskip("httpx2", reason="httpx2 is not installed (extra sync)")

import sync_cases as cases
from sync_cases import STEPS, Stage

from alertstore.domain.plan import Action
from alertstore.errors import RemoteRejectedError, RemoteUnavailableError, SyncError

KINDS = {
    "refused": ("refuse", {}),
    "lost, not done": ("drop_before", {}),
    "lost, done": ("drop_after", {}),
    "lost, done 4 s later": ("delayed", {"seconds": 4}),
    "lost, done 25 s later": ("delayed", {"seconds": 25}),
    "cut short": ("truncated", {}),
    "a captive portal": ("html", {}),
    "delivered twice": ("duplicate", {}),
    **{f"{status}, not done": ("status", {"status": status}) for status in (429, 500, 502, 503, 504)},
    **{f"{status}, done": ("status_after", {"status": status}) for status in (500, 502, 503, 504)},
    "200, never committed": ("lost_commit", {}),
    **{f"200, committed {seconds} s later": ("late_commit", {"seconds": seconds}) for seconds in (0.3, 5, 40)},
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with Stage(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture
def bench(stage):
    return stage.set()


def sync_through(bench, scripted, rounds=40, **how):
    """Sync, with a minute between two tries, until every fault has struck and nothing fails any more; the errors that ended a sync."""
    ends = []
    for _ in range(rounds):
        try:
            done = bench.sync(**how)
        except (RemoteUnavailableError, SyncError) as fault:
            ends.append(fault)
        else:
            if not done.failed and all(one.hits for one in scripted):
                return ends
        bench.sleep(60)
    raise AssertionError(f"no sync came through: {ends[-1:]}, {[one.hits for one in scripted]}")


def settled(kind):
    """How a sync must be told to have patience where the remote takes longer than any that we know."""
    return {"policy": {"settle": 60}} if "40 s" in kind else {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_every_kind_of_request(bench, promise, kind):
    """Each kind of request is struck once, all in a row of syncs."""
    fault, how = KINDS[kind]
    scripted = [bench.remote.fail(fault, method, path, **how) for method, path in STEPS.values()]
    sync_through(bench, scripted, **settled(kind))
    assert [one.hits for one in scripted] == [1] * len(STEPS)
    cases.sync_until_quiet(bench)
    cases.check_all_arrived(bench, findings=2 if kind == "delivered twice" else 1)
    promise("an edit has its effect on the remote once, whatever fails on the way", f"{len(STEPS)} requests struck in {len(KINDS)} ways")


REQUESTS = 24
"""What the scene's sync takes."""


def test_the_scene_takes_so_many_requests(bench):
    bench.sync()
    assert len(bench.remote.requests) == REQUESTS
    assert cases.sync_until_quiet(bench) == []
    cases.check_all_arrived(bench)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_at_each_request(stage, promise, kind):
    fault, how = KINDS[kind]
    for number in range(REQUESTS):
        bench = stage.set()
        scripted = bench.remote.fail(fault, after=number, **how)
        with cases.told(number=number):
            sync_through(bench, [scripted], **settled(kind))
            struck = bench.asked()[number]
            cases.sync_until_quiet(bench)
            twice = kind == "delivered twice" and struck[0] == "POST" and struck[1].endswith("/findings")
            cases.check_all_arrived(bench, findings=2 if twice else 1)
    promise(
        "an edit has its effect on the remote once, whatever fails on the way",
        f"{REQUESTS} requests struck one by one in {len(KINDS)} ways",
    )


@cases.steps(6)
@pytest.mark.parametrize("kind", ["refused", "a captive portal", "503, not done"])
def test_a_remote_that_goes_away_and_comes_back(stage, kind, step):
    """From one request on nothing gets through; what was done until then is kept, and the next sync goes on."""
    fault, how = KINDS[kind]
    for number in range(0, REQUESTS, step):
        bench = stage.set()
        bench.remote.fail(fault, times=None, after=number, **how)
        with cases.told(number=number):
            with pytest.raises(RemoteUnavailableError):
                bench.sync()
            cases.check_sound(bench)
            cases.sync_until_quiet(bench)
            cases.check_all_arrived(bench)


@pytest.mark.parametrize("step", ["GET alert", "PATCH", "POST alert", "POST finding", "POST indicators"])
def test_an_answer_that_comes_too_late(bench, step):
    """In real time: the remote does what it is asked, after we have hung up."""
    bench.remote.fail("slow", *STEPS[step], seconds=0.35)
    bench.sync(timeout=0.15)
    cases.sync_until_quiet(bench)
    cases.check_all_arrived(bench)


@pytest.mark.parametrize("step", ["PATCH", "POST alert", "POST finding", "POST indicators"])
def test_nothing_counts_as_done_that_is_never_seen(bench, step):
    """The remote says 200 and commits nothing, again and again."""
    bench.remote.fail("lost_commit", *STEPS[step], times=None)
    done = bench.sync()
    expected = {"PATCH": {"edited", "noted", "made here"}, "POST alert": {"made here"}}.get(step, {"noted"})
    assert {uuid for uuid, _ in done.failed} == {bench.uuids[name] for name in expected}
    with bench.open() as store:
        told = cases.outcomes(store)
    names = {uuid: name for name, uuid in bench.uuids.items()}
    delivered = {names[uuid] for (uuid, _, _), said in told.items() if "delivered" in said}
    assert delivered == {"edited", "noted", "made here"} - (expected if step in {"PATCH", "POST alert"} else set())
    cases.sync_until_quiet(bench)
    cases.check_all_arrived(bench)


def test_an_indicator_alone_that_is_never_committed(bench):
    """Nothing else moves the alert's token then."""
    bench.sync()
    with bench.open() as store:
        store.add_indicators(bench.uuids["idle"], [("ip", "203.0.113.9")])
    bench.remote.fail("lost_commit", "POST", "/indicators")
    bench.sync()
    cases.sync_until_quiet(bench)
    assert [one["value"] for one in bench.remote.alert(bench.uuids["idle"])["indicators"]] == ["203.0.113.9"]


@cases.steps(6)
@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_in_the_middle_stops_the_sync(stage, status, step):
    for number in range(0, REQUESTS, step):
        bench = stage.set()
        bench.remote.fail("status", after=number, times=None, status=status)
        with cases.told(number=number):
            with pytest.raises(RemoteRejectedError):
                bench.sync()
            assert len(bench.remote.requests) == number + 1, "nothing more is asked with that key"
            cases.check_sound(bench)
            cases.sync_until_quiet(bench)
            cases.check_all_arrived(bench)


def test_a_source_that_the_key_may_not_send(bench):
    bench.remote.fail("status", *STEPS["POST alert"], times=None, status=403)
    with pytest.raises(RemoteRejectedError):
        bench.sync()
    assert bench.moved()[bench.uuids["edited"], "status", cases.CLOSED] == 1, "what came before it is done"
    cases.sync_until_quiet(bench)
    cases.check_all_arrived(bench)


@pytest.mark.parametrize("step", ["GET alert", "PATCH", "GET activity"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_alert_that_is_deleted_in_the_middle(bench, step, when):
    """It stays here with its edit, is never made there again, and the others are not touched."""
    uuid, remote = bench.uuids["edited"], bench.remote
    method, path = {"GET alert": ("GET", f"/{uuid}"), "PATCH": ("PATCH", f"/{uuid}"), "GET activity": ("GET", f"/{uuid}/activity")}[step]
    hits = []

    def forget(_, call):
        if not hits and call.method == method and call.path.endswith(path):
            hits.append(call)
            remote.forget(uuid)

    setattr(remote, when, forget)
    bench.sync()
    assert len(hits) == 1
    cases.sync_until_quiet(bench)
    assert remote.alert(uuid) is None
    assert len(remote.uuids()) == 5
    with bench.open() as store:
        alert = store.get(uuid)
        assert (str(alert.status), str(alert.severity)) == (cases.CLOSED, "Critical"), "the edit is not lost"
        told = {key: said for key, said in cases.outcomes(store).items() if key[0] == uuid}
        waits = {one.register for one in store.conflicts()}
        assert all(len(said) == 1 for said in told.values())
        assert ({register for _, register, _ in told} or waits) == {"lifecycle", "severity", "malice", "tag:y"}
        assert {one.kind for one in store.conflicts() if one.uuid == uuid} <= {"gone"}
        assert store.verify().ok
    assert {(uuid, field) for uuid, field, _ in bench.moved()} >= {(bench.uuids["noted"], "status"), (bench.there("made here"), "status")}


def test_one_edit_among_many_is_refused(bench):
    """It waits for a person, the others arrive; when the person says so, it is sent again."""
    bench.remote.fail("status", "PATCH", bench.uuids["edited"], status=422)
    done = bench.sync()
    assert [uuid for uuid, _ in done.failed] == [bench.uuids["edited"]]
    with bench.open() as store:
        waits = store.conflicts()
        assert {(one.uuid, one.register, one.kind) for one in waits} == {
            (bench.uuids["edited"], register, "rejected") for register in ("lifecycle", "severity", "malice", "tag:y")
        }
    assert cases.sync_until_quiet(bench) == [], "it is not sent again by itself"
    assert not any(uuid == bench.uuids["edited"] for uuid, _, _ in bench.moved())
    with bench.open() as store:
        assert str(store.get(bench.uuids["edited"]).severity) == "Medium", "what is held shows the remote's value"
        for one in waits:
            store.resolve(one.uuid, one.register, take="local")
    cases.sync_until_quiet(bench)
    check_resolved(bench)


def check_resolved(bench):
    names = {bench.there(name): name for name in bench.uuids}
    assert {(names[uuid], field, value): n for (uuid, field, value), n in bench.moved().items()} == cases.REFERENCE
    with bench.open() as store:
        assert store.conflicts() == []
        assert all(len(said) == 1 for said in cases.outcomes(store).values())
        assert store.verify().ok


def test_one_alert_among_many_is_refused(bench):
    bench.remote.fail("status", *STEPS["POST alert"], status=422)
    bench.sync()
    with bench.open() as store:
        assert [(one.uuid, one.register, one.kind) for one in store.conflicts()] == [(bench.uuids["made here"], "create", "rejected")]
    cases.sync_until_quiet(bench)
    assert len(bench.remote.uuids()) == 5
    with bench.open() as store:
        store.resolve(bench.uuids["made here"], "create", take="local")
    cases.sync_until_quiet(bench)
    cases.check_all_arrived(bench)


def test_a_finding_is_refused_and_the_rest_arrives(bench):
    bench.remote.fail("status", *STEPS["POST finding"], status=422)
    assert [uuid for uuid, _ in bench.sync().failed] == [bench.uuids["noted"]]
    assert len(bench.remote.uuids()) == 6
    cases.sync_until_quiet(bench)
    cases.check_all_arrived(bench)


def test_a_finding_that_another_one_overwrote(bench):
    """Two come at once, one is lost; then the next is lost too."""
    bench.remote.fail("lost_commit", *STEPS["POST finding"], times=2)
    sync_through(bench, [])
    cases.sync_until_quiet(bench)
    cases.check_all_arrived(bench)


def edit(call):
    """What happens between two pages of a list."""
    return {
        "one is made": lambda bench: bench.remote.add(title="late", occurred_at="2024-05-01T09:00:00Z"),
        "one is deleted": lambda bench: bench.remote.forget(bench.uuids["idle"]),
        "one is closed": lambda bench: bench.remote.edit(bench.uuids["idle"], status="Closed", close_classification="Duplicate"),
        "one is changed": lambda bench: bench.remote.edit(bench.uuids["idle"], severity="Critical"),
    }[call]


@cases.steps(4)
@pytest.mark.parametrize("audit", [False, True])
@pytest.mark.parametrize("what", ["one is made", "one is deleted", "one is closed", "one is changed"])
def test_lists_that_change_while_they_are_read(stage, promise, what, audit, step):
    """Before one page: nothing is missed, and nothing is taken for gone that is there."""
    pages = range(1, (12 if audit else 8) + 1, step)
    for number in pages:
        bench, count = stage.set(), [0]

        def strike(_, call, bench=bench, count=count, number=number):
            if (call.method, call.path) == ("GET", "/v1/alerts"):
                count[0] += 1
                if count[0] == number:
                    edit(what)(bench)

        bench.remote.before = strike
        with cases.told(number=number), cases.small_pages():
            bench.sync(audit=audit)
            assert count[0] >= number
            bench.remote.before = lambda *_: None
            cases.sync_until_quiet(bench)
            check_nothing_hidden(bench, what)
    promise(
        "a list that changes while its pages are read hides nothing",
        f"before {len(pages)} pages {'of an audit ' if audit else ''}({what})",
    )


def check_nothing_hidden(bench, what):
    with bench.open() as store:
        gone = {one.uuid for one in store.conflicts()}
        there = {one.uuid for one in store.alerts(limit=100).items} - gone
        assert (len(there), store.count()) == {"one is made": (7, 7), "one is deleted": (6, 6)}.get(what, (6, 6))
        known = bench.remote.alert(bench.uuids["idle"])
        if known is not None:
            cases.check_same(store.get(bench.uuids["idle"]), known)
        assert store.verify().ok


@pytest.mark.parametrize("fault", ["429", "503"])
def test_a_remote_that_has_enough_in_the_middle_of_a_list(bench, fault):
    bench.remote.fail("status", "GET", "page=2", times=3, status=int(fault), retry_after=7)
    with cases.small_pages():
        bench.sync()
    cases.sync_until_quiet(bench)
    cases.check_all_arrived(bench)


def test_a_remote_that_has_enough_for_good(bench):
    before = cases.kept(bench)
    bench.remote.fail("status", "GET", "page=2", times=None, status=429)
    with cases.small_pages(), pytest.raises(RemoteUnavailableError):
        bench.sync()
    cases.check_nothing_done(bench, before, 0)


RACES = {
    "status": ({"status": "Escalated"}, "lifecycle", ["Escalated", None]),
    "severity": ({"severity": "Low"}, "severity", "Low"),
    "malice": ({"malice_override": "Benign"}, "malice", "Benign"),
}


@pytest.mark.parametrize("what", RACES)
def test_somebody_edits_between_our_look_and_our_write(bench, what):
    """Nobody can prevent that ours undoes it; but it is told, and can be put right."""
    patch, register, theirs = RACES[what]
    uuid = bench.uuids["edited"]
    bench.remote.fail("edit_between", "GET", f"{uuid}$", patch=patch)
    bench.sync()
    with bench.open() as store:
        (told,) = store.conflicts()
        assert (told.uuid, told.register, told.kind, told.remote) == (uuid, register, "raced", theirs)
    assert cases.sync_until_quiet(bench) == []
    cases.check_all_but_conflicts(bench)
    with bench.open() as store:
        store.resolve(uuid, register, take="remote")
    cases.sync_until_quiet(bench)
    said = bench.remote.alert(uuid)
    assert {name: said[name] for name in patch} == patch
    with bench.open() as store:
        cases.check_same(store.get(uuid), said)
        assert store.conflicts() == []


def test_a_tag_that_somebody_sets_between_our_look_and_our_write_is_lost(bench):
    """The remote takes tags as one list, and its log says nothing of them: what is lost here cannot be known."""
    uuid = bench.uuids["edited"]
    bench.remote.fail("edit_between", "GET", f"{uuid}$", patch={"tags": ["x", "theirs"]})
    bench.sync()
    cases.sync_until_quiet(bench)
    assert bench.remote.alert(uuid)["tags"] == ["x", "y"]
    cases.check_all_arrived(bench)


def test_an_edit_of_something_else_between_our_look_and_our_write_is_kept(bench):
    uuid = bench.uuids["noted"]
    bench.remote.fail("edit_between", "GET", f"{uuid}$", patch={"severity": "Low", "tags": ["theirs"]})
    bench.sync()
    cases.sync_until_quiet(bench)
    said = bench.remote.alert(uuid)
    assert (said["status"], said["severity"], said["tags"]) == ("Triaging", "Low", ["theirs"])
    cases.check_all_arrived(bench)


def test_words_that_are_not_ours_come_back_as_they_were(bench):
    """A newer remote's status, severity and fields are shown as the least that is known, and never sent back as that."""
    uuid = bench.uuids["idle"]
    bench.remote.put(uuid, status="Investigating", severity="Urgent", malice_override="Odd", assignee="j.doe")
    bench.sync()
    with bench.open() as store:
        alert = store.get(uuid)
        assert (str(alert.status), str(alert.severity), str(alert.malice_override)) == ("Open", "Pending", "Pending")
        store.patch(uuid, tags=["x", "ours"])
    sent = len(bench.remote.requests)
    bench.sync()
    assert [one.body for one in bench.remote.requests[sent:] if one.method == "PATCH"] == [{"tags": ["x", "ours"]}]
    said = bench.remote.alert(uuid)
    assert (said["status"], said["severity"], said["malice_override"], said["assignee"]) == ("Investigating", "Urgent", "Odd", "j.doe")
    with bench.open() as store:
        store.patch(uuid, status="Triaging", severity="High")
    cases.sync_until_quiet(bench)
    said = bench.remote.alert(uuid)
    assert (said["status"], said["severity"], said["malice_override"]) == ("Triaging", "High", "Odd")
    cases.check_sound(bench)


OPTIONAL = ("description", "fingerprint", "indicators", "agent_findings", "detection_rule", "raw_payload", "malice_override", "closed_at")


def test_fields_that_are_missing_null_or_new(bench):
    bench.remote.fail("unknown_enum", "GET", times=None, row={"tags": None, "assignee": {"deep": [1]}}, without=OPTIONAL)
    bench.sync(push=False)
    with bench.open() as store:
        assert store.count() == 6
        assert store.get(bench.uuids["new there"]).tags == ()
    cases.check_sound(bench)


@pytest.mark.parametrize("name", ["uuid", "title", "status", "severity", "updated_at"])
def test_rows_and_alerts_without_what_must_be_there_are_named_and_nothing_is_made_of_them(bench, name):
    before = cases.kept(bench)
    bench.remote.fail("unknown_enum", "GET", times=None, row={}, without=[name])
    failed = [what for _, what in bench.sync(push=False).failed]
    assert any("rows of the remote's lists cannot be read" in what for what in failed)
    cases.check_nothing_done(bench, before, 0)
    assert any(f"{name}:" in what for _, what in bench.sync().failed)  # the alerts themselves, when they are looked at
    assert {method for method, _ in cases.writes(bench)} <= {"POST"}  # what is made there needs no look before
    cases.sync_until_quiet(bench)
    cases.check_all_arrived(bench)


@pytest.mark.parametrize("kind", ["lost, done", "lost, done 25 s later", "lost, not done"])
@pytest.mark.parametrize("skew", [-86_400, 86_400, None])
def test_a_remote_whose_clock_is_wrong_or_unknown(bench, monkeypatch, skew, kind):
    """Only times of the remote are compared with each other; where it tells none, the whole patience is taken."""
    if skew is None:
        monkeypatch.setattr("alertstore.sync.http.server_time", lambda _: None)
    else:
        bench.remote.fail("clock_skew", times=None, seconds=skew)
    fault, how = KINDS[kind]
    scripted = [bench.remote.fail(fault, *STEPS[step], **how) for step in ("PATCH", "POST alert", "POST finding")]
    sync_through(bench, scripted)
    cases.sync_until_quiet(bench)
    cases.check_all_arrived(bench)
    with bench.open() as store, bench.link() as link:
        plan = store.sync(link, dry_run=True)
    assert plan.skew is None if skew is None else plan.skew is not None


def test_an_alert_that_the_remote_takes_for_one_that_it_has(bench):
    """The same title from somebody else within a day: the two become one there, and it is told here."""
    theirs = bench.remote.add(title="made here", severity="High")
    bench.sync(pull=False)
    assert len(bench.remote.uuids()) == 6
    cases.sync_until_quiet(bench)
    with bench.open() as store:
        alert = store.get(bench.uuids["made here"])
        said = bench.remote.alert(theirs)
        assert said["duplicate_count"] == 1
        cases.check_same(alert, said)
        assert store.count() == 6
        assert store.verify().ok


def test_another_server_behind_the_same_address(bench):
    before = cases.kept(bench)
    bench.remote.wipe()
    for n in range(5):
        bench.remote.add(title=f"of another {n}")
    with pytest.raises(SyncError, match="wiped, or it is another one"):
        bench.sync()
    cases.check_nothing_done(bench, before, 0)


def test_a_server_that_was_wiped(bench):
    before = cases.kept(bench)
    bench.remote.wipe()
    with pytest.raises(SyncError, match="wiped, or it is another one"):
        bench.sync()
    cases.check_nothing_done(bench, before, 0)


def test_a_server_that_was_restored_from_a_backup(bench):
    """Nothing is done until a person has looked; then nothing of ours is lost, and nothing is sent that was not edited here."""
    backup = bench.remote.snapshot()
    for name in ("idle", "changed there", "noted"):
        bench.remote.edit(bench.uuids[name], severity="Low")
    cases.sync_until_quiet(bench)
    bench.remote.restore(backup)
    before, sent = cases.kept(bench), len(bench.remote.requests)
    with pytest.raises(SyncError, match="restored from a backup"):
        bench.sync()
    cases.check_nothing_done(bench, before, sent)
    bench.sync(force=True)
    cases.check_sound(bench)
    with bench.open() as store:
        for name in ("idle", "changed there"):
            cases.check_same(store.get(bench.uuids[name]), bench.remote.alert(bench.uuids[name]))


def test_another_address(bench):
    bench.sync()
    before, sent = cases.kept(bench), len(bench.remote.requests)
    with bench.open() as store, bench.link() as link:
        link._name = link._name.replace("127.0.0.1", "localhost")
        with pytest.raises(SyncError, match="this store syncs with"):
            store.sync(link)
    cases.check_nothing_done(bench, before, sent)
    cases.check_all_arrived(bench)


def test_more_closed_than_is_plausible(bench):
    made = [bench.remote.add(title=f"one of many {n}") for n in range(25)]
    cases.sync_until_quiet(bench)
    for uuid in made[:22]:
        bench.remote.edit(uuid, status="Closed", close_classification="Duplicate")
    before, sent = cases.kept(bench), len(bench.remote.requests)
    with pytest.raises(SyncError, match="would be closed"):
        bench.sync()
    cases.check_nothing_done(bench, before, sent)
    bench.sync(force=True)
    with bench.open() as store:
        assert store.count(status="Closed") == 23


def test_more_to_send_than_is_plausible_where_both_sides_changed(bench):
    """What is pulled is merged, and that sends too: the guard comes before."""
    cases.sync_until_quiet(bench)
    names = ("idle", "changed there", "new there")
    with bench.open() as store:
        for name in names:
            store.patch(bench.uuids[name], tags=["ours"])
    for name in names:
        bench.remote.edit(bench.uuids[name], severity="Critical")
    before, sent = cases.kept(bench), len(bench.remote.requests)
    with pytest.raises(SyncError, match="3 alerts are to be sent"):
        bench.sync(policy={"max_writes": 2})
    cases.check_nothing_done(bench, before, sent)
    assert bench.sync(policy={"max_writes": 3}).count(Action.PUSH) == 3


@pytest.mark.parametrize("number", [0, 8, 15, 20])
def test_alerts_that_were_not_to_be_made_are_made_when_they_are(bench, number):
    """Also where the sync that is to make them does not come through."""
    bench.sync(policy={"create": False})
    assert len(bench.remote.uuids()) == 5
    bench.remote.fail("status", times=None, after=number, status=401)
    with suppress(RemoteRejectedError):
        bench.sync()
    cases.sync_until_quiet(bench)
    cases.check_all_arrived(bench)


def test_more_to_send_than_is_plausible(bench):
    before = cases.kept(bench)
    with pytest.raises(SyncError, match="are to be sent"):
        bench.sync(pull=False, policy={"max_writes": 2})
    cases.check_nothing_done(bench, before, 0)
    cases.sync_until_quiet(bench)
    cases.check_all_arrived(bench)


class Stalled:
    """A link that is held up right before or right after its n-th request, while something else is done."""

    def __init__(self, link, number, when, meanwhile):
        self.link, self.left, self.when, self.meanwhile = link, number, when, meanwhile
        self.struck = None

    def __getattr__(self, name):
        return getattr(self.link, name)

    def request(self, method, path, **how):
        self.left -= 1
        if not self.left:
            self.struck = method, path.rpartition("/")[2]
            if self.when == "before":
                self.meanwhile()
        answer = self.link.request(method, path, **how)
        if not self.left and self.when == "after":
            self.meanwhile()
        return answer


@cases.steps(8)
@pytest.mark.parametrize("when", ["before", "after"])
def test_another_sync_of_the_same_store_comes_in_between(stage, promise, when, step):
    """A sync is held up for longer than its patience, at a request; another one of the same file does it all meanwhile."""
    places = range(1, REQUESTS + 1, step)
    for number in places:
        bench = stage.set()

        def meanwhile(bench=bench):
            bench.sleep(60)
            bench.sync()

        with cases.told(number=number):
            with bench.open() as store, bench.link() as link:
                stalled = Stalled(link, number, when, meanwhile)
                store.sync(stalled)
            cases.sync_until_quiet(bench)
            held_up = stalled.struck == ("POST", "findings") and when == "before"  # the remote has no way to know a finding again
            cases.check_all_arrived(bench, findings=2 if held_up else 1)
    promise("two syncs of one store at once do nothing twice", f"one within the other, {when} each of {len(places)} requests")


@pytest.mark.parametrize("number", range(5, 9))
def test_another_sync_links_what_this_one_has_just_listed(bench, number):
    """An alert was made there and the answer lost; one sync has it in its list as a new one, while another finds out whose it is."""
    bench.remote.fail("drop_after", *STEPS["POST alert"])
    gone = bench.remote.fail("refuse", times=None, after=20)
    with pytest.raises(RemoteUnavailableError):
        bench.sync()
    assert gone.hits
    assert len(bench.remote.uuids()) == 6
    bench.remote.heal()
    bench.sleep(60)
    with bench.open() as store, bench.link() as link:
        store.sync(Stalled(link, number, "before", bench.sync))
    cases.sync_until_quiet(bench)
    cases.check_all_arrived(bench)


def together(*syncs):
    """Do them at once, each begun a little later than the one before; the errors."""
    errors = []

    def run(sync):
        try:
            sync()
        except Exception as fault:  # noqa: BLE001 - whatever it was, the test shows it
            errors.append(fault)

    threads = [threading.Thread(target=run, args=(one,)) for one in syncs]
    for one in threads:
        one.start()
        time.sleep(0.01)
    for one in threads:
        one.join()
    return errors


def sync_slowly(bench):
    with bench.open() as store, bench.link(sleep=bench.slow_sleep) as link:
        return store.sync(link)


@pytest.mark.parametrize("rounds", [pytest.param(3, id="short"), pytest.param(150, id="long", marks=pytest.mark.long)])
def test_two_syncs_of_the_same_store_at_once(stage, promise, rounds):
    for _ in range(rounds):
        bench = stage.set()
        assert together(*[partial(sync_slowly, bench)] * 2) == []
        cases.sync_until_quiet(bench)
        cases.check_all_arrived(bench)
    promise("two syncs of one store at once do nothing twice", f"{rounds} times in two threads")


PATCHES = (
    {"status": "Triaging"},
    {"status": "Escalated"},
    {"status": "Closed", "close_classification": "Undetermined"},
    {"severity": "Low"},
    {"severity": "High"},
    {"malice_override": "Benign"},
    {"tags": ["x", "a"]},
    {"tags": ["b"]},
)


@pytest.mark.parametrize("rounds", [pytest.param(3, id="short"), pytest.param(100, id="long", marks=pytest.mark.long)])
def test_two_stores_at_once(stage, promise, rounds):
    """Each with its own key and its own edits of the same alerts: nothing is moved twice, every edit has one outcome or waits."""
    edits = 0
    for seed in range(rounds):
        random, one = Random(seed), stage.set()
        other = one.beside("cai_other-0123456789", seed + 1)
        for bench in (one, other):
            with bench.open() as store:
                for name in random.sample(["edited", "noted", "changed there", "idle"], 3):
                    patch = dict(random.choice(PATCHES))
                    verdict = patch.pop("close_classification", None)
                    if "status" in patch and str(store.get(one.uuids[name]).status) == "Closed":
                        patch = {"severity": "Informational"}
                    if verdict is None or "status" not in patch:
                        store.patch(one.uuids[name], patch)
                    else:
                        store.close_alert(one.uuids[name], verdict)
                    edits += 1
        assert together(partial(sync_slowly, one), partial(sync_slowly, other)) == [], f"seed {seed}"
        for _ in range(3):
            cases.sync_until_quiet(one)
            cases.sync_until_quiet(other)
        for bench in (one, other):
            check_agrees(bench, seed)
    promise(
        "two stores that sync with one remote at once agree with it", f"{rounds} times in two threads, {edits} edits of the same alerts"
    )


def check_agrees(bench, seed):
    """A store shows what the remote does, has moved nothing twice (but tags, which the other may have undone unseen), and each of its
    edits has one outcome, or waits.
    """
    assert all(n == 1 for (_, field, _), n in bench.moved(bench.key).items() if field != "tags"), f"seed {seed}: {bench.moved(bench.key)}"
    with bench.open() as store:
        for uuid in bench.remote.uuids():
            mine = bench.uuids["made here"] if bench.remote.alert(uuid)["title"] == "made here" else uuid
            cases.check_registers(store.get(mine if store.find(mine) else uuid), bench.remote.alert(uuid))
        told = cases.outcomes(store)
        assert all(len(said) == 1 for said in told.values()), f"seed {seed}: {told}"
        waits = {(one.uuid, one.register) for one in store.conflicts()}
        heads = {
            (event.subject, edit["register"], event.seq)
            for event in store.events()
            if (event.body.get("origin") or {}).get("remote") is None
            for edit in event.body.get("edits") or ()
        }
        lost = {key for key in heads - told.keys() if key[:2] not in waits}
        assert not lost, f"seed {seed}: {lost}"
        assert store.verify().ok


def test_a_remote_that_is_slower_than_our_patience(bench):
    """What comes true after all was given up for lost makes an alert twice; nothing is lost, and `settle` in the policy is the remedy."""
    bench.remote.fail("late_commit", *STEPS["POST alert"], seconds=40)
    bench.sync()
    cases.sync_until_quiet(bench)
    assert [bench.remote.alert(uuid)["title"] for uuid in bench.remote.uuids()].count("made here") == 2
    with bench.open() as store:
        assert store.count() == 7
        assert str(store.get(bench.uuids["made here"]).status) == "Escalated"
        assert store.conflicts() == []
        assert store.verify().ok
