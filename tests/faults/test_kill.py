"""kill -9 at any moment: of writers, of a backup, of whoever moves the log into the file."""

from __future__ import annotations

import time
from random import Random

import pytest
from checks import check_history

from alertstore import AlertStore
from alertstore.testing import generic_alert


def rounds(short, long):
    return pytest.mark.parametrize("rounds", [pytest.param(short, id="short"), pytest.param(long, id="long", marks=pytest.mark.long)])


@rounds(12, 200)
def test_writers_killed_at_random(crew, path, promise, rounds):
    seed = 3
    random, told = Random(seed), {}
    for turn in range(rounds):
        durability = random.choice(["full", "normal"])  # a killed process loses what it wrote with neither
        hands = {f"w{turn}-{n}": crew.start("write", path, f"w{turn}-{n}", 0, seed, durability) for n in range(3)}
        crew.hear_any(hands.values(), "done")
        time.sleep(random.random() / 40)
        for hand in hands.values():
            hand.kill()
        told |= {name: hand.said("done") for name, hand in hands.items()}
        if turn % 10 == 9:
            check_history(path, told)
    number = sum(map(len, told.values()))
    assert number > rounds, f"seed {seed}: the writers wrote next to nothing"
    promise(
        "writers killed at any moment (3 at a time) lose nothing that was acknowledged",
        f"{3 * rounds} kills survived, {number:,} writes acknowledged, all there",
    )


@rounds(10, 150)
def test_killed_while_the_log_is_moved(crew, path, promise, rounds):
    seed = 4
    random, told, moved = Random(seed), {}, 0
    for turn in range(rounds):
        writer = crew.start("write", path, f"w{turn}", 0, seed)
        movers = [crew.start("checkpoint", path, f"{seed} {turn} {n}", 0) for n in range(2)]
        writer.hear("done")
        time.sleep(random.random() / 20)
        for hand in random.sample([writer, *movers], 3):
            hand.kill()
        told[f"w{turn}"] = writer.said("done")
        moved += sum(sum(mover.said("checkpointed")) for mover in movers)
        if turn % 10 == 9:
            check_history(path, told)
    assert moved, f"seed {seed}: nothing was moved"
    promise("processes killed while the log is moved into the file lose nothing", f"{3 * rounds} kills survived, {moved:,} checkpoints")


@rounds(12, 200)
def test_killed_while_making_a_backup(crew, path, tmp_path, promise, rounds):
    seed = 5
    random = Random(seed)
    with AlertStore.open(path, durability="normal") as store:
        for n in range(40):
            store.add(generic_alert(title=f"t{n}", description="d" * 9_000))
    whole = 0
    for turn in range(rounds):
        folder = tmp_path / f"backups-{turn}"
        folder.mkdir()
        hand = crew.start("back_up", path, folder)
        hand.hear("begun", random.randrange(1, 3))
        time.sleep(random.random() / 50)
        hand.kill()
        there = {int(copy.stem) for copy in folder.glob("[0-9]*.db")}
        assert set(hand.said("done")) <= there <= set(hand.said("begun")), f"seed {seed}, turn {turn}"
        for number in there:
            with AlertStore.open(folder / f"{number}.db", mode="ro") as copy:
                assert copy.verify().problems == (), f"seed {seed}, turn {turn}"
        whole += len(there)
    assert check_history(path, {}) == 0
    promise("a backup that is killed is whole or absent", f"{rounds} kills survived, {whole} whole backups")
