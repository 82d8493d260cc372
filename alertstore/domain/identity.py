"""Who is who: the fingerprint of an alert, the digest of a record, the names of things that have no event of their own."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import md5, sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID


def fingerprint(title: str, source_name: str, indicators: Iterable[tuple[str, str]]) -> str:
    """What makes two alerts the same: MD5 hex of title, NUL, source, NUL, and the sorted `type:value` joined by `|`.

    The remote's formula, equal for equal inputs. It tells alerts apart; it protects nothing.
    """
    return fingerprint_of(title, source_name, sorted(f"{kind}:{value}" for kind, value in indicators))


def fingerprint_of(title: str, source_name: str, pairs: Iterable[str]) -> str:
    """The fingerprint, from indicators that are already `type:value` and sorted."""
    return md5(f"{title}\0{source_name}\0{'|'.join(pairs)}".encode(), usedforsecurity=False).hexdigest()


def sequence_uuid(base: UUID, offset: int) -> str:
    """The uuid `offset` places after `base`, its version and variant kept: many ids from one that was asked for."""
    bits = base.int
    low = ((bits & _LOW) + offset) & _LOW
    digits = f"{bits & ~_LOW | low:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


_LOW = (1 << 62) - 1


def indicator_uuid(store_id: str, number: int) -> str:
    """The uuid of indicator `number` of a store: version 8 (RFC 9562), 60 bits of the store's id, then the number.

    Numbers are handed out in event order, so this name can always be derived again and needs no event and no index.
    """
    head = _store_bits(store_id)
    tail = f"{number:015x}"
    return f"{head[:8]}-{head[8:12]}-8{head[12:15]}-8{tail[:3]}-{tail[3:]}"


def indicator_number(store_id: str, uuid: str) -> int | None:
    """The number of the indicator with that uuid, or None where the uuid is not one of this store's indicators."""
    digits = uuid.replace("-", "").lower()
    head = _store_bits(store_id)
    if digits[:12] + digits[13:16] != head or digits[12] != "8" or digits[16] != "8" or not _NUMBER.fullmatch(digits[17:]):
        return None
    return int(digits[17:], 16)


_NUMBER = re.compile("[0-9a-f]{15}")


@lru_cache(maxsize=64)
def _store_bits(store_id: str) -> str:
    return sha256(store_id.encode()).hexdigest()[:15]


def salt(secret: bytes, number: int) -> bytes:
    """The salt of content number `number` (16 bytes) from a transaction's secret, which is not kept."""
    return sha256(secret + number.to_bytes(8, "big")).digest()[:16]


def part_salt(salt_bytes: bytes, part: str) -> bytes:
    """The salt of one part of an event's content (16 bytes), from the event's salt.

    To erase one part for good and keep the others provable, the event's salt gives way to the salts of those others.
    """
    return sha256(salt_bytes + part.encode()).digest()[:16]


def commitment(salt_bytes: bytes, part: str, content: bytes) -> str:
    """What an event says of a part of its content: hex SHA-256 of 0x10, the part's salt, the content's bytes."""
    # part_commitment(part_salt(salt_bytes, part), content), without the calls: it is made three times an event
    return sha256(b"\x10" + sha256(salt_bytes + part.encode()).digest()[:16] + content).hexdigest()


def part_commitment(salt_of_part: bytes, content: bytes) -> str:
    """The same, from the part's own salt."""
    return sha256(b"\x10" + salt_of_part + content).hexdigest()
