"""Nothing of enrichment touches the network: no module can, and none tries."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import alertstore.enrich
from alertstore.enrich import registry

ROOM = Path(alertstore.enrich.__file__).parent
NETWORK = {
    "socket",
    "ssl",
    "urllib",
    "http",
    "asyncio",
    "ftplib",
    "smtplib",
    "telnetlib",
    "httpx",
    "httpx2",
    "requests",
    "aiohttp",
    "subprocess",
    "ctypes",
}


def imported(tree):
    """The top-level packages that a module names in an import, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def test_no_module_of_enrichment_imports_what_could():
    modules = sorted(ROOM.glob("*.py"))
    assert len(modules) > 10
    assert {path.name: found for path in modules if (found := NETWORK & set(imported(ast.parse(path.read_text()))))} == {}


# Runs with the folder of this test on its path. Whatever the interpreter reports of sockets or programs ends the process.
SCRIPT = """
import io, sys
from pathlib import Path

def watch(event, args):
    if event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn", "os.fork", "urllib.", "http.", "ftplib.", "smtplib.")):
        print("it reached out:", event, args, file=sys.stderr)
        sys.stderr.flush()
        import os
        os._exit(3)

sys.addaudithook(watch)
from alertstore import AlertStore
from alertstore.enrich import registry
from mmdb_writer import mmdb

folder = Path(sys.argv[1])
(folder / "x.mmdb").write_bytes(mmdb({"0.0.0.0/1": {"country": "NZ"}, "128.0.0.0/1": {"country": "NZ"}}))
pairs = [("ip", "192.0.2.8"), ("ip", "8.8.8.8"), ("domain", "www.example.co.uk"), ("url", "http://a.example/x"), ("email", "a@b.example")]
with AlertStore.open(folder / "case.db", actor="mia", plugins=False) as store:
    store.add({"title": "Beacon", "indicators": [{"type": kind, "value": value} for kind, value in pairs]}, source="generic")
    store.load_list(io.BytesIO(b"192.0.2.8\\n*.a.example\\n"), name="feed")
    asked = [registry.load_enricher(name, conn=store._repository.conn, databases=[str(folder / "x.mmdb")]) for name in registry.OURS]
    done = store.enrich(using=asked)
    assert done.failures == {}, done
    assert set(done.providers) == set(registry.OURS), done
    assert done.indicators == len(pairs), done
    assert done.verdicts == 2, done
if len(sys.argv) > 2:
    import socket
    socket.socket()
"""


@pytest.mark.parametrize(("more", "ends"), [([], 0), (["reach out"], 3)], ids=["enrichment", "the watch itself"])
def test_enrichment_makes_no_socket_and_starts_no_program(tmp_path, promise, more, ends):
    """In a process of its own that ends when the interpreter says that a socket is made, a name asked or a program started."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), *more], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    assert done.returncode == ends, done.stderr
    if not more:
        promise("enrichment touches no network", f"{len(registry.OURS)} enrichers watched by the interpreter's audit hook")
