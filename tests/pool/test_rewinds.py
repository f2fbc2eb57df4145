"""What becomes of requests whose process does not go back, and how it is counted."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import ensureDeferred
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from claudeproxy.cli.process import RESPONSE_TIMEOUT
from claudeproxy.conversation import Conversation, Limits, Profile, Turn, text_block
from claudeproxy.events import Failed, Finished, TextDelta
from claudeproxy.pool.slot import Activity

from .fakes import FakeReactor, Heard, Process, new_pool


Answer = Callable[[dict[str, Any]], dict[str, Any] | None]


def goes_back(request: dict[str, Any]) -> dict[str, Any]:
    target = request["target_message_uuid"]
    return {"response": {"rewound": True, "targetMessageUuid": target}}


def stale(request: dict[str, Any]) -> dict[str, Any]:
    return {"response": {"rewound": False, "error": "stale target"}}


def elsewhere(request: dict[str, Any]) -> dict[str, Any]:
    return {"response": {"rewound": True, "targetMessageUuid": "another"}}


def unknown(request: dict[str, Any]) -> dict[str, Any]:
    return {"subtype": "error", "error": "Unsupported control request subtype: rewind_conversation"}


def silent(request: dict[str, Any]) -> None:
    return None


CALL: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"model": "m", "usage": {}}},
    {"type": "content_block_start", "content_block": {"type": "tool_use", "id": "t", "name": "x"}},
    {"type": "content_block_stop"},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {}},
]


class FakeCLI:
    """Answers the lines that are written to a process; what it is asked is what it remembers."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.read: dict[Process, int] = {}
        self.memory: dict[Process, list[str]] = {}
        self.asked: list[str] = []

    def start(self, reactor: FakeReactor, process: Process) -> None:
        self.read[process], self.memory[process] = 0, []

        def look() -> None:
            if not process.ended:
                self.look(process)
                reactor.callLater(0.05, look)

        reactor.callLater(0.05, look)

    def look(self, process: Process) -> None:
        written = process.written[self.read[process] :]
        self.read[process] += len(written)
        for line in written.splitlines():
            for said in self.reply(process, json.loads(line)):
                process.say(json.dumps(said).encode() + b"\n")

    def reply(self, process: Process, line: dict[str, Any]) -> list[dict[str, Any]]:
        if line["type"] == "control_request":
            response: dict[str, Any] | None = {"response": {}}
            if line["request"]["subtype"] == "rewind_conversation":
                response = self.answer(line["request"])
            if response is None:
                return []
            whole = {"subtype": "success", "request_id": line["request_id"], **response}
            return [{"type": "control_response", "response": whole}]
        result = {"type": "result", "subtype": "success", "is_error": False}
        if line["message"]["content"] == "/clear":
            self.memory[process].append("CLEARED")
            return [result]
        text = line["message"]["content"][0]["text"]
        self.memory[process].append(text)
        if line["type"] == "assistant":
            return []
        if line.get("shouldQuery") is False:
            return [result]
        self.asked = list(self.memory[process])
        self.memory[process].append("answer")
        if text == "call":
            return [{"type": "stream_event", "event": event} for event in CALL]
        events: list[dict[str, Any]] = [
            {"type": "message_start", "message": {"model": "m", "usage": {}}},
            {"type": "content_block_start", "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "answer"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}},
        ]
        return [*({"type": "stream_event", "event": event} for event in events), result]


def conversation(*texts: str) -> Conversation:
    turns = tuple(
        Turn(("user", "assistant")[index % 2], (text_block(text),))
        for index, text in enumerate(texts)
    )
    return Conversation(Profile("S"), turns, Limits("sonnet"))


class Rewinds(SynchronousTestCase):
    def begin(self, answer: Answer, **settings: Any) -> None:
        self.cli = FakeCLI(answer)
        self.reactor = FakeReactor(self.cli.start)
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        self.pool = new_pool(self.reactor, folder, spares=0, **settings)
        self.logged: list[Any] = []
        observer: Any = self.logged.append
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.successResultOf(ensureDeferred(self.pool._workers.find_cli()))

    def ask(self, *texts: str, seconds: float = 2) -> str:
        """How the conversation got its process; it must have been answered."""
        heard = Heard()
        job = self.pool.start(conversation(*texts), heard)
        self.reactor.pass_time(seconds)
        assert not [event for event in heard.events if isinstance(event, Failed)], heard.events
        assert [event.text for event in heard.events if isinstance(event, TextDelta)] == ["answer"]
        return job.reuse

    def counted(self) -> dict[str, float]:
        """How often processes went back, and why they did not."""
        lines = self.pool._metrics.exposition().decode().splitlines()
        found = [line for line in lines if line.startswith("claudeproxy_rewinds_total{")]
        return {line.split('"')[1]: float(line.rpartition(" ")[2]) for line in found}

    def chat(self) -> None:
        assert self.ask("a") == "spawned"
        assert self.ask("a", "answer", "b") == "continued"

    def warnings(self) -> list[str]:
        found = [event["log_format"] for event in self.logged if event["log_level"].name == "warn"]
        return [text for text in found if "go" in text or "back" in text]

    def test_a_process_goes_back(self) -> None:
        self.begin(goes_back)
        self.chat()
        assert self.ask("a", "answer", "c") == "rewound"
        assert self.counted() == {"done": 1}

    def refused(self, answer: Answer, reason: str) -> None:
        """A refusal is nothing that a client notices."""
        self.begin(answer)
        self.chat()
        self.ask("a", "answer", "c")
        assert self.cli.asked[-4:] == ["CLEARED", "a", "answer", "c"]
        assert len(self.reactor.running) == 1
        assert self.counted() == {reason: 1}
        # It is noticed at the first use, and not tried again.
        assert self.ask("a", "answer", "d") == "recycled"
        assert self.counted() == {reason: 1}
        assert len(self.warnings()) == 1

    def test_stale(self) -> None:
        self.refused(stale, "stale target")

    def test_another_target(self) -> None:
        self.refused(elsewhere, "another target")

    def test_an_unknown_request(self) -> None:
        self.refused(unknown, "unsupported")

    def test_no_answer_in_time(self) -> None:
        self.begin(silent)
        self.chat()
        # It is stopped then, which a process without a pid does not notice.
        [process] = self.reactor.processes
        self.reactor.callLater(RESPONSE_TIMEOUT + 1, process.end)
        self.ask("a", "answer", "c", seconds=RESPONSE_TIMEOUT + 5)
        # Another process served it.
        assert self.cli.asked == ["a", "answer", "c"]
        assert self.counted() == {"no answer in time": 1}
        assert self.ask("a", "answer", "d") == "recycled"

    def test_a_request_that_is_retried_keeps_the_process_that_it_gets_then(self) -> None:
        self.begin(stale, recycling=False)
        self.chat()
        heard = Heard()
        self.pool.start(conversation("a", "answer", "call"), heard)
        self.reactor.pass_time(2)
        assert isinstance(heard.events[-1], Finished)
        assert self.cli.asked == ["a", "answer", "call"]
        # Its turn waits for the results of the call.
        assert self.pool.count(Activity.PARKED) == 1
        assert self.pool.count(Activity.BUSY) == 0

    def test_a_refusal_after_a_success_does_not_end_it(self) -> None:
        self.begin(goes_back)
        self.chat()
        assert self.ask("a", "answer", "c") == "rewound"
        self.cli.answer = stale
        assert self.ask("a", "answer", "d") == "rewound"
        self.cli.answer = goes_back
        assert self.ask("a", "answer", "e") == "rewound"
        assert self.counted() == {"done": 2, "stale target": 1}
        assert self.warnings() == []

    def settings_after_the_question(self) -> list[bool]:
        """For each settings line since the newest question: whether it is the guard."""
        [process] = self.reactor.running
        lines = [json.loads(line) for line in process.written.splitlines()]
        last = max(index for index, line in enumerate(lines) if line["type"] == "user")
        requests = [line["request"] for line in lines[last:] if "request" in line]
        return ["messages" in json.dumps(request) for request in requests]

    def test_the_guard_of_an_answer_is_taken_back_while_nobody_waits(self) -> None:
        self.begin(goes_back)
        self.chat()
        assert self.settings_after_the_question() == [True, False]
        before = self.cli.asked
        assert self.ask("a", "answer", "b", "answer", "c") == "continued"
        assert self.cli.asked == [*before, "answer", "c"]
