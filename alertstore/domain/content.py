"""Content: what an event commits to and does not hold, so that it can be erased and the history still verifies.

Each function gives the canonical JSON (RFC 8785) of one kind of content, as bytes. Those of alerts and records are put
together by hand: they are made once a record in an import, and once an event in a verification.
"""

from __future__ import annotations

from json.encoder import encode_basestring as quote
from typing import TYPE_CHECKING, Any

from alertstore.domain.events import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def alert_content(title: str, description: str | None, fingerprint: str, pairs: Iterable[str], record: str) -> dict[str, bytes]:
    """Of a new alert: its text; its indicators (`pairs`, sorted `type:value`) and the fingerprint that they make; its record."""
    text = "null" if description is None else quote(description)
    listed = ",".join(map(quote, pairs))
    return {
        "indicators": f'{{"fingerprint":"{fingerprint}","indicators":[{listed}]}}'.encode(),
        "record": f'"{record}"'.encode(),
        "text": f'{{"description":{text},"title":{quote(title)}}}'.encode(),
    }


def record_content(record: str) -> dict[str, bytes]:
    """Of a record that repeated an alert, by its SHA-256 (hex)."""
    return {"record": f'"{record}"'.encode()}


def refused_content(record: str, kept: str, reason: str) -> dict[str, bytes]:
    """Of a record that could not be read: its SHA-256 (hex), that of the bytes of it that were kept, and why."""
    return {"kept": canonical(kept), "reason": canonical(reason), "record": canonical(record)}


def indicators_content(pairs: Iterable[str]) -> dict[str, bytes]:
    """Of indicators added to an alert, or of one that was judged: sorted `type:value`."""
    return {"indicators": canonical(list(pairs))}


def finding_content(finding: Mapping[str, Any], evidence: str | None) -> dict[str, bytes]:
    """Of a finding: who, what, how sure, what to do, on what evidence (the text of its JSON, as it is kept)."""
    text = {name: finding[name] for name in ("agent_name", "summary", "confidence", "recommended_action")}
    return {"finding": canonical(text | {"evidence": evidence})}


def document_content(document: Mapping[str, Any]) -> dict[str, bytes]:
    """Of a context document."""
    return {"document": canonical({name: document[name] for name in ("title", "description", "content")})}
