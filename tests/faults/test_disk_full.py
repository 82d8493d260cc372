"""No space left: the write is refused, nothing of it is kept, reading goes on, and so does writing once there is space again."""

from __future__ import annotations

from collections import Counter

import pytest
from checks import check_history


@pytest.mark.parametrize(
    ("points", "most"), [pytest.param(12, 1_600_000, id="short"), pytest.param(300, 1_600_000, id="long", marks=pytest.mark.long)]
)
def test_a_full_disk(crew, tmp_path, promise, points, most):
    disk = tmp_path / "disk"
    disk.mkdir()
    hand = crew.start("small_disk", disk, points, most)
    hand.wait()
    if hand.said("unable"):
        pytest.skip(f"a small disk of one's own cannot be mounted here: {hand.said('unable')[0]}")
    assert hand.said("fault") == []
    said = hand.said()
    assert len(said) == points
    assert {one.get("unopened", one.get("error")) for one in said} == {"StoreFullError"}, said
    assert all(one["advice"] for one in said if "error" in one)
    assert [one for one in said if one.get("left")] == [], "a creation that failed left files"
    ends = Counter("while created" if "unopened" in one else "while written" for one in said)
    assert ends["while written"] > points // 3, ends
    promise(
        "a full disk: the write is refused, the rest is kept, and it goes on when there is space", f"{points} points where it became full"
    )


@pytest.mark.parametrize("size", [300_000, 450_000])
def test_a_limit_on_the_size_of_files(crew, path, size):
    hand = crew.start("limited", path, "mia", size)
    hand.wait()
    assert hand.said("fault") == []
    assert set(hand.said("error")) <= {"StoreFullError", "StoreDamagedError"}  # SQLite does not say which
    assert hand.said("refused")
    assert hand.said("lifted") == [1]
    assert check_history(path, {"mia": hand.said("done")}, {"mia": hand.said("refused")}) == len(hand.said("done"))
