"""How far a history had come, in one line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attrs import field, frozen

from alertstore.errors import AlertValidationError, FieldProblem

if TYPE_CHECKING:
    from attrs import Attribute

_ROOT = re.compile("[0-9a-f]{64}")


def _whole(_: object, attribute: Attribute[int], value: object) -> None:
    if type(value) is not int or value < 0:
        raise AlertValidationError([FieldProblem(attribute.name, "must be a whole number, 0 or more", value)])


def _digest(_: object, attribute: Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not _ROOT.fullmatch(value):
        raise AlertValidationError([FieldProblem(attribute.name, "must be 64 hexadecimal digits in lower case", value)])


@frozen
class Checkpoint:
    """The history in one line: how many events, and the root of their Merkle tree. Keep it outside the file."""

    size: int = field(validator=_whole)
    root: str = field(validator=_digest)
