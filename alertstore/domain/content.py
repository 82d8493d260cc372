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


def alert_content(title: str, description: str | None, fingerprint: str, pairs: Iterable[str]) -> bytes:
    """Of a new alert; `pairs` are its indicators, sorted `type:value`."""
    text = "null" if description is None else quote(description)
    listed = ",".join(map(quote, pairs))
    return f'{{"description":{text},"fingerprint":"{fingerprint}","indicators":[{listed}],"title":{quote(title)}}}'.encode()


def record_content(record: str) -> bytes:
    """Of a record that reported an alert, by its SHA-256 (hex)."""
    return f'{{"record":"{record}"}}'.encode()


def refused_content(record: str, kept: str) -> bytes:
    """Of a record that could not be read: its SHA-256 (hex), and that of the bytes of it that were kept."""
    return canonical({"kept": kept, "record": record})


def indicators_content(pairs: Iterable[str]) -> bytes:
    """Of indicators added to an alert, sorted `type:value`."""
    return canonical({"indicators": list(pairs)})


def finding_content(finding: Mapping[str, Any]) -> bytes:
    """Of a finding: who, what, how sure, what to do, on what evidence."""
    text = {name: finding[name] for name in ("agent_name", "summary", "confidence", "recommended_action", "evidence")}
    return canonical(text)


def document_content(document: Mapping[str, Any]) -> bytes:
    """Of a context document."""
    return canonical({name: document[name] for name in ("title", "description", "content")})
