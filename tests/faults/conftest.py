"""For the tests of faults."""

from __future__ import annotations

import os

import pytest
from crew import Crew
from injecting import Faults

from alertstore import AlertStore


@pytest.fixture(scope="session")
def crew_server(tmp_path_factory):
    if not hasattr(os, "fork"):
        pytest.skip("processes are forked, which this system cannot")
    made = Crew(tmp_path_factory.mktemp("crew"))
    yield made
    made.close()


@pytest.fixture
def crew(crew_server):
    """Processes to kill (crew.py); none is left when the test is over."""
    yield crew_server
    for hand in crew_server.hands:
        if hand.ended is None:
            hand.kill()


@pytest.fixture
def path(tmp_path):
    """A new store, closed."""
    AlertStore.open(tmp_path / "s.db").close()
    return tmp_path / "s.db"


@pytest.fixture
def faults(crew, tmp_path):
    """System calls that fail (injecting.py)."""
    return Faults(crew, tmp_path)
