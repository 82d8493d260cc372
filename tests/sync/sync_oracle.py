"""What must hold of a world of syncing stores (`sync_world`), found out from histories and from what the remote saw only.

Nothing of the merging is used here: edits, what they replace and what became of them are read from the events again.
"""

from __future__ import annotations

from collections import Counter

from sync_history import BLANK, CLOSED, history, value_of

from alertstore.domain.plan import SyncResult

AUDITED = {"status": "lifecycle", "severity": "severity", "malice_override": "malice"}


def shown(alert):
    """The registers of an alert of a store."""
    return {
        "status": str(alert.status),
        "close_classification": None if alert.close_classification is None else str(alert.close_classification),
        "severity": str(alert.severity),
        "malice_override": None if alert.malice_override is None else str(alert.malice_override),
        "tags": sorted(alert.tags),
    }


def theirs(said):
    """The registers of an alert of the remote, as a store shows them."""
    found = {name: said[name] for name in BLANK} | {"tags": sorted(set(said["tags"] or ()))}
    return found | {"close_classification": found["close_classification"] if found["status"] == CLOSED else None}


def was_there(remote, uuids, register, value):
    """Whether one of the remote's alerts ever had the value."""
    for uuid in uuids:
        values = remote._shared.server.values.get(uuid)
        if values is None:
            continue
        if register == "lifecycle":
            had = [[status, verdict if status == CLOSED else None] for status, verdict in values.lifecycle]
        elif register.startswith("tag:"):
            had = [register[4:] in tags for tags in values.tags]
        else:
            had = getattr(values, register)
        if value in had:
            return True
    return False


def check_always(world):
    """What holds after every step: at most one outcome each (I2), what was delivered was there (I3), no edit moves twice (I4), nothing
    is reopened unseen (I5), nothing is shown that nobody wrote, and no edit disappears before its outcome (I13).
    """
    read = [history(node.store) for node in world.nodes]
    for node, told in zip(world.nodes, read, strict=True):
        for key, outcomes in told.outcomes.items():
            assert len(outcomes) == 1, f"I2: {key} of store {node.number} has the outcomes {outcomes}"
            assert key in told.edits, f"I2: {key} of store {node.number} has an outcome and is no edit"
            if outcomes[0] in {"delivered", "converged", "superseded"}:
                edit = told.edits[key]
                there = was_there(world.remote, told.links.get(edit.alert, ()), edit.register, edit.value)
                assert there, f"I3: {edit} of store {node.number} is said to be {outcomes[0]}, and the remote never had it"
        _nothing_made_up(world, node, told)
    _moved_once(world, read)
    return read


def _nothing_made_up(world, node, told):
    pending = told.pending()
    for item in node.store.alerts(limit=1000).items:
        now, state = shown(node.store.get(item.uuid)), told.states.get(item.uuid, {})
        held = {one[0] for one in state.get("held", ()) if one[1] != "raced"}
        for register in ("lifecycle", "severity", "malice", *(f"tag:{tag}" for tag in now["tags"])):
            value, mine = value_of(now, register), [e for (a, r, _), e in told.edits.items() if (a, r) == (item.uuid, register)]
            known = (
                value == value_of(told.came[item.uuid], register) or value in [e.value for e in mine] or value in [e.before for e in mine]
            )
            known = known or was_there(world.remote, told.links.get(item.uuid, ()), register, value)
            assert known, f"I13: store {node.number} shows {register} {value} of {item.uuid}, which nobody wrote"
        for (alert, register), edits in pending.items():
            if alert == item.uuid and register not in held:
                value = value_of(now, register)
                assert value in [e.value for e in edits], f"I13: {edits} of store {node.number} waits, and {value} is shown"


def _moved_once(world, read):
    """I4, I5: each edit accounts for one move of an audited field by the gateway of a store that has it, and for one by all of them."""
    excused = {(node, uuid, name) for node, uuid, name, *_ in world.races}
    ours = {node.gate.key_prefix: node.number for node in world.nodes}
    moves, everywhere = Counter(), Counter()
    for move in world.remote.moves:
        number = ours.get(move.key_prefix)
        if number is None or move.field not in AUDITED or move.uuid in world.loose or (number, move.uuid, move.field) in excused:
            continue
        value, register = move.after, AUDITED[move.field]
        moves[number, move.uuid, register, value] += 1
        everywhere[move.uuid, register, value] += 1
        if move.field == "status" and move.before == CLOSED and value != CLOSED:
            makers = _makers(read[number], move.uuid, register, value)
            seen = any(
                CLOSED in (e.before[0], (e.rbase or [None])[0], e.value[0]) for m in makers for e in read[number].beneath(m).values()
            )
            assert seen, f"I5: store {number} reopened {move.uuid} ({value}) for somebody who never saw it closed"
    for (number, uuid, register, value), times in moves.items():
        makers = _makers(read[number], uuid, register, value)
        assert times <= len(makers), f"I4: store {number} moved {register} of {uuid} to {value} {times} times for {makers}"
    for (uuid, register, value), times in everywhere.items():
        makers = {e.id for told in read for e in _makers(told, uuid, register, value)}
        assert times <= len(makers), f"I4: {register} of {uuid} was moved to {value} {times} times for {makers}"


def _makers(told, uuid, register, value):
    linked = {alert for alert, uuids in told.links.items() if uuid in uuids}
    first = (lambda v: v[0]) if register == "lifecycle" else (lambda v: v)
    return [e for e in told.edits.values() if e.alert in linked and e.register == register and first(e.value) == value]


def settle(world, rounds=8):
    """Take back all faults, let time pass, and sync until nobody has anything to do, where bundles are used with bundles from each to
    each. The number of rounds it took.
    """
    world.heal(300)
    for number in range(rounds):
        busy = []
        for k, node in enumerate(world.nodes):
            sent = len(world.remote.requests)
            done = world.sync(k, audit=True, force=world.disturbed)
            assert isinstance(done, SyncResult), f"store {node.number} cannot sync: {done!r}"
            assert not done.failed, f"store {node.number}: {done.failed}"
            busy += [*done.items, *world.writes(sent)]
            world.wait(1)
        if world.sticks:
            busy += exchange(world)
        if not busy:
            return number
    raise AssertionError(f"never quiet: {busy}")


def exchange(world):
    """Bundles of everything from each store to each other; those that brought something new."""
    first, brought = len(world.sticks), []
    for k in range(len(world.nodes)):
        world.export(k)
    for k, node in enumerate(world.nodes):
        for number, (whose, _) in enumerate(world.sticks[first:], first):
            if whose != k:
                before = history(node.store)
                done = world.carry(k, number)
                if history(node.store) != before:
                    brought.append(done)
    return brought


KNOWN = ("alerts", "edits", "edits that are done", "edits that wait", "conflicts")


def check_order(world):
    """I7: whoever takes in all bundles there are, in whatever order, comes to the same."""
    found = []
    for order in (world.sticks, world.sticks[::-1], world.sticks[1::2] + world.sticks[::2]):
        store = world.fresh()
        try:
            for _, path in order:
                store.import_bundle(path)
            assert store.verify().ok
            found.append(_known(store))
        finally:
            store.close()
    for other in found[1:]:
        for what, one, two in zip(KNOWN, found[0], other, strict=True):
            assert one == two, f"I7: the order of {len(world.sticks)} bundles matters to the {what}: {one} {two}"
    world.count["bundles in three orders"] += 1


def _known(store):
    """What a store knows, by names that mean the same in every store."""
    told = history(store)
    ids = {key: edit.id for key, edit in told.edits.items()}
    whole = [store.get(item.uuid) for item in store.alerts(limit=1000).items]
    names = {alert.uuid: frozenset({alert.uuid, *alert.aliases}) for alert in whole}
    alerts = {names[alert.uuid]: shown(alert) for alert in whole}
    outcomes = {
        (names[alert], register, ids[alert, register, seq]) for alert, register, seq in told.outcomes
    }  # two gateways may differ in which
    pending = {(names[alert], register): sorted(edit.id for edit in edits) for (alert, register), edits in told.pending().items()}
    conflicts = Counter((names[one.uuid], one.register, one.kind, str(one.remote), str(one.local)) for one in store.conflicts())
    return alerts, set(ids.values()), outcomes, pending, conflicts


def check_quiet(world):
    """What holds when all have synced: all show what the remote says (I1), every edit has an outcome or is listed (I2), nothing is sent
    any more (I11), no race went unnoticed (I18), and every store is sound.
    """
    for k, node in enumerate(world.nodes):
        sent = len(world.remote.requests)
        done = world.sync(k)
        before = node.store.checkpoint()
        again = world.sync(k)
        assert not [*done.items, *again.items], f"I11: store {node.number} finds something to do: {done.items} {again.items}"
        assert not world.writes(sent), f"I11: store {node.number} writes: {world.writes(sent)}"
        assert node.store.checkpoint() == before, f"I11: store {node.number} writes to its history for nothing"
    read = check_always(world)
    for node, told in zip(world.nodes, read, strict=True):
        _agrees(world, node, told)
        _all_accounted(world, node, told)
        report = node.store.verify()
        assert report.ok, report.problems
    _alike(world, read)
    _races_noticed(world, read)


def _alike(world, read):
    """I1: alerts of several stores that are one on the remote are shown alike, also where a person must decide."""
    shown_as = {}
    for node, told in zip(world.nodes, read, strict=True):
        for item in node.store.alerts(limit=1000).items:
            uuid = told.states.get(item.uuid, {}).get("uuid")
            if uuid is not None and world.remote.alert(uuid) is not None:
                now = shown(node.store.get(item.uuid))
                known = shown_as.setdefault(uuid, now)
                assert not world.sticks or known == now, f"I1: {uuid} is {now} in store {node.number}, {known} in one before"


def _agrees(world, node, told):
    kinds = {(one.uuid, one.register): one.kind for one in node.store.conflicts()}
    for item in node.store.alerts(limit=1000).items:
        state = told.states.get(item.uuid, {})
        uuid = state.get("uuid")
        if uuid is None:
            assert (item.uuid, "create") in kinds, f"I1: {item.uuid} of store {node.number} is not on the remote"
            continue
        said = world.remote.alert(uuid)
        assert (said is None) == bool(state.get("gone")), (
            f"I1: {uuid} is {'not ' if said is None else ''}there, store {node.number}: {state}"
        )
        if said is None:
            continue
        now, then = shown(node.store.get(item.uuid)), theirs(said)
        peers = {register for (alert, register), kind in kinds.items() if (alert, kind) == (item.uuid, "peers")}
        registers = {"lifecycle", "severity", "malice", *(f"tag:{tag}" for tag in (*now["tags"], *then["tags"]))} - peers
        for register in registers:
            ours, other = value_of(now, register), value_of(then, register)
            assert ours == other, f"I1: {register} of {item.uuid} is {ours} in store {node.number}, {other} on the remote; {state}"
    known = {uuid for uuids in told.links.values() for uuid in uuids}
    missing = set(world.remote.uuids()) - known
    assert not missing, f"I1: store {node.number} does not know {missing}"


def _all_accounted(world, node, told):
    """I2: every edit has its outcome, or is listed as waiting for a person, or its alert is gone."""
    listed = {(one.uuid, one.register): one.kind for one in node.store.conflicts()}
    pending = told.pending()
    waiting = {key for edits in pending.values() for edit in edits for key in told.beneath(edit)}
    for key, edit in told.edits.items():
        if key in told.outcomes or edit.alert in told.gone or (edit.alert, "create") in listed:
            continue
        assert key in waiting, f"I2: {edit} of store {node.number} was lost"
        assert key[:2] in listed, f"I2: {edit} of store {node.number} waits, and is not listed"
        world.count[f"left as {listed[key[:2]]}"] += 1
    for outcomes in told.outcomes.values():
        world.count[outcomes[0]] += 1


def _races_noticed(world, read):
    """I18: where our write undid what somebody had written after we looked, a conflict says so."""
    for number, uuid, name, before, after, body in world.races:
        if name not in AUDITED or uuid in world.loose or world.disturbed or name not in body:
            continue
        if after in (body[name], before):  # the same as ours, or as before
            continue
        world.count["undone unseen"] += 1
        assert (uuid, AUDITED[name]) in read[number].raced, f"I18: store {number} undid {before} -> {after} of {uuid} unnoticed: {body}"


def dump(world):
    """Everything that merging decides, without any time of a store's own."""
    found = []
    for node in world.nodes:
        told = history(node.store)
        alerts = {item.uuid: shown(node.store.get(item.uuid)) for item in node.store.alerts(limit=1000).items}
        held = sorted((one.uuid, one.register, one.kind, str(one.remote), str(one.local)) for one in node.store.conflicts())
        found.append((alerts, held, sorted(told.outcomes.items())))
    return found, {uuid: world.remote.alert(uuid) for uuid in world.remote.uuids()}, list(world.remote.moves)
