"""How many processes are left when no request comes."""

from __future__ import annotations

import json
from typing import Any

from claudeproxy.events import Finished
from claudeproxy.pool.slot import Activity

from ..cli.talk import RESULT, START, control_answer, encoded, stop, stream, text
from .fakes import READY, FakeReactor, Process
from .test_starts import Starts


def answers(reactor: FakeReactor, process: Process) -> None:
    """Becomes ready, and answers every question at once."""

    def write(data: bytes) -> None:
        for line in data.splitlines():
            reactor.callLater(0.05, _answer, process, json.loads(line))

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
