"""Zeek: `notice.log`, as Zeek's own tab-separated log or as JSON (one object a line, streaming or archived)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alertstore.domain.drafts import NewAlert, NewRule
from alertstore.domain.vocabulary import Severity
from alertstore.sources.values import as_list, first, parse_time, text, texts

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.sources.base import Record

SEVERITIES = {
    "Notice::ACTION_ALARM": Severity.HIGH,  # Zeek rates nothing; a site can single notices out by their actions
    "Notice::ACTION_PAGE": Severity.HIGH,
    "Notice::ACTION_EMAIL": Severity.MEDIUM,
    "Notice::ACTION_EMAIL_ADMIN": Severity.MEDIUM,
}
# The connection's ends, and the notice's own, by the names of the log and those that shippers make of them.
_ADDRESSES = ("src", "dst", "id.orig_h", "id.resp_h", "id_orig_h", "id_resp_h")
FIELDS = {
    "title": ("msg", "note"),
    "severity": ("actions",),
    "occurred_at": ("ts",),
    "description": ("sub",),
    "indicators": _ADDRESSES,
    "rule": ("note",),
}
_STREAMS = ("_path", "@stream", "@path")
_COMPANIONS = ("ts", "src", "suppress_for", "uid")


class Zeek:
    """Notices of the network monitor Zeek."""

    name = "zeek"
    tool = "Zeek (notice.log)"
    signature = "note and msg columns or keys, of a stream called notice if it has a name"
    severities = SEVERITIES
    fields = FIELDS

    def claims(self, record: Record) -> bool:
        """A notice; other logs have no `note`."""
        if not isinstance(record.get("note"), str) or "msg" not in record:
            return False
        stream = first(record, _STREAMS)
        return stream in {"notice", "notice_alarm"} if stream else any(name in record for name in _COMPANIONS)

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The notice: its message is the title, its sub-message the description."""
        note_type = text(record.get("note"))
        title = text(record.get("msg")) or note_type
        if title is None:
            raise ValueError("a notice without note and msg")
        occurred_at, note = parse_time(record.get("ts"), tz)
        return NewAlert(
            title=title,
            severity=_severity(record.get("actions")),
            occurred_at=occurred_at,
            description=text(record.get("sub")),
            indicators=list(dict.fromkeys(("ip", value) for name in _ADDRESSES for value in texts(record.get(name)))),
            rule_id=note_type,
            notes=(note,) if note else (),
        )

    def rule(self, record: Record) -> NewRule | None:
        """The type of notice, which is all that Zeek has for a rule."""
        name = text(record.get("note"))
        return None if name is None else NewRule(name=name, source_rule_id=name, source_name=self.name)


def _severity(actions: Any) -> Severity:
    """The worst of the actions; Pending where none says anything. A log joins the set by commas."""
    words = [word for one in as_list(actions) for part in texts(one) for word in part.split(",")]
    return max((SEVERITIES[word] for word in words if word in SEVERITIES), key=lambda found: found.rank, default=Severity.PENDING)


SOURCE = Zeek()
