"""The header of the file, changed at random: it opens, or is refused by an error of ours; nothing else happens."""

from __future__ import annotations

from random import Random

import pytest

from alertstore import AlertStore, StorageError


def damaged(data, random):
    """A copy of a file with some bytes of its header changed, as an attacker or a failing disk would."""
    data = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        place = random.choice((random.randrange(100), random.randrange(16, 28), random.randrange(40, 72)))
        data[place] = random.choice((0, 1, 2, 0x7F, 0xFF, random.randrange(256)))
    if random.random() < 0.1:
        del data[random.randrange(len(data)) :]
    return data


def what_opening_comes_to(path, mode):
    """The error, if it is one that may come; None where the store opened."""
    try:
        with AlertStore.open(path, mode=mode) as store:
            store.count()
    except StorageError as fault:
        return fault
    return None


@pytest.mark.parametrize(("number", "seed"), [pytest.param(300, 1, id="short"), pytest.param(20_000, 2, id="long", marks=pytest.mark.long)])
def test_headers_at_random(case, number, seed, promise):
    data = case.read_bytes()
    refused = 0
    for n in range(number):
        random = Random(seed * 1_000_003 + n)
        case.write_bytes(damaged(data, random))
        for mode in ("ro", "rw"):
            fault = what_opening_comes_to(case, mode)
            assert fault is None or str(fault).isprintable(), (seed, n, fault)
            refused += fault is not None
        for one in case.parent.iterdir():
            one.unlink()
    assert refused > number
    promise(
        "A damaged or forged header is refused by name, or does no harm",
        f"{number:,} headers, {refused:,} of {2 * number:,} openings refused",
    )
