"""Lists in the database: sorted, hashed, found again, and no entry left behind."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore import StoreDamagedError
from alertstore.domain.enrichment import entries_digest, entry_of
from alertstore.storage import intel
from alertstore.storage.schema import schema_sql
from alertstore.testing import generic_alert

FORGED = [
    "[]",
    "null",
    "5",
    '{"a":5}',
    '{"a":null}',
    '{"a":{}}',
    '{"a":{"success":true,"extracted":[1],"error_message":null}}',
    "[" * 100_000,
]

keys = st.sampled_from(["ip:192.0.2.1", "domain:größer.example", "suffix:example", "hash_md5:" + "0f" * 16, "hash_sha256:" + "ab" * 32])
entries = st.lists(
    st.tuples(keys, st.integers(1, 9), st.none() | st.sampled_from(["Benign", "Malicious"]), st.none() | st.integers(0, 9), st.none()),
    max_size=12,
    unique_by=lambda entry: entry[1],
)


def database(found):
    """A database with the entries as list 1, and what was hashed of them."""
    conn = sqlite3.connect(":memory:")
    conn.executescript(schema_sql())
    with intel.Staging() as staged:
        for one in found:
            staged.add(*one)
        told = entries_digest(intel._writing(conn, 1, staged.rows()))
    conn.execute("INSERT INTO intel_list VALUES (1,'l','ioc','f','00',1,'Suspicious',?,0,?,5)", told)
    return conn, told


@given(entries)
def test_the_rows_are_what_was_hashed_in_whatever_order_they_came(found):
    conn, told = database(found)
    again, same = database(found[::-1])
    with closing(conn), closing(again):
        assert told == same
        assert intel.digests(conn).get(1, entries_digest([])) == told
        assert told[0] == len({(key, malice) for key, _, malice, *_ in found})


@given(entries, st.integers(0, 9))
def test_a_key_is_found_until_it_expires(found, now):
    conn, _ = database(found)
    with closing(conn):
        rows = conn.execute("SELECT key, line, malice, expires_at FROM intel_entry").fetchall()
        asked = sorted({key for key, *_ in found} | {"ip:192.0.2.99"})
        hits = sorted((hit.key, hit.line, hit.malice) for hit in intel.find(conn, asked, now))
        there = [(key, row) for key in asked for row in rows if row[0] == intel.stored_key(key) and (row[3] is None or row[3] > now)]
        assert hits == sorted((key, row[1], row[2] or "Suspicious") for key, row in there)
        alive = {key for key, _, _, expires, _ in found if expires is None or expires > now}
        assert {key for key, *_ in hits} == alive


def test_more_keys_than_one_statement_takes_and_more_rows_than_one_write():
    conn, told = database([(f"ip:{n}", n, None, None, None) for n in range(intel.ROWS + 1)])
    with closing(conn):
        assert told[0] == intel.ROWS + 1
        assert len(intel.find(conn, [f"ip:{n}" for n in range(2 * intel.ASKED + 1)], 0)) == 2 * intel.ASKED + 1


def test_a_hash_takes_only_its_bytes():
    assert intel.stored_key("hash_md5:" + "0f" * 16) == b"\x0f" * 16
    assert intel.stored_key("ip:192.0.2.1") == "ip:192.0.2.1"
    assert entry_of((b"\x0f", 1, None, None, None)) == ["hash:0f", 1, None, None, None]


def test_a_list_that_no_store_of_ours_wrote_is_damage():
    conn, _ = database([])
    with closing(conn):
        conn.execute("UPDATE intel_list SET malice = 'Bad'")
        with pytest.raises(StoreDamagedError, match="'Bad'"):
            intel.lists(conn)


@pytest.mark.parametrize("results", FORGED)
def test_results_that_no_store_of_ours_wrote_are_damage(alert_store, results):
    uuid = alert_store.add(generic_alert(indicators=[{"type": "ip", "value": "192.0.2.1"}])).uuid
    alert_store.enrich(using=["special-purpose"])
    alert_store._repository.conn.execute("UPDATE indicator SET enrichment_results = ?", (results,))
    for read in (alert_store.get, alert_store.sightings):
        with pytest.raises(StoreDamagedError):
            read(uuid)
    if results != '{"a":{"success":true,"extracted":[1],"error_message":null}}':  # it comes to a verdict all the same
        with pytest.raises(StoreDamagedError):
            alert_store.enrich(using=["special-purpose"])
