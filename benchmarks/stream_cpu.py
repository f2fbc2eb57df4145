"""Measures the CPU time that the proxy itself takes for a stream whose tokens arrive all at once.

    python benchmarks/stream_cpu.py [--tokens N] [--read BYTES] [--repeat N] [--profile DIALECT]

A generated answer passes through a real Worker, Job, Exchange and Answer of each dialect. There is
no process and no socket. The figures are medians of milliseconds, and the ratio of each to the time
that `json.loads` alone takes for the same lines.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from claudeproxy.cli.plan import Plan
from claudeproxy.cli.process import Worker
from claudeproxy.conversation import Conversation
from claudeproxy.dialects import Dialect, chat, messages
from claudeproxy.dialects.responses.request import Responses
from claudeproxy.dialects.responses.store import ResponseStore
from claudeproxy.pool.job import Job
from claudeproxy.web.exchange import Exchange, Timeouts


# What Twisted reads from the stdout of a process at once.
READ = 8192
QUESTION = [{"role": "user", "content": "Count."}]
REQUESTS: dict[str, dict[str, Any]] = {
    "Chat Completions": {"messages": QUESTION},
    "Responses": {"input": QUESTION},
    "Messages": {"messages": QUESTION, "max_tokens": 32_000},
}


def dialect(name: str) -> Dialect:
    """The dialect of this name, with a store of its own."""
    if name == "Responses":
        return Responses(ResponseStore(Clock().seconds, 1_000_000, 600))
    return {"Chat Completions": chat, "Messages": messages}[name]


def stream_event(number: int, event: dict[str, Any]) -> bytes:
    """A line with all fields that Claude Code 2.1.330 writes."""
    line = {
        "type": "stream_event",
        "event": event,
        "session_id": str(UUID(int=7)),
        "parent_tool_use_id": None,
        "uuid": str(UUID(int=number)),
        "api_message_id": "msg_1795400119622",
    }
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def output(tokens: int) -> bytes:
    """What the CLI writes for an answer of so many tokens."""
    start = {"id": "msg_1", "model": "claude-opus-5-5", "usage": {"input_tokens": 11}}
    events = [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": f"tok{number} "},
            }
            for number in range(tokens)
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": tokens},
        },
        {"type": "message_stop"},
    ]
    result = {"type": "result", "subtype": "success", "is_error": False, "num_turns": 1}
    lines = [stream_event(number, event) for number, event in enumerate(events)]
    return b"".join([*lines, json.dumps(result).encode(), b"\n"])


class Transport:
    """The pipes of a process that is not there."""

    pid = None
    pipes: dict[int, Any] = {}

    def write(self, data: bytes) -> None:
        """Ignore what is written to the CLI."""


class Request:
    """A client that reads everything at once."""

    channel = None

    def __init__(self) -> None:
        self.body: list[bytes] = []
        self.write = self.body.append

    def setHeader(self, name: str, value: str) -> None:
        """Ignore the head of the response."""

    def registerProducer(self, producer: object, streaming: bool) -> None:
        """Never pause it."""

    def unregisterProducer(self) -> None:
        """The response is complete."""


class OneWorker:
    """The pool's side of one job, which has a worker at once."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def start(self, conversation: Conversation, listener: Any) -> Job:
        """Ask the worker."""
        job = Job(self, conversation, listener, 0.0)
        job.worker = self._worker
        self._worker.ask(Plan(conversation.turns), conversation.limits, job)
        return job

    def answer_began(self, job: Job) -> None:
        """Nothing waits for it."""

    def answer_ended(self, job: Job) -> None:
        """Nothing waits for it."""

    def retry(self, job: Job) -> None:
        """The worker cannot be lost."""

    def cancel(self, job: Job, reason: str) -> None:
        """The client does not disconnect."""


def ready_worker(clock: Clock, conversation: Conversation) -> Worker:
    """A worker whose process has answered `initialize`."""
    launch: Any = None
    worker = Worker(clock, launch, 5.0, "")
    transport: Any = Transport()
    worker.makeConnection(transport)
    worker.initialize(conversation.profile, 10.0)
    response = {"subtype": "success", "request_id": "claudeproxy-1", "response": {}}
    line = {"type": "control_response", "response": response}
    worker.outReceived(json.dumps(line).encode() + b"\n")
    return worker


def prepare(name: str) -> tuple[Callable[[bytes], None], Request]:
    """Start a request of this dialect; return what takes the CLI's output, and the request."""
    clock = Clock()
    its_dialect = dialect(name)
    body = json.dumps({"model": "opus", "stream": True, **REQUESTS[name]}).encode()
    parsed = its_dialect.read(body)
    worker = ready_worker(clock, parsed.conversation)
    request = Request()
    timeouts = Timeouts(first_token=60, stall=60, total=600, hold_head=10, keepalive=10)
    answer = parsed.answer("unique", 1_795_400_000)
    exchange = Exchange(request, its_dialect, answer, clock, timeouts)
    pool: Any = OneWorker(worker)
    Deferred.fromCoroutine(exchange.run(pool, parsed.conversations))
    return worker.outReceived, request


def reads(data: bytes, size: int) -> list[bytes]:
    """The data as it arrives."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def timed(call: Callable[[], None]) -> float:
    """Milliseconds of CPU."""
    began = time.process_time_ns()
    call()
    return (time.process_time_ns() - began) / 1e6


def play(name: str, portions: list[bytes]) -> tuple[Callable[[], None], Request]:
    """What answers one request of this dialect."""
    receive, request = prepare(name)

    def run() -> None:
        for portion in portions:
            receive(portion)

    return run, request


def rounds(portions: list[bytes], lines: list[bytes], tokens: int) -> Iterator[dict[str, float]]:
    """One measurement of everything after the other, without end."""

    def load() -> None:
        for line in lines:
            json.loads(line)

    while True:
        taken = {"json.loads": timed(load)}
        for name in REQUESTS:
            run, request = play(name, portions)
            taken[name] = timed(run)
            sent = b"".join(request.body)
            if sent.count(b"\n\n") < tokens or b'rror"' in sent[-200:]:
                raise RuntimeError(f"deltas are missing in {sent[-500:]!r}")
        yield taken


def profile(name: str, portions: list[bytes], repeat: int) -> None:
    """Print what the answers of this dialect spend their time on."""
    profiler = cProfile.Profile()
    for _ in range(repeat):
        run, _ = play(name, portions)
        profiler.runcall(run)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--tokens", type=int, default=3000)
    parser.add_argument("--read", type=int, default=READ, help="bytes that arrive at once")
    parser.add_argument("--repeat", type=int, default=25)
    parser.add_argument("--profile", choices=sorted(REQUESTS), help="profile this dialect instead")
    options = parser.parse_args()
    data = output(options.tokens)
    portions = reads(data, options.read)
    if options.profile:
        profile(options.profile, portions, options.repeat)
        return
    measured = rounds(portions, data.splitlines(), options.tokens)
    taken = [next(measured) for _ in range(options.repeat)]
    medians = {name: statistics.median(each[name] for each in taken) for name in taken[0]}
    for name, milliseconds in medians.items():
        print(f"{name:18} {milliseconds:6.1f} ms {milliseconds / medians['json.loads']:5.2f}")


if __name__ == "__main__":
    main()
