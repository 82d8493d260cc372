"""The lists that indicators are looked up in: loaded, replaced, asked.

A list is sorted before it is written, since writing millions of keys in any order would rewrite the same pages over and over.
"""

from __future__ import annotations

import sqlite3
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from alertstore.domain.enrichment import IntelList, entries_digest, entry_of, longest_lasting
from alertstore.domain.events import EventDraft, EventKind, canonical
from alertstore.domain.vocabulary import Malice
from alertstore.storage.rows import moment, told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from alertstore.domain.changes import Act
    from alertstore.storage.transaction import Transaction

ROWS = 10_000
"""Entries written at a time."""

ASKED = 500
"""Keys looked up in one statement."""

_COLUMNS = ("name", "kind", "file", "sha256", "size", "malice", "entries", "refused")


class Hit(NamedTuple):
    """An entry that was found: the key it was found by; its list, by name and SHA-256; its line; its verdict, or its list's; when it
    expires (microseconds), if it does; what it says of itself.
    """

    key: str
    list: str
    sha256: str
    line: int
    malice: str | None
    expires_at: int | None
    note: str | None


def stored_key(key: str) -> str | bytes:
    """A key as it is kept: of a hash (`hash_sha256:...`) only the bytes, which need half the room."""
    kind, _, value = key.partition(":")
    return bytes.fromhex(value) if kind.startswith("hash_") else key


class Staging:
    """Entries on their way into a list, in a scratch database of SQLite's own, which sorts them."""

    def __init__(self) -> None:
        """Begin; use it in a `with`."""
        self._conn = sqlite3.connect("")  # a file without a name that SQLite deletes; in memory while it is small
        self._conn.execute("CREATE TABLE entry (key, line, malice, expires_at, note)")
        self._waiting: list[tuple[Any, ...]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None) -> None:
        self._conn.close()

    def add(self, key: str, line: int, malice: str | None, expires_at: int | None, note: str | None) -> None:
        """Take an entry."""
        self._waiting.append((stored_key(key), line, malice, expires_at, note))
        if len(self._waiting) >= ROWS:
            self._write()

    def _write(self) -> None:
        self._conn.executemany("INSERT INTO entry VALUES (?,?,?,?,?)", self._waiting)
        self._waiting.clear()

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """(key, line, malice, expires_at, note) in the order of the keys, then of the lines: of each key and verdict the one that lasts longest."""
        self._write()
        return longest_lasting(self._conn.execute("SELECT key, line, malice, expires_at, note FROM entry ORDER BY key, line"))


def lists(conn: sqlite3.Connection) -> list[IntelList]:
    """All lists, by name."""
    return [_list(row) for row in conn.execute(f"SELECT {', '.join(_COLUMNS)}, loaded_at FROM intel_list ORDER BY name")]


@told
def _list(row: tuple[Any, ...]) -> IntelList:
    *columns, loaded_at = row
    said: dict[str, Any] = dict(zip(_COLUMNS, columns, strict=True))
    said["malice"] = None if said["malice"] is None else Malice(said["malice"])
    return IntelList(**said, loaded_at=moment(loaded_at))


def number_of(conn: sqlite3.Connection, name: str) -> int | None:
    """The number of a list, or None."""
    row = conn.execute("SELECT id FROM intel_list WHERE name = ?", (name,)).fetchone()
    return None if row is None else int(row[0])


def load(transaction: Transaction, staged: Staging, given: Mapping[str, Any], act: Act) -> None:
    """Write a list, in the place of the one of its name: `given` has its name, kind, file, sha256, size, malice, refused."""
    conn = transaction.conn
    number = number_of(conn, given["name"])
    if number is None:
        (number,) = conn.execute("SELECT coalesce(max(id), 0) + 1 FROM intel_list").fetchone()
    _delete_entries(conn, number)
    entries, digest = entries_digest(_writing(conn, number, staged.rows()))
    facts = {**given, "id": number, "entries": entries, "digest": digest}
    transaction.append(EventDraft(EventKind.INTEL_LIST_LOADED, given["name"], act.now, act.actor, facts=facts, reason=act.reason))
    row = facts | {"loaded_at": act.now}
    names = ", ".join(row)
    conn.execute(f"INSERT OR REPLACE INTO intel_list ({names}) VALUES ({','.join('?' * len(row))})", tuple(row.values()))


def _writing(conn: sqlite3.Connection, number: int, rows: Iterable[tuple[Any, ...]]) -> Iterator[list[Any]]:
    """Write entries as they come, and hand them on as they are hashed."""
    waiting: list[tuple[Any, ...]] = []
    sql = "INSERT INTO intel_entry (list_id, key, line, malice, expires_at, note) VALUES (?,?,?,?,?,?)"
    for row in rows:
        waiting.append((number, *row))
        if len(waiting) >= ROWS:
            conn.executemany(sql, waiting)
            waiting.clear()
        yield entry_of(row)
    conn.executemany(sql, waiting)


def remove(transaction: Transaction, name: str, number: int, act: Act) -> None:
    """Take a list out of the store."""
    transaction.append(EventDraft(EventKind.INTEL_LIST_REMOVED, name, act.now, act.actor, reason=act.reason))
    _delete_entries(transaction.conn, number)
    transaction.conn.execute("DELETE FROM intel_list WHERE id = ?", (number,))


def _delete_entries(conn: sqlite3.Connection, number: int) -> None:
    if conn.execute("SELECT 1 FROM intel_list WHERE id = ?", (number,)).fetchone() is not None:
        conn.execute("DELETE FROM intel_entry WHERE list_id = ?", (number,))


def find(conn: sqlite3.Connection, keys: Sequence[str], now: int) -> list[Hit]:
    """The entries of all lists that have one of the keys, but for those that have expired."""
    wanted = {stored_key(key): key for key in keys}
    asked, hits = list(wanted), []
    for start in range(0, len(asked), ASKED):
        some = asked[start : start + ASKED]
        sql = (
            "SELECT e.key, l.name, l.sha256, e.line, coalesce(e.malice, l.malice), e.expires_at, e.note FROM intel_entry e "
            f"JOIN intel_list l ON l.id = e.list_id WHERE e.key IN ({','.join('?' * len(some))}) AND (e.expires_at IS NULL OR e.expires_at > ?)"
        )
        hits += [Hit(wanted[key], *rest) for key, *rest in conn.execute(sql, (*some, now))]
    return hits


def patterns(conn: sqlite3.Connection, kind: str, now: int) -> list[Hit]:
    """All entries of a kind that is no key to look up (`substring`, `regex`), but for those that have expired."""
    sql = (
        "SELECT e.key, l.name, l.sha256, e.line, coalesce(e.malice, l.malice), e.expires_at, e.note FROM intel_entry e "
        "JOIN intel_list l ON l.id = e.list_id WHERE e.key >= ? AND e.key < ? AND (e.expires_at IS NULL OR e.expires_at > ?) ORDER BY e.key, l.name"
    )
    return [Hit(*row) for row in conn.execute(sql, (f"{kind}:", f"{kind};", now))]


def prefixes(conn: sqlite3.Connection) -> tuple[frozenset[int], frozenset[int]]:
    """The lengths of the networks that stand in lists: of IPv4, of IPv6."""
    found: tuple[set[int], set[int]] = (set(), set())
    for (key,) in conn.execute("SELECT key FROM intel_entry WHERE key >= 'network:' AND key < 'network;'"):
        address, _, length = key.removeprefix("network:").rpartition("/")
        found[":" in address].add(int(length))
    return frozenset(found[0]), frozenset(found[1])


def has_suffixes(conn: sqlite3.Connection) -> bool:
    """Whether any list holds domains with all below them."""
    return conn.execute("SELECT 1 FROM intel_entry WHERE key >= 'suffix:' AND key < 'suffix;' LIMIT 1").fetchone() is not None


def version(conn: sqlite3.Connection) -> str:
    """The SHA-256 over names, verdicts and digests of all lists, on which an answer of theirs depends; empty where there are none."""
    lists = conn.execute("SELECT name, sha256, digest, malice FROM intel_list ORDER BY name").fetchall()
    return sha256(canonical(lists)).hexdigest() if lists else ""


def is_same(conn: sqlite3.Connection, given: Mapping[str, Any]) -> bool:
    """Whether the list of this name was read from the same file in the same way."""
    row = conn.execute("SELECT kind, sha256, malice FROM intel_list WHERE name = ?", (given["name"],)).fetchone()
    return row is not None and row == (given["kind"], given["sha256"], given["malice"])


def digests(conn: sqlite3.Connection) -> dict[int, tuple[int, str]]:
    """(entries, digest) of every list as its entries stand, by its number; lists without entries are left out."""
    numbers = [number for (number,) in conn.execute("SELECT DISTINCT list_id FROM intel_entry")]
    sql = "SELECT key, line, malice, expires_at, note FROM intel_entry WHERE list_id = ? ORDER BY key, line"
    return {number: entries_digest(map(entry_of, conn.execute(sql, (number,)))) for number in numbers}
