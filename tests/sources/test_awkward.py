"""Awkward reality, from the file to the alert: encodings, line ends, broken JSON, odd times, huge records, folders of anything."""

from __future__ import annotations

import gzip
import json
import os
import socket
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

import alertstore
from alertstore import AlertStore, SourceError
from alertstore.sources.folder import files_of
from alertstore.sources.magic import kind_of
from alertstore.testing import FrozenClock, seeded_ids, write_jsonl

SAMPLES = Path(alertstore.__file__).parent / "samples"
TEXTS = {
    "elastic": (SAMPLES / "elastic.jsonl").read_text(encoding="utf-8"),
    "hayabusa": (SAMPLES / "hayabusa.csv").read_text(encoding="utf-8"),
    "cef": (SAMPLES / "cef.log").read_text(encoding="utf-8"),
}
"""A tool that writes JSON, one that writes a table, one that writes lines."""


def spaced(text):
    lines = [line for line in text.split("\n") if line]
    return "\n\n   \n".join(lines) + "\n\n \n"


FORMS = {
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "UTF-16 LE": lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
    "UTF-16 BE": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-16 LE, no mark": lambda text: text.encode("utf-16-le"),
    "UTF-16 BE, no mark": lambda text: text.encode("utf-16-be"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "UTF-16 and CRLF": lambda text: b"\xff\xfe" + text.replace("\n", "\r\n").encode("utf-16-le"),
    "blank lines": lambda text: spaced(text).encode(),
    "CRLF and blank lines": lambda text: spaced(text).replace("\n", "\r\n").encode(),
    "no last line end": lambda text: text.rstrip("\n").encode(),
    "gzip": lambda text: gzip.compress(text.encode()),
    "gzip of UTF-16": lambda text: gzip.compress(b"\xff\xfe" + text.encode("utf-16-le")),
}


@pytest.fixture
def ingest(tmp_path):
    """A file's bytes into a new store: the store, and what the import came to."""
    stores = []

    def of(data, name="file", **how):
        path = tmp_path / f"{name}-{len(stores)}.log"
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        store = AlertStore.open(tmp_path / f"{len(stores)}.db", clock=FrozenClock(), ids=seeded_ids())
        stores.append(store)
        return store, store.ingest(path, **how)

    yield of
    for store in stores:
        store.close()


def alerts(store):
    """What the alerts say, without what differs between two stores."""
    found = [store.get(one.uuid) for one in store.alerts(order_by="occurred_at", limit=1000)]
    return [
        (one.title, one.severity, one.occurred_at, one.description, one.tags, [(i.type, i.value) for i in one.indicators], one.fingerprint)
        for one in found
    ]


@pytest.mark.parametrize("tool", TEXTS)
def test_the_form_of_a_file_does_not_change_its_alerts(ingest, tool, promise):
    plain, first = ingest(TEXTS[tool].encode(), tool)
    assert first.source == tool
    assert first.new + first.duplicates > 1
    wanted = alerts(plain)
    for form, make in FORMS.items():
        store, result = ingest(make(TEXTS[tool]), tool)
        assert (result.source, result.new, result.duplicates, result.skipped, result.rejected) == (
            *(tool, first.new, first.duplicates, first.skipped),
            0,
        ), form
        assert alerts(store) == wanted, form
        again = store.ingest(result.path)
        assert (again.new, again.duplicates, again.seen) == (0, 0, first.new + first.duplicates), form
        kept = [one.raw for alert in store.alerts() for one in store.occurrences(alert.uuid)]
        data = Path(result.path).read_bytes()
        assert all(raw in (gzip.decompress(data) if "gzip" in form else data) for raw in kept), form  # as it lies, whatever the encoding
    promise("byte order marks, UTF-16, CRLF, blank lines and gzip change no alert", f"{len(FORMS)} of {len(FORMS)} forms ({tool})")


EVE = {"event_type": "alert", "timestamp": "2026-01-02T03:04:05Z", "alert": {"signature": "A", "severity": 1}}


def eve(number, **more):
    return json.dumps({**EVE, "flow_id": number, **more})


@pytest.mark.parametrize(
    ("text", "kept", "position"),
    [
        (f"{eve(1)}\n{eve(2)[:-1]},}}\n{eve(3)}\n", 2, len(eve(1)) + 1),
        (f"[{eve(1)},{eve(2)[:-1]},}},{eve(3)}]", 2, len(eve(1)) + 2),
        (f"[{eve(1)},{eve(2)},]", 2, len(eve(1)) + len(eve(2)) + 2),
        (f"[\n  {eve(1)},\n  {eve(2)},\n]\n", 2, len(eve(1)) + len(eve(2)) + 8),
        (f'{{"alerts": [{eve(1)},{eve(2)} , ], "total": 2}}', 2, len(eve(1)) + len(eve(2)) + 14),
    ],
)
def test_a_trailing_comma_is_refused_with_its_place(ingest, text, kept, position):
    store, result = ingest(text)
    assert (result.new + result.duplicates, result.rejected) == (kept, 1)
    (refused,) = store.rejected_records()
    assert refused.position == position
    assert text.encode()[position : position + len(refused.raw)] == refused.raw
    assert "," in refused.raw.decode()
    assert "at character" in refused.reason or refused.reason == "a comma with no record after it"


def test_a_trailing_comma_far_behind_its_record_or_between_records_is_let_be(ingest):
    _, result = ingest(f"{eve(1)},\n{eve(2)},\n,,{eve(3)}")
    assert (result.new + result.duplicates, result.rejected) == (3, 0)
    _, result = ingest(f"[{eve(1)},{' ' * 100_000}]")
    assert (result.new, result.rejected) == (1, 0)
    _, result = ingest(f"[,{eve(1)},,{eve(2)}]")
    assert (result.new + result.duplicates, result.rejected) == (2, 0)


def test_a_file_of_one_broken_record_says_what_is_wrong_with_it(ingest):
    with pytest.raises(SourceError, match=r"its first record \(character 1 on\) is not valid JSON: .* at character") as refused:
        ingest(f"[{eve(1)[:-1]},}}]")
    assert "known are" in refused.value.advice


@pytest.mark.parametrize("joint", ["", " ", "\n", "\n\n", ",", "\r\n"])
def test_objects_one_after_the_other(ingest, joint):
    _, result = ingest(joint.join(eve(number) for number in range(5)))
    assert (result.source, result.new + result.duplicates, result.rejected) == ("suricata", 5, 0)


AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
SECOND, MILLI = AT.replace(microsecond=0), AT.replace(microsecond=678000)


@pytest.mark.parametrize(
    ("value", "moment", "note"),
    [
        (1767323045, SECOND, None),
        (1767323045678, MILLI, None),
        (1767323045678901, AT, None),
        (1767323045678901234, AT, None),
        ("1767323045678901234", AT, None),
        ("1767323045.678901", AT, None),
        ("2026-01-02T03:04:05.678901Z", AT, None),
        ("2026-01-02T05:04:05.678901+02:00", AT, None),
        ("2026-01-01T21:04:05.678901-0600", AT, None),
        ("2026-01-02 03:04:05,678", MILLI, "time_without_offset"),
        (["2026-01-02T03:04:05Z"], None, "time_unreadable"),
        ("soon", None, "time_unreadable"),
        (None, None, "time_missing"),
        ("9999-12-31T23:59:59Z", None, "time_out_of_range"),
    ],
)
@pytest.mark.parametrize("tool", ["suricata", "generic"])
def test_times_as_tools_write_them(ingest, tool, value, moment, note):
    record = {**EVE, "timestamp": value} if tool == "suricata" else {"title": "A", "occurred_at": value}
    store, result = ingest(json.dumps(record))
    (alert,) = (store.get(one.uuid) for one in store.alerts())
    assert result.notes == ({note: 1} if note else {})
    assert alert.occurred_at == (alert.created_at if moment is None else moment)
    assert alert.occurred_at_assumed is (moment is None)


def test_a_table_and_lines_know_times_without_offset_too(ingest):
    _, result = ingest(TEXTS["hayabusa"].replace(" +00:00", "").replace(" +09:00", ""))
    assert result.notes["time_without_offset"] == result.new + result.duplicates


@pytest.mark.parametrize(
    "where", [("alert", "signature"), ("alert", "severity"), ("alert", "category"), ("src_ip",), ("http", "hostname"), ("dns", "query")]
)
def test_lists_where_scalars_were_expected(ingest, where):
    record = json.loads(
        json.dumps({**EVE, "src_ip": "192.0.2.1", "http": {"hostname": "a.example", "url": "/"}, "dns": {"query": "b.example"}})
    )
    inner = record
    for name in where[:-1]:
        inner = inner[name]
    inner[where[-1]] = [inner.get(where[-1]), ["x"], None, {"y": 1}]
    _, result = ingest(json.dumps(record))
    assert (result.new, result.rejected) == (1, 0)


@pytest.mark.parametrize(
    "number",
    ["9223372036854775807", "18446744073709551615", "123456789012345678901234567890", "1e400", "0.1000000000000000055511151231257827"],
)
def test_numbers_that_no_float_holds_stay_as_they_were(ingest, number):
    raw = eve(1).replace('"flow_id": 1', f'"flow_id": {number}')
    store, result = ingest(raw)
    assert result.new == 1
    (one,) = store.occurrences(store.alerts().items[0].uuid)
    assert one.raw.decode() == raw
    if number.isdigit():
        assert str(store.get(store.alerts().items[0].uuid).raw_payload["flow_id"]) == number


def test_a_rule_id_of_64_bits_stays_exact(ingest):
    store, _ = ingest(json.dumps({"title": "x", "rule_id": 9007199254740993}))
    assert store.rules()[0].source_rule_id == "9007199254740993"


@pytest.mark.parametrize("tool", ["json", "table", "lines"])
def test_a_record_of_ten_megabytes(ingest, tool, promise):
    filler = "x" * (10 << 20)
    head, row = TEXTS["hayabusa"].split("\n")[:2]
    text = {
        "json": eve(1, payload=filler),
        "table": "\n".join([head, row.replace('"', "", 0), row.replace("LSASS", f"LSASS {filler}", 1)]),
        "lines": TEXTS["cef"].split("\n")[0] + f" msg={filler}",
    }[tool]
    store, result = ingest(text)
    assert result.rejected == 0
    kept = max((one.raw for alert in store.alerts() for one in store.occurrences(alert.uuid)), key=len)
    assert len(kept) > 10 << 20
    assert kept in text.encode()
    assert store.verify().ok
    promise("a record of 10 MB is kept whole", f"{len(kept):,} of {len(kept):,} bytes ({tool})")


@pytest.mark.parametrize("tool", TEXTS)
def test_invalid_utf_8_is_rejected_and_its_bytes_are_kept(ingest, tool):
    lines = TEXTS[tool].encode().rstrip(b"\n").split(b"\n")
    bad = lines[-1][:20] + b"\xff\xfe\xc3(" + lines[-1][20:]
    store, result = ingest(b"\n".join([*lines, bad]) + b"\n")
    assert (result.source, result.rejected) == (tool, 1)
    (refused,) = store.rejected_records()
    assert refused.raw == bad
    assert "not valid UTF-8 at byte 20" in refused.reason
    assert refused.position == len(b"\n".join(lines)) + 1


def test_half_a_character_of_utf_16_is_rejected_and_kept(ingest):
    good = f"{eve(1)}\n".encode("utf-16-le")
    bad = '{"title": "'.encode("utf-16-le") + b"\x00\xd8" + '"}'.encode("utf-16-le")
    store, result = ingest(b"\xff\xfe" + good + bad)
    assert (result.new, result.rejected) == (1, 1)
    assert store.rejected_records()[0].raw == bad


@pytest.fixture
def evidence(tmp_path):
    """A folder as an investigation leaves it behind."""
    folder = tmp_path / "evidence"
    (folder / "host-b" / ".hidden").mkdir(parents=True)
    (folder / "host-a").mkdir()
    write_jsonl(folder / "eve.json", [json.loads(eve(number)) for number in range(3)])
    (folder / "host-a" / "hits.csv").write_text(TEXTS["hayabusa"], encoding="utf-8")
    (folder / "host-b" / "hits.csv").write_bytes(b"\xff\xfe" + TEXTS["hayabusa"].replace("WS-", "SRV-").encode("utf-16-le"))
    (folder / "host-b" / ".hidden" / "alerts.log.gz").write_bytes(gzip.compress(TEXTS["cef"].encode()))
    (folder / ".profile").write_text("export A=1\n", encoding="utf-8")
    (folder / "empty.json").write_bytes(b"")
    (folder / "notes.txt").write_text("call Kim back", encoding="utf-8")
    (folder / "memory.bin").write_bytes(bytes(range(256)) * 16)
    (folder / "Security.evtx").write_bytes(b"ElfFile\0" + bytes(4096))
    (folder / os.fsdecode(b"caf\xe9.bin")).write_bytes(bytes(9))
    return folder


def named(result, folder):
    return [(os.path.relpath(one.path, folder), one.source) for one in result.files]


READ = [
    ("eve.json", "suricata"),
    (os.path.join("host-a", "hits.csv"), "hayabusa"),
    (os.path.join("host-b", ".hidden", "alerts.log.gz"), "cef"),
    (os.path.join("host-b", "hits.csv"), "hayabusa"),
]


def test_a_mixed_folder(alert_store, evidence):
    result = alert_store.ingest(evidence)
    assert named(result, evidence) == READ
    assert result.new > 3
    why = {os.path.relpath(path, evidence): reason for path, reason in result.unread}
    assert {name: reason.rpartition(" ")[2] if "recognises" not in reason else "nobody" for name, reason in why.items()} == {
        ".profile": "nobody",
        "Security.evtx": "log",
        "empty.json": "empty",
        "memory.bin": "text",
        "notes.txt": "nobody",
        os.fsdecode(b"caf\xe9.bin"): "text",
    }
    assert "is a Windows event log" in why["Security.evtx"]
    again = alert_store.ingest(evidence)
    assert (again.new, again.duplicates, named(again, evidence)) == (0, 0, READ)


def test_the_order_is_the_same_whatever_the_file_system_says(evidence, monkeypatch):
    wanted = files_of(str(evidence))
    scandir = os.scandir

    class Backwards:
        def __init__(self, path):
            with scandir(path) as entries:
                self.entries = iter(sorted(entries, key=lambda one: one.name, reverse=True))

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

        def __iter__(self):
            return self.entries

        def __next__(self):
            return next(self.entries)

        def close(self):
            pass

    monkeypatch.setattr(os, "scandir", Backwards)
    assert files_of(str(evidence)) == wanted
    assert len(wanted[0]) == 10


def test_links_pipes_sockets_and_devices_are_passed_over(alert_store, evidence, tmp_path):
    outside = tmp_path / "outside.json"
    write_jsonl(outside, [json.loads(eve(9))])
    (evidence / "loop").symlink_to(evidence)
    (evidence / "up").symlink_to(tmp_path)
    (evidence / "outside.json").symlink_to(outside)
    (evidence / "again.json").symlink_to(evidence / "eve.json")
    (evidence / "gone").symlink_to(evidence / "nowhere")
    (evidence / "device").symlink_to("/dev/zero")
    os.mkfifo(evidence / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(evidence / "socket"))
        result = alert_store.ingest(evidence)
    why = {os.path.basename(path): reason for path, reason in result.unread}
    assert {name for name in why if "is a link, which is not followed" in why[name]} == {
        "loop",
        "up",
        "outside.json",
        "again.json",
        "gone",
        "device",
    }
    assert why["pipe"].endswith("is a pipe")
    assert why["socket"].endswith("is a socket")
    assert named(result, evidence) == READ
    linked = alert_store.ingest(evidence / "outside.json")  # what is named is read
    assert linked.source == "suricata"


def test_what_cannot_be_read_is_listed_and_the_rest_goes_on(alert_store, evidence, monkeypatch):
    scandir, opened = os.scandir, Path.open

    def refuse(path):
        if os.path.basename(path) == "host-a":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    def refuse_file(self, *args, **kwargs):
        if self.name == "eve.json":
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *args, **kwargs)

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(Path, "open", refuse_file)
    result = alert_store.ingest(evidence)
    assert named(result, evidence) == READ[2:]
    why = {os.path.basename(path): reason for path, reason in result.unread}
    assert why["host-a"].endswith("host-a cannot be read: Permission denied")
    assert why["eve.json"].endswith("eve.json cannot be read: Permission denied")


def test_stores_in_the_folder_are_passed_over(evidence, tmp_path):
    path = evidence / "case.db"
    with sqlite3.connect(evidence / "other.sqlite") as conn:
        conn.execute("CREATE TABLE t (a)")
    with AlertStore.open(path, clock=FrozenClock(), ids=seeded_ids()) as store:
        result = store.ingest(evidence)
        why = {os.path.basename(name): reason for name, reason in result.unread}
        assert "belongs to a store that is open" in why["case.db"]
        assert why["other.sqlite"].endswith("is a SQLite database")
        assert named(result, evidence) == READ
        assert store.verify().ok
    with AlertStore.open(tmp_path / "another.db", clock=FrozenClock(), ids=seeded_ids()) as store:
        result = store.ingest(evidence)
        assert {os.path.basename(name) for name, reason in result.unread if "SQLite" in reason} == {"case.db", "other.sqlite"}


def test_a_folder_of_nothing(alert_store, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "a.txt").write_text("words", encoding="utf-8")
    for name, number in (("empty", 0), ("words", 1)):
        with pytest.raises(SourceError, match=f"no source reads any of its {number} files"):
            alert_store.ingest(tmp_path / name)


@pytest.mark.parametrize(
    ("head", "what"),
    [
        (b"SQLite format 3\0", "SQLite"),
        (b"ElfFile\0", "Windows event log"),
        (b"PK\x03\x04\xff", "ZIP"),
        (b"\xd4\xc3\xb2\xa1", "packet capture"),
        (b"\x0a\x0d\x0d\x0a\0", "packet capture"),
        (b"BZh91AY&SY\xff", "bzip2"),
        (bytes(257) + b"ustar", "tar"),
    ],
)
def test_what_lies_about_in_evidence_is_told(ingest, head, what):
    with pytest.raises(SourceError, match=what) as refused:
        ingest(head + bytes(5000))
    assert refused.value.advice


@pytest.mark.parametrize("head", [b"", b"MZ was here", b"BZh", b"PK\x03\x04", b"{}", b"\xff\xfe{\0}\0"])
def test_text_is_never_told_as_something_else(head):
    assert kind_of(head) is None or b"\0" in head
