"""What sync leaves in a store is a part of its history: it verifies, it is pruned and salvaged with the rest."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from signing_cases import sound, tampered
from sync_rows import OTHER, ROOT, add_sync, aliased, arrived, bundle_imported, edited, number_of, observed, remote_synced, synced

from alertstore import AlertStore, verifier
from alertstore.domain.events import EventDraft
from alertstore.storage import carry
from alertstore.testing import FrozenClock, make_alert, seeded_ids

ALIAS = "0190cccc-0000-7000-8000-000000000009"
SYNC_TABLES = ("sync_alert", "sync_remote", "alias", "foreign_event", "foreign_store")


@pytest.fixture(scope="module")
def template(tmp_path_factory, fill):
    """A closed store with all that sync can leave in it; its alerts: triaged, closed, deleted."""
    folder, clock = tmp_path_factory.mktemp("synced"), FrozenClock()
    with AlertStore.open(folder / "s.db", clock=clock, ids=seeded_ids(), durability="normal") as store:
        uuids = fill(store, folder, clock)
        add_sync(store, *uuids)
    return folder / "s.db", uuids


@pytest.fixture
def filled_store(template, tmp_path, frozen_clock):
    """A copy of it, open, a year later."""
    frozen_clock.advance(days=365)
    with AlertStore.open(shutil.copy(template[0], tmp_path / "s.db"), clock=frozen_clock, ids=seeded_ids(7), durability="normal") as store:
        yield store


def table(store, name, columns="*"):
    with closing(sqlite3.connect(store.path)) as conn:
        return conn.execute(f"SELECT {columns} FROM {name} ORDER BY 1").fetchall()


def both_say(store):
    """Whether the store verifies, by the library and by the stand-alone verifier; they must say the same."""
    with closing(sqlite3.connect(store.path)) as conn:
        alone = verifier.check_store(conn, verifier.Kept())[0]
    library = store.verify()
    assert library.ok == (not alone.problems), (library.problems, alone.problems)
    return library.ok


def cut(store, clock):
    return store.prune(clock.now - timedelta(days=1), authority="retention 3.2")


def test_all_of_it_verifies(filled_store):
    assert both_say(filled_store)
    assert all(table(filled_store, name) for name in SYNC_TABLES)
    kinds = {event.kind.value for event in filled_store.events()}
    assert kinds >= {"alert_synced", "remote_synced", "alert_aliased", "bundle_imported", "alert_conflict_resolved"}


def test_a_remote_moves_no_alert(alert_store, frozen_clock):
    """What is learnt of an alert, beside it, is no change of it; edits and observations are."""
    alert = make_alert(alert_store)
    frozen_clock.advance(minutes=1)
    synced(alert_store, alert.uuid, {"open": True})
    aliased(alert_store, alert.uuid, ALIAS)
    assert alert_store.get(alert.uuid).updated_at == alert.updated_at
    assert both_say(alert_store)
    observed(alert_store, alert.uuid, "Low")
    assert alert_store.get(alert.uuid).updated_at == frozen_clock.now
    assert both_say(alert_store)


def test_edits_of_several_stores_stand_side_by_side(alert_store):
    uuid = make_alert(alert_store).uuid

    def heads():
        (text,) = table(alert_store, "alert", "heads")[0]
        return json.loads(text).get("severity")

    one = edited(alert_store, uuid, "Low")
    two = edited(alert_store, uuid, "High", origin=1, sup=[])
    assert heads() == [one, two]
    three = edited(alert_store, uuid, "Medium", origin=2, sup=[two, 1])
    assert heads() == [one, three]
    observed(alert_store, uuid, "Critical")
    assert heads() == [one, three]
    four = edited(alert_store, uuid, None)
    assert heads() == [four]
    assert both_say(alert_store)


def test_an_edit_made_here_replaces_all_that_stood(alert_store):
    uuid = make_alert(alert_store).uuid
    one = edited(alert_store, uuid, "Low")
    edited(alert_store, uuid, "High", origin=1, sup=[])
    edited(alert_store, uuid, "Medium", sup=[one])
    assert not both_say(alert_store)


def test_the_longest_history_of_another_store_is_kept(filled_store):
    assert table(filled_store, "foreign_store") == [(OTHER, 9, ROOT), (OTHER[:-1] + "2", 0, ROOT)]


ROWS = [
    "UPDATE sync_alert AS s SET seq = (SELECT coalesce(max(e.seq), 1) FROM event e WHERE kind = 'alert_synced' AND alert_id = :one AND e.seq < s.seq)",
    "UPDATE sync_alert SET seq = seq + 1 WHERE alert_id = :one",
    "UPDATE sync_alert SET seq = 1 WHERE alert_id = :one",
    "UPDATE sync_alert SET remote_uuid = NULL WHERE alert_id = :gone",
    "UPDATE sync_alert SET open = 1 - open WHERE alert_id = :gone",
    "UPDATE sync_alert SET state = replace(state, ':', ': ') WHERE alert_id = :one",
    "DELETE FROM sync_alert WHERE alert_id = :gone",
    "INSERT INTO sync_alert SELECT 1 + max(alert_id), seq, remote_uuid, open, state FROM sync_alert",
    "INSERT INTO sync_alert SELECT alert_id - 999, seq, remote_uuid, open, state FROM sync_alert WHERE alert_id = :one",
    "UPDATE sync_remote SET state = '{}'",
    "UPDATE sync_remote SET seq = seq - 1",
    "DELETE FROM sync_remote",
    "INSERT INTO sync_remote VALUES ('x', 1, '{}')",
    "UPDATE alias SET alert_id = 1",
    "UPDATE alias SET uuid = (SELECT uuid FROM alert LIMIT 1) WHERE alert_id = :one",
    "UPDATE alias SET seq = seq - 1",
    "DELETE FROM alias WHERE alert_id = :gone",
    "INSERT INTO alias SELECT 'x', alert_id, seq FROM alias LIMIT 1",
    "UPDATE foreign_event SET number = number + 100",
    "UPDATE foreign_event SET store_id = 'x'",
    "UPDATE foreign_event SET seq = seq + 1000",
    "DELETE FROM foreign_event WHERE number = 4",
    "INSERT INTO foreign_event VALUES ('x', 1, 1)",
    "UPDATE foreign_store SET size = size + 1",
    "UPDATE foreign_store SET root = 'x'",
    "DELETE FROM foreign_store",
    "INSERT INTO foreign_store VALUES ('x', 1, 'x')",
    "UPDATE import SET member = 'other' WHERE member IS NOT NULL",
    "UPDATE import SET member = 'other' WHERE member IS NULL",
    "UPDATE alert SET created_at = ingested_at WHERE created_at < ingested_at",
    "UPDATE occurrence SET raw = NULL WHERE raw = x'7b337d'",
    "UPDATE occurrence SET raw = x'00' WHERE raw IS NULL",
    "UPDATE alert SET heads = '{\"lifecycle\":[]}' WHERE id = :one",
]


@pytest.mark.parametrize("sql", ROWS)
@pytest.mark.parametrize("is_cut", [False, True])
def test_what_was_changed_is_seen(filled_store, frozen_clock, template, sql, is_cut):
    if is_cut:
        cut(filled_store, frozen_clock)
    with closing(sqlite3.connect(filled_store.path)) as conn:
        one, _, gone = (number_of(conn, uuid) for uuid in template[1])
    tampered(filled_store.path, sql.replace(":one", str(one)).replace(":gone", str(gone)))
    assert not both_say(filled_store)


@pytest.mark.parametrize("is_cut", [False, True])
def test_a_row_that_was_set_back_is_seen(filled_store, frozen_clock, template, is_cut):
    """Each row as an earlier event said it, with the number of that event: only the newest counts."""
    if is_cut:
        cut(filled_store, frozen_clock)
    rows = table(filled_store, "sync_alert"), table(filled_store, "sync_remote")
    synced(filled_store, template[1][0], {"open": True})
    remote_synced(filled_store, "soc1", {"seen": 9})
    assert both_say(filled_store)
    for name, old in zip(("sync_alert", "sync_remote"), rows, strict=True):
        now = table(filled_store, name)
        for kept, holds in ((old, False), (now, True)):
            with filled_store._write() as transaction:
                transaction.conn.execute(f"DELETE FROM {name}")
                transaction.conn.executemany(f"INSERT INTO {name} VALUES ({','.join('?' * len(kept[0]))})", kept)
            assert both_say(filled_store) is holds


def test_the_bytes_of_a_record_may_come_later(filled_store):
    """A record that was withheld is none that was erased: the right bytes fit, others do not."""
    tampered(
        filled_store.path,
        "UPDATE occurrence SET raw = x'7b317d' WHERE raw IS NULL AND seq = (SELECT min(seq) FROM occurrence WHERE raw IS NULL)",
    )
    assert both_say(filled_store)


LIES = {
    "of another alert": ("alert_synced", {"state": {}}, "another"),
    "no state": ("alert_synced", {}, None),
    "a state that is none": ("alert_synced", {"state": [1]}, None),
    "no alias": ("alert_aliased", {"uuid": ["x"]}, None),
    "a number as alias": ("alert_aliased", {"uuid": 7}, None),
    "an alias of another alert": ("alert_aliased", {"uuid": "x"}, "another"),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("which", range(3))
def test_events_that_lie(filled_store, template, lie, which):
    kind, facts, subject = LIES[lie]
    uuid = template[1][which]
    with filled_store._write() as transaction:
        draft = EventDraft(kind, subject or uuid, transaction.now, "x", facts=facts)
        seq = transaction.append(draft, number_of(transaction.conn, uuid))
        if facts.get("state") == {} or kind == "alert_synced":
            sql = "INSERT OR REPLACE INTO sync_alert VALUES (?,?,NULL,0,?)"
            transaction.conn.execute(sql, (number_of(transaction.conn, uuid), seq, json.dumps(facts.get("state"))))
        elif facts["uuid"] == "x":
            transaction.conn.execute("INSERT INTO alias VALUES ('x',?,?)", (number_of(transaction.conn, uuid), seq))
    assert not both_say(filled_store)


@pytest.mark.parametrize(
    ("kind", "facts", "origin"),
    [
        ("foreign_events_carried", {"events": [[OTHER, 50, "5"]]}, None),
        ("foreign_events_carried", {"events": [[OTHER, 50, 1 << 70]]}, None),
        ("foreign_events_carried", {"events": [[OTHER, 50]]}, None),
        ("foreign_events_carried", {"events": [[OTHER, 50, 5]]}, None),
        ("remote_synced", {}, None),
        ("bundle_imported", {"store": OTHER, "size": "9", "root": ROOT}, None),
        ("bundle_imported", {"store": [], "size": 9, "root": ROOT}, None),
        ("store_handed_over", {}, {"store": OTHER, "seq": 77}),
        ("store_handed_over", {}, {"store": OTHER, "seq": 4}),
        ("store_handed_over", {}, {"store": [], "seq": {}}),
    ],
)
def test_events_of_the_store_that_lie(filled_store, kind, facts, origin):
    with filled_store._write() as transaction:
        transaction.append(EventDraft(kind, "x", transaction.now, "x", facts=facts, origin=origin))
    assert not both_say(filled_store)


def test_a_uuid_is_aliased_once(filled_store, template):
    one, two, _ = template[1]
    aliased(filled_store, two, ALIAS)
    assert both_say(filled_store)
    with filled_store._write() as transaction:
        transaction.conn.execute("DELETE FROM alias WHERE uuid = ?", (ALIAS,))
    aliased(filled_store, one, ALIAS)
    assert not both_say(filled_store)


@pytest.mark.parametrize("which", range(3))
def test_an_alias_is_no_alerts_own_uuid(filled_store, template, which):
    aliased(filled_store, template[1][0], template[1][which])
    assert not both_say(filled_store)


# --- cuts ---


@pytest.mark.parametrize("cuts", [1, 2])
def test_a_cut_keeps_what_sync_knows(filled_store, frozen_clock, cuts):
    before = {name: table(filled_store, name) for name in SYNC_TABLES}
    for _ in range(cuts):
        assert cut(filled_store, frozen_clock)
        frozen_clock.advance(days=9)
        assert both_say(filled_store)
    after = {name: table(filled_store, name) for name in SYNC_TABLES}
    assert after["foreign_event"] == before["foreign_event"]
    assert after["foreign_store"] == before["foreign_store"]
    kinds = {event.seq: event.kind.value for event in filled_store.events()}
    for name, place, kind in (("sync_alert", 1, "alert_synced"), ("sync_remote", 1, "remote_synced"), ("alias", 2, "alert_aliased")):
        assert [row[:place] + row[place + 1 :] for row in after[name]] == [row[:place] + row[place + 1 :] for row in before[name]]
        assert {kinds[row[place]] for row in after[name]} == {kind}


def go_on(store, uuids):
    """What sync may do after a cut."""
    one, two, gone = uuids
    yield synced(store, one, {"open": True})
    yield synced(store, gone, {"open": False})
    yield remote_synced(store, "soc1", {"seen": 9})
    yield remote_synced(store, "soc3", {})
    yield aliased(store, two, ALIAS)
    yield bundle_imported(store, 8)
    yield bundle_imported(store, 12, "12" * 32)
    yield edited(store, one, "High", origin=60, sup=[])
    yield edited(store, one, None)
    yield arrived(store, "0190dddd-0000-7000-8000-000000000009", 70, [b"{9}"])
    yield store.redact("0190dddd-0000-7000-8000-000000000002", ["record"], authority="a")
    yield store.redact("0190dddd-0000-7000-8000-000000000001", ["record", "content"], authority="a")
    yield store.redact(one, ["record", "content", "findings"], authority="a")
    yield store.delete_alert(one)
    yield synced(store, one, {"gone": True})


@pytest.mark.parametrize("cuts", [0, 1, 2])
def test_life_after_a_cut(filled_store, frozen_clock, template, cuts, promise):
    for _ in range(cuts):
        cut(filled_store, frozen_clock)
        frozen_clock.advance(days=9)
    steps = 0
    for _ in go_on(filled_store, template[1]):
        assert both_say(filled_store)
        steps += 1
    frozen_clock.advance(days=9)
    assert cut(filled_store, frozen_clock)
    assert both_say(filled_store)
    if cuts == 2:
        promise("What sync knows outlives a pruned history, and verifies", f"{steps} of {steps} steps, after {cuts + 1} cuts")


def test_a_cut_that_is_written_piece_by_piece(template, tmp_path, monkeypatch):
    roots = set()
    for n in (1, 2_000):
        monkeypatch.setattr(carry, "FLUSH", n)
        clock = FrozenClock()
        clock.advance(days=365)
        with AlertStore.open(shutil.copy(template[0], tmp_path / f"{n}.db"), clock=clock, ids=seeded_ids(7)) as store:
            cut(store, clock)
            assert both_say(store)
            roots.add(store.checkpoint())
    assert len(roots) == 1


def test_more_events_of_other_stores_than_one_event_carries(alert_store, frozen_clock):
    uuid = make_alert(alert_store).uuid
    arrived(alert_store, "0190dddd-0000-7000-8000-000000000001", 1, [b"%d" % n for n in range(2_100)])
    for n in range(3):
        edited(alert_store, uuid, ["Low", "High"][n % 2], origin=9_000 + n, sup=[])
    frozen_clock.advance(days=9)
    cut(alert_store, frozen_clock)
    carried = [event for event in alert_store.events() if event.kind == "foreign_events_carried"]
    assert [len(event.body["facts"]["events"]) for event in carried] == [1_000, 1_000, 103]
    assert both_say(alert_store)


@pytest.mark.parametrize("erase", [False, True])
def test_what_was_withheld_is_not_called_erased(alert_store, frozen_clock, erase):
    """Some records of an alert have their bytes and some have not: a cut says of each which it is."""
    uuid = "0190dddd-0000-7000-8000-000000000001"
    make_alert(alert_store)
    arrived(alert_store, uuid, 1, [b"{1}", b"{2}"])
    tampered(alert_store.path, "UPDATE occurrence SET raw = x'7b317d' WHERE seq = (SELECT min(seq) FROM occurrence WHERE raw IS NULL)")
    if erase:
        alert_store.redact(uuid, ["record"], authority="a")
    for _ in range(2):
        frozen_clock.advance(days=9)
        cut(alert_store, frozen_clock)
        assert both_say(alert_store)
    tampered(alert_store.path, "UPDATE occurrence SET raw = x'7b327d' WHERE seq = (SELECT max(seq) FROM occurrence)")
    assert both_say(alert_store) is not erase
    (facts,) = [event.body["facts"] for event in alert_store.events() if event.kind == "alert_carried" and event.subject == uuid]
    assert ("withheld" in facts, "redacted" in facts) == (not erase, erase)


def test_a_cut_in_the_middle(filled_store, frozen_clock, template):
    """Events that stay, though the carried state covers them, are no second account of their rows."""
    one = template[1][0]
    edited(filled_store, one, "High", origin=60, sup=[])
    synced(filled_store, one, {"open": True})
    assert filled_store.prune(frozen_clock.now, authority="a")
    assert both_say(filled_store)
    assert {event.kind.value for event in filled_store.events()} >= {"alert_severity_updated", "foreign_events_carried"}


# --- salvage ---


def test_what_a_salvage_takes(filled_store, tmp_path, template):
    with closing(sqlite3.connect(filled_store.path)) as conn:
        seqs = conn.execute("SELECT number, seq FROM foreign_event ORDER BY number").fetchall()
    size = filled_store.checkpoint().size
    filled_store.close()
    report = AlertStore.salvage(tmp_path / "s.db", tmp_path / "new.db")
    with AlertStore.open(tmp_path / "new.db") as new:
        assert both_say(new)
        assert sound(new)
        assert [row[0] for row in table(new, "alias")] == ["0190cccc-0000-7000-8000-000000000001", "0190cccc-0000-7000-8000-000000000002"]
        assert table(new, "foreign_event", "number, seq") == [(number, seq - size) for number, seq in seqs]
        assert table(new, "foreign_store") == [(OTHER, 9, ROOT), (OTHER[:-1] + "2", 0, ROOT)]
        assert table(new, "sync_alert") == table(new, "sync_remote") == []
        assert [row for row in table(new, "import", "member") if row[0]] == [("raw_payload",)]
        assert new.get(template[1][0]).severity == "Informational"
    tables = {one.name: (one.taken, one.quarantined) for one in report.tables}
    assert {name: tables[name] for name in SYNC_TABLES} == {
        "sync_alert": (0, 3), "sync_remote": (0, 2), "alias": (2, 0), "foreign_event": (len(seqs), 0), "foreign_store": (2, 0),
    }  # fmt: skip
    reasons = {
        line["reason"] for line in map(json.loads, Path(report.quarantine).read_text().splitlines()) if line["table"].startswith("sync_")
    }
    assert reasons == {"the next sync compares with the remote anew"}


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("INSERT INTO alias SELECT uuid, 1, 5 FROM alert LIMIT 1", "alias"),
        ("INSERT INTO alias SELECT uuid, 1, 5 FROM deleted_alert LIMIT 1", "alias"),
        ("INSERT INTO alias VALUES ('x', 1, 5)", "alias"),
        ("INSERT INTO alias VALUES ('0190cccc-0000-7000-8000-000000000009', 999, 5)", "alias"),
        ("INSERT INTO alias VALUES ('0190cccc-0000-7000-8000-000000000009', 1, 1 << 50)", "alias"),
        ("UPDATE foreign_event SET seq = 1 << 50 WHERE number = 4", "foreign_event"),
        ("INSERT INTO foreign_store VALUES ('x', -1, (SELECT root FROM foreign_store LIMIT 1))", "foreign_store"),
        ("INSERT INTO foreign_store VALUES ('x', 1, 'x')", "foreign_store"),
    ],
)
def test_what_a_salvage_puts_aside(filled_store, tmp_path, sql, name):
    tampered(filled_store.path, sql)
    filled_store.close()
    report = AlertStore.salvage(tmp_path / "s.db", tmp_path / "new.db")
    assert {one.name: one.quarantined for one in report.tables}[name] == 1
    with AlertStore.open(tmp_path / "new.db") as new:
        assert both_say(new)


def test_a_salvage_of_a_salvage_of_a_cut(filled_store, tmp_path, frozen_clock):
    path, kept = filled_store.path, table(filled_store, "foreign_event", "store_id, number")
    cut(filled_store, frozen_clock)
    filled_store.close()
    for n in range(2):
        AlertStore.salvage(path, tmp_path / f"{n}.db")
        path = tmp_path / f"{n}.db"
    with AlertStore.open(path) as new:
        assert table(new, "foreign_event", "store_id, number") == kept
        assert both_say(new)


def test_withheld_records_of_a_salvage(alert_store, tmp_path):
    """No event of the old history explains them any more; what is bare after a record with its bytes was not erased."""
    uuid = "0190dddd-0000-7000-8000-000000000001"
    seqs = arrived(alert_store, uuid, 1, [b"{1}", b"{2}", b"{3}"])
    for n in (1, 3):
        tampered(alert_store.path, "UPDATE occurrence SET raw = ? WHERE seq = ?", b"{%d}" % n, seqs[n - 1])
    assert both_say(alert_store)
    path, size = alert_store.path, alert_store.checkpoint().size
    alert_store.close()
    AlertStore.salvage(path, tmp_path / "new.db")
    with AlertStore.open(tmp_path / "new.db") as new:
        assert both_say(new)
        (facts,) = [event.body["facts"] for event in new.events() if event.kind == "alert_carried" and event.subject == uuid]
        assert (facts["withheld"], "redacted" in facts) == ([seqs[1] - size], False)


@pytest.mark.parametrize("name", ["alias", "foreign_event"])
def test_a_salvage_where_the_end_of_the_history_is_gone(alert_store, tmp_path, name):
    """Rows still say how far it went."""
    uuid = make_alert(alert_store).uuid
    if name == "alias":
        aliased(alert_store, uuid, ALIAS)
    else:
        edited(alert_store, uuid, "Low", origin=1, sup=[])
        tampered(alert_store.path, "UPDATE alert SET heads = '{\"lifecycle\":[]}'")
    path, size = alert_store.path, alert_store.checkpoint().size
    alert_store.close()
    tampered(path, "DELETE FROM event WHERE seq = ?", size)
    report = AlertStore.salvage(path, tmp_path / "new.db")
    assert report.lost_events == ((size, size),)
    with AlertStore.open(tmp_path / "new.db") as new:
        assert len(table(new, name)) == 1
        assert both_say(new)
