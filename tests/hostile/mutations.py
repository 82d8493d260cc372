"""Bytes and values gone wrong, from a seeded random generator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from corpus import HOSTILE, UNSTORABLE

import alertstore.samples

if TYPE_CHECKING:
    import random

SAMPLES = {path.name: path.read_bytes() for path in sorted(Path(next(iter(alertstore.samples.__path__))).iterdir()) if path.is_file()}
TEXTS = [*HOSTILE.values(), *UNSTORABLE]
TOKENS = [
    *(b"{", b"}", b"[", b"]", b'"', b"\\", b",", b":", b"\n", b"\r\n", b"\t", b"\0", b"#", b"'", b";", b" ", b"-", b"\xa6"),
    *(b"\xff", b"\xfe\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1f\x8b", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xc2\xa6", b"\x80"),
    *(b"\\u0000", b"\\ud800", b"\\udc00", b"\\x00", b'\\"', b'""', b"{}", b"[]", b"[{", b"}]", b"},{", b"}\n{", b'":'),
    *(b"null", b"true", b"NaN", b"Infinity", b"1e400", b"-0", b"9" * 400, b"1" * 5000, b"18446744073709551616", b"0x1"),
    *(
        b"#fields\t",
        b"#separator \\x09\n",
        b"#close",
        b"(empty)",
        b"-",
        b'"title":',
        b'"event_type":"alert"',
        b'"alerts":[',
        b"@@notable@@",
    ),
    b"[" * 70,
    b'{"a":' * 70,
]


def mutated(rng: random.Random, data: bytes) -> bytes:
    """The bytes after one to eight mishaps."""
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        at, span = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 16, 256))
        match rng.randrange(9):
            case 0 if data:
                at = min(at, len(data) - 1)
                data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
            case 1:
                data = data[:at] + data[at + span :]
            case 2:
                data = data[:at] + data[at : at + span] * rng.choice((2, 3, 50)) + data[at + span :]
            case 3 | 4:
                data = data[:at] + rng.choice(TOKENS) + data[at + rng.choice((0, 0, 1, span)) :]
            case 5:
                data = data[:at] + rng.choice(TEXTS).encode("utf-8", "surrogatepass")[:2000] + data[at:]
            case 6:
                data = data[:at]
            case 7:
                data = data[:at] + rng.randbytes(span) + data[at + span :]
            case _:
                other = rng.choice(list(SAMPLES.values()))
                start = rng.randrange(len(other))
                data = data[:at] + other[start : start + 300] + data[at:]
    return data


PLAIN = (
    *("Open", "Closed", "High", "Benign", "eq", "in", "tags", "severity", "status", "title", "x", "", "Undetermined"),
    *(0, 1, -1, 64, 2**31, 2**53, 2**53 + 1, 2**63, -(2**63) - 1, 10**400, 10**5000, True, False, None),
    *(0.5, -0.0, 1e308, float("inf"), float("nan")),
    *(b"", b"bytes", b"\xff\0", bytearray(b"x"), range(3), object(), Ellipsis, int, 1j, frozenset("ab"), iter(())),
)
KEYS = ("a", 1, None, 2.5, (1,), b"x", "match_any", "match_all", "field", "op", "value")


def value(rng: random.Random, depth: int = 3):
    """A value of any type that a caller might hand in."""
    kind = rng.randrange(9 if depth else 6)
    if kind < 2:
        return rng.choice(PLAIN)
    if kind < 4:
        return rng.choice(TEXTS)
    if kind < 6:
        return "".join(rng.choices("ab\0\u202e\ud800;'\"{}[]%_*\n\U0001f600", k=rng.randrange(9)))
    parts = [value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind < 8:
        return rng.choice((parts, tuple(parts)))
    return {rng.choice((rng.choice(TEXTS), rng.choice(KEYS))): part for part in parts}
