"""Two stores that sync with each other by way of our own server: what one pushes, the other pulls."""

from __future__ import annotations

import runpy
from pathlib import Path
from random import Random

import pytest

pytest.importorskip("httpx2", reason="httpx2 is not installed (extra sync)")
pytest.importorskip("starlette", reason="starlette is not installed (extra serve)")
pytest.importorskip("uvicorn", reason="uvicorn is not installed (extra serve)")

from sync_cases import QUICK, WRITES, check_same

from alertstore import AlertStore
from alertstore.domain.plan import Action
from alertstore.errors import RemoteUnavailableError
from alertstore.sync.http import HttpRemote
from alertstore.testing import seeded_ids

served = runpy.run_path(str(Path(__file__).parents[1] / "testing" / "served.py"))


class Link:
    """A link that notes what is asked."""

    def __init__(self, link):
        self.link, self.asked = link, []

    def __getattr__(self, name):
        return getattr(self.link, name)

    def request(self, method, path, **how):
        self.asked.append(method)
        return self.link.request(method, path, **how)


@pytest.fixture
def link(tmp_path):
    with served["running"](tmp_path / "served.db") as port, HttpRemote(f"http://127.0.0.1:{port}", key=served["KEY"], pace=QUICK) as made:
        yield Link(made)


@pytest.fixture
def stores(tmp_path):
    one, other = (AlertStore.open(tmp_path / f"{n}.db", ids=seeded_ids(n), actor=f"mia-{n}") for n in (1, 2))
    with one, other:
        yield one, other


def row(link, uuid):
    return link.link.request("GET", f"/v1/alerts/{uuid}").body["data"]


def sync_both(link, stores, **how):
    """Sync one, the other, and the first again."""
    return [store.sync(link, **how) for store in (*stores, stores[0])]


def check_quiet(link, stores):
    """Nothing is left to do: nothing is sent, nothing is written, all three show the same."""
    link.asked.clear()
    before = [store.checkpoint() for store in stores]
    for store in stores:
        done = store.sync(link)
        assert (list(done.items), list(done.failed)) == ([], [])
    assert [method for method in link.asked if method in WRITES] == []
    assert [store.checkpoint() for store in stores] == before
    rows = link.link.request("GET", "/v1/alerts", query={"page_size": 500}).body["data"]
    for store in stores:
        assert store.count() == len(rows)
        assert store.verify(depth="full").ok
        known = {event.body["facts"]["state"].get("uuid"): event.subject for event in store.events() if event.kind == "alert_synced"}
        for one in rows:
            check_same(store.get(known[one["uuid"]]), row(link, one["uuid"]))


def test_what_one_has_the_other_gets(link, stores):
    """An alert with tags, indicators, findings and a verdict goes from one store to the other; the edits of both arrive at both."""
    one, other = stores
    made = one.add(
        {"title": "Beacon", "severity": "High", "tags": ["c2"], "src_ip": "192.0.2.1", "occurred_at": "2026-05-01T08:00:00.000007Z"}
    ).alert
    one.add_finding(made.uuid, "seen before", evidence={"n": 1})
    one.patch(made.uuid, status="Triaging", malice_override="Malicious")
    done = sync_both(link, stores)
    assert [result.count(Action.CREATE) for result in done] == [1, 0, 0]
    assert done[1].count(Action.NEW) == 1
    check_quiet(link, stores)
    (there,) = other.alerts(limit=5)
    got = other.get(there.uuid)
    assert (got.title, got.occurred_at, str(got.status), got.tags) == ("Beacon", made.occurred_at, "Triaging", ("c2",))
    assert [(one.type.value, one.value) for one in got.indicators] == [("ip", "192.0.2.1")]
    assert [one.summary for one in got.agent_findings] == ["seen before"]
    other.patch(got.uuid, severity="Critical", tags=["c2", "vip"])
    other.close_alert(got.uuid, "Duplicate")
    one.patch(made.uuid, tags=["c2", "mine"])
    sync_both(link, stores)
    sync_both(link, stores)
    check_quiet(link, stores)
    now = one.get(made.uuid)
    assert (str(now.status), now.close_classification.value, str(now.severity)) == ("Closed", "Duplicate", "Critical")
    assert set(now.tags) == {"c2", "vip", "mine"}


def test_what_only_a_person_can_decide(link, stores):
    """One escalates, the other closes: it waits where it came second, and goes on when it is decided."""
    one, other = stores
    uuid = one.add({"title": "Brute force"}).uuid
    sync_both(link, stores)
    (there,) = other.alerts(limit=5)
    one.patch(uuid, status="Escalated")
    other.close_alert(there.uuid, "Duplicate")
    sync_both(link, stores)
    (told,) = other.conflicts()
    assert (told.register, told.kind, told.remote, told.local) == ("lifecycle", "policy", ["Escalated", None], ["Closed", "Duplicate"])
    check_quiet(link, stores)
    other.resolve(told.uuid, told.register, take="local")
    sync_both(link, stores[::-1])
    check_quiet(link, stores)
    assert str(one.get(uuid).status) == "Closed"


def test_the_same_record_in_both_becomes_one(link, stores):
    record = {"title": "Same", "src_ip": "192.0.2.9", "occurred_at": "2026-05-01T08:00:00Z"}
    for store in stores:
        store.add(record)
    sync_both(link, stores)
    check_quiet(link, stores)
    assert [store.count() for store in stores] == [1, 1]


def test_an_alert_that_is_deleted_there_stays_here(link, stores):
    one, other = stores
    uuids = [one.add({"title": f"alert {n}"}).uuid for n in range(3)]
    sync_both(link, stores)
    (gone,) = [found.uuid for found in other.alerts(limit=5) if found.title == "alert 1"]
    link.link.request("DELETE", f"/v1/alerts/{gone}")
    assert [item.uuid for item in one.sync(link).items if item.action is Action.GONE] == [uuids[1]]
    assert one.get(uuids[1]).title == "alert 1"
    sync_both(link, stores)
    assert one.count() == other.count() == 3
    assert len(link.link.request("GET", "/v1/alerts").body["data"]) == 2


def test_an_answer_that_is_lost_on_the_way_to_a_new_alert(link, stores):
    """The server has made it and nobody heard so: the next sync finds it by its time, and makes no second one."""
    one, other = stores
    one.add({"title": "lost", "occurred_at": "2026-05-01T08:00:00.000001Z"})

    class Lossy(Link):
        def request(self, method, path, **how):
            answer = super().request(method, path, **how)
            if (method, path) == ("POST", "/v1/alerts"):
                raise RemoteUnavailableError("lost", maybe_done=True)
            return answer

        def wait(self, seconds):
            pass

    lossy = Lossy(link.link)
    one.sync(lossy)
    assert lossy.asked.count("POST") == 1
    sync_both(link, stores)
    check_quiet(link, stores)
    assert one.count() == other.count() == 1


@pytest.mark.parametrize("rounds", [pytest.param(6, id="short"), pytest.param(150, id="long", marks=pytest.mark.long)])
def test_edits_of_both_for_a_while(link, stores, promise, rounds):
    """Alerts and edits at random, syncs now of one, now of the other, now whole audits: in the end all three agree."""
    random, edits = Random(5), 0
    for turn in range(rounds):
        for store in stores:
            store.add({"title": f"{store.id[-4:]} {turn}", "occurred_at": f"2026-05-01T08:00:{turn % 60:02}.{turn:06}Z"})
            for found in random.sample(list(store.alerts(limit=500)), min(3, store.count())):
                store.patch(found.uuid, severity=random.choice(["Low", "High"]), tags=random.sample(["a", "b", "c"], 2))
                if random.random() < 0.3:
                    store.add_finding(found.uuid, f"turn {turn}")
                edits += 1
        done = random.choice(stores).sync(link, audit=random.random() < 0.3, force=True)
        assert list(done.failed) == []
    for _ in range(3):
        sync_both(link, stores, force=True)
    check_quiet(link, stores)
    assert stores[0].count() == 2 * rounds
    promise("two stores that sync through `alertstore serve` come to agree", f"{rounds} rounds, {edits} edits on both sides")
