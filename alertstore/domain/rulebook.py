"""What a file of rules may change: the tool's word on its rules, never what an analyst wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from alertstore.domain.alert import DetectionRule
    from alertstore.domain.drafts import NewRule

TOLD = ("name", "severity", "is_active", "mitre_tactics", "mitre_techniques", "mitre_subtechniques", "data_sources", "documentation")
"""The fields of a rule that a file tells."""

LOADED_FROM = "loaded_from"
"""The fact of an edit's event that says it came from a file, and which: by it, an analyst's edits are told apart."""


def wanted(rule: NewRule, kept: Collection[str]) -> dict[str, Any]:
    """What a file says of a rule, by field; without what it leaves open, and without the fields that are `kept`."""
    said = {name: getattr(rule, name) for name in TOLD if name not in kept}
    found = {name: tuple(value) if isinstance(value, list | tuple) else value for name, value in said.items()}
    return {name: value for name, value in found.items() if value is not None and value not in {"", ()}}


def edited_fields(edits: Iterable[Mapping[str, Any]], *, pruned: bool) -> set[str]:
    """The fields of a rule that a person edited, by the bodies of its edits' events.

    Where the rule was edited before and no event says how any more (`pruned`), all of them may be.
    """
    if pruned:
        return set(TOLD)
    return {name for body in edits if LOADED_FROM not in body.get("facts", {}) for name in body.get("changes", {})}


def filled(rule: NewRule, known: DetectionRule | None) -> NewRule:
    """A rule met in an alert; what its record leaves open is taken from the same rule as another tool has it."""
    if known is None:
        return rule
    gaps = {name: value for name in TOLD if name != "is_active" and not getattr(rule, name) and (value := getattr(known, name))}
    if rule.name == rule.source_rule_id:  # the record told its id alone
        gaps["name"] = known.name
    return evolve(rule, **gaps)
