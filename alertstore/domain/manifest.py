"""What lies beside a sealed store: which file, which digest, which history; one `name value` a line, in this order."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from attrs import asdict, frozen

from alertstore.domain.notes import note, origin, signature_line

if TYPE_CHECKING:
    from collections.abc import Callable

    Public = bytes
    Sign = Callable[[bytes], bytes]

FIRST_LINE = "alertstore seal 1"


@frozen
class Manifest:
    """The facts of a sealed store. sha256 and bytes are of the file, events and root of its history; sealed_at is RFC 3339.

    `sealed_by` stands as a JSON string, since an actor's name may hold anything.
    """

    store: str
    file: str
    bytes: int
    sha256: str
    events: int
    root: str
    sealed_at: str
    sealed_by: str
    alertstore: str
    sqlite: str

    def text(self) -> str:
        """The lines."""
        values = asdict(self) | {"sealed_by": json.dumps(self.sealed_by)}
        return "\n".join([FIRST_LINE, *(f"{name} {value}" for name, value in values.items())]) + "\n"

    def signed(self, public: Public, sign: Sign) -> str:
        """The lines as a C2SP signed note, under the name of the store's log."""
        name = origin(self.store)
        return note(self.text(), [signature_line(name, public, sign(self.text().encode()))])
