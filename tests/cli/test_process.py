"""The end of a process, as its owner learns of it."""

from __future__ import annotations

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
