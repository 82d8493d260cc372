"""Hostile texts, and a way to run commands."""

from __future__ import annotations

import json

from click.testing import CliRunner

from alertstore import AlertStore
from alertstore.cli import command

HOSTILE = (
    "\x1b]0;pwned\x07 title",
    "\u202egnp.exe\u202c",
    "=cmd|'/C calc'!A0",
    "[bold]not bold[/bold]",
    "zero\u200bwidth \u2028 line \x7f\x9b31m",
)
FALSE = "False Positive - Inaccurate Data"
TRUE = "True Positive - Suspicious Activity"


class Run:
    """Runs commands against one store; what came out."""

    def __init__(self, path):
        self.path = path

    def __call__(self, *args, code=0, stdin=None):
        found = CliRunner().invoke(command, ["--store", str(self.path), "--actor", "mia", *args], input=stdin)
        assert found.exit_code == code, f"{args}: {found.exit_code}\n{found.stdout}\n{found.stderr}\n{found.exception!r}"
        return found

    def json(self, *args, **how):
        return [json.loads(line) for line in self(*args, **how).stdout.splitlines()]

    def open(self, mode="ro"):
        return AlertStore.open(self.path, mode=mode)
