"""Stores to run commands on, made with the public API."""

from __future__ import annotations

import pytest
from cli_cases import HOSTILE, Run

from alertstore import AlertStore


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Commands on a store that there is not yet."""
    monkeypatch.chdir(tmp_path)
    for name in ("ALERTSTORE", "ALERTSTORE_ACTOR"):
        monkeypatch.delenv(name, raising=False)
    return Run(tmp_path / "case.db")


@pytest.fixture
def filled(run):
    """Commands on a store with three alerts, the first of them worked on."""
    with AlertStore.open(run.path, actor="setup") as store:
        for number, severity in enumerate(("High", "Low", "Low")):
            record = {
                "title": f"Beacon {number}",
                "severity": severity,
                "occurred_at": f"2026-03-0{number + 1}T10:00:00Z",
                "ip": "192.0.2.7",
            }
            store.add(record | {"indicators": [{"type": "ip", "value": "192.0.2.7"}]})
    return run


@pytest.fixture
def hostile(run):
    """Commands on a store whose alerts try everything."""
    with AlertStore.open(run.path, actor="setup") as store:
        for text in HOSTILE:
            one = store.add({"title": text, "description": text, "severity": "High", "tags": [text]})
            store.add_finding(one.alert.uuid, text)
    return run


@pytest.fixture
def on_terminal(monkeypatch):
    """Tables, as on a terminal of 80 columns."""
    monkeypatch.setattr("alertstore.cli.output.on_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
