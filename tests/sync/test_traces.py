"""Short histories that break designs of sync, step by step: they stay, since random runs can pass by luck.

Each is run as sync is, and some once more with a safeguard taken out: then the loss must be found.
"""

from __future__ import annotations

import pytest
from attrs import evolve
from sync_history import history
from sync_oracle import check_always, check_order, check_quiet, settle, shown
from sync_world import PATCHES, World

from alertstore.sync import client, deliver

TRIAGE, ESCALATE, OPEN, CLOSE, OTHER, LOW, CRITICAL, BENIGN, MALICIOUS, RESET, X, XY, NONE = range(13)


@pytest.fixture
def world():
    worlds = []

    def make(stores=1, alerts=1, **how):
        made = World(stores, **how)
        worlds.append(made)
        for title in range(alerts):
            made.arrive(title)
        for node in range(stores):
            made.sync(node)
        return made

    yield make
    for one in worlds:
        one.close()


def outcomes(world, node=0):
    """What became of the edits of a store, in their order."""
    told = history(world.nodes[node].store)
    return [told.outcomes.get(key, ["waits"])[0] for key in sorted(told.edits, key=lambda key: key[2])]


def finish(world):
    settle(world)
    check_quiet(world)


def status(world, alert=0):
    return world.remote.alert(world.there(alert))["status"]


def trust(monkeypatch):
    """Believe a 200."""

    def believed(work, uuid, body, token, before):
        found = work.client.alert(uuid)
        lifecycle = (body.get("status", found.registers.status), body.get("close_classification", found.registers.close_classification))
        as_if = evolve(
            found.registers, status=lifecycle[0], close_classification=lifecycle[1], severity=body.get("severity", found.registers.severity)
        )
        return evolve(found, token=token, registers=as_if)

    monkeypatch.setattr(deliver, "read_back", believed)


def look_away(monkeypatch):
    """Never ask who did what on the remote."""
    monkeypatch.setattr(deliver, "needs_moves", lambda *_: False)
    monkeypatch.setattr(client.Client, "moves", lambda *_: [])


# --- a 200 proves nothing ---


def lost_after_200(world):
    world.edit(0, 0, TRIAGE)
    world.fault(2, "PATCH", 0)
    world.sync(0)
    check_always(world)


def test_what_was_answered_and_never_kept_is_sent_again(world):
    one = world()
    lost_after_200(one)
    finish(one)
    assert (outcomes(one), status(one)) == (["delivered"], "Triaging")


def test_without_the_read_back_it_is_lost(world, monkeypatch):
    trust(monkeypatch)
    with pytest.raises(AssertionError, match=r"I3: .* is said to be delivered, and the remote never had it"):
        lost_after_200(world())


def test_a_late_commit_is_waited_for(world):
    one = world()
    one.edit(0, 0, TRIAGE)
    one.fault(1, "PATCH", 0)  # seen 50 s later
    one.sync(0)
    assert outcomes(one) in (["waits"], ["delivered"])
    finish(one)
    assert (outcomes(one), status(one)) == (["delivered"], "Triaging")


# --- the answer is lost, and somebody moves on ---


def deliver_human_deliver(world, after, theirs=OPEN):
    world.edit(0, 0, TRIAGE)
    world.sync(0, dies_at="PATCH", after=after)
    world.human(0, theirs)
    world.sync(0)
    check_always(world)
    finish(world)


def test_an_edit_that_arrived_unheard_is_not_sent_over_what_came_after(world):
    one = world()
    deliver_human_deliver(one, after=True)
    assert (outcomes(one), status(one)) == (["superseded"], "Open")
    moves = [(move.before, move.after) for move in one.remote.moves if move.field == "status"]
    assert moves == [("Open", "Triaging"), ("Triaging", "Open")]


def test_an_edit_that_did_not_arrive_is_sent(world):
    one = world()
    deliver_human_deliver(one, after=False, theirs=LOW)
    assert (outcomes(one), status(one)) == (["delivered"], "Triaging")


def test_an_edit_that_arrived_unheard_is_known_to_have_been_delivered(world):
    one = world()
    deliver_human_deliver(one, after=True, theirs=LOW)
    assert (outcomes(one), status(one)) == (["delivered"], "Triaging")
    assert len([call for call in one.writes() if call.key_prefix == one.nodes[0].gate.key_prefix]) == 1


def test_without_the_activity_log_it_is_sent_twice(world, monkeypatch):
    look_away(monkeypatch)
    with pytest.raises(AssertionError, match=r"I4: store 0 moved lifecycle of .* to Triaging 2 times"):
        deliver_human_deliver(world(), after=True)


# --- a crash at every step (I10) ---


def scene(world):
    """Something of everything that a sync does: edits to send, a new alert, a finding, an indicator, and a conflict."""
    world.edit(0, 0, TRIAGE)
    world.edit(0, 0, X)
    world.edit(0, 1, CLOSE)
    world.edit(0, 2, CRITICAL)
    world.human(1, ESCALATE)
    world.add(0, 7, 1)
    world.edit(0, 3, TRIAGE)
    world.find(0, 0)
    world.indicate(0, 1, 1)
    world.arrive(8)
    world.remark(2)


def crashed(world, how, reverting):
    """The scene with a sync that dies as `how` says; somebody may undo what it did; then all comes to rest. Whether it died."""
    scene(world)
    world.sync(0, **how)
    died = world.count["crash"] == 1
    check_always(world)
    if reverting:
        for alert in range(len(world.remote.uuids())):
            world.human(alert, OPEN)
            world.human(alert, LOW)
    finish(world)
    return died


@pytest.mark.parametrize("reverting", [False, True])
def test_a_sync_may_die_at_every_request_and_in_every_commit(world, promise, reverting):
    """Before a request, after it took effect, within a commit; then it is run again: nothing is lost and nothing done twice."""
    points = 0
    for how in ("before", "after", "commit"):
        for number in range(200):
            way = {"writes": number} if how == "commit" else {"dies_at": number + 1, "after": how == "after"}
            if not crashed(world(alerts=3), way, reverting):
                break
            points += 1
        else:
            pytest.fail("it never comes to its end")
    assert points > 50
    promise("a sync that dies anywhere loses no edit and does none twice", f"{points} of {points} points of death")


def test_without_the_activity_log_some_crash_repeats_an_edit(world, monkeypatch):
    look_away(monkeypatch)

    def everywhere():
        for number in range(1, 60):
            crashed(world(alerts=3), {"dies_at": number, "after": True}, reverting=True)

    with pytest.raises(AssertionError, match="I4"):
        everywhere()


# --- somebody edits between our look and our write (I18) ---


@pytest.mark.parametrize("dies_at", [None, "PATCH", 7, 8])
@pytest.mark.parametrize(
    ("mine", "theirs", "register"), [(TRIAGE, CLOSE, "lifecycle"), (CRITICAL, LOW, "severity"), (BENIGN, MALICIOUS, "malice")]
)
def test_what_our_write_undid_unseen_is_told(world, mine, theirs, register, dies_at):
    one = world()
    one.edit(0, 0, mine)
    one.interfere(0, theirs)
    one.sync(0, dies_at=dies_at, after=True)
    finish(one)
    (told,) = one.nodes[0].store.conflicts()
    assert (told.register, told.kind) == (register, "raced")
    one.resolve(0, 0, "remote")
    finish(one)
    assert one.nodes[0].store.conflicts() == []
    assert (
        shown(one.nodes[0].store.get(one.local(0, 0))).items()
        >= {k: v for k, v in PATCHES[theirs].items() if k != "reset_malice_override"}.items()
    )


@pytest.mark.parametrize("seconds", [20, 45])
def test_a_request_that_comes_late_over_somebodys_closing_is_told(world, seconds):
    """No client can keep a request that is under way from arriving: that it did is seen in the log. It is waited for half a minute; one
    that comes even later finds its edit waiting for a person already.
    """
    one = world()
    one.edit(0, 0, TRIAGE)
    one.faults.append(one.remote.fail("delayed", "PATCH", seconds=seconds))
    one.sync(0, dies_at="PATCH", after=True)
    one.human(0, CLOSE)
    one.sync(0)
    one.wait(seconds)
    assert status(one) == "Triaging"  # which nobody here can prevent
    finish(one)
    (told,) = one.nodes[0].store.conflicts()
    assert (told.kind, told.remote[0]) == ("raced", "Closed")


# --- closing is for people to decide ---


@pytest.mark.parametrize("take", ["local", "remote"])
def test_closed_there_and_taken_up_here_is_held(world, take):
    one = world()
    one.human(0, CLOSE)
    one.edit(0, 0, TRIAGE)
    one.sync(0)
    assert status(one) == "Closed"
    assert shown(one.nodes[0].store.get(one.local(0, 0)))["status"] == "Closed"
    assert outcomes(one) == ["waits"]
    one.resolve(0, 0, take)
    finish(one)
    assert status(one) == ("Triaging" if take == "local" else "Closed")
    assert outcomes(one) == ["replaced", "delivered" if take == "local" else "converged"]


def test_what_was_seen_closed_may_be_reopened(world):
    one = world()
    one.human(0, CLOSE)
    one.sync(0)
    one.edit(0, 0, OPEN)
    finish(one)
    assert (outcomes(one), status(one)) == (["delivered"], "Open")


# --- two alerts here, one there (I15) ---


def test_two_alerts_that_are_one_there_bring_each_edit_once(world):
    one = world(alerts=0)
    one.add(0, 1, 0)
    one.add(0, 1, 3)  # for the remote a repeat: what counts there is when it was told
    one.sync(0)
    assert len(one.remote.uuids()) == 1
    one.edit(0, 0, TRIAGE)
    one.edit(0, 1, X)
    one.edit(0, 1, CRITICAL)
    finish(one)
    said = one.remote.alert(one.there(0))
    assert (said["status"], said["severity"], said["tags"]) == ("Triaging", "Critical", ["x"])
    assert outcomes(one) == ["delivered"] * 3
    assert len([one for one in one.remote.moves if one.field in {"status", "severity"}]) == 2


# --- what the machine found ---


def test_an_alert_that_comes_back_is_synced_again(world):
    """Deleted there, seen to be gone, and restored from a backup: what was edited meanwhile still arrives."""
    one = world(alerts=2)
    one.backup()
    one.forget(1)
    one.sync(0)
    one.edit(0, 0, TRIAGE)
    one.edit(0, 1, CRITICAL)
    one.sync(0)
    assert [conflict.kind for conflict in one.nodes[0].store.conflicts()] == ["gone"]
    one.restore(0)
    finish(one)
    assert [conflict.kind for conflict in one.nodes[0].store.conflicts()] == ["restored"]  # what had arrived, and the backup has not
    assert outcomes(one) == ["delivered", "delivered"]


def test_two_alerts_that_share_one_there_both_see_what_changes_there(world):
    one = world(alerts=0)
    one.add(0, 1, 0)
    one.add(0, 1, 3)
    one.sync(0)
    one.remark(0)
    one.edit(0, 0, TRIAGE)  # its own look moves what it knows past what the other has seen
    one.sync(0)
    one.human(0, LOW)
    one.edit(0, 1, X)
    finish(one)
    store = one.nodes[0].store
    assert {store.get(item.uuid).severity for item in store.alerts().items} == {"Low"}
    assert {tuple(store.get(item.uuid).tags) for item in store.alerts().items} == {("x",)}


def test_what_is_here_already_is_no_news(world):
    """Tags in another order, and the finding that the other of two alerts which share one there has taken in."""
    one = world(alerts=0)
    one.add(0, 1, 0)
    one.add(0, 1, 3)
    one.sync(0)
    one.edit(0, 0, XY)
    one.remark(0)
    finish(one)
    one.remote.edit(one.there(0), tags=["y", "x"])
    assert one.sync(0).items == ()
    one.remote.enrich(one.there(0))
    assert one.sync(0).items == ()


def stores_apart(world):
    """Two stores with one alert of the remote, each of which edits it without knowing of the other's edit."""
    one = world(stores=2)
    one.edit(0, 0, TRIAGE)
    one.edit(1, 0, TRIAGE)
    one.export(0)
    one.carry(1, 0)
    return one


def test_peers_who_want_the_same_share_its_outcome(world):
    """Both want Triaging, a person there wants Escalated: neither may be told that it was delivered."""
    one = stores_apart(world)
    one.human(0, ESCALATE)
    one.sync(1)
    one.export(1)
    one.carry(0, 1)
    finish(one)
    told = [set(map(tuple, history(node.store).outcomes.values())) for node in one.nodes]
    assert told == [{("overruled",)}] * 2
    assert status(one) == "Escalated"


def test_an_edit_that_two_stores_bring_arrives_once(world):
    one = stores_apart(world)
    one.sync(1)
    one.human(0, OPEN)
    one.sync(0)  # which has not heard that its edit was there
    finish(one)
    assert status(one) == "Open"
    assert len([move for move in one.remote.moves if move.field == "status"]) == 2


def test_one_alert_under_two_names_is_one_in_whatever_order_it_comes(world):
    """The record of an alert that was pushed by one store comes to the other as a repeat of what that pulled."""
    one = world(stores=2, alerts=0)
    one.add(1, 2, 2)
    one.sync(1)
    one.sync(0)
    one.add(0, 2, 2)
    one.edit(0, 0, TRIAGE)
    one.edit(1, 0, X)
    one.export(1)
    one.export(0)
    check_order(one)
    finish(one)


def test_the_stick_alone_brings_stores_together(world):
    """Three stores that never meet the remote; then the third brings all of it there."""
    one = world(stores=3, alerts=0)
    one.add(0, 1, 0)
    one.add(1, 2, 0)
    one.edit(0, 0, TRIAGE)
    one.edit(1, 0, CRITICAL)
    one.export(0)
    one.export(1)
    for stick in (0, 1):
        one.carry(2, stick)
    one.edit(2, 0, X)
    check_order(one)
    one.sync(2)
    assert len(one.remote.uuids()) == 2
    finish(one)
    assert len(one.remote.uuids()) == 2


def test_what_waits_says_the_same_whoever_wrote_it_down(world):
    """One register that stores do not agree on, another that the remote refused: syncs and sticks by turns come to rest."""
    one = world(stores=2)
    one.edit(0, 0, TRIAGE)
    one.edit(1, 0, CLOSE)
    one.export(0)
    one.carry(1, 0)
    one.edit(0, 0, CRITICAL)
    one.remote.fail("status", "PATCH", status=422)
    one.sync(0)
    finish(one)
    told = [[(conflict.register, conflict.kind) for conflict in node.store.conflicts()] for node in one.nodes]
    assert told == [[("lifecycle", "peers"), ("severity", "rejected")]] * 2


def test_what_waits_of_an_alert_that_is_gone_is_the_same_in_every_store(world):
    """Two stores have edited what the remote has deleted: whichever bundle comes first, the same of the two is shown as ours."""
    one = world(stores=2, alerts=2)
    one.edit(0, 1, TRIAGE)
    one.edit(1, 1, ESCALATE)
    one.remote.forget(one.nodes[0].store.get(one.local(0, 1)).uuid)
    one.export(0)
    one.carry(1, 0)
    one.sync(1)
    one.export(1)
    check_order(one)
    finish(one)
    (told, other) = (node.store.conflicts() for node in one.nodes)
    assert [conflict.local for conflict in told] == [conflict.local for conflict in other] == [["Escalated", None]]
