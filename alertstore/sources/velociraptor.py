"""Velociraptor: rows of detection artifacts (Sigma, YARA, DetectRaptor and the like) and alerts of the server's queue.

A row is known by its columns, since exports do not name the artifact. What other artifacts collect (processes, files,
event logs) is no alert, and not claimed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.eventlog import EVENT_FIELDS, add_indicators, declared, rule_notes, told
from alertstore.sources.values import as_dict, dig, first, json_text, parse_time, severity_word, techniques, text, texts

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "critical": Severity.CRITICAL,  # Level of a Sigma rule; Velociraptor itself rates nothing
    "high": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
    "informational": Severity.INFORMATIONAL,
    "info": Severity.INFORMATIONAL,
}
_SIGMA, _YARA, _DETECTION, _ALERT = "sigma", "yara", "detection", "alert"
# When it happened. Of a YARA hit no column says so, for the times of a file are not those of a hit; `_ts` is when it was told.
_TIMES = {
    _SIGMA: ("Timestamp", "EventTime", "_Event.System.TimeCreated.SystemTime", "_ts"),
    _YARA: ("_ts",),
    _DETECTION: ("EventTime", "Timestamp", "_ts"),
    _ALERT: ("event_data.EventTime", "event_data.Timestamp", "timestamp", "_ts"),
}
_LEVELS = {_SIGMA: "Level", _DETECTION: "Severity", _ALERT: "event_data.Severity"}  # a YARA rule has none
_PLACES = ("OSPath", "FullPath", "FileName", "ProcessName", "Pid")  # where a YARA rule hit
_NAMES = {_SIGMA: "Title", _YARA: "Rule", _DETECTION: "Detection", _ALERT: "name"}
_CELLS = ("_Event", "EventData", "Hash", "event_data", "Detection")  # objects, which a CSV holds as JSON text
_UNTOLD = frozenset({"Detection", "HitContext", "ClientId", "FlowId", *_TIMES[_DETECTION]})
FIELDS = {
    "title": [*_NAMES.values(), "Detection.Name", *_PLACES],
    "severity": list(_LEVELS.values()),
    "occurred_at": list(dict.fromkeys(path for paths in _TIMES.values() for path in paths)),
    "description": ["Details", "_Event.Message", "Meta", "event_data", "Message", "*"],  # of a detection all that it holds
    "tags": ["Tags[]"],
    "indicators": [*EVENT_FIELDS, *declared("*"), *declared("_Event.UserData")],
    "rule": [*_NAMES.values(), "Detection.Name", "artifact", *_LEVELS.values(), "Channel", "Meta", "Reference"],
}


class Velociraptor:
    """Detections of the forensic platform Velociraptor."""

    name = "velociraptor"
    tool = "Velociraptor (Sigma, YARA and other detection artifacts, server alerts)"
    signature = (
        "Title and Level with _Event, or with Channel and EID (Sigma); Rule and HitOffset (YARA); "
        "Detection with Reference, or with its own Name, or a client's id; name, timestamp and event_data (alerts)"
    )
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A row of a detection artifact, or an alert of the server."""
        return _kind(record) is not None

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The detection. A YARA rule's is named with the file or process it hit, so that each of those is there.

        None for rows of other artifacts.
        """
        kind = _kind(record)
        if kind is None:
            return None
        cells = _cells(record)
        name = _name(cells, kind)
        if name is None:
            raise ValueError(f"no {_NAMES[kind]}")
        severity, notes = severity_word(_level(cells, kind), SEVERITIES, Severity.PENDING)
        when = next((value for path in _TIMES[kind] if (value := dig(cells, path)) is not None), None)
        occurred_at, note = parse_time(when, tz)
        place = first(record, _PLACES) if kind == _YARA else None
        found: dict[tuple[str, str], None] = {}
        add_indicators(found, cells)
        add_indicators(found, as_dict(cells.get("_Event")))
        add_indicators(found, as_dict(cells.get("_Event")).get("UserData"))
        return NewAlert(
            title=f"{name} in {place}" if place else name,
            severity=severity,
            occurred_at=occurred_at,
            description=_description(cells, kind),
            tags=texts(record.get("Tags")),
            indicators=list(found),
            rule_id=_rule_id(cells, kind),
            notes=(*notes, *((note,) if note else ())),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The Sigma or YARA rule or the detection by its name, which is all that a row has of it; of an alert the artifact."""
        kind = _kind(record)
        cells = _cells(record)
        rule_id = None if kind is None else _rule_id(cells, kind)
        if kind is None or rule_id is None:
            return None
        meta = as_dict(json_text(record.get("Meta")))
        whole, parts = techniques([rule_id.partition("-")[0]])  # DetectRaptor's names begin with theirs
        links = [*texts(meta.get("reference")), *texts(record.get("Reference"))]
        return NewRule(
            name=rule_id,
            source_rule_id=rule_id,
            source_name=self.name,
            severity=text(_level(cells, kind)),
            mitre_techniques=whole,
            mitre_subtechniques=parts,
            data_sources=texts(record.get("Channel")) if kind == _SIGMA else [],
            documentation=rule_notes(text(meta.get("description")), references=links),
        )


def _kind(record: Record) -> str | None:
    """Which of the rows a record is; None for what is none of them."""
    if isinstance(record.get("Title"), str) and "Level" in record:
        return _SIGMA if "_Event" in record or ("Channel" in record and "EID" in record) else None
    if isinstance(record.get("Rule"), str) and "HitOffset" in record:
        return _YARA
    detection = record.get("Detection")
    if isinstance(detection, dict) and "Name" in detection and "EventTime" in record:
        return _DETECTION
    if isinstance(detection, str | dict) and ("Reference" in record or _of_client(record)):
        return _DETECTION
    if isinstance(record.get("name"), str) and "timestamp" in record and ("artifact" in record or "client_id" in record):
        return _ALERT if isinstance(record.get("event_data"), str | dict) else None
    return None


def _of_client(record: Record) -> bool:
    """Whether a row was taken from a collection: its client's id and its flow's begin like Velociraptor's."""
    client, flow = record.get("ClientId"), record.get("FlowId")
    return (isinstance(client, str) and client[:2] == "C.") or (isinstance(flow, str) and flow[:2] == "F.")


def _cells(record: Record) -> dict[str, Any]:
    """The record, with the objects that are text in it read."""
    read = {name: json_text(record[name]) for name in _CELLS if isinstance(record.get(name), str)}
    return {**record, **{name: value for name, value in read.items() if isinstance(value, dict)}}


def _name(cells: dict[str, Any], kind: str) -> str | None:
    value = cells.get(_NAMES[kind])
    return text(value.get("Name")) if isinstance(value, dict) else text(value)


def _level(cells: dict[str, Any], kind: str) -> Any:
    path = _LEVELS.get(kind)
    return None if path is None else dig(cells, path)


def _rule_id(cells: dict[str, Any], kind: str) -> str | None:
    return (text(cells.get("artifact")) if kind == _ALERT else None) or _name(cells, kind)


def _description(cells: dict[str, Any], kind: str) -> str | None:
    if kind == _SIGMA:
        details = cells.get("Details")
        return (told(details) if isinstance(details, dict) else text(details)) or text(dig(cells, "_Event.Message"))
    if kind == _YARA:
        return text(as_dict(json_text(cells.get("Meta"))).get("description"))
    if kind == _ALERT:
        return told(cells.get("event_data"))
    return text(cells.get("Message")) or told({name: value for name, value in cells.items() if name not in _UNTOLD})


SOURCE = Velociraptor()
