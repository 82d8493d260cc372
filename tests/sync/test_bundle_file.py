"""Bundles: what goes in comes out, the same bytes every time; whatever is changed is refused, by the library and the verifier alike."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import resource
import runpy
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import bundle_cases
import pytest
from bundle_cases import CHANGES, MANGLES, Parts, Source, by_library, export, refusals, unzipped, verifier_text
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from alertstore import AlertStore, verifier
from alertstore.domain.bundle import MEMBERS, BundleManifest
from alertstore.domain.notes import vkey
from alertstore.errors import AlertValidationError, BundleError, StorageError, StoreFullError
from alertstore.signing import SigningKey
from alertstore.sync import bundle, bundle_reader, ziparchive
from alertstore.sync.bundle import read_bundle, write_bundle
from alertstore.testing import FakeRemote, FrozenClock, generic_alert, seeded_ids, suricata_alert, write_jsonl

FILL = runpy.run_path(str(Path(__file__).parents[1] / "store" / "conftest.py"))["fill_store"]


def key_of(number):
    private = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
    return SigningKey(private.public_key().public_bytes_raw(), private.sign)


KEY, OTHER = key_of(1), key_of(2)
SIGN = (KEY.public, KEY.sign)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a store, one that has a key, and a bundle of each."""
    folder = tmp_path_factory.mktemp("made")
    clock = FrozenClock()
    with AlertStore.open(folder / "plain.db", clock=clock, ids=seeded_ids(1), actor="mia") as store:
        FILL(store, folder, clock)
    with AlertStore.open(folder / "keyed.db", clock=clock, ids=seeded_ids(2), actor="mia") as store:
        store.sign(KEY)
        store.add(generic_alert())
    export(folder / "plain.db", folder / "plain.asb")
    export(folder / "keyed.db", folder / "keyed.asb", sign=SIGN)
    return folder


@pytest.fixture
def parts(made):
    return Parts(made / "plain.asb")


@pytest.fixture
def keyed(made):
    return Parts(made / "keyed.asb")


@pytest.fixture
def target(tmp_path):
    return tmp_path / "x.asb"


def packed(parts, target, **changed):
    for name, value in changed.items():
        setattr(parts, name, value)
    parts.pack(target)
    return target


def content(path, keys=()):
    with read_bundle(path, keys) as opened:
        return opened.manifest, opened.signed_by, opened.events, list(opened.lines())


# What goes in comes out.


def test_a_bundle_holds_what_the_store_has(made):
    with closing(Source(made / "plain.db")) as source, read_bundle(made / "plain.asb") as opened:
        assert list(opened.lines()) == list(source.lines())
        assert list(opened.events) == source.events()
        kept = dict(source.conn.execute("SELECT seq, raw FROM occurrence").fetchall())
        found = {int(seq): opened.raw(one) for line in opened.lines() for seq, one in line["records"].items()}
        assert found == {seq: kept[seq] for seq in found}
        assert len(found) == opened.manifest.records == 6
        assert (opened.manifest.store, opened.manifest.size, opened.manifest.alerts) == (source.store_id, source.size, 5)
        assert opened.manifest.root == source.proof([1])[0].hex()
        assert opened.signed_by is None
        assert opened.size_on_disk == (made / "plain.asb").stat().st_size
        every = [*opened.events, *(one for line in opened.lines() for one in line["events"])]
        assert len(every) == opened.manifest.events == len({one["body"]["seq"] for one in every})
    assert refusals(made / "plain.asb") is None


def test_any_unzip_shows_it_and_the_summary_says_what_it_is(made):
    members = unzipped(made / "plain.asb")
    assert tuple(members) == MEMBERS
    assert members["verify.py"] == verifier_text()
    words = members["README.txt"].decode()
    for said in ("5 alerts", "4 edits", "6 records", "31 events", '"mia"', "2024-05-02T10:00:00Z", "python3 verify.py"):
        assert said in words
    manifest = BundleManifest.parse(members["MANIFEST"].decode())
    assert manifest.text() == members["MANIFEST"].decode()
    assert manifest.id == content(made / "plain.asb")[0].id
    with zipfile.ZipFile(made / "plain.asb") as archive:
        assert archive.testzip() is None


def test_equal_content_makes_equal_bytes(made, tmp_path):
    for name, database, sign in (("plain.asb", "plain.db", None), ("keyed.asb", "keyed.db", SIGN)):
        export(made / database, tmp_path / name, sign=sign)
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes()
    Parts(made / "plain.asb").pack(tmp_path / "again.asb")
    assert (tmp_path / "again.asb").read_bytes() == (made / "plain.asb").read_bytes()


def test_without_payloads_the_digests_stand_alone(made, target):
    export(made / "plain.db", target, payloads=False)
    assert refusals(target) is None
    with read_bundle(target) as opened:
        records = [one for line in opened.lines() for one in line["records"].values()]
        assert [set(one) for one in records] == [{"sha256"}] * 6
        assert {opened.raw(one) for one in records} == {None}
        assert not opened.manifest.payloads


def test_a_record_that_is_no_text_travels_as_base64(parts, target):
    line, _, key = bundle_cases.find(parts, "alert_deduplicated")
    raw = line["records"][key].pop("text").encode()
    line["records"][key]["base64"] = bundle_cases.b64encode(raw).decode()
    assert refusals(packed(parts, target)) is None
    with read_bundle(target) as opened:
        (found,) = [opened.raw(one["records"][key]) for one in opened.lines() if key in one["records"]]
        assert found == raw


def test_hostile_text_comes_back_as_it_went(alert_store, hostile_strings, target, tmp_path):
    for number, text in enumerate(hostile_strings.values()):
        wild = {"title": f"{number} {text}"[:400] or "x", "description": text}
        alert_store.ingest(write_jsonl(tmp_path / "wild.json", [generic_alert(**wild)]), source="generic")
    export(alert_store.path, target)
    assert refusals(target) is None
    with closing(Source(alert_store.path)) as source:
        assert content(target)[3] == list(source.lines()) != []


def test_of_no_alerts(alert_store, target):
    export(alert_store.path, target)
    assert refusals(target) is None
    assert content(target)[3] == []


def test_of_a_store_whose_beginning_was_pruned(alert_store, target, frozen_clock):
    alert_store.sign(KEY)
    alert_store.add(generic_alert())
    frozen_clock.advance(days=3)
    alert_store.prune(frozen_clock(), authority="policy")
    alert_store.sign(KEY)
    later = alert_store.add(generic_alert(title="after it")).alert.uuid
    export(alert_store.path, target, sign=SIGN)
    assert refusals(target) is refusals(target, [KEY.text]) is None
    _, signed_by, events, lines = content(target)
    assert signed_by == KEY.text
    assert [one["body"]["kind"] for one in events] == ["history_pruned"]
    assert [line["uuid"] for line in lines] == [later]


def test_lines_can_be_gone_through_again_and_twice_at_once(made):
    with read_bundle(made / "plain.asb") as opened:
        first, second = opened.lines(), opened.lines()
        together = list(zip(first, second, strict=True))
        assert [one for one, _ in together] == [one for _, one in together] == list(opened.lines())


# What a bundle says of sync: what the last event of it says in the store that the bundle is of.


@pytest.fixture(scope="module")
def synced(tmp_path_factory):
    """Bundles: `own` of a store that syncs, `told` of one that took it, and has an alert that never met the remote."""
    folder, remote = tmp_path_factory.mktemp("synced"), FakeRemote()
    with AlertStore.open(folder / "one.db", ids=seeded_ids(1)) as one, AlertStore.open(folder / "two.db", ids=seeded_ids(2)) as two:
        uuid = one.add(generic_alert()).alert.uuid
        one.sync(remote)
        one.patch(uuid, severity="Low")
        one.sync(remote)
        one.export_bundle(folder / "own.asb")
        two.import_bundle(folder / "own.asb")
        two.add(generic_alert(title="never there"))
        two.export_bundle(folder / "told.asb")
    return folder


def test_what_a_store_knows_of_the_remote_is_taken(synced):
    assert refusals(synced / "own.asb") is refusals(synced / "told.asb") is None
    (own,), (told, never) = content(synced / "own.asb")[3], content(synced / "told.asb")[3]
    last = [one["body"] for one in own["events"] if one["body"]["kind"] == "alert_synced"][-1]
    assert own["sync"] == {"state": last["facts"]["state"], "observed": [content(synced / "own.asb")[0].store, last["seq"]]}
    assert told["sync"]["observed"] == own["sync"]["observed"] == told["sync"]["state"]["observed"]
    assert never["sync"] is None


def settled_by_nobody(parts):
    parts.lines[0]["sync"]["state"]["settled"] = [["severity", [3], None]]


def linked_to_another(parts):
    parts.lines[0]["sync"]["state"]["uuid"] = "ffffffff-ffff-ffff-ffff-ffffffffffff"


def said_less(parts):
    del parts.lines[0]["sync"]["state"]["token"]


def said_before(parts):
    line = parts.lines[0]
    states = [one["body"]["facts"]["state"] for one in line["events"] if one["body"]["kind"] == "alert_synced"]
    line["sync"]["state"] = next(one for one in states if one != states[-1])


def true_as_a_number(parts):
    line = parts.lines[0]
    body = [one["body"] for one in line["events"] if one["body"]["kind"] == "alert_synced"][-1]
    body["facts"]["state"] |= {"shared": True}
    line["sync"]["state"] = body["facts"]["state"] | {"shared": 1}
    parts.reprove()


def unsaid(parts):
    parts.lines[0]["sync"] = None


def seen_by_another(parts):
    parts.lines[0]["sync"]["observed"][0] = "another"


def seen_at_another_time(parts):
    parts.lines[0]["sync"]["observed"][1] -= 1


def event_without_a_state(parts):
    del [one["body"] for one in parts.lines[0]["events"] if one["body"]["kind"] == "alert_synced"][-1]["facts"]["state"]
    parts.reprove()


@pytest.mark.parametrize("name", ["own.asb", "told.asb"])
@pytest.mark.parametrize(
    "forge",
    [
        settled_by_nobody, linked_to_another, said_less, said_before, true_as_a_number, unsaid, seen_by_another, seen_at_another_time,
        event_without_a_state,
    ],
)  # fmt: skip
def test_what_no_event_says_of_sync_is_refused(synced, target, name, forge):
    parts = Parts(synced / name)
    if name == "told.asb" and forge is said_before:
        parts.lines[0]["sync"]["state"] = Parts(synced / "own.asb").lines[0]["sync"]["state"]
    else:
        forge(parts)
    assert "sync" in refusals(packed(parts, target))


def test_sync_of_an_alert_that_never_met_the_remote_is_refused(synced, target):
    parts = Parts(synced / "told.asb")
    parts.lines[1]["sync"] = parts.lines[0]["sync"]
    assert "without an event" in refusals(packed(parts, target))


# Who signed it.


def test_who_signed_it(made):
    assert content(made / "keyed.asb")[1] == KEY.text
    for key in (KEY.text, KEY.text.upper(), vkey("somebody", KEY.public)):
        assert content(made / "keyed.asb", [OTHER.text, key])[1] == KEY.text
    assert refusals(made / "keyed.asb") is refusals(made / "keyed.asb", [KEY.text]) is None


def test_an_unknown_signer_is_refused(made):
    assert "not signed by a key that you trust" in refusals(made / "keyed.asb", [OTHER.text])


def test_a_bundle_that_is_not_signed_is_refused_by_whoever_trusts_a_key(made):
    assert "is not signed" in refusals(made / "plain.asb", [KEY.text])


def test_a_stripped_signature_shows_where_a_key_is_asked_for(keyed, target):
    packed(keyed, target)
    assert content(target)[1] is None
    assert refusals(target) is None
    assert "is not signed" in refusals(target, [KEY.text])


def test_a_signature_by_another_key_is_refused(keyed, target):
    packed(keyed, target, key=OTHER)
    assert "not by the key that its own store named last" in refusals(target)
    assert "not signed by a key that you trust" in refusals(target, [KEY.text])


def test_a_signature_that_its_store_never_named_is_refused(parts, target):
    packed(parts, target, key=KEY)
    assert "not by the key that its own store named last" in refusals(target)
    assert refusals(target, [KEY.text]) is None  # whoever trusts it needs no other word for it


def test_a_key_whose_epoch_has_ended_signs_no_bundle(alert_store, target):
    alert_store.sign(KEY)
    alert_store.rotate_key(KEY, OTHER)
    export(alert_store.path, target, sign=(OTHER.public, OTHER.sign))
    assert content(target)[1] == OTHER.text
    parts = Parts(target)
    packed(parts, target, key=KEY)
    assert "not by the key that its own store named last" in refusals(target)


NOTES = {
    "of another text": lambda text: text.replace("since 0", "since 1"),
    "of another log": lambda text: text.replace("\N{EM DASH} alertstore/", "\N{EM DASH} alertstore/x"),
    "twice": lambda text: text + text.rpartition("\n\n")[2],
    "cut off": lambda text: text[:-10] + "\n",
    "without its last newline": lambda text: text[:-1],
    "with blanks": lambda text: text.replace("\n\n", "\n\n\n"),
    "of other bits": lambda text: text[:-12] + ("A" if text[-12] != "A" else "B") + text[-11:],
    "with a control character": lambda text: text.replace("since 0", "since\t0"),
}


@pytest.mark.parametrize("name", NOTES)
def test_a_signature_that_does_not_hold_is_refused(keyed, target, name):
    packed(keyed, target, key=KEY, noted=NOTES[name])
    assert refusals(target)
    assert refusals(target, [KEY.text])


def test_a_forged_history_shows_only_against_a_key(keyed, target):
    bundle_cases.find(keyed, "alert_ingested")[1]["body"]["changes"]["severity"][1] = "Low"
    keyed.reprove()
    assert refusals(packed(keyed, target)) is None  # whoever can write the file can make all of it: that is what signatures are for
    assert refusals(target, [KEY.text])
    assert refusals(packed(keyed, target, key=OTHER), [KEY.text])
    assert "named last" in refusals(target)


@pytest.mark.parametrize("given", ["", "x" * 64, 7, "a+b+c"])
def test_what_is_no_key_is_not_asked_for(made, given):
    with pytest.raises(AlertValidationError, match="Ed25519 public key"):
        read_bundle(made / "plain.asb", [given])


# Whatever is changed is refused.


def check_words(says, found):
    assert found is not None
    assert re.search(says, found), found
    assert found.isprintable()
    assert len(found) < 600


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_changed_is_refused_though_all_digests_are_right(parts, target, name):
    says, change = CHANGES[name]
    change(parts)
    parts.pack(target)
    check_words(says, refusals(target))


NO_NOTE = {"endless_line", "long_manifest", "manifest_in_carriage_returns", "manifest_that_does_not_end", "store_that_acts_on_a_terminal"}
"""Changes after which there is nothing that could be signed (and one that takes long, and has been tried)."""


def test_a_good_signature_excuses_nothing(made, target):
    for name in CHANGES.keys() - NO_NOTE:
        parts = Parts(made / "plain.asb")
        parts.key = KEY
        CHANGES[name][1](parts)
        parts.pack(target)
        assert by_library(target, [KEY.text]), name


@pytest.mark.parametrize("name", MANGLES)
def test_an_archive_that_is_not_as_it_must_be_is_refused(made, target, name):
    says, mangle = MANGLES[name]
    raw = (made / "plain.asb").read_bytes()
    target.write_bytes(mangle(raw))
    assert target.read_bytes() != raw
    check_words(says, refusals(target))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The smallest bundle that has an alert in it, and what it holds."""
    folder = tmp_path_factory.mktemp("small")
    with AlertStore.open(folder / "small.db", clock=FrozenClock(), ids=seeded_ids(3), actor="mia") as store:
        store.add(generic_alert())
    with closing(Source(folder / "small.db")) as source:
        write_bundle(folder / "small.asb", source.facts(), source.lines(), source.events(), source.proof, b"pass\n")
    return (folder / "small.asb").read_bytes(), content(folder / "small.asb")


def test_a_bundle_that_is_cut_off_is_refused(small, target, promise):
    raw, _ = small
    lengths = sorted({*range(0, len(raw), 13), *range(len(raw) - 100, len(raw))})
    for length in lengths:
        target.write_bytes(raw[:length])
        assert refusals(target), length
    promise("A bundle that was cut off is never taken", f"{len(lengths)} of {len(lengths)} lengths")


def flipped(raw, bits, target, expected):
    """How many flips of a bit are refused; the others change nothing of what is read."""
    refused = 0
    for bit in bits:
        place, mask = divmod(bit, 8)
        target.write_bytes(raw[:place] + bytes([raw[place] ^ 1 << mask]) + raw[place + 1 :])
        if refusals(target):
            refused += 1
        else:
            assert content(target) == expected
    return refused


def test_a_flipped_bit_is_refused_or_changes_nothing(small, target, promise):
    raw, expected = small
    bits = random.Random(4).sample(range(8 * len(raw)), 1_000)
    refused = flipped(raw, bits, target, expected)
    assert refused > 990
    promise("A bundle with a flipped bit is refused, or says the same (a bit that unpacking skips)", f"{refused} of 1000 refused")


@pytest.mark.long
def test_every_flipped_bit_is_refused_or_changes_nothing(small, target, promise):
    raw, expected = small
    bits = range(8 * len(raw))
    refused = flipped(raw, bits, target, expected)
    assert len(bits) - refused < 100
    promise("A bundle with a flipped bit is refused, or says the same (a bit that unpacking skips)", f"{refused} of {len(bits)} refused")


def places(value, path=()):
    """Where every value of a line stands."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in pairs:
        yield from places(one, (*path, name))


def replaced(value, path, new):
    """A line with another value in one place; `new` None takes it out."""
    if not path:
        return new
    first, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copy[first] = replaced(copy[first], rest, new)
    elif new is _GONE:
        del copy[first]
    else:
        copy[first] = new
    return copy


_GONE = object()


def others(value):
    """Values of other and of the same type."""
    yield from (_GONE, None, True, 0, -1, "", "x", [], {}, [value], {"x": value}, 1 << 52)
    if type(value) is int:
        yield value + 1
    if type(value) is str:
        yield from (value + "x", value[:-1], value.upper())


def changed_values(made, target, each):
    """Put `each` other values in the place of every value of every line and proof; how many were tried, and which were accepted."""
    parts, accepted, tried = Parts(made / "plain.asb"), set(), 0
    parts.verifier = b"pass\n"
    said = {"lines": parts.lines, "events": parts.events, "proof": [parts.proof]}
    for member, listed in said.items():
        for number, whole in enumerate(listed):
            for path in places(whole):
                value = whole
                for name in path:
                    value = value[name]
                new = [one for one in others(value) if (path or one is not _GONE) and (type(one) is not type(value) or one != value)]
                for one in random.Random(f"{member} {number} {path}").sample(new, min(each, len(new))):
                    made_anew = replaced(whole, path, one)
                    changed = [*listed[:number], made_anew, *listed[number + 1 :]]
                    setattr(parts, member, made_anew if member == "proof" else changed)
                    parts.pack(target)
                    tried += 1
                    if refusals(target) is None:
                        withheld = member == "lines" and path[0] == "records" and path[2:] == ("text",) and one is _GONE
                        accepted.add("withheld" if withheld else (member, path[0]))
            setattr(parts, member, whole if member == "proof" else listed)
    return tried, accepted


def check_values(tried, accepted, promise):
    assert accepted <= {("lines", "rule"), "withheld"}
    assert tried > 900
    promise("No value in a bundle can be changed unseen, but for the words of a detection rule", f"{tried} changes")


def test_no_value_can_be_another(made, target, promise):
    check_values(*changed_values(made, target, 2), promise)


@pytest.mark.long
def test_no_value_can_be_any_other(made, target, promise):
    check_values(*changed_values(made, target, 99), promise)


# The file.


def leftovers(folder):
    return sorted(one.name for one in folder.iterdir())


def test_what_is_there_is_not_overwritten(made, tmp_path):
    for path in (tmp_path / "is.asb", tmp_path / "folder.asb", tmp_path / "link.asb"):
        path.mkdir() if "folder" in path.name else path.symlink_to("nowhere") if "link" in path.name else path.write_text("mine")
        with pytest.raises(StorageError, match="is there already"):
            export(made / "plain.db", path)
    assert (tmp_path / "is.asb").read_text() == "mine"
    assert leftovers(tmp_path) == ["folder.asb", "is.asb", "link.asb"]


def test_what_a_stopped_run_left_is_no_obstacle(made, target):
    Path(f"{target}.part").write_bytes(b"half of it")
    export(made / "plain.db", target)
    assert target.read_bytes() == (made / "plain.asb").read_bytes()
    assert leftovers(target.parent) == [target.name]


class StopError(Exception):
    pass


@pytest.mark.parametrize("fault", [StopError, KeyboardInterrupt, SystemExit])
def test_what_goes_wrong_while_gathering_leaves_nothing(made, target, fault):
    def lines(source):
        yield next(iter(source.lines()))
        raise fault

    with closing(Source(made / "plain.db")) as source, pytest.raises(fault):
        write_bundle(target, source.facts(), lines(source), source.events(), source.proof, b"pass\n")
    assert leftovers(target.parent) == []


@pytest.mark.parametrize("most", [0, 1, 100, 5_000, 25_000])
def test_no_room_is_said_and_leaves_nothing(made, target, most):
    with closing(Source(made / "plain.db")) as source:
        facts, lines, events, proved = source.facts(), list(source.lines()), source.events(), source.proof
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
        try:
            with pytest.raises(StoreFullError, match="cannot be written") as caught:
                write_bundle(target, facts, lines, events, proved, verifier_text())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "make room" in caught.value.advice
    assert leftovers(target.parent) == []


@pytest.mark.parametrize(
    ("call", "number"), [("fsync", errno.EIO), ("fsync", errno.ENOSPC), ("rename", errno.EIO), ("rename", errno.ENODEV)]
)
def test_a_stick_that_is_pulled_leaves_no_bundle(made, target, monkeypatch, call, number):
    def pulled(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, pulled)
    with pytest.raises(StorageError, match="cannot be written") as caught:
        export(made / "plain.db", target)
    assert caught.value.advice
    assert leftovers(target.parent) == []


def test_a_folder_that_is_not_there(made, tmp_path):
    with pytest.raises(StorageError, match="No such file"):
        export(made / "plain.db", tmp_path / "no" / "x.asb")


def test_what_the_disk_did_not_keep_is_no_bundle(made, target, monkeypatch):
    def damage(handle, *_):
        os.pwrite(handle, b"\0\0", 300)

    monkeypatch.setattr(os, "posix_fadvise", damage)
    with pytest.raises(BundleError, match="not a sound bundle"):
        export(made / "plain.db", target)
    assert leftovers(target.parent) == []


def test_two_who_write_to_one_name_do_not_mix(made, target, monkeypatch):
    def other(*_):
        os.unlink(f"{target}.part")
        Path(f"{target}.part").write_bytes(b"of the other")

    monkeypatch.setattr(os, "posix_fadvise", other)
    with pytest.raises(StorageError, match="somebody else writes"):
        export(made / "plain.db", target)
    assert not target.exists()


def test_lines_that_do_not_hold_are_never_written(made, target):
    def lines(source):
        for line in source.lines():
            yield line | {"title": "forged"}

    with (
        closing(Source(made / "plain.db")) as source,
        pytest.raises(BundleError, match=r"alerts\.jsonl, line 1: event 4: text is not what"),
    ):
        write_bundle(target, source.facts(), lines(source), source.events(), source.proof, b"pass\n")
    with closing(Source(made / "plain.db")) as source, pytest.raises(BundleError, match="named last"):
        write_bundle(target, source.facts(), source.lines(), source.events(), source.proof, b"pass\n", SIGN)
    assert leftovers(target.parent) == []


def test_an_alert_that_is_longer_than_a_line_is_named(made, target, monkeypatch):
    monkeypatch.setattr(bundle, "LONGEST_LINE", 2_000)
    with pytest.raises(BundleError, match=r"alert [0-9a-f-]{36}, with 2 records, has [0-9]+ bytes, more than the 2000") as caught:
        export(made / "plain.db", target)
    assert "without payloads" in caught.value.advice
    assert leftovers(target.parent) == []


def test_more_than_fits_is_refused_before_it_is_written(made, target, monkeypatch):
    monkeypatch.setattr(ziparchive, "LARGEST", 10_000)
    with pytest.raises(BundleError, match="more than 4 GiB") as caught:
        export(made / "plain.db", target)
    assert "export less" in caught.value.advice
    assert leftovers(target.parent) == []


def test_what_was_written_to_meanwhile_is_not_taken(made, target):
    parts = Parts(made / "plain.asb")
    parts.pack(target)
    parts.lines[0]["title"] = "f" + parts.lines[0]["title"][1:]
    parts.pack(target.with_name("other"))
    with read_bundle(target) as opened:
        target.write_bytes(target.with_name("other").read_bytes())
        with pytest.raises(BundleError, match="not a sound bundle"):
            list(opened.lines())


def test_what_took_its_place_is_not_read(made, target):
    target.write_bytes((made / "plain.asb").read_bytes())
    with read_bundle(target) as opened:
        target.with_name("other").write_bytes((made / "keyed.asb").read_bytes())
        target.with_name("other").rename(target)
        assert len(list(opened.lines())) == 5


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder", "none"):
        with pytest.raises(BundleError) as caught:
            read_bundle(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert caught.value.advice
    with pytest.raises(BundleError, match="not a file"):
        read_bundle("/dev/zero")


def test_a_refused_file_is_not_held_open(target, monkeypatch):
    target.write_bytes(b"x" * 100)
    opened = []
    fdopen = os.fdopen
    monkeypatch.setattr(os, "fdopen", lambda *given, **named: opened.append(fdopen(*given, **named)) or opened[-1])
    with pytest.raises(BundleError):
        read_bundle(target)
    assert [one.closed for one in opened] == [True]


def test_a_read_that_fails_is_said(made, monkeypatch):
    def failing(self, *_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(bundle_reader.Unpacker, "_more", failing)
    with pytest.raises(BundleError, match="cannot be read: Input/output error"):
        read_bundle(made / "plain.asb")


def test_a_line_is_all_that_is_held_in_memory(tmp_path, promise):
    """In a process of its own, so that its peak is its own."""
    records = [suricata_alert(src_ip=f"10.0.{n // 250}.{n % 250}", payload=f"{n:0900}") for n in range(3_000)]
    with AlertStore.open(tmp_path / "many.db") as store:
        store.ingest(write_jsonl(tmp_path / "many.json", records), source="suricata")
    with closing(Source(tmp_path / "many.db")) as source:
        lines = list(source.lines())
    export(tmp_path / "many.db", tmp_path / "many.asb")
    program = (
        "import sys, tracemalloc\nfrom alertstore.sync.bundle import read_bundle\ntracemalloc.start()\n"
        "with read_bundle(sys.argv[1]) as opened: print(sum(1 for _ in opened.lines()), tracemalloc.get_traced_memory()[1])"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "many.asb"], capture_output=True, text=True, check=True)
    number, peak = map(int, done.stdout.split())
    size = sum(len(json.dumps(line)) for line in lines)
    assert number == len(lines)
    assert peak < size / 2


# The verifier that stands alone.


def command(*arguments):
    return subprocess.run([sys.executable, "-I", "-S", *map(str, arguments)], capture_output=True, text=True, check=False)


def test_the_verifier_out_of_the_bundle_checks_it(made, tmp_path):
    script = tmp_path / "verify.py"
    script.write_bytes(unzipped(made / "keyed.asb")["verify.py"])
    (tmp_path / "key").write_text(KEY.text + "\n")
    done = command(script, made / "keyed.asb", "--key", tmp_path / "key", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["verdict"], said["assurance"], said["checked"]["alerts"]) == (0, "sound", "signed", 1)
    assert command(script, made / "keyed.asb", "--key", OTHER.text).returncode == 6
    assert command(script, made / "plain.asb").returncode == 0
    assert command(script, made / "plain.asb", "--key", KEY.text).returncode == 6


def test_its_exit_codes(made, parts, target, capsys, tmp_path):
    def run(*arguments):
        code = verifier.main(["--json", *map(str, arguments)])
        return code, json.loads(capsys.readouterr().out)

    code, said = run(made / "plain.asb")
    assert (code, said["assurance"], said["size"]) == (0, "unsigned", 31)
    assert any("not signed" in one for one in said["unchecked"])
    (tmp_path / "kept.json").write_text(json.dumps({"size": said["size"], "root": said["root"]}))
    code, said = run(made / "plain.asb", "--checkpoint", tmp_path / "kept.json")
    assert (code, said["assurance"]) == (0, "anchored")
    (tmp_path / "kept.json").write_text(json.dumps({"size": said["size"], "root": "0" * 64}))
    assert run(made / "plain.asb", "--checkpoint", tmp_path / "kept.json")[0] == 6
    (tmp_path / "kept.json").write_text(json.dumps({"size": 3, "root": "0" * 64}))
    assert run(made / "plain.asb", "--checkpoint", tmp_path / "kept.json")[0] == 4
    code, said = run(made / "keyed.asb")
    assert code == 0
    assert any("whose the key is" in one for one in said["unchecked"])
    CHANGES["title"][1](parts)
    parts.pack(target)
    code, said = run(target)
    assert (code, said["verdict"]) == (6, "tampered")
    CHANGES["newer_format"][1](parts)
    parts.pack(target)
    code, said = run(target)
    assert (code, said["verdict"]) == (4, "could not check")
    assert "newer alertstore" in said["problems"][0]["found"]
