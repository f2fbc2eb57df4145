"""How the CLI is looked for."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet import reactor as global_reactor
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from claudeproxy.cli import lookup
from claudeproxy.cli.launch import CLI, read_version
from claudeproxy.cli.lookup import Lookup
from claudeproxy.errors import APIError


VERSION = b"9.9.9 (Claude Code)\n"


def test_a_version_is_what_the_cli_says_before_its_name() -> None:
    assert read_version(VERSION) == "9.9.9"
    assert read_version(b"v20.1.0\n") is None
    assert read_version(b"\xff") is None


class Process:
    """A process that does what a test says; it is its own transport."""

    pid = None

    def __init__(self, protocol: Any, argv: list[str], env: Mapping[str, str]) -> None:
        self.protocol, self.argv, self.env = protocol, argv, env
        self.closed: list[str] = []

    def closeStdin(self) -> None:
        self.closed.append("stdin")

    def loseConnection(self) -> None:
        self.closed.append("all")

    def end(self, code: int = 0, stdout: bytes = VERSION) -> None:
        self.protocol.outReceived(stdout)
        reason = Failure(ProcessTerminated(exitCode=code) if code else ProcessDone(None))
        self.protocol.processExited(reason)
        self.protocol.processEnded(reason)


class FakeReactor(Clock):
    def __init__(self) -> None:
        super().__init__()
        self.processes: list[Process] = []

    def spawnProcess(
        self, protocol: Any, _: str, argv: list[str], *, env: Mapping[str, str]
    ) -> None:
        self.processes.append(Process(protocol, argv, env))
        protocol.makeConnection(self.processes[-1])


class Scripted(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = FakeReactor()
        self.lookup = Lookup(self.reactor)
        self.home = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.home)
        for place in (".local/bin/claude", ".bun/bin/claude"):
            path = self.home / place
            path.parent.mkdir(parents=True)
            path.touch(mode=0o755)

    def find(self, setting: str = "") -> Deferred[CLI]:
        environ = {"HOME": str(self.home), "PATH": "", "ANTHROPIC_API_KEY": "sk-secret"}
        return ensureDeferred(self.lookup.find(setting, environ))

    def asked(self) -> list[str]:
        """Which binaries were asked for their version."""
        return [
            process.argv[-2].removeprefix(f"{self.home}/") for process in self.reactor.processes
        ]

    def error(self, found: Deferred[CLI]) -> APIError:
        error = self.failureResultOf(found, APIError).value
        assert isinstance(error, APIError)
        return error

    def test_the_first_that_says_its_version_is_used(self) -> None:
        found = self.find()
        self.reactor.processes[0].end()
        path = str(self.home / ".local/bin/claude")
        assert self.successResultOf(found) == CLI(path, "9.9.9", "a default install location")
        assert self.asked() == [".local/bin/claude"]
        assert self.reactor.getDelayedCalls() == []

    def test_a_binary_that_prints_something_else_is_skipped(self) -> None:
        found = self.find()
        self.reactor.processes[0].end(stdout=b"v20.1.0")
        self.reactor.processes[1].end()
        assert self.successResultOf(found).path.endswith(".bun/bin/claude")

    def test_a_binary_that_fails_is_skipped_whatever_it_prints(self) -> None:
        found = self.find()
        self.reactor.processes[0].end(1)
        self.reactor.processes[1].end()
        assert self.successResultOf(found).path.endswith(".bun/bin/claude")

    def test_a_binary_that_prints_nothing_in_time_is_skipped(self) -> None:
        found = self.find()
        self.reactor.advance(lookup.VERSION_TIMEOUT)
        self.reactor.processes[1].end()
        assert self.successResultOf(found).path.endswith(".bun/bin/claude")
        self.reactor.processes[0].end()

    def test_a_binary_whose_child_holds_its_pipes_is_cut_off(self) -> None:
        self.find()
        [process] = self.reactor.processes
        process.protocol.processExited(Failure(ProcessDone(None)))
        self.reactor.advance(lookup.PIPE_LINGER)
        assert process.closed == ["stdin", "all"]

    def test_only_the_binary_in_the_settings_is_tried(self) -> None:
        found = self.find("/opt/claude")
        self.reactor.processes[0].end(127)
        error = self.error(found)
        assert (error.status, error.code) == (503, "no_cli")
        assert "There is no Claude Code CLI at /opt/claude. Install it" in error.message
        assert self.asked() == ["/opt/claude"]

    def test_a_path_in_the_settings_does_not_depend_on_the_directory_of_a_process(self) -> None:
        self.find("./bin/../claude")
        self.find("~/bin/claude")
        # Those in HOME are told without it.
        assert self.asked() == [os.path.abspath("claude"), "bin/claude"]

    def test_without_any_it_is_said_how_to_install_it(self) -> None:
        found = self.find()
        for process in self.reactor.processes:
            process.end(1)
        error = self.error(found)
        assert (error.status, "npm install" in error.message) == (503, True)

    def test_what_it_says_is_kept_within_bounds(self) -> None:
        self.find()
        [process] = self.reactor.processes
        for _ in range(100):
            process.protocol.outReceived(1000 * b"x")
            process.protocol.errReceived(1000 * b"x")
        assert len(process.protocol._stdout) == len(process.protocol._stderr) == 4096

    def test_its_environment_is_the_one_that_it_will_have(self) -> None:
        self.find()
        assert self.reactor.processes[0].env == {"HOME": str(self.home), "PATH": ""}


class Hanging(TestCase):
    """A real process that never answers, with a child of its own."""

    timeout = 30

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.claude = self.folder / "claude"
        self.claude.write_text('#!/bin/sh\nsleep 600 &\necho $$ $! >"$HOME/pids"\nwait\n')
        self.claude.chmod(0o755)
        self.lookup = Lookup(global_reactor)

    async def start(self) -> Deferred[CLI]:
        environ = {"HOME": str(self.folder), "PATH": "/usr/bin:/bin"}
        found = ensureDeferred(self.lookup.find(str(self.claude), environ))
        while len(self.pids()) < 2:
            await until_later()
        return found

    def pids(self) -> list[int]:
        path = self.folder / "pids"
        return [int(pid) for pid in path.read_text().split()] if path.exists() else []

    async def all_end(self) -> None:
        # A signal takes a moment on a machine that is busy.
        while any(map(_runs, self.pids())):
            await until_later()

    async def test_on_timeout_the_process_and_its_child_are_killed(self) -> None:
        self.patch(lookup, "VERSION_TIMEOUT", 1.0)
        with self.assertRaises(APIError):
            await (await self.start())
        await self.lookup.stop()
        await self.all_end()

    async def test_cancelling_the_lookup_ends_the_process(self) -> None:
        found = await self.start()
        found.cancel()
        with self.assertRaises(CancelledError):
            await found
        await self.lookup.stop()
        await self.all_end()


def until_later() -> Deferred[None]:
    """Lets the reactor do what there is to do."""
    later: Deferred[None] = Deferred()
    reactor: Any = global_reactor
    reactor.callLater(0.01, later.callback, None)
    return later


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    # A child whose parent is gone stays as a zombie where nobody waits for it.
    return state != "Z"
