"""A store in which every text of the corpus stands everywhere that text can stand."""

from __future__ import annotations

import pytest
from corpus import HOSTILE
from hostile_cases import Shell, fill

from alertstore import AlertStore
from alertstore.testing import FrozenClock, seeded_ids


@pytest.fixture(scope="session")
def hostile_store(tmp_path_factory):
    """A store file with the whole corpus in it; read it, or copy it. Gives a `Shell`."""
    path = tmp_path_factory.mktemp("hostile") / "hostile.db"
    with AlertStore.open(path, clock=FrozenClock(), ids=seeded_ids(), actor="setup", durability="normal") as store:
        uuids = fill(store, list(HOSTILE.values()))
    return Shell(path, uuids)
