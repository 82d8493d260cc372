"""Servers to talk to: the real application behind a real socket, its store in a thread of its own."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def cases():
    """The module `serving_cases`; where the packages of the server or of its tests are not there, the test is skipped."""
    for package, extra in (("starlette", "serve"), ("uvicorn", "serve"), ("jsonschema", "dev")):
        pytest.importorskip(package, reason=f"{package} is not installed (extra {extra})")
    import serving_cases

    return serving_cases


@pytest.fixture
def described(cases):
    """The description, and which of its answers were seen until now."""
    return cases.DESCRIBED


@pytest.fixture(scope="session")
def run(cases):
    """Start servers: `with run(path) as port`."""
    return cases.running


@pytest.fixture
def connect(cases):
    """Make clients: `connect(port, key=...)`; closed afterwards."""
    made = []

    def connect_to(port, **options):
        made.append(cases.Client(port, **options))
        return made[-1]

    yield connect_to
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory, run):
    """The port of a server with the documented policy, over a store that the tests of a module share."""
    with run(tmp_path_factory.mktemp("served") / "served.db") as port:
        yield port


@pytest.fixture
def client(port, connect):
    """A client of it."""
    return connect(port)
