"""Where tests run the real command: a folder of their own, which shows what they leave behind."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest


ROOT = Path(__file__).parent.parent
TWISTD = Path(sys.executable).parent / "twistd"
PYTHON_M = [sys.executable, "-m", "claudeproxy"]
# Far longer than anything takes, so that it is only reached when something hangs.
DEADLINE = 30.0
# How long anything may take to stop that has nothing left to do.
BOUND = 10.0
NO_CLI = ["--cli", "/nonexistent/claude"]


def wait_for(what: str, look: Callable[[], Any], seconds: float = DEADLINE) -> Any:
    """The first true value of `look`, which is asked again and again."""
    end = time.monotonic() + seconds
    while not (value := look()):
        if time.monotonic() > end:
            pytest.fail(f"waited {seconds:g} seconds for {what}")
        time.sleep(0.05)
    return value


def processes_with(mark: str) -> dict[int, str]:
    """The command lines of all running processes that have `mark` in their environment."""
    if not Path("/proc/self/environ").exists():
        listed = subprocess.run(
            ["ps", "axeww", "-o", "pid=,command="], capture_output=True, check=True
        ).stdout.decode(errors="replace")
        found = [line.split(maxsplit=1) for line in listed.splitlines() if mark in line]
        return {int(pid): rest for pid, rest in found if int(pid) != os.getpid()}
    processes = {}
    for folder in Path("/proc").glob("[0-9]*"):
        # It may be gone, or another user's. That of a zombie is empty.
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes():
                words = (folder / "cmdline").read_bytes().split(b"\0")
                processes[int(folder.name)] = b" ".join(words).decode(errors="replace")
    processes.pop(os.getpid(), None)
    return processes


@attrs.frozen
class Place:
    """Where a test runs its servers, with all that they may touch."""

    root: Path
    port: int

    @property
    def env(self) -> dict[str, str]:
        return {
            "HOME": str(self.root / "home"),
            "PATH": "/usr/bin:/bin",
            "TMPDIR": str(self.root / "tmp"),
            # Where a checkout other than the installed one is tested.
            **({"PYTHONPATH": path} if (path := os.environ.get("PYTHONPATH")) else {}),
        }

    def options(self, *more: str) -> list[str]:
        return ["--port", str(self.port), "--directory", str(self.root / "empty"), *more]

    def start(self, *command: str | Path) -> subprocess.Popen[bytes]:
        """Run a command that stays; its output is in the files `out` and `err`."""
        with (self.root / "out").open("wb") as out, (self.root / "err").open("wb") as err:
            return subprocess.Popen(
                command,
                env=self.env,
                cwd=self.root / "work",
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                # As from a terminal: a group of its own, and SIGINT is not ignored.
                process_group=0,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command that ends by itself."""
        return subprocess.run(
            command,
            env=self.env,
            cwd=self.root / "work",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )

    def said(self) -> str:
        return "".join((self.root / name).read_text("utf-8") for name in ("out", "err"))

    def connect(self) -> closing[http.client.HTTPConnection]:
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE))

    def health(self) -> dict[str, Any] | None:
        """The answer of GET /health; None if there is none yet."""
        with self.connect() as connection:
            try:
                connection.request("GET", "/health")
                answer = connection.getresponse()
                assert answer.status == 200
                about: dict[str, Any] = json.load(answer)
            except OSError:
                return None
        return about

    def healthy(self, server: subprocess.Popen[bytes]) -> dict[str, Any]:
        """GET /health as soon as the server answers."""

        def look() -> dict[str, Any] | None:
            if server.poll() is not None:
                pytest.fail(f"it ended with {server.returncode}: {self.said()}")
            return self.health()

        about: dict[str, Any] = wait_for("GET /health", look)
        return about

    def knows_the_cli(self) -> bool:
        """Whether the server has started a CLI and learnt from it what it needs."""
        cli = (self.health() or {}).get("cli")
        return cli is not None and cli["logged_in"] is not None

    def processes(self) -> dict[int, str]:
        return processes_with(str(self.root))

    def cli_processes(self) -> dict[int, str]:
        return {pid: line for pid, line in self.processes().items() if "stream-json" in line}

    def left_over(self) -> list[str]:
        """Processes and temporary files."""
        return [*self.processes().values(), *map(str, (self.root / "tmp").iterdir())]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    for name in ("home", "tmp", "work", "empty"):
        (tmp_path / name).mkdir()
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        place = Place(tmp_path, probe.getsockname()[1])
    yield place
    for pid in place.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
