"""The policy of a sync: read from what a person wrote, told apart by its digest, and what it chooses."""

from __future__ import annotations

import json
from itertools import product

import pytest
from attrs import asdict, evolve, fields
from hypothesis import given
from hypothesis import strategies as st
from merge_cases import policies

from alertstore.domain.registers import LIFECYCLE, MALICE, SEVERITY
from alertstore.domain.syncpolicy import LifecycleRule, SyncPolicy
from alertstore.domain.vocabulary import AlertStatus, Severity
from alertstore.errors import AlertValidationError

limits = st.fixed_dictionaries(
    {
        "create": st.booleans(),
        "max_writes": st.integers(0, 1 << 53),
        "settle": st.integers(0, 99),
        "max_share": st.floats(0, 1) | st.sampled_from([0, 1]),
    }
)


def written(policy):
    """A policy as a TOML file would hold it."""
    said = asdict(policy, recurse=False)
    return {**said, "lifecycle": [rule._asdict() for rule in policy.lifecycle], "readonly_tags": list(policy.readonly_tags)}


@given(policies, limits)
def test_it_is_read_as_it_was_written(policy, more):
    policy = evolve(policy, **more)
    again = SyncPolicy.read(json.loads(json.dumps(written(policy))))
    assert (again, again.digest) == (policy, policy.digest)


def test_what_is_left_out_is_as_by_default():
    assert SyncPolicy.read({}) == SyncPolicy()
    assert SyncPolicy.read({"settle": 0, "max_share": 1}) == SyncPolicy(settle=0, max_share=1.0)
    assert SyncPolicy.read({"readonly_tags": ("x", "y"), "lifecycle": ()}) == SyncPolicy((), readonly_tags=("x", "y"))
    rule = {"remote": "*", "local": "Open|Closed", "do": "hold"}
    assert SyncPolicy.read({"lifecycle": rule}) == SyncPolicy.read({"lifecycle": [rule]})
    assert SyncPolicy(max_share=1).digest == SyncPolicy(max_share=1.0).digest


@pytest.mark.parametrize(
    ("given_", "wrong"),
    [
        ({"sverity": "max", "other": 1}, ["sverity", "other"]),
        ({"severity": "Max"}, ["severity"]),
        ({"severity": ["max"]}, ["severity"]),
        ({"severity": None}, ["severity"]),
        ({"malice": "max"}, ["malice"]),
        ({"malice": {}}, ["malice"]),
        ({"readonly_tags": "sys:"}, ["readonly_tags"]),
        ({"readonly_tags": [""]}, ["readonly_tags"]),
        ({"readonly_tags": ["x", 1]}, ["readonly_tags"]),
        ({"create": 1}, ["create"]),
        ({"max_writes": True}, ["max_writes"]),
        ({"max_writes": -1}, ["max_writes"]),
        ({"max_writes": 1.0}, ["max_writes"]),
        ({"settle": "30"}, ["settle"]),
        ({"max_share": -0.1}, ["max_share"]),
        ({"max_share": 1.1}, ["max_share"]),
        ({"max_share": float("nan")}, ["max_share"]),
        ({"max_share": True}, ["max_share"]),
        ({"max_share": None}, ["max_share"]),
        ({"lifecycle": "hold"}, ["lifecycle[0]"]),
        ({"lifecycle": [{"remote": "*", "local": "*", "do": "hold"}, {"remote": "*", "local": "*"}]}, ["lifecycle[1]"]),
        ({"lifecycle": [{"remote": "*", "local": "*", "do": "hold", "if": 1}, ["*", "*", "hold"]]}, ["lifecycle[0]", "lifecycle[1]"]),
        ({"lifecycle": [{"remote": "Opened", "local": "*", "do": "hold"}]}, ["lifecycle[0]"]),
        ({"lifecycle": [{"remote": "*", "local": "Open| Closed", "do": "hold"}]}, ["lifecycle[0]"]),
        ({"lifecycle": [{"remote": "*|Open", "local": "", "do": "hold"}]}, ["lifecycle[0]"]),
        ({"lifecycle": [{"remote": 1, "local": "*", "do": "hold"}]}, ["lifecycle[0]"]),
        ({"lifecycle": [{"remote": "*", "local": "*", "do": "max"}]}, ["lifecycle[0]"]),
        ({"lifecycle": [{"remote": "*", "local": "*", "do": []}], "create": 0, "settle": -5}, ["lifecycle[0]", "create", "settle"]),
    ],
    ids=str,
)
def test_what_is_no_policy_is_refused_with_all_that_is_wrong(given_, wrong):
    with pytest.raises(AlertValidationError) as refusal:
        SyncPolicy.read(given_)
    assert [problem.path for problem in refusal.value.problems] == wrong


OTHER = {
    "lifecycle": (LifecycleRule("*", "*", "hold"),), "severity": "hold", "malice": "take_local", "readonly_tags": (), "create": False,
    "max_writes": 501, "max_share": 0.25, "settle": 31,
}  # fmt: skip


def test_the_digest_tells_policies_apart():
    assert OTHER.keys() == {one.name for one in fields(SyncPolicy)}
    found = {SyncPolicy().digest} | {evolve(SyncPolicy(), **{name: value}).digest for name, value in OTHER.items()}
    assert len(found) == 1 + len(OTHER)
    assert {len(one) for one in found} == {12}
    parts = [LifecycleRule(*one) for one in (("*", "*", "hold"), ("Open", "*", "hold"), ("*", "Open", "hold"), ("*", "*", "take_local"))]
    assert len({SyncPolicy((one,)).digest for one in parts}) == 4
    assert SyncPolicy(tuple(parts)).digest != SyncPolicy(tuple(parts[::-1])).digest  # the first that fits decides


def test_the_lifecycle_by_default():
    """By the contract of the design: whatever concerns closing is left to a person, else the further one wins."""
    steps = ["Open", "Triaging", "Escalated"]
    for there, ours in product(AlertStatus, AlertStatus):
        if there == "Closed" or (ours == "Closed" and there != "Open"):
            expected = "hold"
        elif ours == "Closed":
            expected = "take_local"
        else:
            expected = "take_local" if steps.index(ours) > steps.index(there) else "take_remote"
        assert SyncPolicy().choose(LIFECYCLE, [there, None], [ours, None]) == expected


def test_the_first_rule_that_fits_decides_and_none_holds():
    policy = SyncPolicy((LifecycleRule("Open|Triaging", "Closed", "take_local"), LifecycleRule("Triaging", "*", "take_remote")))
    said = [
        policy.choose(LIFECYCLE, [there, None], [ours, None]) for there, ours in product(("Open", "Triaging", "Parked"), ("Closed", "Open"))
    ]
    assert said == ["take_local", "hold", "take_local", "take_remote", "hold", "hold"]


def test_severities():
    for there, ours in product(Severity, Severity):
        assert SyncPolicy().choose(SEVERITY, there.value, ours.value) == ("take_local" if ours.rank > there.rank else "take_remote")
        assert SyncPolicy(severity="hold").choose(SEVERITY, there.value, ours.value) == "hold"
    assert [SyncPolicy().choose(SEVERITY, *one) for one in [("?", "High"), ("High", "?"), ("?", "!")]] == ["take_remote"] * 3


def test_overrides_and_tags():
    assert SyncPolicy().choose(MALICE, None, "Benign") == "hold"
    assert SyncPolicy(malice="take_local").choose(MALICE, "Benign", None) == "take_local"
    assert [SyncPolicy().is_readonly(tag) for tag in ("sys:", "sys:x", "sys", "a-sys:", "SYS:x")] == [True, True, False, False, False]
    assert not SyncPolicy(readonly_tags=()).is_readonly("")
