"""The stand-alone verifier comes to the same answer as the library, on sound stores of every kind and on every tampered sample."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from functools import cache
from hashlib import sha256

import pytest
import test_verify
from intel_rows import add_intel
from sync_rows import add_sync, edited, synced
from test_verify import TABLES, other, where

from alertstore import AlertStore, Checkpoint, verifier
from alertstore.domain.merkle import Frontier, Tree
from alertstore.signing import SigningKey
from alertstore.testing import FrozenClock, generic_alert, seeded_ids

pytest.importorskip("cryptography")

HISTORIES = {
    "plain": (),
    "everything": ("sign", "redact", "more", "rotate", "prune", "forget", "more", "sign again", "more"),
    "salvaged": ("more", "redact", "salvage"),
    "redacted": ("redact", "forget", "more"),
    "pruned": ("more", "prune", "redact", "more", "prune", "forget"),
    "salvaged twice": ("redact", "prune", "more", "salvage", "salvage"),
    "signed": ("sign", "more", "rotate", "more", "sign again"),
}
SIGNED = cache(verifier.is_signed)  # the same few signatures, thousands of times
SHORT = ("plain", "everything")
MISSED = ("CREATE INDEX", "DROP INDEX", "search")
"""What only the library looks at: plain indexes, which change no answer, and the search index, which is not read here."""
WRONG = test_verify.test_verify_says_what_is_wrong_and_never_breaks.pytestmark[0].args[1]
SCHEMAS = test_verify.test_another_schema_is_found.pytestmark[0].args[1]


class Sample:
    """A store that is open in the library, and a connection of somebody who owns the file."""

    def __init__(self, path, keys):
        self.keys = keys
        self.store = AlertStore.open(path)
        self.conn = sqlite3.connect(path, isolation_level=None)
        self.conn.executescript("PRAGMA ignore_check_constraints = ON; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;")
        self.triggers = self.conn.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()

    def close(self):
        self.conn.close()
        self.store.close()

    def tamper(self, *statements):
        """Run (sql, values)... as the file's owner can: no triggers, no checks. How many rows it changed; 0 where SQLite refuses it."""
        triggers = self.triggers if any(re.search(r"\bevent\b", sql) for sql, _ in statements) else []  # the only table that has any
        self.conn.execute("BEGIN IMMEDIATE")
        try:
            for name, _ in triggers:
                self.conn.execute(f"DROP TRIGGER {name}")
            changed = sum(self.conn.execute(sql, values).rowcount for sql, values in statements)
            for _, sql in triggers:
                self.conn.execute(sql)
        except sqlite3.IntegrityError:
            self.conn.execute("ROLLBACK")
            return 0
        self.conn.execute("COMMIT")
        return changed

    def answers(self, *, key=None, checkpoint=None):
        """(the library's, the verifier's)."""
        kept = verifier.Kept(key=key, checkpoint=None if checkpoint is None else (checkpoint.size, checkpoint.root))
        return self.store.verify(key=key, checkpoint=checkpoint), verifier.check_store(self.conn, kept)[0]

    def agree(self, **kept):
        """Whether both say the same; and whether that is yes."""
        library, alone = self.answers(**kept)
        return library.ok == (not alone.problems), library.ok


@pytest.fixture(scope="module")
def histories(tmp_path_factory, fill):
    """The closed file of each history, and the keys that signed it; each made once."""

    @cache
    def made(name):
        return make_file(tmp_path_factory.mktemp("history"), fill, HISTORIES[name])

    return made


@pytest.fixture
def sample(tmp_path, histories, monkeypatch):
    """A copy of a store with a history, open; closed afterwards."""
    monkeypatch.setattr(verifier, "is_signed", SIGNED)
    opened = []

    def make(name):
        path, keys = histories(name)
        shutil.copy(path, tmp_path / f"{name}.db")
        opened.append(Sample(tmp_path / f"{name}.db", keys))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def make_file(folder, fill, steps):
    clock, path = FrozenClock(), folder / "s.db"
    keys = [SigningKey.create(folder / f"{n}.pem") for n in range(2)]
    with AlertStore.open(path, clock=clock, ids=seeded_ids()) as store:
        one, two, gone = uuids = fill(store, folder, clock)
        add_sync(store, *uuids)
        add_intel(store)
        for step in steps:
            clock.advance(minutes=1)
            if step == "redact":
                store.redact(one, ["content"], authority="a")
                store.redact(two, ["record"], authority="a")
                store.redact_rejected(1, 4, authority="a")
            elif step == "forget":
                store.redact(one, ["findings"], authority="a")
                store.redact(gone, authority="a")
            elif step == "prune":
                store.prune(clock(), authority="a")
            elif step == "more":
                alert = store.add(generic_alert(title="more", indicators=[{"type": "domain", "value": "z.example"}])).alert
                store.patch(alert.uuid, status="Triaging", tags=["x"])
                store.add_finding(alert.uuid, "later")
                synced(store, alert.uuid, {"uuid": alert.uuid, "open": True})
                edited(store, alert.uuid, "Low", origin=100 + store.checkpoint().size, sup=[])
            elif step == "sign":
                store.sign(keys[0])
            elif step == "rotate":
                store.rotate_key(*keys)
            elif step == "sign again":
                store.sign(keys[1])
    for n in range(steps.count("salvage")):
        AlertStore.salvage(path, folder / f"{n}.db")
        path = folder / f"{n}.db"
    return path, keys


def cell_changes(sample, *, all_rows):
    """Every column of every table in one of its rows, or in all: (what, statement, statement that undoes it)."""
    for table, columns in TABLES.items():
        rows = sample.conn.execute(f"SELECT {', '.join(name for name, _ in columns)} FROM {table}").fetchall()
        for place, (column, kind) in enumerate(columns):
            for row in rows if all_rows else rows[place % len(rows) :][:1] if rows else ():
                new = [*row[:place], other(column, kind, row[place]), *row[place + 1 :]]
                change = f"UPDATE {table} SET {column} = ? WHERE {where(columns)}"
                yield (table, column, row[0]), (change, (new[place], *row)), (change, (row[place], *new))


def row_changes(sample, *, all_rows):
    """Rows of every table, the first or all, taken out; and one put in."""
    for table, columns in TABLES.items():
        names = ", ".join(name for name, _ in columns)
        insert = f"INSERT INTO {table} ({names}) VALUES ({','.join('?' * len(columns))})"
        delete = f"DELETE FROM {table} WHERE {where(columns)}"
        rows = sample.conn.execute(f"SELECT {names} FROM {table}").fetchall()
        for row in rows if all_rows else rows[:1]:
            yield (table, "gone", row[0]), (delete, row), (insert, row)
        if rows:
            new = [
                other(name, kind, value)
                if name in {"id", "seq", "uuid", "name", "alert_id", "value", "sha256", "size", "store_id", "key"} and value is not None
                else value
                for (name, kind), value in zip(columns, rows[0], strict=True)
            ]
            yield (table, "too many", new[0]), (insert, new), (delete, new)


def disagreements(sample, *, all_rows):
    assert sample.agree() == (True, True)
    found, samples, seen = [], 0, 0
    for changes in (cell_changes, row_changes):
        for what, change, undo in changes(sample, all_rows=all_rows):
            if not sample.tamper(change):
                continue
            same, ok = sample.agree()
            samples, seen = samples + 1, seen + (not ok)
            if not same:
                found.append(what)
            assert sample.tamper(undo) == 1
    assert sample.agree() == (True, True)
    assert samples - seen <= 4  # a signed checkpoint can be taken away where its epoch has others
    return found, samples


def test_on_every_table_and_column(sample, promise):
    total = 0
    for name in SHORT:
        found, samples = disagreements(sample(name), all_rows=False)
        assert found == []
        total += samples
    assert total > 250
    promise("The stand-alone verifier agrees with the library", f"{total} of {total} tampered samples")


@pytest.mark.long
def test_on_every_table_and_column_and_row(sample, promise):
    total = 0
    for name in HISTORIES:
        found, samples = disagreements(sample(name), all_rows=True)
        assert found == []
        total += samples
    assert total > 4_000
    promise("The stand-alone verifier agrees with the library", f"{total} of {total} tampered samples")


@pytest.mark.parametrize("name", HISTORIES)
def test_on_sound_stores(sample, name):
    one = sample(name)
    library, alone = one.answers()
    assert (library.problems, alone.problems) == ((), [])
    assert (alone.size, alone.root, alone.assurance) == (library.size, library.root, library.assurance)
    assert alone.counts["alerts"] == one.store.count()
    with closing(one.conn.execute("SELECT count(*) FROM event")) as counted:
        assert alone.counts["events"] == counted.fetchone()[0]


@pytest.mark.parametrize(("sql", "values"), WRONG, ids=lambda value: value[:60] if isinstance(value, str) else None)
def test_on_what_no_store_has_written(sample, sql, values):
    one = sample("plain")
    assert one.tamper((sql, values))
    library, alone = one.answers()
    assert not library.ok
    assert alone.verdict() == library.verdict
    assert all(line.isprintable() and line.isascii() for line in verifier.printed(alone))


@pytest.mark.parametrize("sql", [*SCHEMAS, "CREATE INDEX mine ON alert (title)", "CREATE VIEW alert_2 AS SELECT 1", "ANALYZE"])
def test_on_another_schema(sample, sql):
    one = sample("plain")
    one.conn.execute(sql)
    library, alone = one.answers()
    assert sql.startswith(MISSED) or library.ok == (not alone.problems)


def test_a_view_in_the_place_of_a_table_is_not_read(sample):
    one = sample("plain")
    one.conn.execute("ALTER TABLE finding RENAME TO hidden")
    one.conn.execute("CREATE VIEW finding AS SELECT abs(-9223372036854775808) AS seq")  # fails where a row is read
    (problem,) = verifier.check_store(one.conn, verifier.Kept())[0].problems
    assert problem.kind == "schema"


# --- rewritten by somebody who recomputes the tree ---


def rewrite(sample, edit):
    """Change bodies, and make the tree anew over them."""
    tree, changed = Tree(Frontier()), []
    for seq, body in sample.conn.execute("SELECT seq, body FROM event ORDER BY seq").fetchall():
        new = edit(seq, body)
        changed.append(("UPDATE event SET body = ?, hashes = ? WHERE seq = ?", (new, tree.append(new), seq)))
    assert sample.tamper(*changed)


def severity(_, body):
    return body.replace(b'"severity":[null,"Medium"]', b'"severity":[null,"Low"]')


FORGERIES = {
    "another actor": lambda _, body: body if b'"kind":"suppression_' in body else body.replace(b'"actor":"mia"', b'"actor":"eve"'),
    "another author": lambda _, body: body.replace(b'"actor":"mia"', b'"actor":"eve"') if b'"kind":"suppression_' in body else body,
    "a later end": lambda _, body: body.replace(b'"until":17', b'"until":18'),
    "other entries": lambda _, body: body.replace(b'"entries":3', b'"entries":4'),
    "results of nobody": lambda _, body: body.replace(b'"content":{"', b'"content":{"x') if b"indicators_enriched" in body else body,
    "another reason": lambda _, body: body.replace(b"two hosts", b"no reason"),
    "another severity": severity,
    "a blank": lambda seq, body: b" " + body if seq == 3 else body,
    "a blank after": lambda seq, body: body + b" " if seq == 3 else body,
    "a further key": lambda seq, body: body[:-1] + b',"x":1}' if seq == 3 else body,
    "a commitment less": lambda _, body: _without(body, "text"),
    "no content": lambda _, body: _without(body, None),
    "a time": lambda seq, body: body.replace(b'"at":17', b'"at":16') if seq == 5 else body,
    "a subject": lambda _, body: body.replace(b'"subject":"0', b'"subject":"1') if b"alert_closed" in body else body,
}


def _without(body, part):
    said = json.loads(body)
    if said["kind"] == "alert_ingested":
        (said if part is None else said["content"]).pop(part or "content")
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


@pytest.mark.parametrize("name", FORGERIES)
def test_on_a_history_that_was_made_anew(sample, name):
    one = sample("plain")
    before = one.store.checkpoint()
    rewrite(one, FORGERIES[name])
    same, ok = one.agree()
    assert same
    assert ok == (name in {"another actor", "another reason", "a further key"})  # whoever owns the file can write what he likes
    assert one.agree(checkpoint=before) == (True, False)


def test_a_whole_rewrite_shows_only_against_what_was_kept(sample):
    one = sample("plain")
    before = one.store.checkpoint()
    rewrite(one, severity)
    one.tamper(("UPDATE alert SET severity = 'Low' WHERE severity = 'Medium'", ()))
    assert one.agree() == (True, True)
    library, alone = one.answers(checkpoint=before)
    assert [problem.kind for problem in library.problems] == [problem.kind for problem in alone.problems] == ["rewritten"]
    assert one.agree(checkpoint=Checkpoint(before.size + 1, before.root)) == (True, False)


# --- keys ---


def test_on_keys(sample, promise):
    one = sample("signed")
    for key in one.keys:
        library, alone = one.answers(key=key.text)
        assert (library.ok, library.assurance) == (not alone.problems, alone.assurance) == (True, "signed")
        assert library.signed_size == alone.signed_size > 0
    for n in range(50):
        assert one.agree(key=sha256(b"key %d" % n).hexdigest()) == (True, False)
    promise("A key that is none of the store's never verifies (the stand-alone verifier)", "50 of 50 keys failed")


SIGNATURE_TAMPERING = {
    "no note of an epoch": "DELETE FROM signed_checkpoint WHERE epoch = 0",
    "none at all": "DELETE FROM signed_checkpoint",
    "none where it ended": "DELETE FROM signed_checkpoint WHERE epoch = 0 AND size = (SELECT max(size) FROM signed_checkpoint WHERE epoch = 0)",
    "of another epoch": "UPDATE OR IGNORE signed_checkpoint SET epoch = 1 - epoch",
    "of no epoch": "UPDATE signed_checkpoint SET epoch = epoch + 7",
    "of another size": "UPDATE signed_checkpoint SET size = size + 100",
    "other notes": "UPDATE signed_checkpoint SET note = (SELECT note FROM signed_checkpoint LIMIT 1)",
    "another signature": "UPDATE signed_checkpoint SET note = substr(note, 1, length(note) - 12) || 'AAAA' || substr(note, -8)",
    "no signature": "UPDATE signed_checkpoint SET note = substr(note, 1, instr(note, char(10) || char(10)))",
    "carriage returns": "UPDATE signed_checkpoint SET note = replace(note, char(10), char(13) || char(10))",
    "of another log": "UPDATE signed_checkpoint SET note = replace(note, 'alertstore/', 'alertstore/x')",
    "a zero before": "UPDATE signed_checkpoint SET note = replace(note, char(10) || size || char(10), char(10) || '0' || size || char(10))",
    "another root": "UPDATE signed_checkpoint SET note = replace(note, '=' || char(10) || char(10), 'A=' || char(10) || char(10))",
    "a key that signed nothing": "UPDATE event SET body = CAST(replace(CAST(body AS TEXT), '\"epoch\":0', '\"epoch\":1') AS BLOB)",
}


@pytest.mark.parametrize("name", SIGNATURE_TAMPERING)
def test_on_signed_checkpoints_that_were_changed(sample, name):
    one = sample("signed")
    assert one.tamper((SIGNATURE_TAMPERING[name], ()))
    for key in (None, one.keys[0].text, one.keys[1].text):
        assert one.agree(key=key) == (True, False)
