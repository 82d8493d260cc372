"""Power cuts, simulated: what a process wrote is recorded, and every state that a cut could have left is made again.

The disk is the strict one of POSIX: what was written to a file is safe only after fsync of that file, a name only after fsync of
its folder; of the rest any part may be there. The wal-index (-shm) is left out: SQLite makes it afresh from the log.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path

SECTOR = 512
"""Bytes that a disk writes whole or not at all."""

_CALLS = "openat,pwrite64,write,ftruncate,fsync,fdatasync,rename,renameat,renameat2,link,linkat,unlink,unlinkat"
_LINE = re.compile(r"^\d+ +(\w+)\((.*)\) += (-?\d+)")
_FILE = re.compile(r"^\d+<([^>]*)>")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass
class Inode:
    """A file without a name: what is safe, and what was written since: (offset, bytes), or (size, None) where it was cut to a size."""

    safe: bytearray = field(default_factory=bytearray)
    pending: list = field(default_factory=list)

    def sync(self):
        apply(self.safe, self.pending)
        self.pending = []


def apply(content, changes):
    """Make writes and truncations in a bytearray; a hole is zeros."""
    for offset, data in changes:
        end = offset if data is None else offset + len(data)
        if len(content) < end:
            content.extend(bytes(end - len(content)))
        if data is None:
            del content[offset:]
        else:
            content[offset:end] = data
    return content


class Disk:
    """One folder on a disk."""

    def __init__(self, files):
        """Begin with files that are safe: {name: bytes}."""
        self.safe_names = {name: Inode(bytearray(content)) for name, content in files.items()}
        self.names = dict(self.safe_names)
        self.pending = []  # names given since the folder was synced: (name, inode), or (name, None) where one was taken away

    def name(self, name, inode):
        self.pending.append((name, inode))
        give(self.names, name, inode)

    def sync_names(self):
        for name, inode in self.pending:
            give(self.safe_names, name, inode)
        self.pending = []

    def after_cut(self, keep):
        """The folder after a cut: {name: bytes}, the same object for two names of one file; `keep(changes)` chooses those of a file's unsafe changes that came to be.

        Names come to be in order, as a journal keeps them: how many, `keep(None)` says as a share from 0 to 1.
        """
        names = dict(self.safe_names)
        for name, inode in self.pending[: round(keep(None) * len(self.pending))]:
            give(names, name, inode)
        content = {id(one): bytes(apply(bytearray(one.safe), keep(one.pending))) for one in names.values()}
        return {name: content[id(one)] for name, one in names.items() if not name.endswith("-shm")}


def give(names, name, inode):
    if inode is None:
        names.pop(name, None)
    else:
        names[name] = inode


def lay_out(folder, files):
    """Make the folder that a cut left; two names of one file are that again."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    there = {}
    for name, content in files.items():
        if id(content) in there:
            os.link(there[id(content)], folder / name)
        else:
            (folder / name).write_bytes(content)
            there[id(content)] = folder / name


def everything(changes):
    """Nothing was lost: what a killed process leaves."""
    return 1 if changes is None else changes


def nothing(changes):
    """All that was not synced is lost."""
    return 0 if changes is None else []


def some(random):
    """A policy: each write came to be or not, as it falls."""
    return lambda changes: random.random() if changes is None else [one for one in changes if random.random() < 0.5]


def torn(last, size):
    """A policy: all came to be but the end of the last write, of which the first `size` bytes did."""
    offset, data = last
    return lambda changes: 1 if changes is None else [(offset, data[:size]) if one is last else one for one in changes]


def tears(last):
    """Where a write can tear: at each boundary of a sector inside it, in bytes from its beginning."""
    offset, data = last
    return range(SECTOR - offset % SECTOR, len(data), SECTOR)


@cache
def why_not():
    """Why processes cannot be traced here; None where they can."""
    if not shutil.which("strace"):
        return "strace is not installed"
    probe = subprocess.run(["strace", "-f", "-qq", "-e", "trace=none", "true"], capture_output=True, text=True, check=False)
    return None if probe.returncode == 0 else f"strace cannot trace: {probe.stderr.strip()}"


def record(script, folder, *args):
    """Run a Python script on a folder and record what it does there: (the disk as it begins, steps in order).

    A step is a call with its operands, or ("said", value) where the script printed a line of JSON.
    """
    folder = Path(folder)
    begin = Disk({path.name: path.read_bytes() for path in folder.iterdir()})
    log = folder.parent / f"{folder.name}.trace"
    command = ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", "10000000", "-e", f"trace={_CALLS}", "-o", str(log)]
    done = subprocess.run(
        [*command, sys.executable, str(script), str(folder), *args], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    with log.open(encoding="ascii") as lines:
        steps = [step for line in lines for step in parse(line, folder)]
    log.unlink()
    return begin, steps


def parse(line, folder):
    """What one line of a trace did in a folder: no step, or one."""
    found = _LINE.match(line)
    if not found or found[3].startswith("-"):
        return
    call, operands, result = found.groups()
    file = _FILE.match(operands)
    path = Path(plain(file[1])) if file else None
    texts = [plain(text) for text in _TEXT.findall(operands)] if call not in {"pwrite64", "write"} else []
    numbers = re.findall(r", (\d+)(?=,|$)", operands)
    if call == "write" and operands.startswith("1<"):
        yield from (("said", json.loads(text)) for text in plain(_TEXT.search(operands)[1]).splitlines())
    elif call == "openat" and Path(texts[0]).parent == folder and "O_CREAT" in operands:
        yield "create", Path(texts[0]).name
    elif call == "pwrite64" and path.parent == folder:
        yield "write", path.name, int(numbers[-1]), bytes_of(_TEXT.search(operands)[1])[: int(result)]
    elif call == "ftruncate" and path.parent == folder:
        yield "truncate", path.name, int(numbers[-1])
    elif call in {"fsync", "fdatasync"} and folder in {path, path.parent}:
        yield ("sync folder",) if path == folder else ("sync", path.name)
    elif call.startswith(("link", "rename", "unlink")) and Path(texts[-1]).parent == folder:
        yield (re.match("link|rename|unlink", call)[0], *(Path(text).name for text in texts))
    elif call == "write" and path.parent == folder:
        raise AssertionError(f"a write that the simulation does not know: {line[:200]}")


def bytes_of(text):
    return bytes.fromhex(text.replace("\\x", ""))


def plain(text):
    return bytes_of(text).decode()


def take(disk, step):
    """Do a step on the disk; the change of a file that it made, if it did."""
    match step:
        case "create", name:
            if name not in disk.names:
                disk.name(name, Inode())
        case ("write", name, offset, data) if name in disk.names:
            disk.names[name].pending.append((offset, data))
            return disk.names[name].pending[-1]
        case ("truncate", name, size) if name in disk.names:
            disk.names[name].pending.append((size, None))
        case ("sync", name) if name in disk.names:
            disk.names[name].sync()
        case ("sync folder",):
            disk.sync_names()
        case "link", old, new:
            disk.name(new, disk.names[old])
        case "rename", old, new:
            disk.name(new, disk.names[old])
            disk.name(old, None)
        case "unlink", name:
            disk.name(name, None)
    return None


def cuts(begin, steps, random, *, share=1.0, subsets=4, tears_each=None):
    """Every state that a power cut after any step may leave: (policy, said so far, {name: bytes}).

    With a share below 1, after the first step since something was said, and after a random share of the others. After each step: nothing lost, all lost, `subsets` random parts lost; after a write also the write torn at each boundary of a
    sector (or at `tears_each` of them). States that came before are left out.
    """
    disk, said, seen, new = begin, [], set(), False
    for step in steps:
        last = take(disk, step)
        if step[0] == "said":
            said.append(step[1])
            new = True
        if step[0] == "said" or (len(step) > 1 and step[1].endswith("-shm")) or not (new or random.random() < share):
            continue
        new = False
        policies = [("nothing lost", everything), ("all lost", nothing)] + [("some lost", some(random))] * subsets
        places = list(tears(last)) if last else []
        chosen = places if tears_each is None else random.sample(places, min(tears_each, len(places)))
        policies += [("torn", torn(last, size)) for size in chosen]
        for policy, keep in policies:
            files = disk.after_cut(keep)
            mark = sha256(repr([len(said), sorted((name, sha256(content).digest()) for name, content in files.items())]).encode()).digest()
            if mark not in seen:
                seen.add(mark)
                yield policy, tuple(said), files
