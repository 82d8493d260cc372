"""What the commands share: which store, who acts, which alerts are meant."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click
from attrs import frozen

from alertstore.errors import AlertNotFoundError, AlertValidationError, FieldProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from alertstore.domain.lifecycle import LifecyclePolicy
    from alertstore.storage.repository import Mode
    from alertstore.store import AlertStore

F = TypeVar("F", bound="Callable[..., Any]")

UUID_LENGTH = 36
SHORTEST_ENDING = 4
CANDIDATES = 10

_REPEATABLE = {
    "status": "Open, Triaging, Escalated or Closed.",
    "severity": "Pending, Informational, Low, Medium, High or Critical.",
    "source": "The source, as `alertstore sources` names it.",
    "rule": "A detection rule: its uuid, or the tool's id of it.",
    "tag": "A tag; of several, all must be there.",
    "indicator": "An indicator: VALUE or TYPE:VALUE.",
    "malice": "Pending, Benign, Suspicious or Malicious.",
    "classification": "What it was closed as.",
    "uuid": "An alert, by its uuid or a unique ending of it.",
}
_SINGLE = {
    "start": "Occurred at or after this ISO time (UTC unless it says otherwise).",
    "end": "Occurred before this ISO time.",
    "text": "Words that must all occur in title, description, tags or indicators.",
}


@frozen
class Session:
    """The store and the actor that the command line names."""

    path: str
    named_actor: str | None
    receipts: str | None = None

    @property
    def actor(self) -> str:
        """Who acts."""
        if self.named_actor:
            return self.named_actor
        from getpass import getuser  # noqa: PLC0415 - wanted by edits alone

        try:
            return getuser()
        except (OSError, KeyError):
            return "local"

    def open(self, mode: Mode, policy: LifecyclePolicy | None = None, actor: str | None = None) -> AlertStore:
        """Open the store; only `mode="create"` makes one. `policy` is the documented one, unless a command has another.

        `actor`: who acts, where what is only read is signed with a name all the same.
        """
        from alertstore.store import AlertStore  # noqa: PLC0415 - help and usage errors need no database

        if self.path == ":memory:":
            raise AlertValidationError(
                [FieldProblem("store", "must be a file; a store in memory is gone when the command ends", self.path)]
            )
        actor = actor or ("reader" if mode == "ro" else self.actor)  # whoever only reads is not asked for a name that can be stored
        return AlertStore.open(self.path, mode=mode, actor=actor, policy=policy, receipts=None if mode == "ro" else self.receipts)


def filtered(command: F) -> F:
    """Give a command the filters of `AlertStore.alerts` as options."""
    for name, words in reversed([*_REPEATABLE.items(), *_SINGLE.items()]):
        command = click.option(f"--{name}", multiple=name in _REPEATABLE, help=words)(command)
    return command


def read_filters(store: AlertStore, given: Mapping[str, Any]) -> dict[str, Any]:
    """The filters that were given, as `AlertStore.alerts` takes them; its own errors speak of names and words it does not know."""
    chosen: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else value for name, value in given.items() if value not in {(), None}
    }
    for name in ("start", "end"):
        if name in chosen:
            chosen[name] = read_time(name, chosen[name])
    if "uuid" in chosen:
        chosen["uuid"] = [resolve(store, one) for one in chosen["uuid"]]
    return chosen


def read_where(store: AlertStore, pairs: Iterable[str]) -> dict[str, Any]:
    """The filters in `--where name=value` arguments."""
    chosen: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"--where takes name=value, not {pair!r}; for example --where status=Open")
        if name in _SINGLE:
            if name in chosen:
                raise AlertValidationError([FieldProblem(name, "is given twice", value)])
            chosen[name] = value
        else:
            chosen[name] = (*chosen.get(name, ()), value)
    return read_filters(store, chosen)


def read_time(name: str, text: str | None) -> datetime | None:
    """A time from its ISO text. Raises `AlertValidationError`."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        message = "must be an ISO date or time, such as 2026-11-23 or 2026-11-23T08:54Z"
        raise AlertValidationError([FieldProblem(name, message, text)]) from None


def resolve(store: AlertStore, ending: str) -> str:
    """The uuid that an ending names. Raises `AlertNotFoundError` where none or several have it."""
    ending = ending.strip().lower()
    if len(ending) >= UUID_LENGTH:
        return ending
    if len(ending) < SHORTEST_ENDING:
        raise AlertValidationError([FieldProblem("uuid", f"needs at least {SHORTEST_ENDING} characters of its ending", ending)])
    found = store.find(ending)
    if not found:
        raise AlertNotFoundError(f"no alert whose uuid ends in {ending} in this store", advice="alerts() lists those there are")
    if len(found) > 1:
        more = " and more" if len(found) > CANDIDATES else ""
        names = ", ".join(found[:CANDIDATES])
        raise AlertNotFoundError(f"several alerts end in {ending}: {names}{more}", advice="give more of the uuid")
    return found[0]
