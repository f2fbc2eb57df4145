"""What becomes of requests and of spares when CLI processes do not start."""

from __future__ import annotations

import gc
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from claudeproxy.errors import APIError
from claudeproxy.pool.pool import Pool

from .fakes import FakeReactor, Heard, Process, becomes_ready, conversation, new_pool


NAME = "Claude Code 2.0.37 (/opt/claude)"


def exits(reactor: FakeReactor, process: Process) -> None:
    """Too old for one of its options."""
    said = f"error: unknown option '--tools' (pid {len(reactor.processes)})\n".encode()
    reactor.callLater(0.1, process.end, 1, said)


def prints_text(reactor: FakeReactor, process: Process) -> None:
    reactor.callLater(0.1, process.say, b"Welcome to Claude!\n")
    reactor.callLater(0.2, process.end, 0)


def never_ready(reactor: FakeReactor, process: Process) -> None:
    reactor.callLater(1.5, process.end, 15)


class Starts(SynchronousTestCase):
    """Each test has a pool whose processes play a script."""

    def begin(self, script: Callable[[FakeReactor, Process], None], **settings: Any) -> Pool:
        self.reactor = FakeReactor(script)
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        self.pool = new_pool(self.reactor, folder, **settings)
        self.logged: list[Any] = []
        observer: Any = self.logged.append
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        return self.pool

    def tearDown(self) -> None:
        # A failure that nobody took is logged when its Deferred is collected.
        # What was logged keeps the reactor.
        self.reactor.processes.clear()
        del self.reactor, self.pool
        gc.collect()
        assert not self.flushLoggedErrors()

    def probe(self) -> Deferred[Any]:
        return ensureDeferred(self.pool.probe_cli())

    def probed(self) -> APIError:
        """The error of asking the CLI what it offers."""
        asked = self.probe()
        self.reactor.pass_time(3)
        error = self.failureResultOf(asked, APIError).value
        assert isinstance(error, APIError)
        return error

    def asked(self, system: str = "") -> Heard:
        heard = Heard()
        self.pool.start(conversation(system), heard)
        return heard

    def told(self) -> list[str]:
        """The errors in the log."""
        return [
            event["log_format"].format(**event)
            for event in self.logged
            if event["log_level"].name == "error"
        ]


class Failing(Starts):
    def test_without_requests_few_are_started(self) -> None:
        self.begin(exits)
        self.probed()
        self.reactor.pass_time(60)
        assert 5 <= len(self.reactor.processes) <= 9
        self.reactor.pass_time(3600)
        assert len(self.reactor.processes) <= 9 + 4 + 12

    def test_with_one_that_prints_no_json_few_are_started(self) -> None:
        self.begin(prints_text)
        assert "broke the protocol: a line that is not JSON" in self.probed().message
        self.reactor.pass_time(60)
        assert 5 <= len(self.reactor.processes) <= 9

    def test_it_is_logged_once_with_what_the_cli_wrote(self) -> None:
        self.begin(exits)
        self.probed()
        self.reactor.pass_time(60)
        [told] = self.told()
        assert f"{NAME} could not be started: it exited with code 1" in told
        assert "error: unknown option '--tools'" in told

    def test_another_failure_is_logged_too(self) -> None:
        self.begin(exits)
        self.probed()
        self.reactor.script = prints_text
        self.reactor.pass_time(60)
        assert len(self.told()) == 2

    def test_who_waits_is_told_what_the_cli_wrote(self) -> None:
        self.begin(exits)
        error = self.probed()
        assert error.status == 503
        assert error.message == (
            f"{NAME} could not be started: it exited with code 1. "
            "It wrote: error: unknown option '--tools' (pid 1)"
        )

    def test_those_who_ask_at_once_share_one_start(self) -> None:
        self.begin(exits, spares=0)
        asked = [self.probe() for _ in range(5)]
        self.reactor.pass_time(3)
        for one in asked:
            self.failureResultOf(one, APIError)
        assert len(self.reactor.processes) == 1

    def test_a_start_timeout_is_a_failure_too(self) -> None:
        self.begin(never_ready, spares=0, start_timeout=1.0)
        error = self.probed()
        assert (error.status, "did not become ready within 1 s" in error.message) == (503, True)
        assert self.pool._workers.backoff.failures == 1

    def test_a_process_stopped_with_the_server_is_not_a_failure(self) -> None:
        self.begin(becomes_ready)
        self.reactor.script = lambda reactor, process: None
        asked = self.probe()
        stopped = self.pool.stop()
        self.reactor.processes[0].end(15)
        self.successResultOf(stopped)
        error = self.failureResultOf(asked, APIError).value
        assert isinstance(error, APIError)
        assert error.message == "The server is stopping."
        assert self.pool._workers.backoff.failures == 0


class Requests(Starts):
    """The CLI worked once, so requests come this far."""

    def break_after_start(self, script: Callable[[FakeReactor, Process], None] = exits) -> None:
        self.begin(becomes_ready, spares=0)
        asked = self.probe()
        self.reactor.pass_time(1)
        self.successResultOf(asked)
        self.reactor.script = script
        for process in self.reactor.running:
            process.end(9)
        self.before = len(self.reactor.processes)

    def started(self) -> int:
        return len(self.reactor.processes) - self.before

    def test_a_request_is_tried_twice_and_then_refused(self) -> None:
        self.break_after_start()
        heard = self.asked()
        self.reactor.pass_time(3)
        assert (heard.error[0], self.started()) == (503, 2)
        assert "unknown option" in heard.error[1]

    def test_while_starts_fail_a_request_is_tried_once_and_at_once(self) -> None:
        self.break_after_start()
        self.asked()
        self.reactor.pass_time(3)
        heard = self.asked()
        self.reactor.pass_time(0.15)
        assert (heard.error[0], self.started()) == (503, 3)

    def test_all_who_wait_are_refused_with_it(self) -> None:
        self.break_after_start()
        waiting = [self.asked(f"system {number}") for number in range(20)]
        self.reactor.pass_time(3)
        assert {heard.error[0] for heard in waiting} == {503}
        cores = self.pool._pace.cores
        assert self.started() <= 2 * cores + 1

    def test_while_starts_fail_one_process_starts_at_a_time(self) -> None:
        self.break_after_start()
        self.asked()
        self.reactor.pass_time(3)
        for number in range(20):
            self.asked(f"system {number}")
        assert len(self.reactor.running) == 1

    def test_stderr_that_may_quote_a_system_prompt_is_not_reported(self) -> None:
        self.break_after_start()
        heard = self.asked("a secret")
        self.reactor.pass_time(3)
        assert heard.error == (
            503,
            f"{NAME} could not be started: it exited with code 1. See the log.",
        )
        # The first one is about the process that had been ready.
        _, told = self.told()
        assert "unknown option" not in told
        assert "it may contain a client's text" in told

    def test_when_it_works_again_all_is_as_before(self) -> None:
        self.break_after_start()
        self.asked()
        self.reactor.pass_time(3)
        self.reactor.script = becomes_ready
        heard = self.asked()
        self.reactor.pass_time(1)
        assert heard.events == []
        assert b'"user"' in self.reactor.running[0].written
        assert self.pool._workers.backoff.failures == 0

    def test_a_process_that_breaks_the_protocol_is_given_to_nobody(self) -> None:
        self.begin(becomes_ready, spares=1)
        asked = self.probe()
        self.reactor.pass_time(3)
        self.successResultOf(asked)
        for process in self.reactor.running:
            process.say(b"garbage\n")
        heard = self.asked()
        self.reactor.pass_time(1)
        assert heard.events == []
        assert b'"user"' in self.reactor.processes[-1].written
