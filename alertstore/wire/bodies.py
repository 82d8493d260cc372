"""What clients of the API send besides the edits of `requests`: records, indicators, a verdict."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from alertstore.domain.indicators import LONGEST
from alertstore.domain.vocabulary import IndicatorType, Malice
from alertstore.wire.requests import Text, _exact, _Model

LONGEST_PAYLOAD = 1 << 20
"""Bytes of JSON that a payload may come to (the remote's limit)."""


def _short(payload: dict[str, Any]) -> dict[str, Any]:
    try:
        size = len(json.dumps(payload, separators=(",", ":")))
    except RecursionError:  # what one Python still reads, it may not write
        message = "payload is nested too deep"
        raise ValueError(message) from None
    if size > LONGEST_PAYLOAD:
        message = f"payload exceeds maximum size of 1 MB ({size:,} bytes)"
        raise ValueError(message)
    return payload


class IngestRequest(_Model):
    """The body of `POST /v1/alerts`: one record of a tool."""

    source_name: Text
    payload: Annotated[dict[str, Any], AfterValidator(_short)]


class IndicatorItem(_Model):
    """One indicator to add."""

    type: Annotated[IndicatorType, _exact(IndicatorType)]
    value: Annotated[Text, Field(min_length=1, max_length=LONGEST)]


class IndicatorsRequest(_Model):
    """The body of `POST /v1/alerts/{uuid}/indicators`."""

    indicators: Annotated[list[IndicatorItem], Field(min_length=1, max_length=100)]


class IndicatorPatchRequest(_Model):
    """The body of `PATCH /v1/indicators/{uuid}`. The remote takes null as "forget the verdict"; there is no such edit here."""

    malice: Annotated[Malice, _exact(Malice)]
