"""What the remote checks before it acts: bodies, queries and paths, with its error codes and the places of its errors."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from alertstore.domain.times import to_micros
from alertstore.domain.vocabulary import AlertStatus, CloseClassification, IndicatorType, Malice, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Problem = dict[str, Any]
PAYLOAD_LIMIT = 1_048_576
EVIDENCE_LIMIT = 65_536
PAGE_LIMIT = 500
_TRUE = {"true", "1", "yes", "on", "t", "y"}
_FALSE = {"false", "0", "no", "off", "f", "n"}
_BIGGEST = 2**63 - 1  # what its database takes for an offset


class Refused(Exception):  # noqa: N818 - an answer, not a mistake
    """The remote's answer is an error: HTTP status, code, message, details."""

    def __init__(self, status: int, code: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        """Keep the parts of the answer."""
        super().__init__(status, code, message)
        self.status = status
        self.body = {"error": {"code": code, "message": message, "details": dict(details or {})}}


def crashed() -> Refused:
    """The remote's answer to what it did not foresee."""
    return Refused(500, "INTERNAL_ERROR", "An unexpected error occurred.")


def missing(what: str = "Alert") -> Refused:
    """There is no such thing."""
    return Refused(404, "NOT_FOUND", f"{what} not found.")


def no_route() -> Refused:
    """There is nothing at this path, or not by this method; also what a body that is not UTF-8 gets."""
    return Refused(404, "NOT_FOUND", "The requested resource was not found.")


def problem(kind: str, loc: Iterable[str | int], msg: str) -> Problem:
    """One entry of details.errors."""
    return {"type": kind, "loc": list(loc), "msg": msg}


def refuse(problems: list[Problem]) -> None:
    """Raise the 422 that lists them, if there are any."""
    if problems:
        raise Refused(422, "VALIDATION_ERROR", "Request validation failed.", {"errors": problems})


def malformed(at: int) -> NoReturn:
    """Answer a body that is no JSON from the given place on."""
    refuse([problem("json_invalid", ["body", at], "JSON decode error")])
    raise AssertionError


def storable(value: Any) -> None:
    """Raise the 500 that the remote answers where its database cannot keep a text: NUL, or half a surrogate pair."""
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, str):
            if "\0" in one or any("\ud800" <= char <= "\udfff" for char in one):
                raise crashed()
        elif isinstance(one, dict):
            stack.extend(one)
            stack.extend(one.values())
        elif isinstance(one, list):
            stack.extend(one)


def object_body(body: Any, problems: list[Problem]) -> dict[str, Any]:
    """The body where it is an object; else an empty one and a problem."""
    if isinstance(body, dict):
        return body
    if body is None:
        problems.append(problem("missing", ["body"], "Field required"))
    else:
        problems.append(problem("model_attributes_type", ["body"], "Input should be a valid dictionary or object to extract fields from"))
    return {}


def same_uuid(text: str, where: str, problems: list[Problem]) -> str:
    """A uuid in the form that rows have, from any form that is one (upper case, no dashes, braces, urn:uuid:)."""
    try:
        return str(UUID(text))
    except ValueError:
        place = ["query", where] if where == "detection_rule_uuid" else ["path", where]
        problems.append(problem("uuid_parsing", place, "Input should be a valid UUID"))
        return ""


def _words(vocabulary: Iterable[str]) -> str:
    *most, last = (f"'{word}'" for word in vocabulary)
    return f"Input should be {', '.join(most)} or {last}"


def _enum(vocabulary: Iterable[str]) -> Callable[[Any, list[str | int]], Iterable[Problem]]:
    known = list(map(str, vocabulary))
    told = _words(known)

    def check(value: Any, loc: list[str | int]) -> Iterable[Problem]:
        if not isinstance(value, str) or value not in known:
            yield problem("enum", loc, told)

    return check


def _text(least: int = 0, most: int | None = None) -> Callable[[Any, list[str | int]], Iterable[Problem]]:
    def check(value: Any, loc: list[str | int]) -> Iterable[Problem]:
        if not isinstance(value, str):
            yield problem("string_type", loc, "Input should be a valid string")
        elif len(value) < least:
            yield problem("string_too_short", loc, f"String should have at least {least} character")
        elif most is not None and len(value) > most:
            yield problem("string_too_long", loc, f"String should have at most {most} characters")

    return check


def _texts(value: Any, loc: list[str | int]) -> Iterable[Problem]:
    if not isinstance(value, list):
        yield problem("list_type", loc, "Input should be a valid list")
        return
    for place, item in enumerate(value):
        yield from _text()(item, [*loc, place])


def _evidence(value: Any, loc: list[str | int]) -> Iterable[Problem]:
    if not isinstance(value, dict):
        yield problem("dict_type", loc, "Input should be a valid dictionary")
    elif len(json.dumps(value)) > EVIDENCE_LIMIT:
        yield problem("value_error", loc, "Value error, evidence exceeds maximum size of 64 KB")


def _payload(value: Any, loc: list[str | int]) -> Iterable[Problem]:
    if not isinstance(value, dict):
        yield problem("dict_type", loc, "Input should be a valid dictionary")
    elif (size := len(json.dumps(value))) > PAYLOAD_LIMIT:
        yield problem("value_error", loc, f"Value error, payload exceeds maximum size of 1 MB ({size:,} bytes serialized)")


_MALICE = _enum(Malice)
_PATCH = {
    "status": _enum(AlertStatus),
    "severity": _enum(Severity),
    "close_classification": _enum(CloseClassification),
    "tags": _texts,
    "malice_override": _MALICE,
}
_FINDING = {
    "agent_name": _text(1, 255),
    "summary": _text(1, 50_000),
    "confidence": _enum(("low", "medium", "high")),
    "recommended_action": _text(),
    "evidence": _evidence,
}
_INDICATOR = {"type": _enum(IndicatorType), "value": _text(1, 2048)}
_INGEST = {"source_name": _text(), "payload": _payload}


def _fields(
    body: Mapping[str, Any],
    checks: Mapping[str, Callable[[Any, list[str | int]], Iterable[Problem]]],
    needed: tuple[str, ...] = (),
    loc: tuple[str | int, ...] = ("body",),
) -> Iterable[Problem]:
    for name, check in checks.items():
        if name not in body and name in needed:
            yield problem("missing", [*loc, name], "Field required")
        elif body.get(name) is not None or (name in needed):
            yield from check(body[name], [*loc, name])


def patch_body(body: Any, problems: list[Problem]) -> dict[str, Any]:
    """The fields of an alert's patch that say something: null and unknown ones say nothing."""
    body = object_body(body, problems)
    problems.extend(_fields(body, _PATCH))
    found = {name: body[name] for name in _PATCH if body.get(name) is not None}
    reset = as_bool(body.get("reset_malice_override", False), ["body", "reset_malice_override"], problems)
    return found | {"reset_malice_override": True} if reset else found


def finding_body(body: Any, problems: list[Problem]) -> dict[str, Any]:
    """A finding's fields, null where not given."""
    body = object_body(body, problems)
    if not problems:
        problems.extend(_fields(body, _FINDING, ("agent_name", "summary")))
    return {name: body.get(name) for name in _FINDING}


def indicators_body(body: Any, problems: list[Problem]) -> list[tuple[str, str]]:
    """The (type, value) pairs to add; values stripped, in the order given."""
    items = object_body(body, problems).get("indicators")
    loc = ["body", "indicators"]
    if problems:
        return []
    if not isinstance(items, list):
        problems.append(problem("missing" if items is None else "list_type", loc, "Field required" if items is None else "not a list"))
        return []
    most = 100
    if not items or len(items) > most:
        kind = "too_long" if items else "too_short"
        problems.append(problem(kind, loc, f"List should have between 1 and {most} items"))
        return []
    for place, item in enumerate(items):
        if isinstance(item, dict):
            problems.extend(_fields(item, _INDICATOR, ("type", "value"), ("body", "indicators", place)))
        else:
            problems.append(problem("model_attributes_type", [*loc, place], "Input should be a valid dictionary"))
    return [] if problems else [(item["type"], item["value"].strip()) for item in items]


def ingest_body(body: Any, problems: list[Problem]) -> dict[str, Any]:
    """source_name and payload."""
    found = object_body(body, problems)
    if not problems:
        problems.extend(_fields(found, _INGEST, ("source_name", "payload")))
    return found


def malice_body(body: Any, problems: list[Problem]) -> str | None:
    """The verdict of a person on an indicator; None takes it back."""
    body = object_body(body, problems)
    problems.extend(_fields(body, {"malice": _MALICE}))
    found: str | None = body.get("malice")
    return found


def as_bool(value: Any, loc: list[str | int], problems: list[Problem]) -> bool:
    """A truth value as the remote reads one: also 1, "yes", "off"."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str | int | float):
        word = str(value).lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        problems.append(problem("bool_parsing", loc, "Input should be a valid boolean, unable to interpret input"))
    else:
        problems.append(problem("bool_type", loc, "Input should be a valid boolean"))
    return False


def paging(query: Mapping[str, str], problems: list[Problem]) -> tuple[int, int]:
    """Page (from 1) and page_size (1 to 500)."""
    page = _whole(query.get("page", "1"), "page", None, problems)
    return page, _whole(query.get("page_size", "50"), "page_size", PAGE_LIMIT, problems)


def _whole(text: str, name: str, most: int | None, problems: list[Problem]) -> int:
    if not re.fullmatch(r"\s*[+-]?\d+\s*", text):
        problems.append(problem("int_parsing", ["query", name], "Input should be a valid integer, unable to parse string as an integer"))
        return 1
    number = int(text)
    if number < 1:
        problems.append(problem("greater_than_equal", ["query", name], "Input should be greater than or equal to 1"))
    elif most is not None and number > most:
        problems.append(problem("less_than_equal", ["query", name], f"Input should be less than or equal to {most}"))
    return number


def page_meta(total: int, page: int, page_size: int) -> dict[str, int]:
    """The meta of a list."""
    if page * page_size > _BIGGEST:
        raise crashed()
    return {"total": total, "page": page, "page_size": page_size, "total_pages": math.ceil(total / page_size)}


def moment(text: Any) -> int | None:
    """Microseconds of a time as the remote's ingest reads it (a naive one is UTC); None where it cannot."""
    if not isinstance(text, str):
        return None
    try:
        return to_micros(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def query_time(query: Mapping[str, str], name: str, problems: list[Problem]) -> int | None:
    """A bound of a list's time window, also seconds since the epoch."""
    text = query.get(name)
    if text is None:
        return None
    found = to_micros(datetime.fromtimestamp(int(text), UTC)) if text.isdecimal() else moment(text)
    if found is None:
        problems.append(problem("datetime_from_date_parsing", ["query", name], "Input should be a valid datetime or date"))
    return found
