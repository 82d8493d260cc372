"""A clock that jumps: the order of events is their number, never their time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from alertstore import AlertStore, AlertValidationError
from alertstore.testing import FrozenClock, generic_alert, make_alert, seeded_ids

YEAR = timedelta(days=365)
JUMPS = [-YEAR, 10 * YEAR, timedelta(hours=-1), timedelta(hours=1), timedelta(microseconds=-1), timedelta(0)]


def every_kind_of_write(store):
    alert = make_alert(store, occurred_at=None)
    store.patch(alert.uuid, status="Triaging", tags=["a"])
    store.add(generic_alert(title=alert.title, n=store.checkpoint().size))
    store.add_finding(alert.uuid, "seen")
    store.set_indicator_malice("ip:203.0.113.9", "Malicious" if store.checkpoint().size % 2 else "Benign")
    store.close_alert(alert.uuid, "Undetermined")
    store.add_rule(f"rule {store.checkpoint().size}")
    return alert


@pytest.mark.parametrize(
    "start",
    [datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), datetime(2024, 3, 31, 0, 59, 59, tzinfo=UTC), datetime(2240, 1, 1, tzinfo=UTC)],
)
def test_a_clock_that_jumps(tmp_path, promise, start):
    seed = 8
    random, clock = Random(seed), FrozenClock(start)
    with AlertStore.open(tmp_path / "s.db", clock=clock, ids=seeded_ids(), durability="normal") as store:
        written = []
        for jump in (*JUMPS, *random.choices(JUMPS[:3], k=6)):
            clock.advance(jump if clock.now + jump < datetime(2249, 1, 1, tzinfo=UTC) else -YEAR)
            kept = store.checkpoint()
            written.append(every_kind_of_write(store).uuid)
            assert store.verify(checkpoint=kept).problems == (), f"seed {seed}"
        events = list(store.events())
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert len({event.at for event in events}) > len(JUMPS) - 2
        assert [event.at for event in events] != sorted(event.at for event in events)
        ingested = [event.subject for event in events if event.kind == "alert_ingested"]
        assert [uuid for uuid in ingested if uuid in written] == written
        for uuid in written:
            history = [event.seq for event in store.history(uuid)]
            assert history == sorted(history)
            assert store.get(uuid).status == "Closed"
        assert store.count(status=["Closed"]) == len(written)
    promise(
        "a clock that jumps changes no order, and all verifies",
        f"from {start.year}: {len(JUMPS) + 6} jumps (a year back, ten on, before 1970), {len(events)} events",
    )


def test_a_clock_that_no_store_can_hold(tmp_path):
    clock = FrozenClock()
    with AlertStore.open(tmp_path / "s.db", clock=clock) as store:
        before = store.checkpoint()
        for year in (1, 1699, 2251, 9999):
            clock.now = datetime(year, 6, 1, tzinfo=UTC)
            with pytest.raises(AlertValidationError):
                make_alert(store)
        assert store.checkpoint() == before
        clock.now = datetime(2024, 6, 1, tzinfo=UTC)
        make_alert(store)
        assert store.verify().problems == ()
