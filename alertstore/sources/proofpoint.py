"""Proofpoint TAP: messages with a threat in them and clicks on dangerous links, as the SIEM API gives them out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import as_dict, as_list, dig_text, dig_texts, hashes, lifted, parse_time, text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "malware": Severity.HIGH,  # classification of a threat
    "phish": Severity.HIGH,
    "impostor": Severity.HIGH,
    "toad": Severity.HIGH,  # an attack that goes on by telephone
    "spam": Severity.LOW,
    "quarantined": Severity.MEDIUM,  # of no class, yet held back
    "cleared": Severity.INFORMATIONAL,  # every threat has since been found to be none
}
_SCORES = (("malwareScore", "malware"), ("phishScore", "phish"), ("impostorScore", "impostor"), ("spamScore", "spam"))
_LIKELY = 50  # of 100: from here on a message is rather what a score says than not
_OVER = frozenset({"cleared", "falsepositive"})
_TIMES = ("messageTime", "clickTime")
_HELD = ("quarantineRule", "quarantineFolder")
_TYPED = (
    ("ip", "senderIP"),
    ("ip", "clickIP"),
    ("url", "url"),
    ("email", "sender"),
    ("email", "fromAddress"),
    ("email", "replyToAddress"),
    ("email", "recipient"),
)
_THREAT = ("threatsInfoMap[].classification", "threatsInfoMap[].threatStatus", "classification", "threatStatus")
_CLASSED = [*_THREAT, *_HELD, *(name for name, _ in _SCORES)]
FIELDS = {
    "title": [*_CLASSED, "subject", "url", *_TIMES],  # which time there is tells a message from a click
    "severity": _CLASSED,
    "occurred_at": _TIMES,
    "description": ["threatsInfoMap[].threat", "threatURL"],
    "tags": [],
    "indicators": [
        *(path for _, path in _TYPED),
        "threatsInfoMap[].threat",
        "threatsInfoMap[].threatType",
        "messageParts[].sha256",
        "messageParts[].md5",
        "messageParts[].disposition",
    ],
    "rule": _CLASSED,
}


class Proofpoint:
    """Messages and clicks of Proofpoint Targeted Attack Protection."""

    name = "proofpoint"
    tool = "Proofpoint TAP (messages, clicks)"
    signature = "messageTime with messageID and phishScore; or clickTime with classification and threatID"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A message, dangerous or not, or a click."""
        if "messageTime" in record:
            return "messageID" in record and "phishScore" in record
        return "clickTime" in record and "classification" in record and "threatID" in record

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The threat; None for a message that holds none, was not held back and scores low."""
        word = _class(record)
        if word is None:
            return None
        what = f"{word} message" if "messageTime" in record else f"{word} link clicked"
        about = dig_text(record, ("subject", "url"))
        occurred_at, note = parse_time(dig_text(record, _TIMES), tz)
        known = SEVERITIES.get(word)
        notes = ("severity_unknown",) if known is None else ()
        return NewAlert(
            title=what if about is None else f"{what}: {about}",
            severity=Severity.PENDING if known is None else known,
            occurred_at=occurred_at,
            description="\n".join(dig_texts(record, ("threatsInfoMap[].threat", "threatURL"))) or None,
            indicators=list(dict.fromkeys([*lifted(record, _TYPED), *_threats(record), *_attached(record)])),
            rule_id=word,
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The class of threat, which is all that TAP has for a rule."""
        word = _class(record)
        return None if word is None else NewRule(name=word, source_rule_id=word, source_name=self.name)


def _class(record: Record) -> str | None:
    """The worst class among the threats that still stand; without any threat, what quarantine and scores say."""
    threats = [record] if "clickTime" in record else [as_dict(one) for one in as_list(record.get("threatsInfoMap"))]
    told = [(text(one.get("threatStatus")) or "").lower() in _OVER for one in threats]
    words = [text(one.get("classification")) or "" for one, over in zip(threats, told, strict=True) if not over]
    classes = [word.lower() for word in words if word]
    if classes:
        return max(classes, key=lambda word: SEVERITIES.get(word, Severity.PENDING).rank)
    scores = [(score, word) for name, word in _SCORES if isinstance(score := record.get(name), (int, float)) and score >= _LIKELY]
    if scores:
        return max(scores)[1]
    if dig_text(record, _HELD) is not None:
        return "quarantined"
    return "cleared" if any(told) else None


def _threats(record: Record) -> Iterator[tuple[str, str]]:
    """Links and digests of attachments; TAP often writes links without `http://`, then their host is told."""
    for one in as_list(record.get("threatsInfoMap")):
        threat = as_dict(one)
        value = text(threat.get("threat")) or ""
        if text(threat.get("threatType")) == "url" and not any(hashes((value,))):
            yield ("url", value) if "://" in value else ("domain", value.partition("/")[0])
        else:
            yield from hashes((value,))


def _attached(record: Record) -> Iterator[tuple[str, str]]:
    for one in as_list(record.get("messageParts")):
        part = as_dict(one)
        if part.get("disposition") == "attached":
            yield from lifted(part, (("hash", "sha256"), ("hash", "md5")))


SOURCE = Proofpoint()
