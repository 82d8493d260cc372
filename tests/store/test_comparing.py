"""Two runs compared: what is new, gone, there again, and whose verdict stands."""

from __future__ import annotations

import json
import tracemalloc
from datetime import timedelta
from itertools import count
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore import AlertNotFoundError, AlertStore, AlertValidationError, DedupPolicy, SourceError, StorageError, StoreDamagedError
from alertstore.domain.merkle import leaf_hash
from alertstore.testing import FrozenClock, seeded_ids, write_jsonl

AT = FrozenClock().now
DUPLICATE = "Duplicate"
_folders = count()


def record(name, hours=0, **over):
    moment = (AT + timedelta(hours=hours)).isoformat()
    return {"title": name, "occurred_at": moment, "rule_id": f"R-{name[0]}", "rule_name": f"rule {name[0]}"} | over


@pytest.fixture
def reads(alert_store, tmp_path):
    """Ingest records; the number of their import."""

    def read(*records, store=alert_store):
        return store.ingest(write_jsonl(tmp_path / f"{next(_folders)}.jsonl", records)).id

    return read


def titles(compared):
    found = [one.alert.title for one in compared]
    assert len(found) == len(compared)
    return found


def lines(found):
    return {kind: titles(getattr(found, kind)) for kind in ("new", "gone", "recurring", "carried")}


def find(store, title):
    (one,) = [one for one in store.alerts() if one.title == title]
    return one.uuid


def test_new_gone_and_recurring_by_the_same_bytes_and_by_other_bytes(alert_store, reads):
    one = reads(record("a same"), record("a told anew"), record("b gone"))
    two = reads(record("a same"), record("a told anew", version=2), record("c new"), record("c newer"))
    found = alert_store.compare(one, two)
    assert lines(found) == {"new": ["c new", "c newer"], "gone": ["b gone"], "recurring": ["a same", "a told anew"], "carried": []}
    assert [(imported.id, imported.new, imported.seen) for imported in (*found.before, *found.after)] == [(one, 3, 0), (two, 2, 1)]
    assert (found.deleted, found.unfinished, found.rejected, found.suppressed) == (0, (), (0, 0), (0, 0))
    by_rule = [(r.source_rule_id, r.name, r.new, r.gone, r.recurring, r.carried) for r in found.by_rule]
    assert by_rule == [("R-c", "rule c", 2, 0, 0, 0), ("R-b", "rule b", 0, 1, 0, 0), ("R-a", "rule a", 0, 0, 2, 0)]
    back = alert_store.compare(two, one)
    assert lines(back) == {"new": ["b gone"], "gone": ["c new", "c newer"], "recurring": ["a same", "a told anew"], "carried": []}
    assert "<2 alerts>" in repr(found)


def test_an_import_and_itself(alert_store, reads):
    one = reads(record("a"), record("b"))
    assert lines(alert_store.compare(one, one)) == {"new": [], "gone": [], "recurring": ["a", "b"], "carried": []}


def test_verdicts_that_carried_over(alert_store, reads):
    one = reads(record("a closed"), record("b closed"), record("c open"))
    for title in ("a closed", "b closed"):
        alert_store.close_alert(find(alert_store, title), DUPLICATE)
    old = find(alert_store, "b closed")
    two = reads(record("a closed"), record("b closed", hours=3), record("c open", hours=3))
    found = alert_store.compare(one, two)
    assert lines(found) == {"new": [], "gone": [], "recurring": ["a closed", "c open", "b closed"], "carried": ["a closed", "b closed"]}
    same, pair = found.carried
    assert (same.before, same.classification, same.suggested, same.alert.status) == (None, DUPLICATE, False, "Closed")
    assert (pair.before, pair.classification, pair.suggested, pair.alert.status) == (old, DUPLICATE, True, "Open")
    assert alert_store.get(pair.alert.uuid).suggestion.predecessor == old
    (_, mine, _) = found.recurring
    assert (mine.before, mine.classification, mine.suggested) == (None, None, False)
    alert_store.close_alert(pair.alert.uuid, "Undetermined")
    *_, pair = found.carried  # read as they are now
    assert (pair.classification, pair.suggested) == ("Undetermined", False)


def test_alike_without_a_predecessor_pairs_off_nearest_in_time(tmp_path):
    with AlertStore.open(tmp_path / "s.db", clock=FrozenClock(), ids=seeded_ids(), dedup=DedupPolicy(window=timedelta(0))) as store:
        one = store.ingest(write_jsonl(tmp_path / "1.jsonl", [record("a", 0), record("a", 100), record("a", 200)])).id
        two = store.ingest(write_jsonl(tmp_path / "2.jsonl", [record("a", 190), record("a", 1)])).id
        found = store.compare(one, two)
        pairs = {(store.get(pair.before).occurred_at - AT, pair.alert.occurred_at - AT) for pair in found.recurring}
        assert pairs == {(timedelta(hours=200), timedelta(hours=190)), (timedelta(0), timedelta(hours=1))}
        assert [one.alert.occurred_at - AT for one in found.gone] == [timedelta(hours=100)]
        assert len(found.new) == 0


def test_several_imports_a_side(alert_store, reads):
    one, two, three = reads(record("a")), reads(record("b")), reads(record("b"), record("c"))
    found = alert_store.compare([one, two], (three,))
    assert lines(found) == {"new": ["c"], "gone": ["a"], "recurring": ["b"], "carried": []}
    assert [imported.id for imported in found.before] == [one, two]


def test_records_that_an_import_kept_which_is_not_compared(alert_store, reads):
    reads(*map(record, "abcd"))
    two, three = reads(record("a"), record("b")), reads(record("b"), record("d"))
    assert lines(alert_store.compare(two, three)) == {"new": ["d"], "gone": ["a"], "recurring": ["b"], "carried": []}


def test_records_by_themselves_belong_to_no_import(alert_store, reads):
    one = reads(record("a"))
    alert_store.add(record("b"))
    assert lines(alert_store.compare(one, one))["recurring"] == ["a"]


def test_deleted_alerts_are_counted_and_left_out(alert_store, reads):
    one, two = reads(record("a"), record("b")), reads(record("a"), record("c"), record("d"))
    for title in "ac":
        alert_store.delete_alert(find(alert_store, title))
    found = alert_store.compare(one, two)
    assert (lines(found), found.deleted) == ({"new": ["d"], "gone": ["b"], "recurring": [], "carried": []}, 2)
    alert_store.delete_alert(find(alert_store, "d"))
    assert (len(found.new), list(found.new)) == (1, [])  # since: no longer there to be read


def test_what_was_redacted_is_like_no_other(alert_store, reads):
    one = reads(record("a"), record("b"))
    two = reads(record("c"), record("d"))
    for alert in alert_store.alerts():
        alert_store.redact(alert.uuid, ["content"], authority="order")
    found = alert_store.compare(one, two)
    assert (len(found.new), len(found.gone), len(found.recurring)) == (2, 2, 0)


def test_imports_that_were_not_read_to_their_end(alert_store, reads, tmp_path):
    one = reads(record("a"), record("b"))
    broken = tmp_path / "cut.json"
    broken.write_text(json.dumps([record("a"), record("b")])[:-30])
    with pytest.raises(SourceError):
        alert_store.ingest(broken, source="generic")
    two = alert_store.imports()[-1].id
    found = alert_store.compare(one, two)
    assert (found.unfinished, lines(found)["gone"]) == ((two,), ["b"])


def test_what_cannot_be_compared(alert_store, reads):
    one = reads(record("a"))
    for missing in (one + 1, 0, -1, 1 << 70):
        with pytest.raises(AlertNotFoundError, match=f"no import {missing}"):
            alert_store.compare(one, missing)
    for wrong in ("1", None, True, 1.0, [], [one, "2"], {one: 1}):
        with pytest.raises(AlertValidationError, match="before: must be the number of an import"):
            alert_store.compare(wrong, one)


def test_counts_of_what_was_rejected(alert_store, reads):
    bad = float("nan")
    one, two = reads(record("a"), record("b", n=bad)), reads(record("a"), record("c", n=bad), record("d", n=bad))
    assert alert_store.compare(one, two).rejected == (1, 2)


def test_a_store_that_is_only_read_and_one_that_was_closed(alert_store, reads, open_again):
    one, two = reads(record("a")), reads(record("a"), record("b"))
    reader = open_again(mode="ro")
    found = reader.compare(one, two)
    assert lines(found)["new"] == ["b"]
    reader.close()
    with pytest.raises(StorageError, match="closed"):
        list(found.new)


def test_after_the_history_was_pruned(alert_store, reads, frozen_clock):
    one, two = reads(record("a"), record("b")), reads(record("a"), record("c"))
    before = lines(alert_store.compare(one, two))
    frozen_clock.advance(days=3)
    assert alert_store.prune(frozen_clock.now, authority="policy 3")
    assert lines(alert_store.compare(one, two)) == before
    three = reads(record("c"))
    assert lines(alert_store.compare(two, three)) == {"new": [], "gone": ["a"], "recurring": ["c"], "carried": []}
    assert alert_store.verify().ok


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"import": 2, "occurrences": "x"}, "cannot be read"),
        ({"import": 2, "occurrences": [[1, 2, 3]]}, "cannot be read"),
        ({}, "cannot be read"),
    ],
)
def test_an_event_that_no_store_of_ours_wrote_is_named(alert_store, reads, facts, message):
    one, two = reads(record("a")), reads(record("a"))
    conn = alert_store._repository.conn
    body = json.dumps({"facts": facts, "subject": "2"})
    conn.set_authorizer(None)
    conn.execute("DROP TRIGGER event_unchanged")
    conn.execute("UPDATE event SET body = ? WHERE kind = 'records_seen'", (body.encode(),))
    with pytest.raises(StoreDamagedError, match=message):
        alert_store.compare(one, two)


@pytest.mark.parametrize(
    ("first", "many", "again"),
    [
        (-(2**60), 2**61, "abc"),
        (2**62, 5, ""),
        (-1, 2, "a"),
        (-9, 3, ""),
        (-2, 1, ""),
        (2, 2**40, "c"),
        (1, 1, "b"),
        (3, 4, ""),
        (2, -2, ""),
    ],
)
def test_ranges_beyond_what_is_there_are_cut_to_it(alert_store, reads, first, many, again):
    one, two = reads(*map(record, "abc")), reads(*map(record, "abc"))
    conn = alert_store._repository.conn
    (low,) = conn.execute("SELECT min(seq) FROM occurrence").fetchone()
    conn.set_authorizer(None)
    conn.execute("DROP TRIGGER event_unchanged")
    body = json.dumps({"facts": {"import": two, "occurrences": [[low + first, many]]}})
    conn.execute("UPDATE event SET body = ? WHERE kind = 'records_seen'", (body.encode(),))
    assert lines(alert_store.compare(one, two))["recurring"] == list(again)


def test_numbers_that_no_file_of_this_size_holds_take_no_memory(alert_store, reads):
    one = reads(record("a"))
    alert_store._repository.conn.execute("INSERT INTO deleted_alert (id, uuid) VALUES (1 << 50, 'x')")
    alert_store._repository.conn.execute("UPDATE occurrence SET alert_id = 1 << 50")
    with pytest.raises(StoreDamagedError, match="holds no alert 1,125,899,906,842,624"):
        alert_store.compare(one, one)


@pytest.mark.parametrize(
    "change", ["UPDATE occurrence SET alert_id = -7", "UPDATE alert SET id = -7", "UPDATE alert SET detection_rule_id = 99"]
)
def test_numbers_that_no_store_of_ours_gave_are_damage(alert_store, reads, change):
    one = reads(record("a"))
    conn = alert_store._repository.conn
    conn.set_authorizer(None)
    conn.execute("PRAGMA foreign_keys = OFF")
    conn.execute(change)
    with pytest.raises(StoreDamagedError):
        alert_store.compare(one, one)


def test_what_was_met_again_is_known_after_a_salvage_and_another(alert_store, reads, tmp_path):
    one, two = reads(record("a"), record("b"), record("c gone")), reads(record("b"), record("a"), record("d"))
    before = lines(alert_store.compare(one, two))
    assert before == {"new": ["d"], "gone": ["c gone"], "recurring": ["a", "b"], "carried": []}
    path = alert_store.path
    alert_store.close()
    for name in ("first.db", "second.db"):
        AlertStore.salvage(path, tmp_path / name)
        path = tmp_path / name
        with AlertStore.open(path) as store:
            assert lines(store.compare(one, two)) == before
            assert store.verify().ok


@pytest.mark.parametrize(
    "facts", [{}, {"import": 2, "occurrences": "x"}, {"import": 2, "occurrences": [[1 << 70, 1]]}, {"import": 9, "occurrences": []}]
)
def test_what_nobody_can_have_met_again_is_not_said_again(alert_store, reads, tmp_path, facts):
    reads(record("a")), reads(record("a"))
    path = alert_store.path
    body = json.dumps({"facts": facts, "subject": "2"}).encode()
    conn = alert_store._repository.conn
    conn.set_authorizer(None)
    conn.execute("DROP TRIGGER event_unchanged")
    (hashes,) = conn.execute("SELECT hashes FROM event WHERE kind = 'records_seen'").fetchone()
    conn.execute("UPDATE event SET body = ?, hashes = ? WHERE kind = 'records_seen'", (body, leaf_hash(body) + hashes[32:]))
    alert_store.close()
    AlertStore.salvage(path, tmp_path / "new.db")
    with AlertStore.open(tmp_path / "new.db") as store:
        assert [event for event in store.events() if event.kind == "records_seen"] == []
        assert store.verify().ok


# --- against the rule said slowly ---

names = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([0, 1, 30, 60]), st.integers(0, 1)), max_size=8)


@given(first=names, second=names, closing=st.integers(0, 3), window=st.sampled_from([0, 24]))
def test_every_alert_is_counted_once(tmp_path_factory, first, second, closing, window):
    folder = tmp_path_factory.mktemp("s")
    policy = DedupPolicy(window=timedelta(hours=window))
    with AlertStore.open(folder / "s.db", clock=FrozenClock(), ids=seeded_ids(), dedup=policy, durability="normal") as store:

        def read(several):
            records = [record(name, hours, n=n) for name, hours, n in several] + [record("z")]
            return store.ingest(write_jsonl(folder / f"{next(_folders)}.jsonl", records)).id

        one = read(first)
        for alert in list(store.alerts())[:closing]:
            store.close_alert(alert.uuid, DUPLICATE)
        two = read(second)
        reported = {side: set() for side in (one, two)}
        owner = {}
        for event in store.events():  # by the history alone
            facts = event.body.get("facts", {})
            if event.kind in {"alert_ingested", "alert_deduplicated"}:
                owner[event.seq] = event.subject
                reported[facts["import"]].add(event.subject)
            elif event.kind == "records_seen":
                reported[facts["import"]] |= {owner[seq] for start, n in facts["occurrences"] for seq in range(start, start + n)}
        found = store.compare(one, two)
        recurring, gone, new = ([(item.alert.uuid, item.before) for item in part] for part in (found.recurring, found.gone, found.new))
        both = reported[one] & reported[two]
        pairs = {uuid: before for uuid, before in recurring if before}
        assert {uuid for uuid, before in recurring if before is None} == both
        assert {uuid for uuid, _ in new} | pairs.keys() == reported[two] - both
        assert {uuid for uuid, _ in gone} == reported[one] - both - set(pairs.values())
        for uuid, before in pairs.items():
            assert before in reported[one]
            assert store.get(uuid).fingerprint == store.get(before).fingerprint
            assert store.get(uuid).predecessor in {None, before} or store.get(uuid).predecessor not in reported[one]
        alike = {store.get(uuid).fingerprint for uuid, _ in new}
        assert not alike & {store.get(uuid).fingerprint for uuid, _ in gone}
        stands = {uuid for uuid, before in recurring if "Closed" in {store.get(uuid).status, store.get(before or uuid).status}}
        assert {item.alert.uuid for item in found.carried} == stands
        for kind in ("new", "gone", "recurring", "carried"):
            assert sum(getattr(rule, kind) for rule in found.by_rule) == len(getattr(found, kind))


def two_runs(path, size):
    """A store that two runs of `size` alerts each were read into, half of them the same, of these half told in other bytes."""
    store = AlertStore.open(path, durability="normal")
    for first, run in ((0, 1), (size // 2, 2)):
        told = (record(f"{n % 9} {n}", **({"run": run} if n // 500 % 2 else {})) for n in range(first, first + size))
        store.ingest(write_jsonl(path.with_suffix(f".{run}.jsonl"), told))
    return store


def measured(store):
    """(comparison, bytes that it took at most)."""
    tracemalloc.start()
    try:
        return store.compare(1, 2), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_alerts_are_numbers_while_they_are_compared(tmp_path, promise):
    held = {}
    for size in (2_000, 8_000):
        with two_runs(tmp_path / f"{size}.db", size) as store:
            found, held[size] = measured(store)
            assert (len(found.new), len(found.gone), len(found.recurring)) == (size // 2,) * 3
            assert sum(1 for _ in found.recurring) == size // 2
    each = (held[8_000] - held[2_000]) / 9_000
    assert each < 40
    promise("comparing two imports holds some bytes an alert, no object", f"{each:.0f} bytes for each alert more")


@pytest.mark.long
def test_two_runs_of_a_million_alerts(tmp_path, promise):
    with two_runs(tmp_path / "big.db", 1_000_000) as store:
        begin = perf_counter()
        found = store.compare(1, 2)
        took = perf_counter() - begin
        assert (len(found.new), len(found.gone), len(found.recurring)) == (500_000,) * 3
        _, held = measured(store)
        assert held < 64 << 20
        assert sum(1 for _ in found.gone) == 500_000
    promise("two imports of a million alerts each compared in one pass", f"{took:.1f} s, {held / (1 << 20):.0f} MiB")
