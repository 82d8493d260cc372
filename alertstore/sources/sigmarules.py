"""Sigma rules, as SigmaHQ publishes them: one or several YAML documents a file, read by the library pySigma (extra `rules`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import UUID

from alertstore.domain.drafts import NewRule
from alertstore.errors import MissingExtraError
from alertstore.sources.rulefiles import Found
from alertstore.sources.values import tactics, techniques

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LARGEST = 1 << 20
"""Characters of a file of Sigma rules, also with its aliases written out. A long one is a page; a megabyte takes a second to read."""
DEEPEST = 100
"""Levels of lists and mappings in one another. The reader of YAML ends the process on some ten thousands."""
_LONG_NUMBER = re.compile(r"[-+0-9_:.]{1000,}+")  # one with colons is a number to the base of 60, which takes the square of its length
_RETIRED = frozenset({"deprecated", "unsupported"})


def sigma_rules(text: str, where: str, source: str) -> Iterator[Found]:
    """The rules of a file; each document that is none says why. Raises `MissingExtraError`."""
    events, load, collection = _sigma()
    if len(text) > LARGEST:
        yield Found(where, None, f"longer than {LARGEST:,} characters; split it")
        return
    try:
        _check(events(text))
        documents = load(text)
    except Exception as fault:  # noqa: BLE001 - the reader's own errors, and recursion
        yield Found(where, None, f"not readable as YAML: {_line(fault)}")
        return
    joined = any(isinstance(one, dict) and "action" in one for one in documents)  # they tell of each other, and are read together
    groups = [[one for one in documents if isinstance(one, dict)]] if joined else [[one] for one in documents if one is not None]
    for number, group in enumerate(groups, 1):
        place = f"{where}, rule {number}" if len(groups) > 1 else where
        yield from _group(collection, group, place, source)


def _check(events: Iterable[Any]) -> None:
    """Raises ValueError for YAML that is small to write and not to read: an alias stands for all that its anchor has, aliases included."""
    written: dict[str, int] = {}  # characters of what has an anchor, and one for each value
    opened: list[tuple[str | None, int]] = []  # the anchor of each list and mapping, and the characters before it
    so_far = 0
    for event in events:
        kind = type(event).__name__
        if kind in {"SequenceStartEvent", "MappingStartEvent"}:
            opened.append((event.anchor, so_far))
            if len(opened) > DEEPEST:
                raise ValueError(f"lists and mappings within one another, more than {DEEPEST} deep")
        elif kind in {"SequenceEndEvent", "MappingEndEvent"}:
            anchor, before = opened.pop()
            so_far += 1
            if anchor is not None:
                written[anchor] = so_far - before
        elif kind == "ScalarEvent":
            if event.implicit[0] and _LONG_NUMBER.fullmatch(event.value):
                raise ValueError("a number of a thousand digits or more")
            so_far += len(event.value) + 1
            if event.anchor is not None:
                written[event.anchor] = len(event.value) + 1
        elif kind == "AliasEvent":
            so_far += written.get(event.anchor, 1)  # within its own anchor, or without one: the readers refuse both
        if so_far > 2 * LARGEST:  # a value may take two characters, itself and the comma
            raise ValueError(f"with its aliases written out longer than {LARGEST:,} characters")


def _without_logic(document: dict[Any, Any]) -> dict[Any, Any]:
    """A rule with a plain condition in the place of its own: what a rule looks for is not read here, and takes chains of modifiers
    whose work the library does as it reads them.
    """
    return document | {"detection": {"any": {"a": "b"}, "condition": "any"}} if isinstance(document.get("detection"), dict) else document


def _group(collection: Any, documents: list[Any], where: str, source: str) -> Iterator[Found]:
    if not isinstance(documents[0], dict):
        yield Found(where, None, "not a Sigma rule: it has no fields")
        return
    try:
        found = collection.from_dicts(
            [_without_logic(one) for one in documents], collect_errors=True, collect_filters=True, resolve_references=False
        )
    except Exception as fault:  # noqa: BLE001 - whatever the library does on a strange document, it costs this one only
        yield Found(where, None, f"not a Sigma rule: {_line(fault)}")
        return
    for one in found.rules:
        try:
            yield Found(where, _rule(one, source))
        except ValueError as why:
            yield Found(where, None, str(why))
    if not found.rules and not found.filters:
        yield Found(where, None, f"not a Sigma rule: {_line(found.errors[0]) if found.errors else 'no rule in it'}")


def _rule(rule: Any, source: str) -> NewRule:
    title = rule.title.strip() if isinstance(rule.title, str) else ""
    uuid = rule.id if isinstance(rule.id, UUID) else None
    if not title:
        raise ValueError("it has no title")
    if uuid is None:
        raise ValueError("it has no id that is a UUID, by which alerts name their rule")
    attack = [str(tag.name) for tag in rule.tags if tag.namespace == "attack"]
    whole, parts = techniques(attack)
    status = _word(rule.status)
    return NewRule(
        name=title,
        source_rule_id=str(uuid),
        source_name=source,
        severity=_word(rule.level),
        is_active=status not in _RETIRED,
        mitre_tactics=tactics(_title(name) for name in attack if not any(c.isdigit() for c in name)),
        mitre_techniques=whole,
        mitre_subtechniques=parts,
        data_sources=_data_sources(getattr(rule, "logsource", None)),
        documentation=_documentation(rule, status),
    )


def _word(value: Any) -> str | None:
    """An enum's word in small letters, or the text that stood there where it is none of its words."""
    return value.name.lower() if hasattr(value, "name") else value if isinstance(value, str) else None


def _title(name: str) -> str:
    """A tactic's name as ATT&CK writes it, from that of a tag: `command-and-control`."""
    return name.replace("-", " ").replace("_", " ").title().replace(" And ", " and ")


def _data_sources(logsource: Any) -> list[str]:
    named = (getattr(logsource, name, None) for name in ("product", "category", "service"))
    return [one for one in named if isinstance(one, str) and one]


def _documentation(rule: Any, status: str | None) -> str:
    """What the author says of the rule: description, what it takes for something else, where to read on."""
    parts = [rule.description.strip()] if isinstance(rule.description, str) else []
    parts += [_listed("False positives", rule.falsepositives), _listed("References", rule.references)]
    parts += [f"{name}: {said}" for name, said in (("Status", status), ("Author", rule.author)) if isinstance(said, str)]
    return "\n\n".join(part for part in parts if part)


def _listed(title: str, values: Any) -> str:
    lines = [f"- {one}" for one in _texts(values)]
    return "\n".join([f"{title}:", *lines]) if lines else ""


def _texts(values: Any) -> Iterable[str]:
    return [" ".join(str(one).split()) for one in values if one is not None] if isinstance(values, list) else []


def _line(fault: Exception) -> str:
    """An error in one line, without the excerpt that the YAML reader adds."""
    return " ".join(str(fault).split())[:200] or type(fault).__name__


def _sigma() -> tuple[Any, Any, Any]:
    try:
        import yaml  # noqa: PLC0415 - comes with pySigma
        from sigma.collection import SigmaCollection  # noqa: PLC0415 - an extra
        from sigma.rule.base import SigmaYAMLLoader  # noqa: PLC0415 - as above
    except ImportError:
        feature = "reading Sigma rules"
        raise MissingExtraError(feature, "rules") from None
    return (
        lambda text: yaml.parse(text, Loader=SigmaYAMLLoader),
        lambda text: list(yaml.load_all(text, Loader=SigmaYAMLLoader)),
        SigmaCollection,
    )
