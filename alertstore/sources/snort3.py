"""Snort 3: `alert_json`, whichever of its fields are configured, and the lines of `alert_fast` (of Snort 2 as well).

Snort's own timestamp has no year unless it is told to write one (`show_year`), and then two digits of it. Without a year
there is no time, unless the field `seconds` tells it: a year is not guessed. Note code: `time_without_year`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.times import SECOND
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import parse_time, text, texts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    1: Severity.HIGH,  # priority, of the rule or its class; 1 is the most severe
    2: Severity.MEDIUM,
    3: Severity.LOW,
    4: Severity.INFORMATIONAL,  # and whatever a rule sets beyond
    0: Severity.PENDING,  # a rule without a class
}
_TIMES = ("timestamp", "seconds")
_ENDS = (("src_addr", "src_ap"), ("dst_addr", "dst_ap"))
_FENCE = "[**]"
_IDS = 3  # generator, signature, revision
_FRACTION = 6  # digits
_MONTHS = 12
_LONGEST_NUMBER = 9  # digits of a priority
FIELDS = {
    "title": ["msg", "rule", "gid", "sid", "text"],
    "severity": ["priority", "text"],
    "occurred_at": [*_TIMES, "text"],
    "description": ["class", "text"],
    "indicators": [*(field for fields in _ENDS for field in fields), "text"],
    "rule": ["rule", "gid", "sid", "msg", "priority", "text"],
}


class Snort3:
    """Alerts of the network detection engine Snort."""

    name = "snort3"
    tool = "Snort 3 (alert_json, alert_fast)"
    signature = "rule (gid:sid:rev), or gid and sid, with timestamp or seconds; or lines with [**] [gid:sid:rev] message [**]"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """An alert as an object or as a line."""
        line = record.get("text")
        if isinstance(line, str):
            return len(record) == 1 and _FENCE in line[:64] and _of_line(line) is not None
        if not any(name in record for name in _TIMES):
            return False
        return _three(record.get("rule")) is not None or ("rev" in record and _is_id(record.get("gid")) and _is_id(record.get("sid")))

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The alert; None for a line of something else, such as what Snort says when it starts.

        Times are the sensor's local time, without an offset.
        """
        line = record.get("text")
        if isinstance(line, str) and _FENCE not in line:
            return None
        told = _told(record)
        rule_id, full_id = _ids(told)
        title = text(told.get("msg")) or full_id
        if title is None:
            raise ValueError("no msg and no rule's ids")
        occurred_at, note = _when(told, tz)
        category = text(told.get("class"))
        return NewAlert(
            title=title,
            severity=_severity(told.get("priority")),
            occurred_at=occurred_at,
            description=None if category == "none" else category,
            indicators=[("ip", value) for fields in _ENDS for value in _address(told, *fields)],
            rule_id=rule_id,
            notes=(note,) if note else (),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The rule by its ids, as Suricata's: the signature's, with the generator's in front if that is not 1."""
        told = _told(record)
        rule_id, full_id = _ids(told)
        if rule_id is None or full_id is None:
            return None
        return NewRule(
            name=text(told.get("msg")) or full_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=text(told.get("priority")),
        )


def _told(record: Record) -> Mapping[str, Any]:
    line = record.get("text")
    return (_of_line(line) or {}) if isinstance(line, str) else record


def _of_line(line: str) -> dict[str, Any] | None:
    """`TIME [**] [gid:sid:rev] "message" [**] [Classification: C] [Priority: 3] {TCP} a:1 -> b:2` by the names of the JSON."""
    when, fence, rest = line.partition(_FENCE)
    middle, _, rest = rest.rpartition(_FENCE)
    ids, bracket, message = middle.strip().removeprefix("[").partition("]")
    if not fence or not bracket or _three(ids) is None:
        return None
    marks, brace, ends = rest.partition("{")
    protocol, _, ends = ends.partition("}")
    found: dict[str, Any] = {"timestamp": _year_first(when.strip()), "rule": ids, "msg": message.strip().strip('"')}
    for mark in marks.split("["):
        name, _, value = mark.strip().removesuffix("]").partition(": ")
        if name == "Classification":
            found["class"] = value
        elif name == "Priority":
            found["priority"] = value
    if brace:
        names = ("src_ap", "dst_ap") if protocol in {"TCP", "UDP"} else ("src_addr", "dst_addr")  # others have no ports
        found |= zip(names, (end.strip() for end in ends.split("->", 1)), strict=False)
    return found


def _year_first(stamp: str) -> str:
    """The timestamp of a line as Snort 3 writes it, `YY/MM/DD`. Snort 2 has `MM/DD/YY`: what can be a month is taken for one."""
    day, dash, clock = stamp.partition("-")
    month, *rest = day.split("/")
    if len(rest) == _IDS - 1 and month.isdecimal() and len(month) == 2 and int(month) <= _MONTHS:  # noqa: PLR2004 - digits
        return f"{rest[1]}/{month}/{rest[0]}{dash}{clock}"
    return stamp


def _is_id(value: Any) -> bool:
    return type(value) is int or (isinstance(value, str) and value.isdecimal())


def _three(value: Any) -> list[str] | None:
    """The parts of `gid:sid:rev`."""
    parts = value.split(":", _IDS) if isinstance(value, str) else []
    return parts if len(parts) == _IDS and all(part.isdecimal() for part in parts) else None


def _ids(told: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """The rule's id, and the same always with its generator's number in front."""
    gid, sid, *_ = _three(told.get("rule")) or (text(told.get("gid")), text(told.get("sid")))
    if sid is None:
        return None, None
    full = f"{gid or 1}:{sid}"
    return (sid if gid in {"1", None} else full), full


def _severity(value: Any) -> Severity:
    number = int(value) if isinstance(value, str) and value.isdecimal() and len(value) <= _LONGEST_NUMBER else value
    if type(number) is int:
        return SEVERITIES.get(number, Severity.INFORMATIONAL)
    return Severity.PENDING if value is None else Severity.INFORMATIONAL


def _address(told: Mapping[str, Any], alone: str, with_port: str) -> list[str]:
    """An end of the connection; an IPv6 address and its port are joined by a colon like any other."""
    return texts(told.get(alone)) or [one for value in texts(told.get(with_port)) if (one := value.rpartition(":")[0])]


def _when(told: Mapping[str, Any], tz: tzinfo) -> tuple[int | None, str | None]:
    """The packet's time: whole seconds of the epoch where they are told, to which the timestamp adds the fraction."""
    stamp = told.get("timestamp")
    day, _, clock = stamp.partition("-") if isinstance(stamp, str) else ("", "", "")
    seconds = told.get("seconds")
    if seconds is not None:
        micros, note = parse_time(seconds, tz)
        fraction = clock.rpartition(".")[2]
        exact = micros is not None and micros % SECOND == 0 and len(fraction) == _FRACTION and fraction.isdecimal()
        return (micros + int(fraction) if exact and micros is not None else micros), note
    numbers = day.split("/")
    if not clock or not all(len(number) == 2 and number.isdecimal() for number in numbers):  # noqa: PLR2004 - digits
        return parse_time(stamp, tz)
    if len(numbers) != _IDS:
        return None, "time_without_year"
    return parse_time(f"20{'-'.join(numbers)}T{clock}", tz)


SOURCE = Snort3()
