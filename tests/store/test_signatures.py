"""Signed checkpoints, epochs and proofs; and whoever has the file, or a key of another epoch, and would have it otherwise."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from signing_cases import forged_note, key_of, owned, rewritten, tampered, with_body

import alertstore.verifier
from alertstore import AlertStore, AlertValidationError, Checkpoint, StoreDamagedError
from alertstore.domain.merkle import Frontier, peak_places
from alertstore.domain.notes import note, origin, read_note, signature_line, vkey
from alertstore.domain.proofs import read_proof
from alertstore.signing import SigningKey
from alertstore.storage.frontier import frontier_at
from alertstore.testing import FrozenClock, generic_alert, make_alert, seeded_ids

DEPTHS = ["quick", "full", "deep"]
OLD, NEW, THIEF = key_of(1), key_of(2), key_of(3)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A store of two epochs, closed: signed twice by OLD, handed to NEW, signed again; events after that."""
    path, clock = tmp_path_factory.mktemp("signed") / "s.db", FrozenClock()
    with AlertStore.open(path, clock=clock, ids=seeded_ids()) as store:
        first = make_alert(store)
        store.sign(OLD)
        store.patch(first.uuid, severity="Low")
        store.sign(OLD)
        make_alert(store, src_ip="192.0.2.9")
        clock.advance(days=1)
        store.rotate_key(OLD, NEW)
        store.patch(first.uuid, status="Triaging")
        store.add_finding(first.uuid, "seen before")
        store.sign(NEW)
        make_alert(store)
    return path


@pytest.fixture
def path(template, tmp_path):
    return shutil.copy(template, tmp_path / "s.db")


@pytest.fixture
def store(path):
    with AlertStore.open(path, clock=FrozenClock(), ids=seeded_ids(5)) as opened:
        yield opened


def look(path, **held):
    """What verifying the file says."""
    with AlertStore.open(path, clock=FrozenClock(), ids=seeded_ids(5)) as store:
        return store.verify(**held)


def closed_at(path):
    with closing(sqlite3.connect(path)) as conn:
        return conn.execute("SELECT max(seq) FROM event WHERE kind = 'signing_key_set'").fetchone()[0]


# --- signing ---


def test_the_first_key_that_signs_is_the_store_s(alert_store, kinds):
    make_alert(alert_store)
    begin = alert_store.checkpoint().size
    signed = alert_store.sign(OLD, reason="monday", actor="mia")
    assert kinds(begin) == ["signing_key_set"]
    assert (signed.size, signed.root, signed.epoch) == (begin + 1, alert_store.checkpoint().root, 0)
    *_, event = alert_store.events()
    assert (event.actor, event.reason, event.body["facts"]) == ("mia", "monday", {"epoch": 0, "public_key": OLD.text})
    assert alert_store.sign(OLD) == signed  # nothing new to sign
    assert kinds(begin) == ["signing_key_set"]
    assert alert_store.signed_checkpoints() == [signed]
    assert alert_store.verify(key=OLD, require_signed=True).signed_size == signed.size


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("spelling", [OLD, NEW, OLD.text, OLD.public, vkey("x", OLD.public)], ids=["old", "new", "hex", "bytes", "vkey"])
def test_every_key_of_the_store_vouches_for_it(store, depth, spelling):
    report = store.verify(depth=depth, key=spelling, require_signed=True)
    assert (report.problems, report.assurance, report.signed_size) == ((), "signed", store.checkpoint().size - 1)
    assert any("who wrote events" in said for said in report.unchecked)


@pytest.mark.parametrize("depth", DEPTHS)
def test_without_a_key_the_signatures_are_nobody_s(store, depth):
    report = store.verify(depth=depth)
    assert (report.ok, report.assurance, report.signed_size) == (True, "unsigned", 0)
    assert "whose the signing keys are: no key was given" in report.unchecked
    report = store.verify(depth=depth, require_signed=True)
    assert (report.ok, report.verdict) == (False, "could not check")


def test_keys_that_are_not_the_store_s(store):
    before = store.checkpoint()
    for call in (
        lambda: store.sign(OLD),  # its epoch is over
        lambda: store.sign(THIEF),
        lambda: store.rotate_key(OLD, THIEF),
        lambda: store.rotate_key(THIEF, OLD),
        lambda: store.rotate_key(NEW, OLD),  # back to a key that was destroyed
        lambda: store.rotate_key(NEW, NEW),
        lambda: store.sign(None),
        lambda: store.sign(NEW.text),
        lambda: store.sign(SigningKey("x" * 32, NEW.sign)),
        lambda: store.sign(SigningKey(NEW.public[:31], NEW.sign)),
        lambda: store.rotate_key(NEW, None),
    ):
        with pytest.raises(AlertValidationError):
            call()
    assert store.checkpoint() == before
    assert store.verify(key=OLD).ok


def test_a_store_that_has_no_key_has_none_to_rotate(alert_store):
    with pytest.raises(AlertValidationError, match="none yet"):
        alert_store.rotate_key(OLD, NEW)


@pytest.mark.parametrize("made", [b"", b"x" * 63, None, "text"])
def test_a_key_that_makes_no_signature_leaves_nothing(alert_store, made):
    before = alert_store.checkpoint()
    with pytest.raises(AlertValidationError, match="no Ed25519 signature"):
        alert_store.sign(SigningKey(OLD.public, lambda _: made))
    assert (alert_store.checkpoint(), alert_store.signed_checkpoints()) == (before, [])


@pytest.mark.parametrize("sign", [lambda _: OLD.sign(b"something else"), lambda _: bytes(64)])
def test_a_signature_that_does_not_hold_is_not_kept(alert_store, sign):
    bad = SigningKey(OLD.public, sign)
    with pytest.raises(AlertValidationError, match="does not hold"):
        alert_store.sign(bad)
    assert alert_store.signed_checkpoints() == []
    alert_store.sign(OLD)
    for old, new in ((bad, key_of(2)), (OLD, SigningKey(key_of(2).public, sign))):
        with pytest.raises(AlertValidationError, match="does not hold"):
            alert_store.rotate_key(old, new)
    assert alert_store.verify(key=OLD, require_signed=True).ok


def test_a_key_that_came_later_does_not_speak_for_what_was_before(alert_store):
    alert_store.sign(OLD)
    alert_store.rotate_key(OLD, key_of(2))
    assert not any("whether another wrote" in said for said in alert_store.verify(key=OLD).unchecked)
    assert any("whether another wrote events 1 to 3" in said for said in alert_store.verify(key=key_of(2)).unchecked)


@pytest.mark.parametrize("days", [-900, -1, 0, 1, 4_000])
def test_epochs_are_counted_by_events_and_not_by_the_clock(alert_store, frozen_clock, days):
    """A clock that jumps, or is set back between two epochs, breaks no signature."""
    for number in range(1, 5):
        make_alert(alert_store)
        frozen_clock.advance(days=days)
        if number == 1:
            alert_store.sign(key_of(1))
        else:
            alert_store.rotate_key(key_of(number - 1), key_of(number))
    for depth in DEPTHS:
        for number in range(1, 5):
            assert alert_store.verify(depth=depth, key=key_of(number), require_signed=True).problems == ()


def test_a_signed_checkpoint_is_a_checkpoint(store):
    for signed in store.signed_checkpoints():
        assert store.verify(depth="full", checkpoint=Checkpoint(signed.size, signed.root)).assurance == "anchored"


def test_a_thousand_wrong_keys(store, promise):
    refused = 0
    for number in range(10, 210):
        report = store.verify(depth="quick", key=key_of(number))
        assert (report.verdict, report.assurance) == ("tampered", "unsigned")
        refused += not report.ok
    promise("verify with a key that is not the store's fails", f"{refused} of 200 wrong keys refused")
    assert refused == 200


# --- the file's owner, without a key ---


def lower_severity(conn):
    """Make the first alert harmless, in its row and in the event that it came with."""
    seq, uuid = conn.execute(
        "SELECT seq, json_extract(CAST(body AS TEXT), '$.subject') FROM event WHERE kind = 'alert_severity_updated'"
    ).fetchone()
    with_body(conn, seq, lambda said: said["changes"].update(severity=["High", "Informational"]))
    conn.execute("UPDATE alert SET severity = 'Informational' WHERE uuid = ?", (uuid,))


def swap_bodies(conn):
    (one, first), (two, second) = conn.execute("SELECT seq, body FROM event WHERE seq IN (4, 5)").fetchall()
    conn.execute("UPDATE event SET body = ? WHERE seq = ?", (second, one))
    conn.execute("UPDATE event SET body = ? WHERE seq = ?", (first, two))


def forge_insert(conn):
    """A whole event more, in the middle: the later ones move up."""
    for seq in range(conn.execute("SELECT max(seq) FROM event").fetchone()[0], 4, -1):
        conn.execute("UPDATE event SET seq = seq + 1 WHERE seq = ?", (seq,))
    conn.execute("INSERT INTO event SELECT 5, at, kind, alert_id, salt, hashes, body FROM event WHERE seq = 4")


# What was done to one event, in which one it shows first, and how a problem of it is called.
DONE = {
    "edited": ("UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'High', 'Low') AS BLOB) WHERE seq = 2", 2),
    "reworded": ("UPDATE event SET body = CAST(body || ' ' AS BLOB) WHERE seq = 5", 5),
    "another time": ("UPDATE event SET at = at + 1 WHERE seq = 6", 6),
    "deleted": ("DELETE FROM event WHERE seq = 5", 6),
    "two deleted": ("DELETE FROM event WHERE seq IN (5, 6)", 7),
    "swapped": (swap_bodies, 4),
    "swapped numbers": ("UPDATE event SET seq = CASE seq WHEN 4 THEN -5 ELSE 4 END WHERE seq IN (4, 5)", -5),
    "inserted": (forge_insert, 5),
    "leaf": ("UPDATE event SET hashes = zeroblob(32) WHERE seq = 5", 5),
    "node": ("UPDATE event SET hashes = CAST(substr(hashes, 1, 32) || zeroblob(32) AS BLOB) WHERE seq = 6", 6),
}


@pytest.mark.parametrize("how", DONE)
def test_the_first_bad_event_is_named(path, how):
    done, first = DONE[how]
    with owned(path) as conn:
        done(conn) if callable(done) else conn.execute(done)
    report = look(path)
    assert (report.ok, report.verdict) == (False, "tampered")
    if first > 0:
        assert report.first_bad == first
    assert not look(path, depth="full").ok or how == "another time"  # which the tree does not hold


def test_every_byte_of_the_history_that_is_changed_is_found(path, promise):
    """Each event's body, at some of its bytes, and each stored hash."""
    found = samples = 0
    with closing(sqlite3.connect(path)) as conn:
        rows = conn.execute("SELECT seq, body, hashes FROM event").fetchall()
    for seq, body, hashes in rows:
        for column, value in (("body", body), ("hashes", hashes)):
            for place in {0, len(value) // 3, len(value) - 1}:
                changed = bytearray(value)
                changed[place] ^= 1
                tampered(path, f"UPDATE event SET {column} = ? WHERE seq = ?", bytes(changed), seq)
                samples += 1
                report = look(path, depth="full")
                found += report.first_bad == seq
                tampered(path, f"UPDATE event SET {column} = ? WHERE seq = ?", value, seq)
    promise("a changed byte of the history is found, and its event named", f"{found} of {samples} changed bytes")
    assert found == samples
    assert look(path, key=OLD).ok


def test_a_rewrite_of_everything_without_the_key(path, tmp_path):
    """All leaves and nodes made anew: sound by itself. A key, a checkpoint, or a receipt says what it is."""
    with AlertStore.open(path) as store:
        kept = store.checkpoint()
    with owned(path) as conn:
        conn.execute("DELETE FROM signed_checkpoint")
        for (seq,) in conn.execute("SELECT seq FROM event WHERE kind = 'signing_key_set'").fetchall():
            with_body(conn, seq, lambda said: said.update(kind="store_handed_over", facts={}))
            conn.execute("UPDATE event SET kind = 'store_handed_over' WHERE seq = ?", (seq,))
        lower_severity(conn)
        rewritten(conn)
    for depth in DEPTHS:
        report = look(path, depth=depth)
        assert (report.problems, report.assurance) == ((), "unsigned")
        assert [problem.kind for problem in look(path, depth=depth, key=OLD).problems] == ["signature"]
        assert [problem.kind for problem in look(path, depth=depth, checkpoint=kept).problems] == ["rewritten"]
        assert not look(path, depth=depth, require_signed=True).ok
    (tmp_path / "receipts").write_text(f'{{"store": "{store.id}", "size": {kept.size}, "root": "{kept.root}"}}\n')
    assert [problem.kind for problem in look(path, receipts=tmp_path / "receipts").problems] == ["rewritten"]


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_rewrite_that_leaves_the_notes_is_found_without_a_key(path, depth):
    with owned(path) as conn:
        lower_severity(conn)
        rewritten(conn)
    report = look(path, depth=depth)
    assert {problem.kind for problem in report.problems} >= {"rewritten"}


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("strip", ["notes", "notes and events"])
def test_stripped_signatures(path, depth, strip):
    """A store that was signed must not pass for one that never was, where its key is known."""
    with owned(path) as conn:
        conn.execute("DELETE FROM signed_checkpoint")
        if strip != "notes":
            for (seq,) in conn.execute("SELECT seq FROM event WHERE kind = 'signing_key_set'").fetchall():
                with_body(conn, seq, lambda said: said.update(kind="store_handed_over", facts={}))
                conn.execute("UPDATE event SET kind = 'store_handed_over' WHERE seq = ?", (seq,))
            rewritten(conn)
    assert not look(path, depth=depth, key=OLD).ok
    assert not look(path, depth=depth, require_signed=True).ok


@pytest.mark.parametrize("key", [None, OLD, NEW])
@pytest.mark.parametrize("epoch", [0, 1])
def test_an_epoch_that_is_gone(path, epoch, key):
    tampered(path, "DELETE FROM signed_checkpoint WHERE epoch = ?", epoch)
    assert [problem.where for problem in look(path, key=key).problems] == [f"epoch {epoch}"]


@pytest.mark.parametrize("key", [None, OLD, NEW])
def test_an_epoch_whose_end_is_gone(path, key):
    tampered(path, "DELETE FROM signed_checkpoint WHERE epoch = 0 AND size = ?", closed_at(path))
    (problem,) = look(path, key=key).problems
    assert (problem.kind, problem.where) == ("signature", "epoch 0")
    assert str(closed_at(path)) in problem.expected


def test_an_epoch_number_left_out(path):
    with owned(path) as conn:
        with_body(conn, closed_at(path), lambda said: said["facts"].update(epoch=2))
        rewritten(conn)
    assert f"event {closed_at(path)}: epoch" in {problem.where for problem in look(path).problems}


def test_truncated_to_an_old_checkpoint(path):
    """What is left is a history that once was. Only somebody who saw it longer can say."""
    with AlertStore.open(path) as store:
        kept, first = store.checkpoint(), store.signed_checkpoints()[0]
    with owned(path) as conn:
        for table in ("event", "signed_checkpoint", "occurrence"):
            conn.execute(f"DELETE FROM {table} WHERE {'size' if table == 'signed_checkpoint' else 'seq'} > ?", (first.size,))
        conn.execute("DELETE FROM alert WHERE id > 1")
        conn.execute("DELETE FROM finding")
        conn.execute("DELETE FROM alert_indicator WHERE alert_id > 1")
        conn.execute(
            "UPDATE alert SET severity = 'High', status = 'Open', heads = '{\"lifecycle\":[]}', updated_at = created_at, acknowledged_at = NULL, triaged_at = NULL"
        )
        conn.execute("DELETE FROM indicator WHERE seq > ?", (first.size,))
        conn.execute("INSERT INTO search (search) VALUES ('rebuild')")
    report = look(path, key=OLD)
    assert (report.problems, report.assurance, report.size) == ((), "signed", first.size)
    (problem,) = look(path, key=OLD, checkpoint=kept).problems
    assert (problem.kind, problem.expected, problem.found) == ("rollback", f"at least {kept.size} events", first.size)
    assert [problem.kind for problem in look(path, key=NEW).problems] == ["signature"]  # which this history does not know yet


def test_a_state_edit_names_the_alert_and_what_it_should_be(path):
    tampered(path, "UPDATE alert SET status = 'Escalated' WHERE id = 1")
    with AlertStore.open(path) as store:
        (uuid,) = (item.uuid for item in store.alerts(status="Escalated"))
        (problem,) = store.verify(key=OLD).problems
    assert (problem.kind, problem.where, problem.expected, problem.found) == ("row", f"alert {uuid}: status", "Triaging", "Escalated")


def test_swapped_records(path):
    with owned(path) as conn:
        rows = conn.execute("SELECT seq, raw, sha256 FROM occurrence ORDER BY seq LIMIT 2").fetchall()
        conn.execute("UPDATE occurrence SET sha256 = zeroblob(32) WHERE seq = ?", (rows[0][0],))
        for (seq, _, _), (_, raw, digest) in zip(reversed(rows), rows, strict=True):
            conn.execute("UPDATE occurrence SET raw = ?, sha256 = ? WHERE seq = ?", (raw, digest, seq))
    report = look(path)
    assert [(problem.kind, problem.where) for problem in report.problems] == [("content", f"event {rows[n][0]}: record") for n in (0, 1)]


# --- whoever gets hold of a key that is not of that epoch ---


def test_the_old_key_cannot_sign_past_its_epoch(path):
    """Not in the store, nor by putting the row there: what it signs after its last event counts for nothing."""
    with owned(path) as conn:
        edge = frontier_at(conn)
        forged_note(conn, edge.size, 0, OLD, edge.root())
    (problem,) = look(path, key=OLD).problems
    assert (problem.where, problem.expected) == (f"checkpoint {edge.size} of epoch 0", f"a size from 3 to {closed_at(path)}")


@pytest.mark.parametrize("size", [3, 5])
def test_a_later_key_cannot_sign_an_earlier_size(path, size):
    with owned(path) as conn:
        forged_note(conn, size, 1, NEW, frontier_at(conn, size).root())
    assert [problem.where for problem in look(path, key=OLD).problems] == [f"checkpoint {size} of epoch 1"]


@pytest.mark.parametrize("epoch_0", [NEW, THIEF])
def test_a_history_made_anew_with_a_stolen_later_key(path, epoch_0):
    """The thief has the newest key alone, and rewrites what was signed before it: whoever trusts the first key sees that."""
    with owned(path) as conn:
        lower_severity(conn)
        rewritten(conn)
        for size, epoch in conn.execute("SELECT size, epoch FROM signed_checkpoint").fetchall():
            forged_note(conn, size, epoch, NEW if epoch else epoch_0, frontier_at(conn, size).root())
    for depth in DEPTHS:
        assert not look(path, depth=depth, key=OLD).ok
    if epoch_0 is THIEF:  # and he names a first key of his own
        with owned(path) as conn:
            with_body(conn, 3, lambda said: said["facts"].update(public_key=THIEF.text))
            rewritten(conn)
            for size, epoch in conn.execute("SELECT size, epoch FROM signed_checkpoint").fetchall():
                forged_note(conn, size, epoch, NEW if epoch else THIEF, frontier_at(conn, size).root())
        report = look(path)
        assert (report.problems, report.assurance) == ((), "unsigned")
        assert [problem.where for problem in look(path, key=OLD).problems] == ["the key"]


def test_a_thief_with_the_present_key_signs_what_comes_after(path):
    """What a stolen key can do, said plainly: its own epoch, from the last checkpoint on."""
    with owned(path) as conn:
        (seq,) = conn.execute("SELECT max(seq) FROM event").fetchone()
        with_body(conn, seq, lambda said: said.update(actor="somebody else"))
        edge = rewritten(conn)
        forged_note(conn, edge.size, 1, NEW, edge.root())
    assert look(path, key=OLD, require_signed=True).assurance == "signed"


# --- a forged cut ---


def forged_cut(path, key, *, upto):
    """Somebody who has the file and a key that is not of this store: all of it made anew, as if the beginning had been pruned.

    The genuine notes and the genuine names of the keys are left as they are.
    """
    with closing(sqlite3.connect(path)) as conn:
        notes = conn.execute("SELECT size, epoch, note FROM signed_checkpoint").fetchall()
        genuine = conn.execute(
            "SELECT seq, json_extract(CAST(body AS TEXT), '$.facts.public_key') FROM event WHERE kind = 'signing_key_set'"
        ).fetchall()
    clock = FrozenClock()
    clock.advance(days=400)
    with AlertStore.open(path, clock=clock, ids=seeded_ids(9)) as store:
        store.patch(next(iter(store.alerts(limit=1).items)).uuid, tags=["forged"])
        while store.checkpoint().size < upto:
            make_alert(store)
        store.prune(clock.now.replace(year=2200), authority="a")
    with owned(path) as conn:
        (opener, size, peaks) = conn.execute("SELECT (SELECT min(seq) FROM event), size, peaks FROM pruned").fetchone()
        conn.execute("DELETE FROM signed_checkpoint")
        keys = [list(one) for one in genuine]
        if key is not None:
            keys = [keys[0], [notes[0][0], key.text]]
        with_body(conn, opener, lambda said: said["facts"].update(keys=keys))
        frontier = {level: peaks[k * 32 : k * 32 + 32] for k, (_, level) in enumerate(peak_places(size))}
        edge = rewritten(conn, Frontier(size, frontier))
        conn.executemany(
            "INSERT INTO signed_checkpoint (size, epoch, note) VALUES (?,?,?)", [one for one in notes if key is None or one[1] == 0]
        )
        if key is not None:
            conn.execute("DELETE FROM signed_checkpoint WHERE size > ?", (keys[1][0],))
            forged_note(conn, edge.size, 1, key, edge.root())


@pytest.mark.parametrize("trusted", [OLD, NEW])
@pytest.mark.parametrize("depth", DEPTHS)
def test_genuine_notes_do_not_vouch_for_a_forged_cut(path, depth, trusted):
    forged_cut(path, None, upto=20)
    report = look(path, depth=depth, key=trusted)
    assert (report.ok, report.assurance, report.verdict) == (False, "unsigned", "could not check")
    report = look(path, depth=depth)  # nobody asked whose it is
    assert (report.problems, report.assurance) == ((), "unsigned")


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_forged_cut_cannot_bring_in_the_next_key(path, depth):
    forged_cut(path, THIEF, upto=20)
    report = look(path, depth=depth, key=OLD)
    assert (report.ok, report.assurance) == (False, "unsigned")


# --- notes ---


def renoted(path, change):
    """Change the text of the newest note."""
    with owned(path) as conn:
        size, epoch, text = conn.execute("SELECT size, epoch, note FROM signed_checkpoint ORDER BY size DESC LIMIT 1").fetchone()
        (store_id,) = conn.execute("SELECT value FROM setting WHERE name = 'store_id'").fetchone()
        conn.execute("UPDATE signed_checkpoint SET note = ? WHERE size = ? AND epoch = ?", (change(text, origin(store_id)), size, epoch))


def twice(text, _):
    return text + text.rpartition("\n\n")[2]


def another_store(text, name):
    said = read_note(text).text.replace(name, origin("0190c3a2-1111-7222-8333-444455556666"))
    return note(said, [signature_line(origin("0190c3a2-1111-7222-8333-444455556666"), NEW.public, NEW.sign(said.encode()))])


def wrong_origin(text, name):
    said = read_note(text).text.replace(name, "example.com/log")
    return note(said, [signature_line(name, NEW.public, NEW.sign(said.encode()))])


def wrong_name(text, _):
    said = read_note(text).text
    return note(said, [signature_line("example.com/log", NEW.public, NEW.sign(said.encode()))])


def no_signature(text, _):
    return read_note(text).text + "\n"


@pytest.mark.parametrize(
    "change", [twice, another_store, wrong_origin, wrong_name, no_signature, lambda *_: "", lambda text, _: text + "\n"]
)
@pytest.mark.parametrize("key", [None, OLD])
def test_notes_that_are_not_what_they_should_be(path, change, key):
    renoted(path, change)
    report = look(path, key=key)
    assert "signature" in {problem.kind for problem in report.problems}


@pytest.mark.parametrize("public", ["", "zz", "00", None, 7, "00" * 31, [1]])
def test_a_key_event_that_no_store_wrote(path, public):
    with owned(path) as conn:
        with_body(conn, closed_at(path), lambda said: said["facts"].update(public_key=public))
        rewritten(conn)
    for depth in DEPTHS:
        assert not look(path, depth=depth, key=OLD).ok


# --- what opening sees ---


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'local', 'other') AS BLOB) WHERE seq = (SELECT max(seq) FROM event)",
        "UPDATE event SET hashes = zeroblob(length(hashes)) WHERE seq = (SELECT max(seq) FROM event)",
        "DELETE FROM event WHERE seq > (SELECT max(size) - 1 FROM signed_checkpoint)",
        "DELETE FROM event",
        "UPDATE signed_checkpoint SET note = 'no note' WHERE size = (SELECT max(size) FROM signed_checkpoint)",
        "UPDATE signed_checkpoint SET size = size + 1 WHERE size = (SELECT max(size) FROM signed_checkpoint)",
    ],
)
def test_a_tampered_edge_opens_is_read_and_takes_no_write(path, sql):
    tampered(path, sql)
    with AlertStore.open(path) as store:
        alert = store.alerts(limit=1).items[0]
        assert store.get(alert.uuid).title == alert.title
        for depth in DEPTHS:
            assert not store.verify(depth=depth).ok
        before = store.checkpoint()
        for write in (
            lambda: store.patch(alert.uuid, severity="Critical"),
            lambda: store.add(generic_alert(title="more")),
            lambda: store.sign(NEW),
            lambda: store.redact(alert.uuid, authority="order 7"),
        ):
            with pytest.raises(StoreDamagedError) as refusal:
                write()
        assert "verify" in refusal.value.advice
        assert store.checkpoint() == before
        assert store.get(alert.uuid).severity == alert.severity


def test_a_rewrite_before_the_newest_checkpoint_is_seen_at_open(path):
    with owned(path) as conn:
        lower_severity(conn)
        rewritten(conn)
    with AlertStore.open(path) as store, pytest.raises(StoreDamagedError, match="newest signed checkpoint"):
        store.add(generic_alert(title="more"))


# --- proofs ---


def test_a_proof_of_every_event(store):
    size = store.checkpoint().size
    newest = store.signed_checkpoints()[-1]
    for seq in range(1, size + 1):
        proof = read_proof(store.prove(seq).to_json())
        assert proof == store.prove(seq)
        assert proof.size == (newest.size if seq <= newest.size else size)
        assert (proof.note is None) == (seq > newest.size)


def test_proofs_of_what_is_not_there(store):
    for seq in (0, -1, store.checkpoint().size + 1, "1", True, None, 2**70):
        with pytest.raises(AlertValidationError):
            store.prove(seq)
    for checkpoint in (None, (1, "00"), Checkpoint(10**6, "00" * 32), Checkpoint(3, "00" * 32)):
        with pytest.raises(AlertValidationError):
            store.prove_extends(checkpoint)


def test_a_proof_that_one_history_goes_on_from_another(store):
    for signed in store.signed_checkpoints():
        proof = store.prove_extends(Checkpoint(signed.size, signed.root))
        assert read_proof(proof.to_json()) == proof


# --- the verifier that stands alone ---


@pytest.mark.parametrize(("key", "trusted"), [(None, OLD), (None, NEW), (THIEF, OLD), (THIEF, NEW)])
def test_the_verifier_is_not_fooled_by_a_forged_cut_either(path, key, trusted):
    assert standalone(path, "--key", trusted.text).returncode == 0
    forged_cut(path, key, upto=20)
    assert standalone(path, "--key", trusted.text).returncode in {4, 6}


def standalone(*args):
    return subprocess.run(
        [sys.executable, "-I", alertstore.verifier.__file__, *map(str, args)], check=False, capture_output=True, timeout=60
    )
