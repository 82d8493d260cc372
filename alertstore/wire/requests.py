"""What callers hand in, checked for shape: right types, known fields, allowed values. The domain checks the rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictStr, ValidationError

from alertstore.domain import targeting
from alertstore.domain.changes import AlertPatch
from alertstore.domain.drafts import NewRule
from alertstore.domain.payload import LONGEST_RECORD
from alertstore.domain.vocabulary import AlertStatus, CloseClassification, Confidence, DocumentType, Malice, Severity
from alertstore.errors import AlertValidationError, FieldProblem

if TYPE_CHECKING:
    from enum import StrEnum

LONGEST_EVIDENCE = 64 * 1024
"""Bytes of JSON that a finding's evidence may come to (the remote's limit)."""


def _storable(text: str) -> str:
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        message = "must not hold NUL or lone surrogates"
        raise ValueError(message)
    return text


def _exact(vocabulary: type[StrEnum]) -> BeforeValidator:
    """Only the exact strings, or the enum itself: pydantic alone would take what merely compares equal."""
    words = {word.value: word for word in vocabulary}

    def check(value: object) -> object:
        if value is None:
            return None
        if not isinstance(value, str) or value not in words:
            message = f"must be one of: {', '.join(words)}"
            raise ValueError(message)
        return words[value]

    return BeforeValidator(check)


def _listed(value: object) -> object:
    if not isinstance(value, list | tuple):  # of a set or a generator, the order would be nobody's
        message = "must be a list of text"
        raise ValueError(message)  # noqa: TRY004 - pydantic takes no other
    return list(value)


Text = Annotated[StrictStr, AfterValidator(_storable)]
Texts = Annotated[list[Text], BeforeValidator(_listed)]


DEEPEST = 64
"""Brackets within brackets in evidence and rules; JSON readers give up not far beyond."""


def _plain_json(value: dict[str, Any]) -> dict[str, Any]:
    """A JSON object that an event can commit to, in JSON's own types: finite numbers, text that can be stored, text for keys."""
    try:
        _check_json(value, 1)
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
        plain: dict[str, Any] = json.loads(text)
    except (ValueError, TypeError, RecursionError) as fault:
        message = f"must be a JSON object: {fault}"
        raise ValueError(message) from None
    return plain


def _check_json(value: object, depth: int) -> None:
    if depth > DEEPEST:
        message = f"nested deeper than {DEEPEST}"
        raise ValueError(message)
    if isinstance(value, Mapping):
        if not all(isinstance(name, str) for name in value):
            message = "every key must be text"
            raise ValueError(message)
        for part in value.values():
            _check_json(part, depth + 1)
    elif isinstance(value, list | tuple):
        for part in value:
            _check_json(part, depth + 1)


Json = Annotated[dict[str, Any], AfterValidator(_plain_json)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AlertPatchRequest(_Model):
    """The body of `PATCH /v1/alerts/{uuid}`; absent and null both mean "leave it"."""

    status: Annotated[AlertStatus | None, _exact(AlertStatus)] = None
    severity: Annotated[Severity | None, _exact(Severity)] = None
    close_classification: Annotated[CloseClassification | None, _exact(CloseClassification)] = None
    tags: Texts | None = None
    malice_override: Annotated[Malice | None, _exact(Malice)] = None
    reset_malice_override: StrictBool | None = False


_PATCH_FIELDS = frozenset(AlertPatchRequest.model_fields)


class FindingRequest(_Model):
    """A finding to add (the remote's limits)."""

    agent_name: Annotated[Text, Field(min_length=1, max_length=255)]
    summary: Annotated[Text, Field(min_length=1, max_length=50_000)]
    confidence: Annotated[Confidence | None, _exact(Confidence)] = None
    recommended_action: Text | None = None
    evidence: Json | None = None


class DetectionRuleRequest(_Model):
    """A detection rule to add."""

    name: Annotated[Text, Field(min_length=1, max_length=500)]
    source_rule_id: Text | None = None
    source_name: Text | None = None
    severity: Text | None = None
    is_active: StrictBool = True
    mitre_tactics: Texts = []
    mitre_techniques: Texts = []
    mitre_subtechniques: Texts = []
    data_sources: Texts = []
    run_frequency: Text | None = None
    documentation: Text | None = None


class DetectionRulePatchRequest(_Model):
    """An edit of a detection rule; absent and null both mean "leave it"."""

    name: Annotated[Text, Field(min_length=1, max_length=500)] | None = None
    severity: Text | None = None
    is_active: StrictBool | None = None
    mitre_tactics: Texts | None = None
    mitre_techniques: Texts | None = None
    mitre_subtechniques: Texts | None = None
    data_sources: Texts | None = None
    documentation: Text | None = None


def _targeting(rules: object) -> object:
    problems = list(targeting.problems(rules))
    if problems:
        raise ValueError("; ".join(f"{p.path}: {p.message}" for p in problems))
    return rules


class ContextDocumentRequest(_Model):
    """A context document to add."""

    title: Annotated[Text, Field(min_length=1, max_length=500)]
    document_type: Annotated[DocumentType, _exact(DocumentType)]
    content: Text
    is_global: StrictBool = False
    description: Text | None = None
    tags: Texts = []
    targeting_rules: Annotated[Json | None, BeforeValidator(_targeting)] = None


class ContextDocumentPatchRequest(_Model):
    """An edit of a context document; absent and null both mean "leave it"."""

    title: Annotated[Text, Field(min_length=1, max_length=500)] | None = None
    document_type: Annotated[DocumentType | None, _exact(DocumentType)] = None
    content: Text | None = None
    is_global: StrictBool | None = None
    description: Text | None = None
    tags: Texts | None = None
    targeting_rules: Annotated[Json | None, BeforeValidator(_targeting)] = None


def _problems(fault: ValidationError) -> list[FieldProblem]:
    found = []
    for error in fault.errors(include_url=False, include_context=False):
        path = ""
        for part in error["loc"]:
            path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
        message = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            message = "is not a field"
        found.append(FieldProblem(path or "value", message, error["input"]))
    return found


def _known(model: type[BaseModel]) -> str:
    return ", ".join(model.model_fields)


def _checked(model: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields given, validated; raises `AlertValidationError` with every problem."""
    try:
        checked = model.model_validate(given)
    except ValidationError as fault:
        raise AlertValidationError(_problems(fault), advice=f"the fields are: {_known(model)}") from None
    return {name: tuple(v) if isinstance(v := getattr(checked, name), list) else v for name in model.model_fields}


def read_patch(given: object, fields: Mapping[str, Any] = MappingProxyType({})) -> tuple[AlertPatch, list[FieldProblem]]:
    """An edit of an alert, from a mapping and further fields, and what is wrong with its shape.

    Of a field with a problem the edit says nothing. The domain reports these problems together with the rules' own.
    """
    problems: list[FieldProblem] = []
    if not isinstance(given, Mapping):
        problems.append(FieldProblem("patch", "must be a mapping from field to value", given))
        given = {}
    patch = {**given, **fields}
    unknown = patch.keys() - _PATCH_FIELDS
    strange = [
        FieldProblem(str(name), f"is not a field; there are: {_known(AlertPatchRequest)}", patch.pop(name))
        for name in sorted(unknown, key=str)
    ]
    try:
        checked = AlertPatchRequest.model_validate(patch)
    except ValidationError as fault:
        problems += _problems(fault)
        wrong = {error["loc"][0] for error in fault.errors() if error["loc"]}
        checked = AlertPatchRequest.model_validate({name: value for name, value in patch.items() if name not in wrong})
    problems += strange
    return (
        AlertPatch(
            status=checked.status,
            severity=checked.severity,
            close_classification=checked.close_classification,
            tags=None if checked.tags is None else tuple(checked.tags),
            malice_override=checked.malice_override,
            reset_malice_override=bool(checked.reset_malice_override),
        ),
        problems,
    )


def read_classification(given: object) -> CloseClassification:
    """A close classification from its exact string. Raises `AlertValidationError`."""
    if not isinstance(given, str) or given not in list(CloseClassification):
        message = f"must be one of: {', '.join(CloseClassification)}"
        raise AlertValidationError([FieldProblem("close_classification", message, given)])
    return CloseClassification(given)


def read_finding(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a finding. Raises `AlertValidationError`."""
    finding = _checked(FindingRequest, given)
    if len(json.dumps(finding["evidence"], ensure_ascii=False).encode()) > LONGEST_EVIDENCE:
        raise AlertValidationError([FieldProblem("evidence", f"comes to more than {LONGEST_EVIDENCE:,} bytes", "(left out)")])
    return finding


def read_rule(given: Mapping[str, Any]) -> NewRule:
    """A detection rule. Raises `AlertValidationError`."""
    return NewRule(**_checked(DetectionRuleRequest, given))


def read_rule_patch(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a rule to change. Raises `AlertValidationError`."""
    return _given(_checked(DetectionRulePatchRequest, given))


def read_document(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a context document. Raises `AlertValidationError`."""
    return _checked(ContextDocumentRequest, given)


def read_document_patch(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a document to change. Raises `AlertValidationError`."""
    return _given(_checked(ContextDocumentPatchRequest, given))


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def read_record(given: Mapping[str, Any]) -> bytes:
    """The bytes of a record that is given as a mapping: compact UTF-8 JSON, keys in the order given.

    Raises `AlertValidationError` for what is not JSON.
    """
    try:
        if not isinstance(given, Mapping):
            message = "it must be a mapping"
            raise TypeError(message)
        raw = json.dumps(dict(given), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as fault:
        raise AlertValidationError([FieldProblem("record", f"is not JSON: {fault}", given)]) from None
    if len(raw) > LONGEST_RECORD:
        raise AlertValidationError([FieldProblem("record", f"comes to more than {LONGEST_RECORD:,} bytes", "(left out)")])
    return raw
