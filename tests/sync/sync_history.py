"""What the events of a store say of edits and of their way to the remote, read again without anything that merging uses."""

from __future__ import annotations

from attrs import define, field

CLOSED = "Closed"
BLANK = {"status": "Open", "close_classification": None, "severity": None, "malice_override": None, "tags": []}


@define(frozen=True)
class Edit:
    """An edit of a register, as the event says it. `id` names it in every store."""

    id: tuple
    alert: str
    register: str
    seq: int
    value: object
    before: object
    sup: tuple
    rbase: object


@define
class History:
    """What a store's events say: the edits by (alert, register, seq), their outcomes, how each alert stood last, what was raced."""

    edits: dict = field(factory=dict)
    outcomes: dict = field(factory=dict)
    states: dict = field(factory=dict)
    links: dict = field(factory=dict)
    came: dict = field(factory=dict)
    raced: set = field(factory=set)
    gone: set = field(factory=set)

    def pending(self):
        """The edits that nothing replaces and that have no outcome, by (alert, register)."""
        replaced = {(e.alert, e.register, seq) for e in self.edits.values() for seq in e.sup}
        found = {}
        for key, edit in self.edits.items():
            if key not in replaced and key not in self.outcomes:
                found.setdefault(key[:2], []).append(edit)
        return found

    def beneath(self, edit):
        """An edit and all that it replaces, directly or not."""
        found, left = {}, [edit.seq]
        while left:
            key = (edit.alert, edit.register, left.pop())
            if key in self.edits and key not in found:
                found[key] = self.edits[key]
                left += self.edits[key].sup
        return found


def value_of(registers, register):
    """One register of a mapping as `BLANK` has it, as JSON."""
    if register == "lifecycle":
        return [registers["status"], registers["close_classification"] if registers["status"] == CLOSED else None]
    if register.startswith("tag:"):
        return register[4:] in registers["tags"]
    return registers["malice_override" if register == "malice" else register]


def changed(registers, changes):
    """The registers after changes."""
    return registers | {name: step[1] for name, step in changes.items() if name in BLANK}


def history(store):
    """Read a store's events."""
    found, now = History(), {}
    for event in store.events():
        alert = event.subject
        if str(event.kind).startswith("alert_"):
            before = now.get(alert, BLANK)
            now[alert] = changed(before, event.body.get("changes") or {})
            _note(found, event, now[alert])
            for edit in _edits(event, store.id, before, now[alert]):
                found.edits[alert, edit.register, event.seq] = edit
    return found


def _note(found, event, after):
    """What an event says beside edits."""
    alert, facts = event.subject, event.body.get("facts") or {}
    if event.kind == "alert_ingested":
        found.came[alert] = after
    elif event.kind == "alert_deleted":
        found.gone.add(alert)
    elif event.kind == "alert_synced":
        state = found.states[alert] = facts["state"]
        if "uuid" in state:
            found.links.setdefault(alert, set()).add(state["uuid"])
        for register, seq, outcome in facts.get("outcomes", ()):
            found.outcomes.setdefault((alert, register, seq), []).append(outcome)
        found.raced |= {(state.get("uuid"), one[0]) for one in state.get("held", ()) if one[1] == "raced"}


def _edits(event, store_id, before, after):
    """The edits of an event; of one that another store made, by what that one says."""
    body = event.body
    origin = body.get("origin") or {}
    foreign = "body" in origin
    made = origin["body"] if foreign else body
    by = (origin["store"], origin["seq"]) if foreign else (store_id, event.seq)
    told = {one["register"]: one for one in made.get("edits", ())}
    for edit in body.get("edits", ()):
        register = edit["register"]
        said = told[register]
        if "value" in said:
            was, is_ = said["value"]
        elif foreign:
            was, is_ = _step(made["changes"], register)
        else:
            was, is_ = value_of(before, register), value_of(after, register)
        yield Edit(by, event.subject, register, event.seq, is_, was, tuple(edit["sup"]), said.get("rbase"))


def _step(changes, register):
    """What a register was and became by the changes of an event of another store, which tells only what changed."""
    whole = BLANK | {"status": CLOSED}  # a lifecycle edit without a status reclassifies
    steps = [whole | {name: step[k] for name, step in changes.items() if name in BLANK} for k in (0, 1)]
    return value_of(steps[0], register), value_of(steps[1], register)
