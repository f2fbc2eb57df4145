"""What a job remembers of its answer, and whom it tells."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import pytest

from claudeproxy.conversation import Conversation, Limits, Profile, Turn, text_block
from claudeproxy.errors import upstream_failed
from claudeproxy.events import (
    Event,
    Failed,
    Finished,
    FinishReason,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    Usage,
)
from claudeproxy.pool.job import Job


class FakePool:
    """Notes what its job tells it."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def answer_began(self, job: Job) -> None:
        self.told.append("began")

    def answer_ended(self, job: Job) -> None:
        self.told.append(f"ended with {job.answer and len(job.answer.blocks)}")

    def retry(self, job: Job) -> None:
        self.told.append("retry")

    def cancel(self, job: Job, reason: str) -> None:
        self.told.append(f"cancel: {reason}")


class Heard:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def received(self, events: Sequence[Event]) -> None:
        self.events += events


QUESTION = Conversation(Profile(), (Turn("user", (text_block("a"),)),), Limits("m"))


def new_job() -> tuple[Job, FakePool, Heard]:
    pool = FakePool()
    heard = Heard()
    return Job(pool, QUESTION, heard, 0.0), pool, heard


def finished(reason: FinishReason) -> Finished:
    return Finished(reason, Usage())


def call(index: int, *pieces: str) -> list[Event]:
    started = ToolCallStarted(index, f"toolu_{index}", f"tool_{index}")
    return [started, *(ToolArgumentsDelta(index, piece) for piece in pieces)]


def used(index: int, arguments: Any) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": f"toolu_{index}",
        "name": f"tool_{index}",
        "input": arguments,
    }


def answer(*events: Event) -> Turn | None:
    job, _, _ = new_job()
    for event in events:
        job.received([event])
    return job.answer


TEXT = (TextDelta(" Hello "), ReasoningDelta("hmm"), TextDelta("there\n"))


def test_a_text_is_the_answer_without_what_was_thought() -> None:
    told = answer(Started("m"), *TEXT, finished("stop"))
    assert told == Turn("assistant", (text_block(" Hello "), text_block("there\n")))


def test_calls_come_after_the_text_with_their_arguments_read() -> None:
    told = answer(*TEXT, *call(0, '{"a":', "[1]}"), *call(1, "{}"), finished("tool_calls"))
    assert told == Turn(
        "assistant",
        (text_block(" Hello "), text_block("there\n"), used(0, {"a": [1]}), used(1, {})),
    )


@pytest.mark.parametrize("events", [[], [TextDelta(" \n")]])
def test_calls_may_be_all_there_is(events: list[Event]) -> None:
    told = answer(*events, *call(0, "{}"), finished("tool_calls"))
    assert told == Turn("assistant", (used(0, {}),))


@pytest.mark.parametrize(
    "events",
    [
        TEXT,
        [*TEXT, finished("content_filter")],
        [*TEXT, Failed(upstream_failed("Gone."))],
        [finished("stop")],
        [TextDelta(" \n"), finished("stop")],
        [*call(0, '{"a":'), finished("tool_calls")],
        [*call(0), finished("tool_calls")],
        [*TEXT, *call(0, "{}"), *call(1, "{]"), finished("tool_calls")],
    ],
    ids=(
        *("running", "refused", "failed", "empty", "blank"),
        *("half-a-call", "no-arguments", "a-bad-call"),
    ),
)
def test_an_answer_that_cannot_be_continued_is_none(events: list[Event]) -> None:
    assert answer(*events) is None


@pytest.mark.parametrize("reason", ["stop", "tool_calls", "length"])
def test_only_calls_wait_for_results(reason: FinishReason) -> None:
    job, _, _ = new_job()
    assert not job.waits_for_results
    job.received([*call(0, "{}"), finished(reason)])
    assert job.waits_for_results is (reason == "tool_calls")


def test_the_pool_gets_beginning_and_end_and_the_listener_all_events() -> None:
    job, pool, heard = new_job()
    reads: list[list[Event]] = [[Started("m"), TextDelta("a")], [TextDelta("b")], call(0, "{}")]
    for read in reads:
        job.received(read)
    job.received([finished("tool_calls")])
    assert pool.told == ["began", "ended with 2"]
    assert heard.events == [*chain.from_iterable(reads), finished("tool_calls")]


LOST = Failed(upstream_failed("Gone."), worker_lost=True)


def test_a_job_that_loses_its_worker_before_it_began_is_tried_again_once() -> None:
    job, pool, heard = new_job()
    job.received([LOST])
    assert (pool.told, heard.events) == (["retry"], [])
    job.retried = True
    job.received([LOST])
    assert heard.events == [LOST]


def test_a_job_that_has_begun_is_not_tried_again() -> None:
    job, pool, heard = new_job()
    job.received([Started("m")])
    job.received([LOST])
    assert pool.told == ["began"]
    assert heard.events == [Started("m"), LOST]


class FakeWorker:
    def __init__(self) -> None:
        self.did: list[str] = []

    def pause(self) -> None:
        self.did.append("pause")

    def resume(self) -> None:
        self.did.append("resume")


def test_a_slow_client_holds_up_the_answer_but_not_what_comes_after_it() -> None:
    job, _, _ = new_job()
    worker: Any = FakeWorker()
    job.worker = worker
    job.received([Started("m")])
    job.pauseProducing()
    job.resumeProducing()
    assert worker.did == ["pause", "resume"]
    job.received([TextDelta("a"), finished("stop")])
    job.pauseProducing()
    assert worker.did == ["pause", "resume"]


def test_a_cancelled_listener_gets_no_more_events() -> None:
    job, pool, heard = new_job()
    job.stopProducing()
    job.received([Started("m")])
    assert pool.told == ["cancel: the client disconnected", "began"]
    assert heard.events == []
