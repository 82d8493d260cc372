"""What the tests of sources share."""

from __future__ import annotations

import pytest


@pytest.fixture
def placed():
    """A function that makes the objects and lists (`name[]`) around a value, as a dotted path names them."""

    def make(path, value):
        head, dot, rest = path.partition(".")
        inner = make(rest, value) if dot else value
        return {head.removesuffix("[]"): [inner] if head.endswith("[]") else inner}

    return make
