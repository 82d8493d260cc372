"""Sheets for a terminal: one alert, the metrics, a verification, a check-up. Each takes what --json gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from alertstore.cli.sighted import known
from alertstore.cli.tables import prose, section, sheet, text
from alertstore.cli.words import duration, interval, percent, second, shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from alertstore.domain.plan import SyncItem

    Row = Mapping[str, Any]

MOST = 12
MOST_PATHS = 40
LONGEST_VALUE = 200


def alert(row: Row) -> RenderableType:
    """One alert whole."""
    parts: list[RenderableType] = [text(row["title"], "bold"), sheet(_facts(row))]
    if row["description"]:
        parts.append(section("Description", prose(row["description"])))
    parts += _rule(row["detection_rule"])
    if row["indicators"]:
        seen = {one["uuid"]: one for one in row["sightings"]}
        parts.append(section(*_counted("Indicators", row["indicators"], lambda items: _indicators(items, seen))))
    for found in row["agent_findings"]:
        advice = found["recommended_action"]
        sure = f", {found['confidence']} confidence" if found["confidence"] else ""
        head = text(f"{found['agent_name']}, {second(found['posted_at'])}{sure}", "dim")
        parts.append(section("Finding", head, prose(found["summary"]), *([prose(f"recommended: {advice}")] if advice else [])))
    for document in row["context_documents"]:
        parts.append(section("Document", text(document["title"], "bold"), prose(document["description"] or document["content"])))
    if row["related"]:
        parts.append(section(*_counted("Related", row["related"], _related)))
    return Group(*parts)


def _facts(row: Row) -> Iterable[tuple[str, Any]]:
    yield "uuid", row["uuid"]
    status = text(row["status"])
    if row["close_classification"]:
        status = Text.assemble(status, " as ", text(row["close_classification"]))
    yield "status", status
    yield "severity", row["severity"]
    override = f" (by {row['malice_override_source']})" if row["malice_override"] else ""
    yield "malice", Text.assemble(text(row["malice"]), text(override))
    yield "source", row["source_name"]
    yield "occurred", f"{second(row['occurred_at'])}{' (assumed: the record has no time)' if row['occurred_at_assumed'] else ''}"
    seen = f"{row['occurrences']} times, last {second(row['last_seen_at'])}" if row["duplicate_count"] else "once"
    yield "reported", seen
    yield "created", second(row["created_at"])
    for name in ("acknowledged", "triaged", "closed", "enriched"):
        yield name, second(row[f"{name}_at"])
    yield "tags", ", ".join(row["tags"]) or None
    yield "repeats", row["predecessor"]
    if row["suggestion"]:
        said = row["suggestion"]
        who = f" by {said['actor']}" if said["actor"] else ""
        yield "suggested", f"{said['classification']} (as {said['predecessor'][-8:]}, closed{who} on {second(said['closed_at'])})"


def _rule(rule: Row | None) -> list[RenderableType]:
    if rule is None:
        return []
    attack = [*rule["mitre_tactics"], *rule["mitre_techniques"], *rule["mitre_subtechniques"]]
    pairs = [("name", rule["name"]), ("id", rule["source_rule_id"]), ("severity", rule["severity"]), ("ATT&CK", ", ".join(attack) or None)]
    return [section("Rule", sheet([*pairs, ("documentation", rule["documentation"] and prose(rule["documentation"]))]))]


def _counted(title: str, items: list[Row], make: Any) -> tuple[str, RenderableType]:
    more = f" ({len(items)}, the first {MOST})" if len(items) > MOST else ""
    return f"{title}{more}", make(items[:MOST])


def _indicators(items: Iterable[Row], seen: Mapping[str, Row]) -> RenderableType:
    grid = _grid(3)
    for one in items:
        grid.add_row(text(one["type"], "dim"), text(one["malice"]), text(one["value"]))
        for words in known(one, seen.get(one["uuid"])):
            grid.add_row("", "", text(words, "dim"))
    return grid


def _related(items: Iterable[Row]) -> RenderableType:
    grid = _grid(3)
    for one in items:
        grid.add_row(text(one["uuid"][-8:], "dim"), text(one["status"]), text(f"{one['title']} ({', '.join(one['shared'])})"))
    return grid


def _grid(columns: int) -> Table:
    """A table without lines whose last column takes the rest and breaks where it must."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(columns - 1):
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    return grid


RATES = ("false_positive_rate", "true_positive_rate", "precision", "decided_false_positive_rate", "enrichment_coverage")
TIMES = ("time_to_detect", "time_to_acknowledge", "time_to_triage", "time_to_conclude", "time_to_enrich")


def metrics(row: Row) -> RenderableType:
    """The numbers."""
    window = f"{second(row['start']) or 'the beginning'} to {second(row['end']) or 'now'}" if row["start"] or row["end"] else "all time"
    head = Text.assemble(
        (f"{row['total']:,} alerts", "bold"), f": {row['active']:,} active, {row['closed']:,} closed   ({row['by']}, {window})"
    )
    counts = _counts(
        [
            ("status", row["by_status"]),
            ("severity", row["by_severity"]),
            ("active", row["active_by_severity"]),
            ("source", row["by_source"]),
        ]
    )
    parts = [head, section("Counts", counts), section("Rates", _rates(row)), section("Times", _times(row))]
    if row["by_classification"]:
        parts.append(section("Closed as", _ranked(row["by_classification"].items())))
    if row["top_rules"]:
        parts.append(section("Most alerts by rule", _ranked((row["rule_names"][uuid], n) for uuid, n in row["top_rules"])))
    if row["top_indicators"]:
        parts.append(section("Most frequent indicators", _ranked((f"{kind}:{value}", n) for kind, value, n in row["top_indicators"])))
    return Group(*parts)


def _counts(groups: Iterable[tuple[str, Row]]) -> RenderableType:
    return sheet(
        (name, Text("   ").join(Text.assemble(text(word), f" {n:,}") for word, n in group.items())) for name, group in groups if group
    )


def _rates(row: Row) -> RenderableType:
    table = _numbers("", "RATE", "95 % RANGE", "COUNTED")
    for name in RATES:
        rate = row[name]
        counted = f"{rate['numerator']:,} of {rate['denominator']:,}"
        table.add_row(name.replace("_", " "), percent(rate["value"]), interval(rate), counted)
    return table


def _times(row: Row) -> RenderableType:
    table = _numbers("", "MEDIAN", "P90", "P95", "MEAN", "N", "MISSING")
    for name in TIMES:
        took = row[name]
        spans = (duration(took[part]) for part in ("median", "p90", "p95", "mean"))
        table.add_row(name.replace("_", " "), *spans, f"{took['n']:,}", f"{took['missing']:,}")
    return table


def _ranked(pairs: Iterable[tuple[str, int]]) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    for words, n in sorted(pairs, key=lambda pair: -pair[1]):
        grid.add_row(f"{n:,}", text(words))
    return grid


def _numbers(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, title in enumerate(titles):
        table.add_column(title, justify="right" if place else "left", no_wrap=True)
    return table


def report(row: Row) -> RenderableType:
    """What a verification came to."""
    verdict = Text("sound", style="bold green") if row["ok"] else Text(row["verdict"].upper(), style="bold red")
    parts: list[RenderableType] = [
        sheet(
            [
                ("verdict", verdict),
                ("depth", row["depth"]),
                ("events", f"{row['size']:,}"),
                ("root", row["root"]),
                ("assurance", f"signed, up to event {row['signed_size']:,}" if row["assurance"] == "signed" else row["assurance"]),
                ("first bad event", None if row["first_bad"] is None else f"{row['first_bad']:,}"),
            ]
        )
    ]
    if row["problems"]:
        grid = _grid(2)
        for one in row["problems"][:MOST]:
            words = f"{one['where']}: expected {one['expected']}, found {one['found']}"
            grid.add_row(text(one["kind"], "red"), text(words))
        parts.append(section(f"Problems ({len(row['problems'])})", grid))
    if row["unchecked"]:
        grid = _grid(1)
        for words in row["unchecked"]:
            grid.add_row(text(words))
        parts.append(section("Not checked", grid))
    return Group(*parts)


SCREENFUL = 25


def steps(groups: Iterable[tuple[str, Sequence[SyncItem]]]) -> RenderableType:
    """What a sync does, or did, by what it is; of very many alerts the first."""
    parts: list[RenderableType] = []
    for title, items in groups:
        grid = _grid(2)
        for item in items[:SCREENFUL]:
            grid.add_row(text(item.uuid[-8:], "dim"), _cut(item.title.strip() or "(an alert)"))
            for words in item.said():
                grid.add_row("", Padding(text(words), (0, 0, 0, 2)))
        parts.append(Text(f"{title} ({len(items):,})", style="bold"))
        parts.append(grid)
        if len(items) > SCREENFUL:
            parts.append(Text(f"and {len(items) - SCREENFUL:,} more; --json lists all", style="dim"))
        parts.append(Text(""))
    return Group(*parts[:-1])


def _cut(title: str) -> Text:
    """A title in one line."""
    words = text(title)
    words.no_wrap, words.overflow = True, "ellipsis"
    return words


HELD = {
    "policy": "both sides changed it, and the policy leaves it to you",
    "peers": "two stores say different things, and the policy leaves it to you",
    "rejected": "the remote did not take it",
    "raced": "somebody changed it there in the moment before ours arrived, which undid theirs",
    "gone": "the remote has deleted the alert",
}
"""Why an edit waits."""


def conflicts(rows: Iterable[Row]) -> RenderableType:
    """What waits for a person: each with both sides below each other."""
    parts: list[RenderableType] = []
    for row in rows:
        head = Text.assemble(text(row["uuid"][-8:], "bold"), "  ", text(row["title"]), no_wrap=True, overflow="ellipsis")
        ours = [f"{_said(value)}, by {actor}" for actor, value in row["edits"]] or [_said(row["local"])]
        pairs = [("what", row["register"]), ("why", HELD.get(row["kind"], row["kind"])), ("remote", _said(row["remote"]))]
        parts += [head, Padding(sheet([*pairs, *(("local", one) for one in ours)]), (0, 0, 0, 2))]
    return Group(*parts)


def _said(value: Any) -> str:
    """A register's value: a lifecycle is a status and what it was closed as."""
    return " as ".join(str(one) for one in value if one is not None) if isinstance(value, list) else "none" if value is None else str(value)


def source(row: Row) -> RenderableType:
    """One tool: how it is recognised, what of its records goes where."""
    parts: list[RenderableType] = [sheet((name, row[name]) for name in ("name", "tool", "signature"))]
    if row["fields"]:
        parts.append(section("Read from, the first that is there", sheet((name, _paths(paths)) for name, paths in row["fields"].items())))
    parts.append(section("Severities", sheet(row["severities"].items())))
    return Group(*parts)


def _paths(paths: Sequence[str]) -> str:
    """Dotted paths; those that also stand in a wrapper (`_source.x` beside `x`) once."""
    wrapped = {path: path.partition(".")[0] for path in paths if path.partition(".")[2] in paths}
    words = ", ".join(path for path in paths if path not in wrapped)
    return f"{words}; also inside {', '.join(dict.fromkeys(wrapped.values()))}" if wrapped else words


def explanation(row: Row) -> RenderableType:
    """What of one record goes where: the alert's values on the left, on the right where each comes from."""
    framed = f"{row['framing']}, {row['encoding']}"
    about = [("file", row["path"]), ("framed as", framed), ("read as", f"{row['source']}: {row['signature']}")]
    outcome = ": ".join(filter(None, (row["outcome"], row["reason"])))
    parts: list[RenderableType] = [sheet([*about, ("record", f"{row['record']:,}, at byte {row['position']:,}"), ("makes", outcome)])]
    if row["values"]:
        parts.append(section("What it becomes, and where that comes from", _origins(row["values"])))
    for title, values in (("Without these it would be no alert", row["needed"]), ("Kept in the raw record only", row["raw_only"])):
        if values:
            grid = _grid(2)
            for path, value in list(values.items())[:MOST_PATHS]:
                grid.add_row(text(path), text(shortened(str(value), LONGEST_VALUE), "dim"))
            more = f" ({len(values):,}, the first {MOST_PATHS})" if len(values) > MOST_PATHS else ""
            parts.append(section(f"{title}{more}", grid))
    if row["untried"]:
        parts.append(text(f"{row['untried']:,} more values were not looked at: the record is too large for that", "dim"))
    return Group(*parts)


def _origins(values: Iterable[Row]) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("ALERT", overflow="fold", ratio=1)
    table.add_column("RECORD", overflow="fold", ratio=1)
    for one in values:
        became = Text.assemble(text(one["output"], "dim"), "  ", text(shortened(one["value"], LONGEST_VALUE)))
        origins = [text(path) for path in one["from"]] or [text("(nothing in the record)", "dim")]
        table.add_row(became, Text("\n").join([*origins, *([text(one["why"], "dim")] if one["why"] else [])]))
    return table


def facts(row: Row) -> RenderableType:
    """Names and values, whatever they are."""
    return sheet((name.replace("_", " "), _words(value)) for name, value in row.items())


def _words(value: Any) -> str | None:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(one)}" for name, one in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else None if value is None else str(value)
