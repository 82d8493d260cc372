"""Plans: kept in a file and read again, told to people, and refused where they are none. Nothing in them acts on a terminal."""

from __future__ import annotations

import json
import runpy
from itertools import pairwise
from pathlib import Path

import pytest
from attrs import asdict, evolve, fields
from hypothesis import given
from hypothesis import strategies as st
from merge_cases import CAME, DUPLICATE, OPEN

from alertstore.domain.plan import FORMAT, SIGNS, Action, Conflict, SyncItem, SyncPlan, SyncResult, changes_between
from alertstore.domain.registers import LIFECYCLE, SEVERITY
from alertstore.errors import AlertValidationError

ACTIVE = runpy.run_path(str(Path(__file__).parent.parent / "hostile" / "corpus.py"))["ACTIVE"]
UUID = "01900000-0000-7000-8000-00000000abcd"

words = st.text(max_size=6)
values = st.none() | words | st.booleans() | st.lists(words | st.none(), max_size=3)
items = st.builds(
    SyncItem,
    st.sampled_from(Action),
    words,
    words,
    st.none() | words,
    st.none() | words,
    st.dictionaries(words, values, max_size=2),
    st.integers(0, 3),
    st.integers(0, 3),
    st.dictionaries(words, st.lists(values, min_size=2, max_size=2), max_size=2),
    st.dictionaries(words, st.lists(values, min_size=2, max_size=2), max_size=2),
    st.lists(st.tuples(words, st.integers(1, 9), words).map(list), max_size=2),
    words,
)
plans = st.builds(
    SyncPlan,
    words,
    words,
    words,
    st.lists(items, max_size=3),
    st.none() | st.integers(-99, 99),
    *[st.integers(0, 99_999)] * 3,
    st.lists(words, max_size=2),
)


@given(plans)
def test_it_is_read_as_it_was_kept(plan):
    text = plan.to_json()
    assert text.isascii()
    assert SyncPlan.read(text) == plan
    assert SyncPlan.read(text).to_json() == text


@given(plans)
def test_it_is_told_in_a_line_an_alert_with_nothing_that_acts(plan):
    told = str(plan)
    head = 3 + len(plan.warnings)
    assert told.count("\n") + 1 == head + len(plan.items)
    assert not ACTIVE.search(told)
    order = [list(SIGNS.values()).index(line[0]) for line in told.splitlines()[head:]]
    assert all(one <= other for one, other in pairwise(order))


def full(text):
    """An item that has a text wherever there can be one."""
    body = {text: text, "tags": [text, text]}
    return SyncItem(Action.PUSH, text, text, text, text, body, 1, 2, {text: [text, [text]]}, {text: [None, text]}, [[text, 1, text]], text)


def test_nothing_hostile_acts(hostile_strings):
    for name, text in hostile_strings.items():
        one = full(text)
        plan = SyncPlan(text, text, text, [one], warnings=[text])
        conflict = Conflict(text, text, text, text, [text], text, [(text, text)])
        failed = SyncResult([one], [text], [(text, text)], 1)
        for told in (str(plan), one.line(), *one.said(), plan.heading(), str(SyncPlan.read(plan.to_json())), conflict.line(), str(failed)):
            assert not ACTIVE.search(told), name
        assert (str(plan).count("\n"), one.line().count("\n"), conflict.line().count("\n"), str(failed).count("\n")) == (4, 0, 0, 1), name


def test_a_plan_as_a_person_reads_it():
    push = SyncItem(Action.PUSH, UUID, "Beacon", "r", "t", {"status": "Closed", "tags": ["a", "b"], "malice_override": None})
    hold = SyncItem(Action.HOLD, UUID, "x" * 61, held={LIFECYCLE: [DUPLICATE, ["Escalated", None]]}, outcomes=[(SEVERITY, 3, "overruled")])
    pull = SyncItem(
        Action.PULL, UUID, " ", changes={LIFECYCLE: [OPEN, DUPLICATE], "tags": [[], ["a"]]}, findings=1, indicators=2, note="why"
    )
    plan = SyncPlan("s", "https://r", "91cc", (pull, SyncItem(Action.SETTLE, UUID, "x"), hold, push), skew=4, requests=1_234, seconds=3_725)
    assert str(plan) == "\n".join((
        "PLAN for https://r", "about 1,234 requests, 1 h 2 min  policy 91cc  clock +4 s", "PUSH 1  HOLD 1  PULL 1  SETTLE 1",
        "> 0000abcd  Beacon  (send status Closed, tags a, b, malice_override none)",
        f"! 0000abcd  {'x' * 59}…  (lifecycle waits for a person: remote Closed as Duplicate, here Escalated; edit of severity overruled)",
        "< 0000abcd    (lifecycle: Open -> Closed as Duplicate; tags: none -> a; send 1 finding; send 2 indicators; why)",
        "= 0000abcd  x",
    ))  # fmt: skip
    empty = evolve(plan, items=(), skew=-1, seconds=61, requests=0)
    assert str(empty) == "PLAN for https://r\nabout 0 requests, 1 min 1 s  policy 91cc  clock -1 s\nNOTHING TO DO"
    assert "59 s  policy 91cc\n" in str(evolve(empty, skew=None, seconds=59))
    assert str(evolve(empty, warnings=("501 alerts",))).endswith("\nNOTHING TO DO\nMUST BE FORCED: 501 alerts")
    assert [plan.count(action) for action in (Action.PUSH, Action.NEW)] == [1, 0]


def test_what_is_worth_telling():
    assert not SyncItem(Action.SETTLE, UUID, "x").is_telling
    assert SyncItem(Action.SETTLE, UUID, "x", outcomes=[("severity", 1, "converged")]).is_telling
    assert all(SyncItem(action, UUID, "x").is_telling for action in Action if action is not Action.SETTLE)


def test_what_it_takes():
    asked = [({}, 1), ({"body": {"status": "Open"}}, 4), ({"findings": 2}, 7), ({"indicators": 5}, 3)]
    assert [SyncItem(Action.PUSH, UUID, "x", **more).requests for more, _ in asked] == [count for _, count in asked]
    assert SyncItem(Action.CREATE, UUID, "x").requests == 2
    assert SyncItem(Action.CREATE, UUID, "x", note="then Triaging").requests == 6


GOOD = json.loads(SyncPlan("s", "r", "p", [full("x")], 1, 2, 3, 4, ["w"]).to_json())
WRONG = {"str": (5, None, [], {}), "int": ("5", None, 1.5, []), "list": (5, None, "ab", {"a": 1}), "dict": (5, None, "ab", [])}


def spoilt():
    """Each value of a plan replaced by such as it cannot be; each left out; each with one more beside it."""
    for where in ({}, *GOOD["items"]):
        inside = bool(where)
        for name, value in (where or GOOD).items():
            may_be_none = name in {"skew", "remote_uuid", "token"}
            for bad in WRONG[type(value).__name__]:
                if not (bad is None and may_be_none):
                    yield name, ({**GOOD, "items": [{**where, name: bad}]} if inside else {**GOOD, name: bad})
        more = {**(where or GOOD), "more": 1}
        yield "more", ({**GOOD, "items": [more]} if inside else more)
    for name in ("format", "store", "remote", "policy", "items"):
        yield name, {one: value for one, value in GOOD.items() if one != name}
    for name in ("action", "uuid", "title"):
        yield name, {**GOOD, "items": [{one: value for one, value in GOOD["items"][0].items() if one != name}]}
    for name in ("changes", "held"):
        for bad in ({"a": [1]}, {"a": [1, 2, 3]}, {"a": "ab"}, {"a": {"b": 1, "c": 2}}):
            yield name, {**GOOD, "items": [{**GOOD["items"][0], name: bad}]}
    for bad in ([[1, 2]], ["abc"], [{"a": 1, "b": 2, "c": 3}]):
        yield "outcomes", {**GOOD, "items": [{**GOOD["items"][0], "outcomes": bad}]}
    for bad in (None, 5, "x", ["x"], [[]]):
        yield "items", {**GOOD, "items": bad}
    yield "warnings", {**GOOD, "warnings": ["x", 5]}
    yield "format", {**GOOD, "format": "alertstore-sync-plan-2"}
    yield "action", {**GOOD, "items": [{**GOOD["items"][0], "action": "drop"}]}


@pytest.mark.parametrize("said", [pytest.param(said, id=f"{name} {k}") for k, (name, said) in enumerate(spoilt())])
def test_what_is_no_plan_is_refused(said):
    assert SyncPlan.read(json.dumps(GOOD))
    with pytest.raises(AlertValidationError, match="is no plan"):
        SyncPlan.read(json.dumps(said))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "5",
        '"x"',
        "{",
        "{}",
        f'{{"format": "{FORMAT}"}}',
        "[" * 100_000,
        "\ud800",
        '{"a":' * 2_000 + "1" + "}" * 2_000,
        "9" * 5_000,
    ],
    ids=lambda text: text[:12].encode("unicode_escape").decode(),
)
def test_what_is_no_json_is_refused(text):
    with pytest.raises(AlertValidationError, match="is no plan"):
        SyncPlan.read(text)


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | words, lambda one: st.lists(one) | st.dictionaries(words, one)),
    st.data(),
)
def test_garbage_is_refused_or_can_be_told(garbage, data):
    said = json.loads(json.dumps(GOOD))
    where = data.draw(st.sampled_from([said, said["items"][0]]))
    where[data.draw(st.sampled_from(sorted(where)))] = garbage
    try:
        plan = SyncPlan.read(json.dumps(said))
    except AlertValidationError:
        return
    assert str(plan)
    assert SyncPlan.read(plan.to_json()).to_json() == plan.to_json()


def test_results():
    done = SyncResult([SyncItem(one, UUID, "x") for one in (Action.PULL, Action.PUSH, Action.PUSH)], ["u"], [(UUID, "no\n")], 12)
    assert str(done) == "2 sent, 1 changed here, 1 left since they had changed; 12 requests\n? 0000abcd  no\\n"
    assert (done.count(Action.PUSH), done.count(Action.NEW)) == (2, 0)
    assert str(SyncResult()) == "nothing to do; 0 requests"
    assert all(str(SyncResult([SyncItem(action, UUID, "x")])).startswith("1 ") for action in Action)


def test_conflicts():
    edits = [("mia", ["Escalated", None]), ("tom", OPEN)]
    one = Conflict(UUID, "Beacon", LIFECYCLE, "peers", DUPLICATE, ["Escalated", None], edits)
    assert one.line() == "! 0000abcd  Beacon  (lifecycle peers: remote Closed as Duplicate, here Escalated by mia or Open by tom)"
    gone = Conflict(UUID, "Beacon", SEVERITY, "gone", None, "High")
    assert gone.line() == "! 0000abcd  Beacon  (the alert gone: remote none, here High)"


def test_what_changes():
    before, after = CAME.facts(), evolve(CAME, status="Closed", close_classification="Duplicate", tags=("a",)).facts()
    assert changes_between(before, before) == {}
    assert changes_between(before, after) == {LIFECYCLE: [OPEN, DUPLICATE], "tags": [[], ["a"]]}
    assert changes_between(before, {**before, "severity": "High", "malice_override": "Benign"}) == {
        "severity": ["Low", "High"],
        "malice_override": [None, "Benign"],
    }


def test_every_part_of_an_item_is_kept_in_the_file():
    assert GOOD["items"][0].keys() == {one.name for one in fields(SyncItem)}
    assert GOOD.keys() == {"format", *asdict(SyncPlan("s", "r", "p", []))}


def test_all_but_the_title_must_still_be_so():
    item = SyncItem(Action.PUSH, UUID, "x", body={"tags": ["a"]}, outcomes=(("severity", 3, "converged"),))
    read = SyncPlan.read(SyncPlan("s", "r", "p", (item,)).to_json()).items[0]
    assert read.facts() == item.facts() == evolve(item, title="y").facts()
    assert item.facts() != evolve(item, findings=1).facts()
