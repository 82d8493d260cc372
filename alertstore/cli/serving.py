"""Serving: the API of the remote, on this machine."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from alertstore.cli.gate import say
from alertstore.domain.lifecycle import LifecyclePolicy
from alertstore.errors import AlertStoreError, AlertValidationError, FieldProblem, MissingExtraError

if TYPE_CHECKING:
    from alertstore.cli.session import Session

KEY = "ALERTSTORE_API_KEY"
POLICIES = {"documented": LifecyclePolicy.documented, "permissive": LifecyclePolicy.permissive}


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65_535), help="The port; 0 for any that is free.")
@click.option("--policy", default="documented", show_default=True, help="documented, or permissive: any step, unknown fields ignored.")
@click.option("--no-key", is_flag=True, help="Ask clients for no key; on loopback only.")
@click.pass_obj
def serve(session: Session, /, *, host: str, port: int, policy: str, no_key: bool) -> None:
    """Answer the remote's API from this store.

    Clients send the key that $ALERTSTORE_API_KEY holds: Authorization: Bearer KEY. The API describes itself at /openapi.json.

    Example: ALERTSTORE_API_KEY=secret alertstore serve --port 8000
    """
    if not all(find_spec(package) for package in ("starlette", "uvicorn")):
        raise MissingExtraError("`alertstore serve`", "serve")
    if policy not in POLICIES:
        raise AlertValidationError([FieldProblem("policy", f"must be one of: {', '.join(POLICIES)}", policy)])
    key = None if no_key else os.environ.get(KEY)
    if not key and not no_key:
        raise AlertStoreError(f"there is no key in ${KEY}", advice="set one, or say --no-key to let every program on this machine ask")

    from alertstore.server import serve as run  # noqa: PLC0415 - an extra

    def started(address: str, is_open: bool) -> None:  # noqa: FBT001 - the server says it so
        if is_open:
            say("alertstore: warning: other machines can reach this server, and what they send and get, the key too, is not encrypted;")
            say("  advice: listen on 127.0.0.1 and let a proxy with TLS, or ssh -L, lead there")
        say(f"serving {session.path} at {address} (Ctrl-C ends it)")

    run(
        lambda: session.open("create", policy=POLICIES[policy]()),
        host=host,
        port=port,
        key=key,
        lenient=policy == "permissive",
        started=started,
    )


COMMANDS = {"serve": serve}
