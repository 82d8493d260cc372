"""Records in: new, duplicate, seen, rejected, skipped; whatever they hold."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alertstore import AlertNotFoundError, AlertStore, AlertValidationError, DedupPolicy, SourceError, StoreReadOnlyError
from alertstore.testing import FrozenClock, alerts, generic_alert, make_alert, seeded_ids, suricata_alert, write_jsonl

AT = datetime(2024, 5, 1, 11, 58, tzinfo=UTC)


def test_a_new_record(alert_store, frozen_clock):
    record = generic_alert(description="d", rule_id="R-1", rule_name="Beacons")
    result = alert_store.add(record, reason="phone call", actor="mia")
    alert = result.alert
    assert result.outcome == "new"
    assert alert == alert_store.get(alert.uuid)
    assert (alert.title, alert.description, alert.severity, alert.status) == (record["title"], "d", "High", "Open")
    assert (alert.enrichment_status, alert.is_enriched, alert.duplicate_count) == ("Pending", False, 0)
    assert alert.occurred_at == alert.last_seen_at == AT
    assert alert.created_at == alert.ingested_at == alert.updated_at == frozen_clock()
    assert (alert.occurred_at_assumed, alert.predecessor, alert.malice) == (False, None, "Pending")
    assert [(i.type, i.value) for i in alert.indicators] == [("ip", "203.0.113.9")]
    assert (alert.detection_rule.name, alert.detection_rule.source_rule_id, alert.detection_rule.source_name) == (
        "Beacons",
        "R-1",
        "generic",
    )
    assert alert.raw == json.dumps(record, separators=(",", ":")).encode()
    assert alert.raw_payload == record
    *_, event = alert_store.history(alert.uuid)
    assert (event.kind, event.actor, event.reason) == ("alert_ingested", "mia", "phone call")


def test_the_same_record_again_is_seen_and_changes_nothing(alert_store, frozen_clock, unchanged):
    alert = alert_store.add(generic_alert()).alert
    before = unchanged()
    frozen_clock.advance(days=3)
    again = alert_store.add(generic_alert())
    assert (again.outcome, again.alert) == ("seen", alert)
    assert unchanged() == before


def test_keys_in_another_order_are_another_record(alert_store):
    record = generic_alert()
    alert = alert_store.add(record).alert
    again = alert_store.add(dict(reversed(record.items())))
    assert (again.outcome, again.alert.uuid, again.alert.duplicate_count) == ("duplicate", alert.uuid, 1)
    assert again.alert.updated_at == alert.updated_at
    assert [one.sha256 for one in alert_store.occurrences(alert.uuid)] == [
        sha256(one.raw).hexdigest() for one in alert_store.occurrences(alert.uuid)
    ]


def at(moment, **over):
    return generic_alert(occurred_at=moment.isoformat(), **over)


def test_duplicates_within_a_day_on_event_time(alert_store, frozen_clock):
    first = alert_store.add(at(AT)).alert
    frozen_clock.advance(days=30)
    later = alert_store.add(at(AT + timedelta(hours=24)))
    earlier = alert_store.add(at(AT - timedelta(hours=24)))
    assert [later.outcome, earlier.outcome] == ["duplicate"] * 2
    alert = alert_store.get(first.uuid)
    assert (alert.duplicate_count, alert.occurred_at, alert.last_seen_at) == (2, AT, AT + timedelta(hours=24))
    assert alert.updated_at == first.updated_at
    assert (alert.indicators[0].first_seen, alert.indicators[0].last_seen) == (AT, AT)  # by the alerts that have it
    beyond = alert_store.add(at(AT + timedelta(hours=24, microseconds=1)))
    assert (beyond.outcome, beyond.alert.predecessor) == ("new", None)
    assert [e.kind for e in alert_store.history(first.uuid)] == ["alert_ingested", "alert_deduplicated", "alert_deduplicated"]
    assert alert_store.verify().ok


def test_a_record_that_repeats_a_closed_alert_makes_a_new_one_that_names_it(alert_store):
    closed = alert_store.add(at(AT)).alert
    alert_store.close_alert(closed.uuid, "Duplicate")
    again = alert_store.add(at(AT + timedelta(hours=1)))
    assert (again.outcome, again.alert.predecessor) == ("new", closed.uuid)
    same = alert_store.add(at(AT, note="re-run"))
    assert (same.outcome, same.alert.uuid, same.alert.status) == ("duplicate", closed.uuid, "Closed")


def test_no_window_no_duplicates(tmp_path):
    with AlertStore.open(tmp_path / "s.db", dedup=DedupPolicy(window=timedelta(0))) as store:
        assert [store.add(at(AT, n=n)).outcome for n in range(3)] == ["new"] * 3
        assert store.count() == 3


def test_the_window_on_ingest_time(tmp_path, frozen_clock):
    policy = DedupPolicy(window=timedelta(hours=1), by="ingested_at")
    with AlertStore.open(tmp_path / "s.db", clock=frozen_clock, dedup=policy) as store:
        store.add(at(AT))
        frozen_clock.advance(hours=1)
        assert store.add(at(AT + timedelta(days=100))).outcome == "duplicate"
        frozen_clock.advance(microseconds=1)
        assert store.add(at(AT + timedelta(days=50))).outcome == "new"


def test_a_record_without_a_time(alert_store, frozen_clock):
    alert = alert_store.add({"title": "no time"}).alert
    assert alert.occurred_at == alert.created_at == frozen_clock()
    assert alert.occurred_at_assumed
    assert alert_store.metrics().time_to_detect.n == 0


def test_a_time_without_an_offset(alert_store):
    record = {"title": "local", "occurred_at": "2024-05-01T12:00:00"}
    assert alert_store.add(record).alert.occurred_at.hour == 12
    other = alert_store.add(record | {"title": "elsewhere"}, tz=timezone(timedelta(hours=2))).alert
    assert other.occurred_at.hour == 10
    assert other.raw_payload["occurred_at"] == "2024-05-01T12:00:00"


@pytest.mark.parametrize(
    "record",
    [{}, {"title": ""}, {"title": " "}, {"title": 5}, {"name": "x"}, [], None, "x", {"title": "\ud800"}, {"title": "x", "n": float("nan")}],
)
def test_what_is_no_record_is_refused(alert_store, unchanged, record):
    before = unchanged()
    with pytest.raises(AlertValidationError):
        alert_store.add(record)
    assert unchanged() == before


def test_records_of_tools(alert_store):
    alert = alert_store.add(suricata_alert(), source="suricata").alert
    assert (alert.source_name, alert.severity, alert.detection_rule.source_rule_id) == ("suricata", "Medium", "2019401")
    with pytest.raises(AlertValidationError):
        alert_store.add({"event_type": "flow", "timestamp": "x"}, source="suricata")
    with pytest.raises(SourceError):
        alert_store.add(generic_alert(), source="nobody")


def test_a_rule_is_made_once_and_one_by_hand_is_used(alert_store):
    rule = alert_store.add_rule("by hand", source_name="suricata", source_rule_id="2019401")
    assert alert_store.add(suricata_alert(), source="suricata").alert.detection_rule == rule
    alert_store.add(suricata_alert(flow_id=2, alert={"gid": 2}), source="suricata")
    assert [r.source_rule_id for r in alert_store.rules()] == ["2:2019401", "2019401"] or len(alert_store.rules()) == 2


HOSTILE = "\x1b[2J\u202e</script>=cmd|'\0"


def test_hostile_text_is_kept_and_its_nul_replaced(alert_store):
    record = generic_alert(title=HOSTILE, description=HOSTILE, tags=[HOSTILE], rule_id="R\0", rule_name=HOSTILE, username=HOSTILE)
    alert = alert_store.add(record).alert
    shown = HOSTILE.replace("\0", "\ufffd")
    assert (alert.title, alert.description, alert.tags) == (shown, shown, (shown,))
    assert alert_store.add(record | {"n": 1}).alert.detection_rule == alert.detection_rule
    assert (alert.detection_rule.name, alert.detection_rule.source_rule_id) == (shown, "R\ufffd")
    assert "\\u0000" in alert.raw.decode()
    assert alert_store.verify().ok


@given(st.lists(alerts(), min_size=1, max_size=6))
@settings(max_examples=50)
def test_whatever_is_added_is_there(records):
    clock = FrozenClock(tick=timedelta(seconds=1))
    with AlertStore.open(":memory:", clock=clock, ids=seeded_ids()) as store:
        outcomes, kept = [], {}
        for record in records:
            raw = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
            result = store.add(record)
            outcomes.append(result.outcome)
            assert (result.outcome == "seen") == (raw in kept)
            kept.setdefault(raw, result.alert.uuid)
            assert kept[raw] == result.alert.uuid
        assert store.count() == outcomes.count("new")
        for raw, uuid in kept.items():
            assert raw in [one.raw for one in store.occurrences(uuid)]
        assert sum(alert.duplicate_count for alert in store.alerts(limit=1000)) == outcomes.count("duplicate")
        assert store.verify().problems == ()


# --- files ---


def test_a_file_and_the_same_file_again(alert_store, tmp_path):
    records = [suricata_alert(flow_id=n, src_ip=f"192.0.2.{n % 3}") for n in range(9)]
    path = write_jsonl(
        tmp_path / "eve.json", [*records, records[0], {"event_type": "flow", "timestamp": "x"}, {"event_type": "alert", "timestamp": "x"}]
    )
    result = alert_store.ingest(path, reason="night shift")
    assert (result.new, result.duplicates, result.seen, result.skipped, result.rejected) == (3, 6, 1, 1, 1)
    assert (result.source, result.path, [r.record for r in result.first_rejections]) == ("suricata", str(path), [12])
    (rejected,) = alert_store.rejected_records(result.id)
    assert (rejected.raw, rejected.import_id) == (b'{"event_type": "alert", "timestamp": "x"}', result.id)
    (one,) = alert_store.imports()
    assert (one.sha256, one.size, one.name, one.new) == (sha256(path.read_bytes()).hexdigest(), path.stat().st_size, "eve.json", 3)
    size, alerts_before = alert_store.checkpoint().size, list(alert_store.alerts())
    again = alert_store.ingest(path)
    assert (again.new, again.duplicates, again.seen, again.skipped) == (0, 0, 10, 1)
    assert list(alert_store.alerts()) == alerts_before
    assert {e.kind for e in alert_store.events(after=size)} <= {"import_started", "import_finished", "record_rejected", "records_seen"}
    assert alert_store.verify().ok


def test_a_record_added_is_seen_in_a_file(alert_store, tmp_path):
    record = generic_alert()
    alert_store.add(record)
    line = json.dumps(record, separators=(",", ":"))
    (tmp_path / "a.jsonl").write_text(line + "\n")
    assert alert_store.ingest(tmp_path / "a.jsonl").seen == 1


def test_a_stream_and_standard_input(alert_store, monkeypatch):
    data = (json.dumps(generic_alert()) + "\n").encode()
    assert alert_store.ingest(io.BytesIO(data)).new == 1
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert alert_store.ingest("-").seen == 1


def test_a_folder(alert_store, tmp_path):
    folder = tmp_path / "logs"
    (folder / "sub").mkdir(parents=True)
    write_jsonl(folder / "a.jsonl", [generic_alert()])
    write_jsonl(folder / "sub" / "eve.json", [suricata_alert()])
    (folder / "notes.bin").write_bytes(b"\0\1\2")
    result = alert_store.ingest(folder)
    assert (result.new, [one.source for one in result.files], [name for name, _ in result.unread]) == (
        2,
        ["generic", "suricata"],
        [str(folder / "notes.bin")],
    )
    (folder / "a.jsonl").unlink()
    (folder / "sub" / "eve.json").unlink()
    with pytest.raises(SourceError):
        alert_store.ingest(folder)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\0\1\2\3", b"just words\n", b"\x1f\x8b\x08\0truncated"])
def test_what_no_tool_wrote(alert_store, tmp_path, unchanged, content):
    path = tmp_path / "x"
    path.write_bytes(content)
    before = unchanged()
    with pytest.raises(SourceError) as refusal:
        alert_store.ingest(path)
    assert str(path) in str(refusal.value)
    assert unchanged() == before


def test_a_missing_file(alert_store, unchanged):
    before = unchanged()
    with pytest.raises(SourceError):
        alert_store.ingest("nowhere.json")
    assert unchanged() == before


def test_dropped_tags_are_noted_with_the_import(alert_store, tmp_path):
    result = alert_store.ingest(write_jsonl(tmp_path / "a.jsonl", [generic_alert(tags=["a", " ", "a"])]))
    assert (result.notes.get("blank_tag_dropped"), result.notes.get("repeated_tag_dropped")) == (1, 1)
    assert alert_store.imports()[0].notes == result.notes


@pytest.mark.parametrize(
    "monster",
    [{"rule_id": "R", "rule_name": "x" * 1_200_000}, {"tags": ["\x01" * 250_000]}, {"title": "x" * 2_000_000}, {"rule_id": "9" * 1_200_000}, {"n": [[[0]]] * 100_000}],
    ids=["rule name", "tags", "title", "rule id", "much else"],
)  # fmt: skip
def test_one_monstrous_record_does_not_stop_an_import(alert_store, tmp_path, monster):
    records = [generic_alert(title="before"), generic_alert(**monster), generic_alert(title="after")]
    result = alert_store.ingest(write_jsonl(tmp_path / "a.jsonl", records))
    assert result.new + result.rejected == 3
    assert alert_store.count(text="before") == alert_store.count(text="after") == 1
    assert alert_store.verify().ok


def test_a_source_that_fails_costs_that_record_only(alert_store, tmp_path, monkeypatch):
    from alertstore.sources.generic import Generic

    good = Generic.alert

    def failing(self, record, tz):
        if "bad" in record:
            raise RuntimeError("a bug")
        return good(self, record, tz)

    monkeypatch.setattr(Generic, "alert", failing)
    monkeypatch.setattr(Generic, "rule", lambda self, record: 1 / 0)
    records = [generic_alert(title=f"t{n}", rule_id="R-1", **({"bad": n} if n % 2 else {})) for n in range(24)]
    result = alert_store.ingest(write_jsonl(tmp_path / "a.jsonl", records))
    assert (result.new, result.rejected, len(result.first_rejections)) == (12, 12, 10)
    assert all("RuntimeError" in one.reason for one in alert_store.rejected_records(result.id))
    assert [rule.name for rule in alert_store.rules()] == ["R-1"]
    assert alert_store.verify().ok


def test_a_batch_at_a_time(alert_store, tmp_path, monkeypatch):
    monkeypatch.setattr("alertstore.store.records.BATCH_RECORDS", 4)
    path = write_jsonl(tmp_path / "a.jsonl", [generic_alert(title=f"t{n % 7}", n=n, rule_id=f"R{n % 5}") for n in range(23)])
    calls = []
    result = alert_store.ingest(path, progress=lambda name, records: calls.append((name, records)))
    assert (result.new, result.duplicates) == (7, 16)
    assert calls == [(str(path), n) for n in (4, 8, 12, 16, 20, 23)]
    assert alert_store.verify().ok


def test_in_batches_or_at_once_it_is_the_same(tmp_path, monkeypatch):
    path = write_jsonl(tmp_path / "a.jsonl", [generic_alert(title=f"t{n % 7}", n=n, src_ip=f"192.0.2.{n}") for n in range(23)])
    found = []
    for name, size in (("a.db", 4), ("b.db", 4000)):
        monkeypatch.setattr("alertstore.store.records.BATCH_RECORDS", size)
        with AlertStore.open(tmp_path / name, clock=FrozenClock(), ids=seeded_ids()) as store:
            store.ingest(path)
            listed = [store.get(a.uuid) for a in store.alerts(order_by="created_at")]
            found.append([(a.title, a.fingerprint, a.duplicate_count, a.last_seen_at, a.indicators[0].value) for a in listed])
    assert found[0] == found[1]


def test_a_fault_in_the_middle_keeps_what_was_read(alert_store, tmp_path):
    import gzip

    records = [generic_alert(title=f"t{n}", note=sha256(b"%d" % n).hexdigest()) for n in range(3000)]
    whole = gzip.compress("".join(json.dumps(r) + "\n" for r in records).encode())
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(SourceError):
        alert_store.ingest(path)
    some = alert_store.count()
    assert 0 < some < 3000
    assert alert_store.imports()[0].fault
    assert alert_store.verify().ok
    path.write_bytes(whole)
    result = alert_store.ingest(path)
    assert (result.seen, result.new) == (some, 3000 - some)
    assert alert_store.verify().ok


def test_a_store_for_reading_takes_nothing(alert_store, open_again, tmp_path):
    reader = open_again(mode="ro")
    for call in (lambda: reader.add(generic_alert()), lambda: reader.ingest(write_jsonl(tmp_path / "a", [generic_alert()]))):
        with pytest.raises(StoreReadOnlyError):
            call()


# --- reading back ---


def test_pages_go_on_by_key(alert_store):
    uuids = [make_alert(alert_store, occurred_at=(AT + timedelta(minutes=n % 4)).isoformat()).uuid for n in range(11)]
    for order in ("occurred_at", "-occurred_at", "severity", "-created_at", "duplicate_count", "title", "-title", "-status", "source_name"):
        found, token = [], None
        while True:
            page = alert_store.alerts(order_by=order, limit=3, after=token)
            found += [item.uuid for item in page]
            token = page.next
            if token is None:
                break
        assert sorted(found) == sorted(uuids)
        assert found == [item.uuid for item in alert_store.alerts(order_by=order)]
        passed = [alert_store.alerts(order_by=order, limit=3, offset=n) for n in (0, 3, 6, 9, 12)]
        assert [item.uuid for page in passed for item in page] == found
        assert [page.next is None for page in passed] == [False, False, False, True, True]
        searched = alert_store.alerts(order_by=order, limit=3, offset=6, text="alert")
        assert [item.uuid for item in searched] == found[6:9]
        assert [item.uuid for item in alert_store.alerts(order_by=order, limit=3, after=searched.next, text="alert")] == found[9:]


@pytest.mark.parametrize(
    "filters", [{"text": '"'}, {"text": "NEAR( *"}, {"text": "n\0l"}, {"text": ""}, {"tag": "'"}, {"indicator": "ip:"}]
)
def test_odd_filters_find_nothing(alert_store, filters):
    make_alert(alert_store)
    assert alert_store.count(**filters) == 0
    assert alert_store.alerts(**filters).items == ()


@pytest.mark.parametrize("name", ["text", "tag", "source", "uuid", "indicator", "rule"])
def test_filters_that_are_no_text(alert_store, name):
    make_alert(alert_store)
    for ask in (alert_store.count, alert_store.alerts):
        try:
            assert not ask(**{name: "a\ud800"})
        except (AlertValidationError, AlertNotFoundError):
            continue


def test_the_end_of_a_uuid_finds_it(alert_store):
    uuids = [make_alert(alert_store).uuid for _ in range(3)]
    assert [alert_store.find(uuid[-12:]) for uuid in uuids] == [[uuid] for uuid in uuids]
    assert alert_store.find(uuids[0].upper()) in ([uuids[0]], [])
    assert sorted(alert_store.find("")) in (sorted(uuids), [])
    assert [alert_store.find(odd) for odd in ("%", "_" * 36, "*", "?", "'")] == [[]] * 5
    assert len(alert_store.find("", limit=1)) <= 1


@given(st.text(max_size=12))
def test_any_search_is_answered(text):
    with AlertStore.open(":memory:", ids=seeded_ids(), clock=FrozenClock()) as store:
        store.add(generic_alert(title=f"x{text.encode(errors='replace').decode()}"))
        assert store.count(text=text) == len(store.alerts(text=text))


def test_related_alerts(alert_store):
    one = make_alert(alert_store, indicators=[{"type": "ip", "value": "203.0.113.1"}, {"type": "domain", "value": "a.example"}])
    near = make_alert(alert_store, indicators=[{"type": "ip", "value": "203.0.113.1"}, {"type": "domain", "value": "a.example"}])
    far = make_alert(alert_store, indicators=[{"type": "domain", "value": "A.example."}])
    make_alert(alert_store)
    found = alert_store.related(one.uuid)
    assert [(alert.uuid, shared) for alert, shared in found] == [
        (near.uuid, ("domain:a.example", "ip:203.0.113.1")),
        (far.uuid, ("domain:a.example",)),
    ]
    assert len(alert_store.related(one.uuid, limit=1)) == 1


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ((5,), "path"),
        (("a\0b",), "path"),
        ((io.StringIO("{}"),), "path"),
        (("-", {"tz": "UTC"}), "tz"),
        (("-", {"progress": 5}), "progress"),
    ],
)
def test_what_an_import_cannot_be_made_with(alert_store, arguments, path):
    before = alert_store.checkpoint()
    named = arguments[1] if len(arguments) > 1 else {}
    with pytest.raises(AlertValidationError) as refused:
        alert_store.ingest(arguments[0], **named)
    assert [problem.path for problem in refused.value.problems] == [path]
    assert alert_store.checkpoint() == before


class Failing(io.BytesIO):
    """A file on a disk that fails."""

    def read(self, size=-1):
        if self.tell() >= len(self.getvalue()):
            raise OSError(5, "Input/output error")
        return super().read(size)


def test_a_disk_that_fails_in_the_middle(alert_store):
    with pytest.raises(SourceError, match="cannot be read to its end"):
        alert_store.ingest(Failing(b'{"title":"a"}\n{"title":"b"}\n'))
    assert (alert_store.count(), alert_store.imports()[0].new) == (2, 2)
    assert "cannot be read" in alert_store.imports()[0].fault


def test_a_reason_that_quotes_the_record_is_cut_and_can_be_kept(alert_store, tmp_path, monkeypatch):
    def quoting(self, record, tz):
        raise ValueError("no \ud800 \0" + "x" * 2_000_000)

    monkeypatch.setattr("alertstore.sources.generic.Generic.alert", quoting)
    result = alert_store.ingest(write_jsonl(tmp_path / "a.jsonl", [generic_alert()]))
    assert result.rejected == 1
    assert len(alert_store.rejected_records()[0].reason) == 500
    assert alert_store.verify().ok


def test_many_alerts_of_one_fingerprint(alert_store, tmp_path):
    from alertstore import DedupPolicy

    records = [{"title": "same", "occurred_at": 1_700_000_000 + 10 * n, "n": n} for n in range(3000)]
    with AlertStore.open(tmp_path / "s.db", dedup=DedupPolicy(window=timedelta(seconds=1))) as store:
        assert store.ingest(write_jsonl(tmp_path / "a.jsonl", records)).new == 3000
        assert store.verify().ok
