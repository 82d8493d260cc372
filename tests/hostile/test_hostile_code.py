"""What the package's own code must not hold: ways to run what somebody wrote, and patterns that run long."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import alertstore

PACKAGE = Path(next(iter(alertstore.__path__)))
MODULES = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "yaml", "code", "codeop", "pty", "commands"}
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {("os", "system"), ("os", "popen"), ("os", "spawnl"), ("os", "spawnv"), ("os", "execv"), ("os", "execl"), ("tempfile", "mktemp")}
XML = ("xml.", "lxml")


def dangers(tree):
    """The places in a module that run, or load, what somebody else wrote."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (f"import {one.name}" for one in names if one.name.split(".")[0] in MODULES or one.name.startswith(XML))
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in MODULES or module.startswith(XML):
                yield f"from {module}"
            case ast.Call(func=ast.Name(id=name)) if name in CALLS:
                yield f"{name}()"
            case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name)) if (owner, name) in METHODS:
                yield f"{owner}.{name}()"
            case ast.Call(keywords=keywords) if any(one.arg == "shell" for one in keywords):
                yield "shell="
            case ast.Call(func=ast.Attribute(attr="enable_load_extension" | "load_extension" as name)):
                yield f"{name}()"


def test_the_loader_of_rules_is_a_safe_one():
    yaml, sigma = pytest.importorskip("yaml"), pytest.importorskip("sigma.rule.base")
    assert issubclass(sigma.SigmaYAMLLoader, yaml.constructor.SafeConstructor)  # of the parser in C or of the one in Python
    assert not issubclass(sigma.SigmaYAMLLoader, yaml.constructor.FullConstructor)
    for tag in ("object/apply:os.getcwd", "object/new:os.getcwd", "name:os.getcwd", "module:os", "object:os.getcwd", "tuple"):
        with pytest.raises(yaml.constructor.ConstructorError, match="could not determine a constructor"):
            list(yaml.load_all(f"a: !!python/{tag} []", Loader=sigma.SigmaYAMLLoader))


def test_nothing_runs_what_somebody_wrote(promise):
    files = sorted(PACKAGE.rglob("*.py"))
    found = {(str(file.relative_to(PACKAGE)), one) for file in files for one in dangers(ast.parse(file.read_text(encoding="utf-8")))}
    assert {(file, one) for file, one in found if one != "__import__()"} == {("sources/sigmarules.py", "import yaml")}
    promise(
        "no pickle, eval, exec, shell or XML; YAML by a safe loader alone, for Sigma's rules", f"{len(files)} modules, {len(found)} places"
    )


@pytest.mark.parametrize(
    "line", ["import pickle", "from yaml import load", "eval(x)", "os.system(x)", "run(x, shell=True)", "import xml.etree", "exec(x)"]
)
def test_the_search_finds_what_it_looks_for(line):
    assert list(dangers(ast.parse(line)))


PATTERNS = """
import importlib, pkgutil, re, sys
import alertstore
size = int(sys.argv[1])
units = ["a", "0", " ", "\\\\", '"', "{", "[", "}", "]", ",", ";", "=", "-", ".", ":", "<", "/", "\\\\x", "\\\\u0000", "\\\\ud800", '\\\\"', '""', "T1",
         "2024-01-01 ", "0.", "#", "`", "a,", '{"a":', '["', "} ", "};", "; ", "\\n", "\\r\\n", "\\t", "!", "*", "|", ": ", "e+", "\\u0301", "\\xa6"]
ends = ["", "!", '"', "}", "\\0", "x", "="]
found = {}
for one in pkgutil.walk_packages(alertstore.__path__, "alertstore."):
    try:
        module = importlib.import_module(one.name)
    except ImportError:
        continue
    for name, value in vars(module).items():
        if isinstance(value, re.Pattern):
            found[value.pattern, value.flags] = (module.__name__, name, value)
for where, name, pattern in found.values():
    print(where, name, flush=True)
    for unit in units:
        for end in ends:
            text = (unit * size)[:size] + end
            text = text.encode() if isinstance(pattern.pattern, bytes) else text
            pattern.match(text), pattern.fullmatch(text), pattern.search(text), sum(1 for _ in pattern.finditer(text))
"""


@pytest.mark.parametrize("size", [2_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_no_pattern_of_ours_runs_long(size, promise):
    """Each regular expression over text built against it, in a process under a hang guard: what backtracks would take days."""
    done = subprocess.run([sys.executable, "-c", PATTERNS, str(size)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    patterns = done.stdout.splitlines()
    assert len(patterns) > 20
    promise("no regular expression runs long", f"{len(patterns)} patterns x 301 texts of {size // 1000} kB")
