"""What is asked for never becomes SQL, and no question keeps the store busy for long."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from corpus import HOSTILE, SEARCH, SQL, UNSTORABLE

from alertstore import AlertStore
from alertstore.domain.query import LONGEST_SEARCH
from alertstore.errors import AlertNotFoundError, AlertStoreError, AlertValidationError
from alertstore.testing import generic_alert

TEXTS = [*HOSTILE.values(), *UNSTORABLE]
REFUSED = (AlertValidationError, AlertNotFoundError)


SAVEPOINT = re.compile("sqlite_utils_[0-9a-f]{32}")


class Recording(sqlite3.Connection):
    """A connection that keeps the text of every statement as it is given, before values are bound."""

    said: set[str] = set()  # noqa: RUF012 - shared by all connections on purpose

    def execute(self, sql, *values):
        self.said.add(SAVEPOINT.sub("", sql))
        return super().execute(sql, *values)

    def executemany(self, sql, *values):
        self.said.add(SAVEPOINT.sub("", sql))
        return super().executemany(sql, *values)

    def executescript(self, sql):
        self.said.add(SAVEPOINT.sub("", sql))
        return super().executescript(sql)


@pytest.fixture
def recorded(monkeypatch):
    """The texts of all statements that stores opened from now on run."""
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **how: connect(*args, **{"factory": Recording, **how}))
    Recording.said = set()
    return Recording


QUESTIONS = {
    "status": lambda store, text: store.count(status=text),
    "severity": lambda store, text: store.count(severity=[text]),
    "malice": lambda store, text: store.count(malice=text),
    "classification": lambda store, text: store.count(classification=text),
    "source": lambda store, text: store.count(source=text),
    "rule": lambda store, text: store.count(rule=text),
    "tag": lambda store, text: store.count(tag=text),
    "indicator": lambda store, text: store.count(indicator=[text, f"account:{text}"]),
    "uuid": lambda store, text: store.count(uuid=text),
    "text": lambda store, text: (store.count(text=text), store.alerts(text=text)),
    "order_by": lambda store, text: store.alerts(order_by=text),
    "after": lambda store, text: store.alerts(after=text),
    "limit": lambda store, text: store.alerts(limit=text),
    "filter": lambda store, text: store.count(**{text: text}),
    "get": lambda store, text: store.get(text),
    "find": lambda store, text: store.find(text),
    "related": lambda store, text: store.related(text),
    "history": lambda store, text: list(store.history(text)),
    "occurrences": lambda store, text: store.occurrences(text),
    "one indicator": lambda store, text: store.indicator(text),
    "one rule": lambda store, text: store.rule(text),
    "one document": lambda store, text: store.document(text),
    "metrics by": lambda store, text: store.metrics(by=text),
    "metrics of": lambda store, text: store.metrics(rule=text),
    "rules by": lambda store, text: store.rule_metrics(order_by=text),
    "verify": lambda store, text: store.verify(depth=text),
    "patch": lambda store, text: store.patch(store.alerts().items[0].uuid, tags=[f"x{text}"], reason=f"x{text}", actor=f"x{text}"),
    "delete": lambda store, text: store.delete_alert(text),
    "malice of": lambda store, text: store.set_indicator_malice(text, "Benign"),
    "patch rule": lambda store, text: store.patch_rule(text, name=text),
    "add": lambda store, text: store.add(generic_alert(title=f"x{text}", tags=[text], description=text)),
    "note": lambda store, text: store.add_finding(store.alerts().items[0].uuid, f"x{text}"),
}


def ask(store, text):
    """Ask everything with one text; how many questions were answered and how many refused."""
    answered = refused = 0
    for question in QUESTIONS.values():
        try:
            question(store, text)
            answered += 1
        except REFUSED:
            refused += 1
    return answered, refused


def test_no_text_becomes_sql(recorded, promise):
    """The statements of 200 hostile questions are those of harmless ones."""
    with AlertStore.open(":memory:") as store:
        store.add(generic_alert())
        store.close_alert(store.add(generic_alert(title="other", rule_id="R-1")).alert.uuid, "Undetermined")
        for text in ("plain", "two words", "ip:192.0.2.1", "", " ", "R-1", "-occurred_at"):
            ask(store, text)
        harmless = set(recorded.said)
        answered = refused = 0
        for text in TEXTS:
            one, other = ask(store, text)
            answered, refused = answered + one, refused + other
        strange = recorded.said - harmless
        assert not strange
        assert store.verify().ok
    promise(
        "no text becomes SQL",
        f"{len(TEXTS)} texts x {len(QUESTIONS)} questions ({answered:,} answered, {refused:,} refused), {len(harmless)} statements, none new",
    )


def test_a_text_finds_itself(found):
    for text in HOSTILE.values():
        if text.strip():
            assert [one.title for one in found.alerts(tag=text)] == [text]
        if text.isascii() and any(character.isalnum() for character in text) and len(text) <= LONGEST_SEARCH:
            assert text in {one.title for one in found.alerts(text=text, limit=1000)}


@pytest.fixture(scope="module")
def found():
    with AlertStore.open(":memory:") as store:
        for text in HOSTILE.values():
            store.add({"title": text, "tags": [text]})
        yield store


def test_sql_in_a_name_changes_nothing(hostile_store, tmp_path):
    copy = shutil.copy(hostile_store.path, tmp_path / "copy.db")
    with AlertStore.open(copy) as store:
        before = store.checkpoint()
        for text in (*SQL, *SEARCH):
            for question in ("order_by", "status", "filter", "metrics by", "rules by", "verify", "limit"):
                with pytest.raises(AlertValidationError):
                    QUESTIONS[question](store, text)
        assert store.checkpoint() == before
        assert store.verify().ok


LONG_QUESTIONS = {
    "one long word": "a" * 1_000_000,
    "many words": "beacon " * 10_000,
    "many quotes": '"' * 100_000,
    "quoted words": '"beacon" ' * 10_000,
    "stars": "* " * 100_000,
    "operators": "AND OR NOT NEAR " * 5_000,
    "brackets": "(" * 100_000 + "a",
    "percent": "%_" * 100_000,
    "one letter words": "a b c d e f g h i j " * 1_000,
    "combining": "e" + "\u0301" * 100_000,
    "cjk": "\u5b57" * 100_000,
    "blanks": "\u3000" * 1_000_000,
}
SEARCHING = """
import sys
from alertstore import AlertStore
from alertstore.domain.query import LONGEST_SEARCH
from test_hostile_sql import LONG_QUESTIONS
with AlertStore.open(sys.argv[1], mode="ro") as store:
    for name, text in LONG_QUESTIONS.items():
        store.count(text=text[:LONGEST_SEARCH])
        store.alerts(text=text[:LONGEST_SEARCH]), store.count(tag=text), store.count(indicator=text)
        print(name, flush=True)
"""


def test_no_search_runs_long(tmp_path, promise):
    """A hang guard, not a clock: forty-eight questions over 2,000 alerts that have the words, in one minute."""
    path = tmp_path / "a.db"
    lines = "".join(f'{{"title": "beacon {n} a b c d e f g h i j and or not near {"字" * 9}"}}\n' for n in range(2000))
    (tmp_path / "in.jsonl").write_text(lines, encoding="utf-8")
    with AlertStore.open(path) as store:
        assert store.ingest(tmp_path / "in.jsonl").new == 2000
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", SEARCHING, str(path)], capture_output=True, text=True, timeout=60, check=False, cwd=Path(__file__).parent
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == list(LONG_QUESTIONS)
    promise("pathological searches end", f"{4 * len(LONG_QUESTIONS)} questions over 2,000 alerts, {time.monotonic() - start:.1f} s in all")


@pytest.mark.parametrize("wanted", [{"tag": ["x"] * 5_000}, {"text": "a " * 300_000}])
def test_a_question_that_is_too_large_is_refused(found, wanted):
    with pytest.raises(AlertStoreError):
        found.count(**wanted)


def test_very_many_values_are_one_question(found):
    assert found.count(uuid=["x"] * 400_000) == 0
