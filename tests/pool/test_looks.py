"""What the pool learns of the CLI and its login, and how often it looks."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from claudeproxy.cli.launch import CLI, Launch
from claudeproxy.condition import faults
from claudeproxy.condition.faults import Reason
from claudeproxy.condition.machine import Condition
from claudeproxy.conversation import Profile
from claudeproxy.errors import APIError
from claudeproxy.pool.launches import ASK_AGAIN_AFTER, LaunchFinder
from claudeproxy.pool.looks import LOOK_AGAIN
from claudeproxy.pool.slot import Activity

from .fakes import READY, FakeReactor, Process, becomes_ready
from .test_starts import Starts, exits, prints_text


PLAN = {"subscriptionType": "Claude Max", "apiProvider": "firstParty"}
NOBODY = {"tokenSource": "none", "apiProvider": "firstParty"}


def dies_when_ready(reactor: FakeReactor, process: Process) -> None:
    becomes_ready(reactor, process)

    def look() -> None:
        if process.protocol.was_ready:
            process.end(1)
        elif not process.ended:
            reactor.callLater(0.05, look)

    reactor.callLater(0.05, look)


class Looking(Starts):
    account: dict[str, Any] = PLAN

    def tells(self, reactor: FakeReactor, process: Process) -> None:
        """A CLI that becomes ready with the account of the moment."""
        told = json.loads(READY)
        told["response"]["response"]["account"] = self.account
        told["response"]["response"]["models"].append({"value": f"m{len(reactor.processes)}"})
        becomes_ready(reactor, process, json.dumps(told).encode() + b"\n")

    def newest(self) -> Any:
        asked = ensureDeferred(self.pool.newest())
        self.reactor.pass_time(1)
        return self.successResultOf(asked)

    def ends(self) -> None:
        """Scripted processes have no pid; they end when their worker signals them."""
        for process in self.reactor.running:
            if process.protocol._stopped:
                process.end(15)

    @property
    def condition(self) -> Condition:
        return self.pool._workers._condition

    def test_what_was_told_is_kept_while_all_is_well(self) -> None:
        self.begin(self.tells, spares=0)
        first = self.newest()
        self.reactor.pass_time(LOOK_AGAIN)
        assert self.newest() is first
        self.pool.look()
        assert len(self.reactor.processes) == 1
        assert self.condition.reason is None

    def test_a_login_is_seen_by_the_next_look(self) -> None:
        self.account = NOBODY
        self.begin(self.tells, spares=0)
        self.newest()
        assert self.condition.reason is Reason.NOT_LOGGED_IN
        self.account = PLAN
        self.reactor.pass_time(LOOK_AGAIN - 3)
        self.newest()
        self.pool.look()
        assert len(self.reactor.processes) == 1
        self.reactor.pass_time(2)
        told = self.newest()
        assert self.condition.reason is None
        # The models are those of the newest process.
        assert told.models[-1] == {"value": "m2"}

    def test_who_asks_for_the_condition_makes_it_look(self) -> None:
        self.account = NOBODY
        self.begin(self.tells, spares=0)
        self.newest()
        self.account = PLAN
        self.reactor.pass_time(LOOK_AGAIN)
        for _ in range(5):
            self.pool.look()
        self.reactor.pass_time(1)
        assert self.condition.reason is None
        assert len(self.reactor.processes) == 2

    def test_idle_processes_with_another_login_end(self) -> None:
        for before, after in ((NOBODY, PLAN), (PLAN, NOBODY)):
            self.account = before
            self.begin(self.tells, spares=0)
            self.newest()
            self.account = after
            self.probe()
            self.reactor.pass_time(1)
            self.ends()
            assert [process.ended for process in self.reactor.processes] == [True, False]
            assert self.pool.count(Activity.IDLE) == 1

    def test_a_process_that_was_started_earlier_does_not_tell_the_newest(self) -> None:
        self.begin(lambda *_: None, spares=0)
        self.probe()
        [slow] = self.reactor.processes
        self.reactor.script = self.tells
        self.pool._spares.prepare(Profile("S"))
        self.reactor.pass_time(1)
        self.account = NOBODY
        self.tells(self.reactor, slow)
        self.reactor.pass_time(1)
        assert self.condition.reason is None


class DyingYoung(Starts):
    def end_all(self) -> None:
        for process in self.reactor.running:
            process.end(15)

    def test_one_that_ends_right_after_it_is_ready_is_a_failed_start(self) -> None:
        self.begin(dies_when_ready)
        self.probe().addErrback(lambda _: None)
        for _ in range(3):
            self.asked()
            self.reactor.pass_time(1)
        self.reactor.pass_time(60)
        # Each request has tried two, beside the probe; the rest are spares.
        assert 7 <= len(self.reactor.processes) <= 7 + 7
        [told] = self.told()
        assert "exited with code 1 right after it had become ready" in told
        assert self.pool._workers._condition.reason is Reason.CLI_BROKEN
        self.reactor.pass_time(3600)
        assert len(self.reactor.processes) <= 7 + 7 + 4 + 12
        assert len(self.told()) == 1

    def test_failed_starts_are_counted_by_kind(self) -> None:
        self.begin(exits, spares=0)
        self.probed()
        self.reactor.script = prints_text
        self.probed()
        counted = self.pool._metrics.exposition().decode()
        assert 'claudeproxy_cli_starts_failed_total{kind="exited"} 1.0' in counted
        assert 'claudeproxy_cli_starts_failed_total{kind="broke the protocol"} 1.0' in counted

    def test_one_that_ends_much_later_is_none(self) -> None:
        self.begin(becomes_ready, spares=0)
        self.probe()
        self.reactor.pass_time(61)
        self.reactor.processes[0].end(1)
        assert self.pool._workers.backoff.failures == 0
        assert self.told() == []

    def test_answers_of_unknown_shape_are_failed_starts_without_a_traceback(self) -> None:
        shapes: list[Any] = [
            *(5, None, [], {"models": 7}, {"models": [1]}, {"models": "ab"}),
            *({"account": "x"}, {"account": [1]}),
        ]
        for shape in shapes:
            line = json.loads(READY)
            line["response"]["response"] = shape

            def script(reactor: FakeReactor, process: Process, line: Any = line) -> None:
                reactor.callLater(0.1, process.say, json.dumps(line).encode() + b"\n")

            self.begin(script, spares=0)
            self.reactor.callLater(1, self.end_all)
            error = self.probed()
            assert error.code == "cli_broken", shape
            assert "broke the protocol: a control_response line of unknown shape" in error.message


class Replaced(SynchronousTestCase):
    """The file of the CLI changes while the server runs."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.condition = Condition(self.clock.seconds)
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        self.path = folder / "claude"
        self.path.write_text("one")
        self.looks: list[Deferred[Launch]] = []
        self.finder = LaunchFinder(self.look, self.clock.seconds, self.condition)
        self.find()
        self.found("1")

    def look(self) -> Deferred[Launch]:
        self.looks.append(Deferred())
        return self.looks[-1]

    def find(self) -> Deferred[Any]:
        return ensureDeferred(self.finder.find())

    def found(self, version: str) -> None:
        cli = CLI(str(self.path), version, "PATH")
        self.looks[-1].callback(Launch(cli, {}, "/nonexistent", "/nonexistent"))

    def test_while_it_is_the_same_it_is_not_looked_for(self) -> None:
        self.successResultOf(self.find())
        assert len(self.looks) == 1

    def test_another_file_is_looked_at_before_it_is_used(self) -> None:
        os.utime(self.path, (1, 1))
        asked = self.find()
        self.assertNoResult(asked)
        self.found("2")
        assert self.successResultOf(asked).cli.version == "2"
        assert self.condition.cli is not None
        assert self.condition.cli.version == "2"

    def test_one_that_is_gone_is_told_as_such_until_it_is_back(self) -> None:
        self.path.unlink()
        asked = self.find()
        self.looks[-1].errback(faults.no_cli(str(self.path)))
        self.failureResultOf(asked, APIError)
        with self.assertRaises(APIError) as raised:
            self.finder.require()
        assert raised.exception.code == "no_cli"
        assert self.condition.report()["reason"] == "no_cli"
        self.failureResultOf(self.find(), APIError)
        assert len(self.looks) == 2
        self.path.write_text("back")
        asked = self.find()
        self.found("3")
        self.successResultOf(asked)
        assert self.condition.report()["reason"] == "starting"

    def test_after_failed_starts_it_is_looked_for_again_at_most_every_few_seconds(self) -> None:
        for _ in range(10):
            self.finder.suspect()
            self.clock.advance(ASK_AGAIN_AFTER / 2.5)
            if not self.looks[-1].called:
                self.found("1")
        assert len(self.looks) == 1 + 3
