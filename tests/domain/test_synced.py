"""What sync adds to a history, event by event."""

from __future__ import annotations

import pytest

from alertstore.domain.synced import foreign_id, heads_after, synced_row


def test_the_row_of_what_is_known_of_an_alert():
    assert synced_row({}) == (None, 0, "{}")
    assert synced_row({"uuid": "u", "open": ["é"]}) == ("u", 1, '{"open":["é"],"uuid":"u"}')
    assert synced_row({"uuid": None, "open": []}) == (None, 0, '{"open":[],"uuid":null}')


@pytest.mark.parametrize(
    ("origin", "expected"),
    [(None, None), ({}, None), ({"remote": "r"}, None), ({"store": "t"}, None), ({"seq": 1}, None), ({"store": "t", "seq": 4}, ("t", 4))],
)
def test_events_of_other_stores(origin, expected):
    assert foreign_id({} if origin is None else {"origin": origin}) == expected


@pytest.mark.parametrize(
    ("stood", "replaced", "heads"),
    [([], [], [9]), ([3], [], [3, 9]), ([3, 4], [4], [3, 9]), ([3], [2], [3, 9]), ([3, 4], [4, 3], [9]), ([12], [], [9, 12])],
)
def test_the_edits_that_stand(stood, replaced, heads):
    assert heads_after(stood, replaced, 9) == heads
