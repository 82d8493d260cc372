"""Holding values against the models of this room, and telling what is wrong in the words and places of the API's errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.json_schema import models_json_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from alertstore.errors import FieldProblem

M = TypeVar("M", bound=BaseModel)
Problem = dict[str, Any]
"""One problem as the API reports it: `type`, `loc` (where, by parts), `msg`; never the value itself."""

NO_OBJECT = "Input should be a valid dictionary or object to extract fields from"


def read(model: type[M], values: Mapping[str, Any], place: str) -> tuple[M | None, list[Problem]]:
    """The model's value, or None and every problem; `place` (path, query or body) begins each `loc`."""
    try:
        return model.model_validate(values), []
    except ValidationError as fault:
        return None, [
            {"type": one["type"], "loc": [place, *one["loc"]], "msg": one["msg"]}
            for one in fault.errors(include_url=False, include_context=False, include_input=False)
        ]


def read_leniently(model: type[M], values: dict[str, Any], place: str) -> tuple[M | None, list[Problem]]:
    """The same, but fields that the model does not know are taken out of `values` first, however deep they stand."""
    found, problems = read(model, values, place)
    strange = [one["loc"][1:] for one in problems if one["type"] == "extra_forbidden"]
    if not strange:
        return found, problems
    for *way, name in strange:
        part: Any = values
        for step in way:
            part = part[step]
        del part[name]
    return read(model, values, place)


def as_problem(problem: FieldProblem) -> Problem:
    """A problem that the store found, as the API reports it."""
    path = problem.path.replace("[", ".").replace("]", "")
    loc = [int(part) if part.isascii() and part.isdigit() else part for part in path.split(".")]
    return {"type": "value_error", "loc": ["body", *loc], "msg": problem.message}


def definitions(taken: Iterable[type[BaseModel]], given: Iterable[type[BaseModel]]) -> dict[str, Any]:
    """The JSON schemas of models that come in (`taken`) and go out (`given`), by name, as OpenAPI's components hold them."""
    wanted = [*((model, "validation") for model in taken), *((model, "serialization") for model in given)]
    _, found = models_json_schema(wanted, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]  # a list of pairs
    schemas: dict[str, Any] = found["$defs"]
    return schemas


def parameters(model: type[BaseModel]) -> list[tuple[str, bool, dict[str, Any]]]:
    """The fields of a path or query model, as OpenAPI's parameters need them: name, whether it must be there, schema."""
    schema = TypeAdapter(model).json_schema()
    required = schema.get("required", [])
    return [(name, name in required, part) for name, part in schema["properties"].items()]
