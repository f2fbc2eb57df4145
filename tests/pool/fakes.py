"""A reactor whose processes are scripts, and who waits for their answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from claudeproxy.cli.launch import CLI, Launch
from claudeproxy.conversation import Conversation, Limits, Profile, Turn, text_block
from claudeproxy.events import Event, Failed
from claudeproxy.metrics import Metrics
from claudeproxy.pool.pool import Pool
from claudeproxy.pool.workers import PoolSettings
from claudeproxy.settings import Settings


READY = (
    b'{"type":"control_response","response":{"subtype":"success",'
    b'"request_id":"claudeproxy-1","response":{"models":[{"value":"sonnet"}]}}}\n'
)


class Process:
    """A process that does nothing by itself; it is its own transport."""

    pid = None

    def __init__(self, protocol: Any) -> None:
        self.pipes: dict[int, Any] = {}
        self.written = b""
        self.protocol = protocol
        self.ended = False

    def write(self, data: bytes) -> None:
        self.written += data

    def loseConnection(self) -> None:
        pass

    def end(self, code: int = 0, stderr: bytes = b"") -> None:
        if self.ended:
            return
        self.ended = True
        if stderr:
            self.protocol.errReceived(stderr)
        reason = Failure(ProcessTerminated(exitCode=code) if code else ProcessDone(None))
        self.protocol.processExited(reason)
        self.protocol.processEnded(reason)

    def say(self, data: bytes) -> None:
        if not self.ended:
            self.protocol.outReceived(data)


class FakeReactor(Clock):
    """Time goes on by itself in steps; `script` is told of each process that starts."""

    def __init__(self, script: Callable[[FakeReactor, Process], None]) -> None:
        super().__init__()
        self.script = script
        self.processes: list[Process] = []

    def spawnProcess(self, protocol: ProcessProtocol, *_: Any, **more: Any) -> None:
        process = Process(protocol)
        self.processes.append(process)
        protocol.makeConnection(process)
        self.script(self, process)

    def pass_time(self, seconds: float) -> None:
        self.pump([0.05] * round(seconds / 0.05))

    @property
    def running(self) -> list[Process]:
        return [process for process in self.processes if not process.ended]


class Heard:
    """A client that waits."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def received(self, events: Sequence[Event]) -> None:
        self.events += events

    @property
    def error(self) -> tuple[int, str]:
        """What it was told that went wrong; there must be nothing else."""
        [failed] = self.events
        assert isinstance(failed, Failed)
        return failed.error.status, failed.error.message


def becomes_ready(reactor: FakeReactor, process: Process, line: bytes = READY) -> None:
    """The script of a process that says a line once it is initialized."""

    def look() -> None:
        if b'"initialize"' in process.written:
            process.say(line)
        elif not process.ended:
            reactor.callLater(0.05, look)

    reactor.callLater(0.05, look)


def conversation(system: str = "") -> Conversation:
    return Conversation(Profile(system), (Turn("user", (text_block("hi"),)),), Limits("sonnet"))


def new_pool(reactor: FakeReactor, folder: Path, **settings: Any) -> Pool:
    """A pool on scripted processes."""
    launch = Launch(CLI("/opt/claude", "2.0.37", "here"), {}, str(folder), str(folder))
    usual = Settings()
    named = {field.name: getattr(usual, field.name) for field in attrs.fields(PoolSettings)}

    async def find() -> Launch:
        return launch

    return Pool(reactor, find, PoolSettings(**{**named, **settings}), Metrics())
