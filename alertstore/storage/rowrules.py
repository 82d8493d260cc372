"""Whether a row read from a damaged file is one that a store could have written: its words, times, ids and JSON."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from alertstore.domain.enrichment import outcome
from alertstore.domain.fold import FORGED
from alertstore.domain.times import is_representable
from alertstore.domain.vocabulary import (
    AlertStatus,
    CloseClassification,
    Confidence,
    DocumentType,
    EnrichmentStatus,
    IndicatorType,
    Malice,
    Severity,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

_WORDS: Mapping[tuple[str, str], type[StrEnum]] = {
    ("alert", "status"): AlertStatus,
    ("alert", "severity"): Severity,
    ("alert", "enrichment_status"): EnrichmentStatus,
    ("alert", "malice"): Malice,
    ("alert", "malice_override"): Malice,
    ("alert", "close_classification"): CloseClassification,
    ("indicator", "type"): IndicatorType,
    ("indicator", "malice"): Malice,
    ("finding", "confidence"): Confidence,
    ("context_document", "document_type"): DocumentType,
    ("intel_list", "malice"): Malice,
}
_LISTS = {"tags", "columns", "mitre_tactics", "mitre_techniques", "mitre_subtechniques", "data_sources"}
_JSON = {"evidence", "enrichment_results", "notes", "targeting_rules", "heads"}
_CANONICAL = {"tags", "heads", "targeting_rules", "mitre_tactics", "mitre_techniques", "mitre_subtechniques", "data_sources"}
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ROOT = re.compile("[0-9a-f]{64}")
_LARGEST = (1 << 53) - 1


dump = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def fault_of(table: str, row: Mapping[str, Any]) -> str | None:
    """Why a row is none that a store writes; None where nothing speaks against it. Its types are already right."""
    for name, value in row.items():
        if value is not None and not _is_sound(table, name, value):
            return f"{name} is not what a store writes"
    if table == "indicator" and not _is_sound_verdict(row):
        return "its verdict is not what a store writes"
    if table == "foreign_store" and not (row["size"] >= 0 and _ROOT.fullmatch(row["root"])):
        return "its size and root are none of a history"
    return None


def _is_sound_verdict(row: Mapping[str, Any]) -> bool:
    """Whether an indicator was judged by somebody at some time, or is as it was created."""
    if (row["enrichment_results"] is None) is not (row["enriched_seq"] is None):
        return False
    try:
        found = outcome(row["enrichment_results"])
    except FORGED:
        return False
    if row["is_enriched"] != bool(found.succeeded):
        return False
    if row["enrichment_results"] is not None and row["malice_source"] == "enrichment" and row["malice"] != found.malice:
        return False
    if row["malice_overridden_at"] is None and row["updated_at"] == row["created_at"]:
        return (row["malice"], row["malice_source"]) == ("Pending", "enrichment")
    return row["malice_source"] in {"enrichment", "analyst"}


def _is_sound(table: str, name: str, value: Any) -> bool:
    if isinstance(value, int):
        return is_representable(value) if name.endswith("_at") else abs(value) <= _LARGEST
    if not isinstance(value, str):
        return True
    if "\0" in value:  # a page of zeros where a long text went on; a store refuses it
        return False
    if name == "uuid":
        return _UUID.fullmatch(value) is not None
    if (table, name) in _WORDS:
        return value in set(_WORDS[table, name])
    return _is_sound_json(name, value) if name in _LISTS or name in _JSON else True


def _is_sound_json(name: str, text: str) -> bool:
    try:
        found = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return False
    if name in _LISTS:
        shaped = isinstance(found, list) and all(isinstance(one, str) for one in found)
    elif name == "heads":
        shaped = isinstance(found, dict) and all(isinstance(one, list) and all(type(seq) is int for seq in one) for one in found.values())
    else:
        shaped = True
    return shaped and (name not in _CANONICAL or dump(found) == text)


def _no_number(name: str) -> None:
    raise ValueError(name)
