"""What a source hands in: an alert, and its detection rule, before the store has decided anything about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from alertstore.domain.vocabulary import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

# A NewAlert is made once a record on the hot path of an import: a plain slotted class, not a frozen one.


@define(eq=True)
class NewAlert:
    """One record of a tool, mapped. Text may still be hostile; indicators are typed but not normalised.

    `occurred_at` is in microseconds since the epoch (None: the record has no readable time); `indicators` are
    (type, value) pairs of the contract's types; `rule_id` is the tool's own id of the detection rule, as text;
    `notes` are short codes of what was assumed or dropped (see `sources.values`), counted by the import.
    """

    title: str
    severity: Severity = Severity.PENDING
    occurred_at: int | None = None
    description: str | None = None
    tags: Sequence[str] = ()
    indicators: Sequence[tuple[str, str]] = ()
    rule_id: str | None = None
    notes: Sequence[str] = ()


@define(eq=True)
class NewRule:
    """A detection rule as a record, or a caller, describes it; `severity` is the tool's own word, as text."""

    name: str
    source_rule_id: str | None = None
    source_name: str | None = None
    severity: str | None = None
    is_active: bool = True
    mitre_tactics: Sequence[str] = ()
    mitre_techniques: Sequence[str] = ()
    mitre_subtechniques: Sequence[str] = ()
    data_sources: Sequence[str] = ()
    run_frequency: str | None = None
    documentation: str | None = None
