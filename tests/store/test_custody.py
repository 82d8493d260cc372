"""The chain-of-custody report of real stores: the same bytes for the same store, every hash, every act, and what is wrong first."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from hashlib import sha256
from html.parser import HTMLParser

import pytest

from alertstore import AlertStore, AlertValidationError, Checkpoint
from alertstore.domain.safe import safe_text
from alertstore.domain.verdict import Problem, VerifyReport
from alertstore.signing import SigningKey
from alertstore.storage import log
from alertstore.testing import FrozenClock, generic_alert, seeded_ids, write_jsonl

FORMS = ["markdown", "html"]
SCRIPT = "<script>alert('x')</script>|`a`\x1b[31m\u202e"


@pytest.fixture(scope="module")
def template(tmp_path_factory, fill):
    """The folder of a filled store, closed, and of the files that it read; made once."""
    folder, clock = tmp_path_factory.mktemp("template"), FrozenClock()
    with AlertStore.open(folder / "alerts.db", clock=clock, ids=seeded_ids()) as store:
        fill(store, folder, clock)
    return folder


@pytest.fixture
def closed(template, tmp_path):
    """A copy of the template's store."""
    return shutil.copy(template / "alerts.db", tmp_path / "alerts.db")


@pytest.fixture
def opened(closed):
    """The copy, open."""
    with AlertStore.open(closed, ids=seeded_ids(7)) as store:
        yield store


def tampered(path, sql, *values):
    """Change the file as its owner can, triggers put back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        triggers = conn.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            conn.execute(f"DROP TRIGGER {name}")
        assert conn.execute(sql, values).rowcount > 0
        for _, again in triggers:
            conn.execute(again)


def report(path, form="markdown", mode="ro", **held):
    with AlertStore.open(path, mode=mode, ids=seeded_ids(5)) as store:
        return store.custody(form=form, **held)


@pytest.mark.parametrize("form", FORMS)
def test_the_same_store_makes_the_same_bytes_wherever_and_however_it_is_opened(closed, tmp_path, form):
    folder = tmp_path / "elsewhere" / "deep"
    folder.mkdir(parents=True)
    copy = shutil.copy(closed, folder / os.path.basename(closed))
    first = report(closed, form)
    assert report(closed, form) == first
    assert report(closed, form, mode="rw") == first
    assert report(copy, form) == first
    assert str(tmp_path) not in first


def test_making_a_report_changes_nothing(alert_store, filled, unchanged):
    before = unchanged()
    for form in FORMS:
        alert_store.custody(form=form)
    assert unchanged() == before


@pytest.mark.parametrize("form", FORMS)
def test_every_import_stands_with_the_hash_and_size_of_its_file(opened, template, form):
    text = opened.custody(form=form)
    files = [template / one.name for one in opened.imports()]
    assert len(files) == 2
    for file in files:
        assert sha256(file.read_bytes()).hexdigest() in text
        assert file.name in text
        assert f"{file.stat().st_size:,} bytes" in text


@pytest.mark.parametrize("chunk", [1, 2, 3, 16, 100])
def test_more_imports_than_are_read_at_a_time_are_all_listed(alert_store, tmp_path, monkeypatch, chunk):
    files = [tmp_path / f"{number}.json" for number in range(8)]
    for file in files:
        file.write_text(f'{{"title": "alert {file.name}"}}\n')
        alert_store.ingest(file, source="generic")
    whole = alert_store.custody()
    monkeypatch.setattr(log, "CHUNK", chunk)
    assert alert_store.custody() == whole
    hashes = [f"- SHA-256: `{sha256(file.read_bytes()).hexdigest()}`" for file in files]
    assert [line for line in whole.splitlines() if line.startswith("- SHA-256: ")] == hashes


@pytest.mark.parametrize("form", FORMS)
def test_every_event_of_custody_stands_with_its_leaf_hash(opened, form):
    text = opened.custody(form=form)
    with closing(sqlite3.connect(opened.path)) as conn:
        leaves = conn.execute("SELECT seq, kind, lower(hex(substr(hashes, 1, 32))) FROM event").fetchall()
    shown = {seq for seq, _, leaf in leaves if leaf in text}
    kinds = {"store_created", "import_started", "import_finished", "alert_deleted"}
    assert shown == {seq for seq, kind, _ in leaves if kind in kinds}
    assert len(shown) == 6


def test_keys_signatures_redactions_and_holds_are_told(alert_store, filled, tmp_path):
    key = SigningKey.create(tmp_path / "key.pem")
    note = alert_store.sign(key, reason="handing over").note
    alert_store.redact(filled[0], authority="District court", reason="order 12")
    alert_store.hold("Prosecutor", reason="case 7")
    text = alert_store.custody()
    told = [line.split("`")[1] for line in text.split("## Custody")[1].splitlines() if line.startswith("### Event")]
    assert told == ["store_created", "alert_deleted", "signing_key_set", "alert_redacted", "setting_changed"]
    assert f"```\n{note}```\n" in text
    assert f"- Public key: `{key.text}`" in text
    assert "- Authority: `District court`" in text
    assert "- Reason: `order 12`" in text
    assert "- Legal hold: `from (nothing) to Prosecutor`" in text
    signed = alert_store.custody(key=key.text)
    assert signed.splitlines()[2].startswith("**Sound, signed: ")
    assert f"- Held against: `the public key {key.text}`" in signed


def test_the_hashes_of_imports_outlive_the_events_that_said_them(alert_store, filled, frozen_clock, tmp_path):
    before = [
        line for line in alert_store.custody().splitlines() if line.startswith(("- File: ", "- SHA-256: ", "- Read: ", "- Records: "))
    ]
    frozen_clock.advance(days=100)
    assert alert_store.prune(frozen_clock(), authority="retention", reason="90 days") > 0
    text = alert_store.custody()
    assert [line for line in text.splitlines() if line.startswith(("- File: ", "- SHA-256: ", "- Read: ", "- Records: "))] == before
    assert "`history_pruned`" in text
    assert "events were pruned" in text


def test_who_acted_is_counted(opened):
    counts = {}
    for event in opened.events():
        counts.setdefault(event.actor, []).append(event.at)
    text = opened.custody()
    assert len(counts) > 1
    for actor, times in counts.items():
        (line,) = [line for line in text.splitlines() if line.startswith(f"- `{actor}`: ")]
        assert f"`{len(times)} event" in line


def test_the_report_names_the_store_and_what_was_verified(opened):
    text, checkpoint = opened.custody(), opened.checkpoint()
    assert text.startswith("# Chain-of-custody report\n\n**Sound, unsigned: ")
    assert f"the history up to event {checkpoint.size}\n- With the root: `{checkpoint.root}`\n" in text
    assert f"`{opened.id}`" in text
    assert sqlite3.sqlite_version in text


def test_a_checkpoint_from_outside_is_held_against_it(opened):
    good = opened.checkpoint()
    text = opened.custody(checkpoint=good)
    assert text.splitlines()[2].startswith("**Sound, anchored: ")
    assert f"a checkpoint of {good.size} events, root {good.root}" in text
    bad = opened.custody(checkpoint=Checkpoint(good.size, "0" * 64))
    assert bad.splitlines()[2].startswith("**Tampered: ")
    assert "`rewritten: expected " in bad


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("UPDATE alert SET title = 'other' WHERE id = 1", ()),
        ("UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'mia', 'eve') AS BLOB) WHERE kind LIKE 'alert_%_updated'", ()),
        ("UPDATE event SET body = ? WHERE kind IN ('alert_deleted', 'import_finished')", (b"\xff\x00{",)),
        ("UPDATE event SET body = ? WHERE seq > 0", (b"[" * 100_000,)),
        ("UPDATE event SET body = ? WHERE seq > 1", (b'{"actor":{"a":[1]},"facts":[],"changes":3,"subject":null,"reason":[]}',)),
        ("UPDATE event SET at = ? WHERE kind = 'store_created'", (2**62,)),
        ("DELETE FROM event WHERE seq = 3", ()),
        ("DELETE FROM event", ()),
        ("INSERT INTO signed_checkpoint VALUES (1, 0, ?)", ("<b>\x1b",)),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_a_tampered_store_is_reported_on_and_the_report_begins_with_that(closed, sql, values, form):
    tampered(closed, sql, *values)
    text = report(closed, form)
    beginning = text.splitlines()[2] if form == "markdown" else text.split("<h1>", 1)[1].splitlines()[1]
    assert "Tampered: the store is not what its history" in beginning
    assert "Sound" not in text


def ruin(path, table):
    """Overwrite the first page of a table."""
    with closing(sqlite3.connect(path)) as conn:
        (page,) = conn.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
        (size,) = conn.execute("PRAGMA page_size").fetchone()
    with open(path, "r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xee" * size)


def test_a_damaged_store_is_reported_on_with_all_that_can_be_read(closed):
    whole = report(closed)
    ruin(closed, "finding")
    text = report(closed)
    assert text.splitlines()[2].startswith("**Damaged: the file cannot be read")
    for name in ("Acquisition", "Custody", "Who acted"):
        assert text.split(f"## {name}\n")[1].split("\n## ")[0] == whole.split(f"## {name}\n")[1].split("\n## ")[0]


def test_a_list_that_cannot_be_read_is_said_to_be_missing(closed, tmp_path):
    ruin(closed, "signed_checkpoint")
    with AlertStore.open(closed, mode="ro") as store:
        store.verify = lambda **_: VerifyReport(False, "deep", 1, "0" * 64, "unsigned", (Problem("damage", "the file", "pages", "none"),))
        text = store.custody()
    assert "**Some lists below are missing, because the file could not be read there.**" in text
    assert "- Could not be read: `alerts.db " in text
    assert str(tmp_path) not in text
    assert "### Event 1 `store_created`" in text


@pytest.mark.parametrize("form", FORMS)
def test_what_people_type_and_files_are_called_acts_nowhere(alert_store, tmp_path, form):
    file = tmp_path / "<img src=x onerror=alert(1)>|`b`.json"
    write_jsonl(file, [generic_alert()])
    alert_store.ingest(file, source="generic", actor=SCRIPT, reason=SCRIPT)
    one = alert_store.add(generic_alert(title="gone")).alert
    alert_store.delete_alert(one.uuid, actor=SCRIPT, reason=SCRIPT)
    text = alert_store.custody(form=form)
    assert "<script" not in text
    assert "<img" not in text
    assert "\x1b" not in text
    if form == "html":
        page = Text()
        page.feed(text)
        assert page.all.count(safe_text(SCRIPT)) == 5
        assert safe_text(file.name) in page.all


class Text(HTMLParser):
    """The text of a page."""

    all = ""

    def handle_data(self, data):
        self.all += data


def test_a_store_in_memory_has_a_report_too():
    with AlertStore.open(":memory:") as store:
        assert "- File: `:memory:`" in store.custody()


@pytest.mark.parametrize("form", ["pdf", "", None, 3])
def test_an_unknown_form_is_refused(alert_store, form):
    with pytest.raises(AlertValidationError, match="form: must be one of: markdown, html"):
        alert_store.custody(form=form)
