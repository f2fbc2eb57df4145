"""How many processes are left when no request comes."""

from __future__ import annotations

import json
from typing import Any

from twisted.logger import LogLevel, capturedLogs

from claudeproxy.cli import rest
from claudeproxy.cli.rest import Group
from claudeproxy.events import Finished
from claudeproxy.pool.slot import Activity
from claudeproxy.pool.spares import SPARE_DELAY

from ..cli.talk import RESULT, START, control_answer, encoded, stop, stream, text
from .fakes import READY, FakeReactor, Process
from .test_starts import Starts


def answers(reactor: FakeReactor, process: Process) -> None:
    """Takes a second to become ready, and answers every question soon."""

    def write(data: bytes) -> None:
        for line in data.splitlines():
            delay = 1.0 if b'"initialize"' in line else 0.05
            reactor.callLater(delay, _answer, process, json.loads(line))

    process.write = write  # type: ignore[method-assign]


def _answer(process: Process, line: dict[str, Any]) -> None:
    if line["type"] == "control_request" and line["request"]["subtype"] == "initialize":
        process.say(READY)
    elif line["type"] == "control_request":
        went_back = {
            "rewound": True,
            "targetMessageUuid": line["request"].get("target_message_uuid"),
        }
        process.say(encoded(control_answer(line["request_id"], response=went_back)))
    elif line["type"] == "user":
        process.say(encoded(*map(stream, (START, text("b"), stop())), RESULT))


class Burst(Starts):
    """Many requests at once, each with a system prompt of its own."""

    def stopped(self) -> list[bool]:
        """Of each process, whether it is stopped."""
        return [process.protocol.group._stopped for process in self.reactor.running]

    def test_those_that_have_answered_leave_the_cpu_to_those_that_start(self) -> None:
        self.begin(answers, spares=0)
        self.pool._pace.cores = 1
        self.patch(rest, "CAN_LEASH", True)
        self.patch(rest, "Leash", Leash)
        self.patch(Process, "pid", 1)
        self.patch(Group, "_signal", lambda *_: None)
        self.probe()
        self.reactor.pass_time(2)
        for system in "ABC":
            self.asked(system)
        seen = []
        while self.pool.count(Activity.IDLE) < 4:
            self.reactor.advance(0.05)
            if self.stopped() not in seen:
                seen.append(self.stopped())
        # The first one was idle before; nothing starts when the last one has answered.
        assert seen == [
            [False, False],
            [False, False, False],
            [False, True, False],
            [False, True, False, False],
            [False, True, True, False],
        ]
        self.reactor.pass_time(SPARE_DELAY + 0.1)
        assert self.stopped() == [False] * 4
        self.reactor.pass_time(rest.REST_AFTER)
        assert self.stopped() == [True] * 4


class Leash:
    """One that holds nothing."""

    end = 3

    def tie(self, group: int) -> None:
        pass

    def close(self) -> None:
        pass


class Idle(Starts):
    def end_on_sigterm(self) -> None:
        """Scripted processes have no pid; they end when their worker signals them."""
        for process in self.reactor.running:
            if process.protocol._stopped:
                process.end(15)

    def pass_time(self, seconds: int) -> None:
        for _ in range(seconds):
            self.reactor.pass_time(1)
            self.end_on_sigterm()

    def counts(self) -> dict[str, int]:
        counted = {each.value: self.pool.count(each) for each in Activity}
        return {name: count for name, count in counted.items() if count}

    def ask(self) -> None:
        """Two one-shots of one profile, for which a second process is started; then one more."""
        self.probe()
        self.pass_time(32)
        for _ in range(2):
            self.asked("S")
            self.pass_time(5)
        assert self.counts() == {"idle": 2, "blank": 1}
        self.asked("S")
        self.pass_time(5)

    def test_the_log_has_nothing_at_info_while_there_is_nothing_to_do(self) -> None:
        self.begin(answers, idle_time=30.0)
        with capturedLogs() as events:
            self.ask()
            self.pass_time(200)
        ends = [event for event in events if event.get("reason") == "idle timeout"]
        assert ends
        assert {event["log_level"] for event in events} == {LogLevel.debug}

    def test_after_the_idle_time_one_spare_is_left_and_nothing_is_started(self) -> None:
        self.begin(answers, idle_time=30.0)
        self.ask()
        started = len(self.reactor.processes)
        self.pass_time(30)
        assert self.counts() == {"blank": 1}
        self.pass_time(200)
        assert self.counts() == {"blank": 1}
        assert len(self.reactor.processes) == started
        assert self.reactor.getDelayedCalls() == []

    def test_the_last_spare_can_go_too_and_the_next_request_starts_one(self) -> None:
        self.begin(answers, idle_time=30.0, idle_spares=False)
        self.ask()
        started = len(self.reactor.processes)
        self.pass_time(200)
        assert self.counts() == {}
        assert len(self.reactor.processes) == started
        heard = self.asked("S")
        self.pass_time(5)
        assert isinstance(heard.events[-1], Finished)
        assert self.counts() == {"idle": 1, "blank": 1}

    def test_a_spare_that_no_request_asked_for_goes_too(self) -> None:
        self.begin(answers, idle_time=30.0, idle_spares=False)
        self.probe()
        self.pass_time(5)
        assert self.counts() == {"idle": 1, "blank": 1}
        self.pass_time(40)
        assert self.counts() == {}
