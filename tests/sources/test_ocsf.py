"""OCSF: findings of every class, other events, and the forms in which products write them."""

from __future__ import annotations

from datetime import UTC

import pytest

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.ocsf import SOURCE
from alertstore.testing import SourceContract

AT = 1_767_323_045_000_000  # 2026-01-02T03:04:05Z


class TestContract(SourceContract):
    source = "ocsf"
    sample = "ocsf.jsonl"


def finding(info=None, **more):
    about = {"title": "T", "uid": "u"} | (info or {})
    given = {"class_uid": 2004, "category_uid": 2, "metadata": {"version": "1.3.0"}, "severity_id": 4, "time": AT // 1000}
    return given | {"finding_info": about} | more


def test_a_detection_finding():
    record = finding(
        {
            "desc": "What it is",
            "analytic": {"uid": "a-1", "name": "Analytic"},
            "attacks": [
                {"tactic": {"name": "Execution", "uid": "TA0002"}, "technique": {"uid": "T1059"}, "sub_technique": {"uid": "T1059.001"}},
                {"tactics": [{"uid": "TA0011"}], "technique": {"uid": "T1071"}},
                "junk",
            ],
        },
        message="M",
        metadata={"product": {"name": "P"}, "labels": ["l"]},
        observables=[
            {"type_id": 1, "value": "host.example"},
            {"type_id": 2, "value": "192.0.2.1"},
            {"type_id": "4", "value": "mia"},
            {"type_id": 5, "value": "mia@example.org"},
            {"type_id": 6, "value": "https://u.example/x"},
            {"type_id": 8, "value": "MD5:" + "b" * 32},
            {"type": "IP Address", "value": "192.0.2.2"},
            {"type_id": 2, "value": "0.0.0.0"},
            {"type_id": 20, "name": "device"},
            7,
        ],
        src_endpoint={"ip": "192.0.2.1"},
        dst_endpoint={"ip": "203.0.113.1", "hostname": "peer.example"},
        evidences=[{"query": {"hostname": "q.example"}, "process": {"file": {"hashes": [{"value": "c" * 64}]}}}],
        remediation={"desc": "Do it.", "references": ["https://docs.example.com"]},
        severity="High",
    )
    assert SOURCE.claims(record)
    assert SOURCE.alert(record, UTC) == NewAlert(
        title="T",
        severity=Severity.HIGH,
        occurred_at=AT,
        description="M",
        tags=["l"],
        indicators=[
            ("ip", "192.0.2.1"),
            ("account", "mia"),
            ("email", "mia@example.org"),
            ("url", "https://u.example/x"),
            ("hash_md5", "b" * 32),
            ("ip", "192.0.2.2"),
            ("ip", "203.0.113.1"),
            ("domain", "q.example"),
            ("hash_sha256", "c" * 64),
        ],
        rule_id="a-1",
    )
    assert SOURCE.rule(record) == NewRule(
        name="Analytic",
        source_rule_id="a-1",
        source_name="ocsf",
        severity="High",
        mitre_tactics=["Execution", "Command and Control"],
        mitre_techniques=["T1059", "T1071"],
        mitre_subtechniques=["T1059.001"],
        documentation="What it is\nDo it.\nhttps://docs.example.com",
        data_sources=["P"],
    )


def test_a_security_finding_of_the_first_schema():
    record = {"class_uid": 2001, "category_uid": 2, "metadata": {}, "finding": {"title": "T", "desc": "D", "created_time": AT // 1000}}
    record["attacks"] = [{"tactics": [{"name": "Discovery"}], "technique": {"uid": "T1046"}}]
    record["metadata"]["event_code"] = "code"
    assert SOURCE.claims(record)
    alert, rule = SOURCE.alert(record, UTC), SOURCE.rule(record)
    assert (alert.title, alert.description, alert.occurred_at, alert.rule_id) == ("T", "D", AT, "code")
    assert (rule.name, rule.mitre_tactics, rule.mitre_techniques) == ("T", ["Discovery"], ["T1046"])


@pytest.mark.parametrize(
    ("more", "rule_id"),
    [
        ({"vulnerabilities": [{"cve": {"uid": "CVE-2026-0001"}}, {"cve": {"uid": "CVE-2026-0002"}}], "class_uid": 2002}, "CVE-2026-0001"),
        ({"compliance": {"control": "S3.1", "status": "Fail"}, "class_uid": 2003}, "S3.1"),
        ({"class_uid": 2005}, None),
        ({"class_uid": 2006}, None),
    ],
)
def test_the_other_classes_of_findings(more, rule_id):
    assert SOURCE.claims(finding(**more))
    assert SOURCE.alert(finding(**more), UTC).rule_id == rule_id


@pytest.mark.parametrize(
    ("more", "alert"),
    [
        ({"status_code": "FAIL"}, True),
        ({"status_code": "MANUAL"}, True),
        ({"status_code": "PASS"}, False),
        ({"compliance": {"status": "Pass"}}, False),
        ({"compliance": {"status": "Warning"}}, True),
        ({"activity_id": 3, "status": "Resolved"}, True),
        ({"class_uid": 1007, "category_uid": 1, "message": "m"}, False),
        ({"class_uid": 1007, "category_uid": 1, "message": "m", "is_alert": True}, True),
        ({"class_uid": 1007, "category_uid": 1, "message": "m", "is_alert": "yes"}, False),
    ],
)
def test_what_is_an_alert(more, alert):
    assert SOURCE.claims(finding(**more))
    assert (SOURCE.alert(finding(**more), UTC) is not None) is alert


@pytest.mark.parametrize(
    ("fields", "expected", "notes"),
    [
        ({"severity_id": 0, "severity": "High"}, "Pending", ()),
        ({"severity_id": 1}, "Informational", ()),
        ({"severity_id": 2}, "Low", ()),
        ({"severity_id": "3"}, "Medium", ()),
        ({"severity_id": 4}, "High", ()),
        ({"severity_id": 5}, "Critical", ()),
        ({"severity_id": 6}, "Critical", ()),
        ({"severity_id": 99, "severity": "fatal"}, "Critical", ()),
        ({"severity_id": 99, "severity": "Grave"}, "Pending", ("severity_unknown",)),
        ({"severity_id": None, "severity": "Low"}, "Low", ()),
        ({"severity_id": 7}, "Pending", ("severity_unknown",)),
        ({"severity_id": None}, "Pending", ()),
    ],
)
def test_severities(fields, expected, notes):
    alert = SOURCE.alert(finding(**fields), UTC)
    assert (alert.severity, alert.notes) == (expected, notes)


@pytest.mark.parametrize(
    ("info", "more", "micros", "notes"),
    [
        ({}, {"time": AT // 1000}, AT, ()),
        ({}, {"time": AT // 1_000_000, "time_dt": "2026-01-02T04:04:05"}, AT, ()),
        ({"first_seen_time": AT // 1000 - 5}, {}, AT - 5000, ()),
        ({"created_time": AT // 1_000_000}, {"time": None}, AT, ()),
        ({"created_time": AT // 1_000_000}, {"time": 0}, AT, ()),
        ({"created_time": "2026-01-02T03:04:05.382075"}, {"time": None}, AT + 382_075, ("time_without_offset",)),
        ({}, {"time": None, "time_dt": "2026-01-02T03:04:05Z"}, AT, ()),
        ({}, {"time": None}, None, ("time_missing",)),
    ],
)
def test_times(info, more, micros, notes):
    alert = SOURCE.alert(finding(info, **more), UTC)
    assert (alert.occurred_at, alert.notes) == (micros, notes)


PLACES = [
    *(
        (kind, f"{where}{path}", value)
        for where in ("", "evidences[].")
        for kind, path, value in (
            ("ip", "src_endpoint.ip", "192.0.2.1"),
            ("ip", "dst_endpoint.ip", "192.0.2.1"),
            ("domain", "query.hostname", "a.example"),
            ("url", "url.url_string", "https://a.example"),
            ("account", "actor.user.name", "mia"),
            ("email", "actor.user.email_addr", "mia@example.org"),
            ("account", "user.name", "mia"),
            ("hash_sha1", "file.hashes[].value", "c" * 40),
            ("hash_md5", "process.file.hashes[].value", "b" * 32),
        )
    ),
    ("account", "observables[]", {"type": "User Name", "value": "mia"}),
    ("email", "observables[]", {"type": "Email Address", "value": "mia@example.org"}),
    ("url", "observables[]", {"type": "URL String", "value": "https://a.example"}),
    ("hash_md5", "observables[]", {"type": "Hash", "value": "b" * 32}),
    ("hash_sha1", "observables[]", {"type": "File Hash", "value": "c" * 40}),
]


@pytest.mark.parametrize(("kind", "path", "value"), PLACES)
def test_every_place_of_an_indicator(kind, path, value, placed):
    expected = value["value"] if isinstance(value, dict) else value
    assert SOURCE.alert(finding(**placed(path, value)), UTC).indicators == [(kind, expected)]


@pytest.mark.parametrize("path", ["finding.first_seen_time", "start_time", "finding_info.created_time_dt", "event_time"])
def test_every_place_of_a_time(path, placed):
    record = finding(time=None)
    for name, inner in placed(path, "2026-01-02T03:04:05Z").items():
        record[name] = (record.get(name) or {}) | inner if isinstance(inner, dict) else inner
    assert SOURCE.alert(record, UTC).occurred_at == AT


@pytest.mark.parametrize(
    ("word", "expected"), [("Unknown", "Pending"), ("Informational", "Informational"), ("Medium", "Medium"), ("High", "High")]
)
def test_a_severity_in_words(word, expected):
    alert = SOURCE.alert(finding(severity_id=None, severity=word), UTC)
    assert (alert.severity, alert.notes) == (expected, ())


def test_an_analytic_without_an_id_is_known_by_its_name():
    assert SOURCE.alert(finding({"analytic": {"name": "Analytic"}}), UTC).rule_id == "Analytic"


@pytest.mark.parametrize(
    "record",
    [
        {"class_uid": 2004, "category_uid": 2},
        {"class_uid": 2004, "category_uid": 4, "metadata": {}},
        {"class_uid": "2004", "category_uid": "2", "metadata": {}},
        {"class_uid": 7, "category_uid": 0, "metadata": {}},
        {"class_uid": [2004], "category_uid": 2, "metadata": {}},
    ],
)
def test_what_only_looks_alike_is_not_ours(record):
    assert not SOURCE.claims(record)


def test_a_nameless_finding_is_refused():
    with pytest.raises(ValueError, match="without a title"):
        SOURCE.alert(finding({"title": ""}), UTC)
