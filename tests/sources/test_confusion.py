"""No tool is taken for another: all sample files, and the real ones beside the repository, by what they are and what they are taken for.

`pytest -s tests/sources/test_confusion.py` prints the table.
"""

from __future__ import annotations

import sys
from collections import Counter
from contextlib import suppress
from itertools import islice
from pathlib import Path

import pytest

from alertstore.errors import SourceError
from alertstore.sources.readers import open_reading
from alertstore.sources.registry import BUILT_IN, LAST, load_source, load_sources
from alertstore.testing.source_contract import SAMPLES, sample_owner

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
NOBODY = "-"
RECORDS = 200
"""Of how many records of a file every source is asked."""

TOOLS = {
    "alertlogic": "alertlogic",
    "aws_guardduty": "guardduty",
    "aws_securityhub": "securityhub",
    "carbonblack": "carbonblack",
    "crowdstrike": "crowdstrike",
    "elastic": "elastic",
    "falco": "falco",
    "kubescape": "kubescape",
    "misp": "misp",
    "misp_warninglists": NOBODY,
    "ms_sentinel": "sentinel",
    "msgraph": "defender",
    "orca": "orca",
    "osquery": NOBODY,
    "proofpoint": "proofpoint",
    "prowler": "prowler",
    "sentinelone": "sentinelone",
    "sigma_rules": NOBODY,
    "socradar": "socradar",
    "splunk": "splunk",
    "stix": "stix",
    "suricata": "suricata",
    "suricata-corpus": "suricata",
    "sysdig": NOBODY,
    "thinkst_canary": "canary",
    "upwind": "upwind",
    "wazuh": "wazuh",
    "wiz": "wiz",
    "zeek": "zeek",
}
"""The tool of each folder of real files."""
EXCEPTIONS = {
    "awssecurityhub_guardduty.json": "securityhub",  # findings of GuardDuty, in the format of Security Hub
    "aws_prowler_v3plus_many_vuln.ocsf.json": "ocsf",
    "prowler_example_output_aws.ocsf.json": "ocsf",
    "prowler_example_output_gcp.ocsf.json": "ocsf",
    "tests__stix2.json": "stix",
    "LICENSE.txt": NOBODY,
    # parts of a MISP event, without the event
    "mispevent_testfiles__event_obj_attr_tag.json": NOBODY,
    "mispevent_testfiles__event_obj_def_param.json": NOBODY,
    "mispevent_testfiles__event_obj_tag.json": NOBODY,
    "mispevent_testfiles__galaxy.json": NOBODY,
    "mispevent_testfiles__sighting.json": NOBODY,
    # other logs of Zeek's
    "scripts.base.frameworks.notice.file-info-no-conns__files.log": NOBODY,
    "scripts.policy.protocols.dns.detect-external-names-mdns-broadcast__notice.log": NOBODY,  # a header alone
}


def known():
    """Every file with the tool that it is of."""
    found = [(file, owner) for file in sorted(SAMPLES.iterdir()) if (owner := sample_owner(file)) is not None]
    found.append((SAMPLES / "README.md", NOBODY))
    if DATA.is_dir():
        found += [(file, expected(file)) for file in sorted(DATA.rglob("*")) if file.is_file()]
    return found


def expected(file):
    tool = EXCEPTIONS.get(file.name, TOOLS.get(file.relative_to(DATA).parts[0], NOBODY))
    return tool if tool == NOBODY or tool in BUILT_IN else "generic" if tool == "upwind" else NOBODY


def recognised(file, sources):
    """The tool, and the first records as it was read; none where nobody reads it."""
    with file.open("rb") as stream:
        try:
            reading = open_reading(stream, name=file.name, sources=sources)
        except SourceError:
            return NOBODY, []
        records = []
        for one in islice(reading.records(), RECORDS):
            with suppress(ValueError):  # a row of another width, and the like
                records.append(reading.parse(one.raw))
        return reading.source.name, records


@pytest.fixture(scope="module")
def seen():
    """Every file: what it is, what it was taken for, its records, and which sources claim any of them."""
    sources = load_sources(plugins=False)
    found = []
    for file, tool in known():
        taken, records = recognised(file, sources)
        claims = {one.name for one in sources if one.name not in LAST and any(one.claims(record) for record in records)}
        found.append((file, tool, taken, records, claims))
    return found


def table(seen):
    """A row for each tool: how many files of it there are, and what they were taken for."""
    counts = Counter((tool, taken) for _, tool, taken, _, _ in seen)
    tools = sorted({name for pair in counts for name in pair}, key=lambda name: (name == NOBODY, name))
    width = max(map(len, tools))
    lines = [f"{'FILES OF':<{width}}  FILES  RECOGNISED AS"]
    for tool in tools:
        row = {taken: counts[tool, taken] for taken in tools if counts[tool, taken]}
        if row:
            words = ", ".join(f"{'nobody' if taken == NOBODY else taken} {n}" for taken, n in row.items())
            lines.append(f"{'nobody' if tool == NOBODY else tool:<{width}}  {sum(row.values()):>5}  {words}")
    return "\n".join(lines)


def test_no_file_is_taken_for_another_tool_s(seen, promise):
    sys.stdout.write(f"\n{table(seen)}\n")
    wrong = {file.name: (tool, taken) for file, tool, taken, _, _ in seen if tool != taken}
    assert wrong == {}
    tools = {tool for _, tool, _, _, _ in seen} - {NOBODY}
    others = sum(tool == NOBODY for _, tool, _, _, _ in seen)
    promise(
        "each tool's files are recognised as that tool's, and nobody's as nobody's",
        f"{len(seen) - others} of {len(seen) - others} files of {len(tools)} tools, {others} of {others} others",
    )


def test_every_tool_has_a_sample():
    assert {owner for file in SAMPLES.iterdir() if (owner := sample_owner(file))} == set(BUILT_IN | LAST)


def test_no_source_claims_a_record_of_another_tool(seen, promise):
    """Not only the first that is asked: whatever order sources stand in, the file would be the same tool's."""
    wrong = {file.name: claims - {tool} for file, tool, _, _, claims in seen if claims - {tool}}
    assert wrong == {}
    asked = sum(len(records) for _, _, _, records, _ in seen)
    assert asked > 100
    promise("no source claims a record of another tool", f"{asked:,} of {asked:,} records, {len(BUILT_IN)} sources asked for each")


def test_no_source_claims_what_nobody_knows():
    """Files that nobody reads, framed as they lie: no source claims any record of them."""

    class Anything:
        name = "anything"

        def claims(self, record):
            return True

    sources = [load_source(name) for name in BUILT_IN]
    claimed = {}
    for file, tool in known():
        if tool == NOBODY:
            _, records = recognised(file, [Anything()])
            names = {one.name for one in sources if any(one.claims(record) for record in records)}
            if names:
                claimed[file.name] = names
    assert claimed == {}
