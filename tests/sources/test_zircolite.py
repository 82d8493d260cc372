"""Zircolite: rules with many matches and with one, and the rows of its table."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.zircolite import MOST_HOSTS, MOST_INDICATORS, SOURCE
from alertstore.testing import SourceContract

AT = 1_767_258_122_400_000
MATCH = {"SystemTime": "2026-01-01T09:02:02.400000Z", "Computer": "ws01"}
BASE = {"title": "R", "id": "u-1", "rule_level": "high", "sigma": ["SELECT"], "tags": [], "count": 1, "matches": [MATCH]}
ROW = {"rule_title": "R", "rule_description": "D", "rule_level": "low", "rule_count": "7"}


class TestContract(SourceContract):
    source = "zircolite"
    sample = "zircolite.json"


class TestContractOfTheTable(SourceContract):
    source = "zircolite"
    sample = "zircolite.csv"


def alert(**more):
    return SOURCE.alert(BASE | more, UTC)


def test_a_rule_with_several_matches_is_one_alert_from_the_first_on():
    record = BASE | {
        "description": "What it detects.",
        "tags": ["attack.execution", "attack.t1059", "attack.t1059.001", "detection.emerging-threats"],
        "count": 3,
        "matches": [
            {"SystemTime": "2026-01-01T09:05:00Z", "Computer": "ws02", "User": "jo", "DestinationIp": "203.0.113.9"},
            {**MATCH, "User": "mia", "DestinationIp": "203.0.113.9", "Hashes": f"SHA1={'a' * 40},IMPHASH={'b' * 32}"},
            {"SystemTime": "2026-01-01T09:04:00Z", "Computer": "ws02"},
        ],
    }
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="R",
        severity=Severity.HIGH,
        occurred_at=AT,
        description="What it detects.\n3 matches from 2026-01-01T09:02:02.400000Z to 2026-01-01T09:05:00Z on ws02, ws01",
        tags=["detection.emerging-threats"],
        indicators=[("account", "jo"), ("ip", "203.0.113.9"), ("account", "mia"), ("hash_sha1", "a" * 40)],
        rule_id="u-1",
    )
    assert SOURCE.rule(record) == NewRule(
        name="R",
        source_rule_id="u-1",
        source_name="zircolite",
        severity="high",
        mitre_tactics=["Execution"],
        mitre_techniques=["T1059"],
        mitre_subtechniques=["T1059.001"],
        documentation="What it detects.",
    )


def test_a_single_match_is_told_whole():
    found = alert(matches=[MATCH | {"row_id": 7, "CommandLine": "whoami", "EventID": 4688}])
    assert found.description == "Computer: ws01 ¦ CommandLine: whoami ¦ EventID: 4688"


def test_a_rule_that_matched_nothing_is_no_alert():
    assert SOURCE.claims(BASE | {"matches": [], "count": 0})
    assert alert(matches=[], count=0) is None
    assert alert(matches=["x", 3, None]) is None


def test_many_machines_are_counted():
    matches = [{"SystemTime": MATCH["SystemTime"], "Computer": f"ws{number}"} for number in range(MOST_HOSTS + 2)]
    assert alert(matches=matches, count=12).description.endswith(f"on {', '.join(f'ws{n}' for n in range(MOST_HOSTS))} and 2 more")


def test_indicators_are_cut_and_that_is_noted():
    matches = [{**MATCH, "User": f"user{number}"} for number in range(MOST_INDICATORS + 1)]
    whole, cut = alert(matches=matches[:-1]), alert(matches=matches)
    assert (len(whole.indicators), whole.notes) == (MOST_INDICATORS, ())
    assert (len(cut.indicators), cut.notes) == (MOST_INDICATORS, ("indicators_cut",))
    assert cut.description.startswith(f"{MOST_INDICATORS + 1} matches from 2026-01-01T09:02:02.400000Z to ")


def test_a_row_of_the_table_is_one_match():
    record = ROW | {"SystemTime": "2026-01-01T09:02:02.400000Z", "Computer": "dc01", "IpAddress": "198.51.100.7", "TargetUserName": ""}
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="R",
        severity=Severity.LOW,
        occurred_at=AT,
        description="D\nComputer: dc01 ¦ IpAddress: 198.51.100.7",
        tags=[],
        indicators=[("ip", "198.51.100.7")],
        rule_id="R",
    )
    assert SOURCE.rule(record).source_rule_id == "R"


@pytest.mark.parametrize(
    ("level", "expected", "notes"),
    [
        ("critical", "Critical", ()),
        ("high", "High", ()),
        ("medium", "Medium", ()),
        ("Low", "Low", ()),
        ("informational", "Informational", ()),
        ("info", "Informational", ()),
        ("unknown", "Pending", ()),
        ("grave", "Pending", ("severity_unknown",)),
    ],
)
def test_levels(level, expected, notes):
    assert (alert(rule_level=level).severity, alert(rule_level=level).notes) == (expected, notes)


@pytest.mark.parametrize(
    ("match", "micros", "notes"),
    [
        ({"SystemTime": "2026-01-01T09:02:02.400000Z", "UtcTime": "2020-01-01 00:00:00"}, AT, ()),
        ({"UtcTime": "2026-01-01 10:02:02.400"}, AT, ("time_without_offset",)),
        ({"timestamp": 1_767_258_122.4}, AT, ()),
        ({"Computer": "c"}, None, ("time_missing",)),
        ({"SystemTime": "then"}, None, ("time_unreadable",)),
    ],
)
def test_times(match, micros, notes):
    found = SOURCE.alert(BASE | {"matches": [match]}, timezone(timedelta(hours=1)))
    assert (found.occurred_at, found.notes) == (micros, notes)


def test_a_match_without_a_time_does_not_hide_that_of_another():
    found = alert(matches=[{"Computer": "c"}, MATCH])
    assert (found.occurred_at, found.notes) == (AT, ("time_missing",))


def test_what_is_not_ours():
    assert not SOURCE.claims({"title": "R", "rule_level": "high", "matches": []})
    assert not SOURCE.claims(BASE | {"matches": {}})
    assert not SOURCE.claims({name: value for name, value in BASE.items() if name != "rule_level"})
    assert not SOURCE.claims({"rule_title": "R", "rule_level": "high", "rule_id": "x"})
    with pytest.raises(ValueError, match="no title"):
        alert(title="")
    assert SOURCE.rule({"matches": []}) is None
