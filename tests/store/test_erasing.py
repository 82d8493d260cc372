"""Redaction, retention and legal holds: what goes is gone from the file and its log; what stays still verifies."""

from __future__ import annotations

import io
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signing_cases import holds, sound, tampered

from alertstore import AlertNotFoundError, AlertStore, AlertValidationError, StoreBusyError, StoreReadOnlyError
from alertstore.testing import FrozenClock, generic_alert, make_alert, seeded_ids

DEPTHS = ["quick", "full", "deep"]
PARTS = ["record", "content", "findings"]
BY = {"authority": "order 17 C 4/26", "reason": "consent withdrawn", "actor": "data protection"}


def secret(n, **over):
    """A record in which every field has words of its own."""
    record = {
        "title": f"Titlu{n}wort Ungeheuer{n}",
        "description": f"Descr{n}ipzion",
        "indicators": [{"type": "domain", "value": f"indi{n}kator.example"}, {"type": "account", "value": f"Mia{n}Account"}],
        "extra": f"Rohda{n}ten",
        "tags": [f"taggi{n}"],
    }
    return generic_alert(**(record | over))


WORDS = {
    "record": ["Rohda{}ten"],
    "content": ["Titlu{}wort", "Ungeheuer{}", "Descr{}ipzion", "indi{}kator", "Mia{}Account"],
    "findings": ["Finde{}satz", "Beweis{}mittel", "Agenten{}name", "Empfehlung{}x"],
}
KEPT = "taggi{}"


def add_secret(store, n):
    uuid = store.add(secret(n)).alert.uuid
    store.add_finding(
        uuid, f"Finde{n}satz", evidence={"e": f"Beweis{n}mittel"}, recommended_action=f"Empfehlung{n}x", actor=f"Agenten{n}name"
    )
    return uuid


# --- redaction ---


def test_who_erased_what_why_and_on_whose_authority(alert_store, kinds):
    alert = make_alert(alert_store)
    begin = alert_store.checkpoint().size
    alert_store.redact(alert.uuid, ["findings", "record"], **BY)
    assert kinds(begin) == ["alert_redacted"]
    *_, event = alert_store.history(alert.uuid)
    assert (event.actor, event.reason, event.subject) == (BY["actor"], BY["reason"], alert.uuid)
    assert event.body["facts"] == {"authority": BY["authority"], "parts": ["record", "findings"]}


def redacted_is_gone(parts_of, store, uuids):
    """(erased texts, those of them still on disk, kept texts that are not)."""
    erased, left, lost = 0, [], []
    for n in uuids:
        gone = {word.format(n) for part in parts_of.get(n, ()) for word in WORDS[part]}
        # The title, the indicators and the rest stand in the record too, as it came; names of who found something, in the history.
        record_gone = "record" in parts_of.get(n, ())
        for part, words in WORDS.items():
            for word in (word.format(n) for word in words):
                is_gone = word in gone and not (part == "content" and not record_gone) and not word.startswith("Agenten")
                erased += is_gone
                if is_gone and holds(store.path, word):
                    left.append(word)
                if not is_gone and not holds(store.path, word) and part not in parts_of.get(n, ()):
                    lost.append(word)
        if not holds(store.path, KEPT.format(n)):
            lost.append(KEPT.format(n))
    return erased, left, lost


@settings(max_examples=6)
@given(asked=st.lists(st.tuples(st.integers(0, 3), st.sets(st.sampled_from(PARTS), min_size=1)), min_size=1, max_size=4))
def test_nothing_of_what_was_erased_is_on_disk_and_nothing_else_went(tmp_path_factory, asked):
    path, parts_of = tmp_path_factory.mktemp("erasing") / "s.db", {}
    with AlertStore.open(path, clock=FrozenClock(), ids=seeded_ids()) as store:
        uuids = {n: add_secret(store, n) for n in range(4)}
        before = {n: store.get(uuid) for n, uuid in uuids.items()}
        for n, parts in asked:
            store.redact(uuids[n], parts, **BY)
            parts_of.setdefault(n, set()).update(parts)
        _, left, lost = redacted_is_gone(parts_of, store, uuids)
        assert (left, lost) == ([], [])
        assert sound(store)
        for n in uuids.keys() - parts_of.keys():
            assert store.get(uuids[n]) == before[n]
            assert store.count(text=f"Ungeheuer{n}") == store.count(indicator=f"domain:indi{n}kator.example") == 1


def test_all_of_an_alert(alert_store, promise):
    uuids = [add_secret(alert_store, n) for n in range(30)]
    for uuid in uuids[:25:3]:
        alert_store.redact(uuid, **BY)
    erased, left, lost = redacted_is_gone(dict.fromkeys(range(0, 25, 3), PARTS), alert_store, range(30))
    assert (left, lost) == ([], [])
    assert sound(alert_store)
    promise(
        "nothing of what was redacted is in the file or its log",
        f"0 of {erased} strings found, in title, indicators, record, findings, index",
    )


@pytest.mark.parametrize("parts", [["record"], ["content"], ["findings"], PARTS], ids="+".join)
@pytest.mark.parametrize("deleted", [False, True])
def test_each_part_by_itself(alert_store, parts, deleted):
    uuid, other = add_secret(alert_store, 1), add_secret(alert_store, 2)
    alert_store.patch(uuid, severity="Low", reason="a reason stays")
    kept = alert_store.get(other)
    if deleted:
        alert_store.delete_alert(uuid)
    alert_store.redact(uuid, parts, **BY)
    assert sound(alert_store)
    assert alert_store.get(other) == kept
    assert [occurrence.raw is None for occurrence in alert_store.occurrences(uuid)] == ["record" in parts]
    if "record" in parts and "content" in parts:
        assert not any(holds(alert_store.path, word.format(1)) for word in WORDS["content"] + WORDS["record"])
    if deleted:
        return
    alert = alert_store.get(uuid)
    assert (alert.title == "[redacted]") is (alert.description is None) is (not alert.indicators) is ("content" in parts)
    assert (not alert.agent_findings) is ("findings" in parts)
    assert alert_store.count(text="Ungeheuer1") == ("content" not in parts)
    assert alert.severity == "Low"
    alert_store.patch(uuid, status="Triaging", tags=["after"])
    alert_store.add_indicators(uuid, [("domain", "later.example")])
    alert_store.add_finding(uuid, "later")
    alert_store.close_alert(uuid, "Duplicate")
    assert sound(alert_store)
    alert_store.delete_alert(uuid)
    assert sound(alert_store)


def test_twice_and_part_after_part(alert_store):
    uuid = add_secret(alert_store, 1)
    for parts in (["findings"], ["content"], ["content"], ["record"], PARTS):
        alert_store.redact(uuid, parts, **BY)
        assert sound(alert_store)
    assert not any(holds(alert_store.path, word.format(1)) for words in WORDS.values() for word in words if not word.startswith("Agenten"))


def test_what_came_after_a_redaction_can_be_redacted_too(alert_store):
    uuid = add_secret(alert_store, 1)
    alert_store.redact(uuid, **BY)
    alert_store.add_indicators(uuid, [("domain", "neuindi.example")])
    alert_store.add_finding(uuid, "Neuefinde")
    assert sound(alert_store)
    alert_store.redact(uuid, **BY)
    assert sound(alert_store)
    assert not holds(alert_store.path, "neuindi")
    assert not holds(alert_store.path, "Neuefinde")


def test_the_same_record_stays_seen(alert_store):
    uuid = add_secret(alert_store, 1)
    alert_store.redact(uuid, **BY)
    before = alert_store.checkpoint()
    assert alert_store.add(secret(1)).outcome == "seen"
    assert alert_store.checkpoint() == before
    assert not holds(alert_store.path, "Ungeheuer1")
    other = alert_store.add(secret(1, extra="another record"))
    assert (other.outcome, other.alert.title) == ("new", "Titlu1wort Ungeheuer1")  # it is not told apart from the first any more
    assert alert_store.add(secret(1, extra="a third")).outcome == "duplicate"
    assert sound(alert_store)


def test_an_indicator_that_another_alert_has_stays(alert_store):
    shared = {"type": "ip", "value": "192.0.2.77"}
    one = alert_store.add(secret(1, indicators=[shared, {"type": "domain", "value": "alone.example"}])).alert
    two = alert_store.add(secret(2, indicators=[shared])).alert
    alert_store.set_indicator_malice("ip:192.0.2.77", "Malicious")
    alert_store.set_indicator_malice("domain:alone.example", "Suspicious")
    alert_store.redact(one.uuid, ["record", "content"], **BY)
    assert sound(alert_store)
    assert [i.value for i in alert_store.get(two.uuid).indicators] == ["192.0.2.77"]
    assert (alert_store.get(one.uuid).malice, alert_store.get(two.uuid).malice) == ("Pending", "Malicious")
    assert (alert_store.count(indicator="ip:192.0.2.77"), alert_store.related(one.uuid)) == (1, [])
    assert not holds(alert_store.path, "alone.example")
    with pytest.raises(AlertNotFoundError):
        alert_store.indicator("domain:alone.example")
    alert_store.set_indicator_malice("ip:192.0.2.77", "Benign")
    assert sound(alert_store)


def test_an_erased_indicator_that_comes_again_is_a_new_one(alert_store):
    """Not the erased one by the number that the last write remembered."""
    one = alert_store.add(secret(1)).alert
    alert_store.set_indicator_malice("domain:indi1kator.example", "Malicious")
    alert_store.redact(one.uuid, **BY)
    two = alert_store.add(generic_alert(title="again", indicators=[{"type": "domain", "value": "indi1kator.example"}])).alert
    assert [(i.value, i.malice) for i in two.indicators] == [("indi1kator.example", "Pending")]
    assert sound(alert_store)


@pytest.mark.parametrize("value", ["[redacted 1]", " [redacted 1]", "[redacted 2]", "[redacted]"])
def test_an_indicator_that_calls_itself_erased(alert_store, value):
    """Whoever writes alerts can write this too; it must not stop a redaction, nor pass for one."""
    one = alert_store.add(generic_alert(title="one", indicators=[{"type": "account", "value": "mia"}])).alert
    two = alert_store.add(generic_alert(title="[redacted]", indicators=[{"type": "account", "value": value}])).alert
    alert_store.set_indicator_malice(f"account:{value.strip()}", "Malicious")
    assert sound(alert_store)
    for uuid in (one.uuid, two.uuid):
        alert_store.redact(uuid, **BY)
        assert sound(alert_store)


def test_a_redacted_alert_breaks_nothing_that_reads(alert_store, tmp_path):
    uuid = add_secret(alert_store, 1)
    add_secret(alert_store, 2)
    alert_store.redact(uuid, **BY)
    assert {item.title for item in alert_store.alerts().items} == {"[redacted]", "Titlu2wort Ungeheuer2"}
    assert alert_store.get(uuid).raw is None
    assert alert_store.count(text="redacted") == 1
    assert alert_store.metrics().total == 2
    assert list(alert_store.history(uuid))
    for form in ("markdown", "html"):
        assert "order 17 C 4/26" in alert_store.custody(form=form)
    alert_store.backup(tmp_path / "copy.db")
    with AlertStore.open(tmp_path / "copy.db") as copy:
        assert sound(copy)
        assert not holds(copy.path, "Ungeheuer1")


def test_duplicates_of_a_redacted_alert_that_came_before(alert_store):
    one = alert_store.add(secret(1))
    two = alert_store.add(secret(1, extra="Zweite1Rohdaten"))
    assert two.outcome == "duplicate"
    alert_store.redact(one.alert.uuid, ["record"], **BY)
    assert [occurrence.raw for occurrence in alert_store.occurrences(one.alert.uuid)] == [None, None]
    assert not holds(alert_store.path, "Zweite1Rohdaten")
    three = alert_store.add(secret(1, extra="Dritte1Rohdaten"))
    assert (three.outcome, three.alert.uuid) == ("duplicate", one.alert.uuid)
    assert [occurrence.raw is None for occurrence in alert_store.occurrences(one.alert.uuid)] == [True, True, False]
    assert sound(alert_store)


def test_records_that_could_not_be_read(alert_store, tmp_path):
    found = alert_store.ingest(
        io.BytesIO(b'{"title": "ok", "severity": "Low"}\n{"title": "Kaputt1satz\n{"title": "Kaputt2satz\n'), source="generic"
    )
    assert found.rejected == 2
    first, second = alert_store.rejected_records(found.id)
    alert_store.redact_rejected(found.id, first.record, **BY)
    assert sound(alert_store)
    assert (holds(alert_store.path, "Kaputt1satz"), holds(alert_store.path, "Kaputt2satz")) == (False, True)
    gone, kept = alert_store.rejected_records(found.id)
    assert (gone.raw, gone.reason, gone.sha256, gone.size) == (None, "[redacted]", first.sha256, first.size)
    assert kept == second
    *_, event = alert_store.events()
    assert (event.kind, event.actor, event.body["facts"]["authority"]) == ("record_redacted", BY["actor"], BY["authority"])
    alert_store.redact_rejected(found.id, first.record, **BY)
    assert sound(alert_store)


def test_what_cannot_be_redacted(alert_store):
    uuid = make_alert(alert_store).uuid
    before = alert_store.checkpoint()
    for call, error in (
        (lambda: alert_store.redact("018f3406-9e00-7513-a3ea-000000000000", **BY), AlertNotFoundError),
        (lambda: alert_store.redact(None, **BY), AlertNotFoundError),
        (lambda: alert_store.redact(uuid, ["title"], **BY), AlertValidationError),
        (lambda: alert_store.redact(uuid, [], **BY), AlertValidationError),
        (lambda: alert_store.redact(uuid, None, **BY), AlertValidationError),
        (lambda: alert_store.redact(uuid, "record", **BY), AlertValidationError),
        (lambda: alert_store.redact(uuid, authority=""), AlertValidationError),
        (lambda: alert_store.redact(uuid, authority=None), AlertValidationError),
        (lambda: alert_store.redact(uuid, authority="a\0"), AlertValidationError),
        (lambda: alert_store.redact(uuid, authority="a", actor=" "), AlertValidationError),
        (lambda: alert_store.redact(uuid, authority="a", reason="\ud800"), AlertValidationError),
        (lambda: alert_store.redact_rejected(1, 1, **BY), AlertNotFoundError),
        (lambda: alert_store.redact_rejected(2**70, -(2**70), **BY), AlertNotFoundError),
        (lambda: alert_store.redact_rejected("1", None, **BY), AlertNotFoundError),
        (lambda: alert_store.prune("2024-01-01", authority="a"), AlertValidationError),
        (lambda: alert_store.prune(FrozenClock().now, authority=" "), AlertValidationError),
        (lambda: alert_store.hold(""), AlertValidationError),
        (lambda: alert_store.hold(None), AlertValidationError),
    ):
        with pytest.raises(error):
            call()
    assert alert_store.checkpoint() == before
    with AlertStore.open(alert_store.path, mode="ro") as reader, pytest.raises(StoreReadOnlyError):
        reader.redact(uuid, **BY)


def test_any_collection_of_parts_will_do(alert_store):
    for n, parts in enumerate((iter(["record"]), {"record": 1}, {"record"}, ("record", "record"))):
        uuid = add_secret(alert_store, n)
        alert_store.redact(uuid, parts, **BY)
        assert alert_store.get(uuid).raw is None


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("UPDATE occurrence SET raw = x'7b7d' WHERE seq = 2", ()),
        ("UPDATE alert SET title = 'put back' WHERE id = 1", ()),
        ("UPDATE alert SET description = 'put back' WHERE id = 1", ()),
        ("UPDATE alert SET fingerprint = 'f' WHERE id = 1", ()),
        ("UPDATE event SET salt = ? WHERE seq = 2", (b"s" * 16,)),
        ("DELETE FROM part_salt WHERE seq = 2", ()),
        ("UPDATE part_salt SET salt = ? WHERE seq = 2", (b"s" * 16,)),
        ("INSERT INTO part_salt VALUES (2, 'text', ?)", (b"s" * 16,)),
        ("UPDATE indicator SET value = 'put back' WHERE id = 1 AND seq = 2", ()),
        ("INSERT INTO alert_indicator SELECT 1, 3, 2, occurred_at FROM alert WHERE id = 1", ()),
        ("UPDATE occurrence SET raw = NULL WHERE seq > 3", ()),
        ("UPDATE alert SET title = '[redacted]', description = NULL, fingerprint = '' WHERE id = 2", ()),
    ],
)
def test_nobody_puts_back_or_takes_away_more_unseen(alert_store, sql, values):
    one, two = add_secret(alert_store, 1), add_secret(alert_store, 2)
    alert_store.set_indicator_malice("domain:indi1kator.example", "Malicious")
    alert_store.redact(one, **BY)
    assert sound(alert_store)
    assert alert_store.get(two).raw
    before = alert_store.verify().problems
    if sql.startswith("UPDATE indicator"):  # whose value only its verdict commits to, and that salt is gone
        sql = sql.replace("id = 1", "id = (SELECT min(id) FROM indicator WHERE malice <> 'Pending')")
    tampered(alert_store.path, sql, *values)
    assert before == ()
    assert not alert_store.verify().ok


# --- readers, crashes ---


def test_a_reader_that_holds_the_log(path, alert_store):
    """The erasing is done; the log is emptied once nobody reads from it."""
    uuid = add_secret(alert_store, 1)
    with AlertStore.open(path, busy_timeout=timedelta(milliseconds=50), ids=seeded_ids(3), clock=FrozenClock()) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM event").fetchone()
            with pytest.raises(StoreBusyError, match="still holds its bytes"):
                store.redact(uuid, **BY)
            assert store.get(uuid).title == "[redacted]"
            assert sound(store)
            reader.execute("ROLLBACK")
        store.redact(uuid, **BY)
        assert not holds(path, "Ungeheuer1")
        assert sound(store)


DYING = """
import os, signal, sys
from alertstore import AlertStore
from alertstore.storage import redaction
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
redaction.scrub = die
with AlertStore.open(sys.argv[1]) as store:
    if sys.argv[2] == "prune":
        from datetime import datetime, UTC
        store.prune(datetime(2200, 1, 1, tzinfo=UTC), authority="policy")
    else:
        store.redact(sys.argv[2], authority="order 7")
"""


@pytest.mark.parametrize("what", ["redact", "prune"])
def test_killed_between_the_commit_and_the_scrub(path, alert_store, what):
    uuid = add_secret(alert_store, 1)
    alert_store.close()
    died = subprocess.run([sys.executable, "-c", DYING, path, "prune" if what == "prune" else uuid], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    with AlertStore.open(path) as store:
        assert sound(store)
        if what == "redact":
            assert store.get(uuid).title == "[redacted]"
            store.redact(uuid, **BY)
            assert not holds(path, "Ungeheuer1")
        else:
            assert next(iter(store.events())).kind == "history_pruned"


# --- holds ---


def test_a_hold_keeps_everything(alert_store, kinds):
    found = alert_store.ingest(io.BytesIO(b"{"), source="generic")
    uuid = add_secret(alert_store, 1)
    begin = alert_store.checkpoint().size
    alert_store.hold("case 12/26", reason="preservation letter", actor="legal")
    alert_store.hold("case 12/26")  # nothing new
    assert kinds(begin) == ["setting_changed"]
    before = alert_store.checkpoint()
    for call in (
        lambda: alert_store.redact(uuid, **BY),
        lambda: alert_store.redact_rejected(found.id, 1, **BY),
        lambda: alert_store.prune(FrozenClock().now + timedelta(days=9), authority="policy"),
    ):
        with pytest.raises(AlertValidationError, match="case 12/26"):
            call()
    assert alert_store.checkpoint() == before
    assert holds(alert_store.path, "Ungeheuer1")
    alert_store.hold("case 13/26")
    alert_store.release_hold(reason="closed")
    alert_store.release_hold()
    assert kinds(before.size) == ["setting_changed", "setting_changed"]
    alert_store.redact(uuid, **BY)
    assert sound(alert_store)


def test_a_hold_that_is_lifted_from_outside_is_seen(alert_store):
    alert_store.hold("case 12/26")
    tampered(alert_store.path, "DELETE FROM setting WHERE name = 'legal_hold'")
    assert not alert_store.verify().ok


def test_a_legal_hold_keeps_everything(alert_store):
    uuid = make_alert(alert_store).uuid
    document = alert_store.add_document("Beacons", "Look twice.", document_type="runbook")
    alert_store.hold("case 12")
    for destroy in (
        lambda: alert_store.delete_alert(uuid),
        lambda: alert_store.delete_document(document.uuid),
        lambda: alert_store.patch_document(document.uuid, content="Look away."),
        lambda: alert_store.redact(uuid, **BY),
    ):
        with pytest.raises(AlertValidationError, match="legal_hold"):
            destroy()
    alert_store.patch(uuid, severity="Low")  # an edit destroys nothing
    alert_store.release_hold()
    alert_store.delete_alert(uuid)
    assert alert_store.verify().ok


def test_statistics_hold_nothing_that_was_erased(alert_store, path):
    uuid = make_alert(alert_store, title="Beacon", indicators=[{"type": "domain", "value": "leak.example"}]).uuid
    with closing(sqlite3.connect(path)) as conn:
        conn.execute("ANALYZE")
        assert conn.execute("SELECT count(*) FROM sqlite_stat1").fetchone()[0]
    alert_store.redact(uuid, **BY)
    with closing(sqlite3.connect(path)) as conn:
        assert not conn.execute("SELECT 1 FROM sqlite_schema WHERE name LIKE 'sqlite_stat%'").fetchone()


def test_the_row_of_an_erased_indicator_stays(alert_store, path):
    uuid = make_alert(alert_store, indicators=[{"type": "domain", "value": "leak.example"}]).uuid
    alert_store.redact(uuid, **BY)
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute("DELETE FROM indicator WHERE id = (SELECT max(id) FROM indicator)")
    assert not alert_store.verify().ok
