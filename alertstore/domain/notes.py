r"""Signed notes: a text, a blank line, signature lines; and the checkpoint, the text that says how far a log had come.

The formats are C2SP's signed-note and tlog-checkpoint, read strictly: what could be spelled two ways is refused. A log is
named `alertstore/` and its store's id, and signs under that name. Nothing here knows whether a signature is good.

    alertstore/0190c3a2-…
    1204
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — alertstore/0190c3a2-… base64(key id, signature)
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

from attrs import frozen

from alertstore.domain.merkle import HASH

if TYPE_CHECKING:
    from collections.abc import Iterable

ORIGIN = "alertstore/"
LARGEST_NOTE = 1 << 20
"""Bytes of a whole note."""
MOST_SIGNATURES = 100
LARGEST_SIZE = (1 << 63) - 1
"""Of a log, in events: what SQLite, and most readers of checkpoints, can count to."""

_ED25519 = b"\x01"
_PUBLIC = 32
_SIGNATURE = 64
_KEY_ID = 4
_DASH = "\N{EM DASH}"
_SIZE = re.compile("0|[1-9][0-9]{0,18}")
_CONTROL = re.compile("[\0-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@frozen
class Signature:
    """One signature line: the key's name and id (4 bytes), and the bytes that only the key's owner can tell the meaning of."""

    name: str
    key_id: bytes
    signature: bytes


@frozen
class Note:
    """A note: the text that was signed, its last newline included, and every signature, good or not."""

    text: str
    signatures: tuple[Signature, ...]


def origin(store_id: str) -> str:
    """The name of a store's log, and of the keys that sign for it."""
    return _named(ORIGIN + store_id)


def checkpoint_text(log: str, size: int, root: bytes) -> str:
    """What a checkpoint says: the log's name (see `origin`), how many events it has, the root hash over them."""
    if not 0 <= size <= LARGEST_SIZE or len(root) != HASH:
        raise ValueError(f"no checkpoint: size {size}, a root of {len(root)} bytes")
    return f"{_named(log)}\n{size}\n{_base64(root)}\n"


def read_checkpoint(text: str) -> tuple[str, int, bytes]:
    """The name, size and root (32 bytes) that a checkpoint says; extension lines are checked and left out.

    Raises ValueError for anything but the one spelling of them.
    """
    *lines, end = text.split("\n")
    if end or len(lines) < 3:  # noqa: PLR2004  # name, size, root
        raise ValueError("a checkpoint has at least three lines, each ended by a newline")
    if not all(line and line.isprintable() for line in lines):
        raise ValueError("a line of a checkpoint is empty, or holds what cannot be printed")
    name, size, root = lines[:3]
    if not _SIZE.fullmatch(size) or int(size) > LARGEST_SIZE:
        raise ValueError("the size of a checkpoint is not a plain decimal number below 2^63")
    hashed = _from_base64(root, "the root of a checkpoint")
    if len(hashed) != HASH:
        raise ValueError(f"the root of a checkpoint has {len(hashed)} bytes, not {HASH}")
    return name, int(size), hashed


def key_id(name: str, public: bytes) -> bytes:
    """The id (4 bytes) of an Ed25519 key (public, 32 bytes) under a name. It tells keys apart; it protects nothing."""
    if len(public) != _PUBLIC:
        raise ValueError(f"a public key of {len(public)} bytes, not {_PUBLIC}")
    return sha256(_named(name).encode() + b"\n" + _ED25519 + public).digest()[:_KEY_ID]


def signature_line(name: str, public: bytes, signature: bytes) -> str:
    """The line that carries an Ed25519 signature (64 bytes) by that key."""
    if len(signature) != _SIGNATURE:
        raise ValueError(f"a signature of {len(signature)} bytes, not {_SIGNATURE}")
    return f"{_DASH} {name} {_base64(key_id(name, public) + signature)}\n"


def note(text: str, lines: Iterable[str]) -> str:
    """A text with its signature lines; ValueError where the two would not be read back as they are."""
    made = text + "\n" + "".join(lines)
    if read_note(made).text != text:
        raise ValueError("a signature line is not one line, or the text does not end with a newline")
    return made


def read_note(text: str) -> Note:
    """The text and the signatures of a note. Raises ValueError where it is no note, or too large, or signed twice by one key."""
    if len(text) > LARGEST_NOTE or len(text.encode(errors="replace")) > LARGEST_NOTE:
        raise ValueError(f"a note of more than {LARGEST_NOTE} bytes")
    if _CONTROL.search(text):
        raise ValueError("a note holds control characters, or half of a surrogate pair")
    said, blank, signed = text.rpartition("\n\n")
    *lines, end = signed.split("\n")
    if not blank or not lines or end:
        raise ValueError("a note is a text, an empty line, and signature lines, each ended by a newline")
    if len(lines) > MOST_SIGNATURES:
        raise ValueError(f"a note with more than {MOST_SIGNATURES} signatures")
    signatures = tuple(map(_read_signature, lines))
    if len({(one.name, one.key_id) for one in signatures}) != len(signatures):
        raise ValueError("a note with two signatures by one key")
    return Note(said + "\n", signatures)


def vkey(name: str, public: bytes) -> str:
    """An Ed25519 public key as text, to be kept and handed on: its name, its id in hex and its bytes, joined by plus signs."""
    return f"{name}+{key_id(name, public).hex()}+{_base64(_ED25519 + public)}"


def read_vkey(text: str) -> tuple[str, bytes]:
    """The name and the public key (32 bytes) of such a text; ValueError where it is damaged or of another kind."""
    name, _, rest = text.partition("+")
    number, _, key = rest.partition("+")
    raw = _from_base64(key, "the key of a verifier key")
    if raw[:1] != _ED25519:
        raise ValueError("not the text of an Ed25519 key: name, eight hex digits and base64, joined by plus signs")
    public = raw[1:]
    if key_id(name, public).hex() != number:
        raise ValueError("a verifier key whose id is not that of its name and bytes")
    return name, public


def _read_signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, coded = rest.partition(" ")
    if dash != _DASH:
        raise ValueError("a signature line does not begin with an em dash and a space")
    raw = _from_base64(coded, "a signature")
    if len(raw) <= _KEY_ID:
        raise ValueError("a signature without a key id, or with nothing else")
    return Signature(_named(name), raw[:_KEY_ID], raw[_KEY_ID:])


def _named(name: str) -> str:
    """The name of a key or a log, if it is one: every space but the plain one is unprintable to Python."""
    if not name or not name.isprintable() or " " in name or "+" in name:
        raise ValueError("the name of a key is empty, or holds a space, a plus sign or what cannot be printed")
    return name


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()


def _from_base64(text: str, what: str) -> bytes:
    """The bytes of base64 in its one canonical spelling (alphabet, padding and unused bits)."""
    try:
        raw = b64decode(text, validate=True)
    except ValueError:  # other characters, or not a whole number of bytes
        raw = b""
    if _base64(raw) != text:
        raise ValueError(f"{what} is not base64, spelled the one right way")
    return raw
