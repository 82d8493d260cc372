"""The real files beside the repository: each recognised as its tool's, none as another's, with the counts of the list."""

from __future__ import annotations

import csv
from datetime import UTC
from pathlib import Path

import pytest

from alertstore.errors import SourceError
from alertstore.sources.readers import open_reading
from alertstore.sources.registry import load_sources

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
FOLDERS = {
    "suricata": "suricata",
    "suricata-corpus": "suricata",
    "elastic": "elastic",
    "ms_sentinel": "sentinel",
    "splunk": "splunk",
    "zeek": "zeek",
    "falco": "falco",
    "wazuh": "wazuh",
    "crowdstrike": "crowdstrike",
    "carbonblack": "carbonblack",
    "sentinelone": "sentinelone",
    "socradar": "socradar",
    "thinkst_canary": "canary",
    "proofpoint": "proofpoint",
    "misp": "misp",
    "stix": "stix",
    "alertlogic": "alertlogic",
    "aws_guardduty": "guardduty",
    "aws_securityhub": "securityhub",
    "prowler": "prowler",
    "msgraph": "defender",
    "wiz": "wiz",
    "orca": "orca",
    "kubescape": "kubescape",
    "upwind": "upwind",
}
NO_ALERTS = {
    "scripts.base.frameworks.notice.file-info-no-conns__files.log",
    "scripts.policy.protocols.dns.detect-external-names-mdns-broadcast__notice.log",
    "mispevent_testfiles__event_obj_attr_tag.json",  # parts of a MISP event, without the event
    "mispevent_testfiles__event_obj_def_param.json",
    "mispevent_testfiles__event_obj_tag.json",
    "mispevent_testfiles__galaxy.json",
    "mispevent_testfiles__sighting.json",
    "LICENSE.txt",
}
OTHER_TOOL = {
    "tests__stix2.json": "stix",
    "awssecurityhub_guardduty.json": "securityhub",
    "aws_prowler_v3plus_many_vuln.ocsf.json": "ocsf",
    "prowler_example_output_aws.ocsf.json": "ocsf",
    "prowler_example_output_gcp.ocsf.json": "ocsf",
}
"""Files that are not of the tool of their folder."""
COUNTS = {
    "panther_Crowdstrike.FDREvent.jsonl": 1,  # one record among the telemetry is a detection
    "panther_Proofpoint.Event.jsonl": 18,  # six messages hold no threat, were not held back and score low
    "panther_SentinelOne.Activity.jsonl": 6,  # two activities are a scan's
    "asff_prowler-output.asff.json": 290,  # 441 checks were passed
    "awssecurityhub_config_many_findings.json": 0,  # all three were passed
    "aws_prowler_many_vuln.json": 5,  # one was passed
    "kubescape_results.json": 0,  # two resources, on which no control failed
    "tests__stix2.json": 0,  # a report and what was observed
    "examples__indicator-for-c2-ip-address.json": 1,  # from here on: intelligence, of which the list counts no alerts
    "examples__indicators-for-C2-with-COA.json": 2,
    "examples__malicious-email-indicator-with-attachment.json": 2,
    "threat-reports__apt1.json": 12,
}
"""What we count where the list counts otherwise."""
COUNTED_WITH_HEADER = "scripts.policy.frameworks.analyzer.detect-protocols__notice.log"  # the list counts its header line as an alert

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not here")


def listed():
    if not DATA.is_dir():
        return []
    with (DATA / "MANIFEST.tsv").open(encoding="utf-8", newline="") as file:
        return [
            (row["path"], int(row["alert_records"] or 0)) for row in csv.DictReader(file, delimiter="\t") if (DATA / row["path"]).is_file()
        ]


FILES = listed()


def recognise(path):
    with path.open("rb") as file:
        try:
            return open_reading(file, name=path.name, sources=load_sources(plugins=False)).source.name
        except SourceError:
            return None


@pytest.mark.parametrize(
    ("path", "expected"), [one for one in FILES if one[0].split("/")[0] in FOLDERS and Path(one[0]).name not in NO_ALERTS]
)
def test_every_file_of_a_tool_is_read(path, expected):
    count = places = 0
    with (DATA / path).open("rb") as file:
        reading = open_reading(file, name=path, sources=load_sources(plugins=False))
        assert reading.source.name == OTHER_TOOL.get(Path(path).name, FOLDERS[path.split("/")[0]])
        for one in reading.records():
            assert one.problem is None
            assert one.position >= places
            places = one.position + len(one.raw)
            record = reading.parse(one.raw)
            alert = reading.source.alert(record, UTC)
            if alert is not None:
                count += 1
                assert alert.title
                if count < 5:
                    reading.source.rule(record)
    assert reading.size == (DATA / path).stat().st_size
    assert count == COUNTS.get(Path(path).name, expected - (Path(path).name == COUNTED_WITH_HEADER))


def test_no_file_of_another_tool_is_taken_for_one_of_ours():
    others = [path for path, _ in FILES if path.split("/")[0] not in FOLDERS or Path(path).name in NO_ALERTS]
    taken = {path: source for path in others if (source := recognise(DATA / path)) not in {None, "generic"}}
    assert len(others) > 100
    assert taken == {}
