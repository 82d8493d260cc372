"""The remote as the command line names it: where it is, with which key, by which policy."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE
from typing import TYPE_CHECKING, Any, TypeVar

import click
from attrs import define

from alertstore.cli.intake import watched
from alertstore.domain.syncpolicy import SyncPolicy
from alertstore.errors import AlertValidationError, FieldProblem, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alertstore.cli.session import Session
    from alertstore.storage.repository import Mode
    from alertstore.store import AlertStore
    from alertstore.sync.http import HttpRemote
    from alertstore.sync.remote import Answer, Pace, Remote

F = TypeVar("F", bound=Callable[..., Any])

LARGEST_KEY = 4096
_OTHERS = 0o077

_LINK = (
    click.option(
        "--remote",
        required=True,
        envvar="ALERTSTORE_REMOTE",
        show_envvar=True,
        metavar="URL",
        help="The remote: https://HOST, or http:// on this machine.",
    ),
    click.option(
        "--key-file",
        type=click.Path(),
        metavar="FILE",
        help="A file, readable by you alone, that holds the remote's key; without it, $ALERTSTORE_REMOTE_KEY.",
    ),
    click.option("--ca-file", type=click.Path(), metavar="FILE", help="Trust these authorities (PEM) in place of the system's."),
    click.option("--policy", type=click.Path(), metavar="FILE", help="Who is right where both sides changed the same (TOML)."),
    click.option("--force", is_flag=True, help="Go on where a guard would stop."),
)


def linked(command: F) -> F:
    """Give a command the options that name the remote and say how to deal with it."""
    for option in reversed(_LINK):
        command = option(command)
    return command


@contextmanager
def connected(
    session: Session, mode: Mode, *, remote: str, key_file: str | None, ca_file: str | None, policy: str | None, force: bool
) -> Iterator[tuple[AlertStore, HttpRemote, dict[str, Any]]]:
    """The store, the remote, and what else `AlertStore.sync` is told; nothing of the store is touched before all of it is right."""
    from alertstore.sync.http import HttpRemote  # noqa: PLC0415 - an extra

    told = {"policy": None if policy is None else _read_policy(policy), "force": force}
    key = None if key_file is None else _read_key_file(key_file)
    with HttpRemote(remote, key=key, ca_file=ca_file) as link:
        _ = link.key_prefix  # raises where there is no key
        if mode == "create" and not os.path.lexists(session.path):
            link.request("GET", "/v1/alerts", query={"page_size": 1})  # no store is made for a remote that is not there
        with session.open(mode) as store:
            yield store, link, told


@contextmanager
def counted(link: HttpRemote) -> Iterator[Remote]:
    """The remote; whoever looks at stderr sees its requests counted, which are slow: it is asked no faster than it allows."""
    if not watched():
        yield link
        return
    from alertstore.cli import tables  # noqa: PLC0415 - rich is loaded for people only

    with tables.console(sys.stderr).status(tables.text(f"asking {link.name}")) as status:
        yield _Counted(link, lambda n: status.update(tables.text(f"asking {link.name}: {n:,} request{'' if n == 1 else 's'}")))


@define
class _Counted:
    """A remote, and what is told how many requests it was sent."""

    link: HttpRemote
    tell: Callable[[int], None]
    sent: int = 0

    @property
    def name(self) -> str:
        return self.link.name

    @property
    def key_prefix(self) -> str | None:
        return self.link.key_prefix

    @property
    def pace(self) -> Pace:
        return self.link.pace

    def request(self, method: str, path: str, **how: Any) -> Answer:
        self.sent += 1
        self.tell(self.sent)
        return self.link.request(method, path, **how)

    def wait(self, seconds: float) -> None:
        self.link.wait(seconds)


def _read_key_file(name: str) -> str:
    """The key in a file that only its owner can read. Raises `SourceError`, `AlertValidationError`."""
    try:
        with open(name, "rb") as file:
            mode = S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(LARGEST_KEY + 1)
    except OSError as fault:
        raise SourceError(f"{name} cannot be read: {fault.strerror}", advice="name a file that holds the remote's key alone") from fault
    if os.name == "posix" and mode & _OTHERS:
        problem = FieldProblem("key-file", f"can be read or changed by others (mode {mode:04o})", name)
        raise AlertValidationError([problem], advice=f"chmod 600 {name}; and if others may have read the key, have a new one issued")
    try:
        key = content.decode("ascii").strip()
    except UnicodeDecodeError:
        key = ""
    if not key or len(content) > LARGEST_KEY:
        raise AlertValidationError([FieldProblem("key-file", "must hold the key and nothing else", name)])
    return key


def _read_policy(name: str) -> SyncPolicy:
    """The policy in a TOML file. Raises `SourceError`, `AlertValidationError`."""
    try:
        return SyncPolicy.read(tomllib.loads(Path(name).read_text(encoding="utf-8")))
    except OSError as fault:
        raise SourceError(f"{name} cannot be read: {fault.strerror}", advice="name a TOML file with a policy") from fault
    except (ValueError, RecursionError) as fault:  # ValueError: no UTF-8, no TOML
        raise AlertValidationError([FieldProblem("policy", f"is no TOML: {fault}", name)]) from None
