"""Processes that work on a store and may be killed at any moment. One server imports alertstore once and forks each of them.

Run as a script this is the server: it reads lines of JSON, [job, file for what it says, arguments] or ["wait", pid], and answers
with the pid, or with how that process ended. Jobs are the functions of jobs.py.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from pathlib import Path

PATIENCE = 60
"""Seconds after which a test that waits for another process has hung."""


class Crew:
    """The server, seen from the tests."""

    def __init__(self, folder):
        """Start it; what its processes say goes to files in `folder`."""
        self.folder = Path(folder)
        self.hands = []
        self.server = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, *words):
        self.server.stdin.write(json.dumps(words) + "\n")
        self.server.stdin.flush()
        return json.loads(self.server.stdout.readline())

    def start(self, job, *args):
        """Start a process that does a job; what it has to say is read from it."""
        log = self.folder / f"said-{len(self.hands)}"
        hand = Hand(self, self.ask(job, str(log), *map(str, args)), log)
        self.hands.append(hand)
        return hand

    def hear_any(self, hands, word):
        """Wait until one of some processes said a word."""
        until = time.monotonic() + PATIENCE
        while not any(hand.said(word) for hand in hands):
            assert time.monotonic() < until, f"heard nothing of {word}"
            time.sleep(0.002)

    def close(self):
        for hand in self.hands:
            if hand.ended is None:
                hand.kill()
        self.server.stdin.close()
        self.server.wait(PATIENCE)
        self.server.stdout.close()


class Hand:
    """One process of the crew."""

    def __init__(self, crew, pid, log):
        """Use `Crew.start`."""
        self.crew, self.pid, self.log, self.ended = crew, pid, log, None

    def said(self, word=None):
        """What it said so far; with a word, what it said under that word."""
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        said = [json.loads(line) for line in lines if line.endswith("}")]
        return said if word is None else [one[word] for one in said if word in one]

    def hear(self, word, number=1):
        """Wait until it said a word so many times; what it said under it."""
        until = time.monotonic() + PATIENCE
        while len(self.said(word)) < number:
            assert time.monotonic() < until, f"heard only {self.said()}"
            time.sleep(0.002)
        return self.said(word)

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.signal(signal.SIGCONT)
        return self.wait()

    def wait(self):
        """Wait for its end: its exit code, negative where a signal ended it."""
        if self.ended is None:
            self.ended = self.crew.ask("wait", self.pid)
        return self.ended


def say(**words):
    """Say something, in one write: whatever happens next, it was said."""
    os.write(1, f"{json.dumps(words)}\n".encode())


def serve():
    import jobs

    jobs.warm_up()
    for line in sys.stdin:
        word, *rest = json.loads(line)
        if word == "wait":
            answer = os.waitstatus_to_exitcode(os.waitpid(rest[0], 0)[1])
        else:
            answer = os.fork()
            if not answer:
                os._exit(work(getattr(jobs, word), *rest))
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def work(job, log, *args):
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 1)
    if sys.platform == "linux":
        set_tracer, anybody = 0x59616D61, ctypes.c_ulong(-1)  # where only parents may trace, strace may trace this process too
        ctypes.CDLL(None).prctl(set_tracer, anybody, 0, 0, 0)
    try:
        job(*args)
    except BaseException:  # noqa: BLE001 - whatever it was, the test shows it
        say(fault=traceback.format_exc())
        return 1
    return 0


if __name__ == "__main__":
    serve()
