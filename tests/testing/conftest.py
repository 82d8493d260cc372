"""Real links for these tests."""

from __future__ import annotations

import pytest

from alertstore.sync.remote import Pace

QUICK = Pace(1_000_000, 1_000_000)


@pytest.fixture(scope="module")
def connect():
    """Make real links: `connect(url, key, sleep=...)`; closed afterwards."""
    pytest.importorskip("httpx2", reason="httpx2 is not installed (extra sync)")
    from alertstore.sync.http import HttpRemote

    made = []

    def connect_to(url, key, **options):
        made.append(HttpRemote(url, key=key, pace=QUICK, **options))
        return made[-1]

    yield connect_to
    for one in made:
        one.close()
