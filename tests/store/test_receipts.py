"""Receipts: what a store said after each write, kept elsewhere; a store that is rolled back or rewritten is held against them."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from signing_cases import key_of, owned, rewritten, with_body

from alertstore import AlertStore, AlertValidationError, Checkpoint, RollbackDetectedError, SourceError, StorageError
from alertstore.domain.verdict import UNCHECKED
from alertstore.testing import FrozenClock, generic_alert, make_alert, seeded_ids

DEPTHS = ["quick", "full", "deep"]


@pytest.fixture
def receipts(tmp_path):
    return tmp_path / "elsewhere.jsonl"


@pytest.fixture
def open_store(tmp_path, receipts):
    """Open a store file with its receipts; closed afterwards."""
    opened = []

    def go(name="s.db", **options):
        store = AlertStore.open(
            tmp_path / name, **({"clock": FrozenClock(), "ids": seeded_ids(len(opened)), "receipts": receipts} | options)
        )
        opened.append(store)
        return store

    yield go
    for store in opened:
        store.close()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def kept(path):
    return [Checkpoint(one["size"], one["root"]) for one in lines(path)]


def test_a_receipt_of_every_write_and_of_nothing_else(open_store, receipts):
    store = open_store()
    assert (store.receipt, receipts.exists()) == (None, False)
    seen = []
    alert = make_alert(store)
    seen.append(store.checkpoint())
    store.get(alert.uuid), store.verify(), store.checkpoint(), store.count()
    store.patch(alert.uuid, severity="Low")
    seen.append(store.checkpoint())
    with pytest.raises(AlertValidationError):
        store.patch(alert.uuid, severity="odd")
    store.sign(key_of(1))
    seen.append(store.checkpoint())
    assert store.receipt == seen[-1]
    assert kept(receipts) == seen
    assert {one["store"] for one in lines(receipts)} == {store.id}
    assert receipts.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("depth", DEPTHS)
def test_receipts_of_any_age_hold(open_store, receipts, depth):
    store = open_store()
    alert = make_alert(store)
    for n in range(9):
        store.patch(alert.uuid, tags=[str(n)])
    report = store.verify(depth=depth, receipts=receipts)
    assert (report.problems, report.assurance) == ((), "anchored")


def test_the_receipt_is_this_connection_s_last_write(open_store):
    one, two = open_store(), open_store()
    make_alert(one)
    assert (one.receipt, two.receipt) == (one.checkpoint(), None)
    make_alert(two)
    assert one.receipt != one.checkpoint() == two.receipt


def test_two_writers_share_a_file_of_receipts(open_store, receipts):
    one, two = open_store(), open_store()
    for n in range(6):
        make_alert((one, two)[n % 2])
    sizes = [receipt.size for receipt in kept(receipts)]
    assert sizes == sorted(sizes)
    assert one.verify(receipts=receipts).assurance == "anchored"


def test_receipts_in_another_order_and_twice_are_receipts_too(open_store, receipts):
    store = open_store()
    alert = make_alert(store)
    for n in range(4):
        store.patch(alert.uuid, tags=[str(n)])
    text = receipts.read_text().splitlines(keepends=True)
    receipts.write_text("".join([*reversed(text), *text]))
    assert store.verify(receipts=receipts).assurance == "anchored"


def test_those_of_other_stores_are_passed_over(open_store, receipts):
    one, two = open_store("one.db"), open_store("two.db")
    make_alert(one), make_alert(two), make_alert(one)
    assert [one.verify(receipts=receipts).ok, two.verify(receipts=receipts).ok] == [True, True]
    open_store("one.db"), open_store("two.db")
    three = open_store("three.db", receipts=None)
    report = three.verify(receipts=receipts)
    assert (report.ok, report.verdict, [problem.kind for problem in report.problems]) == (False, "could not check", [UNCHECKED])


@pytest.mark.parametrize("left", [0, 1, 11, 20, 60, -2])
def test_a_line_whose_writing_was_cut_off(open_store, receipts, left):
    """The power went: the rest of the line is not there. What was there before counts, and what comes after."""
    store = open_store()
    make_alert(store)
    whole = receipts.read_text()
    receipts.write_text(whole + whole[:left])
    assert store.verify(receipts=receipts).assurance == "anchored"
    store.close()
    store = open_store()
    make_alert(store)
    assert store.verify(receipts=receipts).assurance == "anchored"
    assert receipts.read_text().splitlines()[-1] == json.dumps({"store": store.id, "size": store.receipt.size, "root": store.receipt.root})
    open_store()


def test_a_last_line_without_its_newline_is_a_receipt(open_store, receipts):
    store = open_store()
    make_alert(store)
    size = store.checkpoint().size
    receipts.write_text(receipts.read_text().rstrip("\n").replace(f'"size": {size}', f'"size": {size + 5}'))
    assert [problem.kind for problem in store.verify(receipts=receipts).problems] == ["rollback"]


@pytest.mark.parametrize(
    "line",
    ["text", "[]", "{}", "7", "null", '{"store": 5}', '{"store": "x", "size": "1", "root": "00"}', '{"store": "x", "size": -1, "root": "' + "0" * 64 + '"}',
     '{"store": "x", "size": 1, "root": "zz"}', "[" * 4_000, "[" * 100_000, '{"size": 1}', "\ufffd"],
    ids=lambda line: line[:30],
)  # fmt: skip
def test_lines_that_are_no_receipts_are_refused(open_store, receipts, line):
    store = open_store(receipts=None)
    receipts.write_text(line + "\n")
    with pytest.raises(AlertValidationError) as refusal:
        store.verify(receipts=receipts)
    assert refusal.value.problems[0].given == f"{receipts}, line 1"
    with pytest.raises(AlertValidationError):
        open_store()


def test_files_that_cannot_be_read_or_written(open_store, receipts, tmp_path):
    store = open_store(receipts=None)
    for odd in (receipts, tmp_path):
        with pytest.raises(SourceError, match="no file of receipts"):
            store.verify(receipts=odd)
    store = open_store("other.db", receipts=tmp_path / "nowhere" / "receipts")
    with pytest.raises(StorageError, match="the write was kept"):
        make_alert(store)
    assert (store.count(), store.receipt) == (1, store.checkpoint())
    assert store.verify().ok


def test_a_full_disk_is_said(open_store, receipts, monkeypatch):
    store = open_store()
    make_alert(store)
    receipts.unlink()
    os.symlink("/dev/full", receipts)
    with pytest.raises(StorageError, match="the write was kept"):
        make_alert(store)
    assert store.verify().ok


# --- what they show ---


@pytest.fixture
def rolled_back(open_store, receipts, tmp_path):
    """A store that an older copy was put in place of, and how long it was."""
    store = open_store()
    alert = make_alert(store)
    store.backup(tmp_path / "older.db")
    store.close_alert(alert.uuid, "Duplicate")
    newest = store.checkpoint()
    store.close()
    shutil.move(tmp_path / "older.db", tmp_path / "s.db")
    return newest


def rewrite(path):
    """Change an event, of the same length too, and make the tree anew."""
    with owned(path) as conn:
        with_body(conn, 2, lambda said: said["changes"].update(severity=[None, "Low"]))
        conn.execute("UPDATE alert SET severity = 'Low'")
        rewritten(conn)


def test_a_rollback_is_refused_at_open_and_named(rolled_back, open_store, receipts):
    with pytest.raises(RollbackDetectedError) as refusal:
        open_store()
    text = str(refusal.value)
    assert f"{rolled_back.size} events" in text
    assert rolled_back.root in text
    assert "older copy" in refusal.value.advice
    with pytest.raises(RollbackDetectedError):
        open_store(mode="ro")
    for depth in DEPTHS:
        (problem,) = open_store(receipts=None).verify(depth=depth, receipts=receipts).problems
        assert (problem.kind, problem.expected) == ("rollback", f"at least {rolled_back.size} events")


def test_a_refused_open_leaves_nothing_open(rolled_back, open_store, tmp_path):
    before = sorted(os.listdir(tmp_path))
    handles = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(RollbackDetectedError):
            open_store()
    assert (sorted(os.listdir(tmp_path)), len(os.listdir("/proc/self/fd"))) == (before, handles)


def test_a_rewrite_of_the_same_length_is_named(open_store, receipts, tmp_path):
    """Sizes alone would not tell: the root must be that of the receipt too."""
    store = open_store()
    make_alert(store)
    before = store.checkpoint()
    store.close()
    rewrite(tmp_path / "s.db")
    with pytest.raises(RollbackDetectedError, match="has the root") as refusal:
        open_store()
    assert before.root in str(refusal.value)
    plain = open_store(receipts=None)
    assert plain.checkpoint().size == before.size
    assert plain.verify().ok
    for depth in DEPTHS:
        (problem,) = plain.verify(depth=depth, receipts=receipts).problems
        assert (problem.kind, problem.expected, problem.found) == ("rewritten", before.root, plain.checkpoint().root)


def test_a_rewrite_that_went_on_is_named(open_store, receipts, tmp_path):
    store = open_store()
    make_alert(store)
    store.close()
    rewrite(tmp_path / "s.db")
    plain = open_store(receipts=None)
    for n in range(5):
        plain.add(generic_alert(title=f"t{n}"))
    with pytest.raises(RollbackDetectedError):
        open_store()
    assert [problem.kind for problem in plain.verify(receipts=receipts).problems] == ["rewritten"]


def test_receipts_from_before_a_cut_are_unchecked(open_store, receipts, frozen_clock):
    store = open_store(clock=frozen_clock)
    make_alert(store)
    early = receipts.read_text()
    frozen_clock.advance(days=2)
    store.prune(frozen_clock.now, authority="policy")
    report = store.verify(receipts=receipts)
    assert (report.problems, report.assurance) == ((), "anchored")
    assert any("was pruned" in said for said in report.unchecked)
    receipts.write_text(early.replace(f'"size": {kept(receipts)[0].size}', '"size": 1'))
    report = store.verify(receipts=receipts)
    assert (report.verdict, report.assurance) == ("could not check", "unsigned")
    with pytest.raises(RollbackDetectedError, match="was pruned after its last receipt"):
        open_store(clock=frozen_clock)


def test_blocks_without_bytes_are_passed_over(open_store, receipts):
    """What a power cut leaves of a file that was growing."""
    make_alert(open_store())
    receipts.write_bytes(b"\0" * 4096 + receipts.read_bytes() + b"\0" * 300)
    store = open_store()
    make_alert(store)
    assert store.verify(receipts=receipts).assurance == "anchored"
    assert receipts.read_text().count('"size"') == 2


def test_the_newest_receipt_is_that_of_the_largest_size(open_store, receipts, tmp_path):
    store = open_store()
    make_alert(store)
    store.backup(tmp_path / "old.db")
    make_alert(store)
    store.close()
    first, second = receipts.read_text().splitlines(keepends=True)
    receipts.write_text(second + first)  # two processes that wrote, each adding its line when it came to it
    with pytest.raises(RollbackDetectedError):
        AlertStore.open(tmp_path / "old.db", receipts=receipts)
    padding = "".join(first.replace(store_id_of(first), f"another-{k}") for k in range(1_000))
    receipts.write_text(second + first + padding)  # beyond what is looked at first
    with pytest.raises(RollbackDetectedError):
        AlertStore.open(tmp_path / "old.db", receipts=receipts)


def store_id_of(line):
    return line.split('"')[3]


def test_a_call_that_changes_nothing_adds_no_receipt(open_store, receipts):
    store = open_store()
    alert = make_alert(store)
    before = receipts.read_text()
    store.patch(alert.uuid, severity=alert.severity)
    assert receipts.read_text() == before
