"""What a source owes, as tests: subclass `SourceContract`, name the source, give records of its tool.

    class TestOurTool(SourceContract):
        source = "ourtool"
        records = [{"ourtool_id": 7, "name": "Beacon", "level": "high", "when": "2026-01-02T03:04:05Z"}]

The source is found as the store finds it: by its entry point. Instead of `records`, `sample` names a file of the tool, in
`alertstore/samples` or anywhere. There must be at least one alert, all records must be the tool's, and all that are alerts must
be without fault. pytest needs the fixtures of alertstore's own plugin, which it finds by itself.
"""

from __future__ import annotations

import copy
import json
import os
from datetime import timedelta, timezone
from itertools import islice
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, ClassVar

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.intake import prepare
from alertstore.domain.times import is_representable
from alertstore.domain.vocabulary import IndicatorType, Severity
from alertstore.sources.base import OUTPUTS, Source, mapped_fields
from alertstore.sources.explain import outputs
from alertstore.sources.paths import covers, dotted, exact, leaves, nodes, replaced, without
from alertstore.sources.readers import open_reading
from alertstore.sources.registry import BUILT_IN, LAST, load_source, load_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from alertstore.sources.base import Record
    from alertstore.sources.paths import Path
    from alertstore.store import AlertStore

SAMPLES = FilePath(__file__).parent.parent / "samples"
ZONE = timezone(timedelta(hours=2))
MOST_MANGLED = 12
"""Of how many records, of different shapes, every value is replaced in turn."""

JUNK: tuple[dict[str, Any], ...] = (
    {},
    {"": ""},
    {"text": "a line of some log"},
    {"title": "no tool's"},
    {"id": 1, "name": "x", "type": "y", "severity": "high", "timestamp": "2026-01-02T03:04:05Z", "message": "words"},
    {"time": 1, "event": {"id": 2}, "data": [1, None, {}], "rule": "r", "alert": True, "host": [], "source": {"ip": 3}},
)
"""What is no tool's record."""

ODD: tuple[Any, ...] = (
    None,
    [],
    {},
    [[{"a": None}], 3, "x"],
    {"value": {"name": ["x"]}, "id": 7},
    True,
    -1,
    10**400,
    1e308,
    float("inf"),
    "",
    " \t\n",
    "NaN",
    "-",
    "99999999999999999999",
    "\x1b]0;x\x07\u202e<script>'; DROP TABLE alerts;--",
    "{[" * 40,
    "a" * 70_000,
)
"""What stands where something else was expected."""


class SourceContract:
    """All that the store relies on in a source. `source` is its name; `records`, or the file `sample`, are its tool's."""

    source: ClassVar[str]
    records: ClassVar[Sequence[Record]] = ()
    sample: ClassVar[str | None] = None

    @property
    def tool(self) -> Source:
        """The source."""
        return load_source(self.source)

    def given(self) -> list[Record]:
        """The records, parsed."""
        found = copy.deepcopy(list(self.records))
        if self.sample is not None:
            found += read_sample(SAMPLES / self.sample, self.tool)
        assert found, "give `records`, or a `sample` that is not empty"
        return found

    def alerts(self) -> list[Record]:
        """The records that are alerts."""
        return [record for record in self.given() if self.tool.alert(record, ZONE) is not None]

    def shapes(self) -> list[Record]:
        """A record of each shape, alerts first."""
        found: dict[tuple[str, ...], Record] = {}
        for record in (*self.alerts(), *self.given()):
            found.setdefault(tuple(sorted({dotted(path) for path, _ in leaves(record)})), record)
        return list(islice(found.values(), MOST_MANGLED))

    def mangled(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The records with one place changed at a time, and what was done."""
        for record in self.shapes():
            for path, _ in nodes(record):
                yield f"without {exact(path)}", without(record, path)
                for odd in ODD:
                    yield f"{exact(path)} = {odd!r:.40}", replaced(record, path, odd)

    def test_it_says_what_it_is(self) -> None:
        """Name, tool and signature in words; a severity table of the contract's words; fields by the names of `OUTPUTS`."""
        tool = self.tool
        assert isinstance(tool, Source)
        assert tool.name == self.source
        assert tool.tool.strip()
        assert tool.signature.strip()
        assert tool.severities
        assert all(isinstance(one, Severity) for one in tool.severities.values())
        declared = mapped_fields(tool)
        assert declared, "declare in `fields` what is read from where (alertstore.sources.base)"
        assert set(declared) <= set(OUTPUTS)
        assert declared.get("title")
        for paths in declared.values():
            assert not isinstance(paths, str)
            assert len(set(paths)) == len(paths)
            assert all(isinstance(path, str) and path.strip() for path in paths)

    def test_it_claims_its_own_and_nobody_else_does(self) -> None:
        """Whatever order sources are asked in; those that take what is left are asked last."""
        assert self.alerts(), "no record is an alert"
        for number, record in enumerate(self.given()):
            claimants = [one.name for one in load_sources() if one.name not in LAST and one.claims(record)]
            assert self.tool.claims(record) is True, f"record {number} is not claimed"
            assert set(claimants) - {self.source} == set(), f"record {number}: {record!r:.500}"

    def test_it_claims_nothing_of_others(self) -> None:
        """The samples of every built-in tool, and what is nobody's."""
        if self.source in LAST:  # takes what is left
            return
        for file in sorted(SAMPLES.iterdir()):
            owner = sample_owner(file)
            if owner not in {None, self.source}:
                taken = [record for record in read_sample(file, load_source(str(owner))) if self.tool.claims(record)]
                assert taken == [], f"{file.name} is {owner}'s"
        assert [junk for junk in JUNK if self.tool.claims(junk)] == []

    def test_claims_never_raises(self) -> None:
        """It gives a boolean, whatever stands where."""
        for what, record in self.mangled():
            assert self.tool.claims(record) in {True, False}, what
        for junk in JUNK:
            assert self.tool.claims(junk) in {True, False}

    def test_its_alerts_are_whole(self) -> None:
        """A title, the declared types, and where there is a rule's id, the rule."""
        tool = self.tool
        for record in self.alerts():
            alert = tool.alert(record, ZONE)
            assert alert is not None
            check_alert(alert)
            prepare(alert, tool.name)
            rule = tool.rule(record)
            if alert.rule_id is not None:
                assert rule is not None, "an alert names a rule that cannot be told"
                check_rule(rule)
                assert rule.name.strip()
                assert (rule.source_rule_id, rule.source_name) == (alert.rule_id, tool.name)

    def test_a_mangled_record_makes_an_alert_none_or_a_reason(self) -> None:
        """Never another exception than ValueError, and never an alert of other types."""
        for what, record in self.mangled():
            for check in (self._check_mapping, self._check_rule):
                fault = failure(check, record)
                assert fault is None or (isinstance(fault, ValueError) and str(fault).strip()), f"{what}: {fault!r}"

    def _check_mapping(self, record: Record) -> None:
        alert = self.tool.alert(record, ZONE)
        if alert is not None:
            check_alert(alert)
            prepare(alert, self.source)

    def _check_rule(self, record: Record) -> None:
        rule = self.tool.rule(record)
        if rule is not None:
            check_rule(rule)

    def test_reading_changes_nothing_and_repeats(self) -> None:
        """A record is as it was, and says the same the second time."""
        tool = self.tool
        for record in self.given():
            before = copy.deepcopy(record)
            first = (tool.claims(record), tool.alert(record, ZONE), tool.rule(record))
            assert record == before
            assert (tool.claims(record), tool.alert(record, ZONE), tool.rule(record)) == first

    def test_what_it_reads_is_declared(self) -> None:
        """Taking any value out changes only the outputs for which `fields` names its path."""
        declared, undeclared = mapped_fields(self.tool), set()
        for record in self.alerts():
            for path, name in self._used(record):
                if not any(covers(one, path) for one in declared.get(name, ())):
                    undeclared.add((name, dotted(path)))
        assert sorted(undeclared) == []

    def _used(self, record: Record) -> Iterator[tuple[Path, str]]:
        """The values of a record, and the outputs that are not the same without them."""
        whole = outputs(self.tool, record, ZONE)
        assert whole is not None
        for path, value in leaves(record):
            less = outputs(self.tool, without(record, path), ZONE)
            if less is not None:
                yield from ((path, name) for name in OUTPUTS if whole[name] != less[name])
                continue
            # Without it the record is no alert: either it tells what the record is, or it is the only title there is.
            other = outputs(self.tool, replaced(record, path, f"{value}~"), ZONE)
            if other is not None and other["title"] != whole["title"]:
                yield path, "title"

    def test_it_can_be_ingested_and_ingested_again(self, alert_store: AlertStore, tmp_path: FilePath) -> None:
        """Through a real store: nothing rejected, every alert there; the second time all were seen."""
        path = tmp_path / "records.jsonl"
        if self.sample is None:
            path.write_text("".join(json.dumps(record) + "\n" for record in self.records), encoding="utf-8")
        else:
            path = SAMPLES / self.sample
        whole, alerts = len(self.given()), len(self.alerts())
        first = alert_store.ingest(path)
        assert (first.source, first.rejected, first.first_rejections) == (self.source, 0, ())
        kept = first.new + first.duplicates
        assert (kept + first.seen, first.skipped) == (alerts, whole - alerts)
        assert alert_store.count(source=[self.source]) == first.new > 0
        again = alert_store.ingest(path, source=self.source)
        assert (again.new, again.duplicates, again.seen, again.rejected) == (0, 0, kept + first.seen, 0)
        assert alert_store.verify().ok


def failure(check: Callable[[Record], None], record: Record) -> Exception | None:
    """What a check raises."""
    try:
        check(record)
    except Exception as fault:  # noqa: BLE001 - any kind is what is looked for
        return fault
    return None


def sample_owner(file: FilePath) -> str | None:
    """The source whose sample a file is, by the first word of its name; None for other files."""
    name = os.path.basename(file).split(".")[0].split("-")[0]
    return name if name in BUILT_IN | LAST else None


def read_sample(file: FilePath, source: Source) -> list[Record]:
    """The records of a file, read as that source's."""
    with file.open("rb") as stream:
        reading = open_reading(stream, name=file.name, sources=[source])
        return [reading.parse(one.raw) for one in reading.records()]


def check_alert(alert: NewAlert) -> None:
    """Hold an alert against the types that `NewAlert` declares."""
    assert isinstance(alert, NewAlert)
    assert isinstance(alert.title, str)
    assert alert.title.strip()
    assert isinstance(alert.severity, Severity)
    assert isinstance(alert.description, str | None)
    assert isinstance(alert.rule_id, str | None)
    assert alert.rule_id != ""
    assert all(isinstance(one, str) for one in (*alert.tags, *alert.notes))
    assert not isinstance(alert.tags, str)
    if alert.occurred_at is None:
        assert any(note.startswith("time_") for note in alert.notes), "there is no time, and no note says why"
    else:
        assert type(alert.occurred_at) is int
        assert is_representable(alert.occurred_at)
    for kind, value in alert.indicators:
        assert kind in set(IndicatorType)
        assert isinstance(value, str)


def check_rule(rule: NewRule) -> None:
    """Hold a rule against the types that `NewRule` declares."""
    assert isinstance(rule, NewRule)
    assert isinstance(rule.name, str)
    for text in (rule.source_rule_id, rule.source_name, rule.severity, rule.run_frequency, rule.documentation):
        assert isinstance(text, str | None)
    for texts in (rule.mitre_tactics, rule.mitre_techniques, rule.mitre_subtechniques, rule.data_sources):
        assert not isinstance(texts, str)
        assert all(isinstance(one, str) for one in texts)
