"""Where every command starts and ends: what went wrong becomes one safe sentence and the exit code that api.md gives it."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from alertstore.domain.safe import safe_text
from alertstore.errors import AlertNotFoundError, AlertStoreError, AlertValidationError, BundleError, StorageError, SyncError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REFUSED, USAGE, NOT_FOUND, STORE, REMOTE, UNSOUND, STOPPED = 1, 2, 3, 4, 5, 6, 130

FIRST_PROBLEMS = 10

_CODES: tuple[tuple[type[AlertStoreError], int], ...] = (
    (AlertNotFoundError, NOT_FOUND),
    (StorageError, STORE),
    (BundleError, UNSOUND),  # a SyncError too: the first that fits counts
    (SyncError, REMOTE),
)

_PYTHON_WORDS = (
    ("AlertStore.migrate(path)", "`alertstore migrate`"),
    ("AlertStore.open(path) creates one", "`alertstore ingest FILE` makes one; --store or $ALERTSTORE names another"),
    ("alerts() lists those", "`alertstore list` lists those"),
    ("rules() lists those", "`alertstore rules` lists those"),
    ("best_effort=True", "--best-effort"),
    ("open it with mode='ro'", "commands that only read still work"),
    ("rejected_records() lists them", "`alertstore rejected` lists them"),
    ("suppressions() lists those", "`alertstore suppressions` lists those"),
    ("suppressed_records() lists what", "`alertstore suppressed` lists what"),
    ("lists() names those", "`alertstore lists` names those"),
    ("give the path of an .mmdb file", "give one with --mmdb FILE"),
    ("say what a hit in it means", "say what a hit in it means with --malice"),
    ("release_hold() lifts it", "`alertstore hold --release` lifts it"),
    ("rotate_key(old, new) changes it", "`alertstore keygen NEW --rotate OLD` changes it"),
    ("sign() makes a key", "`alertstore checkpoint --sign KEY` makes a key"),
    ("or open with a longer busy_timeout", "when it is done"),
    ("conflicts() lists those", "`alertstore conflicts` lists those"),
    ("look at the plan (dry_run=True), then", "look at `alertstore sync plan`, then"),
    ("with force=True", "with --force"),
    ("in the policy", "in a --policy"),
)
"""The library's advice speaks Python; here it speaks the command line."""


def say(words: object) -> None:
    """One line for people, on stderr."""
    sys.stderr.write(safe_text(words) + "\n")
    sys.stderr.flush()


def complain(fault: AlertStoreError) -> int:
    """Say what was refused and what to do about it; the exit code."""
    say(f"alertstore: {_message(fault)}")
    advice = fault.advice
    for python, words in _PYTHON_WORDS:
        advice = advice.replace(python, words)
    if advice:
        say(f"  advice: {advice}")
    return next((code for kind, code in _CODES if isinstance(fault, kind)), REFUSED)


def _message(fault: AlertStoreError) -> str:
    """What was wrong; of very many problems the first."""
    problems = fault.problems if isinstance(fault, AlertValidationError) else ()
    if len(problems) <= FIRST_PROBLEMS:
        return str(fault)
    shown = "; ".join(f"{one.path}: {one.message}" for one in problems[:FIRST_PROBLEMS])
    return f"{shown}; and {len(problems) - FIRST_PROBLEMS:,} more problems"


class Gate(click.Group):
    """A group whose commands are loaded when first asked for, and whose errors are said in one way."""

    homes: Mapping[str, Sequence[str]]
    """Module of `alertstore.cli` -> the names of its commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The commands in the order of the homes: what one does first comes first."""
        return [name for names in self.homes.values() for name in names]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Load a command."""
        for module, names in self.homes.items():
            if cmd_name in names:
                found: click.Command = import_module(f"alertstore.cli.{module}").COMMANDS[cmd_name]
                return found
        return None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; every fault ends as an exit code."""
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            try:
                super().invoke(ctx)
                sys.stdout.flush()
            except AlertStoreError as fault:
                ctx.exit(complain(fault))
            except KeyboardInterrupt:
                say("alertstore: stopped; what was committed until now is kept")
                ctx.exit(STOPPED)
            except OSError as fault:
                ctx.exit(_output_fault(fault))
            except UnicodeEncodeError:
                say("alertstore: an argument holds bytes that are not UTF-8 text")
                ctx.exit(REFUSED)
            except (click.ClickException, click.exceptions.Exit, click.Abort):
                raise
            except Exception:  # noqa: BLE001 - the last resort: a traceback may quote an alert, so it passes the gate too
                _confess()
                ctx.exit(REFUSED)

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run as a program, and leave with the exit code."""
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        extra |= {"prog_name": extra.get("prog_name") or "alertstore", "standalone_mode": False}
        try:
            code = super().main(*args, **extra)
        except click.ClickException as fault:
            if isinstance(fault, click.UsageError) and fault.ctx is not None:
                say(fault.ctx.get_usage())
            say(f"alertstore: {fault.format_message()}")
            if isinstance(fault, click.UsageError) and fault.ctx is not None:
                say(f"  advice: `{fault.ctx.command_path} --help` says what there is")
            code = fault.exit_code
        except click.Abort:
            code = STOPPED
        sys.exit(code if isinstance(code, int) else 0)


def _output_fault(fault: OSError) -> int:
    """A reader that went away has what it wanted; a full disk is a fault. Nothing more can be written either way."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere
    if isinstance(fault, BrokenPipeError):
        return 0
    say(f"alertstore: {fault.strerror or fault}{f': {fault.filename}' if fault.filename else ''}")
    return REFUSED


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    say(f"alertstore: warning: {message}")


def _confess() -> None:
    for line in traceback.format_exc().splitlines():
        say(line)
    say("alertstore: this is a fault of alertstore; please report it with the lines above")
