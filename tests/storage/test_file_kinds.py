"""What stands at the path, before SQLite sees it: links, devices, other users' files, odd files beside it, network disks."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pytest

from alertstore import AlertStore, NotAStoreError, StorageError, StoreReadOnlyError
from alertstore.storage import files, filesystems
from alertstore.storage.registry import in_use
from alertstore.testing import make_alert

MODES = ["ro", "rw", "create"]
every_mode = pytest.mark.parametrize("mode", MODES)


@every_mode
def test_a_symbolic_link_is_no_store(case, untouched, mode):
    link = case.parent / "link.db"
    link.symlink_to(case)
    before = untouched(case.parent)
    with pytest.raises(NotAStoreError, match="symbolic link") as refusal:
        AlertStore.open(link, mode=mode)
    assert refusal.value.advice
    assert untouched(case.parent) == before


def test_two_names_of_a_folder_are_one_store(case, tmp_path):
    (tmp_path / "other").symlink_to(case.parent)
    with AlertStore.open(case) as one, AlertStore.open(tmp_path / "other" / "case.db") as other:
        assert one.path == other.path == str(case)
        make_alert(one)
        make_alert(other)
        assert one.checkpoint() == other.checkpoint()
        assert in_use(str(tmp_path / "other" / "case.db"))
    with AlertStore.open(tmp_path / "other" / ".." / "case" / "case.db", mode="ro") as store:
        assert store.count() == 7


def test_a_folder_above_a_link_is_the_one_that_the_system_means(case, tmp_path):
    """`link/..` is the folder above the link's target, not above the link."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "link").symlink_to(case.parent)
    with AlertStore.open(f"{tmp_path}/deep/../link/case.db", mode="ro") as store:
        assert store.path == str(case)
    (tmp_path / "deep" / "up").symlink_to(case.parent)
    with pytest.raises(NotAStoreError):
        AlertStore.open(f"{tmp_path}/deep/up/../case.db", mode="ro")


@every_mode
@pytest.mark.parametrize("name", ["case.db", "second.db"])
def test_a_file_with_two_names_is_refused(case, untouched, name, mode):
    os.link(case, case.parent / "second.db")
    before = untouched(case.parent)
    with pytest.raises(StorageError, match="hard link") as refusal:
        AlertStore.open(case.parent / name, mode=mode)
    assert refusal.value.advice
    assert untouched(case.parent) == before


def test_what_a_killed_creation_left_is_no_second_name(case, untouched):
    leftover = case.parent / ".case.db.abcdefgh.new"
    os.link(case, leftover)
    before = untouched(case.parent)
    with AlertStore.open(case, mode="ro") as store:
        assert store.count() == 5
    assert untouched(case.parent) == before
    with pytest.raises(StorageError):
        AlertStore.open(leftover, mode="ro")
    with AlertStore.open(case) as store:
        make_alert(store)
    assert [one.name for one in case.parent.iterdir()] == ["case.db"]


def test_a_store_that_is_being_made_can_be_opened_meanwhile(tmp_path, monkeypatch):
    """Between link and unlink the new file has two names."""
    made, go_on, link = threading.Event(), threading.Event(), os.link

    def slow(*args):
        link(*args)
        made.set()
        go_on.wait(60)

    monkeypatch.setattr(os, "link", slow)
    maker = threading.Thread(target=lambda: AlertStore.open(tmp_path / "case.db").close())
    maker.start()
    assert made.wait(60)
    try:
        for mode in MODES:
            with AlertStore.open(tmp_path / "case.db", mode=mode) as store:
                assert store.count() == 0
    finally:
        go_on.set()
        maker.join()
    assert [one.name for one in tmp_path.iterdir()] == ["case.db"]


@every_mode
def test_what_is_no_file_is_refused_without_waiting(tmp_path, mode):
    os.mkfifo(tmp_path / "fifo.db")
    (tmp_path / "folder.db").mkdir()
    with closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind(str(tmp_path / "socket.db"))
        for path in (*tmp_path.iterdir(), "/dev/null", "/dev/zero"):
            with pytest.raises(NotAStoreError):
                AlertStore.open(path, mode=mode)


def fifo(path, _):
    os.mkfifo(path)


def symlink(path, victim):
    path.symlink_to(victim)


def second_name(path, victim):
    os.link(victim, path)


def folder(path, _):
    path.mkdir()


@every_mode
@pytest.mark.parametrize("ending", files.SIDECARS)
@pytest.mark.parametrize("make", [fifo, symlink, second_name, folder], ids=lambda one: one.__name__)
def test_odd_files_beside_the_store(case, tmp_path, untouched, make, ending, mode):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    make(case.parent / f"case.db{ending}", victim)
    before = untouched(case.parent)
    with pytest.raises(StorageError, match="not a regular file"):
        AlertStore.open(case, mode=mode)
    assert untouched(case.parent) == before
    assert victim.read_bytes() == b"precious"


@every_mode
def test_a_journal_that_names_a_file_to_delete(case, tmp_path, untouched, mode):
    (case.parent / "case.db-journal").write_bytes(b"x" * 100 + bytes.fromhex("d9d505f920a163d7"))
    before = untouched(case.parent)
    with pytest.raises(StorageError, match="would delete"):
        AlertStore.open(case, mode=mode)
    assert untouched(case.parent) == before


NAMES = [
    "file:case.db",
    "file:case.db?mode=memory",
    "-rf.db",
    "--",
    "a?b.db",
    "100%.db",
    "#1.db",
    "%2e%2e",
    ":memory:x",
    "a\\b.db",
    "~",
    " ",
]


@pytest.mark.parametrize("name", [*NAMES, b"caf\xe9.db"])
def test_names_are_taken_as_they_are(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    with AlertStore.open(name) as store:
        make_alert(store)
    assert os.listdir(os.fsencode(tmp_path)) == [os.fsencode(name)]
    with AlertStore.open(tmp_path / os.fsdecode(name), mode="ro") as store:
        assert store.count() == 1


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_nobody_else_sees_a_new_store(tmp_path, umask):
    before = os.umask(umask)
    try:
        with AlertStore.open(tmp_path / "case.db") as store:
            make_alert(store)
            store.backup(tmp_path / "copy.db")
            found = {one.name: stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert found == dict.fromkeys(["case.db", "case.db-wal", "case.db-shm", "copy.db"], 0o600)


@pytest.mark.parametrize("bits", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_to_is_warned_of(case, bits):
    case.chmod(bits)
    with pytest.warns(UserWarning, match=f"mode {bits:04o}") as told, AlertStore.open(case) as store:
        make_alert(store)
    assert [one.filename for one in told] == [__file__]
    assert files.loose_modes(str(case)) == [f"{case} is open to other users (mode {bits:04o})"]
    AlertStore.open(case, mode="ro").close()  # reading harms nobody: no warning, which would be an error here


def test_what_others_may_read_or_replace_is_for_a_report(case):
    assert files.loose_modes(str(case)) == []
    case.chmod(0o644)
    case.parent.chmod(0o777)
    AlertStore.open(case).close()
    assert len(files.loose_modes(str(case))) == 2
    case.parent.chmod(0o1777)
    assert len(files.loose_modes(str(case))) == 1


@pytest.mark.parametrize("bits", [0o400, 0o444, 0o000])
@pytest.mark.parametrize("mode", ["rw", "create"])
def test_a_write_protected_file_is_not_written_to(case, untouched, bits, mode):
    """Also by root, whom the system would let."""
    before = {case.name: (case.read_bytes(), stat.S_IFREG | bits, case.stat().st_mtime_ns)}
    case.chmod(bits)
    with pytest.raises(StoreReadOnlyError, match="write-protected") as refusal:
        AlertStore.open(case, mode=mode)
    assert "mode='ro'" in refusal.value.advice
    case.chmod(0o600)
    after = untouched(case.parent)
    assert list(after) == list(before)
    assert after[case.name][0] == before[case.name][0]


@pytest.fixture
def public():
    """A folder that every user can look into, as those of pytest cannot."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def test_another_users_file_is_only_read(case, public, as_nobody, untouched):
    theirs = public / "theirs.db"
    shutil.copy(case, theirs)
    theirs.chmod(0o666)
    with AlertStore.open(theirs, mode="ro") as store:
        assert store.verify(depth="full").ok  # and all that it takes is loaded
    before = untouched(public)
    as_nobody()
    with pytest.raises(StoreReadOnlyError, match="another user"):
        AlertStore.open(theirs, mode="rw")
    with pytest.raises(StoreReadOnlyError):
        AlertStore.open(public / "new.db")
    with AlertStore.open(theirs, mode="ro") as store:
        assert store.count() == 5
        assert store.verify(depth="full").ok
    assert untouched(public) == before


def test_ones_own_file_where_nothing_can_be_made(case, public, as_nobody, untouched):
    ours = public / "ours.db"
    shutil.copy(case, ours)
    os.chown(ours, 65534, 65534)
    with AlertStore.open(ours, mode="ro") as store:
        assert store.verify(depth="full").ok
    before = untouched(public)
    as_nobody()
    for mode in ("rw", "create"):
        with pytest.raises(StoreReadOnlyError, match="beside it") as refusal:
            AlertStore.open(ours, mode=mode)
        assert "mode='ro'" in refusal.value.advice
    with AlertStore.open(ours, mode="ro") as store:
        assert store.count() == 5
    assert untouched(public) == before


READ_ONLY_DISK = """
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
exec "$2" - "$1/case.db" <<END
import os, sys
from alertstore import AlertStore, StoreReadOnlyError
path = sys.argv[1]
for mode in ("rw", "create"):
    try:
        AlertStore.open(path, mode=mode)
    except StoreReadOnlyError as fault:
        print("refused", "mode='ro'" in fault.advice)
with AlertStore.open(path, mode="ro") as store:
    print("read", store.count(), store.verify().ok, os.listdir(os.path.dirname(path)))
END
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="unshare is not installed")
def test_a_disk_that_is_mounted_read_only(case, untouched):
    if subprocess.run(["unshare", "-m", "mount", "--bind", case.parent, case.parent], capture_output=True, check=False).returncode:
        pytest.skip("a mount of one's own is not permitted here")
    before = untouched(case.parent)
    command = ["unshare", "-m", "sh", "-c", READ_ONLY_DISK, "sh", str(case.parent), sys.executable]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (run.stderr, run.stdout.splitlines()) == ("", ["refused True", "refused True", "read 5 True ['case.db']"])
    assert untouched(case.parent) == before


MOUNTS = """\
/dev/sda1 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/export /mnt/team nfs4 rw 0 0
//nas/share /mnt/nas\\040share cifs rw 0 0
/dev/sdb1 /mnt/team/local xfs rw 0 0
me@host:/ /home/me/far fuse.sshfs rw 0 0
/dev/sdc1 /media/stick vfat rw 0 0
first /mnt/twice nfs rw 0 0
second /mnt/twice tmpfs rw 0 0
odd line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/case.db", "ext4"),
        ("/mnt/team", "nfs4"),
        ("/mnt/team/a/case.db", "nfs4"),
        ("/mnt/teams/case.db", "ext4"),
        ("/mnt/team/local/case.db", "xfs"),
        ("/mnt/nas share/case.db", "cifs"),
        ("/home/me/far/case.db", "fuse.sshfs"),
        ("/media/stick/case.db", "vfat"),
        ("/mnt/twice/case.db", "tmpfs"),
    ],
)
def test_the_file_system_of_a_path(path, kind):
    assert filesystems.fs_type_in(MOUNTS, path) == kind
    assert filesystems.is_network(kind) == (kind in {"nfs4", "cifs", "fuse.sshfs"})


def test_no_table_of_mounts(monkeypatch, tmp_path):
    assert filesystems.fs_type_in("", "/x") is None
    monkeypatch.setattr(filesystems, "_MOUNTS", str(tmp_path / "none"))
    assert filesystems.fs_type("/") is None
    assert not filesystems.is_network(None)
    AlertStore.open(tmp_path / "case.db").close()


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "fuse.sshfs"])
def test_writing_over_a_network_takes_a_word(case, monkeypatch, tmp_path, untouched, kind):
    table = tmp_path / "mounts"
    table.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/ {case.parent} {kind} rw 0 0\n")
    monkeypatch.setattr(filesystems, "_MOUNTS", str(table))
    assert filesystems.fs_type(str(case)) == kind
    before = untouched(case.parent)
    for name in ("case.db", "new.db"):
        with pytest.raises(StorageError, match=kind) as refusal:
            AlertStore.open(case.parent / name)
        assert "allow_network_fs=True" in refusal.value.advice
    with AlertStore.open(case, mode="ro") as store:
        assert store.count() == 5
    assert untouched(case.parent) == before
    for name in ("case.db", "new.db"):
        with AlertStore.open(case.parent / name, allow_network_fs=True) as store:
            make_alert(store)
