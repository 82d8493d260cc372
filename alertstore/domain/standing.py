"""The tables around alerts all of whose columns stand in events, folded: settings, imports, rules, suppressions, lists, what sync knows of
remotes and other stores.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from alertstore.domain.suppression import suppression_row
from alertstore.domain.verdict import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

_LISTS = ("mitre_tactics", "mitre_techniques", "mitre_subtechniques", "data_sources")
_dump = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


class Standing:
    """The rows of those tables, so far, and what does not follow from the events before."""

    def __init__(self) -> None:
        """Start before the first event."""
        self.problems: list[Problem] = []
        self.settings: dict[str, str] = {}
        self.rules: dict[str, dict[str, Any]] = {}
        self.imports: dict[int, dict[str, Any]] = {}
        self.suppressions: dict[str, dict[str, Any]] = {}
        self.intel_lists: dict[str, dict[str, Any]] = {}
        self.remotes: dict[str, tuple[int, str]] = {}
        self.foreign_stores: dict[str, tuple[int, str]] = {}
        self._rule_numbers: dict[str, int] = {}

    def _created(self, _: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        self.settings |= body["facts"]

    def _setting(self, _: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        self.settings |= {name: new for name, (_, new) in body["changes"].items()}

    def _import_started(self, _: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        facts = body["facts"]
        row = {name: facts.get(name) for name in ("name", "source_name", "delimiter", "member")}
        row["columns"] = _dump(facts["columns"]) if "columns" in facts else None
        self.imports[int(body["subject"])] = row | {"started_at": body["at"]}

    def _import_finished(self, _: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        facts = dict(body["facts"])
        facts["notes"] = _dump(facts["notes"])
        self.imports[int(body["subject"])] |= {**facts, "finished_at": body["at"]}

    def _import_carried(self, _: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        self.imports[int(body["subject"])] = dict(body["facts"])

    def _rule_created(self, _: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        uuid, at = body["subject"], body["at"]
        self._rule_numbers[uuid] = len(self._rule_numbers) + 1
        row = {"id": self._rule_numbers[uuid], "uuid": uuid, "created_at": at, "updated_at": at}
        self.rules[uuid] = row | _rule_columns(body["facts"])

    def _rule_updated(self, seq: int, body: Mapping[str, Any], _: int | None, __: bytes | None) -> None:
        row = self.rules[body["subject"]]
        for name, value in _rule_columns({name: old for name, (old, _) in body["changes"].items()}).items():
            if row[name] != value:
                self.problems.append(Problem("event", f"event {seq}: {name} before", row[name], value))
        row |= _rule_columns({name: new for name, (_, new) in body["changes"].items()}) | {"updated_at": body["at"]}

    def _rule_carried(self, _: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        self._rule_numbers[body["subject"]] = body["facts"]["id"]
        self.rules[body["subject"]] = dict(body["facts"])

    def _suppressed(self, _: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        self.suppressions[body["subject"]] = suppression_row(body)

    def _lifted(self, seq: int, body: Mapping[str, Any], _: int | None, __: bytes | None) -> None:
        row = self.suppressions[body["subject"]]
        if row["lifted_at"] is not None:
            self.problems.append(Problem("event", f"event {seq}", "a suppression that was not lifted yet", row["lifted_at"]))
        row |= {"lifted_at": body["at"], "lifted_by": body["actor"]}

    def _suppression_carried(self, _: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        self.suppressions[body["subject"]] = dict(body["facts"])

    def _list_loaded(self, _: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        self.intel_lists[body["subject"]] = {**body["facts"], "loaded_at": body["at"]}

    def _list_removed(self, _: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        del self.intel_lists[body["subject"]]

    def _list_carried(self, _: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        self.intel_lists[body["subject"]] = dict(body["facts"])

    def _remote(self, seq: int, body: Mapping[str, Any], _: int | None, __: bytes | None) -> None:
        self.remotes[body["subject"]] = (seq, _dump(body["facts"]["state"]))

    def _bundle(self, _: int, body: Mapping[str, Any], __: int | None, ___: bytes | None) -> None:
        facts = body["facts"]
        known = self.foreign_stores.get(facts["store"])
        if known is None or facts["size"] >= known[0]:
            self.foreign_stores[facts["store"]] = (facts["size"], facts["root"])


def _rule_columns(facts: Mapping[str, Any]) -> dict[str, Any]:
    columns = {name: _dump(value) if name in _LISTS else value for name, value in facts.items()}
    return columns | ({"is_active": int(facts["is_active"])} if "is_active" in facts else {})
