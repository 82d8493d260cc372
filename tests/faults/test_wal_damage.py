"""A damaged write-ahead log: what is left is a beginning of the history, or the store is refused; never other data that verifies."""

from __future__ import annotations

import shutil
from random import Random

import pytest
from checks import Oracle

from alertstore import AlertStoreError

FRAME = 24 + 4096
"""Bytes of a frame of the log: its header, and a page."""


@pytest.fixture
def killed(crew, path, tmp_path):
    """(file, log) as a killed writer left them, many writes in the log; and who knows the history."""
    hand = crew.start("write", path, "mia", 0)
    hand.hear("done", 25)
    hand.kill()
    whole = tmp_path / "whole"
    whole.mkdir()
    for name in ("s.db", "s.db-wal"):
        shutil.copy(tmp_path / name, whole / name)
    oracle = Oracle(whole / "s.db", durable=False)
    yield path.read_bytes(), in_use(path.with_name("s.db-wal").read_bytes()), oracle
    oracle.store.close()


def in_use(log):
    """The log without what is left of an earlier round, where it was begun anew: frames with other salts than the header's."""
    end = 32
    while end + FRAME <= len(log) and log[end + 8 : end + 16] == log[16:24]:
        end += FRAME
    return log[:end]


def outcome(killed, log, folder):
    """What becomes of the store with another log: "refused", or "whole", or "shorter": a beginning of its history."""
    file, _, oracle = killed
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "s.db").write_bytes(file)
    (folder / "s.db-wal").write_bytes(log)
    try:
        wrong = oracle.fault(folder / "s.db", 0)
    except AlertStoreError:
        return "refused"
    assert wrong is None, wrong
    return "whole" if oracle.report.size == oracle.store.checkpoint().size else "shorter"


def share(short, long):
    return pytest.mark.parametrize("amount", [pytest.param(short, id="short"), pytest.param(long, id="long", marks=pytest.mark.long)])


@share(10, 1_000)
def test_a_torn_log(killed, tmp_path, promise, amount):
    log = killed[1]
    ends = range(len(log) - len(log) % 512, 0, -512)[:amount]
    for tail in (b"", bytes(FRAME), log[-FRAME:]):  # nothing after it, or zeros, or what stood there before
        found = [outcome(killed, log[:end] + tail, tmp_path / "torn") for end in ends]
        assert set(found) <= {"shorter", "whole"}, "a torn end is no damage: the store opens"
        assert "shorter" in found
    promise("a write-ahead log torn at any sector leaves a beginning of the history", f"{3 * len(ends)} tears, each opened and verified")


@share(40, 2_000)
def test_bits_flipped_in_the_log(killed, tmp_path, promise, amount):
    seed = 6
    random, log, found = Random(seed), killed[1], []
    for _ in range(amount):
        place = random.randrange(8 * len(log))
        flipped = bytearray(log)
        flipped[place // 8] ^= 1 << place % 8
        found.append(outcome(killed, bytes(flipped), tmp_path / "flipped"))
    assert "shorter" in found, f"seed {seed}"
    text = f"{amount} flips: {found.count('shorter')} left a beginning, {found.count('refused')} refused, "
    promise("bits flipped in the write-ahead log never give other data that verifies", text + f"{found.count('whole')} changed nothing")
