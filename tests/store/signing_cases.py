"""Keys made from numbers, and the file's owner at work: SQL without triggers, and whole histories made anew."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from alertstore.domain.epochs import signed_note
from alertstore.domain.events import canonical
from alertstore.domain.merkle import Frontier, Tree
from alertstore.signing import SigningKey


def key_of(number):
    """The same key for the same number."""
    private = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
    return SigningKey(private.public_key().public_bytes_raw(), private.sign)


@contextmanager
def owned(path):
    """The file, without its triggers and checks; they are put back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.executescript("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE")
        triggers = conn.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            conn.execute(f"DROP TRIGGER {name}")
        yield conn
        for _, sql in triggers:
            conn.execute(sql)
        conn.execute("COMMIT")


def tampered(path, sql, *values):
    """Run one statement as the file's owner."""
    with owned(path) as conn:
        assert conn.execute(sql, values).rowcount > 0


def rewritten(conn, start=None):
    """Make every leaf and node of the history anew, as whoever changed a body would; the tree's new edge."""
    tree = Tree(start or Frontier())
    for seq, body in conn.execute("SELECT seq, body FROM event ORDER BY seq").fetchall():
        conn.execute("UPDATE event SET hashes = ? WHERE seq = ?", (tree.append(body), seq))
    return tree.frontier()


def with_body(conn, seq, change):
    """Change a body in place; canonical again."""
    (body,) = conn.execute("SELECT body FROM event WHERE seq = ?", (seq,)).fetchone()
    said = json.loads(body)
    change(said)
    conn.execute("UPDATE event SET body = ? WHERE seq = ?", (canonical(said), seq))


def forged_note(conn, size, epoch, key, root):
    """Sign a root, and put the note in the table, in place of what is there."""
    (store_id,) = conn.execute("SELECT value FROM setting WHERE name = 'store_id'").fetchone()
    note = signed_note(store_id, size, root, key.public, key.sign)
    conn.execute("INSERT OR REPLACE INTO signed_checkpoint (size, epoch, note) VALUES (?,?,?)", (size, epoch, note))


def bytes_of(path):
    """All that the store has on disk."""
    return b"".join(Path(f"{path}{ending}").read_bytes() for ending in ("", "-wal") if os.path.exists(f"{path}{ending}"))


def holds(path, text):
    """Whether a text, or a word of it as the search index spells it, is anywhere on disk."""
    raw = bytes_of(path)
    return text.encode() in raw or text.casefold().encode() in raw.lower()


def sound(store, **held):
    for depth in ("quick", "full", "deep"):
        assert store.verify(depth=depth, **held).problems == ()
    return True
