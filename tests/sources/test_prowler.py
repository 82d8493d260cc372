"""Prowler: the four forms of its own output."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.prowler import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_323_045_000_000  # 2026-01-02T03:04:05Z
JSON3 = {
    "AssessmentStartTime": "2026-01-02T03:04:05Z",
    "FindingUniqueId": "prowler-aws-x",
    "CheckID": "iam_user_mfa",
    "CheckTitle": "T",
    "Status": "FAIL",
    "StatusExtended": "D",
    "Severity": "high",
}
CSV = {"CHECK_ID": "iam_user_mfa", "CHECK_TITLE": "T", "STATUS": "FAIL", "STATUS_EXTENDED": "D", "SEVERITY": "high"}
CSV |= {"TIMESTAMP": "2026-01-02T03:04:05Z"}
JSON2 = {"Control": "[check11] T", "Control ID": "1.01", "Status": "FAIL", "Message": "D", "Severity": "High"}
JSON2 |= {"Timestamp": "2026-01-02T03:04:05Z"}
CSV2 = {"TITLE_ID": "1.1", "TITLE_TEXT": "[check11] T", "CHECK_RESULT": "FAIL", "CHECK_RESULT_EXTENDED": "D", "CHECK_SEVERITY": "High"}
CSV2 |= {"PROWLER_START_TIME": "2026-01-02T03:04:05Z"}


class TestContract(SourceContract):
    source = "prowler"
    sample = "prowler.csv"


class TestContractOfOtherForms(SourceContract):
    source = "prowler"
    records = (JSON3, JSON2, CSV2)


@pytest.mark.parametrize(("record", "rule_id"), [(JSON3, "iam_user_mfa"), (CSV, "iam_user_mfa"), (JSON2, "check11"), (CSV2, "check11")])
def test_every_form_says_the_same(record, rule_id):
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert("T", Severity.HIGH, AT, "D", [], (), rule_id)
    rule = SOURCE.rule(record)
    assert (rule.name, rule.source_rule_id, rule.severity.lower()) == ("T", rule_id, "high")


def test_a_result_in_json():
    record = JSON3 | {
        "ResourceType": "AwsIamUser",
        "ResourceId": "deploy",
        "Categories": ["internet-exposed", ""],
        "Risk": "R",
        "Remediation": {"Code": {"CLI": "c"}, "Recommendation": {"Text": "H", "Url": "u"}},
        "Compliance": {"CIS-1.5": ["1.1"], "MITRE-ATTACK": ["T1110", "T1078.004"]},
    }
    alert = SOURCE.alert(record, UTC)
    assert (alert.indicators, alert.tags) == ([("account", "deploy")], ["internet-exposed"])
    assert SOURCE.rule(record) == NewRule(
        name="T",
        source_rule_id="iam_user_mfa",
        source_name="prowler",
        severity="high",
        mitre_techniques=["T1110"],
        mitre_subtechniques=["T1078.004"],
        documentation="R\nH",
    )


def test_a_result_in_a_table():
    record = CSV | {
        "MUTED": "True",
        "CATEGORIES": "internet-exposed | secrets",
        "RESOURCE_TYPE": "AwsS3Bucket",
        "RESOURCE_NAME": "web",
        "RISK": "R",
        "REMEDIATION_RECOMMENDATION_TEXT": "H",
        "COMPLIANCE": "MITRE-ATTACK: T1110, T1078.004 | CIS-1.5: 1.1",
    }
    alert, rule = SOURCE.alert(record, UTC), SOURCE.rule(record)
    assert (alert.indicators, alert.tags) == ((), ["internet-exposed", "secrets", "muted"])
    assert (rule.mitre_techniques, rule.mitre_subtechniques, rule.documentation) == (["T1110"], ["T1078.004"], "R\nH")


def test_the_help_of_version_2_is_text():
    assert SOURCE.rule(JSON2 | {"Risk": "R", "Remediation": "H"}).documentation == "R\nH"
    assert SOURCE.rule(CSV2 | {"CHECK_RISK": "R", "CHECK_REMEDIATION": "H"}).documentation == "R\nH"


@pytest.mark.parametrize("status", ["PASS", "Pass", "pass"])
def test_a_passed_check_is_no_alert(status):
    for record in (JSON3 | {"Status": status}, CSV | {"STATUS": status}, JSON2 | {"Status": status}, CSV2 | {"CHECK_RESULT": status}):
        assert SOURCE.claims(record)
        assert SOURCE.alert(record, UTC) is None


@pytest.mark.parametrize("status", ["FAIL", "MANUAL", "INFO", "WARNING", None])
def test_any_other_result_is_one(status):
    assert SOURCE.alert(JSON3 | {"Status": status}, UTC).title == "T"


@pytest.mark.parametrize(
    ("word", "expected", "notes"),
    [
        ("critical", "Critical", ()),
        ("High", "High", ()),
        ("medium", "Medium", ()),
        ("LOW", "Low", ()),
        ("informational", "Informational", ()),
        ("Info", "Informational", ()),
        ("grave", "Pending", ("severity_unknown",)),
        ("", "Pending", ()),
    ],
)
def test_severities(word, expected, notes):
    alert = SOURCE.alert(CSV | {"SEVERITY": word}, UTC)
    assert (alert.severity, alert.notes) == (expected, notes)


def test_a_time_without_a_zone_is_of_the_zone_of_the_scanner():
    record = JSON3 | {"AssessmentStartTime": "2026-01-02T05:04:05.000000"}
    alert = SOURCE.alert(record, timezone(timedelta(hours=2)))
    assert (alert.occurred_at, alert.notes) == (AT, ("time_without_offset",))


@pytest.mark.parametrize(
    ("control", "title", "rule_id"),
    [("[check11] T", "T", "check11"), ("T", "T", "1.01"), ("[check11]", "[check11]", "check11"), ("[] T", "T", "1.01")],
)
def test_controls_of_version_2(control, title, rule_id):
    alert = SOURCE.alert(JSON2 | {"Control": control}, UTC)
    assert (alert.title, alert.rule_id) == (title, rule_id)


@pytest.mark.parametrize(
    "record", [{"CheckID": "x"}, {"CHECK_ID": "x", "STATUS": "FAIL"}, {"Control": "c", "Status": "FAIL"}, {"CHECK_RESULT": "FAIL"}]
)
def test_what_only_looks_alike_is_not_ours(record):
    assert not SOURCE.claims(record)


def test_a_nameless_check_is_refused():
    with pytest.raises(ValueError, match="without a title"):
        SOURCE.alert({"TITLE_ID": "1.1", "CHECK_RESULT": "FAIL"}, UTC)
