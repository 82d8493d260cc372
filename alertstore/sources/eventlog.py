"""What the readers of Windows event logs share: the typed fields of events, and the tags of Sigma rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from alertstore.sources.values import HASH_TYPES, TACTICS, hashes, tactics, techniques, text, texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EVENT_FIELDS = {
    "IpAddress": "ip",
    "SourceIp": "ip",
    "DestinationIp": "ip",
    "SourceAddress": "ip",
    "DestAddress": "ip",
    "DestinationAddress": "ip",
    "ClientAddress": "ip",
    "SourceNetworkAddress": "ip",
    "Address": "ip",
    "LocalIP": "ip",
    "RemoteIP": "ip",
    "QueryName": "domain",
    "Url": "url",
    "url": "url",
    "RemoteName": "url",
    "User": "account",
    "UserName": "account",
    "Username": "account",
    "AccountName": "account",
    "SubjectUserName": "account",
    "TargetUserName": "account",
    "SourceUser": "account",
    "TargetUser": "account",
    "ParentUser": "account",
    "Hashes": "hash",
    "Hash": "hash",
    "MD5": "hash",
    "SHA1": "hash",
    "SHA256": "hash",
}
"""Fields of Windows, Sysmon and PowerShell events that hold indicators, by their names there. Machines are left out."""

LONGEST_TOLD = 2_000
"""Characters of an event's fields in a description."""

_NOTHING = frozenset({"", "-", "N/A", "::", "0.0.0.0", "LOCAL", "localhost"})  # noqa: S104 - what events write for "no address"
_ATTACK = "attack."


def add_indicators(found: dict[tuple[str, str], None], data: Any, fields: Mapping[str, str] = EVENT_FIELDS) -> None:
    """Put the indicators of an event's fields into `found`, which keeps their order and each once.

    The fields may lie one object deeper, as those of `UserData` do. `fields` gives the indicator type by the field's name;
    the type `hash` is whichever its length tells.
    """
    if not isinstance(data, dict):
        return
    for name, value in data.items():
        if type(value) is dict:
            for inner, one in value.items():
                kind = fields.get(inner)
                if kind is not None:
                    _add(found, kind, one)
        elif (kind := fields.get(name)) is not None:
            _add(found, kind, value)


def declared(place: str, fields: Mapping[str, str] = EVENT_FIELDS) -> list[str]:
    """The paths that `add_indicators` reads of an object at that place."""
    return [f"{place}.{deeper}{name}" for name in fields for deeper in ("", "*.")]


def _add(found: dict[tuple[str, str], None], kind: str, value: Any) -> None:
    for one in texts(value):
        if kind == "hash":
            found.update(dict.fromkeys(hashes(digests(one))))
        elif one not in _NOTHING:
            found[kind, one] = None


def digests(value: str) -> list[str]:
    """The digests in `SHA1=…,MD5=…,IMPHASH=…`, or one by itself; an import hash is as long as an MD5, and none."""
    pairs = [piece.strip().rpartition("=") for piece in value.split(",")]
    return [digest for name, _, digest in pairs if len(digest) in HASH_TYPES and name.upper() != "IMPHASH"]


def told(*fields: Mapping[str, Any] | Any) -> str | None:
    """Fields of an event as one text, `Name: value ¦ Name: value`, at most `LONGEST_TOLD` characters; None without any."""
    parts, room = [], LONGEST_TOLD
    for data in fields:
        for name, value in data.items() if isinstance(data, dict) else ():
            shown = text(value)
            if shown is not None and room > 0:
                parts.append(f"{name}: {shown}"[:room])
                room -= len(parts[-1]) + 3
    return " ¦ ".join(parts) or None


@frozen
class SigmaTags:
    """A Sigma rule's tags, sorted out; `others` are those that say nothing of ATT&CK."""

    tactics: list[str]
    techniques: list[str]
    subtechniques: list[str]
    others: list[str]


def sigma_tags(tags: Iterable[str]) -> SigmaTags:
    """Sort out tags such as `attack.t1059.001`, `attack.defense_evasion`, `attack.s0002`, `cve.2021-44228`."""
    attack, others = [], []
    for tag in tags:
        if tag[: len(_ATTACK)].lower() == _ATTACK:
            attack.append(tag[len(_ATTACK) :])
        else:
            others.append(tag)
    whole, parts = techniques(attack)
    return SigmaTags([one for one in tactics(attack) if one in TACTICS], whole, parts, others)


def rule_notes(description: str | None, falsepositives: Any = None, references: Any = None) -> str | None:
    """What a rule says of itself, of its false positives, and where it refers to, in the form of a loaded Sigma rule."""
    lists = (("False positives", texts(falsepositives)), ("References", texts(references)))
    parts = [description, *("\n".join([f"{title}:", *(f"- {one}" for one in lines)]) for title, lines in lists if lines)]
    return "\n\n".join(filter(None, parts)) or None
