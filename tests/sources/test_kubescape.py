"""Kubescape: resources with failed controls, and those without."""

from __future__ import annotations

from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.kubescape import SOURCE
from alertstore.testing import SourceContract


class TestContract(SourceContract):
    source = "kubescape"
    sample = "kubescape.json"


def control(number, status="failed", **more):
    return {"controlID": f"C-{number:04}", "name": f"N{number}", "status": {"status": status}} | more


def result(*controls):
    return {"resourceID": "path=1/api=apps/v1/shop/Deployment/web", "controls": list(controls)}


def test_a_resource_with_one_failed_control():
    record = result(control(1, "passed"), control(2, severity={"severity": "High", "scoreFactor": 2}))
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="N2 on Deployment/web",
        severity=Severity.HIGH,
        description="path=1/api=apps/v1/shop/Deployment/web\nC-0002 N2",
        rule_id="C-0002",
        notes=("time_missing",),
    )
    assert SOURCE.rule(record) == NewRule(name="N2", source_rule_id="C-0002", source_name="kubescape", severity="High")


def test_several_are_one_alert_named_by_the_worst():
    record = result(control(1, scoreFactor=4), control(2, scoreFactor=9), control(3, scoreFactor=9), "junk", control(4, "skipped"))
    alert = SOURCE.alert(record, UTC)
    assert (alert.title, alert.severity) == ("N2 and 2 more failed controls on Deployment/web", Severity.CRITICAL)
    assert alert.description.split("\n")[1:] == ["C-0002 N2", "C-0003 N3", "C-0001 N1"]
    assert (alert.rule_id, SOURCE.rule(record).name) == ("C-0002", "N2")


@pytest.mark.parametrize("status", ["passed", "skipped", "irrelevant", "", None])
def test_without_a_failed_control_there_is_no_alert(status):
    for record in (result(control(1, status)), result(control(1) | {"status": status}), result()):
        assert SOURCE.claims(record)
        assert SOURCE.alert(record, UTC) is None
        assert SOURCE.rule(record) is None


def test_a_status_may_be_a_word():
    assert SOURCE.alert(result(control(1) | {"status": "failed"}), UTC).rule_id == "C-0001"


@pytest.mark.parametrize(
    ("told", "expected", "notes"),
    [
        ({"scoreFactor": 10}, "Critical", ()),
        ({"scoreFactor": 9}, "Critical", ()),
        ({"scoreFactor": 8}, "High", ()),
        ({"baseScore": 6.9}, "Medium", ()),
        ({"severity": {"scoreFactor": 3}}, "Low", ()),
        ({"scoreFactor": 0}, "Pending", ()),
        ({"severity": {"severity": "Critical"}}, "Critical", ()),
        ({"severity": "Low"}, "Low", ()),
        ({"severity": "Medium"}, "Medium", ()),
        ({"severity": "Unknown"}, "Pending", ()),
        ({"severity": "Grave"}, "Pending", ("severity_unknown",)),
        ({"scoreFactor": "much"}, "Pending", ("severity_unknown",)),
        ({}, "Pending", ()),
    ],
)
def test_severities(told, expected, notes):
    alert = SOURCE.alert(result(control(1, **told)), UTC)
    assert (alert.severity, alert.notes) == (expected, (*notes, "time_missing"))


@pytest.mark.parametrize(
    "record",
    [
        {"resourceID": "x", "object": {}},
        {"resourceID": "x", "controls": {}},
        {"resourceID": 7, "controls": []},
        {"controls": [{"controlID": "C-0001"}]},
        {"summaryDetails": {}, "results": [], "resources": []},
    ],
)
def test_what_only_looks_alike_is_not_ours(record):
    assert not SOURCE.claims(record)


def test_a_nameless_control_is_refused():
    with pytest.raises(ValueError, match="without a name"):
        SOURCE.alert(result({"status": "failed"}), UTC)
