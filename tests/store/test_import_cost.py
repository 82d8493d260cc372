"""What an import costs: nothing heavy before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"pydantic", "pydantic_core", "sqlite_utils", "sqlite3", "_sqlite3", "hypothesis", "click", "rich"}


def loaded(code):
    script = f"import sys\n{code}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def count(code):
    script = f"import sys\nbefore = set(sys.modules)\n{code}\nprint(*sorted(set(sys.modules) - before))"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(
    "code",
    [
        "import alertstore",
        "import alertstore; dir(alertstore); alertstore.__version__",
        "from alertstore import AlertStoreError, AlertStatus, Severity",
        "import alertstore.domain.changes, alertstore.domain.metrics, alertstore.domain.events",
        "import alertstore.testing",
        "import alertstore.testing; dir(alertstore.testing); alertstore.testing.FrozenClock()",
        "import alertstore.testing.plugin",
    ],
)
def test_nothing_heavy(code):
    assert loaded(code) & HEAVY == set()


def test_import_alertstore_is_two_modules():
    assert [name for name in count("import alertstore") if name.startswith("alertstore")] == ["alertstore"]


def test_the_plugin_is_three_modules_beyond_pytest():
    ours = count("import pytest\nbefore = set(sys.modules)\nimport alertstore.testing.plugin")
    assert set(ours) == {"alertstore", "alertstore.testing", "alertstore.testing.plugin"}


def test_reading_and_a_store_without_pydantic():
    code = "from alertstore import AlertStore\nwith AlertStore.open(':memory:') as store: store.alerts(); store.metrics(); store.verify(); store.checkpoint()"
    assert "pydantic" not in loaded(code)


def test_teaching_hypothesis_opens_no_database():
    assert loaded("import hypothesis, alertstore.testing; alertstore.testing.register_strategies()") & {"sqlite_utils", "pydantic"} == set()
