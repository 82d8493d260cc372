"""For the tests of the storage: a store that is closed, files that somebody made, and what a folder holds."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing

import pytest

from alertstore import AlertStore
from alertstore.testing import FrozenClock, generic_alert, seeded_ids


@pytest.fixture(scope="session")
def case_template(tmp_path_factory):
    """A closed store with some alerts, made once."""
    path = tmp_path_factory.mktemp("case") / "case.db"
    with AlertStore.open(path, clock=FrozenClock(), ids=seeded_ids(1)) as store:
        for n in range(5):
            store.add(generic_alert(title=f"alert {n}", n=n, indicators=[{"type": "ip", "value": f"192.0.2.{n}"}]))
    return path


@pytest.fixture
def case(case_template, tmp_path):
    """A closed store with some alerts, alone in its folder."""
    folder = tmp_path / "case"
    folder.mkdir(mode=0o700)
    shutil.copy(case_template, folder)  # its mode too
    return folder / "case.db"


def listing(folder):
    """Everything in a folder: name -> (bytes, mode, time of change)."""
    return {
        one.name: (one.read_bytes() if one.is_file() else None, one.lstat().st_mode, one.lstat().st_mtime_ns)
        for one in sorted(folder.iterdir())
    }


@pytest.fixture
def untouched():
    """A look at a folder, to be compared with a later one. Not while this process has a store open there."""
    return listing


@pytest.fixture
def alter():
    """Change a database as its owner can, past everything that guards it."""

    def run(path, *statements):
        with closing(sqlite3.connect(path, isolation_level=None)) as conn:
            conn.execute("PRAGMA writable_schema = ON")
            for sql in statements:
                conn.execute(sql)
            conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    return run


@pytest.fixture
def as_nobody():
    """Go on as a user who is not root, once called; root again afterwards."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    yield lambda: os.seteuid(65534)
    os.seteuid(0)
