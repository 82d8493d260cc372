"""Listening: on which address, with which server around the application."""

from __future__ import annotations

import os
import socket
from contextlib import closing, suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING

import uvicorn

from alertstore.errors import AlertStoreError, AlertValidationError, FieldProblem
from alertstore.server.app import application
from alertstore.server.worker import StoreThread
from alertstore.store.ids import utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from starlette.types import ASGIApp

    from alertstore.store import AlertStore


GRACE = 5
"""Seconds that requests in progress are given when the server is told to stop."""


def serve(
    open_store: Callable[[], AlertStore],
    *,
    host: str,
    port: int,
    key: str | None,
    lenient: bool,
    started: Callable[[str, bool], None],
    clock: Callable[[], datetime] = utc_now,
) -> None:
    """Answer requests until the process is told to stop.

    open_store: opens the store, called in the thread that uses it; key: what clients must send, None for nothing, which only a
    loopback address allows; started: called once with the address and whether other machines can reach it.
    Raises `AlertValidationError`, `AlertStoreError` where nothing can listen there, and what opening a store raises.
    """
    check_key(key)
    with closing(listen(host, port)) as listening:
        address, real_port = listening.getsockname()[:2]
        is_open = not ip_address(address.partition("%")[0]).is_loopback
        if key is None and is_open:
            problem = FieldProblem("host", "without a key only this machine may ask: must be a loopback address", host)
            raise AlertValidationError([problem], advice="set $ALERTSTORE_API_KEY, or leave --host out")
        with StoreThread(open_store) as store:
            app = application(store, clock=clock, host=host, key=key, lenient=lenient)
            with suppress(KeyboardInterrupt):  # which is how a person ends it
                started(f"http://{f'[{host}]' if ':' in host else host}:{real_port}", is_open)
                around(app).run(sockets=[listening])


def around(app: ASGIApp) -> uvicorn.Server:
    """The HTTP server for an application: it says nothing of itself, and believes nothing that a proxy might have added."""
    config = uvicorn.Config(
        app,
        interface="asgi3",
        lifespan="off",
        ws="none",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
    )
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises `AlertStoreError`, saying why it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, which is what asyncio sends without delay: an answer in two parts would else wait 40 ms for its second.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # or a port stays taken for a minute after a stop
        listening.bind((host, port))
        listening.listen()
    except (OSError, OverflowError, ValueError) as fault:
        listening.close()
        raise AlertStoreError(f"cannot listen on {host} port {port}: {fault}", advice="name another --host or --port") from fault
    return listening


def check_key(key: str | None) -> None:
    """Raise `AlertValidationError` for a key that cannot stand in a header."""
    if key is not None and not (key.isascii() and key.isprintable() and key and " " not in key):
        raise AlertValidationError([FieldProblem("key", "must be printable ASCII without spaces", "(not shown)")])
