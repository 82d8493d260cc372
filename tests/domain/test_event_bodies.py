"""The bytes of events: canonical, complete, limited by whoever appends them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.content import alert_content, document_content, finding_content, indicators_content, record_content, refused_content
from alertstore.domain.events import EventDraft, EventKind, canonical, encode_body
from alertstore.testing import hostile_text

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | hostile_text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcXYZ_09", max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(values)
def test_canonical_json(value):
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None, "x"]}, b'{"a":[true,null,"x"],"b":1}'),
        ({"é": "é\u2028"}, '{"é":"é\u2028"}'.encode()),
        # RFC 8785, 3.2.2.2: short escapes where there are, lower-case hex otherwise, nothing else escaped
        ('\b\t\n\f\r"\\/\0\x1f\x7f', b'"\\b\\t\\n\\f\\r\\"\\\\/\\u0000\\u001f\x7f"'),
        ({"B": 1, "_": 2, "a": 3, "A": 4}, b'{"A":4,"B":1,"_":2,"a":3}'),
    ],
)
def test_known_forms(value, text):
    assert canonical(value) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_what_is_no_json_has_no_form(value):
    with pytest.raises(ValueError, match="JSON"):
        canonical(value)


def test_a_body_with_everything():
    draft = EventDraft(
        EventKind.ALERT_CLOSED,
        "u",
        100,
        "mia",
        changes={"status": ["Open", "Closed"]},
        sets={"closed_at": 100},
        edits=[{"register": "lifecycle", "sup": [3], "rbase": None, "rtoken": None}],
        facts={"a": 1},
        reason="noise",
        origin={"remote": "r"},
        clock=99,
        content=b"not in here",
    )
    body = encode_body(draft, 7, "c" * 64)
    assert json.loads(body) == {
        "v": 1,
        "seq": 7,
        "kind": "alert_closed",
        "subject": "u",
        "at": 100,
        "actor": "mia",
        "content": "c" * 64,
        "changes": {"status": ["Open", "Closed"]},
        "facts": {"a": 1},
        "reason": "noise",
        "sets": {"closed_at": 100},
        "edits": [{"register": "lifecycle", "sup": [3], "rbase": None, "rtoken": None}],
        "origin": {"remote": "r"},
        "clock": 99,
    }
    assert body == canonical(json.loads(body))


def test_what_is_null_is_left_out():
    draft = EventDraft(EventKind.ALERT_DELETED, "u", 1, "mia", sets={}, edits=[])
    assert set(json.loads(encode_body(draft, 1, None))) == {"v", "seq", "kind", "subject", "at", "actor"}


def test_the_kinds_are_those_of_the_api_page():
    listed = (
        "store_created, import_started, import_finished, alert_ingested, alert_deduplicated, record_rejected, alert_status_updated, "
        "alert_closed, alert_reclassified, alert_severity_updated, alert_tags_updated, alert_malice_updated, alert_finding_added, "
        "alert_indicators_added, alert_enrichment_completed, alert_deleted, indicator_malice_updated, detection_rule_created, "
        "detection_rule_updated, context_document_created, context_document_updated, context_document_deleted, setting_changed"
    )
    assert set(listed.split(", ")) <= set(EventKind)


@given(hostile_text(), hostile_text() | st.none(), st.lists(hostile_text(max_size=9), max_size=3))
def test_content_put_together_by_hand_is_canonical(title, description, pairs):
    found = alert_content(title, description, "f" * 32, pairs, "d" * 64)
    assert found == {
        "indicators": canonical({"fingerprint": "f" * 32, "indicators": pairs}),
        "record": canonical("d" * 64),
        "text": canonical({"title": title, "description": description}),
    }
    assert refused_content("d" * 64, "e" * 64, title) == {
        "record": canonical("d" * 64),
        "kept": canonical("e" * 64),
        "reason": canonical(title),
    }
    assert record_content("d" * 64) == {"record": canonical("d" * 64)}
    assert indicators_content(pairs) == {"indicators": canonical(pairs)}


def test_content_is_only_what_it_says():
    finding = {"id": "f", "agent_name": "a", "summary": "s", "confidence": None, "recommended_action": None}
    assert finding_content(finding, '{"a":2}') == {
        "finding": b'{"agent_name":"a","confidence":null,"evidence":"{\\"a\\":2}","recommended_action":null,"summary":"s"}'
    }
    assert document_content({"title": "t", "description": None, "content": "c", "version": 1}) == {
        "document": b'{"content":"c","description":null,"title":"t"}'
    }
