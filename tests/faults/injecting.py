"""System calls of a process, made to fail by strace."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from crew import PATIENCE


class Faults:
    """Makes system calls of a process fail."""

    def __init__(self, crew, folder):
        """Use the fixture."""
        self.crew, self.folder, self.injected = crew, folder, 0

    def inject(self, fault, when, job, path, *args):
        """Run a job (its last argument: a file to wait for) with faults: `fault` as strace names it, `when`: "2", or "2+5" for each 5th from the 2nd."""
        go, log = self.folder / f"go-{fault}-{when}", self.folder / "trace"
        hand = self.crew.start(job, path, "mia", *args, go)
        hand.hear("ready")
        call = fault.split(":")[0]
        with subprocess.Popen(
            ["strace", "-f", "-qq", "-p", str(hand.pid), "-e", f"trace={call}", "-e", f"inject={fault}:when={when}", "-o", str(log)]
        ) as tracer:
            until = time.monotonic() + PATIENCE
            while "TracerPid:\t0\n" in Path(f"/proc/{hand.pid}/status").read_text(encoding="ascii"):
                assert time.monotonic() < until
                assert tracer.poll() is None
                time.sleep(0.002)
            go.touch()
            hand.wait()
        number = log.read_text(encoding="utf-8", errors="replace").count("INJECTED")
        self.injected += number
        assert hand.said("fault") == [], f"{fault} {when}"
        return hand, number
