"""What alertstore.testing hands to users: a clock, ids, factories, strategies, fixtures."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from alertstore import AlertStore
from alertstore.domain.changes import AlertPatch
from alertstore.domain.drafts import NewAlert
from alertstore.testing import (
    FrozenClock,
    alerts,
    generic_alert,
    hostile_text,
    make_alert,
    patches,
    seeded_ids,
    suricata_alert,
    write_jsonl,
)


def test_a_clock_that_stands_still():
    clock = FrozenClock()
    assert clock() == clock() == datetime(2024, 5, 1, 12, tzinfo=UTC)
    assert clock.advance(hours=1) == clock() == datetime(2024, 5, 1, 13, tzinfo=UTC)
    assert clock.advance(timedelta(days=-1), minutes=1) == clock() == datetime(2024, 4, 30, 13, 1, tzinfo=UTC)
    assert clock.advance() == clock.now


def test_a_clock_that_goes_on_by_itself():
    clock = FrozenClock(datetime(2020, 1, 1, tzinfo=UTC), tick=timedelta(seconds=1))
    assert [clock().second for _ in range(3)] == [0, 1, 2]
    clock.tick = timedelta(0)
    assert clock() == clock()


def test_a_clock_starts_at_an_aware_time():
    with pytest.raises(ValueError, match="aware"):
        FrozenClock(datetime(2024, 1, 1))  # noqa: DTZ001 - the point


def test_the_fixtures_belong_together(alert_store, frozen_clock, tmp_path):
    frozen_clock.advance(days=1)
    assert make_alert(alert_store).created_at == frozen_clock()
    assert alert_store.path == str(tmp_path / "alerts.db")
    with AlertStore.open(tmp_path / "other.db", clock=FrozenClock(), ids=seeded_ids()) as other:
        assert other.id == alert_store.id


def test_factories(alert_store, tmp_path):
    assert suricata_alert(alert={"severity": 1})["alert"]["signature_id"] == 2019401
    assert suricata_alert() == suricata_alert()
    assert generic_alert(title="x")["title"] == "x"
    assert [make_alert(alert_store).duplicate_count for _ in range(3)] == [0, 0, 0]
    assert make_alert(alert_store, status="Escalated", severity="Low").status == "Escalated"
    assert make_alert(alert_store, classification="Duplicate").close_classification == "Duplicate"
    path = write_jsonl(tmp_path / "a", [generic_alert(), {"b": 1}])
    assert [json.loads(line) for line in path.read_text().splitlines()] == [generic_alert(), {"b": 1}]


@given(hostile_text(min_size=1, max_size=20))
def test_hostile_text_is_text(text):
    assert 1 <= len(text) <= 20
    text.encode()


@pytest.mark.parametrize("ugly", ["\x1b", "\0", "\u202e", "</script>", "=", '"', "\n"])
def test_hostile_text_is_hostile(ugly):
    assert find(hostile_text(), lambda text: ugly in text)


def test_surrogates_and_long_runs_when_asked_for():
    assert find(hostile_text(surrogates=True), lambda text: any("\ud800" <= c <= "\udfff" for c in text))
    assert find(hostile_text(), lambda text: len(text) > 1_000)


def test_types_that_hypothesis_knows():
    assert find(st.from_type(AlertPatch), lambda patch: patch.tags == ("a",) and patch.status is not None)
    assert find(st.from_type(NewAlert), lambda new: bool(new.indicators)).title.strip()
    assert find(alerts(), lambda record: "occurred_at" in record and bool(record.get("tags")))
    assert find(patches(), lambda patch: patch.get("status") == "Closed")
