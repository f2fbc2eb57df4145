"""The proxy of soak.py: a process that is started, looked at, stopped, suspended and killed."""

from __future__ import annotations

import http.client
import json
import os
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
from contenders import CHECKOUT, PATH, Demo, Process, free_port, wait_for
from soak_verdict import State


# So that what takes minutes happens in minutes. There are few clients, so few processes.
OPTIONS = {
    "workers": 4,
    "idle-workers": 3,
    "idle-time": 60,
    "worker-turns": 60,
    "responses": 50,
    "stall-timeout": 20,
    "first-token-timeout": 40,
    "drain": 5,
    "log-format": "json",
}


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name; empty if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


@attrs.define
class Proxy:
    """A proxy on one port, whichever process it is at present.

    ahead: by how many seconds its wall clock is ahead.
    """

    demo: Demo
    cli: str
    home: Path
    port: int = attrs.field(factory=free_port)
    ahead: float = 0.0
    lives: int = 0
    _process: Process | None = None

    def __attrs_post_init__(self) -> None:
        for name in ("tmp", "control"):
            (self.home / name).mkdir(parents=True)
        self._write_offset()

    @property
    def process(self) -> Process:
        assert self._process is not None
        return self._process

    @property
    def pid(self) -> int:
        return self.process.popen.pid

    @property
    def log(self) -> Path:
        return self.home / "log"

    def start(self) -> None:
        self.lives += 1
        script = str(Path(__file__).with_name("soak_server.py"))
        options = {
            "port": self.port,
            "cli": self.cli,
            "directory": self.home / "empty",
            "pass-environment": "ANTHROPIC_BASE_URL",
            **OPTIONS,
        }
        env = {
            "HOME": str(self.home),
            "TMPDIR": str(self.home / "tmp"),
            "PATH": PATH,
            "PYTHONPATH": CHECKOUT,
            "SOAK_CONTROL": str(self.home / "control"),
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{self.demo.port}",
            # With it the API tells the limits of a plan.
            "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-anything",
        }
        argv = [sys.executable, script, "serve", *(f"--{k}={v}" for k, v in options.items())]
        with self.log.open("ab") as log:
            self._process = Process.start(argv, env, self.home, stdout=log, stderr=log)
        wait_for(self.port, self.process.popen)
        self._control()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it with this signal, and wait."""
        os.kill(self.pid, number)
        self.process.popen.wait(60)

    def clis(self) -> list[int]:
        """The CLI processes of this home, whosever children they are."""
        pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        binary = os.path.realpath(self.cli)
        return [pid for pid in pids if binary in map(os.path.realpath, self._argv(pid)[:1])]

    def _argv(self, pid: int) -> list[str]:
        """The words of a process's command line, if it is one of this home's."""
        try:
            env = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        except OSError:
            return []
        return words if f"HOME={self.home}".encode() in env else []

    def gone(self, seconds: float) -> list[int]:
        """The CLI processes that are left after so many seconds at most."""
        end = time.monotonic() + seconds
        while (left := self.clis()) and time.monotonic() < end:
            time.sleep(0.1)
        return left

    def suspend(self, seconds: float) -> None:
        """Stop it and its processes for a time, as a machine that sleeps does."""
        stopped = [pid for pid in self.process.tree() if stat(pid)[:1] not in ([], ["T"])]
        for pid in stopped:
            self._signal(pid, signal.SIGSTOP)
        time.sleep(seconds)
        # A machine's wall clock goes on while it sleeps, and so does this one.
        for pid in reversed(stopped):
            self._signal(pid, signal.SIGCONT)

    @staticmethod
    def _signal(pid: int, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, number)

    def kill_clis(self, pids: list[int]) -> None:
        for pid in pids:
            self._signal(pid, signal.SIGKILL)

    def set_clock(self, ahead: float) -> None:
        self.ahead = ahead
        self._write_offset()
        self._control()

    def _write_offset(self) -> None:
        part = self.home / "control" / "offset.part"
        part.write_text(str(self.ahead))
        part.rename(self.home / "control" / "offset")

    def _control(self) -> Any:
        """Have it take the offset, and tell what it holds."""
        counts = self.home / "control" / "counts"
        counts.unlink(missing_ok=True)
        os.kill(self.pid, signal.SIGUSR2)
        for _ in range(300):
            if counts.exists():
                return json.loads(counts.read_text())
            time.sleep(0.1)
        raise RuntimeError("the proxy does not tell what it holds")

    def get(self, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    def state(self, requests: int) -> State:
        """What it holds now, when nobody asks."""
        counts = self._control()
        links = []
        for fd in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                links.append(self._kind(os.readlink(fd)))
            except OSError:
                continue
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        status = dict(line.split(":", 1) for line in lines)
        smaps = Path(f"/proc/{self.pid}/smaps_rollup").read_text().splitlines()
        private = sum(int(line.split()[1]) for line in smaps if line.startswith("Private_"))
        tree, clis = set(self.process.tree()), set(self.clis())
        return State(
            requests,
            clis=len(clis & tree),
            others=len(tree - clis) - 1,
            strays=len(clis - tree),
            threads=int(status["Threads"]),
            private=private * 1024,
            objects=counts["objects"],
            descriptors=Counter(links),
            timers=counts["timers"],
            types=counts["types"],
        )

    @staticmethod
    def _kind(link: str) -> str:
        """`pipe`, `socket`, ..., or `file`."""
        return "file" if link.startswith("/") else link.partition(":")[0]

    def settle(self) -> bool:
        """Wait until nothing is in progress; False if that takes more than a minute."""
        quiet = 0
        for _ in range(60):
            processes = self.get("/health")["processes"]
            busy = sum(processes[name] for name in ("busy", "ending", "preparing"))
            quiet = quiet + 1 if not busy else 0
            # Processes are stopped after five seconds, spares are started before.
            if quiet == 8:
                return True
            time.sleep(1)
        return False
