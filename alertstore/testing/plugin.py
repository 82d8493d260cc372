"""The pytest plugin (entry point `pytest11`): fixtures. Nothing else is imported until a test asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from alertstore.store import AlertStore
    from alertstore.testing.clock import FrozenClock
    from alertstore.testing.remote import FakeRemote


@pytest.fixture
def frozen_clock() -> FrozenClock:
    """A `FrozenClock`: the time of `alert_store`, for the test to move."""
    from alertstore.testing.clock import FrozenClock  # noqa: PLC0415 - a plugin is imported by every run of pytest

    return FrozenClock()


@pytest.fixture
def alert_store(tmp_path: Path, frozen_clock: FrozenClock) -> Iterator[AlertStore]:
    """A new, empty store in `tmp_path` whose time is `frozen_clock` and whose ids are the same every time."""
    from alertstore.store import AlertStore  # noqa: PLC0415 - as above
    from alertstore.testing.ids import seeded_ids  # noqa: PLC0415 - as above

    with AlertStore.open(tmp_path / "alerts.db", clock=frozen_clock, ids=seeded_ids()) as store:
        yield store


@pytest.fixture
def fake_remote() -> FakeRemote:
    """A `FakeRemote` in memory: an empty server with a clock of its own, the same every time."""
    from alertstore.testing.remote import FakeRemote  # noqa: PLC0415 - as above

    return FakeRemote()
