"""For all tests. The fixtures `alert_store` and `frozen_clock` come from alertstore's own pytest plugin."""

from __future__ import annotations

import os
import runpy

import pytest
from hypothesis import HealthCheck, settings

# The same examples every time, so that what is covered, and whether it passes, does not change between two runs of one commit.
settings.register_profile("ci", max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", parent=settings.get_profile("ci"), max_examples=1_000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


_MEASURED: list[tuple[str, str, str]] = []


@pytest.fixture(scope="session")
def hostile_strings():
    """What an attacker writes into alerts: name -> text (tests/hostile/corpus.py)."""
    return runpy.run_path(os.path.join(os.path.dirname(__file__), "hostile", "corpus.py"))["HOSTILE"]


@pytest.fixture
def promise(request):
    """Note what a test measured for the table of promises: `promise("what is promised", "200 kills survived")`."""

    def note(what, number):
        _MEASURED.append((what, request.node.nodeid.split("::", 1)[0], number))

    return note


def pytest_terminal_summary(terminalreporter):
    """The table of the README, afresh: each promise, the test that holds it, what was measured just now."""
    if not _MEASURED:
        return
    terminalreporter.section("promises")
    terminalreporter.write_line("| promise | held by | measured |")
    terminalreporter.write_line("| --- | --- | --- |")
    numbers: dict[tuple[str, str], list[str]] = {}
    for what, where, number in _MEASURED:
        numbers.setdefault((where, what[:1].upper() + what[1:]), []).append(number)
    for (where, what), measured in sorted(numbers.items()):
        terminalreporter.write_line(f"| {what} | `{where}` | {'; '.join(dict.fromkeys(measured))} |")
