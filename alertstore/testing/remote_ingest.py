"""How the fake remote reads a payload: `generic` as the remote does it; other tools as our own sources read them."""

from __future__ import annotations

from datetime import UTC
from hashlib import md5
from typing import TYPE_CHECKING, Any, NamedTuple

from alertstore.domain.vocabulary import IndicatorType
from alertstore.testing.remote_checks import Refused, moment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SEVERITIES = {word.lower(): word for word in ("Pending", "Informational", "Low", "Medium", "High", "Critical")} | {"info": "Informational"}
_FIELDS = {
    **dict.fromkeys(("src_ip", "dest_ip", "source_ip", "destination_ip", "ip"), "ip"),
    **dict.fromkeys(("domain", "hostname"), "domain"),
    "url": "url",
    **dict.fromkeys(("user", "username"), "account"),
    "email": "email",
    "md5": "hash_md5",
    "sha1": "hash_sha1",
    "sha256": "hash_sha256",
}
_HASHES = {32: "hash_md5", 40: "hash_sha1", 64: "hash_sha256"}
_TYPES = frozenset(map(str, IndicatorType))
_OTHERS = ("elastic", "sentinel", "splunk")


class Reading(NamedTuple):
    """What a payload says; a time (microseconds) that it does not say is None."""

    title: str
    severity: str
    occurred_at: int | None
    description: str | None
    tags: tuple[str, ...]
    indicators: tuple[tuple[str, str], ...]
    rule_id: str | None


def read(source: str, payload: Mapping[str, Any]) -> Reading:
    """A payload of a source the remote knows; `Refused` for another source, or a payload it does not take."""
    if source == "generic":
        if payload.get("title"):
            return _generic(payload)
    elif source not in _OTHERS:
        raise Refused(404, "UNKNOWN_SOURCE", f"Alert source '{source}' is not registered.")
    elif (found := _other(source, payload)) is not None:
        return found
    raise Refused(422, "INVALID_PAYLOAD", f"Payload does not match expected structure for source '{source}'.")


def fingerprint(title: str, source: str, indicators: Iterable[tuple[str, str]]) -> str:
    """By what the remote tells a duplicate."""
    pairs = "|".join(sorted({f"{kind}:{value}" for kind, value in indicators}))
    return md5(f"{title}\0{source}\0{pairs}".encode(), usedforsecurity=False).hexdigest()


def _generic(payload: Mapping[str, Any]) -> Reading:
    tags = payload.get("tags")
    rule_id = payload.get("rule_id") or payload.get("rule_name")
    return Reading(
        title=str(payload["title"]),
        severity=_SEVERITIES.get(str(payload.get("severity")).lower(), "Pending"),
        occurred_at=moment(payload.get("occurred_at")),
        description=None,
        tags=tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
        indicators=tuple(dict.fromkeys(_pairs(payload))),
        rule_id=rule_id.strip() or None if isinstance(rule_id, str) else None,
    )


def _pairs(payload: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    given = payload.get("indicators")
    for one in given if isinstance(given, list) else ():
        if isinstance(one, dict) and one.get("type") in _TYPES and one.get("value"):
            yield one["type"], str(one["value"]).strip()
    for name, kind in _FIELDS.items():
        if payload.get(name):
            yield kind, str(payload[name]).strip()
    digest = payload.get("hash")
    if isinstance(digest, str) and len(digest) in _HASHES:
        yield _HASHES[len(digest)], digest


def _other(source: str, payload: Mapping[str, Any]) -> Reading | None:
    """As our own source reads it: the remote's plugins differ in details that no test of sync rests on."""
    from alertstore.sources.registry import load_source  # noqa: PLC0415 - few tests send these

    tool = load_source(source, plugins=False)
    if not tool.claims(payload):
        return None
    try:
        found = tool.alert(payload, UTC)
    except ValueError:
        return None
    if found is None:
        return None
    return Reading(
        title=found.title,
        severity=str(found.severity),
        occurred_at=found.occurred_at,
        description=found.description,
        tags=tuple(found.tags),
        indicators=tuple(dict.fromkeys((str(kind), value) for kind, value in found.indicators)),
        rule_id=found.rule_id,
    )
