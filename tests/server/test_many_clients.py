"""Many clients at once, and the store's other users: nothing that was answered with success is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta
from itertools import islice

import pytest

from alertstore import AlertStore

CLIENTS = 20


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=pytest.mark.long)])
def test_edits_of_many_clients_are_all_kept(tmp_path, run, connect, promise, rounds):
    """Each edits one alert that all edit, adds findings to it, and edits one of its own; another process edits meanwhile."""
    path = tmp_path / "shared.db"
    with run(path) as port:
        shared = connect(port).add(title="shared")
        clients = [connect(port) for _ in range(CLIENTS)]

        def work(number):
            client, answers = clients[number], []
            own = client.add(title=f"own {number}")
            for turn in range(rounds):
                answers.append(client("PATCH", f"/v1/alerts/{shared}", {"tags": [f"{number}-{turn}"]}))
                answers.append(client("POST", f"/v1/alerts/{shared}/findings", {"agent_name": f"a{number}", "summary": f"turn {turn}"}))
                answers.append(client("PATCH", f"/v1/alerts/{own}", {"severity": ["Low", "High"][turn % 2]}))
            assert [one.status for one in answers] == [200, 201, 200] * rounds
            return own

        with ThreadPoolExecutor(CLIENTS) as pool, AlertStore.open(path) as beside:
            jobs = pool.map(work, range(CLIENTS))
            for turn in range(rounds):
                beside.patch(shared, malice_override=["Benign", "Malicious"][turn % 2])
            owned = list(jobs)
    with AlertStore.open(path) as store:
        history = list(store.history(shared))
        tags = [event.changes["tags"] for event in history if "tags" in event.changes][1:]
        assert {tuple(after) for _, after in tags} == {(f"{n}-{t}",) for n in range(CLIENTS) for t in range(rounds)}
        assert [before for before, _ in tags[1:]] == [after for _, after in tags[:-1]]
        found = [(one.agent_name, one.summary) for one in store.get(shared).agent_findings]
        assert sorted(found) == sorted((f"a{n}", f"turn {t}") for n in range(CLIENTS) for t in range(rounds))
        assert all(sum("severity" in e.changes for e in store.history(own)) == rounds + 1 for own in owned)
        assert store.verify().ok
    promise("No edit that serve answered with success is lost", f"{CLIENTS} clients, {CLIENTS * rounds * 3} edits, all in the history")


def test_one_record_sent_by_all_is_one_alert(tmp_path, run, connect):
    """The remote makes several of it."""
    with run(tmp_path / "same.db") as port:
        clients = [connect(port) for _ in range(CLIENTS)]
        body = {"title": "the same", "occurred_at": "2026-03-01T00:00:00Z"}
        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(lambda client: client("POST", "/v1/ingest/generic", body).data, clients))
        assert len({one["alert_uuid"] for one in answers}) == 1
        assert sum(not one["is_duplicate"] for one in answers) == 1


def test_what_was_answered_is_there_after_a_restart(tmp_path, run, connect):
    path = tmp_path / "again.db"
    with run(path) as port:
        client = connect(port)
        alert = f"/v1/alerts/{client.add(title='kept')}"
        before = client("PATCH", alert, {"status": "Triaging"}).data
        client.close()
    with run(path) as port:
        assert connect(port)("GET", alert).data == before


def test_a_busy_store_is_a_503_that_says_when_to_come_again(tmp_path, run, connect):
    path = tmp_path / "busy.db"
    with run(path, busy_timeout=timedelta(milliseconds=50)) as port, AlertStore.open(path) as other:
        client = connect(port)
        alert = f"/v1/alerts/{client.add(title='x')}"
        with other._repository.locked():
            reply = client("PATCH", alert, {"severity": "High"})
            assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "SERVICE_UNAVAILABLE", "1")
            assert reply.json["error"]["message"] == "The store is in use by another program; nothing was changed."
            assert client("GET", alert).data["severity"] == "Pending"
        assert client("PATCH", alert, {"severity": "High"}).status == 200


def test_a_store_in_trouble_is_a_500_that_says_so_and_no_more(tmp_path, run, connect, caplog):
    path = tmp_path / "read.db"
    with AlertStore.open(path) as store:
        uuid = store.add({"title": "x"}).uuid
    with run(path, mode="ro") as port:
        reply = connect(port)("PATCH", f"/v1/alerts/{uuid}", {"severity": "High"})
        assert (reply.status, reply.code) == (500, "INTERNAL_ERROR")
        assert reply.json["error"]["message"] == "The store can only be read; nothing was changed."
    assert str(path) not in reply.raw.decode()
    assert "read" in caplog.text


def test_more_requests_than_are_worked_on_at_once_are_told_to_come_again(tmp_path, run, connect):
    """While another program holds the store all wait but those too many; then every one that waited is done."""
    from alertstore.server.guard import MOST

    path, surplus = tmp_path / "crowded.db", 5
    with run(path) as port, AlertStore.open(path) as other, ThreadPoolExecutor(MOST + surplus) as pool:
        clients = [connect(port) for _ in range(MOST + surplus)]
        alert = f"/v1/alerts/{clients[0].add(title='x')}"
        with other._repository.locked():
            jobs = [pool.submit(one, "POST", f"{alert}/findings", {"agent_name": "a", "summary": str(n)}) for n, one in enumerate(clients)]
            refused = [job.result() for job in islice(as_completed(jobs, timeout=60), surplus)]
            strangers = connect(port)("GET", alert, headers={"Authorization": "Bearer nobody"})
        told = [(one.status, one.code, one.headers["retry-after"], one.headers["x-frame-options"]) for one in refused]
        assert told == [(503, "SERVICE_UNAVAILABLE", "1", "DENY")] * surplus
        assert strangers.status == 401
        assert sorted(job.result().status for job in jobs) == [201] * MOST + [503] * surplus
        assert len(connect(port)("GET", f"{alert}/findings").data) == MOST


@pytest.mark.long
def test_the_speed_of_an_edit(tmp_path, run, connect, promise):
    """What the way over HTTP adds to an edit; measured with Python's own client, whose part is in the number."""
    from statistics import median
    from time import perf_counter

    def timed(edit):
        taken = []
        for turn in range(1_000):
            begun = perf_counter()
            edit(["Low", "High"][turn % 2])
            taken.append((perf_counter() - begun) * 1e3)
        return median(taken)

    with AlertStore.open(tmp_path / "direct.db") as store:
        uuid = store.add({"title": "x"}).uuid
        direct = timed(lambda severity: store.patch(uuid, severity=severity))
        assert len(list(store.history(uuid))) == 1_001
    with run(tmp_path / "served.db") as port:
        client = connect(port)
        alert = f"/v1/alerts/{client.add(title='x')}"
        client.check = False
        served = timed(lambda severity: client("PATCH", alert, {"severity": severity}))
        client.check = True
        assert client("GET", f"{alert}/activity").json["meta"]["total"] == 1_001
    promise("An edit over HTTP costs little more than one in the program", f"p50 {served:.2f} ms, in the program {direct:.2f} ms")
