"""The bundle's MANIFEST: what a file for the stick holds, of which store and history; and the same in words, for people.

First line `alertstore bundle 1`, then one `name value` a line, then `member <sha256> <bytes> <name>` for each other member of the
archive. Where there is a key, all of it is a C2SP signed note under the name of the store's log. There is one way to spell it: what
is read is held against what would be written.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from attrs import asdict, field, fields, frozen
from attrs.validators import instance_of, matches_re

from alertstore.domain.notes import key_id, note, origin, read_note, signature_line
from alertstore.domain.proofs import LARGEST_COUNT
from alertstore.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from attrs import Attribute

    from alertstore.domain.notes import Note

FORMAT = 1
SCHEMA = 1
"""The version of what the lines hold. A later one may mean what this alertstore cannot know."""

README, MANIFEST, ALERTS, EVENTS, PROOF, VERIFIER = "README.txt", "MANIFEST", "alerts.jsonl", "events.jsonl", "proof.json", "verify.py"
MEMBERS = (README, MANIFEST, ALERTS, EVENTS, PROOF, VERIFIER)
"""Every member of the archive, in the order in which they are listed."""
WRITTEN = (ALERTS, EVENTS, PROOF, VERIFIER, README, MANIFEST)
"""The order in which they stand: each is known when all that it speaks of has been written."""

LARGEST_MANIFEST = 1 << 20
"""Bytes, signatures included."""

_FIRST_LINE = "alertstore bundle "
_HASH = "[0-9a-f]{64}"
_MOMENT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?Z"


class Member(NamedTuple):
    """One member of the archive, unpacked: its SHA-256 (hex), how many bytes it has, its name."""

    sha256: str
    size: int
    name: str


@frozen
class BundleFacts:
    """What is known of a bundle before it is written.

    store: the id of the store that makes it. size: how many events that store's history had. since: alerts that no event after that
    number concerns were left out. made_at: RFC 3339, in UTC. payloads: whether it holds the records as they came. alertstore: version.
    """

    store: str
    since: int
    size: int
    made_at: str
    made_by: str
    payloads: bool
    alertstore: str


def _is_count(_: object, attribute: Attribute[int], value: object) -> None:
    if type(value) is not int or not 0 <= value <= LARGEST_COUNT:
        raise ValueError(f"{attribute.name} is not a whole number from 0 to {LARGEST_COUNT}")


def _are_members(_: object, __: Attribute[tuple[Member, ...]], value: tuple[Member, ...]) -> None:
    if [one.name for one in value] != [name for name in MEMBERS if name != MANIFEST]:
        raise ValueError(f"a bundle has {', '.join(MEMBERS)}, and nothing else")
    if not all(re.fullmatch(_HASH, one.sha256) for one in value):
        raise ValueError("the digest of a member is not 64 hex digits")


@frozen
class BundleManifest:
    """What a bundle holds: its facts (see `BundleFacts`); the root (hex) of the history's first `size` events; how many alerts and
    events are in it, and records of those alerts; every other member. ValueError for what cannot be so.
    """

    store: str = field(validator=matches_re("[!-*,-~]{1,255}"))
    since: int = field(validator=_is_count)
    size: int = field(validator=_is_count)
    root: str = field(validator=matches_re(_HASH))
    made_at: str = field(validator=matches_re(_MOMENT))
    made_by: str = field(validator=instance_of(str))
    alerts: int = field(validator=_is_count)
    events: int = field(validator=_is_count)
    records: int = field(validator=_is_count)
    payloads: bool = field(validator=instance_of(bool))
    alertstore: str = field(validator=matches_re("[!-~]{1,64}"))
    members: tuple[Member, ...] = field(validator=_are_members)
    schema: int = field(default=SCHEMA)

    def text(self) -> str:
        """The lines."""
        said = asdict(self, recurse=False)
        members = said.pop("members")
        said |= {"made_by": json.dumps(self.made_by), "payloads": "yes" if self.payloads else "no"}
        lines = [f"{_FIRST_LINE}{FORMAT}", *(f"{name} {value}" for name, value in said.items())]
        return "\n".join([*lines, *(f"member {one.sha256} {one.size} {one.name}" for one in members)]) + "\n"

    def signed(self, public: bytes, sign: Callable[[bytes], bytes]) -> str:
        """The lines as a C2SP signed note, under the name of the store's log."""
        name = origin(self.store)
        return note(self.text(), [signature_line(name, public, sign(self.text().encode()))])

    @property
    def id(self) -> str:
        """What the bundle is called: the SHA-256 (hex) of its lines. Signatures make no other bundle of it."""
        return sha256(self.text().encode()).hexdigest()

    def member(self, name: str) -> Member:
        """What is said of a member."""
        return next(one for one in self.members if one.name == name)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The manifest that has these lines. Raises `BundleError` where a newer alertstore made it, ValueError for anything else."""
        check_format(text)
        names = [one.name for one in fields(cls) if one.name != "members"]
        lines = text.split("\n")[1:-1]
        said: dict[str, Any] = dict(_split(line) for line in lines[: len(names)])
        if list(said) != names:
            raise ValueError(f"the lines of the MANIFEST are {', '.join(names)}, then its members")
        for name in ("since", "size", "alerts", "events", "records", "schema"):
            said[name] = _whole(name, said[name])
        if said["schema"] > SCHEMA:
            raise _newer(f"what it holds is of version {said['schema']}")
        said |= {"made_by": json.loads(said["made_by"]), "payloads": said["payloads"] == "yes"}
        made = cls(**said, members=tuple(map(_member, lines[len(names) :])))
        if made.schema != SCHEMA or made.text() != text:
            raise ValueError("the MANIFEST is not spelled as alertstore spells it")
        return made


def read_manifest(content: bytes) -> tuple[BundleManifest, Note | None]:
    """The manifest in a member of that content, and the note that carries its signatures, where it has some.

    Raises `BundleError` where a newer alertstore made it, ValueError where it is none.
    """
    text = content.decode()
    check_format(text)
    if "\n\n" not in text:
        return BundleManifest.parse(text), None
    signed = read_note(text)
    return BundleManifest.parse(signed.text), signed


def check_format(text: str) -> None:
    """Look at the first line alone. Raises `BundleError` for a format that only a newer alertstore knows, ValueError for no bundle."""
    first = text.partition("\n")[0]
    number = first.removeprefix(_FIRST_LINE)
    if number == first or not re.fullmatch("[1-9][0-9]{0,8}", number):
        raise ValueError(f"the MANIFEST does not begin with {_FIRST_LINE}{FORMAT}")
    if int(number) > FORMAT:
        raise _newer(f"it is a bundle of format {number}")


def signers(signed: Note, log: str, keys: Iterable[str], is_signed: Callable[[bytes, bytes, bytes], bool]) -> list[str]:
    """Those keys (hex) that signed a note under the name of a log. `is_signed`: (public key, signature, message) -> bool."""
    raw = {key: bytes.fromhex(key) for key in keys}
    given = {(one.name, one.key_id): one.signature for one in signed.signatures}
    message = signed.text.encode()
    return [key for key, public in raw.items() if is_signed(public, given.get((log, key_id(log, public)), b""), message)]


def summary(facts: BundleFacts, alerts: int, edits: int, records: int) -> str:
    """README.txt: what lies there, for whoever finds it."""
    held = "with the records as they came" if facts.payloads else "without the records as they came: their digests alone"
    since = f", of those that changed after event {facts.since}" if facts.since else ""
    return f"""\
This is a bundle of security alerts, made by alertstore {facts.alertstore}.

From     the store {facts.store}, when its history had {facts.size} events
By       {json.dumps(facts.made_by)}
When     {facts.made_at}
Holds    {alerts} alerts{since}, {edits} edits of them, {records} records; {held}

Read it  Every file in here is text. {ALERTS} has one alert a line: what it says, everything that happened to it, its records.
         {EVENTS} has what happened in that store besides and is needed to understand it. {PROOF} proves that all of these
         events are in the history of that store, whose root {MANIFEST} names.
Check it python3 verify.py FILE.asb --key KEY      needs Python 3.11 and nothing else; KEY is the public key that you trust.
         Whoever made the bundle also put verify.py here: where that matters, use one that came some other way.
Take it  alertstore bundle import FILE.asb         in your own store; nothing is taken unless all of it holds. Taking it
         twice, or in another order than others, makes no difference.
"""


def _split(line: str) -> tuple[str, str]:
    name, _, value = line.partition(" ")
    return name, value


def _whole(name: str, digits: str) -> int:
    if not re.fullmatch("0|[1-9][0-9]{0,15}", digits):
        raise ValueError(f"{name} is not a whole number")
    return int(digits)


def _member(line: str) -> Member:
    word, digest, size, name = (line + "   ").split(" ", 3)
    if word != "member":
        raise ValueError("a line of the MANIFEST that is none of a member")
    return Member(digest, _whole("the size of a member", size), name.strip())


def _newer(what: str) -> BundleError:
    return BundleError(f"the bundle was made by a newer alertstore: {what}", advice="bring alertstore up to date, and read it with that")
