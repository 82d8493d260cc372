"""Targeting rules: which context documents belong to which alerts.

`{"match_any": [rule, ...], "match_all": [rule, ...]}`, a rule being `{"field", "op", "value"}` over source_name,
severity and tags. Both lists given: both must hold. No rules, or empty lists: every alert (the remote's language;
unlike there, gte and lte compare severities by their order).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from alertstore.domain.vocabulary import Severity
from alertstore.errors import FieldProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FIELDS = ("source_name", "severity", "tags")
OPERATORS = ("eq", "in", "contains", "gte", "lte")


def applies(rules: Mapping[str, Any] | None, *, source_name: str, severity: Severity, tags: Sequence[str]) -> bool:
    """Whether checked targeting rules name an alert with these values; a mismatch of types is false, never an error."""
    if not rules:
        return True
    values = {"source_name": source_name, "severity": severity, "tags": list(tags)}
    some, every = rules.get("match_any"), rules.get("match_all")
    if some and not any(_holds(rule, values[rule["field"]]) for rule in some):
        return False
    return not every or all(_holds(rule, values[rule["field"]]) for rule in every)


def _holds(rule: Mapping[str, Any], actual: Any) -> bool:
    op, wanted = rule["op"], rule["value"]
    if op == "eq":
        return bool(actual == wanted)
    if op == "in":
        return isinstance(wanted, list) and any(actual == one for one in wanted)
    if op == "contains":
        return isinstance(actual, list) and wanted in actual
    if isinstance(actual, Severity) and wanted in list(Severity):
        gap = actual.rank - Severity(wanted).rank
        return gap >= 0 if op == "gte" else gap <= 0
    return False


def problems(rules: object, path: str = "targeting_rules") -> Iterator[FieldProblem]:
    """Everything that is wrong with the shape of targeting rules; nothing where they are right or None."""
    if rules is None:
        return
    if not isinstance(rules, Mapping) or not rules or set(rules) - {"match_any", "match_all"}:
        yield FieldProblem(path, "must be an object with match_any, match_all or both, and nothing else", rules)
        return
    for name, listed in rules.items():
        if listed is not None and not isinstance(listed, list):
            yield FieldProblem(f"{path}.{name}", "must be a list of rules", listed)
            continue
        for k, rule in enumerate(listed or ()):
            yield from _rule_problems(rule, f"{path}.{name}[{k}]")


def _rule_problems(rule: object, path: str) -> Iterator[FieldProblem]:
    if not isinstance(rule, Mapping) or set(rule) != {"field", "op", "value"}:
        yield FieldProblem(path, "must be an object with field, op and value", rule)
        return
    if rule["field"] not in FIELDS:
        yield FieldProblem(f"{path}.field", f"must be one of: {', '.join(FIELDS)}", rule["field"])
    if rule["op"] not in OPERATORS:
        yield FieldProblem(f"{path}.op", f"must be one of: {', '.join(OPERATORS)}", rule["op"])
    elif rule["op"] == "in" and not isinstance(rule["value"], list):
        yield FieldProblem(f"{path}.value", "must be a list for op 'in'", rule["value"])
    if not all(map(_is_plain, rule["value"] if isinstance(rule["value"], list) else [rule["value"]])):
        yield FieldProblem(
            f"{path}.value", "must be text, a whole number within 2^53, true, false or null, or a list of such", rule["value"]
        )


def _is_plain(value: object) -> bool:
    """Whether a value can stand in an event's body, where every reader of JSON sees the same in it."""
    return value is None or isinstance(value, str | bool) or (isinstance(value, int) and abs(value) < 1 << 53)
