"""Detection rules from files: Sigma, Suricata, Snort. What they say of rules that alerts came with, or will come with."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from attrs import asdict

from alertstore.domain.events import EventDraft, EventKind
from alertstore.domain.intake import MOST_NAMES, rule_facts
from alertstore.domain.rulebook import LOADED_FROM, TOLD, edited_fields, wanted
from alertstore.domain.surroundings import decide_rule_edit
from alertstore.errors import AlertValidationError, SourceError
from alertstore.sources.rulefiles import SIGMA
from alertstore.storage import catalog
from alertstore.store.base import act, read_path
from alertstore.store.reads import Reads
from alertstore.store.results import RulesResult

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from alertstore.domain.alert import DetectionRule
    from alertstore.domain.drafts import NewRule
    from alertstore.sources.rulefiles import Found
    from alertstore.storage.transaction import Transaction

LONGEST_DOCUMENTATION = 16_384
"""Characters of what a file says of one rule; they stand in an event."""
LONGEST_NAME = 500


class LoadingRules(Reads):
    """Rules that come before their alerts, or after."""

    def load_rules(
        self, path: str | os.PathLike[str], *, source: str | None = None, reason: str | None = None, actor: str | None = None
    ) -> RulesResult:
        """Read what a file or a folder of Sigma rules (`.yml`), or of Suricata's or Snort's (`.rules`), says of its rules.

        Rules that are here are brought up to date, others are added; none is made inactive because it is missing. `source` is the
        source whose alerts name these rules, where that is not "sigma" or "suricata". A Sigma rule's id is the same whichever tool
        ran it: what is read goes to every rule of that id, or where there is none yet makes one of source "sigma", to which alerts
        of any tool then belong. A field that an analyst edited stays as it is. One transaction. Raises `SourceError` where there
        is no rule to read, or no such source, `MissingExtraError` for Sigma rules without the extra `rules`.
        """
        from alertstore.sources.registry import load_source
        from alertstore.sources.rulefiles import read_rules

        if source not in {None, SIGMA}:
            load_source(str(source), plugins=self._plugins)
        name, by = read_path(path), self._by(actor, reason)
        found, refused = _checked(read_rules(name, source))
        if not found:
            first = f": {refused[0][0]}: {refused[0][1]}" if refused else ""
            raise SourceError(f"{name} holds no rule{first}", advice="give .yml files of Sigma rules, or .rules files of Suricata or Snort")
        counts: Counter[str] = Counter()
        with self._write() as transaction:
            here = _Here(transaction)
            for where, rule in found:
                counts.update(self._load(transaction, here, rule, where, by))
        return RulesResult(counts["added"], counts["updated"], counts["unchanged"], tuple(refused))

    def _load(self, transaction: Transaction, here: _Here, rule: NewRule, where: str, by: tuple[str, str | None]) -> Iterator[str]:
        """What becomes of each rule of the store that this one is about; a new one where there is none."""
        targets = here.same(rule)
        if not targets:
            draft = EventDraft(EventKind.DETECTION_RULE_CREATED, transaction.new_uuid(), transaction.now, by[0], reason=by[1])
            draft.facts = rule_facts(rule, source_name=rule.source_name, created_by=by[0])
            catalog.add_rule(transaction, draft)
            yield "added"
        for before in targets:
            edit = decide_rule_edit(before, wanted(rule, here.edited(before)), act(transaction, by))
            if edit is not None:
                edit.facts = {LOADED_FROM: where}
                catalog.update_rule(self._repository.db, transaction, edit)
            yield "unchanged" if edit is None else "updated"


class _Here:
    """The rules that the store has when a load begins."""

    def __init__(self, transaction: Transaction) -> None:
        rules = catalog.rules(transaction.conn)
        edited = any(one.updated_at != one.created_at for one in rules)
        self._edits, self._pruned = catalog.rule_edits(transaction.conn) if edited else ({}, set())
        self._by_id: defaultdict[str, list[DetectionRule]] = defaultdict(list)
        for one in rules:
            if one.source_rule_id is not None:
                self._by_id[one.source_rule_id.lower()].append(one)

    def same(self, rule: NewRule) -> list[DetectionRule]:
        """The source's rule of that id; of a Sigma rule, that of every source, since all tools name it alike."""
        found = self._by_id.get(str(rule.source_rule_id).lower(), [])
        return [one for one in found if rule.source_name in {SIGMA, one.source_name}]

    def edited(self, rule: DetectionRule) -> set[str]:
        """The fields that are an analyst's."""
        return edited_fields(self._edits.get(rule.uuid, []), pruned=rule.uuid in self._pruned)


def _checked(found: Iterable[Found]) -> tuple[list[tuple[str, NewRule]], list[tuple[str, str]]]:
    """Those that a store can hold, each id once, with where they stand; and the rest, with the reason."""
    from alertstore.wire.requests import read_rule

    rules: dict[str, tuple[str, NewRule]] = {}
    refused: list[tuple[str, str]] = []
    for one in found:
        try:
            rule = None if one.rule is None else read_rule(_cut(one.rule))
        except AlertValidationError as why:
            refused.append((one.where, str(why)))
            continue
        if rule is None:
            refused.append((one.where, one.why))
        elif (first := rules.setdefault(str(rule.source_rule_id), (one.where, rule)))[1] is not rule:
            refused.append((one.where, f"{first[0]} has a rule of the same id, {rule.source_rule_id}"))
    return list(rules.values()), refused


def _cut(rule: NewRule) -> dict[str, Any]:
    """The fields of a rule, not longer than its event can hold."""
    documentation = None if rule.documentation is None else rule.documentation[:LONGEST_DOCUMENTATION]
    lists = {name: list(getattr(rule, name))[:MOST_NAMES] for name in TOLD if isinstance(getattr(rule, name), list | tuple)}
    return asdict(rule) | lists | {"name": rule.name[:LONGEST_NAME], "documentation": documentation}
