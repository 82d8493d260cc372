"""What our PATCH undid unseen: in every order in which ours and another change can have come, by the log that the remote keeps."""

from __future__ import annotations

import pytest
from attrs import evolve
from merge_cases import BARE, CAME, DUPLICATE, ESCALATED, OPEN, TRIAGING, UNDETERMINED, A, edit, local, move, seen, status

from alertstore.domain.races import races
from alertstore.domain.registers import LIFECYCLE, MALICE, SEVERITY

HIGH = local(edit(1, SEVERITY, "High", "Low"))
ESCALATE = local(edit(1, LIFECYCLE, ESCALATED, OPEN))
CLOSE = local(edit(1, LIFECYCLE, DUPLICATE, OPEN))


def raced(found, *log, now, looked=CAME):
    """Registers that were raced, where `log` is what the remote shows since we looked, at second 2."""
    register = next(iter(found.edits))
    said = status(now) if register == LIFECYCLE else {{SEVERITY: "severity", MALICE: "malice_override"}.get(register, "tags"): now}
    before = evolve(seen(2), registers=looked)
    return races({register: (1,)}, found, before, seen(9, *log, **said)).get(register, "nothing")


def ours(before, after="High", at=5):
    return move(SEVERITY, after, at, before, ours=True)


def theirs(before, after, at=4):
    return move(SEVERITY, after, at, before)


@pytest.mark.parametrize(
    ("log", "now", "undone"),
    [
        ((), "High", "nothing"),  # no log
        ((), "Low", "nothing"),  # it never came
        ((ours("Low"),), "High", "nothing"),
        ((ours("Low", at=1), theirs("High", "Low", 2)), "Low", "nothing"),  # all before we looked
        ((ours("Critical"),), "High", "Critical"),  # theirs was not logged
        ((theirs("Low", "Critical"), ours("Critical")), "High", "Critical"),
        ((theirs("Low", "Critical"), ours("Medium")), "High", "Medium"),
        ((theirs("Low", "Critical"), theirs("Critical", "Medium"), ours("Medium")), "High", "Medium"),
        ((theirs("Low", "Critical"), theirs("Critical", "Low"), ours("Low")), "High", "nothing"),  # they took it back themselves
        ((theirs("Low", "High"), ours("High")), "High", "nothing"),  # they wanted the same
        ((theirs("Low", "High"),), "High", "nothing"),
        ((ours("Low"), theirs("High", "Critical", 6)), "Critical", "nothing"),  # they came after us
        ((theirs("Low", "Medium"), ours("Medium"), theirs("High", "Critical", 6)), "Critical", "Medium"),
        ((theirs("Low", "Critical"),), "Critical", "nothing"),  # we never came
        ((theirs("Low", "Critical"),), "High", "Critical"),  # ours was not logged
        ((theirs("Low", "Critical"), ours("Low")), "High", "Critical"),  # both went from Low, ours came last
        ((ours("Low"), theirs("Low", "Critical", 6)), "High", "Critical"),  # likewise, though theirs began later
        ((theirs("Low", "Critical"), ours("Low")), "Critical", "nothing"),  # both went from Low, theirs came last
        ((theirs("Low", "Critical"), ours("Critical"), theirs("High", "Critical", 6)), "Critical", "nothing"),  # it is there again
        ((ours("Low"), theirs("High", "Critical", 6), theirs("Critical", "High", 7)), "High", "nothing"),
        ((theirs("Low", "Critical"), ours("Critical"), ours("High", at=6)), "High", "Critical"),
    ],
    ids=str,
)
def test_severity(log, now, undone):
    assert raced(HIGH, *log, now=now) == undone


def life(after, before, at=4, *, mine=False):
    return move(LIFECYCLE, after, at, [before, None], ours=mine)


@pytest.mark.parametrize(
    ("found", "log", "now", "undone"),
    [
        (ESCALATE, (life(ESCALATED, "Open", mine=True),), ESCALATED, "nothing"),
        (ESCALATE, (life(ESCALATED, "Closed", mine=True),), ESCALATED, BARE),  # which classification it was nobody can say
        (ESCALATE, (life(DUPLICATE, "Open"), life(ESCALATED, "Closed", 5, mine=True)), ESCALATED, DUPLICATE),
        (ESCALATE, (life(DUPLICATE, "Open"), life(ESCALATED, "Open", 5, mine=True)), ESCALATED, DUPLICATE),
        (
            ESCALATE,
            (life(TRIAGING, "Open"), life(ESCALATED, "Triaging", 5, mine=True), life(DUPLICATE, "Escalated", 6)),
            DUPLICATE,
            TRIAGING,
        ),
        (CLOSE, (life(UNDETERMINED, "Open"),), DUPLICATE, UNDETERMINED),  # ours only changed the classification, which is not logged
        (CLOSE, (life(UNDETERMINED, "Open"), life(DUPLICATE, "Open", 5, mine=True)), DUPLICATE, UNDETERMINED),
        (CLOSE, (life(DUPLICATE, "Open"), life(DUPLICATE, "Open", 5, mine=True)), DUPLICATE, "nothing"),
        (CLOSE, (life(DUPLICATE, "Open", mine=True),), DUPLICATE, "nothing"),
    ],
    ids=str,
)
def test_lifecycle(found, log, now, undone):
    assert raced(found, *log, now=now) == undone


def test_what_we_had_read_is_no_race_though_the_log_does_not_tell_all_of_it():
    closed = evolve(CAME, **status(UNDETERMINED))
    reopen = local(edit(1, LIFECYCLE, ESCALATED, UNDETERMINED))
    assert raced(reopen, life(ESCALATED, "Closed", mine=True), now=ESCALATED, looked=closed) == "nothing"


def test_overrides():
    reset = local(edit(1, MALICE, None, "Benign"))
    looked = evolve(CAME, malice_override="Benign")
    log = move(MALICE, "Malicious", 4, "Benign"), move(MALICE, None, 5, "Malicious", ours=True)
    assert raced(reset, *log, now=None, looked=looked) == "Malicious"
    assert raced(reset, log[1]._replace(before="Benign"), now=None, looked=looked) == "nothing"


def test_the_log_knows_nothing_of_tags_and_other_registers_are_none_of_it():
    assert raced(local(edit(1, A, True, False)), now=("a", "b")) == "nothing"
    assert raced(HIGH, life(DUPLICATE, "Open"), ours("Low"), now="High") == "nothing"


def test_each_register_of_a_patch_for_itself():
    found = local(edit(1, SEVERITY, "High", "Low"), edit(2, LIFECYCLE, ESCALATED, OPEN))
    log = theirs("Low", "Critical"), life(ESCALATED, "Open", 5, mine=True), ours("Critical")
    after = seen(9, *log, severity="High", **status(ESCALATED))
    assert races({SEVERITY: (1,), LIFECYCLE: (2,)}, found, seen(2), after) == {SEVERITY: "Critical"}
    assert races({}, found, seen(2), after) == {}
