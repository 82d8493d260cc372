"""Filters, orders, page tokens: read, or refused with all that is wrong."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.query import (
    ORDERS,
    TEXT_ORDERS,
    AlertFilter,
    Order,
    Page,
    read_cursor,
    read_filter,
    read_limit,
    read_offset,
    read_order,
    write_cursor,
)
from alertstore.domain.vocabulary import AlertStatus, CloseClassification, Malice, Severity
from alertstore.errors import AlertValidationError
from alertstore.testing import hostile_text

UUID_TEXT = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


def refused(call, *args):
    with pytest.raises(AlertValidationError) as refusal:
        call(*args)
    return [p.path for p in refusal.value.problems]


def test_a_filter_of_everything():
    found = read_filter(
        {
            "status": ["Open", AlertStatus.CLOSED],
            "severity": "High",
            "source": ("generic",),
            "rule": "1",
            "tag": {"c2"},
            "indicator": "ip:203.0.113.9",
            "malice": Malice.PENDING,
            "classification": ["Duplicate"],
            "uuid": UUID(UUID_TEXT),
            "start": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
            "end": datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC),
            "text": "beacon",
        }
    )
    assert found == AlertFilter(
        status=(AlertStatus.OPEN, AlertStatus.CLOSED),
        severity=(Severity.HIGH,),
        source=("generic",),
        rule=("1",),
        tag=("c2",),
        indicator=("ip:203.0.113.9",),
        malice=(Malice.PENDING,),
        classification=(CloseClassification.DUPLICATE,),
        uuid=(UUID_TEXT,),
        start=1_000_000,
        end=2_000_000,
        text="beacon",
    )


def test_none_means_any_and_an_empty_list_nothing_at_all():
    assert read_filter({"status": None, "tag": None, "start": None}) == AlertFilter() == read_filter({})
    assert refused(read_filter, {"status": [], "uuid": ()}) == ["status", "uuid"]


def test_all_that_is_wrong_is_named():
    given_ = {"status": ["Open", "open", 3], "colour": 1, "start": date(2020, 1, 1), "text": 5, "source": [b"x"], "malice": [[]], "rule": 7}
    assert refused(read_filter, given_) == ["status", "status", "colour", "start", "text", "source", "malice", "rule"]


@given(
    st.dictionaries(
        st.sampled_from(["status", "severity", "uuid", "start", "text", "x"]), hostile_text() | st.integers() | st.binary() | st.none()
    )
)
def test_any_filter_is_read_or_refused(given_):
    try:
        read_filter(given_)
    except AlertValidationError as refusal:
        assert {p.path for p in refusal.problems} <= set(given_)  # noqa: PT017 - either way is fine


@pytest.mark.parametrize("column", ORDERS)
def test_orders(column):
    assert read_order(column) == Order(column, descending=False)
    assert read_order(f"-{column}") == Order(column, descending=True)


@pytest.mark.parametrize("text", ["", "-", "--severity", "uuid", "occurred_at desc", "severity "])
def test_other_orders_are_refused(text):
    assert refused(read_order, text) == ["order_by"]


def test_limits():
    assert [read_limit(n) for n in (1, 1000)] == [1, 1000]
    for wrong in (0, -1, 1001, True, 5.0, "5", None):
        assert refused(read_limit, wrong) == ["limit"]


def test_offsets():
    assert [read_offset(n) for n in (0, 1, 2**62)] == [0, 1, 2**62]
    for wrong in (-1, 2**63, True, 5.0, "5", None):
        assert refused(read_offset, wrong) == ["offset"]


@given(
    st.sampled_from(ORDERS),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.integers(0, 2**40),
)
def test_a_cursor_reads_back_for_its_order_only(column, descending, value, text, number):
    order, value, other = Order(column, descending), *((text, value) if column in TEXT_ORDERS else (value, text))
    assert refused(read_cursor, order, write_cursor(order, other, number)) == ["after"]
    token = write_cursor(order, value, number)
    assert read_cursor(order, token) == (value, number)
    assert refused(read_cursor, Order(column, not descending), token) == ["after"]


ORDER = Order("severity", descending=True)


@pytest.mark.parametrize(
    "token",
    ["", "x", "[]", "{}", "null", '["-severity",1]', '["-severity",1,2,3]', '["severity",1,2]', '["-severity",1.0,2]', '["-severity",true,2]',
     '["-severity",1,null]', '"abc"', "5", "[" * 100_000],
)  # fmt: skip
def test_forged_cursors_are_refused(token):
    assert refused(read_cursor, ORDER, token) == ["after"]


@pytest.mark.parametrize(
    "token",
    [5, None, ["-severity", 1, 2], '["-severity","1",2]', json.dumps(["-severity", 2**63, 1]), json.dumps(["-severity", 1, -(2**63) - 1])],
)
def test_cursors_that_no_page_made_are_refused(token):
    assert refused(read_cursor, ORDER, token) == ["after"]


def test_a_cursor_of_text_that_no_database_holds_is_refused():
    assert refused(read_cursor, Order("title", descending=False), '["title","\\ud800",1]') == ["after"]


def test_a_page_is_gone_through():
    page = Page((1, 2), "more")
    assert list(page) == [1, 2]
    assert len(page) == 2
    assert page.next == "more"
