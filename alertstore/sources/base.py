"""What a source is: one class that recognises a tool's records and maps them.

A source lives in one file, holds its tool's severity table, and is found by an entry point of the group
`alertstore.sources`. It sees records one at a time, already parsed: a JSON object as a dict, a CSV or TSV row as a
dict of strings. Reading files, compression, encodings and position keeping are `readers`' work.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from datetime import tzinfo

    from alertstore.domain.drafts import NewAlert, NewRule
    from alertstore.domain.vocabulary import Severity

Record = Mapping[str, Any]


@runtime_checkable
class Source(Protocol):
    """A tool whose alerts alertstore reads."""

    name: str
    """The `source_name` of its alerts, and what `--source` takes."""
    tool: str
    """The tool's name for people."""
    signature: str
    """How a record of it is recognised, in words."""
    severities: Mapping[Any, Severity]
    """The tool's own scale, mapped."""

    def claims(self, record: Record) -> bool:
        """Whether the record is this tool's, alert or not. Must be cheap and must never raise."""
        ...

    def alert(self, record: Record, tz: tzinfo) -> NewAlert | None:
        """The alert in a record, or None where the record is this tool's but no alert (a flow, a passed check).

        `tz` is the zone of times that carry no offset. Raises `ValueError` with a reason for a record that cannot be
        an alert; the import keeps it as rejected.
        """
        ...

    def rule(self, record: Record) -> NewRule | None:
        """The detection rule of an alert record; asked only the first time a `rule_id` is met."""
        ...


OUTPUTS = ("title", "severity", "occurred_at", "description", "tags", "indicators", "rule")
"""What a source maps a record to, by the names under which it declares what it reads."""


def mapped_fields(source: Source) -> Mapping[str, Sequence[str]]:
    """For each of `OUTPUTS` the dotted paths of the record that it is read from, the most preferred first.

    `[]` after a name means each item of a list, `*` any name. A source says so in an attribute `fields`, beside what the
    protocol asks for; of one that does not, nothing is known.
    """
    declared: Mapping[str, Sequence[str]] = getattr(source, "fields", {})
    return declared
