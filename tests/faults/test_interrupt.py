"""Ctrl-C at any moment of a write: it is done or not, and the store goes on."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest

import alertstore
from alertstore import AlertStore
from alertstore.testing import FrozenClock, generic_alert, make_alert, seeded_ids

PACKAGE = str(Path(alertstore.__file__).parent)

WRITES = {
    "add": lambda store, uuid, n: store.add(generic_alert(title=f"t{n}", rule_id=f"R{n}")),
    "patch": lambda store, uuid, n: store.patch(uuid, tags=[str(n)], severity="Low" if n % 2 else "High"),
    "add_finding": lambda store, uuid, n: store.add_finding(uuid, f"seen {n}"),
    "delete_alert": lambda store, uuid, n: store.delete_alert(make_alert(store, n=n).uuid),
}


class Interrupt:
    """Raises KeyboardInterrupt at the n-th bytecode that is run inside the package."""

    def __init__(self, at):
        """Begin counting on entry."""
        self.at, self.number, self.where = at, 0, None

    def __enter__(self):
        self.before = sys.gettrace()
        sys.settrace(self.call)
        return self

    def __exit__(self, *_):
        sys.settrace(self.before)

    def call(self, frame, event, arg):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        frame.f_trace_opcodes = True
        return self.step

    def step(self, frame, event, arg):
        if event == "opcode" and self.where is None:
            self.number += 1
            if self.number == self.at:
                self.where = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
                sys.settrace(None)
                raise KeyboardInterrupt
        return self.step


def interrupted(folder, what, moments):
    """Interrupt a write at each of some moments, in a new store: what went wrong, (moment, place, events that are there)."""
    write, wrong = WRITES[what], []
    with AlertStore.open(folder / f"{moments[0]}.db", durability="normal", clock=FrozenClock(), ids=seeded_ids()) as store:
        uuid = make_alert(store).uuid
        begin = store.checkpoint().size
        write(store, uuid, 0)
        events = store.checkpoint().size - begin
        # delete_alert is preceded here by a write that adds what it deletes
        allowed = {0, events - 1, events} if what == "delete_alert" else {0, events}
        for n in moments:
            before = store.checkpoint().size
            with suppress(KeyboardInterrupt), Interrupt(n) as interrupt:
                write(store, uuid, n)
            after = store.checkpoint().size - before
            write(store, uuid, -n)
            if after not in allowed or not store.verify(depth="full").ok:
                wrong.append((n, interrupt.where, after))
        assert store.verify().problems == ()
    return wrong


@pytest.mark.parametrize("points", [pytest.param(40, id="short"), pytest.param(2_000, id="long", marks=pytest.mark.long)])
@pytest.mark.parametrize("what", WRITES)
def test_an_interrupt_at_any_bytecode(tmp_path, promise, what, points):
    with AlertStore.open(tmp_path / "s.db", durability="normal") as store:
        uuid = make_alert(store).uuid
        WRITES[what](store, uuid, 0)  # so that what is loaded when first used is not counted
        with Interrupt(0) as counted:
            WRITES[what](store, uuid, 1)
    moments = range(1, counted.number, max(1, counted.number // points))
    for k in range(0, len(moments), 50):
        assert interrupted(tmp_path, what, moments[k : k + 50]) == []
    promise("Ctrl-C at any bytecode: done or not done, and the store goes on", f"{what}: {len(moments):,} moments of {counted.number:,}")
