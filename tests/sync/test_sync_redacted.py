"""What was erased here neither comes back from the remote nor goes there."""

from __future__ import annotations

import pytest

from alertstore import AlertStore
from alertstore.sync import besides
from alertstore.testing import FakeRemote, generic_alert, seeded_ids

SECRET = "Jane Doe was seen"
MAIL = "jane@corp.example"
BOTH = ("content", "findings")


def found_out(remote, uuid, summary=SECRET):
    """An agent of the remote's finds something out."""
    remote._do("POST", f"/v1/alerts/{uuid}/findings", {"agent_name": "x", "summary": summary}, remote.key)


def of(store, uuid):
    """The findings and indicators of an alert."""
    alert = store.get(uuid)
    return [one.summary for one in alert.agent_findings], [one.value for one in alert.indicators]


def there(remote, uuid):
    alert = remote.alert(uuid)
    return [one["summary"] for one in alert["agent_findings"] or ()], [one["value"] for one in alert["indicators"] or ()]


@pytest.fixture
def remote():
    return FakeRemote()


@pytest.fixture
def store(tmp_path, frozen_clock):
    with AlertStore.open(tmp_path / "s.db", clock=frozen_clock, ids=seeded_ids(1)) as opened:
        yield opened


@pytest.fixture
def pulled(store, remote):
    """The uuid of an alert that was pulled, with a finding and an indicator."""
    uuid = remote.add(title="Jane Doe's laptop", indicators=[{"type": "email", "value": MAIL}])
    found_out(remote, uuid)
    store.sync(remote)
    assert of(store, uuid) == ([SECRET], [MAIL])
    return uuid


@pytest.mark.parametrize("parts", [("content",), ("findings",), BOTH, ("record",)])
def test_what_was_erased_does_not_come_back(store, remote, pulled, parts):
    store.redact(pulled, parts, authority="DPO")
    left = of(store, pulled)
    assert left == ([] if "findings" in parts else [SECRET], [] if "content" in parts else [MAIL])
    for number in range(2):
        remote.edit(pulled, tags=[f"{number}"])
        plan = store.sync(remote, dry_run=True)
        assert not any(one.findings or one.indicators for one in plan.items)
        store.sync(remote)
        assert of(store, pulled) == left
        assert store.get(pulled).tags == (f"{number}",)
    found_out(remote, pulled, "more")
    store.sync(remote)
    assert of(store, pulled)[0] == left[0] + ([] if "findings" in parts else ["more"])
    assert store.verify().ok
    assert there(remote, pulled) == ([SECRET, "more"], [MAIL])


@pytest.mark.parametrize("parts", [("content",), ("findings",), BOTH])
def test_of_what_was_erased_nothing_more_is_sent(store, remote, pulled, parts):
    store.redact(pulled, parts, authority="DPO")
    store.add_finding(pulled, "found here")
    store.add_indicators(pulled, [("ip", "192.0.2.77")])
    store.sync(remote)
    findings, values = there(remote, pulled)
    assert ("found here" in findings) == ("findings" not in parts)
    assert ("192.0.2.77" in values) == ("content" not in parts)
    assert of(store, pulled)[0][-1:] == ["found here"]
    sent = len(remote.requests)
    store.sync(remote)
    assert not [one for one in remote.requests[sent:] if one.method != "GET"]
    assert store.verify().ok


def test_what_is_erased_between_the_look_and_the_taking_stays_erased(store, remote, frozen_clock, monkeypatch):
    uuid = remote.add(title="t")
    store.sync(remote)
    found_out(remote, uuid)
    remote._do("POST", f"/v1/alerts/{uuid}/indicators", {"indicators": [{"type": "email", "value": MAIL}]}, remote.key)
    remote.edit(uuid, tags=["x"])
    real, kept = besides.compare, []

    def compare(conn, number, alert):
        kept.append(real(conn, number, alert))
        store.redact(uuid, BOTH, authority="DPO")
        return kept[-1]

    monkeypatch.setattr(besides, "compare", compare)
    store.sync(remote)
    (seen,) = kept
    assert seen.new_findings
    assert seen.new_pairs
    assert of(store, uuid) == ([], [])
    assert store.verify().ok


def test_an_alert_that_was_not_redacted_gets_and_gives_as_ever(store, remote, pulled):
    other = store.add(generic_alert(title="another")).alert.uuid
    store.redact(other, BOTH, authority="DPO")
    store.add_finding(pulled, "found here")
    found_out(remote, pulled, "more")
    remote._do("POST", f"/v1/alerts/{pulled}/indicators", {"indicators": [{"type": "ip", "value": "192.0.2.77"}]}, remote.key)
    remote.edit(pulled, tags=["x"])
    store.sync(remote)
    assert sorted(of(store, pulled)[1]) == ["192.0.2.77", MAIL]
    assert sorted(of(store, pulled)[0]) == sorted(there(remote, pulled)[0]) == sorted([SECRET, "found here", "more"])


def test_findings_that_were_erased_stay_so_when_the_history_is_pruned(alert_store, frozen_clock):
    remote = FakeRemote(clock=frozen_clock)
    uuid = remote.add(title="Beacon")
    alert_store.sync(remote)
    alert_store.add_finding(uuid, "Jane Doe")
    alert_store.sync(remote)
    alert_store.redact(uuid, parts=["findings"], authority="order 1", reason="asked for")
    frozen_clock.advance(days=30)
    alert_store.prune(before=frozen_clock(), authority="order 2")
    remote.edit(uuid, severity="Critical")
    alert_store.sync(remote)
    assert alert_store.get(uuid).severity == "Critical"
    assert alert_store.get(uuid).agent_findings == ()
    assert alert_store.verify().ok
    frozen_clock.advance(days=30)
    alert_store.prune(before=frozen_clock(), authority="order 2")
    remote.edit(uuid, severity="High")
    alert_store.sync(remote)
    assert (alert_store.get(uuid).severity, alert_store.get(uuid).agent_findings) == ("High", ())
    assert alert_store.verify().ok
