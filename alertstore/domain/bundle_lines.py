"""One line of a bundle: an alert with all that happened to it, or an event that the alerts need. Pure checks of what it says.

An event is believed for its body, which the bundle's proof finds in the history of the store that made it. Content is believed where
it opens what a body commits to. What is neither (aliases, the times and the source, a rule's name) must agree with the bodies where
they say it.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from alertstore.domain.content import alert_content, finding_content, indicators_content, record_content
from alertstore.domain.events import LARGEST_BODY, VERSION, canonical
from alertstore.domain.identity import commitment
from alertstore.domain.payload import LONGEST_RECORD, MAX_DEPTH, check_depth
from alertstore.domain.proofs import LARGEST_COUNT
from alertstore.domain.times import EARLIEST, LATEST

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_LINE = 64 << 20
"""Bytes, the line's end not counted."""

ALERT_KINDS = frozenset(
    {
        "alert_ingested", "alert_deduplicated", "alert_status_updated", "alert_closed", "alert_reclassified", "alert_severity_updated",
        "alert_tags_updated", "alert_malice_updated", "alert_conflict_resolved", "alert_finding_added", "alert_indicators_added",
        "alert_aliased", "alert_synced", "alert_enrichment_completed",
    }
)  # fmt: skip
"""What may have happened to an alert in a bundle. One that was deleted, redacted, or carried from a pruned history is in none."""

_LINE = {
    "uuid", "aliases", "source_name", "title", "description", "fingerprint", "occurred_at", "created_at", "rule", "events", "indicators",
    "records", "findings", "sync",
}  # fmt: skip
_FINDING = {"id", "agent_name", "summary", "confidence", "recommended_action", "evidence", "posted_at"}
_RULE_TEXT = {"name", "source_rule_id", "source_name", "severity", "run_frequency", "created_by", "documentation"}
_RULE_LISTS = {"mitre_tactics", "mitre_techniques", "mitre_subtechniques", "data_sources"}
_RULE = {"uuid", "is_active"} | _RULE_TEXT | _RULE_LISTS
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PRINT = re.compile("[0-9a-f]{32}")
_DIGEST = re.compile("[0-9a-f]{64}")
_LONG, _MOST_MARKS = 1 << 20, 6  # short values take many times their length in memory; no line of ours has so many
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_SURROGATE = "\\ud"


class Leaf(NamedTuple):
    """An event as the proof needs it: its number, and the hash of its leaf."""

    seq: int
    hash: bytes


def _no_float(_: str) -> NoReturn:
    raise ValueError("a number that is not whole")


def _whole(digits: str) -> int:
    if len(digits) > 17 or abs(number := int(digits)) > LARGEST_COUNT:  # noqa: PLR2004 - the digits of 2^53, and a sign
        raise ValueError("a number beyond 2^53")
    return number


_decode = json.JSONDecoder(parse_int=_whole, parse_float=_no_float, parse_constant=_no_float).decode
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def encode_line(value: object) -> bytes:
    """The one way to spell a line: sorted keys, ASCII alone, no blanks; without the line's end."""
    return _encode(value).encode("ascii")


def parse_line(raw: bytes) -> Any:
    """What a line says. Raises ValueError where it is not spelled in the one way; so no key is there twice."""
    text = raw.decode("ascii")
    if len(text) > _LONG and _MOST_MARKS * sum(map(_STRING.sub("", text).count, "[{,")) > len(text):
        raise ValueError("more values than a line of its length has")
    try:
        said = _decode(text)
        if _encode(said) != text:
            raise ValueError("not JSON in its one spelling: sorted keys, ASCII alone, no blanks, no key twice")
    except RecursionError:
        raise ValueError("nested too deep") from None
    if _SURROGATE in text:
        canonical(said)  # raises for half of a pair, which no text can hold
    return said


def read_line(raw: bytes) -> Any:
    """What a line says that `parse_line` has taken before."""
    return _decode(raw.decode("ascii"))


def record_length(line: Mapping[str, Any]) -> int:
    """How many characters the records of an alert's line have, as the bundle spells them."""
    return sum(len(one.get("text", one.get("base64", ""))) for one in line["records"].values())


def raw_record(record: Mapping[str, Any]) -> bytes | None:
    """The bytes of a record as its tool wrote them; None where the bundle has only their digest."""
    if "text" in record:
        return str(record["text"]).encode()
    if "base64" in record:
        return b64decode(record["base64"], validate=True)
    return None


def check_event(one: Any) -> Leaf:
    """Check an event that is none of an alert. Raises ValueError."""
    seq, said, salt, leaf = _event(one)
    if said["kind"].startswith("alert_") or salt is not None:
        raise ValueError(f"event {seq} is one of an alert, or has a salt")
    return Leaf(seq, leaf)


def check_line(line: Any, store: str) -> list[Leaf]:
    """Check an alert's line in a bundle of a store (its id): the leaves of its events, in order. Raises ValueError, saying what, where
    something does not hold.
    """
    if type(line) is not dict or line.keys() != _LINE:
        raise ValueError(f"the line of an alert holds {', '.join(sorted(_LINE))}, and nothing else")
    _check_head(line)
    leaves, last = list[Leaf](), 0
    parts: dict[str, set[str]] = {"indicators": set(), "records": set(), "findings": set()}
    for number, one in enumerate(_list(line["events"], "events")):
        seq, said, salt, leaf = _event(one)
        kind = said["kind"]
        if kind not in ALERT_KINDS or (kind == "alert_ingested") != (number == 0):
            raise ValueError(f"event {seq}: an alert's history begins with alert_ingested, and has no other {kind!r}")
        if said["subject"] != line["uuid"] or seq <= last:
            raise ValueError(f"event {seq} is of another alert, or not in its place")
        last = seq
        leaves.append(Leaf(seq, leaf))
        content = _content(line, seq, said, parts)
        if content is not None:
            _check_opens(seq, said, salt, content)
        elif "content" in said:
            raise ValueError(f"event {seq}: a {kind} with content")
    if not leaves:
        raise ValueError("an alert without events")
    for name, seqs in parts.items():
        if line[name].keys() != seqs:
            raise ValueError(f"{name} of other events than have some")
    _check_against_events(line)
    _check_known(line, store)
    return leaves


def _event(one: Any) -> tuple[int, dict[str, Any], bytes | None, bytes]:
    """Number, parsed body, salt and leaf hash of an event that is well formed."""
    if type(one) is not dict or one.keys() != {"body", "salt"} or type(said := one["body"]) is not dict:
        raise ValueError("an event holds body and salt, and nothing else")
    seq, salt = said.get("seq"), one["salt"]
    if type(seq) is not int or seq < 1 or type(said.get("v")) is not int or said["v"] != VERSION:
        raise ValueError("an event without a number, or of another version")
    if not (type(said.get("kind")) is type(said.get("subject")) is type(said.get("actor")) is str):
        raise ValueError(f"event {seq} does not say what happened, to what, and who did it")
    _check_time(said.get("at"), f"event {seq}: at")
    body = canonical(said)
    if len(body) > LARGEST_BODY:
        raise ValueError(f"event {seq} is larger than an event may be")
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        check_depth(body)
    if salt is None:
        if "content" in said and said["kind"].startswith("alert_"):
            raise ValueError(f"event {seq} has content, and no salt to hold it against")
    elif type(salt) is not str or not _PRINT.fullmatch(salt) or "content" not in said:
        raise ValueError(f"event {seq}: a salt that is not 32 hex digits, or of no content")
    return seq, said, None if salt is None else bytes.fromhex(salt), sha256(b"\0" + body).digest()


def _check_head(line: Mapping[str, Any]) -> None:
    """What stands in front: the alert's names, text, times, rule."""
    _check_uuid(line["uuid"])
    for alias in _list(line["aliases"], "aliases"):
        _check_uuid(alias)
    _text(line["title"], "title")
    if line["description"] is not None:
        _text(line["description"], "description")
    if type(line["fingerprint"]) is not str or not _PRINT.fullmatch(line["fingerprint"]):
        raise ValueError("fingerprint is not 32 hex digits")
    for name in ("occurred_at", "created_at"):
        _check_time(line[name], name)
    if line["rule"] is not None:
        _check_rule(line["rule"])
    if line["sync"] is not None:
        _check_sync(line["sync"])
    for name in ("indicators", "records", "findings"):
        if type(line[name]) is not dict:
            raise ValueError(f"{name} is not an object")


def _content(line: Mapping[str, Any], seq: int, said: Mapping[str, Any], parts: Mapping[str, set[str]]) -> dict[str, bytes] | None:
    """The content that the line has for an event; None where events of its kind have none. Notes in `parts` what was looked at."""
    kind, key = said["kind"], str(seq)
    if kind == "alert_ingested":
        parts["indicators"].add(key)
        parts["records"].add(key)
        pairs = _pairs(line["indicators"].get(key), seq)
        return alert_content(line["title"], line["description"], line["fingerprint"], pairs, _record(line["records"].get(key), seq))
    if kind == "alert_deduplicated":
        parts["records"].add(key)
        return record_content(_record(line["records"].get(key), seq))
    if kind == "alert_indicators_added":
        parts["indicators"].add(key)
        return indicators_content(_pairs(line["indicators"].get(key), seq))
    if kind == "alert_finding_added":
        parts["findings"].add(key)
        return _finding(line["findings"].get(key), seq, said)
    return None


def _check_opens(seq: int, said: Mapping[str, Any], salt: bytes | None, content: Mapping[str, bytes]) -> None:
    """Hold content against what an event commits to."""
    committed = said.get("content")
    if salt is None or type(committed) is not dict or committed.keys() != content.keys():
        raise ValueError(f"event {seq} does not commit to {', '.join(content)}")
    for part, value in content.items():
        if commitment(salt, part, value) != committed[part]:
            raise ValueError(f"event {seq}: {part} is not what the event commits to")


def _pairs(pairs: Any, seq: int) -> list[str]:
    if type(pairs) is not list or not all(type(one) is str and ":" in one for one in pairs):
        raise ValueError(f"event {seq}: indicators are a list of type:value")
    if len(pairs) > 1 and sorted(set(pairs)) != pairs:
        raise ValueError(f"event {seq}: indicators out of order, or one twice")
    return pairs


def _record(record: Any, seq: int) -> str:
    """The digest (hex) of a record, which must be that of its bytes where they are there."""
    if type(record) is not dict or type(digest := record.get("sha256")) is not str or not _DIGEST.fullmatch(digest):
        raise ValueError(f"event {seq}: a record without its SHA-256")
    if len(record) > 1:
        if record.keys() != {"sha256", "text"} and record.keys() != {"sha256", "base64"}:
            raise ValueError(f"event {seq}: a record holds sha256, and text or base64, and nothing else")
        if type(record.get("text", "")) is not str or type(record.get("base64", "")) is not str:
            raise ValueError(f"event {seq}: a record that is no text")
        raw = raw_record(record) or b""
        if len(raw) > LONGEST_RECORD or sha256(raw).hexdigest() != digest:
            raise ValueError(f"event {seq}: its record is not what its SHA-256 says, or too long")
        if "base64" in record and b64encode(raw).decode() != record["base64"]:
            raise ValueError(f"event {seq}: base64 that is not spelled the one right way")
    return digest


def _finding(finding: Any, seq: int, said: Mapping[str, Any]) -> dict[str, bytes]:
    if type(finding) is not dict or finding.keys() != _FINDING:
        raise ValueError(f"event {seq}: a finding holds {', '.join(sorted(_FINDING))}, and nothing else")
    for name in ("agent_name", "summary"):
        _text(finding[name], name)
    for name in ("confidence", "recommended_action", "evidence"):
        if finding[name] is not None:
            _text(finding[name], name)
    _check_time(finding["posted_at"], "posted_at")
    if (finding["id"], finding["posted_at"]) != (_facts(said).get("finding"), said["at"]):
        raise ValueError(f"event {seq}: a finding with another id or time")
    if finding["evidence"] is not None:
        check_depth(finding["evidence"].encode())
        json.loads(finding["evidence"], parse_constant=_no_float)
    return finding_content(finding, finding["evidence"])


def _check_against_events(line: Mapping[str, Any]) -> None:
    """What the line says once more must be what its events say."""
    first = line["events"][0]["body"]
    facts, rule = _facts(first), line["rule"]
    found = (line["source_name"], line["occurred_at"], line["created_at"], rule and rule["uuid"])
    if found != (facts.get("source_name"), facts.get("occurred_at"), facts.get("created_at", first["at"]), facts.get("rule")):
        raise ValueError("source_name, occurred_at, created_at or the rule are not what the alert's first event says")
    _text(line["source_name"], "source_name")
    for one in line["events"]:
        if "occurred_at" in (said := _facts(one["body"])):
            _check_time(said["occurred_at"], "occurred_at")
    aliases = [_facts(one["body"]).get("uuid") for one in line["events"] if one["body"]["kind"] == "alert_aliased"]
    if not all(one in aliases for one in line["aliases"]) or not len(set(line["aliases"])) == len(line["aliases"]) == len(aliases):
        raise ValueError("aliases are not those that the alert's events say")


def _check_known(line: Mapping[str, Any], store: str) -> None:
    """What the line says of sync must be what the last event of it in the bundle's store says; nothing, where there is none."""
    events = [one["body"] for one in line["events"] if one["body"]["kind"] == "alert_synced"]
    if not events or line["sync"] is None:
        if events or line["sync"] is not None:
            raise ValueError("sync is said without an event alert_synced, or the event without it")
        return
    said, state = line["sync"], _facts(events[-1]).get("state")
    if canonical(said["state"]) != canonical(state):
        raise ValueError(f"sync: state is not what event {events[-1]['seq']} says")
    if said["observed"] != said["state"].get("observed", [store, events[-1]["seq"]]):
        raise ValueError(f"sync: observed is not what event {events[-1]['seq']} says, nor that event")


def _check_rule(rule: Any) -> None:
    if type(rule) is not dict or rule.keys() != _RULE or type(rule["is_active"]) is not bool:
        raise ValueError(f"a rule holds {', '.join(sorted(_RULE))}, and nothing else")
    _check_uuid(rule["uuid"])
    for name in _RULE_TEXT:
        if rule[name] is not None or name == "name":
            _text(rule[name], f"the rule's {name}")
    for name in _RULE_LISTS:
        for one in _list(rule[name], f"the rule's {name}"):
            _text(one, f"the rule's {name}")


def _check_sync(sync: Any) -> None:
    if type(sync) is not dict or sync.keys() != {"state", "observed"} or type(sync["state"]) is not dict:
        raise ValueError("sync holds state and observed, and nothing else")
    store, number = observed if type(observed := sync["observed"]) is list and len(observed) == 2 else (None, None)  # noqa: PLR2004 - a pair
    if type(store) is not str or type(number) is not int or number < 1:
        raise ValueError("sync: observed is a store and the number of an event")
    check_depth(canonical(sync["state"]))


def _facts(said: Mapping[str, Any]) -> Mapping[str, Any]:
    facts = said.get("facts", {})
    if type(facts) is not dict:
        raise ValueError(f"event {said['seq']}: facts are not an object")
    return facts


def _list(value: Any, what: str) -> list[Any]:
    if type(value) is not list:
        raise ValueError(f"{what} is not a list")
    return value


def _text(value: Any, what: str) -> None:
    if type(value) is not str or "\0" in value:
        raise ValueError(f"{what} is not text, or holds NUL")


def _check_uuid(value: Any) -> None:
    if type(value) is not str or not _UUID.fullmatch(value):
        raise ValueError("an alert, or a rule, without a uuid")


def _check_time(value: Any, what: str) -> None:
    if type(value) is not int or not EARLIEST <= value < LATEST:
        raise ValueError(f"{what} is not a time that a store can keep")
