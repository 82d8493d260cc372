"""Damage to a closed file: refused with a typed error or found by verify; or it changed nothing that anybody can read."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from random import Random

import pytest
from workload import work

from alertstore import AlertStore, AlertStoreError

PAGE = 4096


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A store with a bit of everything in it, closed."""
    folder = tmp_path_factory.mktemp("damage")
    work(folder, "normal", say=lambda **_: None)
    return folder / "s.db"


def everything(path):
    """All that is in a database, read in each way that there is: every row of every table, whether the indexes agree, every word found.

    The tables that the search index is made of may differ where what they say is the same: they hold words that later ones outdo.
    """
    with closing(sqlite3.connect(path)) as conn:
        rows = [line for line in conn.iterdump() if not line.startswith('INSERT INTO "search_')]
        conn.execute("CREATE VIRTUAL TABLE temp.word USING fts5vocab (main, search, instance)")
        words = sorted(conn.execute("SELECT * FROM word"))
        return rows, words, conn.execute("PRAGMA integrity_check").fetchall()


def is_found(content, path):
    """Whether opening a file refuses it, in its own words, or verify finds fault with it."""
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    path.write_bytes(content)
    try:
        with AlertStore.open(path, mode="rw") as store:
            sound = {depth: store.verify(depth=depth).ok for depth in ("quick", "full", "deep")}
            assert sound["deep"] <= sound["full"] <= sound["quick"], "what a shallow look finds a deep one finds too"
            return not sound["deep"]
    except AlertStoreError:
        return True


def is_harmless(content, path, original):
    path.write_bytes(content)
    try:
        return everything(path) == original
    except (sqlite3.Error, UnicodeDecodeError):
        return False


@pytest.mark.parametrize("flips", [pytest.param(100, id="short"), pytest.param(4_000, id="long", marks=pytest.mark.long)])
def test_bit_flips(file, tmp_path, promise, flips):
    seed = 7
    random, original, missed, untyped, found = Random(seed), everything(file), [], [], 0
    for _ in range(flips):
        content = bytearray(file.read_bytes())
        place = random.randrange(8 * len(content))
        content[place // 8] ^= 1 << place % 8
        try:
            if is_found(content, tmp_path / "s.db"):
                found += 1
            elif not is_harmless(content, tmp_path / "s.db", original):
                missed.append(place)
        except Exception as fault:  # noqa: BLE001 - whatever it was, the test shows it
            untyped.append((place, repr(fault)))
    assert (missed, untyped) == ([], []), f"seed {seed}: bits missed, of {flips}; and those that ended in an error not our own"
    promise(
        "bit flips in the file are found, or changed nothing",
        f"{found} of {found} found; {flips - found} more in unused bytes: every row and index as before",
    )


READS = {
    "alerts": lambda store: [store.get(alert.uuid) for alert in store.alerts(limit=100)],
    "search": lambda store: store.alerts(text="t1"),
    "events": lambda store: list(store.events()),
    "occurrences": lambda store: [list(store.occurrences(alert.uuid)) for alert in store.alerts(limit=100)],
    "lists": lambda store: (store.rules(), store.documents(), store.imports(), store.rejected_records()),
    "metrics": lambda store: (store.metrics(), store.rule_metrics()),
    "checkpoint": lambda store: store.checkpoint(),
}


@pytest.mark.parametrize("flips", [pytest.param(60, id="short"), pytest.param(3_000, id="long", marks=pytest.mark.long)])
def test_what_cannot_be_read_any_more_is_said_in_our_own_words(file, tmp_path, flips):
    seed = 9
    random, path, untyped = Random(seed), tmp_path / "s.db", {}
    for _ in range(flips):
        content = bytearray(file.read_bytes())
        place = random.randrange(8 * len(content))
        content[place // 8] ^= 1 << place % 8
        path.write_bytes(content)
        with suppress(AlertStoreError), AlertStore.open(path, mode="ro") as store:
            for name, read in READS.items():
                try:
                    read(store)
                except AlertStoreError as fault:
                    assert fault.advice  # noqa: PT017 - whether it is raised depends on the place
                except Exception as fault:  # noqa: BLE001 - whatever it was, the test shows it
                    untyped[place] = f"{name}: {fault!r}"
    assert untyped == {}, f"seed {seed}"


PAGES = {
    "zeroed": lambda content, n: content[: n * PAGE] + bytes(PAGE) + content[(n + 1) * PAGE :],
    "noise": lambda content, n: content[: n * PAGE] + Random(n).randbytes(PAGE) + content[(n + 1) * PAGE :],
    "swapped": lambda content, n: swapped(content, n, Random(n).randrange(len(content) // PAGE)),
    "doubled": lambda content, n: content[: n * PAGE] + content[(n - 1) * PAGE :][:PAGE] + content[(n + 1) * PAGE :],
    "cut off": lambda content, n: content[: n * PAGE],
    "cut in two": lambda content, n: content[: n * PAGE + PAGE // 2],
}


def swapped(content, one, two):
    pages = [content[k : k + PAGE] for k in range(0, len(content), PAGE)]
    pages[one], pages[two] = pages[two], pages[one]
    return b"".join(pages)


@pytest.mark.parametrize("what", PAGES)
def test_whole_pages(file, tmp_path, promise, what):
    original, content = everything(file), file.read_bytes()
    damaged = [(n, PAGES[what](content, n)) for n in range(len(content) // PAGE)]
    damaged = [(n, bad) for n, bad in damaged if bad != content]
    left = [(n, bad) for n, bad in damaged if not is_found(bad, tmp_path / "s.db")]
    missed = [n for n, bad in left if not is_harmless(bad, tmp_path / "s.db", original)]
    assert missed == [], f"pages {what} and not found"
    promise("damaged pages are found", f"{what}: {len(damaged) - len(left)} of {len(damaged) - len(left)} that matter")
