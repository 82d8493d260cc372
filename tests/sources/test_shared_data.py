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
}
NO_ALERTS = {
    "scripts.base.frameworks.notice.file-info-no-conns__files.log",
    "scripts.policy.protocols.dns.detect-external-names-mdns-broadcast__notice.log",
}
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
        assert reading.source.name == FOLDERS[path.split("/")[0]]
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
    assert count == expected - (Path(path).name == COUNTED_WITH_HEADER)


def test_no_file_of_another_tool_is_taken_for_one_of_ours():
    others = [path for path, _ in FILES if path.split("/")[0] not in FOLDERS or Path(path).name in NO_ALERTS]
    taken = {path: source for path in others if (source := recognise(DATA / path)) not in {None, "generic"}}
    assert len(others) > 100
    assert taken == {}
