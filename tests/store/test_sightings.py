"""Where else an indicator was seen, since when, with which verdicts, and which lists know it."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alertstore import AlertNotFoundError, AlertStore, AlertValidationError, CloseClassification, StoreDamagedError
from alertstore.domain.times import rfc3339
from alertstore.storage import sightings as looking
from alertstore.testing import FrozenClock, suricata_alert

FALSE, TRUE = "False Positive - Inaccurate Data", "True Positive - Suspicious Activity"


def add(store, title, *values, at="2026-03-01T10:00:00Z", source="generic"):
    """An alert with these ip addresses (of Suricata, only with the first and last); its uuid."""
    if source == "suricata":
        record = suricata_alert(alert={"signature": title}, timestamp=at, src_ip=values[0], dest_ip=values[-1])
    else:
        record = {"title": title, "occurred_at": at, "indicators": [{"type": "ip", "value": value} for value in values]}
    return store.add(record, source=source).alert.uuid


def test_where_else_since_when_and_with_which_verdicts(alert_store):
    one = add(alert_store, "one", "192.0.2.1", "192.0.2.2", at="2026-03-05T10:00:00Z")
    tools = {1: "suricata", 2: "generic", 3: "generic", 8: "generic"}
    others = [add(alert_store, f"other {day}", "192.0.2.1", at=f"2026-03-0{day}T10:00:00Z", source=tool) for day, tool in tools.items()]
    for uuid, verdict in zip(others, (FALSE, TRUE, FALSE), strict=False):
        alert_store.close_alert(uuid, verdict)
    seen, alone = alert_store.sightings(one)
    assert (seen.others, seen.looked_at, seen.active) == (4, 4, 1)
    assert list(seen.closed.items()) == [(FALSE, 2), (TRUE, 1)]
    assert (rfc3339(seen.first_seen), rfc3339(seen.last_seen)) == ("2026-03-01T10:00:00Z", "2026-03-08T10:00:00Z")
    assert seen.sources == ("generic", "suricata")
    assert (alone.others, alone.looked_at, alone.active, alone.closed, alone.sources, alone.hits) == (0, 0, 0, {}, (), ())
    assert alone.first_seen == alone.last_seen == alert_store.get(one).occurred_at
    assert tuple(one.indicator for one in (seen, alone)) == tuple(alert_store.get(one).indicators)


def test_an_alert_without_indicators_and_none_at_all(alert_store):
    assert alert_store.sightings(add(alert_store, "bare")) == []
    with pytest.raises(AlertNotFoundError):
        alert_store.sightings("01900000-0000-7000-8000-000000000000")
    with pytest.raises(AlertValidationError):
        alert_store.sightings(add(alert_store, "one more"), limit=0)


def test_deleted_alerts_were_seen_nowhere(alert_store):
    one, other = add(alert_store, "one", "192.0.2.1"), add(alert_store, "other", "192.0.2.1", at="2026-01-01T00:00:00Z")
    assert alert_store.sightings(one)[0].others == 1
    alert_store.delete_alert(other)
    (seen,) = alert_store.sightings(one)
    assert (seen.others, seen.first_seen) == (0, alert_store.get(one).occurred_at)


def test_it_only_reads(alert_store, unchanged):
    one, _ = add(alert_store, "one", "192.0.2.1"), add(alert_store, "two", "192.0.2.1")
    before = unchanged()
    alert_store.sightings(one)
    assert unchanged() == before


def test_of_very_many_indicators_the_first(alert_store):
    uuid = add(alert_store, "many", *(f"192.0.2.{n}" for n in range(1, 131)))
    every = alert_store.get(uuid).indicators
    assert [one.indicator for one in alert_store.sightings(uuid)] == list(every[:100])
    assert [one.indicator for one in alert_store.sightings(uuid, limit=130)] == list(every)


def test_of_very_many_alerts_the_newest_are_looked_at_and_all_are_counted(alert_store, monkeypatch):
    monkeypatch.setattr(looking, "LOOKED_AT", 3)
    one = add(alert_store, "one", "192.0.2.1", at="2026-03-09T00:00:00Z")
    uuids = [add(alert_store, f"other {day}", "192.0.2.1", at=f"2026-03-0{day}T10:00:00Z") for day in (4, 2, 1, 3, 5)]
    alert_store.close_alert(uuids[2], FALSE)  # the oldest: not looked at
    alert_store.close_alert(uuids[3], TRUE)
    (seen,) = alert_store.sightings(one)
    assert (seen.others, seen.looked_at, seen.active, seen.closed) == (5, 3, 2, {TRUE: 1})
    assert rfc3339(seen.first_seen) == "2026-03-01T10:00:00Z"


def crowd(path, number):
    """Make the store hold so many more alerts with the only indicator there is, by writing to the file: to look at, not to verify."""
    with closing(sqlite3.connect(path)) as conn, conn:
        columns = [name for _, name, *_ in conn.execute("PRAGMA table_info(alert)") if name not in {"id", "uuid", "occurred_at"}]
        listed = ", ".join(columns)
        many = "WITH RECURSIVE n(k) AS (SELECT 2 UNION ALL SELECT k + 1 FROM n WHERE k <= :number)"
        conn.execute(
            f"INSERT INTO alert (id, uuid, occurred_at, {listed}) {many} SELECT k, 'u' || k, occurred_at + k * 7919 % 1000003, {listed} FROM n, alert",
            {"number": number},
        )
        conn.execute(
            "INSERT INTO alert_indicator SELECT a.id, l.indicator_id, l.seq, a.occurred_at FROM alert a, alert_indicator l WHERE a.id > 1"
        )


@pytest.fixture
def crowded(alert_store):
    """A function: steps of SQLite's machine to answer for an indicator that so many other alerts have, and the answer."""
    uuid = add(alert_store, "one", "192.0.2.1")

    def ask(number):
        crowd(alert_store.path, number)
        with AlertStore.open(alert_store.path, mode="ro") as store:
            conn, steps = store._repository.conn, Counter()
            conn.set_progress_handler(lambda: steps.update(n=1), 100)
            (seen,) = store.sightings(uuid)
            conn.set_progress_handler(None, 0)
        return steps["n"] * 100, seen

    return ask


def check_bounded(crowded, number):
    steps, seen = crowded(number)
    assert (seen.others, seen.looked_at, seen.active) == (number, looking.LOOKED_AT, looking.LOOKED_AT)
    assert steps < 8 * number + 60 * looking.LOOKED_AT  # counting takes a step or two an entry of the index; looking, dozens an alert
    return steps


def test_an_indicator_of_very_many_alerts_is_counted_not_read(crowded, monkeypatch, promise):
    monkeypatch.setattr(looking, "LOOKED_AT", 500)
    steps = check_bounded(crowded, 20_000)
    promise("where else an indicator was seen is answered within a bound", f"20,000 other alerts: {steps:,} steps, 500 alerts read")


@pytest.mark.long
def test_an_indicator_of_a_million_alerts_is_counted_not_read(crowded, promise):
    steps = check_bounded(crowded, 1_000_000)
    promise("where else an indicator was seen is answered within a bound", f"1,000,000 other alerts: {steps:,} steps, 10,000 alerts read")


def test_both_statements_stay_in_the_index(alert_store):
    with closing(sqlite3.connect(alert_store.path)) as conn:
        plans = [" ".join(row[3] for row in conn.execute(f"EXPLAIN QUERY PLAN {sql}", (1, 1, 1)[: sql.count("?")]))
                 for sql in (looking._MINE, looking._OTHERS)]  # fmt: skip
    assert plans[0].count("COVERING INDEX indicator_seen (indicator_id=?)") == 3
    assert "COVERING INDEX indicator_seen (indicator_id=?)" in plans[1]
    assert "FOR ORDER BY" not in plans[1]
    assert "SCAN a" not in plans[1]


ALERTS = st.lists(
    st.tuples(
        st.frozensets(st.integers(1, 4), min_size=1),
        st.integers(0, 9),
        st.sampled_from([None, *map(str, CloseClassification)]),
        st.sampled_from(["generic", "suricata"]),
    ),
    min_size=1,
    max_size=9,
)


@given(ALERTS, st.integers(1, 9))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_it_is_what_a_walk_through_all_alerts_finds(monkeypatch, given_alerts, most):
    monkeypatch.setattr(looking, "LOOKED_AT", most)
    with AlertStore.open(":memory:", clock=FrozenClock()) as store:
        start = FrozenClock()()
        uuids = []
        for place, (ends, days, verdict, source) in enumerate(given_alerts):
            values = [f"192.0.2.{end}" for end in sorted(ends)]
            occurred = rfc3339(start - timedelta(days=days))
            uuids.append(add(store, f"{place}", *values, at=occurred, source=source))
            if verdict is not None:
                store.close_alert(uuids[-1], verdict)
        everything = [store.get(uuid) for uuid in uuids]
        for alert in everything:
            for seen in store.sightings(alert.uuid):
                having = [one for one in everything if seen.indicator.uuid in {i.uuid for i in one.indicators}]
                others = [one for one in having if one.uuid != alert.uuid]
                numbers = {uuid: number for number, uuid in enumerate(uuids)}
                newest = sorted(others, key=lambda one: (one.occurred_at, numbers[one.uuid]), reverse=True)[:most]
                assert (seen.others, seen.looked_at) == (len(others), len(newest))
                assert seen.active == sum(one.status != "Closed" for one in newest)
                assert dict(seen.closed) == Counter(str(one.close_classification) for one in newest if one.status == "Closed")
                assert seen.sources == tuple(sorted({one.source_name for one in newest}))
                assert seen.first_seen == min(one.occurred_at for one in having)
                assert seen.last_seen == max(one.occurred_at for one in having)


# What enrichment says


@pytest.fixture
def listed(alert_store, tmp_path):
    """A store whose alert has two addresses, of which a list knows one; the alert's uuid, and the list."""
    bad = tmp_path / "bad.csv"
    bad.write_text("indicator,note\n198.51.100.7,x\n192.0.2.1,drop zone\n")
    uuid = add(alert_store, "one", "192.0.2.1", "192.0.2.2")
    found = alert_store.load_list(bad, malice="Malicious").list
    alert_store.enrich([uuid])
    return uuid, found


def test_a_hit_names_list_version_and_line(alert_store, listed):
    uuid, one = listed
    seen, other = alert_store.sightings(uuid)
    (hit,) = seen.hits
    assert (hit.list, hit.version, hit.line, hit.malice, hit.match) == (one.name, one.sha256, 3, "Malicious", "exact")
    assert (seen.more_hits, other.hits) == (0, ())


def test_hits_follow_the_lists(alert_store, listed):
    uuid, one = listed
    alert_store.remove_list(one.name)
    assert alert_store.sightings(uuid)[0].hits == ()


def test_hits_of_very_many_lists_are_counted(alert_store, tmp_path):
    uuid = add(alert_store, "one", "192.0.2.1")
    for n in range(12):
        (tmp_path / f"list{n}.txt").write_text("192.0.2.1\n")
        alert_store.load_list(tmp_path / f"list{n}.txt")
    alert_store.enrich([uuid])
    (seen,) = alert_store.sightings(uuid)
    assert (len(seen.hits), seen.more_hits) == (10, 2)


@pytest.mark.parametrize("forged", [[], {"lists": 7}, {"lists": {"extracted": {"hits": [{"list": "x"}]}}}])
def test_forged_results_are_damage_and_no_crash(alert_store, forged):
    uuid = add(alert_store, "one", "192.0.2.1")
    with closing(sqlite3.connect(alert_store.path)) as conn, conn:
        conn.execute("UPDATE indicator SET enrichment_results = ?", (json.dumps(forged or ["lists"]),))
    with AlertStore.open(alert_store.path, mode="ro") as store, pytest.raises(StoreDamagedError):
        store.sightings(uuid)
