"""Finds the Claude Code CLI: the first candidate that prints its version."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..condition import faults
from ..condition.installed import INSTALL_HINT
from ..condition.versions import is_too_old, update_command
from ..errors import APIError
from ..timers import Timers
from .failures import one_line
from .launch import CLI, allowed, candidates, fingerprint, in_own_session, read_version, real_path


# `claude --version` takes 20 ms and uses no network (2.1.330).
VERSION_TIMEOUT = 20.0
# A process that has exited may leave a child that holds its pipes open.
PIPE_LINGER = 1.0
LONGEST_ANSWER = 4096
BROKEN = faults.Reason.CLI_BROKEN.value


class Lookup:
    """Looks for a CLI, and owns the processes that it starts for this."""

    log = Logger()

    def __init__(self, reactor: Any) -> None:
        """reactor: Twisted's IReactorProcess and IReactorTime."""
        self._reactor = reactor
        self._running: set[_Version] = set()
        # What was logged of the candidates that the last lookup passed over.
        self._told: set[str] = set()

    async def find(self, setting: str, environ: Mapping[str, str]) -> CLI:
        """Find the CLI to use: the one in the settings, or the first candidate that is new enough.

        Raises a 503 APIError that says what is wrong with the best candidate and what to do.
        """
        wrong: list[APIError] = []
        for path, where in candidates(setting, environ):
            fault = await self._fault(path, where, allowed(environ))
            if isinstance(fault, CLI):
                self._warn_of(wrong)
                return fault
            if fault is not None:
                wrong.append(fault)
        # One that is too old explains more than one that does not work.
        best = min(wrong, key=lambda error: error.code == BROKEN, default=None)
        self._warn_of([error for error in wrong if error is not best])
        raise best or faults.no_cli(setting, INSTALL_HINT)

    def stop(self) -> Deferred[None]:
        """End the running processes; fires when they have ended."""
        running = list(self._running)
        for version in running:
            version.kill()
        return gatherResults([version.ended for version in running]).addCallback(lambda _: None)

    async def _fault(self, path: str, where: str, env: Mapping[str, str]) -> CLI | APIError | None:
        """Look at one candidate: the CLI, or why it cannot be used; None if it is not there."""
        version, why = await self._version(path, env)
        if version is None and fingerprint(path) is None:
            return None
        if version is None:
            return faults.not_working(path, why, INSTALL_HINT)
        cli = CLI(path, version, where)
        if is_too_old(version):
            return faults.too_old(cli.name, update_command(path, real_path(path)))
        return cli

    async def _version(self, path: str, env: Mapping[str, str]) -> tuple[str | None, str]:
        """The version of a candidate, or None and what it did instead of telling one."""
        asked = _Version(self._reactor)
        try:
            asked.start(path, env)
        except OSError as error:
            return None, f"could not be started: {error}"
        self._running.add(asked)
        asked.ended.addCallback(lambda _: self._running.discard(asked))
        return await asked.answer, asked.why

    def _warn_of(self, wrong: Sequence[APIError]) -> None:
        """Log what is wrong with the candidates that are passed over, once while it stays so."""
        sentences = [error.message for error in wrong]
        for sentence in sentences:
            if sentence not in self._told:
                self.log.warn("{sentence}", sentence=sentence)
        self._told = set(sentences)


class _Version(ProcessProtocol):
    """A running `claude --version`.

    answer: the version, or None if there was no valid output in time; cancelling it ends the
    process. ended: fires when the process has ended. why: what was wrong with the output.
    """

    def __init__(self, reactor: Any) -> None:
        self.answer: Deferred[str | None] = Deferred(lambda _: self.kill())
        self.ended: Deferred[None] = Deferred()
        self.why = ""
        self._reactor = reactor
        self._timers = Timers(reactor)
        self._process: Any = None
        self._stdout = b""
        self._stderr = b""

    def start(self, path: str, env: Mapping[str, str]) -> None:
        """Start the process; raises OSError."""
        argv = in_own_session([path, "--version"])
        self._reactor.spawnProcess(self, argv[0], argv, env=dict(env))
        self._timers.start("answer", VERSION_TIMEOUT, self._too_late)

    def kill(self) -> None:
        """End the process and its children."""
        pid = self._process.pid if self._process is not None else None
        if pid is None:
            return
        try:
            os.killpg(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            # It does not lead its own session yet (see launch.in_own_session).
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def connectionMade(self) -> None:
        """The process has started; it needs no input."""
        self._process = self.transport
        self._process.closeStdin()

    def outReceived(self, data: bytes) -> None:
        """Collect stdout, which should contain the version."""
        self._stdout = (self._stdout + data)[:LONGEST_ANSWER]

    def errReceived(self, data: bytes) -> None:
        """Collect stderr for the log."""
        self._stderr = (self._stderr + data)[:LONGEST_ANSWER]

    def processExited(self, reason: Failure) -> None:
        """The process has exited; its pipes may still be open."""
        self._timers.start("linger", PIPE_LINGER, self._process.loseConnection)

    def processEnded(self, reason: Failure) -> None:
        """The process has exited and its pipes are closed."""
        self._timers.close()
        ended: Any = reason.value
        version = read_version(self._stdout) if ended.exitCode == 0 else None
        code = f"exited with code {ended.exitCode}, " if ended.exitCode is not None else ""
        self._tell(version, f"{code}wrote {one_line(self._stdout + self._stderr)!r}")
        self.ended.callback(None)

    def _too_late(self) -> None:
        self.kill()
        # Do not wait for its end: its files may be on a file server that does not respond.
        self._tell(None, f"did not finish within {VERSION_TIMEOUT:g} s")

    def _tell(self, version: str | None, why: str) -> None:
        if not self.answer.called:
            self.why = why
            self.answer.callback(version)
