"""What was done to the store itself is found without going through its whole history."""

from __future__ import annotations

import pytest

from alertstore.storage import carry
from alertstore.storage.schema import schema_sql


@pytest.mark.parametrize("look", [carry.carried_since, carry.signing_keys, lambda conn: carry.naming_events(conn, [(1, "00")], 0)])
def test_questions_about_custody_use_their_index(alert_store, look):
    conn = alert_store._repository.conn
    asked = []
    conn.set_trace_callback(asked.append)
    look(conn)
    conn.set_trace_callback(None)
    (question,) = asked
    plan = " ".join(row[-1] for row in conn.execute(f"EXPLAIN QUERY PLAN {question}"))
    assert "event_custody" in plan
    assert "SCAN event" not in plan


def test_the_condition_is_that_of_the_index():
    assert carry.OF_CUSTODY in " ".join(schema_sql().split())
