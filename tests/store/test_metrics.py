"""The numbers of a store are those of the domain, counted one by one over the same alerts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from attrs import asdict
from hypothesis import given
from hypothesis import strategies as st

from alertstore import AlertNotFoundError, AlertStore, AlertValidationError, CloseClassification
from alertstore.domain.metrics import MetricRow, count, measure
from alertstore.domain.times import to_micros
from alertstore.testing import FrozenClock, generic_alert, make_alert, seeded_ids, suricata_alert

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def maybe(moment):
    return None if moment is None else to_micros(moment)


def metric_row(alert):
    return MetricRow(
        alert.status,
        alert.severity,
        alert.source_name,
        alert.close_classification,
        None if alert.detection_rule is None else alert.detection_rule.uuid,
        to_micros(alert.occurred_at),
        alert.occurred_at_assumed,
        to_micros(alert.created_at),
        to_micros(alert.ingested_at),
        maybe(alert.acknowledged_at),
        maybe(alert.triaged_at),
        maybe(alert.closed_at),
        maybe(alert.enriched_at),
    )


def all_alerts(store):
    return [store.get(item.uuid) for item in store.alerts(limit=1000)]


def folded(alerts, by, start, end):
    rows = [metric_row(a) for a in alerts if (start is None or getattr(a, by) >= start) and (end is None or getattr(a, by) < end)]
    return measure(count(rows, by), by=by, start=start, end=end)


def comparable(metrics):
    return {name: value for name, value in asdict(metrics).items() if name != "top_indicators"}


steps = st.tuples(
    st.sampled_from(["add", "add", "close", "triage", "escalate", "delete"]),
    st.sampled_from(CloseClassification),
    st.integers(0, 5),
    st.sampled_from([-3 * 86400, -7200, -1, 0, 3600, 86400]),
    st.integers(0, 50_000),
)
bounds = st.none() | st.integers(-30, 30).map(lambda hours: NOON + timedelta(hours=hours))


@given(st.lists(steps, min_size=1, max_size=14), st.sampled_from(["created_at", "occurred_at"]), bounds, bounds)
def test_sql_counts_as_the_domain_does(moves, by, start, end):
    clock = FrozenClock(NOON - timedelta(hours=20))
    with AlertStore.open(":memory:", clock=clock, ids=seeded_ids()) as store:
        uuids = []
        for number, (what, verdict, which, event_time, wait) in enumerate(moves):
            clock.advance(seconds=wait)
            if what == "add" or not uuids:
                moment = None if which == 5 else (clock.now + timedelta(seconds=event_time)).isoformat()
                record = suricata_alert(timestamp=moment, flow_id=number, alert={"signature_id": which, "severity": which}) if which % 2 else (
                    generic_alert(title=f"t{number}", occurred_at=moment, rule_id=f"R{which}" if which else None)
                )  # fmt: skip
                result = store.add(record, source="suricata" if which % 2 else "generic")
                uuids += [result.alert.uuid] if result.outcome == "new" else []
                continue
            uuid = uuids[which % len(uuids)]
            if what == "close":
                store.close_alert(uuid, verdict)
            elif what == "delete":
                store.delete_alert(uuid)
                uuids.remove(uuid)
            elif store.get(uuid).status != "Closed":
                store.patch(uuid, status="Triaging" if what == "triage" else "Escalated")
        alerts = all_alerts(store)
        found = store.metrics(start=start, end=end, by=by)
        assert comparable(found) == comparable(folded(alerts, by, start, end))
        for one in store.rule_metrics(start=start, end=end, by=by):
            of_rule = [alert for alert in alerts if alert.detection_rule is not None and alert.detection_rule.uuid == one.uuid]
            expected = folded(of_rule, by, start, end)
            assert (one.total, one.by_classification) == (expected.total, expected.by_classification)
            assert comparable(store.metrics(start=start, end=end, by=by, rule=one.uuid)) == comparable(expected)


def test_days_before_1970_round_down():
    with AlertStore.open(":memory:", clock=FrozenClock(), ids=seeded_ids()) as store:
        for moment in ("1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z", "1969-12-31T00:00:00Z", "1969-12-30T23:59:59Z"):
            make_alert(store, occurred_at=moment)
        assert store.metrics(by="occurred_at").by_day == {"1969-12-30": 1, "1969-12-31": 2, "1970-01-01": 1}


def test_the_window_is_half_open(alert_store, frozen_clock):
    make_alert(alert_store)
    now, tick = frozen_clock.now, timedelta(microseconds=1)
    totals = [
        alert_store.metrics(start=start, end=end).total
        for start, end in ((now, None), (now + tick, None), (None, now), (None, now + tick), (now, now + tick))
    ]
    assert totals == [1, 0, 0, 1, 1]


def test_an_empty_store_has_no_rate(alert_store):
    found = alert_store.metrics()
    assert (found.total, found.false_positive_rate.value, found.time_to_detect.mean) == (0, None, None)
    assert alert_store.rule_metrics() == []


def test_one_rule(alert_store):
    for n, verdict in enumerate(["False Positive - Inaccurate Data", "True Positive - Suspicious Activity", None]):
        make_alert(alert_store, classification=verdict, rule_id="R-1", src_ip=f"192.0.2.{n % 2}")
    make_alert(alert_store)
    found = alert_store.metrics(rule="R-1")
    assert (found.total, found.closed, found.false_positive_rate.numerator, found.precision.value) == (3, 2, 1, 0.5)
    assert found.top_indicators == (("ip", "203.0.113.9", 3), ("ip", "192.0.2.0", 2), ("ip", "192.0.2.1", 1))
    assert alert_store.metrics().top_indicators == ()
    with pytest.raises(AlertNotFoundError):
        alert_store.metrics(rule="R-2")


def test_rules_worst_first(alert_store):
    for rule, verdicts in {
        "good": ["True Positive - Suspicious Activity"] * 3,
        "bad": ["False Positive - Inaccurate Data"] * 3,
        "once": ["False Positive - Inaccurate Data"],
    }.items():
        for verdict in verdicts:
            make_alert(alert_store, classification=verdict, rule_id=rule)
    alert_store.add_rule("silent")
    orders = {
        order: [r.name for r in alert_store.rule_metrics(order_by=order)]
        for order in ("false_positive_rate", "true_positive_rate", "total")
    }
    assert orders["false_positive_rate"] == ["bad", "once", "good", "silent"]
    assert orders["true_positive_rate"][0] == "good"
    assert orders["total"] == ["bad", "good", "once", "silent"]
    assert [r.name for r in alert_store.rule_metrics(by="total")] == orders["total"]


@pytest.mark.parametrize("call", [{"by": "closed_at"}, {"by": "1; DROP TABLE alert"}, {"start": "2024-05-01"}, {"end": 5}])
def test_bad_questions(alert_store, call):
    for ask in (alert_store.metrics, alert_store.rule_metrics):
        with pytest.raises(AlertValidationError) as refusal:
            ask(**call)
        assert [p.path for p in refusal.value.problems] == list(call)


def test_bad_orders(alert_store):
    with pytest.raises(AlertValidationError) as refusal:
        alert_store.rule_metrics(order_by="name")
    assert [p.path for p in refusal.value.problems] == ["order_by"]
