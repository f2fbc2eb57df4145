"""The output of a process, and its end, as its owner learns of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from twisted.internet.error import ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from claudeproxy.cli.launch import CLI, Launch
from claudeproxy.cli.process import Worker
from claudeproxy.conversation import Limits, Profile, Turn, text_block
from claudeproxy.events import Event


class Transport:
    """A process that does nothing."""

    pid = None

    def __init__(self) -> None:
        self.pipes: dict[int, Any] = {}

    def write(self, data: bytes) -> None:
        pass


class Deaf:
    def received(self, events: Sequence[Event]) -> None:
        raise RuntimeError("A listener's fault.")


class Ends(SynchronousTestCase):
    def test_a_listener_that_fails_does_not_keep_it_from_its_owner(self) -> None:
        launch = Launch(CLI("claude", "1", "here"), {}, "/nonexistent", "/nonexistent")
        worker = Worker(Clock(), launch, 5, "")
        worker.makeConnection(Transport())
        worker.initialize(Profile(), 5)
        ready = b'{"type":"control_response","response":{"subtype":"success","request_id":'
        worker.outReceived(ready + b'"claudeproxy-1","response":{}}}\n')
        self.successResultOf(worker.ready)
        worker.ask([Turn("user", (text_block("a"),))], Limits("m"), Deaf())
        ends: list[str] = []
        worker.on_ended = ends.append
        worker.processEnded(Failure(ProcessTerminated(signal=9)))
        assert len(ends) == 1
        assert len(self.flushLoggedErrors(RuntimeError)) == 1


class Pipe:
    """The read end of a pipe, as Twisted has it."""

    def __init__(self, data: bytes) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.write(self._write, data)

    def fileno(self) -> int:
        return self._read

    def close_write_end(self) -> None:
        os.close(self._write)

    def close(self) -> None:
        os.close(self._read)


class Reads(SynchronousTestCase):
    """Twisted reads 8 kB at a time; the worker takes what else is in the pipe."""

    def worker(self, *, in_the_pipe: bytes) -> tuple[Worker, Pipe]:
        launch = Launch(CLI("claude", "1", "here"), {}, "/nonexistent", "/nonexistent")
        worker = Worker(Clock(), launch, 5, "")
        pipe = Pipe(in_the_pipe)
        self.addCleanup(pipe.close)
        transport = Transport()
        transport.pipes[1] = pipe
        worker.makeConnection(transport)
        worker.initialize(Profile(), 5)
        return worker, pipe

    def test_the_rest_of_the_pipe_belongs_to_a_full_read(self) -> None:
        line = b'{"type":"control_response","response":{"subtype":"success","request_id":'
        line += b'"claudeproxy-1","response":{}}}\n'
        padded = b" " * (8192 - 20) + line
        worker, pipe = self.worker(in_the_pipe=padded[8192:])
        self.addCleanup(pipe.close_write_end)
        worker.outReceived(padded[:8192])
        self.successResultOf(worker.ready)

    def test_nothing_more_is_read_after_a_smaller_read(self) -> None:
        worker, pipe = self.worker(in_the_pipe=b"later")
        self.addCleanup(pipe.close_write_end)
        worker.outReceived(b" " * 8191)
        self.assertEqual(os.read(pipe.fileno(), 100), b"later")

    def test_an_empty_pipe_and_a_closed_one_add_nothing(self) -> None:
        worker, pipe = self.worker(in_the_pipe=b" ")
        worker.outReceived(b" " * 8192)
        worker.outReceived(b" " * 8192)
        pipe.close_write_end()
        worker.outReceived(b" " * 8192)
        self.assertNoResult(worker.ready)
