"""A store whose file is taken away or replaced while it is open: nothing is written to what took its place."""

from __future__ import annotations

import os
import shutil

import pytest

from alertstore import AlertStore, StorageError, StoreMovedError
from alertstore.testing import make_alert


def another(path, tmp_path):
    with AlertStore.open(tmp_path / "other.db") as other:
        make_alert(other)
    os.replace(tmp_path / "other.db", path)


def copy_of_itself(path, tmp_path):
    os.replace(tmp_path / "backup.db", path)


def nothing(path, tmp_path):
    path.unlink()


def moved(path, tmp_path):
    path.rename(tmp_path / "moved.db")


def no_store(path, tmp_path):
    (tmp_path / "text").write_text("not a store\n")
    os.replace(tmp_path / "text", path)


def folder(path, tmp_path):
    path.unlink()
    path.mkdir()


def link(path, tmp_path):
    path.rename(tmp_path / "behind.db")
    shutil.copy(tmp_path / "backup.db", tmp_path / "target.db")
    path.symlink_to(tmp_path / "target.db")


@pytest.mark.parametrize("replace", [another, copy_of_itself, nothing, moved, no_store, folder, link], ids=lambda one: one.__name__)
def test_nothing_is_written_to_what_took_its_place(path, tmp_path, replace):
    with AlertStore.open(path) as store:
        alert = make_alert(store)
        store.backup(tmp_path / "backup.db")
        replace(path, tmp_path)
        there = path.read_bytes() if path.is_file() else None
        for write in (lambda: make_alert(store), lambda: store.patch(alert.uuid, severity="Low"), lambda: store.delete_alert(alert.uuid)):
            with pytest.raises(StoreMovedError) as refusal:
                write()
            assert refusal.value.advice
        assert store.get(alert.uuid) == alert  # what was opened can still be read
    assert (path.read_bytes() if path.is_file() else None) == there


@pytest.mark.parametrize("replace", [another, copy_of_itself], ids=lambda one: one.__name__)
def test_whoever_opens_what_took_its_place(path, tmp_path, replace):
    """SQLite takes the log that the old file left for the new one's: what comes of it is one of the two, or verify says that it is not."""
    with AlertStore.open(path) as store:
        make_alert(store)
        store.backup(tmp_path / "backup.db")
        make_alert(store)
        known = [store.checkpoint()]
        replace(path, tmp_path)
        shutil.copy(path, tmp_path / "alone.db")
    with AlertStore.open(tmp_path / "alone.db") as alone:
        known.append(alone.checkpoint())
    for mode in ("ro", "rw"):
        assert what_is_seen(path, mode) in (None, *known)


def what_is_seen(path, mode):
    """The checkpoint of a store that verifies; None where it does not, or is refused."""
    try:
        with AlertStore.open(path, mode=mode) as store:
            return store.checkpoint() if store.verify().ok else None
    except StorageError:
        return None
