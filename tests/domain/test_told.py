"""What a bundle tells: taken as it is where a store can have written it, refused where none can."""

from __future__ import annotations

import copy

import pytest

from alertstore.domain import told
from alertstore.domain.events import canonical
from alertstore.domain.merkle import leaf_hash
from alertstore.errors import BundleError

UUID = "018f3406-9e01-753d-950f-11ebdbeb4c2d"
HERE = "a-store"
EDIT = {"register": "severity", "sup": [], "rbase": None, "rtoken": None}
BODY = {
    "v": 1, "seq": 7, "kind": "alert_severity_updated", "subject": UUID, "at": 1_000_000, "actor": "mia",
    "changes": {"severity": ["Low", "High"]}, "edits": [EDIT],
}  # fmt: skip


def having(body, /, **changed):
    return {name: value for name, value in (copy.deepcopy(body) | changed).items() if value is not ...}


def relayed(made, /, **changed):
    """An event that another store took over from the one that made it."""
    origin = {"store": "b-store", "seq": made["seq"], "leaf": leaf_hash(canonical(made)).hex(), "body": made}
    return having(made, seq=40, origin=having(origin, **changed))


def beside(**changed):
    """An event without edits, taken over from another store."""
    origin = {"store": "b-store", "seq": 3, "leaf": "0" * 64, "at": 5}
    return having(BODY, kind="alert_finding_added", edits=..., changes=..., origin=having(origin, **changed))


def test_whose_event_it_is():
    assert told.read_told(BODY, HERE) == ((HERE, 7), None)
    assert told.read_told(having(BODY, origin={"remote": "r"}, reason="so"), HERE) == ((HERE, 7), None)
    assert told.read_told(relayed(BODY), HERE) == (("b-store", 7), leaf_hash(canonical(BODY)).hex())
    assert told.read_told(beside(), HERE) == (("b-store", 3), "0" * 64)
    pulled = having(BODY, origin={"remote": "r"})
    assert told.read_told(relayed(pulled), HERE)[0] == ("b-store", 7)


@pytest.mark.parametrize(
    "body",
    [
        having(BODY, actor="a\0"), having(BODY, reason=5), having(BODY, reason="\0"), having(BODY, origin=[]), having(BODY, origin=3), having(BODY, origin=None),
        *(beside(**{name: value}) for name, values in {
            "store": (None, "", "with blanks in it", "plus+", "x" * 256, 5), "seq": (None, 0, True, "3", 1 << 53),
            "leaf": (None, "0" * 63, "G" * 64, ...), "at": (None, ..., "x", 1 << 60),
        }.items() for value in values),
        *(relayed(BODY, **changed) for changed in ({"body": None}, {"body": ...}, {"body": [1]}, {"leaf": "0" * 64}, {"seq": 8})),
        having(relayed(BODY), kind="alert_tags_updated"), relayed(having(BODY, origin=5)), relayed(having(BODY, origin={"store": "c"})),
    ],
)  # fmt: skip
def test_an_origin_that_is_none(body):
    with pytest.raises(BundleError, match=f"event {body['seq']} of the bundle"):
        told.read_told(body, HERE)


def test_as_it_was_made():
    assert (told.made_body(BODY), told.made_at(BODY)) == (BODY, 1_000_000)
    assert told.made_body(relayed(BODY)) == BODY
    assert told.made_at(beside()) == 5


@pytest.mark.parametrize(
    "body",
    [
        BODY,
        relayed(BODY),
        having(BODY, edits=..., changes={"severity": "an observation, which nothing is made of"}),
        having(BODY, kind="alert_closed", changes={"status": ["Open", "Closed"], "close_classification": [None, "Duplicate"]},
               edits=[EDIT | {"register": "lifecycle"}], sets={"closed_at": 5, "triaged_at": None}),
        having(BODY, kind="alert_reclassified", changes={"close_classification": ["Undetermined", "Duplicate"]},
               edits=[EDIT | {"register": "lifecycle"}]),
        having(BODY, kind="alert_malice_updated", changes={"malice_override": ["Benign", None]}, edits=[EDIT | {"register": "malice"}]),
        having(BODY, kind="alert_tags_updated", changes={"tags": [["a"], ["b" * 100_000]]}, edits=[EDIT | {"register": "tag:a"}]),
        having(BODY, changes=..., kind="alert_conflict_resolved", edits=[EDIT | {"value": ["Odd", "High"], "rtoken": "t", "rbase": "Odd"}]),
        having(BODY, changes=..., edits=[EDIT | {"register": "lifecycle", "value": [["Odd", "Odder"], ["Open", None]]}]),
        having(BODY, changes=..., edits=[EDIT | {"register": "malice", "value": [None, "Benign"]}]),
        having(BODY, changes=..., edits=[EDIT | {"register": "tag:x", "value": [True, False]}]),
    ],
)  # fmt: skip
def test_edits_that_there_are(body):
    told.check_edits(body)


@pytest.mark.parametrize(
    "body",
    [
        having(BODY, changes=[1]), having(BODY, edits=[]), having(BODY, edits=None), having(BODY, edits=[1]), having(BODY, edits=[EDIT, EDIT]),
        having(BODY, edits=[having(EDIT, register=5)]), having(BODY, edits=[having(EDIT, sup=...)]), having(BODY, edits=[having(EDIT, sup=["x"])]),
        having(BODY, edits=[having(EDIT, rtoken=5)]), having(BODY, edits=[having(EDIT, rtoken="t", rbase=[1])]), having(BODY, actor=5),
        having(BODY, kind="alert_ingested"), having(BODY, kind="alert_synced"), having(BODY, sets=5), having(BODY, sets={"closed_at": "x"}),
        having(BODY, sets={"triaged_at": 1 << 60}), having(relayed(BODY), edits=[EDIT | {"register": "malice"}]),
        *(having(BODY, changes={"severity": step}) for step in (None, ["Low"], ["Low", "Odd"], ["Low", None], ["Low", []])),
        having(BODY, changes={"title": ["a", "b"]}), having(BODY, changes={"tags": [[], ["a", "a"]]}), having(BODY, changes={"tags": [[], [" "]]}),
        having(BODY, changes={"tags": [[], [5]]}), having(BODY, changes={"tags": [[], "a"]}),
        *(having(BODY, edits=[EDIT | {"register": register}]) for register in ("lifecycle", "malice", "tag:a", "tag:", "title")),
        *(having(BODY, edits=[EDIT | {"value": value}]) for value in (None, ["High"], ["High", 5], ["High", None])),
        *(having(BODY, edits=[EDIT | {"register": "lifecycle", "value": [["Open", None], value]}]) for value in (None, ["Open"], [5, None], ["Open", 5])),
        having(BODY, edits=[EDIT | {"register": "tag:a", "value": [True, 1]}]), having(BODY, edits=[EDIT | {"register": "x", "value": [True, True]}]),
        *(having(BODY, changes=changes, edits=[EDIT | {"register": "lifecycle"}]) for changes in (
            {"status": ["Open", "Closed"]}, {"status": ["Closed", "Open"]}, {"close_classification": [None, "Duplicate"]},
            {"status": ["Open", "Triaging"], "close_classification": [None, "Duplicate"]},
        )),
    ],
)  # fmt: skip
def test_edits_that_there_cannot_be(body):
    with pytest.raises(BundleError, match=r"event \d+ of the bundle"):
        told.check_edits(body)


FIRST = {
    "seq": 2, "facts": {}, "changes": {"status": [None, "Open"], "enrichment_status": [None, "Pending"], "severity": [None, "Low"], "tags": [None, ["a"]]},
}  # fmt: skip


@pytest.mark.parametrize("facts", [{}, {"occurred_at_assumed": True, "predecessor": UUID}])
def test_a_first_event(facts):
    told.check_first(having(FIRST, facts=facts))


@pytest.mark.parametrize(
    "body",
    [
        having(FIRST, changes=...), having(FIRST, changes=FIRST["changes"] | {"status": [None, "Closed"]}),
        having(FIRST, changes=FIRST["changes"] | {"enrichment_status": ["Pending"]}),
        *(having(FIRST, changes=FIRST["changes"] | {"severity": step}) for step in (None, [None], [None, "Odd"], [None, []])),
        *(having(FIRST, changes=FIRST["changes"] | {"tags": step}) for step in (None, [None, None], [None, ["\0"]])),
        *(having(FIRST, facts=facts) for facts in ({"occurred_at_assumed": 1}, {"predecessor": "x"}, {"predecessor": [UUID]})),
    ],
)  # fmt: skip
def test_a_first_event_that_there_cannot_be(body):
    with pytest.raises(BundleError, match="event 2 of the bundle has a new alert"):
        told.check_first(body)


FINDING = {"id": UUID, "confidence": None, "evidence": None}


@pytest.mark.parametrize("finding", [FINDING, FINDING | {"confidence": "high", "evidence": '{"a":[1]}'}])
def test_a_finding(finding):
    told.check_finding(BODY, finding)


@pytest.mark.parametrize("changed", [{"id": "x"}, {"confidence": "sure"}, {"evidence": "[1]"}, {"evidence": "null"}])
def test_a_finding_that_there_cannot_be(changed):
    with pytest.raises(BundleError, match="a finding"):
        told.check_finding(BODY, FINDING | changed)


STARTED = {"seq": 2, "kind": "import_started", "facts": {"name": "f", "source_name": "s", "tz": "UTC"}}
TABLE = {"columns": ["a", "b"], "delimiter": ","}
FINISHED = {"seq": 3, "kind": "import_finished", "facts": {"notes": {}, "new": 0, "size": 9, "sha256": "0" * 64}}


def test_an_import():
    told.check_import(STARTED)
    told.check_import(having(STARTED, facts=STARTED["facts"] | TABLE | {"member": "data"}))
    told.check_import(FINISHED)
    told.check_import(having(FINISHED, facts={"notes": {"x": 1}, "fault": "it ended", "sha256": None}))


@pytest.mark.parametrize(
    "body",
    [
        having(STARTED, facts=...), *(having(STARTED, facts=STARTED["facts"] | changed) for changed in (
            {"name": None}, {"source_name": ["s"]}, {"member": 5}, {"columns": ["a"]}, {"delimiter": ","}, TABLE | {"columns": [5]},
            TABLE | {"columns": "a"}, TABLE | {"delimiter": ",,"}, TABLE | {"delimiter": 5},
        )),
        *(having(FINISHED, facts=having(FINISHED["facts"], **changed)) for changed in (
            {"new": "1"}, {"size": -1}, {"rejected": True}, {"fault": 5}, {"notes": ...}, {"notes": []}, {"sha256": 5}, {"sha256": "00"},
        )),
    ],
)  # fmt: skip
def test_an_import_that_there_cannot_be(body):
    with pytest.raises(BundleError, match="an import"):
        told.check_import(body)


def test_repeats_and_outcomes():
    told.check_repeat({"seq": 4, "facts": {"occurred_at": 5}})
    told.check_outcomes({"seq": 4})
    told.check_outcomes({"seq": 4, "facts": {"outcomes": [["severity", 3, "delivered"], ["tag:a", 3, "replaced"]]}})
    for facts in ({}, {"facts": {}}):
        with pytest.raises(BundleError, match="when it was"):
            told.check_repeat({"seq": 4} | facts)
    for outcomes in (
        None,
        {},
        [1],
        [[1, 2, "delivered"]],
        [["severity", "2", "delivered"]],
        [["severity", 2, "lost"]],
        [["severity", 2, []]],
        [["x"]],
    ):
        with pytest.raises(BundleError, match="an outcome"):
            told.check_outcomes({"seq": 4, "facts": {"outcomes": outcomes}})


BASE = {"status": "Odd", "close_classification": None, "severity": "Low", "malice_override": "Odd", "tags": ["a", "a", " "]}
HELD = ["severity", "policy", [3], "Low", "High"]


@pytest.mark.parametrize(
    "state",
    [
        {}, {"uuid": UUID, "created_at": "2024-05-01T12:00:00.5Z", "token": "t", "gone": True, "alone": True, "base": BASE, "observed": [HERE, 4], "settled": [["severity", [3], None], ["malice", [], "t"]]},
        {"held": [HELD, ["lifecycle", "peers", [], None, ["Open", None]], ["tag:a", "raced", [], True, False]]},
    ],
)  # fmt: skip
def test_what_is_known_of_the_remote(state):
    told.check_state(UUID, state)


@pytest.mark.parametrize(
    "state",
    [
        *({"uuid": uuid} for uuid in (5, "", "x", "../../v1/admin", UUID.upper(), UUID + "\n", UUID + "/findings", UUID[:-1])), {"token": []},
        *({"created_at": at} for at in (5, "", "yesterday", "2024-05-01T12:00:00", "2024-05-01T12:00:00Z\0")), {"token": 5}, {"alone": 1}, {"gone": 1}, {"base": []}, {"base": {}}, {"base": BASE | {"status": None}}, {"base": BASE | {"malice_override": 5}},
        {"base": BASE | {"tags": "a"}}, {"base": BASE | {"tags": [5]}}, {"settled": {}}, {"settled": [[]]}, {"settled": [["x", "y", None]]},
        {"settled": [["x", [3], 5]]}, {"settled": [[5, [3], None]]}, {"observed": 5}, {"observed": [HERE]}, {"observed": [5, 5]}, {"observed": [HERE, 0]},
        {"held": 5}, {"held": [5]}, {"held": [HELD[:4]]}, *({"held": [[*HELD[:place], value, *HELD[place + 1:]]]} for place, value in (
            (0, 5), (0, "x"), (1, 5), (1, "x"), (2, 5), (2, ["x"]), (3, []), (4, None), (4, [1]),
        )),
    ],
)  # fmt: skip
def test_what_nobody_knows_of_the_remote(state):
    with pytest.raises(BundleError, match=UUID):
        told.check_state(UUID, state)


def test_indicators_have_one_spelling():
    told.check_pairs(["ip:203.0.113.9", "url:http://a/b:c", "domain:a.example"])
    for pair in ("ip:203.0.113.09", "domain:A.example", "ip", "thing:x", "account:"):
        with pytest.raises(BundleError, match="spelling"):
            told.check_pairs([pair])


def test_another_event_is_named():
    assert "event 4 of store b-store is another here" in str(told.another_event(("b-store", 4)))
