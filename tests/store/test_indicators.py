"""Indicators: added, judged, shared between alerts."""

from __future__ import annotations

import pytest

from alertstore import AlertNotFoundError, AlertValidationError
from alertstore.testing import generic_alert, make_alert


def pairs(alert):
    return sorted((str(i.type), i.value) for i in alert.indicators)


def test_further_indicators(alert_store, frozen_clock):
    alert = make_alert(alert_store)
    now = frozen_clock.advance(hours=1)
    after = alert_store.add_indicators(
        alert.uuid, [("domain", "B.example."), ("ip", "::ffff:203.0.113.9"), ("domain", "b.example")], reason="from DNS"
    )
    assert pairs(after) == [("domain", "b.example"), ("ip", "203.0.113.9")]
    assert (after.updated_at, after.fingerprint) == (now, alert.fingerprint)
    assert after == alert_store.get(alert.uuid)
    added = alert_store.indicator("domain", "b.EXAMPLE")
    assert (added.created_at, added.first_seen, added.last_seen) == (now, alert.occurred_at, alert.last_seen_at)
    assert alert_store.indicator(added.uuid) == added
    assert (
        alert_store.count(indicator="b.example")
        == alert_store.count(text="b.example")
        == alert_store.count(indicator="domain:B.example")
        == 1
    )
    *_, event = alert_store.history(alert.uuid)
    assert (event.kind, event.reason) == ("alert_indicators_added", "from DNS")
    assert "b.example" not in str(event.body)
    assert alert_store.verify().ok


def test_those_that_are_there_change_nothing(alert_store, unchanged):
    alert = make_alert(alert_store)
    before = unchanged()
    assert alert_store.add_indicators(alert.uuid, [("ip", "203.0.113.9")]) == alert
    assert alert_store.add_indicators(alert.uuid, []) == alert
    assert unchanged() == before


def test_each_wrong_one_is_named(alert_store, unchanged):
    alert = make_alert(alert_store)
    before = unchanged()
    wrong = [("ip", "203.0.113.10"), ("ip", "nowhere"), ("colour", "red"), ("ip",), "ip", ("ip", 5), None]
    with pytest.raises(AlertValidationError) as refusal:
        alert_store.add_indicators(alert.uuid, wrong)
    assert [p.path for p in refusal.value.problems] == [f"indicators[{k}]" for k in range(1, 7)]
    assert unchanged() == before


def test_a_verdict_reaches_all_alerts_but_not_their_time(alert_store, frozen_clock):
    one, other = make_alert(alert_store), make_alert(alert_store)
    now = frozen_clock.advance(hours=1)
    found = alert_store.set_indicator_malice("ip:203.0.113.9", "Suspicious", reason="intel", actor="mia")
    assert (found.malice, found.malice_source, found.malice_overridden_at, found.updated_at) == ("Suspicious", "analyst", now, now)
    for before in (one, other):
        after = alert_store.get(before.uuid)
        assert (after.malice, after.updated_at) == ("Suspicious", before.updated_at)
    assert alert_store.count(malice="Suspicious") == 2
    *_, event = alert_store.events()
    assert (event.kind, event.subject, event.changes) == ("indicator_malice_updated", found.uuid, {"malice": ("Pending", "Suspicious")})
    assert make_alert(alert_store).malice == "Suspicious"
    assert alert_store.verify().ok


def test_the_worst_indicator_counts_and_an_override_counts_more(alert_store):
    alert = make_alert(alert_store, indicators=[{"type": "ip", "value": f"203.0.113.{n}"} for n in range(1, 4)])
    for n, (malice, worst) in enumerate([("Benign", "Benign"), ("Malicious", "Malicious"), ("Suspicious", "Malicious")], 1):
        alert_store.set_indicator_malice(f"ip:203.0.113.{n}", malice)
        assert alert_store.get(alert.uuid).malice == worst
    for override in ("Pending", "Benign"):
        assert alert_store.patch(alert.uuid, malice_override=override).malice == override
        assert alert_store.verify().ok
    alert_store.set_indicator_malice("ip:203.0.113.2", "Benign")
    assert alert_store.get(alert.uuid).malice == "Benign"
    assert alert_store.patch(alert.uuid, reset_malice_override=True).malice == "Suspicious"
    assert alert_store.verify().ok


def test_the_same_verdict_again_changes_nothing(alert_store, unchanged):
    make_alert(alert_store)
    alert_store.set_indicator_malice("ip:203.0.113.9", "Pending")
    assert alert_store.indicator("ip", "203.0.113.9").malice_source == "analyst"
    before = unchanged()
    alert_store.set_indicator_malice(alert_store.indicator("ip", "203.0.113.9").uuid, "Pending")
    assert unchanged() == before


@pytest.mark.parametrize("verdict", ["malicious", "", None, 3, []])
def test_other_verdicts_are_refused(alert_store, verdict):
    make_alert(alert_store)
    with pytest.raises(AlertValidationError) as refusal:
        alert_store.set_indicator_malice("ip:203.0.113.9", verdict)
    assert [p.path for p in refusal.value.problems] == ["malice"]


@pytest.mark.parametrize("name", ["ip:203.0.113.77", "ip:", "", "x", "colour:red", "3c90c3cc-0d44-4b50-8888-8dd25736052a"])
def test_no_such_indicator(alert_store, name):
    make_alert(alert_store)
    with pytest.raises(AlertNotFoundError):
        alert_store.set_indicator_malice(name, "Benign")
    with pytest.raises(AlertNotFoundError):
        alert_store.indicator(name)


def test_an_indicator_added_later_to_a_judged_one(alert_store):
    make_alert(alert_store)
    alert_store.set_indicator_malice("ip:203.0.113.9", "Malicious")
    alert = alert_store.add(generic_alert(title="other", indicators=[])).alert
    assert alert_store.add_indicators(alert.uuid, [("ip", "203.0.113.9")]).malice == "Malicious"
    assert alert_store.verify().ok


def test_url_and_ipv6_with_colons(alert_store):
    alert = make_alert(alert_store, indicators=[{"type": "url", "value": "http://a.example:80/x"}, {"type": "ip", "value": "2001:db8::1"}])
    assert alert_store.set_indicator_malice("url:http://a.example:80/x", "Benign").malice == "Benign"
    assert alert_store.set_indicator_malice("ip:2001:DB8::1", "Malicious").malice == "Malicious"
    assert alert_store.count(indicator="2001:db8::1") == alert_store.count(indicator="ip:2001:db8::1") == 1
    assert pairs(alert_store.get(alert.uuid)) == [("ip", "2001:db8::1"), ("url", "http://a.example:80/x")]
