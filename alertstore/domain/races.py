"""What a delivery may have undone unseen: changes that others made between our look and our PATCH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.merge import alike, moves_since, wanted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alertstore.domain.merge import Local, Seen
    from alertstore.domain.registers import Value


def races(sends: Mapping[str, Sequence[int]], local: Local, before: Seen, after: Seen) -> dict[str, Value]:
    """What our PATCH undid unseen: registers, with their value in between, that somebody changed after we looked and before it arrived.

    Our own move says from which value it went; where that is not the one we had read, somebody was there in between. Of two that
    overlapped, both say that they went from the same; the last one stays. `after` is what the remote says afterwards, with its moves.
    """
    found = {}
    for register, ours in wanted(local, sends).items():
        was, now = before.registers[register], after.registers[register]
        between = [was]
        for move in reversed(moves_since(register, after.moves or (), before.token)):
            if not move.ours:
                between.append(move.after)
            elif not any(alike(register, move.before, value) for value in (was, ours, between[-1])):
                between.append(move.before)
            if move.ours and now != ours:
                break  # whoever came after us did it on purpose
        else:
            if now != ours:
                continue  # we never came
        if not any(alike(register, between[-1], value) for value in (was, ours, now)):
            found[register] = between[-1]
    return found
