"""Bodies of requests: how much of them is read, and what is JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from starlette.requests import ClientDisconnect

from alertstore.server.calls import LONGEST_INGEST, Refusal

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import Receive

MOST_DROPPED = 64 << 20
"""Bytes of too long a body that are still taken off the wire, so that its sender comes to read why it was refused."""


async def read(receive: Receive, headers: Headers, limit: int) -> bytes:
    """The body, however it is sent. Raises `Refusal` where it is longer than `limit` bytes."""
    declared = headers.get("content-length", "")
    size = 0
    chunks: list[bytes] = []
    too_long = declared.isdigit() and int(declared[:20]) > limit
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        size += len(chunk)
        too_long = too_long or size > limit
        if too_long:
            chunks.clear()
        else:
            chunks.append(chunk)
        if not message.get("more_body", False) or size > MOST_DROPPED:
            break
    if too_long:
        where = "ingest endpoints" if limit == LONGEST_INGEST else "this endpoint"
        raise Refusal(413, "PAYLOAD_TOO_LARGE", f"Request body exceeds the {limit >> 20}MB limit for {where}.")
    return b"".join(chunks)


def is_json(headers: Headers) -> bool:
    """Whether a request says that its body is JSON."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    main, _, sub = kind.partition("/")
    return main == "application" and (sub == "json" or sub.endswith("+json"))


def parse(raw: bytes) -> Any:
    """The JSON in a body (UTF-8, with or without a byte order mark). Raises `ValueError`, with the place in `args[1]`."""
    try:
        return json.loads(raw.decode("utf-8-sig"), parse_constant=_refuse)
    except UnicodeDecodeError as fault:
        raise ValueError("not UTF-8", fault.start) from None
    except json.JSONDecodeError as fault:
        raise ValueError(fault.msg, fault.pos) from None
    except (ValueError, RecursionError):  # a number too long for Python, NaN, brackets too deep
        raise ValueError("JSON that is not read here", 0) from None


def _refuse(word: str) -> NoReturn:
    raise ValueError(word)
