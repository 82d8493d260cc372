"""What of a record goes where, found by taking it apart: one value out at a time, and a look at what is no longer the same.

Nothing is told from what a source says of itself, so it holds for any source, and cannot be out of date.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from attrs import frozen

from alertstore.domain.indicators import normalise
from alertstore.domain.intake import Prepared, prepare
from alertstore.domain.times import from_micros, rfc3339
from alertstore.sources.paths import leaves, nodes, replaced, value_at, without
from alertstore.sources.reasons import NOTES, severity_reason, time_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import tzinfo

    from alertstore.domain.drafts import NewAlert, NewRule
    from alertstore.sources.base import Record, Source
    from alertstore.sources.paths import Path

MOST_WORK, LEAST_TRIED = 1_000_000, 200
"""How often a record is mapped to explain it: the more values it has, the longer that takes, and the fewer are tried."""
LARGE = 50
"""A list or object of more values is first taken out whole; where that changes nothing, none of it is used."""

MOST_STOOD_IN = 200
"""Of a record of more values it is not looked for what stands in for what."""

RULE_ID = "rule id"
Item = tuple[str, str]
"""An output and its value, as text: ("indicator", "ip:192.0.2.1")."""


@frozen
class Value:
    """One thing that an alert has: `sources` are the paths of the record that it comes from; `why` in words, or empty."""

    output: str
    value: str
    sources: tuple[Path, ...]
    why: str


@frozen
class Explanation:
    """What becomes of a record: "alert" with its values, "no alert" of this tool, or "rejected" with the reason.

    `deciding` are the values without which it would not be an alert; `unused` those that are kept in the raw record only;
    `untried` counts those for which there was no time.
    """

    outcome: str
    reason: str
    values: tuple[Value, ...] = ()
    deciding: tuple[Path, ...] = ()
    unused: tuple[Path, ...] = ()
    untried: int = 0


def explain(source: Source, record: Record, tz: tzinfo) -> Explanation:
    """Take a record apart, whatever the source. Where it makes no alert, the reason is all there is to say."""
    try:
        alert = source.alert(record, tz)
        prepared = None if alert is None else prepare(alert, source.name)
    except ValueError as why:
        return Explanation("rejected", str(why))
    except Exception as why:  # noqa: BLE001 - as in an import: whatever a source does, it rejects this record only
        return Explanation("rejected", f"the source failed on it: {type(why).__name__}")
    if alert is None or prepared is None:
        return Explanation("no alert", f"a record of {source.tool}, but not an alert")
    apart = _take_apart(source, record, tz)
    values = []
    for output, value in _items(source, record, prepared):
        paths = tuple(apart.origins.get((output, value), ()))
        values.append(Value(output, value, paths, _why(source, record, (output, value), paths, tz)))
    used = {path for one in values for path in one.sources}.union(apart.deciding, apart.untried)
    unused = tuple(path for path, _ in leaves(record) if path not in used)
    return Explanation("alert", "", tuple(values), tuple(apart.deciding), unused, len(apart.untried))


def outputs(source: Source, record: Record, tz: tzinfo) -> dict[str, Any] | None:
    """What a source makes of a record, by the names of `OUTPUTS`; None where that is no alert."""
    try:
        alert, rule = source.alert(record, tz), source.rule(record)
    except ValueError:
        return None
    if alert is None:
        return None
    return {
        "title": alert.title,
        "severity": alert.severity,
        "occurred_at": alert.occurred_at,
        "description": alert.description,
        "tags": list(alert.tags),
        "indicators": sorted(set(alert.indicators)),
        "rule": (alert.rule_id, rule),
    }


def _mapped(source: Source, record: Record, tz: tzinfo) -> dict[Item, None] | None:
    """All that comes of a record; None where that is no alert."""
    try:
        alert = source.alert(record, tz)
        return None if alert is None else dict.fromkeys(_items(source, record, prepare(alert, source.name)))
    except Exception:  # noqa: BLE001 - a record with a hole in it, and somebody else's code
        return None


def _items(source: Source, record: Record, prepared: Prepared) -> Iterator[Item]:
    alert = prepared.new
    yield "title", prepared.title
    yield "severity", alert.severity.value
    if alert.occurred_at is not None:
        yield "occurred_at", rfc3339(from_micros(alert.occurred_at))
    if prepared.description is not None:
        yield "description", prepared.description
    for tag in prepared.tags:
        yield "tag", tag
    for kind, value in dict.fromkeys(alert.indicators):
        yield "indicator", f"{kind}:{value}"
    if alert.rule_id is not None:
        yield from _rule_items(_rule(source, record), alert)
    for note in alert.notes:
        yield "note", note


def _rule(source: Source, record: Record) -> NewRule | None:
    try:
        return source.rule(record)
    except Exception:  # noqa: BLE001 - the import then makes a bare rule, and so does this
        return None


def _rule_items(rule: NewRule | None, alert: NewAlert) -> Iterator[Item]:
    yield RULE_ID, str(alert.rule_id)
    if rule is None:
        return
    for name in ("name", "severity", "documentation", "run_frequency"):
        if getattr(rule, name) is not None:
            yield f"rule {name.replace('_', ' ')}", getattr(rule, name)
    lists = {
        "tactic": rule.mitre_tactics,
        "technique": (*rule.mitre_techniques, *rule.mitre_subtechniques),
        "data source": rule.data_sources,
    }
    for name, listed in lists.items():
        for one in listed:
            yield f"rule {name}", one


@frozen
class _Apart:
    """What taking out each value showed: what each item comes from, what decides that there is an alert, what was not tried."""

    origins: dict[Item, list[Path]]
    deciding: list[Path]
    untried: set[Path]


def _take_apart(source: Source, record: Record, tz: tzinfo) -> _Apart:
    whole = _mapped(source, record, tz) or {}
    apart = _Apart({}, [], {path for path, _ in leaves(record)})
    for path, value in islice(_worth_trying(record, apart.untried), _tries(len(apart.untried))):
        less = _mapped(source, without(record, path), tz)
        if path not in apart.untried:  # a large list or object
            if less == whole:
                apart.untried.difference_update([(*path, *inner) for inner, _ in leaves(value)])
            continue
        apart.untried.discard(path)
        if less is None:
            apart.deciding.append(path)
        for item in _gone(source, whole, less, partial(replaced, record, path, f"{value}~"), tz):
            apart.origins.setdefault(item, []).append(path)
    _find_twins(source, record, tz, whole, apart.origins)
    paths = [path for path, _ in leaves(record)]
    if len(paths) <= MOST_STOOD_IN:
        for item in [one for one in whole if one not in apart.origins]:
            if found := _stand_ins(source, record, tz, item, paths):
                apart.origins[item] = found
    return apart


def _gone(
    source: Source, whole: Mapping[Item, None], less: Mapping[Item, None] | None, otherwise: Callable[[], Record], tz: tzinfo
) -> list[Item]:
    """What a record with a hole in it no longer says.

    Where no alert is left, or its rule is gone with its id, the record is looked at again with something else in that
    place (`otherwise`), to tell what stood there from what goes with it.
    """
    parts = {item for item in whole if item[0].startswith("rule ")}
    no_rule = bool(parts) and less is not None and all(output != RULE_ID for output, _ in less)
    gone = [] if less is None else [item for item in whole if item not in less and not (no_rule and item in parts)]
    if less is None or no_rule:
        other = _mapped(source, otherwise(), tz)
        candidates = parts if no_rule else set(whole)
        gone += [item for item in whole if item in candidates and other is not None and item not in other]
    return gone


def _worth_trying(record: Record, untried: set[Path]) -> Iterator[tuple[Path, Any]]:
    """The values that are not known to change nothing; before those of a large list or object, that itself; long lists last."""
    long: set[Path] = set()
    late = []
    for path, value in nodes(record):
        large = isinstance(value, dict | list) and sum(1 for _ in nodes(value)) > LARGE
        if large and isinstance(value, list):
            long.add(path)
        if any(path[:inner] in long for inner in range(1, len(path))):
            late.append((path, value))
        elif large or path in untried:
            yield path, value
    yield from ((path, value) for path, value in late if path in untried)


def _tries(values: int) -> int:
    return max(LEAST_TRIED, MOST_WORK // max(values, 1))


def _find_twins(source: Source, record: Record, tz: tzinfo, whole: Mapping[Item, None], origins: dict[Item, list[Path]]) -> None:
    """What stands in a record twice is there still when one of it is gone: take all that is equal out at once."""
    missing = {item for item in whole if item not in origins}
    groups: defaultdict[str, list[Path]] = defaultdict(list)
    for path, value in leaves(record):
        groups[str(value).strip().lower()].append(path)
    for paths in islice(groups.values(), _tries(len(groups))):
        if not missing or not 1 < len(paths) <= LARGE:
            continue
        less = _mapped(source, _all_out(record, paths), tz)
        for item in _gone(source, whole, less, partial(_all_out, record, paths, "~"), tz):
            if item in missing:
                origins.setdefault(item, []).extend(paths)


def _stand_ins(source: Source, record: Record, tz: tzinfo, item: Item, paths: list[Path]) -> list[Path]:
    """What stands in for each other, in other words: values of which no single one is missed, but all of them are. Empty for none."""
    out: list[Path] = []
    for path in paths:
        less = _mapped(source, _all_out(record, [*out, path]), tz)
        if less is None:  # no alert without it, which says nothing of this item
            continue
        out.append(path)
        if item not in less:
            break
    else:
        return []
    for path in out[:-1]:
        fewer = [one for one in out if one != path]
        less = _mapped(source, _all_out(record, fewer), tz)
        if less is not None and item not in less:
            out = fewer
    return out


def _all_out(record: Any, paths: list[Path], put: str | None = None) -> Any:
    """The record without some of its values, or with others there; from the end, so that positions in lists stay what they are."""
    for path in reversed(paths):
        record = without(record, path) if put is None else replaced(record, path, put)
    return record


def _why(source: Source, record: Record, item: Item, paths: Iterable[Path], tz: tzinfo) -> str:
    output, value = item
    found = [value_at(record, path) for path in paths]
    if output == "severity":
        return severity_reason(source.severities, value, found)
    if output == "occurred_at":
        return next((reason for one in found if (reason := time_reason(one, value, tz))), "")
    if output == "note":
        return NOTES.get(value, "")
    if output == "indicator":
        kind, _, given = value.partition(":")
        kept = normalise(kind, given)
        return f"dropped: not of the type {kind}" if kept is None else "" if kept == given else f"kept as {kept}"
    return ""
