"""Many processes and threads on one store: what each was told is done is done, once, in its order."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from checks import check_history

from alertstore import AlertStore, Checkpoint


def sizes(names, *short_and_long):
    short, long = short_and_long
    return pytest.mark.parametrize(names, [pytest.param(*short, id="short"), pytest.param(*long, id="long", marks=pytest.mark.long)])


def all_went_well(hands):
    for hand in hands:
        hand.wait()
        assert hand.said("fault") == []
        assert hand.ended == 0


@sizes("processes, number", (6, 15), (8, 2_000))
def test_processes_that_write_at_once(crew, path, tmp_path, promise, processes, number):
    go = tmp_path / "go"
    hands = {f"w{n}": crew.start("write", path, f"w{n}", number, 0, "full" if n % 2 else "normal", go) for n in range(processes)}
    for hand in hands.values():
        hand.hear("ready")
    go.touch()
    all_went_well(hands.values())
    assert check_history(path, {name: hand.said("done") for name, hand in hands.items()}) == processes * number
    with AlertStore.open(path, mode="ro") as store:
        (shared,) = store.alerts(text="shared")
        assert shared.duplicate_count + 1 == sum(1 for _ in store.occurrences(shared.uuid))
    promise(
        "processes that write at once lose nothing and mix nothing up",
        f"{processes} processes x {number:,} writes, each there once and in order",
    )


@sizes("processes, number", (2, 10), (4, 150))
def test_threads_and_processes(crew, path, promise, processes, number):
    hands = [crew.start("mixed", path, f"m{n}", number) for n in range(processes)]
    all_went_well(hands)
    told = {f"m{n}-{part}": list(range(number)) for n in range(processes) for part in "ab"}
    assert sum(len(hand.said("done")) for hand in hands) == check_history(path, told) == 2 * processes * number
    promise(
        "threads of several processes, each with a store of its own",
        f"{processes} processes x (2 writers + 2 readers that verify) x {number:,} writes",
    )


@sizes("number", (5,), (60,))
def test_backups_while_others_write(crew, path, tmp_path, promise, number):
    hands = {f"w{n}": crew.start("write", path, f"w{n}", 0) for n in range(3)}
    for hand in hands.values():
        hand.hear("ready")
    known = []
    with AlertStore.open(path, mode="ro") as store:
        for n in range(number):
            begin = store.checkpoint()
            store.backup(tmp_path / f"{n}.db")
            with AlertStore.open(tmp_path / f"{n}.db", mode="ro") as copy:
                report = copy.verify(checkpoint=begin)
            assert report.problems == ()
            assert begin.size <= report.size <= store.checkpoint().size
            known.append(Checkpoint(report.size, report.root))
            (tmp_path / f"{n}.db").unlink()
        for hand in hands.values():
            hand.kill()
        assert all(store.verify(depth="quick", checkpoint=one).ok for one in known), "a backup of another history"
    assert known[0].size < known[-1].size, "nobody wrote meanwhile"
    check_history(path, {name: hand.said("done") for name, hand in hands.items()})
    promise(
        "a backup is of one moment, while others write",
        f"{number} backups under load by 3 writers, each verifies and is a beginning of the store's history",
    )


@sizes("seconds", (0.5,), (60,))
def test_the_log_is_moved_while_others_write(crew, path, promise, seconds):
    """Checkpoints of every kind race with commits: where SQLite's own locks would not do, something would be lost here."""
    writers = {f"w{n}": crew.start("write_and_checkpoint", path, f"w{n}", seconds) for n in range(4)}
    movers = [crew.start("checkpoint", path, n, seconds) for n in range(2)]
    all_went_well([*writers.values(), *movers])
    number = check_history(path, {name: hand.said("done") for name, hand in writers.items()})
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    moved = sum(sum(hand.said("checkpointed")) for hand in movers)
    assert moved
    promise(
        "checkpoints and commits in a race lose nothing",
        f"4 writers that checkpoint at each write, 2 more that do nothing else: {number:,} writes, {moved:,} further checkpoints",
    )


@sizes("number", (100,), (12_000,))
def test_a_reader_that_stays(crew, path, tmp_path, number):
    hand = crew.start("write", path, "mia", number, 0, "normal", tmp_path / "go")
    hand.hear("ready")
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        before = reader.execute("SELECT max(seq) FROM event").fetchone()
        (tmp_path / "go").touch()
        all_went_well([hand])
        assert reader.execute("SELECT max(seq) FROM event").fetchone() == before
    assert check_history(path, {"mia": hand.said("done")}) == number
    assert sorted(tmp_path.glob("s.db*")) == [path], "the log stays when everybody has closed"


@pytest.mark.long
def test_every_writer_gets_its_turn(crew, path, promise):
    hands = [crew.start("contend", path, f"w{n}", 30) for n in range(8)]
    all_went_well(hands)
    took = [hand.said("took")[0] for hand in hands]
    counts, waits = sorted(map(len, took)), sorted(wait for each in took for wait in each)
    late = waits[len(waits) * 99 // 100]
    promise(
        "8 writers at once all get their turn", f"{counts[0]} to {counts[-1]} writes each in 30 s; 99 of 100 waited less than {late:.2f} s"
    )
    assert counts[0] / counts[-1] > 0.2
