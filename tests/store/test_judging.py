"""Lists that change while nobody is done with them: every verdict follows the lists that are there, whatever came in between."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from intel_rows import pairs

from alertstore import AlertNotFoundError, AlertStore, AlertValidationError, SourceError, verifier
from alertstore.domain.identity import part_salt
from alertstore.testing import make_alert

BAD = "203.0.113.9"


@pytest.fixture
def listed(alert_store, tmp_path):
    """A store with an alert of BAD; `load(text)` loads a list called L."""
    make_alert(alert_store, indicators=pairs(f"ip:{BAD}", "ip:203.0.113.10"))
    alert_store.load = lambda text, **how: alert_store.load_list(_written(tmp_path / "l.txt", text), **({"name": "L"} | how))
    return alert_store


class Silent:
    """An enricher that knows nothing."""

    name, types = "silent", frozenset({"ip"})

    def version(self):
        return "1"

    def look_up(self, indicators, now):
        return [None] * len(indicators)


def _written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def malice(store, value=f"ip:{BAD}"):
    return str(store.indicator(value).malice)


@pytest.fixture
def stops(listed, monkeypatch):
    """Run something that is interrupted before it judges anew."""

    def run(do):
        with monkeypatch.context() as patched:
            patched.setattr(type(listed), "_judge_anew", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                do()

    return run


def test_what_was_interrupted_before_it_judged_anew_is_made_up_for(listed, stops):
    listed.load(BAD)
    listed.enrich()
    assert malice(listed) == "Malicious"
    stops(lambda: listed.load("198.51.100.1\n"))
    assert malice(listed) == "Malicious"
    again = listed.load("198.51.100.1\n")
    assert again.unchanged
    assert (again.judged.verdicts, malice(listed)) == (1, "Pending")
    listed.load(BAD)
    stops(lambda: listed.remove_list("L"))
    with pytest.raises(AlertNotFoundError):
        listed.remove_list("L")
    assert malice(listed) == "Pending"
    listed.load(BAD)
    stops(lambda: listed.load("198.51.100.1\n"))
    listed.enrich([listed.alerts().items[0].uuid], using=["lists"])
    assert malice(listed) == "Pending"
    assert listed.verify().ok


def test_a_list_that_goes_while_others_are_asked_leaves_no_verdict(listed):
    listed.load(BAD)
    with AlertStore.open(listed.path) as other:

        class Slow(Silent):
            name = "slow"

            def look_up(self, indicators, now):
                if other.lists():
                    other.remove_list("L")
                return [None] * len(indicators)

        listed.enrich(using=["lists", Slow()])
    assert (listed.lists(), malice(listed)) == ([], "Pending")
    assert listed.verify().ok


def test_what_an_enricher_says_when_it_fails_stands_in_no_other_indicators_results(listed):
    class Talking(Silent):
        name = "talking"

        def look_up(self, indicators, now):
            raise ValueError(f"cannot look up {indicators[0][1]}")

    assert "cannot look up" in listed.enrich(using=[Talking()]).failures["talking"]
    for ip in (BAD, "203.0.113.10"):
        said = listed.indicator(f"ip:{ip}").enrichment_results["talking"]
        assert (said["success"], said["error_message"]) == (False, "ValueError")


def test_an_entry_that_expired_hides_none_that_lasts(listed):
    listed.load(f"indicator,verdict,expires\n{BAD},malicious,2020-01-01\n{BAD},malicious,2030-01-01\n{BAD},suspicious,\n")
    listed.enrich()
    assert malice(listed) == "Malicious"
    hits = listed.indicator(f"ip:{BAD}").enrichment_results["lists"]["extracted"]["hits"]
    assert [(hit["line"], hit["malice"]) for hit in hits] == [(3, "Malicious"), (4, "Suspicious")]


def test_the_same_file_read_as_another_kind_is_another_list(listed):
    digest = "d41d8cd98f00b204e9800998ecf8427e\n"
    assert listed.load(digest, kind="ioc", malice="Malicious").list.kind == "ioc"
    again = listed.load(digest, kind="hashset", malice="Malicious")
    assert (again.unchanged, again.list.kind) == (False, "hashset")


@pytest.mark.parametrize("text", ["", "# nothing\n", "no indicator at all\n", "indicator,verdict\n"])
def test_a_file_without_an_entry_takes_no_lists_place(listed, text):
    listed.load(BAD)
    with pytest.raises(SourceError, match=r"l\.txt"):
        listed.load(text, kind="ioc")
    assert [one.entries for one in listed.lists()] == [1]


@pytest.mark.parametrize("name", ["", " ", "a" * 201, "a\nb", "\x1b[2J", " a"])
def test_names_that_no_list_can_have(listed, name):
    with pytest.raises(AlertValidationError, match="name"):
        listed.load(BAD, name=name)
    assert listed.lists() == []


def test_nobody_else_is_called_lists(listed):
    class Lists(Silent):
        name = "lists"

    with pytest.raises(AlertValidationError, match="using"):
        listed.enrich(using=[Lists()])


def test_without_any_list_what_lists_said_before_stays(listed):
    listed.load(BAD)
    listed.enrich()
    with listed._write() as transaction:  # as after a salvage, which leaves lists behind
        transaction.conn.execute("DELETE FROM intel_list")
        transaction.conn.execute("DELETE FROM intel_entry")
        transaction.conn.execute("DELETE FROM setting WHERE name = 'judged_by_lists'")
    listed.enrich()
    assert malice(listed) == "Malicious"


# --- what only a forger does ---


def forged(store, *statements):
    """Whether the library, and the stand-alone verifier, notice."""
    path = store.path
    store.close()
    with closing(sqlite3.connect(path)) as conn:
        triggers = conn.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            conn.execute(f"DROP TRIGGER {name}")
        for sql, values in statements:
            conn.execute(sql, values)
        for _, sql in triggers:
            conn.execute(sql)
        conn.commit()
    with AlertStore.open(path) as again, closing(sqlite3.connect(path)) as conn:
        return not again.verify().ok, bool(verifier.check_store(conn, verifier.Kept())[0].problems)


def test_results_that_were_taken_away_are_missed(listed):
    listed.load(BAD)
    listed.enrich()
    with listed._read() as conn:
        seq, salt = conn.execute("SELECT seq, salt FROM event WHERE kind = 'indicators_enriched' ORDER BY seq LIMIT 1").fetchone()
        (number,) = conn.execute("SELECT id FROM indicator WHERE value = ?", (BAD,)).fetchone()
        others = [str(n) for (n,) in conn.execute("SELECT id FROM indicator WHERE enriched_seq = ? AND id <> ?", (seq, number))]
    assert others
    nulls = "UPDATE indicator SET enrichment_results = NULL, is_enriched = 0, enriched_seq = NULL WHERE id = ?"
    salts = [("INSERT INTO part_salt VALUES (?,?,?)", (seq, part, part_salt(salt, part))) for part in others]
    assert forged(listed, (nulls, (number,)), ("UPDATE event SET salt = NULL WHERE seq = ?", (seq,)), *salts) == (True, True)


def test_hashes_that_were_made_text_are_noticed(listed):
    listed.load("a" * 64 + "\n", malice="Malicious")
    assert forged(listed, ("UPDATE intel_entry SET key = lower(hex(key))", ())) == (True, True)
