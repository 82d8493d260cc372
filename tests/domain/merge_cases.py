"""What merging looks at, made of a few words; and strategies for any of it."""

from __future__ import annotations

from attrs import evolve
from hypothesis import strategies as st

from alertstore.domain.link import Held, HeldKind, Link
from alertstore.domain.merge import Local, Move, Seen
from alertstore.domain.registers import LIFECYCLE, MALICE, SEVERITY, TAG, Edit, Registers
from alertstore.domain.syncpolicy import ANY, CHOICES, MAX, LifecycleRule, SyncPolicy

OPEN, TRIAGING, ESCALATED = ["Open", None], ["Triaging", None], ["Escalated", None]
DUPLICATE, UNDETERMINED, BARE = ["Closed", "Duplicate"], ["Closed", "Undetermined"], ["Closed", None]
A = f"{TAG}a"
SYSTEM = f"{TAG}sys:x"
CAME = Registers("Open", None, "Low", None, ())
TAKE_ALL = SyncPolicy((LifecycleRule(ANY, ANY, "take_local"),), "take_local", "take_local", ())
LEAVE_ALL = SyncPolicy((LifecycleRule(ANY, ANY, "take_remote"),), "take_remote", "take_remote", ())
HOLD_ALL = SyncPolicy((LifecycleRule(ANY, ANY, "hold"),), "hold", "hold", ())

VALUES = {
    LIFECYCLE: [OPEN, TRIAGING, ESCALATED, DUPLICATE, UNDETERMINED],
    SEVERITY: ["Pending", "Low", "High", "Critical"],
    MALICE: [None, "Pending", "Benign", "Malicious"],
    A: [True, False],
    SYSTEM: [True, False],
}
STRANGE = {LIFECYCLE: [BARE, ["Closed", "Odd"], ["Parked", None]], SEVERITY: ["banana"], MALICE: ["Odd"]}
"""What only the remote says, or who took it over from there."""


def token(second):
    """The remote's updated_at, some seconds into its day; None for None."""
    return None if second is None else f"2026-01-01T00:{second // 60:02}:{second % 60:02}Z"


def edit(seq, register, value, before=None, sup=(), *, rbase=..., at=0, by="a"):
    """An edit by an author who saw the remote at second `at` (None: never), by default with the value that he changed."""
    before = OPEN if register == LIFECYCLE and before is None else before
    seen = before if rbase is ... else rbase
    return Edit(seq, (by, seq), register, value, before, tuple(sup), None if at is None else seen, token(at), "mia")


def local(*edits, came=CAME):
    """An alert with these edits; those that none of them replaces are the heads."""
    found, heads = {}, {}
    for one in edits:
        found.setdefault(one.register, {})[one.seq] = one
    for register, ones in found.items():
        heads[register] = sorted(ones.keys() - {below for one in ones.values() for below in one.sup})
    return Local(came, found, heads)


def seen(at, *moves, **said):
    """What the remote says at a second, by the registers that an alert came with; moves: oldest first."""
    return Seen(evolve(CAME, **said), token(at), tuple(reversed(moves)) if moves else None)


def status(value):
    """The registers of a lifecycle."""
    return {"status": value[0], "close_classification": value[1]}


def move(register, after, at, before=None, ours=False):
    return Move(register, before, after, token(at), ours)


def applied(body, registers):
    """The remote's registers after a PATCH, by its rules: what is null is left alone, a reset comes before an override."""
    said = {name: value for name, value in body.items() if value is not None}
    if said.pop("reset_malice_override", False):
        said["malice_override"] = None
    return evolve(registers, **{**said, "tags": tuple(said.get("tags", registers.tags))})


def forgetful(found):
    """The same, with every mapping in another order."""
    turned = {register: dict(reversed(ones.items())) for register, ones in reversed(found.edits.items())}
    return Local(found.came, turned, dict(reversed(found.heads.items())))


tokens = st.integers(0, 6)


def values(register, *, strange=False):
    return st.sampled_from(VALUES[register] + (STRANGE.get(register, []) if strange else []))


@st.composite
def remotes(draw):
    life = draw(values(LIFECYCLE, strange=True))
    tags = draw(st.lists(st.sampled_from(["a", "b", "sys:x", "", "a"]), max_size=4))
    severity, override = draw(values(SEVERITY, strange=True)), draw(values(MALICE, strange=True))
    kept = draw(st.sampled_from([life[1], "Duplicate"])) if life[0] != "Closed" else life[1]  # it stays there when it is reopened
    return Registers(life[0], kept, severity, override, tuple(tags))


@st.composite
def moves(draw):
    register = draw(st.sampled_from([LIFECYCLE, SEVERITY, MALICE]))
    at = draw(st.one_of(tokens.map(token), st.just("some day")))
    return Move(register, draw(values(register)), draw(values(register)), at, draw(st.booleans()))


@st.composite
def looks(draw):
    log = draw(st.none() | st.lists(moves(), max_size=5))
    return Seen(draw(remotes()), token(draw(tokens)), log)


@st.composite
def locals_(draw):
    """Any edits, each on some of those before it, as stores that know of some of each other's would make them."""
    edits = []
    for seq in range(1, draw(st.integers(0, 7)) + 1):
        register = draw(st.sampled_from(list(VALUES)))
        below = [one.seq for one in edits if one.register == register]
        sup = draw(st.lists(st.sampled_from(below), unique=True, max_size=2)) if below else []
        value, before, rbase = (draw(values(register, strange=strange)) for strange in (seq % 3 == 0, False, True))
        edits.append(edit(seq, register, value, before, sup, rbase=rbase, at=draw(st.none() | tokens), by=draw(st.sampled_from("abc"))))
    return local(*draw(st.permutations(edits)), came=draw(remotes()).shown())


rules = st.builds(LifecycleRule, *[st.sampled_from(["*", "Open", "Triaging|Escalated", "Closed"])] * 2, st.sampled_from(CHOICES))
policies = st.builds(
    SyncPolicy,
    st.lists(rules, max_size=4).map(tuple),
    st.sampled_from([MAX, *CHOICES]),
    st.sampled_from(CHOICES),
    st.sampled_from([(), ("sys:",)]),
)
any_policy = st.one_of(policies, st.sampled_from([SyncPolicy(), TAKE_ALL, LEAVE_ALL, HOLD_ALL]))


@st.composite
def links(draw, found, outcome):
    """How an alert may stand: some edits settled as `outcome(local, link, register, seqs)` does it, some held."""
    link = Link(uuid="r", base=draw(st.none() | remotes()), token=token(draw(tokens)))
    for register, ones in sorted(found.edits.items()):
        if draw(st.booleans()):
            link = outcome(found, link, register, tuple(draw(st.lists(st.sampled_from(sorted(ones)), min_size=1, unique=True))))
    held = []
    for register, seqs in sorted(link.pending(found.heads).items()):
        if kind := draw(st.none() | st.sampled_from(HeldKind)):
            held.append(Held(register, kind, seqs, draw(values(register, strange=True)), draw(values(register))))
    return evolve(link, held=tuple(held))
