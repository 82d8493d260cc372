"""Enrichment in the store: whatever is loaded, asked, judged and erased in whatever order, verdicts follow and the store verifies."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intel_rows import BAD, KNOWN, Failing, Fixed, add_intel, load_feed, named, pairs

from alertstore import AlertStore, AlertValidationError, StoreReadOnlyError, verifier
from alertstore.domain.enrichment import LONGEST_RESULT, Answer
from alertstore.domain.vocabulary import Malice, worst_malice
from alertstore.storage import enriching as storage
from alertstore.storage import intel
from alertstore.store import enriching
from alertstore.testing import FrozenClock, generic_alert, make_alert, seeded_ids

IPS = (BAD, KNOWN, "192.0.2.50")


def sound(store):
    with closing(sqlite3.connect(store.path)) as conn:
        return store.verify().problems == () and verifier.check_store(conn, verifier.Kept())[0].problems == []


def verdicts(store, *ips):
    return [str(store.indicator(f"ip:{ip}").malice) for ip in ips]


def as_they_should_be(store):
    """The malice of every indicator of an alert is the worst of its results, unless an analyst's; the alert's is the worst of those."""
    for item in store.alerts(limit=1000).items:
        alert = store.get(item.uuid)
        for one in alert.indicators:
            said = [
                Malice(r["extracted"]["malice"]) for r in (one.enrichment_results or {}).values() if (r["extracted"] or {}).get("malice")
            ]
            assert one.malice_source == "analyst" or one.malice == worst_malice(said)
        assert alert.malice == (alert.malice_override or worst_malice(one.malice for one in alert.indicators))
    return True


@pytest.fixture
def busy(alert_store):
    """An alert with the addresses, in `alert_store`."""
    return make_alert(alert_store, indicators=pairs(*(f"ip:{ip}" for ip in IPS))).uuid


# --- sequences ---

ip, malice = st.sampled_from(IPS), st.sampled_from(["Benign", "Suspicious", "Malicious"])
steps = st.one_of(
    st.tuples(st.just("load"), st.sampled_from(["a", "b"]), st.lists(st.tuples(ip, malice), min_size=1, max_size=3)),
    st.tuples(st.just("remove"), st.sampled_from(["a", "b"])),
    st.tuples(st.just("enrich"), st.sampled_from(["lists", "fixed", "failing"]), malice),
    st.tuples(st.just("judge"), ip, malice),
    st.tuples(st.just("reset"), ip),
    st.tuples(st.just("add"), ip, st.integers(0, 9)),
    st.tuples(st.just("redact"), st.integers(0, 9)),
    st.tuples(st.just("delete"), st.integers(0, 9)),
    st.tuples(st.just("prune")),
)


def take(store, clock, step):
    kind, *given = step
    uuids = sorted(item.uuid for item in store.alerts(limit=100).items)
    match kind, given:
        case "load", (name, entries):
            text = "indicator,verdict\n" + "".join(f"{value},{says}\n" for value, says in entries)
            store.load_list(named(text, name), name=name)
        case "remove", (name,) if name in {one.name for one in store.lists()}:
            store.remove_list(name)
        case "enrich", (who, says):
            asked = {"lists": "lists", "fixed": Fixed("same", Malice(says)), "failing": Failing("same")}[who]
            store.enrich(using=[asked])
            before = store.checkpoint()
            assert (store.enrich(using=[asked]).changed, store.checkpoint()) == (0, before)
        case "judge", (value, says):
            store.set_indicator_malice(f"ip:{value}", says)
        case "reset", (value,):
            store.reset_indicator_malice(f"ip:{value}")
        case "add", (value, number):
            store.add(generic_alert(title=f"t{number}", indicators=pairs(f"ip:{value}")))
        case "redact", (number,) if uuids:
            store.redact(uuids[number % len(uuids)], ["content"], authority="order 7")
        case "delete", (number,) if uuids:
            store.delete_alert(uuids[number % len(uuids)])
        case "prune", _:
            clock.advance(days=1)
            store.prune(clock.now, authority="policy")


@pytest.mark.parametrize("examples", [25, pytest.param(500, marks=pytest.mark.long)])
def test_any_sequence(tmp_path_factory, promise, examples):
    done = []

    @settings(max_examples=examples)
    @given(st.lists(steps, max_size=10))
    def hold(sequence):
        clock = FrozenClock()
        path = tmp_path_factory.mktemp("s") / "s.db"
        with AlertStore.open(path, clock=clock, ids=seeded_ids(), durability="normal") as store:
            store.add(generic_alert(title="first", indicators=pairs(*(f"ip:{ip}" for ip in IPS))))
            for step in sequence:
                clock.advance(minutes=1)
                if step[0] in {"judge", "reset"} and not store.count(indicator=f"ip:{step[1]}"):
                    continue
                take(store, clock, step)
                assert sound(store)
                assert as_they_should_be(store)
                done.append(step)

    hold()
    assert len(done) > examples
    promise("an indicator's malice is the worst of its results, unless an analyst's", f"{len(done)} steps of any kind, sound after each")


# --- one by one ---


def test_enriching_again_changes_nothing(alert_store, busy):
    load_feed(alert_store)
    alert_store.enrich(using=["lists", "special-purpose", Fixed(), Failing()])
    before = alert_store.checkpoint()
    again = alert_store.enrich(using=["lists", "special-purpose", Fixed(), Failing()])
    assert (again.changed, again.verdicts, again.alerts, alert_store.checkpoint()) == (0, 0, 0, before)


def test_one_that_fails_marks_itself_and_takes_no_verdict_away(alert_store, busy):
    alert_store.enrich(using=[Fixed("p", Malice.MALICIOUS), Fixed("q")])
    found = alert_store.enrich(using=[Failing("p"), Fixed("q")])
    assert list(found.failures) == ["p"]
    assert (verdicts(alert_store, *IPS), found.verdicts) == (["Malicious"] * 3, 0)
    said = alert_store.indicator(f"ip:{BAD}").enrichment_results
    assert (said["p"]["success"], said["p"]["extracted"]["malice"], said["q"]["success"]) == (False, "Malicious", True)
    assert alert_store.get(busy).enrichment_status == "Enriched"
    assert sound(alert_store)


def test_where_all_fail_the_alert_failed_until_one_succeeds(alert_store, busy):
    alert_store.enrich([busy], using=[Failing()])
    assert (alert_store.get(busy).enrichment_status, alert_store.get(busy).enriched_at) == ("Failed", None)
    alert_store.enrich([busy], using=[Fixed()])
    assert alert_store.get(busy).enrichment_status == "Enriched"
    assert alert_store.get(busy).enriched_at is not None
    assert sound(alert_store)


class Hostile(Fixed):
    """One that answers whatever it was given."""

    def __init__(self, answers, version="1"):
        super().__init__("hostile")
        self.answers, self.says = answers, version

    def version(self):
        return self.says

    def look_up(self, indicators, now):
        if isinstance(self.answers, BaseException):
            raise self.answers
        return self.answers


class Unspeakable(Exception):  # noqa: N818 - it is what it is
    """One that cannot even be named."""

    def __str__(self):
        raise ValueError


ODD = {
    "too few": Hostile([Answer()]),
    "too many": Hostile([None] * 99),
    "none": Hostile(None),
    "floats": Hostile([Answer(None, {"a": 1.5})] * 3),
    "not a number": Hostile([Answer(None, {"a": float("nan")})] * 3),
    "huge": Hostile([Answer(None, {"a": "x" * LONGEST_RESULT})] * 3),
    "surrogates": Hostile([Answer(None, {"\ud800": "\udfff"})] * 3),
    "its own verdict": Hostile([Answer(None, {"malice": "Evil"})] * 3),
    "no malice": Hostile([Answer("Evil")] * 3),
    "a surrogate in a fault": Hostile(OSError("\ud800\0")),
    "a fault without words": Hostile(Unspeakable()),
    "no memory": Hostile(MemoryError()),
    "no version": Hostile([None] * 3, version=None),
    "a version of surrogates": Hostile([None] * 3, version="\ud800"),
    "a version without end": Hostile([None] * 3, version="v" * 2_000_000),
}


@pytest.mark.parametrize("name", ODD)
def test_whatever_an_enricher_does_wrong_it_fails_alone(alert_store, busy, name):
    found = alert_store.enrich(using=[ODD[name], Fixed(), "special-purpose"])
    assert list(found.failures) == ["hostile"]
    said = alert_store.indicator(f"ip:{BAD}").enrichment_results
    assert {provider: one["success"] for provider, one in said.items()} == {"hostile": False, "fixed": True, "special-purpose": True}
    assert verdicts(alert_store, *IPS) == ["Benign"] * 3
    before = alert_store.checkpoint()
    assert alert_store.enrich(using=[ODD[name], Fixed()]).changed == 0
    assert alert_store.checkpoint() == before
    assert sound(alert_store)


def test_one_bad_answer_of_many_fails_for_its_indicator_only(alert_store, busy):
    found = alert_store.enrich(using=[Hostile([Answer(Malice.MALICIOUS), Answer(None, {"a": 1.5}), None])])
    assert list(found.failures) == ["hostile"]
    assert sorted(verdicts(alert_store, *IPS)) == ["Malicious", "Pending", "Pending"]
    assert sound(alert_store)


@pytest.mark.parametrize("name", ["", " x", "größer", "\ud800", "x" * 101, 5, None])
def test_a_name_that_cannot_stand_in_the_history_is_refused(alert_store, busy, name):
    before = alert_store.checkpoint()
    with pytest.raises(AlertValidationError):
        alert_store.enrich(using=[Fixed(name)])
    assert alert_store.checkpoint() == before


def test_another_list_judges_what_it_touches_and_nothing_else(alert_store, busy):
    load_feed(alert_store, f"{BAD}\n{KNOWN}\n")
    alert_store.enrich()
    assert verdicts(alert_store, *IPS) == ["Malicious", "Malicious", "Pending"]
    begin = alert_store.checkpoint().size
    loaded = load_feed(alert_store, f"{BAD}\n")
    assert loaded.judged.verdicts == 1
    changed = [event.subject for event in alert_store.events(after=begin) if event.kind == "indicator_malice_updated"]
    assert changed == [alert_store.indicator(f"ip:{KNOWN}").uuid]
    before = alert_store.checkpoint()
    assert load_feed(alert_store, f"{BAD}\n").unchanged
    assert alert_store.checkpoint() == before
    assert alert_store.remove_list("feed").verdicts == 1
    assert verdicts(alert_store, *IPS) == ["Pending"] * 3
    assert sound(alert_store)


def test_an_entry_counts_until_it_expires(alert_store, busy, frozen_clock):
    end = frozen_clock.now + timedelta(hours=1)
    load_feed(alert_store, f"indicator,valid until\n{BAD},{end.isoformat()}\n")
    frozen_clock.advance(minutes=59)
    alert_store.enrich()
    assert verdicts(alert_store, BAD) == ["Malicious"]
    frozen_clock.advance(minutes=1)
    alert_store.enrich()
    assert verdicts(alert_store, BAD) == ["Pending"]


def test_an_analysts_verdict_stands_until_it_is_taken_back(alert_store, busy):
    alert_store.enrich(using=[Fixed("p", Malice.MALICIOUS)])
    alert_store.set_indicator_malice(f"ip:{BAD}", "Benign")
    alert_store.enrich(using=[Fixed("p", Malice.SUSPICIOUS)])
    assert verdicts(alert_store, BAD, KNOWN) == ["Benign", "Suspicious"]
    assert alert_store.reset_indicator_malice(f"ip:{BAD}").malice == "Suspicious"
    before = alert_store.checkpoint()
    alert_store.reset_indicator_malice(f"ip:{BAD}")
    assert alert_store.checkpoint() == before


def test_it_asks_nobody(alert_store, busy, monkeypatch):
    def refuse(*_, **__):
        pytest.fail("it reached for the network")

    for name in ("socket", "create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, refuse)
    load_feed(alert_store)
    assert alert_store.enrich().failures == {}
    alert_store.remove_list("feed")


def killed(path, work, where, at, monkeypatch):
    """Do some work on the file in a process of its own, which kills itself at the call number `at` of a function."""
    child = os.fork()
    if not child:
        try:
            module, name = where
            real, left = getattr(module, name), iter(range(at))

            def deadly(*args):
                if next(left, None) is None:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args)

            monkeypatch.setattr(module, name, deadly)
            with AlertStore.open(path, clock=FrozenClock(), ids=seeded_ids(9)) as store:
                work(store)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


LIST = "".join(f"198.51.100.{n}\n" for n in range(256))


@pytest.mark.parametrize(
    "where", [(intel, "entry_of"), (storage, "decide_verdict"), (storage, "decide_results"), (storage, "decide_alert")]
)
def test_killed_in_the_middle_it_is_sound_and_the_same_call_completes_it(tmp_path, monkeypatch, promise, where):
    path, kills = tmp_path / "s.db", 0
    monkeypatch.setattr(enriching, "BATCH", 3)
    with AlertStore.open(path, clock=FrozenClock(), ids=seeded_ids()) as store:
        for n in range(8):
            store.add(generic_alert(title=f"t{n}", indicators=pairs(f"ip:198.51.100.{n}")))

    def work(store):
        load_feed(store, LIST)
        store.enrich(using=["lists", Fixed()])

    for at in (0, 1, 4, 7, 100):
        kills += killed(path, work, where, at, monkeypatch)
        with AlertStore.open(path, clock=FrozenClock(), ids=seeded_ids(20 + at)) as store:
            assert sound(store)
    with AlertStore.open(path, clock=FrozenClock(), ids=seeded_ids(99)) as store:
        work(store)
        assert [store.get(item.uuid).malice for item in store.alerts(limit=10).items] == ["Malicious"] * 8
        assert {item.enrichment_status for item in (store.get(one.uuid) for one in store.alerts(limit=10).items)} == {"Enriched"}
        assert store.lists()[0].entries == 256
        before = store.checkpoint()
        work(store)
        assert store.checkpoint() == before
        assert sound(store)
    assert kills > 0
    promise("loading a list and enriching, killed in the middle, is completed by the same call", f"{kills} kills at {where[1]}")


def test_a_store_that_is_only_read_refuses(alert_store, busy, open_again):
    reader = open_again(mode="ro")
    for call in (lambda: load_feed(reader), lambda: reader.enrich(using=[Fixed()]), lambda: reader.reset_indicator_malice(f"ip:{BAD}")):
        with pytest.raises(StoreReadOnlyError):
            call()


def test_two_stores_on_one_file(alert_store, busy, open_again):
    other = open_again()
    load_feed(other, f"{BAD}\n")
    assert alert_store.enrich().verdicts == 1
    assert other.enrich().changed == 0
    load_feed(alert_store, f"{KNOWN}\n")
    assert verdicts(other, BAD, KNOWN) == ["Pending", "Malicious"]
    other.enrich(using=[Fixed()])
    assert sound(alert_store)
    assert sound(other)


def test_copies_reports_and_seals_of_a_store_with_all_of_it(alert_store, tmp_path):
    add_intel(alert_store)
    alert_store.backup(tmp_path / "copy.db")
    with AlertStore.open(tmp_path / "copy.db", mode="ro", clock=FrozenClock()) as copy:
        assert (copy.lists(), copy.suppressions()) == (alert_store.lists(), alert_store.suppressions())
        assert copy.verify(checkpoint=alert_store.checkpoint()).ok
    for form in ("markdown", "html"):
        assert alert_store.custody(form=form)


def test_what_was_found_out_stays_where_it_was_found_out(alert_store, tmp_path):
    """Of a bundle the other store takes alerts as they came: verdicts of lists it has not got are not its own."""
    add_intel(alert_store)
    alert_store.export_bundle(tmp_path / "b.zip")
    with AlertStore.open(tmp_path / "other.db", clock=FrozenClock(), ids=seeded_ids(5)) as other:
        found = other.import_bundle(tmp_path / "b.zip")
        assert found.new == alert_store.count() == other.count()
        for item in other.alerts(limit=100).items:
            alert = other.get(item.uuid)
            assert (alert.enrichment_status, alert.enriched_at, alert.malice) == ("Pending", None, "Pending")
        assert (other.lists(), other.suppressions(), other.suppressed_records()) == ([], [], [])
        before = other.checkpoint()
        assert other.import_bundle(tmp_path / "b.zip").merged == 0
        assert other.checkpoint() == before
        other.enrich(using=[Fixed()])
        assert sound(other)
