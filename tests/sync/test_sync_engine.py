"""The engine of sync against a remote in memory: what one alert, one guard or one plan must not do to the others."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, product

import pytest

from alertstore.domain.plan import Action
from alertstore.errors import AlertValidationError, RemoteUnavailableError, SyncError
from alertstore.sync import client, scan
from alertstore.testing import FakeRemote
from alertstore.testing.factories import generic_alert, make_alert

CLOSE = {"status": "Closed", "close_classification": "Undetermined"}
VERDICT = "True Positive - Suspicious Activity"


def _as_it_is(path, data):
    return data


class Twisted(FakeRemote):
    """A fake remote whose answers pass through `twist(path, data)`, and whose link carries `left` more requests (None: any number)."""

    left = None
    twist = staticmethod(_as_it_is)

    def heal(self):
        super().heal()
        self.twist = _as_it_is

    def request(self, method, path, **more):
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise RemoteUnavailableError("the link is gone")
        answer = super().request(method, path, **more)
        return answer._replace(body={**answer.body, "data": self.twist(path, answer.body["data"])}) if answer.status == 200 else answer


@pytest.fixture
def remote():
    return Twisted()


@pytest.fixture
def few_a_page(monkeypatch):
    """Lists of five rows a page, of which no more is read than is new."""
    monkeypatch.setattr(client, "PAGE", 5)
    monkeypatch.setattr(scan, "PAGE", 5)
    monkeypatch.setattr(scan, "OVERLAP", 0)
    monkeypatch.setitem(client.Client.rows.__kwdefaults__, "size", 5)


def add_all(remote, count, **fields):
    """Put alerts there, the oldest first, a second apart."""
    found = []
    for _ in range(count):
        remote.wait(1)
        found.append(remote.add(**fields))
    return found


def sent(remote, since, *methods):
    """The requests since then of some methods."""
    return [one for one in remote.requests[since:] if one.method in methods]


def looked_at(remote, since):
    """How often each alert was asked for since then, by uuid."""
    return Counter(one.path.removeprefix("/v1/alerts/") for one in sent(remote, since, "GET") if one.path.startswith("/v1/alerts/"))


def summaries(remote, uuid):
    return [one["summary"] for one in remote.alert(uuid)["agent_findings"] or ()]


def by_title(remote, title):
    return [remote.alert(uuid) for uuid in remote.uuids() if remote.alert(uuid)["title"] == title]


def check_quiet(store, remote):
    """A sync with nothing to do, which sends nothing; the store is sound."""
    before = len(remote.requests)
    done = store.sync(remote)
    assert (done.items, done.failed, done.stale) == ((), (), ())
    assert sent(remote, before, "PATCH", "POST") == []
    assert store.verify().ok


# --- two alerts here that are one on the remote ---


@pytest.fixture
def twins(alert_store, remote):
    """Two alerts here, two days apart, of which the remote has made one; its uuid there last."""
    ours = [alert_store.add(generic_alert(title="same", occurred_at=f"2024-05-0{day}T11:58:00Z")).alert.uuid for day in (1, 3)]
    alert_store.sync(remote)
    (there,) = remote.uuids()
    return *ours, there


@pytest.mark.parametrize("is_moved", [True, False])
def test_edits_of_both_alerts_of_one_arrive(alert_store, remote, twins, is_moved):
    first, second, there = twins
    alert_store.patch(first, tags=["c2", "from first"])
    alert_store.patch(second, tags=["c2", "from second"])
    if is_moved:
        remote.enrich(there)
    for _ in range(2):
        alert_store.sync(remote)
    assert sorted(remote.alert(there)["tags"]) == ["c2", "from first", "from second"]
    assert [sorted(alert_store.get(uuid).tags) for uuid in (first, second)] == [["c2", "from first", "from second"]] * 2
    tags = [set(move.after) for move in remote.moves if move.field == "tags"]
    assert all(before < after for before, after in pairwise(tags)), "one undid the other"
    assert alert_store.conflicts() == []
    check_quiet(alert_store, remote)


@pytest.mark.parametrize("is_moved", [True, False])
def test_what_one_alert_of_one_closed_the_other_does_not_reopen(alert_store, remote, twins, is_moved):
    first, second, there = twins
    alert_store.close_alert(first, VERDICT)
    alert_store.patch(second, status="Escalated")
    if is_moved:
        remote.enrich(there)
    for _ in range(2):
        alert_store.sync(remote)
    assert [move.after for move in remote.moves if move.field == "status"] == ["Closed"]
    assert [(one.uuid, one.register, one.kind) for one in alert_store.conflicts()] == [(second, "lifecycle", "policy")]
    check_quiet(alert_store, remote)


# --- one alert that the remote cannot serve ---


def no_status(uuid, status):
    return lambda remote: remote.fail("status", "GET", f"^/v1/alerts/{uuid}$", status=status, times=None)


def no_detail(uuid):
    def spoil(remote):
        remote.twist = lambda path, data: {**data, "severity": 7} if path == f"/v1/alerts/{uuid}" else data

    return spoil


def no_log(uuid):
    def spoil(remote):
        remote.twist = lambda path, data: [*data, {"event_type": 7}] if path == f"/v1/alerts/{uuid}/activity" else data

    return spoil


SPOILED = {
    "500": lambda uuid: no_status(uuid, 500),
    "422": lambda uuid: no_status(uuid, 422),
    "a detail that is no alert": no_detail,
    "a log that is no log": no_log,
}


@pytest.mark.parametrize(
    ("kind", "which"),
    [
        *product(("500", "422", "a detail that is no alert"), ("new there", "changed there", "edited on both sides")),
        ("a log that is no log", "edited on both sides"),  # it is read where both sides have moved
    ],
)
def test_an_alert_that_the_remote_cannot_serve_stops_no_other(alert_store, remote, kind, which):
    known = dict(zip(("first", "changed there", "edited on both sides"), add_all(remote, 3), strict=True))
    alert_store.sync(remote)
    remote.wait(1)
    known |= {"new there": remote.add(title="the broken one, if new"), "another": remote.add(title="another")}
    bad = known[which]
    mine = make_alert(alert_store, title="mine")
    alert_store.patch(known["first"], severity="Critical")
    alert_store.patch(known["edited on both sides"], status="Triaging")
    remote.edit(known["edited on both sides"], status="Escalated")
    remote.edit(known["changed there"], tags=["changed"])
    SPOILED[kind](bad)(remote)
    for _ in range(2):
        done = alert_store.sync(remote)
        assert [uuid for uuid, _ in done.failed] == [bad]
    assert len(by_title(remote, mine.title)) == 1
    assert remote.alert(known["first"])["severity"] == "Critical"
    assert alert_store.get(known["another"]).title == "another"
    assert which == "changed there" or alert_store.get(known["changed there"]).tags == ("changed",)
    remote.heal()
    assert alert_store.sync(remote).failed == ()
    assert alert_store.get(known["new there"]).title == "the broken one, if new"
    assert alert_store.get(known["changed there"]).tags == ("changed",)
    assert alert_store.get(known["edited on both sides"]).status == "Escalated"
    check_quiet(alert_store, remote)


@pytest.mark.parametrize("which", ["new there", "changed there"])
def test_a_row_that_is_no_alert_hides_no_other(alert_store, remote, few_a_page, which):
    """As long as it stays in the list; among the others is one that was closed, which no list shows any more."""
    known = add_all(remote, 12)
    alert_store.sync(remote)
    remote.wait(1)
    new, changed = remote.add(title="new"), known[-1]
    bad = new if which == "new there" else changed
    mine = make_alert(alert_store, title="mine")
    alert_store.patch(known[1], severity="Critical")
    remote.edit(changed, tags=["changed"])
    remote.twist = lambda path, data: (
        [{**row, "updated_at": None} if row["uuid"] == bad else row for row in data] if path == "/v1/alerts" else data
    )
    for closed in known[2:4]:
        remote.edit(closed, **CLOSE)
        assert alert_store.sync(remote).failed != ()
        assert alert_store.get(closed).status == "Closed"
    assert len(by_title(remote, mine.title)) == 1
    assert remote.alert(known[1])["severity"] == "Critical"
    assert bad == changed or alert_store.get(changed).tags == ("changed",)
    assert bad == new or alert_store.get(new).title == "new"
    remote.heal()
    assert alert_store.sync(remote).failed == ()
    assert (alert_store.get(changed).tags, alert_store.get(new).title) == (("changed",), "new")
    check_quiet(alert_store, remote)


@pytest.mark.parametrize("kind", ["500", "a detail that is no alert"])
def test_an_alert_that_the_remote_could_not_serve_comes_later(alert_store, remote, few_a_page, kind):
    """Also a Closed one, which is in no list but that of the newest, and is none of these any more."""
    add_all(remote, 3)
    alert_store.sync(remote)
    bad = remote.add(title="broken for an hour", **CLOSE)
    SPOILED[kind](bad)(remote)
    for _ in range(2):
        assert [uuid for uuid, _ in alert_store.sync(remote).failed] == [bad]
        add_all(remote, 6)
    remote.heal()
    assert alert_store.sync(remote).failed == ()
    assert alert_store.get(bad).status == "Closed"
    check_quiet(alert_store, remote)


@pytest.mark.parametrize("kind", ["500", "422", "a detail that is no alert"])
@pytest.mark.parametrize("count", [3, 10])
def test_an_alert_that_the_remote_cannot_serve_says_nothing_of_which_remote_it_is(alert_store, remote, kind, count):
    """Each of the alerts in its turn: one of them is looked at to know the remote again."""
    uuids = add_all(remote, count)
    alert_store.sync(remote)
    for bad in uuids:
        SPOILED[kind](bad)(remote)
        mine = make_alert(alert_store, title=f"mine beside {bad}")
        alert_store.sync(remote)
        assert len(by_title(remote, mine.title)) == 1
        remote.heal()


@pytest.mark.parametrize("kind", ["500", "422", "a detail that is no alert"])
def test_an_alert_of_a_plan_that_the_remote_cannot_serve_stops_no_other(alert_store, remote, kind):
    uuids = add_all(remote, 3)
    alert_store.sync(remote)
    for uuid in uuids:
        alert_store.patch(uuid, severity="Critical")
    plan = alert_store.sync(remote, dry_run=True)
    bad = plan.items[0].remote_uuid
    SPOILED[kind](bad)(remote)
    done = alert_store.sync(remote, plan=plan)
    assert [uuid for uuid, _ in done.failed] == [bad]
    assert {uuid for uuid in uuids if remote.alert(uuid)["severity"] == "Critical"} == set(uuids) - {bad}
    remote.heal()
    alert_store.sync(remote)
    assert remote.alert(bad)["severity"] == "Critical"


# --- plans ---


def test_what_a_plan_has_done_the_next_has_not_to_look_at(alert_store, remote):
    mine = []
    for number in range(5):
        mine += [make_alert(alert_store, title=f"{number}.{k}").uuid for k in range(4)]
        alert_store.patch(mine[number], severity="Critical")
        plan = alert_store.sync(remote, dry_run=True, policy={"max_writes": 5})
        assert plan.warnings == ()
        done = alert_store.sync(remote, plan=plan, policy={"max_writes": 5})
        assert (done.stale, done.failed) == ((), ())
    assert len(remote.uuids()) == 20
    before = len(remote.requests)
    plan = alert_store.sync(remote, dry_run=True, policy={"max_writes": 5})
    assert (tuple(plan.items), tuple(plan.warnings)) == ((), ())
    assert looked_at(remote, before).total() <= 8, "but for those by which it knows the remote"
    check_quiet(alert_store, remote)


def test_what_waits_for_a_person_does_not_count_as_writes(alert_store, remote):
    uuids = add_all(remote, 12)
    alert_store.sync(remote)
    for uuid in uuids:
        alert_store.patch(uuid, status="Escalated")
        remote.edit(uuid, **CLOSE)
    alert_store.sync(remote, push=False)
    assert len(alert_store.conflicts()) == 12
    assert alert_store.sync(remote, dry_run=True, policy={"max_writes": 5}).warnings == ()
    assert alert_store.sync(remote, policy={"max_writes": 5}).failed == ()


def test_what_the_remote_was_found_to_have_does_not_count_as_writes(alert_store, remote):
    uuids = add_all(remote, 12)
    alert_store.sync(remote)
    for uuid in uuids:
        alert_store.patch(uuid, severity="Critical")
        remote.edit(uuid, severity="Critical")
    alert_store.sync(remote, push=False)
    before = len(remote.requests)
    assert alert_store.sync(remote, dry_run=True, policy={"max_writes": 5}).warnings == ()
    assert alert_store.sync(remote, policy={"max_writes": 5}).failed == ()
    assert sent(remote, before, "PATCH") == []
    before = len(remote.requests)
    alert_store.sync(remote)
    assert looked_at(remote, before).total() <= 8, "but for those by which it knows the remote"


def test_more_alerts_to_send_than_may_be_are_not_sent(alert_store, remote):
    uuids = add_all(remote, 6)
    alert_store.sync(remote)
    for uuid in uuids:
        alert_store.patch(uuid, severity="Critical")
    (warning,) = alert_store.sync(remote, dry_run=True, policy={"max_writes": 5}).warnings
    assert warning.startswith("6 alerts")
    before = len(remote.requests)
    with pytest.raises(SyncError, match="6 alerts"):
        alert_store.sync(remote, policy={"max_writes": 5})
    assert sent(remote, before, "PATCH", "POST") == []
    assert alert_store.sync(remote, policy={"max_writes": 5}, force=True).count(Action.PUSH) == 6


def test_an_alert_that_cannot_be_kept_holds_up_no_other(alert_store, remote):
    """The remote's list of tags is too long for an event."""
    (bad,) = add_all(remote, 1)
    alert_store.sync(remote)
    remote.put(bad, tags=["x" * 1_100_000])
    for number in range(4):
        for k in range(3):
            make_alert(alert_store, title=f"{number}.{k}")
        before = len(remote.requests)
        done = alert_store.sync(remote, policy={"max_writes": 5})
        assert [uuid for uuid, _ in done.failed] == [bad]
        assert len(sent(remote, before, "POST")) == 3
    assert len(remote.uuids()) == 13
    before = len(remote.requests)
    alert_store.sync(remote)
    assert looked_at(remote, before).total() <= 8 + 1, "those by which it knows the remote, and the one"
    remote.put(bad, tags=["short"])
    assert alert_store.sync(remote).failed == ()
    assert alert_store.get(bad).tags == ("short",)


@pytest.mark.parametrize("change", ["closed", "edited", "a finding"])
def test_an_alert_that_a_plan_makes_is_left_where_it_has_changed(alert_store, remote, change):
    mine = make_alert(alert_store, title="mine").uuid
    plan = alert_store.sync(remote, dry_run=True)
    if change == "closed":
        alert_store.close_alert(mine, VERDICT)
    elif change == "edited":
        alert_store.patch(mine, severity="Low")
    else:
        alert_store.add_finding(mine, "not in the plan")
    done = alert_store.sync(remote, plan=plan)
    assert (done.stale, done.items) == ((mine,), ())
    assert remote.uuids() == []
    alert_store.sync(remote, plan=alert_store.sync(remote, dry_run=True))
    (there,) = remote.uuids()
    assert remote.alert(there)["status"] == alert_store.get(mine).status
    assert len(summaries(remote, there)) == len(alert_store.get(mine).agent_findings)


def test_an_alert_that_a_plan_changes_is_left_where_it_got_a_finding(alert_store, remote):
    changed, other = add_all(remote, 2)
    alert_store.sync(remote)
    alert_store.patch(changed, severity="Critical")
    alert_store.patch(other, severity="Critical")
    plan = alert_store.sync(remote, dry_run=True)
    alert_store.add_finding(changed, "not in the plan")
    done = alert_store.sync(remote, plan=plan)
    assert done.stale == (changed,)
    assert (remote.alert(changed)["severity"], summaries(remote, changed)) == ("Pending", [])
    assert remote.alert(other)["severity"] == "Critical"
    alert_store.sync(remote, plan=alert_store.sync(remote, dry_run=True))
    assert (remote.alert(changed)["severity"], summaries(remote, changed)) == ("Critical", ["not in the plan"])


@pytest.mark.parametrize("more", [{"dry_run": True}, {"pull": False}, {"push": False}, {"audit": True}])
def test_a_plan_says_all_that_is_done_so_nothing_else_may(alert_store, remote, more):
    make_alert(alert_store)
    plan = alert_store.sync(remote, dry_run=True)
    before = len(remote.requests)
    with pytest.raises(AlertValidationError, match="plan"):
        alert_store.sync(remote, plan=plan, **more)
    assert remote.requests[before:] == []
    assert alert_store.sync(remote, plan=plan).count(Action.CREATE) == 1


# --- what is not here, or not there ---


def test_what_was_deleted_here_is_nothing_to_look_at(alert_store, remote):
    uuids = add_all(remote, 33)
    alert_store.sync(remote)
    deleted, left = uuids[4:-4], uuids[:4] + uuids[-4:]
    for uuid in deleted:
        alert_store.delete_alert(uuid)
    alert_store.sync(remote)
    for uuid in deleted:
        remote.edit(uuid, **CLOSE)
    for _ in range(2):
        before = len(remote.requests)
        assert alert_store.sync(remote).failed == ()
        assert looked_at(remote, before).keys() <= set(left)
    assert alert_store.count() == 8


def test_a_remote_that_lost_its_oldest_alerts_is_the_same(alert_store, remote):
    old = add_all(remote, 10)
    alert_store.sync(remote)
    add_all(remote, 10)
    alert_store.sync(remote)
    for uuid in old:
        remote.forget(uuid)
    assert alert_store.sync(remote).count(Action.GONE) == 10
    check_quiet(alert_store, remote)


def test_a_remote_that_writes_times_otherwise_is_the_same(alert_store, remote):
    add_all(remote, 10)
    alert_store.sync(remote)

    def other(row):
        return row | {"created_at": row["created_at"].replace("Z", "+00:00")}

    remote.twist = lambda path, data: (
        data if path.count("/") > 3 else [other(row) for row in data] if isinstance(data, list) else other(data)
    )
    assert alert_store.sync(remote).items == ()


def test_another_remote_must_be_forced(alert_store, remote):
    add_all(remote, 10)
    alert_store.sync(remote)
    remote.wipe()
    before = alert_store.checkpoint()
    with pytest.raises(SyncError, match="wiped"):
        alert_store.sync(remote)
    assert alert_store.checkpoint() == before
    assert alert_store.sync(remote, force=True).count(Action.GONE) == 10
    check_quiet(alert_store, remote)


# --- a sync that sends nothing in between ---


def test_a_finding_goes_to_an_alert_that_was_linked_without_sending(alert_store, remote):
    mine = make_alert(alert_store, title="same").uuid
    alert_store.add_finding(mine, "seen before")
    alert_store.sync(remote, policy={"create": False})
    there = remote.add(**generic_alert(title="same"))
    alert_store.sync(remote, push=False)
    assert summaries(remote, there) == []
    alert_store.sync(remote)
    assert summaries(remote, there) == ["seen before"]
    check_quiet(alert_store, remote)


def test_a_finding_that_the_remote_lost_is_sent_again(alert_store, remote):
    there = remote.add()
    alert_store.sync(remote)
    backup = remote.snapshot()
    alert_store.add_finding(there, "seen before")
    alert_store.sync(remote)
    alert_store.sync(remote)
    assert summaries(remote, there) == ["seen before"]
    remote.restore(backup)
    remote.edit(there, tags=["x"])
    alert_store.sync(remote, push=False)
    alert_store.sync(remote)
    assert summaries(remote, there) == ["seen before"]
    check_quiet(alert_store, remote)


def test_a_finding_waits_through_a_sync_that_sends_nothing(alert_store, remote):
    there = remote.add()
    alert_store.sync(remote)
    alert_store.add_finding(there, "seen before")
    remote.edit(there, tags=["x"])
    alert_store.sync(remote, push=False)
    remote.edit(there, tags=["y"])
    alert_store.sync(remote, push=False)
    alert_store.sync(remote)
    assert summaries(remote, there) == ["seen before"]
    check_quiet(alert_store, remote)


# --- a link that breaks ---


def test_a_link_that_always_breaks_brings_it_here_bit_by_bit(alert_store, remote, few_a_page):
    uuids = add_all(remote, 41)
    alert_store.sync(remote)
    alert_store.patch(uuids[0], severity="Critical")
    mine = make_alert(alert_store, title="mine")
    for uuid in uuids[1:]:
        remote.edit(uuid, **CLOSE)
    closed = 0
    for _ in range(20):
        remote.left = 15
        try:
            alert_store.sync(remote, force=True)
        except RemoteUnavailableError:
            before, closed = closed, sum(alert_store.get(uuid).status == "Closed" for uuid in uuids)
            assert closed == 40 or closed > before, "a run without progress"
    remote.left = None
    assert [alert_store.get(uuid).status for uuid in uuids[1:]] == ["Closed"] * 40
    assert remote.alert(uuids[0])["severity"] == "Critical"
    assert len(by_title(remote, mine.title)) == 1
    check_quiet(alert_store, remote)


# --- what a person decides ---


def test_an_alert_that_stays_here_alone_is_never_made_there(alert_store, remote):
    mine = make_alert(alert_store, title="mine").uuid
    remote.fail("status", "POST", "^/v1/alerts$", status=422)
    alert_store.sync(remote)
    assert [(one.uuid, one.register) for one in alert_store.conflicts()] == [(mine, "create")]
    alert_store.resolve(mine, "create", take="remote")
    assert alert_store.conflicts() == []
    alert_store.patch(mine, severity="Critical")
    alert_store.add_finding(mine, "for us alone")
    other = make_alert(alert_store, title="other").uuid
    alert_store.sync(remote, policy={"create": False})
    alert_store.sync(remote)
    assert [remote.alert(uuid)["title"] for uuid in remote.uuids()] == ["other"]
    alert_store.close_alert(mine, VERDICT)
    alert_store.patch(other, severity="Low")
    alert_store.sync(remote)
    assert len(remote.uuids()) == 1
    assert alert_store.conflicts() == []
    assert (alert_store.get(mine).status, alert_store.get(mine).severity) == ("Closed", "Critical")
    check_quiet(alert_store, remote)


@pytest.mark.parametrize("take", ["local", "remote"])
def test_a_held_edit_of_an_alert_that_is_gone_is_one_conflict(alert_store, remote, take):
    there = remote.add()
    alert_store.sync(remote)
    alert_store.patch(there, status="Escalated")
    remote.edit(there, **CLOSE)
    alert_store.sync(remote)
    assert [one.register for one in alert_store.conflicts()] == ["lifecycle"]
    remote.forget(there)
    assert alert_store.sync(remote).count(Action.GONE) == 1
    (conflict,) = alert_store.conflicts()
    assert (conflict.uuid, conflict.register, conflict.local) == (there, "lifecycle", ["Escalated", None])
    alert_store.resolve(there, "lifecycle", take=take)
    assert alert_store.conflicts() == []
    check_quiet(alert_store, remote)
    assert remote.uuids() == []


# --- alerts that are not what they say ---


def test_an_alert_that_only_says_it_is_ours_is_not(alert_store, remote):
    mine = make_alert(alert_store, title="mine").uuid
    forged = remote.add(title="quite another", alertstore={"id": mine, "store": "nobody"}, **CLOSE)
    assert remote.alert(forged)["raw_payload"]["alertstore"]["id"] == mine
    for how in ({}, {"audit": True}):
        alert_store.sync(remote, **how)
        assert (alert_store.get(mine).title, alert_store.get(mine).status) == ("mine", "Open")
        assert alert_store.get(forged).title == "quite another"
        assert sorted(remote.alert(uuid)["title"] for uuid in remote.uuids()) == ["mine", "quite another"]
        assert alert_store.count() == 2
    check_quiet(alert_store, remote)
