"""For the tests of enrichment: lists as bytes, read to their end."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from alertstore.enrich.lists import read_list

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


@pytest.fixture
def shared():
    """The folder of real files; without it the test is skipped."""
    if not SHARED.is_dir():
        pytest.skip("../shared/data is not here")
    return SHARED


@pytest.fixture
def read():
    """Read a list from text or bytes: the reading, at its end, and its entries."""

    def whole(content, **asked):
        reading = read_list(io.BytesIO(content.encode() if isinstance(content, str) else content), **asked)
        return reading, list(reading.entries())

    return whole
