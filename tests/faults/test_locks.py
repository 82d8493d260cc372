"""A writer that stays in its write, stops in it, or dies in it."""

from __future__ import annotations

import signal
import time
from datetime import timedelta

import pytest
from checks import check_history

from alertstore import AlertStore, StoreBusyError
from alertstore.testing import generic_alert


@pytest.fixture
def holder(crew, path, tmp_path):
    """A process in the middle of a write, with the lock; it ends when the file `end` is there."""
    hand = crew.start("hold", path, tmp_path / "end")
    hand.hear("held")
    return hand


def refused(path, timeout):
    """Open a store beside the one that holds the lock, and be refused every write, in a time that is not forever; reads go on."""
    with AlertStore.open(path, busy_timeout=timedelta(seconds=timeout)) as store:
        before = store.checkpoint()
        begin = time.monotonic()
        for write in (
            lambda: store.add(generic_alert()),
            lambda: store.add_rule("r"),
            lambda: store.add_document("t", "c", document_type="sop"),
        ):
            with pytest.raises(StoreBusyError) as refusal:
                write()
            assert refusal.value.advice
        assert time.monotonic() - begin < 3 * timeout + 20, "hung"
        assert store.checkpoint() == before
        assert store.count() == 0


def test_whoever_waits_too_long_is_told_so(holder, path, tmp_path):
    refused(path, 0.2)
    (tmp_path / "end").touch()
    assert holder.wait() == 0
    assert check_history(path, {"holder": [0]}) == 1


def test_a_writer_that_is_killed_lets_go(holder, path):
    holder.kill()
    with AlertStore.open(path, busy_timeout=timedelta(seconds=1)) as store:
        store.add(generic_alert())
    assert check_history(path, {"holder": []}) == 0


def test_a_writer_that_is_stopped_keeps_the_lock_and_goes_on(holder, path, tmp_path):
    holder.signal(signal.SIGSTOP)
    (tmp_path / "end").touch()
    refused(path, 0.1)
    holder.signal(signal.SIGCONT)
    assert holder.wait() == 0
    assert check_history(path, {"holder": [0]}) == 1


def test_whoever_waits_gets_the_lock(crew, holder, path, tmp_path):
    waiting = crew.start("write", path, "mia", 3)
    waiting.hear("ready")
    (tmp_path / "end").touch()
    assert (holder.wait(), waiting.wait()) == (0, 0)
    assert check_history(path, {"holder": [0], "mia": [0, 1, 2]}) == 4


@pytest.mark.parametrize("how", ["in a write", "between writes"])
def test_a_dead_writer_leaves_a_log_that_the_next_one_reads(crew, path, how):
    hand = crew.start("write", path, "mia", 0 if how == "in a write" else 3)
    hand.hear("done", 3)
    hand.kill()
    told = hand.said("done")
    for mode in ("ro", "rw"):
        with AlertStore.open(path, mode=mode) as store:
            assert store.verify().problems == ()
            assert store.count() >= 1
    check_history(path, {"mia": told})
