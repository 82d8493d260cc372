"""The sources that have no test file of their own, held against the contract; and the contract itself, by sources that break it."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources import registry
from alertstore.testing import SourceContract


class TestSuricata(SourceContract):
    source = "suricata"
    sample = "suricata-eve.json"


class TestElastic(SourceContract):
    source = "elastic"
    sample = "elastic.jsonl"


class TestSentinelTable(SourceContract):
    source = "sentinel"
    sample = "sentinel.csv"


class TestSentinelIncident(SourceContract):
    source = "sentinel"
    sample = "sentinel.json"


class TestSplunk(SourceContract):
    source = "splunk"
    sample = "splunk.jsonl"


class TestZeek(SourceContract):
    source = "zeek"
    sample = "zeek-notice.log"


class TestHayabusaTable(SourceContract):
    source = "hayabusa"
    sample = "hayabusa.csv"


class TestHayabusaObjects(SourceContract):
    source = "hayabusa"
    sample = "hayabusa.jsonl"


class TestGeneric(SourceContract):
    source = "generic"
    sample = "generic.jsonl"


class Sound:
    """A source of another package, as the contract wants it; the tests break it one way at a time."""

    name = "sound"
    tool = "A tool"
    signature = "an object with sound_id"
    severities = {"high": Severity.HIGH}  # noqa: RUF012 - as every source has it
    fields = {"title": ("name",), "rule": ("name",), "indicators": ("ip",)}  # noqa: RUF012 - as above

    def claims(self, record):
        return "sound_id" in record

    def alert(self, record, tz):
        name, address = record.get("name"), record.get("ip")
        if not isinstance(name, str) or not name.strip():
            raise ValueError("no name")
        pairs = [("ip", address)] if isinstance(address, str) else []
        return NewAlert(name, Severity.HIGH, indicators=pairs, rule_id=name, notes=("time_missing",))

    def rule(self, record):
        name = record.get("name")
        return NewRule(name, source_rule_id=name, source_name=self.name) if isinstance(name, str) and name.strip() else None


class TestAnOutsidersSource(SourceContract):
    source = "sound"
    records = ({"sound_id": 1, "name": "Beacon", "ip": "192.0.2.1"}, {"sound_id": 2, "name": "Scan", "ip": None, "more": [{"a": [1]}]})

    @pytest.fixture(autouse=True)
    def _installed(self, monkeypatch):
        install(monkeypatch, Sound())


def install(monkeypatch, source):
    entry = EntryPoint("sound", f"{__name__}:Sound", registry.GROUP)
    monkeypatch.setattr(registry, "_entries", lambda: [entry])
    monkeypatch.setattr(registry, "_plugin", lambda _: source)


def broken(**members):
    return type("Broken", (Sound,), members)()


def alert_but(**values):
    """`Sound.alert`, with something else in what it gives."""

    def alert(self, record, tz):
        made = Sound.alert(self, record, tz)
        for name, value in values.items():
            setattr(made, name, value)
        return made

    return broken(alert=alert)


def raising(self, record, tz):
    return NewAlert(record["name"].strip() or "-", notes=("time_missing",))


def forgetful(self, record, tz):
    made = Sound.alert(self, record, tz)
    record.pop("ip", None)
    return made


def undeclared(self, record, tz):
    made = Sound.alert(self, record, tz)
    made.description = str(record.get("more"))
    return made


def drifting():
    numbers = iter(range(10**9))

    def alert(self, record, tz):
        made = Sound.alert(self, record, tz)
        made.description = str(next(numbers))
        return made

    return alert


BREAKS = {
    "test_it_says_what_it_is": [
        broken(fields={}),
        broken(fields={"title": "name"}),
        broken(fields={"name": ("name",)}),
        broken(severities={"high": "High"}),
        broken(signature=" "),
    ],
    "test_it_claims_its_own_and_nobody_else_does": [
        broken(claims=lambda self, record: False),
        broken(claims=lambda self, record: 1 if "sound_id" in record else 0),
        broken(alert=lambda self, record, tz: None),
    ],
    "test_it_claims_nothing_of_others": [
        broken(claims=lambda self, record: "event_type" in record),
        broken(claims=lambda self, record: "RuleTitle" in record),
        broken(claims=lambda self, record: "text" in record),
    ],
    "test_claims_never_raises": [
        broken(claims=lambda self, record: record["sound_id"] > 0),
        broken(claims=lambda self, record: record.get("name", "").startswith("B")),
        broken(claims=lambda self, record: None),
    ],
    "test_its_alerts_are_whole": [
        alert_but(severity="High"),
        alert_but(notes=()),
        alert_but(occurred_at=10**17),
        alert_but(occurred_at=1.5),
        alert_but(title=" "),
        alert_but(indicators=[("host", "x")]),
        alert_but(tags="beacon"),
        alert_but(rule_id="another"),
        broken(rule=lambda self, record: None),
        broken(rule=lambda self, record: NewRule(record["name"], record["name"], "another")),
    ],
    "test_a_mangled_record_makes_an_alert_none_or_a_reason": [
        broken(alert=raising),
        broken(rule=lambda self, record: NewRule(record["name"], record["name"], "sound")),
        broken(rule=lambda self, record: NewRule(record.get("name"), source_name="sound")),
    ],
    "test_reading_changes_nothing_and_repeats": [broken(alert=forgetful), broken(alert=drifting())],
    "test_what_it_reads_is_declared": [
        broken(fields={"title": ("name",), "rule": ("name",)}),
        broken(fields={"title": ("names",), "rule": ("name.first",), "indicators": ("ip",)}),
        broken(alert=undeclared),
    ],
}


@pytest.mark.parametrize(("test", "source"), [(test, source) for test, sources in BREAKS.items() for source in sources])
def test_the_contract_finds_what_is_wrong(test, source, monkeypatch):
    install(monkeypatch, source)
    with pytest.raises(Exception) as found:  # noqa: PT011 - what the broken source raises, or the assertion
        getattr(TestAnOutsidersSource(), test)()
    assert not isinstance(found.value, AttributeError) or test == "test_claims_never_raises"


def test_a_source_that_rejects_its_own_records_is_found(monkeypatch, alert_store, tmp_path):
    turns = iter([True] * 3)  # the contract's own look at both records, and the first of the import

    def alert(self, record, tz):
        if next(turns, False):
            return Sound.alert(self, record, tz)
        raise ValueError("no more")

    install(monkeypatch, broken(alert=alert))
    with pytest.raises(AssertionError):
        TestAnOutsidersSource().test_it_can_be_ingested_and_ingested_again(alert_store, tmp_path)
