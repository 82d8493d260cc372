"""Our canonical JSON against another implementation of RFC 8785."""

from __future__ import annotations

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from alertstore.domain.events import canonical
from alertstore.testing import hostile_text

NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1)
KEYS = st.text(st.characters(max_codepoint=0x7F), max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | hostile_text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_the_same_bytes(value):
    assert canonical(value) == rfc8785.dumps(value)


def test_every_character():
    for first in range(0, 0x110000, 0x400):
        text = "".join(chr(code) for code in range(first, first + 0x400) if not 0xD800 <= code < 0xE000)
        assert canonical(text) == rfc8785.dumps(text)
