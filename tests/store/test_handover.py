"""Sealing: one file that opening does not change, its digest, its signature, and what the history says of it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from signing_cases import key_of, tampered

import alertstore
from alertstore import AlertStore, AlertValidationError, StorageError, StoreReadOnlyError
from alertstore.domain.notes import key_id, origin, read_note
from alertstore.signing import SigningKey, is_signed
from alertstore.testing import FrozenClock, make_alert, seeded_ids

DEPTHS = ["quick", "full", "deep"]
KEY = key_of(1)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "exhibit-7"


@pytest.fixture(scope="module")
def template(tmp_path_factory, fill):
    """A folder with a filled, signed store, closed, and what was sealed of it; its manifest and its alerts. Made once."""
    folder, clock = tmp_path_factory.mktemp("template"), FrozenClock()
    with AlertStore.open(folder / "s.db", clock=clock, ids=seeded_ids(), durability="normal") as store:
        uuids = fill(store, folder, clock)
        store.sign(KEY)
        return folder, store.seal(folder / "exhibit-7", key=KEY, reason="to the prosecutor", actor="mia"), uuids


@pytest.fixture
def sealed(template, place):
    """A copy of what was sealed, in `place`; its manifest."""
    folder, manifest, _ = template
    shutil.copytree(folder / "exhibit-7", place)
    return manifest


@pytest.fixture
def old_store(template, tmp_path):
    """A copy of the store that was sealed, open."""
    with AlertStore.open(shutil.copy(template[0] / "s.db", tmp_path), clock=FrozenClock(), ids=seeded_ids(9), durability="normal") as store:
        yield store


def files(folder):
    """Everything in a folder: bytes, mode, when changed."""
    return {path.name: (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns) for path in Path(folder).iterdir()}


def facts(text):
    first, *lines = read_note(text).text.splitlines() if "\n\n" in text else text.splitlines()
    assert first == "alertstore seal 1"
    return dict(line.split(" ", 1) for line in lines)


def test_one_file_its_manifest_and_the_verifier(sealed, place):
    assert sorted(os.listdir(place)) == ["MANIFEST", "store.db", "verify.py"]
    assert {path.name: path.stat().st_mode & 0o777 for path in place.iterdir()} == dict.fromkeys(os.listdir(place), 0o400)
    assert place.stat().st_mode & 0o777 == 0o700
    with closing(sqlite3.connect(f"file:{place / 'store.db'}?mode=ro&immutable=1", uri=True)) as conn:
        assert conn.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_the_manifest_says_what_is_there(sealed, place, old_store):
    found, store = facts((place / "MANIFEST").read_text()), (place / "store.db").read_bytes()
    with AlertStore.open(place / "store.db", mode="ro") as copy:
        checkpoint = copy.checkpoint()
    assert found == {
        "store": old_store.id,
        "file": "store.db",
        "bytes": str(len(store)),
        "sha256": sha256(store).hexdigest(),
        "events": str(checkpoint.size),
        "root": checkpoint.root,
        "sealed_at": found["sealed_at"],
        "sealed_by": '"mia"',
        "alertstore": alertstore.__version__,
        "sqlite": sqlite3.sqlite_version,
    }
    assert re.fullmatch(r"2024-05-01T12:\d\d:\d\d(\.\d+)?Z", found["sealed_at"])
    assert {
        name: str(value) for name, value in (("events", sealed.events), ("root", sealed.root), ("sha256", sealed.sha256))
    }.items() <= found.items()


def test_the_manifest_is_signed_by_the_store_s_key(sealed, place):
    read = read_note((place / "MANIFEST").read_text())
    (line,) = read.signatures
    assert (line.name, line.key_id) == (origin(sealed.store), key_id(origin(sealed.store), KEY.public))
    assert is_signed(KEY.public, line.signature, read.text.encode())
    assert not is_signed(KEY.public, line.signature, read.text.replace("events ", "events 1").encode())


@pytest.mark.parametrize("depth", DEPTHS)
def test_the_copy_verifies_and_its_last_event_is_signed(sealed, place, depth):
    with AlertStore.open(place / "store.db", mode="ro") as copy:
        report = copy.verify(depth=depth, key=KEY, require_signed=True)
        assert (report.problems, report.signed_size) == ((), sealed.events)
        *_, event = copy.events()
    assert (event.kind, event.actor, event.reason) == ("store_sealed", "mia", "to the prosecutor")


def test_the_copy_is_a_beginning_of_the_store_and_no_other_history(sealed, place, old_store):
    with AlertStore.open(place / "store.db", mode="ro") as copy:
        ended = copy.checkpoint()
        assert copy.signed_checkpoints()[-1] == old_store.signed_checkpoints()[-1]
    assert old_store.verify(checkpoint=ended).assurance == "anchored"


def test_looking_at_it_changes_nothing(sealed, place, template, tmp_path):
    before = files(place)
    with AlertStore.open(place / "store.db", mode="ro") as copy:
        assert copy.get(template[2][0]).title
        assert copy.alerts(text="beacon").items
        assert copy.verify(key=KEY).ok
        assert copy.custody()
        copy.backup(tmp_path / "copy.db")
        assert sorted(os.listdir(place)) == sorted(before)  # also while it is open
    assert files(place) == before
    with AlertStore.open(tmp_path / "copy.db", mode="ro") as copy:
        assert copy.verify(key=KEY).ok


@pytest.mark.parametrize("mode", ["rw", "create"])
@pytest.mark.parametrize("protected", [True, False])
def test_nobody_writes_to_it(sealed, place, mode, protected):
    if not protected:
        (place / "store.db").chmod(0o600)
    before = files(place)
    with pytest.raises(StoreReadOnlyError):
        AlertStore.open(place / "store.db", mode=mode)
    assert files(place) == before


def test_a_backup_of_it_is_sealed_too(sealed, place, tmp_path):
    with AlertStore.open(place / "store.db", mode="ro") as copy:
        copy.backup(tmp_path / "copy.db")
    with pytest.raises(StoreReadOnlyError, match="sealed"):
        AlertStore.open(tmp_path / "copy.db")
    with AlertStore.open(place / "store.db", mode="ro") as copy, pytest.raises(StoreReadOnlyError):
        copy.seal(tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_unsealing_it_shows(sealed, place):
    (place / "store.db").chmod(0o600)
    tampered(place / "store.db", "DELETE FROM setting WHERE name = 'sealed'")
    run = subprocess.run([sys.executable, "-I", place / "verify.py"], capture_output=True, text=True, check=False)
    assert run.returncode == 6
    assert "sealed" in run.stdout
    assert sha256((place / "store.db").read_bytes()).hexdigest() != sealed.sha256


@pytest.mark.parametrize("write", [False, True])
def test_a_store_that_goes_on_is_not_sealed(alert_store, tmp_path, write):
    alert_store.seal(tmp_path / "sealed")
    if write:
        make_alert(alert_store)
    tampered(alert_store.path, "INSERT INTO setting VALUES ('sealed', 'yes')")
    assert not alert_store.verify().ok


def test_the_store_says_what_it_handed_over(sealed, old_store):
    *_, event = old_store.events()
    assert (event.kind, event.actor, event.reason) == ("store_handed_over", "mia", "to the prosecutor")
    assert event.body["facts"] == {"name": "exhibit-7", "sha256": sealed.sha256, "size": sealed.events, "root": sealed.root}
    make_alert(old_store)  # it goes on
    assert old_store.verify(key=KEY).ok


def test_the_verifier_is_the_one_that_is_installed(sealed, place):
    assert (place / "verify.py").read_bytes() == Path(alertstore.__file__).with_name("verifier.py").read_bytes()


def test_sealed_again_and_again(old_store, tmp_path):
    for n in range(3):
        old_store.seal(tmp_path / str(n), key=KEY)
        old_store.sign(KEY)
        for k in range(n + 1):
            with AlertStore.open(tmp_path / str(k) / "store.db", mode="ro") as copy:
                assert copy.verify(key=KEY, require_signed=True).ok
    assert old_store.verify(key=KEY, require_signed=True).ok


def test_without_a_key(old_store, place):
    sealed = old_store.seal(place)
    text = (place / "MANIFEST").read_text()
    assert "\n\n" not in text
    assert facts(text)["sha256"] == sealed.sha256
    with AlertStore.open(place / "store.db", mode="ro") as copy:
        assert copy.verify().ok


def test_what_was_redacted_and_pruned_is_not_in_it(old_store, template, place):
    old_store.redact(template[2][1], authority="order 7")
    old_store.prune(FrozenClock().now + timedelta(days=9), authority="policy")
    old_store.sign(KEY)
    old_store.seal(place, key=KEY)
    assert b"b.example" not in (place / "store.db").read_bytes()
    with AlertStore.open(place / "store.db", mode="ro") as copy:
        assert copy.verify(key=KEY, require_signed=True).ok
        assert copy.get(template[2][1]).title == "[redacted]"


def left(tmp_path, alert_store):
    return sorted(name for name in os.listdir(tmp_path) if not name.startswith(Path(alert_store.path).name)), alert_store.checkpoint()


@pytest.mark.parametrize("there", ["folder", "file", "link", "no parent"])
def test_places_that_will_not_do(alert_store, place, tmp_path, there):
    make_alert(alert_store)
    if there == "folder":
        place.mkdir()
        (place / "precious").write_text("x")
    elif there == "file":
        place.write_text("precious")
    elif there == "link":
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place = place / "deeper" / "still"
    before = left(tmp_path, alert_store)
    with pytest.raises(StorageError, match="exhibit-7"):
        alert_store.seal(place)
    assert left(tmp_path, alert_store) == before
    assert there != "folder" or (place / "precious").read_text() == "x"


def test_paths_that_are_none(alert_store, tmp_path):
    make_alert(alert_store)
    before = left(tmp_path, alert_store)
    for given in (None, 7, "", "a\0b", b"\xff\xfe", tmp_path / "\udcff"):
        with pytest.raises((AlertValidationError, StorageError)):
            alert_store.seal(given)
        assert left(tmp_path, alert_store) == before


@pytest.mark.parametrize(
    "key", [key_of(2), "key", KEY.text, SigningKey(KEY.public, lambda _: b"no signature"), SigningKey(KEY.public, lambda _: 1 / 0)],
    ids=["another", "text", "public", "no signature", "no card"],
)  # fmt: skip
def test_keys_that_will_not_do(alert_store, place, tmp_path, key):
    alert_store.sign(KEY)
    before = left(tmp_path, alert_store)
    with pytest.raises((AlertValidationError, ZeroDivisionError)):
        alert_store.seal(place, key=key)
    assert left(tmp_path, alert_store) == before
    assert alert_store.verify(key=KEY).ok


def test_a_key_for_a_store_that_nobody_signs(alert_store, place):
    with pytest.raises(AlertValidationError) as refusal:
        alert_store.seal(place, key=KEY)
    assert "sign()" in refusal.value.advice
    assert not place.exists()


def test_what_stops_it_half_way_leaves_nothing(alert_store, place, tmp_path, monkeypatch):
    from alertstore.store import handover

    make_alert(alert_store)
    before = left(tmp_path, alert_store)

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(handover, "verifier_text", interrupted)
    with pytest.raises(KeyboardInterrupt):
        alert_store.seal(place)
    assert left(tmp_path, alert_store)[0] == before[0]
    assert [event.kind for event in alert_store.events(after=before[1].size)] == ["store_sealed"]  # and never handed over
    assert alert_store.verify(checkpoint=before[1]).ok


def test_a_store_that_is_open_for_reading_hands_nothing_over(path, alert_store, place):
    make_alert(alert_store)
    with AlertStore.open(path, mode="ro") as reader, pytest.raises(StoreReadOnlyError):
        reader.seal(place)
    assert not place.exists()


def test_the_same_store_sealed_the_same_way_is_the_same_file(tmp_path):
    digests = set()
    for n in range(2):
        with AlertStore.open(tmp_path / f"{n}.db", clock=FrozenClock(), ids=seeded_ids(4)) as store:
            make_alert(store)
            store.sign(KEY)
            digests.add(json.dumps([store.seal(tmp_path / f"x{n}", key=KEY).sha256]))
    assert len(digests) == 1
