"""STIX: indicators and sightings are alerts, other objects are not."""

from __future__ import annotations

from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.stix import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_258_122_400_000
WHEN = "2026-01-01T09:02:02.400Z"
UUID = "33fe3b22-0201-47cf-85d0-97c02164528d"


class TestContract(SourceContract):
    source = "stix"
    sample = "stix.json"


def indicator(**more):
    return {
        "type": "indicator",
        "id": f"indicator--{UUID}",
        "valid_from": WHEN,
        "name": "N",
        "pattern": "[url:value = 'https://x.example/']",
    } | more


def sighting(**more):
    return {"type": "sighting", "id": f"sighting--{UUID}", "first_seen": WHEN, "sighting_of_ref": f"indicator--{UUID}"} | more


def test_an_indicator():
    record = indicator(
        created="2026-01-02T00:00:00Z",
        description="D",
        indicator_types=["anomalous-activity", "malicious-activity"],
        labels=["case-17", "malicious-activity"],
        pattern_type="stix",
        pattern="[ipv4-addr:value = '203.0.113.7' OR windows-registry-key:key = 'HKLM'] OR [file:hashes.MD5 = 'b10a8db164e0754105b7a99be72e3fe5']",
        kill_chain_phases=[
            {"kill_chain_name": "mitre-attack", "phase_name": "command-and-control"},
            {"kill_chain_name": "lockheed-martin-cyber-kill-chain", "phase_name": "delivery"},
            7,
        ],
        external_references=[{"external_id": "T1071.001"}, {"external_id": "CAPEC-98"}, {"source_name": "x"}],
    )
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="N",
        severity=Severity.HIGH,
        occurred_at=AT,
        description="D",
        tags=["case-17"],
        indicators=[("ip", "203.0.113.7"), ("hash_md5", "b10a8db164e0754105b7a99be72e3fe5")],
        rule_id=f"indicator--{UUID}",
    )
    assert SOURCE.rule(record) == NewRule(
        name="N",
        source_rule_id=f"indicator--{UUID}",
        source_name="stix",
        severity="anomalous-activity",
        mitre_tactics=["Command and Control"],
        mitre_techniques=[],
        mitre_subtechniques=["T1071.001"],
        documentation="D",
    )


def test_a_sighting_belongs_to_the_rule_that_its_indicator_is():
    record = sighting(description="D", labels=["a"])
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title=f"Sighting of indicator--{UUID}", occurred_at=AT, description="D", tags=["a"], rule_id=f"indicator--{UUID}"
    )
    assert SOURCE.rule(record).source_rule_id == SOURCE.alert(indicator(), UTC).rule_id


def test_a_sighting_of_something_else_has_no_rule():
    record = sighting(sighting_of_ref=f"malware--{UUID}")
    assert SOURCE.alert(record, UTC).rule_id is None
    assert SOURCE.rule(record) is None
    with pytest.raises(ValueError, match="sighting of nothing"):
        SOURCE.alert(sighting(sighting_of_ref=None), UTC)


@pytest.mark.parametrize(
    ("record", "skipped"),
    [
        ({"type": "malware", "id": f"malware--{UUID}"}, True),
        ({"type": "x-mitre-tactic", "id": f"x-mitre-tactic--{UUID}"}, True),
        ({"type": "ipv4-addr", "id": f"ipv4-addr--{UUID}", "value": "203.0.113.7"}, True),
        (indicator(revoked=True), True),
        (indicator(revoked="yes"), False),
    ],
)
def test_other_objects_are_ours_and_no_alerts(record, skipped):
    assert SOURCE.claims(record)
    assert (SOURCE.alert(record, UTC) is None) == skipped


@pytest.mark.parametrize(
    ("kinds", "expected", "notes"),
    [
        (["malicious-activity"], "High", ()),
        (["compromised"], "High", ()),
        (["attribution"], "Medium", ()),
        (["Anomalous-Activity"], "Low", ()),
        (["anonymization"], "Low", ()),
        (["benign"], "Informational", ()),
        (["unknown"], "Pending", ()),
        (["unknown", "benign"], "Informational", ()),
        (["strange"], "Pending", ("severity_unknown",)),
        ("compromised", "High", ()),
        (None, "Pending", ()),
    ],
)
def test_severities(kinds, expected, notes):
    alert = SOURCE.alert(indicator(indicator_types=kinds), UTC)
    assert (alert.severity, alert.notes) == (expected, notes)


def test_the_older_version_has_the_types_among_the_labels():
    alert = SOURCE.alert(indicator(labels=["malicious-activity", "osint"]), UTC)
    assert (alert.severity, alert.tags, alert.notes) == (Severity.HIGH, ["osint"], ())


@pytest.mark.parametrize(
    ("pattern", "kind"),
    [
        ("[ipv4-addr:value = '203.0.113.7' AND url:value = 'https://x.example/']", "stix"),
        ("alert tcp any any", "snort"),
        ("[url:value = 'https://x.example/']", "sigma"),
        (None, "stix"),
        (["x"], "stix"),
    ],
)
def test_a_pattern_of_another_kind_gives_no_indicators(pattern, kind):
    alert = SOURCE.alert(indicator(pattern=pattern, pattern_type=kind), UTC)
    assert (alert.title, alert.indicators) == ("N", [])


def test_the_pattern_stands_for_a_missing_name():
    assert SOURCE.alert(indicator(name=None), UTC).title == "[url:value = 'https://x.example/']"
    assert SOURCE.alert(indicator(name="", pattern=None), UTC).title == f"indicator--{UUID}"


@pytest.mark.parametrize(
    ("when", "micros", "note"),
    [("2026-01-01T09:02:02.4", AT, "time_without_offset"), ("x", None, "time_unreadable"), (None, None, "time_missing")],
)
def test_times(when, micros, note):
    for record in (indicator(valid_from=when), sighting(first_seen=when)):
        alert = SOURCE.alert(record, UTC)
        assert (alert.occurred_at, alert.notes) == (micros, (note,))


@pytest.mark.parametrize(
    "record",
    [
        {"type": "bundle", "id": f"bundle--{UUID}"},
        {"type": "indicator", "id": UUID},
        {"type": "indicator", "id": "indicator--7"},
        {"type": 7, "id": f"7--{UUID}"},
        {"type": "alert", "id": [f"alert--{UUID}"]},
    ],
)
def test_what_only_looks_alike_is_not_ours(record):
    assert not SOURCE.claims(record)
