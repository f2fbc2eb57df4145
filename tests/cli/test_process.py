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
from claudeproxy.cli.notices import RateLimitEvent, UsageResponse
from claudeproxy.cli.process import COUNT_TIMEOUT, RESPONSE_TIMEOUT, Worker
from claudeproxy.conversation import Limits, Profile
from claudeproxy.events import Event

from .talk import REPLAYED, RESULT, START, control_answer, encoded, plan, stop, stream, text, user


LIMITS = Limits("m")
REFUSED = {"rewound": False, "error": "stale target"}


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


class Heard:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def received(self, events: Sequence[Event]) -> None:
        self.events += events


class WorkerCase(SynchronousTestCase):
    def setUp(self) -> None:
        launch = Launch(CLI("claude", "1", "here"), {}, "/nonexistent", "/nonexistent")
        self.clock = Clock()
        self.worker = Worker(self.clock, launch, 5, "m", reasoning=False)
        self.worker.makeConnection(Transport())
        self.worker.alive = True
        self.log: list[object] = []
        self.worker.on_rewind = lambda refusal: self.log.append(("rewind", refusal))
        self.worker.on_counted = lambda tokens: self.log.append(("counted", tokens))
        self.worker.on_turn_end = lambda over: self.log.append(("turn end", over.clean))
        self.worker.on_stopping = lambda: self.log.append("stopping")
        self.worker.on_ended = lambda reason: self.log.append(("ended", reason))
        self.worker.initialize(Profile(), 5)
        self.says(control_answer("claudeproxy-1", response={}))
        self.successResultOf(self.worker.ready)

    def says(self, *lines: dict[str, Any]) -> None:
        self.worker.outReceived(encoded(*lines))

    def ends(self) -> None:
        self.worker.processEnded(Failure(ProcessTerminated(signal=9)))


class Ends(WorkerCase):
    def test_a_listener_that_fails_does_not_keep_it_from_its_owner(self) -> None:
        self.worker.ask(plan(user("a")), LIMITS, Deaf())
        self.ends()
        assert len(self.log) == 1
        assert len(self.flushLoggedErrors(RuntimeError)) == 1

    def test_what_follows_an_internal_error_is_not_the_end_of_a_turn(self) -> None:
        self.worker.ask(plan(user("a")), LIMITS, Deaf())
        self.says(stream(START))
        assert len(self.flushLoggedErrors(RuntimeError)) == 1
        self.says(stream(stop()), RESULT)
        self.ends()
        assert self.log == ["stopping", ("ended", "internal error")]


class Plan(WorkerCase):
    def test_what_the_cli_says_of_the_plan_is_passed_on_after_the_events(self) -> None:
        told: list[object] = []
        heard = Heard()
        self.worker.on_plan = lambda report: told.append((report, len(heard.events)))
        self.worker.ask(plan(user("a")), LIMITS, heard)
        info = {"status": "allowed"}
        self.says({"type": "rate_limit_event", "rate_limit_info": info}, stream(START))
        assert told == [(RateLimitEvent(info), 1)]

    def test_it_can_be_asked_for(self) -> None:
        told: list[object] = []
        self.worker.on_plan = told.append
        self.worker.ask_usage()
        self.says(control_answer("claudeproxy-3", response={"rate_limits": {"x": {}}}))
        assert told == [UsageResponse({"x": {}})]
        assert self.log == []


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


class Rewinds(WorkerCase):
    """The process has answered a question, and is to go back to it."""

    def setUp(self) -> None:
        super().setUp()
        self.worker.ask(plan(user("a")), LIMITS, Heard())
        self.says(*map(stream, (START, text("b"), stop())), RESULT)
        self.log.clear()
        self.heard = Heard()
        self.worker.ask(plan(user("c"), back_to=0), LIMITS, self.heard)
        # Three requests came before: initialize, the guard, and this.
        self.request = "claudeproxy-3"

    def rewound(self) -> dict[str, Any]:
        target = "00000001-0000-4000-8000-000000000000"
        return control_answer(self.request, response={"rewound": True, "targetMessageUuid": target})

    def test_it_is_stopped_if_it_does_not_respond(self) -> None:
        self.clock.advance(RESPONSE_TIMEOUT - 0.1)
        assert self.log == []
        self.clock.advance(0.1)
        assert self.log == [("rewind", "no answer in time"), "stopping"]
        # The owner, which knows that the request is not answered, learns of the end alone.
        self.says(self.rewound(), RESULT)
        self.ends()
        assert self.log[2:] == [("ended", "did not respond in time")]
        assert self.heard.events == []

    def test_it_is_not_stopped_once_it_has_responded(self) -> None:
        self.says(self.rewound())
        assert self.log == [("rewind", "")]
        self.clock.advance(10 * RESPONSE_TIMEOUT)
        assert self.log == [("rewind", "")]

    def test_other_output_is_no_response(self) -> None:
        self.clock.advance(RESPONSE_TIMEOUT - 1)
        self.says({"type": "system", "subtype": "something"})
        self.clock.advance(1)
        assert self.log == [("rewind", "no answer in time"), "stopping"]

    def test_its_owner_learns_why_it_did_not_go_back(self) -> None:
        self.says(control_answer(self.request, response=REFUSED))
        assert self.log == [("rewind", "stale target")]

    def test_its_end_is_waited_for_after_an_interrupt(self) -> None:
        self.worker.interrupt()
        self.says(self.rewound())
        assert self.log == [("rewind", ""), ("turn end", False)]

    def test_no_timer_is_left_when_it_has_ended(self) -> None:
        self.ends()
        assert self.clock.getDelayedCalls() == []


class Counts(WorkerCase):
    def count(self) -> None:
        self.worker.count(plan(user("a")))
        self.says(REPLAYED)

    def test_the_tokens_are_told(self) -> None:
        self.count()
        told = {"totalTokens": 5, "apiUsage": None}
        self.says(control_answer("claudeproxy-2", response=told))
        # Not before the process has gone back, and can be used again.
        assert self.log == []
        self.says(control_answer("claudeproxy-3", response=REFUSED))
        assert self.log == [("rewind", "stale target"), ("turn end", False), ("counted", 5)]

    def test_it_is_stopped_if_it_does_not_respond(self) -> None:
        self.count()
        # The API's own time is part of it.
        self.clock.advance(RESPONSE_TIMEOUT)
        assert self.log == []
        self.clock.advance(COUNT_TIMEOUT)
        assert self.log == ["stopping"]

    def test_history_has_no_such_limit(self) -> None:
        self.worker.count(plan(user("a")))
        self.clock.advance(RESPONSE_TIMEOUT)
        assert self.log == []
