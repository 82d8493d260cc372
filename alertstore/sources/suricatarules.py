"""Rules of Suricata and Snort (`.rules`): one a line, or over several; those that are commented out are rules too, not active."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from alertstore.domain.drafts import NewRule
from alertstore.sources.rulefiles import Found
from alertstore.sources.values import tactics, techniques

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 1 << 16
"""Characters of one rule."""
_ACTIONS = "alert|pass|drop|sdrop|reject|rejectsrc|rejectdst|rejectboth|block|react|rewrite|log|config"
_START = re.compile(rf"(?:{_ACTIONS})\s++[^(]*+\(")  # possessive, as the ones below: a line of blanks costs no more than its length
_HEADER = re.compile(rf"(?:{_ACTIONS})\s++(\w++)?[^(]*+\(")
_HEADER_LINE = re.compile(rf"(?:{_ACTIONS})\s[^(]{{1,1000}}")  # its bracket opens on the next line
# One option and its semicolon; without the semicolon, what there is of the last one.
_OPTION = re.compile(r'\s*+((?:[^;"\\()]++|\\.|\((?:[^()"\\]++|\\.)*+\)|"(?:[^"\\]++|\\.)*+"|[()])*+)(;?)', re.DOTALL)
_ESCAPED = re.compile(r'\\([";\\:])')
_DEFAULT_GID = "1"


def suricata_rules(text: str, where: str, source: str) -> Iterator[Found]:
    """The rules of a file, in order. What begins like a rule and is none says why; other lines are comments."""
    for number, rule, active in _rules(text):
        place = f"{where}, line {number}"
        try:
            yield Found(place, _rule(rule, source, active=active))
        except ValueError as why:
            if active:
                yield Found(place, None, str(why))


def _rules(text: str) -> Iterator[tuple[int, str, bool]]:
    """Line number, text and whether it is switched on, of all that begins like a rule."""
    pending, begun, active, header = "", 0, True, ("", 0)
    for number, line in enumerate(text.split("\n"), 1):
        bare = line.strip()
        if pending and active and _START.match(bare):  # the one before never ended
            yield begun, pending, active
            pending = ""
        if not pending:
            rule, begun = bare.lstrip("# \t"), number
            active = rule == bare
            if active and rule.startswith("(") and header[0]:
                rule, begun = f"{header[0]} {rule}", header[1]
            if bare:
                header = (bare, number) if _HEADER_LINE.fullmatch(bare) else ("", 0)
            if not _START.match(rule):
                continue
            pending = rule
        else:
            pending += " " + (bare if active else bare.lstrip("# \t"))
        if pending.endswith("\\") and len(pending) <= LONGEST:
            pending = pending[:-1].rstrip()
        elif pending.endswith(")") or not active or len(pending) > LONGEST:
            yield begun, pending, active
            pending = ""
    if pending:
        yield begun, pending, active


def _rule(text: str, source: str, *, active: bool) -> NewRule:
    options = _options(text)
    if "sid" not in options:
        raise ValueError("it has no sid")
    sid, gid = options["sid"][0], options.get("gid", [_DEFAULT_GID])[0]
    if not sid.isascii() or not sid.isdecimal() or not gid.isascii() or not gid.isdecimal():
        raise ValueError("its sid or gid is no number")
    metadata = _metadata(options.get("metadata", []))
    whole, parts = techniques(metadata["mitre_technique_id"])
    named = metadata["mitre_tactic_id"] or [one.replace("_", " ") for one in metadata["mitre_tactic_name"]]
    header = _HEADER.match(text)
    protocol = header[1] if header else None
    severity = metadata["signature_severity"] or options.get("priority", [])
    return NewRule(
        name=_unquoted(options["msg"][0]).strip() if "msg" in options and _unquoted(options["msg"][0]).strip() else f"{gid}:{sid}",
        source_rule_id=sid if gid == _DEFAULT_GID else f"{gid}:{sid}",
        source_name=source,
        severity=severity[0] if severity else None,
        is_active=active,
        mitre_tactics=tactics(named),
        mitre_techniques=whole,
        mitre_subtechniques=parts,
        data_sources=[protocol] if protocol else [],
        documentation=_documentation(options, metadata),
    )


def _options(text: str) -> dict[str, list[str]]:
    """The options in the brackets, by name, each with its values in order."""
    start = _START.match(text)
    if start is None or len(text) > LONGEST:
        raise ValueError(f"longer than {LONGEST:,} characters" if start else "not a rule")
    if not text.endswith(")"):
        raise ValueError("its brackets do not close")
    found: dict[str, list[str]] = {}
    at, end = start.end(), len(text) - 1
    while (option := _OPTION.match(text, at, end)) is not None and option[2]:
        name, _, value = option[1].partition(":")
        found.setdefault(name.strip(), []).append(value.strip())
        at = option.end()
    if text[at:end].strip():
        raise ValueError("its last option does not end with a semicolon")
    return found


def _unquoted(value: str) -> str:
    inner = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    return _ESCAPED.sub(r"\1", inner)


def _metadata(options: list[str]) -> defaultdict[str, list[str]]:
    """The pairs of all metadata options: `key value, key value`."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for option in options:
        for pair in option.split(","):
            key, _, value = pair.strip().partition(" ")
            if value.strip():
                found[key].append(value.strip())
    return found


def _documentation(options: dict[str, list[str]], metadata: dict[str, list[str]]) -> str | None:
    """Class, references, and what the metadata says for people."""
    lines = [f"Class: {one}" for one in options.get("classtype", [])[:1]]
    lines += [f"Revision: {one}" for one in options.get("rev", [])[:1]]
    for key, values in metadata.items():
        if not key.startswith("mitre_") and key != "signature_severity":
            lines.append(f"{key.replace('_', ' ').capitalize()}: {', '.join(one.replace('_', ' ') for one in values)}")
    references = [f"- {_reference(one)}" for one in options.get("reference", [])]
    return "\n".join(lines + (["References:", *references] if references else [])) or None


def _reference(value: str) -> str:
    """A reference as `kind: what`, an address as it is."""
    kind, _, what = (part.strip() for part in value.partition(","))
    return _unquoted(what) if kind == "url" else f"{kind}: {_unquoted(what)}"
