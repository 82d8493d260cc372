"""Whatever words a remote finds: a store that takes them in can be written to a bundle, and another store can read it."""

from __future__ import annotations

import copy
import re
from uuid import UUID

import pytest

from alertstore import AlertStore
from alertstore.errors import RemoteRejectedError, RemoteUnavailableError
from alertstore.sync.client import Client
from alertstore.sync.remote import Answer
from alertstore.testing import FakeRemote, FrozenClock, generic_alert, seeded_ids
from alertstore.wire.remote import FINDING_KEY, ID_KEY, LONGEST_WORD, StrangeAnswerError, read_alert, read_moves, read_row

UUID_UPPER = "0193F5A2-0000-7000-8000-00000000000A"
FINDING = {"id": "0193f5a2-0000-7000-8000-0000000000f1", "agent_name": "a", "summary": "s", "confidence": "low",
           "recommended_action": "r", "evidence": {"k": 1}}  # fmt: skip
RULE = {"uuid": "0193f5a2-0000-7000-8000-0000000000e1", "name": "n", "source_rule_id": "1", "severity": "High", "documentation": "d",
        "run_frequency": "1h", "mitre_tactics": ["t"], "mitre_techniques": ["T1"], "data_sources": ["dns"], "is_active": True}  # fmt: skip
DETAIL = {
    "uuid": UUID_UPPER.lower(), "title": "t", "status": "Open", "severity": "High", "close_classification": None, "tags": ["a"],
    "updated_at": "2026-11-20T10:00:00.000001Z", "created_at": "2026-11-20T09:00:00Z", "description": "d", "source_name": "generic",
    "fingerprint": "f", "occurred_at": "2026-11-20T08:00:00Z", "malice_override": None, "indicators": [{"type": "ip", "value": "192.0.2.7"}],
    "agent_findings": [FINDING], "detection_rule": RULE, "raw_payload": {},
}  # fmt: skip
TEXTS = (
    ("title",), ("description",), ("source_name",), ("status",), ("severity",), ("close_classification",), ("malice_override",),
    ("updated_at",), ("created_at",), ("fingerprint",), ("tags", 0), ("indicators", 0, "value"), *(("agent_findings", 0, name) for name in FINDING if name != "evidence"),
    ("agent_findings", 0, "evidence", "k"), *(("detection_rule", name) for name in ("name", "source_rule_id", "severity", "documentation", "run_frequency")),
    *(("detection_rule", name, 0) for name in ("mitre_tactics", "mitre_techniques", "data_sources")),
)  # fmt: skip
WORDS = ("status", "severity", "close_classification", "malice_override", "source_name", "updated_at", "created_at")
NO_VALUES = [{}, {"a": 1}, [], ["High"], 0, 1.5, 2**70, True, "x" * (LONGEST_WORD + 1)]


def at(path, value, base=None):
    """The alert with a value in the place that a path names."""
    said = copy.deepcopy(DETAIL if base is None else base)
    place = said
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return said


def texts(value):
    """All texts in what was read, but for what the remote said as a whole."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from texts(name)
            yield from texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts(one)
    elif hasattr(type(value), "__attrs_attrs__"):
        for one in type(value).__attrs_attrs__:
            if one.name != "data":
                yield from texts(getattr(value, one.name))


def event(kind="alert_severity_updated", **told):
    return {"event_type": kind, "actor_key_prefix": "cai_ours", "references": told, "created_at": "2026-11-20T10:00:00Z"}


class Odd:
    """A remote that says of one alert what `change` makes of it."""

    def __init__(self, remote, uuid, change):
        self.remote, self.uuid, self.change = remote, uuid, change

    def __getattr__(self, name):
        return getattr(self.remote, name)

    def request(self, method, path, **more):
        answer = self.remote.request(method, path, **more)
        if path.endswith(self.uuid) and answer.body and "data" in answer.body:
            return Answer(answer.status, answer.body | {"data": self.change(answer.body["data"])}, answer.date)
        return answer


def scripted(*answers):
    """A client of a remote that gives these answers."""
    remote = FakeRemote()
    left = list(answers)
    remote.request = lambda *_, **__: left.pop(0)
    return Client(remote)


@pytest.mark.parametrize("bad", ["\0", "\ud800", "\udfff\0"])
@pytest.mark.parametrize("path", TEXTS, ids=lambda path: ".".join(map(str, path)))
def test_no_text_holds_what_none_can(path, bad):
    found = list(texts(read_alert(at(path, f"a{bad}b"))))
    assert not [one for one in found if re.search("[\0\ud800-\udfff]", one)]
    assert path == ("agent_findings", 0, "id") or f"a{chr(0xFFFD) * len(bad)}b" in found  # an id becomes a uuid


def test_names_of_evidence_and_of_rules_are_text_too():
    said = at(("agent_findings", 0, "evidence"), {"a\0": {"b\ud800": ["c\0"]}})
    assert read_alert(said).findings[0].evidence == {"a\ufffd": {"b\ufffd": ["c\ufffd"]}}
    assert read_alert(at(("detection_rule",), {"n\0": 1})).rule == {"n\ufffd": 1}


def test_evidence_keeps_its_numbers_but_for_those_that_are_none():
    said = {"f": 1.5, "big": 2**70, "inf": float("inf"), "nan": float("nan"), "t": True}
    assert read_alert(at(("agent_findings", 0, "evidence"), said)).findings[0].evidence == said | {"inf": None, "nan": None}


@pytest.mark.parametrize("name", WORDS)
def test_a_word_without_end_is_none(name):
    assert read_alert(at((name,), "x" * LONGEST_WORD))
    with pytest.raises(StrangeAnswerError, match=f"{name}: ") as failure:
        read_alert(at((name,), "x" * (LONGEST_WORD + 1)))
    assert not failure.value.maybe_done
    if name not in {"malice_override", "source_name"}:
        with pytest.raises(StrangeAnswerError):
            read_row(at((name,), "x" * (LONGEST_WORD + 1)))


@pytest.mark.parametrize(
    "said", [None, [], "x", {}, {"uuid": 7}, DETAIL | {"uuid": "../../v1"}, DETAIL | {"title": None}, DETAIL | {"tags": [1]}]
)
def test_what_is_no_alert_is_said_to_be_none(said):
    for read in (read_alert, read_row):
        with pytest.raises(StrangeAnswerError, match="what is no alert"):
            read(said)
    assert issubclass(StrangeAnswerError, RemoteUnavailableError)


def test_uuids_are_lower_case():
    mark = {ID_KEY: {"id": UUID_UPPER}}
    said = DETAIL | {"uuid": UUID_UPPER, "raw_payload": mark, "agent_findings": [FINDING | {"id": UUID_UPPER}]}
    alert = read_alert(said)
    assert [alert.uuid, alert.ours, alert.findings[0].id, read_row(said).uuid] == [UUID_UPPER.lower()] * 4


@pytest.mark.parametrize("ours", ["x", "\ud800", 7, None, ["x"]])
def test_a_mark_that_names_no_alert_is_none(ours):
    assert read_alert(DETAIL | {"raw_payload": {ID_KEY: {"id": ours}}}).ours is None


def test_a_finding_without_a_uuid_has_always_the_same_one():
    def ids(alert, *said):
        return [one.id for one in read_alert(DETAIL | {"uuid": alert, "agent_findings": [FINDING | {"id": one} for one in said]}).findings]

    here, other = DETAIL["uuid"], "0193f5a2-0000-7000-8000-00000000000b"
    odd = ("finding-1", "finding-2", "", "\0", FINDING["id"] + "\n")
    found = ids(here, *odd)
    assert found == ids(here.upper(), *odd) == [str(UUID(one)) for one in found]
    assert len({*found, *ids(other, *odd)}) == 2 * len(odd)
    assert ids(here, FINDING["id"]) == [FINDING["id"]]


def test_a_finding_that_is_ours_is_known_by_its_evidence():
    (one,) = read_alert(at(("agent_findings", 0, "evidence"), {FINDING_KEY: "mine"})).findings
    assert one.alertstore_op == "mine"


@pytest.mark.parametrize("odd", NO_VALUES, ids=lambda odd: repr(odd)[:20])
def test_a_value_of_a_move_that_no_register_has_is_no_word_and_the_move_is_there_all_the_same(odd):
    good = event(from_severity="Low", to_severity="High")
    said = [
        event(from_severity=odd, to_severity="High"), good, event(from_severity="Low", to_severity=odd),
        event("alert_status_updated", from_status=odd, to_status="Open"), event("alert_status_updated", from_status="Open", to_status=odd),
        event("alert_closed", from_status=odd, close_classification=None), event("alert_closed", from_status="Open", close_classification=odd),
        event("alert_malice_updated", from_malice=odd, to_malice=None), event("alert_malice_updated", from_malice=None, to_malice=odd),
    ]  # fmt: skip
    assert [(move.register, move.before, move.after) for move in read_moves(said, "cai_ours")] == [
        ("severity", "", "High"), ("severity", "Low", "High"), ("severity", "Low", ""),
        ("lifecycle", ["", None], ["Open", None]), ("lifecycle", ["Open", None], ["", None]),
        ("lifecycle", ["", None], ["Closed", None]), ("lifecycle", ["Open", None], ["Closed", ""]),
        ("malice", "", None), ("malice", None, ""),
    ]  # fmt: skip


def test_moves_are_read_in_the_words_that_were_said():
    said = [
        event("alert_status_updated", from_status="Open", to_status="Archived\0"), event("alert_closed", from_status=None, close_classification="C"),
        event("alert_malice_updated", from_malice="Benign", to_malice={}, malice_source="reset"), event("comment_added", text={}),
    ]  # fmt: skip
    assert [move[:3] for move in read_moves(said, None)] == [
        ("lifecycle", ["Open", None], ["Archived\ufffd", None]),
        ("lifecycle", [None, None], ["Closed", "C"]),
        ("malice", "Benign", None),
    ]
    assert not any(move.ours for move in read_moves(said, None))
    for strange in (None, {}, [7], [event() | {"created_at": None}], [event() | {"created_at": "9" * 300}]):
        with pytest.raises(StrangeAnswerError):
            read_moves(strange, None)


def test_a_row_that_is_none_does_not_hide_the_others():
    rows = [DETAIL, DETAIL | {"status": "x" * 300}, None, DETAIL | {"uuid": UUID_UPPER[:-1] + "C"}]
    page = scripted(Answer(200, {"data": rows, "meta": {"total": 9}}, None)).rows()
    assert ([row.uuid[-1] for row in page.rows], page.total, page.unread) == (["a", "c"], 9, 2)


def test_what_a_refusal_says_is_short_and_inert():
    error = {"code": "X\x1b[31m" + "y" * 2_000_000, "message": "\u202e" + "z" * 2_000_000}
    with pytest.raises(RemoteRejectedError) as failure:
        scripted(Answer(422, {"error": error}, None)).create("/v1/alerts", {})
    assert str(failure.value).isprintable()
    assert "\\x1b[31my" in str(failure.value)
    assert len(str(failure.value)) < 64 + 300 + 40


def travels(change, tmp_path):
    """Pull an alert of which the remote says odd things, edit it, sync, and take it to another store; the events of both."""
    remote = FakeRemote()
    uuid = remote.add(title="odd")
    remote.add(title="plain")
    odd = Odd(remote, uuid, change)
    with (
        AlertStore.open(":memory:", clock=FrozenClock(), ids=seeded_ids(1)) as one,
        AlertStore.open(":memory:", clock=FrozenClock(), ids=seeded_ids(2)) as two,
    ):
        one.sync(odd)
        one.patch(uuid, severity="Critical")
        remote.edit(uuid, severity="Low")
        one.sync(odd)
        assert one.verify().ok
        assert one.export_bundle(tmp_path / "b.asb").left == ()
        assert two.import_bundle(tmp_path / "b.asb").new == 2
        assert two.verify().ok
        return [event.body for store in (one, two) for event in store.events()]


def is_exact(value):
    """Whether canonical JSON can spell it in one way, and every reader reads the same."""
    if isinstance(value, dict):
        return all(map(is_exact, value.values()))
    if isinstance(value, list):
        return all(map(is_exact, value))
    return not isinstance(value, float) and not (type(value) is int and abs(value) > 2**53)


@pytest.mark.parametrize(
    "changed",
    [
        *[(name, "a\0\ud800") for name in ("title", "source_name", "status", "severity", "close_classification", "malice_override")],
        ("tags", ["x\0", "y\ud800"]),
        ("detection_rule", {name: [f"{one[0]}\0"] if isinstance(one, list) else f"{one}\0" for name, one in RULE.items()}),
        ("detection_rule", RULE | {"is_active": 2**70, "severity": 1.5, "mitre_tactics": [1.5, "t"], "documentation": {}}),
        ("agent_findings", [FINDING | {"id": "no uuid\0", "summary": "s\0", "evidence": {"a\0": [1.5, 2**70, float("inf"), "\ud800"]}}]),
        ("agent_findings", [FINDING | {"id": UUID_UPPER}]),
        ("indicators", [{"type": "domain", "value": "a\0.example"}, {"type": "odd\0", "value": "\ud800"}]),
        ("raw_payload", {ID_KEY: {"id": "\ud800"}}),
    ],
    ids=lambda changed: changed[0],
)
def test_a_store_that_took_it_in_still_travels(changed, tmp_path, promise):
    name, value = changed
    bodies = travels(lambda said: said | {name: value}, tmp_path)
    assert all(map(is_exact, bodies))
    assert "\0" not in "".join(texts(bodies))
    promise("whatever words a remote sends, the store can be written to a bundle and read elsewhere", "13 of 13 kinds of odd words")


@pytest.mark.parametrize("odd", [*NO_VALUES, "nul\0"], ids=lambda odd: repr(odd)[:20])
def test_a_log_of_odd_values_does_no_harm(odd, tmp_path):
    remote = FakeRemote()
    uuid = remote.add(title="A")

    def log(said):
        return [one | {"references": {**(one["references"] or {}), "from_severity": odd, "to_severity": odd}} for one in said]

    with AlertStore.open(":memory:", clock=FrozenClock(), ids=seeded_ids(1)) as one, AlertStore.open(":memory:") as two:
        one.sync(remote)
        one.patch(uuid, severity="Critical")
        remote.edit(uuid, severity="Low")
        one.add(generic_alert())
        one.sync(Odd(remote, f"{uuid}/activity", log))
        assert all(is_exact(event.body) for event in one.events())
        assert one.export_bundle(tmp_path / "b.asb").left == ()
        assert two.import_bundle(tmp_path / "b.asb").new == 2
