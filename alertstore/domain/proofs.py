"""Proofs over the tree of the history: that an event is in a log, that a log is the beginning of a later one (RFC 9162, 2.1).

A proof is a handful of hashes that anyone can check without the store. It is worth what the root is worth that it ends in:
hashes alone do not even settle the size (the first leaf of three and of four has the same path), so the checker must
have roots and sizes from somewhere trusted: a checkpoint kept elsewhere, or the signed note that a proof may carry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import asdict, field, fields_dict, frozen

from alertstore.domain.events import LARGEST_BODY, canonical
from alertstore.domain.merkle import EMPTY_ROOT, HASH, Frontier, leaf_hash, node_hash, peak_places
from alertstore.domain.notes import LARGEST_NOTE, origin, read_checkpoint, read_note
from alertstore.domain.payload import check_depth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attrs import Attribute

Node = Callable[[int, int], bytes]
"""`node(end, level)`: the hash of the perfect subtree of 2**level leaves of which the leaf of event `end` is the last."""


def root_at(size: int, node: Node) -> bytes:
    """The root of the first `size` events, from the nodes of `peak_places(size)`."""
    return _subtree(0, size, node)


def inclusion_path(seq: int, size: int, node: Node) -> list[bytes]:
    """The hashes that lead from event `seq` (from 1) to the root of the first `size` events (RFC 9162, 2.1.3.1), leaf side first.

    Asks only for the largest perfect subtrees, so that a log of which a beginning before `seq` was pruned, all but its
    peaks, still has them. Raises ValueError where there is no such event.
    """
    if not 1 <= seq <= size:
        raise ValueError(f"no event {seq} among {size}")
    path, start, count = list[bytes](), 0, size
    while count > 1:
        left = _left_of(count)
        if seq <= start + left:
            path.append(_subtree(start + left, count - left, node))
            count = left
        else:
            path.append(_subtree(start, left, node))
            start, count = start + left, count - left
    return path[::-1]


def consistency_path(old: int, new: int, node: Node) -> list[bytes]:
    """The hashes that show the first `old` events to be the beginning of the first `new` (RFC 9162, 2.1.4.1).

    Empty where nothing needs to be shown: of no events, or of all. A log pruned up to `old` or before still has the nodes.
    Raises ValueError unless 0 <= old <= new.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a log of {old} events is not the beginning of one of {new}")
    if old in (0, new):
        return []
    path, start, count = list[bytes](), 0, new
    while old != start + count:
        left = _left_of(count)
        if old <= start + left:
            path.append(_subtree(start + left, count - left, node))
            count = left
        else:
            path.append(_subtree(start, left, node))
            start, count = start + left, count - left
    if start:  # else what is left is the whole old tree, whose root the checker has
        path.append(_subtree(start, count, node))
    return path[::-1]


def root_from_inclusion(seq: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """The root that a path leads to from a leaf hash (RFC 9162, 2.1.3.2); ValueError where it is not as long as it must be."""
    if not 1 <= seq <= size or not _are_hashes(leaf, *path):
        raise ValueError(f"no event {seq} among {size}, or a hash that is not {HASH} bytes long")
    place, last = seq - 1, size - 1
    for sibling in path:
        if not last:
            raise ValueError("the path is too long")
        if place & 1 or place == last:
            leaf = node_hash(sibling, leaf)
            place, last = _up_to_a_right_child(place, last)
        else:
            leaf = node_hash(leaf, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise ValueError("the path is too short")
    return leaf


def is_consistent(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether a path shows that the log with the new root begins with the log with the old one (RFC 9162, 2.1.4.2).

    A path that is too long or too short shows nothing. Every log begins with the empty one, and with itself: by an empty path.
    """
    if not 0 <= old_size <= new_size or not _are_hashes(old_root, new_root, *path):
        return False
    if old_size == new_size or not old_size:
        return not path and (old_size != new_size or old_root == new_root) and (old_size > 0 or old_root == EMPTY_ROOT)
    if not path:
        return False
    first, *rest = path if old_size & (old_size - 1) else (old_root, *path)  # a perfect old tree is itself where the path begins
    place, last = old_size - 1, new_size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    old = new = first
    for sibling in rest:
        if not last:
            return False
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            place, last = _up_to_a_right_child(place, last)
        else:
            new = node_hash(new, sibling)
        place, last = place >> 1, last >> 1
    return not last and old == old_root and new == new_root


def _subtree(start: int, count: int, node: Node) -> bytes:
    """The hash over the `count` leaves after the first `start` (a place where a subtree of that many can begin)."""
    return Frontier(count, {level: node(start + end, level) for end, level in peak_places(count)}).root()


def _left_of(count: int) -> int:
    """How many of `count` leaves (two or more) go to the left: the largest power of two that leaves some to the right."""
    return 1 << (count - 1).bit_length() - 1


def _up_to_a_right_child(place: int, last: int) -> tuple[int, int]:
    """Pass over the levels at which a node at the right edge has no sibling."""
    while place and not place & 1:
        place, last = place >> 1, last >> 1
    return place, last


def _are_hashes(*hashes: bytes) -> bool:
    return all(len(one) == HASH for one in hashes)


FORMAT = "alertstore-proof-1"
LARGEST_PROOF = 16 << 20
"""Characters of a proof's text: a body, and a note, of the largest size, each character of them escaped."""
LARGEST_COUNT = (1 << 53) - 1
"""Events, or the number of one: what event bodies, and every reader of JSON, can hold exactly."""
LONGEST_PATH = 64

_MOST_STRUCTURE = 4096  # characters outside strings; a proof of ours has a few hundred
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_HASH = re.compile("[0-9a-f]{64}")
_STORE_ID = re.compile("[!-*,-~]{1,255}")  # what a log can be named by: ASCII without spaces and plus signs


def _is_store(_: object, attribute: Attribute[str], value: object) -> None:
    if type(value) is not str or not _STORE_ID.fullmatch(value):
        raise ValueError(f"{attribute.name} is not the id of a store")


def _is_count(_: object, attribute: Attribute[int], value: object) -> None:
    if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
        raise ValueError(f"{attribute.name} is not a whole number from 0 to {LARGEST_COUNT}")


def _is_hash(_: object, attribute: Attribute[Any], value: object) -> None:
    if type(value) is not str or not _HASH.fullmatch(value):
        raise ValueError(f"{attribute.name} is not a hash of 64 hex digits, lower case")


def _is_path(_: object, attribute: Attribute[tuple[str, ...]], value: object) -> None:
    if type(value) is not tuple or len(value) > LONGEST_PATH:
        raise ValueError(f"{attribute.name} is not a list of {LONGEST_PATH} hashes or fewer")
    for one in value:
        _is_hash(None, attribute, one)


def _is_body(_: object, attribute: Attribute[str], value: object) -> None:
    if type(value) is not str or len(value.encode(errors="replace")) > LARGEST_BODY:
        raise ValueError(f"{attribute.name} is not text of {LARGEST_BODY} bytes or fewer")


def _is_note(_: object, attribute: Attribute[str | None], value: object) -> None:
    if value is not None and (type(value) is not str or len(value) > LARGEST_NOTE):
        raise ValueError(f"{attribute.name} is neither null nor text of {LARGEST_NOTE} characters or fewer")


@frozen
class InclusionProof:
    """That event `seq` of a store, with exactly this body, is among the first `size`, whose root is `root`.

    Hashes are lower-case hex. `note` is a signed checkpoint over that size and root, where there is one.
    """

    store_id: str = field(validator=_is_store)
    seq: int = field(validator=_is_count)
    size: int = field(validator=_is_count)
    root: str = field(validator=_is_hash)
    body: str = field(validator=_is_body)
    path: tuple[str, ...] = field(validator=_is_path)
    note: str | None = field(default=None, validator=_is_note)

    def check(self) -> None:
        """Raise ValueError, saying what, where something does not hold. Who signed the note is not looked at."""
        body = _body_of(self.seq, self.body)
        if root_from_inclusion(self.seq, self.size, leaf_hash(body), _raw(self.path)).hex() != self.root:
            raise ValueError(f"this event {self.seq} is not in the log of {self.size} events with the root {self.root}")
        _check_note(self)

    def to_json(self) -> str:
        """The proof as ASCII text, the same every time; `read_proof` reads it."""
        return _text_of("inclusion", self)


@frozen
class ConsistencyProof:
    """That a store's first `old_size` events, whose root was `old_root`, are the beginning of its first `size`, with `root`.

    Hashes are lower-case hex. `note` is a signed checkpoint over the new size and root, where there is one.
    """

    store_id: str = field(validator=_is_store)
    old_size: int = field(validator=_is_count)
    old_root: str = field(validator=_is_hash)
    size: int = field(validator=_is_count)
    root: str = field(validator=_is_hash)
    path: tuple[str, ...] = field(validator=_is_path)
    note: str | None = field(default=None, validator=_is_note)

    def check(self) -> None:
        """Raise ValueError, saying what, where something does not hold. Who signed the note is not looked at."""
        if not is_consistent(self.old_size, bytes.fromhex(self.old_root), self.size, bytes.fromhex(self.root), _raw(self.path)):
            raise ValueError(
                f"the log of {self.size} events with the root {self.root} is not shown to begin with "
                f"the log of {self.old_size} events with the root {self.old_root}"
            )
        _check_note(self)

    def to_json(self) -> str:
        """The proof as ASCII text, the same every time; `read_proof` reads it."""
        return _text_of("consistency", self)


_KINDS: dict[str, type[InclusionProof | ConsistencyProof]] = {"inclusion": InclusionProof, "consistency": ConsistencyProof}


def read_proof(text: str) -> InclusionProof | ConsistencyProof:
    """The proof that `to_json` wrote, well formed but not yet checked. Raises ValueError for anything else."""
    if len(text) > LARGEST_PROOF or len(_STRING.sub("", text)) > _MOST_STRUCTURE:
        raise ValueError("too large to be a proof")
    try:
        said = json.loads(text, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as why:
        raise ValueError(f"not a proof: not valid JSON: {why.msg} at character {why.pos}") from None
    except RecursionError:
        raise ValueError("not a proof: nested too deep") from None
    if type(said) is not dict or said.pop("format", None) != FORMAT:
        raise ValueError(f"not a proof of the format {FORMAT}")
    kind = said.pop("kind", None)
    if type(kind) is not str or kind not in _KINDS:
        raise ValueError(f"a proof is one of {', '.join(_KINDS)}")
    made = _KINDS[kind]
    if said.keys() != fields_dict(made).keys():
        raise ValueError(f"a proof of {kind} holds {', '.join(fields_dict(made))}, and nothing else")
    if type(said["path"]) is not list:
        raise ValueError("path is not a list")
    return made(**said | {"path": tuple(said["path"])})


def _text_of(kind: str, proof: InclusionProof | ConsistencyProof) -> str:
    return json.dumps({"format": FORMAT, "kind": kind, **asdict(proof)}, sort_keys=True, separators=(",", ":"))


_V = TypeVar("_V")


def _without_repeats(pairs: list[tuple[str, _V]]) -> dict[str, _V]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("not a proof: a key is there twice")
    return made


def _raw(path: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(one) for one in path]


def _body_of(seq: int, text: str) -> bytes:
    """The bytes of a body, if it is canonical JSON and says that it is event `seq`: readers must not see two events in one."""
    try:
        check_depth(text.encode())
        said: Any = json.loads(text)
        whole = type(said) is dict and canonical(said) == text.encode()
    except (ValueError, RecursionError):
        whole = False
    if not whole or type(said.get("seq")) is not int or said["seq"] != seq:
        raise ValueError(f"the body is not that of an event with the number {seq}")
    return text.encode()


def _check_note(proof: InclusionProof | ConsistencyProof) -> None:
    if proof.note is not None:
        signed = read_checkpoint(read_note(proof.note).text)
        if signed != (origin(proof.store_id), proof.size, bytes.fromhex(proof.root)):
            raise ValueError(f"the note is not about {proof.size} events of store {proof.store_id} with the root {proof.root}")
