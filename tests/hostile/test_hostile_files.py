"""Files that are built to hurt: memory stays flat, what cannot be read is said, what was read before is kept."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from corpus import HOSTILE

from alertstore import AlertStore
from alertstore.errors import SourceError

MB = 1 << 20
GUARD = 600  # seconds after which a reading counts as hung
READING = """
import json, resource, sys
from alertstore import AlertStore
from alertstore.errors import AlertStoreError

def highest():  # MiB; what getrusage says begins, on Linux, with what the parent had
    try:
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) >> 10
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (20 if sys.platform == "darwin" else 10)

with AlertStore.open(sys.argv[1], durability="normal") as store:
    before = highest()
    try:
        found = store.ingest("-", source=sys.argv[2] or None)
        said = [found.new + found.duplicates + found.seen, found.rejected, ""]
    except AlertStoreError as fault:
        said = [0, 0, type(fault).__name__]
    print(json.dumps([*said, highest() - before, store.verify(depth="full").ok]))
"""


def read(tmp_path, parts, source="generic"):
    """Ingest bytes through a pipe in a process of its own: taken, rejected, error, MiB that it grew by, whether it verifies."""
    with subprocess.Popen(
        [sys.executable, "-c", READING, str(tmp_path / "a.db"), source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            for part in parts:
                process.stdin.write(part)
        except BrokenPipeError:
            pass
        out, errors = process.communicate(timeout=GUARD)
    assert process.returncode == 0, errors.decode()
    return json.loads(out)


def packed(head, filling, size, tail=b""):
    """A gzip stream of a head, a filling repeated to a size, and a tail."""
    engine = zlib.compressobj(9, wbits=31)
    yield engine.compress(head)
    block = filling * (MB // len(filling))
    for _ in range(size // len(block)):
        if out := engine.compress(block):
            yield out
    yield engine.compress(tail) + engine.flush()


def plain(head, filling, size, tail=b""):
    """The same, not packed."""
    yield head
    block = filling * (MB // len(filling))
    for _ in range(size // len(block)):
        yield block
    yield tail


BOMBS = {
    # what it is: (how it is made, taken, rejected, error; None where it depends on the size)
    "one long line": (lambda size: plain(b'{"title":"a"}\n{"title":"', b"x", size, b'"}\n{"title":"b"}\n'), 2, 1, ""),
    "a long line, packed 1:1000": (lambda size: packed(b'{"title":"a"}\n{"title":"', b"x", size, b'"}\n{"title":"b"}\n'), 2, 1, ""),
    "a line without an end": (lambda size: plain(b'{"title":"a"}\n', b"x", size), 1, 1, ""),
    "blank lines": (lambda size: packed(b'{"title":"a"}\n', b"       \n", size, b'{"title":"b"}\n'), 2, 0, ""),
    "zeros, packed": (lambda size: packed(b"", b"\0", size), 0, 0, "SourceError"),
    "brackets": (lambda size: packed(b'[{"title":"a"},', b"[", size), 1, 1, "SourceError"),
    "escapes": (lambda size: packed(b'{"title":"a"}\n{"title":"', b"\\\\", size, b'"}\n'), 1, 1, ""),
    "an object of escapes": (lambda size: packed(b'[{"title":"a"},{"title":"', b"\\n", size, b'"}]'), 1, 1, ""),
    "quotes in a table": (lambda size: packed(b'title,severity\nx,low\n"', b'""', size, b'",low\ny,low\n'), 2, 1, ""),
    "no line in a table": (lambda size: packed(b"title,severity\nx,low\n", b",", size), 1, 1, ""),
}


BOUND = 150  # MiB: the longest record that is kept (16) in some copies


def defuse(tmp_path, name, size, bound):
    make, taken, rejected, error = BOMBS[name]
    found = read(tmp_path, make(size))
    (tmp_path / "a.db").unlink()
    if error:
        assert found[2] == error
    else:
        assert found[:3] == [taken, rejected, error]
    assert found[3] < bound
    assert found[4]
    return found[3]


def test_a_bomb_does_not_fill_the_memory(tmp_path, promise):
    """One of each kind of framing; all of them, and larger, are the long test's."""
    names = ("a long line, packed 1:1000", "escapes", "quotes in a table")
    grown = [defuse(tmp_path, name, 20 * MB, BOUND) for name in names]
    promise("an import bomb does not fill the memory", f"{len(names)} bombs of 20 MiB: memory grew by {max(grown)} MiB at most")


@pytest.mark.long
def test_a_large_bomb_does_not_fill_the_memory(tmp_path, promise):
    grown = {name: defuse(tmp_path, name, size * MB, BOUND) for name in BOMBS for size in (40, 300)}
    promise(
        "an import bomb does not fill the memory", f"{len(BOMBS)} bombs of 40 and 300 MiB: memory grew by {max(grown.values())} MiB at most"
    )


def short_lines(count):
    for start in range(0, count, 1_000):
        yield b"".join(b'{"title":"%d"}\n{}\n' % number for number in range(start, start + 1_000))


@pytest.mark.parametrize("count", [1_000, pytest.param(500_000, marks=pytest.mark.long)])
def test_very_many_lines(tmp_path, count, promise):
    new, rejected, error, grown, sound = read(tmp_path, short_lines(count))
    assert (new, rejected, error, sound) == (count, count, "", True)
    assert grown < 400
    promise("very many short lines", f"{2 * count:,} lines, memory grew by {grown} MiB")


def test_a_packed_file_that_breaks_off(tmp_path, alert_store):
    """At every length: a reason, or all of its records; what was read before the break is kept, and a second reading completes it."""
    whole = gzip.compress(b"".join(b'{"title":"%d"}\n' % number for number in range(200)))
    path = tmp_path / "in.gz"
    for end in [*range(0, len(whole), 71), len(whole) - 1]:
        path.write_bytes(whole[:end])
        with pytest.raises(SourceError):
            alert_store.ingest(path)
    assert alert_store.verify().ok
    path.write_bytes(whole)
    assert alert_store.ingest(path).rejected == 0
    assert {one.title for one in alert_store.alerts(limit=1000)} >= {str(number) for number in range(200)}
    for name, data in {"flipped": bytes([*whole[:-60], whole[-60] ^ 255, *whole[-59:]]), "followed by junk": whole + b"junk" * 9}.items():
        path.write_bytes(data)
        with pytest.raises(SourceError):
            alert_store.ingest(path)
        assert name
    path.write_bytes(whole + whole)
    assert alert_store.ingest(path).seen == 400
    assert alert_store.verify().ok


def test_a_bad_line_among_many_is_told_by_its_number(tmp_path, alert_store, promise):
    """One line in two hundred is hostile: all others come in, each bad one is reported with number, position and bytes."""
    lines = [b'{"title":"%d"}' % number for number in range(2_000)]
    bad = {number: [b'{"title":"\\ud800"}', b"{", b'{"a":NaN}', b"\xff\xfe", b"\0"][number % 5] for number in range(150, 2_000, 199)}
    for number, line in bad.items():
        lines[number] = line
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"\n".join(lines))
    found = alert_store.ingest(path, source="generic")
    assert (found.new, found.rejected) == (len(lines) - len(bad), len(bad))
    told = {one.record: one for one in alert_store.rejected_records(found.id)}
    assert {number + 1: line for number, line in bad.items()} == {record: one.raw for record, one in told.items()}
    for number in bad:
        assert told[number + 1].position == sum(len(line) + 1 for line in lines[:number])
        assert told[number + 1].reason
    assert alert_store.verify().ok
    promise("one bad line costs one record", f"{len(bad)} of {len(lines):,} lines refused, each named by number, byte and content")


WRITING = """
import os, sys
from click.testing import CliRunner
from alertstore.cli import command
written = set()
def watch(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        written.add(os.path.abspath(os.fsdecode(args[0])))
    if event in {"os.rename", "os.link", "os.mkdir", "os.symlink", "os.remove", "os.rmdir", "os.truncate", "os.chmod"}:
        written.update(os.path.abspath(os.fsdecode(one)) for one in args if isinstance(one, (str, bytes)))
    if event == "sqlite3.connect":
        written.add(str(args[0]))
    if event in {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect"}:
        written.add(event)
sys.addaudithook(watch)
run = CliRunner().invoke
store, folder, *uuids = sys.argv[1:]
for line in open(os.path.join(folder, "commands"), encoding="utf-8", errors="surrogateescape", newline="\\n").read().split("\\0"):
    found = run(command, ["--store", store, "--actor", "mia", *line.split("\\x01")])
    assert found.exit_code in {0, 1, 2, 3, 4}, (line, found.output)
print("\\n".join(sorted(written)).encode("utf-8", "backslashreplace").decode())
"""


def test_no_text_names_a_file_that_is_written(hostile_store, tmp_path, promise):
    """Every command over every text, under Python's audit hook: only the store, its backup and what SQLite keeps beside them."""
    place = tmp_path / "place"
    place.mkdir()
    store = place / "a.db"
    store.write_bytes(Path(hostile_store.path).read_bytes())
    uuids = hostile_store.uuids
    commands = [["export"], ["export", "--format", "csv"], ["list"], ["backup", str(place / "copy.db")], ["verify"], ["migrate"]]
    commands += [["show", uuid] for uuid in uuids[::20]] + [["history", uuid] for uuid in uuids[::20]]
    commands += [["note", "--", uuid, text] for uuid, text in zip(uuids[::12], list(HOSTILE.values())[::12], strict=True)]
    commands += [["backup", "--", str(place / "copy.db")]]
    (tmp_path / "commands").write_text("\0".join("\x01".join(one) for one in commands), encoding="utf-8", newline="\n")
    done = subprocess.run(
        [sys.executable, "-c", WRITING, str(store), str(tmp_path)], capture_output=True, cwd=place, timeout=GUARD, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    assert {name.removesuffix("-wal").removesuffix("-shm") for name in os.listdir(place)} == {"a.db", "copy.db"}
    ours = re.compile(
        rf"(file:)?{re.escape(str(place))}(/\.?(a|copy)\.db(\.\w+\.backup)?(-wal|-shm|-journal)?(\?mode=\w+(&immutable=1)?)?)?"
    )
    others = {re.compile(r"/dev/null"), re.compile(r":memory:")}
    strange = [
        line for line in done.stdout.decode().splitlines() if not ours.fullmatch(line) and not any(one.fullmatch(line) for one in others)
    ]
    assert not strange
    promise("no alert names a file", f"{len(commands)} commands over hostile alerts: no file but the store and its backup is written")


@pytest.mark.parametrize(
    "path", ["../out.db", "sub/../../out.db", "copy?mode=memory", "file:copy.db", "a%00b", "x;y &z", "\x1b[31m", "\u202e"]
)
def test_a_backup_goes_where_it_is_told_and_replaces_nothing(alert_store, tmp_path, monkeypatch, path):
    place = tmp_path / "here"
    (place / "sub").mkdir(parents=True)
    monkeypatch.chdir(place)
    alert_store.add({"title": "x"})
    alert_store.backup(path)
    with AlertStore.open(path, mode="ro") as copy:
        assert copy.count() == 1
    before = Path(path).read_bytes()
    with pytest.raises(Exception, match="exists already"):
        alert_store.backup(path)
    assert Path(path).read_bytes() == before
    assert Path(os.path.abspath(path)).exists()
