"""Records that are built to hurt: accepted as the contract says, or refused with a reason; what is accepted comes back whole."""

from __future__ import annotations

import io
import json
import math

import pytest
from click.testing import CliRunner
from corpus import HOSTILE, UNSTORABLE
from hypothesis import given, settings
from hypothesis import strategies as st

from alertstore import AlertStore
from alertstore.cli import command
from alertstore.errors import AlertValidationError, SourceError
from alertstore.testing import FrozenClock, alerts, generic_alert, seeded_ids

DEEP = 100_000
# bytes -> what the record says of itself in the view, or the beginning of the reason why it is refused (contract, Ingest)
MATRIX = {
    "plain": (b'{"title":"t"}', {"title": "t"}),
    "deep lists": (b'{"title":"t","a":' + b"[" * DEEP + b"]" * DEEP + b"}", "nested deeper than 64"),
    "deep objects": (b'{"title":"t","a":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}", "nested deeper than 64"),
    "deep, not closed": (b'{"title":"t","a":' + b"[" * DEEP, "nested deeper than 64"),
    "64 deep": (b'{"title":"t","a":' + b"[" * 63 + b"]" * 63 + b"}", None),
    "65 deep": (b'{"title":"t","a":' + b"[" * 64 + b"]" * 64 + b"}", "nested deeper than 64"),
    "brackets in text": (b'{"title":"' + b"[{" * 1000 + b'"}', {"title": "[{" * 1000}),
    "5000 digits": (b'{"title":"t","a":' + b"9" * 5000 + b"}", "a number of 5000 digits is too long"),
    "4000 digits": (b'{"title":"t","a":' + b"9" * 4000 + b"}", {"title": "t", "a": int("9" * 4000)}),
    "NaN": (b'{"title":"t","a":NaN}', "NaN is not JSON"),
    "Infinity": (b'{"title":"t","a":Infinity}', "Infinity is not JSON"),
    "-Infinity": (b'{"title":"t","a":-Infinity}', "-Infinity is not JSON"),
    "-0": (b'{"title":"t","a":-0,"b":-0.0}', {"title": "t", "a": 0, "b": -0.0}),
    "1e400": (b'{"title":"t","a":1e400}', {"title": "t", "a": "1e400"}),
    "2^53+1": (b'{"title":"t","a":9007199254740993}', {"title": "t", "a": 9007199254740993}),
    "2^63": (b'{"title":"t","a":9223372036854775808}', {"title": "t", "a": 9223372036854775808}),
    "2^64 as a time": (b'{"title":"t","occurred_at":18446744073709551616}', None),
    "repeated keys": (b'{"title":"a","title":"b"}', {"title": "b"}),
    "empty key": (b'{"title":"t","":1}', {"title": "t", "": 1}),
    "__proto__": (b'{"title":"t","__proto__":{"title":"x"},"constructor":1}', None),
    "NUL": (b'{"title":"a\\u0000b"}', {"title": "a\ufffdb"}),
    "NUL as a key": (b'{"title":"t","\\u0000":1}', {"title": "t", "\ufffd": 1}),
    "raw control": (b'{"title":"a\x01b"}', "not valid JSON"),
    "lone surrogate": (b'{"title":"a\\ud800b"}', "text holds half of a surrogate pair"),
    "lone low surrogate": (b'{"title":"t","\\udfff":1}', "text holds half of a surrogate pair"),
    "surrogates the wrong way": (b'{"title":"\\udc00\\ud800"}', "text holds half of a surrogate pair"),
    "a pair": (b'{"title":"\\ud83d\\ude00"}', {"title": "\U0001f600"}),
    "surrogate in UTF-8": (b'{"title":"\xed\xa0\x80"}', "not valid UTF-8"),
    "overlong UTF-8": (b'{"title":"\xc0\xaf"}', "not valid UTF-8"),
    "cut UTF-8": (b'{"title":"\xf0\x9f\x98"}', "not valid UTF-8"),
    "Latin-1": (b'{"title":"\xe9"}', "not valid UTF-8"),
    "a list": (b'{"title":["t"]}', "no title"),
    "no object": (b'["title"]', "not a JSON object"),
    "a number": (b"1", "not a JSON object"),
    "comment": (b'{"title":"t"/* x */}', "not valid JSON"),
    "single quotes": (b"{'title':'t'}", "not valid JSON"),
    "trailing comma": (b'{"title":"t",}', "not valid JSON"),
    "two in a line": (b'{"title":"t"}{"title":"u"}', "not valid JSON"),
    "blank title": (b'{"title":"\xe2\x80\x83\xe3\x80\x80"}', "no title"),
    "title of another type": (b'{"title":{"a":1}}', "no title"),
    "hexadecimal": (b'{"title":"t","a":0x10}', "not valid JSON"),
    "leading zero": (b'{"title":"t","a":01}', "not valid JSON"),
    "plus": (b'{"title":"t","a":+1}', "not valid JSON"),
    "half a file": (b'{"title":"t', "not valid JSON"),
    "BOM within": (b'\xef\xbb\xbf{"title":"t"}', "not valid JSON"),
}


@pytest.fixture
def store():
    with AlertStore.open(":memory:", clock=FrozenClock(), ids=seeded_ids()) as opened:
        yield opened


def test_the_matrix(store, promise):
    """Each ill-formed record between two good ones: it alone is refused, and what is accepted is kept byte for byte."""
    refused = 0
    for number, (name, (raw, expected)) in enumerate(MATRIX.items()):
        lines = [json.dumps({"title": f"before {number}"}).encode(), raw, json.dumps({"title": f"after {number}"}).encode()]
        found = store.ingest(io.BytesIO(b"\n".join(lines)), source="generic")
        if isinstance(expected, str):
            assert (found.new, found.rejected) == (2, 1), name
            (rejection,) = found.first_rejections
            assert rejection.reason.startswith(expected), name
            assert (rejection.record, rejection.position) == (2, len(lines[0]) + 1)
            (kept,) = store.rejected_records(found.id)
            assert kept.raw == raw
            refused += 1
        else:
            assert found.rejected == 0, (name, found.first_rejections)
            assert found.new + found.duplicates == 3, name
            same = [one for one in occurrences(store, found.id) if one.record == 2]
            assert [one.raw for one in same] == [raw], name
    assert store.verify().ok
    promise(
        "hostile JSON is judged by the contract", f"{len(MATRIX)} forms: {refused} refused with a reason, the others kept byte for byte"
    )


def occurrences(store, import_id):
    return [one for row in store.alerts(limit=1000) for one in store.occurrences(row.uuid) if one.import_id == import_id]


@pytest.mark.parametrize("name", [name for name, (_, expected) in MATRIX.items() if isinstance(expected, dict)])
def test_what_the_view_says_of_an_accepted_record(store, name):
    raw, expected = MATRIX[name]
    assert store.ingest(io.BytesIO(raw), source="generic").new == 1
    (row,) = store.alerts()
    seen = store.get(row.uuid).raw_payload
    assert seen == expected
    assert all(math.copysign(1, one) == math.copysign(1, seen[key]) for key, one in expected.items() if isinstance(one, float))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_other_encodings_of_the_whole_corpus(store, encoding):
    lines = [json.dumps({"title": text}, ensure_ascii=False) for text in HOSTILE.values()]
    found = store.ingest(io.BytesIO("\n".join(lines).encode(encoding)), source="generic")
    assert (found.new, found.rejected) == (len(HOSTILE), 0)
    assert {one.title for one in store.alerts(limit=1000)} == set(HOSTILE.values())


@pytest.mark.parametrize("text", UNSTORABLE)
def test_what_cannot_be_stored_is_refused_by_every_call(store, text):
    """NUL in a record becomes U+FFFD, as the contract says; everywhere else, and for lone surrogates, it is a bad value."""
    uuid = store.add(generic_alert()).uuid
    before = store.checkpoint()
    calls = [
        lambda: store.patch(uuid, tags=[text]),
        lambda: store.patch(uuid, status="Triaging", reason=text),
        lambda: store.patch(uuid, status="Triaging", actor=text),
        lambda: store.add_finding(uuid, text),
        lambda: store.add_finding(uuid, "x", agent_name=text),
        lambda: store.add_rule(text),
        lambda: store.add_document(text, "x", document_type="runbook"),
        lambda: store.add_document("x", text, document_type="runbook"),
        lambda: store.add_indicators(uuid, [("account", text)]),
        lambda: store.ingest(io.BytesIO(b'{"title":"x"}'), reason=text),
        *([] if "\0" in text else [lambda: store.add({"title": f"x{text}"}), lambda: store.add_finding(uuid, "x", evidence={"a": text})]),
    ]
    for call in calls:
        with pytest.raises(AlertValidationError):
            call()
    assert store.checkpoint() == before


@given(record=alerts())
def test_an_alert_comes_back_as_it_was_put(record):
    with AlertStore.open(":memory:") as store:
        found = store.add(record).alert
        assert store.get(found.uuid) == found
        assert found.title == record["title"].replace("\0", "\ufffd")
        (one,) = store.occurrences(found.uuid)
        assert one.raw == json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def exported(store):
    """The lines of `export --format jsonl`, in the order in which the alerts came."""
    from alertstore.wire import AlertResponse

    rows = [AlertResponse.of(store.get(row.uuid)).model_dump(mode="json") for row in store.alerts(order_by="created_at", limit=1000)]
    return [json.loads(json.dumps(row)) for row in rows]


@settings(max_examples=15)
@given(records=st.lists(alerts().filter(lambda record: "\\u0000" not in json.dumps(record)), min_size=1, max_size=6))
def test_what_is_exported_makes_the_same_history_again(records):
    """The raw records of an export, taken in by a second store with the same clock and ids, give the same root."""
    first, second = (AlertStore.open(":memory:", clock=FrozenClock(), ids=seeded_ids()) for _ in range(2))
    with first, second:
        for number, record in enumerate(records):
            assert first.add(record | {"title": f"{number} {record['title']}"}).outcome == "new"
        kept = exported(first)
        for row in kept:
            second.add(row["raw_payload"])
        assert second.checkpoint() == first.checkpoint()
        assert exported(second) == kept


def test_the_corpus_exported_by_the_command_makes_the_same_history_again(tmp_path, promise):
    lines = [json.dumps({"title": text, "tags": [text]}, ensure_ascii=False, separators=(",", ":")) for text in HOSTILE.values()]
    stores = []
    for name in ("first", "second"):
        source = tmp_path / "in.jsonl"
        source.write_text("\n".join(lines) + "\n", encoding="utf-8")
        path = tmp_path / f"{name}.db"
        with AlertStore.open(path, clock=FrozenClock(), ids=seeded_ids()) as store:
            assert store.ingest(source).new == len(HOSTILE)
            stores.append((store.checkpoint(), exported(store)))
        shown = CliRunner().invoke(command, ["--store", str(path), "export"])
        assert shown.exit_code == 0
        rows = sorted((json.loads(line) for line in shown.stdout.splitlines()), key=lambda row: row["uuid"])
        lines = [json.dumps(row["raw_payload"], ensure_ascii=False, separators=(",", ":")) for row in rows]
    assert stores[0] == stores[1]
    promise("export and import lose nothing", f"{len(lines)} hostile alerts: the same root after export and import")


def refused_whole(store, uuid, call):
    """Whether a call is refused, and nothing of it is kept."""
    before = store.checkpoint(), store.get(uuid)
    with pytest.raises(AlertValidationError):
        call()
    return (store.checkpoint(), store.get(uuid)) == before


def test_what_is_too_large_is_refused_whole(store, promise):
    uuid = store.add(generic_alert()).uuid
    many = [str(number) for number in range(50_000)]
    calls = [
        lambda: store.patch(uuid, tags=many * 5),
        lambda: store.patch(uuid, status="Triaging", tags=["x" * 100_000]),
        lambda: store.patch(uuid, status="Triaging", reason="x" * 100_000),
        lambda: store.patch(uuid, {name: name for name in many}),
        lambda: store.add({"title": "t", "tags": ["x" * 40_000]}),
        lambda: store.add({"title": "x" * (17 << 20)}),
        lambda: store.add({"title": "t", **{name: name * 80 for name in many}}),
        lambda: store.add_finding(uuid, "x" * 60_000),
        lambda: store.add_finding(uuid, "x", evidence=dict.fromkeys(many, 1)),
        lambda: store.add_finding(uuid, "x", evidence=nested(70)),
        lambda: store.add_finding(uuid, "x", evidence=nested(100_000)),
        lambda: store.add({"title": "t", "a": nested(100_000)}),
        lambda: store.add_rule("x" * 600),
        lambda: store.add_rule("x", documentation="x" * 2_000_000),
        lambda: store.add_rule("x", mitre_tactics=many * 4),
        lambda: store.add_document("x", "x", document_type="runbook", targeting_rules={"match_any": [RULE] * 100_000}),
    ]
    assert all(refused_whole(store, uuid, call) for call in calls)
    assert store.add({"title": "t", "tags": many * 5}).alert.tags == tuple(many[:1000])  # of a record, what can be used is
    assert store.verify().ok
    promise("hostile input is refused whole", f"{len(calls)} calls too large or too deep: each refused, nothing of it kept")


RULE = {"field": "tags", "op": "in", "value": ["x" * 100]}


def nested(depth):
    value = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def test_no_record_stops_an_import(store):
    """Rule names as long as they can be, of characters that take six bytes in an event."""
    loud = "\x01" * 5000
    one = {"RuleTitle": loud + "x", "Level": loud, "Computer": "c", "Channel": [f"{n}{loud}" for n in range(100)], "RuleID": "r\x01"}
    one["MitreTactics"] = [f"{n}{loud}" for n in range(100)]
    one["OtherTags"] = [f"{n}{loud}" for n in range(6)]
    two = {"RuleTitle": "fine", "Level": "high", "Computer": "c", "Channel": "Sec", "RuleID": "r2"}
    found = store.ingest(io.BytesIO("\n".join(map(json.dumps, (one, two))).encode()), reason="\x01" * 16_000, actor="\x01" * 16_000)
    assert (found.source, found.new) == ("hayabusa", 2)
    assert store.verify().ok


def test_a_header_as_long_as_a_file_is_no_table(store):
    head = ["RuleTitle", "Level", "Computer", "Channel", *(f"{n}" + "\x01" * 300 for n in range(4000))]
    with pytest.raises(SourceError):
        store.ingest(io.BytesIO((",".join(head) + "\n" + ",".join(["x"] * len(head))).encode()))
    assert store.imports() == []
